//! What pages of other origins may do: answers to preflights, and what responses say.

use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD,
    ORIGIN, VARY,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use regex::Regex;
use seaway_config::{model, regexp};
use seaway_head::RequestHead;

use super::value;
use crate::Answer;

/// See the module.
#[derive(Clone, Debug)]
pub(super) struct Cors {
    credentials: bool,
    headers: Option<HeaderValue>,
    methods: Option<HeaderValue>,
    origins: Box<[HeaderValue]>,
    expressions: Box<[Regex]>,
    expose: Option<HeaderValue>,
    max_age: HeaderValue,
    vary: bool,
}

impl Cors {
    /// `None` where no option of it is given.
    pub(super) fn compile(options: &model::Headers) -> Result<Option<Self>, String> {
        let origins = &options.access_control_allow_origin_list;
        let expressions = &options.access_control_allow_origin_list_regex;
        let is_given = options.access_control_allow_credentials
            || options.access_control_max_age != 0
            || options.add_vary_header
            || [
                &options.access_control_allow_headers,
                &options.access_control_allow_methods,
                &options.access_control_expose_headers,
                origins,
                expressions,
            ]
            .iter()
            .any(|list| !list.is_empty());
        if !is_given {
            return Ok(None);
        }
        let joined = |option: &str, list: &[String]| match list {
            [] => Ok(None),
            list => value(option, &list.join(",")).map(Some),
        };
        let compiled = expressions.iter().map(|text| {
            regexp::compile(text)
                .map_err(|what| format!("headers.accessControlAllowOriginListRegex {text:?} cannot be used: {what}"))
        });
        Ok(Some(Self {
            credentials: options.access_control_allow_credentials,
            headers: joined("accessControlAllowHeaders", &options.access_control_allow_headers)?,
            methods: joined("accessControlAllowMethods", &options.access_control_allow_methods)?,
            origins: origins
                .iter()
                .map(|text| value("accessControlAllowOriginList", text))
                .collect::<Result<_, _>>()?,
            expressions: compiled.collect::<Result<_, _>>()?,
            expose: joined("accessControlExposeHeaders", &options.access_control_expose_headers)?,
            max_age: HeaderValue::from(options.access_control_max_age),
            vary: options.add_vary_header,
        }))
    }

    /// The answer to a preflight; `None` for any other request.
    pub(super) fn preflight(&self, head: &RequestHead) -> Option<Answer> {
        let is_given = |name| head.headers.get(name).is_some_and(|value: &HeaderValue| !value.is_empty());
        if head.method != Method::OPTIONS || !is_given(ORIGIN) || !is_given(ACCESS_CONTROL_REQUEST_METHOD) {
            return None;
        }
        let mut answer = Answer::empty(StatusCode::OK, "headers: preflight");
        let headers = &mut answer.headers;
        self.credentials(headers);
        for (name, value) in [
            (ACCESS_CONTROL_ALLOW_HEADERS, &self.headers),
            (ACCESS_CONTROL_ALLOW_METHODS, &self.methods),
            (ACCESS_CONTROL_ALLOW_ORIGIN, &self.allowed(head)),
        ] {
            if let Some(value) = value {
                headers.insert(name, value.clone());
            }
        }
        headers.insert(ACCESS_CONTROL_MAX_AGE, self.max_age.clone());
        Some(answer)
    }

    /// What a response says of the origin of this request: it itself, or `*`, or nothing.
    pub(super) fn allowed(&self, head: &RequestHead) -> Option<HeaderValue> {
        let origin = head.headers.get(ORIGIN);
        let listed = self.origins.iter().find(|known| *known == "*" || Some(*known) == origin);
        listed.or_else(|| origin.filter(|origin| self.is_matched(origin))).cloned()
    }

    fn is_matched(&self, origin: &HeaderValue) -> bool {
        origin.to_str().is_ok_and(|text| self.expressions.iter().any(|regex| regex.is_match(text)))
    }

    /// `allowed` is what [`allowed`](Self::allowed) said of the request.
    pub(super) fn on_response(&self, headers: &mut HeaderMap, allowed: Option<HeaderValue>) {
        if let Some(origin) = allowed {
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        }
        self.credentials(headers);
        if let Some(expose) = &self.expose {
            headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, expose.clone());
        }
        if self.vary && !varies_by_origin(headers) {
            headers.append(VARY, HeaderValue::from_static("Origin"));
        }
    }

    fn credentials(&self, headers: &mut HeaderMap) {
        if self.credentials {
            headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        }
    }
}

fn varies_by_origin(headers: &HeaderMap) -> bool {
    let lines = headers.get_all(VARY).iter().filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).any(|name| name.trim().eq_ignore_ascii_case("origin"))
}
