//! Heads of responses, and where the body behind one ends: one reading of it (RFC 9112 §6.3), for us and for the client.

use std::mem::MaybeUninit;

use bytes::{Buf, Bytes};
use http::header::{CONNECTION, CONTENT_LENGTH, HeaderMap, HeaderValue, TRANSFER_ENCODING};
use http::{Method, StatusCode};
use seaway_head::lines::spare;
use seaway_head::names;

use super::ends_with_head;
use super::fields::{Fields, Says, Verbatim};
use super::request::{names_token, number};

/// Most header lines. Servers that set many cookies need more than a request does.
const LINES: usize = 256;
/// Longest head.
pub(crate) const LONGEST: usize = 256 * 1024;

/// The bytes are no response that can be passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BadHead;

/// How the end of a body is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// There is none.
    None,
    /// So many bytes.
    Length(u64),
    /// Chunks.
    Chunked,
    /// The end of the connection.
    Close,
}

/// What a server answers.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) status: StatusCode,
    /// The reason phrase where it is not the usual one.
    pub(crate) reason: Option<Bytes>,
    pub(crate) fields: Fields,
    pub(crate) framing: Framing,
    /// The connection may carry another request after the body.
    pub(crate) reusable: bool,
}

/// Reads the head of a response to a `method` request at the front of `buffer` and takes it off; `None` as long as it is
/// not all there.
pub(crate) fn parse(buffer: &mut Bytes, method: &Method) -> Result<Option<Head>, BadHead> {
    read(buffer, method, true)
}

/// The same; `as_they_are` says whether lines may stay as the server wrote them.
fn read(buffer: &mut Bytes, method: &Method, as_they_are: bool) -> Result<Option<Head>, BadHead> {
    let mut lines = [const { MaybeUninit::uninit() }; LINES];
    let mut response = httparse::Response::new(&mut []);
    let config = httparse::ParserConfig::default();
    let length = match config.parse_response_with_uninit_headers(&mut response, buffer, &mut lines) {
        Ok(httparse::Status::Complete(length)) if length <= LONGEST => length,
        Ok(httparse::Status::Partial) if buffer.len() < LONGEST => return Ok(None),
        _ => return Err(BadHead),
    };
    let status = response.code.and_then(|code| StatusCode::from_u16(code).ok()).ok_or(BadHead)?;
    let phrase = response.reason.unwrap_or_default();
    let reason = (Some(phrase) != status.canonical_reason()).then(|| buffer.slice_ref(phrase.as_bytes()));
    let usual = as_they_are && response.version == Some(1) && !is_bodiless(status, method);
    let verbatim = if usual { Verbatim::of(buffer, response.headers) } else { None };
    let head = match verbatim {
        Some((lines, says)) => Head::verbatim(status, reason, lines, says),
        None => mapped(buffer, status, reason, &response, method)?,
    };
    buffer.advance(length);
    Ok(Some(head))
}

/// A head with a map of its fields, in which there is one framing.
fn mapped(
    buffer: &Bytes,
    status: StatusCode,
    reason: Option<Bytes>,
    response: &httparse::Response<'_, '_>,
    method: &Method,
) -> Result<Head, BadHead> {
    // On an old server's connection a later request would have to be HTTP/1.0, which knows no chunks.
    let current = response.version == Some(1);
    let mut head = Head { status, reason, fields: spare::map().into(), framing: Framing::None, reusable: current };
    let headers = head.fields.map();
    headers.reserve(response.headers.len());
    let mut framed = Framed::default();
    let mut closes = false;
    names::with(|known| {
        for line in response.headers.iter() {
            let name = known.parse(line.name.as_bytes()).map_err(|_| BadHead)?;
            let value = HeaderValue::from_maybe_shared(buffer.slice_ref(line.value)).map_err(|_| BadHead)?;
            match name {
                CONNECTION => closes |= names_token(&value, b"close"),
                CONTENT_LENGTH => {
                    framed.lengths += 1;
                    framed.plain = plain(value.as_bytes());
                }
                TRANSFER_ENCODING => framed.codings += 1,
                _ => {}
            }
            headers.append(name, value);
        }
        Ok(())
    })?;
    head.reusable &= !closes;
    if framed.codings + framed.lengths > 0 || !is_bodiless(status, method) {
        head.frame(&framed, method, current)?;
    }
    Ok(head)
}

/// Lines that say where the body ends.
#[derive(Default)]
struct Framed {
    lengths: usize,
    codings: usize,
    /// What the last length says, where it is written as lengths are.
    plain: Option<u64>,
}

impl Head {
    fn verbatim(status: StatusCode, reason: Option<Bytes>, lines: Verbatim, says: Says) -> Self {
        let framing = match lines.length {
            _ if says.chunked => Framing::Chunked,
            Some(length) => Framing::Length(length),
            None => Framing::Close,
        };
        Self { status, reason, fields: lines.into(), framing, reusable: !says.close }
    }

    /// Finds the one framing, and leaves the headers with that one.
    fn frame(&mut self, framed: &Framed, method: &Method, current: bool) -> Result<(), BadHead> {
        let bodiless = is_bodiless(self.status, method);
        let headers = self.fields.map();
        if self.status == StatusCode::NO_CONTENT && (framed.codings > 0 || framed.plain != Some(0)) {
            // Whoever announces a body where there is none may still send it, when another request is on its way.
            self.reusable = false;
        }
        if framed.codings > 0 {
            let coding = headers.get(TRANSFER_ENCODING).map(|coding| coding.as_bytes().trim_ascii());
            let chunked = framed.codings == 1 && coding.is_some_and(|c| c.eq_ignore_ascii_case(b"chunked"));
            // The name of another coding does not travel on, so its bytes would be taken for plain ones.
            let plain = chunked && current;
            if !(bodiless || plain) {
                return Err(BadHead);
            }
            // The chunks decide. Whoever sends both may not know himself where the body ends.
            self.reusable &= headers.remove(CONTENT_LENGTH).is_none();
            self.framing = if bodiless { Framing::None } else { Framing::Chunked };
            return Ok(());
        }
        if framed.lengths == 0 {
            self.framing = if bodiless { Framing::None } else { Framing::Close };
            return Ok(());
        }
        let plain = framed.plain.filter(|_| framed.lengths == 1);
        match plain.or_else(|| one_length(headers)) {
            Some(length) if !bodiless => {
                self.framing = Framing::Length(length);
                if plain.is_none() {
                    headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
                }
            }
            None if !bodiless => return Err(BadHead),
            _ if plain.is_none() => {
                headers.remove(CONTENT_LENGTH);
            }
            _ => {}
        }
        Ok(())
    }
}

/// Responses that end with their head, whatever they announce.
fn is_bodiless(status: StatusCode, method: &Method) -> bool {
    *method == Method::HEAD || ends_with_head(status)
}

/// Digits without leading zeros.
pub(super) fn plain(digits: &[u8]) -> Option<u64> {
    let padded = digits.len() > 1 && digits.first() == Some(&b'0');
    if padded { None } else { number(digits) }
}

/// The length that all lines, and all items of each, agree on.
fn one_length(headers: &HeaderMap) -> Option<u64> {
    let mut found = None;
    for line in headers.get_all(CONTENT_LENGTH) {
        for item in line.as_bytes().split(|byte| *byte == b',') {
            let length = number(item.trim_ascii())?;
            if found.is_some_and(|found| found != length) {
                return None;
            }
            found = Some(length);
        }
    }
    found
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;
    use seaway_head::hop;

    use super::super::respond;
    use super::*;

    fn head(method: Method, text: &str) -> Result<Option<(Head, Bytes)>, BadHead> {
        let mut buffer = Bytes::copy_from_slice(text.as_bytes());
        let head = parse(&mut buffer, &method)?;
        Ok(head.map(|head| (head, buffer)))
    }

    fn framing(method: Method, text: &str) -> Result<(Framing, bool), BadHead> {
        let (head, rest) = head(method, &format!("{text}\r\n\r\nbody"))?.unwrap();
        assert_eq!(rest, "body");
        Ok((head.framing, head.reusable))
    }

    #[test]
    fn where_a_body_ends() {
        use Framing::{Chunked, Close, Length, None};
        for (method, text, expected) in [
            (Method::GET, "HTTP/1.1 200 OK\r\nContent-Length: 4", (Length(4), true)),
            (Method::GET, "HTTP/1.1 200 OK\r\nContent-Length: 0", (Length(0), true)),
            (Method::GET, "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: x, Close", (Length(4), false)),
            (Method::GET, "HTTP/1.0 200 OK\r\nContent-Length: 4\r\nConnection: keep-alive", (Length(4), false)),
            (Method::GET, "HTTP/1.1 200 OK\r\nContent-Length: 4, 4\r\nContent-Length: 04", (Length(4), true)),
            (Method::GET, "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked", (Chunked, true)),
            (Method::GET, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 4", (Chunked, false)),
            (Method::GET, "HTTP/1.1 200 OK", (Close, true)),
            (Method::HEAD, "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked", (None, true)),
            (Method::HEAD, "HTTP/1.1 200 OK\r\nContent-Length: 4", (None, true)),
            (Method::GET, "HTTP/1.1 204 No Content", (None, true)),
            (Method::GET, "HTTP/1.1 204 No Content\r\nContent-Length: 0", (None, true)),
            (Method::GET, "HTTP/1.1 204 No Content\r\nContent-Length: x", (None, false)),
            (Method::GET, "HTTP/1.1 204 No Content\r\nContent-Length: 4", (None, false)),
            (Method::GET, "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked", (None, false)),
            (Method::GET, "HTTP/1.1 304 Not Modified\r\nContent-Length: 9", (None, true)),
            (Method::GET, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x", (None, true)),
            (Method::GET, "HTTP/1.1 103 Early Hints", (None, true)),
        ] {
            assert_eq!(framing(method, text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_response() {
        for text in [
            "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nContent-Length: 5",
            "HTTP/1.1 200 OK\r\nContent-Length: -4",
            "HTTP/1.1 200 OK\r\nContent-Length: ",
            "HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551616",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
            "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked",
            "HTTP/2.0 200 OK",
            "HTTP/1.1 20 OK",
            "HTTP/1.1 099 Low",
            "HTTP/1.1 200 OK\r\nX : y",
            "HTTP/1.1 200 OK\r\n folded",
            "HTTP/1.1 200 OK\r\nX: a\r\n b",
            "ICY 200 OK",
        ] {
            assert_eq!(framing(Method::GET, text), Err(BadHead), "{text}");
        }
    }

    #[test]
    fn one_length_is_left() {
        let get = |text: &str| {
            let (mut head, _) = head(Method::GET, &format!("HTTP/1.1 200 OK\r\n{text}\r\n\r\n")).unwrap().unwrap();
            head.fields.map().get_all(CONTENT_LENGTH).iter().map(|l| l.to_str().unwrap().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(get("Content-Length: 5"), ["5"]);
        assert_eq!(get("Content-Length: 005"), ["5"]);
        assert_eq!(get(&format!("Content-Length: {}", u64::MAX)), [u64::MAX.to_string()]);
        assert_eq!(get("Content-Length: 5, 5\r\nContent-Length: 5"), ["5"]);
        assert!(get("Content-Length: 5\r\nTransfer-Encoding: chunked").is_empty());
    }

    #[test]
    fn a_head_is_whole_or_not_there() {
        let whole = "HTTP/1.1 299 Very Fine\r\nX-A: 1\r\nSet-Cookie: a\r\nSet-Cookie: b\r\n\r\n";
        for cut in 0..whole.len() {
            assert!(head(Method::GET, &whole[..cut]).unwrap().is_none(), "{cut}");
        }
        let (mut head, rest) = head(Method::GET, whole).unwrap().unwrap();
        assert!(rest.is_empty());
        assert_eq!((head.status.as_u16(), head.reason.as_deref()), (299, Some(&b"Very Fine"[..])));
        assert_eq!(head.fields.map().get_all("set-cookie").iter().count(), 2);
    }

    #[test]
    fn heads_have_their_bounds() {
        let lines = |n: usize| format!("HTTP/1.1 200 OK\r\n{}\r\n", "X: y\r\n".repeat(n));
        assert!(head(Method::GET, &lines(LINES)).unwrap().is_some());
        assert!(head(Method::GET, &lines(LINES + 1)).is_err());
        let long = |n: usize| format!("HTTP/1.1 200 OK\r\nX: {}", "y".repeat(n));
        assert!(head(Method::GET, &long(LONGEST / 2)).unwrap().is_none());
        assert!(head(Method::GET, &long(LONGEST)).is_err());
    }

    /// What a client is sent, as fields in one order, and what follows.
    fn sent(head: Head, asked: respond::Asked) -> (Vec<String>, respond::Written) {
        let size = match head.framing {
            Framing::None => Some(0),
            Framing::Length(length) => Some(length),
            Framing::Chunked | Framing::Close => None,
        };
        let Head { status, reason, mut fields, .. } = head;
        fields.strip();
        let mut out = Vec::new();
        let written = respond::head(&mut out, asked, &mut respond::Reply { status, reason, fields, body: () }, size);
        let lines = out.split(|byte| *byte == b'\n').map(|line| {
            let line: String = line.iter().copied().map(char::from).collect();
            let (name, value) = line.split_once(':').unwrap_or((&line, ""));
            // The moment of each is another.
            let value = if name == "date" && !value.contains("1994") { "" } else { value };
            format!("{}:{value}", name.to_ascii_lowercase())
        });
        let mut lines: Vec<String> = lines.collect();
        lines.sort();
        (lines, written)
    }

    proptest! {
        #[test]
        fn lines_that_stay_as_they_are_say_the_same(
            status in prop_oneof![Just("200 OK"), Just("404 Not Found"), Just("299 Fine"), Just("204 No Content"), Just("304 Not Modified")],
            lines in proptest::collection::vec(
                prop_oneof![
                    Just("Server: s"), Just("content-length: 5"), Just("Content-Length: 05"), Just("Content-Length:5"),
                    Just("Transfer-Encoding: chunked"), Just("Transfer-Encoding: Chunked "), Just("Trailer: X-Sum"),
                    Just("Connection: keep-alive"), Just("Connection: Close"), Just("Connection: close, X-Mine"),
                    Just("X-Mine: 1"), Just("Keep-Alive: timeout=5"), Just("Date: Sun, 06 Nov 1994 08:49:37 GMT"),
                    Just("Set-Cookie: a=b"), Just("Set-Cookie: c=\u{e9}"), Just("X-Empty:"), Just("X-Wide:  y  "),
                    Just("Upgrade: h2c"), Just("TE: trailers"), Just("Proxy-Authenticate: Basic"), Just("X:\ty: z"),
                ],
                0..9,
            ),
            ends in prop_oneof![Just("\r\n"), Just("\n")],
            old in any::<bool>(),
            head_only in any::<bool>(),
            keep_alive in any::<bool>(),
        ) {
            let text = format!("HTTP/1.1 {status}{ends}{}{ends}body", lines.iter().map(|l| format!("{l}{ends}")).collect::<String>());
            let method = if head_only { Method::HEAD } else { Method::GET };
            let version = if old { http::Version::HTTP_10 } else { http::Version::HTTP_11 };
            let asked = respond::Asked { head_only, version, keep_alive, takes_trailers: true };
            let read = |as_they_are| {
                let mut buffer = Bytes::copy_from_slice(text.as_bytes());
                read(&mut buffer, &method, as_they_are).map(|head| (head.unwrap(), buffer))
            };
            match (read(true), read(false)) {
                (Ok((first, left)), Ok((second, also_left))) => {
                    prop_assert_eq!((first.framing, first.reusable, left), (second.framing, second.reusable, also_left));
                    prop_assert!(second.fields.verbatim().is_none());
                    prop_assert_eq!(sent(first, asked), sent(second, asked));
                    let maps = [true, false].map(|as_they_are| {
                        let (mut head, _) = read(as_they_are).unwrap();
                        // Looked at before and after.
                        head.fields.strip();
                        hop::strip_response(head.fields.map());
                        head.fields.map().clone()
                    });
                    prop_assert_eq!(&maps[0], &maps[1]);
                }
                (first, second) => prop_assert_eq!(first.is_err(), second.is_err()),
            }
        }

        #[test]
        fn no_bytes_make_it_panic(
            parts in proptest::collection::vec(
                prop_oneof![
                    Just("HTTP/1.1 200 OK\r\n".as_bytes().to_vec()),
                    Just(b"HTTP/1.0 204 \r\n".to_vec()),
                    Just(b"Content-Length: 5, 5\r\n".to_vec()),
                    Just(b"Content-Length:\r\n".to_vec()),
                    Just(b"Transfer-Encoding: chunked\r\n".to_vec()),
                    Just(b"X-A: \xff\t \r\n".to_vec()),
                    Just(b"\r\n".to_vec()),
                    Just(b"HTTP/1.1 300 \xe9t\xe9\r\n".to_vec()),
                    proptest::collection::vec(any::<u8>(), 0..6),
                ],
                0..8,
            ),
        ) {
            let bytes = parts.concat();
            for method in [Method::GET, Method::HEAD] {
                let mut buffer = Bytes::copy_from_slice(&bytes);
                if let Ok(Some(mut head)) = parse(&mut buffer, &method) {
                    prop_assert!(buffer.len() < bytes.len());
                    prop_assert!(head.fields.map().get_all(CONTENT_LENGTH).iter().count() <= 1);
                    prop_assert!(head.framing != Framing::Chunked || !head.fields.map().contains_key(CONTENT_LENGTH));
                } else {
                    prop_assert_eq!(buffer.len(), bytes.len());
                }
            }
        }
    }
}
