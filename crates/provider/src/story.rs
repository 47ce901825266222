//! What happened to the pools, in lines that a person wants to read: `web 2→5 (+web-3 +web-4 +web-5) ready after 240 ms`.
//!
//! Counts are of servers that take requests. Pure: tables and clock readings in, lines out.

pub mod faults;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use seaway_config::Name;
use seaway_config::model::Identity;
use seaway_routing::{Millis, Phase, RoutingTable, ServerState};

/// So many lines about one pool within [`WINDOW`] are told; what follows is counted until the window ends.
const MOST_LINES: u32 = 20;
const WINDOW: Duration = Duration::from_secs(10);

/// Remembers what was told last.
#[derive(Debug, Default)]
pub struct Story {
    pools: BTreeMap<Name, Pool>,
}

#[derive(Debug, Default)]
struct Pool {
    servers: HashMap<Identity, Seen>,
    /// Servers counted as ready in the last line.
    ready: usize,
    window: Millis,
    lines: u32,
    untold: u32,
}

#[derive(Debug)]
struct Seen {
    name: Box<str>,
    state: Arc<ServerState>,
    ready: bool,
    /// When it was found, or last stopped being ready.
    since: Millis,
}

impl Story {
    /// The lines that tell what changed since the last call. `took` is the time that this table took from the first news
    /// to being in force; nothing where no table was made.
    pub fn tell(&mut self, table: &RoutingTable, now: Millis, took: Option<Duration>) -> Vec<String> {
        let mut lines = Vec::new();
        let mut before = std::mem::take(&mut self.pools);
        for service in &table.services {
            let mut pool = before.remove(&service.name).unwrap_or_default();
            let shown = shown(&service.name, table);
            let servers = service.servers.iter().map(|s| (&*s.name, &s.state));
            if let Some(line) = pool.observe(&shown, servers, now, took) {
                lines.extend(pool.ration(&shown, line, now));
            }
            self.pools.insert(service.name.clone(), pool);
        }
        for (name, pool) in before {
            if pool.ready > 0 || !pool.servers.is_empty() {
                lines.push(format!("{} {}→0: the service is gone", name.local, pool.ready));
            } else {
                tracing::debug!(target: "seaway::pool", "{} is gone", name.local);
            }
        }
        lines
    }

    /// When something that was counted is due to be told.
    pub fn next_line(&self) -> Option<Millis> {
        let due = |pool: &Pool| (pool.untold > 0).then(|| end(pool.window));
        self.pools.values().filter_map(due).min()
    }
}

/// The service's name; with its provider where another provider has one of that name.
fn shown(name: &Name, table: &RoutingTable) -> String {
    let twice = table.services.iter().any(|s| s.name.local == name.local && s.name.provider != name.provider);
    if twice { name.to_string() } else { name.local.to_string() }
}

fn end(window: Millis) -> Millis {
    Millis(window.0.saturating_add(u64::try_from(WINDOW.as_millis()).unwrap_or(u64::MAX)))
}

impl Pool {
    /// Takes note of the servers as they are now; a line if that is worth one.
    fn observe<'t>(
        &mut self,
        shown: &str,
        servers: impl Iterator<Item = (&'t str, &'t Arc<ServerState>)>,
        now: Millis,
        took: Option<Duration>,
    ) -> Option<String> {
        let had_servers = !self.servers.is_empty();
        let mut before = std::mem::take(&mut self.servers);
        let mut change = Change { took, ..Change::default() };
        for (name, state) in servers {
            let ready = state.is_ready();
            let old = before.remove(state.identity());
            let was_ready = old.as_ref().is_some_and(|seen| seen.ready);
            let since = match &old {
                Some(seen) if ready || !was_ready => seen.since,
                _ => now,
            };
            match (was_ready, ready) {
                (false, true) => change.gained(name, now.since(since), old.is_none()),
                (true, false) => change.lost(name, state.phase()),
                (false, false) if old.is_none() && state.phase() == Phase::Starting => {
                    change.starting.push(name.to_owned());
                }
                _ => {}
            }
            let seen = Seen { name: name.into(), state: Arc::clone(state), ready, since };
            self.servers.insert(state.identity().clone(), seen);
        }
        let mut left: Vec<Seen> = before.into_values().filter(|seen| seen.ready).collect();
        left.sort_by(|a, b| seaway_config::model::natural_order(&a.name, &b.name));
        for seen in left {
            change.lost(&seen.name, seen.state.phase());
        }
        let (was, is) = (self.ready, self.servers.values().filter(|seen| seen.ready).count());
        self.ready = is;
        let emptied = had_servers && self.servers.is_empty();
        change.line(shown, was, is, emptied)
    }

    /// A flapping pool gets a few lines and then one for all the rest.
    fn ration(&mut self, shown: &str, line: String, now: Millis) -> Option<String> {
        if now >= end(self.window) || self.lines == 0 {
            (self.window, self.lines) = (now, 0);
        }
        self.lines += 1;
        if self.lines > MOST_LINES {
            self.untold += 1;
            return None;
        }
        match std::mem::take(&mut self.untold) {
            0 => Some(line),
            untold => Some(format!("{shown}: {untold} more changes were not told; now {line}")),
        }
    }
}

impl Story {
    /// One line for each pool whose window has ended with changes untold.
    pub fn sum_up(&mut self, now: Millis) -> Vec<String> {
        let mut lines = Vec::new();
        for (name, pool) in &mut self.pools {
            if pool.untold > 0 && now >= end(pool.window) {
                let untold = std::mem::take(&mut pool.untold);
                lines.push(format!("{} {}: {untold} more changes in the last 10 s", name.local, pool.ready));
            }
        }
        lines
    }
}

/// What changed in one pool.
#[derive(Default)]
struct Change {
    gained: Vec<String>,
    starting: Vec<String>,
    lost: Vec<(String, Phase)>,
    /// The longest time that a gained server took; nothing where each was ready when it was found.
    waited: Option<Duration>,
    took: Option<Duration>,
}

impl Change {
    fn gained(&mut self, name: &str, waited: Duration, at_once: bool) {
        self.gained.push(name.to_owned());
        if !at_once {
            self.waited = self.waited.max(Some(waited));
        }
    }

    fn lost(&mut self, name: &str, phase: Phase) {
        self.lost.push((name.to_owned(), phase));
    }

    /// `web 2→5 (+web-3 +web-4 +web-5) routed in 6 ms`.
    fn line(&self, shown: &str, was: usize, is: usize, emptied: bool) -> Option<String> {
        let mut groups = Vec::new();
        if !self.gained.is_empty() {
            groups.push((signed('+', &self.gained), self.gained_how()));
        }
        if !self.starting.is_empty() {
            groups.push((signed('+', &self.starting), format!("starting{}", self.routed())));
        }
        if !self.lost.is_empty() {
            let names: Vec<String> = self.lost.iter().map(|(name, _)| name.clone()).collect();
            groups.push((signed('−', &names), self.lost_how()));
        }
        let mut line = if was == is { format!("{shown} {is}") } else { format!("{shown} {was}→{is}") };
        match groups.as_slice() {
            [] if emptied => {}
            [] => return None,
            [(names, how)] => line.push_str(&format!(" ({names}) {how}")),
            several => {
                let parts: Vec<String> = several.iter().map(|(names, how)| format!("{names} {how}")).collect();
                line.push_str(&format!(" ({})", parts.join(", ")));
            }
        }
        if emptied {
            line.push_str(": no server left, its route stays for now");
        }
        Some(line)
    }

    fn gained_how(&self) -> String {
        match self.waited {
            Some(waited) => format!("ready after {}", milliseconds(waited)),
            None => self.routed().trim_start_matches(", ").to_owned(),
        }
    }

    fn routed(&self) -> String {
        self.took.map_or_else(String::new, |took| format!(", routed in {}", milliseconds(took)))
    }

    fn lost_how(&self) -> String {
        let mut reasons: Vec<&str> = self.lost.iter().map(|(_, phase)| reason(*phase)).collect();
        reasons.sort_unstable();
        reasons.dedup();
        reasons.join(" and ")
    }
}

fn signed(sign: char, names: &[String]) -> String {
    let signed: Vec<String> = names.iter().map(|name| format!("{sign}{name}")).collect();
    signed.join(" ")
}

/// Why a server does not take requests any more.
fn reason(phase: Phase) -> &'static str {
    match phase {
        Phase::Gone => "ended",
        Phase::Ready => "removed",
        Phase::Starting => "starting again",
        other => other.as_str(),
    }
}

/// `240 ms`, `6 ms`, `0.4 ms`, `2.1 s`.
fn milliseconds(duration: Duration) -> String {
    let ms = duration.as_secs_f64() * 1000.0;
    match ms {
        _ if ms >= 1000.0 => format!("{:.1} s", ms / 1000.0),
        _ if ms >= 10.0 => format!("{ms:.0} ms"),
        _ if ms.fract() < 0.05 => format!("{ms:.0} ms"),
        _ => format!("{ms:.1} ms"),
    }
}

#[cfg(test)]
mod tests;
