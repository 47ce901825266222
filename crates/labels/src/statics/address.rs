//! Addresses to listen on: `[host]:port[/tcp]`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Reads an address. Without a host it is `[::]`, which is meant to be bound for both families, or as `0.0.0.0` where the
/// machine has no IPv6. The error says what is wrong, in words.
pub fn listen_address(text: &str) -> Result<SocketAddr, String> {
    let (address, protocol) = text.split_once('/').map_or((text, "tcp"), |(address, protocol)| (address, protocol));
    match protocol {
        "tcp" => {}
        "udp" => return Err("UDP entry points do not work yet".to_owned()),
        other => return Err(format!("tcp is expected after the slash, not `{}`", crate::gather::show(other))),
    }
    let shape =
        || format!("[host]:port is expected, such as :80 or 127.0.0.1:8080, not `{}`", crate::gather::show(text));
    let (host, port) = address.rsplit_once(':').ok_or_else(shape)?;
    let port = match port.parse::<u16>() {
        Ok(number) if !port.starts_with('+') => number,
        _ => return Err(format!("a port is a number up to 65535, not `{}`", crate::gather::show(port))),
    };
    let ip = match host.strip_prefix('[').map(|inner| inner.strip_suffix(']')) {
        Some(Some(inner)) => IpAddr::V6(inner.parse().map_err(|_| shape())?),
        Some(None) => return Err(shape()),
        None if host.is_empty() => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        None if host.eq_ignore_ascii_case("localhost") => IpAddr::V4(Ipv4Addr::LOCALHOST),
        None => match host.parse() {
            Ok(IpAddr::V4(ip)) => IpAddr::V4(ip),
            Ok(IpAddr::V6(_)) => return Err(format!("an IPv6 address needs brackets: [{host}]:{port}")),
            Err(_) => return Err(shape()),
        },
    };
    Ok(SocketAddr::new(ip, port))
}

/// True when two listeners would be in each other's way.
pub(super) fn collide(a: SocketAddr, b: SocketAddr) -> bool {
    a.port() == b.port() && a.port() != 0 && (a.ip() == b.ip() || a.ip().is_unspecified() || b.ip().is_unspecified())
}

/// True for an IP address or a network such as `10.0.0.0/8`.
pub(super) fn is_network(text: &str) -> bool {
    let (ip, bits) = text.split_once('/').map_or((text, None), |(ip, bits)| (ip, Some(bits)));
    let Ok(ip) = ip.parse::<IpAddr>() else { return false };
    let most = if ip.is_ipv4() { 32 } else { 128 };
    bits.is_none_or(|bits| {
        bits.parse::<u8>().is_ok_and(|bits| bits <= most) && bits.bytes().all(|b| b.is_ascii_digit())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for (text, expected) in [
            (":80", "[::]:80"),
            (":0", "[::]:0"),
            (":443/tcp", "[::]:443"),
            ("127.0.0.1:8080", "127.0.0.1:8080"),
            ("0.0.0.0:80", "0.0.0.0:80"),
            ("[::1]:80", "[::1]:80"),
            ("localhost:80", "127.0.0.1:80"),
        ] {
            assert_eq!(listen_address(text).map(|a| a.to_string()).as_deref(), Ok(expected), "{text}");
        }
        for bad in [
            "",
            "80",
            ":",
            ":http",
            ":65536",
            ":+80",
            ":-1",
            "::1:80",
            "[::1:80",
            "a.test:80",
            "127.0.0.1",
            ":80/udp",
            ":80/sctp",
            ":80/",
        ] {
            assert!(listen_address(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn collisions_and_networks() {
        let hits = |a: &str, b: &str| collide(listen_address(a).unwrap(), listen_address(b).unwrap());
        assert!(hits(":80", "127.0.0.1:80") && hits("127.0.0.1:80", "127.0.0.1:80"));
        assert!(!hits(":80", ":81") && !hits("127.0.0.1:80", "127.0.0.2:80") && !hits(":0", ":0"));
        assert!(["10.0.0.0/8", "10.1.2.3", "::/0", "fd00::1"].iter().all(|n| is_network(n)));
        assert!(!["", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/+8", "a", "10.0.0/8"].iter().any(|n| is_network(n)));
    }
}
