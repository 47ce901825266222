//! The containers and networks of the fake engine, and the events that their changes make.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Instant;

use serde_json::{Value, json};

use super::Spec;

/// A real engine replays no more.
const HISTORY: usize = 256;

#[derive(Debug)]
pub(super) struct World {
    pub(super) containers: BTreeMap<String, Container>,
    networks: BTreeMap<String, Network>,
    pub(super) history: VecDeque<Event>,
    /// Not handed to the streams yet.
    pub(super) fresh: Vec<Event>,
    began: Instant,
    last: u64,
    created: u64,
}

#[derive(Clone, Debug)]
pub(super) struct Event {
    pub(super) kind: &'static str,
    pub(super) action: String,
    pub(super) nanos: u64,
    pub(super) json: Vec<u8>,
}

#[derive(Debug)]
pub(super) struct Container {
    pub(super) id: String,
    pub(super) spec: Spec,
    pub(super) created: u64,
    pub(super) started: u64,
    pub(super) running: bool,
    pub(super) paused: bool,
    pub(super) exit_code: u8,
    /// Network name to address; the address is only there while it runs.
    pub(super) attached: BTreeMap<String, Option<Ipv4Addr>>,
}

#[derive(Debug)]
struct Network {
    id: String,
    number: u8,
    used: BTreeSet<Ipv4Addr>,
}

impl Default for World {
    fn default() -> Self {
        Self {
            containers: BTreeMap::new(),
            networks: BTreeMap::new(),
            history: VecDeque::new(),
            fresh: Vec::new(),
            began: Instant::now(),
            last: 0,
            created: 0,
        }
    }
}

impl World {
    pub(super) fn id(&self, container: &str) -> String {
        let found = self.containers.values().find(|c| c.id == container || c.spec.name == container);
        found.map_or_else(|| panic!("no container {container}"), |c| c.id.clone())
    }

    pub(super) fn address(&self, container: &str, network: &str) -> Option<Ipv4Addr> {
        self.containers.get(&self.id(container))?.attached.get(network).copied().flatten()
    }

    pub(super) fn network_id(&mut self, network: &str) -> String {
        self.network(network).id.clone()
    }

    pub(super) fn forget_history(&mut self) {
        self.history.clear();
    }

    pub(super) fn create(&mut self, spec: Spec) -> String {
        self.created += 1;
        let id = format!("{:064x}", u128::from(self.created).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835));
        let networks = match (&spec.network_mode, spec.networks.is_empty()) {
            (Some(_), _) => Vec::new(),
            (None, true) => vec!["bridge".to_owned()],
            (None, false) => spec.networks.iter().map(|(name, _)| name.clone()).collect(),
        };
        let created = self.now();
        let container = Container {
            id: id.clone(),
            spec,
            created,
            started: 0,
            running: false,
            paused: false,
            exit_code: 0,
            attached: networks.into_iter().map(|n| (n, None)).collect(),
        };
        self.containers.insert(id.clone(), container);
        self.emit(&id, "create");
        id
    }

    pub(super) fn start(&mut self, container: &str) {
        let id = self.id(container);
        for network in self.get(&id).attached.keys().cloned().collect::<Vec<_>>() {
            self.attach(&id, &network);
        }
        let now = self.now();
        let container = self.get_mut(&id);
        (container.running, container.paused, container.started) = (true, false, now);
        if container.spec.health.is_some() {
            container.spec.health = Some("starting");
        }
        self.emit(&id, "start");
    }

    pub(super) fn kill(&mut self, container: &str, signal: u8) {
        self.event(container, "kill", &[("signal", &signal.to_string())]);
    }

    pub(super) fn die(&mut self, container: &str, exit_code: u8) {
        let id = self.id(container);
        let container = self.get_mut(&id);
        (container.running, container.paused, container.exit_code) = (false, false, exit_code);
        self.event(&id, "die", &[("exitCode", &exit_code.to_string())]);
        for network in self.get(&id).attached.keys().cloned().collect::<Vec<_>>() {
            self.detach(&id, &network);
            self.get_mut(&id).attached.insert(network, None);
        }
    }

    pub(super) fn stop(&mut self, container: &str) {
        let id = self.id(container);
        let signal = self.get(&id).spec.stop_signal.clone();
        let number = match signal.as_deref() {
            None | Some("SIGTERM") => 15,
            Some("SIGQUIT") => 3,
            Some("SIGINT") => 2,
            Some(other) => other.parse().unwrap_or_else(|_| panic!("the fake engine does not know signal {other}")),
        };
        self.kill(&id, number);
        if self.get(&id).paused {
            self.pause(&id, false);
        }
        self.die(&id, 0);
        self.emit(&id, "stop");
    }

    pub(super) fn pause(&mut self, container: &str, paused: bool) {
        let id = self.id(container);
        self.get_mut(&id).paused = paused;
        self.emit(&id, if paused { "pause" } else { "unpause" });
    }

    pub(super) fn rename(&mut self, container: &str, name: &str) {
        let id = self.id(container);
        let old = std::mem::replace(&mut self.get_mut(&id).spec.name, name.to_owned());
        self.event(&id, "rename", &[("oldName", &old)]);
    }

    pub(super) fn health(&mut self, container: &str, status: &'static str) {
        let id = self.id(container);
        self.get_mut(&id).spec.health = Some(status);
        self.emit(&id, &format!("health_status: {status}"));
    }

    pub(super) fn connect(&mut self, container: &str, network: &str) -> IpAddr {
        let id = self.id(container);
        IpAddr::V4(self.attach(&id, network))
    }

    pub(super) fn disconnect(&mut self, container: &str, network: &str) {
        let id = self.id(container);
        self.detach(&id, network);
    }

    pub(super) fn remove(&mut self, container: &str) {
        let id = self.id(container);
        if self.get(&id).running {
            self.kill(&id, 9);
            self.die(&id, 137);
        }
        self.emit(&id, "destroy");
        self.containers.remove(&id);
    }

    pub(super) fn emit(&mut self, container: &str, action: &str) {
        self.event(container, action, &[]);
    }

    fn attach(&mut self, id: &str, network: &str) -> Ipv4Addr {
        let wanted = self.get(id).spec.networks.iter().find(|(n, _)| n == network).and_then(|(_, ip)| *ip);
        let place = self.network(network);
        let number = place.number;
        let mut free = (2..=u16::MAX).map(|n| {
            let [high, low] = n.to_be_bytes();
            Ipv4Addr::new(10, number, high, low)
        });
        let address = wanted.or_else(|| free.find(|ip| !place.used.contains(ip))).expect("a free address");
        place.used.insert(address);
        self.get_mut(id).attached.insert(network.to_owned(), Some(address));
        self.network_event(id, network, "connect");
        address
    }

    fn detach(&mut self, id: &str, network: &str) {
        if let Some(Some(address)) = self.get_mut(id).attached.remove(network) {
            self.network(network).used.remove(&address);
            self.network_event(id, network, "disconnect");
        }
    }

    fn network(&mut self, name: &str) -> &mut Network {
        let number = u8::try_from(self.networks.len() + 1).expect("fewer than 255 networks");
        self.networks.entry(name.to_owned()).or_insert_with(|| Network {
            id: format!("{:064x}", u128::from(number).wrapping_mul(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef)),
            number,
            used: BTreeSet::new(),
        })
    }

    fn get(&self, id: &str) -> &Container {
        self.containers.get(id).unwrap_or_else(|| panic!("no container {id}"))
    }

    fn get_mut(&mut self, id: &str) -> &mut Container {
        self.containers.get_mut(id).unwrap_or_else(|| panic!("no container {id}"))
    }

    /// The engine's own clock: not the test's, always going on.
    fn now(&mut self) -> u64 {
        let elapsed = u64::try_from(self.began.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.last = (1_700_000_000_000_000_000 + elapsed).max(self.last + 1);
        self.last
    }

    fn event(&mut self, container: &str, action: &str, more: &[(&str, &str)]) {
        let id = self.id(container);
        let spec = &self.get(&id).spec;
        let mut attributes: BTreeMap<String, Value> = more.iter().map(|(k, v)| ((*k).to_owned(), json!(v))).collect();
        attributes.extend(spec.labels.iter().map(|(k, v)| (k.clone(), json!(v))));
        attributes.insert("image".to_owned(), json!(spec.image));
        attributes.insert("name".to_owned(), json!(spec.name));
        let event = json!({
            "status": action, "id": id, "from": spec.image, "Type": "container", "Action": action,
            "Actor": { "ID": id, "Attributes": attributes }, "scope": "local",
        });
        self.push("container", action, event);
    }

    fn network_event(&mut self, id: &str, network: &str, action: &str) {
        let network_id = self.network_id(network);
        let event = json!({
            "Type": "network", "Action": action, "scope": "local",
            "Actor": { "ID": network_id, "Attributes": { "container": id, "name": network, "type": "bridge" } },
        });
        self.push("network", action, event);
    }

    fn push(&mut self, kind: &'static str, action: &str, mut event: Value) {
        let nanos = self.now();
        event["time"] = json!(nanos / 1_000_000_000);
        event["timeNano"] = json!(nanos);
        let mut json = event.to_string().into_bytes();
        json.push(b'\n');
        self.fresh.push(Event { kind, action: action.to_owned(), nanos, json });
    }

    /// Takes the events that are not told yet into the history.
    pub(super) fn settle(&mut self, remember: bool) -> Vec<Event> {
        let fresh = std::mem::take(&mut self.fresh);
        if remember {
            self.history.extend(fresh.iter().cloned());
            while self.history.len() > HISTORY {
                self.history.pop_front();
            }
        }
        fresh
    }
}
