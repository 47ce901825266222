//! `retry`: sends requests again that failed.
//!
//! Beside it, and whether it is configured or not, a request that nothing can be done twice with goes to another server.

use std::time::Duration;

use http::Method;
use seaway_config::model;
use seaway_head::{RequestHead, ResponseHead};

use crate::protocol::{Again, CameFrom};
use crate::statuses::Statuses;
use crate::{Back, Came, Context, Flow};

/// Sends requests again that failed.
#[derive(Clone, Debug)]
pub struct Retry {
    /// Tries in all.
    attempts: u32,
    first_pause: Duration,
    /// None begins after so long; zero for no limit.
    timeout: Duration,
    statuses: Statuses,
    /// So much of a body is remembered.
    remember: u64,
    on_network_error: bool,
    any_method: bool,
}

/// What is kept of one request.
struct Kept {
    head: RequestHead,
    began: Duration,
    tries: u32,
}

impl Retry {
    pub(crate) fn compile(options: &model::Retry) -> Result<Self, String> {
        let attempts = u32::try_from(options.attempts).ok().filter(|attempts| *attempts > 0).ok_or_else(|| {
            format!("retry.attempts is {}; it is how often a request is tried in all, so 1 at least", options.attempts)
        })?;
        let statuses = Statuses::compile("retry.status", &options.status)?;
        if statuses.is_empty() && options.disable_retry_on_network_error {
            return Err("retry has nothing to do: there is no status, and network errors are excepted".to_owned());
        }
        Ok(Self {
            attempts,
            first_pause: options.initial_interval,
            timeout: options.timeout,
            statuses,
            remember: u64::try_from(options.max_request_body_bytes).unwrap_or(u64::MAX),
            on_network_error: !options.disable_retry_on_network_error,
            any_method: options.retry_non_idempotent_method,
        })
    }

    pub(crate) fn on_request(&self, head: &RequestHead, cx: &mut Context<'_>) -> Flow {
        if self.attempts > 1 {
            cx.memory.put(Kept { head: head.clone(), began: cx.now, tries: 1 });
            if !self.statuses.is_empty() && self.may_repeat(&head.method) {
                *cx.remember = self.remember.max(*cx.remember);
            }
        }
        Flow::Next
    }

    pub(crate) fn on_response(&self, head: &ResponseHead<'_>, came: &Came, cx: &mut Context<'_>) -> Back {
        let now = cx.now;
        let Some(kept) = cx.memory.get::<Kept>() else { return Back::Next };
        // Nothing of it was written to a server, so that it may be anything.
        let unsent = self.on_network_error && came.from == CameFrom::Failure { sent: false };
        let again = unsent || (self.may_repeat(&kept.head.method) && self.statuses.contain(head.status.as_u16()));
        let pause = self.pause(kept.tries, now);
        let in_time = self.timeout.is_zero() || now.saturating_sub(kept.began) + pause < self.timeout;
        if !again || !came.repeatable || kept.tries >= self.attempts || !in_time {
            return Back::Next;
        }
        kept.tries += 1;
        Back::Again(Box::new(Again { head: kept.head.clone(), pause }))
    }

    fn may_repeat(&self, method: &Method) -> bool {
        self.any_method || !matches!(method.as_str(), "POST" | "PATCH" | "LOCK")
    }

    /// Before the try after `tries`: the first pause, growing to twice of it until the last, a half more or less.
    fn pause(&self, tries: u32, now: Duration) -> Duration {
        if self.first_pause.is_zero() {
            return Duration::ZERO;
        }
        let growth = 2f64.powf(f64::from(tries - 1) / f64::from((self.attempts - 1).max(1)));
        // Where the clock stands is chance enough to keep requests apart that failed together.
        let chance = f64::from(now.subsec_nanos().wrapping_mul(2_654_435_761) >> 16) / 65_536.0;
        self.first_pause.mul_f64(growth * (0.5 + chance))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use http::{HeaderMap, StatusCode};

    use super::*;
    use crate::protocol::Length;
    use crate::testing::{Desk, get};

    const SERVER: CameFrom = CameFrom::Server;
    const UNSENT: CameFrom = CameFrom::Failure { sent: false };
    const SENT: CameFrom = CameFrom::Failure { sent: true };

    fn options(attempts: i64, status: &[&str]) -> model::Retry {
        let status = status.iter().map(|s| (*s).to_owned()).collect();
        model::Retry { attempts, status, ..model::Retry::default() }
    }

    /// How often a request is tried that always ends so.
    fn tries(options: &model::Retry, method: &Method, from: CameFrom, status: u16, repeatable: bool) -> u32 {
        let retry = Retry::compile(options).unwrap();
        let mut desk = Desk::default();
        let mut head = get("/x");
        head.method = method.clone();
        assert!(matches!(retry.on_request(&head, &mut desk.cx()), Flow::Next));
        let came = Came { from, body: Length::Known(0), head_only: false, repeatable };
        let mut tries = 1;
        loop {
            let (mut status, mut headers) = (StatusCode::from_u16(status).unwrap(), HeaderMap::new());
            let head = ResponseHead { status: &mut status, headers: &mut headers };
            match retry.on_response(&head, &came, &mut desk.cx()) {
                Back::Next => return tries,
                Back::Again(again) => assert_eq!((again.head.target.path(), &again.head.method), ("/x", method)),
                other => panic!("{other:?}"),
            }
            tries += 1;
        }
    }

    #[test]
    fn attempts_are_tries_in_all() {
        let (get, post) = (Method::GET, Method::POST);
        let any = model::Retry { retry_non_idempotent_method: true, ..options(3, &["503"]) };
        let quiet = model::Retry { disable_retry_on_network_error: true, ..options(3, &["503"]) };
        for (options, method, from, status, repeatable, want) in [
            (&options(1, &[]), &get, UNSENT, 502, true, 1),
            (&options(3, &[]), &get, UNSENT, 502, true, 3),
            (&options(3, &[]), &post, UNSENT, 502, true, 3),
            (&options(3, &[]), &get, SENT, 502, true, 1),
            (&options(3, &[]), &get, SERVER, 502, true, 1),
            (&options(3, &[]), &get, CameFrom::Seaway, 503, true, 1),
            (&options(3, &[]), &get, UNSENT, 502, false, 1),
            (&options(3, &["500-503"]), &get, SERVER, 502, true, 3),
            (&options(3, &["500-503"]), &get, SENT, 502, true, 3),
            (&options(3, &["500-503"]), &get, SERVER, 504, true, 1),
            (&options(3, &["500-503"]), &post, SERVER, 502, true, 1),
            (&options(3, &["500-503"]), &post, SENT, 502, true, 1),
            (&options(3, &["500-503"]), &get, SERVER, 502, false, 1),
            (&any, &post, SERVER, 503, true, 3),
            (&quiet, &get, UNSENT, 502, true, 1),
            (&quiet, &get, SERVER, 503, true, 3),
        ] {
            assert_eq!(
                tries(options, method, from, status, repeatable),
                want,
                "{options:?} {method} {from:?} {status}"
            );
        }
    }

    #[test]
    fn a_body_is_remembered_where_it_may_be_sent_again() {
        for (options, method, want) in [
            (options(3, &["503"]), Method::PUT, 2 << 20),
            (options(3, &["503"]), Method::POST, 0),
            (options(3, &[]), Method::PUT, 0),
            (options(1, &["503"]), Method::PUT, 0),
        ] {
            let (mut desk, mut head) = (Desk::default(), get("/"));
            head.method = method;
            Retry::compile(&options).unwrap().on_request(&head, &mut desk.cx());
            assert_eq!(desk.remember, want, "{options:?}");
        }
    }

    #[test]
    fn no_try_begins_after_the_timeout() {
        let options = model::Retry { timeout: Duration::from_secs(2), ..options(10, &["503"]) };
        let retry = Retry::compile(&options).unwrap();
        let mut desk = Desk { now: Duration::from_secs(10), ..Desk::default() };
        retry.on_request(&get("/"), &mut desk.cx());
        let came = Came { from: SERVER, body: Length::None, head_only: false, repeatable: true };
        for (now, again) in [(11, true), (12, false)] {
            desk.now = Duration::from_secs(now);
            let (mut status, mut headers) = (StatusCode::SERVICE_UNAVAILABLE, HeaderMap::new());
            let head = ResponseHead { status: &mut status, headers: &mut headers };
            assert_eq!(matches!(retry.on_response(&head, &came, &mut desk.cx()), Back::Again(_)), again, "{now}");
        }
    }

    #[test]
    fn pauses_grow_to_twice_the_first_a_half_more_or_less() {
        let options = model::Retry { initial_interval: Duration::from_millis(100), ..options(5, &[]) };
        let retry = Retry::compile(&options).unwrap();
        for nanos in (0..1_000_000_000).step_by(7_654_321) {
            let now = Duration::from_nanos(nanos);
            for (tries, least, most) in [(1, 50, 150), (3, 70, 213), (5, 100, 300)] {
                let pause = retry.pause(tries, now);
                assert!(
                    pause >= Duration::from_millis(least) && pause <= Duration::from_millis(most),
                    "{tries} {pause:?}"
                );
            }
        }
    }

    #[test]
    fn options_that_do_nothing_do_not_compile() {
        let quiet = model::Retry { disable_retry_on_network_error: true, ..options(3, &[]) };
        for options in [options(0, &[]), options(-1, &[]), options(3, &["5xx"]), quiet] {
            assert!(Retry::compile(&options).is_err(), "{options:?}");
        }
    }
}
