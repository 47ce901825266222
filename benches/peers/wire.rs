//! As much of HTTP/1.1 and WebSocket as a load test between programs that agree with one another needs.

use sha1::{Digest, Sha1};

/// The largest head that is read.
pub(crate) const MAX_HEAD: usize = 64 * 1024;

/// Where the head ends: the first byte of the body.
pub(crate) fn head_end(data: &[u8]) -> Option<usize> {
    // By the last byte of each place where the end could be: most places are ruled out four at a time.
    let mut last = 3;
    loop {
        last += match data.get(last)? {
            b'\n' if data[..=last].ends_with(b"\r\n\r\n") => return Some(last + 1),
            b'\n' => 2,
            b'\r' => 1,
            _ => 4,
        };
    }
}

/// The value of a field of that name, which is given in lower case.
pub(crate) fn field<'h>(head: &'h [u8], name: &str) -> Option<&'h str> {
    let text = std::str::from_utf8(head).ok()?;
    text.split("\r\n").skip(1).find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

/// The status of a response.
pub(crate) fn status(head: &[u8]) -> Option<u16> {
    let line = head.get(..12).and_then(|l| std::str::from_utf8(l).ok())?;
    line.strip_prefix("HTTP/1.")?.get(2..)?.parse().ok()
}

/// What a server answers to a `Sec-WebSocket-Key` (RFC 6455 §4.2.2).
pub(crate) fn accept_key(key: &str) -> String {
    let mut hash = Sha1::new();
    hash.update(key.as_bytes());
    hash.update(b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    base64(&hash.finalize())
}

fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for group in bytes.chunks(3) {
        let bits = group.iter().enumerate().fold(0_u32, |bits, (n, byte)| bits | u32::from(*byte) << (16 - 8 * n));
        for n in 0..4_usize {
            let letter = ALPHABET[(bits >> (18 - 6 * n) & 63) as usize];
            out.push(if n <= group.len() { char::from(letter) } else { '=' });
        }
    }
    out
}

/// A frame that was read, and how long it is on the wire.
pub(crate) struct Frame {
    pub(crate) first: u8,
    pub(crate) payload: Vec<u8>,
    pub(crate) length: usize,
}

impl Frame {
    /// The first frame in `data`, unmasked; `None` while it is not whole. Payloads up to 64 KiB.
    pub(crate) fn read(data: &[u8]) -> Option<Self> {
        let (first, second) = (*data.first()?, *data.get(1)?);
        let (length, start) = match second & 0x7f {
            126 => (usize::from(u16::from_be_bytes([*data.get(2)?, *data.get(3)?])), 4_usize),
            127 => (usize::MAX, 10),
            short => (usize::from(short), 2),
        };
        let masked = second & 0x80 != 0;
        let start = if masked { start + 4 } else { start };
        let end = start.checked_add(length)?;
        let mut payload = data.get(start..end)?.to_vec();
        if masked {
            let mask = &data[start - 4..start];
            payload.iter_mut().zip(mask.iter().cycle()).for_each(|(byte, mask)| *byte ^= mask);
        }
        Some(Self { first, payload, length: end })
    }
}

/// A frame as a server sends it (no mask) or a client (with one).
pub(crate) fn frame(first: u8, payload: &[u8], mask: Option<[u8; 4]>) -> Vec<u8> {
    let bit = if mask.is_some() { 0x80 } else { 0 };
    let mut out = match u8::try_from(payload.len()) {
        Ok(short @ 0..126) => vec![first, bit | short],
        _ => {
            let [high, low] = u16::try_from(payload.len()).unwrap_or(u16::MAX).to_be_bytes();
            vec![first, bit | 126, high, low]
        }
    };
    let start = out.len() + mask.map_or(0, |m| m.len());
    out.extend(mask.iter().flatten());
    out.extend_from_slice(payload);
    if let Some(mask) = mask {
        out[start..].iter_mut().zip(mask.iter().cycle()).for_each(|(byte, mask)| *byte ^= mask);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_ends_where_it_ends_and_not_at_the_end_of_what_was_read() {
        assert_eq!(head_end(b"GET / HTTP/1.1\r\n\r\n"), Some(18));
        assert_eq!(head_end(b"GET / HTTP/1.1\r\n\r\nGET /2 HTTP/1.1\r\n\r\n"), Some(18));
        assert_eq!(head_end(b"GET / HTTP/1.1\r\n\r\nbody"), Some(18));
        assert_eq!(head_end(b"GET / HTTP/1.1\r\n\r"), None);
        for filler in 0..9 {
            let head = format!("GET /{} HTTP/1.1\r\nA: b\r\n\r\n", "x".repeat(filler));
            assert_eq!(head_end(format!("{head}\n\r\n\r\n").as_bytes()), Some(head.len()), "{head:?}");
        }
    }

    #[test]
    fn fields_are_found_in_any_case_and_the_status_is_a_number() {
        let head = b"HTTP/1.1 404 Not Found\r\ncontent-LENGTH: 12\r\nX: y\r\n\r\n";
        assert_eq!((status(head), field(head, "content-length"), field(head, "z")), (Some(404), Some("12"), None));
        assert_eq!(status(b"ICY 200 OK\r\n"), None);
    }

    #[test]
    fn the_example_of_the_rfc_is_accepted() {
        assert_eq!(accept_key("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn frames_come_back_as_they_went() {
        for (length, head) in [(5, 2), (125, 2), (126, 4), (300, 4)] {
            let payload: Vec<u8> = (0..length).map(|n| u8::try_from(n % 251).unwrap()).collect();
            let plain = frame(0x82, &payload, None);
            assert_eq!(plain.len(), head + payload.len());
            assert!(Frame::read(&plain[..plain.len() - 1]).is_none());
            let masked = frame(0x82, &payload, Some([1, 2, 3, 4]));
            for wire in [plain, masked] {
                let read = Frame::read(&wire).unwrap();
                assert_eq!((read.first, read.length), (0x82, wire.len()));
                assert_eq!(read.payload, payload);
            }
        }
    }
}
