//! Everything in this process: the real proxy on a free port of this machine, an engine without containers, and small HTTP
//! servers in their place.

use std::collections::HashMap;
use std::io::{self, BufRead, BufReader, PipeReader};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::AsRawFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use seaway_config::model::natural_order;
use seaway_config::statics::{DockerOptions, StaticOptions};
use seaway_demo_app::Options;
use seaway_labels::statics;
use seaway_provider::docker::BuildOptions;
use seaway_provider::memory::{MemoryEngine, Replica};
use seaway_proxy::Proxy;
use seaway_routing::Published;
use seaway_telemetry::{Filters, Format, Sink, Writer};
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

use super::{Server, Stage};
use crate::cli::demo::journal::{Journal, Said};
use crate::planes::{self, Failure, Planes};

const PROJECT: &str = "demo";
/// The services of docker-compose.yml, with its labels; the port is each replica's own.
pub(crate) const SERVICES: [&str; 2] = ["web", "api"];
const WEB: [(&str, &str); 3] = [
    ("traefik.enable", "true"),
    ("traefik.http.routers.web.rule", "Host(`app.localhost`)"),
    ("traefik.http.services.web.loadbalancer.sticky.cookie.name", "session"),
];
const API: [(&str, &str); 3] = [
    ("traefik.enable", "true"),
    ("traefik.http.routers.api.rule", "Host(`app.localhost`) && PathPrefix(`/api`)"),
    ("traefik.http.services.api.loadbalancer.passhostheader", "true"),
];

/// An engine tells of an end about this much later.
const ENGINE_DELAY: Duration = Duration::from_millis(30);

/// The proxy, the engine and the servers.
pub(crate) struct Embedded {
    engine: MemoryEngine,
    published: Arc<Published>,
    /// By the container's id.
    apps: Mutex<HashMap<String, App>>,
    proxy: Proxy,
    writer: Writer,
    address: SocketAddr,
}

/// One server.
struct App {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Embedded {
    /// Starts the proxy and no server yet. What Seaway says goes to `journal`.
    pub(crate) fn start(journal: &Arc<Journal>) -> Result<Self, String> {
        capture(journal);
        let writer = access_log(journal).map_err(|error| format!("cannot make an access log: {error}"))?;
        let options = options()?;
        let build = BuildOptions::new("docker", &DockerOptions::default())
            .map_err(|found| found.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))?;
        let started = planes::listen(&options)
            .and_then(|listening| planes::start(&options, build, true, listening, Some(&writer), &Handle::current()));
        let Planes { published, updates, proxy, .. } = started.map_err(|failure| match failure {
            Failure::Option(text) | Failure::Machine(text) => text,
        })?;
        let address = proxy.address("web").ok_or("the proxy has no address")?;
        Ok(Self { engine: MemoryEngine::new(updates), published, apps: Mutex::default(), proxy, writer, address })
    }

    /// Where the proxy listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many replicas a service has that have not been told to stop.
    pub(crate) fn replicas(&self, service: &str) -> u32 {
        u32::try_from(self.engine.replicas(PROJECT, service).len()).unwrap_or(u32::MAX)
    }

    /// Ends the last replica of a service as a crash would: no warning, connections cut. Says which it was.
    pub(crate) async fn kill(&self, service: &str) -> Option<String> {
        let replica = self.engine.replicas(PROJECT, service).pop()?;
        if let Some(app) = self.apps().remove(&replica.id) {
            app.task.abort();
        }
        tokio::time::sleep(ENGINE_DELAY).await;
        self.engine.die(&replica.id);
        Some(format!("{service}-{}", replica.number))
    }

    /// Replaces the replicas one after the other, as a careful redeploy does.
    pub(crate) async fn redeploy(&self, service: &str) -> Result<(), String> {
        let replicas = self.engine.replicas(PROJECT, service);
        let count = u32::try_from(replicas.len()).unwrap_or(u32::MAX);
        for replica in replicas {
            self.engine.kill(&replica.id);
            self.stop(&replica).await;
            self.scale(service, count).await?;
            super::settled(self, service, usize::try_from(count).unwrap_or(usize::MAX), Duration::from_secs(10))
                .await?;
        }
        Ok(())
    }

    /// Ends the proxy. Servers end with the process.
    pub(crate) fn end(self) {
        self.proxy.end();
        self.proxy.join();
        self.writer.stop();
    }

    /// Lets a replica that has been told to stop finish, and then says that it has ended.
    async fn stop(&self, replica: &Replica) {
        let app = self.apps().remove(&replica.id);
        if let Some(app) = app {
            // One that has ended by itself hears nothing any more.
            let _heard = app.stop.send(());
            let _ended = app.task.await;
        }
        tokio::time::sleep(ENGINE_DELAY).await;
        self.engine.die(&replica.id);
    }

    fn apps(&self) -> MutexGuard<'_, HashMap<String, App>> {
        self.apps.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Stage for Embedded {
    fn hint(&self) -> String {
        "Everything runs inside this process; no Docker is used.".to_owned()
    }

    fn command(&self, service: &str, replicas: u32) -> String {
        format!("scale {service}={replicas}   (with Docker: docker compose up -d --scale {service}={replicas})")
    }

    async fn scale(&self, service: &str, replicas: u32) -> Result<(), String> {
        let labels = if service == "api" { &API } else { &WEB };
        let mut started = Vec::new();
        let scaled = self
            .engine
            .scale(PROJECT, service, labels, replicas, |number| {
                let (address, app) = launch(&format!("{service}-{number}"))?;
                started.push(app);
                Ok(address)
            })
            .map_err(|error: io::Error| format!("cannot start a server: {error}"))?;
        self.apps().extend(scaled.started.into_iter().map(|replica| replica.id).zip(started));
        futures::future::join_all(scaled.stopping.iter().map(|replica| self.stop(replica))).await;
        Ok(())
    }

    async fn servers(&self, service: &str) -> Result<Vec<Server>, String> {
        let table = self.published.current();
        let found = table.services.iter().find(|s| &*s.name.local == service);
        let servers = found.map_or(&[][..], |service| &service.servers);
        let read = |server: &seaway_routing::table::Server| Server {
            name: server.name.to_string(),
            container: server.state.identity().container.to_string(),
            ready: server.state.is_ready(),
        };
        let mut servers: Vec<Server> = servers.iter().map(read).collect();
        servers.sort_by(|a, b| natural_order(&a.name, &b.name));
        Ok(servers)
    }
}

/// Starts one server on a port of its own.
fn launch(name: &str) -> io::Result<(SocketAddr, App)> {
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let (stop, told) = oneshot::channel::<()>();
    let options = Options { drain_limit: Duration::from_secs(5), ..Options::new(name) };
    let task = tokio::spawn(seaway_demo_app::serve(listener, options, async {
        // A stage that is gone needs no servers either.
        let _told_or_gone = told.await;
    }));
    Ok((address, App { stop, task }))
}

/// What a person would start Seaway with, on a free port of this machine.
fn options() -> Result<StaticOptions, String> {
    let flags = ["--entrypoints.web.address=127.0.0.1:0", "--entrypoints.web.transport.lifecycle.gracetimeout=1s"];
    let parsed = statics::parse(&flags.map(str::to_owned), &[]);
    parsed.map(|parsed| parsed.options).map_err(|faults| faults.iter().map(ToString::to_string).collect())
}

/// The real access log, into a pipe whose other end the journal reads.
fn access_log(journal: &Arc<Journal>) -> io::Result<Writer> {
    let (reader, writer) = io::pipe()?;
    let path = format!("/dev/fd/{}", writer.as_raw_fd());
    // The log opens the pipe anew, by name; ours is closed again, so that the reader sees the log's end.
    let log = Writer::start(Sink::File(path.into()), Format::Seaway { colour: false }, Filters::default())?;
    drop(writer);
    let journal = Arc::clone(journal);
    std::thread::Builder::new().name("journal".to_owned()).spawn(move || read(reader, &journal))?;
    Ok(log)
}

fn read(pipe: PipeReader, journal: &Journal) {
    for line in BufReader::new(pipe).lines() {
        match line {
            Ok(line) => journal.push(Said::parse(&line)),
            Err(_) => return,
        }
    }
}

/// Everything that Seaway logs about itself goes to the journal. Where something logs already, that stays.
fn capture(journal: &Arc<Journal>) {
    let subscriber = tracing_subscriber::registry().with(Capture(Arc::clone(journal)));
    let _taken = tracing::subscriber::set_global_default(subscriber);
}

struct Capture(Arc<Journal>);

impl<S: Subscriber> Layer<S> for Capture {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let about = event.metadata();
        if *about.level() <= tracing::Level::INFO && about.target().starts_with("seaway") {
            let mut message = Message(String::new());
            event.record(&mut message);
            self.0.push(Said::parse(&message.0));
        }
    }
}

struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}");
        }
    }
}
