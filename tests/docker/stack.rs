//! One test's own compose project: Seaway in front of whatever the test wants there.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Map, Value, json};
use tempfile::TempDir;

use super::browser::Browser;
use super::cli::{self, Project, docker, try_eventually};
use super::follow::Follower;

/// The longest that anything may take which is not measured: starting containers beside other tests takes its time.
pub(super) const LONG: Duration = Duration::from_secs(60);

/// The host that test services answer to, unless they say otherwise.
pub(super) const HOST: &str = "app.localhost";

/// What is to be started.
#[derive(Debug)]
pub(super) struct Setup {
    name: String,
    flags: Vec<String>,
    services: Map<String, Value>,
    volumes: Map<String, Value>,
}

/// A service made of the demo application.
#[derive(Clone, Debug, Default)]
pub(super) struct App {
    environment: Map<String, Value>,
    labels: Map<String, Value>,
    rest: Map<String, Value>,
}

/// A running project.
#[derive(Debug)]
pub(super) struct Stack {
    project: Project,
    folder: TempDir,
    site: SocketAddr,
    api: SocketAddr,
    log: Follower,
}

/// One container of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Container {
    /// Twelve digits; its host name, and so what `X-Replica` says.
    pub(super) id: String,
    /// As docker knows it.
    pub(super) name: String,
    /// The last number in its name.
    pub(super) number: u32,
}

impl Setup {
    /// Seaway alone, in a project called after `name`.
    pub(super) fn new(name: &str) -> Self {
        Self { name: name.to_owned(), flags: Vec::new(), services: Map::new(), volumes: Map::new() }
    }

    /// One more flag for Seaway.
    pub(super) fn flag(mut self, flag: &str) -> Self {
        self.flags.push(flag.to_owned());
        self
    }

    /// One more service.
    pub(super) fn service(mut self, name: &str, app: App) -> Self {
        self.services.insert(name.to_owned(), app.compose());
        self
    }

    /// One more volume.
    pub(super) fn volume(mut self, name: &str) -> Self {
        self.volumes.insert(name.to_owned(), json!({}));
        self
    }

    /// Starts everything and waits until Seaway has its first table.
    #[track_caller]
    pub(super) fn up(self) -> Stack {
        let project = Project::new(&self.name);
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = self.compose(project.name());
        std::fs::write(folder.path().join("compose.json"), file.to_string()).expect("the compose file is written");
        run_compose(project.name(), &folder, &["up", "-d", "--no-build"]);
        let id = ps(project.name(), "seaway", &["-aq"]).trim().to_owned();
        let log = Follower::docker(&["logs", "--follow", &id]);
        let stack = Stack { site: published(&id, 80), api: published(&id, 8080), project, folder, log };
        stack.eventually("Seaway has a table", || stack.try_api("/api/overview").filter(|_| stack.is_ready()));
        stack
    }

    fn compose(mut self, project: &str) -> Value {
        let socket = std::env::var("DOCKER_SOCKET").unwrap_or_else(|_| "/var/run/docker.sock".to_owned());
        let mut flags = vec![
            "--providers.docker=true".to_owned(),
            "--providers.docker.exposedbydefault=false".to_owned(),
            format!("--providers.docker.constraints=Label(`com.docker.compose.project`, `{project}`)"),
            "--entrypoints.web.address=:80".to_owned(),
            "--accesslog=true".to_owned(),
            "--accesslog.format=seaway".to_owned(),
            "--api.insecure=true".to_owned(),
        ];
        flags.append(&mut self.flags);
        let seaway = json!({
            "image": image("SEAWAY_IMAGE", "seaway:local"),
            "command": flags.iter().map(|flag| escaped(flag)).collect::<Vec<_>>(),
            "ports": ["127.0.0.1::80", "127.0.0.1::8080"],
            "volumes": [format!("{socket}:/var/run/docker.sock:ro")],
        });
        self.services.insert("seaway".to_owned(), seaway);
        json!({ "services": self.services, "volumes": self.volumes })
    }
}

impl App {
    /// The application, not enabled.
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// Enabled, with a router and a service called `name` for [`HOST`].
    pub(super) fn routed(name: &str) -> Self {
        Self::ruled(name, &format!("Host(`{HOST}`)"))
    }

    /// Enabled, with a router and a service called `name` and this rule.
    pub(super) fn ruled(name: &str, rule: &str) -> Self {
        Self::new()
            .label("traefik.enable", "true")
            .label(&format!("traefik.http.routers.{name}.rule"), rule)
            .label(&format!("traefik.http.services.{name}.loadbalancer.server.port"), "80")
    }

    /// One label more.
    pub(super) fn label(mut self, key: &str, value: &str) -> Self {
        self.labels.insert(key.to_owned(), json!(escaped(value)));
        self
    }

    /// One environment variable more.
    pub(super) fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.insert(name.to_owned(), json!(escaped(value)));
        self
    }

    /// So many containers at first.
    pub(super) fn replicas(self, count: u32) -> Self {
        self.set("deploy", json!({ "replicas": count }))
    }

    /// Sets anything else that compose knows.
    pub(super) fn set(mut self, key: &str, value: Value) -> Self {
        self.rest.insert(key.to_owned(), value);
        self
    }

    fn compose(mut self) -> Value {
        let mut service = Map::new();
        service.insert("image".to_owned(), json!(image("SEAWAY_DEMO_APP_IMAGE", "seaway-demo-app:local")));
        service.insert("environment".to_owned(), self.environment.into());
        service.insert("labels".to_owned(), self.labels.into());
        service.append(&mut self.rest);
        service.into()
    }
}

impl Stack {
    /// Where requests go.
    pub(super) fn site(&self) -> SocketAddr {
        self.site
    }

    /// The project's name.
    pub(super) fn project(&self) -> &str {
        self.project.name()
    }

    /// What Seaway says.
    pub(super) fn log(&self) -> &Follower {
        &self.log
    }

    /// A client of [`HOST`].
    pub(super) fn browser(&self) -> Browser {
        Browser::new(self.site, HOST)
    }

    /// Calls compose; panics when it fails.
    #[track_caller]
    pub(super) fn compose(&self, arguments: &[&str]) {
        run_compose(self.project(), &self.folder, arguments);
    }

    /// Scales one service, leaving its containers alone where they may stay.
    #[track_caller]
    pub(super) fn scale(&self, service: &str, count: usize) {
        self.compose(&[
            "up",
            "-d",
            "--no-build",
            "--no-recreate",
            "--no-deps",
            "--scale",
            &format!("{service}={count}"),
            service,
        ]);
    }

    /// The running containers of a service, in the order of their numbers.
    #[track_caller]
    pub(super) fn containers(&self, service: &str) -> Vec<Container> {
        let listed = ps(self.project(), service, &["--format", "{{.ID}} {{.Names}}"]);
        let mut containers: Vec<Container> = listed
            .lines()
            .filter_map(|line| {
                let (id, name) = line.split_once(' ')?;
                let number = name.rsplit(['-', '_']).next()?.parse().ok()?;
                Some(Container { id: id.get(..12)?.to_owned(), name: name.to_owned(), number })
            })
            .collect();
        containers.sort_by_key(|container| container.number);
        containers
    }

    /// The id of Seaway's own container.
    pub(super) fn own_id(&self) -> String {
        ps(self.project(), "seaway", &["-aq"]).trim().to_owned()
    }

    /// An answer of the API as JSON; panics when there is none.
    #[track_caller]
    pub(super) fn api(&self, path: &str) -> Value {
        self.try_api(path).unwrap_or_else(|| panic!("the API does not answer {path}"))
    }

    /// An answer of the API as JSON, if it is one.
    pub(super) fn try_api(&self, path: &str) -> Option<Value> {
        let request = format!("GET {path} HTTP/1.1\r\nHost: api.localhost\r\nConnection: close\r\n\r\n");
        let answer = super::browser::block_on(seaway_testkit::raw::RawClient::exchange(self.api, request)).ok()?;
        if answer.status == 200 { serde_json::from_slice(&answer.body).ok() } else { None }
    }

    /// The name and state of each server of a service, as Seaway sees it; empty where there is no such service.
    pub(super) fn states(&self, service: &str) -> Vec<(String, String)> {
        let found = self.try_api(&format!("/api/http/services/{service}@docker")).unwrap_or_default();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let servers = found["seaway"]["servers"].as_array().cloned().unwrap_or_default();
        servers.iter().map(|server| (text(&server["name"]), text(&server["state"]))).collect()
    }

    /// Waits until exactly `count` servers of `service` take requests and no other is listed.
    #[track_caller]
    pub(super) fn wait_ready(&self, service: &str, count: usize) {
        let mut last = Vec::new();
        let found = try_eventually(LONG, || {
            last = self.states(service);
            (last.len() == count && last.iter().all(|(_, state)| state == "ready")).then_some(())
        });
        assert!(found.is_some(), "{service} has not {count} ready servers: {last:?}");
    }

    /// Waits until `probe` gives something.
    #[track_caller]
    pub(super) fn eventually<T>(&self, what: &str, probe: impl FnMut() -> Option<T>) -> T {
        cli::eventually(what, LONG, probe)
    }

    /// Waits for a line of Seaway's log that has all of these parts, and gives it.
    #[track_caller]
    pub(super) fn said(&self, parts: &[&str]) -> String {
        self.said_after(0, parts)
    }

    /// The same, among the lines from `position` on.
    #[track_caller]
    pub(super) fn said_after(&self, position: usize, parts: &[&str]) -> String {
        let what = format!("a line with {parts:?}");
        self.log.wait(&what, position, Duration::from_secs(20), |line| parts.iter().all(|part| line.contains(part)))
    }

    fn is_ready(&self) -> bool {
        self.log.lines().iter().any(|line| line.contains("listens on"))
    }

    fn tail(&self) -> String {
        let lines = self.log.lines();
        let last = lines.get(lines.len().saturating_sub(40)..).unwrap_or_default();
        format!("--- the end of Seaway's log:\n{}", last.join("\n"))
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let whole = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{}.log", self.project()));
            let written = std::fs::write(&whole, self.log.lines().join("\n"));
            eprintln!("{}\n--- all of it: {} ({written:?})", self.tail(), whole.display());
        }
    }
}

/// Where a container's port can be reached from here; docker chose the number.
#[track_caller]
pub(super) fn published(container: &str, port: u16) -> SocketAddr {
    let port = docker(&["port", container, &format!("{port}/tcp")]);
    let address = port.lines().next().unwrap_or_default().trim();
    address.parse().unwrap_or_else(|_| panic!("{container} publishes {port:?}"))
}

/// What `docker ps` says of the containers of one service, running or not.
#[track_caller]
fn ps(project: &str, service: &str, more: &[&str]) -> String {
    let project = format!("label=com.docker.compose.project={project}");
    let service = format!("label=com.docker.compose.service={service}");
    docker(&[&["ps", "--filter", &project, "--filter", &service], more].concat())
}

fn run_compose(project: &str, folder: &TempDir, arguments: &[&str]) {
    cli::compose(&[&["-p", project, "-f", "compose.json"], arguments].concat(), folder.path(), &[]);
}

fn image(variable: &str, otherwise: &str) -> String {
    std::env::var(variable).ok().filter(|name| !name.is_empty()).unwrap_or_else(|| otherwise.to_owned())
}

/// Compose replaces `$name` unless the dollar stands twice.
fn escaped(text: &str) -> String {
    text.replace('$', "$$")
}
