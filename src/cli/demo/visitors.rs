//! People who browse: each with a cookie jar of their own, and each remembers which replica answered last.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use super::client::{Answer, Client, Target};
use super::tally::{Move, Tally};

/// Their names, in the order of the alphabet and each with another first letter, which stands for them where room is short.
pub(super) const NAMES: [&str; 20] = [
    "anna", "bruno", "clara", "david", "elena", "felix", "greta", "hugo", "irene", "jonas", "karla", "leo", "mira",
    "nora", "oskar", "paula", "ravi", "sofia", "tom", "vera",
];

/// One visitor.
#[derive(Debug)]
pub(super) struct Visitor {
    pub(super) name: String,
    client: Client,
    seen: Arc<Mutex<Seen>>,
    tally: Arc<Tally>,
}

/// What a visitor has seen so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    /// The replica that answered last, as it calls itself.
    pub(super) replica: Option<String>,
    /// From which replica to which.
    pub(super) moves: Vec<(String, String)>,
    /// The replica that answered last knows this visitor's login.
    pub(super) known: bool,
    /// How often the visitor has logged in.
    pub(super) logins: u32,
    /// What the replica that answered last said about the login.
    pub(super) message: String,
}

impl Visitor {
    pub(super) fn new(name: &str, target: &Target, tally: &Arc<Tally>) -> Self {
        let client = Client::new(target.clone());
        Self { name: name.to_owned(), client, seen: Arc::default(), tally: Arc::clone(tally) }
    }

    /// The path that this visitor asks for: it says who asks, so that the access log does too.
    pub(super) fn path(&self) -> String {
        path_of(&self.name)
    }

    pub(super) fn seen(&self) -> Seen {
        lock(&self.seen).clone()
    }

    /// Logs in; the answer if there was one.
    pub(super) async fn log_in(&mut self) -> Option<Answer> {
        let result = self.client.post("/login", &format!("user={}", self.name)).await;
        let answer = self.tally.note(&format!("POST /login of {}", self.name), result)?;
        let mut seen = lock(&self.seen);
        seen.note(&answer);
        seen.known = true;
        seen.logins += 1;
        Some(answer)
    }

    /// Looks at `/whoami`; the answer if there was one.
    pub(super) async fn look(&mut self) -> Option<Answer> {
        let path = self.path();
        let result = self.client.get(&path).await;
        let answer = self.tally.note(&format!("GET {path}"), result)?;
        let mut seen = lock(&self.seen);
        seen.note(&answer);
        let who: serde_json::Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        seen.known = who.get("known").and_then(serde_json::Value::as_bool).unwrap_or(false);
        who.get("message").and_then(serde_json::Value::as_str).unwrap_or_default().clone_into(&mut seen.message);
        Some(answer)
    }

    /// Asks the API, which needs no session.
    pub(super) async fn ask_api(&mut self) -> Option<Answer> {
        let path = format!("/api/animals?v={}", self.name);
        let result = self.client.get(&path).await;
        self.tally.note(&format!("GET {path}"), result)
    }
}

/// The path that the visitor of this name asks for.
pub(super) fn path_of(name: &str) -> String {
    format!("/whoami?v={name}")
}

impl Seen {
    fn note(&mut self, answer: &Answer) {
        let Some(replica) = &answer.replica else { return };
        if let Some(before) = self.replica.replace(replica.clone())
            && before != *replica
        {
            self.moves.push((before, replica.clone()));
        }
    }
}

/// Visitors who all browse at the same time.
#[derive(Debug)]
pub(super) struct Crowd {
    people: Vec<(String, Arc<Mutex<Seen>>)>,
    order: watch::Sender<Order>,
    tasks: JoinSet<()>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Browse,
    Pause,
    Stop,
}

/// What visitors do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Habit {
    /// Look at their page, again and again.
    Look,
    /// That, and ask the API now and then.
    LookAndAsk,
}

impl Crowd {
    /// Each visitor does something `every` so often, the beginnings spread evenly.
    pub(super) fn start(visitors: Vec<Visitor>, every: Duration, habit: Habit) -> Self {
        let people = visitors.iter().map(|v| (v.name.clone(), Arc::clone(&v.seen))).collect();
        let (order, orders) = watch::channel(Order::Browse);
        let mut tasks = JoinSet::new();
        let count = u32::try_from(visitors.len()).unwrap_or(u32::MAX).max(1);
        for (place, visitor) in (0..).zip(visitors) {
            let first = Instant::now() + every / count * place;
            tasks.spawn(browse(visitor, first, every, habit, orders.clone()));
        }
        Self { people, order, tasks }
    }

    /// Also posts orders, one `every` so often, each with a number that never comes twice.
    pub(super) fn and_order(&mut self, target: &Target, tally: &Arc<Tally>, every: Duration) {
        self.tasks.spawn(order(target.clone(), Arc::clone(tally), every, self.order.subscribe()));
    }

    /// What each of them has seen, by name.
    pub(super) fn seen(&self) -> Vec<(String, Seen)> {
        self.people.iter().map(|(name, seen)| (name.clone(), lock(seen).clone())).collect()
    }

    /// Every change of replica so far, in the replicas' own words.
    pub(super) fn moves(&self) -> Vec<Move> {
        let of = |(visitor, seen): (String, Seen)| {
            seen.moves.into_iter().map(move |(from, to)| Move { visitor: visitor.clone(), from, to })
        };
        self.seen().into_iter().flat_map(of).collect()
    }

    /// Whether they browse or wait.
    pub(super) fn pause(&self, paused: bool) {
        self.order.send_replace(if paused { Order::Pause } else { Order::Browse });
    }

    /// Lets what they have begun end, and ends it there.
    pub(super) async fn finish(mut self) {
        self.order.send_replace(Order::Stop);
        while self.tasks.join_next().await.is_some() {}
    }
}

async fn browse(
    mut visitor: Visitor,
    first: Instant,
    every: Duration,
    habit: Habit,
    mut orders: watch::Receiver<Order>,
) {
    let mut turn = 0u32;
    let mut ticks = interval_at(first, every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while next(&mut ticks, &mut orders).await {
        turn += 1;
        let known = visitor.seen().known;
        // What was thought of them is kept by the tally and in what they have seen.
        let _done = match habit {
            // Somebody whose login is gone logs in again.
            _ if !known => visitor.log_in().await,
            Habit::LookAndAsk if turn.is_multiple_of(3) => visitor.ask_api().await,
            _ => visitor.look().await,
        };
    }
}

async fn order(target: Target, tally: Arc<Tally>, every: Duration, mut orders: watch::Receiver<Order>) {
    let started = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_nanos();
    let mut ticks = interval_at(Instant::now(), every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut waiting = JoinSet::new();
    let mut number = 0u64;
    while next(&mut ticks, &mut orders).await {
        number += 1;
        let (target, tally) = (target.clone(), Arc::clone(&tally));
        waiting.spawn(async move {
            // A quarter of a second: long enough that some are under way when their replica is told to stop.
            let path = format!("/orders?id={started:x}-{number}&ms=250");
            let result = Client::new(target).post(&path, "item=1").await;
            let Some(answer) = tally.note(&format!("POST {path}"), result) else { return };
            let receipt: serde_json::Value = serde_json::from_slice(&answer.body).unwrap_or_default();
            tally.order(receipt.get("seen").and_then(serde_json::Value::as_u64).unwrap_or(1));
        });
        while waiting.try_join_next().is_some() {}
    }
    while waiting.join_next().await.is_some() {}
}

/// The next turn; false when it is time to stop.
async fn next(ticks: &mut tokio::time::Interval, orders: &mut watch::Receiver<Order>) -> bool {
    loop {
        tokio::select! {
            changed = orders.wait_for(|order| *order == Order::Stop) => {
                let _gone_or_stopped = changed.is_ok();
                return false;
            }
            _ = ticks.tick() => {}
        }
        if *orders.borrow() == Order::Browse {
            return true;
        }
    }
}

/// What somebody has seen is whole whenever the lock is free.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn a_move_is_a_change_of_replica_and_nothing_else() {
        let answer = |replica: Option<&str>| Answer {
            status: 200,
            replica: replica.map(ToOwned::to_owned),
            cookies: Vec::new(),
            body: Bytes::new(),
        };
        let mut seen = Seen::default();
        for replica in [Some("a"), Some("a"), None, Some("a"), Some("b"), Some("b"), Some("a")] {
            seen.note(&answer(replica));
        }
        assert_eq!(seen.moves, [("a".to_owned(), "b".to_owned()), ("b".to_owned(), "a".to_owned())]);
    }

    #[test]
    fn first_letters_are_different() {
        let letters: std::collections::BTreeSet<_> = NAMES.iter().filter_map(|name| name.chars().next()).collect();
        assert_eq!(letters.len(), NAMES.len());
    }
}
