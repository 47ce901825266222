//! What one instance remembers: sessions, orders, counts. All of it in memory, on purpose.

use std::collections::HashMap;
use std::fs::File;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::Write;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::Options;

/// Beyond these the instance refuses rather than grow without end.
const MOST_SESSIONS: usize = 10_000;
const MOST_ORDERS: usize = 1_000_000;

/// One running instance.
pub(crate) struct App {
    pub(crate) options: Options,
    pub(crate) counter: AtomicU64,
    stopping: AtomicBool,
    sessions: Mutex<HashMap<String, Session>>,
    orders: Mutex<HashMap<String, u64>>,
    orders_file: Option<Mutex<File>>,
}

/// Somebody's session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Session {
    /// Who logged in, if anybody did.
    pub(crate) user: Option<String>,
    /// How many requests carried this session.
    pub(crate) visits: u64,
}

/// Why something could not be remembered.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Full;

impl App {
    pub(crate) fn new(options: Options) -> Self {
        let orders_file =
            options.orders_file.as_ref().and_then(|path| match File::options().create(true).append(true).open(path) {
                Ok(file) => Some(Mutex::new(file)),
                Err(error) => {
                    eprintln!("{}: cannot open the orders file {}: {error}", options.name, path.display());
                    None
                }
            });
        Self {
            options,
            counter: AtomicU64::new(0),
            stopping: AtomicBool::new(false),
            sessions: Mutex::default(),
            orders: Mutex::default(),
            orders_file,
        }
    }

    pub(crate) fn begin_stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// Opens a session and gives its id.
    pub(crate) fn open_session(&self, user: Option<String>) -> Result<String, Full> {
        let mut sessions = lock(&self.sessions);
        if sessions.len() >= MOST_SESSIONS {
            return Err(Full);
        }
        let id = session_id();
        sessions.insert(id.clone(), Session { user, visits: 0 });
        Ok(id)
    }

    /// Counts a visit in the session called `id`; none when this replica does not know it.
    pub(crate) fn visit(&self, id: &str) -> Option<Session> {
        let mut sessions = lock(&self.sessions);
        let session = sessions.get_mut(id)?;
        session.visits += 1;
        Some(session.clone())
    }

    /// Notes who logged in; false when this replica does not know the session.
    pub(crate) fn log_in(&self, id: &str, user: &str) -> bool {
        let mut sessions = lock(&self.sessions);
        let Some(session) = sessions.get_mut(id) else { return false };
        session.user = Some(user.to_owned());
        true
    }

    /// Forgets a session; false when this replica did not know it.
    pub(crate) fn log_out(&self, id: &str) -> bool {
        lock(&self.sessions).remove(id).is_some()
    }

    /// Notes an order and says how often this replica has seen its id, this time included.
    pub(crate) fn order(&self, id: &str) -> Result<u64, Full> {
        let mut orders = lock(&self.orders);
        if orders.len() >= MOST_ORDERS && !orders.contains_key(id) {
            return Err(Full);
        }
        if let Some(file) = &self.orders_file {
            let line = format!("{} {id}\n", self.options.name);
            // One write of one line in append mode: lines of several replicas do not mix.
            if let Err(error) = lock(file).write_all(line.as_bytes()) {
                eprintln!("{}: order {id} is not in the orders file: {error}", self.options.name);
            }
        }
        let seen = orders.entry(id.to_owned()).or_insert(0);
        *seen += 1;
        Ok(*seen)
    }

    /// Every order id that this replica has seen, and how often.
    pub(crate) fn orders(&self) -> Vec<(String, u64)> {
        let mut all: Vec<_> = lock(&self.orders).iter().map(|(id, seen)| (id.clone(), *seen)).collect();
        all.sort();
        all
    }
}

/// A request that panicked while it held a lock leaves a map that is still a map.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// 128 bits that nobody meets twice by chance. Good enough for a demo, whose sessions protect nothing.
fn session_id() -> String {
    let half = || RandomState::new().build_hasher().finish();
    format!("{:016x}{:016x}", half(), half())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_known_until_it_is_logged_out() {
        let app = App::new(Options::new("a"));
        let id = app.open_session(Some("anna".to_owned())).unwrap();
        assert_eq!(app.visit(&id), Some(Session { user: Some("anna".to_owned()), visits: 1 }));
        assert_eq!(app.visit(&id).unwrap().visits, 2);
        assert!(app.log_out(&id));
        assert_eq!(app.visit(&id), None);
        assert!(!app.log_out(&id));
        assert!(!app.log_in(&id, "anna"));
    }

    #[test]
    fn sessions_have_different_ids_and_an_end() {
        let app = App::new(Options::new("a"));
        let ids: std::collections::HashSet<_> = (0..MOST_SESSIONS).map(|_| app.open_session(None).unwrap()).collect();
        assert_eq!(ids.len(), MOST_SESSIONS);
        assert_eq!(app.open_session(None), Err(Full));
    }

    #[test]
    fn orders_are_counted_per_id() {
        let app = App::new(Options::new("a"));
        assert_eq!(app.order("x"), Ok(1));
        assert_eq!(app.order("y"), Ok(1));
        assert_eq!(app.order("x"), Ok(2));
        assert_eq!(app.orders(), [("x".to_owned(), 2), ("y".to_owned(), 1)]);
    }
}
