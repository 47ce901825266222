//! Answers that begin before their requests have ended: both directions go on, and each side's failure is its own.

use std::time::Duration;

use seaway_config::model::{Address, Identity};
use seaway_testkit::upstream::{Behaviour, Step, Upstream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::harness::{Setup, server, web};

const CHUNKED: &str = "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n";

#[tokio::test]
async fn a_client_that_fails_while_it_is_answered_is_to_blame() {
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n";
    for (leaves, error) in [(false, "bad_request_body"), (true, "client_gone")] {
        let web = Upstream::start(
            "web-1",
            Behaviour::steps([Step::ReadHead, Step::Write(head.into()), Step::ReadBody, Step::Hang]),
        )
        .await;
        let world = Setup::web(&[&web]).start().await;
        let mut client = world.client().await;
        client.send(CHUNKED).await.unwrap();
        client.until("3\r\none\r\n").await.unwrap();
        if leaves {
            drop(client);
        } else {
            client.send("no chunk\r\n").await.unwrap();
            assert!(client.to_close().await.unwrap_or_default().is_empty(), "not brought to an end");
        }
        let lines = world.finish(1).await;
        assert_eq!((lines[0].status(), lines[0].error(), lines[0].lost()), (200, error, false));
    }
}

/// A server that reads and writes at the same time would be done with such a client; so it must be through us.
#[tokio::test]
async fn a_client_that_reads_late_can_send_all_of_its_body() {
    const SIZE: usize = 48 << 20;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = tokio::spawn(async move {
        let (mut reads, mut writes) = listener.accept().await.unwrap().0.into_split();
        let answer = tokio::spawn(async move {
            writes.write_all(format!("HTTP/1.1 200 OK\r\nContent-Length: {SIZE}\r\n\r\n").as_bytes()).await.unwrap();
            writes.write_all(&vec![b'x'; SIZE]).await.unwrap();
            writes
        });
        let (mut all, mut buffer) = (0, vec![0; 64 * 1024]);
        while all < SIZE {
            all += reads.read(&mut buffer).await.unwrap();
        }
        (reads, answer.await.unwrap())
    });
    let web_1 = Upstream::start("web-1", Behaviour::echo()).await;
    let mut server = server(1, &web_1);
    server.address = Address::Ip(address);
    server.identity = Identity { address: address.to_string().into(), ..server.identity };
    let world = Setup::new(web(vec![server])).start().await;
    let mut client = world.client().await;
    client.send(format!("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: {SIZE}\r\n\r\n")).await.unwrap();
    client.head().await.unwrap();
    let sent = tokio::time::timeout(Duration::from_secs(20), client.send(vec![b'y'; SIZE])).await;
    sent.expect("the upload stands still").unwrap();
    client.bytes(SIZE).await.unwrap();
    let ends = tokio::time::timeout(Duration::from_secs(20), serving).await.unwrap().unwrap();
    drop((client, ends));
    world.finish(1).await;
}
