//! From text to tokens. A fault is a token too, so that of several faults the first one is reported.

use crate::error::{ParseError, quoted};

/// One token and where it starts.
#[derive(Debug)]
pub(crate) struct Token<'t> {
    pub(crate) kind: Kind<'t>,
    /// In bytes from the start of the rule.
    pub(crate) at: usize,
}

#[derive(Debug)]
pub(crate) enum Kind<'t> {
    Word(&'t str),
    /// A string, its quotes gone and its escapes resolved.
    Text(String),
    And,
    Or,
    Not,
    Open,
    Close,
    Comma,
    End,
    /// What cannot be a token. Nothing is read after it.
    Bad(ParseError),
}

pub(crate) struct Lexer<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Lexer<'t> {
    pub(crate) fn new(text: &'t str) -> Self {
        Self { text, at: 0 }
    }

    /// The next token; `End` for ever once the text is used up.
    pub(crate) fn token(&mut self) -> Token<'t> {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start().len();
        let at = self.at;
        let kind = self.kind().unwrap_or_else(Kind::Bad);
        Token { kind, at }
    }

    /// What has not been read yet.
    pub(crate) fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// The whole rule from `at` on.
    pub(crate) fn from(&self, at: usize) -> &'t str {
        self.text.get(at..).unwrap_or_default()
    }

    fn kind(&mut self) -> Result<Kind<'t>, ParseError> {
        let rest = self.rest();
        let Some(first) = rest.chars().next() else { return Ok(Kind::End) };
        let (kind, length) = match first {
            '(' => (Kind::Open, 1),
            ')' => (Kind::Close, 1),
            ',' => (Kind::Comma, 1),
            '!' => (Kind::Not, 1),
            '&' if rest.starts_with("&&") => (Kind::And, 2),
            '|' if rest.starts_with("||") => (Kind::Or, 2),
            '`' => self.raw(rest)?,
            '"' => self.escaped(rest)?,
            c if c.is_alphabetic() || c == '_' => {
                let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
                (Kind::Word(rest.get(..end).unwrap_or_default()), end)
            }
            _ => return Err(self.stray(first, rest)),
        };
        self.at += length;
        Ok(kind)
    }

    /// A string in back-ticks: nothing in it is special. As in Go, carriage returns do not count.
    fn raw(&self, rest: &str) -> Result<(Kind<'t>, usize), ParseError> {
        let body = rest.get(1..).unwrap_or_default();
        let Some(end) = body.find('`') else {
            return Err(ParseError::new(self.at, "a string starts with a back-tick and has no end")
                .hint("put a back-tick at its end"));
        };
        Ok((Kind::Text(body.get(..end).unwrap_or_default().replace('\r', "")), end + 2))
    }

    /// A string in double quotes, with Go's escapes.
    fn escaped(&self, rest: &str) -> Result<(Kind<'t>, usize), ParseError> {
        let mut bytes = Vec::new();
        let mut chars = rest.char_indices().skip(1);
        while let Some((at, c)) = chars.next() {
            match c {
                '"' => {
                    let text = String::from_utf8(bytes).map_err(|_| {
                        ParseError::new(self.at, "the escapes of a string give bytes that are not UTF-8")
                    })?;
                    return Ok((Kind::Text(text), at + 1));
                }
                '\n' => {
                    return Err(ParseError::new(self.at + at, "a line ends inside a string in double quotes")
                        .hint("close the string before the end of the line, or use back-ticks"));
                }
                '\\' => escape(chars.by_ref().map(|(_, c)| c), &mut bytes).map_err(|problem| {
                    let shown: String = rest.get(at..).unwrap_or_default().chars().take(2).collect();
                    ParseError::new(self.at + at, format!("{} {problem}", quoted(&shown)))
                        .hint("write \\\\ for a backslash, or put the string in back-ticks, where it stands for itself")
                })?,
                _ => push(c, &mut bytes),
            }
        }
        Err(ParseError::new(self.at, "a string starts with a double quote and has no end")
            .hint("put a double quote at its end"))
    }

    /// Explains a character that starts no token.
    fn stray(&self, first: char, rest: &str) -> ParseError {
        let error = |message: String| ParseError::new(self.at, message);
        match first {
            '\'' | '‘' | '’' | '“' | '”' | '„' | '´' => {
                let body = rest.get(first.len_utf8()..).unwrap_or_default();
                let text = body.split(['\'', '‘', '’', '“', '”', '´', ')']).next().unwrap_or_default();
                let what = if first == '\'' { "single quotes do" } else { "typographic quotes do" };
                error(format!("{what} not make a string")).hint(format!("use back-ticks: {}", quoted(text)))
            }
            '&' => error("a single `&` is not an operator".to_owned()).hint("write &&"),
            '|' => error("a single `|` is not an operator".to_owned()).hint("write ||"),
            c if c.is_ascii_digit() => error("a number is not a string".to_owned()).hint("put it in back-ticks"),
            c => error(format!("{} is not expected here", quoted(c.encode_utf8(&mut [0; 4])))),
        }
    }
}

/// Reads what follows a backslash and appends the bytes it stands for.
fn escape(mut chars: impl Iterator<Item = char>, bytes: &mut Vec<u8>) -> Result<(), &'static str> {
    const NO_SUCH: &str = "is not an escape that strings have";
    let byte = match chars.next().ok_or(NO_SUCH)? {
        'a' => 0x07,
        'b' => 0x08,
        't' => b'\t',
        'n' => b'\n',
        'v' => 0x0b,
        'f' => 0x0c,
        'r' => b'\r',
        '\\' => b'\\',
        '"' => b'"',
        'x' => number(&mut chars, 2, 16, 0).and_then(|n| u8::try_from(n).ok()).ok_or("needs two hexadecimal digits")?,
        first @ '0'..='7' => {
            let start = first.to_digit(8).unwrap_or_default();
            let value = number(&mut chars, 2, 8, start).ok_or("needs three octal digits")?;
            u8::try_from(value).map_err(|_| "stands for more than one byte")?
        }
        kind @ ('u' | 'U') => {
            let digits = if kind == 'u' { 4 } else { 8 };
            let value = number(&mut chars, digits, 16, 0).ok_or(if kind == 'u' {
                "needs four hexadecimal digits"
            } else {
                "needs eight hexadecimal digits"
            })?;
            push(char::from_u32(value).ok_or("does not stand for a character")?, bytes);
            return Ok(());
        }
        _ => return Err(NO_SUCH),
    };
    bytes.push(byte);
    Ok(())
}

/// `start` followed by exactly `digits` digits of that base; `None` where there are fewer.
fn number(chars: &mut impl Iterator<Item = char>, digits: usize, base: u32, start: u32) -> Option<u32> {
    (0..digits).try_fold(start, |value, _| value.checked_mul(base)?.checked_add(chars.next()?.to_digit(base)?))
}

fn push(c: char, bytes: &mut Vec<u8>) {
    bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
}

#[cfg(test)]
#[allow(clippy::expect_used)]
mod tests {
    use super::*;

    fn text(source: &str) -> Result<String, ParseError> {
        match Lexer::new(source).token().kind {
            Kind::Text(text) => Ok(text),
            Kind::Bad(error) => Err(error),
            other => panic!("{source}: {other:?}"),
        }
    }

    #[test]
    fn strings_in_double_quotes_have_gos_escapes() {
        for (source, expected) in [
            (r#""a\"b""#, "a\"b"),
            (r#""\\d+""#, "\\d+"),
            (r#""\n\t\r\a\b\f\v""#, "\n\t\r\x07\x08\x0c\x0b"),
            (r#""\x41\x7a""#, "Az"),
            (r#""\xc3\xa4""#, "ä"),
            (r#""\303\244\101""#, "äA"),
            (r#""\u00e4\U0001F980""#, "ä🦀"),
            (r#""ä`b""#, "ä`b"),
            (r#""""#, ""),
        ] {
            assert_eq!(text(source).as_deref(), Ok(expected), "{source}");
        }
    }

    #[test]
    fn bad_escapes_are_explained_where_they_stand() {
        for (source, offset, message) in [
            (r#""ab\d""#, 3, "`\\d` is not an escape that strings have"),
            (r#""\'""#, 1, "`\\'` is not an escape that strings have"),
            (r#""\x4""#, 1, "`\\x` needs two hexadecimal digits"),
            (r#""\u12""#, 1, "`\\u` needs four hexadecimal digits"),
            (r#""\U0001F98""#, 1, "`\\U` needs eight hexadecimal digits"),
            (r#""\U00110000""#, 1, "`\\U` does not stand for a character"),
            (r#""\ud800""#, 1, "`\\u` does not stand for a character"),
            (r#""\UFFFFFFFF""#, 1, "`\\U` does not stand for a character"),
            (r#""\18""#, 1, "`\\1` needs three octal digits"),
            (r#""\400""#, 1, "`\\4` stands for more than one byte"),
            (r#""\xff""#, 0, "the escapes of a string give bytes that are not UTF-8"),
            ("\"a\nb\"", 2, "a line ends inside a string in double quotes"),
            ("\"a", 0, "a string starts with a double quote and has no end"),
            ("\"a\\", 2, "`\\` is not an escape that strings have"),
            ("`a\"", 0, "a string starts with a back-tick and has no end"),
        ] {
            let error = text(source).expect_err(source);
            assert_eq!((error.offset, error.message.as_str()), (offset, message), "{source}");
        }
    }

    #[test]
    fn strings_in_back_ticks_are_taken_as_they_are() {
        for literal in ["{{ .Name }}", "$1${x}$$", r"\d+\.\x", "\"'", "ünï\ncode", "%7B&amp;//"] {
            assert_eq!(text(&format!("`{literal}`")).as_deref(), Ok(literal));
        }
        assert_eq!(text("`a\r\nb`").as_deref(), Ok("a\nb"), "Go drops carriage returns");
    }

    #[test]
    fn tokens_carry_their_place() {
        let mut lexer = Lexer::new(" ! ( A1_b\n,\t`x` ) && || ");
        let mut seen = Vec::new();
        loop {
            let token = lexer.token();
            seen.push((token.at, format!("{:?}", token.kind)));
            if matches!(token.kind, Kind::End) {
                break;
            }
        }
        let expected = [
            (1, "Not"),
            (3, "Open"),
            (5, "Word(\"A1_b\")"),
            (10, "Comma"),
            (12, "Text(\"x\")"),
            (16, "Close"),
            (18, "And"),
            (21, "Or"),
            (24, "End"),
        ];
        assert_eq!(seen, expected.map(|(at, kind)| (at, kind.to_owned())));
        assert!(matches!(lexer.token().kind, Kind::End));
    }
}
