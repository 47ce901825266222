//! HTTP/1.1 messages as bytes: heads parsed and written, bodies cut out of a stream. No sockets here.

pub(crate) mod chunked;
mod date;
mod names;
pub(crate) mod request;
pub(crate) mod respond;
pub(crate) mod response;
pub(crate) mod spares;
