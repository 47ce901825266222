//! One fault at a time in a file that is good otherwise: what is off, what is said, and that nothing else is.

use super::*;

/// A good file around the part that a case puts in; `@` stands for the case.
const FRAME: &str = "http:
  routers:
    web: { rule: Host(`web`), service: web, middlewares: [strip] }
    bare: { rule: Host(`bare`), service: other }
  services:
    web: { loadBalancer: { servers: [ { url: 'http://10.0.0.7' } ] } }
    other: { loadBalancer: { servers: [ { url: 'http://10.0.0.8' } ] } }
  middlewares:
    strip: { stripPrefix: { prefixes: [/x] } }
";

/// What of a kind is off, by name.
fn off(found: &Dynamic) -> Vec<String> {
    let mut off = Vec::new();
    off.extend(found.routers.iter().filter(|(_, d)| d.quarantine.is_some()).map(|(n, _)| format!("router {n}")));
    off.extend(found.services.iter().filter(|(_, d)| d.quarantine.is_some()).map(|(n, _)| format!("service {n}")));
    off.extend(
        found.middlewares.iter().filter(|(_, d)| d.quarantine.is_some()).map(|(n, _)| format!("middleware {n}")),
    );
    off.extend(
        found.servers_transports.iter().filter(|(_, d)| d.quarantine.is_some()).map(|(n, _)| format!("transport {n}")),
    );
    off
}

struct Case {
    /// The line of [`FRAME`] to replace, from one.
    at: usize,
    with: &'static str,
    off: &'static [&'static str],
    code: Code,
    line: usize,
    key: &'static str,
    /// In the message or the fix.
    says: &'static str,
}

const fn case(
    at: usize,
    with: &'static str,
    off: &'static [&'static str],
    code: Code,
    key: &'static str,
    says: &'static str,
) -> Case {
    Case { at, with, off, code, line: at, key, says }
}

impl Case {
    /// The fault stands so many lines further down.
    const fn below(mut self, lines: usize) -> Self {
        self.line += lines;
        self
    }
}

const ROUTER: usize = 3;
const SERVICE: usize = 6;
const MIDDLEWARE: usize = 9;
const ALL: &[&str] = &["router bare", "router web"];

const CASES: &[Case] = &[
    // routers
    case(
        ROUTER,
        "    web: { rul: Host(`web`), service: web }",
        &["router web"],
        Code::UnknownOption,
        "http.routers.web.rul",
        "http.routers.web.rule: Host(`web`)",
    ),
    case(
        ROUTER,
        "    web: { rule: Host(`web`), middelwares: [strip], service: web }",
        &["router web"],
        Code::UnknownOption,
        "http.routers.web.middelwares",
        "http.routers.web.middlewares: [strip]",
    ),
    case(
        ROUTER,
        "    web: { rule: Host(`web`), middleware: strip, service: web }",
        &["router web"],
        Code::UnknownOption,
        "http.routers.web.middleware",
        "middlewares: strip",
    ),
    case(
        ROUTER,
        "    web: { rule: Host(`web`), entrypoint: [web], service: web }",
        &["router web"],
        Code::UnknownOption,
        "http.routers.web.entrypoint",
        "entryPoints: [web]",
    ),
    case(
        ROUTER,
        "    web: { rule: Host(`web`), banana: 1, service: web }",
        &["router web"],
        Code::UnknownOption,
        "http.routers.web.banana",
        "there is no option `banana`",
    ),
    case(
        ROUTER,
        "    web: { rule: Host(`web`), priority: high, service: web }",
        &["router web"],
        Code::BadValue,
        "http.routers.web.priority",
        "a whole number",
    ),
    case(
        ROUTER,
        "    web: { rule: Host(`web`), priority: 9223372036854775807, service: web }",
        &["router web"],
        Code::BadPriority,
        "http.routers.web.priority",
        "at most",
    ),
    case(
        ROUTER,
        "    web: { rule: [Host(`web`)], service: web }",
        &["router web"],
        Code::UnknownOption,
        "http.routers.web.rule[0]",
        "there is nothing called `[0]`",
    ),
    case(
        ROUTER,
        "    web: { rule: , service: web }",
        &["router web"],
        Code::BadValue,
        "http.routers.web.rule",
        "a text is expected",
    ),
    case(
        ROUTER,
        "    web: { rule: Host(`web`), service: { name: web } }",
        &["router web"],
        Code::UnknownOption,
        "http.routers.web.service.name",
        "nothing called `name`",
    ),
    case(
        ROUTER,
        "    web: { rule: Host(`web`), middlewares: { strip: {} }, service: web }",
        &["router web"],
        Code::UnknownOption,
        "http.routers.web.middlewares.strip",
        "nothing called `strip`",
    ),
    case(
        ROUTER,
        "    web: { rule: Host(`web`), tls: {}, service: web }",
        &["router web"],
        Code::TlsNotSupportedYet,
        "http.routers.web.tls",
        "HTTPS does not work yet",
    ),
    case(
        ROUTER,
        "    web: { rule: Host(`web`), tls: , service: web }",
        &["router web"],
        Code::TlsNotSupportedYet,
        "http.routers.web.tls",
        "HTTPS does not work yet",
    ),
    case(
        ROUTER,
        "    web: { rule: Host(`web`), tls: { certResolver: le }, service: web }",
        &["router web"],
        Code::TlsNotSupportedYet,
        "http.routers.web.tls",
        "HTTPS",
    ),
    case(
        ROUTER,
        "    web: { rule: Host(`web`), tls: { domains: [ { main: a.test } ] }, service: web }",
        &["router web"],
        Code::TlsNotSupportedYet,
        "http.routers.web.tls",
        "HTTPS",
    ),
    case(
        ROUTER,
        "    web: { rule: Host(`web`), ruleSyntax: v2, service: web }",
        &["router web"],
        Code::NotSupportedYet,
        "http.routers.web.ruleSyntax",
        "v3",
    ),
    case(
        ROUTER,
        "    web: { rule: Host(`web`), observability: { accessLogs: maybe }, service: web }",
        &["router web"],
        Code::BadValue,
        "http.routers.web.observability.accessLogs",
        "true or false",
    ),
    case(
        ROUTER,
        "    web: { rule: Host(`web`), observability: { accesslog: false }, service: web }",
        &["router web"],
        Code::UnknownOption,
        "http.routers.web.observability.accesslog",
        "accessLogs: false",
    ),
    case(
        ROUTER,
        "    web: Host(`web`)",
        &["router web"],
        Code::StandaloneSection,
        "http.routers.web",
        "options stand below a router",
    ),
    case(
        ROUTER,
        "    web@file: { rule: Host(`web`), service: web }",
        &["router web@file"],
        Code::BadName,
        "http.routers.web@file",
        "cannot contain @",
    ),
    case(
        ROUTER,
        "    web: { rule: Host(`web`), service: web, middlewares: [~, strip] }",
        &["router web"],
        Code::BadValue,
        "http.routers.web.middlewares[0]",
        "the name of a middleware",
    ),
    case(
        ROUTER,
        "    web: { rule: Host(`web`), service: web, middlewares: [\"\"] }",
        &["router web"],
        Code::BadValue,
        "http.routers.web.middlewares[0]",
        "the name of a middleware",
    ),
    case(
        ROUTER,
        "    web: { rule: Host(`web`), service: web, middlewares: \"\" }",
        &["router web"],
        Code::BadValue,
        "http.routers.web.middlewares",
        "the name of a middleware",
    ),
    case(
        ROUTER,
        "    web: { rule: Host(`web`), service: web, middlewares: }",
        &[],
        Code::BadValue,
        "http.routers.web.middlewares",
        "`[]` says that none is meant",
    ),
    // services
    case(
        SERVICE,
        "    web: { loadbalancers: { servers: [ { url: 'http://10.0.0.7' } ] } }",
        &["service web"],
        Code::UnknownOption,
        "http.services.web.loadbalancers",
        "loadBalancer",
    ),
    case(
        SERVICE,
        "    web: { loadBalancer: { server: { url: 'http://10.0.0.7' } } }",
        &["service web"],
        Code::UnknownOption,
        "http.services.web.loadBalancer.server",
        "loadBalancer.servers: [{ url:",
    ),
    case(
        SERVICE,
        "    web: { loadBalancer: { servers: [ { urll: 'http://10.0.0.7' } ] } }",
        &["service web"],
        Code::UnknownOption,
        "http.services.web.loadBalancer.servers[0].urll",
        "servers[0].url: http://10.0.0.7",
    ),
    case(
        SERVICE,
        "    web: { loadBalancer: { servers: [ 'http://10.0.0.7' ] } }",
        &["service web"],
        Code::StandaloneSection,
        "http.services.web.loadBalancer.servers[0]",
        "options stand below",
    ),
    case(
        SERVICE,
        "    web: { loadBalancer: { servers: 'http://10.0.0.7' } }",
        &["service web"],
        Code::StandaloneSection,
        "http.services.web.loadBalancer.servers",
        "options stand below",
    ),
    case(
        SERVICE,
        "    web: { loadBalancer: { servers: { url: 'http://10.0.0.7' } } }",
        &["service web"],
        Code::UnknownOption,
        "http.services.web.loadBalancer.servers.url",
        "nothing called `url`",
    ),
    case(
        SERVICE,
        "    web: { loadBalancer: { servers: [ { url: 'http://10.0.0.7', weight: much } ] } }",
        &["service web"],
        Code::BadValue,
        "http.services.web.loadBalancer.servers[0].weight",
        "a whole number",
    ),
    case(
        SERVICE,
        "    web: { loadBalancer: { servers: [ { url: 'http://10.0.0.7', preservePath: maybe } ] } }",
        &["service web"],
        Code::BadValue,
        "http.services.web.loadBalancer.servers[0].preservePath",
        "true or false",
    ),
    case(SERVICE, "    web: {}", &["service web"], Code::EmptyService, "http.services.web", "servers: [{ url:"),
    case(SERVICE, "    web:", &["service web"], Code::EmptyService, "http.services.web", "no load balancer"),
    case(
        SERVICE,
        "    web: { middlewares: [strip] }",
        &["service web"],
        Code::EmptyService,
        "http.services.web",
        "no load balancer",
    ),
    case(
        SERVICE,
        "    web: { weighted: { services: [ { nam: other } ] } }",
        &["service web"],
        Code::UnknownOption,
        "http.services.web.weighted.services[0].nam",
        "name: other",
    ),
    case(
        SERVICE,
        "    web: { weighted: { services: [ { name: other, weight: x } ] } }",
        &["service web"],
        Code::BadValue,
        "http.services.web.weighted.services[0].weight",
        "a whole number",
    ),
    case(
        SERVICE,
        "    web: { wieghted: { services: [ { name: other } ] } }",
        &["service web"],
        Code::UnknownOption,
        "http.services.web.wieghted",
        "weighted",
    ),
    case(
        SERVICE,
        "    web: { mirroring: { service: other, mirrors: [ { name: other, percent: x } ] } }",
        &["service web"],
        Code::BadValue,
        "http.services.web.mirroring.mirrors[0].percent",
        "a whole number",
    ),
    case(
        SERVICE,
        "    web: { failover: { service: other, fallbak: other } }",
        &["service web"],
        Code::UnknownOption,
        "http.services.web.failover.fallbak",
        "fallback: other",
    ),
    case(
        SERVICE,
        "    web: { highestRandomWeight: { services: [ { name: other, wight: 1 } ] } }",
        &["service web"],
        Code::UnknownOption,
        "http.services.web.highestRandomWeight.services[0].wight",
        "weight: 1",
    ),
    case(
        SERVICE,
        "    web: { loadBalancer: { servers: [ { url: 'http://10.0.0.7' } ], passHostHeader: maybe } }",
        &[],
        Code::BadValue,
        "http.services.web.loadBalancer.passHostHeader",
        "true or false",
    ),
    case(
        SERVICE,
        "    web: { loadBalancer: { servers: [ { url: 'http://10.0.0.7' } ], pasHostHeader: false } }",
        &[],
        Code::UnknownOption,
        "http.services.web.loadBalancer.pasHostHeader",
        "passHostHeader: false",
    ),
    case(
        SERVICE,
        "    web: { loadBalancer: { servers: [ { url: 'http://10.0.0.7' } ], sticky: { cooky: {} } } }",
        &[],
        Code::UnknownOption,
        "http.services.web.loadBalancer.sticky.cooky",
        "cookie",
    ),
    case(
        SERVICE,
        "    web: { loadBalancer: { servers: [ { url: 'http://10.0.0.7' } ], strategy: random } }",
        &[],
        Code::BadValue,
        "http.services.web.loadBalancer.strategy",
        "random",
    ),
    case(
        SERVICE,
        "    web: { loadBalancer: { servers: [ { url: 'http://10.0.0.7' } ], serverTransport: x } }",
        &["service web"],
        Code::UnknownOption,
        "http.services.web.loadBalancer.serverTransport",
        "serversTransport: x",
    ),
    case(
        SERVICE,
        "    we@b: { loadBalancer: { servers: [ { url: 'http://10.0.0.7' } ] } }",
        &["service we@b"],
        Code::BadName,
        "http.services.we@b",
        "cannot contain @",
    ),
    // middlewares
    case(
        MIDDLEWARE,
        "    strip: { stripPrefx: { prefixes: [/x] } }",
        &["middleware strip"],
        Code::UnknownOption,
        "http.middlewares.strip.stripPrefx",
        "stripPrefix",
    ),
    case(
        MIDDLEWARE,
        "    strip: { stripPrefix: { prefix: [/x] } }",
        &["middleware strip"],
        Code::UnknownOption,
        "http.middlewares.strip.stripPrefix.prefix",
        "prefixes",
    ),
    case(
        MIDDLEWARE,
        "    strip: {}",
        &["middleware strip"],
        Code::MiddlewareTypeCount,
        "http.middlewares.strip",
        "no type",
    ),
    case(
        MIDDLEWARE,
        "    strip: { stripPrefix: { prefixes: [/x] }, addPrefix: { prefix: /y } }",
        &["middleware strip"],
        Code::MiddlewareTypeCount,
        "http.middlewares.strip",
        "has 2",
    ),
    case(
        MIDDLEWARE,
        "    strip: stripPrefix",
        &["middleware strip"],
        Code::StandaloneSection,
        "http.middlewares.strip",
        "options stand below a middleware",
    ),
    case(
        MIDDLEWARE,
        "    strip: { stripPrefix: /x }",
        &["middleware strip"],
        Code::StandaloneSection,
        "http.middlewares.strip.stripPrefix",
        "options stand below",
    ),
    case(
        MIDDLEWARE,
        "    strip: { chain: { middlewares: [] } }",
        &["middleware strip"],
        Code::BadMiddleware,
        "http.middlewares.strip.chain",
        "the chain is empty",
    ),
    case(
        MIDDLEWARE,
        "    strip: { redirectScheme: { scheme: https, permanent: sometimes } }",
        &["middleware strip"],
        Code::BadValue,
        "http.middlewares.strip.redirectScheme.permanent",
        "true or false",
    ),
    case(
        MIDDLEWARE,
        "    strip: { headers: { customRequestHeaders: { X-One: [a, b] } } }",
        &["middleware strip"],
        Code::UnknownOption,
        "http.middlewares.strip.headers.customRequestHeaders.X-One[0]",
        "nothing called `[0]`",
    ),
    case(
        MIDDLEWARE,
        "    strip: { headers: { customRequestHeaders: { X-One: } } }",
        &["middleware strip"],
        Code::BadValue,
        "http.middlewares.strip.headers.customRequestHeaders.X-One",
        "a text is expected",
    ),
    case(
        MIDDLEWARE,
        "    strip: { plugin: { dev: { a: b } } }",
        &["middleware strip"],
        Code::NotSupportedYet,
        "http.middlewares.strip.plugin",
        "does not work yet",
    ),
    case(
        MIDDLEWARE,
        "    str@ip: { stripPrefix: { prefixes: [/x] } }",
        &["middleware str@ip"],
        Code::BadName,
        "http.middlewares.str@ip",
        "cannot contain @",
    ),
    // above the names: it could be any router's
    case(
        MIDDLEWARE,
        "  middelwares: { a: { stripPrefix: { prefixes: [/x] } } }",
        ALL,
        Code::UnassignableLabel,
        "http.middelwares",
        "http.middlewares",
    ),
    case(
        MIDDLEWARE,
        "  router: { a: { rule: Host(`a`) } }",
        ALL,
        Code::UnassignableLabel,
        "http.router",
        "http.routers",
    ),
    case(MIDDLEWARE, "htpp: { middlewares: { a: {} } }", ALL, Code::UnassignableLabel, "htpp", "http"),
    case(
        MIDDLEWARE,
        "routers: { a: { rule: Host(`a`) } }",
        ALL,
        Code::UnassignableLabel,
        "routers",
        "nothing called `routers`",
    ),
    case(
        8,
        "  middlewares: [ { name: a } ]\n  x: {}",
        ALL,
        Code::UnassignableLabel,
        "http.middlewares",
        "names with options",
    ),
    case(8, "  middlewares: all\n  x: {}", ALL, Code::UnassignableLabel, "http.middlewares", "names with options"),
    case(
        ROUTER,
        "    web: { rule: Host(`web`), service: web }\n    middlewares: [strip]",
        ALL,
        Code::UnassignableLabel,
        "http.routers.middlewares",
        "stands beside the routers",
    )
    .below(1),
    case(
        ROUTER,
        "    web: { rule: Host(`web`), service: web }\n    tls: {}",
        ALL,
        Code::UnassignableLabel,
        "http.routers.tls",
        "stands beside the routers",
    )
    .below(1),
    case(
        SERVICE,
        "    web: { loadBalancer: { servers: [ { url: 'http://10.0.0.7' } ] } }\n    middlewares: [strip]",
        ALL,
        Code::UnassignableLabel,
        "http.services.middlewares",
        "stands beside the services",
    )
    .below(1),
    // servers transports
    case(
        MIDDLEWARE,
        "  serversTransports: { own: { serverNam: a } }",
        &["transport own"],
        Code::UnknownOption,
        "http.serversTransports.own.serverNam",
        "serverName: a",
    ),
    case(
        MIDDLEWARE,
        "  serversTransports: { own: { insecureSkipVerify: maybe } }",
        &["transport own"],
        Code::BadValue,
        "http.serversTransports.own.insecureSkipVerify",
        "true or false",
    ),
    case(
        MIDDLEWARE,
        "  serversTransports: { o@wn: { serverName: a } }",
        &["transport o@wn"],
        Code::BadName,
        "http.serversTransports.o@wn",
        "cannot contain @",
    ),
    // what is known and does not work yet
    case(
        MIDDLEWARE,
        "tcp: { routers: { a: { rule: HostSNI(`*`) } } }",
        &[],
        Code::NotSupportedYet,
        "tcp",
        "TCP and UDP",
    ),
    case(
        MIDDLEWARE,
        "udp: { services: { a: { loadBalancer: {} } }, routers: { a: { service: a } } }",
        &[],
        Code::NotSupportedYet,
        "udp",
        "TCP and UDP",
    ),
    case(
        MIDDLEWARE,
        "tls: { certificates: [ { certFile: /a, keyFile: /b } ] }",
        &[],
        Code::NotSupportedYet,
        "tls",
        "HTTPS",
    ),
    case(
        MIDDLEWARE,
        "entryPoints: { web: { address: ':80' } }",
        &[],
        Code::UnknownOption,
        "entryPoints",
        "static option",
    ),
];

#[test]
fn each_fault_takes_down_what_it_can_belong_to_and_nothing_else() {
    for case in CASES {
        let lines: Vec<&str> =
            FRAME.lines().enumerate().map(|(n, l)| if n + 1 == case.at { case.with } else { l }).collect();
        // A section without members would be told as well.
        let keep = |line: &&str| !(case.with.starts_with(|c: char| c != ' ') && line.trim() == "middlewares:");
        let blank = |line: &str| if keep(&line) { line.to_owned() } else { "# none".to_owned() };
        let mut text = lines.iter().map(|line| blank(line)).collect::<Vec<_>>().join("\n");
        if case.with.starts_with("  ") && !case.with.starts_with("    ") && case.at == MIDDLEWARE {
            text = text.replacen("  middlewares:\n", "# none\n", 1);
        }
        if case.at == 8 {
            text = lines.iter().take(8).copied().collect::<Vec<_>>().join("\n");
        }
        let found =
            read_dynamic(Format::Yaml, "file", "a.yml", &text, &|_| None).unwrap_or_else(|e| panic!("{text}: {e}"));
        let told = found.diagnostics.iter().find(|d| d.code == case.code && *d.origin.key == *case.key);
        let told = told.unwrap_or_else(|| panic!("{}: {:#?}", case.with, found.diagnostics));
        assert_eq!(off(&found), case.off, "{}: {told}", case.with);
        assert_eq!(&*told.origin.resource, format!("a.yml:{}", case.line), "{}", case.with);
        let says = told.message.contains(case.says) || told.fix.contains(case.says);
        assert!(says, "{}: {told}", case.with);
        assert!(!told.consequence.is_empty(), "{told}");
        assert_eq!(told.severity == Severity::Error, !case.off.is_empty(), "{told}");
        if case.off != ALL {
            assert_eq!(router_off(&found, "bare"), None, "{}", case.with);
        }
    }
    assert!(CASES.len() >= 60, "{}", CASES.len());
}

#[test]
fn what_is_no_tree_is_one_fault_with_a_line() {
    for (format, text, line, says) in [
        (Format::Yaml, "http:\n  routers: {\n", 3, ""),
        (Format::Yaml, "http:\n  routers:\n    a: {}\n    a: {}\n", 4, "a"),
        (Format::Yaml, "http:\n\trouters: {}\n", 2, ""),
        (Format::Yaml, "- a\n- b\n", 1, "options by name"),
        (Format::Yaml, "http: &a { b: *a }\n", 1, "alias"),
        (Format::Toml, "[http\n", 1, ""),
        (Format::Toml, "[http]\na = 1\na = 2\n", 3, "duplicate"),
        (Format::Toml, "[http]\na = \n", 2, ""),
    ] {
        let fault = read_dynamic(format, "file", "a.yml", text, &|_| None).unwrap_err();
        assert_eq!(fault.code, Code::UnreadableFile, "{fault}");
        assert_eq!(&*fault.origin.resource, format!("a.yml:{line}"), "{text:?}: {fault}");
        assert!(fault.message.contains(says), "{text:?}: {fault}");
    }
    let template = read_dynamic(Format::Yaml, "file", "a.yml", "a:\n b: {{ template \"x\" }}", &|_| None).unwrap_err();
    assert_eq!((template.code, &*template.origin.resource), (Code::BadTemplate, "a.yml:2"));
}

#[test]
fn a_hundred_faults_are_told_and_the_rest_are_counted() {
    let routers: String = (0..150).map(|n| format!("    r{n}: {{ rul: x }}\n")).collect();
    let found = yaml(&format!("http:\n  routers:\n{routers}"));
    assert_eq!(found.routers.values().filter(|r| r.quarantine.is_some()).count(), 150, "told or not");
    assert_eq!(found.diagnostics.len(), 101);
}

#[test]
fn objects_may_be_called_like_options() {
    let found = yaml(
        "http:
  routers: { service: { rule: Host(`a`), service: weighted }, tls: { rule: Host(`b`), service: weighted } }
  services: { weighted: { loadBalancer: { servers: [ { url: 'http://a' } ] } } }
  middlewares: { headers: { addPrefix: { prefix: /a } } }
",
    );
    assert!(found.diagnostics.is_empty() && off(&found).is_empty(), "{found:#?}");
}

/// Each line of this says one thing.
const GUARDED: &str = "http:
  routers:
    web:
      rule: Host(`web`)
      middlewares:
        - guard
      service: web
    toml:
      rule: Host(`toml`)
      middlewares: [guard, strip]
      service: web
  services:
    web:
      loadBalancer:
        servers:
          - url: http://10.0.0.7
  middlewares:
    guard:
      addPrefix:
        prefix: /guarded
    strip:
      stripPrefix:
        prefixes: [/x]
";

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(3000))]

    /// Whatever one slip does to the file, no router that still takes those requests has lost its guard.
    #[test]
    fn no_slip_opens_a_router(
        at in 0..GUARDED.len(),
        cut in 0usize..5,
        put in proptest::prop_oneof!["", "[a-z :,\\-\\[\\]{}'\"`@.&*!|>\n]{1,2}"],
    ) {
        let end = (at + cut).min(GUARDED.len());
        let text = format!("{}{put}{}", &GUARDED[..at], &GUARDED[end..]);
        let Ok(found) = read_dynamic(Format::Yaml, "file", "a.yml", &text, &|_| None) else { return Ok(()) };
        for rule in ["Host(`web`)", "Host(`toml`)"] {
            for (name, router) in found.routers.iter().filter(|(_, router)| router.value.rule.trim() == rule) {
                let has_guard = !router.value.middlewares.is_empty();
                let was_cut = cut > 0 && GUARDED[at..end].contains('\n');
                // Nothing at all behind the name is Traefik's word for none, and that is said.
                let key = format!("http.routers.{name}.middlewares");
                let is_told = found.diagnostics.iter().any(|d| *d.origin.key == *key);
                proptest::prop_assert!(has_guard || was_cut || is_told || router.quarantine.is_some(), "{name} in\n{text}");
            }
        }
    }

    #[test]
    fn no_text_is_too_much(text in "([ a-z:,\\-\\[\\]{}'\"`@.&*!|>\n\t#]|http:|routers:|services:|\\{\\{|\\}\\}){0,60}") {
        for format in [Format::Yaml, Format::Toml] {
            drop(read_dynamic(format, "file", "a.yml", &text, &|_| None));
        }
    }
}
