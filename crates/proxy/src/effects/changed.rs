//! A response's body that middlewares change as it goes out.

use std::task::{Context, Poll};

use bytes::Bytes;
use http::HeaderMap;
use http_body::Frame;
use seaway_middleware::protocol::{Broken, Transform};

use crate::response::Flight;
use crate::upstream::link::Cut;

/// So much is gathered before it is given on, as long as more is there at once.
const GATHERED: usize = 16 * 1024;

/// The changes of one response, the innermost middleware's first.
pub(crate) type Changes = Vec<Box<dyn Transform>>;

/// The server's body, changed.
pub(crate) struct Changed {
    flight: Option<Flight>,
    changes: Changes,
    /// Something was taken that may not have come out yet.
    unflushed: bool,
    /// What is sent behind the last of it.
    trailers: Option<HeaderMap>,
}

impl Changed {
    /// The body that the exchange's connection brings.
    pub(crate) fn new(flight: Flight, changes: Changes) -> Self {
        // A change may have something to give before anything comes.
        Self { flight: Some(flight), changes, unflushed: true, trailers: None }
    }

    /// The exchange, until the last byte is out.
    pub(crate) fn flight(&mut self) -> Option<&mut Flight> {
        self.flight.as_mut()
    }

    pub(crate) fn is_end_stream(&self) -> bool {
        self.flight.is_none() && self.trailers.is_none()
    }

    pub(crate) fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        let Some(flight) = &mut self.flight else {
            return Poll::Ready(self.trailers.take().map(|trailers| Ok(Frame::trailers(trailers))));
        };
        let mut out = Vec::new();
        let done = loop {
            let Some(lease) = &mut flight.lease else { break Ok(None) };
            let step = match lease.poll_body(cx) {
                Poll::Pending if std::mem::take(&mut self.unflushed) => {
                    flush(&mut self.changes, &mut out).map(|()| true)
                }
                Poll::Pending => Ok(true),
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) => {
                        self.unflushed = true;
                        let taken = piece(&mut self.changes, &data, &mut out);
                        if taken.is_ok() && lease.is_received() {
                            break end(&mut self.changes, None, &mut out);
                        }
                        taken.map(|()| out.len() >= GATHERED)
                    }
                    Err(frame) => break end(&mut self.changes, frame.into_trailers().ok(), &mut out),
                },
                Poll::Ready(Some(Err(Cut))) => Err(Broken),
                Poll::Ready(None) => break end(&mut self.changes, None, &mut out),
            };
            match step {
                Ok(false) => {}
                Ok(true) if out.is_empty() => return Poll::Pending,
                Ok(true) => {
                    flight.trail.response_bytes += out.len() as u64;
                    return Poll::Ready(Some(Ok(Frame::data(out.into()))));
                }
                Err(Broken) => break Err(Broken),
            }
        };
        match done {
            Ok(trailers) => {
                flight.trail.response_bytes += out.len() as u64;
                flight.complete();
                (self.flight, self.trailers) = (None, trailers);
                if out.is_empty() { self.poll_frame(cx) } else { Poll::Ready(Some(Ok(Frame::data(out.into())))) }
            }
            Err(Broken) => {
                flight.is_cut();
                self.flight = None;
                Poll::Ready(Some(Err(Cut)))
            }
        }
    }
}

impl Drop for Changed {
    fn drop(&mut self) {
        if let Some(flight) = &mut self.flight {
            flight.is_left();
        }
    }
}

/// Gives what was read before, and then everything as it is.
pub(crate) struct Before(pub(crate) Option<Bytes>);

impl Transform for Before {
    fn piece(&mut self, piece: &[u8], out: &mut Vec<u8>) -> Result<(), Broken> {
        self.flush(out)?;
        out.extend_from_slice(piece);
        Ok(())
    }

    fn flush(&mut self, out: &mut Vec<u8>) -> Result<(), Broken> {
        out.extend_from_slice(&self.0.take().unwrap_or_default());
        Ok(())
    }

    fn end(&mut self, trailers: Option<HeaderMap>, out: &mut Vec<u8>) -> Result<Option<HeaderMap>, Broken> {
        self.flush(out)?;
        Ok(trailers)
    }
}

/// The whole of a body that was made here.
pub(crate) fn all(mut changes: Changes, body: &[u8]) -> Result<Bytes, Broken> {
    let mut out = Vec::new();
    piece(&mut changes, body, &mut out)?;
    end(&mut changes, None, &mut out)?;
    Ok(out.into())
}

fn piece(changes: &mut [Box<dyn Transform>], data: &[u8], out: &mut Vec<u8>) -> Result<(), Broken> {
    match changes {
        [] => out.extend_from_slice(data),
        [last] => last.piece(data, out)?,
        [first, rest @ ..] => {
            let mut between = Vec::new();
            first.piece(data, &mut between)?;
            piece(rest, &between, out)?;
        }
    }
    Ok(())
}

fn flush(changes: &mut [Box<dyn Transform>], out: &mut Vec<u8>) -> Result<(), Broken> {
    match changes {
        [] => Ok(()),
        [last] => last.flush(out),
        [first, rest @ ..] => {
            let mut between = Vec::new();
            first.flush(&mut between)?;
            piece(rest, &between, out)?;
            flush(rest, out)
        }
    }
}

fn end(
    changes: &mut [Box<dyn Transform>],
    trailers: Option<HeaderMap>,
    out: &mut Vec<u8>,
) -> Result<Option<HeaderMap>, Broken> {
    match changes {
        [] => Ok(trailers),
        [last] => last.end(trailers, out),
        [first, rest @ ..] => {
            let mut between = Vec::new();
            let trailers = first.end(trailers, &mut between)?;
            piece(rest, &between, out)?;
            end(rest, trailers, out)
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// Keeps everything until it is asked for it, and says so.
    struct Slow(Vec<u8>, u8);

    impl Transform for Slow {
        fn piece(&mut self, piece: &[u8], _out: &mut Vec<u8>) -> Result<(), Broken> {
            self.0.extend_from_slice(piece);
            Ok(())
        }

        fn flush(&mut self, out: &mut Vec<u8>) -> Result<(), Broken> {
            out.append(&mut self.0);
            out.push(self.1);
            Ok(())
        }

        fn end(&mut self, trailers: Option<HeaderMap>, out: &mut Vec<u8>) -> Result<Option<HeaderMap>, Broken> {
            out.append(&mut self.0);
            out.push(self.1.to_ascii_uppercase());
            Ok(trailers)
        }
    }

    #[test]
    fn everything_comes_through_all_of_them() {
        let mut changes: Changes = vec![Box::new(Slow(vec![], b'a')), Box::new(Slow(vec![], b'b'))];
        let mut out = Vec::new();
        piece(&mut changes, b"one", &mut out).unwrap();
        assert_eq!(out, b"");
        flush(&mut changes, &mut out).unwrap();
        assert_eq!(out, b"oneab");
        out.clear();
        piece(&mut changes, b"two", &mut out).unwrap();
        let mut trailers = HeaderMap::new();
        trailers.insert("x-sum", "7".parse().unwrap());
        assert_eq!(end(&mut changes, Some(trailers.clone()), &mut out).unwrap(), Some(trailers));
        assert_eq!(out, b"twoAB");
        assert_eq!(all(Vec::new(), b"x").unwrap(), "x");
    }
}
