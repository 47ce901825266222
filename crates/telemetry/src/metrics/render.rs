//! The text format of Prometheus, version 0.0.4.

use std::collections::BTreeMap;
use std::fmt::{Display, Write};
use std::time::{Duration, SystemTime};

use super::cells::{Cells, Slot, place, tally};
use super::exchange::Key;
use super::facts::Facts;
use super::subject::Identity;
use super::{Kind, Metrics, Sticky};

pub(super) fn render(metrics: &Metrics, facts: &Facts<'_>) -> String {
    let cells = metrics.cells();
    let sums = Sums::new(metrics, &cells, facts);
    let mut page = Page::default();
    page.configuration(facts);
    page.connections(&sums);
    for scope in &SCOPES {
        page.exchanges(scope, &sums, metrics);
    }
    page.services(&sums);
    page.servers(facts);
    page.decisions(&sums);
    page.health(facts);
    page.text
}

/// What all workers have counted together, in the order in which it is told.
struct Sums<'c> {
    exchanges: BTreeMap<(&'c Identity, Slot), Vec<u64>>,
    /// Requests by values of headers too.
    headed: BTreeMap<(&'c Identity, Slot), u64>,
    services: BTreeMap<&'c str, Vec<u64>>,
    reasons: BTreeMap<(Slot, &'c str), u64>,
    /// Opened, open, by entry point.
    connections: BTreeMap<&'c str, (u64, u64)>,
    /// Open, by entry point and worker.
    by_worker: BTreeMap<(&'c str, usize), u64>,
}

impl<'c> Sums<'c> {
    fn new(metrics: &Metrics, cells: &'c [(usize, std::sync::Arc<Cells>)], facts: &Facts<'c>) -> Self {
        let mut sums = Self {
            exchanges: BTreeMap::new(),
            headed: BTreeMap::new(),
            services: BTreeMap::new(),
            reasons: BTreeMap::new(),
            connections: facts.entry_points.iter().map(|name| (*name, (0, 0))).collect(),
            by_worker: BTreeMap::new(),
        };
        for (worker, cells) in cells {
            let (identity, slot) = (&cells.label.identity, cells.slot);
            match slot {
                Slot::Exchanges(_) => {
                    add(
                        sums.exchanges.entry((identity, slot)).or_default(),
                        cells,
                        place::BUCKETS + metrics.bounds.len() + 1,
                    );
                }
                Slot::Headed(..) => *sums.headed.entry((identity, slot)).or_default() += cells.get(0),
                Slot::Tally => add(sums.services.entry(&identity.name).or_default(), cells, tally::COUNT),
                Slot::OwnAnswer(_) | Slot::Unrouted(_) | Slot::Broken(_) => {
                    *sums.reasons.entry((slot, &identity.name)).or_default() += cells.get(0);
                }
                Slot::Connections => {
                    // Closed first: one that comes meanwhile must not make it negative.
                    let closed = cells.get(1);
                    let opened = cells.get(0);
                    let open = opened.saturating_sub(closed);
                    let sum = sums.connections.entry(&identity.name).or_default();
                    *sum = (sum.0 + opened, sum.1 + open);
                    *sums.by_worker.entry((&identity.name, *worker)).or_default() += open;
                }
            }
        }
        sums
    }
}

fn add(sums: &mut Vec<u64>, cells: &Cells, count: usize) {
    sums.resize(count, 0);
    for (place, sum) in sums.iter_mut().enumerate() {
        *sum = sum.wrapping_add(cells.get(place));
    }
}

/// One of the three levels at which exchanges are counted.
struct Scope {
    kind: Kind,
    word: &'static str,
    requests: &'static str,
    duration: &'static str,
    request_bytes: &'static str,
    response_bytes: &'static str,
}

const SCOPES: [Scope; 3] = [
    Scope {
        kind: Kind::EntryPoint,
        word: "an entry point",
        requests: "traefik_entrypoint_requests_total",
        duration: "traefik_entrypoint_request_duration_seconds",
        request_bytes: "traefik_entrypoint_requests_bytes_total",
        response_bytes: "traefik_entrypoint_responses_bytes_total",
    },
    Scope {
        kind: Kind::Router,
        word: "a router",
        requests: "traefik_router_requests_total",
        duration: "traefik_router_request_duration_seconds",
        request_bytes: "traefik_router_requests_bytes_total",
        response_bytes: "traefik_router_responses_bytes_total",
    },
    Scope {
        kind: Kind::Service,
        word: "a service",
        requests: "traefik_service_requests_total",
        duration: "traefik_service_request_duration_seconds",
        request_bytes: "traefik_service_requests_bytes_total",
        response_bytes: "traefik_service_responses_bytes_total",
    },
];

/// The page under way.
#[derive(Default)]
struct Page {
    text: String,
}

impl Page {
    fn configuration(&mut self, facts: &Facts<'_>) {
        self.family("traefik_config_reloads_total", "counter", "Tables that were put in force.");
        self.line("traefik_config_reloads_total", &[], facts.tables);
        if let Some(at) = facts.last_table {
            self.family(
                "traefik_config_last_reload_success",
                "gauge",
                "When a table was last put in force, in Unix time.",
            );
            let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            self.line("traefik_config_last_reload_success", &[], since.as_secs());
        }
    }

    fn connections(&mut self, sums: &Sums<'_>) {
        if sums.connections.is_empty() {
            return;
        }
        self.family("traefik_open_connections", "gauge", "Client connections that are open.");
        for (name, (_, open)) in &sums.connections {
            self.line("traefik_open_connections", &[("entrypoint", name), ("protocol", "TCP")], open);
        }
    }

    /// Requests, bytes and durations of one level.
    fn exchanges(&mut self, scope: &Scope, sums: &Sums<'_>, metrics: &Metrics) {
        let rows: Vec<_> = sums
            .exchanges
            .iter()
            .filter(|((identity, _), _)| identity.kind == scope.kind)
            .map(|((identity, slot), values)| (labels(identity, *slot), values))
            .collect();
        if rows.is_empty() {
            return;
        }
        let word = scope.word;
        self.family(scope.requests, "counter", &format!("Requests that {word} has handled."));
        if metrics.options.header_labels.is_empty() {
            for (labels, values) in &rows {
                self.put(scope.requests, labels, requests(values));
            }
        }
        for ((identity, slot), count) in sums.headed.iter().filter(|((identity, _), _)| identity.kind == scope.kind) {
            self.put(scope.requests, &headed(metrics, identity, *slot), count);
        }
        self.family(
            scope.duration,
            "histogram",
            &format!("How long requests took that {word} has handled, in seconds."),
        );
        let bounds: Vec<String> = metrics.options.buckets.iter().map(f64::to_string).collect();
        let bucket = format!("{}_bucket", scope.duration);
        for (labels, values) in &rows {
            let mut below = 0;
            let bounds = bounds.iter().map(String::as_str).chain(["+Inf"]);
            for (bound, count) in bounds.zip(values.iter().skip(place::BUCKETS)) {
                below += count;
                self.put(&bucket, &format!("{labels},le=\"{bound}\""), below);
            }
            let nanoseconds = values.get(place::NANOSECONDS).copied().unwrap_or_default();
            self.put(&format!("{}_sum", scope.duration), labels, Seconds(nanoseconds));
            self.put(&format!("{}_count", scope.duration), labels, below);
        }
        for (name, place, what) in [
            (scope.request_bytes, place::REQUEST_BYTES, "Bytes of the bodies of requests"),
            (scope.response_bytes, place::RESPONSE_BYTES, "Bytes of the bodies of responses"),
        ] {
            self.family(name, "counter", &format!("{what} that {word} has handled."));
            for (labels, values) in &rows {
                self.put(name, labels, values.get(place).copied().unwrap_or_default());
            }
        }
    }

    fn services(&mut self, sums: &Sums<'_>) {
        self.tally(sums, "traefik_service_retries_total", tally::RETRIES, "Requests that were sent once more.");
    }

    fn servers(&mut self, facts: &Facts<'_>) {
        // Two containers may stand behind one URL, and one series may be told once only.
        let mut servers: BTreeMap<(&str, &str), (bool, u64)> = BTreeMap::new();
        for server in &facts.servers {
            let sum = servers.entry((server.service, server.url)).or_default();
            *sum = (sum.0 || server.up, sum.1 + u64::from(server.in_flight));
        }
        if servers.is_empty() {
            return;
        }
        self.family("traefik_service_server_up", "gauge", "Whether a server takes requests.");
        for ((service, url), (up, _)) in &servers {
            self.line("traefik_service_server_up", &[("service", service), ("url", url)], u8::from(*up));
        }
        let name = "seaway_service_server_in_flight_requests";
        self.family(name, "gauge", "Requests that a server has in its hands.");
        for ((service, url), (_, in_flight)) in &servers {
            self.line(name, &[("service", service), ("url", url)], in_flight);
        }
    }

    /// What Seaway decided.
    fn decisions(&mut self, sums: &Sums<'_>) {
        let verdicts: Vec<_> = (tally::STICKY..)
            .zip(Sticky::ALL)
            .flat_map(|(at, sticky)| {
                sums.services.iter().map(move |(service, values)| (sticky, *service, values.get(at)))
            })
            .filter_map(|(sticky, service, count)| Some((service, sticky.words(), *count.filter(|count| **count > 0)?)))
            .collect();
        if !verdicts.is_empty() {
            let name = "seaway_service_sticky_total";
            self.family(name, "counter", "What became of the affinity of clients, and why they had to move.");
            for (service, (verdict, reason), count) in verdicts {
                self.line(name, &[("reason", reason), ("service", service), ("verdict", verdict)], count);
            }
        }
        self.tally(
            sums,
            "seaway_service_lost_requests_total",
            tally::LOST,
            "Requests that a server may have acted on, that got no whole answer and could not be repeated.",
        );
        self.tally(sums, "seaway_service_held_requests_total", tally::HELD, "Requests that waited for a server.");
        if !sums.services.is_empty() {
            let name = "seaway_service_held_seconds_total";
            self.family(name, "counter", "How long requests waited for a server.");
            for (service, values) in &sums.services {
                let held = values.get(tally::HELD_NANOSECONDS).copied().unwrap_or_default();
                self.line(name, &[("service", service)], Seconds(held));
            }
        }
        self.reasons(sums, "seaway_own_answers_total", "Requests that Seaway answered in a server's place.", |slot| {
            match slot {
                Slot::OwnAnswer(reason) => Some(reason),
                _ => None,
            }
        });
        self.reasons(sums, "seaway_unrouted_requests_total", "Requests that no router took.", |slot| match slot {
            Slot::Unrouted(reason) => Some(reason),
            _ => None,
        });
        self.reasons(
            sums,
            "seaway_broken_exchanges_total",
            "Exchanges that did not reach their end.",
            |slot| match slot {
                Slot::Broken(reason) => Some(reason),
                _ => None,
            },
        );
        if !sums.by_worker.is_empty() {
            self.family("seaway_connections_total", "counter", "Client connections that were accepted.");
            for (name, (opened, _)) in &sums.connections {
                self.line("seaway_connections_total", &[("entrypoint", name)], opened);
            }
            self.family("seaway_worker_connections", "gauge", "Client connections that a worker has open.");
            for ((name, worker), open) in &sums.by_worker {
                self.line("seaway_worker_connections", &[("entrypoint", name), ("worker", &worker.to_string())], open);
            }
        }
    }

    /// How Seaway itself is doing.
    fn health(&mut self, facts: &Facts<'_>) {
        if !facts.waiting.is_empty() {
            let name = "seaway_service_waiting_requests";
            self.family(name, "gauge", "Requests that wait for a server right now.");
            for (service, waiting) in &facts.waiting {
                self.line(name, &[("service", service)], waiting);
            }
        }
        self.family("seaway_diagnostics", "gauge", "What is wrong with the configuration in force.");
        self.line("seaway_diagnostics", &[("severity", "error")], facts.diagnostics.0);
        self.line("seaway_diagnostics", &[("severity", "warning")], facts.diagnostics.1);
        if let Some(provider) = &facts.provider {
            let labels = [("provider", provider.name)];
            if let Some(age) = provider.age {
                let name = "seaway_provider_snapshot_age_seconds";
                self.family(name, "gauge", "How old the provider's last snapshot is.");
                self.line(name, &labels, Seconds(super::exchange::nanoseconds(age)));
            }
            self.family("seaway_provider_up", "gauge", "Whether the provider can be reached.");
            self.line("seaway_provider_up", &labels, u8::from(provider.reachable));
            self.family("seaway_provider_containers", "gauge", "Containers in the provider's last snapshot.");
            self.line("seaway_provider_containers", &labels, provider.containers);
        }
        if let Some(log) = &facts.access_log {
            let name = "seaway_access_log_dropped_lines_total";
            self.family(name, "counter", "Lines of the access log that were dropped.");
            self.line(name, &[], log.dropped);
            let name = "seaway_access_log_write_errors_total";
            self.family(name, "counter", "Writes to the access log that failed.");
            self.line(name, &[], log.write_errors);
        }
        self.family("seaway_build_info", "gauge", "The version.");
        self.line("seaway_build_info", &[("version", facts.version)], 1);
    }

    fn tally(&mut self, sums: &Sums<'_>, name: &str, at: usize, help: &str) {
        if sums.services.is_empty() {
            return;
        }
        self.family(name, "counter", help);
        for (service, values) in &sums.services {
            self.line(name, &[("service", service)], values.get(at).copied().unwrap_or_default());
        }
    }

    fn reasons(&mut self, sums: &Sums<'_>, name: &str, help: &str, of: impl Fn(Slot) -> Option<&'static str>) {
        let mut begun = false;
        for ((slot, entry_point), count) in &sums.reasons {
            let Some(reason) = of(*slot) else { continue };
            if !std::mem::replace(&mut begun, true) {
                self.family(name, "counter", help);
            }
            self.line(name, &[("entrypoint", entry_point), ("reason", reason)], count);
        }
    }

    fn family(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a text cannot fail.
        writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}").ok();
    }

    fn line(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        self.put(name, &join(labels), value);
    }

    fn put(&mut self, name: &str, labels: &str, value: impl Display) {
        match labels {
            "" => writeln!(self.text, "{name} {value}").ok(),
            _ => writeln!(self.text, "{name}{{{labels}}} {value}").ok(),
        };
    }
}

/// The requests of a series: what is in all its buckets.
fn requests(values: &[u64]) -> u64 {
    values.iter().skip(place::BUCKETS).sum()
}

fn labels(identity: &Identity, slot: Slot) -> String {
    let Slot::Exchanges(key) = slot else { return String::new() };
    let code = key.code();
    join(&pairs(identity, key, &code))
}

/// The same with the labels that headers give, all in the order of their names.
fn headed(metrics: &Metrics, identity: &Identity, slot: Slot) -> String {
    let Slot::Headed(key, number) = slot else { return String::new() };
    let (code, names) = (key.code(), &metrics.options.header_labels);
    let values = metrics.headers.values(number, names.len());
    let mut labels = pairs(identity, key, &code);
    labels.extend(names.iter().zip(&values).map(|((name, _), value)| (name.as_str(), &**value)));
    labels.sort_unstable();
    join(&labels)
}

fn pairs<'l>(identity: &'l Identity, key: Key, code: &'l str) -> Vec<(&'l str, &'l str)> {
    let (name, service) = (&*identity.name, &*identity.service);
    let (method, protocol) = (("method", key.verb()), ("protocol", key.protocol()));
    match identity.kind {
        Kind::EntryPoint => vec![("code", code), ("entrypoint", name), method, protocol],
        Kind::Router => vec![("code", code), method, protocol, ("router", name), ("service", service)],
        Kind::Service => vec![("code", code), method, protocol, ("service", name)],
    }
}

/// `a="b",c="d"`.
fn join(labels: &[(&str, &str)]) -> String {
    let mut text = String::new();
    for (name, value) in labels {
        if !text.is_empty() {
            text.push(',');
        }
        text.push_str(name);
        text.push_str("=\"");
        for character in value.chars() {
            match character {
                '\\' => text.push_str("\\\\"),
                '"' => text.push_str("\\\""),
                '\n' => text.push_str("\\n"),
                other => text.push(other),
            }
        }
        text.push('"');
    }
    text
}

/// Nanoseconds, told in seconds.
struct Seconds(u64);

impl Display for Seconds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let duration = Duration::from_nanos(self.0);
        let fraction = format!("{:09}", duration.subsec_nanos());
        match fraction.trim_end_matches('0') {
            "" => write!(f, "{}", duration.as_secs()),
            fraction => write!(f, "{}.{fraction}", duration.as_secs()),
        }
    }
}
