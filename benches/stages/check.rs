//! Counting all stages and comparing the counts.

use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::baseline::Baseline;
use crate::machine;
use crate::stages::Stage;

/// A rise of more than this is a failure.
const LIMIT_PERCENT: f64 = 3.0;

/// The same where the baseline was counted with another compiler, C library or processor.
const LOOSE_PERCENT: f64 = 15.0;

/// A difference of so few instructions is never a failure: a spilled register in an operation of sixty is no regression.
const SLACK: f64 = 4.0;

const BLESS: &str = "Make it the baseline: make bench-check BLESS=1";

/// What tells callgrind to count in that one function.
const TOGGLE: &str = "--toggle-collect=*measured_operation*";

/// What a lookup costs must not depend on how many routes there are: a stage, and the one that it is a multiple of.
const FLAT: &[(&str, &str)] = &[
    ("lookup/1000/each", "lookup/1/hit"),
    ("lookup/1000/none", "lookup/1/none"),
    ("lookup/10000/each", "lookup/1/hit"),
    ("lookup/10000/none", "lookup/1/none"),
];

/// So much of it at most.
const FLAT_TIMES: f64 = 1.1;

/// Counts, tells, and judges; with `bless` writes down what was counted.
pub(crate) fn run(stages: &[&Stage], path: &Path, bless: bool, partial: bool) -> Result<ExitCode, String> {
    if Command::new("valgrind").arg("--version").stdout(Stdio::null()).status().is_err() {
        return Err("valgrind is not installed; it counts the instructions (Debian, Ubuntu: apt-get install valgrind)"
            .to_owned());
    }
    let baseline = Baseline::read(path)?;
    let facts = machine::facts();
    let differences = baseline.differences(&facts);
    let limit = if differences.is_empty() { LIMIT_PERCENT } else { LOOSE_PERCENT };
    let counts: Counts<'_> = stages.iter().copied().zip(count_all(stages)?).collect();

    let seen = compare(&counts, &baseline, limit);
    let steep = steep(&counts);
    println!();
    for (name, than, times) in &steep {
        println!("FAILED: {name} is {times:.2} times {than}; it may be {FLAT_TIMES}");
    }
    if bless {
        if partial && !differences.is_empty() && !baseline.counts.is_empty() {
            return Err("some stages alone cannot be blessed on another machine than the rest; bless all".to_owned());
        }
        let mut new = if partial { baseline } else { Baseline::default() };
        new.facts = facts;
        new.counts.extend(counts.iter().map(|(stage, count)| (stage.name.to_owned(), *count)));
        new.write(path)?;
        println!("Written to {}.", path.display());
        return Ok(if steep.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    if !differences.is_empty() && !baseline.counts.is_empty() {
        println!(
            "The baseline was counted elsewhere, so only a rise of more than {LOOSE_PERCENT} % is a failure here:"
        );
        for difference in &differences {
            println!("  {difference}");
        }
        println!("For a sharp answer: scripts/bench-check --against <commit> counts that commit on this machine.");
    }
    if !seen.fallen.is_empty() {
        println!("Cheaper by more than {limit} %: {}. {BLESS}", seen.fallen.join(", "));
    }
    if !seen.unknown.is_empty() {
        println!("FAILED: not in the baseline: {}. {BLESS}", seen.unknown.join(", "));
    }
    if let Some(first) = seen.risen.first() {
        println!("FAILED: dearer by more than {limit} %: {}", seen.risen.join(", "));
        println!("Where it goes: valgrind --tool=callgrind {TOGGLE} {} run {first}", program());
    }
    let fine = seen.risen.is_empty() && seen.unknown.is_empty();
    if fine {
        println!("No stage is dearer by more than {limit} %.");
    }
    Ok(if fine && steep.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

type Counts<'s> = Vec<(&'s Stage, u64)>;

/// What the comparison found.
#[derive(Default)]
struct Seen {
    risen: Vec<&'static str>,
    fallen: Vec<&'static str>,
    unknown: Vec<&'static str>,
}

/// Prints the table.
fn compare(counts: &Counts<'_>, baseline: &Baseline, limit: f64) -> Seen {
    let mut seen = Seen::default();
    println!("{:24} {:>12} {:>12}", "instructions", "baseline", "now");
    for (stage, now) in counts {
        let Some(then) = baseline.counts.get(stage.name) else {
            println!("{:24} {:>12} {now:>12}      new", stage.name, "-");
            seen.unknown.push(stage.name);
            continue;
        };
        let more = *now as f64 - *then as f64;
        let percent = more / (*then as f64).max(1.0) * 100.0;
        let word = match (percent.abs() > limit && more.abs() > SLACK, more > 0.0) {
            (true, true) if stage.informative => "  (told only)",
            (true, true) => {
                seen.risen.push(stage.name);
                "  DEARER"
            }
            (true, false) => {
                seen.fallen.push(stage.name);
                "  cheaper"
            }
            _ => "",
        };
        println!("{:24} {then:>12} {now:>12} {percent:>+7.1}%{word}", stage.name);
    }
    seen
}

/// Which stages are too large a multiple of another one.
fn steep(counts: &Counts<'_>) -> Vec<(&'static str, &'static str, f64)> {
    let of = |name: &str| counts.iter().find(|(stage, _)| stage.name == name).map(|(_, count)| *count as f64);
    FLAT.iter()
        .filter_map(|(name, than)| Some((*name, *than, of(name)? / of(than)?)))
        .filter(|(.., times)| *times > FLAT_TIMES)
        .collect()
}

/// One process for each stage, as many at one time as there are processors.
fn count_all(stages: &[&Stage]) -> Result<Vec<u64>, String> {
    let next = AtomicUsize::new(0);
    let counts = Mutex::new(vec![Ok(0); stages.len()]);
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(stages.len());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let at = next.fetch_add(1, Ordering::Relaxed)
                    && let Some(stage) = stages.get(at)
                {
                    let counted = count(stage);
                    counts.lock().unwrap()[at] = counted;
                }
            });
        }
    });
    counts.into_inner().unwrap().into_iter().collect()
}

/// Instructions of one operation.
fn count(stage: &Stage) -> Result<u64, String> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null", "--collect-atstart=no"])
        .args([TOGGLE, &program(), "run", stage.name])
        .output()
        .map_err(|error| format!("valgrind cannot be started: {error}"))?;
    let told = String::from_utf8_lossy(&output.stderr);
    let wrong = |what: &str| format!("{}: {what}; what valgrind said:\n{told}", stage.name);
    if !output.status.success() {
        return Err(wrong("the stage failed"));
    }
    let total = told.lines().find_map(|line| line.split_once("Collected :")?.1.trim().parse::<u64>().ok());
    let times = String::from_utf8_lossy(&output.stdout).trim().parse::<u64>().unwrap_or(0);
    match (total, times) {
        (Some(total), times) if total > 0 && times > 0 => Ok(total / times),
        _ => Err(wrong("nothing was counted; the program needs its symbols, see [profile.stages] in Cargo.toml")),
    }
}

fn program() -> String {
    std::env::current_exe().map_or_else(|_| "seaway-stages".to_owned(), |path| path.display().to_string())
}
