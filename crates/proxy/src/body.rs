//! Request bodies on their way to a server: streamed, and for requests that may be repeated, remembered while small.

mod memory;

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body::{Body, Frame};
use tokio::time::Sleep;

use crate::client_io::{ClientIo, ClientState};
use crate::downstream;
use crate::effects::room::Room;
use crate::error::ProxyError;

use memory::Memory;

/// Bodies are remembered up to this size so that they can be sent once more, unless somebody wants more of them.
pub(crate) const REPLAY_LIMIT: u64 = 64 * 1024;

/// The body of a request as its connection brings it. Dropping it leaves the rest unread.
#[derive(Debug)]
pub(crate) enum ClientBody {
    /// Of an HTTP/1 connection.
    Http1(downstream::Body<ClientIo>),
}

impl ClientBody {
    /// The next piece, never empty; `None` at the end. Trailers are dropped: merged or forwarded they could pass for
    /// headers.
    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, ProxyError>>> {
        match self {
            Self::Http1(body) => body.poll_data(cx),
        }
    }

    /// The last piece was given.
    fn has_ended(&self) -> bool {
        match self {
            Self::Http1(body) => body.has_ended(),
        }
    }

    /// Bytes to come, where the client said so.
    pub(crate) fn left(&self) -> Option<u64> {
        match self {
            Self::Http1(body) => body.left(),
        }
    }
}

/// The client's body, owned by the exchange; attempts read it through [`RequestBody`].
#[derive(Debug)]
pub(crate) struct Source {
    client: Rc<ClientState>,
    body: RefCell<ClientBody>,
    has_length: bool,
    /// What has been read, as long as it is whole.
    remembered: RefCell<Memory>,
    /// The same, once all of it was read before anything was sent.
    read: RefCell<Option<Bytes>>,
    /// So much is remembered at most.
    limit: Cell<u64>,
    /// What that takes.
    room: RefCell<Room>,
    /// Everything that was read is remembered: an attempt can start over.
    whole: Cell<bool>,
    /// The number of the attempt that may read.
    attempt: Cell<u32>,
    ended: Cell<Option<Instant>>,
    fault: Cell<Option<ProxyError>>,
    received: Cell<u64>,
    silence: Duration,
}

impl Source {
    /// The body of the present request of `client`; `silence` is the longest time without a byte, zero for no limit.
    pub(crate) fn new(body: ClientBody, client: &Rc<ClientState>, silence: Duration) -> Rc<Self> {
        client.body_begins();
        Rc::new(Self {
            client: Rc::clone(client),
            has_length: body.left().is_some(),
            body: RefCell::new(body),
            remembered: RefCell::default(),
            read: RefCell::default(),
            limit: Cell::new(REPLAY_LIMIT),
            room: RefCell::default(),
            whole: Cell::new(true),
            attempt: Cell::new(0),
            ended: Cell::new(None),
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
        self.whole.get()
    }

    /// All of it has come.
    pub(crate) fn has_ended(&self) -> bool {
        self.ended.get().is_some()
    }

    /// When the last of it came.
    pub(crate) fn ended_at(&self) -> Option<Instant> {
        self.ended.get()
    }

    /// How long it is, where the client said so: the length of a body is known, that of chunks is not.
    pub(crate) fn has_length(&self) -> bool {
        self.has_length
    }

    /// How long it turned out to be, once all of it was read before anything was sent.
    pub(crate) fn length_read(&self) -> Option<usize> {
        self.read.borrow().as_ref().map(Bytes::len)
    }

    /// Remembers so many bytes, if it did not remember more; what was forgotten stays so.
    pub(crate) fn remember_up_to(&self, limit: u64) {
        self.limit.set(limit.max(self.limit.get()));
    }

    /// Reads all of it, so that it can be sent from its beginning as often as need be.
    pub(crate) async fn read_whole(self: &Rc<Self>, limit: u64) -> Result<Bytes, Unread> {
        if let Some(read) = &*self.read.borrow() {
            return if read.len() as u64 > limit { Err(Unread::TooLong) } else { Ok(read.clone()) };
        }
        if self.body.borrow().left().is_some_and(|left| left.saturating_add(self.received()) > limit) {
            return Err(Unread::TooLong);
        }
        self.remember_up_to(limit);
        let Some(mut body) = self.attempt() else { return Err(Unread::NoRoom) };
        while let Some(frame) = std::future::poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
            if frame.is_err() {
                return Err(Unread::Fault(self.fault().unwrap_or(ProxyError::BadBody)));
            }
            if self.received() > limit {
                return Err(Unread::TooLong);
            }
            if !self.is_whole() {
                return Err(Unread::NoRoom);
            }
        }
        let read = std::mem::take(&mut *self.remembered.borrow_mut()).into_whole();
        *self.read.borrow_mut() = Some(read.clone());
        Ok(read)
    }

    /// A body for one more attempt; `None` when it cannot be sent from its beginning any more. An earlier attempt reads
    /// nothing from now on.
    pub(crate) fn attempt(self: &Rc<Self>) -> Option<RequestBody> {
        if !self.whole.get() {
            return None;
        }
        let number = self.attempt.get() + 1;
        self.attempt.set(number);
        Some(RequestBody::Streaming { source: Rc::clone(self), number, at: 0, timer: None, armed: false })
    }

    fn remember(&self, data: &Bytes) {
        if !self.whole.get() {
            return;
        }
        let mut remembered = self.remembered.borrow_mut();
        let length = (remembered.len() + data.len()) as u64;
        // What every body may take needs no room of its own.
        let fits = |room: &RefCell<Room>| length <= REPLAY_LIMIT || room.borrow_mut().grow(length);
        if length <= self.limit.get() && fits(&self.room) {
            remembered.add(data);
        } else {
            *remembered = Memory::default();
            self.whole.set(false);
        }
    }

    /// What was read and comes after the first `at` bytes.
    fn rest(&self, at: usize) -> Option<Bytes> {
        if let Some(read) = &*self.read.borrow() {
            return (at < read.len()).then(|| read.slice(at..));
        }
        self.remembered.borrow().from(at)
    }

    fn has_rest(&self, at: usize) -> bool {
        self.read.borrow().as_ref().map_or_else(|| self.remembered.borrow().len(), Bytes::len) > at
    }

    fn end(&self) {
        if self.ended.get().is_none() {
            self.ended.set(Some(Instant::now()));
            self.client.body_ends();
        }
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        self.end();
    }
}

/// Why a body was not read whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unread {
    /// It is longer than it may be.
    TooLong,
    /// There is no room for it, or a part is forgotten already.
    NoRoom,
    /// The client's fault.
    Fault(ProxyError),
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
        /// Which attempt this is.
        number: u32,
        /// How many bytes this attempt has sent.
        at: usize,
        /// Runs while the client is silent.
        timer: Option<Pin<Box<Sleep>>>,
        /// The timer has been set since the last byte.
        armed: bool,
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
        let Self::Streaming { source, number, at, timer, armed } = self.get_mut() else { return Poll::Ready(None) };
        if *number != source.attempt.get() {
            return Poll::Ready(Some(Err(ClientFault)));
        }
        if let Some(rest) = source.rest(*at) {
            *at += rest.len();
            return Poll::Ready(Some(Ok(Frame::data(rest))));
        }
        if source.fault.get().is_some() {
            return Poll::Ready(Some(Err(ClientFault)));
        }
        if source.has_ended() {
            return Poll::Ready(None);
        }
        let polled = source.body.borrow_mut().poll_data(cx);
        if polled.is_pending() && !source.silence.is_zero() {
            let sleep = timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(source.silence)));
            if !std::mem::replace(armed, true) {
                sleep.as_mut().reset(tokio::time::Instant::now() + source.silence);
            }
            ready!(sleep.as_mut().poll(cx));
            source.fault.set(Some(ProxyError::BodyTimeout));
            return Poll::Ready(Some(Err(ClientFault)));
        }
        *armed = false;
        Poll::Ready(match ready!(polled) {
            Some(Ok(data)) => {
                source.received.set(source.received.get() + data.len() as u64);
                source.remember(&data);
                *at += data.len();
                if source.body.borrow().has_ended() {
                    source.end();
                }
                Some(Ok(Frame::data(data)))
            }
            Some(Err(error)) => {
                source.fault.set(Some(error));
                Some(Err(ClientFault))
            }
            None => {
                source.end();
                None
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Streaming { source, at, .. } => source.has_ended() && !source.has_rest(*at),
        }
    }
}
