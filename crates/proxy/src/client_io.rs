//! A client's socket, with the time limits that hyper does not have.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::listener::ClientTimes;
use crate::worker::Clock;

/// How much is read from a client that is being left.
const LINGER_BYTES: usize = 64 * 1024;
/// A connection that was accepted but has sent nothing yet when the end begins has been promised service: its request
/// may be under way.
const FIRST_REQUEST: Duration = Duration::from_secs(1);

/// What a client connection is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Doing {
    /// Waiting for the first byte of a request.
    Idle,
    /// Reading a request head.
    Head,
    /// Serving a request.
    Exchange,
    /// The response is out; the request's body still comes.
    Rest,
    /// Tunnelling: no limits of ours apply.
    Tunnel,
}

/// One client connection: its socket and what it is doing; shared by hyper, its exchanges and the worker's sweeper.
#[derive(Debug)]
pub(crate) struct ClientState {
    stream: RefCell<TcpStream>,
    clock: Clock,
    times: ClientTimes,
    idle: Duration,
    doing: Cell<Doing>,
    /// Request bodies that are being read, by an exchange or by what one left behind.
    open_bodies: Cell<u32>,
    /// Everything that hyper had for the client was handed to the kernel, as far as the last flush knows.
    flushed: Cell<bool>,
    /// A request has come.
    used: Cell<bool>,
    /// When the present doing must be over; `u64::MAX` for never.
    deadline: Cell<u64>,
    /// When a blocked write must have made progress.
    write_deadline: Cell<u64>,
    expired: Cell<bool>,
    /// No further request is waited for.
    draining: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

impl ClientState {
    /// For a connection that was just accepted.
    pub(crate) fn new(stream: TcpStream, idle: Duration, times: ClientTimes, clock: Clock) -> Rc<Self> {
        let state = Self {
            stream: RefCell::new(stream),
            clock,
            times,
            idle,
            doing: Cell::new(Doing::Idle),
            open_bodies: Cell::new(0),
            flushed: Cell::new(true),
            used: Cell::new(false),
            deadline: Cell::new(u64::MAX),
            write_deadline: Cell::new(u64::MAX),
            expired: Cell::new(false),
            draining: Cell::new(false),
            waker: RefCell::new(None),
        };
        // The first byte of a new connection must come as soon as a head would have to.
        state.enter(Doing::Idle, times.head);
        Rc::new(state)
    }

    /// A request head has arrived.
    pub(crate) fn exchange_begins(&self) {
        self.used.set(true);
        self.flushed.set(false);
        self.enter(Doing::Exchange, Duration::ZERO);
    }

    /// The response was handed over to its end.
    pub(crate) fn exchange_ends(&self) {
        if self.doing.get() == Doing::Exchange {
            self.enter(if self.open_bodies.get() > 0 { Doing::Rest } else { Doing::Idle }, self.idle);
        }
    }

    /// Somebody reads the body of the present request.
    pub(crate) fn body_begins(&self) {
        self.open_bodies.set(self.open_bodies.get() + 1);
    }

    /// A body came to its end, failed, or nobody wants the rest.
    pub(crate) fn body_ends(&self) {
        let open = self.open_bodies.get().saturating_sub(1);
        self.open_bodies.set(open);
        if open == 0 && self.doing.get() == Doing::Rest {
            self.enter(Doing::Idle, self.idle);
            // An idle connection may have to end now.
            self.wake();
        }
    }

    /// The connection becomes a tunnel.
    pub(crate) fn tunnel_begins(&self) {
        self.enter(Doing::Tunnel, Duration::ZERO);
        self.write_deadline.set(u64::MAX);
    }

    /// Called by the sweeper: wakes the connection if one of its limits has passed.
    pub(crate) fn sweep(&self) {
        let now = self.clock.now().0;
        if now >= self.deadline.get().min(self.write_deadline.get()) && !self.expired.replace(true) {
            self.wake();
        }
    }

    /// Lets the connection end after what it is doing; an idle one ends now.
    pub(crate) fn drain(&self) {
        self.draining.set(true);
        if !self.used.get() && self.doing.get() == Doing::Idle {
            self.deadline.set(self.deadline.get().min(self.after(FIRST_REQUEST)));
        }
        self.wake();
    }

    /// Ends the connection so that the client can read what was sent last: our side is closed, and what the client
    /// still sends is read and thrown away for a moment. Closing at once would reset the connection (RFC 9112 §9.6).
    pub(crate) async fn linger(&self) {
        let mut sink = [0u8; 4096];
        let mut left = LINGER_BYTES;
        let reading = poll_fn(|cx| {
            let mut stream = self.stream.borrow_mut();
            if ready!(Pin::new(&mut *stream).poll_shutdown(cx)).is_err() {
                return Poll::Ready(());
            }
            loop {
                let mut buffer = ReadBuf::new(&mut sink);
                match ready!(Pin::new(&mut *stream).poll_read(cx, &mut buffer)) {
                    Ok(()) if !buffer.filled().is_empty() && left > buffer.filled().len() => {
                        left -= buffer.filled().len();
                    }
                    _ => return Poll::Ready(()),
                }
            }
        });
        let _too_long = tokio::time::timeout(self.times.linger, reading).await;
    }

    /// Nothing is under way in either direction, and nothing more is waited for.
    fn is_over(&self) -> bool {
        self.draining.get() && self.used.get() && self.doing.get() == Doing::Idle && self.flushed.get()
    }

    fn wake(&self) {
        if let Some(waker) = self.waker.borrow_mut().take() {
            waker.wake();
        }
    }

    fn register(&self, cx: &Context<'_>) {
        let mut slot = self.waker.borrow_mut();
        if !slot.as_ref().is_some_and(|w| w.will_wake(cx.waker())) {
            *slot = Some(cx.waker().clone());
        }
    }

    /// A limit of zero means none.
    fn enter(&self, doing: Doing, limit: Duration) {
        self.doing.set(doing);
        self.deadline.set(if limit.is_zero() { u64::MAX } else { self.after(limit) });
        self.expired.set(false);
    }

    fn after(&self, time: Duration) -> u64 {
        self.clock.now().0.saturating_add(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
    }
}

/// A client's socket.
#[derive(Debug)]
pub(crate) struct ClientIo(pub(crate) Rc<ClientState>);

impl AsyncRead for ClientIo {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let state = &self.0;
        let before = buf.filled().len();
        let polled = Pin::new(&mut *state.stream.borrow_mut()).poll_read(cx, buf);
        if polled.is_pending() {
            if state.expired.get() {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            if state.is_over() {
                return Poll::Ready(Ok(()));
            }
            state.register(cx);
        } else if buf.filled().len() > before {
            match state.doing.get() {
                // Also when the limit passed a moment ago: a request that has arrived is served.
                Doing::Idle => state.enter(Doing::Head, state.times.head),
                Doing::Head if state.expired.get() => return Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
                Doing::Rest => state.enter(Doing::Rest, state.idle),
                _ => {}
            }
        }
        polled
    }
}

impl AsyncWrite for ClientIo {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut *self.0.stream.borrow_mut()).poll_write(cx, buf);
        self.written(cx, polled)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut *self.0.stream.borrow_mut()).poll_write_vectored(cx, bufs);
        self.written(cx, polled)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// hyper flushes when it has written all that it had.
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let state = &self.0;
        if state.doing.get() != Doing::Exchange && !state.flushed.replace(true) && state.is_over() {
            // The read that would tell hyper of the end was polled before this flush, and is not polled by itself.
            cx.waker().wake_by_ref();
        }
        Pin::new(&mut *state.stream.borrow_mut()).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0.stream.borrow_mut()).poll_shutdown(cx)
    }
}

impl ClientIo {
    fn written(&self, cx: &Context<'_>, polled: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        let state = &self.0;
        match &polled {
            Poll::Pending if state.doing.get() == Doing::Tunnel => {}
            Poll::Pending => {
                if state.expired.get() {
                    return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
                }
                state.register(cx);
                if state.write_deadline.get() == u64::MAX {
                    state.write_deadline.set(state.after(state.times.write_stall));
                }
            }
            Poll::Ready(_) => state.write_deadline.set(u64::MAX),
        }
        polled
    }
}
