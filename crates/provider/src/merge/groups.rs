//! Merging what has to do with one another, and only where something changed.
//!
//! Two containers have to do with one another when they are one owner's or declare something of the same kind and name.
//! Nothing of a merge looks beyond such a group, so each is merged for itself, and again only when one of its containers
//! came, went or says something else.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use seaway_config::model::Config;
use seaway_config::{Declared, Name, SharedMap};

use super::{Found, Holders, Merged, Standing, merge};
use crate::docker::{Owner, Partial};
use crate::snapshot::Declarations;

/// Keeps one provider's merged configuration up to date.
#[derive(Debug)]
pub struct Merger {
    provider: Box<str>,
    config: Config,
    parts: Vec<Arc<Partial>>,
    groups: HashMap<u64, Group>,
    next: u64,
    of_owner: HashMap<Owner, u64>,
    of_name: [HashMap<String, u64>; 3],
    /// Groups of which something is told, in the order of their first parts.
    told: BTreeMap<Place, u64>,
    /// Groups in which some definition was chosen by readiness.
    undecided: BTreeSet<u64>,
}

/// Where a part stands among all: containers by id, then tombstones by owner.
type Place = (bool, String, Owner);

#[derive(Debug)]
struct Group {
    parts: Vec<Arc<Partial>>,
    holders: Holders,
    diagnostics: Vec<Found>,
    ahead: BTreeSet<String>,
    /// How far each part was when definitions were chosen by that.
    standings: Option<Vec<Standing>>,
}

/// What came of an update.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Some part is another.
    pub changed: bool,
    /// What is told of labels and their merging may differ.
    pub told: bool,
}

impl Merger {
    /// Nothing but what is static yet.
    pub fn new(provider: &str, statics: Config) -> Self {
        Self {
            provider: provider.into(),
            config: statics,
            parts: Vec::new(),
            groups: HashMap::new(),
            next: 0,
            of_owner: HashMap::new(),
            of_name: Default::default(),
            told: BTreeMap::new(),
            undecided: BTreeSet::new(),
        }
    }

    /// Takes the parts as they are now. One that did not change should be the same `Arc`, and the list sorted by id.
    pub fn update(&mut self, parts: Vec<Arc<Partial>>, standing: &dyn Fn(&Partial) -> Standing) -> Outcome {
        let (gone, come) = differences(&self.parts, &parts);
        let mut touched: BTreeSet<u64> =
            gone.iter().filter_map(|part| self.of_owner.get(&part.owner)).copied().collect();
        for part in &come {
            touched.extend(self.of_owner.get(&part.owner));
            let known = names(part).into_iter().zip(&self.of_name);
            touched.extend(known.flat_map(|(names, known)| names.filter_map(|name| known.get(name))));
        }
        touched.extend(self.undecided.iter().filter(|group| self.is_outrun(**group, standing)));
        let changed = !(gone.is_empty() && come.is_empty());
        if touched.is_empty() && come.is_empty() {
            return Outcome { changed, told: false };
        }
        let gone: HashSet<*const Partial> = gone.iter().map(Arc::as_ptr).collect();
        let dissolved: Vec<Group> = touched.into_iter().filter_map(|group| self.dissolve(group)).collect();
        let mut told = dissolved.iter().any(|group| !group.diagnostics.is_empty());
        let stay = dissolved.iter().flat_map(|group| &group.parts).filter(|part| !gone.contains(&Arc::as_ptr(part)));
        let pool: Vec<Arc<Partial>> = stay.chain(&come).map(Arc::clone).collect();
        let mut held = Holders::default();
        for group in dissolved {
            held.routers.extend(group.holders.routers);
            held.services.extend(group.holders.services);
            held.middlewares.extend(group.holders.middlewares);
        }
        let mut now = Merged::default();
        for parts in connected(pool) {
            let (mut merged, holders) = merge(&self.provider, &parts, &held, standing);
            told |= !merged.diagnostics.is_empty();
            let standings = merged.undecided.then(|| parts.iter().map(|part| standing(part)).collect());
            let diagnostics = std::mem::take(&mut merged.diagnostics);
            let ahead = std::mem::take(&mut merged.ahead);
            self.keep(Group { parts, holders, diagnostics, ahead, standings });
            now.routers.append(&mut merged.routers);
            now.services.append(&mut merged.services);
            now.middlewares.append(&mut merged.middlewares);
        }
        let provider = &self.provider;
        replace(&mut self.config.routers, provider, held.routers.keys(), now.routers);
        replace(&mut self.config.services, provider, held.services.keys(), now.services);
        replace(&mut self.config.middlewares, provider, held.middlewares.keys(), now.middlewares);
        self.parts = parts;
        Outcome { changed, told }
    }

    /// Puts what another provider declares now in place of what it declared before.
    pub fn lay(&mut self, provider: &str, before: &Declarations, now: &Declarations) {
        let config = &mut self.config;
        lay(&mut config.routers, provider, &before.routers, &now.routers);
        lay(&mut config.services, provider, &before.services, &now.services);
        lay(&mut config.middlewares, provider, &before.middlewares, &now.middlewares);
        lay(&mut config.servers_transports, provider, &before.servers_transports, &now.servers_transports);
    }

    /// Everything that is configured now. Copies share what they have in common.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The parts of the last update.
    pub fn parts(&self) -> &[Arc<Partial>] {
        &self.parts
    }

    /// What the labels and their merging gave rise to.
    pub fn diagnostics(&self) -> impl Iterator<Item = &Found> {
        self.told.values().filter_map(|group| self.groups.get(group)).flat_map(|group| &group.diagnostics)
    }

    /// Containers, by id, with a newer definition of a router than the one in force: see [`Merged::ahead`].
    pub fn ahead(&self) -> BTreeSet<String> {
        let groups = self.undecided.iter().filter_map(|group| self.groups.get(group));
        groups.flat_map(|group| &group.ahead).cloned().collect()
    }

    /// Some definition was chosen by a readiness that is another now.
    pub fn is_due(&self, standing: &dyn Fn(&Partial) -> Standing) -> bool {
        self.undecided.iter().any(|group| self.is_outrun(*group, standing))
    }

    /// What this owner's definitions in force are, the services without their servers.
    pub fn remains(&self, owner: &Owner) -> Partial {
        let holders = self.of_owner.get(owner).and_then(|group| self.groups.get(group)).map(|group| &group.holders);
        let mut partial = Partial {
            id: String::new(),
            container: String::new(),
            created: String::new(),
            owner: owner.clone(),
            well: false,
            routers: BTreeMap::new(),
            services: BTreeMap::new(),
            middlewares: BTreeMap::new(),
            diagnostics: Vec::new(),
        };
        if let Some(holders) = holders {
            partial.routers = self.held_by(owner, &holders.routers, &self.config.routers);
            partial.services = self.held_by(owner, &holders.services, &self.config.services);
            partial.middlewares = self.held_by(owner, &holders.middlewares, &self.config.middlewares);
        }
        partial.services.values_mut().for_each(|service| service.value.servers.clear());
        partial
    }

    fn held_by<T: Clone>(
        &self,
        owner: &Owner,
        held: &BTreeMap<String, Owner>,
        all: &SharedMap<Name, Declared<T>>,
    ) -> BTreeMap<String, Declared<T>> {
        let own = held.iter().filter(|(_, holder)| *holder == owner).map(|(name, _)| name);
        own.filter_map(|name| Some((name.clone(), all.get(&Name::new(name, &self.provider))?.clone()))).collect()
    }

    fn is_outrun(&self, group: u64, standing: &dyn Fn(&Partial) -> Standing) -> bool {
        let Some(Group { parts, standings: Some(standings), .. }) = self.groups.get(&group) else { return false };
        parts.iter().map(|part| standing(part)).ne(standings.iter().copied())
    }

    fn keep(&mut self, group: Group) {
        self.next += 1;
        for part in &group.parts {
            self.of_owner.insert(part.owner.clone(), self.next);
            for (names, known) in names(part).into_iter().zip(&mut self.of_name) {
                known.extend(names.map(|name| (name.clone(), self.next)));
            }
        }
        if let Some(first) = group.parts.first().filter(|_| !group.diagnostics.is_empty()) {
            self.told.insert(place(first), self.next);
        }
        if group.standings.is_some() {
            self.undecided.insert(self.next);
        }
        self.groups.insert(self.next, group);
    }

    fn dissolve(&mut self, number: u64) -> Option<Group> {
        let group = self.groups.remove(&number)?;
        for part in &group.parts {
            self.of_owner.remove(&part.owner);
            for (names, known) in names(part).into_iter().zip(&mut self.of_name) {
                for name in names {
                    known.remove(name);
                }
            }
        }
        if let Some(first) = group.parts.first() {
            self.told.remove(&place(first));
        }
        self.undecided.remove(&number);
        Some(group)
    }
}

fn place(part: &Partial) -> Place {
    (part.id.is_empty(), part.id.clone(), part.owner.clone())
}

fn order(part: &Partial) -> (bool, &str, &Owner) {
    (part.id.is_empty(), &part.id, &part.owner)
}

/// The names that a part declares, by kind.
fn names(part: &Partial) -> [Box<dyn Iterator<Item = &String> + '_>; 3] {
    [Box::new(part.routers.keys()), Box::new(part.services.keys()), Box::new(part.middlewares.keys())]
}

/// Parts that are not in the list any more, and those that are new in it.
fn differences(before: &[Arc<Partial>], after: &[Arc<Partial>]) -> (Vec<Arc<Partial>>, Vec<Arc<Partial>>) {
    let (mut gone, mut come) = (Vec::new(), Vec::new());
    let mut before = before.iter().peekable();
    for part in after {
        while let Some(old) = before.next_if(|old| !Arc::ptr_eq(old, part) && order(old) < order(part)) {
            gone.push(Arc::clone(old));
        }
        if before.next_if(|old| Arc::ptr_eq(old, part)).is_none() {
            come.push(Arc::clone(part));
        }
    }
    gone.extend(before.map(Arc::clone));
    (gone, come)
}

/// The parts in groups that have nothing to do with one another, each in the order of all.
fn connected(parts: Vec<Arc<Partial>>) -> Vec<Vec<Arc<Partial>>> {
    let mut leads: Vec<usize> = (0..parts.len()).collect();
    {
        let mut owners: HashMap<&Owner, usize> = HashMap::new();
        let mut known: [HashMap<&str, usize>; 3] = Default::default();
        for (at, part) in parts.iter().enumerate() {
            let first = *owners.entry(&part.owner).or_insert(at);
            join(&mut leads, first, at);
            for (names, known) in names(part).into_iter().zip(&mut known) {
                for name in names {
                    let first = *known.entry(name).or_insert(at);
                    join(&mut leads, first, at);
                }
            }
        }
    }
    let mut groups: BTreeMap<usize, Vec<Arc<Partial>>> = BTreeMap::new();
    for (at, part) in parts.into_iter().enumerate() {
        groups.entry(lead(&mut leads, at)).or_default().push(part);
    }
    let mut groups: Vec<_> = groups.into_values().collect();
    for group in &mut groups {
        group.sort_by(|a, b| order(a).cmp(&order(b)));
    }
    groups
}

fn join(leads: &mut [usize], a: usize, b: usize) {
    let (a, b) = (lead(leads, a), lead(leads, b));
    if let Some(lead) = leads.get_mut(a.max(b)) {
        *lead = a.min(b);
    }
}

/// Who stands for the group, with the way there made shorter.
fn lead(leads: &mut [usize], mut at: usize) -> usize {
    while let Some(next) = leads.get(at).copied().filter(|next| *next != at) {
        let further = leads.get(next).copied().unwrap_or(next);
        if let Some(lead) = leads.get_mut(at) {
            *lead = further;
        }
        at = further;
    }
    at
}

/// Puts what is declared now in place of what these names stood for. What reads the same stays the same entry.
fn replace<'n, T: Clone + PartialEq>(
    all: &mut SharedMap<Name, Declared<T>>,
    provider: &str,
    before: impl Iterator<Item = &'n String>,
    now: BTreeMap<String, super::Owned<T>>,
) {
    for name in before.filter(|name| !now.contains_key(*name)) {
        all.remove(&Name::new(name, provider));
    }
    for (name, owned) in now {
        let name = Name::new(&name, provider);
        if all.get(&name) != Some(&owned.object) {
            all.insert(name, owned.object);
        }
    }
}

fn lay<T: Clone + PartialEq>(
    all: &mut SharedMap<Name, Declared<T>>,
    provider: &str,
    before: &BTreeMap<String, Declared<T>>,
    now: &BTreeMap<String, Declared<T>>,
) {
    for name in before.keys().filter(|name| !now.contains_key(*name)) {
        all.remove(&Name::new(name, provider));
    }
    for (name, declared) in now.iter().filter(|(name, declared)| before.get(*name) != Some(declared)) {
        all.insert(Name::new(name, provider), declared.clone());
    }
}

#[cfg(test)]
mod tests;
