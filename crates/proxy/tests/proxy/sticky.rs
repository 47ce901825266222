//! Affinity by cookie, through real exchanges.

use seaway_routing::state::Notice;
use seaway_testkit::raw::Response;
use seaway_testkit::upstream::{Behaviour, Upstream};

use crate::harness::{Setup, World, get, post, servers, web};

/// The proxy's cookies in a response: `(name, value)`.
fn cookies(response: &Response) -> Vec<(String, String)> {
    let own = response.all("set-cookie").into_iter().filter(|c| c.starts_with('_'));
    own.map(|c| c.split(';').next().unwrap().split_once('=').unwrap())
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

async fn with(world: &World, cookie: &str) -> Response {
    world.exchange(format!("GET / HTTP/1.1\r\nHost: a.test\r\nCookie: {cookie}\r\n\r\n")).await
}

async fn three() -> [Upstream; 3] {
    [
        Upstream::start("web-1", Behaviour::echo()).await,
        Upstream::start("web-2", Behaviour::echo()).await,
        Upstream::start("web-3", Behaviour::echo()).await,
    ]
}

/// Gets a cookie for the server called `name`.
async fn cookie_for(world: &World, name: &str) -> (String, usize) {
    for n in 1..=10 {
        let response = world.get("/").await;
        if response.field("x-upstream") == Some(name) {
            let cookies = cookies(&response);
            assert_eq!(cookies.len(), 1);
            return (format!("{}={}", cookies[0].0, cookies[0].1), n);
        }
    }
    panic!("never came to {name}");
}

#[tokio::test]
async fn a_cookie_is_given_once_and_kept_to() {
    let upstreams = three().await;
    let world = Setup::sticky(&upstreams.each_ref()).start().await;
    let response = world.get("/").await;
    let (given, server) = (cookies(&response), response.field("x-upstream").unwrap().to_owned());
    assert_eq!(given.len(), 1);
    let cookie = format!("{}={}", given[0].0, given[0].1);
    assert_eq!(given[0].0, "_d1570", "Traefik's name for web@docker");
    for _ in 0..10 {
        let response = with(&world, &format!("other=1; {cookie}; more=2")).await;
        assert_eq!(response.field("x-upstream"), Some(&*server));
        assert!(cookies(&response).is_empty(), "not given again");
        assert!(response.text().contains(&cookie), "the server gets it too");
    }
    let lines = world.finish(11).await;
    assert_eq!(lines[0].sticky(), "new");
    assert!(lines[1..].iter().all(|l| l.sticky() == "hit"));
}

#[tokio::test]
async fn the_servers_own_cookies_stay_beside_it() {
    let upstream = Upstream::start(
        "web-1",
        Behaviour::writes("HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nContent-Length: 0\r\n\r\n"),
    )
    .await;
    let world = Setup::sticky(&[&upstream]).start().await;
    let response = world.get("/").await;
    let all = response.all("set-cookie");
    assert_eq!((all.len(), &all[..2]), (3, &["a=1", "b=2"][..]));
    world.finish(1).await;
}

#[tokio::test]
async fn who_is_refused_moves_with_one_cookie_for_where_he_ends() {
    let mut upstreams = three().await;
    let world = Setup::sticky(&upstreams.each_ref()).start().await;
    let (cookie, requests) = cookie_for(&world, "web-1").await;
    upstreams[0].close_listener().await;
    upstreams[0].close_connections();
    upstreams[1].close_listener().await;
    upstreams[1].close_connections();
    for sent in [get("/"), post("/", "body")] {
        let sent = sent.replace("Host:", &format!("Cookie: {cookie}\r\nHost:"));
        let response = world.exchange(sent).await;
        assert_eq!((response.status, response.field("x-upstream")), (200, Some("web-3")));
        let given = cookies(&response);
        assert_eq!(given.len(), 1);
        let response = with(&world, &format!("{}={}", given[0].0, given[0].1)).await;
        assert_eq!((response.field("x-upstream"), cookies(&response).len()), (Some("web-3"), 0));
    }
    let lines = world.finish(requests + 4).await;
    assert_eq!(lines[requests].sticky(), "moved refused");
}

#[tokio::test]
async fn a_connection_that_breaks_moves_nobody() {
    let upstreams = three().await;
    let world = Setup::sticky(&upstreams.each_ref()).start().await;
    let (cookie, requests) = cookie_for(&world, "web-2").await;
    // The pooled connection has gone; the server has not.
    upstreams[1].close_connections();
    for _ in 0..3 {
        let response = with(&world, &cookie).await;
        assert_eq!((response.field("x-upstream"), cookies(&response).len()), (Some("web-2"), 0));
    }
    let lines = world.finish(requests + 3).await;
    assert!(lines[requests..].iter().all(|l| l.sticky() == "hit"));
}

#[tokio::test]
async fn a_server_that_was_told_to_end_keeps_nobody() {
    for (notice, reason) in
        [(Notice::Terminating, "moved draining"), (Notice::Paused, "moved down"), (Notice::Ended, "moved gone")]
    {
        let upstreams = three().await;
        let world = Setup::sticky(&upstreams.each_ref()).start().await;
        let (cookie, requests) = cookie_for(&world, "web-1").await;
        world.notify(1, notice);
        let response = with(&world, &cookie).await;
        assert_ne!(response.field("x-upstream"), Some("web-1"));
        assert_eq!(cookies(&response).len(), 1);
        let lines = world.finish(requests + 1).await;
        assert_eq!(lines[requests].sticky(), reason);
    }
}

#[tokio::test]
async fn a_cookie_of_a_server_that_left_the_table() {
    let upstreams = three().await;
    let mut world = Setup::sticky(&upstreams.each_ref()).start().await;
    let (cookie, requests) = cookie_for(&world, "web-3").await;
    let mut setup = Setup::sticky(&[&upstreams[0], &upstreams[1]]);
    world.publish(std::mem::take(&mut setup.config));
    let response = with(&world, &cookie).await;
    assert!(response.status == 200 && cookies(&response).len() == 1);
    let lines = world.finish(requests + 1).await;
    assert_eq!(lines[requests].sticky(), "moved gone");
}

#[tokio::test]
async fn what_is_no_cookie_of_ours_is_ignored() {
    let upstreams = three().await;
    let world = Setup::sticky(&upstreams.each_ref()).start().await;
    let long = "f".repeat(4096);
    let forged =
        ["_d1570=", "_d1570=zz", "_d1570=0000000000000000", &format!("_d1570={long}"), "_d1570=\"x\"", "_d1570=\u{e9}"];
    for cookie in forged {
        let response = with(&world, cookie).await;
        assert_eq!((response.status, cookies(&response).len()), (200, 1), "{cookie:?}");
    }
    world.finish(forged.len()).await;
}

#[tokio::test]
async fn a_failed_exchange_has_the_cookie_of_its_server_once() {
    let upstreams = [
        Upstream::start("web-1", Behaviour::close_after_head()).await,
        Upstream::start("web-2", Behaviour::close_after_head()).await,
    ];
    let world = Setup::sticky(&upstreams.each_ref()).start().await;
    for sent in [get("/"), post("/", "x")] {
        let response = world.exchange(sent).await;
        assert_eq!((response.status, cookies(&response).len()), (502, 1));
    }
    world.finish(2).await;
    // Nobody was picked in the end: no cookie.
    let world = Setup::new(web(servers(&[]))).start().await;
    assert!(cookies(&world.get("/").await).is_empty());
    world.finish(1).await;
}
