//! Connections that have left HTTP: bytes in both directions until both sides have ended.

use std::rc::Rc;

use bytes::Bytes;
use tokio::io::{AsyncWriteExt, copy_bidirectional_with_sizes};

use crate::client_io::{ClientIo, ClientState};
use crate::response::Flight;
use crate::upstream::link::Lease;

const BUFFER: usize = 16 * 1024;

/// An upgrade that a server has granted, waiting for its 101 to be sent to the client.
pub(crate) struct Tunnel {
    pub(crate) lease: Lease,
    /// Pins the server's state and no table; it ends with the tunnel.
    pub(crate) flight: Flight,
}

impl Tunnel {
    /// Copies until both sides have ended. `early` is what the client sent right behind its request.
    pub(crate) async fn run(self, state: &Rc<ClientState>, mut client: ClientIo, early: Bytes) {
        let Self { lease, mut flight } = self;
        state.tunnel_begins();
        let (mut server, behind) = lease.into_tunnel();
        let (sent, received) = (early.len() as u64, behind.len() as u64);
        // They go with what they are written by: each is a part of a buffer, and a tunnel may be quiet for a week.
        let first = async {
            let (early, behind) = (early, behind);
            server.write_all(&early).await?;
            client.write_all(&behind).await
        };
        if first.await.is_err() {
            return;
        }
        let copied = copy_bidirectional_with_sizes(&mut client, &mut server, BUFFER, BUFFER).await;
        let (up, down) = copied.unwrap_or_default();
        flight.trail.request_bytes = up + sent;
        flight.trail.response_bytes = down + received;
    }
}
