//! One exchange from its head to its response: judged, routed, passed through middlewares, answered.

use std::convert::Infallible;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONNECTION, HeaderMap, HeaderValue, RETRY_AFTER};
use http::{Request, Response, StatusCode};
use hyper::body::{Body as _, Incoming};
use seaway_head::{Judged, RequestHead, ResponseHead, hop};
use seaway_middleware::{Flow, Middleware};
use seaway_routing::{Route, RouteTarget};

use crate::body::Source;
use crate::connection::Connection;
use crate::error::{ProxyError, Side};
use crate::forward::{self, Forwarded, Outgoing};
use crate::internal::InternalRequest;
use crate::record::{Trail, Way};
use crate::response::{Flight, ResponseBody, bare, drop_framing, plain};
use crate::retry::is_idempotent;
use crate::tunnel::Tunnel;
use crate::upstream::pool::Lease;

/// What an exchange ends with before its flight is tied to the body.
enum Outcome {
    /// Made here.
    Local(Response<Bytes>),
    /// From a server.
    Upstream(Response<Incoming>),
    /// Granted by a server: bytes from now on.
    Tunnel(Response<Bytes>, Box<(Lease, HeaderValue)>),
}

/// Serves one request. Never fails: whatever goes wrong becomes a response.
pub(crate) async fn serve(
    connection: Rc<Connection>,
    request: Request<Incoming>,
) -> Result<Response<ResponseBody>, Infallible> {
    connection.client.exchange_begins();
    let (parts, incoming) = request.into_parts();
    let trail = Trail::begin(&parts.method, &parts.uri, parts.version, &parts.headers);
    let mut flight = Flight::begin(&connection, trail);

    // 1 the head is judged; what is refused reaches nothing
    let judged = connection.judge.borrow_mut().judge(parts.method, &parts.uri, parts.version, parts.headers);
    let Judged { mut head, upgrade } = match judged {
        Ok(judged) => judged,
        Err(refusal) => {
            flight.trail.error = Some(refusal.reason);
            let mut response = refusal_response(refusal.status);
            if refusal.close {
                response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            return Ok(finish(flight, Outcome::Local(response)));
        }
    };
    // 2 hop-by-hop headers go before Seaway's own come, so that no client can name ours away
    hop::strip_request(&mut head.headers);
    connection.forwarding.prepare(&mut head.headers, upgrade.is_some());
    flight.trail.trust(&head.headers);

    // 3 the route
    let snapshot = connection.worker.snapshot();
    let entry = snapshot.table.entry_points.get(&*connection.entry_point.name);
    let Some((entry, route)) = entry.and_then(|entry| Some((entry, entry.find(&head)?))) else {
        flight.trail.error = Some("no_route");
        return Ok(finish(flight, Outcome::Local(not_found())));
    };
    let place = place_of(&entry.routes, route);
    flight.trail.way = Way::Route { snapshot: Rc::clone(&snapshot), route: place };
    flight.trail.logged = route.access_log;

    // 4 middlewares, request side
    let (mut outcome, passed) = match pass(&route.chain, &mut head) {
        Err((passed, answer)) => {
            flight.trail.error = Some(answer.reason);
            let mut response = bare(answer.status, answer.body);
            response.headers_mut().extend(answer.headers);
            (Outcome::Local(response), passed)
        }
        // 5 the service
        Ok(()) => {
            let outcome = match &route.target {
                RouteTarget::Quarantined(code) => {
                    flight.trail.error = Some("quarantined");
                    Outcome::Local(quarantined(*code))
                }
                RouteTarget::Internal(service) => {
                    flight.trail.logged &= connection.worker.options.log_internals;
                    let request = InternalRequest {
                        service: service.clone(),
                        method: head.method.clone(),
                        path: head.target.path().to_owned(),
                        query: head.target.query().map(str::to_owned),
                    };
                    Outcome::Local(connection.worker.options.internal.call(request).await)
                }
                RouteTarget::Service(service) => {
                    let idempotent = is_idempotent(&head.method);
                    let source = (!incoming.is_end_stream())
                        .then(|| Source::new(incoming, idempotent, connection.entry_point.read_timeout));
                    flight.hold_source(source.clone());
                    let outgoing = Outgoing { head, source, upgrade, idempotent };
                    let forwarded =
                        forward::forward(&connection, &mut flight, &snapshot, place, *service, outgoing).await;
                    answer(&mut flight, forwarded)
                }
            };
            (outcome, route.chain.len())
        }
    };
    // 6 middlewares, response side, from the innermost that saw the request outwards
    for middleware in route.chain.iter().take(passed).rev() {
        outcome.rewrite(middleware);
    }
    drop(snapshot);
    Ok(finish(flight, outcome))
}

/// Runs the request hooks. A middleware that answers gives how many had passed before it.
fn pass(chain: &[Arc<Middleware>], head: &mut RequestHead) -> Result<(), (usize, Box<seaway_middleware::Answer>)> {
    for (passed, middleware) in chain.iter().enumerate() {
        if let Flow::Answer(answer) = middleware.on_request(head) {
            return Err((passed, answer));
        }
    }
    Ok(())
}

/// Turns what came of forwarding into a response.
fn answer(flight: &mut Flight, forwarded: Result<Forwarded, forward::Failed>) -> Outcome {
    match forwarded {
        Ok(Forwarded { mut response, lease, set_cookie, upgrade }) => {
            flight.trail.origin_status = Some(response.status());
            hop::strip_response(response.headers_mut());
            add_cookie(&mut response, set_cookie);
            match upgrade {
                Some(token) => Outcome::Tunnel(response.map(|_| Bytes::new()), Box::new((lease, token))),
                None => {
                    flight.hold_lease(lease);
                    Outcome::Upstream(response)
                }
            }
        }
        Err(failed) => {
            flight.trail.error = Some(failed.error.as_str());
            flight.trail.lost = failed.lost;
            let mut response = error_response(failed.error);
            if failed.error.side() == Side::Client {
                response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            add_cookie(&mut response, failed.set_cookie);
            Outcome::Local(response)
        }
    }
}

impl Outcome {
    fn rewrite(&mut self, middleware: &Middleware) {
        let mut status = self.status();
        middleware.on_response(&mut ResponseHead { status: &mut status, headers: self.headers_mut() });
        match self {
            Self::Local(response) => *response.status_mut() = status,
            Self::Upstream(response) => *response.status_mut() = status,
            // A tunnel has been granted: its status is not a middleware's to change.
            Self::Tunnel(..) => {}
        }
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::Local(response) | Self::Tunnel(response, _) => response.status(),
            Self::Upstream(response) => response.status(),
        }
    }

    fn headers_mut(&mut self) -> &mut HeaderMap {
        match self {
            Self::Local(response) | Self::Tunnel(response, _) => response.headers_mut(),
            Self::Upstream(response) => response.headers_mut(),
        }
    }
}

/// Ties the flight to the body, so that everything is settled when the last byte is out.
fn finish(mut flight: Flight, mut outcome: Outcome) -> Response<ResponseBody> {
    if flight.connection().worker.is_draining() {
        outcome.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    match outcome {
        Outcome::Local(response) => {
            flight.trail.status = response.status();
            clear_default_error(&mut flight);
            flight.leave_server();
            let (parts, data) = response.into_parts();
            let data = (!data.is_empty()).then_some(data);
            Response::from_parts(parts, ResponseBody::Fixed { data, flight: Some(Box::new(flight)) })
        }
        Outcome::Upstream(response) => {
            flight.trail.status = response.status();
            clear_default_error(&mut flight);
            let (parts, incoming) = response.into_parts();
            Response::from_parts(parts, ResponseBody::Upstream { incoming, flight: Some(Box::new(flight)) })
        }
        Outcome::Tunnel(mut response, tunnel) => {
            flight.trail.status = response.status();
            clear_default_error(&mut flight);
            flight.unpin();
            let headers = response.headers_mut();
            drop_framing(headers);
            headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
            let (lease, token) = *tunnel;
            headers.insert(http::header::UPGRADE, token);
            let connection = flight.connection();
            *connection.tunnel.borrow_mut() = Some(Tunnel { lease, flight });
            response.map(|_| ResponseBody::Fixed { data: None, flight: None })
        }
    }
}

/// An exchange begins as one whose client left; once there is an answer that is no longer so.
fn clear_default_error(flight: &mut Flight) {
    if flight.trail.error == Some(ProxyError::ClientGone.as_str())
        && flight.trail.status != ProxyError::ClientGone.status()
    {
        flight.trail.error = None;
    }
}

fn add_cookie<B>(response: &mut Response<B>, cookie: Option<HeaderValue>) {
    if let Some(cookie) = cookie {
        response.headers_mut().append(http::header::SET_COOKIE, cookie);
    }
}

fn refusal_response(status: StatusCode) -> Response<Bytes> {
    let mut response = match status {
        StatusCode::NO_CONTENT => bare(status, ""),
        _ => plain(status, status.canonical_reason().unwrap_or("Bad Request")),
    };
    if status == StatusCode::METHOD_NOT_ALLOWED {
        let allow = HeaderValue::from_static("GET, HEAD, POST, PUT, DELETE, OPTIONS, PATCH");
        response.headers_mut().insert(http::header::ALLOW, allow);
    }
    response
}

fn not_found() -> Response<Bytes> {
    plain(StatusCode::NOT_FOUND, "404 page not found\n")
}

fn quarantined(code: seaway_config::Code) -> Response<Bytes> {
    let mut response = plain(StatusCode::SERVICE_UNAVAILABLE, "");
    *response.body_mut() = Bytes::from(format!("Service Unavailable ({code})\n"));
    response
}

fn error_response(error: ProxyError) -> Response<Bytes> {
    match error {
        ProxyError::NoServer | ProxyError::NoResources => {
            let mut response = plain(StatusCode::SERVICE_UNAVAILABLE, "no available server\n");
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
            response
        }
        ProxyError::ClientGone => bare(error.status(), "Client Closed Request"),
        _ => bare(error.status(), error.status().canonical_reason().unwrap_or("Bad Gateway")),
    }
}

/// The place of a route in the slice that it was found in.
fn place_of(routes: &[Route], route: &Route) -> usize {
    let offset = std::ptr::from_ref(route).addr().wrapping_sub(routes.as_ptr().addr());
    offset / size_of::<Route>()
}
