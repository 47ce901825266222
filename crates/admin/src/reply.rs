//! Whole answers.

use http::{HeaderValue, Response, StatusCode, header};
use serde_json::{Value, json};

/// 200 with that object.
pub(crate) fn json(value: &Value) -> Response<Vec<u8>> {
    with_status(StatusCode::OK, value)
}

/// `{"message":"…"}`.
pub(crate) fn error(status: StatusCode, message: &str) -> Response<Vec<u8>> {
    with_status(status, &json!({ "message": message }))
}

/// 404 for a path that leads nowhere.
pub(crate) fn not_found() -> Response<Vec<u8>> {
    text(StatusCode::NOT_FOUND, "404 page not found")
}

/// A plain text.
pub(crate) fn text(status: StatusCode, text: &str) -> Response<Vec<u8>> {
    build(status, "text/plain; charset=utf-8", text.as_bytes().to_vec())
}

fn with_status(status: StatusCode, value: &Value) -> Response<Vec<u8>> {
    build(status, "application/json", format!("{value}\n").into_bytes())
}

fn build(status: StatusCode, kind: &'static str, body: Vec<u8>) -> Response<Vec<u8>> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    // Labels are other people's text: no browser may take an answer for a page.
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
