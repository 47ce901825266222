//! The engine's answers, reduced to what routing needs. Fields that are not named here (environment, mounts, arguments)
//! are skipped by the parser and never become values.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use seaway_config::model::DockerHealth;
use serde::{Deserialize, Deserializer, de::DeserializeOwned};

use crate::docker::watch::{ListedContainer, keeps_non_running};
use crate::docker::{Attachment, Binding, Container, Protocol};

/// The containers of a list that have to be inspected.
pub(super) fn list(answer: &[u8]) -> Result<Vec<ListedContainer>, serde_json::Error> {
    let listed: Vec<Listed> = decode(answer)?;
    let wanted = listed.into_iter().filter(|l| is_id(&l.id)).filter_map(|l| {
        // A word that we do not know may mean that it runs: the inspect will tell.
        let alive = !matches!(l.state.as_str(), "created" | "exited" | "dead" | "removing" | "stopped" | "configured");
        (alive || l.labels.keys().any(|key| keeps_non_running(key))).then_some(ListedContainer { id: l.id, alive })
    });
    Ok(wanted.collect())
}

/// The container of an inspect.
pub(super) fn container(answer: &[u8]) -> Result<Container, serde_json::Error> {
    decode::<Inspected>(answer).map(Container::from)
}

/// The text of an error answer, or the answer itself.
pub(super) fn message(answer: &[u8]) -> String {
    #[derive(Deserialize)]
    struct Message {
        message: String,
    }
    decode::<Message>(answer).map_or_else(|_| String::from_utf8_lossy(answer).into_owned(), |m| m.message)
}

/// A stop timeout that never ends, in seconds; small enough to be added to any time.
const FOREVER: u64 = 1 << 32;

/// An id becomes part of a path, so nothing but letters and digits is one.
pub(in crate::docker) fn is_id(text: &str) -> bool {
    (1..=128).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric())
}

/// Decodes JSON whose strings may hold what is not Unicode; that becomes U+FFFD, as the engine itself writes it.
fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, serde_json::Error> {
    let text = String::from_utf8_lossy(bytes);
    serde_json::from_str(&text).or_else(|error| match without_lone_surrogates(&text) {
        Cow::Owned(scrubbed) => serde_json::from_str(&scrubbed),
        Cow::Borrowed(_) => Err(error),
    })
}

/// Replaces every `\ud800`…`\udfff` that is not half of a pair by `\ufffd`.
fn without_lone_surrogates(text: &str) -> Cow<'_, str> {
    let unit = |at: usize| {
        let digits = text.get(at..at + 6)?.strip_prefix("\\u")?;
        u16::from_str_radix(digits, 16).ok()
    };
    let (mut out, mut copied, mut at) = (String::new(), 0, 0);
    while let Some(found) = text.get(at..).and_then(|rest| rest.find('\\')) {
        at += found;
        match (unit(at), unit(at + 6)) {
            (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => at += 12,
            (Some(0xd800..=0xdfff), _) => {
                out.push_str(text.get(copied..at).unwrap_or_default());
                out.push_str("\\ufffd");
                at += 6;
                copied = at;
            }
            (Some(_), _) => at += 6,
            // Another escape: the character after the backslash belongs to it.
            (None, _) => at += 1 + text.get(at + 1..).and_then(|rest| rest.chars().next()).map_or(0, char::len_utf8),
        }
    }
    if copied == 0 {
        return Cow::Borrowed(text);
    }
    out.push_str(text.get(copied..).unwrap_or_default());
    Cow::Owned(out)
}

/// The engine writes `null` for what is empty.
fn nullable<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(from: D) -> Result<T, D::Error> {
    Option::<T>::deserialize(from).map(Option::unwrap_or_default)
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Listed {
    #[serde(default, deserialize_with = "nullable")]
    id: String,
    #[serde(default, deserialize_with = "nullable")]
    state: String,
    #[serde(default, deserialize_with = "nullable")]
    labels: BTreeMap<String, serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Inspected {
    id: String,
    #[serde(default, deserialize_with = "nullable")]
    created: String,
    #[serde(default, deserialize_with = "nullable")]
    name: String,
    #[serde(default, deserialize_with = "nullable")]
    state: State,
    #[serde(default, deserialize_with = "nullable")]
    config: Config,
    #[serde(default, deserialize_with = "nullable")]
    host_config: HostConfig,
    #[serde(default, deserialize_with = "nullable")]
    network_settings: NetworkSettings,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct State {
    #[serde(default, deserialize_with = "nullable")]
    running: bool,
    #[serde(default, deserialize_with = "nullable")]
    paused: bool,
    #[serde(default, deserialize_with = "nullable")]
    restarting: bool,
    #[serde(default, deserialize_with = "nullable")]
    started_at: String,
    #[serde(default, deserialize_with = "nullable")]
    health: Health,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Health {
    #[serde(default, deserialize_with = "nullable")]
    status: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Config {
    #[serde(default, deserialize_with = "nullable")]
    image: String,
    #[serde(default, deserialize_with = "nullable")]
    labels: BTreeMap<String, String>,
    #[serde(default, deserialize_with = "nullable")]
    exposed_ports: BTreeMap<String, serde::de::IgnoredAny>,
    stop_signal: Option<String>,
    stop_timeout: Option<i64>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct HostConfig {
    #[serde(default, deserialize_with = "nullable")]
    network_mode: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct NetworkSettings {
    #[serde(default, deserialize_with = "nullable")]
    ports: BTreeMap<String, Option<Vec<HostPort>>>,
    #[serde(default, deserialize_with = "nullable")]
    networks: BTreeMap<String, Option<Endpoint>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct HostPort {
    #[serde(default, deserialize_with = "nullable")]
    host_ip: String,
    #[serde(default, deserialize_with = "nullable")]
    host_port: String,
}

#[derive(Default, Deserialize)]
struct Endpoint {
    #[serde(rename = "NetworkID", default, deserialize_with = "nullable")]
    network_id: String,
    #[serde(rename = "IPAddress", default, deserialize_with = "nullable")]
    ip_address: String,
    #[serde(rename = "GlobalIPv6Address", default, deserialize_with = "nullable")]
    ipv6_address: String,
}

impl From<Inspected> for Container {
    fn from(from: Inspected) -> Self {
        let Inspected { id, created, name, state, config, host_config, network_settings } = from;
        let mut exposed: Vec<_> =
            config.exposed_ports.keys().chain(network_settings.ports.keys()).filter_map(|text| port(text)).collect();
        exposed.sort_unstable();
        exposed.dedup();
        let bindings = network_settings.ports.into_iter().flat_map(|(text, hosts)| {
            let port = port(&text);
            hosts.unwrap_or_default().into_iter().filter_map(move |host| {
                let (container_port, protocol) = port?;
                let host_port = host.host_port.parse().ok()?;
                Some(Binding { container_port, protocol, host_ip: host.host_ip, host_port })
            })
        });
        let networks = network_settings.networks.into_iter().map(|(name, endpoint)| {
            let endpoint = endpoint.unwrap_or_default();
            let ipv4 = endpoint.ip_address.parse().ok().filter(|ip: &Ipv4Addr| !ip.is_unspecified());
            let ipv6 = endpoint.ipv6_address.parse().ok().filter(|ip: &Ipv6Addr| !ip.is_unspecified());
            Attachment { name, id: endpoint.network_id, ipv4, ipv6 }
        });
        Self {
            id,
            name: name.strip_prefix('/').unwrap_or(&name).to_owned(),
            labels: config.labels,
            created,
            started_at: state.started_at,
            // While the restart policy waits, the engine says both running and restarting, and there is no process.
            running: state.running && !state.restarting,
            paused: state.paused,
            restarting: state.restarting,
            health: match state.health.status.as_str() {
                "starting" => DockerHealth::Starting,
                "healthy" => DockerHealth::Healthy,
                "unhealthy" => DockerHealth::Unhealthy,
                _ => DockerHealth::None,
            },
            stop_signal: config.stop_signal.filter(|s| !s.is_empty()),
            stop_timeout: match config.stop_timeout {
                None => Duration::from_secs(10),
                // Negative: the engine waits for ever.
                Some(seconds) => Duration::from_secs(u64::try_from(seconds).unwrap_or(FOREVER).min(FOREVER)),
            },
            network_mode: host_config.network_mode,
            networks: networks.collect(),
            exposed,
            bindings: bindings.collect(),
            image: config.image,
        }
    }
}

/// `80/tcp`; no protocol means TCP.
fn port(text: &str) -> Option<(u16, Protocol)> {
    let (port, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let protocol = match protocol {
        "tcp" => Protocol::Tcp,
        "udp" => Protocol::Udp,
        "sctp" => Protocol::Sctp,
        _ => return None,
    };
    Some((port.parse().ok()?, protocol))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn an_inspect_becomes_a_container_without_its_secrets() {
        let answer = br#"{"Id":"abc","Created":"2026-01-01T00:00:00Z","Name":"/web-1","Args":["--password=x"],
            "State":{"Status":"running","Running":true,"Paused":false,"Restarting":false,"StartedAt":"2026-01-01T00:00:01Z",
                     "Health":{"Status":"healthy","Log":null}},
            "Config":{"Image":"web:1","Env":["SECRET=x"],"Labels":{"a":"b"},"ExposedPorts":{"80/tcp":{},"53/udp":{},"x":{}},
                      "StopSignal":"SIGQUIT","StopTimeout":3},
            "HostConfig":{"NetworkMode":"shop_default"},
            "NetworkSettings":{"Ports":{"80/tcp":[{"HostIp":"","HostPort":"8080"},{"HostIp":"::","HostPort":"8080"}],"90/tcp":null},
              "Networks":{"shop_default":{"NetworkID":"n1","IPAddress":"172.20.0.5","GlobalIPv6Address":""},"b":null}}}"#;
        let c = container(answer).unwrap();
        assert_eq!((c.name.as_str(), c.running, c.health), ("web-1", true, DockerHealth::Healthy));
        assert_eq!((c.stop_signal.as_deref(), c.stop_timeout), (Some("SIGQUIT"), Duration::from_secs(3)));
        assert_eq!(
            c.exposed,
            [(53, Protocol::Udp), (80, Protocol::Tcp), (90, Protocol::Tcp)].into_iter().collect::<Vec<_>>()
        );
        assert_eq!(c.bindings.len(), 2);
        assert_eq!(c.networks[1].ipv4, Some(Ipv4Addr::new(172, 20, 0, 5)));
        assert!(!format!("{c:?}").contains("SECRET") && !format!("{c:?}").contains("password"));
    }

    #[test]
    fn nulls_and_missing_parts_are_empty() {
        let c =
            container(br#"{"Id":"a","Config":{"Labels":null,"ExposedPorts":null},"State":{"Health":null}}"#).unwrap();
        assert_eq!((c.running, c.labels.len(), c.stop_timeout), (false, 0, Duration::from_secs(10)));
        assert!(!container(br#"{"Id":"a","State":{"Running":true,"Restarting":true}}"#).unwrap().running);
        assert!(container(br#"{"Id":"a","Config":"#).is_err());
    }

    #[test]
    fn what_is_not_unicode_is_replaced() {
        let c = container(b"{\"Id\":\"a\",\"Config\":{\"Labels\":{\"k\":\"x\xff\xfe\"}}}").unwrap();
        assert_eq!(c.labels["k"], "x\u{fffd}\u{fffd}");
        let c = container(br#"{"Id":"a","Config":{"Labels":{"k":"\ud800x\udc00\\ud800\ud83d\ude00"}}}"#).unwrap();
        assert_eq!(c.labels["k"], "\u{fffd}x\u{fffd}\\ud800\u{1f600}");
    }

    #[test]
    fn one_odd_container_does_not_spoil_the_list() {
        let answer = br#"[{"Id":"a1","State":"no such state","Labels":{"x":"\ud800"}},{"Id":null},{"Id":"../x"},
            {"Id":"b","State":"exited","Labels":null},
            {"Id":"c","State":"exited","Labels":{"Traefik.Docker.AllowNonRunning":"true"}}]"#;
        let listed = |id: &str, alive| ListedContainer { id: id.to_owned(), alive };
        assert_eq!(list(answer).unwrap(), [listed("a1", true), listed("c", false)]);
        assert!(list(b"[{\"Id\":").is_err());
    }
}
