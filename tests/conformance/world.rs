//! One program, one engine, and upstreams of every temper.

use std::collections::{BTreeMap, HashMap};
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use seaway_testkit::engine::{FakeEngine, Spec};
use seaway_testkit::raw::{DEADLINE, RawClient, Response};
use seaway_testkit::upstream::{Behaviour, Recorded, Upstream};
use serde_json::Value;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use super::table::{Block, Row};
use crate::program::Program;

/// A container whose server is one of the upstreams: its name, its labels and the upstream's.
pub(super) type Container = (String, Vec<(String, String)>, String);

/// The container of a block.
pub(super) fn container(block: &Block) -> Container {
    (block.name.clone(), block.labels.clone(), block.server.clone())
}

pub(super) struct World {
    pub(super) program: Program,
    upstreams: BTreeMap<&'static str, Upstream>,
    _engine: FakeEngine,
    folder: TempDir,
}

fn response(head: &str, body: &str) -> Behaviour {
    Behaviour::writes(format!("HTTP/1.1 {head}\r\nContent-Length: {}\r\n\r\n{body}", body.len()))
}

/// Each is a service of its name as well, for `errors.service` and the like.
fn tempers() -> Vec<(&'static str, Behaviour)> {
    let long = "<p>sea</p>".repeat(300);
    vec![
        ("echo", Behaviour::echo()),
        ("other", Behaviour::echo()),
        ("stranger", Behaviour::answer(200, "stranger")),
        ("html", response("200 OK\r\nContent-Type: text/html\r\nETag: \"a\"", &long)),
        ("image", response("200 OK\r\nContent-Type: image/png", &long)),
        ("zipped", response("200 OK\r\nContent-Type: text/html\r\nContent-Encoding: gzip", &long)),
        ("small", response("200 OK\r\nContent-Type: text/html", "<p>sea</p>")),
        ("untyped", response("200 OK", "<html></html>")),
        ("notfound", response("404 Not Found\r\nX-From: server", "nothing")),
        ("teapot", response("418 I'm a teapot", "teapot")),
        ("broken", response("500 Internal Server Error\r\nX-From: server", "broken")),
        ("unavailable", response("503 Service Unavailable", "unavailable")),
        ("moved", response("302 Found\r\nLocation: http://elsewhere.test/x", "")),
        ("empty", Behaviour::writes("HTTP/1.1 204 No Content\r\nX-From: server\r\n\r\n")),
        (
            "fields",
            response(
                "200 OK\r\nServer: old\r\nX-Powered-By: cogs\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nConnection: X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nProxy-Authenticate: Basic\r\nVary: Accept\r\nX-Frame-Options: SAMEORIGIN\r\nAccess-Control-Allow-Origin: https://server.test",
                "fields",
            ),
        ),
        ("closes", Behaviour::close_after_request()),
        ("garbage", Behaviour::garbage()),
        (
            "chunks",
            Behaviour::writes("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"),
        ),
        (
            "welcomes",
            response("200 OK\r\nX-User: anna\r\nX-Group: crew\r\nX-Other: 1\r\nSet-Cookie: seen=1; Path=/", ""),
        ),
        ("forbids", response("403 Forbidden\r\nX-Why: closed\r\nConnection: X-Hop\r\nX-Hop: 1", "not you")),
        ("asks", response("401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"x\"\r\nX-Why: unknown", "who")),
        ("sends", response("302 Found\r\nLocation: /login", "")),
    ]
}

impl World {
    /// Waits until every server is ready.
    pub(super) async fn start(flags: &[&str], containers: impl Iterator<Item = Container>) -> Self {
        let engine = FakeEngine::unix().await;
        let mut upstreams = BTreeMap::new();
        for (name, behaviour) in tempers() {
            upstreams.insert(name, Upstream::start(name, behaviour).await);
        }
        for (name, upstream) in &upstreams {
            let label = format!("traefik.http.services.{name}.loadbalancer.server.port");
            let port = upstream.address().port().to_string();
            engine.run(
                at(name, upstream)
                    .label(&label, &port)
                    .label(&format!("traefik.http.routers.{name}.rule"), &format!("Host(`{name}.up`)")),
            );
        }
        for (name, labels, server) in containers {
            let upstream = upstreams.get(&*server).unwrap_or_else(|| panic!("{name}: no upstream {server}"));
            engine.run(
                labels
                    .iter()
                    .fold(at(&name, upstream), |spec, (key, value)| spec.label(key, &fill(&upstreams, value, &server))),
            );
        }
        let folder = tempfile::tempdir().unwrap();
        let log = format!("--accesslog.filepath={}", folder.path().join("access.log").display());
        let endpoint = format!("--providers.docker.endpoint={}", engine.endpoint());
        let own = [
            "--providers.docker=true",
            &endpoint,
            "--accesslog=true",
            "--accesslog.format=json",
            &log,
            "--accesslog.fields.headers.names.X-Row=keep",
            "--log.level=INFO",
        ];
        let program = Program::start(&[&own, flags].concat(), &[]);
        for name in upstreams.keys() {
            program
                .until(&format!("{name}.up"), "/", |response| {
                    !["404 page not found", "no available server"].contains(&response.text().trim())
                })
                .await;
        }
        Self { program, upstreams, _engine: engine, folder }
    }

    /// A row's text with the URLs of upstreams (`{url:N}`), what affinity calls them (`{sha:N}`), and the port of this one.
    pub(super) fn fill(&self, text: &str, server: &str) -> String {
        fill(&self.upstreams, text, server)
    }

    /// Sends a row's request, or asks the API.
    pub(super) async fn ask(&self, block: &Block, row: &Row, number: usize) -> Response {
        let api = row.method == "API";
        let (address, method) = if api { (self.program.api, "GET") } else { (self.program.web, &*row.method) };
        let mut request = format!("{method} {} HTTP/1.1\r\n", row.target);
        if !row.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host")) {
            request += &format!("Host: {}.test\r\n", block.name);
        }
        request += &format!("X-Block: {}\r\nX-Row: {number}\r\n", block.name);
        for (name, value) in &row.headers {
            request += &format!("{name}: {value}\r\n");
        }
        if let Some(body) = &row.body {
            request += &format!("Content-Length: {}\r\n", body.len());
        }
        if !row.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("connection")) {
            request += "Connection: close\r\n";
        }
        request += "\r\n";
        request += row.body.as_deref().unwrap_or_default();
        let mut client = RawClient::connect(address).await.unwrap();
        client.send(request).await.unwrap();
        let answer = if method == "HEAD" { client.response_to_head().await } else { client.response().await };
        answer.unwrap_or_else(|error| panic!("{}: {error}", row.place))
    }

    /// What each server was sent, by the number of its row and the server's name; the last of each.
    pub(super) fn seen(&self) -> BTreeMap<(usize, &'static str), Recorded> {
        let mut seen = BTreeMap::new();
        for (name, upstream) in &self.upstreams {
            for request in upstream.log().requests {
                if let Some(number) = request.all("x-row").first().and_then(|number| number.parse().ok()) {
                    seen.insert((number, *name), request);
                }
            }
        }
        seen
    }

    /// Lines of the access log by row, once those of these rows are there.
    pub(super) async fn logged(&self, wanted: &[usize]) -> HashMap<usize, Value> {
        let until = Instant::now() + DEADLINE;
        loop {
            let text = std::fs::read_to_string(self.folder.path().join("access.log")).unwrap_or_default();
            let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            let lines: HashMap<usize, Value> =
                lines.filter_map(|line| Some((line["request_X-Row"].as_str()?.parse().ok()?, line))).collect();
            if wanted.iter().all(|number| lines.contains_key(number)) || Instant::now() > until {
                return lines;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// What the API says is wrong.
    pub(super) async fn diagnostics(&self) -> Vec<Value> {
        self.program.api("/api/seaway/diagnostics").await.as_array().cloned().unwrap_or_default()
    }
}

fn fill(upstreams: &BTreeMap<&'static str, Upstream>, text: &str, server: &str) -> String {
    if !text.contains('{') {
        return text.to_owned();
    }
    let filled = upstreams.iter().fold(text.to_owned(), |text, (name, upstream)| {
        let text = text.replace(&format!("{{url:{name}}}"), &upstream.url());
        if !text.contains("{sha:") {
            return text;
        }
        let digest = Sha256::digest(upstream.url());
        let value: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        text.replace(&format!("{{sha:{name}}}"), &value)
    });
    filled.replace("{port}", &upstreams[server].address().port().to_string())
}

fn at(name: &str, upstream: &Upstream) -> Spec {
    Spec::new(name).at("net", Ipv4Addr::LOCALHOST).port(upstream.address().port())
}
