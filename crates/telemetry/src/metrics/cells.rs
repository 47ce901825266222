//! Counters that one worker writes and a scrape reads.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::exchange::Key;
use super::headers::HeaderValues;
use super::subject::Label;

/// Counters in one line.
const WIDTH: usize = 16;

/// Two cache lines, which processors fetch in pairs, that nobody else's counters share.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Line([AtomicU64; WIDTH]);

/// What a group of counters counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Slot {
    /// Exchanges of one status, method and protocol: nanoseconds, bytes of requests, bytes of responses, and the
    /// buckets, that beyond all bounds last.
    Exchanges(Key),
    /// Requests of one status, method and protocol with these values of headers.
    Headed(Key, HeaderValues),
    /// What Seaway decided for a service's requests: see [`tally`].
    Tally,
    /// Connections: opened, closed.
    Connections,
    /// Answers of Seaway's own, for this reason.
    OwnAnswer(&'static str),
    /// Requests that no router took, for this reason.
    Unrouted(&'static str),
    /// Responses that did not reach their end, for this reason.
    Broken(&'static str),
}

/// Places in the cells of [`Slot::Exchanges`].
pub(super) mod place {
    pub(in crate::metrics) const NANOSECONDS: usize = 0;
    pub(in crate::metrics) const REQUEST_BYTES: usize = 1;
    pub(in crate::metrics) const RESPONSE_BYTES: usize = 2;
    pub(in crate::metrics) const BUCKETS: usize = 3;
}

/// Places in the cells of [`Slot::Tally`].
pub(super) mod tally {
    pub(in crate::metrics) const RETRIES: usize = 0;
    pub(in crate::metrics) const LOST: usize = 1;
    pub(in crate::metrics) const HELD: usize = 2;
    pub(in crate::metrics) const HELD_NANOSECONDS: usize = 3;
    /// One for each of [`Sticky::ALL`](super::super::Sticky::ALL).
    pub(in crate::metrics) const STICKY: usize = 4;
    pub(in crate::metrics) const COUNT: usize = STICKY + super::super::Sticky::ALL.len();
}

/// A group of counters.
#[derive(Debug)]
pub(super) struct Cells {
    /// Whose they are.
    pub(super) label: Arc<Label>,
    /// What they count.
    pub(super) slot: Slot,
    first: Line,
    more: Box<[Line]>,
}

impl Cells {
    pub(super) fn new(label: &Arc<Label>, slot: Slot, count: usize) -> Arc<Self> {
        let more = (1..count.div_ceil(WIDTH)).map(|_| Line::default()).collect();
        Arc::new(Self { label: Arc::clone(label), slot, first: Line::default(), more })
    }

    /// Adds to one counter. Only the worker that owns them may: nobody else's write can come in between, so this needs
    /// none of the instructions that keep other cores waiting.
    #[inline]
    pub(super) fn add(&self, place: usize, amount: u64) {
        if let Some(cell) = self.cell(place) {
            cell.store(cell.load(Ordering::Relaxed).wrapping_add(amount), Ordering::Relaxed);
        }
    }

    pub(super) fn get(&self, place: usize) -> u64 {
        self.cell(place).map_or(0, |cell| cell.load(Ordering::Relaxed))
    }

    #[inline]
    fn cell(&self, place: usize) -> Option<&AtomicU64> {
        match self.first.0.get(place) {
            None => self.more.get(place / WIDTH - 1)?.0.get(place % WIDTH),
            near => near,
        }
    }
}
