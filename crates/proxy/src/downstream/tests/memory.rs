//! A socket and a body that are made by hand.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A socket in memory: what is read comes in the pieces that were given.
#[derive(Default)]
pub(super) struct Socket {
    input: VecDeque<Vec<u8>>,
    ended: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
    pub(super) output: Vec<u8>,
    writes: usize,
    /// Bytes that can still be written.
    room: usize,
    pub(super) read: usize,
}

#[derive(Clone)]
pub(super) struct Io(pub(super) Rc<RefCell<Socket>>);

impl Io {
    pub(super) fn new() -> Self {
        Self(Rc::new(RefCell::new(Socket { room: usize::MAX, ..Socket::default() })))
    }

    pub(super) fn send(&self, bytes: impl AsRef<[u8]>) {
        let mut socket = self.0.borrow_mut();
        socket.input.push_back(bytes.as_ref().to_vec());
        socket.reader.take().into_iter().for_each(Waker::wake);
    }

    pub(super) fn end(&self) {
        let mut socket = self.0.borrow_mut();
        socket.ended = true;
        socket.reader.take().into_iter().for_each(Waker::wake);
    }

    pub(super) fn make_room(&self, room: usize) {
        let mut socket = self.0.borrow_mut();
        socket.room = room;
        socket.writer.take().into_iter().for_each(Waker::wake);
    }

    /// What was written since the last call, without dates, and in how many calls.
    pub(super) fn take(&self) -> (String, usize) {
        let mut socket = self.0.borrow_mut();
        let text = String::from_utf8(std::mem::take(&mut socket.output)).unwrap();
        let lines = text.split_inclusive('\n').filter(|line| !line.starts_with("date: "));
        (lines.collect(), std::mem::take(&mut socket.writes))
    }
}

impl AsyncRead for Io {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut socket = self.0.borrow_mut();
        if let Some(mut piece) = socket.input.pop_front() {
            let take = piece.len().min(buf.remaining());
            buf.put_slice(&piece[..take]);
            socket.read += take;
            if take < piece.len() {
                socket.input.push_front(piece.split_off(take));
            }
            return Poll::Ready(Ok(()));
        }
        if socket.ended {
            return Poll::Ready(Ok(()));
        }
        socket.reader = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl AsyncWrite for Io {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[io::IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut socket = self.0.borrow_mut();
        if socket.room == 0 {
            socket.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let all: Vec<u8> = bufs.iter().flat_map(|b| b.iter().copied()).take(socket.room).collect();
        socket.room -= all.len();
        socket.writes += 1;
        socket.output.extend_from_slice(&all);
        Poll::Ready(Ok(all.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl crate::downstream::Socket for Io {
    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut socket = self.0.borrow_mut();
        if socket.input.is_empty() && !socket.ended {
            socket.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(())
    }
}

/// A body in frames: `None` in the list is a moment without one.
#[derive(Default)]
pub(super) struct Frames {
    pub(super) frames: VecDeque<Option<Result<Frame<Bytes>, ()>>>,
    pub(super) size: Option<u64>,
    /// It is known beforehand that the last frame is the last.
    pub(super) knows_end: bool,
    pub(super) waker: Rc<RefCell<Option<Waker>>>,
}

impl Frames {
    pub(super) fn of(pieces: &[&'static str]) -> Self {
        let frames = pieces.iter().map(|piece| Some(Ok(Frame::data(Bytes::from_static(piece.as_bytes())))));
        Self { frames: frames.collect(), knows_end: true, ..Self::default() }
    }

    pub(super) fn sized(data: impl Into<Bytes>) -> Self {
        let data = data.into();
        let size = Some(data.len() as u64);
        Self { frames: [Some(Ok(Frame::data(data)))].into(), size, knows_end: true, ..Self::default() }
    }
}

impl super::super::ReplyBody for Frames {}

impl http_body::Body for Frames {
    type Data = Bytes;
    type Error = ();

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, ()>>> {
        match self.frames.front() {
            Some(None) => {
                self.frames.pop_front();
                *self.waker.borrow_mut() = Some(cx.waker().clone());
                Poll::Pending
            }
            _ => Poll::Ready(self.frames.pop_front().flatten()),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.knows_end && self.frames.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        self.size.map_or_else(SizeHint::new, SizeHint::with_exact)
    }
}
