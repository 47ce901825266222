//! The fields of a response on their way from a server to a client.
//!
//! Most responses pass through as they are. Their lines are copied as the server wrote them; a map of them is made only
//! when somebody wants to look at or change them. What is out of the ordinary in a head has its map from the beginning.

use bytes::Bytes;
use http::header::HeaderMap;
use seaway_head::hop;
use seaway_head::lines::{Runs, spare};
use seaway_head::names::Lower;

use super::response::plain;
use super::spares;

/// Fields that may be as the server wrote them. It is as large as a pointer, since it goes from hand to hand; what is
/// behind it is used again.
#[derive(Debug, Default)]
pub(crate) struct Fields {
    /// None where there is nothing at all.
    inner: Option<Box<Inner>>,
}

#[derive(Debug, Default)]
pub(super) struct Inner {
    verbatim: Option<Verbatim>,
    /// Empty as long as they are.
    map: HeaderMap,
}

impl Fields {
    /// The lines, as long as nobody wanted a map of them.
    pub(crate) fn verbatim(&self) -> Option<&Verbatim> {
        self.inner.as_ref()?.verbatim.as_ref()
    }

    /// A map of them, to look at and to change.
    pub(crate) fn map(&mut self) -> &mut HeaderMap {
        let inner = self.inner.get_or_insert_with(spares::fields);
        if let Some(lines) = inner.verbatim.take() {
            inner.map = lines.parse();
        }
        &mut inner.map
    }

    /// Removes what belongs to the server's connection. Of lines nothing is left that does.
    pub(crate) fn strip(&mut self) {
        if self.verbatim().is_none() {
            hop::strip_response(self.map());
        }
    }
}

impl Drop for Fields {
    fn drop(&mut self) {
        if let Some(mut inner) = self.inner.take() {
            inner.verbatim = None;
            spare::keep_map(std::mem::take(&mut inner.map));
            spares::keep_fields(inner);
        }
    }
}

impl From<HeaderMap> for Fields {
    fn from(map: HeaderMap) -> Self {
        let mut inner = spares::fields();
        inner.map = map;
        Self { inner: Some(inner) }
    }
}

impl From<Verbatim> for Fields {
    fn from(lines: Verbatim) -> Self {
        let mut inner = spares::fields();
        inner.verbatim = Some(lines);
        Self { inner: Some(inner) }
    }
}

/// The lines of a head that stay. None of them belongs to the connection that it came over, and none says where the body
/// ends but `Content-Length`.
#[derive(Debug)]
pub(crate) struct Verbatim {
    runs: Runs,
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
        let range = |part: &[u8]| {
            let start = part.as_ptr().addr().wrapping_sub(base);
            start..start.wrapping_add(part.len())
        };
        let mut verbatim = Self { runs: Runs::new(head.clone()), length: None, dated: false };
        let mut says = Says { close: false, chunked: false };
        for line in lines {
            let (name, value) = (line.name.as_bytes(), line.value);
            let place = verbatim.runs.place(&range(name), &range(value))?;
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
            verbatim.runs.add(place)?;
        }
        Some((verbatim, says))
    }

    /// The lines, each with its end, as many at a time as stand together.
    pub(crate) fn runs(&self) -> impl Iterator<Item = &[u8]> {
        self.runs.iter()
    }

    fn parse(&self) -> HeaderMap {
        let mut map = spare::map();
        self.runs.add_to(&mut map);
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
    let Some(lower) = Lower::of(name) else { return Some(Kind::Plain) };
    Some(match &*lower {
        b"date" => Kind::Date,
        b"connection" => Kind::Connection,
        b"keep-alive" => Kind::KeepAlive,
        b"content-length" => Kind::Length,
        b"transfer-encoding" => Kind::Coding,
        b"te"
        | b"trailer"
        | b"upgrade"
        | b"http2-settings"
        | b"proxy-connection"
        | b"proxy-authenticate"
        | b"proxy-authorization" => return None,
        _ => Kind::Plain,
    })
}
