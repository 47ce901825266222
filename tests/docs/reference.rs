//! The pages of `docs/reference`, from the option catalogue.

use std::fmt::Write as _;

use seaway_config::catalogue::{Kind, OptionSpec, Section};
use seaway_config::model::{MiddlewareOptions, NOT_YET, Router, ServersTransport, ServiceOptions};
use seaway_config::statics::StaticOptions;

use super::markdown::{cell, code};

const MADE: &str = "<!-- Made from the option catalogue by tests/docs.rs; changes belong there. -->\n";

/// Each page's path below `docs` and its text.
pub(super) fn pages() -> Vec<(&'static str, String)> {
    vec![
        ("reference/static.md", statics()),
        ("reference/routers.md", routers()),
        ("reference/services.md", services()),
        ("reference/middlewares.md", middlewares()),
        ("reference/file-provider.md", files()),
    ]
}

fn statics() -> String {
    let mut page = format!(
        "# Static options\n\n{MADE}\n\
         What is fixed when Seaway starts. Each option is a flag (`--entryPoints.web.address=:80`), a variable\n\
         (`SEAWAY_ENTRYPOINTS_WEB_ADDRESS` or `TRAEFIK_ENTRYPOINTS_WEB_ADDRESS`) or a place in a file ([files](../files.md)).\n\
         Flags win over variables, variables over the file. The case of names does not matter. `seaway help` prints the same list.\n\n\
         {VALUES}\n"
    );
    for spec in StaticOptions::OPTIONS {
        _ = writeln!(page, "## {}\n\n{}\n", spec.name, cell(spec.doc));
        let mut rows = Vec::new();
        match spec.kind {
            Kind::Section | Kind::SwitchSection | Kind::NamedSections => {
                if spec.kind == Kind::SwitchSection {
                    rows.push(row(spec.name, spec));
                }
                walk(spec.below, &below(spec, spec.name), &mut rows);
            }
            _ => rows.push(row(spec.name, spec)),
        }
        table(&mut page, &rows);
    }
    page.push_str("## Known, and not working yet\n\nThese belong to Traefik, with all that stands below them. Seaway starts with a warning (SW0108), or not at all where connections\nwould be less safe than was asked for.\n\n");
    for path in seaway_labels::statics::not_yet() {
        _ = writeln!(page, "- {}", code(&path.replace('*', "<name>")));
    }
    page.push_str("\nThese are accepted and change nothing:\n\n");
    for (path, only) in seaway_labels::statics::without_effect() {
        let path = only.map_or_else(|| (*path).to_owned(), |value| format!("{path}={value}"));
        _ = writeln!(page, "- {}", code(&path));
    }
    page
}

fn routers() -> String {
    let mut page = format!(
        "# Routers\n\n{MADE}\n\
         As labels: `traefik.http.routers.<name>.<option>=<value>`, or the same below `seaway.`. In files: `http.routers.<name>`.\n\n\
         ```yaml\nservices:\n  web:\n    image: your/app\n    labels:\n      \
         - traefik.http.routers.web.rule=Host(`app.localhost`) && PathPrefix(`/shop`)\n      \
         - traefik.http.routers.web.entrypoints=web\n      \
         - traefik.http.routers.web.middlewares=shop\n      \
         - traefik.http.middlewares.shop.stripprefix.prefixes=/shop\n```\n\n{VALUES}\n"
    );
    let mut rows = Vec::new();
    walk(Router::OPTIONS, "", &mut rows);
    table(&mut page, &rows);
    page.push_str(
        "A router with any option below `tls` is off and answers 503: TLS does not work yet, and it is never served in clear (SW0209).\n\n\
         ## Rules\n\n\
         Matchers are put together with `&&`, `||`, `!` and brackets. Routers are tried by priority, the highest first; without one of\n\
         its own, a router's priority is the length of its rule. `seaway explain URL` shows the order ([how](../explain-and-check.md)).\n",
    );
    page.push_str("\n| Matcher | True when |\n|---|---|\n");
    for (matcher, meaning) in MATCHERS {
        _ = writeln!(page, "| {} | {} |", code(matcher), cell(meaning));
    }
    page
}

const MATCHERS: &[(&str, &str)] = &[
    ("Host(`a.b`)", "the request asks for that host; case does not matter"),
    ("HostRegexp(`^.+\\.a\\.b$`)", "the expression matches somewhere in the host"),
    ("Path(`/x`)", "the path is exactly that"),
    ("PathPrefix(`/x`)", "the path starts with that text, also within a word: /x takes /xy"),
    ("PathRegexp(`^/v[0-9]+/`)", "the expression matches somewhere in the path"),
    ("Method(`GET`)", "the method is that one"),
    ("Header(`X-Kind`, `a`)", "a value of that header is exactly that"),
    ("HeaderRegexp(`X-Kind`, `^a`)", "the expression matches in a value of that header"),
    ("Query(`k`, `v`)", "the query has that parameter with that value"),
    ("QueryRegexp(`k`, `^v`)", "the expression matches in that parameter's value"),
    ("ClientIP(`10.0.0.0/8`)", "the peer's address is in that network"),
];

fn services() -> String {
    let mut page = format!(
        "# Services\n\n{MADE}\n\
         As labels: `traefik.http.services.<name>.<option>=<value>`, or the same below `seaway.`. In files: `http.services.<name>`.\n\
         Labels say how their own container is reached (`loadBalancer.server`); files name the servers (`loadBalancer.servers`).\n\n\
         ```yaml\nservices:\n  web:\n    image: your/app\n    labels:\n      \
         - traefik.http.routers.web.rule=Host(`app.localhost`)\n      \
         - traefik.http.services.web.loadbalancer.server.port=8000\n      \
         - traefik.http.services.web.loadbalancer.sticky.cookie.name=session\n      \
         - traefik.http.services.web.loadbalancer.healthcheck.path=/health\n```\n\n\
         The kinds `weighted`, `mirroring`, `failover` and `highestRandomWeight` stand in files only; routers of labels use them by\n\
         name: `traefik.http.routers.web.service=canary@file`.\n\n{VALUES}\n"
    );
    for spec in ServiceOptions::OPTIONS {
        _ = writeln!(page, "## {}\n\n{}\n", spec.name, cell(spec.doc));
        let mut rows = Vec::new();
        match spec.below {
            [] => rows.push(row(spec.name, spec)),
            options => walk(options, &below(spec, spec.name), &mut rows),
        }
        table(&mut page, &rows);
    }
    page.push_str("Not there yet: the scheme `h2c` of servers, and health checks of the mode `grpc`.\n");
    page
}

fn middlewares() -> String {
    let mut page = format!(
        "# Middlewares\n\n{MADE}\n\
         As labels: `traefik.http.middlewares.<name>.<type>.<option>=<value>`, or the same below `seaway.`. In files:\n\
         `http.middlewares.<name>`. A middleware has exactly one type. Routers name the ones that they use, in order:\n\n\
         ```yaml\nservices:\n  web:\n    image: your/app\n    labels:\n      \
         - traefik.http.routers.web.rule=Host(`app.localhost`)\n      \
         - traefik.http.routers.web.middlewares=office,slowly\n      \
         - traefik.http.middlewares.office.ipallowlist.sourcerange=10.0.0.0/8, 127.0.0.1\n      \
         - traefik.http.middlewares.slowly.ratelimit.average=20\n      \
         - traefik.http.middlewares.slowly.ratelimit.burst=50\n```\n\n\
         A router whose middleware is missing or has a fault answers 503; it never serves without it.\n\n{VALUES}\n"
    );
    for spec in MiddlewareOptions::OPTIONS {
        _ = writeln!(page, "## {}\n\n{}\n", spec.name, cell(spec.doc));
        let mut rows = Vec::new();
        if spec.kind == Kind::SwitchSection {
            rows.push(row(spec.name, spec));
        }
        walk(spec.below, &below(spec, spec.name), &mut rows);
        table(&mut page, &rows);
    }
    not_yet(&mut page, "middlewares.*.");
    page
}

fn files() -> String {
    let mut page = format!(
        "# What files may say\n\n{MADE}\n\
         Files of `--providers.file`, and the answers of `--providers.http`, have `http` at their top, and below it `routers`\n\
         ([options](routers.md)), `services` ([options](services.md)), `middlewares` ([options](middlewares.md)) and\n\
         `serversTransports`. How they are found and watched is in [files](../files.md).\n\n\
         ```yaml\n{FILE}```\n\n\
         The same in TOML:\n\n```toml\n{TOML}```\n\n## serversTransports\n\n\
         How servers are connected to. A service names one in `loadBalancer.serversTransport`; without a name the static\n\
         `serversTransport` holds ([options](static.md#serverstransport)).\n\n"
    );
    let mut rows = Vec::new();
    walk(ServersTransport::OPTIONS, "", &mut rows);
    table(&mut page, &rows);
    page.push_str(
        "`tcp`, `udp` and `tls` at the top are known, ignored, and warned about (SW0108): they do not work yet.\n",
    );
    page
}

const FILE: &str = "http:
  routers:
    app:
      rule: Host(`app.localhost`)
      entryPoints: [web]
      middlewares: [office]
      service: app
  middlewares:
    office:
      ipAllowList:
        sourceRange: [10.0.0.0/8, 127.0.0.1]
  services:
    app:
      loadBalancer:
        servers:
          - url: http://10.0.0.7:8000
          - url: http://10.0.0.8:8000
            weight: 2
    canary:
      weighted:
        services:
          - name: app
            weight: 9
          - name: web@docker
            weight: 1
  serversTransports:
    inside:
      rootCAs: [/etc/seaway/inside.pem]
      serverName: app.internal
";

const TOML: &str = "[http.routers.app]
rule = \"Host(`app.localhost`)\"
service = \"app\"

[[http.services.app.loadBalancer.servers]]
url = \"http://10.0.0.7:8000\"
";

const VALUES: &str = "A *duration* is a number of seconds or a text such as `1m30s` or `500ms`. A *list* is written with commas in labels and flags.\n\
A *section* that may stand alone is switched on by `true`.\n";

/// What Traefik has below `prefix` and Seaway does not yet.
fn not_yet(page: &mut String, prefix: &str) {
    let known: Vec<&str> = NOT_YET.iter().filter_map(|path| path.strip_prefix(prefix)).collect();
    if !known.is_empty() {
        page.push_str("## Known, and not working yet\n\nWhat uses one of these is off (SW0108).\n\n");
        for path in known {
            _ = writeln!(page, "- {}", code(path));
        }
    }
}

/// The path that the options below an option have in common.
pub(super) fn below(spec: &OptionSpec, path: &str) -> String {
    match spec.kind {
        Kind::NamedSections if is_list(spec) => format!("{path}[n]"),
        Kind::NamedSections => format!("{path}.<name>"),
        _ => path.to_owned(),
    }
}

/// Lists of sections: everything else with names below it has names that people choose.
fn is_list(spec: &OptionSpec) -> bool {
    ["services", "servers", "mirrors", "certificates", "domains"].contains(&spec.name)
}

struct Row {
    path: String,
    kind: &'static str,
    default: &'static str,
    doc: &'static str,
}

fn row(path: &str, spec: &OptionSpec) -> Row {
    let kind = match spec.kind {
        Kind::Text => "text",
        Kind::Bool => "true, false",
        Kind::Int => "number",
        Kind::Duration => "duration",
        Kind::List => "list",
        Kind::Map => "map",
        Kind::Section | Kind::NamedSections => "section",
        Kind::SwitchSection => "section, may stand alone",
    };
    let path = if spec.kind == Kind::Map { format!("{path}.<key>") } else { path.to_owned() };
    Row { path, kind, default: spec.default, doc: spec.doc }
}

fn walk(specs: &[OptionSpec], above: &str, rows: &mut Vec<Row>) {
    for spec in specs {
        let path = if above.is_empty() { spec.name.to_owned() } else { format!("{above}.{}", spec.name) };
        rows.push(row(&path, spec));
        walk(spec.below, &below(spec, &path), rows);
    }
}

fn table(page: &mut String, rows: &[Row]) {
    if rows.is_empty() {
        return;
    }
    page.push_str("| Option | Value | Default | |\n|---|---|---|---|\n");
    for Row { path, kind, default, doc } in rows {
        _ = writeln!(page, "| {} | {kind} | {} | {} |", code(path), code(default), cell(doc));
    }
    page.push('\n');
}
