//! A rule, compiled: one question, asked of one request head.

mod query;
mod trace;

use std::borrow::Cow;
use std::cell::OnceCell;
use std::sync::Arc;

use http::HeaderName;
use http::header::HOST;
use ipnet::IpNet;
use regex::Regex;
use seaway_config::regexp;
use seaway_head::RequestHead;
use seaway_rule::{Expr, HostPattern};

pub use trace::{Part, Trace};

/// A compiled rule. Cloning shares it.
#[derive(Clone, Debug)]
pub struct Matcher(Arc<Compiled>);

/// A request as rules see it: the routing path is worked out once for all routes, when the first of them asks for it.
#[derive(Debug)]
pub struct Subject<'h> {
    head: &'h RequestHead,
    path: OnceCell<Cow<'h, str>>,
}

/// How much of a rule is settled once one of [`Matcher::hosts`] is known to match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HostPart {
    /// All of it.
    All,
    /// Its first condition.
    First,
    /// That cannot be told.
    Unknown,
}

impl<'h> Subject<'h> {
    /// A request to ask rules about.
    pub fn new(head: &'h RequestHead) -> Self {
        Self { head, path: OnceCell::new() }
    }

    /// Allocates only where the path has a `%`.
    fn path(&self) -> &str {
        self.path.get_or_init(|| self.head.target.routing_path())
    }

    /// The canonical host; one final dot is ignored.
    pub fn host(&self) -> &'h str {
        let host = &*self.head.host;
        host.strip_suffix('.').unwrap_or(host)
    }
}

impl Matcher {
    /// Parses and compiles a rule.
    ///
    /// # Errors
    /// One line that says what is wrong with the text or with one of its regular expressions, and how to mend it.
    pub fn new(rule: &str) -> Result<Self, String> {
        let expr = seaway_rule::parse(rule).map_err(|error| match &error.hint {
            Some(hint) => format!("{error} ({hint})"),
            None => error.to_string(),
        })?;
        let mut root = node(&expr)?;
        let hosts = expr.necessary_hosts();
        let host_part = settle(&expr, hosts.as_deref(), &mut root);
        Ok(Self(Arc::new(Compiled { rule: rule.into(), hosts, host_part, expr, root })))
    }

    /// Whether the rule takes this request.
    pub fn matches(&self, head: &RequestHead) -> bool {
        self.takes(&Subject::new(head))
    }

    /// The same, with the routing path at hand.
    pub fn takes(&self, subject: &Subject<'_>) -> bool {
        self.0.root.takes(subject)
    }

    /// The same for a request whose host one of [`hosts`](Self::hosts) is known to match.
    pub(crate) fn takes_named(&self, subject: &Subject<'_>) -> bool {
        match (self.0.host_part, &self.0.root) {
            (HostPart::All, _) => true,
            (HostPart::First, Node::All(members)) => members.iter().skip(1).all(|member| member.takes(subject)),
            (_, root) => root.takes(subject),
        }
    }

    /// How much of the rule that settles.
    pub(crate) fn host_part(&self) -> HostPart {
        self.0.host_part
    }

    /// The rule's text, as it was configured.
    pub fn rule(&self) -> &str {
        &self.0.rule
    }

    /// The rule's tree.
    pub fn expr(&self) -> &Expr {
        &self.0.expr
    }

    /// Hosts of which one must match; `None` where the rule has to be tried for every host.
    pub fn hosts(&self) -> Option<&[HostPattern]> {
        self.0.hosts.as_deref()
    }
}

#[derive(Debug)]
struct Compiled {
    root: Node,
    rule: Box<str>,
    expr: Expr,
    hosts: Option<Vec<HostPattern>>,
    host_part: HostPart,
}

#[derive(Debug)]
enum Node {
    Host(HostPattern),
    HostRegexp(Regex),
    Path(Box<str>),
    PathPrefix(Box<str>),
    PathRegexp(Regex),
    Method(Box<str>),
    Header(HeaderName, Box<[u8]>),
    HeaderRegexp(HeaderName, Regex),
    Query(Box<[u8]>, Box<[u8]>),
    QueryRegexp(Box<[u8]>, Regex),
    ClientIp(IpNet),
    Not(Box<Self>),
    All(Box<[Self]>),
    Any(Box<[Self]>),
}

impl Node {
    fn takes(&self, subject: &Subject<'_>) -> bool {
        let head = subject.head;
        match self {
            Self::Host(pattern) => pattern.matches(subject.host()),
            Self::HostRegexp(regex) => regex.is_match(subject.host()),
            Self::Path(path) => **path == *subject.path(),
            Self::PathPrefix(prefix) => subject.path().starts_with(&**prefix),
            Self::PathRegexp(regex) => regex.is_match(subject.path()),
            Self::Method(method) => head.method.as_str() == &**method,
            Self::Header(name, value) => visible(name, head).any(|v| v.as_bytes() == &**value),
            Self::HeaderRegexp(name, regex) => {
                // Borrowed unless the value is no UTF-8; Go's matcher reads such bytes as U+FFFD too.
                visible(name, head).any(|v| regex.is_match(&String::from_utf8_lossy(v.as_bytes())))
            }
            Self::Query(key, value) => {
                query::values(head.target.query(), key).any(|found| query::decodes_to(found, value))
            }
            Self::QueryRegexp(key, regex) => query::values(head.target.query(), key)
                .filter_map(query::decode)
                .any(|found| regex.is_match(&String::from_utf8_lossy(&found))),
            Self::ClientIp(net) => net.contains(&head.peer),
            Self::Not(inner) => !inner.takes(subject),
            Self::All(members) => members.iter().all(|member| member.takes(subject)),
            Self::Any(members) => members.iter().any(|member| member.takes(subject)),
        }
    }
}

/// `Host` is no header to rules: it has matchers of its own, and they see the judged form.
fn visible<'h>(name: &HeaderName, head: &'h RequestHead) -> impl Iterator<Item = &'h http::HeaderValue> {
    let name = (*name != HOST).then_some(name);
    name.into_iter().flat_map(|name| head.headers.get_all(name))
}

/// Finds the condition that `hosts` were taken from, where it is about the host alone, and puts it first.
fn settle(expr: &Expr, hosts: Option<&[HostPattern]>, root: &mut Node) -> HostPart {
    if hosts.is_none() {
        return HostPart::Unknown;
    }
    if is_about_host(expr) {
        return HostPart::All;
    }
    let (Expr::And(members), Node::All(nodes)) = (expr, root) else { return HostPart::Unknown };
    match first_about_host(members, hosts) {
        Some(at) if at < nodes.len() => {
            nodes.swap(0, at);
            HostPart::First
        }
        _ => HostPart::Unknown,
    }
}

/// Which of the conditions `hosts` were taken from, where it is about the host alone.
fn first_about_host(members: &[Expr], hosts: Option<&[HostPattern]>) -> Option<usize> {
    members.iter().position(|member| is_about_host(member) && member.necessary_hosts().as_deref() == hosts)
}

/// Whether a rule takes every request to a host that it names, and no other.
fn is_about_host(expr: &Expr) -> bool {
    match expr {
        Expr::Matcher(seaway_rule::Matcher::Host(host)) => *host != HostPattern::Any,
        Expr::Or(members) => members.iter().all(is_about_host),
        _ => false,
    }
}

fn node(expr: &Expr) -> Result<Node, String> {
    let all = |members: &[Expr]| members.iter().map(node).collect::<Result<Box<[_]>, _>>();
    Ok(match expr {
        Expr::Matcher(matcher) => leaf(matcher)?,
        Expr::Not(inner) => Node::Not(Box::new(node(inner)?)),
        Expr::And(members) => Node::All(all(members)?),
        Expr::Or(members) => Node::Any(all(members)?),
    })
}

fn leaf(matcher: &seaway_rule::Matcher) -> Result<Node, String> {
    use seaway_rule::Matcher as M;
    let regex = |text: &str| {
        regexp::compile(text)
            .map_err(|what| format!("{}: the regular expression cannot be used: {what}", matcher.name()))
    };
    let bytes = |text: &str| Box::<[u8]>::from(text.as_bytes());
    let name = |text: &str| {
        HeaderName::from_bytes(text.as_bytes())
            .map_err(|_| format!("{}: `{}` is not a header name", matcher.name(), text.escape_debug()))
    };
    Ok(match matcher {
        M::Host(pattern) => Node::Host(pattern.clone()),
        M::HostRegexp(text) => Node::HostRegexp(regex(text)?),
        M::Path(path) => Node::Path(path.clone()),
        M::PathPrefix(prefix) => Node::PathPrefix(prefix.clone()),
        M::PathRegexp(text) => Node::PathRegexp(regex(text)?),
        M::Method(method) => Node::Method(method.clone()),
        M::Header { name: header, value } => Node::Header(name(header)?, bytes(value)),
        M::HeaderRegexp { name: header, regex: text } => Node::HeaderRegexp(name(header)?, regex(text)?),
        M::Query { key, value } => Node::Query(bytes(key), bytes(value.as_deref().unwrap_or_default())),
        M::QueryRegexp { key, regex: Some(text) } => Node::QueryRegexp(bytes(key), regex(text)?),
        M::QueryRegexp { key, regex: None } => Node::Query(bytes(key), bytes("")),
        M::ClientIp(net) => Node::ClientIp(*net),
    })
}

#[cfg(test)]
mod tests;
