//! Seaway as a whole: version, entry points, counters.

use std::time::SystemTime;

use seaway_config::diagnostic::Diagnostic;
use seaway_telemetry::{UnroutedHost, calendar};
use serde_json::{Value, json};

use crate::objects::{Index, Kind, count};
use crate::{EntryPoint, View};

/// `/api/version`, with Traefik's spelling of the keys.
pub(crate) fn version(view: &View<'_>) -> Value {
    json!({"Version": view.version, "Codename": "seaway", "startDate": view.started})
}

/// `/api/overview`.
pub(crate) fn overview(view: &View<'_>) -> Value {
    let index = Index::new(view);
    let none = || json!({"total": 0, "warnings": 0, "errors": 0});
    let providers: Vec<Value> = view
        .providers
        .iter()
        .map(|provider| match provider.stale_since {
            Some(since) => json!({"name": provider.name, "staleSince": since}),
            None => json!({"name": provider.name}),
        })
        .collect();
    json!({
        "http": {
            "routers": count(&index, Kind::Routers),
            "services": count(&index, Kind::Services),
            "middlewares": count(&index, Kind::Middlewares),
        },
        "tcp": {"routers": none(), "services": none(), "middlewares": none()},
        "udp": {"routers": none(), "services": none()},
        "certificates": none(),
        "features": {
            "tracing": "",
            "metrics": if view.metrics { "Prometheus" } else { "" },
            "accessLog": view.access_log,
        },
        "providers": view.providers.iter().map(|provider| provider.name).collect::<Vec<_>>(),
        "seaway": {
            "generation": view.table.generation,
            "terminating": view.terminating,
            "providers": providers,
            "diagnostics": view.table.diagnostics.len(),
        },
    })
}

/// `/api/entrypoints`.
pub(crate) fn entry_points(view: &View<'_>) -> Vec<Value> {
    view.entry_points.iter().map(shown).collect()
}

/// `/api/entrypoints/<name>`.
pub(crate) fn entry_point(view: &View<'_>, name: &str) -> Option<Value> {
    view.entry_points.iter().find(|entry_point| entry_point.name == name).map(shown)
}

/// Diagnostics with all that is known about them.
pub(crate) fn diagnostics<'d>(found: impl IntoIterator<Item = &'d Diagnostic>) -> Value {
    found.into_iter().map(|diagnostic| json!(diagnostic)).collect()
}

/// `/api/seaway/unrouted`.
pub(crate) fn unrouted(view: &View<'_>) -> Value {
    let host = |host: &UnroutedHost| {
        json!({
            "host": host.host,
            "entryPoint": host.entry_point,
            "reason": host.reason,
            "count": host.count,
            "path": host.path,
            "first": moment(host.first),
            "last": moment(host.last),
        })
    };
    view.unrouted.iter().map(host).collect()
}

/// RFC 3339, to the second.
fn moment(at: SystemTime) -> String {
    let seconds = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    let (year, month, day) = calendar::civil(seconds / 86_400);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

fn shown(entry_point: &EntryPoint<'_>) -> Value {
    let mut value = json!(entry_point.options);
    if let Value::Object(members) = &mut value {
        members.insert("name".to_owned(), json!(entry_point.name));
    }
    value
}
