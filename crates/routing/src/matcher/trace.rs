//! Why a rule takes a request or does not: its compiled conditions, the very ones that route, asked one by one.

use seaway_rule::{Expr, HostPattern};

use super::query;
use super::{Matcher, Node, Subject, first_about_host, visible};

/// What one part of a rule says of one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    /// The part, in the canonical text of rules.
    pub text: String,
    /// It takes the request.
    pub takes: bool,
    /// What kind of part it is.
    pub part: Part,
}

/// A part of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// One matcher.
    Matcher {
        /// Its name: `PathPrefix`.
        name: &'static str,
        /// Which it is about, where there are several: the header's or the parameter's name.
        about: String,
        /// What it asks for, as text.
        wants: String,
        /// What the request has there; each value on its own, none if there is nothing.
        found: Vec<String>,
    },
    /// True when the inner one is false.
    Not(Box<Trace>),
    /// True when all are.
    All(Vec<Trace>),
    /// True when one is.
    Any(Vec<Trace>),
}

impl Matcher {
    /// Asks every part of the rule, in the order in which it is written.
    pub fn trace(&self, subject: &Subject<'_>) -> Trace {
        let mut order: Vec<usize> = Vec::new();
        if let (Expr::And(members), super::HostPart::First) = (&self.0.expr, self.0.host_part) {
            order = (0..members.len()).collect();
            // The condition that the index asks stands first among the compiled ones.
            if let Some(at) = first_about_host(members, self.0.hosts.as_deref())
                && at < order.len()
            {
                order.swap(0, at);
            }
        }
        trace(&self.0.expr, &self.0.root, subject, &order)
    }
}

impl Trace {
    /// The first part, reading from the left, that keeps the rule from taking the request; `None` if nothing does.
    pub fn first_failure(&self) -> Option<&Self> {
        match &self.part {
            _ if self.takes => None,
            Part::All(members) => members.iter().find_map(Self::first_failure),
            _ => Some(self),
        }
    }

    /// How many matchers would have to say otherwise for the rule to take the request: zero if it does.
    pub fn distance(&self) -> usize {
        match &self.part {
            _ if self.takes => 0,
            Part::Matcher { .. } | Part::Not(_) => 1,
            Part::All(members) => members.iter().map(Self::distance).sum(),
            Part::Any(members) => members.iter().map(Self::distance).min().unwrap_or(1),
        }
    }

    /// The matcher that alone stands in the way: none, if the distance is not one.
    pub fn only_failure(&self) -> Option<&Self> {
        if self.distance() != 1 {
            return None;
        }
        match &self.part {
            Part::Matcher { .. } | Part::Not(_) => Some(self),
            Part::All(members) => members.iter().find_map(Self::only_failure),
            Part::Any(members) => members.iter().find_map(Self::only_failure),
        }
    }

    /// What the request has in the places that this part asks about, in words: `the path is /x`.
    pub fn found(&self) -> String {
        let mut said: Vec<String> = Vec::new();
        self.say(&mut said);
        said.join(", ")
    }

    fn say(&self, said: &mut Vec<String>) {
        match &self.part {
            Part::Matcher { name, about, found, .. } => {
                let text = words(name, about, found);
                if !said.contains(&text) {
                    said.push(text);
                }
            }
            Part::Not(inner) => inner.say(said),
            Part::All(members) | Part::Any(members) => members.iter().for_each(|member| member.say(said)),
        }
    }
}

fn words(name: &str, about: &str, found: &[String]) -> String {
    let found = found.join(", ");
    match name {
        "Host" | "HostRegexp" if found.is_empty() => "the request has no host".to_owned(),
        "Host" | "HostRegexp" => format!("the host is {found}"),
        "Path" | "PathPrefix" | "PathRegexp" => format!("the path is {found}"),
        "Method" => format!("the method is {found}"),
        "ClientIP" => format!("the client's address is {found}"),
        "Query" | "QueryRegexp" if found.is_empty() => format!("there is no parameter {about}, or it is empty"),
        "Query" | "QueryRegexp" => format!("the parameter {about} is {found}"),
        _ if found.is_empty() => format!("there is no header {about}"),
        _ => format!("the header {about} is {found}"),
    }
}

/// `order` tells where each member of an `And` at the top stands among the compiled ones; empty for in the same place.
fn trace(expr: &Expr, node: &Node, subject: &Subject<'_>, order: &[usize]) -> Trace {
    let takes = node.takes(subject);
    let text = expr.to_string();
    let each = |exprs: &[Expr], nodes: &[Node]| -> Vec<Trace> {
        let place = |at: usize| order.get(at).copied().unwrap_or(at);
        let pairs = exprs.iter().enumerate().filter_map(|(at, expr)| Some((expr, nodes.get(place(at))?)));
        pairs.map(|(expr, node)| trace(expr, node, subject, &[])).collect()
    };
    let part = match (expr, node) {
        (Expr::Not(expr), Node::Not(node)) => Part::Not(Box::new(trace(expr, node, subject, &[]))),
        (Expr::And(exprs), Node::All(nodes)) => Part::All(each(exprs, nodes)),
        (Expr::Or(exprs), Node::Any(nodes)) => Part::Any(each(exprs, nodes)),
        (Expr::Matcher(matcher), node) => matcher_part(matcher, node, subject),
        // A rule compiles to its own form only.
        _ => Part::All(Vec::new()),
    };
    Trace { text, takes, part }
}

fn matcher_part(matcher: &seaway_rule::Matcher, node: &Node, subject: &Subject<'_>) -> Part {
    use seaway_rule::Matcher as M;
    let head = subject.head;
    let one = |text: &str| if text.is_empty() { Vec::new() } else { vec![text.to_owned()] };
    let parameter = |key: &str| {
        let decoded = query::values(head.target.query(), key.as_bytes()).filter_map(query::decode);
        decoded.map(|value| String::from_utf8_lossy(&value).into_owned()).filter(|value| !value.is_empty()).collect()
    };
    let (about, wants, found) = match matcher {
        M::Host(HostPattern::Any) => ("", "*".to_owned(), one(subject.host())),
        M::Host(pattern) => ("", pattern.to_string(), one(subject.host())),
        M::HostRegexp(wants) => ("", wants.to_string(), one(subject.host())),
        M::Path(wants) | M::PathPrefix(wants) | M::PathRegexp(wants) => ("", wants.to_string(), one(subject.path())),
        M::Method(wants) => ("", wants.to_string(), one(head.method.as_str())),
        M::Header { name, value: wants } | M::HeaderRegexp { name, regex: wants } => {
            let values = match node {
                Node::Header(name, _) | Node::HeaderRegexp(name, _) => visible(name, head).map(lossy).collect(),
                _ => Vec::new(),
            };
            (&**name, wants.to_string(), values)
        }
        M::Query { key, value: wants } | M::QueryRegexp { key, regex: wants } => {
            (&**key, wants.as_deref().unwrap_or_default().to_owned(), parameter(key))
        }
        M::ClientIp(net) => ("", net.to_string(), vec![head.peer.to_string()]),
    };
    Part::Matcher { name: matcher.name(), about: about.to_owned(), wants, found }
}

fn lossy(value: &http::HeaderValue) -> String {
    String::from_utf8_lossy(value.as_bytes()).into_owned()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::testing::get;

    fn of(rule: &str, host: &str, path: &str) -> Trace {
        let head = get(host, path);
        let matcher = Matcher::new(rule).unwrap();
        let trace = matcher.trace(&Subject::new(&head));
        assert_eq!(trace.takes, matcher.matches(&head), "{rule}");
        trace
    }

    #[test]
    fn the_first_part_that_fails_is_named_in_the_order_of_the_rule() {
        for (rule, host, path, failure, found) in [
            ("PathPrefix(`/x`) && Host(`a.b`)", "c.d", "/y", "PathPrefix(`/x`)", "the path is /y"),
            ("PathPrefix(`/x`) && Host(`a.b`)", "c.d", "/x", "Host(`a.b`)", "the host is c.d"),
            ("Host(`a.b`) && Path(`/`) && Method(`POST`)", "a.b", "/", "Method(`POST`)", "the method is GET"),
            ("Host(`a.b`) || Host(`*.b`)", "c.d", "/", "Host(`a.b`) || Host(`*.b`)", "the host is c.d"),
            ("Host(`a.b`) && !PathPrefix(`/x`)", "a.b", "/x/1", "!PathPrefix(`/x`)", "the path is /x/1"),
            ("Host(`a.b`) && Query(`k`, `v`)", "a.b", "/?k=w", "Query(`k`, `v`)", "the parameter k is w"),
            (
                "Host(`a.b`) && Query(`k`, `v`)",
                "a.b",
                "/",
                "Query(`k`, `v`)",
                "there is no parameter k, or it is empty",
            ),
            ("Header(`X-A`, `1`)", "a.b", "/", "Header(`X-A`, `1`)", "there is no header X-A"),
            ("ClientIP(`10.0.0.0/8`)", "a.b", "/", "ClientIP(`10.0.0.0/8`)", "the client's address is 192.168.1.10"),
            (
                "(Host(`a.b`) || Host(`c.d`)) && (Path(`/1`) || Path(`/2`))",
                "c.d",
                "/3",
                "Path(`/1`) || Path(`/2`)",
                "the path is /3",
            ),
        ] {
            let trace = of(rule, host, path);
            let first = trace.first_failure().unwrap();
            assert_eq!((first.text.as_str(), first.found().as_str()), (failure, found), "{rule}");
        }
        assert_eq!(of("Host(`a.b`)", "a.b", "/").first_failure(), None);
    }

    #[test]
    fn how_far_a_rule_is_from_taking_a_request() {
        for (rule, distance, only) in [
            ("Host(`a.b`)", 0, None),
            ("Host(`c.d`)", 1, Some("Host(`c.d`)")),
            ("Host(`c.d`) && Path(`/x`)", 2, None),
            ("Host(`a.b`) && Path(`/x`)", 1, Some("Path(`/x`)")),
            ("Host(`c.d`) && Path(`/x`) || Host(`a.b`) && Method(`PUT`)", 1, Some("Method(`PUT`)")),
            ("!Host(`a.b`)", 1, Some("!Host(`a.b`)")),
        ] {
            let trace = of(rule, "a.b", "/");
            assert_eq!((trace.distance(), trace.only_failure().map(|it| it.text.as_str())), (distance, only), "{rule}");
        }
    }
}
