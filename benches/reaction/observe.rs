//! Waiting for a condition with a fine clock.

use std::process::Command;
use std::time::{Duration, Instant, SystemTime};

/// One moment on both clocks: the monotonic one, and the one that an engine on this machine stamps its events with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    pub(crate) at: Instant,
    /// Nanoseconds since 1970.
    pub(crate) nanos: u64,
}

impl Moment {
    pub(crate) fn now() -> Self {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Self { at: Instant::now(), nanos: u64::try_from(since.as_nanos()).unwrap_or(u64::MAX) }
    }

    /// Time since an engine's stamp; zero if that is later.
    pub(crate) fn since(self, nanos: u64) -> Duration {
        Duration::from_nanos(self.nanos.saturating_sub(nanos))
    }
}

/// A condition that came true.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen {
    /// When it was seen to be true.
    pub(crate) now: Moment,
    /// Time since it was last seen to be false: how wrong `now` can be.
    pub(crate) gap: Duration,
}

/// Looks again and again, about ten thousand times a second, until `condition` holds.
///
/// # Panics
/// After 20 s, naming `what`.
pub(crate) fn until(what: &str, mut condition: impl FnMut() -> bool) -> Seen {
    let start = Instant::now();
    let mut last = start;
    loop {
        let met = condition();
        let now = Moment::now();
        if met {
            return Seen { now, gap: now.at - last };
        }
        assert!(now.at - start < Duration::from_secs(20), "{what}: not within 20 s");
        last = now.at;
        // With a busy loop this thread would compete with what it measures where there are few processors, and with a
        // shorter pause on a virtual machine, where each timer costs a way out and back.
        nap(Duration::from_micros(70));
    }
}

#[expect(clippy::disallowed_methods, reason = "a thread of its own, and nothing to wait for but time")]
pub(crate) fn nap(time: Duration) {
    std::thread::sleep(time);
}

/// Pauses that fall into step with no timer of the program. A fixed seed: the same pauses in every run.
pub(crate) struct Jitter(u64);

impl Jitter {
    pub(crate) fn new() -> Self {
        Self(0x9e37_79b9_7f4a_7c15)
    }

    /// Sleeps for `least` to `most` milliseconds.
    pub(crate) fn nap(&mut self, least: u64, most: u64) {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let micros = (self.0 >> 33) % ((most - least) * 1000).max(1);
        nap(Duration::from_micros(least * 1000 + micros));
    }
}

/// The observer's real-time priority, given back on drop: on a machine with few processors a thread that looks often is
/// otherwise put behind those that it looks at. Where that is not allowed (it takes root and `chrt`), it looks as it can.
pub(crate) struct Priority(Option<String>);

impl Priority {
    /// For this thread, and for those that it starts from now on.
    pub(crate) fn raise() -> Self {
        let thread = std::fs::read_link("/proc/thread-self").ok();
        let thread = thread.as_ref().and_then(|path| path.file_name()?.to_str()).map(str::to_owned);
        let raised = thread.filter(|thread| chrt(&["--rr", "--pid", "1", thread]));
        if raised.is_none() {
            println!("(The observer has no real-time priority: read the column ± with care.)");
        }
        Self(raised)
    }
}

impl Drop for Priority {
    fn drop(&mut self) {
        if let Some(thread) = &self.0 {
            chrt(&["--other", "--pid", "0", thread]);
        }
    }
}

fn chrt(arguments: &[&str]) -> bool {
    Command::new("chrt").args(arguments).output().is_ok_and(|done| done.status.success())
}
