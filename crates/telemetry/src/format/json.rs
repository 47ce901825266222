//! `json`: Traefik's field names, in the order in which Go writes a map, with `Error`, `Held`, `Lost`, `ServerName`,
//! `Sticky`, `StickyReason` and `Strategy` added. Durations are nanoseconds; times are UTC.

use std::time::SystemTime;

use crate::Record;
use crate::text::{Place, Utc, nanos, push_number, push_text};

/// The name of a member, with what stands before it: known when this is compiled, so that it is one piece.
macro_rules! key {
    ($name:literal) => {
        concat!(",\"", $name, "\":")
    };
}

/// The same before a text, with its opening quote.
macro_rules! text {
    ($name:literal) => {
        concat!(",\"", $name, "\":\"")
    };
}

/// Writes the object.
pub(super) fn write(record: &Record<'_>, out: &mut Vec<u8>) {
    let (host, port) = split_port(record.host);
    let overhead = match record.origin_status {
        Some(_) => record.duration.saturating_sub(record.origin_duration),
        None => record.duration,
    };
    let mut object = Object { out };

    object.client_address(record);
    object.text(text!("ClientHost"), record.client());
    object.literal(text!("ClientPort"));
    push_number(object.out, record.client_port);
    object.out.push(b'"');
    object.text(text!("ClientUsername"), record.user.unwrap_or("-"));
    object.number(key!("DownstreamContentSize"), record.response_bytes);
    object.number(key!("DownstreamStatus"), record.status.into());
    object.number(key!("Duration"), nanos(record.duration));
    object.option(text!("Error"), record.error);
    if !record.held.is_zero() {
        object.number(key!("Held"), nanos(record.held));
    }
    if record.lost {
        object.literal(concat!(key!("Lost"), "true"));
    }
    if let Some(status) = record.origin_status {
        object.number(key!("OriginContentSize"), record.response_bytes);
        object.number(key!("OriginDuration"), nanos(record.origin_duration));
        object.number(key!("OriginStatus"), status.into());
    }
    object.number(key!("Overhead"), nanos(overhead));
    object.text(text!("RequestAddr"), record.host);
    object.number(key!("RequestContentSize"), record.request_bytes);
    object.number(key!("RequestCount"), record.request_count);
    object.text(text!("RequestHost"), host);
    object.text(text!("RequestMethod"), record.method);
    object.text(text!("RequestPath"), record.path_and_query);
    object.text(text!("RequestPort"), port.unwrap_or("-"));
    object.text(text!("RequestProtocol"), record.protocol);
    object.text(text!("RequestScheme"), record.scheme);
    object.number(key!("RetryAttempts"), record.retries().into());
    object.option(text!("RouterName"), record.router);
    object.option(text!("ServerName"), record.server_name);
    object.option(text!("ServiceAddr"), record.server_address);
    object.option(text!("ServiceName"), record.service);
    object.option(text!("ServiceURL"), record.server_url);
    object.start(record.start);
    object.text(text!("Sticky"), record.sticky);
    object.option(text!("StickyReason"), record.sticky_reason);
    object.option(text!("Strategy"), Some(record.strategy).filter(|s| !s.is_empty()));
    object.text(text!("entryPointName"), record.entry_point);
    object.literal(concat!(text!("level"), "info\"", text!("msg"), "\""));
    object.option(text!("request_Referer"), record.referer);
    object.option(text!("request_User-Agent"), record.user_agent);
    object.literal(text!("time"));
    Utc::new(record.start.checked_add(record.duration).unwrap_or(record.start)).push_rfc3339(object.out, false);
    object.literal("\"}");
}

/// Writes members one after another.
struct Object<'o> {
    out: &'o mut Vec<u8>,
}

impl Object<'_> {
    fn literal(&mut self, literal: &'static str) {
        self.out.extend_from_slice(literal.as_bytes());
    }

    fn text(&mut self, key: &'static str, text: &str) {
        self.literal(key);
        push_text(self.out, text, Place::Json);
        self.out.push(b'"');
    }

    fn option(&mut self, key: &'static str, text: Option<&str>) {
        if let Some(text) = text {
            self.text(key, text);
        }
    }

    fn number(&mut self, key: &'static str, number: u64) {
        self.literal(key);
        push_number(self.out, number);
    }

    /// Local time is UTC, so that one text serves twice.
    fn start(&mut self, start: SystemTime) {
        self.literal(text!("StartLocal"));
        let from = self.out.len();
        Utc::new(start).push_rfc3339(self.out, true);
        let to = self.out.len();
        self.literal(concat!("\"", text!("StartUTC")));
        self.out.extend_from_within(from..to);
        self.out.push(b'"');
    }

    /// `peer:port`, with brackets around an IPv6 address. It comes first.
    fn client_address(&mut self, record: &Record<'_>) {
        let brackets = record.client_host.contains(':');
        self.literal(if brackets { "{\"ClientAddr\":\"[" } else { "{\"ClientAddr\":\"" });
        push_text(self.out, record.client_host, Place::Json);
        self.literal(if brackets { "]:" } else { ":" });
        push_number(self.out, record.client_port);
        self.out.push(b'"');
    }
}

/// Host and port; brackets go where a port is split off, as in Go's `SplitHostPort`.
fn split_port(authority: &str) -> (&str, Option<&str>) {
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') && (host.ends_with(']') || !host.contains(':')) => {
            (host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host), Some(port))
        }
        _ => (authority, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_told_from_addresses() {
        for (authority, host, port) in [
            ("a.example", "a.example", None),
            ("a.example:80", "a.example", Some("80")),
            ("[::1]:80", "::1", Some("80")),
            ("[::1]", "[::1]", None),
            ("::1", "::1", None),
            ("", "", None),
        ] {
            assert_eq!(split_port(authority), (host, port));
        }
    }
}
