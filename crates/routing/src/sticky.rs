//! Affinity by a cookie of the proxy's, in Traefik's form: the same names, the same values, the same old values.

mod cookie;
mod hash;
mod level;

use std::sync::atomic::{AtomicBool, Ordering};

use http::HeaderValue;
use seaway_config::model::{Name, StickyCookie as Options};
use seaway_head::Cookies;

use crate::balancer::Tried;
use crate::state::{ServerState, flag};
use crate::table::Server;

use hash::Hex;
pub(crate) use level::LevelCookie;

/// What became of a client's affinity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The service has none.
    None,
    /// The client had no cookie.
    New,
    /// It went where its cookie says.
    Hit,
    /// It had to move, or its server is another one than it was.
    Moved(Moved),
    /// Its cookie was too old.
    Expired,
    /// Its cookie says nothing that this service ever said.
    Invalid,
}

/// Why a client moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moved {
    /// Its server has been told to end.
    Draining,
    /// Its server is unhealthy, paused, unreachable, or has not said yet that it is ready.
    Down,
    /// Its server does not exist any more.
    Gone,
    /// Its server did not accept this request.
    Refused,
    /// Another container answers at its server's address. The cookie is the same, what it stood for is not. Told apart
    /// for as long as that container has not been given to a new client.
    Replaced,
}

impl Verdict {
    /// `none`, `new`, `hit`, `moved`, `expired` or `invalid`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::New => "new",
            Self::Hit => "hit",
            Self::Moved(_) => "moved",
            Self::Expired => "expired",
            Self::Invalid => "invalid",
        }
    }

    /// Why it moved: `draining`, `down`, `gone`, `refused` or `replaced`.
    pub fn reason(self) -> Option<&'static str> {
        let Self::Moved(why) = self else { return None };
        Some(match why {
            Moved::Draining => "draining",
            Moved::Down => "down",
            Moved::Gone => "gone",
            Moved::Refused => "refused",
            Moved::Replaced => "replaced",
        })
    }
}

impl Moved {
    /// Why this server cannot keep its client. What is known of the server says more than a refused connection.
    pub(crate) fn from(server: &Server, tried: &Tried) -> Self {
        match server.state.flags() {
            flags if flags & flag::GONE != 0 => Self::Gone,
            flags if flags & flag::TERMINATING != 0 => Self::Draining,
            flags if flags & !flag::DRAINING == 0 && tried.contains(server) => Self::Refused,
            _ => Self::Down,
        }
    }
}

static EMPTY: HeaderValue = HeaderValue::from_static("");

/// A service's cookie, compiled.
#[derive(Debug)]
pub struct StickyCookie {
    name: Box<str>,
    /// One for each server, in the same order.
    entries: Box<[Entry]>,
    /// Values of servers that were here before, the newest last.
    departed: Box<[u64]>,
}

/// Whether cookies can have this `SameSite`.
pub(crate) fn is_same_site(text: &str) -> bool {
    cookie::same_site(text).is_some()
}

/// Whether cookies can have this `Domain`.
pub(crate) fn is_domain(text: &str) -> bool {
    cookie::domain(text).is_some()
}

/// What a request's cookie says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Claim {
    /// There is none.
    Absent,
    /// Nothing that this service ever said.
    Unknown,
    /// A server that was here before.
    Departed,
    /// This server.
    Server {
        index: usize,
        /// In an old form: the cookie is to be written anew.
        legacy: bool,
        /// It was given for another container at the same address.
        replaced: bool,
    },
}

#[derive(Debug)]
struct Entry {
    value: u64,
    /// The value as it is written.
    text: [u8; 16],
    /// FNV-1 of the URL, and FNV-1 of that one's text, as they are written.
    legacy: [Hex; 2],
    /// Whose value it is: [`ServerState::id`].
    server: u64,
    set_cookie: HeaderValue,
    replaced: AtomicBool,
}

impl StickyCookie {
    /// Most departed servers that are remembered.
    pub const MAX_DEPARTED: usize = 1024;

    /// The cookie of service `name`; `previous` is what it was in the table before.
    pub fn new(options: &Options, name: &Name, servers: &[Server], previous: Option<&Self>) -> Self {
        let cookie = cookie::name(&options.name, name);
        let attributes = cookie::attributes(options);
        let entry = |server: &Server| {
            let value = hash::sha256_prefix(&server.url);
            let fnv = hash::fnv1(server.url.as_bytes());
            Entry {
                value,
                text: hash::padded(value),
                legacy: [fnv, hash::fnv1(format!("{fnv:x}").as_bytes())].map(Hex::unpadded),
                server: server.state.id(),
                set_cookie: cookie::set_cookie(&cookie, &format!("{value:016x}"), &attributes),
                replaced: AtomicBool::new(previous.is_some_and(|p| p.is_replaced(value, &server.state))),
            }
        };
        let entries: Box<[_]> = servers.iter().map(entry).collect();
        let departed = previous.map(|p| p.departed_without(&entries)).unwrap_or_default();
        Self { name: cookie, entries, departed }
    }

    /// The cookie's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The `Set-Cookie` value for a server, by its place in the service. Built once for each table; empty where the
    /// service has no such server.
    pub fn set_cookie(&self, server_index: usize) -> &HeaderValue {
        self.entries.get(server_index).map_or(&EMPTY, |entry| &entry.set_cookie)
    }

    /// What the request's cookie says. Of servers with the same value, one that `takes` accepts is meant.
    pub(crate) fn claim(&self, cookies: Cookies<'_>, servers: &[Server], takes: impl Fn(&Server) -> bool) -> Claim {
        let Some(text) = cookie::find(cookies, self.name.as_bytes()) else { return Claim::Absent };
        // Nearly always it is a value of today.
        if let Ok(text) = <[u8; 16]>::try_from(text)
            && let Some(index) = self.entries.iter().position(|entry| entry.text == text)
            && let (Some(entry), Some(server)) = (self.entries.get(index), servers.get(index))
            && takes(server)
        {
            return Claim::Server { index, legacy: false, replaced: entry.replaced.load(Ordering::Relaxed) };
        }
        let number = hash::parse_hex(text);
        let mut claim = None;
        for (index, (entry, server)) in self.entries.iter().zip(servers).enumerate() {
            let legacy = match number {
                Some(number) if number == Hex::padded(entry.value) => false,
                Some(number) if entry.legacy.contains(&number) => true,
                // A URL is no number.
                None if text == server.url.as_bytes() => true,
                _ => continue,
            };
            let this = Claim::Server { index, legacy, replaced: entry.replaced.load(Ordering::Relaxed) };
            if takes(server) {
                return this;
            }
            claim.get_or_insert(this);
        }
        claim.unwrap_or_else(|| match number {
            Some(n) if self.departed.iter().any(|value| n == Hex::padded(*value)) => Claim::Departed,
            _ => Claim::Unknown,
        })
    }

    /// A new client has been given this server: from now on its cookie can be the server's own.
    pub(crate) fn given(&self, index: usize) {
        if let Some(entry) = self.entries.get(index)
            && entry.replaced.load(Ordering::Relaxed)
        {
            entry.replaced.store(false, Ordering::Relaxed);
        }
    }

    /// Whether clients that hold this value got it for another server than this one.
    fn is_replaced(&self, value: u64, server: &ServerState) -> bool {
        let mut same = self.entries.iter().filter(|entry| entry.value == value);
        match self.entries.iter().find(|entry| entry.value == value && entry.server == server.id()) {
            Some(own) => own.replaced.load(Ordering::Relaxed),
            None => same.next().is_some() || self.departed.contains(&value),
        }
    }

    /// Values that were known and are not in `entries`, the newest last.
    fn departed_without(&self, entries: &[Entry]) -> Box<[u64]> {
        let stays = |value: &u64| entries.iter().any(|entry| entry.value == *value);
        let mut departed: Vec<_> = self.departed.iter().copied().filter(|value| !stays(value)).collect();
        for entry in &self.entries {
            if !stays(&entry.value) && !departed.contains(&entry.value) {
                departed.push(entry.value);
            }
        }
        let surplus = departed.len().saturating_sub(Self::MAX_DEPARTED);
        departed.drain(..surplus);
        departed.into()
    }
}

#[cfg(test)]
mod tests;
