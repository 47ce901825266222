#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use http::{HeaderMap, HeaderValue, Method};
use seaway_config::model::{self, Config};
use seaway_config::{Declared, Name};
use seaway_head::RequestHead;

use super::*;
use crate::state::Notice;
use crate::testing::{docker, origin, server, service, sticky};
use crate::{CompileOptions, EntryPointInfo, StateRegistry, compile};

const NOW: Millis = Millis(1000);

struct World {
    registry: StateRegistry,
    table: RoutingTable,
}

fn router(rule: &str, middlewares: &[&str], entry_points: &[&str]) -> Declared<model::Router> {
    let owned = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect();
    let router = model::Router {
        rule: rule.to_owned(),
        service: "web".to_owned(),
        middlewares: owned(middlewares),
        entry_points: owned(entry_points),
        ..model::Router::default()
    };
    Declared::new(router, origin("traefik.http.routers.r.rule"))
}

fn config(routers: &[(&str, Declared<model::Router>)]) -> Config {
    let mut config = Config::default();
    for (name, declared) in routers {
        config.routers.insert(docker(name), declared.clone());
    }
    config.services.insert(docker("web"), service(vec![server(1, 1), server(2, 3)]));
    let add = model::Middleware::AddPrefix(model::AddPrefix { prefix: "/v1".to_owned() });
    let chain = model::Middleware::Chain(model::Chain { middlewares: vec!["add".to_owned(), "head".to_owned()] });
    let head = model::Middleware::Headers(model::Headers {
        custom_request_headers: [("X-New".to_owned(), "1".to_owned()), ("Accept".to_owned(), String::new())].into(),
        ..model::Headers::default()
    });
    let redirect = model::Middleware::RedirectScheme(model::RedirectScheme {
        scheme: "https".to_owned(),
        permanent: true,
        ..model::RedirectScheme::default()
    });
    for (name, middleware) in [("add", add), ("chain", chain), ("head", head), ("https", redirect)] {
        config.middlewares.insert(docker(name), Declared::new(middleware, origin("traefik.http.middlewares.m")));
    }
    config
}

fn world(config: Config) -> World {
    let registry = StateRegistry::new(1);
    let options = CompileOptions {
        entry_points: vec![
            EntryPointInfo { name: "web".into(), default: true, ..EntryPointInfo::default() },
            EntryPointInfo { name: "other".into(), default: false, ..EntryPointInfo::default() },
        ],
        ..CompileOptions::default()
    };
    let table = compile(Arc::new(config), &registry, None, &options, NOW);
    World { registry, table }
}

fn ask(method: &str, url: &str, headers: &[(&'static str, &str)]) -> RequestHead {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.append(*name, HeaderValue::from_str(value).unwrap());
    }
    let method = Method::from_bytes(method.as_bytes()).unwrap();
    let question = Question {
        method,
        url: url.parse().unwrap(),
        headers: map,
        from: [10, 0, 0, 9].into(),
        trusts_everybody: false,
        trusted: Vec::new(),
    };
    head(question).unwrap()
}

fn told(world: &World, url: &str) -> Explanation {
    explain(&world.table, "web", &ask("GET", url, &[]), NOW)
}

#[test]
fn candidates_come_in_order_with_the_part_that_failed() {
    let world = world(config(&[
        ("exact", router("Host(`a.b`) && PathPrefix(`/api`) && Method(`POST`)", &[], &[])),
        ("host", router("Host(`a.b`)", &[], &[])),
        ("wild", router("Host(`*.b`)", &[], &[])),
        ("other", router("Host(`c.d`)", &[], &[])),
        ("all", router("PathPrefix(`/`)", &[], &[])),
    ]));
    let told = told(&world, "http://A.b:81/api/x?q=1");
    let shown: Vec<_> = told.routers.iter().map(|c| (&*c.name, c.verdict)).collect();
    assert_eq!(
        shown,
        [
            ("exact@docker", Verdict::Fails),
            ("all@docker", Verdict::Takes),
            ("host@docker", Verdict::ComesLater),
            ("wild@docker", Verdict::ComesLater),
        ]
    );
    let failed = told.routers[0].failed.as_ref().unwrap();
    assert_eq!((&*failed.part, &*failed.found), ("Method(`POST`)", "the method is GET"));
    assert_eq!((told.router.as_deref(), told.others), (Some("all@docker"), 1));
    let request = &told.request;
    assert_eq!((&*request.host, &*request.path, &*request.query), ("a.b", "/api/x", "q=1"));
    assert_eq!(told.near_misses[0].name, "exact@docker");
}

#[test]
fn the_answer_is_that_of_the_data_path() {
    let world = world(config(&[
        ("a", router("Host(`a.b`) && Path(`/1`)", &[], &[])),
        ("b", router("Host(`a.b`) || Header(`X-A`, `1`)", &[], &[])),
        ("c", router("Query(`q`, `1`)", &[], &[])),
    ]));
    for (url, headers) in [
        ("http://a.b/1", &[][..]),
        ("http://a.b/2", &[]),
        ("http://x.y/?q=1", &[]),
        ("http://x.y/", &[("x-a", "1")]),
        ("http://x.y/", &[]),
    ] {
        let head = ask("GET", url, headers);
        let routed = world.table.entry_points.get("web").unwrap().find(&head).map(|route| route.name.to_string());
        assert_eq!(explain(&world.table, "web", &head, NOW).router, routed, "{url}");
    }
}

#[test]
fn near_misses_say_what_would_help() {
    let mut config = config(&[
        ("shop", router("Host(`shop.example.com`)", &[], &[])),
        ("path", router("Host(`path.test`) && Path(`/api`)", &[], &[])),
        ("elsewhere", router("Host(`else.test`)", &[], &["other"])),
    ]);
    config.routers.insert(docker("broken"), router("Host(`broken.test`", &[], &[]));
    let world = world(config);
    for (url, name, kind, part) in [
        ("http://shop.exmaple.com/", "shop@docker", Nearness::Host, "its host is shop.example.com"),
        ("http://www.shop.example.com/", "shop@docker", Nearness::Host, "the request's is www.shop.example.com"),
        ("http://path.test/api/", "path@docker", Nearness::OnePart, "a slash at the end makes another path"),
        ("http://path.test/API", "path@docker", Nearness::OnePart, "upper from lower case"),
        ("http://path.test/api/x", "path@docker", Nearness::OnePart, "PathPrefix(`/api`) takes what is below it too"),
        ("http://else.test/", "elsewhere@docker", Nearness::EntryPoint, "on entry point other"),
        ("http://broken.test/", "broken@docker", Nearness::Off, "cannot be read"),
    ] {
        let told = told(&world, url);
        assert_eq!((told.outcome.status, told.router.as_deref()), (Some(404), None), "{url}");
        let miss = told.near_misses.iter().find(|miss| miss.kind == kind);
        let miss = miss.unwrap_or_else(|| panic!("{url}: {:?}", told.near_misses));
        assert_eq!(miss.name, name, "{url}");
        assert!(miss.text.contains(part), "{url}: {}", miss.text);
    }
    assert_eq!(told(&world, "http://nothing.like.it/").near_misses, []);
}

#[test]
fn middlewares_show_what_they_change_and_who_answers() {
    let world = world(config(&[
        ("r", router("Host(`a.b`)", &["chain"], &[])),
        ("s", router("Host(`s.b`)", &["https", "add"], &[])),
    ]));
    let told = explain(&world.table, "web", &ask("GET", "http://a.b/x", &[("accept", "*/*")]), NOW);
    let steps: Vec<_> = told.middlewares.iter().map(|s| (&*s.name, s.kind, &*s.effect)).collect();
    assert_eq!(
        steps,
        [("add@docker", "addprefix", "path /x → /v1/x"), ("head@docker", "headers", "removes accept; adds x-new: 1"),]
    );
    let told = explain(&world.table, "web", &ask("GET", "http://s.b/x", &[]), NOW);
    assert_eq!((told.outcome.status, told.middlewares.len()), (Some(301), 1));
    assert_eq!(told.middlewares[0].effect, "answers 301 Moved Permanently: to https://s.b/x");
    assert!(told.outcome.text.contains("https@docker answers 301"), "{}", told.outcome.text);
}

#[test]
fn the_next_server_is_told_and_stays_the_next() {
    let world = world(config(&[("r", router("Host(`a.b`)", &[], &[]))]));
    for _ in 0..5 {
        let seen = told(&world, "http://a.b/").service.unwrap();
        assert_eq!(seen, told(&world, "http://a.b/").service.unwrap(), "asking twice changes nothing");
        let service = &world.table.services[0];
        let crate::Pick::Server(picked) = service.pick(&HeaderMap::new(), &crate::Tried::default(), crate::Want::Ready)
        else {
            panic!("there are servers");
        };
        assert_eq!(seen.choice.unwrap().server, *service.servers[picked.index].name);
    }
}

#[test]
fn affinity_and_states_decide_as_they_do_for_requests() {
    let mut config = config(&[("r", router("Host(`a.b`)", &[], &[]))]);
    let options = model::StickyCookie { name: "c".to_owned(), ..model::StickyCookie::default() };
    config.services.insert(docker("web"), sticky(vec![server(1, 1), server(2, 1)], options));
    let world = world(config);
    let service = &world.table.services[0];
    let value = service.sticky.as_ref().unwrap().set_cookie(1).to_str().unwrap().to_owned();
    let cookie = value.split(';').next().unwrap().to_owned();
    let choose = |cookie: &str| {
        let head = ask("GET", "http://a.b/", &[("cookie", cookie)][usize::from(cookie.is_empty())..]);
        explain(&world.table, "web", &head, NOW).service.unwrap().choice
    };
    let hit = choose(&cookie).unwrap();
    assert_eq!((&*hit.server, hit.sticky, &*hit.why), ("web-2", "hit", "the cookie c names it"));
    assert_eq!(choose("").unwrap().sticky, "new");
    assert_eq!(choose("c=nonsense").unwrap().sticky, "invalid");
    world.registry.notify("container-2", Notice::Terminating, NOW);
    let moved = choose(&cookie).unwrap();
    assert_eq!((&*moved.server, moved.sticky, moved.reason), ("web-1", "moved", Some("draining")));
    assert!(moved.why.starts_with("the cookie c names web-2, which is terminating; "), "{}", moved.why);
    world.registry.notify("container-1", Notice::Paused, NOW);
    assert_eq!(choose("").unwrap().server, "web-2", "the last resort of a request that may be repeated");
}

#[test]
fn a_quarantined_router_says_so() {
    let world = world(config(&[("r", router("Host(`a.b`)", &["nobody"], &[]))]));
    let told = told(&world, "http://a.b/");
    assert_eq!((told.outcome.status, told.outcome.error.as_deref()), (Some(503), Some("quarantined")));
    assert!(told.outcome.text.contains("SW0203") && told.outcome.text.contains("nobody"), "{}", told.outcome.text);
    assert_eq!((told.service, told.middlewares.len()), (None, 0));
}

#[test]
fn what_is_refused_before_routing_is_told() {
    let question = |url: &str| Question {
        method: Method::GET,
        url: url.parse().unwrap(),
        headers: HeaderMap::new(),
        from: [10, 0, 0, 9].into(),
        trusts_everybody: false,
        trusted: Vec::new(),
    };
    assert_eq!(head(question("http://a.b/%00")).unwrap_err().0, 400);
    assert_eq!(head(question("http://a.b/x/../y")).unwrap().target.path(), "/y");
    assert_eq!(Name::new("r", "docker").to_string(), "r@docker");
}

#[test]
fn services_before_services_are_followed_to_the_one_with_servers() {
    let mut config = config(&[("r", router("Host(`a.b`)", &[], &[]))]);
    config.services.insert(docker("blue"), service(vec![server(1, 1)]));
    config.services.insert(docker("green"), service(vec![server(2, 1)]));
    let entry = |name: &str, weight| model::WeightedMember { name: name.to_owned(), weight };
    let weighted = model::Weighted { services: vec![entry("blue", 9), entry("green", 1)], ..Default::default() };
    let options = model::ServiceOptions { weighted: Some(weighted), ..Default::default() };
    let both = model::Service { options, servers: Vec::new() };
    config.services.insert(docker("web"), Declared::new(both, origin("traefik.http.services.web")));
    let world = world(config);
    let seen = told(&world, "http://a.b/").service.unwrap();
    let way: Vec<_> = seen.way.iter().map(|turn| (&*turn.service, turn.kind, &*turn.to, &*turn.why)).collect();
    assert_eq!(way, [("web@docker", "weighted", "blue@docker", "it is next in turn, with 9 of 10 shares")]);
    assert_eq!((&*seen.name, seen.choice.map(|choice| choice.server)), ("blue@docker", Some("web-1".to_owned())));
    world.registry.notify("container-1", Notice::Paused, NOW);
    let seen = told(&world, "http://a.b/").service.unwrap();
    assert_eq!((&*seen.way[0].to, &*seen.name), ("green@docker", "green@docker"));
}
