//! The routing table: immutable, made by [`compile`](crate::compile), read by the data plane.

use std::collections::HashMap;
use std::sync::Arc;

use http::HeaderValue;
use seaway_config::SharedMap;
use seaway_config::diagnostic::Diagnostic;
use seaway_config::model::{Address, Config, Name};
use seaway_middleware::Middleware;

use crate::state::{ServerState, ServiceState};

/// One consistent view of all that is routed.
#[derive(Debug, Default)]
pub struct RoutingTable {
    /// Counts up with every table.
    pub generation: u64,
    /// Routes by entry point name.
    pub entry_points: EntryPoints,
    /// All services by name; routes point here by index.
    pub services: Arc<[Arc<Service>]>,
    /// Every compiled middleware that is no chain, for the next table and the API.
    pub middlewares: Arc<HashMap<Name, Arc<Middleware>>>,
    /// Everything that was found wrong, in a stable order.
    pub diagnostics: Arc<[Diagnostic]>,
    /// What was configured, for the API.
    pub config: Arc<Config>,
    /// What became of each router, for the API.
    pub routers: SharedMap<Name, RouterInfo>,
    /// What the next table can be made from.
    pub(crate) memo: crate::compile::Memo,
}

/// What became of a router.
#[derive(Clone, Debug, PartialEq)]
pub struct RouterInfo {
    /// The rule in force (the default rule where none was configured).
    pub rule: Box<str>,
    /// The priority in force.
    pub priority: i64,
    /// Entry points on which it is really mounted.
    pub using: Vec<Box<str>>,
    /// Why it is off or worth a warning; empty when all is well.
    pub errors: Vec<String>,
    /// It answers 503 in place of serving, or is not mounted at all.
    pub disabled: bool,
}

/// One configured router, compiled for one entry point.
#[derive(Clone, Debug)]
pub struct Route {
    /// Its qualified name, ready for logs.
    pub name: Box<str>,
    /// Higher first.
    pub priority: i64,
    /// The compiled rule.
    pub matcher: crate::matcher::Matcher,
    /// Middlewares in order, chains flattened, the service's own at the end.
    pub chain: Box<[Arc<Middleware>]>,
    /// Where requests go.
    pub target: RouteTarget,
    /// Write access log lines.
    pub access_log: bool,
    /// Count its requests.
    pub metrics: bool,
}

/// Where a route's requests go.
#[derive(Clone, Debug, PartialEq)]
pub enum RouteTarget {
    /// To a service, by its index in the table.
    Service(usize),
    /// To one of Seaway's own: `api`, `ping`, `prometheus`.
    Internal(Box<str>),
    /// Nowhere: it keeps its place and answers 503 with this code, so that nothing of lower priority sees its requests.
    Quarantined(seaway_config::Code),
}

/// The entry points' tables by name. There are a handful, and each request asks for one: comparing names is cheaper than
/// hashing one.
#[derive(Clone, Debug, Default)]
pub struct EntryPoints(Box<[(Box<str>, Arc<EntryPointTable>)]>);

impl EntryPoints {
    /// The table of the entry point with that name.
    pub fn get(&self, name: &str) -> Option<&Arc<EntryPointTable>> {
        self.0.iter().find(|(known, _)| **known == *name).map(|(_, table)| table)
    }

    /// All tables, by ascending name of the entry point.
    pub fn values(&self) -> impl Iterator<Item = &Arc<EntryPointTable>> {
        self.iter().map(|(_, table)| table)
    }

    /// All names and tables, by ascending name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Arc<EntryPointTable>)> {
        self.0.iter().map(|(name, table)| (&**name, table))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// There is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<(Box<str>, Arc<EntryPointTable>)> for EntryPoints {
    fn from_iter<I: IntoIterator<Item = (Box<str>, Arc<EntryPointTable>)>>(tables: I) -> Self {
        let mut tables: Vec<_> = tables.into_iter().collect();
        tables.sort_by(|(a, _), (b, _)| a.cmp(b));
        Self(tables.into())
    }
}

/// The routes of one entry point.
#[derive(Debug, Default)]
pub struct EntryPointTable {
    /// All routes, by priority descending, then by name.
    pub routes: Box<[Route]>,
    pub(crate) index: crate::index::HostIndex,
}

/// One service.
#[derive(Debug)]
pub struct Service {
    /// Its name.
    pub name: Name,
    /// Its qualified name, ready for logs.
    pub label: Box<str>,
    /// Servers in the order in which they are told to people; ready or not.
    pub servers: Box<[Server]>,
    /// Deadlines of the weighted round robin and more.
    pub balancer: crate::balancer::Balancer,
    /// How a server is chosen.
    pub strategy: crate::balancer::Strategy,
    /// Cookie affinity, where configured.
    pub sticky: Option<crate::sticky::StickyCookie>,
    /// Send the client's `Host`.
    pub pass_host_header: bool,
    /// How its servers are connected to.
    pub transport: Arc<crate::transport::Transport>,
    /// What its servers are asked now and then.
    pub active_check: Option<Arc<crate::check::ActiveCheck>>,
    /// When failing requests take a server out.
    pub passive_check: Option<crate::state::PassiveCheck>,
    /// What it does with requests in place of sending them to servers of its own.
    pub composite: Option<Box<crate::composite::Composite>>,
    /// What outlives this table.
    pub state: Arc<ServiceState>,
}

/// One server of a service.
#[derive(Debug)]
pub struct Server {
    /// How people call it: `web-3`.
    pub name: Box<str>,
    /// `http://172.20.0.5:80`, exactly.
    pub url: Box<str>,
    /// Where to connect.
    pub address: Address,
    /// `172.20.0.5:80`, ready for logs.
    pub address_text: Box<str>,
    /// The `Host` to send when the client's is not passed on.
    pub host_value: HeaderValue,
    /// Put in front of the path; empty mostly.
    pub base_path: Box<str>,
    /// Share of the requests.
    pub weight: u32,
    /// By TLS, with a certificate for this name; in clear if none.
    pub tls_name: Option<Box<str>>,
    /// What outlives this table.
    pub state: Arc<ServerState>,
    /// Connections are shared among servers with the same number: it tells apart identities, transports, and TLS.
    pub link: u64,
}
