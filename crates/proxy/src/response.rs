//! Response bodies on their way to a client, and what is settled when one ends.

use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderValue};
use http::{Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use seaway_routing::ServerState;

use crate::body::Source;
use crate::connection::Connection;
use crate::record::{Trail, Way};
use crate::upstream::pool::Lease;

/// One exchange under way. Whatever happens to it, dropping it settles everything exactly once: the in-flight count,
/// the borrowed connection, the log line, the client's idle limit.
pub(crate) struct Flight {
    connection: Rc<Connection>,
    pub(crate) trail: Trail,
    /// Whose in-flight count it is in.
    server: Option<InFlight>,
    lease: Option<Lease>,
    source: Option<Rc<Source>>,
    number: u64,
}

/// A place in one server's in-flight count.
struct InFlight {
    holder: Holder,
    worker: usize,
}

/// Who keeps the server's state alive meanwhile: the table for a short exchange, itself for a tunnel.
enum Holder {
    Table { way: Way },
    State(Arc<ServerState>),
}

impl Flight {
    pub(crate) fn begin(connection: &Rc<Connection>, trail: Trail) -> Self {
        let number = connection.worker.count_request();
        Self { connection: Rc::clone(connection), trail, server: None, lease: None, source: None, number }
    }

    /// The connection that it came on.
    pub(crate) fn connection(&self) -> Rc<Connection> {
        Rc::clone(&self.connection)
    }

    /// The exchange is sent to the server that `trail.way` names; an earlier one is left.
    pub(crate) fn enter_server(&mut self) {
        self.leave_server();
        if let Some(state) = state_of(&self.trail.way) {
            state.enter(self.connection.worker.id);
            let holder = Holder::Table { way: self.trail.way.clone() };
            self.server = Some(InFlight { holder, worker: self.connection.worker.id });
        }
    }

    /// The exchange has no server any more.
    pub(crate) fn leave_server(&mut self) {
        if let Some(in_flight) = self.server.take() {
            match &in_flight.holder {
                Holder::Table { way } => {
                    if let Some(state) = state_of(way) {
                        state.leave(in_flight.worker);
                    }
                }
                Holder::State(state) => state.leave(in_flight.worker),
            }
        }
    }

    /// The connection that carries the response.
    pub(crate) fn hold_lease(&mut self, lease: Lease) {
        self.lease = Some(lease);
    }

    /// Where the request body comes from.
    pub(crate) fn hold_source(&mut self, source: Option<Rc<Source>>) {
        self.source = source;
    }

    /// Trades the table for the one state that a tunnel needs.
    pub(crate) fn unpin(&mut self) {
        if let Some(in_flight) = &mut self.server
            && let Holder::Table { way } = &in_flight.holder
            && let Some(state) = state_of(way).map(Arc::clone)
        {
            in_flight.holder = Holder::State(state);
        }
        self.trail.unpin(&self.connection.entry_point.name);
    }

    /// What went through a tunnel.
    pub(crate) fn tunnelled(&mut self, up: u64, down: u64) {
        self.trail.request_bytes = up;
        self.trail.response_bytes = down;
    }

    /// The response was read to its end: the connection can serve another request.
    fn complete(&mut self) {
        if let Some(lease) = self.lease.take() {
            let worker = &self.connection.worker;
            worker.pool.borrow_mut().give_back(lease, worker.clock.now());
        }
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.leave_server();
        if let Some(source) = &self.source {
            self.trail.request_bytes = source.received();
        }
        self.connection.client.exchange_ends(self.connection.worker.clock.now());
        self.trail.write(&self.connection, self.number);
    }
}

fn state_of(way: &Way) -> Option<&Arc<ServerState>> {
    match way {
        Way::Server { service_snapshot, service, server, .. } => {
            Some(&service_snapshot.table.services.get(*service)?.servers.get(*server)?.state)
        }
        _ => None,
    }
}

/// The body of a response to a client.
pub(crate) enum ResponseBody {
    /// Made here.
    Fixed {
        /// What is still to be sent.
        data: Option<Bytes>,
        /// The exchange that ends with it.
        flight: Option<Box<Flight>>,
    },
    /// The server's.
    Upstream {
        /// Where it comes from.
        incoming: Incoming,
        /// The exchange that ends with it.
        flight: Option<Box<Flight>>,
    },
}

impl ResponseBody {
    fn finish(&mut self) {
        if let Self::Upstream { flight, .. } = self
            && let Some(mut flight) = flight.take()
        {
            flight.complete();
        }
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = hyper::Error;

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
            Self::Upstream { incoming, flight } => {
                let polled = ready!(Pin::new(&mut *incoming).poll_frame(cx));
                match &polled {
                    Some(Ok(frame)) => {
                        if let (Some(data), Some(flight)) = (frame.data_ref(), flight) {
                            flight.trail.response_bytes += data.len() as u64;
                        }
                        if incoming.is_end_stream() {
                            this.finish();
                        }
                    }
                    Some(Err(_)) => {
                        // The client must see a broken transfer; hyper closes its connection without an end mark.
                        if let Some(flight) = flight {
                            flight.trail.error = Some("response_cut");
                            flight.trail.lost = true;
                        }
                        *flight = None;
                    }
                    None => this.finish(),
                }
                Poll::Ready(polled)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Fixed { data, .. } => data.is_none(),
            Self::Upstream { incoming, .. } => incoming.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Fixed { data, .. } => SizeHint::with_exact(data.as_ref().map_or(0, |d| d.len() as u64)),
            Self::Upstream { incoming, .. } => incoming.size_hint(),
        }
    }
}

impl Drop for ResponseBody {
    fn drop(&mut self) {
        if let Self::Upstream { incoming, flight } = self {
            if incoming.is_end_stream() {
                // Answers to HEAD, 204 and 304 are never read; they end here.
                self.finish();
            } else if let Some(flight) = flight {
                flight.trail.error = Some("client_gone");
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
