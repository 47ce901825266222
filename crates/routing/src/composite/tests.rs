#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use http::HeaderMap;
use http::header::COOKIE;
use proptest::prelude::*;
use seaway_config::model::{
    self, Config, Failover, FailoverErrors, HighestRandomWeight, Mirror, Mirroring, ServiceOptions, Sticky,
    StickyCookie, Weighted, WeightedMember,
};
use seaway_config::{Code, Declared, Name, Origin};

use super::*;
use crate::state::flag;
use crate::testing::{World, router, server, service};

fn file(name: &str) -> Name {
    Name::new(name, "docker")
}

fn declared(options: ServiceOptions) -> Declared<model::Service> {
    Declared::new(model::Service { options, servers: Vec::new() }, Origin::resource("file", "dynamic.yml"))
}

fn weighted(members: &[(&str, i64)], cookie: Option<&str>) -> Declared<model::Service> {
    let services = members.iter().map(|(name, weight)| WeightedMember { name: (*name).to_owned(), weight: *weight });
    let cookie = cookie.map(|name| StickyCookie { name: name.to_owned(), ..StickyCookie::default() });
    let sticky = cookie.map(|cookie| Sticky { cookie: Some(cookie) });
    let weighted = Weighted { services: services.collect(), sticky, health_check: None };
    declared(ServiceOptions { weighted: Some(weighted), ..ServiceOptions::default() })
}

fn failover(main: &str, fallback: &str) -> Declared<model::Service> {
    let failover = Failover { service: main.to_owned(), fallback: fallback.to_owned(), ..Failover::default() };
    declared(ServiceOptions { failover: Some(failover), ..ServiceOptions::default() })
}

fn mirroring(main: &str, mirrors: &[(&str, i64)]) -> Declared<model::Service> {
    let mirrors = mirrors.iter().map(|(name, percent)| Mirror { name: (*name).to_owned(), percent: *percent });
    let mirroring = Mirroring { service: main.to_owned(), mirrors: mirrors.collect(), ..Mirroring::default() };
    declared(ServiceOptions { mirroring: Some(mirroring), ..ServiceOptions::default() })
}

/// A configuration with servers `a`, `b` and `c` of one server each, what is given, and a router to `top`.
fn world(more: impl IntoIterator<Item = (&'static str, Declared<model::Service>)>) -> World {
    World::new(config(more))
}

fn config(more: impl IntoIterator<Item = (&'static str, Declared<model::Service>)>) -> Config {
    let leaves = [("a", 1), ("b", 2), ("c", 3)].map(|(name, n)| (file(name), service(vec![server(n, 1)])));
    let services: BTreeMap<_, _> =
        leaves.into_iter().chain(more.into_iter().map(|(name, service)| (file(name), service))).collect();
    let routers = [router("web", "PathPrefix(`/`)", "top")].into();
    Config { routers, services: services.into_iter().collect(), ..Config::default() }
}

fn go(world: &World, headers: &HeaderMap) -> (Option<String>, Way) {
    let mut way = Way::default();
    let top = world.table.service_place(&file("top")).unwrap();
    let leaf = world.table.leaf(top, &headers.into(), &mut way);
    (leaf.map(|at| world.table.services[at].name.local.to_string()), way)
}

fn next(world: &World) -> String {
    go(world, &HeaderMap::new()).0.unwrap()
}

fn set(world: &World, n: usize, flags: u16) {
    let name = file(["a", "b", "c"][n]);
    world.table.services[world.table.service_place(&name).unwrap()].servers[0].state.set(flags);
}

#[test]
fn requests_are_shared_by_weight_and_the_turn_outlives_tables() {
    let mut world = world([("top", weighted(&[("a", 3), ("b", 1), ("c", 0)], None))]);
    let four: String = (0..4).map(|_| next(&world)).collect();
    assert_eq!(four.matches('a').count(), 3);
    assert_eq!(four.matches('b').count(), 1);
    let first = next(&world);
    let mut changed = config([("top", weighted(&[("a", 3), ("b", 1), ("c", 0)], None))]);
    changed.services.insert(file("d"), service(vec![server(9, 1)]));
    world.apply(changed);
    let rest: String = std::iter::once(first).chain((0..3).map(|_| next(&world))).collect();
    assert_eq!(rest.matches('a').count(), 3, "{rest}");
}

#[test]
fn a_service_without_a_server_is_passed_over() {
    let world = world([("top", weighted(&[("a", 1), ("b", 1)], None))]);
    set(&world, 0, flag::UNHEALTHY);
    assert!((0..4).all(|_| next(&world) == "b"));
    set(&world, 1, flag::GONE);
    let both: String = (0..6).map(|_| next(&world)).collect();
    assert!(both.contains('a') && both.contains('b'), "somebody has to wait for them: {both}");
    assert!(!world.table.is_up(&file("top")));
}

#[test]
fn a_client_stays_and_moves_where_it_has_to() {
    let world = world([("top", weighted(&[("a", 1), ("b", 1)], Some("canary")))]);
    let (leaf, way) = go(&world, &HeaderMap::new());
    let leaf = leaf.unwrap();
    let cookie = way.cookies[0].to_str().unwrap();
    let value = cookie.split(['=', ';']).nth(1).unwrap().to_owned();
    // The first sixteen digits of SHA-256 of the name as written.
    let expected = BTreeMap::from([("a", "ca978112ca1bbdca"), ("b", "3e23e8160039594a")]);
    assert_eq!(value, expected[leaf.as_str()]);
    let mut headers = HeaderMap::new();
    headers.insert(COOKIE, format!("canary={value}").parse().unwrap());
    for _ in 0..4 {
        let (again, way) = go(&world, &headers);
        assert_eq!((again.as_deref(), way.cookies.len()), (Some(&*leaf), 0));
    }
    set(&world, usize::from(leaf == "b"), flag::GONE);
    let (other, way) = go(&world, &headers);
    assert_ne!(other, Some(leaf));
    assert_eq!(way.cookies.len(), 1);
}

#[test]
fn old_cookie_values_are_known_and_written_anew() {
    let leaves = [("first", service(vec![server(7, 1)]))];
    let world = world(leaves.into_iter().chain([("top", weighted(&[("first", 1), ("a", 50)], Some("s")))]));
    for value in ["first", "c0de9a9b8ec0e479", "76819daa37fef449"] {
        let mut headers = HeaderMap::new();
        headers.insert(COOKIE, format!("s={value}").parse().unwrap());
        let (leaf, way) = go(&world, &headers);
        assert_eq!(leaf.as_deref(), Some("first"), "{value}");
        assert!(way.cookies[0].to_str().unwrap().starts_with("s=a7937b64b8caa58f;"), "{value}");
    }
}

#[test]
fn each_level_has_its_cookie() {
    let inner = weighted(&[("a", 1), ("b", 1)], Some("inner"));
    let world = world([("inner", inner), ("top", weighted(&[("inner", 1), ("c", 0)], Some("outer")))]);
    let (_, way) = go(&world, &HeaderMap::new());
    let cookies: Vec<_> = way.cookies.iter().map(|c| c.to_str().unwrap().split('=').next().unwrap()).collect();
    assert_eq!(cookies, ["outer", "inner"]);
}

#[test]
fn the_second_answers_while_the_first_cannot() {
    let world = world([("top", failover("a", "b"))]);
    assert_eq!(next(&world), "a");
    set(&world, 0, flag::CHECK_FAILED);
    assert_eq!(next(&world), "b");
    assert!(world.table.is_up(&file("top")));
    set(&world, 1, flag::GONE);
    assert_eq!(next(&world), "a", "the first one is waited for");
    assert!(!world.table.is_up(&file("top")));
}

#[test]
fn answers_may_count_as_failures() {
    let mut top = failover("a", "b");
    let errors = |status: &[&str]| FailoverErrors {
        status: status.iter().map(|s| (*s).to_owned()).collect(),
        ..FailoverErrors::default()
    };
    top.value.options.failover.as_mut().unwrap().errors = Some(errors(&["503", "520-529"]));
    let first = world([("top", top.clone())]);
    let (_, way) = go(&first, &HeaderMap::new());
    let (second, answers) = way.second.unwrap();
    assert_eq!(second, file("b"));
    for (status, is) in [(502, false), (503, true), (519, false), (520, true), (529, true), (530, false)] {
        assert_eq!(answers.contains(StatusCode::from_u16(status).unwrap()), is, "{status}");
    }
    set(&first, 0, flag::GONE);
    assert!(go(&first, &HeaderMap::new()).1.second.is_none(), "there is no third");
    for bad in ["5xx", "99", "600", "529-520", ""] {
        top.value.options.failover.as_mut().unwrap().errors = Some(errors(&[bad]));
        assert!(world([("top", top.clone())]).codes().contains(&Code::BadValue), "{bad}");
    }
}

#[test]
fn so_many_of_a_hundred_are_copied() {
    let world = world([("top", mirroring("a", &[("b", 10), ("c", 50)]))]);
    let mut counts = BTreeMap::<String, usize>::new();
    for _ in 0..100 {
        let (leaf, way) = go(&world, &HeaderMap::new());
        assert_eq!(leaf.as_deref(), Some("a"));
        assert_eq!(way.copied_body, (!way.copies.is_empty()).then_some(None));
        for copy in way.copies {
            *counts.entry(copy.local.to_string()).or_default() += 1;
        }
    }
    assert_eq!(counts, BTreeMap::from([("b".to_owned(), 10), ("c".to_owned(), 50)]));
}

#[test]
fn a_client_keeps_its_service_by_its_address() {
    let services = ["a", "b", "c"].map(|name| WeightedMember { name: name.to_owned(), weight: 1 });
    let hrw = HighestRandomWeight { services: services.into(), health_check: None };
    let world =
        world([("top", declared(ServiceOptions { highest_random_weight: Some(hrw), ..ServiceOptions::default() }))]);
    let top = world.table.service_place(&file("top")).unwrap();
    let headers = HeaderMap::new();
    let leaf = |n: u8| {
        let asked = Asked { cookies: (&headers).into(), client: Some([192, 168, 1, n].into()) };
        world.table.leaf(top, &asked, &mut Way::default()).unwrap()
    };
    let before: Vec<_> = (0..=255).map(leaf).collect();
    assert_eq!(before, (0..=255).map(leaf).collect::<Vec<_>>());
    assert_eq!(before.iter().collect::<std::collections::BTreeSet<_>>().len(), 3, "all have clients");
    set(&world, 1, flag::GONE);
    let gone = world.table.service_place(&file("b")).unwrap();
    for (before, after) in before.into_iter().zip((0..=255).map(leaf)) {
        assert!(before == after || (before == gone && after != gone), "only its own clients move");
    }
}

#[test]
fn what_cannot_be_used_is_off_and_says_why() {
    let several = ServiceOptions {
        failover: failover("a", "b").value.options.failover,
        weighted: weighted(&[("a", 1)], None).value.options.weighted,
        ..ServiceOptions::default()
    };
    let mut guarded = service(vec![server(5, 1)]);
    guarded.value.options.middlewares = vec!["m".to_owned()];
    type Case = (&'static str, Vec<(&'static str, Declared<model::Service>)>, Code, &'static str);
    let cases: Vec<Case> = vec![
        ("no such child", vec![("top", failover("a", "nope"))], Code::BrokenChild, "nope@docker"),
        ("itself", vec![("top", failover("a", "top"))], Code::ServiceLoop, "top@docker"),
        ("a circle", vec![("top", failover("a", "x")), ("x", failover("top", "b"))], Code::ServiceLoop, "top@docker"),
        ("leads to one", vec![("top", failover("a", "x")), ("x", failover("x", "b"))], Code::BrokenChild, "top@docker"),
        (
            "a broken child",
            vec![("top", failover("a", "x")), ("x", failover("a", "nope"))],
            Code::BrokenChild,
            "x@docker",
        ),
        ("several kinds", vec![("top", declared(several))], Code::ServiceKinds, "weighted, failover"),
        ("nobody", vec![("top", weighted(&[], None))], Code::EmptyService, "top@docker"),
        ("percent", vec![("top", mirroring("a", &[("b", 101)]))], Code::BadValue, "101"),
        ("no name", vec![("top", failover("a", ""))], Code::BrokenChild, "@docker"),
    ];
    for (what, services, code, text) in cases {
        let world = world(services);
        let found = world.table.diagnostics.iter().find(|d| d.code == code && d.message.contains(text));
        assert!(found.is_some(), "{what}: {:?}", world.table.diagnostics);
        assert!(world.table.service_place(&file("top")).is_none(), "{what}");
        let route = &world.entry_point().routes[0];
        assert!(matches!(route.target, crate::RouteTarget::Quarantined(_)), "{what}: {:?}", route.target);
    }
}

#[test]
fn it_is_there_again_once_its_child_is() {
    let mut world = world([("top", failover("a", "d"))]);
    assert!(world.table.service_place(&file("top")).is_none());
    let mut mended = config([("top", failover("a", "d"))]);
    mended.services.insert(file("d"), service(vec![server(9, 1)]));
    world.apply(mended);
    assert_eq!(next(&world), "a");
    assert_eq!(world.codes(), []);
    world.apply(config([("top", failover("a", "d"))]));
    assert!(world.table.service_place(&file("top")).is_none());
}

#[test]
fn depth_and_size_are_bounded() {
    let names: Vec<&'static str> = (0..40).map(|n| &*Box::leak(format!("s{n:02}").into_boxed_str())).collect();
    let chain = names.windows(2).map(|w| (w[0], weighted(&[(w[1], 1)], None)));
    let deep = world(chain.chain([("s39", service(vec![server(9, 1)])), ("top", weighted(&[("s00", 1)], None))]));
    assert!(deep.codes().contains(&Code::ServiceQuarantined));
    assert!(deep.table.service_place(&file("top")).is_none());
    let doubled = names.windows(2).take(12).map(|w| (w[0], weighted(&[(w[1], 1), (w[1], 1)], None)));
    let wide = world(doubled.chain([("s12", service(vec![server(9, 1)])), ("top", weighted(&[("s00", 1)], None))]));
    assert!(wide.codes().contains(&Code::ServiceQuarantined));
}

proptest! {
    #[test]
    fn any_graph_compiles_and_every_way_ends(edges in prop::collection::vec((0..6usize, 0..9usize), 0..14)) {
        const NAMES: [&str; 9] = ["top", "u", "v", "w", "x", "y", "a", "b", "nope"];
        let mut members = BTreeMap::<usize, Vec<(&str, i64)>>::new();
        for (from, to) in edges {
            members.entry(from).or_default().push((NAMES[to], 1));
        }
        let services: Vec<_> = members.iter().map(|(from, to)| (NAMES[*from], weighted(to, None))).collect();
        let fresh = world(services.clone());
        for place in 0..fresh.table.services.len() {
            let leaf = fresh.table.leaf(place, &(&HeaderMap::new()).into(), &mut Way::default());
            prop_assert!(leaf.is_some_and(|leaf| fresh.table.services[leaf].composite.is_none()));
        }
        // The same from another table as from nothing.
        let mut changed = world([("top", failover("a", "u")), ("u", failover("x", "b"))]);
        changed.apply(config(services));
        let shown = |world: &World| {
            let names: Vec<String> = world.table.services.iter().map(|s| s.label.to_string()).collect();
            (names, world.codes())
        };
        prop_assert_eq!(shown(&changed), shown(&fresh));
    }
}
