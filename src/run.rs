//! Running the proxy: started in order, ended in order.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use seaway_config::Diagnostic;
use seaway_config::statics::{AccessLogOptions, DockerOptions, StaticOptions};
use seaway_labels::statics::Parsed;
use seaway_provider::docker::{BuildOptions, client, engine, watch};
use seaway_provider::{Handle, UpdateSender};
use seaway_proxy::Proxy;
use seaway_telemetry::{Fields, Filters, Format, Sink, Writer};
use tokio::runtime::{Builder, Runtime};

use crate::cli::USAGE;
use crate::control::{Control, Life};
use crate::logging;
use crate::planes::{self, Failure, Planes};
use crate::privileges::{self, Dropped};
use crate::signals::{Signals, Told};
use crate::sources::{Reload, Sources};

/// Runs until a stop signal. Mistakes in options end with exit code 2, failures of the machine with 1.
pub(crate) fn run(parsed: Parsed) -> ExitCode {
    let Parsed { options, notes, warnings } = parsed;
    match start(&options, &notes, &warnings) {
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

fn start(options: &StaticOptions, notes: &[String], warnings: &[Diagnostic]) -> Result<ExitCode, Failure> {
    logging::start(&options.log)
        .map_err(|e| Failure::Option(format!("log.filePath={}: {e}", options.log.file_path)))?;
    tracing::info!(target: "seaway", "Seaway {}", env!("CARGO_PKG_VERSION"));
    for note in notes {
        tracing::info!(target: "seaway", "{note}");
    }
    for warning in warnings {
        tracing::warn!(target: "seaway", "{warning}");
    }
    // 1 what can be wrong with options is found, and what needs root is done; then there is no root any more
    let docker = docker_parts(options)?;
    let sources = Sources::new(options)?;
    let writer = access_log(options)?;
    let listening = planes::listen(options)?;
    let control_path = PathBuf::from(&options.seaway.control_socket);
    let control = control_socket(&control_path);
    let leaving_root = LeavingRoot {
        user: options.seaway.user.clone(),
        engine_socket: docker.as_ref().and_then(|d| d.engine.unix_path()).map(Path::to_owned),
        control_socket: control_path.clone(),
        logs: logs(options),
    };
    let root_for_now = leaving_root.now().map_err(Failure::Option)?;

    // 2 both planes
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("control")
        .enable_all()
        .build()
        .map_err(|e| Failure::Machine(format!("cannot start the control plane: {e}")))?;
    // Before anything is served: a signal that nobody listens for would end the process in the middle of it.
    let signals = Signals::listen(&runtime).map_err(|e| Failure::Machine(format!("cannot listen for signals: {e}")))?;
    let mut build = match &docker {
        Some(docker) => docker.build.clone(),
        None => build_options(&DockerOptions::default())?,
    };
    runtime.block_on(build.look_around());
    let Planes { life, provider, updates, proxy, .. } =
        planes::start(options, build, docker.is_some(), listening, writer.as_ref(), runtime.handle())?;
    if let Some(control) = control {
        runtime.spawn(control.serve(Arc::clone(&life)));
    }

    // 3 discovery
    if docker.is_none() && sources.is_empty() {
        tracing::info!(target: "seaway", "no provider is configured: only what is Seaway's own is served");
        life.set_ready();
    } else {
        runtime.spawn(ready(provider, Arc::clone(&life), root_for_now.then_some(leaving_root)));
    }
    let reload = sources.follow(&runtime, &updates);
    if let Some(docker) = docker {
        follow(&runtime, docker, updates);
    }

    // 4 until somebody says stop
    let code = runtime.block_on(serve(signals, &proxy, &life, writer.as_ref(), &reload));
    let cut = proxy.join();
    if cut > 0 {
        tracing::warn!(target: "seaway", "connections that had to be cut: {cut}");
    }
    if let Some(writer) = writer {
        writer.stop();
    }
    runtime.shutdown_timeout(Duration::from_millis(100));
    let _gone = std::fs::remove_file(&control_path);
    tracing::info!(target: "seaway", "stopped");
    Ok(code)
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
    let build = build_options(docker)?;
    let host = std::env::var("DOCKER_HOST").ok();
    let engine = engine(docker, host.as_deref())?;
    Ok(Some(Docker { engine, limits: client::Limits::from_options(docker), build, watch: docker.watch }))
}

fn build_options(docker: &DockerOptions) -> Result<BuildOptions, Failure> {
    BuildOptions::new("docker", docker)
        .map_err(|found| Failure::Option(found.iter().map(ToString::to_string).collect::<Vec<_>>().join("\nseaway: ")))
}

fn engine(options: &DockerOptions, docker_host: Option<&str>) -> Result<engine::Engine, Failure> {
    let said_by =
        if options.endpoint.is_empty() && docker_host.is_some() { "DOCKER_HOST" } else { "providers.docker.endpoint" };
    engine::Engine::from_options(options, docker_host).map_err(|e| Failure::Option(format!("{said_by}: {e}")))
}

fn follow(runtime: &Runtime, docker: Docker, updates: UpdateSender) {
    tracing::info!(target: "seaway", "following the Docker Engine at {}", docker.engine.shown());
    let watcher = watch::Watcher::new(docker.engine, docker.limits, watch::Timing::default(), updates);
    runtime.spawn(watcher.follow(docker.watch).run());
}

/// Says so once the first snapshot is in force; root that was kept for the engine's sake is given up then.
async fn ready(mut provider: Handle, life: Arc<Life>, leaving_root: Option<LeavingRoot>) {
    provider.ready().await;
    life.set_ready();
    if let Some(leaving_root) = leaving_root
        && let Err(error) = leaving_root.now()
    {
        tracing::error!(target: "seaway", "still root: {error}");
    }
}

/// What giving up root needs to know.
struct LeavingRoot {
    user: String,
    engine_socket: Option<PathBuf>,
    control_socket: PathBuf,
    logs: Vec<PathBuf>,
}

impl LeavingRoot {
    /// Gives up root. True when it had to be kept for now.
    fn now(&self) -> Result<bool, String> {
        // What is no regular file, such as `/dev/stdout`, is neither given away nor rotated.
        let files: Vec<&Path> = self.logs.iter().map(PathBuf::as_path).filter(|log| log.is_file()).collect();
        let mut ours = files.clone();
        ours.push(&self.control_socket);
        match privileges::drop_root(&self.user, self.engine_socket.as_deref(), &ours)? {
            Dropped::NotYet(why) => {
                tracing::info!(target: "seaway", "{why}");
                Ok(true)
            }
            Dropped::Done(what) => {
                tracing::info!(target: "seaway", "{what}");
                for log in files.iter().filter(|log| !privileges::can_replace(log)) {
                    let log = log.display();
                    tracing::warn!(target: "seaway", "{log} cannot be made anew after rotation: this user may not write to its folder");
                }
                Ok(false)
            }
        }
    }
}

fn logs(options: &StaticOptions) -> Vec<PathBuf> {
    let access = options.access_log.as_ref().map(|log| &log.file_path);
    [Some(&options.log.file_path), access].into_iter().flatten().filter(|p| !p.is_empty()).map(PathBuf::from).collect()
}

/// Waits for signals. The first stop signal begins an orderly end, the second ends at once.
async fn serve(mut signals: Signals, proxy: &Proxy, life: &Life, writer: Option<&Writer>, reload: &Reload) -> ExitCode {
    loop {
        match signals.next().await {
            Told::Stop(name) => {
                tracing::info!(target: "seaway", "{name}: accepting no more, letting what runs end");
                break;
            }
            Told::Reopen => {
                logging::reopen();
                if let Some(writer) = writer {
                    writer.reopen();
                }
            }
            Told::Reload => {
                if !reload.ask() {
                    tracing::info!(target: "seaway", "SIGHUP: options are read at the start only");
                }
            }
            Told::Nothing => tracing::info!(target: "seaway", "SIGUSR2 means nothing here"),
        }
    }
    life.set_terminating();
    proxy.drain();
    tokio::select! {
        () = proxy.ended() => ExitCode::SUCCESS,
        name = signals.stop() => {
            tracing::warn!(target: "seaway", "{name} again: ending at once");
            proxy.end();
            ExitCode::FAILURE
        }
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

fn access_log(options: &StaticOptions) -> Result<Option<Writer>, Failure> {
    let Some(log) = &options.access_log else { return Ok(None) };
    let AccessLogOptions { file_path, format, filters, fields, .. } = log;
    let sink = Sink::from_path(file_path);
    let format = match format.to_ascii_lowercase().as_str() {
        "seaway" => Format::Seaway { colour: sink.is_terminal() && !options.log.no_color },
        "json" => Format::Json,
        "genericclf" => Format::GenericClf,
        _ => Format::Common,
    };
    let filters = Filters::new(filters).map_err(|e| Failure::Option(format!("accessLog.filters: {e}")))?;
    let fields = Fields::new(fields).map_err(Failure::Option)?;
    Writer::start(sink, format, filters)
        .map(|writer| Some(writer.with_fields(fields)))
        .map_err(|e| Failure::Option(format!("accessLog.filePath={file_path}: {e}")))
}
