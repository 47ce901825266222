//! Response bodies on their way to a client, and what is settled when one ends.

use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Instant;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderValue};
use http::{Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use seaway_middleware::Outcome;
use seaway_routing::ServerState;

use crate::body::Source;
use crate::connection::Connection;
use crate::downstream::ReplyBody;
use crate::effects::changed::Changed;
use crate::effects::ledger::Ledger;
use crate::effects::room::Room;
use crate::error::ProxyError;
use crate::record::{ServerPlace, Trail};
use crate::upstream::link::{Cut, Lease};

/// So many pieces of a response that nobody wants are read if they are there.
const WORTH_READING: usize = 8;

/// One exchange under way. Whatever happens to it, dropping it settles everything exactly once: the in-flight count,
/// the borrowed connection, the log line, the client's idle limit.
pub(crate) struct Flight {
    pub(crate) connection: Rc<Connection>,
    pub(crate) trail: Trail,
    /// It is in the in-flight count of the server that the trail ends at.
    entered: bool,
    /// The server of a tunnel, which pins this state and no table.
    pinned: Option<Arc<ServerState>>,
    pub(crate) lease: Option<Lease>,
    source: Option<Rc<Source>>,
    number: u64,
    /// What it owes to middlewares.
    pub(crate) ledger: Ledger,
}

impl Flight {
    pub(crate) fn begin(connection: &Rc<Connection>, trail: Trail) -> Self {
        connection.client.exchange_begins();
        let number = connection.worker.count_request();
        let connection = Rc::clone(connection);
        let ledger = Ledger::default();
        Self { connection, trail, entered: false, pinned: None, lease: None, source: None, number, ledger }
    }

    /// The exchange is sent to this server; an earlier one is left.
    pub(crate) fn enter_server(&mut self, place: ServerPlace) {
        self.leave_server();
        if let Some(state) = place.state() {
            state.enter(self.connection.worker.id);
            self.entered = true;
        }
        self.trail.server = Some(place);
    }

    /// The exchange is with no server any more.
    pub(crate) fn leave_server(&mut self) {
        if std::mem::take(&mut self.entered)
            && let Some(state) = self.state()
        {
            state.leave(self.connection.worker.id);
        }
        self.pinned = None;
    }

    /// Stays with the server that it is with, while the trail names another one.
    pub(crate) fn stay(&mut self) {
        self.pinned = self.state().filter(|_| self.entered).map(Arc::clone);
    }

    /// The connection that carries the response.
    pub(crate) fn hold_lease(&mut self, lease: Lease) {
        self.lease = Some(lease);
    }

    /// How many bytes of the response's body are still to come, where that is known.
    pub(crate) fn body_left(&self) -> Option<u64> {
        self.lease.as_ref().map_or(Some(0), |lease| lease.body_left())
    }

    /// Where the request body comes from.
    pub(crate) fn hold_source(&mut self, source: Option<Rc<Source>>) {
        self.source = source;
    }

    /// Part of the request's body is still to come, or was never read.
    pub(crate) fn has_unread_body(&self) -> bool {
        self.source.as_ref().is_some_and(|source| !source.has_ended())
    }

    /// What the client did wrong with its body, which it may still be sending while it is answered.
    fn client_fault(&self) -> Option<&'static str> {
        self.source.as_ref()?.fault().map(ProxyError::as_str)
    }

    /// Trades the table for the one state that a tunnel needs.
    pub(crate) fn unpin(&mut self) {
        self.pinned = self.state().map(Arc::clone);
        if let Some(place) = self.trail.route.clone().filter(|_| self.ledger.owes()) {
            self.ledger.own(place.chain(&self.connection.entry_point.name));
        }
        self.trail.unpin(&self.connection);
    }

    /// Reads the response's body to its end, `None` if it is longer than so many bytes.
    pub(crate) async fn read_all(&mut self, limit: u64) -> Result<Option<Bytes>, Cut> {
        let (mut all, mut room) = (Vec::new(), Room::default());
        while let Some(lease) = self.lease.as_mut().filter(|lease| !lease.is_received()) {
            let Some(frame) = poll_fn(|cx| lease.poll_body(cx)).await else { break };
            let Ok(data) = frame?.into_data() else { continue };
            let length = (all.len() + data.len()) as u64;
            if length > limit || !room.grow(length) {
                return Ok(None);
            }
            all.extend_from_slice(&data);
        }
        self.complete();
        Ok(Some(all.into()))
    }

    /// Reads the first piece of a response's body; empty if it has none.
    pub(crate) async fn read_first(&mut self) -> Result<Bytes, Cut> {
        while let Some(lease) = self.lease.as_mut().filter(|lease| !lease.is_received()) {
            let Some(frame) = poll_fn(|cx| lease.poll_body(cx)).await else { break };
            match frame?.into_data() {
                Ok(data) if data.is_empty() => {}
                Ok(data) => return Ok(data),
                Err(_) => break,
            }
        }
        Ok(Bytes::new())
    }

    /// Settles the response if there is no more of it.
    pub(crate) fn completes(&mut self) -> bool {
        let is_over = self.lease.as_ref().is_some_and(|lease| lease.is_received());
        if is_over {
            self.complete();
        }
        is_over
    }

    /// Nobody wants the response. Where the rest of it is there already, its connection serves on.
    pub(crate) fn discard(&mut self) {
        let Some(lease) = &mut self.lease else { return };
        let mut cx = Context::from_waker(Waker::noop());
        for _ in 0..WORTH_READING {
            if lease.is_received() || !matches!(lease.poll_body(&mut cx), Poll::Ready(Some(Ok(_)))) {
                break;
            }
        }
        match lease.is_received() && lease.is_sent() {
            true => self.complete(),
            false => self.lease = None,
        }
    }

    /// The response broke off, or the rest of the request did.
    pub(crate) fn is_cut(&mut self) {
        let fault = self.client_fault();
        self.trail.error = Some(fault.unwrap_or("response_cut"));
        self.trail.lost = fault.is_none();
    }

    /// The client left before it had all of the response.
    pub(crate) fn is_left(&mut self) {
        self.trail.error = Some(self.client_fault().unwrap_or(ProxyError::ClientGone.as_str()));
    }

    /// Tells the middlewares from that place inwards how it ended; `from` zero for all.
    pub(crate) fn settle(&mut self, from: usize, tunnel: bool) {
        let owned = self.ledger.owned();
        let place = self.trail.route.clone();
        let chain = match (&owned, &place) {
            (Some(owned), _) => owned,
            (None, Some(place)) => place.chain(&self.connection.entry_point.name),
            (None, None) => return,
        };
        let (now, clock) = (Instant::now(), self.connection.worker.clock);
        let cancelled = self.trail.error() == Some(ProxyError::ClientGone.as_str());
        let outcome = Outcome {
            now: clock.since_start(now),
            took: now.saturating_duration_since(self.trail.began()),
            status: self.trail.status,
            cancelled,
            tunnel,
        };
        self.ledger.settle(chain, from, &outcome);
    }

    /// The response was read to its end: the connection can serve another request, once it has sent this one.
    pub(crate) fn complete(&mut self) {
        let Some(mut lease) = self.lease.take() else { return };
        let worker = &self.connection.worker;
        if lease.is_sent() {
            worker.pool.borrow_mut().give_back(lease);
            return;
        }
        // A server that answered early may still want the rest, and the client sends it in any case.
        let worker = Rc::clone(worker);
        let patience = self.connection.client.write_stall();
        tokio::task::spawn_local(async move {
            loop {
                let before = lease.progress().0;
                if tokio::time::timeout(patience, lease.finish_sending()).await.is_ok() {
                    break worker.pool.borrow_mut().give_back(lease);
                }
                // It takes nothing. With the connection the rest of the body goes, and the client's with it. A client
                // that is silent has its own limits.
                if lease.progress() == (before, true) {
                    break;
                }
            }
        });
    }

    fn state(&self) -> Option<&Arc<ServerState>> {
        self.pinned.as_ref().or_else(|| self.trail.server.as_ref()?.state())
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.leave_server();
        if self.ledger.owes() {
            self.settle(0, self.trail.is_unpinned());
        }
        if let Some(source) = &self.source {
            self.trail.request_bytes = source.received();
        }
        self.connection.client.exchange_ends();
        self.trail.write(&self.connection, self.number);
    }
}

/// The body of a response to a client.
pub(crate) enum ResponseBody {
    /// Made here.
    Fixed {
        /// What is still to be sent.
        data: Option<Bytes>,
        /// The exchange that ends with it.
        flight: Option<Flight>,
    },
    /// The server's, read from the connection that the exchange holds.
    Upstream {
        /// The exchange that ends with it; none when it has ended.
        flight: Option<Flight>,
    },
    /// The same, changed by middlewares.
    Changed(Box<Changed>),
}

impl ResponseBody {
    fn finish(&mut self) {
        if let Self::Upstream { flight } = self
            && let Some(mut flight) = flight.take()
        {
            flight.complete();
        }
    }

    /// The server's connection, as long as something may come from it.
    fn lease(&self) -> Option<&Lease> {
        match self {
            Self::Fixed { .. } | Self::Changed(_) => None,
            Self::Upstream { flight } => flight.as_ref()?.lease.as_ref().filter(|lease| !lease.is_received()),
        }
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let this = self.get_mut();
        match this {
            Self::Fixed { data, flight } => {
                let Some(data) = data.take() else { return Poll::Ready(None) };
                if let Some(flight) = flight {
                    flight.trail.response_bytes += data.len() as u64;
                }
                Poll::Ready(Some(Ok(Frame::data(data))))
            }
            Self::Upstream { flight: slot } => {
                let Some(flight) = slot else { return Poll::Ready(None) };
                let Some(lease) = &mut flight.lease else { return Poll::Ready(None) };
                let polled = ready!(lease.poll_body(cx));
                match &polled {
                    Some(Ok(frame)) => {
                        flight.trail.response_bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
                        if lease.is_received() {
                            this.finish();
                        }
                    }
                    Some(Err(Cut)) => {
                        // The client must see a broken transfer: its connection is closed without an end mark.
                        flight.is_cut();
                        *slot = None;
                    }
                    None => this.finish(),
                }
                Poll::Ready(polled)
            }
            Self::Changed(body) => body.poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Fixed { data, .. } => data.is_none(),
            Self::Upstream { .. } => self.lease().is_none(),
            Self::Changed(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        let exact = match self {
            Self::Fixed { data, .. } => Some(data.as_ref().map_or(0, |d| d.len() as u64)),
            Self::Upstream { .. } => self.lease().map_or(Some(0), |lease| lease.body_left()),
            Self::Changed(_) => None,
        };
        exact.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

impl ReplyBody for ResponseBody {
    fn poll_aside(&mut self, cx: &mut Context<'_>) -> Result<(), Cut> {
        let flight = match self {
            Self::Upstream { flight } => flight.as_mut(),
            Self::Changed(body) => body.flight(),
            Self::Fixed { .. } => None,
        };
        match flight.and_then(|flight| flight.lease.as_mut()) {
            Some(lease) => lease.poll_rest_of_request(cx),
            None => Ok(()),
        }
    }
}

impl Drop for ResponseBody {
    fn drop(&mut self) {
        if let Self::Upstream { flight } = self
            && let Some(open) = flight
        {
            if open.lease.as_ref().is_some_and(|lease| lease.is_received()) {
                // Answers to HEAD, 204 and 304 are never read; they end here.
                self.finish();
            } else {
                open.is_left();
            }
        }
    }
}

/// A response made here, with a plain-text body.
pub(crate) fn plain(status: StatusCode, body: &'static str) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from_static(body.as_bytes()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert("x-content-type-options", HeaderValue::from_static("nosniff"));
    response
}

/// A response made here that is its status text alone, as Traefik's answers for upstream failures are.
pub(crate) fn bare(status: StatusCode, body: &'static str) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from_static(body.as_bytes()));
    *response.status_mut() = status;
    response
}

/// Removes framing that belonged to a body which is not sent.
pub(crate) fn drop_framing(headers: &mut HeaderMap) {
    headers.remove(CONTENT_LENGTH);
    headers.remove(http::header::TRANSFER_ENCODING);
}
