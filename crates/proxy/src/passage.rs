//! A request on its way through the middlewares of its route, to the service, and back.
//!
//! An index moves inwards over the chain, through the service and outwards again. A middleware that has the request sent
//! once more turns it round. What has to be done for one is in a box, so that chains which need nothing cost nothing.

use std::rc::Rc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, RETRY_AFTER, SET_COOKIE};
use http::{Method, Response, StatusCode};
use seaway_head::{RequestHead, ResponseHead};
use seaway_middleware::protocol::{Again, CameFrom, Length, Page};
use seaway_middleware::{Back, Came, Context, Flow, Middleware, Need};
use seaway_routing::{Route, RouteTarget};

use crate::body::{ClientBody, REPLAY_LIMIT, Source};
use crate::composite;
use crate::connection::Connection;
use crate::effects::changed::{Before, Changes};
use crate::effects::{self, Unmet};
use crate::error::{ClientLeft, ProxyError, Side};
use crate::forward::{Forwarded, Outgoing};
use crate::http1::ends_with_head;
use crate::http1::fields::Fields;
use crate::http1::response::Head;
use crate::internal::InternalRequest;
use crate::response::{Flight, bare, plain};
use crate::retry::is_idempotent;
use crate::upstream::link::Lease;
use crate::worker::Snapshot;

/// So often a request may turn round, whatever its middlewares say.
const TURNS: u32 = 100;

/// What a client is answered, before the flight is tied to the body.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) reason: Option<Bytes>,
    pub(crate) fields: Fields,
    pub(crate) content: Content,
    /// What middlewares change of the body.
    pub(crate) changes: Changes,
    from: CameFrom,
}

pub(crate) enum Content {
    /// Made here.
    Local(Bytes),
    /// From a server, over the connection that the flight holds.
    Upstream,
    /// Granted by a server, with the token that was asked for: bytes from now on.
    Tunnel(Box<(Lease, HeaderValue)>),
}

/// A request that has a route.
pub(crate) struct Passage<'a> {
    pub(crate) connection: &'a Rc<Connection>,
    pub(crate) flight: &'a mut Flight,
    pub(crate) snapshot: &'a Rc<Snapshot>,
    pub(crate) route: &'a Route,
    /// The upgrade that may be granted.
    pub(crate) upgrade: Option<HeaderValue>,
    /// The body, as long as nobody has begun to read it.
    pub(crate) body: Option<ClientBody>,
    source: Option<Rc<Source>>,
    length: Length,
    /// Who answers goes on to take the body: the rest of it is not in the way of the next request.
    takes_rest: bool,
    /// So much of the body is remembered.
    remember: u64,
    /// The clock as hooks read it.
    now: Duration,
}

impl<'a> Passage<'a> {
    pub(crate) fn new(
        connection: &'a Rc<Connection>,
        flight: &'a mut Flight,
        snapshot: &'a Rc<Snapshot>,
        route: &'a Route,
        upgrade: Option<HeaderValue>,
        body: Option<ClientBody>,
    ) -> Self {
        let now = connection.worker.clock.since_start(flight.trail.began());
        let length = match &body {
            None => Length::None,
            Some(body) => body.left().map_or(Length::Unknown, Length::Known),
        };
        let remember = REPLAY_LIMIT;
        let (source, takes_rest) = (None, false);
        Self { connection, flight, snapshot, route, upgrade, body, source, length, takes_rest, remember, now }
    }

    /// The answer, and whether the connection has to end with it.
    pub(crate) async fn run(mut self, mut head: RequestHead) -> Result<(Answer, bool), ClientLeft> {
        let (mut at, mut turns) = (0, 0);
        loop {
            let mut answer = self.inwards(&mut at, head).await?;
            turns += 1;
            match self.outwards(&mut at, &mut answer, turns < TURNS).await? {
                Some(again) => head = again,
                None => {
                    // What of a body nobody read would be taken for the next request.
                    let takes_rest =
                        self.takes_rest && matches!(answer.content, Content::Upstream | Content::Tunnel(_));
                    let close = !takes_rest && (self.body.is_some() || self.flight.has_unread_body());
                    return Ok((answer, close));
                }
            }
        }
    }

    /// From the middleware at `at` to whoever answers, and where that was.
    async fn inwards(&mut self, at: &mut usize, mut head: RequestHead) -> Result<Answer, ClientLeft> {
        while let Some(middleware) = self.route.chain.get(*at) {
            let mut flow = self.hook(*at, |cx| middleware.on_request(&mut head, cx));
            while let Flow::Need(need) = flow {
                flow = match Box::pin(self.meet(*need)).await {
                    Ok(got) => self.hook(*at, |cx| middleware.resume(&mut head, cx, got)),
                    Err(unmet) => return self.unmet(unmet),
                };
            }
            if let Flow::Answer(answer) = flow {
                self.flight.trail.keep_request(&self.connection.worker, &head.headers);
                return Ok(self.given(*answer));
            }
            self.flight.ledger.pass(*at, middleware);
            *at += 1;
        }
        self.serve(head).await
    }

    /// Past the middlewares that let the request pass, the innermost first; a head to send once more from `at`.
    async fn outwards(
        &mut self,
        at: &mut usize,
        answer: &mut Answer,
        may_turn: bool,
    ) -> Result<Option<RequestHead>, ClientLeft> {
        if self.flight.ledger.owes() {
            self.now = self.connection.worker.clock.since_start(Instant::now());
        }
        while *at > 0 {
            let place = *at - 1;
            let Some(middleware) = self.route.chain.get(place) else { break };
            if !middleware.sees_responses() {
                *at = place;
                continue;
            }
            match self.respond(place, middleware, answer) {
                Back::Next => {}
                Back::Answer(given) => {
                    self.discard(answer);
                    *answer = self.given(*given);
                }
                Back::Transform(change) => answer.changes.push(change),
                Back::Peek => Box::pin(self.peek(answer, middleware)).await,
                Back::Hold(limit, instead) => Box::pin(self.hold(answer, limit, *instead)).await,
                Back::Page(page) => {
                    self.discard(answer);
                    *answer = Box::pin(self.page(*page)).await?;
                }
                Back::Again(again) if may_turn => {
                    self.discard(answer);
                    return Ok(Some(Box::pin(self.turn(*at, answer.status, *again)).await));
                }
                Back::Again(_) => {}
            }
            *at = place;
        }
        Ok(None)
    }

    /// The service, whatever it is.
    async fn serve(&mut self, mut head: RequestHead) -> Result<Answer, ClientLeft> {
        let worker = &self.connection.worker;
        self.flight.trail.keep_request(worker, &head.headers);
        match &self.route.target {
            RouteTarget::Quarantined(code) => {
                self.flight.trail.error = Some("quarantined");
                Ok(Answer::local(quarantined(*code)))
            }
            RouteTarget::Internal(service) => {
                self.flight.trail.logged &= worker.options.log_internals;
                self.flight.trail.counted &= worker.options.count_internals;
                let request = InternalRequest {
                    service: service.clone(),
                    method: head.method.clone(),
                    path: head.target.path().to_owned(),
                    query: head.target.query().map(str::to_owned),
                };
                Ok(Answer::local(worker.options.internal.call(request).await))
            }
            RouteTarget::Service(service) => {
                let source = self.source();
                if let Some(source) = &source {
                    source.remember_up_to(self.remember);
                    // Read before anything is sent, it has a length that can be said.
                    if let Some(length) = source.length_read() {
                        head.headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
                    }
                }
                self.flight.trail.forwarded = true;
                let idempotent = is_idempotent(&head.method);
                let outgoing = Outgoing { head, source, upgrade: self.upgrade.clone(), idempotent, patient: true };
                match composite::forward(self.connection, self.flight, self.snapshot, *service, outgoing).await {
                    Ok(forwarded) => {
                        self.takes_rest = true;
                        Ok(Answer::upstream(self.flight, forwarded))
                    }
                    Err(failed) => {
                        self.flight.trail.lost = failed.lost;
                        let mut answer = self.failure(failed.error)?;
                        add_cookie(&mut answer.fields, failed.set_cookie);
                        failed.level_cookies.into_iter().for_each(|it| add_cookie(&mut answer.fields, Some(it)));
                        // Where nobody is left because this request has found out that they refuse, that has failed too.
                        let nobody = matches!(failed.error, ProxyError::NoServer | ProxyError::NoSubstitute);
                        let refused = nobody && self.flight.trail.attempts > 0;
                        if refused || failed.error.side() == Side::Upstream {
                            answer.from = CameFrom::Failure { sent: failed.lost };
                        }
                        Ok(answer)
                    }
                }
            }
        }
    }

    /// Runs a hook with what its middleware keeps.
    fn hook<T>(&mut self, at: usize, run: impl FnOnce(&mut Context<'_>) -> T) -> T {
        let mut memory = self.flight.ledger.take(at);
        let (asked, user) = self.flight.trail.for_hooks(self.length, self.upgrade.is_some());
        let mut cx = Context {
            now: self.now,
            asked,
            certificates: &[],
            memory: &mut memory,
            user,
            remember: &mut self.remember,
        };
        let result = run(&mut cx);
        self.flight.ledger.put(at, memory);
        result
    }

    fn respond(&mut self, at: usize, middleware: &Middleware, answer: &mut Answer) -> Back {
        let tunnel = matches!(answer.content, Content::Tunnel(_));
        let came = Came {
            from: answer.from,
            body: match &answer.content {
                _ if !answer.changes.is_empty() => Length::Unknown,
                Content::Local(body) => Length::Known(body.len() as u64),
                Content::Upstream => self.flight.body_left().map_or(Length::Unknown, Length::Known),
                Content::Tunnel(_) => Length::None,
            },
            head_only: *self.flight.trail.method() == Method::HEAD || ends_with_head(answer.status),
            repeatable: self.body.is_none() && self.source.as_ref().is_none_or(|source| source.is_whole()),
        };
        let mut status = answer.status;
        let headers = answer.fields.map();
        let back =
            self.hook(at, |cx| middleware.on_response(&mut ResponseHead { status: &mut status, headers }, &came, cx));
        // A tunnel has been granted: that is not a middleware's to change.
        if tunnel {
            return Back::Next;
        }
        if status != answer.status {
            (answer.status, answer.reason) = (status, None);
        }
        back
    }

    async fn meet(&mut self, need: Need) -> Result<seaway_middleware::Got, Unmet> {
        let source = if matches!(need, Need::Body { .. }) { self.source() } else { None };
        let got = effects::meet(self.connection, source.as_ref(), need).await;
        self.now = self.connection.worker.clock.since_start(Instant::now());
        got
    }

    /// Waits, and gives the request back as it was. What it went through since counts as over.
    async fn turn(&mut self, passed: usize, status: StatusCode, again: Again) -> RequestHead {
        self.flight.leave_server();
        self.flight.trail.status = Some(status);
        self.flight.settle(passed, false);
        self.flight.trail.status = None;
        self.flight.trail.error = None;
        self.flight.trail.lost = false;
        self.flight.trail.origin_status = None;
        if !again.pause.is_zero() {
            tokio::time::sleep(again.pause).await;
        }
        self.now = self.connection.worker.clock.since_start(Instant::now());
        again.head
    }

    /// A service's page in place of a response. It is no part of what is told of the exchange.
    async fn page(&mut self, page: Page) -> Result<Answer, ClientLeft> {
        let Page { service, mut head, status } = page;
        let is_head = *self.flight.trail.method() == Method::HEAD;
        self.flight.leave_server();
        let trail = &mut self.flight.trail;
        let before = (trail.server.clone(), trail.attempts, trail.sticky, trail.sent, trail.origin_status);
        let told = trail.error;
        let place = self.snapshot.table.services.binary_search_by(|known| known.name.cmp(&service));
        let mut answer = Answer::local(bare(status, status.canonical_reason().unwrap_or_default()));
        if let Ok(place) = place {
            for name in [CONTENT_LENGTH, CONTENT_TYPE] {
                head.headers.remove(name);
            }
            let outgoing = Outgoing { head, source: None, upgrade: None, idempotent: true, patient: true };
            match composite::forward(self.connection, self.flight, self.snapshot, place, outgoing).await {
                Ok(forwarded) => {
                    answer = Answer::upstream(self.flight, forwarded);
                    (answer.status, answer.reason) = (status, None);
                    if is_head || ends_with_head(status) {
                        self.flight.discard();
                        answer.content = Content::Local(Bytes::new());
                    }
                }
                Err(failed) if failed.error == ProxyError::ClientGone => return Err(ClientLeft),
                Err(_) => self.flight.leave_server(),
            }
        }
        self.flight.stay();
        let trail = &mut self.flight.trail;
        (trail.server, trail.attempts, trail.sticky, trail.sent, trail.origin_status) = before;
        trail.error = told;
        Ok(answer)
    }

    /// Reads the beginning of a server's body.
    async fn peek(&mut self, answer: &mut Answer, middleware: &Middleware) {
        if !matches!(answer.content, Content::Upstream) || !answer.changes.is_empty() {
            return;
        }
        let Ok(beginning) = self.flight.read_first().await else { return self.cut(answer) };
        let mut status = answer.status;
        middleware.on_beginning(&mut ResponseHead { status: &mut status, headers: answer.fields.map() }, &beginning);
        match self.flight.completes() {
            true => answer.content = Content::Local(beginning),
            false => answer.changes.push(Box::new(Before(Some(beginning)))),
        }
    }

    /// Reads the whole body of a response.
    async fn hold(&mut self, answer: &mut Answer, limit: u64, instead: seaway_middleware::Answer) {
        match &answer.content {
            Content::Local(body) if body.len() as u64 > limit => *answer = self.given(instead),
            Content::Local(_) | Content::Tunnel(_) => {}
            Content::Upstream => match self.flight.read_all(limit).await {
                Ok(Some(body)) => answer.content = Content::Local(body),
                Ok(None) => {
                    self.discard(answer);
                    *answer = self.given(instead);
                }
                Err(_) => self.cut(answer),
            },
        }
    }

    /// A response broke off before anything of it was sent.
    fn cut(&mut self, answer: &mut Answer) {
        self.flight.is_cut();
        self.discard(answer);
        let (lost, error) = (self.flight.trail.lost, ProxyError::UpstreamClosed);
        *answer = Answer::local(bare(error.status(), "Bad Gateway"));
        answer.from = CameFrom::Failure { sent: lost };
    }

    /// Lets go of a response that is not sent.
    fn discard(&mut self, answer: &mut Answer) {
        answer.content = Content::Local(Bytes::new());
        self.takes_rest = false;
        self.flight.discard();
    }

    /// A middleware's own answer.
    fn given(&mut self, answer: seaway_middleware::Answer) -> Answer {
        self.flight.trail.error = Some(answer.reason);
        let seaway_middleware::Answer { status, headers, body, .. } = answer;
        let mut response = Response::new(body);
        (*response.status_mut(), *response.headers_mut()) = (status, headers);
        Answer::local(response)
    }

    fn unmet(&mut self, unmet: Unmet) -> Result<Answer, ClientLeft> {
        self.failure(match unmet {
            Unmet::Client(error) => error,
            Unmet::Busy => ProxyError::Overloaded,
        })
    }

    fn failure(&mut self, error: ProxyError) -> Result<Answer, ClientLeft> {
        self.flight.trail.error = Some(error.as_str());
        if error == ProxyError::ClientGone {
            return Err(ClientLeft);
        }
        Ok(Answer::local(failure(error)))
    }

    /// Where the body is read from; made when it is wanted first.
    fn source(&mut self) -> Option<Rc<Source>> {
        if let Some(body) = self.body.take() {
            let source = Source::new(body, &self.connection.client, self.connection.entry_point.read_timeout);
            self.flight.hold_source(Some(Rc::clone(&source)));
            self.source = Some(source);
        }
        self.source.clone()
    }
}

impl Answer {
    /// Made here.
    pub(crate) fn local(response: Response<Bytes>) -> Self {
        let (parts, body) = response.into_parts();
        let (content, from) = (Content::Local(body), CameFrom::Seaway);
        Self { status: parts.status, reason: None, fields: parts.headers.into(), content, changes: Vec::new(), from }
    }

    fn upstream(flight: &mut Flight, forwarded: Forwarded) -> Self {
        let Forwarded { response, lease, set_cookie, upgrade } = forwarded;
        let Head { status, reason, mut fields, .. } = response;
        flight.trail.origin_status = Some(status);
        fields.strip();
        add_cookie(&mut fields, set_cookie);
        flight.trail.keep_origin(&flight.connection.worker, &mut fields);
        let (content, from) = match upgrade {
            Some(token) => (Content::Tunnel(Box::new((lease, token))), CameFrom::Upgrade),
            None => {
                flight.hold_lease(lease);
                (Content::Upstream, CameFrom::Server)
            }
        };
        Self { status, reason, fields, content, changes: Vec::new(), from }
    }
}

fn add_cookie(fields: &mut Fields, cookie: Option<HeaderValue>) {
    if let Some(cookie) = cookie {
        fields.map().append(SET_COOKIE, cookie);
    }
}

fn quarantined(code: seaway_config::Code) -> Response<Bytes> {
    let mut response = plain(StatusCode::SERVICE_UNAVAILABLE, "");
    *response.body_mut() = Bytes::from(format!("Service Unavailable ({code})\n"));
    response
}

fn failure(error: ProxyError) -> Response<Bytes> {
    match error {
        ProxyError::NoServer | ProxyError::NoResources | ProxyError::Overloaded => {
            let text = if error == ProxyError::Overloaded { "overloaded\n" } else { "no available server\n" };
            let mut response = plain(StatusCode::SERVICE_UNAVAILABLE, text);
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
            response
        }
        // As Traefik says it.
        ProxyError::NoSubstitute => plain(error.status(), "Service Unavailable\n"),
        ProxyError::BodyTooLong => plain(error.status(), "Request body too large\n"),
        _ => bare(error.status(), error.status().canonical_reason().unwrap_or("Bad Gateway")),
    }
}
