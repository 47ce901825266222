//! Providers and the reconciler: what runs, turned into a published routing table.
//!
//! A provider sends [`Update`]s; the reconciler merges them, compiles a table and publishes it.

mod declare;
pub mod docker;
pub mod file;
pub mod http;
pub mod memory;
pub mod merge;
pub mod reconcile;
pub mod snapshot;
pub mod story;
#[cfg(test)]
mod testing;
pub mod tombstone;

pub use reconcile::{Clock, Handle, Reconciler, ReconcilerOptions, Source, Stale, Status};
pub use snapshot::{Declarations, EngineTime, Snapshot, Update, UpdateReceiver, UpdateSender, updates};
