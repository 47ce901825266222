//! Follows an engine: subscribe, then list and inspect, then live by events; a full reconcile after every reconnect and
//! every 30 s. What is known stays in force while the engine is away, and trying to reach it never ends.

pub(crate) mod jitter;
mod queue;
mod state;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::Container;
use super::client::{Client, Limits};
use super::engine::{Engine, EngineError};
use super::events::Frames;
use crate::{Update, UpdateSender};
use state::{Listed, State};
pub(super) use state::{ListedContainer, keeps_non_running};

/// Most inspects at one time.
const PARALLEL: usize = 16;

/// When things are done. The defaults are what is wanted outside of tests.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// Full reconcile: every so often, plus or minus a fifth.
    pub reconcile: Duration,
    /// Ping on another connection when the stream was silent for so long.
    pub watchdog: Duration,
    /// Events about one container within this time cost one inspect; snapshots keep this distance.
    pub coalesce: Duration,
    /// How long the first snapshot waits for containers that cannot be inspected.
    pub patience: Duration,
    /// Longest pause between two attempts.
    pub back_off: Duration,
    /// A container found by a reconcile, of which no event came for so long, means that the stream loses events.
    pub event_delay: Duration,
    /// A signalled container that still runs so long after its stop timeout is looked at again.
    pub overdue: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            reconcile: Duration::from_secs(30),
            watchdog: Duration::from_secs(15),
            coalesce: Duration::from_millis(10),
            patience: Duration::from_secs(3),
            back_off: Duration::from_secs(5),
            event_delay: Duration::from_secs(2),
            overdue: Duration::from_millis(2_100),
        }
    }
}

/// What the watcher did so far.
#[derive(Debug, Default)]
pub struct Counters {
    /// Inspect calls.
    pub inspects: AtomicU64,
    /// List calls.
    pub lists: AtomicU64,
    /// Attempts to connect.
    pub attempts: AtomicU64,
    /// Event streams that were opened.
    pub streams: AtomicU64,
    /// Events that were understood.
    pub events: AtomicU64,
    /// When the engine was last heard of, in milliseconds since 1970 by our clock; 0 for never.
    pub heard: AtomicU64,
}

impl Counters {
    fn count(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }

    fn hear(&self) {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        self.heard.store(u64::try_from(now.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}

/// Follows one engine for as long as [`Watcher::run`] is polled.
#[derive(Debug)]
pub struct Watcher {
    engine: Engine,
    limits: Limits,
    timing: Timing,
    follow: bool,
    updates: UpdateSender,
    counters: Arc<Counters>,
    ready: watch::Sender<bool>,
}

impl Watcher {
    /// A watcher that will send to `updates`.
    pub fn new(engine: Engine, limits: Limits, timing: Timing, updates: UpdateSender) -> Self {
        let (counters, ready) = (Arc::default(), watch::Sender::new(false));
        Self { engine, limits, timing, follow: true, updates, counters, ready }
    }

    /// With false ([`run`](Self::run) ends after the first snapshot) the engine's events are not followed.
    #[must_use]
    pub fn follow(mut self, follow: bool) -> Self {
        self.follow = follow;
        self
    }

    /// What it does, counted.
    pub fn counters(&self) -> Arc<Counters> {
        Arc::clone(&self.counters)
    }

    /// Becomes true when the first snapshot was sent.
    pub fn ready(&self) -> watch::Receiver<bool> {
        self.ready.subscribe()
    }

    /// Watches until the receiver of the updates is gone.
    pub async fn run(self) {
        let shared = Arc::new(Shared {
            state: Mutex::new(State::new(self.updates.clone(), self.timing)),
            heard: Mutex::new(Instant::now()),
            wake: Notify::new(),
            counters: Arc::clone(&self.counters),
        });
        let mut outage = Outage::default();
        let mut attempt = 0;
        loop {
            let started = Instant::now();
            let end = tokio::select! {
                end = self.session(&shared, &mut outage) => end,
                () = self.updates.closed() => return,
            };
            match end {
                End::Done => return,
                // Proxies end streams that are quiet for long; that is not worth a word, and no time is lost.
                End::Lost(reason) => {
                    tracing::debug!("{}: {reason}; connecting again", self.engine.shown());
                    if started.elapsed() > Duration::from_secs(1) {
                        attempt = 0;
                        continue;
                    }
                }
                End::Never(reason) => {
                    outage.tell(reason, &self.updates);
                    attempt = attempt.max(1);
                }
            }
            let most = Duration::from_millis(100).saturating_mul(1 << attempt.min(10)).min(self.timing.back_off);
            attempt += 1;
            tokio::select! {
                () = tokio::time::sleep(jitter::full(most)) => {}
                () = self.updates.closed() => return,
            }
        }
    }

    /// One connection to the engine: from subscribing to the end of the stream.
    async fn session(&self, shared: &Arc<Shared>, outage: &mut Outage) -> End {
        Counters::count(&self.counters.attempts);
        let never = |e: EngineError| End::Never(e.to_string());
        let client = match Client::connect(&self.engine, self.limits).await {
            Ok(client) => Arc::new(client),
            Err(error) => return never(error),
        };
        let mut session = Session {
            client: Arc::clone(&client),
            shared: Arc::clone(shared),
            timing: self.timing,
            jobs: JoinSet::new(),
            running: 0,
            listing: false,
            list_failures: 0,
            missed_pings: 0,
            next_list: Instant::now(),
            next_ping: Instant::now() + self.timing.watchdog,
        };
        if self.follow {
            let since = shared.state().last_event();
            match client.events(since).await {
                Ok(frames) => drop(session.jobs.spawn(read(frames, Arc::clone(shared)))),
                Err(error) => return never(error),
            }
            Counters::count(&self.counters.streams);
        }
        self.counters.hear();
        shared.state().begin_session();
        loop {
            session.launch();
            let next = session.next_due();
            let mut done = tokio::select! {
                Some(done) = session.jobs.join_next() => Some(done),
                () = shared.wake.notified() => None,
                () = tokio::time::sleep_until(next) => None,
            };
            while let Some(job) = done {
                match job {
                    Ok(job) => {
                        if let Some(end) = session.finish(job, outage, self) {
                            return end;
                        }
                    }
                    Err(error) => return End::Lost(format!("a task of the Docker provider ended: {error}")),
                }
                // Whatever else is ready belongs to the same burst, and so to the same snapshot.
                done = session.jobs.try_join_next();
            }
            let now = Instant::now();
            let outcome = session.shared.state().publish(now);
            if outcome.first {
                self.ready.send_replace(true);
                tracing::info!("{}: {}, {} containers", self.engine.shown(), client.about(), outcome.containers);
            }
            if outcome.resynced {
                if let Some(after) = outage.end() {
                    tracing::info!("{}: the engine is back after {after:?}", self.engine.shown());
                    drop(self.updates.send(Update::Fresh));
                }
                if !self.follow {
                    return End::Done;
                }
            }
            if outcome.lossy {
                return End::Lost("the event stream had lost events".to_owned());
            }
        }
    }
}

/// What the stream's reader and the watcher both use.
#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    /// When the stream last said something.
    heard: Mutex<Instant>,
    wake: Notify,
    counters: Arc<Counters>,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How a session ended.
enum End {
    /// Nothing more to do.
    Done,
    /// It never began.
    Never(String),
    /// It had begun.
    Lost(String),
}

/// What a background call came back with.
enum Job {
    Reader(String),
    List(Result<Vec<ListedContainer>, EngineError>),
    Inspect(String, Box<Result<Option<Container>, EngineError>>),
    Ping(Result<(), EngineError>),
}

struct Session {
    client: Arc<Client>,
    shared: Arc<Shared>,
    timing: Timing,
    /// Everything under way; dropped, and so ended, with the session.
    jobs: JoinSet<Job>,
    running: usize,
    listing: bool,
    list_failures: u32,
    missed_pings: u32,
    next_list: Instant,
    next_ping: Instant,
}

impl Session {
    /// Starts what is due.
    fn launch(&mut self) {
        let now = Instant::now();
        let mut state = self.shared.state();
        if !self.listing && now >= self.next_list && state.may_list() {
            self.listing = true;
            state.begin_list();
            Counters::count(&self.shared.counters.lists);
            let client = Arc::clone(&self.client);
            self.jobs.spawn(async move { Job::List(client.list().await) });
        }
        while self.running < PARALLEL {
            let Some(id) = state.next_inspect(now) else { break };
            self.running += 1;
            Counters::count(&self.shared.counters.inspects);
            let client = Arc::clone(&self.client);
            self.jobs.spawn(async move {
                let result = Box::new(client.inspect(&id).await);
                Job::Inspect(id, result)
            });
        }
        drop(state);
        if now >= self.next_ping {
            let heard = *self.shared.heard.lock().unwrap_or_else(PoisonError::into_inner);
            if self.missed_pings == 0 && heard + self.timing.watchdog > now {
                self.next_ping = heard + self.timing.watchdog;
                return;
            }
            // A stream without a word may be half open: only another connection can tell.
            self.next_ping = now + self.timing.watchdog;
            let client = Arc::clone(&self.client);
            self.jobs.spawn(async move { Job::Ping(client.ping().await) });
        }
    }

    fn next_due(&self) -> Instant {
        let state = self.shared.state();
        let inspect = if self.running < PARALLEL { state.next_due() } else { None };
        let list = (!self.listing && state.may_list()).then_some(self.next_list);
        let others = [inspect, list, state.publish_due()];
        others.into_iter().flatten().fold(self.next_ping, Instant::min)
    }

    /// Takes in what a call came back with.
    fn finish(&mut self, job: Job, outage: &mut Outage, watcher: &Watcher) -> Option<End> {
        let now = Instant::now();
        match job {
            Job::Reader(reason) => return Some(End::Lost(reason)),
            Job::Inspect(id, result) => {
                self.running -= 1;
                let complaint = self.shared.state().inspected(&id, *result, now);
                if let Some(complaint) = complaint {
                    tracing::warn!(code = %seaway_config::Code::InspectFailed, "{complaint}");
                }
            }
            Job::List(result) => {
                self.listing = false;
                match result {
                    Ok(ids) => {
                        self.shared.counters.hear();
                        self.list_failures = 0;
                        let listed = self.shared.state().listed(ids, now);
                        self.next_list = now
                            + match listed {
                                Listed::Applied => jitter::fifth(self.timing.reconcile),
                                Listed::AskAgain => Duration::from_millis(100).min(self.timing.reconcile),
                            };
                    }
                    Err(error) => {
                        self.list_failures += 1;
                        let reason = format!("{}: {error}", watcher.engine.shown());
                        outage.tell(reason, &watcher.updates);
                        let most = Duration::from_millis(100).saturating_mul(1 << self.list_failures.min(10));
                        self.next_list = now + jitter::full(most.min(self.timing.back_off));
                    }
                }
            }
            Job::Ping(Ok(())) => {
                self.shared.counters.hear();
                self.missed_pings = 0;
            }
            Job::Ping(Err(error)) => {
                self.missed_pings += 1;
                self.next_ping = self.next_ping.min(now + self.timing.watchdog / 3);
                if self.missed_pings > 1 {
                    return Some(End::Lost(format!(
                        "{}: two pings without an answer: {error}",
                        watcher.engine.shown()
                    )));
                }
            }
        }
        None
    }
}

/// The one task that reads the stream: read, parse, enqueue, nothing else.
async fn read(mut frames: Frames, shared: Arc<Shared>) -> Job {
    loop {
        let read = frames.read(|event| {
            Counters::count(&shared.counters.events);
            shared.state().event(event, Instant::now());
        });
        match read.await {
            Ok(true) => {
                shared.counters.hear();
                *shared.heard.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
                shared.wake.notify_one();
            }
            Ok(false) => return Job::Reader("the engine ended the event stream".to_owned()),
            Err(error) => return Job::Reader(error.to_string()),
        }
    }
}

/// A time in which the engine cannot be asked; said once.
#[derive(Debug, Default)]
struct Outage {
    since: Option<(SystemTime, Instant)>,
    reasons: Vec<String>,
}

impl Outage {
    /// Tells the reconciler of its beginning, and the log of each reason once.
    fn tell(&mut self, reason: String, updates: &UpdateSender) {
        // Bounded, should a reason hold something that changes each time.
        if self.reasons.len() < 8 && !self.reasons.contains(&reason) {
            tracing::warn!(
                code = %seaway_config::Code::EngineUnreachable,
                "{reason}; what is known goes on being served, and it is tried again until it works"
            );
            self.reasons.push(reason.clone());
        }
        if self.since.is_none() {
            let since = SystemTime::now();
            self.since = Some((since, Instant::now()));
            drop(updates.send(Update::Stale { since, reason }));
        }
    }

    /// How long it took, if there was one.
    fn end(&mut self) -> Option<Duration> {
        let (_, since) = self.since.take()?;
        self.reasons.clear();
        Some(since.elapsed())
    }
}
