//! What types cannot say: enumerations, addresses, expressions, and options that must agree.

use std::net::SocketAddr;

use seaway_config::Code;
use seaway_config::statics::{DockerOptions, EntryPointOptions, RedirectEntryPoint, StaticOptions};
use seaway_config::tree::Node;

use super::address::{collide, is_network};
use super::{Given, assignment, listen_address, node_at, origin};
use crate::constraints::Constraints;
use crate::default_rule::DefaultRule;
use crate::gather::show;

/// Each bucket is a line of each series in each scrape.
const MOST_BUCKETS: usize = 61;

/// Checks all values, and gives enumerations their documented spelling.
pub(super) fn check(options: &mut StaticOptions, tree: &Node, given: &mut Given) {
    let mut cx = Check { tree, given };
    cx.udp(options);
    cx.entry_points(options);
    cx.entry_point_choices(options);
    cx.core(options);
    cx.logs(options);
    cx.ping(options);
    cx.metrics(options);
    if let Some(docker) = &options.providers.docker {
        cx.docker(docker);
    }
    if let Some(api) = &options.api
        && !api.base_path.starts_with('/')
    {
        let message = format!("a path starts with a slash, unlike `{}`", show(&api.base_path));
        cx.bad(&["api", "basePath"], message, &format!("/{}", api.base_path));
    }
    let user = &options.seaway.user;
    let (uid, gid) = user.split_once(':').map_or((user.as_str(), None), |(uid, gid)| (uid, Some(gid)));
    let number = |id: &str| id.parse::<u32>().is_ok() && id.bytes().all(|b| b.is_ascii_digit());
    if !(user.is_empty() || number(uid) && gid.is_none_or(number)) {
        cx.bad(&["seaway", "user"], format!("uid[:gid] in numbers is expected, not `{}`", show(user)), "65532:65532");
    }
    if options.seaway.workers > 1024 {
        cx.bad(&["seaway", "workers"], "more than 1024 workers are of no use".to_owned(), "0");
    }
}

struct Check<'c> {
    tree: &'c Node,
    given: &'c mut Given,
}

impl Check<'_> {
    fn bad(&mut self, path: &[&str], message: String, fix: &str) {
        self.wrong(Code::BadStaticValue, path, message, fix);
    }

    /// A mistake at `path`, named by the flag or variable that set it; `fix` is the value that would do.
    fn wrong(&mut self, code: Code, path: &[&str], message: String, fix: &str) {
        let key = node_at(self.tree, path).map_or_else(|| format!("--{}", path.join(".")), |node| node.key.clone());
        let fix = if fix.is_empty() { String::new() } else { assignment(&key, fix) };
        self.given.mistake(code, &key, message, fix);
    }

    /// The flag, variable or line that set the option at `path`, or what is nearest above it.
    fn key(&self, path: &[&str]) -> String {
        let found = (1..=path.len()).rev().find_map(|depth| node_at(self.tree, path.get(..depth)?));
        found.map_or_else(|| format!("--{}", path.join(".")), |node| node.key.clone())
    }

    /// What listens on UDP alone is left out: nothing could be served there.
    fn udp(&mut self, options: &mut StaticOptions) {
        options.entry_points.retain(|name, point| {
            let is_udp = point.address.to_ascii_lowercase().ends_with("/udp");
            if is_udp {
                let key = self.key(&["entryPoints", name, "address"]);
                let message = "UDP entry points do not work yet";
                self.given.warning(Code::NotSupportedYet, &key, message, format!("nothing listens on {}", show(name)));
            }
            !is_udp
        });
    }

    /// Enumerations of entry points, and what has to exist for them.
    fn entry_point_choices(&mut self, options: &mut StaticOptions) {
        let names: Vec<String> = options.entry_points.keys().cloned().collect();
        for (name, point) in &mut options.entry_points {
            let name = name.as_str();
            let strategy = &mut point.http.underscore_headers_strategy;
            let path = ["entryPoints", name, "http", "underscoreHeadersStrategy"];
            self.choice(&path, strategy, &["keep", "delete", "reject"]);
            let path = ["entryPoints", name, "observability", "traceVerbosity"];
            self.choice(&path, &mut point.observability.trace_verbosity, &["minimal", "detailed"]);
            self.in_front(name, point);
            if let Some(redirect) = &mut point.http.redirections.entry_point {
                self.redirection(name, redirect, &names);
            }
            if point.http.tls.is_some() {
                let key = self.key(&["entryPoints", name, "http", "tls"]);
                let consequence = format!("every router on {} answers 503, none is served in clear", show(name));
                self.given.warning(Code::TlsNotSupportedYet, &key, "TLS does not work yet", consequence);
            }
        }
    }

    fn in_front(&mut self, name: &str, point: &EntryPointOptions) {
        for middleware in &point.http.middlewares {
            if middleware.rsplit_once('@').is_none_or(|(local, provider)| local.is_empty() || provider.is_empty()) {
                let message = format!("a middleware here is named with its provider, unlike `{}`", show(middleware));
                let meant = format!("{}@docker", show(middleware));
                self.bad(&["entryPoints", name, "http", "middlewares"], message, &meant);
            }
        }
    }

    fn redirection(&mut self, name: &str, redirect: &mut RedirectEntryPoint, names: &[String]) {
        let path = |last| ["entryPoints", name, "http", "redirections", "entryPoint", last];
        self.choice(&path("scheme"), &mut redirect.scheme, &["https", "http"]);
        match redirect.to.strip_prefix(':') {
            Some(port) if port.parse::<u16>().is_ok_and(|port| port > 0) => {}
            Some(_) => {
                let message = format!("a port is a number from 1 to 65535, unlike `{}`", show(&redirect.to));
                self.bad(&path("to"), message, ":443");
            }
            None if redirect.to == name => {
                self.bad(&path("to"), format!("{} would be redirected to itself", show(name)), "");
            }
            None if names.contains(&redirect.to) => {}
            None => {
                let near = seaway_config::suggest::nearest(&redirect.to, names.iter().map(String::as_str));
                let message = match redirect.to.as_str() {
                    "" => "where to is not said: an entry point, or :port".to_owned(),
                    to => format!("there is no entry point `{}`", show(to)),
                };
                self.bad(&path("to"), message, near.unwrap_or(":443"));
            }
        }
        if redirect.priority < 1 {
            self.bad(&path("priority"), "a priority is above zero here".to_owned(), "9223372036854775806");
        }
    }

    fn core(&mut self, options: &mut StaticOptions) {
        let syntax = &options.core.default_rule_syntax;
        if syntax.eq_ignore_ascii_case("v2") {
            let message = "rules in the syntax v2 mean something else in v3, and only v3 works".to_owned();
            return self.wrong(Code::NotSupportedYet, &["core", "defaultRuleSyntax"], message, "v3");
        }
        self.choice(&["core", "defaultRuleSyntax"], &mut options.core.default_rule_syntax, &["v3"]);
    }

    /// Gives `value` its documented spelling, or says what is expected.
    fn choice(&mut self, path: &[&str], value: &mut String, choices: &[&str]) {
        match choices.iter().find(|choice| choice.eq_ignore_ascii_case(value)) {
            Some(choice) => (*choice).clone_into(value),
            None => {
                let near = seaway_config::suggest::nearest(value, choices.iter().copied()).unwrap_or_default();
                self.bad(path, format!("one of {} is expected, not `{}`", choices.join(", "), show(value)), near);
            }
        }
    }

    fn entry_points(&mut self, options: &StaticOptions) {
        let mut listening: Vec<(&str, SocketAddr)> = Vec::new();
        for (name, point) in &options.entry_points {
            let path = ["entryPoints", name.as_str(), "address"];
            if name.is_empty() || !name.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '_')) {
                let key = node_at(self.tree, &path[..2]).map_or("", |node| node.key.as_str()).to_owned();
                let message =
                    format!("the name of an entry point has letters, digits, - and _ only, unlike `{}`", show(name));
                self.given.mistake(Code::BadStaticValue, &key, message, "");
                continue;
            }
            if point.address.is_empty() {
                let key = node_at(self.tree, &path[..2]).map_or("", |node| node.key.as_str()).to_owned();
                // A value in place of options has been told of.
                if self.given.mistakes.iter().any(|told| told.origin == origin(&key)) {
                    continue;
                }
                let fix = format!("--entryPoints.{name}.address=:80");
                self.given.mistake(
                    Code::BadAddress,
                    &key,
                    format!("the entry point {} has no address", show(name)),
                    fix,
                );
                continue;
            }
            match listen_address(&point.address) {
                Ok(address) => {
                    if let Some((other, _)) = listening.iter().find(|(_, taken)| collide(*taken, address)) {
                        let message =
                            format!("{} is the address of the entry point {} already", point.address, show(other));
                        self.wrong(Code::BadAddress, &path, message, "");
                    }
                    listening.push((name, address));
                }
                Err(message) => {
                    let port = point.address.parse::<u16>().map(|port| format!(":{port}")).unwrap_or_default();
                    self.wrong(Code::BadAddress, &path, message, &port);
                }
            }
            self.entry_point(name, point);
        }
    }

    fn entry_point(&mut self, name: &str, point: &EntryPointOptions) {
        let forwarded = ("forwardedHeaders", &point.forwarded_headers.trusted_ips);
        let proxies = point.proxy_protocol.as_ref().map(|it| ("proxyProtocol", &it.trusted_ips));
        for (section, networks) in [Some(forwarded), proxies].into_iter().flatten() {
            for network in networks.iter().filter(|network| !is_network(network)) {
                let message =
                    format!("an address or a network such as 10.0.0.0/8 is expected, not `{}`", show(network));
                self.bad(&["entryPoints", name, section, "trustedIPs"], message, "");
            }
        }
        for token in &point.http.upgrades {
            let path = ["entryPoints", name, "http", "upgrades"];
            if token.eq_ignore_ascii_case("h2c") {
                self.bad(
                    &path,
                    "h2c can never be tunnelled: it would carry requests past the routing".to_owned(),
                    "websocket",
                );
            } else if !token.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~/".contains(&b)) {
                self.bad(&path, format!("`{}` is no upgrade token", show(token)), "websocket");
            }
        }
    }

    fn logs(&mut self, options: &mut StaticOptions) {
        let level = &mut options.log.level;
        if ["FATAL", "PANIC"].iter().any(|known| known.eq_ignore_ascii_case(level)) {
            self.given.notes.push(format!("the log level {level} is taken as ERROR"));
            "ERROR".clone_into(level);
        }
        self.choice(&["log", "level"], level, &["TRACE", "DEBUG", "INFO", "WARN", "ERROR"]);
        self.choice(&["log", "format"], &mut options.log.format, &["common", "json"]);
        let Some(access) = &mut options.access_log else { return };
        self.choice(&["accessLog", "format"], &mut access.format, &["seaway", "common", "genericCLF", "json"]);
        for range in access.filters.status_codes.iter().filter(|range| !is_status_range(range)) {
            let message = format!("a status or a range such as 500-599 is expected, not `{}`", show(range));
            self.bad(&["accessLog", "filters", "statusCodes"], message, "");
        }
    }

    fn ping(&mut self, options: &StaticOptions) {
        let Some(ping) = &options.ping else { return };
        if !ping.manual_routing {
            self.exists(&["ping", "entryPoint"], &ping.entry_point, options);
        }
        if !(200..=599).contains(&ping.terminating_status_code) {
            let message = format!("a status from 200 to 599 is expected, not {}", ping.terminating_status_code);
            self.bad(&["ping", "terminatingStatusCode"], message, "503");
        }
    }

    fn metrics(&mut self, options: &StaticOptions) {
        let Some(prometheus) = &options.metrics.prometheus else { return };
        if !prometheus.manual_routing {
            self.exists(&["metrics", "prometheus", "entryPoint"], &prometheus.entry_point, options);
        }
        let path = ["metrics", "prometheus", "buckets"];
        let mut last = 0.0;
        for text in &prometheus.buckets {
            match text.parse::<f64>() {
                Ok(bound) if bound.is_finite() && bound > last => last = bound,
                Ok(_) => {
                    let message =
                        format!("seconds in ascending order are expected, above zero, unlike `{}`", show(text));
                    return self.bad(&path, message, "0.1,0.3,1.2,5");
                }
                Err(_) => {
                    let message = format!("seconds such as 0.3 are expected, not `{}`", show(text));
                    return self.bad(&path, message, "0.1,0.3,1.2,5");
                }
            }
        }
        if prometheus.buckets.len() > MOST_BUCKETS {
            let message = format!("more than {MOST_BUCKETS} buckets would make each series too long");
            self.bad(&path, message, "0.1,0.3,1.2,5");
        }
        for (label, header) in &prometheus.header_labels {
            let path = ["metrics", "prometheus", "headerLabels", label];
            let taken = ["code", "method", "protocol", "entrypoint", "router", "service", "le"];
            let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
            if taken.contains(&&**label)
                || label.starts_with(|c: char| c.is_ascii_digit())
                || !label.chars().all(is_name)
            {
                let message =
                    format!("a label needs a name of its own, of letters, digits and `_`, unlike `{}`", show(label));
                return self.bad(&path[..3], message, "useragent=User-Agent");
            }
            let is_token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
            if header.is_empty() || !header.bytes().all(is_token) {
                return self.bad(&path, format!("`{}` is not the name of a header", show(header)), "User-Agent");
            }
        }
    }

    /// Something is to be answered on this entry point, so there must be one of that name.
    fn exists(&mut self, path: &[&str], entry_point: &str, options: &StaticOptions) {
        if !options.entry_points.contains_key(entry_point) {
            let message = format!("there is no entry point `{}`", show(entry_point));
            let names = options.entry_points.keys().map(String::as_str);
            let near = seaway_config::suggest::nearest(entry_point, names).unwrap_or_default();
            self.bad(path, message, near);
        }
    }

    fn docker(&mut self, docker: &DockerOptions) {
        let at = |name| ["providers", "docker", name];
        let endpoint = docker.endpoint.as_str();
        match endpoint.split_once("://") {
            _ if endpoint.is_empty() => {}
            // What stands there is not repeated.
            Some((scheme, rest)) if scheme != "unix" && rest.contains('@') => {
                let message = "user and password are given by the options username and password".to_owned();
                self.bad(&at("endpoint"), message, "");
            }
            Some(("unix" | "tcp" | "http" | "https", rest)) if !rest.is_empty() => {}
            Some(("ssh" | "npipe" | "fd", _)) => {
                let message = format!("an endpoint such as {} does not work yet", show(endpoint));
                self.wrong(Code::NotSupportedYet, &at("endpoint"), message, "");
            }
            _ => {
                let fix = if endpoint.starts_with('/') { format!("unix://{endpoint}") } else { String::new() };
                let message = format!("unix://…, tcp://… or http(s)://… is expected, not `{}`", show(endpoint));
                self.bad(&at("endpoint"), message, &fix);
            }
        }
        if let Err(why) = Constraints::parse(&docker.constraints) {
            self.bad(&at("constraints"), why, "");
        }
        if let Err(why) = DefaultRule::parse(&docker.default_rule) {
            self.bad(&at("defaultRule"), why, "");
        }
    }
}

fn is_status_range(text: &str) -> bool {
    let status = |text: &str| text.parse::<u16>().ok().filter(|status| (100..=599).contains(status));
    match text.split_once('-') {
        Some((from, to)) => status(from).zip(status(to)).is_some_and(|(from, to)| from <= to),
        None => status(text).is_some(),
    }
}
