//! Configuration files as text → one tree, with the file and line of each key.
//!
//! Values keep the text that they were written with: a number, a boolean and a string look alike in the tree, as they do
//! in labels. The items of a list are children called `[0]`, `[1]`, …; a key without a value is there, and has none.
//! What is read is bounded in size, depth and in what anchors may multiply it to.

mod toml;
mod tree;
mod yaml;

use std::fmt;
use std::path::Path;

use seaway_config::tree::Node;

use crate::gather::show;

/// Longest text that is read, in bytes.
const MOST_TEXT: usize = 16 << 20;

/// How a file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// YAML 1.2, with merge keys; JSON is YAML too.
    Yaml,
    /// TOML 1.0.
    Toml,
}

impl Format {
    /// What the name of a file says: `.yml`, `.yaml` or `.toml`.
    pub fn of(path: &Path) -> Option<Self> {
        let extension = path.extension()?.to_str()?;
        if extension.eq_ignore_ascii_case("toml") {
            return Some(Self::Toml);
        }
        ["yml", "yaml"].iter().any(|known| extension.eq_ignore_ascii_case(known)).then_some(Self::Yaml)
    }
}

/// Why a text is no tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The line, counted from one.
    pub line: usize,
    /// What is wrong there, in words.
    pub message: String,
}

impl Fault {
    fn new(line: usize, message: impl Into<String>) -> Self {
        Self { line, message: message.into() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.message)
    }
}

/// Reads a text. `name` is how the file is called in diagnostics: the key of each node is `name:line: a.b[0].c`, which
/// [`split_key`] takes apart.
pub fn parse(format: Format, name: &str, text: &str) -> Result<Node, Fault> {
    match format {
        Format::Yaml => parse_yaml(name, text),
        Format::Toml => parse_toml(name, text),
    }
}

/// Reads YAML. One document, a mapping or nothing; a key that is there twice is a fault, as is a tag that is not of the
/// core schema.
pub fn parse_yaml(name: &str, text: &str) -> Result<Node, Fault> {
    let text = checked(text)?;
    let root = yaml::read(text)?;
    tree::grow(name, &root)
}

/// Reads TOML.
pub fn parse_toml(name: &str, text: &str) -> Result<Node, Fault> {
    let text = checked(text)?;
    let root = toml::read(text)?;
    tree::grow(name, &root)
}

/// Takes the key of a node from a file apart: `/etc/x.yml:12: http.routers` → `/etc/x.yml:12` and `http.routers`. `None`
/// for a key from elsewhere.
pub fn split_key(key: &str) -> Option<(&str, &str)> {
    key.match_indices(": ").find_map(|(at, _)| {
        let (place, path) = (key.get(..at)?, key.get(at + 2..)?);
        let (_, line) = place.rsplit_once(':')?;
        (!line.is_empty() && line.bytes().all(|b| b.is_ascii_digit())).then_some((place, path))
    })
}

/// What no parser is asked: both take a NUL for the end, or pass it on.
fn checked(text: &str) -> Result<&str, Fault> {
    if text.len() > MOST_TEXT {
        return Err(Fault::new(1, format!("the file has more than {} MiB", MOST_TEXT >> 20)));
    }
    for (at, line) in text.split('\n').enumerate() {
        if let Some(bad) = line.chars().find(|c| is_bad(*c)) {
            return Err(Fault::new(at + 1, format!("the control character {}", bad.escape_default())));
        }
    }
    Ok(text.strip_prefix('\u{feff}').unwrap_or(text))
}

fn is_bad(c: char) -> bool {
    c.is_control() && !matches!(c, '\t' | '\n' | '\r')
}

/// A key or value after escapes have been resolved.
fn clean(line: usize, text: &str) -> Result<(), Fault> {
    match text.chars().find(|c| is_bad(*c)) {
        Some(bad) => {
            Err(Fault::new(line, format!("the control character {} in `{}`", bad.escape_default(), show(text))))
        }
        None => Ok(()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
