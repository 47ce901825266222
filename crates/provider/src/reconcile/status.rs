//! How discovery is doing: cheap to ask, for readiness, metrics and the API.

use std::time::{Duration, SystemTime};

use seaway_routing::Millis;
use tokio::sync::watch;

use super::Clock;
use crate::snapshot::Declarations;

/// The engine cannot be reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stale {
    /// Since when.
    pub since: SystemTime,
    /// Why, for people.
    pub reason: String,
}

/// A provider without containers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Source {
    /// Its name.
    pub provider: Box<str>,
    /// Routers, services, middlewares and servers transports that it declares.
    pub objects: usize,
    /// When it last said something; `None` before its first word.
    pub last: Option<Millis>,
    /// Set while what it declares may be out of date.
    pub stale: Option<Stale>,
}

/// How the providers are doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// The name of the one with containers.
    pub provider: Box<str>,
    /// The ones without, by name.
    pub sources: Vec<Source>,
    /// Containers in the last snapshot, whether they count or not.
    pub containers: usize,
    /// When the last snapshot came, changed or not.
    pub last_snapshot: Option<Millis>,
    /// When what every provider said was first in force, or one had been waited for long enough: from then on Seaway is
    /// ready.
    pub applied_snapshot: Option<Millis>,
    /// Set while the engine cannot be reached.
    pub stale: Option<Stale>,
    /// Tables made.
    pub tables: u64,
    /// How long the last one took, from the first news to being in force.
    pub took: Duration,
}

impl Status {
    pub(super) fn new(provider: Box<str>) -> Self {
        Self {
            provider,
            sources: Vec::new(),
            containers: 0,
            last_snapshot: None,
            applied_snapshot: None,
            stale: None,
            tables: 0,
            took: Duration::ZERO,
        }
    }

    pub(super) fn saw(&mut self, now: Millis, containers: usize) {
        self.last_snapshot = Some(now);
        self.containers = containers;
    }

    pub(super) fn heard(&mut self, provider: &str, now: Millis, declarations: &Declarations) {
        let at = self.sources.iter().position(|source| *source.provider == *provider).unwrap_or_else(|| {
            self.sources.push(Source { provider: provider.into(), ..Source::default() });
            self.sources.len() - 1
        });
        let Some(source) = self.sources.get_mut(at) else { return };
        let Declarations { routers, services, middlewares, servers_transports, stale, .. } = declarations;
        source.objects = routers.len() + services.len() + middlewares.len() + servers_transports.len();
        source.stale.clone_from(stale);
        if stale.is_none() {
            source.last = Some(now);
        }
    }

    /// `all` tells whether nobody is waited for any more.
    pub(super) fn applied(&mut self, now: Millis, took: Duration, all: bool) {
        self.tables += 1;
        self.took = took;
        let any = self.last_snapshot.is_some() || self.sources.iter().any(|source| source.last.is_some());
        if all && any {
            self.applied_snapshot.get_or_insert(now);
        }
    }
}

/// Asks the reconciler how it is doing, without disturbing it.
#[derive(Clone, Debug)]
pub struct Handle {
    status: watch::Receiver<Status>,
    clock: Clock,
}

impl Handle {
    pub(super) fn new(status: watch::Receiver<Status>, clock: Clock) -> Self {
        Self { status, clock }
    }

    /// How it is doing now.
    pub fn status(&self) -> Status {
        self.status.borrow().clone()
    }

    /// How old the last snapshot is; nothing before the first.
    pub fn age(&self) -> Option<Duration> {
        self.status.borrow().last_snapshot.map(|at| self.clock.now().since(at))
    }

    /// A first snapshot is in force.
    pub fn is_ready(&self) -> bool {
        self.status.borrow().applied_snapshot.is_some()
    }

    /// Resolves once a first snapshot is in force; never if the reconciler ends before.
    pub async fn ready(&mut self) {
        if self.status.wait_for(|status| status.applied_snapshot.is_some()).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
