use std::io::Read;

use http::StatusCode;

use super::*;
use crate::testing::{Desk, get, values};

fn options() -> model::Compress {
    model::Compress::default()
}

fn list(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn map(pairs: &[(&str, &str)]) -> HeaderMap {
    pairs.iter().map(|(name, value)| (name.parse::<HeaderName>().unwrap(), value.parse().unwrap())).collect()
}

const PAGE: &[(&str, &str)] = &[("content-type", "text/html; charset=utf-8")];

/// The response's headers and how its body is changed.
fn run(
    options: &model::Compress,
    request: &[(&str, &str)],
    response: &[(&str, &str)],
    body: Length,
) -> (HeaderMap, Option<Box<dyn crate::protocol::Transform>>) {
    let compress = Compress::compile(options).unwrap();
    let (mut desk, mut head) = (Desk::default(), get("/"));
    head.headers.extend(map(request));
    assert!(matches!(compress.on_request(&head, &mut desk.cx()), Flow::Next));
    let (mut status, mut headers) = (StatusCode::OK, map(response));
    let came = Came { from: CameFrom::Server, body, head_only: false, repeatable: true };
    let head = &mut ResponseHead { status: &mut status, headers: &mut headers };
    let change = match compress.on_response(head, &came, &desk.memory) {
        Back::Next => None,
        Back::Transform(change) => Some(change),
        other => panic!("{other:?}"),
    };
    (headers, change)
}

fn encoding(options: &model::Compress, request: &[(&str, &str)], response: &[(&str, &str)], body: Length) -> String {
    let (headers, change) = run(options, request, response, body);
    let said = headers.get(CONTENT_ENCODING).map_or("", |value| value.to_str().unwrap()).to_owned();
    assert!(change.is_none() || !headers.contains_key(CONTENT_LENGTH));
    if change.is_some() { said } else { format!("none {said}").trim().to_owned() }
}

#[test]
fn what_is_compressed() {
    let long = Length::Known(1024);
    let gzip = &[("accept-encoding", "gzip")][..];
    let json = model::Compress { included_content_types: list(&["application/json"]), ..options() };
    let but_html = model::Compress { excluded_content_types: list(&["Text/HTML; x=y"]), ..options() };
    let default = model::Compress { default_encoding: "br".to_owned(), ..options() };
    let zstd = model::Compress { encodings: list(&["zstd", "gzip", "zstd"]), ..options() };
    let short = model::Compress { min_response_body_bytes: 1, ..options() };
    for (options, request, response, body, want) in [
        (&options(), gzip, PAGE, long, "gzip"),
        (&options(), gzip, PAGE, Length::Unknown, "gzip"),
        (&options(), gzip, PAGE, Length::Known(1023), "none"),
        (&options(), gzip, PAGE, Length::None, "none"),
        (&short, gzip, PAGE, Length::Known(1), "gzip"),
        (&short, gzip, PAGE, Length::Known(0), "none"),
        (&options(), &[], PAGE, long, "none"),
        (&default, &[], PAGE, long, "br"),
        (&default, &[("accept-encoding", "identity")], PAGE, long, "none"),
        (&options(), &[("accept-encoding", "deflate")], PAGE, long, "none"),
        (&options(), &[("accept-encoding", "br;q=0.1"), ("accept-encoding", "zstd")], PAGE, long, "zstd"),
        (&zstd, &[("accept-encoding", "gzip, zstd")], PAGE, long, "zstd"),
        (&options(), gzip, &[("content-encoding", "br")], long, "none br"),
        (&options(), gzip, &[("content-encoding", "identity")], long, "gzip"),
        (&options(), gzip, &[("content-range", "bytes 0-1/2")], long, "none"),
        (&options(), gzip, &[("cache-control", "public, No-Transform")], long, "none"),
        (&options(), gzip, &[], long, "gzip"),
        (&options(), gzip, &[("content-type", "application/grpc")], long, "none"),
        (&options(), &[("accept-encoding", "gzip"), ("content-type", "application/grpc")], PAGE, long, "none"),
        (&json, gzip, PAGE, long, "none"),
        (&json, gzip, &[("content-type", "Application/JSON;x=y")], long, "gzip"),
        (&json, gzip, &[], long, "none"),
        (&but_html, gzip, PAGE, long, "none"),
        (&but_html, gzip, &[("content-type", "text/css")], long, "gzip"),
        (&but_html, &[("accept-encoding", "gzip"), ("content-type", "text/html")], &[], long, "none"),
    ] {
        assert_eq!(encoding(options, request, response, body), want, "{request:?} {response:?} {body:?}");
    }
}

#[test]
fn what_has_no_body_or_becomes_a_tunnel_is_left_alone() {
    let compress = Compress::compile(&options()).unwrap();
    for (method, upgrade, status, from, head_only) in [
        (Method::HEAD, false, 200, CameFrom::Server, true),
        (Method::GET, true, 200, CameFrom::Server, false),
        (Method::GET, false, 101, CameFrom::Upgrade, true),
        (Method::GET, false, 304, CameFrom::Server, true),
        (Method::GET, false, 204, CameFrom::Server, true),
    ] {
        let mut desk = Desk { upgrade, ..Desk::default() };
        let mut head = get("/");
        head.method = method;
        head.headers.extend(map(&[("accept-encoding", "gzip")]));
        compress.on_request(&head, &mut desk.cx());
        let before = map(&[("content-length", "5000"), ("etag", "\"x\"")]);
        let (mut status, mut headers) = (StatusCode::from_u16(status).unwrap(), before.clone());
        let came = Came { from, body: Length::Known(5000), head_only, repeatable: true };
        let head = &mut ResponseHead { status: &mut status, headers: &mut headers };
        assert!(matches!(compress.on_response(head, &came, &desk.memory), Back::Next), "{from:?}");
        headers.remove(VARY);
        assert_eq!(headers, before);
    }
}

#[test]
fn what_the_head_says_afterwards() {
    let response = [
        ("content-type", "text/html"),
        ("content-length", "5000"),
        ("etag", "\"abc\""),
        ("accept-ranges", "bytes"),
        ("content-md5", "x"),
        ("vary", "Cookie"),
    ];
    let (headers, change) = run(&options(), &[("accept-encoding", "gzip")], &response, Length::Known(5000));
    assert!(change.is_some());
    assert_eq!(values(&headers, "vary"), ["Cookie", "Accept-Encoding"]);
    assert_eq!((headers["etag"].to_str().unwrap(), headers.len()), ("W/\"abc\"", 5));
    for (vary, etag, want) in [("accept-encoding", "W/\"a\"", "accept-encoding"), ("*", "W/\"a\"", "*")] {
        let response = [("vary", vary), ("etag", etag)];
        let (headers, _) = run(&options(), &[("accept-encoding", "gzip")], &response, Length::Known(5000));
        assert_eq!((values(&headers, "vary"), values(&headers, "etag")), (vec![want], vec!["W/\"a\""]));
    }
    // Another client would have got another body.
    let (headers, change) = run(&options(), &[("accept-encoding", "identity")], PAGE, Length::Known(5000));
    assert!(change.is_none());
    assert_eq!(values(&headers, "vary"), ["Accept-Encoding"]);
}

fn decoded(encoding: Encoding, bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    match encoding {
        Encoding::Gzip => flate2::read::MultiGzDecoder::new(bytes).read_to_end(&mut out).map(drop).unwrap(),
        Encoding::Brotli => brotli::Decompressor::new(bytes, 4096).read_to_end(&mut out).map(drop).unwrap(),
        Encoding::Zstd => zstd::stream::copy_decode(bytes, &mut out).unwrap(),
    }
    out
}

#[test]
fn every_stream_can_be_read_and_gives_what_it_has_when_asked() {
    use crate::protocol::Transform;
    for encoding in [Encoding::Gzip, Encoding::Brotli, Encoding::Zstd] {
        let mut encoder = Encoder::new(encoding).unwrap();
        let (mut all, mut plain) = (Vec::new(), Vec::new());
        for n in 0..2000_u32 {
            let piece = format!("line {n} {}\n", n.wrapping_mul(2_654_435_761));
            plain.extend_from_slice(piece.as_bytes());
            encoder.piece(piece.as_bytes(), &mut all).unwrap();
            if n == 0 {
                let before = all.len();
                encoder.flush(&mut all).unwrap();
                assert!(all.len() > before + 10, "{encoding:?}: something of it came out");
            }
        }
        let mut trailers = HeaderMap::new();
        trailers.insert("x-sum", HeaderValue::from_static("7"));
        assert_eq!(encoder.end(Some(trailers.clone()), &mut all).unwrap(), Some(trailers), "{encoding:?}");
        assert_eq!(decoded(encoding, &all), plain, "{encoding:?}");
        assert!(all.len() < plain.len() * 2 / 3, "{encoding:?} {} of {}", all.len(), plain.len());
        assert!(encoder.piece(b"x", &mut all).is_err(), "{encoding:?}: it has ended");
    }
}

#[test]
fn options_that_mean_nothing_do_not_compile() {
    let both = model::Compress {
        excluded_content_types: list(&["text/html"]),
        included_content_types: list(&["text/css"]),
        ..options()
    };
    for options in [
        both,
        model::Compress { encodings: list(&["deflate"]), ..options() },
        model::Compress { encodings: vec![], ..options() },
        model::Compress { default_encoding: "x".to_owned(), ..options() },
        model::Compress { excluded_content_types: list(&["html"]), ..options() },
        model::Compress { min_response_body_bytes: -1, ..options() },
    ] {
        assert!(Compress::compile(&options).is_err(), "{options:?}");
    }
}
