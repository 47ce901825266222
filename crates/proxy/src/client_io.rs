//! A client's socket, with its time limits.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use seaway_routing::Millis;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::downstream::Socket;
use crate::listener::ClientTimes;

/// How much is read from a client that is being left: most bodies that nobody wanted, since who sends one as a rule reads
/// no answer before it is out. The time for it is short.
const LINGER_BYTES: usize = 4 << 20;
/// A connection that was accepted but has sent nothing yet when the end begins has been promised service: its request
/// may be under way.
const FIRST_REQUEST: Duration = Duration::from_secs(1);
/// A connection that was used less than this ago is not unused: its client may be about to send the next request.
const UNUSED: u64 = 1000;

/// "Since when?" of what began after the last look of the sweeper. The clock never reads it.
const SINCE_NOW: u64 = 0;
/// "Since when?" of what does not go on.
const NOT_AT_ALL: u64 = u64::MAX;

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
    /// Our side is closed, and the client is given a moment to read what was sent last.
    Linger,
}

/// One client connection: its socket and what it is doing; shared by whoever reads requests from it, its exchanges and the worker's sweeper.
///
/// No request reads a clock for the sake of limits: what begins is only marked, the sweeper puts down the time when it
/// comes by, and a limit runs from there. So none is shorter than it was set, and none longer than by two looks.
#[derive(Debug)]
pub(crate) struct ClientState {
    stream: RefCell<TcpStream>,
    times: ClientTimes,
    idle: Duration,
    /// How long an exchange may take in all; zero for ever.
    exchange: Cell<Duration>,
    doing: Cell<Doing>,
    /// Request bodies that are being read, by an exchange or by what one left behind.
    open_bodies: Cell<u32>,
    /// Everything that there was for the client was handed to the kernel, as far as the last flush knows.
    flushed: Cell<bool>,
    /// A request has come.
    used: Cell<bool>,
    /// When the present doing was seen first.
    since: Cell<u64>,
    /// How long it may go on, in milliseconds; zero for ever.
    limit: Cell<u64>,
    /// When a write was first seen to make no progress.
    write_blocked: Cell<u64>,
    expired: Cell<bool>,
    /// No further request is waited for.
    draining: Cell<bool>,
    /// The same, unless one comes all the same.
    leaving: Cell<bool>,
    /// Unused for so long that nothing has to be kept ready for it.
    resting: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

impl ClientState {
    /// For a connection that was just accepted.
    pub(crate) fn new(stream: TcpStream, idle: Duration, times: ClientTimes) -> Rc<Self> {
        let state = Self {
            stream: RefCell::new(stream),
            times,
            idle,
            exchange: Cell::new(Duration::ZERO),
            doing: Cell::new(Doing::Idle),
            open_bodies: Cell::new(0),
            flushed: Cell::new(true),
            used: Cell::new(false),
            since: Cell::new(SINCE_NOW),
            limit: Cell::new(0),
            write_blocked: Cell::new(NOT_AT_ALL),
            expired: Cell::new(false),
            draining: Cell::new(false),
            leaving: Cell::new(false),
            resting: Cell::new(false),
            waker: RefCell::new(None),
        };
        // The first byte of a new connection must come as soon as a head would have to.
        state.enter(Doing::Idle, times.head);
        Rc::new(state)
    }

    /// Exchanges are to take no longer than this in all; zero for no limit.
    pub(crate) fn limit_exchanges(&self, limit: Duration) {
        self.exchange.set(limit);
    }

    /// A request head has arrived.
    pub(crate) fn exchange_begins(&self) {
        self.used.set(true);
        self.flushed.set(false);
        self.enter(Doing::Exchange, self.exchange.get());
    }

    /// Part of a head is there: its time runs although it came before the last answer was out. Or there were only empty
    /// lines, such as some clients send behind a body: the connection is idle.
    pub(crate) fn head_is_begun(&self, begun: bool) {
        match self.doing.get() {
            Doing::Idle if begun => {
                self.leaving.set(false);
                self.enter(Doing::Head, self.times.head);
            }
            Doing::Head if !begun && self.used.get() => self.enter(Doing::Idle, self.idle),
            _ => {}
        }
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
        self.write_blocked.set(NOT_AT_ALL);
    }

    /// Called by the sweeper: wakes the connection if one of its limits has passed.
    pub(crate) fn sweep(&self, now: Millis) {
        let doing = has_passed(&self.since, self.limit.get(), now);
        let writing = has_passed(&self.write_blocked, millis(self.times.write_stall), now);
        if (doing || writing) && !self.expired.replace(true) {
            self.wake();
        }
        if !self.resting.get() && self.unused_since(now).is_some() {
            self.resting.set(true);
            self.wake();
        }
    }

    /// How long what is written may make no progress.
    pub(crate) fn write_stall(&self) -> Duration {
        self.times.write_stall
    }

    /// Nothing has happened on it for a while.
    pub(crate) fn is_resting(&self) -> bool {
        self.resting.get()
    }

    /// Waits until the client says something; false when its time is over, or it is not waited for any longer.
    pub(crate) async fn is_woken(&self) -> bool {
        let woken = poll_fn(|cx| {
            // An error or an end is for the reader to see.
            let polled = self.stream.borrow().poll_read_ready(cx);
            if polled.is_pending() && (self.expired.get() || self.is_over()) && !self.has_arrived() {
                return Poll::Ready(false);
            }
            self.register(cx);
            polled.map(|_| true)
        });
        let woken = woken.await;
        self.resting.set(false);
        woken
    }

    /// Lets the connection end after what it is doing; an idle one ends now.
    pub(crate) fn drain(&self, now: Millis) {
        self.draining.set(true);
        if !self.used.get() && self.doing.get() == Doing::Idle {
            let passed = self.since_when(now).map_or(0, |since| now.0.saturating_sub(since.0));
            let left = self.limit.get().saturating_sub(passed).clamp(1, millis(FIRST_REQUEST));
            self.since.set(now.0);
            self.limit.set(left);
        }
        self.wake();
    }

    /// Since when nothing has happened on it; `None` when something does, did a moment ago, or it is leaving already.
    pub(crate) fn unused_since(&self, now: Millis) -> Option<Millis> {
        let unused =
            self.doing.get() == Doing::Idle && self.flushed.get() && !self.leaving.get() && !self.draining.get();
        self.since_when(now).filter(|since| unused && now.0.saturating_sub(since.0) >= UNUSED)
    }

    /// Ends the connection, unless a request comes before that is done.
    pub(crate) fn leave(&self) {
        self.leaving.set(true);
        self.wake();
    }

    /// It is about to end although nothing is wrong with it.
    pub(crate) fn is_leaving(&self) -> bool {
        self.leaving.get()
    }

    fn since_when(&self, now: Millis) -> Option<Millis> {
        match self.since.get() {
            NOT_AT_ALL => None,
            SINCE_NOW => Some(now),
            since => Some(Millis(since)),
        }
    }

    /// Ends the connection so that the client can read what was sent last: our side is closed, and what the client
    /// still sends is read and thrown away for a moment. Closing at once would reset the connection (RFC 9112 §9.6).
    pub(crate) async fn linger(&self) {
        // Who still reads a body learns that there is no more.
        self.wake();
        let shut = poll_fn(|cx| Pin::new(&mut *self.stream.borrow_mut()).poll_shutdown(cx)).await;
        if shut.is_err() || self.times.linger.is_zero() {
            return;
        }
        // The sweeper's clock, and no timer of its own: setting one wakes the runtime, which costs a system call.
        self.enter(Doing::Linger, self.times.linger);
        let mut left = LINGER_BYTES;
        poll_fn(|cx| {
            // On the stack, and not a part of every connection's future.
            let mut sink = [MaybeUninit::uninit(); 4096];
            loop {
                let mut buffer = ReadBuf::uninit(&mut sink);
                match Pin::new(&mut *self.stream.borrow_mut()).poll_read(cx, &mut buffer) {
                    Poll::Pending if !self.expired.get() => {
                        self.register(cx);
                        return Poll::Pending;
                    }
                    Poll::Ready(Ok(())) if !buffer.filled().is_empty() && left > buffer.filled().len() => {
                        left -= buffer.filled().len();
                    }
                    _ => return Poll::Ready(()),
                }
            }
        })
        .await;
    }

    /// Lets the connection end so that the client cannot take what it has for the whole of a response.
    pub(crate) fn reset(&self) {
        // One that has ended already needs no more.
        let _ended = self.stream.borrow().set_zero_linger();
    }

    /// Nothing is under way in either direction, and nothing more is waited for.
    fn is_over(&self) -> bool {
        let told = self.leaving.get() || self.draining.get() && self.used.get();
        told && self.doing.get() == Doing::Idle && self.flushed.get()
    }

    /// While it did nothing something has come that the runtime has not been told of. It is served: who sent it could
    /// not know that the connection was about to end.
    fn has_arrived(&self) -> bool {
        let mut byte = [MaybeUninit::uninit(); 1];
        self.doing.get() == Doing::Idle
            && SockRef::from(&*self.stream.borrow()).peek(&mut byte).is_ok_and(|bytes| bytes > 0)
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
        self.since.set(SINCE_NOW);
        self.limit.set(millis(limit));
        self.expired.set(false);
    }
}

/// True when what goes on since then has done so for longer than its limit. Puts down the time of what has only begun.
fn has_passed(since: &Cell<u64>, limit: u64, now: Millis) -> bool {
    match since.get() {
        NOT_AT_ALL => false,
        SINCE_NOW => {
            since.set(now.0);
            false
        }
        // Both are cut to whole milliseconds.
        since => limit > 0 && now.0.saturating_sub(since) > limit,
    }
}

/// Whole milliseconds, of which the least is one: zero means no limit.
fn millis(limit: Duration) -> u64 {
    u64::try_from(limit.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}

/// A client's socket.
#[derive(Debug)]
pub(crate) struct ClientIo {
    state: Rc<ClientState>,
}

impl ClientIo {
    /// For a connection that was just accepted.
    pub(crate) fn new(state: Rc<ClientState>) -> Self {
        Self { state }
    }
}

impl Socket for ClientIo {
    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let state = &self.state;
        let polled = state.stream.borrow().poll_read_ready(cx);
        if polled.is_pending() && !state.expired.get() && !state.is_over() {
            state.register(cx);
            return Poll::Pending;
        }
        Poll::Ready(())
    }

    fn head_is_begun(&mut self, begun: bool) {
        self.state.head_is_begun(begun);
    }
}

impl AsyncRead for ClientIo {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let state = &self.state;
        let before = buf.filled().len();
        let polled = Pin::new(&mut *state.stream.borrow_mut()).poll_read(cx, buf);
        if polled.is_pending() {
            let ends = (state.expired.get() || state.is_over()) && !state.has_arrived();
            if ends && state.expired.get() {
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            if ends {
                return Poll::Ready(Ok(()));
            }
            state.register(cx);
        } else if buf.filled().len() > before {
            state.leaving.set(false);
            state.resting.set(false);
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

    /// Comes when all of a response is written.
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let state = &self.state;
        if state.doing.get() != Doing::Exchange && !state.flushed.replace(true) && state.is_over() {
            // The read that would tell of the end may have been polled before this flush, and is not polled by itself.
            cx.waker().wake_by_ref();
        }
        Pin::new(&mut *state.stream.borrow_mut()).poll_flush(cx)
    }

    /// Only a tunnel ends one side at a time. After HTTP the whole connection ends, by [`ClientState::linger`].
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.state.doing.get() != Doing::Tunnel {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut *self.state.stream.borrow_mut()).poll_shutdown(cx)
    }
}

impl ClientIo {
    fn written(&self, cx: &Context<'_>, polled: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        let state = &self.state;
        match &polled {
            Poll::Pending if state.doing.get() == Doing::Tunnel => {}
            Poll::Pending => {
                if state.expired.get() {
                    return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
                }
                state.register(cx);
                if state.write_blocked.get() == NOT_AT_ALL {
                    state.write_blocked.set(SINCE_NOW);
                }
            }
            Poll::Ready(_) => state.write_blocked.set(NOT_AT_ALL),
        }
        polled
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    /// A connection, and its other end.
    async fn connection(times: ClientTimes, idle: Duration) -> (Rc<ClientState>, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let peer = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        (ClientState::new(listener.accept().await.unwrap().0, idle, times), peer)
    }

    /// How long a limit that begins at `from` lasts, for a sweeper that comes by every 250 ms or a little later.
    fn lasts(state: &ClientState, from: u64, begin: impl Fn()) -> u64 {
        let mut begun = false;
        for at in (0..).map(|n: u64| n * 250 + n % 7 + 1) {
            if at > from && !std::mem::replace(&mut begun, true) {
                begin();
                state.expired.set(false);
            }
            state.sweep(Millis(at));
            if begun && state.expired.get() {
                return at - from;
            }
        }
        u64::MAX
    }

    #[tokio::test]
    async fn no_limit_is_shorter_than_it_was_set_and_none_much_longer() {
        for limit in [1, 250, 300, 1000, 10_000] {
            let idle = Duration::from_millis(limit);
            let times = ClientTimes { write_stall: idle, ..ClientTimes::default() };
            let (state, _peer) = connection(times, idle).await;
            for from in [1000, 1100, 1249, 1250, 1251, 1499] {
                let took = lasts(&state, from, || state.enter(Doing::Idle, idle));
                assert!((limit..=limit + 520).contains(&took), "{limit} ms took {took} ms from {from}");
                state.enter(Doing::Exchange, Duration::ZERO);
                let took = lasts(&state, from, || state.write_blocked.set(SINCE_NOW));
                assert!((limit..=limit + 520).contains(&took), "{limit} ms took {took} ms from {from}");
                state.write_blocked.set(NOT_AT_ALL);
            }
        }
    }

    #[tokio::test]
    async fn what_has_no_limit_goes_on() {
        let (state, _peer) = connection(ClientTimes::default(), Duration::ZERO).await;
        state.enter(Doing::Idle, Duration::ZERO);
        state.sweep(Millis(1));
        state.sweep(Millis(u64::MAX / 2));
        assert!(!state.expired.get());
    }

    #[tokio::test]
    async fn a_new_connection_has_a_moment_when_the_end_begins() {
        let times = ClientTimes { head: Duration::from_millis(400), ..ClientTimes::default() };
        for (head, over) in [(400, 400), (10_000, 1000)] {
            let times = ClientTimes { head: Duration::from_millis(head), ..times };
            let (state, _peer) = connection(times, Duration::from_secs(180)).await;
            // Not looked at before.
            state.drain(Millis(5000));
            state.sweep(Millis(5000 + over));
            assert!(!state.expired.get());
            state.sweep(Millis(5001 + over));
            assert!(state.expired.get());
        }
        let (state, _peer) = connection(times, Duration::from_secs(180)).await;
        state.sweep(Millis(4700));
        state.drain(Millis(5000));
        state.sweep(Millis(5100));
        assert!(!state.expired.get());
        state.sweep(Millis(5101));
        assert!(state.expired.get());
    }

    #[tokio::test]
    async fn a_request_that_comes_keeps_a_connection_that_was_to_leave() {
        let (state, peer) = connection(ClientTimes::default(), Duration::from_secs(180)).await;
        state.sweep(Millis(1000));
        assert_eq!(state.unused_since(Millis(1999)), None);
        assert_eq!(state.unused_since(Millis(2000)), Some(Millis(1000)));
        state.leave();
        assert!(state.is_over() && state.unused_since(Millis(2000)).is_none());
        peer.try_write(b"GET").unwrap();
        poll_fn(|cx| state.stream.borrow().poll_read_ready(cx)).await.unwrap();
        let mut io = ClientIo::new(Rc::clone(&state));
        let mut room = [0; 8];
        tokio::io::AsyncReadExt::read(&mut io, &mut room).await.unwrap();
        assert!(!state.is_leaving() && !state.is_over());
        assert_eq!(state.unused_since(Millis(9000)), None, "it reads a head");
    }

    #[tokio::test]
    async fn a_request_that_the_runtime_has_not_heard_of_keeps_it_as_well() {
        for rested in [false, true] {
            for drains in [false, true] {
                let (state, peer) = connection(ClientTimes::default(), Duration::from_secs(180)).await;
                state.used.set(true);
                let mut io = ClientIo::new(Rc::clone(&state));
                let mut room = [0; 8];
                let mut buffer = ReadBuf::new(&mut room);
                let cx = &mut Context::from_waker(Waker::noop());
                assert!(Pin::new(&mut io).poll_read(cx, &mut buffer).is_pending());
                // Nobody asks the kernel for events between here and there.
                std::io::Write::write_all(&mut peer.into_std().unwrap(), b"GET").unwrap();
                if drains {
                    state.drain(Millis(5000))
                } else {
                    state.leave()
                }
                if rested {
                    let mut woken = std::pin::pin!(state.is_woken());
                    assert!(woken.as_mut().poll(cx).is_pending());
                    assert!(woken.await);
                } else {
                    assert!(Pin::new(&mut io).poll_read(cx, &mut buffer).is_pending());
                }
                poll_fn(|cx| Pin::new(&mut io).poll_read(cx, &mut buffer)).await.unwrap();
                assert_eq!(buffer.filled(), b"GET");
                assert!(!state.is_over());
            }
        }
    }
}
