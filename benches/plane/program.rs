//! The program under measurement.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(60);

/// A running Seaway.
pub(crate) struct Program {
    child: Child,
    address: SocketAddr,
}

impl Program {
    /// Starts it; returns when it listens.
    pub(crate) fn start(binary: &str, engine: &str) -> Self {
        let mut child = Command::new(binary)
            .arg(format!("--providers.docker.endpoint={engine}"))
            .args(["--entrypoints.http.address=127.0.0.1:0", "--seaway.controlsocket=", "--seaway.user=0"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program");
        let lines = BufReader::new(child.stderr.take().expect("its log")).lines();
        let (said, heard) = mpsc::channel();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let _nobody_asks_any_more = said.send(line).is_err();
            }
        });
        let begun = Instant::now();
        let mut address = None;
        while address.is_none() {
            assert!(begun.elapsed() < PATIENCE, "the program does not listen");
            let Ok(line) = heard.recv_timeout(Duration::from_millis(20)) else { continue };
            let place =
                line.split("entry point http listens on ").nth(1).and_then(|rest| rest.split_whitespace().next());
            address = place.and_then(|text| text.parse().ok());
        }
        Self { child, address: address.expect("it was found") }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// What is resident and belongs to no file, in bytes.
    pub(crate) fn memory(&self) -> u64 {
        crate::report::memory(&self.child.id().to_string())
    }

    /// Processor time so far of the threads whose names begin so.
    pub(crate) fn processor_time(&self, threads: &str) -> Duration {
        let mut total = 0;
        for task in std::fs::read_dir(format!("/proc/{}/task", self.child.id())).expect("a running process").flatten() {
            let read = |file: &str| std::fs::read_to_string(task.path().join(file)).unwrap_or_default();
            if read("comm").starts_with(threads) {
                total += read("schedstat").split(' ').next().and_then(|n| n.parse::<u64>().ok()).unwrap_or_default();
            }
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
            crate::load::nap(Duration::from_millis(10));
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
