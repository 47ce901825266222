//! Workers: one thread for each core, and the handle that starts and stops them all.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashSet};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use arc_swap::{ArcSwap, Cache};
use http::HeaderValue;
use seaway_routing::{Millis, Published, RoutingTable};
use seaway_telemetry::metrics::{Metrics, WorkerMetrics};
use seaway_telemetry::{Fields, Lane, Unrouted};
use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::watch;

use crate::client_io::ClientState;
use crate::clients::Clients;
use crate::connection;
use crate::effects::ask::Asks;
use crate::effects::shared::Shares;
use crate::hold::HoldLimits;
use crate::internal::Internal;
use crate::listener::{Bound, Listening};
use crate::metrics::Subjects;
use crate::retry::Budget;
use crate::spread::{Open, Seat, Spread};
use crate::upstream::link::Scratch;
use crate::upstream::pool::{Keep, Pool};

/// How often limits are checked.
const SWEEP: Duration = Duration::from_millis(250);

/// Longest stay of a line in a worker's lane.
const FLUSH_WITHIN: Duration = Duration::from_millis(5);

/// With every so many looks at the limits, old connections to servers are closed.
const POOL_SWEEP: u32 = 2;

/// So many connections can be looked at for each new one.
const LOOK_AT_ALL: usize = 4096;

/// A monotonic clock; both planes read the same one.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: Instant,
}

impl Default for Clock {
    fn default() -> Self {
        // One millisecond is never read: state uses zero for "never".
        Self { start: Instant::now().checked_sub(Duration::from_millis(1)).unwrap_or_else(Instant::now) }
    }
}

impl Clock {
    /// The time now.
    pub fn now(&self) -> Millis {
        self.at(Instant::now())
    }

    /// How long it has been running at that moment.
    pub(crate) fn since_start(&self, moment: Instant) -> Duration {
        moment.saturating_duration_since(self.start)
    }

    /// A moment that was read before.
    pub(crate) fn at(&self, moment: Instant) -> Millis {
        Millis(u64::try_from(moment.saturating_duration_since(self.start).as_millis()).unwrap_or(u64::MAX))
    }
}

/// What the data plane is started with.
pub struct ProxyOptions {
    /// The table in force.
    pub published: Arc<Published>,
    /// The clock that server states are written with.
    pub clock: Clock,
    /// Answers for `api`, `ping` and `prometheus`.
    pub internal: Arc<dyn Internal>,
    /// Log requests to internal services too.
    pub log_internals: bool,
    /// Where exchanges are counted; `None` for nowhere.
    pub metrics: Option<Arc<Metrics>>,
    /// Count requests to internal services too.
    pub count_internals: bool,
    /// Time to connect to a server.
    pub dial_timeout: Duration,
    /// Time until a response head; zero for none.
    pub response_header_timeout: Duration,
    /// How long an unused connection to a server is kept.
    pub idle_upstream: Duration,
    /// Unused connections kept for each server, over all workers.
    pub max_idle_per_server: usize,
    /// Longest wait for a service to come back; zero switches waiting off.
    pub hold_timeout: Duration,
    /// Most requests that wait for one service at one time.
    pub hold_max: u32,
    /// Most client connections at one time, over all workers.
    pub max_connections: usize,
    /// This machine's name, for `X-Forwarded-Server`.
    pub server_name: HeaderValue,
    /// What becomes of requests that no router takes.
    pub unrouted: UnroutedOptions,
}

/// What becomes of requests that no router takes, besides 404.
#[derive(Clone, Debug, Default)]
pub struct UnroutedOptions {
    /// Where their hosts are remembered.
    pub hosts: Option<Arc<Unrouted>>,
    /// The client is told why.
    pub explains: bool,
}

/// One worker's view of one table: cloned for each request without touching a count that another core touches.
#[derive(Debug)]
pub(crate) struct Snapshot {
    pub(crate) table: Arc<RoutingTable>,
    /// What this worker counts for it.
    pub(crate) subjects: Subjects,
}

impl Snapshot {
    fn new(table: &Arc<RoutingTable>, metrics: Option<&WorkerMetrics>) -> Rc<Self> {
        Rc::new(Self { table: Arc::clone(table), subjects: Subjects::new(table, metrics) })
    }

    /// The name of a route by its place on an entry point.
    pub(crate) fn route_name(&self, entry_point: &str, route: usize) -> Option<&str> {
        self.table.entry_points.get(entry_point)?.routes.get(route).map(|r| &*r.name)
    }
}

/// What all exchanges of one worker share.
pub(crate) struct Worker {
    pub(crate) id: usize,
    /// How many workers there are.
    workers: usize,
    pub(crate) options: Arc<ProxyOptions>,
    pub(crate) clock: Clock,
    pub(crate) pool: RefCell<Pool>,
    /// Connections to servers that middlewares ask.
    pub(crate) asks: Asks,
    /// Connections to servers that keep what several Seaways share.
    pub(crate) shares: Shares,
    /// What connections to servers read into.
    pub(crate) scratch: Scratch,
    pub(crate) budget: RefCell<Budget>,
    pub(crate) hold: HoldLimits,
    pub(crate) spread: Arc<Spread>,
    /// A copy: a shared one would have a reference count that all workers write to with each request.
    pub(crate) server_name: HeaderValue,
    /// What this worker counts with, where anything is counted.
    pub(crate) metrics: Option<WorkerMetrics>,
    /// What of headers goes to the log, if anything does.
    pub(crate) kept_fields: Option<Fields>,
    lane: RefCell<Option<Lane>>,
    /// There are lines in the lane.
    flush_wanted: Cell<bool>,
    /// Who waits for that.
    flusher: Cell<Option<Waker>>,
    /// The servers of the table of that generation, looked through once.
    wanted: RefCell<(Option<u64>, HashSet<u64>)>,
    table: RefCell<Cache<Arc<ArcSwap<RoutingTable>>, Arc<RoutingTable>>>,
    snapshot: RefCell<Rc<Snapshot>>,
    clients: Clients,
    /// What looking for unused connections came to, until it is worth looking again.
    room_found: Cell<Option<bool>>,
    draining: Cell<bool>,
    requests: Cell<u64>,
}

/// One worker's part of the unused connections to one server.
fn most_idle(all: usize, workers: usize) -> usize {
    (all / workers.max(1)).max(2)
}

impl Worker {
    fn new(seat: &Seat, workers: usize, options: Arc<ProxyOptions>, lane: Option<Lane>) -> Rc<Self> {
        let mut table = Cache::new(options.published.cell());
        let metrics = options.metrics.as_ref().map(|metrics| metrics.worker(seat.worker));
        let snapshot = Snapshot::new(table.load(), metrics.as_ref());
        let most = most_idle(options.max_idle_per_server, workers);
        Rc::new(Self {
            id: seat.worker,
            workers,
            spread: Arc::clone(&seat.spread),
            clock: options.clock,
            pool: RefCell::new(Pool::new(options.idle_upstream, most)),
            asks: Asks::default(),
            shares: Shares::default(),
            scratch: Scratch::default(),
            budget: RefCell::new(Budget::new()),
            server_name: HeaderValue::from_bytes(options.server_name.as_bytes())
                .unwrap_or_else(|_| HeaderValue::from_static("")),
            hold: HoldLimits { timeout: options.hold_timeout, max: options.hold_max },
            metrics,
            kept_fields: lane.as_ref().map(Lane::fields).filter(|fields| fields.keeps_headers()).cloned(),
            lane: RefCell::new(lane),
            flush_wanted: Cell::new(false),
            wanted: RefCell::default(),
            flusher: Cell::new(None),
            table: RefCell::new(table),
            snapshot: RefCell::new(snapshot),
            clients: Clients::default(),
            room_found: Cell::new(None),
            draining: Cell::new(false),
            requests: Cell::new(0),
            options,
        })
    }

    /// The table in force.
    pub(crate) fn snapshot(&self) -> Rc<Snapshot> {
        let mut cache = self.table.borrow_mut();
        let table = cache.load();
        let mut snapshot = self.snapshot.borrow_mut();
        if !Arc::ptr_eq(table, &snapshot.table) {
            *snapshot = Snapshot::new(table, self.metrics.as_ref());
        }
        Rc::clone(&snapshot)
    }

    /// Counts a request; gives its number, as Traefik's log does.
    pub(crate) fn count_request(&self) -> u64 {
        let number = self.requests.get() + 1;
        self.requests.set(number);
        number
    }

    /// True once running requests are to be the last of their connections.
    pub(crate) fn is_draining(&self) -> bool {
        self.draining.get()
    }

    /// Puts a client connection on the sweeper's list until what is returned is dropped.
    pub(crate) fn register(self: &Rc<Self>, client: &Rc<ClientState>, open: Open) -> Registered {
        Registered { worker: Rc::clone(self), number: self.clients.add(client), _open: open }
    }

    /// Lets connections end that nobody uses, if there are any; true when some are about to end.
    pub(crate) fn make_room(&self) -> bool {
        if let Some(found) = self.room_found.get() {
            return found;
        }
        let (told, found) = self.clients.make_room(self.clock.now());
        self.spread.note_closed(told);
        // Looking again would find nothing before the sweeper comes by, or take long.
        if !found || self.clients.len() > LOOK_AT_ALL {
            self.room_found.set(Some(found));
        }
        found
    }

    /// There is an access log.
    pub(crate) fn has_log(&self) -> bool {
        self.lane.borrow().is_some()
    }

    /// Writes to this worker's lane of the access log, if there is one, and sees to it that the line is out soon.
    pub(crate) fn log(self: &Rc<Self>, write: impl FnOnce(&mut Lane)) {
        let mut lane = self.lane.borrow_mut();
        let Some(lane) = lane.as_mut() else { return };
        write(lane);
        if lane.needs_flush() {
            lane.flush();
        } else if !self.flush_wanted.replace(true)
            && let Some(flusher) = self.flusher.take()
        {
            flusher.wake();
        }
    }

    /// Sees to it that no line stays in the lane for long; sleeps while there is none.
    async fn flush_soon(&self) {
        loop {
            std::future::poll_fn(|cx| {
                if self.flush_wanted.get() {
                    return Poll::Ready(());
                }
                self.flusher.set(Some(cx.waker().clone()));
                Poll::Pending
            })
            .await;
            tokio::time::sleep(FLUSH_WITHIN).await;
            self.flush_wanted.set(false);
            self.flush();
        }
    }

    fn flush(&self) {
        if let Some(lane) = self.lane.borrow_mut().as_mut() {
            lane.flush();
        }
    }

    async fn sweep(&self) {
        let mut more = Some(0);
        while let Some(from) = more {
            more = self.clients.sweep(from, self.clock.now());
            // Whoever has a request waits for no more than a part of them.
            tokio::task::yield_now().await;
        }
        self.spread.note_room();
        self.room_found.set(None);
    }

    /// What is kept for servers whose services name a transport.
    fn own_keeps(&self, table: &RoutingTable) -> BTreeMap<u64, Keep> {
        let own = table.services.iter().filter(|service| service.transport.number != 0);
        let usual = self.options.idle_upstream;
        let keeps = own.flat_map(|service| {
            let transport = &service.transport;
            let time = if transport.idle_timeout.is_zero() { usual } else { transport.idle_timeout.min(usual) };
            let keep = Keep { time, most: most_idle(transport.max_idle, self.workers) };
            service.servers.iter().map(move |server| (server.link, keep))
        });
        keeps.collect()
    }

    fn sweep_pool(&self) {
        let now = self.clock.now();
        let snapshot = self.snapshot();
        let mut wanted = self.wanted.borrow_mut();
        if wanted.0 != Some(snapshot.table.generation) {
            let servers = snapshot.table.services.iter().flat_map(|service| service.servers.iter());
            *wanted = (Some(snapshot.table.generation), servers.map(|server| server.link).collect());
            self.pool.borrow_mut().set_own(self.own_keeps(&snapshot.table));
        }
        self.pool.borrow_mut().sweep(now, |id| wanted.1.contains(&id));
        self.asks.sweep(now);
        self.shares.sweep();
        if let Some(metrics) = &self.metrics {
            metrics.tidy();
        }
    }

    fn start_draining(&self) {
        self.draining.set(true);
        self.clients.drain(self.clock.now());
    }
}

/// A client connection's place on the sweeper's list; given up however its task ends, by a panic too.
pub(crate) struct Registered {
    worker: Rc<Worker>,
    number: usize,
    _open: Open,
}

impl Drop for Registered {
    fn drop(&mut self) {
        self.worker.clients.remove(self.number);
    }
}

/// The running data plane.
#[derive(Debug)]
pub struct Proxy {
    threads: Vec<JoinHandle<u64>>,
    stop: watch::Sender<Stage>,
    addresses: Vec<(Box<str>, std::net::SocketAddr)>,
}

/// How far the end has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    Running,
    /// Accept no more, let run what runs.
    Draining,
    /// End now.
    Ended,
}

impl Proxy {
    /// Starts one thread for each socket that every entry point was bound to. `lanes` are one lane of the access log for
    /// each; none for no access log.
    pub fn start(options: ProxyOptions, lanes: Vec<Lane>, bound: Vec<Bound>) -> std::io::Result<Self> {
        let workers = bound.iter().map(|b| b.sockets.len()).max().unwrap_or(1);
        let addresses = bound.iter().map(|b| (b.entry_point.name.clone(), b.address)).collect();
        let mut lanes: Vec<Option<Lane>> = lanes.into_iter().map(Some).collect();
        lanes.resize_with(workers, || None);
        let mut shares: Vec<Vec<Listening>> = (0..workers).map(|_| Vec::new()).collect();
        for Bound { entry_point, times, sockets, .. } in bound {
            for (share, socket) in shares.iter_mut().zip(sockets) {
                share.push(Listening { entry_point: Arc::clone(&entry_point), times, socket });
            }
        }
        let seats = Spread::seats(workers, options.max_connections);
        let options = Arc::new(options);
        let (stop, stopped) = watch::channel(Stage::Running);
        let mut threads = Vec::new();
        for ((share, lane), seat) in shares.into_iter().zip(lanes).zip(seats) {
            let (options, stopped) = (Arc::clone(&options), stopped.clone());
            let id = seat.worker;
            threads.push(std::thread::Builder::new().name(format!("worker-{id}")).spawn(move || {
                match Builder::new_current_thread().enable_all().build_local(LocalOptions::default()) {
                    Ok(runtime) => runtime.block_on(run(seat, workers, options, lane, share, stopped)),
                    Err(error) => {
                        tracing::error!(worker = id, %error, "a worker could not start");
                        0
                    }
                }
            })?);
        }
        Ok(Self { threads, stop, addresses })
    }

    /// The addresses in force, by entry point name.
    pub fn addresses(&self) -> &[(Box<str>, std::net::SocketAddr)] {
        &self.addresses
    }

    /// The address of one entry point.
    pub fn address(&self, entry_point: &str) -> Option<std::net::SocketAddr> {
        self.addresses.iter().find(|(name, _)| **name == *entry_point).map(|(_, address)| *address)
    }

    /// Stops accepting; running requests end, idle connections close, within each entry point's grace.
    pub fn drain(&self) {
        // Never back from a later stage.
        self.stop.send_modify(|stage| *stage = Stage::Draining.max(*stage));
    }

    /// Resolves when every worker has ended.
    pub async fn ended(&self) {
        self.stop.closed().await;
    }

    /// Ends at once what still runs.
    pub fn end(&self) {
        self.stop.send_replace(Stage::Ended);
    }

    /// Waits for all workers; gives the number of connections that were cut.
    pub fn join(self) -> u64 {
        self.threads.into_iter().map(|t| t.join().unwrap_or(0)).sum()
    }
}

async fn run(
    seat: Seat,
    workers: usize,
    options: Arc<ProxyOptions>,
    lane: Option<Lane>,
    listeners: Vec<Listening>,
    mut stopped: watch::Receiver<Stage>,
) -> u64 {
    let worker = Worker::new(&seat, workers, options, lane);
    let grace = listeners.iter().fold(Duration::ZERO, |longest, l| longest.max(l.entry_point.grace));
    let mut accepting =
        vec![tokio::task::spawn_local(connection::take_over(Rc::clone(&worker), seat, stopped.clone()))];
    accepting.extend(
        listeners.into_iter().map(|listening| {
            tokio::task::spawn_local(connection::accept(Rc::clone(&worker), listening, stopped.clone()))
        }),
    );
    let sweeper = Rc::clone(&worker);
    let sweeping = tokio::task::spawn_local(async move {
        let mut ticks = tokio::time::interval(SWEEP);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut look = 0_u32;
        loop {
            ticks.tick().await;
            sweeper.sweep().await;
            look = look.wrapping_add(1);
            if look.is_multiple_of(POOL_SWEEP) {
                sweeper.sweep_pool();
            }
        }
    });
    let flusher = Rc::clone(&worker);
    let flushing = tokio::task::spawn_local(async move { flusher.flush_soon().await });
    // The sender lives as long as the handle; a handle that is gone means that there is nobody left to serve.
    let _gone = stopped.wait_for(|stage| *stage >= Stage::Draining).await.map(|_| ());
    for task in accepting {
        let _ended = task.await;
    }
    worker.start_draining();
    let drained = async {
        while worker.clients.len() > 0 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::select! {
        () = drained => {}
        () = tokio::time::sleep(grace) => {}
        _ = stopped.wait_for(|stage| *stage >= Stage::Ended) => {}
    }
    sweeping.abort();
    flushing.abort();
    worker.flush();
    worker.clients.len() as u64
}
