//! Labels that were well formed but fell on the wrong object: a letter or a dot wrong in a name gives a second router,
//! and the first one lacks what the label said. Where that is likely, the one that was probably meant is quarantined too.

use std::collections::HashSet;

use seaway_config::Code;
use seaway_config::catalogue::{Kind, OptionSpec};
use seaway_config::tree::Node;

use crate::gather::{Gathered, Object, Problem, problem, show};
use seaway_config::suggest::within_one_edit;

/// One object and the labels that make it.
struct Item<'a> {
    object: Object,
    name: &'a str,
    node: &'a Node,
    /// The lower-case paths of its options, and the keys of their labels.
    options: Vec<(String, &'a str)>,
    /// Paths that were refused before they came into the tree.
    refused: Vec<&'a Problem>,
}

/// The objects that are to be quarantined beside those with faults of their own, and why: one reason for each.
pub(super) fn find(gathered: &Gathered) -> Vec<(Object, String, Problem)> {
    let mut found = Vec::new();
    let used = used_middlewares(gathered);
    found.extend(swapped(gathered));
    for object in Object::ALL {
        let items: Vec<Item<'_>> =
            gathered.objects(object).iter().map(|(name, node)| Item::new(gathered, object, name, node)).collect();
        let mut told = HashSet::new();
        for stray in items.iter().filter(|item| item.may_be_stray()) {
            for meant in items.iter().filter(|other| other.name != stray.name) {
                if told.contains(stray.name) && told.contains(meant.name) {
                    continue;
                }
                let Some(key) = stray.misspells(meant, &used) else { continue };
                let message = format!(
                    "this label makes a {} `{}` of its own, and may have been meant for `{}` beside it",
                    object.singular(),
                    show(stray.name),
                    show(meant.name)
                );
                let why = problem(&key, Code::UnassignableLabel, message);
                let both = [meant.name, stray.name].into_iter().filter(|name| told.insert(*name));
                found.extend(both.map(|name| (object, name.to_owned(), why.clone())));
            }
        }
    }
    found
}

/// `middlewares.web=auth` beside `routers.web`.
fn swapped(gathered: &Gathered) -> impl Iterator<Item = (Object, String, Problem)> {
    let routers = gathered.objects(Object::Router);
    let valued = gathered.objects(Object::Middleware).iter().filter(|(_, node)| node.value.is_some());
    valued.filter_map(|(name, node)| {
        let (router, _) = routers.iter().find(|(router, _)| router.eq_ignore_ascii_case(name))?;
        let message = format!("it may have been meant for the middlewares of router `{}`", show(router));
        Some((Object::Router, router.clone(), problem(&node.key, Code::UnassignableLabel, message)))
    })
}

impl<'a> Item<'a> {
    fn new(gathered: &'a Gathered, object: Object, name: &'a str, node: &'a Node) -> Self {
        let mut options = Vec::new();
        leaves(node, "", &mut options);
        let refused = gathered.refused.iter();
        let refused =
            refused.filter(|(o, n, _)| *o == object && n.eq_ignore_ascii_case(name)).map(|(_, _, p)| p).collect();
        Self { object, name, node, options, refused }
    }

    /// False for the usual case, an object of several labels that all make sense.
    fn may_be_stray(&self) -> bool {
        self.node.value.is_some()
            || self.options.len() + self.refused.len() == 1
            || self.paths().any(|(path, _)| !resolves(path, self.object.options()))
    }

    /// The key of the label that makes `self` look like a misspelt `meant`.
    fn misspells(&self, meant: &Self, used: &HashSet<&str>) -> Option<String> {
        self.lost_dot(meant).or_else(|| self.extra_dot(meant)).or_else(|| self.lone_label(meant, used))
    }

    /// `routers.webmiddlewares=auth` beside `routers.web`.
    fn lost_dot(&self, meant: &Self) -> Option<String> {
        let head = self.name.get(..meant.name.len()).filter(|head| head.eq_ignore_ascii_case(meant.name))?;
        let rest = self.name.get(head.len()..)?;
        let option = self.object.options().iter().find(|option| within_one_edit(rest, option.name))?;
        let own = self.node.value.as_ref().map(|_| ("", self.node.key.as_str()));
        let mut paths = own.into_iter().chain(self.paths());
        let fits = |path: &str| match path {
            "" => true,
            _ => !resolves(path, self.object.options()) && resolves(path, option.below) || path.starts_with('['),
        };
        paths.find(|(path, _)| fits(path)).map(|(_, key)| key.to_owned())
    }

    /// `routers.we.b.middlewares=auth` beside `routers.web`, or `routers.my.app.…` beside `routers.my-app`.
    fn extra_dot(&self, meant: &Self) -> Option<String> {
        meant.name.get(..self.name.len()).filter(|head| head.eq_ignore_ascii_case(self.name))?;
        let joins = |path: &str| {
            let first = path.split(['.', '[']).next().unwrap_or_default();
            self.name.len() + first.len() <= meant.name.len()
                && within_one_edit(&format!("{}.{first}", self.name), meant.name)
        };
        let mut paths = self.paths().filter(|(path, _)| joins(path) && !resolves(path, self.object.options()));
        paths.next().map(|(_, key)| key.to_owned())
    }

    /// `routers.wb.middlewares=auth` beside `routers.web`: a name one edit away, made by a single label which the other lacks.
    fn lone_label(&self, meant: &Self, used: &HashSet<&str>) -> Option<String> {
        let (path, key) = match (self.options.as_slice(), self.refused.as_slice()) {
            ([(path, key)], []) => (path.as_str(), *key),
            ([], [refused]) => (refused.path.as_str(), refused.key.as_str()),
            _ => return None,
        };
        let lacking = || meant.options.iter().all(|(other, _)| bare(other) != bare(path));
        if !lacking() || !within_one_edit(self.name, meant.name) {
            return None;
        }
        let top = path.split('.').next().unwrap_or_default();
        let suspicious = match self.object {
            Object::Router => true,
            // A second service leaves routers without one ambiguous, which is closed; only what stands in front of the
            // servers, or says where they are, can be lost unseen.
            Object::Service => top == "middlewares" || path.contains(".server"),
            Object::Middleware => {
                let mut types = meant.options.iter().map(|(other, _)| other.split('.').next().unwrap_or_default());
                used.contains(meant.name) && !used.contains(self.name) && types.any(|other| within_one_edit(other, top))
            }
        };
        suspicious.then(|| key.to_owned())
    }

    /// Every path with its label's key, those that were refused included.
    fn paths(&self) -> impl Iterator<Item = (&str, &str)> {
        let tree = self.options.iter().map(|(path, key)| (path.as_str(), *key));
        tree.chain(self.refused.iter().map(|p| (p.path.as_str(), p.key.as_str())))
    }
}

/// True when the options have such a path.
fn resolves(path: &str, specs: &[OptionSpec]) -> bool {
    let (name, rest) = path.split_once('.').map_or((path, None), |(name, rest)| (name, Some(rest)));
    let Some(spec) = specs.iter().find(|spec| spec.name.eq_ignore_ascii_case(name)) else { return false };
    match (spec.kind, rest) {
        (_, None) => true,
        (Kind::Section | Kind::SwitchSection, Some(rest)) => resolves(rest, spec.below),
        (Kind::NamedSections, Some(rest)) => rest.split_once('.').is_none_or(|(_, rest)| resolves(rest, spec.below)),
        (Kind::Map, Some(rest)) => !rest.contains('.'),
        (Kind::List, Some(rest)) => rest.starts_with('['),
        _ => false,
    }
}

fn leaves<'a>(node: &'a Node, path: &str, into: &mut Vec<(String, &'a str)>) {
    for (name, child) in &node.children {
        let name = name.to_ascii_lowercase();
        let path = if path.is_empty() { name } else { format!("{path}.{name}") };
        if child.value.is_some() {
            into.push((path.clone(), &child.key));
        }
        leaves(child, &path, into);
    }
}

/// The path without a list's index at its end.
fn bare(path: &str) -> &str {
    path.rsplit_once(".[").map_or(path, |(list, _)| list)
}

/// The middlewares that a router, service or chain of this container names.
fn used_middlewares(gathered: &Gathered) -> HashSet<&str> {
    let mut lists = Vec::new();
    for object in Object::ALL {
        for (_, node) in gathered.objects(object) {
            let chain = if object == Object::Middleware { node.child("chain") } else { Some(node) };
            lists.extend(chain.and_then(|node| node.child("middlewares")));
        }
    }
    let items = lists.into_iter().flat_map(|list| {
        list.value.as_deref().into_iter().chain(list.children.iter().filter_map(|(_, item)| item.value.as_deref()))
    });
    items.flat_map(|value| value.split(',')).map(|name| name.trim().split('@').next().unwrap_or_default()).collect()
}
