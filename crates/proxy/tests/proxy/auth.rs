//! forwardAuth over real sockets: what the server is asked, and what its answer does.

use seaway_config::model::{ForwardAuth, Middleware};
use seaway_testkit::upstream::{Behaviour, Step, Upstream};

use crate::harness::{Setup, get, post};

const YES: &str = "HTTP/1.1 204 No Content\r\nX-User: anna\r\nX-Other: no\r\n\r\n";

fn options(auth: &Upstream) -> ForwardAuth {
    ForwardAuth {
        address: format!("{}/verify?a=b", auth.url()),
        auth_response_headers: vec!["X-User".to_owned()],
        header_field: "X-User".to_owned(),
        ..ForwardAuth::default()
    }
}

fn guarded(web: &Upstream, options: ForwardAuth) -> Setup {
    let mut setup = Setup::web(&[web]);
    setup.middleware("auth", Middleware::ForwardAuth(options));
    setup
}

#[tokio::test]
async fn a_good_answer_lets_requests_pass_over_one_kept_connection() {
    let web = Upstream::start("web-1", Behaviour::echo()).await;
    let auth = Upstream::start("auth", Behaviour::writes(YES)).await;
    let world = guarded(&web, options(&auth)).start().await;
    let mut client = world.client().await;
    for _ in 0..3 {
        client.send("GET /x?y HTTP/1.1\r\nHost: a.test\r\nX-User: forged\r\nCookie: c=d\r\n\r\n").await.unwrap();
        let response = client.response().await.unwrap();
        let text = response.text();
        assert!(
            text.contains("\r\nx-user: anna\r\n") && !text.contains("forged") && !text.contains("x-other"),
            "{text}"
        );
    }
    let log = auth.log();
    assert_eq!((log.connections.len(), log.requests.len()), (1, 3));
    let asked = &log.requests[0];
    assert_eq!(asked.start(), "GET /verify?a=b HTTP/1.1");
    assert_eq!((asked.all("host"), asked.all("cookie")), (vec![auth.address().to_string().as_str()], vec!["c=d"]));
    for (name, value) in [
        ("x-forwarded-for", "127.0.0.1"),
        ("x-forwarded-method", "GET"),
        ("x-forwarded-host", "a.test"),
        ("x-forwarded-uri", "/x?y"),
        ("x-forwarded-proto", "http"),
    ] {
        assert_eq!(asked.all(name), [value], "{name}");
    }
    drop(client);
    let lines = world.finish(3).await;
    assert!(lines.iter().all(|line| line.text("ClientUsername") == "anna"), "{lines:?}");
}

#[tokio::test]
async fn any_other_answer_is_what_the_client_gets() {
    let web = Upstream::start("web-1", Behaviour::echo()).await;
    let no = "HTTP/1.1 401 Unauthorized\r\nConnection: X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nTrailer: x-sum\r\n\
              Set-Cookie: a=b\r\nLocation: /login\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nwho?\r\n0\r\nx-sum: 7\r\n\r\n";
    let auth = Upstream::start("auth", Behaviour::writes(no)).await;
    let world = guarded(&web, options(&auth)).start().await;
    let response = world.get("/").await;
    assert_eq!((response.status, response.text().as_str()), (401, "who?"));
    assert_eq!((response.field("content-length"), response.field("set-cookie")), (Some("4"), Some("a=b")));
    assert_eq!(response.field("location"), Some(format!("{}/login", auth.url()).as_str()));
    for gone in ["x-hop", "keep-alive", "trailer", "transfer-encoding"] {
        assert_eq!(response.field(gone), None, "{gone}");
    }
    assert!(web.log().connections.is_empty());
    let lines = world.finish(1).await;
    assert_eq!(lines[0].error(), "forwardAuth: refused");
}

#[tokio::test]
async fn no_answer_lets_nothing_pass() {
    let web = Upstream::start("web-1", Behaviour::echo()).await;
    let mut auth = Upstream::start("auth", Behaviour::close_after_request()).await;
    let small = ForwardAuth { max_response_body_size: 10, ..options(&auth) };
    let world = guarded(&web, small).start().await;
    for (behaviour, status) in [
        (Behaviour::close_after_request(), 500),
        (Behaviour::reset_on_accept(), 500),
        (Behaviour::garbage(), 500),
        (Behaviour::short_body(), 401),
        (Behaviour::answer(200, "eleven bytes"), 401),
        (Behaviour::unsolicited_101(), 500),
    ] {
        auth.set(behaviour.clone());
        auth.close_connections();
        let response = world.get("/").await;
        assert_eq!((response.status, response.text().as_str()), (status, ""), "{behaviour:?}");
    }
    auth.close_listener().await;
    auth.close_connections();
    assert_eq!(world.get("/").await.status, 500);
    assert!(web.log().connections.is_empty());
    world.finish(7).await;
}

#[tokio::test]
async fn a_client_that_leaves_while_it_is_asked_about_leaves_nothing_behind() {
    let web = Upstream::start("web-1", Behaviour::echo()).await;
    let auth = Upstream::start("auth", Behaviour::steps([Step::ReadHead, Step::Hang])).await;
    let world = guarded(&web, options(&auth)).start().await;
    let mut client = world.client().await;
    client.send(get("/")).await.unwrap();
    auth.wait_for("the question", |log| log.requests.len() == 1).await;
    drop(client);
    auth.wait_for("nobody waits for the answer", |log| log.connections[0].closed).await;
    assert!(web.log().connections.is_empty());
    let lines = world.finish(1).await;
    assert_eq!((lines[0].status(), lines[0].error()), (499, "client_gone"));
}

#[tokio::test]
async fn the_body_goes_to_both_where_that_is_wanted() {
    let web = Upstream::start("web-1", Behaviour::echo()).await;
    let auth = Upstream::start("auth", Behaviour::writes(YES)).await;
    let with =
        ForwardAuth { forward_body: true, max_body_size: 100_000, preserve_request_method: true, ..options(&auth) };
    let world = guarded(&web, with).start().await;
    let body = "x".repeat(100_000);
    let mut client = world.client().await;
    client.send(post("/", &body)).await.unwrap();
    assert!(client.response().await.unwrap().text().ends_with(&body));
    let log = auth.log();
    assert_eq!(
        (log.requests[0].start(), log.requests[0].body.len()),
        ("POST /verify?a=b HTTP/1.1".to_owned(), 100_000)
    );
    client.send(get("/")).await.unwrap();
    assert_eq!(client.response().await.unwrap().status, 200);
    let _sent = client.send(post("/", &format!("{body}x"))).await;
    let response = client.response().await.unwrap();
    assert_eq!((response.status, response.body.len(), response.field("connection")), (401, 0, Some("close")));
    assert_eq!((auth.log().requests.len(), web.log().requests.len()), (2, 2));
    drop(client);
    world.finish(3).await;
}

#[tokio::test]
async fn an_upgrade_is_asked_about_as_a_plain_request() {
    let web = Upstream::start("web-1", Behaviour::upgrade("websocket")).await;
    let auth = Upstream::start("auth", Behaviour::writes(YES)).await;
    let world = guarded(&web, options(&auth)).start().await;
    let mut client = world.client().await;
    let ask = "GET /ws HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    client.send(ask).await.unwrap();
    assert_eq!(client.head().await.unwrap().status, 101);
    client.send("hello").await.unwrap();
    assert_eq!(client.bytes(5).await.unwrap(), b"hello");
    let asked = &auth.log().requests[0];
    assert_eq!((asked.all("connection"), asked.all("upgrade")), (vec![], vec![]));
    drop(client);
    world.finish(1).await;
}
