//! `errors`: shows a service's pages in place of responses that say that something is wrong.

use std::ops::RangeInclusive;
use std::sync::Arc;

use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, Method, StatusCode, header};
use seaway_config::{Name, model};
use seaway_head::{RequestHead, ResponseHead, Target};

use crate::protocol::Page;
use crate::redirect::{client_authority, client_scheme};
use crate::rewrite::push_encoded;
use crate::statuses::{Statuses, range};
use crate::{Back, Came, Context, Flow};

/// Shows a service's pages in place of responses that say that something is wrong.
#[derive(Clone, Debug)]
pub struct Errors {
    statuses: Statuses,
    rewrites: Box<[(RangeInclusive<u16>, StatusCode)]>,
    service: Arc<Name>,
    query: Box<str>,
    /// The only headers that the service gets; empty for all.
    headers: Box<[HeaderName]>,
}

/// What is kept of a request: how it came to this place.
struct Kept(RequestHead);

impl Errors {
    /// The service in `options` is qualified by its provider.
    pub(crate) fn compile(options: &model::Errors) -> Result<Self, String> {
        if options.status.is_empty() {
            return Err("errors.status is empty; it needs the statuses that have pages, such as 404,500-599".to_owned());
        }
        if options.service.trim().is_empty() {
            return Err("errors.service is empty; it is the service that has the pages".to_owned());
        }
        let rewrites = options.status_rewrites.iter().map(|(from, to)| {
            let from = range("errors.statusRewrites", from)?;
            let to = to
                .trim()
                .parse()
                .ok()
                .filter(|to| (200..=599).contains(to))
                .and_then(|to| StatusCode::from_u16(to).ok());
            Ok((from, to.ok_or("errors.statusRewrites: a status is replaced by one from 200 to 599")?))
        });
        let headers = options.error_request_headers.iter().map(|name| {
            HeaderName::from_bytes(name.trim().as_bytes())
                .map_err(|_| format!("errors.errorRequestHeaders: {name:?} is no header name"))
        });
        let errors = Self {
            statuses: Statuses::compile("errors.status", &options.status)?,
            rewrites: rewrites.collect::<Result<_, String>>()?,
            service: Arc::new(Name::resolve(options.service.trim(), "")),
            query: options.query.trim().into(),
            headers: headers.collect::<Result<_, _>>()?,
        };
        match errors.target(404, 404, "http://example.com/") {
            Some(_) => Ok(errors),
            None => Err(format!("errors.query {:?} is no path with or without a query", options.query)),
        }
    }

    /// The service that has the pages.
    pub(crate) fn service(&self) -> &Name {
        &self.service
    }

    pub(crate) fn on_request(&self, head: &RequestHead, cx: &mut Context<'_>) -> Flow {
        cx.memory.put(Kept(head.clone()));
        Flow::Next
    }

    pub(crate) fn on_response(&self, head: &ResponseHead<'_>, _came: &Came, cx: &mut Context<'_>) -> Back {
        let original = head.status.as_u16();
        if !self.statuses.contain(original) {
            return Back::Next;
        }
        let Some(Kept(mut request)) = cx.memory.take::<Kept>() else { return Back::Next };
        let rewrite = self.rewrites.iter().find(|(range, _)| range.contains(&original));
        let status = rewrite.map_or(*head.status, |(_, to)| *to);
        let url = format!(
            "{}://{}{}",
            client_scheme(&request),
            client_authority(&request),
            request.target.as_path_and_query()
        );
        let Some(target) = self.target(original, status.as_u16(), &url) else { return Back::Next };
        request.method = Method::GET;
        request.target = target;
        self.choose(&mut request.headers);
        Back::Page(Box::new(Page { service: Arc::clone(&self.service), head: request, status }))
    }

    /// What the service is asked for.
    fn target(&self, original: u16, status: u16, url: &str) -> Option<Target> {
        let slash = if self.query.starts_with('/') { "" } else { "/" };
        let text = format!("{slash}{}", self.query)
            .replace("{status}", &status.to_string())
            .replace("{originalStatus}", &original.to_string())
            .replace("{url}", &escaped(url));
        Target::canonical(&PathAndQuery::try_from(text).ok()?).ok()
    }

    /// What of the request's headers the service gets. The page is not the resource that was asked for: neither its parts
    /// nor its versions mean anything there.
    fn choose(&self, headers: &mut HeaderMap) {
        if !self.headers.is_empty() {
            let all = std::mem::take(headers);
            for name in self.headers.iter().chain([&header::HOST]) {
                if !headers.contains_key(name) {
                    headers.extend(all.get_all(name).iter().map(|value| (name.clone(), value.clone())));
                }
            }
        }
        for name in [
            header::RANGE,
            header::IF_RANGE,
            header::IF_MATCH,
            header::IF_NONE_MATCH,
            header::IF_MODIFIED_SINCE,
            header::IF_UNMODIFIED_SINCE,
            header::CONTENT_LENGTH,
            header::CONTENT_TYPE,
            header::CONTENT_ENCODING,
            header::EXPECT,
        ] {
            headers.remove(name);
        }
    }
}

/// The text as a part of a query.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len() * 2);
    for &byte in text.as_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(char::from(byte)),
            _ => push_encoded(&mut out, byte),
        }
    }
    out
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use http::HeaderValue;

    use super::*;
    use crate::protocol::{CameFrom, Length};
    use crate::testing::{Desk, get, values};

    fn options(status: &[&str], query: &str) -> model::Errors {
        let status = status.iter().map(|s| (*s).to_owned()).collect();
        model::Errors { status, service: "pages@docker".into(), query: query.into(), ..model::Errors::default() }
    }

    fn page(options: &model::Errors, request: &RequestHead, status: u16) -> Option<Page> {
        let errors = Errors::compile(options).unwrap();
        let mut desk = Desk::default();
        errors.on_request(request, &mut desk.cx());
        let came = Came { from: CameFrom::Server, body: Length::Unknown, head_only: false, repeatable: true };
        let (mut status, mut headers) = (StatusCode::from_u16(status).unwrap(), HeaderMap::new());
        let head = ResponseHead { status: &mut status, headers: &mut headers };
        match errors.on_response(&head, &came, &mut desk.cx()) {
            Back::Page(page) => Some(*page),
            Back::Next => None,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_page_that_is_asked_for() {
        for (query, want) in [
            ("/{status}.html", "/503.html"),
            ("{status}.html", "/503.html"),
            ("", "/"),
            ("/error?from={url}", "/error?from=http%3A%2F%2Fapp.example%2Fa%2520b%3Fx%3D1%26y"),
            ("/{originalStatus}/{status}", "/503/503"),
        ] {
            let page = page(&options(&["500-599"], query), &get("/a%20b?x=1&y"), 503).unwrap();
            assert_eq!(page.head.target.as_path_and_query().as_str(), want);
            assert_eq!((page.head.method, page.status.as_u16()), (Method::GET, 503));
            assert_eq!(*page.service, Name::new("pages", "docker"));
        }
        assert!(page(&options(&["500-599", "404"], "/"), &get("/"), 403).is_none());
        assert!(page(&options(&["500-599", "404"], "/"), &get("/"), 404).is_some());
    }

    #[test]
    fn a_status_that_is_rewritten() {
        let mut options = options(&["400-599"], "/{originalStatus}/{status}");
        options.status_rewrites =
            [("500-503", "500"), ("418", "404")].map(|(a, b)| (a.to_owned(), b.to_owned())).into();
        for (status, path, shown) in [(502, "/502/500", 500), (418, "/418/404", 404), (504, "/504/504", 504)] {
            let page = page(&options, &get("/"), status).unwrap();
            assert_eq!((page.head.target.path(), page.status.as_u16()), (path, shown));
        }
    }

    #[test]
    fn headers_that_the_service_gets() {
        let mut request = get("/");
        for (name, value) in [
            ("cookie", "a=b"),
            ("x-one", "1"),
            ("x-one", "2"),
            ("range", "bytes=1-"),
            ("if-none-match", "*"),
            ("content-length", "3"),
        ] {
            request.headers.append(name, HeaderValue::from_static(value));
        }
        let all = page(&options(&["404"], "/"), &request, 404).unwrap().head.headers;
        assert_eq!((values(&all, "cookie"), values(&all, "x-one"), all.len()), (vec!["a=b"], vec!["1", "2"], 4));
        let mut options = options(&["404"], "/");
        options.error_request_headers = vec!["X-One".to_owned(), "X-None".to_owned(), "x-one".to_owned()];
        let some = page(&options, &request, 404).unwrap().head.headers;
        assert_eq!(
            (values(&some, "x-one"), values(&some, "host"), some.len()),
            (vec!["1", "2"], vec!["app.example"], 3)
        );
    }

    #[test]
    fn options_that_cannot_work_do_not_compile() {
        let without = model::Errors { service: String::new(), ..options(&["404"], "/") };
        let rewrite = |from: &str, to: &str| model::Errors {
            status_rewrites: [(from.to_owned(), to.to_owned())].into(),
            ..options(&["404"], "/")
        };
        for options in [
            options(&[], "/"),
            options(&["4xx"], "/"),
            options(&["404"], "/../x y"),
            without,
            rewrite("404", "99"),
            rewrite("404", "101"),
            rewrite("x", "404"),
        ] {
            assert!(Errors::compile(&options).is_err(), "{options:?}");
        }
    }
}
