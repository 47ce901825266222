//! Request bodies on their way to a server: streamed, and for requests that may be repeated, remembered while small.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::Sleep;

use crate::error::ProxyError;

/// Bodies of idempotent requests are remembered up to this size so that they can be sent once more.
const REPLAY_LIMIT: usize = 64 * 1024;

/// The client's body, owned by the exchange; attempts read it through [`RequestBody`].
#[derive(Debug)]
pub(crate) struct Source {
    incoming: RefCell<Incoming>,
    /// What has been read, as long as it can be repeated.
    remembered: RefCell<Option<Vec<Bytes>>>,
    remembered_bytes: Cell<usize>,
    /// Something was read and is not remembered: no attempt can start over.
    spent: Cell<bool>,
    ended: Cell<bool>,
    fault: Cell<Option<ProxyError>>,
    received: Cell<u64>,
    silence: Duration,
}

impl Source {
    /// `idempotent` bodies are remembered; `silence` is the longest time without a byte.
    pub(crate) fn new(incoming: Incoming, idempotent: bool, silence: Duration) -> Rc<Self> {
        Rc::new(Self {
            incoming: RefCell::new(incoming),
            remembered: RefCell::new(idempotent.then(Vec::new)),
            remembered_bytes: Cell::new(0),
            spent: Cell::new(false),
            ended: Cell::new(false),
            fault: Cell::new(None),
            received: Cell::new(0),
            silence,
        })
    }

    /// What the client did wrong, if the body failed.
    pub(crate) fn fault(&self) -> Option<ProxyError> {
        self.fault.get()
    }

    /// Bytes read so far.
    pub(crate) fn received(&self) -> u64 {
        self.received.get()
    }

    /// It can still be sent from its beginning.
    pub(crate) fn is_whole(&self) -> bool {
        !self.spent.get()
    }

    /// A body for one more attempt; `None` when it cannot be sent from its beginning any more.
    pub(crate) fn attempt(self: &Rc<Self>) -> Option<RequestBody> {
        (!self.spent.get()).then(|| RequestBody::Streaming { source: Rc::clone(self), at: 0, timer: None })
    }

    fn remember(&self, data: &Bytes) {
        let bytes = self.remembered_bytes.get() + data.len();
        self.remembered_bytes.set(bytes);
        let mut remembered = self.remembered.borrow_mut();
        match remembered.as_mut() {
            Some(chunks) if bytes <= REPLAY_LIMIT => chunks.push(data.clone()),
            _ => {
                *remembered = None;
                self.spent.set(true);
            }
        }
    }
}

/// The body of one attempt.
#[derive(Debug)]
pub(crate) enum RequestBody {
    /// No body.
    Empty,
    /// The client's body.
    Streaming {
        /// Where it comes from.
        source: Rc<Source>,
        /// How many remembered pieces this attempt has sent.
        at: usize,
        /// Armed while the client is silent.
        timer: Option<Pin<Box<Sleep>>>,
    },
}

/// The client's body failed; what exactly is in [`Source::fault`].
#[derive(Debug)]
pub(crate) struct ClientFault;

impl std::fmt::Display for ClientFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the client's request body failed")
    }
}

impl std::error::Error for ClientFault {}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = ClientFault;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let Self::Streaming { source, at, timer } = self.get_mut() else { return Poll::Ready(None) };
        if let Some(data) = source.remembered.borrow().as_ref().and_then(|chunks| chunks.get(*at)) {
            *at += 1;
            return Poll::Ready(Some(Ok(Frame::data(data.clone()))));
        }
        if source.fault.get().is_some() {
            return Poll::Ready(Some(Err(ClientFault)));
        }
        if source.ended.get() {
            return Poll::Ready(None);
        }
        loop {
            let polled = Pin::new(&mut *source.incoming.borrow_mut()).poll_frame(cx);
            if polled.is_pending() && !source.silence.is_zero() {
                let sleep = timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(source.silence)));
                ready!(sleep.as_mut().poll(cx));
                source.fault.set(Some(ProxyError::BodyTimeout));
                return Poll::Ready(Some(Err(ClientFault)));
            }
            *timer = None;
            match ready!(polled) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => {
                        source.received.set(source.received.get() + data.len() as u64);
                        source.remember(&data);
                        *at += 1;
                        return Poll::Ready(Some(Ok(Frame::data(data))));
                    }
                    // Request trailers are dropped: merged or forwarded they could pass for headers.
                    Err(_) => continue,
                },
                Some(Err(error)) => {
                    source.fault.set(Some(classify(&error)));
                    return Poll::Ready(Some(Err(ClientFault)));
                }
                None => {
                    source.ended.set(true);
                    return Poll::Ready(None);
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Streaming { source, at, .. } => {
                let pending = source.remembered.borrow().as_ref().is_some_and(|chunks| chunks.len() > *at);
                !pending && (source.ended.get() || source.incoming.borrow().is_end_stream())
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Streaming { source, at, .. } => {
                let rest = source.incoming.borrow().size_hint();
                let remembered = source.remembered.borrow();
                let ahead: u64 = remembered.as_ref().map_or(0, |c| c.iter().skip(*at).map(|b| b.len() as u64).sum());
                let mut hint = SizeHint::new();
                hint.set_lower(rest.lower().saturating_add(ahead));
                if let Some(upper) = rest.upper() {
                    hint.set_upper(upper.saturating_add(ahead));
                }
                hint
            }
        }
    }
}

/// A malformed chunk is the client's mistake; anything else means that it went away.
fn classify(error: &hyper::Error) -> ProxyError {
    let io = std::error::Error::source(error).and_then(|s| s.downcast_ref::<std::io::Error>());
    match io.map(std::io::Error::kind) {
        Some(std::io::ErrorKind::InvalidInput | std::io::ErrorKind::InvalidData) => ProxyError::BadBody,
        _ => ProxyError::ClientGone,
    }
}
