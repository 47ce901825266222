//! Slow work, on threads that serve nobody.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};

use seaway_middleware::protocol::{Check, Verdict};
use tokio::sync::Semaphore;

/// So many may wait for each thread that works. A hash takes some tens of milliseconds, so whoever came behind would wait
/// for longer than people do.
const WAITING: usize = 64;

/// A turn for every other processor, over all workers: a flood of passwords leaves the rest to those who have none.
static TURNS: LazyLock<(Arc<Semaphore>, usize)> = LazyLock::new(|| {
    let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let turns = (processors / 2).max(1);
    (Arc::new(Semaphore::new(turns)), turns * WAITING)
});

static WAIT: AtomicUsize = AtomicUsize::new(0);

/// Does the work; `None` if too much of it is waiting already, or it failed.
pub(super) async fn run(Check(work): Check) -> Option<Verdict> {
    let (turns, most) = &*TURNS;
    let waiting = Waiting::begin(*most)?;
    let turn = Arc::clone(turns).acquire_owned().await.ok()?;
    drop(waiting);
    // The turn goes with the work, which ends in its own time whether somebody waits for it or not.
    tokio::task::spawn_blocking(move || {
        let verdict = work();
        drop(turn);
        verdict
    })
    .await
    .ok()
}

/// A place among those who wait.
struct Waiting;

impl Waiting {
    fn begin(most: usize) -> Option<Self> {
        let waiting = Self;
        // Taken before it is looked at; given back by `Drop` in any case.
        (WAIT.fetch_add(1, Ordering::Relaxed) < most).then_some(waiting)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        WAIT.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn work_is_done_elsewhere() {
        let here = std::thread::current().id();
        let work = move || Verdict { granted: std::thread::current().id() != here, user: Some("anna".into()) };
        let verdict = run(Check(Box::new(work))).await.unwrap();
        assert_eq!(verdict, Verdict { granted: true, user: Some("anna".into()) });
    }

    #[tokio::test]
    async fn work_that_panics_grants_nothing() {
        assert_eq!(run(Check(Box::new(|| panic!("asked to panic")))).await, None);
    }

    #[test]
    fn a_place_that_there_is_not_is_given_back() {
        let before = WAIT.load(Ordering::Relaxed);
        assert!(Waiting::begin(0).is_none());
        assert_eq!(WAIT.load(Ordering::Relaxed), before);
    }
}
