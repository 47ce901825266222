//! The headers that tell a server who the client is. Seaway manages them: what an untrusted peer sends is removed in
//! every spelling, and one set of values is written in its place.

use std::net::{IpAddr, SocketAddr};

use http::header::{HOST, HeaderMap, HeaderName, HeaderValue};
use ipnet::IpNet;

use crate::survey::{self, Survey, field};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_FORWARDED_SERVER: HeaderName = HeaderName::from_static("x-forwarded-server");
const X_FORWARDED_SCHEME: HeaderName = HeaderName::from_static("x-forwarded-scheme");
const X_SCHEME: HeaderName = HeaderName::from_static("x-scheme");
const X_REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");

/// Whose forwarded headers are believed.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    /// Everybody's (`forwardedHeaders.insecure`).
    pub everybody: bool,
    /// Those of peers in these networks.
    pub networks: Vec<IpNet>,
}

impl Trust {
    /// True when that peer's values are kept.
    pub fn trusts(&self, peer: IpAddr) -> bool {
        self.everybody || self.networks.iter().any(|network| network.contains(&peer))
    }
}

/// What is the same for every request of one connection, built once when it is accepted.
#[derive(Clone, Debug)]
pub struct Forwarding {
    trusted: bool,
    secure: bool,
    append: bool,
    peer: HeaderValue,
    server: HeaderValue,
    /// `X-Forwarded-Scheme` and `X-Scheme` too.
    schemes: bool,
}

impl Forwarding {
    /// For a connection from `peer`; `server` is this machine's host name.
    pub fn new(peer: IpAddr, trust: &Trust, secure: bool, append: bool, server: &HeaderValue) -> Self {
        // An address' text has only characters that a header value may have.
        let text = HeaderValue::from_str(&peer.to_string()).unwrap_or_else(|_| HeaderValue::from_static("unknown"));
        Self { trusted: trust.trusts(peer), secure, append, peer: text, server: server.clone(), schemes: false }
    }

    /// Sets `X-Forwarded-Scheme` and `X-Scheme` to the value of `X-Forwarded-Proto`.
    #[must_use]
    pub fn with_schemes(mut self, schemes: bool) -> Self {
        self.schemes = schemes;
        self
    }

    /// Cleans and completes the headers of a request before middlewares see them. `upgrade` tells `ws` from `http`.
    /// [`Judge::admit`](crate::Judge::admit) does the same on the way.
    pub fn prepare(&self, headers: &mut HeaderMap, upgrade: bool) {
        let host = headers.get(HOST).cloned();
        let text = host.as_ref().and_then(|h| h.to_str().ok()).unwrap_or_default();
        let port = crate::host::parse(text).and_then(|h| h.port).map(HeaderValue::from);
        let found = Survey::names(headers);
        self.complete(headers, found, upgrade, host, port);
    }

    /// The same for a head whose fields have been surveyed; `port` is the one in `host`.
    pub(crate) fn complete(
        &self,
        headers: &mut HeaderMap,
        found: u32,
        upgrade: bool,
        host: Option<HeaderValue>,
        port: Option<HeaderValue>,
    ) {
        if found & field::UNDERSCORE != 0 || (!self.trusted && found & field::ALL_MANAGED != 0) {
            self.clean(headers);
        }
        let kept = if self.trusted { found } else { 0 };
        if kept & field::X_FORWARDED_FOR != 0 {
            fold_forwarded_for(headers);
        }
        // What is not there is appended: that looks for nothing.
        if kept & field::X_REAL_IP == 0 {
            headers.append(X_REAL_IP, self.peer.clone());
        }
        if kept & field::X_FORWARDED_PROTO == 0 {
            let proto = match (upgrade, self.secure) {
                (false, false) => const { HeaderValue::from_static("http") },
                (false, true) => const { HeaderValue::from_static("https") },
                (true, false) => const { HeaderValue::from_static("ws") },
                (true, true) => const { HeaderValue::from_static("wss") },
            };
            headers.append(X_FORWARDED_PROTO, proto);
        }
        if self.schemes
            && let Some(proto) = headers.get(X_FORWARDED_PROTO).cloned()
        {
            headers.insert(X_FORWARDED_SCHEME, proto.clone());
            headers.insert(X_SCHEME, proto);
        }
        if kept & field::X_FORWARDED_PORT == 0 {
            let port = port.unwrap_or_else(|| self.default_port(headers, kept));
            headers.append(X_FORWARDED_PORT, port);
        }
        if kept & field::X_FORWARDED_HOST == 0
            && let Some(host) = host
        {
            headers.append(X_FORWARDED_HOST, host);
        }
        headers.insert(X_FORWARDED_SERVER, self.server.clone());
    }

    /// Writes the list of `X-Forwarded-For` as it is forwarded: with the peer at its end, unless that is switched off.
    /// Middlewares have seen it without. False if there is nothing to write.
    pub fn write_list(&self, list: Option<&HeaderValue>, out: &mut Vec<u8>) -> bool {
        let peer = Some(&self.peer).filter(|_| self.append);
        if let Some(list) = list {
            out.extend_from_slice(list.as_bytes());
        }
        if let Some(peer) = peer {
            if list.is_some() {
                out.extend_from_slice(b", ");
            }
            out.extend_from_slice(peer.as_bytes());
        }
        list.is_some() || peer.is_some()
    }

    /// Removes managed headers of untrusted peers, and from everybody the underscore spellings of managed, framing and
    /// identity headers: servers that fold `_` into `-` would take them for the real ones.
    fn clean(&self, headers: &mut HeaderMap) {
        let bad: Vec<HeaderName> = headers
            .keys()
            .filter(|name| {
                let text = name.as_str();
                let alias = text.contains('_') && is_reserved_alias(&text.replace('_', "-"));
                alias || (!self.trusted && is_managed(text))
            })
            .cloned()
            .collect();
        for name in bad {
            headers.remove(name);
        }
    }

    /// The port where the client named none: what the scheme says.
    fn default_port(&self, headers: &HeaderMap, kept: u32) -> HeaderValue {
        let believed = kept & field::X_FORWARDED_PROTO != 0
            && matches!(headers.get(X_FORWARDED_PROTO).map(HeaderValue::as_bytes), Some(b"https" | b"wss"));
        if self.secure || believed {
            const { HeaderValue::from_static("443") }
        } else {
            const { HeaderValue::from_static("80") }
        }
    }
}

/// Reads an address or a network (`10.0.0.1`, `10.0.0.0/8`), with IPv4-mapped IPv6 unwrapped.
pub fn parse_network(text: &str) -> Option<IpNet> {
    let text = text.trim();
    text.parse::<IpNet>().ok().or_else(|| text.parse::<IpAddr>().ok().map(|ip| IpNet::from(ip.to_canonical())))
}

/// The address a connection came from, with IPv4-mapped IPv6 unwrapped so that allow-lists see one form.
pub fn canonical_peer(address: SocketAddr) -> IpAddr {
    address.ip().to_canonical()
}

/// True for the headers that only Seaway, or a peer it trusts, may set. `name` is in lower case.
pub fn is_managed(name: &str) -> bool {
    name.strip_prefix("x-").is_some_and(|rest| survey::managed(rest.as_bytes()) != 0)
}

fn is_reserved_alias(name: &str) -> bool {
    is_managed(name)
        || matches!(
            name,
            "content-length"
                | "transfer-encoding"
                | "content-type"
                | "proxy-authorization"
                | "proxy-connection"
                | "keep-alive"
        )
        || name.starts_with("x-auth-")
        || name.starts_with("x-forwarded-")
        || name == "remote-user"
}

fn fold_forwarded_for(headers: &mut HeaderMap) {
    let mut lines = headers.get_all(&X_FORWARDED_FOR).iter();
    if lines.by_ref().nth(1).is_none() {
        return;
    }
    let joined =
        headers.get_all(&X_FORWARDED_FOR).iter().map(HeaderValue::as_bytes).collect::<Vec<_>>().join(&b", "[..]);
    if let Ok(value) = HeaderValue::from_bytes(&joined) {
        headers.insert(X_FORWARDED_FOR, value);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 9));

    fn map(pairs: &[(&str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
        }
        headers
    }

    fn forwarding(trust: &Trust) -> Forwarding {
        Forwarding::new(PEER, trust, false, true, &HeaderValue::from_static("edge"))
    }

    fn get<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
        headers.get(name).map_or("", |v| v.to_str().unwrap())
    }

    #[test]
    fn an_untrusted_peer_cannot_set_them_in_any_spelling() {
        let mut headers = map(&[
            ("host", "a.test:8080"),
            ("x-forwarded-for", "6.6.6.6"),
            ("x_forwarded_for", "6.6.6.6"),
            ("x-forwarded_for", "6.6.6.6"),
            ("x-forwarded-prefix", "//evil"),
            ("x-forwarded-tls-client-cert", "x"),
            ("x-real-ip", "6.6.6.6"),
            ("transfer_encoding", "chunked"),
            ("content_length", "5"),
            ("x-custom", "stays"),
            ("my_own", "stays"),
        ]);
        let forwarding = forwarding(&Trust::default());
        forwarding.prepare(&mut headers, false);
        assert_eq!(get(&headers, "x-forwarded-for"), "");
        let mut list = Vec::new();
        assert!(forwarding.write_list(headers.get("x-forwarded-for"), &mut list));
        assert_eq!(list, b"10.0.0.9");
        let want = map(&[
            ("host", "a.test:8080"),
            ("x-custom", "stays"),
            ("my_own", "stays"),
            ("x-real-ip", "10.0.0.9"),
            ("x-forwarded-proto", "http"),
            ("x-forwarded-port", "8080"),
            ("x-forwarded-host", "a.test:8080"),
            ("x-forwarded-server", "edge"),
        ]);
        assert_eq!(headers, want);
    }

    #[test]
    fn a_trusted_peer_is_believed_and_appended_to() {
        let trust = Trust { everybody: false, networks: vec!["10.0.0.0/8".parse().unwrap()] };
        let mut headers = map(&[
            ("host", "a.test"),
            ("x-forwarded-for", "1.1.1.1"),
            ("x-forwarded-for", "2.2.2.2"),
            ("x-forwarded-proto", "https"),
            ("x-real-ip", "1.1.1.1"),
        ]);
        let forwarding = forwarding(&trust);
        forwarding.prepare(&mut headers, false);
        assert_eq!(get(&headers, "x-forwarded-for"), "1.1.1.1, 2.2.2.2");
        let mut list = Vec::new();
        assert!(forwarding.write_list(headers.get("x-forwarded-for"), &mut list));
        assert_eq!(list, b"1.1.1.1, 2.2.2.2, 10.0.0.9");
        assert_eq!(get(&headers, "x-forwarded-port"), "443");
        assert_eq!(get(&headers, "x-real-ip"), "1.1.1.1");
    }

    #[test]
    fn a_mapped_address_is_the_address() {
        assert_eq!(canonical_peer("[::ffff:10.0.0.9]:1".parse().unwrap()), PEER);
    }

    #[test]
    fn schemes_follow_the_protocol() {
        let mut headers = map(&[("host", "a.test"), ("x-scheme", "gopher"), ("x-forwarded-scheme", "gopher")]);
        forwarding(&Trust::default()).with_schemes(true).prepare(&mut headers, false);
        assert_eq!((get(&headers, "x-scheme"), get(&headers, "x-forwarded-scheme")), ("http", "http"));
        let mut headers = map(&[("host", "a.test"), ("x-forwarded-proto", "https")]);
        let trust = Trust { everybody: true, networks: Vec::new() };
        forwarding(&trust).with_schemes(true).prepare(&mut headers, false);
        assert_eq!((get(&headers, "x-scheme"), get(&headers, "x-forwarded-scheme")), ("https", "https"));
    }

    #[test]
    fn upgrades_are_ws() {
        let mut headers = map(&[("host", "a.test")]);
        forwarding(&Trust::default()).prepare(&mut headers, true);
        assert_eq!(get(&headers, "x-forwarded-proto"), "ws");
        assert_eq!(get(&headers, "x-forwarded-port"), "80");
    }
}
