//! Numbers, times and foreign text into a buffer, without an allocation of their own.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::calendar::{civil, two};

/// Longest piece of foreign text in a line, in bytes before escaping; more is cut, so that no client decides how large
/// a line is.
const MAX_TEXT: usize = 8 << 10;

/// Where a text stands decides what may stand in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Between blanks: a blank in it is escaped.
    Word,
    /// Between blanks, but `a, b` may be a list: a blank after a comma stays.
    List,
    /// Between quotes.
    Quoted,
    /// A JSON string.
    Json,
}

/// Appends foreign text so that it cannot leave its place, end the line, or speak to a terminal.
pub(crate) fn push_text(out: &mut Vec<u8>, text: &str, place: Place) {
    let (text, more) = if text.len() <= MAX_TEXT {
        (text, "")
    } else {
        text.split_at((0..=MAX_TEXT).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0))
    };
    if is_plain(text.as_bytes(), place) {
        out.extend_from_slice(text.as_bytes());
    } else {
        let mut before = '\0';
        for c in text.chars() {
            push_char(out, c, before, place);
            before = c;
        }
    }
    if !more.is_empty() {
        out.extend_from_slice("…".as_bytes());
    }
}

/// True if the text may stand there as it is. It almost always may: every byte is looked at, many at a time.
fn is_plain(text: &[u8], place: Place) -> bool {
    fn none(text: &[u8], odd: impl Fn(u8) -> bool) -> bool {
        !text.iter().fold(false, |found, byte| found | odd(*byte))
    }
    match place {
        Place::Word | Place::List => none(text, |b| (b.wrapping_sub(0x21) > 0x7e - 0x21) | is_quoting(b)),
        Place::Quoted => none(text, |b| (b.wrapping_sub(0x20) > 0x7e - 0x20) | is_quoting(b)),
        Place::Json => none(text, |b| {
            (b.wrapping_sub(0x20) > 0x7e - 0x20) | is_quoting(b) | (b == b'<') | (b == b'>') | (b == b'&')
        }),
    }
}

fn is_quoting(byte: u8) -> bool {
    (byte == b'"') | (byte == b'\\')
}

fn push_char(out: &mut Vec<u8>, c: char, before: char, place: Place) {
    match c {
        '"' | '\\' => out.extend_from_slice(&[b'\\', c as u8]),
        ' ' if place == Place::List && before == ',' => out.push(b' '),
        ' ' if matches!(place, Place::Word | Place::List) => out.extend_from_slice(b"\\x20"),
        '\n' if place == Place::Json => out.extend_from_slice(b"\\n"),
        '\r' if place == Place::Json => out.extend_from_slice(b"\\r"),
        '\t' if place == Place::Json => out.extend_from_slice(b"\\t"),
        '\u{8}' if place == Place::Json => out.extend_from_slice(b"\\b"),
        '\u{c}' if place == Place::Json => out.extend_from_slice(b"\\f"),
        // As Go writes JSON, so that a log may stand in a page.
        '<' | '>' | '&' if place == Place::Json => push_unicode(out, c),
        _ if c.is_ascii_control() && place != Place::Json => {
            out.extend_from_slice(b"\\x");
            push_hex(out, u32::from(c), 2);
        }
        _ if speaks_to_terminals(c) => push_unicode(out, c),
        _ => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
    }
}

/// Controls, line and paragraph separators, and what turns the direction of text.
fn speaks_to_terminals(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn push_unicode(out: &mut Vec<u8>, c: char) {
    out.extend_from_slice(b"\\u");
    push_hex(out, u32::from(c), 4);
}

fn push_hex(out: &mut Vec<u8>, value: u32, digits: u32) {
    for place in (0..digits).rev() {
        let nibble = (value >> (place * 4) & 15) as u8;
        out.push(if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 });
    }
}

/// Appends a number.
pub(crate) fn push_number(out: &mut Vec<u8>, number: impl itoa::Integer) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// Appends a number with leading zeros up to `width` digits.
fn push_padded(out: &mut Vec<u8>, number: u32, width: usize) {
    let mut buffer = itoa::Buffer::new();
    let digits = buffer.format(number).as_bytes();
    out.resize(out.len() + width.saturating_sub(digits.len()), b'0');
    out.extend_from_slice(digits);
}

/// Nanoseconds as a whole number.
pub(crate) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Appends a duration for people: `482µs`, `3.1ms`, `1.2s`, `2m03s`, `1h02m`.
pub(crate) fn push_duration(out: &mut Vec<u8>, duration: Duration) {
    let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
    let seconds = duration.as_secs();
    match micros {
        0..1_000 => {
            push_number(out, micros);
            out.extend_from_slice("µs".as_bytes());
        }
        1_000..1_000_000 => push_tenths(out, micros / 100, b"ms"),
        1_000_000..60_000_000 => push_tenths(out, micros / 100_000, b"s"),
        _ if seconds < 3600 => push_pair(out, seconds / 60, b'm', seconds % 60, b's'),
        _ => push_pair(out, seconds / 3600, b'h', seconds / 60 % 60, b'm'),
    }
}

fn push_tenths(out: &mut Vec<u8>, tenths: u64, unit: &[u8]) {
    push_number(out, tenths / 10);
    out.push(b'.');
    push_number(out, tenths % 10);
    out.extend_from_slice(unit);
}

fn push_pair(out: &mut Vec<u8>, large: u64, large_unit: u8, small: u64, small_unit: u8) {
    push_number(out, large);
    out.push(large_unit);
    out.extend_from_slice(&two(small as u32));
    out.push(small_unit);
}

/// A moment in UTC, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Utc {
    year: u32,
    month: u32,
    day: u32,
    hour: u32,
    minute: u32,
    second: u32,
    nanosecond: u32,
}

impl Utc {
    /// Clocks before 1970 read as 1970.
    pub(crate) fn new(time: SystemTime) -> Self {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        let seconds = since.as_secs();
        let (year, month, day) = civil(seconds / 86_400);
        let of_day = (seconds % 86_400) as u32;
        Self {
            year,
            month,
            day,
            hour: of_day / 3600,
            minute: of_day / 60 % 60,
            second: of_day % 60,
            nanosecond: since.subsec_nanos(),
        }
    }

    /// `12:04:11.482`.
    pub(crate) fn push_clock(&self, out: &mut Vec<u8>) {
        self.push_time(out);
        out.push(b'.');
        push_padded(out, self.nanosecond / 1_000_000, 3);
    }

    /// `02/Jan/2006:15:04:05 +0000`.
    pub(crate) fn push_clf(&self, out: &mut Vec<u8>) {
        const MONTHS: &[u8] = b"JanFebMarAprMayJunJulAugSepOctNovDec";
        let at = (self.month as usize).saturating_sub(1) * 3;
        out.extend_from_slice(&two(self.day));
        out.push(b'/');
        out.extend_from_slice(MONTHS.get(at..at + 3).unwrap_or(b"???"));
        out.push(b'/');
        push_padded(out, self.year, 4);
        out.push(b':');
        self.push_time(out);
        out.extend_from_slice(b" +0000");
    }

    /// `2006-01-02T15:04:05Z` (RFC 3339), with `fraction` up to nanoseconds and without zeros at its end.
    pub(crate) fn push_rfc3339(&self, out: &mut Vec<u8>, fraction: bool) {
        push_padded(out, self.year, 4);
        let ([m0, m1], [d0, d1]) = (two(self.month), two(self.day));
        out.extend_from_slice(&[b'-', m0, m1, b'-', d0, d1, b'T']);
        self.push_time(out);
        if fraction && self.nanosecond != 0 {
            let mut digits = [b'.', 0, 0, 0, 0, 0, 0, 0, 0, 0];
            let (mut rest, mut end) = (self.nanosecond, 1);
            for (at, digit) in digits.iter_mut().enumerate().skip(1).rev() {
                *digit = b'0' + (rest % 10) as u8;
                rest /= 10;
                if *digit != b'0' {
                    end = end.max(at + 1);
                }
            }
            out.extend_from_slice(digits.get(..end).unwrap_or_default());
        }
        out.push(b'Z');
    }

    fn push_time(&self, out: &mut Vec<u8>) {
        let ([h0, h1], [m0, m1], [s0, s1]) = (two(self.hour), two(self.minute), two(self.second));
        out.extend_from_slice(&[h0, h1, b':', m0, m1, b':', s0, s1]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(f: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        f(&mut out);
        String::from_utf8_lossy(&out).into_owned()
    }

    #[test]
    fn moments_are_told_in_utc() {
        for (seconds, want) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (951_868_800, "2000-03-01T00:00:00Z"),
            (1_704_067_199, "2023-12-31T23:59:59Z"),
            (1_709_210_096, "2024-02-29T12:34:56Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (253_402_300_799, "9999-12-31T23:59:59Z"),
        ] {
            let utc = Utc::new(UNIX_EPOCH + Duration::from_secs(seconds));
            assert_eq!(written(|out| utc.push_rfc3339(out, true)), want);
        }
        let utc = Utc::new(UNIX_EPOCH + Duration::new(1_709_210_096, 7_089_000));
        assert_eq!(written(|out| utc.push_rfc3339(out, true)), "2024-02-29T12:34:56.007089Z");
        assert_eq!(written(|out| utc.push_rfc3339(out, false)), "2024-02-29T12:34:56Z");
        assert_eq!(written(|out| utc.push_clf(out)), "29/Feb/2024:12:34:56 +0000");
        assert_eq!(written(|out| utc.push_clock(out)), "12:34:56.007");
    }

    #[test]
    fn clocks_that_are_far_off_do_not_panic() {
        Utc::new(UNIX_EPOCH - Duration::from_secs(1));
        if let Some(far) = UNIX_EPOCH.checked_add(Duration::from_secs(i64::MAX as u64)) {
            written(|out| Utc::new(far).push_clf(out));
        }
    }

    #[test]
    fn durations_read_well() {
        for (micros, want) in [
            (0, "0µs"),
            (482, "482µs"),
            (1_000, "1.0ms"),
            (3_149, "3.1ms"),
            (999_999, "999.9ms"),
            (1_200_000, "1.2s"),
            (59_999_999, "59.9s"),
            (123_000_000, "2m03s"),
            (3_720_000_000, "1h02m"),
        ] {
            assert_eq!(written(|out| push_duration(out, Duration::from_micros(micros))), want);
        }
        written(|out| push_duration(out, Duration::MAX));
    }

    #[test]
    fn foreign_text_stays_in_its_place() {
        for (text, word, quoted, json) in [
            ("/a?b=1", "/a?b=1", "/a?b=1", "/a?b=1"),
            ("a b", "a\\x20b", "a b", "a b"),
            ("a\"b\\", "a\\\"b\\\\", "a\\\"b\\\\", "a\\\"b\\\\"),
            ("a\r\nb", "a\\x0d\\x0ab", "a\\x0d\\x0ab", "a\\r\\nb"),
            ("\u{1b}[31m", "\\x1b[31m", "\\x1b[31m", "\\u001b[31m"),
            ("\u{7f}\0", "\\x7f\\x00", "\\x7f\\x00", "\\u007f\\u0000"),
            ("é\u{85}\u{202e}\u{2028}", "é\\u0085\\u202e\\u2028", "é\\u0085\\u202e\\u2028", "é\\u0085\\u202e\\u2028"),
            ("<&>", "<&>", "<&>", "\\u003c\\u0026\\u003e"),
        ] {
            assert_eq!(written(|out| push_text(out, text, Place::Word)), word);
            assert_eq!(written(|out| push_text(out, text, Place::Quoted)), quoted);
            assert_eq!(written(|out| push_text(out, text, Place::Json)), json);
        }
        assert_eq!(written(|out| push_text(out, "1.2.3.4, ::1 - x", Place::List)), "1.2.3.4, ::1\\x20-\\x20x");
    }

    #[test]
    fn long_text_is_cut_between_characters() {
        let text = "é".repeat(MAX_TEXT);
        let out = written(|out| push_text(out, &text, Place::Quoted));
        assert_eq!(out.len(), MAX_TEXT + "…".len());
        assert!(out.ends_with("é…"));
    }
}
