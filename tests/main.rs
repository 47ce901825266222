//! Seaway from outside: one binary, a module for each feature.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod architecture;
/// The harness of `make bench`, for the tests beside its parts: a bench target has none.
#[path = "../benches/peers/main.rs"]
#[allow(dead_code, reason = "it is run by its own main function")]
mod bench_peers;
mod docker;
mod metrics;
