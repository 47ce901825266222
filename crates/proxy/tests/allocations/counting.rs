//! An allocator that remembers who asked.

// An allocator cannot be written without it. It hands every call on to the system's, unchanged.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::backtrace::Backtrace;
use std::cell::Cell;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

static ON: AtomicBool = AtomicBool::new(false);
static FOUND: Mutex<Vec<Backtrace>> = Mutex::new(Vec::new());
static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

thread_local! {
    /// What this thread is: asked once, as asking allocates.
    static IS_WORKER: Cell<Option<bool>> = const { Cell::new(None) };
    static BUSY: Cell<bool> = const { Cell::new(false) };
}

/// One test of this program at a time: there is one allocator.
pub(crate) async fn alone() -> tokio::sync::MutexGuard<'static, ()> {
    ALONE.lock().await
}

/// The system's allocator, watched.
pub(crate) struct Counting;

impl Counting {
    /// From now on the allocations of workers are remembered.
    pub(crate) fn start() {
        FOUND.lock().unwrap_or_else(PoisonError::into_inner).clear();
        ON.store(true, Ordering::SeqCst);
    }

    /// What they were.
    pub(crate) fn stop() -> Vec<Allocation> {
        ON.store(false, Ordering::SeqCst);
        let found = std::mem::take(&mut *FOUND.lock().unwrap_or_else(PoisonError::into_inner));
        found.iter().map(Allocation::new).collect()
    }

    fn note(&self) {
        if !ON.load(Ordering::Relaxed) || BUSY.try_with(|busy| busy.replace(true)).unwrap_or(true) {
            return;
        }
        let is_worker = IS_WORKER.get().unwrap_or_else(|| {
            let is = std::thread::current().name().is_some_and(|name| name.starts_with("worker-"));
            IS_WORKER.set(Some(is));
            is
        });
        if is_worker {
            FOUND.lock().unwrap_or_else(PoisonError::into_inner).push(Backtrace::force_capture());
        }
        BUSY.set(false);
    }
}

// SAFETY: every call goes to the system's allocator with the arguments that it came with.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        self.note();
        // SAFETY: as promised by the caller.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        self.note();
        // SAFETY: as promised by the caller.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        self.note();
        // SAFETY: as promised by the caller.
        unsafe { System.realloc(memory, layout, size) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: as promised by the caller.
        unsafe { System.dealloc(memory, layout) }
    }
}

/// One allocation: the functions that led to it, from the allocator outwards.
pub(crate) struct Allocation {
    calls: Vec<String>,
}

impl Allocation {
    fn new(trace: &Backtrace) -> Self {
        // Lines look like `  12: path::of::the::function`; lines with places begin with `at`.
        let trace = trace.to_string();
        let calls = trace.lines().filter_map(|line| {
            let (number, name) = line.trim().split_once(": ")?;
            number.parse::<u32>().ok()?;
            Some(name.to_owned())
        });
        Self { calls: calls.collect() }
    }

    /// The nearest calls, down to the first of Seaway's.
    pub(crate) fn place(&self) -> String {
        let ours = |name: &String| name.trim_start_matches('<').starts_with("seaway_");
        let last = self.calls.iter().position(ours).map_or(self.calls.len(), |at| at + 1);
        let noise = ["alloc::", "<alloc::", "core::", "<core::", "__rust", "std::", "allocations::counting"];
        let worth = |name: &&String| !noise.iter().any(|n| name.starts_with(n) || name.starts_with(&format!("<{n}")));
        self.calls.iter().take(last + 2).filter(worth).cloned().collect::<Vec<_>>().join(" < ")
    }
}
