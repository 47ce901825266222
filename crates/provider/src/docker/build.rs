//! A container into the part of the configuration that it declares. Pure.
//!
//! Nothing here looks at what other containers declare: that is [`crate::merge`]'s work. Readiness is not judged either;
//! a container that is not healthy yet, or paused, keeps its router, and its server carries the facts.

pub(crate) mod server;

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
    /// One part for each container that counts, in the order of the snapshot. One that is as before is the same `Arc`.
    pub partials: Vec<Arc<Partial>>,
    /// Containers that were there before, or are there now, and run or are declared otherwise since.
    pub seen: Vec<Seen>,
}

/// News of a container's being there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Its id.
    pub id: String,
    /// Whose it was, if it ran or counted.
    pub before: Option<Arc<Owner>>,
    /// Whose it is, if it runs or counts.
    pub now: Option<Arc<Owner>>,
    /// It runs.
    pub runs: bool,
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

/// Builds snapshots one after another; what did not change is not read again.
#[derive(Debug)]
pub struct Builder {
    options: BuildOptions,
    /// In the order of the last snapshot.
    known: Vec<Known>,
    called: Called,
    own: Option<OwnContainer>,
}

/// A container of the last snapshot.
#[derive(Debug)]
struct Known {
    container: Arc<Container>,
    decoded: Arc<Decoded>,
    owner: Arc<Owner>,
    /// `web-3`, where Compose numbered it.
    numbered: Option<String>,
    takes_part: bool,
    /// What it declares.
    partial: Option<Arc<Partial>>,
    /// Something was told of it since that was built.
    news: bool,
}

impl Builder {
    /// A builder that has seen nothing yet.
    pub fn new(options: BuildOptions) -> Self {
        Self { options, known: Vec::new(), called: Called::default(), own: None }
    }

    /// The provider's name.
    pub fn provider(&self) -> &str {
        &self.options.provider
    }

    /// What the snapshot declares. One that is sorted by the containers' ids costs the least.
    pub fn build(&mut self, snapshot: &[Arc<Container>]) -> Built {
        let own = self.options.own.as_deref().and_then(|id| OwnContainer::find(id, snapshot));
        let moved = own != self.own;
        self.own.clone_from(&own);
        let seen = self.read(snapshot);
        let renamed = std::mem::take(&mut self.called.changed);
        let around = Surroundings { all: snapshot, own, host_address: self.options.host_address };
        let mut partials = Vec::new();
        for known in self.known.iter_mut().filter(|known| known.takes_part) {
            let numbered = known.numbered.as_ref();
            // An address that is another container's changes with that one.
            let follows = || known.container.network_mode.starts_with("container:");
            let called_otherwise = || !renamed.is_empty() && numbered.is_some_and(|name| renamed.contains(name));
            let is_same = !moved && !known.news && !called_otherwise() && !follows();
            if let Some(partial) = known.partial.as_ref().filter(|_| is_same) {
                partials.push(Arc::clone(partial));
                continue;
            }
            let name = numbered.filter(|name| self.called.is_unique(name)).unwrap_or(&known.container.name);
            let one = One {
                container: &known.container,
                decoded: &known.decoded,
                options: &self.options,
                around: &around,
                name,
            };
            let partial = one.build();
            let same = known.partial.as_ref().filter(|before| ***before == partial);
            let partial = same.map_or_else(|| Arc::new(partial), Arc::clone);
            partials.push(Arc::clone(&partial));
            (known.partial, known.news) = (Some(partial), false);
        }
        Built { partials, seen }
    }

    /// Brings what is known of the containers up to date.
    fn read(&mut self, snapshot: &[Arc<Container>]) -> Vec<Seen> {
        let mut seen = Vec::new();
        let mut before = std::mem::take(&mut self.known).into_iter().peekable();
        let mut known = Vec::with_capacity(snapshot.len());
        for container in snapshot {
            while let Some(gone) =
                before.next_if(|b| !Arc::ptr_eq(&b.container, container) && b.container.id < container.id)
            {
                seen.push(self.leave(gone));
            }
            let same = before.next_if(|b| Arc::ptr_eq(&b.container, container) || b.container.id == container.id);
            match same {
                Some(same) if Arc::ptr_eq(&same.container, container) => known.push(same),
                other => known.push(self.meet(container, other, &mut seen)),
            }
        }
        for gone in before {
            seen.push(self.leave(gone));
        }
        self.known = known;
        seen
    }

    fn meet(&mut self, container: &Arc<Container>, before: Option<Known>, seen: &mut Vec<Seen>) -> Known {
        let labels =
            before.as_ref().filter(|b| b.container.labels == container.labels && b.container.name == container.name);
        let decoded = match labels {
            Some(before) => Arc::clone(&before.decoded),
            None => Arc::new(decode_container(&container.labels, &self.options.provider, &container.name)),
        };
        let known = Known {
            owner: Arc::new(Owner::of(container)),
            numbered: numbered(container),
            takes_part: takes_part(container, &decoded, &self.options),
            container: Arc::clone(container),
            decoded,
            partial: before.as_ref().and_then(|before| before.partial.clone()),
            news: true,
        };
        let runs = container.running;
        let mut news = Seen { id: container.id.clone(), before: None, now: known.standing_for(), runs };
        if let Some(before) = before {
            news.before = self.leave(before).before;
        }
        self.called.enter(&known);
        seen.push(news);
        known
    }

    fn leave(&mut self, known: Known) -> Seen {
        self.called.leave(&known);
        Seen { before: known.standing_for(), id: known.container.id.clone(), now: None, runs: false }
    }
}

impl Known {
    /// Its owner, whom it stands for as long as it runs or declares something.
    fn standing_for(&self) -> Option<Arc<Owner>> {
        (self.container.running || self.takes_part).then(|| Arc::clone(&self.owner))
    }
}

/// Who is called how, of those that run and take part. While a replica is recreated, both generations have its number,
/// and that is right.
#[derive(Debug, Default)]
struct Called {
    owners: HashMap<String, HashMap<Arc<Owner>, usize>>,
    /// Names that have become one owner's alone, or are so no more.
    changed: HashSet<String>,
}

impl Called {
    fn enter(&mut self, known: &Known) {
        for name in known.names() {
            let owners = self.owners.entry(name.clone()).or_default();
            *owners.entry(Arc::clone(&known.owner)).or_default() += 1;
            self.changed.insert(name);
        }
    }

    fn leave(&mut self, known: &Known) {
        for name in known.names() {
            let Some(owners) = self.owners.get_mut(&name) else { continue };
            if let Some(count) = owners.get_mut(&known.owner) {
                *count -= 1;
                if *count == 0 {
                    owners.remove(&known.owner);
                }
            }
            if owners.is_empty() {
                self.owners.remove(&name);
            }
            self.changed.insert(name);
        }
    }

    fn is_unique(&self, name: &str) -> bool {
        self.owners.get(name).is_some_and(|owners| owners.len() == 1)
    }
}

impl Known {
    fn names(&self) -> impl Iterator<Item = String> {
        let counts = self.container.running && self.takes_part;
        let names = [self.numbered.clone(), Some(self.container.name.clone())];
        names.into_iter().flatten().filter(move |_| counts)
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
    !is_one_off(container)
        && decoded.enable.unwrap_or(options.exposed_by_default || decoded.provider_fault)
        && options.constraints.as_ref().is_none_or(|c| c.matches(&container.labels))
        && (container.running || decoded.allow_non_running)
}

/// How Compose numbered the container: people call it so where nothing else that runs and takes part is called so, else
/// by its own name.
fn numbered(container: &Container) -> Option<String> {
    let (service, number) = (compose_name(container)?.0, container.labels.get(NUMBER)?);
    let plain = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    (plain(service) && plain(number)).then(|| format!("{service}-{number}"))
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
