//! Who a request comes from: the address that counts as the client's, and what makes requests one source's.

use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;

use http::{HeaderName, header};
use ipnet::{IpNet, Ipv6Net};
use seaway_config::model;
use seaway_head::RequestHead;
use seaway_head::forwarded::parse_network;
use sha2::{Digest, Sha256};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Which address is the client's.
#[derive(Clone, Debug, Default)]
pub(crate) struct IpStrategy {
    which: Which,
    /// IPv6 addresses of one network of this length count as one.
    ipv6_subnet: Option<u8>,
}

#[derive(Clone, Debug, Default)]
enum Which {
    /// The connection's peer.
    #[default]
    Peer,
    /// The n-th from the right of what trusted proxies wrote down; at least 1.
    Depth(usize),
    /// The first from the right that is in none of these.
    Excluded(Box<[IpNet]>),
}

impl IpStrategy {
    /// `at` is where the options stand, for errors.
    pub(crate) fn compile(at: &str, options: Option<&model::IpStrategy>) -> Result<Self, String> {
        let Some(options) = options else { return Ok(Self::default()) };
        let depth = usize::try_from(options.depth)
            .map_err(|_| format!("{at}.depth is {}; it counts entries, so it cannot be negative", options.depth))?;
        let which = if depth > 0 {
            Which::Depth(depth)
        } else if !options.excluded_ips.is_empty() {
            Which::Excluded(networks(&format!("{at}.excludedIPs"), &options.excluded_ips)?)
        } else {
            Which::Peer
        };
        let ipv6_subnet = match options.ipv6_subnet {
            None => None,
            Some(bits) => Some(
                u8::try_from(bits)
                    .ok()
                    .filter(|bits| (1..=128).contains(bits))
                    .ok_or_else(|| format!("{at}.ipv6Subnet is {bits}; it has to be from 1 to 128"))?,
            ),
        };
        Ok(Self { which, ipv6_subnet })
    }

    /// The client's address; `None` where the list of `X-Forwarded-For` has none that can be read.
    pub(crate) fn client(&self, head: &RequestHead) -> Option<IpAddr> {
        let address = match &self.which {
            Which::Peer => head.peer,
            Which::Depth(depth) => parse(entries_from_the_right(head).nth(depth - 1)?)?,
            Which::Excluded(networks) => entries_from_the_right(head)
                .filter(|entry| !entry.is_empty())
                // An entry that is no address is in none of the networks: it stands for the client, and is nobody's.
                .map(parse)
                .find(|address| !address.is_some_and(|address| networks.iter().any(|n| n.contains(&address))))??,
        };
        Some(self.masked(address))
    }

    fn masked(&self, address: IpAddr) -> IpAddr {
        match (address, self.ipv6_subnet) {
            (IpAddr::V6(v6), Some(bits)) => IpAddr::V6(Ipv6Net::new(v6, bits).map_or(v6, |network| network.network())),
            (other, _) => other,
        }
    }
}

/// The entries of every `X-Forwarded-For` line, the last one first.
fn entries_from_the_right(head: &RequestHead) -> impl Iterator<Item = &str> {
    let lines: Vec<&str> =
        head.headers.get_all(X_FORWARDED_FOR).iter().map(|v| v.to_str().unwrap_or_default()).collect();
    lines.into_iter().rev().flat_map(|line| line.rsplit(',')).map(str::trim)
}

fn parse(text: &str) -> Option<IpAddr> {
    // A zone names an interface of another machine.
    let text = text.split_once('%').map_or(text, |(address, _)| address);
    text.parse::<IpAddr>().ok().map(|address| address.to_canonical())
}

/// Compiles a list of addresses and networks.
pub(crate) fn networks(option: &str, texts: &[String]) -> Result<Box<[IpNet]>, String> {
    texts
        .iter()
        .map(|text| {
            parse_network(text)
                .ok_or_else(|| format!("{option} {text:?} is neither an address nor a network such as 10.0.0.0/8"))
        })
        .collect()
}

/// What makes requests one source's.
#[derive(Clone, Debug)]
pub(crate) enum Criterion {
    /// The client's address.
    Ip(IpStrategy),
    /// The value of a header.
    Header(HeaderName),
    /// The host that was asked for.
    Host,
}

/// A source. Two have the same with a chance that nobody will ever meet, and nobody can bring it about: the hash has a
/// key that is made anew with every start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct SourceKey(u128);

/// Makes keys of sources.
#[derive(Clone, Debug, Default)]
pub(crate) struct Keys(RandomState, RandomState);

impl Criterion {
    /// Exactly one may be given; `default` counts where none is. `at` is where the options stand.
    pub(crate) fn compile(at: &str, options: Option<&model::SourceCriterion>, default: Self) -> Result<Self, String> {
        let Some(options) = options else { return Ok(default) };
        let mut given = Vec::new();
        if let Some(strategy) = &options.ip_strategy {
            given.push(("ipStrategy", Self::Ip(IpStrategy::compile(&format!("{at}.ipStrategy"), Some(strategy))?)));
        }
        let name = options.request_header_name.trim();
        if !name.is_empty() {
            let header = HeaderName::from_bytes(name.as_bytes())
                .map_err(|_| format!("{at}.requestHeaderName {name:?} is no header name"))?;
            given.push(("requestHeaderName", Self::Header(header)));
        }
        if options.request_host {
            given.push(("requestHost", Self::Host));
        }
        match given.len() {
            0 => Ok(default),
            1 => Ok(given.pop().map_or(default, |(_, criterion)| criterion)),
            _ => {
                let names: Vec<&str> = given.iter().map(|(name, _)| *name).collect();
                Err(format!("{at} has {}; exactly one of them can say what a source is", names.join(" and ")))
            }
        }
    }

    /// Whose this request is. Those of whom nothing can be said are one source.
    pub(crate) fn source(&self, head: &RequestHead, keys: &Keys) -> SourceKey {
        match self {
            Self::Ip(strategy) => match strategy.client(head) {
                Some(IpAddr::V4(address)) => keys.of(&address.octets()),
                Some(IpAddr::V6(address)) => keys.of(&address.octets()),
                None => keys.of(b""),
            },
            Self::Header(header::HOST) | Self::Host => keys.of(head.host.as_bytes()),
            Self::Header(name) => keys.of(head.headers.get(name).map_or(b"", |value| value.as_bytes())),
        }
    }
}

impl Criterion {
    /// The same for those who share what they know: whoever has the same options writes the same. What a header says may
    /// be nobody else's business, and of any length.
    pub(crate) fn shared_source(&self, head: &RequestHead) -> String {
        match self {
            Self::Ip(strategy) => strategy.client(head).map_or_else(String::new, |address| address.to_string()),
            Self::Header(header::HOST) | Self::Host => head.host.to_string(),
            Self::Header(name) => {
                let value = head.headers.get(name).map_or(&b""[..], |value| value.as_bytes());
                Sha256::digest(value).iter().map(|byte| format!("{byte:02x}")).collect()
            }
        }
    }
}

impl Keys {
    fn of(&self, bytes: &[u8]) -> SourceKey {
        SourceKey(u128::from(self.0.hash_one(bytes)) << 64 | u128::from(self.1.hash_one(bytes)))
    }
}

impl SourceKey {
    /// One of `count` shards.
    pub(crate) fn shard(self, count: usize) -> usize {
        let low = u64::try_from(self.0 & u128::from(u64::MAX)).unwrap_or(0);
        usize::try_from(low % (count.max(1) as u64)).unwrap_or(0)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use http::HeaderValue;

    use super::*;
    use crate::testing::{get, to};

    fn strategy(depth: i64, excluded: &[&str], ipv6_subnet: Option<i64>) -> Result<IpStrategy, String> {
        let excluded_ips = excluded.iter().map(|text| (*text).to_owned()).collect();
        IpStrategy::compile("x.ipStrategy", Some(&model::IpStrategy { depth, excluded_ips, ipv6_subnet }))
    }

    fn from(peer: &str, lists: &[&'static str]) -> RequestHead {
        let mut head = get("/");
        head.peer = peer.parse().unwrap();
        for list in lists {
            head.headers.append(X_FORWARDED_FOR, HeaderValue::from_static(list));
        }
        head
    }

    #[test]
    fn which_address_is_the_clients() {
        let peer = "127.0.0.2";
        for (depth, excluded, subnet, lists, want) in [
            // the peer's, whatever anybody says
            (0, &[][..], None, &[][..], Some(peer)),
            (0, &[], None, &["10.0.0.1"], Some(peer)),
            // counted from the right
            (1, &[], None, &["10.0.0.1, 10.0.0.2, 10.0.0.3"], Some("10.0.0.3")),
            (2, &[], None, &["10.0.0.1, 10.0.0.2, 10.0.0.3"], Some("10.0.0.2")),
            (3, &[], None, &["10.0.0.1, 10.0.0.2, 10.0.0.3"], Some("10.0.0.1")),
            (3, &[], None, &["10.0.0.1", "10.0.0.2, 10.0.0.3"], Some("10.0.0.1")),
            (1, &[], None, &["10.0.0.1, ::ffff:10.0.0.9 "], Some("10.0.0.9")),
            (1, &[], None, &["fe80::1%eth0"], Some("fe80::1")),
            (1, &[], None, &["2001:db8::1"], Some("2001:db8::1")),
            // too short, empty, no address
            (4, &[], None, &["10.0.0.1, 10.0.0.2, 10.0.0.3"], None),
            (1, &[], None, &[], None),
            (1, &[], None, &[""], None),
            (1, &[], None, &["10.0.0.1, unknown"], None),
            (1, &[], None, &["10.0.0.1:80"], None),
            // the first that is not excluded
            (0, &["10.0.0.3"], None, &["10.0.0.1, 10.0.0.2, 10.0.0.3"], Some("10.0.0.2")),
            (0, &["10.0.0.2", "10.0.0.3"], None, &["10.0.0.1, 10.0.0.2,10.0.0.3"], Some("10.0.0.1")),
            (0, &["10.0.0.0/24"], None, &["10.0.0.1, 10.0.0.2, 10.0.0.3"], None),
            (0, &["10.0.0.0/24"], None, &["10.0.1.1, , 10.0.0.3"], Some("10.0.1.1")),
            (0, &["10.0.0.0/24"], None, &["10.0.1.1, junk, 10.0.0.3"], None),
            (0, &["10.0.0.0/24"], None, &[], None),
            (0, &["2001:db8::/32"], None, &["2001:db9::1, 2001:db8::1"], Some("2001:db9::1")),
            // depth wins
            (1, &["10.0.0.3"], None, &["10.0.0.2, 10.0.0.3"], Some("10.0.0.3")),
            // a network of IPv6 addresses
            (1, &[], Some(64), &["2001:db8:1:2:3:4:5:6"], Some("2001:db8:1:2::")),
            (1, &[], Some(24), &["2001:db8:1:2:3:4:5:6"], Some("2001:d00::")),
            (1, &[], Some(128), &["2001:db8::6"], Some("2001:db8::6")),
            (1, &[], Some(64), &["10.0.0.1"], Some("10.0.0.1")),
            (0, &[], Some(64), &[], Some(peer)),
        ] {
            let found = strategy(depth, excluded, subnet).unwrap().client(&from(peer, lists));
            assert_eq!(found, want.map(|w| w.parse().unwrap()), "{depth} {excluded:?} {subnet:?} {lists:?}");
        }
        let masked = strategy(0, &[], Some(64)).unwrap().client(&from("2001:db8::1:2", &[]));
        assert_eq!(masked, Some("2001:db8::".parse().unwrap()));
        let plain = IpStrategy::compile("x", None).unwrap().client(&from(peer, &["10.0.0.1"]));
        assert_eq!(plain, Some(peer.parse().unwrap()));
    }

    #[test]
    fn strategies_that_make_no_sense_do_not_compile() {
        for (depth, excluded, subnet, what) in [
            (-1, &[][..], None, "x.ipStrategy.depth"),
            (0, &["10.0.0.0/33"], None, "x.ipStrategy.excludedIPs"),
            (0, &["me"], None, "x.ipStrategy.excludedIPs"),
            (0, &[], Some(0), "x.ipStrategy.ipv6Subnet"),
            (0, &[], Some(129), "x.ipStrategy.ipv6Subnet"),
            (0, &[], Some(-1), "x.ipStrategy.ipv6Subnet"),
        ] {
            let error = strategy(depth, excluded, subnet).unwrap_err();
            assert!(error.starts_with(what), "{error}");
        }
    }

    #[test]
    fn sources_are_told_apart_by_exactly_one_thing() {
        let compile = |options: model::SourceCriterion| {
            Criterion::compile("x.sourceCriterion", Some(&options), Criterion::Host).unwrap()
        };
        let keys = Keys::default();
        let with_header = |value: &'static str| {
            let mut head = from("192.0.2.1", &[]);
            head.headers.insert("x-who", HeaderValue::from_static(value));
            head
        };
        let header =
            compile(model::SourceCriterion { request_header_name: " X-Who ".to_owned(), ..Default::default() });
        assert_eq!(header.source(&with_header("a"), &keys), header.source(&with_header("a"), &keys));
        assert_ne!(header.source(&with_header("a"), &keys), header.source(&with_header("b"), &keys));
        assert_eq!(header.source(&with_header(""), &keys), header.source(&get("/"), &keys), "nobody is one source");

        let host = compile(model::SourceCriterion { request_host: true, ..Default::default() });
        assert_eq!(host.source(&with_header("a"), &keys), host.source(&with_header("b"), &keys));
        assert_ne!(host.source(&to("a.example", "/"), &keys), host.source(&to("b.example", "/"), &keys));

        let ip = compile(model::SourceCriterion { ip_strategy: Some(Default::default()), ..Default::default() });
        assert_eq!(ip.source(&with_header("a"), &keys), ip.source(&with_header("b"), &keys));
        assert_ne!(ip.source(&from("192.0.2.1", &[]), &keys), ip.source(&from("192.0.2.2", &[]), &keys));

        let none = compile(model::SourceCriterion::default());
        assert!(matches!(none, Criterion::Host), "the default counts");
        assert_ne!(Keys::default().of(b"a"), Keys::default().of(b"a"), "nobody can know the keys");
    }

    #[test]
    fn two_criteria_do_not_compile() {
        let ip_strategy = Some(model::IpStrategy::default());
        let name = "X-Who".to_owned();
        for (options, both) in [
            (
                model::SourceCriterion {
                    ip_strategy: ip_strategy.clone(),
                    request_header_name: name.clone(),
                    request_host: false,
                },
                "ipStrategy and requestHeaderName",
            ),
            (
                model::SourceCriterion { ip_strategy: None, request_header_name: name.clone(), request_host: true },
                "requestHeaderName and requestHost",
            ),
            (
                model::SourceCriterion { ip_strategy, request_header_name: String::new(), request_host: true },
                "ipStrategy and requestHost",
            ),
        ] {
            let error = Criterion::compile("x", Some(&options), Criterion::Host).unwrap_err();
            assert!(error.contains(both), "{error}");
        }
        let bad = model::SourceCriterion { request_header_name: "X Who".to_owned(), ..Default::default() };
        assert!(Criterion::compile("x", Some(&bad), Criterion::Host).is_err());
    }
}
