//! Who takes part, and how each of them is told to do the same.
//!
//! Every configuration is made here, from the same [`Setup`], into a folder of its own. All of them keep connections to the
//! servers, balance in turn over four, and send the six headers that Seaway sends (`X-Forwarded-For`, `-Proto`, `-Host`,
//! `-Port`, `-Server` and `X-Real-Ip`); limits that would close a connection after so many requests are lifted.

mod apache;
mod caddy;
mod haproxy;
mod nginx;
mod seaway;
mod traefik;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// The host that requests are for where there is one router.
pub(crate) const HOST: &str = "bench.test";
/// Who is in front where middlewares are.
pub(crate) const PREFIX: &str = "/app";
/// What they add on the way in, and on the way out.
pub(crate) const REQUEST_HEADER: (&str, &str) = ("X-Team", "bench");
pub(crate) const RESPONSE_HEADER: (&str, &str) = ("X-Served", "bench");
/// Connections to servers that are kept, at most.
const KEEP: usize = 1024;

/// A participant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Peer {
    Seaway,
    Nginx,
    Haproxy,
    Caddy,
    Apache,
    Traefik,
    Relay,
}

/// Everybody, in the order of the tables.
pub(crate) const EVERYBODY: [Peer; 7] =
    [Peer::Seaway, Peer::Nginx, Peer::Haproxy, Peer::Apache, Peer::Caddy, Peer::Traefik, Peer::Relay];

/// Access log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Log {
    Off,
    /// The Common Log Format, or what comes nearest to it.
    Common,
    Json,
}

/// What everybody is set up for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Setup {
    /// Sessions stay on their server, by a cookie of the proxy's.
    pub(crate) sticky: bool,
    /// Requests are counted, for those that can.
    pub(crate) metrics: bool,
    /// Strip a prefix, add one, replace the path by a regular expression, set a header each way.
    pub(crate) middlewares: bool,
    /// Routers, each for a host of its own; one is for [`HOST`].
    pub(crate) routers: usize,
    pub(crate) log: Log,
    pub(crate) websocket: bool,
}

impl Setup {
    /// One router, nothing else.
    pub(crate) const PLAIN: Self =
        Self { sticky: false, metrics: false, middlewares: false, routers: 1, log: Log::Off, websocket: false };

    /// The hosts of all routers.
    pub(crate) fn hosts(&self) -> Vec<String> {
        (0..self.routers).map(|n| self.host(n)).collect()
    }

    /// The host of one router.
    pub(crate) fn host(&self, number: usize) -> String {
        if self.routers == 1 { HOST.to_owned() } else { format!("h{number}.{HOST}") }
    }
}

/// Where a participant stands.
#[derive(Clone, Debug)]
pub(crate) struct Site<'s> {
    pub(crate) listen: SocketAddr,
    /// A second free port, for those that need one.
    pub(crate) spare: SocketAddr,
    pub(crate) backends: &'s [SocketAddr],
    /// A folder of its own.
    pub(crate) dir: &'s Path,
    /// Data-plane threads or processes.
    pub(crate) workers: usize,
    /// Of clients.
    pub(crate) connections: usize,
    /// The harness runs as root.
    pub(crate) root: bool,
}

impl Site<'_> {
    fn path(&self, name: &str) -> String {
        self.dir.join(name).display().to_string()
    }
}

/// How to start a participant.
#[derive(Clone, Debug, Default)]
pub(crate) struct Plan {
    pub(crate) arguments: Vec<String>,
    pub(crate) environment: Vec<(&'static str, String)>,
    /// Its files by name, inside its folder.
    pub(crate) files: Vec<(&'static str, String)>,
    /// The labels of the containers in front of which it stands; none for those that read files.
    pub(crate) containers: Vec<BTreeMap<String, String>>,
    /// How it does what was asked for, where that is not as others do it.
    pub(crate) notes: Vec<&'static str>,
}

/// A plan, or what the participant cannot do.
pub(crate) type Planned = Result<Plan, &'static str>;

impl Peer {
    /// As it is called in tables and options.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Seaway => "seaway",
            Self::Nginx => "nginx",
            Self::Haproxy => "haproxy",
            Self::Caddy => "caddy",
            Self::Apache => "apache",
            Self::Traefik => "traefik",
            Self::Relay => "relay",
        }
    }

    /// How it is to be set up.
    ///
    /// # Errors
    /// What it cannot do.
    pub(crate) fn plan(self, site: &Site<'_>, setup: &Setup, can_count: bool) -> Planned {
        match self {
            Self::Seaway => Ok(seaway::plan(site, setup, can_count)),
            Self::Nginx => Ok(nginx::plan(site, setup)),
            Self::Haproxy => Ok(haproxy::plan(site, setup)),
            Self::Caddy => caddy::plan(site, setup),
            Self::Apache => Ok(apache::plan(site, setup)),
            Self::Traefik => Ok(traefik::plan(site, setup)),
            Self::Relay => Ok(relay(site)),
        }
    }

    /// The program, where it is on this machine.
    pub(crate) fn find(self, seaway: Option<&Path>) -> Option<PathBuf> {
        match self {
            Self::Seaway => seaway.map(Path::to_owned),
            Self::Relay => std::env::current_exe().ok(),
            Self::Traefik => std::env::var_os("TRAEFIK_BIN").map(PathBuf::from).or_else(|| on_path("traefik")),
            Self::Apache => on_path("apache2").or_else(|| on_path("httpd")),
            Self::Nginx | Self::Haproxy | Self::Caddy => on_path(self.name()),
        }
    }

    /// What it says about its version, as arguments.
    pub(crate) fn version_arguments(self) -> &'static [&'static str] {
        match self {
            Self::Nginx | Self::Haproxy | Self::Apache => &["-v"],
            Self::Seaway | Self::Caddy | Self::Traefik => &["version"],
            Self::Relay => &[],
        }
    }

    /// It reads requests, and so can refuse, rewrite and log them.
    pub(crate) fn speaks_http(self) -> bool {
        self != Self::Relay
    }
}

/// Where a program is, `/usr/sbin` included, which is not on everybody's path.
pub(crate) fn on_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin", "/sbin"].map(PathBuf::from));
    folders.map(|folder| folder.join(program)).find(|file| file.is_file())
}

fn relay(site: &Site<'_>) -> Plan {
    let addresses = [site.listen].into_iter().chain(site.backends.iter().copied());
    let arguments = ["relay".to_owned()].into_iter().chain(addresses.map(|a| a.to_string()));
    Plan { arguments: arguments.collect(), ..Plan::default() }
}

/// The name of a server, counted from 1: what its cookie says.
fn server_name(index: usize) -> String {
    format!("s{}", index + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_plan(peer: Peer, setup: &Setup, check: impl FnOnce(Plan)) {
        let backends: Vec<SocketAddr> = (2..6).map(|n| ([127, 0, 0, n], 7000).into()).collect();
        let site = Site {
            listen: ([127, 0, 0, 1], 8000).into(),
            spare: ([127, 0, 0, 1], 8001).into(),
            backends: &backends,
            dir: Path::new("/somewhere"),
            workers: 1,
            connections: 64,
            root: false,
        };
        if let Ok(plan) = peer.plan(&site, setup, true) {
            check(plan);
        }
    }

    /// All that a participant is told, in one text.
    fn told(plan: &Plan) -> String {
        let files = plan.files.iter().map(|(_, text)| text.clone());
        let labels = plan.containers.iter().flatten().map(|(key, value)| format!("{key}={value}"));
        plan.arguments.iter().cloned().chain(files).chain(labels).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn everybody_listens_at_its_place_in_front_of_four_servers() {
        for peer in EVERYBODY {
            with_plan(peer, &Setup::PLAIN, |plan| {
                let told = told(&plan);
                assert!(told.contains("127.0.0.1:8000"), "{peer:?}: {told}");
                if peer == Peer::Seaway {
                    assert_eq!(plan.containers.len(), 4);
                    assert!(plan.containers.iter().all(|c| c.iter().any(|(k, v)| k.ends_with(".port") && v == "7000")));
                } else {
                    for last in 2..6 {
                        assert!(told.contains(&format!("127.0.0.{last}:7000")), "{peer:?}: {told}");
                    }
                }
                let braces = |open: char, close: char| (told.matches(open).count(), told.matches(close).count());
                for (opened, closed) in [braces('{', '}'), braces('[', ']'), braces('(', ')')] {
                    assert_eq!(opened, closed, "{peer:?}: {told}");
                }
            });
        }
    }

    #[test]
    fn nobody_gets_a_feature_that_was_not_asked_for() {
        let features: [(&str, Setup); 3] = [
            ("lb", Setup { sticky: true, ..Setup::PLAIN }),
            ("X-Team", Setup { middlewares: true, ..Setup::PLAIN }),
            ("access.log", Setup { log: Log::Json, ..Setup::PLAIN }),
        ];
        for peer in EVERYBODY.into_iter().filter(|peer| peer.speaks_http()) {
            for (sign, setup) in &features {
                // HAProxy writes its log to its output.
                if (peer, *sign) != (Peer::Haproxy, "access.log") {
                    let word = |text: &str| {
                        text.split(|c: char| !c.is_alphanumeric() && !".-_".contains(c)).any(|w| w.ends_with(sign))
                    };
                    with_plan(peer, setup, |plan| assert!(word(&told(&plan)), "{peer:?} without {sign}"));
                    with_plan(peer, &Setup::PLAIN, |plan| assert!(!word(&told(&plan)), "{peer:?} with {sign}"));
                }
            }
        }
    }

    #[test]
    fn every_host_of_ten_thousand_is_configured() {
        let setup = Setup { routers: 10_000, ..Setup::PLAIN };
        for peer in EVERYBODY.into_iter().filter(|peer| peer.speaks_http()) {
            with_plan(peer, &setup, |plan| {
                let told = told(&plan);
                for host in ["h0.bench.test", "h9999.bench.test"] {
                    assert!(told.contains(host), "{peer:?} does not know {host}");
                }
                assert!(told.matches(".bench.test").count() >= 10_000, "{peer:?}");
                assert!(!told.contains("h10000.bench.test"), "{peer:?}");
            });
        }
    }

    #[test]
    fn what_reads_json_gets_json() {
        for routers in [1, 3] {
            let setup = Setup { routers, sticky: true, middlewares: true, ..Setup::PLAIN };
            with_plan(Peer::Traefik, &setup, |plan| {
                for (name, text) in plan.files.iter().filter(|(name, _)| name.ends_with(".yml")) {
                    assert!(serde_json::from_str::<serde_json::Value>(text).is_ok(), "{name}: {text}");
                }
            });
        }
    }
}
