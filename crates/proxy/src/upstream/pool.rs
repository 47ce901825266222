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
    usual: Keep,
    /// For servers whose transport says something else.
    own: BTreeMap<u64, Keep>,
}

/// What is kept of the unused connections to one server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Keep {
    /// How long one may stay unused.
    pub(crate) time: Duration,
    /// How many.
    pub(crate) most: usize,
}

impl Pool {
    pub(crate) fn new(keep: Duration, most: usize) -> Self {
        let usual = Keep { time: keep, most: most.max(1) };
        Self { idle: BTreeMap::new(), turns: BTreeMap::new(), usual, own: BTreeMap::new() }
    }

    /// Says for which servers something else counts than what is usual.
    pub(crate) fn set_own(&mut self, own: BTreeMap<u64, Keep>) {
        self.own = own;
    }

    fn keep(&self, server: u64) -> Keep {
        self.own.get(&server).copied().unwrap_or(self.usual)
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
        let most = self.keep(lease.server).most;
        let idle = self.idle.entry(lease.server).or_default();
        if idle.len() < most {
            idle.push(Idle { lease, since: None });
        }
    }

    /// Closes what is too old, closed by the server, or leads to a server that `wanted` does not name any more.
    pub(crate) fn sweep(&mut self, now: Millis, wanted: impl Fn(u64) -> bool) {
        let (own, usual) = (&self.own, self.usual);
        self.turns.retain(|server, turns| wanted(*server) || Rc::strong_count(turns) > 1);
        self.idle.retain(|server, idle| {
            let keep = own.get(server).unwrap_or(&usual).time;
            idle.retain_mut(|i| now.since(*i.since.get_or_insert(now)) < keep && i.lease.is_alive());
            !idle.is_empty() && wanted(*server)
        });
    }
}
