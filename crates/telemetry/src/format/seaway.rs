//! `seaway`: `12:04:11.482 200 GET app.localhost/login → web-3 172.20.0.5:80 3.1ms router=web@docker lb=wrr sticky=new`.
//!
//! Times are UTC. What has nothing to tell is left out; where no server was asked, a dash stands for it.

use crate::text::{Place, Utc, push_duration, push_number, push_text};
use crate::{Fields, Record};

const DIM: &str = "2";
const BOLD: &str = "1";
const RED: &str = "31";
const YELLOW: &str = "33";

/// Colours of the 256 that are told apart on dark and on light ground.
const PALETTE: [&str; 12] = [
    "38;5;39", "38;5;208", "38;5;70", "38;5;170", "38;5;37", "38;5;166", "38;5;99", "38;5;142", "38;5;204", "38;5;31",
    "38;5;130", "38;5;133",
];

/// Writes the line.
pub(super) fn write(record: &Record<'_>, fields: &Fields, colour: bool, out: &mut Vec<u8>) {
    let mut line = Line { out, colour };
    line.painted(DIM, |out| Utc::new(record.start).push_clock(out));
    line.out.push(b' ');
    line.painted(status_colour(record.status), |out| match record.status {
        0 => out.push(b'-'),
        status => push_number(out, status),
    });
    line.out.push(b' ');
    line.painted(BOLD, |out| push_text(out, or_dash(record.method), Place::Word));
    line.out.push(b' ');
    push_text(line.out, or_dash(record.host), Place::Word);
    push_text(line.out, fields.path(record.path_and_query), Place::Word);
    line.out.extend_from_slice(" → ".as_bytes());
    match record.server_name {
        Some(name) => {
            line.painted(server_colour(name), |out| push_text(out, or_dash(name), Place::Word));
            if let Some(address) = record.server_address {
                line.out.push(b' ');
                push_text(line.out, address, Place::Word);
            }
        }
        None => line.out.push(b'-'),
    }
    line.out.push(b' ');
    push_duration(line.out, record.duration);
    write_fields(record, &mut line);
}

fn write_fields(record: &Record<'_>, line: &mut Line<'_>) {
    if let Some(router) = record.router {
        line.field(DIM, "router", router);
    }
    if record.service.is_some() {
        if !record.strategy.is_empty() {
            line.field(DIM, "lb", record.strategy);
        }
        let told = if record.sticky == "moved" { YELLOW } else { DIM };
        line.field(told, "sticky", record.sticky);
        if let Some(reason) = record.sticky_reason {
            line.field(told, "reason", reason);
        }
    }
    if record.retries() > 0 {
        line.named(YELLOW, "attempt", |out| push_number(out, record.attempts));
    }
    if !record.held.is_zero() {
        line.named(YELLOW, "held", |out| push_duration(out, record.held));
    }
    match (record.lost, record.error) {
        (true, error) => line.field(RED, "lost", error.unwrap_or("unknown")),
        (false, Some(error)) => line.field(RED, "error", error),
        (false, None) => {}
    }
}

/// The line so far, with or without colours.
struct Line<'o> {
    out: &'o mut Vec<u8>,
    colour: bool,
}

impl Line<'_> {
    fn field(&mut self, colour: &str, name: &str, text: &str) {
        self.named(colour, name, |out| push_text(out, or_dash(text), Place::Word));
    }

    fn named(&mut self, colour: &str, name: &str, value: impl FnOnce(&mut Vec<u8>)) {
        self.out.push(b' ');
        self.painted(colour, |out| {
            out.extend_from_slice(name.as_bytes());
            out.push(b'=');
            value(out);
        });
    }

    fn painted(&mut self, colour: &str, write: impl FnOnce(&mut Vec<u8>)) {
        if !self.colour {
            return write(self.out);
        }
        for part in ["\u{1b}[", colour, "m"] {
            self.out.extend_from_slice(part.as_bytes());
        }
        write(self.out);
        self.out.extend_from_slice(b"\x1b[0m");
    }
}

fn status_colour(status: u16) -> &'static str {
    match status {
        100..200 => "35",
        200..300 => "32",
        300..400 => "36",
        400..500 => YELLOW,
        _ => "1;31",
    }
}

/// Replicas differ in the number at the end of their names: neighbours get different colours by counting on from where
/// the rest of the name puts them.
fn server_colour(name: &str) -> &'static str {
    let stem = name.trim_end_matches(|c: char| c.is_ascii_digit());
    let number = name.get(stem.len()..).and_then(|digits| digits.parse::<usize>().ok()).unwrap_or(0);
    let start = stem.bytes().fold(0usize, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
    PALETTE.get(start.wrapping_add(number) % PALETTE.len()).copied().unwrap_or(DIM)
}

fn or_dash(text: &str) -> &str {
    if text.is_empty() { "-" } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replicas_have_different_colours() {
        let colours: std::collections::BTreeSet<_> =
            (1..=PALETTE.len()).map(|n| server_colour(&format!("web-{n}"))).collect();
        assert_eq!(colours.len(), PALETTE.len());
        assert_eq!(server_colour("web-3"), server_colour("web-3"));
        server_colour("99999999999999999999999999");
        server_colour("");
    }
}
