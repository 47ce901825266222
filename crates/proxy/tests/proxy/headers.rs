//! What a server sees of a request's head, byte by byte.

use std::sync::Arc;

use seaway_head::Trust;
use seaway_testkit::upstream::{Behaviour, Upstream};

use crate::harness::{Setup, add_router, add_service, get, servers};

/// The head that the server gets for one that the client sent.
async fn seen(setup: impl FnOnce(&mut Setup), sent: &str) -> String {
    let web = Upstream::start("web-1", Behaviour::echo()).await;
    let mut config = Setup::web(&[&web]);
    setup(&mut config);
    let world = config.start().await;
    assert_eq!(world.exchange(sent).await.status, 200);
    let head = web.log().requests[0].head_text();
    world.finish(1).await;
    head
}

#[tokio::test]
async fn a_plain_request() {
    let head = seen(|_| (), "GET /a?b=c HTTP/1.1\r\nHost: A.test:8080\r\nX-B: 2\r\nX-A: 1\r\nX-B: 3\r\n\r\n").await;
    assert_eq!(
        head,
        "GET /a?b=c HTTP/1.1\r\nhost: A.test:8080\r\nX-B: 2\r\nX-A: 1\r\nX-B: 3\r\n\
         x-real-ip: 127.0.0.1\r\nx-forwarded-proto: http\r\nx-forwarded-port: 8080\r\n\
         x-forwarded-host: A.test:8080\r\nx-forwarded-server: edge\r\nx-forwarded-for: 127.0.0.1\r\n\r\n"
    );
}

#[tokio::test]
async fn a_stranger_cannot_say_who_he_is() {
    let managed = [
        "X-Forwarded-For",
        "x-forwarded-proto",
        "X-FORWARDED-SCHEME",
        "X-Forwarded-Host",
        "X-Forwarded-Port",
        "X-Forwarded-Server",
        "X-Forwarded-Uri",
        "X-Forwarded-Method",
        "X-Forwarded-Prefix",
        "X-Forwarded-Tls-Client-Cert",
        "X-Forwarded-Tls-Client-Cert-Info",
        "X-Scheme",
        "X-Real-Ip",
    ];
    let mut sent = "GET / HTTP/1.1\r\nHost: a.test\r\n".to_owned();
    for name in managed {
        sent +=
            &format!("{name}: evil\r\n{}: evil\r\n{}: evil\r\n", name.replace('-', "_"), name.replacen('-', "_", 1));
    }
    sent += "Transfer_Encoding: evil\r\nContent_Length: evil\r\n\r\n";
    let head = seen(|_| (), &sent).await;
    assert!(!head.contains("evil") && !head.contains('_'), "{head}");
    assert!(head.ends_with("x-forwarded-for: 127.0.0.1\r\n\r\n"), "{head}");
}

#[tokio::test]
async fn a_trusted_proxy_is_believed_and_added_to() {
    let trust = |setup: &mut Setup| {
        setup.entry.trust = Arc::new(Trust { everybody: false, networks: vec!["127.0.0.0/8".parse().unwrap()] });
    };
    let sent = "GET / HTTP/1.1\r\nHost: a.test\r\nX-Forwarded-For: 1.1.1.1\r\nX-Forwarded-For: 2.2.2.2\r\n\
                X-Forwarded-Proto: https\r\nX-Real-Ip: 1.1.1.1\r\nX-Forwarded-Prefix: /p\r\n\r\n";
    let head = seen(trust, sent).await;
    for line in [
        "x-forwarded-for: 1.1.1.1, 2.2.2.2, 127.0.0.1\r\n",
        "x-forwarded-proto: https\r\n",
        "x-forwarded-port: 443\r\n",
        "x-real-ip: 1.1.1.1\r\n",
        "x-forwarded-prefix: /p\r\n",
    ] {
        assert!(head.contains(line), "{line:?} in {head}");
    }
}

#[tokio::test]
async fn the_peer_is_not_appended_where_that_is_switched_off() {
    let head = seen(|setup| setup.entry.append_forwarded_for = false, &get("/")).await;
    assert!(!head.contains("x-forwarded-for"), "{head}");
}

#[tokio::test]
async fn what_belongs_to_one_connection_stays_on_it() {
    let head = seen(
        |_| (),
        "GET / HTTP/1.1\r\nHost: a.test\r\nConnection: keep-alive, X-Mine\r\nConnection: x-forwarded-for, \
         X-Real-Ip, host, COOKIE, Authorization, content-length\r\nKeep-Alive: timeout=0\r\nProxy-Connection: close\r\n\
         Proxy-Authorization: Basic x\r\nTE: gzip\r\nTrailer: x\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\nX-Mine: 1\r\n\
         Cookie: a=b\r\nAuthorization: x\r\nX-Other: 2\r\n\r\n",
    )
    .await;
    let mut lines: Vec<_> = head.trim_end().split("\r\n").skip(1).collect();
    lines.sort_unstable();
    assert_eq!(
        lines,
        [
            "authorization: x",
            "cookie: a=b",
            "host: a.test",
            "x-forwarded-for: 127.0.0.1",
            "x-forwarded-host: a.test",
            "x-forwarded-port: 80",
            "x-forwarded-proto: http",
            "x-forwarded-server: edge",
            "x-other: 2",
            "x-real-ip: 127.0.0.1",
        ]
    );
    let head = seen(|_| (), "GET / HTTP/1.1\r\nHost: a.test\r\nTE: trailers\r\nConnection: TE\r\n\r\n").await;
    assert!(head.contains("te: trailers\r\n") && !head.contains("connection"), "{head}");
}

#[tokio::test]
async fn the_servers_own_host_where_the_clients_is_not_passed_on() {
    let web = Upstream::start("web-1", Behaviour::echo()).await;
    let mut setup = Setup::web(&[&web]);
    setup.balancer(|balancer| balancer.pass_host_header = false);
    let world = setup.start().await;
    let text = world.get("/").await.text();
    assert!(text.contains(&format!("\r\nhost: {}\r\n", web.address())), "{text}");
    assert!(text.contains("x-forwarded-host: a.test\r\n"), "{text}");
    world.finish(1).await;
}

#[tokio::test]
async fn a_servers_path_comes_first_where_it_is_preserved() {
    let web = Upstream::start("web-1", Behaviour::echo()).await;
    let mut setup = Setup::web(&[&web]);
    let service = setup.config.services.values_mut().next().unwrap();
    service.value.servers[0].base_path = "/base/".into();
    let world = setup.start().await;
    assert!(world.get("/x?y").await.text().starts_with("GET /base/x?y HTTP/1.1\r\n"));
    world.finish(1).await;
}

/// One view of a path: what rules match is what the server gets.
#[tokio::test]
async fn paths_are_made_canonical_before_they_are_matched() {
    let (guarded, open) =
        (Upstream::start("guarded", Behaviour::echo()).await, Upstream::start("open", Behaviour::echo()).await);
    let mut setup = Setup::web(&[&open]);
    let mut server = servers(&[&guarded]).remove(0);
    server.identity.container = "container-9".into();
    add_service(&mut setup.config, "guarded", vec![server]);
    add_router(&mut setup.config, "guarded", "PathPrefix(`/admin`)", "guarded");
    let world = setup.start().await;
    let mut requests = 0;
    for (path, want) in [
        ("/admin", "/admin"),
        ("/x/../admin", "/admin"),
        ("/./admin", "/admin"),
        ("//admin", "/admin"),
        ("/admin/.", "/admin/"),
        ("/%61dmin", "/admin"),
        ("/a%64min/%7Ex", "/admin/~x"),
        ("/%2e%2e/admin", "/admin"),
        ("/x/.%2e/admin", "/admin"),
        ("/admin%2fx", "/admin%2Fx"),
        ("/admin%20", "/admin%20"),
        ("/admin;jsessionid=1", "/admin;jsessionid=1"),
    ] {
        let response = world.get(path).await;
        let start = response.text().split("\r\n").next().unwrap().to_owned();
        assert_eq!((response.field("x-upstream"), start), (Some("guarded"), format!("GET {want} HTTP/1.1")), "{path}");
        requests += 1;
    }
    for (path, want) in [
        ("/ADMIN", "/ADMIN"),
        ("/%2fadmin", "/%2Fadmin"),
        ("/%252e%252e/admin", "/%252e%252e/admin"),
        ("/x?/admin", "/x?/admin"),
        ("/x?a;b", "/x?a&b"),
        ("/%c0%ae/admin", "/%C0%AE/admin"),
    ] {
        let response = world.get(path).await;
        let start = response.text().split("\r\n").next().unwrap().to_owned();
        assert_eq!((response.field("x-upstream"), start), (Some("open"), format!("GET {want} HTTP/1.1")), "{path}");
        requests += 1;
    }
    let seen = guarded.log().requests.len() + open.log().requests.len();
    for path in ["/a\\..\\admin", "/x/..;/admin", "/..%2fadmin", "/..%5cadmin", "/x%00", "/%", "/%zz", "/a%5c../admin"]
    {
        assert_eq!(world.get(path).await.status, 400, "{path}");
        requests += 1;
    }
    assert_eq!(guarded.log().requests.len() + open.log().requests.len(), seen);
    world.finish(requests).await;
}
