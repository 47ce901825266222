//! What an exchange leaves behind for the access log.

use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime};

use http::header::{HOST, HeaderMap, HeaderName, HeaderValue};
use http::uri::PathAndQuery;
use http::{Method, StatusCode, Uri, Version};
use seaway_routing::sticky::Verdict;
use seaway_telemetry::Record;

use crate::connection::Connection;
use crate::error::ProxyError;
use crate::worker::Snapshot;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Where an exchange was sent, by places in a table, or by name once it must not pin one.
#[derive(Clone, Debug, Default)]
pub(crate) enum Way {
    /// Nothing was found yet.
    #[default]
    None,
    /// A route.
    Route { snapshot: Rc<Snapshot>, route: usize },
    /// A route and a server; the server may stand in a newer table than the route.
    Server { snapshot: Rc<Snapshot>, route: usize, service_snapshot: Rc<Snapshot>, service: usize, server: usize },
    /// The names alone.
    Names(Box<Names>),
}

/// Names that pin no table.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    router: Box<str>,
    service: Box<str>,
    server: Box<str>,
    url: Box<str>,
    address: Box<str>,
}

/// The trail of one exchange.
#[derive(Debug)]
pub(crate) struct Trail {
    began: Instant,
    wall: SystemTime,
    method: Method,
    version: Version,
    target: Option<PathAndQuery>,
    host: Option<HeaderValue>,
    forwarded_for: Option<HeaderValue>,
    pub(crate) way: Way,
    pub(crate) status: StatusCode,
    pub(crate) attempts: u32,
    pub(crate) sticky: Verdict,
    pub(crate) held: Duration,
    pub(crate) error: Option<&'static str>,
    pub(crate) lost: bool,
    pub(crate) request_bytes: u64,
    pub(crate) response_bytes: u64,
    pub(crate) origin_status: Option<StatusCode>,
    pub(crate) origin_duration: Duration,
    /// Written to the log at all.
    pub(crate) logged: bool,
}

impl Trail {
    /// Begins when the head has been read. An exchange that is dropped before it is answered was left by its client.
    pub(crate) fn begin(method: &Method, uri: &Uri, version: Version, headers: &HeaderMap) -> Self {
        Self {
            began: Instant::now(),
            wall: SystemTime::now(),
            method: method.clone(),
            version,
            target: uri.path_and_query().cloned(),
            host: headers.get(HOST).cloned(),
            forwarded_for: None,
            way: Way::None,
            status: ProxyError::ClientGone.status(),
            attempts: 0,
            sticky: Verdict::None,
            held: Duration::ZERO,
            error: Some(ProxyError::ClientGone.as_str()),
            lost: false,
            request_bytes: 0,
            response_bytes: 0,
            origin_status: None,
            origin_duration: Duration::ZERO,
            logged: true,
        }
    }

    /// What the client, or a proxy that is believed, said before it.
    pub(crate) fn trust(&mut self, headers: &HeaderMap) {
        self.forwarded_for = headers.get(X_FORWARDED_FOR).cloned();
    }

    /// Lets go of all tables.
    pub(crate) fn unpin(&mut self, entry_point: &str) {
        let names = self.with_names(entry_point, |router, service, server| Names {
            router: router.unwrap_or_default().into(),
            service: service.unwrap_or_default().into(),
            server: server.map_or("", |s| s.0).into(),
            url: server.map_or("", |s| s.1).into(),
            address: server.map_or("", |s| s.2).into(),
        });
        self.way = Way::Names(Box::new(names));
    }

    /// Writes the exchange to the worker's lane.
    pub(crate) fn write(&self, connection: &Rc<Connection>, requests: u64) {
        if !self.logged {
            return;
        }
        connection.worker.log(|lane| {
            let entry_point = &connection.entry_point.name;
            let peer = connection.peer.ip().to_string();
            self.with_names(entry_point, |router, service, server| {
                lane.write(&Record {
                    start: self.wall,
                    duration: self.began.elapsed(),
                    status: self.status.as_u16(),
                    method: self.method.as_str(),
                    host: text(self.host.as_ref()).unwrap_or_default(),
                    path_and_query: self.target.as_ref().map_or("/", PathAndQuery::as_str),
                    protocol: if self.version == Version::HTTP_10 { "HTTP/1.0" } else { "HTTP/1.1" },
                    scheme: "http",
                    client_host: &peer,
                    client_port: connection.peer.port(),
                    forwarded_for: text(self.forwarded_for.as_ref()),
                    user: None,
                    // Request headers are dropped from the log by default, these two as well.
                    referer: None,
                    user_agent: None,
                    router,
                    service,
                    server_name: server.map(|s| s.0),
                    server_url: server.map(|s| s.1),
                    server_address: server.map(|s| s.2),
                    request_bytes: self.request_bytes,
                    response_bytes: self.response_bytes,
                    origin_status: self.origin_status.map(|s| s.as_u16()),
                    origin_duration: self.origin_duration,
                    attempts: self.attempts,
                    sticky: self.sticky.as_str(),
                    sticky_reason: self.sticky.reason(),
                    strategy: "wrr",
                    held: self.held,
                    error: self.error,
                    lost: self.lost,
                    request_count: requests,
                    entry_point,
                });
            });
        });
    }

    fn with_names<T>(
        &self,
        entry_point: &str,
        f: impl FnOnce(Option<&str>, Option<&str>, Option<(&str, &str, &str)>) -> T,
    ) -> T {
        match &self.way {
            Way::None => f(None, None, None),
            Way::Route { snapshot, route } => f(snapshot.route_name(entry_point, *route), None, None),
            Way::Server { snapshot, route, service_snapshot, service, server } => {
                let service = service_snapshot.table.services.get(*service);
                let server = service.and_then(|s| s.servers.get(*server));
                f(
                    snapshot.route_name(entry_point, *route),
                    service.map(|s| &*s.label),
                    server.map(|s| (&*s.name, &*s.url, &*s.address_text)),
                )
            }
            Way::Names(names) => {
                f(Some(&names.router), Some(&names.service), Some((&names.server, &names.url, &names.address)))
            }
        }
    }
}

fn text(value: Option<&HeaderValue>) -> Option<&str> {
    value.and_then(|v| std::str::from_utf8(v.as_bytes()).ok())
}
