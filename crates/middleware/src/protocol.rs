//! What hooks are told, and what they answer.
//!
//! A hook decides; it does nothing. What has to be done outside is a value ([`Need`], [`Back`]) that `proxy` acts upon,
//! and then resumes the hook.

use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use bytes::Bytes;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use seaway_config::{Name, Secret};
use seaway_head::RequestHead;

pub use crate::tls::{Connector, Tls};

/// What a hook is told besides the head, and where it leaves what is not for the head.
///
/// The peer's address and whether its connection is TLS are in the head; the list of addresses in `X-Forwarded-For` has
/// no peer appended yet.
#[derive(Debug)]
pub struct Context<'a> {
    /// A monotonic clock with an arbitrary start: when the head had been read, or when the last wait was over.
    pub now: Duration,
    /// What the client asked for, before any middleware changed it.
    pub asked: Asked<'a>,
    /// The certificates that the client showed, its own first, in DER. None without TLS.
    pub certificates: &'a [Vec<u8>],
    /// What this middleware keeps of this exchange, from hook to hook.
    pub memory: &'a mut Memory,
    /// Who the client turned out to be, for the access log.
    pub user: &'a mut Option<Box<str>>,
    /// So many bytes of the request's body are remembered, so that it can be sent once more. A hook may raise it before
    /// anything of the body was read.
    pub remember: &'a mut u64,
}

/// What the client asked for, before any middleware changed it.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The method.
    pub method: &'a Method,
    /// Path and query as they came.
    pub target: Option<&'a PathAndQuery>,
    /// The `Host` header as it came.
    pub host: Option<&'a HeaderValue>,
    /// The body that follows the head.
    pub body: Length,
    /// An upgrade may be granted, to a WebSocket for example.
    pub upgrade: bool,
}

/// How long a body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// There is none.
    None,
    /// So many bytes.
    Known(u64),
    /// Nobody knows yet.
    Unknown,
}

/// What one middleware keeps of one exchange between its hooks. Dropped with the exchange, however that ends.
#[derive(Default)]
pub enum Memory {
    /// Nothing: most of them.
    #[default]
    Nothing,
    /// A number, or some flags.
    Number(u64),
    /// Whatever it may be.
    Any(Box<dyn Any>),
}

impl Memory {
    /// Keeps a value in place of what was kept before.
    pub fn put<T: Any>(&mut self, value: T) {
        *self = Self::Any(Box::new(value));
    }

    /// The value, if it is one of this type.
    pub fn get<T: Any>(&mut self) -> Option<&mut T> {
        match self {
            Self::Any(value) => value.downcast_mut(),
            _ => None,
        }
    }

    /// Takes the value out, if it is one of this type.
    pub fn take<T: Any>(&mut self) -> Option<T> {
        match std::mem::take(self) {
            Self::Any(value) => match value.downcast() {
                Ok(value) => Some(*value),
                Err(other) => {
                    *self = Self::Any(other);
                    None
                }
            },
            other => {
                *self = other;
                None
            }
        }
    }

    /// The number that is kept.
    pub fn number(&self) -> Option<u64> {
        match self {
            Self::Number(number) => Some(*number),
            _ => None,
        }
    }

    /// Nothing is kept.
    pub fn is_empty(&self) -> bool {
        matches!(self, Self::Nothing)
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("Nothing"),
            Self::Number(number) => write!(f, "Number({number})"),
            Self::Any(_) => f.write_str("Any"),
        }
    }
}

/// What a request hook decided.
#[derive(Debug)]
pub enum Flow {
    /// Go on with the next middleware.
    Next,
    /// Answer now; nothing behind this middleware sees the request.
    Answer(Box<Answer>),
    /// Something has to be done first; the hook is resumed with what came of it.
    Need(Box<Need>),
}

impl Flow {
    /// Answers.
    pub fn answer(answer: Answer) -> Self {
        Self::Answer(Box::new(answer))
    }

    /// Has something done first.
    pub fn need(need: Need) -> Self {
        Self::Need(Box::new(need))
    }
}

/// An answer that a middleware gives in place of the service.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers; framing is added by `proxy`.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    /// For the log: `redirectScheme`, `stripPrefix: the rest of the path is not canonical`.
    pub reason: &'static str,
}

impl Answer {
    /// An answer without headers and body.
    pub fn empty(status: StatusCode, reason: &'static str) -> Self {
        Self { status, headers: HeaderMap::new(), body: Bytes::new(), reason }
    }

    /// An answer without headers whose body is the status's own text.
    pub fn bare(status: StatusCode, reason: &'static str) -> Self {
        let text = status.canonical_reason().unwrap_or_default();
        Self { body: Bytes::from_static(text.as_bytes()), ..Self::empty(status, reason) }
    }

    /// An answer in plain text whose body is the status's own text.
    pub fn text(status: StatusCode, reason: &'static str) -> Self {
        let mut answer = Self::bare(status, reason);
        answer.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        answer
    }
}

/// What has to be done before a request hook can decide. What cannot be done at all (too many wait already, the client
/// leaves, its body breaks off) is answered without the hook.
#[derive(Debug)]
pub enum Need {
    /// Time must pass: [`Got::Waited`].
    Wait(Duration),
    /// Slow work is to be done, on a thread that serves nobody: [`Got::Checked`].
    Check(Check),
    /// Another server is to be asked: [`Got::Asked`].
    Ask(Box<Ask>),
    /// A token of a bucket that several Seaways share: [`Got::Shared`].
    Shared(Box<SharedBucket>),
    /// The request's body is to be read to its end before anything is sent: [`Got::Body`]. What was read is sent behind
    /// the head afterwards all the same.
    Body {
        /// Most bytes; a longer body gives [`TooLong`].
        limit: u64,
    },
}

/// What came of a [`Need`].
#[derive(Debug)]
pub enum Got {
    /// The time is over.
    Waited,
    /// What the work came to.
    Checked(Verdict),
    /// What the other server said, or why there is no answer.
    Asked(Result<Box<Heard>, Unheard>),
    /// What became of the token; `None` if the bucket could not be reached.
    Shared(Option<SharedToken>),
    /// The whole body; empty if there is none.
    Body(Result<Bytes, TooLong>),
}

/// The request's body is longer than it may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong;

/// Slow work: a password's hash, for example.
pub struct Check(pub Box<dyn FnOnce() -> Verdict + Send>);

impl fmt::Debug for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Check")
    }
}

/// What slow work came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Yes or no.
    pub granted: bool,
    /// Who it is, if that is known by now.
    pub user: Option<Box<str>>,
}

/// A request of our own.
#[derive(Debug)]
pub struct Ask {
    /// Whom.
    pub server: Arc<AskServer>,
    /// The method.
    pub method: Method,
    /// Path and query, as they are sent.
    pub target: Box<str>,
    /// The headers without `Host` and framing, which `proxy` writes.
    pub headers: HeaderMap,
    /// The body; `None` for none.
    pub body: Option<Bytes>,
    /// From now to the end of the answer.
    pub timeout: Duration,
    /// Most bytes of the answer's body.
    pub most: u64,
}

/// A server that is asked by a middleware.
#[derive(Debug)]
pub struct AskServer {
    /// Over TLS, and how.
    pub tls: Option<Tls>,
    /// Its name or address; an IPv6 address without brackets.
    pub host: Box<str>,
    /// The port.
    pub port: u16,
    /// `Host`, as it is sent.
    pub authority: HeaderValue,
}

/// A bucket that several Seaways share, and how its tokens come. Times are in microseconds.
#[derive(Debug)]
pub struct SharedBucket {
    /// Who keeps it.
    pub server: Arc<SharedServer>,
    /// Its name there.
    pub key: Box<str>,
    /// From one token to the next.
    pub token: f64,
    /// A full bucket's worth.
    pub burst: f64,
    /// Longest that a request waits.
    pub max_wait: f64,
    /// For so long the bucket is remembered.
    pub keep: Duration,
}

/// What became of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SharedToken {
    /// It is there, or comes in so long.
    In(Duration),
    /// Nothing was taken; one would have come in so long.
    Late(Duration),
}

/// A Redis server that keeps buckets.
#[derive(Debug)]
pub struct SharedServer {
    /// Its name or address; an IPv6 address without brackets.
    pub host: Box<str>,
    /// The port.
    pub port: u16,
    /// Over TLS, and how.
    pub tls: Option<Tls>,
    /// The user's name; empty for none.
    pub username: Box<str>,
    /// The password; empty for none.
    pub password: Secret,
    /// The number of the database.
    pub db: i64,
    /// Time to connect.
    pub dial_timeout: Duration,
    /// Time for an answer.
    pub timeout: Duration,
    /// It could not be reached when somebody tried last: told once, and not by each worker.
    pub is_down: AtomicBool,
}

/// What another server said.
#[derive(Clone, Debug)]
pub struct Heard {
    /// The status.
    pub status: StatusCode,
    /// The headers, those of the connection alone removed.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
}

/// Why another server said nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unheard {
    /// It could not be reached, or what it said is no response.
    Failed,
    /// It took too long.
    Late,
    /// Its answer is larger than it may be.
    TooLong,
}

/// What a response hook is told of the response besides its head.
#[derive(Clone, Copy, Debug)]
pub struct Came {
    /// From where.
    pub from: CameFrom,
    /// Its body.
    pub body: Length,
    /// Nothing of the body is sent: to HEAD, and with 204 and 304.
    pub head_only: bool,
    /// The request's body can be sent once more from its beginning.
    pub repeatable: bool,
}

/// From where a response comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CameFrom {
    /// A server.
    Server,
    /// A server, which grants an upgrade: status and framing are settled.
    Upgrade,
    /// A middleware, or Seaway itself.
    Seaway,
    /// Seaway, because no server's response came.
    Failure {
        /// A server may have had something of the request.
        sent: bool,
    },
}

/// What a response hook decided.
#[derive(Debug)]
pub enum Back {
    /// Go on outwards.
    Next,
    /// Answer this in place of the response, which is dropped.
    Answer(Box<Answer>),
    /// Drop the response, and send the request once more, from this middleware inwards.
    Again(Box<Again>),
    /// Drop the response, and show a page in its place.
    Page(Box<Page>),
    /// Read the beginning of the body first, and give it to
    /// [`Middleware::on_beginning`](crate::Middleware::on_beginning). Only for the response of a server.
    Peek,
    /// Change the body as it goes out. The hook has changed the head to fit.
    Transform(Box<dyn Transform>),
    /// Read the response's whole body first. If it is longer than so many bytes, answer this in place of it.
    Hold(u64, Box<Answer>),
}

/// Another try.
#[derive(Debug)]
pub struct Again {
    /// The request as it came to this middleware.
    pub head: RequestHead,
    /// Wait so long first.
    pub pause: Duration,
}

/// A page of a service.
#[derive(Debug)]
pub struct Page {
    /// The service.
    pub service: Arc<Name>,
    /// What it is asked for.
    pub head: RequestHead,
    /// The status that its page gets.
    pub status: StatusCode,
}

/// Changes a body piece by piece.
pub trait Transform {
    /// Takes a piece; what is ready is appended to `out`.
    fn piece(&mut self, piece: &[u8], out: &mut Vec<u8>) -> Result<(), Broken>;
    /// Nothing more is there for the moment: everything that was taken has to be in `out`.
    fn flush(&mut self, out: &mut Vec<u8>) -> Result<(), Broken>;
    /// The body has ended. Gives the trailers that are sent behind what it appends.
    fn end(&mut self, trailers: Option<HeaderMap>, out: &mut Vec<u8>) -> Result<Option<HeaderMap>, Broken>;
}

impl fmt::Debug for dyn Transform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Transform")
    }
}

/// A body cannot be changed any further; what the client has of it is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Broken;

/// How an exchange ended that a middleware had let pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The clock of [`Context::now`].
    pub now: Duration,
    /// From the request's head, or from the try, to the end of the response.
    pub took: Duration,
    /// What the client was answered, or would have been; `None` if nothing came.
    pub status: Option<StatusCode>,
    /// The client left before the end.
    pub cancelled: bool,
    /// It ended as a tunnel: the time says nothing of the server.
    pub tunnel: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Desk;

    #[test]
    fn memory_gives_back_what_it_was_given_and_nothing_else() {
        let mut desk = Desk::default();
        let cx = desk.cx();
        assert!(cx.memory.is_empty());
        cx.memory.put("text".to_owned());
        assert_eq!(cx.memory.get::<u8>(), None);
        assert_eq!(cx.memory.take::<u8>(), None);
        assert_eq!(cx.memory.number(), None);
        assert_eq!(cx.memory.take::<String>().as_deref(), Some("text"));
        assert!(cx.memory.is_empty());
        *cx.memory = Memory::Number(7);
        assert_eq!((cx.memory.take::<String>(), cx.memory.number()), (None, Some(7)));
    }
}
