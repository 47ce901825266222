//! Query parameters, read where they stand: nothing is allocated unless a regular expression needs a decoded value.

use std::borrow::Cow;

/// The still encoded values of a parameter, in order. A pair whose name has a broken percent sequence is passed over.
pub(super) fn values<'q>(query: Option<&'q str>, key: &[u8]) -> impl Iterator<Item = &'q str> {
    query
        .unwrap_or_default()
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .filter(move |(name, _)| decodes_to(name, key))
        .map(|(_, value)| value)
}

/// Whether the encoded text stands for exactly these bytes; never true for a broken percent sequence.
pub(super) fn decodes_to(encoded: &str, plain: &[u8]) -> bool {
    let mut plain = plain.iter();
    let mut rest = encoded.as_bytes();
    while let Some((byte, tail)) = next(rest) {
        if byte.is_none() || byte != plain.next().copied() {
            return false;
        }
        rest = tail;
    }
    plain.next().is_none()
}

/// What the encoded text stands for; `None` for a broken percent sequence.
pub(super) fn decode(encoded: &str) -> Option<Cow<'_, [u8]>> {
    if !encoded.contains(['%', '+']) {
        return Some(Cow::Borrowed(encoded.as_bytes()));
    }
    let mut out = Vec::with_capacity(encoded.len());
    let mut rest = encoded.as_bytes();
    while let Some((byte, tail)) = next(rest) {
        out.push(byte?);
        rest = tail;
    }
    Some(Cow::Owned(out))
}

/// The first character's byte (`None` inside for a broken sequence) and what follows it.
fn next(text: &[u8]) -> Option<(Option<u8>, &[u8])> {
    match text {
        [] => None,
        [b'%', high, low, rest @ ..] => {
            let digit = |d: &u8| char::from(*d).to_digit(16);
            let byte = digit(high).zip(digit(low)).and_then(|(h, l)| u8::try_from(h * 16 + l).ok());
            Some((byte, rest))
        }
        [b'%', ..] => Some((None, &[])),
        [b'+', rest @ ..] => Some((Some(b' '), rest)),
        [byte, rest @ ..] => Some((Some(*byte), rest)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_values_are_decoded_where_they_stand() {
        let found = |query, key: &str| values(Some(query), key.as_bytes()).collect::<Vec<_>>();
        assert_eq!(found("a=1&b=2&a=3", "a"), ["1", "3"]);
        assert_eq!(found("%61=1&a&&=x&a=", "a"), ["1", "", ""]);
        assert_eq!(found("a+b=1&a%20b=2&a%2=3", "a b"), ["1", "2"]);
        assert_eq!(found("=x", ""), ["x"]);
        assert!(values(None, b"a").next().is_none());
    }

    #[test]
    fn broken_sequences_equal_nothing() {
        for (encoded, plain, equal) in [
            ("a%20b+c", "a b c", true),
            ("%C3%A4", "ä", true),
            ("a%", "a%", false),
            ("a%", "a", false),
            ("a%2", "a%2", false),
            ("%zz", "%zz", false),
            ("ab", "a", false),
            ("a", "ab", false),
            ("", "", true),
        ] {
            assert_eq!(decodes_to(encoded, plain.as_bytes()), equal, "{encoded} {plain}");
            assert_eq!(decode(encoded).is_some_and(|d| *d == *plain.as_bytes()), equal, "{encoded} {plain}");
        }
    }
}
