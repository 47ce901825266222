//! One service of one container, with the container as its server.

use std::net::{IpAddr, SocketAddr};

use seaway_config::model::{Address, Condition, DockerHealth, Identity, LoadBalancer, ServerOptions, ServiceOptions};
use seaway_config::{Code, Declared, Diagnostic, Origin, Server, Service};

use super::One;
use crate::docker::network::{Place, network_label, place};
use crate::docker::port::{self, PortFault};

/// The container runs, is not paused, and its health check (if any) says healthy.
pub(super) fn is_well(one: &One<'_>) -> bool {
    let container = one.container;
    container.running && !container.paused && matches!(health(one), DockerHealth::None | DockerHealth::Healthy)
}

/// What counts as the container's health. Seaway's own container is never gated by its own health check, which asks
/// Seaway itself.
fn health(one: &One<'_>) -> DockerHealth {
    if one.is_own() { DockerHealth::None } else { one.container.health }
}

/// Builds the service and says what was found wrong. A fault of the server's own options switches the service off,
/// because requests might go elsewhere than meant; a missing port or address only leaves it without this server.
pub(super) fn service(one: &One<'_>, declared: &Declared<ServiceOptions>) -> (Declared<Service>, Vec<Diagnostic>) {
    let mut notes = Vec::new();
    let mut options = declared.value.clone();
    let mut quarantine = declared.quarantine.clone();
    let mut servers = Vec::new();
    // Without a load balancer the labels have been refused already.
    if let Some(balancer) = &mut options.load_balancer {
        match server(one, balancer, &declared.origin, &mut notes) {
            Ok(found) => servers.extend(found),
            // The labels are at fault, and that was said.
            Err(_) if quarantine.is_some() => {}
            Err(Fault::NoServer(fault)) => notes.push(*fault),
            Err(Fault::Service(fault)) => {
                notes.push((*fault).clone());
                quarantine.get_or_insert(*fault);
            }
        }
        // Each container's own, and spent: what remains is what replicas have in common.
        balancer.server = ServerOptions::default();
    }
    (Declared { value: Service { options, servers }, origin: declared.origin.clone(), quarantine }, notes)
}

enum Fault {
    /// The service is served without this server.
    NoServer(Box<Diagnostic>),
    /// The whole service is off.
    Service(Box<Diagnostic>),
}

fn server(
    one: &One<'_>,
    balancer: &LoadBalancer,
    origin: &Origin,
    notes: &mut Vec<Diagnostic>,
) -> Result<Option<Server>, Fault> {
    let options = &balancer.server;
    let weight = u32::try_from(options.weight)
        .map_err(|_| off(origin, Code::BadValue, format!("{} is no weight", options.weight), "a weight from 0 up"))?;
    if !options.url.is_empty() {
        return from_url(one, options, weight, origin).map(|server| Some(server).filter(|_| one.container.running));
    }
    if !one.container.running {
        return Ok(None);
    }
    let port = port::choose(one.container, &options.port).map_err(|fault| match fault {
        PortFault::Bad => {
            let what = format!("server.port {:?} is not a number from 1 to 65535", options.port);
            off(origin, Code::BadPort, what, "traefik.http.services.<name>.loadbalancer.server.port=80")
        }
        PortFault::Missing => Fault::NoServer(Box::new(
            Diagnostic::error(
                Code::NoPort,
                one.origin(),
                "it exposes no port and no label names one",
                "the service has no server from this container",
            )
            .fix("traefik.http.services.<name>.loadbalancer.server.port=<the port it listens on>"),
        )),
    })?;
    if one.options.use_bind_port_ip
        && let Some((ip, port)) = port::bound(one.container, port)
    {
        return Ok(Some(at(one, options, SocketAddr::new(ip, port), "", false, weight, origin)));
    }
    let named = one.decoded.network.as_deref().unwrap_or(&one.options.network);
    let said_by = network_label(one.container).map_or_else(|| one.origin(), |(key, _)| one.origin().at(key));
    let place = place(one.container, named, one.around, &said_by).map_err(Fault::NoServer)?;
    let Place { ip, network, unreachable, notes: decided } = place;
    let lost = unreachable.is_some();
    // The same container may declare several services; what concerns its address is said once.
    notes.extend(decided.into_iter().chain(unreachable));
    Ok(Some(at(one, options, SocketAddr::new(ip, port), &network, lost, weight, origin)))
}

fn at(
    one: &One<'_>,
    options: &ServerOptions,
    address: SocketAddr,
    network: &str,
    lost: bool,
    weight: u32,
    origin: &Origin,
) -> Server {
    let container = one.container;
    let scheme = if options.scheme.is_empty() { "http" } else { &options.scheme };
    Server {
        identity: Identity {
            container: container.id.as_str().into(),
            network: network.into(),
            address: address.to_string().into(),
        },
        name: one.name.into(),
        url: format!("{scheme}://{address}").into(),
        address: Address::Ip(address),
        weight,
        base_path: "".into(),
        condition: Condition {
            running: container.running,
            paused: container.paused,
            health: health(one),
            unreachable: lost,
            started_at: container.started_at.as_str().into(),
            stop_timeout: container.stop_timeout,
            assume_ready: false,
        },
        origin: origin.clone(),
    }
}

/// `server.url`: used exactly as written; the container's address and port are not looked at.
fn from_url(one: &One<'_>, options: &ServerOptions, weight: u32, origin: &Origin) -> Result<Server, Fault> {
    let origin_of_it = one.origin().at(&origin.key);
    url_server(&options.url, options.preserve_path, weight, origin_of_it).map_err(|what| {
        let message = format!("server.url {:?} cannot be used: {what}", options.url);
        off(
            origin,
            Code::BadServerUrl,
            message,
            "traefik.http.services.<name>.loadbalancer.server.url=http://host:port",
        )
    })
}

/// The server at a URL. Taken as ready: whoever wrote the URL said that it is there.
///
/// # Errors
/// What is wrong with the URL.
pub(crate) fn url_server(url: &str, preserve_path: bool, weight: u32, origin: Origin) -> Result<Server, &'static str> {
    let parts = split_url(url)?;
    let address = match parts.host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>() {
        Ok(ip) => Address::Ip(SocketAddr::new(ip, parts.port)),
        Err(_) => Address::Dns(parts.host.to_ascii_lowercase().into(), parts.port),
    };
    let text = address.to_string();
    Ok(Server {
        identity: Identity { container: url.into(), network: "".into(), address: text.as_str().into() },
        name: text.into(),
        url: url.into(),
        address,
        weight,
        base_path: if preserve_path { parts.path.trim_end_matches('/').into() } else { "".into() },
        condition: Condition { assume_ready: true, ..Condition::default() },
        origin,
    })
}

struct UrlParts<'u> {
    host: &'u str,
    port: u16,
    path: &'u str,
}

fn split_url(url: &str) -> Result<UrlParts<'_>, &'static str> {
    if !url.bytes().all(|b| b.is_ascii_graphic()) {
        return Err("it contains blanks, control characters or letters that are not ASCII");
    }
    let (rest, usual) = match url.split_once("://") {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => (rest, ":80"),
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => (rest, ":443"),
        Some(_) => return Err("only http:// and https:// are supported yet"),
        None => return Err("it must begin with http:// or https://"),
    };
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    if path.contains(['?', '#']) {
        return Err("it must end with the path");
    }
    if authority.contains('@') {
        return Err("credentials in a URL are not supported");
    }
    let bracket = authority.rfind(']').map_or(0, |at| at + 1);
    let (host, port) = match authority.get(bracket..).and_then(|tail| tail.rfind(':')) {
        Some(at) => authority.split_at(bracket + at),
        None => (authority, usual),
    };
    let port = port.get(1..).filter(|p| p.bytes().all(|b| b.is_ascii_digit())).and_then(|p| p.parse().ok());
    let port = port.filter(|port| *port != 0).ok_or("the port is not a number from 1 to 65535")?;
    let is_name = |h: &str| !h.is_empty() && h.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
    let is_ipv6 = |h: &str| {
        h.strip_prefix('[').and_then(|h| h.strip_suffix(']')).is_some_and(|h| h.parse::<std::net::Ipv6Addr>().is_ok())
    };
    if is_name(host) || is_ipv6(host) { Ok(UrlParts { host, port, path }) } else { Err("its host cannot be used") }
}

fn off(origin: &Origin, code: Code, message: String, fix: &str) -> Fault {
    let consequence = "the service is off, and routers that use it answer 503";
    Fault::Service(Box::new(Diagnostic::error(code, origin.clone(), message, consequence).fix(fix)))
}
