//! What providers without containers declare, and which providers the first table still waits for.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::merge::{Found, Merger};
use crate::snapshot::Declarations;

/// How long the first table waits for providers that say nothing: a router whose middleware another provider has not
/// brought yet would answer 503.
const PATIENCE: Duration = Duration::from_secs(5);

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Layers {
    /// In force, by provider.
    laid: BTreeMap<Box<str>, Arc<Declarations>>,
    /// Newer than what is in force.
    next: BTreeMap<Box<str>, Arc<Declarations>>,
    /// Providers that have not said anything yet.
    awaited: BTreeSet<Box<str>>,
    /// When waiting ends.
    until: Option<Instant>,
}

impl Layers {
    /// The first table waits for these.
    pub(super) fn new(providers: Vec<Box<str>>) -> Self {
        Self { awaited: providers.into_iter().collect(), ..Self::default() }
    }

    /// Waiting begins.
    pub(super) fn start(&mut self) {
        self.until = Instant::now().checked_add(PATIENCE);
    }

    /// That provider has said something, if only that it cannot.
    pub(super) fn heard(&mut self, provider: &str) {
        self.awaited.remove(provider);
    }

    /// Takes what a provider declares now. True if it is news.
    pub(super) fn take(&mut self, provider: Box<str>, declarations: Arc<Declarations>) -> bool {
        self.heard(&provider);
        let known = self.next.get(&provider).or_else(|| self.laid.get(&provider));
        if known.is_some_and(|known| Arc::ptr_eq(known, &declarations) || **known == *declarations) {
            return false;
        }
        self.next.insert(provider, declarations);
        true
    }

    /// A table that is due at `at` is made then, or when nobody is waited for any more.
    pub(super) fn not_before(&self, at: Instant) -> Instant {
        if self.awaited.is_empty() { at } else { self.until.map_or(at, |until| at.max(until)) }
    }

    /// Nobody is waited for any more.
    pub(super) fn is_complete(&self) -> bool {
        self.awaited.is_empty() || self.until.is_some_and(|until| until <= Instant::now())
    }

    /// Puts the news in force. True if what is told of them differs.
    pub(super) fn lay(&mut self, merger: &mut Merger) -> bool {
        let nothing = Declarations::default();
        let mut told = false;
        for (provider, now) in std::mem::take(&mut self.next) {
            let before = self.laid.get(&provider).map_or(&nothing, |before| &**before);
            merger.lay(&provider, before, &now);
            told |= before.diagnostics != now.diagnostics;
            self.laid.insert(provider, now);
        }
        told
    }

    /// What was found wrong with what is in force.
    pub(super) fn diagnostics(&self) -> impl Iterator<Item = &Found> {
        self.laid.values().flat_map(|declarations| &declarations.diagnostics)
    }
}

/// `dynamic.yml:12` → `dynamic.yml`: a line that moves is no other fault.
pub(crate) fn without_line(resource: &str) -> &str {
    match resource.rsplit_once(':') {
        Some((file, line)) if !line.is_empty() && line.bytes().all(|b| b.is_ascii_digit()) => file,
        _ => resource,
    }
}
