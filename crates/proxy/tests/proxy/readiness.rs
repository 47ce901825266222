//! New servers get nothing before their port accepts.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use seaway_config::model::Condition;
use seaway_proxy::{Clock, health};
use seaway_routing::state::{Notice, flag};
use seaway_testkit::upstream::{Behaviour, Upstream};

use crate::harness::{Setup, server, until, web};

#[tokio::test]
async fn a_server_is_ready_once_its_port_accepts() {
    let first = Upstream::start("web-1", Behaviour::echo()).await;
    let mut second = Upstream::refusing("web-2", Behaviour::echo()).await;
    let mut setup = Setup::web(&[&first]);
    let mut late = server(2, &second);
    late.condition = Condition::default();
    setup.config = web(vec![server(1, &first), late]);
    setup.prober = true;
    let world = setup.start().await;
    for _ in 0..4 {
        assert_eq!(world.get("/").await.field("x-upstream"), Some("web-1"));
    }
    second.listen();
    until("it is ready", || world.state(2).is_ready()).await;
    let seen: std::collections::HashSet<_> = [world.get("/").await, world.get("/").await]
        .iter()
        .map(|r| r.field("x-upstream").unwrap().to_owned())
        .collect();
    assert_eq!(seen.len(), 2);
    let lines = world.finish(6).await;
    assert!(lines.iter().all(|l| l.retries() == 0));
}

#[tokio::test]
async fn a_start_is_asked_for_again_and_an_end_is_not() {
    let mut upstream = Upstream::start("web-1", Behaviour::echo()).await;
    let mut setup = Setup::web(&[&upstream]);
    setup.config = web(vec![server(1, &upstream)]);
    setup.config.services.values_mut().next().unwrap().value.servers[0].condition = Condition::default();
    setup.prober = true;
    let world = setup.start().await;
    until("it is ready", || world.state(1).is_ready()).await;
    // Ended: nobody asks.
    world.notify(1, Notice::Ended);
    upstream.close_listener().await;
    let asked = upstream.log().connections.len();
    // Started again, but not listening yet.
    world.notify(1, Notice::Started);
    assert_eq!(world.state(1).flags(), flag::UNPROBED);
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!((world.state(1).flags(), upstream.log().connections.len()), (flag::UNPROBED, asked));
    upstream.listen();
    until("it is ready again", || world.state(1).is_ready()).await;
    assert_eq!(world.get("/").await.status, 200);
    world.finish(1).await;
}

#[tokio::test]
async fn who_becomes_ready_is_told_of_once() {
    let upstream = Upstream::start("web-1", Behaviour::echo()).await;
    let mut setup = Setup::web(&[&upstream]);
    let declared = setup.config.services.values_mut().next().unwrap();
    declared.value.servers[0].condition =
        Condition { health: seaway_config::model::DockerHealth::Starting, ..Condition::default() };
    let world = setup.start().await;
    let told = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&told);
    let prober = tokio::spawn(health::probe_new_servers(
        Arc::clone(&world.published),
        Clock::default(),
        Duration::from_secs(1),
        move |accepted| heard.lock().unwrap().push(accepted.ready),
    ));
    until("it was asked", || !told.lock().unwrap().is_empty()).await;
    assert_eq!(*told.lock().unwrap(), [false], "its health check has not said yes");
    world.notify(1, Notice::Health(seaway_config::model::DockerHealth::Healthy));
    assert!(world.state(1).is_ready());
    prober.abort();
    world.finish(0).await;
}
