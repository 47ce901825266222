//! Which routes to try for a host: those that name it, those that name its parent with a `*`, and those that have to be
//! tried for every host. Each list is in the order of the routes, so the first match of the three merged is the first
//! match of all.

use std::collections::HashMap;

use seaway_head::RequestHead;
use seaway_rule::HostPattern;

use crate::matcher::Subject;
use crate::table::{EntryPointTable, Route};

/// Routes of one entry point by what their rules need of the host; positions in [`EntryPointTable::routes`].
#[derive(Debug, Default)]
pub(crate) struct HostIndex {
    exact: HashMap<Box<str>, Vec<u32>>,
    /// By what follows the first label.
    wildcard: HashMap<Box<str>, Vec<u32>>,
    fallback: Vec<u32>,
}

impl EntryPointTable {
    /// Sorts the routes by priority, then by name, and indexes them.
    pub fn new(mut routes: Vec<Route>) -> Self {
        routes.sort_by(|a, b| b.priority.cmp(&a.priority).then_with(|| a.name.cmp(&b.name)));
        let index = HostIndex::new(&routes);
        Self { routes: routes.into(), index }
    }

    /// The first route, by priority and then by name, whose rule takes this request. Allocates only where the path has
    /// a `%`.
    pub fn find(&self, head: &RequestHead) -> Option<&Route> {
        let subject = Subject::new(head);
        let mut lists = self.index.candidates(subject.host());
        loop {
            let nearest = lists.iter().filter_map(|list| list.first().copied()).min()?;
            for list in &mut lists {
                if let [first, rest @ ..] = list
                    && *first == nearest
                {
                    *list = rest;
                }
            }
            let route = self.routes.get(nearest as usize)?;
            if route.matcher.takes(&subject) {
                return Some(route);
            }
        }
    }

    /// The same answer without the index, one route after the other: what [`find`](Self::find) is measured against.
    pub fn find_by_scan(&self, head: &RequestHead) -> Option<&Route> {
        self.routes.iter().find(|route| route.matcher.matches(head))
    }
}

impl HostIndex {
    fn new(routes: &[Route]) -> Self {
        let mut index = Self::default();
        for (at, route) in (0u32..).zip(routes) {
            let Some(hosts) = route.matcher.hosts() else {
                index.fallback.push(at);
                continue;
            };
            for host in hosts {
                match host {
                    HostPattern::Exact(name) => push(&mut index.exact, name, at),
                    HostPattern::Wildcard(parent) => push(&mut index.wildcard, parent, at),
                    HostPattern::Any => index.fallback.push(at),
                }
            }
        }
        index
    }

    fn candidates(&self, host: &str) -> [&[u32]; 3] {
        let parent = host.split_once('.').and_then(|(_, parent)| self.wildcard.get(parent));
        [self.exact.get(host).map_or(&[], Vec::as_slice), parent.map_or(&[], Vec::as_slice), self.fallback.as_slice()]
    }

    /// Sets of routes that may see the same host, each in order.
    pub(crate) fn groups(&self) -> impl Iterator<Item = &[u32]> {
        let mut hosts: Vec<_> = self.exact.iter().chain(&self.wildcard).collect();
        hosts.sort_unstable();
        hosts.into_iter().map(|(_, list)| list.as_slice()).chain([self.fallback.as_slice()])
    }
}

/// A rule may name one host twice.
fn push(lists: &mut HashMap<Box<str>, Vec<u32>>, host: &str, at: u32) {
    let list = lists.entry(host.into()).or_default();
    if list.last() != Some(&at) {
        list.push(at);
    }
}

#[cfg(test)]
mod tests;
