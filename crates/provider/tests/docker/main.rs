//! The Docker watcher against a fake engine that fails in every known way, and against a real one where there is one.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod calls;
mod events;
mod harness;
mod outages;
mod real;
mod scale;
mod tls;
