//! One exchange, as metrics see it.

use std::time::Duration;

use super::headers::HeaderValues;

/// One exchange that has ended.
#[derive(Clone, Copy, Debug, Default)]
pub struct Exchange {
    /// The status that the client was sent; 499 for a client that left before.
    pub status: u16,
    /// The status that the service gave, before middlewares: the server's, or that of Seaway's answer in its place.
    pub service_status: u16,
    /// The method.
    pub verb: Verb,
    /// The protocol.
    pub protocol: Protocol,
    /// From the request's head to the last byte sent.
    pub duration: Duration,
    /// Bytes of the request's body.
    pub request_bytes: u64,
    /// Bytes of the response's body.
    pub response_bytes: u64,
    /// How many times the request was sent; 0 when no server was asked.
    pub attempts: u32,
    /// What became of the client's affinity.
    pub sticky: Sticky,
    /// How long it waited for a server.
    pub held: Duration,
    /// It reached a server, got no whole answer, and could not be repeated.
    pub lost: bool,
    /// Seaway answered in a server's place, for this reason.
    pub own_answer: Option<&'static str>,
    /// The values of the headers that are labels.
    pub headers: HeaderValues,
    /// No router took it, for this reason.
    pub unrouted: Option<&'static str>,
    /// The response did not reach its end, for this reason.
    pub broken: Option<&'static str>,
}

/// A method: one of those that HTTP defines, or any other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Verb {
    /// GET.
    #[default]
    Get,
    /// HEAD.
    Head,
    /// POST.
    Post,
    /// PUT.
    Put,
    /// PATCH.
    Patch,
    /// DELETE.
    Delete,
    /// CONNECT.
    Connect,
    /// OPTIONS.
    Options,
    /// TRACE.
    Trace,
    /// Whatever else a client may think of: one series for all of it, or a client could make as many as it likes.
    Extension,
}

/// What an exchange speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Protocol {
    /// Plain requests and responses.
    #[default]
    Http,
    /// A request for a WebSocket.
    WebSocket,
    /// A request for server-sent events.
    Sse,
    /// gRPC.
    Grpc,
    /// gRPC for browsers.
    GrpcWeb,
}

/// What became of a client's affinity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum Sticky {
    /// The service has none.
    #[default]
    None,
    /// The client had no cookie.
    New,
    /// It went where its cookie says.
    Hit,
    /// Its server has been told to end.
    Draining,
    /// Its server was not ready.
    Down,
    /// Its server does not exist any more.
    Gone,
    /// Its server did not accept the request.
    Refused,
    /// Another container answers at its server's address.
    Replaced,
    /// Its cookie was too old.
    Expired,
    /// Its cookie says nothing that the service ever said.
    Invalid,
}

impl Verb {
    const ALL: [Self; 10] = [
        Self::Get,
        Self::Head,
        Self::Post,
        Self::Put,
        Self::Patch,
        Self::Delete,
        Self::Connect,
        Self::Options,
        Self::Trace,
        Self::Extension,
    ];

    /// As the label says it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
            Self::Connect => "CONNECT",
            Self::Options => "OPTIONS",
            Self::Trace => "TRACE",
            Self::Extension => "EXTENSION_METHOD",
        }
    }
}

impl Protocol {
    const ALL: [Self; 5] = [Self::Http, Self::WebSocket, Self::Sse, Self::Grpc, Self::GrpcWeb];

    /// As the label says it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::WebSocket => "websocket",
            Self::Sse => "sse",
            Self::Grpc => "grpc",
            Self::GrpcWeb => "grpc-web",
        }
    }
}

impl Sticky {
    /// All but `None`, in the order of their counters.
    pub(super) const ALL: [Self; 9] = [
        Self::New,
        Self::Hit,
        Self::Draining,
        Self::Down,
        Self::Gone,
        Self::Refused,
        Self::Replaced,
        Self::Expired,
        Self::Invalid,
    ];

    /// The verdict, and for one that moved its reason.
    pub(super) fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::None => ("none", ""),
            Self::New => ("new", ""),
            Self::Hit => ("hit", ""),
            Self::Draining => ("moved", "draining"),
            Self::Down => ("moved", "down"),
            Self::Gone => ("moved", "gone"),
            Self::Refused => ("moved", "refused"),
            Self::Replaced => ("moved", "replaced"),
            Self::Expired => ("expired", ""),
            Self::Invalid => ("invalid", ""),
        }
    }
}

/// Status, method and protocol in one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Key(u32);

/// The status is only its class: `5xx`.
const CLASS: u32 = 1 << 31;

impl Key {
    #[inline]
    pub(super) fn new(status: u16, verb: Verb, protocol: Protocol) -> Self {
        Self(u32::from(status) << 8 | (verb as u32) << 4 | protocol as u32)
    }

    #[inline]
    fn with_status(self, status: u16) -> Self {
        Self(u32::from(status) << 8 | self.0 & 0xff)
    }

    /// The same with the status' class in place of the status; there are ten of them.
    pub(super) fn class(self) -> Self {
        Self(CLASS | (self.status() / 100).min(9) << 8 | self.0 & 0xff)
    }

    /// `200`, or `5xx` for a class.
    pub(super) fn code(self) -> String {
        match self.0 & CLASS {
            0 => self.status().to_string(),
            _ => format!("{}xx", self.status()),
        }
    }

    pub(super) fn verb(self) -> &'static str {
        Verb::ALL.get(self.0 as usize >> 4 & 0xf).map_or("", |verb| verb.as_str())
    }

    pub(super) fn protocol(self) -> &'static str {
        Protocol::ALL.get(self.0 as usize & 0xf).map_or("", |protocol| protocol.as_str())
    }

    fn status(self) -> u32 {
        (self.0 & !CLASS) >> 8
    }
}

/// What all subjects of one exchange have in common, worked out once.
#[derive(Clone, Copy, Debug)]
pub(super) struct Measured {
    pub(super) key: Key,
    pub(super) nanoseconds: u64,
    pub(super) request_bytes: u64,
    pub(super) response_bytes: u64,
    /// The number of its bucket.
    pub(super) bucket: usize,
}

impl Measured {
    #[inline]
    pub(super) fn new(exchange: &Exchange, bounds: &[u64]) -> Self {
        let nanoseconds = nanoseconds(exchange.duration);
        Self {
            key: Key::new(exchange.status, exchange.verb, exchange.protocol),
            nanoseconds,
            request_bytes: exchange.request_bytes,
            response_bytes: exchange.response_bytes,
            bucket: bounds.iter().position(|bound| nanoseconds <= *bound).unwrap_or(bounds.len()),
        }
    }

    /// The same with another status.
    #[inline]
    pub(super) fn with_status(self, status: u16) -> Self {
        Self { key: self.key.with_status(status), ..self }
    }
}

/// A duration in nanoseconds; what does not fit is the longest that does.
#[inline]
pub(super) fn nanoseconds(duration: Duration) -> u64 {
    duration.as_secs().saturating_mul(1_000_000_000).saturating_add(u64::from(duration.subsec_nanos()))
}
