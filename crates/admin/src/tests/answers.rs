//! What came after Traefik's shapes: its refusals to the byte, services of Seaway's own, explanations, secrets.

use super::*;

fn answer_as(
    table: &RoutingTable,
    options: &statics::StaticOptions,
    method: &Method,
    target: &str,
) -> Response<Vec<u8>> {
    let view = View {
        table,
        entry_points: &[],
        providers: &[],
        version: "0.1.0",
        started: "2026-03-01T12:00:00Z",
        metrics: false,
        access_log: false,
        terminating: false,
        now: Millis(1000),
        unrouted: &[],
        internal: &["api", "noop"],
        options,
    };
    let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
    Api::default().handle(&view, method, path, query)
}

/// Statuses, types and bodies as Traefik 3.7 gives them.
#[test]
fn refusals_look_like_traefiks() {
    let table = good();
    let plain = "text/plain; charset=utf-8";
    for (method, target, status, kind, body) in [
        ("GET", "/api/http/routers/x@file", 404, plain, "{\"message\":\"router not found: x@file\"}\n"),
        ("GET", "/api/tcp/routers/x@file", 404, plain, "{\"message\":\"router not found: x@file\"}\n"),
        ("GET", "/api/tcp/middlewares/x@file", 404, plain, "{\"message\":\"middleware not found: x@file\"}\n"),
        ("GET", "/api/udp/services/x@file", 404, plain, "{\"message\":\"service not found: x@file\"}\n"),
        ("GET", "/api/udp/middlewares", 404, plain, "404 page not found\n"),
        ("GET", "/api/certificates/x", 404, plain, "{\"message\":\"certificate not found: x\"}\n"),
        ("GET", "/api/entrypoints/x", 404, plain, "{\"message\":\"entry point not found: x\"}\n"),
        ("GET", "/api/http/routers?page=0", 400, plain, "{\"message\":\"invalid request: page: 0\"}\n"),
        ("GET", "/api/http/routers?page=-3", 400, plain, "{\"message\":\"invalid request: page: -3\"}\n"),
        ("GET", "/api/http/routers?per_page=abc", 400, plain, "{\"message\":\"invalid request: per_page: 0\"}\n"),
        (
            "GET",
            "/api/http/routers?page=99",
            400,
            plain,
            "{\"message\":\"invalid request: page: 99, per_page: 100\"}\n",
        ),
        ("GET", "/api/http/routers/", 404, plain, "404 page not found\n"),
        ("GET", "/api/http", 404, plain, "404 page not found\n"),
        ("GET", "/api/rawdata/", 404, plain, "404 page not found\n"),
        ("POST", "/api/rawdata", 405, "", ""),
        ("OPTIONS", "/api/version", 405, "", ""),
    ] {
        let response = answer_as(&table, &OPTIONS, &method.parse().unwrap(), target);
        let found = response.headers().get("content-type").map_or("", |value| value.to_str().unwrap());
        let body_found = std::str::from_utf8(response.body()).unwrap();
        assert_eq!((response.status().as_u16(), found, body_found), (status, kind, body), "{method} {target}");
    }
}

#[test]
fn certificates_are_an_empty_list() {
    let response = answer_as(&good(), &OPTIONS, &Method::GET, "/api/certificates");
    assert_eq!((response.body().as_slice(), &response.headers()["x-next-page"]), (&b"[]\n"[..], &"1".parse().unwrap()));
}

#[test]
fn services_of_seaways_own_are_listed_with_those_who_use_them() {
    let mut config = config();
    let own = Router { rule: "PathPrefix(`/api`)".to_owned(), service: "api@internal".to_owned(), ..Router::default() };
    config.routers.insert(Name::new("api", "internal"), Declared::new(own, Origin::resource("internal", "api")));
    let table = table(config, &StateRegistry::new(1));
    let ask = |target: &str| -> Value {
        serde_json::from_slice(answer_as(&table, &OPTIONS, &Method::GET, target).body()).unwrap()
    };
    let api = json!({"status": "enabled", "usedBy": ["api@internal"], "name": "api@internal", "provider": "internal"});
    assert_eq!(ask("/api/http/services/api@internal"), api);
    let names: Vec<Value> =
        ask("/api/http/services").as_array().unwrap().iter().map(|service| service["name"].clone()).collect();
    assert_eq!(names, ["api@internal", "noop@internal", "web@docker"]);
    assert_eq!(ask("/api/rawdata")["services"]["noop@internal"], json!({"status": "enabled"}));
    assert_eq!(ask("/api/http/routers/api@internal")["ruleSyntax"], "default");
    assert_eq!(ask("/api/overview")["http"]["services"]["total"], 3);
}

#[test]
fn a_chain_names_its_members_in_full() {
    let mut config = config();
    let chain = Middleware::Chain(Chain { middlewares: vec!["v1".to_owned(), "x@file".to_owned()] });
    config.middlewares.insert(name("both"), Declared::new(chain, label("middlewares.both.chain.middlewares")));
    let shown = get(&table(config, &StateRegistry::new(1)), "/api/http/middlewares/both@docker");
    assert_eq!(shown["chain"]["middlewares"], json!(["v1@docker", "x@file"]));
}

#[test]
fn a_cookie_without_a_name_shows_the_one_it_is_given() {
    let mut config = config();
    let mut service = service(vec![server(2)]);
    service.options.load_balancer.as_mut().unwrap().sticky = Some(Sticky { cookie: Some(StickyCookie::default()) });
    config.services.insert(name("web"), Declared::new(service, label("services.web")));
    let shown = get(&table(config, &StateRegistry::new(1)), "/api/http/services/web@docker");
    let cookie = shown["loadBalancer"]["sticky"]["cookie"]["name"].as_str().unwrap();
    assert!(cookie.len() == 6 && cookie.starts_with('_'), "{cookie}");
}

#[test]
fn a_support_dump_is_an_archive_without_addresses() {
    let options = statics::StaticOptions {
        entry_points: [(
            "web".to_owned(),
            statics::EntryPointOptions { address: ":4711".to_owned(), ..Default::default() },
        )]
        .into(),
        ..Default::default()
    };
    let response = answer_as(&good(), &options, &Method::GET, "/api/support-dump");
    assert_eq!(response.headers()["content-type"], "application/gzip");
    assert_eq!(response.headers()["content-disposition"], "attachment; filename=support-dump.tar.gz");
    // What is stored and not compressed can be read as it is.
    let text = String::from_utf8_lossy(response.body());
    for part in ["version.json", "static-config.json", "runtime-config.json", "\"rule\":\"Host(`a.b`)\"", "xxxx"] {
        assert!(text.contains(part), "{part}");
    }
    assert!(!text.contains("4711"), "where it listens stays at home");
}

fn explained(table: &RoutingTable, query: &str) -> Response<Vec<u8>> {
    answer(table, &format!("/api/seaway/explain?{query}"))
}

#[test]
fn a_request_is_explained_down_to_its_line_in_the_log() {
    let told: Value = serde_json::from_slice(explained(&good(), "url=http://a.b/x%3Fy=1&method=POST").body()).unwrap();
    assert_eq!(told["entryPoint"], "web");
    assert_eq!(told["entryPointWhy"], "it listens on port 80");
    assert_eq!(told["routers"][0]["verdict"], "takes");
    assert_eq!(told["middlewares"][0]["effect"], "path /x?y=1 → /v1/x?y=1");
    assert_eq!(told["service"]["servers"][0]["state"], "ready");
    assert_eq!(told["service"]["choice"]["why"], "it is the only one that is ready");
    assert_eq!(told["outcome"]["text"], "web-2 at http://172.17.0.2:80 answers");
    assert_eq!(told["log"], "- POST a.b/x?y=1 → web-2 172.17.0.2:80 router=web@docker lb=wrr sticky=none");
}

#[test]
fn what_nobody_takes_is_explained_too() {
    let told: Value = serde_json::from_slice(explained(&good(), "url=http://a.c:8080/").body()).unwrap();
    assert_eq!((&told["outcome"]["status"], &told["router"]), (&json!(404), &Value::Null));
    assert_eq!(told["nearMisses"][0]["text"], "its host is a.b, the request's is a.c");
    assert_eq!(told["log"], "404 GET a.c:8080/ → - error=no_route");
    assert!(told["entryPointWhy"].as_str().unwrap().starts_with("none listens on port 8080"));
    let refused: Value = serde_json::from_slice(explained(&good(), "url=http://a.b/%2500").body()).unwrap();
    assert_eq!(refused["outcome"]["status"], 400);
}

#[test]
fn questions_that_are_none_are_refused() {
    for (query, part) in [
        ("", "which url?"),
        ("url=ftp://a.b/", "only http and https"),
        ("url=http://a%20b/", "is no URL"),
        ("url=a.b&method=G%20T", "is no method"),
        ("url=a.b&header=X", "is no header such as"),
        ("url=a.b&header=X:a%0Ab", "is no header's value"),
        ("url=a.b&from=me", "is no address"),
        ("url=a.b&entryPoint=x", "there is no entry point"),
    ] {
        let response = explained(&good(), query);
        let text = String::from_utf8_lossy(response.body()).into_owned();
        assert_eq!(response.status(), 400, "{query}");
        assert!(text.contains(part), "{query}: {text}");
    }
}

#[test]
fn hosts_that_nobody_takes_are_told() {
    let at = |second| std::time::UNIX_EPOCH + std::time::Duration::from_secs(second);
    let host = UnroutedHost {
        host: "x.y".to_owned(),
        entry_point: "web".to_owned(),
        reason: "unknown_host",
        count: 2,
        path: "/".to_owned(),
        first: at(951_782_399),
        last: at(1_709_210_096),
    };
    let table = good();
    let view = View {
        table: &table,
        entry_points: &[],
        providers: &[],
        version: "",
        started: "",
        now: Millis(1000),
        unrouted: &[host],
        internal: &[],
        options: &OPTIONS,
        metrics: false,
        access_log: false,
        terminating: false,
    };
    let response = Api::default().handle(&view, &Method::GET, "/api/seaway/unrouted", None);
    assert_eq!(
        serde_json::from_slice::<Value>(response.body()).unwrap(),
        json!([{"host": "x.y", "entryPoint": "web", "reason": "unknown_host", "count": 2, "path": "/",
                "first": "2000-02-28T23:59:59Z", "last": "2024-02-29T12:34:56Z"}])
    );
}

#[test]
fn services_before_services_have_their_kind() {
    use seaway_config::model::{Failover, HighestRandomWeight, Mirroring, Weighted, WeightedMember};
    let mut config = config();
    let member = || vec![WeightedMember { name: "web".to_owned(), weight: 2 }];
    let cookie = Some(Sticky { cookie: Some(StickyCookie { name: "c".to_owned(), ..StickyCookie::default() }) });
    let weighted = Weighted { services: member(), sticky: cookie, ..Weighted::default() };
    let mirroring = Mirroring { service: "web".to_owned(), ..Mirroring::default() };
    let failover = Failover { service: "web".to_owned(), fallback: "web".to_owned(), ..Failover::default() };
    let hrw = HighestRandomWeight { services: member(), ..HighestRandomWeight::default() };
    let none = ServiceOptions::default;
    for (local, options) in [
        ("weighted", ServiceOptions { weighted: Some(weighted), ..none() }),
        ("mirroring", ServiceOptions { mirroring: Some(mirroring), ..none() }),
        ("failover", ServiceOptions { failover: Some(failover), ..none() }),
        ("highestrandomweight", ServiceOptions { highest_random_weight: Some(hrw), ..none() }),
    ] {
        let service = Service { options, servers: Vec::new() };
        config.services.insert(name(local), Declared::new(service, label("services.x")));
    }
    let table = table(config, &StateRegistry::new(1));
    for kind in ["weighted", "mirroring", "failover", "highestrandomweight"] {
        let shown = get(&table, &format!("/api/http/services/{kind}@docker"));
        assert_eq!((&shown["type"], &shown["status"]), (&json!(kind), &json!("enabled")), "{shown}");
    }
    let weighted = get(&table, "/api/http/services/weighted@docker");
    assert_eq!(
        weighted["weighted"],
        json!({"services": [{"name": "web", "weight": 2}], "sticky": {"cookie": {"name": "c", "path": "/"}}})
    );
    let mirroring = get(&table, "/api/http/services/mirroring@docker");
    assert_eq!(
        (&mirroring["mirroring"]["mirrorBody"], &mirroring["mirroring"]["maxBodySize"]),
        (&json!(true), &json!(-1))
    );
}

#[test]
fn secrets_are_hidden_unless_somebody_asks_for_them() {
    use seaway_config::model::BasicAuth;
    let mut config = config();
    let auth = BasicAuth { users: vec![seaway_config::Secret::new("ada:$apr1$x$y")], ..BasicAuth::default() };
    config.middlewares.insert(name("auth"), Declared::new(Middleware::BasicAuth(auth), label("middlewares.auth")));
    let table = table(config, &StateRegistry::new(1));
    let mut shows = statics::StaticOptions::default();
    shows.seaway.api.show_secrets = true;
    for target in ["/api/http/middlewares/auth@docker", "/api/http/middlewares", "/api/rawdata"] {
        for (options, shown) in [(&*OPTIONS, false), (&shows, true)] {
            let response = answer_as(&table, options, &Method::GET, target);
            assert_eq!(response.status(), 200, "{target}");
            let text = String::from_utf8_lossy(response.body());
            assert_eq!((text.contains("$apr1$"), text.contains("xxxx")), (shown, !shown), "{target}: {text}");
        }
    }
    let dump = answer_as(&table, &shows, &Method::GET, "/api/support-dump");
    assert!(!String::from_utf8_lossy(dump.body()).contains("$apr1$"));
}
