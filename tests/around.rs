//! Middlewares that ask, wait or surround, from their labels: the whole program in front of a fake engine.

use std::net::Ipv4Addr;

use seaway_testkit::engine::{FakeEngine, Spec};
use seaway_testkit::raw::{RawClient, Response};
use seaway_testkit::upstream::{Behaviour, Upstream};

use super::program::Program;

/// A router for each, for the host `<name>.test`, in front of an application that always answers 500 and 2000 bytes.
fn routers(auth: &Upstream) -> Vec<(&'static str, Vec<String>)> {
    let text = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>();
    vec![
        ("plain", text(&[])),
        (
            "auth",
            vec![
                format!("forwardauth.address={}/verify", auth.url()),
                "forwardauth.authResponseHeaders=X-User,X-Groups".to_owned(),
                "forwardauth.trustForwardHeader=true".to_owned(),
            ],
        ),
        ("tls", text(&["forwardauth.address=https://auth.test/verify", "forwardauth.tls.ca=/nowhere/ca.pem"])),
        ("compress", text(&["compress=true"])),
        ("errors", text(&["errors.status=500-599", "errors.service=pages", "errors.query=/{status}.html"])),
        ("nopages", text(&["errors.status=500-599", "errors.service=nobody"])),
        ("retry", text(&["retry.attempts=3", "retry.status=500", "retry.initialinterval=1ms"])),
        ("breaker", text(&["circuitbreaker.expression=ResponseCodeRatio(500, 600, 0, 600) > 0.1"])),
        ("nobreaker", text(&["circuitbreaker.expression=ResponseCodeRatio(500) > 0.1"])),
        ("buffering", text(&["buffering.maxrequestbodybytes=4", "buffering.maxresponsebodybytes=100"])),
    ]
}

async fn ask(program: &Program, name: &str, rest: &str) -> Response {
    let mut client = RawClient::connect(program.web).await.unwrap();
    let (method, rest) =
        if rest.contains("\r\n\r\n") { ("POST", rest.to_owned()) } else { ("GET", format!("{rest}\r\n")) };
    client.send(format!("{method} /x HTTP/1.1\r\nHost: {name}.test\r\nConnection: close\r\n{rest}")).await.unwrap();
    client.response().await.unwrap()
}

#[tokio::test]
async fn each_does_what_its_labels_say() {
    let engine = FakeEngine::unix().await;
    let app = Upstream::start("app", Behaviour::answer(500, &"x".repeat(2000))).await;
    let pages = Upstream::start("pages", Behaviour::echo()).await;
    let auth =
        Upstream::start("auth", Behaviour::writes("HTTP/1.1 200 OK\r\nX-User: anna\r\nContent-Length: 0\r\n\r\n"))
            .await;
    let mut spec = Spec::new("app").at("net", Ipv4Addr::LOCALHOST).port(app.address().port());
    for (name, options) in routers(&auth) {
        spec = spec.label(&format!("traefik.http.routers.{name}.rule"), &format!("Host(`{name}.test`)"));
        for option in &options {
            let (key, value) = option.split_once('=').unwrap();
            spec = spec.label(&format!("traefik.http.middlewares.{name}.{key}"), value);
        }
        if !options.is_empty() {
            spec = spec.label(&format!("traefik.http.routers.{name}.middlewares"), name);
        }
    }
    let own = Spec::new("pages").at("net", Ipv4Addr::LOCALHOST).port(pages.address().port());
    engine.run(own.label("traefik.http.routers.pages.rule", "Host(`pages.test`)"));
    engine.run(spec);
    let endpoint = format!("--providers.docker.endpoint={}", engine.endpoint());
    let program = Program::start(&["--providers.docker=true", &endpoint], &[]);
    program.until_status("pages.test", "/", 200).await;
    program.until_status("plain.test", "/", 500).await;

    let response = ask(&program, "auth", "X-User: forged\r\n").await;
    assert_eq!(response.status, 500, "the application's");
    assert_eq!(auth.log().requests.last().unwrap().all("x-forwarded-uri"), ["/x"]);
    assert_eq!(app.log().requests.last().unwrap().all("x-user"), ["anna"]);
    auth.set(Behaviour::answer(403, "not you"));
    let response = ask(&program, "auth", "").await;
    assert_eq!((response.status, response.text().as_str()), (403, "not you"));

    let response = ask(&program, "compress", "Accept-Encoding: zstd, br;q=0.1\r\n").await;
    assert_eq!((response.status, response.field("content-encoding")), (500, Some("zstd")));
    assert!(response.body.len() < 100);
    assert_eq!(ask(&program, "compress", "").await.body.len(), 2000);

    let response = ask(&program, "errors", "").await;
    assert_eq!((response.status, response.field("x-upstream")), (500, Some("pages")));
    assert!(response.text().starts_with("GET /500.html HTTP/1.1\r\n"), "{}", response.text());

    let before = app.log().requests.len();
    assert_eq!(ask(&program, "retry", "").await.status, 500);
    assert_eq!(app.log().requests.len(), before + 3);

    assert_eq!(ask(&program, "breaker", "").await.status, 500);
    // It is looked at ten times a second.
    program.until_status("breaker.test", "/", 503).await;

    assert_eq!(ask(&program, "buffering", "Content-Length: 5\r\n\r\nhello").await.status, 413);
    assert_eq!(ask(&program, "buffering", "Content-Length: 4\r\n\r\nhell").await.text(), "Internal Server Error");

    // What cannot work is off, and nothing passes it.
    let before = app.log().requests.len();
    for name in ["tls", "nopages", "nobreaker"] {
        let response = ask(&program, name, "").await;
        assert_eq!(response.status, 503, "{name}");
        assert!(response.text().starts_with("Service Unavailable (SW"), "{name}: {}", response.text());
    }
    assert_eq!(app.log().requests.len(), before);
}
