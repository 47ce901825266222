//! The same watcher on a real engine, where one answers.

use seaway_provider::docker::client::{Client, Limits};
use seaway_provider::docker::engine::{DEFAULT_ENDPOINT, Engine};
use seaway_provider::docker::watch::Timing;

use crate::harness::Watched;

#[tokio::test]
async fn a_real_engine_is_followed() {
    let endpoint = std::env::var("DOCKER_HOST").unwrap_or_else(|_| DEFAULT_ENDPOINT.to_owned());
    let engine = Engine::from_options(&Default::default(), Some(&endpoint)).unwrap();
    let client = match Client::connect(&engine, Limits::default()).await {
        Ok(client) => client,
        Err(error) => {
            eprintln!("skipped: no Docker Engine answers at {endpoint}: {error}");
            return;
        }
    };
    eprintln!("{}", client.about());
    let mut watched = Watched::endpoint(&endpoint, Timing::default(), Limits::default());
    let snapshot = watched.snapshot("the first snapshot", |_| true).await;
    assert!(*watched.ready.borrow());
    assert_eq!(watched.stale(), 0);
    for container in &snapshot {
        assert_eq!(container.id.len(), 64);
        assert!(!container.name.is_empty() && !container.started_at.is_empty());
    }
}
