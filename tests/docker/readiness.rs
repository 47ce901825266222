//! New containers get their first request when they can answer it.

use serde_json::json;

use super::cli::docker;
use super::engine::engine;
use super::load::{Load, Outcome, Plan};
use super::log;
use super::stack::{App, HOST, Setup, Stack};

/// Visitors only: what is asked here is whether anything fails, not how much can be borne.
pub(super) fn visitors(stack: &Stack) -> Load {
    let some = Plan {
        visitors: 20,
        newcomers: 4,
        slow: 0,
        impatient: 0,
        orders: 0,
        sockets: 0,
        solo: 0,
        ..Plan::full(stack.site(), HOST, HOST)
    };
    Load::start(some)
}

/// Ends the load; every request was answered by a replica.
#[track_caller]
pub(super) fn nothing_lost(load: Load, stack: &Stack) -> usize {
    let ledger = load.stop();
    let failed: Vec<_> = ledger.entries.iter().filter(|entry| entry.outcome != Outcome::Relayed).take(10).collect();
    let log = log::access(&stack.log().lines());
    let story = |id: &str| log.iter().find(|line| line.parameter("n") == Some(id)).map(|line| line.text.clone());
    let told: Vec<_> = failed.iter().map(|entry| (&entry.outcome, story(&entry.id))).collect();
    assert!(failed.is_empty(), "{told:#?}");
    ledger.entries.len()
}

#[test]
fn a_container_without_a_health_check_is_asked_when_its_port_accepts() {
    let _engine = engine!(Shared);
    let stack = Setup::new("late").service("web", App::routed("web").env("START_DELAY_MS", "1500")).up();
    let position = stack.log().position();
    stack.wait_ready("web", 1);
    let load = visitors(&stack);
    stack.scale("web", 3);
    let starting = stack.eventually("they are known before they can answer", || {
        let states = stack.states("web");
        (states.len() == 3).then_some(states)
    });
    assert!(starting.iter().skip(1).all(|(_, state)| state == "starting"), "{starting:?}");
    let new: Vec<String> = stack.containers("web").into_iter().skip(1).map(|container| container.id).collect();
    assert_eq!(load.by_replica(0).keys().filter(|id| new.contains(id)).count(), 0, "asked before it listened");
    stack.wait_ready("web", 3);
    stack.eventually("they take part", || {
        // Visitors have no affinity here: turns go on over all three.
        let answered = load.by_replica(0);
        new.iter().all(|id| answered.contains_key(id)).then_some(())
    });
    nothing_lost(load, &stack);
    // Nothing was tried in vain either.
    let retried: Vec<_> =
        log::access(&stack.log().lines()).into_iter().filter(|l| l.field("attempt").is_some()).collect();
    assert!(retried.is_empty(), "{retried:#?}");
    for server in ["+web-2", "+web-3"] {
        stack.said_after(position, &["web ", server, "starting"]);
        stack.said_after(position, &["web ", server, "ready after"]);
    }
}

/// The health check is a file in a volume, so that the test decides: there it is a program that finds all well; replaced by
/// an empty one it cannot be run.
#[test]
fn a_container_with_a_health_check_is_asked_while_it_is_healthy() {
    let _engine = engine!(Shared);
    let checked = App::routed("web").set("volumes", json!(["check:/check"])).set(
        "healthcheck",
        json!({ "test": ["CMD", "/check/check", "healthcheck"], "interval": "500ms", "timeout": "2s", "retries": 1 }),
    );
    let stack = Setup::new("healthy").volume("check").service("web", checked).up();
    let web = stack.containers("web").pop().expect("it runs").name;
    let state = || stack.states("web").pop().map(|(_, state)| state);
    let health = || docker(&["inspect", "--format", "{{.State.Health.Status}}", &web]).trim().to_owned();
    stack.eventually("docker finds it unhealthy", || (health() == "unhealthy").then_some(()));
    stack.eventually("so does Seaway", || (state().as_deref() != Some("ready")).then_some(()));
    let refused = stack.browser().get("/whoami");
    assert_eq!((refused.status, refused.field("x-replica")), (503, None), "its port accepts, and yet it is not asked");

    let folder = tempfile::tempdir().expect("a temporary folder");
    let program = folder.path().join("program");
    let program = program.to_string_lossy();
    docker(&["cp", &format!("{web}:/seaway-demo-app"), &program]);
    docker(&["cp", &program, &format!("{web}:/check/check")]);
    stack.wait_ready("web", 1);
    assert_eq!(health(), "healthy", "ready before docker said healthy");
    stack.browser().replica("/whoami");

    let nothing = folder.path().join("nothing");
    std::fs::write(&nothing, "").expect("an empty file");
    docker(&["cp", &nothing.to_string_lossy(), &format!("{web}:/check/check")]);
    stack.eventually("it is taken out", || (state().as_deref() == Some("unhealthy")).then_some(()));
    assert_eq!(health(), "unhealthy");
    stack.said(&["web 1→0", "−web-1", "unhealthy"]);
}

#[test]
fn a_service_that_is_scaled_to_nothing_and_back_loses_nothing() {
    let _engine = engine!(Shared);
    let stack = Setup::new("nothing").service("web", App::routed("web")).up();
    stack.wait_ready("web", 1);
    let load = visitors(&stack);
    stack.scale("web", 0);
    stack.eventually("nobody is left", || stack.states("web").iter().all(|(_, state)| state != "ready").then_some(()));
    let before = load.answered();
    stack.scale("web", 1);
    stack.wait_ready("web", 1);
    stack.eventually("those who waited are served", || (load.answered() >= before + 24).then_some(()));
    nothing_lost(load, &stack);
    stack.said(&["200 GET", "→ web-1", "held="]);
    stack.said(&["web", "no server left, its route stays for now"]);
}
