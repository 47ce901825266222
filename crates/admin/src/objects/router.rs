//! Routers.

use seaway_config::model::{Declared, Name, Router, RouterObservability};
use serde_json::{Value, json};

use super::{Index, Kind, Object, conclude, members};

/// A router with what became of it: rule, priority and entry points in force.
pub(super) fn bare(index: &Index<'_>, name: &Name, declared: &Declared<Router>) -> Object {
    let info = index.table.routers.get(name);
    let mut router = declared.value.clone();
    let observability = router.observability.get_or_insert_with(RouterObservability::default);
    for switch in [&mut observability.access_logs, &mut observability.metrics, &mut observability.tracing] {
        switch.get_or_insert(true);
    }
    if observability.trace_verbosity.is_empty() {
        "minimal".clone_into(&mut observability.trace_verbosity);
    }
    if let Some(tls) = &mut router.tls
        && tls.options.is_empty()
    {
        "default".clone_into(&mut tls.options);
    }
    // As Traefik does: middlewares in full, the service as written.
    for middleware in &mut router.middlewares {
        *middleware = Name::resolve(middleware, &name.provider).to_string();
    }
    if &*name.provider == "internal" && router.rule_syntax.is_empty() {
        "default".clone_into(&mut router.rule_syntax);
    }
    if let Some(info) = info {
        router.rule = info.rule.to_string();
        router.priority = info.priority;
        if router.entry_points.is_empty() {
            router.entry_points = info.using.iter().map(|name| name.to_string()).collect();
        }
    }
    let mut object = members(&router);
    if let Some(info) = info.filter(|info| !info.using.is_empty()) {
        object.insert("using".to_owned(), json!(info.using));
    }
    let (disabled, errors) = info.map_or((true, &[][..]), |info| (info.disabled, &*info.errors));
    conclude(index, Kind::Routers, name, &mut object, disabled, errors);
    object
}

/// The priority as text as well: a browser's numbers do not hold all of its digits.
pub(super) fn name(object: &mut Object) {
    if let Some(text) = object.get("priority").map(Value::to_string) {
        object.insert("priorityStr".to_owned(), json!(text));
    }
}
