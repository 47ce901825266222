//! A proxy for one test: configuration by hand, compiled and published as the control plane does it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderValue, Response};
use seaway_config::model::{
    self, Address, Condition, Config, Identity, LoadBalancer, ServersTransport, ServiceOptions, Sticky,
};
use seaway_config::{Declared, Name, Origin};
use seaway_head::{Limits, Trust};
use seaway_proxy::{
    ClientTimes, Clock, ConnectionRules, Connectors, EntryPoint, Internal, InternalRequest, Proxy, ProxyOptions,
    UnroutedOptions, bind, health,
};
use seaway_routing::state::Notice;
use seaway_routing::{CompileOptions, EntryPointInfo, Published, ServerState, StateRegistry, compile};
use seaway_telemetry::metrics::{Facts, Metrics, MetricsOptions};
use seaway_telemetry::{Fields, Filters, Format, Sink, Writer};
use seaway_testkit::raw::{self, RawClient};
use seaway_testkit::upstream::Upstream;
use tokio::task::JoinHandle;

/// Short enough that a limit is reached in a test, long enough that a slow machine reaches none by itself.
pub(crate) const SHORT: Duration = Duration::from_millis(300);

/// What a test's proxy is made of. The defaults are the program's, but for waits that would make a test slow.
pub(crate) struct Setup {
    pub(crate) config: Config,
    pub(crate) workers: usize,
    pub(crate) entry: EntryPoint,
    pub(crate) times: ClientTimes,
    pub(crate) hold: Duration,
    pub(crate) hold_max: u32,
    pub(crate) unrouted: UnroutedOptions,
    /// Which fields and headers the access log has.
    pub(crate) fields: Fields,
    pub(crate) dial_timeout: Duration,
    pub(crate) response_header_timeout: Duration,
    pub(crate) max_idle_per_server: usize,
    pub(crate) max_connections: usize,
    /// Writes an access log.
    pub(crate) log: bool,
    /// Runs the prober that makes servers ready.
    pub(crate) prober: bool,
    /// Counts exchanges.
    pub(crate) metrics: Option<MetricsOptions>,
    /// Those for internal services too.
    pub(crate) count_internals: bool,
}

impl Setup {
    pub(crate) fn new(config: Config) -> Self {
        Self {
            config,
            workers: 1,
            entry: EntryPoint {
                connections: ConnectionRules::default(),
                name: "web".into(),
                address: ([127, 0, 0, 1], 0).into(),
                trust: Arc::new(Trust::default()),
                append_forwarded_for: true,
                limits: Arc::new(Limits::default()),
                upgrades: Arc::from(["websocket".into()]),
                idle_timeout: Duration::from_secs(180),
                read_timeout: Duration::from_secs(60),
                accept_grace: Duration::ZERO,
                grace: Duration::from_secs(10),
            },
            times: ClientTimes { linger: Duration::from_millis(50), ..ClientTimes::default() },
            hold: Duration::ZERO,
            hold_max: 100,
            unrouted: UnroutedOptions::default(),
            fields: Fields::default(),
            dial_timeout: Duration::from_secs(1),
            response_header_timeout: Duration::ZERO,
            max_idle_per_server: 200,
            max_connections: usize::MAX,
            log: true,
            prober: false,
            metrics: None,
            count_internals: false,
        }
    }

    /// One service `web` of these upstreams behind one router that takes everything.
    pub(crate) fn web(upstreams: &[&Upstream]) -> Self {
        Self::new(web(servers(upstreams)))
    }

    /// The same with the default cookie.
    pub(crate) fn sticky(upstreams: &[&Upstream]) -> Self {
        let mut setup = Self::web(upstreams);
        setup.balancer(|balancer| balancer.sticky = Some(Sticky { cookie: Some(model::StickyCookie::default()) }));
        setup
    }

    /// Changes the options of the service `web`.
    pub(crate) fn balancer(&mut self, change: impl FnOnce(&mut LoadBalancer)) {
        let service = self.config.services.get_mut(&name("web")).unwrap();
        change(service.value.options.load_balancer.get_or_insert_default());
    }

    /// Puts a middleware in front of the router `web`.
    pub(crate) fn middleware(&mut self, called: &str, middleware: model::Middleware) {
        self.config.middlewares.insert(name(called), Declared::new(middleware, origin(called)));
        self.config.routers.get_mut(&name("web")).unwrap().value.middlewares.push(called.to_owned());
    }

    pub(crate) async fn start(self) -> World {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("access.log");
        let writer = Writer::start(Sink::File(log.clone()), Format::Json, Filters::default()).unwrap();
        let writer = writer.with_fields(self.fields);
        let clock = Clock::default();
        let published = Arc::new(Published::default());
        let bound = bind(vec![self.entry], self.workers).unwrap();
        let bound: Vec<_> = bound
            .into_iter()
            .map(|mut b| {
                b.times = self.times;
                b
            })
            .collect();
        let mut world = World {
            registry: StateRegistry::with_connectors(
                self.workers,
                Arc::new(Connectors::new(ServersTransport::default())),
            ),
            options: CompileOptions {
                entry_points: vec![EntryPointInfo { name: "web".into(), default: true, ..EntryPointInfo::default() }],
                allow_internal: true,
                own_container: None,
                models: Vec::new(),
            },
            published: Arc::clone(&published),
            gate: Arc::default(),
            clock,
            proxy: None,
            writer: None,
            log,
            workers: self.workers,
            metrics: None,
            prober: None,
            checks: None,
            _folder: folder,
        };
        world.publish(self.config);
        let lanes = (0..if self.log { self.workers } else { 0 }).map(|_| writer.lane()).collect();
        let metrics = self.metrics.map(|options| Arc::new(Metrics::new(options, self.workers)));
        world.metrics.clone_from(&metrics);
        let options = ProxyOptions {
            published: Arc::clone(&published),
            clock,
            internal: Arc::new(TestInternal(Arc::clone(&world.gate))),
            log_internals: true,
            metrics,
            count_internals: self.count_internals,
            dial_timeout: self.dial_timeout,
            response_header_timeout: self.response_header_timeout,
            idle_upstream: Duration::from_secs(55),
            max_idle_per_server: self.max_idle_per_server,
            max_connections: self.max_connections,
            hold_timeout: self.hold,
            hold_max: self.hold_max,
            server_name: HeaderValue::from_static("edge"),
            unrouted: self.unrouted,
        };
        world.proxy = Some(Proxy::start(options, lanes, bound).unwrap());
        world.writer = Some(writer);
        world.checks = Some(tokio::spawn(health::run_checks(Arc::clone(&published), clock)));
        if self.prober {
            world.prober =
                Some(tokio::spawn(health::probe_new_servers(published, clock, Duration::from_secs(1), |_| {})));
        }
        world
    }
}

/// A running proxy.
pub(crate) struct World {
    pub(crate) registry: StateRegistry,
    pub(crate) published: Arc<Published>,
    pub(crate) gate: Arc<Gate>,
    options: CompileOptions,
    clock: Clock,
    proxy: Option<Proxy>,
    writer: Option<Writer>,
    log: PathBuf,
    workers: usize,
    pub(crate) metrics: Option<Arc<Metrics>>,
    prober: Option<JoinHandle<()>>,
    checks: Option<JoinHandle<()>>,
    _folder: tempfile::TempDir,
}

impl World {
    /// Compiles a configuration and puts it in force.
    pub(crate) fn publish(&mut self, config: Config) {
        let before = self.published.current();
        let table = compile(Arc::new(config), &self.registry, Some(&before), &self.options, self.clock.now());
        self.published.publish(table);
        self.registry.collect_garbage();
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.proxy.as_ref().unwrap().address("web").unwrap()
    }

    pub(crate) async fn client(&self) -> RawClient {
        RawClient::connect(self.address()).await.unwrap()
    }

    /// Sends these bytes over a new connection; the answer.
    pub(crate) async fn exchange(&self, bytes: impl AsRef<[u8]>) -> raw::Response {
        let mut client = self.client().await;
        client.send(bytes).await.unwrap();
        client.response().await.unwrap()
    }

    /// A GET over a new connection.
    pub(crate) async fn get(&self, path: &str) -> raw::Response {
        self.exchange(get(path)).await
    }

    /// An engine event about the container of server `n`.
    pub(crate) fn notify(&self, n: usize, notice: Notice) {
        self.registry.notify(&format!("container-{n}"), notice, self.clock.now());
        self.published.wake();
    }

    /// The state of server `n`.
    pub(crate) fn state(&self, n: usize) -> Arc<ServerState> {
        let container = format!("container-{n}");
        self.registry.servers().into_iter().find(|s| *s.identity().container == *container).unwrap()
    }

    /// Requests in flight over all servers.
    pub(crate) fn in_flight(&self) -> u32 {
        self.registry.servers().iter().map(|s| s.in_flight()).sum()
    }

    /// Waits for `n` lines of the access log.
    pub(crate) async fn lines(&self, n: usize) -> Vec<Line> {
        let mut lines = Vec::new();
        until(&format!("{n} log lines"), || {
            lines = self.read();
            lines.len() >= n
        })
        .await;
        lines
    }

    /// What a scrape would show now.
    pub(crate) fn scrape(&self) -> String {
        self.metrics.as_ref().unwrap().render(&Facts::default())
    }

    pub(crate) fn drain(&self) {
        self.proxy.as_ref().unwrap().drain();
    }

    pub(crate) fn end(&self) {
        self.proxy.as_ref().unwrap().end();
    }

    /// Drains and ends the proxy. There must have been exactly `requests`, each with its line, and none may be left in
    /// flight. Gives the lines in the order of the log.
    pub(crate) async fn finish(self, requests: usize) -> Vec<Line> {
        self.finish_cut(requests, 0).await
    }

    /// The same where `cut` connections did not end by themselves.
    pub(crate) async fn finish_cut(self, requests: usize, cut: u64) -> Vec<Line> {
        let lines = self.finish_at_most(requests, cut).await;
        assert_eq!(lines.len(), requests, "lines of the access log: {lines:#?}");
        lines
    }

    /// The same where some of the requests never became any: their heads could not be read.
    pub(crate) async fn finish_at_most(mut self, requests: usize, cut: u64) -> Vec<Line> {
        let proxy = self.proxy.take().unwrap();
        proxy.drain();
        let left = tokio::task::spawn_blocking(move || proxy.join()).await.unwrap();
        assert_eq!(left, cut, "connections that did not end");
        let writer = self.writer.take().unwrap();
        assert_eq!((writer.dropped(), writer.write_errors()), (0, 0));
        tokio::task::spawn_blocking(move || writer.stop()).await.unwrap();
        assert_eq!(self.in_flight(), 0, "requests in flight after the end");
        let lines = self.read();
        assert!(lines.len() <= requests, "lines of the access log: {lines:#?}");
        if self.workers == 1 {
            let mut numbers: Vec<_> = lines.iter().map(|l| l.number("RequestCount")).collect();
            numbers.sort_unstable();
            assert_eq!(numbers, (1..=lines.len() as u64).collect::<Vec<_>>(), "one line for each request");
        }
        lines
    }

    fn read(&self) -> Vec<Line> {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).map(Line).collect()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        for task in [self.prober.take(), self.checks.take()].into_iter().flatten() {
            task.abort();
        }
    }
}

/// One line of the access log.
#[derive(Clone, Debug)]
pub(crate) struct Line(serde_json::Value);

impl Line {
    pub(crate) fn status(&self) -> u64 {
        self.number("DownstreamStatus")
    }

    /// A text, empty when it is not there.
    pub(crate) fn text(&self, name: &str) -> &str {
        self.0[name].as_str().unwrap_or_default()
    }

    pub(crate) fn number(&self, name: &str) -> u64 {
        self.0[name].as_u64().unwrap_or_default()
    }

    pub(crate) fn error(&self) -> &str {
        self.text("Error")
    }

    pub(crate) fn lost(&self) -> bool {
        self.0["Lost"].as_bool().unwrap_or_default()
    }

    pub(crate) fn retries(&self) -> u64 {
        self.number("RetryAttempts")
    }

    /// `hit`, or `moved refused`.
    pub(crate) fn sticky(&self) -> String {
        format!("{} {}", self.text("Sticky"), self.text("StickyReason")).trim().to_owned()
    }
}

/// Waits until it holds; a panic that names `what` after some seconds.
pub(crate) async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < raw::DEADLINE, "{what}: not in time");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// A request without a body, for `a.test`.
pub(crate) fn get(path: &str) -> String {
    request("GET", path)
}

pub(crate) fn request(method: &str, path: &str) -> String {
    format!("{method} {path} HTTP/1.1\r\nHost: a.test\r\n\r\n")
}

/// A POST with `Content-Length`.
pub(crate) fn post(path: &str, body: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nHost: a.test\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

pub(crate) fn name(local: &str) -> Name {
    Name::new(local, "docker")
}

fn origin(key: &str) -> Origin {
    Origin::resource("docker", "web-1").at(key)
}

/// One service `web` of these servers behind one router that takes everything.
pub(crate) fn web(servers: Vec<model::Server>) -> Config {
    let mut config = Config::default();
    add_service(&mut config, "web", servers);
    add_router(&mut config, "web", "PathPrefix(`/`)", "web");
    config
}

pub(crate) fn add_service(config: &mut Config, called: &str, servers: Vec<model::Server>) {
    let options = ServiceOptions { load_balancer: Some(LoadBalancer::default()), ..ServiceOptions::default() };
    config.services.insert(name(called), Declared::new(model::Service { options, servers }, origin(called)));
}

pub(crate) fn add_router(config: &mut Config, called: &str, rule: &str, service: &str) {
    let router = model::Router { rule: rule.to_owned(), service: service.to_owned(), ..model::Router::default() };
    config.routers.insert(name(called), Declared::new(router, origin(called)));
}

/// Servers 1, 2, …, ready at once.
pub(crate) fn servers(upstreams: &[&Upstream]) -> Vec<model::Server> {
    (1..).zip(upstreams).map(|(n, upstream)| server(n, upstream)).collect()
}

/// Server `n`, of its own container, ready at once.
pub(crate) fn server(n: usize, upstream: &Upstream) -> model::Server {
    let address = upstream.address();
    model::Server {
        identity: Identity {
            container: format!("container-{n}").into(),
            network: "net".into(),
            address: address.to_string().into(),
        },
        name: format!("web-{n}").into(),
        url: upstream.url().into(),
        address: Address::Ip(address),
        weight: 1,
        base_path: "".into(),
        condition: Condition { assume_ready: true, ..Condition::default() },
        origin: origin("web"),
    }
}

/// `api@internal` says what it was asked; `/panic` panics, `/block` keeps the worker's thread until it is let go.
struct TestInternal(Arc<Gate>);

/// Keeps a worker from doing anything, so that what happens meanwhile is there all at once afterwards.
#[derive(Default)]
pub(crate) struct Gate {
    state: Mutex<(bool, bool)>,
    changed: Condvar,
}

impl Gate {
    /// Waits until the worker stands at the gate.
    pub(crate) async fn closed(&self) {
        until("the worker stands still", || self.state.lock().unwrap().0).await;
    }

    /// Lets it go on.
    pub(crate) fn open(&self) {
        self.state.lock().unwrap().1 = true;
        self.changed.notify_all();
    }

    fn pass(&self) {
        let mut state = self.state.lock().unwrap();
        state.0 = true;
        let (mut state, late) = self.changed.wait_timeout_while(state, raw::DEADLINE, |s| !s.1).unwrap();
        assert!(!late.timed_out(), "nobody opened the gate");
        *state = (false, false);
    }
}

impl Internal for TestInternal {
    fn call(&self, request: InternalRequest) -> Pin<Box<dyn Future<Output = Response<Bytes>> + Send>> {
        let gate = Arc::clone(&self.0);
        Box::pin(async move {
            if request.path == "/block" {
                gate.pass();
            }
            assert!(request.path != "/panic", "asked to panic");
            let body = format!("{} {} {} {:?}", request.service, request.method, request.path, request.query);
            Response::new(Bytes::from(body))
        })
    }
}
