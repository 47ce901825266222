//! What came of the last requests: ten parts of a second each, the oldest of which is given up for a new one.

use std::time::Duration;

/// How many parts there are, and how long each is.
const PARTS: usize = 10;
const PART: Duration = Duration::from_secs(1);

/// Times are told apart by a twentieth, from 10 µs to some hours.
const STEPS: usize = 430;
const GROWTH: f64 = 1.05;
const SHORTEST: f64 = 0.01;

/// The last ten seconds.
#[derive(Debug, Default)]
pub(super) struct Window {
    parts: [Part; PARTS],
    /// The part that counts at present, as seconds of the clock.
    now: u64,
}

#[derive(Clone, Debug, Default)]
struct Part {
    total: u32,
    network_errors: u32,
    /// By status: there are few.
    statuses: Vec<(u16, u32)>,
    /// By time; empty until there is one.
    times: Vec<u32>,
}

impl Window {
    /// Counts an exchange that ended now.
    pub(super) fn record(&mut self, now: Duration, status: u16, network_error: bool, took: Option<Duration>) {
        self.turn(now);
        let at = part_of(self.now);
        let Some(part) = self.parts.get_mut(at) else { return };
        part.total = part.total.saturating_add(1);
        part.network_errors = part.network_errors.saturating_add(u32::from(network_error));
        match part.statuses.iter_mut().find(|(known, _)| *known == status) {
            Some((_, count)) => *count = count.saturating_add(1),
            None => part.statuses.push((status, 1)),
        }
        if let Some(took) = took {
            part.times.resize(STEPS, 0);
            if let Some(count) = part.times.get_mut(step_of(took)) {
                *count = count.saturating_add(1);
            }
        }
    }

    /// Forgets what is too old.
    pub(super) fn turn(&mut self, now: Duration) {
        let second = now.as_secs() / PART.as_secs();
        let passed = second.saturating_sub(self.now);
        for ago in 0..passed.min(PARTS as u64) {
            if let Some(part) = self.parts.get_mut(part_of(second - ago)) {
                *part = Part::default();
            }
        }
        self.now = self.now.max(second);
    }

    /// Requests.
    pub(super) fn total(&self) -> f64 {
        self.sum(|part| part.total)
    }

    /// The share that could not be served by any server, 0 without any.
    pub(super) fn network_error_ratio(&self) -> f64 {
        share(self.sum(|part| part.network_errors), self.total())
    }

    /// Of the statuses from `of.0` to below `of.1`, the share that is from `some.0` to below `some.1`.
    pub(super) fn response_code_ratio(&self, some: (f64, f64), of: (f64, f64)) -> f64 {
        let count = |(from, to): (f64, f64)| {
            self.sum(|part| {
                let within = part.statuses.iter().filter(|(status, _)| (from..to).contains(&f64::from(*status)));
                within.fold(0, |sum: u32, (_, count)| sum.saturating_add(*count))
            })
        };
        share(count(some), count(of))
    }

    /// So many milliseconds `quantile` percent of the requests took at most; 0 without any.
    pub(super) fn latency_at(&self, quantile: f64) -> f64 {
        let all =
            self.parts.iter().map(|part| part.times.iter().map(|count| u64::from(*count)).sum::<u64>()).sum::<u64>();
        let wanted = all as f64 * quantile / 100.0;
        let mut seen = 0.0;
        for step in 0..STEPS {
            let count: u64 =
                self.parts.iter().filter_map(|part| part.times.get(step)).map(|count| u64::from(*count)).sum();
            seen += count as f64;
            if count > 0 && seen >= wanted {
                return SHORTEST * GROWTH.powf(step as f64);
            }
        }
        0.0
    }

    fn sum(&self, count: impl Fn(&Part) -> u32) -> f64 {
        self.parts.iter().map(|part| f64::from(count(part))).sum()
    }
}

fn part_of(second: u64) -> usize {
    usize::try_from(second % PARTS as u64).unwrap_or(0)
}

fn share(some: f64, of: f64) -> f64 {
    if of > 0.0 { some / of } else { 0.0 }
}

/// The step whose time is nearest from above.
fn step_of(took: Duration) -> usize {
    let steps = (took.as_secs_f64() * 1000.0 / SHORTEST).max(1.0).log(GROWTH).ceil();
    // A float that is no index is a very large one.
    (steps as usize).min(STEPS - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn ten_seconds_are_remembered() {
        let mut window = Window::default();
        for second in 0..30 {
            window.record(at(second * 1000 + 5), 200, false, None);
            assert_eq!(window.total(), (second + 1).min(10) as f64);
        }
        window.turn(at(38_999));
        assert_eq!(window.total(), 1.0);
        window.turn(at(39_000));
        assert_eq!(window.total(), 0.0);
        window.record(at(1_000_000), 200, false, None);
        window.turn(at(500_000));
        assert_eq!(window.total(), 1.0, "a clock that seems to go back changes nothing");
    }

    #[test]
    fn ratios() {
        let mut window = Window::default();
        assert_eq!(
            (window.network_error_ratio(), window.response_code_ratio((500.0, 600.0), (0.0, 600.0))),
            (0.0, 0.0)
        );
        for (status, error) in [(200, false), (200, false), (404, false), (502, true)] {
            window.record(at(1), status, error, None);
        }
        assert_eq!(window.network_error_ratio(), 0.25);
        assert_eq!(window.response_code_ratio((500.0, 600.0), (0.0, 600.0)), 0.25);
        assert_eq!(window.response_code_ratio((400.0, 404.0), (0.0, 600.0)), 0.0);
        assert_eq!(window.response_code_ratio((404.0, 405.0), (400.0, 600.0)), 0.5);
        assert_eq!(window.response_code_ratio((500.0, 600.0), (700.0, 800.0)), 0.0);
    }

    #[test]
    fn quantiles_are_within_a_twentieth() {
        let mut window = Window::default();
        assert_eq!(window.latency_at(50.0), 0.0);
        for millis in 1..=100 {
            window.record(at(millis * 30), 200, false, Some(at(millis)));
        }
        for (quantile, want) in [(50.0, 50.0), (95.0, 95.0), (99.0, 99.0), (100.0, 100.0), (0.0, 1.0)] {
            let got = window.latency_at(quantile);
            assert!((want..want * 1.06).contains(&got), "{quantile}: {got}");
        }
        window.record(at(1), 200, false, Some(Duration::MAX));
        window.record(at(1), 200, false, Some(Duration::ZERO));
        assert!(window.latency_at(100.0) > 1_000_000.0);
    }
}
