//! HTTP/1.1 messages as bytes: heads parsed and written, bodies cut out of a stream. No sockets here.

pub(crate) mod chunked;
mod names;
pub(crate) mod response;
pub(crate) mod spares;
