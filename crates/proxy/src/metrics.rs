//! Counting exchanges: what a trail says, in the words of metrics, for subjects that are kept at hand with the table.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::collections::HashSet;
use std::ops::Deref;
use std::rc::Rc;
use std::time::Duration;

use http::{HeaderValue, Method};
use seaway_head::Speaks;
use seaway_routing::{Moved, Route, RouteTarget, RoutingTable, Verdict};
use seaway_telemetry::metrics::{Exchange, Kind, Protocol, Sticky, Subject, Verb, WorkerMetrics};

use crate::connection::Connection;
use crate::error::ProxyError;
use crate::record::{RoutePlace, Trail};

/// The subjects of one table's routes and services, each looked up by name when it is counted for the first time.
#[derive(Debug, Default)]
pub(crate) struct Subjects {
    services: Places,
    /// By the entry point's number, then by the route's place.
    routes: Box<[OnceCell<Places>]>,
}

type Places = Box<[OnceCell<Rc<Subject>>]>;

impl Subjects {
    /// Room for what is in the table; none where nothing is counted.
    pub(crate) fn new(table: &RoutingTable, metrics: Option<&WorkerMetrics>) -> Self {
        let room = |yes: bool, count: usize| if yes { count } else { 0 };
        Self {
            services: empty(room(metrics.is_some_and(WorkerMetrics::has_services), table.services.len())),
            routes: empty(room(metrics.is_some_and(WorkerMetrics::has_routers), table.entry_points.len())),
        }
    }

    fn service(&self, metrics: &WorkerMetrics, table: &RoutingTable, place: usize) -> Option<&Rc<Subject>> {
        known_or(self.services.get(place)?, || metrics.service(&table.services.get(place)?.label))
    }

    fn route(&self, metrics: &WorkerMetrics, table: &RoutingTable, at: At<'_>) -> Option<&Rc<Subject>> {
        let routes = self.routes.get(at.entry.number())?;
        let found = || table.entry_points.get(at.entry_point).map(|entry_point| &entry_point.routes);
        let routes = routes.get_or_init(|| empty(found().map_or(0, |routes| routes.len())));
        known_or(routes.get(at.route)?, || {
            let route = found()?.get(at.route)?;
            metrics.router(&route.name, &service_of(table, route))
        })
    }
}

/// What is kept there, put there first if it has to be.
fn known_or(place: &OnceCell<Rc<Subject>>, find: impl FnOnce() -> Option<Rc<Subject>>) -> Option<&Rc<Subject>> {
    if place.get().is_none() {
        let subject = find()?;
        return Some(place.get_or_init(|| subject));
    }
    place.get()
}

/// Which routers and services a table has, as they are counted.
#[derive(Debug)]
pub struct Live<'t> {
    services: HashSet<&'t str>,
    routers: HashSet<(&'t str, Cow<'t, str>)>,
}

impl<'t> Live<'t> {
    /// Those of this table.
    pub fn new(table: &'t RoutingTable) -> Self {
        let routes = table.entry_points.values().flat_map(|entry_point| &entry_point.routes);
        Self {
            services: table.services.iter().map(|service| &*service.label).collect(),
            routers: routes.map(|route| (&*route.name, service_of(table, route))).collect(),
        }
    }

    /// Whether there is such a router, with that service, or such a service. Entry points are always there.
    pub fn has(&self, kind: Kind, name: &str, service: &str) -> bool {
        match kind {
            Kind::EntryPoint => true,
            Kind::Router => self.routers.contains(&(name, Cow::Borrowed(service))),
            Kind::Service => self.services.contains(name),
        }
    }
}

/// What a router's series say for its service: nothing for one that is quarantined.
fn service_of<'t>(table: &'t RoutingTable, route: &Route) -> Cow<'t, str> {
    match &route.target {
        RouteTarget::Service(place) => table.services.get(*place).map_or("", |service| &service.label).into(),
        RouteTarget::Internal(name) => format!("{name}@internal").into(),
        RouteTarget::Quarantined(_) => "".into(),
    }
}

/// A route's place.
#[derive(Clone, Copy)]
struct At<'a> {
    entry: &'a Subject,
    entry_point: &'a str,
    route: usize,
}

/// The subjects of a tunnel, which pins no table.
#[derive(Debug)]
pub(crate) struct Pinned {
    router: Option<Rc<Subject>>,
    service: Option<Rc<Subject>>,
}

impl Pinned {
    /// What this trail leads to.
    pub(crate) fn new(trail: &Trail, connection: &Connection) -> Self {
        Self { router: router(trail, connection).cloned(), service: service(trail, connection).cloned() }
    }
}

/// Counts an exchange that has ended.
pub(crate) fn count(trail: &Trail, connection: &Connection, duration: &impl Deref<Target = Duration>) {
    let (Some(metrics), Some(open)) = (&connection.worker.metrics, &connection.open) else { return };
    if !trail.counted {
        return;
    }
    let (router, service) = match trail.pinned() {
        Some(pinned) => (pinned.router.as_ref(), pinned.service.as_ref()),
        None => (router(trail, connection), service(trail, connection)),
    };
    let status = trail.status.unwrap_or_else(|| ProxyError::ClientGone.status());
    let ours = trail.status.is_some() && trail.origin_status.is_none();
    let exchange = Exchange {
        status: status.as_u16(),
        service_status: trail.origin_status.unwrap_or(status).as_u16(),
        verb: verb(trail.method()),
        protocol: trail.protocol,
        duration: **duration,
        request_bytes: trail.request_bytes,
        response_bytes: trail.response_bytes,
        attempts: trail.attempts,
        sticky: sticky(trail.sticky),
        held: trail.held,
        lost: trail.lost,
        own_answer: trail.error().filter(|_| ours),
        unrouted: trail.unrouted,
        headers: trail.header_values,
        broken: trail.error().filter(|_| !ours),
    };
    metrics.count(open.entry_point(), router.map(|it| &**it), service.map(|it| &**it), &exchange);
}

/// What a judged request speaks, as Traefik tells it.
pub(crate) fn protocol(speaks: Speaks, upgrade: Option<&HeaderValue>) -> Protocol {
    if upgrade.is_some_and(|token| token.as_bytes().eq_ignore_ascii_case(b"websocket")) {
        return Protocol::WebSocket;
    }
    match speaks {
        Speaks::Http => Protocol::Http,
        Speaks::EventStream => Protocol::Sse,
        Speaks::Grpc => Protocol::Grpc,
        Speaks::GrpcWeb => Protocol::GrpcWeb,
    }
}

fn router<'t>(trail: &'t Trail, connection: &Connection) -> Option<&'t Rc<Subject>> {
    let (metrics, entry) = (connection.worker.metrics.as_ref()?, connection.open.as_ref()?.entry_point());
    let RoutePlace { snapshot, route } = trail.route.as_ref()?;
    let at = At { entry, entry_point: &connection.entry_point.name, route: *route };
    snapshot.subjects.route(metrics, &snapshot.table, at)
}

/// The service that the exchange got as far as, whether it had a server for it or not.
fn service<'t>(trail: &'t Trail, connection: &Connection) -> Option<&'t Rc<Subject>> {
    let metrics = connection.worker.metrics.as_ref()?;
    if let Some(place) = &trail.server {
        return place.snapshot.subjects.service(metrics, &place.snapshot.table, place.service);
    }
    let RoutePlace { snapshot, route } = trail.route.as_ref().filter(|_| trail.forwarded)?;
    let route = snapshot.table.entry_points.get(&connection.entry_point.name)?.routes.get(*route)?;
    let RouteTarget::Service(place) = route.target else { return None };
    snapshot.subjects.service(metrics, &snapshot.table, place)
}

fn verb(method: &Method) -> Verb {
    match *method {
        Method::GET => Verb::Get,
        Method::HEAD => Verb::Head,
        Method::POST => Verb::Post,
        Method::PUT => Verb::Put,
        Method::PATCH => Verb::Patch,
        Method::DELETE => Verb::Delete,
        Method::CONNECT => Verb::Connect,
        Method::OPTIONS => Verb::Options,
        Method::TRACE => Verb::Trace,
        _ => Verb::Extension,
    }
}

fn sticky(verdict: Verdict) -> Sticky {
    match verdict {
        Verdict::None => Sticky::None,
        Verdict::New => Sticky::New,
        Verdict::Hit => Sticky::Hit,
        Verdict::Moved(Moved::Draining) => Sticky::Draining,
        Verdict::Moved(Moved::Down) => Sticky::Down,
        Verdict::Moved(Moved::Gone) => Sticky::Gone,
        Verdict::Moved(Moved::Refused) => Sticky::Refused,
        Verdict::Moved(Moved::Replaced) => Sticky::Replaced,
        Verdict::Expired => Sticky::Expired,
        Verdict::Invalid => Sticky::Invalid,
    }
}

fn empty<T>(count: usize) -> Box<[OnceCell<T>]> {
    (0..count).map(|_| OnceCell::new()).collect()
}
