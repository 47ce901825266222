//! The composition root: both planes built, wired, run, and ended in order.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use seaway_config::Origin;
use seaway_config::model::{Config, Declared, Name, Router};
use seaway_config::statics::{AccessLogOptions, DockerOptions, EntryPointOptions, StaticOptions};
use seaway_head::{Limits, Trust};
use seaway_labels::statics::{self, Parsed};
use seaway_provider::docker::{BuildOptions, client, engine, watch};
use seaway_provider::{Handle, Reconciler, ReconcilerOptions, UpdateSender, updates};
use seaway_proxy::{Clock, EntryPoint, Proxy, ProxyOptions, bind, health};
use seaway_routing::compile::{CompileOptions, EntryPointInfo};
use seaway_routing::{Published, StateRegistry};
use seaway_telemetry::{Filters, Format, Sink, Writer};
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::cli::USAGE;
use crate::control::{Control, Life};
use crate::internal::Own;
use crate::{logging, privileges};

/// How long a closed connection to a server is still looked for before the pool lets go of an unused one. Below the five
/// seconds after which common application servers close theirs.
const IDLE_UPSTREAM: Duration = Duration::from_secs(4);
/// An address on a bridge answers within a millisecond or not at all.
const DIAL: Duration = Duration::from_secs(1);

/// Runs until a stop signal. Mistakes in options end with exit code 2, failures of the machine with 1.
pub(crate) fn run(parsed: Parsed) -> ExitCode {
    let Parsed { options, notes } = parsed;
    match start(&options, &notes) {
        Ok(code) => code,
        Err(Failure::Option(text)) => {
            eprintln!("seaway: {text}");
            ExitCode::from(USAGE)
        }
        Err(Failure::Machine(text)) => {
            eprintln!("seaway: {text}");
            ExitCode::FAILURE
        }
    }
}

/// Why Seaway did not start.
#[derive(Debug)]
enum Failure {
    /// A mistake in an option.
    Option(String),
    /// Something that the machine refused.
    Machine(String),
}

fn start(options: &StaticOptions, notes: &[String]) -> Result<ExitCode, Failure> {
    logging::start(&options.log)
        .map_err(|e| Failure::Machine(format!("log.filePath={}: {e}", options.log.file_path)))?;
    tracing::info!(target: "seaway", "Seaway {}", env!("CARGO_PKG_VERSION"));
    for note in notes {
        tracing::info!(target: "seaway", "{note}");
    }
    // 1 everything that can be wrong with options is found before anything runs
    let workers = worker_count(options);
    let docker = docker_parts(options)?;
    let entry_points = entry_points(options)?;
    let names: Vec<Box<str>> = entry_points.iter().map(|e| e.name.clone()).collect();
    let addresses: Vec<SocketAddr> = entry_points.iter().map(|e| e.address).collect();
    let writer = access_log(options)?;

    // 2 what needs root, and then no root any more
    let bound = bind(entry_points, workers).map_err(|(place, error)| {
        let name = names.get(place).map_or("", |n| &**n);
        let address = addresses.get(place).map(ToString::to_string).unwrap_or_default();
        Failure::Machine(format!("entryPoints.{name}.address={address}: cannot listen there: {error}"))
    })?;
    let control_path = PathBuf::from(&options.seaway.control_socket);
    let control = control_socket(&control_path);
    let engine_socket = docker.as_ref().and_then(|d| d.engine.unix_path());
    let said = privileges::drop_root(&options.seaway.user, engine_socket, &control_path).map_err(Failure::Option)?;
    tracing::info!(target: "seaway", "{said}");

    // 3 the control plane
    let control_plane = Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("control")
        .enable_all()
        .build()
        .map_err(|e| Failure::Machine(format!("cannot start the control plane: {e}")))?;
    let clock = Clock::default();
    let shared = Shared {
        registry: Arc::new(StateRegistry::new(workers)),
        published: Arc::new(Published::default()),
        clock,
        life: Arc::new(Life::default()),
    };
    let compile = compile_options(options);
    let provider = discover(&control_plane, &shared, docker, compile, internal_routers(options));
    let dial = options.servers_transport.forwarding_timeouts.dial_timeout.unwrap_or(DIAL);
    control_plane.spawn(health::probe_new_servers(Arc::clone(&shared.published), clock, dial, |_| {}));
    if let Some(control) = control {
        control_plane.spawn(control.serve(Arc::clone(&shared.life)));
    }

    // 4 the data plane
    let own = Own::new(
        Arc::clone(&shared.published),
        Arc::clone(&shared.life),
        options,
        provider,
        control_plane.handle().clone(),
    );
    for bound in &bound {
        tracing::info!(target: "seaway", "entry point {} listens on {}", bound.entry_point.name, bound.address);
    }
    let proxy_options = ProxyOptions {
        published: Arc::clone(&shared.published),
        clock,
        internal: Arc::new(own),
        log_internals: options.access_log.as_ref().is_some_and(|a| a.add_internals),
        dial_timeout: dial,
        response_header_timeout: options.servers_transport.forwarding_timeouts.response_header_timeout,
        idle_upstream: options.servers_transport.forwarding_timeouts.idle_conn_timeout.min(IDLE_UPSTREAM),
        max_idle_per_server: usize::try_from(options.servers_transport.max_idle_conns_per_host).unwrap_or(usize::MAX),
        hold_timeout: options.seaway.hold.timeout,
        hold_max: u32::try_from(options.seaway.hold.max).unwrap_or(u32::MAX),
        server_name: server_name(),
    };
    let lanes = writer.iter().flat_map(|w| (0..workers).map(|_| w.lane())).collect();
    let proxy = Proxy::start(proxy_options, lanes, bound)
        .map_err(|e| Failure::Machine(format!("cannot start the data plane: {e}")))?;

    // 5 until somebody says stop
    let code = control_plane.block_on(serve(&proxy, &shared, writer.as_ref()));
    let cut = proxy.join();
    if cut > 0 {
        tracing::warn!(target: "seaway", "{cut} connections were cut at the end of the grace time");
    }
    if let Some(writer) = writer {
        writer.stop();
    }
    control_plane.shutdown_timeout(Duration::from_millis(100));
    let _gone = std::fs::remove_file(&control_path);
    tracing::info!(target: "seaway", "stopped");
    Ok(code)
}

/// What both planes share.
struct Shared {
    registry: Arc<StateRegistry>,
    published: Arc<Published>,
    clock: Clock,
    life: Arc<Life>,
}

/// The Docker provider, checked and not yet started.
struct Docker {
    engine: engine::Engine,
    limits: client::Limits,
    build: BuildOptions,
    watch: bool,
}

fn docker_parts(options: &StaticOptions) -> Result<Option<Docker>, Failure> {
    let Some(docker) = &options.providers.docker else { return Ok(None) };
    let build = BuildOptions::new("docker", docker).map_err(|found| {
        Failure::Option(found.iter().map(ToString::to_string).collect::<Vec<_>>().join("\nseaway: "))
    })?;
    let host = std::env::var("DOCKER_HOST").ok();
    let engine = engine(docker, host.as_deref())?;
    Ok(Some(Docker { engine, limits: client::Limits::from_options(docker), build, watch: docker.watch }))
}

fn engine(options: &DockerOptions, docker_host: Option<&str>) -> Result<engine::Engine, Failure> {
    engine::Engine::from_options(options, docker_host)
        .map_err(|e| Failure::Option(format!("providers.docker.endpoint={}: {e}", options.endpoint)))
}

/// Starts discovery; says when the first snapshot is in force.
fn discover(
    control_plane: &Runtime,
    shared: &Shared,
    docker: Option<Docker>,
    compile: CompileOptions,
    statics: Config,
) -> Option<Handle> {
    let (sender, receiver) = updates();
    let build = docker.as_ref().map(|d| d.build.clone());
    let mut build = build.or_else(|| BuildOptions::new("docker", &DockerOptions::default()).ok())?;
    control_plane.block_on(build.look_around());
    let clock = shared.clock;
    let reconciler = Reconciler::new(
        ReconcilerOptions::new(build, compile, statics),
        Arc::clone(&shared.registry),
        Arc::clone(&shared.published),
        seaway_provider::Clock::new(move || clock.now()),
    );
    let handle = reconciler.handle();
    control_plane.spawn(reconciler.run(receiver));
    match docker {
        Some(docker) => watch_docker(control_plane, docker, sender),
        None => {
            tracing::info!(target: "seaway", "no provider is configured: only what is Seaway's own is served");
            shared.life.set_ready();
            // The reconciler publishes what is static before it finds that nobody will ever send anything.
            drop(sender);
            return None;
        }
    }
    let (life, mut ready) = (Arc::clone(&shared.life), handle.clone());
    control_plane.spawn(async move {
        ready.ready().await;
        life.set_ready();
    });
    Some(handle)
}

fn watch_docker(control_plane: &Runtime, docker: Docker, sender: UpdateSender) {
    tracing::info!(target: "seaway", "following the Docker Engine at {}", docker.engine.shown());
    let watcher = watch::Watcher::new(docker.engine, docker.limits, watch::Timing::default(), sender);
    control_plane.spawn(watcher.follow(docker.watch).run());
}

/// Waits for signals. The first stop signal begins an orderly end, the second ends at once.
async fn serve(proxy: &Proxy, shared: &Shared, writer: Option<&Writer>) -> ExitCode {
    let signals =
        (signal(SignalKind::terminate()), signal(SignalKind::interrupt()), signal(SignalKind::user_defined1()));
    let (Ok(mut terminate), Ok(mut interrupt), Ok(mut reopen)) = signals else {
        tracing::error!(target: "seaway", "cannot listen for signals");
        return ExitCode::FAILURE;
    };
    loop {
        tokio::select! {
            name = stop(&mut terminate, &mut interrupt) => {
                tracing::info!(target: "seaway", "{name}: accepting no more, letting what runs end");
                break;
            }
            _ = reopen.recv() => if let Some(writer) = writer { writer.reopen() },
        }
    }
    shared.life.set_terminating();
    proxy.drain();
    tokio::select! {
        () = proxy.ended() => ExitCode::SUCCESS,
        name = stop(&mut terminate, &mut interrupt) => {
            tracing::warn!(target: "seaway", "{name} again: ending at once");
            proxy.end();
            ExitCode::FAILURE
        }
    }
}

async fn stop(terminate: &mut Signal, interrupt: &mut Signal) -> &'static str {
    tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
    }
}

fn control_socket(path: &Path) -> Option<Control> {
    if path.as_os_str().is_empty() {
        return None;
    }
    match Control::bind(path) {
        Ok(control) => Some(control),
        Err(error) => {
            tracing::info!(target: "seaway", "no socket for seaway healthcheck at {}: {error}", path.display());
            None
        }
    }
}

fn worker_count(options: &StaticOptions) -> usize {
    match usize::try_from(options.seaway.workers).unwrap_or(0) {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        workers => workers.min(1024),
    }
}

fn entry_points(options: &StaticOptions) -> Result<Vec<EntryPoint>, Failure> {
    options.entry_points.iter().map(|(name, entry_point)| entry_point_of(name, entry_point)).collect()
}

fn entry_point_of(name: &str, options: &EntryPointOptions) -> Result<EntryPoint, Failure> {
    let at = |option: &str, text: String| Failure::Option(format!("entryPoints.{name}.{option}: {text}"));
    let address = available(statics::listen_address(&options.address).map_err(|text| at("address", text))?);
    let mut networks = Vec::new();
    for text in &options.forwarded_headers.trusted_ips {
        networks.push(seaway_head::forwarded::parse_network(text).ok_or_else(|| {
            at(
                "forwardedHeaders.trustedIPs",
                format!("{text:?} is neither an address nor a network such as 10.0.0.0/8"),
            )
        })?);
    }
    let timeouts = &options.transport.responding_timeouts;
    let upgrades = options.http.upgrades.iter().map(|token| token.to_ascii_lowercase().into()).collect();
    let header_bytes = usize::try_from(options.http.max_header_bytes).unwrap_or(usize::MAX).clamp(1024, 4 << 20);
    Ok(EntryPoint {
        name: name.into(),
        address,
        trust: Arc::new(Trust { everybody: options.forwarded_headers.insecure, networks }),
        append_forwarded_for: !options.forwarded_headers.not_append_x_forwarded_for,
        limits: Arc::new(Limits { header_bytes, ..Limits::default() }),
        upgrades,
        idle_timeout: timeouts.idle_timeout,
        read_timeout: timeouts.read_timeout,
        accept_grace: options.transport.life_cycle.request_accept_grace_timeout,
        grace: options.transport.life_cycle.grace_time_out,
    })
}

/// An address for all interfaces means both families; on a machine without IPv6 the other one is left.
fn available(address: SocketAddr) -> SocketAddr {
    let both = address.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED);
    if both && std::net::TcpListener::bind((Ipv6Addr::UNSPECIFIED, 0)).is_err() {
        return SocketAddr::from((Ipv4Addr::UNSPECIFIED, address.port()));
    }
    address
}

fn compile_options(options: &StaticOptions) -> CompileOptions {
    let chosen = options.entry_points.values().any(|e| e.as_default);
    let entry_points = options
        .entry_points
        .iter()
        .map(|(name, e)| EntryPointInfo {
            name: name.as_str().into(),
            default: if chosen { e.as_default } else { name != "traefik" },
        })
        .collect();
    CompileOptions { entry_points, allow_internal: options.seaway.labels.allow_internal, own_container: None }
}

/// The routers that are there without any container.
fn internal_routers(options: &StaticOptions) -> Config {
    let mut config = Config::default();
    let mut add = |name: &str, entry_point: &str, path: &str, priority: i64| {
        let router = Router {
            entry_points: vec![entry_point.to_owned()],
            rule: format!("PathPrefix(`{path}`)"),
            service: format!("{name}@internal"),
            priority,
            ..Router::default()
        };
        let origin = Origin::resource("internal", name);
        config.routers.insert(Name::new(name, "internal"), Declared::new(router, origin));
    };
    if let Some(ping) = options.ping.as_ref().filter(|p| !p.manual_routing) {
        add("ping", &ping.entry_point, "/ping", i64::MAX);
    }
    if options.api.as_ref().is_some_and(|a| a.insecure) {
        add("api", "traefik", "/api", i64::MAX - 1);
    }
    config
}

fn access_log(options: &StaticOptions) -> Result<Option<Writer>, Failure> {
    let Some(log) = &options.access_log else { return Ok(None) };
    let AccessLogOptions { file_path, format, filters, .. } = log;
    let sink = Sink::from_path(file_path);
    let format = match format.to_ascii_lowercase().as_str() {
        "seaway" => Format::Seaway { colour: sink.is_terminal() && !options.log.no_color },
        "json" => Format::Json,
        "genericclf" => Format::GenericClf,
        _ => Format::Common,
    };
    let filters = Filters::new(filters).map_err(|e| Failure::Option(format!("accessLog.filters: {e}")))?;
    Writer::start(sink, format, filters)
        .map(Some)
        .map_err(|e| Failure::Machine(format!("accessLog.filePath={file_path}: {e}")))
}

fn server_name() -> HeaderValue {
    std::fs::read_to_string("/proc/sys/kernel/hostname")
        .ok()
        .and_then(|name| HeaderValue::from_str(name.trim()).ok())
        .unwrap_or_else(|| HeaderValue::from_static("seaway"))
}
