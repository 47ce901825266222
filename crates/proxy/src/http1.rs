//! HTTP/1.1 messages as bytes: heads parsed and written, bodies cut out of a stream. No sockets here.

pub(crate) mod chunked;
mod date;
pub(crate) mod fields;
pub(crate) mod request;
pub(crate) mod respond;
pub(crate) mod response;
pub(crate) mod spares;

use http::StatusCode;

/// Responses of this status have no body, whatever was asked (RFC 9110 §6.4.1).
pub(crate) fn ends_with_head(status: StatusCode) -> bool {
    status.is_informational() || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
}
