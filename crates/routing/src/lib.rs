//! Configuration into a routing table: matcher, host index, balancers, affinity, state.
//!
//! No I/O happens here. Clock readings come in as [`Millis`], so everything about balancing, affinity, draining and
//! readiness is tested with a virtual clock.

pub mod balancer;
pub mod check;
pub mod compile;
pub mod composite;
pub mod cover;
pub mod explain;
pub mod index;
pub mod matcher;
pub mod publish;
pub mod state;
pub mod sticky;
pub mod table;
#[cfg(test)]
mod testing;
pub mod transport;

pub use balancer::{NoServer, Pick, Picked, Tried, Want};
pub use compile::{CompileOptions, EntryPointInfo, EntryPointModel, compile};
pub use publish::Published;
pub use state::{Phase, ServerState, ServiceState, StateRegistry};
pub use sticky::{Moved, StickyCookie, Verdict};
pub use table::{EntryPointTable, EntryPoints, Route, RouteTarget, RoutingTable, Server, Service};

/// The host of an authority, an IPv6 address without its brackets.
pub fn without_port(authority: &str) -> &str {
    match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _)) => address,
        None => authority.rsplit_once(':').map_or(authority, |(host, _)| host),
    }
}

/// Milliseconds of a monotonic clock with an arbitrary start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Millis(
    /// The reading.
    pub u64,
);

impl Millis {
    /// Time since `earlier`, zero if that is in the future.
    pub fn since(self, earlier: Self) -> std::time::Duration {
        std::time::Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}
