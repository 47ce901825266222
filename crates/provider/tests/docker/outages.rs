//! The engine away, coming back, and streams that break in every way: what was known stays, said once.

use std::time::Duration;

use seaway_provider::Update;
use seaway_provider::docker::client::Limits;
use seaway_provider::docker::watch::Timing;
use seaway_routing::state::Notice;
use seaway_testkit::engine::{Call, FakeEngine, Fault, Spec};

use crate::harness::{Watched, by_events_only, count, named, quick_limits, restless};

fn reason(update: &Update) -> &str {
    match update {
        Update::Stale { reason, .. } => reason,
        _ => "",
    }
}

#[tokio::test]
async fn the_socket_is_absent_at_the_start() {
    let engine = FakeEngine::absent().await;
    engine.run(Spec::new("web-1"));
    let mut watched = Watched::start(&engine, by_events_only(), Limits::default());
    let stale = watched.until("stale", |u| matches!(u, Update::Stale { .. })).await;
    assert!(reason(&stale).contains("does not exist"), "{stale:?}");
    while count(&watched.counters.attempts) < 5 {
        tokio::task::yield_now().await;
    }
    assert!(!*watched.ready.borrow(), "not ready before the first snapshot");
    engine.come_up().await;
    watched.snapshot_of(&["web-1"]).await;
    watched.until("fresh", |u| *u == Update::Fresh).await;
    watched.ready.wait_for(|ready| *ready).await.unwrap();
    assert_eq!((watched.stale(), watched.fresh()), (1, 1), "said once: {:?}", watched.log);
}

#[tokio::test]
async fn causes_are_named() {
    let engine = FakeEngine::unix().await;
    engine.go_down_leaving_the_socket().await;
    let mut watched = Watched::start(&engine, by_events_only(), Limits::default());
    let stale = watched.until("stale", |u| matches!(u, Update::Stale { .. })).await;
    assert!(reason(&stale).contains("nobody listens"), "{stale:?}");

    let dir = tempfile::tempdir().unwrap();
    let endpoint = format!("unix://{}", dir.path().display());
    let mut watched = Watched::endpoint(&endpoint, by_events_only(), Limits::default());
    let stale = watched.until("stale", |u| matches!(u, Update::Stale { .. })).await;
    assert!(reason(&stale).contains("is a directory"), "{stale:?}");

    let engine = FakeEngine::tcp().await;
    engine.is_docker(false);
    let mut watched = Watched::start(&engine, by_events_only(), Limits::default());
    let stale = watched.until("stale", |u| matches!(u, Update::Stale { .. })).await;
    assert!(reason(&stale).contains("not a Docker Engine"), "{stale:?}");

    let engine = FakeEngine::tcp().await;
    engine.fault(Call::Ping, Fault::Hang);
    let mut watched = Watched::start(&engine, by_events_only(), quick_limits());
    let stale = watched.until("stale", |u| matches!(u, Update::Stale { .. })).await;
    assert!(reason(&stale).contains("no answer within"), "{stale:?}");
}

#[tokio::test]
async fn old_and_new_engines() {
    for (newest, oldest, spoken) in [("1.41", "1.12", "1.41"), ("1.52", "1.44", "1.52"), ("1.60", "1.44", "1.53")] {
        let engine = FakeEngine::tcp().await;
        engine.speaks(newest, oldest);
        engine.run(Spec::new("web-1"));
        let mut watched = Watched::start(&engine, by_events_only(), Limits::default());
        watched.snapshot_of(&["web-1"]).await;
        let prefix = format!("/v{spoken}/containers/json");
        assert!(engine.calls().targets.iter().any(|t| t.starts_with(&prefix)), "{:?}", engine.calls().targets);
    }
    let engine = FakeEngine::tcp().await;
    engine.speaks("1.70", "1.60");
    let mut watched = Watched::start(&engine, by_events_only(), Limits::default());
    let stale = watched.until("stale", |u| matches!(u, Update::Stale { .. })).await;
    assert!(reason(&stale).contains("wants API 1.60"), "{stale:?}");
}

#[tokio::test]
async fn version_may_be_forbidden() {
    let engine = FakeEngine::tcp().await;
    engine.run(Spec::new("web-1"));
    engine.fault(Call::Version, Fault::Status(403));
    let mut watched = Watched::start(&engine, by_events_only(), Limits::default());
    watched.snapshot_of(&["web-1"]).await;
    assert_eq!(watched.stale(), 0);
}

#[tokio::test]
async fn the_engine_restarts_and_meanwhile_things_changed() {
    let engine = FakeEngine::unix().await;
    for name in ["web-1", "web-2", "web-3"] {
        engine.run(Spec::new(name));
    }
    let mut watched = Watched::start(&engine, by_events_only(), Limits::default());
    watched.snapshot_of(&["web-1", "web-2", "web-3"]).await;
    let before = watched.log.len();
    engine.go_down().await;
    watched.until("stale", |u| matches!(u, Update::Stale { .. })).await;
    // A death while the engine is down is told by no event.
    engine.die("web-2", 137);
    engine.run(Spec::new("web-4"));
    let attempts = count(&watched.counters.attempts);
    while count(&watched.counters.attempts) < attempts + 3 {
        tokio::task::yield_now().await;
    }
    engine.come_up().await;
    watched.snapshot_of(&["web-1", "web-3", "web-4"]).await;
    watched.until("fresh", |u| *u == Update::Fresh).await;
    assert!(matches!(watched.log[before], Update::Stale { .. }), "nothing changes while it is away");
    assert_eq!((watched.stale(), watched.fresh()), (1, 1));
}

#[tokio::test]
async fn a_stream_that_ends_is_opened_again_in_silence_and_nothing_is_missed() {
    let engine = FakeEngine::unix().await;
    let id = engine.run(Spec::new("web-1"));
    let mut watched = Watched::start(&engine, by_events_only(), Limits::default());
    watched.snapshot_of(&["web-1"]).await;
    for (round, cut) in [FakeEngine::end_streams, FakeEngine::cut_streams].into_iter().enumerate() {
        engine.pause("web-1");
        watched.notice(&id, Notice::Paused).await;
        cut(&engine);
        // Between the streams: the replay brings it, and the pause is not told a second time.
        engine.unpause("web-1");
        watched.notice(&id, Notice::Unpaused).await;
        watched.snapshot("unpaused", |s| !named(s, "web-1").paused).await;
        watched.barrier(&engine).await;
        let paused = watched.count(|u| matches!(u, Update::Notice { notice: Notice::Paused, .. }));
        assert_eq!(paused, round + 1, "a replayed event is no second one");
        assert_eq!(count(&watched.counters.streams), round as u64 + 2);
    }
    assert_eq!((watched.stale(), watched.fresh()), (0, 0), "not worth a word");
}

#[tokio::test]
async fn a_container_that_dies_while_the_stream_is_cut_is_gone_afterwards() {
    let engine = FakeEngine::unix().await;
    engine.run(Spec::new("web-1"));
    engine.run(Spec::new("web-2"));
    let mut watched = Watched::start(&engine, by_events_only(), Limits::default());
    watched.snapshot_of(&["web-1", "web-2"]).await;
    let id = engine.id("web-2");
    engine.kill("web-2", 15);
    watched.notice(&id, Notice::Terminating).await;
    engine.lossy(true);
    engine.cut_streams();
    engine.die("web-2", 0);
    engine.lossy(false);
    watched.snapshot_of(&["web-1"]).await;
}

#[tokio::test]
async fn a_half_open_stream_is_noticed_by_pings() {
    let engine = FakeEngine::tcp().await;
    engine.run(Spec::new("web-1"));
    let timing = Timing { watchdog: Duration::from_millis(100), ..by_events_only() };
    let mut watched = Watched::start(&engine, timing, quick_limits());
    watched.snapshot_of(&["web-1"]).await;
    engine.wait_for("pings of a silent stream", |calls| calls.of(Call::Ping) >= 3).await;
    assert_eq!(count(&watched.counters.streams), 1, "pings that are answered change nothing");
    engine.stall_streams();
    engine.fault(Call::Ping, Fault::Hang);
    watched.until("stale", |u| matches!(u, Update::Stale { .. })).await;
    engine.heal();
    watched.until("fresh", |u| *u == Update::Fresh).await;
    assert_eq!(count(&watched.counters.streams), 2);
    watched.barrier(&engine).await;
}

#[tokio::test]
async fn a_stalled_or_lossy_stream_is_made_good_by_the_reconcile_and_replaced() {
    let engine = FakeEngine::unix().await;
    engine.run(Spec::new("web-1"));
    let mut watched = Watched::start(&engine, restless(), Limits::default());
    watched.snapshot_of(&["web-1"]).await;
    engine.stall_streams();
    engine.run(Spec::new("web-2"));
    engine.stop("web-1");
    watched.snapshot_of(&["web-2"]).await;
    engine.wait_for("a new stream", |calls| calls.of(Call::Events) >= 2).await;
    // Its first list finds everything and proves nothing; what a later one finds does.
    let lists = engine.calls().of(Call::List);
    engine.wait_for("its second list", |calls| calls.of(Call::List) >= lists + 2).await;

    engine.lossy(true);
    engine.run(Spec::new("web-3"));
    watched.snapshot_of(&["web-2", "web-3"]).await;
    engine.lossy(false);
    engine.wait_for("another new stream", |calls| calls.of(Call::Events) >= 3).await;
    assert_eq!(watched.stale(), 0);
}

#[tokio::test]
async fn a_good_stream_is_not_replaced() {
    let engine = FakeEngine::unix().await;
    engine.run(Spec::new("web-1"));
    let mut watched = Watched::start(&engine, restless(), Limits::default());
    watched.snapshot_of(&["web-1"]).await;
    for n in 0..20 {
        engine.run(Spec::new(&format!("x-{n}")));
        engine.stop(&format!("x-{n}"));
        watched.barrier(&engine).await;
    }
    let lists = engine.calls().of(Call::List);
    engine.wait_for("reconciles", |calls| calls.of(Call::List) >= lists + 5).await;
    assert_eq!(count(&watched.counters.streams), 1);
}

#[tokio::test]
async fn credentials_are_sent() {
    let engine = FakeEngine::tcp().await;
    let options = seaway_config::statics::DockerOptions {
        endpoint: engine.endpoint(),
        username: "Aladdin".to_owned(),
        password: "open sesame".to_owned(),
        ..Default::default()
    };
    let mut watched = Watched::options(&options, by_events_only(), Limits::default());
    watched.snapshot_of(&[]).await;
    let sent = engine.calls().authorizations;
    assert!(sent.len() >= 4 && sent.iter().all(|a| a == "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="), "{sent:?}");
}
