#![allow(clippy::unwrap_used)]

use seaway_config::model::{Config, DockerHealth};
use seaway_routing::compile::{CompileOptions, compile};
use seaway_routing::state::{Notice, StateRegistry, flag};

use super::*;
use crate::docker::{Builder, Container};
use crate::merge::{Holders, Standing, merge};
use crate::testing::{options, replica, snapshot};

/// Tables as the reconciler makes them, without its timing.
struct World {
    registry: StateRegistry,
    builder: Builder,
    table: RoutingTable,
    story: Story,
    now: Millis,
}

impl World {
    fn new() -> Self {
        let builder = Builder::new(options());
        let registry = StateRegistry::new(1);
        Self { registry, builder, table: RoutingTable::default(), story: Story::default(), now: Millis(1000) }
    }

    fn set(&mut self, containers: impl IntoIterator<Item = Container>) -> Vec<String> {
        let built = self.builder.build(&snapshot(containers));
        let merged = merge("docker", &built.partials, &mut Holders::default(), &|_| Standing::Ready);
        let mut config = Config::default();
        merged.add_to(&mut config, "docker");
        let options = CompileOptions::default();
        self.table = compile(Arc::new(config), &self.registry, Some(&self.table), &options, self.now);
        self.story.tell(&self.table, self.now, Some(Duration::from_millis(6)))
    }

    fn later(&mut self, ms: u64) -> Vec<String> {
        self.now.0 += ms;
        self.story.tell(&self.table, self.now, None)
    }

    fn probe(&self) {
        for state in self.registry.servers() {
            state.clear(flag::UNPROBED);
        }
    }
}

fn web(numbers: impl IntoIterator<Item = u8>) -> Vec<Container> {
    numbers.into_iter().map(|n| replica("shop", "web", n, &[])).collect()
}

#[test]
fn scaling_up_and_down() {
    let mut world = World::new();
    assert_eq!(world.set(web(1..=2)), ["web-shop 0 (+web-1 +web-2) starting, routed in 6 ms"]);
    world.probe();
    assert_eq!(world.later(12), ["web-shop 0→2 (+web-1 +web-2) ready after 12 ms"]);
    assert!(world.later(500).is_empty(), "nothing new, nothing told");
    world.set(web(1..=5));
    world.probe();
    assert_eq!(world.later(240), ["web-shop 2→5 (+web-3 +web-4 +web-5) ready after 240 ms"]);
    for n in 3..=5 {
        world.registry.notify(&format!("shop-web-{n}"), Notice::Terminating, world.now);
    }
    assert_eq!(world.later(5), ["web-shop 5→2 (−web-3 −web-4 −web-5) terminating"]);
    assert!(world.set(web(1..=2)).is_empty(), "their end is no news");
}

#[test]
fn a_burst_in_two_steps_is_told_in_two_lines() {
    let mut world = World::new();
    world.set(web(1..=2));
    world.registry.servers().iter().find(|s| &*s.identity().container == "shop-web-2").unwrap().clear(flag::UNPROBED);
    assert_eq!(world.later(3), ["web-shop 0→1 (+web-2) ready after 3 ms"]);
    world.probe();
    assert_eq!(world.later(997), ["web-shop 1→2 (+web-1) ready after 1.0 s"]);
}

#[test]
fn why_servers_left() {
    let mut world = World::new();
    world.set(web(1..=4));
    world.probe();
    world.later(1);
    world.registry.notify("shop-web-1", Notice::Paused, world.now);
    world.registry.notify("shop-web-2", Notice::Health(DockerHealth::Unhealthy), world.now);
    assert_eq!(world.later(1), ["web-shop 4→2 (−web-1 −web-2) paused and unhealthy"]);
    world.registry.notify("shop-web-3", Notice::Ended, world.now);
    assert_eq!(world.later(1), ["web-shop 2→1 (−web-3) ended"]);
    world.registry.notify("shop-web-1", Notice::Unpaused, world.now);
    assert_eq!(world.later(70), ["web-shop 1→2 (+web-1) ready after 71 ms"]);
}

#[test]
fn a_recreated_container_is_told_as_both() {
    let mut world = World::new();
    world.set(web([1]));
    world.probe();
    world.later(1);
    world.registry.notify("shop-web-1", Notice::Ended, world.now);
    let recreated = Container { id: "another".to_owned(), ..replica("shop", "web", 1, &[]) };
    assert_eq!(world.set([recreated]), ["web-shop 1→0 (+web-1 starting, routed in 6 ms, −web-1 ended)"]);
}

#[test]
fn the_last_server_and_the_service_itself() {
    let mut world = World::new();
    world.set(web([1]));
    world.probe();
    world.later(1);
    let empty = |mut c: Container| {
        c.networks.clear();
        c
    };
    assert_eq!(
        world.set(web([1]).into_iter().map(empty)),
        ["web-shop 1→0 (−web-1) removed: no server left, its route stays for now"]
    );
    assert!(world.set([]).is_empty());
}

#[test]
fn a_flapping_pool_is_summed_up() {
    let mut world = World::new();
    world.set(web([1]));
    let mut told = 0;
    for _ in 0..500 {
        world.probe();
        told += world.later(2).len();
        world.registry.servers()[0].set(flag::UNPROBED);
        told += world.later(2).len();
    }
    assert_eq!(told, 19, "one line was told before");
    let due = world.story.next_line().unwrap();
    assert_eq!(due, Millis(11_000));
    assert_eq!(world.story.sum_up(due), ["web-shop 0: 981 more changes in the last 10 s"]);
    assert_eq!(world.story.next_line(), None);
}

#[test]
fn times_are_readable() {
    let of = |us| milliseconds(Duration::from_micros(us));
    assert_eq!(
        [of(400), of(6000), of(6300), of(240_400), of(2_100_000)],
        ["0.4 ms", "6 ms", "6.3 ms", "240 ms", "2.1 s"]
    );
}
