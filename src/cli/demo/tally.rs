//! The count: every request that the demo sends, and what became of it.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::client::Answer;

/// Losses that are remembered with their story; the rest are only counted.
const STORIES: usize = 5;

/// Counts requests; shared by all who send some.
#[derive(Debug, Default)]
pub(super) struct Tally(Mutex<Count>);

/// The figures.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Count {
    /// Requests that have got what they asked for.
    pub(super) answered: u64,
    /// Requests that have got nothing, or an error of the proxy or the server.
    pub(super) lost: u64,
    /// What happened to the first of them.
    pub(super) stories: Vec<String>,
    /// Orders that were acknowledged.
    pub(super) orders: u64,
    /// Orders that one replica has seen more than once.
    pub(super) twice: u64,
}

impl Count {
    /// All requests that have come to an end.
    pub(super) fn sent(&self) -> u64 {
        self.answered + self.lost
    }
}

impl Tally {
    /// Notes what became of one request, and gives it back if it was answered.
    pub(super) fn note(&self, what: &str, result: Result<Answer, String>) -> Option<Answer> {
        let mut count = self.lock();
        let story = match result {
            Ok(answer) if answer.status < 400 => {
                count.answered += 1;
                return Some(answer);
            }
            Ok(answer) => {
                let body = String::from_utf8_lossy(&answer.body);
                let body: String = body.trim().chars().filter(|c| !c.is_control()).take(80).collect();
                format!("{what}: status {} {body}", answer.status)
            }
            Err(error) => format!("{what}: {error}"),
        };
        count.lost += 1;
        if count.stories.len() < STORIES {
            count.stories.push(story);
        }
        None
    }

    /// Notes an acknowledged order; `seen` is how often the replica had seen its number by then.
    pub(super) fn order(&self, seen: u64) {
        let mut count = self.lock();
        count.orders += 1;
        if seen > 1 {
            count.twice += 1;
        }
    }

    /// The figures as they are now.
    pub(super) fn count(&self) -> Count {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Count> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A visitor whom another replica answered than the time before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Move {
    pub(super) visitor: String,
    pub(super) from: String,
    pub(super) to: String,
}

/// Moves, told apart by whether they had to be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Judged {
    /// Away from a replica that had been told to stop.
    pub(super) needed: Vec<Move>,
    /// Away from a replica that stayed.
    pub(super) needless: Vec<Move>,
}

impl Judged {
    /// Judges moves by the replicas that had been told to stop.
    pub(super) fn new(moves: Vec<Move>, told_to_stop: &BTreeSet<String>) -> Self {
        let (needed, needless) = moves.into_iter().partition(|m| told_to_stop.contains(&m.from));
        Self { needed, needless }
    }

    /// Sessions that had to move, each counted once.
    pub(super) fn sessions(&self) -> usize {
        self.needed.iter().map(|m| m.visitor.as_str()).collect::<BTreeSet<_>>().len()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn answer(status: u16, body: &'static str) -> Result<Answer, String> {
        Ok(Answer { status, replica: None, cookies: Vec::new(), body: Bytes::from_static(body.as_bytes()) })
    }

    #[test]
    fn every_request_is_answered_or_lost() {
        let tally = Tally::default();
        assert!(tally.note("GET /", answer(200, "")).is_some());
        assert!(tally.note("GET /", answer(303, "")).is_some());
        assert!(tally.note("GET /a", answer(503, "no server\n")).is_none());
        assert!(tally.note("GET /b", Err("reset".to_owned())).is_none());
        let count = tally.count();
        assert_eq!((count.sent(), count.answered, count.lost), (4, 2, 2));
        assert_eq!(count.stories, ["GET /a: status 503 no server", "GET /b: reset"]);
    }

    #[test]
    fn the_stories_have_an_end_and_the_count_has_not() {
        let tally = Tally::default();
        for _ in 0..20 {
            tally.note("x", Err("y".to_owned()));
        }
        assert_eq!((tally.count().lost, tally.count().stories.len()), (20, STORIES));
    }

    #[test]
    fn an_order_seen_twice_is_told() {
        let tally = Tally::default();
        tally.order(1);
        tally.order(2);
        assert_eq!((tally.count().orders, tally.count().twice), (2, 1));
    }

    #[test]
    fn moves_are_judged_by_who_was_told_to_stop() {
        let step = |visitor: &str, from: &str, to: &str| Move {
            visitor: visitor.to_owned(),
            from: from.to_owned(),
            to: to.to_owned(),
        };
        let told = BTreeSet::from(["web-4".to_owned(), "web-5".to_owned()]);
        let moves = vec![step("a", "web-5", "web-4"), step("a", "web-4", "web-1"), step("b", "web-2", "web-1")];
        let judged = Judged::new(moves, &told);
        assert_eq!((judged.needed.len(), judged.needless.len(), judged.sessions()), (2, 1, 1));
        assert_eq!(judged.needless[0].visitor, "b");
    }
}
