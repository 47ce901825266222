//! Routers of equal priority that may take the same requests: their names decide, and that is said.

use std::collections::{BTreeMap, BTreeSet};

use seaway_config::model::Config;
use seaway_config::{Code, Diagnostic, Name, SharedMap};
use seaway_rule::{Expr, Matcher};

use crate::table::RouterInfo;
use crate::{EntryPoints, Route};

use super::report::{line, option};

/// Most names that one warning lists.
const LISTED: usize = 5;

/// A set of routers, and what is told of them.
#[derive(Debug)]
pub(super) struct Overlap {
    pub(super) names: Vec<Name>,
    pub(super) diagnostic: Diagnostic,
}

/// One warning for each set of routers. Only routers that are tried for the same host are compared, by the paths that
/// they need.
pub(super) fn find(config: &Config, entry_points: &EntryPoints, infos: &SharedMap<Name, RouterInfo>) -> Vec<Overlap> {
    let mut sets = BTreeSet::new();
    for table in entry_points.values() {
        for group in table.index.groups().filter(|group| group.len() > 1) {
            let routes: Vec<&Route> = group.iter().filter_map(|at| table.routes.get(*at as usize)).collect();
            for equals in routes.chunk_by(|a, b| a.priority == b.priority).filter(|equals| equals.len() > 1) {
                sets.extend(overlapping(equals));
            }
        }
    }
    sets.into_iter().filter_map(|set| overlap(&set, config, infos)).collect()
}

fn overlap(set: &[&str], config: &Config, infos: &SharedMap<Name, RouterInfo>) -> Option<Overlap> {
    let names: Vec<Name> = set.iter().map(|name| Name::resolve(name, "")).collect();
    let (first, declared) = config.routers.get_key_value(names.first()?)?;
    let listed: Vec<_> = names.iter().take(LISTED).map(Name::to_string).collect();
    let more = names.len().saturating_sub(LISTED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let priority = infos.get(first).map_or(0, |info| info.priority);
    let text =
        format!("routers {}{more} have the same priority {priority} and may take the same requests", listed.join(", "));
    let fix = line(&declared.origin, "routers", &first.local, "priority", &priority.saturating_add(1).to_string());
    let consequence = format!("they are tried in the order of their names, {first} first");
    let origin = option(&declared.origin, "");
    let diagnostic = Diagnostic::warning(Code::EqualPriority, origin, text, consequence).fix(fix);
    Some(Overlap { names, diagnostic })
}

/// Sets of at least two routes that may take the same path, as names in order.
fn overlapping<'r>(routes: &[&'r Route]) -> Vec<Vec<&'r str>> {
    let mut patterns = Vec::new();
    let mut everywhere = None;
    for (at, route) in routes.iter().enumerate() {
        match paths(route.matcher.expr()) {
            Some(paths) => patterns.extend(paths.into_iter().map(|path| (path, at))),
            None => everywhere = everywhere.or(Some(at)),
        }
    }
    if everywhere.is_some() {
        return vec![routes.iter().map(|route| &*route.name).collect()];
    }
    // Sorted, a prefix stands right before all that it covers.
    patterns.sort_unstable();
    let mut sets: BTreeMap<usize, BTreeSet<&str>> = BTreeMap::new();
    let mut covering: Vec<(Path<'_>, usize)> = Vec::new();
    for (path, at) in patterns {
        while covering.last().is_some_and(|(outer, _)| !outer.covers(&path)) {
            covering.pop();
        }
        if let Some((_, outer)) = covering.iter().find(|(_, outer)| *outer != at) {
            let names = [*outer, at].into_iter().filter_map(|at| routes.get(at)).map(|route| &*route.name);
            sets.entry(*outer).or_default().extend(names);
        }
        covering.push((path, at));
    }
    sets.into_values().map(|set| set.into_iter().collect()).collect()
}

/// A path that a rule needs. A prefix sorts before the same text as a whole path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Path<'e> {
    text: &'e str,
    whole: bool,
}

impl Path<'_> {
    fn covers(&self, other: &Self) -> bool {
        if self.whole { other.whole && other.text == self.text } else { other.text.starts_with(self.text) }
    }
}

/// Paths of which at least one must match; `None` where no such set can be named.
fn paths(expr: &Expr) -> Option<Vec<Path<'_>>> {
    match expr {
        Expr::Matcher(Matcher::Path(text)) => Some(vec![Path { text, whole: true }]),
        Expr::Matcher(Matcher::PathPrefix(text)) => Some(vec![Path { text, whole: false }]),
        Expr::Matcher(_) | Expr::Not(_) => None,
        Expr::And(members) => members.iter().filter_map(paths).min_by_key(Vec::len),
        Expr::Or(members) => members.iter().try_fold(Vec::new(), |mut all, member| {
            all.extend(paths(member)?);
            Some(all)
        }),
    }
}
