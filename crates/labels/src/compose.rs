//! Compose files as text → the services that they declare, with the file and line of each label.
//!
//! Several files are merged as Compose merges them, `extends` is followed, and variables are filled in. What has no say in
//! routing is not read. Whoever calls opens files and knows the environment.

mod interpolate;
mod service;

use std::collections::BTreeMap;

use seaway_config::tree::Node;

use crate::document::{parse_yaml, split_key};
use interpolate::fill_in;

pub use service::{Mount, Port, Service};

/// How far `extends` may lead.
const MOST_STEPS: usize = 16;

/// A line of a file.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The file, as it was named.
    pub file: String,
    /// The line, counted from one.
    pub line: usize,
}

/// A value and where it stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text {
    /// The value, variables filled in.
    pub value: String,
    /// Its line.
    pub place: Place,
}

/// What is wrong with a file itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Where.
    pub place: Place,
    /// The key, such as `services.web.labels`.
    pub key: String,
    /// What is wrong, in words.
    pub message: String,
    /// It is a variable that nobody set; everything else keeps something from being read.
    pub is_unset: bool,
}

/// What all files say together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Project {
    /// Its name.
    pub name: String,
    /// Services by name.
    pub services: BTreeMap<String, Service>,
    /// What the engine calls each network that is named in the files.
    pub networks: BTreeMap<String, String>,
    /// What could not be read.
    pub faults: Vec<Fault>,
}

/// Opens a file that another one names: the path to know it by, and its text.
pub type Open<'a> = dyn Fn(&str, &str) -> Result<(String, String), String> + 'a;

/// Where files and variables come from.
pub struct Sources<'a> {
    /// The value of a variable.
    pub variable: &'a dyn Fn(&str) -> Option<String>,
    /// The text of another file, by the path of the file that names it and the path that it names; with the path under
    /// which people know it.
    pub open: &'a Open<'a>,
}

/// Reads files (name and text), the later ones over the earlier. `name` is the project's unless the files name one.
pub fn read(files: &[(String, String)], name: &str, sources: &Sources<'_>) -> Project {
    let mut reader = Reader { sources, project: Project { name: name.to_owned(), ..Project::default() } };
    let roots: Vec<(&str, Node)> =
        files.iter().filter_map(|(file, text)| Some((file.as_str(), reader.document(file, text)?))).collect();
    for (_, root) in &roots {
        if let Some(named) = root.child("name").and_then(|node| reader.text(node)).filter(|n| !n.value.is_empty()) {
            reader.project.name = named.value;
        }
    }
    for (_, root) in &roots {
        reader.networks(root);
        if let Some(include) = root.child("include") {
            reader.fault(include, "what is included is not read: give those files too");
        }
    }
    for (file, root) in &roots {
        let Some(services) = root.child("services") else { continue };
        for (name, node) in &services.children {
            let mut steps = Vec::new();
            let upper = reader.service(file, root, name, node, &mut steps);
            match reader.project.services.get_mut(name) {
                Some(lower) => lower.overlay(upper),
                None => {
                    reader.project.services.insert(name.clone(), upper);
                }
            }
        }
    }
    reader.project
}

/// The line of a node, and its key without it.
fn place_of(node: &Node) -> (Place, &str) {
    let parts = split_key(&node.key).and_then(|(place, key)| Some((place.rsplit_once(':')?, key)));
    match parts {
        Some(((file, line), key)) => (Place { file: file.to_owned(), line: line.parse().unwrap_or(1) }, key),
        None => (Place { file: node.key.clone(), line: 1 }, ""),
    }
}

struct Reader<'a> {
    sources: &'a Sources<'a>,
    project: Project,
}

impl Reader<'_> {
    fn document(&mut self, file: &str, text: &str) -> Option<Node> {
        match parse_yaml(file, text) {
            Ok(root) => Some(root),
            Err(fault) => {
                let place = Place { file: file.to_owned(), line: fault.line };
                let message = fault.message;
                self.project.faults.push(Fault { place, key: String::new(), message, is_unset: false });
                None
            }
        }
    }

    fn fault(&mut self, node: &Node, message: impl Into<String>) {
        let (place, key) = place_of(node);
        let fault = Fault { place, key: key.to_owned(), message: message.into(), is_unset: false };
        if !self.project.faults.contains(&fault) {
            self.project.faults.push(fault);
        }
    }

    /// A value with its variables filled in.
    fn text(&mut self, node: &Node) -> Option<Text> {
        let written = node.value.as_deref()?;
        let (place, key) = place_of(node);
        let project = self.project.name.clone();
        let variable = |name: &str| match name {
            "COMPOSE_PROJECT_NAME" => (self.sources.variable)(name).or_else(|| Some(project.clone())),
            _ => (self.sources.variable)(name),
        };
        let filled = fill_in(written, &variable);
        for unset in filled.unset {
            let message = format!("the variable {unset} is not set, so nothing stands in its place");
            let fault = Fault { place: place.clone(), key: key.to_owned(), message, is_unset: true };
            if !self.project.faults.contains(&fault) {
                self.project.faults.push(fault);
            }
        }
        if let Some(message) = filled.fault {
            self.fault(node, message);
        }
        Some(Text { value: filled.text, place })
    }

    fn networks(&mut self, root: &Node) {
        let project = self.project.name.clone();
        self.project.networks.entry("default".to_owned()).or_insert_with(|| format!("{project}_default"));
        let Some(networks) = root.child("networks") else { return };
        for (key, node) in &networks.children {
            let named = node.child("name").and_then(|name| self.text(name)).map(|text| text.value);
            let external = node.child("external").and_then(|is| is.value.as_deref()) == Some("true");
            let own = || if external { key.clone() } else { format!("{project}_{key}") };
            self.project.networks.insert(key.clone(), named.unwrap_or_else(own));
        }
    }

    /// A service as one file says it, over what it extends.
    fn service(
        &mut self,
        file: &str,
        root: &Node,
        name: &str,
        node: &Node,
        steps: &mut Vec<(String, String)>,
    ) -> Service {
        let own = service::read(self, name, node);
        let Some(extends) = node.child("extends") else { return own };
        let step = (file.to_owned(), name.to_owned());
        if steps.len() >= MOST_STEPS || steps.contains(&step) {
            self.fault(extends, "it extends itself");
            return own;
        }
        steps.push(step);
        let base_name = match &extends.value {
            Some(_) => self.text(extends),
            None => extends.child("service").and_then(|named| self.text(named)),
        };
        let base_name = base_name.map(|text| text.value).unwrap_or_default();
        let other = extends.child("file").and_then(|named| self.text(named));
        let base = match other {
            None => self.base(file, root, extends, &base_name, steps),
            Some(other) => match (self.sources.open)(file, &other.value) {
                Ok((path, text)) => match self.document(&path, &text) {
                    Some(root) => self.base(&path, &root, extends, &base_name, steps),
                    None => None,
                },
                Err(why) => {
                    self.fault(extends, format!("{} cannot be read: {why}", other.value));
                    None
                }
            },
        };
        steps.pop();
        match base {
            Some(mut base) => {
                base.overlay(own);
                base
            }
            None => own,
        }
    }

    fn base(
        &mut self,
        file: &str,
        root: &Node,
        extends: &Node,
        name: &str,
        steps: &mut Vec<(String, String)>,
    ) -> Option<Service> {
        let found = root.child("services").and_then(|s| s.children.iter().find(|(known, _)| known == name));
        let Some((_, node)) = found else {
            self.fault(extends, format!("there is no service {name:?} in {file}"));
            return None;
        };
        Some(self.service(file, root, name, node, steps))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
