//! Programs that are started here, and that all of them end: at the end of their use, on an error, on Ctrl-C, and (by the
//! kernel) if this program is killed.

use std::fmt;
use std::fs::OpenOptions;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::usage;

/// How long a program may take to end when it is asked to.
const FAREWELL: Duration = Duration::from_secs(3);

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Why something could not be measured, in words for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure(String);

impl Failure {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// From now on the wish to end is only noted; [`interrupted`] tells it. Needs a runtime that runs.
pub(crate) fn note_interrupts(runtime: &tokio::runtime::Handle) {
    use tokio::signal::unix::{SignalKind, signal};
    for kind in [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()] {
        runtime.spawn(async move {
            let Ok(mut signals) = signal(kind) else { return };
            while signals.recv().await.is_some() {
                INTERRUPTED.store(true, Ordering::Relaxed);
            }
        });
    }
}

/// Somebody wants this to end.
pub(crate) fn interrupted() -> bool {
    INTERRUPTED.load(Ordering::Relaxed)
}

/// Fails if somebody wants this to end.
///
/// # Errors
/// Somebody does.
pub(crate) fn go_on() -> Result<(), Failure> {
    if interrupted() { Err(Failure::new("interrupted")) } else { Ok(()) }
}

/// A program that runs until this is dropped, with everything that it started.
pub(crate) struct Child {
    inner: std::process::Child,
    name: String,
    log: PathBuf,
}

impl Child {
    /// Starts it. What it says goes to `log`; with `pipes`, its input and output are ours.
    ///
    /// # Errors
    /// It could not be started.
    pub(crate) fn start(name: &str, mut command: Command, log: &Path, pipes: bool) -> Result<Self, Failure> {
        let failed = |e: std::io::Error| Failure::new(format!("{name} could not be started: {e}"));
        // What is at its end stays at its end when the file is made shorter.
        let file = OpenOptions::new().create(true).append(true).open(log).map_err(failed)?;
        if pipes {
            command.stdin(Stdio::piped()).stdout(Stdio::piped());
        } else {
            command.stdin(Stdio::null()).stdout(file.try_clone().map_err(failed)?);
        }
        let inner = command.stderr(file).spawn().map_err(failed)?;
        Ok(Self { inner, name: name.to_owned(), log: log.to_owned() })
    }

    /// Its input and output, once.
    pub(crate) fn pipes(&mut self) -> Option<(ChildStdin, ChildStdout)> {
        Some((self.inner.stdin.take()?, self.inner.stdout.take()?))
    }

    pub(crate) fn pid(&self) -> u32 {
        self.inner.id()
    }

    /// Fails if it no longer runs, with what it said last.
    ///
    /// # Errors
    /// It has ended.
    pub(crate) fn must_run(&mut self) -> Result<(), Failure> {
        match self.inner.try_wait() {
            Ok(None) => Ok(()),
            Ok(Some(status)) => Err(self.ended(status)),
            Err(error) => Err(Failure::new(format!("{}: {error}", self.name))),
        }
    }

    /// The last of what it said.
    pub(crate) fn last_words(&self) -> String {
        let said = std::fs::read(&self.log).unwrap_or_default();
        let said = String::from_utf8_lossy(&said);
        let lines: Vec<&str> = said.lines().collect();
        let lines = lines.iter().skip(lines.len().saturating_sub(8));
        lines.map(|line| format!("\n      {}", line.chars().take(300).collect::<String>())).collect()
    }

    fn ended(&self, status: ExitStatus) -> Failure {
        let said = self.last_words();
        let busy = ["in use", "EADDRINUSE", "cannot bind"].iter().any(|sign| said.contains(sign));
        let port = if busy { "; another program has its port" } else { "" };
        Failure::new(format!("{} has ended by itself ({status}){port}. It said:{said}", self.name))
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // An end of its input is the gentlest way to say it.
        drop(self.inner.stdin.take());
        let family = usage::family(self.inner.id());
        if matches!(self.inner.try_wait(), Ok(None)) {
            send(self.inner.id(), Signal::SIGTERM);
            let deadline = Instant::now() + FAREWELL;
            while matches!(self.inner.try_wait(), Ok(None)) && Instant::now() < deadline {
                pause(Duration::from_millis(5));
            }
        }
        // Those that are still there are the same ones: nobody else has their start time.
        for member in family.iter().filter(|member| member.is_alive()) {
            send(member.pid, Signal::SIGKILL);
        }
        drop(self.inner.wait());
    }
}

fn send(pid: u32, signal: Signal) {
    // Whoever has ended by now needs no signal.
    if let Some(pid) = i32::try_from(pid).ok().filter(|pid| *pid > 1) {
        kill(Pid::from_raw(pid), signal).unwrap_or_default();
    }
}

/// Runs a program to its end and returns what it wrote.
///
/// # Errors
/// It could not be started, failed, or took longer than `limit`; or somebody wants all this to end.
pub(crate) fn output(mut command: Command, limit: Duration) -> Result<String, Failure> {
    let name = command.get_program().to_string_lossy().into_owned();
    let shown = format!("{command:?}");
    let failed = |e: std::io::Error| Failure::new(format!("{name} could not be run: {e}"));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(failed)?;
    let (mut out, mut err) = (child.stdout.take(), child.stderr.take());
    let readers = std::thread::spawn(move || {
        let (mut said, mut complained) = (String::new(), String::new());
        drop(out.as_mut().map(|pipe| pipe.read_to_string(&mut said)));
        drop(err.as_mut().map(|pipe| pipe.read_to_string(&mut complained)));
        (said, complained)
    });
    let deadline = Instant::now() + limit;
    let status = loop {
        match child.try_wait().map_err(failed)? {
            Some(status) => break Ok(status),
            None if interrupted() => break Err("interrupted".to_owned()),
            None if Instant::now() > deadline => break Err(format!("{shown} did not end within {limit:?}")),
            None => pause(Duration::from_millis(10)),
        }
    };
    if status.is_err() {
        drop(child.kill());
        drop(child.wait());
    }
    let (said, complained) = readers.join().unwrap_or_default();
    match status {
        Err(why) => Err(Failure::new(why)),
        Ok(_) if interrupted() => Err(Failure::new("interrupted")),
        Ok(status) if status.success() => Ok(said),
        Ok(status) => Err(Failure::new(format!("{shown} failed ({status}): {}{}", said.trim(), complained.trim()))),
    }
}

#[expect(clippy::disallowed_methods, reason = "a program of its own, and nothing to wait for but time")]
pub(crate) fn pause(time: Duration) {
    std::thread::sleep(time);
}
