//! The main claim: scaled up and down, recreated, under load, and nothing lost.

use std::io::Write;
use std::time::Duration;

use super::accounting::{self, Verdict, Witnesses};
use super::cli::{docker, try_eventually};
use super::engine::engine;
use super::events::Events;
use super::load::{Load, Plan};
use super::log;
use super::stack::{App, HOST, Setup, Stack};

const SOLO_HOST: &str = "solo.localhost";

/// How an application leaves when it is told to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Leaving {
    /// Closes its listener and its idle connections, finishes what runs.
    Drain,
    /// Ends at once.
    Exit,
}

#[test]
fn nothing_is_lost_of_an_application_that_finishes_what_runs() {
    let _engine = engine!(Alone);
    for run in 1..=runs() {
        let verdict = scale_under_load("drain", Leaving::Drain);
        tell(run, "drain", &verdict);
        check(&verdict);
        assert!(verdict.lost_orders.is_empty(), "orders lost:\n{}", verdict.lost_orders.join("\n"));
    }
}

#[test]
fn an_application_that_ends_at_once_loses_only_orders_in_its_hands() {
    let _engine = engine!(Alone);
    for run in 1..=runs() {
        let verdict = scale_under_load("exit", Leaving::Exit);
        tell(run, "exit", &verdict);
        check(&verdict);
        let unexplained = &verdict.unexplained_orders;
        assert!(unexplained.is_empty(), "lost, and in nobody's hands or not in the log:\n{}", unexplained.join("\n"));
    }
}

/// What has to hold however an application leaves.
fn check(verdict: &Verdict) {
    let show = |what: &str, found: &[String]| {
        let some = found.iter().take(20).cloned().collect::<Vec<_>>();
        assert!(found.is_empty(), "{what} ({}):\n{}\n{}", found.len(), some.join("\n"), verdict.summary);
    };
    show("requests lost that may be repeated", &verdict.lost_repeatable);
    show("contradictions", &verdict.contradictions);
    show("moved without the replica having been told to end", &verdict.unprovoked);
    // The load was what the claim says. Rates, not times: a machine that cannot send that much has shown nothing.
    assert!(verdict.gets_per_second >= 300.0, "{}", verdict.summary);
    assert!(verdict.posts_per_second >= 50.0, "{}", verdict.summary);
}

/// `web` goes 2→5→1→4 and is recreated, and so is `solo`, which is one container only.
fn scale_under_load(name: &str, leaving: Leaving) -> Verdict {
    let stop = if leaving == Leaving::Drain { "drain" } else { "exit" };
    let app = |app: App| {
        app.env("STOP", stop).env("ORDERS_FILE", "/orders/log").set("volumes", serde_json::json!(["orders:/orders"]))
    };
    let sticky = "traefik.http.services.web.loadbalancer.sticky.cookie.name";
    let stack = Setup::new(name)
        .volume("orders")
        .service("web", app(App::routed("web")).label(sticky, "session").replicas(2))
        .service("solo", app(App::ruled("solo", &format!("Host(`{SOLO_HOST}`)"))))
        .up();
    let events = Events::of(stack.project());
    stack.wait_ready("web", 2);
    stack.wait_ready("solo", 1);

    let plan = Plan::full(stack.site(), HOST, SOLO_HOST);
    let sockets = u64::from(plan.sockets);
    let load = Load::start(plan);
    settle(&stack, &load, "web", 2, sockets);
    for count in [5, 1, 4] {
        stack.scale("web", count);
        settle(&stack, &load, "web", count, sockets);
    }
    stack.compose(&["up", "-d", "--no-build", "--no-deps", "--force-recreate", "--scale", "web=4", "web"]);
    settle(&stack, &load, "web", 4, sockets);
    stack.compose(&["up", "-d", "--no-build", "--no-deps", "--force-recreate", "solo"]);
    settle(&stack, &load, "solo", 1, sockets);

    let ledger = load.stop();
    let orders = orders(&stack);
    let sent = ledger.entries.len();
    // The log's last lines may be on their way. What does not come is found missing by name.
    let mut log = Vec::new();
    let _complete = try_eventually(Duration::from_secs(10), || {
        log = log::access(&stack.log().lines());
        (log.len() >= sent).then_some(())
    });
    accounting::hear(&Witnesses { ledger: &ledger, log: &log, ends: &events.ends(), orders: &orders })
}

/// Waits until the pool is as it should be, each of its members has answered, all WebSockets are open again, and what was
/// under way when the change ended is over.
fn settle(stack: &Stack, load: &Load, service: &str, count: usize, sockets: u64) {
    stack.wait_ready(service, count);
    let replicas: Vec<String> = stack.containers(service).into_iter().map(|container| container.id).collect();
    assert_eq!(replicas.len(), count, "{service}: {replicas:?}");
    let from = load.answered();
    stack.eventually("every replica answers, and every WebSocket is open", || {
        let answered = load.by_replica(from);
        let all = replicas.iter().all(|replica| answered.contains_key(replica));
        (all && load.open_sockets() == sockets && load.answered() > from + 800).then_some(())
    });
}

/// The ids of the orders that replicas noted, in the file that outlives them.
fn orders(stack: &Stack) -> Vec<String> {
    let solo = stack.containers("solo").pop().expect("solo runs").name;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let copy = folder.path().join("log");
    docker(&["cp", &format!("{solo}:/orders/log"), &copy.to_string_lossy()]);
    let text = std::fs::read_to_string(copy).expect("the orders file");
    text.lines().filter_map(|line| line.split_once(' ')).map(|(_, id)| id.to_owned()).collect()
}

fn runs() -> u32 {
    std::env::var("SEAWAY_SOAK_RUNS").ok().and_then(|runs| runs.parse().ok()).unwrap_or(1)
}

/// Past the test runner's capture: figures are worth seeing when all is well, too.
fn tell(run: u32, name: &str, verdict: &Verdict) {
    let line = format!("scaling under load, {name}, run {run}: {}\n", verdict.summary);
    std::io::stderr().lock().write_all(line.as_bytes()).expect("stderr takes a line");
}
