//! Which routes to try for a host: those that name it, those that name its parent with a `*`, and those that have to be
//! tried for every host. Each list is in the order of the routes, so the first match of the three merged is the first
//! match of all.

mod names;

use seaway_head::RequestHead;
use seaway_rule::HostPattern;

use crate::matcher::{HostPart, Subject};
use crate::table::{EntryPointTable, Route};

use names::Names;

/// Routes of one entry point by what their rules need of the host.
#[derive(Debug, Default)]
pub(crate) struct HostIndex {
    exact: Names,
    /// By what follows the first label.
    wildcard: Names,
    fallback: Box<[Candidate]>,
}

/// A route that may take a host's requests: its place in [`EntryPointTable::routes`], and whether it takes all of them.
/// Ordered by the place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Candidate(u32);

impl Candidate {
    fn new(place: u32, certain: bool) -> Self {
        Self(place << 1 | u32::from(certain))
    }

    fn place(self) -> usize {
        (self.0 >> 1) as usize
    }

    /// The host alone decides.
    fn is_certain(self) -> bool {
        self.0 & 1 != 0
    }
}

impl EntryPointTable {
    /// Sorts the routes by priority, then by name, and indexes them.
    pub fn new(routes: Vec<Route>) -> Self {
        Self::with_seed(routes, None)
    }

    /// The same with the index's hash seeded by the caller, for counts that are to be the same in each run. Whoever may
    /// name hosts must not know the seed.
    pub fn seeded(routes: Vec<Route>, seed: u64) -> Self {
        Self::with_seed(routes, Some(seed))
    }

    /// The first route, by priority and then by name, whose rule takes this request. Allocates only where the path has
    /// a `%` and is asked for.
    pub fn find(&self, head: &RequestHead) -> Option<&Route> {
        self.search(head, &mut || ())
    }

    /// The same answer without the index, one route after the other: what [`find`](Self::find) is measured against.
    pub fn find_by_scan(&self, head: &RequestHead) -> Option<&Route> {
        self.routes.iter().find(|route| route.matcher.matches(head))
    }

    /// Some route's rule names this host, or its parent with a `*`. `host` is canonical.
    pub fn names_host(&self, host: &str) -> bool {
        let host = host.strip_suffix('.').unwrap_or(host);
        let look = &mut || ();
        !self.index.exact.get(host, look).is_empty() || !self.index.wildcard(host, look).is_empty()
    }

    /// The places of the routes that are tried for this host, in order; of no other host's routes anything is asked.
    pub fn candidates(&self, host: &str) -> Vec<usize> {
        let host = host.strip_suffix('.').unwrap_or(host);
        let look = &mut || ();
        let lists = [self.index.exact.get(host, look), self.index.wildcard(host, look), &self.index.fallback];
        let mut places: Vec<usize> = lists.into_iter().flatten().map(|candidate| candidate.place()).collect();
        places.sort_unstable();
        places.dedup();
        places
    }

    fn with_seed(mut routes: Vec<Route>, seed: Option<u64>) -> Self {
        routes.sort_by(|a, b| b.priority.cmp(&a.priority).then_with(|| a.name.cmp(&b.name)));
        let index = HostIndex::new(&routes, seed);
        Self { routes: routes.into(), index }
    }

    /// `look` is called for each slot and for each rule that is looked at.
    fn search(&self, head: &RequestHead, look: &mut impl FnMut()) -> Option<&Route> {
        let subject = Subject::new(head);
        let host = subject.host();
        let index = &self.index;
        let mut named = index.exact.get(host, look);
        let mut wildcard = index.wildcard(host, look);
        let mut fallback = &*index.fallback;
        if wildcard.is_empty() && fallback.is_empty() {
            return named.iter().find_map(|candidate| self.try_named(*candidate, &subject, look));
        }
        loop {
            let nearest = [named, wildcard, fallback].into_iter().filter_map(<[_]>::first).min().copied()?;
            // One route may be in two lists.
            let found = match take(&mut named, nearest) | take(&mut wildcard, nearest) {
                true => self.try_named(nearest, &subject, look),
                false => {
                    take(&mut fallback, nearest);
                    look();
                    self.routes.get(nearest.place()).filter(|route| route.matcher.takes(&subject))
                }
            };
            if found.is_some() {
                return found;
            }
        }
    }

    /// A route that was found by its host, which need not be asked for again.
    fn try_named(&self, candidate: Candidate, subject: &Subject<'_>, look: &mut impl FnMut()) -> Option<&Route> {
        let route = self.routes.get(candidate.place())?;
        if candidate.is_certain() {
            return Some(route);
        }
        look();
        route.matcher.takes_named(subject).then_some(route)
    }
}

impl HostIndex {
    fn new(routes: &[Route], seed: Option<u64>) -> Self {
        let (mut exact, mut wildcard, mut fallback) = (Vec::new(), Vec::new(), Vec::new());
        for (place, route) in (0u32..).zip(routes) {
            let Some(hosts) = route.matcher.hosts() else {
                fallback.push(Candidate::new(place, false));
                continue;
            };
            let candidate = Candidate::new(place, route.matcher.host_part() == HostPart::All);
            for host in hosts {
                match host {
                    HostPattern::Exact(name) => exact.push((&**name, candidate)),
                    HostPattern::Wildcard(parent) => wildcard.push((&**parent, candidate)),
                    HostPattern::Any => fallback.push(Candidate::new(place, false)),
                }
            }
        }
        Self { exact: Names::new(&exact, seed), wildcard: Names::new(&wildcard, seed), fallback: fallback.into() }
    }

    fn wildcard(&self, host: &str, look: &mut impl FnMut()) -> &[Candidate] {
        if self.wildcard.is_empty() {
            return &[];
        }
        match host.split_once('.') {
            Some((label, parent)) if !label.is_empty() => self.wildcard.get(parent, look),
            _ => &[],
        }
    }

    /// Sets of at least two routes that may see the same host, each in order.
    pub(crate) fn groups(&self) -> impl Iterator<Item = Vec<u32>> {
        let lists = self.exact.all().chain(self.wildcard.all()).chain([&*self.fallback]);
        lists.filter(|list| list.len() > 1).map(|list| list.iter().map(|candidate| candidate.0 >> 1).collect())
    }
}

/// Takes the candidate off the front of a list where it is there.
fn take(list: &mut &[Candidate], candidate: Candidate) -> bool {
    match list {
        [first, rest @ ..] if *first == candidate => {
            *list = rest;
            true
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests;
