//! A fake Docker Engine: containers that exist on paper, the API that lists, inspects and reports them, and every way in
//! which an engine can fail its clients.
//!
//! It answers `/_ping`, `/version`, `/events`, `/containers/json` and `/containers/{id}/json`, with and without a version
//! prefix, over a unix socket or TCP, and writes down every other request ([`Calls::other`]): a client that only reads
//! makes none. Event sequences are those of a real engine (20.10).
//!
//! ```no_run
//! # async fn example() {
//! use seaway_testkit::engine::{Call, Fault, FakeEngine, Spec};
//! let engine = FakeEngine::unix().await;
//! let id = engine.run(Spec::new("web-1").label("traefik.enable", "true").port(80));
//! // … connect a client to engine.endpoint() …
//! engine.fault(Call::List, Fault::Status(500));
//! engine.stop("web-1");
//! assert_eq!(engine.calls().inspects_of(&id), 1);
//! # }
//! ```

mod answer;
mod containers;
mod serve;

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::net::{TcpListener, UnixListener};
use tokio::sync::watch;
use tokio::task::JoinHandle;

pub use answer::SECRET;
use containers::World;
use serve::{Listener, Stream};

/// The calls that the engine knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Call {
    /// `/_ping`.
    Ping,
    /// `/version`.
    Version,
    /// `/events`.
    Events,
    /// `/containers/json`.
    List,
    /// `/containers/{id}/json`.
    Inspect,
}

/// What goes wrong with a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// This status, with the engine's kind of error message.
    Status(u16),
    /// The connection is closed without an answer.
    Close,
    /// No answer, ever.
    Hang,
    /// The right answer, so much later. It says what was true when the call came.
    Delay(Duration),
    /// Half of the right answer, then the connection is closed.
    HalfJson,
    /// 200 with this body.
    Body(Vec<u8>),
    /// The right status and headers, then something that is not JSON.
    Garbage,
}

/// How events are put into chunks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Chunks {
    /// One event, one chunk.
    #[default]
    Whole,
    /// Each event in chunks of so many bytes.
    Pieces(usize),
    /// So many events in one chunk; they wait until there are enough.
    Joined(usize),
}

/// What was called how often.
#[derive(Clone, Debug, Default)]
pub struct Calls {
    /// By kind.
    pub counts: BTreeMap<Call, usize>,
    /// Inspects by container id.
    pub inspects: HashMap<String, usize>,
    /// Requests that are none of the known calls, or not GET: `POST /containers/create`.
    pub other: Vec<String>,
    /// The `Authorization` fields, in order.
    pub authorizations: Vec<String>,
    /// Every request target in order.
    pub targets: Vec<String>,
    /// Most inspects that were under way at one time.
    pub most_inspects_at_once: usize,
    inspects_now: usize,
}

impl Calls {
    /// How often that call came.
    pub fn of(&self, call: Call) -> usize {
        self.counts.get(&call).copied().unwrap_or(0)
    }

    /// How often that container was inspected.
    pub fn inspects_of(&self, id: &str) -> usize {
        self.inspects.get(id).copied().unwrap_or(0)
    }
}

/// A container that is to be: by default on the network `bridge`, with no labels, no health check, no ports.
#[derive(Clone, Debug)]
pub struct Spec {
    name: String,
    image: String,
    labels: BTreeMap<String, String>,
    raw_labels: BTreeMap<String, Vec<u8>>,
    exposed: Vec<String>,
    published: Vec<(String, u16)>,
    networks: Vec<(String, Option<Ipv4Addr>)>,
    network_mode: Option<String>,
    health: Option<&'static str>,
    stop_signal: Option<String>,
    stop_timeout: Option<i64>,
}

impl Spec {
    /// A container of that name.
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            image: "app:1".to_owned(),
            labels: BTreeMap::new(),
            raw_labels: BTreeMap::new(),
            exposed: Vec::new(),
            published: Vec::new(),
            networks: Vec::new(),
            network_mode: None,
            health: None,
            stop_signal: None,
            stop_timeout: None,
        }
    }

    /// A label.
    #[must_use]
    pub fn label(mut self, key: &str, value: &str) -> Self {
        self.labels.insert(key.to_owned(), value.to_owned());
        self
    }

    /// A label whose value goes between the quotes of the JSON exactly as it is: invalid UTF-8, `\ud800`.
    #[must_use]
    pub fn raw_label(mut self, key: &str, value: &[u8]) -> Self {
        self.raw_labels.insert(key.to_owned(), value.to_vec());
        self
    }

    /// The labels that compose sets.
    #[must_use]
    pub fn compose(self, project: &str, service: &str, number: usize) -> Self {
        self.label("com.docker.compose.project", project)
            .label("com.docker.compose.service", service)
            .label("com.docker.compose.container-number", &number.to_string())
            .label("com.docker.compose.oneoff", "False")
    }

    /// An exposed TCP port.
    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        self.exposed.push(format!("{port}/tcp"));
        self
    }

    /// A TCP port published on a port of the host.
    #[must_use]
    pub fn publish(mut self, port: u16, host_port: u16) -> Self {
        self.published.push((format!("{port}/tcp"), host_port));
        self
    }

    /// Attached to that network, at the lowest free address.
    #[must_use]
    pub fn network(mut self, name: &str) -> Self {
        self.networks.push((name.to_owned(), None));
        self
    }

    /// Attached to that network at that address, for example 127.0.0.2, where a real server listens.
    #[must_use]
    pub fn at(mut self, network: &str, address: Ipv4Addr) -> Self {
        self.networks.push((network.to_owned(), Some(address)));
        self
    }

    /// `host`, `none`, `container:<id>`: no networks of its own.
    #[must_use]
    pub fn network_mode(mut self, mode: &str) -> Self {
        self.network_mode = Some(mode.to_owned());
        self
    }

    /// Has a health check that says `starting` at first.
    #[must_use]
    pub fn health_check(mut self) -> Self {
        self.health = Some("starting");
        self
    }

    /// `SIGQUIT`, `3`.
    #[must_use]
    pub fn stop_signal(mut self, signal: &str) -> Self {
        self.stop_signal = Some(signal.to_owned());
        self
    }

    /// In seconds.
    #[must_use]
    pub fn stop_timeout(mut self, seconds: i64) -> Self {
        self.stop_timeout = Some(seconds);
        self
    }
}

/// A running fake engine; it ends when this is dropped.
#[derive(Debug)]
pub struct FakeEngine {
    shared: Arc<Shared>,
    place: Place,
    listening: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug)]
enum Place {
    Unix { path: PathBuf, _dir: tempfile::TempDir },
    Tcp(std::net::SocketAddr),
}

#[derive(Debug)]
struct Shared {
    inner: Mutex<Inner>,
    calls: watch::Sender<Calls>,
    connections: Mutex<Vec<JoinHandle<()>>>,
}

#[derive(Debug)]
struct Inner {
    world: World,
    streams: Vec<Stream>,
    faults: HashMap<Call, (Fault, Option<usize>)>,
    inspect_faults: HashMap<String, Fault>,
    api: (String, String),
    is_docker: bool,
    chunks: Chunks,
    lossy: bool,
    refusing: bool,
}

impl FakeEngine {
    /// Listens on a unix socket in a new directory.
    pub async fn unix() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let place = Place::Unix { path: dir.path().join("docker.sock"), _dir: dir };
        Self::begin(place)
    }

    /// The same, but nothing listens until [`FakeEngine::come_up`].
    pub async fn absent() -> Self {
        let engine = Self::unix().await;
        engine.go_down().await;
        engine
    }

    /// Listens on a free TCP port of 127.0.0.1.
    pub async fn tcp() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let engine = Self::new(Place::Tcp(listener.local_addr().unwrap()));
        engine.serve(Listener::Tcp(listener));
        engine
    }

    fn begin(place: Place) -> Self {
        let engine = Self::new(place);
        engine.come_up_unix();
        engine
    }

    fn new(place: Place) -> Self {
        let inner = Inner {
            world: World::default(),
            streams: Vec::new(),
            faults: HashMap::new(),
            inspect_faults: HashMap::new(),
            api: ("1.41".to_owned(), "1.12".to_owned()),
            is_docker: true,
            chunks: Chunks::default(),
            lossy: false,
            refusing: false,
        };
        let shared =
            Shared { inner: Mutex::new(inner), calls: watch::Sender::default(), connections: Mutex::default() };
        Self { shared: Arc::new(shared), place, listening: Mutex::default() }
    }

    /// `unix:///tmp/…/docker.sock` or `tcp://127.0.0.1:<port>`.
    pub fn endpoint(&self) -> String {
        match &self.place {
            Place::Unix { path, .. } => format!("unix://{}", path.display()),
            Place::Tcp(address) => format!("tcp://{address}"),
        }
    }

    /// The socket's path; empty for TCP.
    pub fn path(&self) -> PathBuf {
        match &self.place {
            Place::Unix { path, .. } => path.clone(),
            Place::Tcp(_) => PathBuf::new(),
        }
    }

    /// What was called so far.
    pub fn calls(&self) -> Calls {
        self.shared.calls.borrow().clone()
    }

    /// Waits until `condition` holds for the calls; a panic that names `what` after 10 s.
    pub async fn wait_for(&self, what: &str, condition: impl FnMut(&Calls) -> bool) -> Calls {
        let mut calls = self.shared.calls.subscribe();
        let found = match tokio::time::timeout(crate::raw::DEADLINE, calls.wait_for(condition)).await {
            Ok(found) => found.map(|calls| calls.clone()).ok(),
            Err(_) => None,
        };
        found.unwrap_or_else(|| {
            let Calls { counts, other, targets, .. } = self.calls();
            let last = targets.get(targets.len().saturating_sub(12)..).unwrap_or_default();
            panic!("{what}: not in time; calls: {counts:?}; unknown: {other:?}; last: {last:#?}")
        })
    }

    /// How many event streams are open.
    pub fn streams(&self) -> usize {
        let mut inner = self.lock();
        inner.streams.retain(Stream::is_open);
        inner.streams.len()
    }

    // --- what goes wrong

    /// That call fails from now on.
    pub fn fault(&self, call: Call, fault: Fault) {
        self.lock().faults.insert(call, (fault, None));
    }

    /// That call fails so many times.
    pub fn fault_times(&self, call: Call, times: usize, fault: Fault) {
        self.lock().faults.insert(call, (fault, Some(times)));
    }

    /// Inspects of that container (id or name) fail from now on.
    pub fn fault_inspect(&self, container: &str, fault: Fault) {
        let mut inner = self.lock();
        let id = inner.world.id(container);
        inner.inspect_faults.insert(id, fault);
    }

    /// Everything works again; streams that were cut stay cut.
    pub fn heal(&self) {
        let mut inner = self.lock();
        inner.faults.clear();
        inner.inspect_faults.clear();
        inner.lossy = false;
        inner.refusing = false;
        inner.streams.iter().for_each(|s| s.stall(false));
    }

    /// Connections are accepted and closed at once.
    pub fn refuse(&self) {
        self.lock().refusing = true;
    }

    /// Ends every event stream properly.
    pub fn end_streams(&self) {
        self.lock().streams.drain(..).for_each(|s| s.end());
    }

    /// Closes the connection of every event stream in the middle.
    pub fn cut_streams(&self) {
        self.lock().streams.drain(..).for_each(|s| s.cut());
    }

    /// Event streams stay open and say nothing any more, as over a path that drops packets. New streams work.
    pub fn stall_streams(&self) {
        self.lock().streams.iter().for_each(|s| s.stall(true));
    }

    /// With true, events happen and are told to nobody, not even by a replay.
    pub fn lossy(&self, on: bool) {
        self.lock().lossy = on;
    }

    /// How events are put into chunks from now on.
    pub fn chunks(&self, chunks: Chunks) {
        self.lock().chunks = chunks;
    }

    /// Sends these bytes on every event stream.
    pub fn send_raw(&self, bytes: &[u8]) {
        self.lock().streams.iter().for_each(|s| s.send(bytes.to_vec()));
    }

    /// The newest and the oldest API version that are spoken.
    pub fn speaks(&self, newest: &str, oldest: &str) {
        self.lock().api = (newest.to_owned(), oldest.to_owned());
    }

    /// With false: some other HTTP server.
    pub fn is_docker(&self, is: bool) {
        self.lock().is_docker = is;
    }

    /// The engine stops: streams end, the socket is removed. Containers live on.
    pub async fn go_down(&self) {
        self.stop_serving().await;
        if let Place::Unix { path, .. } = &self.place {
            drop(std::fs::remove_file(path));
        }
    }

    /// The engine stops, and its socket file stays although nobody listens on it.
    pub async fn go_down_leaving_the_socket(&self) {
        self.stop_serving().await;
    }

    /// The engine is there again. Events from before are forgotten, as a real engine forgets them.
    pub async fn come_up(&self) {
        self.lock().world.forget_history();
        match &self.place {
            Place::Unix { path, .. } => {
                drop(std::fs::remove_file(path));
                self.come_up_unix();
            }
            Place::Tcp(address) => self.serve(Listener::Tcp(TcpListener::bind(address).await.unwrap())),
        }
    }

    fn come_up_unix(&self) {
        if let Place::Unix { path, .. } = &self.place {
            self.serve(Listener::Unix(UnixListener::bind(path).unwrap()));
        }
    }

    async fn stop_serving(&self) {
        self.end_streams();
        let listening = lock(&self.listening).take();
        if let Some(task) = listening {
            task.abort();
            drop(task.await);
        }
        let open = std::mem::take(&mut *lock(&self.shared.connections));
        for task in open {
            task.abort();
            drop(task.await);
        }
    }

    fn serve(&self, listener: Listener) {
        *lock(&self.listening) = Some(tokio::spawn(serve::accept(listener, Arc::clone(&self.shared))));
    }

    // --- what happens to containers: each takes an id or a name and panics if there is no such container

    /// Creates and starts a container. Returns its id.
    pub fn run(&self, spec: Spec) -> String {
        let id = self.create(spec);
        self.start(&id);
        id
    }

    /// Creates a container. Returns its id.
    pub fn create(&self, spec: Spec) -> String {
        self.change(|world| world.create(spec))
    }

    /// Starts it: its networks are connected, then `start`.
    pub fn start(&self, container: &str) {
        self.change(|world| world.start(container));
    }

    /// A signal is sent to it (`kill`); what it does about it is another matter.
    pub fn kill(&self, container: &str, signal: u8) {
        self.change(|world| world.kill(container, signal));
    }

    /// Its process ends: `die`, then its networks are disconnected and its addresses free.
    pub fn die(&self, container: &str, exit_code: u8) {
        self.change(|world| world.die(container, exit_code));
    }

    /// As `docker stop` with a process that obeys: `kill`, `die`, disconnected, `stop`; of a paused one `unpause` too.
    pub fn stop(&self, container: &str) {
        self.change(|world| world.stop(container));
    }

    /// As `docker restart`: stopped and started.
    pub fn restart(&self, container: &str) {
        self.stop(container);
        self.start(container);
    }

    /// Frozen.
    pub fn pause(&self, container: &str) {
        self.change(|world| world.pause(container, true));
    }

    /// No longer frozen.
    pub fn unpause(&self, container: &str) {
        self.change(|world| world.pause(container, false));
    }

    /// Has another name from now on.
    pub fn rename(&self, container: &str, name: &str) {
        self.change(|world| world.rename(container, name));
    }

    /// Its health check says `starting`, `healthy` or `unhealthy`.
    pub fn health(&self, container: &str, status: &'static str) {
        self.change(|world| world.health(container, status));
    }

    /// Attached to a network; returns the address.
    pub fn connect(&self, container: &str, network: &str) -> IpAddr {
        self.change(|world| world.connect(container, network))
    }

    /// Detached from a network.
    pub fn disconnect(&self, container: &str, network: &str) {
        self.change(|world| world.disconnect(container, network));
    }

    /// Removed, running or not (`docker rm -f`).
    pub fn remove(&self, container: &str) {
        self.change(|world| world.remove(container));
    }

    /// Any event of a container, as it is: `oom`, `update`, `exec_start: sh`.
    pub fn emit(&self, container: &str, action: &str) {
        self.change(|world| world.emit(container, action));
    }

    /// Its id.
    pub fn id(&self, container: &str) -> String {
        self.lock().world.id(container)
    }

    /// Its address on that network.
    pub fn address(&self, container: &str, network: &str) -> Option<Ipv4Addr> {
        self.lock().world.address(container, network)
    }

    /// The network's id.
    pub fn network_id(&self, network: &str) -> String {
        self.lock().world.network_id(network)
    }

    fn change<T>(&self, change: impl FnOnce(&mut World) -> T) -> T {
        let mut inner = self.lock();
        let result = change(&mut inner.world);
        inner.tell();
        result
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        lock(&self.shared.inner)
    }
}

impl Drop for FakeEngine {
    fn drop(&mut self) {
        if let Some(task) = lock(&self.listening).take() {
            task.abort();
        }
        for task in lock(&self.shared.connections).drain(..) {
            task.abort();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
