//! One event after the other in a reconciler of this process, without engine and sockets.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use seaway_config::model::Config;
use seaway_config::statics::DockerOptions;
use seaway_provider::docker::{Attachment, BuildOptions, Container, Protocol};
use seaway_provider::{Clock, Reconciler, ReconcilerOptions, Update, UpdateSender, updates};
use seaway_routing::compile::{CompileOptions, EntryPointInfo};
use seaway_routing::{Published, StateRegistry};
use serde_json::json;

use crate::report::{Report, micros, percentile};

const SIZES: [usize; 5] = [10, 100, 1000, 5000, 10_000];
/// Longer than the time in which changes are put together.
const PAUSE: Duration = Duration::from_millis(17);

/// Which containers there are, and which one comes and goes.
#[derive(Clone, Copy)]
struct Shape {
    name: &'static str,
    /// Replicas of each service.
    replicas: usize,
    /// The changing container is a replica of the first service; otherwise a service of its own.
    joins: bool,
}

const SHAPES: [Shape; 3] = [
    Shape { name: "a replica joins one of many services", replicas: 5, joins: true },
    Shape { name: "a service is new among many", replicas: 1, joins: false },
    Shape { name: "a replica joins one of few services", replicas: 50, joins: true },
];

/// Measures and reports all sizes and shapes.
pub(crate) fn measure(events: usize, report: &mut Report) {
    let seconds = SIZES.len() * SHAPES.len() * (events * 17 + 300) / 1000;
    println!("\n1. One event in the reconciler, processor time (about {seconds} s)");
    println!("  {:<40}{:>11}{:>10}{:>10}{:>10}", "", "containers", "p50", "p99", "max");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    for shape in SHAPES {
        for size in SIZES {
            let mut spent = runtime.block_on(run(shape, size, events));
            spent.sort_unstable();
            let at = |percent| percentile(&spent, percent);
            println!(
                "  {:<40}{size:>11}{:>10}{:>10}{:>10}",
                shape.name,
                micros(at(50)),
                micros(at(99)),
                micros(at(100))
            );
            report.add(json!({
                "what": "processor time of one event in the reconciler", "shape": shape.name, "containers": size,
                "unit": "nanoseconds", "events": spent.len(), "p50": at(50), "p99": at(99), "max": at(100),
            }));
        }
    }
}

/// Nanoseconds of this thread for each event.
async fn run(shape: Shape, size: usize, events: usize) -> Vec<u64> {
    let (published, updates) = start();
    let mut all: Vec<Arc<Container>> =
        (0..size).map(|n| Arc::new(container(&format!("app{}", n / shape.replicas), n))).collect();
    all.sort_by(|a, b| a.id.cmp(&b.id));
    send(&updates, &all);
    settle(&published, 2).await;
    for state in published.current().services.iter().flat_map(|service| &service.servers) {
        state.state.clear(seaway_routing::state::flag::UNPROBED);
    }
    let mut spent = Vec::new();
    let service = if shape.joins { "app0" } else { "app5-new" };
    let changing = container(service, size + 1);
    let place = all.partition_point(|c| c.id < changing.id);
    for n in 0..events + 10 {
        tokio::time::sleep(PAUSE).await;
        if n % 2 == 0 {
            all.insert(place, Arc::new(Container { started_at: n.to_string(), ..changing.clone() }));
        } else {
            all.remove(place);
        }
        let generation = published.current().generation;
        let before = processor_time();
        send(&updates, &all);
        settle(&published, generation + 1).await;
        let took = processor_time() - before;
        // The first ones find nothing in the caches.
        if n >= 10 {
            spent.push(took);
        }
    }
    spent
}

fn start() -> (Arc<Published>, UpdateSender) {
    let build = BuildOptions::new("docker", &DockerOptions::default()).expect("options");
    let compile = CompileOptions {
        entry_points: vec![EntryPointInfo { name: "http".into(), default: true, ..EntryPointInfo::default() }],
        ..CompileOptions::default()
    };
    let published = Arc::new(Published::default());
    let (sender, receiver) = updates();
    let reconciler = Reconciler::new(
        ReconcilerOptions::new(build, compile, Config::default()),
        Arc::new(StateRegistry::new(2)),
        Arc::clone(&published),
        Clock::start(),
    );
    tokio::spawn(reconciler.run(receiver));
    (published, sender)
}

fn send(updates: &UpdateSender, all: &[Arc<Container>]) {
    updates.send(Update::Snapshot(Arc::new(all.to_vec()))).expect("the reconciler runs");
}

/// Waits until that table is in force, and everything that belongs to it is done.
async fn settle(published: &Published, generation: u64) {
    let begun = Instant::now();
    while published.current().generation < generation {
        assert!(begun.elapsed() < Duration::from_secs(60), "no table {generation}");
        tokio::task::yield_now().await;
    }
    tokio::task::yield_now().await;
}

/// Nanoseconds that this thread has had a processor for.
pub(crate) fn processor_time() -> u64 {
    // The kernel brings its account up to date when a thread gives way.
    std::thread::yield_now();
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("what the scheduler counts");
    text.split(' ').next().and_then(|n| n.parse().ok()).expect("a number")
}

fn container(service: &str, n: usize) -> Container {
    let rule = format!("Host(`{service}.test`)");
    let labels = [
        ("com.docker.compose.project", "bench".to_owned()),
        ("com.docker.compose.service", service.to_owned()),
        ("com.docker.compose.container-number", n.to_string()),
        ("traefik.enable", "true".to_owned()),
        (&format!("traefik.http.routers.{service}.rule"), rule),
        (&format!("traefik.http.services.{service}.loadbalancer.server.port"), "80".to_owned()),
    ];
    let [_, _, high, low] = u32::try_from(n).expect("a small number").to_be_bytes();
    Container {
        id: format!("{:016x}{n:048x}", (n as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)),
        name: format!("bench-{service}-{n}"),
        labels: labels.into_iter().map(|(key, value)| (key.to_owned(), value)).collect(),
        created: "2026-01-01T00:00:00Z".to_owned(),
        started_at: "2026-01-01T00:00:01Z".to_owned(),
        network_mode: "bench".to_owned(),
        networks: vec![Attachment {
            name: "bench".to_owned(),
            id: "bench".to_owned(),
            ipv4: Some(Ipv4Addr::new(10, 9, high, low)),
            ipv6: None,
        }],
        exposed: vec![(80, Protocol::Tcp)],
        ..Container::default()
    }
}
