//! Middlewares: any fault breaks it, and every router that uses it is off.

use seaway_config::model::{MiddlewareOptions, NOT_YET};
use seaway_config::{Code, Declared, Middleware};

use super::object::Context;
use super::report::Report;
use crate::gather::{Object, Problem, problem};
use seaway_config::suggest::nearest;

pub(crate) fn decode(cx: &Context<'_>, report: &mut Report) -> Declared<Middleware> {
    let (options, mut problems) = cx.decode::<MiddlewareOptions>();
    for found in &mut problems {
        not_yet(found);
    }
    let mut types = options.types();
    let value = match types.len() {
        1 => types.pop().unwrap_or(Middleware::Broken {}),
        count => {
            problems.extend(wrong_count(cx, count, &types, problems.is_empty()));
            Middleware::Broken {}
        }
    };
    if let Middleware::Chain(chain) = &value
        && chain.middlewares.is_empty()
        && problems.is_empty()
    {
        let key = cx.key_of(&["chain"]).unwrap_or_else(|| cx.first_key());
        problems.push(problem(
            &key,
            Code::BadMiddleware,
            "the chain is empty, so nothing would stand where it is used",
        ));
    }
    if let Middleware::Headers(headers) = &value {
        for (option, successor) in headers.removed() {
            let key = cx.key_of(&["headers", option]).unwrap_or_else(|| cx.first_key());
            let message = format!("headers.{option} has had no effect for a long time");
            let fix = format!("without it; {successor} does what it did");
            report.warn(&Problem { fix, ..problem(&key, Code::RemovedOption, message) }, "it is ignored");
        }
    }
    let mut declared = Declared::new(value, report.at(&cx.first_key()));
    for found in &problems {
        let diagnostic = report.error(found, report.off(Object::Middleware, cx.name));
        declared.quarantine.get_or_insert(diagnostic);
    }
    declared
}

/// An option that Traefik has is no typo, even if it does not work yet.
fn not_yet(found: &mut Problem) {
    if found.code != Code::UnknownOption {
        return;
    }
    let known = || NOT_YET.iter().filter_map(|known| known.strip_prefix("middlewares.*."));
    if let Some(exact) = known().find(|known| known.eq_ignore_ascii_case(&found.path)) {
        found.code = Code::NotSupportedYet;
        found.message = format!("{exact} does not work yet");
        found.fix.clear();
    } else if found.fix.is_empty()
        && let Some(near) = nearest(&found.path, known())
    {
        found.message.push_str(&format!("; Traefik's {near} does not work yet"));
    }
}

/// None at all needs no saying where a fault has said why.
fn wrong_count(cx: &Context<'_>, count: usize, types: &[Middleware], say_none: bool) -> Option<Problem> {
    if count == 0 && !say_none {
        return None;
    }
    let message = match count {
        0 => "the middleware has no type".to_owned(),
        _ => {
            let kinds: Vec<&str> = types.iter().map(Middleware::kind).collect();
            format!("a middleware has one type, this one has {count}: {}", kinds.join(", "))
        }
    };
    Some(problem(&cx.first_key(), Code::MiddlewareTypeCount, message))
}
