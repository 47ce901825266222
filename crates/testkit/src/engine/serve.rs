//! The fake engine's HTTP side, written by hand so that it can be wrong on purpose.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::mpsc;

use super::{Call, Chunks, Fault, Inner, Shared, answer, lock};
use crate::http1::{Inbox, fields};

#[derive(Debug)]
pub(super) enum Listener {
    Unix(UnixListener),
    Tcp(TcpListener),
}

/// The engine's end of an event stream.
#[derive(Debug)]
pub(super) struct Stream {
    orders: mpsc::UnboundedSender<Order>,
    filter: Filter,
    held: Vec<Vec<u8>>,
}

#[derive(Debug)]
enum Order {
    Chunk(Vec<u8>),
    Stall(bool),
    End,
    Cut,
}

#[derive(Debug, Default)]
struct Filter {
    kinds: Vec<String>,
    actions: Vec<String>,
}

impl Filter {
    fn parse(text: &str) -> Self {
        let value: serde_json::Value = serde_json::from_str(text).unwrap_or_default();
        let words = |key: &str| match &value[key] {
            serde_json::Value::Array(list) => list.iter().filter_map(|v| v.as_str().map(str::to_owned)).collect(),
            serde_json::Value::Object(map) => map.keys().cloned().collect(),
            _ => Vec::new(),
        };
        Self { kinds: words("type"), actions: words("event") }
    }

    /// As a real engine: `health_status` stands for all of its values.
    fn lets(&self, kind: &str, action: &str) -> bool {
        let named = |word: &String| word == action || action.split(':').next() == Some(word);
        (self.kinds.is_empty() || self.kinds.iter().any(|k| k == kind))
            && (self.actions.is_empty() || self.actions.iter().any(named))
    }
}

impl Stream {
    pub(super) fn is_open(&self) -> bool {
        !self.orders.is_closed()
    }

    pub(super) fn send(&self, bytes: Vec<u8>) {
        drop(self.orders.send(Order::Chunk(bytes)));
    }

    pub(super) fn stall(&self, on: bool) {
        drop(self.orders.send(Order::Stall(on)));
    }

    pub(super) fn end(&self) {
        drop(self.orders.send(Order::End));
    }

    pub(super) fn cut(&self) {
        drop(self.orders.send(Order::Cut));
    }

    fn event(&mut self, json: &[u8], chunks: Chunks) {
        match chunks {
            Chunks::Whole => self.send(json.to_vec()),
            Chunks::Pieces(size) => json.chunks(size.max(1)).for_each(|piece| self.send(piece.to_vec())),
            Chunks::Joined(count) => {
                self.held.push(json.to_vec());
                if self.held.len() >= count {
                    let together = std::mem::take(&mut self.held).concat();
                    self.send(together);
                }
            }
        }
    }
}

impl Inner {
    /// Hands the events that happened to the streams that want them.
    pub(super) fn tell(&mut self) {
        let events = self.world.settle(!self.lossy);
        if self.lossy {
            return;
        }
        self.streams.retain(Stream::is_open);
        for event in events {
            for stream in self.streams.iter_mut().filter(|s| s.filter.lets(event.kind, &event.action)) {
                stream.event(&event.json, self.chunks);
            }
        }
    }

    fn fault(&mut self, call: Call, id: &str) -> Option<Fault> {
        if call == Call::Inspect
            && let Some(fault) = self.inspect_faults.get(id)
        {
            return Some(fault.clone());
        }
        let (fault, times) = self.faults.get_mut(&call)?;
        let fault = fault.clone();
        if let Some(times) = times {
            *times = times.saturating_sub(1);
            if *times == 0 {
                self.faults.remove(&call);
            }
        }
        Some(fault)
    }
}

pub(super) async fn accept(listener: Listener, shared: Arc<Shared>) {
    loop {
        let task = match &listener {
            Listener::Unix(listener) => match listener.accept().await {
                Ok((stream, _)) => tokio::spawn(connection(stream, Arc::clone(&shared))),
                Err(_) => return,
            },
            Listener::Tcp(listener) => match listener.accept().await {
                Ok((stream, _)) => tokio::spawn(connection(stream, Arc::clone(&shared))),
                Err(_) => return,
            },
        };
        let mut open = lock(&shared.connections);
        open.retain(|task| !task.is_finished());
        open.push(task);
    }
}

async fn connection<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S, shared: Arc<Shared>) {
    if lock(&shared.inner).refusing {
        return;
    }
    let mut inbox = Inbox::default();
    while let Ok(Some(head)) = inbox.head(&mut stream, |_| ()).await {
        let head = String::from_utf8_lossy(&head).into_owned();
        if let Some((_, value)) =
            fields(head.as_bytes()).into_iter().find(|(n, _)| n.eq_ignore_ascii_case("authorization"))
        {
            shared.calls.send_modify(|calls| calls.authorizations.push(value));
        }
        let mut words = head.split(' ');
        let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        if !matches!(request(&mut stream, &mut inbox, method, target, &shared).await, Ok(true)) {
            return;
        }
    }
}

/// Answers one request; false when the connection is over.
async fn request<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    inbox: &mut Inbox,
    method: &str,
    target: &str,
    shared: &Shared,
) -> io::Result<bool> {
    shared.calls.send_modify(|calls| calls.targets.push(target.to_owned()));
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let (version, path) = split_version(path);
    let inspected = path.strip_prefix("/containers/").and_then(|rest| rest.strip_suffix("/json"));
    let call = match path {
        _ if method != "GET" => None,
        "/_ping" => Some(Call::Ping),
        "/version" => Some(Call::Version),
        "/events" => Some(Call::Events),
        "/containers/json" => Some(Call::List),
        _ => inspected.map(|_| Call::Inspect),
    };
    let Some(call) = call else {
        shared.calls.send_modify(|calls| calls.other.push(format!("{method} {target}")));
        error(stream, 404, "page not found").await?;
        return Ok(true);
    };
    let id = inspected.unwrap_or_default();
    shared.calls.send_modify(|calls| {
        *calls.counts.entry(call).or_default() += 1;
        if call == Call::Inspect {
            *calls.inspects.entry(id.to_owned()).or_default() += 1;
            calls.inspects_now += 1;
            calls.most_inspects_at_once = calls.most_inspects_at_once.max(calls.inspects_now);
        }
    });
    let _under_way = UnderWay((call == Call::Inspect).then_some(shared));
    let (fault, refusal, is_docker) = {
        let mut inner = lock(&shared.inner);
        (inner.fault(call, id), version.and_then(|v| refusal(v, &inner.api)), inner.is_docker)
    };
    if !is_docker {
        respond(stream, 404, &[("Content-Type", "text/html")], b"<h1>Not found</h1>").await?;
        return Ok(true);
    }
    if let Some(refusal) = refusal {
        error(stream, 400, &refusal).await?;
        return Ok(true);
    }
    if call == Call::Events && fault.is_none() {
        return events(stream, inbox, query, shared).await;
    }
    let answer = {
        let mut inner = lock(&shared.inner);
        let (newest, oldest) = inner.api.clone();
        match call {
            Call::Ping => Some(b"OK".to_vec()),
            Call::Version => Some(answer::version(&newest, &oldest)),
            Call::List => Some(answer::list(&mut inner.world, query.contains("all=1") || query.contains("all=true"))),
            Call::Inspect => answer::inspect(&mut inner.world, id),
            Call::Events => Some(Vec::new()),
        }
    };
    let newest = lock(&shared.inner).api.0.clone();
    let fields = [("Api-Version", newest.as_str()), ("Content-Type", "application/json")];
    match (fault, answer) {
        (Some(Fault::Status(status)), _) => error(stream, status, "something broke").await?,
        (Some(Fault::Close), _) => return Ok(false),
        (Some(Fault::Hang), _) => {
            while inbox.fill(stream, |_| ()).await? > 0 {}
            return Ok(false);
        }
        (Some(Fault::Body(body)), _) => respond(stream, 200, &fields, &body).await?,
        (Some(Fault::Garbage), _) => respond(stream, 200, &fields, b"\xff\xfe not JSON").await?,
        (_, None) => error(stream, 404, &format!("No such container: {id}")).await?,
        (Some(Fault::HalfJson), Some(answer)) => {
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", answer.len());
            stream.write_all(head.as_bytes()).await?;
            stream.write_all(&answer[..answer.len() / 2]).await?;
            return Ok(false);
        }
        (Some(Fault::Delay(time)), Some(answer)) => {
            tokio::time::sleep(time).await;
            respond(stream, 200, &fields, &answer).await?;
        }
        (None, Some(answer)) => respond(stream, 200, &fields, &answer).await?,
    }
    Ok(true)
}

/// Counts an inspect as under way.
struct UnderWay<'s>(Option<&'s Shared>);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        if let Some(shared) = self.0 {
            shared.calls.send_modify(|calls| calls.inspects_now -= 1);
        }
    }
}

async fn events<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    inbox: &mut Inbox,
    query: &str,
    shared: &Shared,
) -> io::Result<bool> {
    let parameter = |name: &str| {
        let pair = query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
        decode_percent(pair.unwrap_or_default())
    };
    let (orders, mut incoming) = mpsc::unbounded_channel();
    let mut feed = Stream { orders, filter: Filter::parse(&parameter("filters")), held: Vec::new() };
    {
        let mut inner = lock(&shared.inner);
        if let Some(since) = nanos(&parameter("since")) {
            for event in inner.world.history.iter().filter(|e| e.nanos >= since) {
                if feed.filter.lets(event.kind, &event.action) {
                    feed.event(&event.json, Chunks::Whole);
                }
            }
        }
        inner.streams.push(feed);
    }
    stream
        .write_all(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
        .await?;
    let (mut stalled, mut kept) = (false, Vec::new());
    loop {
        let order = tokio::select! {
            order = incoming.recv() => order,
            read = inbox.fill(stream, |_| ()) => match read {
                Ok(0) | Err(_) => return Ok(false),
                Ok(_) => continue,
            },
        };
        match order {
            Some(Order::Chunk(bytes)) if stalled => kept.push(bytes),
            Some(Order::Chunk(bytes)) => chunk(stream, &bytes).await?,
            Some(Order::Stall(on)) => {
                stalled = on;
                for bytes in kept.drain(..).filter(|_| !on) {
                    chunk(stream, &bytes).await?;
                }
            }
            Some(Order::End) => {
                stream.write_all(b"0\r\n\r\n").await?;
                return Ok(false);
            }
            Some(Order::Cut) | None => return Ok(false),
        }
    }
}

async fn chunk<S: AsyncWrite + Unpin>(stream: &mut S, bytes: &[u8]) -> io::Result<()> {
    let framed = [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat();
    stream.write_all(&framed).await?;
    stream.flush().await
}

async fn respond<S: AsyncWrite + Unpin>(
    stream: &mut S,
    status: u16,
    fields: &[(&str, &str)],
    body: &[u8],
) -> io::Result<()> {
    let fields: String = fields.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let head = format!("HTTP/1.1 {status} Status\r\n{fields}Content-Length: {}\r\n\r\n", body.len());
    stream.write_all(&[head.as_bytes(), body].concat()).await
}

async fn error<S: AsyncWrite + Unpin>(stream: &mut S, status: u16, message: &str) -> io::Result<()> {
    let body = json!({ "message": message }).to_string();
    respond(stream, status, &[("Content-Type", "application/json")], body.as_bytes()).await
}

/// `/v1.41/events` into (`1.41`, `/events`).
fn split_version(path: &str) -> (Option<&str>, &str) {
    let versioned = path.strip_prefix("/v").and_then(|rest| rest.split_once('/'));
    match versioned {
        Some((version, _)) if version.split_once('.').is_some() => (Some(version), &path[2 + version.len()..]),
        _ => (None, path),
    }
}

/// What a real engine says to a version that it does not speak.
fn refusal(version: &str, (newest, oldest): &(String, String)) -> Option<String> {
    let number =
        |text: &str| text.split_once('.').and_then(|(a, b)| Some((a.parse::<u32>().ok()?, b.parse::<u32>().ok()?)));
    let asked = number(version)?;
    if number(newest).is_some_and(|newest| asked > newest) {
        return Some(format!("client version {version} is too new. Maximum supported API version is {newest}"));
    }
    number(oldest)
        .filter(|oldest| asked < *oldest)
        .map(|_| format!("client version {version} is too old. Minimum supported API version is {oldest}"))
}

/// `1700000000.000000007`.
fn nanos(text: &str) -> Option<u64> {
    let (seconds, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let fraction: u64 = format!("{fraction:0<9}").get(..9)?.parse().ok()?;
    Some(Duration::from_secs(seconds.parse().ok()?).as_nanos().try_into().ok().map_or(0, |n: u64| n) + fraction)
}

fn decode_percent(text: &str) -> String {
    let (mut out, mut rest) = (Vec::new(), text.as_bytes());
    while let Some((first, after)) = rest.split_first() {
        let hex = if *first == b'%' { after.get(..2).and_then(|h| std::str::from_utf8(h).ok()) } else { None };
        match hex.and_then(|h| u8::from_str_radix(h, 16).ok()) {
            Some(byte) => {
                out.push(byte);
                rest = &after[2..];
            }
            None => {
                out.push(if *first == b'+' { b' ' } else { *first });
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}
