//! Choosing a server: affinity first, then the strategy. No lock and no allocation.

mod schedule;
pub(crate) mod strategy;

use std::net::IpAddr;
use std::time::Duration;

use http::HeaderMap;
use seaway_head::{Cookies, RequestHead};

use crate::Millis;
use crate::sticky::{Claim, Moved, Verdict};
use crate::table::{Server, Service};

pub use schedule::Balancer;
pub(crate) use schedule::Turns;
pub use strategy::Strategy;

/// What a choice may depend on of a request.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'r> {
    /// Its cookies.
    pub cookies: Cookies<'r>,
    /// Who sent it, as far as the connection tells; none is like one client for all.
    pub client: Option<IpAddr>,
}

impl<'r> From<&'r HeaderMap> for Asked<'r> {
    fn from(headers: &'r HeaderMap) -> Self {
        Self { cookies: headers.into(), client: None }
    }
}

impl<'r> From<&'r RequestHead> for Asked<'r> {
    fn from(head: &'r RequestHead) -> Self {
        Self { cookies: head.headers.cookies(), client: Some(head.peer) }
    }
}

/// Which servers may be chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Want {
    /// Ready ones.
    Ready,
    /// Also one that is only terminating, when nothing else is left: for requests that may be repeated.
    LastResort,
}

/// The outcome of a choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pick {
    /// This one.
    Server(Picked),
    /// There is none.
    None(NoServer),
}

/// A chosen server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Picked {
    /// Its place in [`Service::servers`].
    pub index: usize,
    /// What became of the client's affinity.
    pub sticky: Verdict,
    /// The response needs the service's cookie for this server.
    pub set_cookie: bool,
}

/// Why there is no server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoServer {
    /// The service has no servers, or none that takes requests.
    Empty,
    /// Every server that takes requests has been tried.
    AllTried,
}

/// Servers that this request has been tried on, across tables.
#[derive(Clone, Debug, Default)]
pub struct Tried {
    near: [u64; Self::NEAR],
    len: usize,
    /// Allocated only when more than [`Self::NEAR`] have failed.
    far: Vec<u64>,
}

impl Tried {
    const NEAR: usize = 8;

    /// Remembers a server.
    pub fn insert(&mut self, server: &Server) {
        let id = server.state.id();
        if self.has(id) {
            return;
        }
        match self.near.get_mut(self.len) {
            Some(slot) => *slot = id,
            None => self.far.push(id),
        }
        self.len += 1;
    }

    /// Whether it was tried.
    pub fn contains(&self, server: &Server) -> bool {
        self.len > 0 && self.has(server.state.id())
    }

    /// How many were tried.
    pub fn len(&self) -> usize {
        self.len
    }

    /// None was tried.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    fn has(&self, id: u64) -> bool {
        self.near.iter().take(self.len).chain(&self.far).any(|tried| *tried == id)
    }
}

impl Service {
    /// Chooses the server for a request that has been tried on these servers.
    pub fn pick<'r>(&self, asked: impl Into<Asked<'r>>, tried: &Tried, want: Want) -> Pick {
        let asked = asked.into();
        let Some(sticky) = &self.sticky else {
            return match self.choose(&asked, tried, want) {
                Ok(index) => Pick::Server(Picked { index, sticky: Verdict::None, set_cookie: false }),
                Err(none) => Pick::None(none),
            };
        };
        let takes = |server: &Server| server.state.keeps_sessions() && !tried.contains(server);
        let (verdict, home) = match sticky.claim(asked.cookies, &self.servers, takes) {
            Claim::Absent => (Verdict::New, None),
            Claim::Unknown => (Verdict::Invalid, None),
            Claim::Departed => (Verdict::Moved(Moved::Gone), None),
            Claim::Server { index, legacy, replaced } => match self.servers.get(index) {
                Some(server) if takes(server) => {
                    let sticky = if replaced { Verdict::Moved(Moved::Replaced) } else { Verdict::Hit };
                    return Pick::Server(Picked { index, sticky, set_cookie: legacy });
                }
                Some(server) => (Verdict::Moved(Moved::from(server, tried)), Some((index, legacy))),
                None => (Verdict::Invalid, None),
            },
        };
        match (self.choose(&asked, tried, want), home) {
            // Nothing but its own terminating server was left: it has not moved.
            (Ok(index), Some((home, legacy))) if index == home => {
                Pick::Server(Picked { index, sticky: Verdict::Hit, set_cookie: legacy })
            }
            (Ok(index), _) => {
                sticky.given(index);
                Pick::Server(Picked { index, sticky: verdict, set_cookie: true })
            }
            (Err(none), _) => Pick::None(none),
        }
    }

    /// How many servers are ready.
    pub fn admitted(&self) -> usize {
        self.servers.iter().filter(|server| server.state.is_ready()).count()
    }

    /// Whether it has had a ready server within that time: then it is likely to have one again soon.
    pub fn had_ready_within(&self, window: Duration, now: Millis) -> bool {
        let recent = |at: Millis| now.since(at) <= window;
        self.servers.iter().filter_map(|server| server.state.last_ready(now)).any(recent)
            || self.state.last_ready().is_some_and(recent)
    }

    fn choose(&self, asked: &Asked<'_>, tried: &Tried, want: Want) -> Result<usize, NoServer> {
        let ready = |server: &Server| server.state.is_ready();
        let ending = |server: &Server| server.state.is_last_resort();
        if let Some(index) = self.next(asked, tried, ready) {
            return Ok(index);
        }
        if want == Want::LastResort
            && let Some(index) = self.next(asked, tried, ending)
        {
            return Ok(index);
        }
        let any = |takes: fn(&Server) -> bool| self.servers.iter().any(|server| server.weight > 0 && takes(server));
        let left = any(ready) || (want == Want::LastResort && any(ending));
        Err(if left { NoServer::AllTried } else { NoServer::Empty })
    }
}

#[cfg(test)]
mod tests;
