//! Services that stand before others, through real exchanges.

use seaway_config::model::{
    self, Config, Failover, FailoverErrors, Mirror, Mirroring, ServiceOptions, Sticky, StickyCookie, Weighted,
    WeightedMember,
};
use seaway_config::{Declared, Origin};
use seaway_routing::state::Notice;
use seaway_testkit::upstream::{Behaviour, Upstream};

use crate::harness::{Setup, World, add_router, add_service, name, post, server};

/// A router to `top`, which these options make, and services `a` and `b` of one server each.
fn setup(a: &Upstream, b: &Upstream, options: ServiceOptions) -> Setup {
    let mut config = Config::default();
    add_service(&mut config, "a", vec![server(1, a)]);
    add_service(&mut config, "b", vec![server(2, b)]);
    let declared = Declared::new(model::Service { options, servers: Vec::new() }, Origin::resource("file", "f.yml"));
    config.services.insert(name("top"), declared);
    add_router(&mut config, "web", "PathPrefix(`/`)", "top");
    Setup::new(config)
}

fn weighted(a: i64, b: i64, cookie: bool) -> ServiceOptions {
    let member = |name: &str, weight| WeightedMember { name: name.to_owned(), weight };
    let cookie = cookie.then(|| StickyCookie { name: "canary".to_owned(), ..StickyCookie::default() });
    let sticky = cookie.map(|cookie| Sticky { cookie: Some(cookie) });
    let weighted = Weighted { services: vec![member("a", a), member("b", b)], sticky, health_check: None };
    ServiceOptions { weighted: Some(weighted), ..ServiceOptions::default() }
}

fn failover(errors: Option<FailoverErrors>) -> ServiceOptions {
    let failover = Failover { service: "a".to_owned(), fallback: "b".to_owned(), health_check: None, errors };
    ServiceOptions { failover: Some(failover), ..ServiceOptions::default() }
}

fn mirroring(percent: i64, change: impl FnOnce(&mut Mirroring)) -> ServiceOptions {
    let mirrors = vec![Mirror { name: "b".to_owned(), percent }];
    let mut mirroring = Mirroring { service: "a".to_owned(), mirrors, ..Mirroring::default() };
    change(&mut mirroring);
    ServiceOptions { mirroring: Some(mirroring), ..ServiceOptions::default() }
}

async fn two() -> (Upstream, Upstream) {
    (Upstream::start("a", Behaviour::echo()).await, Upstream::start("b", Behaviour::echo()).await)
}

async fn who(world: &World) -> String {
    world.get("/").await.field("x-upstream").unwrap_or_default().to_owned()
}

#[tokio::test]
async fn a_canary_gets_its_share_and_keeps_its_clients() {
    let (a, b) = two().await;
    let world = setup(&a, &b, weighted(3, 1, true)).start().await;
    let mut given = Vec::new();
    for _ in 0..8 {
        let response = world.get("/").await;
        let cookie = response.all("set-cookie")[0].split(';').next().unwrap().to_owned();
        given.push((response.field("x-upstream").unwrap().to_owned(), cookie));
    }
    assert_eq!(given.iter().filter(|(who, _)| who == "b").count(), 2);
    for (who, cookie) in &given {
        let response = world.exchange(format!("GET / HTTP/1.1\r\nHost: a.test\r\nCookie: {cookie}\r\n\r\n")).await;
        assert_eq!((response.field("x-upstream"), response.all("set-cookie").len()), (Some(&**who), 0));
    }
    world.notify(2, Notice::Terminating);
    let (_, cookie) = given.iter().find(|(who, _)| who == "b").unwrap();
    let response = world.exchange(format!("GET / HTTP/1.1\r\nHost: a.test\r\nCookie: {cookie}\r\n\r\n")).await;
    assert_eq!((response.field("x-upstream"), response.all("set-cookie").len()), (Some("a"), 1));
    let lines = world.finish(17).await;
    assert!(lines.iter().all(|line| line.text("ServiceName").starts_with(['a', 'b'])), "the one that has servers");
}

#[tokio::test]
async fn the_second_answers_at_once_while_the_first_cannot_be_reached() {
    let (mut a, b) = two().await;
    let mut setup = setup(&a, &b, failover(None));
    setup.hold = std::time::Duration::from_secs(15);
    setup.prober = true;
    let world = setup.start().await;
    assert_eq!(who(&world).await, "a");
    a.close_listener().await;
    a.close_connections();
    assert_eq!(who(&world).await, "b", "without waiting for the first");
    assert_eq!(who(&world).await, "b");
    a.listen();
    crate::harness::until("it is back", || world.state(1).is_ready()).await;
    assert_eq!(who(&world).await, "a");
    let lines = world.finish(4).await;
    assert!(lines.iter().all(|line| line.status() == 200 && !line.lost()));
}

#[tokio::test]
async fn an_answer_may_send_a_request_to_the_second() {
    let (a, b) = two().await;
    a.set(Behaviour::answer(503, "broken"));
    let errors = FailoverErrors { status: vec!["500-599".to_owned()], max_request_body_bytes: 8 };
    let world = setup(&a, &b, failover(Some(errors))).start().await;
    let response = world.exchange(post("/x", "a body")).await;
    assert_eq!((response.status, response.field("x-upstream")), (200, Some("b")));
    assert!(response.text().ends_with("a body"), "{}", response.text());
    assert_eq!(a.log().requests[0].body, b"a body");
    let response = world.exchange(post("/x", "too long a body")).await;
    assert_eq!((response.status, response.text().trim_end()), (413, "Request body too large"));
    a.set(Behaviour::answer(404, "no"));
    assert_eq!(world.get("/").await.status, 404);
    world.finish(3).await;
}

#[tokio::test]
async fn copies_are_sent_and_nobody_waits_for_them() {
    let (a, b) = two().await;
    // It never answers.
    b.set(Behaviour::held());
    let world = setup(&a, &b, mirroring(50, |_| {})).start().await;
    for n in 0..6 {
        let response = world.exchange(post(&format!("/{n}"), "some body")).await;
        assert_eq!(response.field("x-upstream"), Some("a"));
    }
    let log = b.wait_for("three copies", |log| log.requests.iter().filter(|r| r.complete).count() == 3).await;
    assert!(log.requests.iter().all(|request| request.body == b"some body"), "{log:?}");
    assert_eq!(a.log().requests.len(), 6);
    b.set(Behaviour::echo());
    for _ in 0..3 {
        b.release();
    }
    crate::harness::until("copies are over", || world.in_flight() == 0).await;
    world.finish(6).await;
}

#[tokio::test]
async fn a_client_s_connection_ends_before_its_copies_do() {
    let (a, b) = two().await;
    b.set(Behaviour::held());
    let world = setup(&a, &b, mirroring(100, |_| {})).start().await;
    let mut client = world.client().await;
    client.send("GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n").await.unwrap();
    let all = client.to_close().await.unwrap();
    assert!(all.starts_with(b"HTTP/1.1 200 "), "{:?}", String::from_utf8_lossy(&all));
    b.wait_for("a copy", |log| log.requests.len() == 1).await;
    b.set(Behaviour::echo());
    b.release();
    crate::harness::until("copies are over", || world.in_flight() == 0).await;
    world.finish(1).await;
}

#[tokio::test]
async fn copies_may_be_without_a_body_and_are_not_made_of_long_ones() {
    let (a, b) = two().await;
    let world = setup(&a, &b, mirroring(100, |it| it.mirror_body = false)).start().await;
    assert_eq!(world.exchange(post("/", "some body")).await.status, 200);
    let log = b.wait_for("a copy", |log| log.requests.iter().any(|r| r.complete)).await;
    assert_eq!((log.requests[0].body.as_slice(), log.requests[0].all("content-length")), (&b""[..], vec!["0"]));
    crate::harness::until("copies are over", || world.in_flight() == 0).await;
    world.finish(1).await;

    let (a, b) = two().await;
    let world = setup(&a, &b, mirroring(100, |it| it.max_body_size = 4)).start().await;
    assert_eq!(world.exchange(post("/long", "some body")).await.status, 200);
    assert_eq!(world.exchange(post("/short", "body")).await.status, 200);
    let log = b.wait_for("a copy", |log| log.requests.iter().any(|r| r.complete)).await;
    assert!(log.requests.iter().all(|r| r.start() == "POST /short HTTP/1.1"), "{log:?}");
    crate::harness::until("copies are over", || world.in_flight() == 0).await;
    world.finish(2).await;
}

#[tokio::test]
async fn nobody_anywhere_is_503() {
    let (a, b) = two().await;
    let world = setup(&a, &b, failover(None)).start().await;
    world.notify(1, Notice::Ended);
    world.notify(2, Notice::Ended);
    let response = world.get("/").await;
    assert_eq!((response.status, response.text().trim_end()), (503, "Service Unavailable"));
    world.finish(1).await;
}
