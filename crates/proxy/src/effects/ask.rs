//! Requests of our own to servers that middlewares ask, over connections that are kept for the next one.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, EXPECT, HOST, TRAILER, TRANSFER_ENCODING};
use http::{Method, StatusCode};
use seaway_head::hop;
use seaway_middleware::protocol::{Ask, AskServer, Heard, Tls, Unheard};
use seaway_routing::Millis;

use crate::body::RequestBody;
use crate::error::ProxyError;
use crate::retry::is_idempotent;
use crate::upstream::connect::open;
use crate::upstream::link::{Lease, Link};
use crate::upstream::pool::Pool;
use crate::worker::Worker;

/// Time to connect, finding out the address included.
const DIAL: Duration = Duration::from_secs(5);
/// Unused connections that one worker keeps to one server, and for how long.
const KEPT: (usize, Duration) = (32, Duration::from_secs(60));

/// Between two warnings of one worker.
const WARN: Duration = Duration::from_secs(60);

/// One worker's connections to servers that middlewares ask.
#[derive(Debug)]
pub(crate) struct Asks {
    pool: RefCell<Pool>,
    numbers: RefCell<Numbers>,
    warned: Cell<Option<Instant>>,
}

/// The pool's numbers of servers.
#[derive(Debug, Default)]
struct Numbers {
    last: u64,
    known: BTreeMap<Place, (u64, Option<Weak<dyn Any + Send + Sync>>)>,
}

/// Name, port, and the address of what connects by TLS: a connection that was made with other certificates is another
/// one. What is known of it keeps that address from being used again.
type Place = (Box<str>, u16, usize);

impl Default for Asks {
    fn default() -> Self {
        Self { pool: RefCell::new(Pool::new(KEPT.1, KEPT.0)), numbers: RefCell::default(), warned: Cell::default() }
    }
}

impl Asks {
    /// Closes connections that nobody used for a while, or that nobody can use any more.
    pub(crate) fn sweep(&self, now: Millis) {
        let mut numbers = self.numbers.borrow_mut();
        let is_there = |tls: &Weak<dyn Any + Send + Sync>| tls.strong_count() > 0;
        let before = numbers.known.len();
        numbers.known.retain(|_, (_, tls)| tls.as_ref().is_none_or(is_there));
        let all = before == numbers.known.len();
        let wanted = |number| all || numbers.known.values().any(|(known, _)| *known == number);
        self.pool.borrow_mut().sweep(now, wanted);
    }

    /// A certificate that is not trusted is met with every request.
    fn may_warn(&self) -> bool {
        let may = self.warned.get().is_none_or(|at| at.elapsed() > WARN);
        if may {
            self.warned.set(Some(Instant::now()));
        }
        may
    }

    fn number(&self, server: &AskServer) -> u64 {
        let mut numbers = self.numbers.borrow_mut();
        let connector = server.tls.as_ref().and_then(Tls::connector);
        let place = (server.host.clone(), server.port, connector.map_or(0, |made| Arc::as_ptr(made).addr()));
        if let Some((number, _)) = numbers.known.get(&place) {
            return *number;
        }
        numbers.last += 1;
        let number = numbers.last;
        numbers.known.insert(place, (number, connector.map(Arc::downgrade)));
        number
    }
}

/// Asks. What is sent before the answer is whole, or the time is over, may have been acted upon.
pub(crate) async fn ask(worker: &Rc<Worker>, ask: Ask) -> Result<Heard, Unheard> {
    tokio::time::timeout(ask.timeout, talk(worker, &ask)).await.unwrap_or(Err(Unheard::Late))
}

async fn talk(worker: &Rc<Worker>, ask: &Ask) -> Result<Heard, Unheard> {
    let number = worker.asks.number(&ask.server);
    let kept = worker.asks.pool.borrow_mut().take(number, true);
    if let Some(mut lease) = kept {
        match hear(&mut lease, ask).await {
            Ok(heard) => {
                worker.asks.pool.borrow_mut().give_back(lease);
                return Ok(heard);
            }
            // It was closed in the moment when it was used.
            Err(Unheard::Failed) if lease.never_reached() || (is_idempotent(&ask.method) && !lease.answered()) => {}
            Err(unheard) => return Err(unheard),
        }
    }
    let AskServer { host, port, tls, .. } = &*ask.server;
    let stream = open((host, *port), tls.as_ref(), DIAL).await.map_err(|error| {
        if error == ProxyError::BadCertificate && worker.asks.may_warn() {
            tracing::warn!(target: "seaway", "forwardAuth asks {host}:{port}, whose certificate is not trusted");
        }
        Unheard::Failed
    })?;
    let mut lease = Link::new(stream, number, Rc::clone(&worker.scratch));
    let heard = hear(&mut lease, ask).await?;
    worker.asks.pool.borrow_mut().give_back(lease);
    Ok(heard)
}

/// One request and its answer.
async fn hear(lease: &mut Lease, ask: &Ask) -> Result<Heard, Unheard> {
    lease.begin(|out| encode(ask, out), RequestBody::Empty, false);
    let mut interim = 0;
    let head = poll_fn(|cx| lease.poll_head(cx, &ask.method, &mut interim)).await;
    let mut head = head.map_err(|_| Unheard::Failed)?;
    if head.status == StatusCode::SWITCHING_PROTOCOLS {
        return Err(Unheard::Failed);
    }
    let most = usize::try_from(ask.most).unwrap_or(usize::MAX);
    if lease.body_left().is_some_and(|left| left > ask.most) {
        return Err(Unheard::TooLong);
    }
    let mut body = Vec::new();
    while let Some(frame) = poll_fn(|cx| lease.poll_body(cx)).await {
        let Ok(frame) = frame else { return Err(Unheard::Failed) };
        let Ok(data) = frame.into_data() else { continue };
        if data.len() > most.saturating_sub(body.len()) {
            return Err(Unheard::TooLong);
        }
        body.extend_from_slice(&data);
    }
    let mut headers = std::mem::take(head.fields.map());
    hop::strip_response(&mut headers);
    for name in [CONTENT_LENGTH, TRAILER] {
        headers.remove(name);
    }
    Ok(Heard { status: head.status, headers, body: Bytes::from(body) })
}

fn encode(ask: &Ask, out: &mut Vec<u8>) {
    let mut line = |parts: [&[u8]; 3]| {
        parts.iter().for_each(|part| out.extend_from_slice(part));
        out.extend_from_slice(b"\r\n");
    };
    line([ask.method.as_str().as_bytes(), b" ", &[ask.target.as_bytes(), b" HTTP/1.1"].concat()]);
    line([b"host", b": ", ask.server.authority.as_bytes()]);
    for (name, value) in &ask.headers {
        if !matches!(*name, HOST | CONTENT_LENGTH | TRANSFER_ENCODING | EXPECT) {
            line([name.as_str().as_bytes(), b": ", value.as_bytes()]);
        }
    }
    let body = ask.body.as_deref().unwrap_or_default();
    if ask.body.is_some() || !matches!(ask.method, Method::GET | Method::HEAD | Method::OPTIONS) {
        line([b"content-length", b": ", itoa::Buffer::new().format(body.len()).as_bytes()]);
    }
    line([b"", b"", b""]);
    out.extend_from_slice(body);
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use http::{HeaderMap, HeaderValue};

    use super::*;

    fn written(method: Method, body: Option<&'static str>, headers: &[(&'static str, &'static str)]) -> String {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, HeaderValue::from_static(value));
        }
        let ask = Ask {
            server: Arc::new(AskServer {
                tls: None,
                host: "auth".into(),
                port: 81,
                authority: HeaderValue::from_static("auth:81"),
            }),
            method,
            target: "/verify?x=1".into(),
            headers: map,
            body: body.map(|text| Bytes::from_static(text.as_bytes())),
            timeout: DIAL,
            most: 0,
        };
        let mut out = Vec::new();
        encode(&ask, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_end_of_a_question_is_ours_to_say() {
        let headers = [("cookie", "a=b"), ("content-length", "99"), ("transfer-encoding", "chunked"), ("host", "x")];
        assert_eq!(
            written(Method::GET, None, &headers),
            "GET /verify?x=1 HTTP/1.1\r\nhost: auth:81\r\ncookie: a=b\r\n\r\n"
        );
        assert_eq!(
            written(Method::POST, None, &[]),
            "POST /verify?x=1 HTTP/1.1\r\nhost: auth:81\r\ncontent-length: 0\r\n\r\n"
        );
        assert_eq!(
            written(Method::GET, Some("body"), &headers),
            "GET /verify?x=1 HTTP/1.1\r\nhost: auth:81\r\ncookie: a=b\r\ncontent-length: 4\r\n\r\nbody"
        );
    }
}
