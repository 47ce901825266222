//! What requests have shown of a server, for services that go by it: how long answers took, and what failed.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use crate::Millis;

use super::{ServerState, flag};

/// So many answers are remembered.
const SAMPLES: usize = 100;

/// A server goes out for failing requests: how many, within what time, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PassiveCheck {
    /// Failures that take it out.
    pub most: u32,
    /// Within this time, and for this time.
    pub window: Duration,
    /// An active check brings it back, and nothing else.
    pub active: bool,
}

#[derive(Debug, Default)]
pub(crate) struct Seen {
    latencies: OnceLock<Box<Latencies>>,
    /// Some failure is remembered; spares successes the lock.
    failed: AtomicBool,
    failures: Mutex<VecDeque<Millis>>,
    /// Until when it is out; zero while it is not, or while only a check brings it back.
    ejected_until: AtomicU64,
}

/// The latest samples in a ring, in microseconds, and their sum. Each is written without a lock; the sum is exact once all
/// writers are through.
#[derive(Debug)]
struct Latencies {
    ring: [AtomicU32; SAMPLES],
    sum: AtomicU64,
    count: AtomicU64,
}

impl ServerState {
    /// An answer took so long to begin.
    pub fn note_first_byte(&self, took: Duration) {
        let seen = self.seen.latencies.get_or_init(|| {
            Box::new(Latencies {
                ring: std::array::from_fn(|_| AtomicU32::new(0)),
                sum: AtomicU64::new(0),
                count: AtomicU64::new(0),
            })
        });
        let micros = u32::try_from(took.as_micros()).unwrap_or(u32::MAX);
        let count = seen.count.fetch_add(1, Ordering::Relaxed);
        let place = usize::try_from(count % SAMPLES as u64).unwrap_or(0);
        let Some(cell) = seen.ring.get(place) else { return };
        let before = cell.swap(micros, Ordering::Relaxed);
        seen.sum.fetch_add(u64::from(micros).wrapping_sub(u64::from(before)), Ordering::Relaxed);
    }

    /// The mean of the latest hundred, in milliseconds; zero without one.
    pub fn first_byte_ms(&self) -> f64 {
        let Some(seen) = self.seen.latencies.get() else { return 0.0 };
        let count = seen.count.load(Ordering::Relaxed).min(SAMPLES as u64);
        // No more than a hundred times what 32 bits hold.
        #[allow(clippy::cast_precision_loss)]
        let (sum, count) = (seen.sum.load(Ordering::Relaxed) as f64, count.max(1) as f64);
        sum / count / 1000.0
    }

    /// A request has failed on it, by the server's own fault. True if that takes it out.
    pub fn note_failure(&self, check: &PassiveCheck, now: Millis) -> bool {
        let mut failures = self.seen.failures.lock().unwrap_or_else(PoisonError::into_inner);
        failures.push_back(now);
        let most = usize::try_from(check.most.max(1)).unwrap_or(usize::MAX);
        while failures.len() > most || failures.front().is_some_and(|first| now.since(*first) > check.window) {
            failures.pop_front();
        }
        self.seen.failed.store(true, Ordering::Release);
        if failures.len() < most {
            return false;
        }
        failures.clear();
        let until = match check.active {
            true => 0,
            false => now.0.saturating_add(u64::try_from(check.window.as_millis()).unwrap_or(u64::MAX)).max(1),
        };
        self.seen.ejected_until.store(until, Ordering::Release);
        self.set_at(flag::EJECTED, now)
    }

    /// A request has succeeded on it: what failed before is forgotten.
    pub fn note_success(&self) {
        if self.seen.failed.swap(false, Ordering::AcqRel) {
            self.seen.failures.lock().unwrap_or_else(PoisonError::into_inner).clear();
        }
    }

    /// When it comes back by itself after failing requests; none if it is not out, or waits for a check.
    pub fn ejected_until(&self) -> Option<Millis> {
        let until = self.seen.ejected_until.load(Ordering::Acquire);
        (self.flags() & flag::EJECTED != 0 && until > 0).then_some(Millis(until))
    }

    /// What an active check has found. True if it changed whether the server takes requests.
    pub fn note_check(&self, healthy: bool, now: Millis) -> bool {
        self.checked.store(true, Ordering::Release);
        match healthy {
            true => self.clear(flag::CHECK_FAILED | flag::EJECTED),
            false => self.set_at(flag::CHECK_FAILED, now),
        }
    }

    /// An active check has said something of this start.
    pub fn is_checked(&self) -> bool {
        self.checked.load(Ordering::Acquire)
    }

    /// Nothing but a check that has been made, or requests that failed, keeps it out: it is there, and it is not well.
    pub fn is_failing(&self) -> bool {
        let flags = self.flags();
        let failing = flags & flag::EJECTED != 0 || (flags & flag::CHECK_FAILED != 0 && self.is_checked());
        failing && flags & !(flag::EJECTED | flag::CHECK_FAILED | flag::DRAINING) == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{World, server, service, web};

    #[test]
    fn failures_within_the_window_take_it_out_and_time_brings_it_back() {
        let world = World::new(web(service(vec![server(1, 1)])));
        let Some(state) = world.web().servers.first().map(|server| &server.state) else { return };
        let check = PassiveCheck { most: 3, window: Duration::from_secs(10), active: false };
        assert!(!state.note_failure(&check, Millis(1_000)));
        assert!(!state.note_failure(&check, Millis(2_000)));
        state.note_success();
        assert!(!state.note_failure(&check, Millis(3_000)), "a success makes up for all before it");
        assert!(!state.note_failure(&check, Millis(4_000)));
        assert!(!state.note_failure(&check, Millis(13_500)), "the first of three is too long ago");
        assert!(state.note_failure(&check, Millis(13_900)));
        assert!(state.is_failing() && !state.is_ready());
        assert_eq!(state.ejected_until(), Some(Millis(23_900)));
        assert!(!state.note_failure(&PassiveCheck { most: 1, ..check }, Millis(14_000)), "it is out already");
    }

    #[test]
    fn with_an_active_check_only_that_brings_it_back() {
        let world = World::new(web(service(vec![server(1, 1)])));
        let Some(state) = world.web().servers.first().map(|server| &server.state) else { return };
        let check = PassiveCheck { most: 1, window: Duration::from_secs(10), active: true };
        assert!(state.note_failure(&check, Millis(1_000)));
        assert_eq!(state.ejected_until(), None);
        assert!(!state.note_check(false, Millis(2_000)) || !state.is_ready());
        assert!(state.note_check(true, Millis(3_000)) && state.is_ready());
    }
}
