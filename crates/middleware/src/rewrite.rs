//! What the middlewares that change the path share.

use std::borrow::Cow;

use http::{HeaderName, HeaderValue};
use seaway_head::path::{BadPath, canonical_path};
use seaway_head::{RequestHead, Target};

/// Tells the server the path before a replacement.
const REPLACED_PATH: HeaderName = HeaderName::from_static("x-replaced-path");

/// Brings a path that was written in an option into the form in which request paths are: canonical and encoded.
/// `option` names it in errors. A missing leading slash is added; a path that does not mean itself is refused.
pub(crate) fn configured_path(option: &str, text: &str) -> Result<String, String> {
    let text = text.trim();
    let slashed = if text.starts_with('/') { Cow::Borrowed(text) } else { Cow::Owned(format!("/{text}")) };
    check_literal(option, &slashed)?;
    let mut segments = slashed.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let dots = segment.replace("%2e", ".").replace("%2E", ".");
        if (segment.is_empty() && segments.peek().is_some()) || dots == "." || dots == ".." {
            return Err(format!("{option} {text:?} has an empty or dot segment; write the path that it stands for"));
        }
    }
    let encoded = encode(&slashed);
    canonical_path(&encoded).map(Cow::into_owned).map_err(|BadPath(why)| format!("{option} {text:?}: {why}"))
}

/// Refuses characters in the fixed text of a path that would make it something else than a path.
pub(crate) fn check_literal(option: &str, text: &str) -> Result<(), String> {
    match text.chars().find(|c| matches!(c, '?' | '#' | '\\') || c.is_control()) {
        Some(c @ ('?' | '#')) => Err(format!(
            "{option} {text:?} has a {c}, which ends a path; it has no query, and as a character it is %{:02X}",
            u32::from(c)
        )),
        Some(c) => Err(format!("{option} {text:?} has the character {c:?}, which no path may have")),
        None => Ok(()),
    }
}

/// Percent-encodes what cannot stand in a path as it is, and leaves `%` alone.
pub(crate) fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for &byte in text.as_bytes() {
        if needs_encoding(byte) { push_encoded(&mut out, byte) } else { out.push(char::from(byte)) }
    }
    out
}

/// Bytes that RFC 3986 §3.3 does not let stand in a path, `%` apart.
pub(crate) fn needs_encoding(byte: u8) -> bool {
    matches!(byte, 0..=0x20 | 0x7f..=0xff | b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}')
}

/// Writes `%XX`.
pub(crate) fn push_encoded(out: &mut String, byte: u8) {
    for digit in [b'%', hex(byte >> 4), hex(byte & 15)] {
        out.push(char::from(digit));
    }
}

/// An upper-case hexadecimal digit.
pub(crate) fn hex(nibble: u8) -> u8 {
    if nibble < 10 { b'0' + nibble } else { b'A' + nibble - 10 }
}

/// Replaces the path of a request. What came of a rewrite is judged like what a client sends: it must already be
/// canonical, and it must be a path and nothing more.
pub(crate) fn set_path(target: &mut Target, path: &str) -> Result<(), BadPath> {
    if path.contains(['?', '#']) {
        return Err(BadPath("the rewritten path has a ? or #"));
    }
    target.set_path(path)
}

/// Replaces the path and tells the server the one before, in place of anything that a client may have said about it.
pub(crate) fn replace_path(head: &mut RequestHead, path: &str) -> Result<(), BadPath> {
    let before =
        HeaderValue::from_str(head.target.path()).map_err(|_| BadPath("the path does not fit into a header"))?;
    set_path(&mut head.target, path)?;
    head.headers.insert(REPLACED_PATH, before);
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn configured_paths_take_the_form_of_request_paths() {
        for (text, want) in [
            ("/a", "/a"),
            ("a/b", "/a/b"),
            (" /a/ ", "/a/"),
            ("/", "/"),
            ("/a b", "/a%20b"),
            ("/é", "/%C3%A9"),
            ("/%c3%a9", "/%C3%A9"),
            ("/%41{x}", "/A%7Bx%7D"),
        ] {
            assert_eq!(configured_path("o", text).as_deref(), Ok(want), "{text}");
        }
    }

    #[test]
    fn configured_paths_that_mean_another_path_are_refused() {
        for text in [
            "/a/../b",
            "/a/.",
            "/%2e%2E/a",
            "//a",
            "/a//b",
            "/a?b",
            "/a#b",
            "/a\\b",
            "/a\r\nb",
            "/%zz",
            "/%00",
            "/..;/a",
        ] {
            let error = configured_path("addPrefix.prefix", text).unwrap_err();
            assert!(error.starts_with("addPrefix.prefix"), "{text}: {error}");
        }
    }
}
