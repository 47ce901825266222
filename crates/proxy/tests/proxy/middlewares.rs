//! Middlewares in a real exchange: before the server, after it, and in its place.

use seaway_config::model::{AddPrefix, Headers, Middleware, RedirectScheme, StripPrefix};
use seaway_testkit::upstream::{Behaviour, Upstream};

use crate::harness::{Setup, add_router, get, name, post};

fn pairs(pairs: &[(&str, &str)]) -> std::collections::BTreeMap<String, String> {
    pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
}

#[tokio::test]
async fn the_request_is_rewritten_on_its_way_in_and_the_response_on_its_way_out() {
    let web = Upstream::start("web-1", Behaviour::echo()).await;
    let mut setup = Setup::web(&[&web]);
    setup.middleware(
        "strip",
        Middleware::StripPrefix(StripPrefix { prefixes: vec!["/api".to_owned()], force_slash: None }),
    );
    setup.middleware("add", Middleware::AddPrefix(AddPrefix { prefix: "/v2".to_owned() }));
    setup.middleware(
        "headers",
        Middleware::Headers(Headers {
            custom_request_headers: pairs(&[
                ("X-In", "1"),
                ("X-Gone", ""),
                ("Host", "inner.test"),
                ("X-Forwarded-For", ""),
            ]),
            custom_response_headers: pairs(&[("X-Out", "2"), ("X-Upstream", "")]),
            ..Headers::default()
        }),
    );
    let world = setup.start().await;
    let response = world.exchange("GET /api/x?q HTTP/1.1\r\nHost: a.test\r\nX-Gone: 1\r\n\r\n").await;
    let text = response.text();
    assert!(text.starts_with("GET /v2/x?q HTTP/1.1\r\nhost: inner.test\r\n"), "{text}");
    for line in ["x-in: 1\r\n", "x-forwarded-prefix: /api\r\n", "x-forwarded-host: a.test\r\n"] {
        assert!(text.contains(line), "{line:?} in {text}");
    }
    assert!(!text.contains("x-gone") && !text.contains("x-forwarded-for"), "{text}");
    assert_eq!((response.field("x-out"), response.field("x-upstream")), (Some("2"), None));
    let lines = world.finish(1).await;
    // The log has what the client asked for.
    assert_eq!((lines[0].text("RequestPath"), lines[0].text("RequestHost")), ("/api/x?q", "a.test"));
}

#[tokio::test]
async fn an_answer_keeps_the_rest_of_the_chain_out_and_passes_back_through_what_it_came_by() {
    let web = Upstream::start("web-1", Behaviour::echo()).await;
    let mut setup = Setup::web(&[&web]);
    let out =
        |n: &str| Middleware::Headers(Headers { custom_response_headers: pairs(&[(n, "1")]), ..Headers::default() });
    setup.middleware("outer", out("X-Outer"));
    setup.middleware(
        "https",
        Middleware::RedirectScheme(RedirectScheme { scheme: "https".to_owned(), ..RedirectScheme::default() }),
    );
    setup.middleware("inner", out("X-Inner"));
    let world = setup.start().await;
    let mut client = world.client().await;
    client.send(get("/x?y")).await.unwrap();
    let response = client.response().await.unwrap();
    assert_eq!((response.status, response.field("location")), (302, Some("https://a.test/x?y")));
    assert_eq!((response.field("x-outer"), response.field("x-inner")), (Some("1"), None));
    assert!(client.is_open().await, "without a body nothing is left over");
    client.send(post("/x", "body")).await.unwrap();
    assert_eq!(client.response().await.unwrap().field("connection"), Some("close"));
    assert!(web.log().connections.is_empty());
    let lines = world.finish(2).await;
    assert!(lines.iter().all(|l| l.text("RouterName") == "web@docker" && l.text("ServiceName").is_empty()));
}

#[tokio::test]
async fn a_rewrite_that_could_be_read_in_two_ways_is_refused() {
    let web = Upstream::start("web-1", Behaviour::echo()).await;
    let mut setup = Setup::web(&[&web]);
    setup.middleware(
        "strip",
        Middleware::StripPrefix(StripPrefix { prefixes: vec!["/api".to_owned()], force_slash: None }),
    );
    let world = setup.start().await;
    assert_eq!(world.get("/api../admin").await.status, 400);
    assert!(world.get("/api").await.text().starts_with("GET / HTTP/1.1\r\n"));
    world.finish(2).await;
}

#[tokio::test]
async fn a_router_that_is_off_keeps_its_requests_to_itself() {
    let web = Upstream::start("web-1", Behaviour::echo()).await;
    let mut setup = Setup::web(&[&web]);
    add_router(&mut setup.config, "guarded", "PathPrefix(`/admin`)", "web");
    let guarded = setup.config.routers.get_mut(&name("guarded")).unwrap();
    guarded.value.middlewares.push("missing".to_owned());
    let world = setup.start().await;
    let response = world.get("/admin/x").await;
    assert_eq!(response.status, 503);
    assert!(response.text().starts_with("Service Unavailable (SW"), "{}", response.text());
    assert_eq!(world.get("/other").await.status, 200);
    assert_eq!(web.log().requests.len(), 1);
    let lines = world.finish(2).await;
    assert_eq!((lines[0].error(), lines[0].text("RouterName")), ("quarantined", "guarded@docker"));
}

#[tokio::test]
async fn services_of_our_own_answer_and_a_panic_ends_one_connection() {
    let web = Upstream::start("web-1", Behaviour::echo()).await;
    let mut setup = Setup::web(&[&web]);
    add_router(&mut setup.config, "api", "PathPrefix(`/api`) || Path(`/panic`)", "api@internal");
    let world = setup.start().await;
    let mut other = world.client().await;
    other.send(get("/")).await.unwrap();
    assert_eq!(other.response().await.unwrap().status, 200);
    assert_eq!(world.get("/api/x?y").await.text(), "api GET /api/x Some(\"y\")");

    let mut client = world.client().await;
    client.send(get("/panic")).await.unwrap();
    assert!(client.response().await.is_err(), "no answer");

    // The worker, and everybody else on it, goes on.
    other.send(get("/")).await.unwrap();
    assert_eq!(other.response().await.unwrap().status, 200);
    assert_eq!(world.get("/").await.status, 200);
    drop(other);
    world.finish(5).await;
}

#[tokio::test]
async fn a_router_without_a_log_writes_none() {
    let web = Upstream::start("web-1", Behaviour::echo()).await;
    let mut setup = Setup::web(&[&web]);
    add_router(&mut setup.config, "quiet", "PathPrefix(`/quiet`)", "web");
    let quiet = setup.config.routers.get_mut(&name("quiet")).unwrap();
    quiet.value.observability =
        Some(seaway_config::model::RouterObservability { access_logs: Some(false), ..Default::default() });
    let world = setup.start().await;
    assert_eq!(world.get("/quiet").await.status, 200);
    let lines = world.finish_at_most(0, 0).await;
    assert!(lines.is_empty());
}
