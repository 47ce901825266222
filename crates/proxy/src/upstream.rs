//! Connections to servers: made, kept, lent.

pub(crate) mod connect;
pub(crate) mod link;
pub(crate) mod pool;
pub(crate) mod stream;
mod tcp_info;
pub(crate) mod tls;
