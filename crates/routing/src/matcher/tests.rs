#![allow(clippy::unwrap_used)]

use http::header::HeaderName;
use http::{HeaderValue, Method};
use seaway_head::RequestHead;

use super::Matcher;
use crate::testing::get;

fn takes(rule: &str, head: &RequestHead) -> bool {
    Matcher::new(rule).unwrap().matches(head)
}

fn with(name: &str, values: &[&str]) -> RequestHead {
    let mut head = get("a", "/");
    for value in values {
        let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
        head.headers.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), value);
    }
    head
}

#[test]
fn hosts_and_paths_match_as_documented() {
    for (rule, host, path, expected) in [
        ("Host(`Example.COM`)", "example.com:8080", "/", true),
        ("Host(`example.com`)", "EXAMPLE.com", "/", true),
        ("Host(`example.com`)", "example.com.", "/", true),
        ("Host(`example.com.`)", "example.com", "/", true),
        ("Host(`example.com`)", "xexample.com", "/", false),
        ("Host(`*.example.com`)", "a.example.com", "/", true),
        ("Host(`*.example.com`)", "a.b.example.com", "/", false),
        ("Host(`*.example.com`)", "example.com", "/", false),
        ("Host(`*`)", "anything", "/", true),
        ("Host(`::1`)", "[::1]:80", "/", true),
        ("HostRegexp(`^[a-z]+\\.example\\.com$`)", "Foo.Example.com.", "/", true),
        ("HostRegexp(`example`)", "an-example.org", "/", true),
        ("HostRegexp(`Example`)", "example.com", "/", false),
        ("HostRegexp(`(?i)Example`)", "example.com", "/", true),
        ("PathPrefix(`/api`)", "a", "/apix", true),
        ("PathPrefix(`/api`)", "a", "/api?x", true),
        ("PathPrefix(`/api`)", "a", "/ap", false),
        ("Path(`/a`)", "a", "/a/", false),
        ("Path(`/a`)", "a", "/a?b", true),
        ("PathPrefix(`/foo/bar`)", "a", "/foo%2Fbar", false),
        ("PathPrefix(`/foo/bar`)", "a", "/foo/x/../bar", true),
        ("PathPrefix(`/foo/bar`)", "a", "/foo/%2E/bar", true),
        ("Path(`/a%2Fb`)", "a", "/a%2fb", true),
        ("Path(`/foo`)", "a", "/%66oo", true),
        ("Path(`/a b`)", "a", "/a%20b", true),
        ("Path(`/ä`)", "a", "/%C3%A4", true),
        ("PathRegexp(`\\.(jpe?g|png)$`)", "a", "/x/y.jpg", true),
        ("PathRegexp(`^/id/\\d+$`)", "a", "/id/42", true),
        ("PathRegexp(`^/id/\\d+$`)", "a", "/id/%D9%A3", false),
        ("!Host(`a`) && PathPrefix(`/`)", "b", "/", true),
        ("!Host(`a`) && PathPrefix(`/`)", "a", "/", false),
        ("Host(`a`) || Host(`b`) && Path(`/x`)", "a", "/any", true),
        ("Host(`a`) || Host(`b`) && Path(`/x`)", "b", "/any", false),
        ("!(Host(`a`) || Host(`b`))", "c", "/", true),
        ("!!Host(`a`)", "a", "/", true),
    ] {
        assert_eq!(takes(rule, &get(host, path)), expected, "{rule} {host} {path}");
    }
}

#[test]
fn a_request_without_host_matches_only_the_star() {
    let mut head = get("a", "/");
    head.host = "".into();
    assert!(takes("Host(`*`)", &head));
    assert!(takes("!Host(`a`)", &head));
    assert!(!takes("Host(`a`)", &head));
    assert!(!takes("Host(`*.a`)", &head));
}

#[test]
fn methods_and_peers() {
    let mut head = get("a", "/");
    assert!(takes("Method(`get`)", &head));
    assert!(!takes("Method(`HEAD`)", &head));
    head.method = Method::from_bytes(b"PURGE").unwrap();
    assert!(takes("Method(`purge`)", &head));
    assert!(takes("ClientIP(`192.168.1.10`)", &head));
    assert!(takes("ClientIP(`192.168.0.0/16`)", &head));
    assert!(!takes("ClientIP(`10.0.0.0/8`)", &head));
    assert!(!takes("ClientIP(`::/0`)", &head));
    head.headers.insert("x-forwarded-for", HeaderValue::from_static("10.0.0.1"));
    assert!(!takes("ClientIP(`10.0.0.0/8`)", &head), "forwarded addresses are not believed");
}

#[test]
fn headers_match_by_any_value() {
    assert!(takes("Header(`x-a`, `1`)", &with("X-A", &["0", "1"])));
    assert!(!takes("Header(`x-a`, `1`)", &with("X-A", &["0, 1"])));
    assert!(!takes("Header(`x-a`, `V`)", &with("X-A", &["v"])));
    assert!(takes("HeaderRegexp(`X-a`, `^te.t$`)", &with("X-A", &["", "test"])));
    assert!(!takes("HeaderRegexp(`X-a`, `.*`)", &get("a", "/")));
    assert!(takes("HeaderRegexp(`X-A`, `^b\\x{fffd}c$`)", &{
        let mut head = get("a", "/");
        head.headers.insert("x-a", HeaderValue::from_bytes(b"b\xffc").unwrap());
        head
    }));
    // The host is no header to rules.
    assert!(!takes("Header(`Host`, `a`)", &get("a", "/")));
    assert!(!takes("HeaderRegexp(`host`, `.*`)", &get("a", "/")));
}

#[test]
fn queries_are_decoded_and_match_by_any_value() {
    for (rule, query, expected) in [
        ("Query(`q`)", "?q", true),
        ("Query(`q`)", "?q=", true),
        ("Query(`q`)", "?q=1", false),
        ("Query(`q`)", "?q=1&q", true),
        ("Query(`q`)", "?x;q", true),
        ("Query(`q`)", "", false),
        ("Query(`q`, `a b`)", "?q=x&q=a+b", true),
        ("Query(`q`, `a b`)", "?%71=a%20b", true),
        ("Query(`q`, `a`)", "?q=A", false),
        ("Query(`q`, `%2`)", "?q=%2", false),
        ("QueryRegexp(`q`, `^a+$`)", "?q=b&q=aaa", true),
        ("QueryRegexp(`q`, `^a b$`)", "?q=a+b", true),
        ("QueryRegexp(`q`, `.*`)", "?x", false),
        ("QueryRegexp(`q`)", "?q", true),
        ("QueryRegexp(`q`)", "?q=1", false),
    ] {
        assert_eq!(takes(rule, &get("a", &format!("/{query}"))), expected, "{rule} {query}");
    }
}

#[test]
fn what_cannot_be_compiled_is_told_in_one_line() {
    for (rule, needle) in [
        ("Host('a')", "column"),
        ("hOst(`a`)", "not a matcher"),
        ("Query(`q`, ``)", "column"),
        ("HostRegexp(`(a`)", "HostRegexp: the regular expression cannot be used: unclosed group"),
        ("PathRegexp(`(\\pL{100}){100}`)", "1 MiB"),
        ("Host(`a`) && HeaderRegexp(`x`, `(?!a)`)", "look-around"),
        ("", "empty"),
    ] {
        let error = Matcher::new(rule).map(|_| ()).unwrap_err();
        assert!(error.contains(needle) && error.lines().count() == 1, "{rule}: {error}");
    }
}
