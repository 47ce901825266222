//! Which middlewares of a chain have let an exchange pass, and what each keeps of it.

use std::cell::RefCell;
use std::sync::Arc;

use seaway_middleware::{Memory, Middleware, Outcome};

type Kept = Vec<(usize, Memory)>;

/// Emptied lists of memories that a thread keeps for the next exchange.
const SPARES: usize = 64;

thread_local! {
    static SPARE: RefCell<Vec<Kept>> = const { RefCell::new(Vec::new()) };
}

/// What an exchange owes to the middlewares of its route.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    passed: usize,
    /// One of them wants to be told of the end.
    owes: bool,
    kept: Kept,
    /// The chain of a tunnel, which pins no table.
    owned: Option<Box<[Arc<Middleware>]>>,
}

impl Ledger {
    /// The middleware at that place has let the exchange pass.
    pub(crate) fn pass(&mut self, at: usize, middleware: &Middleware) {
        self.passed = at + 1;
        self.owes |= middleware.settles();
    }

    /// Somebody has to be told of the end.
    pub(crate) fn owes(&self) -> bool {
        self.owes && self.passed > 0
    }

    /// What the middleware at that place keeps; to be put back.
    pub(crate) fn take(&mut self, at: usize) -> Memory {
        match self.kept.iter().position(|(place, _)| *place == at) {
            Some(found) => self.kept.swap_remove(found).1,
            None => Memory::Nothing,
        }
    }

    /// What the middleware at that place keeps from now on.
    pub(crate) fn put(&mut self, at: usize, memory: Memory) {
        if memory.is_empty() {
            return;
        }
        if self.kept.capacity() == 0 {
            self.kept = SPARE.with_borrow_mut(Vec::pop).unwrap_or_default();
        }
        self.kept.push((at, memory));
    }

    /// Tells the middlewares from that place inwards of the end, the innermost first. They count as not passed afterwards.
    pub(crate) fn settle(&mut self, chain: &[Arc<Middleware>], from: usize, outcome: &Outcome) {
        while self.passed > from {
            self.passed -= 1;
            let mut memory = self.take(self.passed);
            if let Some(middleware) = chain.get(self.passed).filter(|_| self.owes) {
                middleware.on_end(&mut memory, outcome);
            }
        }
    }

    /// Keeps those that are owed something, for an exchange that lets go of its table.
    pub(crate) fn own(&mut self, chain: &[Arc<Middleware>]) {
        if self.owes() && self.owned.is_none() {
            self.owned = Some(chain.get(..self.passed).unwrap_or_default().into());
        }
    }

    /// The chain, where it is its own.
    pub(crate) fn owned(&mut self) -> Option<Box<[Arc<Middleware>]>> {
        self.owned.take()
    }
}

impl Drop for Ledger {
    fn drop(&mut self) {
        if self.kept.capacity() > 0 {
            let mut kept = std::mem::take(&mut self.kept);
            kept.clear();
            SPARE.with_borrow_mut(|spare| {
                if spare.len() < SPARES {
                    spare.push(kept);
                }
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memories_are_by_place() {
        let mut ledger = Ledger::default();
        ledger.put(3, Memory::Number(3));
        ledger.put(1, Memory::Number(1));
        ledger.put(2, Memory::Nothing);
        assert_eq!(ledger.take(1).number(), Some(1));
        assert!(ledger.take(1).is_empty() && ledger.take(2).is_empty());
        assert_eq!(ledger.take(3).number(), Some(3));
    }

    #[test]
    fn lists_are_used_again() {
        let mut ledger = Ledger::default();
        ledger.put(0, Memory::Number(7));
        let place = ledger.kept.as_ptr();
        drop(ledger);
        let mut ledger = Ledger::default();
        assert!(ledger.take(0).is_empty());
        ledger.put(5, Memory::Number(8));
        assert_eq!((ledger.kept.as_ptr(), ledger.take(5).number()), (place, Some(8)));
    }
}
