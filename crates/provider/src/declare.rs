//! What files say → what a provider declares: servers from URLs, and names that two files declare.

use std::collections::BTreeMap;
use std::sync::Arc;

use seaway_config::model::{ServerOptions, natural_order};
use seaway_config::{Code, Declared, Diagnostic, Router, Server, Service};
use seaway_labels::{Dynamic, FileService};

use crate::docker::url_server;
use crate::merge::Found;
use crate::snapshot::Declarations;

/// One text and what it says.
#[derive(Clone, Debug)]
pub(crate) struct Text {
    /// How people know it: a path, or an address.
    pub(crate) name: Arc<str>,
    /// What it says.
    pub(crate) says: Arc<Dynamic>,
}

/// All of them as one, in their order.
pub(crate) fn declare(provider: &str, texts: &[Text]) -> Declarations {
    let mut out = Declarations::default();
    let mut twice = Vec::new();
    for Text { name, says } in texts {
        let whose = |diagnostic: &Diagnostic| Found { whose: Arc::clone(name), diagnostic: diagnostic.clone() };
        out.diagnostics.extend(says.diagnostics.iter().map(whose));
        for (local, declared) in &says.services {
            let (service, faults) = service(provider, local, declared);
            out.diagnostics.extend(faults.iter().map(whose));
            put(&mut out.services, "service", local, service, provider, &mut twice);
        }
        for (local, declared) in &says.middlewares {
            put(&mut out.middlewares, "middleware", local, declared.clone(), provider, &mut twice);
        }
        for (local, declared) in &says.servers_transports {
            put(&mut out.servers_transports, "servers transport", local, declared.clone(), provider, &mut twice);
        }
        for (local, declared) in &says.routers {
            let mut declared = declared.clone();
            if let Some(known) = out.routers.get(local) {
                // Nothing below may see the requests of either.
                declared.value = both(&known.value, &declared.value);
            }
            put(&mut out.routers, "router", local, declared, provider, &mut twice);
        }
    }
    out.diagnostics.extend(twice.into_iter().map(|diagnostic| {
        let whose = crate::reconcile::without_line(&diagnostic.origin.resource).into();
        Found { whose, diagnostic }
    }));
    out
}

/// Puts an object in. One of which there is another already takes that one's place, and neither is used.
fn put<T>(
    all: &mut BTreeMap<String, Declared<T>>,
    kind: &str,
    name: &str,
    mut declared: Declared<T>,
    provider: &str,
    twice: &mut Vec<Diagnostic>,
) {
    if let Some(known) = all.get(name) {
        let (first, second) = (&known.origin.resource, &declared.origin.resource);
        let message = format!("{kind} {name}@{provider} is declared in {first} and in {second}");
        let consequence = match kind {
            "router" => format!("neither is used: router {name}@{provider} answers 503"),
            _ => format!("neither is used: {kind} {name}@{provider} is off, and routers that need it answer 503"),
        };
        let found = Diagnostic::error(Code::DuplicateObject, declared.origin.clone(), message, consequence)
            .fix(format!("give one of them another name, or remove it from {second}"));
        declared.quarantine = Some(found.clone());
        twice.push(found);
    }
    all.insert(name.to_owned(), declared);
}

/// A router for the requests of both, to be quarantined.
fn both(one: &Router, other: &Router) -> Router {
    let mut router = other.clone();
    if one.rule != other.rule {
        router.rule = match (one.rule.trim(), other.rule.trim()) {
            ("", rule) | (rule, "") => rule.to_owned(),
            (one, other) => format!("({one}) || ({other})"),
        };
    }
    if one.entry_points.is_empty() {
        router.entry_points.clear();
    } else if !router.entry_points.is_empty() {
        let more = one.entry_points.iter().filter(|name| !other.entry_points.contains(name));
        router.entry_points.extend(more.cloned());
    }
    router.priority = one.priority.max(other.priority);
    router
}

/// A service with its servers. A server that cannot be used takes it off: requests might go elsewhere than meant.
fn service(provider: &str, name: &str, declared: &Declared<FileService>) -> (Declared<Service>, Vec<Diagnostic>) {
    let FileService { mut options, places } = declared.value.clone();
    let mut quarantine = declared.quarantine.clone();
    let mut faults = Vec::new();
    let mut servers: Vec<Server> = Vec::new();
    if let Some(balancer) = &mut options.load_balancer {
        for (at, entry) in std::mem::take(&mut balancer.servers).into_iter().enumerate() {
            let origin = places.get(at).unwrap_or(&declared.origin).clone();
            let mut refuse = |code, option: &str, message: String, fix: &str| {
                let origin = origin.at(&format!("{}.{option}", origin.key));
                let consequence = format!("service {name}@{provider} is off; routers that use it answer 503");
                let found =
                    Diagnostic::error(code, origin.clone(), message, consequence).fix(format!("{}: {fix}", origin.key));
                quarantine.get_or_insert_with(|| found.clone());
                faults.push(found);
            };
            let Ok(weight) = u32::try_from(entry.weight) else {
                let message = format!("{} is no weight", entry.weight);
                refuse(Code::BadValue, "weight", message, "1");
                continue;
            };
            let weight = if entry.fenced { 0 } else { weight };
            match url_server(&entry.url, entry.preserve_path, weight, origin.clone()) {
                Ok(server) => servers.push(server),
                // What is wrong with the options below it was said.
                Err(_) if entry.url.is_empty() && declared.quarantine.is_some() => {}
                Err(what) => {
                    let message = match entry.url.is_empty() {
                        true => "the server has no url".to_owned(),
                        false => format!("the server's url {:?} cannot be used: {what}", entry.url),
                    };
                    refuse(Code::BadServerUrl, "url", message, "http://10.0.0.7:8080");
                }
            }
        }
        balancer.server = ServerOptions::default();
    }
    servers.sort_by(|a, b| natural_order(&a.name, &b.name).then_with(|| a.identity.cmp(&b.identity)));
    (Declared { value: Service { options, servers }, origin: declared.origin.clone(), quarantine }, faults)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use seaway_config::model::Address;
    use seaway_labels::document::Format;
    use seaway_labels::read_dynamic;

    use super::*;

    fn text(name: &str, text: &str) -> Text {
        let says = read_dynamic(Format::Yaml, "file", name, text, &|_| None).unwrap();
        Text { name: name.into(), says: Arc::new(says) }
    }

    fn servers(list: &str) -> Declarations {
        let says = format!("http: {{ services: {{ web: {{ loadBalancer: {{ servers: {list} }} }} }} }}");
        declare("file", &[text("a.yml", &says)])
    }

    #[test]
    fn urls_become_servers_in_natural_order() {
        let found = servers(
            "[{ url: 'http://app-10.internal/base/', preservePath: true }, { url: 'http://app-9.internal:81', weight: 3 }, \
             { url: 'http://10.0.0.7' }, { url: 'http://[::1]:8080', fenced: true }]",
        );
        assert!(found.diagnostics.is_empty(), "{:?}", found.diagnostics);
        let web = &found.services["web"].value;
        let shown: Vec<_> = web.servers.iter().map(|s| (&*s.name, s.weight, &*s.base_path)).collect();
        let expected = [
            ("10.0.0.7:80", 1, ""),
            ("[::1]:8080", 0, ""),
            ("app-9.internal:81", 3, ""),
            ("app-10.internal:80", 1, "/base"),
        ];
        assert_eq!(shown, expected);
        assert_eq!(web.servers[2].address, Address::Dns("app-9.internal".into(), 81));
        assert!(web.servers.iter().all(|server| server.condition.assume_ready));
        assert_eq!(&*web.servers[2].origin.key, "http.services.web.loadBalancer.servers[1]");
        assert!(web.options.load_balancer.as_ref().unwrap().servers.is_empty(), "they are servers now");
    }

    #[test]
    fn a_server_that_cannot_be_used_takes_the_service_off() {
        for (list, code, key) in [
            ("[{ url: 'http://10.0.0.7' }, { url: '10.0.0.8' }]", Code::BadServerUrl, "servers[1].url"),
            ("[{ url: 'ftp://10.0.0.8' }]", Code::BadServerUrl, "servers[0].url"),
            ("[{ url: 'http://' }]", Code::BadServerUrl, "servers[0].url"),
            ("[{ url: 'http://a:0' }]", Code::BadServerUrl, "servers[0].url"),
            ("[{ url: 'http://a:b@c' }]", Code::BadServerUrl, "servers[0].url"),
            ("[{ weight: 2 }]", Code::BadServerUrl, "servers[0].url"),
            ("[{ url: 'http://a', weight: -1 }]", Code::BadValue, "servers[0].weight"),
        ] {
            let found = servers(list);
            let told = found.services["web"].quarantine.as_ref().unwrap();
            assert_eq!((told.code, &*told.origin.resource), (code, "a.yml:1"), "{list}: {told}");
            assert!(told.origin.key.ends_with(key) && !told.fix.is_empty(), "{list}: {told}");
            assert_eq!(found.diagnostics.len(), 1, "{list}: {:?}", found.diagnostics);
        }
        let told_before = servers("[{ urll: 'http://a' }]");
        assert_eq!(told_before.diagnostics.len(), 1, "{:?}", told_before.diagnostics);
    }

    #[test]
    fn a_name_in_two_files_is_used_from_neither() {
        let router = |rule: &str| format!("    web: {{ rule: {rule}, service: s, entryPoints: [{rule}] }}\n");
        let file = |rule: &str| {
            format!(
                "http:\n  routers:\n{}  middlewares:\n    auth: {{ addPrefix: {{ prefix: /{rule} }} }}\n    {rule}: {{ addPrefix: {{ prefix: /a }} }}\n",
                router(rule)
            )
        };
        let found = declare("file", &[text("/d/a.yml", &file("one")), text("/d/b.yml", &file("two"))]);
        let web = &found.routers["web"];
        let told = web.quarantine.as_ref().unwrap();
        assert_eq!(told.code, Code::DuplicateObject);
        assert_eq!(told.message, "router web@file is declared in /d/a.yml:3 and in /d/b.yml:3");
        assert_eq!(web.value.rule, "(one) || (two)", "nobody else gets the requests of either");
        assert_eq!(web.value.entry_points, ["two", "one"]);
        assert_eq!(found.middlewares["auth"].quarantine.as_ref().unwrap().code, Code::DuplicateObject);
        assert!(found.middlewares["one"].quarantine.is_none() && found.middlewares["two"].quarantine.is_none());
        let whose: Vec<_> = found.diagnostics.iter().map(|f| (&*f.whose, f.diagnostic.code)).collect();
        assert_eq!(whose, [("/d/b.yml", Code::DuplicateObject); 2]);
    }
}
