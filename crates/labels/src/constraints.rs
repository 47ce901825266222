//! The constraints expression: which containers are taken, by any of their labels.
//!
//! ``Label(`tier`, `front`) && !LabelRegex(`name`, `^test-`)``. Function names are case-sensitive, a missing label is the
//! empty text, and a regular expression is not anchored.

use std::collections::BTreeMap;

use regex::Regex;
use seaway_config::regexp;

use crate::literal;

/// Deepest nesting of parentheses and `!`.
const MAX_DEPTH: usize = 64;
/// Longest expression, in bytes.
const MAX_LENGTH: usize = 64 * 1024;

/// A parsed expression.
#[derive(Clone, Debug)]
pub struct Constraints(Option<Expr>);

#[derive(Clone, Debug)]
enum Expr {
    Label(String, String),
    LabelRegex(String, Regex),
    Not(Box<Self>),
    All(Vec<Self>),
    Any(Vec<Self>),
}

impl Constraints {
    /// Parses an expression; a blank one takes every container. The error says what is wrong, in words.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.len() > MAX_LENGTH {
            return Err(format!("the expression has more than {MAX_LENGTH} bytes"));
        }
        let mut parser = Parser { rest: text.trim(), depth: 0 };
        if parser.rest.is_empty() {
            return Ok(Self(None));
        }
        let expr = parser.any()?;
        match parser.rest {
            "" => Ok(Self(Some(expr))),
            rest => Err(format!("nothing is expected at `{}`", crate::gather::show(rest))),
        }
    }

    /// True when a container with these labels is taken.
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        self.0.as_ref().is_none_or(|expr| expr.matches(labels))
    }
}

impl Expr {
    fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        let value = |key: &String| labels.get(key).map_or("", String::as_str);
        match self {
            Self::Label(key, wanted) => value(key) == wanted,
            Self::LabelRegex(key, regex) => regex.is_match(value(key)),
            Self::Not(expr) => !expr.matches(labels),
            Self::All(all) => all.iter().all(|expr| expr.matches(labels)),
            Self::Any(any) => any.iter().any(|expr| expr.matches(labels)),
        }
    }
}

struct Parser<'t> {
    rest: &'t str,
    depth: usize,
}

impl Parser<'_> {
    fn any(&mut self) -> Result<Expr, String> {
        let mut parts = vec![self.all()?];
        while self.take("||") {
            parts.push(self.all()?);
        }
        Ok(one_or(parts, Expr::Any))
    }

    fn all(&mut self) -> Result<Expr, String> {
        let mut parts = vec![self.unary()?];
        while self.take("&&") {
            parts.push(self.unary()?);
        }
        Ok(one_or(parts, Expr::All))
    }

    fn unary(&mut self) -> Result<Expr, String> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(format!("the expression is nested deeper than {MAX_DEPTH}"));
        }
        let expr = if self.take("!") {
            Expr::Not(Box::new(self.unary()?))
        } else if self.take("(") {
            let inner = self.any()?;
            self.expect(")")?;
            inner
        } else {
            self.call()?
        };
        self.depth -= 1;
        Ok(expr)
    }

    fn call(&mut self) -> Result<Expr, String> {
        let end = self.rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(self.rest.len());
        let (name, rest) = self.rest.split_at(end);
        let make: fn(String, String) -> Result<Expr, String> = match name {
            "Label" => |key, value| Ok(Expr::Label(key, value)),
            "LabelRegex" => |key, regex| match regexp::compile(&regex) {
                Ok(compiled) => Ok(Expr::LabelRegex(key, compiled)),
                Err(what) => {
                    Err(format!("the regular expression `{}` cannot be used: {what}", crate::gather::show(&regex)))
                }
            },
            "" => return Err(format!("Label or LabelRegex is expected at `{}`", crate::gather::show(self.rest))),
            other => {
                let other = crate::gather::show(other);
                return Err(format!("there is no function {other}; known are Label and LabelRegex"));
            }
        };
        self.rest = rest.trim_start();
        self.expect("(")?;
        let key = self.string()?;
        self.expect(",")?;
        let value = self.string()?;
        self.expect(")")?;
        make(key, value)
    }

    fn string(&mut self) -> Result<String, String> {
        let (value, rest) = literal::string(self.rest)?;
        self.rest = rest.trim_start();
        Ok(value)
    }

    fn expect(&mut self, token: &str) -> Result<(), String> {
        if self.take(token) {
            return Ok(());
        }
        match self.rest {
            "" => Err(format!("`{token}` is expected at the end")),
            rest => Err(format!("`{token}` is expected at `{}`", crate::gather::show(rest))),
        }
    }

    fn take(&mut self, token: &str) -> bool {
        let found = self.rest.strip_prefix(token);
        if let Some(rest) = found {
            self.rest = rest.trim_start();
        }
        found.is_some()
    }
}

fn one_or(mut parts: Vec<Expr>, several: fn(Vec<Expr>) -> Expr) -> Expr {
    match parts.pop() {
        Some(only) if parts.is_empty() => only,
        Some(last) => {
            parts.push(last);
            several(parts)
        }
        None => several(parts),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn matches(expression: &str, labels: &[(&str, &str)]) -> bool {
        let labels = labels.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        Constraints::parse(expression).unwrap().matches(&labels)
    }

    #[test]
    fn expressions() {
        let labels = [("hello", "world"), ("foo", "bar"), ("com.docker.compose.project", "shop")];
        for (expression, expected) in [
            ("", true),
            ("  ", true),
            ("Label(`hello`, `world`)", true),
            ("Label(`hello`,`worl`)", false),
            ("Label(\"hello\", \"world\")", true),
            ("Label(`missing`, ``)", true),
            ("Label(`missing`, `x`)", false),
            ("!Label(`hello`, `world`)", false),
            ("!!Label(`hello`, `world`)", true),
            ("Label(`com.docker.compose.project`, `shop`)", true),
            ("LabelRegex(`hello`, `w\\w+`)", true),
            ("LabelRegex(`hello`, `^orld`)", false),
            ("LabelRegex(`hello`, `orl`)", true),
            ("Label(`hello`, `world`) && Label(`foo`, `bar`)", true),
            ("Label(`hello`, `world`) && Label(`foo`, `x`)", false),
            ("Label(`hello`, `x`) || Label(`foo`, `bar`)", true),
            ("Label(`a`, `x`) || Label(`foo`, `bar`) && Label(`b`, `x`)", false),
            ("(Label(`a`, ``) || Label(`b`, `x`)) && Label(`foo`,`bar`)", true),
            ("!(Label(`a`, `x`) || Label(`foo`, `bar`))", false),
            ("\n Label( `foo` , `bar` ) ", true),
        ] {
            assert_eq!(matches(expression, &labels), expected, "{expression}");
        }
    }

    #[test]
    fn invalid_expressions() {
        let deep = format!("{}Label(`a`,`b`){}", "(".repeat(200_000), ")".repeat(200_000));
        let nested = format!("{}Label(`a`,`b`)", "!".repeat(65));
        for bad in [
            "label(`a`, `b`)",
            "LABEL(`a`, `b`)",
            "Labels(`a`, `b`)",
            "Label(`a`)",
            "Label(`a`, `b`, `c`)",
            "Label(a, b)",
            "Label('a', 'b')",
            "Label(`a`, 1)",
            "Label(`a`, `b`",
            "Label(`a`, `b`) &&",
            "Label(`a`, `b`) & Label(`a`, `b`)",
            "Label(`a`, `b`) Label(`a`, `b`)",
            "(Label(`a`, `b`)",
            "Label",
            "!",
            "Tag(`a`)",
            &deep,
            &nested,
        ] {
            assert!(Constraints::parse(bad).is_err(), "{}", bad.get(..40).unwrap_or(bad));
        }
        assert_eq!(
            Constraints::parse("!LabelRegex(`a`, `(`)").unwrap_err(),
            "the regular expression `(` cannot be used: unclosed group"
        );
        assert_eq!(
            Constraints::parse("Lable(`a`,`b`)").unwrap_err(),
            "there is no function Lable; known are Label and LabelRegex"
        );
    }

    proptest! {
        #[test]
        fn nothing_panics(text in "(Label|LabelRegex|\\(|\\)|!|&&|\\|\\||`a`|,|\"|\\\\|\\PC){0,12}") {
            drop(Constraints::parse(&text));
        }
    }
}
