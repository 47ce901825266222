//! Random pauses, so that many proxies do not knock at the same moment. Nothing here needs to be unguessable.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::time::Duration;

/// Anything from a tenth of `most` up to `most`: full jitter, but never a busy loop.
pub(crate) fn full(most: Duration) -> Duration {
    most.mul_f64(0.1 + 0.9 * fraction())
}

/// `around`, plus or minus a fifth.
pub(super) fn fifth(around: Duration) -> Duration {
    around.mul_f64(0.8 + 0.4 * fraction())
}

/// From 0 up to 1; the standard library's hash keys are its only source of randomness.
fn fraction() -> f64 {
    let bits = u32::try_from(RandomState::new().hash_one(0u8) >> 32).unwrap_or(0);
    f64::from(bits) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_stay_in_their_bounds_and_differ() {
        let second = Duration::from_secs(1);
        let pauses: Vec<_> = (0..100).map(|_| full(second)).collect();
        assert!(pauses.iter().all(|p| (second / 10..=second).contains(p)));
        assert!(pauses.iter().any(|p| *p != pauses[0]));
        assert!((0..100).all(|_| (second * 4 / 5..=second * 6 / 5).contains(&fifth(second))));
    }
}
