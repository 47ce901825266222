//! The event stream: bytes into lines, lines into what they mean for routing. Whoever reads it does nothing else, because
//! the engine drops events for a slow reader and slows down all its own calls meanwhile.

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use seaway_config::model::DockerHealth;
use serde::Deserialize;

use super::client::is_id;
use super::engine::EngineError;
use crate::EngineTime;

/// Longest event; labels are repeated in it.
const LONGEST: usize = 1024 * 1024;

/// What happened to one container.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Event {
    /// The container's id.
    pub(super) container: String,
    pub(super) action: Action,
    /// By the engine's clock.
    pub(super) at: EngineTime,
}

/// The actions that matter.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Action {
    Start,
    Die,
    Destroy,
    /// The engine sent this signal.
    Kill(u8),
    Stop,
    Pause,
    Unpause,
    Rename,
    Update,
    Oom,
    Health(Health),
    /// Joined a network.
    Connect,
    /// Left the network of this id.
    Disconnect(String),
}

/// [`DockerHealth`] with what a set of events needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Health {
    Starting,
    Healthy,
    Unhealthy,
}

impl From<Health> for DockerHealth {
    fn from(health: Health) -> Self {
        match health {
            Health::Starting => Self::Starting,
            Health::Healthy => Self::Healthy,
            Health::Unhealthy => Self::Unhealthy,
        }
    }
}

/// Signal 9, which no process survives.
pub(super) const SIGKILL: u8 = 9;
/// What the engine sends where nothing is configured.
pub(super) const SIGTERM: u8 = 15;

impl Event {
    /// Reads one line; `None` if it is none of ours: another type, another action, or not readable.
    fn parse(line: &[u8]) -> Option<Self> {
        let text = String::from_utf8_lossy(line);
        serde_json::from_str::<Raw>(&text).ok()?.event()
    }
}

#[derive(Deserialize)]
struct Raw {
    #[serde(rename = "Type", default)]
    kind: String,
    #[serde(rename = "Action", default)]
    action: String,
    #[serde(rename = "Actor", default)]
    actor: Actor,
    #[serde(rename = "timeNano", default)]
    nanos: u64,
}

#[derive(Default, Deserialize)]
struct Actor {
    #[serde(rename = "ID", default)]
    id: String,
    #[serde(rename = "Attributes", default)]
    attributes: Attributes,
}

/// A container's labels are attributes too; only these two are made values.
#[derive(Default, Deserialize)]
struct Attributes {
    #[serde(default)]
    signal: String,
    #[serde(default)]
    container: String,
}

impl Raw {
    fn event(self) -> Option<Event> {
        let at = EngineTime(self.nanos);
        let Actor { id, attributes } = self.actor;
        let (container, action) = match (self.kind.as_str(), self.action.as_str()) {
            ("container", action) => (id, container_action(action, &attributes)?),
            ("network", "connect") => (attributes.container, Action::Connect),
            ("network", "disconnect") => (attributes.container, Action::Disconnect(id)),
            _ => return None,
        };
        is_id(&container).then_some(Event { container, action, at })
    }
}

fn container_action(action: &str, attributes: &Attributes) -> Option<Action> {
    Some(match action {
        "start" => Action::Start,
        "die" => Action::Die,
        "destroy" => Action::Destroy,
        "kill" => Action::Kill(signal(&attributes.signal)?),
        "stop" => Action::Stop,
        "pause" => Action::Pause,
        "unpause" => Action::Unpause,
        "rename" => Action::Rename,
        "update" => Action::Update,
        "oom" => Action::Oom,
        other => Action::Health(match other.strip_prefix("health_status:")?.trim() {
            "starting" => Health::Starting,
            "healthy" => Health::Healthy,
            "unhealthy" => Health::Unhealthy,
            _ => return None,
        }),
    })
}

/// A signal by number or by name, with or without `SIG`: `15`, `SIGTERM`, `term`, `RTMIN+3`, `SIGRTMAX-1`. Linux numbers
/// (x86, Arm and most others), because that is where containers run.
pub(super) fn signal(text: &str) -> Option<u8> {
    const NAMES: [&str; 31] = [
        "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE", "ALRM",
        "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ", "VTALRM", "PROF",
        "WINCH", "IO", "PWR", "SYS",
    ];
    const RTMIN: u8 = 34;
    const RTMAX: u8 = 64;
    let text = text.trim().to_ascii_uppercase();
    if let Ok(number) = text.parse::<u8>() {
        return (1..=RTMAX).contains(&number).then_some(number);
    }
    let name = text.strip_prefix("SIG").unwrap_or(&text);
    let number = match name {
        "RTMIN" => Some(RTMIN),
        "RTMAX" => Some(RTMAX),
        "IOT" => Some(6),
        "CLD" => Some(17),
        "POLL" => Some(29),
        "UNUSED" => Some(31),
        _ => match (name.strip_prefix("RTMIN+"), name.strip_prefix("RTMAX-")) {
            (Some(up), _) => RTMIN.checked_add(up.parse().ok()?),
            (_, Some(down)) => RTMAX.checked_sub(down.parse().ok()?),
            _ => NAMES.iter().zip(1u8..).find(|(n, _)| **n == name).map(|(_, number)| number),
        },
    };
    number.filter(|n| (1..=RTMAX).contains(n))
}

/// Takes the stream apart into events.
pub(super) struct Frames {
    body: Incoming,
    lines: Lines,
}

impl Frames {
    pub(super) fn new(body: Incoming) -> Self {
        Self { body, lines: Lines::default() }
    }

    /// Waits for more and hands every event in it to `sink`. False at the end of the stream.
    pub(super) async fn read(&mut self, sink: impl FnMut(Event)) -> Result<bool, EngineError> {
        match self.body.frame().await {
            None => Ok(false),
            Some(Err(error)) => Err(EngineError::talk(format!("the event stream broke: {error}"))),
            Some(Ok(frame)) => {
                self.lines.push(&frame.into_data().unwrap_or_default(), sink);
                Ok(true)
            }
        }
    }
}

/// Bytes that are no whole line yet.
#[derive(Default)]
struct Lines {
    rest: Vec<u8>,
    /// The line under way is too long: forget it up to its end.
    skipping: bool,
}

impl Lines {
    fn push(&mut self, bytes: &Bytes, mut sink: impl FnMut(Event)) {
        let mut bytes = &bytes[..];
        while let Some(end) = bytes.iter().position(|b| *b == b'\n') {
            let (line, after) = bytes.split_at(end);
            bytes = after.get(1..).unwrap_or_default();
            if !std::mem::take(&mut self.skipping) && self.rest.len() + line.len() <= LONGEST {
                self.rest.extend_from_slice(line);
                each(&self.rest, &mut sink);
            }
            self.rest.clear();
        }
        if self.skipping || self.rest.len() + bytes.len() > LONGEST {
            self.rest = Vec::new();
            self.skipping = true;
            return;
        }
        self.rest.extend_from_slice(bytes);
        // The engine ends each event with a line feed. Should one not, a whole object is still not kept waiting for the
        // next one; the size bound keeps a large one that comes in pieces from being read again and again.
        let whole = self.rest.len() < 16 * 1024
            && self.rest.trim_ascii_end().ends_with(b"}")
            && serde_json::from_slice::<serde::de::IgnoredAny>(&self.rest).is_ok();
        if whole {
            each(&self.rest, &mut sink);
            self.rest.clear();
        }
    }
}

/// The events of one line: one, but nothing forbids several objects.
fn each(line: &[u8], sink: &mut impl FnMut(Event)) {
    if let Some(event) = Event::parse(line) {
        return sink(event);
    }
    let text = String::from_utf8_lossy(line);
    let mut objects = serde_json::Deserializer::from_str(&text).into_iter::<Raw>();
    while let Some(Ok(raw)) = objects.next() {
        if let Some(event) = raw.event() {
            sink(event);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(chunks: &[&[u8]]) -> Vec<Event> {
        let (mut lines, mut found) = (Lines::default(), Vec::new());
        for chunk in chunks {
            lines.push(&Bytes::copy_from_slice(chunk), |event| found.push(event));
        }
        found
    }

    fn event(container: &str, action: Action) -> Event {
        Event { container: container.to_owned(), action, at: EngineTime(7) }
    }

    const START: &[u8] = br#"{"status":"start","id":"a","Type":"container","Action":"start","Actor":{"ID":"a","Attributes":{"name":"x","l":"\ud800"}},"time":1,"timeNano":7}"#;

    fn json(kind: &str, action: &str, id: &str, attributes: &str) -> Vec<u8> {
        format!(
            r#"{{"Type":"{kind}","Action":"{action}","Actor":{{"ID":"{id}","Attributes":{{{attributes}}}}},"timeNano":7}}"#
        )
        .into_bytes()
    }

    #[test]
    fn actions_are_told_apart() {
        for (kind, action, attributes, expected) in [
            ("container", "kill", r#""signal":"15""#, Some(Action::Kill(15))),
            ("container", "kill", r#""signal":"SIGHUP""#, Some(Action::Kill(1))),
            ("container", "kill", r#""signal":"?""#, None),
            ("container", "die", r#""exitCode":"0""#, Some(Action::Die)),
            ("container", "health_status: healthy", "", Some(Action::Health(Health::Healthy))),
            ("container", "health_status: odd", "", None),
            ("container", "exec_start: sh", "", None),
            ("image", "start", "", None),
        ] {
            let found = Event::parse(&json(kind, action, "a", attributes));
            assert_eq!(found, expected.map(|action| event("a", action)), "{kind} {action}");
        }
        let left = Event::parse(&json("network", "disconnect", "n1", r#""container":"c1""#));
        assert_eq!(left, Some(event("c1", Action::Disconnect("n1".to_owned()))));
        assert_eq!(Event::parse(&json("container", "start", "../x", "")), None, "an id is part of a path");
    }

    #[test]
    fn events_come_whole_however_they_are_cut() {
        let start = event("a", Action::Start);
        let line = [START, b"\r\n"].concat();
        let pieces: Vec<_> = line.chunks(3).collect();
        assert_eq!(all(&pieces), std::slice::from_ref(&start));
        assert_eq!(all(&[&[&line[..], &line[..]].concat()]), [start.clone(), start.clone()]);
        assert_eq!(all(&[&[START, START, b"\n"].concat()]), [start.clone(), start.clone()], "no line end between");
        assert_eq!(all(&[START]), std::slice::from_ref(&start), "no line end at all");
        assert_eq!(all(&[START, b"\n", &line]), [start.clone(), start]);
    }

    #[test]
    fn garbage_is_skipped_and_the_stream_goes_on() {
        let line = [START, b"\n"].concat();
        for bad in [&b"\xff\xfe{]\n"[..], b"{\"Type\":\"container\"\n", b"null\n[]\n\n", b"{\"Actor\":null}\n"] {
            assert_eq!(all(&[bad, &line]).len(), 1, "{bad:?}");
        }
        let huge = vec![b'x'; 3 * LONGEST];
        let mut chunks: Vec<_> = huge.chunks(60_000).collect();
        chunks.extend([&b"\n"[..], &line]);
        assert_eq!(all(&chunks).len(), 1, "too long a line is forgotten");
    }

    #[test]
    fn signals_by_name_and_number() {
        for (text, expected) in [
            ("15", Some(15)),
            ("SIGTERM", Some(15)),
            ("term", Some(15)),
            ("SIGKILL", Some(9)),
            ("QUIT", Some(3)),
            ("SIGWINCH", Some(28)),
            ("SIGRTMIN", Some(34)),
            ("SIGRTMIN+3", Some(37)),
            ("RTMAX-2", Some(62)),
            ("RTMIN+31", None),
            ("RTMAX-300", None),
            ("0", None),
            ("65", None),
            ("", None),
            ("SIGNAL", None),
        ] {
            assert_eq!(signal(text), expected, "{text:?}");
        }
    }
}
