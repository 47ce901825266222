//! The numbers that cookie values stand for. Every form is hexadecimal text of at most 64 bits.

use sha1::Sha1;
use sha2::{Digest, Sha256};

/// A cookie value read as lower-case hexadecimal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hex {
    number: u64,
    digits: usize,
}

impl Hex {
    /// A number in sixteen digits.
    pub(super) fn padded(number: u64) -> Self {
        Self { number, digits: 16 }
    }

    /// A number in as many digits as it needs.
    pub(super) fn unpadded(number: u64) -> Self {
        Self { number, digits: number.checked_ilog2().map_or(1, |log| log as usize / 4 + 1) }
    }
}

/// `None` for anything else than 1 to 16 lower-case hexadecimal digits.
pub(super) fn parse_hex(text: &[u8]) -> Option<Hex> {
    if !(1..=16).contains(&text.len()) {
        return None;
    }
    let number = text.iter().try_fold(0, |number: u64, digit| {
        let digit = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some(number << 4 | u64::from(digit))
    })?;
    Some(Hex { number, digits: text.len() })
}

/// Sixteen hexadecimal digits.
pub(super) fn padded(number: u64) -> [u8; 16] {
    let digits = format!("{number:016x}");
    digits.as_bytes().first_chunk().copied().unwrap_or_default()
}

/// The first 64 bits of SHA-256.
pub(super) fn sha256_prefix(text: &str) -> u64 {
    first_u64(&Sha256::digest(text.as_bytes()))
}

/// The first five hexadecimal digits of SHA-1.
pub(super) fn sha1_prefix(text: &str) -> String {
    format!("{:05x}", first_u64(&Sha1::digest(text.as_bytes())) >> 44)
}

/// FNV-1 (not 1a), 64 bits.
pub(super) fn fnv1(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| hash.wrapping_mul(0x0000_0100_0000_01b3) ^ u64::from(*byte))
}

fn first_u64(digest: &[u8]) -> u64 {
    digest.first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes))
}
