//! How many instructions each stage of a request takes: judging its head, finding its route, picking a server, rewriting
//! headers, writing its log line. Counts are the same on a busy machine and on an idle one, so a rise is the code's.
//!
//! `make bench-check` (`scripts/bench-check`) builds this and runs it. Each stage runs under callgrind in a process of
//! its own, counted between entering and leaving one function, and is compared with `baseline.txt`; a rise of more than
//! 3 % is a failure. The code, the compiler, the C library and the processor all decide about a count: where the last
//! three are not those of the baseline, that is said and the limit is 15 %.
//!
//! ```text
//! seaway-stages [check] [--bless] [--baseline FILE] [STAGE…]   compare, or with --bless write down
//! seaway-stages list                                           what stages there are
//! seaway-stages time [STAGE…]                                  nanoseconds, for the curious: no limit, no baseline
//! seaway-stages run STAGE                                      one stage, to be watched by callgrind
//! ```
//! A `STAGE` may be the beginning of a name: `lookup/` means all lookups.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod baseline;
mod check;
mod machine;
mod measure;
mod stages;
mod world;

use std::path::PathBuf;
use std::process::ExitCode;

use measure::Mode;
use stages::{STAGES, Stage};

fn main() -> ExitCode {
    match run(std::env::args().skip(1).collect()) {
        Ok(code) => code,
        Err(text) => {
            eprintln!("seaway-stages: {text}");
            ExitCode::from(2)
        }
    }
}

fn run(mut arguments: Vec<String>) -> Result<ExitCode, String> {
    let bless = take_flag(&mut arguments, "--bless");
    let baseline = take_value(&mut arguments, "--baseline")?
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("baseline.txt"), PathBuf::from);
    if let Some(unknown) = arguments.iter().find(|a| a.starts_with('-')) {
        return Err(format!("{unknown} is unknown; see the top of benches/stages/main.rs"));
    }
    let mut words = arguments.iter().map(String::as_str);
    let command = words.clone().next().filter(|w| matches!(*w, "check" | "list" | "time" | "run"));
    if command.is_some() {
        words.next();
    }
    let wanted: Vec<&str> = words.collect();
    let stages = chosen(&wanted)?;
    match command.unwrap_or("check") {
        "list" => {
            for stage in stages {
                println!("{:28} {}", stage.name, stage.what);
            }
        }
        "time" => {
            for stage in stages {
                println!("{:28} {:>10.1} ns", stage.name, (stage.run)(Mode::Time));
            }
        }
        "run" => {
            let [stage] = stages.as_slice() else { return Err("run takes exactly one stage".to_owned()) };
            println!("{}", (stage.run)(Mode::Count));
        }
        _ => return check::run(&stages, &baseline, bless, !wanted.is_empty()),
    }
    Ok(ExitCode::SUCCESS)
}

fn chosen(wanted: &[&str]) -> Result<Vec<&'static Stage>, String> {
    if let Some(unknown) = wanted.iter().find(|w| !STAGES.iter().any(|s| s.name.starts_with(**w))) {
        return Err(format!("there is no stage {unknown}; `seaway-stages list` shows them"));
    }
    let exact: Vec<_> = STAGES.iter().filter(|s| wanted.contains(&s.name)).collect();
    if !exact.is_empty() && exact.len() == wanted.len() {
        return Ok(exact);
    }
    Ok(STAGES.iter().filter(|s| wanted.is_empty() || wanted.iter().any(|w| s.name.starts_with(w))).collect())
}

fn take_flag(arguments: &mut Vec<String>, flag: &str) -> bool {
    let before = arguments.len();
    arguments.retain(|a| a != flag);
    arguments.len() != before
}

fn take_value(arguments: &mut Vec<String>, flag: &str) -> Result<Option<String>, String> {
    let Some(at) = arguments.iter().position(|a| a == flag) else { return Ok(None) };
    if at + 1 >= arguments.len() {
        return Err(format!("{flag} wants a value"));
    }
    arguments.remove(at);
    Ok(Some(arguments.remove(at)))
}
