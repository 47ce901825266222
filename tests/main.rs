//! Seaway from outside: one binary, a module for each feature.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod architecture;
mod docker;
