//! Connecting to a server.

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use seaway_config::model::Address;
use tokio::net::TcpStream;
use tokio::sync::oneshot;

use super::io::{UpstreamIo, Wire};
use super::pool::Lease;
use crate::error::ProxyError;

/// Most header lines of a response. hyper's own bound of 100 is too low for servers that set many cookies.
const HEADERS: usize = 256;

/// Connects within `limit`. Nothing of a request has been sent when this fails.
pub(crate) async fn connect(address: &Address, server: u64, limit: Duration) -> Result<Lease, ProxyError> {
    let stream = match tokio::time::timeout(limit, dial(address)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) if is_ours(&error) => return Err(ProxyError::NoResources),
        Ok(Err(_)) => return Err(ProxyError::ConnectFailed),
        Err(_) => return Err(ProxyError::ConnectTimeout),
    };
    let wire = Wire::new(stream);
    let io = TokioIo::new(UpstreamIo(Rc::clone(&wire)));
    let (sender, connection) =
        http1::Builder::new().max_headers(HEADERS).handshake(io).await.map_err(|_| ProxyError::ConnectFailed)?;
    let (hand_over, handed_over) = oneshot::channel();
    // The connection's own task ends with the connection. Its error reaches the exchange through the sender; after a 101
    // the socket is handed to the tunnel, if there is one.
    tokio::task::spawn_local(async move {
        if let Ok(parts) = connection.without_shutdown().await {
            let _no_tunnel = hand_over.send(parts);
        }
    });
    Ok(Lease { sender, wire, handed_over, server, fresh: true, spoiled: false })
}

async fn dial(address: &Address) -> io::Result<TcpStream> {
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
