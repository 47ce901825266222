//! Services of Seaway's own: what they are asked, and who answers.

use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;
use http::{Method, Response};

/// One request to an internal service.
#[derive(Clone, Debug)]
pub struct InternalRequest {
    /// Which: `api`, `ping` or `prometheus`.
    pub service: Box<str>,
    /// The method.
    pub method: Method,
    /// The canonical path.
    pub path: String,
    /// The query.
    pub query: Option<String>,
}

/// Answers requests to internal services. It runs on a worker, so whatever takes long must be handed to another thread.
pub trait Internal: Send + Sync {
    /// Answers one request.
    fn call(&self, request: InternalRequest) -> Pin<Box<dyn Future<Output = Response<Bytes>> + Send>>;
}
