//! One connection to a server: a request goes out, its response comes in, both driven by the exchange that borrowed it.
//!
//! There is no task behind it: whoever waits for the response also writes what is left of the request.

use std::cell::RefCell;
use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use http::{Method, StatusCode};
use http_body::{Body, Frame};
use tokio::io::{AsyncReadExt, AsyncWrite};

use super::connect::limit_stall;
use super::stream::Stream;
use super::tcp_info;
use crate::body::RequestBody;
use crate::http1::chunked::{Chunked, Piece};
use crate::http1::respond;
use crate::http1::response::{self, Framing, Head};

/// What one worker's connections read into. What was read is cut off and belongs to the connection from then on, so an
/// idle connection holds no buffer.
pub(crate) type Scratch = Rc<RefCell<BytesMut>>;

/// A scratch buffer is made this large, and replaced when less than the second figure is left of it.
const SCRATCH: (usize, usize) = (64 * 1024, 20 * 1024);
/// Pieces of a request body up to this size are copied behind the head, so that both take one system call.
const SMALL: usize = 8 * 1024;
/// What has come of a body is gathered up to here before it is written.
const GATHERED: usize = 32 * 1024;
/// A write buffer that has grown beyond this is not kept.
const KEPT: usize = 16 * 1024;
/// A head is looked at whenever something of it comes, until it is as long as this; then only after an end of a line.
const OFTEN: usize = 4 * 1024;
/// Most interim responses (1xx) before the real one.
const INTERIM: u32 = 64;

/// No response came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoHead {
    /// The client's own body failed.
    Client,
    /// What came is no response.
    Bad,
    /// The connection ended or broke.
    Ended,
}

/// A response that was not all there when its connection ended, or is no longer one.
#[derive(Debug)]
pub(crate) struct Cut;

impl std::fmt::Display for Cut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the server's response was cut off")
    }
}

impl std::error::Error for Cut {}

/// A borrowed connection to one server. The box is made once for each connection.
pub(crate) type Lease = Box<Link>;

/// One connection to a server.
#[derive(Debug)]
pub(crate) struct Link {
    /// The state id of the server that it leads to: the identity, so that a re-used address is another key.
    pub(crate) server: u64,
    /// No request was sent on it before.
    pub(crate) fresh: bool,
    stream: Stream,
    scratch: Scratch,
    /// What came and was not used yet.
    received: Bytes,
    /// How much of it was looked at and is no whole head.
    tried: usize,
    sending: Sending,
    receiving: Receiving,
    /// The present response says that the connection may be used again.
    keep: bool,
    /// Bytes handed to the kernel, in all and before the present request.
    written: (u64, u64),
    /// Something was read since the present request began.
    answered: bool,
    /// The peer closed its side in order (FIN).
    ended: bool,
    reset: bool,
    /// A write failed.
    failed: bool,
}

/// What is still to be written of a request.
#[derive(Debug, Default)]
struct Sending {
    /// The head, the frames of chunks, small pieces.
    out: Vec<u8>,
    /// How much of it is written.
    at: usize,
    /// Large pieces of the body, which follow it, and what follows them. Of chunks only one is taken at a time.
    pieces: [Bytes; 2],
    tail: &'static [u8],
    /// Where more comes from; none when all was taken.
    body: Option<RequestBody>,
    chunked: bool,
}

/// What is still to be read of a response.
#[derive(Debug)]
enum Receiving {
    Head,
    Length(u64),
    Chunked(Chunked),
    Close,
    Done,
}

impl Link {
    pub(crate) fn new(stream: impl Into<Stream>, server: u64, scratch: Scratch) -> Lease {
        Box::new(Self {
            server,
            fresh: true,
            stream: stream.into(),
            scratch,
            received: Bytes::new(),
            tried: 0,
            sending: Sending::default(),
            receiving: Receiving::Done,
            keep: true,
            written: (0, 0),
            answered: false,
            ended: false,
            reset: false,
            failed: false,
        })
    }

    /// Begins a request: `encode` writes its head, `body` follows, in chunks if `chunked`.
    pub(crate) fn begin(&mut self, encode: impl FnOnce(&mut Vec<u8>), body: RequestBody, chunked: bool) {
        self.written.1 = self.written.0;
        self.answered = false;
        self.tried = 0;
        self.receiving = Receiving::Head;
        self.sending.begin(body, chunked);
        encode(&mut self.sending.out);
    }

    /// The head of the response.
    pub(crate) fn poll_head(
        &mut self,
        cx: &mut Context<'_>,
        method: &Method,
        interim: &mut u32,
    ) -> Poll<Result<Head, NoHead>> {
        if let Poll::Ready(Err(ClientFault)) = self.poll_send(cx) {
            return Poll::Ready(Err(NoHead::Client));
        }
        loop {
            while is_worth_a_try(&self.received, self.tried) {
                self.tried = 0;
                match response::parse(&mut self.received, method) {
                    Ok(Some(head)) if !is_interim(head.status) => {
                        self.expect(&head);
                        if self.received.is_empty() {
                            // Even of no length it would keep the buffer that it was a part of.
                            self.received = Bytes::new();
                        }
                        return Poll::Ready(Ok(head));
                    }
                    Ok(Some(_)) if *interim < INTERIM => *interim += 1,
                    Ok(None) => {
                        self.tried = self.received.len();
                        break;
                    }
                    _ => return Poll::Ready(Err(NoHead::Bad)),
                }
            }
            match ready!(self.poll_fill(cx)) {
                Ok(0) | Err(_) => return Poll::Ready(Err(NoHead::Ended)),
                Ok(_) => {}
            }
        }
    }

    /// The next piece of the response's body, or its trailers; `None` after the end.
    pub(crate) fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        // The server may answer before it has read all.
        if let Poll::Ready(Err(ClientFault)) = self.poll_send(cx) {
            return Poll::Ready(Some(Err(Cut)));
        }
        loop {
            match &mut self.receiving {
                Receiving::Head | Receiving::Done => return Poll::Ready(None),
                Receiving::Length(left) => {
                    if !self.received.is_empty() {
                        let take = usize::try_from(*left).unwrap_or(usize::MAX).min(self.received.len());
                        *left -= take as u64;
                        if *left == 0 {
                            self.receiving = Receiving::Done;
                        }
                        return Poll::Ready(Some(Ok(Frame::data(self.received.split_to(take)))));
                    }
                }
                Receiving::Chunked(chunks) => match chunks.next(&mut self.received) {
                    Ok(Piece::Data(data)) => return Poll::Ready(Some(Ok(Frame::data(data)))),
                    Ok(Piece::End(trailers)) => {
                        self.receiving = Receiving::Done;
                        return Poll::Ready((!trailers.is_empty()).then(|| Ok(Frame::trailers(trailers))));
                    }
                    Ok(Piece::More) => {}
                    Err(_) => return Poll::Ready(Some(Err(Cut))),
                },
                Receiving::Close => {
                    if !self.received.is_empty() {
                        return Poll::Ready(Some(Ok(Frame::data(std::mem::take(&mut self.received)))));
                    }
                }
            }
            match ready!(self.poll_fill(cx)) {
                Ok(0) if matches!(self.receiving, Receiving::Close) => self.receiving = Receiving::Done,
                Ok(0) | Err(_) => return Poll::Ready(Some(Err(Cut))),
                Ok(_) => {}
            }
        }
    }

    /// The rest of the request goes on while nobody takes the response. An error is the client's.
    pub(crate) fn poll_rest_of_request(&mut self, cx: &mut Context<'_>) -> Result<(), Cut> {
        match self.poll_send(cx) {
            Poll::Ready(Err(ClientFault)) => Err(Cut),
            _ => Ok(()),
        }
    }

    /// How many bytes of the body are still to come, where that is known.
    pub(crate) fn body_left(&self) -> Option<u64> {
        match self.receiving {
            Receiving::Length(left) => Some(left),
            Receiving::Head | Receiving::Done => Some(0),
            Receiving::Chunked(_) | Receiving::Close => None,
        }
    }

    /// All of the response was given.
    pub(crate) fn is_received(&self) -> bool {
        matches!(self.receiving, Receiving::Done)
    }

    /// All of the request was handed to the kernel.
    pub(crate) fn is_sent(&self) -> bool {
        self.sending.is_done()
    }

    /// The exchange is over and nothing speaks against another one.
    pub(crate) fn is_reusable(&self) -> bool {
        self.keep
            && self.is_received()
            && self.is_sent()
            && self.received.is_empty()
            && !(self.ended || self.reset || self.failed)
    }

    /// Nobody uses it for now: lets go of what it read, and of what a large request took.
    pub(crate) fn rest(&mut self) {
        self.received = Bytes::new();
        if self.sending.out.capacity() > KEPT {
            self.sending.out = Vec::new();
        }
        self.fresh = false;
    }

    /// Writes what is left of the request.
    pub(crate) async fn finish_sending(&mut self) {
        // A client whose body fails is told by its own side.
        let _ended = std::future::poll_fn(|cx| self.poll_send(cx)).await;
    }

    /// Bytes that the kernel has taken in all, and whether there are more that it does not take.
    pub(crate) fn progress(&self) -> (u64, bool) {
        (self.written.0, self.sending.has_bytes())
    }

    /// HTTP is over on this connection: its socket, and what came behind the head.
    pub(crate) fn into_tunnel(self) -> (Stream, Bytes) {
        // What goes over a tunnel may take its time.
        limit_stall(self.stream.socket(), Duration::ZERO);
        (self.stream, self.received)
    }

    /// Looks at an idle connection, as far as the runtime knows: true when the peer has neither closed it nor sent
    /// anything. Costs no system call as long as nothing has happened.
    pub(crate) fn is_alive(&mut self) -> bool {
        self.stream.is_idle()
    }

    /// The same, but asks the kernel.
    pub(crate) fn is_quiet(&self) -> bool {
        self.stream.is_quiet()
    }

    /// Something of an answer has arrived.
    pub(crate) fn answered(&self) -> bool {
        self.answered
    }

    /// The connection was reset.
    pub(crate) fn was_reset(&self) -> bool {
        self.reset
    }

    /// Proof that the server never had a byte of the present request: nothing was written, or it closed in order and the
    /// acknowledgement that its closing carried does not cover anything that was written since. A reset proves nothing:
    /// what was acknowledged by it is not counted by the kernel.
    pub(crate) fn never_reached(&self) -> bool {
        let (written, mark) = self.written;
        let covers = || match &self.stream {
            Stream::Tcp(stream) => tcp_info::acknowledged(stream).is_none_or(|bytes| bytes > mark),
            // The kernel counts records, and what was handed over may still be in one that it never had.
            Stream::Tls(_) => true,
        };
        !self.answered && (written == mark || (self.ended && !covers()))
    }

    fn expect(&mut self, head: &Head) {
        self.keep = head.reusable;
        self.receiving = match head.framing {
            Framing::None | Framing::Length(0) => Receiving::Done,
            Framing::Length(length) => Receiving::Length(length),
            Framing::Chunked => Receiving::Chunked(Chunked::new()),
            Framing::Close => {
                self.keep = false;
                Receiving::Close
            }
        };
    }

    /// Reads once. What was there already stays in front.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let polled = if self.received.is_empty() {
            let mut scratch = self.scratch.borrow_mut();
            // Once nobody holds a part of it any more it can be used from its beginning.
            if scratch.capacity() < SCRATCH.1 && !scratch.try_reclaim(SCRATCH.0) {
                *scratch = BytesMut::with_capacity(SCRATCH.0);
            }
            let polled = pin!(self.stream.read_buf(&mut *scratch)).poll(cx);
            if !scratch.is_empty() {
                self.received = scratch.split().freeze();
            }
            polled
        } else {
            // A head or a chunk's size was cut in two: it continues in a buffer of its own.
            let mut own = std::mem::take(&mut self.received).try_into_mut().unwrap_or_else(|shared| {
                let mut own = BytesMut::with_capacity(2 * shared.len() + 4096);
                own.extend_from_slice(&shared);
                own
            });
            own.reserve(4096);
            let polled = pin!(self.stream.read_buf(&mut own)).poll(cx);
            self.received = own.freeze();
            polled
        };
        match &polled {
            Poll::Ready(Ok(0)) => self.note_end(),
            Poll::Ready(Ok(_)) => self.answered = true,
            Poll::Ready(Err(error)) => self.note_error(error.kind()),
            Poll::Pending => {}
        }
        polled
    }

    /// Writes the request as far as it goes. An error is the client's: a write that fails is not told of. A server that
    /// answers early and closes makes the rest of a request fail, perhaps before its answer was read, so that what comes
    /// to be read decides; after a failed write that is the answer or an end.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ClientFault>> {
        while !self.sending.is_done() {
            if self.failed {
                self.sending = Sending::default();
                break;
            }
            if !self.sending.gather(cx)? {
                return self.push(cx, Poll::Pending);
            }
            if self.sending.is_done() {
                break;
            }
            let stream = Pin::new(&mut self.stream);
            match ready!(self.sending.poll_write(cx, stream)) {
                // A socket that takes nothing would be asked for ever.
                Ok(0) => self.failed = true,
                Ok(written) => {
                    self.written.0 += written as u64;
                    self.sending.advance(written);
                }
                Err(error) => {
                    self.note_error(error.kind());
                    self.failed = true;
                }
            }
        }
        self.push(cx, Poll::Ready(Ok(())))
    }

    /// Records that were made go out as well, or as soon as the kernel takes them; `so_far` if they have.
    fn push(&mut self, cx: &mut Context<'_>, so_far: Poll<Result<(), ClientFault>>) -> Poll<Result<(), ClientFault>> {
        if self.failed {
            return so_far;
        }
        match self.stream.poll_push(cx) {
            Poll::Ready(Ok(())) => so_far,
            Poll::Ready(Err(error)) => {
                self.note_error(error.kind());
                self.failed = true;
                so_far
            }
            Poll::Pending => Poll::Pending,
        }
    }

    fn note_error(&mut self, error: io::ErrorKind) {
        match error {
            // After its FIN the peer answers further bytes with RST; the kernel then says EPIPE in place of ECONNRESET.
            io::ErrorKind::BrokenPipe => self.note_end(),
            // Nor does the peer close in order when the kernel gives it up (ETIMEDOUT, EHOSTUNREACH).
            _ => self.reset = true,
        }
    }

    /// After an error has been told once, the kernel says what it says after a FIN.
    fn note_end(&mut self) {
        self.ended = !self.reset;
    }
}

/// The client's body failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct ClientFault;

impl Sending {
    fn begin(&mut self, body: RequestBody, chunked: bool) {
        self.out.clear();
        (self.at, self.pieces, self.tail, self.chunked) = (0, Default::default(), b"", chunked);
        self.body = (chunked || !body.is_end_stream()).then_some(body);
    }

    /// Everything was written, and nothing more comes.
    fn is_done(&self) -> bool {
        self.body.is_none() && !self.has_bytes()
    }

    fn has_bytes(&self) -> bool {
        self.at < self.out.len() || self.has_bytes_behind()
    }

    /// Something follows what is in the buffer.
    fn has_bytes_behind(&self) -> bool {
        let [first, _] = &self.pieces;
        !first.is_empty() || !self.tail.is_empty()
    }

    /// More can be taken before anything is written.
    fn has_room(&self) -> bool {
        let [first, second] = &self.pieces;
        let taken = if self.chunked { !first.is_empty() } else { !second.is_empty() };
        !taken && self.tail.is_empty() && self.out.len() - self.at < GATHERED
    }

    /// Takes what the body has, as long as it is little; false when there is nothing to write before more comes.
    fn gather(&mut self, cx: &mut Context<'_>) -> Result<bool, ClientFault> {
        while self.has_room() {
            let Some(body) = &mut self.body else { break };
            match Pin::new(&mut *body).poll_frame(cx) {
                Poll::Pending => return Ok(self.has_bytes()),
                Poll::Ready(Some(Err(_))) => return Err(ClientFault),
                Poll::Ready(Some(Ok(frame))) => {
                    let Ok(data) = frame.into_data() else { continue };
                    if !self.chunked && body.is_end_stream() {
                        self.body = None;
                    }
                    self.stage(data);
                }
                Poll::Ready(None) => {
                    self.body = None;
                    if self.chunked {
                        self.room().extend_from_slice(b"0\r\n\r\n");
                    }
                }
            }
        }
        Ok(true)
    }

    fn stage(&mut self, data: Bytes) {
        if data.is_empty() {
            // An empty chunk would be the last one.
            return;
        }
        let [first, second] = &mut self.pieces;
        if !first.is_empty() {
            *second = data;
            return;
        }
        let chunked = self.chunked;
        let out = self.room();
        if chunked {
            respond::chunk(out, data.len());
        }
        if data.len() <= SMALL {
            out.extend_from_slice(&data);
            if chunked {
                out.extend_from_slice(b"\r\n");
            }
        } else {
            self.pieces = [data, Bytes::new()];
            self.tail = if chunked { b"\r\n" } else { b"" };
        }
    }

    /// The buffer, without most of what was written.
    fn room(&mut self) -> &mut Vec<u8> {
        if self.at == self.out.len() {
            self.out.clear();
            self.at = 0;
        } else if self.at >= SMALL {
            // A server that never takes all of it would make it grow with the body.
            self.out.drain(..self.at);
            self.at = 0;
        }
        &mut self.out
    }

    fn poll_write(&self, cx: &mut Context<'_>, stream: Pin<&mut Stream>) -> Poll<io::Result<usize>> {
        let out = self.out.get(self.at..).unwrap_or_default();
        if !self.has_bytes_behind() {
            return stream.poll_write(cx, out);
        }
        let [first, second] = &self.pieces;
        let slices = [out, first, second, self.tail].map(IoSlice::new);
        stream.poll_write_vectored(cx, &slices)
    }

    fn advance(&mut self, mut written: usize) {
        let of_out = written.min(self.out.len() - self.at);
        self.at += of_out;
        written -= of_out;
        for piece in &mut self.pieces {
            let of_piece = written.min(piece.len());
            piece.advance(of_piece);
            written -= of_piece;
        }
        let [first, second] = &mut self.pieces;
        if first.is_empty() {
            *first = std::mem::take(second);
        }
        self.tail = self.tail.get(written..).unwrap_or_default();
    }
}

/// Something has come that may end a head. One that comes in small pieces is not read from its beginning for each.
fn is_worth_a_try(received: &[u8], tried: usize) -> bool {
    let new = received.get(tried..).unwrap_or_default();
    !new.is_empty() && (tried < OFTEN || received.len() >= response::LONGEST || new.contains(&b'\n'))
}

/// 1xx, but not the one that ends HTTP on the connection.
fn is_interim(status: StatusCode) -> bool {
    status.is_informational() && status != StatusCode::SWITCHING_PROTOCOLS
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
