//! Seaway: labels on four containers of a fake engine, and flags.

use std::collections::BTreeMap;

use super::{Log, PREFIX, Plan, REQUEST_HEADER, RESPONSE_HEADER, Setup, Site};

const ROUTER: &str = "traefik.http.routers";
const SERVICE: &str = "traefik.http.services.bench.loadbalancer";
const MIDDLEWARE: &str = "traefik.http.middlewares";
/// A container may declare a thousand.
const ROUTERS_EACH: usize = 500;
const CHAIN: &str = "strip,prefix,path,to-server,to-client";

/// Flags and labels; the endpoint of the engine is added by who starts it.
pub(super) fn plan(site: &Site<'_>, setup: &Setup, can_count: bool) -> Plan {
    let mut arguments = vec![
        format!("--entrypoints.web.address={}", site.listen),
        "--entrypoints.web.asdefault=true".to_owned(),
        format!("--seaway.workers={}", site.workers),
        "--seaway.controlsocket=".to_owned(),
        "--log.level=WARN".to_owned(),
    ];
    if site.root {
        // The fake engine's socket and the log are in a folder that only its owner may enter.
        arguments.push("--seaway.user=0".to_owned());
    }
    let mut notes = Vec::new();
    if setup.metrics && can_count {
        arguments.push("--metrics.prometheus=true".to_owned());
        arguments.push("--metrics.prometheus.entrypoint=metrics".to_owned());
        arguments.push(format!("--entrypoints.metrics.address={}", site.spare));
    } else if setup.metrics {
        notes.push("has no metrics yet: measured without");
    }
    let format = match setup.log {
        Log::Off => None,
        Log::Common => Some("common"),
        Log::Json => Some("json"),
    };
    if let Some(format) = format {
        arguments.push("--accesslog=true".to_owned());
        arguments.push(format!("--accesslog.filepath={}", site.path("access.log")));
        arguments.push(format!("--accesslog.format={format}"));
    }
    let containers = containers(site, setup);
    Plan { arguments, containers, notes, ..Plan::default() }
}

/// A container for each server, and where there are many routers, some more that only declare those.
fn containers(site: &Site<'_>, setup: &Setup) -> Vec<BTreeMap<String, String>> {
    let hosts: Vec<(usize, String)> = setup.hosts().into_iter().enumerate().collect();
    let port = |n: usize| site.backends[n % site.backends.len()].port();
    let servers = site.backends.iter().enumerate().map(|(n, _)| {
        let mut labels = labels(setup, &hosts[..1]);
        labels.insert(format!("{SERVICE}.server.port"), port(n).to_string());
        if setup.sticky {
            labels.insert(format!("{SERVICE}.sticky.cookie.name"), "lb".to_owned());
        }
        labels
    });
    let others = hosts[1..].chunks(ROUTERS_EACH).enumerate().map(|(n, hosts)| {
        let mut labels = labels(setup, hosts);
        let service = format!("traefik.http.services.unused-{n}.loadbalancer.server.port");
        labels.insert(service, port(n).to_string());
        labels
    });
    servers.chain(others).collect()
}

/// The labels of these routers, and of what they go through.
fn labels(setup: &Setup, hosts: &[(usize, String)]) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::new();
    let mut label = |key: String, value: &str| drop(labels.insert(key, value.to_owned()));
    for (n, host) in hosts {
        label(format!("{ROUTER}.r{n}.rule"), &format!("Host(`{host}`)"));
        label(format!("{ROUTER}.r{n}.service"), "bench");
        if setup.middlewares {
            label(format!("{ROUTER}.r{n}.middlewares"), CHAIN);
        }
    }
    if setup.middlewares {
        label(format!("{MIDDLEWARE}.strip.stripprefix.prefixes"), PREFIX);
        label(format!("{MIDDLEWARE}.prefix.addprefix.prefix"), "/v1");
        label(format!("{MIDDLEWARE}.path.replacepathregex.regex"), "^/v1/(.*)");
        label(format!("{MIDDLEWARE}.path.replacepathregex.replacement"), "/$1");
        let (name, value) = REQUEST_HEADER;
        label(format!("{MIDDLEWARE}.to-server.headers.customrequestheaders.{name}"), value);
        let (name, value) = RESPONSE_HEADER;
        label(format!("{MIDDLEWARE}.to-client.headers.customresponseheaders.{name}"), value);
    }
    labels
}
