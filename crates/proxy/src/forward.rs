//! Sending a request to a server of its service: picked, connected, sent, and sent again where that is safe.

use std::future::poll_fn;
use std::rc::Rc;
use std::time::{Duration, Instant};

use http::StatusCode;
use http::header::{CONTENT_LENGTH, EXPECT, HOST, HeaderName, HeaderValue, TRANSFER_ENCODING};
use seaway_head::{Forwarding, RequestHead, upgrade};
use seaway_routing::balancer::{Pick, Strategy, Tried, Want};
use seaway_routing::state::flag;
use seaway_routing::transport::Transport;
use seaway_routing::{Moved, Server, Service, Verdict};

use crate::body::{RequestBody, Source};
use crate::connection::Connection;
use crate::error::{ProxyError, Side};
use crate::hold::Place;
use crate::http1::response::Head;
use crate::record::ServerPlace;
use crate::response::Flight;
use crate::retry::Broke;
use crate::upstream::connect::connect_as;
use crate::upstream::link::{Lease, NoHead};
use crate::worker::{Snapshot, Worker};

/// How long a service is remembered to have had a ready server: requests wait for it to come back.
const REMEMBERED: Duration = Duration::from_secs(60);

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Rest after each failed connection before the same servers are tried again.
const REST: Duration = Duration::from_millis(10);

/// A request on its way out.
pub(crate) struct Outgoing {
    pub(crate) head: RequestHead,
    pub(crate) source: Option<Rc<Source>>,
    pub(crate) upgrade: Option<HeaderValue>,
    pub(crate) idempotent: bool,
    /// It may wait for a server where there is none for a moment.
    pub(crate) patient: bool,
}

/// A response that came.
pub(crate) struct Forwarded {
    pub(crate) response: Head,
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
    /// Cookies of services that stand before the one that failed.
    pub(crate) level_cookies: Vec<HeaderValue>,
}

impl Failed {
    pub(crate) fn new(error: ProxyError) -> Self {
        Self { error, lost: false, set_cookie: None, level_cookies: Vec::new() }
    }
}

/// What one attempt came to.
enum Attempt {
    Answered(Head, Lease),
    /// The connection could not be made.
    NotConnected(ProxyError),
    /// The server never had a byte of the request.
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
    routed: &Rc<Snapshot>,
    service: usize,
    outgoing: &mut Outgoing,
) -> Result<Forwarded, Failed> {
    let worker = &connection.worker;
    worker.budget.borrow_mut().request(worker.clock.at(flight.trail.began()));
    let mut snapshot = Rc::clone(routed);
    let mut place = service;
    let mut tried = Tried::default();
    // The server whose pooled connection had gone stale: the next try on it gets a new one.
    let mut stale = None;
    // The server that has just refused. It is suspected after the next pick, which tells its clients why they move.
    let mut refused: Option<ServerPlace> = None;
    let mut broke = Broke::default();
    let mut last = Failed::new(ProxyError::NoServer);
    loop {
        let Some(service) = snapshot.table.services.get(place) else { return Err(last) };
        let repeatable = outgoing.idempotent && broke.unexplained() == 0;
        let want = if repeatable { Want::LastResort } else { Want::Ready };
        let pick = service.pick(&outgoing.head, &tried, want);
        if let Some(place) = refused.take() {
            suspect(connection, &place);
        }
        if !outgoing.is_replayable() {
            return Err(last);
        }
        let picked = match pick {
            Pick::Server(picked) => picked,
            // The last ones that pass for ready broke off with it a moment ago: if they are gone, that is heard any moment.
            Pick::None(_) if service.admitted() > 0 && broke.are_gone(worker.options.published.subscribe()).await => {
                continue;
            }
            // Nothing to send it to: wait for a server, then begin again.
            Pick::None(_) if !outgoing.patient => return Err(last),
            Pick::None(_) => match wait(connection, flight, &snapshot, place, last.error).await {
                Waited::Found(table, at) => {
                    (snapshot, place, tried, stale) = (table, at, Tried::default(), None);
                    continue;
                }
                Waited::InVain => return Err(Failed { lost: last.lost, ..Failed::new(ProxyError::NoServer) }),
                Waited::NotAtAll => return Err(last),
            },
        };
        let Some(server) = service.servers.get(picked.index) else { return Err(last) };
        flight.trail.attempts += 1;
        if flight.trail.sticky != Verdict::Moved(Moved::Refused) {
            flight.trail.sticky = picked.sticky;
        }
        flight.enter_server(ServerPlace { snapshot: Rc::clone(&snapshot), service: place, server: picked.index });
        let sticky = service.sticky.as_ref().filter(|_| picked.set_cookie);
        let set_cookie = sticky.map(|cookie| cookie.set_cookie(picked.index).clone());
        let Some(body) = outgoing.body().filter(|_| is_sendable(&server.base_path)) else {
            return Err(Failed::new(ProxyError::BadResponse));
        };
        let id = server.state.id();
        if worker.has_log() {
            flight.trail.sent = Some(Instant::now());
        }
        let fresh = outgoing.upgrade.is_some() || stale == Some(id);
        let attempt = watched(connection, service, server, body, outgoing, fresh, !repeatable).await;
        match attempt {
            Attempt::Answered(mut response, lease) => {
                return match granted(outgoing.upgrade.take(), &mut response) {
                    Ok(upgrade) => Ok(Forwarded { response, lease, set_cookie, upgrade }),
                    Err(error) => Err(Failed { lost: true, set_cookie, ..Failed::new(error) }),
                };
            }
            Attempt::NotConnected(error) => {
                let it = flight.trail.server.clone();
                refused = it.filter(|_| !matches!(error, ProxyError::NoResources | ProxyError::BadCertificate));
                tried.insert(server);
                last = Failed { set_cookie, ..Failed::new(error) };
            }
            Attempt::Unreached { pooled, error } => {
                if pooled && stale != Some(id) {
                    stale = Some(id);
                } else {
                    tried.insert(server);
                }
                last = Failed { lost: !outgoing.is_replayable(), set_cookie, ..Failed::new(error) };
            }
            Attempt::Broken { pooled, answered, error } => {
                last = Failed { lost: true, set_cookie, ..Failed::new(error) };
                if answered || !outgoing.idempotent || !outgoing.is_replayable() {
                    return Err(last);
                }
                let again = broke.may_repeat(&server.state, worker.options.published.subscribe()).await;
                if !again || !worker.budget.borrow_mut().take(worker.clock.now()) {
                    return Err(last);
                }
                // A pooled connection that the server closed meanwhile says nothing about the server itself.
                if pooled && stale != Some(id) && server.state.is_ready() {
                    stale = Some(id);
                } else {
                    tried.insert(server);
                }
            }
            Attempt::Final(error) => {
                let lost = error.side() == Side::Upstream;
                return Err(Failed { lost, set_cookie, ..Failed::new(error) });
            }
        }
        flight.leave_server();
    }
}

/// The same as [`send`], and what it shows of the server is noted where the service goes by it.
async fn watched(
    connection: &Rc<Connection>,
    service: &Service,
    server: &Server,
    body: RequestBody,
    outgoing: &Outgoing,
    fresh: bool,
    proven: bool,
) -> Attempt {
    let began = (service.strategy == Strategy::LeastTime).then(Instant::now);
    let attempt = send(connection, service, server, body, outgoing, fresh, proven).await;
    if let (Some(began), Attempt::Answered(..)) = (began, &attempt) {
        server.state.note_first_byte(began.elapsed());
    }
    if let Some(check) = &service.passive_check {
        let worker = &connection.worker;
        let failed = match &attempt {
            Attempt::Answered(head, _) => head.status.is_server_error(),
            // The pooled connection had closed meanwhile, which says nothing.
            Attempt::Unreached { pooled, .. } => !pooled,
            Attempt::Broken { error, .. } | Attempt::NotConnected(error) | Attempt::Final(error) => {
                error.side() == Side::Upstream
            }
        };
        if !failed {
            if matches!(attempt, Attempt::Answered(..)) {
                server.state.note_success();
            }
        } else if server.state.note_failure(check, worker.clock.now()) {
            service.state.touch_ready(worker.clock.now());
            worker.options.published.wake();
        }
    }
    attempt
}

/// One attempt on one server.
async fn send(
    connection: &Rc<Connection>,
    service: &Service,
    server: &Server,
    body: RequestBody,
    outgoing: &Outgoing,
    fresh: bool,
    proven: bool,
) -> Attempt {
    let worker = &connection.worker;
    let options = &worker.options;
    let pooled = if fresh { None } else { worker.pool.borrow_mut().take(server.link, proven) };
    let mut lease = match pooled {
        Some(lease) => lease,
        None => match fresh_lease(worker, &service.transport, server, fresh, proven).await {
            Ok(lease) => lease,
            Err(error) => return Attempt::NotConnected(error),
        },
    };
    lease.begin(|out| outgoing.encode(&connection.forwarding, service, server, out), body, outgoing.is_chunked());
    let mut interim = 0;
    let method = &outgoing.head.method;
    let limit = match service.transport.number {
        0 => options.response_header_timeout,
        _ => service.transport.response_header_timeout,
    };
    let answer = poll_fn(|cx| lease.poll_head(cx, method, &mut interim));
    let failure = match outgoing.head_in_time(limit, answer).await {
        Some(Ok(head)) => return Attempt::Answered(head, lease),
        Some(Err(failure)) => failure,
        None => return Attempt::Final(ProxyError::ResponseTimeout),
    };
    if let Some(fault) = outgoing.source.as_ref().and_then(|source| source.fault()) {
        return Attempt::Final(fault);
    }
    let error = match failure {
        NoHead::Bad => ProxyError::BadResponse,
        NoHead::Client | NoHead::Ended if lease.was_reset() => ProxyError::UpstreamReset,
        NoHead::Client | NoHead::Ended => ProxyError::UpstreamClosed,
    };
    let pooled = !lease.fresh;
    if lease.never_reached() {
        return Attempt::Unreached { pooled, error };
    }
    if error == ProxyError::BadResponse {
        return Attempt::Final(error);
    }
    Attempt::Broken { pooled, answered: lease.answered(), error }
}

/// A new connection. Only so many are made to one server at one time: when a service comes back, everybody who waited
/// goes to its first server, and more than its backlog holds would be dropped without a word.
pub(crate) async fn fresh_lease(
    worker: &Rc<Worker>,
    transport: &Transport,
    server: &Server,
    fresh: bool,
    proven: bool,
) -> Result<Lease, ProxyError> {
    let id = server.link;
    let turns = worker.pool.borrow_mut().turns(id);
    let waits = turns.available_permits() == 0;
    // Nobody ever closes it.
    let _turn = turns.acquire().await;
    // Meanwhile somebody may have given one back, or found out that nobody answers there.
    let pooled = if waits && !fresh { worker.pool.borrow_mut().take(id, proven) } else { None };
    if waits && server.state.flags() & flag::UNPROBED != 0 {
        return Err(ProxyError::ConnectFailed);
    }
    match pooled {
        Some(lease) => Ok(lease),
        None => connect_as(transport, server, worker.options.dial_timeout, &worker.scratch).await,
    }
}

/// The upgrade that this response grants. A 101 that was not asked for, or for something else, is an error.
fn granted(asked: Option<HeaderValue>, response: &mut Head) -> Result<Option<HeaderValue>, ProxyError> {
    match asked {
        _ if response.status != StatusCode::SWITCHING_PROTOCOLS => Ok(None),
        Some(token) if upgrade::granted(&token, response.fields.map()) => Ok(Some(token)),
        _ => Err(ProxyError::BadUpgrade),
    }
}

/// Nobody answers at its address, whatever was last heard: it takes no more requests until its port accepts again.
fn suspect(connection: &Connection, place: &ServerPlace) {
    let Some((service, server)) = place.find() else { return };
    if server.state.is_ready() {
        service.state.touch_ready(connection.worker.clock.now());
    }
    if server.state.set(flag::UNPROBED) {
        connection.worker.options.published.wake();
    }
}

/// What waiting for a server came to.
enum Waited {
    /// The table in which there is one, and the service's place in it.
    Found(Rc<Snapshot>, usize),
    /// The time was over, or the service has left the table.
    InVain,
    /// There is no reason to expect one soon, or no place to wait at.
    NotAtAll,
}

/// Waits until the service has a server that takes requests. One that could not be connected to was just suspected, and
/// may be ready again already: that is as good as another one, after a pause.
async fn wait(
    connection: &Rc<Connection>,
    flight: &mut Flight,
    snapshot: &Rc<Snapshot>,
    place: usize,
    last: ProxyError,
) -> Waited {
    let refused = matches!(last, ProxyError::ConnectFailed | ProxyError::ConnectTimeout);
    let worker = &connection.worker;
    let mut changed = worker.options.published.subscribe();
    let Some(service) = snapshot.table.services.get(place) else { return Waited::NotAtAll };
    let recently = service.had_ready_within(REMEMBERED, worker.clock.now());
    // What answers, and answers badly, is not expected back in a moment.
    let failing = service.servers.iter().any(|server| server.state.is_failing());
    if worker.hold.timeout.is_zero() || !recently || failing || (service.admitted() > 0 && !refused) {
        return Waited::NotAtAll;
    }
    let Some(_place) = Place::take(&service.state, worker.hold) else { return Waited::NotAtAll };
    let name = &service.name;
    let began = Instant::now();
    let pause = if refused { REST.saturating_mul(flight.trail.attempts) } else { Duration::ZERO };
    let found = tokio::time::timeout(worker.hold.timeout.saturating_sub(flight.trail.held), async {
        if !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
        loop {
            let snapshot = worker.snapshot();
            let place = snapshot.table.services.iter().position(|s| s.name == *name)?;
            if snapshot.table.services.get(place)?.admitted() > 0 {
                return Some((snapshot, place));
            }
            drop(snapshot);
            changed.changed().await.ok()?;
        }
    })
    .await;
    flight.trail.held += began.elapsed();
    match found {
        Ok(Some((snapshot, place))) => Waited::Found(snapshot, place),
        _ => Waited::InVain,
    }
}

impl Outgoing {
    /// The body can still be sent from its beginning.
    pub(crate) fn is_replayable(&self) -> bool {
        self.source.as_ref().is_none_or(|source| source.is_whole())
    }

    /// The body for one more attempt; `None` if it cannot be sent any more.
    fn body(&self) -> Option<RequestBody> {
        match &self.source {
            None => Some(RequestBody::Empty),
            Some(source) => source.attempt(),
        }
    }

    /// The body's length is not known ahead.
    fn is_chunked(&self) -> bool {
        self.source.as_ref().is_some_and(|source| !source.has_length() && source.length_read().is_none())
    }

    /// The head as the server gets it: written anew from the judged one.
    pub(crate) fn encode(&self, forwarding: &Forwarding, service: &Service, server: &Server, out: &mut Vec<u8>) {
        let RequestHead { method, target, headers, append_forwarded_for, .. } = &self.head;
        let target = target.as_path_and_query().as_str();
        out.reserve(512 + target.len());
        out.extend_from_slice(method.as_str().as_bytes());
        out.push(b' ');
        if !server.base_path.is_empty() {
            out.extend_from_slice(server.base_path.trim_end_matches('/').as_bytes());
        }
        out.extend_from_slice(target.as_bytes());
        out.extend_from_slice(b" HTTP/1.1\r\nhost: ");
        if let Some(lines) = headers.lines() {
            let host = if service.pass_host_header { lines.host() } else { server.host_value.as_bytes() };
            out.extend_from_slice(host);
            out.extend_from_slice(b"\r\n");
            lines.forwarded().for_each(|lines| out.extend_from_slice(lines));
            if *append_forwarded_for {
                write_list(forwarding, None, out);
            }
            out.extend_from_slice(b"\r\n");
            return;
        }
        let host = headers.get(HOST).filter(|_| service.pass_host_header).unwrap_or(&server.host_value);
        out.extend_from_slice(host.as_bytes());
        out.extend_from_slice(b"\r\n");
        // A length that nothing follows is only said where one is expected.
        let has_length = if self.source.is_some() { !self.is_chunked() } else { !method.is_safe() };
        let mut list = None;
        for (name, value) in headers {
            match *name {
                HOST | EXPECT | TRANSFER_ENCODING => continue,
                CONTENT_LENGTH if !has_length => continue,
                _ if *append_forwarded_for && *name == X_FORWARDED_FOR => {
                    list = Some(value);
                    continue;
                }
                _ => {}
            }
            out.extend_from_slice(name.as_str().as_bytes());
            out.extend_from_slice(b": ");
            out.extend_from_slice(value.as_bytes());
            out.extend_from_slice(b"\r\n");
        }
        if *append_forwarded_for {
            write_list(forwarding, list, out);
        }
        if self.is_chunked() {
            out.extend_from_slice(b"transfer-encoding: chunked\r\n");
        }
        if let Some(token) = &self.upgrade {
            out.extend_from_slice(b"connection: Upgrade\r\nupgrade: ");
            out.extend_from_slice(token.as_bytes());
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(b"\r\n");
    }

    /// Awaits a response head for `limit`, zero for ever, counted from the end of the request's body. `None` when the
    /// time is over.
    async fn head_in_time<T>(&self, limit: Duration, answer: impl Future<Output = T>) -> Option<T> {
        if limit.is_zero() {
            return Some(answer.await);
        }
        let mut answer = std::pin::pin!(answer);
        let mut wait = limit;
        loop {
            if let Ok(answer) = tokio::time::timeout(wait, answer.as_mut()).await {
                return Some(answer);
            }
            let since = match &self.source {
                None => limit,
                Some(source) => source.ended_at().map_or(Duration::ZERO, |at| at.elapsed()),
            };
            wait = limit.saturating_sub(since);
            if wait.is_zero() {
                return None;
            }
        }
    }
}

/// The line of `X-Forwarded-For`, if there is one.
fn write_list(forwarding: &Forwarding, list: Option<&HeaderValue>, out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(b"x-forwarded-for: ");
    if forwarding.write_list(list, out) {
        out.extend_from_slice(b"\r\n");
    } else {
        out.truncate(start);
    }
}

/// A base path comes from a label: nothing in it may end the request line.
pub(crate) fn is_sendable(base_path: &str) -> bool {
    base_path.is_empty()
        || (base_path.starts_with('/') && base_path.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'?' | b'#')))
}
