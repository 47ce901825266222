//! HAProxy: one thread.

use super::{KEEP, Log, PREFIX, Plan, REQUEST_HEADER, RESPONSE_HEADER, Setup, Site, server_name};

pub(super) fn plan(site: &Site<'_>, setup: &Setup) -> Plan {
    let mut files = vec![("haproxy.cfg", config(site, setup))];
    let mut notes = Vec::new();
    if setup.routers > 1 {
        files.push(("hosts.map", setup.hosts().iter().map(|host| format!("{host} bench\n")).collect()));
        notes.push("hosts in a map file, as its manual advises for many");
    }
    if setup.log != Log::Off {
        notes.push("log to its output, which is a file: it opens none itself");
    }
    let arguments = ["-db", "-f", &site.path("haproxy.cfg")].map(str::to_owned).into();
    Plan { arguments, files, notes, ..Plan::default() }
}

fn config(site: &Site<'_>, setup: &Setup) -> String {
    let (to_log, log) = match setup.log {
        Log::Off => ("", String::new()),
        Log::Common => ("    log stdout format raw local0\n", "    log global\n    option httplog clf\n".to_owned()),
        Log::Json => ("    log stdout format raw local0\n", format!("    log global\n    log-format {JSON}\n")),
    };
    let counted = if setup.metrics { "" } else { "    option dontlog-normal\n" };
    let counted = if setup.log == Log::Off { counted } else { "" };
    let (route, rewrites) = (route(site, setup), rewrites(setup));
    let cookie = if setup.sticky { "    cookie lb insert indirect nocache\n" } else { "" };
    let servers: String = site
        .backends
        .iter()
        .enumerate()
        .map(|(n, address)| {
            let name = server_name(n);
            let cookie = if setup.sticky { format!(" cookie {name}") } else { String::new() };
            format!("    server {name} {address}{cookie} pool-max-conn {KEEP} pool-purge-delay 60s\n")
        })
        .collect();
    format!(
        "global
    nbthread {workers}
    maxconn 8192
{to_log}defaults
    mode http
    timeout connect 5s
    timeout client 60s
    timeout server 60s
    timeout http-keep-alive 60s
    http-reuse always
{counted}{log}frontend in
    bind {listen} backlog 4096
    option forwardfor
    http-request set-header X-Forwarded-Proto http
    http-request set-header X-Forwarded-Host %[req.hdr(host)]
    http-request set-header X-Forwarded-Port %[dst_port]
    http-request set-header X-Forwarded-Server %[hostname]
    http-request set-header X-Real-Ip %[src]
{rewrites}{route}backend none
    http-request return status 404
backend bench
    balance roundrobin
{cookie}{servers}",
        workers = site.workers,
        listen = site.listen,
    )
}

const JSON: &str = concat!(
    r#"'{"ClientAddr":"%ci:%cp","ClientHost":"%ci","DownstreamContentSize":%B,"DownstreamStatus":%ST,"Duration":%Ta,"#,
    r#""OriginDuration":%Tr,"RequestAddr":"%[capture.req.hdr(0),json(utf8s)]","RequestContentSize":%U,"RequestMethod":"%HM","#,
    r#""RequestPath":"%[var(txn.path),json(utf8s)]","RequestProtocol":"%HV","RetryAttempts":%rc,"RouterName":"%ft","ServiceName":"%b","#,
    r#""ServerName":"%s","ServiceAddr":"%si:%sp","StartUTC":"%t","request_User-Agent":"%[capture.req.hdr(1),json(utf8s)]"}'"#
);

fn route(site: &Site<'_>, setup: &Setup) -> String {
    if setup.routers > 1 {
        format!("    use_backend %[req.hdr(host),lower,map({},none)]\n", site.path("hosts.map"))
    } else {
        format!("    use_backend bench if {{ req.hdr(host) -i {} }}\n    default_backend none\n", setup.host(0))
    }
}

fn rewrites(setup: &Setup) -> String {
    let mut text = String::new();
    if setup.log == Log::Json {
        text.push_str("    capture request header Host len 64\n    capture request header User-Agent len 64\n");
        text.push_str("    http-request set-var(txn.path) path\n");
    }
    if setup.middlewares {
        text.push_str(&format!("    http-request replace-path ^{PREFIX}(/.*)$ \\1\n"));
        text.push_str("    http-request set-path /v1%[path]\n    http-request replace-path ^/v1/(.*)$ /\\1\n");
        text.push_str(&format!("    http-request set-header {} {}\n", REQUEST_HEADER.0, REQUEST_HEADER.1));
        text.push_str(&format!("    http-response set-header {} {}\n", RESPONSE_HEADER.0, RESPONSE_HEADER.1));
    }
    text
}
