//! Whether a test against the engine runs, and which ones run beside one another.

use std::io::Write;
use std::sync::{Once, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::cli;

/// Tests that measure have the machine for themselves; the others may run beside one another.
static MACHINE: RwLock<()> = RwLock::new(());

/// How a test uses the machine.
#[derive(Clone, Copy, Debug)]
pub(super) enum Use {
    /// Other tests may run meanwhile.
    Shared,
    /// Nothing else runs meanwhile.
    Alone,
}

/// Held while a test runs.
#[derive(Debug)]
pub(super) enum Engine {
    Shared { _held: RwLockReadGuard<'static, ()> },
    Alone { _held: RwLockWriteGuard<'static, ()> },
}

/// Waits for its turn; nothing where no engine is to be used, and then says so past the test runner's capture, in the form
/// that `.ci/run` counts: `SKIPPED <test>: <reason>`.
pub(super) fn enter(here: &str, wanted: Use) -> Option<Engine> {
    if std::env::var("SEAWAY_DOCKER_TESTS").as_deref() != Ok("1") {
        let test = here.trim_start_matches("seaway::").trim_end_matches("::here");
        let line =
            format!("SKIPPED {test}: SEAWAY_DOCKER_TESTS is not 1; make test sets it where an engine can be had\n");
        std::io::stderr().lock().write_all(line.as_bytes()).expect("stderr takes a line");
        return None;
    }
    let held = match wanted {
        Use::Shared => Engine::Shared { _held: MACHINE.read().unwrap_or_else(PoisonError::into_inner) },
        Use::Alone => Engine::Alone { _held: MACHINE.write().unwrap_or_else(PoisonError::into_inner) },
    };
    static BEFORE: Once = Once::new();
    BEFORE.call_once(cli::remove_leftovers);
    Some(held)
}

/// `engine!(Shared)` or `engine!(Alone)` at the beginning of a test: the test ends here where there is no engine.
macro_rules! engine {
    ($wanted:ident) => {{
        fn here() {}
        let here = std::any::type_name_of_val(&here);
        match $crate::docker::engine::enter(here, $crate::docker::engine::Use::$wanted) {
            Some(engine) => engine,
            None => return,
        }
    }};
}
pub(super) use engine;
