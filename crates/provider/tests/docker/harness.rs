//! A watcher on a fake engine, and what it told.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use seaway_config::statics::DockerOptions;
use seaway_provider::docker::Container;
use seaway_provider::docker::client::Limits;
use seaway_provider::docker::engine::Engine;
use seaway_provider::docker::watch::{Counters, Timing, Watcher};
use seaway_provider::{Update, UpdateReceiver, updates};
use seaway_routing::state::Notice;
use seaway_testkit::engine::{FakeEngine, Spec};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

const DEADLINE: Duration = Duration::from_secs(20);

/// No reconcile and no ping gets between: what happens, happens because of events.
pub(crate) fn by_events_only() -> Timing {
    let hour = Duration::from_secs(3600);
    Timing { reconcile: hour, watchdog: hour, back_off: Duration::from_millis(50), ..Timing::default() }
}

/// A reconcile five times a second.
pub(crate) fn restless() -> Timing {
    Timing {
        reconcile: Duration::from_millis(200),
        event_delay: Duration::from_millis(200),
        patience: Duration::from_millis(500),
        ..by_events_only()
    }
}

pub(crate) fn quick_limits() -> Limits {
    Limits { inspect: Duration::from_millis(300), other: Duration::from_millis(300) }
}

pub(crate) struct Watched {
    pub(crate) counters: Arc<Counters>,
    pub(crate) ready: watch::Receiver<bool>,
    pub(crate) log: Vec<Update>,
    updates: UpdateReceiver,
    task: JoinHandle<()>,
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Watched {
    pub(crate) fn start(engine: &FakeEngine, timing: Timing, limits: Limits) -> Self {
        Self::endpoint(&engine.endpoint(), timing, limits)
    }

    pub(crate) fn endpoint(endpoint: &str, timing: Timing, limits: Limits) -> Self {
        Self::options(&DockerOptions { endpoint: endpoint.to_owned(), ..DockerOptions::default() }, timing, limits)
    }

    pub(crate) fn options(options: &DockerOptions, timing: Timing, limits: Limits) -> Self {
        let (sender, updates) = updates();
        let watcher = Watcher::new(Engine::from_options(options, None).unwrap(), limits, timing, sender);
        let (counters, ready) = (watcher.counters(), watcher.ready());
        Self { counters, ready, log: Vec::new(), updates, task: tokio::spawn(watcher.run()) }
    }

    /// Waits for the next update that `wanted` accepts; everything on the way is in `log`.
    pub(crate) async fn until(&mut self, what: &str, mut wanted: impl FnMut(&Update) -> bool) -> Update {
        let log = &mut self.log;
        let found = timeout(DEADLINE, async {
            loop {
                let update = self.updates.recv().await.expect("the watcher ended");
                log.push(update.clone());
                if wanted(&update) {
                    return update;
                }
            }
        });
        match found.await {
            Ok(update) => update,
            Err(_) => panic!("{what}: not in time; {:?}; updates: {}", self.counters, shown(&self.log)),
        }
    }

    /// Waits for a snapshot that `wanted` accepts.
    pub(crate) async fn snapshot(
        &mut self,
        what: &str,
        mut wanted: impl FnMut(&[Arc<Container>]) -> bool,
    ) -> Vec<Arc<Container>> {
        let update = self.until(what, |u| matches!(u, Update::Snapshot(s) if wanted(s))).await;
        match update {
            Update::Snapshot(snapshot) => snapshot.to_vec(),
            _ => Vec::new(),
        }
    }

    pub(crate) async fn snapshot_of(&mut self, names: &[&str]) -> Vec<Arc<Container>> {
        let mut expected: Vec<_> = names.to_vec();
        expected.sort_unstable();
        self.snapshot(&format!("a snapshot of {names:?}"), |s| self::names(s) == expected).await
    }

    pub(crate) async fn notice(&mut self, id: &str, notice: Notice) {
        let wanted =
            |u: &Update| matches!(u, Update::Notice { container, notice: n, .. } if container == id && *n == notice);
        self.until(&format!("{notice:?}"), wanted).await;
    }

    /// When this returns, everything that was caused before it has come: a new container, whose name is
    /// returned, has gone all the way.
    pub(crate) async fn barrier(&mut self, engine: &FakeEngine) -> String {
        let name = format!("barrier-{}", self.log.len());
        engine.run(Spec::new(&name));
        self.snapshot("the barrier", |s| s.iter().any(|c| c.name == name && c.running)).await;
        name
    }

    pub(crate) fn count(&self, wanted: impl Fn(&Update) -> bool) -> usize {
        self.log.iter().filter(|u| wanted(u)).count()
    }

    pub(crate) fn stale(&self) -> usize {
        self.count(|u| matches!(u, Update::Stale { .. }))
    }

    pub(crate) fn fresh(&self) -> usize {
        self.count(|u| matches!(u, Update::Fresh))
    }
}

pub(crate) fn count(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

pub(crate) fn names(snapshot: &[Arc<Container>]) -> Vec<&str> {
    let mut names: Vec<_> = snapshot.iter().map(|c| c.name.as_str()).collect();
    names.sort_unstable();
    names
}

pub(crate) fn named<'s>(snapshot: &'s [Arc<Container>], name: &str) -> &'s Arc<Container> {
    snapshot.iter().find(|c| c.name == name).unwrap()
}

fn shown(log: &[Update]) -> String {
    let line = |u: &Update| match u {
        Update::Snapshot(s) => format!("snapshot {:?}", names(s)),
        other => format!("{other:?}"),
    };
    log.iter().map(line).collect::<Vec<_>>().join("\n  ")
}
