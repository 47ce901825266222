//! What providers hand over and `compile` turns into a routing table.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use serde::Serialize;

use crate::decode::options;
use crate::diagnostic::{Diagnostic, Origin};
use crate::shared_map::SharedMap;

/// A name qualified by its provider: `web@docker`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name {
    /// The name without the provider.
    pub local: Box<str>,
    /// The provider: `docker`, `internal`, …
    pub provider: Box<str>,
}

impl Name {
    /// Puts a name together.
    pub fn new(local: &str, provider: &str) -> Self {
        Self { local: local.into(), provider: provider.into() }
    }

    /// A reference as written in configuration: `auth` means the same provider, `auth@file` another one.
    pub fn resolve(reference: &str, provider: &str) -> Self {
        match reference.rsplit_once('@') {
            Some((local, other)) => Self::new(local, other),
            None => Self::new(reference, provider),
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.local, self.provider)
    }
}

impl Serialize for Name {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The merged dynamic configuration of all providers. Pure data: `compile` needs nothing else but the registry.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Config {
    /// Routers by qualified name.
    pub routers: SharedMap<Name, Declared<Router>>,
    /// Services by qualified name.
    pub services: SharedMap<Name, Declared<Service>>,
    /// Middlewares by qualified name.
    pub middlewares: SharedMap<Name, Declared<Middleware>>,
}

/// A configured object, where it came from, and whether it may be used.
#[derive(Clone, Debug, PartialEq)]
pub struct Declared<T> {
    /// The object.
    pub value: T,
    /// The container (and the first label key) that declares it.
    pub origin: Origin,
    /// Set when the object must not be published as configured: the diagnostic that says why. A quarantined router
    /// keeps its place and answers 503; a quarantined service or middleware takes every router that uses it with it.
    pub quarantine: Option<Diagnostic>,
}

impl<T> Declared<T> {
    /// A good object.
    pub fn new(value: T, origin: Origin) -> Self {
        Self { value, origin, quarantine: None }
    }
}

options! {
    /// A router as configured: `http.routers.<name>`.
    section struct Router {
        entry_points: Vec<String> = Vec::new(), "entryPoints", "", "Entry points it listens on; all default ones if none is named.";
        middlewares: Vec<String> = Vec::new(), "middlewares", "", "Middlewares in the order in which requests pass them.";
        service: String = String::new(), "service", "", "The service that answers; linked by itself where the container declares exactly one.";
        rule: String = String::new(), "rule", "", "Which requests it takes; the provider's default rule if not given.";
        rule_syntax: String = String::new(), "ruleSyntax", "", "Only v3 is supported.";
        priority: i64 = 0, "priority", "0", "Higher is tried first; 0 means the length of the rule.";
        tls: Option<RouterTls> = None, "tls", "", "Its presence makes the router HTTPS-only.";
        observability: Option<RouterObservability> = None, "observability", "", "Switches for this router alone.";
    }

    /// `http.routers.<name>.tls`.
    switch struct RouterTls {
        options: String = String::new(), "options", "default", "Name of the TLS options.";
        cert_resolver: String = String::new(), "certResolver", "", "Certificate resolver to use.";
        domains: BTreeMap<String, TlsDomain> = BTreeMap::new(), "domains", "", "Domains to get certificates for.";
    }

    /// `http.routers.<name>.tls.domains[n]`.
    section struct TlsDomain {
        main: String = String::new(), "main", "", "The main name of the certificate.";
        sans: Vec<String> = Vec::new(), "sans", "", "Further names of the certificate.";
    }

    /// `http.routers.<name>.observability`.
    section struct RouterObservability {
        access_logs: Option<bool> = None, "accessLogs", "true", "Write access log lines for this router.";
        metrics: Option<bool> = None, "metrics", "true", "Count this router's requests.";
        tracing: Option<bool> = None, "tracing", "true", "Trace this router's requests.";
        trace_verbosity: String = String::new(), "traceVerbosity", "minimal", "minimal or detailed.";
    }

    /// A service as configured: `http.services.<name>`.
    section struct ServiceOptions {
        load_balancer: Option<LoadBalancer> = None, "loadBalancer", "", "Spreads requests over the servers.";
        middlewares: Vec<String> = Vec::new(), "middlewares", "", "Middlewares in front of the service, after the router's.";
    }

    /// `http.services.<name>.loadBalancer`.
    section struct LoadBalancer {
        server: ServerOptions = ServerOptions::default(), "server", "", "How this container is reached.";
        strategy: String = "wrr".to_owned(), "strategy", "wrr", "How a server is chosen: wrr.";
        sticky: Option<Sticky> = None, "sticky", "", "Keeps a client on one server.";
        pass_host_header: bool = true, "passHostHeader", "true", "Send the client's Host header to the server.";
        servers_transport: String = String::new(), "serversTransport", "", "Named transport for connections to the servers.";
        response_forwarding: Option<ResponseForwarding> = Some(ResponseForwarding::default()), "responseForwarding", "", "How responses are forwarded.";
        health_check: Option<HealthCheck> = None, "healthCheck", "", "Active health check.";
        passive_health_check: Option<PassiveHealthCheck> = None, "passiveHealthCheck", "", "Takes a server out after failed requests.";
    }

    /// `http.services.<name>.loadBalancer.server`.
    hidden struct ServerOptions {
        port: String = String::new(), "port", "", "Container port; the lowest exposed one if not given.";
        scheme: String = String::new(), "scheme", "http", "http.";
        url: String = String::new(), "url", "", "Full URL of the server, in place of the container's address.";
        weight: i64 = 1, "weight", "1", "Share of the requests; 0 takes no new ones.";
        preserve_path: bool = false, "preservePath", "false", "Put the URL's path in front of the request's.";
    }

    /// `http.services.<name>.loadBalancer.sticky`.
    switch struct Sticky {
        cookie: Option<StickyCookie> = None, "cookie", "", "Stickiness by a cookie of the proxy's.";
    }

    /// `http.services.<name>.loadBalancer.sticky.cookie`.
    switch struct StickyCookie {
        name: String = String::new(), "name", "", "Name of the cookie; derived from the service's name if not given.";
        secure: bool = false, "secure", "false", "Only sent over HTTPS.";
        http_only: bool = false, "httpOnly", "false", "Not readable by scripts.";
        same_site: String = String::new(), "sameSite", "", "none, lax or strict.";
        max_age: i64 = 0, "maxAge", "0", "Seconds the cookie lives; 0 for the browser session, negative to expire it at once.";
        path: Option<String> = None, "path", "/", "Path the cookie is sent for.";
        domain: String = String::new(), "domain", "", "Domain the cookie is sent to.";
    }

    /// `http.services.<name>.loadBalancer.responseForwarding`.
    section struct ResponseForwarding {
        flush_interval: String = "100ms".to_owned(), "flushInterval", "100ms", "Accepted for compatibility: every piece is forwarded as soon as it arrives.";
    }

    /// `http.services.<name>.loadBalancer.healthCheck`.
    section struct HealthCheck {
        path: String = String::new(), "path", "", "Path that is asked for.";
        scheme: String = String::new(), "scheme", "", "Scheme of the check.";
        mode: String = "http".to_owned(), "mode", "http", "http or grpc.";
        method: String = String::new(), "method", "GET", "Method of the check.";
        status: i64 = 0, "status", "0", "Expected status; 0 for 200 to 399.";
        port: i64 = 0, "port", "0", "Port of the check.";
        hostname: String = String::new(), "hostname", "", "Host header of the check.";
        interval: Duration = Duration::from_secs(30), "interval", "30s", "Time between checks.";
        unhealthy_interval: Option<Duration> = None, "unhealthyInterval", "30s", "Time between checks of a server that is down.";
        timeout: Duration = Duration::from_secs(5), "timeout", "5s", "Time one check may take.";
        follow_redirects: bool = true, "followRedirects", "true", "Follow redirects.";
        headers: BTreeMap<String, String> = BTreeMap::new(), "headers", "", "Headers of the check.";
    }

    /// `http.services.<name>.loadBalancer.passiveHealthCheck`.
    section struct PassiveHealthCheck {
        failure_window: Duration = Duration::from_secs(10), "failureWindow", "10s", "Time in which failures are counted.";
        max_failed_attempts: i64 = 1, "maxFailedAttempts", "1", "Failures that take the server out.";
    }

    /// A middleware as configured: `http.middlewares.<name>`. Exactly one type may be set.
    section struct MiddlewareOptions {
        add_prefix: Option<AddPrefix> = None, "addPrefix", "", "Puts a prefix in front of the path.";
        strip_prefix: Option<StripPrefix> = None, "stripPrefix", "", "Cuts a prefix off the path.";
        replace_path: Option<ReplacePath> = None, "replacePath", "", "Replaces the path.";
        replace_path_regex: Option<ReplacePathRegex> = None, "replacePathRegex", "", "Replaces the path by a regular expression.";
        headers: Option<Headers> = None, "headers", "", "Sets and removes request and response headers.";
        redirect_scheme: Option<RedirectScheme> = None, "redirectScheme", "", "Redirects to another scheme.";
        redirect_regex: Option<RedirectRegex> = None, "redirectRegex", "", "Redirects by a regular expression over the URL.";
        chain: Option<Chain> = None, "chain", "", "Several middlewares under one name.";
    }

    /// `addPrefix`.
    section struct AddPrefix {
        prefix: String = String::new(), "prefix", "", "The prefix.";
    }

    /// `stripPrefix`.
    section struct StripPrefix {
        prefixes: Vec<String> = Vec::new(), "prefixes", "", "The first of these that the path starts with is cut off.";
        force_slash: Option<bool> = None, "forceSlash", "", "Deprecated: an empty rest becomes a slash.";
    }

    /// `replacePath`.
    section struct ReplacePath {
        path: String = String::new(), "path", "", "The new path.";
    }

    /// `replacePathRegex`.
    section struct ReplacePathRegex {
        regex: String = String::new(), "regex", "", "Matched against the path.";
        replacement: String = String::new(), "replacement", "", "What the match becomes; `$1` and `${name}` stand for groups.";
    }

    /// `headers`. The CORS and security groups are recognised and answered with a clear diagnostic until they work.
    section struct Headers {
        custom_request_headers: BTreeMap<String, String> = BTreeMap::new(), "customRequestHeaders", "", "Request headers to set; an empty value removes.";
        custom_response_headers: BTreeMap<String, String> = BTreeMap::new(), "customResponseHeaders", "", "Response headers to set; an empty value removes.";
    }

    /// `redirectScheme`.
    section struct RedirectScheme {
        scheme: String = String::new(), "scheme", "", "The scheme to redirect to.";
        port: String = String::new(), "port", "", "The port to redirect to.";
        permanent: bool = false, "permanent", "false", "301 or 308 in place of 302 or 307.";
    }

    /// `redirectRegex`.
    section struct RedirectRegex {
        regex: String = String::new(), "regex", "", "Matched against the whole URL.";
        replacement: String = String::new(), "replacement", "", "The URL to redirect to; `$1` and `${name}` stand for groups.";
        permanent: bool = false, "permanent", "false", "301 or 308 in place of 302 or 307.";
    }

    /// `chain`.
    section struct Chain {
        middlewares: Vec<String> = Vec::new(), "middlewares", "", "The middlewares, in order.";
    }
}

/// Options that Traefik has and that do not work yet, as paths below `http.`: recognised, answered with SW0108 and
/// never taken for a typo. `*` stands for a name.
pub const NOT_YET: &[&str] = &[
    "middlewares.*.basicAuth",
    "middlewares.*.buffering",
    "middlewares.*.circuitBreaker",
    "middlewares.*.compress",
    "middlewares.*.contentType",
    "middlewares.*.digestAuth",
    "middlewares.*.encodedCharacters",
    "middlewares.*.errors",
    "middlewares.*.forwardAuth",
    "middlewares.*.grpcWeb",
    "middlewares.*.inFlightReq",
    "middlewares.*.ipAllowList",
    "middlewares.*.ipWhiteList",
    "middlewares.*.passTLSClientCert",
    "middlewares.*.plugin",
    "middlewares.*.rateLimit",
    "middlewares.*.retry",
    "middlewares.*.stripPrefixRegex",
    "middlewares.*.headers.accessControlAllowCredentials",
    "middlewares.*.headers.accessControlAllowHeaders",
    "middlewares.*.headers.accessControlAllowMethods",
    "middlewares.*.headers.accessControlAllowOriginList",
    "middlewares.*.headers.accessControlAllowOriginListRegex",
    "middlewares.*.headers.accessControlExposeHeaders",
    "middlewares.*.headers.accessControlMaxAge",
    "middlewares.*.headers.addVaryHeader",
    "middlewares.*.headers.allowedHosts",
    "middlewares.*.headers.hostsProxyHeaders",
    "middlewares.*.headers.sslProxyHeaders",
    "middlewares.*.headers.stsSeconds",
    "middlewares.*.headers.stsIncludeSubdomains",
    "middlewares.*.headers.stsPreload",
    "middlewares.*.headers.forceSTSHeader",
    "middlewares.*.headers.frameDeny",
    "middlewares.*.headers.customFrameOptionsValue",
    "middlewares.*.headers.contentTypeNosniff",
    "middlewares.*.headers.browserXssFilter",
    "middlewares.*.headers.customBrowserXSSValue",
    "middlewares.*.headers.contentSecurityPolicy",
    "middlewares.*.headers.contentSecurityPolicyReportOnly",
    "middlewares.*.headers.publicKey",
    "middlewares.*.headers.referrerPolicy",
    "middlewares.*.headers.permissionsPolicy",
    "middlewares.*.headers.isDevelopment",
    "middlewares.*.headers.sslRedirect",
    "middlewares.*.headers.sslTemporaryRedirect",
    "middlewares.*.headers.sslHost",
    "middlewares.*.headers.sslForceHost",
    "middlewares.*.headers.featurePolicy",
];

/// A middleware of exactly one type, as it reaches `compile`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Middleware {
    /// Puts a prefix in front of the path.
    AddPrefix(AddPrefix),
    /// Cuts a prefix off the path.
    StripPrefix(StripPrefix),
    /// Replaces the path.
    ReplacePath(ReplacePath),
    /// Replaces the path by a regular expression.
    ReplacePathRegex(ReplacePathRegex),
    /// Sets and removes headers.
    Headers(Headers),
    /// Redirects to another scheme.
    RedirectScheme(RedirectScheme),
    /// Redirects by a regular expression over the URL.
    RedirectRegex(RedirectRegex),
    /// Several middlewares under one name.
    Chain(Chain),
    /// Nothing usable was declared. Always quarantined, kept so that it has a name, a place and a reason.
    Broken {},
}

impl Middleware {
    /// The type's name in lower case, as Traefik's API gives it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::AddPrefix(_) => "addprefix",
            Self::StripPrefix(_) => "stripprefix",
            Self::ReplacePath(_) => "replacepath",
            Self::ReplacePathRegex(_) => "replacepathregex",
            Self::Headers(_) => "headers",
            Self::RedirectScheme(_) => "redirectscheme",
            Self::RedirectRegex(_) => "redirectregex",
            Self::Chain(_) => "chain",
            Self::Broken {} => "",
        }
    }
}

impl MiddlewareOptions {
    /// The types that are set; the caller quarantines unless there is exactly one.
    pub fn types(self) -> Vec<Middleware> {
        let mut types = Vec::new();
        types.extend(self.add_prefix.map(Middleware::AddPrefix));
        types.extend(self.strip_prefix.map(Middleware::StripPrefix));
        types.extend(self.replace_path.map(Middleware::ReplacePath));
        types.extend(self.replace_path_regex.map(Middleware::ReplacePathRegex));
        types.extend(self.headers.map(Middleware::Headers));
        types.extend(self.redirect_scheme.map(Middleware::RedirectScheme));
        types.extend(self.redirect_regex.map(Middleware::RedirectRegex));
        types.extend(self.chain.map(Middleware::Chain));
        types
    }
}

/// A service as it reaches `compile`: options and the servers that the provider found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Service {
    /// The options; `options.server` has done its work once servers are known and is ignored here.
    pub options: ServiceOptions,
    /// The servers, sorted by [`natural_order`] of their names.
    pub servers: Vec<Server>,
}

/// What makes a server the same server: a re-used address is another one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Identity {
    /// The container's id, or the URL for a server that is not a container.
    pub container: Box<str>,
    /// The network's id; empty for host networking, bound ports and plain URLs.
    pub network: Box<str>,
    /// `ip:port` or `host:port`.
    pub address: Box<str>,
}

/// One server of a service.
#[derive(Clone, Debug, PartialEq)]
pub struct Server {
    /// Who it is.
    pub identity: Identity,
    /// How people call it: `web-3`, or the container's name.
    pub name: Box<str>,
    /// The exact text `http://172.20.0.5:80`: Traefik's sticky values, API and metrics are made from it.
    pub url: Box<str>,
    /// Where to connect.
    pub address: Address,
    /// Share of the requests.
    pub weight: u32,
    /// `server.preservePath`: the URL's path, put in front of the request's. Empty otherwise.
    pub base_path: Box<str>,
    /// What the provider knows about its condition.
    pub condition: Condition,
    /// Where it came from.
    pub origin: Origin,
}

/// Where to connect to.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Address {
    /// A socket address.
    Ip(SocketAddr),
    /// A name to be resolved by the data plane, and a port.
    Dns(Box<str>, u16),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(address) => write!(f, "{address}"),
            Self::Dns(host, port) => write!(f, "{host}:{port}"),
        }
    }
}

/// What the provider knows about a server's condition. Facts only: what follows from them is decided in `routing`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// The container runs.
    pub running: bool,
    /// The container is paused.
    pub paused: bool,
    /// What Docker's own health check says.
    pub health: DockerHealth,
    /// Seaway has no network in common with it.
    pub unreachable: bool,
    /// When the container was last started, as the engine tells it. Another text means another start.
    pub started_at: Box<str>,
    /// How long the engine waits between the stop signal and killing.
    pub stop_timeout: Duration,
    /// Take it as ready without asking its port: for servers that are not containers.
    pub assume_ready: bool,
}

impl Default for Condition {
    fn default() -> Self {
        Self {
            running: true,
            paused: false,
            health: DockerHealth::None,
            unreachable: false,
            started_at: "".into(),
            stop_timeout: Duration::from_secs(10),
            assume_ready: false,
        }
    }
}

/// What Docker's own health check says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum DockerHealth {
    /// The image has no check.
    #[default]
    None,
    /// Not yet healthy.
    Starting,
    /// Healthy.
    Healthy,
    /// Unhealthy.
    Unhealthy,
}

/// Compares names as people count: `web-2` before `web-10`.
pub fn natural_order(a: &str, b: &str) -> std::cmp::Ordering {
    let (mut a_rest, mut b_rest) = (a, b);
    loop {
        let (a_text, a_number, a_next) = chunk(a_rest);
        let (b_text, b_number, b_next) = chunk(b_rest);
        let order = a_text.cmp(b_text).then_with(|| {
            let (a_trim, b_trim) = (a_number.trim_start_matches('0'), b_number.trim_start_matches('0'));
            a_trim.len().cmp(&b_trim.len()).then_with(|| a_trim.cmp(b_trim))
        });
        if order.is_ne() || (a_next.is_empty() && b_next.is_empty()) {
            return order.then_with(|| a_next.cmp(b_next)).then_with(|| a.cmp(b));
        }
        (a_rest, b_rest) = (a_next, b_next);
    }
}

/// The leading text, the digits after it, and what follows.
fn chunk(text: &str) -> (&str, &str, &str) {
    let digits_at = text.find(|c: char| c.is_ascii_digit()).unwrap_or(text.len());
    let (head, rest) = text.split_at(digits_at);
    let digits_end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let (digits, tail) = rest.split_at(digits_end);
    (head, digits, tail)
}

#[cfg(test)]
mod tests {
    use std::cmp::Ordering;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn references_belong_to_their_provider_unless_they_name_one() {
        for (reference, local, provider) in [
            ("auth", "auth", "docker"),
            ("auth@file", "auth", "file"),
            ("a@b@file", "a@b", "file"),
            ("api@internal", "api", "internal"),
            ("auth@", "auth", ""),
            ("", "", "docker"),
        ] {
            assert_eq!(Name::resolve(reference, "docker"), Name::new(local, provider), "{reference}");
        }
        let name = Name::new("web", "docker");
        assert_eq!(Name::resolve(&name.to_string(), "file"), name);
    }

    #[test]
    fn names_are_ordered_as_people_count() {
        let sorted = [
            "",
            "1",
            "2",
            "10",
            "a",
            "a-1",
            "web",
            "web-1",
            "web-2",
            "web-2-a",
            "web-2-b",
            "web-10",
            "web-10-1",
            "web-010-2",
            "web-010-10",
            "webb",
        ];
        for (at, a) in sorted.iter().enumerate() {
            for (bt, b) in sorted.iter().enumerate() {
                assert_eq!(natural_order(a, b), at.cmp(&bt), "{a} {b}");
            }
        }
        assert_eq!(natural_order("web-01", "web-1"), Ordering::Less, "different names are never equal");
        assert_eq!(natural_order("web-99999999999999999999999", "web-100000000000000000000000"), Ordering::Less);
    }

    #[test]
    fn middleware_types_are_counted() {
        assert_eq!(MiddlewareOptions::default().types(), []);
        let options = MiddlewareOptions {
            chain: Some(Chain::default()),
            add_prefix: Some(AddPrefix { prefix: "/x".to_owned() }),
            ..MiddlewareOptions::default()
        };
        let types = options.types();
        assert_eq!(
            types,
            [Middleware::AddPrefix(AddPrefix { prefix: "/x".to_owned() }), Middleware::Chain(Chain::default())]
        );
        assert_eq!(types.iter().map(Middleware::kind).collect::<Vec<_>>(), ["addprefix", "chain"]);
    }

    #[test]
    fn every_middleware_option_becomes_a_middleware() {
        let options = MiddlewareOptions {
            add_prefix: Some(AddPrefix::default()),
            strip_prefix: Some(StripPrefix::default()),
            replace_path: Some(ReplacePath::default()),
            replace_path_regex: Some(ReplacePathRegex::default()),
            headers: Some(Headers::default()),
            redirect_scheme: Some(RedirectScheme::default()),
            redirect_regex: Some(RedirectRegex::default()),
            chain: Some(Chain::default()),
        };
        let kinds: Vec<_> = options.types().iter().map(Middleware::kind).collect();
        let names: Vec<_> = <MiddlewareOptions as crate::catalogue::Section>::OPTIONS
            .iter()
            .map(|o| o.name.to_ascii_lowercase())
            .collect();
        assert_eq!(kinds, names);
    }

    #[test]
    fn addresses_are_shown_as_they_are_dialled() {
        assert_eq!(Address::Ip("[::1]:80".parse().unwrap_or_else(|_| unreachable!())).to_string(), "[::1]:80");
        assert_eq!(Address::Dns("app.internal".into(), 8080).to_string(), "app.internal:8080");
    }

    proptest! {
        #[test]
        fn natural_order_is_a_total_order(a in "[a0-2.-]{0,6}", b in "[a0-2.-]{0,6}", c in "[a0-2.-]{0,6}") {
            prop_assert_eq!(natural_order(&a, &b), natural_order(&b, &a).reverse());
            prop_assert_eq!(natural_order(&a, &b) == Ordering::Equal, a == b);
            if natural_order(&a, &b).is_le() && natural_order(&b, &c).is_le() {
                prop_assert!(natural_order(&a, &c).is_le(), "{:?} {:?} {:?}", a, b, c);
            }
        }

        #[test]
        fn natural_order_takes_any_text(a in any::<String>(), b in any::<String>()) {
            prop_assert_eq!(natural_order(&a, &b) == Ordering::Equal, a == b);
        }
    }
}
