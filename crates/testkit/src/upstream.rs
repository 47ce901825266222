//! Upstreams that behave, and upstreams that do not, on a free port of 127.0.0.1.
//!
//! What an upstream does is a list of [`Step`]s for each request, so that a new kind of trouble is a line in a test.
//! The common kinds have names: [`Behaviour::echo`], [`Behaviour::close_after_head`], …
//!
//! ```no_run
//! # async fn example() {
//! use seaway_testkit::upstream::{Behaviour, Upstream};
//! let good = Upstream::start("web-1", Behaviour::echo()).await;
//! let bad = Upstream::start("web-2", Behaviour::reset_after_head()).await;
//! // … send requests through the proxy …
//! let log = good.wait_for("the request came", |log| log.requests.len() == 1).await;
//! assert!(log.requests[0].head_text().starts_with("GET / HTTP/1.1\r\n"));
//! bad.set(Behaviour::echo()); // from its next request on
//! # }
//! ```

mod behaviour;

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::http1::{self, Body, Framing, Inbox};

pub use behaviour::{Behaviour, Step};

/// What came to an upstream so far.
#[derive(Clone, Debug, Default)]
pub struct Log {
    /// Each connection in the order of accepting.
    pub connections: Vec<Connection>,
    /// Each request whose head came whole, in that order, over all connections.
    pub requests: Vec<Recorded>,
}

/// One accepted connection.
#[derive(Clone, Debug, Default)]
pub struct Connection {
    /// Every byte that came.
    pub bytes: Vec<u8>,
    /// It is over.
    pub closed: bool,
}

/// One request, byte by byte.
#[derive(Clone, Debug, Default)]
pub struct Recorded {
    /// Index into [`Log::connections`].
    pub connection: usize,
    /// The head as it came, with its empty line.
    pub head: Vec<u8>,
    /// Header fields in order, names as written, values trimmed.
    pub fields: Vec<(String, String)>,
    /// The body, chunks taken apart, as far as it was read.
    pub body: Vec<u8>,
    /// Trailer lines as they came.
    pub trailers: Vec<u8>,
    /// The body came to its end.
    pub complete: bool,
}

impl Recorded {
    /// The head as text.
    pub fn head_text(&self) -> String {
        String::from_utf8_lossy(&self.head).into_owned()
    }

    /// `GET / HTTP/1.1`.
    pub fn start(&self) -> String {
        self.head_text().split("\r\n").next().unwrap_or_default().to_owned()
    }

    /// Every value of a field.
    pub fn all(&self, name: &str) -> Vec<&str> {
        http1::all(&self.fields, name)
    }
}

/// A running upstream; it ends when this is dropped.
#[derive(Debug)]
pub struct Upstream {
    shared: Arc<Shared>,
    address: SocketAddr,
    /// Holds the port while nothing listens, so that nobody else gets it.
    parked: Option<TcpSocket>,
    listener: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    name: String,
    behaviour: Mutex<Behaviour>,
    log: watch::Sender<Log>,
    released: watch::Sender<u64>,
    connections: Mutex<Vec<JoinHandle<()>>>,
}

impl Upstream {
    /// Listens on a free port of 127.0.0.1. `name` is sent as `X-Upstream` by well-behaved answers.
    pub async fn start(name: &str, behaviour: Behaviour) -> Self {
        let mut upstream = Self::refusing(name, behaviour).await;
        upstream.listen();
        upstream
    }

    /// Has a port, but refuses connections until [`Upstream::listen`] is called.
    pub async fn refusing(name: &str, behaviour: Behaviour) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        socket.bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let shared = Shared {
            name: name.to_owned(),
            behaviour: Mutex::new(behaviour),
            log: watch::Sender::default(),
            released: watch::Sender::default(),
            connections: Mutex::default(),
        };
        Self { shared: Arc::new(shared), address: socket.local_addr().unwrap(), parked: Some(socket), listener: None }
    }

    /// Starts to accept; nothing if it does already.
    pub fn listen(&mut self) {
        let Some(socket) = self.parked.take() else { return };
        let listener = socket.listen(1024).unwrap();
        self.listener = Some(tokio::spawn(accept(listener, Arc::clone(&self.shared))));
    }

    /// Stops listening, as a server that ends: new connections are refused, open ones live on.
    pub async fn close_listener(&mut self) {
        if let Some(task) = self.listener.take() {
            task.abort();
            // An aborted task is a JoinError; what counts is that the listener was dropped with it.
            drop(task.await);
            let socket = TcpSocket::new_v4().unwrap();
            socket.set_reuseaddr(true).unwrap();
            socket.bind(self.address).unwrap();
            self.parked = Some(socket);
        }
    }

    /// Closes every open connection, in whatever state it is.
    pub fn close_connections(&self) {
        for task in lock(&self.shared.connections).drain(..) {
            task.abort();
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://127.0.0.1:<port>`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Behaves like this from now on; a request that is under way goes on as it began.
    pub fn set(&self, behaviour: Behaviour) {
        *lock(&self.shared.behaviour) = behaviour;
    }

    /// Lets everything that stands at [`Step::Hold`] go on; what comes to one later waits for the next call.
    pub fn release(&self) {
        self.shared.released.send_modify(|n| *n += 1);
    }

    /// What came so far.
    pub fn log(&self) -> Log {
        self.shared.log.borrow().clone()
    }

    /// Waits until `condition` holds for the log; a panic that names `what` after 10 s.
    pub async fn wait_for(&self, what: &str, condition: impl FnMut(&Log) -> bool) -> Log {
        let mut log = self.shared.log.subscribe();
        let found = match tokio::time::timeout(crate::raw::DEADLINE, log.wait_for(condition)).await {
            Ok(found) => found.map(|log| log.clone()).ok(),
            Err(_) => None,
        };
        found.unwrap_or_else(|| panic!("{}: {what}: not in time; log: {:#?}", self.shared.name, self.log()))
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        if let Some(task) = self.listener.take() {
            task.abort();
        }
        self.close_connections();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((stream, _)) = listener.accept().await {
        let mut number = 0;
        shared.log.send_modify(|log| {
            number = log.connections.len();
            log.connections.push(Connection::default());
        });
        let task = tokio::spawn(serve(stream, number, Arc::clone(&shared)));
        lock(&shared.connections).push(task);
    }
}

async fn serve(stream: TcpStream, number: usize, shared: Arc<Shared>) {
    // However the task ends, by abort too, the log says that the connection is over.
    struct Over(Arc<Shared>, usize);
    impl Drop for Over {
        fn drop(&mut self) {
            self.0.log.send_modify(|log| {
                if let Some(connection) = log.connections.get_mut(self.1) {
                    connection.closed = true;
                }
            });
        }
    }
    let _over = Over(Arc::clone(&shared), number);
    // Without it a piece written after another one would wait for the peer's delayed acknowledgement.
    drop(stream.set_nodelay(true));
    let mut talk =
        Talk { stream, inbox: Inbox::default(), number, request: None, releases: 0, shared: Arc::clone(&shared) };
    let first = lock(&shared.behaviour).on_accept.clone();
    if !matches!(talk.run(first).await, Ok(true)) {
        return;
    }
    loop {
        // The behaviour is chosen when a request begins, so that `set` counts for the next one.
        if talk.inbox.buf.is_empty() && !matches!(talk.fill().await, Ok(1..)) {
            return;
        }
        let steps = lock(&shared.behaviour).on_request.clone();
        if steps.is_empty() || !matches!(talk.run(steps).await, Ok(true)) {
            return;
        }
    }
}

/// One connection and how far it is.
struct Talk {
    stream: TcpStream,
    inbox: Inbox,
    number: usize,
    /// Index of the request under way in [`Log::requests`].
    request: Option<usize>,
    /// How often `release` had been called when its head came.
    releases: u64,
    shared: Arc<Shared>,
}

impl Talk {
    /// Takes the steps; false when the connection is over.
    async fn run(&mut self, steps: Vec<Step>) -> io::Result<bool> {
        for step in steps {
            match step {
                Step::ReadHead => {
                    if !self.read_head().await? {
                        return Ok(false);
                    }
                }
                Step::ReadBody => self.read_body().await?,
                Step::Write(bytes) => self.stream.write_all(&bytes).await?,
                Step::WriteSlowly { bytes, piece, pause } => {
                    for part in bytes.chunks(piece.max(1)) {
                        self.stream.write_all(part).await?;
                        tokio::time::sleep(pause).await;
                    }
                }
                Step::Echo => {
                    let request = self.recorded();
                    self.answer(200, &[request.head, request.body].concat()).await?;
                }
                Step::Answer(status, body) => self.answer(status, &body).await?,
                Step::Tunnel => loop {
                    let bytes = std::mem::take(&mut self.inbox.buf);
                    self.stream.write_all(&bytes).await?;
                    if self.fill().await? == 0 {
                        return Ok(false);
                    }
                },
                Step::Wait(time) => tokio::time::sleep(time).await,
                Step::Hold => {
                    let mut released = self.shared.released.subscribe();
                    drop(released.wait_for(|n| *n > self.releases).await);
                }
                Step::Hang => {
                    while self.fill().await? != 0 {}
                    return Ok(false);
                }
                Step::Close => return Ok(false),
                Step::Linger => {
                    self.stream.shutdown().await?;
                    let drained = async { while matches!(self.fill().await, Ok(1..)) {} };
                    drop(tokio::time::timeout(Duration::from_secs(2), drained).await);
                    return Ok(false);
                }
                Step::Reset => {
                    self.stream.set_zero_linger()?;
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    async fn fill(&mut self) -> io::Result<usize> {
        let (shared, number) = (&self.shared, self.number);
        self.inbox.fill(&mut self.stream, |bytes| tap(shared, number, bytes)).await
    }

    async fn read_head(&mut self) -> io::Result<bool> {
        let (shared, number) = (&self.shared, self.number);
        let Some(head) = self.inbox.head(&mut self.stream, |bytes| tap(shared, number, bytes)).await? else {
            return Ok(false);
        };
        let fields = http1::fields(&head);
        self.releases = *shared.released.borrow();
        shared.log.send_modify(|log| {
            self.request = Some(log.requests.len());
            log.requests.push(Recorded { connection: number, head, fields, ..Recorded::default() });
        });
        Ok(true)
    }

    async fn read_body(&mut self) -> io::Result<()> {
        let framing = http1::framing(&self.recorded().fields)?.unwrap_or(Framing::Length(0));
        let (shared, number, mut body) = (&self.shared, self.number, Body::default());
        let read = self.inbox.body(&mut self.stream, framing, &mut body, |bytes| tap(shared, number, bytes)).await;
        let complete = body.complete;
        shared.log.send_modify(|log| {
            if let Some(request) = self.request.and_then(|at| log.requests.get_mut(at)) {
                (request.body, request.trailers, request.complete) = (body.bytes, body.trailers, body.complete);
            }
        });
        match read {
            Ok(()) if !complete => Err(io::ErrorKind::UnexpectedEof.into()),
            other => other,
        }
    }

    fn recorded(&self) -> Recorded {
        self.request.and_then(|at| self.shared.log.borrow().requests.get(at).cloned()).unwrap_or_default()
    }

    async fn answer(&mut self, status: u16, body: &[u8]) -> io::Result<()> {
        let bodiless = matches!(status, 204 | 304);
        let mut head =
            format!("HTTP/1.1 {status} Test\r\nX-Upstream: {}\r\nX-Connection: {}\r\n", self.shared.name, self.number);
        if !bodiless {
            head.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        head.push_str("\r\n");
        let mut bytes = head.into_bytes();
        if !bodiless && !self.recorded().head.starts_with(b"HEAD ") {
            bytes.extend_from_slice(body);
        }
        self.stream.write_all(&bytes).await
    }
}

fn tap(shared: &Shared, number: usize, bytes: &[u8]) {
    shared.log.send_modify(|log| {
        if let Some(connection) = log.connections.get_mut(number) {
            connection.bytes.extend_from_slice(bytes);
        }
    });
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
