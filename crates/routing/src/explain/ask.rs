//! A request head out of what a person writes, judged as one that came over a connection.

use std::net::IpAddr;
use std::sync::Arc;

use http::header::{HOST, HeaderMap, HeaderValue};
use http::{Method, Uri, Version};
use seaway_head::{Forwarding, Judge, Limits, RequestHead, Trust};

/// What is asked about.
#[derive(Clone, Debug)]
pub struct Question {
    /// The method.
    pub method: Method,
    /// The whole URL: scheme, host, port, path and query.
    pub url: Uri,
    /// Headers beside those that the URL gives. A `Host` here goes before the URL's.
    pub headers: HeaderMap,
    /// Who asks.
    pub from: IpAddr,
    /// The entry point believes everybody's forwarded headers.
    pub trusts_everybody: bool,
    /// Otherwise those of these addresses and networks.
    pub trusted: Vec<String>,
}

/// The head as middlewares would get it.
///
/// # Errors
/// Why a request like that is refused before it is routed, and with which status.
pub fn head(question: Question) -> Result<RequestHead, (u16, &'static str)> {
    let Question { method, url, mut headers, from, trusts_everybody, trusted } = question;
    let networks = trusted.iter().filter_map(|text| seaway_head::forwarded::parse_network(text)).collect();
    let trust = Trust { everybody: trusts_everybody, networks };
    let secure = url.scheme_str() == Some("https");
    if !headers.contains_key(HOST)
        && let Some(authority) = url.authority()
    {
        let host = authority.as_str().rsplit('@').next().unwrap_or_default();
        let host = HeaderValue::from_str(host).map_err(|_| (400, "the host is not valid"))?;
        headers.insert(HOST, host);
    }
    // What the client sends is the path alone.
    let target = url.path_and_query().cloned().map(Uri::from).unwrap_or_default();
    let forwarding = Forwarding::new(from, &trust, secure, true, &HeaderValue::from_static("seaway"));
    let mut judge = Judge::new(Arc::new(Limits::default()), Arc::from(["websocket".into()]), from, secure);
    let judged = judge.admit(method, &target, Version::HTTP_11, headers, &forwarding);
    judged.map(|judged| judged.head).map_err(|refusal| (refusal.status.as_u16(), refusal.reason))
}
