//! What both languages have in common, and the way from there to nodes.

use std::rc::Rc;

use seaway_config::tree::Node;

use super::Fault;
use crate::tokens::MAX_DEPTH;

/// Most bytes that the nodes of one tree take, roughly: an alias stands for all that its anchor holds, each time.
const MOST_BYTES: usize = 96 << 20;
/// What a node takes besides its texts.
const NODE_BYTES: usize = 96;

/// A value, and the line that it begins in. Aliases share theirs.
#[derive(Debug)]
pub(super) struct At {
    pub(super) line: usize,
    pub(super) value: Value,
    /// How many levels there are below it.
    pub(super) height: usize,
}

/// A value as it was written.
#[derive(Debug)]
pub(super) enum Value {
    /// A key without a value.
    Nothing,
    Text(String),
    List(Vec<Rc<At>>),
    Table(Vec<Entry>),
}

/// One key of a table.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) name: Rc<str>,
    pub(super) line: usize,
    pub(super) value: Rc<At>,
}

impl At {
    pub(super) fn new(line: usize, value: Value) -> Rc<Self> {
        let below = match &value {
            Value::Nothing | Value::Text(_) => None,
            Value::List(items) => items.iter().map(|item| item.height).max(),
            Value::Table(entries) => entries.iter().map(|entry| entry.value.height).max(),
        };
        Rc::new(Self { line, value, height: below.map_or(0, |below| below + 1) })
    }
}

/// Makes nodes of a whole text, whose outermost value has to be a table or nothing.
pub(super) fn grow(name: &str, root: &At) -> Result<Node, Fault> {
    let mut grower = Grower { name, path: String::new(), left: MOST_BYTES };
    match &root.value {
        Value::Nothing | Value::Table(_) => grower.node(root.line, root, 0),
        Value::Text(_) | Value::List(_) => {
            Err(Fault::new(root.line, "options by name are expected, `name: value`, and not a single value or a list"))
        }
    }
}

struct Grower<'a> {
    name: &'a str,
    path: String,
    left: usize,
}

impl Grower<'_> {
    fn node(&mut self, line: usize, at: &At, depth: usize) -> Result<Node, Fault> {
        if depth > MAX_DEPTH {
            return Err(too_deep(line));
        }
        let key = if depth == 0 { self.name.to_owned() } else { format!("{}:{line}: {}", self.name, self.path) };
        let value = if let Value::Text(text) = &at.value { Some(text.clone()) } else { None };
        let bytes = NODE_BYTES + key.len() + value.as_ref().map_or(0, String::len);
        self.left = self
            .left
            .checked_sub(bytes)
            .ok_or_else(|| Fault::new(line, "the file is too large once its anchors are put in everywhere"))?;
        let mut node = Node { value, key, children: Vec::new() };
        match &at.value {
            Value::Nothing | Value::Text(_) => {}
            Value::List(items) => {
                for (index, item) in items.iter().enumerate() {
                    let name = format!("[{index}]");
                    let child = self.below(&name, |grower| grower.node(item.line, item, depth + 1))?;
                    node.children.push((name, child));
                }
            }
            Value::Table(entries) => {
                for Entry { name, line, value } in entries {
                    let child = self.below(name, |grower| grower.node(*line, value, depth + 1))?;
                    node.children.push((name.to_string(), child));
                }
            }
        }
        Ok(node)
    }

    fn below<T>(&mut self, name: &str, grow: impl FnOnce(&mut Self) -> T) -> T {
        let before = self.path.len();
        if before > 0 && !name.starts_with('[') {
            self.path.push('.');
        }
        self.path.push_str(name);
        let grown = grow(self);
        self.path.truncate(before);
        grown
    }
}

pub(super) fn too_deep(line: usize) -> Fault {
    Fault::new(line, format!("more than {MAX_DEPTH} levels"))
}
