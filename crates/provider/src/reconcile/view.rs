//! What is known of the containers now: the last snapshot, brought forward by the notices that came after it.

use std::sync::Arc;

use seaway_config::model::DockerHealth;
use seaway_routing::state::Notice;
use seaway_routing::{Millis, StateRegistry};

use crate::docker::Container;
use crate::snapshot::Snapshot;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct View {
    /// Sorted by id.
    containers: Snapshot,
    /// Something changed since the last table was made.
    changed: bool,
}

impl View {
    /// The containers, for a table that is made now.
    pub(super) fn for_table(&mut self) -> &[Arc<Container>] {
        self.changed = false;
        &self.containers
    }

    pub(super) fn get(&self, id: &str) -> Option<&Container> {
        self.containers.get(self.place(id)?).map(|c| &**c)
    }

    /// With this snapshot the table in force is out of date.
    pub(super) fn differs(&self, snapshot: &Snapshot) -> bool {
        self.changed
            || self.containers.len() != snapshot.len()
            || self.containers.iter().zip(snapshot.iter()).any(|(a, b)| !Arc::ptr_eq(a, b) && a != b)
    }

    /// Takes the snapshot over. Whatever takes servers out of service is told to the registry at once, because that
    /// must not wait for a table. True if it changed anything there.
    pub(super) fn replace(&mut self, snapshot: &Snapshot, registry: &StateRegistry, now: Millis) -> bool {
        self.changed |= self.differs(snapshot);
        let before = std::mem::replace(&mut self.containers, sorted(snapshot));
        let mut after = self.containers.iter().peekable();
        let mut changed = false;
        for old in before.iter() {
            if after.next_if(|new| Arc::ptr_eq(new, old)).is_some() {
                continue;
            }
            while after.next_if(|new| new.id < old.id).is_some() {}
            let new = after.next_if(|new| new.id == old.id);
            let Some(new) = new.filter(|new| new.running) else {
                changed |= old.running && !registry.notify(&old.id, Notice::Ended, now).is_empty();
                continue;
            };
            for network in &old.networks {
                let same = |n: &&crate::docker::Attachment| n.id == network.id;
                let kept = new.networks.iter().find(same);
                if kept.is_none_or(|kept| (kept.ipv4, kept.ipv6) != (network.ipv4, network.ipv6)) {
                    changed |= !registry.disconnect(&old.id, &network.id).is_empty();
                }
            }
            if new.paused && !old.paused {
                changed |= !registry.notify(&old.id, Notice::Paused, now).is_empty();
            }
            if new.health == DockerHealth::Unhealthy && old.health != DockerHealth::Unhealthy {
                changed |= !registry.notify(&old.id, Notice::Health(new.health), now).is_empty();
            }
        }
        changed
    }

    /// Brings one container forward. That it was told to end is no property of a container: its server's state knows.
    pub(super) fn notice(&mut self, id: &str, notice: Notice) {
        let Some(container) = self.container_mut(id) else { return };
        match notice {
            Notice::Terminating => return,
            Notice::Ended => container.running = false,
            Notice::Started => (container.running, container.paused) = (true, false),
            Notice::Paused => container.paused = true,
            Notice::Unpaused => container.paused = false,
            Notice::Health(health) => container.health = health,
        }
        self.changed = true;
    }

    pub(super) fn disconnected(&mut self, id: &str, network: &str) {
        if let Some(container) = self.container_mut(id) {
            container.networks.retain(|n| n.id != network);
            self.changed = true;
        }
    }

    fn container_mut(&mut self, id: &str) -> Option<&mut Container> {
        let place = self.place(id)?;
        Arc::make_mut(&mut self.containers).get_mut(place).map(Arc::make_mut)
    }

    fn place(&self, id: &str) -> Option<usize> {
        self.containers.binary_search_by(|c| c.id.as_str().cmp(id)).ok()
    }
}

/// As providers promise it; one that does not keep its promise is put right.
fn sorted(snapshot: &Snapshot) -> Snapshot {
    if snapshot.is_sorted_by(|a, b| a.id <= b.id) {
        return Arc::clone(snapshot);
    }
    let mut containers = snapshot.to_vec();
    containers.sort_by(|a, b| a.id.cmp(&b.id));
    Arc::new(containers)
}
