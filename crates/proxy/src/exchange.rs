//! One exchange from its head to its response: judged, routed, passed through middlewares, answered.

use std::rc::Rc;
use std::time::SystemTime;

use bytes::Bytes;
use http::header::{ALLOW, CONNECTION, HeaderValue, UPGRADE};
use http::{Method, Response, StatusCode, Uri, Version};
use seaway_head::{Headers, Judged, RequestHead};
use seaway_routing::{Route, explain};

use crate::body::ClientBody;
use crate::connection::Connection;
use crate::effects::changed::{self, Changed};
use crate::error::ClientLeft;
use crate::http1::request::BadHead;
use crate::http1::respond::Reply;
use crate::metrics;
use crate::passage::{Answer, Content, Passage};
use crate::record::{RoutePlace, Trail};
use crate::response::{Flight, ResponseBody, bare, drop_framing, plain};
use crate::tunnel::Tunnel;
use crate::worker::Snapshot;

/// What a client asks, as its connection read it.
pub(crate) struct Asking {
    pub(crate) method: Method,
    pub(crate) target: Uri,
    pub(crate) version: Version,
    pub(crate) headers: Headers,
    /// None if there is none.
    pub(crate) body: Option<ClientBody>,
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
    let Judged { head, upgrade, speaks } = match judged {
        Ok(judged) => judged,
        Err(refusal) => {
            flight.trail.error = Some(refusal.reason);
            let close = refusal.close || body.is_some();
            return Ok(finish(flight, Answer::local(refused(refusal.status)), close));
        }
    };
    flight.trail.protocol = metrics::protocol(speaks, upgrade.as_ref());
    flight.trail.trust(&head.headers);
    if let Some(metrics) = &connection.worker.metrics {
        flight.trail.header_values = metrics.header_values(|| &*head.headers);
    }

    // 3 the route
    let snapshot = connection.worker.snapshot();
    let entry = snapshot.table.entry_points.get(&connection.entry_point.name);
    let Some((entry, route)) = entry.and_then(|entry| Some((entry, entry.find(&head)?))) else {
        flight.trail.keep_request(&connection.worker, &head.headers);
        let answer = unrouted(&connection, &mut flight, &snapshot, &head);
        return Ok(finish(flight, answer, body.is_some()));
    };
    let place = place_of(&entry.routes, route);
    flight.trail.route = Some(RoutePlace { snapshot: Rc::clone(&snapshot), route: place });
    (flight.trail.logged, flight.trail.counted) = (route.access_log, route.metrics);

    // 4 middlewares, 5 the service, 6 middlewares again
    let passage = Passage::new(&connection, &mut flight, &snapshot, route, upgrade, body);
    let (answer, close) = passage.run(head).await?;
    drop(snapshot);
    Ok(finish(flight, answer, close))
}

/// Ties the flight to the body, so that everything is settled when the last byte is out.
fn finish(mut flight: Flight, answer: Answer, close: bool) -> Reply<ResponseBody> {
    let Answer { status, reason, mut fields, content, changes, .. } = answer;
    flight.trail.status = Some(status);
    flight.trail.keep_downstream(&flight.connection.worker, &mut fields);
    let last = flight.connection.is_last_answer();
    if close || last || flight.connection.worker.is_draining() {
        fields.map().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    let body = match content {
        Content::Local(data) => {
            flight.leave_server();
            // What the server said of the length of another body.
            let data = if changes.is_empty() { data } else { changed::all(changes, &data).unwrap_or_default() };
            let data = (!data.is_empty()).then_some(data);
            ResponseBody::Fixed { data, flight: Some(flight) }
        }
        Content::Upstream if !changes.is_empty() => ResponseBody::Changed(Box::new(Changed::new(flight, changes))),
        Content::Upstream => ResponseBody::Upstream { flight: Some(flight) },
        Content::Tunnel(granted) => {
            let (lease, token) = *granted;
            let headers = fields.map();
            drop_framing(headers);
            headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
            headers.insert(UPGRADE, token);
            flight.unpin();
            let connection = Rc::clone(&flight.connection);
            *connection.tunnel.borrow_mut() = Some(Tunnel { lease, flight });
            ResponseBody::Fixed { data: None, flight: None }
        }
    };
    Reply { status, reason, fields, body }
}

/// 404, as Traefik says it; with the reason where clients are told.
fn unrouted(connection: &Connection, flight: &mut Flight, snapshot: &Snapshot, head: &RequestHead) -> Answer {
    let name = &*connection.entry_point.name;
    let reason = explain::unrouted_reason(snapshot.table.entry_points.get(name).map(|entry| &**entry), head);
    flight.trail.error = Some("no_route");
    flight.trail.unrouted = Some(reason);
    let options = &connection.worker.options.unrouted;
    if let Some(hosts) = &options.hosts {
        hosts.note(connection.worker.id, name, &head.host, head.target.path(), reason, SystemTime::now());
    }
    let mut response = plain(StatusCode::NOT_FOUND, "404 page not found\n");
    if options.explains {
        let why = explain::unrouted_text(&snapshot.table, name, head);
        *response.body_mut() = Bytes::from(format!("404 page not found\n\n{why}"));
    }
    Answer::local(response)
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

/// The place of a route in the slice that it was found in.
fn place_of(routes: &[Route], route: &Route) -> usize {
    routes.element_offset(route).unwrap_or(usize::MAX)
}
