#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use seaway_config::Config;

use crate::testing::{World, docker, get, router, server, service};

const HOSTS: [&str; 9] =
    ["a.test", "B.test", "x.a.test", "x.a.test.", "y.a.test", "test", "deep.x.a.test", "other.org", "A.TEST."];

fn host() -> impl Strategy<Value = String> {
    prop::sample::select(HOSTS.to_vec()).prop_map(str::to_owned)
}

fn path() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["/", "/a", "/a/b", "/ab", "/a%20b"]).prop_map(str::to_owned)
}

fn leaf() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => host().prop_map(|host| format!("Host(`{host}`)")),
        2 => prop::sample::select(vec!["*.a.test", "*.test", "*.A.Test.", "*"]).prop_map(|host| format!("Host(`{host}`)")),
        1 => Just("HostRegexp(`^x\\.`)".to_owned()),
        1 => path().prop_map(|path| format!("Path(`{path}`)")),
        2 => path().prop_map(|path| format!("PathPrefix(`{path}`)")),
        1 => Just("Method(`GET`)".to_owned()),
    ]
}

fn rule() -> impl Strategy<Value = String> {
    leaf().prop_recursive(3, 8, 3, |inner| {
        prop_oneof![
            inner.clone().prop_map(|a| format!("!({a})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} && {b})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} || {b})")),
            (inner.clone(), inner.clone(), inner).prop_map(|(a, b, c)| format!("({a} || {b}) && {c}")),
        ]
    })
}

fn world(rules: &[(String, i64)]) -> World {
    let routers = rules
        .iter()
        .enumerate()
        .map(|(n, (rule, priority))| {
            let (name, mut declared) = router(&format!("r{n}"), rule, "web");
            declared.value.priority = *priority;
            (name, declared)
        })
        .collect();
    let services = [(docker("web"), service(vec![server(1, 1)]))].into();
    World::new(Config { routers, services, ..Config::default() })
}

proptest! {
    #[test]
    fn the_index_finds_what_a_scan_finds(
        rules in prop::collection::vec((rule(), -2i64..4), 1..40),
        requests in prop::collection::vec((host(), path()), 1..12),
    ) {
        let world = world(&rules);
        let table = world.entry_point();
        prop_assert_eq!(table.routes.len(), rules.len());
        for (host, path) in requests {
            let head = get(&host, &path);
            let by_index = table.find(&head).map(|route| &*route.name);
            let by_scan = table.find_by_scan(&head).map(|route| &*route.name);
            prop_assert_eq!(by_index, by_scan, "{} {}", host, path);
        }
    }
}

#[test]
fn many_routers_give_the_same_verdict_as_few() {
    for count in [1, 99, 100, 101, 10_000] {
        let rules: Vec<_> = (0..count)
            .map(|n| match n % 3 {
                0 => (format!("Host(`H{n}.Test`)"), 0),
                1 => (format!("Host(`*.h{n}.test`) || Host(`h{n}.test`)"), 0),
                _ => (format!("PathPrefix(`/p{n}/`)"), 0),
            })
            .collect();
        let world = world(&rules);
        let table = world.entry_point();
        for n in (0..count).step_by(count / 7 + 1) {
            let (host, path) = match n % 3 {
                0 => (format!("h{n}.TEST:80"), "/".to_owned()),
                1 => (format!("X.h{n}.test."), "/".to_owned()),
                _ => ("unknown".to_owned(), format!("/p{n}/x")),
            };
            let head = get(&host, &path);
            let found = table.find(&head).map(|route| route.name.to_string());
            assert_eq!(found, Some(format!("r{n}@docker")), "{count} routers, {host}{path}");
            assert_eq!(found, table.find_by_scan(&head).map(|route| route.name.to_string()));
        }
        assert!(table.find(&get("nobody.test", "/")).is_none());
    }
}

#[test]
fn priority_then_name_decides_whatever_the_index_a_router_is_in() {
    let rules = [
        ("Host(`a.test`)", 5),
        ("PathPrefix(`/`)", 9),
        ("Host(`*.test`)", 7),
        ("Host(`*.test`) && PathPrefix(`/first`)", 9),
        ("HostRegexp(`^a`) && Path(`/x`)", 100),
    ];
    let world = world(&rules.map(|(rule, priority)| (rule.to_owned(), priority)));
    let found = |path| world.entry_point().find(&get("a.test", path)).map(|route| route.name.to_string()).unwrap();
    assert_eq!(found("/x"), "r4@docker");
    assert_eq!(found("/"), "r1@docker");
    assert_eq!(found("/first"), "r1@docker", "equal priority: the name decides");
    let order: Vec<_> = world.entry_point().routes.iter().map(|route| &*route.name).collect();
    assert_eq!(order, ["r4@docker", "r1@docker", "r3@docker", "r2@docker", "r0@docker"]);
}

/// What a lookup looks at: slots of the index, and rules.
fn looks(world: &World, host: &str) -> (usize, bool) {
    let mut looks = 0;
    let found = world.entry_point().search(&get(host, "/a"), &mut || looks += 1);
    (looks, found.is_some())
}

#[test]
fn a_lookup_looks_at_no_more_among_ten_thousand_hosts_than_among_one() {
    let rule = |n: usize| match n % 3 {
        0 => format!("Host(`h{n}.test`)"),
        1 => format!("Host(`h{n}.test`, `www.h{n}.test`)"),
        _ => format!("Host(`h{n}.test`) && PathPrefix(`/a`)"),
    };
    let world =
        |count: usize| world(&(0..count).map(|n| (rule(n).replace("`, `", "`) || Host(`"), 0)).collect::<Vec<_>>());
    assert_eq!(looks(&world(1), "h0.test"), (1, true));
    let world = world(10_000);
    let (mut all, mut worst) = (0, 0);
    for n in 0..10_000 {
        let (seen, found) = looks(&world, &format!("h{n}.test"));
        assert!(found);
        (all, worst) = (all + seen, worst.max(seen));
        assert!(!looks(&world, &format!("n{n}.test")).1);
    }
    assert!(all < 25_000, "{all} looks for 10,000 lookups, a third of them with a path to compare");
    assert!(worst <= 64, "{worst} looks");
}

#[test]
fn what_the_host_settles_is_not_asked_again() {
    for (rule, rules_looked_at) in [
        ("Host(`a.test`)", 0),
        ("Host(`a.test`) || Host(`*.test`)", 0),
        ("Host(`a.test`) && PathPrefix(`/a`)", 1),
        ("PathPrefix(`/a`) && (Host(`b.test`) || Host(`a.test`))", 1),
        ("(Host(`a.test`) && PathPrefix(`/a`)) || Host(`b.test`)", 1),
        ("Host(`a.test`) && Host(`*.test`)", 1),
    ] {
        let world = world(&[(rule.to_owned(), 0)]);
        let (seen, found) = looks(&world, "a.test");
        assert!(found, "{rule}");
        assert!((1 + rules_looked_at..=2 + rules_looked_at).contains(&seen), "{rule}: {seen}");
    }
    let world = world(&[("Host(`a.test`) && Host(`b.test`)".to_owned(), 0)]);
    assert!(!looks(&world, "a.test").1);
}
