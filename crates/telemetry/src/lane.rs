//! One worker's way into the log.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

use crate::writer::{Batch, Counters, Message};
use crate::{Fields, Filters, Format, Record};

/// A buffer this full is worth handing over.
const FLUSH_AT: usize = 32 << 10;

/// While the writer is behind, a lane keeps lines up to here; what comes then is dropped and counted.
const FULL_AT: usize = 256 << 10;

/// Buffers that are on their way back to a lane at one time.
const SPARES: usize = 2;

/// One worker's own end of the log: formats records into a buffer and hands it over, without a lock and without waiting.
/// What is in it when it is dropped is handed over too.
#[derive(Debug)]
pub struct Lane {
    format: Format,
    filters: Filters,
    fields: Fields,
    buffer: RefCell<Vec<u8>>,
    lines: Cell<u64>,
    writer: SyncSender<Message>,
    counters: Arc<Counters>,
    spares: Receiver<Vec<u8>>,
    give_back: SyncSender<Vec<u8>>,
}

impl Lane {
    pub(crate) fn new(
        format: Format,
        filters: Filters,
        fields: Fields,
        writer: SyncSender<Message>,
        counters: Arc<Counters>,
    ) -> Self {
        let (give_back, spares) = sync_channel(SPARES);
        let (buffer, lines) = (RefCell::default(), Cell::new(0));
        Self { format, filters, fields, buffer, lines, writer, counters, spares, give_back }
    }

    /// What is written of each exchange.
    pub fn fields(&self) -> &Fields {
        &self.fields
    }

    /// Writes one record into the lane's buffer, unless a filter holds it back or the buffer is full.
    pub fn write(&self, record: &Record<'_>) {
        if !self.filters.allows(record) {
            return;
        }
        match self.buffer.try_borrow_mut() {
            Ok(mut buffer) if buffer.len() < FULL_AT => {
                self.format.write(record, &self.fields, &mut buffer);
                self.lines.set(self.lines.get() + 1);
            }
            _ => self.counters.drop_lines(1),
        }
    }

    /// The buffer is worth handing over now, without waiting for the next tick.
    pub fn needs_flush(&self) -> bool {
        self.buffer.try_borrow().is_ok_and(|buffer| buffer.len() >= FLUSH_AT)
    }

    /// Hands the buffer over to the writer. When the writer is behind, the lines stay here until the next call.
    pub fn flush(&self) {
        let Ok(mut buffer) = self.buffer.try_borrow_mut() else { return };
        if buffer.is_empty() {
            return;
        }
        let spare = self.spares.try_recv().ok().filter(|spare| spare.capacity() <= FULL_AT).unwrap_or_default();
        let bytes = std::mem::replace(&mut *buffer, spare);
        let lines = self.lines.replace(0);
        let batch = Batch { bytes, lines, give_back: self.give_back.clone() };
        match self.writer.try_send(Message::Batch(batch)) {
            Ok(()) => {}
            Err(TrySendError::Full(Message::Batch(batch))) => {
                *buffer = batch.bytes;
                self.lines.set(batch.lines);
            }
            // The writer has stopped.
            Err(_) => self.counters.drop_lines(lines),
        }
    }

    #[cfg(test)]
    pub(crate) fn holds_a_spare(&self) -> bool {
        self.spares.try_recv().is_ok_and(|spare| spare.capacity() > 0)
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        self.flush();
        self.counters.drop_lines(self.lines.get());
    }
}
