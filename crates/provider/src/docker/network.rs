//! By which address a container is reached, and whether Seaway can reach it at all.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use seaway_config::{Code, Diagnostic, Origin, Severity};

use super::container::{Attachment, Container};

/// How far `container:<id>` may lead from one container to the next.
const MOST_STEPS: usize = 8;
const RESOLVE: Duration = Duration::from_secs(1);

/// The container that Seaway itself runs in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnContainer {
    /// Its id.
    pub id: String,
    /// Its networks: id to name.
    pub networks: BTreeMap<String, String>,
}

impl OwnContainer {
    /// Seaway's own container in a snapshot, with the networks that it has now. Nothing when it is not among them (the
    /// engine is another machine's) or uses the host's network, from which every bridge can be reached.
    pub fn find(id: &str, snapshot: &[Arc<Container>]) -> Option<Self> {
        let own = snapshot.iter().find(|c| c.id == id)?;
        let holder = network_holder(own, snapshot).map_or(&**own, |(holder, _)| holder);
        if holder.network_mode == "host" {
            return None;
        }
        let networks = holder.networks.iter().map(|n| (n.id.clone(), n.name.clone())).collect();
        Some(Self { id: own.id.clone(), networks })
    }
}

/// The id of the container that this process runs in, told by `/proc/self/cgroup` and `/proc/self/mountinfo`. A host
/// name would prove nothing: anybody may set it.
pub fn own_container_id(cgroup: &str, mountinfo: &str) -> Option<String> {
    let from_cgroup = cgroup.lines().find_map(|line| {
        let last = line.rsplit('/').next()?;
        let last = last.strip_suffix(".scope").unwrap_or(last);
        container_id(last.rsplit('-').next()?)
    });
    // On a machine that runs an engine, other containers' mounts are listed too; only ours stands at /etc/hostname.
    let from_mounts = || {
        mountinfo.lines().find_map(|line| {
            let mut fields = line.split(' ').skip(3);
            let (root, point) = (fields.next()?, fields.next()?);
            if !matches!(point, "/etc/hostname" | "/etc/hosts" | "/etc/resolv.conf") {
                return None;
            }
            root.split('/').find_map(container_id)
        })
    };
    from_cgroup.or_else(from_mounts)
}

/// The id of the container that this process runs in, if it does.
pub fn detect_own_container() -> Option<String> {
    let read = |path| std::fs::read_to_string(path).unwrap_or_default();
    own_container_id(&read("/proc/self/cgroup"), &read("/proc/self/mountinfo"))
}

/// The host's address as Docker or Podman tells it to containers, where it does.
pub async fn detect_host_address() -> Option<IpAddr> {
    for name in ["host.docker.internal", "host.containers.internal"] {
        // A resolver that does not answer must not keep Seaway from starting.
        let found = tokio::time::timeout(RESOLVE, tokio::net::lookup_host((name, 0))).await;
        if let Ok(Ok(mut addresses)) = found
            && let Some(address) = addresses.next()
        {
            return Some(address.ip());
        }
    }
    None
}

fn container_id(text: &str) -> Option<String> {
    let id = text.len() == 64 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    id.then(|| text.to_owned())
}

/// What surrounds a container: the others, Seaway's own one, and how the host is reached.
#[derive(Debug, Default)]
pub struct Surroundings<'a> {
    /// All containers, sorted by id.
    pub all: &'a [Arc<Container>],
    /// Seaway's own container; nothing outside of one or with the host's network.
    pub own: Option<OwnContainer>,
    /// The host's address as seen from Seaway's container (`host.docker.internal`), where it is known.
    pub host_address: Option<IpAddr>,
}

/// Where a container was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Its address.
    pub ip: IpAddr,
    /// The id of the network that the address belongs to; empty for the host's.
    pub network: String,
    /// Why Seaway cannot reach it, if it cannot.
    pub unreachable: Option<Diagnostic>,
    /// What was decided for the user.
    pub notes: Vec<Diagnostic>,
}

/// Chooses the address of a container. `named` is the network that the label or the option names, or empty; `origin`
/// is the container, at the label's key where there is one.
///
/// # Errors
/// A diagnostic with [`Code::NoAddress`].
pub fn place(
    container: &Container,
    named: &str,
    around: &Surroundings<'_>,
    origin: &Origin,
) -> Result<Place, Box<Diagnostic>> {
    let Some((holder, inherited)) = network_holder(container, around.all) else {
        let what = format!("its network mode is {} and that container is not there", container.network_mode);
        return Err(no_address(origin, what, "start that container first, or attach this one to a network"));
    };
    let named = inherited.unwrap_or(named);
    let attached = holder.networks.iter().find(|n| !named.is_empty() && n.name == named);
    if let Some(network) = attached {
        let what = format!("it has no address on its network {named}");
        let fix = "choose another network with traefik.docker.network";
        return address(network).map(|ip| at(ip, network, around, origin)).ok_or_else(|| no_address(origin, what, fix));
    }
    if holder.network_mode == "host" {
        return Ok(on_host(around, origin));
    }
    let mut notes = Vec::new();
    if !named.is_empty() {
        notes.push(unknown_network(holder, named, origin));
    }
    let mut candidates: Vec<&Attachment> = holder.networks.iter().filter(|n| address(n).is_some()).collect();
    candidates.sort_by(|a, b| a.name.cmp(&b.name));
    if let Some(own) = &around.own
        && candidates.iter().any(|n| own.networks.contains_key(&n.id))
    {
        candidates.retain(|n| own.networks.contains_key(&n.id));
    }
    let Some((network, ip)) = candidates.first().and_then(|n| Some((*n, address(n)?))) else {
        let what = format!("it has no address on any network (network mode {})", holder.network_mode);
        return Err(no_address(origin, what, "attach it to a network that Seaway is attached to"));
    };
    if candidates.len() > 1 {
        notes.push(several(&candidates, network, origin));
    }
    let mut place = at(ip, network, around, origin);
    place.notes = notes;
    Ok(place)
}

/// Follows `container:<id>` to the container whose network is used, and the network that a label on the way names.
fn network_holder<'c>(container: &'c Container, all: &'c [Arc<Container>]) -> Option<(&'c Container, Option<&'c str>)> {
    let (mut holder, mut named) = (container, None);
    for _ in 0..MOST_STEPS {
        let Some(id) = holder.network_mode.strip_prefix("container:") else {
            return Some((holder, named));
        };
        // The engine writes the full id; a name is understood too.
        let by_id = all.binary_search_by(|c| c.id.as_str().cmp(id)).ok().and_then(|at| all.get(at));
        holder = by_id.or_else(|| all.iter().find(|c| c.name == id || c.id == id))?;
        named = network_label(holder).map(|(_, name)| name).or(named);
    }
    None
}

/// The label that names a network: its key as written, and the name.
pub(super) fn network_label(container: &Container) -> Option<(&str, &str)> {
    let label = |key: &str| {
        let found = container.labels.iter().find(|(k, v)| k.eq_ignore_ascii_case(key) && !v.is_empty());
        found.map(|(k, v)| (k.as_str(), v.as_str()))
    };
    label("seaway.docker.network").or_else(|| label("traefik.docker.network"))
}

fn address(network: &Attachment) -> Option<IpAddr> {
    network.ipv4.map(IpAddr::V4).or_else(|| network.ipv6.map(IpAddr::V6))
}

fn at(ip: IpAddr, network: &Attachment, around: &Surroundings<'_>, origin: &Origin) -> Place {
    let shared = around.own.as_ref().is_none_or(|own| own.networks.contains_key(&network.id));
    let unreachable = around.own.as_ref().filter(|_| !shared).map(|own| {
        let ours: Vec<_> = own.networks.values().map(String::as_str).collect();
        let ours = if ours.is_empty() { "none".to_owned() } else { ours.join(", ") };
        Diagnostic::error(
            Code::UnreachableServer,
            origin.clone(),
            format!(
                "Seaway's own container is not attached to its network {} (Seaway's networks: {ours})",
                network.name
            ),
            "the server is listed as unreachable and gets no requests",
        )
        .fix(format!("attach Seaway's container to {}, or this container to one of Seaway's networks", network.name))
    });
    Place { ip, network: network.id.clone(), unreachable, notes: Vec::new() }
}

fn on_host(around: &Surroundings<'_>, origin: &Origin) -> Place {
    let ip = around.host_address.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
    let lost = around.own.is_some() && around.host_address.is_none();
    let unreachable = lost.then(|| {
        Diagnostic::error(
            Code::UnreachableServer,
            origin.clone(),
            "it uses the host's network, and Seaway's container does not know the host's address",
            "the server is listed as unreachable and gets no requests",
        )
        .fix("give Seaway's container extra_hosts: [\"host.docker.internal:host-gateway\"]")
    });
    Place { ip, network: String::new(), unreachable, notes: Vec::new() }
}

fn unknown_network(holder: &Container, named: &str, origin: &Origin) -> Diagnostic {
    let mut names: Vec<_> = holder.networks.iter().map(|n| n.name.as_str()).collect();
    names.sort_unstable();
    let suffix = format!("_{named}");
    let fix = match names.iter().find(|n| n.ends_with(&suffix)) {
        Some(full) => format!("traefik.docker.network={full} (Compose puts the project's name in front)"),
        None => format!("name one of its networks: {}", names.join(", ")),
    };
    let what = format!("it is not attached to a network named {named}");
    Diagnostic::warning(Code::UnknownNetwork, origin.clone(), what, "one of its own networks is used").fix(fix)
}

fn several(candidates: &[&Attachment], chosen: &Attachment, origin: &Origin) -> Diagnostic {
    let names: Vec<_> = candidates.iter().map(|n| n.name.as_str()).collect();
    let what = format!("it can be reached on several networks ({}) and none is named", names.join(", "));
    let mut note = Diagnostic::warning(
        Code::SeveralNetworks,
        origin.clone(),
        what,
        format!("its address on {} is used", chosen.name),
    )
    .fix(format!("traefik.docker.network={}", chosen.name));
    note.severity = Severity::Info;
    note
}

fn no_address(origin: &Origin, what: String, fix: &str) -> Box<Diagnostic> {
    Box::new(
        Diagnostic::error(Code::NoAddress, origin.clone(), what, "the service has no server from this container")
            .fix(fix),
    )
}

#[cfg(test)]
mod tests;
