//! Metrics for Prometheus, under Traefik's names: dashboards that were made for it work unchanged.
//!
//! ```text
//! worker 0: WorkerMetrics ─ subjects ─ cells ─┐
//! worker 1: WorkerMetrics ─ subjects ─ cells ─┼─ read, never written ─► Metrics::render
//! …                                           ┘
//! ```
//!
//! A *subject* is an entry point, a router or a service, as one worker counts it; whoever routes keeps it at hand, so
//! that counting an exchange looks nothing up by name. Its *cells* are plain counters that only their worker writes to,
//! each group of them alone on its cache lines; a scrape adds up what all workers have. There is no lock and no shared
//! write on the way of a request; a subject that is new, or a status that it had not answered before, takes a few
//! hundred nanoseconds once.
//!
//! Subjects are known by their names and outlive tables: no counter goes back because a container came or went. What
//! has left the table is forgotten [`FORGET_AFTER`] later, and of what has left [`MOST_LEFT`] are kept at most.

mod cells;
mod exchange;
mod facts;
mod headers;
mod render;
mod subject;
mod worker;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

pub use exchange::{Exchange, Protocol, Sticky, Verb};
pub use facts::{Facts, LogFacts, ProviderFacts, ServerFacts};
pub use headers::HeaderValues;
pub use subject::{Kind, Subject};
pub use worker::{OpenConnection, WorkerMetrics};

use cells::Cells;
use headers::Headers;
use subject::{Identity, Label};

/// How long what has left the table is remembered: a deployment that takes everything down first starts no new series.
pub const FORGET_AFTER: Duration = Duration::from_secs(600);

/// How many routers and services are remembered that have left the table; beyond, the first to leave goes first.
pub const MOST_LEFT: usize = 1000;

/// By what is counted, and how finely.
#[derive(Clone, Debug, PartialEq)]
pub struct MetricsOptions {
    /// By entry point.
    pub entry_points: bool,
    /// By router.
    pub routers: bool,
    /// By service.
    pub services: bool,
    /// Upper bounds of the buckets for durations, in seconds, ascending.
    pub buckets: Vec<f64>,
    /// Labels of the counters of requests, each with the request header that gives its value.
    pub header_labels: Vec<(String, http::HeaderName)>,
}

impl Default for MetricsOptions {
    fn default() -> Self {
        Self {
            entry_points: true,
            routers: false,
            services: true,
            buckets: vec![0.1, 0.3, 1.2, 5.0],
            header_labels: Vec::new(),
        }
    }
}

/// The metrics of all workers.
#[derive(Debug)]
pub struct Metrics {
    options: MetricsOptions,
    /// The buckets' bounds in nanoseconds.
    bounds: Box<[u64]>,
    /// What each worker has handed over for reading.
    workers: Box<[Mutex<Vec<Arc<Cells>>>]>,
    known: Mutex<HashMap<Identity, Known>>,
    /// Values of the headers that are labels.
    headers: Headers,
    /// Counts up when something is forgotten, so that workers know when to look.
    forgotten: AtomicU64,
}

/// A subject that some worker has counted for.
#[derive(Debug)]
struct Known {
    label: Arc<Label>,
    /// Since when it is not in the table.
    left: Option<Duration>,
}

impl Metrics {
    /// Metrics of so many workers.
    pub fn new(options: MetricsOptions, workers: usize) -> Self {
        let bounds = options.buckets.iter().map(|seconds| nanoseconds(*seconds)).collect();
        Self {
            options,
            bounds,
            workers: (0..workers.max(1)).map(|_| Mutex::default()).collect(),
            known: Mutex::default(),
            headers: Headers::default(),
            forgotten: AtomicU64::new(0),
        }
    }

    /// The part of one worker, to be made in its thread.
    pub fn worker(self: &Arc<Self>, number: usize) -> WorkerMetrics {
        WorkerMetrics::new(Arc::clone(self), number)
    }

    /// Looks which routers and services are still in the table, and forgets those that left it long ago. `now` is the
    /// time since any fixed moment. `is_live` gets the kind, the name, and for a router its service.
    pub fn retain(&self, now: Duration, mut is_live: impl FnMut(Kind, &str, &str) -> bool) {
        let mut known = lock(&self.known);
        let mut gone = Vec::new();
        for (identity, known) in known.iter_mut() {
            if identity.kind == Kind::EntryPoint || is_live(identity.kind, &identity.name, &identity.service) {
                known.left = None;
            } else {
                gone.push((*known.left.get_or_insert(now), identity.clone()));
            }
        }
        gone.sort_by(|a, b| b.cmp(a));
        let mut forgotten = 0;
        for (place, (left, identity)) in gone.into_iter().enumerate() {
            if place >= MOST_LEFT || now.saturating_sub(left) >= FORGET_AFTER {
                if let Some(known) = known.remove(&identity) {
                    known.label.forget();
                }
                forgotten += 1;
            }
        }
        drop(known);
        if forgotten > 0 {
            self.forgotten.fetch_add(1, Ordering::Release);
        }
    }

    /// Everything in the text format of Prometheus, version 0.0.4: what the workers have counted, and what `facts` say.
    pub fn render(&self, facts: &Facts<'_>) -> String {
        render::render(self, facts)
    }

    /// The one label of all workers' subjects of that name.
    fn label(&self, identity: &Identity) -> Arc<Label> {
        let mut known = lock(&self.known);
        if let Some(known) = known.get(identity) {
            return Arc::clone(&known.label);
        }
        let label = Arc::new(Label::new(identity.clone()));
        known.insert(identity.clone(), Known { label: Arc::clone(&label), left: None });
        label
    }

    /// Every group of cells that is to be read, with its worker's number.
    fn cells(&self) -> Vec<(usize, Arc<Cells>)> {
        let mut all = Vec::new();
        for (number, worker) in self.workers.iter().enumerate() {
            // Taken over and read afterwards: a worker that has a new series must find the list free.
            let cells = lock(worker).clone();
            all.extend(cells.into_iter().filter(|cells| !cells.label.is_forgotten()).map(|cells| (number, cells)));
        }
        all
    }
}

fn nanoseconds(seconds: f64) -> u64 {
    Duration::try_from_secs_f64(seconds).map_or(u64::MAX, exchange::nanoseconds)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
