//! How fast Seaway reacts to what an engine says: from an event to a server that is no longer picked, from a port that
//! accepts to a server that takes requests.
//!
//! `cargo bench --bench reaction` (or `make bench-reaction`) wires watcher, reconciler, prober and table as the program
//! does and follows a fake engine with 10, 100, 1,000 and 5,000 containers, then a real Docker Engine where one answers,
//! with containers of its own. It prints percentiles, keeps every sample in `benches/runs/`, and ends with exit code 1 when
//! a goal is missed. After `--`: `--fake-only`, `--docker-only`, `--samples <n>`, `--containers <n>` (once for each number),
//! `--replicas <n>` of each service (5; with 1 there are as many services as containers).

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod docker;
mod fake;
#[path = "../shared/kept.rs"]
mod kept;
mod observe;
mod plane;
mod report;

use std::process::ExitCode;

use report::Report;

/// The goals of judged figures: up to so many containers, so many milliseconds.
const GOALS: [(usize, f64); 2] = [(1000, 10.0), (5000, 50.0)];
const SIZES: [usize; 4] = [10, 100, 1000, 5000];

struct Options {
    fake: bool,
    docker: bool,
    samples: Option<usize>,
    containers: Vec<usize>,
    replicas: usize,
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
        let sizes = if options.containers.is_empty() { SIZES.to_vec() } else { options.containers.clone() };
        let samples = options.samples.unwrap_or(200);
        println!("The fake engine takes about {} s.", sizes.len() * samples / 2 + sizes.iter().sum::<usize>() / 300);
        for containers in sizes {
            report.add(fake::measure(containers, options.replicas, samples));
        }
    }
    if options.docker {
        match docker::measure(options.containers.first().copied().unwrap_or(100), options.samples.unwrap_or(100)) {
            Ok(run) => report.add(run),
            Err(why) => println!("\nReal Docker Engine: not measured: {why}"),
        }
    }
    report.end()
}

fn parse(arguments: &[String]) -> Result<Options, String> {
    let mut options = Options { fake: true, docker: true, samples: None, containers: Vec::new(), replicas: 5 };
    let mut rest = arguments.iter().filter(|a| *a != "--bench");
    while let Some(argument) = rest.next() {
        let mut number = || {
            let number = rest.next().and_then(|n| n.parse::<usize>().ok()).filter(|n| *n > 0);
            number.ok_or_else(|| format!("{argument} wants a number"))
        };
        match argument.as_str() {
            "--fake-only" => options.docker = false,
            "--docker-only" => options.fake = false,
            "--samples" => options.samples = Some(number()?),
            "--containers" => options.containers.push(number()?),
            "--replicas" => options.replicas = number()?,
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
