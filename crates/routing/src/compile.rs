//! Configuration into a routing table. Total: what is wrong is quarantined by the smallest object, with a diagnostic,
//! and everything else is served.
//!
//! What a change does not touch is taken over from the table before, object by object: the two configurations share what
//! they have in common, so what differs is found without looking at the rest. A table is the same whether it was made from
//! the one before or from nothing.

mod composites;
mod middlewares;
mod overlap;
mod report;
mod routers;
mod services;
mod transports;

use std::collections::BTreeSet;
use std::sync::Arc;

use seaway_config::model::Config;
use seaway_config::{Diagnostic, Name};

use crate::{Millis, RoutingTable, StateRegistry};

use middlewares::Middlewares;
use overlap::Overlap;
use routers::RouterMap;
use services::ServiceMap;

/// What `compile` has to know besides the dynamic configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CompileOptions {
    /// The entry points that exist.
    pub entry_points: Vec<EntryPointInfo>,
    /// Routers of every provider may use the internal services.
    pub allow_internal: bool,
    /// The container whose routers may use the internal services in any case: its id, or its name.
    pub own_container: Option<Box<str>>,
    /// What entry points add to all routers on them, where there is anything.
    pub models: Vec<EntryPointModel>,
}

/// What an entry point adds to every router on it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EntryPointModel {
    /// The entry point's name.
    pub entry_point: Box<str>,
    /// Middlewares in front of the router's, with their providers.
    pub middlewares: Vec<String>,
    /// Everything here is to be TLS. As long as that does not work, every router answers 503.
    pub tls: bool,
}

/// An entry point, as far as routing is concerned.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EntryPointInfo {
    /// Its name.
    pub name: Box<str>,
    /// Routers that name no entry point listen here.
    pub default: bool,
    /// Of routers that say nothing of it themselves, no access log is written here.
    pub unlogged: bool,
    /// Nor are their requests counted.
    pub uncounted: bool,
}

/// What became of each object of a table's configuration, for the table after it.
#[derive(Debug, Default)]
pub(crate) struct Memo {
    options: Arc<CompileOptions>,
    middlewares: Arc<Middlewares>,
    services: ServiceMap,
    composites: Arc<BTreeSet<Name>>,
    transports: Arc<transports::Transports>,
    routers: RouterMap,
    overlaps: Arc<[Overlap]>,
    diagnostics: Arc<[Diagnostic]>,
}

/// Makes the table. `previous` gives it what must outlive a change, the positions of the balancers and servers that have
/// left, and everything that is the same. Diagnostics, those of quarantined objects among them, are in the table.
pub fn compile(
    config: Arc<Config>,
    registry: &StateRegistry,
    previous: Option<&RoutingTable>,
    options: &CompileOptions,
    now: Millis,
) -> RoutingTable {
    let nothing = RoutingTable::default();
    let before = previous.unwrap_or(&nothing);
    let memo = &before.memo;
    let middlewares = middlewares::compile(&config, registry, before);
    let transports = transports::compile(&config, registry, before);
    let parts = services::Parts { config: &config, middlewares: &middlewares, transports: &transports, registry, now };
    let services = services::compile(&parts, before);
    let options = if *memo.options == *options { Arc::clone(&memo.options) } else { Arc::new(options.clone()) };
    let routers = routers::compile(&config, &middlewares, &services, before, &options);
    let is_new = !Arc::ptr_eq(&middlewares.all, &memo.middlewares)
        || !Arc::ptr_eq(&transports.all, &memo.transports)
        || services.told
        || routers.told;
    let diagnostics = match is_new {
        true => {
            let objects = middlewares.all.diagnostics.iter().chain(services::diagnostics(&services.map));
            let objects = objects.chain(&transports.all.diagnostics);
            report::unique(objects.chain(routers::diagnostics(&routers)))
        }
        false => Arc::clone(&memo.diagnostics),
    };
    RoutingTable {
        generation: before.generation + 1,
        entry_points: routers.entry_points,
        routers: routers.infos,
        middlewares: Arc::clone(&middlewares.all.leaves),
        services: services.compiled,
        diagnostics: Arc::clone(&diagnostics),
        config,
        memo: Memo {
            options,
            middlewares: middlewares.all,
            services: services.map,
            composites: services.composites,
            transports: transports.all,
            routers: routers.map,
            overlaps: routers.overlaps,
            diagnostics,
        },
    }
}

#[cfg(test)]
mod tests;
