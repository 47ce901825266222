//! The syntax tree, its canonical text, and the hosts that it needs.

use std::collections::HashSet;
use std::fmt;
use std::str::FromStr;

use ipnet::IpNet;

use crate::ParseError;

/// A rule. [`parse`](crate::parse) gives it in one form only: the members of `And` and `Or` are at least two and are
/// never of the same operator themselves.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Expr {
    /// One matcher.
    Matcher(Matcher),
    /// True when the inner one is false.
    Not(Box<Self>),
    /// True when all are.
    And(Vec<Self>),
    /// True when one is.
    Or(Vec<Self>),
}

/// One question about a request. Regular expressions are text here and have not been compiled.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Matcher {
    /// The host is this one.
    Host(HostPattern),
    /// The host contains a match. ASCII.
    HostRegexp(Box<str>),
    /// The routing path is exactly this; starts with `/`.
    Path(Box<str>),
    /// The routing path starts with this text; starts with `/`.
    PathPrefix(Box<str>),
    /// The routing path contains a match.
    PathRegexp(Box<str>),
    /// The method, in upper case.
    Method(Box<str>),
    /// One of the header's values is exactly this.
    Header {
        /// The header's name as written; a valid one.
        name: Box<str>,
        /// The value.
        value: Box<str>,
    },
    /// One of the header's values contains a match.
    HeaderRegexp {
        /// The header's name as written; a valid one.
        name: Box<str>,
        /// The regular expression.
        regex: Box<str>,
    },
    /// One of the parameter's values is exactly this.
    Query {
        /// The parameter's name.
        key: Box<str>,
        /// The value; without one the parameter must be there with an empty value.
        value: Option<Box<str>>,
    },
    /// One of the parameter's values contains a match.
    QueryRegexp {
        /// The parameter's name.
        key: Box<str>,
        /// The regular expression; without one the parameter must be there with an empty value.
        regex: Option<Box<str>>,
    },
    /// The peer's address lies in this network: host bits zero, a single address as /32 or /128, IPv4-mapped IPv6 as IPv4.
    ClientIp(IpNet),
}

/// A host as rules name it: lower case, without a final dot, IPv6 without brackets.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum HostPattern {
    /// `*`: any request, also one without a host.
    Any,
    /// This host.
    Exact(Box<str>),
    /// `example.com` of `*.example.com`: hosts with exactly one label in front of it.
    Wildcard(Box<str>),
}

impl Expr {
    /// Hosts of which at least one must match for the rule to match, each once, in the order of the rule. `None` where
    /// no such set can be named, so that the rule has to be tried for every host. Never contains [`HostPattern::Any`].
    pub fn necessary_hosts(&self) -> Option<Vec<HostPattern>> {
        let mut hosts = self.hosts()?;
        let mut seen = HashSet::new();
        hosts.retain(|host| seen.insert(*host));
        Some(hosts.into_iter().cloned().collect())
    }

    fn hosts(&self) -> Option<Vec<&HostPattern>> {
        match self {
            Self::Matcher(Matcher::Host(HostPattern::Any)) => None,
            Self::Matcher(Matcher::Host(host)) => Some(vec![host]),
            Self::Matcher(_) | Self::Not(_) => None,
            // Each member is necessary by itself: the one that names fewest hosts is the best index.
            Self::And(members) => members.iter().filter_map(Self::hosts).min_by_key(Vec::len),
            Self::Or(members) => members.iter().try_fold(Vec::new(), |mut all, member| {
                all.extend(member.hosts()?);
                Some(all)
            }),
        }
    }
}

impl FromStr for Expr {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        crate::parse(text)
    }
}

impl HostPattern {
    /// Whether a request's host matches: lower case, without port and brackets; empty for none. One final dot is ignored.
    pub fn matches(&self, host: &str) -> bool {
        let host = host.strip_suffix('.').unwrap_or(host);
        match self {
            Self::Any => true,
            Self::Exact(name) => host == &**name,
            Self::Wildcard(parent) => {
                host.split_once('.').is_some_and(|(label, rest)| !label.is_empty() && rest == &**parent)
            }
        }
    }
}

impl Matcher {
    /// The matcher's name as documented: `PathPrefix`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Host(_) => "Host",
            Self::HostRegexp(_) => "HostRegexp",
            Self::Path(_) => "Path",
            Self::PathPrefix(_) => "PathPrefix",
            Self::PathRegexp(_) => "PathRegexp",
            Self::Method(_) => "Method",
            Self::Header { .. } => "Header",
            Self::HeaderRegexp { .. } => "HeaderRegexp",
            Self::Query { .. } => "Query",
            Self::QueryRegexp { .. } => "QueryRegexp",
            Self::ClientIp(_) => "ClientIP",
        }
    }
}

impl fmt::Display for Expr {
    /// The canonical text: documented names, strings in back-ticks where they can be, no needless parentheses.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Matcher(matcher) => matcher.fmt(f),
            Self::Not(inner) => match **inner {
                Self::And(_) | Self::Or(_) => write!(f, "!({inner})"),
                Self::Matcher(_) | Self::Not(_) => write!(f, "!{inner}"),
            },
            Self::And(members) => separated(f, members, " && ", |f, member| match member {
                Self::Or(_) => write!(f, "({member})"),
                _ => member.fmt(f),
            }),
            Self::Or(members) => separated(f, members, " || ", |f, member| member.fmt(f)),
        }
    }
}

impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}(", self.name())?;
        match self {
            Self::Host(host) => write!(f, "`{host}`")?,
            Self::HostRegexp(text)
            | Self::Path(text)
            | Self::PathPrefix(text)
            | Self::PathRegexp(text)
            | Self::Method(text)
            | Self::Query { key: text, value: None }
            | Self::QueryRegexp { key: text, regex: None } => literal(f, text)?,
            Self::Header { name: first, value: second }
            | Self::HeaderRegexp { name: first, regex: second }
            | Self::Query { key: first, value: Some(second) }
            | Self::QueryRegexp { key: first, regex: Some(second) } => {
                literal(f, first)?;
                f.write_str(", ")?;
                literal(f, second)?;
            }
            Self::ClientIp(net) if net.prefix_len() == net.max_prefix_len() => write!(f, "`{}`", net.addr())?,
            Self::ClientIp(net) => write!(f, "`{net}`")?,
        }
        f.write_str(")")
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("*"),
            Self::Exact(name) => f.write_str(name),
            Self::Wildcard(parent) => write!(f, "*.{parent}"),
        }
    }
}

/// A string as rules write it: in back-ticks, or with escapes where it has what back-ticks cannot hold.
pub(crate) fn literal(f: &mut impl fmt::Write, text: &str) -> fmt::Result {
    if !text.contains(['`', '\r']) {
        return write!(f, "`{text}`");
    }
    f.write_char('"')?;
    for c in text.chars() {
        match c {
            '"' => f.write_str("\\\"")?,
            '\\' => f.write_str("\\\\")?,
            '\n' => f.write_str("\\n")?,
            '\r' => f.write_str("\\r")?,
            _ => f.write_char(c)?,
        }
    }
    f.write_char('"')
}

fn separated(
    f: &mut fmt::Formatter<'_>,
    members: &[Expr],
    separator: &str,
    mut write: impl FnMut(&mut fmt::Formatter<'_>, &Expr) -> fmt::Result,
) -> fmt::Result {
    for (at, member) in members.iter().enumerate() {
        if at > 0 {
            f.write_str(separator)?;
        }
        write(f, member)?;
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::expect_used)]
mod tests {
    use super::*;
    use crate::parse;

    fn hosts(rule: &str) -> Option<Vec<String>> {
        let hosts = parse(rule).expect(rule).necessary_hosts()?;
        Some(hosts.iter().map(HostPattern::to_string).collect())
    }

    #[test]
    fn canonical_text() {
        for (rule, canonical) in [
            ("host(\"Example.COM.\")", "Host(`example.com`)"),
            ("HOST(`*.A.b`)", "Host(`*.a.b`)"),
            ("Host(`*`)", "Host(`*`)"),
            ("method(`get`)", "Method(`GET`)"),
            ("header(`X-a`,`V`)", "Header(`X-a`, `V`)"),
            ("query(`a`)", "Query(`a`)"),
            ("query(`a`,`b`)", "Query(`a`, `b`)"),
            ("QUERYREGEXP(`a`)", "QueryRegexp(`a`)"),
            ("clientip(`10.1.2.3/8`)", "ClientIP(`10.0.0.0/8`)"),
            ("clientip(`10.1.2.3/32`)", "ClientIP(`10.1.2.3`)"),
            ("clientip(`2001:DB8::1`)", "ClientIP(`2001:db8::1`)"),
            ("Path(\"/a`\\\"\\\\\")", "Path(\"/a`\\\"\\\\\")"),
            ("Path(\"/a\\rb\")", "Path(\"/a\\rb\")"),
            ("((Path(`/a`)&&(Path(`/b`)))&&Path(`/c`))", "Path(`/a`) && Path(`/b`) && Path(`/c`)"),
            ("Path(`/a`)||((Path(`/b`)||Path(`/c`)))", "Path(`/a`) || Path(`/b`) || Path(`/c`)"),
            ("(Path(`/a`)||Path(`/b`))&&Path(`/c`)", "(Path(`/a`) || Path(`/b`)) && Path(`/c`)"),
            ("(Path(`/a`)&&Path(`/b`))||Path(`/c`)", "Path(`/a`) && Path(`/b`) || Path(`/c`)"),
            ("!(Path(`/a`)||Path(`/b`))", "!(Path(`/a`) || Path(`/b`))"),
            ("!(!(Path(`/a`)))", "!!Path(`/a`)"),
        ] {
            assert_eq!(parse(rule).expect(rule).to_string(), canonical, "{rule}");
        }
    }

    #[test]
    fn hosts_that_a_rule_needs() {
        for (rule, expected) in [
            ("Host(`a`)", Some(vec!["a"])),
            ("Host(`*.a`) && Path(`/`)", Some(vec!["*.a"])),
            ("Host(`*`)", None),
            ("Path(`/`)", None),
            ("HostRegexp(`a`)", None),
            ("!Host(`a`)", None),
            ("!Host(`a`) && Host(`b`)", Some(vec!["b"])),
            ("Host(`a`) || Host(`b`) || Host(`A`)", Some(vec!["a", "b"])),
            ("Host(`a`) || Path(`/`)", None),
            ("Host(`a`) || Host(`*`)", None),
            ("(Host(`a`) || Host(`b`)) && Host(`c`)", Some(vec!["c"])),
            ("(Host(`a`) || Host(`b`)) && (Host(`*`) || Path(`/`))", Some(vec!["a", "b"])),
            ("Host(`a`) && Path(`/`) || Host(`b`) && Method(`GET`)", Some(vec!["a", "b"])),
        ] {
            let expected = expected.map(|hosts| hosts.into_iter().map(str::to_owned).collect());
            assert_eq!(hosts(rule), expected, "{rule}");
        }
    }

    #[test]
    fn host_patterns_match_as_documented() {
        for (pattern, host, expected) in [
            (HostPattern::Exact("example.com".into()), "example.com", true),
            (HostPattern::Exact("example.com".into()), "example.com.", true),
            (HostPattern::Exact("example.com".into()), "example.com..", false),
            (HostPattern::Exact("example.com".into()), "a.example.com", false),
            (HostPattern::Wildcard("example.com".into()), "a.example.com", true),
            (HostPattern::Wildcard("example.com".into()), "a.example.com.", true),
            (HostPattern::Wildcard("example.com".into()), "a.b.example.com", false),
            (HostPattern::Wildcard("example.com".into()), "example.com", false),
            (HostPattern::Wildcard("example.com".into()), ".example.com", false),
            (HostPattern::Any, "", true),
            (HostPattern::Exact("a".into()), "", false),
        ] {
            assert_eq!(pattern.matches(host), expected, "{pattern} {host}");
        }
    }
}
