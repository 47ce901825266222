//! Random but repeatable histories: an engine whose events come late, whose inspects take their time, whose lists are
//! taken in between.

use seaway_config::model::DockerHealth;

use super::*;
use crate::docker::events::Health;
use crate::testing::{Dice, seeds};
use crate::{UpdateReceiver, updates};

#[derive(Default)]
struct Engine {
    containers: BTreeMap<String, Container>,
    /// Events that were not delivered yet.
    events: VecDeque<Event>,
    started: u32,
    clock: u64,
}

impl Engine {
    fn emit(&mut self, id: &str, action: Action) {
        self.clock += 1;
        self.events.push_back(Event { container: id.to_owned(), action, at: EngineTime(self.clock) });
    }

    fn start(&mut self, id: &str) {
        self.started += 1;
        let started_at = self.started.to_string();
        let fresh = Container { id: id.to_owned(), started_at, ..Container::default() };
        self.containers.insert(id.to_owned(), fresh);
        self.emit(id, Action::Start);
    }

    /// Something happens to one of a few containers.
    fn step(&mut self, dice: &mut Dice) {
        let at = usize::try_from(dice.roll(5)).unwrap_or(0);
        let id = match self.containers.keys().nth(at) {
            Some(id) => id.clone(),
            // An id never comes again.
            None => return self.start(&format!("c{}", self.started)),
        };
        let Some(container) = self.containers.get_mut(&id).filter(|c| c.running) else {
            return if dice.roll(4) > 0 {
                self.start(&id);
            } else if self.containers.remove(&id).is_some() {
                self.emit(&id, Action::Destroy);
            };
        };
        match dice.roll(8) {
            0 => self.emit(&id, Action::Kill(SIGTERM)),
            1 | 2 => {
                (container.running, container.paused) = (false, false);
                self.emit(&id, Action::Die);
                if dice.roll(2) == 0 {
                    self.emit(&id, Action::Stop);
                }
                match dice.roll(3) {
                    0 => self.start(&id),
                    1 => {
                        self.containers.remove(&id);
                        self.emit(&id, Action::Destroy);
                    }
                    _ => {}
                }
            }
            3 => {
                container.paused = !container.paused;
                let action = if container.paused { Action::Pause } else { Action::Unpause };
                self.emit(&id, action);
            }
            4 => {
                container.health = DockerHealth::Unhealthy;
                self.emit(&id, Action::Health(Health::Unhealthy));
            }
            5 => {
                container.health = DockerHealth::Healthy;
                self.emit(&id, Action::Health(Health::Healthy));
            }
            _ => {
                container.name = format!("name-{}", dice.roll(100));
                self.emit(&id, Action::Rename);
            }
        }
    }

    fn list(&self) -> Vec<ListedContainer> {
        let listed = |c: &Container| ListedContainer { id: c.id.clone(), alive: c.running };
        self.containers.values().map(listed).collect()
    }
}

/// A watcher's state with the calls that are under way: each inspect has its answer from a moment of its choice.
struct World {
    engine: Engine,
    state: State,
    receiver: UpdateReceiver,
    now: Instant,
    asked: Vec<(String, Option<Option<Container>>)>,
    list: Option<Option<Vec<ListedContainer>>>,
    /// What the reconciler was told last.
    snapshot: BTreeMap<String, Container>,
}

impl World {
    fn new() -> Self {
        let (sender, receiver) = updates();
        let mut state = State::new(sender, Timing::default());
        state.begin_session();
        let (engine, snapshot) = (Engine::default(), BTreeMap::new());
        Self { engine, state, receiver, now: Instant::now(), asked: Vec::new(), list: None, snapshot }
    }

    fn deliver(&mut self) {
        if let Some(event) = self.engine.events.pop_front() {
            self.state.event(event, self.now);
        }
    }

    fn ask(&mut self) {
        while let Some(id) = self.state.next_inspect(self.now) {
            self.asked.push((id, None));
        }
    }

    /// An inspect is answered, or its answer arrives.
    fn answer(&mut self, at: usize) {
        let Some((id, answer)) = self.asked.get_mut(at) else { return };
        match answer {
            None => *answer = Some(self.engine.containers.get(id).cloned()),
            Some(_) => {
                let (id, answer) = self.asked.swap_remove(at);
                assert_eq!(self.state.inspected(&id, Ok(answer.flatten()), self.now), None);
            }
        }
    }

    fn list(&mut self) {
        match self.list.take() {
            None if self.state.may_list() => {
                self.state.begin_list();
                self.list = Some(None);
            }
            None => {}
            Some(None) => self.list = Some(Some(self.engine.list())),
            Some(Some(list)) => drop(self.state.listed(list, self.now)),
        }
    }

    /// Takes what the reconciler is told, and checks that it is no step back.
    fn hear(&mut self, what: &str) {
        self.state.publish(self.now);
        while let Ok(update) = self.receiver.try_recv() {
            match update {
                Update::Snapshot(all) => {
                    self.snapshot = all.iter().map(|c| (c.id.clone(), Container::clone(c))).collect();
                    for known in all.iter() {
                        let told = self.engine.events.iter().all(|event| event.container != known.id);
                        let truth = self.engine.containers.get(&known.id);
                        if told && known.running {
                            let truth =
                                truth.filter(|c| c.running).unwrap_or_else(|| panic!("{what}: {known:?} runs no more"));
                            assert!(!truth.paused || known.paused, "{what}: {known:?} is paused");
                            assert!(
                                truth.health != DockerHealth::Unhealthy || known.health == truth.health,
                                "{what}: {known:?}"
                            );
                        }
                    }
                }
                Update::Notice { container, notice: Notice::Ended, .. } => {
                    if let Some(known) = self.snapshot.get_mut(&container) {
                        known.running = false;
                    }
                }
                _ => {}
            }
        }
    }

    fn quiet(&mut self, what: &str) {
        for _ in 0..10_000 {
            self.deliver();
            self.ask();
            self.answer(0);
            self.now += Duration::from_millis(5);
            self.hear(what);
            if self.engine.events.is_empty() && self.asked.is_empty() && self.state.next_due().is_none() {
                break;
            }
        }
        self.hear(what);
        assert!(
            !matches!(self.state.resync, Resync::Inspecting { .. }),
            "{what}: it waits for nobody: {:?}",
            self.state.resync
        );
        self.now += Duration::from_secs(1);
        self.hear(what);
    }
}

#[test]
fn whatever_comes_when_the_truth_wins_and_nothing_dead_is_raised() {
    for seed in 0..seeds(300) {
        let (mut world, mut dice) = (World::new(), Dice(seed));
        for step in 0..300 {
            let what = format!("seed {seed} step {step}");
            match dice.roll(9) {
                0 | 1 => world.engine.step(&mut dice),
                2 | 3 => world.deliver(),
                4 => world.ask(),
                5 | 6 => {
                    let at = usize::try_from(dice.roll(world.asked.len().max(1) as u64)).unwrap_or(0);
                    world.answer(at);
                }
                7 => world.list(),
                _ => world.now += Duration::from_millis(dice.roll(20)),
            }
            world.hear(&what);
        }
        world.quiet(&format!("seed {seed} at the end"));
        let alive = |all: &BTreeMap<String, Container>| -> Vec<Container> {
            all.values().filter(|c| c.running).cloned().collect()
        };
        let first_list_done = !matches!(world.state.resync, Resync::AwaitsList);
        if first_list_done {
            assert_eq!(alive(&world.snapshot), alive(&world.engine.containers), "seed {seed}");
        }
    }
}
