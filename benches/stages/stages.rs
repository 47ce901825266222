//! The stages of a request, one after the other.

use std::time::{Duration, UNIX_EPOCH};

use http::{HeaderMap, HeaderValue, StatusCode, Version};
use seaway_head::{ResponseHead, hop};
use seaway_middleware::protocol::{Asked, CameFrom, Length};
use seaway_middleware::{Back, Came, Context, Flow, Memory};
use seaway_routing::{EntryPointTable, Pick, RoutingTable, Service, Tried, Want};
use seaway_telemetry::{Filters, Format, Record, Sink, Writer};

use crate::measure::{Mode, each};
use crate::world::{self, BEHIND_PROXY, BROWSER, ENTRY_POINT, Heads, PROGRAM, Raw};

/// One stage.
pub(crate) struct Stage {
    pub(crate) name: &'static str,
    pub(crate) what: &'static str,
    /// Told, not judged.
    pub(crate) informative: bool,
    pub(crate) run: fn(Mode) -> f64,
}

const fn stage(name: &'static str, what: &'static str, run: fn(Mode) -> f64) -> Stage {
    Stage { name, what, informative: false, run }
}

const fn told(name: &'static str, what: &'static str, run: fn(Mode) -> f64) -> Stage {
    Stage { name, what, informative: true, run }
}

/// All of them.
pub(crate) const STAGES: &[Stage] = &[
    stage("head/browser", "judge, strip, forwarded headers; 10 headers", |m| head(m, BROWSER, false)),
    stage("head/program", "the same with 3 headers", |m| head(m, PROGRAM, false)),
    stage("head/behind-proxy", "the same from a proxy that is believed", |m| head(m, BEHIND_PROXY, true)),
    stage("lookup/1/hit", "the only route's host", |m| lookup(m, 1, Some(0))),
    stage("lookup/1/none", "hosts that nobody has", |m| lookup(m, 1, None)),
    stage("lookup/1000/first", "the first of 1,000 hosts", |m| lookup(m, 1000, Some(0))),
    stage("lookup/1000/last", "the last of 1,000 hosts", |m| lookup(m, 1000, Some(999))),
    stage("lookup/1000/none", "none of 1,000 hosts", |m| lookup(m, 1000, None)),
    stage("lookup/1000/each", "another of 1,000 hosts each time", |m| lookup_each(m, 1000)),
    stage("lookup/10000/first", "the first of 10,000 hosts", |m| lookup(m, 10_000, Some(0))),
    stage("lookup/10000/last", "the last of 10,000 hosts", |m| lookup(m, 10_000, Some(9_999))),
    stage("lookup/10000/none", "none of 10,000 hosts", |m| lookup(m, 10_000, None)),
    stage("lookup/10000/each", "another of 10,000 hosts each time", |m| lookup_each(m, 10_000)),
    stage("lookup/paths", "one host, ten path prefixes, the last one", lookup_paths),
    stage("lookup/wildcards", "Host(`*.…`), the last of 1,000", lookup_wildcards),
    stage("lookup/catch-all", "1,000 hosts and a catch-all of lower priority; the last host", lookup_catch_all),
    stage("pick/plain", "4 servers in turn", |m| pick(m, world::hosts(1), "")),
    stage("pick/sticky-hit", "the cookie's server of 4", |m| pick(m, world::sticky(), "hit")),
    stage("pick/sticky-new", "4 servers, no cookie yet", |m| pick(m, world::sticky(), "")),
    stage("rewrite/request", "X-Forwarded-For, right before sending", rewrite_plain),
    stage("rewrite/response", "hop-by-hop headers of a response", rewrite_response),
    stage("rewrite/5-middlewares", "request and response side of five", rewrite_middlewares),
    stage("log/common", "one line, through a lane", |m| log(m, Format::Common)),
    stage("log/json", "one line, through a lane", |m| log(m, Format::Json)),
    stage("log/seaway", "one line, through a lane", |m| log(m, Format::Seaway { colour: false })),
    told("compile/10000", "a table of 10,000 routers and services from nothing", compile),
];

/// Operations that are counted.
const TIMES: u32 = 200;

fn head(mode: Mode, lines: &[(&str, &str)], trusted: bool) -> f64 {
    let heads = Heads::new(lines, "app-00000.example.com", "sticky=0123456789abcdef", "/api/users/42?fields=name");
    let mut judge = world::judge();
    let forwarding = world::forwarding(trusted);
    each(
        mode,
        TIMES,
        |_| heads.raw(),
        |Raw { method, uri, headers }| judge.admit(method, &uri, Version::HTTP_11, headers, &forwarding).unwrap(),
    )
}

fn lookup(mode: Mode, count: usize, hit: Option<usize>) -> f64 {
    let table = world::table(world::hosts(count));
    let hosts = match hit {
        Some(n) => vec![world::host(n)],
        // Some of them meet a host by chance that does exist: that is part of what it costs.
        None => (0..100).map(|n| format!("not-{n:05}.example.com")).collect(),
    };
    find(mode, &table, &hosts, "/api/users/42?fields=name", hit.is_some())
}

fn lookup_each(mode: Mode, count: usize) -> f64 {
    let table = world::table(world::hosts(count));
    // A stride that visits all of them, no two neighbours one after the other.
    let hosts: Vec<_> = (0..count).map(|n| world::host(n * 7_919 % count)).collect();
    find(mode, &table, &hosts, "/api/users/42?fields=name", true)
}

fn lookup_paths(mode: Mode) -> f64 {
    let rule = |n| format!("Host(`{}`) && PathPrefix(`/part-{n}/`)", world::host(0));
    find(mode, &world::table(world::rules(10, rule)), &[world::host(0)], "/part-9/users/42", true)
}

fn lookup_wildcards(mode: Mode) -> f64 {
    let table = world::table(world::rules(1000, |n| format!("Host(`*.{}`)", world::host(n))));
    find(mode, &table, &[format!("blue.{}", world::host(999))], "/api/users/42", true)
}

fn lookup_catch_all(mode: Mode) -> f64 {
    let rule = |n| if n == 1000 { "PathPrefix(`/`)".to_owned() } else { format!("Host(`{}`)", world::host(n)) };
    find(mode, &world::table(world::rules(1001, rule)), &[world::host(999)], "/api/users/42", true)
}

fn find(mode: Mode, table: &RoutingTable, hosts: &[String], target: &str, hit: bool) -> f64 {
    let heads: Vec<_> = hosts.iter().map(|host| Heads::new(PROGRAM, host, "", target).judged()).collect();
    let find = |entry: &EntryPointTable, n: u32| entry.find(&heads[n as usize % heads.len()]).is_some();
    assert_eq!(find(table.entry_points.get(ENTRY_POINT).unwrap(), 0), hit);
    let times = TIMES.max(u32::try_from(heads.len()).unwrap());
    each(mode, times, |n| n, |n| table.entry_points.get(ENTRY_POINT).is_some_and(|entry| find(entry, n)))
}

fn pick(mode: Mode, config: seaway_config::model::Config, cookie: &str) -> f64 {
    let table = world::table(config);
    let service: &Service = &table.services[0];
    let value = match (cookie, &service.sticky) {
        ("hit", Some(sticky)) => {
            let text = sticky.set_cookie(2).to_str().unwrap();
            text.split(';').next().unwrap().to_owned()
        }
        _ => "other=1".to_owned(),
    };
    let head = Heads::new(BROWSER, &world::host(0), &value, "/").judged();
    each(
        mode,
        TIMES,
        |_| (),
        |()| match service.pick(&head, &Tried::default(), Want::Ready) {
            Pick::Server(picked) => picked,
            Pick::None(none) => panic!("{none:?}"),
        },
    )
}

fn rewrite_plain(mode: Mode) -> f64 {
    let heads = Heads::new(BROWSER, &world::host(0), "a=b", "/api/users/42?fields=name");
    let forwarding = world::forwarding(false);
    each(
        mode,
        TIMES,
        |_| (heads.judged(), Vec::with_capacity(64)),
        |(head, mut out)| {
            forwarding.write_list(head.headers.get("x-forwarded-for"), &mut out);
            (head, out)
        },
    )
}

fn rewrite_response(mode: Mode) -> f64 {
    each(
        mode,
        TIMES,
        |_| response(),
        |mut headers| {
            hop::strip_response(&mut headers);
            headers
        },
    )
}

fn rewrite_middlewares(mode: Mode) -> f64 {
    let table = world::table(world::middlewares());
    let chain = &table.entry_points.get(ENTRY_POINT).unwrap().routes[0].chain;
    assert_eq!(chain.len(), 5);
    let heads = Heads::new(BROWSER, &world::host(0), "a=b", "/api/users/42?fields=name");
    each(
        mode,
        TIMES,
        |_| (heads.judged(), response()),
        |(mut head, mut headers)| {
            let method = head.method.clone();
            let (mut memory, mut user, mut remember) = (Memory::Nothing, None, 0);
            let mut cx = Context {
                now: Duration::ZERO,
                asked: Asked { method: &method, target: None, host: None, body: Length::None, upgrade: false },
                certificates: &[],
                memory: &mut memory,
                user: &mut user,
                remember: &mut remember,
            };
            for middleware in chain {
                assert!(matches!(middleware.on_request(&mut head, &mut cx), Flow::Next));
            }
            let mut status = StatusCode::OK;
            let came = Came { from: CameFrom::Server, body: Length::Known(2), head_only: false, repeatable: true };
            for middleware in chain.iter().rev() {
                let mut head = ResponseHead { status: &mut status, headers: &mut headers };
                assert!(matches!(middleware.on_response(&mut head, &came, &mut cx), Back::Next));
            }
            (head, headers, status)
        },
    )
}

fn log(mode: Mode, format: Format) -> f64 {
    let writer = Writer::start(Sink::File("/dev/null".into()), format, Filters::default()).unwrap();
    let lane = writer.lane();
    let record = Record {
        start: UNIX_EPOCH + Duration::from_millis(1_790_000_000_123),
        duration: Duration::from_micros(3_142),
        status: 200,
        method: "GET",
        host: "app-00000.example.com",
        path_and_query: "/api/users/42?fields=name",
        protocol: "HTTP/1.1",
        scheme: "http",
        client_host: "192.168.1.10",
        client_port: 51_742,
        entry_point: ENTRY_POINT,
        router: Some("r00000@docker"),
        service: Some("s00000@docker"),
        server_name: Some("app-3"),
        server_url: Some("http://172.20.0.3:8080"),
        server_address: Some("172.20.0.3:8080"),
        response_bytes: 16_384,
        origin_status: Some(200),
        origin_duration: Duration::from_micros(2_900),
        attempts: 1,
        sticky: "hit",
        strategy: "wrr",
        request_count: 123_456,
        ..Record::default()
    };
    // When a buffer comes back from the writer depends on threads: counted runs end before the first one is handed over.
    let flush = mode == Mode::Time;
    let prepare = |n| {
        if flush && n % 32 == 0 {
            lane.flush();
        }
        n
    };
    let count =
        each(mode, TIMES, prepare, |n| lane.write(&Record { request_count: u64::from(n) + 123_456, ..record.clone() }));
    assert_eq!(writer.dropped(), 0);
    count
}

fn compile(mode: Mode) -> f64 {
    let config = std::sync::Arc::new(world::hosts(10_000));
    each(mode, 1, |_| (), |()| world::compile(&config))
}

fn response() -> HeaderMap {
    [
        ("date", "Fri, 20 Nov 2026 12:00:00 GMT"),
        ("connection", "keep-alive"),
        ("content-type", "text/html; charset=utf-8"),
        ("content-length", "16384"),
        ("cache-control", "private, max-age=0"),
        ("etag", "\"5f3c-61a8\""),
        ("vary", "accept-encoding"),
        ("server", "app"),
    ]
    .into_iter()
    .map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value)))
    .collect::<HeaderMap>()
}
