//! The way that a request would take through services that stand before others. Nothing changes by looking.

use seaway_config::model::Name;

use crate::RoutingTable;
use crate::balancer::Asked;
use crate::balancer::strategy::{Key, highest};

use super::{Child, Composite, MAX_DEPTH};

/// A service on the way, and which one it hands the request to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turn {
    /// The service.
    pub service: Name,
    /// What it does, as the API calls it: `weighted`, `mirroring`, `failover`, `highestrandomweight`.
    pub kind: &'static str,
    /// Who gets the request.
    pub to: Name,
    /// Why, in a sentence.
    pub why: String,
}

impl Composite {
    /// What it does, as the API calls it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Weighted(_) => "weighted",
            Self::Rendezvous(_) => "highestrandomweight",
            Self::Mirroring(_) => "mirroring",
            Self::Failover(_) => "failover",
        }
    }
}

impl RoutingTable {
    /// The turns that [`leaf`](Self::leaf) would take from the service at `place`, and where it would end.
    pub fn foresee(&self, place: usize, asked: &Asked<'_>) -> (Vec<Turn>, Option<usize>) {
        let mut turns = Vec::new();
        let mut place = place;
        for _ in 0..=MAX_DEPTH {
            let Some(service) = self.services.get(place) else { return (turns, None) };
            let Some(composite) = &service.composite else { return (turns, Some(place)) };
            let Some((to, why)) = self.turn(composite, asked) else { return (turns, None) };
            turns.push(Turn { service: service.name.clone(), kind: composite.kind(), to: to.clone(), why });
            let Some(next) = self.service_place(to) else { return (turns, None) };
            place = next;
        }
        (turns, None)
    }

    fn turn<'c>(&self, composite: &'c Composite, asked: &Asked<'_>) -> Option<(&'c Name, String)> {
        let up = |name: &Name| self.is_up(name);
        match composite {
            Composite::Weighted(it) => {
                let child = |index: usize| it.children.get(index);
                let is_up = |index: usize| child(index).is_some_and(|child| up(&child.name));
                let claimed = it.sticky.as_ref().and_then(|sticky| sticky.claim(asked.cookies));
                if let Some((index, _)) = claimed.filter(|(index, _)| is_up(*index)) {
                    return Some((&child(index)?.name, "the client's cookie names it".to_owned()));
                }
                let total: u32 = it.children.iter().map(|child| child.weight).sum();
                let (index, why) = match it.turns.peek(is_up) {
                    Some(index) => (index, "it is next in turn"),
                    None => (it.turns.peek(|_| true)?, "none has a server that takes requests, and it is next in turn"),
                };
                let child = child(index)?;
                Some((&child.name, format!("{why}, with {} of {total} shares", child.weight)))
            }
            Composite::Rendezvous(children) => {
                let key = Key::new(asked.client);
                let best = |all: bool| {
                    let usable = |child: &Child| child.weight > 0 && (all || up(&child.name));
                    let usable = children.iter().enumerate().filter(|(_, child)| usable(child));
                    highest(usable.map(|(index, child)| (index, key.score(&child.written, child.weight))))
                };
                let index = best(false).or_else(|| best(true))?;
                Some((&children.get(index)?.name, "the client's address gives it the highest score".to_owned()))
            }
            Composite::Mirroring(it) => {
                let mirrors: Vec<String> = it.mirrors.iter().map(|m| format!("{} {} %", m.name, m.percent)).collect();
                Some((&it.main, format!("it answers; copies go to {}", mirrors.join(", "))))
            }
            Composite::Failover(it) if !up(&it.main) && up(&it.fallback) => {
                Some((&it.fallback, format!("{} has no server that takes requests", it.main)))
            }
            Composite::Failover(it) => Some((&it.main, "it comes first, and has servers or nobody has".to_owned())),
        }
    }
}
