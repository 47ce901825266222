//! One pool: what was told of its servers, and what is to be told.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use seaway_config::model::{Identity, natural_order};
use seaway_routing::state::flag;
use seaway_routing::{Millis, Phase, Server, ServerState};

/// So many lines about one pool within [`WINDOW`] are told; what follows is counted until the window ends.
const MOST_LINES: u32 = 20;
const WINDOW: Duration = Duration::from_secs(10);
/// A server that is not ready so long after it was found is told as starting.
const PATIENCE: Duration = Duration::from_millis(300);
/// Servers that become ready within this time share a line.
const GATHER: Duration = Duration::from_millis(50);

#[derive(Debug, Default)]
pub(super) struct Pool {
    servers: HashMap<Identity, Seen>,
    /// Servers that are no longer in it, and of which that is to be told.
    left: Vec<Seen>,
    /// Servers counted as ready in the last line.
    ready: usize,
    /// When what is known and untold is to be told.
    due: Option<Millis>,
    window: Millis,
    lines: u32,
    untold: u32,
}

#[derive(Debug)]
struct Seen {
    name: Box<str>,
    state: Arc<ServerState>,
    /// The first news of it, or of its leaving.
    since: Millis,
    /// When a table first had it.
    found: Millis,
    /// Since when it has been ready.
    ready_at: Option<Millis>,
    told: Told,
}

/// What the log says of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Nothing,
    Starting,
    Ready,
    Lost,
}

impl Pool {
    /// Servers that the last line counted.
    pub(super) fn ready(&self) -> usize {
        self.ready
    }

    pub(super) fn is_empty(&self) -> bool {
        self.servers.is_empty()
    }

    pub(super) fn due(&self) -> Option<Millis> {
        [self.due, (self.untold > 0).then(|| after(self.window, WINDOW))].into_iter().flatten().min()
    }

    /// Takes the time for servers that have become ready.
    pub(super) fn note(&mut self, now: Millis) {
        for seen in self.servers.values_mut() {
            if !seen.state.is_ready() {
                seen.ready_at = None;
            } else if seen.ready_at.is_none() {
                seen.ready_at = Some(now);
                sooner(&mut self.due, after(now, GATHER));
            }
        }
    }

    /// Takes note of the servers that the pool has from now on.
    pub(super) fn take(&mut self, servers: &[Server], first_heard: impl Fn(&str) -> Millis, now: Millis) {
        let mut before = std::mem::take(&mut self.servers);
        for server in servers {
            let identity = server.state.identity();
            let seen = before.remove(identity).unwrap_or_else(|| {
                sooner(&mut self.due, after(now, PATIENCE));
                let since = first_heard(&identity.container);
                let state = Arc::clone(&server.state);
                Seen { name: "".into(), state, since, found: now, ready_at: None, told: Told::Nothing }
            });
            self.servers.insert(identity.clone(), Seen { name: server.name.clone(), ..seen });
        }
        self.left.extend(before.into_values().filter(|seen| seen.told != Told::Nothing));
    }

    /// Looks how the servers are now. Gives what is to be told if it is time: at once where a server was lost.
    pub(super) fn observe(&mut self, now: Millis) -> Option<Change> {
        self.note(now);
        let mut change = Change { was: self.ready, ..Change::default() };
        for seen in self.servers.values_mut().filter(|seen| seen.told == Told::Ready && seen.ready_at.is_none()) {
            (seen.told, seen.since) = (Told::Lost, now);
            change.lost.push((seen.name.clone(), seen.state.phase()));
        }
        for seen in self.left.drain(..) {
            change.emptied = self.servers.is_empty();
            if seen.told == Told::Ready {
                change.lost.push((seen.name, seen.state.phase()));
            }
        }
        if change.lost.is_empty() && !change.emptied && self.due().is_none_or(|due| due > now) {
            return None;
        }
        for seen in self.servers.values_mut() {
            seen.speak(&mut change, now);
        }
        self.ready = self.servers.values().filter(|seen| seen.told == Told::Ready).count();
        change.is = self.ready;
        let untold = self.servers.values().filter(|seen| seen.told == Told::Nothing);
        self.due = untold.map(|seen| after(seen.found, PATIENCE)).min();
        Some(change)
    }

    /// The change as a line, if it is worth one. A flapping pool gets a few lines and then one for all the rest.
    pub(super) fn tell(&mut self, shown: &str, change: &Change, now: Millis) -> Option<String> {
        let line = change.line(shown);
        if now >= after(self.window, WINDOW) || self.lines == 0 {
            let untold = std::mem::take(&mut self.untold);
            let line = match (line, untold) {
                (line, 0) => line?,
                (None, untold) => format!("{shown} {}: {untold} more changes in the last 10 s", self.ready),
                (Some(line), untold) => format!("{shown}: {untold} more changes were not told; now {line}"),
            };
            (self.window, self.lines) = (now, 1);
            return Some(line);
        }
        let line = line?;
        self.lines += 1;
        if self.lines > MOST_LINES {
            self.untold += 1;
            return None;
        }
        Some(line)
    }
}

impl Seen {
    /// Says what is to be said of it, once.
    fn speak(&mut self, change: &mut Change, now: Millis) {
        if self.told == Told::Ready {
            return;
        }
        if let Some(ready_at) = self.ready_at {
            let how = match self.told {
                Told::Starting => "ready after",
                Told::Lost => "ready again after",
                _ => "routed in",
            };
            let took = ready_at.since(self.since);
            change.gained.push((self.name.clone(), how, took));
            self.told = Told::Ready;
        } else if self.told == Told::Nothing && now >= after(self.found, PATIENCE) {
            change.waiting.extend(waits_for(&self.state).map(|what| (self.name.clone(), what)));
            self.told = Told::Starting;
        }
    }
}

/// Why a server takes no requests yet; nothing if it will not take any.
fn waits_for(state: &ServerState) -> Option<String> {
    let phase = state.phase();
    if matches!(phase, Phase::Ready | Phase::Terminating | Phase::Gone) {
        return None;
    }
    if !matches!(phase, Phase::Starting | Phase::Unhealthy) {
        return Some(phase.as_str().to_owned());
    }
    let flags = state.flags();
    let port = state.identity().address.rsplit(':').next().unwrap_or_default();
    Some(match (flags & flag::UNPROBED != 0, flags & flag::UNHEALTHY != 0) {
        (true, true) => format!("starting: waits for port {port} and its health check"),
        (true, false) => format!("starting: waits for port {port}"),
        (false, false) => "starting: ended too often, has to stay up for a while".to_owned(),
        (false, true) => "starting: waits for its health check".to_owned(),
    })
}

/// What is to be told of one pool.
#[derive(Debug, Default)]
pub(super) struct Change {
    was: usize,
    is: usize,
    gained: Vec<(Box<str>, &'static str, Duration)>,
    waiting: Vec<(Box<str>, String)>,
    lost: Vec<(Box<str>, Phase)>,
    /// The last server left the table.
    emptied: bool,
}

impl Change {
    /// `web 2→5 (+web-3 +web-4 +web-5) routed in 6 ms`.
    fn line(&self, shown: &str) -> Option<String> {
        let mut groups = self.groups();
        let Self { was, is, .. } = *self;
        let mut line = if was == is { format!("{shown} {is}") } else { format!("{shown} {was}→{is}") };
        match (groups.pop(), groups.as_slice()) {
            (None, _) if self.emptied => {}
            (None, _) => return None,
            (Some((names, how)), []) => line.push_str(&format!(" ({names}) {how}")),
            (Some(last), several) => {
                let all = several.iter().chain([&last]);
                let parts: Vec<String> = all.map(|(names, how)| format!("{names} {how}")).collect();
                line.push_str(&format!(" ({})", parts.join(", ")));
            }
        }
        if self.emptied {
            line.push_str(": no server left, its route stays for now");
        }
        Some(line)
    }

    /// Names that share a fate, and the fate.
    fn groups(&self) -> Vec<(String, String)> {
        let mut groups = Vec::new();
        for how in ["routed in", "ready after", "ready again after"] {
            let of_kind = self.gained.iter().filter(|(_, kind, _)| *kind == how);
            if let Some(longest) = of_kind.clone().map(|(_, _, took)| *took).max() {
                let names = signed('+', of_kind.map(|(name, ..)| &**name));
                groups.push((names, format!("{how} {}", milliseconds(longest))));
            }
        }
        let mut reasons: Vec<&str> = self.waiting.iter().map(|(_, what)| what.as_str()).collect();
        reasons.sort_unstable();
        reasons.dedup();
        for what in reasons {
            let names = self.waiting.iter().filter(|(_, why)| why == what).map(|(name, _)| &**name);
            groups.push((signed('+', names), what.to_owned()));
        }
        let mut fates: Vec<&str> = self.lost.iter().map(|(_, phase)| reason(*phase)).collect();
        fates.sort_unstable();
        fates.dedup();
        if !fates.is_empty() {
            groups.push((signed('−', self.lost.iter().map(|(name, _)| &**name)), fates.join(" and ")));
        }
        groups
    }
}

fn signed<'n>(sign: char, names: impl Iterator<Item = &'n str>) -> String {
    let mut names: Vec<&str> = names.collect();
    names.sort_by(|a, b| natural_order(a, b));
    let signed: Vec<String> = names.iter().map(|name| format!("{sign}{name}")).collect();
    signed.join(" ")
}

/// Why a server does not take requests any more.
fn reason(phase: Phase) -> &'static str {
    match phase {
        Phase::Gone => "ended",
        Phase::Ready => "removed",
        Phase::Starting => "refuses connections",
        other => other.as_str(),
    }
}

/// `240 ms`, `6 ms`, `2.1 s`.
fn milliseconds(duration: Duration) -> String {
    match duration.as_millis() {
        0 => "less than 1 ms".to_owned(),
        ms @ 1..1000 => format!("{ms} ms"),
        _ => format!("{:.1} s", duration.as_secs_f64()),
    }
}

fn sooner(due: &mut Option<Millis>, at: Millis) {
    *due = Some(due.map_or(at, |due| due.min(at)));
}

fn after(at: Millis, duration: Duration) -> Millis {
    Millis(at.0.saturating_add(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_readable() {
        let of = |us| milliseconds(Duration::from_micros(us));
        assert_eq!([of(400), of(6000), of(240_400), of(2_100_000)], ["less than 1 ms", "6 ms", "240 ms", "2.1 s"]);
    }
}
