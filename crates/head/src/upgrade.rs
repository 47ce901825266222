//! Which requests may leave HTTP (RFC 9110 §7.8).

use http::header::{CONNECTION, HeaderMap, HeaderValue, UPGRADE};
use http::{Method, Version};

/// The one upgrade token that this request may be granted, or `None`: then `Upgrade` is stripped and the request is an
/// ordinary one. `allowed` are lower-case tokens; `h2c` is never allowed, because what it starts could not be judged.
pub fn wanted(method: &Method, version: Version, headers: &HeaderMap, allowed: &[Box<str>]) -> Option<HeaderValue> {
    if version != Version::HTTP_11 || *method != Method::GET || !connection_says_upgrade(headers) {
        return None;
    }
    let mut values = headers.get_all(UPGRADE).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    let token = value.to_str().ok()?;
    let ok = allowed.iter().any(|a| token.eq_ignore_ascii_case(a)) && !token.eq_ignore_ascii_case("h2c");
    // A body before the tunnel would be read as part of it by one side and not by the other.
    let bodyless = !headers.contains_key(http::header::TRANSFER_ENCODING)
        && headers.get(http::header::CONTENT_LENGTH).is_none_or(|v| v.as_bytes() == b"0");
    (ok && bodyless).then(|| value.clone())
}

/// True when the response's 101 names the token that was asked for.
pub fn granted(wanted: &HeaderValue, response: &HeaderMap) -> bool {
    let mut values = response.get_all(UPGRADE).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.as_bytes().eq_ignore_ascii_case(wanted.as_bytes()),
        _ => false,
    }
}

fn connection_says_upgrade(headers: &HeaderMap) -> bool {
    headers
        .get_all(CONNECTION)
        .iter()
        .flat_map(|value| value.as_bytes().split(|b| *b == b','))
        .any(|token| token.trim_ascii().eq_ignore_ascii_case(b"upgrade"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn ask(method: Method, version: Version, pairs: &[(&'static str, &'static str)]) -> bool {
        let headers: HeaderMap =
            pairs.iter().map(|(n, v)| (http::HeaderName::from_static(n), HeaderValue::from_static(v))).collect();
        wanted(&method, version, &headers, &["websocket".into(), "h2c".into()]).is_some()
    }

    #[test]
    fn only_what_the_configuration_allows_and_never_h2c() {
        let ws = [("connection", "keep-alive, Upgrade"), ("upgrade", "WebSocket")];
        assert!(ask(Method::GET, Version::HTTP_11, &ws));
        assert!(!ask(Method::GET, Version::HTTP_10, &ws));
        assert!(!ask(Method::POST, Version::HTTP_11, &ws));
        assert!(!ask(Method::GET, Version::HTTP_11, &[("upgrade", "websocket")]));
        assert!(!ask(Method::GET, Version::HTTP_11, &[("connection", "upgrade"), ("upgrade", "h2c")]));
        assert!(!ask(Method::GET, Version::HTTP_11, &[("connection", "upgrade"), ("upgrade", "websocket, h2c")]));
        assert!(!ask(
            Method::GET,
            Version::HTTP_11,
            &[("connection", "upgrade"), ("upgrade", "websocket"), ("content-length", "5")]
        ));
    }
}
