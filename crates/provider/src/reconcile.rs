//! The reconciler: one task that turns what providers send into the table in force.
//!
//! What takes a server out of service is applied to its state the moment it is read; the table follows, the first change
//! at once and a burst within [`WINDOW`]. Tables are made from the view: the last snapshot, brought forward by the
//! notices that came after it, so that a table made in between never takes one back.

mod flapping;
mod late;
mod layers;
mod named_files;
mod status;
mod view;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use seaway_config::model::Config;
use seaway_config::{Code, Diagnostic, Origin, Severity};
use seaway_routing::compile::{CompileOptions, compile};
use seaway_routing::state::{Notice, RE_ADMISSION, flag};
use seaway_routing::{Millis, Published, RoutingTable, ServerState, StateRegistry};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::docker::{BuildOptions, Builder, Partial};
use crate::merge::{Found, Merger, Outcome, Standing};
use crate::snapshot::{Update, UpdateReceiver};
use crate::story::Story;
use crate::story::faults::Faults;
use crate::tombstone::{self, Tombstones};

use flapping::Flapping;
use late::Late;
use layers::Layers;
pub(crate) use layers::without_line;
use named_files::NamedFiles;
pub use status::{Handle, Source, Stale, Status};
use view::View;

/// Changes that follow one another within this time become one table.
pub const WINDOW: Duration = Duration::from_millis(15);
/// Servers that are lost within this time share a line of the log.
const TELLING: Duration = Duration::from_millis(20);
/// How long a stop signal waits for its container to become known: longer than the engine needs for an inspect.
const UNKNOWN: Duration = Duration::from_secs(60);
/// When tables that workers may still hold are looked at again: workers look for a new one at least every 500 ms.
const FREEING: Duration = Duration::from_secs(1);
/// A little more than the timer's resolution.
const SLACK: Duration = Duration::from_millis(5);

/// The clock that workers, probes and the reconciler share.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> Millis + Send + Sync>);

impl Clock {
    /// A clock that reads `read`.
    pub fn new(read: impl Fn() -> Millis + Send + Sync + 'static) -> Self {
        Self(Arc::new(read))
    }

    /// A clock that starts now, a second from zero, which stands for never.
    pub fn start() -> Self {
        let start = Instant::now();
        Self::new(move || Millis(1000 + u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX)))
    }

    /// The reading.
    pub fn now(&self) -> Millis {
        (self.0)()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Clock").field(&self.now()).finish()
    }
}

/// What the reconciler has to know.
#[derive(Clone, Debug)]
pub struct ReconcilerOptions {
    /// How containers are read.
    pub build: BuildOptions,
    /// How configuration becomes a table. The own container is filled in from `build`.
    pub compile: CompileOptions,
    /// What is there without any container: `ping@internal`, `api@internal`.
    pub statics: Config,
    /// How long what a vanished container declared stays.
    pub keep: Duration,
    /// The providers that the first table with anybody's configuration waits for, within bounds; by itself the one of
    /// `build`.
    pub providers: Vec<Box<str>>,
}

impl ReconcilerOptions {
    /// Options with the usual time for tombstones.
    pub fn new(build: BuildOptions, compile: CompileOptions, statics: Config) -> Self {
        let providers = vec![build.provider.clone()];
        Self { build, compile, statics, keep: tombstone::KEEP, providers }
    }
}

/// One task's worth of state. See [`Reconciler::run`].
#[derive(Debug)]
pub struct Reconciler {
    compile: CompileOptions,
    own: Option<String>,
    registry: Arc<StateRegistry>,
    published: Arc<Published>,
    clock: Clock,
    builder: Builder,
    merger: Merger,
    tombstones: Tombstones,
    view: View,
    layers: Layers,
    story: Story,
    faults: Faults,
    told: Told,
    status: watch::Sender<Status>,
    /// Signalled before their servers were known, or known of again, and when.
    early: HashMap<String, Instant>,
    flapping: Flapping,
    late: Late,
    named_files: NamedFiles,
    /// Containers, by id, whose own definitions are not in force yet.
    ahead: BTreeSet<String>,
    /// Servers that are kept back.
    held_back: Vec<Arc<ServerState>>,
    /// When the next container has stayed up for long enough.
    settles: Option<Millis>,
    /// When containers that were told to end are to be looked at again.
    overdue: BTreeMap<String, Instant>,
    due: Due,
    /// What is static is in force.
    begun: bool,
}

/// What was told with the last table, and what it was made from.
#[derive(Debug, Default)]
struct Told {
    compiled: Arc<[Diagnostic]>,
    late: Vec<Diagnostic>,
    stale: Option<Diagnostic>,
    all: Arc<[Diagnostic]>,
}

/// When something is to be done.
#[derive(Debug, Default)]
struct Due {
    /// Since when the table lags behind, by both clocks.
    dirty: Option<(Instant, Millis)>,
    apply: Option<Instant>,
    tell: Option<Instant>,
    free: Option<Instant>,
    applied: Option<Instant>,
}

impl Reconciler {
    /// A reconciler that has published nothing yet.
    pub fn new(
        options: ReconcilerOptions,
        registry: Arc<StateRegistry>,
        published: Arc<Published>,
        clock: Clock,
    ) -> Self {
        let provider = options.build.provider.clone();
        Self {
            compile: options.compile,
            merger: Merger::new(&provider, options.statics),
            own: options.build.own.clone(),
            registry,
            published,
            clock,
            builder: Builder::new(options.build),
            tombstones: Tombstones::new(options.keep),
            view: View::default(),
            layers: Layers::new(options.providers),
            story: Story::default(),
            faults: Faults::default(),
            status: watch::channel(Status::new(provider)).0,
            told: Told::default(),
            early: HashMap::new(),
            flapping: Flapping::default(),
            late: Late::default(),
            named_files: NamedFiles::default(),
            ahead: BTreeSet::new(),
            held_back: Vec::new(),
            settles: None,
            overdue: BTreeMap::new(),
            due: Due::default(),
            begun: false,
        }
    }

    /// For those who want to know how it is doing.
    pub fn handle(&self) -> Handle {
        Handle::new(self.status.subscribe(), self.clock.clone())
    }

    /// Publishes a table with what is static, so that whoever accepts requests from here on has it. [`run`](Self::run)
    /// does so by itself where it has not been done.
    pub fn begin(&mut self) {
        if std::mem::replace(&mut self.begun, true) {
            return;
        }
        self.layers.start();
        self.apply();
        // The first snapshot does not wait because of that.
        self.due.applied = None;
    }

    /// Runs until every provider has hung up.
    pub async fn run(mut self, mut updates: UpdateReceiver) {
        let mut readiness = self.published.subscribe();
        self.begin();
        loop {
            let due = self.next_due();
            let timer = async {
                match due {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                update = updates.recv() => {
                    let Some(update) = update else { return };
                    self.take(update);
                    // All that is there, before anything slow.
                    while let Ok(update) = updates.try_recv() {
                        self.take(update);
                    }
                }
                changed = readiness.changed() => {
                    if changed.is_ok() {
                        self.readiness_changed();
                    }
                }
                () = timer => {}
            }
            self.act(Instant::now());
        }
    }

    fn take(&mut self, update: Update) {
        let now = self.clock.now();
        match update {
            Update::Snapshot(snapshot) => {
                self.status.send_modify(|status| status.saw(now, snapshot.len()));
                let differs = self.view.differs(&snapshot) || self.status.borrow().applied_snapshot.is_none();
                self.layers.heard(self.builder.provider());
                let lost = self.view.replace(&snapshot, &self.registry, now);
                self.overdue.retain(|id, _| snapshot.iter().any(|c| c.running && c.id == *id));
                self.announce(lost);
                if differs {
                    self.change();
                }
            }
            Update::Notice { container, notice, at: _ } => {
                let changed = self.registry.notify(&container, notice, now);
                match notice {
                    Notice::Terminating => self.terminating(&container),
                    Notice::Ended => self.ended(&container, now),
                    _ => {}
                }
                self.announce(!changed.is_empty());
                self.view.notice(&container, notice);
            }
            Update::Disconnected { container, network_id } => {
                let changed = self.registry.disconnect(&container, &network_id);
                self.announce(!changed.is_empty());
                self.view.disconnected(&container, &network_id);
            }
            Update::Heard { container } => self.story.heard(&container, now),
            Update::Stale { since, reason } => {
                self.layers.heard(self.builder.provider());
                let news = self.status.borrow().stale.is_none();
                self.status.send_modify(|status| status.stale = Some(Stale { since, reason }));
                if news {
                    self.change();
                }
            }
            Update::Fresh => {
                if self.status.borrow().stale.is_some() {
                    self.status.send_modify(|status| status.stale = None);
                    self.change();
                }
            }
            Update::Declared { provider, declarations } => {
                self.status.send_modify(|status| status.heard(&provider, now, &declarations));
                if self.layers.take(provider, declarations) || self.status.borrow().applied_snapshot.is_none() {
                    self.change();
                }
            }
        }
    }

    /// Its servers know. If it has none yet, or those of a run that has ended, the signal is for the run that no snapshot
    /// has told of yet.
    fn terminating(&mut self, container: &str) {
        if self.registry.of_container(container).iter().all(|s| s.flags() & flag::GONE != 0) {
            // Most of those that come here are never routed.
            self.early.retain(|_, at| at.elapsed() < UNKNOWN);
            self.early.insert(container.to_owned(), Instant::now());
        }
        self.look_again(container.to_owned());
    }

    fn ended(&mut self, container: &str, now: Millis) {
        self.early.remove(container);
        // One that was told to end has done what somebody wanted: that is no flapping.
        let was_told = self.overdue.contains_key(container);
        if !was_told && self.view.get(container).is_some_and(|c| c.running) {
            self.flapping.ended(container, now);
        }
    }

    /// Keeps back the servers of containers that end again and again, and of those whose own definitions are not in force.
    fn hold_back(&mut self, now: Millis) {
        let waiting = self.flapping.waiting(now);
        self.settles = waiting.values().min().copied();
        for container in waiting.into_keys().chain(self.ahead.iter().map(String::as_str)) {
            for state in self.registry.of_container(container) {
                if state.set(flag::HELD_BACK) {
                    self.held_back.push(state);
                }
            }
        }
    }

    /// Lets go of those that need not be kept back any more, which must not be before the table is in force.
    fn let_go(&mut self, now: Millis) {
        let waiting = self.flapping.waiting(now);
        self.settles = waiting.values().min().copied();
        let mut ready = false;
        let ahead = &self.ahead;
        self.held_back.retain(|state| {
            let container = &*state.identity().container;
            let stays = waiting.contains_key(container) || ahead.contains(container);
            ready |= !stays && state.clear(flag::HELD_BACK);
            stays
        });
        if ready {
            self.published.wake();
        }
    }

    /// A container that was told to end may go on living: a table that is made late enough takes it back.
    fn look_again(&mut self, container: String) {
        if let Some(found) = self.view.get(&container)
            && let Some(at) = Instant::now().checked_add(found.stop_timeout + RE_ADMISSION + SLACK)
        {
            self.overdue.insert(container, at);
        }
    }

    /// Something that workers see at once; the log tells it with what follows.
    fn announce(&mut self, changed: bool) {
        if changed {
            self.published.wake();
            self.due.tell.get_or_insert_with(|| Instant::now() + TELLING);
        }
    }

    /// The table lags behind: the first change is applied at once, what follows within the window together.
    fn change(&mut self) {
        let now = Instant::now();
        self.due.dirty.get_or_insert_with(|| (now, self.clock.now()));
        let free = self.due.applied.map_or(now, |at| now.max(at + WINDOW));
        self.due.apply.get_or_insert(free);
    }

    /// Somebody (a probe, a notice, ourselves) said that readiness may have changed.
    fn readiness_changed(&mut self) {
        self.story.note(self.clock.now());
        self.due.tell.get_or_insert_with(|| Instant::now() + TELLING);
        let registry = &self.registry;
        if self.merger.is_due(&|part| standing(part, registry)) || self.late.is_over() {
            self.change();
        }
    }

    fn next_due(&self) -> Option<Instant> {
        let now = (Instant::now(), self.clock.now());
        let on_clock = |at: Millis| now.0 + at.since(now.1) + Duration::from_millis(1);
        let readings = [self.tombstones.next_end(), self.late.next(), self.story.next_line(), self.settles];
        let clocked = readings.into_iter().flatten().map(on_clock);
        let apply = self.due.apply.map(|at| self.layers.not_before(at));
        let timed = [apply, self.due.tell, self.due.free, self.named_files.next()].into_iter().flatten();
        timed.chain(clocked).chain(self.overdue.values().copied()).min()
    }

    fn act(&mut self, now: Instant) {
        let reading = self.clock.now();
        let overdue = self.overdue.len();
        self.overdue.retain(|_, at| *at > now);
        let mut ends = [self.tombstones.next_end(), self.late.next()].into_iter().flatten();
        if self.overdue.len() != overdue || ends.any(|end| end <= reading) {
            self.change();
        }
        if self.settles.is_some_and(|at| at <= reading) {
            self.let_go(reading);
        }
        if self.named_files.look(now) {
            self.change();
        }
        if self.due.apply.is_some_and(|at| self.layers.not_before(at) <= now) {
            self.apply();
        } else if self.due.tell.is_some_and(|at| at <= now) || self.story.next_line().is_some_and(|at| at <= reading) {
            self.due.tell = None;
            self.tell(reading, reading);
        }
        if self.due.free.is_some_and(|at| at <= now) {
            self.free();
        }
    }

    /// Frees old tables and the states that nothing points at any more.
    fn free(&mut self) {
        let held = self.published.free();
        self.due.free = (held > 0).then(|| Instant::now() + FREEING);
        self.registry.collect_garbage();
    }

    /// Makes the table and puts it in force.
    fn apply(&mut self) {
        let started = Instant::now();
        let now = self.clock.now();
        let built = self.builder.build(self.view.for_table());
        let mut parts = built.partials;
        parts.extend(self.tombstones.stand_ins(&built.seen, &self.merger, now));
        let registry = &self.registry;
        let merged = self.merger.update(parts, &|part| standing(part, registry));
        let layers_told = self.layers.lay(&mut self.merger);
        let previous = self.published.current();
        self.compile.own_container =
            self.own.as_deref().and_then(|id| self.view.get(id)).map(|c| c.name.as_str().into());
        let mut config = self.merger.config().clone();
        config.files = self.named_files.of(&config, started);
        let config = Arc::new(config);
        let mut table = compile(config, &self.registry, Some(&previous), &self.compile, now);
        drop(previous);
        let known = self.early.keys().filter(|id| self.view.get(id).is_some_and(|c| c.running));
        let known: Vec<String> = known.cloned().collect();
        for container in known {
            self.early.remove(&container);
            self.registry.notify(&container, Notice::Terminating, now);
            self.look_again(container);
        }
        self.flapping.see(|id| self.view.get(id), now);
        self.ahead = self.merger.ahead();
        self.hold_back(now);
        let late = self.late.look(&table, now, |identity| self.view.get(&identity.container).map(late::About::of));
        let news = self.tell_faults(&mut table, late, Outcome { told: merged.told || layers_told, ..merged });
        self.published.publish(table);
        self.let_go(now);
        let done = Instant::now();
        let (dirty, since) = self.due.dirty.take().unwrap_or((started, now));
        let took = done - dirty;
        self.due = Due { applied: Some(done), free: self.due.free, ..Due::default() };
        let all = self.layers.is_complete();
        self.status.send_modify(|status| status.applied(now, took, all));
        self.tell(self.clock.now(), since);
        for line in news.map(|found| self.faults.update(&found)).into_iter().flatten() {
            match line.severity {
                Severity::Error => tracing::error!(target: "seaway::labels", "{}", line.text),
                Severity::Warning => tracing::warn!(target: "seaway::labels", "{}", line.text),
                Severity::Info => tracing::info!(target: "seaway::labels", "{}", line.text),
            }
        }
        self.free();
    }

    /// Puts into the table what labels, merging and compiling found. Returns it if it may differ from the last time.
    fn tell_faults(&mut self, table: &mut RoutingTable, late: Vec<Diagnostic>, merged: Outcome) -> Option<Vec<Found>> {
        let stale = self.status.borrow().stale.as_ref().map(|stale| self.stale(stale));
        let compiled = Arc::clone(&table.diagnostics);
        // Whose a finding of the compiler is depends on the parts.
        let is_same = !merged.told
            && Arc::ptr_eq(&self.told.compiled, &compiled)
            && (compiled.is_empty() || !merged.changed)
            && (&late, &stale) == (&self.told.late, &self.told.stale);
        if is_same {
            table.diagnostics = Arc::clone(&self.told.all);
            return None;
        }
        let found = all_diagnostics(&self.merger, &self.layers, compiled.iter().chain(&late));
        let all: Arc<[Diagnostic]> = stale.iter().chain(found.iter().map(|f| &f.diagnostic)).cloned().collect();
        table.diagnostics = Arc::clone(&all);
        self.told = Told { compiled, late, stale, all };
        Some(found)
    }

    fn tell(&mut self, now: Millis, since: Millis) {
        for line in self.story.tell(&self.published.current(), now, since) {
            tracing::info!(target: "seaway::pool", "{line}");
        }
    }

    /// For the API; the log has it from the watcher.
    fn stale(&self, stale: &Stale) -> Diagnostic {
        let origin = Origin { provider: self.builder.provider().into(), ..Origin::default() };
        let message = format!("the engine cannot be reached: {}", stale.reason);
        let consequence = "what was served goes on being served, and Seaway goes on trying";
        Diagnostic::error(Code::EngineUnreachable, origin, message, consequence)
    }
}

/// How far a container is.
fn standing(partial: &Partial, registry: &StateRegistry) -> Standing {
    if partial.id.is_empty() {
        return Standing::Gone;
    }
    let has_servers =
        partial.services.values().any(|s| s.value.servers.iter().any(|s| *s.identity.container == *partial.id));
    if !has_servers {
        return if partial.well { Standing::Ready } else { Standing::Running };
    }
    let furthest = registry.of_container(&partial.id).into_iter().map(|state| {
        // Who is kept back by us alone is as far as it can be.
        match state.flags() & !flag::HELD_BACK {
            0 => Standing::Ready,
            flags if flags & (flag::TERMINATING | flag::GONE) != 0 => Standing::Leaving,
            _ => Standing::Running,
        }
    });
    furthest.max().unwrap_or(Standing::Running)
}

/// What labels, merging and compiling found, each once.
fn all_diagnostics<'d>(merger: &Merger, layers: &Layers, compiled: impl Iterator<Item = &'d Diagnostic>) -> Vec<Found> {
    let mut compiled = compiled.peekable();
    let mut owners: HashMap<&str, Arc<str>> = HashMap::new();
    if compiled.peek().is_some() {
        let parts = merger.parts().iter();
        owners.extend(parts.map(|p| (p.container.as_str(), Arc::from(p.owner.to_string()))));
    }
    let compiled = compiled.map(|diagnostic| {
        let whose = owners.get(&*diagnostic.origin.resource).cloned();
        Found {
            whose: whose.unwrap_or_else(|| layers::without_line(&diagnostic.origin.resource).into()),
            diagnostic: diagnostic.clone(),
        }
    });
    let mut seen = HashSet::new();
    let all = merger.diagnostics().chain(layers.diagnostics()).cloned().chain(compiled);
    all.filter(|f| {
        let d = &f.diagnostic;
        seen.insert((d.code, Arc::clone(&f.whose), d.origin.key.clone(), d.message.clone()))
    })
    .collect()
}

#[cfg(test)]
mod tests;
