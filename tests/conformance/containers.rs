//! From containers to routers and services: names, ports, addresses, health, and what several containers say of one object.

use std::net::Ipv4Addr;

use seaway_testkit::engine::{FakeEngine, Spec};
use seaway_testkit::upstream::{Behaviour, Upstream};
use serde_json::{Value, json};

use crate::program::Program;

/// At `http`, this object, the value at that pointer; nothing for one that is not there.
type Said = (&'static str, &'static str, Value);

const SECOND: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

fn said(port: u16) -> Vec<Said> {
    let at = |port: u16| json!(format!("http://127.0.0.1:{port}"));
    vec![
        // A name becomes a router and a service.
        ("routers/Test@docker", "/rule", json!("Host(`Test.t.test`)")),
        ("routers/Test@docker", "/service", json!("Test")),
        ("services/Test@docker", "/loadBalancer/servers/0/url", at(port)),
        ("routers/a-b-c@docker", "/rule", json!("Host(`a-b-c.t.test`)")),
        // Two containers of one compose service.
        ("services/web-shop@docker", "/loadBalancer/servers/0/url", at(port)),
        ("services/web-shop@docker", "/loadBalancer/servers/1/url", json!(format!("http://127.0.0.2:{port}"))),
        ("services/web-shop@docker", "/loadBalancer/servers/2/url", Value::Null),
        ("routers/web-shop@docker", "/rule", json!("Host(`web-shop.t.test`)")),
        ("routers/shared@docker", "/service", json!("web-shop")),
        // Ports: the lowest number of all, a label before that.
        ("services/ports@docker", "/loadBalancer/servers/0/url", at(9)),
        ("services/label@docker", "/loadBalancer/servers/0/url", at(port)),
        ("services/scheme@docker", "/loadBalancer/servers/0/url", json!(format!("https://127.0.0.1:{port}"))),
        ("services/url@docker", "/loadBalancer/servers/0/url", at(port)),
        ("services/noport@docker", "/loadBalancer/servers/0/url", Value::Null),
        // Addresses.
        ("services/two@docker", "/loadBalancer/servers/0/url", json!(format!("http://127.0.0.2:{port}"))),
        ("services/host@docker", "/loadBalancer/servers/0/url", at(port)),
        ("services/beside@docker", "/loadBalancer/servers/0/url", at(port)),
        // Not wanted, not running, not well.
        ("routers/disabled@docker", "/rule", Value::Null),
        ("routers/run@docker", "/rule", Value::Null),
        ("routers/exited@docker", "/rule", Value::Null),
        ("routers/kept@docker", "/rule", json!("Host(`kept.t.test`)")),
        ("services/kept@docker", "/loadBalancer/servers/0/url", Value::Null),
        // One name, two owners: who held it first keeps it.
        ("routers/claimed@docker", "/rule", json!("Host(`first.t.test`)")),
        ("routers/alike@docker", "/rule", json!("Host(`alike.t.test`)")),
        // Without HTTP.
        ("routers/onlyhttp@docker", "/rule", json!("Host(`onlyhttp.t.test`)")),
        ("routers/other-service@docker", "/service", json!("url@docker")),
    ]
}

fn answers() -> Vec<(&'static str, u16)> {
    vec![
        ("test.t.test", 200),
        ("a-b-c.t.test", 200),
        ("web-shop.t.test", 200),
        ("shared.t.test", 200),
        ("label.t.test", 200),
        ("url.t.test", 200),
        ("noport.t.test", 404),
        ("host.t.test", 200),
        ("beside.t.test", 200),
        ("disabled.t.test", 404),
        ("run.t.test", 404),
        ("exited.t.test", 404),
        ("kept.t.test", 503),
        ("first.t.test", 200),
        ("newcomer.t.test", 404),
        ("alike.t.test", 200),
        ("other-service.t.test", 200),
    ]
}

fn containers(engine: &FakeEngine, port: u16) {
    let one = |name: &str| Spec::new(name).at("net", Ipv4Addr::LOCALHOST).port(port);
    let service = |name: &str, option: &str| format!("traefik.http.services.{name}.loadbalancer.server.{option}");
    let text = port.to_string();
    engine.run(one("Test"));
    engine.run(one("a_b.c"));
    for (number, address) in [(1, Ipv4Addr::LOCALHOST), (2, SECOND)] {
        let name = format!("shop-web-{number}");
        engine.run(Spec::new(&name).at("net", address).port(port).compose("shop", "web", number));
    }
    let third = Spec::new("shop-web-3").at("net", SECOND).port(port).compose("shop", "web", 3);
    engine.run(third.label("traefik.http.routers.shared.rule", "Host(`shared.t.test`)"));
    engine.run(one("ports").port(10000).port(9));
    engine.run(Spec::new("label").at("net", Ipv4Addr::LOCALHOST).port(1).label(&service("label", "port"), &text));
    engine.run(one("scheme").label(&service("scheme", "scheme"), "https"));
    engine.run(Spec::new("url").label(&service("url", "url"), &format!("http://127.0.0.1:{port}")));
    engine.run(Spec::new("noport").at("net", Ipv4Addr::LOCALHOST));
    let two = one("two").at("second", SECOND);
    engine.run(two.label("traefik.docker.network", "second"));
    engine.run(Spec::new("host").network_mode("host").port(port));
    let carrier = engine.run(one("carrier"));
    engine.run(Spec::new("beside").network_mode(&format!("container:{carrier}")).port(port));
    engine.run(one("disabled").label("traefik.enable", "false"));
    engine.run(one("run").label("com.docker.compose.oneoff", "True"));
    engine.run(one("exited"));
    engine.stop("exited");
    engine.run(one("kept").label("traefik.docker.allownonrunning", "true"));
    engine.stop("kept");
    for (name, host) in [("claims-a", "first"), ("claims-b", "newcomer")] {
        engine.run(one(name).label("traefik.http.routers.claimed.rule", &format!("Host(`{host}.t.test`)")));
    }
    for name in ["alike-a", "alike-b"] {
        let spec = one(name).label("traefik.http.routers.alike.rule", "Host(`alike.t.test`)");
        engine.run(spec.label("traefik.http.routers.alike.service", "Test"));
    }
    engine.run(one("onlyhttp").label("traefik.http.middlewares.onlyhttp.addprefix.prefix", "/x"));
    engine.run(one("other-service").label("traefik.http.routers.other-service.service", "url@docker"));
}

#[tokio::test(flavor = "multi_thread")]
async fn containers_become_what_the_reference_says() {
    let engine = FakeEngine::unix().await;
    let echo = Upstream::start("echo", Behaviour::echo()).await;
    containers(&engine, echo.address().port());
    let endpoint = format!("--providers.docker.endpoint={}", engine.endpoint());
    let rule = "--providers.docker.defaultrule=Host(`{{ normalize .Name }}.t.test`)";
    let flags = ["--providers.docker=true", &endpoint, rule, "--seaway.hold.timeout=0s"];
    let program = Program::start(&flags, &[]);
    program.until_status("test.t.test", "/", 200).await;
    let mut wrong = Vec::new();
    for (host, status) in answers() {
        let response = program.get(host, "/").await;
        if response.status != status {
            wrong.push(format!("{host}: {}, not {status}: {}", response.status, response.text()));
        }
    }
    for (object, pointer, want) in said(echo.address().port()) {
        let said = program.api(&format!("/api/http/{object}")).await;
        let found = said.pointer(pointer).cloned().unwrap_or_default();
        if found != want {
            wrong.push(format!("{object}{pointer}: {found}, not {want}: {said}"));
        }
    }
    assert!(wrong.is_empty(), "{}\n{:#?}", wrong.join("\n"), program.api("/api/seaway/diagnostics").await);
}
