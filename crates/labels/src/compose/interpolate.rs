//! `$$`, `$NAME` and `${NAME…}` in values.

/// Deepest nesting of one variable in the default of another.
const MAX_DEPTH: usize = 16;

/// A value, filled in.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Filled {
    pub(super) text: String,
    /// Variables without a value and without a default.
    pub(super) unset: Vec<String>,
    /// What Compose would refuse.
    pub(super) fault: Option<String>,
}

pub(super) fn fill_in(text: &str, variable: &dyn Fn(&str) -> Option<String>) -> Filled {
    let mut out = Filled::default();
    fill(text, variable, &mut out, 0);
    out
}

fn fill(text: &str, variable: &dyn Fn(&str) -> Option<String>, out: &mut Filled, depth: usize) {
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        out.text.push_str(before);
        if let Some(after) = after.strip_prefix('$') {
            out.text.push('$');
            rest = after;
        } else if let Some(inside) = after.strip_prefix('{') {
            let Some(end) = closing(inside).filter(|_| depth < MAX_DEPTH) else {
                out.fault = Some(format!("`{text}` has a ${{ that does not end; a dollar that is meant is written $$"));
                return;
            };
            let (inside, after) = inside.split_at(end);
            braced(inside, variable, out, depth);
            rest = after.get(1..).unwrap_or_default();
        } else {
            let end = name_end(after);
            if end == 0 {
                out.fault = Some(format!("`{text}` has a lone dollar; one that is meant is written $$"));
                out.text.push('$');
                rest = after;
                continue;
            }
            let (name, after) = after.split_at(end);
            plain(name, variable, out);
            rest = after;
        }
    }
    out.text.push_str(rest);
}

fn plain(name: &str, variable: &dyn Fn(&str) -> Option<String>, out: &mut Filled) {
    match variable(name) {
        Some(value) => out.text.push_str(&value),
        None => out.unset.push(name.to_owned()),
    }
}

fn braced(inside: &str, variable: &dyn Fn(&str) -> Option<String>, out: &mut Filled, depth: usize) {
    let (name, operation) = inside.split_at(name_end(inside));
    if name.is_empty() {
        out.fault = Some(format!("${{{inside}}} names no variable; a dollar that is meant is written $$"));
        return;
    }
    let (empty_counts, operation) = match operation.strip_prefix(':') {
        Some(operation) => (true, operation),
        None => (false, operation),
    };
    let value = variable(name).filter(|value| !empty_counts || !value.is_empty());
    let mut characters = operation.chars();
    match (characters.next(), value) {
        (None, _) => plain(name, variable, out),
        (Some('-'), None) | (Some('+'), Some(_)) => fill(characters.as_str(), variable, out, depth + 1),
        (Some('+'), None) => {}
        (Some('-' | '?'), Some(value)) => out.text.push_str(&value),
        (Some('?'), None) => out.fault = Some(format!("the variable {name} has to be set: {}", characters.as_str())),
        _ => out.fault = Some(format!("${{{inside}}} is no variable; a dollar that is meant is written $$")),
    }
}

/// Where the name at the beginning ends.
fn name_end(text: &str) -> usize {
    let first = |c: char| c.is_ascii_alphabetic() || c == '_';
    if !text.starts_with(first) {
        return 0;
    }
    text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len())
}

/// The brace that ends what began before this.
fn closing(text: &str) -> Option<usize> {
    let mut open = 0_usize;
    let mut before = ' ';
    for (at, c) in text.char_indices() {
        match c {
            '{' if before == '$' => open += 1,
            '}' if open == 0 => return Some(at),
            '}' => open -= 1,
            _ => {}
        }
        before = c;
    }
    None
}
