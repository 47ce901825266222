//! Requests that wait for a service to come back, in place of failing.

use std::sync::atomic::Ordering;
use std::time::Duration;

use seaway_routing::ServiceState;

/// How long and how many.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HoldLimits {
    pub(crate) timeout: Duration,
    pub(crate) max: u32,
}

/// A place among the waiting requests of one service; given up when dropped.
#[derive(Debug)]
pub(crate) struct Place(std::sync::Arc<ServiceState>);

impl Place {
    /// Takes a place if one is free.
    pub(crate) fn take(state: &std::sync::Arc<ServiceState>, limits: HoldLimits) -> Option<Self> {
        let taken = state.held.fetch_update(Ordering::AcqRel, Ordering::Acquire, |n| (n < limits.max).then_some(n + 1));
        taken.is_ok().then(|| Self(std::sync::Arc::clone(state)))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.held.fetch_sub(1, Ordering::AcqRel);
    }
}
