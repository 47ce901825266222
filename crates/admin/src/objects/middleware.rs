//! Middlewares.

use seaway_config::model::{Declared, Middleware, Name};
use serde_json::json;

use super::{Index, Kind, Object, conclude, members};

/// A middleware with what became of it.
pub(super) fn bare(index: &Index<'_>, name: &Name, declared: &Declared<Middleware>) -> Object {
    let mut object = match &declared.value {
        Middleware::Broken {} => Object::new(),
        // In full, as Traefik does.
        Middleware::Chain(chain) => {
            let mut chain = chain.clone();
            for member in &mut chain.middlewares {
                *member = Name::resolve(member, &name.provider).to_string();
            }
            members(&Middleware::Chain(chain))
        }
        options => members(options),
    };
    let errors = index.faults(Kind::Middlewares, name, declared.quarantine.as_ref());
    // A chain is in the table through its members only, so what was said about it decides.
    let is_chain = matches!(declared.value, Middleware::Chain(_));
    let missing = !is_chain && !index.table.middlewares.contains_key(name);
    let disabled = declared.quarantine.is_some() || missing || !errors.is_empty();
    conclude(index, Kind::Middlewares, name, &mut object, disabled, &errors);
    object
}

/// Adds the type.
pub(super) fn name(index: &Index<'_>, name: &Name, object: &mut Object) {
    let kind = index.table.config.middlewares.get(name).map_or("", |declared| declared.value.kind());
    if !kind.is_empty() {
        object.insert("type".to_owned(), json!(kind));
    }
}
