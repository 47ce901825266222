//! Names of header fields, looked up instead of parsed: a connection sends the same few over and over, and those that
//! are not in the standard's list would be allocated each time.

use std::cell::RefCell;

use http::header::{HeaderName, InvalidHeaderName};

/// Longer names are parsed each time.
const LONGEST: usize = 8 * WORDS;
const WORDS: usize = 4;
const SETS: usize = 128;

thread_local! {
    static NAMES: RefCell<Names> = const { RefCell::new(Names { sets: Vec::new() }) };
}

/// The names that a worker has met.
pub struct Names {
    sets: Vec<Set>,
}

/// Two names that share a place, the one that came last first.
type Set = [Option<Known>; 2];

struct Known {
    key: Key,
    name: HeaderName,
}

/// A name in lower case, as numbers.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Key {
    len: usize,
    words: [u64; WORDS],
}

/// Gives access to the names of this thread's worker.
pub fn with<T>(look: impl FnOnce(&mut Names) -> T) -> T {
    NAMES.with_borrow_mut(look)
}

impl Names {
    /// The name that these bytes spell in any case.
    #[inline]
    pub fn parse(&mut self, bytes: &[u8]) -> Result<HeaderName, InvalidHeaderName> {
        let Some(key) = Key::of(bytes) else { return HeaderName::from_bytes(bytes) };
        if let Some([Some(first), second]) = self.sets.get_mut(key.place()) {
            if first.key == key {
                return Ok(first.name.clone());
            }
            if let Some(second) = second
                && second.key == key
            {
                std::mem::swap(first, second);
                return Ok(first.name.clone());
            }
        }
        self.learn(key, bytes)
    }

    #[cold]
    fn learn(&mut self, key: Key, bytes: &[u8]) -> Result<HeaderName, InvalidHeaderName> {
        let name = HeaderName::from_bytes(bytes)?;
        if self.sets.is_empty() {
            self.sets.resize_with(SETS, Set::default);
        }
        if let Some([first, second]) = self.sets.get_mut(key.place()) {
            *second = first.replace(Known { key, name: name.clone() });
        }
        Ok(name)
    }
}

impl Key {
    /// None for what is too long, or so short that it is not worth it.
    fn of(bytes: &[u8]) -> Option<Self> {
        let len = bytes.len();
        let mut words = [0; WORDS];
        // The last word may say some of what the one before it has said: with the length that is no ambiguity.
        let last = match bytes.last_chunk::<8>() {
            Some(last) if len <= LONGEST => {
                let (whole, _) = bytes.as_chunks::<8>();
                for (word, chunk) in words.iter_mut().zip(whole) {
                    *word = lower(u64::from_le_bytes(*chunk));
                }
                u64::from_le_bytes(*last)
            }
            Some(_) => return None,
            None => {
                let half = |four: &[u8; 4]| u64::from(u32::from_le_bytes(*four));
                half(bytes.first_chunk()?) << 32 | half(bytes.last_chunk()?)
            }
        };
        if let Some(word) = words.get_mut((len.max(1) - 1) / 8) {
            *word = lower(last);
        }
        Some(Self { len, words })
    }

    fn place(&self) -> usize {
        let [a, b, c, d] = self.words;
        // With these numbers no three of the names that browsers and servers send share a place; others do as well.
        let mixed = a ^ b.rotate_left(7) ^ c.rotate_left(22) ^ d.rotate_left(55);
        // The upper seven bits: as many as there are sets.
        (mixed.wrapping_add(self.len as u64).wrapping_mul(0x5916_92d5_2df6_c155) >> 57) as usize
    }
}

/// A name in lower case; what is not ASCII stays as it is.
pub struct Lower {
    bytes: [u8; 8 * LOWER],
    len: usize,
}

/// Words of the longest name that is looked at so.
const LOWER: usize = 3;

impl Lower {
    /// None for what is longer than the names that mean something to a proxy.
    #[inline]
    pub fn of(name: &[u8]) -> Option<Self> {
        let mut bytes = [0; 8 * LOWER];
        bytes.get_mut(..name.len())?.copy_from_slice(name);
        for word in bytes.as_chunks_mut::<8>().0 {
            *word = lower(u64::from_le_bytes(*word)).to_le_bytes();
        }
        Some(Self { bytes, len: name.len() })
    }
}

impl std::ops::Deref for Lower {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

/// Eight bytes with `A` to `Z` in lower case.
fn lower(bytes: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x80 * ONES;
    let seven = bytes & !HIGH;
    // In each byte the high bit says: at least `A`; beyond `Z`; plain ASCII.
    let from_a = seven + (0x80 - b'A' as u64) * ONES;
    let beyond_z = seven + (0x80 - b'Z' as u64 - 1) * ONES;
    bytes | (from_a & !beyond_z & !bytes & HIGH) >> 2
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(bytes: &[u8]) -> Result<HeaderName, InvalidHeaderName> {
        with(|names| names.parse(bytes))
    }

    #[test]
    fn upper_case_is_lower_case_and_nothing_else_changes() {
        for byte in 0..=u8::MAX {
            let mixed = [byte, 0, b'Z', 0xff, byte, b'a', byte, 0x80];
            assert_eq!(lower(u64::from_le_bytes(mixed)), u64::from_le_bytes(mixed.map(|b| b.to_ascii_lowercase())));
        }
    }

    #[test]
    fn every_place_is_in_the_table() {
        for len in 4..=LONGEST {
            for byte in 0..=u8::MAX {
                assert!(Key::of(&vec![byte; len]).unwrap().place() < SETS);
            }
        }
        assert!(Key::of(b"X-Custom-Name") == Key::of(b"x-cUSTOM-nAME"));
        assert!(Key::of(b"abc").is_none() && Key::of(&[b'a'; LONGEST + 1]).is_none());
    }

    #[test]
    fn a_name_of_our_own_is_allocated_once() {
        let first = parse(b"X-Our-Own").unwrap();
        let again = parse(b"x-our-own").unwrap();
        assert_eq!(first.as_str().as_ptr(), again.as_str().as_ptr());
    }

    #[test]
    fn browsers_names_do_not_push_one_another_out() {
        let names = [
            "host",
            "connection",
            "user-agent",
            "accept",
            "accept-language",
            "accept-encoding",
            "cookie",
            "referer",
            "cache-control",
            "pragma",
            "origin",
            "content-type",
            "content-length",
            "authorization",
            "dnt",
            "te",
            "if-none-match",
            "if-modified-since",
            "range",
            "upgrade-insecure-requests",
            "priority",
            "sec-fetch-dest",
            "sec-fetch-mode",
            "sec-fetch-site",
            "sec-fetch-user",
            "sec-ch-ua",
            "sec-ch-ua-mobile",
            "sec-ch-ua-platform",
            "sec-gpc",
            "x-requested-with",
            "x-forwarded-for",
            "x-forwarded-proto",
            "x-forwarded-host",
            "x-real-ip",
            "x-request-id",
            "traceparent",
            "date",
            "server",
            "content-encoding",
            "transfer-encoding",
            "vary",
            "etag",
            "last-modified",
            "set-cookie",
            "location",
            "x-powered-by",
        ];
        let mut taken = std::collections::HashMap::<usize, usize>::new();
        for name in names {
            let Some(key) = Key::of(name.as_bytes()) else { continue };
            *taken.entry(key.place()).or_default() += 1;
        }
        assert!(taken.values().all(|n| *n <= 2), "{taken:?}");
    }

    proptest! {
        #[test]
        fn the_same_as_without_the_table(names in proptest::collection::vec("[ -~]{0,70}", 1..40)) {
            for name in names.iter().chain(&names) {
                prop_assert_eq!(parse(name.as_bytes()).ok(), HeaderName::from_bytes(name.as_bytes()).ok());
            }
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            prop_assert_eq!(parse(&bytes).ok(), HeaderName::from_bytes(&bytes).ok());
        }
    }
}
