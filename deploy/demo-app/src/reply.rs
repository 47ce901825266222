//! Building answers.

use bytes::Bytes;
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, SET_COOKIE};
use hyper::{Response, StatusCode};
use serde_json::{Value, json};

use crate::body::ReplyBody;

/// The header that tells which replica answered.
const REPLICA: HeaderName = HeaderName::from_static("x-replica");

/// An answer, before the replica has put its name on it.
pub(crate) struct Reply(pub(crate) Response<ReplyBody>);

impl Reply {
    pub(crate) fn new(status: StatusCode, content_type: &'static str, body: ReplyBody) -> Self {
        let mut response = Response::new(body);
        *response.status_mut() = status;
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        // A page out of a cache would show a replica that did not answer.
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        Self(response)
    }

    pub(crate) fn text(content_type: &'static str, text: impl Into<Bytes>) -> Self {
        Self::new(StatusCode::OK, content_type, ReplyBody::Whole(Some(text.into())))
    }

    pub(crate) fn json(value: &Value) -> Self {
        Self::json_with(StatusCode::OK, value)
    }

    pub(crate) fn json_with(status: StatusCode, value: &Value) -> Self {
        let mut text = value.to_string();
        text.push('\n');
        Self::new(status, "application/json", ReplyBody::Whole(Some(text.into())))
    }

    pub(crate) fn error(status: StatusCode, host: &str, message: &str) -> Self {
        Self::json_with(status, &json!({ "host": host, "error": message }))
    }

    pub(crate) fn method_not_allowed(host: &str, allow: &'static str) -> Self {
        let mut reply = Self::error(StatusCode::METHOD_NOT_ALLOWED, host, &format!("this is for {allow}"));
        reply.0.headers_mut().insert(ALLOW, HeaderValue::from_static(allow));
        reply
    }

    /// Adds a session cookie. A value that cannot be one is left out.
    pub(crate) fn set_cookie(self, name: &str, value: &str) -> Self {
        self.add(SET_COOKIE, &format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax"))
    }

    /// Tells the browser to forget a cookie.
    pub(crate) fn drop_cookie(self, name: &str) -> Self {
        self.add(SET_COOKIE, &format!("{name}=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax"))
    }

    /// Adds a header. A value that cannot be one is left out.
    pub(crate) fn add(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.0.headers_mut().append(name, value);
        }
        self
    }

    /// Signs the answer with the replica's name.
    pub(crate) fn signed_by(mut self, host: &str) -> Response<ReplyBody> {
        let name = HeaderValue::from_str(host).unwrap_or(HeaderValue::from_static("unprintable"));
        self.0.headers_mut().insert(REPLICA, name);
        self.0
    }
}
