//! What a request on a kept connection asks of the allocator: nothing.
//!
//! Every allocation of a worker's thread is recorded with the calls that led to it, so that a failure names the line to
//! look at.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod counting;
#[allow(dead_code, reason = "shared with the other tests, which use all of it")]
#[path = "../proxy/harness.rs"]
mod harness;

use std::collections::BTreeMap;

use seaway_config::model::{Headers, Middleware};
use seaway_telemetry::metrics::MetricsOptions;
use seaway_testkit::upstream::{Behaviour, Upstream};

use crate::counting::{Allocation, Counting};
use crate::harness::{Setup, World};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Enough that what happens once in a while (a buffer that grows, a table that is rehashed) has happened.
const WARM_UP: usize = 300;
const COUNTED: usize = 40;

/// A head as a browser sends it.
fn browser(method: &str, path: &str, more: &str, body: &str) -> String {
    format!(
        "{method} {path} HTTP/1.1\r\nHost: a.test\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0)\r\n\
         Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\nAccept-Language: en-US,en;q=0.5\r\n\
         Accept-Encoding: gzip, deflate, br, zstd\r\nUpgrade-Insecure-Requests: 1\r\nSec-Fetch-Dest: document\r\n\
         Sec-Fetch-Mode: navigate\r\n{more}\r\n{body}"
    )
}

/// Sends the same request over and over on one connection; what that allocated.
async fn measure(world: &World, request: &str) -> Vec<Allocation> {
    let mut client = world.client().await;
    let mut run = async |n: usize| {
        for _ in 0..n {
            client.send(request).await.unwrap();
            assert_eq!(client.response().await.unwrap().status, 200);
        }
    };
    run(WARM_UP).await;
    Counting::start();
    run(COUNTED).await;
    Counting::stop()
}

fn report(allocations: &[Allocation]) -> String {
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    for allocation in allocations {
        *places.entry(allocation.place()).or_default() += 1;
    }
    let mut places: Vec<_> = places.into_iter().collect();
    places.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
    places.iter().map(|(place, n)| format!("{n} × {place}\n")).collect()
}

async fn allocates_nothing(what: &str, mut setup: Setup, request: &str) {
    // The log's buffers come back from another thread, some day: they have a test of their own.
    setup.log = false;
    allocates_at_most(0, what, setup, request).await;
}

async fn allocates_at_most(most: usize, what: &str, setup: Setup, request: &str) {
    let lines = if setup.log { WARM_UP + COUNTED } else { 0 };
    let world = setup.start().await;
    let all = measure(&world, request).await;
    assert!(all.len() <= most, "{what}: {} allocations in {COUNTED} requests\n{}", all.len(), report(&all));
    world.finish(lines).await;
}

async fn upstreams() -> [Upstream; 2] {
    [Upstream::start("web-1", Behaviour::echo()).await, Upstream::start("web-2", Behaviour::echo()).await]
}

#[tokio::test]
async fn a_request_on_a_kept_connection() {
    let _alone = counting::alone().await;
    let [one, two] = upstreams().await;
    allocates_nothing("GET", Setup::web(&[&one, &two]), &browser("GET", "/a?b=c", "", "")).await;
}

#[tokio::test]
async fn a_session_that_sticks() {
    let _alone = counting::alone().await;
    let [one, two] = upstreams().await;
    let cookie = {
        let world = Setup::sticky(&[&one, &two]).start().await;
        let response = world.get("/").await;
        let cookie = response.field("set-cookie").unwrap().split(';').next().unwrap().to_owned();
        world.finish(1).await;
        cookie
    };
    // A name so long that it would be allocated if anybody made a map of the fields, which nobody needs here.
    let long = "X-A-Name-That-Is-Longer-Than-Those-That-Are-Kept: 1";
    let request = browser("GET", "/a?b=c", &format!("Cookie: theme=dark; {cookie}\r\n{long}\r\n"), "");
    let mut setup = Setup::sticky(&[&one, &two]);
    setup.metrics = Some(MetricsOptions::default());
    allocates_nothing("sticky GET", setup, &request).await;
}

#[tokio::test]
async fn a_request_through_middlewares() {
    let _alone = counting::alone().await;
    let [one, two] = upstreams().await;
    let mut setup = Setup::web(&[&one, &two]);
    let custom_response_headers = [("X-Frame-Options".to_owned(), "DENY".to_owned())].into();
    let custom_request_headers = [("X-In".to_owned(), "1".to_owned())].into();
    setup.middleware(
        "frame",
        Middleware::Headers(Headers { custom_request_headers, custom_response_headers, ..Headers::default() }),
    );
    allocates_nothing("GET through headers", setup, &browser("GET", "/a", "", "")).await;
}

/// A buffer that the writer has not given back when the lane needs one is made anew, and grows a few times.
#[tokio::test]
async fn a_request_with_an_access_log() {
    let _alone = counting::alone().await;
    let [one, two] = upstreams().await;
    let setup = Setup::web(&[&one, &two]);
    allocates_at_most(COUNTED / 2, "GET with a log", setup, &browser("GET", "/a?b=c", "", "")).await;
}
