//! `redirectScheme`: redirects to another scheme.

use seaway_config::model;
use seaway_head::RequestHead;

use crate::redirect::{answer, client_authority, client_scheme, explicit_port, split_port};
use crate::{Flow, refuse};

/// Redirects unless the client already uses the scheme and port.
#[derive(Clone, Debug)]
pub struct RedirectScheme {
    scheme: Box<str>,
    /// Unless it is the scheme's own.
    port: Option<Box<str>>,
    permanent: bool,
}

impl RedirectScheme {
    pub(crate) fn compile(options: &model::RedirectScheme) -> Result<Self, String> {
        let scheme = options.scheme.trim().to_ascii_lowercase();
        if scheme.is_empty() {
            return Err("redirectScheme.scheme is empty; it needs the scheme to redirect to, such as https".to_owned());
        }
        let is_scheme = scheme.starts_with(|c: char| c.is_ascii_lowercase())
            && scheme.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'+' | b'-' | b'.'));
        if !is_scheme {
            return Err(format!("redirectScheme.scheme {:?} is no scheme; it is a word such as https", options.scheme));
        }
        let port = match options.port.trim() {
            "" => None,
            text => match text.parse::<u16>() {
                Ok(port @ 1..) => Some(port.to_string()),
                _ => return Err(format!("redirectScheme.port {text:?} is no port from 1 to 65535")),
            },
        };
        let port = explicit_port(&scheme, port.as_deref()).map(Into::into);
        Ok(Self { scheme: scheme.into(), port, permanent: options.permanent })
    }

    pub(crate) fn on_request(&self, head: &mut RequestHead) -> Flow {
        let (host, port) = split_port(client_authority(head));
        let scheme = client_scheme(head);
        if scheme == &*self.scheme && explicit_port(scheme, port) == self.port.as_deref() {
            return Flow::Next;
        }
        if host.is_empty() {
            return refuse("redirectScheme: the request has no host");
        }
        let colon = if self.port.is_some() { ":" } else { "" };
        let port = self.port.as_deref().unwrap_or_default();
        let location = format!("{}://{host}{colon}{port}{}", self.scheme, head.target.as_path_and_query());
        answer(&head.method, self.permanent, &location, "redirectScheme")
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use http::HeaderValue;

    use super::*;
    use crate::testing::{redirect, to};

    fn compile(scheme: &str, port: &str) -> Result<RedirectScheme, String> {
        RedirectScheme::compile(&model::RedirectScheme {
            scheme: scheme.to_owned(),
            port: port.to_owned(),
            permanent: false,
        })
    }

    #[test]
    fn redirects_to_the_scheme() {
        for (scheme, port, host, target, want) in [
            ("https", "", "a.example", "/x?y=1", "https://a.example/x?y=1"),
            ("HTTPS", "443", "a.example:80", "/", "https://a.example/"),
            ("https", "8443", "a.example:8080", "/", "https://a.example:8443/"),
            ("https", "", "[::1]:80", "/", "https://[::1]/"),
            ("http", "8080", "a.example", "/", "http://a.example:8080/"),
            ("https", "", "a.example", "//evil.example/x", "https://a.example/evil.example/x"),
            ("https", "", "a.example", "/%0d%0aX:y", "https://a.example/%0D%0AX:y"),
            ("https", "", "a.example", "/x?q={a}&r=\\b", "https://a.example/x?q={a}&r=%5Cb"),
        ] {
            let flow = compile(scheme, port).unwrap().on_request(&mut to(host, target));
            assert_eq!(redirect(&flow), Some((302, want)), "{scheme} {port} {host}{target}");
        }
    }

    #[test]
    fn passes_when_scheme_and_port_are_already_right() {
        for (port, host, secure, proto) in [
            ("", "a.example", true, ""),
            ("443", "a.example", true, ""),
            ("", "a.example:443", true, ""),
            ("8443", "a.example:8443", true, ""),
            ("", "a.example", false, "https"),
            ("", "a.example", false, "wss"),
        ] {
            let mut head = to(host, "/");
            head.secure = secure;
            head.headers.insert("x-forwarded-proto", HeaderValue::from_str(proto).unwrap());
            let flow = compile("https", port).unwrap().on_request(&mut head);
            assert_eq!(redirect(&flow), None, "{port} {host} {proto}");
        }
    }

    #[test]
    fn a_request_without_host_cannot_be_redirected() {
        let mut head = to("a", "/");
        head.headers.remove("host");
        head.host = "".into();
        assert_eq!(redirect(&compile("https", "").unwrap().on_request(&mut head)), Some((400, "")));
    }

    #[test]
    fn options_that_cannot_work_do_not_compile() {
        for (scheme, port) in
            [("", ""), ("ht tp", ""), ("https://", ""), ("https", "0"), ("https", "70000"), ("https", ":443")]
        {
            assert!(compile(scheme, port).is_err(), "{scheme} {port}");
        }
    }
}
