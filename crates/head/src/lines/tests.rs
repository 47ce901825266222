use std::net::IpAddr;
use std::sync::Arc;

use http::{Method, Uri, Version};
use proptest::prelude::*;

use super::*;
use crate::{Forwarding, Judge, Judged, Refusal, Trust};

/// Where a name is, and its value.
type Place = (Range<usize>, Range<usize>);

/// The lines of a head, with the names and values where they are.
fn places(text: &[u8]) -> (Bytes, Vec<Place>) {
    let bytes = Bytes::copy_from_slice(text);
    let mut at = 0;
    let mut places = Vec::new();
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        let whole = line.trim_ascii_end().len();
        let colon = line.iter().position(|byte| *byte == b':').unwrap();
        let blank = line[colon + 1..whole].iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        places.push((at..at + colon, at + colon + 1 + blank..at + whole));
        at += line.len();
    }
    (bytes, places)
}

fn lines(text: &str) -> Option<(Lines, Says)> {
    let (bytes, places) = places(text.as_bytes());
    Lines::of(&bytes, places.into_iter())
}

fn map(text: &[u8]) -> HeaderMap {
    let (bytes, places) = places(text);
    let field = |(name, value): (Range<usize>, Range<usize>)| {
        (HeaderName::from_bytes(&bytes[name]).unwrap(), HeaderValue::from_bytes(&bytes[value]).unwrap())
    };
    let mut map = HeaderMap::new();
    for (name, value) in places.into_iter().map(field) {
        map.append(name, value);
    }
    map
}

#[test]
fn what_is_ordinary() {
    let says = |close, length| Some(Says { close, length });
    for (text, want) in [
        ("Host: a\r\n", says(false, None)),
        ("Host: a\r\nConnection: Keep-Alive\r\nX: y\r\n", says(false, None)),
        ("host: a\r\nCONNECTION: Close\r\n", says(true, None)),
        ("Host: a\r\nContent-Length: 10\r\n", says(false, Some(10))),
        ("X-Forwarded-User: me\r\nHost: a\r\n", says(false, None)),
        ("X: y\r\n", None),
        ("Host: a\r\nHost: a\r\n", None),
        ("Host: a\nX: y\r\n", None),
        ("Host: a \r\n", None),
        ("Host:a\r\n", None),
        ("Host: a\r\nX:\r\n", None),
        ("Host: a\r\nConnection: x\r\n", None),
        ("Host: a\r\nConnection: keep-alive, close\r\n", None),
        ("Host: a\r\nContent-Length: 0\r\n", None),
        ("Host: a\r\nContent-Length: 01\r\n", None),
        ("Host: a\r\nContent-Length: +1\r\n", None),
        ("Host: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n", None),
        ("Host: a\r\nContent-Length: 9999999999999999999\r\n", None),
        ("Host: a\r\nCookie: a=b\r\nCookie: c=d\r\n", None),
        ("Host: a\r\nTransfer-Encoding: chunked\r\n", None),
        ("Host: a\r\nTE: trailers\r\n", None),
        ("Host: a\r\nTrailer: x\r\n", None),
        ("Host: a\r\nUpgrade: x\r\n", None),
        ("Host: a\r\nKeep-Alive: 5\r\n", None),
        ("Host: a\r\nExpect: 100-continue\r\n", None),
        ("Host: a\r\nProxy-Authorization: x\r\n", None),
        ("Host: a\r\nProxy-Connection: x\r\n", None),
        ("Host: a\r\nHTTP2-Settings: x\r\n", None),
        ("Host: a\r\nx-FORWARDED-for: 6.6.6.6\r\n", None),
        ("Host: a\r\nX-Forwarded-Tls-Client-Cert: x\r\n", None),
        ("Host: a\r\nX-Forwarded-Tls-Client-Cert-Info: x\r\n", None),
        ("Host: a\r\nX-Real-Ip: x\r\n", None),
        ("Host: a\r\nX-Scheme: x\r\n", None),
        ("Host: a\r\nX_Forwarded_For: x\r\n", None),
        ("Host: a\r\nremote_user_of_a_very_long_name: x\r\n", None),
    ] {
        assert_eq!(lines(text).map(|(_, says)| says), want, "{text}");
    }
    let many = "Host: a\r\n".to_owned() + &"X: y\r\nConnection: close\r\n".repeat(RUNS + 1);
    assert_eq!(lines(&many).map(|_| ()), None, "in too many places");
}

#[test]
fn every_field_that_means_something_is_told_apart_in_any_case() {
    for name in ["te", "expect", "upgrade", "trailer", "keep-alive", "http2-settings", "x-forwarded-prefix"] {
        assert!(kind(name.as_bytes()).is_none() && kind(name.to_ascii_uppercase().as_bytes()).is_none(), "{name}");
    }
    for name in ["forwarded", "authorization", "accept-encoding", "sec-fetch-mode", "upgrade-insecure-requests"] {
        assert!(matches!(kind(name.as_bytes()), Some(Kind::Plain)), "{name}");
    }
}

#[test]
fn a_map_that_was_changed_is_what_counts() {
    let (lines, _) = lines("Host: a\r\nCookie: a=b\r\n").unwrap();
    let mut headers = Headers::from(lines);
    assert!(headers.lines().is_some());
    assert_eq!(headers["cookie"], "a=b");
    assert!(headers.lines().is_some(), "to look changes nothing");
    headers.insert(COOKIE, HeaderValue::from_static("c=d"));
    assert!(headers.lines().is_none());
    assert_eq!(headers.cookies().iter().collect::<Vec<_>>(), [b"c=d"]);
    assert_eq!(headers.host().unwrap(), "a");
    let copy = headers.clone();
    assert_eq!(copy.into_map(), headers.into_map());
    assert!(Headers::default().is_empty() && Headers::default().into_map().is_empty());
}

const FIELDS: &[&str] = &[
    "Host: A.test:8080\r\n",
    "Host: A.test:8080\r\n",
    "Host: A.test:8080\r\n",
    "Host: b\u{e9}\r\n",
    "Host: a b\r\n",
    "Cookie: a=b; c=d\r\n",
    "Accept: text/event-stream\r\n",
    "Accept: */*\r\n",
    "Content-Type: application/grpc-web\r\n",
    "Content-Type: text/plain\r\n",
    "Content-Length: 5\r\n",
    "Connection: keep-alive\r\n",
    "Connection: close\r\n",
    "X-Forwarded-User: me\r\n",
    "X-A: 1\r\n",
    "x-a: 2\r\n",
    "User-Agent: \u{fc}\r\n",
    "X-Forwarded-For: 6.6.6.6\r\n",
    "X_A: 1\r\n",
    "Authorization: x\r\n",
];

proptest! {
    #[test]
    fn lines_and_maps_come_to_the_same(
        fields in proptest::collection::vec(proptest::sample::select(FIELDS), 1..12),
        target in prop_oneof![Just("/"), Just("/a/../b?c"), Just("http://c.test/"), Just("*"), Just("/%2e")],
        method in prop_oneof![Just(Method::GET), Just(Method::POST), Just(Method::TRACE)],
        everybody in any::<bool>(),
        append in any::<bool>(),
    ) {
        let text = fields.concat();
        let Some((lines, _)) = lines(&text) else { return Ok(()) };
        let peer = IpAddr::from([127, 0, 0, 1]);
        let trust = Trust { everybody, networks: Vec::new() };
        let forwarding = Forwarding::new(peer, &trust, false, append, &HeaderValue::from_static("edge"));
        let uri: Uri = target.parse().unwrap();
        let judge = || Judge::new(Arc::default(), Arc::from(["websocket".into()]), peer, false);
        let mut judging = judge();
        // Twice: what is remembered of a host must not differ from what is found out.
        for _ in 0..2 {
            let by_lines = judging.admit(method.clone(), &uri, Version::HTTP_11, lines.clone(), &forwarding);
            let by_map = judge().admit(method.clone(), &uri, Version::HTTP_11, map(text.as_bytes()), &forwarding);
            check(by_lines, by_map)?;
        }
    }
}

fn check(by_lines: Result<Judged, Refusal>, by_map: Result<Judged, Refusal>) -> Result<(), TestCaseError> {
    let (by_lines, by_map) = match (by_lines, by_map) {
        (Ok(by_lines), Ok(by_map)) => (by_lines, by_map),
        (by_lines, by_map) => {
            prop_assert_eq!(by_lines.err(), by_map.err());
            return Ok(());
        }
    };
    prop_assert_eq!(by_lines.speaks, by_map.speaks);
    prop_assert_eq!(&by_lines.upgrade, &by_map.upgrade);
    let (head, other) = (by_lines.head, by_map.head);
    prop_assert_eq!(&head.host, &other.host);
    prop_assert_eq!(head.target.as_path_and_query(), other.target.as_path_and_query());
    prop_assert_eq!(head.headers.host(), other.headers.host());
    let cookies = |headers: &Headers| headers.cookies().iter().map(<[u8]>::to_vec).collect::<Vec<_>>();
    prop_assert_eq!(cookies(&head.headers), cookies(&other.headers));
    if let Some(lines) = head.headers.lines() {
        let sent = [b"Host: ", lines.host(), b"\r\n"].concat();
        let sent = lines.forwarded().fold(sent, |sent, lines| [&sent, lines].concat());
        prop_assert_eq!(&map(&sent), &*other.headers);
    }
    prop_assert_eq!(&head.headers, &other.headers);
    Ok(())
}
