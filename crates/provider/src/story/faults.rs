//! Each diagnostic is logged once when it appears and once when it is gone.

use std::collections::BTreeMap;
use std::sync::Arc;

use seaway_config::{Code, Severity};

use crate::merge::Found;

/// So many are logged one by one when they appear together; the API lists all.
const MOST: usize = 50;

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
        let mut lines = Vec::new();
        let mut silent = 0usize;
        for Found { whose, diagnostic } in found {
            let key: Key =
                (diagnostic.code, Arc::clone(whose), diagnostic.origin.key.clone(), diagnostic.message.clone());
            if !self.known.contains_key(&key) && !now.contains_key(&key) {
                if lines.len() < MOST {
                    lines.push(Line { severity: diagnostic.severity, text: diagnostic.to_string() });
                } else {
                    silent += 1;
                }
            }
            now.insert(key, diagnostic.severity);
        }
        if silent > 0 {
            lines.push(Line {
                severity: Severity::Warning,
                text: format!("{silent} more diagnostics; the API lists all"),
            });
        }
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

#[cfg(test)]
mod tests {
    use seaway_config::{Diagnostic, Origin};

    use super::*;

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
        assert_eq!(lines.last().map(|l| l.text.as_str()), Some("950 more diagnostics; the API lists all"));
        assert_eq!(faults.update(&many), []);
        assert_eq!(faults.update(&[]).len(), MOST + 1);
    }
}
