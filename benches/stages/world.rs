//! What the stages work on: heads as browsers send them, and tables as labels make them.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, Version};
use seaway_config::model::{
    self, Address, Condition, Config, Declared, Identity, LoadBalancer, Name, ServiceOptions, Sticky, StickyCookie,
};
use seaway_config::{Middleware, Origin};
use seaway_head::{Forwarding, Judge, RequestHead, Trust};
use seaway_routing::{CompileOptions, EntryPointInfo, EntryPointTable, Millis, RoutingTable, StateRegistry};

/// Who asks.
pub(crate) const PEER: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 168, 1, 10));

/// The name that every configured object here comes from.
const PROVIDER: &str = "docker";

/// The entry point of all tables here.
pub(crate) const ENTRY_POINT: &str = "web";

/// There is another one.
const OTHER: &str = "traefik";

/// What a browser sends on a kept-alive connection.
pub(crate) const BROWSER: &[(&str, &str)] = &[
    ("host", "HOST"),
    ("connection", "keep-alive"),
    ("sec-ch-ua", "\"Chromium\";v=\"130\", \"Not?A_Brand\";v=\"99\""),
    (
        "user-agent",
        "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36",
    ),
    ("accept", "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"),
    ("sec-fetch-site", "same-origin"),
    ("referer", "http://app.example.com/login?next=%2Fcart"),
    ("accept-encoding", "gzip, deflate, br"),
    ("accept-language", "en-GB,en;q=0.9,de;q=0.8"),
    ("cookie", "theme=dark; session=2f1c9d0e7a5b4c3d8e6f; COOKIE; consent=1"),
];

/// What a program sends.
pub(crate) const PROGRAM: &[(&str, &str)] = &[("host", "HOST"), ("user-agent", "curl/8.10.1"), ("accept", "*/*")];

/// What another proxy sends.
pub(crate) const BEHIND_PROXY: &[(&str, &str)] = &[
    ("host", "HOST"),
    ("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Gecko/20100101 Firefox/130.0"),
    ("accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"),
    ("accept-encoding", "gzip"),
    ("x-forwarded-for", "203.0.113.7"),
    ("x-forwarded-proto", "https"),
    ("x-forwarded-host", "HOST"),
    ("x-real-ip", "203.0.113.7"),
    ("via", "1.1 edge"),
    ("cookie", "session=2f1c9d0e7a5b4c3d8e6f"),
];

/// A head before it is judged.
pub(crate) struct Raw {
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) headers: HeaderMap,
}

/// Makes heads: as a parser does, values are pieces of one buffer.
pub(crate) struct Heads {
    lines: Vec<(HeaderName, HeaderValue)>,
    uri: Uri,
}

impl Heads {
    pub(crate) fn new(lines: &[(&str, &str)], host: &str, cookie: &str, target: &str) -> Self {
        let mut text = Vec::new();
        let mut ranges = Vec::new();
        for (_, value) in lines {
            let from = text.len();
            text.extend_from_slice(value.replace("HOST", host).replace("COOKIE", cookie).as_bytes());
            ranges.push(from..text.len());
        }
        let text = Bytes::from(text);
        let value = |range| HeaderValue::from_maybe_shared(text.slice(range)).unwrap();
        let lines = lines.iter().zip(ranges).map(|((name, _), r)| (name.parse().unwrap(), value(r))).collect();
        Self { lines, uri: target.parse().unwrap() }
    }

    pub(crate) fn raw(&self) -> Raw {
        // The map has served an earlier request of the connection, and was large enough for what is added here.
        let mut headers = HeaderMap::with_capacity(24);
        headers.extend(self.lines.iter().cloned());
        Raw { method: Method::GET, uri: self.uri.clone(), headers }
    }

    /// Judged, as the data plane does.
    pub(crate) fn judged(&self) -> RequestHead {
        let Raw { method, uri, headers } = self.raw();
        judge().admit(method, &uri, Version::HTTP_11, headers, &forwarding(false)).unwrap().head
    }
}

pub(crate) fn judge() -> Judge {
    Judge::new(Arc::default(), Arc::from(["websocket".into()]), PEER, false)
}

pub(crate) fn forwarding(trusted: bool) -> Forwarding {
    let trust = Trust { everybody: trusted, networks: Vec::new() };
    Forwarding::new(PEER, &trust, false, true, &HeaderValue::from_static("edge-1"))
}

/// What the `n`th router's host is.
pub(crate) fn host(n: usize) -> String {
    format!("app-{n:05}.example.com")
}

/// As many routers as services, each for a host of its own: `Host(…)`, with four servers where there is one, else two.
pub(crate) fn hosts(count: usize) -> Config {
    let routers = (0..count).map(|n| router(n, &format!("Host(`{}`)", host(n)), &[])).collect();
    config(routers, count, None)
}

/// One service of four servers with a cookie.
pub(crate) fn sticky() -> Config {
    let cookie = StickyCookie { name: "sticky".to_owned(), ..StickyCookie::default() };
    config([router(0, &format!("Host(`{}`)", host(0)), &[])].into(), 1, Some(cookie))
}

/// Routes by a rule of this kind for each of `count` hosts.
pub(crate) fn rules(count: usize, rule: impl Fn(usize) -> String) -> Config {
    config((0..count).map(|n| router(n, &rule(n), &[])).collect(), 1, None)
}

/// One route with five middlewares.
pub(crate) fn middlewares() -> Config {
    let text = |t: &str| t.to_owned();
    let kinds = [
        Middleware::StripPrefix(model::StripPrefix { prefixes: vec![text("/api")], force_slash: None }),
        Middleware::AddPrefix(model::AddPrefix { prefix: text("/v2") }),
        Middleware::ReplacePathRegex(model::ReplacePathRegex {
            regex: text("^/v2/users/(.*)"),
            replacement: text("/accounts/$1"),
        }),
        Middleware::Headers(model::Headers {
            custom_request_headers: [(text("X-Tenant"), text("blue")), (text("X-Debug"), text(""))].into(),
            ..Default::default()
        }),
        Middleware::Headers(model::Headers {
            custom_response_headers: [
                (text("Server"), text("")),
                (text("X-Frame-Options"), text("DENY")),
                (text("X-Content-Type-Options"), text("nosniff")),
            ]
            .into(),
            ..Default::default()
        }),
    ];
    let names: Vec<String> = (0..kinds.len()).map(|n| format!("m{n}")).collect();
    let mut config = config([router(0, &format!("Host(`{}`)", host(0)), &names)].into(), 1, None);
    config.middlewares = names
        .iter()
        .zip(kinds)
        .map(|(name, kind)| (Name::new(name, PROVIDER), Declared::new(kind, origin())))
        .collect();
    config
}

/// The table of a configuration; hosts are hashed alike in each run.
pub(crate) fn table(config: Config) -> RoutingTable {
    let mut table = compile(&Arc::new(config));
    let seeded = |name: &str| {
        let routes = table.entry_points.get(name).unwrap().routes.to_vec();
        (name.into(), Arc::new(EntryPointTable::seeded(routes, 42)))
    };
    table.entry_points = [ENTRY_POINT, OTHER].map(seeded).into_iter().collect();
    table
}

pub(crate) fn compile(config: &Arc<Config>) -> RoutingTable {
    let options = CompileOptions {
        entry_points: vec![
            EntryPointInfo { name: ENTRY_POINT.into(), default: true, ..EntryPointInfo::default() },
            EntryPointInfo { name: OTHER.into(), default: false, ..EntryPointInfo::default() },
        ],
        ..CompileOptions::default()
    };
    let table = seaway_routing::compile(Arc::clone(config), &StateRegistry::new(2), None, &options, Millis(1_000));
    assert!(table.diagnostics.is_empty(), "{:?}", table.diagnostics);
    table
}

fn config(routers: BTreeMap<Name, Declared<model::Router>>, services: usize, cookie: Option<StickyCookie>) -> Config {
    let servers = if services == 1 { 4 } else { 2 };
    let service = |n: usize| {
        let sticky = cookie.clone().map(|cookie| Sticky { cookie: Some(cookie) });
        let balancer = LoadBalancer { sticky, ..LoadBalancer::default() };
        let options = ServiceOptions { load_balancer: Some(balancer), ..ServiceOptions::default() };
        let servers = (0..servers).map(|s| server(n * servers + s)).collect();
        (Name::new(&format!("s{n:05}"), PROVIDER), Declared::new(model::Service { options, servers }, origin()))
    };
    Config {
        routers: routers.into_iter().collect(),
        services: (0..services).map(service).collect(),
        ..Config::default()
    }
}

fn router(n: usize, rule: &str, middlewares: &[String]) -> (Name, Declared<model::Router>) {
    let router = model::Router {
        rule: rule.to_owned(),
        service: "s00000".to_owned(),
        middlewares: middlewares.to_vec(),
        ..model::Router::default()
    };
    (Name::new(&format!("r{n:05}"), PROVIDER), Declared::new(router, origin()))
}

fn server(n: usize) -> model::Server {
    let [.., high, low] = u32::try_from(n).unwrap().to_be_bytes();
    let address = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(172, 20, high, low)), 8080);
    model::Server {
        identity: Identity {
            container: format!("container-{n}").into(),
            network: "net".into(),
            address: address.to_string().into(),
        },
        name: format!("app-{n}").into(),
        url: format!("http://{address}").into(),
        address: Address::Ip(address),
        weight: 1,
        base_path: "".into(),
        condition: Condition { assume_ready: true, ..Condition::default() },
        origin: origin(),
    }
}

fn origin() -> Origin {
    Origin::resource(PROVIDER, "app-1")
}
