//! What routers, services and middlewares have in common: decoding a node and turning its faults into problems.

use std::collections::BTreeMap;

use seaway_config::Code;
use seaway_config::catalogue::{Kind, OptionSpec};
use seaway_config::decode::{Decode, Decoder, Fault, FaultKind};
use seaway_config::tree::Node;

use super::name_problem;
use crate::gather::{Gathered, Object, Problem, line, problem, replace_part, show};
use seaway_config::suggest::nearest;

/// One object and all that is known around it.
pub(crate) struct Context<'a> {
    pub(crate) object: Object,
    /// Its name as spelt.
    pub(crate) name: &'a str,
    pub(crate) node: &'a Node,
    pub(crate) labels: &'a BTreeMap<String, String>,
    pub(crate) gathered: &'a Gathered,
    /// It stands in a file and not in labels: keys are paths in it, and more kinds of services can be said.
    pub(crate) is_file: bool,
}

impl Context<'_> {
    /// Decodes the node; every problem of the object, in the order in which they are best told.
    pub(crate) fn decode<T: Decode + Default>(&self) -> (T, Vec<Problem>) {
        let mut problems: Vec<Problem> = name_problem(self).into_iter().collect();
        let refused = self.gathered.refused.iter();
        let mine = refused.filter(|(o, n, _)| *o == self.object && n.eq_ignore_ascii_case(self.name));
        problems.extend(mine.map(|(_, _, problem)| problem.clone()));
        if self.node.value.is_some() {
            let message = format!("a value here means nothing: options stand below a {}", self.object.singular());
            problems.push(problem(&self.node.key, Code::StandaloneSection, message));
        }
        self.overlooked_values(self.node, self.object.options(), "", &mut problems);
        let mut decoder = Decoder::default();
        // The value on the object itself is told above; without it the decoder says nothing about it again.
        let value = decoder.section(&Node { value: None, ..self.node.clone() });
        problems.extend(decoder.faults.iter().map(|fault| self.problem(fault)));
        (value, problems)
    }

    /// The key of the object's first label.
    pub(crate) fn first_key(&self) -> String {
        self.full_key(&self.node.key)
    }

    /// The key of the first label at or below `key`.
    pub(crate) fn full_key(&self, key: &str) -> String {
        let from = self.labels.range::<str, _>((std::ops::Bound::Included(key), std::ops::Bound::Unbounded));
        let here = from.map(|(k, _)| k.as_str()).take_while(|k| k.starts_with(key));
        let mut below = here.filter(|k| matches!(k.as_bytes().get(key.len()), None | Some(b'.' | b'[')));
        below.next().unwrap_or(key).chars().take(400).collect()
    }

    /// The key of the option at `path`, if a label speaks about it.
    pub(crate) fn key_of(&self, path: &[&str]) -> Option<String> {
        let mut node = self.node;
        for name in path {
            node = node.child(name)?;
        }
        Some(self.full_key(&node.key))
    }

    fn problem(&self, fault: &Fault) -> Problem {
        let key = self.full_key(&fault.key);
        let (code, message, fix) = match &fault.kind {
            FaultKind::Unknown { name, known } if known.is_empty() => {
                (Code::UnknownOption, format!("there is nothing called `{}` here", show(name)), String::new())
            }
            FaultKind::Unknown { name, known } => {
                let message = format!("there is no option `{}` here", show(name));
                let fix = nearest(name, known.iter().copied()).map(|meant| {
                    let end = fault.key.len();
                    // Whatever was meant is no list, or it would have been in one piece.
                    let index = key.get(end..).filter(|rest| rest.starts_with('[')).and_then(|rest| rest.find(']'));
                    let right =
                        replace_part(&key, end.saturating_sub(name.len()), index.map_or(end, |at| end + at + 1), meant);
                    self.line(&right, self.labels.get(&key))
                });
                (Code::UnknownOption, message, fix.unwrap_or_default())
            }
            FaultKind::BadValue { expected, got } => {
                let fix = right_value(expected, got, &fault.path).map(|right| line(&key, &right)).unwrap_or_default();
                let got = if is_secret(&fault.path) { "what is there".to_owned() } else { format!("`{}`", show(got)) };
                (Code::BadValue, format!("{expected} is expected, not {got}"), fix)
            }
            FaultKind::Standalone => (
                Code::StandaloneSection,
                "a value here means nothing: options stand below it".to_owned(),
                String::new(),
            ),
        };
        Problem { key, path: fault.path.clone(), code, message, fix }
    }

    /// Values of middlewares may be secrets: they are not repeated.
    fn line(&self, key: &str, value: Option<&String>) -> String {
        match value {
            Some(value) if self.object != Object::Middleware => line(key, value),
            _ => format!("{key}=…"),
        }
    }

    /// Sections that were given a value beside the options below them: the decoder ignores it, as Traefik does, but it
    /// may have been an option that lost its dot.
    fn overlooked_values(&self, node: &Node, specs: &[OptionSpec], path: &str, problems: &mut Vec<Problem>) {
        for (name, child) in &node.children {
            let Some(spec) = specs.iter().find(|spec| spec.name.eq_ignore_ascii_case(name)) else { continue };
            let here = if path.is_empty() { spec.name.to_owned() } else { format!("{path}.{}", spec.name) };
            let section = matches!(spec.kind, Kind::Section | Kind::NamedSections | Kind::Map);
            if section && child.value.is_some() && !child.children.is_empty() {
                let message = "a value here means nothing: options stand below it";
                let found = problem(&child.key, Code::StandaloneSection, message);
                problems.push(Problem { path: here.clone(), ..found });
            }
            if matches!(spec.kind, Kind::Section | Kind::SwitchSection) {
                self.overlooked_values(child, spec.below, &here, problems);
            }
        }
    }
}

/// What stands there by mistake may be a password, or what one can be guessed from.
fn is_secret(path: &str) -> bool {
    ["basicAuth", "digestAuth"].iter().any(|kind| path.strip_prefix(kind).is_some_and(|rest| rest.starts_with('.')))
}

/// The value that was probably meant, or one that would do, for the option at `path`.
fn right_value(expected: &str, got: &str, path: &str) -> Option<String> {
    let bare = got.trim().trim_matches(['"', '\'']);
    match expected {
        // As HTTPS does not work yet, this is what lets the router serve.
        _ if path == "tls" => Some("false".to_owned()),
        _ if expected.starts_with("true") => match bare.to_ascii_lowercase().as_str() {
            "false" | "f" | "0" | "no" | "n" | "off" => Some("false".to_owned()),
            "true" | "t" | "1" | "yes" | "y" | "on" => Some("true".to_owned()),
            _ => None,
        },
        _ if expected.starts_with("a whole number") => {
            let number = bare.parse::<i64>().ok().filter(|number| *number >= 0 || expected == "a whole number");
            number.or_else(|| (path == "priority").then_some(10)).map(|number| number.to_string())
        }
        _ => (bare != got && !bare.is_empty()).then(|| bare.to_owned()),
    }
}
