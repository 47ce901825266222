//! What the proxy serves without a word, and what is likely not meant.

use std::collections::BTreeSet;

use seaway_config::{Code, Diagnostic, Name, Origin, Severity};
use seaway_routing::{Route, RoutingTable, cover};

/// Most routers of one entry point that are compared with one another.
const MOST_COMPARED: usize = 3000;

/// Shadowed routers, and stickiness that has nothing to choose from.
pub(super) fn of_table(table: &RoutingTable) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    let mut told = BTreeSet::new();
    for (_, entry_point) in table.entry_points.iter() {
        let mut routes: Vec<&Route> = entry_point.routes.iter().collect();
        routes.retain(|route| !route.name.ends_with("@internal"));
        routes.truncate(MOST_COMPARED);
        for narrow in &routes {
            let wide = routes
                .iter()
                .find(|wide| wide.priority > narrow.priority && cover::covers(&wide.matcher, &narrow.matcher));
            if let Some(wide) = wide
                && told.insert(narrow.name.clone())
            {
                found.extend(shadowed(table, narrow, wide));
            }
        }
    }
    found.extend(sticky_alone(table));
    found
}

fn shadowed(table: &RoutingTable, narrow: &Route, wide: &Route) -> Option<Diagnostic> {
    let config = &table.config;
    let declared = |route: &Route| config.routers.get(&Name::resolve(&route.name, ""));
    let (first, last) = (declared(wide)?, declared(narrow)?);
    let by_length = first.value.priority == 0 && last.value.priority == 0;
    let catches_all = wide.matcher.hosts().is_none() && narrow.matcher.hosts().is_some();
    let object = object(&last.origin);
    let key = format!("{object}.rule");
    let code = if by_length && catches_all { Code::CatchAllFirst } else { Code::ShadowedRouter };
    let what = match code {
        Code::CatchAllFirst => format!(
            "router {} takes every host, and its rule is the longer one: it comes before router {}",
            wide.name, narrow.name
        ),
        _ => format!("router {} takes every request that router {} is for", wide.name, narrow.name),
    };
    let consequence = format!("router {} never gets a request", narrow.name);
    let fix = format!("{object}.priority={}", wide.priority.saturating_add(1));
    let mut note = Diagnostic::warning(code, last.origin.at(&key), what, consequence).fix(fix);
    // Whoever gives a priority knows what comes first.
    if first.value.priority != 0 {
        note.severity = Severity::Info;
    }
    Some(note)
}

/// What the labels of an object have in common: its origin is the first of them. In a file it is the object itself.
fn object(origin: &Origin) -> &str {
    let key = &*origin.key;
    if key.starts_with("http.") {
        return key;
    }
    key.match_indices('.').nth(3).map_or(key, |(end, _)| key.get(..end).unwrap_or(key))
}

fn sticky_alone(table: &RoutingTable) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for (name, declared) in table.config.services.iter() {
        let Some(balancer) = &declared.value.options.load_balancer else { continue };
        let is_sticky = balancer.sticky.as_ref().is_some_and(|sticky| sticky.cookie.is_some());
        if is_sticky && declared.value.servers.len() == 1 && declared.quarantine.is_none() {
            let what = format!("service {name} is sticky and has one server");
            let consequence = "the cookie is set and decides nothing until there are more";
            let key = format!("{}.loadbalancer.sticky.cookie", object(&declared.origin));
            let mut note = Diagnostic::warning(Code::StickyAlone, declared.origin.at(&key), what, consequence);
            note.severity = Severity::Info;
            found.push(note);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_what_its_labels_have_in_common() {
        for (key, want) in [
            ("traefik.http.routers.web.entrypoints", "traefik.http.routers.web"),
            ("seaway.http.services.web.loadbalancer.server.port", "seaway.http.services.web"),
            ("traefik.http.routers.web", "traefik.http.routers.web"),
            ("http.routers.we.b", "http.routers.we.b"),
            ("", ""),
        ] {
            assert_eq!(object(&Origin::default().at(key)), want);
        }
    }
}
