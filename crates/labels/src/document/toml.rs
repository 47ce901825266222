//! TOML as text → values with lines.

use std::rc::Rc;

use toml::de::{DeArray, DeInteger, DeTable, DeValue};

use super::tree::{At, Entry, Value};
use super::{Fault, clean};

pub(super) fn read(text: &str) -> Result<Rc<At>, Fault> {
    let lines = Lines::of(text);
    match DeTable::parse(text) {
        Ok(table) => lines.table(1, table.get_ref()),
        Err(error) => {
            let line = error.span().map_or(1, |span| lines.at(span.start));
            Err(Fault::new(line, error.message().lines().collect::<Vec<_>>().join(", ")))
        }
    }
}

/// Where each line begins.
struct Lines(Vec<usize>);

impl Lines {
    fn of(text: &str) -> Self {
        Self(text.match_indices('\n').map(|(at, _)| at).collect())
    }

    /// The line that a byte is in.
    fn at(&self, byte: usize) -> usize {
        self.0.partition_point(|end| *end < byte) + 1
    }

    fn table(&self, line: usize, table: &DeTable<'_>) -> Result<Rc<At>, Fault> {
        let mut keys: Vec<_> = table.iter().collect();
        keys.sort_by_key(|(key, _)| key.span().start);
        let mut entries = Vec::with_capacity(keys.len());
        for (key, value) in keys {
            let line = self.at(key.span().start);
            clean(line, key.get_ref())?;
            entries.push(Entry {
                name: key.get_ref().as_ref().into(),
                line,
                value: self.value(line, value.get_ref())?,
            });
        }
        Ok(At::new(line, Value::Table(entries)))
    }

    fn list(&self, line: usize, list: &DeArray<'_>) -> Result<Rc<At>, Fault> {
        let items = list.iter().map(|item| self.value(self.at(item.span().start), item.get_ref()));
        Ok(At::new(line, Value::List(items.collect::<Result<_, _>>()?)))
    }

    fn value(&self, line: usize, value: &DeValue<'_>) -> Result<Rc<At>, Fault> {
        let text = match value {
            DeValue::String(text) => text.to_string(),
            DeValue::Integer(integer) => decimal(integer),
            DeValue::Float(float) => float.as_str().to_owned(),
            DeValue::Boolean(is) => is.to_string(),
            DeValue::Datetime(moment) => moment.to_string(),
            DeValue::Array(list) => return self.list(line, list),
            DeValue::Table(table) => return self.table(line, table),
        };
        clean(line, &text)?;
        Ok(At::new(line, Value::Text(text)))
    }
}

/// `0x1F` is what people write and 31 is what is meant.
fn decimal(integer: &DeInteger<'_>) -> String {
    i128::from_str_radix(integer.as_str(), integer.radix())
        .map_or_else(|_| integer.as_str().to_owned(), |number| number.to_string())
}
