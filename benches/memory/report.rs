//! A table for people, the same as JSON for later.

use std::process::ExitCode;
use std::time::Duration;

use serde_json::{Value, json};

use crate::Options;
use crate::kept::{self, processors};
use crate::program::Memory;

/// One line of the table.
pub(crate) struct Step {
    name: String,
    memory: Memory,
    goal: Option<(String, bool)>,
}

impl Step {
    pub(crate) fn new(name: &str, memory: Memory) -> Self {
        Self { name: name.to_owned(), memory, goal: None }
    }

    /// The goal is at most this.
    pub(crate) fn judged(self, value: u64, goal: u64) -> Self {
        Self { goal: Some((format!("≤ {}", kilobytes(goal)), value <= goal)), ..self }
    }

    /// The goal is what it was, but for so many percent.
    pub(crate) fn flat(self, before: u64, percent: f64) -> Self {
        let change = (number(self.memory.total) / number(before) - 1.0) * 100.0;
        Self { goal: Some((format!("{change:+.1} %, goal ± {percent} %"), change.abs() <= percent)), ..self }
    }
}

/// The whole measurement.
pub(crate) struct Report {
    setting: Value,
    steps: Vec<Step>,
    parts: Vec<u64>,
    processor: Option<f64>,
}

impl Report {
    /// Takes down what is measured where.
    pub(crate) fn begin(options: &Options) -> Self {
        let setting = json!({
            "processors": processors(), "workers": options.workers.unwrap_or_else(processors),
            "connections": options.connections, "requests": options.requests, "flags": options.flags,
            "binary_bytes": std::fs::metadata(&options.binary).map(|m| m.len()).unwrap_or_default(),
        });
        println!("{:<34}{:>12}{:>12}", "", "resident", "of no file");
        Self { setting, steps: Vec::new(), parts: Vec::new(), processor: None }
    }

    /// Prints a line and keeps it.
    pub(crate) fn add(&mut self, step: Step) {
        let own = if step.memory.own > 0 { kilobytes(step.memory.own) } else { String::new() };
        let goal = match &step.goal {
            Some((goal, met)) => format!("  {goal}  {}", if *met { "met" } else { "MISSED" }),
            None => String::new(),
        };
        println!("{:<34}{:>12}{own:>12}{goal}", step.name, kilobytes(step.memory.total));
        self.steps.push(step);
    }

    /// What was resident after one part of the requests.
    pub(crate) fn part(&mut self, memory: Memory) {
        self.parts.push(memory.total);
    }

    /// What the processors spent since the start, over so many requests.
    pub(crate) fn processor(&mut self, time: Duration, requests: u64) {
        let each = time.as_secs_f64() * 1e6 / number(requests);
        println!("{:<34}{each:>9.2} µs", "processor time for each request");
        self.processor = Some(each);
    }

    /// Writes everything down. Exit code 1 when a goal was missed or the program did not end well.
    pub(crate) fn end(self, ended_well: bool) -> ExitCode {
        let missed = self.steps.iter().any(|s| s.goal.as_ref().is_some_and(|(_, met)| !met));
        let steps = self.steps.iter().map(|s| {
            let (goal, met) = s.goal.clone().unzip();
            json!({ "what": s.name, "resident": s.memory.total, "of_no_file": s.memory.own, "goal": goal, "met": met })
        });
        let all = json!({
            "date": kept::today(), "setting": self.setting, "unit": "bytes", "steps": steps.collect::<Vec<_>>(),
            "resident_while_requests_came": self.parts, "processor_micros_per_request": self.processor,
            "goal_missed": missed,
        });
        kept::keep("memory.json", "All of it is", &format!("{all:#}\n"));
        if !ended_well {
            println!("The program did not end well.");
        }
        if missed {
            println!("A goal is missed.");
        }
        if missed || !ended_well { ExitCode::FAILURE } else { ExitCode::SUCCESS }
    }
}

fn kilobytes(bytes: u64) -> String {
    format!("{:.1} KB", number(bytes) / 1000.0)
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
fn number(value: u64) -> f64 {
    value as f64
}
