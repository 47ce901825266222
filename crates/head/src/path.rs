//! One canonical path, computed once: matched on, rewritten and forwarded.

use std::borrow::Cow;

use http::uri::PathAndQuery;

/// The canonical path and the query of a request.
///
/// Canonical means: begins with `/`; every `%XX` of an unreserved character is decoded and every other one is in upper
/// case (RFC 3986 §6.2.2); no empty segment, no `.` or `..` segment; no backslash, no byte above 0x7e, no `%00`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    text: PathAndQuery,
    /// The path has a `%`.
    encoded: bool,
    /// Its segments were left as they came.
    unresolved: bool,
}

/// How paths and queries are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PathRules {
    /// Empty segments, `.` and `..` stay as they are (`sanitizePath=false`).
    pub keep_segments: bool,
    /// A `;` in the query becomes `%3B`; otherwise it separates parameters and becomes `&`.
    pub encode_semicolons: bool,
    /// What paths may not have in its encoded form.
    pub refused: Refused,
}

/// Characters that paths may not have in their encoded form.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Refused(u8);

impl Refused {
    const ALL: [(&'static str, char); 6] =
        [("%2F", '/'), ("%5C", '\\'), ("%3B", ';'), ("%25", '%'), ("%3F", '?'), ("%23", '#')];

    /// The set with one more. Only `/`, `\`, `;`, `%`, `?` and `#` can be refused; any other changes nothing.
    #[must_use]
    pub fn and(self, character: char) -> Self {
        let place = Self::ALL.iter().position(|(_, known)| *known == character);
        Self(self.0 | place.map_or(0, |place| 1 << place))
    }

    /// True when the canonical path has one of them.
    pub fn is_in(self, path: &str) -> bool {
        self.0 != 0
            && path.match_indices('%').any(|(at, _)| {
                let encoded = path.get(at..at + 3);
                let known = Self::ALL.iter().position(|(known, _)| encoded == Some(known));
                known.is_some_and(|place| self.0 & (1 << place) != 0)
            })
    }
}

/// Why a path was refused; the answer is 400.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadPath(
    /// One line, for the log.
    pub &'static str,
);

impl Target {
    /// Judges and canonicalises what the client sent.
    pub fn canonical(raw: &PathAndQuery) -> Result<Self, BadPath> {
        Self::read(raw, PathRules::default())
    }

    /// The same as an entry point wants it.
    pub fn read(raw: &PathAndQuery, rules: PathRules) -> Result<Self, BadPath> {
        let unresolved = rules.keep_segments;
        let path = if unresolved { unresolved_path(raw.path())? } else { canonical_path(raw.path())? };
        if rules.refused.is_in(&path) {
            return Err(BadPath("the path has an encoded character that is not allowed here"));
        }
        let query = raw.query().map(|query| canonical_query(query, rules.encode_semicolons));
        match (path, query) {
            (Cow::Borrowed(path), None | Some(Cow::Borrowed(_))) => {
                Ok(Self { encoded: has_percent(path), text: raw.clone(), unresolved })
            }
            (path, query) => Self::join(&path, query.as_deref(), unresolved),
        }
    }

    /// The canonical path, still encoded.
    pub fn path(&self) -> &str {
        self.text.path()
    }

    /// The query without its `?`.
    pub fn query(&self) -> Option<&str> {
        self.text.query()
    }

    /// Path and query as they are forwarded.
    pub fn as_path_and_query(&self) -> &PathAndQuery {
        &self.text
    }

    /// What rules match on (Traefik's routing path): every `%XX` decoded unless it stands for a reserved character or
    /// `%`. A pure function of the canonical path and of nothing else; borrowed where the path has no `%`.
    pub fn routing_path(&self) -> Cow<'_, str> {
        if self.encoded { routing_path(self.path()) } else { Cow::Borrowed(self.path()) }
    }

    /// Replaces the path after a rewrite. The new path is checked again: one that is not already canonical would be
    /// read differently by the server than it was matched here, so it is refused.
    pub fn set_path(&mut self, path: &str) -> Result<(), BadPath> {
        let path = if path.is_empty() { "/" } else { path };
        match if self.unresolved { unresolved_path(path)? } else { canonical_path(path)? } {
            Cow::Borrowed(path) => {
                *self = Self::join(path, self.query(), self.unresolved)?;
                Ok(())
            }
            Cow::Owned(_) => Err(BadPath("the rewritten path is not canonical")),
        }
    }

    fn join(path: &str, query: Option<&str>, unresolved: bool) -> Result<Self, BadPath> {
        let mut text = String::with_capacity(path.len() + query.map_or(0, |query| query.len() + 1));
        text.push_str(path);
        if let Some(query) = query {
            text.push('?');
            text.push_str(query);
        }
        let text =
            PathAndQuery::try_from(text).map_err(|_| BadPath("the path has a character that no path may have"))?;
        Ok(Self { encoded: has_percent(path), text, unresolved })
    }
}

/// Canonicalises a path; borrowed when it already was canonical.
pub fn canonical_path(path: &str) -> Result<Cow<'_, str>, BadPath> {
    if !path.starts_with('/') {
        return Err(BadPath("the path does not begin with /"));
    }
    // Two bits of the byte before, so that `//` and `/.` are seen; the rest is gathered.
    let (mut seen, mut before) = (0u8, 0u8);
    for &byte in path.as_bytes() {
        let class = CLASSES.get(usize::from(byte)).copied().unwrap_or(class::BAD);
        seen |= class & (class::BAD | class::BACKSLASH | class::PERCENT);
        seen |= class & before & class::AFTER_SLASH;
        before = class >> 1;
    }
    if seen & class::BACKSLASH != 0 {
        return Err(BadPath("the path has a backslash"));
    }
    if seen & class::BAD != 0 {
        return Err(BadPath("the path has a character that must be percent-encoded"));
    }
    if seen == 0 {
        return Ok(Cow::Borrowed(path));
    }
    let decoded = decode_unreserved(path)?;
    let clean = resolve_segments(&decoded)?;
    Ok(if clean == path { Cow::Borrowed(path) } else { Cow::Owned(clean) })
}

/// The canonical path with its segments as they came.
fn unresolved_path(path: &str) -> Result<Cow<'_, str>, BadPath> {
    let class = |byte: u8| CLASSES.get(usize::from(byte)).copied().unwrap_or(class::BAD);
    let seen = path.bytes().fold(0, |seen, byte| seen | class(byte));
    if !path.starts_with('/') {
        return Err(BadPath("the path does not begin with /"));
    }
    if seen & (class::BAD | class::BACKSLASH) != 0 {
        return Err(BadPath("the path has a character that must be percent-encoded"));
    }
    if seen & class::PERCENT == 0 {
        return Ok(Cow::Borrowed(path));
    }
    let decoded = decode_unreserved(path)?;
    Ok(if decoded == path { Cow::Borrowed(path) } else { Cow::Owned(decoded) })
}

/// What a byte of a path may be.
mod class {
    /// Means something right after a slash: `/` and `.`.
    pub(super) const AFTER_SLASH: u8 = 1;
    /// Is a slash; one bit above [`AFTER_SLASH`].
    pub(super) const SLASH: u8 = 2;
    pub(super) const PERCENT: u8 = 4;
    pub(super) const BACKSLASH: u8 = 8;
    pub(super) const BAD: u8 = 16;
}

static CLASSES: [u8; 256] = {
    let mut classes = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        #[expect(clippy::cast_possible_truncation, reason = "below 256")]
        let it = byte as u8;
        classes[byte] = match it {
            b'/' => class::AFTER_SLASH | class::SLASH,
            b'.' => class::AFTER_SLASH,
            b'%' => class::PERCENT,
            b'\\' => class::BACKSLASH,
            0..=0x20 | 0x7f..=0xff => class::BAD,
            _ => 0,
        };
        byte += 1;
    }
    classes
};

/// Step one: `%XX` of unreserved characters decoded, the rest in upper case.
fn decode_unreserved(path: &str) -> Result<String, BadPath> {
    let mut out = String::with_capacity(path.len());
    let mut rest = path;
    while let Some(at) = rest.find('%') {
        let (head, tail) = rest.split_at(at);
        out.push_str(head);
        let byte = hex_pair(tail).ok_or(BadPath("the path has a broken percent sequence"))?;
        match byte {
            0 => return Err(BadPath("the path has an encoded NUL")),
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            _ => {
                out.push('%');
                out.push(hex_digit(byte >> 4));
                out.push(hex_digit(byte & 15));
            }
        }
        rest = tail.get(3..).unwrap_or_default();
    }
    out.push_str(rest);
    Ok(out)
}

/// Step two: empty, `.` and `..` segments resolved, a trailing slash kept.
fn resolve_segments(path: &str) -> Result<String, BadPath> {
    let mut segments: Vec<&str> = Vec::new();
    let mut ends_with_slash = false;
    for segment in path.split('/').skip(1) {
        ends_with_slash = false;
        match segment {
            "" | "." => ends_with_slash = true,
            ".." => {
                segments.pop();
                ends_with_slash = true;
            }
            _ if hides_dot_segment(segment) => return Err(BadPath("the path hides a dot segment")),
            _ => segments.push(segment),
        }
    }
    let mut out = String::with_capacity(path.len());
    for segment in &segments {
        out.push('/');
        out.push_str(segment);
    }
    if ends_with_slash || segments.is_empty() {
        out.push('/');
    }
    Ok(out)
}

/// `..;x`, `..%2Fx`, `a%5C..`: harmless here, a dot segment to servers that decode separators or cut parameters.
fn hides_dot_segment(segment: &str) -> bool {
    if !segment.contains('.') || !(segment.contains(';') || segment.contains('%')) {
        return false;
    }
    let split = segment.replace("%2F", "/").replace("%5C", "/").replace("%3B", ";");
    split.split('/').any(|part| matches!(part.split(';').next(), Some("." | ".."))) && split != segment
        || matches!(segment.split(';').next(), Some("." | ".."))
}

/// `;` separates parameters as `&` does (Traefik's default reading), or it is a part of them, so that Seaway and the
/// server agree on them.
fn canonical_query(query: &str, encode: bool) -> Cow<'_, str> {
    let instead = if encode { "%3B" } else { "&" };
    if query.as_bytes().contains(&b';') { Cow::Owned(query.replace(';', instead)) } else { Cow::Borrowed(query) }
}

fn has_percent(path: &str) -> bool {
    path.as_bytes().contains(&b'%')
}

fn routing_path(path: &str) -> Cow<'_, str> {
    let mut out: Vec<u8> = Vec::with_capacity(path.len());
    let mut rest = path;
    while let Some(at) = rest.find('%') {
        let (head, tail) = rest.split_at(at);
        out.extend_from_slice(head.as_bytes());
        match hex_pair(tail) {
            Some(byte) if !is_reserved(byte) => out.push(byte),
            _ => out.extend_from_slice(tail.as_bytes().get(..3).unwrap_or(tail.as_bytes())),
        }
        rest = tail.get(3..).unwrap_or_default();
    }
    out.extend_from_slice(rest.as_bytes());
    // Bytes that are no UTF-8 once decoded can equal no rule's text: the encoded form is what is matched then.
    String::from_utf8(out).map_or(Cow::Borrowed(path), Cow::Owned)
}

fn is_reserved(byte: u8) -> bool {
    matches!(
        byte,
        b':' | b'/'
            | b'?'
            | b'#'
            | b'['
            | b']'
            | b'@'
            | b'!'
            | b'$'
            | b'&'
            | b'\''
            | b'('
            | b')'
            | b'*'
            | b'+'
            | b','
            | b';'
            | b'='
            | b'%'
    )
}

fn hex_pair(text: &str) -> Option<u8> {
    let digits = text.as_bytes().get(1..3)?;
    let value = |d: u8| char::from(d).to_digit(16);
    let (high, low) = (value(*digits.first()?)?, value(*digits.get(1)?)?);
    u8::try_from(high * 16 + low).ok()
}

fn hex_digit(nibble: u8) -> char {
    char::from(if nibble < 10 { b'0' + nibble } else { b'A' + nibble - 10 })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn canonical(path: &str) -> Result<String, BadPath> {
        canonical_path(path).map(Cow::into_owned)
    }

    #[test]
    fn resolves_what_servers_would_resolve() {
        for (raw, want) in [
            ("/", "/"),
            ("/a/b", "/a/b"),
            ("/a/../b", "/b"),
            ("/a/%2E%2E/b", "/b"),
            ("/.%2e/b", "/b"),
            ("/a/.", "/a/"),
            ("/a/..", "/"),
            ("/a//b", "/a/b"),
            ("//a", "/a"),
            ("/a/", "/a/"),
            ("/%66oo", "/foo"),
            ("/a%2fb", "/a%2Fb"),
            ("/a%20b", "/a%20b"),
            ("/.well-known/x", "/.well-known/x"),
            ("/a/.b", "/a/.b"),
            ("/a/...", "/a/..."),
            ("/a;b=1", "/a;b=1"),
            ("/%252e%252e/x", "/%252e%252e/x"),
        ] {
            assert_eq!(canonical(raw).as_deref(), Ok(want), "{raw}");
        }
    }

    #[test]
    fn refuses_what_has_two_readings() {
        for raw in [
            "",
            "a",
            "/a\\b",
            "/%",
            "/%4",
            "/%zz",
            "/%00",
            "/a b",
            "/é",
            "/..;/a",
            "/a/..;x=1/b",
            "/..%2fa",
            "/a%5c../b",
            "/x/.;/y",
            "/..%3B/a",
        ] {
            assert!(canonical(raw).is_err(), "{raw}");
        }
    }

    #[test]
    fn canonical_is_a_fixed_point() {
        for raw in ["/a/../b", "/%66oo//bar/./", "/x%2fy%2e", "/a%41%7e"] {
            let once = canonical(raw).unwrap();
            assert!(matches!(canonical_path(&once), Ok(Cow::Borrowed(_))), "{once}");
        }
    }

    #[test]
    fn rules_see_reserved_characters_encoded() {
        let target = |p: &str| Target::canonical(&PathAndQuery::try_from(p).unwrap()).unwrap();
        assert_eq!(target("/foo%2Fbar").routing_path(), "/foo%2Fbar");
        assert_eq!(target("/a%20b").routing_path(), "/a b");
        assert_eq!(target("/%C3%A9").routing_path(), "/é");
        assert_eq!(target("/%C3").routing_path(), "/%C3");
        assert_eq!(target("/a?x;y").query(), Some("x&y"));
    }

    #[test]
    fn an_entry_point_may_read_paths_in_its_own_way() {
        let read = |p: &str, rules| Target::read(&PathAndQuery::try_from(p).unwrap(), rules);
        let keep = PathRules { keep_segments: true, ..PathRules::default() };
        for (raw, path) in
            [("/a//b", "/a//b"), ("/a/../b/./", "/a/../b/./"), ("/%2e%2E/a%2fb%61", "/../a%2Fba"), ("/..;/a", "/..;/a")]
        {
            assert_eq!(read(raw, keep).unwrap().path(), path);
        }
        for raw in ["/%", "/%00", "/%zz", "/a\\b"] {
            assert!(read(raw, keep).is_err(), "{raw}");
        }
        let mut kept = read("/a//b", keep).unwrap();
        assert!(kept.set_path("/c//d").is_ok() && kept.set_path("/%61").is_err());
        let encode = PathRules { encode_semicolons: true, ..PathRules::default() };
        assert_eq!(read("/a?b;c&d", encode).unwrap().query(), Some("b%3Bc&d"));
        assert_eq!(read("/a?b;c&d", PathRules::default()).unwrap().query(), Some("b&c&d"));
    }

    #[test]
    fn encoded_characters_can_be_refused() {
        let all =
            [('/', "/a%2fb"), ('\\', "/a%5Cb"), (';', "/a%3bb"), ('%', "/a%25b"), ('?', "/a%3Fb"), ('#', "/a%23b")];
        for (refused, _) in all {
            let rules = PathRules { refused: Refused::default().and(refused), ..PathRules::default() };
            for (character, raw) in all {
                let read = Target::read(&PathAndQuery::try_from(raw).unwrap(), rules);
                assert_eq!(read.is_err(), character == refused, "{raw} without {refused}");
            }
            assert!(Target::read(&PathAndQuery::from_static("/%20?%2F"), rules).is_ok());
        }
        assert!(!Refused::default().and('x').is_in("/%2F"));
    }

    #[test]
    fn a_rewrite_is_checked_again() {
        let mut target = Target::canonical(&PathAndQuery::from_static("/api?x=1")).unwrap();
        assert!(target.set_path("/../admin").is_err());
        assert!(target.set_path("/a//b").is_err());
        assert!(target.set_path("").is_ok());
        assert_eq!(target.as_path_and_query().as_str(), "/?x=1");
    }
}
