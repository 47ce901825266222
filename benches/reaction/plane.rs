//! The control plane, wired as the program wires it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::HeaderMap;
use seaway_config::model::Config;
use seaway_config::statics::DockerOptions;
use seaway_provider::docker::{BuildOptions, client, engine, watch};
use seaway_provider::{Reconciler, ReconcilerOptions, updates};
use seaway_proxy::{Clock, health};
use seaway_routing::compile::{CompileOptions, EntryPointInfo};
use seaway_routing::state::flag;
use seaway_routing::{Pick, Published, RoutingTable, ServerState, Service, StateRegistry, Tried, Want};
use tokio::runtime::{Builder, Runtime};

use crate::observe::nap;

/// Only containers with this label are looked at.
pub(crate) const LABEL: (&str, &str) = ("seaway.bench", "reaction");
/// The program's default for a dial.
const DIAL: Duration = Duration::from_secs(1);

/// Watcher, reconciler and prober at work.
pub(crate) struct Plane {
    published: Arc<Published>,
    _runtime: Runtime,
}

impl Plane {
    /// Follows the engine at `endpoint`; returns when a first snapshot is in force.
    pub(crate) fn start(endpoint: &str) -> Self {
        let options = DockerOptions {
            endpoint: endpoint.to_owned(),
            constraints: format!("Label(`{}`,`{}`)", LABEL.0, LABEL.1),
            ..DockerOptions::default()
        };
        let build = BuildOptions::new("docker", &options).expect("options");
        let engine = engine::Engine::from_options(&options, None).expect("an endpoint");
        let compile = CompileOptions {
            entry_points: vec![EntryPointInfo { name: "http".into(), default: true, ..EntryPointInfo::default() }],
            ..CompileOptions::default()
        };
        let runtime = Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("control")
            .enable_all()
            .build()
            .expect("a runtime");
        let clock = Clock::default();
        let published = Arc::new(Published::default());
        let (sender, receiver) = updates();
        let reconciler = Reconciler::new(
            ReconcilerOptions::new(build, compile, Config::default()),
            Arc::new(StateRegistry::new(2)),
            Arc::clone(&published),
            seaway_provider::Clock::new(move || clock.now()),
        );
        let mut handle = reconciler.handle();
        runtime.spawn(reconciler.run(receiver));
        let limits = client::Limits::from_options(&options);
        let watcher = watch::Watcher::new(engine, limits, watch::Timing::default(), sender);
        runtime.spawn(watcher.run());
        runtime.spawn(health::probe_new_servers(Arc::clone(&published), clock, DIAL, |_| {}));
        let ready = async { tokio::time::timeout(Duration::from_secs(120), handle.ready()).await };
        runtime.block_on(ready).expect("a snapshot within a minute");
        Self { published, _runtime: runtime }
    }

    /// One container as a server of one service.
    pub(crate) fn watched(&self, service: &str, container: &str) -> Watched {
        let label = format!("{service}@docker").into();
        Watched { published: Arc::clone(&self.published), label, container: container.into(), found: None }
    }

    /// Waits until so many servers take requests.
    pub(crate) fn wait_for_ready(&self, count: usize) {
        let deadline = Instant::now() + Duration::from_secs(120);
        loop {
            let table = self.published.current();
            let ready = table.services.iter().map(|service| service.admitted()).sum::<usize>();
            if ready == count {
                return;
            }
            assert!(Instant::now() < deadline, "{ready} servers are ready, not {count}: {:#?}", table.diagnostics);
            nap(Duration::from_millis(5));
        }
    }
}

/// One server, looked at as a worker does: through the table in force.
pub(crate) struct Watched {
    published: Arc<Published>,
    label: Box<str>,
    container: Box<str>,
    /// The table that was looked at last, by its generation, and the server's state there.
    found: Option<(u64, Option<Arc<ServerState>>)>,
}

impl Watched {
    /// It is in the table and takes requests.
    pub(crate) fn is_ready(&mut self) -> bool {
        self.state().is_some_and(|state| state.is_ready())
    }

    /// It is in the table, and runs as far as is known.
    pub(crate) fn is_listed(&mut self) -> bool {
        self.state().is_some_and(|state| state.flags() & (flag::GONE | flag::TERMINATING) == 0)
    }

    /// It is chosen at least once while every ready server of its service is chosen more than once.
    pub(crate) fn is_picked(&mut self) -> bool {
        let table = self.published.current();
        let Some(service) = self.service(&table) else { return false };
        (0..2 * service.servers.len()).any(|_| match service.pick(&HeaderMap::new(), &Tried::default(), Want::Ready) {
            Pick::Server(picked) => {
                service.servers.get(picked.index).is_some_and(|s| s.state.identity().container == self.container)
            }
            Pick::None(_) => false,
        })
    }

    fn state(&mut self) -> Option<&Arc<ServerState>> {
        let table = self.published.current();
        if self.found.as_ref().is_none_or(|(generation, _)| *generation != table.generation) {
            let servers = self.service(&table).map(|service| service.servers.iter());
            let server = servers.into_iter().flatten().find(|s| s.state.identity().container == self.container);
            self.found = Some((table.generation, server.map(|s| Arc::clone(&s.state))));
        }
        self.found.as_ref().and_then(|(_, state)| state.as_ref())
    }

    fn service<'t>(&self, table: &'t RoutingTable) -> Option<&'t Service> {
        table.services.iter().find(|s| s.label == self.label).map(|service| &**service)
    }
}
