//! `inFlightReq`: bounds how many requests of one source are served at the same time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::StatusCode;
use seaway_config::model;
use seaway_head::RequestHead;

use crate::protocol::{Context, Memory};
use crate::source::{Criterion, Keys, SourceKey};
use crate::{Answer, Flow};

/// Sources are spread over so many maps, so that workers seldom wait for one another.
const SHARDS: usize = 64;

/// Bounds how many requests of one source are served at the same time.
#[derive(Clone, Debug)]
pub struct InFlightReq {
    amount: u32,
    criterion: Criterion,
    counts: Arc<Counts>,
}

/// Requests in flight by source. A source without any is not there, so there are never more than requests.
#[derive(Debug)]
struct Counts {
    keys: Keys,
    shards: Box<[Mutex<HashMap<SourceKey, u32>>]>,
}

/// One request that is counted; it is no longer when this is dropped, however that comes about.
struct Counted {
    counts: Arc<Counts>,
    source: SourceKey,
}

impl InFlightReq {
    pub(crate) fn compile(options: &model::InFlightReq) -> Result<Self, String> {
        let amount = u32::try_from(options.amount).ok().filter(|amount| *amount > 0).ok_or_else(|| {
            format!("inFlightReq.amount is {}; with less than 1 no request would ever be served", options.amount)
        })?;
        let criterion =
            Criterion::compile("inFlightReq.sourceCriterion", options.source_criterion.as_ref(), Criterion::Host)?;
        Ok(Self { amount, criterion, counts: Arc::default() })
    }

    /// Requests that are in flight stay counted over a change of the options: each leaves where it entered.
    pub(crate) fn for_router(&self, before: Option<&Self>) -> Self {
        let counts = before.map_or_else(Arc::default, |before| Arc::clone(&before.counts));
        Self { counts, ..self.clone() }
    }

    pub(crate) fn on_request(&self, head: &RequestHead, cx: &mut Context<'_>) -> Flow {
        let source = self.criterion.source(head, &self.counts.keys);
        {
            let mut shard = self.counts.shard(source);
            let count = shard.entry(source).or_insert(0);
            if *count >= self.amount {
                let mut answer = Answer::text(StatusCode::TOO_MANY_REQUESTS, "inFlightReq");
                answer.body = format!("max connections reached: {}", self.amount).into();
                return Flow::answer(answer);
            }
            *count += 1;
        }
        cx.memory.put(Counted { counts: Arc::clone(&self.counts), source });
        Flow::Next
    }

    pub(crate) fn on_end(&self, memory: &mut Memory) {
        drop(memory.take::<Counted>());
    }
}

impl Counts {
    fn shard(&self, source: SourceKey) -> MutexGuard<'_, HashMap<SourceKey, u32>> {
        let at = source.shard(self.shards.len());
        #[expect(clippy::indexing_slicing, reason = "the remainder of their number")]
        self.shards[at].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Counts {
    fn default() -> Self {
        Self { keys: Keys::default(), shards: (0..SHARDS).map(|_| Mutex::default()).collect() }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut shard = self.counts.shard(self.source);
        if let Some(count) = shard.get_mut(&self.source) {
            *count -= 1;
            if *count == 0 {
                shard.remove(&self.source);
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::testing::{Desk, get, to};

    fn limit(amount: i64) -> InFlightReq {
        InFlightReq::compile(&model::InFlightReq { amount, source_criterion: None }).unwrap().for_router(None)
    }

    fn enters(limit: &InFlightReq, head: &RequestHead, desk: &mut Desk) -> bool {
        matches!(limit.on_request(head, &mut desk.cx()), Flow::Next)
    }

    #[test]
    fn so_many_at_the_same_time_for_each_host() {
        let limit = limit(2);
        let (a, b) = (to("a.example", "/"), to("b.example", "/"));
        let mut desks: [Desk; 5] = Default::default();
        let [one, two, three, other, again] = &mut desks;
        assert!(enters(&limit, &a, one));
        assert!(enters(&limit, &a, two));
        assert!(!enters(&limit, &a, three));
        assert!(enters(&limit, &b, other), "another source");
        limit.on_end(&mut one.memory);
        limit.on_end(&mut one.memory);
        assert!(enters(&limit, &a, again), "one has left");
        assert!(!enters(&limit, &a, three), "and only one, however often it says so");
    }

    #[test]
    fn a_request_that_vanishes_is_counted_no_longer() {
        let limit = limit(1);
        let mut desk = Desk::default();
        assert!(enters(&limit, &get("/"), &mut desk));
        drop(desk);
        assert!(enters(&limit, &get("/"), &mut Desk::default()));
        assert!(limit.counts.shards.iter().all(|shard| shard.lock().unwrap().is_empty()), "nothing is left of either");
    }

    #[test]
    fn who_is_one_too_many_is_told_how_many_there_may_be() {
        let limit = limit(1);
        let mut first = Desk::default();
        assert!(enters(&limit, &get("/"), &mut first));
        let mut second = Desk::default();
        let Flow::Answer(answer) = limit.on_request(&get("/"), &mut second.cx()) else { panic!("let in") };
        assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(answer.body, "max connections reached: 1");
        drop(second);
        assert!(!enters(&limit, &get("/"), &mut Desk::default()), "a refusal gives no place free");
    }

    #[test]
    fn requests_stay_counted_over_a_change_and_routers_apart() {
        let before = limit(1);
        let mut running = Desk::default();
        assert!(enters(&before, &get("/"), &mut running));
        let wider = InFlightReq::compile(&model::InFlightReq { amount: 2, source_criterion: None }).unwrap();
        let (after, other) = (wider.for_router(Some(&before)), wider.for_router(None));
        let mut desks: [Desk; 3] = Default::default();
        let [a, b, c] = &mut desks;
        assert!(enters(&after, &get("/"), a));
        assert!(!enters(&after, &get("/"), b));
        assert!(enters(&other, &get("/"), c), "another router's");
        before.on_end(&mut running.memory);
        assert!(enters(&after, &get("/"), b));
    }

    #[test]
    fn options_that_serve_nobody_do_not_compile() {
        for amount in [0, -1, i64::MAX] {
            let error = InFlightReq::compile(&model::InFlightReq { amount, source_criterion: None }).unwrap_err();
            assert!(error.starts_with("inFlightReq.amount"), "{error}");
        }
        let both = model::SourceCriterion {
            request_host: true,
            request_header_name: "X-Who".to_owned(),
            ..Default::default()
        };
        let options = model::InFlightReq { amount: 1, source_criterion: Some(both) };
        assert!(InFlightReq::compile(&options).unwrap_err().starts_with("inFlightReq.sourceCriterion"));
    }
}
