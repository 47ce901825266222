//! The PROXY protocol: a header before all else on a connection, by which a balancer in front says whose connection it
//! is. Both versions, as HAProxy specifies them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Longest header that is read: version 1 has at most 107 bytes, and version 2 may carry fields that mean nothing here.
pub const LONGEST: usize = 4096;

const V1: &[u8] = b"PROXY ";
const V1_LONGEST: usize = 107;
const V2: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
const V2_HEAD: usize = 16;

/// What the first bytes of a connection are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beginning {
    /// Something else: there is no header.
    Other,
    /// All of them may be a header, or the beginning of one. `true` once they can be nothing else.
    Part(bool),
    /// A header of so many bytes.
    Header {
        /// Its length in bytes.
        length: usize,
        /// Whose connection it is; `None` where the header says nothing of it: a health check of the balancer's own.
        source: Option<SocketAddr>,
    },
    /// It begins like a header and is none.
    Bad(&'static str),
}

/// Reads the first bytes of a connection.
pub fn read(bytes: &[u8]) -> Beginning {
    if begins(bytes, V2) {
        return if bytes.len() < V2.len() { Beginning::Part(false) } else { version_2(bytes) };
    }
    if begins(bytes, V1) {
        return if bytes.len() < V1.len() { Beginning::Part(false) } else { version_1(bytes) };
    }
    Beginning::Other
}

/// One is the beginning of the other.
fn begins(bytes: &[u8], signature: &[u8]) -> bool {
    bytes.iter().zip(signature).all(|(a, b)| a == b)
}

/// `PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\n`
fn version_1(bytes: &[u8]) -> Beginning {
    let Some(end) = bytes.iter().take(V1_LONGEST).position(|byte| *byte == b'\n') else {
        return if bytes.len() < V1_LONGEST { Beginning::Part(true) } else { Beginning::Bad("the line is too long") };
    };
    let line = bytes.get(V1.len()..end).and_then(|line| line.strip_suffix(b"\r"));
    let Some(line) = line.and_then(|line| std::str::from_utf8(line).ok()) else {
        return Beginning::Bad("the line does not end as it must");
    };
    let length = end + 1;
    let mut words = line.split(' ');
    let family = words.next().unwrap_or_default();
    if family == "UNKNOWN" {
        return Beginning::Header { length, source: None };
    }
    let mut word = || words.next().unwrap_or_default();
    let (source, target, from, to) = (word(), word(), word(), word());
    if words.next().is_some() {
        return Beginning::Bad("the line has too many words");
    }
    let address = |text: &str| match family {
        "TCP4" => text.parse::<Ipv4Addr>().map(IpAddr::V4).ok(),
        "TCP6" => text.parse::<Ipv6Addr>().map(IpAddr::V6).ok(),
        _ => None,
    };
    match (address(source), address(target), port(from), port(to)) {
        (Some(ip), Some(_), Some(port), Some(_)) => {
            Beginning::Header { length, source: Some(SocketAddr::new(ip, port)) }
        }
        _ => Beginning::Bad("the line's addresses cannot be read"),
    }
}

/// Digits without a sign or leading zeros.
fn port(text: &str) -> Option<u16> {
    let plain = text == "0" || !text.starts_with('0');
    text.parse().ok().filter(|_| plain && text.bytes().all(|byte| byte.is_ascii_digit()))
}

fn version_2(bytes: &[u8]) -> Beginning {
    let Some((head, rest)) = bytes.split_first_chunk::<V2_HEAD>() else { return Beginning::Part(true) };
    let [.., command, family, high, low] = *head;
    let size = usize::from(u16::from_be_bytes([high, low]));
    if command >> 4 != 2 {
        return Beginning::Bad("the version is neither 1 nor 2");
    }
    if V2_HEAD + size > LONGEST {
        return Beginning::Bad("the header is too long");
    }
    let Some(body) = rest.get(..size) else { return Beginning::Part(true) };
    let length = V2_HEAD + size;
    match (command & 0xf, family) {
        // The balancer's own connection.
        (0, _) => Beginning::Header { length, source: None },
        (1, 0x11) => address(body, 4, length),
        (1, 0x21) => address(body, 16, length),
        // A local socket, datagrams, or what is not specified: accepted, and nothing is learnt.
        (1, 0x00 | 0x12 | 0x22 | 0x31 | 0x32) => Beginning::Header { length, source: None },
        (1, _) => Beginning::Bad("the address family is unknown"),
        _ => Beginning::Bad("the command is unknown"),
    }
}

/// Source, destination, source port, destination port; what follows are fields that mean nothing here.
fn address(body: &[u8], size: usize, length: usize) -> Beginning {
    let ip = match (size, body.get(..size)) {
        (4, Some(octets)) => <[u8; 4]>::try_from(octets).map(IpAddr::from).ok(),
        (_, Some(octets)) => <[u8; 16]>::try_from(octets).map(IpAddr::from).ok(),
        (_, None) => None,
    };
    let port =
        body.get(2 * size..2 * size + 2).and_then(|port| port.first_chunk::<2>()).map(|it| u16::from_be_bytes(*it));
    match (ip, port, body.get(..2 * size + 4)) {
        (Some(ip), Some(port), Some(_)) => Beginning::Header { length, source: Some(SocketAddr::new(ip, port)) },
        _ => Beginning::Bad("the addresses are cut short"),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn version_2(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
        let mut bytes = V2.to_vec();
        bytes.extend([0x20 | command, family]);
        bytes.extend(u16::try_from(body.len()).unwrap().to_be_bytes());
        bytes.extend(body);
        bytes
    }

    fn header(length: usize, source: &str) -> Beginning {
        Beginning::Header { length, source: (!source.is_empty()).then(|| source.parse().unwrap()) }
    }

    #[test]
    fn lines_of_version_1() {
        for (line, source) in [
            ("PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\n", "192.0.2.1:56324"),
            ("PROXY TCP6 2001:db8::1 2001:db8::2 1 65535\r\n", "[2001:db8::1]:1"),
            (
                "PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
                "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535",
            ),
            ("PROXY UNKNOWN\r\n", ""),
            ("PROXY UNKNOWN whatever it says\r\n", ""),
        ] {
            let with_more = format!("{line}GET / HTTP/1.1\r\n");
            assert_eq!(read(with_more.as_bytes()), header(line.len(), source), "{line}");
        }
        for bad in [
            "PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\n",
            "PROXY TCP4 192.0.2.1 198.51.100.1 56324\r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.1 56324 443 x\r\n",
            "PROXY TCP4 2001:db8::1 2001:db8::2 1 2\r\n",
            "PROXY TCP6 192.0.2.1 198.51.100.1 1 2\r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.1 +1 2\r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.1 01 2\r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.1 65536 2\r\n",
            "PROXY TCP4 192.0.2.1  198.51.100.1 1 2\r\n",
            "PROXY UDP4 192.0.2.1 198.51.100.1 1 2\r\n",
            "PROXY \r\n",
            "PROXY \n",
        ] {
            assert!(matches!(read(bad.as_bytes()), Beginning::Bad(_)), "{bad}");
        }
        let endless = format!("PROXY {}", "x".repeat(200));
        assert!(matches!(read(endless.as_bytes()), Beginning::Bad(_)));
    }

    #[test]
    fn headers_of_version_2() {
        let v4 = [192, 0, 2, 1, 198, 51, 100, 1, 0xdc, 4, 1, 187];
        let v6 = [[0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]; 2].concat();
        let v6 = [&v6[..], &[0, 80, 1, 187]].concat();
        let fields = [&v4[..], &[3, 0, 4, 1, 2, 3, 4]].concat();
        for (command, family, body, source) in [
            (1, 0x11, &v4[..], "192.0.2.1:56324"),
            (1, 0x11, &fields, "192.0.2.1:56324"),
            (1, 0x21, &v6, "[2001:db8::1]:80"),
            (0, 0x00, &[], ""),
            (0, 0x11, &v4, ""),
            (1, 0x00, &[], ""),
            (1, 0x31, &[0; 216], ""),
            (1, 0x12, &v4, ""),
        ] {
            let mut bytes = version_2(command, family, body);
            let length = bytes.len();
            bytes.extend(b"GET / HTTP/1.1\r\n");
            assert_eq!(read(&bytes), header(length, source), "{command} {family:x}");
        }
        for bad in [
            version_2(1, 0x11, &v4[..11]),
            version_2(1, 0x21, &v6[..35]),
            version_2(1, 0x41, &v4),
            version_2(2, 0x11, &v4),
            version_2(1, 0x11, &[0; LONGEST]),
            [&V2[..], &[0x11, 0x11, 0, 12], &v4].concat(),
        ] {
            assert!(matches!(read(&bad), Beginning::Bad(_)), "{bad:?}");
        }
    }

    #[test]
    fn requests_are_no_headers() {
        for other in ["GET / HTTP/1.1\r\n", "POST /", "PROPFIND /", "PROXX", "\r\nGET /", "\r\n\r\nGET", "\0"] {
            assert_eq!(read(other.as_bytes()), Beginning::Other, "{other}");
        }
        for part in ["", "P", "PROXY", "\r", "\r\n\r\n\0\r\nQUIT"] {
            assert_eq!(read(part.as_bytes()), Beginning::Part(false), "{part:?}");
        }
        assert_eq!(read(b"PROXY TCP4 1"), Beginning::Part(true));
    }

    fn headers() -> impl Strategy<Value = Vec<u8>> {
        let v1 = (any::<[u8; 4]>(), any::<u16>())
            .prop_map(|(ip, port)| format!("PROXY TCP4 {} 10.0.0.1 {port} 80\r\n", Ipv4Addr::from(ip)).into_bytes());
        let v2 = (0u8..3, any::<u8>(), proptest::collection::vec(any::<u8>(), 0..60))
            .prop_map(|(command, family, body)| version_2(command, family, &body));
        prop_oneof![v1, v2]
    }

    proptest! {
        #[test]
        fn nothing_panics_and_nothing_beyond_is_read(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            if let Beginning::Header { length, .. } = read(&bytes) {
                prop_assert!(length <= bytes.len());
            }
        }

        /// However it is cut into pieces: no part of a header is taken for something else, or for the whole.
        #[test]
        fn every_part_of_a_header_is_a_part(bytes in headers()) {
            let whole = read(&bytes);
            for end in 0..bytes.len() {
                match (whole, read(&bytes[..end])) {
                    (Beginning::Header { .. }, found) => prop_assert!(matches!(found, Beginning::Part(sure) if sure == (end >= V1.len() && bytes[0] == b'P' || end >= V2.len())), "{end} {found:?}"),
                    (_, found) => prop_assert!(matches!(found, Beginning::Part(_) | Beginning::Bad(_))),
                }
            }
        }
    }
}
