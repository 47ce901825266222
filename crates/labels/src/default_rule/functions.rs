//! The functions of a template: Go's own and those of the usual library that make sense for a rule.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use regex::Regex;
use seaway_config::regexp;

use super::normalize;
use super::value::{MAX_ITEMS, MAX_TEXT, Text, Value};

/// Every function there is.
pub(super) const NAMES: &[&str] = &[
    "and",
    "add",
    "atoi",
    "cat",
    "coalesce",
    "contains",
    "default",
    "div",
    "empty",
    "env",
    "eq",
    "first",
    "ge",
    "get",
    "gt",
    "has",
    "hasKey",
    "hasPrefix",
    "hasSuffix",
    "index",
    "initial",
    "int",
    "join",
    "keys",
    "kindIs",
    "last",
    "le",
    "len",
    "list",
    "lower",
    "lt",
    "max",
    "min",
    "mod",
    "mul",
    "ne",
    "normalize",
    "nospace",
    "not",
    "or",
    "print",
    "printf",
    "quote",
    "regexFind",
    "regexMatch",
    "regexQuoteMeta",
    "regexReplaceAll",
    "regexReplaceAllLiteral",
    "regexSplit",
    "repeat",
    "replace",
    "rest",
    "reverse",
    "slice",
    "sortAlpha",
    "split",
    "splitList",
    "splitn",
    "squote",
    "sub",
    "substr",
    "ternary",
    "title",
    "toString",
    "toStrings",
    "trim",
    "trimAll",
    "trimPrefix",
    "trimSuffix",
    "trunc",
    "uniq",
    "until",
    "upper",
    "values",
    "without",
];

/// Calls one of [`NAMES`].
pub(super) fn call(name: &str, arguments: Vec<Value>) -> Result<Value, String> {
    let mut args = Args { all: arguments.into_iter() };
    let result = match name {
        "and" | "or" => return decide(name == "or", args.rest()),
        "not" => Value::Bool(!args.value()?.is_true()),
        "eq" => return equal(args.value()?, &args.rest()),
        "ne" => Value::Bool(!same(&args.value()?, &args.value()?)?),
        "lt" => Value::Bool(args.order()?.is_lt()),
        "le" => Value::Bool(args.order()?.is_le()),
        "gt" => Value::Bool(args.order()?.is_gt()),
        "ge" => Value::Bool(args.order()?.is_ge()),
        "default" => {
            let fallback = args.value()?;
            args.optional().filter(Value::is_true).unwrap_or(fallback)
        }
        "coalesce" => args.rest().into_iter().find(Value::is_true).unwrap_or(Value::Nil),
        "env" => return Err("only files may ask the environment".to_owned()),
        "empty" => Value::Bool(!args.value()?.is_true()),
        "ternary" => {
            let (yes, no) = (args.value()?, args.value()?);
            if args.value()?.is_true() { yes } else { no }
        }
        "kindIs" => Value::Bool(args.text()?.text == kind(&args.value()?)),
        "index" | "get" => return index(args.value()?, args.rest()),
        "hasKey" => match (args.value()?, args.text()?) {
            (Value::Map(items), key) => Value::Bool(items.contains_key(&key.text)),
            (other, _) => return Err(format!("{} has no keys", other.kind())),
        },
        "keys" => Value::List(args.map()?.into_keys().map(|key| Value::foreign(&key)).collect()),
        "values" => Value::List(args.map()?.into_values().collect()),
        "len" => Value::Int(i64::try_from(length(&args.value()?)?).unwrap_or(i64::MAX)),
        "int" | "atoi" => integer(&args.value()?),
        "add" => Value::Int(args.numbers(i64::checked_add)?),
        "sub" => Value::Int(args.numbers(i64::checked_sub)?),
        "mul" => Value::Int(args.numbers(i64::checked_mul)?),
        "div" => Value::Int(args.numbers(i64::checked_div)?),
        "mod" => Value::Int(args.numbers(i64::checked_rem)?),
        "max" => Value::Int(args.numbers(|a, b| Some(a.max(b)))?),
        "min" => Value::Int(args.numbers(|a, b| Some(a.min(b)))?),
        _ => match list_function(name, &mut args)? {
            Some(result) => result,
            None => text_function(name, &mut args)?,
        },
    };
    match args.optional() {
        Some(_) => Err("too many values".to_owned()),
        None => bounded(result),
    }
}

fn list_function(name: &str, args: &mut Args) -> Result<Option<Value>, String> {
    Ok(Some(match name {
        "list" => Value::List(args.rest()),
        "until" => {
            let end = args.number()?;
            if usize::try_from(end).is_ok_and(|end| end > MAX_ITEMS) {
                return Err(format!("the list has more than {MAX_ITEMS} items"));
            }
            Value::List((0..end).map(Value::Int).collect())
        }
        "first" => args.list()?.into_iter().next().unwrap_or(Value::Nil),
        "last" => args.list()?.pop().unwrap_or(Value::Nil),
        "rest" => Value::List(args.list()?.into_iter().skip(1).collect()),
        "initial" => {
            let mut items = args.list()?;
            items.pop();
            Value::List(items)
        }
        "reverse" => Value::List(args.list()?.into_iter().rev().collect()),
        "uniq" => {
            let mut seen: Vec<Value> = Vec::new();
            for item in args.list()?.into_iter().take(1000) {
                if !seen.contains(&item) {
                    seen.push(item);
                }
            }
            Value::List(seen)
        }
        "has" => {
            let wanted = args.value()?;
            Value::Bool(args.list()?.contains(&wanted))
        }
        "without" => {
            let (items, unwanted) = (args.list()?, args.rest());
            Value::List(items.into_iter().filter(|item| !unwanted.contains(item)).collect())
        }
        "sortAlpha" => {
            let mut items = args.list()?.iter().map(Value::print).collect::<Result<Vec<_>, _>>()?;
            items.sort_by(|a, b| a.text.cmp(&b.text));
            Value::List(items.into_iter().map(Value::Text).collect())
        }
        "toStrings" => {
            let items = args.list()?;
            Value::List(items.iter().map(|item| item.print().map(Value::Text)).collect::<Result<_, _>>()?)
        }
        "join" => {
            let separator = args.text()?;
            let parts = match args.value()? {
                Value::List(items) => items.iter().map(Value::print).collect::<Result<Vec<_>, _>>()?,
                other => vec![other.print()?],
            };
            let risky = separator.risky || parts.iter().any(|part| part.risky);
            let texts: Vec<&str> = parts.iter().map(|part| part.text.as_str()).collect();
            fits(texts.iter().map(|t| t.len() + separator.text.len()).sum())?;
            Value::made(texts.join(&separator.text), risky)
        }
        "split" | "splitn" => {
            let separator = args.text()?;
            let limit = if name == "splitn" { args.number()? } else { i64::MAX };
            let parts = split(&separator.text, args.text()?, limit);
            let keyed = parts.into_iter().enumerate().map(|(at, part)| (format!("_{at}"), part));
            Value::Map(keyed.collect())
        }
        "splitList" => {
            let separator = args.text()?;
            Value::List(split(&separator.text, args.text()?, i64::MAX))
        }
        "regexSplit" => {
            let (regex, text) = (args.regex()?, args.text()?);
            let limit = args.number()?;
            let limit = usize::try_from(limit).unwrap_or(MAX_ITEMS).min(MAX_ITEMS);
            Value::List(regex.splitn(&text.text, limit).map(|part| Value::made(part.to_owned(), text.risky)).collect())
        }
        "slice" => {
            let value = args.value()?;
            let (from, to) = (args.number()?, args.optional().map(|to| number(&to)).transpose()?);
            slice(value, from, to)?
        }
        _ => return Ok(None),
    }))
}

fn text_function(name: &str, args: &mut Args) -> Result<Value, String> {
    Ok(match name {
        "normalize" => args.change(normalize)?,
        "lower" => args.change(str::to_lowercase)?,
        "upper" => args.change(str::to_uppercase)?,
        "title" => args.change(title)?,
        "trim" => args.change(|text| text.trim().to_owned())?,
        "nospace" => args.change(|text| text.chars().filter(|c| !c.is_whitespace()).collect())?,
        "toString" => Value::Text(args.value()?.print()?),
        "quote" => wrap(args, '"')?,
        "squote" => wrap(args, '\'')?,
        "trimPrefix" => args.change_with(|what, text| text.strip_prefix(what).unwrap_or(text).to_owned())?,
        "trimSuffix" => args.change_with(|what, text| text.strip_suffix(what).unwrap_or(text).to_owned())?,
        "trimAll" => args.change_with(|what, text| text.trim_matches(|c| what.contains(c)).to_owned())?,
        "contains" => Value::Bool(args.compare(|what, text| text.contains(what))?),
        "hasPrefix" => Value::Bool(args.compare(|what, text| text.starts_with(what))?),
        "hasSuffix" => Value::Bool(args.compare(|what, text| text.ends_with(what))?),
        "replace" => {
            let (old, new, text) = (args.text()?, args.text()?, args.text()?);
            let count = text.text.matches(old.text.as_str()).count();
            fits(text.text.len() + count.saturating_mul(new.text.len()))?;
            Value::made(text.text.replace(&old.text, &new.text), new.risky || text.risky)
        }
        "repeat" => {
            let count = usize::try_from(args.number()?).map_err(|_| "a count cannot be negative")?;
            let text = args.text()?;
            fits(count.saturating_mul(text.text.len()))?;
            Value::made(text.text.repeat(count), text.risky)
        }
        "trunc" => {
            let length = args.number()?;
            let text = args.text()?;
            let count = usize::try_from(length.unsigned_abs()).unwrap_or(usize::MAX);
            let total = text.text.chars().count();
            let skip = if length < 0 { total.saturating_sub(count) } else { 0 };
            Value::made(text.text.chars().skip(skip).take(count).collect(), text.risky)
        }
        "substr" => {
            let (from, to) = (usize::try_from(args.number()?).unwrap_or(0), args.number()?);
            let text = args.text()?;
            let to = usize::try_from(to).unwrap_or(usize::MAX);
            Value::made(text.text.chars().take(to).skip(from).collect(), text.risky)
        }
        "cat" | "print" => {
            let parts = args.rest().iter().map(Value::print).collect::<Result<Vec<_>, _>>()?;
            let texts: Vec<&str> = parts.iter().map(|part| part.text.as_str()).collect();
            let text = texts.join(if name == "cat" { " " } else { "" });
            Value::made(text, parts.iter().any(|part| part.risky))
        }
        "printf" => printf(&args.text()?, args.rest())?,
        "regexMatch" => Value::Bool(args.regex()?.is_match(&args.text()?.text)),
        "regexQuoteMeta" => args.change(regex::escape)?,
        "regexFind" => {
            let (regex, text) = (args.regex()?, args.text()?);
            let found = regex.find(&text.text).map_or("", |found| found.as_str());
            Value::made(found.to_owned(), text.risky)
        }
        "regexReplaceAll" | "regexReplaceAllLiteral" => {
            let (regex, text, with) = (args.regex()?, args.text()?, args.text()?);
            // Each match may grow by the replacement, whose `$1` may each stand for the whole text.
            let places = with.text.matches('$').count().saturating_mul(text.text.len());
            let matches = regex.find_iter(&text.text).take(MAX_ITEMS).count();
            fits(text.text.len() + matches.saturating_mul(with.text.len() + places))?;
            let literal = name.ends_with("Literal");
            let new = if literal {
                regex.replace_all(&text.text, regex::NoExpand(&with.text))
            } else {
                regex.replace_all(&text.text, with.text.as_str())
            };
            Value::made(new.into_owned(), text.risky || with.risky)
        }
        other => return Err(format!("there is no function {other}")),
    })
}

/// The values that a function was given.
struct Args {
    all: std::vec::IntoIter<Value>,
}

impl Args {
    fn optional(&mut self) -> Option<Value> {
        self.all.next()
    }

    fn rest(&mut self) -> Vec<Value> {
        self.all.by_ref().collect()
    }

    fn value(&mut self) -> Result<Value, String> {
        self.optional().ok_or_else(|| "too few values".to_owned())
    }

    fn text(&mut self) -> Result<Text, String> {
        match self.value()? {
            Value::Text(text) => Ok(text),
            Value::Nil => Err("a text is expected, and the value is not there".to_owned()),
            other => Err(format!("a text is expected, not {}", other.kind())),
        }
    }

    fn list(&mut self) -> Result<Vec<Value>, String> {
        match self.value()? {
            Value::List(items) => Ok(items),
            other => Err(format!("a list is expected, not {}", other.kind())),
        }
    }

    fn map(&mut self) -> Result<BTreeMap<String, Value>, String> {
        match self.value()? {
            Value::Map(items) => Ok(items),
            other => Err(format!("a map is expected, not {}", other.kind())),
        }
    }

    fn number(&mut self) -> Result<i64, String> {
        number(&self.value()?)
    }

    fn numbers(&mut self, with: fn(i64, i64) -> Option<i64>) -> Result<i64, String> {
        let mut result = self.number()?;
        for value in self.rest() {
            result = with(result, number(&value)?).ok_or("the result is out of range")?;
        }
        Ok(result)
    }

    fn order(&mut self) -> Result<Ordering, String> {
        match (self.value()?, self.value()?) {
            (Value::Int(a), Value::Int(b)) => Ok(a.cmp(&b)),
            (Value::Text(a), Value::Text(b)) => Ok(a.text.cmp(&b.text)),
            (a, b) => Err(format!("{} and {} have no order", a.kind(), b.kind())),
        }
    }

    fn regex(&mut self) -> Result<Regex, String> {
        let text = self.text()?.text;
        regexp::compile(&text).map_err(|what| format!("the regular expression cannot be used: {what}"))
    }

    fn change(&mut self, change: impl Fn(&str) -> String) -> Result<Value, String> {
        let text = self.text()?;
        Ok(Value::made(change(&text.text), text.risky))
    }

    fn change_with(&mut self, change: impl Fn(&str, &str) -> String) -> Result<Value, String> {
        let (what, text) = (self.text()?, self.text()?);
        Ok(Value::made(change(&what.text, &text.text), text.risky))
    }

    fn compare(&mut self, compare: impl Fn(&str, &str) -> bool) -> Result<bool, String> {
        let (what, text) = (self.text()?, self.text()?);
        Ok(compare(&what.text, &text.text))
    }
}

/// The first value that decides, or the last.
fn decide(or: bool, values: Vec<Value>) -> Result<Value, String> {
    let mut last = Err("too few values".to_owned());
    for value in values {
        let decides = value.is_true() == or;
        last = Ok(value);
        if decides {
            break;
        }
    }
    last
}

fn equal(first: Value, others: &[Value]) -> Result<Value, String> {
    if others.is_empty() {
        return Err("too few values".to_owned());
    }
    for other in others {
        if same(&first, other)? {
            return Ok(Value::Bool(true));
        }
    }
    Ok(Value::Bool(false))
}

fn same(a: &Value, b: &Value) -> Result<bool, String> {
    match (a, b) {
        (Value::Text(a), Value::Text(b)) => Ok(a.text == b.text),
        (Value::Int(a), Value::Int(b)) => Ok(a == b),
        (Value::Bool(a), Value::Bool(b)) => Ok(a == b),
        (Value::Nil, _) | (_, Value::Nil) => Ok(a == b),
        _ => Err(format!("{} and {} cannot be compared", a.kind(), b.kind())),
    }
}

/// As in Go, a key that a map does not have gives the empty text.
fn index(value: Value, keys: Vec<Value>) -> Result<Value, String> {
    let mut value = value;
    for key in keys {
        value = match (value, key) {
            (Value::Map(mut items), Value::Text(key)) => items.remove(&key.text).unwrap_or_else(|| Value::own("")),
            (Value::List(items), Value::Int(at)) => {
                let item = usize::try_from(at).ok().and_then(|at| items.into_iter().nth(at));
                item.ok_or_else(|| format!("there is no item {at}"))?
            }
            (value, key) => return Err(format!("{} cannot be looked up in {}", key.kind(), value.kind())),
        };
    }
    Ok(value)
}

fn length(value: &Value) -> Result<usize, String> {
    match value {
        Value::Text(text) => Ok(text.text.len()),
        Value::List(items) => Ok(items.len()),
        Value::Map(items) => Ok(items.len()),
        other => Err(format!("{} has no length", other.kind())),
    }
}

fn number(value: &Value) -> Result<i64, String> {
    match value {
        Value::Int(number) => Ok(*number),
        other => Err(format!("a number is expected, not {}", other.kind())),
    }
}

/// What is no number counts as 0, as in the usual library.
fn integer(value: &Value) -> Value {
    Value::Int(match value {
        Value::Int(number) => *number,
        Value::Bool(value) => i64::from(*value),
        Value::Text(text) => text.text.parse().unwrap_or(0),
        _ => 0,
    })
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Nil => "invalid",
        Value::Bool(_) => "bool",
        Value::Int(_) => "int",
        Value::Text(_) => "string",
        Value::List(_) => "slice",
        Value::Map(_) => "map",
    }
}

fn split(separator: &str, text: Text, limit: i64) -> Vec<Value> {
    let part = |part: &str| Value::made(part.to_owned(), text.risky);
    let limit = usize::try_from(limit).unwrap_or(MAX_ITEMS).min(MAX_ITEMS);
    if separator.is_empty() {
        return text.text.chars().take(limit).map(|c| part(&c.to_string())).collect();
    }
    text.text.splitn(limit, separator).map(part).collect()
}

fn slice(value: Value, from: i64, to: Option<i64>) -> Result<Value, String> {
    let total = length(&value)?;
    let bound =
        |at: i64| usize::try_from(at).ok().filter(|at| *at <= total).ok_or_else(|| format!("there is no item {at}"));
    let (from, to) = (bound(from)?, to.map_or(Ok(total), bound)?);
    let outside = || "the end stands before the start, or cuts a character".to_owned();
    match value {
        Value::List(items) => Ok(Value::List(items.get(from..to).ok_or_else(outside)?.to_vec())),
        Value::Text(text) => Ok(Value::made(text.text.get(from..to).ok_or_else(outside)?.to_owned(), text.risky)),
        other => Err(format!("{} cannot be sliced", other.kind())),
    }
}

fn title(text: &str) -> String {
    let mut start = true;
    let upper = |c: char, start: bool| if start { c.to_uppercase().next().unwrap_or(c) } else { c };
    text.chars()
        .map(|c| {
            let titled = upper(c, start);
            start = c.is_whitespace();
            titled
        })
        .collect()
}

fn wrap(args: &mut Args, mark: char) -> Result<Value, String> {
    let parts = args.rest().iter().map(Value::print).collect::<Result<Vec<_>, _>>()?;
    // A quoted text that held a quote stays risky, so the quotes around it can only be the operator's.
    let texts: Vec<String> = parts.iter().map(|part| format!("{mark}{}{mark}", part.text)).collect();
    Ok(Value::made(texts.join(" "), parts.iter().any(|part| part.risky)))
}

/// `%s`, `%v`, `%d` and `%%`.
fn printf(format: &Text, values: Vec<Value>) -> Result<Value, String> {
    let (mut text, mut risky) = (String::new(), format.risky);
    let mut values = values.into_iter();
    let mut chars = format.text.chars();
    while let Some(c) = chars.next() {
        if c != '%' {
            text.push(c);
            continue;
        }
        match chars.next() {
            Some('%') => text.push('%'),
            Some('s' | 'v' | 'd') => {
                let part = values.next().ok_or("too few values")?.print()?;
                risky |= part.risky;
                text.push_str(&part.text);
            }
            Some(other) => return Err(format!("%{} is not supported", other.escape_debug())),
            None => return Err("the format ends with %".to_owned()),
        }
        fits(text.len())?;
    }
    match values.next() {
        Some(_) => Err("too many values".to_owned()),
        None => Ok(Value::made(text, risky)),
    }
}

fn fits(bytes: usize) -> Result<(), String> {
    if bytes > MAX_TEXT { Err(format!("the result has more than {MAX_TEXT} bytes")) } else { Ok(()) }
}

fn bounded(value: Value) -> Result<Value, String> {
    match &value {
        Value::Text(text) => fits(text.text.len())?,
        Value::List(items) if items.len() > MAX_ITEMS => {
            return Err(format!("the list has more than {MAX_ITEMS} items"));
        }
        _ => {}
    }
    Ok(value)
}
