#![allow(clippy::unwrap_used)]

use http::StatusCode;

use super::*;
use crate::testing::{Desk, get, to, values};

fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn compile(request: &[(&str, &str)], response: &[(&str, &str)]) -> Result<Headers, String> {
    Headers::compile(&model::Headers {
        custom_request_headers: map(request),
        custom_response_headers: map(response),
        ..Default::default()
    })
}

#[test]
fn sets_replaces_and_removes_request_headers() {
    let headers = compile(&[("X-New", " a b "), ("x-old", "new"), ("X-Gone", "")], &[]).unwrap();
    let mut head = get("/");
    head.headers.append("x-old", HeaderValue::from_static("1"));
    head.headers.append("x-old", HeaderValue::from_static("2"));
    head.headers.insert("x-gone", HeaderValue::from_static("1"));
    assert!(matches!(headers.on_request(&mut head, &mut Desk::default().cx()), Flow::Next));
    assert_eq!(values(&head.headers, "x-new"), ["a b"]);
    assert_eq!(values(&head.headers, "x-old"), ["new"]);
    assert!(!head.headers.contains_key("x-gone"));
}

#[test]
fn host_sets_the_host_of_the_request() {
    let mut head = get("/");
    compile(&[("host", "Inner.Example:8080")], &[]).unwrap().on_request(&mut head, &mut Desk::default().cx());
    assert_eq!(values(&head.headers, "host"), ["Inner.Example:8080"]);
    assert_eq!(&*head.host, "inner.example");
    compile(&[("Host", "")], &[]).unwrap().on_request(&mut head, &mut Desk::default().cx());
    assert_eq!(values(&head.headers, "host"), ["Inner.Example:8080"]);
    compile(&[("Host", "[2001:db8::1]:80")], &[]).unwrap().on_request(&mut head, &mut Desk::default().cx());
    assert_eq!(&*head.host, "2001:db8::1");
}

#[test]
fn a_blank_forwarded_for_hides_the_client() {
    let mut head = get("/");
    head.headers.insert(X_FORWARDED_FOR, HeaderValue::from_static("203.0.113.9"));
    compile(&[("X-Forwarded-For", "")], &[]).unwrap().on_request(&mut head, &mut Desk::default().cx());
    assert!(!head.headers.contains_key(X_FORWARDED_FOR));
    assert!(!head.append_forwarded_for);
    let mut head = get("/");
    compile(&[("X-Other", "")], &[]).unwrap().on_request(&mut head, &mut Desk::default().cx());
    assert!(head.append_forwarded_for);
}

#[test]
fn sets_and_removes_response_headers() {
    let headers = compile(&[], &[("Server", ""), ("X-Frame-Options", "DENY")]).unwrap();
    let mut status = StatusCode::OK;
    let mut map = HeaderMap::new();
    map.insert("server", HeaderValue::from_static("x"));
    headers.on_response(&mut ResponseHead { status: &mut status, headers: &mut map }, &mut Memory::Nothing);
    assert!(!map.contains_key("server"));
    assert_eq!(values(&map, "x-frame-options"), ["DENY"]);
}

#[test]
fn what_would_break_a_message_does_not_compile() {
    for name in ["Transfer-Encoding", "content-length", "CONNECTION", "Upgrade", "TE", "Trailer", "Keep-Alive"] {
        for value in ["chunked", ""] {
            assert!(compile(&[(name, value)], &[]).is_err(), "{name}");
            assert!(compile(&[], &[(name, value)]).is_err(), "{name}");
        }
    }
    assert!(compile(&[], &[("Host", "a")]).is_err());
}

#[test]
fn invalid_names_and_values_do_not_compile_and_are_named() {
    for (name, value) in [
        ("X A", "1"),
        ("", "1"),
        ("X-A:", "1"),
        ("X-Ä", "1"),
        ("X-A", "a\r\nX-B: 2"),
        ("X-A", "a\nb"),
        ("X-A", "a\0b"),
        ("Host", "a b"),
        ("Host", "user@a"),
        ("Host", "a/b"),
    ] {
        let error = compile(&[(name, value)], &[]).unwrap_err();
        assert!(error.starts_with("headers.customRequestHeaders."), "{error}");
    }
    assert!(compile(&[("X-A", "1"), ("x-a", "2")], &[]).is_err());
    assert!(compile(&[], &[]).is_err());
}

/// What becomes of a response to a request with these headers, `X: y` each.
fn response(options: &model::Headers, request: &[&str], secure: bool) -> HeaderMap {
    let headers = Headers::compile(options).unwrap();
    let mut head = get("/");
    head.secure = secure;
    set(&mut head, request);
    let mut desk = Desk::default();
    assert!(matches!(headers.on_request(&mut head, &mut desk.cx()), Flow::Next), "{options:?} {request:?}");
    let mut status = StatusCode::OK;
    let mut map = HeaderMap::new();
    headers.on_response(&mut ResponseHead { status: &mut status, headers: &mut map }, &mut desk.memory);
    map
}

fn set(head: &mut RequestHead, lines: &[&str]) {
    for line in lines {
        let (name, value) = line.split_once(": ").unwrap();
        head.headers.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap());
    }
}

/// `name: value` of each header, in order of names.
fn lines(map: &HeaderMap) -> Vec<String> {
    let mut lines: Vec<String> = map.iter().map(|(n, v)| format!("{n}: {}", v.to_str().unwrap())).collect();
    lines.sort();
    lines
}

fn texts(list: &[&str]) -> Vec<String> {
    list.iter().map(|text| (*text).to_owned()).collect()
}

fn options(change: impl FnOnce(&mut model::Headers)) -> model::Headers {
    let mut options = model::Headers::default();
    change(&mut options);
    options
}

#[test]
fn what_browsers_are_told() {
    for (options, secure, want) in [
        (options(|o| o.frame_deny = true), false, &["x-frame-options: DENY"][..]),
        (
            options(|o| {
                o.frame_deny = true;
                o.custom_frame_options_value = "SAMEORIGIN".to_owned();
            }),
            false,
            &["x-frame-options: SAMEORIGIN"],
        ),
        (options(|o| o.content_type_nosniff = true), false, &["x-content-type-options: nosniff"]),
        (options(|o| o.browser_xss_filter = true), false, &["x-xss-protection: 1; mode=block"]),
        (
            options(|o| {
                o.browser_xss_filter = true;
                o.custom_browser_xss_value = "0".to_owned();
            }),
            false,
            &["x-xss-protection: 0"],
        ),
        (
            options(|o| o.content_security_policy = "default-src 'self'".to_owned()),
            false,
            &["content-security-policy: default-src 'self'"],
        ),
        (
            options(|o| o.content_security_policy_report_only = "default-src *".to_owned()),
            false,
            &["content-security-policy-report-only: default-src *"],
        ),
        (options(|o| o.referrer_policy = "same-origin".to_owned()), false, &["referrer-policy: same-origin"]),
        (options(|o| o.permissions_policy = "camera=()".to_owned()), false, &["permissions-policy: camera=()"]),
        (options(|o| o.public_key = "pin".to_owned()), false, &[]),
        (options(|o| o.public_key = "pin".to_owned()), true, &["public-key-pins: pin"]),
        (options(|o| o.sts_seconds = 1), false, &[]),
        (options(|o| o.sts_seconds = 1), true, &["strict-transport-security: max-age=1"]),
        (
            options(|o| {
                (o.sts_seconds, o.sts_include_subdomains) = (42, true);
            }),
            true,
            &["strict-transport-security: max-age=42; includeSubDomains"],
        ),
        (
            options(|o| (o.sts_seconds, o.sts_include_subdomains, o.sts_preload) = (42, true, true)),
            true,
            &["strict-transport-security: max-age=42; includeSubDomains; preload"],
        ),
        (
            options(|o| (o.sts_seconds, o.sts_preload) = (42, true)),
            true,
            &["strict-transport-security: max-age=42; preload"],
        ),
        (
            options(|o| (o.sts_seconds, o.force_sts_header) = (42, true)),
            false,
            &["strict-transport-security: max-age=42"],
        ),
        (options(|o| (o.sts_seconds, o.force_sts_header, o.is_development) = (42, true, true)), true, &[]),
        (options(|o| o.force_sts_header = true), true, &[]),
        (options(|o| o.ssl_redirect = Some(true)), false, &[]),
        (options(|o| o.feature_policy = Some("camera 'none'".to_owned())), true, &[]),
    ] {
        assert_eq!(lines(&response(&options, &[], secure)), want, "{options:?} {secure}");
    }
}

#[test]
fn a_proxy_in_front_may_have_ended_https() {
    let options = options(|o| {
        o.sts_seconds = 1;
        o.ssl_proxy_headers = map(&[("X-Forwarded-Proto", "https"), ("X-Ssl", "on")]);
    });
    for (request, want) in [
        (&["X-Forwarded-Proto: https"][..], true),
        (&["X-Ssl: on"], true),
        (&["X-Forwarded-Proto: http", "X-Ssl: on"], true),
        (&["X-Forwarded-Proto: http"], false),
        (&["X-Ssl: ON"], false),
        (&[], false),
    ] {
        assert_eq!(response(&options, request, false).contains_key(header::STRICT_TRANSPORT_SECURITY), want);
    }
}

#[test]
fn only_allowed_hosts_are_served() {
    let allowed = |hosts: &[&str], headers: &[&str], development| {
        options(|o| {
            o.allowed_hosts = texts(hosts);
            o.hosts_proxy_headers = texts(headers);
            o.is_development = development;
        })
    };
    for (options, host, request, want) in [
        (allowed(&["a.example", "b.example"], &[], false), "b.example", &[][..], true),
        (allowed(&["A.example"], &[], false), "a.EXAMPLE", &[], true),
        (allowed(&["a.example"], &[], false), "b.example", &[], false),
        (allowed(&["a.example"], &[], false), "sub.a.example", &[], false),
        (allowed(&["a.example:8080"], &[], false), "a.example:8080", &[], true),
        (allowed(&["a.example"], &[], false), "a.example:8080", &[], false),
        (allowed(&["a.example"], &["X-Host", "X-Other"], false), "proxy", &["X-Other: a.example"], true),
        (allowed(&["a.example"], &["X-Host", "X-Other"], false), "proxy", &["X-Host: b", "X-Other: a.example"], false),
        (allowed(&["a.example"], &["X-Host"], false), "a.example", &["X-Host: b"], false),
        (allowed(&["a.example"], &["X-Host"], false), "a.example", &[], true),
        (allowed(&["a.example"], &[], true), "b.example", &[], true),
    ] {
        let mut head = to(host, "/");
        head.headers.insert(header::HOST, HeaderValue::from_str(host).unwrap());
        set(&mut head, request);
        match Headers::compile(&options).unwrap().on_request(&mut head, &mut Desk::default().cx()) {
            Flow::Next => assert!(want, "{options:?} {host} {request:?}"),
            Flow::Answer(answer) => {
                assert!(!want, "{options:?} {host} {request:?}");
                assert_eq!((answer.status.as_u16(), &*answer.body), (500, &b"Bad Host"[..]));
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn the_host_that_counts_is_the_one_that_is_sent() {
    let options = options(|o| {
        o.allowed_hosts = texts(&["inner.example"]);
        o.custom_request_headers = map(&[("Host", "inner.example")]);
    });
    let flow = Headers::compile(&options).unwrap().on_request(&mut get("/"), &mut Desk::default().cx());
    assert!(matches!(flow, Flow::Next));
}

const PREFLIGHT: [&str; 2] = ["Origin: https://foo.bar.org", "Access-Control-Request-Method: GET"];

#[test]
fn preflights_are_answered() {
    let methods = |o: &mut model::Headers| o.access_control_allow_methods = texts(&["GET", "OPTIONS", "PUT"]);
    for (change, want) in [
        (
            &(|o: &mut model::Headers| {
                methods(o);
                o.access_control_allow_origin_list = texts(&["https://foo.bar.org"]);
                o.access_control_max_age = 600;
            }) as &dyn Fn(&mut model::Headers),
            &[
                "access-control-allow-methods: GET,OPTIONS,PUT",
                "access-control-allow-origin: https://foo.bar.org",
                "access-control-max-age: 600",
            ][..],
        ),
        (
            &|o| {
                methods(o);
                o.access_control_allow_origin_list = texts(&["*"]);
            },
            &[
                "access-control-allow-methods: GET,OPTIONS,PUT",
                "access-control-allow-origin: *",
                "access-control-max-age: 0",
            ],
        ),
        (
            &|o| {
                o.access_control_allow_credentials = true;
                o.access_control_allow_origin_list_regex = texts(&["^https://.*\\.bar\\.org$"]);
            },
            &[
                "access-control-allow-credentials: true",
                "access-control-allow-origin: https://foo.bar.org",
                "access-control-max-age: 0",
            ],
        ),
        (
            &|o| {
                o.access_control_allow_headers = texts(&["origin", "X-Forwarded-For"]);
                o.access_control_allow_origin_list = texts(&["https://other.org"]);
            },
            &["access-control-allow-headers: origin,X-Forwarded-For", "access-control-max-age: 0"],
        ),
        (&|o| o.add_vary_header = true, &["access-control-max-age: 0"]),
        (&|o| o.access_control_max_age = -1, &["access-control-max-age: -1"]),
    ] {
        let options = options(change);
        let mut head = get("/");
        head.method = http::Method::OPTIONS;
        set(&mut head, &PREFLIGHT);
        let flow = Headers::compile(&options).unwrap().on_request(&mut head, &mut Desk::default().cx());
        let Flow::Answer(answer) = flow else { panic!("{options:?}") };
        assert_eq!((answer.status, answer.body.len()), (StatusCode::OK, 0));
        assert_eq!(lines(&answer.headers), want, "{options:?}");
    }
}

#[test]
fn what_is_no_preflight_is_passed_on() {
    let cors = options(|o| o.access_control_allow_origin_list = texts(&["*"]));
    let plain = options(|o| o.frame_deny = true);
    for (options, method, request) in [
        (&cors, "GET", &PREFLIGHT[..]),
        (&cors, "OPTIONS", &PREFLIGHT[..1]),
        (&cors, "OPTIONS", &PREFLIGHT[1..]),
        (&cors, "OPTIONS", &[]),
        (&plain, "OPTIONS", &PREFLIGHT),
    ] {
        let mut head = get("/");
        head.method = method.parse().unwrap();
        set(&mut head, request);
        let flow = Headers::compile(options).unwrap().on_request(&mut head, &mut Desk::default().cx());
        assert!(matches!(flow, Flow::Next), "{method} {request:?}");
    }
}

#[test]
fn responses_say_who_may_read_them() {
    let origin = &["Origin: https://foo.bar.org"][..];
    let list = |items: &[&str]| options(|o| o.access_control_allow_origin_list = texts(items));
    let regex = |items: &[&str]| options(|o| o.access_control_allow_origin_list_regex = texts(items));
    for (options, request, want) in [
        (list(&["https://foo.bar.org"]), origin, &["access-control-allow-origin: https://foo.bar.org"][..]),
        (
            list(&["https://a.org", "https://foo.bar.org"]),
            origin,
            &["access-control-allow-origin: https://foo.bar.org"],
        ),
        (list(&["https://bar.org"]), origin, &[]),
        (list(&["https://foo.bar.org"]), &[], &[]),
        (list(&["https://foo.bar.org"]), &["Origin: https://foo.bar.org.evil.org"], &[]),
        (list(&["*"]), origin, &["access-control-allow-origin: *"]),
        (list(&["*"]), &[], &["access-control-allow-origin: *"]),
        (list(&["null"]), &["Origin: null"], &["access-control-allow-origin: null"]),
        (regex(&["^https?://foo\\.bar\\.org$"]), origin, &["access-control-allow-origin: https://foo.bar.org"]),
        (regex(&["a", "([a-z]+)\\.bar"]), origin, &["access-control-allow-origin: https://foo.bar.org"]),
        (regex(&["^http://"]), origin, &[]),
        (regex(&[".*"]), &[], &[]),
        (options(|o| o.access_control_allow_credentials = true), origin, &["access-control-allow-credentials: true"]),
        (
            options(|o| o.access_control_expose_headers = texts(&["A", "B"])),
            &[],
            &["access-control-expose-headers: A,B"],
        ),
        (options(|o| o.access_control_allow_methods = texts(&["GET"])), origin, &[]),
        (options(|o| o.add_vary_header = true), &[], &["vary: Origin"]),
    ] {
        assert_eq!(lines(&response(&options, request, false)), want, "{options:?} {request:?}");
    }
}

#[test]
fn vary_is_added_once_and_nothing_else_is_lost() {
    let headers = Headers::compile(&options(|o| o.add_vary_header = true)).unwrap();
    for (before, want) in [
        (&[][..], &["Origin"][..]),
        (&["Origin"], &["Origin"]),
        (&["Accept-Encoding, origin"], &["Accept-Encoding, origin"]),
        (&["Accept-Encoding"], &["Accept-Encoding", "Origin"]),
    ] {
        let mut map = HeaderMap::new();
        for line in before {
            map.append(header::VARY, HeaderValue::from_static(line));
        }
        let mut status = StatusCode::OK;
        headers.on_response(&mut ResponseHead { status: &mut status, headers: &mut map }, &mut Memory::Nothing);
        assert_eq!(values(&map, "vary"), want);
    }
}

#[test]
fn what_the_groups_cannot_use_does_not_compile_and_is_named() {
    for (options, what) in [
        (options(|o| o.sts_seconds = -1), "headers.stsSeconds"),
        (options(|o| o.referrer_policy = "a\r\nb".to_owned()), "headers.referrerPolicy"),
        (options(|o| o.access_control_allow_origin_list = texts(&["a\nb"])), "headers.accessControlAllowOriginList"),
        (
            options(|o| o.access_control_allow_origin_list_regex = texts(&["("])),
            "headers.accessControlAllowOriginListRegex",
        ),
        (options(|o| o.access_control_allow_headers = texts(&["a\0"])), "headers.accessControlAllowHeaders"),
        (options(|o| o.hosts_proxy_headers = texts(&["X Host"])), "headers.hostsProxyHeaders"),
        (options(|o| o.ssl_proxy_headers = map(&[("X Ssl", "on")])), "headers.sslProxyHeaders"),
        (model::Headers::default(), "headers has no option"),
    ] {
        let error = Headers::compile(&options).unwrap_err();
        assert!(error.starts_with(what), "{error}");
    }
}
