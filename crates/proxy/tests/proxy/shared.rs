//! Limits that several Seaways share, with a Redis server as Debian has it.

use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use seaway_config::Secret;
use seaway_config::model::{Middleware, RateLimit, Redis};
use seaway_testkit::upstream::{Behaviour, Upstream};

use crate::harness::{Setup, World};

const PASSWORD: &str = "opensesame";

/// A server that ends with the test.
struct Server {
    child: Child,
    port: u16,
}

impl Server {
    /// `None`, with words, where there is no such program.
    async fn start() -> Option<Self> {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        Self::at(port).await
    }

    async fn at(port: u16) -> Option<Self> {
        let mut command = Command::new("redis-server");
        command.args(["--bind", "127.0.0.1", "--port", &port.to_string(), "--requirepass", PASSWORD]);
        command.args(["--save", "", "--appendonly", "no", "--dir", "/tmp"]);
        let child = match command.stdout(Stdio::null()).stderr(Stdio::null()).spawn() {
            Ok(child) => child,
            Err(error) => {
                println!("skipped: redis-server: {error}");
                return None;
            }
        };
        let server = Self { child, port };
        let began = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(began.elapsed() < Duration::from_secs(10), "redis-server does not accept");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Some(server)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _ended = self.child.wait();
    }
}

/// Two in an hour.
async fn seaway(app: &Upstream, port: u16, password: &str) -> World {
    let mut setup = Setup::web(&[app]);
    let redis = Redis {
        endpoints: vec![format!("127.0.0.1:{port}")],
        password: Secret::new(password),
        db: 3,
        ..Redis::default()
    };
    let limit = RateLimit {
        average: 2,
        period: Duration::from_secs(3600),
        burst: 2,
        redis: Some(redis),
        ..RateLimit::default()
    };
    setup.middleware("limit", Middleware::RateLimit(limit));
    setup.start().await
}

async fn statuses<const N: usize>(world: &World) -> [u16; N] {
    let mut all = [0; N];
    for status in &mut all {
        *status = world.get("/").await.status;
    }
    all
}

#[tokio::test]
async fn two_of_them_have_one_bucket() {
    let Some(server) = Server::start().await else { return };
    let app = Upstream::start("app", Behaviour::echo()).await;
    let (one, other) = (seaway(&app, server.port, PASSWORD).await, seaway(&app, server.port, PASSWORD).await);
    assert_eq!((statuses(&one).await, statuses(&other).await), ([200], [200, 429]));
    let refused = one.get("/").await;
    assert_eq!((refused.status, refused.text().as_str()), (429, "Too Many Requests"));
    let seconds: u64 = refused.field("retry-after").unwrap().parse().unwrap();
    assert!((1000..=1800).contains(&seconds), "{seconds}");
    assert_eq!(app.log().requests.len(), 2);
    one.finish(2).await;
    other.finish(2).await;
}

#[tokio::test]
async fn without_the_server_each_counts_for_itself_until_it_is_there() {
    let Some(server) = Server::start().await else { return };
    let port = server.port;
    let app = Upstream::start("app", Behaviour::echo()).await;
    let world = seaway(&app, port, PASSWORD).await;
    assert_eq!(statuses(&world).await, [200, 200, 429]);
    drop(server);
    // The buckets here have nothing to do with those there.
    assert_eq!(statuses(&world).await, [200, 200, 429]);
    let _server = Server::at(port).await.unwrap();
    let (began, mut asked) = (Instant::now(), 6);
    loop {
        asked += 1;
        if world.get("/").await.status == 200 {
            break;
        }
        assert!(began.elapsed() < Duration::from_secs(20), "it is not asked again");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(statuses(&world).await, [200, 429]);
    world.finish(asked + 2).await;
}

#[tokio::test]
async fn a_password_that_is_wrong_opens_nothing() {
    let Some(server) = Server::start().await else { return };
    let app = Upstream::start("app", Behaviour::echo()).await;
    let world = seaway(&app, server.port, "wrong").await;
    assert_eq!(statuses(&world).await, [200, 200, 429]);
    world.finish(3).await;
}
