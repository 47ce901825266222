//! A container into the part of the configuration that it declares. Pure.
//!
//! Nothing here looks at what other containers declare: that is [`crate::merge`]'s work. Readiness is not judged either;
//! a container that is not healthy yet, or paused, keeps its router, and its server carries the facts.

mod server;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;

use seaway_config::model::{LoadBalancer, ServiceOptions};
use seaway_config::statics::DockerOptions;
use seaway_config::{Code, Declared, Diagnostic, Middleware, Origin, Router, Service, Severity};
use seaway_labels::constraints::Constraints;
use seaway_labels::default_rule::{DefaultRule, RuleContext, normalize};
use seaway_labels::{Decoded, decode_container};
use seaway_routing::matcher::Matcher;

use super::container::Container;
use super::network::{OwnContainer, Surroundings, detect_host_address, detect_own_container};

const PROJECT: &str = "com.docker.compose.project";
const SERVICE: &str = "com.docker.compose.service";
const NUMBER: &str = "com.docker.compose.container-number";
const ONE_OFF: &str = "com.docker.compose.oneoff";

/// Whose labels these are. Containers of one owner are replicas and generations of one thing; labels say so, which
/// stops mistakes and not attackers.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Owner {
    /// One service of a Compose project.
    Compose {
        /// The project.
        project: String,
        /// The service in it.
        service: String,
    },
    /// A container alone, by name.
    Container(String),
}

impl Owner {
    /// The owner of a container.
    pub fn of(container: &Container) -> Self {
        match compose_name(container) {
            Some((service, project)) => Self::Compose { project: project.to_owned(), service: service.to_owned() },
            None => Self::Container(container.name.clone()),
        }
    }
}

impl std::fmt::Display for Owner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Compose { project, service } => write!(f, "service {service} of project {project}"),
            Self::Container(name) => write!(f, "container {name}"),
        }
    }
}

/// What one container declares.
#[derive(Clone, Debug, PartialEq)]
pub struct Partial {
    /// The container's id.
    pub id: String,
    /// Its name.
    pub container: String,
    /// When it was created, as the engine writes it.
    pub created: String,
    /// Whose it is.
    pub owner: Owner,
    /// It runs, is not paused, and its health check (if any) says healthy.
    pub well: bool,
    /// Its routers.
    pub routers: BTreeMap<String, Declared<Router>>,
    /// Its services, with this container as their only server, or none.
    pub services: BTreeMap<String, Declared<Service>>,
    /// Its middlewares.
    pub middlewares: BTreeMap<String, Declared<Middleware>>,
    /// What was found wrong or decided.
    pub diagnostics: Vec<Diagnostic>,
}

/// What a whole snapshot declares.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Built {
    /// One part for each container that counts, sorted by the container's id.
    pub partials: Vec<Partial>,
    /// All running containers by id with their owners, also those that do not count.
    pub present: BTreeMap<String, Owner>,
}

/// How containers are read.
#[derive(Clone, Debug)]
pub struct BuildOptions {
    /// The provider's name, the part after the `@`.
    pub provider: Box<str>,
    /// Containers without `traefik.enable` count.
    pub exposed_by_default: bool,
    /// Only containers whose labels satisfy this count.
    pub constraints: Option<Constraints>,
    /// The rule of routers that have none.
    pub default_rule: DefaultRule,
    /// The network whose addresses are used; empty for none in particular.
    pub network: String,
    /// Use published addresses.
    pub use_bind_port_ip: bool,
    /// The id of Seaway's own container.
    pub own: Option<String>,
    /// The host's address as seen from Seaway's container, where it is known.
    pub host_address: Option<IpAddr>,
}

impl BuildOptions {
    /// Takes the static options of the Docker provider.
    ///
    /// # Errors
    /// The default rule or the constraints cannot be read, or the default rule is no rule once its template is filled in: one diagnostic for each.
    pub fn new(provider: &str, options: &DockerOptions) -> Result<Self, Vec<Diagnostic>> {
        let mut faults = Vec::new();
        let mut fault = |code, key: &str, what: String| {
            let origin = Origin { provider: "static options".into(), key: key.into(), ..Origin::default() };
            faults.push(Diagnostic::error(code, origin, what, "Seaway does not start"));
        };
        let default_rule = DefaultRule::parse(&options.default_rule)
            .and_then(|rule| rule.try_out(|text| Matcher::new(text).map(drop)).map(|()| rule))
            .map_err(|what| fault(Code::BadStaticValue, "providers.docker.defaultRule", what));
        let constraints = match options.constraints.trim() {
            "" => Ok(None),
            text => Constraints::parse(text)
                .map(Some)
                .map_err(|what| fault(Code::BadConstraints, "providers.docker.constraints", what)),
        };
        match (default_rule, constraints) {
            (Ok(default_rule), Ok(constraints)) => Ok(Self {
                provider: provider.into(),
                exposed_by_default: options.exposed_by_default,
                constraints,
                default_rule,
                network: options.network.clone(),
                use_bind_port_ip: options.use_bind_port_ip,
                own: None,
                host_address: None,
            }),
            _ => Err(faults),
        }
    }

    /// Finds out whether Seaway runs in a container, and how the host is reached from there.
    pub async fn look_around(&mut self) {
        self.own = detect_own_container();
        if self.own.is_some() {
            self.host_address = detect_host_address().await;
        }
    }
}

/// Builds snapshots one after another; labels that did not change are not read again.
#[derive(Debug)]
pub struct Builder {
    options: BuildOptions,
    decoded: HashMap<String, (Arc<Container>, Arc<Decoded>)>,
}

impl Builder {
    /// A builder that has seen nothing yet.
    pub fn new(options: BuildOptions) -> Self {
        Self { options, decoded: HashMap::new() }
    }

    /// The provider's name.
    pub fn provider(&self) -> &str {
        &self.options.provider
    }

    /// What the snapshot declares.
    pub fn build(&mut self, snapshot: &[Arc<Container>]) -> Built {
        let own = self.options.own.as_deref().and_then(|id| OwnContainer::find(id, snapshot));
        let by_id = snapshot.iter().map(|c| (c.id.as_str(), &**c)).collect();
        let around = Surroundings { by_id, own, host_address: self.options.host_address };
        let mut built = Built::default();
        built.present.extend(snapshot.iter().filter(|c| c.running).map(|c| (c.id.clone(), Owner::of(c))));
        let mut taking_part = Vec::new();
        for container in snapshot.iter().filter(|c| !is_one_off(c)) {
            let decoded = self.decode(container);
            if takes_part(container, &decoded, &self.options) {
                taking_part.push((&**container, decoded));
            }
        }
        let names = server_names(&taking_part);
        for (container, decoded) in &taking_part {
            let name = names.get(container.id.as_str()).map_or(container.name.as_str(), String::as_str);
            let one = One { container, decoded, options: &self.options, around: &around, name };
            built.partials.push(one.build());
        }
        built.partials.sort_by(|a, b| a.id.cmp(&b.id));
        self.decoded.retain(|id, _| around.by_id.contains_key(id.as_str()));
        built
    }

    fn decode(&mut self, container: &Arc<Container>) -> Arc<Decoded> {
        if let Some((seen, decoded)) = self.decoded.get(&container.id)
            && (Arc::ptr_eq(seen, container) || (seen.labels == container.labels && seen.name == container.name))
        {
            return Arc::clone(decoded);
        }
        let decoded = Arc::new(decode_container(&container.labels, &self.options.provider, &container.name));
        self.decoded.insert(container.id.clone(), (Arc::clone(container), Arc::clone(&decoded)));
        decoded
    }
}

/// Compose's service and project, if the labels name both.
fn compose_name(container: &Container) -> Option<(&str, &str)> {
    let label = |key: &str| container.labels.get(key).map(String::as_str).filter(|v| !v.is_empty());
    Some((label(SERVICE)?, label(PROJECT)?))
}

/// What `docker compose run` started is somebody's shell or job, not a replica.
fn is_one_off(container: &Container) -> bool {
    container.labels.get(ONE_OFF).is_some_and(|v| v.eq_ignore_ascii_case("true"))
}

/// Whether it is to be routed at all.
fn takes_part(container: &Container, decoded: &Decoded, options: &BuildOptions) -> bool {
    // Whoever mistypes `traefik.enable` meant to say something about this container: it is shown, and off.
    decoded.enable.unwrap_or(options.exposed_by_default || decoded.provider_fault)
        && options.constraints.as_ref().is_none_or(|c| c.matches(&container.labels))
        && (container.running || decoded.allow_non_running)
}

/// How people call each container: `web-3` where Compose numbered it and nothing else that runs and takes part is called
/// so, else by the container's name. While a replica is recreated, both generations have its number, and that is right.
fn server_names<'c>(taking_part: &[(&'c Container, Arc<Decoded>)]) -> HashMap<&'c str, String> {
    let numbered = |c: &Container| {
        let (service, number) = (compose_name(c)?.0, c.labels.get(NUMBER)?);
        let plain =
            |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
        (plain(service) && plain(number)).then(|| format!("{service}-{number}"))
    };
    let mut called: HashMap<String, HashSet<Owner>> = HashMap::new();
    for container in taking_part.iter().map(|(c, _)| *c).filter(|c| c.running) {
        for name in numbered(container).into_iter().chain([container.name.clone()]) {
            called.entry(name).or_default().insert(Owner::of(container));
        }
    }
    let unique = |name: &String| called.get(name).is_some_and(|owners| owners.len() == 1);
    taking_part.iter().filter_map(|(c, _)| Some((c.id.as_str(), numbered(c).filter(unique)?))).collect()
}

/// One container on its way to a [`Partial`].
struct One<'a> {
    container: &'a Container,
    decoded: &'a Decoded,
    options: &'a BuildOptions,
    around: &'a Surroundings<'a>,
    /// How people call its servers.
    name: &'a str,
}

impl One<'_> {
    /// The part of the configuration that this container declares.
    fn build(&self) -> Partial {
        let (container, decoded) = (self.container, self.decoded);
        let mut partial = Partial {
            id: container.id.clone(),
            container: container.name.clone(),
            created: container.created.clone(),
            owner: Owner::of(container),
            well: server::is_well(self),
            routers: BTreeMap::new(),
            services: BTreeMap::new(),
            middlewares: decoded.middlewares.clone(),
            diagnostics: decoded.diagnostics.clone(),
        };
        let http = !(decoded.routers.is_empty() && decoded.services.is_empty() && decoded.middlewares.is_empty());
        if http || !decoded.tcp_udp {
            self.services(&mut partial);
            self.routers(&mut partial);
        }
        if let Some(cause) = &decoded.quarantine_all {
            for router in partial.routers.values_mut() {
                router.quarantine.get_or_insert_with(|| cause.clone());
            }
        }
        // What concerns the container's address is found once for each of its services.
        let mut seen = HashSet::new();
        partial.diagnostics.retain(|d| seen.insert((d.code, d.origin.key.clone(), d.message.clone())));
        partial
    }

    fn services(&self, partial: &mut Partial) {
        let declared = &self.decoded.services;
        if declared.is_empty() && self.wants_default_service() {
            let options = ServiceOptions { load_balancer: Some(LoadBalancer::default()), ..ServiceOptions::default() };
            let quiet = self.decoded.routers.is_empty() && self.decoded.middlewares.is_empty();
            let (service, mut notes) = server::service(self, &Declared::new(options, self.origin()));
            if quiet && service.value.servers.is_empty() && notes.iter().any(|d| d.code == Code::NoPort) {
                // A container without labels and ports never meant to be routed.
                for note in &mut notes {
                    note.severity = Severity::Info;
                    note.consequence = "it gets no router".to_owned();
                }
                partial.diagnostics.append(&mut notes);
                return;
            }
            if quiet && self.decoded.enable.is_none() {
                // Nobody asked for it to be routed, so that it cannot be is no mistake of anybody's.
                for note in &mut notes {
                    note.severity = Severity::Info;
                }
            }
            partial.diagnostics.append(&mut notes);
            partial.services.insert(self.default_name(), service);
        }
        for (name, declared) in declared {
            let (service, mut notes) = server::service(self, declared);
            partial.diagnostics.append(&mut notes);
            partial.services.insert(name.clone(), service);
        }
    }

    fn routers(&self, partial: &mut Partial) {
        let only = match partial.services.len() {
            1 => partial.services.keys().next().cloned(),
            _ => None,
        };
        partial.routers.clone_from(&self.decoded.routers);
        // A default router next to a refused label might serve what that label was to protect.
        if partial.routers.is_empty() && !self.decoded.http_refused && !self.is_own() {
            if only.is_some() {
                partial.routers.insert(self.default_name(), Declared::new(Router::default(), self.origin()));
            } else if partial.services.len() > 1 {
                partial.diagnostics.push(self.no_default_router(partial.services.keys()));
            }
        }
        let services: Vec<String> = partial.services.keys().cloned().collect();
        for (name, router) in &mut partial.routers {
            if router.value.service.is_empty() {
                match &only {
                    Some(service) => router.value.service.clone_from(service),
                    None => {
                        self.refuse(router, &mut partial.diagnostics, self.ambiguous(name, &router.origin, &services))
                    }
                }
            }
            // Where the rule was refused, the default one would answer for requests that are not this router's.
            if router.value.rule.is_empty() && !self.decoded.rule_lost.contains(name) {
                let rendered = self.default_rule();
                match rendered {
                    Ok(rule) => router.value.rule = rule,
                    Err(what) => {
                        let fault = self.bad_default_rule(name, &router.origin, &what);
                        self.refuse(router, &mut partial.diagnostics, fault);
                    }
                }
            }
        }
    }

    fn refuse(&self, router: &mut Declared<Router>, diagnostics: &mut Vec<Diagnostic>, fault: Diagnostic) {
        diagnostics.push(fault.clone());
        router.quarantine.get_or_insert(fault);
    }

    /// Seaway is not its own server, unless its labels ask for that.
    fn wants_default_service(&self) -> bool {
        !self.is_own() || self.decoded.routers.values().any(|r| r.value.service.is_empty())
    }

    fn is_own(&self) -> bool {
        self.options.own.as_deref() == Some(&self.container.id)
    }

    fn origin(&self) -> Origin {
        Origin::resource(&self.options.provider, &self.container.name)
    }

    /// The name that Traefik calls the service name: Compose's `<service>_<project>`, else the container's.
    fn service_name(&self) -> String {
        compose_name(self.container)
            .map_or_else(|| self.container.name.clone(), |(service, project)| format!("{service}_{project}"))
    }

    fn default_name(&self) -> String {
        let name = normalize(&self.service_name());
        if name.is_empty() { self.container.id.chars().take(12).collect() } else { name }
    }

    fn default_rule(&self) -> Result<String, String> {
        let rule = self.options.default_rule.render(&RuleContext {
            name: &self.default_name(),
            container_name: &self.container.name,
            labels: &self.container.labels,
        })?;
        if rule.trim().is_empty() { Err("it renders to nothing".to_owned()) } else { Ok(rule) }
    }

    fn no_default_router<'n>(&self, services: impl Iterator<Item = &'n String>) -> Diagnostic {
        let services: Vec<_> = services.map(String::as_str).collect();
        let what = format!("it declares several services ({}) and no router", services.join(", "));
        let fix = services.first().map_or(String::new(), |s| format!("traefik.http.routers.{s}.service={s}"));
        let mut note =
            Diagnostic::warning(Code::AmbiguousService, self.origin(), what, "no router is made by itself").fix(fix);
        note.severity = Severity::Info;
        note
    }

    fn ambiguous(&self, router: &str, origin: &Origin, services: &[String]) -> Diagnostic {
        let provider = &self.options.provider;
        let what = match services {
            [] => format!("router {router}@{provider} names no service and its container has none"),
            some => {
                format!("router {router}@{provider} names no service and its container declares {}", some.join(", "))
            }
        };
        let fix = services.first().map_or("a service's name", String::as_str);
        let consequence = format!("router {router}@{provider} answers 503");
        Diagnostic::error(Code::AmbiguousService, origin.clone(), what, consequence)
            .fix(format!("traefik.http.routers.{router}.service={fix}"))
    }

    fn bad_default_rule(&self, router: &str, origin: &Origin, what: &str) -> Diagnostic {
        let provider = &self.options.provider;
        let message = format!("router {router}@{provider} has no rule and the default rule cannot be used: {what}");
        Diagnostic::error(Code::BadDefaultRule, origin.clone(), message, format!("router {router}@{provider} is off"))
            .fix(format!("traefik.http.routers.{router}.rule=Host(`…`)"))
    }
}

#[cfg(test)]
mod tests;
