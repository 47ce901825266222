//! The baseline: a text that a person can read and a diff can show.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use crate::machine::Facts;
use crate::stages::STAGES;

const HEAD: &str = "\
# Instructions of one operation of each stage, and what they were counted with. `make bench-check` compares with this;
# `make bench-check BLESS=1` writes it anew. Whoever does says in the commit why a count rose.
";

/// What was counted before.
#[derive(Default)]
pub(crate) struct Baseline {
    pub(crate) facts: Facts,
    pub(crate) counts: BTreeMap<String, u64>,
}

impl Baseline {
    /// An absent file is an empty baseline; one that cannot be understood is an error that names the line.
    pub(crate) fn read(path: &Path) -> Result<Self, String> {
        let mut baseline = Self::default();
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(baseline),
            Err(error) => return Err(format!("cannot read {}: {error}", path.display())),
        };
        for (at, line) in (1..).zip(text.lines()) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let wrong = || format!("{}, line {at}: neither `name = value` nor `stage count`: {line}", path.display());
            if let Some((name, value)) = line.split_once(" = ") {
                baseline.facts.push((name.to_owned(), value.to_owned()));
            } else {
                let (name, count) = line.rsplit_once(' ').ok_or_else(wrong)?;
                baseline.counts.insert(name.trim().to_owned(), count.parse().map_err(|_| wrong())?);
            }
        }
        Ok(baseline)
    }

    pub(crate) fn write(&self, path: &Path) -> Result<(), String> {
        let mut text = HEAD.to_owned();
        for (name, value) in &self.facts {
            writeln!(text, "{name} = {value}").map_err(|e| e.to_string())?;
        }
        text.push('\n');
        for stage in STAGES {
            if let Some(count) = self.counts.get(stage.name) {
                writeln!(text, "{:24} {count:>12}", stage.name).map_err(|e| e.to_string())?;
            }
        }
        std::fs::write(path, text).map_err(|error| format!("cannot write {}: {error}", path.display()))
    }

    /// In words, what was different when the baseline was counted.
    pub(crate) fn differences(&self, now: &Facts) -> Vec<String> {
        let then = |name: &str| self.facts.iter().find(|(n, _)| n == name).map_or("unknown", |(_, v)| v.as_str());
        now.iter()
            .filter(|(name, value)| then(name) != value)
            .map(|(name, value)| format!("{name}: {} then, {value} now", then(name)))
            .collect()
    }
}
