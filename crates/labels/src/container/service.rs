//! Services: a fault among the tuning options is ignored with a warning; one that could change where requests go, or
//! what stands in front of the servers, takes the service off.

use seaway_config::catalogue::Section;
use seaway_config::decode::parse_duration;
use seaway_config::model::{LoadBalancer, ServerOptions, ServiceOptions};
use seaway_config::{Code, Declared};

use super::object::Context;
use super::report::Report;
use crate::gather::{Object, Problem, line, problem, show};
use seaway_config::suggest::distance;

/// Options below `loadBalancer` that say how requests are spread, not where they go.
const TUNING: [&str; 6] =
    ["strategy", "sticky", "passHostHeader", "responseForwarding", "healthCheck", "passiveHealthCheck"];
/// What says where requests go, or what stands in front of the servers; what looks like one of these is no tuning.
const PLACING: [&str; 6] = ["server", "serversTransport", "middlewares", "port", "scheme", "url"];

pub(crate) fn decode(cx: &Context<'_>, report: &mut Report) -> Declared<ServiceOptions> {
    let (mut options, problems) = cx.decode::<ServiceOptions>();
    let mut fatal = Vec::new();
    for mut found in problems {
        if found.code == Code::UnknownOption && !cx.is_file {
            explain(cx, &mut found);
        }
        if is_tuning(&found.path) {
            report.warn(&found, "it is ignored");
        } else {
            fatal.push(found);
        }
    }
    fatal.extend(elsewhere(cx, &options));
    let stands_before_others = options.weighted.is_some()
        || options.mirroring.is_some()
        || options.failover.is_some()
        || options.highest_random_weight.is_some();
    match &mut options.load_balancer {
        Some(balancer) => {
            tune(cx, balancer, report);
            fatal.extend(place(cx, balancer));
        }
        None if fatal.is_empty() && !stands_before_others => {
            let message = "the service has no load balancer";
            let fix = format!("{}.loadbalancer.server.port=80", cx.node.key);
            fatal.push(Problem { fix, ..problem(&cx.first_key(), Code::EmptyService, message) });
        }
        None => {}
    }
    let mut declared = Declared::new(options, report.at(&cx.first_key()));
    for found in &fatal {
        let diagnostic = report.error(found, report.off(Object::Service, cx.name));
        declared.quarantine.get_or_insert(diagnostic);
    }
    declared
}

/// What only files can say, or only labels: a container is a server, a file names them.
fn elsewhere(cx: &Context<'_>, options: &ServiceOptions) -> Vec<Problem> {
    let mut found = Vec::new();
    if cx.is_file {
        if let Some(node) = cx.node.child("loadBalancer").and_then(|balancer| balancer.child("server")) {
            let message = "in a file the servers are a list: servers, and each of them has a url";
            let fix = format!("{}s: [{{ url: \"http://10.0.0.7:80\" }}]", node.key);
            found.push(Problem { fix, ..problem(&node.key, Code::UnknownOption, message) });
        }
        return found;
    }
    let kinds = [
        ("weighted", options.weighted.is_some()),
        ("mirroring", options.mirroring.is_some()),
        ("failover", options.failover.is_some()),
        ("highestRandomWeight", options.highest_random_weight.is_some()),
    ];
    for (kind, _) in kinds.into_iter().filter(|(_, is_set)| *is_set) {
        let key = cx.key_of(&[kind]).unwrap_or_else(|| cx.first_key());
        let message = format!("services of the kind {kind} are declared in files, and labels cannot");
        found.push(problem(&key, Code::NotSupportedYet, message));
    }
    if let Some(key) = cx.key_of(&["loadBalancer", "servers"]) {
        let message = "labels say how their own container is reached: server, and not servers";
        let fix = singular(&key).zip(cx.labels.get(&key)).map(|(right, value)| line(&right, value)).unwrap_or_default();
        found.push(Problem { fix, ..problem(&key, Code::UnknownOption, message) });
    }
    found
}

/// What Traefik's users often write: `loadbalancer.port`, which stands below `server`.
fn explain(cx: &Context<'_>, found: &mut Problem) {
    let mut parts = found.path.split('.');
    let (first, second) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    if first.eq_ignore_ascii_case("loadBalancer") && second.eq_ignore_ascii_case("servers") {
        let mended = singular(&found.key).zip(cx.labels.get(&found.key));
        found.fix = mended.map(|(right, value)| line(&right, value)).unwrap_or_default();
    } else if first.eq_ignore_ascii_case("loadBalancer")
        && ServerOptions::OPTIONS.iter().any(|option| option.name.eq_ignore_ascii_case(second))
        && let Some(at) = found.key.len().checked_sub(second.len())
    {
        let key = format!("{}server.{second}", found.key.get(..at).unwrap_or_default());
        found.fix = cx.labels.get(&found.key).map(|value| line(&key, value)).unwrap_or_default();
    }
}

/// `….server.url` for `….servers[0].url`.
fn singular(key: &str) -> Option<String> {
    let at = key.to_ascii_lowercase().find(".servers")? + ".server".len();
    let (head, rest) = key.split_at_checked(at)?;
    let rest = rest.get(1..)?;
    let rest = if rest.starts_with('[') { rest.split_once(']')?.1 } else { rest };
    Some(format!("{head}{rest}"))
}

/// True when a fault at this path below the service cannot change where requests go.
fn is_tuning(path: &str) -> bool {
    let mut parts = path.split('.');
    if !parts.next().is_some_and(|first| first.eq_ignore_ascii_case("loadBalancer")) {
        return false;
    }
    let Some(option) = parts.next() else { return false };
    let option = option.split('[').next().unwrap_or_default();
    if TUNING.iter().any(|known| known.eq_ignore_ascii_case(option)) {
        return true;
    }
    let begins = option.get(..6).is_some_and(|head| head.eq_ignore_ascii_case("server"));
    let near = |known: &&str| distance(option, known) <= if known.len() > 4 { 2 } else { 1 };
    !option.is_empty() && !begins && !PLACING.iter().any(near)
}

/// Tuning options that have a value which means nothing.
fn tune(cx: &Context<'_>, balancer: &mut LoadBalancer, report: &mut Report) {
    let mut warn = |path: &[&str], code: Code, message: String, consequence: &str| {
        let path: Vec<&str> = ["loadBalancer"].iter().chain(path).copied().collect();
        if let Some(key) = cx.key_of(&path) {
            report.warn(&problem(&key, code, message), consequence);
        }
    };
    if !matches!(balancer.strategy.as_str(), "wrr" | "p2c" | "hrw" | "leasttime") {
        let message = format!("wrr, p2c, hrw or leasttime is expected, not `{}`", show(&balancer.strategy));
        warn(&["strategy"], Code::BadValue, message, "wrr is used");
        "wrr".clone_into(&mut balancer.strategy);
    }
    if let Some(forwarding) = &mut balancer.response_forwarding {
        let interval = forwarding.flush_interval.as_str();
        if parse_duration(interval.strip_prefix('-').unwrap_or(interval)).is_none() {
            let message = format!("a duration is expected, not `{}`", show(interval));
            warn(&["responseForwarding", "flushInterval"], Code::BadValue, message, "it is ignored");
            "100ms".clone_into(&mut forwarding.flush_interval);
        }
    }
    let Some(sticky) = &mut balancer.sticky else { return };
    match &mut sticky.cookie {
        Some(cookie) => {
            cookie.same_site.make_ascii_lowercase();
            if !matches!(cookie.same_site.as_str(), "" | "none" | "lax" | "strict") {
                let message = format!("none, lax or strict is expected, not `{}`", show(&cookie.same_site));
                warn(&["sticky", "cookie", "sameSite"], Code::BadValue, message, "the cookie has no SameSite");
                cookie.same_site.clear();
            }
        }
        None => {
            let message = "sticky alone makes nothing sticky; sticky.cookie=true does".to_owned();
            warn(&["sticky"], Code::StandaloneSection, message, "clients do not stay on one server");
        }
    }
}

/// What says where requests go must be right.
fn place(cx: &Context<'_>, balancer: &mut LoadBalancer) -> Vec<Problem> {
    let mut found = Vec::new();
    let mut refuse = |path: &[&str], code: Code, message: String, fix: Option<&str>| {
        let path: Vec<&str> = ["loadBalancer"].iter().chain(path).copied().collect();
        let key = cx.key_of(&path).unwrap_or_else(|| cx.first_key());
        let fix = fix.map(|value| line(&key, value)).unwrap_or_default();
        found.push(Problem { fix, ..problem(&key, code, message) });
    };
    let server = &mut balancer.server;
    let scheme_given = cx.key_of(&["loadBalancer", "server", "scheme"]).is_some() && !server.scheme.is_empty();
    server.scheme.make_ascii_lowercase();
    match server.scheme.as_str() {
        "http" | "https" => {}
        "" => "http".clone_into(&mut server.scheme),
        "h2c" => {
            let message = format!("the scheme {} does not work yet", server.scheme);
            refuse(&["server", "scheme"], Code::NotSupportedYet, message, None);
        }
        other => {
            let message = format!("http or https is expected, not `{}`", show(other));
            refuse(&["server", "scheme"], Code::BadValue, message, None);
        }
    }
    if !server.port.is_empty()
        && !server.port.parse::<u16>().is_ok_and(|port| port != 0 && !server.port.starts_with('+'))
    {
        let message = format!("a port from 1 to 65535 is expected, not `{}`", show(&server.port));
        let digits: String =
            server.port.trim().trim_matches(['"', '\'', ':']).chars().take_while(char::is_ascii_digit).collect();
        let fix = digits.parse::<u16>().is_ok_and(|port| port != 0).then_some(digits.as_str()).or(Some("80"));
        refuse(&["server", "port"], Code::BadPort, message, fix);
    }
    if !server.url.is_empty() {
        if !server.port.is_empty() || scheme_given {
            let message = "server.url says it all: it cannot stand beside server.port or server.scheme".to_owned();
            refuse(&["server", "url"], Code::UrlConflict, message, None);
        }
        match server.url.split_once("://").map(|(scheme, rest)| (scheme.to_ascii_lowercase(), rest)) {
            Some((scheme, rest)) if matches!(scheme.as_str(), "http" | "https") && !rest.is_empty() => {}
            Some((scheme, _)) if scheme == "h2c" => {
                let message = format!("the scheme {scheme} does not work yet");
                refuse(&["server", "url"], Code::NotSupportedYet, message, None);
            }
            _ => {
                let message = format!("a URL such as http://10.0.0.7:8080 is expected, not `{}`", show(&server.url));
                refuse(&["server", "url"], Code::BadServerUrl, message, None);
            }
        }
    }
    if server.weight > i64::from(u32::MAX) {
        refuse(&["server", "weight"], Code::BadValue, format!("a weight is at most {}", u32::MAX), None);
    }
    found
}
