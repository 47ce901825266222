//! What is measured.

use super::peers::{HOST, Log, PREFIX, Peer, Setup};

/// What sends the requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `wrk`.
    Requests,
    /// WebSocket messages and their echoes.
    Echo,
}

/// One table.
#[derive(Clone, Debug)]
pub(crate) struct Workload {
    /// For `--only`, and in the results.
    pub(crate) key: &'static str,
    pub(crate) title: String,
    pub(crate) setup: Setup,
    pub(crate) kind: Kind,
    pub(crate) connections: usize,
    pub(crate) host: String,
    /// As the servers know it.
    pub(crate) path: &'static str,
    pub(crate) post: bool,
    pub(crate) close: bool,
    /// Status and length of the right answer's body; its length where that is a proxy's own.
    pub(crate) status: u16,
    pub(crate) length: Option<usize>,
    /// Latency at a fixed rate is measured too.
    pub(crate) latency: bool,
    /// With 1 and with 2 workers, pinned to no core.
    pub(crate) workers: bool,
    /// Part of `--quick`.
    pub(crate) quick: bool,
    /// Measured for a third of the time: there are many of its kind.
    pub(crate) minor: bool,
}

impl Workload {
    fn new(key: &'static str, title: &str, path: &'static str, length: usize) -> Self {
        Self {
            key,
            title: title.to_owned(),
            setup: Setup::PLAIN,
            kind: Kind::Requests,
            connections: 64,
            host: HOST.to_owned(),
            path,
            post: false,
            close: false,
            status: 200,
            length: Some(length),
            latency: false,
            workers: false,
            quick: false,
            minor: false,
        }
    }

    /// The path that is asked for. Where middlewares strip a prefix, a relay gets it without.
    pub(crate) fn path_for(&self, peer: Peer) -> String {
        if self.setup.middlewares && peer.speaks_http() {
            format!("{PREFIX}{}", self.path)
        } else {
            self.path.to_owned()
        }
    }

    /// It takes part. A relay cannot say that a host is unknown, and where routers are counted it would only repeat itself.
    pub(crate) fn is_for(&self, peer: Peer) -> bool {
        if self.workers {
            return matches!(peer, Peer::Seaway | Peer::Nginx);
        }
        peer.speaks_http() || self.status == 200
    }

    /// What is counted.
    pub(crate) fn unit(&self) -> &'static str {
        match self.kind {
            Kind::Requests => "request",
            Kind::Echo => "message",
        }
    }
}

const SMALL: usize = 128;

/// Everything, in the order of the report.
pub(crate) fn all() -> Vec<Workload> {
    let small = |key, title: &str| Workload::new(key, title, "/128", SMALL);
    let mut all = vec![
        Workload {
            setup: Setup { sticky: true, metrics: true, ..Setup::PLAIN },
            latency: true,
            quick: true,
            ..small("sticky", "128 B, 64 connections, sticky sessions, metrics on, access log off")
        },
        Workload { quick: true, ..small("body-128", "128 B, 64 connections") },
        Workload {
            latency: true,
            quick: true,
            ..Workload::new("body-16k", "16 KiB, 64 connections", "/16k", 16 * 1024)
        },
        Workload { minor: true, ..Workload::new("body-1m", "1 MiB, 64 connections", "/1m", 1024 * 1024) },
        Workload { connections: 8, minor: true, ..small("connections-8", "128 B, 8 connections") },
        Workload { connections: 512, ..small("connections-512", "128 B, 512 connections") },
        Workload {
            close: true,
            minor: true,
            ..Workload::new("connection-each", "128 B, a new connection for each request", "/close", SMALL)
        },
        Workload {
            post: true,
            minor: true,
            ..Workload::new("post-16k", "POST of 16 KiB, 64 connections", "/post", SMALL)
        },
        Workload {
            setup: Setup { middlewares: true, ..Setup::PLAIN },
            ..small("middlewares", "128 B, 64 connections, 5 middlewares")
        },
        Workload {
            setup: Setup { log: Log::Common, ..Setup::PLAIN },
            ..small("log-common", "128 B, 64 connections, access log in the common format")
        },
        Workload {
            setup: Setup { log: Log::Json, ..Setup::PLAIN },
            quick: true,
            ..small("log-json", "128 B, 64 connections, access log in JSON")
        },
    ];
    all.extend(routers());
    all.push(Workload {
        setup: Setup { websocket: true, ..Setup::PLAIN },
        kind: Kind::Echo,
        quick: true,
        minor: true,
        ..Workload::new("websocket", "WebSocket echo of 128 B, 64 connections", "/ws", SMALL)
    });
    all.push(Workload { workers: true, ..small("workers", "128 B, 64 connections, 1 and 2 workers, nobody pinned") });
    all
}

fn routers() -> Vec<Workload> {
    let of = |routers: usize, key, which: &str, host: String| {
        let found = host != format!("nobody.{HOST}");
        let plural = if routers == 1 { "router" } else { "routers" };
        let written = if routers == 10_000 {
            "10,000".to_owned()
        } else if routers == 1000 {
            "1,000".to_owned()
        } else {
            "1".to_owned()
        };
        Workload {
            setup: Setup { routers, ..Setup::PLAIN },
            host,
            status: if found { 200 } else { 404 },
            length: found.then_some(SMALL),
            minor: true,
            ..Workload::new(key, &format!("128 B, 64 connections, {written} {plural}: {which}"), "/128", SMALL)
        }
    };
    let none = || format!("nobody.{HOST}");
    vec![
        of(1, "routers-1-none", "no match (404)", none()),
        of(1000, "routers-1000-first", "the first one", format!("h0.{HOST}")),
        of(1000, "routers-1000-last", "the last one", format!("h999.{HOST}")),
        of(1000, "routers-1000-none", "no match (404)", none()),
        of(10_000, "routers-10000-first", "the first one", format!("h0.{HOST}")),
        of(10_000, "routers-10000-last", "the last one", format!("h9999.{HOST}")),
        of(10_000, "routers-10000-none", "no match (404)", none()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_told_apart_and_hosts_are_configured() {
        let all = all();
        let mut keys: Vec<&str> = all.iter().map(|w| w.key).collect();
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), all.len());
        for workload in &all {
            let known = workload.setup.hosts().contains(&workload.host);
            assert_eq!(known, workload.status == 200, "{}", workload.key);
            assert!(workload.connections > 0 && workload.path.starts_with('/'), "{}", workload.key);
        }
    }
}
