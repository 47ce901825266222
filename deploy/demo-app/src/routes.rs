//! Which answer belongs to which request.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::header::{AUTHORIZATION, CONNECTION, COOKIE, HeaderName, HeaderValue, WWW_AUTHENTICATE};
use hyper::{Method, Request, Response, StatusCode};
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::body::ReplyBody;
use crate::connection::{Life, Phase};
use crate::reply::Reply;
use crate::state::{App, Session};
use crate::{Gate, Index, page, query, websocket};

/// The longest wait that `/slow`, `/orders` and `/events` agree to, in milliseconds.
const LONGEST_WAIT: u64 = 10_000;
/// The most bytes that `/bytes` sends, and that a request body may have.
const MOST_BYTES: u64 = 1 << 30;
const MOST_BODY: usize = 1 << 20;
/// Who it is, as those say that guard others.
const FORWARDED_USER: HeaderName = HeaderName::from_static("x-forwarded-user");

/// Answers one request and prints a line about it. Never fails: what goes wrong is an answer too.
pub(crate) async fn answer(
    app: Arc<App>,
    peer: SocketAddr,
    life: Life,
    request: Request<Incoming>,
) -> Result<Response<ReplyBody>, Infallible> {
    let started = Instant::now();
    let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
    let line = app.options.print_requests.then(|| format!("{} {}", request.method(), request.uri()));
    let cookie = session_id(&app, &request);
    let mut response = route(&app, life, request).await.signed_by(&app.options.name);
    if app.is_stopping() && response.status() != StatusCode::SWITCHING_PROTOCOLS {
        // A connection that is still read within the grace ends with this answer.
        response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    if let Some(line) = line {
        let session = cookie.map_or_else(String::new, |id| format!(" {}={id}", app.options.session_cookie()));
        let took = started.elapsed().as_secs_f64() * 1e3;
        let text = format!(
            "{} {} {line} from {peer} in {took:.1} ms{session}\n",
            app.options.name,
            response.status().as_u16()
        );
        print(&text);
    }
    Ok(response)
}

async fn route(app: &Arc<App>, life: Life, request: Request<Incoming>) -> Reply {
    let host = app.options.name.as_str();
    let path = request.uri().path().to_owned();
    let post = request.method() == Method::POST;
    let get = request.method() == Method::GET || request.method() == Method::HEAD;
    if let Some(gate) = &app.options.gate {
        return judge(gate, host, &request);
    }
    match path.as_str() {
        "/login" | "/logout" if !post => Reply::method_not_allowed(host, "POST"),
        "/login" => log_in(app, request).await,
        "/logout" => log_out(app, &request),
        "/headers" => Reply::json(&head(app, &request)),
        "/orders" if post => order(app, request).await,
        "/orders" if !get => Reply::method_not_allowed(host, "GET, HEAD, POST"),
        _ if !get => Reply::method_not_allowed(host, "GET, HEAD"),
        "/orders" => {
            let orders: serde_json::Map<_, _> =
                app.orders().into_iter().map(|(id, seen)| (id, Value::from(seen))).collect();
            Reply::json(&json!({ "host": host, "orders": orders }))
        }
        "/" => match app.options.index {
            Index::Page => with_session(app, &request, |_| page::page(&app.options)),
            Index::Animals => with_session(app, &request, |visitor| animals(app, visitor)),
        },
        "/app.css" => page::style(&app.options),
        "/app.js" => page::script(&app.options),
        "/favicon.ico" => Reply::new(StatusCode::NO_CONTENT, "image/x-icon", ReplyBody::Whole(None)),
        "/whoami" => with_session(app, &request, |visitor| who(app, visitor)),
        "/api/animals" | "/api/animals/" => with_session(app, &request, |visitor| animals(app, visitor)),
        "/health" if app.is_stopping() => Reply::error(StatusCode::SERVICE_UNAVAILABLE, host, "stopping"),
        "/health" => Reply::text("text/plain", "ok\n"),
        "/ws" => websocket::answer(app, life, request),
        "/slow" => slow(app, &request).await,
        "/events" => events(app, life, &request),
        "/bytes" => filler(app, &request),
        _ if path.starts_with("/status/") => status(host, path.trim_start_matches("/status/")),
        _ if path == "/api" || path.starts_with("/api/") => with_session(app, &request, |visitor| {
            Reply::json(&json!({ "host": host, "path": path, "request": count(app), "visits": visitor.visits() }))
        }),
        _ => Reply::error(StatusCode::NOT_FOUND, host, &format!("there is nothing at {path}")),
    }
}

// --- sessions -------------------------------------------------------------------------------------------------------

/// What a replica can say about the one who asks.
enum Visitor {
    /// No session cookie came.
    Stranger,
    /// A cookie came, and this replica has never heard of it.
    Unknown(String),
    Known(String, Session),
}

impl Visitor {
    fn visits(&self) -> u64 {
        match self {
            Self::Known(_, session) => session.visits,
            Self::Stranger | Self::Unknown(_) => 0,
        }
    }
}

fn session_id<B>(app: &App, request: &Request<B>) -> Option<String> {
    let name = app.options.session_cookie();
    let mut fields = request.headers().get_all(COOKIE).iter().filter_map(|field| field.to_str().ok());
    fields.find_map(|field| query::cookie(field, name)).map(ToOwned::to_owned)
}

/// Finds out who asks and answers. An application with its own cookie opens a session for everybody it does not know.
fn with_session<B>(app: &App, request: &Request<B>, answer: impl FnOnce(&Visitor) -> Reply) -> Reply {
    let visitor = match session_id(app, request) {
        None => Visitor::Stranger,
        Some(id) => match app.visit(&id) {
            Some(session) => Visitor::Known(id, session),
            None => Visitor::Unknown(id),
        },
    };
    if matches!(visitor, Visitor::Known(..)) || app.options.app_cookie.is_none() {
        return answer(&visitor);
    }
    match app.open_session(None) {
        Ok(id) => answer(&visitor).set_cookie(app.options.session_cookie(), &id),
        Err(_full) => no_room(app),
    }
}

fn who(app: &App, visitor: &Visitor) -> Reply {
    let host = app.options.name.as_str();
    let (id, user, message) = match visitor {
        Visitor::Stranger => (None, None, "nobody is logged in".to_owned()),
        Visitor::Unknown(id) => {
            let why =
                "this replica does not know your session: another replica opened it, or it was lost with a restart";
            (Some(id), None, why.to_owned())
        }
        Visitor::Known(id, session) => {
            let user = session.user.as_deref();
            let who = user.map_or_else(|| "nobody is logged in".to_owned(), |user| format!("{user} is logged in"));
            (Some(id), user, format!("{who}, {} visits in this session", session.visits))
        }
    };
    let known = matches!(visitor, Visitor::Known(..));
    let visits = visitor.visits();
    Reply::json(
        &json!({ "host": host, "session": id, "known": known, "user": user, "visits": visits, "message": message }),
    )
}

async fn log_in(app: &App, request: Request<Incoming>) -> Reply {
    let host = app.options.name.as_str();
    let known = session_id(app, &request);
    let in_target = request.uri().query().and_then(|pairs| query::value(pairs, "user"));
    let form = match body(app, request).await {
        Ok(form) => form,
        Err(refusal) => return refusal,
    };
    let in_form = std::str::from_utf8(&form).ok().and_then(|pairs| query::value(pairs, "user"));
    let Some(user) = in_form.or(in_target).filter(|user| !user.is_empty() && user.len() <= 64) else {
        return Reply::error(
            StatusCode::BAD_REQUEST,
            host,
            "say who: a form or a query with user=<name>, at most 64 bytes",
        );
    };
    let answer = |session: &str| Reply::json(&json!({ "host": host, "user": user, "session": session }));
    if let Some(id) = known.filter(|id| app.log_in(id, &user)) {
        return answer(&id);
    }
    match app.open_session(Some(user.clone())) {
        Ok(id) => answer(&id).set_cookie(app.options.session_cookie(), &id),
        Err(_full) => no_room(app),
    }
}

fn log_out<B>(app: &App, request: &Request<B>) -> Reply {
    let known = session_id(app, request).is_some_and(|id| app.log_out(&id));
    Reply::json(&json!({ "host": app.options.name, "known": known })).drop_cookie(app.options.session_cookie())
}

fn no_room(app: &App) -> Reply {
    Reply::error(StatusCode::SERVICE_UNAVAILABLE, &app.options.name, "too many sessions")
}

// --- the API --------------------------------------------------------------------------------------------------------

const ANIMALS: [(&str, &str); 12] = [
    ("Alba", "otter"),
    ("Bruno", "badger"),
    ("Cleo", "crane"),
    ("Dara", "dolphin"),
    ("Emil", "eel"),
    ("Finn", "fox"),
    ("Gaia", "goose"),
    ("Hugo", "heron"),
    ("Iris", "ibex"),
    ("Juno", "jackdaw"),
    ("Kiko", "kite"),
    ("Luna", "lynx"),
];

/// Three of the animals, the next three each time: so that an answer is seen to be made for this request.
fn animals(app: &App, visitor: &Visitor) -> Reply {
    let request = count(app);
    let first = usize::try_from(request % ANIMALS.len() as u64).unwrap_or(0);
    let some: Vec<Value> =
        ANIMALS.iter().cycle().skip(first).take(3).map(|(name, kind)| json!({ "name": name, "kind": kind })).collect();
    Reply::json(&json!({ "host": app.options.name, "request": request, "visits": visitor.visits(), "animals": some }))
}

async fn order(app: &App, request: Request<Incoming>) -> Reply {
    let host = app.options.name.as_str();
    let pairs = request.uri().query().unwrap_or("").to_owned();
    let Some(id) =
        query::value(&pairs, "id").filter(|id| !id.is_empty() && id.len() <= 128 && !id.contains(['\n', '\r']))
    else {
        return Reply::error(StatusCode::BAD_REQUEST, host, "an order needs id=<text>, at most 128 bytes in one line");
    };
    let Ok(wait) = milliseconds(&pairs, 0) else { return bad_wait(app) };
    // Noted before anything else can fail: a second copy of the request must be seen even if this one gets no answer.
    let Ok(seen) = app.order(&id) else {
        return Reply::error(StatusCode::INSUFFICIENT_STORAGE, host, "too many orders");
    };
    let content = match body(app, request).await {
        Ok(content) => content,
        Err(refusal) => return refusal,
    };
    tokio::time::sleep(wait).await;
    Reply::json(&json!({ "host": host, "id": id, "seen": seen, "bytes": content.len() }))
}

fn head<B>(app: &App, request: &Request<B>) -> Value {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let fields: Vec<_> =
        request.headers().iter().map(|(name, value)| json!([name.as_str(), text(value.as_bytes())])).collect();
    json!({
        "host": app.options.name,
        "method": request.method().as_str(),
        "target": request.uri().to_string(),
        "version": format!("{:?}", request.version()),
        "headers": fields,
    })
}

/// What a `forwardAuth` wants to know of a request that it shows.
fn judge<B>(gate: &Gate, host: &str, request: &Request<B>) -> Reply {
    if request.headers().get(AUTHORIZATION).is_some_and(|brought| brought.as_bytes() == gate.authorization.as_bytes()) {
        return Reply::text("text/plain", "come in\n").add(FORWARDED_USER, &gate.user);
    }
    Reply::error(StatusCode::UNAUTHORIZED, host, "who are you?").add(WWW_AUTHENTICATE, "Basic realm=\"gate\"")
}

// --- the awkward ends -----------------------------------------------------------------------------------------------

/// An answer with the status that is asked for.
fn status(host: &str, wanted: &str) -> Reply {
    match wanted
        .parse()
        .ok()
        .and_then(|code| StatusCode::from_u16(code).ok())
        .filter(|code| (200..600).contains(&code.as_u16()))
    {
        Some(code) if code.is_success() => Reply::json_with(code, &json!({ "host": host, "status": code.as_u16() })),
        Some(code) => Reply::error(code, host, "as it was asked for"),
        None => Reply::error(StatusCode::BAD_REQUEST, host, "a status is a number from 200 to 599"),
    }
}

async fn slow<B>(app: &App, request: &Request<B>) -> Reply {
    let Ok(wait) = milliseconds(request.uri().query().unwrap_or(""), 1000) else { return bad_wait(app) };
    tokio::time::sleep(wait).await;
    Reply::json(&json!({ "host": app.options.name, "ms": wait.as_millis() as u64 }))
}

/// Server-sent events, one every `ms` milliseconds, `count` of them or until the client or this replica goes.
fn events<B>(app: &App, mut life: Life, request: &Request<B>) -> Reply {
    let pairs = request.uri().query().unwrap_or("");
    let Ok(pause) = milliseconds(pairs, 1000) else { return bad_wait(app) };
    let most = query::value(pairs, "count").and_then(|count| count.parse().ok()).unwrap_or(u64::MAX);
    let (pieces, body) = mpsc::channel(1);
    let host = app.options.name.clone();
    tokio::spawn(async move {
        let sending = async {
            for number in 1..=most {
                let event = format!("id: {number}\ndata: {}\n\n", json!({ "host": host, "n": number }));
                if pieces.send(Bytes::from(event)).await.is_err() {
                    return;
                }
                tokio::time::sleep(pause.max(Duration::from_millis(1))).await;
            }
        };
        tokio::select! {
            biased;
            () = sending => {}
            () = pieces.closed() => {}
            () = life.reaches(Phase::Draining) => {}
        }
    });
    Reply::new(StatusCode::OK, "text/event-stream", ReplyBody::Stream(body))
}

fn filler<B>(app: &App, request: &Request<B>) -> Reply {
    let wanted = query::value(request.uri().query().unwrap_or(""), "n").map_or(Ok(1024), |n| n.parse());
    match wanted {
        Ok(n) if n <= MOST_BYTES => Reply::new(StatusCode::OK, "application/octet-stream", ReplyBody::Filler(n)),
        _ => {
            Reply::error(StatusCode::BAD_REQUEST, &app.options.name, &format!("n must be a number up to {MOST_BYTES}"))
        }
    }
}

// --- helpers --------------------------------------------------------------------------------------------------------

fn count(app: &App) -> u64 {
    app.counter.fetch_add(1, Ordering::Relaxed)
}

async fn body(app: &App, request: Request<Incoming>) -> Result<Bytes, Reply> {
    let limited = Limited::new(request.into_body(), MOST_BODY);
    limited.collect().await.map(http_body_util::Collected::to_bytes).map_err(|error| {
        Reply::error(StatusCode::BAD_REQUEST, &app.options.name, &format!("the request body: {error}"))
    })
}

fn milliseconds(pairs: &str, default: u64) -> Result<Duration, ()> {
    let wait = query::value(pairs, "ms").map_or(Ok(default), |ms| ms.parse().map_err(|_| ()))?;
    if wait <= LONGEST_WAIT { Ok(Duration::from_millis(wait)) } else { Err(()) }
}

fn bad_wait(app: &App) -> Reply {
    Reply::error(StatusCode::BAD_REQUEST, &app.options.name, &format!("ms must be a number up to {LONGEST_WAIT}"))
}

/// One write per line, so that lines of several threads do not mix; a closed output is nobody's reason to stop serving.
fn print(text: &str) {
    use std::io::Write;
    drop(std::io::stdout().lock().write_all(text.as_bytes()));
}
