//! A table that was made from the one before is the table that nothing but its configuration would give.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use seaway_config::model::{Condition, DockerHealth};

use super::*;
use crate::state::Notice;
use crate::{Route, RoutingTable};

/// Something that happens between two tables.
#[derive(Clone, Debug)]
enum Change {
    Router { name: usize, rule: usize, service: usize, middlewares: usize, priority: i64, entry_point: usize },
    Service { name: usize, servers: u8, middlewares: usize, off: bool, condition: usize },
    Middleware { name: usize, what: usize },
    NoRouter(usize),
    NoService(usize),
    NoMiddleware(usize),
    Notice(u8, usize),
    Own(bool),
    Later(u64),
}

const RULES: [&str; 5] =
    ["Host(`a.test`)", "Host(`b.test`) && Path(`/x`)", "PathPrefix(`/`)", "Hots(`a`)", "Path(`/x`)"];
const SERVICES: [&str; 6] = ["s0", "s1", "s2", "s3", "ss", "api@internal"];
const LISTS: [&[&str]; 6] = [&[], &["m0"], &["m1", "m2"], &["m2", "none"], &["m3"], &["m0", "m0"]];
const POINTS: [&[&str]; 4] = [&[], &["other"], &["web", "other"], &["nowhere"]];
const NOTICES: [Notice; 5] =
    [Notice::Terminating, Notice::Ended, Notice::Paused, Notice::Unpaused, Notice::Health(DockerHealth::Unhealthy)];

fn change() -> impl Strategy<Value = Change> {
    let small = 0..4usize;
    prop_oneof![
        4 => (0..5usize, 0..5usize, 0..6usize, 0..6usize, -1i64..3, 0..4usize).prop_map(
            |(name, rule, service, middlewares, priority, entry_point)| {
                Change::Router { name, rule, service, middlewares, priority, entry_point }
            }
        ),
        4 => (small.clone(), 0..4u8, 0..6usize, prop::bool::weighted(0.2), 0..4usize).prop_map(
            |(name, servers, middlewares, off, condition)| Change::Service { name, servers, middlewares, off, condition }
        ),
        2 => (small.clone(), 0..5usize).prop_map(|(name, what)| Change::Middleware { name, what }),
        1 => (0..5usize).prop_map(Change::NoRouter),
        1 => small.clone().prop_map(Change::NoService),
        1 => small.prop_map(Change::NoMiddleware),
        2 => (1..4u8, 0..5usize).prop_map(|(server, what)| Change::Notice(server, what)),
        1 => any::<bool>().prop_map(Change::Own),
        1 => (0..20_000u64).prop_map(Change::Later),
    ]
}

/// The same world twice: once each table is made from the one before, once from nothing.
struct Twins {
    made_on: World,
    anew: World,
    config: Config,
}

impl Twins {
    fn take(&mut self, change: &Change) {
        let owned = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        match *change {
            Change::Router { name, rule, service, middlewares, priority, entry_point } => {
                let (name, mut declared) = router(&format!("r{name}"), RULES[rule], SERVICES[service]);
                declared.value.middlewares = owned(LISTS[middlewares]);
                declared.value.priority = priority;
                declared.value.entry_points = owned(POINTS[entry_point]);
                self.config.routers.insert(name, declared);
            }
            Change::Service { name, servers, middlewares, off, condition } => {
                let health = [DockerHealth::None, DockerHealth::Healthy, DockerHealth::Unhealthy][condition.min(2)];
                let stop_timeout = Duration::from_secs(10);
                let condition = Condition { health, paused: condition == 3, stop_timeout, ..Condition::default() };
                let found = (1..=servers).map(|n| {
                    let mut found = server(n, u32::from(n));
                    found.condition = Condition { assume_ready: true, running: true, ..condition.clone() };
                    found
                });
                let mut declared = crate::testing::service(found.collect());
                declared.value.options.middlewares = owned(LISTS[middlewares]);
                let declared = if off { quarantined(declared, Code::BadServerUrl) } else { declared };
                self.config.services.insert(docker(&format!("s{name}")), declared);
            }
            Change::Middleware { name, what } => {
                let value = match what {
                    0 | 1 => strip(&format!("/{what}")),
                    2 => chain(&["m0", "m3"]),
                    3 => chain(&["m1"]),
                    _ => Middleware::Broken {},
                };
                self.config.middlewares.extend([middleware(&format!("m{name}"), value)]);
            }
            Change::NoRouter(name) => drop(self.config.routers.remove(&docker(&format!("r{name}")))),
            Change::NoService(name) => drop(self.config.services.remove(&docker(&format!("s{name}")))),
            Change::NoMiddleware(name) => drop(self.config.middlewares.remove(&docker(&format!("m{name}")))),
            Change::Notice(server, what) => {
                for world in [&self.made_on, &self.anew] {
                    world.registry.notify(&format!("container-{server}"), NOTICES[what], world.now);
                }
                return;
            }
            Change::Own(own) => {
                for world in [&mut self.made_on, &mut self.anew] {
                    world.options.own_container = own.then(|| "web-1".into());
                }
            }
            Change::Later(by) => {
                for world in [&mut self.made_on, &mut self.anew] {
                    world.now.0 += by;
                }
            }
        }
        let config = Arc::new(self.config.clone());
        self.made_on.apply(self.config.clone());
        let World { registry, options, now, table } = &mut self.anew;
        *table = compile(config, registry, None, options, *now);
        registry.collect_garbage();
    }
}

/// All of a table that is not shared with the one before by intention.
#[derive(Debug, PartialEq)]
struct Shown {
    routes: BTreeMap<String, Vec<String>>,
    services: Vec<String>,
    infos: String,
    middlewares: Vec<Name>,
    diagnostics: Vec<Diagnostic>,
}

fn shown(table: &RoutingTable) -> Shown {
    let target = |route: &Route| match &route.target {
        RouteTarget::Service(place) => table.services[*place].label.to_string(),
        other => format!("{other:?}"),
    };
    let route = |route: &Route| {
        let Route { name, priority, matcher, chain, access_log, .. } = route;
        format!("{name} {priority} {} {chain:?} {} {access_log}", matcher.rule(), target(route))
    };
    let server = |server: &crate::Server| {
        format!("{} {} {:?} {:08b}", server.name, server.weight, server.state.identity(), server.state.flags())
    };
    let service = |service: &Arc<crate::Service>| {
        let servers: Vec<_> = service.servers.iter().map(server).collect();
        format!("{} {} {servers:?} {}", service.name, service.label, service.pass_host_header)
    };
    let mut middlewares: Vec<_> = table.middlewares.keys().cloned().collect();
    middlewares.sort();
    let routes =
        table.entry_points.iter().map(|(name, point)| (name.to_string(), point.routes.iter().map(route).collect()));
    Shown {
        routes: routes.collect(),
        services: table.services.iter().map(service).collect(),
        infos: format!("{:#?}", table.routers),
        middlewares,
        diagnostics: table.diagnostics.to_vec(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn it_makes_no_difference_from_which_table_one_is_made(changes in prop::collection::vec(change(), 1..40)) {
        let mut twins = Twins { made_on: World::default(), anew: World::default(), config: Config::default() };
        for change in changes {
            twins.take(&change);
            let (made_on, anew) = (shown(&twins.made_on.table), shown(&twins.anew.table));
            prop_assert_eq!(made_on, anew, "after {:?}", change);
            for host in ["a.test", "b.test", "c.test"] {
                let head = get(host, "/x");
                let find = |world: &World| Some(world.table.entry_points.get("web")?.find(&head)?.name.clone());
                prop_assert_eq!(find(&twins.made_on), find(&twins.anew));
            }
        }
    }
}

#[test]
fn a_change_of_servers_leaves_every_route_as_it_is() {
    let mut world = World::new(config(|_| ()));
    let before = Arc::clone(&world.table.entry_points["web"]);
    let mut grown = (*world.table.config).clone();
    grown.services.insert(docker("web"), service(vec![server(1, 1), server(2, 1)]));
    world.apply(grown);
    assert_eq!(world.web().servers.len(), 2);
    assert!(Arc::ptr_eq(&before, &world.table.entry_points["web"]));
}

#[test]
fn a_new_service_leaves_the_others_as_they_are() {
    let mut world = World::new(config(|_| ()));
    let before = Arc::clone(&world.table.services[0]);
    let mut grown = (*world.table.config).clone();
    grown.services.insert(docker("a"), service(vec![server(2, 1)]));
    world.apply(grown);
    assert!(Arc::ptr_eq(&before, &world.table.services[1]), "it has another place");
    assert_eq!(outcome(&world).1, RouteTarget::Service(1), "and its routes know");
}
