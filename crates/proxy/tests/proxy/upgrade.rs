//! Leaving HTTP: only after the server has granted exactly what the client asked for.

use seaway_routing::state::Notice;
use seaway_testkit::raw::RawClient;
use seaway_testkit::upstream::{Behaviour, Step, Upstream};

use crate::harness::{Setup, World, get, server, until, web};

const ASK: &str = "GET /ws HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                   Sec-WebSocket-Key: x\r\nSec-WebSocket-Version: 13\r\n\r\n";

async fn tunnel(world: &World) -> RawClient {
    let mut client = world.client().await;
    client.send(ASK).await.unwrap();
    let response = client.head().await.unwrap();
    assert_eq!((response.status, response.field("upgrade")), (101, Some("websocket")));
    assert_eq!(response.field("connection").map(str::to_ascii_lowercase).as_deref(), Some("upgrade"));
    assert_eq!((response.field("content-length"), response.field("transfer-encoding")), (None, None));
    client
}

async fn echoes(client: &mut RawClient, bytes: &str) {
    client.send(bytes).await.unwrap();
    assert_eq!(client.bytes(bytes.len()).await.unwrap(), bytes.as_bytes());
}

#[tokio::test]
async fn a_tunnel_carries_bytes_both_ways() {
    let web = Upstream::start("web-1", Behaviour::upgrade("websocket")).await;
    let world = Setup::web(&[&web]).start().await;
    let mut client = tunnel(&world).await;
    echoes(&mut client, "hello").await;
    echoes(&mut client, &"x".repeat(300_000)).await;
    assert_eq!(world.in_flight(), 1);
    let request = &web.log().requests[0];
    assert_eq!((request.all("connection"), request.all("upgrade")), (vec!["Upgrade"], vec!["websocket"]));
    assert_eq!((request.all("sec-websocket-key"), request.all("x-forwarded-proto")), (vec!["x"], vec!["ws"]));
    client.finish().await.unwrap();
    assert!(client.to_close().await.unwrap().is_empty());
    let lines = world.finish(1).await;
    assert_eq!((lines[0].status(), lines[0].text("ServerName")), (101, "web-1"));
    assert_eq!((lines[0].number("RequestContentSize"), lines[0].number("DownstreamContentSize")), (300_005, 300_005));
    assert_eq!((lines[0].error(), lines[0].lost()), ("", false));
}

#[tokio::test]
async fn bytes_that_come_early_are_not_lost() {
    // The client's come along with its request, the server's along with its 101.
    let granted = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: WebSocket\r\n\r\nwelcome";
    let web =
        Upstream::start("web-1", Behaviour::steps([Step::ReadHead, Step::Write(granted.into()), Step::Tunnel])).await;
    let world = Setup::web(&[&web]).start().await;
    let mut client = world.client().await;
    client.send(format!("{ASK}early")).await.unwrap();
    assert_eq!(client.head().await.unwrap().status, 101);
    assert_eq!(client.bytes(12).await.unwrap(), b"welcomeearly");
    echoes(&mut client, "more").await;
    drop(client);
    let lines = world.finish(1).await;
    assert_eq!((lines[0].number("RequestContentSize"), lines[0].number("DownstreamContentSize")), (9, 16));
}

#[tokio::test]
async fn what_follows_an_upgrade_that_was_not_granted_is_a_request() {
    for behaviour in [Behaviour::echo(), Behaviour::answer(400, "no"), Behaviour::answer(426, "no")] {
        let web = Upstream::start("web-1", behaviour).await;
        let world = Setup::web(&[&web]).start().await;
        let mut client = world.client().await;
        client.send(ASK.to_owned() + &get("/next")).await.unwrap();
        let first = client.response().await.unwrap();
        assert!(matches!(first.status, 200 | 400 | 426));
        assert_eq!(client.response().await.unwrap().status, first.status);
        let log = web.log();
        assert_eq!((log.requests.len(), log.requests[1].start().as_str()), (2, "GET /next HTTP/1.1"));
        drop(client);
        world.finish(2).await;
    }
}

#[tokio::test]
async fn a_grant_of_something_else_is_none() {
    for (granted, ask) in [
        ("websocket", get("/")),
        ("h2c", ASK.to_owned()),
        ("websocket", ASK.replace("websocket", "other")),
        ("websocket\r\nUpgrade: websocket", ASK.to_owned()),
    ] {
        let web = Upstream::start("web-1", Behaviour::upgrade(granted)).await;
        let world = Setup::web(&[&web]).start().await;
        let mut client = world.client().await;
        client.send(ask).await.unwrap();
        let response = client.response().await.unwrap();
        assert_eq!((response.status, response.text().as_str()), (502, "Bad Gateway"));
        assert!(client.is_open().await);
        web.wait_for("the end", |log| log.connections[0].closed).await;
        drop(client);
        let lines = world.finish(1).await;
        assert_eq!(lines[0].error(), "bad_upgrade");
    }
}

#[tokio::test]
async fn what_may_not_be_asked_for_is_not() {
    let web = Upstream::start("web-1", Behaviour::echo()).await;
    let world = Setup::web(&[&web]).start().await;
    let mut asks = 0;
    for ask in [
        ASK.replace("websocket", "h2c").replace("Upgrade\r\n", "Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AA\r\n"),
        ASK.replace("websocket", "other"),
        ASK.replace("websocket", "websocket, h2c"),
        ASK.replace("websocket", "websocket\r\nUpgrade: h2c"),
        ASK.replace("Connection: Upgrade", "Connection: keep-alive"),
        ASK.replace("HTTP/1.1", "HTTP/1.0"),
        ASK.replace("GET", "POST"),
        ASK.replace("Sec-WebSocket-Key", "Content-Length: 5\r\nSec-WebSocket-Key") + "hello",
    ] {
        let mut client = world.client().await;
        client.send(&ask).await.unwrap();
        let text = client.response().await.unwrap().text();
        for name in ["\r\nupgrade:", "\r\nconnection:", "http2-settings"] {
            assert!(!text.contains(name), "{name} of {ask:?}");
        }
        assert!(text.contains("x-forwarded-proto: http\r\n"), "{ask:?}");
        asks += 1;
    }
    world.finish(asks).await;
}

#[tokio::test]
async fn a_tunnel_outlives_tables_and_pins_none() {
    let upstream = Upstream::start("web-1", Behaviour::upgrade("websocket")).await;
    let mut world = Setup::web(&[&upstream]).start().await;
    let mut client = tunnel(&world).await;
    let state = world.state(1);
    let before = std::sync::Arc::downgrade(&world.published.current());
    for n in 2..5 {
        world.publish(web(vec![server(n, &upstream)]));
    }
    // Another request makes the worker take the new table.
    upstream.set(Behaviour::echo());
    assert_eq!(world.get("/").await.status, 200);
    until("the old table has gone", || world.published.free() == 0 && before.upgrade().is_none()).await;
    state.set(seaway_routing::state::flag::TERMINATING);
    echoes(&mut client, "still here").await;
    assert_eq!(state.in_flight(), 1);
    drop(client);
    until("left", || state.in_flight() == 0).await;
    let lines = world.finish(2).await;
    let tunnel = lines.iter().find(|l| l.status() == 101).unwrap();
    assert_eq!((tunnel.text("RouterName"), tunnel.text("ServerName")), ("web@docker", "web-1"));
}

#[tokio::test]
async fn an_end_on_either_side_is_passed_on() {
    let upstream = Upstream::start("web-1", Behaviour::upgrade("websocket")).await;
    let world = Setup::web(&[&upstream]).start().await;
    // The server's.
    let mut client = tunnel(&world).await;
    upstream.close_connections();
    assert!(client.to_close().await.unwrap().is_empty());
    drop(client);
    // The client's, by a reset.
    let client = tunnel(&world).await;
    client.reset().unwrap();
    upstream.wait_for("the end", |log| log.connections.iter().all(|c| c.closed)).await;
    world.notify(1, Notice::Terminating);
    let lines = world.finish(2).await;
    assert!(lines.iter().all(|l| l.status() == 101));
}

#[tokio::test]
async fn a_tunnel_has_a_connection_of_its_own() {
    let upstream = Upstream::start("web-1", Behaviour::echo()).await;
    let world = Setup::web(&[&upstream]).start().await;
    assert_eq!(world.get("/").await.field("x-connection"), Some("0"));
    upstream.set(Behaviour::upgrade("websocket"));
    let mut client = tunnel(&world).await;
    assert_eq!(upstream.log().requests[1].connection, 1);
    echoes(&mut client, "hello").await;
    upstream.set(Behaviour::echo());
    assert_eq!(world.get("/").await.field("x-connection"), Some("0"));
    drop(client);
    upstream.wait_for("the end", |log| log.connections[1].closed).await;
    assert_eq!(world.get("/").await.field("x-connection"), Some("0"));
    world.finish(4).await;
}
