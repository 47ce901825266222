//! `headers`: sets and removes request and response headers, and what browsers are told by them.

mod cors;
mod security;

use std::collections::BTreeMap;
use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue, header};
use seaway_config::model;
use seaway_head::{RequestHead, ResponseHead};

use crate::Flow;
use crate::protocol::{Context, Memory};

use cors::Cors;
use security::Security;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Headers that say where a message ends or belong to one connection. Setting or removing one of them by hand would
/// let two readers disagree about a message, so none of them can be configured.
const FRAMING: &[&str] = &[
    "connection",
    "content-length",
    "http2-settings",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Sets and removes headers.
#[derive(Clone, Debug)]
pub struct Headers {
    host: Option<Host>,
    request: Box<[Change]>,
    response: Box<[Change]>,
    cors: Option<Cors>,
    security: Option<Security>,
}

/// What the response hook has to know of the request.
#[derive(Debug, Default)]
struct Seen {
    secure: bool,
    allowed_origin: Option<HeaderValue>,
}

/// The request's new `Host`, and its canonical form.
#[derive(Clone, Debug)]
struct Host {
    value: HeaderValue,
    canonical: Arc<str>,
}

/// One header: its new value, or `None` to remove it.
#[derive(Clone, Debug)]
struct Change {
    name: HeaderName,
    value: Option<HeaderValue>,
}

impl Headers {
    pub(crate) fn compile(options: &model::Headers) -> Result<Self, String> {
        let mut request = changes("headers.customRequestHeaders", &options.custom_request_headers)?;
        let response = changes("headers.customResponseHeaders", &options.custom_response_headers)?;
        if response.iter().any(|change| change.name == header::HOST) {
            return Err("headers.customResponseHeaders.Host: a response has no Host".to_owned());
        }
        let mut host = None;
        if let Some(at) = request.iter().position(|change| change.name == header::HOST) {
            // A request always has a Host, so an empty value removes nothing.
            host = request.remove(at).value.map(Host::new).transpose()?;
        }
        let (cors, security) = (Cors::compile(options)?, Security::compile(options)?);
        // Options that have no effect are options all the same: nothing is missing that they would do.
        if *options == model::Headers::default() {
            return Err("headers has no option, so it would do nothing; customRequestHeaders is one of them".to_owned());
        }
        Ok(Self { host, request: request.into(), response: response.into(), cors, security })
    }

    pub(crate) fn on_request(&self, head: &mut RequestHead, cx: &mut Context<'_>) -> Flow {
        if let Some(preflight) = self.cors.as_ref().and_then(|cors| cors.preflight(head)) {
            return Flow::answer(preflight);
        }
        let allowed_origin = self.cors.as_ref().and_then(|cors| cors.allowed(head));
        self.change(head);
        if let Some(refused) = self.security.as_ref().and_then(|security| security.refuse(head)) {
            return Flow::answer(refused);
        }
        Seen { secure: self.security.as_ref().is_some_and(|security| security.is_secure(head)), allowed_origin }
            .keep(cx.memory);
        Flow::Next
    }

    fn change(&self, head: &mut RequestHead) {
        if let Some(host) = &self.host {
            head.headers.insert(header::HOST, host.value.clone());
            head.host = Arc::clone(&host.canonical);
        }
        for change in &self.request {
            if change.value.is_none() && change.name == X_FORWARDED_FOR {
                head.append_forwarded_for = false;
            }
            change.apply(&mut head.headers);
        }
    }

    pub(crate) fn sees_responses(&self) -> bool {
        self.security.is_some() || self.cors.is_some() || !self.response.is_empty()
    }

    pub(crate) fn on_response(&self, head: &mut ResponseHead<'_>, memory: &mut Memory) {
        let seen = Seen::recall(memory);
        if let Some(security) = &self.security {
            security.on_response(head.headers, seen.secure);
        }
        for change in &self.response {
            change.apply(head.headers);
        }
        if let Some(cors) = &self.cors {
            cors.on_response(head.headers, seen.allowed_origin);
        }
    }
}

impl Seen {
    /// Most have nothing to remember, or one bit, which needs no memory of its own.
    fn keep(self, memory: &mut Memory) {
        match self {
            Self { allowed_origin: None, secure: false } => {}
            Self { allowed_origin: None, secure: true } => *memory = Memory::Number(1),
            seen => memory.put(seen),
        }
    }

    fn recall(memory: &mut Memory) -> Self {
        match memory.get::<Self>() {
            Some(seen) => Self { secure: seen.secure, allowed_origin: seen.allowed_origin.clone() },
            None => Self { secure: memory.number().is_some(), allowed_origin: None },
        }
    }
}

impl Change {
    fn apply(&self, headers: &mut HeaderMap) {
        match &self.value {
            Some(value) => {
                headers.insert(self.name.clone(), value.clone());
            }
            None => {
                headers.remove(&self.name);
            }
        }
    }
}

impl Host {
    fn new(value: HeaderValue) -> Result<Self, String> {
        let host = value.to_str().ok().and_then(seaway_head::host::parse).ok_or_else(|| {
            format!(
                "headers.customRequestHeaders.Host {:?} is no host with or without a port",
                String::from_utf8_lossy(value.as_bytes())
            )
        })?;
        let canonical = Arc::from(&*host.host);
        Ok(Self { value, canonical })
    }
}

/// Compiles a value that is written in an option.
fn value(option: &str, text: &str) -> Result<HeaderValue, String> {
    HeaderValue::from_bytes(text.trim().as_bytes())
        .map_err(|_| format!("headers.{option}: the value has a line break or another control character"))
}

/// Compiles one of the two maps.
fn changes(option: &str, map: &BTreeMap<String, String>) -> Result<Vec<Change>, String> {
    let mut changes: Vec<Change> = Vec::with_capacity(map.len());
    for (name, value) in map {
        let at = format!("{option}.{name}");
        let name = HeaderName::from_bytes(name.trim().as_bytes()).map_err(|_| {
            format!("{at}: {name:?} is no header name; it may have letters, digits and !#$%&'*+-.^_`|~")
        })?;
        if FRAMING.contains(&name.as_str()) {
            return Err(format!(
                "{at}: Seaway manages this header itself; setting or removing it would break the message"
            ));
        }
        if changes.iter().any(|change| change.name == name) {
            return Err(format!("{at}: the header is there twice, in different spellings"));
        }
        let value = match value.trim() {
            "" => None,
            text => Some(
                HeaderValue::from_bytes(text.as_bytes())
                    .map_err(|_| format!("{at}: the value has a line break or another control character"))?,
            ),
        };
        changes.push(Change { name, value });
    }
    Ok(changes)
}

#[cfg(test)]
mod tests;
