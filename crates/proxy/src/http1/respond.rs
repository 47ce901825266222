//! Responses as bytes: the head, one framing for the body behind it (RFC 9112 §6), and the body in that framing.

use bytes::Bytes;
use http::header::{
    AUTHORIZATION, CACHE_CONTROL, CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, DATE,
    HOST, HeaderMap, HeaderName, HeaderValue, MAX_FORWARDS, SET_COOKIE, TE, TRAILER, TRANSFER_ENCODING,
};
use http::{Method, Response, StatusCode, Version};

use super::fields::Fields;
use super::request::{self, names_token};
use super::{date, ends_with_head};

/// What matters of the request that is answered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked {
    /// Only the head is wanted.
    pub(crate) head_only: bool,
    /// What the client speaks.
    pub(crate) version: Version,
    /// The client would send another request on the connection.
    pub(crate) keep_alive: bool,
    /// The client takes trailers.
    pub(crate) takes_trailers: bool,
}

impl Asked {
    /// By this request.
    pub(crate) fn by(head: &request::Head) -> Self {
        Self {
            head_only: head.method == Method::HEAD,
            version: head.version,
            keep_alive: head.keep_alive,
            takes_trailers: head.takes_trailers,
        }
    }
}

/// A response to a client.
#[derive(Debug)]
pub(crate) struct Reply<B> {
    pub(crate) status: StatusCode,
    /// The reason phrase where it is not the usual one.
    pub(crate) reason: Option<Bytes>,
    pub(crate) fields: Fields,
    pub(crate) body: B,
}

impl<B> From<Response<B>> for Reply<B> {
    fn from(response: Response<B>) -> Self {
        let (parts, body) = response.into_parts();
        Self { status: parts.status, reason: None, fields: parts.headers.into(), body }
    }
}

/// How the client learns where the body ends.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// There is none, or it is not sent.
    None,
    /// So many bytes are still to come.
    Length(u64),
    /// Chunks, then those trailers that were announced.
    Chunked(Vec<HeaderName>),
    /// The connection's end.
    Close,
}

/// What follows a head that was written.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Written {
    pub(crate) framing: Framing,
    /// The connection may carry another request afterwards.
    pub(crate) keep_alive: bool,
}

/// Appends the head of a response whose body is `size` bytes long, `None` where nobody knows.
pub(crate) fn head<B>(out: &mut Vec<u8>, asked: Asked, reply: &mut Reply<B>, size: Option<u64>) -> Written {
    let status = reply.status;
    let framing = match size {
        _ if asked.head_only || ends_with_head(status) => Framing::None,
        Some(size) => Framing::Length(size),
        None if asked.version == Version::HTTP_10 => Framing::Close,
        None => Framing::Chunked(Vec::new()),
    };
    status_line(out, asked.version, status, reply.reason.as_deref());
    match reply.fields.verbatim() {
        // The server's line of the length says the same, if there is one.
        Some(lines) if lines.length == size && framing != Framing::None => {
            lines.runs().for_each(|run| out.extend_from_slice(run));
            if size.is_none() {
                framing_lines(out, status, &framing, size, None);
            }
            rest(out, asked, framing, status, lines.dated, None)
        }
        _ => mapped(out, asked, status, reply.fields.map(), framing, size),
    }
}

/// The lines of the map, and what follows them.
fn mapped(
    out: &mut Vec<u8>,
    asked: Asked,
    status: StatusCode,
    headers: &HeaderMap,
    mut framing: Framing,
    size: Option<u64>,
) -> Written {
    out.reserve(160 + 48 * headers.len());
    let (mut dated, mut connection) = (false, None);
    // The length of a body that is not sent is the server's to say.
    let mut said_length = None;
    for (name, value) in headers {
        match *name {
            // Written below, in one spelling.
            CONTENT_LENGTH => {
                said_length = said_length.or(Some(value));
                continue;
            }
            TRANSFER_ENCODING => continue,
            CONNECTION => {
                connection = Some(headers);
                continue;
            }
            TRAILER => match &mut framing {
                Framing::Chunked(announced) => announce(announced, asked, value),
                _ => continue,
            },
            DATE => dated = true,
            _ => {}
        }
        line(out, name, value);
    }
    framing_lines(out, status, &framing, size, said_length);
    rest(out, asked, framing, status, dated, connection)
}

/// The lines that say where the body ends.
fn framing_lines(
    out: &mut Vec<u8>,
    status: StatusCode,
    framing: &Framing,
    size: Option<u64>,
    said_length: Option<&HeaderValue>,
) {
    match (framing, size) {
        (Framing::Chunked(_), _) => out.extend_from_slice(b"transfer-encoding: chunked\r\n"),
        (Framing::None, _) if ends_with_head(status) => {}
        (Framing::None | Framing::Length(_), Some(size)) if size > 0 || *framing != Framing::None => {
            out.extend_from_slice(b"content-length: ");
            out.extend_from_slice(itoa::Buffer::new().format(size).as_bytes());
            out.extend_from_slice(b"\r\n");
        }
        (Framing::None, _) => {
            if let Some(length) = said_length {
                line(out, &CONTENT_LENGTH, length);
            }
        }
        _ => {}
    }
}

/// What the head says of the connection and of the time, and its end. `said` has a `Connection`, if there is one.
fn rest(
    out: &mut Vec<u8>,
    asked: Asked,
    framing: Framing,
    status: StatusCode,
    dated: bool,
    said: Option<&HeaderMap>,
) -> Written {
    let closes = said.is_some_and(|said| said.get_all(CONNECTION).iter().any(|value| names_token(value, b"close")));
    let switches = status == StatusCode::SWITCHING_PROTOCOLS;
    let keep_alive = asked.keep_alive && !closes && framing != Framing::Close && !switches;
    if said.is_some() || asked.version == Version::HTTP_10 || !keep_alive {
        connection_line(out, asked, said, keep_alive || switches);
    }
    if !dated {
        out.extend_from_slice(b"date: ");
        date::write(out);
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b"\r\n");
    Written { framing, keep_alive }
}

/// Appends the line that stands before a chunk of `size` bytes; one that is empty would be the last.
pub(crate) fn chunk(out: &mut Vec<u8>, size: usize) {
    let digits = (usize::BITS - size.leading_zeros()).div_ceil(4).max(1);
    for digit in (0..digits).rev() {
        let digit = (size >> (4 * digit) & 15) as u8;
        out.push(if digit < 10 { b'0' + digit } else { b'A' - 10 + digit });
    }
    out.extend_from_slice(b"\r\n");
}

/// Appends what ends a chunked body, with those trailers that were announced and may be there.
pub(crate) fn last_chunk(out: &mut Vec<u8>, announced: &[HeaderName], trailers: Option<&HeaderMap>) {
    out.extend_from_slice(b"0\r\n");
    for (name, value) in trailers.into_iter().flatten() {
        if announced.contains(name) && !is_for_heads(name) {
            line(out, name, value);
        }
    }
    out.extend_from_slice(b"\r\n");
}

fn status_line(out: &mut Vec<u8>, version: Version, status: StatusCode, reason: Option<&[u8]>) {
    if version != Version::HTTP_10 && status == StatusCode::OK && reason.is_none() {
        out.extend_from_slice(b"HTTP/1.1 200 OK\r\n");
        return;
    }
    out.extend_from_slice(if version == Version::HTTP_10 { b"HTTP/1.0 " } else { b"HTTP/1.1 " });
    out.extend_from_slice(status.as_str().as_bytes());
    out.push(b' ');
    // Many readers expect one.
    let usual = || status.canonical_reason().unwrap_or("<none>").as_bytes();
    out.extend_from_slice(reason.unwrap_or_else(usual));
    out.extend_from_slice(b"\r\n");
}

/// What the response says of its connection, and what we do.
fn connection_line(out: &mut Vec<u8>, asked: Asked, said: Option<&HeaderMap>, stays: bool) {
    out.extend_from_slice(b"connection: ");
    let start = out.len();
    for value in said.into_iter().flat_map(|said| said.get_all(CONNECTION)) {
        let tokens = value.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
        // Ours to say, once.
        let ours = |token: &[u8]| token.eq_ignore_ascii_case(b"close") || token.eq_ignore_ascii_case(b"keep-alive");
        for token in tokens.filter(|token| !token.is_empty() && !ours(token)) {
            out.extend_from_slice(token);
            out.extend_from_slice(b", ");
        }
    }
    match (stays, asked.version) {
        (false, _) => out.extend_from_slice(b"close"),
        (true, Version::HTTP_10) => out.extend_from_slice(b"keep-alive"),
        (true, _) if out.len() > start => out.truncate(out.len() - 2),
        (true, _) => {
            // Nothing that needs saying is left.
            out.truncate(start - b"connection: ".len());
            return;
        }
    }
    out.extend_from_slice(b"\r\n");
}

fn line(out: &mut Vec<u8>, name: &HeaderName, value: &HeaderValue) {
    let (name, value) = (name.as_str().as_bytes(), value.as_bytes());
    out.reserve(name.len() + value.len() + 4);
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

/// Remembers the names of trailers, for a client that takes any.
fn announce(announced: &mut Vec<HeaderName>, asked: Asked, value: &HeaderValue) {
    if asked.takes_trailers {
        let names = value.as_bytes().split(|byte| *byte == b',');
        announced.extend(names.filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok()));
    }
}

/// Fields that mean something only where they are read before the body (RFC 9110 §6.5.1).
fn is_for_heads(name: &HeaderName) -> bool {
    matches!(
        *name,
        AUTHORIZATION
            | CACHE_CONTROL
            | CONNECTION
            | CONTENT_ENCODING
            | CONTENT_LENGTH
            | CONTENT_RANGE
            | CONTENT_TYPE
            | HOST
            | MAX_FORWARDS
            | SET_COOKIE
            | TE
            | TRAILER
            | TRANSFER_ENCODING
    )
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const NEW: Asked = Asked { head_only: false, version: Version::HTTP_11, keep_alive: true, takes_trailers: false };
    const OLD: Asked = Asked { version: Version::HTTP_10, keep_alive: false, ..NEW };

    fn response(status: u16, fields: &[(&str, &str)]) -> Reply<()> {
        let mut response = Response::builder().status(status);
        for (name, value) in fields {
            response = response.header(*name, *value);
        }
        response.body(()).unwrap().into()
    }

    /// The head without its date, and what follows.
    fn written(asked: Asked, response: &mut Reply<()>, size: Option<u64>) -> (String, Written) {
        let mut out = Vec::new();
        let written = head(&mut out, asked, response, size);
        let text = String::from_utf8(out).unwrap();
        let lines = text.split_inclusive("\r\n").filter(|line| !line.starts_with("date: "));
        (lines.collect(), written)
    }

    fn check(
        asked: Asked,
        status: u16,
        fields: &[(&str, &str)],
        size: Option<u64>,
        want: &str,
        then: Framing,
        keep: bool,
    ) {
        let (text, written) = written(asked, &mut response(status, fields), size);
        assert_eq!(text, format!("{want}\r\n\r\n"));
        assert_eq!(written, Written { framing: then, keep_alive: keep }, "{want}");
    }

    #[test]
    fn one_framing() {
        let length = ("content-length", "5");
        let coding = ("transfer-encoding", "chunked");
        check(NEW, 200, &[length], Some(5), "HTTP/1.1 200 OK\r\ncontent-length: 5", Framing::Length(5), true);
        check(NEW, 200, &[], Some(5), "HTTP/1.1 200 OK\r\ncontent-length: 5", Framing::Length(5), true);
        check(NEW, 200, &[], Some(0), "HTTP/1.1 200 OK\r\ncontent-length: 0", Framing::Length(0), true);
        let chunked = || Framing::Chunked(Vec::new());
        check(NEW, 200, &[coding], None, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked", chunked(), true);
        // What the body is decides, not what the head says of it.
        check(NEW, 200, &[length], None, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked", chunked(), true);
        check(NEW, 200, &[coding, length], Some(3), "HTTP/1.1 200 OK\r\ncontent-length: 3", Framing::Length(3), true);
        check(OLD, 200, &[coding], None, "HTTP/1.0 200 OK\r\nconnection: close", Framing::Close, false);
    }

    #[test]
    fn what_has_no_body() {
        let length = ("content-length", "9");
        let head = Asked { head_only: true, ..NEW };
        check(head, 200, &[length], Some(0), "HTTP/1.1 200 OK\r\ncontent-length: 9", Framing::None, true);
        check(head, 404, &[], Some(19), "HTTP/1.1 404 Not Found\r\ncontent-length: 19", Framing::None, true);
        check(head, 200, &[], Some(0), "HTTP/1.1 200 OK", Framing::None, true);
        check(head, 200, &[("transfer-encoding", "chunked")], None, "HTTP/1.1 200 OK", Framing::None, true);
        check(NEW, 204, &[length], Some(0), "HTTP/1.1 204 No Content", Framing::None, true);
        check(NEW, 304, &[length], Some(0), "HTTP/1.1 304 Not Modified", Framing::None, true);
        let upgrade = [("connection", "upgrade"), ("upgrade", "websocket")];
        let want = "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade";
        check(NEW, 101, &upgrade, Some(0), want, Framing::None, false);
    }

    #[test]
    fn whether_the_connection_stays() {
        let close = ("connection", "close");
        let want = "HTTP/1.1 200 OK\r\ncontent-length: 1\r\nconnection: close";
        check(NEW, 200, &[close], Some(1), want, Framing::Length(1), false);
        check(Asked { keep_alive: false, ..NEW }, 200, &[], Some(1), want, Framing::Length(1), false);
        check(Asked { keep_alive: false, ..NEW }, 200, &[close], Some(1), want, Framing::Length(1), false);
        let want = "HTTP/1.1 200 OK\r\ncontent-length: 1\r\nconnection: x-mine, close";
        check(NEW, 200, &[("connection", "Close,x-mine")], Some(1), want, Framing::Length(1), false);
        let want = "HTTP/1.1 200 OK\r\ncontent-length: 1\r\nconnection: x-mine";
        check(NEW, 200, &[("connection", "keep-alive, x-mine")], Some(1), want, Framing::Length(1), true);
        let want = "HTTP/1.1 200 OK\r\ncontent-length: 1";
        check(NEW, 200, &[("connection", "keep-alive")], Some(1), want, Framing::Length(1), true);
        let old = Asked { keep_alive: true, ..OLD };
        let want = "HTTP/1.0 200 OK\r\ncontent-length: 1\r\nconnection: keep-alive";
        check(old, 200, &[], Some(1), want, Framing::Length(1), true);
        check(old, 200, &[], None, "HTTP/1.0 200 OK\r\nconnection: close", Framing::Close, false);
        check(OLD, 204, &[], Some(0), "HTTP/1.0 204 No Content\r\nconnection: close", Framing::None, false);
    }

    #[test]
    fn the_status_line() {
        let (text, _) = written(NEW, &mut response(599, &[]), Some(0));
        assert!(text.starts_with("HTTP/1.1 599 <none>\r\n"));
        let mut fine = response(299, &[]);
        fine.reason = Some(Bytes::from_static(b"Very Fine"));
        assert!(written(NEW, &mut fine, Some(0)).0.starts_with("HTTP/1.1 299 Very Fine\r\n"));
        let mut fine = response(200, &[]);
        fine.reason = Some(Bytes::new());
        assert!(written(NEW, &mut fine, Some(0)).0.starts_with("HTTP/1.1 200 \r\n"));
    }

    #[test]
    fn one_date() {
        for fields in [&[][..], &[("date", "Sun, 06 Nov 1994 08:49:37 GMT")]] {
            let mut out = Vec::new();
            head(&mut out, NEW, &mut response(200, fields), Some(0));
            let text = String::from_utf8(out).unwrap();
            assert_eq!(text.matches("date: ").count(), 1);
            assert_eq!(text.contains("date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"), !fields.is_empty());
        }
    }

    #[test]
    fn chunks() {
        for size in [0, 1, 9, 10, 15, 16, 255, 256, 4095, 4096, 65_535, 0xabcdef, usize::MAX] {
            let mut out = Vec::new();
            chunk(&mut out, size);
            assert_eq!(String::from_utf8(out).unwrap(), format!("{size:X}\r\n"));
        }
    }

    #[test]
    fn trailers_that_were_announced() {
        let fields = [("trailer", "X-Sum, content-length"), ("trailer", "x-b")];
        let mut trailers = HeaderMap::new();
        for name in ["x-sum", "x-b", "x-other", "content-length"] {
            trailers.insert(name, HeaderValue::from_static("7"));
        }
        for (takes_trailers, want) in [(true, "0\r\nx-sum: 7\r\nx-b: 7\r\n\r\n"), (false, "0\r\n\r\n")] {
            let (text, written) = written(Asked { takes_trailers, ..NEW }, &mut response(200, &fields), None);
            assert!(text.contains("trailer: X-Sum, content-length\r\ntrailer: x-b\r\n"));
            let Framing::Chunked(announced) = written.framing else { panic!("{written:?}") };
            let mut out = Vec::new();
            last_chunk(&mut out, &announced, Some(&trailers));
            assert_eq!(String::from_utf8(out).unwrap(), want);
        }
        let (text, _) = written(NEW, &mut response(200, &fields), Some(1));
        assert!(!text.contains("trailer"), "only chunks have any");
    }
}
