//! One figure of the kernel's that no safe wrapper gives: how much of what we sent the other side has acknowledged.

// `getsockopt(TCP_INFO)` has no safe wrapper in the crates that we use; this call writes into a buffer of our own whose
// length the kernel is told, and reads nothing else.
#![allow(unsafe_code)]

use std::os::fd::AsRawFd;

use tokio::net::TcpStream;

/// Offset of `tcpi_bytes_acked` in Linux' `struct tcp_info` (uapi/linux/tcp.h, stable since 4.1).
const BYTES_ACKED: std::ops::Range<usize> = 120..128;

/// Bytes of ours that the peer's kernel has acknowledged on this connection; `None` where the kernel does not tell.
pub(super) fn acknowledged(stream: &TcpStream) -> Option<u64> {
    let mut info = [0u8; 192];
    let mut length = libc::socklen_t::try_from(info.len()).ok()?;
    // SAFETY: `info` is valid for writes of `length` bytes for the whole call, and the kernel writes no more than that.
    let result = unsafe {
        libc::getsockopt(
            stream.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            info.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    if result != 0 || usize::try_from(length).ok()? < BYTES_ACKED.end {
        return None;
    }
    let counted = u64::from_ne_bytes(info.get(BYTES_ACKED)?.try_into().ok()?);
    // The count includes the one that a SYN takes in sequence space.
    Some(counted.saturating_sub(1))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

    use super::acknowledged;

    #[tokio::test]
    async fn counts_exactly_what_the_peer_has() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut ours = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (mut theirs, _) = listener.accept().await.unwrap();
        assert_eq!(acknowledged(&ours), Some(0));
        ours.write_all(b"hello").await.unwrap();
        let mut buffer = [0u8; 5];
        theirs.read_exact(&mut buffer).await.unwrap();
        theirs.write_all(b"x").await.unwrap();
        ours.read_exact(&mut buffer[..1]).await.unwrap();
        assert_eq!(acknowledged(&ours), Some(5));
    }

    #[tokio::test]
    async fn what_is_sent_to_a_closed_socket_is_never_acknowledged() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut ours = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (theirs, _) = listener.accept().await.unwrap();
        drop(theirs);
        ours.readable().await.unwrap();
        ours.write_all(b"hello").await.unwrap();
        let mut buffer = [0u8; 5];
        assert_eq!(ours.read(&mut buffer).await.unwrap_or(0), 0);
        assert_eq!(acknowledged(&ours), Some(0));
    }
}
