//! What happened to the pools, in lines that a person wants to read: `web 2→5 (+web-3 +web-4 +web-5) routed in 6 ms`.
//!
//! Counts are of servers that take requests. A server that is ready soon after it was found is told once, when it is;
//! only one that keeps people waiting is told before. Pure: tables and clock readings in, lines out.

pub mod faults;
mod pool;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use seaway_config::Name;
use seaway_routing::{Millis, RoutingTable, Service};

use pool::Pool;

/// News of a container that no table has shown for so long is forgotten: most containers are none of ours.
const FORGOTTEN: Duration = Duration::from_secs(30);

/// Remembers what was told last.
#[derive(Debug, Default)]
pub struct Story {
    /// By the services' names, with the services that were looked at last.
    pools: Vec<(Arc<Service>, Pool)>,
    /// When containers were first heard of that no table has shown yet.
    news: HashMap<Box<str>, Millis>,
    due: Option<Millis>,
}

impl Story {
    /// An engine spoke of this container: if it becomes a server, its time counts from here.
    pub fn heard(&mut self, container: &str, now: Millis) {
        self.news.retain(|_, at| now.since(*at) < FORGOTTEN);
        self.news.insert(container.into(), now);
    }

    /// Takes the time for servers that have become ready. To be called as soon as one may have.
    pub fn note(&mut self, now: Millis) {
        for (_, pool) in &mut self.pools {
            pool.note(now);
        }
        self.due = self.pools.iter().filter_map(|(_, pool)| pool.due()).min();
    }

    /// The lines that are due. Servers that are new in this table were first heard of at `since`, if not before.
    pub fn tell(&mut self, table: &RoutingTable, now: Millis, since: Millis) -> Vec<String> {
        let mut lines = Vec::new();
        let mut gone = Vec::new();
        let mut before = std::mem::take(&mut self.pools).into_iter().peekable();
        let mut pools = Vec::with_capacity(table.services.len());
        for service in table.services.iter() {
            while let Some(left) = before.next_if(|(b, _)| !Arc::ptr_eq(b, service) && b.name < service.name) {
                gone.push(left);
            }
            let known = before.next_if(|(b, _)| Arc::ptr_eq(b, service) || b.name == service.name);
            let is_same = known.as_ref().is_some_and(|(b, _)| Arc::ptr_eq(b, service));
            let mut pool = known.map(|(_, pool)| pool).unwrap_or_default();
            if !is_same {
                let first_heard = |container: &str| self.news.get(container).map_or(since, |at| since.min(*at));
                pool.take(&service.servers, first_heard, now);
            }
            if let Some(change) = pool.observe(now) {
                lines.extend(pool.tell(&shown(&service.name, table), &change, now));
            }
            pools.push((Arc::clone(service), pool));
        }
        gone.extend(before);
        self.due = pools.iter().filter_map(|(_, pool)| pool.due()).min();
        self.pools = pools;
        if !self.news.is_empty() {
            for server in table.services.iter().flat_map(|service| &service.servers) {
                self.news.remove(&server.state.identity().container);
            }
        }
        let gone = gone.iter().filter(|(_, pool)| !pool.is_empty());
        lines.extend(
            gone.map(|(service, pool)| format!("{} {}→0: the service is gone", service.name.local, pool.ready())),
        );
        lines
    }

    /// When something may be due.
    pub fn next_line(&self) -> Option<Millis> {
        self.due
    }
}

/// The service's name; with its provider where another provider has one of that name.
fn shown(name: &Name, table: &RoutingTable) -> String {
    let twice = table.services.iter().any(|s| s.name.local == name.local && s.name.provider != name.provider);
    if twice { name.to_string() } else { name.local.to_string() }
}

#[cfg(test)]
mod tests;
