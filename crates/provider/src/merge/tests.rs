#![allow(clippy::unwrap_used)]

use seaway_config::model::DockerHealth;

use super::*;
use crate::docker::Container;
use crate::testing::{build, container, replica};

fn running(partial: &Partial) -> Standing {
    if partial.well { Standing::Ready } else { Standing::Running }
}

fn merged(containers: impl IntoIterator<Item = Container>) -> Merged {
    merge_with(&mut Holders::default(), containers)
}

fn merge_with(holders: &mut Holders, containers: impl IntoIterator<Item = Container>) -> Merged {
    let (merged, now) = merge("docker", &build(containers).partials, holders, &running);
    *holders = now;
    merged
}

fn at(created: &str, container: Container) -> Container {
    Container { created: format!("2026-11-20T10:00:{created}Z"), ..container }
}

fn urls(merged: &Merged, service: &str) -> Vec<String> {
    merged.services[service].object.value.servers.iter().map(|s| s.url.to_string()).collect()
}

fn codes(merged: &Merged) -> Vec<(Code, String)> {
    merged.diagnostics.iter().map(|f| (f.diagnostic.code, f.whose.to_string())).collect()
}

fn is_off<T>(owned: &Owned<T>) -> bool {
    owned.object.quarantine.is_some()
}

#[test]
fn row_3_replicas_become_servers_of_one_service_in_natural_order() {
    let merged = merged((1..=11).rev().map(|n| replica("shop", "web", n, &[])));
    let names: Vec<_> = merged.services["web-shop"].object.value.servers.iter().map(|s| s.name.to_string()).collect();
    assert_eq!(names, (1..=11).map(|n| format!("web-{n}")).collect::<Vec<_>>());
    assert_eq!((merged.routers.len(), merged.undecided, codes(&merged)), (1, false, vec![]));
}

#[test]
fn row_8_of_different_owners_the_older_keeps_its_service() {
    let service = |value| [("traefik.http.services.S.loadbalancer.passhostheader", value)];
    let merged = merged([
        at("02", container("a", "10.0.0.2", &service("false"))),
        at("01", container("b", "10.0.0.3", &service("true"))),
    ]);
    assert_eq!(urls(&merged, "S"), ["http://10.0.0.3:80"], "the newcomer's server does not join");
    assert_eq!(merged.services["S"].owner, Owner::Container("b".to_owned()));
    assert!(!is_off(&merged.routers["b"]));
    assert!(is_off(&merged.routers["a"]), "the newcomer's router meant its own service");
    let fault = merged.routers["a"].object.quarantine.as_ref().unwrap();
    assert!(fault.message.contains("service S@docker"), "{fault}");
}

#[test]
fn row_8_of_one_owner_the_newest_definition_counts_and_all_servers_stay() {
    let service = |value| [("traefik.http.services.S.loadbalancer.passhostheader", value)];
    let merged = merged([
        at("01", replica("shop", "web", 1, &service("true"))),
        at("02", replica("shop", "web", 2, &service("false"))),
    ]);
    assert_eq!(urls(&merged, "S"), ["http://10.0.0.11:80", "http://10.0.0.12:80"]);
    let options = &merged.services["S"].object.value.options;
    assert!(!options.load_balancer.as_ref().unwrap().pass_host_header);
    assert_eq!(codes(&merged)[0].0, Code::DefinitionChanged);
    assert!(merged.undecided);
}

#[test]
fn row_9_three_middlewares_a_b_a() {
    let middleware = |name: &str, prefix| {
        let (rule, uses) =
            (format!("traefik.http.routers.{name}.rule"), format!("traefik.http.routers.{name}.middlewares"));
        let labels = [
            ("traefik.http.middlewares.M.addprefix.prefix", prefix),
            (rule.as_str(), "Host(`r`)"),
            (uses.as_str(), "M"),
        ];
        container(name, "10.0.0.2", &labels)
    };
    let merged = merged([
        at("01", middleware("one", "/a")),
        at("02", middleware("two", "/b")),
        at("03", middleware("three", "/a")),
    ]);
    assert_eq!(merged.middlewares["M"].owner, Owner::Container("one".to_owned()));
    assert!(!is_off(&merged.middlewares["M"]));
    assert!(!is_off(&merged.routers["one"]) && !is_off(&merged.routers["three"]));
    assert!(is_off(&merged.routers["two"]), "it would get another's middleware in place of its own");
    let who: Vec<_> = codes(&merged);
    assert_eq!(who, vec![(Code::NameConflict, "container two".to_owned()); 2]);
}

#[test]
fn row_10_identical_routers_are_one() {
    let labels = [("traefik.http.routers.R.rule", "Host(`r`)"), ("traefik.http.routers.R.service", "S")];
    let merged = merged([container("a", "10.0.0.2", &labels), container("b", "10.0.0.3", &labels)]);
    assert_eq!((merged.routers.len(), codes(&merged)), (1, vec![]));
}

#[test]
fn row_11_same_router_other_service() {
    let labels = [("traefik.http.routers.R.rule", "Host(`r`)")];
    let merged = merged([at("01", container("a", "10.0.0.2", &labels)), at("02", container("b", "10.0.0.3", &labels))]);
    assert_eq!(merged.routers["R"].object.value.service, "a");
    assert!(!is_off(&merged.routers["R"]));
    assert_eq!(merged.services.len(), 2, "both services stay");
    assert_eq!(codes(&merged), [(Code::NameConflict, "container b".to_owned())]);
    let told = &merged.diagnostics[0].diagnostic;
    assert_eq!((&*told.origin.resource, &*told.origin.key), ("b", "traefik.http.routers.R.rule"));
    assert!(told.fix.contains("R-b"), "{}", told.fix);
}

#[test]
fn who_held_a_name_first_keeps_it_though_an_older_container_comes() {
    let labels = [("traefik.http.routers.R.rule", "Host(`r`)")];
    let mut holders = Holders::default();
    let young = || at("09", container("young", "10.0.0.2", &labels));
    let old = || at("01", container("old", "10.0.0.3", &labels));
    merge_with(&mut holders, [young()]);
    let both = merge_with(&mut holders, [young(), old()]);
    assert_eq!(both.routers["R"].object.value.service, "young");
    let left = merge_with(&mut holders, [old()]);
    assert_eq!(left.routers["R"].object.value.service, "old");
    let back = merge_with(&mut holders, [young(), old()]);
    assert_eq!(back.routers["R"].object.value.service, "old", "it holds the name now");
}

#[test]
fn a_redeploy_takes_the_new_definition_once_the_new_container_is_ready() {
    let rule = |rule| [("traefik.http.routers.R.rule", rule)];
    let old = || at("01", replica("shop", "web", 1, &rule("Host(`old`)")));
    let new = |health| Container { health, ..at("02", replica("shop", "web", 2, &rule("Host(`new`)"))) };
    let starting = merged([old(), new(DockerHealth::Starting)]);
    assert_eq!(starting.routers["R"].object.value.rule, "Host(`old`)");
    assert!(starting.undecided, "readiness decides, so it must be asked again");
    assert_eq!(urls(&starting, "web-shop").len(), 2);
    assert_eq!(merged([old(), new(DockerHealth::Healthy)]).routers["R"].object.value.rule, "Host(`new`)");
    let leaving = |p: &Partial| if p.container.ends_with('1') { Standing::Leaving } else { Standing::Running };
    let parts = build([old(), new(DockerHealth::Starting)]).partials;
    let (stopped, _) = merge("docker", &parts, &Holders::default(), &leaving);
    assert_eq!(stopped.routers["R"].object.value.rule, "Host(`new`)");
}

#[test]
fn a_broken_new_definition_does_not_replace_a_good_one_and_its_server_stays_out() {
    let good = [("traefik.http.services.S.loadbalancer.server.port", "80")];
    let bad = [good[0], ("traefik.http.services.S.middelwares", "auth")];
    let merged = merged([at("01", replica("shop", "web", 1, &good)), at("02", replica("shop", "web", 2, &bad))]);
    assert!(!is_off(&merged.services["S"]));
    assert_eq!(urls(&merged, "S"), ["http://10.0.0.11:80"], "what was to protect the new server is unknown");
}

#[test]
fn when_every_definition_is_broken_the_object_is_off() {
    let bad = [("traefik.http.routers.R.rule", "Host(`r`)"), ("traefik.http.routers.R.middelwares", "auth")];
    let merged = merged((1..=3).map(|n| replica("shop", "web", n, &bad)));
    assert!(is_off(&merged.routers["R"]));
    let unknown = merged.diagnostics.iter().filter(|f| f.diagnostic.code == Code::UnknownOption).count();
    assert_eq!(unknown, 1, "three replicas say it once: {:?}", merged.diagnostics);
}

#[test]
fn a_chain_that_names_a_refused_middleware_is_refused_with_its_routers() {
    let holder = [("traefik.http.middlewares.auth.addprefix.prefix", "/a")];
    let newcomer = [
        ("traefik.http.middlewares.auth.addprefix.prefix", "/b"),
        ("traefik.http.middlewares.inner.chain.middlewares", "auth"),
        ("traefik.http.middlewares.outer.chain.middlewares", "inner@docker"),
        ("traefik.http.routers.N.rule", "Host(`n`)"),
        ("traefik.http.routers.N.middlewares", "outer"),
    ];
    let merged =
        merged([at("01", container("a", "10.0.0.2", &holder)), at("02", container("b", "10.0.0.3", &newcomer))]);
    assert!(is_off(&merged.middlewares["inner"]) && is_off(&merged.middlewares["outer"]));
    assert!(is_off(&merged.routers["N"]));
    assert!(!is_off(&merged.middlewares["auth"]) && !is_off(&merged.routers["a"]));
}

#[test]
fn the_same_text_meant_differently_does_not_merge() {
    // Both routers read the same, but the newcomer's `auth` is not the one it would get.
    let labels = |prefix| {
        [
            ("traefik.http.middlewares.auth.addprefix.prefix", prefix),
            ("traefik.http.services.S.loadbalancer.passhostheader", "true"),
            ("traefik.http.services.S.middlewares", "auth"),
        ]
    };
    let merged = merged([
        at("01", container("a", "10.0.0.2", &labels("/a"))),
        at("02", container("b", "10.0.0.3", &labels("/b"))),
    ]);
    assert_eq!(urls(&merged, "S"), ["http://10.0.0.2:80"], "b's server does not go behind a's middleware");
    assert!(is_off(&merged.routers["b"]));
}

#[test]
fn references_to_another_provider_or_to_what_nobody_refused_are_left_alone() {
    let holder = [("traefik.http.middlewares.auth.addprefix.prefix", "/a")];
    let newcomer = [
        ("traefik.http.middlewares.auth.addprefix.prefix", "/b"),
        ("traefik.http.routers.N.rule", "Host(`n`)"),
        ("traefik.http.routers.N.middlewares", "auth@file"),
    ];
    let third = [("traefik.http.routers.T.rule", "Host(`t`)"), ("traefik.http.routers.T.middlewares", "auth")];
    let merged = merged([
        at("01", container("a", "10.0.0.2", &holder)),
        at("02", container("b", "10.0.0.3", &newcomer)),
        at("03", container("c", "10.0.0.4", &third)),
    ]);
    assert!(!is_off(&merged.routers["N"]) && !is_off(&merged.routers["T"]));
}

#[test]
fn one_url_is_one_server_and_the_newer_containers() {
    let url = [("traefik.http.services.S.loadbalancer.server.url", "http://10.9.9.9:80")];
    let merged = merged([at("01", container("a", "10.0.0.2", &url)), at("02", container("b", "10.0.0.3", &url))]);
    assert_eq!(urls(&merged, "S"), ["http://10.9.9.9:80"]);
    assert_eq!(&*merged.services["S"].object.value.servers[0].origin.resource, "b");
}

#[test]
fn the_outcome_does_not_depend_on_the_order_of_the_containers() {
    let rule = |rule| [("traefik.http.routers.R.rule", rule)];
    let make = || {
        vec![
            at("03", container("c", "10.0.0.4", &rule("Host(`c`)"))),
            at("01", replica("shop", "web", 1, &rule("Host(`w1`)"))),
            at("01", container("b", "10.0.0.3", &rule("Host(`b`)"))),
            at("04", replica("shop", "web", 2, &rule("Host(`w2`)"))),
        ]
    };
    let mut parts = build(make()).partials;
    let (straight, _) = merge("docker", &parts, &Holders::default(), &running);
    parts.reverse();
    let (mut reversed, _) = merge("docker", &parts, &Holders::default(), &running);
    let sorted = |merged: &mut Merged| merged.diagnostics.sort_by_key(|f| f.diagnostic.to_string());
    let mut straight = straight;
    sorted(&mut straight);
    sorted(&mut reversed);
    assert_eq!(straight, reversed);
    assert_eq!(straight.routers["R"].owner, Owner::Container("b".to_owned()), "same age: the smaller id");
}
