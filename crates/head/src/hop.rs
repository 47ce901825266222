//! Hop-by-hop headers (RFC 9110 §7.6.1): what belongs to one connection is never forwarded to the next.

use http::header::{
    CONNECTION, Entry, HOST, HeaderMap, HeaderName, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER,
    TRANSFER_ENCODING, UPGRADE,
};

use crate::forwarded::is_managed;
use crate::survey::{Survey, field};

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

/// The same for a head whose fields have been surveyed; `found` may name more than there is.
pub(crate) fn strip_found(headers: &mut HeaderMap, request: bool, found: u32) {
    if found & field::HOP == 0 {
        return;
    }
    if found & field::CONNECTION != 0 {
        strip_named(headers, request);
        if found & field::HOP == field::CONNECTION {
            return;
        }
    }
    // A response's proxy-authenticate is for us only; a request never has one that means anything.
    let keep_te = request
        && found & field::TE != 0
        && headers.get(TE).is_some_and(|v| v.as_bytes().eq_ignore_ascii_case(b"trailers"));
    let kept = if keep_te { field::TE } else { 0 } | if request { 0 } else { field::TRAILER };
    for (name, bit) in &OTHERS {
        if found & bit & !kept != 0 {
            headers.remove(name);
        }
    }
}

/// All but `Connection`.
const OTHERS: [(HeaderName, u32); 9] = [
    (KEEP_ALIVE, field::KEEP_ALIVE),
    (PROXY_CONNECTION, field::PROXY_CONNECTION),
    (TRANSFER_ENCODING, field::TRANSFER_ENCODING),
    (UPGRADE, field::UPGRADE),
    (TE, field::TE),
    (TRAILER, field::TRAILER),
    (PROXY_AUTHORIZATION, field::PROXY_AUTHORIZATION),
    (HTTP2_SETTINGS, field::HTTP2_SETTINGS),
    (PROXY_AUTHENTICATE, field::PROXY_AUTHENTICATE),
];

fn strip(headers: &mut HeaderMap, request: bool) {
    let found = Survey::names(headers);
    strip_found(headers, request, found);
}

/// Removes `Connection` and what it names.
fn strip_named(headers: &mut HeaderMap, request: bool) {
    let mut named: Vec<HeaderName> = Vec::new();
    let Entry::Occupied(entry) = headers.entry(CONNECTION) else { return };
    for value in entry.iter().filter(|value| *value != "keep-alive" && *value != "Keep-Alive") {
        for token in value.as_bytes().split(|b| *b == b',').map(<[u8]>::trim_ascii) {
            // What these two name is removed in any case.
            if token.eq_ignore_ascii_case(b"keep-alive") || token.eq_ignore_ascii_case(b"upgrade") {
                continue;
            }
            if let Ok(name) = HeaderName::from_bytes(token)
                && !(request && is_protected(&name))
                && !is_framing(&name)
            {
                named.push(name);
            }
        }
    }
    entry.remove();
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
