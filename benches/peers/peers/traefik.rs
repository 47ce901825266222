//! Traefik: one processor for its runtime, and its file provider, as there is no engine that both could ask at one time.

use serde_json::{Map, Value, json};

use super::{KEEP, Log, PREFIX, Plan, REQUEST_HEADER, RESPONSE_HEADER, Setup, Site};

pub(super) fn plan(site: &Site<'_>, setup: &Setup) -> Plan {
    let mut arguments = vec![
        format!("--entrypoints.web.address={}", site.listen),
        "--entrypoints.web.asdefault=true".to_owned(),
        format!("--providers.file.filename={}", site.path("dynamic.yml")),
        "--providers.file.watch=false".to_owned(),
        format!("--serverstransport.maxidleconnsperhost={KEEP}"),
        "--log.level=ERROR".to_owned(),
        "--global.checknewversion=false".to_owned(),
        "--global.sendanonymoususage=false".to_owned(),
    ];
    if setup.metrics {
        arguments.push("--metrics.prometheus=true".to_owned());
        arguments.push("--metrics.prometheus.entrypoint=metrics".to_owned());
        arguments.push(format!("--entrypoints.metrics.address={}", site.spare));
    }
    let format = match setup.log {
        Log::Off => None,
        Log::Common => Some("common"),
        Log::Json => Some("json"),
    };
    let mut notes = Vec::new();
    if let Some(format) = format {
        arguments.push("--accesslog=true".to_owned());
        arguments.push(format!("--accesslog.filepath={}", site.path("access.log")));
        arguments.push(format!("--accesslog.format={format}"));
        arguments.push("--accesslog.bufferingsize=1000".to_owned());
        notes.push("log with bufferingSize=1000, which is not its default and costs it less");
    }
    Plan {
        arguments,
        environment: vec![("GOMAXPROCS", site.workers.to_string())],
        files: vec![("dynamic.yml", dynamic(site, setup).to_string())],
        notes,
        ..Plan::default()
    }
}

/// JSON, which is YAML too; the provider goes by the ending.
fn dynamic(site: &Site<'_>, setup: &Setup) -> Value {
    let chain = ["strip", "prefix", "path", "to-server", "to-client"];
    let routers: Map<String, Value> = setup
        .hosts()
        .iter()
        .enumerate()
        .map(|(n, host)| {
            let mut router = json!({ "rule": format!("Host(`{host}`)"), "service": "bench" });
            if setup.middlewares {
                router["middlewares"] = json!(chain);
            }
            (format!("r{n}"), router)
        })
        .collect();
    let servers: Vec<Value> =
        site.backends.iter().map(|address| json!({ "url": format!("http://{address}") })).collect();
    let mut balancer = json!({ "servers": servers });
    if setup.sticky {
        balancer["sticky"] = json!({ "cookie": { "name": "lb" } });
    }
    let mut http = json!({ "routers": routers, "services": { "bench": { "loadBalancer": balancer } } });
    if setup.middlewares {
        http["middlewares"] = json!({
            "strip": { "stripPrefix": { "prefixes": [PREFIX] } },
            "prefix": { "addPrefix": { "prefix": "/v1" } },
            "path": { "replacePathRegex": { "regex": "^/v1/(.*)", "replacement": "/$1" } },
            "to-server": { "headers": { "customRequestHeaders": { REQUEST_HEADER.0: REQUEST_HEADER.1 } } },
            "to-client": { "headers": { "customResponseHeaders": { RESPONSE_HEADER.0: RESPONSE_HEADER.1 } } },
        });
    }
    json!({ "http": http })
}
