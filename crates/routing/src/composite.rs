//! Services that stand before others, and the way of a request through them to the one that has servers.

mod foresee;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use http::{HeaderValue, StatusCode};
use seaway_config::model::{Name, StickyCookie as Options};

use crate::balancer::strategy::{Key, highest};
use crate::balancer::{Asked, Turns};
use crate::sticky::LevelCookie;
use crate::{RoutingTable, Service};
pub use foresee::Turn;

/// Services may stand before one another so many times.
pub const MAX_DEPTH: usize = 16;

/// What a service does that has no servers of its own. Children are named, so that a table can be made from the one before
/// it without telling them of one another's places.
#[derive(Debug)]
pub enum Composite {
    /// Requests are shared by weight.
    Weighted(Weighted),
    /// Clients are shared by their address.
    Rendezvous(Box<[Child]>),
    /// One answers, others get copies.
    Mirroring(Mirroring),
    /// A second one answers while the first cannot.
    Failover(Failover),
}

/// One of several services.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Child {
    /// As the configuration has it: cookies and scores are made from this text.
    pub written: Box<str>,
    /// Which.
    pub name: Name,
    /// Its share.
    pub weight: u32,
}

/// Requests shared by weight.
#[derive(Debug)]
pub struct Weighted {
    children: Box<[Child]>,
    turns: Turns,
    sticky: Option<LevelCookie>,
}

/// Requests copied.
#[derive(Debug)]
pub struct Mirroring {
    main: Name,
    mirrors: Box<[Mirror]>,
    /// Copies have the body.
    with_body: bool,
    /// Longest body that is copied; none for no limit of the service's own.
    most: Option<u64>,
    counts: Arc<Counts>,
}

/// Who gets copies of how many of a hundred requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mirror {
    /// The service.
    pub name: Name,
    /// 0 to 100.
    pub percent: u8,
}

#[derive(Debug, Default)]
struct Counts {
    total: AtomicU64,
    mirrors: Box<[AtomicU64]>,
}

/// A second service for when the first cannot.
#[derive(Debug)]
pub struct Failover {
    /// Preferred.
    pub(crate) main: Name,
    /// The other one.
    pub(crate) fallback: Name,
    /// Answers of the first that the second is asked in place of.
    pub(crate) errors: Option<ErrorAnswers>,
}

/// Answers that are taken for failures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorAnswers {
    /// Ranges of statuses, both ends included.
    pub statuses: Box<[(u16, u16)]>,
    /// Longest request body; none for no limit of the service's own.
    pub most: Option<u64>,
}

impl ErrorAnswers {
    /// This one is.
    pub fn contains(&self, status: StatusCode) -> bool {
        self.statuses.iter().any(|(from, to)| (*from..=*to).contains(&status.as_u16()))
    }
}

/// The way of one request through services that stand before others.
#[derive(Debug, Default)]
pub struct Way {
    /// `Set-Cookie` values of services on the way, the outermost first.
    pub cookies: Vec<HeaderValue>,
    /// Services that get a copy.
    pub copies: Vec<Name>,
    /// Copies have the body, and how long it may be.
    pub copied_body: Option<Option<u64>>,
    /// The second choice, should the first answer like this.
    pub second: Option<(Name, ErrorAnswers)>,
    /// Neither a service nor the one that stands in for it has a server that takes requests.
    pub no_substitute: bool,
}

impl Weighted {
    pub(crate) fn new(
        children: Box<[Child]>,
        cookie: Option<&Options>,
        name: &Name,
        state: &crate::ServiceState,
        before: Option<&Service>,
    ) -> Self {
        let keys = |children: &[Child]| -> Vec<_> { children.iter().map(|c| (c.name.clone(), c.weight)).collect() };
        let before = match before.and_then(|before| before.composite.as_deref()) {
            Some(Composite::Weighted(before)) => Some((keys(&before.children), &before.turns)),
            _ => None,
        };
        let turns = Turns::new(&keys(&children), state, before.as_ref().map(|(keys, turns)| (&**keys, *turns)));
        let sticky = cookie.map(|cookie| LevelCookie::new(cookie, name, children.iter().map(|child| &*child.written)));
        Self { children, turns, sticky }
    }

    fn choose(&self, table: &RoutingTable, service: &Service, asked: &Asked<'_>, way: &mut Way) -> Option<&Name> {
        let up = |index: usize| self.children.get(index).is_some_and(|child| table.is_up(&child.name));
        let claimed = self.sticky.as_ref().and_then(|sticky| sticky.claim(asked.cookies));
        if let Some((index, legacy)) = claimed
            && up(index)
        {
            if let Some(sticky) = self.sticky.as_ref().filter(|_| legacy) {
                way.cookies.push(sticky.set_cookie(index).clone());
            }
            return Some(&self.children.get(index)?.name);
        }
        let clock = &service.state.virtual_time;
        // Where nobody has a server, somebody has to wait for one.
        let index = self.turns.next(clock, true, up).or_else(|| self.turns.next(clock, true, |_| true))?;
        if let Some(sticky) = &self.sticky {
            way.cookies.push(sticky.set_cookie(index).clone());
        }
        Some(&self.children.get(index)?.name)
    }
}

impl Mirroring {
    pub(crate) fn new(
        main: Name,
        mirrors: Box<[Mirror]>,
        with_body: bool,
        most: Option<u64>,
        before: Option<&Service>,
    ) -> Self {
        let counts = match before.and_then(|before| before.composite.as_deref()) {
            Some(Composite::Mirroring(before)) if before.mirrors == mirrors => Arc::clone(&before.counts),
            _ => Arc::new(Counts { total: AtomicU64::new(0), mirrors: mirrors.iter().map(|_| 0.into()).collect() }),
        };
        Self { main, mirrors, with_body, most, counts }
    }

    /// Adds who gets a copy of this request.
    fn copy(&self, way: &mut Way) {
        let total = self.counts.total.fetch_add(1, Ordering::Relaxed) + 1;
        for (mirror, count) in self.mirrors.iter().zip(&self.counts.mirrors) {
            let due = |count: u64| {
                (count.saturating_mul(100) < total.saturating_mul(u64::from(mirror.percent))).then_some(count + 1)
            };
            if count.try_update(Ordering::Relaxed, Ordering::Relaxed, due).is_ok() {
                way.copies.push(mirror.name.clone());
                way.copied_body = self.with_body.then_some(self.most);
            }
        }
    }
}

impl Composite {
    /// Every service that it may send requests to, copies included.
    pub fn children(&self) -> Vec<&Name> {
        match self {
            Self::Weighted(it) => it.children.iter().map(|child| &child.name).collect(),
            Self::Rendezvous(children) => children.iter().map(|child| &child.name).collect(),
            Self::Mirroring(it) => std::iter::once(&it.main).chain(it.mirrors.iter().map(|m| &m.name)).collect(),
            Self::Failover(it) => vec![&it.main, &it.fallback],
        }
    }

    /// Virtual time has to start anew.
    pub(crate) fn is_worn(&self, service: &Service) -> bool {
        matches!(self, Self::Weighted(it) if it.turns.is_worn(&service.state))
    }
}

impl RoutingTable {
    /// The place of a service.
    pub fn service_place(&self, name: &Name) -> Option<usize> {
        self.services.binary_search_by(|service| service.name.cmp(name)).ok()
    }

    /// The place of the service with servers that a request to the service at `place` goes to. What else is to be done
    /// on the way is put into `way`. None where all weights are zero, or the table is not whole.
    pub fn leaf(&self, place: usize, asked: &Asked<'_>, way: &mut Way) -> Option<usize> {
        let mut place = place;
        for _ in 0..=MAX_DEPTH {
            let service = self.services.get(place)?;
            let Some(composite) = &service.composite else { return Some(place) };
            let next = match &**composite {
                Composite::Weighted(weighted) => weighted.choose(self, service, asked, way)?,
                Composite::Rendezvous(children) => {
                    let key = Key::new(asked.client);
                    let scores = |all: bool| {
                        let usable = children.iter().enumerate();
                        let usable = usable.filter(move |(_, c)| c.weight > 0 && (all || self.is_up(&c.name)));
                        highest(usable.map(move |(index, child)| (index, key.score(&child.written, child.weight))))
                    };
                    &children.get(scores(false).or_else(|| scores(true))?)?.name
                }
                Composite::Mirroring(mirroring) => {
                    mirroring.copy(way);
                    &mirroring.main
                }
                Composite::Failover(failover) => {
                    let main = self.is_up(&failover.main);
                    if !main && self.is_up(&failover.fallback) {
                        &failover.fallback
                    } else {
                        way.no_substitute = !main;
                        if let Some(errors) = &failover.errors {
                            way.second = Some((failover.fallback.clone(), errors.clone()));
                        }
                        &failover.main
                    }
                }
            };
            place = self.service_place(next)?;
        }
        None
    }

    /// Some server takes requests for the service: one of its own, or of those that it stands before.
    pub fn is_up(&self, name: &Name) -> bool {
        self.service_place(name).is_some_and(|place| self.has_server(place, MAX_DEPTH))
    }

    fn has_server(&self, place: usize, depth: usize) -> bool {
        let Some(service) = self.services.get(place) else { return false };
        let Some(composite) = &service.composite else {
            return service.servers.iter().any(|server| server.weight > 0 && server.state.is_ready());
        };
        let up = |name: &Name| depth > 0 && self.service_place(name).is_some_and(|at| self.has_server(at, depth - 1));
        let any = |children: &[Child]| children.iter().any(|child| child.weight > 0 && up(&child.name));
        match &**composite {
            Composite::Weighted(it) => any(&it.children),
            Composite::Rendezvous(children) => any(children),
            Composite::Mirroring(it) => up(&it.main),
            Composite::Failover(it) => up(&it.main) || up(&it.fallback),
        }
    }
}

#[cfg(test)]
mod tests;
