//! Active health checks as they are made: what is asked, how often, and which answers are good.

use std::time::Duration;

use http::header::{HOST, HeaderMap, HeaderName, HeaderValue};
use http::uri::PathAndQuery;
use http::{Method, StatusCode};
use seaway_config::model::HealthCheck;

/// Interval of a check that names none, or one that means nothing.
const INTERVAL: Duration = Duration::from_secs(30);
/// Time for one check that names none, or one that means nothing.
const TIMEOUT: Duration = Duration::from_secs(5);

/// What is asked of each server of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActiveCheck {
    /// The path, with a query perhaps.
    pub path: PathAndQuery,
    /// By TLS or in clear; as the server's URL says if none.
    pub tls: Option<bool>,
    /// Another port than the server's.
    pub port: Option<u16>,
    /// The method.
    pub method: Method,
    /// The only good status; 200 to 399 if none.
    pub status: Option<u16>,
    /// `Host` in place of the server's.
    pub host: Option<HeaderValue>,
    /// Time between checks of a server that is well.
    pub interval: Duration,
    /// Time between checks of one that is not.
    pub unhealthy_interval: Duration,
    /// Time that one check may take.
    pub timeout: Duration,
    /// Ask again where an answer points to.
    pub follow_redirects: bool,
    /// Further headers.
    pub headers: HeaderMap,
}

/// Why a check cannot be made: the option, and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadCheck {
    /// The option's name below `healthcheck`, in lower case.
    pub option: &'static str,
    /// In words.
    pub text: String,
    /// It is right, and does not work yet.
    pub not_yet: bool,
}

impl ActiveCheck {
    /// Reads the options.
    ///
    /// # Errors
    ///
    /// The first option that a check cannot be made with.
    pub fn new(options: &HealthCheck) -> Result<Self, BadCheck> {
        let bad = |option, text: String| BadCheck { option, text, not_yet: false };
        if !options.mode.is_empty() && !options.mode.eq_ignore_ascii_case("http") {
            let not_yet = options.mode.eq_ignore_ascii_case("grpc");
            let text = match not_yet {
                true => "health checks of the mode grpc do not work yet".to_owned(),
                false => format!("http is expected, not `{}`", options.mode.escape_debug()),
            };
            return Err(BadCheck { option: "mode", text, not_yet });
        }
        let tls = match options.scheme.to_ascii_lowercase().as_str() {
            "" => None,
            "http" => Some(false),
            "https" => Some(true),
            other => return Err(bad("scheme", format!("http or https is expected, not `{}`", other.escape_debug()))),
        };
        // Relative to the server's URL; one that is whole is asked for as a path, which no server has.
        let path = if options.path.starts_with('/') { options.path.clone() } else { format!("/{}", options.path) };
        let path = PathAndQuery::try_from(path)
            .map_err(|_| bad("path", format!("`{}` is no path", options.path.escape_debug())))?;
        let port = match options.port {
            0 => None,
            port => Some(
                u16::try_from(port)
                    .ok()
                    .filter(|port| *port > 0)
                    .ok_or_else(|| bad("port", format!("{port} is no port")))?,
            ),
        };
        let method = match options.method.as_str() {
            "" => Method::GET,
            method => Method::from_bytes(method.as_bytes())
                .map_err(|_| bad("method", format!("`{}` is no method", method.escape_debug())))?,
        };
        let status = match options.status {
            0 => None,
            status => Some(
                u16::try_from(status)
                    .ok()
                    .filter(|status| (100..600).contains(status))
                    .ok_or_else(|| bad("status", format!("{status} is no status")))?,
            ),
        };
        let host = match options.hostname.as_str() {
            "" => None,
            host => Some(
                HeaderValue::from_str(host)
                    .map_err(|_| bad("hostname", format!("`{}` is no host", host.escape_debug())))?,
            ),
        };
        let mut headers = HeaderMap::new();
        for (name, value) in &options.headers {
            let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::from_str(value)) else {
                return Err(bad("headers", format!("`{}` cannot be sent", name.escape_debug())));
            };
            if name != HOST {
                headers.append(name, value);
            }
        }
        let positive = |time: Duration, or: Duration| if time.is_zero() { or } else { time };
        let interval = positive(options.interval, INTERVAL);
        Ok(Self {
            path,
            tls,
            port,
            method,
            status,
            host,
            interval,
            unhealthy_interval: options.unhealthy_interval.map_or(interval, |time| positive(time, INTERVAL)),
            timeout: positive(options.timeout, TIMEOUT),
            follow_redirects: options.follow_redirects,
            headers,
        })
    }

    /// Whether an answer with this status is a good one.
    pub fn is_good(&self, status: StatusCode) -> bool {
        match self.status {
            Some(expected) => status.as_u16() == expected,
            None => (200..400).contains(&status.as_u16()),
        }
    }

    /// Time until the next check, by what the last one said.
    pub fn pause(&self, healthy: bool) -> Duration {
        if healthy { self.interval } else { self.unhealthy_interval }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn nothing_said_means_traefiks_defaults() {
        let check = ActiveCheck::new(&HealthCheck { path: "up?full=1".to_owned(), ..HealthCheck::default() }).unwrap();
        assert_eq!(
            (check.path.as_str(), &check.method, check.tls, check.port),
            ("/up?full=1", &Method::GET, None, None)
        );
        assert_eq!((check.interval, check.unhealthy_interval, check.timeout), (INTERVAL, INTERVAL, TIMEOUT));
        for (status, good) in [(199, false), (200, true), (204, true), (399, true), (400, false), (503, false)] {
            assert_eq!(check.is_good(StatusCode::from_u16(status).unwrap()), good, "{status}");
        }
    }

    #[test]
    fn times_that_mean_nothing_are_the_usual_ones() {
        let zero = Some(Duration::ZERO);
        let second = Duration::from_secs(1);
        for (interval, unhealthy, expected) in [
            (second, None, (second, second)),
            (second, Some(second * 2), (second, second * 2)),
            (second, zero, (second, INTERVAL)),
            (Duration::ZERO, None, (INTERVAL, INTERVAL)),
        ] {
            let options = HealthCheck { interval, unhealthy_interval: unhealthy, ..HealthCheck::default() };
            let check = ActiveCheck::new(&options).unwrap();
            assert_eq!((check.pause(true), check.pause(false)), expected);
        }
        let options = HealthCheck { timeout: Duration::ZERO, ..HealthCheck::default() };
        assert_eq!(ActiveCheck::new(&options).unwrap().timeout, TIMEOUT);
    }

    #[test]
    fn a_status_may_be_the_only_good_one() {
        let check = ActiveCheck::new(&HealthCheck { status: 503, ..HealthCheck::default() }).unwrap();
        assert!(check.is_good(StatusCode::SERVICE_UNAVAILABLE) && !check.is_good(StatusCode::OK));
    }

    #[test]
    fn what_cannot_be_asked_is_told() {
        let with = |change: fn(&mut HealthCheck)| {
            let mut options = HealthCheck::default();
            change(&mut options);
            ActiveCheck::new(&options).map(|_| ()).map_err(|bad| (bad.option, bad.not_yet))
        };
        assert_eq!(with(|o| o.mode = "grpc".to_owned()), Err(("mode", true)));
        assert_eq!(with(|o| o.mode = "tcp".to_owned()), Err(("mode", false)));
        assert_eq!(with(|o| o.scheme = "ftp".to_owned()), Err(("scheme", false)));
        assert_eq!(with(|o| o.path = "/a b".to_owned()), Err(("path", false)));
        assert_eq!(with(|o| o.port = 70_000), Err(("port", false)));
        assert_eq!(with(|o| o.method = "G T".to_owned()), Err(("method", false)));
        assert_eq!(with(|o| o.status = 42), Err(("status", false)));
        assert_eq!(with(|o| o.hostname = "a\n".to_owned()), Err(("hostname", false)));
        assert_eq!(with(|o| drop(o.headers.insert("a b".to_owned(), String::new()))), Err(("headers", false)));
        assert_eq!(with(|o| drop(o.headers.insert("Host".to_owned(), "x".to_owned()))), Ok(()));
    }
}
