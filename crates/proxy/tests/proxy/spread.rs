//! Client connections over several workers, and what happens when there are as many as may be.

use std::collections::HashMap;

use seaway_testkit::raw::RawClient;
use seaway_testkit::upstream::{Behaviour, Upstream};

use crate::harness::{Setup, World, add_router, get};

/// Opens a connection that does one request and stays.
async fn idle(world: &World) -> RawClient {
    let mut client = world.client().await;
    client.send(get("/")).await.unwrap();
    assert_eq!(client.response().await.unwrap().status, 200);
    client
}

#[tokio::test]
async fn connections_spread_evenly_whatever_the_kernel_chooses() {
    let web = Upstream::start("web-1", Behaviour::echo()).await;
    let mut setup = Setup::web(&[&web]);
    setup.workers = 3;
    let world = setup.start().await;
    let mut clients = Vec::new();
    // One request at a time needs one connection to the server in each worker, which tells who served it.
    let mut workers: HashMap<String, usize> = HashMap::new();
    for n in 1..=60_usize {
        let mut client = world.client().await;
        client.send(get("/")).await.unwrap();
        let worker = client.response().await.unwrap().field("x-connection").unwrap().to_owned();
        *workers.entry(worker).or_default() += 1;
        clients.push(client);
        let most = workers.values().max().unwrap();
        assert!(*most * 12 <= (n * 5).max(n.div_ceil(3) * 12), "{workers:?}");
    }
    assert!(workers.len() == 3 && workers.values().all(|n| (15..=25).contains(n)), "{workers:?}");
    // They work where they are.
    for client in &mut clients {
        client.send(get("/")).await.unwrap();
        assert_eq!(client.response().await.unwrap().status, 200);
    }
    drop(clients);
    world.finish(120).await;
}

#[tokio::test]
async fn what_was_handed_to_a_worker_when_the_end_begins_is_served() {
    let web = Upstream::start("web-1", Behaviour::echo()).await;
    let mut setup = Setup::web(&[&web]);
    setup.workers = 2;
    add_router(&mut setup.config, "block", "PathPrefix(`/block`)", "api@internal");
    let world = setup.start().await;
    let mut blocked = world.client().await;
    blocked.send(get("/block")).await.unwrap();
    world.gate.closed().await;
    // One worker stands still. What the kernel gives to the other one goes half to it: it waits in its inbox beside
    // what waits in its queue.
    let mut clients = Vec::new();
    for _ in 0..40 {
        let mut client = world.client().await;
        client.send(get("/")).await.unwrap();
        clients.push(client);
    }
    web.wait_for("the other worker's", |log| log.requests.len() >= 5).await;
    world.drain();
    // With its clients gone the other one ends, and its connections to the server with it.
    web.wait_for("its end", |log| log.connections.iter().all(|c| c.closed)).await;
    world.gate.open();
    assert_eq!(blocked.response().await.unwrap().status, 200);
    for client in &mut clients {
        assert_eq!(client.response().await.unwrap().status, 200);
        assert!(client.to_close().await.unwrap().is_empty());
    }
    world.finish(41).await;
}

#[tokio::test]
async fn the_longest_unused_connection_goes_first() {
    let web = Upstream::start("web-1", Behaviour::echo()).await;
    let mut setup = Setup::web(&[&web]);
    setup.max_connections = 3;
    let world = setup.start().await;
    let mut first = idle(&world).await;
    let mut second = idle(&world).await;
    let mut third = idle(&world).await;
    // The first to come is the last that was used.
    tokio::time::sleep(std::time::Duration::from_millis(600)).await;
    for client in [&mut third, &mut first] {
        client.send(get("/")).await.unwrap();
        assert_eq!(client.response().await.unwrap().status, 200);
        tokio::time::sleep(std::time::Duration::from_millis(600)).await;
    }
    let mut fourth = idle(&world).await;
    assert!(second.to_close().await.unwrap().is_empty());
    for client in [&mut first, &mut third, &mut fourth] {
        client.send(get("/")).await.unwrap();
        assert_eq!(client.response().await.unwrap().status, 200);
    }
    drop((first, third, fourth));
    world.finish(9).await;
}

#[tokio::test]
async fn where_all_are_busy_new_ones_wait() {
    let web = Upstream::start("web-1", Behaviour::held()).await;
    let mut setup = Setup::web(&[&web]);
    setup.max_connections = 2;
    let world = setup.start().await;
    let mut busy = Vec::new();
    for _ in 0..2 {
        let mut client = world.client().await;
        client.send(get("/busy")).await.unwrap();
        busy.push(client);
    }
    web.wait_for("both", |log| log.requests.len() == 2).await;
    let mut late = world.client().await;
    late.send(get("/late")).await.unwrap();
    web.release();
    web.release();
    for client in &mut busy {
        assert_eq!(client.response().await.unwrap().status, 200);
    }
    // A request came in the meantime only if a connection had been closed for it.
    assert_eq!(web.log().requests.len(), 2);
    web.set(Behaviour::echo());
    busy.pop();
    assert!(late.response().await.unwrap().text().starts_with("GET /late "));
    drop((busy, late));
    world.finish(3).await;
}

#[tokio::test]
async fn another_worker_makes_room_as_well() {
    let web = Upstream::start("web-1", Behaviour::held()).await;
    let mut setup = Setup::web(&[&web]);
    (setup.workers, setup.max_connections) = (2, 2);
    let world = setup.start().await;
    let mut busy = world.client().await;
    busy.send(get("/busy")).await.unwrap();
    web.wait_for("it", |log| log.requests.len() == 1).await;
    web.set(Behaviour::echo());
    // One worker has nothing but the busy one, and the kernel asks it as often as the other one.
    let mut before = idle(&world).await;
    for _ in 0..3 {
        let next = idle(&world).await;
        assert!(before.to_close().await.unwrap().is_empty());
        before = next;
    }
    web.release();
    assert_eq!(busy.response().await.unwrap().status, 200);
    drop((busy, before));
    world.finish(5).await;
}

#[tokio::test]
async fn who_waits_for_room_when_the_end_begins_is_served() {
    let web = Upstream::start("web-1", Behaviour::held()).await;
    let mut setup = Setup::web(&[&web]);
    setup.max_connections = 1;
    let world = setup.start().await;
    let mut busy = world.client().await;
    busy.send(get("/busy")).await.unwrap();
    web.wait_for("it", |log| log.requests.len() == 1).await;
    web.set(Behaviour::echo());
    // The first of them is accepted, the second stands in the queue.
    let mut waiting = [world.client().await, world.client().await];
    for client in &mut waiting {
        client.send(get("/")).await.unwrap();
    }
    world.drain();
    for client in &mut waiting {
        assert_eq!(client.response().await.unwrap().status, 200);
    }
    web.release();
    assert_eq!(busy.response().await.unwrap().status, 200);
    world.finish(3).await;
}

#[tokio::test]
async fn a_connection_whose_task_panics_gives_its_place_back() {
    let web = Upstream::start("web-1", Behaviour::echo()).await;
    let mut setup = Setup::web(&[&web]);
    setup.max_connections = 1;
    add_router(&mut setup.config, "panic", "PathPrefix(`/panic`)", "api@internal");
    let world = setup.start().await;
    for _ in 0..3 {
        let mut client = world.client().await;
        client.send(get("/panic")).await.unwrap();
        assert!(client.to_close().await.unwrap_or_default().is_empty());
    }
    assert_eq!(world.get("/").await.status, 200);
    world.finish(4).await;
}
