//! Services and their servers as providers hand them over.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use serde::Serialize;

use super::service::ServiceOptions;
use crate::diagnostic::Origin;

/// A service as it reaches `compile`: options and the servers that the provider found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Service {
    /// The options; `options.server` has done its work once servers are known and is ignored here.
    pub options: ServiceOptions,
    /// The servers, sorted by [`natural_order`] of their names.
    pub servers: Vec<Server>,
}

/// What makes a server the same server: a re-used address is another one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Identity {
    /// The container's id, or the URL for a server that is not a container.
    pub container: Box<str>,
    /// The network's id; empty for host networking, bound ports and plain URLs.
    pub network: Box<str>,
    /// `ip:port` or `host:port`.
    pub address: Box<str>,
}

/// One server of a service.
#[derive(Clone, Debug, PartialEq)]
pub struct Server {
    /// Who it is.
    pub identity: Identity,
    /// How people call it: `web-3`, or the container's name.
    pub name: Box<str>,
    /// The exact text `http://172.20.0.5:80`: Traefik's sticky values, API and metrics are made from it.
    pub url: Box<str>,
    /// Where to connect.
    pub address: Address,
    /// Share of the requests.
    pub weight: u32,
    /// `server.preservePath`: the URL's path, put in front of the request's. Empty otherwise.
    pub base_path: Box<str>,
    /// What the provider knows about its condition.
    pub condition: Condition,
    /// Where it came from.
    pub origin: Origin,
}

/// Where to connect to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Address {
    /// A socket address.
    Ip(SocketAddr),
    /// A name to be resolved by the data plane, and a port.
    Dns(Box<str>, u16),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(address) => write!(f, "{address}"),
            Self::Dns(host, port) => write!(f, "{host}:{port}"),
        }
    }
}

/// What the provider knows about a server's condition. Facts only: what follows from them is decided in `routing`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// The container runs.
    pub running: bool,
    /// The container is paused.
    pub paused: bool,
    /// What Docker's own health check says.
    pub health: DockerHealth,
    /// Seaway has no network in common with it.
    pub unreachable: bool,
    /// When the container was last started, as the engine tells it. Another text means another start.
    pub started_at: Box<str>,
    /// How long the engine waits between the stop signal and killing.
    pub stop_timeout: Duration,
    /// Take it as ready without asking its port: for servers that are not containers.
    pub assume_ready: bool,
}

impl Default for Condition {
    fn default() -> Self {
        Self {
            running: true,
            paused: false,
            health: DockerHealth::None,
            unreachable: false,
            started_at: "".into(),
            stop_timeout: Duration::from_secs(10),
            assume_ready: false,
        }
    }
}

/// What Docker's own health check says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum DockerHealth {
    /// The image has no check.
    #[default]
    None,
    /// Not yet healthy.
    Starting,
    /// Healthy.
    Healthy,
    /// Unhealthy.
    Unhealthy,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_shown_as_they_are_dialled() {
        assert_eq!(Address::Ip("[::1]:80".parse().unwrap_or_else(|_| unreachable!())).to_string(), "[::1]:80");
        assert_eq!(Address::Dns("app.internal".into(), 8080).to_string(), "app.internal:8080");
    }
}
