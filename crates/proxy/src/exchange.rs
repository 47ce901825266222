//! One exchange from its head to its response: judged, routed, passed through middlewares, answered.

use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{ALLOW, CONNECTION, HeaderMap, HeaderValue, RETRY_AFTER, SET_COOKIE, UPGRADE};
use http::{Method, Response, StatusCode, Uri, Version};
use seaway_head::{Judged, RequestHead, ResponseHead, hop};
use seaway_middleware::protocol::{Asked, CameFrom, Length};
use seaway_middleware::{Came, Context, Flow, Memory, Middleware};
use seaway_routing::{Route, RouteTarget};

use crate::body::{ClientBody, Source};
use crate::connection::Connection;
use crate::error::{ClientLeft, ProxyError, Side};
use crate::forward::{self, Forwarded, Outgoing};
use crate::http1::request::BadHead;
use crate::http1::respond::Reply;
use crate::http1::response::Head;
use crate::internal::InternalRequest;
use crate::metrics;
use crate::record::{RoutePlace, Trail};
use crate::response::{Flight, ResponseBody, bare, drop_framing, plain};
use crate::retry::is_idempotent;
use crate::tunnel::Tunnel;
use crate::upstream::link::Lease;

/// What a client asks, as its connection read it.
pub(crate) struct Asking {
    pub(crate) method: Method,
    pub(crate) target: Uri,
    pub(crate) version: Version,
    pub(crate) headers: HeaderMap,
    /// None if there is none.
    pub(crate) body: Option<ClientBody>,
}

/// What a client is answered, before the flight is tied to the body.
type Answer = Reply<Content>;

enum Content {
    /// Made here.
    Local(Bytes),
    /// From a server, over the connection that the flight holds.
    Upstream,
    /// Granted by a server, with the token that was asked for: bytes from now on.
    Tunnel(Box<(Lease, HeaderValue)>),
}

/// Serves one request. Whatever goes wrong becomes a response, unless there is nobody left to read it.
///
/// The flight begins with the call and not with the first poll: a client that leaves at once is in the log like any other.
pub(crate) fn serve(
    connection: Rc<Connection>,
    asking: Asking,
) -> impl Future<Output = Result<Reply<ResponseBody>, ClientLeft>> {
    let trail = Trail::begin(&asking.method, &asking.target, asking.version, &asking.headers);
    let flight = Flight::begin(&connection, trail);
    exchange(connection, flight, asking)
}

/// Answers what is no request. It has its line in the log, with what could be read of it.
pub(crate) fn refuse(connection: &Rc<Connection>, bad: BadHead) -> Reply<ResponseBody> {
    let mut flight = Flight::begin(connection, Trail::unread(bad.method, bad.target.as_ref(), bad.version));
    flight.trail.error = Some(bad.reason);
    finish(flight, Answer::local(refused(bad.status)), true)
}

async fn exchange(
    connection: Rc<Connection>,
    mut flight: Flight,
    asking: Asking,
) -> Result<Reply<ResponseBody>, ClientLeft> {
    // 1 the head is judged; what is refused reaches nothing
    // 2 hop-by-hop headers go before Seaway's own come, so that no client can name ours away
    let Asking { method, target, version, headers, body } = asking;
    let judged = connection.judge.borrow_mut().admit(method, &target, version, headers, &connection.forwarding);
    let Judged { mut head, upgrade, speaks } = match judged {
        Ok(judged) => judged,
        Err(refusal) => {
            flight.trail.error = Some(refusal.reason);
            let close = refusal.close || body.is_some();
            return Ok(finish(flight, Answer::local(refused(refusal.status)), close));
        }
    };
    flight.trail.protocol = metrics::protocol(speaks, upgrade.as_ref());
    flight.trail.trust(&head.headers);

    // 3 the route
    let snapshot = connection.worker.snapshot();
    let entry = snapshot.table.entry_points.get(&connection.entry_point.name);
    let Some((entry, route)) = entry.and_then(|entry| Some((entry, entry.find(&head)?))) else {
        flight.trail.error = Some("no_route");
        let answer = Answer::local(plain(StatusCode::NOT_FOUND, "404 page not found\n"));
        return Ok(finish(flight, answer, body.is_some()));
    };
    let place = place_of(&entry.routes, route);
    flight.trail.route = Some(RoutePlace { snapshot: Rc::clone(&snapshot), route: place });
    (flight.trail.logged, flight.trail.counted) = (route.access_log, route.metrics);

    // 4 middlewares, request side
    let passed = pass(&route.chain, &mut head);
    // An answer of ours leaves a body unread; what follows on the connection would be taken for it.
    let mut close = body.is_some();
    let (mut answer, passed) = match passed {
        Err((passed, answer)) => {
            flight.trail.error = Some(answer.reason);
            let mut response = Response::new(answer.body);
            *response.status_mut() = answer.status;
            *response.headers_mut() = answer.headers;
            (Answer::local(response), passed)
        }
        // 5 the service
        Ok(()) => {
            let answer = match &route.target {
                RouteTarget::Quarantined(code) => {
                    flight.trail.error = Some("quarantined");
                    Answer::local(quarantined(*code))
                }
                RouteTarget::Internal(service) => {
                    flight.trail.logged &= connection.worker.options.log_internals;
                    flight.trail.counted &= connection.worker.options.count_internals;
                    let request = InternalRequest {
                        service: service.clone(),
                        method: head.method.clone(),
                        path: head.target.path().to_owned(),
                        query: head.target.query().map(str::to_owned),
                    };
                    Answer::local(connection.worker.options.internal.call(request).await)
                }
                RouteTarget::Service(service) => {
                    let silence = connection.entry_point.read_timeout;
                    let source = body.map(|body| Source::new(body, &connection.client, silence));
                    flight.hold_source(source.clone());
                    flight.trail.forwarded = true;
                    let idempotent = is_idempotent(&head.method);
                    let outgoing = Outgoing { head, source, upgrade, idempotent };
                    match forward::forward(&connection, &mut flight, &snapshot, *service, outgoing).await {
                        Ok(forwarded) => {
                            close = false;
                            Answer::upstream(&mut flight, forwarded)
                        }
                        Err(failed) => {
                            flight.trail.error = Some(failed.error.as_str());
                            flight.trail.lost = failed.lost;
                            if failed.error == ProxyError::ClientGone {
                                return Err(ClientLeft);
                            }
                            close = failed.error.side() == Side::Client || flight.has_unread_body();
                            let mut response = failure(failed.error);
                            add_cookie(response.headers_mut(), failed.set_cookie);
                            Answer::local(response)
                        }
                    }
                }
            };
            (answer, route.chain.len())
        }
    };
    // 6 middlewares, response side, from the innermost that saw the request outwards
    for middleware in route.chain.iter().take(passed).rev() {
        answer.rewrite(middleware);
    }
    drop(snapshot);
    Ok(finish(flight, answer, close))
}

/// Runs the request hooks. A middleware that answers gives how many had passed before it.
fn pass(chain: &[Arc<Middleware>], head: &mut RequestHead) -> Result<(), (usize, Box<seaway_middleware::Answer>)> {
    let method = head.method.clone();
    let (mut memory, mut user, mut remember) = (Memory::Nothing, None, 0);
    let mut cx = context(&method, &mut memory, &mut user, &mut remember);
    for (passed, middleware) in chain.iter().enumerate() {
        match middleware.on_request(head, &mut cx) {
            Flow::Next => {}
            Flow::Answer(answer) => return Err((passed, answer)),
            Flow::Need(_) => {
                let answer = seaway_middleware::Answer::bare(StatusCode::INTERNAL_SERVER_ERROR, "need");
                return Err((passed, Box::new(answer)));
            }
        }
    }
    Ok(())
}

fn context<'a>(
    method: &'a Method,
    memory: &'a mut Memory,
    user: &'a mut Option<Box<str>>,
    remember: &'a mut u64,
) -> Context<'a> {
    let asked = Asked { method, target: None, host: None, body: Length::None, upgrade: false };
    Context { now: std::time::Duration::ZERO, asked, certificates: &[], memory, user, remember }
}

impl Answer {
    fn local(response: Response<Bytes>) -> Self {
        let Reply { status, reason, headers, body } = response.into();
        Self { status, reason, headers, body: Content::Local(body) }
    }

    fn upstream(flight: &mut Flight, forwarded: Forwarded) -> Self {
        let Forwarded { response, lease, set_cookie, upgrade } = forwarded;
        let Head { status, reason, mut headers, .. } = response;
        flight.trail.origin_status = Some(status);
        hop::strip_response(&mut headers);
        add_cookie(&mut headers, set_cookie);
        let body = match upgrade {
            Some(token) => Content::Tunnel(Box::new((lease, token))),
            None => {
                flight.hold_lease(lease);
                Content::Upstream
            }
        };
        Self { status, reason, headers, body }
    }

    fn rewrite(&mut self, middleware: &Middleware) {
        let mut status = self.status;
        let (mut memory, mut user, mut remember) = (Memory::Nothing, None, 0);
        let mut cx = context(&Method::GET, &mut memory, &mut user, &mut remember);
        let came = Came { from: CameFrom::Server, body: Length::Unknown, head_only: false, repeatable: false };
        let mut head = ResponseHead { status: &mut status, headers: &mut self.headers };
        let _next = middleware.on_response(&mut head, &came, &mut cx);
        // A tunnel has been granted: that is not a middleware's to change.
        if !matches!(self.body, Content::Tunnel(_)) && status != self.status {
            (self.status, self.reason) = (status, None);
        }
    }
}

/// Ties the flight to the body, so that everything is settled when the last byte is out.
fn finish(mut flight: Flight, answer: Answer, close: bool) -> Reply<ResponseBody> {
    let Reply { status, reason, mut headers, body } = answer;
    flight.trail.status = Some(status);
    if close || flight.connection.worker.is_draining() {
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    let body = match body {
        Content::Local(data) => {
            flight.leave_server();
            let data = (!data.is_empty()).then_some(data);
            ResponseBody::Fixed { data, flight: Some(flight) }
        }
        Content::Upstream => ResponseBody::Upstream { flight: Some(flight) },
        Content::Tunnel(granted) => {
            let (lease, token) = *granted;
            drop_framing(&mut headers);
            headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
            headers.insert(UPGRADE, token);
            flight.unpin();
            let connection = Rc::clone(&flight.connection);
            *connection.tunnel.borrow_mut() = Some(Tunnel { lease, flight });
            ResponseBody::Fixed { data: None, flight: None }
        }
    };
    Reply { status, reason, headers, body }
}

fn add_cookie(headers: &mut HeaderMap, cookie: Option<HeaderValue>) {
    if let Some(cookie) = cookie {
        headers.append(SET_COOKIE, cookie);
    }
}

fn refused(status: StatusCode) -> Response<Bytes> {
    let mut response = match status {
        StatusCode::NO_CONTENT => bare(status, ""),
        _ => plain(status, status.canonical_reason().unwrap_or("Bad Request")),
    };
    if matches!(status, StatusCode::METHOD_NOT_ALLOWED | StatusCode::NO_CONTENT) {
        let allow = HeaderValue::from_static("GET, HEAD, POST, PUT, DELETE, OPTIONS, PATCH");
        response.headers_mut().insert(ALLOW, allow);
    }
    response
}

fn quarantined(code: seaway_config::Code) -> Response<Bytes> {
    let mut response = plain(StatusCode::SERVICE_UNAVAILABLE, "");
    *response.body_mut() = Bytes::from(format!("Service Unavailable ({code})\n"));
    response
}

fn failure(error: ProxyError) -> Response<Bytes> {
    match error {
        ProxyError::NoServer | ProxyError::NoResources => {
            let mut response = plain(StatusCode::SERVICE_UNAVAILABLE, "no available server\n");
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
            response
        }
        _ => bare(error.status(), error.status().canonical_reason().unwrap_or("Bad Gateway")),
    }
}

/// The place of a route in the slice that it was found in.
fn place_of(routes: &[Route], route: &Route) -> usize {
    routes.element_offset(route).unwrap_or(usize::MAX)
}
