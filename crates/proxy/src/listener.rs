//! Listening: one socket for each worker and entry point, all on the same port.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use seaway_head::{Limits, Trust};
use socket2::{Domain, Protocol, Socket, Type};

/// Connections that the kernel completes ahead of us for each socket.
pub(crate) const QUEUE: i32 = 4096;

/// An entry point, ready to be listened on.
#[derive(Clone, Debug)]
pub struct EntryPoint {
    /// Its name.
    pub name: Box<str>,
    /// Where to listen.
    pub address: SocketAddr,
    /// Whose forwarded headers are believed.
    pub trust: Arc<Trust>,
    /// Append the peer to `X-Forwarded-For`.
    pub append_forwarded_for: bool,
    /// Bounds on request heads.
    pub limits: Arc<Limits>,
    /// Upgrade tokens that may become a tunnel, in lower case.
    pub upgrades: Arc<[Box<str>]>,
    /// How long an unused connection stays open; zero for ever.
    pub idle_timeout: Duration,
    /// Longest silence of a request body; zero for none.
    pub read_timeout: Duration,
    /// Go on accepting for so long after the stop signal.
    pub accept_grace: Duration,
    /// Time that running requests have to end after that.
    pub grace: Duration,
    /// How its connections are treated.
    pub connections: ConnectionRules,
}

/// How the connections of an entry point are treated, where anything is asked for.
#[derive(Clone, Debug, Default)]
pub struct ConnectionRules {
    /// They may begin with a PROXY protocol header, and these are believed.
    pub proxy_protocol: Option<Trust>,
    /// Each ends after so many requests; zero for no limit.
    pub max_requests: u64,
    /// Each ends with the first answer after it has become so old; zero for no limit.
    pub max_age: Duration,
    /// How long it may take from a request's head to the end of its response; zero for no limit.
    pub response: Duration,
    /// `X-Forwarded-Scheme` and `X-Scheme` are sent too.
    pub scheme_headers: bool,
}

/// Time limits of client connections that are no options.
#[derive(Clone, Copy, Debug)]
pub struct ClientTimes {
    /// How long a request head may take in all, and a new connection to send its first byte.
    pub head: Duration,
    /// How long a response may make no progress because the client does not read, and how long the rest of a request
    /// because a server that has answered already does not.
    pub write_stall: Duration,
    /// How long a client that is being left is still read from, so that it can read what was sent last.
    pub linger: Duration,
}

impl Default for ClientTimes {
    fn default() -> Self {
        Self { head: Duration::from_secs(10), write_stall: Duration::from_secs(60), linger: Duration::from_secs(1) }
    }
}

/// An entry point that listens.
#[derive(Debug)]
pub struct Bound {
    /// What it is.
    pub entry_point: Arc<EntryPoint>,
    /// The address in force: port 0 has become a real one.
    pub address: SocketAddr,
    /// Time limits of its connections.
    pub times: ClientTimes,
    pub(crate) sockets: Vec<std::net::TcpListener>,
}

/// One worker's share of an entry point.
#[derive(Debug)]
pub(crate) struct Listening {
    pub(crate) entry_point: Arc<EntryPoint>,
    pub(crate) times: ClientTimes,
    pub(crate) socket: std::net::TcpListener,
}

/// Listens on every entry point, once for each worker. The error comes with the place of the entry point that failed.
pub fn bind(entry_points: Vec<EntryPoint>, workers: usize) -> Result<Vec<Bound>, (usize, io::Error)> {
    let mut all = Vec::new();
    for (place, entry_point) in entry_points.into_iter().enumerate() {
        match bind_one(entry_point.address, workers.max(1)) {
            Ok((address, sockets)) => {
                let times = ClientTimes::default();
                all.push(Bound { entry_point: Arc::new(entry_point), address, times, sockets });
            }
            Err(error) => return Err((place, error)),
        }
    }
    Ok(all)
}

fn bind_one(address: SocketAddr, workers: usize) -> io::Result<(SocketAddr, Vec<std::net::TcpListener>)> {
    // SO_REUSEPORT would let a second program of this user share the port without a word, so that somebody else's
    // listener is told of only by a bind without it.
    probe(address)?;
    let first = listen(address)?;
    let address = first.local_addr()?;
    let mut sockets = vec![first];
    for _ in 1..workers {
        sockets.push(listen(address)?);
    }
    Ok((address, sockets))
}

fn probe(address: SocketAddr) -> io::Result<()> {
    if address.port() == 0 {
        return Ok(());
    }
    let socket = socket(address)?;
    socket.bind(&address.into())
}

fn listen(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let socket = socket(address)?;
    socket.set_reuse_port(true)?;
    tune(&socket);
    socket.bind(&address.into())?;
    socket.listen(QUEUE)?;
    Ok(socket.into())
}

fn socket(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// Options of a connection. Those that are accepted inherit them (tcp(7), socket(7) on Linux), which saves three system
/// calls for each. No failure matters to correctness: connections are served without the option.
fn tune(socket: &Socket) {
    let _unset = socket.set_tcp_nodelay(true);
    let _unset = socket.set_tcp_keepalive(&socket2::TcpKeepalive::new().with_time(Duration::from_secs(180)));
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use socket2::SockRef;

    use super::*;

    #[test]
    fn accepted_connections_inherit_the_options() {
        let (address, sockets) = bind_one(([127, 0, 0, 1], 0).into(), 1).unwrap();
        let _client = std::net::TcpStream::connect(address).unwrap();
        sockets[0].set_nonblocking(false).unwrap();
        let (accepted, _) = sockets[0].accept().unwrap();
        let accepted = SockRef::from(&accepted);
        assert!(accepted.tcp_nodelay().unwrap());
        assert!(accepted.keepalive().unwrap());
        assert_eq!(accepted.tcp_keepalive_time().unwrap(), Duration::from_secs(180));
    }
}
