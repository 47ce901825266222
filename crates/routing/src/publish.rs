//! The one thing that crosses from the control plane to the data plane.

use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::sync::watch;

use crate::RoutingTable;

/// The table in force, and a way to wait for the next change of table or readiness.
#[derive(Debug)]
pub struct Published {
    table: Arc<ArcSwap<RoutingTable>>,
    changed: watch::Sender<u64>,
}

impl Default for Published {
    fn default() -> Self {
        Self { table: Arc::new(ArcSwap::from_pointee(RoutingTable::default())), changed: watch::channel(0).0 }
    }
}

impl Published {
    /// Puts a new table in force and wakes those who wait.
    pub fn publish(&self, table: RoutingTable) {
        self.table.store(Arc::new(table));
        self.wake();
    }

    /// Wakes those who wait: a server became ready without a new table.
    pub fn wake(&self) {
        self.changed.send_modify(|n| *n += 1);
    }

    /// The table in force, for the control plane; workers read through an [`arc_swap::Cache`] made from [`Self::cell`].
    pub fn current(&self) -> Arc<RoutingTable> {
        self.table.load_full()
    }

    /// The cell itself.
    pub fn cell(&self) -> Arc<ArcSwap<RoutingTable>> {
        Arc::clone(&self.table)
    }

    /// Resolves at the next change after this call.
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }
}
