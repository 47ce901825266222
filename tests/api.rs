//! The API, the access log and `seaway explain` of the whole program; side by side with Traefik where one is at hand.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use seaway_testkit::engine::{FakeEngine, Spec};
use seaway_testkit::raw::{DEADLINE, RawClient, Response};
use seaway_testkit::upstream::{Behaviour, Upstream};
use serde_json::Value;
use tempfile::TempDir;

use crate::program::Program;

/// What both programs are given; `{url}` is a server.
const FILE: &str = "
http:
  routers:
    plain: { rule: 'Host(`a.test`)', service: one }
    path: { rule: 'Host(`b.test`) && PathPrefix(`/x`)', service: one, entryPoints: [web], priority: 42, middlewares: [strip, both] }
    quiet: { rule: 'Host(`q.test`)', service: one, observability: { accessLogs: false } }
    'a/b': { rule: 'Host(`ab.test`)', service: sticky }
    secure: { rule: 'Host(`r.test`)', service: one, middlewares: [https] }
    split: { rule: 'Host(`w.test`)', service: split }
    half: { rule: 'Host(`u.test`)', service: one, entryPoints: [unknown, web] }
  services:
    one: { loadBalancer: { servers: [ { url: '{url}' } ] } }
    sticky: { loadBalancer: { servers: [ { url: '{url}' } ], sticky: { cookie: { name: c, httpOnly: true } } } }
    split: { weighted: { services: [ { name: one, weight: 2 }, { name: sticky } ] } }
  middlewares:
    strip: { stripPrefix: { prefixes: [/x] } }
    add: { addPrefix: { prefix: /v1 } }
    both: { chain: { middlewares: [add, head] } }
    head: { headers: { customRequestHeaders: { X-New: '1' } } }
    https: { redirectScheme: { scheme: https, permanent: true } }
";

const LOG: &[&str] = &["keep", "Authorization=redact", "User-Agent=keep"];

struct World {
    folder: TempDir,
    upstream: Upstream,
}

impl World {
    async fn new() -> Self {
        let upstream = Upstream::start("one", Behaviour::answer(200, "hello")).await;
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("dynamic.yml"), FILE.replace("{url}", &upstream.url())).unwrap();
        Self { folder, upstream }
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    /// Flags that both programs know.
    fn flags(&self, log: &str, format: &str) -> Vec<String> {
        let [default, names @ ..] = LOG else { unreachable!() };
        let mut flags = vec![
            format!("--providers.file.filename={}", self.path("dynamic.yml")),
            "--accesslog=true".to_owned(),
            format!("--accesslog.filepath={}", self.path(log)),
            format!("--accesslog.format={format}"),
            format!("--accesslog.fields.headers.defaultmode={default}"),
            "--entrypoints.web.forwardedheaders.insecure=true".to_owned(),
            "--ping=true".to_owned(),
            "--api.dashboard=false".to_owned(),
        ];
        flags.extend(names.iter().map(|name| format!("--accesslog.fields.headers.names.{name}")));
        flags
    }

    async fn seaway(&self, log: &str, format: &str) -> Program {
        let flags = self.flags(log, format);
        let program = Program::start(&flags.iter().map(String::as_str).collect::<Vec<_>>(), &[]);
        program.until_status("a.test", "/ready", 200).await;
        program
    }
}

async fn ask(address: SocketAddr, request: &str) -> Response {
    RawClient::exchange(address, request).await.expect("an answer")
}

fn get(host: &str, path: &str, headers: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n{headers}Connection: close\r\n\r\n")
}

/// Lines of a log, once there are so many that `counts`.
async fn lines(path: &str, counts: impl Fn(&str) -> bool, wanted: usize) -> Vec<String> {
    let until = Instant::now() + DEADLINE;
    loop {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let found: Vec<String> = text.lines().filter(|line| counts(line)).map(str::to_owned).collect();
        if found.len() >= wanted {
            return found;
        }
        assert!(Instant::now() < until, "{} of {wanted} lines: {text}", found.len());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_program_explains_where_requests_go() {
    let world = World::new().await;
    let program = world.seaway("access.log", "json").await;
    let told = program.api("/api/seaway/explain?url=http://b.test/x/y&header=Accept:%20a&from=10.0.0.1").await;
    assert_eq!((&told["router"], &told["service"]["name"]), (&"path@file".into(), &"one@file".into()), "{told:#}");
    let effects: Vec<&str> =
        told["middlewares"].as_array().unwrap().iter().filter_map(|s| s["effect"].as_str()).collect();
    assert_eq!(effects, ["path /x/y → /y; adds x-forwarded-prefix: /x", "path /y → /v1/y", "adds x-new: 1"]);

    let explain = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_seaway"))
            .arg("explain")
            .args(arguments)
            .args(["--api", &program.api.to_string()])
            .env_clear()
            .output()
            .unwrap();
        (
            output.status.code(),
            String::from_utf8_lossy(&output.stdout).into_owned(),
            String::from_utf8_lossy(&output.stderr).into_owned(),
        )
    };
    let (code, page, _) = explain(&["http://b.test/y"]);
    assert_eq!(code, Some(0));
    for part in
        ["✗ path@file", "PathPrefix(`/x`): the path is /y", "near misses", "404 GET b.test/y → - error=no_route"]
    {
        assert!(page.contains(part), "{part}: {page}");
    }
    let (code, page, _) = explain(&["http://w.test/", "--cookie", "a=b", "--json"]);
    assert_eq!(
        (code, serde_json::from_str::<Value>(&page).unwrap()["service"]["way"][0]["type"].as_str()),
        (Some(0), Some("weighted"))
    );
    let (code, _, error) = explain(&["http://a.test/", "--from", "nobody"]);
    assert_eq!(code, Some(1));
    assert!(error.contains("\"nobody\" is no address"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_nobody_takes_are_in_the_api_and_the_log_moves_on_a_signal() {
    let world = World::new().await;
    let program = world.seaway("access.log", "common").await;
    assert_eq!(program.get("nobody.test", "/where").await.status, 404);
    let unrouted = program.api("/api/seaway/unrouted").await;
    assert_eq!((&unrouted[0]["host"], &unrouted[0]["reason"]), (&"nobody.test".into(), &"unknown_host".into()));
    let moved = world.path("access.log.1");
    lines(&world.path("access.log"), |line| line.contains("/where"), 1).await;
    std::fs::rename(world.path("access.log"), &moved).unwrap();
    program.signal(Signal::SIGUSR1);
    let until = Instant::now() + DEADLINE;
    while !Path::new(&world.path("access.log")).exists() {
        assert!(Instant::now() < until, "the file is made anew");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    program.get("a.test", "/after").await;
    lines(&world.path("access.log"), |line| line.contains("\"GET /after HTTP/1.1\" 200 5 "), 1).await;
    drop(world.upstream);
}

/// A Traefik beside Seaway, with the same file.
struct Traefik {
    process: Child,
    web: SocketAddr,
    api: SocketAddr,
}

impl Traefik {
    async fn start(binary: &str, world: &World, log: &str, format: &str) -> Self {
        // Ports that were free a moment ago.
        let free = || TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let (web, api) = (free(), free());
        let process = Command::new(binary)
            .args(world.flags(log, format))
            .args([format!("--entrypoints.web.address={web}"), format!("--entrypoints.traefik.address={api}")])
            .args(["--api.insecure=true", "--log.level=ERROR"])
            .env_clear()
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("Traefik starts");
        let traefik = Self { process, web, api };
        let until = Instant::now() + DEADLINE;
        while !matches!(RawClient::exchange(web, get("a.test", "/ready", "")).await, Ok(response) if response.status == 200)
        {
            assert!(Instant::now() < until, "Traefik is ready");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        traefik
    }
}

impl Drop for Traefik {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

/// The path of a Traefik to compare with; says why there is no comparison.
fn traefik() -> Option<String> {
    let binary = std::env::var("TRAEFIK_BIN").ok();
    if binary.is_none() {
        println!("skipped: TRAEFIK_BIN names no Traefik to compare with");
    }
    binary
}

/// The object without what is ours alone.
fn traefiks(mut value: Value) -> Value {
    if let Some(object) = value.as_object_mut() {
        for ours in ["seaway", "diagnostics"] {
            object.remove(ours);
        }
    }
    value
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_file_gives_the_same_objects_as_in_traefik() {
    let Some(binary) = traefik() else { return };
    let world = World::new().await;
    let seaway = world.seaway("seaway.log", "json").await;
    let traefik = Traefik::start(&binary, &world, "traefik.log", "json").await;
    let mut differences = Vec::new();
    for kind in ["routers", "services", "middlewares"] {
        let mut sides = Vec::new();
        for address in [seaway.api, traefik.api] {
            let response = ask(address, &get("api", &format!("/api/http/{kind}"), "")).await;
            let list: Vec<Value> = serde_json::from_slice(&response.body).unwrap();
            let by_name = |object: Value| (object["name"].as_str().unwrap_or_default().to_owned(), traefiks(object));
            sides.push(list.into_iter().map(by_name).collect::<BTreeMap<String, Value>>());
        }
        let names: Vec<&String> = sides.iter().flat_map(BTreeMap::keys).collect();
        for name in names {
            let (ours, theirs) = (sides[0].get(name), sides[1].get(name));
            if ours != theirs {
                differences.push(format!("{kind} {name}:\n  Seaway  {ours:?}\n  Traefik {theirs:?}"));
            }
        }
    }
    for path in [
        "/api/http/routers/a%2Fb@file",
        "/api/http/routers/x@file",
        "/api/http/routers?page=9",
        "/api/tcp/routers",
        "/api/nothing",
        "/api/certificates",
    ] {
        let (ours, theirs) =
            (ask(seaway.api, &get("api", path, "")).await, ask(traefik.api, &get("api", path, "")).await);
        let same_json = || {
            Some(
                serde_json::from_slice::<Value>(&ours.body).ok()?
                    == serde_json::from_slice::<Value>(&theirs.body).ok()?,
            )
        };
        if ours.status != theirs.status || (ours.body != theirs.body && same_json() != Some(true)) {
            differences.push(format!(
                "{path}: {} {:?} and {} {:?}",
                ours.status,
                ours.text(),
                theirs.status,
                theirs.text()
            ));
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

/// What differs from run to run, made the same: moments, durations, ports, and headers that a server adds.
fn steady(line: &str) -> Value {
    let Ok(Value::Object(mut object)) = serde_json::from_str::<Value>(line) else { return line.into() };
    for name in [
        "Duration",
        "Overhead",
        "OriginDuration",
        "StartUTC",
        "StartLocal",
        "time",
        "ClientAddr",
        "ClientPort",
        "RequestCount",
    ] {
        if let Some(value) = object.get_mut(name) {
            *value = "…".into();
        }
    }
    // Ours alone; and what each says of itself.
    for ours in ["Error", "Held", "Lost", "ServerName", "Sticky", "StickyReason", "Strategy"] {
        object.remove(ours);
    }
    let is_header = |name: &str| name.starts_with("downstream_") || name.starts_with("origin_");
    let is_own = |name: &str| name.ends_with("_Date") || name.ends_with("_X-Connection");
    object.retain(|name, value| !(is_own(name) || is_header(name) && value == ""));
    Value::Object(object)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_requests_give_the_same_lines_as_in_traefik() {
    let Some(binary) = traefik() else { return };
    let world = World::new().await;
    let seaway = world.seaway("seaway.log", "json").await;
    let traefik = Traefik::start(&binary, &world, "traefik.log", "json").await;
    let requests = [
        get(
            "a.test",
            "/1?a=1&b=%20c",
            "Authorization: Basic x\r\nUser-Agent: ua \"q\" <é>\r\nX-Multi: 1\r\nX-Multi: 2\r\n",
        ),
        get("b.test:8080", "/x/2", "X-Forwarded-For: 1.2.3.4, 5.6.7.8\r\n"),
        get("r.test", "/3", ""),
        get("none.test", "/4", ""),
        get("ab.test", "/5", ""),
        "POST /6 HTTP/1.1\r\nHost: a.test\r\nContent-Length: 4\r\nConnection: close\r\n\r\nbody".to_owned(),
        get("w.test", "/7", ""),
        get("q.test", "/8", ""),
    ];
    for request in &requests {
        for address in [seaway.web, traefik.web] {
            ask(address, request).await;
        }
    }
    let counts = |line: &str| !line.contains("/ready");
    let wanted = requests.len() - 1;
    // Workers hand over their lines one after the other; each request has a path of its own.
    let by_path = |lines: Vec<String>| -> BTreeMap<String, Value> {
        lines.iter().map(|line| steady(line)).map(|line| (line["RequestPath"].to_string(), line)).collect()
    };
    let ours = by_path(lines(&world.path("seaway.log"), counts, wanted).await);
    let theirs = by_path(lines(&world.path("traefik.log"), counts, wanted).await);
    let mut differences = Vec::new();
    for (ours, theirs) in ours.values().zip(theirs.values()) {
        let (Value::Object(ours), Value::Object(theirs)) = (ours, theirs) else { panic!("{ours} {theirs}") };
        let names: std::collections::BTreeSet<&String> = ours.keys().chain(theirs.keys()).collect();
        for name in names.into_iter().filter(|name| ours.get(*name) != theirs.get(*name)) {
            differences.push(format!(
                "{} {name}: {:?} and {:?}",
                theirs["RequestPath"],
                ours.get(name),
                theirs.get(name)
            ));
        }
    }
    assert_eq!((ours.len(), theirs.len()), (wanted, wanted), "one router writes no lines");
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_refuses_is_told_of_at_once_with_what_would_help() {
    let engine = FakeEngine::unix().await;
    // Nobody listens at a port that was free a moment ago.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    engine.run(
        Spec::new("demo-web-1")
            .compose("demo", "web", 1)
            .label("traefik.enable", "true")
            .label("traefik.http.routers.web.rule", "Host(`a.test`)")
            .at("net", Ipv4Addr::LOCALHOST)
            .port(port),
    );
    let endpoint = format!("--providers.docker.endpoint={}", engine.endpoint());
    let mut program = Program::start(&["--providers.docker=true", &endpoint], &[]);
    let line = program.says("SW0311");
    for part in ["demo-web-1", "refuses connections", "0.0.0.0 and not on 127.0.0.1", "loadbalancer.server.port="] {
        assert!(line.contains(part), "{part}: {line}");
    }
    let service = program.api("/api/http/services/web-demo@docker").await;
    let server = &service["seaway"]["servers"][0];
    assert_eq!((&server["state"], &server["port"]), (&"starting".into(), &"refused".into()), "{service:#}");
}
