//! Responses: what of them reaches the client, and whether their connection is used again.

use seaway_testkit::upstream::{Behaviour, Step, Upstream};

use crate::harness::{Setup, get, request, until};

/// Two requests to an upstream of this behaviour; how many connections it took.
async fn connections(behaviour: Behaviour, method: &str) -> usize {
    let web = Upstream::start("web-1", behaviour).await;
    let world = Setup::web(&[&web]).start().await;
    for n in 0..2 {
        let mut client = world.client().await;
        client.send(request(method, "/")).await.unwrap();
        let response = if method == "HEAD" { client.response_to_head().await } else { client.response().await };
        let response = response.unwrap();
        assert!(response.complete && response.status < 400, "{n}: {response:?}");
        until("settled", || world.in_flight() == 0).await;
        // What the server sends beyond its response needs a moment to arrive; it must not be taken for an answer.
        assert!(!String::from_utf8_lossy(&response.head).contains("smuggled"));
        assert!(!response.text().contains("smuggled") && !response.text().contains("more"), "{response:?}");
    }
    let taken = web.log().connections.len();
    world.finish(2).await;
    taken
}

#[tokio::test]
async fn connections_that_are_used_again() {
    let head = |extra: &str| Behaviour::writes(format!("HTTP/1.1 {extra}\r\n\r\n"));
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n";
    for (what, behaviour, method) in [
        ("a length", Behaviour::echo(), "GET"),
        ("chunks", Behaviour::writes(chunked), "GET"),
        ("no content", head("204 No Content"), "GET"),
        ("no content with a length", head("204 No Content\r\nContent-Length: 0"), "GET"),
        ("not modified", head("304 Not Modified\r\nETag: \"x\"\r\nContent-Length: 9"), "GET"),
        ("the head alone", head("200 OK\r\nContent-Length: 9"), "HEAD"),
        ("the head alone, of chunks", head("200 OK\r\nTransfer-Encoding: chunked"), "HEAD"),
        (
            "one length twice",
            Behaviour::writes("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok"),
            "GET",
        ),
    ] {
        assert_eq!(connections(behaviour, method).await, 1, "{what}");
    }
}

#[tokio::test]
async fn connections_that_are_not() {
    let both = "HTTP/1.1 200 OK\r\nContent-Length: 7\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n";
    let old = "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok";
    for (what, behaviour, method) in [
        ("connection: close", Behaviour::connection_close(), "GET"),
        ("closed without a word", Behaviour::closes_idle(), "GET"),
        ("until the end", Behaviour::until_close("ok"), "GET"),
        ("a second response", Behaviour::extra_bytes(), "GET"),
        ("a body too long", Behaviour::long_body(), "GET"),
        ("no content with a body", Behaviour::writes("HTTP/1.1 204 No Content\r\n\r\nmore"), "GET"),
        ("not modified with a body", Behaviour::writes("HTTP/1.1 304 Not Modified\r\n\r\nmore"), "GET"),
        ("a head with a body", Behaviour::writes("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nmore"), "HEAD"),
        // Its body may come later, when another request has been sent.
        (
            "no content that has a length",
            Behaviour::writes("HTTP/1.1 204 No Content\r\nContent-Length: 4\r\n\r\n"),
            "GET",
        ),
        (
            "no content in chunks",
            Behaviour::writes("HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n"),
            "GET",
        ),
        ("length and chunks", Behaviour::writes(both), "GET"),
        ("an old server", Behaviour::writes(old), "GET"),
    ] {
        assert_eq!(connections(behaviour, method).await, 2, "{what}");
    }
}

/// RFC 9110 §2.5: a proxy sends its own version, so an old server does not cost the client its connection.
#[tokio::test]
async fn an_old_servers_version_stays_behind() {
    let body = "HTTP/1.0 200 OK\r\n\r\nuntil the end";
    let web = Upstream::start("web-1", Behaviour::writes_and_closes(body)).await;
    let world = Setup::web(&[&web]).start().await;
    let mut client = world.client().await;
    for _ in 0..2 {
        client.send(get("/")).await.unwrap();
        let response = client.response().await.unwrap();
        assert_eq!((response.start.as_str(), response.text().as_str()), ("HTTP/1.1 200 OK", "until the end"));
        assert!(client.is_open().await);
    }
    drop(client);
    world.finish(2).await;
}

#[tokio::test]
async fn length_and_chunks_of_one_response_are_one_framing() {
    let web = Upstream::start("web-1", Behaviour::echo()).await;
    let world = Setup::web(&[&web]).start().await;
    let mut requests = 0;
    for (fields, body) in [
        ("Content-Length: 3\r\nTransfer-Encoding: chunked", "5\r\nhello\r\n0\r\n\r\n"),
        ("Transfer-Encoding: chunked\r\nContent-Length: 30", "5\r\nhello\r\n0\r\n\r\n"),
        ("Content-Length: 5\r\nContent-Length: 5", "hello"),
        ("Content-Length: 5, 5", "hello"),
        ("Content-Length: 0005", "hello"),
    ] {
        web.set(Behaviour::writes(format!("HTTP/1.1 200 OK\r\n{fields}\r\n\r\n{body}")));
        let response = world.get("/").await;
        requests += 1;
        if fields.contains(',') && response.status == 500 {
            continue;
        }
        assert_eq!((response.status, response.text().as_str(), response.complete), (200, "hello", true), "{fields}");
        let length = response.field("content-length");
        assert!(matches!(length, None | Some("5")), "{fields} became {length:?}");
        assert_eq!(length.is_none(), response.field("transfer-encoding").is_some(), "{fields}");
    }
    world.finish(requests).await;
}

#[tokio::test]
async fn what_has_no_body_says_no_more_than_the_server() {
    let web = Upstream::start("web-1", Behaviour::echo()).await;
    let world = Setup::web(&[&web]).start().await;
    let mut client = world.client().await;
    for (method, head, length) in [
        ("HEAD", "200 OK\r\nContent-Length: 9", Some("9")),
        ("HEAD", "200 OK", None),
        ("HEAD", "200 OK\r\nTransfer-Encoding: chunked", None),
        ("HEAD", "404 Not Found\r\nContent-Length: 5", Some("5")),
        ("GET", "204 No Content", None),
        ("GET", "304 Not Modified", None),
    ] {
        web.set(Behaviour::writes(format!("HTTP/1.1 {head}\r\n\r\n")));
        client.send(request(method, "/")).await.unwrap();
        let response = client.response_to_head().await.unwrap();
        assert_eq!(response.field("content-length"), length, "{method} {head}");
        assert_eq!(response.field("transfer-encoding"), None, "{method} {head}");
        assert!(client.is_open().await, "{method} {head}");
    }
    drop(client);
    world.finish(6).await;
}

#[tokio::test]
async fn a_cut_response_is_seen_to_be_cut() {
    for (what, behaviour) in [
        ("a short body", Behaviour::short_body()),
        ("a reset body", Behaviour::reset_in_body()),
        ("no last chunk", Behaviour::chunked_without_end()),
        ("a bad chunk", Behaviour::bad_chunk()),
    ] {
        let web = Upstream::start("web-1", behaviour).await;
        let world = Setup::web(&[&web]).start().await;
        let mut client = world.client().await;
        client.send(get("/")).await.unwrap();
        let head = client.head().await.unwrap();
        assert_eq!(head.status, 200, "{what}");
        let rest = client.to_close().await.unwrap_or_default();
        assert!(!rest.ends_with(b"0\r\n\r\n") && rest.len() < 100, "{what}: {rest:?}");
        assert!(world.state(1).is_ready());
        drop(client);
        let lines = world.finish(1).await;
        assert_eq!((lines[0].status(), lines[0].error(), lines[0].lost()), (200, "response_cut", true), "{what}");
        assert_eq!(web.log().requests.len(), 1, "{what}: never repeated once a byte has come");
    }
}

/// For HTTP/1.0 the end of the connection is the end of the body, so that it must not end in order.
#[tokio::test]
async fn a_cut_response_is_seen_to_be_cut_by_an_old_client() {
    for behaviour in [Behaviour::chunked_without_end(), Behaviour::bad_chunk()] {
        let web = Upstream::start("web-1", behaviour).await;
        let world = Setup::web(&[&web]).start().await;
        let mut client = world.client().await;
        client.send("GET / HTTP/1.0\r\nHost: a.test\r\n\r\n").await.unwrap();
        // What came may go with the reset, its head too.
        let end = client.to_close().await.map(|bytes| bytes.escape_ascii().to_string());
        assert_eq!(end.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
        let lines = world.finish(1).await;
        assert_eq!((lines[0].error(), lines[0].lost()), ("response_cut", true));
    }
}

#[tokio::test]
async fn a_client_that_leaves_in_the_response() {
    let web = Upstream::start("web-1", Behaviour::silent_after_head()).await;
    let world = Setup::web(&[&web]).start().await;
    let mut client = world.client().await;
    client.send(get("/")).await.unwrap();
    assert_eq!(client.head().await.unwrap().status, 200);
    drop(client);
    web.wait_for("the abort", |log| log.connections[0].closed).await;
    let lines = world.finish(1).await;
    assert_eq!((lines[0].status(), lines[0].error(), lines[0].lost()), (200, "client_gone", false));
}

#[tokio::test]
async fn events_arrive_one_by_one() {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";
    let event = |n: u8| Step::Write(format!("data: {n}\n\n").into_bytes());
    let steps = [Step::ReadHead, Step::Write(head.into()), event(1), Step::Hold, event(2), Step::Close];
    let web = Upstream::start("web-1", Behaviour::steps(steps)).await;
    let world = Setup::web(&[&web]).start().await;
    let mut client = world.client().await;
    client.send(get("/")).await.unwrap();
    let head = client.head().await.unwrap();
    assert_eq!(head.field("content-type"), Some("text/event-stream"));
    client.until("data: 1\n\n").await.unwrap();
    assert_eq!(world.in_flight(), 1);
    web.release();
    client.until("data: 2\n\n").await.unwrap();
    client.until("0\r\n\r\n").await.unwrap();
    drop(client);
    world.finish(1).await;
}

#[tokio::test]
async fn the_head_arrives_as_it_was_sent() {
    let cookies: String = (0..100).map(|n| format!("Set-Cookie: c{n}={n}\r\n")).collect();
    let head = format!(
        "HTTP/1.1 299 Very Fine\r\nServer: own\r\nX-B: 2\r\nX-A: 1\r\nX-B: 3\r\n{cookies}Keep-Alive: timeout=5\r\n\
         Connection: X-Mine\r\nX-Mine: 1\r\nProxy-Authenticate: Basic\r\nContent-Length: 2\r\nX-Raw: caf\u{e9}\r\n\r\nok"
    );
    let web = Upstream::start("web-1", Behaviour::writes(head)).await;
    let world = Setup::web(&[&web]).start().await;
    let response = world.get("/").await;
    assert_eq!(response.start, "HTTP/1.1 299 Very Fine");
    assert_eq!(response.all("x-b"), ["2", "3"]);
    assert_eq!((response.field("server"), response.field("x-raw")), (Some("own"), Some("caf\u{e9}")));
    let cookies: Vec<_> = (0..100).map(|n| format!("c{n}={n}")).collect();
    assert_eq!(response.all("set-cookie"), cookies);
    for name in ["keep-alive", "connection", "x-mine", "proxy-authenticate", "via", "transfer-encoding"] {
        assert_eq!(response.field(name), None, "{name}");
    }
    assert!(response.field("date").is_some());
    world.finish(1).await;
}

#[tokio::test]
async fn trailers_reach_a_client_that_takes_them() {
    let web = Upstream::start(
        "web-1",
        Behaviour::writes(
            "HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 7\r\n\r\n",
        ),
    )
    .await;
    let world = Setup::web(&[&web]).start().await;
    let response = world.exchange("GET / HTTP/1.1\r\nHost: a.test\r\nTE: trailers\r\nConnection: TE\r\n\r\n").await;
    assert_eq!(
        (response.text().as_str(), String::from_utf8_lossy(&response.trailers).as_ref()),
        ("ok", "x-sum: 7\r\n")
    );
    let response = world.get("/").await;
    assert_eq!((response.text().as_str(), response.trailers.is_empty()), ("ok", true));
    world.finish(2).await;
}

#[tokio::test]
async fn interim_responses_are_passed_over() {
    let interim = "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n".repeat(3);
    let web = Upstream::start(
        "web-1",
        Behaviour::writes(format!(
            "HTTP/1.1 100 Continue\r\n\r\n{interim}HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
        )),
    )
    .await;
    let world = Setup::web(&[&web]).start().await;
    let mut client = world.client().await;
    client.send(get("/")).await.unwrap();
    let response = client.head().await.unwrap();
    assert_eq!(response.status, 200);
    assert_eq!(client.bytes(2).await.unwrap(), b"ok");
    assert!(client.is_open().await);
    drop(client);
    world.finish(1).await;
}
