//! What the engine said meanwhile: which containers were told to end, and when.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;

use super::follow::Follower;

/// Events of one project's containers, from its making on.
#[derive(Debug)]
pub(super) struct Events {
    follower: Follower,
}

/// One event.
#[derive(Clone, Debug)]
pub(super) struct Event {
    /// `kill`, `die`, `start`, …
    pub(super) action: String,
    /// The container's id, as its host name has it: twelve digits.
    pub(super) id: String,
    /// The engine's clock, which is this machine's.
    pub(super) at: Duration,
    /// The signal of a `kill`.
    pub(super) signal: Option<String>,
    /// The compose service and the container's number in it, as Seaway names servers: `web-3`.
    pub(super) server: String,
}

/// When a container was told to end, and when it had.
#[derive(Clone, Debug)]
pub(super) struct End {
    pub(super) told: Duration,
    pub(super) dead: Option<Duration>,
    /// `web-3`.
    pub(super) server: String,
}

impl Events {
    /// Listens. The stream repeats what happened since the call, so none is missed however long docker takes to start.
    pub(super) fn of(project: &str) -> Self {
        let since = format!("{:.3}", now().as_secs_f64());
        let filter = format!("label=com.docker.compose.project={project}");
        let format = "{{json .}}";
        let follower = Follower::docker(&[
            "events",
            "--since",
            &since,
            "--filter",
            "type=container",
            "--filter",
            &filter,
            "--format",
            format,
        ]);
        Self { follower }
    }

    /// Everything so far.
    pub(super) fn all(&self) -> Vec<Event> {
        self.follower.lines().iter().filter_map(|line| parse(line)).collect()
    }

    /// Waits until this container's `action` has been told.
    #[track_caller]
    pub(super) fn wait(&self, id: &str, action: &str) {
        let what = format!("event {action} of {id}");
        self.follower.wait(&what, 0, Duration::from_secs(30), |line| {
            parse(line).is_some_and(|event| event.action == action && event.id == id)
        });
    }

    /// Which containers were told to end, or ended, by their ids.
    pub(super) fn ends(&self) -> BTreeMap<String, End> {
        let mut ends: BTreeMap<String, End> = BTreeMap::new();
        for event in self.all() {
            let dead = (event.action == "die").then_some(event.at);
            let told = event.action == "kill" && matches!(event.signal.as_deref(), Some("15" | "9"));
            if told || dead.is_some() {
                let end = ends.entry(event.id).or_insert(End { told: event.at, dead, server: event.server });
                end.told = event.at.min(end.told);
                end.dead = end.dead.or(dead);
            }
        }
        ends
    }
}

/// This machine's clock.
pub(super) fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970")
}

fn parse(line: &str) -> Option<Event> {
    let event: Value = serde_json::from_str(line).ok()?;
    let attribute = |name: &str| event["Actor"]["Attributes"][name].as_str();
    let service = attribute("com.docker.compose.service").unwrap_or_default();
    let number = attribute("com.docker.compose.container-number").unwrap_or_default();
    Some(Event {
        action: event["Action"].as_str()?.to_owned(),
        id: event["Actor"]["ID"].as_str()?.get(..12)?.to_owned(),
        at: Duration::from_nanos(event["timeNano"].as_u64()?),
        signal: attribute("signal").map(ToOwned::to_owned),
        server: format!("{service}-{number}"),
    })
}
