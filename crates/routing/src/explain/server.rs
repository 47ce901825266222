//! A service, its servers, and which of them would get a request.

use seaway_head::RequestHead;
use serde::Serialize;

use super::Outcome;
use crate::Millis;
use crate::RoutingTable;
use crate::balancer::{Asked, Strategy, Tried};
use crate::composite::Turn;
use crate::state::Silence;
use crate::sticky::{Claim, Moved, Verdict};
use crate::table::{Server, Service};

/// How long ago a service may have had a server for requests to wait for its return.
const REMEMBERED: std::time::Duration = std::time::Duration::from_secs(60);

/// A service as a request meets it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceSeen {
    /// Its qualified name.
    pub name: String,
    /// How a server is chosen.
    pub strategy: &'static str,
    /// The cookie that keeps clients where they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cookie: Option<String>,
    /// Services that stand before it, the outermost first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub way: Vec<Turned>,
    /// Its servers, ready or not.
    pub servers: Vec<ServerSeen>,
    /// Who would get the request; nobody, if none is ready.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub choice: Option<Choice>,
    /// Requests would wait for a server to come back.
    pub waits: bool,
}

/// A service that hands the request to another one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Turned {
    /// Its qualified name.
    pub service: String,
    /// What it does, as the API calls it.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// Who gets the request.
    pub to: String,
    /// Why, in a sentence.
    pub why: String,
}

/// A server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ServerSeen {
    /// As people call it.
    pub name: String,
    /// Its URL.
    pub url: String,
    /// Its container's id, or its URL.
    pub container: String,
    /// Its state in one word.
    pub state: &'static str,
    /// Why its port does not accept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<&'static str>,
    /// Its share.
    pub weight: u32,
    /// Requests that it has in its hands.
    pub in_flight: u32,
}

/// Who gets a request, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Choice {
    /// As people call it.
    pub server: String,
    /// Its URL.
    pub url: String,
    /// Why this one, in a sentence.
    pub why: String,
    /// What became of the client's affinity: `none`, `new`, `hit`, `moved`, `invalid`.
    pub sticky: &'static str,
    /// Why it moved.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'static str>,
}

impl ServiceSeen {
    /// What the client gets if the request comes as far as this.
    pub(super) fn outcome(&self) -> Outcome {
        match (&self.choice, self.waits) {
            (Some(choice), _) => {
                Outcome { status: None, text: format!("{} at {} answers", choice.server, choice.url), error: None }
            }
            (None, waits) => {
                let wait = if waits { "the request waits for one to come back, then it gets 503" } else { "503" };
                let text = format!("{wait}: service {} has no server that takes requests", self.name);
                let status = (!waits).then_some(503);
                Outcome { status, text, error: Some("no_server".to_owned()) }
            }
        }
    }
}

/// Looks at the service at `place`, and at those that it stands before. Nothing changes.
pub(super) fn see(table: &RoutingTable, place: usize, head: &RequestHead, now: Millis) -> Option<ServiceSeen> {
    let asked = Asked::from(head);
    let (turns, leaf) = table.foresee(place, &asked);
    let service = table.services.get(leaf.unwrap_or(place))?;
    let turned = |turn: Turn| Turned {
        service: turn.service.to_string(),
        kind: turn.kind,
        to: turn.to.to_string(),
        why: turn.why,
    };
    let choice = choose(service, head);
    Some(ServiceSeen {
        name: service.label.to_string(),
        strategy: service.strategy.as_str(),
        way: turns.into_iter().map(turned).collect(),
        cookie: service.sticky.as_ref().map(|cookie| cookie.name().to_owned()),
        servers: service.servers.iter().map(seen).collect(),
        waits: choice.is_none() && service.had_ready_within(REMEMBERED, now),
        choice,
    })
}

fn seen(server: &Server) -> ServerSeen {
    ServerSeen {
        name: server.name.to_string(),
        url: server.url.to_string(),
        container: server.state.identity().container.to_string(),
        state: server.state.phase().as_str(),
        port: server.state.silence().map(Silence::as_str),
        weight: server.weight,
        in_flight: server.state.in_flight(),
    }
}

fn choose(service: &Service, head: &RequestHead) -> Option<Choice> {
    let takes = |server: &Server| server.state.keeps_sessions();
    let claim = service
        .sticky
        .as_ref()
        .map(|sticky| (sticky.name(), sticky.claim(head.headers.cookies(), &service.servers, takes)));
    let (verdict, before) = match claim {
        None => (Verdict::None, String::new()),
        Some((cookie, Claim::Absent)) => (Verdict::New, format!("there is no cookie {cookie}; ")),
        Some((cookie, Claim::Unknown)) => (Verdict::Invalid, format!("the cookie {cookie} names no server; ")),
        Some((cookie, Claim::Departed)) => {
            (Verdict::Moved(Moved::Gone), format!("the cookie {cookie} names a server that is gone; "))
        }
        Some((cookie, Claim::Server { index, replaced, .. })) => {
            let server = service.servers.get(index)?;
            if takes(server) {
                let verdict = if replaced { Verdict::Moved(Moved::Replaced) } else { Verdict::Hit };
                return Some(chosen(server, verdict, format!("the cookie {cookie} names it")));
            }
            let moved = Verdict::Moved(Moved::from(server, &Tried::default()));
            let state = server.state.phase().as_str();
            (moved, format!("the cookie {cookie} names {}, which is {state}; ", server.name))
        }
    };
    let ready = |server: &Server| server.state.is_ready();
    let index = service.balancer.peek(service, ready);
    let last = || service.balancer.peek(service, |server| server.state.is_last_resort());
    let count = service.servers.iter().filter(|server| ready(server) && server.weight > 0).count();
    let turns = service.strategy == Strategy::RoundRobin;
    let (index, why) = match index {
        _ if !turns && count > 1 => service.foresee(head)?,
        Some(index) if count == 1 => (index, "it is the only one that is ready".to_owned()),
        Some(index) => (index, format!("it is next in turn of the {count} that are ready")),
        None if head.method.is_idempotent() => (last()?, "it is terminating, and none else is left".to_owned()),
        None => return None,
    };
    Some(chosen(service.servers.get(index)?, verdict, format!("{before}{why}")))
}

fn chosen(server: &Server, verdict: Verdict, why: String) -> Choice {
    Choice {
        server: server.name.to_string(),
        url: server.url.to_string(),
        why,
        sticky: verdict.as_str(),
        reason: verdict.reason(),
    }
}
