//! What a provider sends to the reconciler.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use seaway_config::model::ServersTransport;
use seaway_config::{Declared, Middleware, Router, Service};
use seaway_routing::state::Notice;
use tokio::sync::mpsc;

use crate::docker::Container;
use crate::merge::Found;
use crate::reconcile::Stale;

/// The whole state of an engine, sorted by container id. A container that did not change since the last snapshot should
/// be the same `Arc`, so that its labels are not read again.
pub type Snapshot = Arc<Vec<Arc<Container>>>;

/// A point in time on the engine's clock, in nanoseconds since 1970. Never compared with our own clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EngineTime(
    /// Nanoseconds since 1970, by the engine's clock.
    pub u64,
);

/// One message from a provider to the reconciler. Order matters: a snapshot sent after a notice must have been seen by
/// the engine after that notice.
#[derive(Clone, Debug, PartialEq)]
pub enum Update {
    /// Everything that runs (and what does not, where the provider was asked to keep it).
    Snapshot(Snapshot),
    /// An event that changes a container's readiness at once, before any list or inspect.
    Notice {
        /// The container's full id.
        container: String,
        /// What happened.
        notice: Notice,
        /// When, by the engine's clock.
        at: EngineTime,
    },
    /// A container lost one of its networks.
    Disconnected {
        /// The container's full id.
        container: String,
        /// The network's id.
        network_id: String,
    },
    /// Something about this container is being asked and will be in a snapshot; only its time counts.
    Heard {
        /// The container's full id.
        container: String,
    },
    /// The engine cannot be reached: what is served goes on being served.
    Stale {
        /// Since when.
        since: SystemTime,
        /// Why, for people.
        reason: String,
    },
    /// The engine can be reached again, and the last snapshot is in force.
    Fresh,
    /// Everything that a provider without containers declares: files, or what is polled.
    Declared {
        /// The provider's name, the part after the `@`.
        provider: Box<str>,
        /// What it declares.
        declarations: Arc<Declarations>,
    },
}

/// What a provider without containers declares, whole, by local names. It needs no merging: one place says it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Declarations {
    /// Routers.
    pub routers: BTreeMap<String, Declared<Router>>,
    /// Services with their servers.
    pub services: BTreeMap<String, Declared<Service>>,
    /// Middlewares.
    pub middlewares: BTreeMap<String, Declared<Middleware>>,
    /// Servers transports.
    pub servers_transports: BTreeMap<String, Declared<ServersTransport>>,
    /// What was found wrong, and whose it is.
    pub diagnostics: Vec<Found>,
    /// Set while what is declared may be out of date.
    pub stale: Option<Stale>,
}

/// The providers' end of the channel to the reconciler. Unbounded, because the reconciler empties it before it does
/// anything slow, and keeps only the newest snapshot.
pub type UpdateSender = mpsc::UnboundedSender<Update>;

/// The reconciler's end.
pub type UpdateReceiver = mpsc::UnboundedReceiver<Update>;

/// A channel for updates.
pub fn updates() -> (UpdateSender, UpdateReceiver) {
    mpsc::unbounded_channel()
}
