//! `circuitBreaker`: lets nothing through for a while after too much has failed, and then a growing share.

mod window;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::StatusCode;
use seaway_config::model;
use seaway_head::ResponseHead;

use crate::expression::{Expression, Gives, Signature, Value};
use crate::protocol::CameFrom;
use crate::{Answer, Came, Context, Flow, Memory, Outcome};

use window::Window;

/// Lets nothing through for a while after too much has failed.
#[derive(Clone, Debug)]
pub struct CircuitBreaker {
    expression: Expression<Call>,
    check_period: Duration,
    fallback: Duration,
    recovery: Duration,
    status: StatusCode,
    circuit: Arc<Circuit>,
}

/// What an expression may ask for.
#[derive(Clone, Debug, PartialEq)]
enum Call {
    NetworkErrorRatio,
    /// The share of one range of statuses in another.
    ResponseCodeRatio((f64, f64), (f64, f64)),
    LatencyAtQuantileMs(f64),
    RequestThreshold,
}

const CALLS: &[Signature<Call>] = &[
    Signature { name: "NetworkErrorRatio", takes: 0, gives: Gives::Number, make: |_| Ok(Call::NetworkErrorRatio) },
    Signature {
        name: "ResponseCodeRatio",
        takes: 4,
        gives: Gives::Number,
        make: |numbers| match numbers {
            [a, b, c, d] => Ok(Call::ResponseCodeRatio((*a, *b), (*c, *d))),
            _ => Err("ResponseCodeRatio() takes 4 numbers".to_owned()),
        },
    },
    Signature {
        name: "LatencyAtQuantileMS",
        takes: 1,
        gives: Gives::Number,
        make: |numbers| match numbers {
            [quantile] if (0.0..=100.0).contains(quantile) => Ok(Call::LatencyAtQuantileMs(*quantile)),
            _ => Err("LatencyAtQuantileMS() takes a number from 0 to 100".to_owned()),
        },
    },
    Signature { name: "RequestThreshold", takes: 0, gives: Gives::Number, make: |_| Ok(Call::RequestThreshold) },
];

/// What outlives tables: where one router's circuit stands.
#[derive(Debug, Default)]
struct Circuit {
    /// Everything is let through. Read first, so that a closed circuit costs its requests no lock on their way in.
    closed: Closed,
    inner: Mutex<Inner>,
}

/// Closed to begin with.
#[derive(Debug)]
struct Closed(AtomicBool);

impl Default for Closed {
    fn default() -> Self {
        Self(AtomicBool::new(true))
    }
}

#[derive(Debug, Default)]
struct Inner {
    window: Window,
    state: State,
    checked: Duration,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum State {
    /// Everything is let through.
    #[default]
    Closed,
    /// Nothing is, until then.
    Open { until: Duration },
    /// A share is, since then; how many were and were not.
    Recovering { since: Duration, passed: u32, refused: u32 },
}

impl CircuitBreaker {
    pub(crate) fn compile(options: &model::CircuitBreaker) -> Result<Self, String> {
        let text = options.expression.trim();
        if text.is_empty() {
            let needs = "it says when the circuit opens, such as NetworkErrorRatio() > 0.3";
            return Err(format!("circuitBreaker.expression is empty; {needs}"));
        }
        let status = u16::try_from(options.response_code).ok().filter(|status| (200..=599).contains(status));
        let status = status.and_then(|status| StatusCode::from_u16(status).ok()).ok_or_else(|| {
            format!("circuitBreaker.responseCode is {}; it is a status from 200 to 599", options.response_code)
        })?;
        Ok(Self {
            expression: Expression::parse("circuitBreaker.expression", text, CALLS)?,
            check_period: options.check_period,
            fallback: options.fallback_duration,
            recovery: options.recovery_duration,
            status,
            circuit: Arc::default(),
        })
    }

    /// The circuit stays as it is when the options change.
    pub(crate) fn for_router(&self, before: Option<&Self>) -> Self {
        let circuit = before.map_or_else(Arc::default, |before| Arc::clone(&before.circuit));
        Self { circuit, ..self.clone() }
    }

    pub(crate) fn on_request(&self, cx: &Context<'_>) -> Flow {
        if self.circuit.closed.0.load(Ordering::Acquire) || self.lets_through(cx.now) {
            return Flow::Next;
        }
        Flow::answer(Answer::bare(self.status, "circuitBreaker: open"))
    }

    /// The status counts as it comes to this place.
    pub(crate) fn on_response(&self, head: &ResponseHead<'_>, came: &Came, memory: &mut Memory) {
        let failed = matches!(came.from, CameFrom::Failure { .. });
        *memory = Memory::Number(u64::from(head.status.as_u16()) | (u64::from(failed) << 16));
    }

    pub(crate) fn on_end(&self, memory: &Memory, outcome: &Outcome) {
        // What a client broke off says nothing of the service.
        let (Some(seen), false) = (memory.number(), outcome.cancelled) else { return };
        let status = u16::try_from(seen & 0xffff).unwrap_or_default();
        let network_error = seen >> 16 != 0 || matches!(status, 502 | 504);
        let mut inner = self.circuit.lock();
        let took = Some(outcome.took).filter(|_| !outcome.tunnel);
        inner.window.record(outcome.now, status, network_error, took);
        if outcome.now.saturating_sub(inner.checked) >= self.check_period {
            inner.checked = outcome.now;
            self.check(&mut inner, outcome.now);
        }
        self.circuit.tell(&inner);
    }

    fn check(&self, inner: &mut Inner, now: Duration) {
        if matches!(inner.state, State::Open { .. }) {
            return;
        }
        let Inner { window, .. } = &*inner;
        let opens = self.expression.holds(&mut |call| {
            Value::Number(match call {
                Call::NetworkErrorRatio => window.network_error_ratio(),
                Call::ResponseCodeRatio(some, of) => window.response_code_ratio(*some, *of),
                Call::LatencyAtQuantileMs(quantile) => window.latency_at(*quantile),
                Call::RequestThreshold => window.total(),
            })
        });
        if opens {
            inner.state = State::Open { until: now + self.fallback };
            // What made it open must not make it open again when it has recovered.
            inner.window = Window::default();
        }
    }

    /// Whether one more passes a circuit that is not closed.
    fn lets_through(&self, now: Duration) -> bool {
        let mut inner = self.circuit.lock();
        if let State::Open { until } = inner.state {
            if now < until {
                return false;
            }
            inner.state = State::Recovering { since: now, passed: 0, refused: 0 };
        }
        let passes = match &mut inner.state {
            State::Closed | State::Open { .. } => true,
            State::Recovering { since, .. } if now.saturating_sub(*since) >= self.recovery => {
                inner.state = State::Closed;
                true
            }
            State::Recovering { since, passed, refused } => {
                let share = 0.5 * now.saturating_sub(*since).as_secs_f64() / self.recovery.as_secs_f64();
                let with_it = f64::from(*passed + 1) / f64::from(*passed + *refused + 1);
                let passes = with_it < share;
                let count = if passes { passed } else { refused };
                *count = count.saturating_add(1).min(u32::MAX / 4);
                passes
            }
        };
        self.circuit.tell(&inner);
        passes
    }
}

impl Circuit {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says whether it is closed to those who do not lock it; called with the lock held.
    fn tell(&self, inner: &Inner) {
        self.closed.0.store(inner.state == State::Closed, Ordering::Release);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use http::HeaderMap;

    use super::*;
    use crate::protocol::Length;
    use crate::testing::Desk;

    fn options(expression: &str) -> model::CircuitBreaker {
        model::CircuitBreaker { expression: expression.to_owned(), ..model::CircuitBreaker::default() }
    }

    fn breaker(expression: &str) -> CircuitBreaker {
        CircuitBreaker::compile(&options(expression)).unwrap()
    }

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    /// One request at that time; `None` if it was refused.
    fn request(breaker: &CircuitBreaker, now: u64, status: u16, took: u64) -> Option<()> {
        let mut desk = Desk { now: ms(now), ..Desk::default() };
        if let Flow::Answer(answer) = breaker.on_request(&desk.cx()) {
            assert_eq!(answer.status, breaker.status);
            return None;
        }
        let came = Came { from: CameFrom::Server, body: Length::None, head_only: false, repeatable: true };
        let (mut code, mut headers) = (StatusCode::from_u16(status).unwrap(), HeaderMap::new());
        let head = ResponseHead { status: &mut code, headers: &mut headers };
        breaker.on_response(&head, &came, &mut desk.memory);
        let outcome =
            Outcome { now: ms(now + took), took: ms(took), status: Some(code), cancelled: false, tunnel: false };
        breaker.on_end(&desk.memory, &outcome);
        Some(())
    }

    #[test]
    fn it_opens_stays_open_recovers_and_closes() {
        let breaker = breaker("ResponseCodeRatio(500, 600, 0, 600) > 0.5");
        assert!(request(&breaker, 1000, 200, 1).is_some());
        assert!(request(&breaker, 1200, 500, 1).is_some(), "half is not more than half");
        assert!(request(&breaker, 1400, 500, 1).is_some());
        for now in [1402, 5000, 11_400] {
            assert!(request(&breaker, now, 200, 1).is_none(), "{now}");
        }
        // From 11.401 s on it recovers: a share that grows to a half in ten seconds.
        let shares: Vec<usize> = (0..10)
            .map(|second| {
                (0..100).filter(|n| request(&breaker, 11_402 + second * 1000 + n * 10, 200, 1).is_some()).count()
            })
            .collect();
        assert!(shares[0] <= 5 && shares[9] >= 40 && shares[9] <= 95, "{shares:?}");
        assert!(shares.iter().sum::<usize>() <= 500, "{shares:?}");
        assert!((0..100).all(|n| request(&breaker, 21_500 + n, 200, 1).is_some()));
    }

    #[test]
    fn what_fails_while_it_recovers_opens_it_again() {
        let breaker = breaker("NetworkErrorRatio() > 0.5");
        request(&breaker, 1000, 502, 1);
        assert!(request(&breaker, 1100, 200, 1).is_none());
        let passed = (0..1000).filter(|n| request(&breaker, 11_002 + n * 10, 504, 1).is_some()).count();
        assert_eq!(passed, 1, "the first that was let through failed");
    }

    #[test]
    fn it_is_looked_at_only_so_often() {
        let breaker = breaker("NetworkErrorRatio() > 0.5");
        request(&breaker, 1000, 200, 1);
        for now in [1010, 1050, 1099] {
            assert!(request(&breaker, now, 502, 1).is_some(), "{now}");
        }
        assert!(request(&breaker, 1101, 502, 1).is_some());
        assert!(request(&breaker, 1103, 502, 1).is_none());
    }

    #[test]
    fn expressions() {
        for (expression, took, count, opens) in [
            ("LatencyAtQuantileMS(50.0) > 100", 150, 1, true),
            ("LatencyAtQuantileMS(50.0) > 100", 50, 1, false),
            ("RequestThreshold() > 2 && LatencyAtQuantileMS(50) > 100", 150, 2, false),
            ("RequestThreshold() > 2 && LatencyAtQuantileMS(50) > 100", 150, 3, true),
            ("ResponseCodeRatio(200, 300, 0, 600) == 1", 1, 1, true),
            ("!(NetworkErrorRatio() >= 0)", 1, 1, false),
        ] {
            let breaker = breaker(expression);
            for n in 0..count {
                request(&breaker, 1000 + n * 1000, 200, took);
            }
            assert_eq!(request(&breaker, 1001 + count * 1000, 200, took).is_none(), opens, "{expression} {took}");
        }
    }

    #[test]
    fn what_a_client_broke_off_does_not_count() {
        let breaker = breaker("RequestThreshold() > 0");
        let outcome = Outcome { now: ms(5000), took: ms(1), status: None, cancelled: true, tunnel: false };
        breaker.on_end(&Memory::Number(502), &outcome);
        breaker.on_end(&Memory::Nothing, &Outcome { cancelled: false, ..outcome });
        assert!(request(&breaker, 6000, 200, 1).is_some());
    }

    #[test]
    fn the_circuit_outlives_the_options() {
        let first = breaker("NetworkErrorRatio() > 0.5").for_router(None);
        request(&first, 1000, 502, 1);
        let mut changed = options("NetworkErrorRatio() > 0.9");
        changed.response_code = 429;
        let changed = CircuitBreaker::compile(&changed).unwrap();
        assert!(request(&changed.for_router(Some(&first)), 1100, 200, 1).is_none());
        assert!(request(&changed.for_router(None), 1100, 200, 1).is_some());
    }

    #[test]
    fn options_that_mean_nothing_do_not_compile() {
        for (expression, code) in [
            ("", 503),
            ("NetworkErrorRatio()", 503),
            ("Foo() > 1", 503),
            ("LatencyAtQuantileMS(101) > 1", 503),
            ("NetworkErrorRatio() > 0.1", 99),
        ] {
            let options = model::CircuitBreaker { response_code: code, ..options(expression) };
            assert!(CircuitBreaker::compile(&options).is_err(), "{expression} {code}");
        }
    }
}
