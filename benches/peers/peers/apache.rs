//! Apache httpd with `mod_proxy_balancer`: the event MPM in one process.

use super::{Log, PREFIX, Plan, REQUEST_HEADER, RESPONSE_HEADER, Setup, Site, server_name};

/// Where the distributions that name it `apache2` keep its modules.
const MODULES: &str = "/usr/lib/apache2/modules";

pub(super) fn plan(site: &Site<'_>, setup: &Setup) -> Plan {
    let mut notes = Vec::new();
    if setup.log != Log::Off {
        notes.push("log with BufferedLogs, which is not its default and costs it less");
    }
    if setup.routers > 1 {
        notes.push("a virtual host for each router");
    }
    Plan {
        arguments: ["-d", &site.path(""), "-f", &site.path("httpd.conf"), "-D", "FOREGROUND"].map(str::to_owned).into(),
        files: vec![("httpd.conf", config(site, setup))],
        notes,
        ..Plan::default()
    }
}

fn config(site: &Site<'_>, setup: &Setup) -> String {
    let dir = site.dir.display();
    let modules: String = [
        "mpm_event",
        "authz_core",
        "unixd",
        "slotmem_shm",
        "proxy",
        "proxy_http",
        "proxy_balancer",
        "lbmethod_byrequests",
        "headers",
        "rewrite",
        "log_config",
        "status",
    ]
    .iter()
    // Some are compiled in.
    .map(|name| {
        format!("<IfFile {MODULES}/mod_{name}.so>\nLoadModule {name}_module {MODULES}/mod_{name}.so\n</IfFile>\n")
    })
    .collect();
    let user = if site.root { "User www-data\nGroup www-data\n" } else { "" };
    let members: String = site
        .backends
        .iter()
        .enumerate()
        .map(|(n, address)| {
            let route = if setup.sticky { format!(" route={}", server_name(n)) } else { String::new() };
            let upgrade = if setup.websocket { " upgrade=websocket" } else { "" };
            format!("BalancerMember http://{address} retry=0 keepalive=On{route}{upgrade}\n")
        })
        .collect();
    let sticky = if setup.sticky { " stickysession=lb" } else { "" };
    let log = log(site, setup);
    let status = if setup.metrics { "On" } else { "Off" };
    // Routes are declared in each virtual host; the server itself answers hosts that nobody declared.
    let hosts: String = setup
        .hosts()
        .iter()
        .map(|host| format!("<VirtualHost {}>\nServerName {host}\nUse Site\n</VirtualHost>\n", site.listen))
        .collect();
    let work = work(setup);
    format!(
        "{modules}LoadModule macro_module {MODULES}/mod_macro.so
ServerName localhost
Listen {listen}
ListenBacklog 4096
PidFile {dir}/httpd.pid
DefaultRuntimeDir {dir}
ErrorLog {dir}/error.log
LogLevel error
{user}StartServers 1
ServerLimit 1
ThreadLimit {threads}
ThreadsPerChild {threads}
MaxRequestWorkers {threads}
AsyncRequestWorkerFactor 16
MaxConnectionsPerChild 0
KeepAlive On
MaxKeepAliveRequests 0
KeepAliveTimeout 60
ProxyRequests Off
ProxyPreserveHost On
ExtendedStatus {status}
{log}<Proxy balancer://bench>
{members}ProxySet lbmethod=byrequests{sticky}
</Proxy>
<Macro Site>
RequestHeader set X-Forwarded-Proto http
RequestHeader set X-Forwarded-Port {port}
RequestHeader set X-Real-Ip \"expr=%{{REMOTE_ADDR}}\"
{work}ProxyPass / balancer://bench/
</Macro>
<VirtualHost {listen}>
ServerName nobody.invalid
RewriteEngine On
RewriteRule .* - [R=404,L]
</VirtualHost>
{hosts}",
        listen = site.listen,
        port = site.listen.port(),
        // It has no more requests under way than threads, and closes connections when it has none left.
        threads = site.connections + 64,
    )
}

fn log(site: &Site<'_>, setup: &Setup) -> String {
    let format = match setup.log {
        Log::Off => return String::new(),
        Log::Common => r#"%h %l %u %t \"%r\" %>s %b \"%{Referer}i\" \"%{User-Agent}i\""#,
        Log::Json => {
            r#"{\"ClientAddr\":\"%a:%{remote}p\",\"ClientHost\":\"%h\",\"ClientUsername\":\"%u\",\"DownstreamContentSize\":%B,\"DownstreamStatus\":%>s,\"Duration\":%D,\"RequestAddr\":\"%{Host}i\",\"RequestHost\":\"%V\",\"RequestMethod\":\"%m\",\"RequestPath\":\"%U%q\",\"RequestProtocol\":\"%H\",\"RouterName\":\"%v\",\"ServiceAddr\":\"%{BALANCER_WORKER_NAME}e\",\"StartUTC\":\"%{%Y-%m-%dT%H:%M:%S}t\",\"request_User-Agent\":\"%{User-Agent}i\"}"#
        }
    };
    format!("BufferedLogs On\nCustomLog {} \"{format}\"\n", site.path("access.log"))
}

fn work(setup: &Setup) -> String {
    let mut text = String::new();
    if setup.sticky {
        text.push_str("Header add Set-Cookie \"lb=.%{BALANCER_WORKER_ROUTE}e; path=/\" env=BALANCER_ROUTE_CHANGED\n");
    }
    if setup.middlewares {
        text.push_str("RewriteEngine On\n");
        text.push_str(&format!(
            "RewriteRule ^{PREFIX}(/.*)$ $1\nRewriteRule ^(/.*)$ /v1$1\nRewriteRule ^/v1(/.*)$ $1 [PT]\n"
        ));
        text.push_str(&format!("RequestHeader set {} {}\n", REQUEST_HEADER.0, REQUEST_HEADER.1));
        text.push_str(&format!("Header set {} {}\n", RESPONSE_HEADER.0, RESPONSE_HEADER.1));
    }
    text
}
