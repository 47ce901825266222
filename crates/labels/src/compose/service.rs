//! One service of a file: what of it concerns routing.

use std::collections::BTreeMap;

use seaway_config::tree::Node;

use super::{Place, Reader, Text, place_of};

/// A service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Service {
    /// Its name.
    pub name: String,
    /// Where it begins.
    pub place: Place,
    /// The image; empty where it is built.
    pub image: String,
    /// `container_name`.
    pub container_name: Option<Text>,
    /// `command`, or `entrypoint` and `command`, by words.
    pub command: Vec<Text>,
    /// `entrypoint`, by words.
    pub entrypoint: Vec<Text>,
    /// `environment`.
    pub environment: BTreeMap<String, Text>,
    /// `labels`.
    pub labels: BTreeMap<String, Text>,
    /// `deploy.labels`: the engine shows them with no container.
    pub deploy_labels: BTreeMap<String, Text>,
    /// `deploy.replicas` or `scale`.
    pub replicas: Option<Text>,
    /// Keys of networks.
    pub networks: Vec<Text>,
    /// `network_mode`; empty if not given.
    pub network_mode: String,
    /// Container ports of `expose`.
    pub expose: Vec<u16>,
    /// `ports`.
    pub ports: Vec<Port>,
    /// `volumes` that have a source.
    pub volumes: Vec<Mount>,
    /// `profiles`.
    pub profiles: Vec<String>,
}

/// A published port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    /// In the container.
    pub container: u16,
    /// On the host; nothing where the engine chooses, or where a range is given.
    pub host: Option<u16>,
    /// The host's address; empty for all.
    pub address: String,
    /// It is UDP.
    pub is_udp: bool,
    /// Its line.
    pub place: Place,
}

/// What a container sees of the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// A path on the host, or the name of a volume.
    pub source: String,
    /// Where it is in the container.
    pub target: String,
    /// The file that says so: paths are relative to it.
    pub file: String,
}

impl Service {
    /// Puts what another definition says over this one, as Compose does.
    pub(super) fn overlay(&mut self, upper: Self) {
        let Self { name, place, image, container_name, command, entrypoint, environment, labels, .. } = upper;
        (self.name, self.place) = (name, place);
        if !image.is_empty() {
            self.image = image;
        }
        self.container_name = container_name.or_else(|| self.container_name.take());
        if !command.is_empty() {
            self.command = command;
        }
        if !entrypoint.is_empty() {
            self.entrypoint = entrypoint;
        }
        self.environment.extend(environment);
        self.labels.extend(labels);
        self.deploy_labels.extend(upper.deploy_labels);
        self.replicas = upper.replicas.or_else(|| self.replicas.take());
        if !upper.network_mode.is_empty() {
            self.network_mode = upper.network_mode;
        }
        for network in upper.networks {
            if !self.networks.iter().any(|known| known.value == network.value) {
                self.networks.push(network);
            }
        }
        self.expose.extend(upper.expose);
        for port in upper.ports {
            let same = |known: &Port| (known.container, known.host) == (port.container, port.host);
            if !self.ports.iter().any(same) {
                self.ports.push(port);
            }
        }
        self.volumes.retain(|known| !upper.volumes.iter().any(|volume| volume.target == known.target));
        self.volumes.extend(upper.volumes);
        self.profiles.extend(upper.profiles);
    }

    /// How many containers it has; one where nothing is said.
    pub fn count(&self) -> u32 {
        self.replicas.as_ref().and_then(|text| text.value.trim().parse().ok()).unwrap_or(1)
    }
}

pub(super) fn read(reader: &mut Reader<'_>, name: &str, node: &Node) -> Service {
    let mut service = Service { name: name.to_owned(), place: place_of(node).0, ..Service::default() };
    for (key, value) in &node.children {
        match key.as_str() {
            "image" => service.image = text(reader, value),
            "container_name" => service.container_name = reader.text(value),
            "command" => service.command = words(reader, value),
            "entrypoint" => service.entrypoint = words(reader, value),
            "environment" => service.environment = pairs(reader, value, true),
            "labels" => service.labels = pairs(reader, value, false),
            "scale" => service.replicas = reader.text(value),
            "deploy" => {
                if let Some(labels) = value.child("labels") {
                    service.deploy_labels = pairs(reader, labels, false);
                }
                if let Some(replicas) = value.child("replicas") {
                    service.replicas = reader.text(replicas);
                }
            }
            "networks" => service.networks = names(reader, value),
            "network_mode" => service.network_mode = text(reader, value),
            "expose" => {
                let ports = names(reader, value);
                service.expose = ports.iter().filter_map(|port| port_number(&port.value)).collect();
            }
            "ports" => service.ports = value.children.iter().filter_map(|(_, port)| read_port(reader, port)).collect(),
            "volumes" => service.volumes = value.children.iter().filter_map(|(_, it)| mount(reader, it)).collect(),
            "profiles" => service.profiles = names(reader, value).into_iter().map(|text| text.value).collect(),
            _ => {}
        }
    }
    service
}

fn text(reader: &mut Reader<'_>, node: &Node) -> String {
    reader.text(node).map(|text| text.value).unwrap_or_default()
}

/// The items of a list, or the keys of a map.
fn names(reader: &mut Reader<'_>, node: &Node) -> Vec<Text> {
    let one = |(key, child): &(String, Node)| match key.starts_with('[') {
        true => reader.text(child),
        false => Some(Text { value: key.clone(), place: place_of(child).0 }),
    };
    node.children.iter().filter_map(one).collect()
}

/// `NAME=value` in a list, or a map. In an environment, what has no value is the variable of the same name.
fn pairs(reader: &mut Reader<'_>, node: &Node, is_environment: bool) -> BTreeMap<String, Text> {
    let mut all = BTreeMap::new();
    for (key, child) in &node.children {
        let place = place_of(child).0;
        let (name, value) = if key.starts_with('[') {
            let Some(item) = reader.text(child) else { continue };
            match item.value.split_once('=') {
                Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
                None => (item.value, None),
            }
        } else if child.children.is_empty() {
            (key.clone(), reader.text(child).map(|text| text.value))
        } else {
            reader.fault(child, format!("{key} is to have a text, not a list or a map"));
            continue;
        };
        let value = match value {
            None if is_environment => match (reader.sources.variable)(&name) {
                Some(value) => value,
                None => continue,
            },
            value => value.unwrap_or_default(),
        };
        all.insert(name, Text { value, place });
    }
    all
}

/// A command: a list, or one text as a shell would take it apart.
fn words(reader: &mut Reader<'_>, node: &Node) -> Vec<Text> {
    let Some(whole) = reader.text(node) else { return names(reader, node) };
    split(&whole.value).into_iter().map(|value| Text { value, place: whole.place.clone() }).collect()
}

fn split(text: &str) -> Vec<String> {
    let (mut all, mut word, mut is_word, mut quote) = (Vec::new(), String::new(), false, None);
    let mut characters = text.chars();
    while let Some(c) = characters.next() {
        match (quote, c) {
            (Some(open), c) if open == c => quote = None,
            (Some('"') | None, '\\') => {
                word.extend(characters.next());
                is_word = true;
            }
            (None, '"' | '\'') => (quote, is_word) = (Some(c), true),
            (None, c) if c.is_whitespace() => {
                if std::mem::take(&mut is_word) {
                    all.push(std::mem::take(&mut word));
                }
            }
            (_, c) => {
                word.push(c);
                is_word = true;
            }
        }
    }
    if is_word {
        all.push(word);
    }
    all
}

/// `80`, or the first of `80-90`, with or without `/tcp`.
fn port_number(text: &str) -> Option<u16> {
    let number = text.split('/').next()?;
    number.split('-').next()?.trim().parse().ok()
}

/// `[[address:]host:]container[/protocol]`, or the long form.
fn read_port(reader: &mut Reader<'_>, node: &Node) -> Option<Port> {
    let place = place_of(node).0;
    if node.value.is_none() {
        let mut option = |name: &str| node.child(name).and_then(|child| reader.text(child)).map(|text| text.value);
        let container = port_number(&option("target")?)?;
        let host = option("published").and_then(|text| text.parse().ok());
        let address = option("host_ip").unwrap_or_default();
        let is_udp = option("protocol").is_some_and(|protocol| protocol == "udp");
        return Some(Port { container, host, address, is_udp, place });
    }
    let whole = reader.text(node)?.value;
    let (short, protocol) = whole.split_once('/').unwrap_or((&whole, "tcp"));
    let (before, container) = short.rsplit_once(':').unwrap_or(("", short));
    let (address, host) = before.rsplit_once(':').unwrap_or(("", before));
    let address = address.trim_matches(['[', ']']).to_owned();
    let host = host.parse().ok();
    Some(Port { container: port_number(container)?, host, address, is_udp: protocol == "udp", place })
}

/// `source:target[:mode]`, or the long form.
fn mount(reader: &mut Reader<'_>, node: &Node) -> Option<Mount> {
    let file = place_of(node).0.file;
    if node.value.is_none() {
        let mut option = |name: &str| node.child(name).and_then(|child| reader.text(child)).map(|text| text.value);
        return Some(Mount { source: option("source")?, target: option("target")?, file });
    }
    let whole = reader.text(node)?.value;
    let mut parts = whole.split(':');
    let (source, target) = (parts.next()?.to_owned(), parts.next()?.to_owned());
    Some(Mount { source, target, file })
}
