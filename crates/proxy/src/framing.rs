//! Where a server's response ends: one reading of it, the same for hyper, which reads it, and for the client.

use http::header::{CONTENT_LENGTH, HeaderValue, TRANSFER_ENCODING};
use http::{Method, Response, StatusCode, Version};
use hyper::body::{Body, Incoming};

use crate::error::ProxyError;

/// Leaves the response with one framing, or refuses it. True when its connection can carry another request.
pub(crate) fn check(method: &Method, response: &mut Response<Incoming>) -> Result<bool, ProxyError> {
    let length = response.body().size_hint().exact();
    // On an old server's connection hyper would send later requests as HTTP/1.0, which knows no chunks.
    let mut reusable = response.version() == Version::HTTP_11;
    // A proxy speaks its own version to the client (RFC 9110 §2.5), or the client could not keep its connection.
    *response.version_mut() = Version::HTTP_11;
    let bodiless = *method == Method::HEAD
        || matches!(
            response.status(),
            StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED | StatusCode::SWITCHING_PROTOCOLS
        );
    let headers = response.headers_mut();
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    if let Some(coding) = codings.next() {
        let chunked = coding.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked") && codings.next().is_none();
        if !chunked && !bodiless {
            // The coding's name does not travel on, so its bytes would be taken for plain ones.
            return Err(ProxyError::BadResponse);
        }
        // The chunks decide (RFC 9112 §6.3). Whoever sends both may not know himself where the body ends.
        reusable &= headers.remove(CONTENT_LENGTH).is_none();
        return Ok(reusable);
    }
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    let Some(first) = lengths.next() else { return Ok(reusable) };
    let plain = |value: &HeaderValue| {
        let digits = value.as_bytes();
        !digits.is_empty()
            && digits.iter().all(u8::is_ascii_digit)
            && (digits.len() == 1 || digits.first() != Some(&b'0'))
    };
    if !plain(first) || lengths.next().is_some() {
        match length {
            Some(length) if !bodiless => {
                headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
            }
            _ => {
                headers.remove(CONTENT_LENGTH);
            }
        }
    }
    Ok(reusable)
}
