#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use seaway_config::model::{Config, DockerHealth};
use seaway_routing::compile::{CompileOptions, compile};
use seaway_routing::state::{Notice, StateRegistry, flag};

use super::*;
use crate::docker::{Builder, Container};
use crate::merge::{Merger, Standing};
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
        let mut merger = Merger::new("docker", Config::default());
        merger.update(built.partials, &|_| Standing::Ready);
        let options = CompileOptions::default();
        self.table = compile(Arc::new(merger.config().clone()), &self.registry, Some(&self.table), &options, self.now);
        self.story.tell(&self.table, self.now, self.now)
    }

    /// Everything that is told in this time, when it is due.
    fn later(&mut self, ms: u64) -> Vec<String> {
        let end = Millis(self.now.0 + ms);
        let mut lines = Vec::new();
        while let Some(due) = self.story.next_line().filter(|due| *due <= end) {
            assert!(due > self.now || lines.is_empty(), "what is told is not due any more");
            self.now = due.max(self.now);
            lines.extend(self.story.tell(&self.table, self.now, self.now));
        }
        self.now = end;
        lines.extend(self.story.tell(&self.table, end, end));
        lines
    }

    /// Ports accept; the reconciler hears of it at once.
    fn probe(&mut self, numbers: impl IntoIterator<Item = u8>) {
        let servers = self.registry.servers();
        for n in numbers {
            let container = format!("shop-web-{n}");
            servers.iter().filter(|s| *s.identity().container == *container).for_each(|s| {
                s.clear(flag::UNPROBED);
            });
        }
        self.story.note(self.now);
    }

    fn notice(&mut self, n: u8, notice: Notice) {
        self.registry.notify(&format!("shop-web-{n}"), notice, self.now);
        self.story.note(self.now);
    }
}

fn web(numbers: impl IntoIterator<Item = u8>) -> Vec<Container> {
    numbers.into_iter().map(|n| replica("shop", "web", n, &[])).collect()
}

#[test]
fn scaling_up_and_down() {
    let mut world = World::new();
    assert!(world.set(web(1..=2)).is_empty(), "they are ready in a moment");
    assert!(world.later(3).is_empty());
    world.probe(1..=2);
    assert_eq!(world.later(60), ["web-shop 0→2 (+web-1 +web-2) routed in 3 ms"]);
    assert!(world.later(500).is_empty(), "nothing new, nothing told");
    world.set(web(1..=5));
    world.later(240);
    world.probe(3..=5);
    assert_eq!(world.later(60), ["web-shop 2→5 (+web-3 +web-4 +web-5) routed in 240 ms"]);
    (3..=5).for_each(|n| world.notice(n, Notice::Terminating));
    assert_eq!(world.later(0), ["web-shop 5→2 (−web-3 −web-4 −web-5) terminating"], "losses do not wait");
    assert!(world.set(web(1..=2)).is_empty(), "their end is no news");
    assert!(world.later(10_000).is_empty());
}

#[test]
fn the_time_counts_from_the_first_news_to_readiness_and_not_to_the_telling() {
    let mut world = World::new();
    world.story.heard("shop-web-1", world.now);
    world.later(14);
    world.set(web([1]));
    world.later(2);
    world.probe([1]);
    assert_eq!(world.later(1000), ["web-shop 0→1 (+web-1) routed in 16 ms"]);
}

#[test]
fn who_keeps_people_waiting_is_told_with_the_reason() {
    let mut world = World::new();
    let mut containers = web(1..=4);
    containers[1].health = DockerHealth::Starting;
    containers[2].health = DockerHealth::Starting;
    containers[3].paused = true;
    world.set(containers);
    world.probe([3, 4]);
    assert_eq!(
        world.later(300),
        ["web-shop 0 (+web-4 paused, +web-3 starting: waits for its health check, \
          +web-1 starting: waits for port 80, +web-2 starting: waits for port 80 and its health check)"]
    );
    assert!(world.later(2000).is_empty(), "said once");
    world.probe(1..=2);
    world.notice(2, Notice::Health(DockerHealth::Healthy));
    assert_eq!(world.later(60), ["web-shop 0→2 (+web-1 +web-2) ready after 2.3 s"]);
}

#[test]
fn servers_that_become_ready_together_share_a_line() {
    let mut world = World::new();
    world.set(web(1..=12));
    for n in [10, 2, 12, 1] {
        world.later(10);
        world.probe([n]);
    }
    assert_eq!(world.later(20), ["web-shop 0→4 (+web-1 +web-2 +web-10 +web-12) routed in 40 ms"]);
    world.probe([3]);
    world.notice(1, Notice::Ended);
    assert_eq!(world.later(0), ["web-shop 4 (+web-3 routed in 60 ms, −web-1 ended)"], "who leaves takes all along");
}

#[test]
fn why_servers_left() {
    let mut world = World::new();
    world.set(web(1..=4));
    world.probe(1..=4);
    world.later(60);
    world.notice(1, Notice::Paused);
    world.notice(2, Notice::Health(DockerHealth::Unhealthy));
    assert_eq!(world.later(1), ["web-shop 4→2 (−web-1 −web-2) paused and unhealthy"]);
    world.notice(3, Notice::Ended);
    assert_eq!(world.later(1), ["web-shop 2→1 (−web-3) ended"]);
    world.later(70);
    world.notice(1, Notice::Unpaused);
    assert_eq!(world.later(60), ["web-shop 1→2 (+web-1) ready again after 71 ms"]);
}

#[test]
fn a_recreated_container_is_told_as_both() {
    let mut world = World::new();
    world.set(web([1]));
    world.probe([1]);
    world.later(60);
    world.notice(1, Notice::Ended);
    let recreated = Container { id: "shop-web-9".to_owned(), ..replica("shop", "web", 1, &[]) };
    assert_eq!(world.set([recreated]), ["web-shop 1→0 (−web-1) ended"]);
    world.probe([9]);
    assert_eq!(world.later(60), ["web-shop 0→1 (+web-1) routed in less than 1 ms"]);
}

#[test]
fn the_last_server_and_the_service_itself() {
    let mut world = World::new();
    world.set(web([1]));
    world.probe([1]);
    world.later(60);
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
fn who_never_was_ready_leaves_without_a_word() {
    let mut world = World::new();
    world.set(web(1..=2));
    world.probe([1]);
    world.later(60);
    assert!(world.set(web([1])).is_empty());
    assert!(world.later(1000).is_empty());
}

#[test]
fn a_flapping_pool_is_summed_up() {
    let mut world = World::new();
    world.set(web([1]));
    world.probe([1]);
    assert_eq!(world.later(60).len(), 1);
    let (start, mut told) = (world.now, 0);
    for _ in 0..100 {
        world.notice(1, Notice::Paused);
        told += world.later(2).len();
        world.notice(1, Notice::Unpaused);
        told += world.later(60).len();
    }
    assert_eq!(told, 19, "one line was told before");
    let due = world.story.next_line().unwrap();
    assert!(due.since(start) < Duration::from_secs(10));
    assert_eq!(world.later(10_000), ["web-shop 1: 181 more changes in the last 10 s"]);
    assert_eq!(world.story.next_line(), None);
}
