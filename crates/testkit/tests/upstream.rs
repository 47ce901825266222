//! The upstreams do what their names say, seen by the raw client.
#![allow(clippy::unwrap_used)]

use std::io::ErrorKind;
use std::time::Duration;

use seaway_testkit::raw::RawClient;
use seaway_testkit::upstream::{Behaviour, Upstream};
use tokio::net::TcpStream;

const GET: &str = "GET /x HTTP/1.1\r\nHost: a.test\r\n\r\n";

#[tokio::test]
async fn echo_returns_the_request_and_records_it_byte_by_byte() {
    let upstream = Upstream::start("web-1", Behaviour::echo()).await;
    let mut client = RawClient::connect(upstream.address()).await.unwrap();
    let post = "POST / HTTP/1.1\r\nhost:a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nT: 1\r\n\r\n";
    client.send_slowly(post, 7, Duration::from_millis(1)).await.unwrap();
    let answer = client.response().await.unwrap();
    assert_eq!((answer.status, answer.field("x-upstream")), (200, Some("web-1")));
    assert!(answer.text().ends_with("\r\n\r\nabc"), "{}", answer.text());
    client.send(GET).await.unwrap();
    assert_eq!(client.response().await.unwrap().text(), GET);
    assert!(client.is_open().await);

    let log = upstream.log();
    assert_eq!(log.connections.len(), 1);
    assert_eq!(String::from_utf8_lossy(&log.connections[0].bytes), format!("{post}{GET}"));
    assert_eq!((log.requests[0].body.as_slice(), log.requests[0].complete), (&b"abc"[..], true));
    assert_eq!(log.requests[0].trailers, b"T: 1\r\n");
    assert_eq!(log.requests[1].start(), "GET /x HTTP/1.1");
}

#[tokio::test]
async fn head_has_no_body() {
    let upstream = Upstream::start("web-1", Behaviour::answer(200, "body")).await;
    let mut client = RawClient::connect(upstream.address()).await.unwrap();
    client.send("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    assert_eq!(client.response_to_head().await.unwrap().field("content-length"), Some("4"));
    assert!(client.is_open().await);
}

#[tokio::test]
async fn closing_and_resetting_are_told_apart() {
    for (behaviour, kind) in [
        (Behaviour::close_after_head(), ErrorKind::UnexpectedEof),
        (Behaviour::close_after_request(), ErrorKind::UnexpectedEof),
        (Behaviour::partial_head(), ErrorKind::UnexpectedEof),
        (Behaviour::garbage(), ErrorKind::InvalidData),
        (Behaviour::two_lengths(), ErrorKind::InvalidData),
        (Behaviour::bad_chunk(), ErrorKind::InvalidData),
        (Behaviour::reset_after_head(), ErrorKind::ConnectionReset),
        (Behaviour::reset_in_body(), ErrorKind::ConnectionReset),
    ] {
        let upstream = Upstream::start("bad", behaviour.clone()).await;
        let error = RawClient::exchange(upstream.address(), GET).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{behaviour:?}: {error}");
    }
}

#[tokio::test]
async fn bodies_that_end_too_early_are_incomplete() {
    for behaviour in [Behaviour::short_body(), Behaviour::chunked_without_end()] {
        let upstream = Upstream::start("bad", behaviour).await;
        let answer = RawClient::exchange(upstream.address(), GET).await.unwrap();
        assert!(!answer.complete, "{answer:?}");
    }
    let upstream = Upstream::start("old", Behaviour::until_close("all")).await;
    let answer = RawClient::exchange(upstream.address(), GET).await.unwrap();
    assert_eq!((answer.text().as_str(), answer.complete), ("all", true));
}

#[tokio::test]
async fn the_port_refuses_then_listens_then_refuses() {
    let mut upstream = Upstream::refusing("late", Behaviour::echo()).await;
    let refused = |r: std::io::Result<TcpStream>| r.unwrap_err().kind() == ErrorKind::ConnectionRefused;
    assert!(refused(TcpStream::connect(upstream.address()).await));
    upstream.listen();
    let mut old = RawClient::connect(upstream.address()).await.unwrap();
    old.send(GET).await.unwrap();
    assert_eq!(old.response().await.unwrap().status, 200);
    upstream.close_listener().await;
    assert!(refused(TcpStream::connect(upstream.address()).await));
    old.send(GET).await.unwrap();
    assert_eq!(old.response().await.unwrap().status, 200, "an open connection lives on");
    upstream.listen();
    assert_eq!(RawClient::exchange(upstream.address(), GET).await.unwrap().status, 200);
}

#[tokio::test]
async fn a_held_request_waits_for_its_release() {
    let upstream = Upstream::start("web-1", Behaviour::held()).await;
    let mut client = RawClient::connect(upstream.address()).await.unwrap();
    client.send(GET).await.unwrap();
    upstream.wait_for("the request came", |log| log.requests.len() == 1).await;
    assert!(client.is_open().await);
    upstream.release();
    assert_eq!(client.response().await.unwrap().status, 200);
}

#[tokio::test]
async fn upgrades_tunnel_and_early_answers_come_before_the_body() {
    let upstream = Upstream::start("ws", Behaviour::upgrade("websocket")).await;
    let mut client = RawClient::connect(upstream.address()).await.unwrap();
    client.send(GET).await.unwrap();
    assert_eq!(client.head().await.unwrap().status, 101);
    client.send(b"\x00\xff!").await.unwrap();
    assert_eq!(client.bytes(3).await.unwrap(), b"\x00\xff!");

    upstream.set(Behaviour::early_response());
    let mut client = RawClient::connect(upstream.address()).await.unwrap();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n").await.unwrap();
    assert_eq!(client.response().await.unwrap().status, 413);

    upstream.set(Behaviour::continues());
    let mut client = RawClient::connect(upstream.address()).await.unwrap();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n").await.unwrap();
    assert_eq!(client.head().await.unwrap().status, 100);
    client.send("ok").await.unwrap();
    assert!(client.response().await.unwrap().text().ends_with("ok"));
}
