//! `forwardAuth`: asks another server whether a request may pass.

mod address;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{HOST, LOCATION, SET_COOKIE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use regex::Regex;
use seaway_config::{Files, model, regexp};
use seaway_head::{RequestHead, ResponseHead, hop};

use crate::protocol::{Ask, Heard, Length, Tls, TooLong, Unheard};
use crate::users::remove_spellings;
use crate::{Answer, Context, Flow, Got, Memory, Need};

use address::Address;

const TIMEOUT: Duration = Duration::from_secs(30);
/// An answer's body, where nothing else is said: a page on which people log in is much shorter.
const LONGEST_ANSWER: u64 = 4 << 20;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_METHOD: HeaderName = HeaderName::from_static("x-forwarded-method");
const X_FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_FORWARDED_URI: HeaderName = HeaderName::from_static("x-forwarded-uri");

/// Asks another server whether a request may pass.
#[derive(Clone, Debug)]
pub struct ForwardAuth {
    address: Address,
    trust: Trust,
    /// Headers of a good answer that the request gets.
    copied: Box<[HeaderName]>,
    copied_regex: Option<Regex>,
    /// The only headers of the request that are sent; empty for all.
    sent: Box<[HeaderName]>,
    cookies: Box<[Box<str>]>,
    user: Option<HeaderName>,
    /// The body is sent too, up to so many bytes.
    body: Option<u64>,
    longest_answer: u64,
    keep_location: bool,
    keep_method: bool,
    sign_in: Option<HeaderValue>,
}

/// What becomes of forwarded headers that the request has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trust {
    /// They are passed on, and completed.
    Yes,
    /// They go, and are written anew.
    No,
    /// Five are written anew; the rest is passed on.
    Unsaid,
}

/// Cookies of the good answer, for the client.
struct Cookies(Vec<HeaderValue>);

impl ForwardAuth {
    pub(crate) fn compile(options: &model::ForwardAuth, files: &Files) -> Result<Self, String> {
        let regex = match options.auth_response_headers_regex.trim() {
            "" => None,
            // Names are compared in lower case here, and written in any.
            text => Some(
                regexp::compile(&format!("(?i){text}"))
                    .map_err(|e| format!("forwardAuth.authResponseHeadersRegex {text:?} cannot be used: {e}"))?,
            ),
        };
        let copied = names("forwardAuth.authResponseHeaders", &options.auth_response_headers)?;
        if let Some(name) = copied.iter().find(|name| !may_be_copied(name)) {
            return Err(format!(
                "forwardAuth.authResponseHeaders: {name} says where a message ends or goes, and is Seaway's own"
            ));
        }
        let size = |bytes: i64, none: u64| u64::try_from(bytes).unwrap_or(none);
        let sign_in = options.auth_signin_url.trim();
        Ok(Self {
            address: Address::parse(&options.address, options.tls.as_ref(), files)?,
            trust: match options.trust_forward_header {
                Some(true) => Trust::Yes,
                Some(false) => Trust::No,
                None => Trust::Unsaid,
            },
            copied,
            copied_regex: regex,
            sent: names("forwardAuth.authRequestHeaders", &options.auth_request_headers)?,
            cookies: options.add_auth_cookies_to_response.iter().map(|name| name.trim().into()).collect(),
            user: names("forwardAuth.headerField", std::slice::from_ref(&options.header_field))?.first().cloned(),
            body: options.forward_body.then(|| size(options.max_body_size, u64::MAX)),
            longest_answer: size(options.max_response_body_size, LONGEST_ANSWER),
            keep_location: options.preserve_location_header,
            keep_method: options.preserve_request_method,
            sign_in: match sign_in {
                "" => None,
                url => Some(
                    HeaderValue::from_str(url)
                        .map_err(|_| format!("forwardAuth.authSigninURL {url:?} does not fit into a header"))?,
                ),
            },
        })
    }

    pub(crate) fn tls(&self) -> Option<&Tls> {
        self.address.server.tls.as_ref()
    }

    pub(crate) fn on_request(&self, head: &RequestHead, cx: &mut Context<'_>) -> Flow {
        match self.body {
            Some(limit) if cx.asked.body != Length::None => Flow::need(Need::Body { limit }),
            _ => self.ask(head, None),
        }
    }

    pub(crate) fn resume(&self, head: &mut RequestHead, cx: &mut Context<'_>, got: Got) -> Flow {
        let fail = |status, reason| Flow::answer(Answer::empty(status, reason));
        match got {
            Got::Body(Ok(body)) => self.ask(head, Some(body)),
            Got::Body(Err(TooLong)) => fail(StatusCode::UNAUTHORIZED, "forwardAuth: the body is too long"),
            Got::Asked(Ok(heard)) if heard.status.is_success() => self.pass(head, cx, &heard),
            Got::Asked(Ok(heard)) => Flow::answer(self.refusal(*heard)),
            Got::Asked(Err(Unheard::TooLong)) => fail(StatusCode::UNAUTHORIZED, "forwardAuth: the answer is too long"),
            Got::Asked(Err(Unheard::Failed)) => fail(StatusCode::INTERNAL_SERVER_ERROR, "forwardAuth: no answer"),
            Got::Asked(Err(Unheard::Late)) => fail(StatusCode::INTERNAL_SERVER_ERROR, "forwardAuth: no answer in time"),
            Got::Waited | Got::Checked(_) | Got::Shared(_) => {
                fail(StatusCode::INTERNAL_SERVER_ERROR, "forwardAuth: got what it had not asked for")
            }
        }
    }

    pub(crate) fn on_response(&self, head: &mut ResponseHead<'_>, memory: &mut Memory) {
        let Some(Cookies(cookies)) = memory.take::<Cookies>() else { return };
        let replaced = |value: &HeaderValue| cookies.iter().any(|new| cookie_name(new) == cookie_name(value));
        let kept: Vec<HeaderValue> =
            head.headers.get_all(SET_COOKIE).iter().filter(|value| !replaced(value)).cloned().collect();
        head.headers.remove(SET_COOKIE);
        head.headers.extend(kept.into_iter().chain(cookies).map(|value| (SET_COOKIE, value)));
    }

    fn ask(&self, head: &RequestHead, body: Option<Bytes>) -> Flow {
        let mut headers = match &*self.sent {
            [] => HeaderMap::clone(&head.headers),
            some => {
                let named = |name: &HeaderName| head.headers.get_all(name).iter().cloned().collect::<Vec<_>>();
                let all = some.iter().flat_map(|name| named(name).into_iter().map(move |value| (name.clone(), value)));
                all.collect()
            }
        };
        hop::strip_request(&mut headers);
        for name in [HOST, http::header::TE, http::header::EXPECT, http::header::CONTENT_LENGTH] {
            headers.remove(name);
        }
        self.say_who(head, &mut headers);
        let ask = Ask {
            server: Arc::clone(&self.address.server),
            method: if self.keep_method { head.method.clone() } else { Method::GET },
            target: self.address.target.clone(),
            headers,
            body,
            timeout: TIMEOUT,
            most: self.longest_answer,
        };
        Flow::need(Need::Ask(Box::new(ask)))
    }

    /// Writes what the server is told of the request.
    fn say_who(&self, head: &RequestHead, headers: &mut HeaderMap) {
        let said = |name: &HeaderName| {
            let trusted = self.trust == Trust::Yes;
            head.headers.get(name).filter(|value| trusted && !value.is_empty()).cloned()
        };
        if self.trust == Trust::No {
            let managed: Vec<HeaderName> = headers.keys().filter(|name| is_managed(name)).cloned().collect();
            managed.into_iter().for_each(|name| drop(headers.remove(name)));
        }
        let peer = head.peer.to_string();
        let list = match said(&X_FORWARDED_FOR) {
            Some(before) => [before.as_bytes(), b", ", peer.as_bytes()].concat(),
            None => peer.into_bytes(),
        };
        let secure = head.secure;
        let port = head.headers.get(HOST).and_then(|host| host.to_str().ok()).and_then(port_of);
        let usual_port = if secure { "443" } else { "80" };
        let mut say = |name: HeaderName, value: Result<HeaderValue, http::header::InvalidHeaderValue>| match value {
            Ok(value) => drop(headers.insert(name, value)),
            Err(_) => drop(headers.remove(name)),
        };
        say(X_FORWARDED_FOR, HeaderValue::from_bytes(&list));
        let or = |name: &HeaderName, value: &str| said(name).map_or_else(|| HeaderValue::from_str(value), Ok);
        say(X_FORWARDED_METHOD, or(&X_FORWARDED_METHOD, head.method.as_str()));
        say(X_FORWARDED_PROTO, or(&X_FORWARDED_PROTO, if secure { "https" } else { "http" }));
        let host = head.headers.get(HOST).cloned().unwrap_or_else(|| HeaderValue::from_static(""));
        say(X_FORWARDED_HOST, Ok(said(&X_FORWARDED_HOST).unwrap_or(host)));
        say(X_FORWARDED_URI, or(&X_FORWARDED_URI, head.target.as_path_and_query().as_str()));
        if self.trust != Trust::Unsaid {
            say(X_FORWARDED_PORT, or(&X_FORWARDED_PORT, port.unwrap_or(usual_port)));
        }
    }

    /// The server says yes.
    fn pass(&self, head: &mut RequestHead, cx: &mut Context<'_>, heard: &Heard) -> Flow {
        if let Some(user) = self.user.as_ref().and_then(|name| heard.headers.get(name)) {
            *cx.user = Some(String::from_utf8_lossy(user.as_bytes()).into());
        }
        let by_regex = |name: &HeaderName| {
            may_be_copied(name) && self.copied_regex.as_ref().is_some_and(|regex| regex.is_match(name.as_str()))
        };
        // Nobody but the server says what is in them, in any spelling.
        let is_copied = |name: &str| self.copied.iter().any(|copied| *copied.as_str().replace('_', "-") == *name);
        remove_spellings(&mut head.headers, |name| {
            is_copied(name) || HeaderName::from_bytes(name.as_bytes()).is_ok_and(|name| by_regex(&name))
        });
        for (name, value) in &heard.headers {
            if self.copied.contains(name) || by_regex(name) {
                head.headers.append(name.clone(), value.clone());
            }
        }
        if !self.cookies.is_empty() {
            let wanted = |value: &&HeaderValue| {
                cookie_name(value).is_some_and(|name| self.cookies.iter().any(|known| known.as_bytes() == name))
            };
            let cookies: Vec<HeaderValue> = heard.headers.get_all(SET_COOKIE).iter().filter(wanted).cloned().collect();
            if !cookies.is_empty() {
                cx.memory.put(Cookies(cookies));
            }
        }
        Flow::Next
    }

    /// The server says no, or something else.
    fn refusal(&self, heard: Heard) -> Answer {
        let Heard { status, mut headers, body } = heard;
        if let Some(url) = self.sign_in.as_ref().filter(|_| status == StatusCode::UNAUTHORIZED) {
            let mut answer = Answer::bare(StatusCode::FOUND, "forwardAuth: sign in");
            answer.headers.insert(LOCATION, url.clone());
            return answer;
        }
        if !self.keep_location
            && let Some(location) = headers.get(LOCATION).and_then(|value| value.to_str().ok())
            && let Some(whole) = self.address.resolve(location)
        {
            headers.insert(LOCATION, whole);
        }
        // A 1xx would be no answer at all.
        let status = if status.is_informational() { StatusCode::INTERNAL_SERVER_ERROR } else { status };
        Answer { status, headers, body, reason: "forwardAuth: refused" }
    }
}

fn names(option: &str, list: &[String]) -> Result<Box<[HeaderName]>, String> {
    let wanted = list.iter().map(|name| name.trim()).filter(|name| !name.is_empty());
    let parse = |name: &str| {
        HeaderName::from_bytes(name.as_bytes()).map_err(|_| format!("{option}: {name:?} is no header name"))
    };
    wanted.map(parse).collect()
}

/// What an answer says of itself or of its connection means something else in a request.
fn may_be_copied(name: &HeaderName) -> bool {
    !matches!(
        name.as_str(),
        "connection"
            | "content-encoding"
            | "content-length"
            | "content-type"
            | "date"
            | "expect"
            | "host"
            | "http2-settings"
            | "keep-alive"
            | "proxy-authenticate"
            | "proxy-authorization"
            | "proxy-connection"
            | "te"
            | "trailer"
            | "transfer-encoding"
            | "upgrade"
    )
}

fn is_managed(name: &HeaderName) -> bool {
    let name = name.as_str();
    name.starts_with("x-forwarded-") || matches!(name, "x-real-ip" | "x-scheme")
}

fn cookie_name(value: &HeaderValue) -> Option<&[u8]> {
    value.as_bytes().split(|byte| *byte == b'=').next().map(<[u8]>::trim_ascii)
}

fn port_of(authority: &str) -> Option<&str> {
    let (host, port) = authority.rsplit_once(':')?;
    (!port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) && (!host.contains(':') || host.ends_with(']')))
        .then_some(port)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
