//! The program under measurement.

use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use crate::child::Running;

/// A running Seaway.
pub(crate) struct Program {
    running: Running,
    address: SocketAddr,
}

impl Program {
    /// Starts it; returns when it listens.
    pub(crate) fn start(binary: &str, engine: &str) -> Self {
        let running = Running::start(Command::new(binary).arg(format!("--providers.docker.endpoint={engine}")).args([
            "--entrypoints.http.address=127.0.0.1:0",
            "--seaway.controlsocket=",
            "--seaway.user=0",
        ]));
        let address = running.wait(|_| true);
        Self { running, address }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// What is resident and belongs to no file, in bytes.
    pub(crate) fn memory(&self) -> u64 {
        crate::report::memory(&self.running.id().to_string())
    }

    /// Processor time so far of the threads whose names begin so.
    pub(crate) fn processor_time(&self, threads: &str) -> Duration {
        self.running.processor_time(threads)
    }

    /// Ends it; true when it ended well.
    pub(crate) fn stop(self) -> bool {
        self.running.stop()
    }
}
