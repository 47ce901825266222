//! Requests that wait for a service to come back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use seaway_routing::state::{Notice, flag};
use seaway_testkit::raw::RawClient;
use seaway_testkit::upstream::{Behaviour, Upstream};

use crate::harness::{SHORT, Setup, World, add_router, add_service, get, post, server, servers, until, web};

async fn one(hold: Duration) -> (Upstream, World) {
    let upstream = Upstream::start("web-1", Behaviour::echo()).await;
    let mut setup = Setup::web(&[&upstream]);
    setup.hold = hold;
    let world = setup.start().await;
    (upstream, world)
}

async fn sent(world: &World, bytes: impl AsRef<[u8]>) -> RawClient {
    let mut client = world.client().await;
    client.send(bytes).await.unwrap();
    client
}

fn held(world: &World) -> u32 {
    let table = world.published.current();
    table.services.iter().map(|s| s.state.held.load(Ordering::Relaxed)).sum()
}

const LONG: Duration = Duration::from_secs(15);

#[tokio::test]
async fn a_server_that_comes_back_serves_who_waited() {
    let (_upstream, world) = one(LONG).await;
    world.notify(1, Notice::Paused);
    let mut clients = Vec::new();
    for bytes in [get("/"), post("/", "body"), post("/", &"x".repeat(200_000))] {
        clients.push(sent(&world, bytes).await);
    }
    until("three wait", || held(&world) == 3).await;
    assert_eq!(world.in_flight(), 0, "with no server");
    world.notify(1, Notice::Unpaused);
    for client in &mut clients {
        assert_eq!(client.response().await.unwrap().status, 200);
    }
    assert_eq!(held(&world), 0);
    drop(clients);
    let lines = world.finish(3).await;
    assert!(lines.iter().all(|l| l.number("Held") > 0 && l.error().is_empty() && l.retries() == 0), "{lines:#?}");
}

#[tokio::test]
async fn a_new_table_serves_who_waited_wherever_the_service_stands_in_it() {
    let (old, mut world) = one(LONG).await;
    let new = Upstream::start("web-2", Behaviour::echo()).await;
    world.notify(1, Notice::Ended);
    let mut client = sent(&world, get("/")).await;
    until("it waits", || held(&world) == 1).await;
    // Its own service still has no server, and stands behind another one now.
    let mut config = web(vec![server(1, &old)]);
    config.services.values_mut().next().unwrap().value.servers[0].condition.running = false;
    add_service(&mut config, "another", servers(&[&old]));
    add_router(&mut config, "another", "Host(`b.test`)", "another");
    config.services.get_mut(&crate::harness::name("another")).unwrap().value.servers[0].identity.container = "x".into();
    world.publish(config.clone());
    assert_eq!(held(&world), 1);
    config.services.get_mut(&crate::harness::name("web")).unwrap().value.servers = vec![server(2, &new)];
    world.publish(config);
    assert_eq!(client.response().await.unwrap().field("x-upstream"), Some("web-2"));
    drop(client);
    let lines = world.finish(1).await;
    assert_eq!(lines[0].text("ServerName"), "web-2");
}

#[tokio::test]
async fn in_vain() {
    let (_upstream, world) = one(SHORT).await;
    world.notify(1, Notice::Ended);
    let began = Instant::now();
    let mut client = sent(&world, get("/")).await;
    let response = client.response().await.unwrap();
    assert_eq!((response.status, response.field("retry-after")), (503, Some("1")));
    assert!(began.elapsed() >= SHORT);
    assert!(client.is_open().await);
    drop(client);
    let lines = world.finish(1).await;
    assert_eq!((lines[0].error(), lines[0].lost()), ("no_server", false));
    assert!(u128::from(lines[0].number("Held")) >= SHORT.as_nanos());
}

/// Waiting is what the client is told of, not the refusal that it began with.
#[tokio::test]
async fn refused_and_then_in_vain() {
    let (mut upstream, world) = one(SHORT).await;
    upstream.close_listener().await;
    let response = world.get("/").await;
    assert_eq!((response.status, response.field("retry-after")), (503, Some("1")));
    let lines = world.finish(1).await;
    assert_eq!((lines[0].error(), lines[0].lost(), lines[0].number("Held") > 0), ("no_server", false, true));
}

/// A probe may find the port open again before the request that was refused has looked around.
#[tokio::test]
async fn a_server_that_refuses_and_passes_for_ready_again_is_tried_again() {
    let (mut upstream, world) = one(LONG).await;
    upstream.close_listener().await;
    let mut clients = [sent(&world, get("/")).await, sent(&world, post("/", "body")).await];
    // In a thread that does nothing else, so that the flag goes while the worker is at its next line.
    let (state, published) = (world.state(1), Arc::clone(&world.published));
    let (refusals, done) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicBool::new(false)));
    let (counted, ended) = (Arc::clone(&refusals), Arc::clone(&done));
    let probing = std::thread::spawn(move || {
        while !ended.load(Ordering::Relaxed) {
            if state.clear(flag::UNPROBED) {
                counted.fetch_add(1, Ordering::Relaxed);
                published.wake();
            }
        }
    });
    until("it was refused some times", || refusals.load(Ordering::Relaxed) >= 12).await;
    upstream.listen();
    for client in &mut clients {
        assert_eq!(client.response().await.unwrap().status, 200);
    }
    done.store(true, Ordering::Relaxed);
    probing.join().unwrap();
    drop(clients);
    let lines = world.finish(2).await;
    assert!(lines.iter().all(|l| l.retries() > 0 && l.error().is_empty()), "{lines:#?}");
}

#[tokio::test]
async fn a_service_that_leaves_the_table_lets_go() {
    let (_upstream, mut world) = one(LONG).await;
    world.notify(1, Notice::Ended);
    let mut client = sent(&world, get("/")).await;
    until("it waits", || held(&world) == 1).await;
    world.publish(seaway_config::Config::default());
    assert_eq!(client.response().await.unwrap().status, 503);
    drop(client);
    world.finish(1).await;
}

#[tokio::test]
async fn a_service_that_never_had_a_server_is_not_waited_for() {
    let mut setup = Setup::new(web(Vec::new()));
    setup.hold = LONG;
    let world = setup.start().await;
    let response = world.get("/").await;
    assert_eq!((response.status, response.field("retry-after")), (503, Some("1")));
    let lines = world.finish(1).await;
    assert_eq!(lines[0].number("Held"), 0);
}

#[tokio::test]
async fn only_so_many_wait() {
    let upstream = Upstream::start("web-1", Behaviour::echo()).await;
    let mut setup = Setup::web(&[&upstream]);
    (setup.hold, setup.hold_max) = (LONG, 2);
    let world = setup.start().await;
    world.notify(1, Notice::Ended);
    let mut waiting = vec![sent(&world, get("/")).await, sent(&world, get("/")).await];
    until("two wait", || held(&world) == 2).await;
    assert_eq!(world.get("/").await.status, 503);
    // Who leaves makes room.
    drop(waiting.pop());
    until("one waits", || held(&world) == 1).await;
    waiting.push(sent(&world, get("/")).await);
    until("two wait", || held(&world) == 2).await;
    world.notify(1, Notice::Started);
    world.state(1).clear(u16::MAX);
    world.published.wake();
    for client in &mut waiting {
        assert_eq!(client.response().await.unwrap().status, 200);
    }
    drop(waiting);
    let lines = world.finish(4).await;
    assert_eq!(lines.iter().filter(|l| l.status() == 499).count(), 1);
}

/// The only server is ending: what may be repeated still goes to it, the rest waits for the next one.
#[tokio::test]
async fn the_last_resort() {
    let (mut upstream, mut world) = one(LONG).await;
    let next = Upstream::start("web-2", Behaviour::echo()).await;
    assert_eq!(world.get("/").await.status, 200);
    world.notify(1, Notice::Terminating);
    assert_eq!(world.get("/").await.field("x-upstream"), Some("web-1"));
    let mut waiting = sent(&world, post("/", "body")).await;
    until("the POST waits", || held(&world) == 1).await;
    // It has closed its port: now everybody waits, and it is not asked again and again.
    upstream.close_listener().await;
    upstream.close_connections();
    let mut other = sent(&world, get("/")).await;
    until("both wait", || held(&world) == 2).await;
    assert!(!world.state(1).is_last_resort());
    world.publish(web(vec![server(1, &upstream), server(2, &next)]));
    for client in [&mut waiting, &mut other] {
        assert_eq!(client.response().await.unwrap().field("x-upstream"), Some("web-2"));
    }
    assert!(upstream.log().requests.iter().all(|r| r.start().starts_with("GET")));
    drop((waiting, other));
    world.finish(4).await;
}

/// Refused by the only server: its clients wait until its port accepts again, and nobody else is sent there meanwhile.
#[tokio::test]
async fn a_refusal_becomes_a_wait() {
    let mut upstream = Upstream::start("web-1", Behaviour::echo()).await;
    let mut setup = Setup::web(&[&upstream]);
    setup.hold = LONG;
    setup.prober = true;
    let world = setup.start().await;
    upstream.close_listener().await;
    let mut clients = vec![sent(&world, get("/")).await, sent(&world, post("/", "body")).await];
    until("both wait", || held(&world) == 2).await;
    upstream.listen();
    for client in &mut clients {
        assert_eq!(client.response().await.unwrap().status, 200);
    }
    drop(clients);
    let lines = world.finish(2).await;
    assert!(lines.iter().all(|l| l.number("Held") > 0));
}
