//! The generator: a fixed schedule over keep-alive connections, or WebSocket echoes one after the other.
//!
//! On a schedule, a request's time begins when it was due, not when it could be sent: while a proxy is stuck, requests go on
//! becoming due, and each of them says for how long. A generator that waits for answers would send fewer requests just
//! when it matters (coordinated omission).

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mio::Registry;
use mio::event::Event;
use mio::net::TcpStream;
use serde_json::{Value, json};

use super::super::figures::percentile;
use super::super::wire::{self, Frame, MAX_HEAD};
use super::{Connection, Next, Slab, since};

/// How long answers are waited for after the last request was due.
const PATIENCE: Duration = Duration::from_secs(2);
const ECHO_BYTES: usize = 128;
const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// What is to be done.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Order {
    /// The proxy.
    pub(crate) to: SocketAddr,
    pub(crate) connections: usize,
    /// What is not counted, and after it, what is.
    pub(crate) warm_up: Duration,
    pub(crate) time: Duration,
    pub(crate) load: Load,
}

/// The kind of load.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Load {
    /// Requests a second in all, each one of these in turn.
    Schedule { rate: f64, requests: Vec<String> },
    /// WebSocket messages of 128 bytes, each connection its next one when the echo of the last is there. This is the
    /// opening request.
    Echo { request: String },
}

impl Order {
    /// One line of JSON.
    pub(crate) fn to_line(&self) -> String {
        let load = match &self.load {
            Load::Schedule { rate, requests } => json!({ "rate": rate, "requests": requests }),
            Load::Echo { request } => json!({ "echo": request }),
        };
        let (warm_up, time) = (self.warm_up.as_secs_f64(), self.time.as_secs_f64());
        let connections = self.connections;
        json!({ "to": self.to.to_string(), "connections": connections, "warm_up": warm_up, "time": time, "load": load })
            .to_string()
    }

    pub(super) fn parse(line: &str) -> Option<Self> {
        let order: Value = serde_json::from_str(line).ok()?;
        let time = |key: &str| Duration::try_from_secs_f64(order[key].as_f64()?).ok();
        let load = match order["load"]["echo"].as_str() {
            Some(request) => Load::Echo { request: request.to_owned() },
            None => {
                let requests = order["load"]["requests"].as_array()?.iter();
                let requests = requests.map(|r| r.as_str().map(str::to_owned)).collect::<Option<_>>()?;
                Load::Schedule { rate: order["load"]["rate"].as_f64()?, requests }
            }
        };
        let connections = usize::try_from(order["connections"].as_u64()?).ok()?;
        let to = order["to"].as_str()?.parse().ok()?;
        Some(Self { to, connections, warm_up: time("warm_up")?, time: time("time")?, load })
    }
}

/// What came of it. Times in microseconds.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Outcome {
    /// All requests or messages that were answered rightly, warm-up included.
    pub(crate) answered: u64,
    /// Those that were not.
    pub(crate) failed: u64,
    /// From the first request to the last answer, in seconds.
    pub(crate) seconds: f64,
    /// Latency after the warm-up.
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) p999: f64,
    /// How late the generator itself was, p99: what a latency cannot be trusted below.
    pub(crate) lag: f64,
}

impl Outcome {
    pub(super) fn to_json(&self) -> Value {
        json!({
            "answered": self.answered, "failed": self.failed, "seconds": self.seconds,
            "p50": self.p50, "p99": self.p99, "p999": self.p999, "lag": self.lag,
        })
    }

    /// What [`Outcome::to_json`] made.
    pub(crate) fn parse(line: &str) -> Option<Self> {
        let value: Value = serde_json::from_str(line).ok()?;
        let number = |key: &str| value[key].as_f64();
        Some(Self {
            answered: value["answered"].as_u64()?,
            failed: value["failed"].as_u64()?,
            seconds: number("seconds")?,
            p50: number("p50")?,
            p99: number("p99")?,
            p999: number("p999")?,
            lag: number("lag")?,
        })
    }
}

/// An order that is being carried out.
pub(super) struct Drive {
    order: Order,
    start: Instant,
    /// Requests as they go out.
    requests: Vec<Vec<u8>>,
    sent: u64,
    idle: VecDeque<usize>,
    /// Requests were due and no connection was free: what goes out late now is late because of the proxy.
    starved: bool,
    open: Vec<usize>,
    answered: u64,
    failed: u64,
    last: Duration,
    latencies: Vec<Duration>,
    lags: Vec<Duration>,
}

impl Drive {
    /// Opens the connections.
    pub(super) fn start(order: Order, connections: &mut Slab, registry: &Registry) -> io::Result<Self> {
        let requests = match &order.load {
            Load::Schedule { requests, .. } => requests.iter().map(|r| r.clone().into_bytes()).collect(),
            Load::Echo { .. } => vec![wire::frame(0x82, &[b'e'; ECHO_BYTES], Some(MASK))],
        };
        let mut drive = Self {
            requests,
            start: Instant::now(),
            sent: 0,
            idle: VecDeque::new(),
            starved: false,
            open: Vec::new(),
            answered: 0,
            failed: 0,
            last: Duration::ZERO,
            latencies: Vec::new(),
            lags: Vec::new(),
            order,
        };
        for _ in 0..drive.order.connections {
            drive.connect(connections, registry)?;
        }
        drive.start = Instant::now();
        Ok(drive)
    }

    fn connect(&mut self, connections: &mut Slab, registry: &Registry) -> io::Result<()> {
        // Blocking, so that it is known to be there: on loopback it takes no time.
        let stream = std::net::TcpStream::connect(self.order.to)?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        let mut client = Client { stream: TcpStream::from_std(stream), waits: Waits::Nothing, held: Vec::new() };
        if let Load::Echo { request } = &self.order.load {
            client.stream.write_all(request.as_bytes())?;
            client.waits = Waits::Upgrade;
        }
        let ready = matches!(client.waits, Waits::Nothing);
        let index = connections.add(Connection::Client(client), registry)?;
        self.open.push(index);
        if ready {
            self.idle.push_back(index);
        }
        Ok(())
    }

    /// The connections that this uses.
    pub(super) fn connections(&self) -> Vec<usize> {
        self.open.clone()
    }

    /// How long to wait for events: not at all where there is a schedule to be kept.
    pub(super) fn patience(&self) -> Option<Duration> {
        match self.order.load {
            Load::Schedule { .. } => Some(Duration::ZERO),
            Load::Echo { .. } => Some(Duration::from_millis(1)),
        }
    }

    fn whole(&self) -> Duration {
        self.order.warm_up + self.order.time
    }

    /// Sends what is due.
    pub(super) fn go(&mut self, connections: &mut Slab, registry: &Registry) -> io::Result<()> {
        let whole = self.whole();
        let mut now = since(self.start);
        while self.open.len() < self.order.connections && now < whole {
            self.connect(connections, registry)?;
        }
        loop {
            let due = match self.order.load {
                Load::Schedule { rate, .. } => Duration::from_secs_f64(as_f64(self.sent) / rate),
                Load::Echo { .. } => now,
            };
            if due > now || due >= whole {
                self.starved = false;
                return Ok(());
            }
            let Some(index) = self.idle.pop_front() else {
                self.starved = true;
                return Ok(());
            };
            let Some(client) = connections.client(index) else { continue };
            let which = usize::try_from(self.sent).unwrap_or(0) % self.requests.len();
            self.sent += 1;
            // A request is small and its connection idle: it fits into the socket, or the connection is broken.
            if client.stream.write_all(&self.requests[which]).is_err() {
                connections.remove(index, registry);
                self.lost(index);
                continue;
            }
            client.waits = match self.order.load {
                Load::Schedule { .. } => Waits::Head { due },
                Load::Echo { .. } => Waits::Echo { due },
            };
            if !self.starved {
                self.lags.push(now.saturating_sub(due));
            }
            now = since(self.start);
        }
    }

    fn lost(&mut self, index: usize) {
        self.failed += 1;
        self.open.retain(|open| *open != index);
    }

    fn done(&mut self, index: usize, due: Duration, right: bool) {
        self.last = since(self.start);
        if right {
            self.answered += 1;
        } else {
            self.failed += 1;
        }
        if due >= self.order.warm_up {
            self.latencies.push(self.last.saturating_sub(due));
        }
        self.idle.push_back(index);
    }

    /// What came of it, once it is over.
    pub(super) fn end(&mut self) -> Option<Outcome> {
        let (now, whole) = (since(self.start), self.whole());
        let waiting = self.open.len().saturating_sub(self.idle.len());
        if now < whole || (waiting > 0 && now < whole + PATIENCE) {
            return None;
        }
        self.latencies.sort_unstable();
        self.lags.sort_unstable();
        let at = |sorted: &[Duration], share: f64| percentile(sorted, share).map_or(0.0, |d| d.as_secs_f64() * 1e6);
        // What was due and never sent is as lost as what was never answered.
        let unsent = match self.order.load {
            Load::Schedule { rate, .. } => (rate * whole.as_secs_f64() - as_f64(self.sent)).max(0.0),
            Load::Echo { .. } => 0.0,
        };
        Some(Outcome {
            answered: self.answered,
            failed: self.failed + u64::try_from(waiting).unwrap_or(0) + rounded(unsent),
            seconds: self.last.as_secs_f64(),
            p50: at(&self.latencies, 0.5),
            p99: at(&self.latencies, 0.99),
            p999: at(&self.latencies, 0.999),
            lag: at(&self.lags, 0.99),
        })
    }
}

/// What a connection waits for, and since when it was due.
enum Waits {
    Nothing,
    Upgrade,
    Head { due: Duration },
    Body { due: Duration, left: usize, right: bool },
    Echo { due: Duration },
}

/// One connection of the generator.
pub(super) struct Client {
    pub(super) stream: TcpStream,
    waits: Waits,
    held: Vec<u8>,
}

impl Client {
    /// Reads what is there.
    pub(super) fn go_on(&mut self, index: usize, event: &Event, drive: &mut Drive, buffer: &mut [u8]) -> Next {
        loop {
            match self.stream.read(buffer) {
                Ok(count @ 1..) => {
                    let part = &buffer[..count];
                    let fine = if self.held.is_empty() {
                        self.take(part, index, drive)
                    } else {
                        let mut held = std::mem::take(&mut self.held);
                        held.extend_from_slice(part);
                        self.take(&held, index, drive)
                    };
                    if !fine {
                        break;
                    }
                    if count < buffer.len() && !event.is_read_closed() {
                        return Next::Stay;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Next::Stay,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(0) | Err(_) => break,
            }
        }
        // Closed between two requests: nothing is lost but the connection.
        drive.idle.retain(|idle| *idle != index);
        drive.lost(index);
        if matches!(self.waits, Waits::Nothing) {
            drive.failed -= 1;
        }
        Next::Close
    }

    /// Uses what came; false if it is not what was asked for.
    fn take(&mut self, data: &[u8], index: usize, drive: &mut Drive) -> bool {
        match self.waits {
            Waits::Nothing => return data.is_empty(),
            Waits::Upgrade => match wire::head_end(data) {
                Some(end) if end == data.len() && wire::status(data) == Some(101) => {
                    self.waits = Waits::Nothing;
                    drive.idle.push_back(index);
                }
                Some(_) => return false,
                None => self.held.extend_from_slice(data),
            },
            Waits::Head { due } => match wire::head_end(data) {
                Some(end) => {
                    let head = &data[..end];
                    let length = wire::field(head, "content-length").and_then(|length| length.parse().ok());
                    let Some(left) = length else { return false };
                    self.waits = Waits::Body { due, left, right: wire::status(head) == Some(200) };
                    return self.take(&data[end..], index, drive);
                }
                None if data.len() > MAX_HEAD => return false,
                None => self.held.extend_from_slice(data),
            },
            Waits::Body { due, left, right } => match left.checked_sub(data.len()) {
                Some(0) => {
                    self.waits = Waits::Nothing;
                    drive.done(index, due, right);
                }
                Some(left) => self.waits = Waits::Body { due, left, right },
                None => return false,
            },
            Waits::Echo { due } => match Frame::read(data) {
                Some(frame) => {
                    self.waits = Waits::Nothing;
                    let right = frame.first == 0x82 && frame.payload == [b'e'; ECHO_BYTES];
                    drive.done(index, due, right);
                    return frame.length == data.len();
                }
                None => self.held.extend_from_slice(data),
            },
        }
        true
    }
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
fn as_f64(count: u64) -> f64 {
    count as f64
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small count")]
fn rounded(count: f64) -> u64 {
    count.floor() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_and_outcomes_survive_their_line() {
        let requests = vec!["GET / HTTP/1.1\r\nCookie: a=\"b\"\r\n\r\n".to_owned()];
        for load in [Load::Schedule { rate: 1234.5, requests }, Load::Echo { request: "GET /ws".to_owned() }] {
            let order = Order {
                to: ([127, 0, 0, 1], 80).into(),
                connections: 64,
                warm_up: Duration::from_millis(250),
                time: Duration::from_secs(3),
                load,
            };
            assert_eq!(Order::parse(&order.to_line()), Some(order));
        }
        let outcome = Outcome { answered: 7, failed: 1, seconds: 2.5, p50: 80.0, p99: 120.5, p999: 1e3, lag: 3.0 };
        assert_eq!(Outcome::parse(&outcome.to_json().to_string()), Some(outcome));
        assert_eq!((Order::parse("{}"), Outcome::parse("what?")), (None, None));
    }
}
