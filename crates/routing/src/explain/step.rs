//! What the middlewares of a route do to a request.
//!
//! Those that depend on the head alone are run on a copy of it. Those that count, ask, or check are not: a question
//! must not use up somebody's share. Of these it is said what they may do.

use std::collections::BTreeMap;
use std::time::Duration;

use http::HeaderMap;
use seaway_config::model::{self, Name};
use seaway_head::RequestHead;
use seaway_middleware::protocol::{Asked, Length};
use seaway_middleware::{Context, Flow, Memory, Middleware};
use serde::Serialize;

use super::Outcome;
use crate::table::{Route, RouteTarget, RoutingTable};

/// Chains of chains go no deeper than this; the compiler refuses circles.
const DEEPEST: usize = 64;

/// Middlewares that only look at the head and change it.
const HEAD_ALONE: &[&str] = &[
    "addprefix",
    "stripprefix",
    "stripprefixregex",
    "replacepath",
    "replacepathregex",
    "headers",
    "redirectscheme",
    "redirectregex",
    "ipallowlist",
    "ipwhitelist",
    "encodedcharacters",
];

/// A middleware and what it does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// Its qualified name.
    pub name: String,
    /// Its type, in lower case.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// In a sentence.
    pub effect: String,
    /// What it changed of the request.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<Changed>,
}

/// A part of a request that is another afterwards.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Changed {
    /// `path`, `host`, or a header's name.
    pub what: String,
    /// What it was; nothing if it was not there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// What it is; nothing if it is gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
}

/// Leads a request through the chain. The answer of the middleware that does not let it pass, where one does not.
pub(super) fn walk(table: &RoutingTable, route: &Route, head: &mut RequestHead) -> (Vec<Step>, Option<Outcome>) {
    let names = names(table, route);
    let asked = head.clone();
    let mut steps = Vec::new();
    for (at, middleware) in route.chain.iter().enumerate() {
        let kind = middleware.kind();
        // The lists are made in the same way; one that differs is of another table.
        let name = names.get(at).filter(|_| names.len() == route.chain.len());
        let name = name.map_or_else(|| kind.to_owned(), Name::to_string);
        let (effect, changes, answer) = run(middleware, &asked, head);
        steps.push(Step { name: name.clone(), kind, effect, changes });
        if let Some((status, reason)) = answer {
            let text = format!("middleware {name} answers {status}; nothing behind it sees the request");
            return (steps, Some(Outcome { status: Some(status), text, error: Some(reason.to_owned()) }));
        }
    }
    (steps, None)
}

/// Runs one on the head, where that uses nothing up.
fn run(
    middleware: &Middleware,
    asked: &RequestHead,
    head: &mut RequestHead,
) -> (String, Vec<Changed>, Option<(u16, &'static str)>) {
    let kind = middleware.kind();
    if !HEAD_ALONE.contains(&kind) {
        return (may_do(kind).to_owned(), Vec::new(), None);
    }
    let before = head.clone();
    let (mut memory, mut user, mut remember) = (Memory::Nothing, None, 0);
    let mut context = Context {
        now: Duration::ZERO,
        asked: Asked {
            method: &asked.method,
            target: Some(asked.target.as_path_and_query()),
            host: asked.headers.get(http::header::HOST),
            body: Length::None,
            upgrade: false,
        },
        certificates: &[],
        memory: &mut memory,
        user: &mut user,
        remember: &mut remember,
    };
    match middleware.on_request(head, &mut context) {
        Flow::Answer(answer) => {
            let location = answer.headers.get(http::header::LOCATION).map(text);
            let effect = match location {
                Some(location) => format!("answers {}: to {location}", answer.status),
                None => format!("answers {}: {}", answer.status, answer.reason),
            };
            (effect, Vec::new(), Some((answer.status.as_u16(), answer.reason)))
        }
        _ => {
            let changes = differences(&before, head);
            let effect = match changes.is_empty() {
                true if kind.starts_with("ip") => "lets the client pass".to_owned(),
                true => "changes nothing of this request".to_owned(),
                false => changes.iter().map(Changed::words).collect::<Vec<_>>().join("; "),
            };
            (effect, changes, None)
        }
    }
}

fn may_do(kind: &str) -> &'static str {
    match kind {
        "basicauth" | "digestauth" => "asks for user and password, and answers 401 without",
        "forwardauth" => "asks its server, which may answer in place of the service",
        "inflightreq" => "answers 429 while too many requests are under way",
        "ratelimit" => "answers 429 to who asks too often",
        "circuitbreaker" => "answers for the service while that fails too often",
        "buffering" => "reads the whole body first, and answers 413 if it is too long",
        "retry" => "sends the request once more where no answer comes",
        "errors" => "shows a page of its own in place of some answers",
        "compress" => "compresses the answer where the client takes that",
        "contenttype" => "settles the type of answers that name none",
        "grpcweb" => "translates between gRPC-Web and gRPC",
        "passtlsclientcert" => "tells the service of the client's certificate",
        _ => "is not tried by asking",
    }
}

impl Changed {
    fn words(&self) -> String {
        match (&self.from, &self.to) {
            (Some(from), Some(to)) => format!("{} {from} → {to}", self.what),
            (None, Some(to)) => format!("adds {}: {to}", self.what),
            (_, None) => format!("removes {}", self.what),
        }
    }
}

fn differences(before: &RequestHead, after: &RequestHead) -> Vec<Changed> {
    let path = |head: &RequestHead| head.target.as_path_and_query().to_string();
    let mut changes = Vec::new();
    let mut note = |what: &str, from: Option<String>, to: Option<String>| {
        if from != to {
            changes.push(Changed { what: what.to_owned(), from, to });
        }
    };
    note("path", Some(path(before)), Some(path(after)));
    let (old, new) = (values(&before.headers), values(&after.headers));
    let names: std::collections::BTreeSet<&str> = old.keys().chain(new.keys()).copied().collect();
    for name in names {
        note(name, old.get(name).cloned(), new.get(name).cloned());
    }
    changes
}

/// Each header's values, joined.
fn values(headers: &HeaderMap) -> BTreeMap<&str, String> {
    let joined = |name: &http::HeaderName| headers.get_all(name).iter().map(text).collect::<Vec<_>>().join(", ");
    headers.keys().map(|name| (name.as_str(), joined(name))).collect()
}

fn text(value: &http::HeaderValue) -> String {
    String::from_utf8_lossy(value.as_bytes()).into_owned()
}

/// The names of the chain's middlewares, as the configuration lists them.
fn names(table: &RoutingTable, route: &Route) -> Vec<Name> {
    let config = &table.config;
    let mut flat = Vec::new();
    let Some((local, provider)) = route.name.rsplit_once('@') else { return flat };
    let router = config.routers.get(&Name::new(local, provider));
    let list = router.map(|declared| &*declared.value.middlewares).unwrap_or_default();
    flatten(table, list, provider, &mut flat, 0);
    if let RouteTarget::Service(place) = &route.target
        && let Some(service) = table.services.get(*place)
        && let Some(declared) = config.services.get(&service.name)
    {
        flatten(table, &declared.value.options.middlewares, &service.name.provider, &mut flat, 0);
    }
    flat
}

fn flatten(table: &RoutingTable, references: &[String], provider: &str, into: &mut Vec<Name>, depth: usize) {
    for reference in references {
        let name = Name::resolve(reference, provider);
        match table.config.middlewares.get(&name).map(|declared| &declared.value) {
            Some(model::Middleware::Chain(chain)) if depth < DEEPEST => {
                flatten(table, &chain.middlewares, &name.provider, into, depth + 1);
            }
            _ => into.push(name),
        }
    }
}
