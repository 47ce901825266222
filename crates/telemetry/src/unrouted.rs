//! Hosts that clients asked for and no router took: the last ones, for those who wonder where their requests are.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use crate::text::{Place, push_text};

/// Most hosts that are remembered, in all and by each worker.
const MOST: usize = 100;

/// Longest host and path that are remembered, in bytes before escaping.
const LONGEST: usize = 256;

/// The hosts, as each worker has met them: workers never wait for one another, nor for who reads.
#[derive(Debug, Default)]
pub struct Unrouted {
    workers: Box<[Mutex<Vec<UnroutedHost>>]>,
}

/// A host that no router took requests for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnroutedHost {
    /// The host, escaped where it has what no host has.
    pub host: String,
    /// The entry point.
    pub entry_point: String,
    /// Why nobody took the last of them: `no_routers`, `unknown_host`, `no_rule`.
    pub reason: &'static str,
    /// How many requests there were.
    pub count: u64,
    /// The path of the last one, escaped.
    pub path: String,
    /// When the first one came.
    pub first: SystemTime,
    /// When the last one came.
    pub last: SystemTime,
}

impl Unrouted {
    /// For so many workers.
    pub fn new(workers: usize) -> Self {
        Self { workers: (0..workers.max(1)).map(|_| Mutex::default()).collect() }
    }

    /// Remembers a request. While somebody reads this worker's list, it is not.
    pub fn note(
        &self,
        worker: usize,
        entry_point: &str,
        host: &str,
        path: &str,
        reason: &'static str,
        now: SystemTime,
    ) {
        let Some(Ok(mut known)) = self.workers.get(worker).map(Mutex::try_lock) else { return };
        let (host, path) = (shown(host), shown(path));
        if let Some(found) = known.iter_mut().find(|known| known.host == host && known.entry_point == *entry_point) {
            found.count += 1;
            (found.path, found.reason, found.last) = (path, reason, now);
            return;
        }
        if known.len() >= MOST
            && let Some((oldest, _)) = known.iter().enumerate().min_by_key(|(_, known)| known.last)
        {
            known.swap_remove(oldest);
        }
        let entry_point = entry_point.to_owned();
        known.push(UnroutedHost { host, entry_point, reason, count: 1, path, first: now, last: now });
    }

    /// What all workers remember, the newest first.
    pub fn hosts(&self) -> Vec<UnroutedHost> {
        let mut all: BTreeMap<(String, String), UnroutedHost> = BTreeMap::new();
        for worker in &self.workers {
            for known in worker.lock().unwrap_or_else(PoisonError::into_inner).iter() {
                let sum = all.entry((known.host.clone(), known.entry_point.clone()));
                sum.and_modify(|sum| sum.add(known)).or_insert_with(|| known.clone());
            }
        }
        let mut hosts: Vec<_> = all.into_values().collect();
        hosts.sort_by(|a, b| b.last.cmp(&a.last).then_with(|| a.host.cmp(&b.host)));
        hosts.truncate(MOST);
        hosts
    }
}

impl UnroutedHost {
    fn add(&mut self, other: &Self) {
        self.count += other.count;
        self.first = self.first.min(other.first);
        if other.last > self.last {
            (self.last, self.reason) = (other.last, other.reason);
            self.path.clone_from(&other.path);
        }
    }
}

fn shown(text: &str) -> String {
    let end = (0..=LONGEST.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    let mut out = Vec::new();
    push_text(&mut out, text.get(..end).unwrap_or_default(), Place::Word);
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    fn at(second: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(second)
    }

    #[test]
    fn workers_are_added_up_and_the_newest_comes_first() {
        let unrouted = Unrouted::new(2);
        unrouted.note(0, "web", "a", "/1", "unknown_host", at(1));
        unrouted.note(1, "web", "a", "/2", "no_rule", at(3));
        unrouted.note(0, "web", "a", "/3", "unknown_host", at(2));
        unrouted.note(0, "web", "b", "/", "unknown_host", at(4));
        unrouted.note(0, "other", "a", "/", "no_routers", at(5));
        unrouted.note(9, "web", "c", "/", "unknown_host", at(6));
        let told: Vec<_> =
            unrouted.hosts().into_iter().map(|h| (h.host, h.entry_point, h.count, h.path, h.reason)).collect();
        let text = str::to_owned;
        assert_eq!(
            told,
            [
                (text("a"), text("other"), 1, text("/"), "no_routers"),
                (text("b"), text("web"), 1, text("/"), "unknown_host"),
                (text("a"), text("web"), 3, text("/2"), "no_rule"),
            ]
        );
    }

    #[test]
    fn only_the_last_ones_are_remembered_and_hostile_names_stay_in_their_place() {
        let unrouted = Unrouted::new(1);
        for n in 0..1000 {
            unrouted.note(0, "web", &format!("h{n}"), "/", "unknown_host", at(n));
        }
        let hosts = unrouted.hosts();
        assert_eq!((hosts.len(), hosts.first().map(|h| h.host.as_str())), (MOST, Some("h999")));
        assert_eq!(hosts.last().map(|h| h.host.as_str()), Some("h900"));
        unrouted.note(0, "web", "a\u{1b}[2J b\n", &"x".repeat(10_000), "unknown_host", at(2000));
        let hosts = unrouted.hosts();
        assert_eq!(hosts.first().map(|h| (h.host.as_str(), h.path.len())), Some(("a\\x1b[2J\\x20b\\x0a", LONGEST)));
    }
}
