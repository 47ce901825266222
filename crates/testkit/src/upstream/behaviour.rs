//! What an upstream does, step by step, and names for the common kinds of trouble.

use std::time::Duration;

/// One thing that an upstream does on a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Read a request head; when the client closes instead, the connection is over.
    ReadHead,
    /// Read the rest of the request that was begun by `ReadHead`.
    ReadBody,
    /// Write these bytes.
    Write(Vec<u8>),
    /// Write these bytes, `piece` at a time, with a pause after each.
    WriteSlowly {
        /// All of the bytes.
        bytes: Vec<u8>,
        /// How many at a time.
        piece: usize,
        /// The pause after each piece.
        pause: Duration,
    },
    /// Write a correct response: 200, `X-Upstream: <name>`, `X-Connection: <number>`, and the request head and body,
    /// as they came (chunks taken apart), for a body.
    Echo,
    /// Write a correct response with `X-Upstream: <name>` and this body.
    Answer(u16, Vec<u8>),
    /// Send every byte that comes back to where it came from, until the client closes. What follows a 101.
    Tunnel,
    /// Do nothing for so long.
    Wait(Duration),
    /// Do nothing, and read nothing, until [`Upstream::release`] was called after this request's head had come.
    Hold,
    /// Do nothing for ever, but notice that the client closes.
    Hang,
    /// Close the connection: FIN, or RST where bytes of the client are still unread, as the kernel does it.
    Close,
    /// Close the sending half (FIN) and read on until the client closes, 2 s at most: a lingering close.
    Linger,
    /// Close the connection (RST).
    Reset,
}

/// What an upstream does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Behaviour {
    pub(super) on_accept: Vec<Step>,
    pub(super) on_request: Vec<Step>,
}

impl Behaviour {
    /// These steps for each request of a connection, again and again until one closes it.
    pub fn steps(steps: impl IntoIterator<Item = Step>) -> Self {
        Self { on_accept: Vec::new(), on_request: steps.into_iter().collect() }
    }

    /// Takes these steps before the first request: bytes that nobody asked for, a late start.
    #[must_use]
    pub fn on_accept(mut self, steps: impl IntoIterator<Item = Step>) -> Self {
        self.on_accept = steps.into_iter().collect();
        self
    }

    /// Reads a whole request, writes exactly `bytes`, and keeps the connection open.
    pub fn writes(bytes: impl AsRef<[u8]>) -> Self {
        Self::steps([Step::ReadHead, Step::ReadBody, Step::Write(bytes.as_ref().to_vec())])
    }

    /// Reads a whole request, writes exactly `bytes`, and closes.
    pub fn writes_and_closes(bytes: impl AsRef<[u8]>) -> Self {
        Self::steps([Step::ReadHead, Step::ReadBody, Step::Write(bytes.as_ref().to_vec()), Step::Close])
    }

    /// Well-behaved: answers with what it got, keeps connections alive.
    pub fn echo() -> Self {
        Self::steps([Step::ReadHead, Step::ReadBody, Step::Echo])
    }

    /// Well-behaved: this status and body.
    pub fn answer(status: u16, body: &str) -> Self {
        Self::steps([Step::ReadHead, Step::ReadBody, Step::Answer(status, body.as_bytes().to_vec())])
    }

    /// Well-behaved, but thinks for so long before each answer.
    pub fn slow(think: Duration) -> Self {
        Self::steps([Step::ReadHead, Step::ReadBody, Step::Wait(think), Step::Echo])
    }

    /// Reads each request whole and answers when [`Upstream::release`] is called.
    pub fn held() -> Self {
        Self::steps([Step::ReadHead, Step::ReadBody, Step::Hold, Step::Echo])
    }

    /// Accepts and closes (FIN) at once.
    pub fn close_on_accept() -> Self {
        Self { on_accept: vec![Step::Close], on_request: Vec::new() }
    }

    /// Accepts and resets (RST) at once.
    pub fn reset_on_accept() -> Self {
        Self { on_accept: vec![Step::Reset], on_request: Vec::new() }
    }

    /// Reads a request head, then closes (FIN) without an answer.
    pub fn close_after_head() -> Self {
        Self::steps([Step::ReadHead, Step::Linger])
    }

    /// Reads a request head, then resets (RST).
    pub fn reset_after_head() -> Self {
        Self::steps([Step::ReadHead, Step::Reset])
    }

    /// Reads a whole request, then closes (FIN) without an answer.
    pub fn close_after_request() -> Self {
        Self::steps([Step::ReadHead, Step::ReadBody, Step::Close])
    }

    /// Answers half a response head, then closes.
    pub fn partial_head() -> Self {
        Self::writes_and_closes("HTTP/1.1 200 OK\r\nContent-Le")
    }

    /// Answers with something that is not HTTP, then closes.
    pub fn garbage() -> Self {
        Self::writes_and_closes(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 not HTTP \xff\xfe\r\n\r\n")
    }

    /// Promises 100 bytes, sends 5, closes.
    pub fn short_body() -> Self {
        Self::writes_and_closes("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort")
    }

    /// Promises 100 bytes, sends 5, resets.
    pub fn reset_in_body() -> Self {
        Self::steps([
            Step::ReadHead,
            Step::ReadBody,
            Step::Write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort".to_vec()),
            Step::Wait(Duration::from_millis(50)),
            Step::Reset,
        ])
    }

    /// Promises 2 bytes and sends more; the connection stays open.
    pub fn long_body() -> Self {
        Self::writes("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok and more")
    }

    /// Two different lengths for one response.
    pub fn two_lengths() -> Self {
        Self::writes_and_closes("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc")
    }

    /// Begins a chunked body and closes before its last chunk.
    pub fn chunked_without_end() -> Self {
        Self::writes_and_closes("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
    }

    /// A chunked body with a size line that is none.
    pub fn bad_chunk() -> Self {
        Self::writes_and_closes("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n")
    }

    /// A body that ends with the connection (no length, HTTP/1.0 style).
    pub fn until_close(body: &str) -> Self {
        Self::writes_and_closes(format!("HTTP/1.1 200 OK\r\nX-Framing: close\r\n\r\n{body}"))
    }

    /// Reads the request and never answers, as a paused container.
    pub fn silent() -> Self {
        Self::steps([Step::ReadHead, Step::ReadBody, Step::Hang])
    }

    /// Sends a response head with a length and then no body.
    pub fn silent_after_head() -> Self {
        Self::steps([
            Step::ReadHead,
            Step::ReadBody,
            Step::Write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n".to_vec()),
            Step::Hang,
        ])
    }

    /// Answers 413 after the request head, reads no body, closes.
    pub fn early_response() -> Self {
        Self::steps([
            Step::ReadHead,
            Step::Write(
                b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 5\r\nConnection: close\r\n\r\nlarge".to_vec(),
            ),
            Step::Close,
        ])
    }

    /// Answers 200 after the request head, while the body still comes, then reads that and keeps the connection.
    pub fn early_response_then_reads() -> Self {
        Self::steps([
            Step::ReadHead,
            Step::Write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nearly".to_vec()),
            Step::ReadBody,
        ])
    }

    /// Sends `100 Continue` after the head, then reads the body and echoes.
    pub fn continues() -> Self {
        Self::steps([
            Step::ReadHead,
            Step::Write(b"HTTP/1.1 100 Continue\r\n\r\n".to_vec()),
            Step::ReadBody,
            Step::Echo,
        ])
    }

    /// Accepts an upgrade to `token` (101) and echoes every byte from then on.
    pub fn upgrade(token: &str) -> Self {
        let head = format!("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: {token}\r\n\r\n");
        Self::steps([Step::ReadHead, Step::Write(head.into_bytes()), Step::Tunnel])
    }

    /// 101 to a request that asked for no upgrade (or to one that asked for something else): must never become a tunnel.
    pub fn unsolicited_101() -> Self {
        Self::upgrade("websocket")
    }

    /// A correct response followed at once by a second one that nobody asked for.
    pub fn extra_bytes() -> Self {
        Self::writes(
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfirst\
             HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nsmuggled",
        )
    }

    /// A correct response with `Connection: close`, then closes.
    pub fn connection_close() -> Self {
        Self::writes_and_closes("HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\nlast")
    }

    /// A correct keep-alive response, then closes without having said so.
    pub fn closes_idle() -> Self {
        Self::steps([Step::ReadHead, Step::ReadBody, Step::Echo, Step::Close])
    }

    /// A response whose head is larger than `bytes`.
    pub fn huge_head(bytes: usize) -> Self {
        let mut head = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n".to_vec();
        for n in 0..=bytes / 1000 {
            head.extend_from_slice(format!("X-Fill-{n}: {}\r\n", "f".repeat(1000)).as_bytes());
        }
        head.extend_from_slice(b"\r\nok");
        Self::writes(head)
    }
}
