//! `common` and `genericCLF`, to the byte as Traefik writes them for harmless text. Of foreign text also backslashes and
//! controls are escaped, without which a client could forge the end of a field.

use crate::Record;
use crate::text::{Place, Utc, push_number, push_text};

/// `genericCLF` and four fields more: request count, router, server URL, duration.
pub(super) fn write_common(record: &Record<'_>, out: &mut Vec<u8>) {
    write_generic(record, out);
    out.push(b' ');
    push_number(out, record.request_count);
    push_quoted(out, record.router);
    push_quoted(out, record.server_url);
    out.push(b' ');
    push_number(out, record.duration.as_millis().min(u128::from(u64::MAX)) as u64);
    out.extend_from_slice(b"ms");
}

/// `<client> - <user> [<time>] "<request line>" <status> <bytes> "<referer>" "<user agent>"`.
pub(super) fn write_generic(record: &Record<'_>, out: &mut Vec<u8>) {
    push_or_dash(out, record.client(), Place::List);
    out.extend_from_slice(b" - ");
    push_or_dash(out, record.user.unwrap_or_default(), Place::Word);
    out.extend_from_slice(b" [");
    Utc::new(record.start).push_clf(out);
    out.extend_from_slice(b"] \"");
    push_or_dash(out, record.method, Place::Word);
    out.push(b' ');
    push_or_dash(out, record.path_and_query, Place::Word);
    out.push(b' ');
    push_or_dash(out, record.protocol, Place::Word);
    out.extend_from_slice(b"\" ");
    match record.status {
        0 => out.push(b'-'),
        status => push_number(out, status),
    }
    out.push(b' ');
    push_number(out, record.response_bytes);
    push_quoted(out, record.referer);
    push_quoted(out, record.user_agent);
}

fn push_or_dash(out: &mut Vec<u8>, text: &str, place: Place) {
    push_text(out, if text.is_empty() { "-" } else { text }, place);
}

fn push_quoted(out: &mut Vec<u8>, text: Option<&str>) {
    out.extend_from_slice(b" \"");
    push_or_dash(out, text.unwrap_or_default(), Place::Quoted);
    out.push(b'"');
}
