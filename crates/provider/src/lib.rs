//! Providers and the reconciler: what runs, turned into a published routing table.
