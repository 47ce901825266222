//! Who comes in, how often, and what browsers are told: the whole program in front of a fake engine.

use std::net::Ipv4Addr;
use std::path::Path;
use std::time::{Duration, Instant};

use seaway_testkit::engine::{FakeEngine, Spec};
use seaway_testkit::raw::{DEADLINE, RawClient, Response};
use seaway_testkit::upstream::{Behaviour, Step, Upstream};
use serde_json::Value;

use super::program::Program;

/// Routers by name, each for the host `<name>.test`, with the options of one middleware each.
struct World {
    program: Program,
    upstream: Upstream,
    engine: FakeEngine,
}

impl World {
    /// Waits until it routes; `open` has to be one of the routers.
    async fn start(flags: &[&str], middlewares: &[(&str, &[&str])]) -> Self {
        let engine = FakeEngine::unix().await;
        let upstream = Upstream::start("app", Behaviour::echo()).await;
        let mut spec = Spec::new("app").at("net", Ipv4Addr::LOCALHOST).port(upstream.address().port());
        for (name, options) in middlewares {
            spec = guarded(spec, name, options);
        }
        engine.run(spec);
        let endpoint = format!("--providers.docker.endpoint={}", engine.endpoint());
        let program = Program::start(&[&["--providers.docker=true", &endpoint], flags].concat(), &[]);
        let world = Self { program, upstream, engine };
        world.program.until_status("open.test", "/", 200).await;
        world
    }

    /// One request over a connection of its own.
    async fn ask(&self, name: &str, method: &str, path: &str, headers: &[&str]) -> Response {
        let mut client = RawClient::connect(self.program.web).await.unwrap();
        client.send(request(name, method, path, headers)).await.unwrap();
        client.response().await.unwrap()
    }

    /// Asks until the status is this one.
    async fn until(&self, name: &str, headers: &[&str], status: u16) -> Response {
        let until = Instant::now() + DEADLINE;
        loop {
            let response = self.ask(name, "GET", "/", headers).await;
            if response.status == status {
                return response;
            }
            assert!(Instant::now() < until, "{name}: {}, not {status}", response.start);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// What the upstream was sent last.
    fn sent(&self, name: &str) -> Vec<String> {
        let log = self.upstream.log();
        log.requests.last().unwrap().all(name).into_iter().map(str::to_owned).collect()
    }
}

fn guarded(spec: Spec, name: &str, options: &[&str]) -> Spec {
    let spec = spec.label(&format!("traefik.http.routers.{name}.rule"), &format!("Host(`{name}.test`)"));
    if options.is_empty() {
        return spec;
    }
    let spec = spec.label(&format!("traefik.http.routers.{name}.middlewares"), name);
    options.iter().fold(spec, |spec, option| {
        let (key, value) = option.split_once('=').unwrap();
        spec.label(&format!("traefik.http.middlewares.{name}.{key}"), value)
    })
}

fn request(name: &str, method: &str, path: &str, headers: &[&str]) -> String {
    let headers: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
    format!("{method} {path} HTTP/1.1\r\nHost: {name}.test\r\n{headers}Connection: close\r\n\r\n")
}

/// `anna:secret` and `bob:secret`, hashed in two ways.
const ANNA: &str = "anna:$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW";
const BOB: &str = "bob:$apr1$Xy./12$fPIrtl7KlE/xSeGwcFJAE1";
const ANNA_SAYS: &str = "Authorization: Basic YW5uYTpzZWNyZXQ=";
const BOB_SAYS: &str = "Authorization: Basic Ym9iOnNlY3JldA==";
const ANNA_ERRS: &str = "Authorization: Basic YW5uYTpzZWNyZXRz";

#[tokio::test(flavor = "multi_thread")]
async fn what_each_of_them_answers() {
    let users = format!("basicauth.users={ANNA},{BOB}");
    let world = World::start(
        &[],
        &[
            ("open", &[]),
            ("near", &["ipallowlist.sourcerange=127.0.0.0/8, 10.0.0.1"]),
            ("far", &["ipallowlist.sourcerange=10.0.0.0/8", "ipallowlist.rejectstatuscode=404"]),
            ("old", &["ipwhitelist.sourcerange=10.0.0.0/8"]),
            ("behind", &["ipallowlist.sourcerange=127.0.0.0/8", "ipallowlist.ipstrategy.depth=1"]),
            (
                "auth",
                &[&users, "basicauth.realm=my \"own\"", "basicauth.removeheader=true", "basicauth.headerfield=X-User"],
            ),
            ("digest", &["digestauth.users=anna:traefik:00000000000000000000000000000000"]),
            ("rate", &["ratelimit.average=1", "ratelimit.period=1h", "ratelimit.burst=2"]),
            ("head", &["headers.framedeny=true", "headers.contenttypenosniff=true", "headers.stsseconds=60"]),
            ("force", &["headers.stsseconds=60", "headers.forcestsheader=true"]),
            ("hosts", &["headers.allowedhosts=other.test"]),
            (
                "cors",
                &[
                    "headers.accesscontrolallowmethods=GET,PUT",
                    "headers.accesscontrolalloworiginlist=https://a.example",
                    "headers.accesscontrolmaxage=100",
                    "headers.addvaryheader=true",
                ],
            ),
            ("strip", &["stripprefixregex.regex=/v[0-9]+"]),
            ("chars", &["encodedcharacters.allowencodedpercent=true"]),
            ("cert", &["passtlsclientcert.pem=true"]),
        ],
    )
    .await;
    let preflight = &["Origin: https://a.example", "Access-Control-Request-Method: PUT"][..];
    let stranger = &["Origin: https://b.example", "Access-Control-Request-Method: PUT"][..];
    type Case<'a> = (&'a str, &'a str, &'a str, &'a [&'a str], u16, &'a [(&'a str, Option<&'a str>)]);
    let cases: [Case<'_>; 33] = [
        ("open", "GET", "/", &[], 200, &[("x-frame-options", None)]),
        ("near", "GET", "/", &[], 200, &[]),
        ("far", "GET", "/", &[], 404, &[]),
        ("far", "GET", "/", &["X-Forwarded-For: 10.0.0.1", "X-Real-Ip: 10.0.0.1"], 404, &[]),
        ("old", "GET", "/", &[], 403, &[]),
        ("behind", "GET", "/", &["X-Forwarded-For: 127.0.0.1"], 403, &[]),
        ("auth", "GET", "/", &[], 401, &[("www-authenticate", Some("Basic realm=\"my \\\"own\\\"\""))]),
        ("auth", "GET", "/", &[ANNA_ERRS], 401, &[]),
        ("auth", "GET", "/", &[ANNA_SAYS], 200, &[("www-authenticate", None)]),
        ("auth", "GET", "/", &[ANNA_SAYS], 200, &[]),
        ("auth", "GET", "/", &[BOB_SAYS], 200, &[]),
        ("auth", "GET", "/", &["Authorization: Bearer x"], 401, &[]),
        ("auth", "GET", "/", &["Authorization: Basic %%%"], 401, &[]),
        ("digest", "GET", "/", &[ANNA_SAYS], 401, &[]),
        ("digest", "GET", "/", &["Authorization: Digest username=\"anna\""], 401, &[]),
        ("rate", "GET", "/", &[], 200, &[]),
        ("rate", "GET", "/", &[], 200, &[]),
        ("rate", "GET", "/", &[], 429, &[("retry-after", Some("3600"))]),
        (
            "head",
            "GET",
            "/",
            &[],
            200,
            &[("x-frame-options", Some("DENY")), ("x-content-type-options", Some("nosniff"))],
        ),
        ("head", "GET", "/", &[], 200, &[("strict-transport-security", None)]),
        ("force", "GET", "/", &[], 200, &[("strict-transport-security", Some("max-age=60"))]),
        ("hosts", "GET", "/", &[], 500, &[]),
        (
            "cors",
            "OPTIONS",
            "/",
            preflight,
            200,
            &[
                ("access-control-allow-origin", Some("https://a.example")),
                ("access-control-allow-methods", Some("GET,PUT")),
                ("access-control-max-age", Some("100")),
                ("content-length", Some("0")),
            ],
        ),
        ("cors", "OPTIONS", "/", stranger, 200, &[("access-control-allow-origin", None)]),
        (
            "cors",
            "GET",
            "/",
            preflight,
            200,
            &[("access-control-allow-origin", Some("https://a.example")), ("vary", Some("Origin"))],
        ),
        ("cors", "GET", "/", &[], 200, &[("access-control-allow-origin", None), ("vary", Some("Origin"))]),
        ("strip", "GET", "/v12/a?b=c", &[], 200, &[]),
        ("strip", "GET", "/v12../a", &[], 400, &[]),
        ("chars", "GET", "/a%2Fb", &[], 400, &[]),
        ("chars", "GET", "/a%3Bb", &[], 400, &[]),
        ("chars", "GET", "/a%25b", &[], 200, &[]),
        ("chars", "GET", "/a/b", &[], 200, &[]),
        ("cert", "GET", "/", &["X-Forwarded-Tls-Client-Cert: forged"], 200, &[]),
    ];
    for (name, method, path, headers, status, fields) in cases {
        let response = world.ask(name, method, path, headers).await;
        assert_eq!(response.status, status, "{name} {method} {path} {headers:?}: {}", response.text());
        for (field, want) in fields {
            assert_eq!(response.field(field), *want, "{name} {method} {path} {headers:?}");
        }
    }
    for (name, status, body) in [
        ("far", 404, "Not Found"),
        ("auth", 401, "401 Unauthorized"),
        ("rate", 429, "Too Many Requests"),
        ("hosts", 500, "Bad Host"),
    ] {
        let response = world.ask(name, "GET", "/", &[]).await;
        assert_eq!((response.status, response.text().trim()), (status, body), "{name}");
    }
    world.ask("strip", "GET", "/v12/a?b=c", &[]).await;
    assert!(world.upstream.log().requests.last().unwrap().start().starts_with("GET /a?b=c "));
    assert_eq!(world.sent("x-forwarded-prefix"), ["/v12"]);
    world.ask("cert", "GET", "/", &["X-Forwarded-Tls-Client-Cert: forged"]).await;
    assert!(world.sent("x-forwarded-tls-client-cert").is_empty());
    world.ask("auth", "GET", "/", &[ANNA_SAYS, "X-User: root", "X_User: root"]).await;
    assert_eq!(world.sent("x-user"), ["anna"]);
    assert!(world.sent("authorization").is_empty() && world.sent("x_user").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn so_many_at_the_same_time_over_a_change_of_the_table() {
    let world = World::start(&[], &[("open", &[]), ("few", &["inflightreq.amount=2"])]).await;
    world.until("few", &[], 200).await;
    world.upstream.set(Behaviour::held());
    let mut running = Vec::new();
    for _ in 0..2 {
        let mut client = RawClient::connect(world.program.web).await.unwrap();
        client.send(request("few", "GET", "/held", &[])).await.unwrap();
        running.push(client);
    }
    let held = |log: &seaway_testkit::upstream::Log| {
        log.requests.iter().filter(|request| request.start().contains("/held")).count() == 2
    };
    world.upstream.wait_for("both are there", held).await;
    let refused = world.ask("few", "GET", "/", &[]).await;
    assert_eq!((refused.status, refused.text().as_str()), (429, "max connections reached: 2"));

    // Another table: those that run are still counted.
    world.engine.run(
        Spec::new("other")
            .label("traefik.http.routers.other.rule", "Host(`other.test`)")
            .at("net", Ipv4Addr::LOCALHOST)
            .port(9),
    );
    world.program.until("other.test", "/", |response| response.status != 404).await;
    assert_eq!(world.ask("few", "GET", "/", &[]).await.status, 429);

    // One that leaves without an answer gives its place free as well.
    drop(running.pop());
    world.upstream.set(Behaviour::echo());
    world.until("few", &[], 200).await;
    world.upstream.release();
    let answer = running.pop().unwrap().response().await.unwrap();
    assert_eq!(answer.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn buckets_are_not_filled_by_a_change_of_the_table() {
    let world = World::start(&[], &[("open", &[]), ("rate", &["ratelimit.average=1", "ratelimit.period=1h"])]).await;
    assert_eq!(world.ask("rate", "GET", "/", &[]).await.status, 200);
    assert_eq!(world.ask("rate", "GET", "/", &[]).await.status, 429);
    world.engine.run(
        Spec::new("other")
            .label("traefik.http.routers.other.rule", "Host(`other.test`)")
            .at("net", Ipv4Addr::LOCALHOST)
            .port(9),
    );
    world.program.until("other.test", "/", |response| response.status != 404).await;
    let refused = world.ask("rate", "GET", "/", &[]).await;
    assert_eq!(refused.status, 429);
    assert!(refused.field("x-retry-in").unwrap().starts_with("59m"), "{:?}", refused.fields);
}

#[tokio::test(flavor = "multi_thread")]
async fn users_of_a_file_come_and_go_with_it_and_the_log_knows_them() {
    let folder = tempfile::tempdir().unwrap();
    let (users, log) = (folder.path().join("users"), folder.path().join("access.log"));
    std::fs::write(&users, format!("# people\n{ANNA}\n")).unwrap();
    let file = format!("basicauth.usersfile={}", users.display());
    let world = World::start(
        &["--accesslog=true", "--accesslog.format=json", &format!("--accesslog.filepath={}", log.display())],
        &[("open", &[]), ("auth", &[&file])],
    )
    .await;
    assert_eq!(world.ask("auth", "GET", "/known", &[ANNA_SAYS]).await.status, 200);
    assert_eq!(world.ask("auth", "GET", "/", &[BOB_SAYS]).await.status, 401);
    std::fs::write(&users, format!("{BOB}\n")).unwrap();
    world.until("auth", &[BOB_SAYS], 200).await;
    assert_eq!(world.ask("auth", "GET", "/", &[ANNA_SAYS]).await.status, 401, "who was known is known no more");
    std::fs::remove_file(&users).unwrap();
    let closed = world.until("auth", &[BOB_SAYS], 503).await;
    assert!(closed.text().contains("SW0204"), "{}", closed.text());
    assert_eq!(user_of(&log, "/known").await, "anna");
}

/// The user of the request for that path.
async fn user_of(log: &Path, path: &str) -> String {
    let until = Instant::now() + DEADLINE;
    loop {
        let text = std::fs::read_to_string(log).unwrap_or_default();
        let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        if let Some(line) = lines.into_iter().find(|line| line["RequestPath"] == path) {
            return line["ClientUsername"].as_str().unwrap_or_default().to_owned();
        }
        assert!(Instant::now() < until, "{path} is not in {text}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn responses_without_a_type_are_looked_at_and_nothing_of_them_is_lost() {
    let world = World::start(&[], &[("open", &[]), ("type", &["contenttype=true"])]).await;
    world.until("type", &[], 200).await;
    let long = format!("<html>{}</html>", "x".repeat(300_000));
    let sized =
        |head: &str, body: &str| format!("HTTP/1.1 200 OK\r\n{head}Content-Length: {}\r\n\r\n{body}", body.len());
    let html = Some("text/html; charset=utf-8");
    for (answer, body, want) in [
        (sized("", "<html></html>"), "<html></html>", html),
        (sized("", &long), &long, html),
        (sized("Content-Type: a/b\r\n", "<html>"), "<html>", Some("a/b")),
        (sized("Content-Encoding: x\r\n", "<html>"), "<html>", None),
        (sized("", ""), "", None),
        ("HTTP/1.1 204 No Content\r\n\r\n".to_owned(), "", None),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n".to_owned(),
            "abcde",
            Some("text/plain; charset=utf-8"),
        ),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".to_owned(), "", None),
    ] {
        let start = answer.get(..60.min(answer.len())).unwrap_or_default().to_owned();
        world.upstream.set(Behaviour::writes(answer));
        for (name, want) in [("type", want), ("open", want.filter(|want| *want == "a/b"))] {
            let response = world.ask(name, "GET", "/", &[]).await;
            assert_eq!(response.field("content-type"), want, "{name} {start}");
            assert!(response.complete && response.text() == *body, "{name} {start}: {} bytes", response.body.len());
        }
    }

    // What comes piece by piece goes out piece by piece, and a body that breaks off before its beginning is an error.
    let first = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n".to_vec();
    let steps = [Step::ReadHead, Step::Write(first), Step::Hold, Step::Write(b"2\r\nde\r\n0\r\n\r\n".to_vec())];
    world.upstream.set(Behaviour::steps(steps));
    let mut client = RawClient::connect(world.program.web).await.unwrap();
    client.send(request("type", "GET", "/", &[])).await.unwrap();
    let head = client.until(b"abc").await.unwrap();
    assert!(String::from_utf8_lossy(&head).to_ascii_lowercase().contains("content-type: text/plain"));
    world.upstream.release();
    client.until(b"de").await.unwrap();

    world.upstream.set(Behaviour::writes_and_closes("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"));
    assert_eq!(world.ask("type", "GET", "/", &[]).await.status, 502);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_passwords_is_turned_away_and_holds_up_nobody_else() {
    let dear = "basicauth.users=anna:$2b$08$abcdefghijklmnopqrstuuKxCcvB7KZ7.BpDoK0bh6qM7Dl1/xiJa";
    let world = World::start(&[], &[("open", &[]), ("auth", &[dear])]).await;
    assert_eq!(world.ask("auth", "GET", "/", &[ANNA_SAYS]).await.status, 200);
    let web = world.program.web;
    let most = 100 * std::thread::available_parallelism().map_or(1, usize::from);
    let flood: Vec<_> = (0..most)
        .map(|_| tokio::spawn(async move { RawClient::exchange(web, request("auth", "GET", "/", &[ANNA_ERRS])).await }))
        .collect();
    for _ in 0..20 {
        assert_eq!(world.ask("open", "GET", "/", &[]).await.status, 200);
        assert_eq!(world.ask("auth", "GET", "/", &[ANNA_SAYS]).await.status, 200, "who is known waits for nobody");
    }
    let mut counts = std::collections::BTreeMap::new();
    for answer in flood {
        let answer = answer.await.unwrap().unwrap();
        if answer.status == 503 {
            assert!(answer.field("retry-after").is_some(), "{:?}", answer.fields);
        }
        *counts.entry(answer.status).or_insert(0) += 1;
    }
    assert!(counts.keys().all(|status| [401, 503].contains(status)), "{counts:?}");
    assert!(counts.contains_key(&401), "{counts:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_open_that_was_meant_to_be_closed() {
    let cases: &[(&str, &[&str], &str)] = &[
        ("range", &["ipallowlist.sourcerange=10.0.0.0/33"], "SW0401"),
        ("norange", &["ipallowlist.rejectstatuscode=403"], "SW0401"),
        ("depth", &["ipallowlist.sourcerange=10.0.0.0/8", "ipallowlist.ipstrategy.depth=x"], "SW0102"),
        ("nousers", &["basicauth.realm=x"], "SW0401"),
        ("plain", &["basicauth.users=anna:hunter2"], "SW0401"),
        ("nofile", &["basicauth.usersfile=/nowhere/users"], "SW0401"),
        ("typo", &["basicauth.user=anna:hunter2"], "SW0101"),
        ("digest", &["digestauth.users=anna:hunter2"], "SW0401"),
        ("realm", &["digestauth.users=anna:other:00000000000000000000000000000000"], "SW0401"),
        ("amount", &["inflightreq.amount=0"], "SW0401"),
        ("bad", &["inflightreq.amount=abc"], "SW0102"),
        (
            "both",
            &[
                "ratelimit.average=1",
                "ratelimit.sourcecriterion.requesthost=true",
                "ratelimit.sourcecriterion.requestheadername=X-A",
            ],
            "SW0401",
        ),
        ("redis", &["ratelimit.average=1", "ratelimit.redis.endpoints=a:1,b:1"], "SW0401"),
        ("origin", &["headers.accesscontrolalloworiginlistregex=("], "SW0401"),
        ("web", &["grpcweb.alloworigins=*"], "SW0108"),
    ];
    let all: Vec<(&str, &[&str])> =
        std::iter::once(("open", &[][..])).chain(cases.iter().map(|(name, options, _)| (*name, *options))).collect();
    let world = World::start(&[], &all).await;
    world.until("open", &[], 200).await;
    let told = world.program.until_told("faults", |told| told.len() >= cases.len()).await;
    for (name, options, code) in cases {
        let response = world.ask(name, "GET", "/", &[ANNA_SAYS]).await;
        assert_eq!(response.status, 503, "{name}");
        let about = |told: &&Value| {
            let key = told["origin"]["key"].as_str().unwrap_or_default();
            told["code"] == **code && key.starts_with(&format!("traefik.http.middlewares.{name}."))
        };
        assert_eq!(told.iter().filter(about).count(), 1, "{name} {options:?}: {told:#?}");
    }
    assert!(!format!("{told:?}").contains("hunter2"), "{told:#?}");
    assert!(world.upstream.log().requests.iter().all(|request| request.head_text().contains("open.test")));
    let raw = world.program.api("/api/http/middlewares").await.to_string();
    assert!(!raw.contains("hunter2") && !raw.contains("$2b$"), "{raw}");
}
