//! The HTTP provider: an address that is asked again and again for what a file would say, in JSON or YAML.
//!
//! What it said last stays in force while it does not answer, or answers with something that cannot be used; both are
//! told, with since when.

mod client;

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use seaway_config::statics::HttpProviderOptions;
use seaway_config::{Code, Diagnostic, Origin};
use seaway_labels::{Dynamic, decode_dynamic, document};
use tokio::time::timeout;

use crate::declare::{Text, declare};
use crate::docker::watch::jitter;
use crate::merge::Found;
use crate::reconcile::Stale;
use crate::snapshot::{Declarations, Update, UpdateSender};
use client::Endpoint;

/// The provider's name, the part after the `@`.
pub const NAME: &str = "http";

/// Asking more often than that helps nobody.
const SHORTEST: Duration = Duration::from_millis(20);
/// The first pause after a failure; it doubles with each further one.
const BACK_OFF: Duration = Duration::from_millis(250);
/// The longest pause after failures, where the usual one is not longer.
const LONGEST: Duration = Duration::from_secs(30);

/// See the module.
#[derive(Debug)]
pub struct HttpProvider {
    endpoint: Endpoint,
    interval: Duration,
    patience: Duration,
}

impl HttpProvider {
    /// The provider that the options ask for. Nothing is asked yet.
    ///
    /// # Errors
    /// The endpoint, a header or a TLS file cannot be used.
    pub fn new(options: &HttpProviderOptions) -> Result<Self, String> {
        let endpoint = Endpoint::new(options)?;
        Ok(Self { endpoint, interval: options.poll_interval.max(SHORTEST), patience: options.poll_timeout })
    }

    /// The address, for people: without its query, which may hold a secret.
    pub fn shown(&self) -> &str {
        &self.endpoint.shown
    }

    /// Sends what the address says, now and whenever that changes, until nobody listens.
    pub async fn run(self, updates: UpdateSender) {
        let mut memory = Memory::new(&self.endpoint.shown);
        let mut failures = 0u32;
        loop {
            let patience = if self.patience.is_zero() { LONGEST } else { self.patience };
            let answer = match timeout(patience, self.endpoint.ask()).await {
                Ok(answer) => answer,
                Err(_) => Err(format!("no answer within {} ms", patience.as_millis())),
            };
            failures = if answer.is_ok() { 0 } else { failures.saturating_add(1) };
            if let Some(declarations) = memory.take(answer) {
                let update = Update::Declared { provider: NAME.into(), declarations: Arc::new(declarations) };
                if updates.send(update).is_err() {
                    return;
                }
            }
            let pause = match failures {
                0 => self.interval,
                failures => {
                    jitter::full((BACK_OFF * 2u32.saturating_pow(failures.min(16))).min(LONGEST.max(self.interval)))
                }
            };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = updates.closed() => return,
            }
        }
    }
}

/// What the address said last.
#[derive(Debug)]
struct Memory {
    name: Arc<str>,
    hasher: RandomState,
    hash: Option<u64>,
    good: Option<Arc<Dynamic>>,
    /// What is wrong, and since when.
    fault: Option<(SystemTime, Diagnostic)>,
}

impl Memory {
    fn new(name: &str) -> Self {
        Self { name: name.into(), hasher: RandomState::new(), hash: None, good: None, fault: None }
    }

    /// Takes an answer, or why there is none. Gives what is declared now if that may be something else than before.
    fn take(&mut self, answer: Result<String, String>) -> Option<Declarations> {
        let fault = match answer {
            Ok(text) => {
                let hash = self.hasher.hash_one(&text);
                if self.hash == Some(hash) {
                    return self.fault.take().map(|_| self.declarations());
                }
                match document::parse_yaml(&self.name, &text) {
                    Ok(tree) => {
                        let says = decode_dynamic(&tree, NAME, &self.name);
                        (self.hash, self.good, self.fault) = (Some(hash), Some(Arc::new(says)), None);
                        return Some(self.declarations());
                    }
                    Err(found) => {
                        let origin = Origin::resource(NAME, &format!("{}:{}", self.name, found.line));
                        Diagnostic::error(Code::UnreadableFile, origin, found.message, "")
                    }
                }
            }
            Err(why) => Diagnostic::error(Code::ProviderUnreachable, Origin::resource(NAME, &self.name), why, ""),
        };
        if self.fault.as_ref().is_some_and(|(_, told)| (told.code, &told.message) == (fault.code, &fault.message)) {
            return None;
        }
        let since = self.fault.take().map_or_else(SystemTime::now, |(since, _)| since);
        let consequence = match self.good {
            Some(_) => "what it said before stays in force, and it is asked again",
            None => "nothing of it is in force, and it is asked again",
        };
        self.fault = Some((since, Diagnostic { consequence: consequence.to_owned(), ..fault }));
        Some(self.declarations())
    }

    fn declarations(&self) -> Declarations {
        let says = self.good.iter().map(|says| Text { name: Arc::clone(&self.name), says: Arc::clone(says) });
        let mut out = declare(NAME, &says.collect::<Vec<_>>());
        if let Some((since, fault)) = &self.fault {
            out.stale = Some(Stale { since: *since, reason: format!("{}: {}", self.name, fault.message) });
            out.diagnostics.insert(0, Found { whose: Arc::clone(&self.name), diagnostic: fault.clone() });
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"{"http": {"routers": {"web": {"rule": "Host(`a`)", "service": "s"}}}}"#;

    #[test]
    fn the_last_good_answer_stays_and_each_thing_is_told_once() {
        let mut memory = Memory::new("http://a/x");
        let refused = || Err("connection refused".to_owned());
        let first = memory.take(refused()).expect("the first word, if only that there is none");
        assert_eq!(first.diagnostics[0].diagnostic.code, Code::ProviderUnreachable);
        assert!(first.stale.is_some() && first.routers.is_empty());
        assert!(memory.take(refused()).is_none(), "told already");
        let good = memory.take(Ok(GOOD.to_owned())).expect("news");
        assert_eq!((good.routers.len(), good.stale, good.diagnostics.len()), (1, None, 0));
        assert_eq!(&*good.routers["web"].origin.resource, "http://a/x:1");
        assert!(memory.take(Ok(GOOD.to_owned())).is_none(), "the same once more");
        let stale = memory.take(refused()).expect("news");
        assert_eq!((stale.routers.len(), stale.diagnostics.len()), (1, 1));
        assert!(stale.diagnostics[0].diagnostic.consequence.contains("stays in force"));
        let bad = memory.take(Ok("{".to_owned())).expect("another fault");
        assert_eq!(bad.diagnostics[0].diagnostic.code, Code::UnreadableFile);
        assert_eq!(
            (bad.routers.len(), bad.stale.map(|s| s.since)),
            (1, stale.stale.map(|s| s.since)),
            "since the first"
        );
        let fresh = memory.take(Ok(GOOD.to_owned())).expect("it is over");
        assert_eq!((fresh.routers.len(), fresh.stale, fresh.diagnostics.len()), (1, None, 0));
    }

    #[test]
    fn no_template_is_filled_in_for_strangers() {
        let mut memory = Memory::new("http://a/x");
        let said = memory
            .take(Ok("http: { routers: { web: { rule: 'Host(`{{ env \"HOME\" }}`)', service: s } } }".to_owned()));
        assert_eq!(said.expect("news").routers["web"].value.rule, "Host(`{{ env \"HOME\" }}`)");
    }
}
