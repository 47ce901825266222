//! Seaway: a reverse proxy and load balancer that configures itself from Docker labels.
//!
//! The program is the composition root and the command line, nothing else: what it composes lives in `crates/`.

mod cli;
mod control;
mod entry_points;
mod internal;
mod limits;
mod logging;
mod metrics;
mod planes;
mod privileges;
mod run;
mod signals;
mod sources;

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let environment: Vec<(String, String)> =
        std::env::vars_os().filter_map(|(n, v)| Some((n.into_string().ok()?, v.into_string().ok()?))).collect();
    cli::dispatch(&arguments, &environment)
}
