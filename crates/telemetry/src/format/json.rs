//! `json`: Traefik's field names, in the order in which Go writes a map, with `Error`, `Held`, `Lost`, `ServerName`,
//! `Sticky`, `StickyReason` and `Strategy` added. Durations are nanoseconds; times are UTC.

use std::time::SystemTime;

use crate::fields::{Field, Line};
use crate::text::{Place, Utc, nanos, push_number, push_text};
use crate::{Fields, Record};

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

/// Writes the object. `ALL` promises that no field is left out.
pub(super) fn write<const ALL: bool>(record: &Record<'_>, fields: &Fields, out: &mut Vec<u8>) {
    let from = out.len();
    let kept = |field| ALL || fields.keeps(field);
    let mut object = Object { out };
    if kept(Field::ClientAddr) {
        object.client_address(record);
    }
    client_and_outcome(&mut object, record, kept);
    origin(&mut object, record, kept);
    request(&mut object, record, fields, kept);
    if kept(Field::RetryAttempts) {
        object.number(key!("RetryAttempts"), record.retries().into());
    }
    route(&mut object, record, kept);
    object.start(record.start, kept(Field::StartLocal), kept(Field::StartUtc));
    if kept(Field::Sticky) {
        object.text(text!("Sticky"), record.sticky);
    }
    if kept(Field::StickyReason) {
        object.option(text!("StickyReason"), record.sticky_reason);
    }
    if kept(Field::Strategy) {
        object.option(text!("Strategy"), Some(record.strategy).filter(|s| !s.is_empty()));
    }
    let (downstream, origin, request) = record.headers.map_or((&[][..], &[][..], &[][..]), |kept| kept.groups());
    object.headers(",\"downstream_", downstream);
    if kept(Field::EntryPointName) {
        object.text(text!("entryPointName"), record.entry_point);
    }
    object.literal(concat!(text!("level"), "info\"", text!("msg"), "\""));
    object.headers(",\"origin_", origin);
    object.headers(",\"request_", request);
    object.literal(text!("time"));
    Utc::new(record.start.checked_add(record.duration).unwrap_or(record.start)).push_rfc3339(object.out, false);
    object.literal("\"}");
    // Every member begins with a comma; the first of all has a brace in its place.
    if let Some(first) = object.out.get_mut(from) {
        *first = b'{';
    }
}

fn client_and_outcome(object: &mut Object<'_>, record: &Record<'_>, kept: impl Fn(Field) -> bool) {
    if kept(Field::ClientHost) {
        object.text(text!("ClientHost"), record.client());
    }
    if kept(Field::ClientPort) {
        object.literal(text!("ClientPort"));
        push_number(object.out, record.client_port);
        object.out.push(b'"');
    }
    if kept(Field::ClientUsername) {
        object.text(text!("ClientUsername"), record.user.unwrap_or("-"));
    }
    if kept(Field::DownstreamContentSize) {
        object.number(key!("DownstreamContentSize"), record.response_bytes);
    }
    if kept(Field::DownstreamStatus) {
        object.number(key!("DownstreamStatus"), record.status.into());
    }
    if kept(Field::Duration) {
        object.number(key!("Duration"), nanos(record.duration));
    }
    if kept(Field::Error) {
        object.option(text!("Error"), record.error);
    }
}

/// What came from the server; zeros where none was asked, as Traefik has it.
fn origin(object: &mut Object<'_>, record: &Record<'_>, kept: impl Fn(Field) -> bool) {
    let reached = record.origin_status.is_some() || record.forwarded;
    let bytes = if reached { record.origin_bytes.unwrap_or(record.response_bytes) } else { 0 };
    let status = record.origin_status.unwrap_or(if reached { record.status } else { 0 });
    let duration = if reached { record.origin_duration } else { std::time::Duration::ZERO };
    if kept(Field::GzipRatio) && bytes != record.response_bytes && record.response_bytes != 0 {
        object.literal(key!("GzipRatio"));
        object.ratio(bytes, record.response_bytes);
    }
    if kept(Field::Held) && !record.held.is_zero() {
        object.number(key!("Held"), nanos(record.held));
    }
    if kept(Field::Lost) && record.lost {
        object.literal(concat!(key!("Lost"), "true"));
    }
    if kept(Field::OriginContentSize) {
        object.number(key!("OriginContentSize"), bytes);
    }
    if kept(Field::OriginDuration) {
        object.number(key!("OriginDuration"), nanos(duration));
    }
    if kept(Field::OriginStatus) {
        object.number(key!("OriginStatus"), status.into());
    }
    if kept(Field::Overhead) {
        object.number(key!("Overhead"), nanos(record.duration.saturating_sub(duration)));
    }
}

fn request(object: &mut Object<'_>, record: &Record<'_>, fields: &Fields, kept: impl Fn(Field) -> bool) {
    let (host, port) = split_port(record.host);
    if kept(Field::RequestAddr) {
        object.text(text!("RequestAddr"), record.host);
    }
    if kept(Field::RequestContentSize) {
        object.number(key!("RequestContentSize"), record.request_bytes);
    }
    if kept(Field::RequestCount) {
        object.number(key!("RequestCount"), record.request_count);
    }
    if kept(Field::RequestHost) {
        object.text(text!("RequestHost"), host);
    }
    if kept(Field::RequestMethod) {
        object.text(text!("RequestMethod"), record.method);
    }
    if kept(Field::RequestPath) {
        object.text(text!("RequestPath"), fields.path(record.path_and_query));
    }
    if kept(Field::RequestPort) {
        object.text(text!("RequestPort"), port.unwrap_or("-"));
    }
    if kept(Field::RequestProtocol) {
        object.text(text!("RequestProtocol"), record.protocol);
    }
    if kept(Field::RequestScheme) {
        object.text(text!("RequestScheme"), record.scheme);
    }
}

fn route(object: &mut Object<'_>, record: &Record<'_>, kept: impl Fn(Field) -> bool) {
    if kept(Field::RouterName) {
        object.option(text!("RouterName"), record.router);
    }
    if kept(Field::ServerName) {
        object.option(text!("ServerName"), record.server_name);
    }
    if kept(Field::ServiceAddr) {
        object.option(text!("ServiceAddr"), record.server_address);
    }
    if kept(Field::ServiceName) {
        object.option(text!("ServiceName"), record.service);
    }
    if kept(Field::ServiceUrl) {
        object.option(text!("ServiceURL"), record.server_url);
    }
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

    /// As Go writes a float: the shortest text that means the same number.
    fn ratio(&mut self, of: u64, to: u64) {
        self.out.extend_from_slice((of as f64 / to as f64).to_string().as_bytes());
    }

    fn headers(&mut self, prefix: &'static str, lines: &[Line]) {
        for line in lines {
            self.literal(prefix);
            push_text(self.out, &line.name, Place::Json);
            self.literal("\":\"");
            push_text(self.out, &line.value, Place::Json);
            self.out.push(b'"');
        }
    }

    /// Local time is UTC, so that one text serves twice.
    fn start(&mut self, start: SystemTime, local: bool, utc: bool) {
        if !local && !utc {
            return;
        }
        self.literal(if local { text!("StartLocal") } else { text!("StartUTC") });
        let from = self.out.len();
        Utc::new(start).push_rfc3339(self.out, true);
        let to = self.out.len();
        if local && utc {
            self.literal(concat!("\"", text!("StartUTC")));
            self.out.extend_from_within(from..to);
        }
        self.out.push(b'"');
    }

    /// `peer:port`, with brackets around an IPv6 address.
    fn client_address(&mut self, record: &Record<'_>) {
        let brackets = record.client_host.contains(':');
        self.literal(if brackets { ",\"ClientAddr\":\"[" } else { ",\"ClientAddr\":\"" });
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
