//! What stands between `{{` and `}}`: tokens, and the expressions made of them.

use super::functions;
use super::value::Value;
use crate::literal;
use seaway_config::suggest::nearest;

/// Deepest nesting of parentheses.
const MAX_DEPTH: usize = 64;

/// One token.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    /// A function or keyword.
    Word(String),
    /// `.a.b`, or `.` with no names.
    Field(Vec<String>),
    /// `$x.a.b`; the name is empty for `$`.
    Variable(String, Vec<String>),
    Literal(Value),
    Pipe,
    Open,
    /// `)` and the fields asked of what it closes.
    Close(Vec<String>),
    Comma,
    /// `:=`
    Declare,
    /// `=`
    Assign,
}

/// Commands, each fed the result of the one before as its last argument.
#[derive(Clone, Debug)]
pub(super) struct Pipeline(pub(super) Vec<Command>);

/// A function and its arguments, or one operand.
#[derive(Clone, Debug)]
pub(super) enum Command {
    Call(&'static str, Vec<Operand>),
    Operand(Operand),
}

/// A value in an expression.
#[derive(Clone, Debug)]
pub(super) enum Operand {
    Literal(Value),
    Field(Vec<String>),
    Variable(String, Vec<String>),
    Group(Box<Pipeline>, Vec<String>),
    /// A function without arguments.
    Call(&'static str),
}

/// Cuts an action into tokens.
pub(super) fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let (token, after) = match first {
            '`' | '"' => {
                let (value, after) = literal::string(rest)?;
                (Token::Literal(Value::own(value)), after)
            }
            '|' => (Token::Pipe, cut(rest, 1)),
            '(' => (Token::Open, cut(rest, 1)),
            ')' => {
                let (names, after) = fields(cut(rest, 1))?;
                (Token::Close(names), after)
            }
            ',' => (Token::Comma, cut(rest, 1)),
            ':' if rest.starts_with(":=") => (Token::Declare, cut(rest, 2)),
            '=' => (Token::Assign, cut(rest, 1)),
            '.' => {
                let (names, after) = fields(rest)?;
                if names.is_empty() { (Token::Field(names), cut(rest, 1)) } else { (Token::Field(names), after) }
            }
            '$' => {
                let (name, after) = word(cut(rest, 1));
                let (names, after) = fields(after)?;
                (Token::Variable(name.to_owned(), names), after)
            }
            '-' | '+' | '0'..='9' => number(rest)?,
            c if c.is_alphabetic() || c == '_' => {
                let (name, after) = word(rest);
                (named(name), after)
            }
            other => return Err(format!("`{}` is not expected here", other.escape_debug())),
        };
        // Two operands need a blank between them, or `a"b"` would be two.
        let operand = !matches!(token, Token::Pipe | Token::Open | Token::Comma | Token::Declare | Token::Assign);
        let apart = after.is_empty() || after.starts_with(|c: char| c.is_whitespace() || "|(),:=".contains(c));
        if operand && !apart {
            return Err(format!("a blank is expected before `{}`", crate::gather::show(after)));
        }
        tokens.push(token);
        rest = after.trim_start();
    }
    Ok(tokens)
}

/// Reads a whole pipeline.
pub(super) fn pipeline(tokens: &[Token]) -> Result<Pipeline, String> {
    let mut parser = Parser { tokens, depth: 0 };
    let pipeline = parser.pipeline()?;
    match parser.tokens {
        [] => Ok(pipeline),
        _ => Err("a `)` too many, or a word that is not expected".to_owned()),
    }
}

struct Parser<'t> {
    tokens: &'t [Token],
    depth: usize,
}

impl<'t> Parser<'t> {
    fn pipeline(&mut self) -> Result<Pipeline, String> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(format!("the expression is nested deeper than {MAX_DEPTH}"));
        }
        let mut commands = vec![self.command()?];
        while let Some(Token::Pipe) = self.tokens.first() {
            self.next();
            let command = self.command()?;
            if !matches!(command, Command::Call(..)) {
                return Err("after `|` a function is expected".to_owned());
            }
            commands.push(command);
        }
        self.depth -= 1;
        Ok(Pipeline(commands))
    }

    fn command(&mut self) -> Result<Command, String> {
        if let Some(Token::Word(name)) = self.tokens.first() {
            let name = known(name)?;
            self.next();
            let mut arguments = Vec::new();
            while let Some(operand) = self.operand()? {
                arguments.push(operand);
            }
            return Ok(Command::Call(name, arguments));
        }
        let operand = self.operand()?.ok_or("a value is missing")?;
        match self.operand()? {
            Some(_) => Err("only a function can have values behind it".to_owned()),
            None => Ok(Command::Operand(operand)),
        }
    }

    fn operand(&mut self) -> Result<Option<Operand>, String> {
        let operand = match self.tokens.first() {
            Some(Token::Word(name)) => Operand::Call(known(name)?),
            Some(Token::Field(names)) => Operand::Field(names.clone()),
            Some(Token::Variable(name, names)) => Operand::Variable(name.clone(), names.clone()),
            Some(Token::Literal(value)) => Operand::Literal(value.clone()),
            Some(Token::Open) => {
                self.next();
                let inner = self.pipeline()?;
                let Some(Token::Close(names)) = self.tokens.first() else {
                    return Err("a `)` is missing".to_owned());
                };
                Operand::Group(Box::new(inner), names.clone())
            }
            _ => return Ok(None),
        };
        self.next();
        Ok(Some(operand))
    }

    fn next(&mut self) {
        self.tokens = self.tokens.get(1..).unwrap_or_default();
    }
}

fn known(name: &str) -> Result<&'static str, String> {
    functions::NAMES.iter().copied().find(|known| *known == name).ok_or_else(|| {
        let shown = crate::gather::show(name);
        match nearest(name, functions::NAMES.iter().copied()) {
            Some(near) => format!("there is no function {shown}; did you mean {near}?"),
            None => format!("there is no function {shown}"),
        }
    })
}

fn named(name: &str) -> Token {
    match name {
        "true" => Token::Literal(Value::Bool(true)),
        "false" => Token::Literal(Value::Bool(false)),
        "nil" => Token::Literal(Value::Nil),
        _ => Token::Word(name.to_owned()),
    }
}

fn number(text: &str) -> Result<(Token, &str), String> {
    let end =
        text.char_indices().skip(1).find(|(_, c)| !(c.is_alphanumeric() || *c == '.')).map_or(text.len(), |(at, _)| at);
    let (number, after) = text.split_at(end);
    match number.parse() {
        Ok(value) => Ok((Token::Literal(Value::Int(value)), after)),
        Err(_) => Err(format!("`{}` is no whole number", crate::gather::show(number))),
    }
}

/// `.a.b` and what follows.
fn fields(text: &str) -> Result<(Vec<String>, &str), String> {
    let mut names = Vec::new();
    let mut rest = text;
    while let Some(after) = rest.strip_prefix('.') {
        let (name, after) = word(after);
        if name.is_empty() {
            if names.is_empty()
                && (after.is_empty() || after.starts_with(|c: char| c.is_whitespace() || "|),".contains(c)))
            {
                return Ok((names, text));
            }
            return Err("a name is expected after the dot".to_owned());
        }
        names.push(name.to_owned());
        rest = after;
    }
    Ok((names, rest))
}

fn word(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(text.len()))
}

fn cut(text: &str, bytes: usize) -> &str {
    text.get(bytes..).unwrap_or_default()
}
