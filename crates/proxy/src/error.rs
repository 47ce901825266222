//! What can go wrong with an exchange, and the one place that turns it into a response.

use http::StatusCode;

/// Whose fault a failure is. Only the server's count against the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// The client sent something wrong or went away.
    Client,
    /// The server refused, broke off or answered wrongly.
    Upstream,
    /// Seaway's own condition: nothing to send the request to.
    Ours,
}

/// How an exchange failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ProxyError {
    /// The request body is malformed (bad chunk).
    BadBody,
    /// The client went away.
    ClientGone,
    /// The client sent nothing for too long.
    BodyTimeout,
    /// The request's body is longer than its service wants it.
    BodyTooLong,
    /// No server is admitted, and waiting brought none.
    NoServer,
    /// Neither a service nor the one that stands in for it has a server that takes requests.
    NoSubstitute,
    /// Seaway has no file descriptor, port or memory left to connect with.
    NoResources,
    /// Too much is waiting or kept in memory already.
    Overloaded,
    /// Every server was tried and none could be connected to.
    ConnectFailed,
    /// The connection could not be made in time.
    ConnectTimeout,
    /// The server's certificate is not trusted, or what it speaks is no TLS.
    BadCertificate,
    /// The server closed the connection before it answered.
    UpstreamClosed,
    /// The server reset the connection before it answered.
    UpstreamReset,
    /// The server's answer is not HTTP.
    BadResponse,
    /// The server did not answer in time.
    ResponseTimeout,
    /// The server answered 101 to a request that asked for no upgrade, or named another one.
    BadUpgrade,
}

/// The client is gone: there is nobody to answer, and its connection ends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ClientLeft;

impl std::fmt::Display for ClientLeft {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the client left before it was answered")
    }
}

impl std::error::Error for ClientLeft {}

impl ProxyError {
    /// Whose fault it is.
    pub(crate) fn side(self) -> Side {
        match self {
            Self::BadBody | Self::ClientGone | Self::BodyTimeout | Self::BodyTooLong => Side::Client,
            Self::NoServer | Self::NoSubstitute | Self::NoResources | Self::Overloaded => Side::Ours,
            _ => Side::Upstream,
        }
    }

    /// The status that the client gets (reference: Traefik's table for upstream failures).
    pub(crate) fn status(self) -> StatusCode {
        match self {
            Self::BadBody => StatusCode::BAD_REQUEST,
            // 499 is nginx' number for a client that did not wait; it only ever reaches the log.
            Self::ClientGone => StatusCode::from_u16(499).unwrap_or(StatusCode::BAD_REQUEST),
            Self::BodyTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::BodyTooLong => StatusCode::PAYLOAD_TOO_LARGE,
            Self::NoServer | Self::NoSubstitute | Self::NoResources | Self::Overloaded => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::ConnectFailed | Self::UpstreamClosed | Self::UpstreamReset | Self::BadUpgrade => {
                StatusCode::BAD_GATEWAY
            }
            Self::ConnectTimeout | Self::ResponseTimeout => StatusCode::GATEWAY_TIMEOUT,
            Self::BadResponse | Self::BadCertificate => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The word that logs use.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::BadBody => "bad_request_body",
            Self::ClientGone => "client_gone",
            Self::BodyTimeout => "request_body_timeout",
            Self::BodyTooLong => "request_body_too_long",
            Self::NoServer | Self::NoSubstitute => "no_server",
            Self::NoResources => "no_resources",
            Self::Overloaded => "overloaded",
            Self::ConnectFailed => "connect_failed",
            Self::ConnectTimeout => "connect_timeout",
            Self::BadCertificate => "bad_certificate",
            Self::UpstreamClosed => "upstream_closed",
            Self::UpstreamReset => "upstream_reset",
            Self::BadResponse => "bad_response",
            Self::ResponseTimeout => "response_timeout",
            Self::BadUpgrade => "bad_upgrade",
        }
    }
}
