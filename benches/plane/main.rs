//! What the control plane costs, and what the data plane feels of it.
//!
//! `cargo bench --bench plane` measures four things and prints each with its goal, if it has one:
//!
//! 1. the processor time of one event in the reconciler, from the snapshot to the table in force and told, at several
//!    numbers of containers: a replica that joins a service, and a service that is new;
//! 2. the time and memory of compiling a configuration of many routers, from nothing and after a change;
//! 3. the program, release build, under a steady load of requests while its table changes many times in a row: the
//!    latencies with changes and without in alternating stretches of the same run, connections that were closed, memory;
//! 4. the program's start with many containers running: until it listens, answers correctly, and answers for every service.
//!
//! After `--`: `--only events|compile|changes|start`, `--events <n>` for each figure of 1 (100), `--routers <n>` for 2 (10000),
//! `--containers <n>` (1000) for 3 and 4, `--changes <n>` (10000) and `--rate <requests/s>` (800) for 3, `--binary <path>` for another
//! build of the program. Results are kept in `benches/runs/`; exit code 1 when a goal is missed.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod changes;
#[path = "../shared/child.rs"]
mod child;
mod compile;
mod events;
#[path = "../shared/kept.rs"]
mod kept;
mod load;
mod program;
mod report;
mod start;

use std::process::ExitCode;

use report::Report;

struct Options {
    only: Option<String>,
    events: usize,
    routers: usize,
    containers: usize,
    changes: usize,
    rate: u32,
    binary: String,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if !arguments.iter().any(|a| a == "--bench") {
        println!("plane: nothing is measured in a test run; see cargo bench --bench plane");
        return ExitCode::SUCCESS;
    }
    let options = match parse(&arguments) {
        Ok(options) => options,
        Err(text) => {
            eprintln!("plane: {text}");
            return ExitCode::from(2);
        }
    };
    tracing_subscriber::fmt().with_max_level(tracing::Level::INFO).with_writer(std::io::sink).init();
    let wanted = |what: &str| options.only.as_ref().is_none_or(|only| only == what);
    let mut report = Report::begin();
    if wanted("events") {
        events::measure(options.events, &mut report);
    }
    if wanted("compile") {
        compile::measure(options.routers, &mut report);
    }
    if wanted("changes") {
        changes::measure(&options, &mut report);
    }
    if wanted("start") {
        start::measure(&options, &mut report);
    }
    report.end()
}

fn parse(arguments: &[String]) -> Result<Options, String> {
    let binary = env!("CARGO_BIN_EXE_seaway").to_owned();
    let (events, routers, containers, changes, rate) = (100, 10_000, 1000, 10_000, 800);
    let mut options = Options { only: None, events, routers, containers, changes, rate, binary };
    let mut rest = arguments.iter().filter(|a| *a != "--bench");
    while let Some(argument) = rest.next() {
        let value = rest.next().ok_or_else(|| format!("{argument} wants a value"))?;
        let number =
            || value.parse::<usize>().ok().filter(|n| *n > 0).ok_or_else(|| format!("{argument} wants a number"));
        match argument.as_str() {
            "--only" if ["events", "compile", "changes", "start"].contains(&value.as_str()) => {
                options.only = Some(value.clone())
            }
            "--events" => options.events = number()?,
            "--routers" => options.routers = number()?,
            "--containers" => options.containers = number()?,
            "--changes" => options.changes = number()?,
            "--rate" => options.rate = u32::try_from(number()?).map_err(|e| e.to_string())?,
            "--binary" => options.binary = value.clone(),
            other => return Err(format!("{other} {value} is unknown; see the top of benches/plane/main.rs")),
        }
    }
    Ok(options)
}
