//! Regular expressions in options, and the replacement texts that refer to their groups.

use std::borrow::Cow;

use regex::{Captures, Regex, Replacer};
use seaway_config::regexp;

/// An expression and what its matches become.
#[derive(Clone, Debug)]
pub(crate) struct Replacement {
    regex: Regex,
    template: Template,
}

impl Replacement {
    /// Compiles the pair `<kind>.regex` and `<kind>.replacement`. `check` sees each piece of fixed text of the
    /// replacement and gives the text to use.
    pub(crate) fn compile(
        kind: &str,
        regex: &str,
        replacement: &str,
        mut check: impl FnMut(&str) -> Result<String, String>,
    ) -> Result<Self, String> {
        let regex = regex.trim();
        if regex.is_empty() {
            return Err(format!("{kind}.regex is empty"));
        }
        let regex = regexp::compile(regex).map_err(|what| format!("{kind}.regex {regex:?} cannot be used: {what}"))?;
        let mut template = Template::parse(replacement.trim(), &regex);
        for piece in &mut template.pieces {
            if let Piece::Text(text) = piece {
                *text = check(text)?.into();
            }
        }
        Ok(Self { regex, template })
    }

    /// The text with every match replaced; `None` if nothing matches.
    pub(crate) fn apply(&self, text: &str) -> Option<String> {
        match self.regex.replace_all(text, &self.template) {
            // No match is the only case in which nothing is copied.
            Cow::Borrowed(_) => None,
            Cow::Owned(new) => Some(new),
        }
    }

    /// The fixed text that the replacement begins with; empty when it begins with a group.
    pub(crate) fn lead(&self) -> &str {
        match self.template.pieces.first() {
            Some(Piece::Text(text)) => text,
            _ => "",
        }
    }
}

/// A replacement text in Go's syntax: `$1`, `${1}`, `$name`, `${name}`, `$$`. The name is the longest run of letters,
/// digits and `_`, so `$1x` is the group `1x`. A group that does not exist is empty; a `$` without a name is a `$`.
#[derive(Clone, Debug)]
struct Template {
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug)]
enum Piece {
    Text(Box<str>),
    Group(usize),
}

impl Template {
    fn parse(text: &str, regex: &Regex) -> Self {
        let mut pieces = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('$') {
            literal.push_str(before);
            rest = if let Some(after) = after.strip_prefix('$') {
                literal.push('$');
                after
            } else if let Some((name, after)) = group_name(after) {
                if let Some(group) = group_index(name, regex) {
                    if !literal.is_empty() {
                        pieces.push(Piece::Text(std::mem::take(&mut literal).into()));
                    }
                    pieces.push(Piece::Group(group));
                }
                after
            } else {
                literal.push('$');
                after
            };
        }
        literal.push_str(rest);
        if !literal.is_empty() {
            pieces.push(Piece::Text(literal.into()));
        }
        Self { pieces }
    }
}

impl Replacer for &Template {
    fn replace_append(&mut self, captures: &Captures<'_>, out: &mut String) {
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => out.push_str(text),
                Piece::Group(index) => out.push_str(captures.get(*index).map_or("", |m| m.as_str())),
            }
        }
    }
}

/// The name after a `$`, and what follows it.
fn group_name(text: &str) -> Option<(&str, &str)> {
    let braced = text.strip_prefix('{');
    let body = braced.unwrap_or(text);
    let end = body.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(body.len());
    let (name, rest) = body.split_at(end);
    let rest = if braced.is_some() { rest.strip_prefix('}')? } else { rest };
    (!name.is_empty()).then_some((name, rest))
}

/// Numbers are positions, unless written with a leading zero; anything else is a name.
fn group_index(name: &str, regex: &Regex) -> Option<usize> {
    let is_number = name.bytes().all(|b| b.is_ascii_digit()) && !(name.len() > 1 && name.starts_with('0'));
    if is_number {
        return name.parse().ok().filter(|&index| index < regex.captures_len());
    }
    regex.capture_names().position(|known| known == Some(name))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn replaced(regex: &str, replacement: &str, text: &str) -> Option<String> {
        Replacement::compile("k", regex, replacement, |t| Ok(t.to_owned())).unwrap().apply(text)
    }

    #[test]
    fn replaces_in_gos_syntax() {
        for (regex, replacement, text, want) in [
            ("^/a/(.*)", "/b/$1", "/a/x", "/b/x"),
            ("^/a/(.*)", "/b/${1}y", "/a/x", "/b/xy"),
            ("^/a/(.*)", "/b/$1y", "/a/x", "/b/"),
            ("^/(?P<who>[a-z]+)$", "/u/${who}/$who", "/me", "/u/me/me"),
            ("a", "$$1", "a", "$1"),
            ("a", "$", "a", "$"),
            ("a", "${", "a", "${"),
            ("a", "${-}", "a", "${-}"),
            ("(a)", "$01$2$9", "a", ""),
            ("(a)(b)?", "[$2]", "a", "[]"),
            ("a", "$0$0", "xax", "xaax"),
            ("a", "b", "aXa", "bXb"),
            (r"^\d+{x}", "n", "12{x}", "n"),
        ] {
            assert_eq!(replaced(regex, replacement, text).as_deref(), Some(want), "{regex} {replacement}");
        }
        assert_eq!(replaced("^/a", "/b", "/c"), None);
        assert_eq!(replaced(r"^\d$", "n", "٣"), None, "digits are ASCII, as in RE2");
    }

    #[test]
    fn a_match_that_changes_nothing_is_still_a_match() {
        assert_eq!(replaced("/a", "/a", "/a").as_deref(), Some("/a"));
    }

    #[test]
    fn bad_and_huge_expressions_are_refused_in_one_line() {
        for regex in ["", "  ", "(", "a{1000}{1000}{1000}"] {
            let error = Replacement::compile("k", regex, "", |t| Ok(t.to_owned())).unwrap_err();
            assert!(error.starts_with("k.regex") && !error.contains('\n'), "{error}");
        }
    }
}
