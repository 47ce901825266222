//! What events do: notices at once, one inspect each, and no snapshot that contradicts them.

use std::sync::Arc;
use std::time::Duration;

use seaway_config::model::DockerHealth;
use seaway_provider::Update;
use seaway_provider::docker::client::Limits;
use seaway_provider::docker::watch::Timing;
use seaway_routing::state::Notice;
use seaway_testkit::engine::{Call, Chunks, FakeEngine, Fault, SECRET, Spec};

use crate::harness::{Watched, by_events_only, count, named};

async fn one() -> (FakeEngine, String, Watched) {
    let engine = FakeEngine::unix().await;
    let id = engine.run(Spec::new("web-1").label("traefik.enable", "true").port(80).health_check());
    let mut watched = Watched::start(&engine, by_events_only(), Limits::default());
    watched.snapshot_of(&["web-1"]).await;
    (engine, id, watched)
}

#[tokio::test]
async fn one_event_one_inspect() {
    let (engine, id, mut watched) = one().await;
    let mut expected = engine.calls().inspects_of(&id);
    assert_eq!(expected, 1, "the first reconcile");
    type Change = fn(&FakeEngine);
    let changes: [(&str, Change); 8] = [
        ("health", |e| e.health("web-1", "healthy")),
        ("pause", |e| e.pause("web-1")),
        ("unpause", |e| e.unpause("web-1")),
        ("connect", |e| assert!(e.connect("web-1", "other").is_ipv4())),
        ("disconnect", |e| e.disconnect("web-1", "other")),
        ("update", |e| e.emit("web-1", "update")),
        ("oom", |e| e.emit("web-1", "oom")),
        ("rename", |e| e.rename("web-1", "web-9")),
    ];
    for (what, change) in changes {
        change(&engine);
        engine.wait_for(what, |calls| calls.inspects_of(&id) == expected + 1).await;
        watched.barrier(&engine).await;
        expected += 1;
        assert_eq!(engine.calls().inspects_of(&id), expected, "{what}");
    }
    let calls = engine.calls();
    assert_eq!((calls.of(Call::List), calls.of(Call::Events)), (1, 1), "no re-list for an event");
    let new: Vec<_> = calls.inspects.iter().filter(|(other, _)| **other != id).map(|(_, n)| *n).collect();
    assert_eq!(new, [1; 8], "a container that starts costs one, too");
}

#[tokio::test]
async fn a_burst_about_one_container_costs_one_inspect() {
    let (engine, id, mut watched) = one().await;
    for _ in 0..50 {
        engine.health("web-1", "unhealthy");
        engine.health("web-1", "healthy");
    }
    watched.snapshot("healthy", |s| named(s, "web-1").health == DockerHealth::Healthy).await;
    watched.barrier(&engine).await;
    let inspects = engine.calls().inspects_of(&id);
    assert!((2..=3).contains(&inspects), "one for the burst, one if the engine was slow to send it all: {inspects}");
    assert_eq!(watched.count(|u| matches!(u, Update::Notice { .. })), 100);
}

#[tokio::test]
async fn a_stop_is_told_before_it_has_happened_and_costs_one_inspect() {
    let (engine, id, mut watched) = one().await;
    engine.kill("web-1", 15);
    watched.notice(&id, Notice::Terminating).await;
    assert_eq!(engine.calls().inspects_of(&id), 1, "the notice needs no call");
    watched.barrier(&engine).await;
    assert_eq!(engine.calls().inspects_of(&id), 1, "and causes none");
    engine.die("web-1", 0);
    engine.emit("web-1", "stop");
    watched.notice(&id, Notice::Ended).await;
    watched.snapshot("it is gone", |s| !s.iter().any(|c| c.name == "web-1" && c.running)).await;
    watched.barrier(&engine).await;
    assert_eq!(engine.calls().inspects_of(&id), 2, "die, disconnect and stop together");
}

#[tokio::test]
async fn only_the_stop_signal_and_kill_end_a_server() {
    let engine = FakeEngine::unix().await;
    let usual = engine.run(Spec::new("usual"));
    let quits = engine.run(Spec::new("quits").stop_signal("SIGQUIT"));
    let real_time = engine.run(Spec::new("real-time").stop_signal("SIGRTMIN+3"));
    let number = engine.run(Spec::new("number").stop_signal("2"));
    let mut watched = Watched::start(&engine, by_events_only(), Limits::default());
    watched.snapshot_of(&["usual", "quits", "real-time", "number"]).await;
    for (container, signal) in [("usual", 1), ("quits", 15), ("real-time", 34), ("number", 3), ("usual", 10)] {
        engine.kill(container, signal);
    }
    watched.barrier(&engine).await;
    assert_eq!(watched.count(|u| matches!(u, Update::Notice { .. })), 0, "{:?}", watched.log);
    for (container, id, signal) in
        [("usual", &usual, 15), ("quits", &quits, 3), ("real-time", &real_time, 37), ("number", &number, 2)]
    {
        engine.kill(container, signal);
        watched.notice(id, Notice::Terminating).await;
    }
    engine.kill("quits", 9);
    watched.notice(&quits, Notice::Terminating).await;
}

#[tokio::test]
async fn pause_rename_health_and_networks_reach_the_snapshot() {
    let (engine, id, mut watched) = one().await;
    engine.pause("web-1");
    watched.notice(&id, Notice::Paused).await;
    watched.snapshot("paused", |s| named(s, "web-1").paused && named(s, "web-1").running).await;
    engine.unpause("web-1");
    watched.notice(&id, Notice::Unpaused).await;
    watched.snapshot("not paused", |s| !named(s, "web-1").paused).await;
    engine.health("web-1", "unhealthy");
    watched.notice(&id, Notice::Health(DockerHealth::Unhealthy)).await;
    watched.snapshot("unhealthy", |s| named(s, "web-1").health == DockerHealth::Unhealthy).await;
    engine.connect("web-1", "back");
    watched.snapshot("on two networks", |s| named(s, "web-1").networks.len() == 2).await;
    engine.disconnect("web-1", "back");
    let network = engine.network_id("back");
    watched
        .until("left it", |u| *u == Update::Disconnected { container: id.clone(), network_id: network.clone() })
        .await;
    watched.snapshot("on one network", |s| named(s, "web-1").networks.len() == 1).await;
    engine.rename("web-1", "front-1");
    watched.snapshot("renamed", |s| s.iter().any(|c| c.name == "front-1")).await;
}

#[tokio::test]
async fn a_restart_at_another_address_never_shows_the_old_one() {
    let (engine, id, mut watched) = one().await;
    let old = engine.address("web-1", "bridge").unwrap();
    engine.stop("web-1");
    let thief = engine.run(Spec::new("thief"));
    assert_eq!(engine.address("thief", "bridge"), Some(old), "the address is used again at once");
    engine.start("web-1");
    let new = engine.address("web-1", "bridge").unwrap();
    watched.snapshot("both", |s| s.iter().filter(|c| c.running && (c.id == id || c.id == thief)).count() == 2).await;
    let after_end = watched.log.iter().skip_while(|u| !matches!(u, Update::Notice { notice: Notice::Ended, .. }));
    for update in after_end {
        let Update::Snapshot(snapshot) = update else { continue };
        for c in snapshot.iter().filter(|c| c.id == id && c.running) {
            assert_eq!(c.networks[0].ipv4, Some(new));
        }
    }
}

#[tokio::test]
async fn an_inspect_that_an_event_overtook_is_asked_again() {
    let (engine, id, mut watched) = one().await;
    engine.fault_inspect(&id, Fault::Delay(Duration::from_millis(300)));
    engine.health("web-1", "healthy");
    // The engine has its answer ready: running. Then the container dies, and the answer arrives.
    engine.wait_for("the inspect began", |calls| calls.inspects_of(&id) == 2).await;
    engine.die("web-1", 1);
    watched.notice(&id, Notice::Ended).await;
    engine.wait_for("it is asked again", |calls| calls.inspects_of(&id) == 3).await;
    watched.snapshot("gone", |s| !s.iter().any(|c| c.id == id)).await;
    let after = watched.log.iter().skip_while(|u| !matches!(u, Update::Notice { notice: Notice::Ended, .. }));
    for update in after {
        if let Update::Snapshot(snapshot) = update {
            assert!(!snapshot.iter().any(|c| c.id == id && c.running), "a dead container came back");
        }
    }
}

#[tokio::test]
async fn removing_is_told_without_any_call() {
    let (engine, id, mut watched) = one().await;
    engine.fault(Call::Inspect, Fault::Hang);
    engine.remove("web-1");
    watched.notice(&id, Notice::Ended).await;
    watched.snapshot_of(&[]).await;
}

#[tokio::test]
async fn what_outlives_its_stop_signal_is_looked_at_again() {
    let engine = FakeEngine::unix().await;
    let id = engine.run(Spec::new("stubborn").stop_timeout(0));
    let timing = Timing { overdue: Duration::from_millis(100), ..by_events_only() };
    let mut watched = Watched::start(&engine, timing, Limits::default());
    let before = watched.snapshot_of(&["stubborn"]).await;
    engine.kill("stubborn", 15);
    watched.notice(&id, Notice::Terminating).await;
    let after = watched.snapshot_of(&["stubborn"]).await;
    assert_eq!(engine.calls().inspects_of(&id), 2);
    assert!(Arc::ptr_eq(&before[0], &after[0]), "an unchanged container is the same one");
}

#[tokio::test]
async fn exec_storms_never_arrive() {
    let (engine, _, mut watched) = one().await;
    for _ in 0..2000 {
        for action in ["exec_create: sh", "exec_start: sh", "exec_die", "top", "attach", "resize"] {
            engine.emit("web-1", action);
        }
    }
    let events = count(&watched.counters.events);
    watched.barrier(&engine).await;
    assert_eq!(count(&watched.counters.events), events + 2, "connect and start of the barrier");
}

#[tokio::test]
async fn events_are_understood_however_they_are_chunked_and_garbage_is_passed_over() {
    let (engine, id, mut watched) = one().await;
    engine.chunks(Chunks::Pieces(7));
    watched.barrier(&engine).await;
    engine.chunks(Chunks::Joined(2));
    watched.barrier(&engine).await;
    engine.chunks(Chunks::Whole);
    for garbage in [&b"\xff\xfe\n"[..], b"{\"Type\":\"container\",\"Action\":\"start\"\n", b"null\r\n\r\n", b"[[[[\n"] {
        engine.send_raw(garbage);
    }
    engine.send_raw(&vec![b'x'; 3 * 1024 * 1024]);
    engine.send_raw(b"\n");
    engine.send_raw(
        format!(
            "{{\"Type\":\"container\",\"Action\":\"pause\",\"Actor\":{{\"ID\":\"{id}\",\"Attributes\":{{\"l\":\"\\ud800\"}}}}}}\n"
        )
        .as_bytes(),
    );
    watched.notice(&id, Notice::Paused).await;
    watched.barrier(&engine).await;
    assert_eq!(count(&watched.counters.streams), 1, "the stream was kept");
}

#[tokio::test]
async fn labels_of_any_kind_come_whole_and_nothing_secret_comes_along() {
    let engine = FakeEngine::unix().await;
    let huge = "x".repeat(1024 * 1024);
    engine.run(Spec::new("huge").label("big", &huge));
    engine.run(Spec::new("raw").raw_label("bytes", b"a\xff\xfeb").raw_label("half", b"\\ud800").label("ok", "yes"));
    engine.run((0..10_000).fold(Spec::new("many"), |spec, n| spec.label(&format!("label.{n}"), "x")));
    engine.run(Spec::new("web-1").publish(80, 8080));
    let mut watched = Watched::start(&engine, by_events_only(), Limits::default());
    let snapshot = watched.snapshot_of(&["huge", "raw", "many", "web-1"]).await;
    assert_eq!(named(&snapshot, "huge").labels["big"].len(), huge.len());
    assert_eq!(named(&snapshot, "many").labels.len(), 10_000);
    assert_eq!(named(&snapshot, "raw").labels["bytes"], "a\u{fffd}\u{fffd}b");
    assert_eq!(named(&snapshot, "raw").labels["half"], "\u{fffd}");
    assert_eq!(named(&snapshot, "web-1").bindings[0].host_port, 8080);
    let told = format!("{:?}", watched.log);
    assert!(!told.contains(SECRET) && !told.contains("/secret"));
}

#[tokio::test]
async fn ended_containers_are_told_only_where_a_label_keeps_them() {
    let engine = FakeEngine::unix().await;
    engine.run(Spec::new("kept").label("traefik.docker.allownonrunning", "true"));
    engine.run(Spec::new("plain"));
    engine.stop("kept");
    engine.stop("plain");
    let mut watched = Watched::start(&engine, by_events_only(), Limits::default());
    let snapshot = watched.snapshot_of(&["kept"]).await;
    assert!(!snapshot[0].running);
    engine.start("kept");
    watched.snapshot("it runs", |s| named(s, "kept").running).await;
    engine.stop("kept");
    watched.snapshot("it is kept", |s| s.len() == 1 && !s[0].running).await;
}
