//! Request bodies: framing, streaming, expectations, and what a client does wrong with them.

use std::time::Duration;

use seaway_testkit::upstream::{Behaviour, Step, Upstream};

use crate::harness::{SHORT, Setup, get, post};

const CHUNKED: &str = "POST /up HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n";

#[tokio::test]
async fn lengths_and_chunks_keep_their_framing() {
    let web = Upstream::start("web-1", Behaviour::echo()).await;
    let world = Setup::web(&[&web]).start().await;
    let mut client = world.client().await;
    for method in ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "GET", "PROPFIND"] {
        client.send(format!("{method} / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\nhello")).await.unwrap();
        assert!(client.response().await.unwrap().text().ends_with("\r\n\r\nhello"), "{method} with a length");
        client
            .send(format!(
                "{method} / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n\
                 3;x=y\r\nhel\r\n2\r\nlo\r\n0\r\nX-Trailer: 1\r\nContent-Length: 7\r\n\r\n"
            ))
            .await
            .unwrap();
        assert!(client.response().await.unwrap().text().ends_with("\r\n\r\nhello"), "{method} in chunks");
    }
    let log = web.log();
    for (n, request) in log.requests.iter().enumerate() {
        let framing = (request.all("content-length"), request.all("transfer-encoding"));
        let want = if n % 2 == 0 { (vec!["5"], vec![]) } else { (vec![], vec!["chunked"]) };
        assert_eq!(framing, want, "{}", request.head_text());
        assert!(request.trailers.is_empty(), "request trailers are dropped");
    }
    drop(client);
    let lines = world.finish(14).await;
    assert!(lines.iter().all(|l| l.number("RequestContentSize") == 5));
}

#[tokio::test]
async fn a_post_without_a_body_stays_one() {
    let web = Upstream::start("web-1", Behaviour::echo()).await;
    let world = Setup::web(&[&web]).start().await;
    let text = world.exchange(post("/", "")).await.text();
    assert!(text.contains("content-length: 0\r\n") && !text.contains("transfer-encoding"), "{text:?}");
    let text = world.exchange("GET / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 0\r\n\r\n").await.text();
    assert!(!text.contains("content-length"), "{text:?}");
    world.finish(2).await;
}

#[tokio::test]
async fn bodies_are_streamed_both_ways() {
    // The upstream answers each half as it comes; neither side could go on if anything were held back.
    let web = Upstream::start(
        "web-1",
        Behaviour::steps([
            Step::ReadHead,
            Step::Write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n".to_vec()),
            Step::ReadBody,
            Step::Write(b"3\r\ntwo\r\n0\r\n\r\n".to_vec()),
        ]),
    )
    .await;
    let world = Setup::web(&[&web]).start().await;
    let mut client = world.client().await;
    for method in ["POST", "GET"] {
        client.send(format!("{method}{}5\r\nhello\r\n", CHUNKED.strip_prefix("POST").unwrap())).await.unwrap();
        client.until("3\r\none\r\n").await.unwrap();
        web.wait_for("the first half", |log| log.connections.iter().any(|c| c.bytes.ends_with(b"5\r\nhello\r\n")))
            .await;
        client.send("6\r\n world\r\n0\r\n\r\n").await.unwrap();
        client.until("3\r\ntwo\r\n0\r\n\r\n").await.unwrap();
    }
    for request in web.log().requests {
        assert_eq!((request.body.as_slice(), request.complete), (&b"hello world"[..], true));
    }
    drop(client);
    world.finish(2).await;
}

#[tokio::test]
async fn a_large_upload_and_a_large_download() {
    let web = Upstream::start("web-1", Behaviour::echo()).await;
    let world = Setup::web(&[&web]).start().await;
    let body = "0123456789abcdef".repeat(256 * 1024);
    let mut client = world.client().await;
    let sent = post("/", &body);
    client.send(&sent).await.unwrap();
    let response = client.response().await.unwrap();
    assert!(response.complete && response.body.ends_with(body.as_bytes()));
    drop(client);
    let lines = world.finish(1).await;
    assert_eq!(lines[0].number("RequestContentSize"), body.len() as u64);
    assert!(lines[0].number("DownstreamContentSize") > body.len() as u64);
}

#[tokio::test]
async fn a_client_that_does_not_read_holds_the_server_back() {
    // More than all the buffers of the kernel on the way; without a bound of its own the proxy would take all of it.
    let size = 64 << 20;
    let mut response = format!("HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n").into_bytes();
    response.resize(response.len() + size, b'x');
    let web = Upstream::start("web-1", Behaviour::steps([Step::ReadHead, Step::Write(response), Step::Close])).await;
    let world = Setup::web(&[&web]).start().await;
    let mut client = world.client().await;
    // The second request is there already; it must not switch the bound off.
    client.send(get("/1") + &get("/2")).await.unwrap();
    client.head().await.unwrap();
    web.set(Behaviour::echo());
    tokio::time::sleep(SHORT).await;
    assert!(!web.log().connections[0].closed, "the server got rid of everything while the client read nothing");
    client.bytes(size).await.unwrap();
    assert_eq!(client.response().await.unwrap().status, 200);
    assert!(web.log().connections[0].closed);
    drop(client);
    world.finish(2).await;
}

#[tokio::test]
async fn continue_is_said_once_and_the_expectation_goes_no_further() {
    let web = Upstream::start("web-1", Behaviour::echo()).await;
    let world = Setup::web(&[&web]).start().await;
    let head = "POST / HTTP/1.1\r\nHost: a.test\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n";
    let mut client = world.client().await;
    // Withheld until we say so.
    client.send(head).await.unwrap();
    assert_eq!(client.head().await.unwrap().status, 100);
    client.send("hello").await.unwrap();
    assert_eq!(client.head().await.unwrap().status, 200);
    client.until("\r\n\r\nhello").await.unwrap();
    // Sent along with the head.
    client.send(format!("{head}hello")).await.unwrap();
    assert!(client.response().await.unwrap().text().ends_with("hello"));
    // Nothing to continue with.
    client.send(head.replace('5', "0")).await.unwrap();
    assert_eq!(client.head().await.unwrap().status, 200);
    drop(client);
    // HTTP/1.0 knows no such thing.
    let response = world.exchange(format!("{}hello", head.replace("1.1", "1.0"))).await;
    assert_eq!(response.status, 200);
    assert!(web.log().requests.iter().all(|r| r.all("expect").is_empty()));
    world.finish(4).await;
}

#[tokio::test]
async fn an_upstream_that_says_continue_is_not_heard_twice() {
    let web = Upstream::start("web-1", Behaviour::continues()).await;
    let world = Setup::web(&[&web]).start().await;
    let mut client = world.client().await;
    client.send("POST / HTTP/1.1\r\nHost: a.test\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n").await.unwrap();
    assert_eq!(client.head().await.unwrap().status, 100);
    client.send("hello").await.unwrap();
    assert_eq!(client.head().await.unwrap().status, 200);
    drop(client);
    world.finish(1).await;
}

#[tokio::test]
async fn an_early_refusal_reaches_a_client_that_waits_for_continue() {
    let web = Upstream::start("web-1", Behaviour::early_response()).await;
    let world = Setup::web(&[&web]).start().await;
    let mut client = world.client().await;
    client
        .send("POST / HTTP/1.1\r\nHost: a.test\r\nExpect: 100-continue\r\nContent-Length: 5000000\r\n\r\n")
        .await
        .unwrap();
    let response = client.response().await.unwrap();
    assert_eq!((response.status, response.text().as_str()), (413, "large"));
    drop(client);
    world.finish(1).await;
}

#[tokio::test]
async fn an_early_refusal_during_an_upload_arrives_whole() {
    let web = Upstream::start("web-1", Behaviour::early_response()).await;
    let world = Setup::web(&[&web]).start().await;
    for n in 0..30 {
        let mut client = world.client().await;
        client.send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 8000000\r\n\r\n").await.unwrap();
        // The write fails at some time, once the proxy has ended the connection.
        for _ in 0..4 {
            drop(client.send(vec![b'x'; 50_000]).await);
        }
        let response = client.response().await.unwrap();
        assert_eq!((response.status, response.text().as_str(), response.complete), (413, "large", true), "{n}");
    }
    let lines = world.finish(30).await;
    assert!(lines.iter().all(|l| l.status() == 413));
}

#[tokio::test]
async fn an_early_answer_does_not_end_the_upload() {
    let web = Upstream::start("web-1", Behaviour::early_response_then_reads()).await;
    let mut setup = Setup::web(&[&web]);
    // The upload goes on for longer than a head may take.
    setup.times.head = SHORT;
    let world = setup.start().await;
    let mut client = world.client().await;
    client.send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 8\r\n\r\n").await.unwrap();
    assert_eq!(client.response().await.unwrap().text(), "early");
    for piece in ["a", "b", "c", "d", "e", "f", "g", "h"] {
        tokio::time::sleep(SHORT / 2).await;
        client.send(piece).await.unwrap();
    }
    let log = web.wait_for("the upload", |log| log.requests.first().is_some_and(|r| r.complete)).await;
    assert_eq!(log.requests[0].body, b"abcdefgh");
    client.send(get("/next")).await.unwrap();
    assert_eq!(client.response().await.unwrap().status, 200);
    drop(client);
    world.finish(2).await;
}

#[tokio::test]
async fn a_bad_chunk_is_the_clients_fault() {
    let web = Upstream::start("web-1", Behaviour::echo()).await;
    let world = Setup::web(&[&web]).start().await;
    let mut requests = 0;
    let extension = format!("1;{}\r\n", "x".repeat(64 * 1024));
    let many = format!("1;{}\r\nx\r\n", "y".repeat(100)).repeat(2000);
    for chunk in [
        "0x3\r\nabc\r\n",
        "+3\r\nabc\r\n",
        "-1\r\nabc\r\n",
        " 3\r\nabc\r\n",
        "\r\nabc\r\n",
        "G\r\nabc\r\n",
        "10000000000000000\r\nabc\r\n",
        "10000000000000003\r\nabc\r\n",
        "3\nabc\r\n",
        "3;\nabc\r\n",
        "3\r\nabc\n0\r\n\r\n",
        "0\n\n",
        "3;a\rb\r\nabc\r\n",
        "3\r\nabcdef\r\n0\r\n\r\n",
        &extension,
        &many,
    ] {
        for before in ["", "3\r\nabc\r\n"] {
            let shown = chunk.get(..chunk.len().min(40)).unwrap();
            let mut client = world.client().await;
            client.send(format!("{CHUNKED}{before}")).await.unwrap();
            if !before.is_empty() {
                // The server has the first part before the second goes wrong.
                let n = web.log().requests.len();
                web.wait_for("the request", |log| log.requests.len() > n.saturating_sub(1)).await;
            }
            drop(client.send(format!("{chunk}GET /smuggled HTTP/1.1\r\nHost: a.test\r\n\r\n")).await);
            let response = client.response().await.unwrap();
            assert_eq!((response.status, response.field("connection")), (400, Some("close")), "{shown:?}");
            assert!(client.to_close().await.unwrap_or_default().is_empty(), "{shown:?}");
            requests += 1;
        }
    }
    assert!(world.state(1).is_ready(), "never held against the server");
    // Whatever reached it was broken off, not brought to an end.
    let log = web.wait_for("the ends", |log| log.connections.iter().all(|c| c.closed)).await;
    assert!(log.requests.iter().all(|r| !r.complete && r.start().starts_with("POST /up ")), "{log:#?}");
    let lines = world.finish(requests).await;
    assert!(lines.iter().all(|l| l.status() == 400 && l.error() == "bad_request_body" && !l.lost()), "{lines:#?}");
}

#[tokio::test]
async fn a_client_that_leaves_in_its_body() {
    let web = Upstream::start("web-1", Behaviour::echo()).await;
    let world = Setup::web(&[&web]).start().await;
    let length = "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 10\r\n\r\nhello".to_owned();
    let cuts = [length, format!("{CHUNKED}5\r\nhel"), format!("{CHUNKED}5"), format!("{CHUNKED}5\r\nhello\r\n0\r\n")];
    for (n, bytes) in cuts.iter().enumerate() {
        for reset in [false, true] {
            let mut client = world.client().await;
            client.send(bytes).await.unwrap();
            let seen = 2 * n + usize::from(reset) + 1;
            web.wait_for("the request", |log| log.requests.len() == seen).await;
            if reset {
                client.reset().unwrap();
            } else {
                client.finish().await.unwrap();
                assert!(client.to_close().await.unwrap_or_default().is_empty(), "nobody is answered");
            }
        }
    }
    let log = web.wait_for("the ends", |log| log.connections.iter().all(|c| c.closed)).await;
    assert!(log.requests.iter().all(|r| !r.complete), "{log:#?}");
    assert!(world.state(1).is_ready());
    let lines = world.finish(2 * cuts.len()).await;
    assert!(lines.iter().all(|l| (l.status(), l.error(), l.lost()) == (499, "client_gone", false)), "{lines:#?}");
}

/// Its end arrives together with its request, as a rule before anybody has looked at that.
#[tokio::test]
async fn a_client_that_leaves_at_once_is_in_the_log() {
    let web = Upstream::start("web-1", Behaviour::held()).await;
    let world = Setup::web(&[&web]).start().await;
    for _ in 0..50 {
        let mut client = world.client().await;
        client.send(get("/")).await.unwrap();
        drop(client);
    }
    let lines = world.finish(50).await;
    assert!(lines.iter().all(|l| (l.status(), l.error(), l.lost()) == (499, "client_gone", false)), "{lines:#?}");
}

#[tokio::test]
async fn a_client_that_leaves_while_it_waits() {
    let web = Upstream::start("web-1", Behaviour::held()).await;
    let world = Setup::web(&[&web]).start().await;
    for reset in [false, true] {
        let mut client = world.client().await;
        client.send(get("/")).await.unwrap();
        web.wait_for("the request", |log| log.requests.len() == 1 + usize::from(reset)).await;
        assert_eq!(world.in_flight(), 1);
        if reset {
            client.reset().unwrap();
        } else {
            drop(client);
        }
        web.release();
        web.wait_for("the abort", |log| log.connections.iter().all(|c| c.closed)).await;
    }
    assert!(world.state(1).is_ready());
    let lines = world.finish(2).await;
    assert!(lines.iter().all(|l| (l.status(), l.error()) == (499, "client_gone")), "{lines:#?}");
}

#[tokio::test]
async fn an_answer_of_ours_never_takes_a_body_for_a_request() {
    let web = Upstream::start("web-1", Behaviour::echo()).await;
    let mut setup = Setup::web(&[&web]);
    let router = setup.config.routers.values_mut().next().unwrap();
    router.value.rule = "Host(`other.test`)".to_owned();
    let world = setup.start().await;
    let smuggled = "GET /smuggled HTTP/1.1\r\nHost: other.test\r\n\r\n";
    for length in [smuggled.len(), 100_000] {
        let mut client = world.client().await;
        client
            .send(format!("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: {length}\r\n\r\n{smuggled}"))
            .await
            .unwrap();
        let response = client.response().await.unwrap();
        assert_eq!((response.status, response.field("connection")), (404, Some("close")));
        assert!(client.to_close().await.unwrap_or_default().is_empty());
    }
    assert!(web.log().connections.is_empty());
    world.finish(2).await;
}

/// A client that reads nothing before it has sent everything, as most do, reads the answer all the same.
#[tokio::test]
async fn an_answer_of_ours_arrives_although_nobody_wants_the_body() {
    let web = Upstream::start("web-1", Behaviour::echo()).await;
    let mut setup = Setup::web(&[&web]);
    let router = setup.config.routers.values_mut().next().unwrap();
    router.value.rule = "Host(`other.test`)".to_owned();
    setup.times.linger = Duration::from_secs(10);
    let world = setup.start().await;
    let mut client = world.client().await;
    client.send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 2000000\r\n\r\n").await.unwrap();
    for _ in 0..40 {
        client.send(vec![b'x'; 50_000]).await.unwrap();
        // What is sent to a connection that was reset fails only with the next piece.
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(client.response().await.unwrap().status, 404);
    assert!(client.to_close().await.unwrap().is_empty());
    drop(client);
    world.finish(1).await;
}
