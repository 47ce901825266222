//! The API: what is routed, from where, and what was found wrong, in the shapes that Traefik's API has.
//!
//! A request comes in as method, path and query, the answer goes out as a whole: no I/O, nothing to wait for, and
//! nothing here changes anything. What Seaway adds stands under keys that Traefik does not have: `diagnostics` and
//! `seaway`.

mod dump;
mod explain;
mod list;
mod objects;
mod overview;
mod reply;

use http::{Method, Response, StatusCode};
use seaway_config::secret;
use seaway_config::statics::{EntryPointOptions, StaticOptions};
use seaway_routing::{Millis, RoutingTable};
use seaway_telemetry::UnroutedHost;

use list::Query;
use objects::Kind;

/// What the API tells about: everything that is not in it is not told.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// The table in force.
    pub table: &'a RoutingTable,
    /// The entry points, as configured.
    pub entry_points: &'a [EntryPoint<'a>],
    /// The providers and how they are.
    pub providers: &'a [Provider<'a>],
    /// Seaway's version.
    pub version: &'a str,
    /// When Seaway was started (RFC 3339).
    pub started: &'a str,
    /// The clock that the states of servers are written with.
    pub now: Millis,
    /// Hosts that no router takes requests for, the newest first.
    pub unrouted: &'a [UnroutedHost],
    /// Metrics are told to Prometheus.
    pub metrics: bool,
    /// An access log is written.
    pub access_log: bool,
    /// Seaway has been told to stop.
    pub terminating: bool,
    /// Services of Seaway's own that are there, without their provider: `api`, `noop`.
    pub internal: &'a [&'a str],
    /// All static options.
    pub options: &'a StaticOptions,
}

/// One entry point.
#[derive(Clone, Copy, Debug)]
pub struct EntryPoint<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its options, address included.
    pub options: &'a EntryPointOptions,
}

/// One provider.
#[derive(Clone, Copy, Debug)]
pub struct Provider<'a> {
    /// As people write it: `Docker`.
    pub name: &'a str,
    /// Since when what is served may be out of date (RFC 3339); `None` while it is up to date.
    pub stale_since: Option<&'a str>,
}

/// The API and the answer to `/ping`.
#[derive(Clone, Debug)]
pub struct Api {
    /// Without a slash at its end.
    base_path: Box<str>,
    terminating_status: StatusCode,
}

impl Default for Api {
    fn default() -> Self {
        Self::new("/", StatusCode::SERVICE_UNAVAILABLE)
    }
}

impl Api {
    /// An API below `base_path` (`api.basePath`). `/ping` answers `terminating_status` while Seaway stops.
    pub fn new(base_path: &str, terminating_status: StatusCode) -> Self {
        Self { base_path: base_path.trim_end_matches('/').into(), terminating_status }
    }

    /// Answers one request for the canonical `path`. For HEAD it is what GET would get: whoever sends it leaves the body
    /// out.
    pub fn handle(&self, view: &View<'_>, method: &Method, path: &str, query: Option<&str>) -> Response<Vec<u8>> {
        if !matches!(*method, Method::GET | Method::HEAD) {
            return reply::not_allowed();
        }
        if path == "/ping" {
            return self.ping(view.terminating);
        }
        let below = path.strip_prefix(&*self.base_path).and_then(|path| path.strip_prefix("/api/"));
        let found = || find(view, below?, &Query::parse(query.unwrap_or_default()));
        // Whatever else may be seen, secrets do not leave in a file.
        let shows = view.options.seaway.api.show_secrets && below != Some("support-dump");
        let found = if shows { secret::shown(found) } else { found() };
        found.unwrap_or_else(reply::not_found)
    }

    /// Answers `/ping`, whatever path led there.
    pub fn ping(&self, terminating: bool) -> Response<Vec<u8>> {
        let status = if terminating { self.terminating_status } else { StatusCode::OK };
        reply::text(status, status.canonical_reason().unwrap_or_default())
    }
}

/// The answer for a path below `/api/`; `None` if there is nothing of that name.
fn find(view: &View<'_>, path: &str, query: &Query) -> Option<Response<Vec<u8>>> {
    let mut segments = path.splitn(4, '/');
    let place = (segments.next()?, segments.next(), segments.next(), segments.next());
    Some(match place {
        ("rawdata", None, ..) => reply::json(&objects::raw_data(view)),
        ("overview", None, ..) => reply::json(&overview::overview(view)),
        ("version", None, ..) => reply::json(&overview::version(view)),
        ("support-dump", None, ..) => dump::answer(view),
        ("certificates", None, ..) => list::reply(Vec::new(), query, &[]),
        ("certificates", Some(name), None, _) => one("certificate", name, |_| None),
        ("entrypoints", None, ..) => list::reply(overview::entry_points(view), query, &[]),
        ("entrypoints", Some(name), None, _) => one("entry point", name, |name| overview::entry_point(view, name)),
        ("seaway", Some("diagnostics"), None, _) => reply::json(&overview::diagnostics(view.table.diagnostics.iter())),
        ("seaway", Some("unrouted"), None, _) => reply::json(&overview::unrouted(view)),
        ("seaway", Some("explain"), None, _) => explain::answer(view, query),
        ("http", Some(kind), name, None) => {
            let kind = Kind::from_path(kind).filter(|_| name != Some(""))?;
            match name {
                None => list::reply(objects::all(view, kind), query, kind.searched()),
                Some(name) => one(kind.word(), name, |name| objects::one(view, kind, name)),
            }
        }
        // There is nothing but HTTP; those who ask for all of it get an empty list and no error.
        (protocol @ ("tcp" | "udp"), Some(kind), name, None) => {
            let kind = Kind::from_path(kind).filter(|kind| protocol == "tcp" || *kind != Kind::Middlewares)?;
            match name {
                None => list::reply(Vec::new(), query, &[]),
                Some(name) => one(kind.word(), name, |_| None),
            }
        }
        _ => return None,
    })
}

/// One object by its name in the path, percent-encoded there.
fn one(word: &str, name: &str, find: impl FnOnce(&str) -> Option<serde_json::Value>) -> Response<Vec<u8>> {
    let name = percent_encoding::percent_decode_str(name).decode_utf8_lossy();
    match find(&name) {
        Some(object) => reply::json(&object),
        None => reply::error(StatusCode::NOT_FOUND, &format!("{word} not found: {name}")),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests;
