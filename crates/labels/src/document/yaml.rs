//! YAML as text → values with lines.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use saphyr_parser::{Event, Parser, ScalarStyle, Tag};

use super::tree::{At, Entry, Value, too_deep};
use super::{Fault, clean};
use crate::gather::show;
use crate::tokens::MAX_DEPTH;

/// Most keys that merge keys may copy.
const MOST_MERGED: usize = 100_000;

pub(super) fn read(text: &str) -> Result<Rc<At>, Fault> {
    let mut parser = Parser::new_from_str(text);
    let mut builder = Builder::default();
    while let Some(event) = parser.next_event() {
        let (event, span) = event.map_err(|error| Fault::new(error.marker().line(), error.info()))?;
        let line = span.start.line();
        match event {
            Event::Nothing | Event::StreamStart | Event::DocumentEnd => {}
            Event::StreamEnd => break,
            Event::DocumentStart(_) if builder.root.is_some() => {
                return Err(Fault::new(line, "a second document; a file has one"));
            }
            Event::DocumentStart(_) => {}
            Event::Alias(anchor) => {
                let Some(value) = builder.anchors.get(&anchor).map(Rc::clone) else {
                    return Err(Fault::new(line, "an alias that stands inside of its own anchor"));
                };
                builder.put(line, value, false)?;
            }
            Event::Scalar(text, style, anchor, tag) => {
                let tag = kind(line, tag.as_deref())?;
                clean(line, &text)?;
                let plain = style == ScalarStyle::Plain && tag != Some("str");
                let is_merge = plain && text == "<<" && builder.wants_key();
                let is_nothing = plain && matches!(&*text, "" | "~" | "null" | "Null" | "NULL") || tag == Some("null");
                let value = if is_nothing { Value::Nothing } else { Value::Text(text.into_owned()) };
                let value = At::new(line, value);
                builder.remember(anchor, &value);
                builder.put(line, value, is_merge)?;
            }
            Event::SequenceStart(anchor, tag) => {
                kind(line, tag.as_deref())?;
                builder.open(line, anchor, Inside::List(Vec::new()))?;
            }
            Event::MappingStart(anchor, tag) => {
                kind(line, tag.as_deref())?;
                builder.open(line, anchor, Inside::Table(Table::default()))?;
            }
            Event::SequenceEnd | Event::MappingEnd => builder.close(line)?,
        }
    }
    Ok(builder.root.unwrap_or_else(|| At::new(1, Value::Nothing)))
}

/// The name of a tag of the core schema. Any other would change what the value means.
fn kind(line: usize, tag: Option<&Tag>) -> Result<Option<&str>, Fault> {
    let Some(tag) = tag else { return Ok(None) };
    let known = ["str", "int", "float", "bool", "null", "map", "seq"];
    if tag.is_yaml_core_schema() && known.contains(&tag.suffix.as_str()) {
        return Ok(Some(&tag.suffix));
    }
    Err(Fault::new(line, format!("the tag `{}` means nothing here", show(&tag.to_string()))))
}

#[derive(Default)]
struct Builder {
    open: Vec<Open>,
    root: Option<Rc<At>>,
    anchors: HashMap<usize, Rc<At>>,
    merged: usize,
}

/// A list or table whose end has not come.
struct Open {
    line: usize,
    anchor: usize,
    inside: Inside,
}

enum Inside {
    List(Vec<Rc<At>>),
    Table(Table),
}

#[derive(Default)]
struct Table {
    entries: Vec<Entry>,
    names: HashSet<Rc<str>>,
    /// The key whose value comes next.
    key: Option<Key>,
    /// What merge keys bring, the first one first.
    merges: Vec<Rc<At>>,
    has_merge: bool,
}

enum Key {
    Name(Rc<str>, usize),
    Merge,
}

impl Builder {
    /// What comes next is a key.
    fn wants_key(&self) -> bool {
        matches!(self.open.last(), Some(Open { inside: Inside::Table(Table { key: None, .. }), .. }))
    }

    fn remember(&mut self, anchor: usize, value: &Rc<At>) {
        if anchor > 0 {
            self.anchors.insert(anchor, Rc::clone(value));
        }
    }

    fn open(&mut self, line: usize, anchor: usize, inside: Inside) -> Result<(), Fault> {
        if self.wants_key() {
            return Err(Fault::new(line, "a key that is a list or a table"));
        }
        if self.open.len() > MAX_DEPTH {
            return Err(too_deep(line));
        }
        self.open.push(Open { line, anchor, inside });
        Ok(())
    }

    fn close(&mut self, line: usize) -> Result<(), Fault> {
        let Some(Open { line: begun, anchor, inside }) = self.open.pop() else {
            return Err(Fault::new(line, "an end without a beginning"));
        };
        let value = match inside {
            Inside::List(items) => Value::List(items),
            Inside::Table(table) => Value::Table(self.merge(line, table)?),
        };
        let value = At::new(begun, value);
        self.remember(anchor, &value);
        self.put(begun, value, false)
    }

    /// A value is complete: it is a key, the value of one, an item, or all there is.
    fn put(&mut self, line: usize, value: Rc<At>, is_merge: bool) -> Result<(), Fault> {
        // Anchors may hold aliases of anchors: nothing becomes deeper by them than it could be written.
        if self.open.len() + value.height > MAX_DEPTH {
            return Err(too_deep(line));
        }
        let Some(Open { inside, .. }) = self.open.last_mut() else {
            self.root = Some(value);
            return Ok(());
        };
        let table = match inside {
            Inside::List(items) => {
                items.push(value);
                return Ok(());
            }
            Inside::Table(table) => table,
        };
        match table.key.take() {
            None if is_merge => table.key = Some(table.merge_key(line)?),
            None => table.key = Some(table.name(line, &value)?),
            Some(Key::Name(name, line)) => table.entries.push(Entry { name, line, value }),
            Some(Key::Merge) => table.add_merge(line, &value)?,
        }
        Ok(())
    }

    /// Keys of its own win over merged ones, and those of an earlier table over those of a later one.
    fn merge(&mut self, line: usize, table: Table) -> Result<Vec<Entry>, Fault> {
        let Table { mut entries, mut names, merges, .. } = table;
        for merged in &merges {
            let Value::Table(more) = &merged.value else { continue };
            self.merged += more.len();
            if self.merged > MOST_MERGED {
                return Err(Fault::new(line, "merge keys bring too much"));
            }
            entries.extend(more.iter().filter(|entry| names.insert(Rc::clone(&entry.name))).cloned());
        }
        Ok(entries)
    }
}

impl Table {
    fn name(&mut self, line: usize, value: &At) -> Result<Key, Fault> {
        let name: Rc<str> = match &value.value {
            Value::Text(text) => text.as_str().into(),
            Value::Nothing => return Err(Fault::new(line, "a key without a name")),
            Value::List(_) | Value::Table(_) => return Err(Fault::new(line, "a key that is a list or a table")),
        };
        if !self.names.insert(Rc::clone(&name)) {
            return Err(Fault::new(line, format!("the key `{}` is there twice", show(&name))));
        }
        Ok(Key::Name(name, line))
    }

    fn merge_key(&mut self, line: usize) -> Result<Key, Fault> {
        if std::mem::replace(&mut self.has_merge, true) {
            return Err(Fault::new(line, "the key `<<` is there twice; a list of aliases merges several"));
        }
        Ok(Key::Merge)
    }

    fn add_merge(&mut self, line: usize, value: &Rc<At>) -> Result<(), Fault> {
        let is_table = |at: &At| matches!(at.value, Value::Table(_));
        match &value.value {
            Value::Table(_) => self.merges.push(Rc::clone(value)),
            Value::List(items) if items.iter().all(|item| is_table(item)) => {
                self.merges.extend(items.iter().map(Rc::clone));
            }
            _ => return Err(Fault::new(line, "`<<` takes a table, or a list of tables")),
        }
        Ok(())
    }
}
