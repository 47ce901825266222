//! A client that sends exactly the bytes it is given and reads answers strictly.
//!
//! ```no_run
//! # async fn example(address: std::net::SocketAddr) -> std::io::Result<()> {
//! use seaway_testkit::raw::RawClient;
//! let mut client = RawClient::connect(address).await?;
//! client.send(b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n").await?;
//! let answer = client.response().await?;
//! assert_eq!(answer.status, 200);
//! assert!(client.is_open().await, "kept alive");
//! # Ok(()) }
//! ```

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::http1::{self, Body, Framing, Inbox};

/// The longest that one call waits, unless [`RawClient::within`] says otherwise.
pub const DEADLINE: Duration = Duration::from_secs(10);

/// One TCP connection to what is tested.
#[derive(Debug)]
pub struct RawClient {
    stream: TcpStream,
    inbox: Inbox,
    within: Duration,
}

/// An answer, read by its own framing.
#[derive(Clone, Debug)]
pub struct Response {
    /// `200`.
    pub status: u16,
    /// `HTTP/1.1 200 OK`.
    pub start: String,
    /// Header fields in the order they came, names as they were written, values trimmed.
    pub fields: Vec<(String, String)>,
    /// The body, chunks taken apart.
    pub body: Vec<u8>,
    /// Trailer lines as they came.
    pub trailers: Vec<u8>,
    /// The body ended as its framing said. With neither `Content-Length` nor chunks the close is the end.
    pub complete: bool,
    /// The head as it came, with its empty line.
    pub head: Vec<u8>,
}

impl Response {
    /// The only value of a field; `None` if it is not there, a panic if it is there twice.
    #[track_caller]
    pub fn field(&self, name: &str) -> Option<&str> {
        match self.all(name).as_slice() {
            [] => None,
            [one] => Some(one),
            more => panic!("{name} is there {} times: {more:?}", more.len()),
        }
    }

    /// Every value of a field, in order.
    pub fn all(&self, name: &str) -> Vec<&str> {
        http1::all(&self.fields, name)
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl RawClient {
    /// Connects; each call from now on takes [`DEADLINE`] at most.
    pub async fn connect(address: SocketAddr) -> io::Result<Self> {
        let stream = in_time(DEADLINE, "connecting", TcpStream::connect(address)).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, inbox: Inbox::default(), within: DEADLINE })
    }

    /// Sends `bytes` over a new connection and reads one response.
    pub async fn exchange(address: SocketAddr, bytes: impl AsRef<[u8]>) -> io::Result<Response> {
        let mut client = Self::connect(address).await?;
        client.send(bytes).await?;
        client.response().await
    }

    /// The longest that one call may take.
    #[must_use]
    pub fn within(mut self, limit: Duration) -> Self {
        self.within = limit;
        self
    }

    /// This end's address.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.stream.local_addr()
    }

    /// Sends these bytes.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        in_time(self.within, "sending", async {
            self.stream.write_all(bytes.as_ref()).await?;
            self.stream.flush().await
        })
        .await
    }

    /// Sends these bytes `piece` at a time, each in its own segment, with `pause` between them.
    pub async fn send_slowly(&mut self, bytes: impl AsRef<[u8]>, piece: usize, pause: Duration) -> io::Result<()> {
        for part in bytes.as_ref().chunks(piece.max(1)) {
            self.send(part).await?;
            tokio::time::sleep(pause).await;
        }
        Ok(())
    }

    /// Closes the sending half (FIN); answers can still be read.
    pub async fn finish(&mut self) -> io::Result<()> {
        self.stream.shutdown().await
    }

    /// Closes the connection with RST.
    pub fn reset(self) -> io::Result<()> {
        self.stream.set_zero_linger()
    }

    /// Reads the next head, of whatever status, and leaves what follows it. For 1xx, 101 and answers to CONNECT.
    pub async fn head(&mut self) -> io::Result<Response> {
        in_time(self.within, "waiting for a head", read_head(&mut self.stream, &mut self.inbox)).await
    }

    /// Reads the next final response (interim 1xx responses are skipped, 101 is final) and its body.
    pub async fn response(&mut self) -> io::Result<Response> {
        self.final_response(false).await
    }

    /// Reads the response to a HEAD request: no body, whatever the fields say.
    pub async fn response_to_head(&mut self) -> io::Result<Response> {
        self.final_response(true).await
    }

    /// Reads exactly `n` bytes, for tunnels.
    pub async fn bytes(&mut self, n: usize) -> io::Result<Vec<u8>> {
        let Self { stream, inbox, within } = self;
        in_time(*within, "waiting for bytes", async {
            while inbox.buf.len() < n {
                if inbox.fill(stream, |_| ()).await? == 0 {
                    return Err(io::Error::new(
                        io::ErrorKind::UnexpectedEof,
                        format!("closed after {} of {n} bytes", inbox.buf.len()),
                    ));
                }
            }
            Ok(inbox.take(n))
        })
        .await
    }

    /// Reads until `pattern` has come, and returns everything up to and with it.
    pub async fn until(&mut self, pattern: impl AsRef<[u8]>) -> io::Result<Vec<u8>> {
        let (pattern, Self { stream, inbox, within }) = (pattern.as_ref(), self);
        in_time(*within, "waiting for a pattern", async {
            loop {
                if let Some(at) = inbox.buf.windows(pattern.len().max(1)).position(|w| w == pattern) {
                    return Ok(inbox.take(at + pattern.len()));
                }
                if inbox.fill(stream, |_| ()).await? == 0 {
                    let got = String::from_utf8_lossy(&inbox.buf).into_owned();
                    return Err(io::Error::new(
                        io::ErrorKind::UnexpectedEof,
                        format!("closed before it came: {got:?}"),
                    ));
                }
            }
        })
        .await
    }

    /// Reads everything until the other side closes (FIN). A reset is an error of kind `ConnectionReset`.
    pub async fn to_close(&mut self) -> io::Result<Vec<u8>> {
        let Self { stream, inbox, within } = self;
        in_time(*within, "waiting for the close", async {
            while inbox.fill(stream, |_| ()).await? != 0 {}
            Ok(std::mem::take(&mut inbox.buf))
        })
        .await
    }

    /// True if nothing came and nobody closed for 50 ms: a kept-alive, quiet connection.
    pub async fn is_open(&mut self) -> bool {
        if !self.inbox.buf.is_empty() {
            return false;
        }
        let mut byte = [0; 1];
        match timeout(Duration::from_millis(50), self.stream.read(&mut byte)).await {
            Err(_) => true,
            Ok(Ok(1)) => {
                self.inbox.buf.extend_from_slice(&byte);
                false
            }
            Ok(_) => false,
        }
    }

    async fn final_response(&mut self, bodiless: bool) -> io::Result<Response> {
        let Self { stream, inbox, within } = self;
        in_time(*within, "waiting for a response", async {
            let mut answer = loop {
                let answer = read_head(stream, inbox).await?;
                if answer.status >= 200 || answer.status == 101 {
                    break answer;
                }
            };
            answer.complete = true;
            if bodiless || matches!(answer.status, 101 | 204 | 304) {
                return Ok(answer);
            }
            let framing = http1::framing(&answer.fields)?.unwrap_or(Framing::UntilClose);
            let mut body = Body::default();
            inbox.body(stream, framing, &mut body, |_| ()).await?;
            (answer.body, answer.trailers, answer.complete) = (body.bytes, body.trailers, body.complete);
            Ok(answer)
        })
        .await
    }
}

async fn read_head(stream: &mut TcpStream, inbox: &mut Inbox) -> io::Result<Response> {
    let closed = || io::Error::new(io::ErrorKind::UnexpectedEof, "closed without an answer");
    let head = inbox.head(stream, |_| ()).await?.ok_or_else(closed)?;
    let start = String::from_utf8_lossy(head.split(|b| *b == b'\r').next().unwrap_or_default()).into_owned();
    let status = start.strip_prefix("HTTP/1.").and_then(|rest| rest.get(2..5)).and_then(|code| code.parse().ok());
    let status = status.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, format!("status line {start:?}")))?;
    let fields = http1::fields(&head);
    Ok(Response { status, start, fields, body: Vec::new(), trailers: Vec::new(), complete: false, head })
}

async fn in_time<T>(limit: Duration, doing: &str, work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    timeout(limit, work)
        .await
        .unwrap_or_else(|_| Err(io::Error::new(io::ErrorKind::TimedOut, format!("{doing}: not within {limit:?}"))))
}
