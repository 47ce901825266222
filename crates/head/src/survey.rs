//! One walk over a head's fields finds out what there is to look at. Most requests have none of the fields that need
//! work, and asking a header map for each of them costs more than everything else that is done to a head.

use http::header::{HeaderMap, HeaderValue};
use memchr::memchr_iter;

use crate::Speaks;

/// What a head has.
#[derive(Debug)]
pub(crate) struct Survey<'h> {
    /// Fields that are there: constants of [`field`].
    pub(crate) found: u32,
    /// Those of them that are there more than once.
    pub(crate) repeated: u32,
    /// Bytes of all lines: names, values, and four for what separates them.
    pub(crate) bytes: usize,
    /// The first `Host`.
    pub(crate) host: Option<&'h HeaderValue>,
    /// What `Accept` and `Content-Type` say.
    pub(crate) speaks: Speaks,
}

/// The fields that mean something to a proxy.
pub(crate) mod field {
    pub(crate) const HOST: u32 = 1;
    pub(crate) const EXPECT: u32 = 1 << 1;
    pub(crate) const CONTENT_LENGTH: u32 = 1 << 2;
    pub(crate) const CONNECTION: u32 = 1 << 3;
    pub(crate) const KEEP_ALIVE: u32 = 1 << 4;
    pub(crate) const PROXY_CONNECTION: u32 = 1 << 5;
    pub(crate) const TRANSFER_ENCODING: u32 = 1 << 6;
    pub(crate) const UPGRADE: u32 = 1 << 7;
    pub(crate) const TE: u32 = 1 << 8;
    pub(crate) const TRAILER: u32 = 1 << 9;
    pub(crate) const PROXY_AUTHORIZATION: u32 = 1 << 10;
    pub(crate) const HTTP2_SETTINGS: u32 = 1 << 11;
    pub(crate) const PROXY_AUTHENTICATE: u32 = 1 << 12;
    pub(crate) const X_REAL_IP: u32 = 1 << 13;
    pub(crate) const X_FORWARDED_FOR: u32 = 1 << 14;
    pub(crate) const X_FORWARDED_PROTO: u32 = 1 << 15;
    pub(crate) const X_FORWARDED_PORT: u32 = 1 << 16;
    pub(crate) const X_FORWARDED_HOST: u32 = 1 << 17;
    /// Another one that only Seaway, or a peer it trusts, may set.
    pub(crate) const MANAGED: u32 = 1 << 18;
    /// A name with `_`, which some servers take for `-`.
    pub(crate) const UNDERSCORE: u32 = 1 << 19;
    pub(crate) const ACCEPT: u32 = 1 << 20;
    pub(crate) const CONTENT_TYPE: u32 = 1 << 21;

    /// What belongs to one connection.
    pub(crate) const HOP: u32 = CONNECTION
        | KEEP_ALIVE
        | PROXY_CONNECTION
        | TRANSFER_ENCODING
        | UPGRADE
        | TE
        | TRAILER
        | PROXY_AUTHORIZATION
        | HTTP2_SETTINGS
        | PROXY_AUTHENTICATE;

    /// What an untrusted peer may not set.
    pub(crate) const ALL_MANAGED: u32 =
        X_REAL_IP | X_FORWARDED_FOR | X_FORWARDED_PROTO | X_FORWARDED_PORT | X_FORWARDED_HOST | MANAGED;
}

impl<'h> Survey<'h> {
    /// Of no line yet.
    pub(crate) fn nothing() -> Self {
        Self { found: 0, repeated: 0, bytes: 0, host: None, speaks: Speaks::Http }
    }

    /// Looks at every line once.
    pub(crate) fn of(headers: &'h HeaderMap) -> Self {
        let mut survey = Self::nothing();
        for (name, value) in headers {
            let name = name.as_str().as_bytes();
            survey.bytes += name.len() + value.len() + 4;
            let kind = classify(name);
            if kind == 0 {
                continue;
            }
            if kind == field::HOST && survey.host.is_none() {
                survey.host = Some(value);
            }
            survey.repeated |= survey.found & kind;
            if kind & (field::ACCEPT | field::CONTENT_TYPE) != 0 {
                survey.hear_first(kind, value.as_bytes());
            }
            survey.found |= kind;
        }
        survey
    }

    /// Takes note of an `Accept` or a `Content-Type`, of each the first.
    pub(crate) fn hear_first(&mut self, kind: u32, value: &[u8]) {
        if self.found & kind != 0 {
            return;
        }
        self.found |= kind;
        if kind == field::ACCEPT {
            if asks_for_events(value) {
                self.speaks = Speaks::EventStream;
            }
        } else if self.speaks == Speaks::Http
            && let Some(rest) = value.strip_prefix(b"application/grpc")
        {
            self.speaks = if rest.starts_with(b"-web") { Speaks::GrpcWeb } else { Speaks::Grpc };
        }
    }

    /// Names alone, for heads whose lines have been counted.
    pub(crate) fn names(headers: &HeaderMap) -> u32 {
        headers.keys().fold(0, |found, name| found | classify(name.as_str().as_bytes()))
    }
}

/// Whether one member of an `Accept` list is `text/event-stream`. Its hyphen is looked for: browsers' lists are long.
fn asks_for_events(list: &[u8]) -> bool {
    const BEFORE: &[u8] = b"text/event";
    const AFTER: &[u8] = b"-stream";
    memchr_iter(b'-', list).any(|at| {
        let Some((before, after)) = list.split_at_checked(at) else { return false };
        let Some((before, first)) = before.split_at_checked(at.wrapping_sub(BEFORE.len())) else { return false };
        let Some((last, after)) = after.split_at_checked(AFTER.len()) else { return false };
        first.eq_ignore_ascii_case(BEFORE)
            && last.eq_ignore_ascii_case(AFTER)
            && matches!(before.trim_ascii_end().last(), None | Some(b','))
            && matches!(after.trim_ascii_start().first(), None | Some(b','))
    })
}

/// Which field that is, 0 for all the others. Names are in lower case. Lengths tell most of them apart.
pub(crate) fn classify(name: &[u8]) -> u32 {
    let kind = match name.len() {
        2 if name == b"te" => field::TE,
        4 if name == b"host" => field::HOST,
        6 => match name {
            b"expect" => field::EXPECT,
            b"accept" => field::ACCEPT,
            _ => 0,
        },
        7 => match name {
            b"upgrade" => field::UPGRADE,
            b"trailer" => field::TRAILER,
            _ => 0,
        },
        10 => match name {
            b"connection" => field::CONNECTION,
            b"keep-alive" => field::KEEP_ALIVE,
            _ => 0,
        },
        12 if name == b"content-type" => field::CONTENT_TYPE,
        14 => match name {
            b"content-length" => field::CONTENT_LENGTH,
            b"http2-settings" => field::HTTP2_SETTINGS,
            _ => 0,
        },
        16 if name == b"proxy-connection" => field::PROXY_CONNECTION,
        17 if name == b"transfer-encoding" => field::TRANSFER_ENCODING,
        18 if name == b"proxy-authenticate" => field::PROXY_AUTHENTICATE,
        19 if name == b"proxy-authorization" => field::PROXY_AUTHORIZATION,
        _ => 0,
    };
    if kind != 0 {
        return kind;
    }
    if let Some(rest) = name.strip_prefix(b"x-")
        && let managed = managed(rest)
        && managed != 0
    {
        return managed;
    }
    if has_underscore(name) { field::UNDERSCORE } else { 0 }
}

/// The managed field that has this name after its `x-`.
pub(crate) fn managed(rest: &[u8]) -> u32 {
    match rest.strip_prefix(b"forwarded-") {
        None => match rest {
            b"real-ip" => field::X_REAL_IP,
            b"scheme" => field::MANAGED,
            _ => 0,
        },
        Some(b"for") => field::X_FORWARDED_FOR,
        Some(b"proto") => field::X_FORWARDED_PROTO,
        Some(b"port") => field::X_FORWARDED_PORT,
        Some(b"host") => field::X_FORWARDED_HOST,
        Some(b"scheme" | b"server" | b"uri" | b"method" | b"prefix" | b"tls-client-cert" | b"tls-client-cert-info") => {
            field::MANAGED
        }
        Some(_) => 0,
    }
}

/// Eight bytes at a time; the last eight may overlap with those before.
fn has_underscore(name: &[u8]) -> bool {
    let Some(last) = name.last_chunk::<8>() else { return name.contains(&b'_') };
    let (chunks, _) = name.as_chunks::<8>();
    chunks.iter().chain([last]).any(|chunk| {
        // A zero byte where there is a `_`; the lowest one borrows from nobody, so the answer is exact.
        let word = u64::from_le_bytes(*chunk) ^ 0x5f5f_5f5f_5f5f_5f5f;
        word.wrapping_sub(0x0101_0101_0101_0101) & !word & 0x8080_8080_8080_8080 != 0
    })
}

#[cfg(test)]
mod tests {
    use http::header::{HeaderName, HeaderValue};

    use super::*;

    #[test]
    fn every_name_is_told_apart() {
        for (name, kind) in [
            ("host", field::HOST),
            ("hose", 0),
            ("expect", field::EXPECT),
            ("cookie", 0),
            ("accept", field::ACCEPT),
            ("content-type", field::CONTENT_TYPE),
            ("content-length", field::CONTENT_LENGTH),
            ("connection", field::CONNECTION),
            ("keep-alive", field::KEEP_ALIVE),
            ("proxy-connection", field::PROXY_CONNECTION),
            ("transfer-encoding", field::TRANSFER_ENCODING),
            ("upgrade", field::UPGRADE),
            ("te", field::TE),
            ("trailer", field::TRAILER),
            ("proxy-authorization", field::PROXY_AUTHORIZATION),
            ("http2-settings", field::HTTP2_SETTINGS),
            ("proxy-authenticate", field::PROXY_AUTHENTICATE),
            ("x-real-ip", field::X_REAL_IP),
            ("x-forwarded-for", field::X_FORWARDED_FOR),
            ("x-forwarded-proto", field::X_FORWARDED_PROTO),
            ("x-forwarded-port", field::X_FORWARDED_PORT),
            ("x-forwarded-host", field::X_FORWARDED_HOST),
            ("x-forwarded-server", field::MANAGED),
            ("x-scheme", field::MANAGED),
            ("x-forwarded-user", 0),
            ("x-custom", 0),
            ("x_forwarded_for", field::UNDERSCORE),
            ("x-forwarded_for", field::UNDERSCORE),
            ("_", field::UNDERSCORE),
            ("abcdefgh_", field::UNDERSCORE),
            ("abcdefg_i", field::UNDERSCORE),
            ("abcdefgh^", 0),
            ("abcdefg`i", 0),
            ("user-agent", 0),
        ] {
            assert_eq!(classify(name.as_bytes()), kind, "{name}");
        }
    }

    #[test]
    fn an_underscore_is_found_wherever_it_is() {
        for length in 1..40 {
            for at in 0..length {
                let mut name = vec![b'^'; length];
                assert!(!has_underscore(&name));
                if let Some(byte) = name.get_mut(at) {
                    *byte = b'_';
                }
                assert!(has_underscore(&name), "{length} {at}");
            }
        }
    }

    #[test]
    fn lines_are_counted_and_repetitions_seen() {
        let mut headers = HeaderMap::new();
        for (name, value) in [("host", "a"), ("cookie", "b"), ("host", "c"), ("te", "d")] {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        let survey = Survey::of(&headers);
        assert_eq!(survey.found, field::HOST | field::TE);
        assert_eq!(survey.repeated, field::HOST);
        assert_eq!(survey.bytes, 4 + 6 + 4 + 2 + 4 + 4 * 4);
        assert_eq!(survey.host.map(HeaderValue::as_bytes), Some(&b"a"[..]));
        assert_eq!(Survey::names(&headers), survey.found);
    }

    #[test]
    fn what_is_spoken_is_heard_once() {
        for (lines, speaks) in [
            (&[][..], Speaks::Http),
            (&[("accept", "text/event-stream")], Speaks::EventStream),
            (&[("accept", "text/html, Text/Event-Stream ,*/*")], Speaks::EventStream),
            (&[("accept", "text/event-stream;q=1")], Speaks::Http),
            (&[("accept", "application/signed-exchange;v=b3, text/event-stream")], Speaks::EventStream),
            (&[("accept", "text/event-stream , text/html")], Speaks::EventStream),
            (&[("accept", "x text/event-stream")], Speaks::Http),
            (&[("accept", "-, text/event-strea, text/event-stream2, xtext/event-stream, -")], Speaks::Http),
            (&[("accept", "*/*"), ("accept", "text/event-stream")], Speaks::Http),
            (&[("content-type", "application/grpc")], Speaks::Grpc),
            (&[("content-type", "application/grpc+proto")], Speaks::Grpc),
            (&[("content-type", "application/grpc-web+proto")], Speaks::GrpcWeb),
            (&[("content-type", "text/event-stream")], Speaks::Http),
            (&[("content-type", "application/grpc"), ("accept", "text/event-stream")], Speaks::EventStream),
        ] {
            let mut headers = HeaderMap::new();
            for (name, value) in lines {
                headers.append(*name, HeaderValue::from_static(value));
            }
            assert_eq!(Survey::of(&headers).speaks, speaks, "{lines:?}");
        }
    }
}
