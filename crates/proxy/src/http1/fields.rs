//! The fields of a response on their way from a server to a client.
//!
//! Most responses pass through as they are. Their lines are copied as the server wrote them; a map of them is made only
//! when somebody wants to look at or change them. What is out of the ordinary in a head has its map from the beginning.

use bytes::Bytes;
use http::header::{HeaderMap, HeaderValue};
use seaway_head::hop;

use super::response::plain;
use super::{names, spares};

/// Lines that stay can be in so many places, between those that do not.
const RUNS: usize = 4;
/// A longer name is out of the ordinary.
const LONGEST_NAME: usize = 256;

/// Fields that may be as the server wrote them.
#[derive(Debug, Default)]
pub(crate) struct Fields {
    verbatim: Option<Verbatim>,
    /// Empty as long as they are.
    map: HeaderMap,
}

impl Fields {
    /// The lines, as long as nobody wanted a map of them.
    pub(crate) fn verbatim(&self) -> Option<&Verbatim> {
        self.verbatim.as_ref()
    }

    /// A map of them, to look at and to change.
    pub(crate) fn map(&mut self) -> &mut HeaderMap {
        if let Some(lines) = self.verbatim.take() {
            self.map = lines.parse();
        }
        &mut self.map
    }

    /// Removes what belongs to the server's connection. Of lines nothing is left that does.
    pub(crate) fn strip(&mut self) {
        if self.verbatim.is_none() {
            hop::strip_response(&mut self.map);
        }
    }
}

impl Drop for Fields {
    fn drop(&mut self) {
        spares::keep_map(std::mem::take(&mut self.map));
    }
}

impl From<HeaderMap> for Fields {
    fn from(map: HeaderMap) -> Self {
        Self { verbatim: None, map }
    }
}

impl From<Verbatim> for Fields {
    fn from(lines: Verbatim) -> Self {
        Self { verbatim: Some(lines), map: HeaderMap::new() }
    }
}

/// The lines of a head that stay, each `Name: value` and an end of line. None of them belongs to the connection that it
/// came over, and none says where the body ends but `Content-Length`.
#[derive(Debug)]
pub(crate) struct Verbatim {
    head: Bytes,
    runs: [(u32, u32); RUNS],
    /// What `Content-Length` says, if it is there.
    pub(crate) length: Option<u64>,
    /// There is a `Date`.
    pub(crate) dated: bool,
}

/// What else such a head says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Says {
    /// The server ends the connection.
    pub(crate) close: bool,
    /// The body comes in chunks.
    pub(crate) chunked: bool,
}

impl Verbatim {
    /// The lines of `head`; none where something about them is out of the ordinary.
    pub(crate) fn of(head: &Bytes, lines: &[httparse::Header<'_>]) -> Option<(Self, Says)> {
        let base = head.as_ptr().addr();
        let mut verbatim = Self { head: Bytes::new(), runs: [(0, 0); RUNS], length: None, dated: false };
        let mut says = Says { close: false, chunked: false };
        let mut runs = 0;
        let mut end_of_run = usize::MAX;
        for line in lines {
            let (name, value) = (line.name.as_bytes(), line.value);
            let start = name.as_ptr().addr().checked_sub(base)?;
            let value_at = value.as_ptr().addr().checked_sub(base)?;
            let end = value_at + value.len();
            let in_one_spelling = value_at == start + name.len() + 2
                && head.get(value_at - 2..value_at)? == b": "
                && head.get(end..end + 2)? == b"\r\n";
            if !in_one_spelling || value.is_empty() || name.len() > LONGEST_NAME {
                return None;
            }
            match kind(name)? {
                Kind::Plain => {}
                Kind::Date => verbatim.dated = true,
                Kind::Length => {
                    if verbatim.length.is_some() || says.chunked {
                        return None;
                    }
                    verbatim.length = Some(plain(value)?);
                }
                Kind::Connection => {
                    let close = value.eq_ignore_ascii_case(b"close");
                    if !close && !value.eq_ignore_ascii_case(b"keep-alive") {
                        return None;
                    }
                    says.close |= close;
                    continue;
                }
                Kind::KeepAlive => continue,
                Kind::Coding => {
                    if says.chunked || verbatim.length.is_some() || !value.eq_ignore_ascii_case(b"chunked") {
                        return None;
                    }
                    says.chunked = true;
                    continue;
                }
            }
            if end_of_run != start {
                verbatim.runs.get_mut(runs)?.0 = u32::try_from(start).ok()?;
                runs += 1;
            }
            end_of_run = end + 2;
            verbatim.runs.get_mut(runs - 1)?.1 = u32::try_from(end_of_run).ok()?;
        }
        verbatim.head = head.clone();
        Some((verbatim, says))
    }

    /// The lines, each with its end, as many at a time as stand together.
    pub(crate) fn runs(&self) -> impl Iterator<Item = &[u8]> {
        self.runs.iter().filter_map(|(start, end)| self.head.get(*start as usize..*end as usize))
    }

    fn parse(&self) -> HeaderMap {
        let mut map = spares::map();
        names::with(|names| {
            for run in self.runs() {
                for line in run.split(|byte| *byte == b'\n') {
                    let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
                    let (Some(name), Some(value)) = (line.get(..colon), line.get(colon + 2..line.len() - 1)) else {
                        continue;
                    };
                    // The parser has let no other bytes pass than these take.
                    if let (Ok(name), Ok(value)) =
                        (names.parse(name), HeaderValue::from_maybe_shared(self.head.slice_ref(value)))
                    {
                        map.append(name, value);
                    }
                }
            }
        });
        map
    }
}

/// What a line is to those who pass it on.
enum Kind {
    Plain,
    Date,
    Length,
    Connection,
    KeepAlive,
    Coding,
}

/// None of what is out of the ordinary: what else belongs to one connection, and what says that there will be trailers.
fn kind(name: &[u8]) -> Option<Kind> {
    let is = |other: &[u8]| name.eq_ignore_ascii_case(other);
    Some(match name.len() {
        4 if is(b"date") => Kind::Date,
        10 if is(b"connection") => Kind::Connection,
        10 if is(b"keep-alive") => Kind::KeepAlive,
        14 if is(b"content-length") => Kind::Length,
        17 if is(b"transfer-encoding") => Kind::Coding,
        2 if is(b"te") => return None,
        7 if is(b"trailer") || is(b"upgrade") => return None,
        14 if is(b"http2-settings") => return None,
        16 if is(b"proxy-connection") => return None,
        18 if is(b"proxy-authenticate") => return None,
        19 if is(b"proxy-authorization") => return None,
        _ => Kind::Plain,
    })
}
