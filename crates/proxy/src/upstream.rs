//! Connections to servers: made, kept, lent.

pub(crate) mod connect;
pub(crate) mod link;
pub(crate) mod pool;
mod tcp_info;
