//! Each example whose page has a table does what the table says, row by row.
//!
//! `| request | status | from | look for |`: a request is a `curl` command line, `N ×` of it if it is sent more than once; a status is
//! one, `a or b`, or shares (`5 × 200, 3 × 429`); `from` is the service whose container answered, `–` for the proxy itself, or
//! shares; `look for` names headers of the answer, and after `gets` what reached the server.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use seaway_testkit::raw::{RawClient, Response};
use serde_json::Value;

use super::browser::{PATIENCE, block_on, keep_cookies};
use super::cli::{self, Project, docker, try_docker, try_eventually};
use super::engine::engine;
use super::stack::{LONG, published};

macro_rules! pages {
    ($($name:ident: $folder:literal,)*) => {
        $(
            #[test]
            fn $name() {
                let _engine = engine!(Shared);
                follow($folder);
            }
        )*

        /// Folders that have a test here.
        const FOLDERS: &[&str] = &[$($folder),*];
    };
}

pages! {
    whoami: "7-whoami",
    wordpress: "8-wordpress",
    gitea: "9-gitea",
    grafana: "10-grafana",
    auth_gateway: "11-auth-gateway",
    redirect_to_https: "12-redirect-https",
    rate_limited_api: "13-rate-limited-api",
    canary: "14-canary",
    error_pages: "15-error-pages",
    dashboard: "16-dashboard",
    prefixes: "17-prefixes",
    cors_api: "18-cors-api",
    security_headers: "19-security-headers",
    networks: "20-networks",
    maintenance: "21-maintenance",
    sticky_shop: "22-sticky-shop",
    retry_and_breaker: "23-retry-breaker",
    compress: "24-compress",
    admin_allow_list: "25-admin-allow-list",
    mirror: "26-mirror",
}

/// Folders that have a test of their own in `examples`.
const OTHERS: &[&str] =
    &["1-sticky-site", "2-sticky-api", "3-routeid-site", "4-sticky-prefix", "5-application-cookie", "6-docker-run"];

#[test]
fn every_example_is_tested_and_every_row_is_understood() {
    let here = std::fs::read_dir(cli::root().join("deploy/examples")).expect("the examples");
    let here =
        here.flatten().filter(|entry| entry.path().is_dir()).filter_map(|entry| entry.file_name().into_string().ok());
    let here: BTreeSet<String> = here.collect();
    assert_eq!(here, FOLDERS.iter().chain(OTHERS).map(|name| (*name).to_owned()).collect());
    for folder in FOLDERS {
        let path = cli::root().join("deploy/examples").join(folder);
        assert!(rows(&path).len() >= 2, "{folder} has a table");
        let compose = std::fs::read_to_string(path.join("docker-compose.yml")).expect("a compose file");
        // The one line that is changed for the other proxy.
        assert_eq!(compose.matches("seaway").count(), 1, "{folder} speaks of the program in its image line only");
        assert!(compose.contains("image: seaway:local"), "{folder}");
    }
}

#[test]
fn the_check_says_of_each_example_what_its_page_says() {
    for folder in OTHERS.iter().filter(|folder| **folder != "6-docker-run").chain(FOLDERS) {
        let path = cli::root().join("deploy/examples").join(folder);
        let mut check = std::process::Command::new(env!("CARGO_BIN_EXE_seaway"));
        let said = check.args(["check", "docker-compose.yml"]).current_dir(&path).output().expect("the program runs");
        let text = String::from_utf8_lossy(&said.stdout);
        let faults = text.lines().filter(|line| line.contains(": error SW") || line.contains(": warning SW"));
        let faults: BTreeSet<String> = faults.flat_map(codes).collect();
        let page = std::fs::read_to_string(path.join("README.md")).expect("a page");
        // What is only worth knowing may be on the page, and whatever is there is said.
        let (told, all) = (codes(&page), codes(&text));
        let errors = String::from_utf8_lossy(&said.stderr);
        assert!(faults.is_subset(&told) && told.is_subset(&all), "{folder}: page {told:?}: {text}{errors}");
        assert_eq!(said.status.success(), !text.contains(": error SW"), "{folder}: {text}");
    }
}

/// Codes of diagnostics in a text.
fn codes(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric());
    words.filter(|word| word.len() == 6 && word.starts_with("SW")).map(ToOwned::to_owned).collect()
}

/// Starts the example with stand-ins, does what its page says, and takes it down again.
fn follow(folder: &str) {
    let path = cli::root().join("deploy/examples").join(folder);
    let example = Example { project: Project::new(folder), path };
    example.compose(&["up", "-d", "--no-build"]);
    let site = Site::of(&example);
    for row in rows(&example.path) {
        site.follow(&row);
    }
    example.compose(&["down", "--volumes", "--timeout", "2"]);
    let filter = format!("label=com.docker.compose.project={}", example.project.name());
    for list in [&["ps", "-aq"][..], &["network", "ls", "-q"], &["volume", "ls", "-q"]] {
        assert_eq!(docker(&[list, &["--filter", &filter]].concat()).trim(), "", "{list:?}");
    }
}

struct Example {
    project: Project,
    path: PathBuf,
}

impl Example {
    fn compose(&self, arguments: &[&str]) -> String {
        let environment = [
            ("COMPOSE_PROJECT_NAME", self.project.name()),
            // Docker chooses the ports.
            ("DEMO_HTTP_PORT", "0"),
            ("DEMO_HTTPS_PORT", "0"),
            ("DEMO_API_PORT", "0"),
        ];
        let files = ["-p", self.project.name(), "-f", "docker-compose.yml", "-f", "stand-in.yml"];
        cli::compose(&[&files, arguments].concat(), &self.path, &environment)
    }

    /// Ids of the containers of each service.
    fn containers(&self) -> BTreeMap<String, String> {
        let filter = format!("label=com.docker.compose.project={}", self.project.name());
        let format = "{{.ID}} {{.Label \"com.docker.compose.service\"}}";
        let listed = docker(&["ps", "--filter", &filter, "--format", format]);
        let pairs = listed.lines().filter_map(|line| line.split_once(' '));
        pairs.map(|(id, service)| (id.chars().take(12).collect(), service.to_owned())).collect()
    }
}

/// A running example as a client sees it.
struct Site {
    /// Which service a container is of.
    services: BTreeMap<String, String>,
    proxy: String,
}

impl Site {
    fn of(example: &Example) -> Self {
        let services = example.containers();
        let proxy = services.iter().find(|(_, service)| *service == "proxy").expect("the proxy runs").0.clone();
        Self { services, proxy }
    }

    /// Where a port that the page names is found in a test.
    fn address(&self, port: u16) -> SocketAddr {
        let inside = match port {
            8080 => 80,
            8081 => 8080,
            8443 => 443,
            other => panic!("no page speaks of port {other}"),
        };
        published(&self.proxy, inside)
    }

    /// A row that asks once, or for each replica, may have to wait until everything has started; one that counts answers may
    /// not be tried twice.
    #[track_caller]
    fn follow(&self, row: &Row) {
        let mut last = self.ask(row);
        if (row.count == 1 || row.replicas.is_some()) && last.is_err() {
            try_eventually(LONG / 3, || {
                last = self.ask(row);
                last.clone().ok()
            });
        }
        if let Err(why) = last {
            panic!("{}\n{why}\n{}", row.text, log(&self.proxy));
        }
    }

    fn ask(&self, row: &Row) -> Result<(), String> {
        let mut jar = BTreeMap::new();
        let answers: Result<Vec<Response>, String> =
            (0..row.count).map(|_| self.send(&row.request, &mut jar).map_err(|error| error.to_string())).collect();
        let answers = answers?;
        row.status.judge(answers.iter().map(|answer| answer.status.to_string()))?;
        let by = answers.iter().map(|answer| {
            let replica = answer.field("x-replica").unwrap_or_default();
            self.services.get(replica).map_or_else(|| "–".to_owned(), Clone::clone)
        });
        row.from.judge(by)?;
        if let Some(replicas) = row.replicas {
            let different: BTreeSet<_> = answers.iter().map(|answer| answer.field("x-replica")).collect();
            expect(different.len() == replicas, || format!("{} replicas answered", different.len()))?;
        }
        let answer = answers.first().ok_or("nothing was asked")?;
        for sight in &row.sights {
            self.see(sight, answer)?;
        }
        Ok(())
    }

    fn see(&self, sight: &Sight, answer: &Response) -> Result<(), String> {
        let all = || format!("{sight:?}: {:?}\n{}", answer.fields, answer.text());
        match sight {
            Sight::Header(wanted) => expect(is_among(wanted, answer.fields.iter()), all),
            Sight::NoHeader(wanted) => expect(!is_among(wanted, answer.fields.iter()), all),
            Sight::Gets(wanted) | Sight::GetsNo(wanted) => {
                let got: Value = serde_json::from_slice(&answer.body).map_err(|error| error.to_string())?;
                let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
                let pairs = got["headers"].as_array().cloned().unwrap_or_default();
                let pairs: Vec<(String, String)> = pairs.iter().map(|pair| (text(&pair[0]), text(&pair[1]))).collect();
                let found = if wanted.starts_with('/') {
                    text(&got["target"]) == *wanted
                } else {
                    is_among(wanted, pairs.iter())
                };
                expect(found == matches!(sight, Sight::Gets(_)), all)
            }
            Sight::Logged { service, count, text } => {
                let logs =
                    || self.services.iter().filter(|(_, of)| *of == service).map(|(id, _)| log(id)).collect::<String>();
                let enough =
                    try_eventually(LONG / 3, || (logs().matches(text.as_str()).count() >= *count).then_some(()));
                expect(enough.is_some(), || format!("{text} is not {count} times in: {}", logs()))
            }
        }
    }

    /// What `curl` sends, and what comes.
    fn send(&self, request: &Request, jar: &mut BTreeMap<String, String>) -> std::io::Result<Response> {
        let address = self.address(request.port);
        let mut head = format!(
            "{} {} HTTP/1.1\r\nHost: {}:{}\r\nConnection: close\r\n",
            request.method, request.path, request.host, request.port
        );
        for header in &request.headers {
            head.push_str(&format!("{header}\r\n"));
        }
        if request.has_jar && !jar.is_empty() {
            let pairs: Vec<String> = jar.iter().map(|(name, value)| format!("{name}={value}")).collect();
            head.push_str(&format!("Cookie: {}\r\n", pairs.join("; ")));
        }
        if let Some(body) = &request.body {
            head.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        head.push_str(&format!("\r\n{}", request.body.as_deref().unwrap_or_default()));
        let response: Response = block_on(async {
            let mut connection = RawClient::connect(address).await?.within(PATIENCE);
            connection.send(head).await?;
            connection.response().await
        })?;
        keep_cookies(jar, &response);
        Ok(response)
    }
}

/// One row of a page's table.
#[derive(Debug)]
struct Row {
    text: String,
    count: usize,
    request: Request,
    status: Shares,
    from: Shares,
    /// So many containers answered.
    replicas: Option<usize>,
    sights: Vec<Sight>,
}

/// What the page has `curl` send.
#[derive(Debug)]
struct Request {
    method: String,
    host: String,
    port: u16,
    path: String,
    headers: Vec<String>,
    body: Option<String>,
    has_jar: bool,
}

/// What the page tells to look for.
#[derive(Debug)]
enum Sight {
    Header(String),
    NoHeader(String),
    Gets(String),
    GetsNo(String),
    Logged { service: String, count: usize, text: String },
}

/// How often which answer is right.
#[derive(Debug, PartialEq)]
enum Shares {
    Any,
    /// Each time one of these.
    Each(Vec<String>),
    Exactly(BTreeMap<String, usize>),
}

impl Shares {
    fn read(cell: &str) -> Self {
        let cell = cell.replace('`', "");
        if cell.is_empty() {
            return Self::Any;
        }
        if cell.contains(" × ") {
            let parts = cell.split(", ").map(|part| part.split_once(" × ").expect("a count and what it counts"));
            return Self::Exactly(parts.map(|(n, what)| (what.to_owned(), n.parse().expect("a number"))).collect());
        }
        Self::Each(cell.split(" or ").map(ToOwned::to_owned).collect())
    }

    fn judge(&self, answers: impl Iterator<Item = String>) -> Result<(), String> {
        let mut counted: BTreeMap<String, usize> = BTreeMap::new();
        answers.for_each(|answer| *counted.entry(answer).or_default() += 1);
        let right = match self {
            Self::Any => true,
            Self::Each(allowed) => counted.keys().all(|answer| allowed.contains(answer)),
            Self::Exactly(wanted) => *wanted == counted,
        };
        expect(right, || format!("{counted:?} is not {self:?}"))
    }
}

fn rows(folder: &Path) -> Vec<Row> {
    let page = std::fs::read_to_string(folder.join("README.md")).expect("a page");
    let lines = page.lines().skip_while(|line| !line.starts_with("| request |")).skip(2);
    lines.take_while(|line| line.starts_with('|')).map(row).collect()
}

fn row(line: &str) -> Row {
    let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
    let [request, status, from, sights] = cells[..] else { panic!("four cells: {line}") };
    let (count, command) = match request.split_once(" × ") {
        Some((count, command)) => (count.parse().expect("a number"), command),
        None => (1, request),
    };
    let (replicas, from) = match from.split_once(' ') {
        Some(("one", service)) => (Some(1), service),
        Some(("three", service)) => (Some(3), service),
        _ => (None, from),
    };
    Row {
        text: line.to_owned(),
        count,
        request: curl(command.trim_matches('`')),
        status: Shares::read(status),
        from: Shares::read(from),
        replicas,
        sights: seen(sights),
    }
}

/// Reads `word `text`, word `text``: what stands before each text in backticks says what it is.
fn seen(cell: &str) -> Vec<Sight> {
    let parts: Vec<&str> = cell.split('`').collect();
    let mut found = Vec::new();
    let mut logs = None;
    for pair in parts.chunks_exact(2) {
        let text = pair[1].to_owned();
        let word = pair[0].trim_matches([' ', ',']);
        found.push(match word {
            "" => Sight::Header(text),
            "no" => Sight::NoHeader(text),
            "gets" => Sight::Gets(text),
            "gets no" => Sight::GetsNo(text),
            "log of" => {
                logs = Some(text);
                continue;
            }
            other => {
                let count =
                    other.strip_prefix("has ").and_then(|rest| rest.strip_suffix(" ×")).and_then(|n| n.parse().ok());
                let count = count.unwrap_or_else(|| panic!("{other:?} means nothing"));
                Sight::Logged { service: logs.take().expect("whose log"), count, text }
            }
        });
    }
    found
}

/// Reads a command line of `curl` with the few options that the pages use.
fn curl(command: &str) -> Request {
    let mut words = words(command).into_iter();
    assert_eq!(words.next().as_deref(), Some("curl"), "{command}");
    let (mut method, mut headers, mut body, mut url, mut has_jar) = (None, Vec::new(), None, None, false);
    while let Some(word) = words.next() {
        let mut value = || words.next().unwrap_or_else(|| panic!("{word} wants a value"));
        match word.as_str() {
            "-X" => method = Some(value()),
            "-H" => headers.push(value()),
            "-d" => body = Some(value()),
            "-u" => headers.push(format!("Authorization: Basic {}", base64(value().as_bytes()))),
            "-b" => has_jar = !value().is_empty(),
            "-c" => drop(value()),
            _ if word.starts_with("http://") => url = Some(word),
            _ => panic!("{word} of {command}"),
        }
    }
    let url = url.expect("an address");
    let rest = url.trim_start_matches("http://");
    let (authority, path) = rest.split_once('/').expect("a path");
    let (host, port) = authority.split_once(':').expect("a port");
    let method = method.unwrap_or_else(|| if body.is_some() { "POST" } else { "GET" }.to_owned());
    let (host, port, path) = (host.to_owned(), port.parse().expect("a number"), format!("/{path}"));
    Request { method, host, port, path, headers, body, has_jar }
}

/// Words as a shell sees them; single quotes only.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (index, part) in line.split('\'').enumerate() {
        if index % 2 == 1 {
            words.push(part.to_owned());
        } else {
            words.extend(part.split_whitespace().map(ToOwned::to_owned));
        }
    }
    words
}

/// A field of this name is there, and its value begins as told, if that is told.
fn is_among<'f>(wanted: &str, mut fields: impl Iterator<Item = &'f (String, String)>) -> bool {
    let (name, value) = wanted.split_once(':').unwrap_or((wanted, ""));
    fields.any(|(n, v)| n.eq_ignore_ascii_case(name) && v.starts_with(value.trim()))
}

/// What a container has said.
fn log(id: &str) -> String {
    try_docker(&["logs", id]).unwrap_or_else(|error| error)
}

fn expect(holds: bool, otherwise: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(otherwise()) }
}

/// RFC 4648 §4.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digit = |bits: u32, shift: u32| char::from(DIGITS[(bits >> shift & 63) as usize]);
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let bits = (0..3).fold(0, |bits, n| bits << 8 | u32::from(chunk.get(n).copied().unwrap_or_default()));
        let four = [digit(bits, 18), digit(bits, 12), digit(bits, 6), digit(bits, 0)];
        four.iter().take(chunk.len() + 1).for_each(|digit| out.push(*digit));
        out.extend(std::iter::repeat_n('=', 3 - chunk.len()));
    }
    out
}
