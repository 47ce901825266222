//! Static options from outside: files, what does not start, entry points and signals.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::mpsc::channel;
use std::time::Instant;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use seaway_testkit::engine::{FakeEngine, Spec};
use seaway_testkit::raw::{DEADLINE, RawClient};
use seaway_testkit::upstream::{Behaviour, Upstream};

use super::program::Program;

/// Runs the program to its end, which has to come by itself.
fn run(arguments: &[&str], home: &Path) -> Output {
    let process = Command::new(env!("CARGO_BIN_EXE_seaway"))
        .args(arguments)
        .env_clear()
        .env("HOME", home)
        .current_dir(home)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let id = Pid::from_raw(i32::try_from(process.id()).unwrap());
    let (done, output) = channel();
    std::thread::spawn(move || done.send(process.wait_with_output()));
    output
        .recv_timeout(DEADLINE)
        .unwrap_or_else(|_| {
            kill(id, Signal::SIGKILL).ok();
            panic!("{arguments:?} goes on");
        })
        .unwrap()
}

#[tokio::test]
async fn a_file_is_found_where_users_of_traefik_have_it() {
    let home = tempfile::tempdir().unwrap();
    std::fs::create_dir(home.path().join(".config")).unwrap();
    let file = home.path().join(".config/traefik.yml");
    std::fs::write(&file, "ping:\n  entryPoint: web\nlog:\n  level: WARN\naccessLog: {}\nhostResolver: {}\n").unwrap();
    let environment = [("HOME", home.path().to_str().unwrap()), ("TRAEFIK_LOG_LEVEL", "INFO")];
    let mut program = Program::start(&["--accesslog=false"], &environment);
    program.says(&format!("static options are read from {}", file.display()));
    program.says("TRAEFIK_LOG_LEVEL overrides");
    let warning = program.says("SW0108");
    assert!(warning.contains("traefik.yml:6: hostResolver: ") && warning.contains("WARN"), "{warning}");
    assert_eq!(program.get("any.test", "/ping").await.text(), "OK");
    assert_eq!(program.get("any.test", "/").await.status, 404);
}

#[test]
fn what_is_wrong_starts_nothing() {
    let home = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = home.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let typo = write("typo.yml", "entryPoints:\n  web:\n    adress: :80\n");
    let broken = write("broken.toml", "[log\n");
    let odd = write("traefik.conf", "");
    for (argument, said) in [
        (
            format!("--configfile={typo}"),
            format!("SW0701 file {typo}:3: entryPoints.web.adress: there is no such option"),
        ),
        (format!("--configfile={broken}"), format!("SW0704 file {broken}:1")),
        (format!("--configfile={odd}"), "SW0704".to_owned()),
        ("--configfile=/nowhere/traefik.yml".to_owned(), "/nowhere/traefik.yml: ".to_owned()),
        (format!("--configfile={}", home.path().display()), "Seaway does not start".to_owned()),
        ("--entrypoints.web.http.middlewares=auth".to_owned(), "SW07".to_owned()),
        ("--core.defaultrulesyntax=v2".to_owned(), "SW0108 flags: --core.defaultrulesyntax".to_owned()),
    ] {
        let output = run(&[&argument], home.path());
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{argument}: {told}");
        assert!(told.contains(&said), "{argument}: {told}");
    }
    // The one that is found is not passed over either.
    write("traefik.yml", "log: {levl: x}\n");
    let output = run(&[], home.path());
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("./traefik.yml:1: log.levl"));
}

#[tokio::test]
async fn an_entry_point_redirects_but_not_pings() {
    let program = Program::start(
        &[
            "--entrypoints.web.http.redirections.entrypoint.to=:8443",
            "--entrypoints.web.forwardedheaders.insecure",
            "--ping.entrypoint=web",
        ],
        &[],
    );
    for (method, host, path, status, location) in [
        ("GET", "a.test", "/x?y=z", 301, "https://a.test:8443/x?y=z"),
        ("HEAD", "a.test:8080", "/", 308, "https://a.test:8443/"),
        ("POST", "b.test", "/", 308, "https://b.test:8443/"),
    ] {
        let mut client = RawClient::connect(program.web).await.unwrap();
        client.send(format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\n\r\n")).await.unwrap();
        let response =
            if method == "HEAD" { client.response_to_head().await } else { client.response().await }.unwrap();
        assert_eq!((response.status, response.field("location")), (status, Some(location)), "{method} {host}{path}");
    }
    assert_eq!(program.get("a.test", "/ping").await.status, 200);
    // It is https already: it is not redirected, and there is nothing behind.
    let mut client = RawClient::connect(program.web).await.unwrap();
    client.send("GET /api/version HTTP/1.1\r\nHost: a.test:8443\r\nX-Forwarded-Proto: https\r\n\r\n").await.unwrap();
    let response = client.response().await.unwrap();
    assert_ne!(response.status, 200, "never the API: {}", response.text());
    let router = program.api("/api/http/routers/web-to-8443@internal").await;
    assert_eq!((router["status"].as_str(), router["priority"].as_i64()), (Some("enabled"), Some(i64::MAX - 1)));
}

#[tokio::test]
async fn what_asks_for_tls_is_not_served_in_clear() {
    let mut program =
        Program::start(&["--entrypoints.web.http.tls.certresolver=le", "--ping.entrypoint=web", "--ping"], &[]);
    program.says("SW0209");
    let response = program.get("a.test", "/ping").await;
    assert_eq!((response.status, response.text().trim()), (503, "Service Unavailable (SW0209)"));
}

#[tokio::test]
async fn middlewares_of_an_entry_point_stand_before_every_router() {
    let engine = FakeEngine::unix().await;
    let upstream = Upstream::start("app", Behaviour::echo()).await;
    let container = |name: &str| {
        Spec::new(name)
            .at("net", Ipv4Addr::LOCALHOST)
            .port(upstream.address().port())
            .label(&format!("traefik.http.routers.{name}.rule"), &format!("Host(`{name}.test`)"))
    };
    engine.run(container("app").label("traefik.http.middlewares.front.headers.customrequestheaders.X-Front", "yes"));
    let endpoint = format!("--providers.docker.endpoint={}", engine.endpoint());
    let front = "--entrypoints.web.http.middlewares=front@docker";
    let program = Program::start(&["--providers.docker=true", &endpoint, front], &[]);
    program.until_status("app.test", "/", 200).await;
    assert_eq!(upstream.log().requests.last().unwrap().all("x-front"), ["yes"]);

    let missing = "--entrypoints.web.http.middlewares=nowhere@docker";
    let program = Program::start(&["--providers.docker=true", &endpoint, missing], &[]);
    program.until_status("app.test", "/", 503).await;
    let before = upstream.log().requests.len();
    assert_eq!(program.get("app.test", "/").await.status, 503);
    assert_eq!(upstream.log().requests.len(), before, "nothing went past it");
}

#[tokio::test]
async fn a_signal_turns_ping_and_lets_clients_go_on_and_a_second_one_ends() {
    let flags = [
        "--ping",
        "--ping.terminatingstatuscode=204",
        "--entrypoints.web.transport.lifecycle.requestacceptgracetimeout=1h",
    ];
    let also = ["--entrypoints.traefik.transport.lifecycle.requestacceptgracetimeout=1h"];
    let mut program = Program::start(&[&flags[..], &also].concat(), &[]);
    assert_eq!(ping(program.api).await, 200);
    program.signal(Signal::SIGTERM);
    let until = Instant::now() + DEADLINE;
    while ping(program.api).await != 204 {
        assert!(Instant::now() < until);
    }
    assert_eq!(program.get("a.test", "/").await.status, 404, "still served");
    program.signal(Signal::SIGINT);
    program.says("SIGINT again: ending at once");
    assert_eq!(program.ended().await, Some(1));

    let mut program = Program::start(&["--ping"], &[]);
    assert_eq!(ping(program.api).await, 200);
    program.signal(Signal::SIGTERM);
    assert_eq!(program.ended().await, Some(0), "with nothing to wait for");
}

async fn ping(address: SocketAddr) -> u16 {
    let request = "GET /ping HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    RawClient::exchange(address, request).await.map_or(0, |response| response.status)
}

#[tokio::test]
async fn healthcheck_asks_the_entry_point_of_pings() {
    let home = tempfile::tempdir().unwrap();
    let grace = "--entrypoints.traefik.transport.lifecycle.requestacceptgracetimeout=1h";
    let program = Program::start(&["--ping", grace], &[]);
    let at = format!("--entrypoints.traefik.address={}", program.api);
    let check = |flags: &[&str]| {
        let output = run(&[&["healthcheck", "--seaway.controlsocket="], flags].concat(), home.path());
        (output.status.code(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
    };
    let (code, said) = check(&["--ping", &at]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.starts_with("ok"), "{said}");
    assert_eq!(check(&[&at]).0, Some(1), "without ping there is nobody to ask");
    assert_eq!(check(&["--ping", "--entrypoints.traefik.address=127.0.0.1:1"]).0, Some(1));
    program.signal(Signal::SIGTERM);
    let until = Instant::now() + DEADLINE;
    while ping(program.api).await != 503 {
        assert!(Instant::now() < until);
    }
    let (code, said) = check(&["--ping", &at]);
    assert_eq!((code, said.contains("answers 503")), (Some(1), true), "{said}");
}
