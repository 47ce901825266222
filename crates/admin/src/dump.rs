//! `/api/support-dump`: the version, the static options without addresses and credentials, and what is routed, in one
//! archive to send to somebody.

use http::Response;
use serde_json::{Value, json};

use crate::{View, objects, reply};

/// Bytes of a block of a tar archive.
const BLOCK: usize = 512;

/// Options whose values say where something is or how to get in.
const HIDDEN: &[&str] = &[
    "address",
    "trustedIPs",
    "endpoint",
    "username",
    "password",
    "token",
    "ca",
    "cert",
    "key",
    "email",
    "filePath",
    "sourceRange",
    "excludedIPs",
    "users",
    "directory",
    "filename",
    "headers",
];

/// What stands for a hidden value.
const MASK: &str = "xxxx";

/// The archive.
pub(crate) fn answer(view: &View<'_>) -> Response<Vec<u8>> {
    let mut options = json!(view.options);
    hide(&mut options);
    let version = json!({"version": view.version, "codename": "seaway", "startDate": view.started});
    let runtime = objects::raw_data(view);
    let mut archive = Vec::new();
    for (name, value) in [("version.json", version), ("static-config.json", options), ("runtime-config.json", runtime)]
    {
        append(&mut archive, name, value.to_string().as_bytes());
    }
    archive.resize(archive.len() + 2 * BLOCK, 0);
    reply::file("support-dump.tar.gz", "application/gzip", gzip(&archive))
}

fn hide(value: &mut Value) {
    match value {
        Value::Object(members) => {
            for (key, member) in members {
                match HIDDEN.contains(&key.as_str()) {
                    true => mask(member),
                    false => hide(member),
                }
            }
        }
        Value::Array(members) => members.iter_mut().for_each(hide),
        _ => {}
    }
}

fn mask(value: &mut Value) {
    match value {
        Value::Array(members) => members.iter_mut().for_each(mask),
        Value::Object(members) => members.values_mut().for_each(mask),
        Value::Null => {}
        other => *other = json!(MASK),
    }
}

/// One file of a tar archive in the form of POSIX.1-1988 (ustar).
fn append(archive: &mut Vec<u8>, name: &str, content: &[u8]) {
    let mut header = [0; BLOCK];
    let mut put = |at: usize, text: &[u8]| {
        if let Some(field) = header.get_mut(at..at + text.len()) {
            field.copy_from_slice(text);
        }
    };
    put(0, name.as_bytes());
    put(100, b"0000600\0");
    put(108, b"0000000\0");
    put(116, b"0000000\0");
    put(124, format!("{:011o}\0", content.len()).as_bytes());
    put(136, b"00000000000\0");
    // The sum is made with blanks in its own place.
    put(148, b"        ");
    put(156, b"0");
    put(257, b"ustar\x0000");
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    if let Some(field) = header.get_mut(148..156) {
        field.copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    }
    archive.extend_from_slice(&header);
    archive.extend_from_slice(content);
    archive.resize(archive.len().next_multiple_of(BLOCK), 0);
}

/// The gzip form (RFC 1952) of what is not compressed: stored blocks (RFC 1951 §3.2.4).
fn gzip(content: &[u8]) -> Vec<u8> {
    const MOST: usize = 65_535;
    let mut out = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    let mut chunks = content.chunks(MOST).peekable();
    while let Some(chunk) = chunks.next() {
        out.push(u8::from(chunks.peek().is_none()));
        let length = u16::try_from(chunk.len()).unwrap_or(u16::MAX);
        out.extend_from_slice(&length.to_le_bytes());
        out.extend_from_slice(&(!length).to_le_bytes());
        out.extend_from_slice(chunk);
    }
    out.extend_from_slice(&crc32(content).to_le_bytes());
    out.extend_from_slice(&(content.len() as u32).to_le_bytes());
    out
}

/// The CRC of RFC 1952 §8.
fn crc32(content: &[u8]) -> u32 {
    !content.iter().fold(!0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc: u32, _| if crc & 1 == 0 { crc >> 1 } else { crc >> 1 ^ 0xedb8_8320 })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_those_of_the_standards() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        assert_eq!(crc32(b""), 0);
    }

    #[test]
    fn where_things_are_is_hidden() {
        let mut options = json!({"entryPoints": {"web": {"address": ":80", "asDefault": true}},
            "a": [{"trustedIPs": ["10.0.0.0/8"], "level": "INFO"}]});
        hide(&mut options);
        assert_eq!(
            options,
            json!({"entryPoints": {"web": {"address": "xxxx", "asDefault": true}},
                "a": [{"trustedIPs": ["xxxx"], "level": "INFO"}]})
        );
    }
}
