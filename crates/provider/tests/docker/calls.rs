//! Calls that fail, hang, or answer nonsense: one container's trouble stays its own, and a bad list changes nothing.

use std::time::Duration;

use seaway_provider::Update;
use seaway_provider::docker::client::Limits;
use seaway_routing::state::Notice;
use seaway_testkit::engine::{Call, FakeEngine, Fault, Spec};

use crate::harness::{Watched, by_events_only, names, quick_limits, restless};

#[tokio::test]
async fn a_list_that_fails_changes_nothing_and_is_said_once() {
    for fault in [
        Fault::Status(500),
        Fault::Close,
        Fault::Hang,
        Fault::HalfJson,
        Fault::Garbage,
        Fault::Body(b"{\"message\":\"no\"}".to_vec()),
    ] {
        let engine = FakeEngine::unix().await;
        engine.run(Spec::new("web-1"));
        let mut watched = Watched::start(&engine, restless(), quick_limits());
        watched.snapshot_of(&["web-1"]).await;
        engine.fault(Call::List, fault.clone());
        watched.until("stale", |u| matches!(u, Update::Stale { .. })).await;
        let lists = engine.calls().of(Call::List);
        engine.wait_for("more lists", |calls| calls.of(Call::List) >= lists + 3).await;
        // Events go on meanwhile.
        engine.run(Spec::new("web-2"));
        watched.snapshot_of(&["web-1", "web-2"]).await;
        engine.heal();
        watched.until("fresh", |u| *u == Update::Fresh).await;
        assert_eq!((watched.stale(), watched.fresh()), (1, 1), "{fault:?}");
        assert!(watched.count(|u| matches!(u, Update::Snapshot(s) if !names(s).contains(&"web-1"))) == 0, "{fault:?}");
    }
}

#[tokio::test]
async fn a_list_that_fails_at_the_start_keeps_it_from_being_ready() {
    let engine = FakeEngine::unix().await;
    engine.run(Spec::new("web-1"));
    engine.fault(Call::List, Fault::Status(500));
    let mut watched = Watched::start(&engine, by_events_only(), quick_limits());
    watched.until("stale", |u| matches!(u, Update::Stale { .. })).await;
    engine.wait_for("more lists", |calls| calls.of(Call::List) >= 3).await;
    assert!(!*watched.ready.borrow());
    engine.heal();
    watched.snapshot_of(&["web-1"]).await;
    watched.until("fresh", |u| *u == Update::Fresh).await;
    assert!(*watched.ready.borrow());
}

#[tokio::test]
async fn an_empty_list_is_asked_twice() {
    let engine = FakeEngine::unix().await;
    engine.run(Spec::new("web-1"));
    let mut watched = Watched::start(&engine, restless(), Limits::default());
    watched.snapshot_of(&["web-1"]).await;
    engine.fault_times(Call::List, 1, Fault::Body(b"[]".to_vec()));
    let lists = engine.calls().of(Call::List);
    engine.wait_for("more lists", |calls| calls.of(Call::List) >= lists + 4).await;
    watched.barrier(&engine).await;
    assert_eq!(watched.count(|u| matches!(u, Update::Snapshot(s) if s.is_empty())), 0, "one is not believed");
    engine.fault(Call::List, Fault::Body(b"[]".to_vec()));
    watched.snapshot_of(&[]).await;
    engine.heal();
    watched.snapshot("all are back", |s| names(s).contains(&"web-1")).await;
}

#[tokio::test]
async fn a_container_that_cannot_be_inspected_holds_nobody_up() {
    for fault in [Fault::Status(500), Fault::Close, Fault::Hang, Fault::HalfJson, Fault::Garbage] {
        let engine = FakeEngine::unix().await;
        let bad = engine.run(Spec::new("bad"));
        engine.run(Spec::new("good"));
        engine.fault_inspect("bad", fault.clone());
        let mut watched = Watched::start(&engine, restless(), quick_limits());
        watched.snapshot_of(&["good"]).await;
        assert_eq!(watched.stale(), 0, "{fault:?}");
        engine.run(Spec::new("later"));
        watched.snapshot_of(&["good", "later"]).await;
        engine.heal();
        watched.snapshot_of(&["bad", "good", "later"]).await;
        // Known once, its old data stay in force; what its events say counts.
        engine.fault_inspect("bad", fault.clone());
        engine.pause("bad");
        watched.notice(&bad, Notice::Paused).await;
        watched.snapshot("paused", |s| s.iter().any(|c| c.name == "bad" && c.paused)).await;
    }
}

#[tokio::test]
async fn a_slow_inspect_does_not_delay_the_others() {
    let engine = FakeEngine::unix().await;
    let slow = engine.run(Spec::new("slow"));
    let mut watched = Watched::start(&engine, by_events_only(), Limits::default());
    watched.snapshot_of(&["slow"]).await;
    engine.fault_inspect("slow", Fault::Hang);
    engine.emit("slow", "update");
    engine.wait_for("it hangs", |calls| calls.inspects_of(&slow) == 2).await;
    let began = std::time::Instant::now();
    engine.run(Spec::new("quick"));
    watched.snapshot_of(&["quick", "slow"]).await;
    assert!(began.elapsed() < Duration::from_secs(2), "before the slow one's time is over");
}

#[tokio::test]
async fn a_container_that_dies_between_list_and_inspect_is_no_trouble() {
    let engine = FakeEngine::unix().await;
    let short = engine.run(Spec::new("short-lived"));
    engine.run(Spec::new("web-1"));
    engine.fault_times(Call::List, 1, Fault::Delay(Duration::from_millis(200)));
    let mut watched = Watched::start(&engine, by_events_only(), Limits::default());
    engine.wait_for("the list was asked", |calls| calls.of(Call::List) == 1).await;
    engine.lossy(true);
    engine.remove("short-lived");
    engine.lossy(false);
    watched.snapshot_of(&["web-1"]).await;
    assert_eq!(engine.calls().inspects_of(&short), 1, "asked, and 404");
    watched.barrier(&engine).await;
    assert_eq!((engine.calls().inspects_of(&short), watched.stale()), (1, 0));
}

#[tokio::test]
async fn a_container_that_starts_between_subscribing_and_the_list_is_not_missed() {
    let engine = FakeEngine::unix().await;
    engine.fault_times(Call::List, 1, Fault::Delay(Duration::from_millis(200)));
    let mut watched = Watched::start(&engine, by_events_only(), Limits::default());
    engine.wait_for("the list was asked", |calls| calls.of(Call::List) == 1).await;
    let calls = engine.calls().targets;
    let at = |what: &str| calls.iter().position(|t| t.contains(what)).unwrap();
    assert!(at("/events") < at("/containers/json"), "subscribed before listing");
    engine.run(Spec::new("web-1"));
    watched.snapshot_of(&["web-1"]).await;
}

#[tokio::test]
async fn nothing_but_five_reads_is_ever_called() {
    let engine = FakeEngine::unix().await;
    engine.run(Spec::new("web-1").health_check());
    let mut watched = Watched::start(&engine, restless(), quick_limits());
    watched.snapshot_of(&["web-1"]).await;
    engine.health("web-1", "healthy");
    engine.connect("web-1", "other");
    engine.rename("web-1", "web-2");
    engine.fault_times(Call::List, 2, Fault::Garbage);
    engine.restart("web-2");
    engine.cut_streams();
    engine.remove("web-2");
    watched.barrier(&engine).await;
    let calls = engine.calls();
    assert_eq!(calls.other, Vec::<String>::new());
    assert_eq!(calls.counts.keys().count(), 5, "{:?}", calls.counts);
}
