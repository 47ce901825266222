//! One container's labels → routers, services, middlewares, and every fault with its consequence.
//!
//! The smallest object fails, and it fails closed: a router with a fault is quarantined, a middleware with a fault takes
//! its routers with it, a service only where the fault could change where requests go. A label of which nobody can
//! tell whose it is quarantines every router of the container.

pub(crate) mod middleware;
mod misplaced;
pub(crate) mod object;
mod provider;
pub(crate) mod report;
pub(crate) mod router;
pub(crate) mod service;

use std::collections::{BTreeMap, BTreeSet};

use seaway_config::model::ServiceOptions;
use seaway_config::{Code, Declared, Diagnostic, Middleware, Router};

use crate::gather::{Gathered, Object, gather};
use object::Context;
use report::Report;

/// Longest name of a router, service or middleware, in bytes.
const MAX_NAME: usize = 1024;

/// What one container's labels declare.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Decoded {
    /// `traefik.enable`; `None` leaves it to the provider's default.
    pub enable: Option<bool>,
    /// `traefik.docker.network`.
    pub network: Option<String>,
    /// `traefik.docker.allownonrunning`.
    pub allow_non_running: bool,
    /// A label below `traefik.enable` or `traefik.docker.` could not be read; `quarantine_all` is set as well.
    pub provider_fault: bool,
    /// Routers by name, as spelt.
    pub routers: BTreeMap<String, Declared<Router>>,
    /// Routers of which nobody can know the rule, because the label that gives it was refused. They are quarantined, and
    /// no default rule may be made up for them.
    pub rule_lost: BTreeSet<String>,
    /// Services by name, as spelt, without servers.
    pub services: BTreeMap<String, Declared<ServiceOptions>>,
    /// Middlewares by name, as spelt.
    pub middlewares: BTreeMap<String, Declared<Middleware>>,
    /// A label below `http.` was refused, so no default router may be made up for this container.
    pub http_refused: bool,
    /// A label cannot be given to one object. Every router in `routers` is quarantined already; one that is made up for
    /// the container must be quarantined with this as well.
    pub quarantine_all: Option<Diagnostic>,
    /// TCP or UDP labels are there; they do not work yet.
    pub tcp_udp: bool,
    /// Everything that was found, the reasons of quarantine included; at most a hundred, and one that counts the rest.
    pub diagnostics: Vec<Diagnostic>,
}

/// Decodes the labels of `container` as seen by `provider` (`docker`). Never fails: what is wrong is in the result.
pub fn decode_container(labels: &BTreeMap<String, String>, provider: &str, container: &str) -> Decoded {
    let mut decoded = Decoded::default();
    let mut report = Report::new(provider, container);
    let gathered = gather(labels);
    if gathered.objects(Object::Router).is_empty() && !gathered.unassignable.is_empty() {
        report.no_answer();
    }
    provider::read(labels, &mut decoded, &mut report);
    for problem in &gathered.unassignable {
        decoded.http_refused = true;
        report.quarantine_all(&mut decoded, problem);
    }
    for problem in &gathered.remarks {
        let duplicate = problem.code == Code::DuplicateLabel;
        report.warn(problem, if duplicate { "this one counts" } else { "it is ignored" });
    }
    if let Some(key) = &gathered.tcp_udp {
        decoded.tcp_udp = true;
        report.not_yet_tcp_udp(key);
    }
    objects(&gathered, labels, &mut decoded, &mut report);
    for (object, name, problem) in misplaced::find(&gathered) {
        report.quarantine_named(&mut decoded, object, &name, &problem);
    }
    if let Some(reason) = &decoded.quarantine_all {
        for router in decoded.routers.values_mut() {
            router.quarantine.get_or_insert_with(|| reason.clone());
        }
    }
    decoded.http_refused |= decoded.routers.values().any(|r| r.quarantine.is_some())
        || decoded.services.values().any(|s| s.quarantine.is_some())
        || decoded.middlewares.values().any(|m| m.quarantine.is_some());
    decoded.rule_lost = report.take_rule_lost();
    decoded.diagnostics = report.finish();
    decoded
}

fn objects(gathered: &Gathered, labels: &BTreeMap<String, String>, decoded: &mut Decoded, report: &mut Report) {
    for object in Object::ALL {
        for (name, node) in gathered.objects(object) {
            let cx = Context { object, name, node, labels, gathered, is_file: false };
            match object {
                Object::Router => {
                    let router = router::decode(&cx, report);
                    decoded.routers.insert(name.clone(), router);
                }
                Object::Service => {
                    let service = service::decode(&cx, report);
                    decoded.services.insert(name.clone(), service);
                }
                Object::Middleware => {
                    let middleware = middleware::decode(&cx, report);
                    decoded.middlewares.insert(name.clone(), middleware);
                }
            }
        }
    }
}

/// Names that routers, services and middlewares cannot have: `@` separates a name from its provider, and what is too long
/// would be so in every line that names it.
fn name_problem(cx: &Context<'_>) -> Option<crate::gather::Problem> {
    if cx.name.len() > MAX_NAME {
        let message = format!("the name has {} bytes, more than {MAX_NAME}", cx.name.len());
        let found = crate::gather::problem(&cx.first_key(), Code::LabelLimit, message);
        return Some(crate::gather::Problem { fix: "a shorter name".to_owned(), ..found });
    }
    cx.name.contains('@').then(|| {
        let message = "a name cannot contain @, which stands before the provider where a name is used";
        crate::gather::problem(&cx.first_key(), Code::BadName, message)
    })
}

#[cfg(test)]
mod tests;
