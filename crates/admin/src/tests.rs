//! Whole answers about a small table that was compiled from a configuration.

use std::sync::Arc;

use seaway_config::diagnostic::{Code, Origin};
use seaway_config::model::{
    AddPrefix, Address, Chain, Condition, Config, Declared, Identity, LoadBalancer, Middleware, Name, Router, Server,
    Service, ServiceOptions, Sticky, StickyCookie,
};
use seaway_config::{Diagnostic, statics};
use seaway_routing::compile::{CompileOptions, EntryPointInfo, compile};
use seaway_routing::state::Notice;
use seaway_routing::{Millis, StateRegistry};
use serde_json::{Value, json};

use super::*;

static OPTIONS: std::sync::LazyLock<statics::StaticOptions> = std::sync::LazyLock::new(statics::StaticOptions::default);

fn name(local: &str) -> Name {
    Name::new(local, "docker")
}

fn label(key: &str) -> Origin {
    Origin::resource("docker", "web-1").at(&format!("traefik.http.{key}"))
}

fn server(number: u8) -> Server {
    let address = format!("172.17.0.{number}:80");
    Server {
        identity: Identity { container: format!("c{number}").into(), network: "n".into(), address: (*address).into() },
        name: format!("web-{number}").into(),
        url: format!("http://{address}").into(),
        address: Address::Ip(address.parse().unwrap()),
        weight: 1,
        base_path: "".into(),
        condition: Condition { assume_ready: true, ..Condition::default() },
        origin: Origin::resource("docker", &format!("web-{number}")),
    }
}

fn service(servers: Vec<Server>) -> Service {
    let options = ServiceOptions { load_balancer: Some(LoadBalancer::default()), ..ServiceOptions::default() };
    Service { options, servers }
}

fn router(rule: &str, service: &str, middlewares: &[&str]) -> Router {
    Router {
        rule: rule.to_owned(),
        service: service.to_owned(),
        middlewares: middlewares.iter().map(|m| (*m).to_owned()).collect(),
        ..Router::default()
    }
}

/// One good router, service and middleware.
fn config() -> Config {
    let mut config = Config::default();
    config.routers.insert(name("web"), Declared::new(router("Host(`a.b`)", "web", &["v1"]), label("routers.web.rule")));
    config
        .services
        .insert(name("web"), Declared::new(service(vec![server(2)]), label("services.web.loadbalancer.server.port")));
    config.middlewares.insert(
        name("v1"),
        Declared::new(
            Middleware::AddPrefix(AddPrefix { prefix: "/v1".to_owned() }),
            label("middlewares.v1.addprefix.prefix"),
        ),
    );
    config
}

fn table(config: Config, registry: &StateRegistry) -> RoutingTable {
    let options = CompileOptions {
        entry_points: vec![EntryPointInfo { name: "web".into(), default: true }],
        ..CompileOptions::default()
    };
    compile(Arc::new(config), registry, None, &options, Millis(0))
}

fn answer(table: &RoutingTable, target: &str) -> Response<Vec<u8>> {
    let options = statics::EntryPointOptions { address: ":80".to_owned(), ..Default::default() };
    let view = View {
        table,
        entry_points: &[EntryPoint { name: "web", options: &options }],
        providers: &[Provider { name: "Docker", stale_since: Some("2026-03-01T12:04:11Z") }],
        version: "0.1.0",
        started: "2026-03-01T12:00:00Z",
        metrics: true,
        access_log: true,
        terminating: false,
        now: Millis(1000),
        unrouted: &[],
        internal: &[],
        options: &OPTIONS,
    };
    let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
    Api::default().handle(&view, &Method::GET, path, query)
}

fn get(table: &RoutingTable, target: &str) -> Value {
    let response = answer(table, target);
    assert_eq!(response.status(), 200, "{target}");
    assert_eq!(response.headers()["content-type"], "application/json");
    serde_json::from_slice(response.body()).unwrap()
}

fn good() -> RoutingTable {
    table(config(), &StateRegistry::new(1))
}

fn bare_router() -> Value {
    json!({
        "entryPoints": ["web"], "middlewares": ["v1@docker"], "service": "web", "rule": "Host(`a.b`)", "priority": 11,
        "observability": {"accessLogs": true, "metrics": true, "tracing": true, "traceVerbosity": "minimal"},
        "status": "enabled", "using": ["web"],
    })
}

fn bare_service() -> Value {
    json!({
        "loadBalancer": {
            "servers": [{"url": "http://172.17.0.2:80"}], "strategy": "wrr", "passHostHeader": true,
            "responseForwarding": {"flushInterval": "100ms"},
        },
        "status": "enabled", "usedBy": ["web@docker"], "serverStatus": {"http://172.17.0.2:80": "UP"},
        "seaway": {"servers": [
            {"name": "web-2", "container": "c2", "url": "http://172.17.0.2:80", "state": "ready", "inFlight": 0},
        ]},
    })
}

fn bare_middleware() -> Value {
    json!({"addPrefix": {"prefix": "/v1"}, "status": "enabled", "usedBy": ["web@docker"]})
}

fn with(mut object: Value, more: Value) -> Value {
    object.as_object_mut().unwrap().append(&mut more.as_object().unwrap().clone());
    object
}

#[test]
fn a_router() {
    let want = with(bare_router(), json!({"priorityStr": "11", "name": "web@docker", "provider": "docker"}));
    assert_eq!(get(&good(), "/api/http/routers/web@docker"), want);
    assert_eq!(get(&good(), "/api/http/routers/web%40docker"), want);
    assert_eq!(get(&good(), "/api/http/routers"), json!([want]));
}

#[test]
fn a_service() {
    let want = with(bare_service(), json!({"name": "web@docker", "provider": "docker", "type": "loadbalancer"}));
    assert_eq!(get(&good(), "/api/http/services/web@docker"), want);
    assert_eq!(get(&good(), "/api/http/services?search=WEB"), json!([want]));
}

#[test]
fn a_middleware() {
    let want = with(bare_middleware(), json!({"name": "v1@docker", "provider": "docker", "type": "addprefix"}));
    assert_eq!(get(&good(), "/api/http/middlewares/v1@docker"), want);
    assert_eq!(get(&good(), "/api/http/middlewares"), json!([want]));
}

#[test]
fn raw_data() {
    assert_eq!(
        get(&good(), "/api/rawdata"),
        json!({
            "routers": {"web@docker": bare_router()},
            "middlewares": {"v1@docker": bare_middleware()},
            "services": {"web@docker": bare_service()},
        })
    );
    assert_eq!(get(&RoutingTable::default(), "/api/rawdata"), json!({}));
}

#[test]
fn overview() {
    let one = json!({"total": 1, "warnings": 0, "errors": 0});
    let none = json!({"total": 0, "warnings": 0, "errors": 0});
    assert_eq!(
        get(&good(), "/api/overview"),
        json!({
            "http": {"routers": one, "services": one, "middlewares": one},
            "tcp": {"routers": none, "services": none, "middlewares": none},
            "udp": {"routers": none, "services": none},
            "certificates": none,
            "features": {"tracing": "", "metrics": "Prometheus", "accessLog": true},
            "providers": ["Docker"],
            "seaway": {
                "generation": 1, "terminating": false, "diagnostics": 0,
                "providers": [{"name": "Docker", "staleSince": "2026-03-01T12:04:11Z"}],
            },
        })
    );
}

#[test]
fn version() {
    assert_eq!(
        get(&good(), "/api/version"),
        json!({"Version": "0.1.0", "Codename": "seaway", "startDate": "2026-03-01T12:00:00Z"})
    );
}

#[test]
fn entry_points() {
    let table = good();
    let web = get(&table, "/api/entrypoints/web");
    assert_eq!((&web["name"], &web["address"]), (&json!("web"), &json!(":80")));
    assert_eq!(web["transport"]["respondingTimeouts"]["idleTimeout"], "3m0s");
    assert_eq!(get(&table, "/api/entrypoints"), json!([web]));
    assert_eq!(answer(&table, "/api/entrypoints/other").status(), 404);
}

#[test]
fn servers_are_listed_with_their_state_ready_or_not() {
    let mut config = config();
    let mut servers = vec![server(2), server(3), server(4)];
    servers[2].weight = 5;
    config.services.insert(name("web"), Declared::new(service(servers), label("services.web")));
    let registry = StateRegistry::new(1);
    let table = table(config, &registry);
    registry.notify("c3", Notice::Terminating, Millis(1));
    table.services[0].servers[0].state.enter(0);
    let service = get(&table, "/api/http/services/web@docker");
    assert_eq!(
        service["serverStatus"],
        json!({"http://172.17.0.2:80": "UP", "http://172.17.0.3:80": "DOWN", "http://172.17.0.4:80": "UP"})
    );
    assert_eq!(service["loadBalancer"]["servers"][2], json!({"url": "http://172.17.0.4:80", "weight": 5}));
    let states: Vec<_> =
        service["seaway"]["servers"].as_array().unwrap().iter().map(|s| (&s["state"], &s["inFlight"])).collect();
    assert_eq!(
        states,
        [(&json!("ready"), &json!(1)), (&json!("terminating"), &json!(0)), (&json!("ready"), &json!(0))]
    );
}

#[test]
fn a_sticky_cookie_shows_its_default_path() {
    let mut config = config();
    let mut service = service(vec![server(2)]);
    let cookie = StickyCookie { name: "s".to_owned(), secure: true, ..StickyCookie::default() };
    service.options.load_balancer.as_mut().unwrap().sticky = Some(Sticky { cookie: Some(cookie) });
    config.services.insert(name("web"), Declared::new(service, label("services.web")));
    let shown = get(&table(config, &StateRegistry::new(1)), "/api/http/services/web@docker");
    assert_eq!(shown["loadBalancer"]["sticky"], json!({"cookie": {"name": "s", "secure": true, "path": "/"}}));
}

#[test]
fn what_is_wrong_stands_with_the_object_and_with_all() {
    let mut config = config();
    let broken =
        Diagnostic::error(Code::MiddlewareTypeCount, label("middlewares.bad"), "two types", "its routers answer 503");
    let mut middleware = Declared::new(Middleware::Broken {}, label("middlewares.bad"));
    middleware.quarantine = Some(broken);
    config.middlewares.insert(name("bad"), middleware);
    let chain = Middleware::Chain(Chain { middlewares: vec!["bad".to_owned()] });
    config.middlewares.insert(name("chain"), Declared::new(chain, label("middlewares.chain.chain.middlewares")));
    config
        .routers
        .insert(name("off"), Declared::new(router("Host(`c.d`)", "web", &["chain"]), label("routers.off.rule")));
    let table = table(config, &StateRegistry::new(1));

    let router = get(&table, "/api/http/routers/off@docker");
    assert_eq!(router["status"], "disabled");
    assert!(!router["error"].as_array().unwrap().is_empty());
    assert_eq!(router["using"], json!(["web"]), "it keeps its place and answers 503");
    assert!(router["diagnostics"][0]["code"].as_str().unwrap().starts_with("SW02"));

    let bad = get(&table, "/api/http/middlewares/bad@docker");
    assert_eq!((&bad["status"], &bad["error"]), (&json!("disabled"), &json!(["two types"])));
    assert_eq!(bad.get("type"), None);
    assert_eq!(get(&table, "/api/http/middlewares/chain@docker")["status"], "disabled");
    assert_eq!(get(&table, "/api/http/middlewares/v1@docker")["status"], "enabled");

    let all = get(&table, "/api/seaway/diagnostics");
    assert_eq!(all.as_array().unwrap().len(), table.diagnostics.len());
    assert!(all.as_array().unwrap().iter().any(|found| found["code"] == "SW0402"
        && found["origin"]
            == json!({"provider": "docker", "resource": "web-1", "key": "traefik.http.middlewares.bad"})));
    assert_eq!(get(&table, "/api/rawdata")["diagnostics"], all);
    let counts = &get(&table, "/api/overview")["http"];
    assert_eq!(counts["routers"], json!({"total": 2, "warnings": 0, "errors": 1}));
    assert_eq!(counts["middlewares"], json!({"total": 3, "warnings": 0, "errors": 2}));
}

#[test]
fn a_quarantined_service_is_disabled_and_says_why() {
    let mut config = config();
    let fault = Diagnostic::error(Code::ServiceQuarantined, label("services.web.foo"), "no such option", "off");
    config.services.get_mut(&name("web")).unwrap().quarantine = Some(fault);
    let service = get(&table(config, &StateRegistry::new(1)), "/api/http/services/web@docker");
    assert_eq!((&service["status"], &service["error"]), (&json!("disabled"), &json!(["no such option"])));
    assert_eq!(service["loadBalancer"]["servers"][0]["url"], "http://172.17.0.2:80");
}

#[test]
fn what_is_not_there_is_404() {
    let table = good();
    for (path, message) in [
        ("/api/http/routers/nobody@docker", "router not found: nobody@docker"),
        ("/api/http/services/a%2Fb@docker", "service not found: a/b@docker"),
        ("/api/http/middlewares/v1", "middleware not found: v1"),
    ] {
        let response = answer(&table, path);
        assert_eq!(response.status(), 404);
        assert_eq!(serde_json::from_slice::<Value>(response.body()).unwrap(), json!({"message": message}));
    }
    for path in [
        "/",
        "/api",
        "/api/",
        "/api/http",
        "/api/http/other",
        "/api/http/routers/a/b",
        "/api/rawdata/x",
        "/apirawdata",
        "/pingx",
    ] {
        assert_eq!(answer(&table, path).status(), 404, "{path}");
    }
}

#[test]
fn names_with_a_slash_are_found_encoded() {
    let mut config = config();
    config.routers.insert(name("a/b"), Declared::new(router("Path(`/`)", "web", &[]), label("routers.a/b.rule")));
    let table = table(config, &StateRegistry::new(1));
    assert_eq!(get(&table, "/api/http/routers/a%2Fb@docker")["name"], "a/b@docker");
}

#[test]
fn other_protocols_are_empty_lists() {
    for path in
        ["/api/tcp/routers", "/api/tcp/services", "/api/tcp/middlewares", "/api/udp/routers", "/api/udp/services"]
    {
        let response = answer(&good(), path);
        assert_eq!(
            (response.body().as_slice(), &response.headers()["x-next-page"]),
            (&b"[]\n"[..], &"1".parse().unwrap())
        );
    }
}

#[test]
fn nothing_but_reading_is_allowed() {
    let table = good();
    let view = View {
        table: &table,
        entry_points: &[],
        providers: &[],
        version: "",
        started: "",
        metrics: true,
        access_log: false,
        terminating: false,
        now: Millis(1000),
        unrouted: &[],
        internal: &[],
        options: &OPTIONS,
    };
    for method in [Method::POST, Method::PUT, Method::DELETE, Method::PATCH, Method::OPTIONS] {
        for path in ["/api/rawdata", "/ping", "/nowhere"] {
            let response = Api::default().handle(&view, &method, path, None);
            assert_eq!(
                (response.status().as_u16(), &response.headers()["allow"]),
                (405, &"GET, HEAD".parse().unwrap())
            );
        }
    }
    assert_eq!(Api::default().handle(&view, &Method::HEAD, "/api/rawdata", None).status(), 200);
}

#[test]
fn ping_says_ok_until_seaway_stops() {
    let api = Api::default();
    let response = api.ping(false);
    assert_eq!((response.status().as_u16(), response.body().as_slice()), (200, &b"OK"[..]));
    assert_eq!(api.ping(true).status(), 503);
    assert_eq!(Api::new("/", StatusCode::NO_CONTENT).ping(true).status(), 204);
    assert_eq!(answer(&good(), "/ping").body(), b"OK");
}

#[test]
fn the_api_may_live_below_a_path() {
    let table = good();
    let api = Api::new("/traefik/", StatusCode::SERVICE_UNAVAILABLE);
    let view = View {
        table: &table,
        entry_points: &[],
        providers: &[],
        version: "0.1.0",
        started: "",
        metrics: true,
        access_log: false,
        terminating: true,
        now: Millis(1000),
        unrouted: &[],
        internal: &[],
        options: &OPTIONS,
    };
    assert_eq!(api.handle(&view, &Method::GET, "/traefik/api/version", None).status(), 200);
    assert_eq!(api.handle(&view, &Method::GET, "/api/version", None).status(), 404);
    assert_eq!(api.handle(&view, &Method::GET, "/ping", None).status(), 503);
}

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
