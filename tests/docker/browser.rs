//! A client with a cookie jar and a connection that it keeps.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use seaway_testkit::raw::{RawClient, Response};
use tokio::runtime::Runtime;

/// A request may be held for fifteen seconds.
pub(super) const PATIENCE: Duration = Duration::from_secs(25);

/// Sends one request at a time to one host.
#[derive(Debug)]
pub(super) struct Browser {
    address: SocketAddr,
    host: String,
    /// What the other side asked to be told again.
    pub(super) jar: BTreeMap<String, String>,
    connection: Option<RawClient>,
}

impl Browser {
    /// A client that knows nothing yet.
    pub(super) fn new(address: SocketAddr, host: &str) -> Self {
        Self { address, host: host.to_owned(), jar: BTreeMap::new(), connection: None }
    }

    /// GETs `path`, waiting as long as a held request may take.
    #[track_caller]
    pub(super) fn get(&mut self, path: &str) -> Response {
        self.send("GET", path).unwrap_or_else(|error| panic!("GET {}{path}: {error}", self.host))
    }

    /// POSTs to `path` without a body.
    #[track_caller]
    pub(super) fn post(&mut self, path: &str) -> Response {
        self.send("POST", path).unwrap_or_else(|error| panic!("POST {}{path}: {error}", self.host))
    }

    /// GETs `path` and gives the name of the replica that answered; panics if none did.
    #[track_caller]
    pub(super) fn replica(&mut self, path: &str) -> String {
        let response = self.get(path);
        assert_eq!(response.status, 200, "GET {}{path}: {:?} {}", self.host, response.start, response.text());
        response.field("x-replica").unwrap_or_else(|| panic!("{path}: no replica answered")).to_owned()
    }

    fn send(&mut self, method: &str, path: &str) -> std::io::Result<Response> {
        block_on(async {
            let mut connection = match self.connection.take() {
                Some(connection) => connection,
                None => RawClient::connect(self.address).await?.within(PATIENCE),
            };
            connection.send(head(method, path, &self.host, &self.jar)).await?;
            let response = connection.response().await?;
            keep_cookies(&mut self.jar, &response);
            if !closes(&response) {
                self.connection = Some(connection);
            }
            Ok(response)
        })
    }
}

/// A request without a body.
pub(super) fn head(method: &str, path: &str, host: &str, jar: &BTreeMap<String, String>) -> String {
    let mut head = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\n");
    if !jar.is_empty() {
        let pairs: Vec<String> = jar.iter().map(|(name, value)| format!("{name}={value}")).collect();
        head.push_str(&format!("Cookie: {}\r\n", pairs.join("; ")));
    }
    if method != "GET" {
        head.push_str("Content-Length: 0\r\n");
    }
    head.push_str("\r\n");
    head
}

/// Does what `Set-Cookie` asks for; attributes other than an end are of no interest here.
pub(super) fn keep_cookies(jar: &mut BTreeMap<String, String>, response: &Response) {
    for cookie in response.all("set-cookie") {
        let (pair, attributes) = cookie.split_once(';').unwrap_or((cookie, ""));
        let Some((name, value)) = pair.split_once('=') else { continue };
        if attributes.contains("Max-Age=0") {
            jar.remove(name);
        } else {
            jar.insert(name.to_owned(), value.to_owned());
        }
    }
}

/// The connection ends with this response.
pub(super) fn closes(response: &Response) -> bool {
    !response.complete || response.all("connection").iter().any(|value| value.eq_ignore_ascii_case("close"))
}

/// Runs a future on this thread's own runtime, where its sockets live.
pub(super) fn block_on<T>(future: impl Future<Output = T>) -> T {
    thread_local! {
        static RUNTIME: RefCell<Runtime> = RefCell::new(
            tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime"),
        );
    }
    RUNTIME.with(|runtime| runtime.borrow().block_on(future))
}
