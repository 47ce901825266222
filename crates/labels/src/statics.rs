//! Flags, environment variables and a file → static options.
//!
//! Flags go over `SEAWAY_…` variables, those over `TRAEFIK_…` ones, and all of them over the file; a list that is given
//! replaces the one below it. Every mistake is a diagnostic, and with any of them Seaway does not start.

mod address;
mod check;
mod environment;
mod file;
mod flags;
mod help;
mod known;

use seaway_config::catalogue::Section;
use seaway_config::decode::{Decoder, Fault, FaultKind};
use seaway_config::statics::{EntryPointOptions, StaticOptions};
use seaway_config::tree::Node;
use seaway_config::{Code, Diagnostic, Origin};

pub use address::listen_address;
pub use file::{StaticFile, config_file, usual_places};
pub use help::help;
pub use known::{not_yet, without_effect};

use crate::document::split_key;
use crate::gather::show;
use crate::overlay::{EmptyList, overlay};

/// What the command line, the environment and a file say.
#[derive(Clone, Debug, PartialEq)]
pub struct Parsed {
    /// The options, with the implicit entry points.
    pub options: StaticOptions,
    /// What overrides what, and what is accepted without effect: worth one line each in the log.
    pub notes: Vec<String>,
    /// What Seaway starts without.
    pub warnings: Vec<Diagnostic>,
}

/// Parses arguments (without the program's name and sub-command) and environment variables.
///
/// The error holds every mistake that was found, never none.
pub fn parse(arguments: &[String], environment: &[(String, String)]) -> Result<Parsed, Vec<Diagnostic>> {
    parse_all(arguments, environment, None)
}

/// The same over what a file says: the one that [`config_file`] names, or the first of [`usual_places`] that exists.
pub fn parse_all(
    arguments: &[String],
    environment: &[(String, String)],
    file: Option<&StaticFile>,
) -> Result<Parsed, Vec<Diagnostic>> {
    let mut given = Given::default();
    let mut tree = file.map(|file| file::read(file, &mut given)).unwrap_or_default();
    if let Some(file) = file {
        given.notes.push(format!("static options are read from {}", show(&file.path.display().to_string())));
    }
    let traefik = environment::read(environment, "TRAEFIK_", &mut given);
    let seaway = environment::read(environment, "SEAWAY_", &mut given);
    for upper in [traefik, seaway, flags::read(arguments, &mut given)] {
        let note = &mut |over: &str, base: &str| given.notes.push(format!("{over} overrides {base}"));
        overlay(&mut tree, upper, StaticOptions::OPTIONS, EmptyList::Replaces, note);
    }
    let mut decoder = Decoder::default();
    let mut options: StaticOptions = decoder.section(&tree);
    given.mistakes.extend(decoder.faults.iter().map(mistake));
    implicit_entry_points(&mut options);
    check::check(&mut options, &tree, &mut given);
    match given {
        Given { mistakes, notes, warnings } if mistakes.is_empty() => Ok(Parsed { options, notes, warnings }),
        Given { mistakes, .. } => Err(mistakes),
    }
}

/// Adds the entry points that need not be named: `http` on port 80 where none is, and `traefik` on port 8080 where the
/// API, ping or the metrics are to be served on it. Does nothing the second time.
pub fn implicit_entry_points(options: &mut StaticOptions) {
    let at = |address: &str| EntryPointOptions { address: address.to_owned(), ..EntryPointOptions::default() };
    if options.entry_points.is_empty() {
        options.entry_points.insert("http".to_owned(), at(":80"));
    }
    let api = options.api.as_ref().is_some_and(|api| api.insecure);
    let ping = options.ping.as_ref().is_some_and(|ping| !ping.manual_routing && ping.entry_point == "traefik");
    let prometheus = options.metrics.prometheus.as_ref();
    let metrics = prometheus.is_some_and(|metrics| !metrics.manual_routing && metrics.entry_point == "traefik");
    if (api || ping || metrics) && !options.entry_points.keys().any(|name| name.eq_ignore_ascii_case("traefik")) {
        options.entry_points.insert("traefik".to_owned(), at(":8080"));
    }
}

/// What is collected on the way.
#[derive(Debug, Default)]
struct Given {
    mistakes: Vec<Diagnostic>,
    notes: Vec<String>,
    warnings: Vec<Diagnostic>,
}

impl Given {
    fn mistake(&mut self, code: Code, key: &str, message: impl Into<String>, fix: impl Into<String>) {
        self.mistakes.push(diagnostic(code, key, message).fix(fix));
    }

    fn warning(&mut self, code: Code, key: &str, message: impl Into<String>, consequence: impl Into<String>) {
        self.warnings.push(Diagnostic::warning(code, origin(key), message, consequence));
    }
}

fn diagnostic(code: Code, key: &str, message: impl Into<String>) -> Diagnostic {
    Diagnostic::error(code, origin(key), message, "Seaway does not start")
}

/// Which flag, which variable, or which line of a file.
fn origin(key: &str) -> Origin {
    match split_key(key) {
        _ if key.starts_with('-') => Origin { provider: "flags".into(), resource: "".into(), key: show(key).into() },
        Some((place, path)) => Origin { provider: "file".into(), resource: place.into(), key: show(path).into() },
        None => Origin { provider: "environment".into(), resource: "".into(), key: show(key).into() },
    }
}

/// The line that would set an option to `value`, in the language of the place that `key` names.
fn assignment(key: &str, value: &str) -> String {
    match split_key(key) {
        Some((_, path)) if !key.starts_with('-') => format!("{path}: {value}"),
        _ => format!("{key}={value}"),
    }
}

/// Unknown names were told before the tree was decoded, so only values are left.
fn mistake(fault: &Fault) -> Diagnostic {
    match &fault.kind {
        FaultKind::BadValue { expected, got } => {
            // Whatever stands in a secret is not repeated.
            let secret = fault.path.to_ascii_lowercase().ends_with("password");
            let got = if secret { "what is given".to_owned() } else { format!("`{}`", show(got)) };
            diagnostic(Code::BadStaticValue, &fault.key, format!("{expected} is expected, not {got}"))
        }
        FaultKind::Unknown { name, .. } => {
            diagnostic(Code::UnknownStaticOption, &fault.key, format!("there is nothing called `{}` here", show(name)))
        }
        FaultKind::Standalone => {
            diagnostic(Code::BadStaticValue, &fault.key, "a value here means nothing: options stand below it")
        }
    }
}

/// The node at `path`, by which a check says which flag or variable it means.
fn node_at<'n>(tree: &'n Node, path: &[&str]) -> Option<&'n Node> {
    path.iter().try_fold(tree, |node, name| node.child(name))
}

#[cfg(test)]
mod tests;
