//! String literals as Go writes them: `` `raw` `` and `"escaped"`.

/// Reads the literal that `text` starts with; gives its value and the rest.
pub(crate) fn string(text: &str) -> Result<(String, &str), String> {
    let mut chars = text.char_indices();
    match chars.next() {
        Some((_, '`')) => {
            let body = text.get(1..).unwrap_or_default();
            let (value, rest) = body.split_once('`').ok_or("a string that starts with a back-tick does not end")?;
            Ok((value.to_owned(), rest))
        }
        Some((_, '"')) => {
            let mut value = String::new();
            while let Some((at, c)) = chars.next() {
                match c {
                    '"' => return Ok((value, text.get(at + 1..).unwrap_or_default())),
                    '\n' => break,
                    '\\' => value.push(escape(&mut chars)?),
                    _ => value.push(c),
                }
            }
            Err("a string that starts with a double quote does not end".to_owned())
        }
        _ => Err("a string is expected: `…` or \"…\"".to_owned()),
    }
}

fn escape(chars: &mut std::str::CharIndices<'_>) -> Result<char, String> {
    let bad = || "a back-slash in a string is followed by something that is no escape".to_owned();
    let digits = match chars.next().map(|(_, c)| c).ok_or_else(bad)? {
        'n' => return Ok('\n'),
        't' => return Ok('\t'),
        'r' => return Ok('\r'),
        '\\' => return Ok('\\'),
        '"' => return Ok('"'),
        '\'' => return Ok('\''),
        'x' => 2,
        'u' => 4,
        'U' => 8,
        _ => return Err(bad()),
    };
    let mut code = 0u32;
    for _ in 0..digits {
        let digit = chars.next().and_then(|(_, c)| c.to_digit(16)).ok_or_else(bad)?;
        code = code.checked_mul(16).and_then(|c| c.checked_add(digit)).ok_or_else(bad)?;
    }
    char::from_u32(code).ok_or_else(bad)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals() {
        assert_eq!(string("`a\\b`, x"), Ok(("a\\b".to_owned(), ", x")));
        assert_eq!(string(r#""a\"\x41\u00e9\\n\n" x"#), Ok(("a\"Aé\\n\n".to_owned(), " x")));
        for bad in
            ["`a", "\"a", "\"a\\", "\"\\q\"", "\"\\x4\"", "\"\\ud800\"", "\"\\UFFFFFFFFF\"", "'a'", "", "\"a\nb\""]
        {
            assert!(string(bad).is_err(), "{bad}");
        }
    }
}
