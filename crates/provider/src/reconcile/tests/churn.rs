//! Random but repeatable histories of an engine, told with notices early and snapshots late, as a real one's are.

use std::collections::{BTreeMap, HashSet};

use seaway_config::model::DockerHealth;

use super::*;
use crate::testing::Dice;

/// The engine's truth.
#[derive(Default)]
struct Engine {
    containers: BTreeMap<String, Container>,
    terminating: HashSet<String>,
    started: u32,
    /// The last step ended a container and started it again.
    restarted: bool,
}

impl Engine {
    /// Something happens; what an event says about it at once.
    fn step(&mut self, dice: &mut Dice) -> Option<(String, Notice)> {
        let at = usize::try_from(dice.roll(self.containers.len().max(1) as u64)).unwrap();
        let id = self.containers.keys().nth(at).cloned();
        let action = dice.roll(8);
        let Some(id) = id.filter(|_| action >= 2) else {
            if self.containers.len() >= 12 {
                return None;
            }
            self.started += 1;
            // Few addresses and few numbers: both come again under another container.
            let number = u8::try_from(1 + dice.roll(12)).unwrap();
            let used: HashSet<_> = self.containers.values().map(|c| c.networks[0].ipv4).collect();
            let fresh = replica("shop", "web", number, &[]);
            if !used.contains(&fresh.networks[0].ipv4) {
                let id = format!("{:04}", self.started);
                self.containers.insert(id.clone(), Container { id, started_at: self.started.to_string(), ..fresh });
            }
            return None;
        };
        let container = self.containers.get_mut(&id)?;
        self.restarted = action == 4;
        let notice = match action {
            2 => Notice::Terminating,
            3 => {
                self.containers.remove(&id);
                self.terminating.remove(&id);
                Notice::Ended
            }
            // Started again at once: the end is told, the start is seen by its time.
            4 => {
                self.started += 1;
                container.started_at = self.started.to_string();
                (container.paused, container.health) = (false, DockerHealth::None);
                self.terminating.remove(&id);
                Notice::Ended
            }
            5 => {
                container.paused = !container.paused;
                if container.paused { Notice::Paused } else { Notice::Unpaused }
            }
            6 => {
                container.health = DockerHealth::Unhealthy;
                Notice::Health(DockerHealth::Unhealthy)
            }
            _ => {
                container.health = DockerHealth::Healthy;
                Notice::Health(DockerHealth::Healthy)
            }
        };
        Some((id, notice))
    }

    fn may_serve(&self, id: &str) -> bool {
        let well = |c: &Container| !c.paused && c.health != DockerHealth::Unhealthy;
        self.containers.get(id).is_some_and(well) && !self.terminating.contains(id)
    }
}

/// Ready servers by container.
fn ready(world: &World) -> Vec<String> {
    let table = world.table();
    let servers = table.services.iter().flat_map(|s| s.servers.iter());
    servers.filter(|s| s.state.is_ready()).map(|s| s.state.identity().container.to_string()).collect()
}

#[tokio::test(start_paused = true)]
async fn what_may_not_serve_never_does_and_what_may_does_in_the_end() {
    for seed in 0..crate::testing::seeds(30) {
        let (world, mut dice, mut engine) = (World::new(), Dice(seed), Engine::default());
        world.send([]);
        let mut routed = false;
        for step in 0..150 {
            let notice = engine.step(&mut dice);
            // Two runs without a word between them are one.
            let heard = notice.is_none() || engine.restarted || dice.roll(10) > 0;
            if let (Some((id, notice)), true) = (&notice, heard) {
                world.notice(id, *notice);
                // A signal that was not heard leaves no trace in any snapshot.
                if *notice == Notice::Terminating {
                    engine.terminating.insert(id.clone());
                }
                settle().await;
                let serving = ready(&world);
                if matches!(notice, Notice::Terminating | Notice::Ended | Notice::Paused) {
                    assert!(!serving.contains(id), "seed {seed} step {step}: {id} serves after {notice:?}");
                }
            }
            if !heard || dice.roll(3) == 0 {
                world.send(engine.containers.values().cloned());
                settle().await;
                for id in ready(&world) {
                    assert!(engine.may_serve(&id), "seed {seed} step {step}: {id} serves after a snapshot");
                }
            }
            pass(dice.roll(9)).await;
            world.probe();
            routed |= !engine.containers.is_empty() && world.rule("web-shop@docker").is_some();
            assert!(!routed || world.rule("web-shop@docker").is_some(), "seed {seed} step {step}: the route is gone");
        }
        world.send(engine.containers.values().cloned());
        pass(30).await;
        world.probe();
        // Who ended again and again has to stay up for a while.
        pass(5_000).await;
        let mut serving = ready(&world);
        serving.sort();
        let expected: Vec<String> = engine.containers.keys().filter(|id| engine.may_serve(id)).cloned().collect();
        assert_eq!(serving, expected, "seed {seed}");
        assert_eq!(world.table().services[0].servers.len(), engine.containers.len(), "seed {seed}");
    }
}
