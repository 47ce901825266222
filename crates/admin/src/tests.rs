//! Whole answers about a small table that was compiled from a configuration.

mod answers;

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
        entry_points: vec![EntryPointInfo { name: "web".into(), default: true, ..EntryPointInfo::default() }],
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
