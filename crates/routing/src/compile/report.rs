//! What was found wrong, each thing once, and words that several findings share.

use std::collections::HashSet;
use std::sync::Arc;

use seaway_config::model::Router;
use seaway_config::suggest::nearest;
use seaway_config::{Code, Diagnostic, Origin};

use super::CompileOptions;

/// Collects what is found wrong with one object, in that order.
#[derive(Debug, Default)]
pub(super) struct Report {
    found: Vec<Diagnostic>,
}

/// Why an object cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) code: Code,
    /// One line, in Traefik's words where it has some.
    pub(super) text: String,
    fix: Fix,
}

/// What would mend a fault.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Fix {
    None,
    Value(String),
    Line(String),
}

impl Fault {
    pub(super) fn new(code: Code, text: impl Into<String>) -> Self {
        Self { code, text: text.into(), fix: Fix::None }
    }

    /// The same; with this value the option at fault would be right.
    pub(super) fn value(self, value: impl Into<String>) -> Self {
        Self { fix: Fix::Value(value.into()), ..self }
    }

    /// The same; with this line elsewhere it would be right.
    pub(super) fn line(self, line: impl Into<String>) -> Self {
        Self { fix: Fix::Line(line.into()), ..self }
    }

    /// The line that would mend it at the option `at` of an object.
    pub(super) fn fix(&self, origin: &Origin, kind: &str, name: &str, at: &str) -> String {
        match &self.fix {
            Fix::None => String::new(),
            Fix::Value(value) => line(origin, kind, name, at, value),
            Fix::Line(line) if is_file(origin) => in_file(line),
            Fix::Line(line) => line.clone(),
        }
    }
}

impl From<&Diagnostic> for Fault {
    fn from(diagnostic: &Diagnostic) -> Self {
        Self::new(diagnostic.code, diagnostic.message.clone())
    }
}

impl Report {
    pub(super) fn add(&mut self, diagnostic: Diagnostic) {
        self.found.push(diagnostic);
    }

    pub(super) fn finish(self) -> Box<[Diagnostic]> {
        self.found.into()
    }
}

/// Each finding once, in the order in which they come.
pub(super) fn unique<'d>(found: impl Iterator<Item = &'d Diagnostic>) -> Arc<[Diagnostic]> {
    let mut seen: HashSet<(Code, &Origin, &str)> = HashSet::new();
    found.filter(|found| seen.insert((found.code, &found.origin, &found.message))).cloned().collect()
}

/// The label of one option of the object that `origin` declares: `traefik.http.routers.web` and `.service`. An object
/// that no label declares has no key to point at.
pub(super) fn option(origin: &Origin, option: &str) -> Origin {
    match object_key(origin) {
        Some(object) if option.is_empty() => origin.at(&object),
        Some(object) => origin.at(&format!("{object}.{option}")),
        None => origin.at(""),
    }
}

/// `key=value` for the line that would fix something, under the object's own root where it has one; `key: value` for what
/// a file declares.
pub(super) fn line(origin: &Origin, kind: &str, name: &str, option: &str, value: &str) -> String {
    if is_file(origin) {
        let is_list = ["middlewares", "entrypoints"].iter().any(|list| option.ends_with(list));
        let value = if is_list { format!("[{}]", value.replace(',', ", ")) } else { value.to_owned() };
        return format!("{}.{option}: {value}", origin.key);
    }
    let object = object_key(origin).unwrap_or_else(|| format!("traefik.http.{kind}.{name}"));
    format!("{object}.{option}={value}")
}

/// The object stands in a file: the key is its path there, whatever is in its name.
fn is_file(origin: &Origin) -> bool {
    origin.key.starts_with("http.")
}

/// A label as it would stand in a file.
fn in_file(line: &str) -> String {
    match line.strip_prefix("traefik.").and_then(|line| line.split_once('=')) {
        Some((key, value)) => match key.strip_suffix(".loadbalancer.server.port") {
            Some(service) => format!("{service}.loadBalancer.servers: [{{ url: \"http://10.0.0.7:80\" }}]"),
            None => format!("{key}: {value}"),
        },
        None => line.to_owned(),
    }
}

fn object_key(origin: &Origin) -> Option<String> {
    if is_file(origin) {
        return Some(origin.key.to_string());
    }
    let mut parts = origin.key.split('.');
    let object: Vec<_> = parts.by_ref().take(4).collect();
    (object.len() == 4 && object.get(1).is_some_and(|part| part.eq_ignore_ascii_case("http"))).then(|| object.join("."))
}

/// The router's list with what was probably meant in place of what does not exist; all there are, if that is nothing.
pub(super) fn meant_entry_points(router: &Router, options: &CompileOptions) -> String {
    let names = || options.entry_points.iter().map(|known| &*known.name);
    let mut meant: Vec<&str> = Vec::new();
    for wanted in &router.entry_points {
        let known = names().find(|name| name == wanted).or_else(|| nearest(wanted, names()));
        meant.extend(known.filter(|known| !meant.contains(known)));
    }
    if meant.is_empty() {
        meant.extend(names());
    }
    meant.join(",")
}

/// A rule for use inside a message: on one line and not too long.
pub(super) fn shown(rule: &str) -> String {
    let short: String = rule.chars().take(200).collect();
    let more = if short.len() < rule.len() { "…" } else { "" };
    format!("{}{more}", short.escape_debug())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_keep_the_spelling_of_the_person_who_wrote_them() {
        let origin = Origin::resource("docker", "web-1").at("seaway.HTTP.Routers.Web.rule");
        assert_eq!(&*option(&origin, "service").key, "seaway.HTTP.Routers.Web.service");
        assert_eq!(&*option(&Origin::resource("docker", "web-1"), "service").key, "");
        assert_eq!(line(&origin, "routers", "x", "priority", "9"), "seaway.HTTP.Routers.Web.priority=9");
        assert_eq!(
            line(&Origin::resource("docker", "web-1"), "routers", "x", "priority", "9"),
            "traefik.http.routers.x.priority=9"
        );
    }

    #[test]
    fn what_stands_in_a_file_is_mended_there() {
        let origin = Origin::resource("file", "a.yml:3").at("http.routers.web.v2");
        assert_eq!(&*option(&origin, "service").key, "http.routers.web.v2.service");
        assert_eq!(line(&origin, "routers", "web.v2", "service", "s"), "http.routers.web.v2.service: s");
        assert_eq!(line(&origin, "routers", "web.v2", "middlewares", "a,b"), "http.routers.web.v2.middlewares: [a, b]");
        let fix =
            |line: &str| Fault::new(Code::UnknownService, "").line(line).fix(&origin, "routers", "web.v2", "service");
        assert_eq!(
            fix("traefik.http.services.s.loadbalancer.server.port=80"),
            "http.services.s.loadBalancer.servers: [{ url: \"http://10.0.0.7:80\" }]"
        );
        assert_eq!(fix("traefik.http.middlewares.a.<type>=…"), "http.middlewares.a.<type>: …");
        assert_eq!(fix("--seaway.labels.allowinternal"), "--seaway.labels.allowinternal");
    }

    #[test]
    fn the_same_finding_is_told_once() {
        let found = ["a", "a", "c", "a"].map(|what| Diagnostic::error(Code::BadRule, Origin::default(), what, "b"));
        let told = unique(found.iter());
        assert_eq!(told.iter().map(|found| found.message.as_str()).collect::<Vec<_>>(), ["a", "c"]);
    }
}
