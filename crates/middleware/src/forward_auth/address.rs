//! The URL that is asked.

use std::sync::Arc;

use http::{HeaderValue, Uri};

use seaway_config::Files;
use seaway_config::model::AuthTls;

use crate::protocol::{AskServer, Tls};

/// Where, and what for.
#[derive(Clone, Debug)]
pub(super) struct Address {
    pub(super) server: Arc<AskServer>,
    /// Path and query.
    pub(super) target: Box<str>,
}

impl Address {
    pub(super) fn parse(text: &str, tls: Option<&AuthTls>, files: &Files) -> Result<Self, String> {
        let text = text.trim();
        if text.is_empty() {
            return Err(
                "forwardAuth.address is empty; it is the URL that is asked, such as http://auth:9000/verify".to_owned()
            );
        }
        let wrong = |what: &str| format!("forwardAuth.address {text:?} {what}");
        let uri: Uri = text.parse().map_err(|_| wrong("is no URL; write http://auth:9000/verify"))?;
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(wrong("has no scheme or no host; write http://auth:9000/verify"));
        };
        let secure = scheme.eq_ignore_ascii_case("https");
        if !secure && !scheme.eq_ignore_ascii_case("http") {
            return Err(wrong("is neither http nor https"));
        }
        if authority.as_str().contains('@') {
            return Err(wrong("has a user in it, which is not sent"));
        }
        let port = authority.port_u16().unwrap_or(if secure { 443 } else { 80 });
        let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() || port == 0 || (authority.as_str().ends_with(':')) {
            return Err(wrong("has no host, or a port that is none"));
        }
        // What is wrong with TLS is told whether it is used or not.
        let tls = tls.map(|tls| Tls::compile("forwardAuth.tls", Some(tls), files)).transpose()?;
        let tls = match tls {
            _ if !secure => None,
            Some(tls) => Some(tls),
            None => Some(Tls::compile("forwardAuth.tls", None, files)?),
        };
        let server = AskServer {
            tls,
            host: host.into(),
            port,
            authority: HeaderValue::from_str(authority.as_str()).map_err(|_| wrong("has a host that is none"))?,
        };
        let target = uri.path_and_query().map_or("/", |target| target.as_str());
        let target = if target.starts_with('/') { target.into() } else { format!("/{target}").into() };
        Ok(Self { server: Arc::new(server), target })
    }

    /// A `Location` in the server's answer, as the client has to read it; `None` where it is whole already.
    pub(super) fn resolve(&self, location: &str) -> Option<HeaderValue> {
        let has_scheme = location.split_once(':').is_some_and(|(scheme, _)| {
            scheme.starts_with(|c: char| c.is_ascii_alphabetic())
                && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'))
        });
        if has_scheme || location.is_empty() {
            return None;
        }
        let authority = self.server.authority.to_str().ok()?;
        let scheme = if self.server.tls.is_some() { "https" } else { "http" };
        let path = self.target.split('?').next().unwrap_or("/");
        let whole = match location {
            _ if location.starts_with("//") => format!("{scheme}:{location}"),
            _ if location.starts_with('/') => format!("{scheme}://{authority}{location}"),
            _ if location.starts_with('?') => format!("{scheme}://{authority}{path}{location}"),
            _ if location.starts_with('#') => format!("{scheme}://{authority}{}{location}", self.target),
            _ => {
                let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
                format!("{scheme}://{authority}{}", without_dots(&format!("{folder}/{location}")))
            }
        };
        HeaderValue::from_str(&whole).ok()
    }
}

/// The path without `.` and `..` (RFC 3986 §5.2.4); a query stays as it is.
fn without_dots(reference: &str) -> String {
    let end = reference.find(['?', '#']).unwrap_or(reference.len());
    let (path, rest) = reference.split_at(end);
    let mut out: Vec<&str> = Vec::new();
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        match segment {
            "." | ".." => {
                if segment == ".." {
                    out.pop();
                }
                if last {
                    out.push("");
                }
            }
            _ => out.push(segment),
        }
    }
    format!("/{}{rest}", out.join("/"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Address, String> {
        Address::parse(text, None, &Files::default())
    }

    #[test]
    fn addresses() {
        for (text, host, port, authority, target) in [
            ("http://auth:9000/verify?x=1", "auth", 9000, "auth:9000", "/verify?x=1"),
            (" http://auth ", "auth", 80, "auth", "/"),
            ("HTTP://10.0.0.1/", "10.0.0.1", 80, "10.0.0.1", "/"),
            ("http://[::1]:81/a", "::1", 81, "[::1]:81", "/a"),
            ("https://auth/verify", "auth", 443, "auth", "/verify"),
            ("HTTPS://auth:8443", "auth", 8443, "auth:8443", "/"),
        ] {
            let address = parse(text).unwrap();
            assert_eq!(address.server.tls.is_some(), text.to_ascii_lowercase().contains("https"), "{text}");
            let server = &*address.server;
            assert_eq!((&*server.host, server.port, &*address.target), (host, port, target), "{text}");
            assert_eq!(server.authority, authority);
        }
        for text in ["", "auth:9000", "/verify", "ftp://auth/", "http://", "http://user@auth/", "http://auth:0/"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn locations() {
        let address = parse("http://auth:9000/a/verify?x").unwrap();
        for (location, want) in [
            ("/login", Some("http://auth:9000/login")),
            ("login?y", Some("http://auth:9000/a/login?y")),
            ("../login", Some("http://auth:9000/login")),
            ("./..", Some("http://auth:9000/")),
            ("?y", Some("http://auth:9000/a/verify?y")),
            ("#f", Some("http://auth:9000/a/verify?x#f")),
            ("//other/x", Some("http://other/x")),
            ("https://other/x", None),
            ("mailto:a@b", None),
            ("", None),
        ] {
            assert_eq!(address.resolve(location).as_ref().map(|v| v.to_str().unwrap()), want, "{location}");
        }
        let secure = parse("https://auth/verify").unwrap();
        assert_eq!(secure.resolve("/login").unwrap(), "https://auth/login");
        assert_eq!(secure.resolve("//other/x").unwrap(), "https://other/x");
    }
}
