//! `docs/compatibility.md`: each of Traefik's HTTP options, and whether it works.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use seaway_config::Code;
use seaway_config::catalogue::{Kind, OptionSpec, Section};
use seaway_config::model::{self, MiddlewareOptions, Router, ServersTransport, ServiceOptions};
use seaway_config::statics::StaticOptions;
use seaway_labels::{decode_container, statics};

use super::markdown::{cell, code};
use super::reference::below;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Works,
    NoEffect,
    NotYet,
}

/// What the catalogue knows and does not say in its first word: the path and all below it, and why.
const OTHERWISE: &[(&str, State, &str)] = &[
    ("api.dashboard", State::NotYet, "Accepted; only the API is there."),
    ("api.debug", State::NoEffect, "There are no debug pages."),
    ("entryPoints.<name>.http.tls", State::NotYet, "What listens there answers 503, and is never served in clear."),
    ("entryPoints.<name>.observability.tracing", State::NotYet, "Accepted."),
    ("entryPoints.<name>.observability.traceVerbosity", State::NotYet, "Accepted."),
    ("routers.<name>.tls", State::NotYet, "The router answers 503, and is never served in clear."),
    ("routers.<name>.observability.tracing", State::NotYet, "Accepted."),
    ("routers.<name>.observability.traceVerbosity", State::NotYet, "Accepted."),
    ("routers.<name>.ruleSyntax", State::Works, "v3 alone; with v2 the router answers 503."),
    ("services.<name>.loadBalancer.server.scheme", State::Works, "http and https; not yet h2c."),
    ("services.<name>.loadBalancer.healthCheck.mode", State::Works, "http; not yet grpc."),
    (
        "middlewares.<name>.passTLSClientCert",
        State::NotYet,
        "Needs TLS towards clients. What clients send under these header names is removed.",
    ),
];

/// Seaway's own.
const OURS: &[&str] = &["seaway", "entryPoints.<name>.http.upgrades"];

/// Where Traefik's static options are listed, for the tests of how they are read.
const LIST: &str = "crates/labels/src/statics/tests/reference.rs";

pub(super) fn page() -> String {
    let mut page = String::from(
        "# Compatibility\n\n<!-- Made by tests/docs.rs from the option catalogue; changes belong there. -->\n\n\
         Every option of Traefik 3 that has to do with HTTP. *Without effect*: accepted, and nothing has to be done for it.\n\
         *Not yet*: known and answered, never taken for a typing mistake; the [reason](reference/diagnostics.md) is in the log.\n\
         What differs on purpose is in [from Traefik](from-traefik.md).\n\n",
    );
    let all = options();
    let count = |state| all.iter().filter(|(_, (found, _))| *found == state).count();
    _ = writeln!(
        page,
        "{} options work, {} are without effect, {} do not work yet (some of these stand for all below them).\n",
        count(State::Works),
        count(State::NoEffect),
        count(State::NotYet),
    );
    let titles = [
        ("Routers", "routers."),
        ("Services", "services."),
        ("Middlewares", "middlewares."),
        ("Servers transports", "serversTransports."),
        ("Static options", ""),
    ];
    let dynamic: Vec<&str> = titles.iter().map(|(_, prefix)| *prefix).filter(|prefix| !prefix.is_empty()).collect();
    for (title, prefix) in titles {
        _ = writeln!(page, "## {title}\n");
        if !prefix.is_empty() {
            _ = writeln!(page, "Below `traefik.http.` in labels, below `http` in files.\n");
        }
        page.push_str("| Option | | |\n|---|---|---|\n");
        let here = |path: &str| match prefix {
            "" => !dynamic.iter().any(|other| path.starts_with(other)),
            prefix => path.starts_with(prefix),
        };
        for (path, (state, remark)) in all.iter().filter(|(path, _)| here(path)) {
            let state = match state {
                State::Works => "works",
                State::NoEffect => "without effect",
                State::NotYet => "**not yet**",
            };
            _ = writeln!(page, "| {} | {state} | {} |", code(path), cell(remark));
        }
        page.push('\n');
    }
    page.push_str(
        "## The rest\n\n\
         | | | |\n|---|---|---|\n\
         | labels and files below `tcp` and `udp` | **not yet** | They are ignored with a warning; HTTP of the same container is served. |\n\
         | `tls` stores, options and certificates | **not yet** | |\n\
         | certificate resolvers (ACME) | **not yet** | |\n\
         | HTTP/2 and HTTP/3 | **not yet** | Clients that offer them get HTTP/1.1. |\n\
         | Swarm, Kubernetes, Consul, Nomad, ECS, key-value stores | **not yet** | |\n\
         | plugins | **not yet** | |\n",
    );
    page
}

/// Every option of Traefik's by path, in groups as they are declared.
fn options() -> BTreeMap<String, (State, String)> {
    let mut all = BTreeMap::new();
    for (above, specs) in [
        ("", StaticOptions::OPTIONS),
        ("routers.<name>", Router::OPTIONS),
        ("services.<name>", ServiceOptions::OPTIONS),
        ("middlewares.<name>", MiddlewareOptions::OPTIONS),
        ("serversTransports.<name>", ServersTransport::OPTIONS),
    ] {
        walk(specs, above, &mut all);
    }
    let dynamic = model::NOT_YET.iter().copied();
    for path in dynamic.chain(statics::not_yet().iter().copied()) {
        all.insert(path.replace('*', "<name>"), (State::NotYet, String::new()));
    }
    for (path, only) in statics::without_effect() {
        match only {
            None => drop(all.insert((*path).to_owned(), (State::NoEffect, String::new()))),
            Some(value) => {
                if let Some((_, remark)) = all.get_mut(*path) {
                    *remark = format!("Without effect when it is {value}.");
                }
            }
        }
    }
    all
}

fn walk(specs: &[OptionSpec], above: &str, all: &mut BTreeMap<String, (State, String)>) {
    for spec in specs {
        let path = if above.is_empty() { spec.name.to_owned() } else { format!("{above}.{}", spec.name) };
        if OURS.contains(&&*path) {
            continue;
        }
        let is_section = matches!(spec.kind, Kind::Section | Kind::NamedSections);
        let otherwise = OTHERWISE.iter().find(|(at, ..)| *at == path);
        if let Some((_, state, remark)) = otherwise {
            all.insert(path.clone(), (*state, (*remark).to_owned()));
            if *state == State::NotYet {
                continue;
            }
        } else if !is_section || spec.below.is_empty() {
            let shown = if spec.kind == Kind::Map { format!("{path}.<key>") } else { path.clone() };
            all.insert(shown, by_words(spec.doc));
        }
        walk(spec.below, &below(spec, &path), all);
    }
}

/// The catalogue says it where an option has no effect.
fn by_words(doc: &str) -> (State, String) {
    for (start, state) in [("Accepted", State::NoEffect), ("Removed", State::NoEffect)] {
        if doc.starts_with(start) {
            let remark = doc.split_once(": ").map_or("", |(_, why)| why);
            return (state, sentence(remark.trim_start_matches("accepted without effect; ")));
        }
    }
    let remark = if doc.starts_with("Deprecated") { doc } else { "" };
    (State::Works, remark.to_owned())
}

fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// What Traefik documents is in the table: as it is, below an entry that stands for all of it, or as a section.
pub(super) fn nothing_is_missing() {
    let all: Vec<String> = options().into_keys().map(|path| plain(&path)).collect();
    let missing: Vec<String> = list()
        .into_iter()
        .map(|option| option.replace(".X", ".<name>"))
        .filter(|option| {
            let option = plain(option);
            let is_known = |path: &String| {
                option == *path || option.starts_with(&format!("{path}.")) || path.starts_with(&format!("{option}."))
            };
            !all.iter().any(is_known)
        })
        .collect();
    assert_eq!(missing, Vec::<String>::new());
    for (path, ..) in OTHERWISE {
        assert!(options().contains_key(*path), "{path} is no option");
    }
}

fn plain(path: &str) -> String {
    path.to_lowercase().replace("[n]", "").replace(".[0]", "").replace("<key>", "<name>")
}

/// The options of the list, which stands in a test that this one does not see.
fn list() -> Vec<String> {
    let source = std::fs::read_to_string(super::root().join(LIST)).unwrap();
    let from = source.find("const OPTIONS: &[&str] = &[").expect("the list");
    let text = &source[from..];
    let text = &text[..text.find("];").expect("its end")];
    let found: Vec<String> = text.split('"').skip(1).step_by(2).map(str::to_owned).collect();
    assert!(found.len() > 100, "{} options", found.len());
    found
}

/// What the table says not to work is refused, so that nobody relies on it.
pub(super) fn what_does_not_work_is_refused() {
    for (label, value, code) in [
        ("routers.a.tls", "true", Code::TlsNotSupportedYet),
        ("routers.a.tls.certresolver", "le", Code::TlsNotSupportedYet),
        ("routers.a.rulesyntax", "v2", Code::NotSupportedYet),
        ("services.a.loadbalancer.server.scheme", "h2c", Code::NotSupportedYet),
        ("services.a.weighted.services[0].name", "b", Code::NotSupportedYet),
    ] {
        refused(label, value, code);
    }
    for path in model::NOT_YET {
        refused(&path.replace('*', "a"), "true", Code::NotSupportedYet);
    }
}

fn refused(label: &str, value: &str, code: Code) {
    let label = format!("traefik.http.{label}");
    let labels = BTreeMap::from([(label.clone(), value.to_owned())]);
    let told = decode_container(&labels, "docker", "a-1").diagnostics;
    assert!(told.iter().any(|found| found.code == code), "{label}={value}: {told:#?}");
}
