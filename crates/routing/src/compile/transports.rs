//! Servers transports by name.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use seaway_config::model::Config;
use seaway_config::suggest::nearest;
use seaway_config::{Code, Diagnostic, Name};

use crate::transport::Transport;
use crate::{RoutingTable, StateRegistry};

use super::report::{Fault, Report};

/// What became of each configured transport.
#[derive(Debug, Default)]
pub(super) struct Transports {
    done: HashMap<Name, Result<Arc<Transport>, Fault>>,
    pub(super) diagnostics: Box<[Diagnostic]>,
}

/// The transports of this table, and what distinguishes them from those of the one before.
pub(super) struct Compiled {
    pub(super) all: Arc<Transports>,
    /// Those that are new, gone, or come to something else.
    pub(super) changed: HashSet<Name>,
}

/// Makes all of them, also those that nobody uses: their faults are told as well. One that is declared as before is the
/// one of before, with the certificates that were read then.
pub(super) fn compile(config: &Config, registry: &StateRegistry, previous: &RoutingTable) -> Compiled {
    let before = &previous.memo.transports;
    let (now, then) = (&config.servers_transports, &previous.config.servers_transports);
    if now.is_same(then) {
        return Compiled { all: Arc::clone(before), changed: HashSet::new() };
    }
    let mut report = Report::default();
    let mut all = Transports::default();
    let mut changed: HashSet<Name> = then.keys().filter(|name| now.get(name).is_none()).cloned().collect();
    for (name, declared) in now {
        if let Some(diagnostic) = &declared.quarantine {
            report.add(diagnostic.clone());
        }
        let same = then.get(name).is_some_and(|then| then == declared);
        let known = before.done.get(name).filter(|known| same && known.is_ok()).cloned();
        let is_known = known.is_some();
        let outcome = known.unwrap_or_else(|| match &declared.quarantine {
            Some(diagnostic) => Err(diagnostic.into()),
            None => registry.transport(&declared.value).map_err(|text| Fault::new(Code::BadTransport, text)),
        });
        let same_fault = || matches!((before.done.get(name), &outcome), (Some(Err(a)), Err(b)) if a == b);
        if !is_known && !same_fault() {
            changed.insert(name.clone());
        }
        if let (Err(fault), None) = (&outcome, &declared.quarantine) {
            let consequence = format!("every router whose service uses servers transport {name} answers 503");
            report.add(Diagnostic::error(fault.code, declared.origin.clone(), fault.text.clone(), consequence));
        }
        all.done.insert(name.clone(), outcome);
    }
    all.diagnostics = report.finish();
    Compiled { all: Arc::new(all), changed }
}

impl Transports {
    /// What `reference` in `provider` means.
    pub(super) fn get(
        &self,
        reference: &str,
        provider: &str,
        registry: &StateRegistry,
    ) -> Result<Arc<Transport>, Fault> {
        if is_usual(reference) {
            return Ok(Arc::clone(registry.usual_transport()));
        }
        let name = Name::resolve(reference, provider);
        match self.done.get(&name) {
            Some(Ok(transport)) => Ok(Arc::clone(transport)),
            Some(Err(fault)) => {
                let text = format!("servers transport \"{name}\" cannot be used: {}", fault.text);
                Err(Fault::new(Code::BadTransport, text))
            }
            None => {
                let fault = Fault::new(Code::UnknownTransport, format!("servers transport not found {name}"));
                let elsewhere = self.done.keys().filter(|known| known.local == name.local).min().map(Name::to_string);
                let near = || {
                    let near = nearest(&name.local, self.done.keys().map(|known| &*known.local))?;
                    self.done.keys().filter(|known| &*known.local == near).min().map(Name::to_string)
                };
                Err(match elsewhere.or_else(near) {
                    Some(meant) => fault.value(meant),
                    None => fault,
                })
            }
        }
    }
}

/// The transport of services that name none.
pub(super) fn is_usual(reference: &str) -> bool {
    matches!(reference, "" | "default" | "default@internal")
}
