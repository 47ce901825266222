//! What providers hand over and `compile` turns into a routing table.

mod composite;
mod middlewares;
mod router;
mod server;
mod service;
mod transport;

use std::fmt;

use serde::Serialize;

use crate::diagnostic::{Diagnostic, Origin};
use crate::files::Files;
use crate::shared_map::SharedMap;

pub use composite::*;
pub use middlewares::*;
pub use router::*;
pub use server::*;
pub use service::*;
pub use transport::*;

/// A name qualified by its provider: `web@docker`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name {
    /// The name without the provider.
    pub local: Box<str>,
    /// The provider: `docker`, `internal`, …
    pub provider: Box<str>,
}

impl Name {
    /// Puts a name together.
    pub fn new(local: &str, provider: &str) -> Self {
        Self { local: local.into(), provider: provider.into() }
    }

    /// A reference as written in configuration: `auth` means the same provider, `auth@file` another one.
    pub fn resolve(reference: &str, provider: &str) -> Self {
        match reference.rsplit_once('@') {
            Some((local, other)) => Self::new(local, other),
            None => Self::new(reference, provider),
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.local, self.provider)
    }
}

impl Serialize for Name {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The merged dynamic configuration of all providers. Pure data: `compile` needs nothing else but the registry.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Config {
    /// Routers by qualified name.
    pub routers: SharedMap<Name, Declared<Router>>,
    /// Services by qualified name.
    pub services: SharedMap<Name, Declared<Service>>,
    /// Middlewares by qualified name.
    pub middlewares: SharedMap<Name, Declared<Middleware>>,
    /// Servers transports by qualified name.
    pub servers_transports: SharedMap<Name, Declared<ServersTransport>>,
    /// The files that middlewares name, as they were read last.
    pub files: Files,
}

/// A configured object, where it came from, and whether it may be used.
#[derive(Clone, Debug, PartialEq)]
pub struct Declared<T> {
    /// The object.
    pub value: T,
    /// The container (and the first label key) that declares it.
    pub origin: Origin,
    /// Set when the object must not be published as configured: the diagnostic that says why. A quarantined router
    /// keeps its place and answers 503; a quarantined service or middleware takes every router that uses it with it.
    pub quarantine: Option<Diagnostic>,
}

impl<T> Declared<T> {
    /// A good object.
    pub fn new(value: T, origin: Origin) -> Self {
        Self { value, origin, quarantine: None }
    }
}

/// Compares names as people count: `web-2` before `web-10`.
pub fn natural_order(a: &str, b: &str) -> std::cmp::Ordering {
    let (mut a_rest, mut b_rest) = (a, b);
    loop {
        let (a_text, a_number, a_next) = chunk(a_rest);
        let (b_text, b_number, b_next) = chunk(b_rest);
        let order = a_text.cmp(b_text).then_with(|| {
            let (a_trim, b_trim) = (a_number.trim_start_matches('0'), b_number.trim_start_matches('0'));
            a_trim.len().cmp(&b_trim.len()).then_with(|| a_trim.cmp(b_trim))
        });
        if order.is_ne() || (a_next.is_empty() && b_next.is_empty()) {
            return order.then_with(|| a_next.cmp(b_next)).then_with(|| a.cmp(b));
        }
        (a_rest, b_rest) = (a_next, b_next);
    }
}

/// The leading text, the digits after it, and what follows.
fn chunk(text: &str) -> (&str, &str, &str) {
    let digits_at = text.find(|c: char| c.is_ascii_digit()).unwrap_or(text.len());
    let (head, rest) = text.split_at(digits_at);
    let digits_end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let (digits, tail) = rest.split_at(digits_end);
    (head, digits, tail)
}

#[cfg(test)]
mod tests {
    use std::cmp::Ordering;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn references_belong_to_their_provider_unless_they_name_one() {
        for (reference, local, provider) in [
            ("auth", "auth", "docker"),
            ("auth@file", "auth", "file"),
            ("a@b@file", "a@b", "file"),
            ("api@internal", "api", "internal"),
            ("auth@", "auth", ""),
            ("", "", "docker"),
        ] {
            assert_eq!(Name::resolve(reference, "docker"), Name::new(local, provider), "{reference}");
        }
        let name = Name::new("web", "docker");
        assert_eq!(Name::resolve(&name.to_string(), "file"), name);
    }

    #[test]
    fn names_are_ordered_as_people_count() {
        let sorted = [
            "",
            "1",
            "2",
            "10",
            "a",
            "a-1",
            "web",
            "web-1",
            "web-2",
            "web-2-a",
            "web-2-b",
            "web-10",
            "web-10-1",
            "web-010-2",
            "web-010-10",
            "webb",
        ];
        for (at, a) in sorted.iter().enumerate() {
            for (bt, b) in sorted.iter().enumerate() {
                assert_eq!(natural_order(a, b), at.cmp(&bt), "{a} {b}");
            }
        }
        assert_eq!(natural_order("web-01", "web-1"), Ordering::Less, "different names are never equal");
        assert_eq!(natural_order("web-99999999999999999999999", "web-100000000000000000000000"), Ordering::Less);
    }

    proptest! {
        #[test]
        fn natural_order_is_a_total_order(a in "[a0-2.-]{0,6}", b in "[a0-2.-]{0,6}", c in "[a0-2.-]{0,6}") {
            prop_assert_eq!(natural_order(&a, &b), natural_order(&b, &a).reverse());
            prop_assert_eq!(natural_order(&a, &b) == Ordering::Equal, a == b);
            if natural_order(&a, &b).is_le() && natural_order(&b, &c).is_le() {
                prop_assert!(natural_order(&a, &c).is_le(), "{:?} {:?} {:?}", a, b, c);
            }
        }

        #[test]
        fn natural_order_takes_any_text(a in any::<String>(), b in any::<String>()) {
            prop_assert_eq!(natural_order(&a, &b) == Ordering::Equal, a == b);
        }
    }
}
