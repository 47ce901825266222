//! Room for bodies that are kept in memory, shared by all workers: whoever asks for too much gets none.

use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes of kept bodies at one time, over all exchanges.
const ALL: u64 = 512 << 20;

static TAKEN: AtomicU64 = AtomicU64::new(0);

/// A part of the room; given back when dropped.
#[derive(Debug, Default)]
pub(crate) struct Room(u64);

impl Room {
    /// Makes it so many bytes at least, a good deal more so that this is not asked for each piece. False if there is no
    /// room for them.
    pub(crate) fn grow(&mut self, bytes: u64) -> bool {
        if bytes <= self.0 {
            return true;
        }
        let more = bytes.saturating_sub(self.0).max(self.0).max(64 << 10);
        let taken = TAKEN.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |taken| {
            taken.checked_add(more).filter(|taken| *taken <= ALL)
        });
        if taken.is_ok() {
            self.0 += more;
        }
        taken.is_ok()
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        if self.0 > 0 {
            TAKEN.fetch_sub(self.0, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_only_so_much_and_it_is_given_back() {
        let mut first = Room::default();
        assert!(first.grow(1));
        assert!(!Room::default().grow(ALL), "a part is taken");
        assert!(first.grow(60_000), "it has that already");
        drop(first);
        let mut all = Room::default();
        assert!(all.grow(ALL / 2));
        assert!(!Room::default().grow(ALL / 2 + 1));
    }
}
