//! A client's socket, with the time limits that hyper does not have.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use seaway_routing::Millis;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::worker::Clock;

/// How long a response may make no progress because the client does not read.
const WRITE_STALL: Duration = Duration::from_secs(60);
/// How long, and how much, is read from a client that is being left.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: usize = 64 * 1024;
/// How long a request head may take in all.
const HEAD: Duration = Duration::from_secs(10);

/// What a client connection is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Doing {
    /// Waiting for the first byte of a request.
    Idle,
    /// Reading a request head.
    Head,
    /// Serving a request.
    Exchange,
    /// Tunnelling: no limits of ours apply.
    Tunnel,
}

/// One client connection: its socket and what it is doing; shared by hyper, its exchanges and the worker's sweeper.
#[derive(Debug)]
pub(crate) struct ClientState {
    stream: RefCell<TcpStream>,
    doing: Cell<Doing>,
    /// When the present doing must be over; `u64::MAX` for never.
    deadline: Cell<u64>,
    /// When a blocked write must have made progress.
    write_deadline: Cell<u64>,
    expired: Cell<bool>,
    /// No further request is waited for.
    draining: Cell<bool>,
    idle: Duration,
    waker: RefCell<Option<Waker>>,
}

impl ClientState {
    /// For a connection that was just accepted.
    pub(crate) fn new(stream: TcpStream, idle: Duration, now: Millis) -> Rc<Self> {
        let state = Self {
            stream: RefCell::new(stream),
            draining: Cell::new(false),
            doing: Cell::new(Doing::Idle),
            deadline: Cell::new(u64::MAX),
            write_deadline: Cell::new(u64::MAX),
            expired: Cell::new(false),
            idle,
            waker: RefCell::new(None),
        };
        // The first byte of a new connection must come as soon as a head would have to.
        state.deadline.set(now.0.saturating_add(millis(HEAD)));
        Rc::new(state)
    }

    /// A request head has arrived.
    pub(crate) fn exchange_begins(&self) {
        self.enter(Doing::Exchange, u64::MAX);
    }

    /// The response was sent to its end.
    pub(crate) fn exchange_ends(&self, now: Millis) {
        if self.doing.get() == Doing::Exchange {
            self.enter(Doing::Idle, now.0.saturating_add(millis(self.idle)));
        }
    }

    /// The connection becomes a tunnel.
    pub(crate) fn tunnel_begins(&self) {
        self.enter(Doing::Tunnel, u64::MAX);
        self.write_deadline.set(u64::MAX);
    }

    /// True while it carries a tunnel.
    pub(crate) fn is_tunnel(&self) -> bool {
        self.doing.get() == Doing::Tunnel
    }

    /// Called by the sweeper: wakes the connection if one of its limits has passed.
    pub(crate) fn sweep(&self, now: Millis) {
        if now.0 >= self.deadline.get().min(self.write_deadline.get()) && !self.expired.replace(true) {
            self.wake();
        }
    }

    /// Lets the connection end after what it is doing; an idle one ends now.
    pub(crate) fn drain(&self) {
        self.draining.set(true);
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
                        left -= buffer.filled().len()
                    }
                    _ => return Poll::Ready(()),
                }
            }
        });
        let _too_long = tokio::time::timeout(LINGER, reading).await;
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

    fn enter(&self, doing: Doing, deadline: u64) {
        self.doing.set(doing);
        self.deadline.set(deadline);
    }
}

/// A client's socket.
#[derive(Debug)]
pub(crate) struct ClientIo {
    state: Rc<ClientState>,
    clock: Clock,
}

impl ClientIo {
    pub(crate) fn new(state: Rc<ClientState>, clock: Clock) -> Self {
        Self { state, clock }
    }
}

impl AsyncRead for ClientIo {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.state.expired.get() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        let before = buf.filled().len();
        let polled = Pin::new(&mut *self.state.stream.borrow_mut()).poll_read(cx, buf);
        let idle = self.state.doing.get() == Doing::Idle;
        match &polled {
            Poll::Ready(_) if idle && buf.filled().len() > before => {
                let deadline = self.clock.now().0.saturating_add(millis(HEAD));
                self.state.enter(Doing::Head, deadline);
            }
            // A request that has arrived already is served; beyond that, an idle connection is told that it ends.
            Poll::Pending if idle && self.state.draining.get() => return Poll::Ready(Ok(())),
            Poll::Pending => self.state.register(cx),
            Poll::Ready(_) => {}
        }
        polled
    }
}

impl AsyncWrite for ClientIo {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut *self.state.stream.borrow_mut()).poll_write(cx, buf);
        self.written(cx, polled)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut *self.state.stream.borrow_mut()).poll_write_vectored(cx, bufs);
        self.written(cx, polled)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.state.stream.borrow_mut()).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.state.stream.borrow_mut()).poll_shutdown(cx)
    }
}

impl ClientIo {
    fn written(&self, cx: &Context<'_>, polled: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match &polled {
            Poll::Pending if self.state.is_tunnel() => {}
            Poll::Pending => {
                self.state.register(cx);
                if self.state.expired.get() {
                    return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
                }
                if self.state.write_deadline.get() == u64::MAX {
                    self.state.write_deadline.set(self.clock.now().0.saturating_add(millis(WRITE_STALL)));
                }
            }
            Poll::Ready(_) => self.state.write_deadline.set(u64::MAX),
        }
        polled
    }
}

fn millis(duration: Duration) -> u64 {
    // A limit of zero means none.
    if duration.is_zero() { u64::MAX } else { u64::try_from(duration.as_millis()).unwrap_or(u64::MAX) }
}
