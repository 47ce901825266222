//! What people may have meant: the line that would mend a rule.

use crate::ast::literal;
use crate::build::{Argument, Call, FUNCTIONS, is_token};
use crate::error::{ParseError, quoted};

/// Longest hint that repeats what the rule says; longer ones give an example.
const LONGEST_HINT: usize = 300;

/// Explains a name that is no matcher: an older or another language's word, other capitals, or a slip of the finger.
pub(crate) fn unknown(call: &Call<'_>) -> ParseError {
    let args = call.args.as_slice();
    let lower = call.name.to_ascii_lowercase();
    let old = |new: &str, write: Option<String>, example: &str| {
        let message = format!("{} belongs to the old rule syntax (v2), which is not supported", quoted(call.name));
        let write = write.unwrap_or_else(|| example.to_owned());
        ParseError::new(call.at, message).hint(format!("its name is {new} now: write {write}"))
    };
    match lower.as_str() {
        "hostheader" => return old("Host", each("Host", args), "Host(`example.com`)"),
        "headers" => return old("Header", whole("Header", args), "Header(`X-Tenant`, `blue`)"),
        "headersregexp" => {
            return old("HeaderRegexp", whole("HeaderRegexp", args), "HeaderRegexp(`X-Tenant`, `^blue`)");
        }
        "hostsni" | "hostsniregexp" | "alpn" => {
            let message = format!("{} is for TCP routers, not for HTTP routers", quoted(call.name));
            return ParseError::new(call.at, message).hint("write Host(`example.com`)");
        }
        _ => {}
    }
    let error = ParseError::new(call.at, format!("{} is not a matcher", quoted(call.name)));
    let nearest = FUNCTIONS.iter().map(|(_, name, ..)| (distance(&lower, &name.to_ascii_lowercase()), *name)).min();
    match nearest {
        Some((0, name)) => error.hint(format!(
            "write {name}; only {name}, {} and {} are understood",
            name.to_ascii_lowercase(),
            name.to_ascii_uppercase()
        )),
        Some((far, name)) if far <= 3 && far * 2 < name.len().max(lower.len()) => {
            error.hint(format!("did you mean {name}?"))
        }
        _ => error.hint(format!("the matchers are {}", FUNCTIONS.map(|(_, name, ..)| name).join(", "))),
    }
}

/// `Host("a") || Host("b")` for `Host("a", "b")`; `None` where that would be too long to read.
pub(crate) fn each(name: &str, args: &[Argument]) -> Option<String> {
    let one = |arg: &Argument| match (name, v3_host_regex(&arg.text)) {
        ("HostRegexp", Some(regex)) => call_text(name, &[&regex]),
        _ => call_text(name, &[&arg.text]),
    };
    readable(args.iter().take(LONGEST_HINT).map(one).collect::<Vec<_>>().join(" || "))
}

/// The same call with another name.
fn whole(name: &str, args: &[Argument]) -> Option<String> {
    readable(call_text(name, &args.iter().take(LONGEST_HINT).map(|arg| arg.text.as_str()).collect::<Vec<_>>()))
}

/// A call with one string, cut where it would be too long to read.
pub(crate) fn suggestion(name: &str, arg: &str) -> String {
    readable(call_text(name, &[arg])).unwrap_or_else(|| format!("{name}({})", quoted(arg)))
}

/// A text, if it is fit for a hint.
pub(crate) fn readable(text: String) -> Option<String> {
    (!text.is_empty() && text.len() <= LONGEST_HINT && !text.contains(char::is_control)).then_some(text)
}

/// A call as rules write it.
pub(crate) fn call_text(name: &str, args: &[&str]) -> String {
    let mut out = format!("{name}(");
    for (at, arg) in args.iter().enumerate() {
        out.push_str(if at > 0 { ", " } else { "" });
        // Writing to a String cannot fail.
        let _infallible = literal(&mut out, arg);
    }
    out + ")"
}

/// What to write in place of several values in one string.
pub(crate) fn listed(name: &str, text: &str) -> Option<String> {
    let values: Vec<_> =
        text.split([',', ';', '|', ' ']).map(str::trim).filter(|value| !value.is_empty()).take(LONGEST_HINT).collect();
    let calls: Vec<_> = values.iter().map(|value| call_text(name, &[value])).collect();
    let sensible = calls.len() > 1 && values.iter().all(|value| is_token(value));
    sensible.then(|| readable(calls.join(" || "))).flatten().map(|calls| format!("write {calls}"))
}

/// What a text that is no host was meant to be.
pub(crate) fn host_hint(given: &str) -> String {
    if let Some(listed) = listed("Host", given.trim()) {
        return listed;
    }
    if given.trim() != given {
        return "take the blank out".to_owned();
    }
    let bare = given.split_once("://").map_or(given, |(_, rest)| rest);
    let (authority, path) = bare.split_once('/').unwrap_or((bare, ""));
    let (host, port) = authority.split_once(':').unwrap_or((authority, ""));
    let host = suggestion("Host", host);
    match path {
        "" if !port.is_empty() => format!("the port is the entry point's matter: write {host}"),
        "" if authority.len() < given.len() => format!("write {host}"),
        "" if given.contains(['(', '[', '{', '\\', '^', '$', '+', '?']) => {
            "for a regular expression use HostRegexp".to_owned()
        }
        "" => "a host has letters, digits, dots, hyphens and underscores only".to_owned(),
        path => format!("write {host} && {}", suggestion("PathPrefix", &format!("/{path}"))),
    }
}

/// The regular expression that v2's `{sub:[a-z]+}.example.com` stands for; `None` if it is not written so.
pub(crate) fn v3_host_regex(text: &str) -> Option<String> {
    let mut out = String::from("^");
    let (mut rest, mut groups) = (text, 0);
    while let Some(open) = rest.find('{') {
        escape_into(&mut out, rest.get(..open)?);
        let inside = rest.get(open + 1..)?;
        let (group, after) = inside.split_at(closing_brace(inside)?);
        let (name, regex) = group.split_once(':')?;
        if !name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') || name.contains(|c: char| !is_word(c)) {
            return None;
        }
        let (left, right) = if regex.contains('|') { ("(?:", ")") } else { ("", "") };
        out.extend([left, regex, right]);
        groups += 1;
        rest = after.get(1..)?;
    }
    escape_into(&mut out, rest);
    out.push('$');
    (groups > 0).then_some(out)
}

/// How many letters to add, drop, change or swap with their neighbour to get from one word to the other.
fn distance(a: &str, b: &str) -> usize {
    // No matcher's name is nearly so long; this keeps the table small whatever the rule says.
    let a: Vec<char> = a.chars().take(32).collect();
    let b: Vec<char> = b.chars().take(32).collect();
    let mut before = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for (i, &from) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, &to) in b.iter().enumerate() {
            let cell = |row: &[usize], at: usize| row.get(at).copied().unwrap_or(usize::MAX / 2);
            let mut least = cell(&above, j) + usize::from(from != to);
            least = least.min(cell(&above, j + 1) + 1).min(cell(&row, j) + 1);
            let swapped = i > 0 && j > 0 && a.get(i - 1) == Some(&to) && b.get(j - 1) == Some(&from);
            if swapped {
                least = least.min(cell(&before, j - 1) + 1);
            }
            row.push(least);
        }
        before = std::mem::replace(&mut above, row);
    }
    above.last().copied().unwrap_or_default()
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '-'
}

/// Where the brace closes that has been opened before `text`.
fn closing_brace(text: &str) -> Option<usize> {
    let mut depth = 1usize;
    text.char_indices().find_map(|(at, c)| {
        depth = match c {
            '{' => depth + 1,
            '}' => depth - 1,
            _ => depth,
        };
        (depth == 0).then_some(at)
    })
}

fn escape_into(out: &mut String, text: &str) {
    for c in text.chars() {
        if c.is_ascii_punctuation() && c != '-' && c != '_' {
            out.push('\\');
        }
        out.push(c);
    }
}

#[cfg(test)]
mod tests {
    use super::distance;

    #[test]
    fn distance_counts_slips() {
        for (a, b, expected) in [
            ("", "", 0),
            ("host", "", 4),
            ("host", "hots", 1),
            ("host", "ost", 1),
            ("host", "hoost", 1),
            ("host", "path", 4),
            ("ab", "ba", 1),
        ] {
            assert_eq!((distance(a, b), distance(b, a)), (expected, expected), "{a} {b}");
        }
    }
}
