//! Routers, services and middlewares as Traefik's API shows them.
//!
//! Each is the object's own options with what became of it: `status`, `error`, `using` or `usedBy`. Lists and single
//! objects have `name`, `provider` and more besides; raw data has them as the keys of a map.

mod index;
mod middleware;
mod router;
mod service;

use seaway_config::model::Name;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::View;
use crate::overview::diagnostics;

pub(crate) use index::Index;

/// An object in the making.
pub(crate) type Object = Map<String, Value>;

/// What kinds of objects there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    Routers,
    Services,
    Middlewares,
}

impl Kind {
    /// The kind of `/api/http/<text>`.
    pub(crate) fn from_path(text: &str) -> Option<Self> {
        [Self::Routers, Self::Services, Self::Middlewares].into_iter().find(|kind| kind.path() == text)
    }

    /// One of them, in words.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Routers => "router",
            Self::Services => "service",
            Self::Middlewares => "middleware",
        }
    }

    /// The members that `search` looks into.
    pub(crate) fn searched(self) -> &'static [&'static str] {
        match self {
            Self::Routers => &["rule", "name", "service"],
            Self::Services | Self::Middlewares => &["name"],
        }
    }

    fn path(self) -> &'static str {
        match self {
            Self::Routers => "routers",
            Self::Services => "services",
            Self::Middlewares => "middlewares",
        }
    }

    /// The objects of this kind without their names.
    fn bare(self, index: &Index<'_>) -> Vec<(Name, Object)> {
        let config = &index.table.config;
        match self {
            Self::Routers => config.routers.iter().map(|(n, d)| (n.clone(), router::bare(index, n, d))).collect(),
            Self::Services => {
                let own = index.internal.iter().map(|name| (name.clone(), service::internal(index, name)));
                let services = config.services.iter().filter(|(name, _)| !index.internal.contains(name));
                services.map(|(n, d)| (n.clone(), service::bare(index, n, d))).chain(own).collect()
            }
            Self::Middlewares => {
                config.middlewares.iter().map(|(n, d)| (n.clone(), middleware::bare(index, n, d))).collect()
            }
        }
    }

    /// Adds what lists and single objects have besides.
    fn named(self, index: &Index<'_>, name: &Name, mut object: Object) -> Value {
        object.insert("name".to_owned(), json!(name));
        object.insert("provider".to_owned(), json!(name.provider));
        match self {
            Self::Routers => router::name(&mut object),
            Self::Services => service::name(index, name, &mut object),
            Self::Middlewares => middleware::name(index, name, &mut object),
        }
        Value::Object(object)
    }
}

/// Every object of a kind.
pub(crate) fn all(view: &View<'_>, kind: Kind) -> Vec<Value> {
    let index = Index::new(view);
    kind.bare(&index).into_iter().map(|(name, object)| kind.named(&index, &name, object)).collect()
}

/// One object by its qualified name.
pub(crate) fn one(view: &View<'_>, kind: Kind, name: &str) -> Option<Value> {
    let (index, config) = (Index::new(view), &view.table.config);
    let (local, provider) = name.rsplit_once('@')?;
    let name = Name::new(local, provider);
    let object = match kind {
        Kind::Routers => router::bare(&index, &name, config.routers.get(&name)?),
        Kind::Services if index.internal.contains(&name) => service::internal(&index, &name),
        Kind::Services => service::bare(&index, &name, config.services.get(&name)?),
        Kind::Middlewares => middleware::bare(&index, &name, config.middlewares.get(&name)?),
    };
    Some(kind.named(&index, &name, object))
}

/// Everything at once.
pub(crate) fn raw_data(view: &View<'_>) -> Value {
    let index = Index::new(view);
    let mut all = Object::new();
    for kind in [Kind::Routers, Kind::Middlewares, Kind::Services] {
        let objects: Object = kind.bare(&index).into_iter().map(|(n, o)| (n.to_string(), Value::Object(o))).collect();
        if !objects.is_empty() {
            all.insert(kind.path().to_owned(), Value::Object(objects));
        }
    }
    if !view.table.diagnostics.is_empty() {
        all.insert("diagnostics".to_owned(), diagnostics(view.table.diagnostics.iter()));
    }
    Value::Object(all)
}

/// How many objects of a kind there are, with a warning, and off.
pub(crate) fn count(index: &Index<'_>, kind: Kind) -> Value {
    let objects = kind.bare(index);
    let with = |status: &str| objects.iter().filter(|(_, o)| o.get("status").is_some_and(|s| s == status)).count();
    json!({"total": objects.len(), "warnings": with("warning"), "errors": with("disabled")})
}

/// The members of something that serialises to an object.
fn members(value: &impl Serialize) -> Object {
    match serde_json::to_value(value) {
        Ok(Value::Object(members)) => members,
        _ => Object::new(),
    }
}

/// Adds what became of an object: who uses it, `status`, `error`, and the `diagnostics` at its labels.
fn conclude(index: &Index<'_>, kind: Kind, name: &Name, object: &mut Object, disabled: bool, errors: &[String]) {
    let used_by = index.used_by(kind, name);
    if !used_by.is_empty() {
        object.insert("usedBy".to_owned(), json!(used_by));
    }
    let status = match (disabled, errors.is_empty()) {
        (true, _) => "disabled",
        (false, false) => "warning",
        (false, true) => "enabled",
    };
    object.insert("status".to_owned(), json!(status));
    if !errors.is_empty() {
        object.insert("error".to_owned(), json!(errors));
    }
    let about = index.about(kind, name);
    if !about.is_empty() {
        object.insert("diagnostics".to_owned(), diagnostics(about.iter().copied()));
    }
}
