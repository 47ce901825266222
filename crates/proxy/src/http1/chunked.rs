//! The chunked coding (RFC 9112 §7.1), taken apart as bytes arrive.

use bytes::{Buf, Bytes};
use http::HeaderMap;
use http::header::{HeaderName, HeaderValue};

/// Most bytes that one body may spend on extensions, which nobody reads.
const EXTENSIONS: usize = 16 * 1024;
/// Longest trailer section.
const TRAILERS: usize = 16 * 1024;
/// Most trailer lines.
const TRAILER_LINES: usize = 64;

/// The bytes are no chunked body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BadChunk;

/// What there was next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    /// Bytes of the body: never empty.
    Data(Bytes),
    /// The end, with the trailer section.
    End(HeaderMap),
    /// More bytes are needed.
    More,
}

/// Reads one chunked body.
#[derive(Debug)]
pub(crate) struct Chunked {
    state: State,
    /// Bytes of extensions so far.
    extensions: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The digits of a size, and how many there were.
    Size(u64, u8),
    /// Blanks after the size: an extension may follow, a digit not.
    Blank(u64),
    Extension(u64),
    /// LF of a size line.
    SizeEnd(u64),
    Data(u64),
    /// CR behind the data.
    DataEnd,
    /// LF behind that.
    DataEndLf,
    /// The trailer section: so much of it was looked at.
    Trailers(usize),
    Done,
}

impl Chunked {
    pub(crate) fn new() -> Self {
        Self { state: State::Size(0, 0), extensions: 0 }
    }

    /// Takes the next piece from the front of `buffer`. After the end nothing is taken.
    pub(crate) fn next(&mut self, buffer: &mut impl Buf) -> Result<Piece, BadChunk> {
        loop {
            match self.state {
                State::Data(left) => {
                    if !buffer.has_remaining() {
                        return Ok(Piece::More);
                    }
                    let take = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.remaining());
                    let rest = left - take as u64;
                    self.state = if rest == 0 { State::DataEnd } else { State::Data(rest) };
                    return Ok(Piece::Data(buffer.copy_to_bytes(take)));
                }
                State::Trailers(seen) => {
                    // However it trickles, each byte is looked at once.
                    let Some(length) = section(buffer.chunk(), seen)? else {
                        self.state = State::Trailers(buffer.chunk().len());
                        return Ok(Piece::More);
                    };
                    let trailers = trailers(buffer.chunk().get(..length).unwrap_or_default())?;
                    buffer.advance(length);
                    self.state = State::Done;
                    return Ok(Piece::End(trailers));
                }
                State::Done => return Ok(Piece::End(HeaderMap::new())),
                _ => {}
            }
            let Some(&byte) = buffer.chunk().first() else { return Ok(Piece::More) };
            buffer.advance(1);
            self.state = self.step(byte)?;
        }
    }

    /// One byte of what stands between the data.
    fn step(&mut self, byte: u8) -> Result<State, BadChunk> {
        match (self.state, byte) {
            (State::Size(size, digits), _) if byte.is_ascii_hexdigit() => {
                // Sixteen digits fill a u64.
                let digit = char::from(byte).to_digit(16).ok_or(BadChunk)?;
                if digits == 16 {
                    return Err(BadChunk);
                }
                Ok(State::Size(size << 4 | u64::from(digit), digits + 1))
            }
            (State::Size(_, 0), _) => Err(BadChunk),
            (State::Size(size, _) | State::Blank(size) | State::Extension(size), b'\r') => Ok(State::SizeEnd(size)),
            (State::Size(size, _) | State::Blank(size), b' ' | b'\t') => {
                self.count_extension()?;
                Ok(State::Blank(size))
            }
            (State::Size(size, _) | State::Blank(size), b';') => Ok(State::Extension(size)),
            // A bare LF would end the line for some and not for others.
            (State::Extension(_), b'\n' | 0) => Err(BadChunk),
            (State::Extension(size), _) => {
                self.count_extension()?;
                Ok(State::Extension(size))
            }
            (State::SizeEnd(0), b'\n') => Ok(State::Trailers(0)),
            (State::SizeEnd(size), b'\n') => Ok(State::Data(size)),
            (State::DataEnd, b'\r') => Ok(State::DataEndLf),
            (State::DataEndLf, b'\n') => Ok(State::Size(0, 0)),
            _ => Err(BadChunk),
        }
    }

    fn count_extension(&mut self) -> Result<(), BadChunk> {
        self.extensions += 1;
        if self.extensions > EXTENSIONS { Err(BadChunk) } else { Ok(()) }
    }
}

/// The length of a trailer section, its empty line included; `None` as long as it is not all there. Before `seen` there is
/// no end. Buffers here are of one piece.
fn section(bytes: &[u8], seen: usize) -> Result<Option<usize>, BadChunk> {
    let new = bytes.iter().enumerate().skip(seen).filter(|(_, byte)| **byte == b'\n');
    for (at, _) in new {
        // A bare LF would end the line for some and not for others.
        let line = bytes.get(..at).and_then(|before| before.strip_suffix(b"\r")).ok_or(BadChunk)?;
        if line.is_empty() || line.ends_with(b"\n") {
            return if at < TRAILERS { Ok(Some(at + 1)) } else { Err(BadChunk) };
        }
    }
    if bytes.len() <= TRAILERS { Ok(None) } else { Err(BadChunk) }
}

/// The fields of a whole trailer section.
fn trailers(section: &[u8]) -> Result<HeaderMap, BadChunk> {
    if section == b"\r\n" {
        return Ok(HeaderMap::new());
    }
    let mut lines = [httparse::EMPTY_HEADER; TRAILER_LINES];
    let Ok(httparse::Status::Complete((length, lines))) = httparse::parse_headers(section, &mut lines) else {
        return Err(BadChunk);
    };
    if length != section.len() {
        return Err(BadChunk);
    }
    let mut trailers = HeaderMap::with_capacity(lines.len());
    for line in lines {
        let name = HeaderName::from_bytes(line.name.as_bytes()).map_err(|_| BadChunk)?;
        let value = HeaderValue::from_bytes(line.value).map_err(|_| BadChunk)?;
        trailers.append(name, value);
    }
    Ok(trailers)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use bytes::BytesMut;
    use proptest::prelude::*;

    use super::*;

    /// A body, its trailers, and what follows.
    type Decoded = (Vec<u8>, HeaderMap, Vec<u8>);

    /// The body and trailers of these bytes, given in two parts; what follows; `None` if it does not end.
    fn decode(bytes: &[u8], cut: usize) -> Result<Option<Decoded>, BadChunk> {
        let (mut chunked, mut body) = (Chunked::new(), Vec::new());
        let mut buffer = BytesMut::from(&bytes[..cut]);
        let mut rest = Some(&bytes[cut..]);
        loop {
            match chunked.next(&mut buffer)? {
                Piece::Data(data) => {
                    assert!(!data.is_empty());
                    body.extend_from_slice(&data);
                }
                Piece::End(trailers) => {
                    buffer.extend_from_slice(rest.take().unwrap_or_default());
                    return Ok(Some((body, trailers, buffer.to_vec())));
                }
                Piece::More => match rest.take() {
                    Some(rest) => buffer.extend_from_slice(rest),
                    None => return Ok(None),
                },
            }
        }
    }

    #[test]
    fn the_same_wherever_it_is_cut() {
        let bytes = b"5\r\nhello\r\n1;a=b\r\n!\r\n00A \t;q\r\n0123456789\r\n0\r\nX-Sum: 7\r\nX-B: \r\n\r\nGET /";
        for cut in 0..=bytes.len() {
            let (body, trailers, rest) = decode(bytes, cut).unwrap().unwrap();
            assert_eq!((body.as_slice(), rest.as_slice()), (&b"hello!0123456789"[..], &b"GET /"[..]), "{cut}");
            assert_eq!((trailers["x-sum"].as_bytes(), trailers["x-b"].as_bytes()), (&b"7"[..], &b""[..]));
        }
    }

    #[test]
    fn what_is_no_chunked_body() {
        for bad in [
            &b"\r\n"[..],
            b" 5\r\nhello\r\n",
            b"+5\r\nhello\r\n",
            b"0x5\r\nhello\r\n",
            b"5\nhello\r\n",
            b"5\r\nhellos\r\n",
            b"5\r\nhello\n",
            b"5;x\ny\r\nhello\r\n",
            b"5 5\r\nhello\r\n",
            b"g\r\n",
            b"-1\r\n",
            b"10000000000000000\r\n",
            b"0\r\nX: y\n\r\n",
            b"0\r\nX : y\r\n\r\n",
            b"0\r\n X: y\r\n\r\n",
            b"0\r\n\n",
            b"0\r\nno colon\r\n\r\n",
            b"0\r\nX: y\rz\r\n\r\n",
            b"0\r\nX: y\r\n\n",
            b"0\r\nX: y\r\n z\r\n\r\n",
        ] {
            for cut in 0..=bad.len() {
                assert_eq!(decode(bad, cut), Err(BadChunk), "{} cut at {cut}", bad.escape_ascii());
            }
        }
    }

    #[test]
    fn what_is_not_whole_waits() {
        let whole = b"ffffffffffffffff;ext\r\n";
        for cut in 0..=whole.len() {
            assert_eq!(decode(&whole[..cut], 0), Ok(None));
        }
        let whole = b"2\r\nok\r\n0\r\nX: y\r\n\r\n";
        for cut in 0..whole.len() {
            assert_eq!(decode(&whole[..cut], 0), Ok(None), "{cut}");
        }
    }

    #[test]
    fn extensions_and_trailers_have_their_bounds() {
        let one = format!("1;{}\r\nx\r\n", "e".repeat(EXTENSIONS / 2));
        assert_eq!(decode(format!("{one}0\r\n\r\n").as_bytes(), 0).unwrap().unwrap().0, b"x");
        assert_eq!(decode(format!("{one}{one}{one}0\r\n\r\n").as_bytes(), 0), Err(BadChunk));
        let endless = format!("0\r\nX: {}", "y".repeat(TRAILERS));
        assert_eq!(decode(endless.as_bytes(), 0), Err(BadChunk));
        let many = format!("0\r\n{}\r\n", "X: y\r\n".repeat(TRAILER_LINES + 1));
        assert_eq!(decode(many.as_bytes(), 0), Err(BadChunk));
    }

    /// What looks like a body, and may be none.
    fn bodies() -> impl Strategy<Value = Vec<u8>> {
        let parts = prop_oneof![
            8 => prop::sample::select(vec![
                "5\r\nhello\r\n", "0\r\n", "\r\n", "X: y\r\n", "X: y", "\n", "\r", "1;a=b\r\n", "x\r\n", "0", "A", ";", " ", "GET / HTTP/1.1\r\n",
            ]).prop_map(|part| part.as_bytes().to_vec()),
            1 => proptest::collection::vec(any::<u8>(), 1..3),
        ];
        proptest::collection::vec(parts, 0..12).prop_map(|parts| parts.concat())
    }

    proptest! {
        #[test]
        fn pieces_make_no_difference(bytes in bodies(), size in 1..6usize) {
            let (mut chunked, mut buffer, mut body) = (Chunked::new(), BytesMut::new(), Vec::new());
            let mut pieces = bytes.chunks(size);
            let outcome = loop {
                match chunked.next(&mut buffer) {
                    Ok(Piece::Data(data)) => body.extend_from_slice(&data),
                    Ok(Piece::More) => match pieces.next() {
                        Some(piece) => buffer.extend_from_slice(piece),
                        None => break Ok(None),
                    },
                    Ok(Piece::End(trailers)) => {
                        pieces.for_each(|piece| buffer.extend_from_slice(piece));
                        break Ok(Some((body, trailers, buffer.to_vec())));
                    }
                    Err(bad) => break Err(bad),
                }
            };
            prop_assert_eq!(outcome, decode(&bytes, bytes.len()));
        }
    }
}
