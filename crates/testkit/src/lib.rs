//! What tests need and the program does not: misbehaving upstreams, a raw client, a fake Docker Engine.
//!
//! Everything listens on a free port of 127.0.0.1 or in a fresh temporary directory, and every wait has a deadline:
//! a test that uses this crate never sleeps and never hangs.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a broken test helper should fail the test at once")]

pub mod engine;
mod http1;
pub mod raw;
pub mod upstream;
