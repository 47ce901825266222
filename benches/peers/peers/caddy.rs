//! Caddy: one processor for its runtime.

use serde_json::{Value, json};

use super::{KEEP, Log, PREFIX, Plan, Planned, REQUEST_HEADER, RESPONSE_HEADER, Setup, Site};

pub(super) fn plan(site: &Site<'_>, setup: &Setup) -> Planned {
    if setup.log == Log::Common {
        return Err("has no such log format without a plug-in");
    }
    let (name, text, arguments, notes) = if setup.routers > 1 {
        let note = "its own JSON with a route for each router: its Caddyfile takes minutes to load so many";
        ("caddy.json", routes(site, setup).to_string(), vec!["run", "--config"], vec![note])
    } else {
        ("Caddyfile", config(site, setup), vec!["run", "--adapter", "caddyfile", "--config"], Vec::new())
    };
    Ok(Plan {
        arguments: arguments.into_iter().map(str::to_owned).chain([site.path(name)]).collect(),
        notes,
        environment: vec![
            ("GOMAXPROCS", site.workers.to_string()),
            ("XDG_DATA_HOME", site.path("data")),
            ("XDG_CONFIG_HOME", site.path("config")),
            ("HOME", site.path("home")),
        ],
        files: vec![(name, text)],
        ..Plan::default()
    })
}

/// One site for every host: a site of that name would log only requests whose `Host` has a port.
fn config(site: &Site<'_>, setup: &Setup) -> String {
    let metrics = if setup.metrics { "\t\tmetrics\n" } else { "" };
    let log = match setup.log {
        Log::Json => format!(
            "\tlog {{\n\t\toutput file {} {{\n\t\t\troll_disabled\n\t\t}}\n\t\tformat json\n\t}}\n",
            site.path("access.log")
        ),
        Log::Off | Log::Common => String::new(),
    };
    let policy = if setup.sticky { "cookie lb" } else { "round_robin" };
    let servers = site.backends.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    let port = site.listen.port();
    let work = if setup.middlewares {
        format!(
            "\t\troute {{
\t\t\turi strip_prefix {PREFIX}
\t\t\trewrite * /v1{{uri}}
\t\t\turi path_regexp ^/v1/(.*) /$1
\t\t\trequest_header {} {}
\t\t\theader {} {}
\t\t\timport servers
\t\t}}
",
            REQUEST_HEADER.0, REQUEST_HEADER.1, RESPONSE_HEADER.0, RESPONSE_HEADER.1
        )
    } else {
        "\t\timport servers\n".to_owned()
    };
    format!(
        "# {listen}
{{
\tadmin off
\tauto_https off
\tlog {{
\t\tlevel ERROR
\t}}
\tservers {{
\t\tprotocols h1
{metrics}\t}}
}}
(servers) {{
\treverse_proxy {servers} {{
\t\tlb_policy {policy}
\t\theader_up X-Forwarded-Port {port}
\t\theader_up X-Forwarded-Server {{system.hostname}}
\t\theader_up X-Real-Ip {{remote_host}}
\t\ttransport http {{
\t\t\tkeepalive_idle_conns {KEEP}
\t\t\tkeepalive_idle_conns_per_host {KEEP}
\t\t}}
\t}}
}}
http://:{port} {{
\tbind 127.0.0.1
{log}\t@bench host {host}
\thandle @bench {{
{work}\t}}
\thandle {{
\t\trespond 404
\t}}
}}
",
        host = setup.host(0),
        listen = site.listen,
    )
}

/// What [`config`] would become for many routers and nothing else.
fn routes(site: &Site<'_>, setup: &Setup) -> Value {
    let servers: Vec<Value> = site.backends.iter().map(|address| json!({ "dial": address.to_string() })).collect();
    let port = site.listen.port().to_string();
    let proxy = json!({
        "handler": "reverse_proxy",
        "upstreams": servers,
        "load_balancing": { "selection_policy": { "policy": "round_robin" } },
        "headers": { "request": { "set": {
            "X-Forwarded-Port": [port],
            "X-Forwarded-Server": ["{system.hostname}"],
            "X-Real-Ip": ["{http.request.remote.host}"],
        } } },
        "transport": { "protocol": "http", "keep_alive": { "max_idle_conns": KEEP, "max_idle_conns_per_host": KEEP } },
    });
    let route = |host: &String| json!({ "match": [{ "host": [host] }], "handle": [proxy], "terminal": true });
    let mut routes: Vec<Value> = setup.hosts().iter().map(route).collect();
    routes.push(json!({ "handle": [{ "handler": "static_response", "status_code": 404 }] }));
    json!({
        "admin": { "disabled": true },
        "logging": { "logs": { "default": { "level": "ERROR" } } },
        "apps": { "http": { "servers": { "bench": {
            "listen": [site.listen.to_string()],
            "automatic_https": { "disable": true },
            "protocols": ["h1"],
            "routes": routes,
        } } } },
    })
}
