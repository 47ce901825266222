//! What the two redirecting middlewares share: the URL that the client asked for, and the answer.

use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use seaway_head::RequestHead;

use crate::rewrite::push_encoded;
use crate::{Answer, Flow, refuse};

const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// No browser follows a longer one.
const MAX_LOCATION: usize = 16 << 10;

/// The scheme as the client sees it. A proxy in front of us that is trusted may have said; what others say was deleted
/// before any middleware ran.
pub(crate) fn client_scheme(head: &RequestHead) -> &'static str {
    let said = head.headers.get(X_FORWARDED_PROTO).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let said = said.split(',').next().unwrap_or_default().trim();
    let is = |word: &str| said.eq_ignore_ascii_case(word);
    match () {
        () if is("https") || is("wss") => "https",
        () if is("http") || is("ws") => "http",
        () if head.secure => "https",
        () => "http",
    }
}

/// `Host` as the client sent it; empty only for HTTP/1.0 without one.
pub(crate) fn client_authority(head: &RequestHead) -> &str {
    head.headers.get(header::HOST).and_then(|v| v.to_str().ok()).unwrap_or(&head.host)
}

/// `host:port` in two; the brackets of an IPv6 address stay.
pub(crate) fn split_port(authority: &str) -> (&str, Option<&str>) {
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port).filter(|p| !p.is_empty())),
        _ => (authority, None),
    }
}

/// The port unless it is the scheme's own.
pub(crate) fn explicit_port<'p>(scheme: &str, port: Option<&'p str>) -> Option<&'p str> {
    port.filter(|port| !matches!((scheme, *port), ("http" | "ws", "80") | ("https" | "wss", "443")))
}

/// The redirect itself: 301 and 302 for GET; 308 and 307 for the rest, which keep method and body.
pub(crate) fn answer(method: &Method, permanent: bool, location: &str, reason: &'static str) -> Flow {
    let status = match (permanent, *method == Method::GET) {
        (true, true) => StatusCode::MOVED_PERMANENTLY,
        (true, false) => StatusCode::PERMANENT_REDIRECT,
        (false, true) => StatusCode::FOUND,
        (false, false) => StatusCode::TEMPORARY_REDIRECT,
    };
    let location = encode(location);
    if location.len() > MAX_LOCATION {
        return refuse("redirect: the target is too long");
    }
    let Ok(value) = HeaderValue::from_str(&location) else {
        return refuse("redirect: the target does not fit into a header");
    };
    let mut answer = Answer::bare(status, reason);
    answer.headers.insert(header::LOCATION, value);
    Flow::Answer(Box::new(answer))
}

/// Nothing in a `Location` can end the header or a link's attribute, and nothing is a backslash, which browsers read as
/// a slash. What else the client wrote stays as it was.
fn encode(location: &str) -> String {
    let mut out = String::with_capacity(location.len());
    for &byte in location.as_bytes() {
        match byte {
            0..=0x20 | 0x7f..=0xff | b'"' | b'<' | b'>' | b'\\' => push_encoded(&mut out, byte),
            _ => out.push(char::from(byte)),
        }
    }
    out
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::testing::{get, redirect};

    #[test]
    fn the_status_follows_method_and_permanence() {
        for (method, permanent, status) in [
            (Method::GET, false, 302),
            (Method::GET, true, 301),
            (Method::POST, false, 307),
            (Method::POST, true, 308),
            (Method::HEAD, false, 307),
        ] {
            let flow = answer(&method, permanent, "https://a/", "x");
            assert_eq!(redirect(&flow), Some((status, "https://a/")));
            let Flow::Answer(answer) = flow else { panic!("an answer") };
            assert_eq!(answer.body, answer.status.canonical_reason().unwrap());
        }
    }

    #[test]
    fn a_location_cannot_end_the_header_or_hide_a_slash() {
        let flow = answer(&Method::GET, false, "https://a/\r\nSet-Cookie: x\\é\"", "x");
        assert_eq!(redirect(&flow), Some((302, "https://a/%0D%0ASet-Cookie:%20x%5C%C3%A9%22")));
    }

    #[test]
    fn the_scheme_is_what_a_trusted_proxy_said_or_the_connections() {
        for (said, secure, want) in [
            ("", false, "http"),
            ("", true, "https"),
            ("https", false, "https"),
            ("http", true, "http"),
            ("wss", false, "https"),
            ("WS", true, "http"),
            ("https, http", false, "https"),
            ("gopher", true, "https"),
        ] {
            let mut head = get("/");
            head.secure = secure;
            head.headers.insert(X_FORWARDED_PROTO, HeaderValue::from_str(said).unwrap());
            assert_eq!(client_scheme(&head), want, "{said} {secure}");
        }
    }

    #[test]
    fn ports_are_told_from_addresses() {
        assert_eq!(split_port("a.b:80"), ("a.b", Some("80")));
        assert_eq!(split_port("a.b"), ("a.b", None));
        assert_eq!(split_port("a.b:"), ("a.b", None));
        assert_eq!(split_port("[::1]:8080"), ("[::1]", Some("8080")));
        assert_eq!(split_port("[::1]"), ("[::1]", None));
    }
}
