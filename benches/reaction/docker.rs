//! Against a real Docker Engine on this machine, with containers of our own, which are removed at the end.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::observe::{Jitter, Moment, Priority, Seen, until};
use crate::plane::{LABEL, Plane, Watched};
use crate::report::{Metric, Run};

const IMAGE: &str = "seaway-demo-app:local";
const NETWORK: &str = "seaway-bench-reaction";
/// Of the block that RFC 2544 sets aside for measurements.
const SUBNET: &str = "198.18.93.0/24";
const REPLICAS: usize = 5;
/// How long the slow starter waits before it opens its port.
const START_DELAY_MILLIS: u64 = 80;

/// Measures with so many containers; says why it cannot.
pub(crate) fn measure(containers: usize, samples: usize) -> Result<Run, String> {
    let engine = Engine::find()?;
    let version = engine.version()?;
    println!("\nStarting {containers} containers on a real Docker Engine; this takes a while …");
    let stage = Stage::set(&engine, containers.clamp(2, 250))?;
    let events = engine.follow()?;
    let plane = Plane::start(&format!("unix://{}", engine.path));
    plane.wait_for_ready(stage.running);
    let mut scene = Scene { engine: &engine, plane: &plane, events, jitter: Jitter::new() };
    let priority = Priority::raise();
    let metrics = scene.run(&stage, samples);
    drop(priority);
    Ok(Run::new(format!("Docker Engine {version}"), stage.running, metrics))
}

struct Scene<'s> {
    engine: &'s Engine,
    plane: &'s Plane,
    events: Receiver<Event>,
    jitter: Jitter,
}

impl Scene<'_> {
    fn run(&mut self, stage: &Stage<'_>, samples: usize) -> Vec<Metric> {
        let mut signalled = Metric::judged("removal, docker stop", "kill event's stamp, to no longer picked");
        let mut died = Metric::judged("removal, process killed", "die event's stamp, to no longer picked");
        let mut open = Metric::judged(
            "addition, at start event",
            "the later of start event's stamp and port accepts, to picked; the application listens at once",
        );
        let mut strict = Metric::told(
            "addition, from accept",
            "the application's first log line's stamp, to picked; the start event may come later than that",
        );
        let mut late = Metric::judged("addition, port opens later", "port accepts, to picked; 80 ms after its start");
        let mut delay = Metric::told("engine's own delay", "the event's stamp, to the event read here");
        for n in 0..samples {
            let who = if n % 2 == 0 { &stage.quick } else { &stage.slow };
            let mut server = self.plane.watched("web", &who.id);
            until("ready before", || server.is_ready());
            self.jitter.nap(40, 70);
            while self.events.try_recv().is_ok() {}
            // One that ends again and again without having been told to is kept out for a while: once for each of the two.
            if n % 4 < 2 || n >= 4 {
                let (event, seen) = self.remove(&who.id, "kill", &mut server, |engine| engine.stop(&who.id));
                signalled.add(seen.now.since(event.nanos), seen);
                delay.add(event.read.since(event.nanos), seen);
            } else if let Some(pid) = self.engine.pid(&who.id) {
                let (event, seen) = self.remove(&who.id, "die", &mut server, |_| end_process(pid));
                died.add(seen.now.since(event.nanos), seen);
            } else {
                self.engine.stop(&who.id);
            }
            self.jitter.nap(60, 120);
            std::thread::scope(|threads| {
                threads.spawn(|| self.engine.start(&who.id));
                // Nothing may be sent to its address before it has one: the kernel would ask for it once a second.
                let event = wait_for(&self.events, &who.id, "start");
                if n % 2 == 0 {
                    let seen = until("ready", || server.is_ready());
                    let listens = self.engine.listens_since(&who.id, event.nanos);
                    open.add(seen.now.since(listens.map_or(event.nanos, |at| at.max(event.nanos))), seen);
                    if let Some(listens) = listens {
                        strict.add(seen.now.since(listens), seen);
                    }
                } else {
                    let address = SocketAddr::from((who.address, 80));
                    let accepts = threads.spawn(move || accepts(address));
                    let seen = until("ready", || server.is_ready());
                    late.add(seen.now.at.saturating_duration_since(accepts.join().expect("a moment")), seen);
                }
            });
            assert!(server.is_picked(), "it is ready, so it is picked");
        }
        vec![signalled, died, open, strict, late, delay]
    }

    /// Does something that the engine tells by this event; returns the event, and when the server was out.
    fn remove(&self, id: &str, action: &str, server: &mut Watched, end: impl FnOnce(&Engine) + Send) -> (Event, Seen) {
        std::thread::scope(|threads| {
            threads.spawn(|| end(self.engine));
            let seen = until("removed", || !server.is_ready());
            assert!(!server.is_picked(), "it is not ready, so it is not picked");
            (wait_for(&self.events, id, action), seen)
        })
    }
}

/// The first moment at which a port is known to accept: asked in a tight loop, so it is true to a fraction of a
/// millisecond.
fn accepts(address: SocketAddr) -> Instant {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let asked = Instant::now();
        if TcpStream::connect_timeout(&address, Duration::from_millis(500)).is_ok() {
            return asked;
        }
        assert!(asked < deadline, "{address} does not accept");
        crate::observe::nap(Duration::from_micros(70));
    }
}

fn end_process(pid: i64) {
    let done = Command::new("kill").args(["-KILL", &pid.to_string()]).status();
    assert!(done.is_ok_and(|d| d.success()), "the process of our own container can be killed");
}

fn wait_for(events: &Receiver<Event>, id: &str, action: &str) -> Event {
    loop {
        let event = events.recv_timeout(Duration::from_secs(20)).expect("an event within 20 s");
        if event.id == id && event.action == action {
            return event;
        }
    }
}

/// The containers, removed when this is dropped.
struct Stage<'e> {
    engine: &'e Engine,
    quick: Changing,
    slow: Changing,
    running: usize,
}

/// A container that comes and goes.
struct Changing {
    id: String,
    address: Ipv4Addr,
}

impl<'e> Stage<'e> {
    fn set(engine: &'e Engine, containers: usize) -> Result<Self, String> {
        engine.clear();
        let network = json!({
            "Name": NETWORK, "CheckDuplicate": true, "IPAM": { "Config": [{ "Subnet": SUBNET }] },
            "Labels": { LABEL.0: LABEL.1 },
        });
        engine.done("POST", "/networks/create", &network.to_string())?;
        // From here on there is something to be removed.
        let none = || Changing { id: String::new(), address: Ipv4Addr::UNSPECIFIED };
        let mut stage = Self { engine, quick: none(), slow: none(), running: containers };
        let changing = |last: u8, delay: u64| {
            let address = Ipv4Addr::new(198, 18, 93, last);
            let id = engine.run("web", usize::from(last), Some(address), delay)?;
            Ok::<_, String>(Changing { id, address })
        };
        stage.quick = changing(201, 0)?;
        stage.slow = changing(202, START_DELAY_MILLIS)?;
        let idle: Vec<usize> = (0..containers.saturating_sub(2)).collect();
        std::thread::scope(|threads| {
            let halves = idle.chunks(idle.len().div_ceil(2).max(1));
            let started = halves.map(|half| {
                threads.spawn(move || {
                    half.iter().try_for_each(|n| {
                        let service = if *n < REPLICAS - 2 { "web".to_owned() } else { format!("app{}", n / REPLICAS) };
                        engine.run(&service, *n, None, 0).map(drop)
                    })
                })
            });
            started.collect::<Vec<_>>().into_iter().try_for_each(|thread| thread.join().expect("no panic"))
        })?;
        Ok(stage)
    }
}

impl Drop for Stage<'_> {
    fn drop(&mut self) {
        self.engine.clear();
    }
}

/// An event, and when it was read.
struct Event {
    id: String,
    action: String,
    /// By the engine's clock, which is ours.
    nanos: u64,
    read: Moment,
}

/// As much of a client as is needed to make and end containers. HTTP/1.0, so that an answer ends with its connection.
struct Engine {
    path: String,
}

impl Engine {
    fn find() -> Result<Self, String> {
        let host = std::env::var("DOCKER_HOST").unwrap_or_else(|_| "unix:///var/run/docker.sock".to_owned());
        let path = host.strip_prefix("unix://").ok_or("DOCKER_HOST is not on this machine")?;
        let engine = Self { path: path.to_owned() };
        engine.done("GET", "/_ping", "")?;
        if engine.done("GET", &format!("/images/{IMAGE}/json"), "").is_err() {
            return Err(format!("there is no image {IMAGE}; make image builds it"));
        }
        Ok(engine)
    }

    fn version(&self) -> Result<String, String> {
        Ok(self.json("GET", "/version", "")?["Version"].as_str().unwrap_or_default().to_owned())
    }

    /// Creates and starts a container; returns its id.
    fn run(&self, service: &str, number: usize, address: Option<Ipv4Addr>, delay: u64) -> Result<String, String> {
        let rule = format!("Host(`{service}.test`)");
        let container = json!({
            "Image": IMAGE,
            "Env": [format!("START_DELAY_MS={delay}")],
            "Healthcheck": { "Test": ["NONE"] },
            "Labels": {
                LABEL.0: LABEL.1,
                "com.docker.compose.project": "seaway-bench",
                "com.docker.compose.service": service,
                "com.docker.compose.container-number": number.to_string(),
                "traefik.enable": "true",
                format!("traefik.http.routers.bench-{service}.rule"): rule,
                format!("traefik.http.routers.bench-{service}.service"): service,
                format!("traefik.http.services.{service}.loadbalancer.server.port"): "80",
            },
            "HostConfig": { "NetworkMode": NETWORK },
            "NetworkingConfig": { "EndpointsConfig": { NETWORK: {
                "IPAMConfig": address.map(|ip| json!({ "IPv4Address": ip.to_string() })),
            } } },
        });
        let path = format!("/containers/create?name=seaway-bench-{service}-{number}");
        let created = self.json("POST", &path, &container.to_string())?;
        let id = created["Id"].as_str().ok_or("no id")?.to_owned();
        self.done("POST", &format!("/containers/{id}/start"), "")?;
        Ok(id)
    }

    fn start(&self, id: &str) {
        self.done("POST", &format!("/containers/{id}/start"), "").expect("started");
    }

    fn stop(&self, id: &str) {
        self.done("POST", &format!("/containers/{id}/stop?t=10"), "").expect("stopped");
    }

    /// The container's first process, where it can be seen from here.
    fn pid(&self, id: &str) -> Option<i64> {
        let pid = self.json("GET", &format!("/containers/{id}/json"), "").ok()?["State"]["Pid"].as_i64()?;
        let line = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).ok()?;
        line.contains("seaway-demo-app").then_some(pid)
    }

    /// The engine's stamp on the last line in which the application said that it listens, if it is of this start. The
    /// line is written right after, so this is at most a fraction of a millisecond late.
    fn listens_since(&self, id: &str, start: u64) -> Option<u64> {
        let path = format!("/containers/{id}/logs?stdout=1&timestamps=1&tail=20");
        let (_, log) = self.call("GET", &path, "").ok()?;
        let log = String::from_utf8_lossy(&log).into_owned();
        let line = log.lines().rfind(|l| l.contains("listens on port"))?;
        // Eight bytes of framing come before each line.
        let stamp = line.split(' ').next()?;
        let stamp = stamp.get(stamp.find("20")?..)?;
        let nanos = OffsetDateTime::parse(stamp, &Rfc3339).ok()?.unix_timestamp_nanos();
        u64::try_from(nanos).ok().filter(|at| at + 1_000_000_000 > start)
    }

    /// Removes whatever a measurement made, this one or one that was interrupted.
    fn clear(&self) {
        let filter = format!("%7B%22label%22%3A%5B%22{}%3D{}%22%5D%7D", LABEL.0, LABEL.1);
        let listed = self.json("GET", &format!("/containers/json?all=1&filters={filter}"), "").unwrap_or_default();
        for container in listed.as_array().into_iter().flatten() {
            let id = container["Id"].as_str().unwrap_or_default();
            if let Err(error) = self.done("DELETE", &format!("/containers/{id}?force=1"), "") {
                eprintln!("reaction: a container is left: {error}");
            }
        }
        let listed = self.json("GET", &format!("/networks?filters={filter}"), "").unwrap_or_default();
        for network in listed.as_array().into_iter().flatten() {
            let id = network["Id"].as_str().unwrap_or_default();
            if let Err(error) = self.done("DELETE", &format!("/networks/{id}"), "") {
                eprintln!("reaction: a network is left: {error}");
            }
        }
    }

    /// Every event of our containers from now on.
    fn follow(&self) -> Result<Receiver<Event>, String> {
        let filter = format!("%7B%22label%22%3A%5B%22{}%3D{}%22%5D%7D", LABEL.0, LABEL.1);
        let mut stream = self.send("GET", &format!("/events?filters={filter}"), "")?;
        let (sender, receiver) = channel();
        std::thread::spawn(move || {
            let (mut rest, mut buffer) = (Vec::new(), [0; 16 * 1024]);
            while let Ok(count @ 1..) = stream.read(&mut buffer) {
                let read = Moment::now();
                rest.extend_from_slice(buffer.get(..count).unwrap_or_default());
                while let Some(end) = rest.iter().position(|b| *b == b'\n') {
                    let line: Vec<u8> = rest.drain(..=end).collect();
                    // What is no JSON is the response's head.
                    let Ok(event) = serde_json::from_slice::<Value>(&line) else { continue };
                    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
                    let nanos = event["timeNano"].as_u64().unwrap_or_default();
                    let event = Event { id: text(&event["id"]), action: text(&event["Action"]), nanos, read };
                    if sender.send(event).is_err() {
                        return;
                    }
                }
            }
        });
        Ok(receiver)
    }

    fn json(&self, method: &str, path: &str, body: &str) -> Result<Value, String> {
        let (status, answer) = self.call(method, path, body)?;
        if status >= 400 {
            return Err(format!("{method} {path}: {status} {}", String::from_utf8_lossy(&answer).trim()));
        }
        serde_json::from_slice(&answer).map_err(|e| format!("{method} {path}: {e}"))
    }

    fn done(&self, method: &str, path: &str, body: &str) -> Result<(), String> {
        match self.call(method, path, body)? {
            (status, answer) if status >= 400 => {
                Err(format!("{method} {path}: {status} {}", String::from_utf8_lossy(&answer).trim()))
            }
            _ => Ok(()),
        }
    }

    fn call(&self, method: &str, path: &str, body: &str) -> Result<(u16, Vec<u8>), String> {
        let mut answer = Vec::new();
        self.send(method, path, body)?.read_to_end(&mut answer).map_err(|e| format!("{method} {path}: {e}"))?;
        let end = answer.windows(4).position(|w| w == b"\r\n\r\n").ok_or("no answer")?;
        let body = answer.split_off(end + 4);
        let head = String::from_utf8_lossy(&answer);
        let status = head.split(' ').nth(1).and_then(|s| s.parse().ok()).ok_or("no status")?;
        Ok((status, body))
    }

    fn send(&self, method: &str, path: &str, body: &str) -> Result<UnixStream, String> {
        let mut stream = UnixStream::connect(&self.path).map_err(|e| format!("{}: {e}", self.path))?;
        let head = format!(
            "{method} {path} HTTP/1.0\r\nHost: docker\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(&[head.as_bytes(), body.as_bytes()].concat()).map_err(|e| format!("{}: {e}", self.path))?;
        Ok(stream)
    }
}
