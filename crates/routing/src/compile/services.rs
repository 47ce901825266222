//! Services by name, with their servers' states adopted and their positions taken over.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use http::HeaderValue;
use seaway_config::model::{Config, Declared, LoadBalancer, Server as FoundServer, Service as FoundService};
use seaway_config::{Code, Diagnostic, Name, SharedMap};
use seaway_middleware::Middleware;

use crate::balancer::Balancer;
use crate::state::is_plain;
use crate::sticky::{StickyCookie, is_domain, is_same_site};
use crate::{Millis, RoutingTable, Server, Service, StateRegistry};

use super::middlewares::{Compiled, Middlewares};
use super::report::{Fault, Report, option};

/// What became of each configured service.
pub(super) type ServiceMap = SharedMap<Name, Outcome>;

/// What became of one service.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) usable: Result<Usable, Fault>,
    diagnostics: Box<[Diagnostic]>,
    /// Servers that have no flags keep none: see [`is_plain`].
    plain: bool,
}

/// A service that routers may use.
#[derive(Debug)]
pub(super) struct Usable {
    service: Arc<Service>,
    /// Middlewares in front of it, after the router's.
    pub(super) chain: Box<[Arc<Middleware>]>,
}

/// The services of this table, and what distinguishes them from those of the one before.
#[derive(Debug)]
pub(super) struct Services {
    pub(super) map: ServiceMap,
    pub(super) compiled: Arc<[Arc<Service>]>,
    /// Those that are something else to routers: new, gone, usable no more or again, behind other middlewares.
    pub(super) changed: HashSet<Name>,
    /// Some service has another place than before.
    pub(super) moved: bool,
    /// What is told of services may differ.
    pub(super) told: bool,
}

impl Services {
    pub(super) fn get(&self, name: &Name) -> Option<&Result<Usable, Fault>> {
        self.map.get(name).map(|outcome| &outcome.usable)
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &Name> {
        self.map.keys()
    }

    /// Its place in the table.
    pub(super) fn place(&self, name: &Name) -> Option<usize> {
        self.compiled.binary_search_by(|service| service.name.cmp(name)).ok()
    }
}

/// What was found wrong with all of them.
pub(super) fn diagnostics(map: &ServiceMap) -> impl Iterator<Item = &Diagnostic> {
    map.values().flat_map(|outcome| &outcome.diagnostics)
}

pub(super) fn compile(
    config: &Config,
    middlewares: &Compiled,
    registry: &StateRegistry,
    previous: &RoutingTable,
    now: Millis,
) -> Services {
    let mut map = previous.memo.services.clone();
    let (mut moved, mut told, mut touched) = (false, false, false);
    let mut changed = HashSet::new();
    for name in to_be_made(config, middlewares, previous) {
        let before = previous.memo.services.get(name);
        let after =
            config.services.get(name).map(|declared| outcome(name, declared, middlewares, registry, before, now));
        touched = true;
        told |= [before, after.as_ref()].into_iter().flatten().any(|outcome| !outcome.diagnostics.is_empty());
        moved |= is_usable(before) != is_usable(after.as_ref());
        if !is_same_to_routers(before, after.as_ref()) {
            changed.insert(name.clone());
        }
        match after {
            Some(outcome) => map.insert(name.clone(), outcome),
            None => drop(map.remove(name)),
        }
    }
    look_again(config, &map, registry, now);
    let compiled = match touched {
        true => {
            map.values().filter_map(|outcome| outcome.usable.as_ref().ok()).map(|u| Arc::clone(&u.service)).collect()
        }
        false => Arc::clone(&previous.services),
    };
    Services { map, compiled, changed, moved, told }
}

/// Names of services that are declared otherwise than before, or whose middlewares are others, or that have counted so far
/// that they have to begin anew.
fn to_be_made<'c>(
    config: &'c Config,
    middlewares: &Compiled,
    previous: &'c RoutingTable,
) -> impl Iterator<Item = &'c Name> {
    let declared = config.services.differences(&previous.config.services).into_iter().map(|found| found.key);
    let mut behind = Vec::new();
    if !middlewares.changed.is_empty() {
        let touched = |(name, declared): &(&Name, &Declared<FoundService>)| {
            let options = &declared.value.options;
            let faulty = previous.memo.services.get(name).is_none_or(|before| before.usable.is_err());
            !options.middlewares.is_empty() && (faulty || middlewares.touch(&options.middlewares, &name.provider))
        };
        behind.extend(config.services.iter().filter(touched).map(|(name, _)| name));
    }
    let worn = previous.services.iter().filter(|service| service.balancer.is_worn(&service.state));
    let worn = worn.filter_map(|service| config.services.get_key_value(&service.name)).map(|(name, _)| name);
    let all: BTreeSet<&Name> = declared.chain(behind).chain(worn).collect();
    all.into_iter()
}

/// Applies what is known of servers to their states once more where that may change something: an event may have said
/// otherwise since, and one that was told to end is taken back in time.
fn look_again(config: &Config, map: &ServiceMap, registry: &StateRegistry, now: Millis) {
    for (name, outcome) in map {
        let Ok(usable) = &outcome.usable else { continue };
        if outcome.plain && usable.service.servers.iter().all(|server| server.state.flags() == 0) {
            continue;
        }
        for found in config.services.get(name).iter().flat_map(|declared| &declared.value.servers) {
            registry.observe(&found.identity, &found.condition, now);
        }
    }
}

fn is_usable(outcome: Option<&Outcome>) -> bool {
    outcome.is_some_and(|outcome| outcome.usable.is_ok())
}

fn is_same_to_routers(before: Option<&Outcome>, after: Option<&Outcome>) -> bool {
    match (before.map(|it| &it.usable), after.map(|it| &it.usable)) {
        (Some(Ok(before)), Some(Ok(after))) => {
            let (before, after) = (&before.chain, &after.chain);
            before.len() == after.len() && before.iter().zip(after).all(|(a, b)| Arc::ptr_eq(a, b))
        }
        (Some(Err(before)), Some(Err(after))) => before == after,
        (None, None) => true,
        _ => false,
    }
}

fn outcome(
    name: &Name,
    declared: &Declared<FoundService>,
    middlewares: &Compiled,
    registry: &StateRegistry,
    before: Option<&Outcome>,
    now: Millis,
) -> Outcome {
    let mut report = Report::default();
    let before = before.and_then(|before| before.usable.as_ref().ok()).map(|before| &*before.service);
    let usable = check(name, declared, &middlewares.all, &mut report).map(|(balancer, chain)| {
        let service = service(name, declared, balancer, registry, before, now, &mut report);
        Usable { service: Arc::new(service), chain: chain.into() }
    });
    let plain = declared.value.servers.iter().all(|found| is_plain(&found.condition));
    Outcome { usable, diagnostics: report.finish(), plain }
}

type Checked<'c> = (&'c LoadBalancer, Vec<Arc<Middleware>>);

/// Whether the service may be used at all.
fn check<'c>(
    name: &Name,
    declared: &'c Declared<FoundService>,
    middlewares: &Middlewares,
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
