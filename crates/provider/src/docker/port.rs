//! Which port of a container is used, and what it is called on the host.

use std::net::IpAddr;

use super::container::{Binding, Container};

/// Why there is no port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PortFault {
    /// No label, and nothing exposed or published.
    Missing,
    /// The label is not a number from 1 to 65535.
    Bad,
}

/// The container's port: the label's, else the lowest number that is exposed or published, whatever its protocol.
///
/// # Errors
/// There is none, or the label's cannot be used.
pub fn choose(container: &Container, label: &str) -> Result<u16, PortFault> {
    if !label.is_empty() {
        let digits = label.bytes().all(|b| b.is_ascii_digit());
        return label.parse().ok().filter(|port| digits && *port != 0).ok_or(PortFault::Bad);
    }
    let exposed = container.exposed.iter().map(|(port, _)| *port);
    let published = container.bindings.iter().map(|b| b.container_port);
    exposed.chain(published).filter(|port| *port != 0).min().ok_or(PortFault::Missing)
}

/// Where that port is published on the host. Only its first binding counts (TCP before others), and only if it names a
/// real address: a port published on all addresses says nothing about one that Seaway could use.
pub fn bound(container: &Container, port: u16) -> Option<(IpAddr, u16)> {
    let mut bindings: Vec<&Binding> = container.bindings.iter().filter(|b| b.container_port == port).collect();
    bindings.sort_by_key(|b| b.protocol);
    let first = bindings.first()?;
    let ip: IpAddr = first.host_ip.parse().ok()?;
    (!ip.is_unspecified() && first.host_port != 0).then_some((ip, first.host_port))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::super::container::Protocol::{Tcp, Udp};
    use super::*;

    fn with(exposed: &[(u16, super::super::container::Protocol)], bindings: &[(u16, &str, u16)]) -> Container {
        let bindings = bindings
            .iter()
            .map(|(container_port, host_ip, host_port)| Binding {
                container_port: *container_port,
                protocol: Tcp,
                host_ip: (*host_ip).to_owned(),
                host_port: *host_port,
            })
            .collect();
        Container { exposed: exposed.to_vec(), bindings, ..Container::default() }
    }

    #[test]
    fn the_lowest_port_is_used_whatever_its_protocol() {
        assert_eq!(choose(&with(&[(443, Tcp), (80, Tcp)], &[]), ""), Ok(80));
        assert_eq!(choose(&with(&[(80, Tcp), (53, Udp)], &[]), ""), Ok(53));
        assert_eq!(choose(&with(&[(10080, Tcp), (9000, Tcp)], &[]), ""), Ok(9000), "by number, not as text");
        assert_eq!(choose(&with(&[], &[(8080, "", 80)]), ""), Ok(8080), "published without being exposed");
    }

    #[test]
    fn a_label_wins_and_need_not_be_exposed() {
        assert_eq!(choose(&with(&[(80, Tcp)], &[]), "8080"), Ok(8080));
        assert_eq!(choose(&with(&[], &[]), "8080"), Ok(8080));
    }

    #[test]
    fn ports_that_cannot_be_used() {
        assert_eq!(choose(&with(&[], &[]), ""), Err(PortFault::Missing));
        for bad in ["0", "65536", "80/udp", "http", "-1", "+80", " 80", "80 ", "8e1"] {
            assert_eq!(choose(&with(&[(80, Tcp)], &[]), bad), Err(PortFault::Bad), "{bad:?}");
        }
    }

    #[test]
    fn only_a_binding_with_a_real_address_counts() {
        let of =
            |bindings: &[(u16, &str, u16)], port| bound(&with(&[], bindings), port).map(|(ip, p)| format!("{ip}:{p}"));
        assert_eq!(of(&[], 80), None);
        for nowhere in ["", "0.0.0.0", "::", "nonsense"] {
            assert_eq!(of(&[(80, nowhere, 8081)], 80), None, "{nowhere:?}");
        }
        assert_eq!(of(&[(80, "192.168.0.1", 8081)], 80).unwrap(), "192.168.0.1:8081");
        assert_eq!(of(&[(79, "192.168.0.1", 8081)], 80), None);
        assert_eq!(of(&[(79, "192.168.0.1", 8082), (80, "192.168.0.1", 8081)], 80).unwrap(), "192.168.0.1:8081");
        assert_eq!(of(&[(80, "0.0.0.0", 8082), (80, "192.168.0.1", 8081)], 80), None, "only the first counts");
    }

    #[test]
    fn a_tcp_binding_is_looked_at_before_an_udp_one() {
        let mut container = with(&[], &[(53, "10.0.0.2", 5353)]);
        container
            .bindings
            .insert(0, Binding { container_port: 53, protocol: Udp, host_ip: "10.0.0.1".to_owned(), host_port: 53 });
        assert_eq!(bound(&container, 53).unwrap().1, 5353);
    }
}
