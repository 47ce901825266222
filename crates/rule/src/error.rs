//! What is wrong with a rule, where, and how to mend it.

use std::fmt;

/// Characters that [`ParseError::caret`] shows on each side of the place.
const CONTEXT: usize = 60;

/// A rule that does not parse. Its texts are safe to log: what they quote of the rule is short and has no control
/// characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseError {
    /// Where, in bytes from the start of the rule; at most its length.
    pub offset: usize,
    /// Where, in characters, counted from 1.
    pub column: usize,
    /// What is wrong.
    pub message: String,
    /// How to mend it, if that can be told.
    pub hint: Option<String>,
}

impl ParseError {
    /// The rule and below it a `^` under the place: always two lines. A long rule is cut to the part around the place.
    pub fn caret(&self, rule: &str) -> String {
        let (before, after) = rule.split_at(boundary(rule, self.offset));
        let (before_cut, after_cut) = (tail(before, CONTEXT), head(after, CONTEXT));
        let mut line = String::new();
        if before_cut.len() < before.len() {
            line.push('…');
        }
        line.extend(before_cut.chars().map(printable));
        let column = line.chars().count();
        line.extend(after_cut.chars().map(printable));
        if after_cut.len() < after.len() {
            line.push('…');
        }
        format!("{line}\n{:column$}^", "")
    }

    pub(crate) fn new(offset: usize, message: impl Into<String>) -> Self {
        Self { offset, column: 0, message: message.into(), hint: None }
    }

    pub(crate) fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// Works the column out, once the whole rule is at hand.
    pub(crate) fn located(mut self, rule: &str) -> Self {
        self.offset = boundary(rule, self.offset);
        self.column = rule.get(..self.offset).unwrap_or_default().chars().count() + 1;
        self
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at column {}", self.message, self.column)
    }
}

impl std::error::Error for ParseError {}

/// A piece of the rule for use inside a message: short, on one line, in back-ticks.
pub(crate) fn quoted(text: &str) -> String {
    let cut = head(text, 40);
    let shown: String = cut.chars().map(printable).collect();
    format!("`{shown}{}`", if cut.len() < text.len() { "…" } else { "" })
}

fn printable(c: char) -> char {
    if c.is_whitespace() {
        ' '
    } else if c.is_control() {
        char::REPLACEMENT_CHARACTER
    } else {
        c
    }
}

fn boundary(text: &str, offset: usize) -> usize {
    text.floor_char_boundary(offset)
}

fn head(text: &str, chars: usize) -> &str {
    text.char_indices().nth(chars).map_or(text, |(at, _)| text.get(..at).unwrap_or_default())
}

fn tail(text: &str, chars: usize) -> &str {
    match chars.checked_sub(1).and_then(|last| text.char_indices().nth_back(last)) {
        Some((at, _)) => text.get(at..).unwrap_or_default(),
        None => text,
    }
}

#[cfg(test)]
#[allow(clippy::expect_used)]
mod tests {
    use crate::parse;

    fn error(rule: &str) -> super::ParseError {
        parse(rule).expect_err(rule)
    }

    #[test]
    fn display_names_the_column() {
        assert_eq!(error("hOst(`a`)").to_string(), "`hOst` is not a matcher at column 1");
        assert_eq!(error("Host(`a`) && hOst(`b`)").column, 14);
    }

    #[test]
    fn columns_count_characters_and_offsets_bytes() {
        let error = error("Header(`X-Ä`, `ä`)");
        assert_eq!((error.offset, error.column), (7, 8));
        let error = self::error("Header(`X`, `äöü`) x");
        assert_eq!((error.offset, error.column), (22, 20));
    }

    #[test]
    fn caret_stands_under_the_place() {
        let rule = "Host(`a`) && hOst(`b`)";
        assert_eq!(error(rule).caret(rule), format!("{rule}\n             ^"));
        let rule = "Header(`X`, `äöü`) x";
        assert_eq!(error(rule).caret(rule), format!("{rule}\n                   ^"));
        assert_eq!(error("").caret(""), "\n^");
    }

    #[test]
    fn caret_gives_two_short_lines_whatever_the_rule() {
        let rule = format!("{} &&\n\t\u{1b}[31m '", vec!["Host(`a`)"; 500].join("\n&& "));
        let caret = error(&rule).caret(&rule);
        let lines: Vec<_> = caret.lines().collect();
        assert_eq!(lines.len(), 2);
        assert!(lines[0].starts_with('…') && lines[0].chars().count() <= 2 * super::CONTEXT + 2);
        assert!(!caret.contains('\u{1b}') && !caret.contains('\t'));
        assert_eq!(lines[0].chars().nth(lines[1].chars().count() - 1), Some(char::REPLACEMENT_CHARACTER));
    }

    #[test]
    fn caret_survives_another_rule_than_the_one_that_failed() {
        let error = error("Host(`a`) && hOst(`b`)");
        assert_eq!(error.caret("ä"), "ä\n ^");
        assert_eq!(error.caret("ääääääääääääää").lines().count(), 2);
    }
}
