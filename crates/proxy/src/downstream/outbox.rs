//! What is on its way to a client and has not been handed to the kernel yet.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use tokio::io::AsyncWrite;

use crate::http1::spares;

/// Up to this size copying is cheaper than telling the kernel of one more piece.
const COPY: usize = 2048;
/// So much text that has gone is carried along at most, or as much as there is still to go.
const GONE: usize = 8 * 1024;
/// Pieces that the kernel is told of at one time.
const PIECES: usize = 8;

/// Bytes in order: some written here, some of them somebody else's.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    /// Everything that was written here, and how much of it has gone.
    text: Vec<u8>,
    gone: usize,
    pieces: VecDeque<Piece>,
    len: usize,
}

#[derive(Debug)]
enum Piece {
    /// So many bytes of the text.
    Text(usize),
    Data(Bytes),
}

impl Outbox {
    /// So much waits that no more should come.
    pub(super) fn is_full(&self, bytes: usize) -> bool {
        self.len >= bytes || self.pieces.len() >= PIECES
    }

    /// Appends what `write` appends to the vector that it is given.
    pub(super) fn write<T>(&mut self, write: impl FnOnce(&mut Vec<u8>) -> T) -> T {
        if self.text.capacity() == 0 {
            self.text = spares::text();
        }
        let before = self.text.len();
        let written = write(&mut self.text);
        let more = self.text.len().saturating_sub(before);
        match self.pieces.back_mut() {
            Some(Piece::Text(bytes)) => *bytes += more,
            _ if more > 0 => self.pieces.push_back(Piece::Text(more)),
            _ => {}
        }
        self.len += more;
        written
    }

    /// Appends data; large ones as they are.
    pub(super) fn push(&mut self, data: Bytes) {
        if data.len() <= COPY {
            self.write(|text| text.extend_from_slice(&data));
        } else {
            self.len += data.len();
            self.pieces.push_back(Piece::Data(data));
        }
    }

    /// Hands everything to the kernel.
    pub(super) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        io: &mut (impl AsyncWrite + Unpin),
    ) -> Poll<io::Result<()>> {
        while self.len > 0 {
            let mut slices = [IoSlice::new(&[]); PIECES];
            let count = self.slices(&mut slices);
            let written = match slices.get(..count) {
                Some([one]) => ready!(Pin::new(&mut *io).poll_write(cx, one))?,
                Some(slices) => ready!(Pin::new(&mut *io).poll_write_vectored(cx, slices))?,
                None => 0,
            };
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.advance(written);
        }
        Poll::Ready(Ok(()))
    }

    fn slices<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let mut text = self.text.get(self.gone..).unwrap_or_default();
        let mut count = 0;
        for (slice, piece) in slices.iter_mut().zip(&self.pieces) {
            *slice = match piece {
                Piece::Data(data) => IoSlice::new(data),
                Piece::Text(bytes) => {
                    let (this, rest) = text.split_at_checked(*bytes).unwrap_or((text, &[]));
                    text = rest;
                    IoSlice::new(this)
                }
            };
            count += 1;
        }
        count
    }

    fn advance(&mut self, mut bytes: usize) {
        self.len = self.len.saturating_sub(bytes);
        while let Some(piece) = self.pieces.front_mut() {
            let here = match piece {
                Piece::Text(left) => *left,
                Piece::Data(data) => data.len(),
            };
            let take = here.min(bytes);
            bytes -= take;
            match piece {
                Piece::Text(left) => {
                    *left -= take;
                    self.gone += take;
                }
                Piece::Data(data) => data.advance(take),
            }
            if take < here {
                self.let_go();
                return;
            }
            self.pieces.pop_front();
        }
        self.gone = 0;
        spares::keep_text(std::mem::take(&mut self.text));
    }

    /// A client that is always behind never takes everything, and what it has taken must not pile up.
    fn let_go(&mut self) {
        if self.gone > GONE && self.gone >= self.text.len() / 2 {
            self.text.drain(..self.gone.min(self.text.len()));
            self.gone = 0;
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Takes `most` bytes at each call, and counts the calls.
    struct Slow {
        taken: Vec<u8>,
        most: usize,
        calls: usize,
    }

    impl AsyncWrite for Slow {
        fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
            self.poll_write_vectored(cx, &[IoSlice::new(buf)])
        }

        fn poll_write_vectored(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bufs: &[IoSlice<'_>],
        ) -> Poll<io::Result<usize>> {
            self.calls += 1;
            let all: Vec<u8> = bufs.iter().flat_map(|b| b.iter().copied()).take(self.most).collect();
            self.taken.extend_from_slice(&all);
            Poll::Ready(Ok(all.len()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    fn drain(outbox: &mut Outbox, most: usize) -> Slow {
        let mut slow = Slow { taken: Vec::new(), most, calls: 0 };
        let mut cx = Context::from_waker(std::task::Waker::noop());
        assert!(matches!(outbox.poll_write(&mut cx, &mut slow), Poll::Ready(Ok(()))));
        slow
    }

    #[test]
    fn head_and_body_go_at_once() {
        for size in [10, COPY, COPY + 1, 100_000] {
            let mut outbox = Outbox::default();
            outbox.write(|text| text.extend_from_slice(b"head"));
            outbox.push(vec![b'x'; size].into());
            outbox.write(|text| text.extend_from_slice(b"end"));
            let slow = drain(&mut outbox, usize::MAX);
            assert_eq!((slow.calls, slow.taken.len(), outbox.len), (1, size + 7, 0));
        }
    }

    #[test]
    fn nothing_of_it_is_kept_when_all_has_gone() {
        let mut outbox = Outbox::default();
        outbox.write(|text| text.extend_from_slice(b"head"));
        outbox.push(vec![b'x'; 5000].into());
        drain(&mut outbox, usize::MAX);
        assert_eq!((outbox.text.capacity(), outbox.gone, outbox.pieces.len()), (0, 0, 0));
    }

    /// Takes so many bytes in all, and then no more for now.
    struct Full(usize);

    impl AsyncWrite for Full {
        fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
            let take = buf.len().min(self.0);
            self.0 -= take;
            if take == 0 { Poll::Pending } else { Poll::Ready(Ok(take)) }
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[test]
    fn what_a_client_that_is_always_behind_has_taken_does_not_pile_up() {
        let mut outbox = Outbox::default();
        let mut cx = Context::from_waker(std::task::Waker::noop());
        for size in [1000, 3000] {
            for _ in 0..10_000 {
                outbox.write(|text| text.extend_from_slice(b"3e8\r\n"));
                outbox.push(vec![b'x'; size].into());
                let taken = outbox.len.saturating_sub(100);
                assert!(outbox.poll_write(&mut cx, &mut Full(taken)).is_pending());
                assert!(outbox.text.capacity() < 8 * GONE, "{}", outbox.text.capacity());
            }
        }
    }

    #[test]
    fn a_socket_that_takes_nothing_is_an_error_and_no_loop() {
        let mut outbox = Outbox::default();
        outbox.push(Bytes::from_static(b"x"));
        let mut slow = Slow { taken: Vec::new(), most: 0, calls: 0 };
        let mut cx = Context::from_waker(std::task::Waker::noop());
        assert!(matches!(outbox.poll_write(&mut cx, &mut slow), Poll::Ready(Err(_))));
    }

    proptest! {
        #[test]
        fn everything_arrives_in_order(
            pieces in proptest::collection::vec((any::<bool>(), 0..3000usize, any::<u8>()), 0..20),
            most in 1..5000usize,
        ) {
            let (mut outbox, mut want) = (Outbox::default(), Vec::new());
            for (text, size, byte) in pieces {
                let data = vec![byte; size];
                want.extend_from_slice(&data);
                if text {
                    outbox.write(|text| text.extend_from_slice(&data));
                } else {
                    outbox.push(data.into());
                }
                prop_assert_eq!(outbox.len, want.len());
            }
            prop_assert_eq!(drain(&mut outbox, most).taken, want);
            prop_assert!(outbox.len == 0);
        }
    }
}
