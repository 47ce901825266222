//! Did you mean …? Edit distance without regard to ASCII case.

/// Names longer than this are never compared: nobody mistypes them by a letter or two.
const MAX_CHARS: usize = 80;

/// The known name that is nearest to `name`, if one is near enough to be meant: one edit for names of up to three
/// characters, two up to eight, three above. Of equally near ones, the first by name.
pub fn nearest<'k>(name: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let limit = match name.chars().count() {
        0..=3 => 1,
        4..=8 => 2,
        _ => 3,
    };
    known.into_iter().map(|k| (distance(name, k), k)).filter(|(d, _)| *d <= limit).min().map(|(_, k)| k)
}

/// Damerau-Levenshtein distance (insert, delete, replace, swap neighbours), each part edited once at most, without
/// regard to ASCII case. `usize::MAX` where a name is too long to be compared.
pub fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.chars().take(MAX_CHARS + 1).map(|c| c.to_ascii_lowercase()).collect();
    let b: Vec<char> = b.chars().take(MAX_CHARS + 1).map(|c| c.to_ascii_lowercase()).collect();
    if a.len() > MAX_CHARS || b.len() > MAX_CHARS {
        return usize::MAX;
    }
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, &ca) in a.iter().enumerate() {
        let mut row = Vec::with_capacity(b.len() + 1);
        row.push(i + 1);
        for (j, &cb) in b.iter().enumerate() {
            let mut best = (last[j] + usize::from(ca != cb)).min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && ca == b[j - 1] && a[i - 1] == cb {
                best = best.min(before[j - 1] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last.last().copied().unwrap_or(0)
}

/// True when at most one edit leads from one to the other; linear in their length.
pub fn within_one_edit(a: &str, b: &str) -> bool {
    // One character has at most four bytes.
    if a.len().abs_diff(b.len()) > 4 {
        return false;
    }
    if a.is_ascii() && b.is_ascii() {
        return one_edit(a.as_bytes(), b.as_bytes(), u8::eq_ignore_ascii_case);
    }
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    one_edit(&a, &b, char::eq_ignore_ascii_case)
}

fn one_edit<T>(a: &[T], b: &[T], same: fn(&T, &T) -> bool) -> bool {
    let head = a.iter().zip(b).take_while(|(x, y)| same(x, y)).count();
    let (a, b) = (a.get(head..).unwrap_or_default(), b.get(head..).unwrap_or_default());
    let tail = a.iter().rev().zip(b.iter().rev()).take_while(|(x, y)| same(x, y)).count();
    match (a.get(..a.len() - tail).unwrap_or_default(), b.get(..b.len() - tail).unwrap_or_default()) {
        ([] | [_], [] | [_]) => true,
        ([a1, a2], [b1, b2]) => same(a1, b2) && same(a2, b1),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn distances() {
        for (a, b, d) in [
            ("rule", "rule", 0),
            ("Rule", "rULE", 0),
            ("rul", "rule", 1),
            ("htpp", "http", 1),
            ("treafik", "traefik", 1),
            ("", "abc", 3),
            ("middelwares", "middlewares", 1),
            ("kitten", "sitting", 3),
        ] {
            assert_eq!(distance(a, b), d, "{a} {b}");
        }
        assert_eq!(distance(&"x".repeat(100), "x"), usize::MAX);
    }

    #[test]
    fn nearest_needs_to_be_near() {
        let known = ["rule", "service", "middlewares", "entryPoints", "tls"];
        assert_eq!(nearest("rul", known), Some("rule"));
        assert_eq!(nearest("entrypoint", known), Some("entryPoints"));
        assert_eq!(nearest("tsl", known), Some("tls"));
        assert_eq!(nearest("midlewares", known), Some("middlewares"));
        assert_eq!(nearest("banana", known), None);
        assert_eq!(nearest("xyz", known), None);
    }

    proptest! {
        #[test]
        fn one_edit_agrees_with_the_matrix(a in "[abé.]{0,6}", b in "[abé.]{0,6}") {
            prop_assert_eq!(within_one_edit(&a, &b), distance(&a, &b) <= 1);
        }
    }
}
