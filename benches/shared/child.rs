//! The program under measurement as a process of ours: its address from its log, its processor time, its end.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(60);

/// A running program. It ends with its value, whatever happens.
pub(crate) struct Running {
    child: Child,
    said: mpsc::Receiver<String>,
}

impl Running {
    /// Starts it, with its log to be read.
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the program");
        let lines = BufReader::new(child.stderr.take().expect("its log")).lines();
        let (say, said) = mpsc::channel();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let _nobody_asks_any_more = say.send(line).is_err();
            }
        });
        Self { child, said }
    }

    /// Reads its log until it has said where it listens, and `ready` holds for one of its lines; that address.
    pub(crate) fn wait(&self, ready: impl Fn(&str) -> bool) -> SocketAddr {
        let begun = Instant::now();
        let (mut address, mut is_ready, mut log) = (None, false, Vec::new());
        loop {
            if let (Some(address), true) = (address, is_ready) {
                return address;
            }
            assert!(begun.elapsed() < PATIENCE, "the program is not ready: {log:#?}");
            let Ok(line) = self.said.recv_timeout(Duration::from_millis(20)) else { continue };
            let place =
                line.split("entry point http listens on ").nth(1).and_then(|rest| rest.split_whitespace().next());
            address = address.or_else(|| place?.parse().ok());
            is_ready |= ready(&line);
            log.push(line);
        }
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Processor time so far, in the kernel and out of it, of the threads whose names begin so.
    pub(crate) fn processor_time(&self, threads: &str) -> Duration {
        let mut total = 0;
        for task in std::fs::read_dir(format!("/proc/{}/task", self.id())).expect("a running process").flatten() {
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
        let told = Command::new("kill").args(["-TERM", &self.id().to_string()]).status().is_ok_and(|s| s.success());
        let begun = Instant::now();
        while told && begun.elapsed() < PATIENCE {
            if let Ok(Some(status)) = self.child.try_wait() {
                return status.success();
            }
            // Nobody says when: the log ends a moment before.
            let _said = self.said.recv_timeout(Duration::from_millis(10));
        }
        false
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _it_has_ended = self.child.kill();
        let _it_has_ended = self.child.wait();
    }
}
