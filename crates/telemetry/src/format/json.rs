//! `json`: Traefik's field names, in the order in which Go writes a map, with `Error`, `Held`, `Lost`, `ServerName`,
//! `Sticky`, `StickyReason` and `Strategy` added. Durations are nanoseconds; times are UTC.

use crate::Record;
use crate::text::{Place, Utc, nanos, push_number, push_text};

/// Writes the object.
pub(super) fn write(record: &Record<'_>, out: &mut Vec<u8>) {
    let start = Utc::new(record.start);
    let end = Utc::new(record.start.checked_add(record.duration).unwrap_or(record.start));
    let (host, port) = split_port(record.host);
    let overhead = match record.origin_status {
        Some(_) => record.duration.saturating_sub(record.origin_duration),
        None => record.duration,
    };
    let mut object = Object { out, first: true };

    object.client_address(record);
    object.text("ClientHost", record.client());
    object.key("ClientPort");
    object.out.push(b'"');
    push_number(object.out, record.client_port);
    object.out.push(b'"');
    object.text("ClientUsername", record.user.unwrap_or("-"));
    object.number("DownstreamContentSize", record.response_bytes);
    object.number("DownstreamStatus", record.status.into());
    object.number("Duration", nanos(record.duration));
    object.option("Error", record.error);
    if !record.held.is_zero() {
        object.number("Held", nanos(record.held));
    }
    if record.lost {
        object.key("Lost");
        object.out.extend_from_slice(b"true");
    }
    if let Some(status) = record.origin_status {
        object.number("OriginContentSize", record.response_bytes);
        object.number("OriginDuration", nanos(record.origin_duration));
        object.number("OriginStatus", status.into());
    }
    object.number("Overhead", nanos(overhead));
    object.text("RequestAddr", record.host);
    object.number("RequestContentSize", record.request_bytes);
    object.number("RequestCount", record.request_count);
    object.text("RequestHost", host);
    object.text("RequestMethod", record.method);
    object.text("RequestPath", record.path_and_query);
    object.text("RequestPort", port.unwrap_or("-"));
    object.text("RequestProtocol", record.protocol);
    object.text("RequestScheme", record.scheme);
    object.number("RetryAttempts", record.retries().into());
    object.option("RouterName", record.router);
    object.option("ServerName", record.server_name);
    object.option("ServiceAddr", record.server_address);
    object.option("ServiceName", record.service);
    object.option("ServiceURL", record.server_url);
    object.time("StartLocal", start, true);
    object.time("StartUTC", start, true);
    object.text("Sticky", record.sticky);
    object.option("StickyReason", record.sticky_reason);
    object.option("Strategy", Some(record.strategy).filter(|s| !s.is_empty()));
    object.text("entryPointName", record.entry_point);
    object.text("level", "info");
    object.text("msg", "");
    object.option("request_Referer", record.referer);
    object.option("request_User-Agent", record.user_agent);
    object.time("time", end, false);
    object.out.push(b'}');
}

/// Writes members one after another.
struct Object<'o> {
    out: &'o mut Vec<u8>,
    first: bool,
}

impl Object<'_> {
    fn key(&mut self, name: &'static str) {
        self.out.extend_from_slice(if self.first { b"{\"" } else { b",\"" });
        self.first = false;
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
    }

    fn text(&mut self, name: &'static str, text: &str) {
        self.key(name);
        self.out.push(b'"');
        push_text(self.out, text, Place::Json);
        self.out.push(b'"');
    }

    fn option(&mut self, name: &'static str, text: Option<&str>) {
        if let Some(text) = text {
            self.text(name, text);
        }
    }

    fn number(&mut self, name: &'static str, number: u64) {
        self.key(name);
        push_number(self.out, number);
    }

    fn time(&mut self, name: &'static str, time: Utc, fraction: bool) {
        self.key(name);
        self.out.push(b'"');
        time.push_rfc3339(self.out, fraction);
        self.out.push(b'"');
    }

    /// `peer:port`, with brackets around an IPv6 address.
    fn client_address(&mut self, record: &Record<'_>) {
        let brackets = record.client_host.contains(':');
        self.key("ClientAddr");
        self.out.extend_from_slice(if brackets { b"\"[" } else { b"\"" });
        push_text(self.out, record.client_host, Place::Json);
        self.out.extend_from_slice(if brackets { b"]:" } else { b":" });
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
