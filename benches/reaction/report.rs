//! Percentiles for people, samples for later.

use std::process::ExitCode;
use std::time::Duration;

use serde_json::{Value, json};

use crate::GOALS;
use crate::kept::{self, load, processors};
use crate::observe::Seen;

/// What changes that follow one another may take longer than one: the time in which they are put together.
const WINDOW_MILLIS: f64 = 20.0;

/// One figure: what was measured how often, in microseconds.
pub(crate) struct Metric {
    name: &'static str,
    what: &'static str,
    judged: bool,
    /// Added to the goal.
    window: f64,
    samples: Vec<u64>,
    gaps: Vec<u64>,
}

impl Metric {
    /// A figure that the goal is about.
    pub(crate) fn judged(name: &'static str, what: &'static str) -> Self {
        Self { name, what, judged: true, window: 0.0, samples: Vec::new(), gaps: Vec::new() }
    }

    /// A figure of several changes at once, which the goal and the window are about.
    pub(crate) fn burst(name: &'static str, what: &'static str) -> Self {
        Self { window: WINDOW_MILLIS, ..Self::judged(name, what) }
    }

    /// A figure that explains another one.
    pub(crate) fn told(name: &'static str, what: &'static str) -> Self {
        Self { judged: false, ..Self::judged(name, what) }
    }

    /// One sample, and how well it was seen.
    pub(crate) fn add(&mut self, took: Duration, seen: Seen) {
        self.samples.push(micros(took));
        self.gaps.push(micros(seen.gap));
    }

    /// In milliseconds; there is none for more containers than any goal is about.
    fn goal(&self, containers: usize) -> Option<f64> {
        let goal = GOALS.iter().find(|(most, _)| containers <= *most).map(|(_, goal)| goal + self.window);
        goal.filter(|_| self.judged)
    }

    fn misses(&self, containers: usize) -> bool {
        self.goal(containers).is_some_and(|goal| millis(percentile(&self.samples, 99)) > goal)
    }
}

/// All that was measured against one engine.
pub(crate) struct Run {
    engine: String,
    containers: usize,
    metrics: Vec<Metric>,
    counts: Vec<(&'static str, u64, bool)>,
}

impl Run {
    pub(crate) fn new(engine: String, containers: usize, metrics: Vec<Metric>) -> Self {
        let metrics = metrics.into_iter().filter(|m| !m.samples.is_empty()).collect();
        Self { engine, containers, metrics, counts: Vec::new() }
    }

    /// A number that has to be exactly this.
    pub(crate) fn count(&mut self, what: &'static str, count: u64, expected: u64) {
        self.counts.push((what, count, count == expected));
    }

    fn print(&self) {
        println!("\n{}, {} containers (milliseconds)", self.engine, self.containers);
        println!("  {:<26}{:>8}{:>8}{:>8}{:>8}{:>8}{:>9}", "", "samples", "p50", "p95", "p99", "max", "seen ±");
        for metric in &self.metrics {
            let at = |p| millis(percentile(&metric.samples, p));
            let verdict = match metric.goal(self.containers) {
                Some(goal) if metric.misses(self.containers) => format!("  ≤ {goal} MISSED"),
                Some(goal) => format!("  ≤ {goal} met"),
                None => String::new(),
            };
            println!(
                "  {:<26}{:>8}{:>8.2}{:>8.2}{:>8.2}{:>8.2}{:>9.2}{verdict}",
                metric.name,
                metric.samples.len(),
                at(50),
                at(95),
                at(99),
                at(100),
                millis(percentile(&metric.gaps, 99)),
            );
        }
        for (what, count, right) in &self.counts {
            println!("  {what}: {count}{}", if *right { "  met" } else { "  MISSED" });
        }
    }

    fn is_missed(&self) -> bool {
        self.metrics.iter().any(|m| m.misses(self.containers)) || self.counts.iter().any(|(_, _, right)| !right)
    }

    fn json(&self) -> Value {
        let metrics = self.metrics.iter().map(|m| {
            json!({
                "name": m.name, "what": m.what, "unit": "microseconds", "count": m.samples.len(),
                "p50": percentile(&m.samples, 50), "p95": percentile(&m.samples, 95),
                "p99": percentile(&m.samples, 99), "max": percentile(&m.samples, 100),
                "goal_p99": m.goal(self.containers).map(|goal| goal * 1000.0), "missed": m.misses(self.containers),
                "samples": m.samples, "uncertainty": m.gaps,
            })
        });
        let counts = self.counts.iter().map(|(what, n, right)| json!({ "what": what, "count": n, "missed": !right }));
        json!({
            "engine": self.engine, "containers": self.containers,
            "metrics": metrics.collect::<Vec<_>>(), "counts": counts.collect::<Vec<_>>(),
        })
    }
}

/// The whole measurement.
pub(crate) struct Report {
    machine: Value,
    runs: Vec<Run>,
}

impl Report {
    /// Takes down what the machine is.
    pub(crate) fn begin() -> Self {
        let first = |file: &str, key: &str| {
            let text = std::fs::read_to_string(file).unwrap_or_default();
            let line = text.lines().find_map(|l| l.strip_prefix(key)).unwrap_or_default();
            line.trim_start_matches([':', '\t', ' ']).trim().to_owned()
        };
        let machine = json!({
            "processors": processors(),
            "processor": first("/proc/cpuinfo", "model name"),
            "memory": first("/proc/meminfo", "MemTotal"),
            // Without what its builder added.
            "kernel": first("/proc/sys/kernel/osrelease", "").split('-').next().unwrap_or_default(),
            "load_before": load(),
            // Where others are busy, `nice` works only among the processes of one session; this is the session's.
            "session_nice": first("/proc/self/autogroup", "/autogroup-").rsplit(' ').next().unwrap_or_default(),
        });
        println!(
            "{} × {}, Linux {}, load {}",
            machine["processors"],
            text(&machine["processor"]),
            text(&machine["kernel"]),
            load()
        );
        Self { machine, runs: Vec::new() }
    }

    /// Prints a run and keeps it.
    pub(crate) fn add(&mut self, run: Run) {
        run.print();
        self.runs.push(run);
    }

    /// Writes everything down. Exit code 1 when a goal was missed.
    pub(crate) fn end(mut self) -> ExitCode {
        self.machine["load_after"] = load().into();
        let missed = self.runs.iter().any(Run::is_missed);
        let all = json!({
            "date": kept::today(), "machine": self.machine, "goal_missed": missed,
            "runs": self.runs.iter().map(Run::json).collect::<Vec<_>>(),
        });
        // One line for each list of samples: readable, and small in a diff.
        let mut lines = String::new();
        lay_out(&all, 0, &mut lines);
        lines.push('\n');
        kept::keep("reaction.json", "Every sample is", &lines);
        if missed {
            println!("A goal is missed.");
            return ExitCode::FAILURE;
        }
        ExitCode::SUCCESS
    }
}

/// JSON with objects and lists of objects laid out, and lists of numbers in one line.
fn lay_out(value: &Value, depth: usize, out: &mut String) {
    let indent = |depth: usize| "  ".repeat(depth);
    match value {
        Value::Object(map) => {
            let fields = map.iter().map(|(key, value)| {
                let mut field = format!("{}{}: ", indent(depth + 1), json!(key));
                lay_out(value, depth + 1, &mut field);
                field
            });
            let fields = fields.collect::<Vec<_>>().join(",\n");
            out.push_str(&format!("{{\n{fields}\n{}}}", indent(depth)));
        }
        Value::Array(list) if list.iter().any(Value::is_object) => {
            let items = list.iter().map(|value| {
                let mut item = indent(depth + 1);
                lay_out(value, depth + 1, &mut item);
                item
            });
            let items = items.collect::<Vec<_>>().join(",\n");
            out.push_str(&format!("[\n{items}\n{}]", indent(depth)));
        }
        other => out.push_str(&other.to_string()),
    }
}

/// By nearest rank, of unsorted samples.
fn percentile(samples: &[u64], percent: usize) -> u64 {
    let mut sorted = samples.to_vec();
    sorted.sort_unstable();
    let rank = (percent * sorted.len()).div_ceil(100).max(1);
    sorted.get(rank - 1).copied().unwrap_or_default()
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52 microseconds")]
fn millis(micros: u64) -> f64 {
    micros as f64 / 1000.0
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
