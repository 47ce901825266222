//! What an exchange leaves behind for the access log.

use std::cell::LazyCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use http::header::{HeaderName, HeaderValue};
use http::uri::PathAndQuery;
use http::{Method, StatusCode, Uri, Version};
use seaway_head::Headers;
use seaway_middleware::Middleware;
use seaway_middleware::protocol::{Asked, Length};
use seaway_routing::sticky::Verdict;
use seaway_routing::{RouteTarget, Server, ServerState, Service};
use seaway_telemetry::metrics::{HeaderValues, Protocol};
use seaway_telemetry::{KeptHeaders, Record};

use crate::connection::Connection;
use crate::error::ProxyError;
use crate::http1::fields::Fields;
use crate::metrics::{self, Pinned};
use crate::worker::{Snapshot, Worker};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// In the place of what could not be read.
const UNREAD: &str = "-";

/// A route, by its place in a table.
#[derive(Clone, Debug)]
pub(crate) struct RoutePlace {
    pub(crate) snapshot: Rc<Snapshot>,
    pub(crate) route: usize,
}

impl RoutePlace {
    /// Its middlewares.
    pub(crate) fn chain(&self, entry_point: &str) -> &[Arc<Middleware>] {
        let entry = self.snapshot.table.entry_points.get(entry_point);
        entry.and_then(|entry| entry.routes.get(self.route)).map_or(&[], |route| &route.chain)
    }
}

/// A server, by its place in a table: perhaps a newer one than the route's.
#[derive(Clone, Debug)]
pub(crate) struct ServerPlace {
    pub(crate) snapshot: Rc<Snapshot>,
    pub(crate) service: usize,
    pub(crate) server: usize,
}

impl ServerPlace {
    /// What is known of the server.
    pub(crate) fn state(&self) -> Option<&Arc<ServerState>> {
        Some(&self.find()?.1.state)
    }

    /// The server, and the service that it is of.
    pub(crate) fn find(&self) -> Option<(&Service, &Server)> {
        let service = self.snapshot.table.services.get(self.service)?;
        Some((service, service.servers.get(self.server)?))
    }
}

/// Names of what an exchange went through.
#[derive(Clone, Copy, Debug, Default)]
struct Names<'a> {
    router: Option<&'a str>,
    service: Option<&'a str>,
    server: Option<&'a str>,
    url: Option<&'a str>,
    address: Option<&'a str>,
    strategy: Option<&'static str>,
}

/// The same, of a tunnel: it may live for weeks and must pin no table.
#[derive(Debug)]
struct OwnedNames {
    router: Option<Box<str>>,
    service: Option<Box<str>>,
    server: Option<Box<str>>,
    url: Option<Box<str>>,
    address: Option<Box<str>>,
    strategy: Option<&'static str>,
    subjects: Pinned,
}

/// The trail of one exchange.
#[derive(Debug)]
pub(crate) struct Trail {
    began: Instant,
    method: Method,
    version: Version,
    target: Option<PathAndQuery>,
    /// What stands in its place.
    no_target: &'static str,
    host: Option<HeaderValue>,
    forwarded_for: Option<HeaderValue>,
    names: Option<Box<OwnedNames>>,
    pub(crate) route: Option<RoutePlace>,
    pub(crate) server: Option<ServerPlace>,
    /// What the client was answered; `None` when it left before.
    pub(crate) status: Option<StatusCode>,
    pub(crate) attempts: u32,
    pub(crate) sticky: Verdict,
    pub(crate) held: Duration,
    pub(crate) error: Option<&'static str>,
    pub(crate) lost: bool,
    pub(crate) request_bytes: u64,
    pub(crate) response_bytes: u64,
    pub(crate) origin_status: Option<StatusCode>,
    /// When the last attempt began, where somebody will read it.
    pub(crate) sent: Option<Instant>,
    pub(crate) protocol: Protocol,
    /// Who the client turned out to be.
    user: Option<Box<str>>,
    /// The headers that the log keeps, where it keeps any.
    kept: Option<Box<KeptHeaders>>,
    /// The values of headers that metrics have as labels.
    pub(crate) header_values: HeaderValues,
    /// Why no router took it.
    pub(crate) unrouted: Option<&'static str>,
    /// It was handed to its service, whether there was a server for it or not.
    pub(crate) forwarded: bool,
    /// Written to the log at all.
    pub(crate) logged: bool,
    /// Counted at all.
    pub(crate) counted: bool,
}

impl Trail {
    /// Begins when the head has been read.
    pub(crate) fn begin(method: &Method, uri: &Uri, version: Version, headers: &Headers) -> Self {
        Self {
            began: Instant::now(),
            method: method.clone(),
            version,
            target: uri.path_and_query().cloned(),
            no_target: "/",
            host: headers.host(),
            forwarded_for: None,
            names: None,
            route: None,
            server: None,
            status: None,
            attempts: 0,
            sticky: Verdict::None,
            held: Duration::ZERO,
            error: None,
            lost: false,
            request_bytes: 0,
            response_bytes: 0,
            origin_status: None,
            sent: None,
            protocol: Protocol::Http,
            user: None,
            kept: None,
            header_values: HeaderValues::default(),
            unrouted: None,
            forwarded: false,
            logged: true,
            counted: true,
        }
    }

    /// Of what is no request: with what could be read of it.
    pub(crate) fn unread(method: Option<Method>, target: Option<&Uri>, version: Version) -> Self {
        let method = method.or_else(|| Method::from_bytes(UNREAD.as_bytes()).ok()).unwrap_or_default();
        let unread = Uri::default();
        Self {
            target: target.and_then(Uri::path_and_query).cloned(),
            no_target: UNREAD,
            ..Self::begin(&method, target.unwrap_or(&unread), version, &Headers::default())
        }
    }

    /// What the client, or a proxy that is believed, said before it.
    pub(crate) fn trust(&mut self, headers: &Headers) {
        self.forwarded_for = headers.get_unusual(&X_FORWARDED_FOR).cloned();
    }

    /// Lets go of all tables.
    pub(crate) fn unpin(&mut self, connection: &Connection) {
        let names = self.names(&connection.entry_point.name);
        let own = |name: Option<&str>| name.map(Box::from);
        let names = OwnedNames {
            router: own(names.router),
            service: own(names.service),
            server: own(names.server),
            url: own(names.url),
            address: own(names.address),
            strategy: names.strategy,
            subjects: Pinned::new(self, connection),
        };
        (self.names, self.route, self.server) = (Some(Box::new(names)), None, None);
    }

    /// What hooks are told of the request, and where they leave the client's name.
    pub(crate) fn for_hooks(&mut self, body: Length, upgrade: bool) -> (Asked<'_>, &mut Option<Box<str>>) {
        let Self { method, target, host, user, .. } = self;
        (Asked { method, target: target.as_ref(), host: host.as_ref(), body, upgrade }, user)
    }

    /// The request's headers, for the log.
    #[inline]
    pub(crate) fn keep_request(&mut self, worker: &Worker, headers: &Headers) {
        if let Some(fields) = &worker.kept_fields {
            self.kept.get_or_insert_default().request(fields, headers);
        }
    }

    /// Those of the server's response.
    #[inline]
    pub(crate) fn keep_origin(&mut self, worker: &Worker, answer: &mut Fields) {
        if let Some(fields) = &worker.kept_fields {
            self.kept.get_or_insert_default().origin(fields, answer.map());
        }
    }

    /// Those that the client is sent.
    #[inline]
    pub(crate) fn keep_downstream(&mut self, worker: &Worker, answer: &mut Fields) {
        if let Some(fields) = &worker.kept_fields {
            self.kept.get_or_insert_default().downstream(fields, answer.map());
        }
    }

    /// When its head had been read.
    pub(crate) fn began(&self) -> Instant {
        self.began
    }

    /// What is counted for it once it pins no table.
    pub(crate) fn pinned(&self) -> Option<&Pinned> {
        self.names.as_ref().map(|names| &names.subjects)
    }

    /// It has let go of all tables: it became a tunnel.
    pub(crate) fn is_unpinned(&self) -> bool {
        self.names.is_some()
    }

    pub(crate) fn method(&self) -> &Method {
        &self.method
    }

    /// What went wrong, in one word.
    pub(crate) fn error(&self) -> Option<&'static str> {
        self.error.or_else(|| self.status.is_none().then(|| ProxyError::ClientGone.as_str()))
    }

    /// Counts the exchange, and writes it to the worker's lane.
    pub(crate) fn write(&self, connection: &Connection, requests: u64) {
        let duration = LazyCell::new(|| self.began.elapsed());
        metrics::count(self, connection, &duration);
        if !self.logged {
            return;
        }
        connection.worker.log(|lane| {
            let entry_point = &connection.entry_point.name;
            let names = self.names(entry_point);
            let (client_host, client_port) = &connection.peer;
            lane.write(&Record {
                start: SystemTime::now().checked_sub(*duration).unwrap_or(SystemTime::UNIX_EPOCH),
                duration: *duration,
                status: self.status.unwrap_or_else(|| ProxyError::ClientGone.status()).as_u16(),
                method: self.method.as_str(),
                host: text(self.host.as_ref()).unwrap_or_default(),
                path_and_query: self.target.as_ref().map_or(self.no_target, PathAndQuery::as_str),
                protocol: if self.version == Version::HTTP_10 { "HTTP/1.0" } else { "HTTP/1.1" },
                scheme: "http",
                client_host,
                client_port: *client_port,
                forwarded_for: text(self.forwarded_for.as_ref()),
                user: self.user.as_deref(),
                headers: self.kept.as_deref(),
                router: names.router,
                service: names.service,
                server_name: names.server,
                server_url: names.url,
                server_address: names.address,
                request_bytes: self.request_bytes,
                response_bytes: self.response_bytes,
                origin_status: self.origin_status.map(|s| s.as_u16()),
                origin_bytes: None,
                forwarded: self.forwarded,
                origin_duration: self
                    .sent
                    .map(|sent| duration.saturating_sub(sent.saturating_duration_since(self.began)))
                    .unwrap_or_default(),
                attempts: self.attempts,
                sticky: self.sticky.as_str(),
                sticky_reason: self.sticky.reason(),
                strategy: names.strategy.unwrap_or("wrr"),
                held: self.held,
                error: self.error(),
                lost: self.lost,
                request_count: requests,
                entry_point,
            });
        });
    }

    /// The service that it was handed to, where that had no server for it.
    fn asked_service(&self, entry_point: &str) -> Option<&str> {
        let RoutePlace { snapshot, route } = self.route.as_ref().filter(|_| self.forwarded)?;
        let route = snapshot.table.entry_points.get(entry_point)?.routes.get(*route)?;
        let RouteTarget::Service(place) = route.target else { return None };
        snapshot.table.services.get(place).map(|service| &*service.label)
    }

    fn names(&self, entry_point: &str) -> Names<'_> {
        if let Some(names) = &self.names {
            return Names {
                router: names.router.as_deref(),
                service: names.service.as_deref(),
                server: names.server.as_deref(),
                url: names.url.as_deref(),
                address: names.address.as_deref(),
                strategy: names.strategy,
            };
        }
        let router = self.route.as_ref().and_then(|r| r.snapshot.route_name(entry_point, r.route));
        match self.server.as_ref().and_then(ServerPlace::find) {
            None => Names { router, service: self.asked_service(entry_point), ..Names::default() },
            Some((service, server)) => Names {
                router,
                service: Some(&service.label),
                server: Some(&server.name),
                url: Some(&server.url),
                address: Some(&server.address_text),
                strategy: Some(service.strategy.as_str()),
            },
        }
    }
}

fn text(value: Option<&HeaderValue>) -> Option<&str> {
    value.and_then(|v| std::str::from_utf8(v.as_bytes()).ok())
}
