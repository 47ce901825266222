//! Flags and environment variables → static options.
//!
//! Flags go over `SEAWAY_…` variables, those over `TRAEFIK_…` ones; a list that is given replaces the one below it. Every
//! mistake is a diagnostic, and with any of them Seaway does not start.

mod address;
mod check;
mod environment;
mod flags;
mod help;
mod known;

use seaway_config::catalogue::Section;
use seaway_config::decode::{Decoder, Fault, FaultKind};
use seaway_config::statics::{EntryPointOptions, StaticOptions};
use seaway_config::tree::Node;
use seaway_config::{Code, Diagnostic, Origin};

pub use address::listen_address;
pub use help::help;

use crate::gather::show;
use crate::overlay::{EmptyList, overlay};

/// What the command line and the environment say.
#[derive(Clone, Debug, PartialEq)]
pub struct Parsed {
    /// The options, with the implicit entry points.
    pub options: StaticOptions,
    /// What overrides what, and what is accepted without effect: worth one line each in the log.
    pub notes: Vec<String>,
}

/// Parses arguments (without the program's name and sub-command) and environment variables.
///
/// The error holds every mistake that was found, never none.
pub fn parse(arguments: &[String], environment: &[(String, String)]) -> Result<Parsed, Vec<Diagnostic>> {
    let mut given = Given::default();
    let mut tree = environment::read(environment, "TRAEFIK_", &mut given);
    for upper in [environment::read(environment, "SEAWAY_", &mut given), flags::read(arguments, &mut given)] {
        let note = &mut |over: &str, base: &str| given.notes.push(format!("{over} overrides {base}"));
        overlay(&mut tree, upper, StaticOptions::OPTIONS, EmptyList::Replaces, note);
    }
    let mut decoder = Decoder::default();
    let mut options: StaticOptions = decoder.section(&tree);
    given.mistakes.extend(decoder.faults.iter().map(mistake));
    implicit_entry_points(&mut options);
    check::check(&mut options, &tree, &mut given);
    if given.mistakes.is_empty() { Ok(Parsed { options, notes: given.notes }) } else { Err(given.mistakes) }
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
}

impl Given {
    fn mistake(&mut self, code: Code, key: &str, message: impl Into<String>, fix: impl Into<String>) {
        self.mistakes.push(diagnostic(code, key, message).fix(fix));
    }
}

fn diagnostic(code: Code, key: &str, message: impl Into<String>) -> Diagnostic {
    let provider = if key.starts_with('-') { "flags" } else { "environment" };
    let origin = Origin { provider: provider.into(), resource: "".into(), key: show(key).into() };
    Diagnostic::error(code, origin, message, "Seaway does not start")
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
