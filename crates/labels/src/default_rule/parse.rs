//! A template's text and actions, as a tree.

use super::action::{Pipeline, Token, pipeline, tokens};

/// Deepest nesting of `if`, `range` and `with`.
const MAX_DEPTH: usize = 64;

/// A part of a template.
#[derive(Clone, Debug)]
pub(super) enum Node {
    Text(String),
    /// `{{ pipeline }}`
    Print(Pipeline),
    /// `{{ $x := pipeline }}`, or with `=` for a variable that is there.
    Set {
        name: String,
        declare: bool,
        value: Pipeline,
    },
    /// `{{ if }}` and `{{ with }}`: the arms in order, then the rest.
    If {
        arms: Vec<Arm>,
        otherwise: Vec<Self>,
    },
    /// `{{ range $key, $value := pipeline }}`
    Range {
        key: Option<String>,
        value: Option<String>,
        over: Pipeline,
        body: Vec<Self>,
        otherwise: Vec<Self>,
    },
    Break,
    Continue,
}

/// One condition and what is rendered if it holds.
#[derive(Clone, Debug)]
pub(super) struct Arm {
    /// `with`: the dot becomes the value.
    pub(super) with: bool,
    /// `$x := …`
    pub(super) variable: Option<String>,
    pub(super) condition: Pipeline,
    pub(super) body: Vec<Node>,
}

/// Parses a whole template.
pub(super) fn template(text: &str) -> Result<Vec<Node>, String> {
    let pieces = pieces(text)?;
    let mut parser = Parser { pieces: pieces.into_iter(), depth: 0, loops: 0 };
    let (nodes, end) = parser.block()?;
    match end {
        End::Text => Ok(nodes),
        End::Closed => Err("an end without if, range or with".to_owned()),
        End::Else(_) => Err("an else without if, range or with".to_owned()),
    }
}

enum Piece {
    Text(String),
    Action(Vec<Token>),
}

/// What ended a block.
enum End {
    Text,
    Closed,
    Else(Vec<Token>),
}

struct Parser {
    pieces: std::vec::IntoIter<Piece>,
    depth: usize,
    loops: usize,
}

impl Parser {
    fn block(&mut self) -> Result<(Vec<Node>, End), String> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(format!("blocks are nested deeper than {MAX_DEPTH}"));
        }
        let mut nodes = Vec::new();
        while let Some(piece) = self.pieces.next() {
            let action = match piece {
                Piece::Text(text) => {
                    nodes.push(Node::Text(text));
                    continue;
                }
                Piece::Action(action) => action,
            };
            let keyword = match action.first() {
                Some(Token::Word(word)) => word.clone(),
                _ => String::new(),
            };
            let rest = action.get(1..).unwrap_or_default();
            match keyword.as_str() {
                "if" | "with" => nodes.push(self.condition(keyword == "with", rest)?),
                "range" => nodes.push(self.range(rest)?),
                "end" if rest.is_empty() => {
                    self.depth -= 1;
                    return Ok((nodes, End::Closed));
                }
                "else" => {
                    self.depth -= 1;
                    return Ok((nodes, End::Else(rest.to_vec())));
                }
                "break" | "continue" if rest.is_empty() => {
                    if self.loops == 0 {
                        return Err(format!("{keyword} outside of range"));
                    }
                    nodes.push(if keyword == "break" { Node::Break } else { Node::Continue });
                }
                "define" | "template" | "block" => return Err(format!("{keyword} is not supported")),
                _ => nodes.push(plain(&action)?),
            }
        }
        self.depth -= 1;
        Ok((nodes, End::Text))
    }

    fn condition(&mut self, with: bool, head: &[Token]) -> Result<Node, String> {
        let mut arms = Vec::new();
        let (mut with, mut head) = (with, head.to_vec());
        loop {
            let (variables, condition) = declaration(&head)?;
            let variable = match variables.as_slice() {
                [] => None,
                [one] => Some(one.clone()),
                _ => return Err("one variable is expected before :=".to_owned()),
            };
            let (body, end) = self.block()?;
            arms.push(Arm { with, variable, condition, body });
            match end {
                End::Text => return Err("an end is missing".to_owned()),
                End::Closed => return Ok(Node::If { arms, otherwise: Vec::new() }),
                End::Else(rest) => match rest.first() {
                    None => {
                        let (otherwise, end) = self.block()?;
                        let End::Closed = end else { return Err("an end is missing after else".to_owned()) };
                        return Ok(Node::If { arms, otherwise });
                    }
                    Some(Token::Word(word)) if word == "if" || word == "with" => {
                        with = word == "with";
                        head = rest.get(1..).unwrap_or_default().to_vec();
                    }
                    Some(_) => return Err("after else only if or with can stand".to_owned()),
                },
            }
        }
    }

    fn range(&mut self, head: &[Token]) -> Result<Node, String> {
        let (variables, over) = declaration(head)?;
        let (key, value) = match variables.as_slice() {
            [] => (None, None),
            [value] => (None, Some(value.clone())),
            [key, value] => (Some(key.clone()), Some(value.clone())),
            _ => return Err("at most two variables are expected before :=".to_owned()),
        };
        self.loops += 1;
        let (body, end) = self.block()?;
        self.loops -= 1;
        let otherwise = match end {
            End::Text => return Err("an end is missing".to_owned()),
            End::Closed => Vec::new(),
            End::Else(rest) if rest.is_empty() => match self.block()? {
                (otherwise, End::Closed) => otherwise,
                _ => return Err("an end is missing after else".to_owned()),
            },
            End::Else(_) => return Err("after the else of a range nothing can stand".to_owned()),
        };
        Ok(Node::Range { key, value, over, body, otherwise })
    }
}

fn plain(action: &[Token]) -> Result<Node, String> {
    if let [Token::Variable(name, fields), Token::Declare | Token::Assign, value @ ..] = action {
        if !fields.is_empty() || name.is_empty() {
            return Err("a variable's name is expected before := or =".to_owned());
        }
        let declare = action.get(1) == Some(&Token::Declare);
        return Ok(Node::Set { name: name.clone(), declare, value: pipeline(value)? });
    }
    Ok(Node::Print(pipeline(action)?))
}

/// `$a, $b := pipeline`, or just a pipeline.
fn declaration(head: &[Token]) -> Result<(Vec<String>, Pipeline), String> {
    let Some(at) = head.iter().position(|token| *token == Token::Declare) else {
        return Ok((Vec::new(), pipeline(head)?));
    };
    let (names, value) = head.split_at(at);
    let mut variables = Vec::new();
    for (i, token) in names.iter().enumerate() {
        match token {
            Token::Variable(name, fields) if i % 2 == 0 && fields.is_empty() && !name.is_empty() => {
                variables.push(name.clone())
            }
            Token::Comma if i % 2 == 1 => {}
            _ => return Err("variables are expected before :=".to_owned()),
        }
    }
    Ok((variables, pipeline(value.get(1..).unwrap_or_default())?))
}

/// Cuts a template at `{{` and `}}`; comments vanish, trim markers take the white space beside them.
fn pieces(text: &str) -> Result<Vec<Piece>, String> {
    let mut pieces = Vec::new();
    let mut rest = text;
    let mut trim_next = false;
    loop {
        let (before, after) = rest.split_once("{{").map_or((rest, None), |(before, after)| (before, Some(after)));
        let before = if trim_next { before.trim_start() } else { before };
        let trim_before =
            after.is_some_and(|a| a.starts_with('-') && a.get(1..).is_some_and(|a| a.starts_with(char::is_whitespace)));
        let before = if trim_before { before.trim_end() } else { before };
        if !before.is_empty() {
            pieces.push(Piece::Text(before.to_owned()));
        }
        let Some(after) = after else { return Ok(pieces) };
        let body = if trim_before { after.get(1..).unwrap_or_default() } else { after };
        let end = action_end(body)?;
        let action = body.get(..end).unwrap_or_default();
        rest = body.get(end + 2..).unwrap_or_default();
        let trimmed = action.strip_suffix('-').filter(|a| a.ends_with(char::is_whitespace));
        trim_next = trimmed.is_some();
        let action = trimmed.unwrap_or(action).trim();
        if action.starts_with("/*") {
            continue;
        }
        if action.is_empty() {
            return Err("an action is empty".to_owned());
        }
        pieces.push(Piece::Action(tokens(action)?));
    }
}

/// Where the action's `}}` begins: not inside a string or comment.
pub(super) fn action_end(body: &str) -> Result<usize, String> {
    let unclosed = || "a {{ is not closed".to_owned();
    let comment = body.trim_start();
    if comment.starts_with("/*") {
        let start = body.len() - comment.len();
        let close = comment.find("*/").ok_or_else(unclosed)? + start + 2;
        let end = body.get(close..).and_then(|tail| tail.find("}}")).ok_or_else(unclosed)? + close;
        let between = body.get(close..end).unwrap_or_default().trim();
        return if matches!(between, "" | "-") {
            Ok(end)
        } else {
            Err("nothing can stand beside a comment".to_owned())
        };
    }
    let mut rest = body;
    loop {
        let at = rest.find(['`', '"', '}']).ok_or_else(unclosed)?;
        let here = rest.get(at..).unwrap_or_default();
        if here.starts_with("}}") {
            return Ok(body.len() - here.len());
        }
        rest = match here.strip_prefix('}') {
            Some(after) => after,
            None => crate::literal::string(here)?.1,
        };
    }
}
