//! The program under measurement, and what the kernel says of it.

use std::net::{Ipv4Addr, SocketAddr};
use std::process::Command;
use std::time::Duration;

use seaway_testkit::engine::{FakeEngine, Spec};

use crate::Options;
use crate::child::Running;
use crate::load::HOST;

/// Resident memory in bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Memory {
    /// All of it, with what is mapped from files.
    pub(crate) total: u64,
    /// What belongs to no file.
    pub(crate) own: u64,
}

/// A running Seaway.
pub(crate) struct Program {
    running: Running,
    address: SocketAddr,
    _engine: FakeEngine,
}

impl Program {
    /// Starts it with one container at `upstream`; returns when that is served.
    pub(crate) async fn start(options: &Options, upstream: SocketAddr) -> Self {
        let engine = FakeEngine::unix().await;
        engine.run(
            Spec::new("web-1")
                .label("traefik.enable", "true")
                .label("traefik.http.routers.web.rule", &format!("Host(`{HOST}`)"))
                .label("traefik.http.services.web.loadbalancer.server.port", &upstream.port().to_string())
                .label("traefik.http.services.web.loadbalancer.sticky.cookie", "true")
                .at("bench", Ipv4Addr::LOCALHOST)
                .port(upstream.port()),
        );
        let mut command = Command::new(&options.binary);
        command
            .arg(format!("--providers.docker.endpoint={}", engine.endpoint()))
            .args(["--entrypoints.http.address=127.0.0.1:0", "--seaway.controlsocket=", "--seaway.user=0"])
            .args(options.workers.map(|n| format!("--seaway.workers={n}")))
            .args(&options.flags);
        let running = Running::start(&mut command);
        let address = running.wait(|line| line.contains("routed in") || line.contains("ready after"));
        Self { running, address, _engine: engine }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// What is resident now: counted page by page, where `VmRSS` is behind by some.
    pub(crate) fn memory(&self) -> Memory {
        let text =
            std::fs::read_to_string(format!("/proc/{}/smaps_rollup", self.running.id())).expect("a running process");
        let field = |name: &str| {
            let line = text.lines().find_map(|l| l.strip_prefix(name)).expect("a field of smaps_rollup");
            line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") * 1024
        };
        Memory { total: field("Rss:"), own: field("Anonymous:") }
    }

    /// Processor time so far, in the kernel and out of it.
    pub(crate) fn processor_time(&self) -> Duration {
        self.running.processor_time("")
    }

    /// Ends it; true when it ended well.
    pub(crate) fn stop(self) -> bool {
        self.running.stop()
    }
}
