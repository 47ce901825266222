//! Seaway's access log, read back.

use std::collections::BTreeMap;

/// One line of `--accesslog.format=seaway`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) status: u16,
    pub(super) method: String,
    /// Host and path.
    pub(super) target: String,
    /// The server's name, `-` where none was asked.
    pub(super) server: String,
    /// `router`, `lb`, `sticky`, `reason`, `attempt`, `held`, `lost`, `error`: what there is of them.
    pub(super) fields: BTreeMap<String, String>,
    pub(super) text: String,
}

impl Line {
    /// The line, if it is one of the access log.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (left, right) = text.split_once(" → ")?;
        let mut left = left.split(' ');
        let clock = left.next()?;
        if clock.len() != 12 || clock.as_bytes().get(8) != Some(&b'.') {
            return None;
        }
        let status = left.next()?.parse().ok()?;
        let (method, target) = (left.next()?.to_owned(), left.next()?.to_owned());
        let mut right = right.split(' ');
        let server = right.next()?.to_owned();
        let fields =
            right.filter_map(|field| field.split_once('=')).map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
        Some(Self { status, method, target, server, fields, text: text.to_owned() })
    }

    /// A field's value.
    pub(super) fn field(&self, name: &str) -> Option<&str> {
        self.fields.get(name).map(String::as_str)
    }

    /// The value of a parameter in the query.
    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        let (_, query) = self.target.split_once('?')?;
        query.split('&').filter_map(|pair| pair.split_once('=')).find(|(key, _)| *key == name).map(|(_, value)| value)
    }
}

/// All lines of the access log among these.
pub(super) fn access(lines: &[String]) -> Vec<Line> {
    lines.iter().filter_map(|line| Line::parse(line)).collect()
}

#[test]
fn lines_are_read_as_they_are_written() {
    let text = "12:04:11.482 200 GET app.localhost/login?n=7&x → web-3 172.20.0.5:80 3.1ms router=web@docker lb=wrr sticky=moved reason=draining";
    let line = Line::parse(text).unwrap();
    assert_eq!((line.status, line.server.as_str(), line.parameter("n")), (200, "web-3", Some("7")));
    assert_eq!(
        (line.field("sticky"), line.field("reason"), line.field("lost")),
        (Some("moved"), Some("draining"), None)
    );
    assert_eq!(Line::parse("12:04:11.482 INFO  web 2→5 (+web-3 +web-4 +web-5) routed in 6 ms"), None);
    assert_eq!(Line::parse("12:04:11.482 404 GET a/x → - 90µs error=no_route").unwrap().server, "-");
}
