//! How much memory Seaway takes: at rest, for each idle client connection, and after many requests.
//!
//! `cargo bench --bench memory` starts the program with a fake engine that tells of one container, opens idle keep-alive
//! connections that have each done one request, closes them, and sends many requests over a few connections of another
//! one; what the kernel says of the process is printed, kept in `benches/runs/`, and compared with the goals: exit code 1
//! when one is missed.
//! After `--`: `--connections <n>` (5000), `--requests <n>` (1000000), `--workers <n>` (one for each core), `--binary
//! <path>` for another build of the program, and `--flag <option>` for one more option of the program.
#![allow(clippy::unwrap_used, clippy::expect_used)]
#![allow(clippy::disallowed_methods, reason = "one thread that does nothing but wait and look")]

#[path = "../shared/child.rs"]
mod child;
#[expect(dead_code, reason = "shared with benches that also say how busy the machine is")]
#[path = "../shared/kept.rs"]
mod kept;
mod load;
mod program;
mod report;

use std::process::ExitCode;
use std::time::Duration;

use program::{Memory, Program};
use report::{Report, Step};

/// At most so much at rest.
const GOAL_REST: u64 = 12_000_000;
/// At most so much for each idle connection.
const GOAL_CONNECTION: u64 = 20_000;
/// How far memory may be from where it was when the requests began, in percent.
const GOAL_FLAT: f64 = 2.0;
/// Connections that the many requests are sent over.
const BUSY: usize = 64;
/// In so many parts, with a look at the memory after each.
const PARTS: u64 = 10;

struct Options {
    connections: usize,
    requests: u64,
    workers: Option<usize>,
    binary: String,
    flags: Vec<String>,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if !arguments.iter().any(|a| a == "--bench") {
        println!("memory: nothing is measured in a test run; see cargo bench --bench memory");
        return ExitCode::SUCCESS;
    }
    match parse(&arguments) {
        Ok(options) => measure(&options),
        Err(text) => {
            eprintln!("memory: {text}");
            ExitCode::from(2)
        }
    }
}

fn parse(arguments: &[String]) -> Result<Options, String> {
    let binary = env!("CARGO_BIN_EXE_seaway").to_owned();
    let mut options = Options { connections: 5000, requests: 1_000_000, workers: None, binary, flags: Vec::new() };
    let mut rest = arguments.iter().filter(|a| *a != "--bench");
    while let Some(argument) = rest.next() {
        let value = rest.next().ok_or_else(|| format!("{argument} wants a value"));
        let number = |text: &String| text.parse::<u64>().map_err(|_| format!("{argument} wants a number"));
        let count = |n: u64| usize::try_from(n).map_err(|_| format!("{argument} is too much"));
        match argument.as_str() {
            "--connections" => options.connections = count(number(value?)?)?.max(1),
            "--requests" => options.requests = number(value?)?,
            "--workers" => options.workers = Some(count(number(value?)?)?),
            "--binary" => options.binary = value?.clone(),
            "--flag" => options.flags.push(value?.clone()),
            other => return Err(format!("{other} is unknown; see the top of benches/memory/main.rs")),
        }
    }
    Ok(options)
}

fn measure(options: &Options) -> ExitCode {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    let upstream = runtime.block_on(load::upstream());
    let program = runtime.block_on(Program::start(options, upstream));
    let mut report = Report::begin(options);

    // 1 at rest: configured, ready, and nobody has come yet
    std::thread::sleep(Duration::from_secs(1));
    let rest = program.memory();
    report.add(Step::new("at rest", rest).judged(rest.total, GOAL_REST));

    // 2 many that have done one request and keep their connection
    let mut idle = load::connect(program.address(), options.connections);
    // Whatever is put off a little is done by then.
    std::thread::sleep(Duration::from_secs(2));
    let crowded = program.memory();
    let count = u64::try_from(idle.len()).expect("a small number");
    let each = crowded.total.saturating_sub(rest.total) / count.max(1);
    report.add(Step::new(&format!("with {count} idle connections"), crowded));
    report.add(Step::new("for each idle connection", Memory { total: each, own: 0 }).judged(each, GOAL_CONNECTION));
    // They have been kept: few at a time, so that the server is asked by no crowd.
    let lost: usize = idle.chunks_mut(BUSY).map(load::ask).sum();
    drop(idle);
    assert_eq!(lost, 0, "an idle connection was closed");
    std::thread::sleep(Duration::from_secs(2));
    report.add(Step::new("after they have closed", program.memory()));

    let ended_well = program.stop();

    // 3 many requests over a few connections of a program that has seen no crowd
    if options.requests == 0 {
        return report.end(ended_well);
    }
    let program = runtime.block_on(Program::start(options, upstream));
    let part = (options.requests / PARTS).max(1);
    let mut busy = load::connect(program.address(), BUSY);
    load::run(&mut busy, part);
    let (before, spent) = (program.memory(), program.processor_time());
    report.add(Step::new(&format!("after {part} requests"), before));
    let mut last = before;
    for _ in 1..PARTS {
        load::run(&mut busy, part);
        last = program.memory();
        report.part(last);
    }
    report.add(Step::new(&format!("after {} requests", part * PARTS), last).flat(before.total, GOAL_FLAT));
    report.processor(program.processor_time().saturating_sub(spent), part * (PARTS - 1));
    report.end(program.stop() && ended_well)
}
