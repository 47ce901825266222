//! Figures for people, and all of them as JSON for later.

use std::process::ExitCode;

use serde_json::{Value, json};

use crate::kept::{self, load, processors};

/// The whole measurement.
pub(crate) struct Report {
    figures: Vec<Value>,
    missed: bool,
    load: String,
}

impl Report {
    /// Takes down how busy the machine is.
    pub(crate) fn begin() -> Self {
        println!("{} processors, load {}", processors(), load());
        Self { figures: Vec::new(), missed: false, load: load() }
    }

    /// Keeps a figure.
    pub(crate) fn add(&mut self, figure: Value) {
        self.figures.push(figure);
    }

    /// Keeps whether a goal was met, and says it.
    pub(crate) fn judge(&mut self, goal: &str, met: bool) {
        println!("  goal: {goal}: {}", if met { "met" } else { "MISSED" });
        self.figures.push(json!({ "goal": goal, "met": met }));
        self.missed |= !met;
    }

    /// Writes everything down. Exit code 1 when a goal was missed.
    pub(crate) fn end(self) -> ExitCode {
        let all = json!({
            "date": kept::today(), "processors": processors(), "load_before": self.load, "load_after": load(),
            "goal_missed": self.missed, "figures": self.figures,
        });
        kept::keep("plane.json", "All of it is", &format!("{all:#}\n"));
        if self.missed {
            println!("A goal is missed.");
            return ExitCode::FAILURE;
        }
        ExitCode::SUCCESS
    }
}

/// By nearest rank, of sorted values.
pub(crate) fn percentile(sorted: &[u64], percent: usize) -> u64 {
    let rank = (percent * sorted.len()).div_ceil(100).max(1);
    sorted.get(rank - 1).copied().unwrap_or_default()
}

/// `12.3 µs`, `4.56 ms`.
pub(crate) fn micros(nanos: u64) -> String {
    match number(nanos) {
        few if few < 1e6 => format!("{:.1} µs", few / 1e3),
        many => format!("{:.2} ms", many / 1e6),
    }
}

pub(crate) fn kilobytes(bytes: u64) -> String {
    format!("{:.0} kB", number(bytes) / 1e3)
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
pub(crate) fn number(n: u64) -> f64 {
    n as f64
}

/// What this process has resident that belongs to no file, in bytes.
pub(crate) fn own_memory() -> u64 {
    memory("self")
}

/// The same of another process.
pub(crate) fn memory(process: &str) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{process}/smaps_rollup")).expect("a running process");
    let line = text.lines().find_map(|l| l.strip_prefix("Anonymous:")).expect("a field of smaps_rollup");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") * 1024
}
