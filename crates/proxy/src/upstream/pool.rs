//! One worker's idle connections, by server.

use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use hyper::client::conn::http1::{Parts, SendRequest};
use hyper_util::rt::TokioIo;
use seaway_routing::Millis;
use tokio::sync::{Semaphore, oneshot};

use super::io::{UpstreamIo, Wire};
use crate::body::RequestBody;

/// A borrowed connection to one server.
#[derive(Debug)]
pub(crate) struct Lease {
    /// Sends requests on it.
    pub(crate) sender: SendRequest<RequestBody>,
    /// The connection itself.
    pub(crate) wire: Rc<Wire>,
    /// The socket itself once HTTP is over on it.
    pub(crate) handed_over: oneshot::Receiver<Parts<TokioIo<UpstreamIo>>>,
    /// The state id of the server that it leads to: the identity, so that a re-used address is another key.
    pub(crate) server: u64,
    /// No request was sent on it before.
    pub(crate) fresh: bool,
    /// It must carry no other request.
    pub(crate) spoiled: bool,
}

/// Connections that one worker makes to one server at the same time. Backlogs of 128 are common, and there are several
/// workers.
const CONNECTING: usize = 32;

#[derive(Debug)]
struct Idle {
    lease: Lease,
    since: Millis,
}

/// Idle connections of one worker. Last in, first out: the warmest is taken, the rest may grow old and go.
#[derive(Debug)]
pub(crate) struct Pool {
    idle: HashMap<u64, Vec<Idle>>,
    /// Turns to connect, by server.
    turns: HashMap<u64, Rc<Semaphore>>,
    /// How long one may stay unused.
    keep: Duration,
    /// How many are kept for one server.
    most: usize,
}

impl Pool {
    pub(crate) fn new(keep: Duration, most: usize) -> Self {
        Self { idle: HashMap::new(), turns: HashMap::new(), keep, most: most.max(1) }
    }

    /// Takes a connection to that server that can send at once. With `proven`, the kernel is asked as well whether the
    /// server has closed it meanwhile: for requests that could not be sent a second time.
    pub(crate) fn take(&mut self, server: u64, proven: bool) -> Option<Lease> {
        let idle = self.idle.get_mut(&server)?;
        let mut at = idle.len();
        while at > 0 {
            at -= 1;
            let connection = idle.get(at)?;
            if connection.lease.sender.is_closed() {
                idle.swap_remove(at);
                continue;
            }
            // One that was given back a moment ago may not have finished its last turn yet: leave it, take another.
            if !connection.lease.sender.is_ready() {
                continue;
            }
            let connection = idle.swap_remove(at);
            if proven && !connection.lease.wire.is_quiet() {
                continue;
            }
            return Some(connection.lease);
        }
        None
    }

    /// The turns to connect to that server: one permit for each connection that is being made.
    pub(crate) fn turns(&mut self, server: u64) -> Rc<Semaphore> {
        Rc::clone(self.turns.entry(server).or_insert_with(|| Rc::new(Semaphore::new(CONNECTING))))
    }

    /// Gives a connection back after its response was read to the end.
    pub(crate) fn give_back(&mut self, mut lease: Lease, now: Millis) {
        if lease.spoiled || lease.sender.is_closed() || lease.wire.has_failed() {
            return;
        }
        lease.fresh = false;
        let idle = self.idle.entry(lease.server).or_default();
        if idle.len() < self.most {
            idle.push(Idle { lease, since: now });
        }
    }

    /// Closes what is too old, closed by the server, or leads to a server that `wanted` does not name any more.
    pub(crate) fn sweep(&mut self, now: Millis, wanted: impl Fn(u64) -> bool) {
        let keep = self.keep;
        self.turns.retain(|server, turns| wanted(*server) || Rc::strong_count(turns) > 1);
        self.idle.retain(|server, idle| {
            idle.retain(|i| !i.lease.sender.is_closed() && now.since(i.since) < keep);
            !idle.is_empty() && wanted(*server)
        });
    }
}
