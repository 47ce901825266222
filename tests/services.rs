//! Services of files, from outside: those that stand before others, and how their servers are chosen, checked and
//! connected to.

use std::collections::BTreeMap;

use seaway_testkit::raw::RawClient;
use seaway_testkit::upstream::{Behaviour, Upstream};

use crate::program::Program;

const SERVICES: &str = "
http:
  routers:
    canary: { rule: Host(`canary.test`), service: canary }
    failover: { rule: Host(`failover.test`), service: failover }
    mirrored: { rule: Host(`mirrored.test`), service: mirrored }
    clients: { rule: Host(`clients.test`), service: clients }
    checked: { rule: Host(`checked.test`), service: checked }
    loop: { rule: Host(`loop.test`), service: loop }
    nobody: { rule: Host(`nobody.test`), service: nobody }
    both: { rule: Host(`both.test`), service: both }
    secure: { rule: Host(`secure.test`), service: secure }
    lost: { rule: Host(`lost.test`), service: lost }
  services:
    a: { loadBalancer: { servers: [ { url: 'A' } ] } }
    b: { loadBalancer: { servers: [ { url: 'B' } ] } }
    canary:
      weighted:
        services: [ { name: a, weight: 3 }, { name: b, weight: 1 } ]
        sticky: { cookie: { name: level } }
    failover: { failover: { service: checked, fallback: b } }
    mirrored: { mirroring: { service: a, mirrors: [ { name: b, percent: 50 } ] } }
    clients: { highestRandomWeight: { services: [ { name: a }, { name: b } ] } }
    checked:
      loadBalancer:
        servers: [ { url: 'A' } ]
        strategy: p2c
        healthCheck: { path: /up, interval: 50ms, timeout: 1s }
    loop: { failover: { service: loop, fallback: b } }
    nobody: { failover: { service: nothing, fallback: b } }
    both: { weighted: { services: [ { name: a } ] }, failover: { service: a, fallback: b } }
    secure: { loadBalancer: { servers: [ { url: 'TLS' } ], serversTransport: broken } }
    lost: { loadBalancer: { servers: [ { url: 'A' } ], serversTransport: nowhere } }
  serversTransports:
    broken: { rootCAs: [ /nowhere/ca.pem ] }
";

#[tokio::test(flavor = "multi_thread")]
async fn services_of_a_file_do_what_they_say() {
    let (a, b) = (Upstream::start("a", Behaviour::echo()).await, Upstream::start("b", Behaviour::echo()).await);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("services.yml");
    let text = SERVICES.replace("'A'", &format!("'{}'", a.url())).replace("'B'", &format!("'{}'", b.url()));
    std::fs::write(&file, text.replace("'TLS'", &a.url().replace("http", "https"))).unwrap();
    let seaway = Program::start(&[&format!("--providers.file.filename={}", file.display())], &[]);
    seaway.until_status("checked.test", "/", 200).await;

    // Shares, and a cookie for each client.
    let mut shares = BTreeMap::<String, usize>::new();
    let mut cookie = String::new();
    for _ in 0..8 {
        let response = seaway.get("canary.test", "/").await;
        *shares.entry(response.field("x-upstream").unwrap().to_owned()).or_default() += 1;
        if response.field("x-upstream") == Some("b") {
            cookie = response.field("set-cookie").unwrap().split(';').next().unwrap().to_owned();
        }
    }
    assert_eq!(shares, BTreeMap::from([("a".to_owned(), 6), ("b".to_owned(), 2)]));
    assert_eq!(cookie, "level=3e23e8160039594a", "the first sixteen digits of SHA-256 of b");
    let mut client = RawClient::connect(seaway.web).await.unwrap();
    for _ in 0..4 {
        client.send(format!("GET / HTTP/1.1\r\nHost: canary.test\r\nCookie: {cookie}\r\n\r\n")).await.unwrap();
        assert_eq!(client.response().await.unwrap().field("x-upstream"), Some("b"));
    }

    // The same client, the same service.
    let first = seaway.get("clients.test", "/").await.field("x-upstream").unwrap().to_owned();
    for _ in 0..4 {
        assert_eq!(seaway.get("clients.test", "/").await.field("x-upstream"), Some(&*first));
    }

    // Every second request is copied.
    let copied = |log: &seaway_testkit::upstream::Log| {
        log.requests.iter().filter(|request| request.all("host") == ["mirrored.test"]).count()
    };
    for _ in 0..6 {
        assert_eq!(seaway.get("mirrored.test", "/").await.field("x-upstream"), Some("a"));
    }
    b.wait_for("three copies", |log| copied(log) == 3).await;

    // What cannot be used is off and says why.
    for host in ["loop.test", "nobody.test", "both.test", "secure.test", "lost.test"] {
        assert_eq!(seaway.get(host, "/").await.status, 503, "{host}");
    }
    let told = seaway.until_told("what is wrong", |told| !told.is_empty()).await;
    let codes: Vec<&str> = told.iter().filter_map(|found| found["code"].as_str()).collect();
    for code in ["SW0312", "SW0313", "SW0314", "SW0315", "SW0316"] {
        assert!(codes.contains(&code), "{code}: {told:#?}");
    }

    // A check that fails sends requests to the second choice, and one that succeeds takes them back.
    assert_eq!(seaway.get("failover.test", "/").await.field("x-upstream"), Some("a"));
    a.set(Behaviour::answer(503, "broken"));
    seaway.until("failover.test", "/", |response| response.field("x-upstream") == Some("b")).await;
    a.set(Behaviour::echo());
    seaway.until("failover.test", "/", |response| response.field("x-upstream") == Some("a")).await;
}
