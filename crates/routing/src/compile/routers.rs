//! Routers into routes, each on its entry points.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use seaway_config::model::{Config, Declared, Router};
use seaway_config::suggest::nearest;
use seaway_config::{Code, Diagnostic, Name};
use seaway_middleware::Middleware;

use crate::matcher::Matcher;
use crate::table::RouterInfo;
use crate::{EntryPointTable, Route, RouteTarget, RoutingTable};

use super::CompileOptions;
use super::middlewares::Middlewares;
use super::report::{Fault, Report, line, option};
use super::services::Services;

/// Beyond this, priorities are Seaway's own.
const MAX_PRIORITY: i64 = i64::MAX - 1000;

/// The internal services that routers may name.
const INTERNAL: [&str; 3] = ["api", "dashboard", "ping"];

/// What became of the routers.
#[derive(Debug, Default)]
pub(super) struct Routers {
    pub(super) entry_points: HashMap<Box<str>, EntryPointTable>,
    pub(super) infos: BTreeMap<Name, RouterInfo>,
}

pub(super) fn compile(
    config: &Config,
    middlewares: &Middlewares<'_>,
    services: &Services<'_>,
    previous: Option<&RoutingTable>,
    options: &CompileOptions,
    report: &mut Report,
) -> Routers {
    let known = previous.iter().flat_map(|table| table.entry_points.values()).flat_map(|table| &table.routes);
    let known = known.map(|route| (route.matcher.rule(), &route.matcher)).collect();
    let compiler = Compiler { config, middlewares, services, options, known };
    let mut routes: BTreeMap<&str, Vec<Route>> = options.entry_points.iter().map(|e| (&*e.name, Vec::new())).collect();
    let mut infos = BTreeMap::new();
    for (name, declared) in &config.routers {
        let (info, route) = compiler.router(name, declared, report);
        if let Some(route) = route {
            for entry_point in &info.using {
                if let Some(list) = routes.get_mut(&**entry_point) {
                    list.push(route.route(name));
                }
            }
        }
        infos.insert(name.clone(), info);
    }
    let entry_points = routes.into_iter().map(|(name, list)| (name.into(), EntryPointTable::new(list))).collect();
    Routers { entry_points, infos }
}

/// A route before it is put on its entry points.
struct Draft {
    matcher: Matcher,
    priority: i64,
    chain: Vec<Arc<Middleware>>,
    target: RouteTarget,
    access_log: bool,
}

impl Draft {
    fn route(&self, name: &Name) -> Route {
        Route {
            name: name.to_string().into(),
            priority: self.priority,
            matcher: self.matcher.clone(),
            chain: self.chain.as_slice().into(),
            target: self.target.clone(),
            access_log: self.access_log,
        }
    }
}

struct Compiler<'c, 'r> {
    config: &'c Config,
    middlewares: &'r Middlewares<'c>,
    services: &'r Services<'c>,
    options: &'r CompileOptions,
    /// Rules that the table before has compiled, by their text.
    known: HashMap<&'r str, &'r Matcher>,
}

impl Compiler<'_, '_> {
    fn router(&self, name: &Name, declared: &Declared<Router>, report: &mut Report) -> (RouterInfo, Option<Draft>) {
        let router = &declared.value;
        let mut case = Case { name, declared, errors: Vec::new(), codes: Vec::new(), report, placed: true };
        if let Some(diagnostic) = &declared.quarantine {
            case.report.add(diagnostic.clone());
            case.note(diagnostic.into());
        }
        let matcher = match self.known.get(&*router.rule) {
            Some(matcher) => Some((*matcher).clone()),
            // The quarantine says already why there is no rule.
            None if router.rule.is_empty() && declared.quarantine.is_some() => None,
            None => Matcher::new(&router.rule).map_err(|what| case.bad_rule(&what)).ok(),
        };
        case.placed = matcher.is_some();
        let using = entry_points(router, self.options, &mut case);
        let priority = priority(router, &mut case);
        tls_and_syntax(router, &mut case);
        let mut chain = match self.middlewares.flatten(&router.middlewares, &name.provider) {
            Ok(chain) => chain,
            Err(fault) => {
                case.quarantine(fault, "middlewares");
                Vec::new()
            }
        };
        let target = match self.target(name, declared) {
            Ok((target, behind)) => {
                chain.extend(behind);
                Some(target)
            }
            Err(fault) => {
                case.quarantine(fault, "service");
                None
            }
        };
        let quarantined = case.codes.first().copied();
        let mounted = matcher.filter(|_| !using.is_empty());
        let info = RouterInfo {
            rule: router.rule.as_str().into(),
            priority,
            using: if mounted.is_some() { using } else { Vec::new() },
            errors: case.errors,
            disabled: quarantined.is_some() || mounted.is_none(),
        };
        let access_log = router.observability.as_ref().and_then(|it| it.access_logs).unwrap_or(true);
        let draft = mounted.and_then(|matcher| {
            let (target, chain) = match quarantined {
                // Nothing of the router is run: what answers is Seaway alone.
                Some(code) => (RouteTarget::Quarantined(code), Vec::new()),
                None => (target?, chain),
            };
            Some(Draft { matcher, priority, chain, target, access_log })
        });
        (info, draft)
    }

    fn target(&self, name: &Name, declared: &Declared<Router>) -> Result<(RouteTarget, Vec<Arc<Middleware>>), Fault> {
        let reference = &*declared.value.service;
        if reference.is_empty() && declared.quarantine.is_some() {
            // The quarantine says already why there is no service.
            return Err(Fault::new(Code::RouterQuarantined, ""));
        }
        if reference.is_empty() {
            let first = self.services.names().filter(|known| known.provider == name.provider).min();
            let fault = Fault::new(Code::UnknownService, "the router names no service");
            return Err(fault.value(first.map_or("<a service's name>", |known| &*known.local)));
        }
        let service = Name::resolve(reference, &name.provider);
        if &*service.provider == "internal" {
            return self.internal(&service, name, declared).map(|target| (target, Vec::new()));
        }
        match self.services.get(&service) {
            Some(Ok(usable)) => Ok((RouteTarget::Service(usable.index), usable.chain.clone())),
            Some(Err(fault)) => {
                let text = format!("the service \"{service}\" cannot be used: {}", fault.text);
                Err(Fault::new(Code::BrokenService, text))
            }
            None => {
                let elsewhere = self.services.names().filter(|known| known.local == service.local).min();
                let near = nearest(&service.local, self.services.names().map(|known| &*known.local));
                let fault = Fault::new(Code::UnknownService, format!("the service \"{service}\" does not exist"));
                Err(match elsewhere.map(Name::to_string).or_else(|| near.map(str::to_owned)) {
                    Some(meant) => fault.value(meant),
                    None if service.provider == name.provider => {
                        fault.line(format!("traefik.http.services.{}.loadbalancer.server.port=80", service.local))
                    }
                    None => fault.value("<a service's name>"),
                })
            }
        }
    }

    /// Seaway's own services are not for everyone who may write a label.
    fn internal(&self, service: &Name, name: &Name, declared: &Declared<Router>) -> Result<RouteTarget, Fault> {
        let own = match &*service.local {
            "api" | "dashboard" => "api",
            "ping" => "ping",
            _ => {
                let text = format!("the service \"{service}\" does not exist");
                let near = nearest(&service.local, INTERNAL).unwrap_or("api");
                return Err(Fault::new(Code::UnknownService, text).value(format!("{near}@internal")));
            }
        };
        if &*name.provider == "internal" || self.options.allow_internal || self.is_own(declared) {
            return Ok(RouteTarget::Internal(own.into()));
        }
        let text = format!("the service \"{service}\" may be used by Seaway's own container only");
        Err(Fault::new(Code::InternalServiceRefused, text).line("--seaway.labels.allowinternal"))
    }

    fn is_own(&self, declared: &Declared<Router>) -> bool {
        let Some(own) = self.options.own_container.as_deref().filter(|own| !own.is_empty()) else { return false };
        let origin = &declared.origin;
        // A container's name can be chosen to look like another's id.
        let is_id = own.len() == 64 && own.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !is_id && *origin.resource == *own {
            return true;
        }
        self.config.services.values().flat_map(|service| &service.value.servers).any(|server| {
            *server.identity.container == *own
                && server.origin.provider == origin.provider
                && server.origin.resource == origin.resource
        })
    }
}

/// One router under way.
struct Case<'a, 'r> {
    name: &'a Name,
    declared: &'a Declared<Router>,
    errors: Vec<String>,
    /// Why it answers 503, the first reason first.
    codes: Vec<Code>,
    report: &'r mut Report,
    /// Its rule is known, so its requests are.
    placed: bool,
}

impl Case<'_, '_> {
    /// A reason that has been told elsewhere.
    fn note(&mut self, fault: Fault) {
        self.codes.push(fault.code);
        if !fault.text.is_empty() {
            self.errors.push(fault.text);
        }
    }

    fn quarantine(&mut self, fault: Fault, at: &str) {
        if self.declared.quarantine.as_ref().is_some_and(|told| told.code == fault.code) {
            // Whoever read the labels has said it already, with the very key.
            return;
        }
        if !fault.text.is_empty() {
            let consequence = match self.placed {
                true => format!("router {} answers 503", self.name),
                false => format!("router {} is off", self.name),
            };
            let origin = option(&self.declared.origin, at);
            let fix = fault.fix(&self.declared.origin, "routers", &self.name.local, at);
            self.report.add(Diagnostic::error(fault.code, origin, fault.text.clone(), consequence).fix(fix));
        }
        self.note(fault);
    }

    fn bad_rule(&mut self, what: &str) {
        let text = format!("the rule `{}` cannot be read: {what}", shown(&self.declared.value.rule));
        let consequence = format!(
            "router {} is off, and nobody can know which requests it meant: they go to whatever else takes them, or get 404",
            self.name
        );
        self.report.add(Diagnostic::error(
            Code::BadRule,
            option(&self.declared.origin, "rule"),
            text.clone(),
            consequence,
        ));
        self.errors.push(text);
    }
}

fn entry_points(router: &Router, options: &CompileOptions, case: &mut Case<'_, '_>) -> Vec<Box<str>> {
    if router.entry_points.is_empty() {
        return options.entry_points.iter().filter(|known| known.default).map(|known| known.name.clone()).collect();
    }
    let mut using: Vec<Box<str>> = Vec::new();
    let mut unknown = Vec::new();
    for wanted in &router.entry_points {
        match options.entry_points.iter().find(|known| *known.name == **wanted) {
            Some(known) if using.contains(&known.name) => {}
            Some(known) => using.push(known.name.clone()),
            None => unknown.push(wanted),
        }
    }
    let off = using.is_empty();
    let (consequence, severity): (_, fn(_, _, _, _) -> _) = match off {
        true => (format!("router {} is off: it has no other entry point", case.name), Diagnostic::error),
        false => (format!("router {} listens on {} alone", case.name, using.join(", ")), Diagnostic::warning),
    };
    let fix =
        line(&case.declared.origin, "routers", &case.name.local, "entrypoints", &meant_entry_points(router, options));
    for wanted in unknown {
        let text = format!("entryPoint \"{}\" doesn't exist", wanted.escape_debug());
        let origin = option(&case.declared.origin, "entrypoints");
        let diagnostic: Diagnostic = severity(Code::UnknownEntryPoint, origin, text.clone(), consequence.clone());
        case.report.add(diagnostic.fix(fix.clone()));
        case.errors.push(text);
    }
    if off {
        case.errors.push("no valid entryPoint for this router".to_owned());
    }
    using
}

/// The router's list with what was probably meant in place of what does not exist; all there are, if that is nothing.
fn meant_entry_points(router: &Router, options: &CompileOptions) -> String {
    let names = || options.entry_points.iter().map(|known| &*known.name);
    let mut meant: Vec<&str> = Vec::new();
    for wanted in &router.entry_points {
        let known = names().find(|name| name == wanted).or_else(|| nearest(wanted, names()));
        meant.extend(known.filter(|known| !meant.contains(known)));
    }
    if meant.is_empty() {
        meant.extend(names());
    }
    meant.join(",")
}

fn priority(router: &Router, case: &mut Case<'_, '_>) -> i64 {
    match router.priority {
        0 => i64::try_from(router.rule.len()).unwrap_or(MAX_PRIORITY),
        reserved if reserved > MAX_PRIORITY && &*case.name.provider != "internal" => {
            let text = format!("the router priority {reserved} exceeds the max user-defined priority {MAX_PRIORITY}");
            case.quarantine(Fault::new(Code::BadPriority, text).value(MAX_PRIORITY.to_string()), "priority");
            MAX_PRIORITY
        }
        priority => priority,
    }
}

fn tls_and_syntax(router: &Router, case: &mut Case<'_, '_>) {
    if router.tls.is_some() {
        let text = "TLS does not work yet, and a router that asks for it is never served in clear";
        case.quarantine(Fault::new(Code::TlsNotSupportedYet, text), "tls");
    }
    if router.rule_syntax.eq_ignore_ascii_case("v2") {
        let text = "the rule syntax v2 does not work, and its rules mean something else in v3";
        case.quarantine(Fault::new(Code::NotSupportedYet, text).value("v3"), "rulesyntax");
    }
}

/// A rule for use inside a message: on one line and not too long.
fn shown(rule: &str) -> String {
    let short: String = rule.chars().take(200).collect();
    let more = if short.len() < rule.len() { "…" } else { "" };
    format!("{}{more}", short.escape_debug())
}
