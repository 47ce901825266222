//! Just enough HTTP/1.1 to read messages strictly, shared by the raw client and the upstreams. Deliberately not hyper:
//! what is tested must not be judged by itself.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt};

/// How long a message's body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// So many bytes.
    Length(u64),
    /// `Transfer-Encoding: chunked`.
    Chunked,
    /// Everything until the connection closes (responses only).
    UntilClose,
}

/// A body as far as it came.
#[derive(Debug, Default)]
pub(crate) struct Body {
    pub(crate) bytes: Vec<u8>,
    pub(crate) trailers: Vec<u8>,
    /// The framing said that this was all of it.
    pub(crate) complete: bool,
}

/// Bytes that came in and were not consumed yet, over any stream.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    pub(crate) buf: Vec<u8>,
}

impl Inbox {
    /// Reads some more; 0 at the end of the stream.
    pub(crate) async fn fill<S: AsyncRead + Unpin>(
        &mut self,
        stream: &mut S,
        mut tap: impl FnMut(&[u8]),
    ) -> io::Result<usize> {
        let before = self.buf.len();
        self.buf.reserve(16 * 1024);
        let n = stream.read_buf(&mut self.buf).await?;
        tap(self.buf.get(before..).unwrap_or_default());
        Ok(n)
    }

    /// Takes the first `n` bytes.
    pub(crate) fn take(&mut self, n: usize) -> Vec<u8> {
        let rest = self.buf.split_off(n.min(self.buf.len()));
        std::mem::replace(&mut self.buf, rest)
    }

    /// Reads a head up to and with its empty line; `None` if the stream ends before its first byte.
    pub(crate) async fn head<S: AsyncRead + Unpin>(
        &mut self,
        stream: &mut S,
        mut tap: impl FnMut(&[u8]),
    ) -> io::Result<Option<Vec<u8>>> {
        loop {
            if let Some(at) = self.buf.windows(4).position(|w| w == b"\r\n\r\n") {
                return Ok(Some(self.take(at + 4)));
            }
            if self.fill(stream, &mut tap).await? == 0 {
                if self.buf.is_empty() {
                    return Ok(None);
                }
                let got = String::from_utf8_lossy(&self.buf).into_owned();
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, format!("closed within a head: {got:?}")));
            }
        }
    }

    /// Reads a body. The end of the stream before the body's end is not an error: `complete` stays false.
    pub(crate) async fn body<S: AsyncRead + Unpin>(
        &mut self,
        stream: &mut S,
        framing: Framing,
        into: &mut Body,
        mut tap: impl FnMut(&[u8]),
    ) -> io::Result<()> {
        loop {
            if self.drain(framing, into)? {
                into.complete = true;
                return Ok(());
            }
            if self.fill(stream, &mut tap).await? == 0 {
                into.complete = framing == Framing::UntilClose;
                return Ok(());
            }
        }
    }

    /// Moves what is there of the body; true when it is whole.
    fn drain(&mut self, framing: Framing, into: &mut Body) -> io::Result<bool> {
        match framing {
            Framing::UntilClose => {
                into.bytes.append(&mut self.buf);
                Ok(false)
            }
            Framing::Length(length) => {
                let missing = usize::try_from(length).unwrap_or(usize::MAX).saturating_sub(into.bytes.len());
                let part = self.take(missing);
                into.bytes.extend_from_slice(&part);
                Ok(part.len() == missing)
            }
            Framing::Chunked => {
                let mut at = 0;
                let done = loop {
                    match chunk(self.buf.get(at..).unwrap_or_default())? {
                        Chunk::Data { line, size } => {
                            into.bytes.extend_from_slice(&self.buf[at + line..at + line + size]);
                            at += line + size + 2;
                        }
                        Chunk::End { line, trailers } => {
                            into.trailers.extend_from_slice(&self.buf[at + line..at + line + trailers]);
                            at += line + trailers + 2;
                            break true;
                        }
                        Chunk::Partial => break false,
                    }
                };
                self.take(at);
                Ok(done)
            }
        }
    }
}

enum Chunk {
    Data { line: usize, size: usize },
    End { line: usize, trailers: usize },
    Partial,
}

/// The first chunk of `buf`, if it is whole.
fn chunk(buf: &[u8]) -> io::Result<Chunk> {
    let bad = |what: &str| {
        let shown = String::from_utf8_lossy(buf.get(..buf.len().min(40)).unwrap_or_default()).into_owned();
        io::Error::new(io::ErrorKind::InvalidData, format!("{what} in a chunked body: {shown:?}"))
    };
    let Some(end) = buf.windows(2).position(|w| w == b"\r\n") else {
        return if buf.len() > 1024 { Err(bad("endless size line")) } else { Ok(Chunk::Partial) };
    };
    let line = std::str::from_utf8(&buf[..end]).map_err(|_| bad("bad size line"))?;
    let digits = line.split(';').next().unwrap_or_default();
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(bad("bad size line"));
    }
    let size = usize::from_str_radix(digits, 16).map_err(|_| bad("bad size"))?;
    let line = end + 2;
    if size == 0 {
        let rest = &buf[line..];
        return Ok(if rest.starts_with(b"\r\n") {
            Chunk::End { line, trailers: 0 }
        } else {
            match rest.windows(4).position(|w| w == b"\r\n\r\n") {
                Some(at) => Chunk::End { line, trailers: at + 2 },
                None => Chunk::Partial,
            }
        });
    }
    match buf.get(line + size..line + size + 2) {
        Some(b"\r\n") => Ok(Chunk::Data { line, size }),
        Some(_) => Err(bad("no line end after the data")),
        None => Ok(Chunk::Partial),
    }
}

/// The header lines of a head as (name, value) pairs, in order, values trimmed.
pub(crate) fn fields(head: &[u8]) -> Vec<(String, String)> {
    String::from_utf8_lossy(head)
        .split("\r\n")
        .skip(1)
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
        .collect()
}

/// Every value of one field.
pub(crate) fn all<'f>(fields: &'f [(String, String)], name: &str) -> Vec<&'f str> {
    fields.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str()).collect()
}

/// The framing that the fields declare, if they declare one.
pub(crate) fn framing(fields: &[(String, String)]) -> io::Result<Option<Framing>> {
    let bad = |what: String| Err(io::Error::new(io::ErrorKind::InvalidData, what));
    let (lengths, codings) = (all(fields, "content-length"), all(fields, "transfer-encoding"));
    match (lengths.as_slice(), codings.as_slice()) {
        ([], []) => Ok(None),
        ([], [coding]) if coding.eq_ignore_ascii_case("chunked") => Ok(Some(Framing::Chunked)),
        ([length], []) => match length.parse() {
            Ok(length) => Ok(Some(Framing::Length(length))),
            Err(_) => bad(format!("Content-Length {length:?}")),
        },
        _ => bad(format!("Content-Length {lengths:?} and Transfer-Encoding {codings:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(mut wire: &[u8], framing: Framing) -> io::Result<(Body, Vec<u8>)> {
        let (mut inbox, mut body) = (Inbox::default(), Body::default());
        inbox.body(&mut wire, framing, &mut body, |_| ()).await?;
        Ok((body, inbox.buf))
    }

    #[tokio::test]
    async fn chunked_bodies_are_decoded_and_the_rest_is_kept() {
        let (body, rest) = read(b"3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nT: 1\r\n\r\nHTTP", Framing::Chunked).await.unwrap();
        assert_eq!((body.bytes.as_slice(), body.trailers.as_slice()), (&b"abcde"[..], &b"T: 1\r\n"[..]));
        assert!(body.complete);
        assert_eq!(rest, b"HTTP");
    }

    #[tokio::test]
    async fn what_ends_too_early_is_not_complete() {
        assert!(!read(b"3\r\nabc\r\n", Framing::Chunked).await.unwrap().0.complete);
        assert!(!read(b"abc", Framing::Length(4)).await.unwrap().0.complete);
        assert!(read(b"abc", Framing::UntilClose).await.unwrap().0.complete);
    }

    #[tokio::test]
    async fn malformed_chunks_are_errors() {
        for wire in [&b"x\r\n"[..], b"3\r\nabcd\r\n", b"-1\r\n", b"\r\n", b"3 \r\nabc\r\n"] {
            assert!(read(wire, Framing::Chunked).await.is_err(), "{wire:?}");
        }
    }

    #[test]
    fn two_framings_are_refused() {
        let head = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n";
        assert!(framing(&fields(head)).is_err());
        assert_eq!(framing(&fields(b"HTTP/1.1 200 OK\r\ncontent-length:3\r\n\r\n")).unwrap(), Some(Framing::Length(3)));
    }
}
