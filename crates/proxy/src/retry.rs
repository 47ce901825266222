//! Which requests may be sent once more, and how many of them.

use http::Method;
use seaway_routing::Millis;

/// True for methods whose repetition means the same as one request (RFC 9110 §9.2.2).
pub(crate) fn is_idempotent(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS | Method::PUT | Method::DELETE | Method::TRACE)
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

    #[test]
    fn post_and_unknown_methods_are_not_idempotent() {
        assert!(is_idempotent(&Method::GET) && is_idempotent(&Method::DELETE) && is_idempotent(&Method::PUT));
        assert!(!is_idempotent(&Method::POST) && !is_idempotent(&Method::PATCH));
        assert!(Method::from_bytes(b"PROPFIND").is_ok_and(|m| !is_idempotent(&m)));
    }
}
