//! What an entry point does with its connections and heads when it is told to.

use std::sync::Arc;
use std::time::{Duration, Instant};

use seaway_head::{Limits, PathRules, Refused, Trust, Underscores};
use seaway_testkit::upstream::{Behaviour, Upstream};

use crate::harness::{SHORT, Setup, World, get};

async fn world(behaviour: Behaviour, change: impl FnOnce(&mut Setup)) -> (Upstream, World) {
    let web = Upstream::start("web-1", behaviour).await;
    let mut setup = Setup::web(&[&web]);
    change(&mut setup);
    let world = setup.start().await;
    (web, world)
}

fn everybody() -> Trust {
    Trust { everybody: true, networks: Vec::new() }
}

const V1: &str = "PROXY TCP4 192.0.2.7 198.51.100.1 56324 443\r\n";
const V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x07\xc6\x33\x64\x01\xdc\x04\x01\xbb";

#[tokio::test]
async fn a_proxy_header_says_who_the_client_is() {
    for (header, believed, client) in [
        (V1.as_bytes(), true, "192.0.2.7"),
        (V2, true, "192.0.2.7"),
        (V1.as_bytes(), false, "127.0.0.1"),
        (V2, false, "127.0.0.1"),
        (b"PROXY UNKNOWN\r\n", true, "127.0.0.1"),
        (b"", true, "127.0.0.1"),
    ] {
        let trust = if believed { everybody() } else { Trust::default() };
        let (web, world) = world(Behaviour::echo(), |setup| {
            setup.entry.connections.proxy_protocol = Some(trust);
        })
        .await;
        let mut client_end = world.client().await;
        client_end.send([header, get("/1").as_bytes()].concat()).await.unwrap();
        assert_eq!(client_end.response().await.unwrap().status, 200);
        client_end.send(get("/2")).await.unwrap();
        assert_eq!(client_end.response().await.unwrap().status, 200);
        for request in &web.log().requests {
            let head = request.head_text();
            assert!(head.contains(&format!("x-forwarded-for: {client}\r\n")), "{head}");
            assert!(head.contains(&format!("x-real-ip: {client}\r\n")), "{head}");
        }
        let lines = world.finish(2).await;
        assert_eq!(lines[0].text("ClientHost"), client);
    }
}

#[tokio::test]
async fn a_proxy_header_may_come_in_pieces() {
    for header in [V1.as_bytes(), V2] {
        let (web, world) = world(Behaviour::echo(), |setup| {
            setup.entry.connections.proxy_protocol = Some(everybody());
        })
        .await;
        let mut client = world.client().await;
        let all = [header, get("/").as_bytes()].concat();
        client.send_slowly(&all, 1, Duration::from_millis(1)).await.unwrap();
        assert_eq!(client.response().await.unwrap().status, 200);
        assert!(web.log().requests[0].head_text().contains("x-real-ip: 192.0.2.7\r\n"));
        world.finish(1).await;
    }
    // What only begins like one.
    let (_web, world) = world(Behaviour::echo(), |setup| {
        setup.entry.connections.proxy_protocol = Some(everybody());
    })
    .await;
    let mut client = world.client().await;
    client.send_slowly("PROPFIND / HTTP/1.1\r\nHost: a.test\r\n\r\n", 1, Duration::from_millis(1)).await.unwrap();
    assert_eq!(client.response().await.unwrap().status, 200);
    world.finish(1).await;
}

#[tokio::test]
async fn a_proxy_header_has_the_time_of_a_head_and_must_be_one() {
    let (web, world) = world(Behaviour::echo(), |setup| {
        setup.entry.connections.proxy_protocol = Some(everybody());
        setup.times.head = SHORT;
    })
    .await;
    for begun in ["", "PRO", "PROXY TCP4 192.0.2.7", "PROXY TCP4 nobody nowhere 1 2\r\nGET / HTTP/1.1\r\n\r\n"] {
        let began = Instant::now();
        let mut client = world.client().await;
        client.send(begun).await.unwrap();
        assert!(client.to_close().await.unwrap_or_default().is_empty(), "{begun}");
        assert!(began.elapsed() >= SHORT || begun.ends_with('\n'), "{begun}");
    }
    assert!(web.log().requests.is_empty());
    world.finish(0).await;
}

#[tokio::test]
async fn a_connection_ends_after_so_many_requests() {
    let (_web, world) = world(Behaviour::echo(), |setup| setup.entry.connections.max_requests = 3).await;
    let mut client = world.client().await;
    for n in 1..=3 {
        client.send(get("/")).await.unwrap();
        let response = client.response().await.unwrap();
        assert_eq!((response.status, response.field("connection")), (200, (n == 3).then_some("close")), "{n}");
    }
    assert!(client.to_close().await.unwrap().is_empty());
    world.finish(3).await;
}

#[tokio::test]
async fn a_connection_ends_once_it_is_old() {
    let (_web, world) = world(Behaviour::echo(), |setup| setup.entry.connections.max_age = SHORT).await;
    // It is as old as its acceptance, which is not before this.
    let began = Instant::now();
    let mut client = world.client().await;
    let mut sent = 0;
    loop {
        client.send(get("/")).await.unwrap();
        sent += 1;
        if client.response().await.unwrap().field("connection") == Some("close") {
            break;
        }
        assert!(began.elapsed() < Duration::from_secs(10));
    }
    assert!(began.elapsed() >= SHORT, "{sent} requests");
    world.finish(sent).await;
}

#[tokio::test]
async fn a_response_has_its_time() {
    let (web, world) = world(Behaviour::held(), |setup| setup.entry.connections.response = SHORT).await;
    let began = Instant::now();
    let mut client = world.client().await;
    client.send(get("/")).await.unwrap();
    assert!(client.to_close().await.unwrap_or_default().is_empty());
    assert!(began.elapsed() >= SHORT);
    web.release();
    world.finish(1).await;
}

#[tokio::test]
async fn paths_and_names_are_read_as_the_entry_point_says() {
    let (web, world) = world(Behaviour::echo(), |setup| {
        setup.entry.connections.scheme_headers = true;
        setup.entry.limits = Arc::new(Limits {
            paths: PathRules { keep_segments: true, encode_semicolons: true, refused: Refused::default().and('/') },
            underscores: Underscores::Delete,
            ..Limits::default()
        });
    })
    .await;
    let sent = "GET //a/../b?c;d HTTP/1.1\r\nHost: a.test\r\nMy_Own: 1\r\n\r\n";
    assert_eq!(world.exchange(sent).await.status, 200);
    let head = web.log().requests[0].head_text();
    assert!(head.starts_with("GET //a/../b?c%3Bd HTTP/1.1\r\n"), "{head}");
    assert!(!head.contains('_') && head.contains("x-scheme: http\r\n"), "{head}");
    assert!(head.contains("x-forwarded-scheme: http\r\n"), "{head}");
    assert_eq!(world.get("/a%2fb").await.status, 400);
    world.finish(2).await;
}
