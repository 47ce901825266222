//! Heads of requests, and where the body behind one ends (RFC 9112 §6.3): read in one way, or not at all.

use std::mem::MaybeUninit;
use std::ops::Range;

use bytes::{Buf, Bytes, BytesMut};
use http::header::{CONNECTION, CONTENT_LENGTH, EXPECT, HeaderName, HeaderValue, TE, TRANSFER_ENCODING};
use http::{Method, StatusCode, Uri, Version};
use seaway_head::lines::{Lines, spare};
use seaway_head::{Headers, names};

/// Lines for which there is room without asking the allocator.
const LINES: usize = 100;
/// The same, for those of most heads.
const FEW: usize = 24;
/// Longest target that is looked at; what is too long for an entry point is judged later.
const TARGET: usize = 65_534;
/// Line ends before a request that are passed over (RFC 9112 §2.2), in bytes.
const EMPTY_LINES: usize = 64;
/// A method is shorter than this, so that the first blank stands before it.
const METHOD: usize = 4096;
const TOO_MANY: &str = "too many headers";
/// Each line that comes alone is tried at once, until there were so many; then only an empty line makes a try.
const TRIES: u32 = 32;

/// How the end of a body is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// There is none.
    None,
    /// So many bytes; never zero.
    Length(u64),
    /// Chunks.
    Chunked,
}

/// What a client asks.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) method: Method,
    pub(crate) target: Uri,
    /// HTTP/1.0 or HTTP/1.1.
    pub(crate) version: Version,
    pub(crate) headers: Headers,
    pub(crate) framing: Framing,
    /// The connection may carry another request.
    pub(crate) keep_alive: bool,
    /// The body comes when it is asked for (RFC 9110 §10.1.1).
    pub(crate) expects_continue: bool,
    /// The response may end with trailers.
    pub(crate) takes_trailers: bool,
}

/// The bytes are no request. Nothing that follows them on the connection can be trusted.
#[derive(Debug)]
pub(crate) struct BadHead {
    /// The answer's status.
    pub(crate) status: StatusCode,
    /// Why, for the log.
    pub(crate) reason: &'static str,
    /// The method, as far as there was one.
    pub(crate) method: Option<Method>,
    /// The target, as far as there was one.
    pub(crate) target: Option<Uri>,
    /// The version, as far as there was one.
    pub(crate) version: Version,
}

/// How far a client is with its next head.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    /// Bytes that were looked at.
    seen: usize,
    /// Bytes of line ends that were passed over.
    skipped: usize,
    tries: u32,
}

/// Bounds on what is read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// Longest head in bytes, the request line included.
    pub(crate) bytes: usize,
    /// Most lines.
    pub(crate) lines: usize,
}

/// Reads the head at the front of `buffer` and takes it off; `None` as long as it is not all there. However the bytes
/// come in pieces, the outcome is the same.
pub(crate) fn parse(
    buffer: &mut BytesMut,
    progress: &mut Progress,
    bounds: Bounds,
) -> Result<Option<Head>, Box<BadHead>> {
    let blank = buffer.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
    if blank > 0 {
        skip_lines(buffer, progress, blank)?;
    }
    if !is_worth_a_try(buffer, progress) && buffer.len() < bounds.bytes {
        return Ok(None);
    }
    progress.tries += 1;
    let mut places = Places { few: [[0; 4]; FEW], many: Vec::new() };
    let mut found = find(&mut [const { MaybeUninit::uninit() }; LINES], &mut places, buffer, bounds);
    if bounds.lines > LINES && found.as_ref().is_err_and(|bad| bad.reason == TOO_MANY) {
        found = find(&mut vec![MaybeUninit::uninit(); bounds.lines], &mut places, buffer, bounds);
    }
    let Some(found) = found? else { return Ok(None) };
    *progress = Progress::default();
    head(buffer.split_to(found.length).freeze(), found, &places).map(Some)
}

/// Takes off line ends before a request. A CR at the end may be half of one.
fn skip_lines(buffer: &mut BytesMut, progress: &mut Progress, blank: usize) -> Result<(), Box<BadHead>> {
    let lines = buffer.get(..blank).unwrap_or_default();
    let half = lines.last() == Some(&b'\r') && blank == buffer.len();
    let ends = lines.get(..blank - usize::from(half)).unwrap_or_default();
    let bare = ends.iter().enumerate().any(|(at, byte)| *byte == b'\r' && ends.get(at + 1) != Some(&b'\n'));
    progress.skipped += ends.len();
    if bare || progress.skipped > EMPTY_LINES {
        return Err(Box::new(BadHead::new("no request line")));
    }
    buffer.advance(ends.len());
    progress.seen = 0;
    Ok(())
}

/// Something is there that was not there at the last try and can change its outcome.
fn is_worth_a_try(buffer: &[u8], progress: &mut Progress) -> bool {
    let seen = std::mem::replace(&mut progress.seen, buffer.len());
    if seen == 0 {
        return !buffer.is_empty() && buffer != b"\r";
    }
    let new = buffer.get(seen..).unwrap_or_default();
    if !new.contains(&b'\n') {
        return false;
    }
    // Three bytes of an empty line may have been there before.
    let near = buffer.get(seen.saturating_sub(3)..).unwrap_or_default();
    progress.tries < TRIES
        || near.windows(2).any(|pair| pair == b"\n\n")
        || near.windows(3).any(|three| three == b"\n\r\n")
}

/// Where a line's name and value begin and end.
type Place = [u32; 4];

/// Where all of them do. Those of most heads need no allocation.
struct Places {
    few: [Place; FEW],
    many: Vec<Place>,
}

impl Places {
    fn first(&self, lines: usize) -> &[Place] {
        self.few.get(..lines).unwrap_or(&self.many)
    }
}

/// A head that is whole, as places in the buffer.
struct Found {
    length: usize,
    method: Method,
    target: Range<usize>,
    version: Version,
    lines: usize,
}

fn find<'b>(
    lines: &mut [MaybeUninit<httparse::Header<'b>>],
    places: &mut Places,
    buffer: &'b [u8],
    bounds: Bounds,
) -> Result<Option<Found>, Box<BadHead>> {
    let mut request = httparse::Request::new(&mut []);
    let lines = lines.get_mut(..bounds.lines).unwrap_or_default();
    let parsed = httparse::ParserConfig::default().parse_request_with_uninit_headers(&mut request, buffer, lines);
    let (status, reason) = match parsed {
        Ok(httparse::Status::Complete(length)) if length <= bounds.bytes => {
            return found(&request, places, buffer, length).map(Some);
        }
        Ok(httparse::Status::Partial) if buffer.len() < bounds.bytes => {
            if request.method.is_some() || buffer.len() < METHOD {
                return Ok(None);
            }
            (StatusCode::BAD_REQUEST, "no request line")
        }
        Ok(_) => too_large(&request, buffer, bounds),
        Err(httparse::Error::TooManyHeaders) => (StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, TOO_MANY),
        Err(httparse::Error::Token) if request.method.is_none() => (StatusCode::BAD_REQUEST, "no request line"),
        Err(httparse::Error::Token) => (StatusCode::BAD_REQUEST, "the request target is not valid"),
        Err(httparse::Error::Version) => (StatusCode::BAD_REQUEST, "neither HTTP/1.0 nor HTTP/1.1"),
        Err(_) => (StatusCode::BAD_REQUEST, "a header line is not valid"),
    };
    Err(Box::new(BadHead {
        status,
        reason,
        method: request.method.and_then(|method| Method::from_bytes(method.as_bytes()).ok()),
        target: request.path.filter(|path| path.len() <= TARGET).and_then(|path| Uri::try_from(path).ok()),
        version: version(&request),
    }))
}

/// What is too large: the line, or those after it.
fn too_large(request: &httparse::Request<'_, '_>, buffer: &[u8], bounds: Bounds) -> (StatusCode, &'static str) {
    let lines = buffer.get(..bounds.bytes).unwrap_or(buffer).contains(&b'\n');
    match request.method {
        None => (StatusCode::BAD_REQUEST, "no request line"),
        Some(_) if !lines => (StatusCode::URI_TOO_LONG, "the request target is too long"),
        Some(_) => (StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "the headers are too large"),
    }
}

fn found(
    request: &httparse::Request<'_, '_>,
    places: &mut Places,
    buffer: &[u8],
    length: usize,
) -> Result<Found, Box<BadHead>> {
    let base = buffer.as_ptr().addr();
    let range = |part: &[u8]| {
        let begin = part.as_ptr().addr().saturating_sub(base);
        begin..begin + part.len()
    };
    let target = request.path.unwrap_or_default();
    if target.len() > TARGET {
        let (status, reason) = (StatusCode::URI_TOO_LONG, "the request target is too long");
        return Err(Box::new(BadHead { status, reason, ..BadHead::new(reason) }));
    }
    let method = Method::from_bytes(request.method.unwrap_or_default().as_bytes());
    let lines = &*request.headers;
    if lines.len() > FEW {
        places.many.resize(lines.len(), [0; 4]);
    }
    let slots = places.few.get_mut(..lines.len()).unwrap_or(&mut places.many);
    for (place, line) in slots.iter_mut().zip(lines) {
        let (name, value) = (range(line.name.as_bytes()), range(line.value));
        *place = [name.start, name.end, value.start, value.end].map(|at| u32::try_from(at).unwrap_or(u32::MAX));
    }
    Ok(Found {
        length,
        method: method.map_err(|_| BadHead::new("the method is not valid"))?,
        target: range(target.as_bytes()),
        version: version(request),
        lines: lines.len(),
    })
}

fn version(request: &httparse::Request<'_, '_>) -> Version {
    if request.version == Some(0) { Version::HTTP_10 } else { Version::HTTP_11 }
}

/// Puts together what was found; fields are parts of `bytes`.
fn head(bytes: Bytes, found: Found, places: &Places) -> Result<Head, Box<BadHead>> {
    let Found { method, target, version, lines, .. } = found;
    let bad = |status, reason, method: Method, target| {
        Box::new(BadHead { status, reason, method: Some(method), target, version })
    };
    let Ok(target) = Uri::from_maybe_shared(bytes.slice(target)) else {
        return Err(bad(StatusCode::BAD_REQUEST, "the request target is not valid", method, None));
    };
    if let Some(head) = ordinary(&bytes, &method, &target, version, places.first(lines)) {
        return Ok(head);
    }
    let mut headers = spare::map();
    headers.reserve(lines);
    let mut said = Said { version, ..Said::default() };
    let read = names::with(|names| {
        for place in places.first(lines) {
            let [name_start, name_end, start, end] = place.map(|at| at as usize);
            let name = names.parse(bytes.get(name_start..name_end).unwrap_or_default());
            let value = HeaderValue::from_maybe_shared(bytes.slice(start..end));
            let (Ok(name), Ok(value)) = (name, value) else {
                return Err((StatusCode::BAD_REQUEST, "a header line is not valid"));
            };
            if said.hear(&name, &value)? {
                headers.append(name, value);
            }
        }
        Ok(())
    });
    if let Err((status, reason)) = read {
        return Err(bad(status, reason, method, Some(target)));
    }
    let framing = match (said.chunked, said.length) {
        (true, length) => {
            // The chunks decide; whoever sends both may not know himself where the body ends.
            if length.is_some() {
                headers.remove(CONTENT_LENGTH);
            }
            Framing::Chunked
        }
        (false, None | Some(0)) => Framing::None,
        (false, Some(length)) => Framing::Length(length),
    };
    let keep_alive = !said.close && (said.keep_alive || version == Version::HTTP_11);
    Ok(Head {
        method,
        target,
        version,
        headers: headers.into(),
        framing,
        keep_alive: keep_alive && !(said.chunked && said.length.is_some()),
        expects_continue: said.expects_continue && version == Version::HTTP_11 && framing != Framing::None,
        takes_trailers: said.takes_trailers,
    })
}

/// A head whose lines can stay as they are.
fn ordinary(bytes: &Bytes, method: &Method, target: &Uri, version: Version, places: &[Place]) -> Option<Head> {
    let ranges = places.iter().map(|place| {
        let [name_start, name_end, start, end] = place.map(|at| at as usize);
        (name_start..name_end, start..end)
    });
    if version != Version::HTTP_11 {
        return None;
    }
    let (lines, says) = Lines::of(bytes, ranges)?;
    Some(Head {
        method: method.clone(),
        target: target.clone(),
        version,
        headers: lines.into(),
        framing: says.length.map_or(Framing::None, Framing::Length),
        keep_alive: !says.close,
        expects_continue: false,
        takes_trailers: false,
    })
}

/// What the fields of a head say about its connection.
#[derive(Default)]
struct Said {
    version: Version,
    chunked: bool,
    length: Option<u64>,
    close: bool,
    keep_alive: bool,
    expects_continue: bool,
    takes_trailers: bool,
}

impl Said {
    /// Takes note of a field. False for one that repeats another.
    fn hear(&mut self, name: &HeaderName, value: &HeaderValue) -> Result<bool, (StatusCode, &'static str)> {
        const BAD: StatusCode = StatusCode::BAD_REQUEST;
        match *name {
            CONTENT_LENGTH => {
                // Beyond this nobody sends, and somebody behind us may count with a sign.
                let length = number(value.as_bytes()).filter(|length| i64::try_from(*length).is_ok());
                let length = length.ok_or((BAD, "Content-Length is not a number that can be"))?;
                if let Some(first) = self.length {
                    return if first == length { Ok(false) } else { Err((BAD, "differing Content-Length headers")) };
                }
                self.length = Some(length);
            }
            TRANSFER_ENCODING => {
                if self.version == Version::HTTP_10 {
                    return Err((BAD, "Transfer-Encoding in HTTP/1.0"));
                }
                let chunked = value.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked");
                if !chunked || std::mem::replace(&mut self.chunked, true) {
                    return Err((StatusCode::NOT_IMPLEMENTED, "Transfer-Encoding other than one chunked"));
                }
            }
            CONNECTION => {
                self.close |= names_token(value, b"close");
                self.keep_alive |= names_token(value, b"keep-alive");
            }
            EXPECT => self.expects_continue = value.as_bytes().eq_ignore_ascii_case(b"100-continue"),
            TE => self.takes_trailers |= names_token(value, b"trailers"),
            _ => {}
        }
        Ok(true)
    }
}

/// Digits and nothing else.
pub(super) fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0u64, |number, byte| {
        let digit = byte.checked_sub(b'0').filter(|digit| *digit < 10)?;
        number.checked_mul(10)?.checked_add(u64::from(digit))
    })
}

/// A list names this token.
pub(crate) fn names_token(list: &HeaderValue, token: &[u8]) -> bool {
    list.as_bytes().split(|byte| *byte == b',').any(|one| one.trim_ascii().eq_ignore_ascii_case(token))
}

impl BadHead {
    fn new(reason: &'static str) -> Self {
        Self { status: StatusCode::BAD_REQUEST, reason, method: None, target: None, version: Version::HTTP_11 }
    }
}

#[cfg(test)]
mod tests;
