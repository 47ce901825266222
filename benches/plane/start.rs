//! How long the program takes from its start to correct answers, with many labelled containers running.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use seaway_testkit::engine::{FakeEngine, Spec};
use serde_json::json;
use tokio::runtime::Builder;

use crate::Options;
use crate::load::{self, nap};
use crate::program::Program;
use crate::report::{Report, percentile};

const RUNS: usize = 10;
const REPLICAS: usize = 5;
/// From the start of the process to the first correct answer, at most.
const GOAL: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_secs(60);

/// Measures, and reports.
pub(crate) fn measure(options: &Options, report: &mut Report) {
    let containers = options.containers;
    println!("\n4. {RUNS} starts with {containers} containers (milliseconds)");
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    let _inside = runtime.enter();
    let engine = runtime.block_on(FakeEngine::unix());
    let services = containers.div_ceil(REPLICAS).max(1);
    // One listener for all would drop some of the many connections that come at once, and they would be late by a second.
    let ports: Vec<u16> = (0..services).map(|_| load::serve()).collect();
    for (n, port) in (0..containers).map(|n| (n, ports[n / REPLICAS])) {
        let [_, _, high, low] = u32::try_from(n + 2).expect("a small number").to_be_bytes();
        engine.run(spec(n / REPLICAS, n % REPLICAS + 1, Ipv4Addr::new(127, 100, high, low), port));
    }
    let mut moments: [Vec<u64>; 3] = Default::default();
    let mut ended_well = true;
    for _ in 0..RUNS {
        let begun = Instant::now();
        let program = Program::start(&options.binary, &engine.endpoint());
        let listens = begun.elapsed();
        wait(begun, || load::is_answered(program.address(), &host(services - 1)));
        let first = begun.elapsed();
        for service in 0..services {
            wait(begun, || load::is_answered(program.address(), &host(service)));
        }
        let all = begun.elapsed();
        for (list, took) in moments.iter_mut().zip([listens, first, all]) {
            list.push(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
        }
        ended_well &= program.stop();
    }
    println!("  {:<40}{:>10}{:>10}", "", "p50", "max");
    for (list, what) in moments.iter_mut().zip(["it listens", "first correct answer", "every service has answered"]) {
        list.sort_unstable();
        let at = |percent| percentile(list, percent);
        println!("  {what:<40}{:>10}{:>10}", at(50) / 1000, at(100) / 1000);
        report.add(json!({
            "what": "start of the process", "until": what, "containers": containers, "unit": "microseconds",
            "p50": at(50), "max": at(100), "samples": list,
        }));
    }
    report.judge("the program ended well each time", ended_well);
    let worst = moments.get(1).and_then(|list| list.last()).copied().unwrap_or(u64::MAX);
    report.judge(&format!("first correct answer within {GOAL:?}"), u128::from(worst) <= GOAL.as_micros());
}

fn wait(begun: Instant, mut answered: impl FnMut() -> bool) {
    while !answered() {
        assert!(begun.elapsed() < PATIENCE, "no correct answer");
        nap(Duration::from_millis(2));
    }
}

fn host(service: usize) -> String {
    format!("app{service}.test")
}

fn spec(service: usize, number: usize, address: Ipv4Addr, port: u16) -> Spec {
    Spec::new(&format!("bench-app{service}-{number}"))
        .compose("bench", &format!("app{service}"), number)
        .label("traefik.enable", "true")
        .label(&format!("traefik.http.routers.app{service}.rule"), &format!("Host(`{}`)", host(service)))
        .label(&format!("traefik.http.services.app{service}.loadbalancer.server.port"), &port.to_string())
        .at("bench", address)
        .port(port)
}
