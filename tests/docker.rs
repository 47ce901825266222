//! Seaway on a real Docker Engine: containers that compose starts, scales and takes away, requests that count.
//!
//! Runs where `SEAWAY_DOCKER_TESTS=1` (`make test` sets it, and builds the images); elsewhere each test says on a line of
//! its own that it was skipped. Everything a test starts is named after it and removed when it ends, however it ends.

mod browser;
mod cli;
mod engine;
mod events;
mod follow;
mod stack;

mod accounting;
mod load;
mod log;

mod balancing;
mod examples;
mod faults;
mod leaving;
mod own;
mod pages;
mod readiness;
mod scaling;
