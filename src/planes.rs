//! Both planes, built from static options and wired: what `seaway` and `seaway demo` have in common.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use seaway_config::statics::StaticOptions;
use seaway_provider::docker::BuildOptions;
use seaway_provider::{Handle, Reconciler, ReconcilerOptions, UpdateSender, updates};
use seaway_proxy::{Bound, Clock, Connectors, EntryPoint, Proxy, ProxyOptions, UnroutedOptions, bind, health};
use seaway_routing::{Published, StateRegistry};
use seaway_telemetry::{Unrouted, Writer};
use tokio::runtime::Handle as Runtime;

use crate::control::Life;
use crate::entry_points;
use crate::internal::{Own, Seen};
use crate::limits;
use crate::metrics;

/// How long an unused connection to a server is kept. Below the five seconds after which common application servers close
/// theirs.
const IDLE_UPSTREAM: Duration = Duration::from_secs(4);
/// An address on a bridge answers within a millisecond or not at all. Where a server's backlog is full, the kernel asks a
/// second time after a second: that answer is still waited for.
const DIAL: Duration = Duration::from_millis(1250);

/// Why the planes did not start.
#[derive(Debug)]
pub(crate) enum Failure {
    /// A mistake in an option.
    Option(String),
    /// Something that the machine refused.
    Machine(String),
}

/// The entry points, listening. Nothing is accepted before [`start`].
pub(crate) struct Listening {
    workers: usize,
    bound: Vec<Bound>,
}

/// Both planes, running.
pub(crate) struct Planes {
    /// The table in force.
    pub(crate) published: Arc<Published>,
    /// Ready, terminating.
    pub(crate) life: Arc<Life>,
    /// How discovery is doing.
    pub(crate) provider: Handle,
    /// Where a provider sends what it finds.
    pub(crate) updates: UpdateSender,
    /// The data plane.
    pub(crate) proxy: Proxy,
}

/// Checks the entry points and listens on them.
pub(crate) fn listen(options: &StaticOptions) -> Result<Listening, Failure> {
    let workers = worker_count(options);
    let entry_points: Vec<EntryPoint> =
        options.entry_points.keys().map(|name| entry_points::bind_to(name, options)).collect::<Result<_, _>>()?;
    let shown: Vec<String> =
        entry_points.iter().map(|e| format!("entryPoints.{}.address={}", e.name, e.address)).collect();
    let bound = bind(entry_points, workers).map_err(|(place, error)| {
        let what = shown.get(place).map_or("", String::as_str);
        Failure::Machine(format!("{what}: cannot listen there: {error}"))
    })?;
    Ok(Listening { workers, bound })
}

/// Starts both planes; `runtime` is the control plane's. `discovers` tells whether a provider of containers will send
/// updates.
pub(crate) fn start(
    options: &StaticOptions,
    build: BuildOptions,
    discovers: bool,
    listening: Listening,
    writer: Option<&Writer>,
    runtime: &Runtime,
) -> Result<Planes, Failure> {
    let Listening { workers, bound } = listening;
    let clock = Clock::default();
    let published = Arc::new(Published::default());
    let life = Arc::new(Life::default());

    // 1 the control plane
    let mut reconciling =
        ReconcilerOptions::new(build, entry_points::compile_options(options), entry_points::internal_routers(options));
    if !discovers {
        reconciling.providers.clear();
    }
    let sources = [
        (seaway_provider::file::NAME, options.providers.file.is_some()),
        (seaway_provider::http::NAME, options.providers.http.is_some()),
    ];
    reconciling.providers.extend(sources.iter().filter(|(_, is_there)| *is_there).map(|(name, _)| (*name).into()));
    let connectors = Arc::new(Connectors::new(options.servers_transport.transport()));
    let mut reconciler = Reconciler::new(
        reconciling,
        Arc::new(StateRegistry::with_connectors(workers, connectors)),
        Arc::clone(&published),
        seaway_provider::Clock::new(move || clock.now()),
    );
    let provider = reconciler.handle();
    let (updates, received) = updates();
    // No request finds an entry point without its redirection, or the API without its place.
    reconciler.begin();
    runtime.spawn(reconciler.run(received));
    let timeouts = &options.servers_transport.forwarding_timeouts;
    let dial = timeouts.dial_timeout.unwrap_or(DIAL);
    runtime.spawn(health::probe_new_servers(Arc::clone(&published), clock, dial, |_| {}));
    runtime.spawn(health::run_checks(Arc::clone(&published), clock));

    let log = writer.map(Writer::counts);
    let told = metrics::Told::new(options, workers, &published, discovers.then(|| provider.clone()), log);
    if let Some(told) = &told {
        runtime.spawn(told.clone().follow(clock));
    }

    // 2 the data plane
    let open_files = limits::raise_open_files();
    let counted = told.as_ref().map(metrics::Told::metrics);
    let unrouted = Arc::new(Unrouted::new(workers));
    let own = Own::new(
        Arc::clone(&published),
        Arc::clone(&life),
        options,
        (provider.clone(), discovers),
        told,
        Seen { clock, unrouted: Arc::clone(&unrouted) },
        runtime.clone(),
    );
    for bound in &bound {
        tracing::info!(target: "seaway", "entry point {} listens on {}", bound.entry_point.name, bound.address);
    }
    let proxy_options = ProxyOptions {
        published: Arc::clone(&published),
        clock,
        internal: Arc::new(own),
        log_internals: options.access_log.as_ref().is_some_and(|a| a.add_internals),
        metrics: counted,
        count_internals: options.metrics.add_internals,
        dial_timeout: dial,
        response_header_timeout: timeouts.response_header_timeout,
        idle_upstream: timeouts.idle_conn_timeout.min(IDLE_UPSTREAM),
        max_idle_per_server: usize::try_from(options.servers_transport.max_idle_conns_per_host).unwrap_or(usize::MAX),
        max_connections: limits::connections(options.seaway.max_connections, open_files, workers * bound.len()),
        hold_timeout: options.seaway.hold.timeout,
        hold_max: u32::try_from(options.seaway.hold.max).unwrap_or(u32::MAX),
        server_name: server_name(),
        unrouted: UnroutedOptions { hosts: Some(unrouted), explains: options.seaway.explain404 },
    };
    let lanes = writer.iter().flat_map(|w| (0..workers).map(|_| w.lane())).collect();
    let proxy = Proxy::start(proxy_options, lanes, bound)
        .map_err(|e| Failure::Machine(format!("cannot start the data plane: {e}")))?;
    Ok(Planes { published, life, provider, updates, proxy })
}

fn worker_count(options: &StaticOptions) -> usize {
    match usize::try_from(options.seaway.workers).unwrap_or(0) {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        workers => workers.min(1024),
    }
}

fn server_name() -> HeaderValue {
    std::fs::read_to_string("/proc/sys/kernel/hostname")
        .ok()
        .and_then(|name| HeaderValue::from_str(name.trim()).ok())
        .unwrap_or_else(|| HeaderValue::from_static("seaway"))
}
