//! The demo application, which is the test application too: small pages that show which replica answered, a login that
//! lives in one replica's memory, an animals API, and the awkward ends that a proxy has to carry (slow answers, server-sent
//! events, WebSockets, big bodies, orders that must arrive once).
//!
//! [`serve`] is the whole of it: a listener, [`Options`], and a future that says when to stop. Several can run in one process.

mod body;
mod connection;
mod options;
mod page;
mod query;
mod reply;
mod routes;
mod state;
mod websocket;

pub use connection::serve;
pub use options::{Gate, Index, InvalidOption, Options, StopMode};
