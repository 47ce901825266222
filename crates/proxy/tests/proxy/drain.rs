//! The end of the data plane: what runs ends, what was promised is served, what idles is told.

use std::time::{Duration, Instant};

use seaway_testkit::raw::RawClient;
use seaway_testkit::upstream::{Behaviour, Step, Upstream};

use crate::harness::{SHORT, Setup, World, add_router, get, post, until};

async fn refuses(world: &World) {
    until("no more is accepted", || std::net::TcpStream::connect(world.address()).is_err()).await;
}

#[tokio::test]
async fn what_runs_ends_and_its_connection_with_it() {
    let web = Upstream::start("web-1", Behaviour::held()).await;
    let world = Setup::web(&[&web]).start().await;
    let mut clients = Vec::new();
    for sent in [get("/"), post("/", "body")] {
        let mut client = world.client().await;
        client.send(sent).await.unwrap();
        clients.push(client);
    }
    web.wait_for("both", |log| log.requests.len() == 2).await;
    world.drain();
    refuses(&world).await;
    web.release();
    for client in &mut clients {
        let response = client.response().await.unwrap();
        assert_eq!((response.status, response.field("connection")), (200, Some("close")));
        assert!(client.to_close().await.unwrap().is_empty());
    }
    world.finish(2).await;
}

#[tokio::test]
async fn idle_connections_are_told() {
    let web = Upstream::start("web-1", Behaviour::echo()).await;
    let world = Setup::web(&[&web]).start().await;
    let mut client = world.client().await;
    client.send(get("/")).await.unwrap();
    assert_eq!(client.response().await.unwrap().field("connection"), None);
    let began = Instant::now();
    world.drain();
    assert!(client.to_close().await.unwrap().is_empty());
    world.finish(1).await;
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_request_that_was_begun_or_has_arrived_is_served() {
    let web = Upstream::start("web-1", Behaviour::echo()).await;
    let mut setup = Setup::web(&[&web]);
    add_router(&mut setup.config, "block", "PathPrefix(`/block`)", "api@internal");
    let world = setup.start().await;
    // One has rested, one has just been used; one has begun its next head with the one before.
    let (mut rested, mut used, mut begun) = (world.client().await, world.client().await, world.client().await);
    rested.send(get("/")).await.unwrap();
    assert_eq!(rested.response().await.unwrap().status, 200);
    tokio::time::sleep(Duration::from_millis(1700)).await;
    used.send(get("/")).await.unwrap();
    assert_eq!(used.response().await.unwrap().status, 200);
    begun.send(get("/") + "GET /begun HTTP/1.1\r\nHo").await.unwrap();
    assert_eq!(begun.response().await.unwrap().status, 200);
    let mut blocked = world.client().await;
    blocked.send(get("/block")).await.unwrap();
    world.gate.closed().await;
    world.drain();
    rested.send(get("/rested")).await.unwrap();
    used.send(get("/used")).await.unwrap();
    world.gate.open();
    assert_eq!(blocked.response().await.unwrap().status, 200);
    refuses(&world).await;
    begun.send("st: a.test\r\n\r\n").await.unwrap();
    for (client, path) in [(&mut rested, "/rested"), (&mut used, "/used"), (&mut begun, "/begun")] {
        let response = client.response().await.unwrap_or_else(|error| panic!("{path}: {error}"));
        assert!(response.text().starts_with(&format!("GET {path} ")), "{}", response.text());
        // The worker may have heard of the others before it heard of the end.
        assert!(path != "/begun" || response.field("connection") == Some("close"));
        assert!(client.to_close().await.unwrap().is_empty());
    }
    world.finish(7).await;
}

#[tokio::test]
async fn who_stands_in_the_queue_is_served() {
    let web = Upstream::start("web-1", Behaviour::echo()).await;
    let mut setup = Setup::web(&[&web]);
    add_router(&mut setup.config, "block", "PathPrefix(`/block`)", "api@internal");
    let world = setup.start().await;
    let mut blocked = world.client().await;
    blocked.send(get("/block")).await.unwrap();
    world.gate.closed().await;
    // Connected while nobody accepts: some have sent their request, one sends it later.
    let mut queued: Vec<RawClient> = Vec::new();
    for _ in 0..20 {
        let mut client = world.client().await;
        client.send(get("/")).await.unwrap();
        queued.push(client);
    }
    let mut late = world.client().await;
    world.drain();
    world.gate.open();
    refuses(&world).await;
    // By now the end has been told to every connection.
    tokio::time::sleep(Duration::from_millis(20)).await;
    late.send(get("/late")).await.unwrap();
    queued.push(late);
    queued.push(blocked);
    for client in &mut queued {
        assert_eq!(client.response().await.unwrap().status, 200);
    }
    world.finish(22).await;
}

/// The response's last bytes are still on their way to a slow client when the end begins.
#[tokio::test]
async fn a_response_that_is_not_out_yet_is_not_cut() {
    let size = 8 << 20;
    let mut response = format!("HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n").into_bytes();
    response.resize(response.len() + size, b'x');
    let web =
        Upstream::start("web-1", Behaviour::steps([Step::ReadHead, Step::Write(response), Step::ReadHead, Step::Echo]))
            .await;
    for read in [0, 1 << 20, 4 << 20, 6 << 20, 7 << 20, (8 << 20) - 1000] {
        let world = Setup::web(&[&web]).start().await;
        let mut client = world.client().await;
        client.send(get("/")).await.unwrap();
        assert_eq!(client.head().await.unwrap().field("connection"), None);
        assert_eq!(client.bytes(read).await.unwrap().len(), read);
        world.drain();
        refuses(&world).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert_eq!(client.bytes(size - read).await.unwrap().len(), size - read, "cut after {read}");
        assert!(client.to_close().await.unwrap().is_empty());
        world.finish(1).await;
    }
}

#[tokio::test]
async fn what_does_not_end_in_time_is_cut_and_counted() {
    let web = Upstream::start("web-1", Behaviour::silent()).await;
    let mut setup = Setup::web(&[&web]);
    setup.entry.grace = SHORT;
    let world = setup.start().await;
    let mut client = world.client().await;
    client.send(get("/")).await.unwrap();
    web.wait_for("it", |log| log.requests.len() == 1).await;
    world.drain();
    assert!(client.response().await.is_err());
    let lines = world.finish_cut(1, 1).await;
    assert_eq!((lines[0].status(), lines[0].text("ServerName")), (499, "web-1"));
}

#[tokio::test]
async fn a_tunnel_has_the_grace_and_the_end_ends_it() {
    let web = Upstream::start("web-1", Behaviour::upgrade("websocket")).await;
    let world = Setup::web(&[&web]).start().await;
    let mut client = world.client().await;
    client.send("GET / HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n").await.unwrap();
    assert_eq!(client.head().await.unwrap().status, 101);
    world.drain();
    refuses(&world).await;
    client.send("hello").await.unwrap();
    assert_eq!(client.bytes(5).await.unwrap(), b"hello");
    world.end();
    assert!(client.to_close().await.unwrap_or_default().is_empty());
    let lines = world.finish_cut(1, 1).await;
    assert_eq!(lines[0].status(), 101);
}

#[tokio::test]
async fn the_accept_grace_goes_on_as_before() {
    let web = Upstream::start("web-1", Behaviour::echo()).await;
    let mut setup = Setup::web(&[&web]);
    setup.entry.accept_grace = SHORT;
    let world = setup.start().await;
    let mut client = world.client().await;
    world.drain();
    client.send(get("/")).await.unwrap();
    assert_eq!(client.response().await.unwrap().field("connection"), None);
    assert_eq!(world.get("/").await.status, 200);
    assert!(client.to_close().await.unwrap().is_empty());
    world.finish(2).await;
}

#[tokio::test]
async fn the_end_waits_for_no_grace() {
    let web = Upstream::start("web-1", Behaviour::echo()).await;
    let mut setup = Setup::web(&[&web]);
    setup.entry.accept_grace = Duration::from_secs(3600);
    let world = setup.start().await;
    world.drain();
    world.end();
    world.finish(0).await;
}
