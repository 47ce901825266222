//! What is sent again, and what never is.

use std::collections::HashMap;

use seaway_testkit::raw::RawClient;
use seaway_testkit::upstream::{Behaviour, Step, Upstream};

use crate::harness::{Setup, add_router, get, post, request, until};

fn put(path: &str, body: &str) -> String {
    post(path, body).replacen("POST", "PUT", 1)
}

#[tokio::test]
async fn a_refused_connection_is_everybodys_second_chance() {
    let (dead, live) =
        (Upstream::refusing("web-1", Behaviour::echo()).await, Upstream::start("web-2", Behaviour::echo()).await);
    for sent in [
        get("/"),
        post("/", "body"),
        put("/", "body"),
        request("PATCH", "/"),
        request("LOCK", "/"),
        "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n".to_owned(),
        post("/", &"x".repeat(300_000)),
    ] {
        let world = Setup::web(&[&dead, &live]).start().await;
        // Whichever it is sent to first, it is answered, and the dead one is asked once.
        for _ in 0..4 {
            let response = world.exchange(&sent).await;
            assert_eq!((response.status, response.field("x-upstream")), (200, Some("web-2")));
        }
        assert!(!world.state(1).is_ready() && world.state(2).is_ready());
        let lines = world.finish(4).await;
        assert_eq!(lines.iter().map(|l| l.retries()).sum::<u64>(), 1);
        assert!(lines.iter().all(|l| l.text("ServerName") == "web-2" && l.error().is_empty() && !l.lost()));
    }
}

#[tokio::test]
async fn an_end_before_the_response_is_the_idempotent_ones() {
    for behaviour in [
        Behaviour::close_after_head(),
        Behaviour::reset_after_head(),
        Behaviour::close_after_request(),
        Behaviour::steps([Step::ReadHead, Step::ReadBody, Step::Reset]),
    ] {
        let bad = Upstream::start("web-1", behaviour).await;
        let good = Upstream::start("web-2", Behaviour::echo()).await;
        let world = Setup::web(&[&bad, &good]).start().await;
        let mut requests = 0;
        for sent in [
            get("/"),
            request("OPTIONS", "/"),
            request("DELETE", "/"),
            put("/", "body"),
            put("/", "body")
                .replace("Content-Length: 4\r\n\r\nbody", "Transfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n"),
        ] {
            for _ in 0..2 {
                let response = world.exchange(&sent).await;
                assert_eq!((response.status, response.field("x-upstream")), (200, Some("web-2")), "{sent:?}");
                assert_eq!(response.text().ends_with("body"), sent.contains("body"), "{sent:?}");
                requests += 1;
            }
        }
        let before = bad.log().requests.len();
        assert!(before >= requests / 2, "every other one, or more, went there first");
        // The others are sent once and no more.
        for sent in [post("/", "body"), request("PATCH", "/"), request("LOCK", "/")] {
            let statuses = [world.exchange(&sent).await.status, world.exchange(&sent).await.status];
            assert!(statuses == [200, 502] || statuses == [502, 200], "{statuses:?}");
            requests += 2;
        }
        assert_eq!(bad.log().requests.len(), before + 3);
        let lines = world.finish(requests).await;
        assert_eq!(lines.iter().filter(|l| l.lost()).count(), 3, "each lost one is named");
        assert!(lines.iter().all(|l| l.lost() == (l.status() == 502)));
    }
}

#[tokio::test]
async fn once_and_not_twice() {
    let upstreams = [
        Upstream::start("web-1", Behaviour::close_after_head()).await,
        Upstream::start("web-2", Behaviour::close_after_head()).await,
        Upstream::start("web-3", Behaviour::echo()).await,
    ];
    let world = Setup::web(&upstreams.each_ref()).start().await;
    let mut statuses = Vec::new();
    for _ in 0..3 {
        statuses.push(world.get("/").await.status);
    }
    assert!(statuses.contains(&502), "{statuses:?}");
    let sent: usize = upstreams.iter().map(|u| u.log().requests.len()).sum();
    let lines = world.finish(3).await;
    assert!(lines.iter().all(|l| l.retries() <= 1));
    assert_eq!(sent as u64, 3 + lines.iter().map(|l| l.retries()).sum::<u64>());
}

#[tokio::test]
async fn a_body_is_replayed_while_it_is_small() {
    let bad = Upstream::start("web-1", Behaviour::close_after_request()).await;
    let good = Upstream::start("web-2", Behaviour::echo()).await;
    for (size, replayed) in [(64 * 1024, true), (64 * 1024 + 1, false), (1 << 20, false)] {
        let world = Setup::web(&[&bad, &good]).start().await;
        let body = "0123456789abcdef".repeat(size / 16 + 1);
        let body = &body[..size];
        let mut outcomes = Vec::new();
        for _ in 0..2 {
            let response = world.exchange(put("/", body)).await;
            assert!(response.status == 502 || response.text().ends_with(body));
            outcomes.push(response.status);
        }
        outcomes.sort_unstable();
        assert_eq!(outcomes, if replayed { [200, 200] } else { [200, 502] }, "{size}");
        let lines = world.finish(2).await;
        assert_eq!(lines.iter().any(|l| l.lost()), !replayed);
        assert!(lines.iter().all(|l| l.number("RequestContentSize") == size as u64), "counted once");
    }
}

/// The server goes while the client is still sending: what has come is sent once more, and what comes follows it.
#[tokio::test]
async fn a_body_goes_on_where_its_repetition_is() {
    let good = Upstream::start("web-2", Behaviour::echo()).await;
    let (first, second) = ("0123456789".repeat(3000) + "!", "abcdefghij".repeat(9000));
    let length = first.len() + second.len();
    let chunk = |data: &str| format!("{:x}\r\n{data}\r\n", data.len());
    for (head, first_sent, second_sent) in [
        (format!("Content-Length: {length}"), first.clone(), second.clone()),
        ("Transfer-Encoding: chunked".to_owned(), chunk(&first), chunk(&second) + "0\r\n\r\n"),
    ] {
        let bad = Upstream::start("web-1", Behaviour::steps([Step::ReadHead, Step::Hold, Step::Reset])).await;
        let world = Setup::web(&[&bad, &good]).start().await;
        let seen = || good.log().connections.iter().flat_map(|c| c.bytes.clone()).filter(|byte| *byte == b'!').count();
        // At least one of the two goes to the bad one first.
        for _ in 0..2 {
            let before = seen();
            let mut client = world.client().await;
            client.send(format!("PUT / HTTP/1.1\r\nHost: a.test\r\n{head}\r\n\r\n{first_sent}")).await.unwrap();
            until("the first part", || {
                bad.release();
                seen() > before
            })
            .await;
            client.send(&second_sent).await.unwrap();
            let response = client.response().await.unwrap();
            assert_eq!(response.status, 200);
            assert!(response.text().ends_with(&format!("\r\n\r\n{first}{second}")), "{head}");
        }
        let lines = world.finish(2).await;
        assert!(lines.iter().any(|l| l.retries() == 1));
        assert!(lines.iter().all(|l| l.number("RequestContentSize") == length as u64 && !l.lost()));
    }
}

#[tokio::test]
async fn repetitions_have_a_budget() {
    let bad = Upstream::start("web-1", Behaviour::close_after_head()).await;
    let good = Upstream::start("web-2", Behaviour::echo()).await;
    let world = Setup::web(&[&bad, &good]).start().await;
    let mut client = world.client().await;
    let mut failed = 0;
    for _ in 0..200 {
        client.send(get("/")).await.unwrap();
        failed += u32::from(client.response().await.unwrap().status == 502);
    }
    drop(client);
    let lines = world.finish(200).await;
    let repeated = lines.iter().filter(|l| l.retries() > 0).count();
    // Fifty in any case, and a fifth of what was asked.
    assert!((50..=90).contains(&repeated) && failed > 0, "{repeated} repeated, {failed} failed");
}

/// A connection that the server has closed meanwhile is nobody's loss, whatever the method.
#[tokio::test]
async fn a_pooled_connection_that_has_gone() {
    let web = Upstream::start("web-1", Behaviour::echo()).await;
    let mut setup = Setup::web(&[&web]);
    add_router(&mut setup.config, "block", "PathPrefix(`/block`)", "api@internal");
    let world = setup.start().await;
    let mut requests = 0;
    for round in 0..5 {
        for sent in [get("/"), post("/", "body"), put("/", "body"), request("LOCK", "/")] {
            assert_eq!(world.exchange(&sent).await.status, 200);
            // While the worker stands still the server closes its connections and the next request arrives: the proxy
            // meets both at once, and may see either first.
            let mut blocked = world.client().await;
            blocked.send(get("/block")).await.unwrap();
            world.gate.closed().await;
            web.close_connections();
            web.wait_for("the close", |log| log.connections.iter().all(|c| c.closed)).await;
            let mut clients: Vec<RawClient> = Vec::new();
            for _ in 0..3 {
                let mut client = world.client().await;
                client.send(&sent).await.unwrap();
                clients.push(client);
            }
            world.gate.open();
            for client in &mut clients {
                let response = client.response().await.unwrap();
                assert_eq!(response.status, 200, "round {round}: {sent:?}");
            }
            assert_eq!(blocked.response().await.unwrap().status, 200);
            requests += 5;
        }
    }
    assert!(world.state(1).is_ready());
    let log = web.log();
    assert_eq!(log.requests.len(), 5 * 4 * 4, "each came once");
    let lines = world.finish(requests).await;
    assert!(lines.iter().all(|l| !l.lost() && l.status() == 200));
}

/// The server closes while requests are on their way: whatever happens to a POST, it is never done twice, and one that
/// is reported as failed is named.
#[tokio::test]
async fn a_race_against_closing() {
    let web = Upstream::start("web-1", Behaviour::closes_idle()).await;
    let world = Setup::web(&[&web]).start().await;
    let mut client = world.client().await;
    let (mut good, mut bad) = (0, 0);
    for n in 0..300 {
        client.send(post(&format!("/{n}"), "body")).await.unwrap();
        match client.response().await.unwrap().status {
            200 => good += 1,
            502 => bad += 1,
            other => panic!("{other}"),
        }
    }
    drop(client);
    let mut seen: HashMap<String, usize> = HashMap::new();
    for request in web.log().requests {
        *seen.entry(request.start()).or_default() += 1;
    }
    assert!(seen.values().all(|n| *n == 1), "done twice: {seen:?}");
    assert!(good > 250, "{good} of 300");
    let lines = world.finish(300).await;
    assert_eq!(lines.iter().filter(|l| l.lost()).count(), bad);
}

#[tokio::test]
async fn a_client_that_leaves_takes_its_repetition_along() {
    let (first, second) =
        (Upstream::start("web-1", Behaviour::held()).await, Upstream::start("web-2", Behaviour::held()).await);
    let world = Setup::web(&[&first, &second]).start().await;
    let mut client = world.client().await;
    client.send(get("/")).await.unwrap();
    until("the request", || world.in_flight() == 1).await;
    until("the head", || first.log().requests.len() + second.log().requests.len() == 1).await;
    drop(client);
    until("the abort", || world.in_flight() == 0).await;
    assert_eq!(first.log().requests.len() + second.log().requests.len(), 1);
    world.finish(1).await;
}
