//! The program under load while its table changes.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use seaway_testkit::engine::{FakeEngine, Spec};
use serde_json::json;
use tokio::runtime::Builder;

use crate::Options;
use crate::load::{self, Clients, Seen, nap};
use crate::program::Program;
use crate::report::{Report, kilobytes, micros, number, percentile};

/// So many stretches with changes, each after one without.
const STRETCHES: usize = 10;
/// Longer than the time in which changes are put together.
const PAUSE: Duration = Duration::from_millis(18);
const QUIET: Duration = Duration::from_secs(5);
const REPLICAS: usize = 5;
const NETWORK: &str = "bench";
/// At most so long may a request take because of a change.
const GOAL_NANOS: u64 = 5_000_000;
/// How far memory may be from where it was after the first stretch, in percent.
const GOAL_FLAT: f64 = 2.0;

/// Measures, and reports.
pub(crate) fn measure(options: &Options, report: &mut Report) {
    let each = (options.changes / STRETCHES).max(2);
    let seconds = STRETCHES * each * 18 / 1000 + STRETCHES * 5 + options.containers / 500;
    let (changes, containers, rate) = (each * STRETCHES, options.containers, options.rate);
    println!("\n3. {changes} changes among {containers} containers under {rate} requests/s (about {seconds} s)");
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    let _inside = runtime.enter();
    let engine = runtime.block_on(FakeEngine::unix());
    let port = load::serve();
    for n in 0..containers.saturating_sub(2) {
        let [_, _, high, low] = u32::try_from(n + 2).expect("a small number").to_be_bytes();
        engine.run(spec(&format!("app{}", n / REPLICAS), n, Ipv4Addr::new(127, 100, high, low), port));
    }
    for n in 1..=2 {
        engine.run(spec("web", n, Ipv4Addr::new(127, 200, 0, u8::try_from(n).expect("a small number")), port));
    }
    let joins = engine.create(spec("app0", REPLICAS + 1, Ipv4Addr::new(127, 201, 0, 1), port));
    let is_new = engine.create(spec("new", 1, Ipv4Addr::new(127, 201, 0, 2), port));
    let program = Program::start(&options.binary, &engine.endpoint());
    let begun = Instant::now();
    while !load::is_served(program.address()) {
        assert!(begun.elapsed() < Duration::from_secs(60), "web.test is not served");
        nap(Duration::from_millis(50));
    }
    // Whatever else there is to learn.
    nap(Duration::from_secs(2));
    let at_rest = program.memory();
    let clients = Clients::start(program.address(), rate);
    nap(Duration::from_secs(1));
    // Of those that come and go alone: a full reconcile asks for all.
    let asked = || engine.calls().inspects_of(&joins) + engine.calls().inspects_of(&is_new);
    let (inspects, spent) = (asked(), program.processor_time("control"));
    let mut memory = Vec::new();
    for _ in 0..STRETCHES {
        clients.stretch(0);
        nap(QUIET);
        clients.stretch(1);
        for n in 0..each {
            let who = if n / 2 % 2 == 0 { &joins } else { &is_new };
            if n % 2 == 0 {
                engine.start(who);
            } else {
                engine.kill(who, 15);
                engine.die(who, 0);
            }
            nap(PAUSE);
        }
        clients.stretch(u8::MAX);
        // Old tables are freed at most a second after workers let go of them, and their tombstones fall in a minute.
        nap(Duration::from_millis(1600));
        memory.push(program.memory());
    }
    let inspects = asked() - inspects;
    let spent = program.processor_time("control").saturating_sub(spent);
    let seen = clients.stop();
    let ended_well = program.stop();
    tell(&seen, report);
    let each_change = spent.as_micros() / u128::try_from(changes).unwrap_or(1).max(1);
    println!("  starts that were told and asked for: {inspects} of {}", changes / 2);
    println!("  processor time of the control plane for each change, everything counted: {each_change} µs");
    let (first, last) = (memory.first().copied().unwrap_or_default(), memory.last().copied().unwrap_or_default());
    let change = (number(last) / number(first.max(1)) - 1.0) * 100.0;
    println!(
        "  memory: {} at rest, {} after {each} changes, {} after {changes}: {change:+.1} %",
        kilobytes(at_rest),
        kilobytes(first),
        kilobytes(last)
    );
    report.add(json!({
        "what": "changes under load", "changes": changes, "containers": containers, "requests_per_second": rate,
        "starts_inspected": inspects, "control_plane_micros_per_change": u64::try_from(each_change).unwrap_or_default(),
        "memory_at_rest": at_rest, "memory_after_each_stretch": memory, "connections_closed": seen.closed,
    }));
    report.judge("no connection closed", seen.closed == 0);
    report.judge(&format!("memory flat (± {GOAL_FLAT} %)"), change.abs() <= GOAL_FLAT);
    report.judge("the program ended well", ended_well);
}

fn tell(seen: &Seen, report: &mut Report) {
    println!("  {:<12}{:>10}{:>12}{:>12}{:>12}{:>12}", "", "requests", "p50", "p99", "p99.9", "max");
    let mut worst = [0; 2];
    for ((list, name), worst) in seen.latencies.iter().zip(["quiet", "changes"]).zip(&mut worst) {
        let rank = list.len() - list.len() / 1000;
        let tail = list.get(rank.saturating_sub(1)).copied().unwrap_or_default();
        let at = |percent| percentile(list, percent);
        *worst = at(100);
        println!(
            "  {name:<12}{:>10}{:>12}{:>12}{:>12}{:>12}",
            list.len(),
            micros(at(50)),
            micros(at(99)),
            micros(tail),
            micros(at(100))
        );
        report.add(json!({
            "what": "latency from when a request was due", "stretches": name, "unit": "nanoseconds",
            "requests": list.len(), "p50": at(50), "p99": at(99), "p99.9": tail, "max": at(100),
            "above_5_ms": list.iter().filter(|nanos| **nanos > GOAL_NANOS).count(),
        }));
    }
    // Where others keep the processors busy, requests are late without any change too.
    let [quiet, changes] = worst;
    report.judge("no request above 5 ms because of a change (or none that is not seen without)", {
        changes <= quiet.max(GOAL_NANOS)
    });
}

fn spec(service: &str, number: usize, address: Ipv4Addr, port: u16) -> Spec {
    Spec::new(&format!("bench-{service}-{number}"))
        .compose("bench", service, number)
        .label("traefik.enable", "true")
        .label(&format!("traefik.http.routers.{service}.rule"), &format!("Host(`{service}.test`)"))
        .label(&format!("traefik.http.services.{service}.loadbalancer.server.port"), &port.to_string())
        .at(NETWORK, address)
        .port(port)
}
