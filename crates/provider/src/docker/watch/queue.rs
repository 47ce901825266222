//! Ids that wait for their time. Each is in it once, however often it is asked for, so it never grows beyond the number
//! of containers.

use std::collections::{BTreeSet, HashMap};

use tokio::time::Instant;

#[derive(Debug, Default)]
pub(super) struct Queue {
    by_time: BTreeSet<(Instant, String)>,
    times: HashMap<String, Instant>,
}

impl Queue {
    /// Adds an id; one that is there keeps the earlier of its times.
    pub(super) fn add(&mut self, id: &str, due: Instant) {
        match self.times.get(id) {
            Some(earlier) if *earlier <= due => return,
            _ => self.remove(id),
        };
        self.times.insert(id.to_owned(), due);
        self.by_time.insert((due, id.to_owned()));
    }

    /// True if it was there.
    pub(super) fn remove(&mut self, id: &str) -> bool {
        let Some((id, due)) = self.times.remove_entry(id) else { return false };
        self.by_time.remove(&(due, id))
    }

    /// Takes out the first that is due.
    pub(super) fn pop(&mut self, now: Instant) -> Option<String> {
        if self.next_due()? > now {
            return None;
        }
        let (_, id) = self.by_time.pop_first()?;
        self.times.remove(&id);
        Some(id)
    }

    pub(super) fn next_due(&self) -> Option<Instant> {
        self.by_time.first().map(|(due, _)| *due)
    }

    pub(super) fn contains(&self, id: &str) -> bool {
        self.times.contains_key(id)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn each_id_is_in_it_once_at_its_earliest_time() {
        let (mut queue, now) = (Queue::default(), Instant::now());
        let later = now + Duration::from_secs(1);
        queue.add("a", later);
        queue.add("b", later);
        queue.add("a", now);
        queue.add("a", later);
        assert_eq!((queue.pop(now).as_deref(), queue.pop(now)), (Some("a"), None));
        assert_eq!(queue.next_due(), Some(later));
        assert!(queue.remove("b") && !queue.remove("b") && !queue.contains("b"));
        assert_eq!(queue.pop(later), None);
    }
}
