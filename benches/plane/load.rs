//! A server that answers, and clients that ask at a steady rate whether answers are late or not.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Connections that the requests are spread over.
const CONNECTIONS: u32 = 8;
const REQUEST: &[u8] = b"GET /x HTTP/1.1\r\nHost: web.test\r\n\r\n";

#[expect(clippy::disallowed_methods, reason = "threads of their own, and nothing to wait for but time")]
pub(crate) fn nap(time: Duration) {
    std::thread::sleep(time);
}

/// Answers every request on every loopback address; returns the port.
pub(crate) fn serve() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    std::thread::spawn(move || {
        while let Ok((stream, _)) = listener.accept() {
            std::thread::spawn(move || answer(stream));
        }
    });
    port
}

fn answer(mut stream: TcpStream) {
    let mut buffer = [0; 4096];
    let mut ends = 0;
    while let Ok(count @ 1..) = stream.read(&mut buffer) {
        // Requests without bodies end with an empty line; nothing else has one.
        for byte in buffer.get(..count).unwrap_or_default() {
            ends = if *byte == b'\n' {
                ends + 1
            } else if *byte == b'\r' {
                ends
            } else {
                0
            };
            if ends == 2 {
                ends = 0;
                if stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").is_err() {
                    return;
                }
            }
        }
    }
}

/// Clients at work.
pub(crate) struct Clients {
    stretch: Arc<AtomicU8>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<Seen>>,
}

/// What one client saw.
#[derive(Default)]
pub(crate) struct Seen {
    /// Nanoseconds from when a request was due to its answer, by kind of stretch.
    pub(crate) latencies: [Vec<u64>; 2],
    /// Connections that were closed, broke, or gave another answer than 200.
    pub(crate) closed: u64,
}

impl Clients {
    /// Sends so many requests a second to `address` until stopped.
    pub(crate) fn start(address: SocketAddr, rate: u32) -> Self {
        let (stretch, stop) = (Arc::new(AtomicU8::new(u8::MAX)), Arc::new(AtomicBool::new(false)));
        let period = Duration::from_secs(1) * CONNECTIONS / rate.max(1);
        let begin = Instant::now() + Duration::from_millis(20);
        let threads = (0..CONNECTIONS).map(|n| {
            let (stretch, stop) = (Arc::clone(&stretch), Arc::clone(&stop));
            std::thread::spawn(move || ask(address, begin + period * n / CONNECTIONS, period, &stretch, &stop))
        });
        let threads = threads.collect();
        Self { stretch, stop, threads }
    }

    /// What is due from now on counts for this kind of stretch; for none with [`u8::MAX`].
    pub(crate) fn stretch(&self, kind: u8) {
        self.stretch.store(kind, Ordering::Relaxed);
    }

    /// Ends them, and puts together what they saw, sorted.
    pub(crate) fn stop(self) -> Seen {
        self.stop.store(true, Ordering::Relaxed);
        let mut all = Seen::default();
        for thread in self.threads {
            let seen = thread.join().expect("no panic");
            for (all, mut own) in all.latencies.iter_mut().zip(seen.latencies) {
                all.append(&mut own);
            }
            all.closed += seen.closed;
        }
        all.latencies.iter_mut().for_each(|list| list.sort_unstable());
        all
    }
}

fn ask(address: SocketAddr, mut due: Instant, period: Duration, stretch: &AtomicU8, stop: &AtomicBool) -> Seen {
    let mut seen = Seen::default();
    let mut stream = connect(address);
    let mut buffer = [0; 4096];
    while !stop.load(Ordering::Relaxed) {
        nap(due.saturating_duration_since(Instant::now()));
        let kind = usize::from(stretch.load(Ordering::Relaxed));
        let answered = stream.write_all(REQUEST).and_then(|()| whole(&mut stream, &mut buffer));
        match answered {
            Ok(()) => {
                if let Some(list) = seen.latencies.get_mut(kind) {
                    list.push(u64::try_from(due.elapsed().as_nanos()).unwrap_or(u64::MAX));
                }
            }
            Err(_) => {
                seen.closed += 1;
                stream = connect(address);
            }
        }
        due += period;
    }
    seen
}

/// Reads the answer, which is two bytes after its head if it is the server's; any other is an error.
fn whole(stream: &mut TcpStream, buffer: &mut [u8]) -> std::io::Result<()> {
    let mut filled = 0;
    loop {
        let count = stream.read(buffer.get_mut(filled..).unwrap_or_default())?;
        if count == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        filled += count;
        let text = buffer.get(..filled).unwrap_or_default();
        if let Some(end) = text.windows(4).position(|four| four == b"\r\n\r\n") {
            if !text.starts_with(b"HTTP/1.1 200") {
                return Err(std::io::ErrorKind::InvalidData.into());
            }
            if filled >= end + 6 {
                return Ok(());
            }
        }
    }
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("the program accepts");
    stream.set_nodelay(true).expect("a socket");
    stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a socket");
    stream
}

/// True when a request is answered with 200.
pub(crate) fn is_served(address: SocketAddr) -> bool {
    is_answered(address, "web.test")
}

/// True when a request for this host is answered with 200.
pub(crate) fn is_answered(address: SocketAddr, host: &str) -> bool {
    let mut stream = connect(address);
    let request = format!("GET /x HTTP/1.1\r\nHost: {host}\r\n\r\n");
    stream.write_all(request.as_bytes()).is_ok() && whole(&mut stream, &mut [0; 4096]).is_ok()
}
