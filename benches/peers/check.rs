//! Before anything is timed: does it do what is asked? A fast wrong answer is no result.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use super::backend::BACKENDS;
use super::children::Failure;
use super::client::{Answer, Client, request};
use super::peers::{Peer, REQUEST_HEADER, RESPONSE_HEADER};
use super::wire;
use super::workloads::{Kind, Workload};

const REQUESTS: usize = 40;
const FORWARDED: [&str; 6] =
    ["x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-forwarded-port", "x-forwarded-server", "x-real-ip"];

/// Checks a proxy; returns the cookies of one session on each server, where there are any.
///
/// # Errors
/// It answers wrongly, and how.
pub(crate) fn check(peer: Peer, at: SocketAddr, workload: &Workload) -> Result<Vec<String>, Failure> {
    let check = Check { peer, at, workload };
    check.all().map_err(|why| Failure::new(format!("answers wrongly: {why}")))
}

/// Checks that somebody who counts requests says so at `/metrics`.
///
/// # Errors
/// It says nothing of the kind.
pub(crate) fn counts(at: SocketAddr) -> Result<(), Failure> {
    let request = request("GET", "localhost", "/metrics", "Connection: close\r\n");
    let said = Client::connect(at).and_then(|client| client.everything(request.as_bytes()));
    match said.map(|said| String::from_utf8_lossy(&said).contains("requests_total")) {
        Ok(true) => Ok(()),
        Ok(false) => Err(Failure::new("has metrics on, and /metrics names no requests_total")),
        Err(error) => Err(Failure::new(format!("has metrics on, and /metrics does not answer: {error}"))),
    }
}

/// It answers at all; what it says does not matter yet.
pub(crate) fn answers(at: SocketAddr, workload: &Workload) -> bool {
    let once = |path: &str| {
        let mut client = Client::connect(at)?;
        client.exchange(request("GET", &workload.host, path, "Connection: close\r\n").as_bytes())
    };
    once(workload.path)
        .is_ok_and(|answer| matches!(answer.status, 101 | 200 | 404 | 400) && answer.status == workload.status)
        || (workload.kind == Kind::Echo && once("/128").is_ok_and(|answer| answer.status == 200))
        || (workload.setup.middlewares && once("/app/128").is_ok_and(|answer| answer.status == 200))
}

struct Check<'c> {
    peer: Peer,
    at: SocketAddr,
    workload: &'c Workload,
}

impl Check<'_> {
    fn all(&self) -> Result<Vec<String>, String> {
        if self.workload.kind == Kind::Echo {
            return self.echoes().map(|()| Vec::new());
        }
        let mut seen = BTreeSet::new();
        let mut cookies = BTreeMap::new();
        for _ in 0..REQUESTS {
            let mut client = self.connect()?;
            let answer = self.ask(&mut client, "Connection: close\r\n")?;
            // A relay keeps what the server keeps.
            if (self.peer.speaks_http() || self.workload.close) && !client.is_over() {
                return Err("keeps a connection that was to be closed".to_owned());
            }
            if let Some(backend) = answer.backend() {
                seen.insert(backend);
                if let Some(cookie) = answer.cookies().into_iter().next() {
                    cookies.entry(backend).or_insert(cookie);
                }
            }
        }
        if self.workload.status == 200 && seen.len() != BACKENDS {
            return Err(format!("{REQUESTS} requests reached the servers {seen:?} of {BACKENDS}"));
        }
        if !self.workload.close {
            let mut client = self.connect()?;
            for _ in 0..4 {
                self.ask(&mut client, "")?;
            }
        }
        if self.workload.status == 200 && self.peer.speaks_http() {
            self.is_forwarded()?;
        }
        if self.workload.setup.sticky && self.peer.speaks_http() {
            self.is_sticky(&cookies)?;
            return Ok(cookies.into_values().collect());
        }
        Ok(Vec::new())
    }

    fn connect(&self) -> Result<Client, String> {
        Client::connect(self.at).map_err(|e| e.to_string())
    }

    /// One request of the workload, and its right answer.
    fn ask(&self, client: &mut Client, lines: &str) -> Result<Answer, String> {
        let Workload { post, host, status, length, .. } = self.workload;
        let path = self.workload.path_for(self.peer);
        let body = if *post { vec![b'x'; 16 * 1024] } else { Vec::new() };
        let lines = if *post { format!("{lines}Content-Length: {}\r\n", body.len()) } else { lines.to_owned() };
        let method = if *post { "POST" } else { "GET" };
        let mut bytes = request(method, host, &path, &lines).into_bytes();
        bytes.extend(body);
        let answer = client.exchange(&bytes).map_err(|e| format!("{path}: {e}"))?;
        if answer.status != *status {
            return Err(format!("{path}: status {} in place of {status}", answer.status));
        }
        match length {
            Some(length) if answer.body.len() != *length => {
                Err(format!("{path}: {} bytes in place of {length}", answer.body.len()))
            }
            _ => Ok(answer),
        }
    }

    /// What a server gets is what Seaway sends it.
    fn is_forwarded(&self) -> Result<(), String> {
        let echo = Workload { path: "/echo", ..self.workload.clone() };
        let request = request("GET", &echo.host, &echo.path_for(self.peer), "");
        let answer = self.connect()?.exchange(request.as_bytes()).map_err(|e| e.to_string())?;
        let missing = |name: &str| wire::field(&answer.body, name).is_none_or(str::is_empty);
        if let Some(name) = FORWARDED.iter().find(|name| missing(name)) {
            return Err(format!("sends no {name}: {}", String::from_utf8_lossy(&answer.body)));
        }
        if wire::field(&answer.body, "host") != Some(&echo.host) {
            return Err("does not pass on the host".to_owned());
        }
        if echo.setup.middlewares {
            if !answer.body.starts_with(b"GET /echo ") {
                return Err(format!("does not rewrite the path: {}", String::from_utf8_lossy(&answer.body)));
            }
            let (name, value) = REQUEST_HEADER;
            if wire::field(&answer.body, &name.to_lowercase()) != Some(value) {
                return Err("sends no request header of a middleware".to_owned());
            }
            let (name, value) = RESPONSE_HEADER;
            if answer.field(&name.to_lowercase()) != Some(value) {
                return Err("sends no response header of a middleware".to_owned());
            }
        }
        Ok(())
    }

    fn is_sticky(&self, cookies: &BTreeMap<usize, String>) -> Result<(), String> {
        if cookies.len() != BACKENDS {
            return Err(format!("set cookies for the servers {:?} of {BACKENDS}", cookies.keys().collect::<Vec<_>>()));
        }
        for (backend, cookie) in cookies {
            let mut client = self.connect()?;
            for _ in 0..8 {
                let answer = self.ask(&mut client, &format!("Cookie: {cookie}\r\n"))?;
                if answer.backend() != Some(*backend) {
                    return Err(format!("the cookie of server {backend} led to {:?}", answer.backend()));
                }
            }
        }
        Ok(())
    }

    fn echoes(&self) -> Result<(), String> {
        let mut seen = BTreeSet::new();
        for _ in 0..REQUESTS {
            let mut client = self.connect()?;
            let request = upgrade(&self.workload.host, &self.workload.path_for(self.peer));
            let answer = client.exchange(request.as_bytes()).map_err(|e| e.to_string())?;
            let accepted = answer.field("sec-websocket-accept") == Some(wire::accept_key(KEY).as_str());
            if answer.status != 101 || !accepted {
                return Err(format!("does not upgrade: {}", answer.head));
            }
            seen.extend(answer.backend());
            echo(&mut client).map_err(|e| format!("no echo: {e}"))?;
        }
        if seen.len() == BACKENDS {
            Ok(())
        } else {
            Err(format!("WebSockets reached the servers {seen:?} of {BACKENDS}"))
        }
    }
}

/// Any 16 bytes.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

/// A request for a WebSocket.
pub(crate) fn upgrade(host: &str, path: &str) -> String {
    let lines = format!(
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n"
    );
    request("GET", host, path, &lines)
}

fn echo(client: &mut Client) -> std::io::Result<()> {
    use std::io::{Error, Read, Write};
    let sent = wire::frame(0x82, b"are you there?", Some([9, 8, 7, 6]));
    client.stream.write_all(&sent)?;
    let expected = wire::frame(0x82, b"are you there?", None);
    let mut read = vec![0; expected.len()];
    client.stream.read_exact(&mut read)?;
    if read == expected { Ok(()) } else { Err(Error::other("another message came back")) }
}
