//! Smooth weighted round robin: earliest deadline first, in virtual time.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::state::ServiceState;
use crate::table::{Server, Service};

use super::Tried;

/// Virtual time between two picks of a server of weight 1. Every weight up to 16 divides it, so that their shares are
/// exact.
const UNIT: u64 = 720_720;

/// Virtual time starts anew beyond this: some 6·10¹² picks.
const RESTART: u64 = 1 << 62;

/// Where each server stands. The server with the earliest deadline is next, ties go to the first; being picked moves
/// its deadline on by `UNIT / weight`. With weights 3 and 1 that gives A A A B.
#[derive(Debug, Default)]
pub struct Balancer {
    /// Shared with the table before where its servers were the same, so that picks made while tables change count.
    deadlines: Arc<[AtomicU64]>,
    /// `UNIT / weight`; 0 for a server that is never picked.
    strides: Box<[u64]>,
}

impl Balancer {
    /// Positions for these servers: that of the table before where they were in it, otherwise one turn from now, so
    /// that a new server gets its share and no burst.
    pub(crate) fn new(servers: &[Server], state: &ServiceState, previous: Option<&Service>) -> Self {
        let strides: Box<[_]> = servers.iter().map(|server| stride(server.weight)).collect();
        let mut now = state.virtual_time.load(Ordering::Relaxed);
        let previous = if now > RESTART {
            now = 0;
            state.virtual_time.store(0, Ordering::Relaxed);
            None
        } else {
            previous
        };
        let deadlines = match previous {
            Some(previous) if is_same(servers, &previous.servers) => Arc::clone(&previous.balancer.deadlines),
            _ => {
                let known: HashMap<_, _> = previous.map(positions).unwrap_or_default();
                let position = |(server, stride): (&Server, &u64)| {
                    let latest = now.saturating_add(*stride);
                    // A server that became heavier must not wait out its old turn.
                    AtomicU64::new(known.get(&server.state.id()).map_or(latest, |deadline| latest.min(*deadline)))
                };
                servers.iter().zip(&strides).map(position).collect()
            }
        };
        Self { deadlines, strides }
    }

    /// Virtual time has to start anew: see [`Self::new`].
    pub(crate) fn is_worn(&self, state: &ServiceState) -> bool {
        !self.strides.is_empty() && state.virtual_time.load(Ordering::Relaxed) > RESTART
    }

    /// Which one [`next`](Self::next) would give, if nobody else asked before. Nothing changes.
    pub(crate) fn peek(&self, service: &Service, takes: impl Fn(&Server) -> bool) -> Option<usize> {
        let places = service.servers.iter().zip(&self.strides).enumerate();
        let usable = places.filter(|(_, (server, stride))| **stride > 0 && takes(server));
        let deadline = |(index, _): (usize, _)| Some((index, self.deadlines.get(index)?.load(Ordering::Relaxed)));
        usable.filter_map(deadline).min_by_key(|(_, deadline)| *deadline).map(|(index, _)| index)
    }

    /// The next server of those that `takes` accepts and that have not been tried.
    pub(crate) fn next(&self, service: &Service, tried: &Tried, takes: impl Fn(&Server) -> bool) -> Option<usize> {
        let clock = &service.state.virtual_time;
        loop {
            let usable = |(_, (server, stride)): &(usize, (&Server, &u64))| {
                **stride > 0 && takes(server) && !tried.contains(server)
            };
            let (index, stride, cell, deadline) = service
                .servers
                .iter()
                .zip(&self.strides)
                .enumerate()
                .filter(usable)
                .filter_map(|(index, (_, stride))| {
                    let cell = self.deadlines.get(index)?;
                    Some((index, *stride, cell, cell.load(Ordering::Relaxed)))
                })
                .min_by_key(|(.., deadline)| *deadline)?;
            // A server that was away has an old deadline; it re-joins now and makes up for nothing.
            let now = clock.load(Ordering::Relaxed);
            let from = deadline.max(now);
            // Deadlines only grow, so one that has not changed since it was read is still the earliest.
            let swap =
                cell.compare_exchange_weak(deadline, from.saturating_add(stride), Ordering::Relaxed, Ordering::Relaxed);
            if swap.is_ok() {
                // A second attempt leaves out servers whose turn it is; time goes on without it.
                if tried.is_empty() && now < deadline {
                    clock.fetch_max(deadline, Ordering::Relaxed);
                }
                return Some(index);
            }
        }
    }
}

fn stride(weight: u32) -> u64 {
    match u64::from(weight) {
        0 => 0,
        weight => ((UNIT + weight / 2) / weight).max(1),
    }
}

fn positions(service: &Service) -> HashMap<u64, u64> {
    let deadlines = service.balancer.deadlines.iter().map(|deadline| deadline.load(Ordering::Relaxed));
    service.servers.iter().map(|server| server.state.id()).zip(deadlines).collect()
}

fn is_same(a: &[Server], b: &[Server]) -> bool {
    let key = |server: &Server| (server.state.id(), server.weight);
    a.iter().map(key).eq(b.iter().map(key))
}
