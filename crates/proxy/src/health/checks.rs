//! Active health checks: asking servers what their service wants asked, and what brings back those that are out.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{HOST, HeaderMap, HeaderValue, LOCATION};
use http::{Method, StatusCode, Uri};
use seaway_config::model::Address;
use seaway_routing::check::ActiveCheck;
use seaway_routing::state::flag;
use seaway_routing::{Millis, Published, RoutingTable, Server, ServerState, Service};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;

use crate::http1::response;
use crate::upstream::connect::dial;
use crate::upstream::stream::Stream;
use crate::upstream::tls;
use crate::worker::Clock;

/// Most redirects that one check follows, as Go's client does.
const REDIRECTS: usize = 10;
/// Longest sleep: what is due is looked at this often in any case.
const LOOK: u64 = 60_000;

/// Asks servers whose service has a check, for ever; runs on the control plane. A server that is new is asked at once.
/// Servers that failing requests took out come back here when their time is over.
pub async fn run_checks(published: Arc<Published>, clock: Clock) {
    let mut changed = published.subscribe();
    let (done, mut results) = mpsc::unbounded_channel::<Asked>();
    let mut watched = Watched::default();
    loop {
        changed.borrow_and_update();
        let table = published.current();
        if watched.generation != Some(table.generation) && watched.look(&table) {
            published.wake();
        }
        drop(table);
        let now = clock.now();
        let (next, back) = watched.act(now, &done);
        if back {
            published.wake();
        }
        let pause = Duration::from_millis(next.saturating_sub(now.0).min(LOOK));
        tokio::select! {
            result = changed.changed() => if result.is_err() { return },
            Some(asked) = results.recv() => {
                if watched.note(asked, clock.now()) {
                    published.wake();
                }
            }
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// What is asked, and whom failing requests may have taken out.
#[derive(Default)]
struct Watched {
    generation: Option<u64>,
    checks: HashMap<u64, Entry>,
    ejectable: Vec<Arc<ServerState>>,
}

struct Entry {
    service: Arc<Service>,
    server: usize,
    check: Arc<ActiveCheck>,
    state: Arc<ServerState>,
    next: Millis,
    asking: bool,
}

/// What came of one check.
struct Asked {
    id: u64,
    outcome: Result<StatusCode, String>,
}

impl Watched {
    /// Takes up what a new table asks for, and lets go of the rest. True if that brought a server back.
    fn look(&mut self, table: &RoutingTable) -> bool {
        self.generation = Some(table.generation);
        let mut before = std::mem::take(&mut self.checks);
        self.ejectable.clear();
        for service in table.services.iter() {
            if service.passive_check.is_some() {
                self.ejectable.extend(service.servers.iter().map(|server| Arc::clone(&server.state)));
            }
            let Some(check) = &service.active_check else { continue };
            for (place, server) in service.servers.iter().enumerate() {
                // One server has one condition, whichever of its services asks: the first one by name does.
                let id = server.state.id();
                if self.checks.contains_key(&id) {
                    continue;
                }
                let known = before.remove(&id).filter(|known| *known.check == **check);
                let (next, asking) = known.map_or((Millis(0), false), |known| (known.next, known.asking));
                let (service, state) = (Arc::clone(service), Arc::clone(&server.state));
                self.checks.insert(id, Entry { service, server: place, check: Arc::clone(check), state, next, asking });
            }
        }
        // Nobody asks these any more, so nobody else would ever bring them back.
        let mut back = false;
        for entry in before.into_values().filter(|entry| !self.checks.contains_key(&entry.state.id())) {
            back |= entry.state.clear(flag::CHECK_FAILED);
        }
        back
    }

    /// Begins what is due. Gives when to look again, and whether a server came back.
    fn act(&mut self, now: Millis, done: &mpsc::UnboundedSender<Asked>) -> (u64, bool) {
        let (mut next, mut back) = (u64::MAX, false);
        for state in &self.ejectable {
            match state.ejected_until() {
                Some(until) if until <= now => back |= state.clear(flag::EJECTED),
                Some(until) => next = next.min(until.0),
                None => {}
            }
        }
        for (id, entry) in &mut self.checks {
            let away = flag::GONE | flag::PAUSED | flag::UNREACHABLE | flag::TERMINATING | flag::UNPROBED;
            if entry.asking || entry.state.flags() & away != 0 {
                continue;
            }
            if entry.next > now && entry.state.is_checked() {
                next = next.min(entry.next.0);
                continue;
            }
            entry.asking = true;
            let (id, done, service, place) = (*id, done.clone(), Arc::clone(&entry.service), entry.server);
            let check = Arc::clone(&entry.check);
            tokio::spawn(async move {
                let outcome = match service.servers.get(place) {
                    Some(server) => tokio::time::timeout(check.timeout, ask(&check, &service, server)).await,
                    None => return,
                };
                let outcome = outcome.unwrap_or_else(|_| Err("no answer in time".to_owned()));
                // Nobody listens any more when the checks have ended.
                let _unheard = done.send(Asked { id, outcome });
            });
        }
        (next, back)
    }

    /// True if it changed whether the server takes requests.
    fn note(&mut self, asked: Asked, now: Millis) -> bool {
        let Some(entry) = self.checks.get_mut(&asked.id) else { return false };
        entry.asking = false;
        if entry.state.flags() & (flag::UNPROBED | flag::GONE) != 0 {
            // It has ended, or begun anew, meanwhile: what it said is about another run.
            return false;
        }
        let healthy = matches!(&asked.outcome, Ok(status) if entry.check.is_good(*status));
        let pause = u64::try_from(entry.check.pause(healthy).as_millis()).unwrap_or(u64::MAX);
        entry.next = Millis(now.0.saturating_add(pause));
        if !healthy && let Some(server) = entry.service.servers.get(entry.server) {
            let what = asked.outcome.map_or_else(|what| what, |status| format!("status {}", status.as_u16()));
            tracing::warn!(service = %entry.service.label, server = %server.name, url = %server.url, "health check failed: {what}");
        }
        entry.state.note_check(healthy, now)
    }
}

/// One check: the status of the answer, or why there is none.
async fn ask(check: &ActiveCheck, service: &Service, server: &Server) -> Result<StatusCode, String> {
    let mut path = check.path.as_str().to_owned();
    let mut method = check.method.clone();
    for _ in 0..=REDIRECTS {
        let (status, location) = ask_once(check, service, server, &method, &path).await?;
        let follows = check.follow_redirects && matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308);
        let Some(to) = location.filter(|_| follows).and_then(|location| here(&location, server)) else {
            return Ok(status);
        };
        path = to;
        if matches!(status.as_u16(), 301..=303) && method != Method::HEAD {
            method = Method::GET;
        }
    }
    Err(format!("more than {REDIRECTS} redirects"))
}

/// The path that a redirect points to, if it is one of the same server. Others are not asked: the redirect itself counts.
fn here(location: &HeaderValue, server: &Server) -> Option<String> {
    let location = location.to_str().ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_graphic()))?;
    if location.starts_with('/') && !location.starts_with("//") {
        return Some(location.to_owned());
    }
    let uri = location.parse::<Uri>().ok()?;
    let same = uri.authority()?.as_str().as_bytes().eq_ignore_ascii_case(server.host_value.as_bytes());
    let scheme = if server.tls_name.is_some() { "https" } else { "http" };
    (same && uri.scheme_str() == Some(scheme))
        .then(|| uri.path_and_query().map_or("/", |path| path.as_str()).to_owned())
}

async fn ask_once(
    check: &ActiveCheck,
    service: &Service,
    server: &Server,
    method: &Method,
    path: &str,
) -> Result<(StatusCode, Option<HeaderValue>), String> {
    let address = match (&server.address, check.port) {
        (address, None) => address.clone(),
        (Address::Ip(address), Some(port)) => Address::Ip((address.ip(), port).into()),
        (Address::Dns(host, _), Some(port)) => Address::Dns(host.clone(), port),
    };
    let stream = dial(&address).await.map_err(|error| error.to_string())?;
    let authority = String::from_utf8_lossy(server.host_value.as_bytes());
    let host = seaway_routing::without_port(&authority);
    let tls = check.tls.unwrap_or_else(|| server.tls_name.is_some());
    let mut stream = match tls {
        false => Stream::Tcp(stream),
        true => {
            let name = server.tls_name.as_deref().unwrap_or(host);
            let begun = tls::begin(&service.transport, name, stream).await;
            Stream::Tls(Box::new(begun.map_err(|error| error.as_str().to_owned())?))
        }
    };
    let host = match (&check.host, check.port) {
        (Some(host), _) => host.as_bytes().to_vec(),
        (None, None) => server.host_value.as_bytes().to_vec(),
        (None, Some(port)) if host.contains(':') => format!("[{host}]:{port}").into_bytes(),
        (None, Some(port)) => format!("{host}:{port}").into_bytes(),
    };
    stream.write_all(&written(method, path, &host, &check.headers)).await.map_err(|error| error.to_string())?;
    stream.flush().await.map_err(|error| error.to_string())?;
    let mut buffer = BytesMut::new();
    loop {
        match stream.read_buf(&mut buffer).await {
            Ok(0) => return Err("closed without an answer".to_owned()),
            Ok(_) => {}
            Err(error) => return Err(error.to_string()),
        }
        let mut received: Bytes = buffer.split().freeze();
        loop {
            match response::parse(&mut received, method) {
                Ok(Some(head)) if head.status.is_informational() => {}
                Ok(Some(mut head)) => return Ok((head.status, head.fields.map().get(LOCATION).cloned())),
                Ok(None) => break,
                Err(_) => return Err("what it answers is not HTTP".to_owned()),
            }
        }
        buffer.extend_from_slice(&received);
    }
}

fn written(method: &Method, path: &str, host: &[u8], headers: &HeaderMap) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    let mut line = |parts: [&[u8]; 3]| {
        parts.iter().for_each(|part| out.extend_from_slice(part));
        out.extend_from_slice(b"\r\n");
    };
    line([method.as_str().as_bytes(), b" ", &[path.as_bytes(), b" HTTP/1.1"].concat()]);
    line([HOST.as_str().as_bytes(), b": ", host]);
    for (name, value) in headers {
        line([name.as_str().as_bytes(), b": ", value.as_bytes()]);
    }
    line([b"connection", b": ", b"close"]);
    line([b"", b"", b""]);
    out
}
