//! A file with static options: where one is looked for, and what it says.

use std::path::{Path, PathBuf};

use seaway_config::Code;
use seaway_config::catalogue::{Kind, OptionSpec, Section};
use seaway_config::statics::StaticOptions;
use seaway_config::tree::Node;

use super::Given;
use super::flags::{self, not_yet, put};
use super::known::{Found, look_up, suggest};
use crate::document::{self, Format};
use crate::gather::show;

/// A file with static options, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StaticFile {
    /// Where it is.
    pub path: PathBuf,
    /// What stands in it.
    pub text: String,
}

/// The file that is named by a flag or a variable, flags first.
pub fn config_file(arguments: &[String], environment: &[(String, String)]) -> Option<PathBuf> {
    let flag = flags::value_of(arguments, "configFile");
    let variable = |name: &str| environment.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    let named = flag.or_else(|| variable("SEAWAY_CONFIGFILE")).or_else(|| variable("TRAEFIK_CONFIGFILE"))?;
    (!named.is_empty()).then(|| PathBuf::from(named))
}

/// Where a file is looked for when none is named, the first that exists being the one: `seaway.*` and `traefik.*` in
/// their folders below `/etc`, in `$XDG_CONFIG_HOME`, in `$HOME/.config` and here.
pub fn usual_places(environment: &[(String, String)]) -> Vec<PathBuf> {
    let variable = |name: &str| environment.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    let home = variable("HOME").filter(|home| !home.is_empty());
    let folders = [
        (Some(PathBuf::from("/etc/seaway")), &["seaway"][..]),
        (Some(PathBuf::from("/etc/traefik")), &["traefik"]),
        (variable("XDG_CONFIG_HOME").filter(|it| !it.is_empty()).map(PathBuf::from), &["seaway", "traefik"]),
        (home.map(|home| Path::new(home).join(".config")), &["seaway", "traefik"]),
        (Some(PathBuf::from(".")), &["seaway", "traefik"]),
    ];
    let mut places = Vec::new();
    for (folder, names) in folders {
        let Some(folder) = folder else { continue };
        let files = names.iter().flat_map(|name| ["toml", "yaml", "yml"].map(|end| format!("{name}.{end}")));
        places.extend(files.map(|file| folder.join(file)));
    }
    places
}

/// Reads a file into a tree.
pub(super) fn read(file: &StaticFile, given: &mut Given) -> Node {
    let name = file.path.display().to_string();
    let Some(format) = Format::of(&file.path) else {
        let message = format!("the name of {} says neither YAML nor TOML", show(&name));
        given.mistake(Code::BadStaticFile, &format!("{name}:1: "), message, "a name that ends in .yml, .yaml or .toml");
        return Node::default();
    };
    match document::parse(format, &name, &file.text) {
        Ok(tree) => {
            let mut into = Node::default();
            Walk { given, into: &mut into, path: Vec::new() }.section(&tree, StaticOptions::OPTIONS);
            into
        }
        Err(fault) => {
            given.mistake(Code::BadStaticFile, &format!("{name}:{}: ", fault.line), fault.message, "");
            Node::default()
        }
    }
}

struct Walk<'w> {
    given: &'w mut Given,
    into: &'w mut Node,
    path: Vec<String>,
}

impl Walk<'_> {
    fn section(&mut self, node: &Node, specs: &'static [OptionSpec]) {
        for (name, child) in &node.children {
            self.path.push(name.clone());
            self.option(child, specs.iter().find(|spec| spec.name.eq_ignore_ascii_case(name)));
            self.path.pop();
        }
    }

    fn option(&mut self, node: &Node, spec: Option<&'static OptionSpec>) {
        let path: Vec<&str> = self.path.iter().map(String::as_str).collect();
        let text = node.value.as_deref().unwrap_or_default();
        match (spec.map(|spec| spec.kind), look_up(&path, text)) {
            (Some(kind @ (Kind::Section | Kind::SwitchSection)), _) => {
                self.branch(node, kind, spec.map_or(&[], |spec| spec.below));
            }
            (Some(Kind::NamedSections), _) => self.names(node, spec.map_or(&[], |spec| spec.below)),
            (Some(kind), _) => self.leaf(node, kind),
            (None, Found::NoEffect) => self.given.notes.push(format!("{} is accepted and has no effect", node.key)),
            (None, Found::NotYet) => not_yet(&node.key, &path, self.given),
            (None, _) => self.unknown(node),
        }
    }

    fn branch(&mut self, node: &Node, kind: Kind, specs: &'static [OptionSpec]) {
        if self.put(node, kind).is_some() {
            self.section(node, specs);
        }
    }

    fn names(&mut self, node: &Node, specs: &'static [OptionSpec]) {
        if self.put(node, Kind::NamedSections).is_none() {
            return;
        }
        for (name, child) in &node.children {
            self.path.push(name.clone());
            self.branch(child, Kind::Section, specs);
            self.path.pop();
        }
    }

    /// Whatever stands below goes along: the decoder says what is wrong with it.
    fn leaf(&mut self, node: &Node, kind: Kind) {
        // A key without a value is one that was not given: that is how people leave a line empty.
        if node.value.is_none() && node.children.is_empty() {
            return;
        }
        if let Some(into) = self.put(node, kind) {
            into.children.clone_from(&node.children);
        }
    }

    /// The node's place in the new tree, with its value.
    fn put(&mut self, node: &Node, kind: Kind) -> Option<&mut Node> {
        let path: Vec<&str> = self.path.iter().map(String::as_str).collect();
        let before = super::node_at(self.into, &path);
        if let Some(before) = before {
            let (_, other) = document::split_key(&before.key).unwrap_or_default();
            let message = format!("this is there twice: upper and lower case are the same, see `{}`", show(other));
            self.given.mistake(Code::BadStaticValue, &node.key, message, "");
            return None;
        }
        match &node.value {
            Some(value) => put(self.into, &path, &node.key, kind, value, self.given),
            None => {
                let mut at = &mut *self.into;
                for name in &path {
                    at = at.child_mut(name, &node.key);
                }
            }
        }
        let mut at = &mut *self.into;
        for name in &self.path {
            at = at.child_mut(name, &node.key);
        }
        Some(at)
    }

    fn unknown(&mut self, node: &Node) {
        let path: Vec<&str> = self.path.iter().map(String::as_str).collect();
        if let [word @ ("http" | "tcp" | "udp" | "tls")] = path[..] {
            let message = format!("`{word}` is no static option: it stands in a file of the file provider");
            return self.given.mistake(Code::UnknownStaticOption, &node.key, message, "providers.file.filename");
        }
        let fix = suggest(&path).unwrap_or_default();
        self.given.mistake(Code::UnknownStaticOption, &node.key, "there is no such option", fix);
    }
}
