//! Several requests on one connection.

use std::collections::HashSet;

use seaway_testkit::upstream::{Behaviour, Step, Upstream};

use crate::harness::{Setup, get, post, request};

#[tokio::test]
async fn a_connection_is_kept_on_both_sides() {
    let web = Upstream::start("web-1", Behaviour::echo()).await;
    let world = Setup::web(&[&web]).start().await;
    let mut client = world.client().await;
    for n in 0..20 {
        let sent = if n % 2 == 0 { get(&format!("/{n}")) } else { post(&format!("/{n}"), "x") };
        client.send(sent).await.unwrap();
        let response = client.response().await.unwrap();
        assert_eq!((response.status, response.field("x-connection")), (200, Some("0")));
        assert!(response.text().contains(&format!(" /{n} HTTP/1.1\r\n")));
    }
    assert!(client.is_open().await);
    drop(client);
    let lines = world.finish(20).await;
    assert!(lines.iter().all(|l| l.status() == 200 && l.error().is_empty() && l.text("ServerName") == "web-1"));
    assert!(lines.iter().all(|l| l.retries() == 0 && l.text("RouterName") == "web@docker"));
}

#[tokio::test]
async fn clients_share_a_servers_connections() {
    let web = Upstream::start("web-1", Behaviour::echo()).await;
    let world = Setup::web(&[&web]).start().await;
    for _ in 0..5 {
        assert_eq!(world.get("/").await.field("x-connection"), Some("0"));
    }
    world.finish(5).await;
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let web = Upstream::start("web-1", Behaviour::echo()).await;
    let world = Setup::web(&[&web]).start().await;
    let mut client = world.client().await;
    let all: String = (0..100).map(|n| get(&format!("/{n}"))).collect();
    client.send(all).await.unwrap();
    for n in 0..100 {
        assert!(client.response().await.unwrap().text().starts_with(&format!("GET /{n} HTTP/1.1\r\n")));
    }
    drop(client);
    world.finish(100).await;
}

#[tokio::test]
async fn the_good_ones_of_a_pipeline_are_answered() {
    let web = Upstream::start("web-1", Behaviour::echo()).await;
    let world = Setup::web(&[&web]).start().await;
    let mut client = world.client().await;
    client.send(get("/1") + "garbage\r\n\r\n" + &get("/2")).await.unwrap();
    assert_eq!(client.response().await.unwrap().status, 200);
    assert_eq!(client.response().await.unwrap().status, 400);
    assert!(client.to_close().await.unwrap().is_empty());
    assert_eq!(web.log().requests.len(), 1);
    drop(client);
    let lines = world.finish(2).await;
    let bad = &lines[1];
    assert_eq!((bad.status(), bad.text("RequestMethod"), bad.text("RequestPath")), (400, "-", "-"));
    assert_eq!(bad.error(), "no request line");
}

/// What a client sends too early must not hold back what it waits for.
#[tokio::test]
async fn the_beginning_of_the_next_request_holds_nothing_back() {
    let web = Upstream::start("web-1", Behaviour::echo()).await;
    let world = Setup::web(&[&web]).start().await;
    for early in ["\r\n", "GET /ne"] {
        let mut client = world.client().await;
        client.send(post("/", "x") + early).await.unwrap();
        assert_eq!(client.response().await.unwrap().status, 200, "{early:?}");
        client.send(if early == "\r\n" { "GET /next" } else { "xt" }).await.unwrap();
        client.send(" HTTP/1.1\r\nHost: a.test\r\n\r\n").await.unwrap();
        assert!(client.response().await.unwrap().text().starts_with("GET /next HTTP/1.1"));
    }
    world.finish(4).await;
}

#[tokio::test]
async fn a_stream_reaches_a_client_that_has_sent_its_next_request() {
    let web = Upstream::start(
        "web-1",
        Behaviour::steps([
            Step::ReadHead,
            Step::Write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n".to_vec()),
            Step::Hold,
            Step::Write(b"0\r\n\r\n".to_vec()),
        ]),
    )
    .await;
    let world = Setup::web(&[&web]).start().await;
    let mut client = world.client().await;
    client.send(get("/1") + &get("/2")).await.unwrap();
    client.until("first\r\n").await.unwrap();
    web.release();
    client.until("0\r\n\r\n").await.unwrap();
    client.until("first\r\n").await.unwrap();
    web.release();
    client.until("0\r\n\r\n").await.unwrap();
    drop(client);
    world.finish(2).await;
}

#[tokio::test]
async fn who_asks_for_the_end_gets_it() {
    let web = Upstream::start("web-1", Behaviour::echo()).await;
    let world = Setup::web(&[&web]).start().await;
    for fields in ["Connection: close", "Connection: close, keep-alive", "Connection: keep-alive, close"] {
        let mut client = world.client().await;
        client.send(format!("GET / HTTP/1.1\r\nHost: a.test\r\n{fields}\r\n\r\n")).await.unwrap();
        let response = client.response().await.unwrap();
        assert_eq!((response.status, response.field("connection")), (200, Some("close")), "{fields}");
        assert!(client.to_close().await.unwrap().is_empty());
        // It is the client's connection that ends; the server's is used again.
        assert_eq!(response.field("x-connection"), Some("0"));
    }
    world.finish(3).await;
}

#[tokio::test]
async fn old_clients() {
    let web = Upstream::start("web-1", Behaviour::echo()).await;
    let chunked = Behaviour::writes("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n");
    let world = Setup::web(&[&web]).start().await;
    // Without keep-alive the connection ends, with it it stays.
    let mut client = world.client().await;
    client.send("GET / HTTP/1.0\r\nHost: a.test\r\n\r\n").await.unwrap();
    let response = client.response().await.unwrap();
    assert!(response.start.starts_with("HTTP/1.0 200"), "{}", response.start);
    assert!(response.text().starts_with("GET / HTTP/1.1\r\n"), "{}", response.text());
    assert!(client.to_close().await.unwrap().is_empty());
    let mut client = world.client().await;
    for _ in 0..2 {
        client.send("GET / HTTP/1.0\r\nHost: a.test\r\nConnection: keep-alive\r\n\r\n").await.unwrap();
        assert_eq!(client.response().await.unwrap().field("connection"), Some("keep-alive"));
    }
    drop(client);
    // No host at all: the server gets its own.
    let text = world.exchange("GET / HTTP/1.0\r\n\r\n").await.text();
    assert!(text.contains(&format!("host: {}\r\n", web.address())), "{text:?}");
    // Chunks are taken apart; the end of the connection is the end.
    web.set(chunked);
    let mut client = world.client().await;
    client.send("GET / HTTP/1.0\r\nHost: a.test\r\n\r\n").await.unwrap();
    let response = client.response().await.unwrap();
    assert_eq!((response.text().as_str(), response.field("transfer-encoding")), ("hello", None));
    let lines = world.finish(5).await;
    assert!(lines.iter().all(|l| l.text("RequestProtocol") == "HTTP/1.0"));
}

#[tokio::test]
async fn every_worker_takes_connections() {
    let web = Upstream::start("web-1", Behaviour::echo()).await;
    let mut setup = Setup::web(&[&web]);
    setup.workers = 2;
    let world = setup.start().await;
    let mut connections = HashSet::new();
    let mut clients = Vec::new();
    // The kernel spreads connections by a hash; that forty fall to one of two is not to be expected.
    for _ in 0..40 {
        let mut client = world.client().await;
        client.send(request("GET", "/")).await.unwrap();
        connections.insert(client.response().await.unwrap().field("x-connection").unwrap().to_owned());
        clients.push(client);
    }
    assert_eq!(connections.len(), 2, "each worker has one connection of its own");
    drop(clients);
    world.finish(40).await;
}
