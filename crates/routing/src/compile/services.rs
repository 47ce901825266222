//! Services by name, with their servers' states adopted and their positions taken over.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use http::HeaderValue;
use seaway_config::model::{
    Config, Declared, LoadBalancer, Server as FoundServer, Service as FoundService, ServiceOptions,
};
use seaway_config::{Code, Diagnostic, Name, SharedMap};
use seaway_middleware::Middleware;

use crate::balancer::{Balancer, Strategy};
use crate::check::ActiveCheck;
use crate::state::{PassiveCheck, flag, is_plain};
use crate::sticky::{StickyCookie, is_domain, is_same_site};
use crate::transport::Transport;
use crate::{Millis, RoutingTable, Server, Service, StateRegistry};

use super::composites;
use super::middlewares::{Compiled, Middlewares};
use super::report::{Fault, Report, option};
use super::transports::{self, Transports};

/// What became of each configured service.
pub(super) type ServiceMap = SharedMap<Name, Outcome>;

/// What became of one service.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) usable: Result<Usable, Fault>,
    pub(super) diagnostics: Box<[Diagnostic]>,
    /// Servers that have no flags keep none: see [`is_plain`].
    pub(super) plain: bool,
}

/// A service that routers may use.
#[derive(Debug)]
pub(super) struct Usable {
    pub(super) service: Arc<Service>,
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
    /// Those that stand before others.
    pub(super) composites: Arc<BTreeSet<Name>>,
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

/// What services are made from besides themselves.
pub(super) struct Parts<'p> {
    pub(super) config: &'p Config,
    pub(super) middlewares: &'p Compiled,
    pub(super) transports: &'p transports::Compiled,
    pub(super) registry: &'p StateRegistry,
    pub(super) now: Millis,
}

pub(super) fn compile(parts: &Parts<'_>, previous: &RoutingTable) -> Services {
    let config = parts.config;
    let mut map = previous.memo.services.clone();
    let mut composites = Arc::clone(&previous.memo.composites);
    let mut changes = Changes::default();
    for name in to_be_made(parts, previous) {
        let before = previous.memo.services.get(name);
        let declared = config.services.get(name);
        let composite = declared.is_some_and(composites::is_composite);
        if composites.contains(name) != composite {
            let names = Arc::make_mut(&mut composites);
            if composite {
                names.insert(name.clone())
            } else {
                names.remove(name)
            };
        }
        changes.touched = true;
        if composite {
            // After those that it stands before.
            continue;
        }
        let after = declared.map(|declared| outcome(name, declared, parts, before));
        changes.note(name, before, after.as_ref());
        match after {
            Some(outcome) => map.insert(name.clone(), outcome),
            None => drop(map.remove(name)),
        }
    }
    if changes.touched && !composites.is_empty() {
        for (name, after) in composites::compile(parts, &composites, &map, previous) {
            changes.note(&name, previous.memo.services.get(&name), Some(&after));
            map.insert(name, after);
        }
    }
    look_again(config, &map, parts.registry, parts.now);
    let compiled = match changes.touched {
        true => {
            map.values().filter_map(|outcome| outcome.usable.as_ref().ok()).map(|u| Arc::clone(&u.service)).collect()
        }
        false => Arc::clone(&previous.services),
    };
    let Changes { moved, told, names: changed, .. } = changes;
    Services { map, compiled, changed, moved, told, composites }
}

/// What distinguishes the services from those of the table before.
#[derive(Default)]
struct Changes {
    touched: bool,
    moved: bool,
    told: bool,
    names: HashSet<Name>,
}

impl Changes {
    fn note(&mut self, name: &Name, before: Option<&Outcome>, after: Option<&Outcome>) {
        self.told |= [before, after].into_iter().flatten().any(|outcome| !outcome.diagnostics.is_empty());
        self.moved |= is_usable(before) != is_usable(after);
        if !is_same_to_routers(before, after) {
            self.names.insert(name.clone());
        }
    }
}

/// Names of services that are declared otherwise than before, or whose middlewares are others, or that have counted so far
/// that they have to begin anew.
fn to_be_made<'p>(parts: &Parts<'p>, previous: &'p RoutingTable) -> impl Iterator<Item = &'p Name> {
    let Parts { config, middlewares, transports, .. } = *parts;
    let declared = config.services.differences(&previous.config.services).into_iter().map(|found| found.key);
    let mut behind = Vec::new();
    if !middlewares.changed.is_empty() || !transports.changed.is_empty() {
        let touched = |(name, declared): &(&Name, &Declared<FoundService>)| {
            let options = &declared.value.options;
            let faulty = previous.memo.services.get(name).is_none_or(|before| before.usable.is_err());
            let by_transport = options.load_balancer.as_ref().is_some_and(|balancer| {
                !transports::is_usual(&balancer.servers_transport)
                    && (faulty
                        || transports.changed.contains(&Name::resolve(&balancer.servers_transport, &name.provider)))
            });
            by_transport
                || (!options.middlewares.is_empty()
                    && (faulty || middlewares.touch(&options.middlewares, &name.provider)))
        };
        behind.extend(config.services.iter().filter(touched).map(|(name, _)| name));
    }
    let is_worn = |service: &Service| {
        service.balancer.is_worn(&service.state) || service.composite.as_ref().is_some_and(|it| it.is_worn(service))
    };
    let worn = previous.services.iter().filter(|service| is_worn(service));
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

fn outcome(name: &Name, declared: &Declared<FoundService>, parts: &Parts<'_>, before: Option<&Outcome>) -> Outcome {
    let mut report = Report::default();
    let before = before.and_then(|before| before.usable.as_ref().ok()).map(|before| &*before.service);
    let usable = check(name, declared, parts, &mut report).map(|(balancer, chain, transport)| {
        let service = service(name, declared, balancer, transport, parts, before, &mut report);
        Usable { service: Arc::new(service), chain: chain.into() }
    });
    let plain = declared.value.servers.iter().all(|found| is_plain(&found.condition));
    Outcome { usable, diagnostics: report.finish(), plain }
}

/// Says why a service is off.
pub(super) fn refuse(
    name: &Name,
    declared: &Declared<FoundService>,
    at: &str,
    fault: Fault,
    report: &mut Report,
) -> Fault {
    let consequence = format!("every router that uses service {name} answers 503");
    let fix = fault.fix(&declared.origin, "services", &name.local, at);
    let found = Diagnostic::error(fault.code, option(&declared.origin, at), fault.text.clone(), consequence);
    report.add(found.fix(fix));
    fault
}

/// The kinds that a service is of.
pub(super) fn kinds(options: &ServiceOptions) -> Vec<&'static str> {
    let all = [
        ("loadBalancer", options.load_balancer.is_some()),
        ("weighted", options.weighted.is_some()),
        ("mirroring", options.mirroring.is_some()),
        ("failover", options.failover.is_some()),
        ("highestRandomWeight", options.highest_random_weight.is_some()),
    ];
    all.into_iter().filter(|(_, is)| *is).map(|(kind, _)| kind).collect()
}

type Checked<'c> = (&'c LoadBalancer, Vec<Arc<Middleware>>, Arc<Transport>);

/// Whether the service may be used at all.
fn check<'c>(
    name: &Name,
    declared: &'c Declared<FoundService>,
    parts: &Parts<'_>,
    report: &mut Report,
) -> Result<Checked<'c>, Fault> {
    if let Some(diagnostic) = &declared.quarantine {
        report.add(diagnostic.clone());
        return Err(diagnostic.into());
    }
    let options = &declared.value.options;
    let (middlewares, transports): (&Middlewares, &Transports) = (&parts.middlewares.all, &parts.transports.all);
    let mut refuse = |at: &str, fault: Fault| refuse(name, declared, at, fault, report);
    let kinds = kinds(options);
    if kinds.len() > 1 {
        let text = format!("the service \"{name}\" is of several kinds: {}", kinds.join(", "));
        return Err(refuse("", Fault::new(Code::ServiceKinds, text)));
    }
    let Some(balancer) = &options.load_balancer else {
        return Err(refuse("", Fault::new(Code::EmptyService, format!("the service \"{name}\" has no load balancer"))));
    };
    let transport = transports.get(&balancer.servers_transport, &name.provider, parts.registry);
    let transport = transport.map_err(|fault| refuse("loadbalancer.serverstransport", fault))?;
    let chain = middlewares.flatten(&options.middlewares, &name.provider);
    Ok((balancer, chain.map_err(|fault| refuse("middlewares", fault))?, transport))
}

fn service(
    name: &Name,
    declared: &Declared<FoundService>,
    balancer: &LoadBalancer,
    transport: Arc<Transport>,
    parts: &Parts<'_>,
    before: Option<&Service>,
    report: &mut Report,
) -> Service {
    warn(declared, balancer, report);
    let (registry, now) = (parts.registry, parts.now);
    let active_check = active_check(declared, balancer, report);
    if active_check.as_ref().is_some_and(|check| check.tls == Some(true)) {
        // Without it every check fails, which is told each time.
        let _ready = registry.ready_for_tls(&transport);
    }
    let passive_check = balancer.passive_health_check.as_ref().map(|options| PassiveCheck {
        most: u32::try_from(options.max_failed_attempts.max(1)).unwrap_or(u32::MAX),
        window: options.failure_window,
        active: active_check.is_some(),
    });
    let mut seen = HashSet::new();
    let found = declared.value.servers.iter().filter(|found| seen.insert(&found.identity));
    let servers: Box<[_]> = found.filter_map(|found| server(found, &transport, registry, now, report)).collect();
    if active_check.is_some() {
        // Whoever asks servers clears it with the first good answer.
        servers.iter().filter(|server| !server.state.is_checked()).for_each(|server| {
            server.state.set(flag::CHECK_FAILED);
        });
    }
    let state = registry.service(name);
    for server in servers.iter().chain(before.iter().flat_map(|before| &before.servers)) {
        if let Some(at) = server.state.last_ready(now) {
            state.touch_ready(at);
        }
    }
    let strategy = Strategy::parse(&balancer.strategy).unwrap_or_default();
    let cookie = balancer.sticky.as_ref().and_then(|sticky| sticky.cookie.as_ref());
    // Rendezvous hashing keeps clients where they are by itself.
    let sticky = cookie
        .filter(|_| strategy != Strategy::Rendezvous)
        .map(|options| StickyCookie::new(options, name, &servers, before.and_then(|before| before.sticky.as_ref())));
    Service {
        name: name.clone(),
        label: name.to_string().into(),
        balancer: Balancer::new(&servers, &state, before),
        strategy,
        servers,
        sticky,
        pass_host_header: balancer.pass_host_header,
        transport,
        active_check,
        passive_check,
        composite: None,
        state,
    }
}

/// What its servers are asked. Checks that cannot be made are not, and that is said.
fn active_check(
    declared: &Declared<FoundService>,
    balancer: &LoadBalancer,
    report: &mut Report,
) -> Option<Arc<ActiveCheck>> {
    match ActiveCheck::new(balancer.health_check.as_ref()?) {
        Ok(check) => Some(Arc::new(check)),
        Err(bad) => {
            let code = if bad.not_yet { Code::NotSupportedYet } else { Code::BadValue };
            let origin = option(&declared.origin, &format!("loadbalancer.healthcheck.{}", bad.option));
            report.add(Diagnostic::warning(code, origin, bad.text, "active checks are not run"));
            None
        }
    }
}

fn server(
    found: &FoundServer,
    transport: &Transport,
    registry: &StateRegistry,
    now: Millis,
    report: &mut Report,
) -> Option<Server> {
    let mut refuse = |code, text: String| {
        let consequence = format!("server {} gets no requests, the others do", found.name);
        report.add(Diagnostic::error(code, found.origin.clone(), text, consequence));
    };
    let (scheme, rest) = found.url.split_once("://").unwrap_or_default();
    let tls = match () {
        () if scheme.eq_ignore_ascii_case("http") => false,
        () if scheme.eq_ignore_ascii_case("https") => true,
        () if scheme.eq_ignore_ascii_case("h2c") => {
            refuse(Code::NotSupportedYet, format!("the scheme of the server's URL `{}` does not work yet", found.url));
            return None;
        }
        () => {
            let text =
                format!("the server's URL `{}` does not start with http:// or https://", found.url.escape_debug());
            refuse(Code::BadServerUrl, text);
            return None;
        }
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let Some(host_value) = HeaderValue::from_str(host).ok().filter(|host| !host.is_empty()) else {
        refuse(Code::BadServerUrl, format!("the server's URL `{}` names no host", found.url.escape_debug()));
        return None;
    };
    if tls && let Err(why) = registry.ready_for_tls(transport) {
        refuse(Code::BadTransport, format!("the server's URL `{}` asks for TLS: {why}", found.url));
        return None;
    }
    let state = registry.adopt(&found.identity, &found.condition, now);
    let link = state.id() & ((1 << 40) - 1) | u64::from(transport.number) << 40 | u64::from(tls) << 63;
    Some(Server {
        name: found.name.clone(),
        url: found.url.clone(),
        address: found.address.clone(),
        address_text: found.address.to_string().into(),
        host_value,
        base_path: found.base_path.clone(),
        weight: found.weight,
        tls_name: tls.then(|| crate::without_port(host).into()),
        state,
        link,
    })
}

/// Tuning that cannot be followed is ignored, and said.
fn warn(declared: &Declared<FoundService>, balancer: &LoadBalancer, report: &mut Report) {
    let mut warn = |code, at: &str, text: String, consequence: &str| {
        let origin = option(&declared.origin, &format!("loadbalancer.{at}"));
        report.add(Diagnostic::warning(code, origin, text, consequence));
    };
    if Strategy::parse(&balancer.strategy).is_none() {
        let text = format!("there is no strategy `{}`", balancer.strategy.escape_debug());
        warn(Code::BadValue, "strategy", text, "requests are spread by weighted round robin");
    }
    let Some(cookie) = balancer.sticky.as_ref().and_then(|sticky| sticky.cookie.as_ref()) else { return };
    if !cookie.same_site.is_empty() && !is_same_site(&cookie.same_site) {
        let text = format!("`{}` is not none, lax or strict", cookie.same_site.escape_debug());
        warn(Code::BadValue, "sticky.cookie.samesite", text, "the cookie has no SameSite attribute");
    }
    if cookie.same_site.eq_ignore_ascii_case("none") && !cookie.secure {
        let text = "browsers refuse a cookie that has SameSite=None and is not Secure".to_owned();
        warn(Code::SameSiteWithoutSecure, "sticky.cookie.samesite", text, "their sessions will not be sticky");
    }
    if !cookie.domain.is_empty() && !is_domain(&cookie.domain) {
        let text = format!("`{}` is not a domain", cookie.domain.escape_debug());
        warn(Code::BadValue, "sticky.cookie.domain", text, "the cookie has no Domain attribute");
    }
}
