//! Routers that nearly take a request.

use std::collections::BTreeSet;

use seaway_config::suggest::nearest;
use seaway_head::RequestHead;
use seaway_rule::HostPattern;
use serde::Serialize;

use crate::matcher::{Part, Subject, Trace};
use crate::table::{EntryPointTable, Route, RoutingTable};

/// Most that are told.
const MOST: usize = 8;

/// A router that nearly takes a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NearMiss {
    /// Its qualified name.
    pub name: String,
    /// What kind of miss it is.
    pub kind: Nearness,
    /// What stands in the way, and what would help, in a sentence.
    pub text: String,
}

/// How a router misses a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Nearness {
    /// One part of its rule says no.
    OnePart,
    /// Its host is spelt nearly like that.
    Host,
    /// It takes the request on another entry point.
    EntryPoint,
    /// It names the host and is off.
    Off,
}

/// `routed` tells whether another router takes the request: then there are only those of the same host to tell of.
pub(super) fn find(
    table: &RoutingTable,
    entry_point: &str,
    entry: &EntryPointTable,
    head: &RequestHead,
    traced: &[(usize, &Route, Trace)],
    routed: bool,
) -> Vec<NearMiss> {
    let mut found: Vec<NearMiss> = traced.iter().filter_map(|(_, route, trace)| one_part(route, trace)).collect();
    if routed {
        // Catch-alls that miss by a part are no news to somebody whose request arrives.
        found.retain(|miss| {
            traced.iter().any(|(_, route, _)| *route.name == *miss.name && route.matcher.hosts().is_some())
        });
        found.truncate(MOST);
        return found;
    }
    found.extend(off(table, &head.host));
    found.extend(elsewhere(table, entry_point, head));
    found.extend(near_host(entry, head));
    let mut seen = BTreeSet::new();
    found.retain(|miss| seen.insert((miss.name.clone(), miss.kind as u8)));
    found.truncate(MOST);
    found
}

/// Those that are found without looking at any router but those that were tried.
pub(super) fn cheap(
    table: &RoutingTable,
    entry_point: &str,
    entry: &EntryPointTable,
    head: &RequestHead,
) -> Vec<NearMiss> {
    let subject = Subject::new(head);
    let tried = entry.candidates(&head.host).into_iter().take(MOST).filter_map(|place| entry.routes.get(place));
    let mut found: Vec<NearMiss> = tried.filter_map(|route| one_part(route, &route.matcher.trace(&subject))).collect();
    found.extend(elsewhere(table, entry_point, head));
    found.truncate(MOST);
    found
}

fn one_part(route: &Route, trace: &Trace) -> Option<NearMiss> {
    let part = trace.only_failure()?;
    let hint = hint(part).map(|hint| format!(" ({hint})")).unwrap_or_default();
    let text = format!("it would take the request but for {}: {}{hint}", part.text, part.found());
    Some(NearMiss { name: route.name.to_string(), kind: Nearness::OnePart, text })
}

/// What would make it match.
fn hint(part: &Trace) -> Option<String> {
    let Part::Matcher { name, wants, found, about } = &part.part else { return None };
    let found = found.first()?;
    match *name {
        "Path" | "PathPrefix" if found.eq_ignore_ascii_case(wants) => {
            Some("paths tell upper from lower case".to_owned())
        }
        "Path" if found.trim_end_matches('/') == wants.trim_end_matches('/') => {
            Some("a slash at the end makes another path; PathPrefix takes both".to_owned())
        }
        "Path" if found.starts_with(&format!("{}/", wants.trim_end_matches('/'))) => {
            Some(format!("Path takes that path alone; PathPrefix(`{wants}`) takes what is below it too"))
        }
        "PathPrefix" if wants.trim_end_matches('/') == found => {
            Some(format!("the rule asks for a slash at the end; PathPrefix(`{found}`) takes both"))
        }
        "Header" if found.eq_ignore_ascii_case(wants) => Some(format!("values of {about} tell upper from lower case")),
        _ => None,
    }
}

/// Routers whose rules cannot be read, or that have no entry point, and name the host.
fn off(table: &RoutingTable, host: &str) -> Vec<NearMiss> {
    let names_it = |rule: &str| !host.is_empty() && rule.to_ascii_lowercase().contains(host);
    let lost = table.routers.iter().filter(|(_, info)| info.using.is_empty() && names_it(&info.rule));
    lost.map(|(name, info)| NearMiss {
        name: name.to_string(),
        kind: Nearness::Off,
        text: format!("it names this host and is off: {}", info.errors.first().map_or("", String::as_str)),
    })
    .collect()
}

fn elsewhere(table: &RoutingTable, entry_point: &str, head: &RequestHead) -> Vec<NearMiss> {
    let others = table.entry_points.iter().filter(|(name, _)| *name != entry_point);
    let taken = others.filter_map(|(other, entry)| Some((other, entry.find(head)?)));
    // Seaway's own routers on its own entry point take every host.
    let taken = taken.filter(|(_, route)| !route.name.ends_with("@internal"));
    taken
        .map(|(other, route)| NearMiss {
            name: route.name.to_string(),
            kind: Nearness::EntryPoint,
            text: format!("it takes the request on entry point {other}, and does not listen on {entry_point}"),
        })
        .collect()
}

/// Routers that would take the request if its host were spelt as theirs.
fn near_host(entry: &EntryPointTable, head: &RequestHead) -> Vec<NearMiss> {
    let asked = &*head.host;
    let named = |route: &Route| -> Vec<String> {
        let hosts = route.matcher.hosts().into_iter().flatten();
        hosts.filter(|host| matches!(host, HostPattern::Exact(_))).map(HostPattern::to_string).collect()
    };
    let known: BTreeSet<String> = entry.routes.iter().flat_map(named).collect();
    let www = asked.strip_prefix("www.").map_or_else(|| format!("www.{asked}"), str::to_owned);
    let meant =
        if known.contains(&www) { Some(www.as_str()) } else { nearest(asked, known.iter().map(String::as_str)) };
    let Some(meant) = meant.filter(|meant| *meant != asked) else { return Vec::new() };
    let mut head = head.clone();
    head.host = meant.into();
    let subject = Subject::new(&head);
    let routes = entry.candidates(meant).into_iter().filter_map(|place| entry.routes.get(place));
    let routes = routes.filter(|route| route.matcher.hosts().is_some() && route.matcher.takes(&subject));
    routes
        .map(|route| NearMiss {
            name: route.name.to_string(),
            kind: Nearness::Host,
            text: format!("its host is {meant}, the request's is {asked}"),
        })
        .collect()
}
