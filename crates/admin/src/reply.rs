//! Whole answers.

use http::{HeaderValue, Response, StatusCode, header};
use serde_json::{Value, json};

/// 200 with that object.
pub(crate) fn json(value: &Value) -> Response<Vec<u8>> {
    build(StatusCode::OK, "application/json", format!("{value}\n").into_bytes())
}

/// `{"message":"…"}`, which Traefik calls plain text.
pub(crate) fn error(status: StatusCode, message: &str) -> Response<Vec<u8>> {
    text(status, &format!("{}\n", json!({ "message": message })))
}

/// 405: nothing but reading is allowed.
pub(crate) fn not_allowed() -> Response<Vec<u8>> {
    let mut response = Response::new(Vec::new());
    *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
    response
}

/// A file to keep.
pub(crate) fn file(name: &'static str, kind: &'static str, body: Vec<u8>) -> Response<Vec<u8>> {
    let mut response = build(StatusCode::OK, kind, body);
    if let Ok(disposition) = HeaderValue::from_str(&format!("attachment; filename={name}")) {
        response.headers_mut().insert(header::CONTENT_DISPOSITION, disposition);
    }
    response
}

/// 404 for a path that leads nowhere.
pub(crate) fn not_found() -> Response<Vec<u8>> {
    text(StatusCode::NOT_FOUND, "404 page not found\n")
}

/// A plain text.
pub(crate) fn text(status: StatusCode, text: &str) -> Response<Vec<u8>> {
    build(status, "text/plain; charset=utf-8", text.as_bytes().to_vec())
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
