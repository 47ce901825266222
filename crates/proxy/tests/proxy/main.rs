//! The data plane as a whole: a real proxy on a free port, upstreams that misbehave on demand, a client that sends what
//! it is told to send.
//!
//! Every test ends with [`harness::World::finish`], which drains the proxy and checks what must hold after anything: no
//! request is left in flight, and the access log has one line for each.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod harness;

mod around;
mod auth;
mod bodies;
mod checks;
mod composite;
mod drain;
mod duplex;
mod entry_points;
mod errors;
mod headers;
mod heads;
mod hold;
mod keepalive;
mod limits;
mod metrics;
mod middlewares;
mod readiness;
mod responses;
mod rest;
mod retry;
mod shared;
mod spread;
mod sticky;
mod tls;
mod told;
mod upgrade;
