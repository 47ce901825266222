//! Output that goes on, line by line: `docker logs --follow`, `docker events`.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A command's lines so far, standard output and error together. The command ends with this.
#[derive(Debug)]
pub(super) struct Follower {
    child: Child,
    lines: Arc<(Mutex<Vec<String>>, Condvar)>,
}

impl Follower {
    /// Starts `docker` with these arguments.
    pub(super) fn docker(arguments: &[&str]) -> Self {
        let mut child = Command::new("docker")
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("docker starts");
        let lines = Arc::new((Mutex::new(Vec::new()), Condvar::new()));
        read(child.stdout.take().expect("a pipe"), Arc::clone(&lines));
        read(child.stderr.take().expect("a pipe"), Arc::clone(&lines));
        Self { child, lines }
    }

    /// All lines so far.
    pub(super) fn lines(&self) -> Vec<String> {
        self.lock().clone()
    }

    /// How many lines there are: where to look on from.
    pub(super) fn position(&self) -> usize {
        self.lock().len()
    }

    /// Waits for a line, among those from `position` on, for which `wanted` holds.
    #[track_caller]
    pub(super) fn wait(&self, what: &str, position: usize, limit: Duration, wanted: impl Fn(&str) -> bool) -> String {
        let deadline = Instant::now() + limit;
        let mut at = position;
        let mut lines = self.lock();
        loop {
            while let Some(line) = lines.get(at) {
                if wanted(line) {
                    return line.clone();
                }
                at += 1;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            let tail = lines.iter().rev().take(30).rev().cloned().collect::<Vec<_>>();
            assert!(!left.is_zero(), "{what}: no such line within {limit:?}. The last ones:\n{}", tail.join("\n"));
            lines = self.lines.1.wait_timeout(lines, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<String>> {
        self.lines.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        // It may have ended by itself, with what it followed.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn read(from: impl Read + Send + 'static, lines: Arc<(Mutex<Vec<String>>, Condvar)>) {
    std::thread::spawn(move || {
        for line in BufReader::new(from).split(b'\n') {
            let Ok(line) = line else { return };
            let line = String::from_utf8_lossy(&line).trim_end().to_owned();
            lines.0.lock().unwrap_or_else(PoisonError::into_inner).push(line);
            lines.1.notify_all();
        }
    });
}
