//! How fast Seaway reacts to what an engine says: from an event to a server that is no longer picked, from a port that
//! accepts to a server that takes requests.
//!
//! `cargo bench --bench reaction` (or `make bench-reaction`) wires watcher, reconciler, prober and table as the program
//! does and follows a fake engine with 100 and with 1,000 containers, then a real Docker Engine where one answers, with
//! containers of its own. It prints percentiles, keeps every sample in `benches/runs/`, and ends with exit code 1 when a
//! goal is missed. After `--`: `--fake-only`, `--docker-only`, `--samples <n>`, `--containers <n>`.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod docker;
mod fake;
mod observe;
mod plane;
mod report;

use std::process::ExitCode;

use report::Report;

/// The goal of every judged figure, at [`GOAL_CONTAINERS`] containers.
const GOAL_MILLIS: f64 = 20.0;
const GOAL_CONTAINERS: usize = 100;

struct Options {
    fake: bool,
    docker: bool,
    samples: Option<usize>,
    containers: Option<usize>,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if !arguments.iter().any(|a| a == "--bench") {
        println!("reaction: nothing is measured in a test run; see cargo bench --bench reaction");
        return ExitCode::SUCCESS;
    }
    let options = match parse(&arguments) {
        Ok(options) => options,
        Err(text) => {
            eprintln!("reaction: {text}");
            return ExitCode::from(2);
        }
    };
    log();
    let mut report = Report::begin();
    if options.fake {
        for containers in options.containers.map_or_else(|| vec![GOAL_CONTAINERS, 1000], |n| vec![n]) {
            report.add(fake::measure(containers, options.samples.unwrap_or(300)));
        }
    }
    if options.docker {
        match docker::measure(options.containers.unwrap_or(GOAL_CONTAINERS), options.samples.unwrap_or(100)) {
            Ok(run) => report.add(run),
            Err(why) => println!("\nReal Docker Engine: not measured: {why}"),
        }
    }
    report.end()
}

fn parse(arguments: &[String]) -> Result<Options, String> {
    let mut options = Options { fake: true, docker: true, samples: None, containers: None };
    let mut rest = arguments.iter().filter(|a| *a != "--bench");
    while let Some(argument) = rest.next() {
        let mut number = || {
            let number = rest.next().and_then(|n| n.parse::<usize>().ok()).filter(|n| *n > 0);
            number.map(Some).ok_or_else(|| format!("{argument} wants a number"))
        };
        match argument.as_str() {
            "--fake-only" => options.docker = false,
            "--docker-only" => options.fake = false,
            "--samples" => options.samples = number()?,
            "--containers" => options.containers = number()?,
            other => return Err(format!("{other} is unknown; see the top of benches/reaction/main.rs")),
        }
    }
    Ok(options)
}

/// Log lines are made as in the program, so that they cost what they cost there, and go nowhere, or with
/// `SEAWAY_BENCH_LOG` to the standard error output.
fn log() {
    let builder = tracing_subscriber::fmt().with_max_level(tracing::Level::INFO);
    match std::env::var_os("SEAWAY_BENCH_LOG") {
        Some(_) => builder.with_writer(std::io::stderr).init(),
        None => builder.with_writer(std::io::sink).init(),
    }
}
