//! The judged form of a request head.
//!
//! What was parsed is judged here once, before routing: exactly one valid host, a canonical path, a framing that
//! cannot be read in two ways, no client value in a header that Seaway manages. Everything after this (matching,
//! middlewares, forwarding) works on [`RequestHead`] and on nothing else, so there are no two views of one request.
//! Pure: no I/O and no clock.

pub mod forwarded;
pub mod hop;
pub mod host;
mod judge;
pub mod lines;
pub mod names;
pub mod path;
pub mod proxy_protocol;
mod survey;
pub mod upgrade;

use std::net::IpAddr;
use std::sync::Arc;

use http::{HeaderMap, Method, StatusCode, Version};

pub use forwarded::{Forwarding, Trust};
pub use judge::{Judge, Judged, Limits, Refusal, Speaks, Underscores};
pub use lines::{Cookies, Headers};
pub use path::{PathRules, Refused, Target};

/// A request head that has passed every check.
#[derive(Clone, Debug)]
pub struct RequestHead {
    /// The method, a token of at most 64 bytes; never CONNECT or TRACE.
    pub method: Method,
    /// HTTP/1.0 or HTTP/1.1.
    pub version: Version,
    /// The canonical host: lower case, no port, no trailing dot, no IPv6 brackets. Empty for HTTP/1.0 without `Host`.
    pub host: Arc<str>,
    /// The canonical path and the query.
    pub target: Target,
    /// The headers as they will be forwarded, `Host` included.
    pub headers: Headers,
    /// The client's connection is TLS.
    pub secure: bool,
    /// Who sent it: the peer of the connection, with IPv4-mapped IPv6 addresses unwrapped.
    pub peer: IpAddr,
    /// Append the peer to `X-Forwarded-For` when forwarding; the headers middleware clears it by blanking that header.
    pub append_forwarded_for: bool,
}

/// What middlewares see of a response.
#[derive(Debug)]
pub struct ResponseHead<'a> {
    /// The status, which may be changed.
    pub status: &'a mut StatusCode,
    /// The headers, which may be changed.
    pub headers: &'a mut HeaderMap,
}
