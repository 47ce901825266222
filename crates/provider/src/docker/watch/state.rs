//! What is known of the containers, and what has to be asked. Pure: events, lists and inspects go in, updates come out.
//!
//! Two rules keep it true. An event's effect is written into what is known at once, under the same lock that sends its
//! notice, so no snapshot that follows contradicts it. And an inspect during which an event about its container came is
//! asked again, never applied: nobody knows which of the two was first.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use seaway_routing::state::Notice;
use tokio::time::Instant;

use super::Timing;
use super::queue::Queue;
use crate::docker::Container;
use crate::docker::engine::EngineError;
use crate::docker::events::{Action, Event, SIGKILL, SIGTERM, signal};
use crate::{EngineTime, Update, UpdateSender};

/// Events remembered, to know them again when they are replayed; the engine replays 256 at most.
const REMEMBERED: usize = 1024;

/// What is known, what is asked, what is to be told.
#[derive(Debug)]
pub(super) struct State {
    timing: Timing,
    updates: UpdateSender,
    /// Sorted by id, as a snapshot is.
    known: BTreeMap<String, Known>,
    /// To be inspected because of an event.
    urgent: Queue,
    /// To be inspected by a reconcile, or again after a failure.
    background: Queue,
    /// Signalled containers that should have ended by then.
    rechecks: Queue,
    /// Their next inspect makes a snapshot even if nothing changed, so that re-admission is decided.
    rechecked: HashSet<String>,
    /// Inspects under way.
    in_flight: HashMap<String, Asked>,
    /// Inspects that failed, and how often in a row.
    failed: HashMap<String, u32>,
    /// Containers with events since the list under way began.
    touched: HashSet<String>,
    /// An empty list after a full one waits for a second one.
    doubted: bool,
    /// Found by a list with no event about them.
    found: HashSet<String>,
    /// The same, now certain; if no event comes soon, the stream loses events.
    suspects: HashSet<String>,
    suspects_due: Option<Instant>,
    resync: Resync,
    changed: bool,
    /// How long a change waits for inspects that are under way, so that a burst becomes one snapshot.
    held: Option<Instant>,
    sent: Option<Instant>,
    last_event: EngineTime,
    recent: VecDeque<u64>,
    recent_set: HashSet<u64>,
}

#[derive(Debug)]
struct Known {
    container: Arc<Container>,
    stop_signal: u8,
}

/// An inspect under way.
#[derive(Debug, Default)]
struct Asked {
    /// When the first event after its beginning came.
    stale: Option<Instant>,
    /// Destroyed meanwhile.
    destroyed: bool,
}

#[derive(Debug)]
enum Resync {
    /// Nothing was listed since the stream was opened.
    AwaitsList,
    /// Listed; these were not inspected yet, and are not waited for longer than until then.
    Inspecting {
        pending: HashSet<String>,
        deadline: Instant,
    },
    Done,
}

/// What became of a list.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Listed {
    Applied,
    /// All containers at once are gone: is that so?
    AskAgain,
}

/// One line of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::docker) struct ListedContainer {
    pub(in crate::docker) id: String,
    /// Running, paused or about to be restarted.
    pub(in crate::docker) alive: bool,
}

/// What [`State::publish`] did.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// The first snapshot ever was sent.
    pub(super) first: bool,
    /// A full reconcile ended.
    pub(super) resynced: bool,
    /// The stream loses events.
    pub(super) lossy: bool,
    /// How many containers are known.
    pub(super) containers: usize,
}

impl State {
    pub(super) fn new(updates: UpdateSender, timing: Timing) -> Self {
        Self {
            timing,
            updates,
            known: BTreeMap::new(),
            urgent: Queue::default(),
            background: Queue::default(),
            rechecks: Queue::default(),
            rechecked: HashSet::new(),
            in_flight: HashMap::new(),
            failed: HashMap::new(),
            touched: HashSet::new(),
            doubted: false,
            found: HashSet::new(),
            suspects: HashSet::new(),
            suspects_due: None,
            resync: Resync::AwaitsList,
            changed: false,
            held: None,
            sent: None,
            last_event: EngineTime(0),
            recent: VecDeque::new(),
            recent_set: HashSet::new(),
        }
    }

    /// The engine's time of the last event, to ask for those after it.
    pub(super) fn last_event(&self) -> Option<EngineTime> {
        Some(self.last_event).filter(|at| at.0 > 0)
    }

    /// A stream is open again; calls of the session before it are void.
    pub(super) fn begin_session(&mut self) {
        self.in_flight.clear();
        self.found.clear();
        self.suspects.clear();
        self.suspects_due = None;
        self.resync = Resync::AwaitsList;
    }

    /// No list is wanted while the inspects of the last one go on.
    pub(super) fn may_list(&self) -> bool {
        !matches!(self.resync, Resync::Inspecting { .. })
    }

    pub(super) fn begin_list(&mut self) {
        self.touched.clear();
    }

    /// Takes in what an event says, and tells what cannot wait.
    pub(super) fn event(&mut self, event: Event, now: Instant) {
        if self.is_repeated(&event) {
            return;
        }
        let Event { container: id, action, at } = event;
        if at.0 > 0 {
            self.last_event = at;
        }
        self.touched.insert(id.clone());
        self.suspects.remove(&id);
        self.found.remove(&id);
        let known = self.known.contains_key(&id);
        match action {
            Action::Kill(signal) => return self.killed(id, signal, at, now),
            Action::Destroy => {
                self.notice(&id, Notice::Ended, at);
                if let Some(asked) = self.in_flight.get_mut(&id) {
                    asked.destroyed = true;
                }
                self.forget(&id);
                return self.settled(&id);
            }
            // Not told at once: until the inspect its address is unknown, and the one it had may be another's by now.
            // A start that makes the difference is seen by its time in the snapshot. Much follows an end, nothing follows a
            // start: there is nothing to wait for, and clients may wait for this one.
            Action::Start => {
                self.heard(&id);
                return self.touch_by(&id, now, now);
            }
            Action::Die => {
                self.notice(&id, Notice::Ended, at);
                self.amend(&id, |c| c.running = false);
            }
            Action::Stop => {
                if self.known.get(&id).is_some_and(|k| k.container.running) {
                    self.notice(&id, Notice::Ended, at);
                    self.amend(&id, |c| c.running = false);
                }
            }
            Action::Pause => {
                self.notice(&id, Notice::Paused, at);
                self.amend(&id, |c| c.paused = true);
            }
            Action::Unpause => {
                self.notice(&id, Notice::Unpaused, at);
                self.amend(&id, |c| c.paused = false);
                return self.touch(&id, now);
            }
            Action::Health(health) => {
                self.notice(&id, Notice::Health(health.into()), at);
                self.amend(&id, |c| c.health = health.into());
                return self.touch(&id, now);
            }
            Action::Disconnect(network) => {
                let update = Update::Disconnected { container: id.clone(), network_id: network.clone() };
                drop(self.updates.send(update));
                self.amend(&id, |c| c.networks.retain(|n| n.id != network));
            }
            // Out of memory is about one process, which need not be the container's first: if it was, `die` follows.
            Action::Connect if known => self.heard(&id),
            Action::Connect | Action::Rename | Action::Update | Action::Oom => {}
        }
        // Of a container that does not run, only its start matters.
        if known || self.in_flight.contains_key(&id) {
            self.touch(&id, now);
        }
    }

    /// Takes in a list. Whatever had events since the list began is left to them.
    pub(super) fn listed(&mut self, list: Vec<ListedContainer>, now: Instant) -> Listed {
        if list.is_empty() && !self.known.is_empty() && !self.doubted {
            self.doubted = true;
            return Listed::AskAgain;
        }
        self.doubted = false;
        let first = matches!(self.resync, Resync::AwaitsList);
        let listed: HashSet<&str> = list.iter().map(|l| l.id.as_str()).collect();
        let gone: Vec<(String, bool)> = self
            .known
            .iter()
            .filter(|(id, _)| !listed.contains(id.as_str()) && !self.touched.contains(*id))
            .map(|(id, known)| (id.clone(), known.container.running))
            .collect();
        for (id, ran) in gone {
            self.forget(&id);
            if ran && !first {
                self.suspect(id, now);
            }
        }
        self.failed.retain(|id, _| listed.contains(id.as_str()));
        let mut pending = HashSet::new();
        for entry in &list {
            let asked = self.in_flight.contains_key(&entry.id) || self.urgent.contains(&entry.id);
            if !asked {
                self.background.add(&entry.id, now);
            }
            // An event is on its way, or was lost: time will tell which.
            let told = asked || self.touched.contains(&entry.id) || self.failed.contains_key(&entry.id);
            if entry.alive && !first && !told && !self.known.contains_key(&entry.id) {
                self.found.insert(entry.id.clone());
            }
            pending.insert(entry.id.clone());
        }
        let deadline = now + self.timing.patience;
        self.resync = Resync::Inspecting { pending, deadline };
        Listed::Applied
    }

    /// The next container to be inspected, if one is due.
    pub(super) fn next_inspect(&mut self, now: Instant) -> Option<String> {
        while let Some(id) = self.rechecks.pop(now) {
            if self.known.get(&id).is_some_and(|k| k.container.running) {
                self.rechecked.insert(id.clone());
                self.urgent.add(&id, now);
            }
        }
        loop {
            let id = self.urgent.pop(now).or_else(|| self.background.pop(now))?;
            self.background.remove(&id);
            if let Some(asked) = self.in_flight.get_mut(&id) {
                // Once is enough at a time; it is asked again when this one has come back.
                asked.stale.get_or_insert(now);
                continue;
            }
            self.in_flight.insert(id.clone(), Asked::default());
            return Some(id);
        }
    }

    /// When the next inspect is due.
    pub(super) fn next_due(&self) -> Option<Instant> {
        [&self.urgent, &self.background, &self.rechecks].into_iter().filter_map(Queue::next_due).min()
    }

    /// Takes in an inspect. Returns what is worth a line in the log.
    pub(super) fn inspected(
        &mut self,
        id: &str,
        result: Result<Option<Container>, EngineError>,
        now: Instant,
    ) -> Option<String> {
        let asked = self.in_flight.remove(id)?;
        if asked.destroyed {
            // A list from before its end may have put it on the list again.
            self.settled(id);
            return None;
        }
        if let Some(since) = asked.stale {
            self.urgent.add(id, now.max(since + self.timing.coalesce));
            return None;
        }
        let mut complaint = None;
        match result {
            Ok(Some(container)) => {
                self.failed.remove(id);
                self.learn(id, container, now);
            }
            Ok(None) => {
                self.failed.remove(id);
                self.forget(id);
            }
            Err(error) => complaint = self.complain(id, &error, now),
        }
        self.found.remove(id);
        self.settled(id);
        complaint
    }

    /// Sends a snapshot if one is due.
    pub(super) fn publish(&mut self, now: Instant) -> Outcome {
        let mut outcome = Outcome { containers: self.known.len(), ..Outcome::default() };
        if let Resync::Inspecting { pending, deadline } = &self.resync
            && (pending.is_empty() || now >= *deadline)
        {
            self.resync = Resync::Done;
            outcome.resynced = true;
        }
        if self.changed && !self.in_flight.is_empty() {
            self.held.get_or_insert(now + self.timing.coalesce);
        }
        let due = self.snapshot_due().is_some_and(|due| now >= due);
        if outcome.resynced || due {
            outcome.first = self.sent.is_none();
            self.sent = Some(now);
            self.changed = false;
            self.held = None;
            let snapshot = self.known.values().map(|k| Arc::clone(&k.container)).collect();
            drop(self.updates.send(Update::Snapshot(Arc::new(snapshot))));
        }
        if self.suspects_due.is_some_and(|due| now >= due) {
            self.suspects_due = None;
            outcome.lossy = !self.suspects.is_empty();
            self.suspects.clear();
        }
        outcome
    }

    /// When [`publish`](Self::publish) has something to do at the latest.
    pub(super) fn publish_due(&self) -> Option<Instant> {
        let snapshot = self.snapshot_due();
        let resync = match &self.resync {
            Resync::Inspecting { deadline, .. } => Some(*deadline),
            _ => None,
        };
        [snapshot, resync, self.suspects_due].into_iter().flatten().min()
    }

    /// After the first snapshot, changes are told when they are complete, but neither much later nor too often.
    fn snapshot_due(&self) -> Option<Instant> {
        let free = self.sent.filter(|_| self.changed)? + self.timing.coalesce;
        Some(self.held.filter(|_| !self.in_flight.is_empty()).map_or(free, |held| free.max(held)))
    }

    fn killed(&mut self, id: String, signal: u8, at: EngineTime, now: Instant) {
        let known = self.known.get(&id);
        // One that was never inspected has most likely the usual one; a mistake costs nothing, it is not routed yet.
        if signal != SIGKILL && signal != known.map_or(SIGTERM, |k| k.stop_signal) {
            return;
        }
        if let Some(known) = known {
            let overdue = known.container.stop_timeout.min(Duration::from_secs(365 * 86_400)) + self.timing.overdue;
            self.rechecks.remove(&id);
            self.rechecks.add(&id, now + overdue);
        }
        self.notice(&id, Notice::Terminating, at);
    }

    fn heard(&self, id: &str) {
        drop(self.updates.send(Update::Heard { container: id.to_owned() }));
    }

    fn notice(&self, id: &str, notice: Notice, at: EngineTime) {
        drop(self.updates.send(Update::Notice { container: id.to_owned(), notice, at }));
    }

    /// Writes an event's effect into what is known.
    fn amend(&mut self, id: &str, change: impl FnOnce(&mut Container)) {
        let Some(known) = self.known.get_mut(id) else { return };
        let mut container = Container::clone(&known.container);
        change(&mut container);
        if container != *known.container {
            known.container = Arc::new(container);
            self.changed = true;
        }
    }

    /// Wants an inspect soon, one for all that happens until then.
    fn touch(&mut self, id: &str, now: Instant) {
        self.touch_by(id, now, now + self.timing.coalesce);
    }

    fn touch_by(&mut self, id: &str, now: Instant, due: Instant) {
        match self.in_flight.get_mut(id) {
            Some(asked) => {
                asked.stale.get_or_insert(now);
            }
            None => {
                self.background.remove(id);
                self.urgent.add(id, due);
            }
        }
    }

    fn learn(&mut self, id: &str, mut container: Container, now: Instant) {
        container.id = id.to_owned();
        let alive = container.running || container.paused || container.restarting;
        if !alive && !container.labels.keys().any(|key| keeps_non_running(key)) {
            return self.forget(id);
        }
        if alive && self.found.contains(id) {
            self.suspect(id.to_owned(), now);
        }
        self.changed |= self.rechecked.remove(id);
        let stop_signal = container.stop_signal.as_deref().and_then(signal).unwrap_or(SIGTERM);
        match self.known.get_mut(id) {
            // The same `Arc` tells the reconciler that there is nothing to read again.
            Some(known) if *known.container == container => {}
            _ => {
                self.known.insert(id.to_owned(), Known { container: Arc::new(container), stop_signal });
                self.changed = true;
            }
        }
    }

    fn forget(&mut self, id: &str) {
        self.changed |= self.known.remove(id).is_some();
        self.urgent.remove(id);
        self.background.remove(id);
        self.rechecks.remove(id);
        self.rechecked.remove(id);
        self.failed.remove(id);
    }

    /// Nothing more is waited for from this one.
    fn settled(&mut self, id: &str) {
        if let Resync::Inspecting { pending, .. } = &mut self.resync {
            pending.remove(id);
        }
    }

    fn suspect(&mut self, id: String, now: Instant) {
        self.suspects.insert(id);
        self.suspects_due.get_or_insert(now + self.timing.event_delay);
    }

    /// Plans the next attempt. Words only for the 1st, 2nd, 4th, 8th … container that begins to fail.
    fn complain(&mut self, id: &str, error: &EngineError, now: Instant) -> Option<String> {
        let times = self.failed.entry(id.to_owned()).or_insert(0);
        *times += 1;
        let pause = Duration::from_secs(1).saturating_mul(1 << (*times - 1).min(5)).min(self.timing.reconcile);
        let is_new = *times == 1;
        self.background.add(id, now + pause);
        let count = self.failed.len();
        (is_new && count.is_power_of_two()).then(|| {
            let (name, now) = match self.known.get(id) {
                Some(known) => (known.container.name.as_str(), "what is known of it stays in force"),
                None => (id.get(..12).unwrap_or(id), "it is not routed"),
            };
            let more = if count > 1 { format!(" ({count} containers by now)") } else { String::new() };
            format!("container {name} cannot be inspected: {error}; {now}, and it is asked again{more}")
        })
    }

    /// True for an event that was handled before: the engine replays some after a reconnect.
    fn is_repeated(&mut self, event: &Event) -> bool {
        if event.at.0 == 0 {
            return false;
        }
        let mut hasher = DefaultHasher::new();
        event.hash(&mut hasher);
        let hash = hasher.finish();
        if !self.recent_set.insert(hash) {
            return true;
        }
        self.recent.push_back(hash);
        if self.recent.len() > REMEMBERED
            && let Some(oldest) = self.recent.pop_front()
        {
            self.recent_set.remove(&oldest);
        }
        false
    }
}

/// The label that keeps a container's routes while it does not run, whatever its value is: that is read elsewhere.
pub(in crate::docker) fn keeps_non_running(key: &str) -> bool {
    key.split_once('.').is_some_and(|(root, rest)| {
        (root.eq_ignore_ascii_case("traefik") || root.eq_ignore_ascii_case("seaway"))
            && rest.eq_ignore_ascii_case("docker.allownonrunning")
    })
}

#[cfg(test)]
mod simulation;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{UpdateReceiver, updates};

    /// An engine without containers, known for long.
    fn settled() -> (State, UpdateReceiver, Instant) {
        let (sender, mut receiver) = updates();
        let (mut state, began) = (State::new(sender, Timing::default()), Instant::now());
        state.begin_session();
        state.begin_list();
        assert_eq!(state.listed(Vec::new(), began), Listed::Applied);
        assert!(state.publish(began).first);
        assert!(matches!(receiver.try_recv(), Ok(Update::Snapshot(all)) if all.is_empty()));
        (state, receiver, began + Duration::from_secs(1))
    }

    fn event(state: &mut State, id: &str, action: Action, now: Instant) {
        state.event(Event { container: id.to_owned(), action, at: EngineTime(0) }, now);
    }

    fn answer(state: &mut State, id: &str, now: Instant) {
        assert_eq!(state.inspected(id, Ok(Some(Container::default())), now), None);
    }

    fn told(receiver: &mut UpdateReceiver) -> Vec<usize> {
        std::iter::from_fn(|| receiver.try_recv().ok())
            .filter_map(|update| if let Update::Snapshot(all) = update { Some(all.len()) } else { None })
            .collect()
    }

    #[test]
    fn a_start_is_asked_and_told_at_once_and_everything_else_in_a_moment() {
        let (mut state, mut receiver, now) = settled();
        event(&mut state, "a", Action::Start, now);
        assert_eq!(state.next_inspect(now).as_deref(), Some("a"));
        answer(&mut state, "a", now);
        state.publish(now);
        assert_eq!(told(&mut receiver), [1]);
        event(&mut state, "a", Action::Rename, now);
        assert_eq!(state.next_inspect(now), None);
        assert_eq!(state.next_due(), Some(now + Timing::default().coalesce));
    }

    #[test]
    fn a_burst_of_starts_is_one_snapshot() {
        let (mut state, mut receiver, now) = settled();
        for id in ["a", "b", "c"] {
            event(&mut state, id, Action::Start, now);
            assert!(state.next_inspect(now).is_some());
        }
        for id in ["a", "b", "c"] {
            assert!(told(&mut receiver).is_empty());
            answer(&mut state, id, now);
            state.publish(now);
        }
        assert_eq!(told(&mut receiver), [3]);
    }

    #[test]
    fn nobody_waits_long_for_another_ones_answer() {
        let (mut state, mut receiver, now) = settled();
        for id in ["slow", "quick"] {
            event(&mut state, id, Action::Start, now);
            assert!(state.next_inspect(now).is_some());
        }
        answer(&mut state, "quick", now);
        state.publish(now);
        assert!(told(&mut receiver).is_empty());
        let due = now + Timing::default().coalesce;
        assert_eq!(state.publish_due(), Some(due));
        state.publish(due);
        assert_eq!(told(&mut receiver), [1]);
    }
}
