//! Readiness of new servers: no request goes to a port that has not accepted a connection yet.

mod checks;

use std::collections::HashMap;
use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use seaway_config::model::Address;
use seaway_routing::state::{Silence, flag};
use seaway_routing::{Millis, Published, ServerState};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use crate::worker::Clock;

pub use checks::run_checks;

/// A server whose port was seen to accept.
#[derive(Clone, Debug)]
pub struct Accepted {
    /// Whose.
    pub state: Arc<ServerState>,
    /// How long it was waited for.
    pub after: Duration,
    /// It became ready by this; otherwise something else still keeps it out.
    pub ready: bool,
}

/// Asks the ports of servers that are not known to accept, for ever; runs on the control plane. `accepted` hears of each
/// that does.
pub async fn probe_new_servers(
    published: Arc<Published>,
    clock: Clock,
    limit: Duration,
    mut accepted: impl FnMut(Accepted),
) {
    let mut changed = published.subscribe();
    let (done, mut results) = mpsc::unbounded_channel::<Asked>();
    let mut waiting: HashMap<u64, Waiting> = HashMap::new();
    let mut asked = 0;
    let mut looked = None;
    loop {
        // Ten thousand servers are not looked through for each answer, only when somebody else said that something changed.
        let change = *changed.borrow_and_update();
        let now = clock.now();
        if looked.replace(change) != Some(change) {
            find_new(&published, &mut waiting, now);
        }
        let mut next = u64::MAX;
        for entry in waiting.values_mut().filter(|e| e.asking.is_none()) {
            if entry.next <= now.0 {
                asked += 1;
                entry.asking = Some(asked);
                ask(entry, asked, limit, done.clone());
            } else {
                next = next.min(entry.next);
            }
        }
        let pause = Duration::from_millis(next.saturating_sub(now.0).min(60_000));
        tokio::select! {
            result = changed.changed() => if result.is_err() { return },
            Some(Asked { state, number, silence }) = results.recv() => {
                // What was asked before the server ended and started again says nothing about it now.
                let Some(entry) = waiting.get_mut(&state.id()).filter(|e| e.asking == Some(number)) else { continue };
                let now = clock.now();
                entry.asking = None;
                entry.next = now.0.saturating_add(interval(now.since(entry.since)));
                let is_news = state.silence() != silence;
                state.asked(silence);
                if silence.is_none() {
                    let after = now.since(entry.since);
                    waiting.remove(&state.id());
                    let ready = state.clear(flag::UNPROBED);
                    // Also where something else still keeps it out: that may have waited for this.
                    let own = published.wake();
                    // Nothing but this happened since the last look.
                    looked = looked.map(|seen| if own == seen + 1 { own } else { seen });
                    accepted(Accepted { state, after, ready });
                } else if is_news {
                    // Who tells people of it counts the time from now on.
                    let own = published.wake();
                    looked = looked.map(|seen| if own == seen + 1 { own } else { seen });
                }
            }
            () = tokio::time::sleep(pause) => {}
        }
    }
}

struct Waiting {
    state: Arc<ServerState>,
    address: Address,
    since: Millis,
    next: u64,
    /// The number of the question that is under way.
    asking: Option<u64>,
}

/// The answer to one question.
struct Asked {
    state: Arc<ServerState>,
    number: u64,
    /// Why it does not accept; nothing where it does.
    silence: Option<Silence>,
}

/// Takes up servers that need asking, lets go of those that do not.
fn find_new(published: &Published, waiting: &mut HashMap<u64, Waiting>, now: Millis) {
    let needs = |state: &ServerState| {
        let flags = state.flags();
        flags & flag::UNPROBED != 0 && flags & (flag::GONE | flag::PAUSED | flag::UNREACHABLE | flag::TERMINATING) == 0
    };
    let table = published.current();
    let mut seen = std::collections::HashSet::new();
    for server in table.services.iter().flat_map(|s| &s.servers) {
        let id = server.state.id();
        if !needs(&server.state) || !seen.insert(id) {
            continue;
        }
        waiting.entry(id).or_insert_with(|| Waiting {
            state: Arc::clone(&server.state),
            address: server.address.clone(),
            since: now,
            next: now.0,
            asking: None,
        });
    }
    waiting.retain(|id, _| seen.contains(id));
}

fn ask(entry: &Waiting, number: u64, limit: Duration, done: mpsc::UnboundedSender<Asked>) {
    let (state, address) = (Arc::clone(&entry.state), entry.address.clone());
    tokio::spawn(async move {
        let answer = match address {
            Address::Ip(address) => tokio::time::timeout(limit, TcpStream::connect(address)).await,
            Address::Dns(host, port) => tokio::time::timeout(limit, TcpStream::connect((host.as_ref(), port))).await,
        };
        // Nobody listens any more when the prober itself has ended.
        let _unheard = done.send(Asked { state, number, silence: silence(&answer) });
    });
}

fn silence<T>(answer: &Result<std::io::Result<T>, tokio::time::error::Elapsed>) -> Option<Silence> {
    let Ok(answer) = answer else { return Some(Silence::Quiet) };
    match answer.as_ref().err()?.kind() {
        ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset => Some(Silence::Refused),
        ErrorKind::TimedOut => Some(Silence::Quiet),
        ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable | ErrorKind::NetworkDown => Some(Silence::NoWay),
        _ => Some(Silence::NoName),
    }
}

/// Often while a server is young, since that is when it opens its port; a refused connection on a bridge costs next to
/// nothing.
fn interval(age: Duration) -> u64 {
    match age.as_secs() {
        0..10 => 8,
        10..60 => 50,
        _ => 1000,
    }
}
