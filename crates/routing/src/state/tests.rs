//! The life of a server, told by the engine's events and by what inspects say, on a virtual clock.

#![allow(clippy::unwrap_used)]

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use seaway_config::model::{Condition, DockerHealth, Identity};

use super::{Notice, Phase, ServerState, StateRegistry, flag};
use crate::Millis;

/// One container with one address, seen by one registry.
struct Scene {
    registry: StateRegistry,
    now: Millis,
    condition: Condition,
    state: Arc<ServerState>,
}

fn identity(container: &str, address: &str) -> Identity {
    Identity { container: container.into(), network: "net".into(), address: address.into() }
}

impl Scene {
    /// A container that has just been started and inspected.
    fn new(health: DockerHealth) -> Self {
        let registry = StateRegistry::new(2);
        let condition = Condition { health, started_at: "first".into(), ..Condition::default() };
        let state = registry.adopt(&identity("web", "10.0.0.1:80"), &condition, Millis(1_000));
        Self { registry, now: Millis(1_000), condition, state }
    }

    /// The same, with a port that accepts.
    fn ready() -> Self {
        let scene = Self::new(DockerHealth::None);
        assert!(scene.probe());
        assert_eq!(scene.phase(), Phase::Ready);
        scene
    }

    fn probe(&self) -> bool {
        self.state.clear(flag::UNPROBED)
    }

    fn event(&mut self, notice: Notice) -> Phase {
        self.later(10);
        self.registry.notify("web", notice, self.now);
        self.phase()
    }

    fn inspect(&mut self, change: impl FnOnce(&mut Condition)) -> Phase {
        change(&mut self.condition);
        let state = self.registry.adopt(&identity("web", "10.0.0.1:80"), &self.condition, self.now);
        assert!(Arc::ptr_eq(&state, &self.state));
        self.phase()
    }

    fn later(&mut self, millis: u64) {
        self.now.0 += millis;
    }

    fn phase(&self) -> Phase {
        self.state.phase()
    }
}

#[test]
fn a_port_that_accepts_makes_a_new_server_ready() {
    let mut scene = Scene::new(DockerHealth::None);
    assert_eq!(scene.phase(), Phase::Starting);
    assert_eq!(scene.state.last_ready(scene.now), None);
    scene.inspect(|_| ());
    assert_eq!(scene.phase(), Phase::Starting, "an inspect says nothing about the port");
    assert!(scene.probe());
    assert_eq!(scene.phase(), Phase::Ready);
    assert_eq!(scene.inspect(|_| ()), Phase::Ready);
}

#[test]
fn a_health_check_gates_as_well_in_any_order() {
    let mut scene = Scene::new(DockerHealth::Starting);
    assert!(!scene.probe(), "the port alone is not enough");
    assert_eq!(scene.phase(), Phase::Unhealthy);
    assert_eq!(scene.event(Notice::Health(DockerHealth::Healthy)), Phase::Ready);
    assert_eq!(scene.event(Notice::Health(DockerHealth::Unhealthy)), Phase::Unhealthy);
    assert_eq!(scene.inspect(|it| it.health = DockerHealth::Healthy), Phase::Ready);

    let mut scene = Scene::new(DockerHealth::Starting);
    assert_eq!(scene.event(Notice::Health(DockerHealth::Healthy)), Phase::Starting);
    assert!(scene.probe());
    assert_eq!(scene.phase(), Phase::Ready);
}

#[test]
fn docker_stop_terminates_at_the_signal() {
    let mut scene = Scene::ready();
    assert_eq!(scene.event(Notice::Terminating), Phase::Terminating);
    assert!(scene.state.is_last_resort() && !scene.state.keeps_sessions());
    // An inspect in between finds it running.
    assert_eq!(scene.inspect(|_| ()), Phase::Terminating);
    scene.later(337);
    assert_eq!(scene.event(Notice::Ended), Phase::Gone);
    assert!(!scene.state.is_last_resort());
    assert_eq!(scene.inspect(|it| it.running = false), Phase::Gone);
}

#[test]
fn a_container_that_ignores_the_signal_is_killed() {
    let mut scene = Scene::ready();
    scene.event(Notice::Terminating);
    scene.later(10_000);
    assert_eq!(scene.event(Notice::Terminating), Phase::Terminating, "the second signal is 9");
    assert_eq!(scene.event(Notice::Ended), Phase::Gone);
}

#[test]
fn a_crash_has_no_signal() {
    let mut scene = Scene::ready();
    assert_eq!(scene.event(Notice::Ended), Phase::Gone);
}

#[test]
fn a_pause_takes_it_out_and_puts_it_back() {
    let mut scene = Scene::ready();
    assert_eq!(scene.event(Notice::Paused), Phase::Paused);
    assert!(!scene.state.is_last_resort());
    assert_eq!(scene.inspect(|it| it.paused = true), Phase::Paused);
    assert_eq!(scene.event(Notice::Unpaused), Phase::Ready);
    assert_eq!(scene.inspect(|it| it.paused = false), Phase::Ready);
}

#[test]
fn the_unpause_of_a_stop_does_not_readmit() {
    let mut scene = Scene::ready();
    scene.event(Notice::Paused);
    assert_eq!(scene.event(Notice::Terminating), Phase::Terminating);
    assert_eq!(scene.event(Notice::Unpaused), Phase::Terminating);
    assert!(!scene.state.is_ready());
    assert_eq!(scene.inspect(|_| ()), Phase::Terminating);
    assert_eq!(scene.event(Notice::Ended), Phase::Gone);
}

#[test]
fn a_network_that_is_taken_away_and_given_back() {
    let mut scene = Scene::ready();
    assert!(scene.registry.disconnect("web", "another").is_empty());
    assert!(scene.registry.disconnect("another", "net").is_empty());
    assert_eq!(scene.registry.disconnect("web", "net").len(), 1);
    assert_eq!(scene.phase(), Phase::Gone);
    assert_eq!(scene.state.last_ready(scene.now), Some(Millis(1_000)));
    // Connected again with the same address: its port has to be seen anew.
    assert_eq!(scene.inspect(|_| ()), Phase::Starting);
    assert!(scene.probe());
    // With another address it is another server.
    let other = scene.registry.adopt(&identity("web", "10.0.0.7:80"), &scene.condition, scene.now);
    assert_ne!(other.id(), scene.state.id());
    assert_eq!(other.phase(), Phase::Starting);
}

#[test]
fn a_restart_is_gated_anew_with_the_same_state() {
    let mut scene = Scene::ready();
    scene.event(Notice::Terminating);
    scene.event(Notice::Ended);
    assert_eq!(scene.event(Notice::Started), Phase::Starting);
    assert_eq!(scene.inspect(|it| it.started_at = "second".into()), Phase::Starting);
    assert!(scene.probe());
    assert_eq!(scene.phase(), Phase::Ready);
}

#[test]
fn a_restart_that_only_an_inspect_tells_of_is_gated_anew() {
    let mut scene = Scene::ready();
    scene.event(Notice::Terminating);
    assert_eq!(scene.inspect(|it| it.started_at = "second".into()), Phase::Starting);
    assert!(scene.probe());
    // Its event comes late, and takes nothing away from the clients that it has by now.
    assert_eq!(scene.event(Notice::Started), Phase::Ready);
}

#[test]
fn a_restart_waits_for_health_before_any_inspect_says_so() {
    let mut scene = Scene::new(DockerHealth::Healthy);
    assert!(scene.probe());
    scene.event(Notice::Ended);
    scene.event(Notice::Started);
    assert!(!scene.probe(), "the port accepts before the inspect has come");
    assert_eq!(scene.phase(), Phase::Unhealthy);
    assert_eq!(
        scene.inspect(|it| {
            it.started_at = "second".into();
            it.health = DockerHealth::Starting;
        }),
        Phase::Starting
    );
    scene.probe();
    assert_eq!(scene.event(Notice::Health(DockerHealth::Healthy)), Phase::Ready);
}

#[test]
fn who_survives_the_stop_signal_is_taken_back_after_its_stop_timeout() {
    let mut scene = Scene::ready();
    scene.condition.stop_timeout = Duration::from_secs(3);
    scene.event(Notice::Terminating);
    scene.later(5_000);
    assert_eq!(scene.inspect(|_| ()), Phase::Terminating, "3 s and 2 s are not over yet");
    scene.later(1);
    assert_eq!(scene.inspect(|_| ()), Phase::Starting);
    assert!(scene.probe());
    assert_eq!(scene.phase(), Phase::Ready);
}

#[test]
fn the_time_runs_from_the_last_signal() {
    let mut scene = Scene::ready();
    scene.event(Notice::Terminating);
    scene.later(10_000);
    scene.event(Notice::Terminating);
    scene.later(11_000);
    assert_eq!(scene.inspect(|_| ()), Phase::Terminating);
    scene.later(2_000);
    assert_eq!(scene.inspect(|_| ()), Phase::Starting);
}

#[test]
fn who_survives_unwell_is_taken_back_when_it_is_well() {
    let mut scene = Scene::new(DockerHealth::Healthy);
    scene.probe();
    scene.event(Notice::Terminating);
    scene.later(60_000);
    scene.inspect(|it| it.health = DockerHealth::Unhealthy);
    scene.probe();
    assert_eq!(scene.phase(), Phase::Unhealthy);
    assert_eq!(scene.event(Notice::Health(DockerHealth::Healthy)), Phase::Ready);
}

#[test]
fn who_has_ended_is_not_taken_back_by_time() {
    let mut scene = Scene::ready();
    scene.event(Notice::Terminating);
    scene.event(Notice::Ended);
    scene.later(60_000);
    assert_eq!(scene.inspect(|it| it.running = false), Phase::Gone);
}

#[test]
fn flapping_ends_where_the_last_event_says() {
    let mut scene = Scene::new(DockerHealth::Starting);
    scene.probe();
    for _ in 0..100 {
        assert_eq!(scene.event(Notice::Health(DockerHealth::Healthy)), Phase::Ready);
        assert_eq!(scene.event(Notice::Health(DockerHealth::Unhealthy)), Phase::Unhealthy);
    }
    for _ in 0..100 {
        assert_eq!(scene.event(Notice::Ended), Phase::Gone);
        assert_eq!(scene.event(Notice::Started), Phase::Starting);
    }
    scene.probe();
    assert_eq!(scene.event(Notice::Health(DockerHealth::Healthy)), Phase::Ready);
}

#[test]
fn a_server_without_a_network_in_common_is_unreachable() {
    let mut scene = Scene::ready();
    assert_eq!(scene.inspect(|it| it.unreachable = true), Phase::Unreachable);
    assert_eq!(scene.inspect(|it| it.unreachable = false), Phase::Ready);
}

#[test]
fn a_persons_wish_and_the_engines_signal_are_two_things() {
    let mut scene = Scene::ready();
    assert!(scene.state.set(flag::DRAINING));
    assert_eq!(scene.phase(), Phase::Draining);
    assert!(scene.state.keeps_sessions() && !scene.state.is_ready());
    assert_eq!(scene.event(Notice::Terminating), Phase::Terminating);
    assert!(!scene.state.keeps_sessions() && !scene.state.is_last_resort());
    scene.event(Notice::Ended);
    scene.event(Notice::Started);
    assert!(!scene.probe(), "the wish outlives a restart");
    assert_eq!(scene.phase(), Phase::Draining);
    assert!(scene.state.clear(flag::DRAINING));
}

#[test]
fn when_it_last_was_ready() {
    let mut scene = Scene::ready();
    scene.later(90_000);
    assert_eq!(scene.state.last_ready(scene.now), Some(scene.now));
    scene.event(Notice::Terminating);
    let left = scene.now;
    scene.later(5_000);
    scene.event(Notice::Ended);
    assert_eq!(scene.state.last_ready(scene.now), Some(left));
}

#[test]
fn an_event_reaches_every_address_of_its_container_and_no_other() {
    let registry = StateRegistry::new(1);
    let ready = Condition { assume_ready: true, ..Condition::default() };
    let adopt = |container, address| registry.adopt(&identity(container, address), &ready, Millis(1));
    let (a, b, c) = (adopt("web", "10.0.0.1:80"), adopt("web", "10.0.0.1:81"), adopt("api", "10.0.0.2:80"));
    assert_eq!(registry.notify("web", Notice::Terminating, Millis(2)).len(), 2);
    assert_eq!(registry.notify("web", Notice::Terminating, Millis(3)).len(), 0, "nothing changes twice");
    assert_eq!([&a, &b, &c].map(|s| s.phase()), [Phase::Terminating, Phase::Terminating, Phase::Ready]);
    // The same address in another container is another server, whatever the first one was doing.
    let heir = adopt("heir", "10.0.0.1:80");
    a.enter(0);
    assert_eq!((heir.phase(), heir.in_flight(), a.in_flight()), (Phase::Ready, 0, 1));
}

#[test]
fn only_what_nobody_points_at_is_forgotten() {
    let registry = StateRegistry::new(1);
    let kept = registry.adopt(&identity("web", "10.0.0.1:80"), &Condition::default(), Millis(1));
    drop(registry.adopt(&identity("web", "10.0.0.2:80"), &Condition::default(), Millis(1)));
    registry.collect_garbage();
    assert_eq!(registry.servers().iter().map(|s| s.id()).collect::<Vec<_>>(), [kept.id()]);
    drop(kept);
    registry.collect_garbage();
    assert!(registry.servers().is_empty());
}

#[derive(Clone, Debug)]
enum Act {
    /// A request to server `n` starts on worker `w`.
    Start(u8, usize),
    /// The `n`th running request ends.
    End(usize),
    /// A table with these servers replaces the one in force.
    Table(Vec<u8>),
    /// The engine says something about server `n`.
    Event(u8, Notice),
}

fn act() -> impl Strategy<Value = Act> {
    let notice = prop::sample::select(vec![
        Notice::Terminating,
        Notice::Ended,
        Notice::Paused,
        Notice::Unpaused,
        Notice::Started,
        Notice::Health(DockerHealth::Unhealthy),
        Notice::Health(DockerHealth::Healthy),
    ]);
    prop_oneof![
        4 => (0u8..6, 0usize..4).prop_map(|(n, worker)| Act::Start(n, worker)),
        4 => any::<prop::sample::Index>().prop_map(|at| Act::End(at.index(1 << 16))),
        1 => prop::collection::vec(0u8..6, 0..6).prop_map(Act::Table),
        1 => (0u8..6, notice).prop_map(|(n, notice)| Act::Event(n, notice)),
    ]
}

proptest! {
    /// Counts follow the requests, not the tables: they never underflow and come back to nothing.
    #[test]
    fn in_flight_is_exact_over_tables_and_events(acts in prop::collection::vec(act(), 0..200)) {
        let registry = StateRegistry::new(4);
        let mut table: HashMap<u8, Arc<ServerState>> = HashMap::new();
        let mut running: Vec<(Arc<ServerState>, usize)> = Vec::new();
        let mut now = Millis(1);
        for act in acts {
            now.0 += 1;
            match act {
                Act::Start(n, worker) => {
                    if let Some(state) = table.get(&n) {
                        state.enter(worker);
                        running.push((Arc::clone(state), worker));
                    }
                }
                Act::End(at) if !running.is_empty() => {
                    let (state, worker) = running.swap_remove(at % running.len());
                    state.leave(worker);
                }
                Act::End(_) => {}
                Act::Table(servers) => {
                    let adopt = |n: u8| {
                        let identity = identity(&n.to_string(), &format!("10.0.0.{n}:80"));
                        (n, registry.adopt(&identity, &Condition::default(), now))
                    };
                    table = servers.into_iter().map(adopt).collect();
                    registry.collect_garbage();
                }
                Act::Event(n, notice) => drop(registry.notify(&n.to_string(), notice, now)),
            }
            let mut expected: HashMap<u64, u32> = HashMap::new();
            for (state, _) in &running {
                *expected.entry(state.id()).or_default() += 1;
            }
            for state in registry.servers() {
                prop_assert_eq!(state.in_flight(), expected.remove(&state.id()).unwrap_or_default());
            }
            prop_assert!(expected.is_empty(), "a running request keeps its server's state known");
        }
        for (state, worker) in running.drain(..) {
            state.leave(worker);
            prop_assert!(state.in_flight() < 1 << 16);
        }
        for state in registry.servers() {
            prop_assert_eq!(state.in_flight(), 0);
        }
    }
}
