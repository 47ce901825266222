//! Connecting to a server.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use seaway_config::model::Address;
use seaway_middleware::protocol::Tls;
use seaway_routing::Server;
use seaway_routing::transport::Transport;
use socket2::SockRef;
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::link::{Lease, Link, Scratch};
use super::stream::Stream;
use super::tls;
use crate::error::ProxyError;

/// Connects to a server that a middleware asks, within `limit`, and then by TLS where `tls` says how. Nothing of a request
/// has been sent when this fails.
pub(crate) async fn open((host, port): (&str, u16), tls: Option<&Tls>, limit: Duration) -> Result<Stream, ProxyError> {
    let address = match host.parse::<IpAddr>() {
        Ok(ip) => Address::Ip((ip, port).into()),
        Err(_) => Address::Dns(host.into(), port),
    };
    let stream = reach(&address, limit).await?;
    match tls {
        None => Ok(Stream::Tcp(stream)),
        Some(tls) => shake_hands(tls::begin_with(tls.connector(), host, stream)).await,
    }
}

/// Connects as the service's transport says, `usual` being the time for it where it says none. Nothing of a request has
/// been sent when this fails.
pub(crate) async fn connect_as(
    transport: &Transport,
    server: &Server,
    usual: Duration,
    scratch: &Scratch,
) -> Result<Lease, ProxyError> {
    let stream = reach(&server.address, transport.dial_timeout.unwrap_or(usual)).await?;
    let stream = match &server.tls_name {
        None => Stream::Tcp(stream),
        Some(name) => shake_hands(tls::begin(transport, name, stream)).await?,
    };
    Ok(Link::new(stream, server.link, Rc::clone(scratch)))
}

async fn shake_hands(
    begun: impl Future<Output = Result<TlsStream<TcpStream>, ProxyError>>,
) -> Result<Stream, ProxyError> {
    let begun = tokio::time::timeout(HANDSHAKE, begun).await;
    Ok(Stream::Tls(Box::new(begun.unwrap_or(Err(ProxyError::ConnectTimeout))?)))
}

async fn reach(address: &Address, limit: Duration) -> Result<TcpStream, ProxyError> {
    match tokio::time::timeout(limit, dial(address)).await {
        Ok(Ok(stream)) => {
            limit_stall(&stream, STALL);
            Ok(stream)
        }
        Ok(Err(error)) if is_ours(&error) => Err(ProxyError::NoResources),
        Ok(Err(_)) => Err(ProxyError::ConnectFailed),
        Err(_) => Err(ProxyError::ConnectTimeout),
    }
}

/// Time for a TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// Connects, without a limit of its own.
pub(crate) async fn dial(address: &Address) -> io::Result<TcpStream> {
    let stream = match address {
        Address::Ip(address) => TcpStream::connect(*address).await?,
        Address::Dns(host, port) => {
            let mut last = io::Error::from(io::ErrorKind::NotFound);
            let addresses: Vec<SocketAddr> = tokio::net::lookup_host((host.as_ref(), *port)).await?.collect();
            let mut connected = None;
            for address in addresses {
                match TcpStream::connect(address).await {
                    Ok(stream) => {
                        connected = Some(stream);
                        break;
                    }
                    Err(error) => last = error,
                }
            }
            connected.ok_or(last)?
        }
    };
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// How long a server may take nothing of what is sent to it: a client may have left meanwhile, which nobody learns who
/// waits for the server.
const STALL: Duration = Duration::from_secs(120);

/// Lets the kernel end the connection when the other side has taken nothing, or acknowledged nothing, for so long; zero
/// for its own idea of it.
pub(super) fn limit_stall(stream: &TcpStream, limit: Duration) {
    // What does not know it has its own idea.
    let _known = SockRef::from(stream).set_tcp_user_timeout(Some(limit));
}

/// True for failures that say something about this machine and nothing about the server.
fn is_ours(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(
            libc::EMFILE
                | libc::ENFILE
                | libc::ENOBUFS
                | libc::ENOMEM
                | libc::EADDRNOTAVAIL
                | libc::EADDRINUSE
                | libc::EAGAIN
        )
    )
}
