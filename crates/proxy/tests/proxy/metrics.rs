//! What a scrape shows of the exchanges there were.

use std::time::Duration;

use seaway_config::model::RouterObservability;
use seaway_routing::state::Notice;
use seaway_telemetry::metrics::MetricsOptions;
use seaway_testkit::upstream::{Behaviour, Upstream};

use crate::harness::{Setup, World, add_router, add_service, get, name, post, request, server, servers, until, web};

fn counting(mut setup: Setup) -> Setup {
    setup.metrics = Some(MetricsOptions { routers: true, ..MetricsOptions::default() });
    setup
}

/// The sum of all series of that name that have all these labels.
fn sum(world: &World, family: &str, labels: &[(&str, &str)]) -> u64 {
    let page = world.scrape();
    let labels: Vec<String> = labels.iter().map(|(name, value)| format!("{name}=\"{value}\"")).collect();
    let series = page.lines().filter_map(|line| line.strip_prefix(family)?.strip_prefix('{'));
    let series = series.filter_map(|line| line.rsplit_once("} "));
    let wanted = series.filter(|(found, _)| labels.iter().all(|label| found.split(',').any(|one| one == label)));
    wanted.map(|(_, value)| value.parse::<u64>().unwrap()).sum()
}

/// An exchange ends when its last byte is out: just after the client has read it.
async fn counted(world: &World, requests: u64) {
    until(&format!("{requests} requests are counted"), || {
        sum(world, "traefik_entrypoint_requests_total", &[("entrypoint", "web")]) == requests
    })
    .await;
}

#[tokio::test]
async fn every_exchange_is_counted_at_three_levels() {
    let upstream = Upstream::start("web-1", Behaviour::echo()).await;
    let mut config = web(servers(&[&upstream]));
    config.routers.get_mut(&name("web")).unwrap().value.rule = "Host(`a.test`)".to_owned();
    let mut setup = counting(Setup::new(config));
    setup.workers = 2;
    let world = setup.start().await;
    let header = |request: String, header: &str| request.replace("Host:", &format!("{header}\r\nHost:"));
    for (sent, status) in [
        (get("/"), 200),
        (get("/"), 200),
        (request("HEAD", "/"), 200),
        (post("/", "body"), 200),
        (post("/", "1234567"), 200),
        (request("LOCK", "/"), 200),
        (request("BREW", "/"), 200),
        (header(get("/"), "Accept: text/event-stream"), 200),
        (header(post("/", "x"), "Content-Type: application/grpc-web+proto"), 200),
        (header(post("/", "x"), "Content-Type: application/grpc"), 200),
        (get("/").replace("a.test", "b.test"), 404),
        (get("/").replace("Host: a.test\r\n", ""), 400),
    ] {
        let mut client = world.client().await;
        client.send(&sent).await.unwrap();
        let response = if sent.starts_with("HEAD") { client.response_to_head().await } else { client.response().await };
        assert_eq!(response.unwrap().status, status, "{sent}");
    }
    counted(&world, 12).await;
    for (level, labels) in [
        ("entrypoint", &[("entrypoint", "web")][..]),
        ("router", &[("router", "web@docker"), ("service", "web@docker")]),
        ("service", &[("service", "web@docker")]),
    ] {
        let family = format!("traefik_{level}_requests_total");
        let of = |more: &[(&str, &str)]| sum(&world, &family, &[labels, more].concat());
        assert_eq!(of(&[("code", "200")]), 10, "{level}");
        let methods = ["GET", "HEAD", "POST", "EXTENSION_METHOD"];
        assert_eq!(methods.map(|method| of(&[("code", "200"), ("method", method)])), [3, 1, 4, 2], "{level}");
        let protocols = ["http", "sse", "grpc", "grpc-web", "websocket"];
        assert_eq!(protocols.map(|protocol| of(&[("code", "200"), ("protocol", protocol)])), [7, 1, 1, 1, 0]);
        let ours = if level == "entrypoint" { [1, 1] } else { [0, 0] };
        assert_eq!(["404", "400"].map(|code| of(&[("code", code)])), ours, "{level}");
        let bytes =
            |of| sum(&world, &format!("traefik_{level}_{of}_bytes_total"), &[labels, &[("method", "POST")]].concat());
        assert_eq!(bytes("requests"), 13, "{level}");
        assert!(bytes("responses") > 13, "{level}: the echo is longer than what it echoes");
        let count = format!("traefik_{level}_request_duration_seconds_count");
        assert_eq!(sum(&world, &count, &[labels, &[("code", "200")]].concat()), 10, "{level}");
    }
    assert_eq!(sum(&world, "seaway_own_answers_total", &[("reason", "no_route")]), 1);
    assert_eq!(sum(&world, "seaway_own_answers_total", &[("entrypoint", "web")]), 2);
    assert_eq!(sum(&world, "seaway_broken_exchanges_total", &[]), 0);
    world.finish(12).await;
}

#[tokio::test]
async fn tables_come_and_go_and_counters_stay() {
    let upstream = Upstream::start("web-1", Behaviour::echo()).await;
    let mut world = counting(Setup::web(&[&upstream])).start().await;
    let mut client = world.client().await;
    for table in 1..=20 {
        client.send(get("/")).await.unwrap();
        assert_eq!(client.response().await.unwrap().status, 200);
        counted(&world, table).await;
        assert_eq!(sum(&world, "traefik_service_requests_total", &[("service", "web@docker")]), table);
        let mut config = web(servers(&[&upstream]));
        if table % 2 == 0 {
            // It stands elsewhere in the table.
            add_service(&mut config, "another", servers(&[&upstream]));
            add_router(&mut config, "another", "Host(`b.test`)", "another");
        }
        if table % 5 == 0 {
            world.publish(seaway_config::Config::default());
        }
        world.publish(config);
    }
    drop(client);
    world.finish(20).await;
}

#[tokio::test]
async fn a_tunnel_is_an_open_connection_and_one_request_when_it_ends() {
    let upstream = Upstream::start("web-1", Behaviour::upgrade("websocket")).await;
    let mut world = counting(Setup::web(&[&upstream])).start().await;
    let mut client = world.client().await;
    let ask = "GET /ws HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    client.send(ask).await.unwrap();
    assert_eq!(client.head().await.unwrap().status, 101);
    client.send("hello").await.unwrap();
    assert_eq!(client.bytes(5).await.unwrap(), b"hello");
    let open = |world: &World| sum(world, "traefik_open_connections", &[("entrypoint", "web"), ("protocol", "TCP")]);
    assert_eq!((open(&world), sum(&world, "traefik_entrypoint_requests_total", &[])), (1, 0));
    // It outlives its table.
    world.publish(seaway_config::Config::default());
    client.finish().await.unwrap();
    assert!(client.to_close().await.unwrap().is_empty());
    let labels = [("code", "101"), ("protocol", "websocket"), ("service", "web@docker")];
    until("it is counted", || sum(&world, "traefik_service_requests_total", &labels) == 1).await;
    assert_eq!(sum(&world, "traefik_router_requests_total", &labels), 1);
    assert_eq!(sum(&world, "traefik_service_requests_bytes_total", &labels), 5);
    until("its connection is closed", || open(&world) == 0).await;
    assert_eq!(sum(&world, "seaway_connections_total", &[]), 1);
    world.finish(1).await;
}

#[tokio::test]
async fn what_was_decided_for_a_service_is_counted() {
    let (dead, live) =
        (Upstream::refusing("web-1", Behaviour::echo()).await, Upstream::start("web-2", Behaviour::echo()).await);
    let mut setup = counting(Setup::sticky(&[&dead, &live]));
    setup.hold = Duration::from_secs(15);
    let world = setup.start().await;
    for _ in 0..2 {
        assert_eq!(world.get("/").await.status, 200);
    }
    world.notify(2, Notice::Paused);
    let mut waiting = world.client().await;
    waiting.send(get("/")).await.unwrap();
    let held = || world.published.current().services[0].state.held.load(std::sync::atomic::Ordering::Relaxed);
    until("it waits", || held() == 1).await;
    world.notify(2, Notice::Unpaused);
    assert_eq!(waiting.response().await.unwrap().status, 200);
    counted(&world, 3).await;
    let service = [("service", "web@docker")];
    assert_eq!(sum(&world, "traefik_service_retries_total", &service), 1, "the dead one is asked once");
    assert_eq!(sum(&world, "seaway_service_held_requests_total", &service), 1);
    assert_eq!(sum(&world, "seaway_service_sticky_total", &[("verdict", "new"), service[0]]), 3);
    assert_eq!(sum(&world, "seaway_service_lost_requests_total", &service), 0);
    drop(waiting);
    world.finish(3).await;
}

#[tokio::test]
async fn lost_requests_and_answers_in_a_servers_place_are_counted() {
    let upstream = Upstream::start("web-1", Behaviour::close_after_request()).await;
    let world = counting(Setup::web(&[&upstream])).start().await;
    assert_eq!(world.exchange(post("/", "body")).await.status, 502);
    upstream.set(Behaviour::reset_in_body());
    let mut client = world.client().await;
    client.send(get("/")).await.unwrap();
    client.to_close().await.ok();
    world.notify(1, Notice::Ended);
    assert_eq!(world.get("/").await.status, 503);
    counted(&world, 3).await;
    let service = [("service", "web@docker")];
    assert_eq!(sum(&world, "seaway_service_lost_requests_total", &service), 2);
    let of = |code| sum(&world, "traefik_service_requests_total", &[service[0], ("code", code)]);
    assert_eq!([of("502"), of("200"), of("503")], [1, 1, 1]);
    let reasons =
        ["upstream_closed", "no_server"].map(|reason| sum(&world, "seaway_own_answers_total", &[("reason", reason)]));
    assert_eq!(reasons, [1, 1]);
    assert_eq!(sum(&world, "seaway_broken_exchanges_total", &[("reason", "response_cut")]), 1);
    drop(client);
    world.finish(3).await;
}

#[tokio::test]
async fn who_is_not_to_be_counted_is_not() {
    for count_internals in [false, true] {
        let upstream = Upstream::start("web-1", Behaviour::echo()).await;
        let mut config = web(vec![server(1, &upstream)]);
        add_router(&mut config, "quiet", "PathPrefix(`/quiet`)", "web");
        let quiet = RouterObservability { metrics: Some(false), ..RouterObservability::default() };
        config.routers.get_mut(&name("quiet")).unwrap().value.observability = Some(quiet);
        add_router(&mut config, "own", "PathPrefix(`/own`)", "api@internal");
        let mut setup = counting(Setup::new(config));
        setup.count_internals = count_internals;
        let world = setup.start().await;
        for path in ["/quiet", "/own", "/"] {
            assert_eq!(world.get(path).await.status, 200);
        }
        counted(&world, 1 + u64::from(count_internals)).await;
        let of = |router| sum(&world, "traefik_router_requests_total", &[("router", router)]);
        let own = u64::from(count_internals);
        assert_eq!(["quiet@docker", "own@docker", "web@docker"].map(of), [0, own, 1]);
        assert_eq!(sum(&world, "traefik_router_requests_total", &[("service", "api@internal")]), own);
        world.finish(3).await;
    }
}
