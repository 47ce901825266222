#![allow(clippy::unwrap_used)]

mod entry_points;
mod files;
mod incremental;
mod own;
mod told;

use std::time::{Duration, Instant};

use seaway_config::model::{self, Chain, Config, Middleware, RouterTls, StripPrefix};
use seaway_config::{Code, Declared, Diagnostic, Name, Severity};

use super::compile;
use crate::testing::{World, docker, get, origin, router, server, service, sticky, web};
use crate::{EntryPointInfo, Millis, RouteTarget, StateRegistry};

fn strip(prefix: &str) -> Middleware {
    Middleware::StripPrefix(StripPrefix { prefixes: vec![prefix.to_owned()], force_slash: None })
}
fn chain(members: &[&str]) -> Middleware {
    Middleware::Chain(Chain { middlewares: members.iter().map(|name| (*name).to_owned()).collect() })
}

fn middleware(name: &str, value: Middleware) -> (Name, Declared<Middleware>) {
    let key = format!("traefik.http.middlewares.{name}.{}.x", value.kind());
    (docker(name), Declared::new(value, origin(&key)))
}

fn quarantined<T>(mut declared: Declared<T>, code: Code) -> Declared<T> {
    declared.quarantine = Some(Diagnostic::error(code, origin("traefik.http.x"), "something is wrong", "it is off"));
    declared
}

/// A good catch-all of low priority behind the router under test, so that a hole would be seen.
fn config(change: impl FnOnce(&mut Config)) -> Config {
    let mut config = web(service(vec![server(1, 1)]));
    config.routers.clear();
    let (name, mut behind) = router("behind", "PathPrefix(`/`)", "web");
    behind.value.priority = 1;
    config.routers.insert(name, behind);
    let (name, front) = router("front", "Host(`a.test`)", "web");
    config.routers.insert(name, front);
    change(&mut config);
    config
}

fn front(config: &mut Config) -> &mut Declared<model::Router> {
    config.routers.get_mut(&docker("front")).unwrap()
}

/// Where a request for `a.test` goes.
fn outcome(world: &World) -> (String, RouteTarget) {
    let route = world.entry_point().find(&get("a.test", "/x")).unwrap();
    (route.name.to_string(), route.target.clone())
}

fn assert_quarantined(world: &World, code: Code) {
    assert_eq!(outcome(world), ("front@docker".into(), RouteTarget::Quarantined(code)));
    let info = &world.table.routers[&docker("front")];
    assert!(info.disabled && !info.errors.is_empty(), "{info:?}");
    assert_eq!(world.entry_point().find(&get("b.test", "/")).unwrap().target, RouteTarget::Service(0));
}

#[test]
fn a_good_configuration_has_nothing_to_say() {
    let world = World::new(config(|_| ()));
    assert_eq!(outcome(&world), ("front@docker".into(), RouteTarget::Service(0)));
    assert_eq!(world.codes(), []);
    let info = &world.table.routers[&docker("front")];
    assert_eq!((&*info.rule, info.priority, info.disabled), ("Host(`a.test`)", 14, false));
    assert_eq!(info.using, ["web".into()]);
    assert!(info.errors.is_empty());
    assert_eq!(world.table.entry_points["other"].routes.len(), 0);
    assert_eq!(world.table.generation, 1);
}

#[test]
fn a_quarantined_router_keeps_its_place() {
    let world = World::new(config(|c| *front(c) = quarantined(front(c).clone(), Code::UnknownOption)));
    assert_quarantined(&world, Code::UnknownOption);
    assert_eq!(world.codes(), [Code::UnknownOption]);
    let route = world.entry_point().find(&get("a.test", "/")).unwrap();
    assert!(route.chain.is_empty());
}

#[test]
fn a_rule_that_does_not_parse_is_said_loudly() {
    for rule in ["Host('a.test')", "hOst(`a.test`)", "HostRegexp(`(`)", ""] {
        let world = World::new(config(|c| front(c).value.rule = rule.into()));
        assert_eq!(outcome(&world).0, "behind@docker", "{rule}");
        let [diagnostic] = &*world.table.diagnostics else { panic!("{rule}") };
        assert_eq!((diagnostic.code, diagnostic.severity), (Code::BadRule, Severity::Error));
        assert_eq!(&*diagnostic.origin.key, "traefik.http.routers.front.rule");
        assert!(diagnostic.consequence.contains("nobody can know"));
        let info = &world.table.routers[&docker("front")];
        assert!(info.disabled && info.using.is_empty() && info.errors.len() == 1, "{info:?}");
    }
}

#[test]
fn a_default_rule_that_could_not_be_made_is_said_once() {
    let world = World::new(config(|c| {
        front(c).value.rule.clear();
        *front(c) = quarantined(front(c).clone(), Code::BadDefaultRule);
    }));
    assert_eq!(world.codes(), [Code::BadDefaultRule]);
    assert!(world.table.routers[&docker("front")].disabled);
}

#[test]
fn unknown_entry_points() {
    let world = World::new(config(|c| front(c).value.entry_points = vec!["web".into(), "webb".into(), "web".into()]));
    assert_eq!(outcome(&world).1, RouteTarget::Service(0));
    let [diagnostic] = &*world.table.diagnostics else { panic!() };
    assert_eq!((diagnostic.code, diagnostic.severity), (Code::UnknownEntryPoint, Severity::Warning));
    assert_eq!(&*diagnostic.origin.key, "traefik.http.routers.front.entrypoints");
    assert_eq!(diagnostic.fix, "traefik.http.routers.front.entrypoints=web");
    let info = &world.table.routers[&docker("front")];
    assert_eq!((info.disabled, &*info.errors), (false, &["entryPoint \"webb\" doesn't exist".to_owned()][..]));
    assert_eq!(info.using, ["web".into()]);

    let world = World::new(config(|c| front(c).value.entry_points = vec!["nowhere".into()]));
    assert_eq!(outcome(&world).0, "behind@docker");
    assert_eq!(world.table.diagnostics[0].severity, Severity::Error);
    let info = &world.table.routers[&docker("front")];
    assert!(info.disabled);
    assert_eq!(info.errors, ["entryPoint \"nowhere\" doesn't exist", "no valid entryPoint for this router"]);
}

#[test]
fn a_router_listens_where_it_says_or_on_all_default_entry_points() {
    let mut world = World::default();
    world.options.entry_points.push(EntryPointInfo { name: "second".into(), default: true, ..Default::default() });
    world.apply(config(|c| front(c).value.entry_points = vec!["other".into()]));
    let mounted = |name: &str| world.table.entry_points[name].routes.iter().map(|r| &*r.name).collect::<Vec<_>>();
    assert_eq!(mounted("web"), ["behind@docker"]);
    assert_eq!(mounted("second"), ["behind@docker"]);
    assert_eq!(mounted("other"), ["front@docker"]);
}

#[test]
fn missing_and_broken_middlewares_close_the_router() {
    let world = World::new(config(|c| front(c).value.middlewares = vec!["auth@file".into()]));
    assert_quarantined(&world, Code::UnknownMiddleware);
    assert_eq!(&*world.table.diagnostics[0].origin.key, "traefik.http.routers.front.middlewares");
    assert_eq!(world.table.routers[&docker("front")].errors, ["middleware \"auth@file\" does not exist"]);

    let world = World::new(config(|c| {
        c.middlewares = [middleware("auth", strip("/x"))].into();
        front(c).value.middlewares = vec!["auth@file".into()];
    }));
    assert!(world.table.diagnostics[0].message.contains("did you mean auth@docker?"));

    // Broken in itself.
    let world = World::new(config(|c| {
        c.middlewares = [middleware("cut", strip("no-slash/../x")), middleware("bad", Middleware::Broken {})].into();
        front(c).value.middlewares = vec!["bad".into()];
    }));
    assert_quarantined(&world, Code::BrokenMiddleware);
    assert!(world.codes().contains(&Code::BadMiddleware), "{:?}", world.table.diagnostics);

    // Quarantined by whoever read it.
    let world = World::new(config(|c| {
        let (name, good) = middleware("cut", strip("/x"));
        c.middlewares = [(name, quarantined(good, Code::MiddlewareTypeCount))].into();
        front(c).value.middlewares = vec!["cut".into()];
    }));
    assert_quarantined(&world, Code::BrokenMiddleware);
    assert_eq!(world.codes(), [Code::MiddlewareTypeCount, Code::BrokenMiddleware]);
}

#[test]
fn faults_of_unused_middlewares_are_told_and_harm_nobody() {
    let world = World::new(config(|c| c.middlewares = [middleware("bad", Middleware::Broken {})].into()));
    assert_eq!(world.codes(), [Code::BadMiddleware]);
    assert_eq!(outcome(&world).1, RouteTarget::Service(0));
}

#[test]
fn chains_are_flattened_in_order() {
    let world = World::new(config(|c| {
        c.middlewares = [
            middleware("one", strip("/1")),
            middleware("two", strip("/2")),
            middleware("three", strip("/3")),
            middleware("inner", chain(&["two", "three@docker"])),
            middleware("outer", chain(&["one", "inner", "one"])),
            middleware("empty", chain(&[])),
        ]
        .into();
        front(c).value.middlewares = vec!["empty".into(), "outer".into(), "two".into()];
        c.services.get_mut(&docker("web")).unwrap().value.options.middlewares = vec!["three".into()];
    }));
    assert_eq!(world.codes(), []);
    let prefixes = |host| {
        let route = world.entry_point().find(&get(host, "/")).unwrap();
        let one = |m: &seaway_middleware::Middleware| {
            let text = format!("{m:?}");
            ["/1", "/2", "/3"].into_iter().find(|prefix| text.contains(prefix)).unwrap()
        };
        route.chain.iter().map(|m| one(m)).collect::<String>()
    };
    assert_eq!(prefixes("a.test"), "/1/2/3/1/2/3", "the service's own come last");
    assert_eq!(prefixes("b.test"), "/3");
}

#[test]
fn chains_that_lead_back_to_themselves() {
    for (links, closed) in [
        (vec![("a", vec!["a"])], vec!["a"]),
        (vec![("a", vec!["b"]), ("b", vec!["a"])], vec!["a", "b"]),
        (vec![("a", vec!["ok", "b"]), ("b", vec!["ok", "c"]), ("c", vec!["b", "ok"])], vec!["a", "b", "c"]),
    ] {
        for used in closed.into_iter().chain(["ok"]) {
            let world = World::new(config(|c| {
                c.middlewares = links.iter().map(|(name, members)| middleware(name, chain(members))).collect();
                c.middlewares.extend([middleware("ok", strip("/ok"))]);
                front(c).value.middlewares = vec![used.into()];
            }));
            assert!(world.codes().contains(&Code::ChainLoop), "{links:?}");
            if used == "ok" {
                assert_eq!(outcome(&world).1, RouteTarget::Service(0));
            } else {
                assert_quarantined(&world, Code::BrokenMiddleware);
            }
        }
    }
}

#[test]
fn chains_may_be_deep_but_not_grow_without_bound() {
    let deep = |n: usize| {
        World::new(config(|c| {
            c.middlewares = (0..n).map(|at| middleware(&format!("c{at}"), chain(&[&format!("c{}", at + 1)]))).collect();
            c.middlewares.extend([middleware(&format!("c{n}"), strip("/x"))]);
            front(c).value.middlewares = vec!["c0".into()];
        }))
    };
    assert_eq!(outcome(&deep(20_000)).1, RouteTarget::Service(0));
    let world = World::new(config(|c| {
        let double = |at: usize| {
            let next = format!("c{}", at + 1);
            middleware(&format!("c{at}"), chain(&[&next, &next]))
        };
        c.middlewares = (0..60).map(double).collect();
        c.middlewares.extend([middleware("c60", strip("/x"))]);
        front(c).value.middlewares = vec!["c0".into()];
    }));
    assert_quarantined(&world, Code::BrokenMiddleware);
}

#[test]
fn missing_and_broken_services_close_the_router() {
    let world = World::new(config(|c| front(c).value.service = "wep".into()));
    assert_quarantined(&world, Code::UnknownService);
    let diagnostic = &world.table.diagnostics[0];
    assert_eq!(diagnostic.message, "the service \"wep@docker\" does not exist");
    assert_eq!(diagnostic.fix, "traefik.http.routers.front.service=web");
    assert_eq!(world.table.routers[&docker("front")].errors, ["the service \"wep@docker\" does not exist"]);

    let broken = |change: &dyn Fn(&mut Declared<model::Service>)| {
        World::new(config(|c| {
            let mut other = service(vec![server(2, 1)]);
            change(&mut other);
            c.services.insert(docker("other"), other);
            front(c).value.service = "other@docker".into();
        }))
    };
    let world = broken(&|s| *s = quarantined(s.clone(), Code::ServiceQuarantined));
    assert_quarantined(&world, Code::BrokenService);
    assert_eq!(world.codes(), [Code::ServiceQuarantined, Code::BrokenService]);
    let world = broken(&|s| s.value.options.load_balancer = None);
    assert_quarantined(&world, Code::BrokenService);
    assert_eq!(world.codes(), [Code::EmptyService, Code::BrokenService]);
    let world = broken(&|s| s.value.options.middlewares = vec!["none".into()]);
    assert_quarantined(&world, Code::BrokenService);
    assert_eq!(world.codes(), [Code::UnknownMiddleware, Code::BrokenService]);
    let world = broken(&|s| s.value.options.load_balancer.as_mut().unwrap().servers_transport = "t@file".into());
    assert_quarantined(&world, Code::BrokenService);
}

#[test]
fn a_router_without_service() {
    let world = World::new(config(|c| front(c).value.service.clear()));
    assert_quarantined(&world, Code::UnknownService);
    let world = World::new(config(|c| {
        front(c).value.service.clear();
        *front(c) = quarantined(front(c).clone(), Code::AmbiguousService);
    }));
    assert_quarantined(&world, Code::AmbiguousService);
    assert_eq!(world.codes(), [Code::AmbiguousService]);
}

#[test]
fn an_empty_service_is_a_service() {
    let world = World::new(web(service(vec![])));
    assert_eq!(world.entry_point().find(&get("a", "/")).unwrap().target, RouteTarget::Service(0));
    assert_eq!(world.codes(), []);
}

#[test]
fn priorities() {
    let priority = |value| World::new(config(|c| front(c).value.priority = value));
    for value in [i64::MAX - 1000, 2, -5, i64::MIN] {
        let world = priority(value);
        assert_eq!((world.table.routers[&docker("front")].priority, world.codes()), (value, vec![]));
        assert_eq!(outcome(&world).0, if value > 1 { "front@docker" } else { "behind@docker" });
    }
    for value in [i64::MAX - 999, i64::MAX] {
        let world = priority(value);
        assert_quarantined(&world, Code::BadPriority);
        assert_eq!(world.table.routers[&docker("front")].priority, i64::MAX - 1000);
    }
    // Bytes of the rule, not characters.
    let world = World::new(config(|c| front(c).value.rule = "Path(`/ä`)".into()));
    assert_eq!(world.table.routers[&docker("front")].priority, 11);
}

#[test]
fn equal_priorities_are_said_once_and_only_where_they_can_matter() {
    let world = |rules: &[&str]| {
        let mut config = web(service(vec![server(1, 1)]));
        config.routers = rules.iter().enumerate().map(|(n, rule)| router(&format!("r{n}"), rule, "web")).collect();
        let mut world = World::default();
        world.options.entry_points.push(EntryPointInfo { name: "second".into(), default: true, ..Default::default() });
        world.apply(config);
        world
    };
    for rules in [
        &["Host(`a`)", "Host(`a`)"][..],
        &["Host(`a`) && PathPrefix(`/ab`)", "Host(`a`) && PathPrefix(`/ab`)"],
        &["Host(`a`) && PathPrefix(`/x/y`)", "Host(`a`) && Method(`DELETE`)  "],
        &["PathPrefix(`/`)", "HostRegexp(`.`)"],
        &["Host(`a`) || Host(`b`)", "Host(`b`) || Host(`c`)"],
    ] {
        let world = world(rules);
        assert_eq!(world.codes(), [Code::EqualPriority], "{rules:?} {:?}", world.table.diagnostics);
        let diagnostic = &world.table.diagnostics[0];
        assert!(diagnostic.message.contains("r0@docker, r1@docker"), "{}", diagnostic.message);
        assert!(diagnostic.fix.starts_with("traefik.http.routers.r0.priority="), "{}", diagnostic.fix);
        let info = &world.table.routers[&docker("r1")];
        assert_eq!((info.errors.len(), info.disabled), (1, false));
    }
    for rules in [
        &["Host(`a`)", "Host(`b`)"][..],
        &["Host(`a`)", "Host(`aa`)"],
        &["Host(`a`) && PathPrefix(`/x`)", "Host(`a`) && PathPrefix(`/y`)"],
        &["Host(`a`) && Path(`/x`)", "Host(`a`) && Path(`/y`)"],
        &["Path(`/ab`) || Path(`/c`)", "Path(`/d`) || Path(`/ef`)"],
    ] {
        assert_eq!(world(rules).codes(), [], "{rules:?}");
    }
    // A prefix and a path below it, told apart from a third that has nothing to do with them.
    let three = world(&["PathPrefix(`/a`)", "Path(`/a/bcdefg`)", "PathPrefix(`/b`)"]);
    assert_eq!(three.codes(), [Code::EqualPriority; 0]);
    let mut config = web(service(vec![server(1, 1)]));
    config.routers = ["PathPrefix(`/a`)", "Path(`/a/b`)", "PathPrefix(`/b`)", "Path(`/a`)"]
        .iter()
        .enumerate()
        .map(|(n, rule)| {
            let (name, mut declared) = router(&format!("r{n}"), rule, "web");
            declared.value.priority = 7;
            (name, declared)
        })
        .collect();
    let world = World::new(config);
    assert_eq!(world.codes(), [Code::EqualPriority]);
    assert!(world.table.diagnostics[0].message.contains("routers r0@docker, r1@docker, r3@docker have"));
}

#[test]
fn ten_thousand_routers_of_one_host_are_not_compared_each_with_each() {
    let time = |count: usize| {
        let mut config = web(service(vec![server(1, 1)]));
        let rule = |n: usize| format!("Host(`a`) && PathPrefix(`/{n:05}`)");
        config.routers = (0..count).map(|n| router(&format!("r{n}"), &rule(n / 2), "web")).collect();
        let start = Instant::now();
        let world = World::new(config);
        let elapsed = start.elapsed();
        assert_eq!(world.codes().len(), count / 2);
        elapsed
    };
    let few = time(1_000).max(Duration::from_millis(5));
    assert!(time(10_000) < few * 60, "ten times the routers may not take a hundred times as long");
}

#[test]
fn internal_services_are_not_for_every_label() {
    let config = |service: &str| config(|c| front(c).value.service = service.to_owned());
    let refused = World::new(config("api@internal"));
    assert_quarantined(&refused, Code::InternalServiceRefused);

    let mut world = World::default();
    world.options.allow_internal = true;
    for (service, own) in [("api@internal", "api"), ("ping@internal", "ping"), ("dashboard@internal", "api")] {
        world.apply(config(service));
        assert_eq!(outcome(&world).1, RouteTarget::Internal(own.into()));
    }
    world.apply(config("rest@internal"));
    assert_quarantined(&world, Code::UnknownService);

    // The router is declared by container web-1; `container-1` is its id.
    let mut world = World::default();
    for (own, allowed) in [("container-1", true), ("web-1", true), ("container-2", false), ("", false)] {
        world.options.own_container = Some(own.into());
        world.apply(config("api@internal"));
        assert_eq!(outcome(&world).1 == RouteTarget::Internal("api".into()), allowed, "{own}");
    }
    // A name that looks like an id is not believed.
    let id = "0123456789abcdef".repeat(4);
    world.options.own_container = Some(id.as_str().into());
    let mut forged = config("api@internal");
    front(&mut forged).origin.resource = id.into();
    world.apply(forged);
    assert_quarantined(&world, Code::InternalServiceRefused);

    let mut world = World::default();
    let (_, mut own) = router("api", "PathPrefix(`/api`)", "api@internal");
    own.value.priority = i64::MAX - 1;
    world.apply(Config { routers: [(Name::new("api", "internal"), own)].into(), ..Config::default() });
    let route = world.entry_point().find(&get("a", "/api")).unwrap();
    assert_eq!((&route.target, route.priority), (&RouteTarget::Internal("api".into()), i64::MAX - 1));
}

#[test]
fn tls_is_never_served_in_clear() {
    let world = World::new(config(|c| front(c).value.tls = Some(RouterTls::default())));
    assert_quarantined(&world, Code::TlsNotSupportedYet);
    let world = World::new(config(|c| {
        front(c).value.tls = Some(RouterTls::default());
        *front(c) = quarantined(front(c).clone(), Code::TlsNotSupportedYet);
    }));
    assert_quarantined(&world, Code::TlsNotSupportedYet);
    assert_eq!(world.codes(), [Code::TlsNotSupportedYet]);
}

#[test]
fn what_the_reader_of_the_labels_has_said_is_not_said_again() {
    let mut world = World::new(config(|c| front(c).value.rule_syntax = "v2".into()));
    assert_quarantined(&world, Code::NotSupportedYet);
    for (priority, syntax, code) in [(i64::MAX, "", Code::BadPriority), (0, "v2", Code::NotSupportedYet)] {
        world.apply(config(|c| {
            front(c).value.priority = priority;
            front(c).value.rule_syntax = syntax.into();
            *front(c) = quarantined(front(c).clone(), code);
        }));
        assert_quarantined(&world, code);
        assert_eq!(world.codes(), [code]);
        assert_eq!(world.table.routers[&docker("front")].errors, ["something is wrong"]);
    }
}

#[test]
fn tuning_that_cannot_be_followed_is_ignored_and_said() {
    let world = |change: &dyn Fn(&mut model::LoadBalancer)| {
        let mut declared = sticky(vec![server(1, 1)], model::StickyCookie::default());
        change(declared.value.options.load_balancer.as_mut().unwrap());
        World::new(web(declared))
    };
    let cookie = |lb: &mut model::LoadBalancer, change: &dyn Fn(&mut model::StickyCookie)| {
        change(lb.sticky.as_mut().unwrap().cookie.as_mut().unwrap());
    };
    let check = |mode: &str| model::HealthCheck { mode: mode.to_owned(), ..model::HealthCheck::default() };
    for (world, code, key) in [
        (world(&|lb| lb.strategy = "best".into()), Code::BadValue, "strategy"),
        (world(&|lb| lb.health_check = Some(check("grpc"))), Code::NotSupportedYet, "healthcheck.mode"),
        (world(&|lb| lb.health_check = Some(check("tcp"))), Code::BadValue, "healthcheck.mode"),
        (world(&|lb| cookie(lb, &|c| c.same_site = "maybe".into())), Code::BadValue, "sticky.cookie.samesite"),
        (
            world(&|lb| cookie(lb, &|c| c.same_site = "none".into())),
            Code::SameSiteWithoutSecure,
            "sticky.cookie.samesite",
        ),
        (world(&|lb| cookie(lb, &|c| c.domain = "a b".into())), Code::BadValue, "sticky.cookie.domain"),
    ] {
        assert_eq!(world.codes(), [code], "{key}");
        assert_eq!(world.table.diagnostics[0].severity, Severity::Warning);
        assert_eq!(*world.table.diagnostics[0].origin.key, *format!("traefik.http.services.web.loadbalancer.{key}"));
        assert_eq!(world.entry_point().find(&get("a", "/")).unwrap().target, RouteTarget::Service(0));
    }
}

#[test]
fn a_server_that_cannot_be_used_is_left_out_alone() {
    let with = |url: &str| {
        let mut other = server(2, 1);
        other.url = url.into();
        World::new(web(service(vec![server(1, 1), other])))
    };
    for (url, code) in [
        ("https://10.0.0.2:443", Code::BadTransport),
        ("h2c://10.0.0.2:443", Code::NotSupportedYet),
        ("10.0.0.2:80", Code::BadServerUrl),
        ("http://", Code::BadServerUrl),
        ("http://a\nb", Code::BadServerUrl),
    ] {
        let world = with(url);
        assert_eq!((world.codes(), world.web().servers.len()), (vec![code], 1), "{url}");
    }
    for (url, host) in [("http://10.0.0.2:80", "10.0.0.2:80"), ("HTTP://u:p@app.test/base?x", "app.test")] {
        let world = with(url);
        assert_eq!((world.codes(), world.web().servers[1].host_value.to_str().unwrap()), (vec![], host));
    }
    let world = World::new(web(service(vec![server(1, 1), server(1, 1)])));
    assert_eq!(world.web().servers.len(), 1, "the same server twice is one");
}

#[test]
fn what_is_the_same_is_carried_over() {
    let build = || {
        config(|c| {
            c.middlewares = [middleware("cut", strip("/x")), middleware("other", strip("/1"))].into();
            front(c).value.middlewares = vec!["cut".into()];
        })
    };
    let mut world = World::new(build());
    let before = (world.table.middlewares[&docker("cut")].clone(), world.table.middlewares[&docker("other")].clone());
    let mut after = build();
    after.middlewares.extend([middleware("other", strip("/2"))]);
    world.apply(after);
    assert_eq!(world.table.generation, 2);
    assert!(std::sync::Arc::ptr_eq(&before.0, &world.table.middlewares[&docker("cut")]));
    assert!(!std::sync::Arc::ptr_eq(&before.1, &world.table.middlewares[&docker("other")]));
    // Without a table before, the same comes out.
    let fresh = compile(world.table.config.clone(), &StateRegistry::new(1), None, &world.options, Millis(1));
    assert_eq!(fresh.routers, world.table.routers);
}

#[test]
fn how_long_a_service_has_been_without_a_server() {
    let mut world = World::new(web(service(vec![server(1, 1)])));
    let minute = Duration::from_secs(60);
    assert_eq!(world.web().admitted(), 1);
    world.now.0 += 3_600_000;
    assert!(world.web().had_ready_within(minute, world.now), "it is ready now");
    world.registry.notify("container-1", crate::state::Notice::Terminating, world.now);
    assert_eq!(world.web().admitted(), 0);
    world.now.0 += 59_000;
    assert!(world.web().had_ready_within(minute, world.now));
    // Its server leaves the table, and the service lives on.
    world.apply(web(service(vec![])));
    assert!(world.web().had_ready_within(minute, world.now));
    world.now.0 += 1_001;
    assert!(!world.web().had_ready_within(minute, world.now));

    let mut starting = server(2, 1);
    starting.condition.assume_ready = false;
    let world = World::new(web(service(vec![starting])));
    assert!(!world.web().had_ready_within(minute, world.now), "it never had one");
}

#[test]
fn access_logs_can_be_switched_off_for_one_router() {
    let world = World::new(config(|c| {
        let off = model::RouterObservability { access_logs: Some(false), ..model::RouterObservability::default() };
        front(c).value.observability = Some(off);
    }));
    assert!(!world.entry_point().find(&get("a.test", "/")).unwrap().access_log);
    assert!(world.entry_point().find(&get("b.test", "/")).unwrap().access_log);
}

#[test]
fn what_does_not_exist_is_named_with_the_line_that_helps() {
    let told = |change: &dyn Fn(&mut Config)| {
        let world = World::new(config(|c| change(c)));
        let found = world.table.diagnostics[0].clone();
        (found.code, found.message, found.fix)
    };
    let lists = |list: &'static [&'static str]| {
        told(&move |c| {
            c.middlewares = [middleware("auth", strip("/x")), middleware("cut", strip("/y"))].into();
            front(c).value.middlewares = list.iter().map(|one| (*one).to_owned()).collect();
        })
    };
    let both = "middleware \"nope@docker\" does not exist; middleware \"foo@docker\" does not exist".to_owned();
    let declare = "traefik.http.middlewares.nope.<type>.<option>=…".to_owned();
    assert_eq!(lists(&["nope", "foo"]), (Code::UnknownMiddleware, both, declare));
    assert_eq!(lists(&["cut", "auht", "auth@file"]).2, "traefik.http.routers.front.middlewares=cut,auth,auth@docker");
    assert!(lists(&["nope@file"]).2.ends_with("=…, and nope in place of nope@file"));

    let service = |name: &'static str| told(&move |c| front(c).value.service = name.to_owned());
    assert_eq!(service("banana").2, "traefik.http.services.banana.loadbalancer.server.port=80");
    assert_eq!(service("").2, "traefik.http.routers.front.service=web");
    assert_eq!(service("pign@internal").2, "traefik.http.routers.front.service=ping@internal");
    let refused = service("api@internal");
    assert_eq!((refused.0, &*refused.2), (Code::InternalServiceRefused, "--seaway.labels.allowinternal"));

    let points = |list: &'static [&'static str]| {
        told(&move |c| front(c).value.entry_points = list.iter().map(|one| (*one).to_owned()).collect())
    };
    assert_eq!(points(&["banana"]).2, "traefik.http.routers.front.entrypoints=web,other");
    assert_eq!(points(&["web", "othr"]).2, "traefik.http.routers.front.entrypoints=web,other");
}
