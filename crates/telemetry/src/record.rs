//! One exchange, as the access log tells it.

use std::time::{Duration, SystemTime};

use crate::KeptHeaders;

/// One exchange: the request, where it went, and what came back. All text is borrowed; any of it may be hostile.
#[derive(Clone, Debug)]
pub struct Record<'a> {
    /// When the request head had arrived.
    pub start: SystemTime,
    /// From `start` to the last byte sent.
    pub duration: Duration,
    /// The status sent to the client; 0 when none was.
    pub status: u16,
    /// The method.
    pub method: &'a str,
    /// `Host` as sent, with its port.
    pub host: &'a str,
    /// Path and query as the client sent them, before any middleware.
    pub path_and_query: &'a str,
    /// `HTTP/1.1`.
    pub protocol: &'a str,
    /// `http` or `https`: how the client is connected.
    pub scheme: &'a str,
    /// The peer's address.
    pub client_host: &'a str,
    /// The peer's port.
    pub client_port: u16,
    /// `X-Forwarded-For` after the trust decision, without the peer.
    pub forwarded_for: Option<&'a str>,
    /// Who authenticated.
    pub user: Option<&'a str>,
    /// The headers that the log keeps; `None` where it keeps none.
    pub headers: Option<&'a KeptHeaders>,
    /// The entry point's name.
    pub entry_point: &'a str,
    /// The router's qualified name.
    pub router: Option<&'a str>,
    /// The service's qualified name.
    pub service: Option<&'a str>,
    /// The server of the last attempt, as people call it: `web-3`.
    pub server_name: Option<&'a str>,
    /// Its URL.
    pub server_url: Option<&'a str>,
    /// Its address and port.
    pub server_address: Option<&'a str>,
    /// Bytes of the request's body.
    pub request_bytes: u64,
    /// Bytes of the response's body.
    pub response_bytes: u64,
    /// The status that the server sent; `None` when the answer is ours.
    pub origin_status: Option<u16>,
    /// Bytes of the server's body, where that is not what the client was sent.
    pub origin_bytes: Option<u64>,
    /// It was handed to its service, whether there was a server for it or not.
    pub forwarded: bool,
    /// From the request's head being sent to the response's last byte.
    pub origin_duration: Duration,
    /// How many servers were tried; 1 when nothing was repeated, 0 when none was asked.
    pub attempts: u32,
    /// The verdict about affinity: `none`, `new`, `hit`, `moved`, `expired`, `invalid`.
    pub sticky: &'static str,
    /// Why the client moved: `draining`, `down`, `gone`, `refused`, `replaced`.
    pub sticky_reason: Option<&'static str>,
    /// How the server was chosen: `wrr`.
    pub strategy: &'static str,
    /// How long the request waited for a server.
    pub held: Duration,
    /// What went wrong, in one word: `no_route`, `connect_refused`.
    pub error: Option<&'static str>,
    /// The request reached a server, got no whole answer, and could not be repeated.
    pub lost: bool,
    /// Counts requests since the start.
    pub request_count: u64,
}

impl Default for Record<'_> {
    fn default() -> Self {
        Self {
            start: SystemTime::UNIX_EPOCH,
            duration: Duration::ZERO,
            status: 0,
            method: "",
            host: "",
            path_and_query: "",
            protocol: "",
            scheme: "",
            client_host: "",
            client_port: 0,
            forwarded_for: None,
            user: None,
            headers: None,
            entry_point: "",
            router: None,
            service: None,
            server_name: None,
            server_url: None,
            server_address: None,
            request_bytes: 0,
            response_bytes: 0,
            origin_status: None,
            origin_bytes: None,
            forwarded: false,
            origin_duration: Duration::ZERO,
            attempts: 0,
            sticky: "none",
            sticky_reason: None,
            strategy: "",
            held: Duration::ZERO,
            error: None,
            lost: false,
            request_count: 0,
        }
    }
}

impl Record<'_> {
    /// The client as every format but `seaway`'s calls it: what trusted proxies said, else the peer.
    pub(crate) fn client(&self) -> &str {
        self.forwarded_for.filter(|text| !text.is_empty()).unwrap_or(self.client_host)
    }

    /// A header of the request, where the log keeps it; its name in the spelling of Go.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.and_then(|kept| kept.requested(name))
    }

    /// Tries after the first.
    pub(crate) fn retries(&self) -> u32 {
        self.attempts.saturating_sub(1)
    }
}
