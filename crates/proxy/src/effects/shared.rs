//! Buckets that several Seaways share, in a Redis server: one connection for each worker, over which all requests go at
//! the same time.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use redis::aio::{AsyncStream, MultiplexedConnection};
use redis::{AsyncConnectionConfig, ProtocolVersion, RedisConnectionInfo};
use seaway_middleware::protocol::{SharedBucket, SharedServer, SharedToken};
use tokio::sync::Mutex;

use crate::upstream::connect::open;
use crate::upstream::stream::Stream;
use crate::worker::Worker;

/// After a failure nobody tries for so long: requests go by what is known here, without waiting.
const REST: Duration = Duration::from_secs(1);
/// Longest that a bucket is remembered, in milliseconds: ten years.
const LONGEST: u64 = 315_360_000_000;

/// Takes a token. The bucket is the time at which it will be full again, by the server's clock, in microseconds.
const TAKE: &str = "local t = redis.call('TIME')
local now = t[1] * 1000000 + t[2]
local full = tonumber(redis.call('GET', KEYS[1]) or now) or now
if full < now then full = now end
full = full + tonumber(ARGV[1])
local wait = full - tonumber(ARGV[2]) - now
if wait > tonumber(ARGV[3]) then return {0, math.ceil(wait)} end
redis.call('SET', KEYS[1], string.format('%.3f', full), 'PX', ARGV[4])
return {1, math.max(0, math.ceil(wait))}";

/// One worker's connections to servers that keep buckets.
#[derive(Default)]
pub(crate) struct Shares(RefCell<Vec<(Weak<SharedServer>, Rc<Share>)>>);

#[derive(Default)]
struct Share {
    /// Whoever connects holds it, and the rest waits for the same connection.
    connection: Mutex<Option<MultiplexedConnection>>,
    failed: Cell<Option<Instant>>,
}

impl Shares {
    /// Closes connections to servers that nobody asks any more.
    pub(crate) fn sweep(&self) {
        self.0.borrow_mut().retain(|(server, _)| server.strong_count() > 0);
    }

    fn of(&self, server: &Arc<SharedServer>) -> Rc<Share> {
        let mut known = self.0.borrow_mut();
        let found = known.iter().find(|(it, _)| std::ptr::eq(it.as_ptr(), Arc::as_ptr(server)));
        if let Some((_, share)) = found {
            return Rc::clone(share);
        }
        let share = Rc::<Share>::default();
        known.push((Arc::downgrade(server), Rc::clone(&share)));
        share
    }
}

/// Takes a token; `None` if the server could not be asked, which is told once.
pub(super) async fn take(worker: &Worker, bucket: &SharedBucket) -> Option<SharedToken> {
    let share = worker.shares.of(&bucket.server);
    if share.rests() {
        return None;
    }
    let result = share.take(bucket).await;
    match &result {
        Ok(_) => {
            if bucket.server.is_down.load(Ordering::Relaxed) && bucket.server.is_down.swap(false, Ordering::Relaxed) {
                tracing::info!(target: "seaway", "rateLimit: {} is there again", shown(&bucket.server));
            }
        }
        Err(Some(why)) => {
            share.failed.set(Some(Instant::now()));
            if !bucket.server.is_down.swap(true, Ordering::Relaxed) {
                tracing::warn!(
                    target: "seaway",
                    "rateLimit: {} cannot be asked ({why}); each Seaway counts for itself until it can",
                    shown(&bucket.server)
                );
            }
        }
        Err(None) => {}
    }
    result.ok()
}

fn shown(server: &SharedServer) -> String {
    format!("the Redis server {}:{}", server.host, server.port)
}

impl Share {
    fn rests(&self) -> bool {
        self.failed.get().is_some_and(|at| at.elapsed() < REST)
    }

    /// Without words where somebody else has just found out the same.
    async fn take(&self, bucket: &SharedBucket) -> Result<SharedToken, Option<String>> {
        let mut connection = {
            let mut known = self.connection.lock().await;
            match &*known {
                Some(connection) => connection.clone(),
                None if self.rests() => return Err(None),
                None => {
                    let begun = tokio::time::timeout(bucket.server.dial_timeout, begin(&bucket.server)).await;
                    let made = begun.unwrap_or_else(|_| Err("no connection in time".to_owned()))?;
                    known.insert(made).clone()
                }
            }
        };
        let keep = u64::try_from(bucket.keep.as_millis()).unwrap_or(LONGEST).clamp(1, LONGEST);
        let mut command = redis::cmd("EVAL");
        command.arg(TAKE).arg(1).arg(&*bucket.key);
        command.arg(bucket.token).arg(bucket.burst).arg(bucket.max_wait).arg(keep);
        let answer = command.query_async::<(i64, i64)>(&mut connection);
        match tokio::time::timeout(bucket.server.timeout, answer).await {
            Ok(Ok((taken, wait))) => {
                let wait = Duration::from_micros(u64::try_from(wait).unwrap_or(0));
                Ok(if taken == 1 { SharedToken::In(wait) } else { SharedToken::Late(wait) })
            }
            Ok(Err(error)) => {
                self.forget().await;
                Err(Some(error.to_string()))
            }
            Err(_) => {
                self.forget().await;
                Err(Some("no answer in time".to_owned()))
            }
        }
    }

    /// The next one connects anew.
    async fn forget(&self) {
        *self.connection.lock().await = None;
    }
}

async fn begin(server: &SharedServer) -> Result<MultiplexedConnection, String> {
    let stream = open((&server.host, server.port), server.tls.as_ref(), server.dial_timeout).await;
    let stream: Box<dyn AsyncStream + Send + Sync> = match stream.map_err(|error| error.as_str().to_owned())? {
        Stream::Tcp(stream) => Box::new(stream),
        Stream::Tls(stream) => stream,
    };
    let mut info = RedisConnectionInfo::default().set_protocol(ProtocolVersion::RESP2).set_skip_set_lib_name();
    info = info.set_db(server.db);
    if !server.username.is_empty() {
        info = info.set_username(&*server.username);
    }
    if !server.password.expose().is_empty() {
        info = info.set_password(server.password.expose());
    }
    let config = AsyncConnectionConfig::new().set_response_timeout(None).set_connection_timeout(None);
    let made = MultiplexedConnection::new_with_config(&info, Box::into_pin(stream), config).await;
    let (connection, driver) = made.map_err(|error| error.to_string())?;
    // It ends when nobody has the connection any more.
    tokio::task::spawn_local(driver);
    Ok(connection)
}
