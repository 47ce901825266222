//! Connections that nobody uses for a while, and then somebody does.

use std::time::{Duration, Instant};

use seaway_testkit::upstream::{Behaviour, Upstream};

use crate::harness::{Setup, get, post};

/// Longer than it takes a connection to rest.
const WHILE: Duration = Duration::from_millis(1700);

#[tokio::test]
async fn a_connection_that_has_rested_is_as_before() {
    let web = Upstream::start("web-1", Behaviour::echo()).await;
    let world = Setup::web(&[&web]).start().await;
    let mut client = world.client().await;
    // Before its first request as well.
    for sent in [get("/1"), post("/2", "body"), get("/3")] {
        tokio::time::sleep(WHILE).await;
        client.send(&sent).await.unwrap();
        let response = client.response().await.unwrap();
        assert_eq!((response.status, response.field("connection")), (200, None));
        assert!(response.text().starts_with(sent.split(" HTTP").next().unwrap()), "{}", response.text());
    }
    assert!(client.is_open().await);
    drop(client);
    world.finish(3).await;
}

#[tokio::test]
async fn nothing_that_was_read_is_lost_while_it_rests() {
    let web = Upstream::start("web-1", Behaviour::echo()).await;
    let world = Setup::web(&[&web]).start().await;
    let mut client = world.client().await;
    // The second request stops in its head, the third in its body.
    client.send(get("/1") + "POST /2 HTTP/1.1\r\nHo").await.unwrap();
    assert!(client.response().await.unwrap().text().starts_with("GET /1 "));
    tokio::time::sleep(WHILE).await;
    client.send("st: a.test\r\nContent-Length: 4\r\n\r\nbo").await.unwrap();
    tokio::time::sleep(WHILE).await;
    client.send("dy".to_owned() + &get("/3")).await.unwrap();
    let second = client.response().await.unwrap().text();
    assert!(second.starts_with("POST /2 ") && second.ends_with("\r\n\r\nbody"), "{second}");
    assert!(client.response().await.unwrap().text().starts_with("GET /3 "));
    drop(client);
    world.finish(3).await;
}

#[tokio::test]
async fn its_limits_go_on() {
    let web = Upstream::start("web-1", Behaviour::echo()).await;
    let mut setup = Setup::web(&[&web]);
    setup.entry.idle_timeout = Duration::from_secs(2);
    setup.times.head = Duration::from_secs(2);
    let world = setup.start().await;
    let mut unused = world.client().await;
    let mut used = world.client().await;
    used.send(get("/")).await.unwrap();
    assert_eq!(used.response().await.unwrap().status, 200);
    let began = Instant::now();
    assert!(used.to_close().await.unwrap().is_empty());
    assert!(began.elapsed() + Duration::from_millis(20) >= Duration::from_secs(2));
    assert!(unused.to_close().await.unwrap().is_empty());
    world.finish(1).await;
}

#[tokio::test]
async fn it_can_become_a_tunnel_and_what_came_early_goes_through_it() {
    let web = Upstream::start("web-1", Behaviour::upgrade("websocket")).await;
    let world = Setup::web(&[&web]).start().await;
    let mut client = world.client().await;
    tokio::time::sleep(WHILE).await;
    client
        .send("GET / HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nearly")
        .await
        .unwrap();
    assert_eq!(client.head().await.unwrap().status, 101);
    assert_eq!(client.bytes(5).await.unwrap(), b"early");
    client.finish().await.unwrap();
    assert!(client.to_close().await.unwrap().is_empty());
    world.finish(1).await;
}

#[tokio::test]
async fn it_ends_with_the_data_plane() {
    let web = Upstream::start("web-1", Behaviour::echo()).await;
    let world = Setup::web(&[&web]).start().await;
    let mut used = world.client().await;
    used.send(get("/")).await.unwrap();
    assert_eq!(used.response().await.unwrap().status, 200);
    let mut unused = world.client().await;
    tokio::time::sleep(WHILE).await;
    world.drain();
    assert!(used.to_close().await.unwrap().is_empty());
    // What has just been promised service still has a moment.
    unused.send(get("/")).await.unwrap();
    assert_eq!(unused.response().await.unwrap().field("connection"), Some("close"));
    world.finish(2).await;
}

#[tokio::test]
async fn a_client_that_leaves_while_it_rests_is_gone() {
    let web = Upstream::start("web-1", Behaviour::echo()).await;
    let world = Setup::web(&[&web]).start().await;
    let mut client = world.client().await;
    client.send(get("/")).await.unwrap();
    assert_eq!(client.response().await.unwrap().status, 200);
    tokio::time::sleep(WHILE).await;
    client.finish().await.unwrap();
    assert!(client.to_close().await.unwrap().is_empty());
    world.finish(1).await;
}
