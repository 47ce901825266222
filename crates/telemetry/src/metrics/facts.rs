//! What a scrape tells besides what workers have counted.

use std::time::{Duration, SystemTime};

/// How things are at the time of a scrape.
#[derive(Clone, Debug, Default)]
pub struct Facts<'a> {
    /// Seaway's version.
    pub version: &'a str,
    /// Tables that have been put in force.
    pub tables: u64,
    /// When the last one was.
    pub last_table: Option<SystemTime>,
    /// Diagnostics of the table in force: errors, warnings.
    pub diagnostics: (usize, usize),
    /// The entry points.
    pub entry_points: Vec<&'a str>,
    /// Requests that wait for a server right now, by service.
    pub waiting: Vec<(&'a str, u32)>,
    /// The servers of the table in force.
    pub servers: Vec<ServerFacts<'a>>,
    /// The provider.
    pub provider: Option<ProviderFacts<'a>>,
    /// The access log.
    pub access_log: Option<LogFacts>,
}

/// A server.
#[derive(Clone, Copy, Debug)]
pub struct ServerFacts<'a> {
    /// Its service's qualified name.
    pub service: &'a str,
    /// Its URL.
    pub url: &'a str,
    /// It takes requests.
    pub up: bool,
    /// Requests that it has in its hands.
    pub in_flight: u32,
}

/// A provider.
#[derive(Clone, Copy, Debug)]
pub struct ProviderFacts<'a> {
    /// Its name.
    pub name: &'a str,
    /// How old the last snapshot is; `None` before the first.
    pub age: Option<Duration>,
    /// It can be reached, as far as is known.
    pub reachable: bool,
    /// Containers in the last snapshot.
    pub containers: usize,
}

/// The access log.
#[derive(Clone, Copy, Debug)]
pub struct LogFacts {
    /// Lines that were dropped.
    pub dropped: u64,
    /// Writes that failed.
    pub write_errors: u64,
}
