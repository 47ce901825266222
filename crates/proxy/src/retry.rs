//! Which requests may be sent once more, and how many of them.

use std::sync::Arc;
use std::time::Duration;

use http::Method;
use seaway_routing::state::flag;
use seaway_routing::{Millis, ServerState};
use tokio::sync::watch;

/// True for methods whose repetition means the same as one request (RFC 9110 §9.2.2).
pub(crate) fn is_idempotent(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS | Method::PUT | Method::DELETE | Method::TRACE)
}

/// How long the engine's word for a signal is waited for: it comes some milliseconds after the process got it, and a good
/// deal later on a busy machine.
const EXPLANATION: Duration = Duration::from_millis(250);

/// The servers that broke off with one and the same request in their hands.
///
/// That may happen once for no known reason; what breaks twice may be the request's own doing. A server that the engine told
/// to end has its reason, so a service most of whose servers end at once costs no request that may be repeated.
#[derive(Debug, Default)]
pub(crate) struct Broke {
    states: Vec<Arc<ServerState>>,
    /// How many of them were asked about when nobody else was left.
    asked: usize,
}

impl Broke {
    /// How often that happened without the server having been told to end, as far as is known now.
    pub(crate) fn unexplained(&self) -> usize {
        self.states.iter().filter(|state| state.flags() & flag::TERMINATING == 0).count()
    }

    /// One more; whether the request may go to another server. `changed` wakes up when the engine has said something.
    pub(crate) async fn may_repeat(&mut self, state: &Arc<ServerState>, changed: watch::Receiver<u64>) -> bool {
        self.states.push(Arc::clone(state));
        heard(changed, || self.unexplained() <= 1).await
    }

    /// Nobody else is left to send the request to: whether a server that broke off, and that still passes for ready, turns
    /// out not to be. Asked once for each.
    pub(crate) async fn are_gone(&mut self, changed: watch::Receiver<u64>) -> bool {
        let news = self.states.len() > self.asked;
        self.asked = self.states.len();
        news && heard(changed, || self.states.iter().all(|state| !state.is_ready())).await
    }
}

/// Whether `what` comes true before an explanation is overdue.
async fn heard(mut changed: watch::Receiver<u64>, what: impl Fn() -> bool) -> bool {
    let waiting = async {
        while !what() {
            if changed.changed().await.is_err() {
                return;
            }
        }
    };
    // Too late or never: the last look says which.
    let _in_time = tokio::time::timeout(EXPLANATION, waiting).await;
    what()
}

/// Bounds repetitions to a share of the requests, so that a failing service is not hit harder for failing.
///
/// Only repetitions of what a server may have seen cost anything; another try after a refused connection does not.
#[derive(Debug)]
pub(crate) struct Budget {
    window: Millis,
    requests: u32,
    retries: u32,
    before: (u32, u32),
}

/// Always allowed in one window, so that a quiet service can lose a server too.
const FLOOR: u32 = 50;
const WINDOW_MS: u64 = 5_000;

impl Budget {
    pub(crate) fn new() -> Self {
        Self { window: Millis(0), requests: 0, retries: 0, before: (0, 0) }
    }

    /// Counts a request.
    pub(crate) fn request(&mut self, now: Millis) {
        self.turn(now);
        self.requests = self.requests.saturating_add(1);
    }

    /// Takes one repetition out of the budget: 20 % of the requests of the last 5 to 10 seconds.
    pub(crate) fn take(&mut self, now: Millis) -> bool {
        self.turn(now);
        let requests = self.requests.saturating_add(self.before.0);
        let retries = self.retries.saturating_add(self.before.1);
        let allowed = retries < FLOOR.saturating_add(requests / 5);
        if allowed {
            self.retries += 1;
        }
        allowed
    }

    fn turn(&mut self, now: Millis) {
        let passed = now.0.saturating_sub(self.window.0);
        if passed >= WINDOW_MS {
            self.before = if passed < 2 * WINDOW_MS { (self.requests, self.retries) } else { (0, 0) };
            (self.requests, self.retries) = (0, 0);
            self.window = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use seaway_config::model::{Condition, Identity};
    use seaway_routing::state::Notice;
    use seaway_routing::{Published, StateRegistry};

    use super::*;

    #[test]
    fn a_fifth_of_the_requests_may_be_repeated_and_the_window_moves_on() {
        let mut budget = Budget::new();
        for _ in 0..1000 {
            budget.request(Millis(10));
        }
        let granted = (0..1000).filter(|_| budget.take(Millis(20))).count();
        assert_eq!(granted, 250);
        assert!(!budget.take(Millis(5_020)));
        assert!(budget.take(Millis(11_000)));
    }

    fn server(registry: &StateRegistry, number: u8) -> Arc<ServerState> {
        let address: Box<str> = format!("10.0.0.{number}:80").into();
        let identity = Identity { container: format!("c{number}").into(), network: "n".into(), address };
        registry.adopt(&identity, &Condition { assume_ready: true, ..Condition::default() }, Millis(1))
    }

    #[tokio::test]
    async fn a_request_that_two_servers_broke_off_with_is_not_sent_to_a_third() {
        let (registry, published) = (StateRegistry::new(1), Published::default());
        let mut broke = Broke::default();
        assert!(broke.may_repeat(&server(&registry, 1), published.subscribe()).await);
        assert!(!broke.may_repeat(&server(&registry, 2), published.subscribe()).await);
    }

    #[tokio::test]
    async fn servers_that_were_told_to_end_have_a_reason_even_if_it_is_heard_of_late() {
        let (registry, published) = (StateRegistry::new(1), Published::default());
        let mut broke = Broke::default();
        for number in 1..=4 {
            let state = server(&registry, number);
            let told = async {
                tokio::task::yield_now().await;
                registry.notify(&state.identity().container, Notice::Terminating, Millis(2));
                published.wake();
            };
            let (again, ()) = tokio::join!(broke.may_repeat(&state, published.subscribe()), told);
            assert!(again, "{number}");
        }
        assert_eq!(broke.unexplained(), 0);
    }

    #[tokio::test]
    async fn the_last_server_is_asked_about_once_and_may_be_gone() {
        let (registry, published) = (StateRegistry::new(1), Published::default());
        let mut broke = Broke::default();
        assert!(!broke.are_gone(published.subscribe()).await, "none broke off");
        let (first, second) = (server(&registry, 1), server(&registry, 2));
        assert!(broke.may_repeat(&first, published.subscribe()).await);
        assert!(!broke.are_gone(published.subscribe()).await, "it is still there");
        registry.notify(&first.identity().container, Notice::Terminating, Millis(2));
        assert!(!broke.are_gone(published.subscribe()).await, "that was asked already");
        assert!(broke.may_repeat(&second, published.subscribe()).await);
        registry.notify(&second.identity().container, Notice::Ended, Millis(2));
        assert!(broke.are_gone(published.subscribe()).await);
    }

    #[test]
    fn post_and_unknown_methods_are_not_idempotent() {
        assert!(is_idempotent(&Method::GET) && is_idempotent(&Method::DELETE) && is_idempotent(&Method::PUT));
        assert!(!is_idempotent(&Method::POST) && !is_idempotent(&Method::PATCH));
        assert!(Method::from_bytes(b"PROPFIND").is_ok_and(|m| !is_idempotent(&m)));
    }
}
