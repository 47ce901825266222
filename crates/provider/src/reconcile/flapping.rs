//! A container that ends again and again takes no requests before it has stayed up for a while: longer each time. One
//! restart is no sign of anything. Pure; time is injected.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use seaway_routing::Millis;

use crate::docker::Container;

/// Ends within this time count.
const MEMORY: Duration = Duration::from_secs(60);
/// Twice this after the first end, and double with each further one.
const UNIT: Duration = Duration::from_millis(100);
/// The longest wait.
const MOST: Duration = Duration::from_secs(5);

/// Containers that have ended lately, by id.
#[derive(Debug, Default)]
pub(super) struct Flapping(HashMap<String, Lately>);

#[derive(Debug, Default)]
struct Lately {
    ends: VecDeque<Millis>,
    /// The run that is waited for, and when it was first seen.
    run: Box<str>,
    since: Millis,
}

impl Flapping {
    /// A running container has ended.
    pub(super) fn ended(&mut self, id: &str, now: Millis) {
        self.0.retain(|_, lately| {
            lately.forget(now);
            !lately.ends.is_empty()
        });
        self.0.entry(id.to_owned()).or_default().ends.push_back(now);
    }

    /// Takes note of the runs that the engine tells of.
    pub(super) fn see<'c>(&mut self, container: impl Fn(&str) -> Option<&'c Container>, now: Millis) {
        for (id, lately) in &mut self.0 {
            if let Some(container) = container(id)
                && container.running
                && *lately.run != *container.started_at
            {
                (lately.run, lately.since) = (container.started_at.as_str().into(), now);
            }
        }
    }

    /// Containers that have to wait, and until when.
    pub(super) fn waiting(&self, now: Millis) -> HashMap<&str, Millis> {
        let waiting = self.0.iter().filter_map(|(id, lately)| Some((id.as_str(), lately.until()?)));
        waiting.filter(|(_, until)| *until > now).collect()
    }
}

impl Lately {
    fn forget(&mut self, now: Millis) {
        while self.ends.front().is_some_and(|at| now.since(*at) > MEMORY) {
            self.ends.pop_front();
        }
    }

    fn until(&self) -> Option<Millis> {
        let times = u32::try_from(self.ends.len()).unwrap_or(u32::MAX);
        if times < 2 {
            return None;
        }
        let wait = UNIT.saturating_mul(1u32.checked_shl(times).unwrap_or(u32::MAX)).min(MOST);
        Some(Millis(self.since.0.saturating_add(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The wait in front of each run of a container that ends `up` after each start.
    fn waits(up: u64, runs: usize) -> Vec<u64> {
        let (mut flapping, mut now) = (Flapping::default(), Millis(1000));
        (0..runs)
            .map(|run| {
                let id = "c".to_owned();
                let started = Container { id, started_at: run.to_string(), ..Container::default() };
                flapping.see(|_| Some(&started), now);
                let wait = flapping.waiting(now).get("c").map_or(0, |until| until.0 - now.0);
                now.0 += up;
                flapping.ended("c", now);
                wait
            })
            .collect()
    }

    #[test]
    fn each_end_within_a_minute_doubles_the_wait() {
        assert_eq!(waits(200, 9), [0, 0, 400, 800, 1600, 3200, 5000, 5000, 5000]);
        assert_eq!(waits(61_000, 5), [0; 5], "one restart a minute is no flapping");
    }

    #[test]
    fn the_same_run_is_counted_from_its_beginning() {
        let mut flapping = Flapping::default();
        for at in [1000, 2000] {
            flapping.ended("c", Millis(at));
        }
        let run = Container { id: "c".to_owned(), started_at: "1".to_owned(), ..Container::default() };
        flapping.see(|_| Some(&run), Millis(3000));
        flapping.see(|_| Some(&run), Millis(3300));
        assert_eq!(flapping.waiting(Millis(3300)).get("c"), Some(&Millis(3400)));
        assert!(flapping.waiting(Millis(3400)).is_empty());
    }
}
