//! Turns problems into diagnostics with their consequences, and counts those that nobody would read any more.

use std::collections::BTreeSet;

use seaway_config::{Code, Diagnostic, Origin, Severity};

use super::Decoded;
use crate::gather::{Object, Problem, problem};

/// Most diagnostics that one container gives.
const MAX_DIAGNOSTICS: usize = 100;

pub(crate) struct Report {
    origin: Origin,
    found: Vec<Diagnostic>,
    left_out: usize,
    worst_left_out: Severity,
    rule_lost: BTreeSet<String>,
    no_answer: bool,
}

impl Report {
    pub(crate) fn new(provider: &str, container: &str) -> Self {
        let origin = Origin::resource(provider, container);
        let (found, rule_lost) = (Vec::new(), BTreeSet::new());
        Self { origin, found, left_out: 0, worst_left_out: Severity::Info, rule_lost, no_answer: false }
    }

    /// The container, at one of its labels.
    pub(crate) fn at(&self, key: &str) -> Origin {
        self.origin.at(key)
    }

    /// `web@docker`.
    pub(crate) fn qualified(&self, name: &str) -> String {
        format!("{}@{}", crate::gather::show(name), self.origin.provider)
    }

    /// Something is not published.
    pub(crate) fn error(&mut self, problem: &Problem, consequence: impl Into<String>) -> Diagnostic {
        let found = Diagnostic::error(problem.code, self.at(&problem.key), problem.message.clone(), consequence);
        self.put(found.fix(problem.fix.clone()))
    }

    /// Something is ignored.
    pub(crate) fn warn(&mut self, problem: &Problem, consequence: impl Into<String>) -> Diagnostic {
        let found = Diagnostic::warning(problem.code, self.at(&problem.key), problem.message.clone(), consequence);
        self.put(found.fix(problem.fix.clone()))
    }

    /// The problem belongs to nobody in particular: every router of the container is off.
    pub(crate) fn quarantine_all(&mut self, decoded: &mut Decoded, problem: &Problem) {
        let consequence = match self.no_answer {
            false => "every router of this container answers 503, because any of them could be meant",
            true => "its routers are off, because any of them could be meant, and none is made by itself",
        };
        let found = self.error(problem, consequence);
        decoded.quarantine_all.get_or_insert(found);
    }

    /// Quarantines an object that is decoded already, unless it is.
    pub(crate) fn quarantine_named(&mut self, decoded: &mut Decoded, object: Object, name: &str, problem: &Problem) {
        let found = self.error(problem, self.off(object, name));
        let place = match object {
            Object::Router => decoded.routers.get_mut(name).map(|o| &mut o.quarantine),
            Object::Service => decoded.services.get_mut(name).map(|o| &mut o.quarantine),
            Object::Middleware => decoded.middlewares.get_mut(name).map(|o| &mut o.quarantine),
        };
        if let Some(place) = place {
            place.get_or_insert(found);
        }
    }

    /// The container declares no router, and none will be made for it: there is nothing that could answer 503.
    pub(crate) fn no_answer(&mut self) {
        self.no_answer = true;
    }

    /// The router's rule was refused: from now on, what is said of it does not promise an answer to its requests.
    pub(crate) fn rule_lost(&mut self, router: &str) {
        self.rule_lost.insert(router.to_owned());
    }

    /// The routers whose rule was refused.
    pub(crate) fn take_rule_lost(&mut self) -> BTreeSet<String> {
        std::mem::take(&mut self.rule_lost)
    }

    /// What it means that an object is off.
    pub(crate) fn off(&self, object: Object, name: &str) -> String {
        let lost = object == Object::Router && self.rule_lost.contains(name);
        let name = self.qualified(name);
        match object {
            Object::Router if lost => format!(
                "router {name} is off, and nobody can know which requests it meant: they go to whatever else takes them, \
                 or get 404"
            ),
            Object::Router => format!("router {name} answers 503"),
            Object::Service => format!("service {name} is off; routers that use it answer 503"),
            Object::Middleware => format!("middleware {name} is off; routers that use it answer 503"),
        }
    }

    /// One word on TCP and UDP, however many such labels there are.
    pub(crate) fn not_yet_tcp_udp(&mut self, key: &str) {
        let found = problem(key, Code::NotSupportedYet, "TCP and UDP routing do not work yet");
        self.warn(&found, "the container's TCP and UDP labels are ignored");
    }

    /// All that was found.
    pub(crate) fn finish(mut self) -> Vec<Diagnostic> {
        if self.left_out > 0 {
            let message = format!("{} further faults are not listed", self.left_out);
            let mut rest = Diagnostic::warning(Code::LabelLimit, self.origin.clone(), message, "");
            rest.severity = self.worst_left_out;
            self.found.push(rest);
        }
        self.found
    }

    fn put(&mut self, found: Diagnostic) -> Diagnostic {
        if self.found.len() < MAX_DIAGNOSTICS {
            self.found.push(found.clone());
        } else {
            self.left_out += 1;
            self.worst_left_out = self.worst_left_out.max(found.severity);
        }
        found
    }
}
