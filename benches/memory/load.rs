//! Both ends of the load: a server that answers, and clients that ask.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// The host that is asked for.
pub(crate) const HOST: &str = "web.test";
const BODY: usize = 128;
const THREADS: usize = 2;

/// Serves 128 bytes for every request; returns where.
pub(crate) async fn upstream() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            stream.set_nodelay(true).ok();
            tokio::spawn(async move {
                let answer =
                    format!("HTTP/1.1 200 OK\r\nContent-Length: {BODY}\r\nServer: bench\r\n\r\n{}", "x".repeat(BODY));
                let mut buffer = vec![0; 4096];
                let mut at = 0;
                while let Some(room) = buffer.get_mut(at..) {
                    let Ok(read @ 1..) = stream.read(room).await else { return };
                    at += read;
                    if buffer.get(..at).is_some_and(|b| b.ends_with(b"\r\n\r\n")) {
                        at = 0;
                        if stream.write_all(answer.as_bytes()).await.is_err() {
                            return;
                        }
                    }
                }
            });
        }
    });
    address
}

/// Opens connections that have each done one request.
pub(crate) fn connect(address: SocketAddr, count: usize) -> Vec<TcpStream> {
    let mut all = Vec::with_capacity(count);
    for _ in 0..count {
        let stream = TcpStream::connect(address).expect("a connection; is the limit on open files high enough?");
        stream.set_nodelay(true).expect("an option");
        stream.set_read_timeout(Some(Duration::from_secs(30))).expect("an option");
        let mut one = [stream];
        assert_eq!(ask(&mut one), 0, "the first request of a connection");
        all.extend(one);
    }
    all
}

/// One request on each; returns how many were not answered.
pub(crate) fn ask(connections: &mut [TcpStream]) -> usize {
    let request = format!(
        "GET /path/to/something?with=query HTTP/1.1\r\nHost: {HOST}\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\n\
         Accept: text/html,application/xhtml+xml\r\nAccept-Encoding: gzip, deflate\r\nAccept-Language: en\r\n\
         Cookie: session=0123456789abcdef; theme=dark\r\n\r\n"
    );
    let mut failed = 0;
    for stream in connections.iter_mut() {
        failed += usize::from(stream.write_all(request.as_bytes()).is_err());
    }
    for stream in connections.iter_mut() {
        failed += usize::from(!is_answered(stream));
    }
    failed
}

/// So many requests in all, as fast as they are answered.
pub(crate) fn run(connections: &mut [TcpStream], requests: u64) {
    let share = connections.len().div_ceil(THREADS);
    let rounds = requests.div_ceil(u64::try_from(connections.len()).expect("a small number"));
    std::thread::scope(|scope| {
        for connections in connections.chunks_mut(share) {
            scope.spawn(move || {
                for _ in 0..rounds {
                    assert_eq!(ask(connections), 0, "requests without an answer");
                }
            });
        }
    });
}

fn is_answered(stream: &mut TcpStream) -> bool {
    let mut buffer = [0; 4096];
    let mut at = 0;
    loop {
        let Some(room) = buffer.get_mut(at..).filter(|room| !room.is_empty()) else { return false };
        let Ok(read @ 1..) = stream.read(room) else { return false };
        at += read;
        let Some(got) = buffer.get(..at) else { return false };
        if let Some(end) = got.windows(4).position(|w| w == b"\r\n\r\n")
            && at >= end + 4 + BODY
        {
            return got.starts_with(b"HTTP/1.1 200 ");
        }
    }
}
