//! The data plane: workers, listeners, exchanges, upstream pool, upgrades, drain.
//!
//! One worker for each core: an OS thread with a current-thread runtime, its own `SO_REUSEPORT` listeners and its own
//! upstream connections. Nothing on the request path takes a lock or touches a reference count that another core
//! touches; what crosses is the routing table, read through a cache.

mod body;
mod client_io;
mod clients;
mod composite;
mod connection;
mod downstream;
mod effects;
mod error;
mod exchange;
mod forward;
pub mod health;
mod hold;
mod http1;
pub mod internal;
mod listener;
mod metrics;
mod passage;
mod proxied;
mod record;
mod response;
mod retry;
mod spread;
mod tunnel;
mod upstream;
mod worker;

pub use internal::{Internal, InternalRequest};
pub use listener::{Bound, ClientTimes, ConnectionRules, EntryPoint, bind};
pub use metrics::Live;
pub use upstream::tls::Connectors;
pub use worker::{Clock, Proxy, ProxyOptions, UnroutedOptions};
