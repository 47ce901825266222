//! Whose connection it is, where a balancer in front says so by the PROXY protocol.

use std::io;
use std::net::SocketAddr;

use seaway_head::Trust;
use seaway_head::forwarded::canonical_peer;
use seaway_head::proxy_protocol::{self, Beginning, LONGEST};
use tokio::io::Interest;
use tokio::net::TcpStream;

/// Reads the header, if there is one, and not a byte more. Gives whose connection it is: the one that the header names if
/// `peer` is trusted, otherwise `peer`. `None` when it cannot be served.
pub(crate) async fn source(stream: &TcpStream, peer: SocketAddr, trust: &Trust) -> Option<SocketAddr> {
    let mut header = Vec::new();
    let mut room = vec![0; LONGEST];
    loop {
        let there = stream.peek(&mut room).await.ok().filter(|there| *there > 0)?;
        let before = header.len();
        header.extend_from_slice(room.get(..there)?);
        match proxy_protocol::read(&header) {
            Beginning::Other => return Some(peer),
            Beginning::Part(false) => {
                // It may be a request yet. What is there stays there, so that only something new is news.
                header.clear();
                let _waits = stream.try_io(Interest::READABLE, || Err::<(), _>(io::ErrorKind::WouldBlock.into()));
            }
            Beginning::Part(true) => take(stream, room.get_mut(..there)?).await?,
            Beginning::Header { length, source } => {
                take(stream, room.get_mut(..length.checked_sub(before)?)?).await?;
                let believed = trust.trusts(canonical_peer(peer));
                return Some(source.filter(|_| believed).unwrap_or(peer));
            }
            Beginning::Bad(why) => {
                tracing::debug!(%peer, why, "a connection with a PROXY protocol header that cannot be read");
                return None;
            }
        }
    }
}

/// Takes bytes that are known to be there.
async fn take(stream: &TcpStream, mut bytes: &mut [u8]) -> Option<()> {
    while !bytes.is_empty() {
        stream.readable().await.ok()?;
        match stream.try_read(bytes) {
            Ok(0) => return None,
            Ok(taken) => bytes = bytes.get_mut(taken..)?,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => return None,
        }
    }
    Some(())
}
