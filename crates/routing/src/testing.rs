//! What the tests of this crate share: request heads, configurations, and a table that changes.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use http::header::{COOKIE, HOST};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, Version};
use seaway_config::model::{self, Address, Condition, Config, Identity, LoadBalancer, ServiceOptions, Sticky};
use seaway_config::{Declared, Name, Origin};
use seaway_head::{RequestHead, Target, host};

use crate::{
    CompileOptions, EntryPointInfo, EntryPointTable, Millis, Pick, Picked, RoutingTable, Service, StateRegistry, Tried,
    Want,
};

/// A GET for `host` as a client wrote it, judged as the data plane does; `path` may have a query.
pub(crate) fn get(host: &str, path: &str) -> RequestHead {
    let judged = host::parse(host).map(|parsed| parsed.host.into_owned()).unwrap_or_default();
    let mut headers = HeaderMap::new();
    headers.insert(HOST, HeaderValue::from_str(host).unwrap());
    RequestHead {
        method: Method::GET,
        version: Version::HTTP_11,
        host: judged.into(),
        target: Target::canonical(&PathAndQuery::try_from(path).unwrap()).unwrap(),
        headers: headers.into(),
        append_forwarded_for: true,
        secure: false,
        peer: IpAddr::V4(Ipv4Addr::new(192, 168, 1, 10)),
    }
}

pub(crate) fn cookie(text: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.append(COOKIE, HeaderValue::from_bytes(text.as_bytes()).unwrap());
    headers
}

pub(crate) fn docker(name: &str) -> Name {
    Name::new(name, "docker")
}

pub(crate) fn origin(key: &str) -> Origin {
    Origin::resource("docker", "web-1").at(key)
}

/// Server `n` of some service: its own container, always at the same address; ready at once.
pub(crate) fn server(n: u8, weight: u32) -> model::Server {
    let address = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, n)), 80);
    model::Server {
        identity: Identity {
            container: format!("container-{n}").into(),
            network: "net".into(),
            address: address.to_string().into(),
        },
        name: format!("web-{n}").into(),
        url: format!("http://{address}").into(),
        address: Address::Ip(address),
        weight,
        base_path: "".into(),
        condition: Condition { assume_ready: true, ..Condition::default() },
        origin: Origin::resource("docker", &format!("web-{n}")),
    }
}

pub(crate) fn service(servers: Vec<model::Server>) -> Declared<model::Service> {
    let options = ServiceOptions { load_balancer: Some(LoadBalancer::default()), ..ServiceOptions::default() };
    Declared::new(model::Service { options, servers }, origin("traefik.http.services.web.loadbalancer.server.port"))
}

/// The same with a cookie.
pub(crate) fn sticky(servers: Vec<model::Server>, options: model::StickyCookie) -> Declared<model::Service> {
    let mut declared = service(servers);
    if let Some(balancer) = &mut declared.value.options.load_balancer {
        balancer.sticky = Some(Sticky { cookie: Some(options) });
    }
    declared
}

pub(crate) fn router(name: &str, rule: &str, service: &str) -> (Name, Declared<model::Router>) {
    let value = model::Router { rule: rule.to_owned(), service: service.to_owned(), ..model::Router::default() };
    (docker(name), Declared::new(value, origin(&format!("traefik.http.routers.{name}.rule"))))
}

/// A configuration of one service `web` behind one router.
pub(crate) fn web(service: Declared<model::Service>) -> Config {
    Config {
        routers: [router("web", "PathPrefix(`/`)", "web")].into(),
        services: [(docker("web"), service)].into(),
        ..Config::default()
    }
}

/// A registry, a clock and the table in force.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) registry: StateRegistry,
    pub(crate) options: CompileOptions,
    pub(crate) now: Millis,
    pub(crate) table: RoutingTable,
}

impl Default for World {
    fn default() -> Self {
        let entry = |name: &str, default| EntryPointInfo { name: name.into(), default, ..EntryPointInfo::default() };
        Self {
            registry: StateRegistry::new(2),
            options: CompileOptions {
                entry_points: vec![entry("web", true), entry("other", false)],
                ..CompileOptions::default()
            },
            now: Millis(1_000),
            table: RoutingTable::default(),
        }
    }
}

impl std::ops::Index<&str> for crate::EntryPoints {
    type Output = Arc<EntryPointTable>;

    fn index(&self, name: &str) -> &Self::Output {
        self.get(name).unwrap()
    }
}

impl World {
    pub(crate) fn new(config: Config) -> Self {
        let mut world = Self::default();
        world.apply(config);
        world
    }

    pub(crate) fn apply(&mut self, config: Config) {
        self.table = crate::compile(Arc::new(config), &self.registry, Some(&self.table), &self.options, self.now);
        self.registry.collect_garbage();
    }

    pub(crate) fn web(&self) -> &Service {
        self.table.services.iter().find(|service| service.name == docker("web")).unwrap()
    }

    pub(crate) fn entry_point(&self) -> &EntryPointTable {
        &self.table.entry_points["web"]
    }

    /// The name of the server that `web` gives the next new request.
    pub(crate) fn next(&self) -> String {
        let picked = self.picked(&HeaderMap::new());
        self.web().servers[picked.index].name.to_string()
    }

    pub(crate) fn picked(&self, headers: &HeaderMap) -> Picked {
        match self.web().pick(headers, &Tried::default(), Want::Ready) {
            Pick::Server(picked) => picked,
            Pick::None(none) => panic!("{none:?}"),
        }
    }

    /// Codes of all diagnostics, in order.
    pub(crate) fn codes(&self) -> Vec<seaway_config::Code> {
        self.table.diagnostics.iter().map(|diagnostic| diagnostic.code).collect()
    }
}
