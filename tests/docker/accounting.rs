//! Do the clients, Seaway's log, the replicas and the engine tell the same story?
//!
//! Client requests = relayed + answered by Seaway + aborted by the client + lost; each order was seen at most once, each
//! that was acknowledged exactly once; whoever moved had to, because the replica had been told to end.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use super::events::End;
use super::load::{Entry, Kind, Ledger, Outcome};
use super::log::Line;

/// The engine tells of a signal this much later than the process got it, at most: nine milliseconds when it has nothing
/// else to do, and far more where containers are started and stopped beside a full load.
const TOLD_LATE: Duration = Duration::from_secs(1);

/// Every witness.
pub(super) struct Witnesses<'a> {
    pub(super) ledger: &'a Ledger,
    pub(super) log: &'a [Line],
    pub(super) ends: &'a BTreeMap<String, End>,
    /// Each order that a replica noted, as often as one did.
    pub(super) orders: &'a [String],
}

/// What they agree on.
#[derive(Clone, Debug, Default)]
pub(super) struct Verdict {
    /// GETs and POSTs a second.
    pub(super) gets_per_second: f64,
    pub(super) posts_per_second: f64,
    /// Requests that may be repeated and got no replica's answer all the same.
    pub(super) lost_repeatable: Vec<String>,
    /// Orders without an answer.
    pub(super) lost_orders: Vec<String>,
    /// Of these, the ones that were not in the hands of a replica that ended, or that the log does not name.
    pub(super) unexplained_orders: Vec<String>,
    /// Moves, or ends of WebSockets, without the replica having been told to end.
    pub(super) unprovoked: Vec<String>,
    /// Where two witnesses contradict one another.
    pub(super) contradictions: Vec<String>,
    /// For people.
    pub(super) summary: String,
}

/// Hears all of them.
pub(super) fn hear(witnesses: &Witnesses<'_>) -> Verdict {
    let Witnesses { ledger, log, ends, orders } = *witnesses;
    let mut verdict = Verdict::default();
    let seconds = ledger.lasted.as_secs_f64();
    let gets = ledger.sent(&[Kind::Get, Kind::Slow, Kind::Socket]);
    let posts = ledger.sent(&[Kind::Post]);
    (verdict.gets_per_second, verdict.posts_per_second) = (gets as f64 / seconds, posts as f64 / seconds);

    let logged = by_id(log, &mut verdict);
    for entry in &ledger.entries {
        let Some(line) = logged.get(entry.id.as_str()) else {
            verdict.contradictions.push(format!("{} is not in the access log: {:?}", entry.id, entry.outcome));
            continue;
        };
        compare(entry, line, &mut verdict);
        if matches!(entry.outcome, Outcome::Relayed | Outcome::Aborted) {
            continue;
        }
        let story = format!("{} {:?} after {:?}: {}", entry.id, entry.outcome, entry.ended - entry.began, line.text);
        if entry.kind == Kind::Post {
            if !in_dying_hands(entry, line, ends) {
                verdict.unexplained_orders.push(story.clone());
            }
            verdict.lost_orders.push(story);
        } else {
            verdict.lost_repeatable.push(story);
        }
    }
    if logged.len() != ledger.entries.len() {
        let (logged, sent) = (logged.len(), ledger.entries.len());
        verdict.contradictions.push(format!("{logged} requests in the access log, {sent} sent"));
    }
    count_orders(ledger, orders, &mut verdict);
    moves(ledger, ends, &logged, &mut verdict);
    verdict.summary = summary(ledger, log, ends, &verdict);
    verdict
}

fn by_id<'l>(log: &'l [Line], verdict: &mut Verdict) -> BTreeMap<&'l str, &'l Line> {
    let mut logged = BTreeMap::new();
    for line in log {
        if let Some(id) = line.parameter("n").or_else(|| line.parameter("id"))
            && let Some(other) = logged.insert(id, line)
        {
            verdict.contradictions.push(format!("logged twice: {} and {}", other.text, line.text));
        }
    }
    logged
}

/// The client's word against the log's.
fn compare(entry: &Entry, line: &Line, verdict: &mut Verdict) {
    let lost = line.field("lost").is_some();
    let agree = match &entry.outcome {
        Outcome::Relayed if entry.kind == Kind::Socket => line.status == 101 && !lost,
        Outcome::Relayed => line.status == 200 && !lost && line.field("error").is_none() && line.server != "-",
        Outcome::Wrong(status) => line.status == *status && !lost,
        Outcome::Answered(status) => line.status == *status && (lost || line.field("error").is_some()),
        Outcome::Aborted => line.status == 499 && line.field("error") == Some("client_gone"),
        Outcome::Failed(_) => lost || line.field("error").is_some(),
    };
    if !agree {
        verdict.contradictions.push(format!("{} {:?}, and the log: {}", entry.id, entry.outcome, line.text));
    }
}

/// Some replica had the order when it ended, and the log says that it was lost and with whom.
fn in_dying_hands(entry: &Entry, line: &Line, ends: &BTreeMap<String, End>) -> bool {
    line.field("lost").is_some()
        && ends.values().any(|end| {
            let dead = end.dead.unwrap_or(Duration::MAX);
            end.server == line.server && entry.began <= dead && end.told <= entry.ended + TOLD_LATE
        })
}

/// What the replicas noted against what the clients were told.
fn count_orders(ledger: &Ledger, orders: &[String], verdict: &mut Verdict) {
    let mut seen: BTreeMap<&str, u32> = BTreeMap::new();
    for id in orders {
        *seen.entry(id).or_default() += 1;
    }
    for (id, times) in &seen {
        if *times > 1 {
            verdict.contradictions.push(format!("order {id} was seen {times} times"));
        }
    }
    for entry in ledger.entries.iter().filter(|entry| entry.kind == Kind::Post) {
        if entry.outcome == Outcome::Relayed && !seen.contains_key(entry.id.as_str()) {
            verdict.contradictions.push(format!("order {} was acknowledged and never seen", entry.id));
        }
    }
}

fn moves(ledger: &Ledger, ends: &BTreeMap<String, End>, logged: &BTreeMap<&str, &Line>, verdict: &mut Verdict) {
    let told = |replica: &str, at: Duration| match ends.get(replica) {
        Some(end) if end.told <= at + TOLD_LATE => None,
        Some(end) => Some(format!("told to end {:?} later", end.told - at)),
        None => Some("never told to end".to_owned()),
    };
    for one in &ledger.moves {
        if let Some(why) = told(&one.from, one.at) {
            let line = logged.get(one.id.as_str()).map_or("", |line| &line.text);
            verdict.unprovoked.push(format!("{} moved from {} to {}, {why}: {line}", one.id, one.from, one.to));
        }
    }
    for one in &ledger.ended {
        let orderly = !["silent", "came back", "unasked", "greeted", "unexpected"].iter().any(|p| one.how.contains(p));
        let told = told(&one.replica, one.at);
        if !orderly || told.is_some() {
            let line = logged.get(one.id.as_str()).map_or("", |line| &line.text);
            verdict.unprovoked.push(format!("WebSocket at {} ended, {}, {told:?}: {line}", one.replica, one.how));
        }
    }
}

fn summary(ledger: &Ledger, log: &[Line], ends: &BTreeMap<String, End>, verdict: &Verdict) -> String {
    let count = |f: &dyn Fn(&Outcome) -> bool| ledger.entries.iter().filter(|e| f(&e.outcome)).count();
    let with = |name: &str| log.iter().filter(|line| line.field(name).is_some()).count();
    let longest = ledger.entries.iter().map(|e| e.ended - e.began).max().unwrap_or_default();
    let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
    for line in log.iter().filter(|line| line.field("sticky") == Some("moved")) {
        *reasons.entry(line.field("reason").unwrap_or("?")).or_default() += 1;
    }
    let mut text = String::new();
    let _infallible = write!(
        text,
        "{} requests in {:.0} s ({:.0} GET/s, {:.0} POST/s) = {} relayed + {} answered by Seaway + {} aborted + {} failed; \
         {} held, {} repeated, longest {:.1} s; {} containers ended, {} sessions moved {reasons:?}, {} WebSockets moved, \
         {} echoes; lost: {} repeatable, {} orders",
        ledger.entries.len(),
        ledger.lasted.as_secs_f64(),
        verdict.gets_per_second,
        verdict.posts_per_second,
        count(&|o| *o == Outcome::Relayed),
        count(&|o| matches!(o, Outcome::Answered(_))),
        count(&|o| *o == Outcome::Aborted),
        count(&|o| matches!(o, Outcome::Failed(_) | Outcome::Wrong(_))),
        with("held"),
        with("attempt"),
        longest.as_secs_f64(),
        ends.len(),
        ledger.moves.len(),
        ledger.ended.len(),
        ledger.echoes,
        verdict.lost_repeatable.len(),
        verdict.lost_orders.len(),
    );
    text
}
