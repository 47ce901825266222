//! Tables as text.

use std::collections::BTreeSet;

use seaway_testkit::raw::Response;
use seaway_testkit::upstream::Recorded;
use serde_json::Value;

/// A container and what is asked of it.
#[derive(Debug, Default)]
pub(super) struct Block {
    pub(super) name: String,
    pub(super) place: String,
    pub(super) labels: Vec<(String, String)>,
    pub(super) server: String,
    /// The upstream whose requests are looked at.
    pub(super) watch: Option<String>,
    pub(super) tells: BTreeSet<String>,
    pub(super) rows: Vec<Row>,
    /// The value of `X-Block` that its rule asks for.
    rule: Option<String>,
    bare: bool,
}

/// One request, or one question to the API.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) place: String,
    pub(super) method: String,
    pub(super) target: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Option<String>,
    pub(super) checks: Vec<Check>,
}

/// What has to hold.
#[derive(Debug)]
pub(super) enum Check {
    /// `200`
    Status(u16),
    /// `has Name: value`, all its values; `has !Name`
    Has(String, Option<String>),
    /// `text T`, the body without white space at its ends
    Text(String),
    /// `part T`, somewhere in the body
    Part(String),
    /// `bytes N`, the body's length
    Bytes(usize),
    /// `/pointer = json` of a JSON body; `/pointer = -` where there is nothing
    Json(String, Option<String>),
    /// `sent /target`, `sent Name: value`, `sent !Name`: what the server was sent last for this row
    Sent(String, Option<String>),
    /// `unsent`: no server saw it
    Unsent,
    /// `log Key=value`: of its line of the access log; `log -` where there is no line
    Log(String, String),
}

/// The line of a table's file at which its text begins.
const LINES_ABOVE: usize = 3;

/// The blocks of a table.
pub(super) fn parse(topic: &str, text: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let (line, place) = (line.trim(), format!("{topic}:{}: {}", at + LINES_ABOVE, line.trim()));
        if let Some(word) = line.strip_prefix("@ ") {
            blocks.push(Block::new(format!("{topic}-{}", blocks.len()), place, word));
        } else if line.is_empty() || line.starts_with("//") {
            continue;
        } else {
            let block = blocks.last_mut().unwrap_or_else(|| panic!("{place}: before the first block"));
            match line.strip_prefix("+ ") {
                Some(word) => block.word(word),
                None => block.rows.push(Row::new(place, &line.replace("{id}", &block.name))),
            }
        }
    }
    blocks.iter_mut().for_each(Block::finish);
    blocks
}

impl Block {
    pub(super) fn new(name: String, place: String, word: &str) -> Self {
        let mut block = Self { name, place, server: "echo".to_owned(), ..Self::default() };
        block.bare = word.starts_with("label ");
        block.word(word);
        block
    }

    pub(super) fn word(&mut self, word: &str) {
        let (kind, rest) = word.split_once(' ').unwrap_or((word, ""));
        let rest = rest.trim().replace("{id}", &self.name);
        let id = &self.name;
        let label = |prefix: String| {
            let (key, value) = rest.split_once('=').unwrap_or_else(|| panic!("{word}: no value"));
            (format!("{prefix}{key}"), value.to_owned())
        };
        match kind {
            "rule" => self.rule = Some(rest),
            "router" => self.labels.push(label(format!("traefik.http.routers.{id}."))),
            "service" => self.labels.push(label(format!("traefik.http.services.{id}.loadbalancer."))),
            "mw" => self.labels.push(label(format!("traefik.http.middlewares.{id}."))),
            "label" => self.labels.push(label(String::new())),
            "server" => self.server = rest,
            "tells" => self.tells = rest.split_whitespace().map(str::to_owned).collect(),
            "watch" => self.watch = Some(rest),
            "plain" => {}
            _ => panic!("{}: {word}", self.place),
        }
    }

    fn finish(&mut self) {
        let id = self.name.clone();
        let has = |labels: &[(String, String)], part: &str| labels.iter().any(|(key, _)| key.starts_with(part));
        if self.bare {
            return;
        }
        let router = format!("traefik.http.routers.{id}.");
        let rule = match &self.rule {
            Some(rule) => format!("Header(`X-Block`, `{id}`) && ({rule})"),
            None => format!("Host(`{id}.test`)"),
        };
        if self.rule.is_some() {
            // Of rules of one length that may match the same, it is said that their names decide.
            let number = id.rsplit('-').next().and_then(|number| number.parse::<usize>().ok()).unwrap_or_default();
            self.labels.push((format!("{router}priority"), (number + 100).to_string()));
        }
        if !self.labels.iter().any(|(key, _)| *key == format!("{router}rule")) {
            self.labels.push((format!("{router}rule"), rule));
        }
        let middleware = has(&self.labels, &format!("traefik.http.middlewares.{id}."));
        if middleware && !has(&self.labels, &format!("{router}middlewares")) {
            self.labels.push((format!("{router}middlewares"), id));
        }
    }
}

impl Row {
    fn new(place: String, line: &str) -> Self {
        let (question, answer) = line.split_once(" => ").unwrap_or_else(|| panic!("{place}: no =>"));
        let mut parts = question.split(" | ");
        let (method, target) = parts.next().and_then(|part| part.split_once(' ')).unwrap_or_default();
        let mut row = Self {
            method: method.to_owned(),
            target: target.trim().to_owned(),
            headers: Vec::new(),
            body: None,
            checks: answer.split(" | ").map(|check| Check::new(&place, check.trim())).collect(),
            place,
        };
        for part in parts {
            let (name, value) = part.trim().split_once(':').unwrap_or_else(|| panic!("{}: {part}", row.place));
            match name {
                "body" => row.body = Some(value.trim().to_owned()),
                name => row.headers.push((name.to_owned(), value.trim().to_owned())),
            }
        }
        row
    }
}

impl Row {
    /// Puts in what is known only when the upstreams run.
    pub(super) fn fill(&mut self, fill: impl Fn(&str) -> String) {
        for (_, value) in &mut self.headers {
            *value = fill(value);
        }
        for check in &mut self.checks {
            match check {
                Check::Has(_, Some(text))
                | Check::Sent(_, Some(text))
                | Check::Text(text)
                | Check::Json(_, Some(text)) => *text = fill(text),
                _ => {}
            }
        }
    }
}

impl Check {
    fn new(place: &str, text: &str) -> Self {
        let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
        let field = |text: &str| match text.strip_prefix('!') {
            Some(name) => (name.to_owned(), None),
            None => {
                let (name, value) = text.split_once(':').unwrap_or_else(|| panic!("{place}: {text}"));
                (name.to_owned(), Some(value.trim().to_owned()))
            }
        };
        match word {
            "has" => {
                let (name, value) = field(rest);
                Self::Has(name, value)
            }
            "text" => Self::Text(rest.to_owned()),
            "part" => Self::Part(rest.to_owned()),
            "bytes" => Self::Bytes(rest.parse().expect("a length")),
            "sent" if rest.starts_with('/') => Self::Sent(String::new(), Some(rest.to_owned())),
            "sent" => {
                let (name, value) = field(rest);
                Self::Sent(name, value)
            }
            "unsent" => Self::Unsent,
            "log" => {
                let (key, value) = rest.split_once('=').unwrap_or((rest, ""));
                Self::Log(key.to_owned(), value.to_owned())
            }
            _ if word.starts_with('/') => {
                let value = rest.trim_start_matches("= ");
                Self::Json(word.to_owned(), (value != "-").then(|| value.to_owned()))
            }
            _ => Self::Status(word.parse().unwrap_or_else(|_| panic!("{place}: {text}"))),
        }
    }

    /// Why it does not hold of a response.
    pub(super) fn response(&self, got: &Response) -> Option<String> {
        let differs = |got: String, want: String| (got != want).then(|| format!("is {got:?}, not {want:?}"));
        match self {
            Self::Status(want) if got.status == *want => None,
            Self::Status(want) => Some(format!("answers {}, not {want}: {}", got.status, got.text())),
            Self::Has(name, None) => got.all(name).first().map(|value| format!("has {name}: {value}")),
            Self::Has(name, Some(want)) => {
                differs(format!("{name}: {}", got.all(name).join(", ")), format!("{name}: {want}"))
            }
            Self::Text(want) => differs(got.text().trim().to_owned(), want.clone()),
            Self::Part(want) => (!got.text().contains(want)).then(|| format!("no {want:?} in {:?}", got.text())),
            Self::Bytes(want) => differs(got.body.len().to_string(), want.to_string()),
            Self::Json(pointer, want) => {
                let json: Value = serde_json::from_slice(&got.body).unwrap_or_default();
                let found = json.pointer(pointer);
                let want: Option<Value> = want.as_ref().map(|text| serde_json::from_str(text).expect("JSON"));
                (found != want.as_ref()).then(|| format!("{pointer} is {found:?}, not {want:?} in {json}"))
            }
            Self::Sent(..) | Self::Unsent | Self::Log(..) => None,
        }
    }

    /// Why it does not hold of what the server was sent.
    pub(super) fn request(&self, got: Option<&Recorded>) -> Option<String> {
        match (self, got) {
            (Self::Unsent, None) => None,
            (Self::Unsent, Some(got)) => Some(format!("a server was sent {:?}", got.head_text())),
            (Self::Sent(..), None) => Some("no server saw it".to_owned()),
            (Self::Sent(name, want), Some(got)) if name.is_empty() => {
                let start = got.start();
                let target = start.split(' ').nth(1).map(str::to_owned);
                (target != *want).then(|| format!("the server was sent {target:?}, not {want:?}"))
            }
            (Self::Sent(name, want), Some(got)) => {
                let all = got.all(name);
                let found = (!all.is_empty()).then(|| all.join(", "));
                (found != *want).then(|| format!("the server was sent {name}: {found:?}, not {want:?}"))
            }
            _ => None,
        }
    }

    /// Why it does not hold of a line of the access log.
    pub(super) fn log(&self, got: Option<&Value>) -> Option<String> {
        let Self::Log(key, want) = self else { return None };
        let Some(got) = got else { return (key != "-").then(|| "has no line in the log".to_owned()) };
        if key == "-" {
            return Some(format!("has a line in the log: {got}"));
        }
        let found = match &got[key] {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        (found != *want).then(|| format!("the log's {key} is {found:?}, not {want:?}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_that_does_not_hold_says_so() {
        let field = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let response = Response {
            status: 200,
            fields: vec![field("X-A", "1"), field("X-A", "2")],
            body: br#"{"a": [1]}"#.to_vec(),
            start: String::new(),
            trailers: Vec::new(),
            complete: true,
            head: Vec::new(),
        };
        let request = Recorded {
            head: b"GET /x HTTP/1.1\r\n\r\n".to_vec(),
            fields: vec![field("X-A", "1")],
            ..Recorded::default()
        };
        let line = serde_json::json!({ "Name": "web", "Number": 1 });
        let fails = |text: &str| {
            let check = Check::new("here", text);
            let why = [check.response(&response), check.request(Some(&request)), check.log(Some(&line))];
            why.into_iter().flatten().next().is_some()
        };
        let holds = "200|has X-A: 1, 2|has !X-B|part [1]|bytes 10|/a/0 = 1|/b = -|sent /x|sent X-A: 1|sent !X-B|log Name=web|log Number=1";
        let lacks = "404|has X-A: 1|has !X-A|has X-B: 1|text x|part [2]|bytes 9|/a/0 = 2|/a = -|/b = 1|sent /y|sent X-A: 2|sent !X-A|sent X-B: 1|unsent|log Name=x|log Other=x|log -";
        holds.split('|').for_each(|text| assert!(!fails(text), "{text}"));
        lacks.split('|').for_each(|text| assert!(fails(text), "{text}"));
        assert!(Check::new("here", "sent /x").request(None).is_some());
        assert!(Check::new("here", "unsent").request(None).is_none());
        assert!(Check::new("here", "log -").log(None).is_none());
        assert!(Check::new("here", "log Name=web").log(None).is_some());
    }
}
