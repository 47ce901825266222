//! From tokens to the tree: recursive descent, `!` before `&&` before `||`.

use crate::ast::Expr;
use crate::build::{Argument, Call, build};
use crate::error::{ParseError, quoted};
use crate::lexer::{Kind, Lexer, Token};

/// Longest rule that is read, in bytes.
pub const MAX_BYTES: usize = 64 * 1024;
/// Deepest nesting of parentheses and `!` that is read.
pub const MAX_NESTING: usize = 64;
/// Most matchers that one rule may have.
pub const MAX_MATCHERS: usize = 4096;

/// Reads a rule. White space and line breaks are free between tokens.
///
/// # Errors
/// The first thing that is wrong, with its place.
pub fn parse(text: &str) -> Result<Expr, ParseError> {
    if text.len() > MAX_BYTES {
        let message = format!("the rule has {} bytes, more than the {MAX_BYTES} that are read", text.len());
        return Err(ParseError::new(0, message).located(text));
    }
    let mut lexer = Lexer::new(text);
    let ahead = lexer.token();
    Parser { lexer, ahead, nesting: 0, matchers: 0 }.rule().map_err(|error| error.located(text))
}

struct Parser<'t> {
    lexer: Lexer<'t>,
    /// The token to be read next.
    ahead: Token<'t>,
    nesting: usize,
    matchers: usize,
}

impl<'t> Parser<'t> {
    fn rule(mut self) -> Result<Expr, ParseError> {
        if matches!(self.ahead.kind, Kind::End) {
            return Err(ParseError::new(0, "the rule is empty").hint("for every request: PathPrefix(`/`)"));
        }
        let expr = self.or()?;
        match self.take() {
            Token { kind: Kind::End, .. } => Ok(expr),
            Token { kind: Kind::Close, at } => Err(ParseError::new(at, "this parenthesis was never opened")),
            token => Err(operator_expected(token)),
        }
    }

    fn or(&mut self) -> Result<Expr, ParseError> {
        let mut members = Vec::new();
        loop {
            match self.and()? {
                Expr::Or(inner) => members.extend(inner),
                other => members.push(other),
            }
            if !matches!(self.ahead.kind, Kind::Or) {
                return Ok(joined(members, Expr::Or));
            }
            self.take();
        }
    }

    fn and(&mut self) -> Result<Expr, ParseError> {
        let mut members = Vec::new();
        loop {
            match self.unary()? {
                Expr::And(inner) => members.extend(inner),
                other => members.push(other),
            }
            if !matches!(self.ahead.kind, Kind::And) {
                return Ok(joined(members, Expr::And));
            }
            self.take();
        }
    }

    fn unary(&mut self) -> Result<Expr, ParseError> {
        let outer = self.nesting;
        let mut nots = 0;
        while matches!(self.ahead.kind, Kind::Not) {
            let at = self.take().at;
            self.deeper(at)?;
            nots += 1;
        }
        let operand = match self.take() {
            Token { kind: Kind::Word(name), at } => self.call(name, at)?,
            Token { kind: Kind::Open, at } => self.group(at)?,
            token => return Err(matcher_expected(token)),
        };
        self.nesting = outer;
        Ok((0..nots).fold(operand, |expr, _| Expr::Not(Box::new(expr))))
    }

    /// What stands between parentheses; the opening one, at `open`, has been read.
    fn group(&mut self, open: usize) -> Result<Expr, ParseError> {
        self.deeper(open)?;
        let expr = self.or()?;
        self.nesting -= 1;
        match self.take() {
            Token { kind: Kind::Close, .. } => Ok(expr),
            Token { kind: Kind::End, .. } => Err(ParseError::new(open, "this parenthesis is never closed")),
            token => Err(operator_expected(token)),
        }
    }

    /// `Name(…)`; the name, at `at`, has been read.
    fn call(&mut self, name: &'t str, at: usize) -> Result<Expr, ParseError> {
        let open = match self.take() {
            Token { kind: Kind::Open, at } => at,
            Token { kind: Kind::Bad(error), .. } if !self.lexer.from(error.offset).starts_with(':') => {
                return Err(error);
            }
            token => return Err(no_arguments(name, at, self.lexer.from(token.at))),
        };
        self.matchers += 1;
        if self.matchers > MAX_MATCHERS {
            return Err(ParseError::new(at, format!("the rule has more than {MAX_MATCHERS} matchers")));
        }
        let args = self.arguments(name, open)?;
        build(&Call { name, at, args }).map(Expr::Matcher)
    }

    fn arguments(&mut self, name: &str, open: usize) -> Result<Vec<Argument>, ParseError> {
        let mut args = Vec::new();
        if matches!(self.ahead.kind, Kind::Close) {
            self.take();
            return Ok(args);
        }
        loop {
            match self.take() {
                Token { kind: Kind::Text(text), at } => args.push(Argument { text, at }),
                Token { kind: Kind::Word(_), at } => return Err(bare_argument(name, at, self.lexer.from(at))),
                Token { kind: Kind::Bad(error), .. } => return Err(error),
                Token { kind: Kind::End, .. } => return Err(never_closed(name, open)),
                Token { at, .. } => return Err(ParseError::new(at, format!("{name} needs a string here"))),
            }
            match self.take() {
                Token { kind: Kind::Comma, .. } => {}
                Token { kind: Kind::Close, .. } => return Ok(args),
                Token { kind: Kind::Bad(error), .. } => return Err(error),
                Token { kind: Kind::End, .. } => return Err(never_closed(name, open)),
                Token { at, .. } => {
                    return Err(ParseError::new(at, format!("{name} needs a comma or a closing parenthesis here")));
                }
            }
        }
    }

    fn deeper(&mut self, at: usize) -> Result<(), ParseError> {
        self.nesting += 1;
        if self.nesting <= MAX_NESTING {
            return Ok(());
        }
        Err(ParseError::new(at, format!("the rule is nested deeper than {MAX_NESTING} levels")))
    }

    fn take(&mut self) -> Token<'t> {
        // Nothing is read beyond a fault: the parser stops there.
        let next = match &self.ahead.kind {
            Kind::Bad(_) => Token { kind: Kind::End, at: self.ahead.at },
            _ => self.lexer.token(),
        };
        std::mem::replace(&mut self.ahead, next)
    }
}

/// A list only where there is more than one member.
fn joined(mut members: Vec<Expr>, operator: impl Fn(Vec<Expr>) -> Expr) -> Expr {
    match members.pop() {
        Some(only) if members.is_empty() => only,
        last => {
            members.extend(last);
            operator(members)
        }
    }
}

fn never_closed(name: &str, open: usize) -> ParseError {
    ParseError::new(open, format!("the parenthesis after {} is never closed", quoted(name)))
}

fn matcher_expected(token: Token<'_>) -> ParseError {
    let what = match token.kind {
        Kind::Bad(error) => return error,
        Kind::Text(text) => {
            return ParseError::new(token.at, "a string stands where a matcher is expected")
                .hint(format!("say what it is compared with, for example Host({})", quoted(&text)));
        }
        Kind::End => "the rule ends",
        Kind::Close => "the parenthesis closes",
        Kind::Comma => "a comma stands",
        Kind::And | Kind::Or => "an operator stands",
        Kind::Word(_) | Kind::Not | Kind::Open => "something else stands",
    };
    ParseError::new(token.at, format!("{what} where a matcher is expected"))
        .hint("a matcher looks like this: Host(`example.com`)")
}

fn operator_expected(token: Token<'_>) -> ParseError {
    let error = ParseError::new(token.at, "`&&` or `||` is expected here");
    match token.kind {
        Kind::Bad(error) => error,
        Kind::Word(word) if word.eq_ignore_ascii_case("and") => error.hint("write && in place of the word"),
        Kind::Word(word) if word.eq_ignore_ascii_case("or") => error.hint("write || in place of the word"),
        Kind::Comma => error.hint("a comma only separates the strings of one matcher"),
        _ => error.hint("join two matchers with && (both) or || (one of them)"),
    }
}

/// A name that no parenthesis follows; `rest` is what follows in its place.
fn no_arguments(name: &str, at: usize, rest: &str) -> ParseError {
    if name.eq_ignore_ascii_case("not") {
        return ParseError::new(at, format!("{} is not an operator", quoted(name))).hint("write !");
    }
    let error = ParseError::new(at, format!("{} needs its arguments in parentheses", quoted(name)));
    let value = rest.strip_prefix(':').map(|value| value.split([';', ',', ' ', '&', '|']).next().unwrap_or_default());
    match value {
        Some(value) if !value.is_empty() => error.hint(format!("write {name}({})", quoted(value))),
        _ => error.hint(format!("write {name}(`…`)")),
    }
}

/// A word where a string belongs; `rest` starts with it.
fn bare_argument(name: &str, at: usize, rest: &str) -> ParseError {
    let end = rest.find(|c: char| c.is_whitespace() || "(),`\"'".contains(c)).unwrap_or(rest.len());
    let (word, after) = rest.split_at(end);
    if after.starts_with('(') {
        return ParseError::new(at, format!("{} cannot be inside {name}( )", quoted(word)))
            .hint("matchers take strings only; join matchers with && and ||");
    }
    ParseError::new(at, format!("{} is not a string", quoted(word)))
        .hint(format!("put it in back-ticks: {name}({})", quoted(word)))
}

#[cfg(test)]
#[allow(clippy::expect_used)]
mod tests {
    use super::*;

    /// The canonical text of what was read.
    fn canonical(rule: &str) -> String {
        parse(rule).expect(rule).to_string()
    }

    #[test]
    fn operators_bind_as_documented() {
        for (rule, expected) in [
            ("Host(\"a\") || Host(\"b\") && Path(\"/x\")", "Host(`a`) || Host(`b`) && Path(`/x`)"),
            ("(Host(`a`) || Host(`b`)) && Path(`/x`)", "(Host(`a`) || Host(`b`)) && Path(`/x`)"),
            ("!Host(\"a\") && PathPrefix(\"/\")", "!Host(`a`) && PathPrefix(`/`)"),
            ("!(Host(`a`) && PathPrefix(`/`))", "!(Host(`a`) && PathPrefix(`/`))"),
            (
                "Path(`/a`) && (Path(`/b`) && (Path(`/c`) && Path(`/d`)))",
                "Path(`/a`) && Path(`/b`) && Path(`/c`) && Path(`/d`)",
            ),
        ] {
            assert_eq!(canonical(rule), expected, "{rule}");
        }
        let leaf = |path: &str| parse(&format!("Path(`{path}`)")).expect(path);
        assert_eq!(
            parse("Path(`/a`) || Path(`/b`) && !Path(`/c`) || Path(`/d`)"),
            Ok(Expr::Or(vec![leaf("/a"), Expr::And(vec![leaf("/b"), Expr::Not(Box::new(leaf("/c")))]), leaf("/d"),]))
        );
    }

    #[test]
    fn white_space_and_line_breaks_are_free() {
        let expected = "Host(`a`) && !Header(`k`, `v`)";
        for rule in [
            "Host(`a`)&&!Header(`k`,`v`)",
            "\n Host (\t`a`\r\n)\n&&\n! Header ( `k` , `v` )  \n",
            "Host(`a`) &&\n!Header(`k`,\n`v`)",
            "Host(`a`)\n&& !Header(`k`, `v`)",
            "Host(`a`)\u{a0}&& !Header(`k`, `v`)",
        ] {
            assert_eq!(canonical(rule), expected, "{rule:?}");
        }
    }

    #[test]
    fn faults_are_named_at_their_place() {
        for (rule, offset, message) in [
            ("", 0, "the rule is empty"),
            (" \n\t", 0, "the rule is empty"),
            ("Host('a')", 5, "single quotes do not make a string"),
            ("Host(“a”)", 5, "typographic quotes do not make a string"),
            ("Host(a.com)", 5, "`a.com` is not a string"),
            ("Host(8080)", 5, "a number is not a string"),
            ("Host(Host(`a`))", 5, "`Host` cannot be inside Host( )"),
            ("Host((`a`))", 5, "Host needs a string here"),
            ("Host(`a`,)", 9, "Host needs a string here"),
            ("Host(,`a`)", 5, "Host needs a string here"),
            ("Host(`a` `b`)", 9, "Host needs a comma or a closing parenthesis here"),
            ("Host(`a` && `b`)", 9, "Host needs a comma or a closing parenthesis here"),
            ("Host(`a`+`b`)", 8, "`+` is not expected here"),
            ("Host(`a`", 4, "the parenthesis after `Host` is never closed"),
            ("Host(", 4, "the parenthesis after `Host` is never closed"),
            ("Host(`a)", 5, "a string starts with a back-tick and has no end"),
            ("Host", 0, "`Host` needs its arguments in parentheses"),
            ("Host:a.com", 0, "`Host` needs its arguments in parentheses"),
            ("Host `a`", 0, "`Host` needs its arguments in parentheses"),
            ("(Host(`a`)", 0, "this parenthesis is never closed"),
            ("Host(`a`))", 9, "this parenthesis was never opened"),
            ("()", 1, "the parenthesis closes where a matcher is expected"),
            ("`a`", 0, "a string stands where a matcher is expected"),
            ("Host(`a`) &&", 12, "the rule ends where a matcher is expected"),
            ("|| Host(`a`)", 0, "an operator stands where a matcher is expected"),
            ("!", 1, "the rule ends where a matcher is expected"),
            ("Host(`a`) Host(`b`)", 10, "`&&` or `||` is expected here"),
            ("Host(`a`) and Host(`b`)", 10, "`&&` or `||` is expected here"),
            ("Host(`a`), Host(`b`)", 9, "`&&` or `||` is expected here"),
            ("(Host(`a`) Host(`b`))", 11, "`&&` or `||` is expected here"),
            ("Host(`a`) & Host(`b`)", 10, "a single `&` is not an operator"),
            ("Host(`a`) | Host(`b`)", 10, "a single `|` is not an operator"),
            ("not Host(`a`)", 0, "`not` is not an operator"),
            ("Host(`a`) // b", 10, "`/` is not expected here"),
            ("Host(`a`) ; x", 10, "`;` is not expected here"),
            ("\u{feff}\u{0}", 0, "`\u{feff}` is not expected here"),
            ("\u{0}", 0, "`\u{fffd}` is not expected here"),
            // Of two faults the first is named.
            ("hOst(`a`) 'x'", 0, "`hOst` is not a matcher"),
            ("Host(`a`) && Path(`x`) && Host('b')", 18, "the path `x` does not start with a slash"),
        ] {
            let error = parse(rule).expect_err(rule);
            assert_eq!((error.offset, error.message.as_str()), (offset, message), "{rule}");
        }
    }

    #[test]
    fn hints_name_the_cure() {
        for (rule, hint) in [
            ("Host('a.com')", "use back-ticks: `a.com`"),
            ("Host(‘a.com’)", "use back-ticks: `a.com`"),
            ("Host(a.com)", "put it in back-ticks: Host(`a.com`)"),
            ("Host(`a`) and Host(`b`)", "write && in place of the word"),
            ("Host(`a`) OR Host(`b`)", "write || in place of the word"),
            ("Host(`a`), Host(`b`)", "a comma only separates the strings of one matcher"),
            ("Host:a.com;PathPrefix:/x", "write Host(`a.com`)"),
            ("PathPrefix", "write PathPrefix(`…`)"),
            ("not Host(`a`)", "write !"),
            (
                "Host(\"\\d+\")",
                "write \\\\ for a backslash, or put the string in back-ticks, where it stands for itself",
            ),
        ] {
            assert_eq!(parse(rule).expect_err(rule).hint.as_deref(), Some(hint), "{rule}");
        }
    }

    #[test]
    fn limits_are_errors_and_reached_exactly() {
        let nested = |open: &str, close: &str, levels: usize| {
            format!("{}Host(`a`){}", open.repeat(levels), close.repeat(levels))
        };
        for (open, close) in [("(", ")"), ("!", "")] {
            assert!(parse(&nested(open, close, MAX_NESTING)).is_ok());
            let error = parse(&nested(open, close, MAX_NESTING + 1)).expect_err("too deep");
            assert_eq!((error.offset, error.message.as_str()), (64, "the rule is nested deeper than 64 levels"));
            assert!(parse(&nested(open, close, 10_000)).is_err());
        }
        assert!(parse(&nested("!(", ")", MAX_NESTING / 2)).is_ok());
        assert!(parse(&nested("!(", ")", MAX_NESTING / 2 + 1)).is_err());
        // Levels count where they are open, not how many there are in all.
        assert!(parse(&vec!["!(Path(`/`))"; 200].join("&&")).is_ok());

        let many = |count: usize| vec!["Path(`/`)"; count].join("||");
        assert!(parse(&many(MAX_MATCHERS)).is_ok());
        let error = parse(&many(MAX_MATCHERS + 1)).expect_err("too many");
        assert_eq!(error.message, "the rule has more than 4096 matchers");

        let long = |bytes: usize| format!("Path(`/{}`)", "a".repeat(bytes - 9));
        assert!(parse(&long(MAX_BYTES)).is_ok());
        let error = parse(&long(1024 * 1024)).expect_err("too long");
        assert_eq!(error.to_string(), "the rule has 1048576 bytes, more than the 65536 that are read at column 1");
        assert!(parse(&long(MAX_BYTES + 1)).is_err());
        assert!(parse(&"ä".repeat(MAX_BYTES)).is_err());
    }
}
