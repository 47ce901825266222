//! Where it was measured, and with which versions.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use super::cores::Cores;
use super::peers::Peer;

/// The facts that a reader needs to judge the figures.
pub(crate) fn facts(cores: &Cores, peers: &[(Peer, String)], command: &str) -> Value {
    let versions: serde_json::Map<String, Value> =
        peers.iter().map(|(peer, version)| (peer.name().to_owned(), version.clone().into())).collect();
    json!({
        "processor": first("/proc/cpuinfo", "model name"),
        "cores": cores.count,
        "memory": memory(&first("/proc/meminfo", "MemTotal")),
        // Without what its builder added.
        "kernel": first("/proc/sys/kernel/osrelease", "").split('-').next().unwrap_or_default(),
        "virtual": fs::read_to_string("/proc/cpuinfo").is_ok_and(|text| text.contains(" hypervisor")),
        "load_before": load(),
        "busy_before": is_busy(cores),
        "arrangement": cores.describe(),
        "versions": versions,
        "command": command,
        "commit": commit(),
    })
}

/// `24684092 kB` in a unit for people.
fn memory(total: &str) -> String {
    let kib = total.split(' ').next().and_then(|number| number.parse::<u32>().ok());
    kib.map_or_else(|| total.to_owned(), |kib| format!("{:.1} GB", f64::from(kib) * 1024.0 / 1e9))
}

/// Others use this machine too, so much that rates and latencies say little.
pub(crate) fn is_busy(cores: &Cores) -> bool {
    let text = load();
    let load = text.split(' ').next().and_then(|number| number.parse::<f64>().ok()).unwrap_or(0.0);
    u32::try_from(cores.count).is_ok_and(|count| load > 0.3 * f64::from(count))
}

/// How busy the machine is, over one and over five minutes.
pub(crate) fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').take(2).collect::<Vec<_>>().join(" ")
}

/// The version of a program, as far as it says one: the first word with a digit and a dot in what it says.
pub(crate) fn version(program: &Path, arguments: &[&str]) -> String {
    if arguments.is_empty() {
        return "part of the harness".to_owned();
    }
    let Ok(done) = Command::new(program).args(arguments).output() else { return "unknown".to_owned() };
    let said = [done.stdout, done.stderr].concat();
    version_in(&String::from_utf8_lossy(&said)).unwrap_or_else(|| "unknown".to_owned())
}

fn version_in(said: &str) -> Option<String> {
    let words = said.split(|c: char| c.is_whitespace() || c == '/');
    let mut versions = words.map(|word| word.trim_start_matches('v').trim_end_matches([',', ';']));
    versions
        .find(|word| word.starts_with(|c: char| c.is_ascii_digit()) && word.contains('.'))
        .map(|word| word.split(['-', '+']).next().unwrap_or(word).to_owned())
        // One that was built by hand may be of no version.
        .or_else(|| Some(said.split_once("Version:")?.1.split_whitespace().next()?.to_owned()))
}

fn commit() -> String {
    let git = |arguments: &[&str]| {
        let done = Command::new("git").args(arguments).current_dir(env!("CARGO_MANIFEST_DIR")).output().ok()?;
        done.status.success().then(|| String::from_utf8_lossy(&done.stdout).trim().to_owned())
    };
    match (git(&["rev-parse", "--short=12", "HEAD"]), git(&["status", "--porcelain", "--untracked-files=no"])) {
        (Some(commit), Some(changes)) if changes.is_empty() => commit,
        (Some(commit), _) => format!("{commit} with changes"),
        (None, _) => "unknown".to_owned(),
    }
}

fn first(file: &str, key: &str) -> String {
    let text = fs::read_to_string(file).unwrap_or_default();
    let line = text.lines().find_map(|l| l.strip_prefix(key)).unwrap_or_default();
    line.trim_start_matches([':', '\t', ' ']).trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_found_in_what_programs_say() {
        for (said, version) in [
            ("nginx version: nginx/1.22.1", "1.22.1"),
            ("HAProxy version 2.6.12-1+deb12u4 2026/10/17 - https://haproxy.org/", "2.6.12"),
            ("Server version: Apache/2.4.71 (Debian)\nServer built:   2026-11-12T08:58:41", "2.4.71"),
            ("2.6.2", "2.6.2"),
            ("Version:      3.5.0\nCodename:     x", "3.5.0"),
            ("seaway 0.1.0", "0.1.0"),
        ] {
            assert_eq!(version_in(said).as_deref(), Some(version), "{said}");
        }
        assert_eq!(version_in("Version:   dev\nGo version: go1x").as_deref(), Some("dev"));
        assert_eq!(version_in("no idea"), None);
    }
}
