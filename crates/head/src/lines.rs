//! Lines of a head as they were sent, to be passed on without being taken apart.
//!
//! Most heads are ordinary: what is in them concerns the two ends alone, and it is written as everybody writes it. Their
//! lines are copied; a map of fields is made only for who wants to look at or change them. What is out of the ordinary
//! in any way is a map from the beginning, so that every rule about it is written once, for maps.

pub mod spare;

use std::cell::OnceCell;
use std::ops::{Deref, DerefMut, Range};
use std::sync::LazyLock;

use bytes::Bytes;
use http::header::{COOKIE, HOST, HeaderMap, HeaderName, HeaderValue};

use memchr::memchr;

use crate::names::Lower;
use crate::survey::Survey;
use crate::{Speaks, names};

/// Lines that stay can be in so many places, between those that do not.
const RUNS: usize = 4;
/// A longer name is out of the ordinary.
const LONGEST_NAME: usize = 256;

/// Lines of one head, each `Name: value` and CRLF, in the places where they are.
#[derive(Clone, Debug)]
pub struct Runs {
    bytes: Bytes,
    places: [(u32, u32); RUNS],
    used: usize,
}

impl Runs {
    /// None yet, of the head in `bytes`.
    pub fn new(bytes: Bytes) -> Self {
        Self { bytes, places: [(0, 0); RUNS], used: 0 }
    }

    /// Where the line of this name and value begins, and where it ends with its CRLF; `None` where it is written in
    /// another way than `Name: value`, which is the only one that is passed on.
    pub fn place(&self, name: &Range<usize>, value: &Range<usize>) -> Option<Range<usize>> {
        let usual = value.start == name.end + 2
            && !value.is_empty()
            && name.len() <= LONGEST_NAME
            && self.bytes.get(name.end..value.start)? == b": "
            && self.bytes.get(value.end..value.end + 2)? == b"\r\n";
        usual.then_some(name.start..value.end + 2)
    }

    /// Adds a line that stays. `None` if they are in too many places.
    pub fn add(&mut self, line: Range<usize>) -> Option<()> {
        let (start, end) = (u32::try_from(line.start).ok()?, u32::try_from(line.end).ok()?);
        match self.places.get_mut(self.used.checked_sub(1).unwrap_or(RUNS)) {
            Some(last) if last.1 == start => last.1 = end,
            _ => {
                *self.places.get_mut(self.used)? = (start, end);
                self.used += 1;
            }
        }
        Some(())
    }

    /// The lines, each with its end, as many at a time as stand together.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.places.iter().take(self.used).filter_map(|(start, end)| self.bytes.get(*start as usize..*end as usize))
    }

    /// Appends them to a map.
    pub fn add_to(&self, map: &mut HeaderMap) {
        self.iter().for_each(|run| add_lines(&self.bytes, run, map));
    }
}

/// Appends the lines of `run`, which is a part of `bytes`.
fn add_lines(bytes: &Bytes, mut run: &[u8], map: &mut HeaderMap) {
    names::with(|names| {
        while let Some((line, rest)) = memchr(b'\n', run).and_then(|end| run.split_at_checked(end + 1)) {
            run = rest;
            let Some((name, value)) = memchr(b':', line).and_then(|colon| line.split_at_checked(colon)) else {
                continue;
            };
            let Some(value) = value.get(2..value.len().saturating_sub(2)) else { continue };
            // Whoever parsed the head has let no other bytes pass than these take.
            if let (Ok(name), Ok(value)) = (names.parse(name), HeaderValue::from_maybe_shared(bytes.slice_ref(value))) {
                map.append(name, value);
            }
        }
    });
}

/// The fields of a request: its lines as long as nobody wants to look at or change them, then a map.
///
/// It passes for a map wherever one is wanted, and is the same map whenever that is. Only who forwards it asks for the
/// lines. It is as large as a pointer, since it goes from hand to hand; what is behind it is used again.
#[derive(Debug, Default)]
pub struct Headers {
    /// None where there is nothing at all.
    inner: Option<Box<Inner>>,
}

#[derive(Debug, Default)]
struct Inner {
    /// None once the map may have been changed.
    lines: Option<Lines>,
    map: OnceCell<HeaderMap>,
}

/// The lines of an ordinary request.
#[derive(Clone, Debug)]
pub struct Lines {
    /// All that are forwarded but `Host`.
    runs: Runs,
    host: Range<usize>,
    cookie: Option<Range<usize>>,
    /// Lines, and bytes of their names, values and four for what separates them; those that are not forwarded too.
    pub(crate) count: usize,
    pub(crate) size: usize,
    pub(crate) speaks: Speaks,
    /// What Seaway adds: lines as well, `X-Forwarded-For` excepted.
    pub(crate) managed: Bytes,
}

/// What an ordinary request says besides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Says {
    /// The client ends the connection after the response.
    pub close: bool,
    /// How long the body is; never zero.
    pub length: Option<u64>,
}

impl Lines {
    /// The lines of the HTTP/1.1 head in `bytes`, of which each name and value is at these places; `None` where
    /// anything about them is out of the ordinary.
    pub fn of(bytes: &Bytes, places: impl Iterator<Item = (Range<usize>, Range<usize>)>) -> Option<(Self, Says)> {
        let mut runs = Runs::new(bytes.clone());
        let mut says = Says::default();
        let (mut host, mut cookie) = (None, None);
        let (mut count, mut size) = (0, 0);
        let mut heard = Survey::nothing();
        for (name, value) in places {
            count += 1;
            size += name.len() + value.len() + 4;
            let line = runs.place(&name, &value)?;
            let text = bytes.get(value.clone())?;
            match kind(bytes.get(name)?)? {
                Kind::Plain => {}
                Kind::Host if host.is_some() => return None,
                Kind::Host => {
                    host = Some(value);
                    continue;
                }
                Kind::Connection => {
                    let close = text.eq_ignore_ascii_case(b"close");
                    if !close && !text.eq_ignore_ascii_case(b"keep-alive") {
                        return None;
                    }
                    says.close |= close;
                    continue;
                }
                Kind::Cookie if cookie.is_some() => return None,
                Kind::Cookie => cookie = Some(value),
                Kind::Length => {
                    if says.length.is_some() || text.len() > 18 || text.first() == Some(&b'0') {
                        return None;
                    }
                    says.length = Some(std::str::from_utf8(text).ok()?.parse().ok()?);
                    // `parse` takes a sign.
                    text.iter().all(u8::is_ascii_digit).then_some(())?;
                }
                Kind::Speaks(field) => heard.hear_first(field, text),
            }
            runs.add(line)?;
        }
        let managed = Bytes::new();
        Some((Self { runs, host: host?, cookie, count, size, speaks: heard.speaks, managed }, says))
    }

    /// What `Host` says.
    pub fn host(&self) -> &[u8] {
        self.runs.bytes.get(self.host.clone()).unwrap_or_default()
    }

    /// Everything else that is forwarded, in lines with their ends, `X-Forwarded-For` excepted.
    pub fn forwarded(&self) -> impl Iterator<Item = &[u8]> {
        self.runs.iter().chain(std::iter::once(&*self.managed))
    }

    fn write(&self, map: &mut HeaderMap) {
        if let Some(host) = self.host_value() {
            map.append(HOST, host);
        }
        self.runs.add_to(map);
        add_lines(&self.managed, &self.managed, map);
    }

    fn host_value(&self) -> Option<HeaderValue> {
        HeaderValue::from_maybe_shared(self.runs.bytes.slice(self.host.clone())).ok()
    }
}

impl Headers {
    /// The lines, as long as nothing else may have become of them.
    pub fn lines(&self) -> Option<&Lines> {
        self.inner.as_ref()?.lines.as_ref()
    }

    pub(crate) fn lines_mut(&mut self) -> Option<&mut Lines> {
        self.inner.as_mut()?.lines.as_mut()
    }

    /// The `Cookie` lines.
    pub fn cookies(&self) -> Cookies<'_> {
        match self.lines() {
            Some(lines) => {
                let line = lines.cookie.clone().and_then(|place| lines.runs.bytes.get(place));
                Cookies { line, map: None }
            }
            None => Cookies::from(&**self),
        }
    }

    /// The first `Host`.
    pub fn host(&self) -> Option<HeaderValue> {
        match self.lines() {
            Some(lines) => lines.host_value(),
            None => self.get(HOST).cloned(),
        }
    }

    /// The first value of a field that an ordinary request does not have from its client, and Seaway does not add.
    pub fn get_unusual(&self, name: &HeaderName) -> Option<&HeaderValue> {
        if self.lines().is_some() { None } else { self.get(name) }
    }

    /// A map of them.
    pub fn into_map(mut self) -> HeaderMap {
        let _made = &*self;
        self.inner.as_mut().and_then(|inner| inner.map.take()).unwrap_or_default()
    }
}

impl Deref for Headers {
    type Target = HeaderMap;

    fn deref(&self) -> &HeaderMap {
        static EMPTY: LazyLock<HeaderMap> = LazyLock::new(HeaderMap::new);
        match &self.inner {
            Some(inner) => inner.map(),
            None => &EMPTY,
        }
    }
}

impl Inner {
    fn map(&self) -> &HeaderMap {
        self.map.get_or_init(|| {
            let mut map = spare::map();
            if let Some(lines) = &self.lines {
                lines.write(&mut map);
            }
            map
        })
    }
}

impl DerefMut for Headers {
    #[expect(clippy::expect_used, reason = "a map has just been put there")]
    fn deref_mut(&mut self) -> &mut HeaderMap {
        let inner = self.inner.get_or_insert_with(spare::take);
        let _made = inner.map();
        inner.lines = None;
        inner.map.get_mut().expect("there is a map")
    }
}

impl Drop for Headers {
    fn drop(&mut self) {
        if let Some(inner) = self.inner.take() {
            spare::keep(inner);
        }
    }
}

impl Clone for Headers {
    fn clone(&self) -> Self {
        let inner = self.inner.as_ref().map(|inner| {
            let mut copy = spare::take();
            (copy.lines, copy.map) = (inner.lines.clone(), inner.map.clone());
            copy
        });
        Self { inner }
    }
}

impl PartialEq for Headers {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl PartialEq<HeaderMap> for Headers {
    fn eq(&self, other: &HeaderMap) -> bool {
        **self == *other
    }
}

impl From<HeaderMap> for Headers {
    fn from(map: HeaderMap) -> Self {
        let mut inner = spare::take();
        inner.map = OnceCell::from(map);
        Self { inner: Some(inner) }
    }
}

impl From<Lines> for Headers {
    fn from(lines: Lines) -> Self {
        let mut inner = spare::take();
        inner.lines = Some(lines);
        Self { inner: Some(inner) }
    }
}

impl<'a> IntoIterator for &'a Headers {
    type Item = (&'a HeaderName, &'a HeaderValue);
    type IntoIter = http::header::Iter<'a, HeaderValue>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// The `Cookie` lines of a request.
#[derive(Clone, Copy, Debug)]
pub struct Cookies<'h> {
    line: Option<&'h [u8]>,
    map: Option<&'h HeaderMap>,
}

impl<'h> Cookies<'h> {
    /// Their values.
    pub fn iter(self) -> impl Iterator<Item = &'h [u8]> {
        let of_map = self.map.into_iter().flat_map(|map| map.get_all(COOKIE)).map(HeaderValue::as_bytes);
        self.line.into_iter().chain(of_map)
    }
}

impl<'h> From<&'h HeaderMap> for Cookies<'h> {
    fn from(map: &'h HeaderMap) -> Self {
        Self { line: None, map: Some(map) }
    }
}

/// What a line is to a proxy.
enum Kind {
    Plain,
    Host,
    Connection,
    Cookie,
    Length,
    /// It says what is spoken inside of HTTP: a constant of `field`.
    Speaks(u32),
}

/// `None` for what is out of the ordinary: what else belongs to one connection, what only Seaway or who it trusts may
/// set, what changes how a body is sent, and names that some servers take for others.
fn kind(name: &[u8]) -> Option<Kind> {
    use crate::survey::field;
    let Some(lower) = Lower::of(name) else {
        // The longer ones that mean something are managed, and begin like this.
        let managed = name.get(..12).is_some_and(|first| first.eq_ignore_ascii_case(b"x-forwarded-"));
        return (!managed && !name.contains(&b'_')).then_some(Kind::Plain);
    };
    match crate::survey::classify(&lower) {
        0 if *lower == *b"cookie" => Some(Kind::Cookie),
        0 => Some(Kind::Plain),
        field::HOST => Some(Kind::Host),
        field::CONNECTION => Some(Kind::Connection),
        field::CONTENT_LENGTH => Some(Kind::Length),
        speaks @ (field::ACCEPT | field::CONTENT_TYPE) => Some(Kind::Speaks(speaks)),
        _ => None,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
