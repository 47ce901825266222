//! State that outlives tables: what a server is doing right now, and where a service's balancing stands.

mod seen;
mod silence;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use seaway_config::model::{Condition, DockerHealth, Identity, Name, ServersTransport};

use crate::Millis;
use crate::transport::{Connector, MakeConnector, Transport};

pub use seen::PassiveCheck;
use seen::Seen;
pub use silence::Silence;

/// What keeps a server from taking requests; no flag set means ready. Each flag is one fact with one owner, so facts
/// never overwrite one another: an `unpause` clears `PAUSED` and leaves `TERMINATING` alone.
pub mod flag {
    /// The engine has signalled it; it will end.
    pub const TERMINATING: u16 = 1;
    /// The container is paused.
    pub const PAUSED: u16 = 2;
    /// Docker's health check has not (or no longer) said healthy.
    pub const UNHEALTHY: u16 = 4;
    /// Its port has not been seen to accept since it started.
    pub const UNPROBED: u16 = 8;
    /// Its process has ended or its network is gone.
    pub const GONE: u16 = 16;
    /// Seaway has no network in common with it.
    pub const UNREACHABLE: u16 = 32;
    /// A person asked it to take no new sessions.
    pub const DRAINING: u16 = 64;
    /// The reconciler keeps it back: it ended too often lately, or the table with what its labels ask for is not in force.
    pub const HELD_BACK: u16 = 128;
    /// Its service's active health check has failed, or has not said anything yet.
    pub const CHECK_FAILED: u16 = 256;
    /// Too many requests failed on it: it is left alone for a while.
    pub const EJECTED: u16 = 512;
}

/// A server's condition in one word, for people; made from the flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Takes requests.
    Ready,
    /// Its port has not said yes yet, or the reconciler keeps it back.
    Starting,
    /// Its health check says no.
    Unhealthy,
    /// Paused.
    Paused,
    /// Signalled to end.
    Terminating,
    /// Ended.
    Gone,
    /// No network in common.
    Unreachable,
    /// No new sessions, by a person's wish.
    Draining,
}

impl Phase {
    /// The word that logs and the API use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Starting => "starting",
            Self::Unhealthy => "unhealthy",
            Self::Paused => "paused",
            Self::Terminating => "terminating",
            Self::Gone => "gone",
            Self::Unreachable => "unreachable",
            Self::Draining => "draining",
        }
    }
}

/// How long after its stop timeout a container that was told to end and still runs is taken back.
pub const RE_ADMISSION: Duration = Duration::from_secs(2);

/// One cell of a striped counter, alone on its cache line so that workers never share one.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Cell(AtomicU32);

/// The state of one server, kept for as long as a table or a running request points at it.
#[derive(Debug)]
pub struct ServerState {
    identity: Identity,
    /// A number that no other server of this process ever has; connection pools are keyed by it.
    id: u64,
    flags: AtomicU16,
    in_flight: Box<[Cell]>,
    /// When TERMINATING was set.
    terminating_since: AtomicU64,
    /// When it last stopped being ready; 0 for never.
    last_ready: AtomicU64,
    /// Its container has a health check: another start has to wait for it.
    has_health_check: AtomicBool,
    /// The start that the flags belong to; another start means gating anew.
    started_at: Mutex<Box<str>>,
    /// An active health check has said something of this start.
    pub(crate) checked: AtomicBool,
    /// Why its port does not accept.
    silence: silence::LastSilence,
    /// How long answers took lately, and what failed: only of servers whose service wants to know.
    pub(crate) seen: Seen,
}

impl ServerState {
    /// Who it is.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// A number that no other server of this process ever has.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// The flags as they are now.
    pub fn flags(&self) -> u16 {
        self.flags.load(Ordering::Acquire)
    }

    /// Takes new requests.
    pub fn is_ready(&self) -> bool {
        self.flags() == 0
    }

    /// Only terminating: no new request goes there while any other way is open, but it may still accept.
    pub fn is_last_resort(&self) -> bool {
        self.flags() == flag::TERMINATING
    }

    /// The condition in one word.
    pub fn phase(&self) -> Phase {
        let flags = self.flags();
        let has = |f: u16| flags & f != 0;
        match flags {
            0 => Phase::Ready,
            _ if has(flag::GONE) => Phase::Gone,
            _ if has(flag::TERMINATING) => Phase::Terminating,
            _ if has(flag::UNREACHABLE) => Phase::Unreachable,
            _ if has(flag::PAUSED) => Phase::Paused,
            _ if has(flag::UNPROBED | flag::HELD_BACK) => Phase::Starting,
            _ if has(flag::UNHEALTHY | flag::CHECK_FAILED | flag::EJECTED) => Phase::Unhealthy,
            _ => Phase::Draining,
        }
    }

    /// Keeps the clients that it has: ready, or draining by a person's wish.
    pub fn keeps_sessions(&self) -> bool {
        self.flags() & !flag::DRAINING == 0
    }

    /// Sets flags; true if one of them was not set before.
    pub fn set(&self, flags: u16) -> bool {
        self.flags.fetch_or(flags, Ordering::AcqRel) & flags != flags
    }

    /// Clears flags; true if the server became ready by it.
    pub fn clear(&self, flags: u16) -> bool {
        let before = self.flags.fetch_and(!flags, Ordering::AcqRel);
        before != 0 && before & !flags == 0
    }

    /// The same, and remembers when it stopped being ready.
    fn set_at(&self, flags: u16, now: Millis) -> bool {
        let before = self.flags.fetch_or(flags, Ordering::AcqRel);
        if before == 0 && flags != 0 {
            self.last_ready.fetch_max(now.0.max(1), Ordering::AcqRel);
        }
        before & flags != flags
    }

    /// When it last was ready: `now` if it is, `None` if it never was as far as is known.
    pub fn last_ready(&self, now: Millis) -> Option<Millis> {
        if self.is_ready() {
            return Some(now);
        }
        Some(self.last_ready.load(Ordering::Acquire)).filter(|at| *at > 0).map(Millis)
    }

    /// When it was told to end.
    pub fn terminating_since(&self) -> Millis {
        Millis(self.terminating_since.load(Ordering::Acquire))
    }

    /// One more request in flight, counted in `worker`'s own cell.
    pub fn enter(&self, worker: usize) {
        if let Some(cell) = self.cell(worker) {
            cell.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// One request less; `worker` must be the one that entered.
    pub fn leave(&self, worker: usize) {
        if let Some(cell) = self.cell(worker) {
            let before = cell.0.fetch_sub(1, Ordering::Relaxed);
            debug_assert!(before > 0, "in-flight underflow of {}", self.identity.address);
        }
    }

    /// Requests in flight over all workers.
    pub fn in_flight(&self) -> u32 {
        self.in_flight.iter().fold(0u32, |sum, cell| sum.wrapping_add(cell.0.load(Ordering::Relaxed)))
    }

    fn cell(&self, worker: usize) -> Option<&Cell> {
        self.in_flight.get(worker % self.in_flight.len().max(1))
    }
}

/// The state of one service: where its balancing stands, and who left it.
#[derive(Debug, Default)]
pub struct ServiceState {
    /// Virtual time of the weighted round robin: the deadline of the last pick.
    pub(crate) virtual_time: AtomicU64,
    /// When it last had a ready server; 0 for never. Set by the control plane.
    pub(crate) last_ready: AtomicU64,
    /// Requests that wait for a server right now.
    pub held: AtomicU32,
    /// Random numbers drawn so far.
    draws: AtomicU64,
}

impl ServiceState {
    /// When it last had a ready server, as far as a table or a leaving server said so.
    pub fn last_ready(&self) -> Option<Millis> {
        Some(self.last_ready.load(Ordering::Acquire)).filter(|at| *at > 0).map(Millis)
    }

    /// The next number of a sequence that looks random (SplitMix64).
    pub(crate) fn draw(&self) -> u64 {
        let mut z = self.draws.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed).wrapping_add(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// It has, or had, a ready server at that time.
    pub fn touch_ready(&self, at: Millis) {
        self.last_ready.fetch_max(at.0.max(1), Ordering::AcqRel);
    }
}

/// Who keeps the states: one for each server identity and service name. Used by the control plane only.
#[derive(Debug)]
pub struct StateRegistry {
    workers: usize,
    connectors: Option<Arc<dyn MakeConnector>>,
    /// What services get that name no transport.
    usual: OnceLock<Arc<Transport>>,
    transports: AtomicU32,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// The latest reading that anyone brought.
    now: Millis,
    next_id: u64,
    /// By container: an event names one.
    servers: HashMap<Box<str>, Vec<Arc<ServerState>>>,
    services: HashMap<Name, Arc<ServiceState>>,
}

/// What an engine event says about a container, before any list or inspect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// The engine sent the container's stop signal or SIGKILL.
    Terminating,
    /// Its process has ended, or it was removed.
    Ended,
    /// Paused.
    Paused,
    /// Un-paused.
    Unpaused,
    /// Its health check changed.
    Health(DockerHealth),
    /// It started (again): whatever was known about its end is void, its readiness too.
    Started,
}

impl StateRegistry {
    /// A registry for `workers` data-plane threads.
    pub fn new(workers: usize) -> Self {
        Self {
            workers: workers.max(1),
            connectors: None,
            usual: OnceLock::new(),
            transports: AtomicU32::new(0),
            inner: Mutex::default(),
        }
    }

    /// The same, with TLS towards servers.
    pub fn with_connectors(workers: usize, connectors: Arc<dyn MakeConnector>) -> Self {
        Self { connectors: Some(connectors), ..Self::new(workers) }
    }

    /// A transport with these options.
    ///
    /// # Errors
    ///
    /// Why they cannot be used.
    pub(crate) fn transport(&self, options: &ServersTransport) -> Result<Arc<Transport>, String> {
        // Sixteen million of them may come and go before one gets the number of another.
        let number = self.transports.fetch_add(1, Ordering::Relaxed) % ((1 << 23) - 1) + 1;
        let transport = Transport::new(number, options);
        if let Some(connectors) = &self.connectors {
            let made = connectors.make(options)?;
            transport.connector.get_or_init(|| made);
        }
        Ok(Arc::new(transport))
    }

    /// What connects by TLS with these options; `None` where nothing does, as in tools that only read.
    pub(crate) fn connector(&self, options: &ServersTransport) -> Option<Result<Connector, String>> {
        self.connectors.as_ref().map(|connectors| connectors.make(options))
    }

    /// The transport of services that name none.
    pub(crate) fn usual_transport(&self) -> &Arc<Transport> {
        self.usual.get_or_init(|| {
            let options = self.connectors.as_ref().map(|connectors| connectors.default_options());
            Arc::new(Transport::new(0, &options.unwrap_or_default()))
        })
    }

    /// Sees to it that a transport can connect by TLS. The usual one's authorities are read when they are needed first.
    ///
    /// # Errors
    ///
    /// Why it cannot.
    pub(crate) fn ready_for_tls(&self, transport: &Transport) -> Result<(), String> {
        let none = || "there is no TLS towards servers".to_owned();
        if transport.connector.get().is_none() {
            let connectors = self.connectors.as_ref().filter(|_| transport.number == 0).ok_or_else(none)?;
            let made = connectors.make(&connectors.default_options())?;
            transport.connector.get_or_init(|| made);
        }
        Ok(())
    }

    /// The state of that server, made if it is new. `condition` is applied: what the provider knows now.
    pub fn adopt(&self, identity: &Identity, condition: &Condition, now: Millis) -> Arc<ServerState> {
        let mut inner = self.lock();
        inner.now = inner.now.max(now);
        let known =
            inner.servers.get(&identity.container).and_then(|of_it| of_it.iter().find(|s| s.identity == *identity));
        let state = match known {
            Some(state) => Arc::clone(state),
            None => {
                inner.next_id += 1;
                let state = Arc::new(ServerState {
                    identity: identity.clone(),
                    id: inner.next_id,
                    flags: AtomicU16::new(if condition.assume_ready { 0 } else { flag::UNPROBED }),
                    in_flight: (0..self.workers).map(|_| Cell::default()).collect(),
                    terminating_since: AtomicU64::new(0),
                    last_ready: AtomicU64::new(0),
                    has_health_check: AtomicBool::new(false),
                    started_at: Mutex::new(condition.started_at.clone()),
                    checked: AtomicBool::new(false),
                    silence: silence::LastSilence::default(),
                    seen: Seen::default(),
                });
                inner.servers.entry(identity.container.clone()).or_default().push(Arc::clone(&state));
                state
            }
        };
        drop(inner);
        observe(&state, condition, now);
        state
    }

    /// Applies what the provider knows now to the state of that server, if there is one.
    pub(crate) fn observe(&self, identity: &Identity, condition: &Condition, now: Millis) {
        let mut inner = self.lock();
        inner.now = inner.now.max(now);
        let known =
            inner.servers.get(&identity.container).and_then(|of_it| of_it.iter().find(|s| s.identity == *identity));
        let state = known.map(Arc::clone);
        drop(inner);
        if let Some(state) = state {
            observe(&state, condition, now);
        }
    }

    /// The state of that service, made if it is new.
    pub fn service(&self, name: &Name) -> Arc<ServiceState> {
        Arc::clone(self.lock().services.entry(name.clone()).or_default())
    }

    /// Applies what an event says to every server of that container, at once: workers see it with their next pick.
    /// Returns the servers whose readiness changed.
    pub fn notify(&self, container: &str, notice: Notice, now: Millis) -> Vec<Arc<ServerState>> {
        let mut inner = self.lock();
        inner.now = inner.now.max(now);
        let states = inner.servers.get(container).cloned().unwrap_or_default();
        drop(inner);
        states.into_iter().filter(|state| apply(state, notice, now)).collect()
    }

    /// Marks one address of a container as gone (its network was disconnected).
    pub fn disconnect(&self, container: &str, network: &str) -> Vec<Arc<ServerState>> {
        let inner = self.lock();
        let states = inner.servers.get(container).cloned().unwrap_or_default();
        let now = inner.now;
        drop(inner);
        let there = states.into_iter().filter(|state| &*state.identity.network == network);
        there.filter(|state| state.set_at(flag::GONE, now)).collect()
    }

    /// Every server known, for probes, the API and tests.
    pub fn servers(&self) -> Vec<Arc<ServerState>> {
        self.lock().servers.values().flatten().map(Arc::clone).collect()
    }

    /// The servers of one container.
    pub fn of_container(&self, container: &str) -> Vec<Arc<ServerState>> {
        self.lock().servers.get(container).cloned().unwrap_or_default()
    }

    /// Forgets states that no table and no request points at any more.
    pub fn collect_garbage(&self) {
        let mut inner = self.lock();
        inner.servers.retain(|_, states| {
            states.retain(|state| Arc::strong_count(state) > 1);
            !states.is_empty()
        });
        inner.services.retain(|_, state| Arc::strong_count(state) > 1);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Applies an event. True if it changed what keeps the server from taking requests.
fn apply(state: &ServerState, notice: Notice, now: Millis) -> bool {
    match notice {
        Notice::Terminating => {
            state.terminating_since.store(now.0, Ordering::Release);
            state.set_at(flag::TERMINATING, now)
        }
        Notice::Ended => state.set_at(flag::GONE, now),
        Notice::Paused => state.set_at(flag::PAUSED, now),
        Notice::Unpaused => state.clear(flag::PAUSED),
        Notice::Health(DockerHealth::Healthy | DockerHealth::None) => state.clear(flag::UNHEALTHY),
        Notice::Health(DockerHealth::Starting | DockerHealth::Unhealthy) => state.set_at(flag::UNHEALTHY, now),
        // The end of a run is told before the next start. Where no end is known, an inspect has told of this start
        // already: gating once more would take a ready server from its clients.
        Notice::Started if state.flags() & (flag::TERMINATING | flag::GONE | flag::PAUSED) == 0 => false,
        Notice::Started => {
            start_anew(state, now);
            true
        }
    }
}

/// Another run of the same container: what is known of the last one's end is void, and so is its readiness.
fn start_anew(state: &ServerState, now: Millis) {
    let health = if state.has_health_check.load(Ordering::Acquire) { flag::UNHEALTHY } else { 0 };
    let checked = if state.checked.swap(false, Ordering::AcqRel) { flag::CHECK_FAILED } else { 0 };
    state.set_at(flag::UNPROBED | health | checked, now);
    state.clear(flag::TERMINATING | flag::GONE | flag::PAUSED | flag::EJECTED);
}

/// With this condition a server without flags keeps none: looking at it again would change nothing.
pub(crate) fn is_plain(condition: &Condition) -> bool {
    let well = matches!(condition.health, DockerHealth::None | DockerHealth::Healthy);
    condition.running && !condition.paused && !condition.unreachable && well
}

/// Applies what a fresh inspect says. The provider hands over no inspect that began before the container's last event,
/// so `GONE` may be taken back here; a `TERMINATING` server runs on until it has ended, so it is re-admitted only well
/// after its stop timeout, or when it was started anew.
fn observe(state: &ServerState, condition: &Condition, now: Millis) {
    state.has_health_check.store(condition.health != DockerHealth::None, Ordering::Release);
    {
        let mut started_at = state.started_at.lock().unwrap_or_else(PoisonError::into_inner);
        if *started_at != condition.started_at && condition.running {
            started_at.clone_from(&condition.started_at);
            start_anew(state, now);
        }
    }
    if !condition.running {
        state.set_at(flag::GONE, now);
    } else if state.flags() & flag::GONE != 0 {
        state.set_at(flag::UNPROBED, now);
        state.clear(flag::GONE);
    }
    let by = |on: bool, f: u16| if on { state.set_at(f, now) } else { state.clear(f) };
    by(condition.paused, flag::PAUSED);
    by(condition.unreachable, flag::UNREACHABLE);
    by(matches!(condition.health, DockerHealth::Starting | DockerHealth::Unhealthy), flag::UNHEALTHY);
    let overdue = condition.stop_timeout + RE_ADMISSION;
    if condition.running && state.flags() & flag::TERMINATING != 0 && now.since(state.terminating_since()) > overdue {
        state.set_at(flag::UNPROBED, now);
        state.clear(flag::TERMINATING);
    }
}

#[cfg(test)]
mod tests;
