//! The program under measurement, and what the kernel says of it.

use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use seaway_testkit::engine::{FakeEngine, Spec};

use crate::Options;
use crate::load::HOST;

const PATIENCE: Duration = Duration::from_secs(30);

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
    child: Child,
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
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the program");
        let lines = BufReader::new(child.stderr.take().expect("its log")).lines();
        let (said, heard) = mpsc::channel();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let _nobody_asks_any_more = said.send(line).is_err();
            }
        });
        // From here on it ends with us, whatever happens.
        let unknown = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
        let mut program = Self { child, address: unknown, _engine: engine };
        let begun = Instant::now();
        let mut log = Vec::new();
        let is_served = |line: &String| line.contains("routed in") || line.contains("ready after");
        while program.address == unknown || !log.iter().any(is_served) {
            assert!(begun.elapsed() < PATIENCE, "the program is not ready: {log:#?}");
            let Ok(line) = heard.recv_timeout(Duration::from_millis(20)) else { continue };
            let place =
                line.split("entry point http listens on ").nth(1).and_then(|rest| rest.split_whitespace().next());
            program.address = place.and_then(|text| text.parse().ok()).unwrap_or(program.address);
            log.push(line);
        }
        program
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// What is resident now: counted page by page, where `VmRSS` is behind by some.
    pub(crate) fn memory(&self) -> Memory {
        let text =
            std::fs::read_to_string(format!("/proc/{}/smaps_rollup", self.child.id())).expect("a running process");
        let field = |name: &str| {
            let line = text.lines().find_map(|l| l.strip_prefix(name)).expect("a field of smaps_rollup");
            line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") * 1024
        };
        Memory { total: field("Rss:"), own: field("Anonymous:") }
    }

    /// Processor time so far, in the kernel and out of it.
    pub(crate) fn processor_time(&self) -> Duration {
        let mut total = 0;
        for task in std::fs::read_dir(format!("/proc/{}/task", self.child.id())).expect("a running process").flatten() {
            let text = std::fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
            total += text.split(' ').next().and_then(|n| n.parse::<u64>().ok()).unwrap_or_default();
        }
        Duration::from_nanos(total)
    }

    /// Ends it; true when it ended well.
    pub(crate) fn stop(mut self) -> bool {
        // A signal by the standard tool: the child is ours and still there.
        let told =
            Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().is_ok_and(|s| s.success());
        let begun = Instant::now();
        while told && begun.elapsed() < PATIENCE {
            if let Ok(Some(status)) = self.child.try_wait() {
                return status.success();
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        false
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _it_has_ended = self.child.kill();
        let _it_has_ended = self.child.wait();
    }
}
