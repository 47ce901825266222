//! A client's connection as requests come out of it: heads, and the bodies behind them. One buffer, no copies.

use std::cell::RefCell;
use std::fmt;
use std::future::Future;
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};

use bytes::{Bytes, BytesMut};
use tokio::io::AsyncReadExt;

use super::Socket;
use super::outbox::Outbox;
use crate::error::ProxyError;
use crate::http1::chunked::{Chunked, Piece};
use crate::http1::request::{self, BadHead, Bounds, Framing, Head, Progress};
use crate::http1::respond::{self, Asked, Reply, Written};
use crate::http1::spares;

/// What a client may send ahead of the answer that it waits for, and what of a body is read at once.
const AHEAD: usize = 16 * 1024;
/// Less room than this is not worth a call.
const ROOM: usize = 512;

/// What comes next from a client.
#[derive(Debug)]
pub(super) enum Next {
    Request(Head),
    /// Bytes that are no request. Nothing is read after them.
    Bad(Box<BadHead>),
    /// The client has ended the connection, or its time is over.
    Gone,
}

/// A client's connection.
pub(crate) struct Wire<I> {
    inner: RefCell<Inner<I>>,
}

struct Inner<I> {
    io: I,
    bounds: Bounds,
    /// Read and not used yet.
    buffer: BytesMut,
    /// How far the next head has come.
    progress: Progress,
    body: Reading,
    /// Which body that is: who still holds an earlier one has nothing to do with it.
    number: u64,
    /// Somebody reads the body, or may do so.
    held: bool,
    /// The client waits for a word before it sends the body.
    owes_continue: bool,
    /// The word was said and has not gone.
    says_continue: bool,
    /// To be woken when nobody reads the body any more.
    waiter: Option<Waker>,
    out: Outbox,
}

/// Where the body of the present request stands.
#[derive(Debug)]
enum Reading {
    /// All of it has been read.
    Ended,
    Length(u64),
    /// With the piece that comes next, if it is there already.
    Chunked(Chunked, Option<Bytes>),
    Failed(ProxyError),
}

impl<I: Socket> Wire<I> {
    pub(crate) fn new(io: I, bounds: Bounds) -> Rc<Self> {
        Rc::new(Self {
            inner: RefCell::new(Inner {
                io,
                bounds,
                buffer: BytesMut::new(),
                progress: Progress::default(),
                body: Reading::Ended,
                number: 0,
                held: false,
                owes_continue: false,
                says_continue: false,
                waiter: None,
                out: Outbox::default(),
            }),
        })
    }

    /// Nothing was read beyond what has been taken.
    pub(super) fn is_empty(&self) -> bool {
        self.inner.borrow().buffer.is_empty()
    }

    /// The next head. While none comes, no buffer is held.
    pub(super) fn poll_next(&self, cx: &mut Context<'_>) -> Poll<Next> {
        let inner = &mut *self.inner.borrow_mut();
        loop {
            if !inner.buffer.is_empty() {
                match request::parse(&mut inner.buffer, &mut inner.progress, inner.bounds) {
                    Ok(Some(head)) => return Poll::Ready(Next::Request(head)),
                    Ok(None) => inner.io.head_is_begun(!inner.buffer.is_empty()),
                    Err(bad) => {
                        inner.body = Reading::Failed(ProxyError::BadBody);
                        return Poll::Ready(Next::Bad(bad));
                    }
                }
            }
            match inner.poll_fill(cx, ROOM) {
                Poll::Ready(Ok(1..)) => {}
                Poll::Ready(_) => return Poll::Ready(Next::Gone),
                Poll::Pending => {
                    inner.rest();
                    return Poll::Pending;
                }
            }
        }
    }

    /// The body behind a head; `None` if there is none.
    pub(super) fn body(self: &Rc<Self>, framing: Framing, expects_continue: bool) -> Option<Body<I>> {
        let inner = &mut *self.inner.borrow_mut();
        inner.body = match framing {
            Framing::None => return None,
            Framing::Length(length) => Reading::Length(length),
            Framing::Chunked => Reading::Chunked(Chunked::new(), None),
        };
        inner.held = true;
        inner.number += 1;
        inner.owes_continue = expects_continue;
        Some(Body { wire: Rc::clone(self), number: inner.number })
    }

    /// Somebody reads the body of the present request.
    pub(super) fn is_read(&self) -> bool {
        self.inner.borrow().is_open()
    }

    /// Ready when the client has left while it is being served. What it sends ahead is kept, up to a bound; as long as
    /// somebody reads a body, it is he who finds out.
    pub(super) fn poll_gone(&self, cx: &mut Context<'_>) -> Poll<()> {
        let inner = &mut *self.inner.borrow_mut();
        if inner.is_open() {
            inner.wait(cx);
            return Poll::Pending;
        }
        while inner.buffer.len() < AHEAD && !matches!(inner.body, Reading::Failed(_)) {
            ready!(inner.io.poll_readable(cx));
            match ready!(inner.poll_fill(cx, 1)) {
                Ok(1..) => {}
                _ => return Poll::Ready(()),
            }
        }
        Poll::Pending
    }

    /// Ready when nobody reads the body any more: true if what follows is the next request.
    pub(super) fn poll_rest(&self, cx: &mut Context<'_>) -> Poll<bool> {
        let inner = &mut *self.inner.borrow_mut();
        if inner.is_open() {
            inner.wait(cx);
            return Poll::Pending;
        }
        inner.owes_continue = false;
        // A body that nobody wanted may be there already, or most of it. More is not waited for.
        let _not_there = inner.discard() || (inner.poll_fill(cx, ROOM).is_ready() && inner.discard());
        Poll::Ready(matches!(inner.body, Reading::Ended))
    }

    /// The connection ends, whoever reads a body: what is thrown away in the end must not be missing in the midst of it.
    pub(super) fn abandon(&self) {
        let inner = &mut *self.inner.borrow_mut();
        if inner.is_open() {
            inner.body = Reading::Failed(ProxyError::ClientGone);
        }
    }

    /// Puts the head of a response behind what waits to be sent.
    pub(super) fn respond<B>(&self, asked: Asked, reply: &mut Reply<B>, size: Option<u64>) -> Written {
        let inner = &mut *self.inner.borrow_mut();
        (inner.owes_continue, inner.says_continue) = (false, false);
        inner.out.write(|out| respond::head(out, asked, reply, size))
    }

    /// Puts more behind it.
    pub(super) fn with_out<T>(&self, write: impl FnOnce(&mut Outbox) -> T) -> T {
        write(&mut self.inner.borrow_mut().out)
    }

    /// Hands everything that waits to the kernel.
    pub(super) fn poll_send(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let inner = &mut *self.inner.borrow_mut();
        inner.out.poll_write(cx, &mut inner.io)
    }

    /// Says that a response is out.
    pub(super) fn poll_flush(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        std::pin::Pin::new(&mut self.inner.borrow_mut().io).poll_flush(cx)
    }

    /// Bytes in the buffer, and what they take.
    #[cfg(test)]
    pub(super) fn buffered(&self) -> (usize, usize) {
        let buffer = &self.inner.borrow().buffer;
        (buffer.len(), buffer.capacity())
    }

    /// What has come and belongs to no request: HTTP is over.
    pub(super) fn take_rest(&self) -> Bytes {
        self.inner.borrow_mut().buffer.split().freeze()
    }
}

impl<I: Socket> Inner<I> {
    /// Reads what is there, into at least so much room.
    fn poll_fill(&mut self, cx: &mut Context<'_>, room: usize) -> Poll<io::Result<usize>> {
        let len = self.buffer.len();
        if self.buffer.capacity() - len < room {
            if len > 0 {
                self.buffer.reserve(len.clamp(spares::READ, 4 * AHEAD).max(room));
            } else if room > spares::READ {
                self.buffer.reserve(room);
            } else if !self.buffer.try_reclaim(spares::READ) {
                self.buffer = spares::buffer();
            }
        }
        pin!(self.io.read_buf(&mut self.buffer)).poll(cx)
    }

    /// Gives the buffer away while there is nothing in it.
    fn rest(&mut self) {
        if self.buffer.is_empty() && self.buffer.capacity() > 0 {
            spares::keep_buffer(std::mem::take(&mut self.buffer));
        }
    }

    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, ProxyError>>> {
        if let Reading::Length(left) = self.body
            && (1..AHEAD.min(usize::try_from(left).unwrap_or(AHEAD))).contains(&self.buffer.len())
        {
            // What has come meanwhile goes with what is there: one write in place of two. After a read that found less
            // than there was room for this is no system call. An end or an error is met again.
            let _more = self.poll_fill(cx, ROOM);
        }
        loop {
            if let Some(data) = self.take() {
                if !self.is_open() {
                    self.wake_other(cx);
                }
                return Poll::Ready(Some(Ok(data)));
            }
            let room = match &self.body {
                Reading::Ended => return Poll::Ready(None),
                Reading::Failed(error) => return Poll::Ready(Some(Err(*error))),
                // With room to spare: a read that does not fill it says that there is no more for now, one that does
                // would be followed by one in vain.
                Reading::Length(left) => usize::try_from(*left).unwrap_or(AHEAD).min(AHEAD) + ROOM,
                Reading::Chunked(..) => spares::READ / 2,
            };
            if std::mem::take(&mut self.owes_continue) {
                self.out.write(|out| out.extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n"));
                self.says_continue = true;
            }
            if self.says_continue {
                // An error is found by whoever reads.
                self.says_continue = self.out.poll_write(cx, &mut self.io).is_pending();
            }
            if !matches!(ready!(self.poll_fill(cx, room)), Ok(1..)) {
                self.body = Reading::Failed(ProxyError::ClientGone);
            }
            if !self.is_open() {
                self.wake_other(cx);
            }
        }
    }

    /// The next piece of the body, if it is in the buffer.
    fn take(&mut self) -> Option<Bytes> {
        match &mut self.body {
            Reading::Length(left) => {
                let here = usize::try_from(*left).unwrap_or(usize::MAX).min(self.buffer.len());
                *left -= here as u64;
                if *left == 0 {
                    self.body = Reading::Ended;
                }
                (here > 0).then(|| self.buffer.split_to(here).freeze())
            }
            Reading::Chunked(chunked, ahead) => {
                let mut taken = ahead.take();
                loop {
                    // One piece more is looked at than is taken, so that the last one is known to be the last.
                    match chunked.next(&mut self.buffer) {
                        Ok(Piece::Data(data)) if taken.is_some() => *ahead = Some(data),
                        Ok(Piece::Data(data)) => {
                            taken = Some(data);
                            continue;
                        }
                        // Trailers are dropped: merged or forwarded they could pass for headers.
                        Ok(Piece::End(_)) => self.body = Reading::Ended,
                        Ok(Piece::More) => {}
                        Err(_) => self.body = Reading::Failed(ProxyError::BadBody),
                    }
                    return taken;
                }
            }
            Reading::Ended | Reading::Failed(_) => None,
        }
    }

    /// Throws away what is there of the body; true if that was all.
    fn discard(&mut self) -> bool {
        while self.take().is_some() {}
        matches!(self.body, Reading::Ended)
    }
}

impl<I> Inner<I> {
    /// Somebody reads the body, and there is some left.
    fn is_open(&self) -> bool {
        self.held && !matches!(self.body, Reading::Ended | Reading::Failed(_))
    }

    fn wait(&mut self, cx: &Context<'_>) {
        if !self.waiter.as_ref().is_some_and(|waiter| waiter.will_wake(cx.waker())) {
            self.waiter = Some(cx.waker().clone());
        }
    }

    /// Wakes who waits, unless it is he who is running.
    fn wake_other(&mut self, cx: &Context<'_>) {
        if let Some(waiter) = self.waiter.take()
            && !waiter.will_wake(cx.waker())
        {
            waiter.wake();
        }
    }
}

impl<I> fmt::Debug for Wire<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wire").finish_non_exhaustive()
    }
}

/// The body of a request. Dropping it leaves the rest unread. One that has ended may be held while the next one is read.
#[derive(Debug)]
pub(crate) struct Body<I> {
    wire: Rc<Wire<I>>,
    number: u64,
}

impl<I: Socket> Body<I> {
    /// The next piece, never empty; `None` at the end.
    pub(crate) fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, ProxyError>>> {
        let inner = &mut *self.wire.inner.borrow_mut();
        if inner.number == self.number { inner.poll_data(cx) } else { Poll::Ready(None) }
    }

    /// The last piece was given.
    pub(crate) fn has_ended(&self) -> bool {
        let inner = self.wire.inner.borrow();
        inner.number != self.number || matches!(inner.body, Reading::Ended)
    }

    /// Bytes to come; `None` of chunks, of which nobody knows.
    pub(crate) fn left(&self) -> Option<u64> {
        let inner = self.wire.inner.borrow();
        match &inner.body {
            Reading::Length(left) if inner.number == self.number => Some(*left),
            _ => None,
        }
    }
}

impl<I> Drop for Body<I> {
    fn drop(&mut self) {
        let mut inner = self.wire.inner.borrow_mut();
        if inner.number != self.number {
            return;
        }
        inner.held = false;
        if let Some(waiter) = inner.waiter.take() {
            waiter.wake();
        }
    }
}
