//! The load: visitors with cookie jars, some of whose requests take seconds, orders that must arrive once, WebSockets.
//!
//! Everything that is sent is entered in the [`Ledger`] with what became of it; nothing is sent again by the client.

mod socket;
mod visitor;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::task::JoinSet;

use super::events::now;
use visitor::Visitor;

/// Who sends how much.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// Where requests go.
    pub(super) site: SocketAddr,
    /// The sticky service with several replicas.
    pub(super) host: String,
    /// The service with one replica.
    pub(super) solo_host: String,
    /// Visitors that ask four times a second.
    pub(super) visitors: u32,
    /// Visitors that have no cookie yet, each time.
    pub(super) newcomers: u32,
    /// Visitors whose requests take up to three seconds.
    pub(super) slow: u32,
    /// Visitors that leave before they are answered.
    pub(super) impatient: u32,
    /// Orders a second.
    pub(super) orders: u32,
    /// WebSockets that are open all the time.
    pub(super) sockets: u32,
    /// Visitors of the one-replica service, who order there as well.
    pub(super) solo: u32,
}

impl Plan {
    /// What the claim is about, with something to spare: 440 GETs a second where all is quick, 55 orders, 20 WebSockets.
    pub(super) fn full(site: SocketAddr, host: &str, solo_host: &str) -> Self {
        let (host, solo_host) = (host.to_owned(), solo_host.to_owned());
        Self {
            site,
            host,
            solo_host,
            visitors: 100,
            newcomers: 10,
            slow: 24,
            impatient: 2,
            orders: 55,
            sockets: 20,
            solo: 6,
        }
    }
}

/// What kind of request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Get,
    Slow,
    Post,
    /// The request that opens a WebSocket.
    Socket,
}

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// A replica's answer, with the status that was hoped for.
    Relayed,
    /// A replica's answer, with another one.
    Wrong(u16),
    /// Seaway's own answer.
    Answered(u16),
    /// The client left before an answer came, on purpose.
    Aborted,
    /// No whole answer.
    Failed(String),
}

/// One request.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) id: String,
    pub(super) kind: Kind,
    pub(super) began: Duration,
    pub(super) ended: Duration,
    pub(super) outcome: Outcome,
    /// Which replica answered.
    pub(super) replica: Option<String>,
}

/// A visitor who was with one replica and then with another.
#[derive(Clone, Debug)]
pub(super) struct Move {
    /// The request that got there.
    pub(super) id: String,
    pub(super) from: String,
    pub(super) to: String,
    /// The answer came then.
    pub(super) at: Duration,
}

/// A WebSocket that the other side ended.
#[derive(Clone, Debug)]
pub(super) struct Ended {
    pub(super) id: String,
    pub(super) replica: String,
    pub(super) at: Duration,
    /// How it was noticed.
    pub(super) how: String,
}

/// Everything that happened.
#[derive(Clone, Debug, Default)]
pub(super) struct Ledger {
    pub(super) entries: Vec<Entry>,
    pub(super) moves: Vec<Move>,
    pub(super) ended: Vec<Ended>,
    /// Messages that came back over WebSockets.
    pub(super) echoes: u64,
    /// From the first request to the last answer.
    pub(super) lasted: Duration,
}

impl Ledger {
    /// How many requests of a kind were sent.
    pub(super) fn sent(&self, kinds: &[Kind]) -> usize {
        self.entries.iter().filter(|entry| kinds.contains(&entry.kind)).count()
    }
}

/// What all who send have in common.
struct Shared {
    plan: Plan,
    ledger: Mutex<Ledger>,
    stopping: AtomicBool,
    /// Requests sent; gives ids.
    sent: AtomicU64,
    open_sockets: AtomicU64,
}

impl Shared {
    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    fn id(&self, letter: char) -> String {
        format!("{letter}{}", self.sent.fetch_add(1, Ordering::Relaxed))
    }
}

/// A load that runs on a thread of its own.
pub(super) struct Load {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
    began: Duration,
}

impl Load {
    /// Starts it.
    pub(super) fn start(plan: Plan) -> Self {
        let shared = Arc::new(Shared {
            plan,
            ledger: Mutex::default(),
            stopping: AtomicBool::new(false),
            sent: AtomicU64::new(0),
            open_sockets: AtomicU64::new(0),
        });
        let all = Arc::clone(&shared);
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(send_all(all));
        });
        Self { shared, thread: Some(thread), began: now() }
    }

    /// How many requests have been answered.
    pub(super) fn answered(&self) -> usize {
        self.shared.ledger().entries.len()
    }

    /// How many requests each replica of the first service answered, since entry number `from`.
    pub(super) fn by_replica(&self, from: usize) -> BTreeMap<String, usize> {
        let mut count = BTreeMap::new();
        for entry in self.shared.ledger().entries.iter().skip(from) {
            if let Some(replica) = &entry.replica {
                *count.entry(replica.clone()).or_default() += 1;
            }
        }
        count
    }

    /// How many WebSockets are open now.
    pub(super) fn open_sockets(&self) -> u64 {
        self.shared.open_sockets.load(Ordering::Relaxed)
    }

    /// Sends no more, waits for what is under way, and gives the whole story.
    pub(super) fn stop(mut self) -> Ledger {
        self.end();
        let mut ledger = self.shared.ledger().clone();
        ledger.lasted = now() - self.began;
        ledger
    }

    fn end(&mut self) {
        self.shared.stopping.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A panic in there has been printed; what it kept from happening is missing in the ledger, and found there.
            drop(thread.join());
        }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.end();
    }
}

/// Starts everybody, a little apart from one another.
async fn send_all(shared: Arc<Shared>) {
    let mut senders = JoinSet::new();
    let plan = shared.plan.clone();
    let everyone = [
        (Role::Visitor, plan.visitors),
        (Role::Newcomer, plan.newcomers),
        (Role::Slow, plan.slow),
        (Role::Impatient, plan.impatient),
        (Role::Solo, plan.solo),
    ];
    for (role, count) in everyone {
        for number in 0..count {
            let visitor =
                Visitor::new(Arc::clone(&shared), if role == Role::Solo { &plan.solo_host } else { &plan.host });
            let first = role.pause() * number / count.max(1);
            senders.spawn(visit(visitor, role, first, u64::from(number)));
        }
    }
    for number in 0..plan.sockets {
        senders.spawn(socket::keep_open(Arc::clone(&shared), plan.host.clone(), number));
    }
    senders.spawn(order(Arc::clone(&shared)));
    while let Some(ended) = senders.join_next().await {
        ended.expect("a sender does not panic");
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Visitor,
    Newcomer,
    Slow,
    Impatient,
    Solo,
}

impl Role {
    /// From the beginning of one request to the beginning of the next, where the answer does not take longer.
    fn pause(self) -> Duration {
        Duration::from_millis(match self {
            Self::Visitor | Self::Newcomer | Self::Slow => 250,
            Self::Solo => 200,
            Self::Impatient => 1000,
        })
    }
}

async fn visit(mut visitor: Visitor, role: Role, first: Duration, number: u64) {
    let shared = Arc::clone(&visitor.shared);
    let mut ticks = ticks(first, role.pause());
    let mut turn = number;
    loop {
        ticks.tick().await;
        if shared.is_stopping() {
            return;
        }
        turn += 1;
        match role {
            Role::Visitor => visitor.get("/whoami?", Kind::Get, 'g').await,
            Role::Newcomer => {
                visitor.forget();
                visitor.get("/whoami?", Kind::Get, 'g').await;
            }
            Role::Slow => visitor.get(&format!("/slow?ms={}&", spread(turn, 200, 3000)), Kind::Slow, 's').await,
            Role::Impatient => visitor.leave_early("/slow?ms=2000&", Duration::from_millis(100)).await,
            Role::Solo if turn.is_multiple_of(3) => visitor.order(spread(turn, 0, 200)).await,
            Role::Solo => visitor.get("/whoami?", Kind::Get, 'g').await,
        }
    }
}

/// Sends orders at their rate, whatever the answers take.
async fn order(shared: Arc<Shared>) {
    let rate = shared.plan.orders;
    let mut ticks = ticks(Duration::ZERO, Duration::from_secs(1) / rate.max(1));
    let free: Arc<Mutex<Vec<Visitor>>> = Arc::default();
    let mut under_way = JoinSet::new();
    for turn in 0u64.. {
        ticks.tick().await;
        if shared.is_stopping() || rate == 0 {
            break;
        }
        let idle = free.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut visitor = idle.unwrap_or_else(|| Visitor::new(Arc::clone(&shared), &shared.plan.host));
        // Most are quick; some are still in a replica's hands when it is told to stop.
        let takes = if turn.is_multiple_of(8) { spread(turn, 300, 2500) } else { spread(turn, 0, 40) };
        let free = Arc::clone(&free);
        if turn.is_multiple_of(2) {
            visitor.forget();
        }
        under_way.spawn(async move {
            visitor.order(takes).await;
            free.lock().unwrap_or_else(PoisonError::into_inner).push(visitor);
        });
        while let Some(ended) = under_way.try_join_next() {
            ended.expect("an order does not panic");
        }
    }
    while let Some(ended) = under_way.join_next().await {
        ended.expect("an order does not panic");
    }
}

fn ticks(first: Duration, pause: Duration) -> tokio::time::Interval {
    let mut ticks = tokio::time::interval_at(tokio::time::Instant::now() + first, pause);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    ticks
}

/// A number from `least` to `most`, different for each `turn` and the same in each run.
fn spread(turn: u64, least: u64, most: u64) -> u64 {
    least + turn.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_right(29) % (most - least + 1)
}
