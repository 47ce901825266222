//! Seaway beside its peers: nginx, HAProxy, Apache, Caddy, Traefik, and a relay that reads no HTTP at all.
//!
//! `make bench` (or `scripts/bench`) builds what is needed and runs this. It starts one set of servers and every proxy that is
//! installed, checks that each of them does what is asked, has them take turns under the same load, prints a table for each
//! workload and keeps every reading in `benches/runs/`. Exit code 1: somebody answered wrongly; 2: it could not be run;
//! 130: it was interrupted.

#![allow(clippy::unwrap_used, clippy::expect_used)]
// Cargo compiles a bench with cfg(test), and its test functions away; tests/main.rs runs them, and has no use for the rest.
#![cfg_attr(test, allow(unused_imports, dead_code))]

mod backend;
mod check;
mod children;
mod client;
mod cores;
mod figures;
mod goals;
mod machine;
mod options;
mod peers;
mod relay;
mod report;
mod rounds;
mod stage;
mod table;
mod usage;
mod wire;
mod workloads;
mod wrk;

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use children::Failure;
use cores::Cores;
use options::Options;
use peers::Peer;
use rounds::{Running, Table};
use stage::Stage;

pub(crate) fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.split_first() {
        Some((role, _)) if role == "backend" => return role_ended("backend", backend::run()),
        Some((role, rest)) if role == "relay" => {
            let addresses: Vec<_> = rest.iter().filter_map(|a| a.parse().ok()).collect();
            return role_ended("relay", relay::run(&addresses));
        }
        _ => {}
    }
    if !arguments.iter().any(|a| a == "--bench") {
        println!("peers: nothing is measured in a test run; see scripts/bench");
        return ExitCode::SUCCESS;
    }
    let options = match Options::parse(&arguments) {
        Ok(options) => options,
        Err(text) => {
            eprintln!("bench: {text}");
            return ExitCode::from(2);
        }
    };
    if options.list {
        options.workloads.iter().for_each(|w| println!("  {:<22}{}", w.key, w.title));
        return ExitCode::SUCCESS;
    }
    match run(&options, &arguments) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(_) if children::interrupted() => {
            eprintln!("\nbench: interrupted; everything that was started has been ended");
            ExitCode::from(130)
        }
        Err(failure) => {
            eprintln!("bench: {failure}");
            ExitCode::from(2)
        }
    }
}

fn role_ended(role: &str, how: std::io::Result<()>) -> ExitCode {
    match how {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{role}: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Measures everything; true if everybody answered rightly.
fn run(options: &Options, arguments: &[String]) -> Result<bool, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.map_err(|e| Failure::new(format!("no runtime: {e}")))?;
    children::note_interrupts(runtime.handle());
    for tool in ["wrk", "taskset", "setpriv"] {
        if peers::on_path(tool).is_none() {
            return Err(Failure::new(format!("{tool} is not installed; scripts/bench says how to get it")));
        }
    }
    let colour = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let mut programs = BTreeMap::new();
    let mut versions = Vec::new();
    for peer in &options.peers {
        match peer.find(options.seaway.as_deref()) {
            Some(program) if program.is_file() => {
                versions.push((*peer, machine::version(&program, peer.version_arguments())));
                programs.insert(*peer, program);
            }
            _ => println!("{} is not here: left out", peer.name()),
        }
    }
    if options.peers.contains(&Peer::Seaway) && !programs.contains_key(&Peer::Seaway) {
        return Err(Failure::new("where is Seaway? scripts/bench builds it, and says so with --seaway <path>"));
    }
    let here: Vec<Peer> = programs.keys().copied().collect();
    let here: Vec<Peer> = peers::EVERYBODY.into_iter().filter(|peer| here.contains(peer)).collect();
    let cores = Cores::of_this_machine(options.unpinned);
    let shown: Vec<&String> = arguments.iter().filter(|a| *a != "--bench").collect();
    let mut facts = machine::facts(&cores, &versions, &command(&shown));
    introduce(options, &facts, &here, &cores);

    let mut stage = Stage::set(options, programs, runtime, cores)?;
    let mut running = Running::default();
    let mut tables: Vec<Table> = Vec::new();
    let count = options.workloads.len();
    let mut ended = Ok(());
    for (n, workload) in options.workloads.iter().enumerate() {
        let progress = Progress::new(format!("[{}/{count}] {}", n + 1, workload.key));
        let measured =
            rounds::measure(&mut stage, &mut running, workload, options, &here, &mut |what| progress.tell(what));
        progress.clear();
        match measured {
            Ok(table) => {
                print!("{}", table::terminal(&table, colour));
                tables.push(table);
            }
            Err(failure) => {
                ended = Err(failure);
                break;
            }
        }
    }
    drop(running);
    drop(stage);
    ended?;
    facts["load_after"] = machine::load().into();
    conclude(options, &facts, &tables, colour)
}

/// The command that a reader can repeat: what the script adds by itself is left out.
fn command(arguments: &[&String]) -> String {
    let mut command = "scripts/bench".to_owned();
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        if *argument == "--seaway" {
            rest.next();
        } else {
            command.push_str(&format!(" {argument}"));
        }
    }
    command
}

fn introduce(options: &Options, facts: &serde_json::Value, here: &[Peer], cores: &Cores) {
    let text = |key: &str| facts[key].as_str().unwrap_or_default();
    println!("{} × {}, Linux {}, load {}", cores.count, text("processor"), text("kernel"), text("load_before"));
    let versions: Vec<String> = here
        .iter()
        .filter(|peer| **peer != Peer::Relay)
        .map(|peer| format!("{} {}", peer.name(), facts["versions"][peer.name()].as_str().unwrap_or_default()))
        .collect();
    println!("{}", versions.join(", "));
    println!("{}", cores.describe());
    if facts["busy_before"] == true {
        println!(
            "This machine is busy with something else: rates and latencies will say little, ratios somewhat more."
        );
    }
    let whole: Duration = options.workloads.iter().map(|w| rounds::estimate(w, options, here)).sum();
    let count = |number: usize, what: &str| format!("{number} {what}{}", if number == 1 { "" } else { "s" });
    println!(
        "{}, {} of {} s: this takes about {}; Ctrl-C ends it and leaves nothing running",
        count(options.workloads.len(), "workload"),
        count(options.rounds, "round"),
        options.seconds,
        count(usize::try_from(whole.as_secs().div_ceil(60)).unwrap_or(usize::MAX), "minute"),
    );
}

/// The summary, the goals, the files, and who failed.
fn conclude(options: &Options, facts: &serde_json::Value, tables: &[Table], colour: bool) -> Result<bool, Failure> {
    let summary = table::summary(tables);
    if summary.len() > 1 {
        print!("{}", table::summary_terminal(&summary, colour));
    }
    let goals = goals::judge(tables);
    if !goals.is_empty() {
        println!("\nGoals");
    }
    for goal in &goals {
        let verdict = if goal.met { "met" } else { "MISSED" };
        println!("  {:<70}{:>9}{:>8.2}  {verdict}", goal.what, goal.wanted, goal.measured.median);
    }
    if options.keep_results {
        match report::keep(options, facts, tables, &goals) {
            Ok(file) => println!("\nThese tables, and beside them every reading, are in {}", file.display()),
            Err(error) => return Err(Failure::new(format!("the results could not be kept: {error}"))),
        }
    }
    let mut right = true;
    for table in tables {
        for row in &table.rows {
            if let Some(failure) = &row.failure {
                if right {
                    eprintln!("\nNot everybody did what was asked:");
                }
                right = false;
                eprintln!("  {} in {}: {failure}", row.entrant.peer.name(), table.workload.key);
            }
        }
    }
    Ok(right)
}

/// One line that says what is being done, on a terminal; elsewhere nothing.
struct Progress {
    what: String,
    started: Instant,
    terminal: bool,
}

impl Progress {
    fn new(what: String) -> Self {
        Self { what, started: Instant::now(), terminal: std::io::stderr().is_terminal() }
    }

    fn tell(&self, text: &str) {
        if self.terminal {
            eprint!("\r\x1b[2K{} {text} … {} s", self.what, self.started.elapsed().as_secs());
            drop(std::io::stderr().flush());
        }
    }

    fn clear(&self) {
        if self.terminal {
            eprint!("\r\x1b[2K");
        }
    }
}
