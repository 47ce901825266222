//! Services and their servers, ready or not.

use std::collections::BTreeMap;

use seaway_config::model::{Declared, Name, Server, Service, StickyCookie};
use seaway_routing::ServerState;
use serde_json::{Value, json};

use super::{Index, Kind, Object, conclude, members};

/// A service with its servers and what became of it.
pub(super) fn bare(index: &Index<'_>, name: &Name, declared: &Declared<Service>) -> Object {
    let Service { options, servers } = &declared.value;
    let mut options = options.clone();
    let found = index.service(name);
    if let Some(cookie) = options.load_balancer.as_mut().and_then(|b| b.sticky.as_mut()).and_then(|s| s.cookie.as_mut())
    {
        default_path(cookie);
        if let Some(own) = found.and_then(|found| found.sticky.as_ref()).filter(|_| cookie.name.is_empty()) {
            own.name().clone_into(&mut cookie.name);
        }
    }
    if let Some(cookie) = options.weighted.as_mut().and_then(|it| it.sticky.as_mut()).and_then(|s| s.cookie.as_mut()) {
        default_path(cookie);
    }
    let mut object = members(&options);
    if let Some(Value::Object(balancer)) = object.get_mut("loadBalancer")
        && !servers.is_empty()
    {
        balancer.insert("servers".to_owned(), servers.iter().map(server).collect());
    }
    if let Some(found) = found {
        let mut status = BTreeMap::<&str, bool>::new();
        for server in &found.servers {
            *status.entry(&server.url).or_default() |= server.state.is_ready();
        }
        let status: Object =
            status.into_iter().map(|(url, up)| (url.to_owned(), json!(if up { "UP" } else { "DOWN" }))).collect();
        if !status.is_empty() {
            object.insert("serverStatus".to_owned(), Value::Object(status));
            let servers: Vec<Value> = found.servers.iter().map(|s| condition(&s.name, &s.url, &s.state)).collect();
            object.insert("seaway".to_owned(), json!({ "servers": servers }));
        }
    }
    // Seaway's own services have no servers and are always there.
    let own = &*name.provider == "internal" && declared.quarantine.is_none();
    let disabled = declared.quarantine.is_some() || (found.is_none() && !own);
    let errors = if disabled { index.faults(Kind::Services, name, declared.quarantine.as_ref()) } else { Vec::new() };
    conclude(index, Kind::Services, name, &mut object, disabled, &errors);
    object
}

/// A service of Seaway's own.
pub(super) fn internal(index: &Index<'_>, name: &Name) -> Object {
    let mut object = Object::new();
    conclude(index, Kind::Services, name, &mut object, false, &[]);
    object
}

/// Adds the type.
pub(super) fn name(index: &Index<'_>, name: &Name, object: &mut Object) {
    let service = index.table.config.services.get(name);
    let Some(options) = service.map(|declared| &declared.value.options) else { return };
    let kinds = [
        (options.load_balancer.is_some(), "loadbalancer"),
        (options.weighted.is_some(), "weighted"),
        (options.mirroring.is_some(), "mirroring"),
        (options.failover.is_some(), "failover"),
        (options.highest_random_weight.is_some(), "highestrandomweight"),
    ];
    if let Some((_, kind)) = kinds.iter().find(|(is_it, _)| *is_it) {
        object.insert("type".to_owned(), json!(kind));
    }
}

/// A server as Traefik shows it.
fn server(server: &Server) -> Value {
    let mut object = Object::new();
    object.insert("url".to_owned(), json!(server.url));
    if server.weight != 1 {
        object.insert("weight".to_owned(), json!(server.weight));
    }
    if !server.base_path.is_empty() {
        object.insert("preservePath".to_owned(), json!(true));
    }
    Value::Object(object)
}

/// A server as Seaway knows it.
fn condition(name: &str, url: &str, state: &ServerState) -> Value {
    let mut shown = json!({
        "name": name,
        "container": state.identity().container,
        "url": url,
        "state": state.phase().as_str(),
        "inFlight": state.in_flight(),
    });
    if let (Some(silence), Value::Object(members)) = (state.silence(), &mut shown) {
        members.insert("port".to_owned(), json!(silence.as_str()));
    }
    shown
}

fn default_path(cookie: &mut StickyCookie) {
    cookie.path.get_or_insert_with(|| "/".to_owned());
}
