//! Who uses what, and what was said about whom: found once for an answer, so that a thousand objects are told in one
//! pass over a thousand.

use std::collections::HashMap;

use seaway_config::diagnostic::{Diagnostic, Severity};
use seaway_config::model::Name;
use seaway_routing::{RoutingTable, Service};

use super::Kind;
use crate::View;

/// The table with ways into it that the data plane does not need.
pub(crate) struct Index<'v> {
    pub(super) table: &'v RoutingTable,
    /// Services of Seaway's own, in order.
    pub(super) internal: Vec<Name>,
    /// Routers by what they use.
    users: HashMap<(Kind, Name), Vec<&'v Name>>,
    services: HashMap<&'v Name, &'v Service>,
    /// Diagnostics by the object whose label they are at; the name in lower case, as labels do not tell case apart.
    diagnostics: HashMap<(Kind, String), Vec<&'v Diagnostic>>,
}

impl<'v> Index<'v> {
    pub(crate) fn new(view: &View<'v>) -> Self {
        let table = view.table;
        let mut internal: Vec<Name> = view.internal.iter().map(|name| Name::new(name, "internal")).collect();
        internal.sort();
        let mut users: HashMap<_, Vec<&Name>> = HashMap::new();
        for (router, declared) in &table.config.routers {
            let resolve = |written: &str| Name::resolve(written, &router.provider);
            let services = Some(&declared.value.service).filter(|service| !service.is_empty());
            let services = services.map(|service| (Kind::Services, resolve(service)));
            let middlewares = declared.value.middlewares.iter().map(|written| (Kind::Middlewares, resolve(written)));
            for used in services.into_iter().chain(middlewares) {
                let routers = users.entry(used).or_default();
                if routers.last() != Some(&router) {
                    routers.push(router);
                }
            }
        }
        let mut diagnostics: HashMap<_, Vec<&Diagnostic>> = HashMap::new();
        for found in table.diagnostics.iter() {
            if let Some((kind, local)) = object_of(&found.origin.key) {
                diagnostics.entry((kind, key(local, &found.origin.provider))).or_default().push(found);
            }
        }
        let services = table.services.iter().map(|service| (&service.name, &**service)).collect();
        Self { table, internal, users, services, diagnostics }
    }

    /// The routers that use an object, by their qualified names, in order.
    pub(super) fn used_by(&self, kind: Kind, name: &Name) -> Vec<String> {
        self.users.get(&(kind, name.clone())).into_iter().flatten().map(|router| router.to_string()).collect()
    }

    /// The compiled service.
    pub(super) fn service(&self, name: &Name) -> Option<&'v Service> {
        self.services.get(name).copied()
    }

    /// What was said about an object.
    pub(super) fn about(&self, kind: Kind, name: &Name) -> &[&'v Diagnostic] {
        self.diagnostics.get(&(kind, key(&name.local, &name.provider))).map_or(&[], Vec::as_slice)
    }

    /// What is wrong with an object that is off, in the words of its diagnostics.
    pub(super) fn faults(&self, kind: Kind, name: &Name, quarantine: Option<&Diagnostic>) -> Vec<String> {
        let errors = self.about(kind, name).iter().copied().filter(|found| found.severity == Severity::Error);
        let mut messages: Vec<String> = Vec::new();
        for found in quarantine.into_iter().chain(errors) {
            if !messages.contains(&found.message) {
                messages.push(found.message.clone());
            }
        }
        messages
    }
}

fn key(local: &str, provider: &str) -> String {
    format!("{}@{provider}", local.to_ascii_lowercase())
}

/// The object of a label `<root>.http.<kind>.<name>…`.
fn object_of(label: &str) -> Option<(Kind, &str)> {
    let mut parts = label.split('.').skip(1);
    parts.next().filter(|part| part.eq_ignore_ascii_case("http"))?;
    let kind = Kind::from_path(&parts.next()?.to_ascii_lowercase())?;
    Some((kind, parts.next()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_name_their_object() {
        for (label, want) in [
            ("traefik.http.routers.web.rule", Some((Kind::Routers, "web"))),
            ("seaway.HTTP.Services.Web", Some((Kind::Services, "Web"))),
            ("traefik.http.middlewares.a/b.addprefix", Some((Kind::Middlewares, "a/b"))),
            ("traefik.http.routers", None),
            ("traefik.tcp.routers.web", None),
            ("traefik.enable", None),
            ("", None),
        ] {
            assert_eq!(object_of(label), want, "{label}");
        }
    }
}
