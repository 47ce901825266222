//! Where in the file things stand: paths for the decoder, lines for people.

use std::collections::{BTreeMap, HashMap};

use seaway_config::decode::{Fault, FaultKind};
use seaway_config::suggest::nearest;
use seaway_config::tree::Node;
use seaway_config::{Code, Declared, Diagnostic, Origin};

use super::Dynamic;
use crate::document::split_key;
use crate::gather::{Problem, problem, show};

/// The paths of one file.
#[derive(Debug, Default)]
pub(super) struct Places {
    file: String,
    /// What stands at each path, on one line.
    pub(super) texts: BTreeMap<String, String>,
    /// `file:line` of each path.
    lines: HashMap<String, String>,
}

impl Places {
    /// The tree with plain paths for keys, and where they are.
    pub(super) fn take(tree: &Node, file: &str) -> (Node, Self) {
        let mut places = Self { file: file.to_owned(), ..Self::default() };
        let mut tree = tree.clone();
        places.walk(&mut tree, true);
        (tree, places)
    }

    fn walk(&mut self, node: &mut Node, is_root: bool) {
        if is_root {
            node.key.clear();
        } else if let Some((place, path)) = split_key(&node.key) {
            let (place, path) = (place.to_owned(), path.to_owned());
            tidy(node, &path);
            self.texts.insert(path.clone(), flow(node));
            self.lines.insert(path.clone(), place);
            node.key = path;
        }
        for (_, child) in &mut node.children {
            self.walk(child, false);
        }
    }

    /// A fault of what has no labels.
    pub(super) fn problem(&self, fault: &Fault) -> Problem {
        let (code, message, fix) = match &fault.kind {
            FaultKind::Unknown { name, known } => {
                let fix = nearest(name, known.iter().copied()).map(|meant| {
                    let above = fault.key.strip_suffix(name.as_str()).unwrap_or_default();
                    format!("{above}{meant}: {}", self.texts.get(&fault.key).map_or("", String::as_str))
                });
                (Code::UnknownOption, format!("there is no option `{}` here", show(name)), fix.unwrap_or_default())
            }
            FaultKind::BadValue { expected, got } => {
                (Code::BadValue, format!("{expected} is expected, not `{}`", show(got)), String::new())
            }
            FaultKind::Standalone => {
                let message = "a value here means nothing: options stand below it".to_owned();
                (Code::StandaloneSection, message, String::new())
            }
        };
        Problem { path: fault.path.clone(), fix, ..problem(&fault.key, code, message) }
    }

    /// Gives every origin its line and every fix the form that it has in a file.
    pub(super) fn put(&self, out: &mut Dynamic) {
        out.diagnostics.iter_mut().for_each(|found| self.diagnostic(found));
        out.routers.values_mut().for_each(|declared| self.declared(declared));
        out.middlewares.values_mut().for_each(|declared| self.declared(declared));
        out.servers_transports.values_mut().for_each(|declared| self.declared(declared));
        for service in out.services.values_mut() {
            self.declared(service);
            service.value.places.iter_mut().for_each(|origin| self.origin(origin));
        }
    }

    fn declared<T>(&self, declared: &mut Declared<T>) {
        self.origin(&mut declared.origin);
        if let Some(found) = &mut declared.quarantine {
            self.diagnostic(found);
        }
    }

    fn diagnostic(&self, found: &mut Diagnostic) {
        self.origin(&mut found.origin);
        if let Some((key, value)) = found.fix.split_once('=').filter(|(key, _)| key.starts_with("http.")) {
            found.fix = match key.strip_suffix(".loadbalancer.server.port") {
                Some(service) => format!("{service}.loadBalancer.servers: [{{ url: \"http://10.0.0.7:80\" }}]"),
                None => format!("{key}: {value}"),
            };
        }
    }

    fn origin(&self, origin: &mut Origin) {
        origin.resource = self.lines.get(&*origin.key).unwrap_or(&self.file).as_str().into();
    }
}

/// Block texts end with a line break, and long ones are folded over lines: neither means anything outside of rules and
/// PEM texts, and no header may have one.
fn tidy(node: &mut Node, path: &str) {
    let Some(value) = node.value.as_mut().filter(|value| value.contains(['\n', '\r'])) else { return };
    let is_rule = path.starts_with("http.routers.") && path.to_ascii_lowercase().ends_with(".rule");
    if !is_rule && !value.trim_start().starts_with("-----BEGIN") {
        *value = value.split(['\n', '\r']).map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ");
    }
}

/// What a node says, on one line.
fn flow(node: &Node) -> String {
    match (&node.value, node.children.as_slice()) {
        (Some(value), _) => value.clone(),
        (None, []) => String::new(),
        (None, items) if items.iter().all(|(name, item)| super::is_index(name) && item.children.is_empty()) => {
            let items: Vec<&str> = items.iter().map(|(_, item)| item.value.as_deref().unwrap_or_default()).collect();
            format!("[{}]", items.join(", "))
        }
        _ => "…".to_owned(),
    }
}
