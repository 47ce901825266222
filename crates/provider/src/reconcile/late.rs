//! Servers whose port does not accept: after a moment that is worth knowing, after so long it is likely to be the wrong
//! port. Pure; time is injected.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use seaway_config::model::{Identity, Server};
use seaway_config::{Code, Diagnostic, Severity};
use seaway_routing::state::{Silence, flag};
use seaway_routing::{Millis, RoutingTable, ServerState};

use crate::docker::Container;

/// Many applications listen by then: who does not is told of, in case it never will.
const MOMENT: Duration = Duration::from_secs(1);

/// Longer than most applications need to start.
const PATIENCE: Duration = Duration::from_secs(30);

/// Who is waited for, by the state's number, and since when.
#[derive(Debug, Default)]
pub(super) struct Late(HashMap<u64, Waiting>);

#[derive(Debug)]
struct Waiting {
    state: Arc<ServerState>,
    since: Millis,
    /// How far it has been told of.
    told: Told,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Told {
    Nothing,
    /// That it does not accept yet.
    Silent,
    /// That it is late.
    Late,
}

/// What is known of a container besides its servers.
#[derive(Clone, Debug, Default)]
pub(super) struct About {
    /// Its networks: id and name.
    networks: Vec<(String, String)>,
    /// Ports that it exposes, ascending.
    exposed: BTreeSet<u16>,
}

impl About {
    pub(super) fn of(container: &Container) -> Self {
        Self {
            networks: container.networks.iter().map(|network| (network.id.clone(), network.name.clone())).collect(),
            exposed: container.exposed.iter().map(|(port, _)| *port).collect(),
        }
    }
}

impl Late {
    /// Takes note of who is waited for in this table, and says who does not accept yet and who is late. `about` knows
    /// containers.
    pub(super) fn look(
        &mut self,
        table: &RoutingTable,
        now: Millis,
        about: impl Fn(&Identity) -> Option<About>,
    ) -> Vec<Diagnostic> {
        let mut before = std::mem::take(&mut self.0);
        let mut found = Vec::new();
        for service in table.services.iter() {
            for server in service.servers.iter().filter(|server| is_waited_for(&server.state)) {
                let id = server.state.id();
                let (state, told) = (Arc::clone(&server.state), Told::Nothing);
                let mut waiting = before.remove(&id).unwrap_or(Waiting { state, since: now, told });
                waiting.told = waiting.told.max(waiting.due(now));
                if waiting.told > Told::Nothing {
                    let declared = table.config.services.get(&service.name);
                    let mut servers = declared.into_iter().flat_map(|declared| &declared.value.servers);
                    let known = servers.find(|known| known.identity == *server.state.identity());
                    found.extend(known.map(|known| {
                        let about = about(&known.identity).unwrap_or_default();
                        diagnostic(known, &service.name.local, waiting.told, server.state.silence(), &about)
                    }));
                }
                self.0.insert(id, waiting);
            }
        }
        found
    }

    /// When somebody is to be told of.
    pub(super) fn next(&self) -> Option<Millis> {
        let waited_for = self.0.values().filter(|waiting| is_waited_for(&waiting.state));
        waited_for.filter_map(Waiting::next).min()
    }

    /// Somebody who was told of is so no more.
    pub(super) fn is_over(&self) -> bool {
        self.0.values().any(|waiting| waiting.told > Told::Nothing && !is_waited_for(&waiting.state))
    }
}

impl Waiting {
    fn due(&self, now: Millis) -> Told {
        match now.since(self.since) {
            age if age >= PATIENCE => Told::Late,
            age if age >= MOMENT && self.state.silence().is_some() => Told::Silent,
            _ => Told::Nothing,
        }
    }

    fn next(&self) -> Option<Millis> {
        let after =
            |wait: Duration| Millis(self.since.0.saturating_add(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)));
        match self.told {
            // Whose port nobody asks has nothing to be told of yet.
            Told::Nothing if self.state.silence().is_some() => Some(after(MOMENT)),
            Told::Nothing | Told::Silent => Some(after(PATIENCE)),
            Told::Late => None,
        }
    }
}

fn diagnostic(server: &Server, service: &str, told: Told, silence: Option<Silence>, about: &About) -> Diagnostic {
    let port = server.identity.address.rsplit(':').next().unwrap_or_default();
    let network = about.networks.iter().find(|(id, _)| *id == *server.identity.network);
    let place = network.map(|(_, name)| format!(" on the network {name}, which Seaway can reach,")).unwrap_or_default();
    let what = match (told, silence) {
        (Told::Late, None) => format!("its port {port} has not accepted a connection for {} s", PATIENCE.as_secs()),
        (Told::Late, Some(silence)) => {
            format!(
                "its port {port}{place} has not accepted a connection for {} s ({})",
                PATIENCE.as_secs(),
                silence.as_str()
            )
        }
        (_, Some(Silence::Refused)) => format!("its port {port}{place} refuses connections: nothing listens there yet"),
        (_, Some(Silence::Quiet)) => format!("its port {port}{place} does not answer: a firewall, or a stuck process"),
        (_, Some(Silence::NoWay)) => format!("there is no way to its address {}", server.identity.address),
        (_, Some(Silence::NoName)) | (_, None) => {
            format!("its address {} cannot be connected to", server.identity.address)
        }
    };
    let consequence = format!("server {} gets no requests until it does", server.name);
    let line = |port: &str| format!("traefik.http.services.{service}.loadbalancer.server.port={port}");
    let mut others = about.exposed.iter().map(u16::to_string).filter(|other| other != port);
    let fix = match (others.next(), silence) {
        (Some(other), _) => format!("{} if it listens there: the container exposes that port too", line(&other)),
        (None, Some(Silence::Refused)) => {
            format!("let it listen on 0.0.0.0 and not on 127.0.0.1; or, if it listens on another port, {}", line("…"))
        }
        (None, _) => line("…"),
    };
    let mut diagnostic = Diagnostic::warning(Code::NotReady, server.origin.clone(), what, consequence).fix(fix);
    if told < Told::Late {
        diagnostic.severity = Severity::Info;
    }
    diagnostic
}

fn is_waited_for(state: &ServerState) -> bool {
    let others = flag::GONE | flag::TERMINATING | flag::PAUSED | flag::UNREACHABLE;
    state.flags() & flag::UNPROBED != 0 && state.flags() & others == 0
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use seaway_config::Origin;
    use seaway_config::model::{Address, Condition};

    use super::*;

    fn server() -> Server {
        let address = "10.0.0.2:80";
        Server {
            identity: Identity { container: "c".into(), network: "n".into(), address: address.into() },
            name: "web-1".into(),
            url: format!("http://{address}").into(),
            address: Address::Ip(address.parse().unwrap()),
            weight: 1,
            base_path: "".into(),
            condition: Condition::default(),
            origin: Origin::resource("docker", "web-1"),
        }
    }

    #[test]
    fn a_silent_port_is_told_of_with_what_would_help() {
        let networks = vec![("n".to_owned(), "front".to_owned())];
        let about = |exposed: &[u16]| About { networks: networks.clone(), exposed: exposed.iter().copied().collect() };
        for (told, silence, exposed, what, fix) in [
            (
                Told::Silent,
                Some(Silence::Refused),
                &[80, 3000][..],
                "on the network front, which Seaway can reach, refuses",
                "server.port=3000 if it listens there",
            ),
            (Told::Silent, Some(Silence::Refused), &[80], "nothing listens there yet", "0.0.0.0 and not on 127.0.0.1"),
            (Told::Silent, Some(Silence::Quiet), &[80], "does not answer", "server.port=…"),
            (Told::Silent, Some(Silence::NoWay), &[80], "there is no way to its address 10.0.0.2:80", "server.port=…"),
            (Told::Late, Some(Silence::Refused), &[80], "for 30 s (refused)", "0.0.0.0"),
            (Told::Late, None, &[], "has not accepted a connection for 30 s", "server.port=…"),
        ] {
            let found = diagnostic(&server(), "web", told, silence, &about(exposed));
            assert!(found.message.contains(what), "{}", found.message);
            assert!(found.fix.contains(fix), "{}", found.fix);
            assert_eq!(found.severity == Severity::Info, told == Told::Silent);
        }
    }
}
