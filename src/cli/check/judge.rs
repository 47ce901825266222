//! Containers → the table that they would give, as the proxy makes it.

use std::sync::Arc;

use seaway_config::files::{FileText, Files};
use seaway_config::statics::StaticOptions;
use seaway_config::{Code, Diagnostic, Origin, Severity};
use seaway_provider::docker::{BuildOptions, Builder, Container};
use seaway_provider::merge::{Merger, Standing};
use seaway_provider::{Declarations, Snapshot};
use seaway_routing::{EntryPointInfo, Millis, RoutingTable, StateRegistry, compile};

use crate::entry_points;

/// What is judged.
pub(super) struct Case<'a> {
    pub(super) options: &'a StaticOptions,
    pub(super) build: BuildOptions,
    pub(super) containers: &'a Snapshot,
    /// What the file provider declares.
    pub(super) files: Option<&'a Declarations>,
    /// The text of a file that a middleware names.
    pub(super) text: &'a dyn Fn(&str) -> FileText,
    /// Providers whose objects cannot be seen from here.
    pub(super) unseen: &'a [&'a str],
    /// Nobody said which entry points there are: every one that a router names is.
    pub(super) any_entry_point: bool,
}

/// The table, and what was said on the way to it.
pub(super) fn judge(case: Case<'_>) -> (RoutingTable, Vec<Diagnostic>) {
    let options = case.options;
    let own = case.build.own.clone();
    let mut builder = Builder::new(case.build);
    let built = builder.build(case.containers);
    let mut merger = Merger::new("docker", entry_points::internal_routers(options));
    merger.update(built.partials, &|_| Standing::Ready);
    if let Some(files) = case.files {
        merger.lay(seaway_provider::file::NAME, &Declarations::default(), files);
    }
    let mut compiling = entry_points::compile_options(options);
    let name_of =
        |id: &str| case.containers.iter().find(|c| c.id == id).map(|c: &Arc<Container>| c.name.as_str().into());
    compiling.own_container = own.as_deref().and_then(name_of);
    let mut config = merger.config().clone();
    if case.any_entry_point {
        for (_, router) in config.routers.iter() {
            for name in &router.value.entry_points {
                if !compiling.entry_points.iter().any(|known| *known.name == **name) {
                    compiling
                        .entry_points
                        .push(EntryPointInfo { name: name.as_str().into(), ..EntryPointInfo::default() });
                }
            }
        }
    }
    let named: Vec<&str> = config.middlewares.iter().flat_map(|(_, declared)| declared.value.files()).collect();
    let read: Files = named.into_iter().map(|path| (Box::from(path), (case.text)(path))).collect();
    config.files = read;
    let table = compile(Arc::new(config), &StateRegistry::new(1), None, &compiling, Millis(0));
    let of_files = case.files.map(|files| files.diagnostics.as_slice()).unwrap_or_default();
    let mut all: Vec<Diagnostic> = merger.diagnostics().chain(of_files).map(|found| found.diagnostic.clone()).collect();
    all.extend(table.diagnostics.iter().cloned());
    for diagnostic in &mut all {
        soften(diagnostic, case.unseen);
    }
    (table, all)
}

/// What another provider may well declare is no error here.
fn soften(diagnostic: &mut Diagnostic, unseen: &[&str]) {
    let about_names = matches!(
        diagnostic.code,
        Code::UnknownMiddleware
            | Code::BrokenMiddleware
            | Code::UnknownService
            | Code::BrokenService
            | Code::BrokenChild
            | Code::UnknownTransport
            | Code::BadMiddleware
            | Code::RouterQuarantined
    );
    let provider = unseen.iter().find(|name| diagnostic.message.contains(&format!("@{name}")));
    if let Some(provider) = provider.filter(|_| about_names) {
        diagnostic.severity = Severity::Info;
        diagnostic.code = Code::Unseen;
        diagnostic.consequence = format!("what the provider {provider} declares cannot be seen from here");
        diagnostic.fix = String::new();
    }
}

/// A finding of the check's own, about a service or a file.
pub(super) fn said(code: Code, severity: Severity, whose: &str, message: String, consequence: &str) -> Diagnostic {
    let origin = Origin::resource("check", whose);
    let mut diagnostic = Diagnostic::warning(code, origin, message, consequence);
    diagnostic.severity = severity;
    diagnostic
}
