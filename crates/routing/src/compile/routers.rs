//! Routers into routes, each on its entry points.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use seaway_config::model::{Config, Declared, Router};
use seaway_config::suggest::nearest;
use seaway_config::{Code, Diagnostic, Name, SharedMap};
use seaway_middleware::Middleware;

use crate::matcher::Matcher;
use crate::table::RouterInfo;
use crate::{EntryPointTable, EntryPoints, Route, RouteTarget, RoutingTable, Service};

use super::middlewares::{Compiled, Middlewares, Own};
use super::overlap::{self, Overlap};
use super::report::{Fault, Report, line, meant_entry_points, option, shown};
use super::services::Services;
use super::{CompileOptions, EntryPointInfo, EntryPointModel};

/// Beyond this, priorities are Seaway's own.
const MAX_PRIORITY: i64 = i64::MAX - 1000;

/// The internal services that routers may name.
const INTERNAL: [&str; 4] = ["api", "dashboard", "ping", "prometheus"];

/// What became of each configured router.
pub(super) type RouterMap = SharedMap<Name, Outcome>;

/// What became of one router.
#[derive(Debug)]
pub(super) struct Outcome {
    /// For the API, but for what the routers beside it give rise to.
    info: RouterInfo,
    /// Nothing for one that is not mounted.
    draft: Option<Draft>,
    diagnostics: Box<[Diagnostic]>,
    /// The service that it names; a fault may depend on any of them.
    service: Option<Name>,
    /// Services that its middlewares show pages of.
    pages: Box<[Name]>,
    /// It may use the service because of whose it is.
    by_owner: bool,
}

/// A route before it is put on its entry points.
#[derive(Debug)]
struct Draft {
    matcher: Matcher,
    priority: i64,
    chain: Box<[Arc<Middleware>]>,
    /// Those of its middlewares that nobody shares.
    own: Box<[Own]>,
    target: Target,
    /// Where the router says nothing, its entry points do.
    access_log: Option<bool>,
    metrics: Option<bool>,
    /// What its entry points add.
    fronts: Box<[Front]>,
}

/// What one entry point adds to a route.
#[derive(Debug)]
struct Front {
    entry_point: Box<str>,
    /// The middlewares in front of its own, or why it may not be served here.
    chain: Result<Box<[Arc<Middleware>]>, Code>,
    /// Those members of it that have a state, the router's own here.
    own: Box<[Own]>,
}

#[derive(Debug)]
enum Target {
    Service(Name),
    Internal(Box<str>),
    Quarantined(Code),
}

/// The routers of this table, and whether what is told of them may differ from before.
#[derive(Debug)]
pub(super) struct Routers {
    pub(super) entry_points: EntryPoints,
    pub(super) infos: SharedMap<Name, RouterInfo>,
    pub(super) map: RouterMap,
    pub(super) overlaps: Arc<[Overlap]>,
    pub(super) told: bool,
}

/// What was found wrong with all of them.
pub(super) fn diagnostics(routers: &Routers) -> impl Iterator<Item = &Diagnostic> {
    let own = routers.map.values().flat_map(|outcome| &outcome.diagnostics);
    own.chain(routers.overlaps.iter().map(|overlap| &overlap.diagnostic))
}

pub(super) fn compile(
    config: &Config,
    middlewares: &Compiled,
    services: &Services,
    previous: &RoutingTable,
    options: &Arc<CompileOptions>,
) -> Routers {
    let compiler = Compiler { config, middlewares: &middlewares.all, services, options };
    let memo = &previous.memo;
    let mut map = memo.routers.clone();
    let mut infos = previous.routers.clone();
    let mut told = false;
    let touched = to_be_made(config, middlewares, services, previous, options);
    for name in &touched {
        let before = memo.routers.get(name);
        let after = config.routers.get(name).map(|declared| compiler.router(name, declared, before));
        told |= [before, after.as_ref()].into_iter().flatten().any(|outcome| !outcome.diagnostics.is_empty());
        match after {
            Some(outcome) => {
                infos.insert((*name).clone(), outcome.info.clone());
                map.insert((*name).clone(), outcome);
            }
            None => {
                infos.remove(name);
                map.remove(name);
            }
        }
    }
    let is_same = touched.is_empty() && !services.moved && Arc::ptr_eq(options, &memo.options);
    if is_same {
        let (entry_points, overlaps) = (previous.entry_points.clone(), Arc::clone(&memo.overlaps));
        return Routers { entry_points, infos, map, overlaps, told };
    }
    let entry_points = mount(&map, &touched, services, previous, options);
    let overlaps = overlap::find(config, &entry_points, &infos);
    if !(overlaps.is_empty() && memo.overlaps.is_empty()) {
        told = true;
        let names = memo.overlaps.iter().chain(&overlaps).flat_map(|overlap| &overlap.names);
        let names: BTreeSet<&Name> = names.collect();
        let mut texts: HashMap<&Name, Vec<&String>> = HashMap::new();
        for overlap in &overlaps {
            overlap.names.iter().for_each(|name| texts.entry(name).or_default().push(&overlap.diagnostic.message));
        }
        for name in names {
            let Some(outcome) = map.get(name) else { continue };
            let mut info = outcome.info.clone();
            info.errors.extend(texts.get(name).into_iter().flatten().map(|text| (*text).clone()));
            if infos.get(name) != Some(&info) {
                infos.insert(name.clone(), info);
            }
        }
    }
    Routers { entry_points, infos, map, overlaps: overlaps.into(), told }
}

/// Names of routers that are declared otherwise than before, or that lead to something else.
fn to_be_made<'c>(
    config: &'c Config,
    middlewares: &Compiled,
    services: &Services,
    previous: &'c RoutingTable,
    options: &Arc<CompileOptions>,
) -> BTreeSet<&'c Name> {
    if !Arc::ptr_eq(options, &previous.memo.options) {
        return config.routers.keys().chain(previous.config.routers.keys()).collect();
    }
    let mut names: BTreeSet<&Name> =
        config.routers.differences(&previous.config.routers).into_iter().map(|found| found.key).collect();
    let services_declared_anew = !config.services.is_same(&previous.config.services);
    if middlewares.changed.is_empty() && services.changed.is_empty() && !services_declared_anew {
        return names;
    }
    let others = !middlewares.changed.is_empty() || !services.changed.is_empty();
    let in_front = |model: &&EntryPointModel| middlewares.touch(&model.middlewares, "");
    let fronts: Vec<&str> = options.models.iter().filter(in_front).map(|model| &*model.entry_point).collect();
    for (name, declared) in &config.routers {
        let Some(before) = previous.memo.routers.get(name) else { continue };
        let touched = (before.by_owner && services_declared_anew)
            || (others && !before.info.errors.is_empty())
            || middlewares.touch(&declared.value.middlewares, &name.provider)
            || (!fronts.is_empty() && before.info.using.iter().any(|using| fronts.contains(&&**using)))
            || before.service.iter().chain(&before.pages).any(|service| services.changed.contains(service));
        if touched {
            names.insert(name);
        }
    }
    names
}

/// Puts the routes on their entry points, those that are as before in the order that they have already.
fn mount(
    map: &RouterMap,
    touched: &BTreeSet<&Name>,
    services: &Services,
    previous: &RoutingTable,
    options: &CompileOptions,
) -> EntryPoints {
    let gone: HashSet<String> = touched.iter().map(ToString::to_string).collect();
    let places = services.moved.then(|| places(&previous.services, &services.compiled));
    let stays = |route: &&Route| !gone.contains(&*route.name);
    let mut routes: HashMap<&str, Vec<Route>> = HashMap::new();
    let mut news: HashSet<&str> = HashSet::new();
    for entry_point in &options.entry_points {
        let before = previous.entry_points.get(&entry_point.name);
        let before = before.iter().flat_map(|table| &table.routes);
        routes.insert(&entry_point.name, before.filter(stays).map(|route| moved(route, places.as_deref())).collect());
    }
    for name in touched {
        let Some(outcome) = map.get(name) else { continue };
        let Some(draft) = &outcome.draft else { continue };
        let Some(target) = draft.target(services) else { continue };
        for entry_point in options.entry_points.iter().filter(|known| outcome.info.using.contains(&known.name)) {
            if let Some(list) = routes.get_mut(&*entry_point.name) {
                news.insert(&*entry_point.name);
                list.push(draft.route(name, target.clone(), entry_point));
            }
        }
    }
    let table = |(name, list): (&str, Vec<Route>)| {
        let before = previous.entry_points.get(name);
        let before = before.filter(|b| places.is_none() && !news.contains(name) && b.routes.len() == list.len());
        (name.into(), before.map_or_else(|| Arc::new(EntryPointTable::new(list)), Arc::clone))
    };
    routes.into_iter().map(table).collect()
}

/// Where each service of the table before is now.
fn places(before: &[Arc<Service>], after: &[Arc<Service>]) -> Vec<usize> {
    let mut at = 0;
    let place = |service: &Arc<Service>| {
        while after.get(at).is_some_and(|other| other.name < service.name) {
            at += 1;
        }
        at
    };
    before.iter().map(place).collect()
}

fn moved(route: &Route, places: Option<&[usize]>) -> Route {
    let mut route = route.clone();
    if let (RouteTarget::Service(place), Some(places)) = (&mut route.target, places) {
        *place = places.get(*place).copied().unwrap_or(usize::MAX);
    }
    route
}

impl Draft {
    fn route(&self, name: &Name, target: RouteTarget, entry_point: &EntryPointInfo) -> Route {
        let front = self.fronts.iter().find(|front| front.entry_point == entry_point.name);
        let (chain, target) = match (front.map(|front| &front.chain), target) {
            (_, RouteTarget::Quarantined(code)) => (Box::default(), RouteTarget::Quarantined(code)),
            (Some(Err(code)), _) => (Box::default(), RouteTarget::Quarantined(*code)),
            (Some(Ok(before)), target) if !before.is_empty() => {
                (before.iter().chain(&self.chain).map(Arc::clone).collect(), target)
            }
            (_, target) => (self.chain.clone(), target),
        };
        Route {
            name: name.to_string().into(),
            priority: self.priority,
            matcher: self.matcher.clone(),
            chain,
            target,
            access_log: self.access_log.unwrap_or(!entry_point.unlogged),
            metrics: self.metrics.unwrap_or(!entry_point.uncounted),
        }
    }

    fn target(&self, services: &Services) -> Option<RouteTarget> {
        Some(match &self.target {
            Target::Service(name) => RouteTarget::Service(services.place(name)?),
            Target::Internal(name) => RouteTarget::Internal(name.clone()),
            Target::Quarantined(code) => RouteTarget::Quarantined(*code),
        })
    }
}

struct Compiler<'c> {
    config: &'c Config,
    middlewares: &'c Middlewares,
    services: &'c Services,
    options: &'c CompileOptions,
}

impl Compiler<'_> {
    fn router(&self, name: &Name, declared: &Declared<Router>, before: Option<&Outcome>) -> Outcome {
        let router = &declared.value;
        let report = Report::default();
        let mut case = Case { name, declared, errors: Vec::new(), codes: Vec::new(), report, placed: true };
        let draft = before.and_then(|before| before.draft.as_ref());
        let known = draft.map(|draft| &draft.matcher);
        if let Some(diagnostic) = &declared.quarantine {
            case.report.add(diagnostic.clone());
            case.note(diagnostic.into());
        }
        let matcher = match known.filter(|known| known.rule() == router.rule) {
            Some(matcher) => Some(matcher.clone()),
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
                chain.extend(behind.iter().map(Arc::clone));
                Some(target)
            }
            Err(fault) => {
                case.quarantine(fault, "service");
                None
            }
        };
        let mut pages: Vec<Name> = chain.iter().filter_map(|member| member.pages()).cloned().collect();
        for page in &pages {
            if let Err(fault) = self.pages(page) {
                case.quarantine(fault, "middlewares");
            }
        }
        let fronts = self.fronts(&using, draft.map(|draft| &*draft.fronts).unwrap_or_default(), &mut case);
        let ahead = fronts.iter().filter_map(|front| front.chain.as_ref().ok()).flatten();
        pages.extend(ahead.filter_map(|member| member.pages()).cloned());
        let pages: Box<[Name]> = pages.into();
        let quarantined = case.codes.first().copied();
        let mounted = matcher.filter(|_| !using.is_empty());
        let info = RouterInfo {
            rule: router.rule.as_str().into(),
            priority,
            using: if mounted.is_some() { using } else { Vec::new() },
            errors: case.errors,
            disabled: quarantined.is_some() || mounted.is_none(),
        };
        let observability = router.observability.as_ref();
        let access_log = observability.and_then(|it| it.access_logs);
        let metrics = observability.and_then(|it| it.metrics);
        let had = draft.map(|draft| &*draft.own).unwrap_or_default();
        let draft = mounted.and_then(|matcher| {
            let (target, chain, own) = match quarantined {
                // Nothing of the router is run: what answers is Seaway alone. What it counted stays for better times.
                Some(code) => (Target::Quarantined(code), Vec::new(), had.into()),
                None => {
                    let own = self.middlewares.own(&mut chain, had);
                    (target?, chain, own)
                }
            };
            Some(Draft { matcher, priority, chain: chain.into(), own, target, access_log, metrics, fronts })
        });
        let service = (!router.service.is_empty()).then(|| Name::resolve(&router.service, &name.provider));
        let by_owner = service.as_ref().is_some_and(|service| &*service.provider == "internal");
        Outcome { info, draft, diagnostics: case.report.finish(), service, pages, by_owner }
    }

    /// The service that a middleware of the router shows pages of.
    fn pages(&self, service: &Name) -> Result<(), Fault> {
        let (code, what) = match self.services.get(service) {
            Some(Ok(usable)) if usable.chain.is_empty() => return Ok(()),
            // Pages are asked for past them, so that one which lets nobody in would let everybody in.
            Some(Ok(_)) => {
                (Code::NotSupportedYet, "has middlewares of its own, which do not work for a service of pages yet")
            }
            Some(Err(_)) => (Code::BrokenMiddleware, "cannot be used"),
            None => (Code::BrokenMiddleware, "does not exist"),
        };
        let text = format!("the service \"{service}\", which a middleware shows pages of, {what}");
        Err(Fault::new(code, text))
    }

    fn target(&self, name: &Name, declared: &Declared<Router>) -> Result<(Target, &[Arc<Middleware>]), Fault> {
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
            return self.internal(&service, name, declared).map(|target| (target, &[][..]));
        }
        match self.services.get(&service) {
            Some(Ok(usable)) => Ok((Target::Service(service), &usable.chain)),
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

    /// What the entry points add. What cannot be had quarantines the router on that entry point alone.
    fn fronts(&self, using: &[Box<str>], before: &[Front], case: &mut Case<'_>) -> Box<[Front]> {
        let models = self.options.models.iter().filter(|model| using.contains(&model.entry_point));
        let front = |model: &EntryPointModel| {
            let chain = match self.middlewares.flatten(&model.middlewares, "") {
                _ if model.tls => {
                    let text = "TLS does not work yet, and an entry point that asks for it never serves in clear";
                    Err(Fault::new(Code::TlsNotSupportedYet, text))
                }
                chain => chain.and_then(|chain| {
                    chain.iter().filter_map(|member| member.pages()).try_for_each(|page| self.pages(page).map(drop))?;
                    Ok(chain)
                }),
            };
            let had = before.iter().find(|front| front.entry_point == model.entry_point);
            let had = had.map(|front| &*front.own).unwrap_or_default();
            let (chain, own) = match chain {
                Ok(mut chain) => {
                    let own = self.middlewares.own(&mut chain, had);
                    (Ok(chain.into()), own)
                }
                Err(fault) => {
                    let code = fault.code;
                    case.refused_at(&model.entry_point, fault);
                    (Err(code), had.into())
                }
            };
            Front { entry_point: model.entry_point.clone(), chain, own }
        };
        models.map(front).collect()
    }

    /// Seaway's own services are not for everyone who may write a label.
    fn internal(&self, service: &Name, name: &Name, declared: &Declared<Router>) -> Result<Target, Fault> {
        let own = match &*service.local {
            "api" | "dashboard" => "api",
            "noop" => "noop",
            "ping" => "ping",
            "prometheus" => "prometheus",
            _ => {
                let text = format!("the service \"{service}\" does not exist");
                let near = nearest(&service.local, INTERNAL).unwrap_or("api");
                return Err(Fault::new(Code::UnknownService, text).value(format!("{near}@internal")));
            }
        };
        // Whoever writes the files is who gives the options.
        let is_operator = matches!(&*name.provider, "internal" | "file");
        if is_operator || self.options.allow_internal || self.is_own(declared) {
            return Ok(Target::Internal(own.into()));
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
struct Case<'a> {
    name: &'a Name,
    declared: &'a Declared<Router>,
    errors: Vec<String>,
    /// Why it answers 503, the first reason first.
    codes: Vec<Code>,
    report: Report,
    /// Its rule is known, so its requests are.
    placed: bool,
}

impl Case<'_> {
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

    /// An entry point cannot have it.
    fn refused_at(&mut self, entry_point: &str, fault: Fault) {
        let text = format!("entry point {entry_point}: {}", fault.text);
        let consequence = format!("router {} answers 503 on {entry_point}", self.name);
        let origin = option(&self.declared.origin, "entrypoints");
        self.report.add(Diagnostic::error(fault.code, origin, text.clone(), consequence));
        self.errors.push(text);
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

fn entry_points(router: &Router, options: &CompileOptions, case: &mut Case<'_>) -> Vec<Box<str>> {
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

fn priority(router: &Router, case: &mut Case<'_>) -> i64 {
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

fn tls_and_syntax(router: &Router, case: &mut Case<'_>) {
    if router.tls.is_some() {
        let text = "TLS does not work yet, and a router that asks for it is never served in clear";
        case.quarantine(Fault::new(Code::TlsNotSupportedYet, text), "tls");
    }
    if router.rule_syntax.eq_ignore_ascii_case("v2") {
        let text = "the rule syntax v2 does not work, and its rules mean something else in v3";
        case.quarantine(Fault::new(Code::NotSupportedYet, text).value("v3"), "rulesyntax");
    }
}
