//! The demo application over real sockets: what proxies and people are shown must be true.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use futures::{SinkExt, StreamExt};
use seaway_demo_app::{Gate, Index, Options, StopMode, serve};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

#[tokio::test]
async fn every_answer_is_signed() {
    let replica = Replica::start(Options::new("web-1")).await;
    for (target, status) in [
        ("/", 200),
        ("/app.css", 200),
        ("/app.js", 200),
        ("/whoami", 200),
        ("/api", 200),
        ("/api/whatever", 200),
        ("/api/animals", 200),
        ("/health", 200),
        ("/orders", 200),
        ("/headers", 200),
        ("/bytes?n=0", 200),
        ("/ws", 426),
        ("/login", 405),
        ("/nothing", 404),
        ("/slow?ms=10001", 400),
        ("/slow?ms=x", 400),
        ("/bytes?n=99999999999", 400),
        ("/status/204", 204),
        ("/status/503", 503),
        ("/status/101", 400),
        ("/status/no", 400),
    ] {
        let answer = replica.get(target).await;
        assert_eq!((answer.status, answer.header("x-replica")), (status, Some("web-1")), "{target}");
    }
    assert_eq!(replica.send("DELETE / HTTP/1.1\r\nHost: a\r\n\r\n").await.status, 405);
}

#[tokio::test]
async fn a_gate_knows_one_visitor() {
    let gate = Gate { user: "anna".to_owned(), authorization: "Basic YW5uYTpzZWNyZXQ=".to_owned() };
    let replica = Replica::start(Options { gate: Some(gate), ..Options::new("gate-1") }).await;
    let ask = |authorization: &str| format!("GET /any HTTP/1.1\r\nHost: a\r\n{authorization}\r\n");
    let known = replica.send(&ask("Authorization: Basic YW5uYTpzZWNyZXQ=\r\n")).await;
    assert_eq!((known.status, known.header("x-forwarded-user")), (200, Some("anna")));
    for stranger in ["", "Authorization: Basic YW5uYTpzZWNyZXQ\r\n"] {
        let refused = replica.send(&ask(stranger)).await;
        assert_eq!((refused.status, refused.header("x-forwarded-user")), (401, None), "{stranger:?}");
    }
}

#[tokio::test]
async fn page_style_and_script_each_name_their_sender() {
    let replica = Replica::start(Options::new("web-7")).await;
    for target in ["/", "/app.css", "/app.js"] {
        assert!(replica.get(target).await.text().contains("web-7"), "{target}");
    }
}

#[tokio::test]
async fn a_login_lives_in_one_replica() {
    let (one, other) = (Replica::start(Options::new("web-1")).await, Replica::start(Options::new("web-2")).await);
    let login = one
        .send("POST /login HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 9\r\n\r\nuser=anna")
        .await;
    assert_eq!(login.json()["user"], "anna");
    let cookie = login.cookie("app_session");

    let at_home = one.get_with("/whoami", &cookie).await.json();
    assert_eq!((&at_home["known"], &at_home["user"]), (&Value::from(true), &Value::from("anna")));
    let away = other.get_with("/whoami", &cookie).await.json();
    assert_eq!((&away["known"], &away["user"]), (&Value::from(false), &Value::Null));
    assert!(away["message"].as_str().unwrap().contains("does not know your session"));

    let logout = one.send(&format!("POST /logout HTTP/1.1\r\nHost: a\r\nCookie: {cookie}\r\n\r\n")).await;
    assert_eq!(logout.json()["known"], true);
    assert_eq!(one.get_with("/whoami", &cookie).await.json()["known"], false);
}

#[tokio::test]
async fn a_login_without_a_user_is_refused() {
    let replica = Replica::start(Options::new("web-1")).await;
    for content in ["", "user=", "name=anna"] {
        let length = content.len();
        let request = format!("POST /login HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n{content}");
        assert_eq!(replica.send(&request).await.status, 400, "{content:?}");
    }
}

#[tokio::test]
async fn an_application_cookie_is_given_once_and_again_by_a_replica_that_does_not_know_it() {
    let options = || Options { app_cookie: Some("JSESSIONID".to_owned()), ..Options::new("api") };
    let (one, other) = (Replica::start(options()).await, Replica::start(options()).await);
    let first = one.get("/api/animals").await;
    let cookie = first.cookie("JSESSIONID");
    let second = one.get_with("/api/animals", &cookie).await;
    assert_eq!((second.header("set-cookie"), &second.json()["visits"]), (None, &Value::from(1)));
    let elsewhere = other.get_with("/api/animals", &cookie).await;
    assert_ne!(elsewhere.cookie("JSESSIONID"), cookie);
}

#[tokio::test]
async fn the_index_can_be_the_animals() {
    let replica = Replica::start(Options { index: Index::Animals, ..Options::new("api-1") }).await;
    let answer = replica.get("/").await.json();
    assert_eq!((&answer["host"], answer["animals"].as_array().unwrap().len()), (&Value::from("api-1"), 3));
}

#[tokio::test]
async fn a_second_copy_of_an_order_is_seen() {
    let folder = tempdir("orders");
    let file = folder.join("orders");
    let options = |name| Options { orders_file: Some(file.clone()), ..Options::new(name) };
    let (one, other) = (Replica::start(options("web-1")).await, Replica::start(options("web-2")).await);
    let post = |id: &str| format!("POST /orders?id={id} HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc");
    assert_eq!(one.send(&post("a")).await.json()["seen"], 1);
    assert_eq!(other.send(&post("b")).await.json()["seen"], 1);
    let again = one.send(&post("a")).await.json();
    assert_eq!((&again["seen"], &again["id"], &again["bytes"]), (&2.into(), &"a".into(), &3.into()));
    assert_eq!(one.get("/orders").await.json()["orders"], serde_json::json!({ "a": 2 }));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "web-1 a\nweb-2 b\nweb-1 a\n");
    std::fs::remove_dir_all(folder).unwrap();
    for target in ["/orders", "/orders?id=", "/orders?id=a%0Ab"] {
        assert_eq!(
            one.send(&format!("POST {target} HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")).await.status,
            400
        );
    }
}

#[tokio::test]
async fn headers_are_told_as_they_came() {
    let replica = Replica::start(Options::new("web-1")).await;
    let answer =
        replica.send("PUT /headers?x=%20 HTTP/1.1\r\nHost: a.b\r\nX-One: 1\r\nX-Two: 2\r\nX-One: 3\r\n\r\n").await;
    let told = answer.json();
    assert_eq!((&told["method"], &told["target"]), (&"PUT".into(), &"/headers?x=%20".into()));
    let fields = serde_json::json!([["host", "a.b"], ["x-one", "1"], ["x-one", "3"], ["x-two", "2"]]);
    let mut got = told["headers"].as_array().unwrap().clone();
    got.sort_by_key(ToString::to_string);
    assert_eq!(Value::from(got), fields);
}

#[tokio::test]
async fn bytes_are_as_many_as_asked() {
    let replica = Replica::start(Options::new("web-1")).await;
    for n in [0, 1, 65_536, 300_001] {
        let answer = replica.get(&format!("/bytes?n={n}")).await;
        assert_eq!((answer.body.len(), answer.header("content-length")), (n, Some(n.to_string().as_str())));
    }
    assert_eq!(replica.send("HEAD /bytes?n=5 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await.status, 200);
}

#[tokio::test]
async fn events_come_one_by_one_and_end() {
    let replica = Replica::start(Options::new("web-1")).await;
    let answer = replica.get("/events?ms=1&count=3").await;
    assert_eq!(answer.header("content-type"), Some("text/event-stream"));
    assert_eq!(answer.text().matches("data: {\"host\":\"web-1\"").count(), 3);
    assert!(answer.text().ends_with("0\r\n\r\n"), "the last chunk is there");
}

#[tokio::test]
async fn a_websocket_names_its_replica_and_echoes() {
    let replica = Replica::start(Options::new("web-1")).await;
    let mut socket = replica.websocket().await;
    assert_eq!(next(&mut socket).await, Message::text("web-1"));
    socket.send(Message::text("ahoy")).await.unwrap();
    assert_eq!(next(&mut socket).await, Message::text("ahoy"));
    socket.send(Message::binary(vec![0, 255])).await.unwrap();
    assert_eq!(next(&mut socket).await, Message::binary(vec![0, 255]));
}

#[tokio::test]
async fn drain_finishes_what_runs_and_takes_nothing_new() {
    let replica = Replica::start(Options::new("web-1")).await;
    let mut idle = replica.connect().await;
    assert_eq!(exchange(&mut idle, "GET /health HTTP/1.1\r\nHost: a\r\n\r\n").await.status, 200);
    let mut running = replica.connect().await;
    running.write_all(b"POST /orders?id=run&ms=300 HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n").await.unwrap();
    until(|| async { replica.get("/orders").await.text().contains("run") }).await;
    let mut socket = replica.websocket().await;
    next(&mut socket).await;
    let mut events = replica.connect().await;
    events.write_all(b"GET /events?ms=10000 HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    let mut first = [0; 64];
    events.read_exact(&mut first).await.unwrap();

    let address = replica.address;
    let stopped = replica.stop();

    assert_eq!(idle.read(&mut [0; 1]).await.unwrap(), 0, "the idle connection is closed");
    assert!(TcpStream::connect(address).await.is_err(), "the listener is closed");
    let Message::Close(Some(goodbye)) = next(&mut socket).await else { panic!("no goodbye") };
    assert_eq!(goodbye.code, CloseCode::Away);
    drop(socket);
    let mut rest = Vec::new();
    events.read_to_end(&mut rest).await.unwrap();
    assert!(rest.ends_with(b"0\r\n\r\n"), "the event stream ends as a whole body");
    let answer = read_answer(&mut running).await;
    assert_eq!((answer.status, answer.header("connection")), (200, Some("close")));
    within(stopped).await.unwrap();
}

/// Its first request is on the way: whoever made it has been promised an answer.
#[tokio::test]
async fn a_connection_that_was_only_just_made_is_answered() {
    let replica = Replica::start(Options::new("web-1")).await;
    let mut new = replica.connect().await;
    let address = replica.address;
    let stopped = replica.stop();
    until(|| async { TcpStream::connect(address).await.is_err() }).await;
    let answer = exchange(&mut new, "POST /orders?id=late HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n").await;
    assert_eq!((answer.status, answer.header("connection")), (200, Some("close")));
    assert_eq!(new.read(&mut [0; 1]).await.unwrap(), 0, "and closed after it");
    within(stopped).await.unwrap();
}

#[tokio::test]
async fn an_idle_connection_is_answered_within_the_grace() {
    let replica = Replica::start(Options { idle_grace: Duration::from_secs(20), ..Options::new("web-1") }).await;
    let mut idle = replica.connect().await;
    assert_eq!(exchange(&mut idle, "GET /health HTTP/1.1\r\nHost: a\r\n\r\n").await.status, 200);
    let address = replica.address;
    let stopped = replica.stop();
    until(|| async { TcpStream::connect(address).await.is_err() }).await;
    let answer = exchange(&mut idle, "GET /health HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!((answer.status, answer.header("connection")), (503, Some("close")));
    assert_eq!(idle.read(&mut [0; 1]).await.unwrap(), 0, "and closed after it");
    within(stopped).await.unwrap();
}

#[tokio::test]
async fn drain_has_a_limit() {
    let options = Options { drain_limit: Duration::from_millis(50), ..Options::new("web-1") };
    let replica = Replica::start(options).await;
    let mut running = replica.connect().await;
    running.write_all(b"POST /orders?id=run&ms=10000 HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n").await.unwrap();
    until(|| async { replica.get("/orders").await.text().contains("run") }).await;
    within(replica.stop()).await.unwrap();
    assert_cut(&mut running).await;
}

#[tokio::test]
async fn exit_cuts_everything() {
    let replica = Replica::start(Options { stop: StopMode::Exit, ..Options::new("web-1") }).await;
    let mut running = replica.connect().await;
    running.write_all(b"POST /orders?id=run&ms=10000 HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n").await.unwrap();
    until(|| async { replica.get("/orders").await.text().contains("run") }).await;
    let mut socket = replica.websocket().await;
    next(&mut socket).await;
    within(replica.stop()).await.unwrap();
    assert_cut(&mut running).await;
    assert!(matches!(within(socket.next()).await, None | Some(Err(_))), "no goodbye either");
}

// --- helpers --------------------------------------------------------------------------------------------------------

struct Replica {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Replica {
    async fn start(options: Options) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(serve(listener, options, async move {
            stopped.await.ok();
        }));
        Self { address, stop, task }
    }

    fn stop(self) -> JoinHandle<()> {
        self.stop.send(()).ok();
        self.task
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    async fn get(&self, target: &str) -> Answer {
        self.send(&format!("GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")).await
    }

    async fn get_with(&self, target: &str, cookie: &str) -> Answer {
        self.send(&format!("GET {target} HTTP/1.1\r\nHost: a\r\nCookie: x=1; {cookie}\r\nConnection: close\r\n\r\n"))
            .await
    }

    async fn send(&self, request: &str) -> Answer {
        exchange(&mut self.connect().await, request).await
    }

    async fn websocket(&self) -> tokio_tungstenite::WebSocketStream<TcpStream> {
        let stream = self.connect().await;
        tokio_tungstenite::client_async("ws://localhost/ws", stream).await.unwrap().0
    }
}

#[derive(Debug)]
struct Answer {
    status: u16,
    fields: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// `name=value` out of `Set-Cookie`.
    fn cookie(&self, name: &str) -> String {
        let cookie = self.header("set-cookie").expect("a cookie").split(';').next().unwrap();
        assert!(cookie.starts_with(&format!("{name}=")), "{cookie}");
        cookie.to_owned()
    }
}

async fn exchange(stream: &mut TcpStream, request: &str) -> Answer {
    stream.write_all(request.as_bytes()).await.unwrap();
    read_answer(stream).await
}

/// Reads one answer: as much as its `Content-Length` says, or up to the end of the connection (chunks stay as they came).
async fn read_answer(stream: &mut TcpStream) -> Answer {
    within(async {
        let mut bytes = Vec::new();
        let head_end = loop {
            if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
                break at + 4;
            }
            assert_ne!(stream.read_buf(&mut bytes).await.unwrap(), 0, "no answer: {bytes:?}");
        };
        let head = String::from_utf8(bytes.drain(..head_end).collect()).unwrap();
        let mut lines = head.lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let fields: Vec<_> = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
            .collect();
        let mut answer = Answer { status, fields, body: bytes };
        let closes = answer.header("connection") == Some("close");
        match answer.header("content-length").map(|length| length.parse::<usize>().unwrap()) {
            Some(length) if !closes => {
                while answer.body.len() < length {
                    assert_ne!(stream.read_buf(&mut answer.body).await.unwrap(), 0, "the body is cut off");
                }
            }
            Some(length) => {
                while answer.body.len() < length && stream.read_buf(&mut answer.body).await.unwrap() != 0 {}
            }
            None => {
                stream.read_to_end(&mut answer.body).await.unwrap();
            }
        }
        answer
    })
    .await
}

async fn assert_cut(stream: &mut TcpStream) {
    let mut rest = Vec::new();
    let ended = within(stream.read_to_end(&mut rest)).await;
    assert!(rest.is_empty(), "no answer after the cut, {ended:?}");
}

async fn next(socket: &mut tokio_tungstenite::WebSocketStream<TcpStream>) -> Message {
    within(socket.next()).await.unwrap().unwrap()
}

async fn within<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(10), work).await.expect("nothing for ten seconds")
}

async fn until<F: Future<Output = bool>>(mut condition: impl FnMut() -> F) {
    within(async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

fn tempdir(what: &str) -> std::path::PathBuf {
    let folder = std::env::temp_dir().join(format!("seaway-demo-app-{what}-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    folder
}
