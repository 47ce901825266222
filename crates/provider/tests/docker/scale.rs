//! A thousand containers.

use seaway_provider::Update;
use seaway_provider::docker::client::Limits;
use seaway_testkit::engine::{Call, FakeEngine, Spec};

use crate::harness::{Watched, by_events_only, count};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_containers_at_once() {
    let engine = FakeEngine::unix().await;
    let spec =
        |n: usize| Spec::new(&format!("web-{n}")).compose("shop", "web", n).label("traefik.enable", "true").port(80);
    for n in 0..500 {
        engine.run(spec(n));
    }
    let mut watched = Watched::start(&engine, by_events_only(), Limits::default());
    watched.snapshot("500 at the start", |s| s.len() == 500).await;
    assert_eq!(watched.log.len(), 1, "one first snapshot");
    for n in 500..1500 {
        engine.run(spec(n));
    }
    watched.snapshot("1500", |s| s.len() == 1500).await;
    for n in 0..1000 {
        engine.stop(&format!("web-{n}"));
    }
    watched.snapshot("500 again", |s| s.iter().filter(|c| c.running).count() == 500).await;
    let calls = engine.calls();
    assert!(calls.most_inspects_at_once <= 16, "{}", calls.most_inspects_at_once);
    assert_eq!(calls.of(Call::List), 1);
    let most = calls.inspects.values().max().copied().unwrap_or(0);
    assert!(most <= 3, "a start and a stop cost one each, and one more where the machine was slow: {most}");
    assert!(calls.of(Call::Inspect) <= 2700, "{}", calls.of(Call::Inspect));
    let snapshots = watched.count(|u| matches!(u, Update::Snapshot(_)));
    assert!(snapshots < 1000, "a burst is coalesced: {snapshots}");
    assert_eq!(count(&watched.counters.streams), 1);
}
