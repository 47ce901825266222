//! The other end of every measurement, in one thread: four web servers with ready-made answers, and a load generator that
//! shares their event loop.
//!
//! They share it on purpose. A generator that keeps to a schedule looks at the clock without pause; on a machine where it
//! has one core together with the servers, as a process of its own it would take their time from them whenever the kernel
//! lets it, and what it measured would be the kernel's scheduling.
//!
//! It says where it listens in its first line of output. Then it does what each line of its input asks for ([`Order`]), and
//! answers with a line; when its input ends, it ends.

mod driving;
mod serving;

use std::io::{self, BufRead, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::time::{Duration, Instant};

use mio::event::{Event, Source};
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Registry, Token, Waker};

pub(crate) use driving::{Load, Order, Outcome};

use driving::{Client, Drive};
use serving::{Pages, Server};

/// How many servers there are.
pub(crate) const BACKENDS: usize = 4;
const WAKER: Token = Token(BACKENDS);
const FIRST: usize = BACKENDS + 1;
/// Holds the largest answer that is read in one go.
const BUFFER: usize = 256 * 1024;

/// What a connection says after it did what it could.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    Stay,
    Close,
}

/// Serves until the input ends.
pub(crate) fn run() -> io::Result<()> {
    let mut looper = Loop::new()?;
    let waker = Waker::new(looper.poll.registry(), WAKER)?;
    let (sender, orders) = channel();
    std::thread::spawn(move || {
        for line in io::stdin().lock().lines() {
            let order = line.ok().and_then(|line| Order::parse(&line));
            let Some(order) = order else { break };
            if sender.send(order).is_err() || waker.wake().is_err() {
                return;
            }
        }
        drop(sender);
        drop(waker.wake());
    });
    let mut out = io::stdout().lock();
    let addresses: Vec<String> = looper.addresses()?.iter().map(ToString::to_string).collect();
    writeln!(out, "{}", addresses.join(" "))?;
    out.flush()?;
    looper.run(&orders, |outcome| {
        writeln!(out, "{}", outcome.to_json())?;
        out.flush()
    })
}

struct Loop {
    poll: Poll,
    listeners: Vec<TcpListener>,
    connections: Slab,
    pages: Vec<Arc<Pages>>,
    buffer: Box<[u8]>,
}

impl Loop {
    fn new() -> io::Result<Self> {
        let poll = Poll::new()?;
        let mut listeners = Vec::new();
        for backend in 0..BACKENDS {
            let last = u8::try_from(backend + 2).unwrap_or(u8::MAX);
            let mut listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, last], 0)))?;
            poll.registry().register(&mut listener, Token(backend), Interest::READABLE)?;
            listeners.push(listener);
        }
        let pages = (0..BACKENDS).map(|n| Arc::new(Pages::new(n + 1))).collect();
        let buffer = vec![0; BUFFER].into_boxed_slice();
        Ok(Self { poll, listeners, connections: Slab::default(), pages, buffer })
    }

    fn addresses(&self) -> io::Result<Vec<SocketAddr>> {
        self.listeners.iter().map(TcpListener::local_addr).collect()
    }

    fn run(&mut self, orders: &Receiver<Order>, mut answer: impl FnMut(Outcome) -> io::Result<()>) -> io::Result<()> {
        let mut events = Events::with_capacity(1024);
        let mut drive: Option<Drive> = None;
        loop {
            let wait = drive.as_ref().and_then(Drive::patience);
            match self.poll.poll(&mut events, wait) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                other => other?,
            }
            let mut asked = false;
            for event in &events {
                match event.token() {
                    WAKER => asked = true,
                    Token(backend @ 0..BACKENDS) => self.accept(backend)?,
                    Token(token) => self.serve(token - FIRST, event, drive.as_mut()),
                }
            }
            self.connections.bury();
            if let Some(running) = &mut drive {
                running.go(&mut self.connections, self.poll.registry())?;
                if let Some(outcome) = running.end() {
                    for index in running.connections() {
                        self.connections.remove(index, self.poll.registry());
                    }
                    self.connections.bury();
                    drive = None;
                    answer(outcome)?;
                    asked = true;
                }
            }
            if asked && drive.is_none() {
                match orders.try_recv() {
                    Ok(order) => drive = Some(Drive::start(order, &mut self.connections, self.poll.registry())?),
                    Err(TryRecvError::Empty) => {}
                    Err(TryRecvError::Disconnected) => return Ok(()),
                }
            }
        }
    }

    fn accept(&mut self, backend: usize) -> io::Result<()> {
        loop {
            match self.listeners[backend].accept() {
                Ok((stream, _)) => {
                    stream.set_nodelay(true)?;
                    let server = Server::new(stream, Arc::clone(&self.pages[backend]));
                    self.connections.add(Connection::Server(server), self.poll.registry())?;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                // The other side has gone again.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn serve(&mut self, index: usize, event: &Event, drive: Option<&mut Drive>) {
        let Some(connection) = self.connections.get(index) else { return };
        let next = match (connection, drive) {
            (Connection::Server(server), _) => server.go_on(event, &mut self.buffer),
            (Connection::Client(client), Some(drive)) => client.go_on(index, event, drive, &mut self.buffer),
            (Connection::Client(_), None) => Next::Close,
        };
        if next == Next::Close {
            self.connections.remove(index, self.poll.registry());
        }
    }
}

enum Connection {
    Server(Server),
    Client(Client),
}

impl Connection {
    fn stream(&mut self) -> &mut TcpStream {
        match self {
            Self::Server(server) => &mut server.stream,
            Self::Client(client) => &mut client.stream,
        }
    }
}

/// Connections by number. A number is used again only after [`Slab::bury`], so that an event of one connection is never
/// taken for one of another.
#[derive(Default)]
struct Slab {
    places: Vec<Option<Connection>>,
    free: Vec<usize>,
    freed: Vec<usize>,
}

impl Slab {
    fn add(&mut self, connection: Connection, registry: &Registry) -> io::Result<usize> {
        let index = self.free.pop().unwrap_or_else(|| {
            self.places.push(None);
            self.places.len() - 1
        });
        let connection = self.places[index].insert(connection);
        registry.register(connection.stream(), Token(index + FIRST), Interest::READABLE | Interest::WRITABLE)?;
        Ok(index)
    }

    fn get(&mut self, index: usize) -> Option<&mut Connection> {
        self.places.get_mut(index)?.as_mut()
    }

    fn client(&mut self, index: usize) -> Option<&mut Client> {
        match self.get(index)? {
            Connection::Client(client) => Some(client),
            Connection::Server(_) => None,
        }
    }

    fn remove(&mut self, index: usize, registry: &Registry) {
        if let Some(mut connection) = self.places.get_mut(index).and_then(Option::take) {
            drop(connection.stream().deregister(registry));
            self.freed.push(index);
        }
    }

    fn bury(&mut self) {
        self.free.append(&mut self.freed);
    }
}

/// Time since `start`.
fn since(start: Instant) -> Duration {
    Instant::now().saturating_duration_since(start)
}
