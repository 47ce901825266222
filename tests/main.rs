//! Seaway from outside: one binary, a module for each feature.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod access;
mod api;
mod architecture;
mod around;
/// The harness of `make bench`, for the tests beside its parts: a bench target runs none.
#[path = "../benches/peers/main.rs"]
mod bench_peers;
mod check;
mod conformance;
mod docker;
mod docs;
mod files;
mod metrics;
mod program;
mod services;
mod statics;
