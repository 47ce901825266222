//! The whole program with metrics switched on and off, in front of a fake engine: no Docker needed.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Instant;

use seaway_testkit::engine::{FakeEngine, Spec};
use seaway_testkit::raw::{DEADLINE, RawClient, Response};
use seaway_testkit::upstream::{Behaviour, Upstream};

use crate::program::Running;

async fn ask(address: SocketAddr, method: &str, path: &str, host: &str) -> Response {
    let request = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    RawClient::exchange(address, request).await.expect("an answer")
}

/// Asks until it holds.
async fn eventually(address: SocketAddr, path: &str, host: &str, holds: impl Fn(&Response) -> bool) -> Response {
    let until = Instant::now() + DEADLINE;
    loop {
        let response = ask(address, "GET", path, host).await;
        if holds(&response) {
            return response;
        }
        assert!(Instant::now() < until, "{path} for {host}: not in time: {}\n{}", response.start, response.text());
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scrape_shows_the_requests_that_were_just_made() {
    let engine = FakeEngine::unix().await;
    let upstream = Upstream::start("web-1", Behaviour::echo()).await;
    let port = upstream.address().port();
    engine.run(
        Spec::new("demo-web-1")
            .compose("demo", "web", 1)
            .label("traefik.enable", "true")
            .label("traefik.http.routers.web.rule", "Host(`a.test`)")
            .at("net", Ipv4Addr::LOCALHOST)
            .port(port),
    );
    let mut seaway = Running::start(
        &[
            "--entrypoints.web.address=127.0.0.1:0",
            "--entrypoints.traefik.address=127.0.0.1:0",
            "--metrics.prometheus=true",
            "--metrics.prometheus.addrouterslabels=true",
            "--metrics.prometheus.buckets=0.01,30",
            "--providers.docker=true",
            &format!("--providers.docker.endpoint={}", engine.endpoint()),
        ],
        &[],
    );
    let (web, traefik) = (seaway.address("web"), seaway.address("traefik"));
    eventually(web, "/", "a.test", |response| response.status == 200).await;
    assert_eq!(ask(web, "GET", "/metrics", "b.test").await.status, 404, "it is on its own entry point alone");
    assert!(!ask(web, "GET", "/metrics", "a.test").await.text().contains("traefik_"), "what is there is the service's");
    for _ in 0..3 {
        assert_eq!(ask(web, "PUT", "/", "a.test").await.status, 200);
    }
    let url = upstream.url();
    let put = r#"method="PUT",protocol="http""#;
    let service = r#"service="web-demo@docker""#;
    let series = [
        format!(r#"traefik_entrypoint_requests_total{{code="200",entrypoint="web",{put}}} 3"#),
        format!(r#"traefik_router_requests_total{{code="200",{put},router="web@docker",{service}}} 3"#),
        format!(r#"traefik_service_requests_total{{code="200",{put},{service}}} 3"#),
        format!(r#"traefik_service_request_duration_seconds_bucket{{code="200",{put},{service},le="+Inf"}} 3"#),
        format!(r#"traefik_service_server_up{{{service},url="{url}"}} 1"#),
        r#"seaway_provider_up{provider="docker"} 1"#.to_owned(),
        r#"seaway_provider_containers{provider="docker"} 1"#.to_owned(),
    ];
    let all = |response: &Response| {
        let text = response.text();
        series.iter().all(|series| text.lines().any(|line| line == series))
    };
    let page = eventually(traefik, "/metrics", "any", all).await;
    assert_eq!((page.status, page.field("content-type")), (200, Some("text/plain; version=0.0.4; charset=utf-8")));
    let text = page.text();
    assert!(text.contains(r#",le="0.01"} "#) && text.contains(r#",le="30"} "#), "the buckets that were asked for");
    assert!(!text.contains("@internal"), "scrapes are not counted");
    let value = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.and_then(|value| value.parse::<f64>().ok()).unwrap_or_else(|| panic!("no {name} in\n{text}"))
    };
    assert!(value("traefik_config_reloads_total") >= 1.0 && value("traefik_config_last_reload_success") > 1.7e9);
    assert!(value(r#"seaway_provider_snapshot_age_seconds{provider="docker"}"#) < 60.0);
    assert_eq!(value(r#"traefik_open_connections{entrypoint="traefik",protocol="TCP"}"#), 1.0, "this one");
    assert_eq!(ask(traefik, "POST", "/metrics", "any").await.status, 405);
}

#[tokio::test(flavor = "multi_thread")]
async fn there_are_no_metrics_unless_they_are_asked_for() {
    let mut off = Running::start(&["--entrypoints.traefik.address=127.0.0.1:0", "--api.insecure"], &[]);
    let address = off.address("traefik");
    assert_eq!(ask(address, "GET", "/api/version", "any").await.status, 200);
    assert_eq!(ask(address, "GET", "/metrics", "any").await.status, 404);
    let overview = ask(address, "GET", "/api/overview", "any").await.text();
    assert!(overview.contains(r#""metrics":"""#), "{overview}");
    let mut manual = Running::start(
        &["--entrypoints.traefik.address=127.0.0.1:0", "--api.insecure", "--metrics.prometheus.manualrouting"],
        &[],
    );
    let address = manual.address("traefik");
    assert_eq!(ask(address, "GET", "/metrics", "any").await.status, 404, "only through a router of the user's");
    let overview = ask(address, "GET", "/api/overview", "any").await.text();
    assert!(overview.contains(r#""metrics":"Prometheus""#), "{overview}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_users_own_router_may_lead_to_them() {
    let engine = FakeEngine::unix().await;
    let start = |flags: &[&str]| {
        let endpoint = format!("--providers.docker.endpoint={}", engine.endpoint());
        let common = ["--entrypoints.web.address=127.0.0.1:0", "--seaway.labels.allowinternal", &endpoint];
        Running::start(&[&common, flags].concat(), &[])
    };
    engine.run(
        Spec::new("ops")
            .label("traefik.http.routers.metrics.rule", "Host(`ops.test`)")
            .label("traefik.http.routers.metrics.service", "prometheus@internal")
            .at("net", Ipv4Addr::LOCALHOST)
            .port(9),
    );
    let mut on = start(&["--metrics.prometheus.manualrouting"]);
    let page = eventually(on.address("web"), "/anything", "ops.test", |response| response.status == 200).await;
    assert!(page.text().contains("traefik_config_reloads_total "), "{}", page.text());
    let mut off = start(&[]);
    let told = |response: &Response| response.text().contains("--metrics.prometheus switches them on");
    assert_eq!(eventually(off.address("web"), "/anything", "ops.test", told).await.status, 404);
}
