//! Whether one rule takes every request that another takes.

use seaway_rule::{Expr, HostPattern, Matcher as Question};

use crate::matcher::Matcher;

/// True only if `wide` takes every request that `narrow` takes. False where that cannot be seen from the rules alone.
pub fn covers(wide: &Matcher, narrow: &Matcher) -> bool {
    implies(narrow.expr(), wide.expr())
}

fn implies(narrow: &Expr, wide: &Expr) -> bool {
    if narrow == wide || is_always(wide) {
        return true;
    }
    match (narrow, wide) {
        (Expr::Or(members), _) => members.iter().all(|member| implies(member, wide)),
        (_, Expr::And(members)) => members.iter().all(|member| implies(narrow, member)),
        (_, Expr::Or(members)) => {
            members.iter().any(|member| implies(narrow, member)) || any_part(narrow, |part| implies(part, wide))
        }
        (Expr::Not(narrow), Expr::Not(wide)) => implies(wide, narrow),
        (Expr::Matcher(narrow), Expr::Matcher(wide)) => question(narrow, wide),
        _ => any_part(narrow, |part| implies(part, wide)),
    }
}

fn any_part(expr: &Expr, test: impl Fn(&Expr) -> bool) -> bool {
    matches!(expr, Expr::And(members) if members.iter().any(test))
}

fn is_always(expr: &Expr) -> bool {
    match expr {
        Expr::Matcher(Question::PathPrefix(prefix)) => &**prefix == "/",
        Expr::Matcher(Question::Host(HostPattern::Any)) => true,
        _ => false,
    }
}

fn question(narrow: &Question, wide: &Question) -> bool {
    match (narrow, wide) {
        (Question::Host(HostPattern::Exact(host)), Question::Host(pattern)) => pattern.matches(host),
        (Question::Host(HostPattern::Exact(host)), Question::HostRegexp(pattern)) => {
            seaway_config::regexp::compile(pattern).is_ok_and(|regexp| regexp.is_match(host))
        }
        (Question::Path(path) | Question::PathPrefix(path), Question::PathPrefix(prefix)) => {
            path.starts_with(&**prefix)
        }
        (Question::Path(path), Question::PathRegexp(pattern)) => {
            seaway_config::regexp::compile(pattern).is_ok_and(|regexp| regexp.is_match(path))
        }
        (Question::ClientIp(narrow), Question::ClientIp(wide)) => wide.contains(narrow),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn what_covers_what() {
        for (wide, narrow, expected) in [
            ("Host(`a.b`)", "Host(`a.b`) && PathPrefix(`/x`)", true),
            ("Host(`a.b`) && PathPrefix(`/x`)", "Host(`a.b`)", false),
            ("PathPrefix(`/`)", "Host(`a.b`)", true),
            ("PathPrefix(`/x`)", "Path(`/x/y`)", true),
            ("PathPrefix(`/x`)", "PathPrefix(`/`)", false),
            ("Host(`*.b`)", "Host(`a.b`)", true),
            ("Host(`a.b`)", "Host(`*.b`)", false),
            ("HostRegexp(`^.+$`)", "Host(`a.b`)", true),
            ("HostRegexp(`^c`)", "Host(`a.b`)", false),
            ("Host(`a.b`) || Host(`c.d`)", "Host(`c.d`)", true),
            ("Host(`a.b`)", "Host(`a.b`) || Host(`c.d`)", false),
            ("!Path(`/x`)", "!PathPrefix(`/x`)", true),
            ("!PathPrefix(`/x`)", "!Path(`/x`)", false),
            ("(Host(`a.b`) || Host(`c.d`)) && Method(`GET`)", "Host(`a.b`) && Method(`GET`) && Path(`/`)", true),
            ("ClientIP(`10.0.0.0/8`)", "ClientIP(`10.1.0.0/16`)", true),
            ("Method(`GET`)", "Method(`POST`)", false),
        ] {
            let (one, other) = (Matcher::new(wide).unwrap(), Matcher::new(narrow).unwrap());
            assert_eq!(covers(&one, &other), expected, "{wide} over {narrow}");
        }
    }
}
