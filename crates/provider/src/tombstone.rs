//! What vanished containers declared stays for a while: the router, its middlewares, and the service without servers, so
//! that requests wait or are told 503 in place of falling through to something else. Pure; time is injected.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use seaway_config::Declared;
use seaway_routing::Millis;

use crate::docker::{Built, Owner, Partial};
use crate::merge::{Merged, Owned};

/// How long a tombstone stands.
pub const KEEP: Duration = Duration::from_secs(60);

/// The tombstones of one provider.
#[derive(Debug)]
pub struct Tombstones {
    keep: Duration,
    /// Owners that had containers at the last look, and the containers' ids.
    living: BTreeMap<Owner, BTreeSet<String>>,
    /// What was in force at the last look.
    last: Merged,
    buried: BTreeMap<Owner, (Millis, Partial)>,
}

impl Tombstones {
    /// No tombstones yet; each will stand for `keep`.
    pub fn new(keep: Duration) -> Self {
        Self { keep, living: BTreeMap::new(), last: Merged::default(), buried: BTreeMap::new() }
    }

    /// The parts that stand in for owners without containers. An owner that has a container again, whatever its labels
    /// say now, needs none.
    pub fn stand_ins(&mut self, built: &Built, now: Millis) -> Vec<Partial> {
        let mut living: BTreeMap<Owner, BTreeSet<String>> = BTreeMap::new();
        let declaring = built.partials.iter().map(|p| (&p.id, &p.owner));
        for (id, owner) in built.present.iter().chain(declaring) {
            living.entry(owner.clone()).or_default().insert(id.clone());
        }
        self.buried.retain(|owner, (until, _)| !living.contains_key(owner) && *until > now);
        let keep = u64::try_from(self.keep.as_millis()).unwrap_or(u64::MAX);
        for (owner, containers) in &self.living {
            // A container that was renamed speaks for itself.
            if living.contains_key(owner) || containers.iter().any(|id| built.present.contains_key(id)) {
                continue;
            }
            let partial = remains(&self.last, owner);
            if keep > 0
                && !(partial.routers.is_empty() && partial.services.is_empty() && partial.middlewares.is_empty())
            {
                self.buried.insert(owner.clone(), (Millis(now.0.saturating_add(keep)), partial));
            }
        }
        self.living = living;
        self.buried.values().map(|(_, partial)| partial.clone()).collect()
    }

    /// Remembers what came into force.
    pub fn remember(&mut self, merged: Merged) {
        self.last = merged;
    }

    /// When the next tombstone falls.
    pub fn next_end(&self) -> Option<Millis> {
        self.buried.values().map(|(until, _)| *until).min()
    }
}

/// What the owner's definitions were, without their servers. Its id is empty, which no container's is.
fn remains(last: &Merged, owner: &Owner) -> Partial {
    fn of<T: Clone>(all: &BTreeMap<String, Owned<T>>, owner: &Owner) -> BTreeMap<String, Declared<T>> {
        all.iter().filter(|(_, o)| o.owner == *owner).map(|(name, o)| (name.clone(), o.object.clone())).collect()
    }
    let mut services = of(&last.services, owner);
    for service in services.values_mut() {
        service.value.servers.clear();
    }
    Partial {
        id: String::new(),
        container: String::new(),
        created: String::new(),
        owner: owner.clone(),
        well: false,
        routers: of(&last.routers, owner),
        services,
        middlewares: of(&last.middlewares, owner),
        diagnostics: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::docker::{Builder, Container};
    use crate::merge::{Holders, Standing, merge};
    use crate::testing::{container, options, replica, snapshot};

    /// A provider reduced to its pure parts.
    struct World {
        tombstones: Tombstones,
        holders: Holders,
        builder: Builder,
    }

    impl World {
        fn new() -> Self {
            Self { tombstones: Tombstones::new(KEEP), holders: Holders::default(), builder: Builder::new(options()) }
        }

        fn see(&mut self, seconds: u64, containers: impl IntoIterator<Item = Container>) -> Merged {
            let built = self.builder.build(&snapshot(containers));
            let mut partials = built.partials.clone();
            partials.extend(self.tombstones.stand_ins(&built, Millis(seconds * 1000)));
            let standing = |p: &Partial| if p.id.is_empty() { Standing::Gone } else { Standing::Ready };
            let merged = merge("docker", &partials, &mut self.holders, &standing);
            self.tombstones.remember(merged.clone());
            merged
        }
    }

    const LABELS: &[(&str, &str)] = &[
        ("traefik.http.routers.R.rule", "Host(`r`)"),
        ("traefik.http.routers.R.middlewares", "M"),
        ("traefik.http.middlewares.M.addprefix.prefix", "/m"),
    ];

    #[test]
    fn the_router_its_middleware_and_an_empty_service_stay_for_a_minute() {
        let mut world = World::new();
        let before = world.see(0, [replica("shop", "web", 1, LABELS)]);
        let after = world.see(100, []);
        assert_eq!((&after.routers, &after.middlewares), (&before.routers, &before.middlewares));
        assert!(after.services["web-shop"].object.value.servers.is_empty());
        assert_eq!(world.tombstones.next_end(), Some(Millis(160_000)));
        assert_eq!(world.see(159, []).routers.len(), 1, "looking again does not make it last longer or shorter");
        let end = world.see(160, []);
        assert!(end.routers.is_empty() && end.services.is_empty() && end.middlewares.is_empty());
        assert_eq!(world.tombstones.next_end(), None);
    }

    #[test]
    fn a_new_container_of_the_owner_replaces_it_at_once() {
        let mut world = World::new();
        world.see(0, [replica("shop", "web", 1, LABELS)]);
        world.see(1, []);
        let again = world.see(2, [replica("shop", "web", 1, &[("traefik.http.routers.Q.rule", "Host(`q`)")])]);
        assert_eq!(again.routers.keys().collect::<Vec<_>>(), ["Q"], "the old router is not part of the new labels");
        assert_eq!(world.tombstones.next_end(), None);
    }

    #[test]
    fn a_container_that_no_longer_takes_part_ends_it_at_once() {
        let mut world = World::new();
        world.see(0, [replica("shop", "web", 1, LABELS)]);
        let disabled = world.see(1, [replica("shop", "web", 1, &[("traefik.enable", "false")])]);
        assert!(disabled.routers.is_empty());
    }

    #[test]
    fn a_renamed_container_is_not_its_own_stranger() {
        let mut world = World::new();
        world.see(0, [container("web", "10.0.0.2", LABELS)]);
        let renamed = world.see(1, [Container { name: "shop".to_owned(), ..container("web", "10.0.0.2", LABELS) }]);
        assert_eq!(renamed.routers["R"].object.value.service, "shop");
        assert_eq!(renamed.services.keys().collect::<Vec<_>>(), ["shop"]);
        assert!(renamed.diagnostics.is_empty() && world.tombstones.next_end().is_none());
    }

    #[test]
    fn what_one_replica_alone_declared_goes_with_it() {
        let mut world = World::new();
        world.see(0, [replica("shop", "web", 1, LABELS), replica("shop", "web", 2, &[])]);
        assert!(!world.see(1, [replica("shop", "web", 2, &[])]).routers.contains_key("R"));
    }

    #[test]
    fn the_name_stays_taken_until_the_tombstone_falls() {
        let mut world = World::new();
        world.see(0, [container("a", "10.0.0.2", LABELS)]);
        let newcomer = || [container("b", "10.0.0.3", LABELS)];
        let contested = world.see(1, newcomer());
        assert_eq!(contested.routers["R"].object.value.service, "a");
        assert!(contested.diagnostics[0].diagnostic.consequence.contains("ended less than a minute ago"));
        assert_eq!(world.see(61, newcomer()).routers["R"].object.value.service, "b");
    }
}
