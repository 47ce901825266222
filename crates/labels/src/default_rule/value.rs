//! Values of a template, and whether their text may stand in a rule.

use std::collections::BTreeMap;

/// Longest text and list that a function may make.
pub(super) const MAX_TEXT: usize = 64 * 1024;
pub(super) const MAX_ITEMS: usize = 10_000;

/// A text, and whether it came from a container and has characters that could change the rule around it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Text {
    pub(super) text: String,
    pub(super) risky: bool,
}

/// Any value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Nil,
    Bool(bool),
    Int(i64),
    Text(Text),
    List(Vec<Self>),
    Map(BTreeMap<String, Self>),
}

impl Value {
    /// A text that the operator wrote.
    pub(super) fn own(text: impl Into<String>) -> Self {
        Self::Text(Text { text: text.into(), risky: false })
    }

    /// A text that a container brought.
    pub(super) fn foreign(text: &str) -> Self {
        Self::Text(Text { text: text.to_owned(), risky: is_risky(text) })
    }

    /// A text made from others: it is as risky as they were, unless nothing of the risk is left.
    pub(super) fn made(text: String, risky: bool) -> Self {
        let risky = risky && is_risky(&text);
        Self::Text(Text { text, risky })
    }

    /// What Go takes for true: not nil, false, zero or empty.
    pub(super) fn is_true(&self) -> bool {
        match self {
            Self::Nil => false,
            Self::Bool(value) => *value,
            Self::Int(value) => *value != 0,
            Self::Text(text) => !text.text.is_empty(),
            Self::List(items) => !items.is_empty(),
            Self::Map(items) => !items.is_empty(),
        }
    }

    /// Its text as it is printed.
    pub(super) fn print(&self) -> Result<Text, String> {
        match self {
            Self::Nil => Err("a value that is not there cannot be printed".to_owned()),
            Self::Bool(value) => Ok(Text { text: value.to_string(), risky: false }),
            Self::Int(value) => Ok(Text { text: value.to_string(), risky: false }),
            Self::Text(text) => Ok(text.clone()),
            Self::List(_) => Err("a list cannot be printed; use join".to_owned()),
            Self::Map(_) => Err("a map cannot be printed; use index".to_owned()),
        }
    }

    /// What it is, for messages.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Nil => "nothing",
            Self::Bool(_) => "a boolean",
            Self::Int(_) => "a number",
            Self::Text(_) => "a text",
            Self::List(_) => "a list",
            Self::Map(_) => "a map",
        }
    }

    /// How much memory it stands for, roughly.
    pub(super) fn size(&self) -> usize {
        match self {
            Self::Nil | Self::Bool(_) | Self::Int(_) => 1,
            Self::Text(text) => 1 + text.text.len(),
            Self::List(items) => 1 + items.iter().map(Self::size).sum::<usize>(),
            Self::Map(items) => 1 + items.iter().map(|(key, value)| key.len() + value.size()).sum::<usize>(),
        }
    }
}

/// Only what hosts and paths are made of may come from a container: not what ends a string, not what means something
/// to the rule language, not what means something to a regular expression except the dot that names need.
fn is_risky(text: &str) -> bool {
    text.chars().any(|c| !(c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | '~' | '/' | ':' | '%' | '@' | '=')))
}
