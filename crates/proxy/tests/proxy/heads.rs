//! Request heads that an edge refuses: the right status, and nothing of them reaches a server.

use seaway_testkit::upstream::{Behaviour, Upstream};

use crate::harness::{Line, Setup, get, until};

/// Sends each over its own connection. The answer's status must be among those, or 0 where the connection is closed
/// without one.
async fn refused(cases: &[(&[u16], &[u8])]) {
    let web = Upstream::start("web-1", Behaviour::echo()).await;
    let world = Setup::web(&[&web]).start().await;
    let (mut wrong, mut answered) = (Vec::new(), 0);
    for (statuses, bytes) in cases {
        let shown = String::from_utf8_lossy(bytes.get(..bytes.len().min(120)).unwrap()).into_owned();
        let mut client = world.client().await;
        client.send(bytes).await.unwrap();
        let status = match client.response().await {
            Ok(response) => {
                assert_eq!(response.field("connection"), Some("close"), "{shown:?}");
                answered += 1;
                response.status
            }
            Err(_) => 0,
        };
        let rest = client.to_close().await;
        if !statuses.contains(&status) || !rest.as_ref().is_ok_and(Vec::is_empty) {
            wrong.push(format!("{status}, then {rest:?}, for {shown:?}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(web.log().connections.is_empty(), "{:#?}", web.log());
    let lines = world.finish(answered).await;
    let named = |l: &Line| l.status() >= 400 && l.text("ServerName").is_empty() && !l.error().is_empty();
    assert!(lines.iter().all(named), "{lines:#?}");
}

#[tokio::test]
async fn what_could_be_read_of_a_bad_head_is_in_the_log() {
    let web = Upstream::start("web-1", Behaviour::echo()).await;
    let world = Setup::web(&[&web]).start().await;
    let cases = [
        ("GET /x?y HTTP/1.1\r\nHost : a\r\n\r\n", "GET", "/x?y", "a header line is not valid"),
        ("GET /x HTTP/1.1\r\nContent-Length: x\r\n\r\n", "GET", "/x", "Content-Length is not a number that can be"),
        ("PUT /x HTTP/3.0\r\n\r\n", "PUT", "/x", "neither HTTP/1.0 nor HTTP/1.1"),
        ("PUT /x\0 HTTP/1.1\r\n\r\n", "PUT", "-", "the request target is not valid"),
        ("\x16\x03\x01", "-", "-", "no request line"),
    ];
    for (sent, ..) in cases {
        assert_eq!(world.exchange(sent).await.status, 400, "{sent:?}");
    }
    for (line, (sent, method, path, error)) in world.finish(cases.len()).await.iter().zip(cases) {
        let logged = (line.text("RequestMethod"), line.text("RequestPath"), line.error());
        assert_eq!((logged, line.status()), ((method, path, error), 400), "{sent:?}");
    }
}

#[tokio::test]
async fn transfer_codings() {
    let request = |coding: &str| {
        format!("POST / HTTP/1.1\r\nHost: a.test\r\n{coding}\r\n\r\n5\r\nhello\r\n0\r\n\r\n").into_bytes()
    };
    let codings = [
        "Transfer-Encoding: xchunked\r\nContent-Length: 3",
        "Transfer-Encoding: chunked, identity",
        "Transfer-Encoding: chunked;q=1",
        "Transfer-Encoding: \"chunked\"",
        "Transfer-Encoding: \x0bchunked",
        "Transfer-Encoding: \x0cchunked",
        "Transfer-Encoding: identity, chunked",
        "Transfer-Encoding: gzip, chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
        "Transfer-Encoding: ,chunked",
        "Transfer-Encoding: chunked,",
        "Transfer-Encoding : chunked",
        "Transfer-Encoding:\r\n chunked",
        "Transfer-Encoding:\r\nContent-Length: 5",
    ]
    .map(request);
    let old = b"POST / HTTP/1.0\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".to_vec();
    let cases: Vec<(&[u16], &[u8])> =
        codings.iter().chain([&old]).map(|bytes| (&[400, 501][..], bytes.as_slice())).collect();
    refused(&cases).await;
}

#[tokio::test]
async fn content_lengths() {
    let values = [
        "3\r\nContent-Length: 4",
        "3, 3",
        "3, 4",
        "+3",
        "-1",
        "0x3",
        "3_0",
        "3 x",
        "1e3",
        "\u{0663}",
        "",
        "\r\nContent-Length: 3",
        "18446744073709551615",
        "18446744073709551616",
        "10000000000000000000000000000000000000000",
    ];
    let requests =
        values.map(|v| format!("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: {v}\r\n\r\nabc").into_bytes());
    let cases: Vec<(&[u16], &[u8])> = requests.iter().map(|bytes| (&[400, 413, 431][..], bytes.as_slice())).collect();
    refused(&cases).await;
}

#[tokio::test]
async fn hosts() {
    let bad = ["a, b", "x@a", "a/x", "", "a:99999", "a:80:80", "a b", "[::1", "a%00b"];
    let mut requests: Vec<Vec<u8>> =
        bad.iter().map(|host| format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n").into_bytes()).collect();
    requests.push(b"GET / HTTP/1.1\r\n\r\n".to_vec());
    requests.push(b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n".to_vec());
    requests.push(b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n".to_vec());
    let cases: Vec<(&[u16], &[u8])> = requests.iter().map(|bytes| (&[400][..], bytes.as_slice())).collect();
    refused(&cases).await;
}

#[tokio::test]
async fn targets_methods_and_versions() {
    refused(&[
        (&[400], b"GET ftp://a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n"),
        (&[400], b"GET file:///x HTTP/1.1\r\nHost: a.test\r\n\r\n"),
        (&[400], b"GET http:///x HTTP/1.1\r\nHost: a.test\r\n\r\n"),
        (&[400], b"GET http://u:p@a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n"),
        (&[400], b"GET foo HTTP/1.1\r\nHost: a.test\r\n\r\n"),
        (&[400], b"GET ?x HTTP/1.1\r\nHost: a.test\r\n\r\n"),
        (&[400], b"GET * HTTP/1.1\r\nHost: a.test\r\n\r\n"),
        (&[400], b"GET  HTTP/1.1\r\nHost: a.test\r\n\r\n"),
        (&[400], b"GET / x HTTP/1.1\r\nHost: a.test\r\n\r\n"),
        (&[400], b"GET\t/ HTTP/1.1\r\nHost: a.test\r\n\r\n"),
        (&[400], "GET /\u{e9} HTTP/1.1\r\nHost: a.test\r\n\r\n".as_bytes()),
        (&[501], b"CONNECT a.test:80 HTTP/1.1\r\nHost: a.test\r\n\r\n"),
        (&[400, 501], b"CONNECT / HTTP/1.1\r\nHost: a.test\r\n\r\n"),
        (&[400], b"G=\":<> / HTTP/1.1\r\nHost: a.test\r\n\r\n"),
        (&[400], format!("{} / HTTP/1.1\r\nHost: a.test\r\n\r\n", "X".repeat(65)).as_bytes()),
        (&[400], format!("{} / HTTP/1.1\r\nHost: a.test\r\n\r\n", "X".repeat(1024)).as_bytes()),
        (&[400], b"GET /\r\n\r\n"),
        (&[400, 505], b"GET / HTTP/1.2\r\nHost: a.test\r\n\r\n"),
        (&[400, 505], b"GET / HTTP/2.0\r\nHost: a.test\r\n\r\n"),
        (&[400, 505], b"GET / HTTP/1.1.1\r\nHost: a.test\r\n\r\n"),
        (&[400, 505], b"GET / http/1.1\r\nHost: a.test\r\n\r\n"),
        (&[400, 505], b"GET / HTTP/1\r\nHost: a.test\r\n\r\n"),
        (&[400, 505], b"GET / HTTP/01.1\r\nHost: a.test\r\n\r\n"),
        (&[0, 400], b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        (&[414], format!("GET /{} HTTP/1.1\r\nHost: a.test\r\n\r\n", "a".repeat(16 * 1024)).as_bytes()),
        (&[417], b"POST / HTTP/1.1\r\nHost: a.test\r\nExpect: 200-ok\r\nContent-Length: 3\r\n\r\nabc"),
    ])
    .await;
}

#[tokio::test]
async fn header_lines() {
    let line = |line: &[u8]| [b"GET / HTTP/1.1\r\nHost: a.test\r\n".as_slice(), line, b"\r\n\r\n"].concat();
    let lines: [&[u8]; 13] = [
        b"X-A: a\rb",
        b"X-A: a\r\n\rX",
        b"X\0A: a",
        b"X-A: a\0b",
        b"Cookie: a=\0",
        b"X-A: a\r\n folded",
        b"no colon",
        b": empty",
        b"X A: a",
        b"X\xe9: a",
        b"X(A: a",
        b"X@A: a",
        b"X-A: a\x01b",
    ];
    let requests = lines.map(line);
    let mut cases: Vec<(&[u16], &[u8])> = requests.iter().map(|bytes| (&[400][..], bytes.as_slice())).collect();
    cases.push((&[400], b"GET / HTTP/1.1\r\n Host: a.test\r\n\r\n"));
    cases.push((&[400], b"GET /\0 HTTP/1.1\r\nHost: a.test\r\n\r\n"));
    refused(&cases).await;
}

#[tokio::test]
async fn too_much() {
    let many: String = (0..101).map(|n| format!("X-{n}: 1\r\n")).collect();
    let many = format!("GET / HTTP/1.1\r\nHost: a.test\r\n{many}\r\n");
    let long = format!("GET / HTTP/1.1\r\nHost: a.test\r\nX: {}\r\n\r\n", "x".repeat(66_000));
    refused(&[(&[431], many.as_bytes()), (&[431], long.as_bytes())]).await;
}

#[tokio::test]
async fn what_is_no_http() {
    refused(&[
        (&[0, 400], b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
        (&[0, 400], b"SSH-2.0-OpenSSH_9.2\r\n"),
        (&[0, 400], b"PROXY TCP4 1.1.1.1 2.2.2.2 1 2\r\nGET / HTTP/1.1\r\nHost: a.test\r\n\r\n"),
        (&[0, 400], b"\r\n\r\n\0\0\0\0"),
    ])
    .await;
}

#[tokio::test]
async fn trace_and_the_server_wide_options_are_answered_here() {
    let web = Upstream::start("web-1", Behaviour::echo()).await;
    let world = Setup::web(&[&web]).start().await;
    let mut client = world.client().await;
    client.send("TRACE / HTTP/1.1\r\nHost: a.test\r\nCookie: secret=1\r\n\r\n").await.unwrap();
    let response = client.response().await.unwrap();
    assert_eq!((response.status, response.text().contains("secret")), (405, false));
    assert!(response.field("allow").is_some());
    client.send("OPTIONS * HTTP/1.1\r\nHost: a.test\r\n\r\n").await.unwrap();
    assert_eq!(client.response().await.unwrap().status, 204);
    assert!(client.is_open().await);
    assert!(web.log().connections.is_empty());
    drop(client);
    let lines = world.finish(2).await;
    assert_eq!(lines.iter().map(|l| l.status()).collect::<Vec<_>>(), [405, 204]);
}

/// What is a little odd and right all the same.
#[tokio::test]
async fn accepted() {
    let web = Upstream::start("web-1", Behaviour::echo()).await;
    let world = Setup::web(&[&web]).start().await;
    let path: &str = &format!("/{}", "a".repeat(8 * 1024));
    let mut requests = 0;
    for (bytes, line, present) in [
        ("GET / HTTP/1.1\nHost: a.test\n\n", "GET / HTTP/1.1", "host: a.test\r\n"),
        ("\r\n\r\nGET / HTTP/1.1\r\nHost: a.test\r\n\r\n", "GET / HTTP/1.1", "host: a.test\r\n"),
        (
            "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
            "POST / HTTP/1.1",
            "content-length: 3\r\n",
        ),
        (
            "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 0003\r\n\r\nabc",
            "POST / HTTP/1.1",
            "content-length: 3\r\n",
        ),
        (
            "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding:  CHUNKED \r\n\r\n0\r\n\r\n",
            "POST / HTTP/1.1",
            "transfer-encoding: chunked\r\n",
        ),
        ("PROPFIND / HTTP/1.1\r\nHost: a.test\r\n\r\n", "PROPFIND / HTTP/1.1", ""),
        ("GET http://b.test:81/x HTTP/1.1\r\nHost: a.test\r\n\r\n", "GET /x HTTP/1.1", "host: b.test:81\r\n"),
        ("GET http://b.test HTTP/1.1\r\nHost: a.test\r\n\r\n", "GET / HTTP/1.1", "host: b.test\r\n"),
        ("GET /x#frag HTTP/1.1\r\nHost: a.test\r\n\r\n", "GET /x HTTP/1.1", ""),
        ("GET / HTTP/1.1\r\nHost: A.TEST.:80\r\n\r\n", "GET / HTTP/1.1", "host: A.TEST.:80\r\n"),
        (&get(path), &format!("GET {path} HTTP/1.1"), ""),
    ] {
        let response = world.exchange(bytes).await;
        let text = response.text();
        requests += 1;
        assert_eq!(response.status, 200, "{bytes:?}");
        assert!(text.starts_with(&format!("{line}\r\n")), "{bytes:?} became {text:?}");
        assert!(text.contains(present), "{bytes:?} became {text:?}");
        let count = |name: &str| text.matches(name).count();
        assert!(count("content-length") + count("transfer-encoding") <= 1 && count("\r\nhost: ") == 1, "{text:?}");
    }
    world.finish(requests).await;
}

#[tokio::test]
async fn bytes_in_values_are_forwarded_as_they_came() {
    let web = Upstream::start("web-1", Behaviour::echo()).await;
    let world = Setup::web(&[&web]).start().await;
    world.exchange(b"GET / HTTP/1.1\r\nHost: a.test\r\nX-A: caf\xe9 \xc3\xa9\tx\r\n\r\n").await;
    let head = web.log().requests[0].head.clone();
    let want = b"X-A: caf\xe9 \xc3\xa9\tx\r\n";
    assert!(head.windows(want.len()).any(|w| w == want), "{head:?}");
    world.finish(1).await;
}

#[tokio::test]
async fn a_head_may_come_in_any_pieces() {
    let web = Upstream::start("web-1", Behaviour::echo()).await;
    let world = Setup::web(&[&web]).start().await;
    let bytes = b"POST /x HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
    let whole = world.exchange(bytes).await.text();
    assert!(whole.ends_with("\r\n\r\nabc"));
    for at in 1..bytes.len() {
        let (first, rest) = bytes.split_at(at);
        let mut client = world.client().await;
        client.send(first).await.unwrap();
        tokio::task::yield_now().await;
        client.send(rest).await.unwrap();
        assert_eq!(client.response().await.unwrap().text(), whole, "split at {at}");
    }
    let mut client = world.client().await;
    for byte in bytes {
        client.send([*byte]).await.unwrap();
    }
    assert_eq!(client.response().await.unwrap().text(), whole);
    drop(client);
    world.finish(bytes.len() + 1).await;
}

#[tokio::test]
async fn length_beside_chunks_smuggles_nothing() {
    let web = Upstream::start("web-1", Behaviour::echo()).await;
    let world = Setup::web(&[&web]).start().await;
    let smuggled = "GET /smuggled HTTP/1.1\r\nHost: a.test\r\n\r\n";
    let mut requests = 0;
    for fields in ["Content-Length: 6\r\nTransfer-Encoding: chunked", "Transfer-Encoding: chunked\r\nContent-Length: 6"]
    {
        let mut client = world.client().await;
        client.send(format!("POST / HTTP/1.1\r\nHost: a.test\r\n{fields}\r\n\r\n0\r\n\r\n{smuggled}")).await.unwrap();
        let response = client.response().await.unwrap();
        assert_eq!(response.field("connection"), Some("close"));
        requests += usize::from(response.status == 200);
        assert!(client.to_close().await.unwrap_or_default().is_empty());
    }
    until("idle", || world.in_flight() == 0).await;
    for request in web.log().requests {
        assert!(request.start() == "POST / HTTP/1.1" && request.all("content-length").is_empty(), "{request:?}");
    }
    world.finish(requests).await;
}
