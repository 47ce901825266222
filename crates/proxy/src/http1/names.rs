//! Names of header fields, looked up instead of parsed: a connection sends the same few over and over, and those that
//! are not in the standard's list would be allocated each time.

use std::cell::RefCell;

use http::header::{HeaderName, InvalidHeaderName};

/// Longer names are parsed each time.
const LONGEST: usize = 64;
const SETS: usize = 128;

/// Two names that share a place, the one that came last first.
type Set = [Option<HeaderName>; 2];

thread_local! {
    static KNOWN: RefCell<Vec<Set>> = const { RefCell::new(Vec::new()) };
}

/// The name that these bytes spell in any case.
pub(crate) fn parse(bytes: &[u8]) -> Result<HeaderName, InvalidHeaderName> {
    if bytes.len() > LONGEST {
        return HeaderName::from_bytes(bytes);
    }
    KNOWN.with_borrow_mut(|known| {
        if known.is_empty() {
            known.resize_with(SETS, Set::default);
        }
        let Some(set) = known.get_mut(place(bytes)) else { return HeaderName::from_bytes(bytes) };
        let is = |name: &Option<HeaderName>| {
            name.as_ref().is_some_and(|name| name.as_str().as_bytes().eq_ignore_ascii_case(bytes))
        };
        let [first, second] = set;
        if !is(first) {
            if !is(second) {
                *second = Some(HeaderName::from_bytes(bytes)?);
            }
            std::mem::swap(first, second);
        }
        match first {
            Some(name) => Ok(name.clone()),
            None => HeaderName::from_bytes(bytes),
        }
    })
}

/// A hash that does not tell upper from lower case. It looks at both ends, where names differ.
fn place(bytes: &[u8]) -> usize {
    let end = |part: &[u8]| part.iter().fold(0u64, |all, byte| all << 8 | u64::from(byte | 0x20));
    let head = bytes.first_chunk::<8>().map_or_else(|| end(bytes), |chunk| fold(*chunk));
    let tail = bytes.last_chunk::<8>().map_or(0, |chunk| fold(*chunk));
    let mixed = (head ^ tail.rotate_left(23)).wrapping_add(bytes.len() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    usize::try_from(mixed >> 57).unwrap_or_default()
}

fn fold(chunk: [u8; 8]) -> u64 {
    u64::from_be_bytes(chunk) | 0x2020_2020_2020_2020
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_place_is_in_the_table() {
        for len in 0..=LONGEST {
            for byte in 0..=u8::MAX {
                assert!(place(&vec![byte; len]) < SETS);
            }
        }
        assert_eq!(place(b"X-Custom-Name"), place(b"x-cUSTOM-nAME"));
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
            *taken.entry(place(name.as_bytes())).or_default() += 1;
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
