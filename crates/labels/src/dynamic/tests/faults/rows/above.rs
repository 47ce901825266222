//! Faults that could be any object's, servers transports, and what does not work yet.

use super::{ALL, Case, MIDDLEWARE, ROUTER, SERVICE, case};
use seaway_config::Code;

pub(in super::super) const ABOVE: &[Case] = &[
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
