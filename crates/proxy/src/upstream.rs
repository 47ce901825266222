//! Connections to servers: made, borrowed, given back.

pub(crate) mod connect;
pub(crate) mod io;
pub(crate) mod pool;
mod tcp_info;
