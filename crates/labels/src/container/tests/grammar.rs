//! What well-formed labels mean.

use super::*;
use std::time::Duration;

#[test]
fn router_options() {
    let decoded = http(&[
        "routers.web.rule=Host(`a.test`) && PathPrefix(`/x`)",
        "routers.web.rulesyntax=v3",
        "routers.web.entrypoints= web , websecure,,",
        "routers.web.middlewares=auth@file, strip",
        "routers.web.service=api@internal",
        "routers.web.priority=-42",
        "routers.web.observability.accesslogs=F",
        "routers.web.observability.metrics=1",
        "routers.web.observability.tracing=true",
        "routers.web.observability.traceverbosity=detailed",
    ]);
    assert_eq!(decoded.diagnostics, vec![]);
    let router = &decoded.routers["web"].value;
    assert_eq!(router.rule, "Host(`a.test`) && PathPrefix(`/x`)");
    assert_eq!(router.entry_points, ["web", "websecure"]);
    assert_eq!(router.middlewares, ["auth@file", "strip"]);
    assert_eq!((router.service.as_str(), router.priority), ("api@internal", -42));
    let seen = router.observability.as_ref().unwrap();
    assert_eq!((seen.access_logs, seen.metrics, seen.tracing), (Some(false), Some(true), Some(true)));
    assert_eq!(decoded.routers["web"].origin.resource.as_ref(), "web-1");
    assert_eq!(
        decoded.routers["web"].origin.key.as_ref(),
        "traefik.http.routers.web.entrypoints",
        "the first in order"
    );
    assert!(!decoded.http_refused && decoded.quarantine_all.is_none());
}

#[test]
fn service_options() {
    let decoded = http(&[
        "services.s.loadbalancer.server.port=8080",
        "services.s.loadbalancer.server.scheme=HTTP",
        "services.s.loadbalancer.server.weight=3",
        "services.s.loadbalancer.server.preservepath=true",
        "services.s.loadbalancer.passhostheader=false",
        "services.s.loadbalancer.strategy=wrr",
        "services.s.loadbalancer.responseforwarding.flushinterval=-1ms",
        "services.s.loadbalancer.sticky.cookie.name=api_sticky",
        "services.s.loadbalancer.sticky.cookie.secure=true",
        "services.s.loadbalancer.sticky.cookie.httponly=true",
        "services.s.loadbalancer.sticky.cookie.samesite=Strict",
        "services.s.loadbalancer.sticky.cookie.maxage=-1",
        "services.s.loadbalancer.sticky.cookie.path=",
        "services.s.loadbalancer.sticky.cookie.domain=a.test",
        "services.s.middlewares=limit",
    ]);
    assert_eq!(decoded.diagnostics, vec![]);
    let service = &decoded.services["s"].value;
    assert_eq!(service.middlewares, ["limit"]);
    let balancer = service.load_balancer.as_ref().unwrap();
    assert_eq!((balancer.server.port.as_str(), balancer.server.scheme.as_str()), ("8080", "http"));
    assert_eq!((balancer.server.weight, balancer.server.preserve_path), (3, true));
    assert!(!balancer.pass_host_header);
    let expected = StickyCookie {
        name: "api_sticky".to_owned(),
        secure: true,
        http_only: true,
        same_site: "strict".to_owned(),
        max_age: -1,
        path: Some(String::new()),
        domain: "a.test".to_owned(),
    };
    assert_eq!(balancer.sticky.as_ref().unwrap().cookie, Some(expected));
}

#[test]
fn service_defaults() {
    let decoded = http(&["services.s.loadbalancer.server.port=80"]);
    let balancer = decoded.services["s"].value.load_balancer.clone().unwrap();
    assert!(balancer.pass_host_header && balancer.sticky.is_none());
    assert_eq!(
        (balancer.strategy.as_str(), balancer.server.scheme.as_str(), balancer.server.weight),
        ("wrr", "http", 1)
    );
}

#[test]
fn how_servers_are_chosen_asked_and_connected_to() {
    let decoded = http(&[
        "services.s.loadbalancer.strategy=leasttime",
        "services.s.loadbalancer.server.scheme=HTTPS",
        "services.s.loadbalancer.serverstransport=own@file",
        "services.s.loadbalancer.healthcheck.path=/up",
        "services.s.loadbalancer.passivehealthcheck.maxfailedattempts=3",
    ]);
    assert_eq!((service_off(&decoded, "s"), &*decoded.diagnostics), (None, &[][..]));
    let balancer = decoded.services["s"].value.load_balancer.clone().unwrap();
    assert_eq!(
        (&*balancer.strategy, &*balancer.server.scheme, &*balancer.servers_transport),
        ("leasttime", "https", "own@file")
    );
    assert_eq!(balancer.passive_health_check.unwrap().max_failed_attempts, 3);
}

#[test]
fn server_url_alone() {
    let decoded = http(&["services.s.loadbalancer.server.url=http://1.2.3.4:5678"]);
    assert_eq!(service_off(&decoded, "s"), None);
    assert_eq!(decoded.services["s"].value.load_balancer.as_ref().unwrap().server.url, "http://1.2.3.4:5678");
}

#[test]
fn middleware_types() {
    let decoded = http(&[
        "middlewares.add.addprefix.prefix=/x",
        "middlewares.strip.stripprefix.prefixes=/a, /b",
        "middlewares.path.replacepath.path=/p",
        "middlewares.regex.replacepathregex.regex=^/(.*)",
        "middlewares.regex.replacepathregex.replacement=/$1",
        "middlewares.head.headers.customrequestheaders.X-Foo=bar",
        "middlewares.head.headers.customresponseheaders.Server=",
        "middlewares.tls.redirectscheme.scheme=https",
        "middlewares.tls.redirectscheme.permanent=true",
        "middlewares.move.redirectregex.regex=^http://a/(.*)",
        "middlewares.move.redirectregex.replacement=http://b/${1}",
        "middlewares.all.chain.middlewares=add,strip@file",
    ]);
    assert_eq!(decoded.diagnostics, vec![]);
    let kinds: Vec<_> = decoded.middlewares.iter().map(|(name, m)| (name.as_str(), m.value.kind())).collect();
    let expected = [
        ("add", "addprefix"),
        ("all", "chain"),
        ("head", "headers"),
        ("move", "redirectregex"),
        ("path", "replacepath"),
        ("regex", "replacepathregex"),
        ("strip", "stripprefix"),
        ("tls", "redirectscheme"),
    ];
    assert_eq!(kinds, expected);
    let headers = Headers {
        custom_request_headers: [("X-Foo".to_owned(), "bar".to_owned())].into(),
        custom_response_headers: [("Server".to_owned(), String::new())].into(),
        ..Headers::default()
    };
    assert_eq!(decoded.middlewares["head"].value, Middleware::Headers(headers), "keys keep their spelling");
    let Middleware::StripPrefix(strip) = &decoded.middlewares["strip"].value else { panic!("a stripPrefix") };
    assert_eq!(strip.prefixes, ["/a", "/b"]);
}

#[test]
fn names_and_options_without_regard_to_case() {
    let decoded = decode(&["traefik.HTTP.Routers.Web.RULE=Host(`a`)", "traefik.http.routers.web.entryPoints=web"]);
    assert_eq!(decoded.diagnostics, vec![]);
    assert_eq!(decoded.routers.keys().collect::<Vec<_>>(), ["Web"], "the first spelling in byte order");
    assert_eq!(decoded.routers["Web"].value.entry_points, ["web"]);
}

#[test]
fn keys_that_differ_in_case_only() {
    let decoded = http(&["routers.web.PRIORITY=1", "routers.web.priority=2"]);
    assert_eq!(decoded.routers["web"].value.priority, 2);
    assert_eq!(codes(&decoded), [Code::DuplicateLabel]);
    assert_eq!(decoded.diagnostics[0].severity, Severity::Warning);
    assert_eq!(router_off(&decoded, "web"), None);
    let decoded = http(&["routers.web.Middlewares=guard", "routers.web.middlewares="]);
    assert_eq!(router_off(&decoded, "web"), Some(Code::DuplicateLabel), "the later one would take the guard away");
}

#[test]
fn durations_are_seconds_or_go() {
    let decoded = http(&[
        "services.s.loadbalancer.healthcheck.interval=10",
        "services.s.loadbalancer.healthcheck.timeout=1m2.5s",
    ]);
    let check = decoded.services["s"].value.load_balancer.clone().unwrap().health_check.unwrap();
    assert_eq!((check.interval, check.timeout), (Duration::from_secs(10), Duration::from_millis(62_500)));
}

#[test]
fn indexed_lists() {
    let decoded = http(&["routers.web.entrypoints[0]=a", "routers.web.entrypoints[1]=b", "routers.web.middlewares="]);
    assert_eq!(decoded.diagnostics, vec![]);
    assert_eq!(decoded.routers["web"].value.entry_points, ["a", "b"]);
    assert!(decoded.routers["web"].value.middlewares.is_empty(), "an empty text leaves the list unset");
    let decoded = http(&["routers.web.entrypoints[999999999]=a"]);
    assert_eq!(decoded.routers["web"].value.entry_points, ["a"], "no allocation by index");
}

#[test]
fn sections_that_may_stand_alone() {
    let cookie = |value: &str| {
        let decoded = http(&[
            &format!("services.s.loadbalancer.sticky.cookie={value}"),
            "services.s.loadbalancer.sticky.cookie.name=c",
        ]);
        assert_eq!(service_off(&decoded, "s"), None);
        decoded.services["s"].value.load_balancer.clone().unwrap().sticky.unwrap().cookie.map(|c| c.name)
    };
    for on in ["true", "TRUE", ""] {
        assert_eq!(cookie(on).as_deref(), Some("c"), "{on:?}");
    }
    for off in ["false", "0", "banana"] {
        assert_eq!(cookie(off), None, "{off:?}: the section is off, children and all");
    }
}

#[test]
fn sticky_alone_has_no_cookie_and_says_so() {
    let decoded = http(&["services.s.loadbalancer.sticky=true"]);
    assert_eq!(decoded.services["s"].value.load_balancer.as_ref().unwrap().sticky.as_ref().unwrap().cookie, None);
    assert_eq!(service_off(&decoded, "s"), None);
    assert_eq!(codes(&decoded), [Code::StandaloneSection]);
}

#[test]
fn provider_labels() {
    let decoded = decode(&[
        "traefik.enable=T",
        "traefik.docker.network=front",
        "traefik.docker.lbswarm=true",
        "traefik.docker.AllowNonRunning=true",
    ]);
    assert_eq!(decoded.diagnostics, vec![]);
    assert_eq!(
        (decoded.enable, decoded.network.as_deref(), decoded.allow_non_running),
        (Some(true), Some("front"), true)
    );
    let decoded = decode(&["seaway.enable=false", "traefik.enable=true", "seaway.docker.network=own"]);
    assert_eq!((decoded.enable, decoded.network.as_deref()), (Some(false), Some("own")));
    assert_eq!(decode(&[]), Decoded::default());
}

#[test]
fn other_labels_are_ignored() {
    let decoded = decode(&["traefik.wrong.label=42", "traefik.random.value=x", "com.docker.compose.service=web"]);
    assert_eq!(decoded, Decoded::default());
    let decoded = decode(&["seaway.random.value=x"]);
    assert_eq!(codes(&decoded), [Code::UnknownOption], "under our own root nobody else can mean it");
    assert!(!decoded.http_refused && decoded.quarantine_all.is_none());
}

#[test]
fn tcp_udp_and_stores_are_recognised_once() {
    let decoded = decode(&[
        "traefik.tcp.routers.a.rule=HostSNI(`*`)",
        "traefik.tcp.services.a.loadbalancer.server.port=1",
        "traefik.udp.routers.b.entrypoints=dns",
    ]);
    assert!(decoded.tcp_udp && !decoded.http_refused);
    assert_eq!(codes(&decoded), [Code::NotSupportedYet]);
    let decoded = decode(&["traefik.tls.stores.default.defaultgeneratedcert.resolver=le"]);
    assert_eq!(codes(&decoded), [Code::NotSupportedYet]);
    let decoded = http(&["serversTransports.x.insecureskipverify=true", "routers.web.rule=Host(`a`)"]);
    assert_eq!((codes(&decoded), router_off(&decoded, "web")), (vec![Code::NotSupportedYet], None));
}

#[test]
fn the_own_root_wins_field_by_field() {
    let decoded = decode(&[
        "traefik.http.routers.web.rule=Host(`a`)",
        "traefik.http.routers.web.middlewares=auth",
        "traefik.http.routers.web.priority=1",
        "seaway.http.routers.web.priority=2",
        "seaway.http.routers.Web.middlewares= , ",
        "seaway.http.services.web.loadbalancer.server.port=81",
        "traefik.http.services.web.loadbalancer.server.port=80",
        "traefik.http.services.web.loadbalancer.server.weight=7",
    ]);
    assert_eq!(decoded.diagnostics, vec![]);
    let router = &decoded.routers["web"].value;
    assert_eq!((router.rule.as_str(), router.priority), ("Host(`a`)", 2));
    assert_eq!(router.middlewares, ["auth"], "an empty list never takes a middleware away");
    let server = &decoded.services["web"].value.load_balancer.as_ref().unwrap().server;
    assert_eq!((server.port.as_str(), server.weight), ("81", 7));
    let decoded = decode(&["traefik.http.routers.web.middlewares=a", "seaway.http.routers.web.middlewares=b,c"]);
    assert_eq!(decoded.routers["web"].value.middlewares, ["b", "c"]);
}

#[test]
fn text_is_literal() {
    let decoded = http(&["middlewares.h.headers.customrequestheaders.X=\t{{ .Name }} $1 ` é"]);
    let Middleware::Headers(headers) = &decoded.middlewares["h"].value else { panic!("headers") };
    assert_eq!(headers.custom_request_headers["X"], "\t{{ .Name }} $1 ` é");
    let decoded = http(&["routers.web.rule=Host(`a`) ||\n  Host(`b`)\n"]);
    assert_eq!(router_off(&decoded, "web"), None, "rules may stretch over lines");
}
