//! A configuration file → routers, services, middlewares and servers transports, and every fault with its consequence.
//!
//! The rules are those of labels: the smallest object fails, and it fails closed. What stands at or above the kind of an
//! object and is not known could be any object's, so that every router of the file is off. A text that is no tree at all
//! is told as one fault, and what is done then is the provider's affair.

mod place;

use std::collections::BTreeMap;

use seaway_config::catalogue::Section;
use seaway_config::decode::Decoder;
use seaway_config::model::{ServersTransport, ServiceOptions};
use seaway_config::statics::StaticOptions;
use seaway_config::suggest::nearest;
use seaway_config::tree::Node;
use seaway_config::{Code, Declared, Diagnostic, Middleware, Origin, Router};

use crate::container::object::Context;
use crate::container::report::Report;
use crate::container::{middleware, router, service};
use crate::default_rule::{Environment, render_file};
use crate::document::{self, Format};
use crate::gather::{Gathered, Object, Problem, problem, show};
use place::Places;

/// What one file declares.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Dynamic {
    /// Routers by name.
    pub routers: BTreeMap<String, Declared<Router>>,
    /// Services by name.
    pub services: BTreeMap<String, Declared<FileService>>,
    /// Middlewares by name.
    pub middlewares: BTreeMap<String, Declared<Middleware>>,
    /// Servers transports by name.
    pub servers_transports: BTreeMap<String, Declared<ServersTransport>>,
    /// Everything that was found, the reasons of quarantine included; at most a hundred, and one that counts the rest.
    pub diagnostics: Vec<Diagnostic>,
}

/// A service as a file declares it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FileService {
    /// The options, the servers among them.
    pub options: ServiceOptions,
    /// Where each of `options.load_balancer.servers` stands.
    pub places: Vec<Origin>,
}

/// Reads a file's text: its template is filled in, it is parsed, and what it says is decoded. `file` is how people know
/// it; `environment` answers `{{ env "NAME" }}`.
///
/// # Errors
/// The one fault for which nothing of the text can be used. It has no consequence yet.
pub fn read_dynamic(
    format: Format,
    provider: &str,
    file: &str,
    text: &str,
    environment: Environment<'_>,
) -> Result<Dynamic, Box<Diagnostic>> {
    let fault = |code, line: Option<usize>, message: String| {
        let resource = line.map_or_else(|| file.to_owned(), |line| format!("{file}:{line}"));
        Box::new(Diagnostic::error(code, Origin::resource(provider, &resource), message, ""))
    };
    let text = render_file(text, environment)
        .map_err(|(line, what)| fault(Code::BadTemplate, line, format!("the template cannot be filled in: {what}")))?;
    let tree =
        document::parse(format, file, &text).map_err(|f| fault(Code::UnreadableFile, Some(f.line), f.message))?;
    Ok(decode_dynamic(&tree, provider, file))
}

/// Decodes a tree that [`document::parse`] made. Never fails: what is wrong is in the result.
pub fn decode_dynamic(tree: &Node, provider: &str, file: &str) -> Dynamic {
    let (tree, places) = Places::take(tree, file);
    let mut file = File {
        out: Dynamic::default(),
        report: Report::new(provider, file),
        places,
        gathered: Gathered::default(),
        lost: None,
    };
    file.read(&tree);
    file.finish()
}

struct File {
    out: Dynamic,
    report: Report,
    places: Places,
    /// Nothing: what labels set aside has no counterpart here.
    gathered: Gathered,
    /// Why every router of the file is off.
    lost: Option<Diagnostic>,
}

impl File {
    fn read(&mut self, tree: &Node) {
        for (name, node) in &tree.children {
            match name.to_ascii_lowercase().as_str() {
                "http" => self.http(node),
                "tcp" | "udp" if is_bare(node) => {}
                "tcp" | "udp" => self.not_yet(node, "TCP and UDP routing do not work yet"),
                "tls" if is_bare(node) => {}
                "tls" => self.not_yet(node, "HTTPS does not work yet"),
                _ if StaticOptions::OPTIONS.iter().any(|known| known.name.eq_ignore_ascii_case(name)) => {
                    let message =
                        format!("{} is a static option: it belongs to the flags or into seaway.yml", show(name));
                    self.report.warn(&problem(&node.key, Code::UnknownOption, message), "it is ignored here");
                }
                _ => self.unassignable(node, name, &["http", "tcp", "udp", "tls"]),
            }
        }
        if tree.value.is_some() {
            self.unassignable(tree, "", &[]);
        }
    }

    fn http(&mut self, http: &Node) {
        const TRANSPORTS: &str = "serversTransports";
        if http.value.is_some() {
            return self.unassignable(http, "", &[]);
        }
        for (kind, node) in &http.children {
            let object = Object::ALL.into_iter().find(|object| object.plural().eq_ignore_ascii_case(kind));
            let is_transports = kind.eq_ignore_ascii_case(TRANSPORTS);
            if object.is_none() && !is_transports {
                self.unassignable(node, kind, &["routers", "services", "middlewares", TRANSPORTS]);
                continue;
            }
            if node.value.is_some() || node.children.first().is_some_and(|(name, _)| is_index(name)) {
                self.unassignable(node, "", &[]);
                continue;
            }
            for (name, node) in &node.children {
                match object {
                    Some(object) if is_misplaced(object, name, node) => self.misplaced(object, node, name),
                    Some(object) => self.object(object, name, node),
                    None => self.transport(name, node),
                }
            }
        }
    }

    fn object(&mut self, object: Object, name: &str, node: &Node) {
        let cx = Context { object, name, node, labels: &self.places.texts, gathered: &self.gathered, is_file: true };
        let origin = self.report.at(&node.key);
        match object {
            Object::Router => {
                let mut declared = router::decode(&cx, &mut self.report);
                self.unnamed(object, name, node, &mut declared.quarantine);
                self.out.routers.insert(name.to_owned(), Declared { origin, ..declared });
            }
            Object::Service => {
                let Declared { value: options, mut quarantine, .. } = service::decode(&cx, &mut self.report);
                self.unnamed(object, name, node, &mut quarantine);
                let servers = node.child("loadBalancer").and_then(|balancer| balancer.child("servers"));
                let places = servers.iter().flat_map(|list| &list.children).map(|(_, item)| self.report.at(&item.key));
                let value = FileService { options, places: places.collect() };
                self.out.services.insert(name.to_owned(), Declared { value, origin, quarantine });
            }
            Object::Middleware => {
                let mut declared = middleware::decode(&cx, &mut self.report);
                if let Some(chain) = node.child("chain") {
                    self.unnamed(object, name, chain, &mut declared.quarantine);
                }
                self.out.middlewares.insert(name.to_owned(), Declared { origin, ..declared });
            }
        }
    }

    /// Items of a list of middlewares that name none: whatever was to stand there, nothing would.
    fn unnamed(&mut self, object: Object, name: &str, node: &Node, quarantine: &mut Option<Diagnostic>) {
        let Some(list) = node.child("middlewares") else { return };
        let says_nothing = |node: &Node| {
            node.children.is_empty()
                && node.value.as_deref().is_none_or(|text| text.split(',').all(|n| n.trim().is_empty()))
        };
        let item = list.children.iter().map(|(_, item)| item).find(|item| says_nothing(item));
        let found = match item.or_else(|| Some(list).filter(|list| list.value.is_some() && says_nothing(list))) {
            Some(item) => problem(&item.key, Code::BadValue, "the name of a middleware is expected"),
            // As Traefik has it, which is also what is left when every item is made a comment.
            None if list.value.is_none() && list.children.is_empty() => {
                let message = "no middleware is named; `[]` says that none is meant";
                let found = problem(&list.key, Code::BadValue, message);
                self.report.warn(&found, format!("{} {} has none", object.singular(), self.report.qualified(name)));
                return;
            }
            None => return,
        };
        let found = self.report.error(&found, self.report.off(object, name));
        quarantine.get_or_insert(found);
    }

    fn transport(&mut self, name: &str, node: &Node) {
        let mut decoder = Decoder::default();
        let value: ServersTransport = decoder.section(node);
        let mut declared = Declared::new(value, self.report.at(&node.key));
        let mut problems: Vec<Problem> = decoder.faults.iter().map(|fault| self.places.problem(fault)).collect();
        if name.contains('@') {
            let message = "a name cannot contain @, which stands before the provider where a name is used";
            problems.push(problem(&node.key, Code::BadName, message));
        }
        for found in &problems {
            let consequence =
                format!("servers transport {} is off; services that use it are off too", self.report.qualified(name));
            let found = self.report.error(found, consequence);
            declared.quarantine.get_or_insert(found);
        }
        self.out.servers_transports.insert(name.to_owned(), declared);
    }

    /// Something that may have been meant for any router of the file.
    fn unassignable(&mut self, node: &Node, name: &str, known: &[&str]) {
        let message = match name {
            "" => "names with options below them are expected here".to_owned(),
            name => format!("there is nothing called `{}` here", show(name)),
        };
        let mut found = problem(&node.key, Code::UnassignableLabel, message);
        if let Some(meant) = nearest(name, known.iter().copied()).filter(|_| !name.is_empty()) {
            let above = node.key.strip_suffix(name).unwrap_or_default();
            found.fix = format!("{above}{meant}");
        }
        self.lose(&found);
    }

    fn lose(&mut self, found: &Problem) {
        let consequence = "every router of this file answers 503, because any of them could be meant";
        let found = self.report.error(found, consequence);
        self.lost.get_or_insert(found);
    }

    /// An option that stands where names do: the object above it lacks what it says.
    fn misplaced(&mut self, object: Object, node: &Node, name: &str) {
        let object = object.singular();
        let message = format!(
            "`{}` is an option of a {object} and stands beside the {object}s, so it may be any one's",
            show(name)
        );
        let mut found = problem(&node.key, Code::UnassignableLabel, message);
        found.fix = "indent it below its own, or give it what a name has".to_owned();
        self.lose(&found);
    }

    fn not_yet(&mut self, node: &Node, message: &str) {
        let consequence = format!("{} in this file is ignored", show(&node.key));
        self.report.warn(&problem(&node.key, Code::NotSupportedYet, message), consequence);
    }

    fn finish(self) -> Dynamic {
        let Self { mut out, report, places, lost, .. } = self;
        if let Some(reason) = lost {
            for router in out.routers.values_mut() {
                router.quarantine.get_or_insert_with(|| reason.clone());
            }
        }
        out.diagnostics = report.finish();
        places.put(&mut out);
        out
    }
}

/// A line that is indented too little makes an object of an option. What can be meant as one has what it needs most.
fn is_misplaced(object: Object, name: &str, node: &Node) -> bool {
    let is_option = object.options().iter().any(|option| option.name.eq_ignore_ascii_case(name));
    let needs = |child: &(String, Node)| match object {
        Object::Router => ["rule", "service"].iter().any(|option| option.eq_ignore_ascii_case(&child.0)),
        // One that lost its type is broken, and so is every router that uses it.
        Object::Middleware => true,
        Object::Service => object.options().iter().any(|option| option.name.eq_ignore_ascii_case(&child.0)),
    };
    is_option && object != Object::Middleware && !node.children.iter().any(needs)
}

/// A section that is there and says nothing.
fn is_bare(node: &Node) -> bool {
    node.value.is_none() && node.children.iter().all(|(_, child)| is_bare(child))
}

fn is_index(name: &str) -> bool {
    name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).is_some_and(|n| n.parse::<u32>().is_ok())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
