//! One worker's idle connections, by server.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use seaway_routing::Millis;
use tokio::sync::Semaphore;

use super::link::Lease;

/// Connections that one worker makes to one server at the same time. Backlogs of 128 are common, and there are several
/// workers.
const CONNECTING: usize = 32;

#[derive(Debug)]
struct Idle {
    lease: Lease,
    /// Put down by the sweeper, so that no exchange reads a clock for it; none until it comes by.
    since: Option<Millis>,
}

/// Idle connections of one worker. Last in, first out: the warmest is taken, the rest may grow old and go.
#[derive(Debug)]
pub(crate) struct Pool {
    /// By server. A tree: its keys are small numbers of our own, which a hash would cost more to mix than to compare.
    idle: BTreeMap<u64, Vec<Idle>>,
    /// Turns to connect, by server.
    turns: BTreeMap<u64, Rc<Semaphore>>,
    /// How long one may stay unused.
    keep: Duration,
    /// How many are kept for one server.
    most: usize,
}

impl Pool {
    pub(crate) fn new(keep: Duration, most: usize) -> Self {
        Self { idle: BTreeMap::new(), turns: BTreeMap::new(), keep, most: most.max(1) }
    }

    /// Takes a connection to that server that can send at once. With `proven`, the kernel is asked as well whether the
    /// server has closed it meanwhile: for requests that could not be sent a second time.
    pub(crate) fn take(&mut self, server: u64, proven: bool) -> Option<Lease> {
        let idle = self.idle.get_mut(&server)?;
        while let Some(Idle { mut lease, .. }) = idle.pop() {
            if lease.is_alive() && (!proven || lease.is_quiet()) {
                return Some(lease);
            }
        }
        None
    }

    /// The turns to connect to that server: one permit for each connection that is being made.
    pub(crate) fn turns(&mut self, server: u64) -> Rc<Semaphore> {
        Rc::clone(self.turns.entry(server).or_insert_with(|| Rc::new(Semaphore::new(CONNECTING))))
    }

    /// Gives a connection back after its response was read to the end.
    pub(crate) fn give_back(&mut self, mut lease: Lease) {
        if !lease.is_reusable() {
            return;
        }
        lease.rest();
        let idle = self.idle.entry(lease.server).or_default();
        if idle.len() < self.most {
            idle.push(Idle { lease, since: None });
        }
    }

    /// Closes what is too old, closed by the server, or leads to a server that `wanted` does not name any more.
    pub(crate) fn sweep(&mut self, now: Millis, wanted: impl Fn(u64) -> bool) {
        let keep = self.keep;
        self.turns.retain(|server, turns| wanted(*server) || Rc::strong_count(turns) > 1);
        self.idle.retain(|server, idle| {
            idle.retain_mut(|i| now.since(*i.since.get_or_insert(now)) < keep && i.lease.is_alive());
            !idle.is_empty() && wanted(*server)
        });
    }
}
