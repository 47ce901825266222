//! A server's socket, watched: what was written, what came back, and how it ended.

use std::cell::{Cell, RefCell};
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::tcp_info;

/// One end of a connection to a server, shared by hyper (which reads and writes it) and by the pool (which asks it).
#[derive(Debug)]
pub(crate) struct Wire {
    stream: RefCell<TcpStream>,
    written: Cell<u64>,
    /// `written` when the present request began.
    mark: Cell<u64>,
    /// Something was read since the present request began.
    answered: Cell<bool>,
    /// The peer closed its side in order (FIN).
    ended: Cell<bool>,
    reset: Cell<bool>,
    /// A write failed.
    failed: Cell<bool>,
    /// HTTP is over: bytes as they come.
    tunnel: Cell<bool>,
}

impl Wire {
    pub(crate) fn new(stream: TcpStream) -> Rc<Self> {
        Rc::new(Self {
            stream: RefCell::new(stream),
            written: Cell::new(0),
            mark: Cell::new(0),
            answered: Cell::new(false),
            ended: Cell::new(false),
            reset: Cell::new(false),
            failed: Cell::new(false),
            tunnel: Cell::new(false),
        })
    }

    /// A request is about to be written.
    pub(crate) fn begin(&self) {
        self.mark.set(self.written.get());
        self.answered.set(false);
    }

    /// HTTP is over on this connection.
    pub(crate) fn becomes_tunnel(&self) {
        self.tunnel.set(true);
    }

    /// Bytes of the present request that were handed to the kernel.
    pub(crate) fn sent(&self) -> u64 {
        self.written.get() - self.mark.get()
    }

    /// Something of an answer has arrived.
    pub(crate) fn answered(&self) -> bool {
        self.answered.get()
    }

    /// The connection was reset.
    pub(crate) fn was_reset(&self) -> bool {
        self.reset.get()
    }

    /// A write failed: nothing more can be sent.
    pub(crate) fn has_failed(&self) -> bool {
        self.failed.get()
    }

    /// Proof that the server never had a byte of the present request: nothing was written, or it closed in order and the
    /// acknowledgement that its closing carried does not cover anything that was written since. A reset proves nothing:
    /// what was acknowledged by it is not counted by the kernel.
    pub(crate) fn never_reached(&self) -> bool {
        if self.answered.get() {
            return false;
        }
        let covers = || tcp_info::acknowledged(&self.stream.borrow()).is_none_or(|bytes| bytes > self.mark.get());
        self.sent() == 0 || (self.ended.get() && !covers())
    }

    /// Looks at an idle connection without waiting: true when the peer has neither closed it nor sent anything.
    pub(crate) fn is_quiet(&self) -> bool {
        if self.ended.get() || self.reset.get() {
            return false;
        }
        let stream = self.stream.borrow();
        let mut byte = [MaybeUninit::uninit(); 1];
        matches!(SockRef::from(&*stream).peek(&mut byte), Err(error) if error.kind() == io::ErrorKind::WouldBlock)
    }

    fn note_error(&self, error: &io::Error) {
        match error.kind() {
            // After its FIN the peer answers further bytes with RST; the kernel then says EPIPE in place of ECONNRESET.
            io::ErrorKind::BrokenPipe => self.note_end(),
            io::ErrorKind::ConnectionReset => self.reset.set(true),
            _ => {}
        }
    }

    /// After a reset has been told once, the kernel says what it says after a FIN.
    fn note_end(&self) {
        self.ended.set(!self.reset.get());
    }
}

/// What hyper reads from and writes to.
#[derive(Debug)]
pub(crate) struct UpstreamIo(pub(crate) Rc<Wire>);

impl AsyncRead for UpstreamIo {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut *self.0.stream.borrow_mut()).poll_read(cx, buf);
        match &polled {
            Poll::Ready(Ok(())) if buf.filled().len() > before => self.0.answered.set(true),
            Poll::Ready(Ok(())) if buf.remaining() > 0 => self.0.note_end(),
            Poll::Ready(Err(error)) => self.0.note_error(error),
            _ => {}
        }
        polled
    }
}

impl AsyncWrite for UpstreamIo {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut *self.0.stream.borrow_mut()).poll_write(cx, buf);
        self.written(polled, buf.len())
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut *self.0.stream.borrow_mut()).poll_write_vectored(cx, bufs);
        self.written(polled, bufs.iter().map(|b| b.len()).sum())
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0.stream.borrow_mut()).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0.stream.borrow_mut()).poll_shutdown(cx)
    }
}

impl UpstreamIo {
    /// A server that answers early and closes makes the rest of a request fail, perhaps before its answer was read.
    /// hyper gives up with the first failed write, so that it is told of none: what comes to be read decides, and after
    /// a failed write that is the answer or an end.
    fn written(&self, polled: Poll<io::Result<usize>>, len: usize) -> Poll<io::Result<usize>> {
        match polled {
            Poll::Ready(Ok(n)) => {
                self.0.written.set(self.0.written.get() + n as u64);
                Poll::Ready(Ok(n))
            }
            Poll::Ready(Err(error)) => {
                self.0.note_error(&error);
                self.0.failed.set(true);
                if self.0.tunnel.get() { Poll::Ready(Err(error)) } else { Poll::Ready(Ok(len)) }
            }
            Poll::Pending => Poll::Pending,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    /// A connection with one exchange behind it: the wire, what writes and reads it, and its other end.
    async fn used() -> (Rc<Wire>, UpstreamIo, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let wire = Wire::new(TcpStream::connect(listener.local_addr().unwrap()).await.unwrap());
        let mut io = UpstreamIo(Rc::clone(&wire));
        let (mut peer, _) = listener.accept().await.unwrap();
        wire.begin();
        exchange(&mut io, &mut peer).await;
        assert!(wire.answered() && !wire.never_reached());
        wire.begin();
        assert!(!wire.answered());
        (wire, io, peer)
    }

    async fn exchange(io: &mut UpstreamIo, peer: &mut TcpStream) {
        let mut buffer = [0; 8];
        io.write_all(b"request.").await.unwrap();
        peer.read_exact(&mut buffer).await.unwrap();
        peer.write_all(b"response").await.unwrap();
        io.read_exact(&mut buffer).await.unwrap();
    }

    /// Waits until the kernel has something to tell.
    async fn told(wire: &Wire) {
        std::future::poll_fn(|cx| wire.stream.borrow().poll_read_ready(cx)).await.unwrap();
    }

    /// Reads until the end or an error, whichever the kernel tells.
    async fn read_to_end(io: &mut UpstreamIo) {
        let mut rest = Vec::new();
        io.read_to_end(&mut rest).await.ok();
        assert!(rest.is_empty());
    }

    #[tokio::test]
    async fn what_is_written_to_a_closed_connection_reached_nobody() {
        let (wire, mut io, peer) = used().await;
        drop(peer);
        told(&wire).await;
        assert!(!wire.is_quiet());
        // The kernel takes the first piece and learns by a reset that nobody wanted it; the second fails, and is said to
        // have been written all the same.
        io.write_all(b"POST").await.unwrap();
        read_to_end(&mut io).await;
        assert!(wire.never_reached());
        io.write_all(b"more").await.unwrap();
        assert!(wire.never_reached() && wire.has_failed());
    }

    #[tokio::test]
    async fn what_was_read_before_the_end_may_have_been_done() {
        let (wire, mut io, mut peer) = used().await;
        io.write_all(b"POST").await.unwrap();
        peer.read_exact(&mut [0; 4]).await.unwrap();
        drop(peer);
        read_to_end(&mut io).await;
        assert!(!wire.never_reached());
    }

    #[tokio::test]
    async fn a_reset_proves_nothing_and_neither_does_what_the_kernel_says_after_it() {
        let (wire, mut io, peer) = used().await;
        io.write_all(b"POST").await.unwrap();
        SockRef::from(&peer).set_linger(Some(std::time::Duration::ZERO)).unwrap();
        drop(peer);
        told(&wire).await;
        // The reset is told once, to whoever asks first; then it is an end like any other.
        io.write_all(b"more").await.unwrap();
        read_to_end(&mut io).await;
        assert!(wire.was_reset() && !wire.never_reached());
    }

    #[tokio::test]
    async fn nothing_written_is_proof_enough() {
        let (wire, mut io, peer) = used().await;
        assert!(wire.is_quiet());
        SockRef::from(&peer).set_linger(Some(std::time::Duration::ZERO)).unwrap();
        drop(peer);
        read_to_end(&mut io).await;
        assert!(wire.was_reset() && wire.never_reached() && !wire.is_quiet());
    }

    #[tokio::test]
    async fn an_answer_is_read_after_a_failed_write() {
        let (wire, mut io, mut peer) = used().await;
        peer.write_all(b"early").await.unwrap();
        drop(peer);
        told(&wire).await;
        for _ in 0..3 {
            io.write_all(b"body").await.unwrap();
            tokio::task::yield_now().await;
        }
        let mut answer = [0; 5];
        io.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"early");
        assert!(wire.answered());
        // A tunnel has no such mercy.
        wire.becomes_tunnel();
        assert!(wire.has_failed() && io.write_all(b"more").await.is_err());
    }
}
