//! Middlewares that wait, repeat, replace or change: over real sockets, with clients that leave and servers that fail.

use std::io::Read;
use std::time::Duration;

use flate2::read::MultiGzDecoder;
use seaway_config::model::{Buffering, CircuitBreaker, Compress, Errors, Middleware, Retry};
use seaway_testkit::upstream::{Behaviour, Step, Upstream};

use crate::harness::{Setup, add_service, get, post, request, server, until};

fn retry(attempts: i64, status: &[&str]) -> Middleware {
    let status = status.iter().map(|s| (*s).to_owned()).collect();
    Middleware::Retry(Retry { attempts, status, ..Retry::default() })
}

fn buffering(request: i64, response: i64) -> Middleware {
    Middleware::Buffering(Buffering {
        max_request_body_bytes: request,
        max_response_body_bytes: response,
        ..Buffering::default()
    })
}

fn chunked(method: &str, body: &str) -> String {
    format!(
        "{method} / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n",
        body.len()
    )
}

#[tokio::test]
async fn a_status_that_is_tried_again_goes_to_the_next_server_body_and_all() {
    let bad = Upstream::start("web-1", Behaviour::answer(503, "bad")).await;
    let good = Upstream::start("web-2", Behaviour::echo()).await;
    let mut setup = Setup::web(&[&bad, &good]);
    setup.middleware("retry", retry(2, &["503"]));
    let world = setup.start().await;
    for _ in 0..2 {
        assert_eq!(world.get("/").await.status, 200);
        let response = world.exchange("PUT / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 4\r\n\r\nbody").await;
        assert!(response.status == 200 && response.text().ends_with("\r\n\r\nbody"), "{}", response.text());
        let response = world.exchange(chunked("PUT", "pieces")).await;
        assert!(response.status == 200 && response.text().ends_with("\r\n\r\npieces"), "{}", response.text());
    }
    // Nothing is done twice that may not be.
    let before = bad.log().requests.len() + good.log().requests.len();
    for n in 0..4 {
        world.exchange(post("/", "once")).await;
        assert_eq!(bad.log().requests.len() + good.log().requests.len(), before + n + 1);
    }
    assert!(bad.log().requests.len() >= 5, "it was tried first every second time");
    world.finish(10).await;
}

#[tokio::test]
async fn what_reached_nobody_is_tried_again_whatever_it_is() {
    let mut web = Upstream::refusing("web-1", Behaviour::echo()).await;
    let mut setup = Setup::web(&[&web]);
    setup.prober = true;
    let initial_interval = Duration::from_millis(30);
    setup.middleware("retry", Middleware::Retry(Retry { attempts: 1000, initial_interval, ..Retry::default() }));
    let world = setup.start().await;
    let mut client = world.client().await;
    client.send(post("/", "body")).await.unwrap();
    until("the first try has failed", || !world.state(1).is_ready()).await;
    web.listen();
    until("its port is seen to accept", || world.state(1).is_ready()).await;
    assert!(client.response().await.unwrap().text().ends_with("\r\n\r\nbody"));
    assert_eq!(web.log().requests.len(), 1);
    drop(client);
    world.finish(1).await;
}

#[tokio::test]
async fn a_client_that_leaves_between_tries_ends_them() {
    let bad = Upstream::start("web-1", Behaviour::answer(503, "bad")).await;
    let mut setup = Setup::web(&[&bad]);
    let pause = Duration::from_secs(600);
    setup.middleware(
        "retry",
        Middleware::Retry(Retry {
            attempts: 5,
            status: vec!["503".to_owned()],
            initial_interval: pause,
            ..Retry::default()
        }),
    );
    let world = setup.start().await;
    let mut client = world.client().await;
    client.send(get("/")).await.unwrap();
    bad.wait_for("the first try", |log| log.requests.len() == 1).await;
    drop(client);
    let lines = world.finish(1).await;
    assert_eq!((lines[0].status(), lines[0].error()), (499, "client_gone"));
}

#[tokio::test]
async fn bodies_are_bounded_before_anything_is_sent() {
    let web = Upstream::start("web-1", Behaviour::echo()).await;
    let mut setup = Setup::web(&[&web]);
    setup.middleware("buffering", buffering(200_000, 0));
    let world = setup.start().await;
    let (fits, too_long) = ("x".repeat(200_000), "x".repeat(200_001));
    for bytes in [post("/", &too_long), chunked("POST", &too_long)] {
        let mut client = world.client().await;
        // It is answered before it has sent all of it.
        let _sent = client.send(&bytes).await;
        let response = client.response().await.unwrap();
        assert_eq!((response.status, response.text().as_str()), (413, "Request Entity Too Large"));
        // What was said to come and is not read would be taken for the next request.
        assert!(response.field("connection") == Some("close") || bytes.contains("chunked"));
    }
    assert!(web.log().requests.is_empty());
    for bytes in [post("/", &fits), chunked("POST", &fits)] {
        assert!(world.exchange(&bytes).await.text().ends_with(&fits));
    }
    for request in &web.log().requests {
        assert_eq!((request.all("content-length"), request.all("transfer-encoding")), (vec!["200000"], vec![]));
    }
    // One who leaves while his body is waited for has reached nobody.
    let mut client = world.client().await;
    client.send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 100\r\n\r\nhalf").await.unwrap();
    drop(client);
    world.lines(5).await;
    assert_eq!(web.log().requests.len(), 2);
    world.finish(5).await;
}

#[tokio::test]
async fn responses_are_bounded_whether_their_length_is_said_or_not() {
    let web = Upstream::start("web-1", Behaviour::answer(200, &"x".repeat(101))).await;
    let mut setup = Setup::web(&[&web]);
    setup.middleware("buffering", buffering(0, 100));
    let world = setup.start().await;
    assert_eq!(world.get("/").await.status, 500);
    let pieces = |n: usize| {
        format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{n:x}\r\n{}\r\n0\r\n\r\n", "x".repeat(n))
    };
    web.set(Behaviour::writes(pieces(101)));
    assert_eq!(world.get("/").await.status, 500);
    web.set(Behaviour::writes(pieces(100)));
    let response = world.get("/").await;
    assert_eq!((response.status, response.body.len(), response.field("content-length")), (200, 100, Some("100")));
    web.set(Behaviour::chunked_without_end());
    assert_eq!(world.get("/").await.status, 502);
    world.finish(4).await;
}

#[tokio::test]
async fn a_page_takes_the_place_of_an_error() {
    let web = Upstream::start("web-1", Behaviour::answer(503, "the server's own words")).await;
    let pages = Upstream::start("pages-1", Behaviour::echo()).await;
    let mut setup = Setup::web(&[&web]);
    add_service(&mut setup.config, "pages", vec![server(9, &pages)]);
    setup.middleware(
        "errors",
        Middleware::Errors(Errors {
            status: vec!["500-599".to_owned()],
            service: "pages".to_owned(),
            query: "/{status}.html?of={url}".to_owned(),
            ..Errors::default()
        }),
    );
    let world = setup.start().await;
    let mut client = world.client().await;
    client.send(post("/x?y", "body")).await.unwrap();
    let response = client.response().await.unwrap();
    let page = response.text();
    assert_eq!((response.status, response.field("x-upstream")), (503, Some("pages-1")));
    assert!(page.starts_with("GET /503.html?of=http%3A%2F%2Fa.test%2Fx%3Fy HTTP/1.1\r\nhost: a.test\r\n"), "{page}");
    assert!(!page.contains("content-length"), "{page}");
    client.send(request("HEAD", "/x")).await.unwrap();
    let response = client.response_to_head().await.unwrap();
    assert_eq!((response.status, response.body.len()), (503, 0));
    web.set(Behaviour::answer(200, "fine"));
    client.send(get("/")).await.unwrap();
    assert_eq!(client.response().await.unwrap().text(), "fine");
    // Without a page there is the plain status.
    web.set(Behaviour::close_after_request());
    pages.set(Behaviour::close_after_request());
    client.send(post("/", "x")).await.unwrap();
    let response = client.response().await.unwrap();
    assert_eq!((response.status, response.text().as_str()), (502, "Bad Gateway"));
    drop(client);
    let lines = world.finish(4).await;
    assert!(lines.iter().all(|line| line.text("ServiceName") == "web@docker" && line.text("ServerName") == "web-1"));
    assert_eq!((lines[0].status(), lines[0].number("OriginStatus")), (503, 503));
}

#[tokio::test]
async fn a_page_ends_the_connection_of_a_body_that_nobody_reads() {
    let web = Upstream::start("web", Behaviour::early_response_then_reads()).await;
    let pages = Upstream::start("pages", Behaviour::answer(200, "a page")).await;
    let mut setup = Setup::web(&[&web]);
    add_service(&mut setup.config, "pages", vec![server(9, &pages)]);
    let errors = Errors { status: vec!["200".into()], service: "pages".into(), ..Errors::default() };
    setup.middleware("errors", Middleware::Errors(errors));
    let world = setup.start().await;
    let mut client = world.client().await;
    client.send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 500000\r\n\r\nthe beginning").await.unwrap();
    let response = client.response().await.unwrap();
    assert_eq!((response.text().as_str(), response.field("connection")), ("a page", Some("close")));
    world.finish(1).await;
}

#[tokio::test]
async fn a_circuit_that_is_open_spares_its_servers() {
    let web = Upstream::start("web-1", Behaviour::answer(500, "")).await;
    let mut setup = Setup::web(&[&web]);
    setup.middleware(
        "breaker",
        Middleware::CircuitBreaker(CircuitBreaker {
            expression: "ResponseCodeRatio(500, 600, 0, 600) > 0.5".to_owned(),
            fallback_duration: Duration::from_secs(600),
            check_period: Duration::ZERO,
            response_code: 418,
            ..CircuitBreaker::default()
        }),
    );
    let world = setup.start().await;
    assert_eq!(world.get("/").await.status, 500);
    assert_eq!(world.get("/").await.status, 418);
    assert_eq!(world.get("/").await.status, 418);
    assert_eq!(web.log().requests.len(), 1);
    world.finish(3).await;
}

#[tokio::test]
async fn compressed_responses_come_whole_and_as_soon_as_there_is_something() {
    let page = "all work and no play ".repeat(20_000);
    let web = Upstream::start("web-1", Behaviour::answer(200, &page)).await;
    let mut setup = Setup::web(&[&web]);
    setup.middleware("compress", Middleware::Compress(Compress::default()));
    let world = setup.start().await;
    let mut client = world.client().await;
    let accept = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: a.test\r\nAccept-Encoding: gzip\r\n\r\n");
    for _ in 0..2 {
        client.send(accept("/")).await.unwrap();
        let response = client.response().await.unwrap();
        assert_eq!((response.field("content-encoding"), response.field("content-length")), (Some("gzip"), None));
        assert_eq!(response.field("vary"), Some("Accept-Encoding"));
        let mut text = String::new();
        MultiGzDecoder::new(&response.body[..]).read_to_string(&mut text).unwrap();
        assert!(text == page && response.body.len() < page.len() / 20, "{}", response.body.len());
    }
    client.send(get("/")).await.unwrap();
    assert_eq!(client.response().await.unwrap().text(), page);

    // What an event stream has said is there before it says more.
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
    let steps = [
        Step::ReadHead,
        Step::Write(format!("{head}b\r\ndata: one\n\n\r\n").into_bytes()),
        Step::Hold,
        Step::Write(b"b\r\ndata: two\n\n\r\n0\r\n\r\n".to_vec()),
    ];
    web.set(Behaviour::steps(steps));
    client.send(accept("/events")).await.unwrap();
    assert_eq!(client.head().await.unwrap().field("content-encoding"), Some("gzip"));
    let mut compressed = Vec::new();
    let mut text = String::new();
    while !text.contains("one") {
        let line = client.until("\r\n").await.unwrap();
        let size = usize::from_str_radix(String::from_utf8(line).unwrap().trim(), 16).unwrap();
        compressed.extend(client.bytes(size).await.unwrap());
        client.bytes(2).await.unwrap();
        // The stream has no end yet: what can be read of it counts.
        let mut out = Vec::new();
        let _unfinished = MultiGzDecoder::new(&compressed[..]).read_to_end(&mut out);
        text = String::from_utf8(out).unwrap();
    }
    assert_eq!(text, "data: one\n\n");
    web.release();
    client.until("0\r\n\r\n").await.unwrap();

    // A response that breaks off is not made whole.
    web.set(Behaviour::chunked_without_end());
    client.send(accept("/")).await.unwrap();
    assert!(!client.response().await.unwrap().complete);
    drop(client);
    let lines = world.finish(5).await;
    assert!(lines[0].number("DownstreamContentSize") < page.len() as u64 / 20);
    assert_eq!((lines[4].error(), lines[4].lost()), ("response_cut", true));
}

#[tokio::test]
async fn a_client_that_leaves_a_compressed_response_is_seen_to_have_left() {
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n";
    let web = Upstream::start("web-1", Behaviour::steps([Step::ReadHead, Step::Write(head.into()), Step::Hang])).await;
    let mut setup = Setup::web(&[&web]);
    setup.middleware("compress", Middleware::Compress(Compress::default()));
    let world = setup.start().await;
    let mut client = world.client().await;
    client.send("GET / HTTP/1.1\r\nHost: a.test\r\nAccept-Encoding: br\r\n\r\n").await.unwrap();
    assert_eq!(client.head().await.unwrap().field("content-encoding"), Some("br"));
    drop(client);
    web.wait_for("the server's connection ends", |log| log.connections[0].closed).await;
    let lines = world.finish(1).await;
    assert_eq!((lines[0].status(), lines[0].error()), (200, "client_gone"));
}

#[tokio::test]
async fn an_upgrade_goes_through_all_of_them() {
    let web = Upstream::start("web-1", Behaviour::upgrade("websocket")).await;
    let mut setup = Setup::web(&[&web]);
    setup.middleware("retry", retry(3, &["100-599"]));
    setup.middleware("buffering", buffering(10, 10));
    setup.middleware(
        "compress",
        Middleware::Compress(Compress { default_encoding: "gzip".into(), ..Compress::default() }),
    );
    let errors = Errors { status: vec!["100-599".into()], service: "web".into(), ..Errors::default() };
    setup.middleware("errors", Middleware::Errors(errors));
    let expression = "RequestThreshold() > 1".to_owned();
    let breaker = CircuitBreaker { expression, check_period: Duration::ZERO, ..CircuitBreaker::default() };
    setup.middleware("breaker", Middleware::CircuitBreaker(breaker));
    let world = setup.start().await;
    let ask = "GET /ws HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    // The circuit counts a tunnel once, when it ends.
    for (n, granted) in [(1, true), (2, true), (3, false)] {
        let mut client = world.client().await;
        client.send(ask).await.unwrap();
        assert_eq!(client.head().await.unwrap().status == 101, granted, "{n}");
        if granted {
            client.send("hello").await.unwrap();
            assert_eq!(client.bytes(5).await.unwrap(), b"hello");
            client.finish().await.unwrap();
            client.to_close().await.unwrap();
            world.lines(n).await;
        }
    }
    // What is refused has its page, as often as it is tried.
    assert_eq!(web.log().requests.iter().filter(|request| request.start() == "GET /ws HTTP/1.1").count(), 2);
    world.finish(3).await;
}
