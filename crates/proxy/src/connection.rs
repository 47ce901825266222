//! Accepting connections, and serving one until it ends.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use seaway_head::forwarded::canonical_peer;
use seaway_head::{Forwarding, Judge};
use seaway_routing::Millis;
use seaway_telemetry::metrics::OpenConnection;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::body::ClientBody;
use crate::client_io::{ClientIo, ClientState};
use crate::downstream::{self, End, Exchanges, Wire};
use crate::error::ClientLeft;
use crate::exchange::{self, Asking};
use crate::http1::request::{BadHead, Bounds, Head};
use crate::http1::respond::Reply;
use crate::listener::{EntryPoint, Listening, QUEUE};
use crate::proxied;
use crate::response::ResponseBody;
use crate::spread::{Accepted, Message, Open, Seat};
use crate::tunnel::Tunnel;
use crate::worker::{Stage, Worker};

/// How often those look for room that wait for it.
const PAUSE: Duration = Duration::from_millis(5);

/// What all exchanges of one client connection share.
pub(crate) struct Connection {
    pub(crate) worker: Rc<Worker>,
    pub(crate) entry_point: Arc<EntryPoint>,
    /// The peer's address as text, and its port.
    pub(crate) peer: (Box<str>, u16),
    pub(crate) forwarding: Forwarding,
    pub(crate) judge: RefCell<Judge>,
    pub(crate) client: Rc<ClientState>,
    /// Its place among the connections that are counted as open.
    pub(crate) open: Option<OpenConnection>,
    /// What the connection becomes once its 101 is sent.
    pub(crate) tunnel: RefCell<Option<Tunnel>>,
    /// Requests that were answered.
    answered: Cell<u64>,
    /// When it is to end, if it is.
    ends: Option<Millis>,
}

impl Connection {
    /// Counts an answer; true if it has to be the last.
    pub(crate) fn is_last_answer(&self) -> bool {
        let answered = self.answered.get() + 1;
        self.answered.set(answered);
        // Both times are cut to whole milliseconds.
        let most = self.entry_point.connections.max_requests;
        (most > 0 && answered >= most) || self.ends.is_some_and(|ends| self.worker.clock.now() > ends)
    }
}

/// Accepts until told to stop, then takes what already stands in the queue: those clients have been promised service.
pub(crate) async fn accept(
    worker: Rc<Worker>,
    Listening { entry_point, times, socket }: Listening,
    mut stopped: watch::Receiver<Stage>,
) {
    let listener = match TcpListener::from_std(socket) {
        Ok(listener) => listener,
        Err(error) => {
            tracing::error!(entry_point = %entry_point.name, %error, "cannot accept connections");
            return;
        }
    };
    let stop = async {
        let _gone = stopped.wait_for(|stage| *stage >= Stage::Draining).await.map(|_| ());
        // Whoever ends it at once waits for no grace.
        let ended = async { drop(stopped.wait_for(|stage| *stage >= Stage::Ended).await) };
        drop(tokio::time::timeout(entry_point.accept_grace, ended).await);
    };
    tokio::pin!(stop);
    let as_accepted =
        |stream, peer, open| Accepted { stream, peer, entry_point: Arc::clone(&entry_point), times, open };
    loop {
        let accepted = tokio::select! {
            biased;
            () = &mut stop => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                let open = tokio::select! {
                    biased;
                    open = room(&worker) => open,
                    () = &mut stop => {
                        spawn(&worker, as_accepted(stream, peer, worker.spread.open(worker.id)));
                        break;
                    }
                };
                settle(&worker, as_accepted(stream, peer, open));
            }
            Err(error) if is_about_one_connection(&error) => {}
            Err(error) => {
                // No descriptors or no memory: a moment of rest lets running exchanges give some back.
                tracing::warn!(entry_point = %entry_point.name, %error, "cannot accept; trying again");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
    // The runtime only knows of connections that it was told of before; the kernel knows of all.
    let Ok(listener) = listener.into_std() else { return };
    for _ in 0..QUEUE {
        match listener.accept() {
            Ok((stream, peer)) => {
                if stream.set_nonblocking(true).is_ok()
                    && let Ok(stream) = TcpStream::from_std(stream)
                {
                    spawn(&worker, as_accepted(stream, peer, worker.spread.open(worker.id)));
                }
            }
            Err(error) if is_about_one_connection(&error) => {}
            Err(_) => break,
        }
    }
}

/// Takes what other workers hand over, until the end begins. What was sent by then is served; from then on whoever accepts
/// a connection serves it.
pub(crate) async fn take_over(worker: Rc<Worker>, mut seat: Seat, mut stopped: watch::Receiver<Stage>) {
    seat.take();
    loop {
        tokio::select! {
            biased;
            _ = stopped.wait_for(|stage| *stage >= Stage::Draining) => break,
            message = seat.next() => match message {
                Some(message) => receive(&worker, message),
                None => break,
            }
        }
    }
    seat.close();
    while let Some(message) = seat.next().await {
        receive(&worker, message);
    }
}

fn receive(worker: &Rc<Worker>, message: Message) {
    match message {
        Message::Connection(handed) => {
            if let Ok(accepted) = handed.with_stream(TcpStream::from_std) {
                spawn(worker, accepted);
            }
        }
        Message::MakeRoom => {
            worker.make_room();
        }
    }
}

/// A place for a connection that was accepted here. Where there is none, connections end that nobody uses, and what waits
/// does so in the kernel's queue.
async fn room(worker: &Rc<Worker>) -> Open {
    loop {
        if let Some(open) = worker.spread.place(worker.id) {
            return open;
        }
        worker.spread.note_full();
        if !worker.make_room() {
            worker.spread.ask_for_room(worker.id);
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Serves the connection here or hands it to the worker that it is counted for.
fn settle(worker: &Rc<Worker>, accepted: Accepted<TcpStream>) {
    if accepted.open.worker() == worker.id {
        return spawn(worker, accepted);
    }
    let Ok(handed) = accepted.with_stream(TcpStream::into_std) else { return };
    // That worker may have ended meanwhile.
    if let Err(back) = worker.spread.hand_over(handed)
        && let Ok(back) = back.with_stream(TcpStream::from_std)
    {
        spawn(worker, Accepted { open: worker.spread.open(worker.id), ..back });
    }
}

fn is_about_one_connection(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted, TimedOut};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted | TimedOut)
}

fn spawn(worker: &Rc<Worker>, accepted: Accepted<TcpStream>) {
    if accepted.entry_point.connections.proxy_protocol.is_none() {
        return begin(worker, accepted);
    }
    let worker = Rc::clone(worker);
    tokio::task::spawn_local(async move {
        let Some(trust) = &accepted.entry_point.connections.proxy_protocol else { return };
        let source = proxied::source(&accepted.stream, accepted.peer, trust);
        // It comes before the head, and its time is the head's.
        if let Ok(Some(peer)) = tokio::time::timeout(accepted.times.head, source).await {
            begin(&worker, Accepted { peer, ..accepted });
        }
    });
}

fn begin(worker: &Rc<Worker>, accepted: Accepted<TcpStream>) {
    let Accepted { stream, peer, entry_point, times, open } = accepted;
    let rules = &entry_point.connections;
    let client = ClientState::new(stream, entry_point.idle_timeout, times);
    client.limit_exchanges(rules.response);
    let address = canonical_peer(peer);
    let age = u64::try_from(rules.max_age.as_millis()).unwrap_or(u64::MAX);
    let connection = Rc::new(Connection {
        worker: Rc::clone(worker),
        peer: (address.to_string().into(), peer.port()),
        forwarding: Forwarding::new(
            address,
            &entry_point.trust,
            false,
            entry_point.append_forwarded_for,
            &worker.server_name,
        )
        .with_schemes(rules.scheme_headers),
        judge: RefCell::new(Judge::new(
            Arc::clone(&entry_point.limits),
            Arc::clone(&entry_point.upgrades),
            address,
            false,
        )),
        client,
        open: worker.metrics.as_ref().map(|metrics| metrics.open(&metrics.entry_point(&entry_point.name))),
        tunnel: RefCell::new(None),
        answered: Cell::new(0),
        ends: (age > 0).then(|| Millis(worker.clock.now().0.saturating_add(age))),
        entry_point,
    });
    let registered = worker.register(&connection.client, open);
    if worker.is_draining() {
        connection.client.drain(worker.clock.now());
    }
    tokio::task::spawn_local(async move {
        let _registered = registered;
        serve(&connection).await;
    });
}

/// Serves a connection. What only the beginning, the end or a request needs is in a box, so that one which rests takes
/// little room: thousands of them are common.
async fn serve(connection: &Rc<Connection>) {
    let client = &connection.client;
    let limits = &connection.entry_point.limits;
    let bounds = Bounds { bytes: (limits.header_bytes + limits.target_bytes).max(8192), lines: limits.headers };
    let wire = Wire::new(ClientIo::new(Rc::clone(client)), bounds);
    loop {
        let end = Box::pin(downstream::serve(&wire, connection)).await;
        let tunnel = connection.tunnel.borrow_mut().take();
        match (end, tunnel) {
            (End::Switched(early), Some(tunnel)) => {
                let io = ClientIo::new(Rc::clone(client));
                return Box::pin(tunnel.run(client, io, early)).await;
            }
            (End::Rests, _) if client.is_woken().await => {}
            (End::Broken, _) => return client.reset(),
            // To close it resets nothing where nothing is left unread, and nothing will come.
            (End::Finished, _) => return,
            _ => return Box::pin(client.linger()).await,
        }
    }
}

impl Exchanges<ClientIo> for Rc<Connection> {
    type Body = ResponseBody;

    fn serve(
        &self,
        head: Head,
        body: Option<downstream::Body<ClientIo>>,
    ) -> impl Future<Output = Result<Reply<ResponseBody>, ClientLeft>> {
        let Head { method, target, version, headers, .. } = head;
        let asking = Asking { method, target, version, headers, body: body.map(ClientBody::Http1) };
        exchange::serve(Self::clone(self), asking)
    }

    fn refuse(&self, bad: BadHead) -> Reply<ResponseBody> {
        exchange::refuse(self, bad)
    }

    fn is_resting(&self) -> bool {
        self.client.is_resting()
    }
}
