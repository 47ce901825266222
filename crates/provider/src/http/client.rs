//! One question, one connection: a name is looked up anew each time, and nothing half-dead serves twice.

use bytes::Bytes;
use http::header::{ACCEPT, HOST, HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::rt::TokioIo;
use seaway_config::statics::HttpProviderOptions;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use crate::docker::engine::tls::Tls;

/// Longest answer, in bytes.
const MOST_BYTES: usize = 16 << 20;

/// Where to ask, and what with.
pub(super) struct Endpoint {
    /// For people.
    pub(super) shown: String,
    host: String,
    port: u16,
    target: String,
    headers: HeaderMap,
    tls: Option<Tls>,
}

impl std::fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Endpoint").field(&self.shown).finish()
    }
}

impl Endpoint {
    pub(super) fn new(options: &HttpProviderOptions) -> Result<Self, String> {
        let text = options.endpoint.trim();
        // What may stand before an @, and behind a question mark, can be a secret.
        let plain = text.split(['?', '#']).next().unwrap_or_default();
        let bad = |why: &str| {
            let shown = if plain.contains('@') { "…" } else { plain };
            Err(format!("providers.http.endpoint={shown}: {why}"))
        };
        let (secure, rest) = match text.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => (false, rest),
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => (true, rest),
            _ if text.is_empty() => return Err("providers.http: endpoint is needed".to_owned()),
            _ => return bad("an http:// or https:// URL is expected"),
        };
        let rest = rest.split('#').next().unwrap_or_default();
        let (authority, target) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        if authority.contains('@') {
            return bad("credentials belong into a header: providers.http.headers.Authorization");
        }
        let default = if secure { 443 } else { 80 };
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok()),
            _ => (authority, Some(default)),
        };
        let Some(port) = port.filter(|port| *port != 0) else { return bad("the port is no number from 1 to 65535") };
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        if host.is_empty() || !target.bytes().all(|b| b.is_ascii_graphic()) {
            return bad("it is no URL");
        }
        let mut headers = HeaderMap::new();
        let Ok(named) = HeaderValue::from_str(authority) else { return bad("it is no URL") };
        headers.insert(HOST, named);
        headers.insert(USER_AGENT, HeaderValue::from_static(concat!("Seaway/", env!("CARGO_PKG_VERSION"))));
        headers.insert(ACCEPT, HeaderValue::from_static("application/json, application/yaml;q=0.9, */*;q=0.5"));
        for (name, value) in &options.headers {
            let wrong = |_| format!("providers.http.headers.{}: it is no header", name.escape_debug());
            let name_read = HeaderName::from_bytes(name.as_bytes()).map_err(|_| wrong(()))?;
            let mut value = HeaderValue::from_str(value).map_err(|_| wrong(()))?;
            value.set_sensitive(true);
            headers.insert(name_read, value);
        }
        let tls = match secure {
            true => Some(
                Tls::trusting_system("providers.http.tls", host, options.tls.as_ref()).map_err(|e| e.to_string())?,
            ),
            false => None,
        };
        let target = if target.starts_with('/') { target.to_owned() } else { format!("/{target}") };
        Ok(Self { shown: plain.to_owned(), host: host.to_owned(), port, target, headers, tls })
    }

    /// Asks once. Time limits are the caller's.
    pub(super) async fn ask(&self) -> Result<String, String> {
        let stream =
            TcpStream::connect((self.host.as_str(), self.port)).await.map_err(|e| format!("connecting: {e}"))?;
        match &self.tls {
            None => self.exchange(stream).await,
            Some(tls) => {
                let stream = tls.connect(&self.shown, stream).await.map_err(|e| e.to_string())?;
                self.exchange(stream).await
            }
        }
    }

    async fn exchange<S>(&self, stream: S) -> Result<String, String>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let talk = |e: &dyn std::fmt::Display| format!("the answer broke off: {e}");
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|e| talk(&e))?;
        // Ends by itself when the answer has been read or dropped; its error arrives at the body's reader too.
        tokio::spawn(async move { drop(connection.await) });
        let mut request = http::Request::get(&self.target).body(Empty::<Bytes>::new()).map_err(|e| talk(&e))?;
        request.headers_mut().clone_from(&self.headers);
        let response = sender.send_request(request).await.map_err(|e| talk(&e))?;
        let status = response.status();
        if status.is_redirection() {
            return Err(format!("it answers {} and leads elsewhere: name that address", status.as_u16()));
        }
        if status != http::StatusCode::OK {
            return Err(format!("it answers {}", status.as_u16()));
        }
        let body = Limited::new(response.into_body(), MOST_BYTES).collect().await.map_err(|e| {
            match e.downcast_ref::<http_body_util::LengthLimitError>() {
                Some(_) => format!("the answer has more than {} MiB", MOST_BYTES >> 20),
                None => talk(&e),
            }
        })?;
        String::from_utf8(body.to_bytes().into()).map_err(|_| "the answer is not UTF-8".to_owned())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn endpoint(text: &str) -> Result<Endpoint, String> {
        Endpoint::new(&HttpProviderOptions { endpoint: text.to_owned(), ..HttpProviderOptions::default() })
    }

    #[test]
    fn addresses() {
        for (text, host, port, target, shown) in [
            ("http://a", "a", 80, "/", "http://a"),
            ("http://a:9/x/y?key=secret#z", "a", 9, "/x/y?key=secret", "http://a:9/x/y"),
            ("HTTP://[::1]:8/", "::1", 8, "/", "HTTP://[::1]:8/"),
            ("http://a?b", "a", 80, "/?b", "http://a"),
        ] {
            let found = endpoint(text).unwrap();
            assert_eq!(
                (&*found.host, found.port, &*found.target, &*found.shown),
                (host, port, target, shown),
                "{text}"
            );
        }
        for text in ["", "a", "ftp://a", "http://", "http://a:0", "http://a:x", "http://a/ b", "https://a:99999"] {
            assert!(endpoint(text).is_err(), "{text}");
        }
        let secret = endpoint("http://me:secret@a/").unwrap_err();
        assert!(!secret.contains("secret"), "{secret}");
        let headers = [("X\nY".to_owned(), "secret".to_owned())].into();
        let options =
            HttpProviderOptions { endpoint: "http://a".to_owned(), headers, ..HttpProviderOptions::default() };
        let wrong = Endpoint::new(&options).unwrap_err();
        assert!(wrong.contains("X\\nY") && !wrong.contains("secret"), "{wrong}");
    }
}
