//! Configuration from files and from polled addresses, alone and beside an engine.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use nix::sys::signal::Signal;
use seaway_testkit::engine::{FakeEngine, Spec};
use seaway_testkit::raw::RawClient;
use seaway_testkit::upstream::{Behaviour, Upstream};
use tempfile::TempDir;

use crate::program::Program;

/// A folder with files that are replaced as a whole.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn put(&self, name: &str, text: &str) {
        std::fs::write(self.path("new.tmp"), text).unwrap();
        std::fs::rename(self.path("new.tmp"), self.path(name)).unwrap();
    }

    fn flag(&self, name: &str) -> String {
        match name {
            "" => format!("--providers.file.directory={}", self.0.path().display()),
            _ => format!("--providers.file.filename={}", self.path(name).display()),
        }
    }
}

async fn answers(body: &str) -> Upstream {
    Upstream::start(body, Behaviour::answer(200, body)).await
}

fn service(name: &str, urls: &[String]) -> String {
    let urls: Vec<String> = urls.iter().map(|url| format!("{{ url: '{url}' }}")).collect();
    format!("    {name}: {{ loadBalancer: {{ servers: [ {} ] }} }}\n", urls.join(", "))
}

fn codes(told: &[serde_json::Value]) -> Vec<&str> {
    told.iter().filter_map(|found| found["code"].as_str()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_alone_is_enough() {
    let (one, two) = (answers("one").await, answers("two").await);
    let by_name = one.url().replace("127.0.0.1", "localhost");
    let folder = Folder::new();
    let file = |target: &str| {
        format!(
            "http:
  routers:
    web: {{ rule: Host(`{{{{ env \"DOMAIN\" }}}}`), service: {target} }}
    closed: {{ rule: Host(`closed.test`), service: {target}, middelwares: [auth] }}
    secure: {{ rule: Host(`secure.test`), service: {target}, tls: {{}} }}
    lost: {{ rule: Host(`lost.test`), service: nothing }}
    far: {{ rule: Host(`far.test`), service: {target}, middlewares: [auth@docker] }}
  services:
{}{}",
            service("one", std::slice::from_ref(&by_name)),
            service("two", &[two.url()])
        )
    };
    folder.put("a.yml", &file("one"));
    let mut seaway = Program::start(&[&folder.flag("a.yml")], &[("DOMAIN", "a.test")]);
    assert_eq!(seaway.until_status("a.test", "/", 200).await.text(), "one");
    for host in ["closed.test", "secure.test", "lost.test", "far.test"] {
        assert_eq!(seaway.get(host, "/").await.status, 503, "{host}");
    }
    assert_eq!(seaway.get("other.test", "/").await.status, 404);
    let router = seaway.api("/api/http/routers/web@file").await;
    assert_eq!((router["provider"].as_str(), router["status"].as_str()), (Some("file"), Some("enabled")));
    assert_eq!(seaway.api("/api/overview").await["providers"], serde_json::json!(["File"]));
    seaway.says("a.yml:4: http.routers.closed.middelwares: there is no option");

    folder.put("a.yml", &file("two"));
    seaway.until("a.test", "/", |response| response.text() == "two").await;
    folder.put("a.yml", "http: { routers: {\n");
    let told = seaway.until_told("the fault", |told| codes(told).contains(&"SW0604")).await;
    assert!(told.iter().any(|found| found["consequence"] == "what it said before stays in force"), "{told:#?}");
    assert_eq!(seaway.get("a.test", "/").await.text(), "two", "what it said stays");
    folder.put("a.yml", "http: {}\n");
    seaway.until_status("a.test", "/", 404).await;
    seaway.until_told("nothing", <[_]>::is_empty).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_may_lead_to_the_api_and_what_is_polled_may_not() {
    let says = "http: { routers: { api: { rule: PathPrefix(`/api`), service: api@internal } } }\n";
    let folder = Folder::new();
    folder.put("a.yml", says);
    let seaway = Program::start(&[&folder.flag("a.yml")], &[]);
    seaway.until_status("a.test", "/api/overview", 200).await;
    let source = Upstream::start("source", Behaviour::answer(200, says)).await;
    let polled = Program::start(&[&format!("--providers.http.endpoint={}", source.url())], &[]);
    polled.until_status("a.test", "/api/overview", 503).await;
    let told = polled.until_told("why", |told| !told.is_empty()).await;
    assert_eq!(codes(&told), ["SW0210"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unwatched_file_is_read_again_by_a_signal() {
    let one = answers("one").await;
    let folder = Folder::new();
    let file = |host: &str| {
        let service = service("one", &[one.url()]);
        format!("http:\n  routers:\n    web: {{ rule: Host(`{host}`), service: one }}\n  services:\n{service}")
    };
    folder.put("a.yml", &file("a.test"));
    let seaway = Program::start(&[&folder.flag("a.yml"), "--providers.file.watch=false"], &[]);
    seaway.until_status("a.test", "/", 200).await;
    folder.put("a.yml", &file("b.test"));
    seaway.signal(Signal::SIGHUP);
    seaway.until_status("b.test", "/", 200).await;
    assert_eq!(seaway.get("a.test", "/").await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_with_a_name_twice_serves_neither() {
    let one = answers("one").await;
    let folder = Folder::new();
    let router = |name: &str, host: &str| {
        format!("http: {{ routers: {{ {name}: {{ rule: Host(`{host}`), service: one }} }} }}\n")
    };
    folder.put("a.yml", &router("web", "a.test"));
    folder.put("b.toml", &format!("[[http.services.one.loadBalancer.servers]]\nurl = \"{}\"\n", one.url()));
    folder.put("c.yml", &router("other", "c.test"));
    let seaway = Program::start(&[&folder.flag("")], &[]);
    seaway.until_status("a.test", "/", 200).await;
    folder.put("d.yml", &router("web", "d.test"));
    seaway.until_status("a.test", "/", 503).await;
    assert_eq!(seaway.get("d.test", "/").await.status, 503, "nobody knows which of them was meant");
    assert_eq!(seaway.get("c.test", "/").await.status, 200, "the others are served");
    let told = seaway.until_told("both", |told| codes(told).contains(&"SW0504")).await;
    let text = told.iter().find(|found| found["code"] == "SW0504").and_then(|found| found["message"].as_str());
    let text = text.unwrap_or_default();
    assert!(text.contains("a.yml:1") && text.contains("d.yml:1"), "{text}");
    std::fs::remove_file(folder.path("d.yml")).unwrap();
    seaway.until_status("a.test", "/", 200).await;
}

/// A container whose server is this upstream.
fn container(name: &str, upstream: &Upstream, labels: &[(&str, &str)]) -> Spec {
    let spec = Spec::new(name).at("net", Ipv4Addr::LOCALHOST).port(upstream.address().port());
    labels.iter().fold(spec, |spec, (key, value)| spec.label(key, value))
}

#[tokio::test(flavor = "multi_thread")]
async fn labels_and_files_use_what_the_other_declares_and_fail_closed() {
    let engine = FakeEngine::unix().await;
    let web = Upstream::start("web", Behaviour::echo()).await;
    engine.run(container(
        "web",
        &web,
        &[
            ("traefik.http.routers.web.rule", "Host(`a.test`)"),
            ("traefik.http.routers.web.middlewares", "guard@file"),
            ("traefik.http.services.web.loadbalancer.server.port", &web.address().port().to_string()),
        ],
    ));
    let folder = Folder::new();
    let router = "  routers:\n    back: { rule: Host(`b.test`), service: web@docker, middlewares: [guard] }\n";
    let guard = "  middlewares:\n    guard: { addPrefix: { prefix: /guarded } }\n";
    folder.put("a.yml", &format!("http:\n{router}{guard}"));
    let seaway = Program::start(
        &[
            &folder.flag("a.yml"),
            "--providers.docker=true",
            &format!("--providers.docker.endpoint={}", engine.endpoint()),
            "--seaway.hold.timeout=0s",
        ],
        &[],
    );
    let passed = |at: usize| {
        let log = web.log();
        log.requests.get(at).map(seaway_testkit::upstream::Recorded::start).unwrap_or_default()
    };
    seaway.until_status("a.test", "/one", 200).await;
    assert!(passed(0).starts_with("GET /guarded/one "), "{}", passed(0));
    seaway.until_status("b.test", "/two", 200).await;
    assert!(passed(1).starts_with("GET /guarded/two "), "{}", passed(1));
    assert_eq!(seaway.api("/api/overview").await["providers"], serde_json::json!(["Docker", "File"]));

    // Without the guard nobody passes, and with it everybody does.
    for prefix in ["anew", "again"] {
        folder.put("a.yml", &format!("http:\n{router}"));
        seaway.until_status("a.test", "/", 503).await;
        assert_eq!(seaway.get("b.test", "/").await.status, 503);
        let before = web.log().requests.len();
        folder.put("a.yml", &format!("http:\n{router}{}", guard.replace("guarded", prefix)));
        seaway.until_status("a.test", "/", 200).await;
        seaway.until_status("b.test", "/", 200).await;
        let seen = web.log().requests.iter().skip(before).map(|request| request.start()).collect::<Vec<_>>();
        assert!(seen.iter().all(|start| start.starts_with(&format!("GET /{prefix}/ "))), "{seen:?}");
    }

    // Without the container its service stays for a while without servers, and its router and the file's answer 503.
    engine.stop("web");
    engine.remove("web");
    seaway.until_status("b.test", "/", 503).await;
    assert_eq!(seaway.get("a.test", "/").await.status, 503);
    engine.run(container("web", &web, &[("traefik.http.routers.web.rule", "Host(`a.test`)")]));
    seaway.until_status("b.test", "/", 200).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_served_while_the_engine_is_away() {
    let engine = FakeEngine::absent().await;
    let one = answers("one").await;
    let folder = Folder::new();
    let routers = "  routers:\n    web: { rule: Host(`a.test`), service: one }\n    far: { rule: Host(`b.test`), service: web@docker }\n";
    folder.put("a.yml", &format!("http:\n{routers}  services:\n{}", service("one", &[one.url()])));
    let endpoint = format!("--providers.docker.endpoint={}", engine.endpoint());
    let seaway = Program::start(&[&folder.flag("a.yml"), "--providers.docker=true", &endpoint], &[]);
    seaway.until_status("a.test", "/", 200).await;
    assert_eq!(seaway.get("b.test", "/").await.status, 503);
    engine.come_up().await;
    engine.run(container("web", &one, &[]));
    seaway.until_status("b.test", "/", 200).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_changes_under_load_loses_no_request() {
    let upstreams = [answers("a").await, answers("b").await, answers("c").await, answers("d").await];
    let folder = Folder::new();
    let file = |n: usize| {
        // Two of four servers, another pair each time, another middleware, and a router that comes and goes.
        let urls: Vec<String> = [n % 4, (n + 1) % 4].iter().map(|at| upstreams[*at].url()).collect();
        let more = if n.is_multiple_of(3) { "    more: { rule: Host(`more.test`), service: web }\n" } else { "" };
        format!(
            "http:\n  routers:\n    web: {{ rule: Host(`a.test`), service: web, middlewares: [mark] }}\n{more}  middlewares:\n    \
             mark: {{ headers: {{ customResponseHeaders: {{ X-Turn: '{n}' }} }} }}\n  services:\n{}",
            service("web", &urls)
        )
    };
    folder.put("a.yml", &file(0));
    let seaway = Program::start(&[&folder.flag("a.yml")], &[]);
    seaway.until_status("a.test", "/", 200).await;
    let (stop, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let clients: Vec<_> = (0..4)
        .map(|_| {
            let (stop, asked, address) = (Arc::clone(&stop), Arc::clone(&asked), seaway.web);
            tokio::spawn(async move {
                let mut client = RawClient::connect(address).await.unwrap();
                while !stop.load(Ordering::Relaxed) {
                    client.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n").await.unwrap();
                    let response = client.response().await.unwrap();
                    assert_eq!(response.status, 200, "{}", response.text());
                    assert!(["a", "b", "c", "d"].contains(&response.text().as_str()));
                    assert!(response.field("X-Turn").is_some(), "never without its middleware");
                    asked.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    for n in 1..=30 {
        let before = asked.load(Ordering::Relaxed);
        folder.put("a.yml", &file(n));
        let turn = n.to_string();
        seaway.until("a.test", "/", |response| response.field("X-Turn") == Some(&turn)).await;
        seaway.until("a.test", "/", |_| asked.load(Ordering::Relaxed) > before + 8).await;
    }
    stop.store(true, Ordering::Relaxed);
    for client in clients {
        client.await.expect("no request was lost");
    }
    assert!(upstreams.iter().all(|upstream| !upstream.log().requests.is_empty()), "each had its turn");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_is_polled_and_its_last_word_stays() {
    let one = answers("one").await;
    let says = |host: &str| {
        format!(
            r#"{{"http": {{"routers": {{"web": {{"rule": "Host(`{host}`)", "service": "one"}}}},
                "services": {{"one": {{"loadBalancer": {{"servers": [{{"url": "{}"}}]}}}}}}}}}}"#,
            one.url()
        )
    };
    let mut source = Upstream::start("source", Behaviour::answer(200, &says("a.test"))).await;
    let endpoint = format!("--providers.http.endpoint={}/conf?key=secret", source.url());
    let mut seaway = Program::start(
        &[&endpoint, "--providers.http.pollinterval=20ms", "--providers.http.headers.x-key=hidden"],
        &[],
    );
    assert_eq!(seaway.until_status("a.test", "/", 200).await.text(), "one");
    let asked = source.log().requests.first().map(|request| request.head_text()).unwrap_or_default();
    assert!(asked.starts_with("GET /conf?key=secret HTTP/1.1\r\n"), "{asked}");
    assert!(asked.to_ascii_lowercase().contains("\r\nx-key: hidden\r\n"), "{asked}");
    let router = seaway.api("/api/http/routers/web@http").await;
    assert_eq!(router["provider"], "http");

    source.set(Behaviour::answer(200, &says("b.test")));
    seaway.until_status("b.test", "/", 200).await;
    assert_eq!(seaway.get("a.test", "/").await.status, 404);
    for (behaviour, code) in [
        (Behaviour::answer(500, "no"), "SW0606"),
        (Behaviour::answer(200, "{"), "SW0604"),
        (Behaviour::garbage(), "SW0606"),
    ] {
        source.set(behaviour);
        seaway.until_told(code, |told| codes(told) == [code]).await;
        assert_eq!(seaway.get("b.test", "/").await.status, 200, "what it said stays");
    }
    source.close_listener().await;
    source.close_connections();
    seaway
        .until_told("nobody there", |told| {
            told.iter().any(|f| f["message"].as_str().is_some_and(|m| m.contains("connecting")))
        })
        .await;
    let overview = seaway.api("/api/overview").await;
    assert!(overview["seaway"]["providers"].to_string().contains("stale"), "{overview}");
    source.set(Behaviour::answer(200, &says("c.test")));
    source.listen();
    seaway.until_status("c.test", "/", 200).await;
    seaway.until_told("nothing", <[_]>::is_empty).await;
    seaway.says("SW0606 is over");
    assert!(!seaway.says("asking").contains("secret"));
}
