//! Time limits of client connections.

use std::time::{Duration, Instant};

use seaway_testkit::upstream::{Behaviour, Step, Upstream};

use crate::harness::{SHORT, Setup, World, get, post};

/// Limits are looked at twice a second.
const SWEEP: Duration = Duration::from_millis(500);

async fn limited(change: impl FnOnce(&mut Setup)) -> (Upstream, World) {
    let web = Upstream::start("web-1", Behaviour::echo()).await;
    let mut setup = Setup::web(&[&web]);
    change(&mut setup);
    let world = setup.start().await;
    (web, world)
}

#[tokio::test]
async fn a_head_has_its_time_however_it_trickles() {
    let (web, world) = limited(|setup| setup.times.head = SHORT).await;
    // Nothing at all, a part, and a byte now and then.
    let mut nothing = world.client().await;
    let mut part = world.client().await;
    part.send("GET / HT").await.unwrap();
    let mut trickle = world.client().await;
    let began = Instant::now();
    let mut sent = 0;
    for byte in "GET / HTTP/1.1\r\nHost: a.test\r\nX-Long: ".bytes().chain(std::iter::repeat(b'x')) {
        if trickle.send([byte]).await.is_err() {
            break;
        }
        sent += 1;
        tokio::time::sleep(Duration::from_millis(10)).await;
        assert!(began.elapsed() < Duration::from_secs(5), "still open after {sent} bytes");
    }
    assert!(nothing.to_close().await.unwrap().is_empty());
    assert!(part.to_close().await.unwrap().is_empty());
    assert!(began.elapsed() >= SHORT);
    assert!(web.log().connections.is_empty());
    world.finish(0).await;
}

#[tokio::test]
async fn a_head_that_was_begun_before_the_last_answer_has_no_more_time() {
    for early in ["GET /2 HT", "GET /2 HTTP/1.1\r\nHost: a.test\r\n", "\r"] {
        let web = Upstream::start("web-1", Behaviour::held()).await;
        let mut setup = Setup::web(&[&web]);
        setup.times.head = SHORT;
        let world = setup.start().await;
        let mut client = world.client().await;
        client.send(get("/1") + early).await.unwrap();
        web.wait_for("the first", |log| log.requests.len() == 1).await;
        // While an exchange goes on it is no trouble.
        tokio::time::sleep(SHORT + SWEEP).await;
        web.release();
        assert_eq!(client.response().await.unwrap().status, 200);
        let began = Instant::now();
        assert!(client.to_close().await.unwrap().is_empty(), "{early:?}");
        assert!(began.elapsed() + Duration::from_millis(20) >= SHORT);
        world.finish(1).await;
    }
}

#[tokio::test]
async fn empty_lines_behind_a_body_are_no_head() {
    let (_web, world) = limited(|setup| setup.times.head = SHORT).await;
    let mut nothing = world.client().await;
    nothing.send("\r\n").await.unwrap();
    let mut client = world.client().await;
    for _ in 0..2 {
        client.send(post("/", "body") + "\r\n").await.unwrap();
        assert_eq!(client.response().await.unwrap().status, 200);
        client.send("\r\n").await.unwrap();
        tokio::time::sleep(SHORT + SWEEP).await;
    }
    assert!(client.is_open().await);
    assert!(nothing.to_close().await.unwrap().is_empty());
    world.drain();
    assert!(client.to_close().await.unwrap().is_empty());
    world.finish(2).await;
}

#[tokio::test]
async fn an_idle_connection_ends() {
    let (_web, world) = limited(|setup| setup.entry.idle_timeout = SHORT).await;
    let mut client = world.client().await;
    for _ in 0..2 {
        client.send(get("/")).await.unwrap();
        assert_eq!(client.response().await.unwrap().status, 200);
    }
    let began = Instant::now();
    assert!(client.to_close().await.unwrap().is_empty());
    assert!(began.elapsed() + Duration::from_millis(20) >= SHORT);
    world.finish(2).await;
}

#[tokio::test]
async fn a_slow_exchange_is_not_idle() {
    let web = Upstream::start("web-1", Behaviour::slow(SHORT + SWEEP)).await;
    let mut setup = Setup::web(&[&web]);
    (setup.entry.idle_timeout, setup.times.head) = (SHORT, SHORT);
    let world = setup.start().await;
    assert_eq!(world.get("/").await.status, 200);
    world.finish(1).await;
}

#[tokio::test]
async fn a_silent_body_ends_and_a_slow_one_does_not() {
    let (web, world) = limited(|setup| setup.entry.read_timeout = SHORT).await;
    let mut client = world.client().await;
    client.send("POST /a HTTP/1.1\r\nHost: a.test\r\nContent-Length: 10\r\n\r\nhello").await.unwrap();
    let response = client.response().await.unwrap();
    assert_eq!((response.status, response.field("connection")), (408, Some("close")));
    assert!(client.to_close().await.unwrap_or_default().is_empty());
    web.wait_for("the abort", |log| log.connections[0].closed).await;
    assert!(!web.log().requests[0].complete);
    assert!(world.state(1).is_ready());

    let mut client = world.client().await;
    client.send("POST /b HTTP/1.1\r\nHost: a.test\r\nContent-Length: 6\r\n\r\n").await.unwrap();
    for piece in ["a", "b", "c", "d", "e", "f"] {
        tokio::time::sleep(SHORT / 2).await;
        client.send(piece).await.unwrap();
    }
    assert_eq!(client.response().await.unwrap().status, 200);
    drop(client);
    let lines = world.finish(2).await;
    assert_eq!((lines[0].status(), lines[0].error(), lines[0].lost()), (408, "request_body_timeout", false));
}

#[tokio::test]
async fn a_client_that_stops_reading() {
    let size = 32 << 20;
    let mut response = format!("HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n").into_bytes();
    response.resize(response.len() + size, b'x');
    let web = Upstream::start("web-1", Behaviour::steps([Step::ReadHead, Step::Write(response), Step::Hang])).await;
    let mut setup = Setup::web(&[&web]);
    setup.times.write_stall = SHORT;
    let world = setup.start().await;
    // One reads nothing, one reads slowly.
    let mut stalled = world.client().await;
    stalled.send(get("/stalled")).await.unwrap();
    stalled.head().await.unwrap();
    let mut slow = world.client().await;
    slow.send(get("/slow")).await.unwrap();
    slow.head().await.unwrap();
    for _ in 0..8 {
        tokio::time::sleep(SHORT / 2).await;
        assert_eq!(slow.bytes(2 << 20).await.unwrap().len(), 2 << 20);
    }
    let lines = world.lines(1).await;
    assert_eq!((lines[0].text("RequestPath"), lines[0].status()), ("/stalled", 200));
    assert_eq!((lines[0].error(), lines[0].lost()), ("client_gone", false));
    assert_eq!(slow.bytes(size - (16 << 20)).await.unwrap().len(), size - (16 << 20));
    drop((slow, stalled));
    world.finish(2).await;
}

#[tokio::test]
async fn a_server_that_answers_early_and_stops_reading() {
    let size = 64 << 20;
    for framing in
        [format!("Content-Length: {size}\r\n\r\n"), format!("Transfer-Encoding: chunked\r\n\r\n{size:x}\r\n")]
    {
        let early = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nearly";
        let steps = [Step::ReadHead, Step::Write(early.to_vec()), Step::Hold];
        let web = Upstream::start("web-1", Behaviour::steps(steps)).await;
        let mut setup = Setup::web(&[&web]);
        setup.times.write_stall = SHORT;
        let world = setup.start().await;
        let mut client = world.client().await;
        client.send(format!("POST / HTTP/1.1\r\nHost: a.test\r\n{framing}")).await.unwrap();
        assert_eq!(client.response().await.unwrap().text(), "early");
        // While the client is silent it is not the server's fault.
        tokio::time::sleep(2 * SHORT).await;
        assert!(client.is_open().await);
        let sent = tokio::time::timeout(Duration::from_secs(10), client.send(vec![b'x'; size])).await;
        assert!(sent.expect("the connection is still open").is_err());
        world.finish(1).await;
    }
}

#[tokio::test]
async fn a_tunnel_has_no_limits() {
    let web = Upstream::start("web-1", Behaviour::upgrade("websocket")).await;
    let mut setup = Setup::web(&[&web]);
    (setup.entry.idle_timeout, setup.times.head, setup.entry.read_timeout) = (SHORT, SHORT, SHORT);
    let world = setup.start().await;
    let mut client = world.client().await;
    client.send("GET / HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n").await.unwrap();
    assert_eq!(client.head().await.unwrap().status, 101);
    for _ in 0..2 {
        tokio::time::sleep(SHORT + SWEEP).await;
        client.send("hello").await.unwrap();
        assert_eq!(client.bytes(5).await.unwrap(), b"hello");
    }
    drop(client);
    world.finish(1).await;
}
