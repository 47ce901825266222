#![allow(clippy::unwrap_used)]

use std::cell::RefCell;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Once;

use seaway_config::model::DockerHealth;
use seaway_routing::compile::EntryPointInfo;
use seaway_routing::{Phase, RoutingTable};
use tokio::task::JoinHandle;

use super::*;
use crate::docker::Container;
use crate::memory::MemoryEngine;
use crate::snapshot::{EngineTime, UpdateSender, updates};
use crate::testing::{container, options, replica, snapshot};

/// A running reconciler on paused time.
struct World {
    updates: UpdateSender,
    registry: Arc<StateRegistry>,
    published: Arc<Published>,
    handle: Handle,
    task: JoinHandle<()>,
}

impl World {
    fn new() -> Self {
        Self::with(options())
    }

    fn with(build: BuildOptions) -> Self {
        let registry = Arc::new(StateRegistry::new(1));
        let published = Arc::new(Published::default());
        let clock = Clock::start();
        let (sender, receiver) = updates();
        let compile = CompileOptions {
            entry_points: vec![EntryPointInfo { name: "web".into(), default: true, ..EntryPointInfo::default() }],
            ..CompileOptions::default()
        };
        let options = ReconcilerOptions::new(build, compile, Config::default());
        let reconciler = Reconciler::new(options, Arc::clone(&registry), Arc::clone(&published), clock);
        let handle = reconciler.handle();
        let task = tokio::spawn(reconciler.run(receiver));
        Self { updates: sender, registry, published, handle, task }
    }

    fn send(&self, containers: impl IntoIterator<Item = Container>) {
        self.updates.send(Update::Snapshot(Arc::new(snapshot(containers)))).unwrap();
    }

    fn notice(&self, container: &str, notice: Notice) {
        let at = EngineTime::default();
        self.updates.send(Update::Notice { container: container.to_owned(), notice, at }).unwrap();
    }

    fn probe(&self) {
        for state in self.registry.servers() {
            state.clear(flag::UNPROBED);
        }
        self.published.wake();
    }

    fn table(&self) -> Arc<RoutingTable> {
        self.published.current()
    }

    /// `web-1 ready`, … of a service.
    fn servers(&self, service: &str) -> Vec<String> {
        let table = self.table();
        let service = table.services.iter().find(|s| *s.label == *service);
        let servers = service.map(|s| s.servers.iter().map(|s| format!("{} {}", s.name, s.state.phase().as_str())));
        servers.map(Iterator::collect).unwrap_or_default()
    }

    fn rule(&self, router: &str) -> Option<String> {
        let table = self.table();
        table.routers.iter().find(|(name, _)| name.to_string() == router).map(|(_, info)| info.rule.to_string())
    }
}

/// Lets the task do what is there, without any time going by.
async fn settle() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

async fn pass(ms: u64) {
    settle().await;
    tokio::time::advance(Duration::from_millis(ms)).await;
    settle().await;
}

fn web(numbers: impl IntoIterator<Item = u8>) -> Vec<Container> {
    numbers.into_iter().map(|n| replica("shop", "web", n, &[])).collect()
}

mod churn;
mod closed;
mod layers;

const WEB: &str = "web-shop@docker";

#[tokio::test(start_paused = true)]
async fn the_first_change_is_applied_at_once_and_a_burst_together() {
    let world = World::new();
    settle().await;
    assert!(!world.handle.is_ready(), "no snapshot yet");
    pass(100).await;
    world.send(web([1]));
    settle().await;
    assert_eq!(world.servers(WEB), ["web-1 starting"]);
    assert!(world.handle.is_ready());
    let tables = world.handle.status().tables;
    for n in 2..=9 {
        world.send(web(1..=n));
        pass(1).await;
    }
    assert_eq!(world.handle.status().tables, tables, "within the window");
    pass(7).await;
    assert_eq!(world.handle.status().tables, tables + 1, "all of them in one table");
    assert_eq!(world.servers(WEB).len(), 9);
}

#[tokio::test(start_paused = true)]
async fn a_thousand_changes_in_ten_seconds_are_not_a_thousand_tables() {
    let world = World::new();
    pass(100).await;
    let before = world.handle.status().tables;
    for n in 0..1000u32 {
        let labels = [("n", n.to_string())];
        world.send([container("web", "10.0.0.2", &[(labels[0].0, &labels[0].1)])]);
        pass(10).await;
    }
    pass(20).await;
    let made = world.handle.status().tables - before;
    assert!((400..=670).contains(&made), "one for each window, not for each change: {made}");
    assert_eq!(world.table().config.services.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_leaves_is_out_before_any_table() {
    let world = World::new();
    world.send(web(1..=4));
    settle().await;
    world.probe();
    pass(50).await;
    world.send(web(1..=3));
    settle().await;
    assert_eq!(world.servers(WEB).len(), 3, "the first change in a while: applied at once");
    let tables = world.handle.status().tables;
    let generation = world.table().generation;
    let mut paused = web(1..=2);
    paused[0].paused = true;
    world.send(paused);
    world.notice("shop-web-2", Notice::Terminating);
    settle().await;
    assert_eq!((world.handle.status().tables, world.table().generation), (tables, generation), "in the same window");
    assert_eq!(world.servers(WEB), ["web-1 paused", "web-2 terminating", "web-3 gone"]);
}

#[tokio::test(start_paused = true)]
async fn a_table_made_from_an_older_snapshot_takes_no_notice_back() {
    let world = World::new();
    world.send(web(1..=3));
    settle().await;
    world.probe();
    world.send(web(1..=4));
    for (n, notice) in [(1, Notice::Paused), (2, Notice::Health(DockerHealth::Unhealthy)), (3, Notice::Ended)] {
        world.notice(&format!("shop-web-{n}"), notice);
    }
    pass(20).await;
    assert_eq!(world.servers(WEB), ["web-1 paused", "web-2 unhealthy", "web-4 starting"]);
    // The engine's next word agrees with the notices: nothing new, and still the right table.
    let mut after = web([1, 2, 4]);
    after[0].paused = true;
    after[1].health = DockerHealth::Unhealthy;
    world.send(after);
    pass(20).await;
    assert_eq!(world.servers(WEB), ["web-1 paused", "web-2 unhealthy", "web-4 starting"]);
}

#[tokio::test(start_paused = true)]
async fn a_notice_for_a_server_that_no_table_has_yet_is_not_lost() {
    let world = World::new();
    settle().await;
    world.send(web([1]));
    world.notice("shop-web-1", Notice::Terminating);
    pass(20).await;
    world.probe();
    assert_eq!(world.servers(WEB), ["web-1 terminating"]);
    pass(12_100).await;
    assert_eq!(world.servers(WEB), ["web-1 starting"], "and if it lives on, it is taken back");
}

#[tokio::test(start_paused = true)]
async fn a_container_that_survives_its_stop_signal_is_taken_back() {
    let world = World::new();
    world.send(web(1..=2));
    settle().await;
    world.probe();
    world.notice("shop-web-1", Notice::Terminating);
    settle().await;
    assert_eq!(world.servers(WEB), ["web-1 terminating", "web-2 ready"]);
    pass(11_900).await;
    assert_eq!(world.servers(WEB), ["web-1 terminating", "web-2 ready"]);
    pass(150).await;
    assert_eq!(world.servers(WEB), ["web-1 starting", "web-2 ready"], "stop timeout and two seconds, then gated anew");
}

#[tokio::test(start_paused = true)]
async fn unpause_of_a_container_that_is_being_stopped_does_not_bring_it_back() {
    let world = World::new();
    world.send(web(1..=2));
    settle().await;
    world.probe();
    for notice in [Notice::Paused, Notice::Terminating, Notice::Unpaused] {
        world.notice("shop-web-1", notice);
        settle().await;
        assert_ne!(world.servers(WEB)[0], "web-1 ready", "after {notice:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_disconnected_network_takes_the_server_out_at_once() {
    let world = World::new();
    world.send(web(1..=2));
    settle().await;
    world.probe();
    pass(50).await;
    let update = Update::Disconnected { container: "shop-web-1".to_owned(), network_id: "net".to_owned() };
    world.updates.send(update).unwrap();
    settle().await;
    assert_eq!(world.servers(WEB), ["web-1 gone", "web-2 ready"]);
    let mut after = web(1..=2);
    after[0].networks.clear();
    world.send(after);
    pass(20).await;
    assert_eq!(world.servers(WEB), ["web-2 ready"]);
    assert!(world.table().diagnostics.iter().any(|d| d.code == Code::NoAddress));
    world.send(web(1..=2));
    pass(20).await;
    assert_eq!(world.servers(WEB), ["web-1 starting", "web-2 ready"]);
}

#[tokio::test(start_paused = true)]
async fn a_reused_address_inherits_nothing() {
    let world = World::new();
    world.send([Container { id: "a".to_owned(), ..container("web", "10.0.0.2", &[]) }]);
    settle().await;
    world.probe();
    let before = Arc::clone(&world.table().services[0].servers[0].state);
    before.enter(0);
    world.send([Container { id: "b".to_owned(), ..container("web", "10.0.0.2", &[]) }]);
    pass(20).await;
    let after = Arc::clone(&world.table().services[0].servers[0].state);
    assert_eq!((before.phase(), after.phase(), after.in_flight()), (Phase::Gone, Phase::Starting, 0));
    assert_ne!(before.id(), after.id());
}

#[tokio::test(start_paused = true)]
async fn the_route_outlives_its_containers_for_a_minute() {
    let world = World::new();
    world.send(web([1]));
    pass(100).await;
    world.send([]);
    settle().await;
    assert_eq!(world.rule("web-shop@docker").as_deref(), Some("Host(`web-shop.localhost`)"));
    assert!(world.servers(WEB).is_empty());
    pass(59_900).await;
    assert!(world.rule("web-shop@docker").is_some());
    pass(150).await;
    assert_eq!(world.rule("web-shop@docker"), None, "without any update from the engine");
}

#[tokio::test(start_paused = true)]
async fn a_redeploy_changes_the_rule_when_the_new_container_is_ready() {
    let rule = |rule| [("traefik.http.routers.R.rule", rule)];
    let old = replica("shop", "web", 1, &rule("Host(`old`)"));
    let new =
        Container { created: "2026-11-20T11:00:00Z".to_owned(), ..replica("shop", "web", 2, &rule("Host(`new`)")) };
    let world = World::new();
    world.send([old.clone()]);
    settle().await;
    world.probe();
    pass(50).await;
    world.send([old, new]);
    pass(50).await;
    assert_eq!(world.rule("R@docker").as_deref(), Some("Host(`old`)"), "the new one is not ready");
    world.probe();
    pass(20).await;
    assert_eq!(world.rule("R@docker").as_deref(), Some("Host(`new`)"), "no snapshot was needed");
    let tables = world.handle.status().tables;
    pass(1000).await;
    assert_eq!(world.handle.status().tables, tables, "and it does not go on making tables");
}

#[tokio::test(start_paused = true)]
async fn while_the_engine_is_away_everything_stays_and_is_told() {
    let world = World::new();
    world.send(web([1]));
    settle().await;
    world.probe();
    pass(1000).await;
    assert_eq!(world.handle.age(), Some(Duration::from_secs(1)));
    let since = std::time::SystemTime::UNIX_EPOCH;
    for reason in ["connection refused", "still refused"] {
        world.updates.send(Update::Stale { since, reason: reason.to_owned() }).unwrap();
        pass(20).await;
    }
    assert_eq!(world.servers(WEB), ["web-1 ready"]);
    assert_eq!(world.handle.status().stale.unwrap().reason, "still refused");
    let away = |world: &World| world.table().diagnostics.iter().any(|d| d.code == Code::EngineUnreachable);
    assert!(away(&world));
    pass(3_600_000).await;
    assert_eq!(world.servers(WEB), ["web-1 ready"], "however long it takes");
    world.updates.send(Update::Fresh).unwrap();
    world.send(web([1]));
    pass(20).await;
    assert!(!away(&world) && world.handle.status().stale.is_none());
    assert_eq!(world.servers(WEB), ["web-1 ready"]);
}

#[tokio::test(start_paused = true)]
async fn the_same_snapshot_again_makes_no_table() {
    let world = World::new();
    world.send(web(1..=3));
    settle().await;
    world.probe();
    pass(100).await;
    let tables = world.handle.status().tables;
    for _ in 0..10 {
        world.send(web(1..=3));
        pass(30_000).await;
    }
    assert_eq!(world.handle.status().tables, tables);
    assert_eq!(world.handle.age(), Some(Duration::from_secs(30)), "but it was seen");
}

#[tokio::test(start_paused = true)]
async fn an_empty_engine_is_ready_too() {
    let mut world = World::new();
    world.send([]);
    world.handle.ready().await;
    assert!(world.table().services.is_empty());
}

#[tokio::test(start_paused = true)]
async fn it_ends_with_its_providers() {
    let World { updates, task, .. } = World::new();
    drop(updates);
    task.await.unwrap();
}

thread_local! {
    static LINES: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// Collects what each thread, and so each test, logs. It stands for the whole process, because `tracing` remembers for
/// all threads whether one of them wants an event.
struct Log;

impl tracing::Subscriber for Log {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.target().starts_with("seaway::") && *metadata.level() <= tracing::Level::INFO
    }
    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }
    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn event(&self, event: &tracing::Event<'_>) {
        struct Text(String);
        impl tracing::field::Visit for Text {
            fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn fmt::Debug) {
                if field.name() == "message" {
                    self.0 = format!("{value:?}");
                }
            }
        }
        let mut text = Text(String::new());
        event.record(&mut text);
        LINES.with_borrow_mut(|lines| lines.push(format!("{} {}", event.metadata().level(), text.0)));
    }
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
}

impl Log {
    fn start() -> Self {
        static ONCE: Once = Once::new();
        ONCE.call_once(|| tracing::subscriber::set_global_default(Self).unwrap());
        Self
    }

    fn take(&self) -> Vec<String> {
        LINES.take()
    }
}

#[tokio::test(start_paused = true)]
async fn the_whole_way_from_an_engine_to_the_log() {
    let log = Log::start();
    let world = World::new();
    let engine = MemoryEngine::new(world.updates.clone());
    let address = |n: u32| Ok::<_, Infallible>(SocketAddr::from(([127, 0, 0, 1], 9000 + u16::try_from(n).unwrap())));
    pass(100).await;
    assert_eq!(log.take(), Vec::<String>::new());

    engine.scale("demo", "web", &[], 2, address).unwrap();
    pass(20).await;
    world.probe();
    pass(60).await;
    assert_eq!(log.take(), ["INFO web-demo 0→2 (+web-1 +web-2) routed in 20 ms"]);

    engine.scale("demo", "web", &[], 3, address).unwrap();
    pass(400).await;
    assert_eq!(log.take(), ["INFO web-demo 2 (+web-3) starting: waits for port 9003"]);
    engine.scale("demo", "web", &[], 5, address).unwrap();
    pass(100).await;
    world.probe();
    pass(60).await;
    assert_eq!(
        log.take(),
        ["INFO web-demo 2→5 (+web-4 +web-5 routed in 100 ms, +web-3 ready after 500 ms)"],
        "with the time of the slowest"
    );

    let scaled = engine.scale("demo", "web", &[], 2, address).unwrap();
    pass(25).await;
    for replica in scaled.stopping {
        engine.die(&replica.id);
    }
    pass(1000).await;
    assert_eq!(log.take(), ["INFO web-demo 5→2 (−web-3 −web-4 −web-5) terminating"]);
    assert_eq!(world.servers("web-demo@docker"), ["web-1 ready", "web-2 ready"]);
}

#[tokio::test(start_paused = true)]
async fn a_fault_is_logged_once_however_often_tables_are_made() {
    let log = Log::start();
    let world = World::new();
    let bad = [("traefik.http.routers.R.rule", "Host(`r`)"), ("traefik.http.routers.R.middelwares", "auth")];
    for n in 1..=50 {
        world.send((1..=n).map(|n| replica("shop", "web", n, &bad)));
        pass(100).await;
    }
    for n in (1..=49).rev() {
        world.send((1..=n).map(|n| replica("shop", "web", n, &bad)));
        pass(100).await;
    }
    let faults: Vec<String> = log.take().into_iter().filter(|line| line.contains("SW0")).collect();
    let codes: HashSet<&str> = faults.iter().filter_map(|line| line.split(' ').nth(1)).collect();
    assert_eq!(faults.len(), codes.len(), "each once: {faults:#?}");
    assert!(
        faults.iter().any(|l| l.starts_with("ERROR SW0101 docker shop-web-1: traefik.http.routers.R.middelwares:"))
    );
    world.send([replica("shop", "web", 1, &bad[..1])]);
    pass(100).await;
    let over = log.take();
    assert!(over.iter().any(|l| l.starts_with("INFO SW0101 is over: service web of project shop")), "{over:?}");
}

#[tokio::test(start_paused = true)]
async fn a_stop_signal_waits_for_its_container_through_other_snapshots() {
    let world = World::new();
    world.send(web([1]));
    pass(100).await;
    world.notice("shop-web-2", Notice::Terminating);
    world.send([web([1]), vec![container("other", "10.0.0.99", &[])]].concat());
    pass(100).await;
    world.send(web(1..=2));
    pass(100).await;
    world.probe();
    assert_eq!(world.servers(WEB), ["web-1 ready", "web-2 terminating"]);
}

#[tokio::test(start_paused = true)]
async fn a_stop_signal_right_after_a_restart_is_for_the_new_run() {
    let world = World::new();
    world.send(web(1..=2));
    pass(100).await;
    world.probe();
    for notice in [Notice::Terminating, Notice::Ended, Notice::Terminating] {
        world.notice("shop-web-1", notice);
        pass(30).await;
    }
    let again = Container { started_at: "2026-11-20T12:00:00Z".to_owned(), ..web([1]).remove(0) };
    world.send([again, web([2]).remove(0)]);
    pass(30).await;
    world.probe();
    assert_eq!(world.servers(WEB), ["web-1 terminating", "web-2 ready"]);
}

#[tokio::test(start_paused = true)]
async fn an_endless_stop_timeout_is_no_reason_to_end() {
    let world = World::new();
    let endless = Container { stop_timeout: Duration::from_secs(i64::MAX as u64), ..web([1]).remove(0) };
    world.send([endless]);
    pass(100).await;
    world.probe();
    world.notice("shop-web-1", Notice::Terminating);
    pass(100_000).await;
    assert_eq!(world.servers(WEB), ["web-1 terminating"]);
    assert!(!world.task.is_finished());
}

#[tokio::test(start_paused = true)]
async fn a_container_that_ends_again_and_again_has_to_stay_up_first() {
    let world = World::new();
    let run = |n: u32| Container { started_at: format!("run {n}"), ..web([1]).remove(0) };
    let mut admitted = 0;
    for n in 0..50 {
        world.send([run(n)]);
        pass(20).await;
        world.probe();
        admitted += usize::from(world.servers(WEB) == ["web-1 ready"]);
        pass(180).await;
        world.notice("shop-web-1", Notice::Ended);
    }
    assert_eq!(admitted, 2, "the first run and the first restart");
    world.send([run(50)]);
    pass(20).await;
    world.probe();
    pass(4_900).await;
    assert_eq!(world.servers(WEB), ["web-1 starting"]);
    pass(100).await;
    assert_eq!(world.servers(WEB), ["web-1 ready"], "without a word from the engine");
}

#[tokio::test(start_paused = true)]
async fn who_is_stopped_and_started_by_hand_is_ready_at_once() {
    let world = World::new();
    for n in 0..10 {
        world.send([Container { started_at: format!("run {n}"), ..web([1]).remove(0) }]);
        pass(20).await;
        world.probe();
        assert_eq!(world.servers(WEB), ["web-1 ready"], "run {n}");
        pass(180).await;
        world.notice("shop-web-1", Notice::Terminating);
        pass(10).await;
        world.notice("shop-web-1", Notice::Ended);
        pass(10).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_port_that_never_accepts_is_told_once_and_until_it_does() {
    let log = Log::start();
    let world = World::new();
    world.send(web(1..=2));
    pass(100).await;
    let told = |world: &World| world.table().diagnostics.iter().filter(|d| d.code == Code::NotReady).count();
    pass(29_000).await;
    assert_eq!(told(&world), 0);
    pass(1_000).await;
    assert_eq!(told(&world), 1, "one for both replicas");
    pass(60_000).await;
    world.probe();
    pass(100).await;
    assert_eq!(told(&world), 0);
    let lines: Vec<String> = log.take().into_iter().filter(|line| line.contains("SW0311")).collect();
    assert_eq!(
        lines,
        [
            "WARN SW0311 docker shop-web-1: its port 80 has not accepted a connection for 30 s; server web-1 gets no requests \
             until it does; fix: traefik.http.services.web-shop.loadbalancer.server.port=…",
            "INFO SW0311 is over: service web of project shop: its port 80 has not accepted a connection for 30 s"
        ]
    );
}
