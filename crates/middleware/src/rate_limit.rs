//! `rateLimit`: a bucket of tokens for each source. A request whose token comes soon waits for it; one whose token
//! comes late is refused.
//!
//! A bucket is one number, the time at which it will be full again: a token taken moves it by the time that one takes to
//! come back. What is left of a bucket, and how long the next token takes, follow from it and the clock.
//!
//! With `redis`, that number is in a Redis server, and its clock is the one that counts. While that cannot be reached, each
//! Seaway goes by its own buckets: nobody is without a limit, and nobody is refused who would not be otherwise.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::{HeaderName, HeaderValue, StatusCode, header};
use seaway_config::{Files, model, show_duration};
use seaway_head::RequestHead;

use crate::protocol::{Context, Got, Need, SharedBucket, SharedServer, SharedToken, Tls};
use crate::source::{Criterion, IpStrategy, Keys, SourceKey};
use crate::{Answer, Flow};

const X_RETRY_IN: HeaderName = HeaderName::from_static("x-retry-in");

/// Sources are spread over so many maps, so that workers seldom wait for one another.
const SHARDS: usize = 64;
/// Most sources that are remembered in all.
const MAX_SOURCES: usize = 65_536;
/// Longest that a request waits for its token where tokens come seldom.
const LONGEST_WAIT: Duration = Duration::from_millis(500);

/// Gives each source so many requests in a time.
#[derive(Clone, Debug)]
pub struct RateLimit {
    /// None lets everything pass.
    rate: Option<Rate>,
    criterion: Criterion,
    buckets: Arc<Buckets>,
    shared: Option<Shared>,
}

/// Buckets that several Seaways share.
#[derive(Clone, Debug)]
struct Shared {
    server: Arc<SharedServer>,
    /// The middleware's name: one of the same name elsewhere takes from the same buckets.
    name: Box<str>,
}

/// How tokens come. Times are in 64ths of a nanosecond, so that a million tokens a second come evenly.
#[derive(Clone, Debug, PartialEq)]
struct Rate {
    /// From one token to the next.
    token: u64,
    /// A full bucket's worth.
    burst: u64,
    /// Longest that a request waits.
    max_wait: u64,
    /// For so long a source is remembered at least.
    keep: u64,
}

/// One nanosecond.
const NANO: u64 = 64;

#[derive(Debug)]
struct Buckets {
    keys: Keys,
    shards: Box<[Mutex<Shard>]>,
}

#[derive(Debug, Default)]
struct Shard {
    buckets: HashMap<SourceKey, Bucket>,
    /// Every bucket once, about in the order in which they can be forgotten.
    order: VecDeque<(u64, SourceKey)>,
}

#[derive(Debug)]
struct Bucket {
    full_at: u64,
    /// When it makes no difference any more.
    forget_at: u64,
}

/// What became of a request.
#[derive(Debug, PartialEq, Eq)]
enum Taken {
    Now,
    /// It has its token, which comes in so long.
    Soon(Duration),
    /// Nothing was taken; a token would have come in so long.
    Late(Duration),
}

impl RateLimit {
    pub(crate) fn compile(options: &model::RateLimit, files: &Files) -> Result<Self, String> {
        let criterion = Criterion::compile(
            "rateLimit.sourceCriterion",
            options.source_criterion.as_ref(),
            Criterion::Ip(IpStrategy::default()),
        )?;
        let shared = options.redis.as_ref().map(|redis| Shared::compile(redis, files)).transpose()?;
        Ok(Self { rate: Rate::compile(options)?, criterion, buckets: Arc::default(), shared })
    }

    pub(crate) fn tls(&self) -> Option<&Tls> {
        self.shared.as_ref()?.server.tls.as_ref()
    }

    /// The buckets stay as full as they are over every change. With other options, they fill as those say from then on.
    pub(crate) fn for_router(&self, name: &str, before: Option<&Self>) -> Self {
        let buckets = before.map_or_else(Arc::default, |before| Arc::clone(&before.buckets));
        let shared = self.shared.as_ref().map(|it| Shared { server: Arc::clone(&it.server), name: name.into() });
        Self { buckets, shared, ..self.clone() }
    }

    pub(crate) fn on_request(&self, head: &RequestHead, cx: &mut Context<'_>) -> Flow {
        let Some(rate) = &self.rate else { return Flow::Next };
        match &self.shared {
            None => self.take(rate, head, cx),
            Some(shared) => {
                Flow::need(Need::Shared(Box::new(shared.bucket(rate, &self.criterion.shared_source(head)))))
            }
        }
    }

    /// From the buckets here.
    fn take(&self, rate: &Rate, head: &RequestHead, cx: &Context<'_>) -> Flow {
        let source = self.criterion.source(head, &self.buckets.keys);
        match self.buckets.take(source, rate, ticks(cx.now)) {
            Taken::Now => Flow::Next,
            Taken::Soon(wait) => Flow::need(Need::Wait(wait)),
            Taken::Late(wait) => refuse(wait),
        }
    }

    pub(crate) fn resume(&self, head: &RequestHead, cx: &Context<'_>, got: &Got) -> Flow {
        match (got, &self.rate) {
            (Got::Waited | Got::Shared(Some(SharedToken::In(Duration::ZERO))), _) => Flow::Next,
            (Got::Shared(Some(SharedToken::In(wait))), _) => Flow::need(Need::Wait(*wait)),
            (Got::Shared(Some(SharedToken::Late(wait))), _) => refuse(*wait),
            (Got::Shared(None), Some(rate)) => self.take(rate, head, cx),
            _ => refuse(Duration::from_secs(1)),
        }
    }
}

impl Shared {
    fn compile(options: &model::Redis, files: &Files) -> Result<Self, String> {
        let at = "rateLimit.redis";
        let endpoint = match options.endpoints.as_slice() {
            [one] => one.trim(),
            [] => return Err(format!("{at}.endpoints is empty; it is the server as host:port, such as redis:6379")),
            more => {
                let text = "several make a cluster, which does not work yet; one works";
                return Err(format!("{at}.endpoints names {} servers: {text}", more.len()));
            }
        };
        let wrong = || format!("{at}.endpoints {endpoint:?} is no host:port, such as redis:6379");
        let (host, port) = match endpoint.rsplit_once(':') {
            Some((host, port)) if !host.contains(':') || host.ends_with(']') => (host, port.parse().ok()),
            _ => (endpoint, Some(6379)),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let port = port.filter(|port| *port > 0).ok_or_else(wrong)?;
        if host.is_empty() || host.contains(['/', '@', ' ']) {
            return Err(wrong());
        }
        if options.db < 0 {
            return Err(format!("{at}.db is {}; databases have numbers from 0", options.db));
        }
        let tls = options.tls.as_ref().map(|tls| Tls::compile("rateLimit.redis.tls", Some(tls), files)).transpose()?;
        let or = |time: Duration, usual: u64| if time.is_zero() { Duration::from_secs(usual) } else { time };
        let server = SharedServer {
            host: host.into(),
            port,
            tls,
            username: options.username.trim().into(),
            password: options.password.clone(),
            db: options.db,
            dial_timeout: or(options.dial_timeout, 5),
            timeout: or(options.read_timeout, 3),
            is_down: AtomicBool::new(false),
        };
        Ok(Self { server: Arc::new(server), name: Box::default() })
    }

    fn bucket(&self, rate: &Rate, source: &str) -> SharedBucket {
        let micros = |ticks: u64| ticks as f64 / (NANO * 1000) as f64;
        SharedBucket {
            server: Arc::clone(&self.server),
            key: format!("seaway:rate:{}:{source}", self.name).into(),
            token: micros(rate.token),
            burst: micros(rate.burst),
            max_wait: micros(rate.max_wait),
            keep: time(rate.keep.max(rate.burst).saturating_add(rate.max_wait)),
        }
    }
}

impl Rate {
    fn compile(options: &model::RateLimit) -> Result<Option<Self>, String> {
        let average = u64::try_from(options.average)
            .map_err(|_| format!("rateLimit.average is {}; it cannot be negative", options.average))?;
        if average == 0 {
            return Ok(None);
        }
        let period = match options.period {
            Duration::ZERO => Duration::from_secs(1),
            period => period,
        };
        let burst = u64::try_from(options.burst).unwrap_or(1).max(1);
        let token = u64::try_from(period.as_nanos() * u128::from(NANO) / u128::from(average))
            .ok()
            .filter(|token| *token > 0)
            .ok_or_else(|| {
                format!("rateLimit.average {average} in {} is more than can be told apart", show_duration(period))
            })?;
        let second = ticks(Duration::from_secs(1));
        let max_wait = if token > second { ticks(LONGEST_WAIT) } else { token / 2 };
        let keep = if token > second { second.saturating_add(token) } else { 2 * second };
        Ok(Some(Self { token, burst: token.saturating_mul(burst), max_wait, keep }))
    }
}

impl Buckets {
    fn take(&self, source: SourceKey, rate: &Rate, now: u64) -> Taken {
        let mut shard = self.shard(source);
        let known = shard.buckets.get_mut(&source);
        // What is full again is as if it had never been there.
        let full_at = known.as_ref().map_or(now, |bucket| bucket.full_at.max(now));
        let then = full_at.saturating_add(rate.token);
        let wait = then.saturating_sub(rate.burst).saturating_sub(now);
        if wait > rate.max_wait {
            return Taken::Late(time(wait));
        }
        let forget_at = then.max(now.saturating_add(rate.keep));
        match known {
            Some(bucket) => *bucket = Bucket { full_at: then, forget_at },
            None => shard.add(source, Bucket { full_at: then, forget_at }, now),
        }
        if wait == 0 { Taken::Now } else { Taken::Soon(time(wait)) }
    }

    fn shard(&self, source: SourceKey) -> MutexGuard<'_, Shard> {
        let at = source.shard(self.shards.len());
        #[expect(clippy::indexing_slicing, reason = "the remainder of their number")]
        self.shards[at].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Buckets {
    fn default() -> Self {
        Self { keys: Keys::default(), shards: (0..SHARDS).map(|_| Mutex::default()).collect() }
    }
}

impl Shard {
    fn add(&mut self, source: SourceKey, bucket: Bucket, now: u64) {
        self.forget(now);
        self.order.push_back((bucket.forget_at, source));
        self.buckets.insert(source, bucket);
    }

    /// Forgets what makes no difference any more; and where there is no room, what will make none first.
    fn forget(&mut self, now: u64) {
        while let Some((at, source)) = self.order.pop_front() {
            let full = self.buckets.len() >= MAX_SOURCES / SHARDS;
            if !full && at > now {
                self.order.push_front((at, source));
                return;
            }
            match self.buckets.get(&source) {
                // It was used since it was put here.
                Some(bucket) if bucket.forget_at > at => self.order.push_back((bucket.forget_at, source)),
                _ => {
                    self.buckets.remove(&source);
                }
            }
        }
    }
}

fn ticks(time: Duration) -> u64 {
    u64::try_from(time.as_nanos() * u128::from(NANO)).unwrap_or(u64::MAX)
}

fn time(ticks: u64) -> Duration {
    Duration::from_nanos(ticks.div_ceil(NANO))
}

fn refuse(wait: Duration) -> Flow {
    let mut answer = Answer::text(StatusCode::TOO_MANY_REQUESTS, "rateLimit");
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    answer.headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    if let Ok(text) = HeaderValue::from_bytes(show_duration(wait).as_bytes()) {
        answer.headers.insert(X_RETRY_IN, text);
    }
    Flow::answer(answer)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::{Desk, get, values};

    const SECOND: Duration = Duration::from_secs(1);

    fn limit(average: i64, period: Duration, burst: i64) -> RateLimit {
        let options = model::RateLimit { average, period, burst, ..model::RateLimit::default() };
        RateLimit::compile(&options, &Files::default()).unwrap().for_router("m@docker", None)
    }

    fn ask(limit: &RateLimit, now: Duration) -> Flow {
        from(limit, now, "192.0.2.1")
    }

    fn from(limit: &RateLimit, now: Duration, peer: &str) -> Flow {
        let mut desk = Desk { now, ..Desk::default() };
        let mut head = get("/");
        head.peer = peer.parse().unwrap();
        limit.on_request(&head, &mut desk.cx())
    }

    /// Passes at once, waits, or is refused with what it is told.
    fn shown(flow: &Flow) -> String {
        match flow {
            Flow::Next => "now".to_owned(),
            Flow::Need(need) => match &**need {
                Need::Wait(wait) => format!("wait {}", show_duration(*wait)),
                other => panic!("{other:?}"),
            },
            Flow::Answer(answer) => {
                assert_eq!((answer.status.as_u16(), &*answer.body), (429, &b"Too Many Requests"[..]));
                format!("{} {}", values(&answer.headers, "retry-after")[0], values(&answer.headers, "x-retry-in")[0])
            }
        }
    }

    #[test]
    fn tokens_come_evenly_and_requests_wait_for_half_of_one() {
        // average, period, burst; then the times of requests in milliseconds, and what becomes of them
        type Case<'a> = (i64, Duration, i64, &'a [(u64, &'a str)]);
        let cases: [Case<'_>; 9] = [
            (10, SECOND, 1, &[(0, "now"), (0, "1 100ms"), (50, "wait 50ms"), (100, "1 100ms"), (200, "now")]),
            (10, SECOND, 3, &[(0, "now"), (0, "now"), (0, "now"), (0, "1 100ms"), (100, "now"), (100, "1 100ms")]),
            (1, SECOND, 1, &[(0, "now"), (0, "1 1s"), (500, "wait 500ms"), (501, "2 1.499s"), (2000, "now")]),
            (1, SECOND, 2, &[(0, "now"), (0, "now"), (0, "1 1s"), (10_000, "now"), (10_000, "now"), (10_000, "1 1s")]),
            // seldom: 500 ms is the longest wait
            (6, SECOND * 60, 1, &[(0, "now"), (9_000, "1 1s"), (9_499, "1 501ms"), (9_500, "wait 500ms")]),
            (1, SECOND * 3600, 1, &[(0, "now"), (1, "3600 59m59.999s"), (3_600_000, "now")]),
            // a period says how often
            (5, Duration::from_millis(500), 1, &[(0, "now"), (0, "1 100ms"), (60, "wait 40ms")]),
            // less than one is one
            (10, SECOND, 0, &[(0, "now"), (0, "1 100ms")]),
            (0, SECOND, 1, &[(0, "now"), (0, "now"), (0, "now")]),
        ];
        for (average, period, burst, asked) in cases {
            let limit = limit(average, period, burst);
            for (at, want) in asked {
                let flow = ask(&limit, SECOND * 100 + Duration::from_millis(*at));
                assert_eq!(shown(&flow), *want, "{average} in {period:?}, burst {burst}, at {at} ms");
            }
        }
    }

    #[test]
    fn a_wait_that_is_over_lets_pass_and_nothing_else_does() {
        let limit = limit(1, SECOND, 1);
        assert!(matches!(resume(&limit, Got::Waited), Flow::Next));
        assert!(matches!(resume(&limit, Got::Body(Ok(Default::default()))), Flow::Answer(_)));
    }

    fn resume(limit: &RateLimit, got: Got) -> Flow {
        let mut desk = Desk { now: SECOND, ..Desk::default() };
        limit.resume(&get("/"), &desk.cx(), &got)
    }

    fn shared(redis: model::Redis) -> Result<RateLimit, String> {
        let options = model::RateLimit { average: 1, redis: Some(redis), ..model::RateLimit::default() };
        RateLimit::compile(&options, &Files::default()).map(|limit| limit.for_router("m@docker", None))
    }

    #[test]
    fn a_shared_bucket_is_asked_for_and_believed_and_ours_serves_without_it() {
        let limit = shared(model::Redis::default()).unwrap();
        let Flow::Need(need) = ask(&limit, SECOND) else { panic!("decided alone") };
        let Need::Shared(bucket) = *need else { panic!("{need:?}") };
        assert_eq!((&*bucket.key, bucket.token, bucket.burst), ("seaway:rate:m@docker:192.0.2.1", 1e6, 1e6));
        assert_eq!((&*bucket.server.host, bucket.server.port), ("localhost", 6379));
        for (got, want) in [
            (SharedToken::In(Duration::ZERO), "now"),
            (SharedToken::In(SECOND / 2), "wait 500ms"),
            (SharedToken::Late(SECOND * 2), "2 2s"),
        ] {
            assert_eq!(shown(&resume(&limit, Got::Shared(Some(got)))), want);
        }
        assert_eq!(["now", "1 1s"].map(|_| shown(&resume(&limit, Got::Shared(None)))), ["now", "1 1s"]);
    }

    #[test]
    fn one_server_can_be_named() {
        let named = |endpoints: &[&str]| {
            let endpoints = endpoints.iter().map(|text| (*text).to_owned()).collect();
            shared(model::Redis { endpoints, ..model::Redis::default() })
        };
        for (text, host, port) in
            [("redis", "redis", 6379), ("redis:1", "redis", 1), ("[::1]:2", "::1", 2), ("::1", "::1", 6379)]
        {
            let server = named(&[text]).unwrap().shared.unwrap().server;
            assert_eq!((&*server.host, server.port), (host, port), "{text}");
        }
        for wrong in [&[][..], &["a:1", "b:1"], &[""], &[":1"], &["a:0"], &["a:x"], &["redis://a:1"]] {
            assert!(named(wrong).is_err_and(|e| e.starts_with("rateLimit.redis.endpoints")), "{wrong:?}");
        }
        assert!(shared(model::Redis { db: -1, ..model::Redis::default() }).is_err());
    }

    #[test]
    fn shared_sources_are_the_same_everywhere_and_tell_no_header() {
        let by_header = model::SourceCriterion { request_header_name: "x-key".to_owned(), ..Default::default() };
        let limit = RateLimit::compile(
            &model::RateLimit {
                average: 1,
                source_criterion: Some(by_header),
                redis: Some(model::Redis::default()),
                ..model::RateLimit::default()
            },
            &Files::default(),
        );
        let limit = limit.unwrap();
        let mut head = get("/");
        head.headers.append("x-key", HeaderValue::from_static("abc"));
        let source = limit.criterion.shared_source(&head);
        assert_eq!(source, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }

    #[test]
    fn each_source_and_each_router_has_its_own_bucket() {
        let limit = limit(1, SECOND, 1);
        let other = limit.for_router("m@docker", None);
        for (limit, peer, want) in [
            (&limit, "192.0.2.1", "now"),
            (&limit, "192.0.2.1", "1 1s"),
            (&limit, "192.0.2.2", "now"),
            (&limit, "2001:db8::1", "now"),
            (&other, "192.0.2.1", "now"),
        ] {
            assert_eq!(shown(&from(limit, SECOND, peer)), want, "{peer}");
        }
    }

    #[test]
    fn buckets_stay_as_full_as_they_are_over_changes() {
        let before = limit(1, SECOND, 1);
        assert_eq!(shown(&ask(&before, SECOND)), "now");
        let same = before.for_router("m@docker", Some(&before));
        assert_eq!(shown(&ask(&same, SECOND)), "1 1s");
        let wider = limit(1, SECOND, 3).for_router("m@docker", Some(&same));
        assert_eq!(["now", "now", "1 1s"].map(|_| shown(&ask(&wider, SECOND))), ["now", "now", "1 1s"]);
    }

    #[test]
    fn sources_are_bounded_and_those_that_make_no_difference_are_forgotten() {
        let limit = limit(10, SECOND, 5);
        let count = |limit: &RateLimit| {
            limit.buckets.shards.iter().map(|shard| shard.lock().unwrap().buckets.len()).sum::<usize>()
        };
        let address = |n: u32| std::net::Ipv4Addr::from(n).to_string();
        for n in 0..200_000 {
            assert_eq!(shown(&from(&limit, SECOND, &address(n))), "now");
        }
        assert!(count(&limit) <= MAX_SOURCES, "{}", count(&limit));
        assert!(count(&limit) > MAX_SOURCES * 9 / 10, "{}", count(&limit));
        for n in 0..6400 {
            from(&limit, SECOND * 4, &address(n));
        }
        assert!(count(&limit) <= 6400, "{}", count(&limit));
        let entries = limit.buckets.shards.iter().map(|shard| shard.lock().unwrap().order.len()).sum::<usize>();
        assert_eq!(entries, count(&limit), "each once");
    }

    #[test]
    fn options_that_make_no_sense_do_not_compile() {
        let options =
            |average, period, burst| model::RateLimit { average, period, burst, ..model::RateLimit::default() };
        for options in [options(-1, SECOND, 1), options(i64::MAX, SECOND, 1)] {
            let error = RateLimit::compile(&options, &Files::default()).unwrap_err();
            assert!(error.starts_with("rateLimit.average"), "{error}");
        }
        for options in [options(i64::MAX, SECOND * 3_200_000, i64::MAX), options(1, SECOND * 3_200_000_000, i64::MAX)] {
            let compiled = RateLimit::compile(&options, &Files::default());
            if let Ok(limit) = compiled {
                assert_eq!(shown(&ask(&limit, SECOND)), "now");
            }
        }
        assert_eq!(limit(5, Duration::ZERO, 1).rate, limit(5, SECOND, 1).rate, "no period is a second");
    }

    proptest! {
        /// Whatever comes when: no window of time has more requests than a full bucket and what came in it.
        #[test]
        fn no_window_has_more_than_it_may(
            average in 1i64..50, burst in 1i64..10, gaps in prop::collection::vec(0u64..300, 1..120),
        ) {
            let limit = limit(average, SECOND, burst);
            let mut now = SECOND;
            let mut served = Vec::new();
            for gap in gaps {
                now += Duration::from_millis(gap);
                match ask(&limit, now) {
                    Flow::Next => served.push(now),
                    Flow::Need(need) => {
                        let Need::Wait(wait) = *need else { panic!("{need:?}") };
                        prop_assert!(wait <= SECOND / 2);
                        served.push(now + wait);
                    }
                    Flow::Answer(_) => {}
                }
            }
            for (n, from) in served.iter().enumerate() {
                for (m, to) in served.iter().enumerate().skip(n) {
                    let most = burst as f64 + (*to - *from).as_secs_f64() * average as f64;
                    prop_assert!((m - n + 1) as f64 <= most + 1e-6, "{} in {:?}", m - n + 1, *to - *from);
                }
            }
        }
    }
}
