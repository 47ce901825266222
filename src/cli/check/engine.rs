//! `--docker`: what an engine runs, read once by the provider itself.

use std::time::Duration;

use seaway_config::Diagnostic;
use seaway_config::files::FileText;
use seaway_labels::statics;
use seaway_provider::docker::{BuildOptions, client, engine, watch};
use seaway_provider::{Snapshot, Update, updates};
use tokio::runtime::Builder;

use super::judge::{Case, judge};
use super::{Finding, extra};

/// The longest that an engine may take to tell everything.
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) fn look(flags: &[String], environment: &[(String, String)]) -> Result<Vec<Finding>, String> {
    let parsed = statics::parse_all(flags, environment, None).map_err(|found| joined(&found))?;
    let options = parsed.options;
    let docker = options.providers.docker.clone().unwrap_or_default();
    let mut build = BuildOptions::new("docker", &docker).map_err(|found| joined(&found))?;
    let host = environment.iter().find(|(name, _)| name == "DOCKER_HOST").map(|(_, value)| value.as_str());
    let at = engine::Engine::from_options(&docker, host).map_err(|error| error.to_string())?;
    let limits = client::Limits::from_options(&docker);
    let runtime = Builder::new_current_thread().enable_all().build().map_err(|error| error.to_string())?;
    runtime.block_on(build.look_around());
    let containers = runtime.block_on(snapshot(at, limits))?;
    let any_entry_point = !flags.iter().any(|flag| flag.to_ascii_lowercase().starts_with("--entrypoints."));
    let (table, found) = judge(Case {
        options: &options,
        build,
        containers: &containers,
        files: None,
        text: &|_| FileText::unreadable("files of containers are not read"),
        unseen: &["file", "http"],
        any_entry_point,
    });
    let found = found.into_iter().chain(extra::of_table(&table));
    Ok(found
        .map(|diagnostic| Finding { place: None, whose: diagnostic.origin.resource.to_string(), diagnostic })
        .collect())
}

fn joined(found: &[Diagnostic]) -> String {
    found.iter().map(ToString::to_string).collect::<Vec<_>>().join("\nseaway: ")
}

async fn snapshot(at: engine::Engine, limits: client::Limits) -> Result<Snapshot, String> {
    let shown = at.shown().to_owned();
    let (sender, mut received) = updates();
    let watcher = watch::Watcher::new(at, limits, watch::Timing::default(), sender).follow(false);
    let first = async {
        while let Some(update) = received.recv().await {
            match update {
                Update::Snapshot(snapshot) => return Ok(snapshot),
                Update::Stale { reason, .. } => return Err(format!("{shown}: {reason}")),
                _ => {}
            }
        }
        Err(format!("{shown}: it told nothing"))
    };
    let watching = async {
        watcher.run().await;
        std::future::pending::<()>().await;
    };
    tokio::select! {
        found = first => found,
        () = watching => Err(format!("{shown}: it told nothing")),
        () = tokio::time::sleep(PATIENCE) => Err(format!("{shown}: no answer within {} s", PATIENCE.as_secs())),
    }
}
