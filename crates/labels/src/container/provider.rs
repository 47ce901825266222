//! The labels that speak to the provider: `traefik.enable` and `traefik.docker.*`, of both roots.

use std::collections::BTreeMap;

use seaway_config::Code;
use seaway_config::decode::parse_bool;

use super::Decoded;
use super::report::Report;
use crate::gather::{MAX_VALUE, Problem, line, problem, show};
use crate::names::{Place, place};
use seaway_config::suggest::nearest;

const DOCKER: [&str; 3] = ["network", "lbswarm", "allownonrunning"];

/// Reads them into `decoded`. As labels are read in byte order and `seaway.` sorts before `traefik.`, what a root may
/// say is only taken where the other has not spoken.
pub(super) fn read(labels: &BTreeMap<String, String>, decoded: &mut Decoded, report: &mut Report) {
    let mut allow_non_running = None;
    for own in [true, false] {
        // Spellings of one key that differ in case: the later in byte order counts.
        let mut seen = Decoded::default();
        let mut non_running = None;
        for (key, value) in labels.iter().filter(|(key, _)| key.starts_with("seaway.") == own) {
            let fault = match place(key) {
                Place::Enable => enable(key, value, &mut seen),
                Place::Docker => docker(key, value, &mut seen, &mut non_running),
                _ => None,
            };
            if let Some(fault) = fault {
                decoded.provider_fault = true;
                report.quarantine_all(decoded, &fault);
            }
        }
        decoded.enable = decoded.enable.or(seen.enable);
        decoded.network = decoded.network.take().or(seen.network);
        allow_non_running = allow_non_running.or(non_running);
    }
    decoded.allow_non_running = allow_non_running.unwrap_or(false);
}

fn enable(key: &str, value: &str, seen: &mut Decoded) -> Option<Problem> {
    let root = key.split('.').next().unwrap_or_default();
    if !key.get(root.len() + 1..).is_some_and(|word| word.eq_ignore_ascii_case("enable")) {
        let fix = line(&format!("{root}.enable"), value);
        return Some(Problem { fix, ..unreadable(key, "there is no such label; it is called enable".to_owned()) });
    }
    seen.enable = parse_bool(value);
    seen.enable.is_none().then(|| bad_bool(key, value))
}

fn docker(key: &str, value: &str, seen: &mut Decoded, non_running: &mut Option<bool>) -> Option<Problem> {
    let mut parts = key.splitn(3, '.');
    let (root, word) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let name = parts.next().unwrap_or_default();
    match name.to_ascii_lowercase().as_str() {
        "network" if value.len() > MAX_VALUE || value.chars().any(char::is_control) => {
            Some(unreadable(key, "the value is too long or has control characters".to_owned()))
        }
        "network" => {
            seen.network = (!value.is_empty()).then(|| value.to_owned());
            None
        }
        // Only Swarm has a virtual address per service.
        "lbswarm" => parse_bool(value).is_none().then(|| bad_bool(key, value)),
        "allownonrunning" => {
            *non_running = parse_bool(value);
            non_running.is_none().then(|| bad_bool(key, value))
        }
        _ => {
            let message =
                format!("there is no such label; known are network, allownonrunning and lbswarm, not `{}`", show(name));
            let fix = nearest(name, DOCKER).map(|meant| line(&format!("{root}.{word}.{meant}"), value));
            Some(Problem { fix: fix.unwrap_or_default(), ..unreadable(key, message) })
        }
    }
}

fn bad_bool(key: &str, value: &str) -> Problem {
    let fix = match value.trim().trim_matches(['"', '\'']).to_ascii_lowercase().as_str() {
        "true" | "t" | "1" | "yes" | "y" | "on" => format!("{key}=true"),
        "false" | "f" | "0" | "no" | "n" | "off" => format!("{key}=false"),
        _ => String::new(),
    };
    Problem { fix, ..unreadable(key, format!("true or false is expected, not `{}`", show(value))) }
}

fn unreadable(key: &str, message: String) -> Problem {
    problem(&show(key), Code::BadProviderLabel, message)
}
