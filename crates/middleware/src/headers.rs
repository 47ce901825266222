//! `headers`: sets and removes request and response headers.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue, header};
use seaway_config::model;
use seaway_head::{RequestHead, ResponseHead};

use crate::Flow;

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
        if options.custom_request_headers.is_empty() && options.custom_response_headers.is_empty() {
            return Err("headers has no option; it needs customRequestHeaders or customResponseHeaders".to_owned());
        }
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
        Ok(Self { host, request: request.into(), response: response.into() })
    }

    pub(crate) fn on_request(&self, head: &mut RequestHead) -> Flow {
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
        Flow::Next
    }

    pub(crate) fn on_response(&self, head: &mut ResponseHead<'_>) {
        for change in &self.response {
            change.apply(head.headers);
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
#[allow(clippy::unwrap_used)]
mod tests {
    use http::StatusCode;

    use super::*;
    use crate::testing::{get, values};

    fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn compile(request: &[(&str, &str)], response: &[(&str, &str)]) -> Result<Headers, String> {
        Headers::compile(&model::Headers {
            custom_request_headers: map(request),
            custom_response_headers: map(response),
        })
    }

    #[test]
    fn sets_replaces_and_removes_request_headers() {
        let headers = compile(&[("X-New", " a b "), ("x-old", "new"), ("X-Gone", "")], &[]).unwrap();
        let mut head = get("/");
        head.headers.append("x-old", HeaderValue::from_static("1"));
        head.headers.append("x-old", HeaderValue::from_static("2"));
        head.headers.insert("x-gone", HeaderValue::from_static("1"));
        assert!(matches!(headers.on_request(&mut head), Flow::Next));
        assert_eq!(values(&head.headers, "x-new"), ["a b"]);
        assert_eq!(values(&head.headers, "x-old"), ["new"]);
        assert!(!head.headers.contains_key("x-gone"));
    }

    #[test]
    fn host_sets_the_host_of_the_request() {
        let mut head = get("/");
        compile(&[("host", "Inner.Example:8080")], &[]).unwrap().on_request(&mut head);
        assert_eq!(values(&head.headers, "host"), ["Inner.Example:8080"]);
        assert_eq!(&*head.host, "inner.example");
        compile(&[("Host", "")], &[]).unwrap().on_request(&mut head);
        assert_eq!(values(&head.headers, "host"), ["Inner.Example:8080"]);
        compile(&[("Host", "[2001:db8::1]:80")], &[]).unwrap().on_request(&mut head);
        assert_eq!(&*head.host, "2001:db8::1");
    }

    #[test]
    fn a_blank_forwarded_for_hides_the_client() {
        let mut head = get("/");
        head.headers.insert(X_FORWARDED_FOR, HeaderValue::from_static("203.0.113.9"));
        compile(&[("X-Forwarded-For", "")], &[]).unwrap().on_request(&mut head);
        assert!(!head.headers.contains_key(X_FORWARDED_FOR));
        assert!(!head.append_forwarded_for);
        let mut head = get("/");
        compile(&[("X-Other", "")], &[]).unwrap().on_request(&mut head);
        assert!(head.append_forwarded_for);
    }

    #[test]
    fn sets_and_removes_response_headers() {
        let headers = compile(&[], &[("Server", ""), ("X-Frame-Options", "DENY")]).unwrap();
        let mut status = StatusCode::OK;
        let mut map = HeaderMap::new();
        map.insert("server", HeaderValue::from_static("x"));
        headers.on_response(&mut ResponseHead { status: &mut status, headers: &mut map });
        assert!(!map.contains_key("server"));
        assert_eq!(values(&map, "x-frame-options"), ["DENY"]);
    }

    #[test]
    fn what_would_break_a_message_does_not_compile() {
        for name in ["Transfer-Encoding", "content-length", "CONNECTION", "Upgrade", "TE", "Trailer", "Keep-Alive"] {
            for value in ["chunked", ""] {
                assert!(compile(&[(name, value)], &[]).is_err(), "{name}");
                assert!(compile(&[], &[(name, value)]).is_err(), "{name}");
            }
        }
        assert!(compile(&[], &[("Host", "a")]).is_err());
    }

    #[test]
    fn invalid_names_and_values_do_not_compile_and_are_named() {
        for (name, value) in [
            ("X A", "1"),
            ("", "1"),
            ("X-A:", "1"),
            ("X-Ä", "1"),
            ("X-A", "a\r\nX-B: 2"),
            ("X-A", "a\nb"),
            ("X-A", "a\0b"),
            ("Host", "a b"),
            ("Host", "user@a"),
            ("Host", "a/b"),
        ] {
            let error = compile(&[(name, value)], &[]).unwrap_err();
            assert!(error.starts_with("headers.customRequestHeaders."), "{error}");
        }
        assert!(compile(&[("X-A", "1"), ("x-a", "2")], &[]).is_err());
        assert!(compile(&[], &[]).is_err());
    }
}
