//! Smooth weighted round robin: earliest deadline first, in virtual time.

use std::collections::HashMap;
use std::hash::Hash;
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

/// Where each server stands.
#[derive(Debug, Default)]
pub struct Balancer {
    turns: Turns,
}

impl Balancer {
    /// Positions for these servers: that of the table before where they were in it, otherwise one turn from now, so
    /// that a new server gets its share and no burst.
    pub(crate) fn new(servers: &[Server], state: &ServiceState, previous: Option<&Service>) -> Self {
        let keys = |servers: &[Server]| servers.iter().map(|server| (server.state.id(), server.weight)).collect();
        let (keys, before): (Vec<_>, Vec<_>) = (keys(servers), previous.map_or_else(Vec::new, |p| keys(&p.servers)));
        Self { turns: Turns::new(&keys, state, previous.map(|previous| (&*before, &previous.balancer.turns))) }
    }

    /// Virtual time has to start anew: see [`Self::new`].
    pub(crate) fn is_worn(&self, state: &ServiceState) -> bool {
        self.turns.is_worn(state)
    }

    /// Which one [`next`](Self::next) would give, if nobody else asked before. Nothing changes.
    pub(crate) fn peek(&self, service: &Service, takes: impl Fn(&Server) -> bool) -> Option<usize> {
        self.turns.peek(|index| service.servers.get(index).is_some_and(&takes))
    }

    /// The next server of those that `takes` accepts and that have not been tried.
    pub(crate) fn next(&self, service: &Service, tried: &Tried, takes: impl Fn(&Server) -> bool) -> Option<usize> {
        let takes = |index| service.servers.get(index).is_some_and(|server| takes(server) && !tried.contains(server));
        // A second attempt leaves out servers whose turn it is; time goes on without it.
        self.turns.next(&service.state.virtual_time, tried.is_empty(), takes)
    }
}

/// Whose turn it is, among anything that has a weight. The one with the earliest deadline is next, ties go to the first;
/// being picked moves its deadline on by `UNIT / weight`. With weights 3 and 1 that gives A A A B.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    /// Shared with the table before where they were for the same, so that picks made while tables change count.
    deadlines: Arc<[AtomicU64]>,
    /// `UNIT / weight`; 0 for one that is never picked.
    strides: Box<[u64]>,
}

impl Turns {
    /// Positions for what has these identities and weights; `previous` are those of the table before.
    pub(crate) fn new<K: Eq + Hash>(
        keys: &[(K, u32)],
        state: &ServiceState,
        previous: Option<(&[(K, u32)], &Self)>,
    ) -> Self {
        let strides: Box<[_]> = keys.iter().map(|(_, weight)| stride(*weight)).collect();
        let mut now = state.virtual_time.load(Ordering::Relaxed);
        let previous = if now > RESTART {
            now = 0;
            state.virtual_time.store(0, Ordering::Relaxed);
            None
        } else {
            previous
        };
        let deadlines = match previous {
            Some((before, turns)) if before == keys => Arc::clone(&turns.deadlines),
            _ => {
                let known: HashMap<&K, u64> =
                    previous.map(|(before, turns)| turns.positions(before)).unwrap_or_default();
                let position = |((key, _), stride): (&(K, u32), &u64)| {
                    let latest = now.saturating_add(*stride);
                    // One that became heavier must not wait out its old turn.
                    AtomicU64::new(known.get(key).map_or(latest, |deadline| latest.min(*deadline)))
                };
                keys.iter().zip(&strides).map(position).collect()
            }
        };
        Self { deadlines, strides }
    }

    /// Virtual time has to start anew: see [`Self::new`].
    pub(crate) fn is_worn(&self, state: &ServiceState) -> bool {
        !self.strides.is_empty() && state.virtual_time.load(Ordering::Relaxed) > RESTART
    }

    /// The next one of those that `takes` accepts, by place. Time goes on with it if `on`.
    pub(crate) fn next(&self, clock: &AtomicU64, on: bool, takes: impl Fn(usize) -> bool) -> Option<usize> {
        loop {
            let (index, stride, cell, deadline) = self
                .strides
                .iter()
                .zip(&*self.deadlines)
                .enumerate()
                .filter(|(index, (stride, _))| **stride > 0 && takes(*index))
                .map(|(index, (stride, cell))| (index, *stride, cell, cell.load(Ordering::Relaxed)))
                .min_by_key(|(.., deadline)| *deadline)?;
            // One that was away has an old deadline; it re-joins now and makes up for nothing.
            let now = clock.load(Ordering::Relaxed);
            let from = deadline.max(now);
            // Deadlines only grow, so one that has not changed since it was read is still the earliest.
            let swap =
                cell.compare_exchange_weak(deadline, from.saturating_add(stride), Ordering::Relaxed, Ordering::Relaxed);
            if swap.is_ok() {
                if on && now < deadline {
                    clock.fetch_max(deadline, Ordering::Relaxed);
                }
                return Some(index);
            }
        }
    }

    /// Which one [`next`](Self::next) would give. Nothing changes.
    pub(crate) fn peek(&self, takes: impl Fn(usize) -> bool) -> Option<usize> {
        let usable = self.strides.iter().zip(&*self.deadlines).enumerate();
        let usable = usable.filter(|(index, (stride, _))| **stride > 0 && takes(*index));
        usable.min_by_key(|(_, (_, deadline))| deadline.load(Ordering::Relaxed)).map(|(index, _)| index)
    }

    fn positions<'k, K: Eq + Hash>(&self, keys: &'k [(K, u32)]) -> HashMap<&'k K, u64> {
        let deadlines = self.deadlines.iter().map(|deadline| deadline.load(Ordering::Relaxed));
        keys.iter().map(|(key, _)| key).zip(deadlines).collect()
    }
}

fn stride(weight: u32) -> u64 {
    match u64::from(weight) {
        0 => 0,
        weight => ((UNIT + weight / 2) / weight).max(1),
    }
}
