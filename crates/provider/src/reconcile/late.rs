//! Servers whose port does not accept for so long that the port is likely to be the wrong one. Pure; time is injected.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use seaway_config::{Code, Diagnostic};
use seaway_routing::state::flag;
use seaway_routing::{Millis, RoutingTable, ServerState};

/// Longer than most applications need to start.
const PATIENCE: Duration = Duration::from_secs(30);

/// Who is waited for, by the state's number, and since when.
#[derive(Debug, Default)]
pub(super) struct Late(HashMap<u64, Waiting>);

#[derive(Debug)]
struct Waiting {
    state: Arc<ServerState>,
    since: Millis,
    told: bool,
}

impl Late {
    /// Takes note of who is waited for in this table, and says who is late.
    pub(super) fn look(&mut self, table: &RoutingTable, now: Millis) -> Vec<Diagnostic> {
        let mut before = std::mem::take(&mut self.0);
        let mut found = Vec::new();
        for service in table.services.iter() {
            for server in service.servers.iter().filter(|server| is_waited_for(&server.state)) {
                let id = server.state.id();
                let (state, told) = (Arc::clone(&server.state), false);
                let mut waiting = before.remove(&id).unwrap_or(Waiting { state, since: now, told });
                if now.since(waiting.since) >= PATIENCE {
                    waiting.told = true;
                    let declared = table.config.services.get(&service.name);
                    let mut servers = declared.into_iter().flat_map(|declared| &declared.value.servers);
                    let known = servers.find(|known| known.identity == *server.state.identity());
                    found.extend(known.map(|known| {
                        let port = known.identity.address.rsplit(':').next().unwrap_or_default();
                        let what =
                            format!("its port {port} has not accepted a connection for {} s", PATIENCE.as_secs());
                        let consequence = format!("server {} gets no requests until it does", known.name);
                        let fix = format!("traefik.http.services.{}.loadbalancer.server.port=…", service.name.local);
                        Diagnostic::warning(Code::NotReady, known.origin.clone(), what, consequence).fix(fix)
                    }));
                }
                self.0.insert(id, waiting);
            }
        }
        found
    }

    /// When somebody will be late.
    pub(super) fn next(&self) -> Option<Millis> {
        let patience = u64::try_from(PATIENCE.as_millis()).unwrap_or(u64::MAX);
        let untold = self.0.values().filter(|waiting| !waiting.told && is_waited_for(&waiting.state));
        untold.map(|waiting| Millis(waiting.since.0.saturating_add(patience))).min()
    }

    /// Somebody who was told as late is so no more.
    pub(super) fn is_over(&self) -> bool {
        self.0.values().any(|waiting| waiting.told && !is_waited_for(&waiting.state))
    }
}

fn is_waited_for(state: &ServerState) -> bool {
    let others = flag::GONE | flag::TERMINATING | flag::PAUSED | flag::UNREACHABLE;
    state.flags() & flag::UNPROBED != 0 && state.flags() & others == 0
}
