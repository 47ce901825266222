//! What the client is told when a server fails: status, body and the word in the log.

use std::time::{Duration, Instant};

use seaway_testkit::raw::Response;
use seaway_testkit::upstream::{Behaviour, Step, Upstream};
use tokio::net::{TcpSocket, TcpStream};

use crate::harness::{SHORT, Setup, get, post, server, web};

/// A failed exchange with one server: 502 and its kin say their status and nothing else.
fn bare(response: &Response, status: u16, text: &str) {
    assert_eq!((response.status, response.text().as_str()), (status, text));
    for name in ["content-type", "retry-after", "server"] {
        assert_eq!(response.field(name), None, "{name}");
    }
}

#[tokio::test]
async fn failures_before_the_response() {
    let huge = Behaviour::huge_head(500_000);
    let coded = Behaviour::writes_and_closes("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nxx");
    let gzip = Behaviour::writes_and_closes("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n");
    let folded = Behaviour::writes_and_closes("HTTP/1.1 200 OK\r\nX-A: a\r\n b\r\nContent-Length: 0\r\n\r\n");
    let (bad, gateway) = ((500, "Internal Server Error"), (502, "Bad Gateway"));
    for (what, behaviour, (status, text), error) in [
        ("FIN after the head", Behaviour::close_after_head(), gateway, "upstream_closed"),
        ("FIN after the request", Behaviour::close_after_request(), gateway, "upstream_closed"),
        ("RST after the head", Behaviour::reset_after_head(), gateway, "upstream_reset"),
        ("half a head", Behaviour::partial_head(), gateway, "upstream_closed"),
        ("garbage", Behaviour::garbage(), bad, "bad_response"),
        ("two lengths", Behaviour::two_lengths(), bad, "bad_response"),
        ("a folded line", folded, bad, "bad_response"),
        ("a coding that is not chunked", coded, bad, "bad_response"),
        ("a coding below the chunks", gzip, bad, "bad_response"),
        ("an endless head", huge, bad, "bad_response"),
        ("101 that nobody asked for", Behaviour::unsolicited_101(), gateway, "bad_upgrade"),
    ] {
        let upstream = Upstream::start("web-1", behaviour).await;
        let world = Setup::web(&[&upstream]).start().await;
        let mut client = world.client().await;
        client.send(post("/", "body")).await.unwrap();
        let response = client.response().await.unwrap();
        println!("{what}: {} {}", response.status, response.text());
        bare(&response, status, text);
        assert!(client.is_open().await, "{what}: the client's connection lives on");
        assert_eq!(upstream.log().requests.len(), 1, "{what}: sent once");
        drop(client);
        let lines = world.finish(1).await;
        assert_eq!((lines[0].error(), lines[0].lost()), (error, true), "{what}");
        assert_eq!(lines[0].text("ServerName"), "web-1");
    }
}

#[tokio::test]
async fn nobody_listens() {
    for sent in [get("/"), post("/", "x"), "PROPFIND / HTTP/1.1\r\nHost: a.test\r\n\r\n".to_owned()] {
        let upstream = Upstream::refusing("web-1", Behaviour::echo()).await;
        let world = Setup::web(&[&upstream]).start().await;
        bare(&world.exchange(sent).await, 502, "Bad Gateway");
        assert!(!world.state(1).is_ready(), "not asked again before its port accepts");
        no_server(&world.get("/").await);
        let lines = world.finish(2).await;
        assert_eq!((lines[0].error(), lines[0].lost()), ("connect_failed", false));
        assert_eq!((lines[1].error(), lines[1].text("ServerName")), ("no_server", ""));
    }
}

#[tokio::test]
async fn a_service_without_servers() {
    let upstream = Upstream::start("web-1", Behaviour::echo()).await;
    let mut weightless = server(1, &upstream);
    weightless.weight = 0;
    for servers in [Vec::new(), vec![weightless]] {
        let world = Setup::new(web(servers)).start().await;
        no_server(&world.get("/").await);
        world.finish(1).await;
    }
}

#[track_caller]
fn no_server(response: &Response) {
    assert_eq!((response.status, response.text().as_str()), (503, "no available server\n"));
    assert_eq!(response.field("content-type"), Some("text/plain; charset=utf-8"));
    assert_eq!(response.field("x-content-type-options"), Some("nosniff"));
    assert_eq!(response.field("retry-after"), Some("1"));
    assert_eq!(response.field("set-cookie"), None);
}

#[tokio::test]
async fn no_route() {
    let upstream = Upstream::start("web-1", Behaviour::echo()).await;
    let mut setup = Setup::web(&[&upstream]);
    setup.config.routers.values_mut().next().unwrap().value.rule = "Host(`b.test`)".to_owned();
    let world = setup.start().await;
    let response = world.get("/").await;
    assert_eq!((response.status, response.text().as_str()), (404, "404 page not found\n"));
    assert_eq!(response.field("content-type"), Some("text/plain; charset=utf-8"));
    assert_eq!(response.field("x-content-type-options"), Some("nosniff"));
    let mut client = world.client().await;
    client.send("HEAD / HTTP/1.1\r\nHost: a.test\r\n\r\n").await.unwrap();
    let response = client.response_to_head().await.unwrap();
    assert_eq!((response.status, response.field("content-length")), (404, Some("19")));
    assert!(client.is_open().await);
    drop(client);
    let lines = world.finish(2).await;
    assert!(lines.iter().all(|l| l.error() == "no_route" && l.text("RouterName").is_empty()));
}

#[tokio::test]
async fn a_silent_server() {
    let trickle = Behaviour::steps([
        Step::ReadHead,
        Step::WriteSlowly { bytes: b"HTTP/1.1 200 OK\r\n\r\n".repeat(5), piece: 1, pause: SHORT / 4 },
    ]);
    for behaviour in [Behaviour::silent(), trickle] {
        let upstream = Upstream::start("web-1", behaviour).await;
        let mut setup = Setup::web(&[&upstream]);
        setup.response_header_timeout = SHORT;
        let world = setup.start().await;
        bare(&world.get("/").await, 504, "Gateway Timeout");
        upstream.wait_for("the end", |log| log.connections[0].closed).await;
        let lines = world.finish(1).await;
        assert_eq!((lines[0].error(), lines[0].lost()), ("response_timeout", true));
    }
}

#[tokio::test]
async fn a_long_upload_is_no_silence() {
    let upstream = Upstream::start("web-1", Behaviour::echo()).await;
    let mut setup = Setup::web(&[&upstream]);
    setup.response_header_timeout = SHORT;
    let world = setup.start().await;
    let mut client = world.client().await;
    client.send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 6\r\n\r\n").await.unwrap();
    for piece in ["a", "b", "c", "d", "e", "f"] {
        tokio::time::sleep(SHORT / 2).await;
        client.send(piece).await.unwrap();
    }
    assert_eq!(client.response().await.unwrap().status, 200);
    drop(client);
    world.finish(1).await;
}

#[tokio::test]
async fn an_address_that_does_not_answer() {
    // A full queue: the kernel drops what else comes, as a bridge drops what nobody owns.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let full = socket.listen(0).unwrap();
    let address = full.local_addr().unwrap();
    let mut waiting = Vec::new();
    while let Ok(Ok(stream)) = tokio::time::timeout(Duration::from_millis(100), TcpStream::connect(address)).await {
        waiting.push(stream);
    }
    let good = Upstream::start("web-2", Behaviour::echo()).await;
    for both in [false, true] {
        let mut dead = server(1, &good);
        dead.identity.address = address.to_string().into();
        dead.address = seaway_config::model::Address::Ip(address);
        let mut servers = vec![dead];
        servers.extend(both.then(|| server(2, &good)));
        let mut setup = Setup::new(web(servers));
        setup.dial_timeout = SHORT;
        let world = setup.start().await;
        let began = Instant::now();
        let response = world.exchange(post("/", "x")).await;
        if both {
            assert_eq!(response.status, 200);
        } else {
            bare(&response, 504, "Gateway Timeout");
            assert!(began.elapsed() >= SHORT);
        }
        world.finish(1).await;
    }
}
