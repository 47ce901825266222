//! What exchanges are counted for.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::cells::{Cells, Slot, place, tally};
use super::exchange::{Exchange, Key, Measured, Sticky, nanoseconds};
use super::headers::{BEYOND, HeaderValues};

/// Most combinations of status, method and protocol that one subject has of its own in one worker. A server that
/// answers with every number there is gets its further ones counted by class.
const MOST_KEYS: usize = 256;

/// Most series of a subject with values of headers, before status and values are told no more.
const MOST_HEADED: usize = 2000;

/// What a subject is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// An entry point.
    EntryPoint,
    /// A router.
    Router,
    /// A service.
    Service,
}

/// Who a subject is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Identity {
    pub(super) kind: Kind,
    /// Its qualified name.
    pub(super) name: Box<str>,
    /// Of a router: its service's qualified name.
    pub(super) service: Box<str>,
}

/// What all workers' subjects of one identity share.
#[derive(Debug)]
pub(super) struct Label {
    pub(super) identity: Identity,
    forgotten: AtomicBool,
}

impl Label {
    pub(super) fn new(identity: Identity) -> Self {
        Self { identity, forgotten: AtomicBool::new(false) }
    }

    /// It is not to be told of any more.
    pub(super) fn forget(&self) {
        self.forgotten.store(true, Ordering::Release);
    }

    pub(super) fn is_forgotten(&self) -> bool {
        self.forgotten.load(Ordering::Acquire)
    }
}

/// An entry point, a router or a service, as one worker counts it.
#[derive(Debug)]
pub struct Subject {
    pub(super) label: Arc<Label>,
    number: usize,
    /// Exchanges are counted by it.
    pub(super) counts: bool,
    /// The series that was counted in last: mostly the next one too.
    last: Cell<usize>,
    series: RefCell<Vec<(Key, Arc<Cells>)>>,
    /// Of a service: what Seaway decided. Of an entry point: its connections.
    pub(super) own: Option<Arc<Cells>>,
    reasons: RefCell<Vec<Arc<Cells>>>,
    headed: RefCell<HashMap<(Key, HeaderValues), Arc<Cells>>>,
}

impl Subject {
    pub(super) fn new(label: Arc<Label>, number: usize, counts: bool, own: Option<Arc<Cells>>) -> Self {
        Self {
            label,
            number,
            counts,
            last: Cell::new(0),
            series: RefCell::default(),
            own,
            reasons: RefCell::default(),
            headed: RefCell::default(),
        }
    }

    /// An entry point's number among those of its worker, in the order in which they were asked for.
    pub fn number(&self) -> usize {
        self.number
    }

    /// Counts an exchange. `make` is called for what is new.
    #[inline]
    pub(super) fn count(&self, measured: &Measured, make: impl Fn(Slot) -> Arc<Cells>) {
        if let Ok(series) = self.series.try_borrow()
            && let Some((known, cells)) = series.get(self.last.get())
            && *known == measured.key
        {
            return add(cells, measured);
        }
        if self.counts {
            self.seldom(measured, make);
        }
    }

    /// Another series than last time.
    #[inline(never)]
    fn seldom(&self, measured: &Measured, make: impl Fn(Slot) -> Arc<Cells>) {
        let Ok(mut series) = self.series.try_borrow_mut() else { return };
        let find = |series: &[(Key, Arc<Cells>)], key| series.iter().position(|(known, _)| *known == key);
        let mut key = measured.key;
        let mut at = find(&series, key);
        if at.is_none() && series.len() >= MOST_KEYS {
            key = key.class();
            at = find(&series, key);
        }
        let at = at.unwrap_or_else(|| {
            series.push((key, make(Slot::Exchanges(key))));
            series.len() - 1
        });
        self.last.set(at);
        if let Some((_, cells)) = series.get(at) {
            add(cells, measured);
        }
    }

    /// Counts what Seaway decided for a service's request.
    #[inline]
    pub(super) fn decided(&self, exchange: &Exchange) {
        let Some(cells) = &self.own else { return };
        if exchange.sticky != Sticky::None {
            cells.add(tally::STICKY + exchange.sticky as usize - 1, 1);
        }
        if exchange.attempts > 1 {
            cells.add(tally::RETRIES, u64::from(exchange.attempts) - 1);
        }
        if exchange.lost {
            cells.add(tally::LOST, 1);
        }
        if !exchange.held.is_zero() {
            cells.add(tally::HELD, 1);
            cells.add(tally::HELD_NANOSECONDS, nanoseconds(exchange.held));
        }
    }

    /// Counts a request with the values of its headers. There are at most [`MOST_HEADED`] series, and one more for each
    /// status, method and protocol.
    pub(super) fn headed(&self, key: Key, values: HeaderValues, make: impl Fn(Slot) -> Arc<Cells>) {
        let Ok(mut headed) = self.headed.try_borrow_mut() else { return };
        let is_new = !headed.contains_key(&(key, values));
        let (key, values) = if is_new && headed.len() >= MOST_HEADED { (key.class(), BEYOND) } else { (key, values) };
        headed.entry((key, values)).or_insert_with(|| make(Slot::Headed(key, values))).add(0, 1);
    }

    /// Counts one more for a reason. There are as many as the code has texts for.
    pub(super) fn reason(&self, slot: Slot, make: impl Fn(Slot) -> Arc<Cells>) {
        let Ok(mut reasons) = self.reasons.try_borrow_mut() else { return };
        let at = reasons.iter().position(|cells| cells.slot == slot).unwrap_or_else(|| {
            reasons.push(make(slot));
            reasons.len() - 1
        });
        if let Some(cells) = reasons.get(at) {
            cells.add(0, 1);
        }
    }
}

#[inline]
fn add(cells: &Cells, measured: &Measured) {
    cells.add(place::NANOSECONDS, measured.nanoseconds);
    cells.add(place::REQUEST_BYTES, measured.request_bytes);
    cells.add(place::RESPONSE_BYTES, measured.response_bytes);
    cells.add(place::BUCKETS + measured.bucket, 1);
}
