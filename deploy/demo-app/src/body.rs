//! The three kinds of body that answers have.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::sync::mpsc;

/// How much of a long body is handed over at a time, in bytes.
const PIECE: usize = 64 * 1024;
static ZEROS: [u8; PIECE] = [b'0'; PIECE];

/// The body of an answer.
pub(crate) enum ReplyBody {
    /// Everything at once.
    Whole(Option<Bytes>),
    /// So many bytes of nothing in particular.
    Filler(u64),
    /// Whatever arrives here, until the sender is dropped.
    Stream(mpsc::Receiver<Bytes>),
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let next = match &mut *self {
            Self::Whole(bytes) => bytes.take(),
            Self::Filler(0) => None,
            Self::Filler(left) => {
                let piece = usize::try_from(*left).map_or(PIECE, |left| left.min(PIECE));
                *left -= piece as u64;
                Some(Bytes::from_static(&ZEROS).slice(..piece))
            }
            Self::Stream(pieces) => match pieces.poll_recv(context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(piece) => piece,
            },
        };
        Poll::Ready(next.map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(None) | Self::Filler(0))
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Self::Filler(left) => SizeHint::with_exact(*left),
            Self::Stream(_) => SizeHint::default(),
        }
    }
}
