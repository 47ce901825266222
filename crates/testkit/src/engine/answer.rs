//! What the fake engine answers: the shapes of a real one, secrets included, so that a test can look for leaks.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::containers::{Container, World};

/// What no client of ours may ever keep or show.
pub const SECRET: &str = "DATABASE_PASSWORD=hunter2";

pub(super) fn version(newest: &str, oldest: &str) -> Vec<u8> {
    json!({
        "Version": "20.10.24", "ApiVersion": newest, "MinAPIVersion": oldest, "GitCommit": "0", "GoVersion": "go1.19",
        "Os": "linux", "Arch": "amd64", "KernelVersion": "6.1", "BuildTime": "2026-01-01T00:00:00.000000000+00:00",
        "Platform": { "Name": "" }, "Components": [],
    })
    .to_string()
    .into_bytes()
}

pub(super) fn list(world: &mut World, all: bool) -> Vec<u8> {
    let ids: Vec<String> = world.containers.values().filter(|c| all || c.running).map(|c| c.id.clone()).collect();
    let mut raw = Vec::new();
    let entries: Vec<Value> = ids
        .iter()
        .map(|id| {
            let networks = networks(world, id);
            let c = &world.containers[id];
            json!({
                "Id": id, "Names": [format!("/{}", c.spec.name)], "Image": c.spec.image, "ImageID": "sha256:0",
                "Command": "/app", "Created": c.created / 1_000_000_000, "Ports": [], "Labels": labels(c, &mut raw),
                "State": state(c), "Status": status(c), "HostConfig": { "NetworkMode": mode(c) },
                "NetworkSettings": { "Networks": networks }, "Mounts": [{ "Source": "/secret", "Destination": "/x" }],
            })
        })
        .collect();
    finish(Value::Array(entries), &raw)
}

pub(super) fn inspect(world: &mut World, id: &str) -> Option<Vec<u8>> {
    // Names and unique beginnings of ids are accepted by a real engine, too; clients of ours use whole ids.
    world.containers.get(id)?;
    let networks = networks(world, id);
    let mut raw = Vec::new();
    let c = &world.containers[id];
    let health = c.spec.health.map(|status| json!({ "Status": status, "FailingStreak": 0, "Log": [] }));
    let mut ports: BTreeMap<String, Value> = c.spec.exposed.iter().map(|p| (p.clone(), Value::Null)).collect();
    for (port, host) in &c.spec.published {
        ports.insert(port.clone(), json!([{ "HostIp": "0.0.0.0", "HostPort": host.to_string() }]));
    }
    let exposed: BTreeMap<&String, Value> = c.spec.exposed.iter().map(|p| (p, json!({}))).collect();
    let mut config = json!({
        "Hostname": id.get(..12), "Env": ["PATH=/bin", SECRET], "Cmd": ["/app", SECRET], "Image": c.spec.image,
        "Labels": labels(c, &mut raw), "ExposedPorts": exposed,
    });
    if let Some(signal) = &c.spec.stop_signal {
        config["StopSignal"] = json!(signal);
    }
    if let Some(seconds) = c.spec.stop_timeout {
        config["StopTimeout"] = json!(seconds);
    }
    let mut state = json!({
        "Status": state(c), "Running": c.running, "Paused": c.paused, "Restarting": false, "OOMKilled": false,
        "Dead": false, "Pid": if c.running { 1234 } else { 0 }, "ExitCode": c.exit_code, "Error": "",
        "StartedAt": time(c.started), "FinishedAt": time(0),
    });
    if let Some(health) = health {
        state["Health"] = health;
    }
    let answer = json!({
        "Id": id, "Created": time(c.created), "Path": "/app", "Args": [SECRET], "State": state, "Image": "sha256:0",
        "Name": format!("/{}", c.spec.name), "RestartCount": 0, "Driver": "overlay2", "Mounts": [],
        "HostConfig": { "NetworkMode": mode(c), "Binds": ["/secret:/x"] }, "Config": config,
        "NetworkSettings": { "Ports": if c.running { json!(ports) } else { json!({}) }, "Networks": networks },
    });
    Some(finish(answer, &raw))
}

fn networks(world: &mut World, id: &str) -> Value {
    let attached: Vec<_> = world.containers[id].attached.iter().map(|(n, ip)| (n.clone(), *ip)).collect();
    let mode = world.containers[id].spec.network_mode.clone();
    let mut networks: BTreeMap<String, Value> = attached
        .into_iter()
        .map(|(name, ip)| {
            let network = world.network_id(&name);
            let address = ip.map_or_else(String::new, |ip| ip.to_string());
            let endpoint = if ip.is_some() { format!("{id:.10}{network:.10}") } else { String::new() };
            let value = json!({
                "NetworkID": network, "EndpointID": endpoint, "Gateway": "", "IPAddress": address, "IPPrefixLen": 16,
                "GlobalIPv6Address": "", "MacAddress": "", "Aliases": null, "Links": null, "DriverOpts": null,
            });
            (name, value)
        })
        .collect();
    if let Some(mode) = mode.filter(|m| m == "host" || m == "none") {
        networks.insert(mode, json!({ "NetworkID": "0", "IPAddress": "", "GlobalIPv6Address": "" }));
    }
    json!(networks)
}

fn labels(c: &Container, raw: &mut Vec<Vec<u8>>) -> Value {
    let mut labels: BTreeMap<String, Value> = c.spec.labels.iter().map(|(k, v)| (k.clone(), json!(v))).collect();
    for (key, value) in &c.spec.raw_labels {
        labels.insert(key.clone(), json!(place(raw.len())));
        raw.push(value.clone());
    }
    json!(labels)
}

fn mode(c: &Container) -> String {
    let first = c.spec.networks.first().map(|(name, _)| name.clone());
    c.spec.network_mode.clone().or(first).unwrap_or_else(|| "default".to_owned())
}

fn state(c: &Container) -> &'static str {
    match (c.running, c.paused, c.started) {
        (true, true, _) => "paused",
        (true, false, _) => "running",
        (false, _, 0) => "created",
        _ => "exited",
    }
}

fn status(c: &Container) -> String {
    match (state(c), c.spec.health) {
        ("running", Some(health)) => format!("Up 3 seconds ({health})"),
        ("running", None) => "Up 3 seconds".to_owned(),
        ("paused", _) => "Up 3 seconds (Paused)".to_owned(),
        (other, _) => other.to_owned(),
    }
}

/// Stands for raw bytes until the JSON is text.
fn place(number: usize) -> String {
    format!("@raw-label-{number}@")
}

fn finish(value: Value, raw: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = value.to_string().into_bytes();
    for (number, value) in raw.iter().enumerate() {
        let mark = place(number).into_bytes();
        while let Some(at) = bytes.windows(mark.len()).position(|w| w == mark) {
            bytes.splice(at..at + mark.len(), value.iter().copied());
        }
    }
    bytes
}

/// RFC 3339 in UTC with nanoseconds, as the engine writes it.
fn time(nanos: u64) -> String {
    if nanos == 0 {
        return "0001-01-01T00:00:00Z".to_owned();
    }
    let (seconds, nanos) = (nanos / 1_000_000_000, nanos % 1_000_000_000);
    let (mut days, clock) = (seconds / 86_400, seconds % 86_400);
    let leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let mut year = 1970;
    while days >= 365 + u64::from(leap(year)) {
        days -= 365 + u64::from(leap(year));
        year += 1;
    }
    let mut month = 1;
    for length in [31, 28 + u64::from(leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    let (hour, minute, second) = (clock / 3600, clock / 60 % 60, clock % 60);
    format!("{year}-{month:02}-{:02}T{hour:02}:{minute:02}:{second:02}.{nanos:09}Z", days + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_rfc_3339() {
        assert_eq!(time(1_700_000_000_000_000_007), "2023-11-14T22:13:20.000000007Z");
        assert_eq!(time(951_782_400_000_000_000), "2000-02-29T00:00:00.000000000Z");
    }
}
