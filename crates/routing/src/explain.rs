//! Why a request goes where it goes: the same matchers, middlewares and servers that route it, asked and written down.
//!
//! Nothing changes by asking: no position of a balancer moves on, no limiter counts.

mod ask;
mod near;
mod server;
mod step;
#[cfg(test)]
mod tests;

use seaway_head::RequestHead;
use serde::Serialize;

use crate::Millis;
use crate::matcher::{Subject, Trace};
use crate::table::{EntryPointTable, Route, RouteTarget, RoutingTable};

pub use ask::{Question, head};
pub use near::{NearMiss, Nearness};
pub use server::{Choice, ServerSeen, ServiceSeen, Turned};
pub use step::{Changed, Step};

/// Most routers that are listed.
const MOST: usize = 500;

/// Where a request goes, and why.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// What was asked about, as routing sees it.
    pub request: Request,
    /// The entry point.
    pub entry_point: String,
    /// The routers that are tried for this host, in their order.
    pub routers: Vec<Candidate>,
    /// How many routers of the entry point are not tried, because their rules name other hosts.
    pub others: usize,
    /// The router that takes the request.
    pub router: Option<String>,
    /// Routers that nearly take it: all there is to say where nobody does.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub near_misses: Vec<NearMiss>,
    /// The middlewares in the order in which the request passes them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub middlewares: Vec<Step>,
    /// The service behind them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<ServiceSeen>,
    /// What the client gets.
    pub outcome: Outcome,
}

/// A request as routing sees it: host and path are canonical.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    /// The method.
    pub method: String,
    /// `http` or `https`.
    pub scheme: &'static str,
    /// The host, without port.
    pub host: String,
    /// The path that rules match on.
    pub path: String,
    /// The query; empty for none.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub query: String,
    /// The address that it comes from.
    pub client: String,
}

/// A router that is tried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Candidate {
    /// Its qualified name.
    pub name: String,
    /// Higher is tried first.
    pub priority: i64,
    /// Its rule.
    pub rule: String,
    /// What became of it.
    pub verdict: Verdict,
    /// The first part of the rule that does not take the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failed: Option<Failed>,
}

/// What became of a router that was tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Verdict {
    /// It takes the request.
    Takes,
    /// Its rule does not.
    Fails,
    /// Its rule would, but another router comes first.
    ComesLater,
}

/// A part of a rule that does not take a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Failed {
    /// The part: ``PathPrefix(`/x`)``.
    pub part: String,
    /// What the request has there: `the path is /y`.
    pub found: String,
}

/// What the client gets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    /// The status, where it does not depend on a server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// What happens, in a sentence.
    pub text: String,
    /// The word that the log has for it, where something is in the way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// Explains what would happen to a request on an entry point.
pub fn explain(table: &RoutingTable, entry_point: &str, head: &RequestHead, now: Millis) -> Explanation {
    let nothing = EntryPointTable::default();
    let entry = table.entry_points.get(entry_point).map_or(&nothing, |entry| &**entry);
    let subject = Subject::new(head);
    let found = entry.find(head);
    let taken = found.and_then(|route| entry.routes.element_offset(route));
    let places = entry.candidates(&head.host);
    let others = entry.routes.len().saturating_sub(places.len());
    let traced = |place: &usize| Some((*place, entry.routes.get(*place)?));
    let traced =
        places.iter().take(MOST).filter_map(traced).map(|(place, route)| (place, route, route.matcher.trace(&subject)));
    let traced: Vec<(usize, &Route, Trace)> = traced.collect();
    let routers = traced.iter().map(|(place, route, trace)| candidate(route, trace, Some(*place) == taken)).collect();
    let mut told = Explanation {
        request: request(head, &subject),
        entry_point: entry_point.to_owned(),
        routers,
        others,
        router: found.map(|route| route.name.to_string()),
        near_misses: near::find(table, entry_point, entry, head, &traced, found.is_some()),
        middlewares: Vec::new(),
        service: None,
        outcome: unrouted(table, entry_point),
    };
    if let Some(route) = found {
        follow(table, route, head, now, &mut told);
    }
    told
}

/// Why no router of an entry point takes a request: a word, as metrics have it.
pub fn unrouted_reason(entry: Option<&EntryPointTable>, head: &RequestHead) -> &'static str {
    match entry {
        None => "no_routers",
        Some(entry) if entry.routes.is_empty() => "no_routers",
        Some(entry) if entry.names_host(&head.host) => "no_rule",
        Some(_) => "unknown_host",
    }
}

/// The same in sentences, for the client. Costs no more than the routers that were tried.
pub fn unrouted_text(table: &RoutingTable, entry_point: &str, head: &RequestHead) -> String {
    let entry = table.entry_points.get(entry_point);
    let host = head.host.escape_debug();
    let mut text = match unrouted_reason(entry.map(|entry| &**entry), head) {
        "no_routers" => format!("entry point {entry_point} has no router\n"),
        "unknown_host" => format!("no router of entry point {entry_point} names the host {host}\n"),
        _ => format!("routers of entry point {entry_point} name the host {host}, and none takes this request\n"),
    };
    if let Some(entry) = entry {
        for miss in near::cheap(table, entry_point, entry, head) {
            text.push_str(&format!("{}: {}\n", miss.name, miss.text));
        }
    }
    text
}

/// What comes behind the router.
fn follow(table: &RoutingTable, route: &Route, head: &RequestHead, now: Millis, told: &mut Explanation) {
    if let RouteTarget::Quarantined(code) = &route.target {
        let why = table.routers.iter().find(|(name, _)| name.to_string() == *route.name);
        let why = why.and_then(|(_, info)| info.errors.first()).map(|text| format!(": {text}")).unwrap_or_default();
        told.outcome = Outcome {
            status: Some(503),
            text: format!("the router is quarantined and answers 503 ({code}){why}"),
            error: Some("quarantined".to_owned()),
        };
        return;
    }
    let mut head = head.clone();
    let (steps, answered) = step::walk(table, route, &mut head);
    told.middlewares = steps;
    if let RouteTarget::Service(place) = &route.target {
        told.service = server::see(table, *place, &head, now);
    }
    told.outcome = match (answered, &route.target) {
        (Some(outcome), _) => outcome,
        (None, RouteTarget::Internal(name)) => {
            Outcome { status: None, text: format!("Seaway's own service {name} answers"), error: None }
        }
        (None, _) => match &told.service {
            Some(service) => service.outcome(),
            None => Outcome { status: Some(503), text: "the service is gone".to_owned(), error: None },
        },
    };
}

fn candidate(route: &Route, trace: &Trace, takes: bool) -> Candidate {
    let failed = trace.first_failure().map(|part| Failed { part: part.text.clone(), found: part.found() });
    Candidate {
        name: route.name.to_string(),
        priority: route.priority,
        rule: route.matcher.rule().to_owned(),
        verdict: match (takes, &failed) {
            (true, _) => Verdict::Takes,
            (false, None) => Verdict::ComesLater,
            (false, Some(_)) => Verdict::Fails,
        },
        failed,
    }
}

fn request(head: &RequestHead, subject: &Subject<'_>) -> Request {
    Request {
        method: head.method.to_string(),
        scheme: if head.secure { "https" } else { "http" },
        host: subject.host().to_owned(),
        path: head.target.routing_path().into_owned(),
        query: head.target.query().unwrap_or_default().to_owned(),
        client: head.peer.to_string(),
    }
}

fn unrouted(table: &RoutingTable, entry_point: &str) -> Outcome {
    let text = match table.entry_points.get(entry_point) {
        None => format!("there is no entry point {entry_point}"),
        Some(entry) if entry.routes.is_empty() => format!("404: entry point {entry_point} has no router"),
        Some(_) => format!("404: no router of entry point {entry_point} takes it"),
    };
    Outcome { status: Some(404), text, error: Some("no_route".to_owned()) }
}
