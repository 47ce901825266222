//! The program itself, started for a test and ended with it.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use seaway_testkit::raw::{DEADLINE, RawClient, Response};
use serde_json::Value;

/// Seaway, running; it ends when this is dropped.
pub(crate) struct Running {
    process: Child,
    log: Receiver<String>,
    said: Vec<String>,
}

/// Seaway with the entry points `web` and `traefik`, the API on the second.
pub(crate) struct Program {
    running: Running,
    /// Where requests go.
    pub(crate) web: SocketAddr,
    /// Where the API is.
    pub(crate) api: SocketAddr,
}

impl Running {
    /// Starts it with these flags and this environment; two workers.
    pub(crate) fn start(flags: &[&str], environment: &[(&str, &str)]) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_seaway"))
            .args(["--seaway.user=0", "--seaway.controlsocket=", "--seaway.workers=2", "--log.nocolor=true"])
            .args(flags)
            .env_clear()
            .envs(environment.iter().copied())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        let stderr = process.stderr.take().expect("its log");
        let (lines, log) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                if lines.send(line).is_err() {
                    return;
                }
            }
        });
        Self { process, log, said: Vec::new() }
    }

    /// Where an entry point listens, as the log says.
    pub(crate) fn address(&mut self, entry_point: &str) -> SocketAddr {
        let listens = format!("entry point {entry_point} listens on ");
        let line = self.says(&listens);
        line.split_once(&listens).and_then(|(_, address)| address.trim().parse().ok()).expect("an address")
    }

    /// Waits for a line of the log with this in it, also one that was said before.
    pub(crate) fn says(&mut self, part: &str) -> String {
        let until = Instant::now() + DEADLINE;
        loop {
            if let Some(line) = self.said.iter().find(|line| line.contains(part)) {
                return line.clone();
            }
            let left = until.saturating_duration_since(Instant::now());
            let line = self.log.recv_timeout(left);
            self.said.push(line.unwrap_or_else(|_| panic!("no {part:?} in {:#?}", self.said)));
        }
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        let process = i32::try_from(self.process.id()).expect("a process id");
        kill(Pid::from_raw(process), signal).expect("it runs");
    }

    /// Waits for its end; the exit code.
    pub(crate) async fn ended(&mut self) -> Option<i32> {
        let until = Instant::now() + DEADLINE;
        loop {
            if let Some(status) = self.process.try_wait().expect("it can be waited for") {
                return status.code();
            }
            assert!(Instant::now() < until, "it has not ended: {:#?}", self.said);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

impl Program {
    /// Starts it with these flags and this environment; two workers, ports of its own.
    pub(crate) fn start(flags: &[&str], environment: &[(&str, &str)]) -> Self {
        let usual = ["--entrypoints.web.address=127.0.0.1:0", "--entrypoints.traefik.address=127.0.0.1:0"];
        let flags = [&usual[..], &["--api.insecure=true"], flags].concat();
        let mut running = Running::start(&flags, environment);
        let (web, api) = (running.address("web"), running.address("traefik"));
        Self { running, web, api }
    }

    /// Waits for a line of the log with this in it, also one that was said before.
    pub(crate) fn says(&mut self, part: &str) -> String {
        self.running.says(part)
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        self.running.signal(signal);
    }

    /// Waits for its end; the exit code.
    pub(crate) async fn ended(&mut self) -> Option<i32> {
        self.running.ended().await
    }

    /// One request over a connection of its own.
    pub(crate) async fn get(&self, host: &str, path: &str) -> Response {
        ask(self.web, host, path).await
    }

    /// Asks until the answer holds.
    pub(crate) async fn until(&self, host: &str, path: &str, holds: impl Fn(&Response) -> bool) -> Response {
        let until = Instant::now() + DEADLINE;
        loop {
            let response = self.get(host, path).await;
            if holds(&response) {
                return response;
            }
            assert!(Instant::now() < until, "{path} of {host}: not in time: {}\n{}", response.start, response.text());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Asks until the status is this one.
    pub(crate) async fn until_status(&self, host: &str, path: &str, status: u16) -> Response {
        self.until(host, path, |response| response.status == status).await
    }

    /// What the API says.
    pub(crate) async fn api(&self, path: &str) -> Value {
        let response = ask(self.api, "api", path).await;
        serde_json::from_slice(&response.body).unwrap_or_else(|_| panic!("{path}: {}", response.text()))
    }

    /// Waits until the API's diagnostics hold.
    pub(crate) async fn until_told(&self, what: &str, holds: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        let until = Instant::now() + DEADLINE;
        loop {
            let told = self.api("/api/seaway/diagnostics").await;
            let told = told.as_array().cloned().unwrap_or_default();
            if holds(&told) {
                return told;
            }
            assert!(Instant::now() < until, "{what}: not in time: {told:#?}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

async fn ask(address: SocketAddr, host: &str, path: &str) -> Response {
    let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    RawClient::exchange(address, request).await.expect("an answer")
}
