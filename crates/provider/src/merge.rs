//! What several containers declare, made into one configuration. Pure and deterministic.
//!
//! Identical definitions merge. Of differing ones of one owner the newest valid one wins, as in a redeploy, and a service
//! keeps the servers of all. Between owners, whoever held a name first keeps it; the newcomer's object is refused,
//! and so is everything of the newcomer that meant the refused object.

mod groups;
mod settle;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use seaway_config::model::{Name, natural_order};
use seaway_config::{Code, Declared, Diagnostic, Middleware, Router, Server, Service};

use crate::docker::{Owner, Partial};
pub use groups::{Merger, Outcome};
use settle::{Claim, Kind, Settled, settle};

/// How far a container is on its way; of two definitions of one owner the further one's counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Standing {
    /// It is gone, and only its tombstone speaks.
    Gone,
    /// It runs and has been told to end.
    Leaving,
    /// It runs.
    Running,
    /// It takes requests.
    Ready,
}

/// Who holds which name, kept from one merge to the next.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Holders {
    routers: BTreeMap<String, Owner>,
    services: BTreeMap<String, Owner>,
    middlewares: BTreeMap<String, Owner>,
}

/// A diagnostic and whose it is, so that it is the same one whichever replica it is found at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The owner, as people read it; for what has none, the resource.
    pub whose: Arc<str>,
    /// What was found.
    pub diagnostic: Diagnostic,
}

/// An object and the owner whose definition it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Owned<T> {
    /// Whose definition counts.
    pub owner: Owner,
    /// The object.
    pub object: Declared<T>,
}

/// The outcome of a merge.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Merged {
    /// Routers by local name.
    pub routers: BTreeMap<String, Owned<Router>>,
    /// Services by local name.
    pub services: BTreeMap<String, Owned<Service>>,
    /// Middlewares by local name.
    pub middlewares: BTreeMap<String, Owned<Middleware>>,
    /// What the containers' labels and their merging gave rise to.
    pub diagnostics: Vec<Found>,
    /// Some definition was chosen by readiness: merge again when readiness changes.
    pub undecided: bool,
    /// Containers, by id, with a newer definition of a router than the one in force, which waits for them to be ready:
    /// until it is in force they must not be reached by the older one.
    pub ahead: BTreeSet<String>,
}

/// Merges the parts of all containers (and tombstones) of one provider. `held` is who held which name so far, and what
/// comes with the outcome is who holds it now; `standing` tells how far each container is.
pub fn merge(
    provider: &str,
    partials: &[Arc<Partial>],
    held: &Holders,
    standing: &dyn Fn(&Partial) -> Standing,
) -> (Merged, Holders) {
    let (refused, withheld) = (Refused::default(), BTreeSet::new());
    let mut merge = Merge { provider, partials, standing, refused, withheld, out: Merged::default() };
    merge.own_diagnostics();
    let middlewares = merge.middlewares(&held.middlewares);
    merge.withhold(&held.routers);
    let services = merge.services(&held.services);
    let routers = merge.routers(&held.routers);
    (merge.out, Holders { routers, services, middlewares })
}

type Held = BTreeMap<String, Owner>;

/// What was refused to each owner, directly or through a chain.
#[derive(Default)]
struct Refused {
    middlewares: BTreeMap<Owner, BTreeSet<String>>,
    services: BTreeMap<Owner, BTreeSet<String>>,
}

struct Merge<'a> {
    provider: &'a str,
    partials: &'a [Arc<Partial>],
    standing: &'a dyn Fn(&Partial) -> Standing,
    refused: Refused,
    /// Containers, by id, that one of the services gets no server from.
    withheld: BTreeSet<(String, String)>,
    out: Merged,
}

impl Merge<'_> {
    /// The labels' own diagnostics; replicas with the same labels say the same thing once.
    fn own_diagnostics(&mut self) {
        let mut seen = BTreeSet::new();
        for partial in self.partials {
            let whose: Arc<str> = partial.owner.to_string().into();
            for diagnostic in &partial.diagnostics {
                if seen.insert((&partial.owner, diagnostic.code, &diagnostic.origin.key, &diagnostic.message)) {
                    self.out.diagnostics.push(Found { whose: Arc::clone(&whose), diagnostic: diagnostic.clone() });
                }
            }
        }
    }

    fn middlewares(&mut self, held: &Held) -> Held {
        let mut now = Held::new();
        let mut settled = Vec::new();
        for (name, claims) in gather(self.partials, self.standing, |p| &p.middlewares) {
            let Some(outcome) = settle(Kind::Middleware, self.provider, name, &claims, held.get(name), &|_, _| None)
            else {
                continue;
            };
            now.insert(name.to_owned(), outcome.winner.partial.owner.clone());
            for owner in &outcome.refused {
                self.refused.middlewares.entry((*owner).clone()).or_default().insert(name.to_owned());
            }
            settled.push((name, outcome));
        }
        self.follow_chains();
        for (name, mut outcome) in settled {
            let object = self.take(&mut outcome, |middleware| match middleware {
                Middleware::Chain(chain) => chain.middlewares.as_slice(),
                _ => &[],
            });
            self.out.middlewares.insert(name.to_owned(), object);
        }
        now
    }

    /// A chain of an owner that names a middleware refused to it is as good as refused.
    fn follow_chains(&mut self) {
        loop {
            let mut grown = false;
            for partial in self.partials {
                for (name, middleware) in &partial.middlewares {
                    let Middleware::Chain(chain) = &middleware.value else { continue };
                    if self.refused_middleware(&partial.owner, &chain.middlewares).is_some() {
                        let of_owner = self.refused.middlewares.entry(partial.owner.clone()).or_default();
                        grown |= of_owner.insert(name.clone());
                    }
                }
            }
            if !grown {
                return;
            }
        }
    }

    /// Where another's definition of a router is in force and leads to a service that a container has too, the container's
    /// own definition of that router may have been what protects its server: the service does without it.
    fn withhold(&mut self, held: &Held) {
        for (name, claims) in gather(self.partials, self.standing, |p| &p.routers) {
            let tainted = |owner: &Owner, router: &Router| self.refused_middleware(owner, &router.middlewares);
            let Some(Settled { winner, refused, .. }) =
                settle(Kind::Router, self.provider, name, &claims, held.get(name), &tainted)
            else {
                continue;
            };
            let router = &winner.declared.value;
            let service = Name::resolve(&router.service, self.provider);
            let is_off = winner.declared.quarantine.is_some() || tainted(&winner.partial.owner, router).is_some();
            if is_off || &*service.provider != self.provider {
                continue;
            }
            let ahead = claims.iter().filter(|claim| claim.is_ahead_of(&winner));
            self.out.ahead.extend(ahead.map(|claim| claim.partial.id.clone()));
            for claim in &claims {
                let Declared { value, origin, quarantine } = claim.declared;
                let unused = quarantine.is_some() || refused.contains(&&claim.partial.owner);
                // Whatever a faulty definition says of its service may be part of the fault.
                let same_way = quarantine.is_some() || Name::resolve(&value.service, self.provider) == service;
                if !unused || !same_way || !claim.partial.services.contains_key(&*service.local) {
                    continue;
                }
                self.withheld.insert((claim.partial.id.clone(), service.local.to_string()));
                let what = format!(
                    "the definition of router {name}@{} in force is that of {}, and this container's own cannot be used",
                    self.provider, winner.partial.container
                );
                let consequence = format!("service {service} does without this container until that is mended");
                let note = Diagnostic::warning(Code::Withheld, origin.clone(), what, consequence);
                self.out.diagnostics.push(Found { whose: claim.partial.owner.to_string().into(), diagnostic: note });
            }
        }
    }

    fn services(&mut self, held: &Held) -> Held {
        let mut now = Held::new();
        for (name, claims) in gather(self.partials, self.standing, |p| &p.services) {
            let tainted =
                |owner: &Owner, service: &Service| self.refused_middleware(owner, &service.options.middlewares);
            let Some(mut outcome) = settle(Kind::Service, self.provider, name, &claims, held.get(name), &tainted)
            else {
                continue;
            };
            now.insert(name.to_owned(), outcome.winner.partial.owner.clone());
            for owner in &outcome.refused {
                self.refused.services.entry((*owner).clone()).or_default().insert(name.to_owned());
            }
            let mut object = self.take(&mut outcome, |service| &service.options.middlewares);
            outcome.members.retain(|c| !self.withheld.contains(&(c.partial.id.clone(), name.to_owned())));
            object.object.value.servers = servers(&outcome);
            self.out.services.insert(name.to_owned(), object);
        }
        now
    }

    fn routers(&mut self, held: &Held) -> Held {
        let mut now = Held::new();
        for (name, claims) in gather(self.partials, self.standing, |p| &p.routers) {
            let tainted = |owner: &Owner, router: &Router| {
                self.refused_middleware(owner, &router.middlewares).or_else(|| {
                    let service = self.is_refused(&self.refused.services, owner, &router.service);
                    service.then(|| format!("service {}@{}", router.service, self.provider))
                })
            };
            let Some(mut outcome) = settle(Kind::Router, self.provider, name, &claims, held.get(name), &tainted) else {
                continue;
            };
            now.insert(name.to_owned(), outcome.winner.partial.owner.clone());
            let meant = tainted(&outcome.winner.partial.owner, &outcome.winner.declared.value);
            let mut object = self.take(&mut outcome, |router| &router.middlewares);
            if let Some(meant) = meant {
                self.quarantine(Kind::Router, name, &mut object, &meant);
            }
            self.out.routers.insert(name.to_owned(), object);
        }
        now
    }

    /// The winning object; quarantined if it names a middleware that was refused to its owner.
    fn take<T: Clone>(&mut self, outcome: &mut Settled<'_, T>, middlewares: impl Fn(&T) -> &[String]) -> Owned<T> {
        self.out.diagnostics.append(&mut outcome.diagnostics);
        self.out.undecided |= outcome.undecided;
        let winner = outcome.winner;
        let mut object = Owned { owner: winner.partial.owner.clone(), object: winner.declared.clone() };
        if let Some(meant) = self.refused_middleware(&object.owner, middlewares(&winner.declared.value))
            && outcome.kind != Kind::Router
        {
            self.quarantine(outcome.kind, outcome.name, &mut object, &meant);
        }
        object
    }

    fn quarantine<T>(&mut self, kind: Kind, name: &str, object: &mut Owned<T>, meant: &str) {
        let what = format!("{kind} {name}@{} means its own {meant}, which another owner holds", self.provider);
        let consequence = match kind {
            Kind::Router => format!("router {name}@{} answers 503", self.provider),
            _ => format!("{kind} {name}@{} is off, and routers that use it answer 503", self.provider),
        };
        let fault = Diagnostic::error(Code::NameConflict, object.object.origin.clone(), what, consequence)
            .fix(format!("give the {meant} of this container a name of its own"));
        self.out.diagnostics.push(Found { whose: object.owner.to_string().into(), diagnostic: fault.clone() });
        object.object.quarantine.get_or_insert(fault);
    }

    /// The first of these references that means a middleware refused to that owner.
    fn refused_middleware(&self, owner: &Owner, references: &[String]) -> Option<String> {
        let found = references.iter().find(|r| self.is_refused(&self.refused.middlewares, owner, r));
        found.map(|r| format!("middleware {}", Name::resolve(r, self.provider)))
    }

    fn is_refused(&self, refused: &BTreeMap<Owner, BTreeSet<String>>, owner: &Owner, reference: &str) -> bool {
        let name = Name::resolve(reference, self.provider);
        &*name.provider == self.provider && refused.get(owner).is_some_and(|names| names.contains(&*name.local))
    }
}

/// All claims on each name of one kind.
fn gather<'a, T>(
    partials: &'a [Arc<Partial>],
    standing: &dyn Fn(&Partial) -> Standing,
    of: impl Fn(&'a Partial) -> &'a BTreeMap<String, Declared<T>>,
) -> BTreeMap<&'a str, Vec<Claim<'a, T>>> {
    let mut all: BTreeMap<&str, Vec<Claim<'a, T>>> = BTreeMap::new();
    for partial in partials {
        let objects = of(partial);
        if objects.is_empty() {
            continue;
        }
        let standing = standing(partial);
        for (name, declared) in objects {
            all.entry(name).or_default().push(Claim { partial, declared, standing });
        }
    }
    all
}

/// The servers of all who share the service; one URL is one server, the newest container's.
fn servers(outcome: &Settled<'_, Service>) -> Vec<Server> {
    let mut by_url: BTreeMap<&str, (&Partial, &Server)> = BTreeMap::new();
    for claim in &outcome.members {
        for server in &claim.declared.value.servers {
            let newer = |(known, _): &(&Partial, &Server)| {
                (&known.created, &known.id) < (&claim.partial.created, &claim.partial.id)
            };
            if by_url.get(&*server.url).is_none_or(newer) {
                by_url.insert(&server.url, (claim.partial, server));
            }
        }
    }
    let mut servers: Vec<Server> = by_url.into_values().map(|(_, server)| server.clone()).collect();
    servers.sort_by(|a, b| natural_order(&a.name, &b.name).then_with(|| a.identity.cmp(&b.identity)));
    servers
}

#[cfg(test)]
mod tests;
