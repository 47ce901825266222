//! An engine inside the process: containers that can be started, signalled and ended by a call. Its updates go the way of
//! every other provider's, so that what is shown with it is what a Docker Engine gets.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use seaway_config::model::DockerHealth;
use seaway_routing::state::Notice;

use crate::docker::{Attachment, Container, Protocol};
use crate::snapshot::{EngineTime, Update, UpdateSender};

/// The engine.
#[derive(Debug)]
pub struct MemoryEngine {
    updates: UpdateSender,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    containers: BTreeMap<String, Arc<Container>>,
    /// Those that have been told to end.
    stopping: BTreeSet<String>,
    started: u64,
}

/// One replica of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replica {
    /// The container's id.
    pub id: String,
    /// Its number in the service, from 1.
    pub number: u32,
}

/// What scaling did: replicas that were started, and replicas that have been sent the stop signal. Whoever runs the
/// applications ends those and then says so with [`MemoryEngine::die`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scaled {
    /// Started, in order.
    pub started: Vec<Replica>,
    /// Told to end, the highest number first.
    pub stopping: Vec<Replica>,
}

const PROJECT: &str = "com.docker.compose.project";
const SERVICE: &str = "com.docker.compose.service";
const NUMBER: &str = "com.docker.compose.container-number";

impl MemoryEngine {
    /// An engine without containers; it says so.
    pub fn new(updates: UpdateSender) -> Self {
        let engine = Self { updates, inner: Mutex::default() };
        engine.publish(&engine.lock());
        engine
    }

    /// Brings a Compose service to `replicas` running containers, as `docker compose up --scale` does: the lowest free
    /// numbers are started, the highest are stopped. `start` starts the application of one replica and says where it
    /// listens.
    ///
    /// # Errors
    /// The first error of `start`; replicas that were started before it stay.
    pub fn scale<E>(
        &self,
        project: &str,
        service: &str,
        labels: &[(&str, &str)],
        replicas: u32,
        mut start: impl FnMut(u32) -> Result<SocketAddr, E>,
    ) -> Result<Scaled, E> {
        let mut scaled = Scaled::default();
        let mut running = self.replicas(project, service);
        let wanted = usize::try_from(replicas).unwrap_or(usize::MAX);
        while running.len() > wanted {
            let Some(replica) = running.pop() else { break };
            self.kill(&replica.id);
            scaled.stopping.push(replica);
        }
        for number in 1.. {
            if running.len() >= wanted {
                break;
            }
            if running.iter().any(|r| r.number == number) {
                continue;
            }
            let address = start(number)?;
            let number_text = number.to_string();
            let compose = [(PROJECT, project), (SERVICE, service), (NUMBER, number_text.as_str())];
            let all = labels.iter().chain(&compose).map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
            let id = self.start(&format!("{project}-{service}-{number}"), address, all.collect());
            let replica = Replica { id, number };
            running.push(replica.clone());
            scaled.started.push(replica);
        }
        Ok(scaled)
    }

    /// The running replicas of a service that have not been told to end, by number.
    pub fn replicas(&self, project: &str, service: &str) -> Vec<Replica> {
        let is = |c: &Container, key: &str, value: &str| c.labels.get(key).is_some_and(|v| v == value);
        let inner = self.lock();
        let of_service =
            |c: &&Arc<Container>| is(c, PROJECT, project) && is(c, SERVICE, service) && !inner.stopping.contains(&c.id);
        let replica =
            |c: &Arc<Container>| Some(Replica { id: c.id.clone(), number: c.labels.get(NUMBER)?.parse().ok()? });
        let mut replicas: Vec<Replica> = inner.containers.values().filter(of_service).filter_map(replica).collect();
        replicas.sort_by_key(|r| r.number);
        replicas
    }

    /// Starts a container whose application listens at `address`; gives its id.
    pub fn start(&self, name: &str, address: SocketAddr, labels: BTreeMap<String, String>) -> String {
        let mut inner = self.lock();
        inner.started += 1;
        // Ids look like an engine's, and none ever comes twice.
        let id = format!("{:016x}{:048x}", inner.started.wrapping_mul(0x9e37_79b9_7f4a_7c15), inner.started);
        let (ipv4, ipv6) = match address.ip() {
            IpAddr::V4(ip) => (Some(ip), None),
            IpAddr::V6(ip) => (None, Some(ip)),
        };
        let now = format!("{:020}", engine_time().0);
        let network = "memory".to_owned();
        let container = Container {
            id: id.clone(),
            name: name.to_owned(),
            labels,
            created: now.clone(),
            started_at: now,
            network_mode: network.clone(),
            networks: vec![Attachment { name: network.clone(), id: network, ipv4, ipv6 }],
            exposed: vec![(address.port(), Protocol::Tcp)],
            stop_timeout: Duration::from_secs(10),
            ..Container::default()
        };
        inner.containers.insert(id.clone(), Arc::new(container));
        self.publish(&inner);
        id
    }

    /// Sends the stop signal: the container gets no new requests, but lives until [`Self::die`].
    pub fn kill(&self, id: &str) {
        let mut inner = self.lock();
        if inner.containers.contains_key(id) {
            inner.stopping.insert(id.to_owned());
            self.notice(id, Notice::Terminating);
        }
    }

    /// The container's process has ended; the container is removed.
    pub fn die(&self, id: &str) {
        let mut inner = self.lock();
        inner.stopping.remove(id);
        if inner.containers.remove(id).is_some() {
            self.notice(id, Notice::Ended);
            self.publish(&inner);
        }
    }

    /// Freezes or thaws a container.
    pub fn pause(&self, id: &str, paused: bool) {
        self.change(id, if paused { Notice::Paused } else { Notice::Unpaused }, |c| c.paused = paused);
    }

    /// What the container's health check says from now on.
    pub fn health(&self, id: &str, health: DockerHealth) {
        self.change(id, Notice::Health(health), |c| c.health = health);
    }

    fn change(&self, id: &str, notice: Notice, change: impl FnOnce(&mut Container)) {
        let mut inner = self.lock();
        if let Some(container) = inner.containers.get_mut(id) {
            change(Arc::make_mut(container));
            self.notice(id, notice);
            self.publish(&inner);
        }
    }

    /// Updates are sent under the lock, so that they arrive in the order of what happened.
    fn publish(&self, inner: &Inner) {
        let snapshot = inner.containers.values().map(Arc::clone).collect();
        drop(self.updates.send(Update::Snapshot(Arc::new(snapshot))));
    }

    fn notice(&self, id: &str, notice: Notice) {
        drop(self.updates.send(Update::Notice { container: id.to_owned(), notice, at: engine_time() }));
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn engine_time() -> EngineTime {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    EngineTime(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::convert::Infallible;

    use super::*;
    use crate::snapshot::updates;

    fn address(number: u32) -> Result<SocketAddr, Infallible> {
        Ok(SocketAddr::from(([127, 0, 0, 1], 9000 + u16::try_from(number).unwrap())))
    }

    fn numbers(replicas: &[Replica]) -> Vec<u32> {
        replicas.iter().map(|r| r.number).collect()
    }

    #[test]
    fn scaling_takes_the_lowest_free_numbers_and_stops_the_highest() {
        let engine = MemoryEngine::new(updates().0);
        let scale = |n| engine.scale("demo", "web", &[], n, address).unwrap();
        assert_eq!(numbers(&scale(3).started), [1, 2, 3]);
        let down = scale(1);
        assert_eq!((numbers(&down.stopping), numbers(&down.started)), (vec![3, 2], vec![]));
        assert_eq!(numbers(&scale(2).started), [2], "a number is free once its container was told to end");
        engine.die(&engine.replicas("demo", "web")[0].id);
        assert_eq!(numbers(&scale(2).started), [1]);
        assert_eq!(engine.scale("demo", "other", &[], 1, |_| Err("no port left")), Err("no port left"));
    }

    #[test]
    fn it_says_what_an_engine_says_in_that_order() {
        let (sender, mut receiver) = updates();
        let engine = MemoryEngine::new(sender);
        let id = engine.scale("demo", "web", &[], 1, address).unwrap().started.remove(0).id;
        assert_eq!(id.len(), 64);
        engine.kill(&id);
        engine.pause(&id, true);
        engine.die(&id);
        engine.die(&id);
        engine.kill("nobody");
        let mut story = Vec::new();
        while let Ok(update) = receiver.try_recv() {
            story.push(match update {
                Update::Snapshot(all) => format!("{} paused={}", all.len(), all.iter().any(|c| c.paused)),
                Update::Notice { notice, .. } => format!("{notice:?}"),
                other => format!("{other:?}"),
            });
        }
        assert_eq!(
            story,
            ["0 paused=false", "1 paused=false", "Terminating", "Paused", "1 paused=true", "Ended", "0 paused=false"]
        );
    }
}
