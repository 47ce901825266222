//! The language of conditions in options: calls, comparisons, `&&`, `||`, `!` and brackets.
//!
//! Which calls there are, and what they give, is the caller's to say; an expression that is compiled only has calls that
//! exist, with arguments that fit, and comparisons of what can be compared.

use std::cmp::Ordering;

/// Deepest nesting of brackets and `!`.
const DEEPEST: usize = 50;
/// Longest text.
const LONGEST: usize = 4096;

/// A call's name, what it takes, and what it gives.
pub(crate) struct Signature<C: 'static> {
    pub(crate) name: &'static str,
    /// How many numbers it takes.
    pub(crate) takes: usize,
    pub(crate) gives: Gives,
    /// Made from its numbers, or what is wrong with them.
    pub(crate) make: fn(&[f64]) -> Result<C, String>,
}

/// The type of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gives {
    Truth,
    Number,
    Text,
}

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value<'a> {
    Truth(bool),
    Number(f64),
    Text(&'a str),
}

/// A condition over calls `C`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Expression<C> {
    And(Vec<Self>),
    Or(Vec<Self>),
    Not(Box<Self>),
    /// A call that gives a truth.
    Call(C),
    Compare(C, Op, Literal),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Equal,
    NotEqual,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Literal {
    Number(f64),
    Text(Box<str>),
}

impl<C> Expression<C> {
    /// Reads an expression; `option` names it in errors.
    pub(crate) fn parse(option: &str, text: &str, signatures: &[Signature<C>]) -> Result<Self, String> {
        let fail = |what: String| format!("{option} {text:?}: {what}");
        if text.len() > LONGEST {
            return Err(format!("{option} is longer than {LONGEST} characters"));
        }
        let tokens = tokens(text).map_err(fail)?;
        let mut parser = Parser { tokens: &tokens, at: 0, depth: 0, signatures };
        let expression = parser.or().map_err(fail)?;
        match parser.peek() {
            None => Ok(expression),
            Some(token) => Err(fail(format!("{} is not expected there", token.show()))),
        }
    }

    /// Whether it holds; `call` gives what the calls come to.
    pub(crate) fn holds<'v>(&self, call: &mut impl FnMut(&C) -> Value<'v>) -> bool {
        match self {
            Self::And(all) => all.iter().all(|one| one.holds(call)),
            Self::Or(any) => any.iter().any(|one| one.holds(call)),
            Self::Not(one) => !one.holds(call),
            Self::Call(it) => call(it) == Value::Truth(true),
            Self::Compare(it, op, literal) => match (call(it), literal) {
                (Value::Number(a), Literal::Number(b)) => a.partial_cmp(b).is_some_and(|order| op.holds(order)),
                (Value::Text(a), Literal::Text(b)) => op.holds(a.cmp(b)),
                _ => false,
            },
        }
    }
}

impl Op {
    fn holds(self, order: Ordering) -> bool {
        match self {
            Self::Less => order.is_lt(),
            Self::LessOrEqual => order.is_le(),
            Self::Greater => order.is_gt(),
            Self::GreaterOrEqual => order.is_ge(),
            Self::Equal => order.is_eq(),
            Self::NotEqual => order.is_ne(),
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
enum Token<'t> {
    Name(&'t str),
    Number(f64),
    Text(&'t str),
    Op(Op),
    Sign(&'static str),
}

impl Token<'_> {
    fn show(&self) -> String {
        match self {
            Self::Name(name) => format!("{name:?}"),
            Self::Number(number) => number.to_string(),
            Self::Text(text) => format!("the text {text:?}"),
            Self::Op(op) => format!("the comparison {op:?}"),
            Self::Sign(sign) => format!("{sign:?}"),
        }
    }
}

const SIGNS: [(&str, Token<'static>); 14] = [
    ("&&", Token::Sign("&&")),
    ("||", Token::Sign("||")),
    ("<=", Token::Op(Op::LessOrEqual)),
    (">=", Token::Op(Op::GreaterOrEqual)),
    ("==", Token::Op(Op::Equal)),
    ("!=", Token::Op(Op::NotEqual)),
    ("<", Token::Op(Op::Less)),
    (">", Token::Op(Op::Greater)),
    ("!", Token::Sign("!")),
    ("(", Token::Sign("(")),
    (")", Token::Sign(")")),
    (",", Token::Sign(",")),
    ("&", Token::Sign("&")),
    ("|", Token::Sign("|")),
];

fn tokens(text: &str) -> Result<Vec<Token<'_>>, String> {
    let (mut found, mut rest) = (Vec::new(), text.trim_start());
    while let Some(first) = rest.chars().next() {
        let after = |what: fn(char) -> bool| rest.find(|c| !what(c)).unwrap_or(rest.len());
        let length = match first {
            'a'..='z' | 'A'..='Z' | '_' => {
                let end = after(|c| c.is_ascii_alphanumeric() || c == '_');
                found.push(Token::Name(rest.get(..end).unwrap_or_default()));
                end
            }
            '0'..='9' | '.' | '-' => {
                let end = after(|c| c.is_ascii_digit() || c == '.' || c == '-');
                let number = rest.get(..end).unwrap_or_default();
                found.push(Token::Number(number.parse().map_err(|_| format!("{number:?} is no number"))?));
                end
            }
            '"' | '`' => {
                let inner = rest.get(1..).unwrap_or_default();
                let end = inner.find(first).ok_or_else(|| format!("a text has no second {first}"))?;
                found.push(Token::Text(inner.get(..end).unwrap_or_default()));
                end + 2
            }
            _ => {
                let sign = SIGNS.iter().find(|(sign, _)| rest.starts_with(sign));
                let (sign, token) = sign.ok_or_else(|| format!("{first:?} means nothing there"))?;
                found.push(token.clone());
                sign.len()
            }
        };
        rest = rest.get(length..).unwrap_or_default().trim_start();
    }
    Ok(found)
}

struct Parser<'p, C: 'static> {
    tokens: &'p [Token<'p>],
    at: usize,
    depth: usize,
    signatures: &'p [Signature<C>],
}

impl<'p, C> Parser<'p, C> {
    fn peek(&self) -> Option<&'p Token<'p>> {
        self.tokens.get(self.at)
    }

    fn takes(&mut self, sign: &'static str) -> bool {
        let is = self.peek() == Some(&Token::Sign(sign));
        self.at += usize::from(is);
        is
    }

    fn expect(&mut self, sign: &'static str) -> Result<(), String> {
        if self.takes(sign) {
            return Ok(());
        }
        Err(match self.peek() {
            Some(token) => format!("{sign:?} is expected in place of {}", token.show()),
            None => format!("{sign:?} is missing at the end"),
        })
    }

    fn or(&mut self) -> Result<Expression<C>, String> {
        let mut any = vec![self.and()?];
        while self.takes("||") {
            any.push(self.and()?);
        }
        Ok(one_or(any, Expression::Or))
    }

    fn and(&mut self) -> Result<Expression<C>, String> {
        let mut all = vec![self.unary()?];
        while self.takes("&&") {
            all.push(self.unary()?);
        }
        Ok(one_or(all, Expression::And))
    }

    fn unary(&mut self) -> Result<Expression<C>, String> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(format!("it is nested more than {DEEPEST} times"));
        }
        let found = if self.takes("!") {
            Expression::Not(Box::new(self.unary()?))
        } else if self.takes("(") {
            let inner = self.or()?;
            self.expect(")")?;
            inner
        } else {
            self.comparison()?
        };
        self.depth -= 1;
        Ok(found)
    }

    fn comparison(&mut self) -> Result<Expression<C>, String> {
        let (call, name, gives) = self.call()?;
        let op = match self.peek() {
            Some(Token::Op(op)) => *op,
            _ if gives == Gives::Truth => return Ok(Expression::Call(call)),
            _ => return Err(format!("{name}() has to be compared with something")),
        };
        self.at += 1;
        let literal = match (self.peek(), gives) {
            (Some(Token::Number(number)), Gives::Number) => Literal::Number(*number),
            (Some(Token::Text(text)), Gives::Text) => Literal::Text((*text).into()),
            (_, Gives::Truth) => return Err(format!("{name}() is true or false and compared with nothing")),
            (_, Gives::Number) => return Err(format!("{name}() is compared with a number")),
            (_, Gives::Text) => return Err(format!("{name}() is compared with a text such as \"GET\"")),
        };
        self.at += 1;
        Ok(Expression::Compare(call, op, literal))
    }

    fn call(&mut self) -> Result<(C, &'static str, Gives), String> {
        let all = || self.signatures.iter().map(|known| known.name).collect::<Vec<_>>().join(", ");
        let name = match self.peek() {
            Some(Token::Name(name)) => *name,
            Some(token) => return Err(format!("one of {} is expected in place of {}", all(), token.show())),
            None => return Err(format!("one of {} is missing at the end", all())),
        };
        let signatures = self.signatures;
        let Some(signature) = signatures.iter().find(|known| known.name == name) else {
            return Err(format!("{name:?} is none of {}", all()));
        };
        self.at += 1;
        self.expect("(")?;
        let mut numbers = Vec::new();
        while let Some(Token::Number(number)) = self.peek() {
            numbers.push(*number);
            self.at += 1;
            if !self.takes(",") {
                break;
            }
        }
        self.expect(")")?;
        if numbers.len() != signature.takes {
            return Err(format!("{name}() takes {} numbers, not {}", signature.takes, numbers.len()));
        }
        Ok(((signature.make)(&numbers)?, signature.name, signature.gives))
    }
}

fn one_or<C>(mut list: Vec<Expression<C>>, several: fn(Vec<Expression<C>>) -> Expression<C>) -> Expression<C> {
    match list.pop() {
        Some(one) if list.is_empty() => one,
        last => {
            list.extend(last);
            several(list)
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[derive(Clone, Debug, PartialEq)]
    enum Call {
        Up,
        Count,
        Share(f64, f64),
        Name,
    }

    const CALLS: &[Signature<Call>] = &[
        Signature { name: "Up", takes: 0, gives: Gives::Truth, make: |_| Ok(Call::Up) },
        Signature { name: "Count", takes: 0, gives: Gives::Number, make: |_| Ok(Call::Count) },
        Signature {
            name: "Share",
            takes: 2,
            gives: Gives::Number,
            make: |n| match n {
                [a, b] if a < b => Ok(Call::Share(*a, *b)),
                _ => Err("the wrong order".to_owned()),
            },
        },
        Signature { name: "Name", takes: 0, gives: Gives::Text, make: |_| Ok(Call::Name) },
    ];

    fn parse(text: &str) -> Result<Expression<Call>, String> {
        Expression::parse("o", text, CALLS)
    }

    fn holds(text: &str) -> bool {
        parse(text).unwrap().holds(&mut |call| match call {
            Call::Up => Value::Truth(true),
            Call::Count => Value::Number(7.0),
            Call::Share(a, b) => Value::Number(a / b),
            Call::Name => Value::Text("GET"),
        })
    }

    #[test]
    fn conditions() {
        for (text, is) in [
            ("Up()", true),
            ("!Up()", false),
            ("!!Up()", true),
            ("Count() == 7", true),
            ("Count() != 7", false),
            ("Count() < 7 || Count() <= 7.0", true),
            ("Count() > 7 && Up()", false),
            ("Share(1, 2) >= 0.5", true),
            ("Share(1,2)>.4&&Name()==\"GET\"", true),
            ("Name() == `POST`", false),
            ("Up() || Up() && !Up()", true),
            ("(Up() || Up()) && !Up()", false),
            (" ( Up ( ) ) ", true),
            ("Count() > -1", true),
        ] {
            assert_eq!(holds(text), is, "{text}");
        }
    }

    #[test]
    fn what_means_nothing_is_refused_and_says_why() {
        for (text, why) in [
            ("", "missing at the end"),
            ("up()", "is none of"),
            ("Up", "\"(\" is missing"),
            ("Up(", "\")\" is missing"),
            ("Up(1)", "takes 0 numbers"),
            ("Count()", "has to be compared"),
            ("Count() > \"a\"", "with a number"),
            ("Name() == 3", "with a text"),
            ("Up() == 1", "with nothing"),
            ("Share(2, 1) > 0", "wrong order"),
            ("Up() && ", "missing at the end"),
            ("Up() Up()", "not expected"),
            ("Up() & Up()", "not expected"),
            ("Up() $", "means nothing"),
            ("Count() > 1.2.3", "is no number"),
            ("Name() == \"GET", "no second"),
            ("7 < Count()", "in place of 7"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
        assert!(parse(&"(".repeat(5000)).is_err());
        assert!(parse(&"!".repeat(4000)).unwrap_err().contains("nested"));
        assert!(parse(&format!("{}Up(){}", "(".repeat(40), ")".repeat(40))).is_ok());
    }
}
