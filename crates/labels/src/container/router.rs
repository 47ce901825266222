//! Routers: any fault quarantines, because it might have been the router's middlewares.

use seaway_config::catalogue::Section;
use seaway_config::suggest::nearest;
use seaway_config::{Code, Declared, Router};

use super::object::Context;
use super::report::Report;
use crate::gather::{Object, Problem, line, problem, show};

/// Above this, priorities are the internal routers'.
const MAX_PRIORITY: i64 = i64::MAX - 1000;

pub(crate) fn decode(cx: &Context<'_>, report: &mut Report) -> Declared<Router> {
    let (router, mut problems) = cx.decode::<Router>();
    problems.extend(checks(cx, &router));
    if router.rule.is_empty() && problems.iter().any(|found| is_about_rule(&found.path)) {
        report.rule_lost(cx.name);
    }
    let mut declared = Declared::new(router, report.at(&cx.first_key()));
    for found in &problems {
        let mut consequence = report.off(Object::Router, cx.name);
        if found.code == Code::TlsNotSupportedYet {
            consequence.push_str("; it is never served in clear");
        }
        let diagnostic = report.error(found, consequence);
        declared.quarantine.get_or_insert(diagnostic);
    }
    declared
}

/// Whether a label at this path below the router gives it its rule, or was probably meant to.
fn is_about_rule(path: &str) -> bool {
    let word = path.split(['.', '[']).next().unwrap_or_default();
    nearest(word, Router::OPTIONS.iter().map(|spec| spec.name)) == Some("rule")
}

fn checks(cx: &Context<'_>, router: &Router) -> Vec<Problem> {
    let mut found = Vec::new();
    let mut check = |path: &[&str], wrong: bool, code: Code, message: String| {
        if wrong && let Some(key) = cx.key_of(path) {
            found.push(problem(&key, code, message));
        }
    };
    let tls = "HTTPS does not work yet";
    check(&["tls"], router.tls.is_some(), Code::TlsNotSupportedYet, tls.to_owned());
    let priority = format!("a priority is at most {MAX_PRIORITY}");
    check(&["priority"], router.priority > MAX_PRIORITY, Code::BadPriority, priority);
    let syntax = router.rule_syntax.as_str();
    let message = format!("only the rule syntax v3 is supported, not `{}`", show(syntax));
    check(&["ruleSyntax"], !matches!(syntax, "" | "v3"), Code::NotSupportedYet, message);
    let verbosity = router.observability.as_ref().map_or("", |o| o.trace_verbosity.as_str());
    let message = format!("minimal or detailed is expected, not `{}`", show(verbosity));
    check(
        &["observability", "traceVerbosity"],
        !matches!(verbosity, "" | "minimal" | "detailed"),
        Code::BadValue,
        message,
    );
    if let Some(tls) = found.iter_mut().find(|p| p.code == Code::TlsNotSupportedYet)
        && let Some(key) = cx.key_of(&["tls"])
        && key.rsplit('.').next().is_some_and(|word| word.eq_ignore_ascii_case("tls"))
    {
        tls.fix = line(&key, "false");
    }
    found
}
