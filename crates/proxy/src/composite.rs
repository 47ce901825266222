//! Requests to services that stand before others: sent to the one that has servers, to a second one where the first
//! cannot answer, and copied.

use std::cell::Cell;
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use http::header::{CONTENT_LENGTH, EXPECT, HeaderValue, SET_COOKIE};
use seaway_config::Name;
use seaway_head::{Forwarding, RequestHead};
use seaway_routing::balancer::{Asked, Pick, Tried, Want};
use seaway_routing::composite::{ErrorAnswers, Way};
use seaway_routing::{RoutingTable, Service};
use seaway_routing::{ServerState, Verdict};

use crate::body::{RequestBody, Unread};
use crate::connection::Connection;
use crate::error::ProxyError;
use crate::forward::{self, Failed, Forwarded, Outgoing, fresh_lease};
use crate::response::Flight;
use crate::worker::{Snapshot, Worker};

/// Other ways that are looked for when there was nobody at the end of one.
const OTHER_WAYS: u32 = 4;
/// Longest body that is kept for a copy or a second choice where no limit is configured.
const KEPT_BODY: u64 = 16 * 1024 * 1024;
/// Copies that one worker sends at one time; more are not sent.
const COPYING: u32 = 64;
/// Time for one copy, answer included.
const COPY_TIME: Duration = Duration::from_secs(30);
/// So much of the answer to a copy is read; after more the connection is closed.
const COPY_ANSWER: usize = 1024 * 1024;

/// Forwards a request to `service`, whatever it is.
pub(crate) async fn forward(
    connection: &Rc<Connection>,
    flight: &mut Flight,
    routed: &Rc<Snapshot>,
    service: usize,
    mut outgoing: Outgoing,
) -> Result<Forwarded, Failed> {
    match routed.table.services.get(service) {
        Some(found) if found.composite.is_some() => {
            Box::pin(through(connection, flight, routed, found.name.clone(), outgoing)).await
        }
        _ => forward::forward(connection, flight, routed, service, &mut outgoing).await,
    }
}

async fn through(
    connection: &Rc<Connection>,
    flight: &mut Flight,
    routed: &Rc<Snapshot>,
    root: Name,
    mut outgoing: Outgoing,
) -> Result<Forwarded, Failed> {
    let mut snapshot = Rc::clone(routed);
    let nobody = || Failed::new(ProxyError::NoServer);
    let Some((mut leaf, mut way)) = find(&snapshot.table, &root, &outgoing.head) else { return Err(nobody()) };
    let copies = if outgoing.upgrade.is_some() { Vec::new() } else { std::mem::take(&mut way.copies) };
    let with_body = way.copied_body;
    let copied = (!copies.is_empty()).then(|| outgoing.head.clone());
    if let Some(source) = &outgoing.source {
        if let Some(most) = with_body.filter(|_| !copies.is_empty()) {
            source.remember_up_to(most.unwrap_or(KEPT_BODY).min(KEPT_BODY));
        }
        if let Some((_, errors)) = &way.second {
            match errors.most {
                None => source.remember_up_to(KEPT_BODY),
                Some(most) => match source.read_whole(most).await {
                    Ok(read) => {
                        outgoing.head.headers.insert(CONTENT_LENGTH, HeaderValue::from(read.len()));
                    }
                    Err(Unread::TooLong) => return Err(Failed::new(ProxyError::BodyTooLong)),
                    Err(Unread::NoRoom) => return Err(Failed::new(ProxyError::Overloaded)),
                    Err(Unread::Fault(error)) => return Err(Failed::new(error)),
                },
            }
        }
    }
    // As long as there may be another way, nobody is waited for.
    outgoing.patient = false;
    let mut ways = 0;
    let mut result = loop {
        let result = forward::forward(connection, flight, &snapshot, leaf, &mut outgoing).await;
        let gone = matches!(&result, Err(failed) if !failed.lost && is_about_reaching(failed.error));
        if !gone || outgoing.patient || !outgoing.is_replayable() {
            break result;
        }
        ways += 1;
        flight.leave_server();
        snapshot = connection.worker.snapshot();
        let Some(other) = find(&snapshot.table, &root, &outgoing.head) else { break result };
        let is_up = snapshot.table.services.get(other.0).is_some_and(|service| service.admitted() > 0);
        (leaf, way) = other;
        outgoing.patient = !is_up || ways > OTHER_WAYS;
    };
    let mut cookies = std::mem::take(&mut way.cookies);
    if let Some((second, errors)) = way.second.take()
        && is_failure(&result, &errors)
        && outgoing.is_replayable()
        && let Some((leaf, way)) = find(&snapshot.table, &second, &outgoing.head)
    {
        if let Ok(forwarded) = result {
            flight.hold_lease(forwarded.lease);
            flight.discard();
        }
        flight.leave_server();
        flight.trail.sticky = Verdict::None;
        outgoing.patient = true;
        result = forward::forward(connection, flight, &snapshot, leaf, &mut outgoing).await;
        cookies.extend(way.cookies);
    }
    if let Some(head) = copied
        && !matches!(&result, Err(failed) if failed.error == ProxyError::ClientGone)
    {
        let body = match with_body {
            Some(most) => body(&outgoing, most.unwrap_or(KEPT_BODY).min(KEPT_BODY)).await,
            None => Some(Bytes::new()),
        };
        if let Some(body) = body {
            copy(connection, &snapshot, copies, head, body);
        }
    }
    match &mut result {
        Ok(forwarded) => cookies.into_iter().for_each(|cookie| {
            forwarded.response.fields.map().append(SET_COOKIE, cookie);
        }),
        Err(failed) => {
            failed.level_cookies = cookies;
            if failed.error == ProxyError::NoServer && way.no_substitute {
                failed.error = ProxyError::NoSubstitute;
            }
        }
    }
    result
}

/// The service with servers that a request to `root` goes to, and what else is to be done.
fn find(table: &RoutingTable, root: &Name, head: &RequestHead) -> Option<(usize, Way)> {
    let mut way = Way::default();
    let leaf = table.leaf(table.service_place(root)?, &Asked::from(head), &mut way)?;
    Some((leaf, way))
}

/// Nobody had the request: somebody else may.
fn is_about_reaching(error: ProxyError) -> bool {
    matches!(
        error,
        ProxyError::NoServer
            | ProxyError::ConnectFailed
            | ProxyError::ConnectTimeout
            | ProxyError::UpstreamClosed
            | ProxyError::UpstreamReset
    )
}

fn is_failure(result: &Result<Forwarded, Failed>, errors: &ErrorAnswers) -> bool {
    match result {
        Ok(forwarded) => forwarded.upgrade.is_none() && errors.contains(forwarded.response.status),
        Err(failed) => errors.contains(failed.error.status()) && failed.error != ProxyError::ClientGone,
    }
}

/// The request's body, if all of it is there and it is no longer than that.
async fn body(outgoing: &Outgoing, most: u64) -> Option<Bytes> {
    let Some(source) = &outgoing.source else { return Some(Bytes::new()) };
    // A copy waits for nobody: what is still to come when the answer is there is not copied.
    if !source.has_ended() || !source.is_whole() || source.received() > most {
        return None;
    }
    source.read_whole(most).await.ok()
}

thread_local! {
    /// Copies that this worker is sending.
    static RUNNING: Cell<u32> = const { Cell::new(0) };
}

/// One of the copies that a worker may send at one time.
struct Running;

impl Running {
    fn begin() -> Option<Self> {
        RUNNING.with(|running| {
            (running.get() < COPYING).then(|| {
                running.set(running.get() + 1);
                Self
            })
        })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        RUNNING.with(|running| running.set(running.get().saturating_sub(1)));
    }
}

/// Sends copies one after the other, whatever becomes of the client. Nobody reads what is answered.
fn copy(connection: &Rc<Connection>, snapshot: &Rc<Snapshot>, names: Vec<Name>, mut head: RequestHead, body: Bytes) {
    let Some(running) = Running::begin() else { return };
    // A method without a meaning for bodies is copied without one.
    let body = if head.method.is_safe() { Bytes::new() } else { body };
    head.headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
    head.headers.remove(EXPECT);
    let outgoing = Outgoing { head, source: None, upgrade: None, idempotent: false, patient: false };
    // Nothing of the client's connection is held: it may end long before the copies do.
    let (worker, forwarding, snapshot) =
        (Rc::clone(&connection.worker), connection.forwarding.clone(), Rc::clone(snapshot));
    tokio::task::spawn_local(async move {
        for name in names {
            let sending = send(&worker, &forwarding, &snapshot, &name, &outgoing, &body);
            // What went wrong is nobody's concern, as Traefik has it.
            let _sent = tokio::time::timeout(COPY_TIME, sending).await;
        }
        drop(running);
    });
}

async fn send(
    worker: &Rc<Worker>,
    forwarding: &Forwarding,
    snapshot: &Snapshot,
    name: &Name,
    outgoing: &Outgoing,
    body: &Bytes,
) -> Option<()> {
    let (leaf, _) = find(&snapshot.table, name, &outgoing.head)?;
    let service: &Service = snapshot.table.services.get(leaf)?;
    let Pick::Server(picked) = service.pick(&outgoing.head, &Tried::default(), Want::Ready) else { return None };
    let server = service.servers.get(picked.index)?;
    if !forward::is_sendable(&server.base_path) {
        return None;
    }
    let _entered = Entered::new(&server.state, worker.id);
    let pooled = worker.pool.borrow_mut().take(server.link, true);
    let mut lease = match pooled {
        Some(lease) => lease,
        None => fresh_lease(worker, &service.transport, server, true, true).await.ok()?,
    };
    let write = |out: &mut Vec<u8>| {
        outgoing.encode(forwarding, service, server, out);
        out.extend_from_slice(body);
    };
    lease.begin(write, RequestBody::Empty, false);
    let mut interim = 0;
    let method = &outgoing.head.method;
    let head = poll_fn(|cx| lease.poll_head(cx, method, &mut interim)).await.ok()?;
    if head.status == StatusCode::SWITCHING_PROTOCOLS {
        return None;
    }
    let mut read = 0;
    while let Some(frame) = poll_fn(|cx| lease.poll_body(cx)).await {
        read += frame.ok()?.data_ref().map_or(0, Bytes::len);
        if read > COPY_ANSWER {
            return None;
        }
    }
    worker.pool.borrow_mut().give_back(lease);
    Some(())
}

/// A copy in flight.
struct Entered {
    state: Arc<ServerState>,
    worker: usize,
}

impl Entered {
    fn new(state: &Arc<ServerState>, worker: usize) -> Self {
        state.enter(worker);
        Self { state: Arc::clone(state), worker }
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        self.state.leave(self.worker);
    }
}
