//! Sending a request to a server of its service: picked, connected, sent, and sent again where that is safe.

use std::rc::Rc;
use std::time::Duration;

use http::header::{CONNECTION, CONTENT_LENGTH, EXPECT, HOST, HeaderValue, UPGRADE};
use http::uri::PathAndQuery;
use http::{Request, Response, StatusCode, Uri, Version};
use hyper::body::Incoming;
use seaway_head::{RequestHead, upgrade};
use seaway_routing::balancer::{Pick, Tried, Want};
use seaway_routing::state::flag;
use seaway_routing::{Server, Service};

use crate::body::{RequestBody, Source};
use crate::connection::Connection;
use crate::error::ProxyError;
use crate::hold::Place;
use crate::record::Way;
use crate::response::Flight;
use crate::upstream::connect::connect;
use crate::upstream::pool::Lease;
use crate::worker::Snapshot;

/// How long a service is remembered to have had a ready server: requests wait for it to come back.
const REMEMBERED: Duration = Duration::from_secs(60);

/// A request on its way out.
pub(crate) struct Outgoing {
    pub(crate) head: RequestHead,
    pub(crate) source: Option<Rc<Source>>,
    pub(crate) upgrade: Option<HeaderValue>,
    pub(crate) idempotent: bool,
}

/// A response that came.
pub(crate) struct Forwarded {
    pub(crate) response: Response<Incoming>,
    pub(crate) lease: Lease,
    pub(crate) set_cookie: Option<HeaderValue>,
    /// The token of the upgrade that was granted.
    pub(crate) upgrade: Option<HeaderValue>,
}

/// No response came.
pub(crate) struct Failed {
    pub(crate) error: ProxyError,
    /// A server may have acted on the request and it could not be repeated.
    pub(crate) lost: bool,
    pub(crate) set_cookie: Option<HeaderValue>,
}

impl Failed {
    fn new(error: ProxyError) -> Self {
        Self { error, lost: false, set_cookie: None }
    }
}

/// What one attempt came to.
enum Attempt {
    Answered(Response<Incoming>, Lease),
    /// The connection could not be made.
    NotConnected(ProxyError),
    /// Nothing of the request was handed to the server.
    Unreached {
        pooled: bool,
        error: ProxyError,
    },
    /// The server may have seen it.
    Broken {
        pooled: bool,
        answered: bool,
        error: ProxyError,
    },
    /// The client's own body failed, or something that no other server would mend.
    Final(ProxyError),
}

/// Forwards a request to `service`, waiting for a server where the service is only away for a moment.
pub(crate) async fn forward(
    connection: &Rc<Connection>,
    flight: &mut Flight,
    route_snapshot: &Rc<Snapshot>,
    route: usize,
    service: usize,
    mut outgoing: Outgoing,
) -> Result<Forwarded, Failed> {
    let worker = &connection.worker;
    worker.budget.borrow_mut().request(worker.clock.now());
    if outgoing.head.append_forwarded_for {
        connection.forwarding.finish(&mut outgoing.head.headers);
    }
    let mut snapshot = Rc::clone(route_snapshot);
    let mut place = service;
    let mut tried = Tried::default();
    // The server whose pooled connection had gone stale: the next try on it gets a new one.
    let mut stale = None;
    let mut repeated = false;
    let mut last = Failed::new(ProxyError::NoServer);
    loop {
        let Some(service) = snapshot.table.services.get(place) else { return Err(last) };
        let replayable = outgoing.is_replayable();
        let repeatable = outgoing.idempotent && replayable && !repeated;
        let want = if repeatable { Want::LastResort } else { Want::Ready };
        let picked = match service.pick(&outgoing.head.headers, &tried, want) {
            Pick::Server(picked) => picked,
            Pick::None(_) => {
                if !replayable {
                    return Err(last);
                }
                // 1 nothing to send it to: wait for a server, then begin again
                let Some(found) = wait(connection, flight, &snapshot, place).await else { return Err(last) };
                (snapshot, place) = found;
                tried = Tried::default();
                stale = None;
                continue;
            }
        };
        let Some(server) = service.servers.get(picked.index) else { return Err(last) };
        flight.trail.attempts += 1;
        flight.trail.sticky = picked.sticky;
        flight.trail.way = Way::Server {
            snapshot: Rc::clone(route_snapshot),
            route,
            service_snapshot: Rc::clone(&snapshot),
            service: place,
            server: picked.index,
        };
        flight.enter_server();
        let cookie =
            || picked.set_cookie.then(|| service.sticky.as_ref().map(|s| s.set_cookie(picked.index).clone())).flatten();
        let Some(body) = outgoing.body() else { return Err(last) };
        let Some(request) = outgoing.request(service, server, body) else {
            return Err(Failed::new(ProxyError::BadResponse));
        };
        let id = server.state.id();
        let began = std::time::Instant::now();
        let fresh = outgoing.upgrade.is_some() || stale == Some(id);
        let attempt = send(connection, server, request, &outgoing, fresh, !repeatable).await;
        flight.trail.origin_duration = began.elapsed();
        match attempt {
            Attempt::Answered(response, lease) => {
                let asked = outgoing.upgrade.take();
                let upgrade = match (response.status() == StatusCode::SWITCHING_PROTOCOLS, asked) {
                    (false, _) => None,
                    (true, Some(token)) if upgrade::granted(&token, response.headers()) => Some(token),
                    (true, _) => return Err(Failed { set_cookie: cookie(), ..Failed::new(ProxyError::BadUpgrade) }),
                };
                return Ok(Forwarded { response, lease, set_cookie: cookie(), upgrade });
            }
            Attempt::NotConnected(error) => {
                if error != ProxyError::NoResources {
                    suspect(connection, service, server);
                }
                tried.insert(server);
                last = Failed { set_cookie: cookie(), ..Failed::new(error) };
            }
            Attempt::Unreached { pooled, error } => {
                if pooled && stale != Some(id) {
                    stale = Some(id);
                } else {
                    tried.insert(server);
                }
                last = Failed { error, lost: !outgoing.is_replayable(), set_cookie: cookie() };
            }
            Attempt::Broken { pooled, answered, error } => {
                last = Failed { error, lost: true, set_cookie: cookie() };
                let again = !answered
                    && !repeated
                    && outgoing.idempotent
                    && outgoing.is_replayable()
                    && worker.budget.borrow_mut().take(worker.clock.now());
                if !again {
                    return Err(last);
                }
                repeated = true;
                // A pooled connection that the server closed meanwhile says nothing about the server itself.
                if pooled && stale != Some(id) && server.state.is_ready() {
                    stale = Some(id);
                } else {
                    tried.insert(server);
                }
            }
            Attempt::Final(error) => return Err(Failed { set_cookie: cookie(), ..Failed::new(error) }),
        }
        flight.leave_server();
    }
}

/// One attempt on one server.
async fn send(
    connection: &Rc<Connection>,
    server: &Server,
    request: Request<RequestBody>,
    outgoing: &Outgoing,
    fresh: bool,
    proven: bool,
) -> Attempt {
    let worker = &connection.worker;
    let options = &worker.options;
    let id = server.state.id();
    let pooled = if fresh { None } else { worker.pool.borrow_mut().take(id, proven) };
    let mut lease = match pooled {
        Some(lease) => lease,
        None => match connect(&server.address, id, options.dial_timeout).await {
            Ok(lease) => lease,
            Err(error) => return Attempt::NotConnected(error),
        },
    };
    lease.wire.begin();
    let answered = lease.sender.try_send_request(request);
    let answered = if options.response_header_timeout.is_zero() {
        answered.await
    } else {
        match tokio::time::timeout(options.response_header_timeout, answered).await {
            Ok(answered) => answered,
            Err(_) => return Attempt::Final(ProxyError::ResponseTimeout),
        }
    };
    let mut failure = match answered {
        Ok(response) => return Attempt::Answered(response, lease),
        Err(failure) => failure,
    };
    if let Some(fault) = outgoing.source.as_ref().and_then(|source| source.fault()) {
        return Attempt::Final(fault);
    }
    let (pooled, wire) = (!lease.fresh, &lease.wire);
    let unsent = failure.take_message().is_some();
    let error = failure.into_error();
    let kind = if error.is_parse() || error.is_parse_too_large() || error.is_parse_status() {
        ProxyError::BadResponse
    } else if wire.was_reset() {
        ProxyError::UpstreamReset
    } else {
        ProxyError::UpstreamClosed
    };
    if unsent || wire.never_reached() {
        return Attempt::Unreached { pooled, error: kind };
    }
    if kind == ProxyError::BadResponse {
        return Attempt::Final(kind);
    }
    Attempt::Broken { pooled, answered: wire.answered(), error: kind }
}

/// Nobody answers at its address, whatever was last heard: it takes no more requests until its port accepts again.
fn suspect(connection: &Rc<Connection>, service: &Service, server: &Server) {
    if server.state.is_ready() {
        service.state.touch_ready(connection.worker.clock.now());
    }
    if server.state.flags() & flag::UNPROBED == 0 && server.state.set(flag::UNPROBED) {
        connection.worker.options.published.wake();
    }
}

/// Waits until the service has a server that takes requests. Gives the table and the service's place in it.
async fn wait(
    connection: &Rc<Connection>,
    flight: &mut Flight,
    snapshot: &Rc<Snapshot>,
    place: usize,
) -> Option<(Rc<Snapshot>, usize)> {
    let worker = &connection.worker;
    let mut changed = worker.options.published.subscribe();
    let service = snapshot.table.services.get(place)?;
    let name = service.name.clone();
    let state = std::sync::Arc::clone(&service.state);
    let recently = service.had_ready_within(REMEMBERED, worker.clock.now());
    if worker.hold.timeout.is_zero() || service.admitted() > 0 || !recently {
        return None;
    }
    let _place = Place::take(&state, worker.hold)?;
    let began = std::time::Instant::now();
    let found = tokio::time::timeout(worker.hold.timeout.saturating_sub(flight.trail.held), async {
        loop {
            let snapshot = worker.snapshot();
            let place = snapshot.table.services.iter().position(|s| s.name == name)?;
            if snapshot.table.services.get(place)?.admitted() > 0 {
                return Some((snapshot, place));
            }
            drop(snapshot);
            changed.changed().await.ok()?;
        }
    })
    .await;
    flight.trail.held += began.elapsed();
    found.ok().flatten()
}

impl Outgoing {
    /// The body can still be sent from its beginning.
    fn is_replayable(&self) -> bool {
        self.source.as_ref().is_none_or(|source| source.is_whole())
    }

    fn body(&self) -> Option<RequestBody> {
        match &self.source {
            None => Some(RequestBody::Empty),
            Some(source) => source.attempt(),
        }
    }

    /// The request as the server gets it: rebuilt from the judged head.
    fn request(&self, service: &Service, server: &Server, body: RequestBody) -> Option<Request<RequestBody>> {
        let mut request = Request::new(body);
        *request.method_mut() = self.head.method.clone();
        *request.version_mut() = Version::HTTP_11;
        *request.uri_mut() = uri(&server.base_path, self.head.target.as_path_and_query())?;
        let headers = request.headers_mut();
        headers.clone_from(&self.head.headers);
        headers.remove(EXPECT);
        if self.source.is_none() && self.head.method.is_safe() {
            headers.remove(CONTENT_LENGTH);
        }
        if !service.pass_host_header || !headers.contains_key(HOST) {
            headers.insert(HOST, server.host_value.clone());
        }
        if let Some(token) = &self.upgrade {
            headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
            headers.insert(UPGRADE, token.clone());
        }
        Some(request)
    }
}

fn uri(base_path: &str, target: &PathAndQuery) -> Option<Uri> {
    if base_path.is_empty() {
        return Some(Uri::from(target.clone()));
    }
    let joined = format!("{}{}", base_path.trim_end_matches('/'), target.as_str());
    PathAndQuery::try_from(joined).ok().map(Uri::from)
}
