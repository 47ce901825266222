//! What vanished containers declared stays for a while: the router, its middlewares, and the service without servers, so
//! that requests wait or are told 503 in place of falling through to something else. Pure; time is injected.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use seaway_routing::Millis;

use crate::docker::{Owner, Partial, Seen};
use crate::merge::Merger;

/// How long a tombstone stands.
pub const KEEP: Duration = Duration::from_secs(60);

/// The tombstones of one provider.
#[derive(Debug)]
pub struct Tombstones {
    keep: Duration,
    /// Owners that have containers, and how many.
    living: HashMap<Arc<Owner>, usize>,
    buried: BTreeMap<Owner, (Millis, Arc<Partial>)>,
}

impl Tombstones {
    /// No tombstones yet; each will stand for `keep`.
    pub fn new(keep: Duration) -> Self {
        Self { keep, living: HashMap::new(), buried: BTreeMap::new() }
    }

    /// The parts that stand in for owners without containers, after this news of containers; `last` is what was in force.
    /// An owner that has a container again, whatever its labels say now, needs none.
    pub fn stand_ins(&mut self, seen: &[Seen], last: &Merger, now: Millis) -> impl Iterator<Item = Arc<Partial>> {
        for owner in seen.iter().filter_map(|seen| seen.now.as_ref()) {
            *self.living.entry(Arc::clone(owner)).or_default() += 1;
        }
        let mut without = BTreeSet::new();
        for owner in seen.iter().filter_map(|seen| seen.before.as_ref()) {
            let Some(count) = self.living.get_mut(owner) else { continue };
            *count -= 1;
            if *count == 0 {
                self.living.remove(owner);
                without.insert(owner);
            }
        }
        self.buried.retain(|owner, (until, _)| !self.living.contains_key(owner) && *until > now);
        let keep = u64::try_from(self.keep.as_millis()).unwrap_or(u64::MAX);
        for owner in without {
            // A container that was renamed speaks for itself.
            let renamed = seen.iter().any(|seen| seen.runs && seen.before.as_ref() == Some(owner));
            if renamed || keep == 0 {
                continue;
            }
            let partial = last.remains(owner);
            if !(partial.routers.is_empty() && partial.services.is_empty() && partial.middlewares.is_empty()) {
                let until = Millis(now.0.saturating_add(keep));
                self.buried.insert(Owner::clone(owner), (until, Arc::new(partial)));
            }
        }
        self.buried.values().map(|(_, partial)| Arc::clone(partial))
    }

    /// When the next tombstone falls.
    pub fn next_end(&self) -> Option<Millis> {
        self.buried.values().map(|(until, _)| *until).min()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use seaway_config::model::Config;
    use seaway_config::{Declared, Name, Router};

    use super::*;
    use crate::docker::{Builder, Container};
    use crate::merge::Standing;
    use crate::testing::{container, options, replica, snapshot};

    /// A provider reduced to its pure parts.
    struct World {
        tombstones: Tombstones,
        merger: Merger,
        builder: Builder,
    }

    impl World {
        fn new() -> Self {
            let merger = Merger::new("docker", Config::default());
            Self { tombstones: Tombstones::new(KEEP), merger, builder: Builder::new(options()) }
        }

        fn see(&mut self, seconds: u64, containers: impl IntoIterator<Item = Container>) -> Config {
            let built = self.builder.build(&snapshot(containers));
            let mut partials = built.partials;
            partials.extend(self.tombstones.stand_ins(&built.seen, &self.merger, Millis(seconds * 1000)));
            self.merger.update(partials, &|p| if p.id.is_empty() { Standing::Gone } else { Standing::Ready });
            self.merger.config().clone()
        }
    }

    fn docker(name: &str) -> Name {
        Name::new(name, "docker")
    }

    fn router<'c>(config: &'c Config, name: &str) -> Option<&'c Declared<Router>> {
        config.routers.get(&docker(name))
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
        assert!(after.services[&docker("web-shop")].value.servers.is_empty());
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
        assert_eq!(
            again.routers.keys().collect::<Vec<_>>(),
            [&docker("Q")],
            "the old router is not part of the new labels"
        );
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
        assert_eq!(router(&renamed, "R").unwrap().value.service, "shop");
        assert_eq!(renamed.services.keys().collect::<Vec<_>>(), [&docker("shop")]);
        assert!(world.merger.diagnostics().next().is_none() && world.tombstones.next_end().is_none());
    }

    #[test]
    fn what_one_replica_alone_declared_goes_with_it() {
        let mut world = World::new();
        world.see(0, [replica("shop", "web", 1, LABELS), replica("shop", "web", 2, &[])]);
        assert!(router(&world.see(1, [replica("shop", "web", 2, &[])]), "R").is_none());
    }

    #[test]
    fn the_name_stays_taken_until_the_tombstone_falls() {
        let mut world = World::new();
        world.see(0, [container("a", "10.0.0.2", LABELS)]);
        let newcomer = || [container("b", "10.0.0.3", LABELS)];
        let contested = world.see(1, newcomer());
        assert_eq!(router(&contested, "R").unwrap().value.service, "a");
        let told = world.merger.diagnostics().next().unwrap();
        assert!(told.diagnostic.consequence.contains("ended less than a minute ago"));
        assert_eq!(router(&world.see(61, newcomer()), "R").unwrap().value.service, "b");
    }
}
