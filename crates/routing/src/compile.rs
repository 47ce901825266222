//! Configuration into a routing table. Total: what is wrong is quarantined by the smallest object, with a diagnostic,
//! and everything else is served.

mod middlewares;
mod overlap;
mod report;
mod routers;
mod services;

use std::sync::Arc;

use seaway_config::model::Config;

use crate::{Millis, RoutingTable, StateRegistry};

use report::Report;

/// What `compile` has to know besides the dynamic configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CompileOptions {
    /// The entry points that exist.
    pub entry_points: Vec<EntryPointInfo>,
    /// Routers of every provider may use the internal services.
    pub allow_internal: bool,
    /// The container whose routers may use the internal services in any case: its id, or its name.
    pub own_container: Option<Box<str>>,
}

/// An entry point, as far as routing is concerned.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EntryPointInfo {
    /// Its name.
    pub name: Box<str>,
    /// Routers that name no entry point listen here.
    pub default: bool,
}

/// Makes the table. `previous` gives it what must outlive a change: the positions of the balancers, servers that have
/// left, and compiled rules and middlewares that are the same. Diagnostics, those of quarantined objects among them,
/// are in the table.
pub fn compile(
    config: Arc<Config>,
    registry: &StateRegistry,
    previous: Option<&RoutingTable>,
    options: &CompileOptions,
    now: Millis,
) -> RoutingTable {
    let mut report = Report::default();
    let middlewares = middlewares::compile(&config, previous, &mut report);
    let services = services::compile(&config, &middlewares, registry, previous, now, &mut report);
    let mut routers = routers::compile(&config, &middlewares, &services, previous, options, &mut report);
    overlap::warn(&config, &mut routers, &mut report);
    RoutingTable {
        generation: previous.map_or(1, |table| table.generation + 1),
        entry_points: routers.entry_points,
        routers: routers.infos,
        middlewares: middlewares.leaves(),
        services: services.compiled.into(),
        diagnostics: report.finish(),
        config,
    }
}

#[cfg(test)]
mod tests;
