//! The one valid host of a request.

use std::borrow::Cow;
use std::net::Ipv6Addr;

/// A host and its port, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPort<'a> {
    /// Canonical: lower case, no trailing dot, no IPv6 brackets.
    pub host: Cow<'a, str>,
    /// The port, if one was given.
    pub port: Option<u16>,
}

/// Reads `host`, `host:port`, `[v6]` or `[v6]:port` (RFC 9110 §7.2). `None` for anything else: lists, user information,
/// paths, blanks, ports out of range, names longer than 253 bytes.
pub fn parse(raw: &str) -> Option<HostPort<'_>> {
    if let Some(rest) = raw.strip_prefix('[') {
        let (address, tail) = rest.split_once(']')?;
        let port = match tail.strip_prefix(':') {
            Some(port) => Some(parse_port(port)?),
            None if tail.is_empty() => None,
            None => return None,
        };
        // One spelling for one address, so that a rule finds it however the client wrote it.
        let address: Ipv6Addr = address.parse().ok()?;
        return Some(HostPort { host: Cow::Owned(address.to_string()), port });
    }
    let (name, port) = match raw.split_once(':') {
        Some((name, port)) => (name, Some(parse_port(port)?)),
        None => (raw, None),
    };
    let name = name.strip_suffix('.').unwrap_or(name);
    let ok = !name.is_empty()
        && name.len() <= 253
        && !name.starts_with('.')
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~'));
    if !ok {
        return None;
    }
    let host = if name.bytes().any(|b| b.is_ascii_uppercase()) {
        Cow::Owned(name.to_ascii_lowercase())
    } else {
        Cow::Borrowed(name)
    };
    Some(HostPort { host, port })
}

fn parse_port(text: &str) -> Option<u16> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    text.parse().ok().filter(|port| *port != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(raw: &str) -> Option<(String, Option<u16>)> {
        parse(raw).map(|h| (h.host.into_owned(), h.port))
    }

    #[test]
    fn one_form_for_one_host() {
        let a = |port| Some(("a.test".to_owned(), port));
        assert_eq!(host("a.test"), a(None));
        assert_eq!(host("A.TEST"), a(None));
        assert_eq!(host("a.test."), a(None));
        assert_eq!(host("a.test:80"), a(Some(80)));
        assert_eq!(host("[::1]:8080"), Some(("::1".to_owned(), Some(8080))));
        assert_eq!(host("[0:0:0:0:0:0:0:1]"), Some(("::1".to_owned(), None)));
        assert_eq!(host("web_1.localhost"), Some(("web_1.localhost".to_owned(), None)));
        assert!(host(&"a".repeat(253)).is_some());
    }

    #[test]
    fn anything_else_is_no_host() {
        for raw in [
            "",
            "a, b",
            "x@a",
            "a/x",
            "a:99999",
            "a:0",
            "a:80:80",
            "a b",
            "[::1",
            "[::1]x",
            "a%00b",
            "a:",
            ":80",
            ".a",
            "a:+80",
            "ä.test",
            "[fe80::1%eth0]",
        ] {
            assert_eq!(host(raw), None, "{raw}");
        }
        assert_eq!(host(&"a".repeat(254)), None);
    }
}
