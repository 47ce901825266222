//! A container, reduced to what routing needs. Environment, mounts and arguments never get this far: they hold secrets.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use seaway_config::model::DockerHealth;

/// What the engine told about one container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Container {
    /// The full id, 64 hexadecimal digits.
    pub id: String,
    /// The name without the leading slash.
    pub name: String,
    /// All labels.
    pub labels: BTreeMap<String, String>,
    /// When it was created, as the engine writes it (RFC 3339, UTC). Compared as text.
    pub created: String,
    /// When it was last started, as the engine writes it; another text means another start.
    pub started_at: String,
    /// Its process exists. A paused container runs too; a restarting one does not.
    pub running: bool,
    /// Frozen.
    pub paused: bool,
    /// Ended and about to be started again by its restart policy.
    pub restarting: bool,
    /// What the image's own check says.
    pub health: DockerHealth,
    /// The stop signal as configured: `SIGTERM`, `15`, or nothing for the engine's default.
    pub stop_signal: Option<String>,
    /// How long the engine waits between the stop signal and killing; 10 s where nothing is configured.
    pub stop_timeout: Duration,
    /// `bridge`, `host`, `none`, `container:<id>`, or a network's name.
    pub network_mode: String,
    /// The networks it is attached to, in any order.
    pub networks: Vec<Attachment>,
    /// Ports that the image or the container exposes or publishes.
    pub exposed: Vec<(u16, Protocol)>,
    /// Ports published on the host.
    pub bindings: Vec<Binding>,
    /// The image's name, for people.
    pub image: String,
}

impl Default for Container {
    fn default() -> Self {
        Self {
            id: String::new(),
            name: String::new(),
            labels: BTreeMap::new(),
            created: String::new(),
            started_at: String::new(),
            running: true,
            paused: false,
            restarting: false,
            health: DockerHealth::None,
            stop_signal: None,
            stop_timeout: Duration::from_secs(10),
            network_mode: "bridge".to_owned(),
            networks: Vec::new(),
            exposed: Vec::new(),
            bindings: Vec::new(),
            image: String::new(),
        }
    }
}

/// One network that a container is attached to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attachment {
    /// The network's name: `shop_default`.
    pub name: String,
    /// The network's id.
    pub id: String,
    /// The address there, if it has one.
    pub ipv4: Option<Ipv4Addr>,
    /// The global IPv6 address there, if it has one.
    pub ipv6: Option<Ipv6Addr>,
}

/// One port published on the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// The port inside the container.
    pub container_port: u16,
    /// Its protocol.
    pub protocol: Protocol,
    /// The host's address as the engine writes it; may be empty or unspecified.
    pub host_ip: String,
    /// The port on the host.
    pub host_port: u16,
}

/// A port's protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// SCTP.
    Sctp,
}
