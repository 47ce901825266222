//! `contentType`: gives responses that have no `Content-Type` the one that their first bytes look like.
//!
//! What bytes look like is told as the MIME Sniffing Standard has it, <https://mimesniff.spec.whatwg.org/>.

use http::{HeaderValue, header};
use seaway_config::model;
use seaway_head::ResponseHead;

use crate::protocol::{Back, Came, CameFrom, Length};

/// So many bytes are looked at.
const LOOKED_AT: usize = 512;

/// Tells what responses look like.
#[derive(Clone, Debug)]
pub struct ContentType;

impl ContentType {
    /// That it is there is all that it says: `autoDetect` has had no meaning since Traefik 3.
    pub(crate) fn compile(_options: &model::ContentType) -> Result<Self, String> {
        Ok(Self)
    }

    pub(crate) fn on_response(&self, head: &ResponseHead<'_>, came: &Came) -> Back {
        let is_told =
            head.headers.contains_key(header::CONTENT_TYPE) || head.headers.contains_key(header::CONTENT_ENCODING);
        let has_body = !came.head_only && !matches!(came.body, Length::None | Length::Known(0));
        match !is_told && has_body && came.from == CameFrom::Server {
            true => Back::Peek,
            false => Back::Next,
        }
    }

    pub(crate) fn on_beginning(&self, head: &mut ResponseHead<'_>, beginning: &[u8]) {
        if !beginning.is_empty() {
            head.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(look(beginning)));
        }
    }
}

/// What the bytes look like; something can be said of any.
fn look(bytes: &[u8]) -> &'static str {
    let bytes = bytes.get(..LOOKED_AT).unwrap_or(bytes);
    let text = bytes.trim_ascii_start();
    if HTML.iter().any(|tag| begins_with_tag(text, tag)) {
        return "text/html; charset=utf-8";
    }
    if text.starts_with(b"<?xml") {
        return "text/xml; charset=utf-8";
    }
    if let Some((_, _, kind)) =
        MAGIC.iter().find(|(at, magic, _)| bytes.get(*at..).is_some_and(|b| b.starts_with(magic)))
    {
        return kind;
    }
    if let Some(kind) = container(bytes) {
        return kind;
    }
    let is_binary = |byte: &u8| matches!(byte, 0..=8 | 0x0b | 0x0e..=0x1a | 0x1c..=0x1f);
    if bytes.iter().any(is_binary) { "application/octet-stream" } else { "text/plain; charset=utf-8" }
}

/// A tag at the beginning, in either case, with something behind it that ends its name.
fn begins_with_tag(text: &[u8], tag: &[u8]) -> bool {
    text.split_at_checked(tag.len()).is_some_and(|(head, rest)| {
        head.eq_ignore_ascii_case(tag) && (tag == b"<!--" || matches!(rest.first(), Some(b' ' | b'>')))
    })
}

/// Formats whose name stands behind a size.
fn container(bytes: &[u8]) -> Option<&'static str> {
    let at = |from: usize| bytes.get(from..from + 4);
    match (at(0)?, at(8)?) {
        (b"RIFF", b"WAVE") => return Some("audio/wave"),
        (b"RIFF", b"AVI ") => return Some("video/avi"),
        (b"RIFF", b"WEBP") if bytes.get(12..14) == Some(b"VP") => return Some("image/webp"),
        (b"FORM", b"AIFF") => return Some("audio/aiff"),
        _ => {}
    }
    let size = usize::try_from(u32::from_be_bytes(bytes.first_chunk().copied()?)).ok()?;
    if bytes.len() < size || size % 4 != 0 || at(4)? != b"ftyp" {
        return None;
    }
    let brands = (8..size).step_by(4).filter(|from| *from != 12);
    let mut brands = brands.filter_map(|from| bytes.get(from..from + 3));
    brands.any(|brand| brand == b"mp4").then_some("video/mp4")
}

const HTML: &[&[u8]] = &[
    b"<!doctype html",
    b"<html",
    b"<head",
    b"<script",
    b"<iframe",
    b"<h1",
    b"<div",
    b"<font",
    b"<table",
    b"<a",
    b"<style",
    b"<title",
    b"<b",
    b"<body",
    b"<br",
    b"<p",
    b"<!--",
];

/// Where, what, and what it means.
const MAGIC: &[(usize, &[u8], &str)] = &[
    (0, b"%PDF-", "application/pdf"),
    (0, b"%!PS-Adobe-", "application/postscript"),
    (0, b"\xfe\xff", "text/plain; charset=utf-16be"),
    (0, b"\xff\xfe", "text/plain; charset=utf-16le"),
    (0, b"\xef\xbb\xbf", "text/plain; charset=utf-8"),
    (0, b"\x00\x00\x01\x00", "image/x-icon"),
    (0, b"\x00\x00\x02\x00", "image/x-icon"),
    (0, b"BM", "image/bmp"),
    (0, b"GIF87a", "image/gif"),
    (0, b"GIF89a", "image/gif"),
    (0, b"\x89PNG\r\n\x1a\n", "image/png"),
    (0, b"\xff\xd8\xff", "image/jpeg"),
    (0, b"ID3", "audio/mpeg"),
    (0, b"OggS\x00", "application/ogg"),
    (0, b"MThd\x00\x00\x00\x06", "audio/midi"),
    (0, b"\x1a\x45\xdf\xa3", "video/webm"),
    (34, b"LP", "application/vnd.ms-fontobject"),
    (0, b"\x00\x01\x00\x00", "font/ttf"),
    (0, b"OTTO", "font/otf"),
    (0, b"ttcf", "font/collection"),
    (0, b"wOFF", "font/woff"),
    (0, b"wOF2", "font/woff2"),
    (0, b"\x1f\x8b\x08", "application/x-gzip"),
    (0, b"PK\x03\x04", "application/zip"),
    (0, b"Rar!\x1a\x07\x00", "application/x-rar-compressed"),
    (0, b"Rar!\x1a\x07\x01\x00", "application/x-rar-compressed"),
    (0, b"\x00asm", "application/wasm"),
];

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use http::{HeaderMap, StatusCode};

    use super::*;

    #[test]
    fn what_bytes_look_like() {
        let mut mp4 = b"\0\0\0\x18ftypmp42\0\0\0\0isommp42".to_vec();
        mp4.extend_from_slice(&[0; 20]);
        let late = [&[b' '; 600][..], b"<html>"].concat();
        for (bytes, want) in [
            (&b"hello"[..], "text/plain; charset=utf-8"),
            (b"{\"a\": 1}", "text/plain; charset=utf-8"),
            ("grüße".as_bytes(), "text/plain; charset=utf-8"),
            (b"\x1b[1mbold", "text/plain; charset=utf-8"),
            (b"\x00", "application/octet-stream"),
            (b"text\x07", "application/octet-stream"),
            (b"<HtMl><head>", "text/html; charset=utf-8"),
            (b" \n\t<!DOCTYPE html>", "text/html; charset=utf-8"),
            (b"<p >", "text/html; charset=utf-8"),
            (b"<pre>", "text/plain; charset=utf-8"),
            (b"<html", "text/plain; charset=utf-8"),
            (b"<!-- x", "text/html; charset=utf-8"),
            (b"\n<?xml version='1.0'?>", "text/xml; charset=utf-8"),
            (b"%PDF-1.7", "application/pdf"),
            (b"\x89PNG\r\n\x1a\n....", "image/png"),
            (b"\xff\xd8\xff\xe0", "image/jpeg"),
            (b"GIF89a..", "image/gif"),
            (b"RIFF....WEBPVP8 ", "image/webp"),
            (b"RIFF....WAVEfmt ", "audio/wave"),
            (b"RIFF....JUNK", "text/plain; charset=utf-8"),
            (&mp4, "video/mp4"),
            (b"\0\0\0\x18ftypqt  ", "application/octet-stream"),
            (b"\x1f\x8b\x08\x00", "application/x-gzip"),
            (b"PK\x03\x04", "application/zip"),
            (b"\0asm\x01", "application/wasm"),
            (b"wOF2", "font/woff2"),
            (b"\xef\xbb\xbfhello", "text/plain; charset=utf-8"),
            (b"\xfe\xff\0h", "text/plain; charset=utf-16be"),
            (b"\xff\xff\xff\xffftyp", "text/plain; charset=utf-8"),
            (&late, "text/plain; charset=utf-8"),
        ] {
            assert_eq!(look(bytes), want, "{:?}", String::from_utf8_lossy(bytes));
        }
    }

    #[test]
    fn only_who_says_nothing_of_it_is_looked_at() {
        let server = Came { from: CameFrom::Server, body: Length::Unknown, head_only: false, repeatable: false };
        for (field, came, want) in [
            (None, server, true),
            (None, Came { body: Length::Known(5), ..server }, true),
            (None, Came { body: Length::Known(0), ..server }, false),
            (None, Came { body: Length::None, ..server }, false),
            (None, Came { head_only: true, ..server }, false),
            (None, Came { from: CameFrom::Seaway, ..server }, false),
            (None, Came { from: CameFrom::Upgrade, ..server }, false),
            (Some(header::CONTENT_TYPE), server, false),
            (Some(header::CONTENT_ENCODING), server, false),
            (Some(header::ETAG), server, true),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(field) = &field {
                headers.insert(field, HeaderValue::from_static("x"));
            }
            let mut status = StatusCode::OK;
            let head = ResponseHead { status: &mut status, headers: &mut headers };
            let back = ContentType.on_response(&head, &came);
            assert_eq!(matches!(back, Back::Peek), want, "{field:?} {came:?}");
        }
    }

    #[test]
    fn the_beginning_is_told_and_nothing_is_told_of_nothing() {
        for (beginning, want) in [(&b"<html>"[..], Some("text/html; charset=utf-8")), (b"", None)] {
            let (mut headers, mut status) = (HeaderMap::new(), StatusCode::OK);
            ContentType.on_beginning(&mut ResponseHead { status: &mut status, headers: &mut headers }, beginning);
            assert_eq!(headers.get(header::CONTENT_TYPE).map(|v| v.to_str().unwrap()), want);
        }
    }
}
