//! Every row of the label grammar, and every rule of quarantine.

use super::*;
use seaway_config::Severity;
use seaway_config::model::{Headers, StickyCookie};

mod access;
mod grammar;
mod mutation;
mod quarantine;

/// Labels from `key=value` lines.
fn labels(lines: &[&str]) -> BTreeMap<String, String> {
    lines.iter().filter_map(|line| line.split_once('=')).map(|(k, v)| (k.to_owned(), v.to_owned())).collect()
}

fn decode(lines: &[&str]) -> Decoded {
    decode_container(&labels(lines), "docker", "web-1")
}

/// The same with `traefik.http.` in front of each line.
fn http(lines: &[&str]) -> Decoded {
    let lines: Vec<String> = lines.iter().map(|line| format!("traefik.http.{line}")).collect();
    decode(&lines.iter().map(String::as_str).collect::<Vec<_>>())
}

fn codes(decoded: &Decoded) -> Vec<Code> {
    decoded.diagnostics.iter().map(|d| d.code).collect()
}

/// Why the router of that name is off; `None` if it is published.
fn router_off(decoded: &Decoded, name: &str) -> Option<Code> {
    decoded.routers.get(name).expect("the router is declared").quarantine.as_ref().map(|d| d.code)
}

fn service_off(decoded: &Decoded, name: &str) -> Option<Code> {
    decoded.services.get(name).expect("the service is declared").quarantine.as_ref().map(|d| d.code)
}

fn middleware_off(decoded: &Decoded, name: &str) -> Option<Code> {
    decoded.middlewares.get(name).expect("the middleware is declared").quarantine.as_ref().map(|d| d.code)
}
