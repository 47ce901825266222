//! `common` and `genericCLF`, to the byte as Traefik writes them for harmless text. Of foreign text also backslashes and
//! controls are escaped, without which a client could forge the end of a field.

use crate::fields::Field;
use crate::text::{Place, Utc, push_number, push_text};
use crate::{Fields, Record};

/// `genericCLF` and four fields more: request count, router, server URL, duration.
pub(super) fn write_common(record: &Record<'_>, fields: &Fields, out: &mut Vec<u8>) {
    write_generic(record, fields, out);
    out.push(b' ');
    push_kept(out, fields.keeps(Field::RequestCount), record.request_count);
    push_quoted(out, record.router.filter(|_| fields.keeps(Field::RouterName)));
    push_quoted(out, record.server_url.filter(|_| fields.keeps(Field::ServiceUrl)));
    out.push(b' ');
    let kept = fields.keeps(Field::Duration);
    let millis = record.duration.as_millis().min(u128::from(u64::MAX)) as u64;
    push_number(out, if kept { millis } else { 0 });
    out.extend_from_slice(b"ms");
}

/// `<client> - <user> [<time>] "<request line>" <status> <bytes> "<referer>" "<user agent>"`.
pub(super) fn write_generic(record: &Record<'_>, fields: &Fields, out: &mut Vec<u8>) {
    let kept = |field: Field, text| if fields.keeps(field) { text } else { "" };
    push_or_dash(out, kept(Field::ClientHost, record.client()), Place::List);
    out.extend_from_slice(b" - ");
    push_or_dash(out, kept(Field::ClientUsername, record.user.unwrap_or_default()), Place::Word);
    out.extend_from_slice(b" [");
    match fields.keeps(Field::StartUtc) || fields.keeps(Field::StartLocal) {
        true => Utc::new(record.start).push_clf(out),
        false => out.push(b'-'),
    }
    out.extend_from_slice(b"] \"");
    push_or_dash(out, kept(Field::RequestMethod, record.method), Place::Word);
    out.push(b' ');
    push_or_dash(out, kept(Field::RequestPath, fields.path(record.path_and_query)), Place::Word);
    out.push(b' ');
    push_or_dash(out, kept(Field::RequestProtocol, record.protocol), Place::Word);
    out.extend_from_slice(b"\" ");
    push_kept(out, record.status != 0 && fields.keeps(Field::DownstreamStatus), record.status);
    out.push(b' ');
    push_kept(out, fields.keeps(Field::DownstreamContentSize), record.response_bytes);
    push_quoted(out, record.header("Referer"));
    push_quoted(out, record.header("User-Agent"));
}

/// The number, or a dash where it is not to be told.
fn push_kept(out: &mut Vec<u8>, kept: bool, number: impl itoa::Integer) {
    match kept {
        true => push_number(out, number),
        false => out.push(b'-'),
    }
}

fn push_or_dash(out: &mut Vec<u8>, text: &str, place: Place) {
    push_text(out, if text.is_empty() { "-" } else { text }, place);
}

fn push_quoted(out: &mut Vec<u8>, text: Option<&str>) {
    out.extend_from_slice(b" \"");
    push_or_dash(out, text.unwrap_or_default(), Place::Quoted);
    out.push(b'"');
}
