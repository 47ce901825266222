//! Active and passive health checks.

use std::time::Duration;

use seaway_config::model::{HealthCheck, PassiveHealthCheck};
use seaway_testkit::upstream::{Behaviour, Upstream};

use crate::harness::{Setup, until};

fn check() -> HealthCheck {
    let often = Duration::from_millis(20);
    HealthCheck { path: "/up".to_owned(), interval: often, unhealthy_interval: Some(often), ..HealthCheck::default() }
}

#[tokio::test]
async fn a_server_gets_requests_while_its_check_is_good() {
    let (a, b) =
        (Upstream::start("a", Behaviour::echo()).await, Upstream::start("b", Behaviour::answer(503, "")).await);
    let mut setup = Setup::web(&[&a, &b]);
    let mut check = check();
    check.hostname = "check.test".to_owned();
    check.headers.insert("X-Check".to_owned(), "yes".to_owned());
    setup.balancer(|balancer| balancer.health_check = Some(check));
    let world = setup.start().await;
    until("the first is checked", || world.state(1).is_ready()).await;
    b.wait_for("the second was asked", |log| log.requests.len() > 1).await;
    for _ in 0..4 {
        assert_eq!(world.get("/").await.field("x-upstream"), Some("a"), "the other has never been well");
    }
    let asked = b.log().requests[0].clone();
    assert_eq!(asked.start(), "GET /up HTTP/1.1");
    assert_eq!((asked.all("host"), asked.all("x-check")), (vec!["check.test"], vec!["yes"]));
    b.set(Behaviour::echo());
    until("the second is well", || world.state(2).is_ready()).await;
    a.set(Behaviour::answer(500, ""));
    until("the first is not", || !world.state(1).is_ready()).await;
    assert_eq!(world.get("/").await.field("x-upstream"), Some("b"));
    world.finish(5).await;
}

#[tokio::test]
async fn a_redirect_is_followed_unless_it_is_not_to_be() {
    let to = b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n";
    for follows in [true, false] {
        let upstream = Upstream::start("a", Behaviour::writes(to)).await;
        let mut setup = Setup::web(&[&upstream]);
        let check = HealthCheck { follow_redirects: follows, ..check() };
        setup.balancer(|balancer| balancer.health_check = Some(check));
        let world = setup.start().await;
        if follows {
            upstream.wait_for("asked again", |log| log.requests.iter().any(|r| r.start().contains("/elsewhere"))).await;
            assert!(!world.state(1).is_ready(), "it never comes to an end");
        } else {
            until("302 is good", || world.state(1).is_ready()).await;
        }
        world.finish(0).await;
    }
}

#[tokio::test]
async fn without_its_check_a_server_is_as_it_was() {
    let upstream = Upstream::start("a", Behaviour::answer(503, "")).await;
    let mut setup = Setup::web(&[&upstream]);
    let plain = setup.config.clone();
    setup.balancer(|balancer| balancer.health_check = Some(check()));
    let mut world = setup.start().await;
    upstream.wait_for("it was asked", |log| !log.requests.is_empty()).await;
    assert!(!world.state(1).is_ready());
    world.publish(plain);
    until("it is back", || world.state(1).is_ready()).await;
    assert_eq!(world.get("/").await.status, 503);
    world.finish(1).await;
}

#[tokio::test]
async fn a_server_that_fails_requests_is_left_alone_for_a_while() {
    let (a, b) =
        (Upstream::start("a", Behaviour::answer(500, "")).await, Upstream::start("b", Behaviour::echo()).await);
    let mut setup = Setup::web(&[&a, &b]);
    let passive = PassiveHealthCheck { failure_window: Duration::from_millis(400), max_failed_attempts: 2 };
    setup.balancer(|balancer| balancer.passive_health_check = Some(passive));
    let world = setup.start().await;
    let mut statuses = Vec::new();
    for _ in 0..8 {
        statuses.push(world.get("/").await.status);
    }
    assert_eq!(
        statuses.iter().filter(|status| **status == 500).count(),
        2,
        "it goes out with the second: {statuses:?}"
    );
    a.set(Behaviour::echo());
    until("it is back by itself", || world.state(1).is_ready()).await;
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..6 {
        seen.insert(world.get("/").await.field("x-upstream").unwrap_or_default().to_owned());
    }
    assert_eq!(seen.len(), 2);
    world.finish(14).await;
}

#[tokio::test]
async fn one_that_fails_is_not_waited_for() {
    let upstream = Upstream::start("a", Behaviour::answer(500, "")).await;
    let mut setup = Setup::web(&[&upstream]);
    setup.hold = Duration::from_secs(15);
    let passive = PassiveHealthCheck { failure_window: Duration::from_secs(60), max_failed_attempts: 1 };
    setup.balancer(|balancer| balancer.passive_health_check = Some(passive));
    let world = setup.start().await;
    assert_eq!(world.get("/").await.status, 500);
    let response = world.get("/").await;
    assert_eq!((response.status, response.text().trim_end()), (503, "no available server"));
    world.finish(2).await;
}
