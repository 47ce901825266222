//! nginx: one worker process.

use super::{KEEP, Log, PREFIX, Plan, REQUEST_HEADER, RESPONSE_HEADER, Setup, Site, server_name};

pub(super) fn plan(site: &Site<'_>, setup: &Setup) -> Plan {
    let mut notes = Vec::new();
    if setup.sticky {
        notes.push("has no sticky cookie in its free edition: a map from the cookie to a server, and from the server to Set-Cookie");
    }
    if setup.log != Log::Off {
        notes.push("log with buffer=64k, which is not its default and costs it less");
    }
    Plan {
        arguments: ["-c", &site.path("nginx.conf"), "-e", &site.path("error.log"), "-p", &site.path("")]
            .map(str::to_owned)
            .into(),
        files: vec![("nginx.conf", config(site, setup))],
        notes,
        ..Plan::default()
    }
}

fn config(site: &Site<'_>, setup: &Setup) -> String {
    let dir = site.dir.display();
    let user = if site.root { "user root;\n" } else { "" };
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("    {kind}_temp_path {dir}/{kind};\n"))
        .concat();
    let (upstreams, target) = upstreams(site, setup);
    format!(
        "{user}worker_processes {workers};
daemon off;
pid {dir}/nginx.pid;
worker_rlimit_nofile 16384;
events {{ worker_connections 8192; }}
http {{
{temporary}    server_names_hash_max_size 65536;
    server_names_hash_bucket_size 128;
    map_hash_max_size 4096;
    keepalive_requests 1000000000;
    client_body_buffer_size 64k;
    server_tokens off;
{log}{upstreams}    proxy_http_version 1.1;
{headers}{servers}}}
",
        workers = site.workers,
        log = log(site, setup),
        headers = headers(setup),
        servers = servers(site, setup, target),
    )
}

fn log(site: &Site<'_>, setup: &Setup) -> String {
    let format = match setup.log {
        Log::Off => return "    access_log off;\n".to_owned(),
        Log::Common => {
            r#"log_format it '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent"';"#
        }
        Log::Json => {
            r#"log_format it escape=json '{"ClientAddr":"$remote_addr:$remote_port","ClientHost":"$remote_addr","ClientUsername":"$remote_user",'
        '"DownstreamContentSize":$body_bytes_sent,"DownstreamStatus":$status,"Duration":$request_time,"OriginDuration":"$upstream_response_time",'
        '"OriginStatus":"$upstream_status","RequestAddr":"$http_host","RequestContentSize":"$content_length","RequestHost":"$host",'
        '"RequestMethod":"$request_method","RequestPath":"$request_uri","RequestProtocol":"$server_protocol","RequestScheme":"$scheme",'
        '"RouterName":"$server_name","ServiceAddr":"$upstream_addr","StartUTC":"$time_iso8601","request_User-Agent":"$http_user_agent"}';"#
        }
    };
    format!("    {format}\n    access_log {} it buffer=64k flush=1s;\n", site.path("access.log"))
}

/// The pools, and what `proxy_pass` goes to.
fn upstreams(site: &Site<'_>, setup: &Setup) -> (String, &'static str) {
    let keep = format!("keepalive {KEEP}; keepalive_requests 1000000000;");
    let server = |address| format!("server {address} max_fails=0;");
    let all = site.backends.iter().map(server).collect::<Vec<_>>().join(" ");
    let mut text = format!("    upstream bench {{ {all} {keep} }}\n");
    if !setup.sticky {
        return (text, "bench");
    }
    let (mut pools, mut cookies) = (String::new(), String::new());
    for (n, address) in site.backends.iter().enumerate() {
        let name = server_name(n);
        text.push_str(&format!("    upstream {name} {{ {} {keep} }}\n", server(address)));
        pools.push_str(&format!(" {name} {name};"));
        cookies.push_str(&format!(" \":{address}\" \"lb={name}; Path=/\";"));
    }
    text.push_str(&format!("    map $cookie_lb $pool {{ default bench;{pools} }}\n"));
    text.push_str(&format!("    map \"$cookie_lb:$upstream_addr\" $set_cookie {{ default \"\";{cookies} }}\n"));
    text.push_str("    add_header Set-Cookie $set_cookie;\n");
    (text, "$pool")
}

fn headers(setup: &Setup) -> String {
    let mut lines = vec![
        "Host $http_host".to_owned(),
        "X-Forwarded-For $proxy_add_x_forwarded_for".to_owned(),
        "X-Forwarded-Proto $scheme".to_owned(),
        "X-Forwarded-Host $http_host".to_owned(),
        "X-Forwarded-Port $server_port".to_owned(),
        "X-Forwarded-Server $hostname".to_owned(),
        "X-Real-Ip $remote_addr".to_owned(),
    ];
    if setup.websocket {
        lines.extend(["Upgrade $http_upgrade".to_owned(), "Connection upgrade".to_owned()]);
    } else {
        lines.push("Connection \"\"".to_owned());
    }
    if setup.middlewares {
        lines.push(format!("{} {}", REQUEST_HEADER.0, REQUEST_HEADER.1));
    }
    lines.iter().map(|line| format!("    proxy_set_header {line};\n")).collect()
}

fn servers(site: &Site<'_>, setup: &Setup, target: &str) -> String {
    let listen = site.listen;
    let mut text = format!("    server {{ listen {listen} default_server reuseport backlog=4096; return 404; }}\n");
    let work = if setup.middlewares {
        let (name, value) = RESPONSE_HEADER;
        format!(
            "rewrite ^{PREFIX}/(.*)$ /$1; rewrite ^/(.*)$ /v1/$1; rewrite ^/v1/(.*)$ /$1 break; add_header {name} {value}; "
        )
    } else {
        String::new()
    };
    for host in setup.hosts() {
        text.push_str(&format!(
            "    server {{ listen {listen}; server_name {host}; location / {{ {work}proxy_pass http://{target}; }} }}\n"
        ));
    }
    text
}
