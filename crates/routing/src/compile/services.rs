//! Services by name, with their servers' states adopted and their positions taken over.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use http::HeaderValue;
use seaway_config::model::{Config, Declared, LoadBalancer, Server as FoundServer, Service as FoundService};
use seaway_config::{Code, Diagnostic, Name};
use seaway_middleware::Middleware;

use crate::balancer::Balancer;
use crate::sticky::{StickyCookie, is_domain, is_same_site};
use crate::{Millis, RoutingTable, Server, Service, StateRegistry};

use super::middlewares::Middlewares;
use super::report::{Fault, Report, option};

/// What became of each configured service.
#[derive(Debug, Default)]
pub(super) struct Services<'c> {
    pub(super) compiled: Vec<Service>,
    by_name: HashMap<&'c Name, Result<Usable, Fault>>,
}

/// A service that routers may use.
#[derive(Debug)]
pub(super) struct Usable {
    /// Its place in the table.
    pub(super) index: usize,
    /// Middlewares in front of it, after the router's.
    pub(super) chain: Vec<Arc<Middleware>>,
}

impl Services<'_> {
    pub(super) fn get(&self, name: &Name) -> Option<&Result<Usable, Fault>> {
        self.by_name.get(name)
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &Name> {
        self.by_name.keys().copied()
    }
}

pub(super) fn compile<'c>(
    config: &'c Config,
    middlewares: &Middlewares<'_>,
    registry: &StateRegistry,
    previous: Option<&RoutingTable>,
    now: Millis,
    report: &mut Report,
) -> Services<'c> {
    let before: HashMap<_, _> = previous.iter().flat_map(|table| &table.services).map(|s| (&s.name, s)).collect();
    let mut services = Services::default();
    for (name, declared) in &config.services {
        let usable = check(name, declared, middlewares, report).map(|(balancer, chain)| {
            let index = services.compiled.len();
            let before = before.get(name).copied();
            services.compiled.push(service(name, declared, balancer, registry, before, now, report));
            Usable { index, chain }
        });
        services.by_name.insert(name, usable);
    }
    services
}

type Checked<'c> = (&'c LoadBalancer, Vec<Arc<Middleware>>);

/// Whether the service may be used at all.
fn check<'c>(
    name: &Name,
    declared: &'c Declared<FoundService>,
    middlewares: &Middlewares<'_>,
    report: &mut Report,
) -> Result<Checked<'c>, Fault> {
    if let Some(diagnostic) = &declared.quarantine {
        report.add(diagnostic.clone());
        return Err(diagnostic.into());
    }
    let options = &declared.value.options;
    let mut refuse = |at: &str, fault: Fault| {
        let consequence = format!("every router that uses service {name} answers 503");
        let fix = fault.fix(&declared.origin, "services", &name.local, at);
        let found = Diagnostic::error(fault.code, option(&declared.origin, at), fault.text.clone(), consequence);
        report.add(found.fix(fix));
        fault
    };
    let Some(balancer) = &options.load_balancer else {
        return Err(refuse("", Fault::new(Code::EmptyService, format!("the service \"{name}\" has no load balancer"))));
    };
    if !matches!(&*balancer.servers_transport, "" | "default" | "default@internal") {
        let transport = Name::resolve(&balancer.servers_transport, &name.provider);
        let text = format!("servers transport not found {transport}");
        return Err(refuse("loadbalancer.serverstransport", Fault::new(Code::ServiceQuarantined, text)));
    }
    let chain = middlewares.flatten(&options.middlewares, &name.provider);
    Ok((balancer, chain.map_err(|fault| refuse("middlewares", fault))?))
}

fn service(
    name: &Name,
    declared: &Declared<FoundService>,
    balancer: &LoadBalancer,
    registry: &StateRegistry,
    before: Option<&Service>,
    now: Millis,
    report: &mut Report,
) -> Service {
    warn(declared, balancer, report);
    let mut seen = HashSet::new();
    let found = declared.value.servers.iter().filter(|found| seen.insert(&found.identity));
    let servers: Box<[_]> = found.filter_map(|found| server(found, registry, now, report)).collect();
    let state = registry.service(name);
    for server in servers.iter().chain(before.iter().flat_map(|before| &before.servers)) {
        if let Some(at) = server.state.last_ready(now) {
            state.touch_ready(at);
        }
    }
    let cookie = balancer.sticky.as_ref().and_then(|sticky| sticky.cookie.as_ref());
    let sticky = cookie
        .map(|options| StickyCookie::new(options, name, &servers, before.and_then(|before| before.sticky.as_ref())));
    Service {
        name: name.clone(),
        label: name.to_string().into(),
        balancer: Balancer::new(&servers, &state, before),
        servers,
        sticky,
        pass_host_header: balancer.pass_host_header,
        state,
    }
}

fn server(found: &FoundServer, registry: &StateRegistry, now: Millis, report: &mut Report) -> Option<Server> {
    let mut refuse = |code, text: String| {
        let consequence = format!("server {} gets no requests, the others do", found.name);
        report.add(Diagnostic::error(code, found.origin.clone(), text, consequence));
    };
    let rest = found.url.split_at_checked(7).filter(|(scheme, _)| scheme.eq_ignore_ascii_case("http://"));
    let Some((_, rest)) = rest else {
        refuse(Code::NotSupportedYet, format!("the server's URL `{}` does not start with http://", found.url));
        return None;
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let Some(host_value) = HeaderValue::from_str(host).ok().filter(|host| !host.is_empty()) else {
        refuse(Code::BadServerUrl, format!("the server's URL `{}` names no host", found.url.escape_debug()));
        return None;
    };
    Some(Server {
        name: found.name.clone(),
        url: found.url.clone(),
        address: found.address.clone(),
        address_text: found.address.to_string().into(),
        host_value,
        base_path: found.base_path.clone(),
        weight: found.weight,
        state: registry.adopt(&found.identity, &found.condition, now),
    })
}

/// Tuning that cannot be followed is ignored, and said.
fn warn(declared: &Declared<FoundService>, balancer: &LoadBalancer, report: &mut Report) {
    let mut warn = |code, at: &str, text: String, consequence: &str| {
        let origin = option(&declared.origin, &format!("loadbalancer.{at}"));
        report.add(Diagnostic::warning(code, origin, text, consequence));
    };
    match &*balancer.strategy {
        "" | "wrr" => {}
        later @ ("p2c" | "hrw" | "leasttime") => {
            let text = format!("the strategy {later} does not work yet");
            warn(Code::NotSupportedYet, "strategy", text, "requests are spread by weighted round robin");
        }
        unknown => {
            let text = format!("there is no strategy `{}`", unknown.escape_debug());
            warn(Code::BadValue, "strategy", text, "requests are spread by weighted round robin");
        }
    }
    let Some(cookie) = balancer.sticky.as_ref().and_then(|sticky| sticky.cookie.as_ref()) else { return };
    if !cookie.same_site.is_empty() && !is_same_site(&cookie.same_site) {
        let text = format!("`{}` is not none, lax or strict", cookie.same_site.escape_debug());
        warn(Code::BadValue, "sticky.cookie.samesite", text, "the cookie has no SameSite attribute");
    }
    if cookie.same_site.eq_ignore_ascii_case("none") && !cookie.secure {
        let text = "browsers refuse a cookie that has SameSite=None and is not Secure".to_owned();
        warn(Code::BadValue, "sticky.cookie.samesite", text, "their sessions will not be sticky");
    }
    if !cookie.domain.is_empty() && !is_domain(&cookie.domain) {
        let text = format!("`{}` is not a domain", cookie.domain.escape_debug());
        warn(Code::BadValue, "sticky.cookie.domain", text, "the cookie has no Domain attribute");
    }
}
