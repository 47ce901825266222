//! Each diagnostic is logged once when it appears and once when it is gone.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use seaway_config::{Code, Diagnostic, Severity};

use crate::merge::Found;

/// So many are logged one by one when they appear together, the worst first; the rest by code, with their places.
const MOST: usize = 500;
/// Of each code so many places are named when it is summed up.
const MOST_PLACES: usize = 20;

/// A diagnostic is the same one as long as these are: which replica it was found at does not matter.
type Key = (Code, Arc<str>, Box<str>, String);

/// What was logged and is still true.
#[derive(Debug, Default)]
pub struct Faults {
    known: BTreeMap<Key, Severity>,
}

/// One line for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// How loud.
    pub severity: Severity,
    /// The text.
    pub text: String,
}

impl Faults {
    /// Takes what is true now; gives the lines for what is new and for what is gone.
    pub fn update(&mut self, found: &[Found]) -> Vec<Line> {
        let mut now = BTreeMap::new();
        let mut news = Vec::new();
        for Found { whose, diagnostic } in found {
            let key: Key =
                (diagnostic.code, Arc::clone(whose), diagnostic.origin.key.clone(), diagnostic.message.clone());
            if !self.known.contains_key(&key) && !now.contains_key(&key) {
                news.push(diagnostic);
            }
            now.insert(key, diagnostic.severity);
        }
        // Errors first, and of those the rules that nobody can read: their requests may go anywhere.
        news.sort_by_key(|found| (Reverse(found.severity), found.code != Code::BadRule));
        let one_by_one = news.len().min(MOST);
        let (told, rest) = news.split_at(one_by_one);
        let mut lines: Vec<Line> =
            told.iter().map(|found| Line { severity: found.severity, text: found.to_string() }).collect();
        lines.extend(summed_up(rest));
        let gone: Vec<&Key> = self.known.keys().filter(|key| !now.contains_key(*key)).collect();
        for (code, whose, key, message) in gone.iter().copied().take(MOST) {
            let place = if key.is_empty() { whose.to_string() } else { format!("{whose}: {key}") };
            lines.push(Line { severity: Severity::Info, text: format!("{code} is over: {place}: {message}") });
        }
        if gone.len() > MOST {
            let text = format!("{} more diagnostics are over", gone.len() - MOST);
            lines.push(Line { severity: Severity::Info, text });
        }
        self.known = now;
        lines
    }
}

/// One line for each severity and code, the worst first.
fn summed_up(rest: &[&Diagnostic]) -> Vec<Line> {
    let mut groups: BTreeMap<(Reverse<Severity>, Code), Vec<&Diagnostic>> = BTreeMap::new();
    for found in rest {
        groups.entry((Reverse(found.severity), found.code)).or_default().push(found);
    }
    let line = |((Reverse(severity), code), group): (_, Vec<&Diagnostic>)| {
        let places: Vec<_> = group.iter().take(MOST_PLACES).map(|found| found.origin.to_string()).collect();
        let more = match group.len().saturating_sub(MOST_PLACES) {
            0 => String::new(),
            more => format!(", and {more} more"),
        };
        Line { severity, text: format!("{code} {} times more: {}{more}", group.len(), places.join(", ")) }
    };
    groups.into_iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use seaway_config::Origin;

    use super::*;

    fn with(severity: Severity, code: Code, n: usize) -> Found {
        let mut found = found(&format!("c{n}"), &format!("c{n}"), "k");
        (found.diagnostic.severity, found.diagnostic.code) = (severity, code);
        found
    }

    fn found(whose: &str, container: &str, key: &str) -> Found {
        let origin = Origin::resource("docker", container).at(key);
        Found { whose: whose.into(), diagnostic: Diagnostic::error(Code::BadRule, origin, "it is bad", "it is off") }
    }

    #[test]
    fn each_is_told_once_and_once_when_it_is_over() {
        let mut faults = Faults::default();
        let first = faults.update(&[found("web", "web-1", "k")]);
        assert_eq!(
            first,
            [Line { severity: Severity::Error, text: "SW0201 docker web-1: k: it is bad; it is off".into() }]
        );
        for _ in 0..1000 {
            assert_eq!(faults.update(&[found("web", "web-1", "k")]), []);
        }
        assert_eq!(faults.update(&[found("web", "web-7", "k")]), [], "another replica, the same fault");
        let over = faults.update(&[]);
        assert_eq!(over, [Line { severity: Severity::Info, text: "SW0201 is over: web: k: it is bad".into() }]);
        assert_eq!(faults.update(&[]), []);
        assert_eq!(faults.update(&[found("web", "web-1", "k")]).len(), 1, "it is news again");
    }

    #[test]
    fn a_thousand_at_once_are_summed_up() {
        let mut faults = Faults::default();
        let many: Vec<Found> = (0..1000).map(|n| found(&format!("c{n}"), &format!("c{n}"), "k")).collect();
        let lines = faults.update(&many);
        assert_eq!(lines.len(), MOST + 1);
        let last = lines.last().unwrap();
        assert!(last.text.starts_with("SW0201 500 times more: docker c500: k, docker c501: k, "), "{}", last.text);
        assert!(last.text.ends_with("docker c519: k, and 480 more"), "{}", last.text);
        assert_eq!(faults.update(&many), []);
        assert_eq!(faults.update(&[]).len(), MOST + 1);
    }

    #[test]
    fn the_worst_is_told_first_and_one_by_one() {
        let mut many: Vec<Found> = (0..600).map(|n| with(Severity::Warning, Code::UnknownOption, n)).collect();
        many.push(with(Severity::Error, Code::BadValue, 600));
        many.push(with(Severity::Error, Code::BadRule, 601));
        let lines = Faults::default().update(&many);
        assert!(lines[0].text.starts_with("SW0201 docker c601: k"), "{}", lines[0].text);
        assert!(lines[1].text.starts_with("SW0102 docker c600: k"), "{}", lines[1].text);
        assert_eq!(lines[2].severity, Severity::Warning);
        assert!(lines[MOST].text.starts_with("SW0101 102 times more: docker c498: k, "), "{}", lines[MOST].text);
        assert_eq!((lines.len(), lines[MOST].severity), (MOST + 1, Severity::Warning));
    }
}
