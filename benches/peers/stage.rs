//! Servers and proxies that run.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, ChildStdout};
use std::time::{Duration, Instant};

use seaway_testkit::engine::{FakeEngine, Spec};
use tokio::runtime::Runtime;

use super::backend::{BACKENDS, Order, Outcome};
use super::check;
use super::children::{self, Child, Failure, pause};
use super::cores::Cores;
use super::options::Options;
use super::peers::{Peer, Plan, Site};
use super::usage::Usage;
use super::workloads::Workload;

/// How long a proxy may take until it answers; ten thousand virtual hosts take a while.
const START: Duration = Duration::from_secs(180);
/// A network of the fake engine.
const NETWORK: &str = "bench";

/// Everything that outlives a single workload.
pub(crate) struct Stage {
    pub(crate) cores: Cores,
    pub(crate) backend: Backend,
    pub(crate) dir: tempfile::TempDir,
    programs: BTreeMap<Peer, PathBuf>,
    runtime: Runtime,
    ports: Ports,
    root: bool,
    can_count: bool,
    started: usize,
}

/// A participant with so many workers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entrant {
    pub(crate) peer: Peer,
    pub(crate) workers: usize,
}

/// A proxy that runs and answers rightly.
pub(crate) struct Proxy {
    pub(crate) port: u16,
    pub(crate) cookies: Vec<String>,
    /// Resident memory in KiB before any load.
    pub(crate) idle: u64,
    pub(crate) notes: Vec<&'static str>,
    /// Where it may write lines about requests.
    logs: Vec<PathBuf>,
    child: Child,
    _engine: Option<FakeEngine>,
}

/// Why a proxy is not measured.
pub(crate) enum Absent {
    /// It cannot do what is asked; that is no fault.
    Lacks(&'static str),
    /// It does not start, or does it wrongly.
    Fails(Failure),
    /// Nobody could be started.
    Ends(Failure),
}

impl Stage {
    /// Starts the servers.
    pub(crate) fn set(
        options: &Options,
        programs: BTreeMap<Peer, PathBuf>,
        runtime: Runtime,
        cores: Cores,
    ) -> Result<Self, Failure> {
        let dir = tempfile::Builder::new().prefix("seaway-bench-").tempdir();
        let dir = dir.map_err(|e| Failure::new(format!("no temporary folder: {e}")))?;
        let backend = Backend::start(&cores, dir.path())?;
        let can_count = programs.get(&Peer::Seaway).is_some_and(|seaway| {
            let mut help = std::process::Command::new(seaway);
            help.arg("--help");
            children::output(help, Duration::from_secs(10)).is_ok_and(|help| help.contains("--metrics.prometheus"))
        });
        let root = nix::unistd::geteuid().is_root();
        let ports = Ports { next: options.port };
        Ok(Self { cores, backend, dir, programs, runtime, ports, root, can_count, started: 0 })
    }

    /// Starts a proxy for a workload, and checks it.
    pub(crate) fn start(&mut self, entrant: Entrant, workload: &Workload) -> Result<Proxy, Absent> {
        self.try_start(entrant, workload).map_err(|absent| match absent {
            Absent::Fails(_) if children::interrupted() => Absent::Fails(Failure::new("interrupted")),
            other => other,
        })
    }

    fn try_start(&mut self, entrant: Entrant, workload: &Workload) -> Result<Proxy, Absent> {
        let Entrant { peer, workers } = entrant;
        let program = self.programs.get(&peer).cloned().ok_or(Absent::Lacks("is not installed"))?;
        self.started += 1;
        let dir = self.dir.path().join(format!("{}-{}", peer.name(), self.started));
        std::fs::create_dir(&dir).map_err(|e| Absent::Fails(Failure::new(e.to_string())))?;
        let mut port = || self.ports.take().map_err(Absent::Ends);
        let (listen, spare) = (port()?, port()?);
        let backends = self.backend.addresses.clone();
        let connections = workload.connections;
        let site = Site { listen, spare, backends: &backends, dir: &dir, workers, connections, root: self.root };
        let plan = peer.plan(&site, &workload.setup, self.can_count).map_err(Absent::Lacks)?;
        let (mut child, engine) = self.run(peer, &program, &plan, &site, workload.workers)?;
        let deadline = Instant::now() + START;
        while !check::answers(listen, workload) {
            children::go_on()?;
            child.must_run()?;
            if Instant::now() > deadline {
                let said = child.last_words();
                return Err(Failure::new(format!("does not answer within {START:?}. It said:{said}")).into());
            }
            pause(Duration::from_millis(20));
        }
        let idle = Usage::of(child.pid()).memory;
        // Whoever discovers servers may find them one after the other.
        let settled = Instant::now() + Duration::from_secs(10);
        let cookies = loop {
            match check::check(peer, listen, workload) {
                Ok(cookies) => break cookies,
                Err(_) if Instant::now() < settled && peer == Peer::Seaway => pause(Duration::from_millis(100)),
                Err(failure) => {
                    child.must_run()?;
                    return Err(Failure::new(format!("{failure}{}", said(&child))).into());
                }
            }
        };
        // The others count always, or say it elsewhere.
        if plan.arguments.iter().any(|argument| argument.starts_with("--metrics.prometheus")) {
            check::counts(spare)?;
        }
        child.must_run()?;
        let logs = ["access.log", "output.log"].map(|name| dir.join(name)).into();
        Ok(Proxy { port: listen.port(), cookies, idle, notes: plan.notes, logs, child, _engine: engine })
    }

    fn run(
        &self,
        peer: Peer,
        program: &Path,
        plan: &Plan,
        site: &Site<'_>,
        free: bool,
    ) -> Result<(Child, Option<FakeEngine>), Failure> {
        for (name, text) in &plan.files {
            let file = site.dir.join(name);
            std::fs::write(&file, text).map_err(|e| Failure::new(format!("{}: {e}", file.display())))?;
        }
        let mut command = self.cores.proxy(&program.display().to_string(), free);
        command.args(&plan.arguments).envs(plan.environment.iter().map(|(key, value)| (key, value)));
        let engine = (!plan.containers.is_empty()).then(|| self.engine(plan, site));
        if let Some(engine) = &engine {
            command.arg(format!("--providers.docker.endpoint={}", engine.endpoint()));
        }
        let child = Child::start(peer.name(), command, &site.dir.join("output.log"), false)?;
        Ok((child, engine))
    }

    /// An engine on which the servers are containers.
    fn engine(&self, plan: &Plan, site: &Site<'_>) -> FakeEngine {
        let _inside = self.runtime.enter();
        let engine = self.runtime.block_on(FakeEngine::unix());
        for (n, (labels, server)) in plan.containers.iter().zip(site.backends.iter().cycle()).enumerate() {
            let address = match server.ip() {
                std::net::IpAddr::V4(address) => address,
                std::net::IpAddr::V6(_) => Ipv4Addr::LOCALHOST,
            };
            let spec = Spec::new(&format!("bench-web-{}", n + 1)).compose("bench", "web", n + 1);
            let spec = labels.iter().fold(spec, |spec, (key, value)| spec.label(key, value));
            engine.run(spec.at(NETWORK, address).port(server.port()));
        }
        engine
    }
}

impl From<Failure> for Absent {
    fn from(failure: Failure) -> Self {
        Self::Fails(failure)
    }
}

impl Proxy {
    /// What it has used so far.
    pub(crate) fn usage(&self) -> Usage {
        Usage::of(self.child.pid())
    }

    /// How much it has written about requests since this was asked last. It is removed: a minute of it is a gigabyte.
    pub(crate) fn take_log(&self) -> u64 {
        let take = |path: &PathBuf| {
            let file = std::fs::OpenOptions::new().write(true).open(path).ok()?;
            let length = file.metadata().ok()?.len();
            file.set_len(0).ok().map(|()| length)
        };
        self.logs.iter().filter_map(take).sum()
    }

    /// Fails if it no longer runs.
    ///
    /// # Errors
    /// It does not.
    pub(crate) fn must_run(&mut self) -> Result<(), Failure> {
        self.child.must_run()
    }
}

fn said(child: &Child) -> String {
    let said = child.last_words();
    if said.is_empty() { said } else { format!(". It said:{said}") }
}

/// The servers, and the generator that lives with them.
pub(crate) struct Backend {
    pub(crate) addresses: Vec<SocketAddr>,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
    child: Child,
}

impl Backend {
    fn start(cores: &Cores, dir: &Path) -> Result<Self, Failure> {
        let me = std::env::current_exe().map_err(|e| Failure::new(e.to_string()))?;
        let mut command = cores.backend(&me.display().to_string());
        command.arg("backend");
        let mut child = Child::start("the servers", command, &dir.join("backend.log"), true)?;
        let (orders, answers) = child.pipes().ok_or_else(|| Failure::new("the servers have no pipes"))?;
        let mut answers = BufReader::new(answers);
        let mut line = String::new();
        drop(answers.read_line(&mut line));
        let addresses: Vec<SocketAddr> = line.split_whitespace().filter_map(|word| word.parse().ok()).collect();
        if addresses.len() != BACKENDS {
            return Err(Failure::new(format!("the servers do not start{}", said(&child))));
        }
        Ok(Self { addresses, orders, answers, child })
    }

    /// Has the generator carry out an order.
    ///
    /// # Errors
    /// The servers have ended.
    pub(crate) fn drive(&mut self, order: &Order) -> Result<Outcome, Failure> {
        let mut line = String::new();
        let asked = writeln!(self.orders, "{}", order.to_line()).and_then(|()| self.orders.flush());
        let answered = asked.and_then(|()| self.answers.read_line(&mut line));
        children::go_on()?;
        match (answered, Outcome::parse(&line)) {
            (Ok(_), Some(outcome)) => Ok(outcome),
            _ => Err(Failure::new(format!("the load generator has ended{}", said(&self.child)))),
        }
    }
}

/// Ports on 127.0.0.1 that nobody listens on.
struct Ports {
    /// The next one, where somebody said which.
    next: Option<u16>,
}

impl Ports {
    fn take(&mut self) -> Result<SocketAddr, Failure> {
        let wanted = self.next.unwrap_or(0);
        let found = TcpListener::bind((Ipv4Addr::LOCALHOST, wanted)).and_then(|listener| listener.local_addr());
        let address = found.map_err(|e| {
            Failure::new(format!("port {wanted} of 127.0.0.1 cannot be used ({e}): choose another one with --port, or leave it to the harness"))
        })?;
        if let Some(next) = &mut self.next {
            *next =
                wanted.checked_add(1).ok_or_else(|| Failure::new("no ports are left above: choose a lower --port"))?;
        }
        Ok(address)
    }
}
