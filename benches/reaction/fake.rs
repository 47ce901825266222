//! Against the fake engine: any number of containers, and a moment that is exactly known.

use std::net::{Ipv4Addr, SocketAddrV4, TcpListener};

use seaway_testkit::engine::{Call, FakeEngine, Spec};
use tokio::runtime::Builder;

use crate::observe::{Jitter, Moment, Priority, until};
use crate::plane::{LABEL, Plane, Watched};
use crate::report::{Metric, Run};

/// Replicas of the service that is looked at.
const REPLICAS: usize = 5;
const NETWORK: &str = "bench";
/// The one that comes and goes.
const CHANGING: &str = "bench-web-5";
const CHANGING_AT: Ipv4Addr = Ipv4Addr::new(127, 200, 0, 5);

/// Measures with so many containers, so many of them replicas of one service.
pub(crate) fn measure(containers: usize, replicas: usize, samples: usize) -> Run {
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    let _inside = runtime.enter();
    let engine = runtime.block_on(FakeEngine::unix());
    // Everybody of 127.0.0.0/8 but the changing one accepts here.
    let port = accept_for_ever();
    let changing = Port::new();
    for n in 0..containers.saturating_sub(REPLICAS) {
        let (service, number) = (format!("app{}", n / replicas), n % replicas + 1);
        let [_, _, high, low] = u32::try_from(n + 2).expect("a small number").to_be_bytes();
        engine.run(spec(&service, number, Ipv4Addr::new(127, 100, high, low), port));
    }
    for number in 1..REPLICAS {
        let last = u8::try_from(number).expect("a small number");
        engine.run(spec("web", number, Ipv4Addr::new(127, 200, 0, last), port));
    }
    engine.run(spec("web", REPLICAS, CHANGING_AT, changing.number));
    let burst: Vec<String> = (1..=REPLICAS)
        .map(|n| {
            let last = u8::try_from(n).expect("a small number");
            engine.create(spec("burst", n, Ipv4Addr::new(127, 201, 0, last), port))
        })
        .collect();

    let plane = Plane::start(&engine.endpoint());
    plane.wait_for_ready(containers.max(REPLICAS));
    let priority = Priority::raise();
    let mut scene =
        Scene { engine: &engine, plane: &plane, jitter: Jitter::new(), inspects: Vec::new(), port: changing };
    let mut metrics = scene.singles(samples);
    metrics.extend(scene.bursts(&burst, samples / 3));
    let mut run = Run::new(format!("Fake engine, {replicas} replicas of each service"), containers, metrics);
    drop(priority);
    let (most, fewest) = (scene.inspects.iter().max(), scene.inspects.iter().min());
    run.count("inspects after one event about one container, most", most.copied().unwrap_or(0), 1);
    run.count("inspects after one event about one container, fewest", fewest.copied().unwrap_or(0), 1);
    run
}

struct Scene<'s> {
    engine: &'s FakeEngine,
    plane: &'s Plane,
    jitter: Jitter,
    /// After each event that asks for one.
    inspects: Vec<u64>,
    port: Port,
}

impl Scene<'_> {
    /// One container comes and goes, with nothing else happening.
    fn singles(&mut self, samples: usize) -> Vec<Metric> {
        let mut signalled = Metric::judged("removal, stop signal", "kill event written, to no longer picked");
        let mut died = Metric::judged("removal, process ended", "die event written, to no longer picked");
        let mut listed = Metric::told("start to table", "start event written, to in the table");
        let mut open =
            Metric::judged("addition, port was open", "start event written, to picked; its port accepts already");
        let mut late = Metric::judged("addition, port opens later", "port accepts, to picked; in the table already");
        let engine = self.engine;
        let mut id = engine.id(CHANGING);
        for n in 0..samples {
            let mut server = self.plane.watched("web", &id);
            until("ready before", || server.is_ready());
            self.jitter.nap(40, 70);
            if n % 2 == 0 {
                self.remove(&mut server, &mut signalled, || engine.kill(CHANGING, 15));
                self.jitter.nap(1, 12);
                engine.die(CHANGING, 0);
            } else {
                self.remove(&mut server, &mut died, || engine.die(CHANGING, 1));
            }
            engine.emit(CHANGING, "stop");
            if n % 2 != 0 {
                // One that ends again and again without having been told to is kept out for a while: the next is another.
                engine.remove(CHANGING);
                id = engine.create(spec("web", REPLICAS, CHANGING_AT, self.port.number));
                server = self.plane.watched("web", &id);
            }
            self.jitter.nap(60, 100);
            let inspects = self.inspects_of(&id);
            if n % 4 < 2 {
                let start = Moment::now();
                engine.start(CHANGING);
                let seen = until("listed", || server.is_listed());
                listed.add(seen.now.at - start.at, seen);
                let seen = until("ready, port open", || server.is_ready());
                open.add(seen.now.at - start.at, seen);
            } else {
                self.port.close();
                engine.start(CHANGING);
                until("listed", || server.is_listed());
                self.jitter.nap(20, 200);
                assert!(!server.is_ready(), "its port is closed");
                let start = Moment::now();
                self.port.open();
                let seen = until("ready, port late", || server.is_ready());
                late.add(seen.now.at - start.at, seen);
            }
            assert!(server.is_picked(), "it is ready, so it is picked");
            self.count(&id, inspects);
            if n % 10 == 0 {
                self.counted(&id, || engine.rename(CHANGING, &format!("{CHANGING}-renamed")));
                self.counted(&id, || engine.rename(&id, CHANGING));
            }
        }
        vec![signalled, died, open, late, listed]
    }

    fn remove(&self, server: &mut Watched, metric: &mut Metric, event: impl FnOnce()) {
        let start = Moment::now();
        event();
        let seen = until("removed", || !server.is_ready());
        assert!(!server.is_picked(), "it is not ready, so it is not picked");
        metric.add(seen.now.at - start.at, seen);
    }

    /// A whole service comes and goes at once, as when it is scaled.
    fn bursts(&mut self, ids: &[String], samples: usize) -> Vec<Metric> {
        let mut added =
            Metric::burst("addition, five at once", "first start event written, to all five picked; ports open");
        let mut removed =
            Metric::burst("removal, five at once", "first kill event written, to none of the five picked");
        for _ in 0..samples {
            let mut servers: Vec<Watched> = ids.iter().map(|id| self.plane.watched("burst", id)).collect();
            self.jitter.nap(40, 70);
            let start = Moment::now();
            ids.iter().for_each(|id| self.engine.start(id));
            let seen = until("all ready", || servers.iter_mut().all(Watched::is_ready));
            added.add(seen.now.at - start.at, seen);
            self.jitter.nap(40, 70);
            let start = Moment::now();
            ids.iter().for_each(|id| self.engine.kill(id, 15));
            let seen = until("all removed", || servers.iter_mut().all(|s| !s.is_ready()));
            removed.add(seen.now.at - start.at, seen);
            self.jitter.nap(1, 12);
            ids.iter().for_each(|id| self.engine.die(id, 0));
        }
        vec![added, removed]
    }

    /// Something happens; counts the inspects that it costs.
    fn counted(&mut self, id: &str, event: impl FnOnce()) {
        let before = self.inspects_of(id);
        event();
        self.count(id, before);
    }

    /// Waits until nothing more is asked, then counts.
    fn count(&mut self, id: &str, (inspects, lists): (u64, u64)) {
        self.jitter.nap(50, 60);
        let now = self.inspects_of(id);
        // A reconcile inspects everything, for another reason.
        if now.1 == lists {
            self.inspects.push(now.0 - inspects);
        }
    }

    fn inspects_of(&self, id: &str) -> (u64, u64) {
        let calls = self.engine.calls();
        let number = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
        (number(calls.inspects_of(id)), number(calls.of(Call::List)))
    }
}

fn spec(service: &str, number: usize, address: Ipv4Addr, port: u16) -> Spec {
    Spec::new(&format!("bench-{service}-{number}"))
        .compose("bench", service, number)
        .label(LABEL.0, LABEL.1)
        .label("traefik.enable", "true")
        .label(&format!("traefik.http.routers.{service}.rule"), &format!("Host(`{service}.test`)"))
        .label(&format!("traefik.http.services.{service}.loadbalancer.server.port"), &port.to_string())
        .at(NETWORK, address)
        .port(port)
}

/// A port on every loopback address; returns its number.
fn accept_for_ever() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)).expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    std::thread::spawn(move || while listener.accept().is_ok() {});
    port
}

/// The changing server's port, which opens and closes.
struct Port {
    number: u16,
    listener: Option<TcpListener>,
}

impl Port {
    fn new() -> Self {
        let listener = TcpListener::bind((CHANGING_AT, 0)).expect("a free port");
        let number = listener.local_addr().expect("an address").port();
        Self { number, listener: Some(listener) }
    }

    fn close(&mut self) {
        self.listener = None;
    }

    fn open(&mut self) {
        self.listener = Some(TcpListener::bind(SocketAddrV4::new(CHANGING_AT, self.number)).expect("the same port"));
    }
}
