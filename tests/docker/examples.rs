//! Each example runs as its page says.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;

use super::browser::{Browser, block_on};
use super::cli::{self, Project, docker, eventually};
use super::engine::engine;
use super::follow::Follower;
use super::log::{self, Line};
use super::stack::{LONG, published};

/// A running example.
struct Example {
    project: Project,
    folder: PathBuf,
    site: SocketAddr,
    log: Follower,
}

impl Example {
    /// `docker compose up -d`, with these arguments more, in the example's folder.
    fn up(folder: &str, arguments: &[&str]) -> Self {
        let project = Project::new(folder);
        let path = cli::root().join("deploy/examples").join(folder);
        compose(project.name(), &path, &[&["up", "-d", "--no-build"], arguments].concat());
        let id = containers(project.name(), "reverse_proxy").pop().expect("Seaway runs").0;
        let log = Follower::docker(&["logs", "--follow", &id]);
        let site = published(&id, 80);
        Self { project, folder: path, site, log }
    }

    fn browser(&self, host: &str) -> Browser {
        Browser::new(self.site, host)
    }

    /// Waits until `count` different replicas answer to clients that are new each time.
    fn wait_replicas(&self, host: &str, path: &str, count: usize) {
        eventually(&format!("{count} replicas at {host}{path}"), LONG, || {
            let turns = (0..3 * count).map(|_| {
                let response = self.browser(host).get(path);
                response.field("x-replica").map(ToOwned::to_owned)
            });
            let answered: BTreeSet<String> = turns.flatten().collect();
            (answered.len() == count).then_some(())
        });
    }

    fn ids(&self, service: &str) -> BTreeSet<String> {
        containers(self.project.name(), service).into_iter().map(|(id, _)| id).collect()
    }

    /// Waits for an access line for which `wanted` holds.
    #[track_caller]
    fn logged(&self, what: &str, wanted: impl Fn(&Line) -> bool) -> Line {
        let found = self.log.wait(what, 0, LONG, |line| Line::parse(line).is_some_and(|line| wanted(&line)));
        Line::parse(&found).expect("it was one")
    }

    /// Nothing was answered by Seaway itself since `position`, except what a test asked for.
    #[track_caller]
    fn nothing_failed(&self, position: usize) {
        let lines = self.log.lines();
        let lines = log::access(lines.get(position..).unwrap_or_default());
        let failed: Vec<&Line> = lines.iter().filter(|line| line.status >= 500).collect();
        assert!(failed.is_empty(), "{failed:#?}");
    }
}

impl Drop for Example {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let lines = self.log.lines();
            eprintln!("{}", lines.get(lines.len().saturating_sub(30)..).unwrap_or_default().join("\n"));
        }
    }
}

fn compose(project: &str, folder: &std::path::Path, arguments: &[&str]) {
    // Docker chooses a port where 0 is asked for.
    let environment = [("COMPOSE_PROJECT_NAME", project), ("DEMO_HTTP_PORT", "0"), ("SEAWAY_IMAGE_STAGE", "ready")];
    cli::compose(&[&["-p", project], arguments].concat(), folder, &environment);
}

/// Ids and names of the running containers of one service.
fn containers(project: &str, service: &str) -> Vec<(String, String)> {
    let project = format!("label=com.docker.compose.project={project}");
    let service = format!("label=com.docker.compose.service={service}");
    let listed = docker(&["ps", "--filter", &project, "--filter", &service, "--format", "{{.ID}} {{.Names}}"]);
    let pairs = listed.lines().filter_map(|line| line.split_once(' '));
    pairs.map(|(id, name)| (id.chars().take(12).collect(), name.to_owned())).collect()
}

/// Every replica in turn: `count` requests of a client with its cookies reach `count` replicas.
#[track_caller]
fn takes_turns(mut browser: Browser, path: &str, count: usize) {
    let turns: BTreeSet<String> = (0..count).map(|_| browser.replica(path)).collect();
    assert_eq!(turns.len(), count, "{path}");
}

/// One replica for all requests of a client with its cookies.
#[track_caller]
fn stays(browser: &mut Browser, paths: &[&str]) -> String {
    let first = browser.replica(paths[0]);
    for path in paths.iter().cycle().take(8) {
        assert_eq!(browser.replica(path), first, "{path}");
    }
    first
}

#[test]
fn sticky_site_and_round_robin_service_five_each() {
    let _engine = engine!(Shared);
    let example = Example::up("1-sticky-site", &["--scale", "web_static=5", "--scale", "web_dynamic=5"]);
    let host = "demo.localhost";
    example.wait_replicas(host, "/", 5);
    example.wait_replicas(host, "/api/animals", 5);
    let position = example.log.position();

    // Page, style and script have one sender, and the one that knows who logged in.
    let mut browser = example.browser(host);
    let replica = stays(&mut browser, &["/", "/app.css", "/app.js", "/whoami"]);
    assert!(browser.jar.contains_key("session"), "{:?}", browser.jar);
    assert_eq!(browser.post("/login?user=anna").status, 200);
    assert!(browser.get("/whoami").text().contains("anna is logged in"));
    takes_turns(example.browser(host), "/api/animals", 5);

    // Its replica goes, while requests come.
    let names = containers(example.project.name(), "web_static");
    assert!(names.iter().any(|(id, _)| *id == replica));
    let mut others: Vec<Browser> = (0..10).map(|_| example.browser(host)).collect();
    let before: Vec<String> = others.iter_mut().map(|browser| browser.replica("/")).collect();
    std::thread::scope(|scope| {
        let scaling = scope.spawn(|| {
            compose(
                example.project.name(),
                &example.folder,
                &["up", "-d", "--no-build", "--no-recreate", "--scale", "web_static=2", "--scale", "web_dynamic=5"],
            );
        });
        while !scaling.is_finished() {
            for browser in &mut others {
                browser.replica("/");
            }
        }
        scaling.join().expect("compose succeeds");
    });
    let left = example.ids("web_static");
    assert_eq!(left.len(), 2);
    for (browser, before) in others.iter_mut().zip(&before) {
        let after = browser.replica("/");
        assert!(left.contains(&after) && (!left.contains(before) || after == *before), "{before} → {after}");
    }
    example.nothing_failed(position);
    example.logged("a first visit", |l| {
        l.target == "demo.localhost/" && l.server.starts_with("web_static-") && l.field("sticky") == Some("new")
    });
    example.logged("a later one", |l| l.target == "demo.localhost/app.css" && l.field("sticky") == Some("hit"));
    example.logged("one that is not sticky", |l| {
        l.server.starts_with("web_dynamic-") && l.field("sticky") == Some("none")
    });
    example.logged("who had to move", |l| l.field("sticky") == Some("moved") && l.field("reason").is_some());
}

#[test]
fn sticky_api_and_round_robin_web() {
    let _engine = engine!(Shared);
    let example = Example::up("2-sticky-api", &[]);
    let host = "localhost";
    example.wait_replicas(host, "/api", 2);
    example.wait_replicas(host, "/", 2);
    let mut browser = example.browser(host);
    let first = browser.get("/api");
    let cookies = first.all("set-cookie");
    assert!(
        cookies.len() == 1 && cookies[0].starts_with("api_sticky=") && !cookies[0].contains("Secure"),
        "{cookies:?}"
    );
    let second = browser.get("/api");
    assert_eq!((second.field("x-replica"), second.all("set-cookie").len()), (first.field("x-replica"), 0));
    stays(&mut browser, &["/api"]);
    takes_turns(example.browser(host), "/", 2);
    assert!(example.browser(host).get("/").all("set-cookie").is_empty());
    let new = example.logged("a first visit", |l| l.target == "localhost/api" && l.field("sticky") == Some("new"));
    assert!(new.server.starts_with("api-") && new.text.contains(":8081 "), "{}", new.text);
    example.logged("a later one", |l| l.target == "localhost/api" && l.field("sticky") == Some("hit"));
    // What the page promises: each replica's own log shows its requests.
    let api: Vec<(String, String)> = containers(example.project.name(), "api");
    let said: Vec<String> = api.iter().map(|(id, _)| docker(&["logs", id])).collect();
    assert!(said.iter().any(|said| said.contains("GET /api ")), "{said:?}");
}

#[test]
fn routeid_site_and_round_robin_service() {
    let _engine = engine!(Shared);
    let example = Example::up("3-routeid-site", &[]);
    let host = "demo.localhost";
    example.wait_replicas(host, "/", 2);
    example.wait_replicas(host, "/api/animals", 2);
    let mut browser = example.browser(host);
    stays(&mut browser, &["/", "/app.css", "/app.js"]);
    assert!(browser.jar.contains_key("ROUTEID"));
    takes_turns(example.browser(host), "/api/animals", 2);
    example.logged("the style", |l| {
        l.target == "demo.localhost/app.css" && l.server.starts_with("static-") && l.field("sticky") == Some("hit")
    });
    example.logged("the service", |l| l.server.starts_with("dynamic-") && l.field("sticky") == Some("none"));
}

#[test]
fn sticky_service_under_a_prefix_and_round_robin_site() {
    let _engine = engine!(Shared);
    let example = Example::up("4-sticky-prefix", &[]);
    let host = "demo.localhost";
    example.wait_replicas(host, "/", 2);
    example.wait_replicas(host, "/api/animals/", 2);
    // A new client goes to the next one, and then stays.
    let mut one = example.browser(host);
    let mut other = example.browser(host);
    assert_ne!(stays(&mut one, &["/api/animals/"]), stays(&mut other, &["/api/animals/"]));
    assert!(one.jar.contains_key("ROUTEID"));
    assert!(one.get("/api/animals/").text().contains("\"animals\""));
    takes_turns(example.browser(host), "/", 2);
    // What arrives has lost its prefix.
    let dynamic = containers(example.project.name(), "dynamic");
    let said: String = dynamic.iter().map(|(id, _)| docker(&["logs", id])).collect();
    assert!(said.contains(" GET / from ") && !said.contains("/api/animals"), "{said}");
    let line = example
        .logged("the service", |l| l.target == "demo.localhost/api/animals/" && l.field("sticky") == Some("hit"));
    assert!(line.server.starts_with("dynamic-") && line.text.contains(":3000 "), "{}", line.text);
    example.logged("the site", |l| l.server.starts_with("static-") && l.field("sticky") == Some("none"));
}

#[test]
fn application_with_a_cookie_of_its_own() {
    let _engine = engine!(Shared);
    let example = Example::up("5-application-cookie", &[]);
    let host = "api.localhost";
    example.wait_replicas(host, "/api", 2);
    let visits = |browser: &mut Browser| -> u64 {
        let answer: serde_json::Value = serde_json::from_slice(&browser.get("/api").body).expect("JSON");
        answer["visits"].as_u64().expect("visits")
    };
    let mut browser = example.browser(host);
    let counted: Vec<u64> = (0..5).map(|_| visits(&mut browser)).collect();
    assert_eq!(counted, [0, 1, 2, 3, 4]);
    assert!(browser.jar.contains_key("SESSIONID") && browser.jar.contains_key("api_route"), "{:?}", browser.jar);
    // Without Seaway's cookie neither replica ever knows the other's session.
    let mut lost = example.browser(host);
    let counted: Vec<u64> = (0..5)
        .map(|_| {
            lost.jar.remove("api_route");
            visits(&mut lost)
        })
        .collect();
    assert_eq!(counted, [0; 5]);
    example.logged("a first visit", |l| l.server.starts_with("api-") && l.field("sticky") == Some("new"));
    example.logged("a later one", |l| l.server.starts_with("api-") && l.field("sticky") == Some("hit"));
}

/// Containers of `docker run`, removed by the example's own script.
struct Script {
    folder: PathBuf,
    prefix: String,
}

impl Script {
    fn run(&self, arguments: &[&str]) -> String {
        let environment = [("DEMO_HTTP_PORT", "0"), ("EXAMPLE_PREFIX", self.prefix.as_str())];
        cli::command("./run.sh", arguments, &self.folder, &environment)
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        let removed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| self.run(&["down"])));
        if removed.is_err() && !std::thread::panicking() {
            panic!("run.sh down failed");
        }
    }
}

#[test]
fn plain_docker_run_without_compose() {
    let _engine = engine!(Shared);
    let script = Script { folder: cli::root().join("deploy/examples/6-docker-run"), prefix: cli::project("run") };
    let prefix = script.prefix.clone();
    script.run(&[]);
    let seaway = format!("{prefix}_seaway");
    let log = Follower::docker(&["logs", "--follow", &seaway]);
    let site = published(&seaway, 80);
    let host = "demo.localhost";
    let browser = || Browser::new(site, host);
    let turns = |path: &str, count: usize| -> BTreeSet<String> {
        (0..count).filter_map(|_| browser().get(path).field("x-replica").map(ToOwned::to_owned)).collect()
    };
    eventually("both services have two servers", LONG, || {
        (turns("/", 4).len() == 2 && turns("/api/animals/", 4).len() == 2).then_some(())
    });
    stays(&mut browser(), &["/api/animals/"]);
    takes_turns(browser(), "/", 2);
    script.run(&["add"]);
    log.wait("the third", 0, LONG, |line| line.contains("static 2") && line.contains(&format!("+{prefix}_static_3")));
    eventually("it takes part", LONG, || (turns("/", 6).len() == 3).then_some(()));
    docker(&["stop", &format!("{prefix}_static_1")]);
    log.wait("the first leaves", 0, LONG, |line| {
        line.contains("static 3→2") && line.contains(&format!("−{prefix}_static_1"))
    });
    takes_turns(browser(), "/", 2);
    let lines = log::access(&log.lines());
    assert!(
        lines.iter().any(|line| line.server == format!("{prefix}_static_3") && line.field("sticky") == Some("none"))
    );
    script.run(&["down"]);
    let left = docker(&["ps", "-aq", "--filter", &format!("label=example={prefix}")]);
    assert_eq!(left.trim(), "", "run.sh down leaves nothing");
    // Nobody answers any more.
    assert!(block_on(seaway_testkit::raw::RawClient::connect(site)).is_err());
}
