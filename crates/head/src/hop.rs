//! Hop-by-hop headers (RFC 9110 §7.6.1): what belongs to one connection is never forwarded to the next.

use http::header::{
    CONNECTION, HOST, HeaderMap, HeaderName, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING,
    UPGRADE,
};

use crate::forwarded::is_managed;

/// `Keep-Alive`.
pub const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
/// `Proxy-Connection`, which some clients still send.
pub const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
/// `HTTP2-Settings`, part of the h2c upgrade that is never made.
pub const HTTP2_SETTINGS: HeaderName = HeaderName::from_static("http2-settings");

/// Removes the hop-by-hop headers of a request, and those that its `Connection` header names. Framing, identity and
/// managed headers cannot be named away. `TE: trailers` is kept.
pub fn strip_request(headers: &mut HeaderMap) {
    strip(headers, true);
}

/// Removes the hop-by-hop headers of a response, and those that its `Connection` header names. `Trailer` is kept: it
/// names what follows the body, and that is forwarded (RFC 9110 §6.6.2).
pub fn strip_response(headers: &mut HeaderMap) {
    strip(headers, false);
}

fn strip(headers: &mut HeaderMap, request: bool) {
    // One walk finds out whether there is anything to do; most requests carry none of these.
    let mut found = [false; 10];
    const NAMES: [HeaderName; 10] = [
        CONNECTION,
        KEEP_ALIVE,
        PROXY_CONNECTION,
        TRANSFER_ENCODING,
        UPGRADE,
        TE,
        TRAILER,
        PROXY_AUTHORIZATION,
        HTTP2_SETTINGS,
        PROXY_AUTHENTICATE,
    ];
    for name in headers.keys() {
        if let Some(at) = NAMES.iter().position(|n| n == name)
            && let Some(slot) = found.get_mut(at)
        {
            *slot = true;
        }
    }
    if found.first() == Some(&true) {
        strip_named(headers, request);
    }
    let keep_te = request && headers.get(TE).is_some_and(|v| v.as_bytes().eq_ignore_ascii_case(b"trailers"));
    for (name, found) in NAMES.iter().zip(found) {
        // A response's proxy-authenticate is for us only; a request never has one that means anything.
        let kept = (keep_te && name == TE) || (!request && name == TRAILER);
        if found && !kept {
            headers.remove(name);
        }
    }
}

fn strip_named(headers: &mut HeaderMap, request: bool) {
    let mut named: Vec<HeaderName> = Vec::new();
    for value in headers.get_all(CONNECTION) {
        for token in value.as_bytes().split(|b| *b == b',') {
            if let Ok(name) = HeaderName::from_bytes(token.trim_ascii())
                && !(request && is_protected(&name))
                && !is_framing(&name)
            {
                named.push(name);
            }
        }
    }
    for name in named {
        headers.remove(name);
    }
}

/// Headers that no `Connection` token may remove from a request.
fn is_protected(name: &HeaderName) -> bool {
    name == HOST
        || *name == http::header::AUTHORIZATION
        || *name == http::header::COOKIE
        || *name == http::header::TE
        || is_managed(name.as_str())
}

fn is_framing(name: &HeaderName) -> bool {
    *name == http::header::CONTENT_LENGTH || *name == TRANSFER_ENCODING
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn map(pairs: &[(&str, &str)]) -> HeaderMap {
        pairs.iter().map(|(n, v)| (n.parse::<HeaderName>().unwrap(), v.parse().unwrap())).collect()
    }

    #[test]
    fn removes_the_standard_ones_and_the_named_ones() {
        let mut headers = map(&[
            ("connection", "keep-alive, X-Mine"),
            ("keep-alive", "timeout=5"),
            ("x-mine", "1"),
            ("te", "gzip"),
            ("trailer", "x"),
            ("upgrade", "h2c"),
            ("http2-settings", "AA"),
            ("proxy-connection", "close"),
            ("proxy-authorization", "Basic x"),
            ("x-other", "2"),
        ]);
        strip_request(&mut headers);
        assert_eq!(headers, map(&[("x-other", "2")]));
    }

    #[test]
    fn managed_framing_and_identity_headers_cannot_be_named_away() {
        let pairs = [
            ("x-forwarded-for", "1.1.1.1"),
            ("x-real-ip", "1.1.1.1"),
            ("host", "a"),
            ("cookie", "a=b"),
            ("authorization", "x"),
            ("content-length", "3"),
        ];
        let mut headers = map(&pairs);
        headers.append(CONNECTION, "X-Forwarded-For, x-real-ip".parse().unwrap());
        headers.append(CONNECTION, "HOST, cookie,Authorization, content-length".parse().unwrap());
        strip_request(&mut headers);
        assert_eq!(headers, map(&pairs));
    }

    #[test]
    fn a_response_announces_its_trailers() {
        let mut headers = map(&[("trailer", "x-sum"), ("te", "trailers"), ("connection", "close")]);
        strip_response(&mut headers);
        assert_eq!(headers, map(&[("trailer", "x-sum")]));
    }

    #[test]
    fn te_trailers_stays() {
        let mut headers = map(&[("te", "trailers"), ("connection", "te")]);
        strip_request(&mut headers);
        assert_eq!(headers, map(&[("te", "trailers")]));
    }
}
