//! Claims that hold for all rules, tried on random ones.
#![allow(clippy::expect_used)]

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use crate::{Expr, HostPattern, Matcher, parse};

fn text() -> impl Strategy<Value = Box<str>> {
    prop_oneof![
        3 => "[ -~]{1,12}",
        1 => "[`\"\\\\\r\n\tä🦀$({})]{1,8}",
        1 => vec(any::<char>(), 1..6).prop_map(String::from_iter),
    ]
    .prop_map(Into::into)
}

fn path() -> impl Strategy<Value = Box<str>> {
    text().prop_map(|text| format!("/{text}").into())
}

fn token() -> impl Strategy<Value = Box<str>> {
    "[A-Za-z0-9!#$%&'*+.^_`|~-]{1,10}".prop_map(Into::into)
}

fn host() -> impl Strategy<Value = HostPattern> {
    prop_oneof![
        Just(HostPattern::Any),
        "[a-z0-9_-]{1,5}(\\.[a-z0-9-]{1,4}){0,3}".prop_map(|name| HostPattern::Exact(name.into())),
        "[a-z0-9_-]{1,5}(\\.[a-z0-9-]{1,4}){0,3}".prop_map(|name| HostPattern::Wildcard(name.into())),
        any::<u128>().prop_map(|bits| HostPattern::Exact(std::net::Ipv6Addr::from(bits).to_string().into())),
    ]
}

fn network() -> impl Strategy<Value = ipnet::IpNet> {
    let v4 = (any::<u32>(), 0..=32u8).prop_map(|(bits, prefix)| format!("{}/{prefix}", std::net::Ipv4Addr::from(bits)));
    // Not in ::ffff:0:0/96, which is read as IPv4.
    let v6 =
        (1u128 << 64.., 0..=128u8).prop_map(|(bits, prefix)| format!("{}/{prefix}", std::net::Ipv6Addr::from(bits)));
    prop_oneof![v4, v6].prop_map(|net| net.parse::<ipnet::IpNet>().expect("a network").trunc())
}

fn matcher() -> impl Strategy<Value = Matcher> {
    prop_oneof![
        host().prop_map(Matcher::Host),
        "[a-z.^$\\\\*]{1,8}".prop_map(|regex| Matcher::HostRegexp(regex.into())),
        path().prop_map(Matcher::Path),
        path().prop_map(Matcher::PathPrefix),
        text().prop_map(Matcher::PathRegexp),
        token().prop_map(|method| Matcher::Method(method.to_ascii_uppercase().into())),
        (token(), text()).prop_map(|(name, value)| Matcher::Header { name, value }),
        (token(), text()).prop_map(|(name, regex)| Matcher::HeaderRegexp { name, regex }),
        (text(), option::of(text())).prop_map(|(key, value)| Matcher::Query { key, value }),
        (text(), option::of(text())).prop_map(|(key, regex)| Matcher::QueryRegexp { key, regex }),
        network().prop_map(Matcher::ClientIp),
    ]
}

/// Trees of the one form that `parse` gives.
fn tree(leaf: impl Strategy<Value = Expr> + 'static) -> impl Strategy<Value = Expr> {
    leaf.prop_recursive(5, 24, 4, |inner| {
        prop_oneof![
            inner.clone().prop_map(|expr| Expr::Not(Box::new(expr))),
            vec(inner.clone(), 2..4).prop_map(|members| Expr::And(
                members
                    .into_iter()
                    .flat_map(|member| match member {
                        Expr::And(inner) => inner,
                        other => vec![other],
                    })
                    .collect()
            )),
            vec(inner, 2..4).prop_map(|members| Expr::Or(
                members
                    .into_iter()
                    .flat_map(|member| match member {
                        Expr::Or(inner) => inner,
                        other => vec![other],
                    })
                    .collect()
            )),
        ]
    })
}

/// What a rule says when each matcher is answered by `answer`.
fn holds(expr: &Expr, answer: &impl Fn(&Matcher) -> bool) -> bool {
    match expr {
        Expr::Matcher(matcher) => answer(matcher),
        Expr::Not(inner) => !holds(inner, answer),
        Expr::And(members) => members.iter().all(|member| holds(member, answer)),
        Expr::Or(members) => members.iter().any(|member| holds(member, answer)),
    }
}

/// A rule over the paths `/0` to `/5`, together with what it means, written down while it was made.
#[derive(Clone, Debug)]
enum Source {
    Path(usize),
    Not(Box<Self>),
    Both(Box<Self>, Box<Self>),
    Either(Box<Self>, Box<Self>),
}

const PATHS: usize = 6;

fn source() -> impl Strategy<Value = Source> {
    (0..PATHS).prop_map(Source::Path).prop_recursive(6, 32, 2, |inner| {
        prop_oneof![
            inner.clone().prop_map(|a| Source::Not(Box::new(a))),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| Source::Both(Box::new(a), Box::new(b))),
            (inner.clone(), inner).prop_map(|(a, b)| Source::Either(Box::new(a), Box::new(b))),
        ]
    })
}

impl Source {
    fn holds(&self, truth: usize) -> bool {
        match self {
            Self::Path(n) => truth >> n & 1 == 1,
            Self::Not(a) => !a.holds(truth),
            Self::Both(a, b) => a.holds(truth) && b.holds(truth),
            Self::Either(a, b) => a.holds(truth) || b.holds(truth),
        }
    }

    /// Every operation in parentheses, so that precedence plays no part.
    fn written(&self) -> String {
        match self {
            Self::Path(n) => format!("path(\"/{n}\")"),
            Self::Not(a) => format!("!({})", a.written()),
            Self::Both(a, b) => format!("({}\n&&{})", a.written(), b.written()),
            Self::Either(a, b) => format!("( {}||{} )", a.written(), b.written()),
        }
    }
}

fn path_holds(expr: &Expr, truth: usize) -> bool {
    holds(expr, &|matcher| match matcher {
        Matcher::Path(path) => truth >> path.trim_start_matches('/').parse::<usize>().expect("a number") & 1 == 1,
        other => panic!("{other:?}"),
    })
}

/// Few hosts, and questions `/0`, `/1` that no host answers.
fn host_leaf() -> impl Strategy<Value = Expr> {
    prop_oneof![
        8 => prop::sample::select(vec!["a.x", "b.x", "x", "a.y"]).prop_map(|host| Matcher::Host(HostPattern::Exact(host.into()))),
        2 => prop::sample::select(vec!["x", "a.x"]).prop_map(|host| Matcher::Host(HostPattern::Wildcard(host.into()))),
        1 => Just(Matcher::Host(HostPattern::Any)),
        1 => Just(Matcher::HostRegexp("/0".into())),
        1 => Just(Matcher::Path("/0".into())),
        1 => Just(Matcher::Path("/1".into())),
    ]
    .prop_map(Expr::Matcher)
}

const HOSTS: [&str; 8] = ["", "x", "a.x", "b.x", "q.x", "b.a.x", "a.y", "other"];

fn soup() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "Host",
        "(",
        ")",
        "`",
        "\"",
        "'",
        "\\",
        "&&",
        "||",
        "!",
        ",",
        "&",
        "`a`",
        "Path(`/a`)",
        "Host(`a`)",
        " ",
        "\n",
        "ä",
        "\"\\x41\"",
        "*",
        "{a:",
        "}",
        "8",
        "HostRegexp(`",
        "Headers(",
        "clientip(\"",
        "\u{0}",
        "hOst",
        "not",
        "and",
    ]);
    vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

fn total(rule: &str) -> Result<(), TestCaseError> {
    match parse(rule) {
        Ok(expr) => {
            // Canonical text is a fixed point, and says the same.
            let canonical = expr.to_string();
            prop_assert_eq!(parse(&canonical).expect("canonical text parses"), expr);
        }
        Err(error) => {
            prop_assert!(error.offset <= rule.len() && rule.is_char_boundary(error.offset));
            prop_assert!(error.column <= rule.chars().count() + 1);
            prop_assert!(!error.message.is_empty() && !error.message.contains(char::is_control));
            prop_assert_eq!(error.caret(rule).lines().count(), 2);
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn what_is_displayed_parses_to_the_same(expr in tree(matcher().prop_map(Expr::Matcher))) {
        prop_assert_eq!(parse(&expr.to_string()), Ok(expr));
    }

    #[test]
    fn any_text_gives_a_rule_or_an_error(rule in any::<String>()) {
        total(&rule)?;
    }

    #[test]
    fn any_soup_of_tokens_gives_a_rule_or_an_error(rule in soup()) {
        total(&rule)?;
    }

    #[test]
    fn a_damaged_rule_gives_a_rule_or_an_error(expr in tree(matcher().prop_map(Expr::Matcher)), at in any::<prop::sample::Index>(), with in any::<Option<char>>()) {
        let mut chars: Vec<char> = expr.to_string().chars().collect();
        let at = at.index(chars.len());
        chars.splice(at..=at, with);
        total(&String::from_iter(chars))?;
    }

    #[test]
    fn rules_mean_what_their_parentheses_say(source in source()) {
        let expr = parse(&source.written()).expect("a rule");
        // Needless parentheses leave no trace in the tree.
        prop_assert_eq!(parse(&expr.to_string()), Ok(expr.clone()));
        for truth in 0..1 << PATHS {
            prop_assert_eq!(path_holds(&expr, truth), source.holds(truth), "{} {:b}", expr, truth);
        }
    }

    #[test]
    fn without_parentheses_not_binds_before_and_before_or(
        parts in vec((0..3usize, 0..PATHS, any::<bool>()), 1..10)
    ) {
        let mut rule = String::new();
        for (index, (nots, path, or)) in parts.iter().enumerate() {
            let operator = match (index, or) { (0, _) => "", (_, true) => " || ", (_, false) => " && " };
            rule += &format!("{operator}{}Path(`/{path}`)", "!".repeat(*nots));
        }
        let expr = parse(&rule).expect("a rule");
        for truth in 0..1 << PATHS {
            let expected = rule.split(" || ").any(|side| side.split(" && ").all(|unary| {
                let path = unary.trim_start_matches('!');
                let number: usize = path.trim_matches(|c: char| !c.is_ascii_digit()).parse().expect("a number");
                (truth >> number & 1 == 1) != ((unary.len() - path.len()) % 2 == 1)
            }));
            prop_assert_eq!(path_holds(&expr, truth), expected, "{} {:b}", rule, truth);
        }
    }

    #[test]
    fn a_host_outside_the_necessary_ones_never_matches(expr in tree(host_leaf())) {
        let Some(necessary) = expr.necessary_hosts() else { return Ok(()) };
        prop_assert!(!necessary.contains(&HostPattern::Any));
        let counts = necessary.iter().fold(BTreeMap::new(), |mut counts, host| {
            *counts.entry(host).or_insert(0) += 1;
            counts
        });
        prop_assert!(counts.values().all(|count| *count == 1));
        for host in HOSTS {
            if necessary.iter().any(|pattern| pattern.matches(host)) {
                continue;
            }
            for truth in 0..8 {
                let answer = |matcher: &Matcher| match matcher {
                    Matcher::Host(pattern) => pattern.matches(host),
                    Matcher::HostRegexp(_) => truth & 1 == 1,
                    Matcher::Path(path) if &**path == "/0" => truth & 2 == 2,
                    _ => truth & 4 == 4,
                };
                prop_assert!(!holds(&expr, &answer), "{} matches {:?}", expr, host);
            }
        }
    }
}
