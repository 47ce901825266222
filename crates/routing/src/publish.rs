//! The one thing that crosses from the control plane to the data plane.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwap;
use tokio::sync::watch;

use crate::RoutingTable;

/// The table in force, and a way to wait for the next change of table or readiness.
///
/// Tables that are no longer in force are kept until nobody else holds them, so that a worker that lets go of one is never
/// the one who frees it: see [`Self::free`].
#[derive(Debug)]
pub struct Published {
    table: Arc<ArcSwap<RoutingTable>>,
    changed: watch::Sender<u64>,
    retired: Mutex<Vec<Arc<RoutingTable>>>,
}

impl Default for Published {
    fn default() -> Self {
        let table = Arc::new(ArcSwap::from_pointee(RoutingTable::default()));
        Self { table, changed: watch::channel(0).0, retired: Mutex::default() }
    }
}

impl Published {
    /// Puts a new table in force and wakes those who wait.
    pub fn publish(&self, table: RoutingTable) {
        let before = self.table.swap(Arc::new(table));
        self.retired().push(before);
        self.wake();
    }

    /// Wakes those who wait: a server became ready without a new table. Gives the number of this change, as
    /// [`Self::subscribe`] tells it.
    pub fn wake(&self) -> u64 {
        let mut number = 0;
        self.changed.send_modify(|n| {
            *n += 1;
            number = *n;
        });
        number
    }

    /// The table in force, for the control plane; workers read through an [`arc_swap::Cache`] made from [`Self::cell`].
    pub fn current(&self) -> Arc<RoutingTable> {
        self.table.load_full()
    }

    /// Frees the tables that nobody but this holds any more, on the calling thread. Returns how many are still held: it is
    /// to be called again as long as there are some.
    pub fn free(&self) -> usize {
        let mut retired = self.retired();
        // Nobody gets at a retired table anew, so a count of one stays one.
        let (free, held) = std::mem::take(&mut *retired).into_iter().partition(|table| Arc::strong_count(table) == 1);
        *retired = held;
        let left = retired.len();
        drop(retired);
        drop::<Vec<_>>(free);
        left
    }

    /// The cell itself.
    pub fn cell(&self) -> Arc<ArcSwap<RoutingTable>> {
        Arc::clone(&self.table)
    }

    /// Resolves at the next change after this call.
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    fn retired(&self) -> MutexGuard<'_, Vec<Arc<RoutingTable>>> {
        self.retired.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_freed_by_who_asks_for_it_and_not_by_who_lets_go_last() {
        let published = Published::default();
        let held = published.current();
        let gone = Arc::downgrade(&held);
        published.publish(RoutingTable::default());
        assert_eq!(published.free(), 1, "a worker holds it");
        drop(held);
        assert!(gone.upgrade().is_some(), "whoever let go of it has not freed it");
        assert_eq!(published.free(), 0);
        assert!(gone.upgrade().is_none());
    }
}
