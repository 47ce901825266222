//! Regular expressions as labels and options mean them: RE2's syntax in Go's reading, run by the `regex` crate.
//!
//! The two differ in a few places that would change what a rule matches: `\d`, `\s`, `\w` and `\b` are ASCII in RE2; a
//! brace that is no repetition is literal; sets have no nesting and no `&&`, `--`, `~~`; `\Q…\E` quotes; `\<` is a `<`.
//! So the text is rewritten before it is compiled. Both are linear in the subject.

use std::iter::Peekable;
use std::str::Chars;

use regex::{Error, Regex, RegexBuilder};

/// Most memory that one compiled expression may take, in bytes.
const SIZE_LIMIT: usize = 1 << 20;

const DIGIT: &str = "0-9";
const SPACE: &str = r"\t\n\x0C\r ";
const WORD: &str = "0-9A-Za-z_";

/// Compiles; unanchored, case-sensitive unless `(?i)`, and within bounds, so that no label can make us spend memory
/// without end.
///
/// # Errors
/// One line that says why it cannot be used.
pub fn compile(pattern: &str) -> Result<Regex, String> {
    RegexBuilder::new(&translate(pattern)).size_limit(SIZE_LIMIT).dfa_size_limit(SIZE_LIMIT).build().map_err(|error| {
        match error {
            Error::CompiledTooBig(_) => "it needs more than 1 MiB of memory".to_owned(),
            other => {
                let text = other.to_string();
                let last = text.lines().last().unwrap_or_default();
                last.strip_prefix("error: ").unwrap_or(last).to_owned()
            }
        }
    })
}

fn translate(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len() + 16);
    let mut chars = pattern.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some('b') => out.push_str(r"(?-u:\b)"),
                Some('B') => out.push_str(r"(?-u:\B)"),
                Some('Q') => quoted(&mut chars, &mut out),
                Some(class @ ('x' | 'p' | 'P')) if chars.peek() == Some(&'{') => {
                    out.push('\\');
                    out.push(class);
                    // The brace and what is in it, up to the closing one.
                    out.extend(std::iter::from_fn(|| chars.next_if(|c| *c != '}')));
                }
                Some(escaped) => escape(escaped, "(?-i:", ")", &mut out),
                None => out.push('\\'),
            },
            '[' => set(&mut chars, &mut out),
            '{' if !is_repetition(chars.clone()) => out.push_str(r"\{"),
            _ => out.push(c),
        }
    }
    out
}

/// `\d` and its like become sets, between `open` and `close`; every other escape stays what it is.
fn escape(escaped: char, open: &str, close: &str, out: &mut String) {
    let (negated, members) = match escaped {
        'd' => ("", DIGIT),
        'D' => ("^", DIGIT),
        's' => ("", SPACE),
        'S' => ("^", SPACE),
        'w' => ("", WORD),
        'W' => ("^", WORD),
        '<' | '>' => return out.push(escaped),
        _ => {
            out.push('\\');
            return out.push(escaped);
        }
    };
    for part in [open, "[", negated, members, "]", close] {
        out.push_str(part);
    }
}

/// `\Q…\E`: everything up to `\E`, or to the end, is literal.
fn quoted(chars: &mut Peekable<Chars<'_>>, out: &mut String) {
    let mut literal = String::new();
    while let Some(c) = chars.next() {
        if c == '\\' && chars.next_if_eq(&'E').is_some() {
            break;
        }
        literal.push(c);
    }
    out.push_str(&regex::escape(&literal));
}

/// `[…]`; the opening bracket has been read.
fn set(chars: &mut Peekable<Chars<'_>>, out: &mut String) {
    out.push('[');
    if chars.next_if_eq(&'^').is_some() {
        out.push('^');
    }
    let mut first = true;
    let mut range = false;
    while let Some(c) = chars.next() {
        let open_range = std::mem::take(&mut range);
        match c {
            ']' if !first => return out.push(']'),
            ']' | '&' | '~' => {
                out.push('\\');
                out.push(c);
            }
            '[' => match posix(chars) {
                Some(class) => out.push_str(&class),
                None => out.push_str(r"\["),
            },
            '-' if first || open_range || chars.peek() == Some(&']') => out.push_str(r"\-"),
            '-' => {
                out.push('-');
                range = true;
            }
            '\\' => match chars.next() {
                Some(escaped) => escape(escaped, "", "", out),
                None => out.push('\\'),
            },
            _ => out.push(c),
        }
        first = false;
    }
}

/// `[:alpha:]`; its opening bracket has been read.
fn posix(chars: &mut Peekable<Chars<'_>>) -> Option<String> {
    let mut ahead = chars.clone();
    let mut class = String::from("[");
    if ahead.next() != Some(':') {
        return None;
    }
    class.push(':');
    loop {
        match ahead.next()? {
            ':' if ahead.next() == Some(']') => {
                class.push_str(":]");
                *chars = ahead;
                return Some(class);
            }
            c if c == '^' || c.is_ascii_lowercase() => class.push(c),
            _ => return None,
        }
    }
}

/// Whether `{` starts `{n}`, `{n,}` or `{n,m}`; the brace has been read.
fn is_repetition(mut chars: Peekable<Chars<'_>>) -> bool {
    let mut digits = || {
        let mut count = 0;
        while chars.next_if(char::is_ascii_digit).is_some() {
            count += 1;
        }
        (count, chars.next())
    };
    match digits() {
        (1.., Some('}')) => true,
        (1.., Some(',')) => digits().1 == Some('}'),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn reads_as_re2_does() {
        for (pattern, subject, expected) in [
            ("b", "abc", true),
            ("^b", "abc", false),
            ("(?i)AB", "xabx", true),
            (r"^\d+$", "123", true),
            (r"^\d+$", "١٢٣", false),
            (r"^\D+$", "١٢٣", true),
            (r"^\w+$", "a_1", true),
            (r"^\w+$", "ä", false),
            (r"(?i)^\w$", "ſ", false),
            (r"(?i)^k$", "\u{212a}", true),
            (r"^\s$", "\u{a0}", false),
            (r"^\s$", "\t", true),
            (r"\bä", "aä", true),
            (r"^a\Bb", "ab", true),
            (r"a\B", "ä", false),
            (r"^[\w-.]+$", "a-.b", true),
            (r"^[\w-.]+$", "a/b", false),
            (r"^[^\W]+$", "ab", true),
            (r"^[[a]+$", "[a[", true),
            (r"^[a&&b]+$", "a&b", true),
            (r"^[+--]+$", "+,-", true),
            (r"^[a~~b]+$", "a~b", true),
            (r"^[]a]+$", "]a", true),
            (r"^[^]a]+$", "bc", true),
            (r"^[-a]+$", "a-", true),
            (r"^[a-]+$", "a-", true),
            (r"^[[:alpha:][:digit:]]+$", "a1", true),
            (r"^[[:^alpha:]]+$", "12", true),
            (r"^\<a\>$", "<a>", true),
            (r"^\Qa.b\E.$", "a.bx", true),
            (r"^\Qa.b\E.$", "axbx", false),
            (r"^\Q[a", "[a", true),
            ("^{a}{,2}$", "{a}{,2}", true),
            ("^a{2}$", "aa", true),
            ("^a{1,}b{0,1}$", "aaa", true),
            (r"^\pL+$", "äö", true),
            (r"^\p{Greek}\x{41}\P{L}[\p{Lu}\x{42}]$", "αA1B", true),
            (r"^a.c$", "a\nc", false),
            ("^/(?P<id>[0-9]+)/(?<x>a|b)$", "/12/a", true),
            (r"^/foo\.[^/]+/$", "/foo.bar/", true),
        ] {
            assert_eq!(compile(pattern).unwrap().is_match(subject), expected, "{pattern} on {subject:?}");
        }
    }

    #[test]
    fn faults_are_told_in_one_line() {
        for (pattern, needle) in [
            ("(a", "unclosed group"),
            ("(?=a)", "look-around"),
            (r"(a)\1", "backreferences"),
            ("[a", "unclosed character class"),
            (r"(\pL{100}){100}", "1 MiB"),
            ("\\", "incomplete escape"),
        ] {
            let error = compile(pattern).map(|_| ()).unwrap_err();
            assert!(error.contains(needle) && error.lines().count() == 1, "{pattern}: {error}");
        }
    }
}
