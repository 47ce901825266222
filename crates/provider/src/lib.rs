//! Providers and the reconciler: what runs, turned into a published routing table.
//!
//! A provider sends [`Update`]s; the reconciler merges them, compiles a table and publishes it.

pub mod docker;
pub mod memory;
pub mod merge;
pub mod reconcile;
pub mod snapshot;
pub mod story;
#[cfg(test)]
mod testing;
pub mod tombstone;

pub use reconcile::{Clock, Handle, Reconciler, ReconcilerOptions, Status};
pub use snapshot::{EngineTime, Snapshot, Update, UpdateReceiver, UpdateSender, updates};
