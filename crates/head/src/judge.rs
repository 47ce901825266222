//! The one place that refuses request heads. hyper alone lets some through that an edge must not serve.

use std::net::IpAddr;
use std::sync::Arc;

use http::header::{CONTENT_LENGTH, EXPECT, HOST, HeaderMap, HeaderValue, TRANSFER_ENCODING};
use http::uri::PathAndQuery;
use http::{Method, StatusCode, Uri, Version};

use crate::{RequestHead, Target, host, upgrade};

/// Bounds on what is looked at.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Most header lines.
    pub headers: usize,
    /// Most bytes of names and values together.
    pub header_bytes: usize,
    /// Longest path and query in bytes.
    pub target_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { headers: 100, header_bytes: 64 * 1024, target_bytes: 16 * 1024 }
    }
}

/// A head that is answered by us and goes nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The answer's status.
    pub status: StatusCode,
    /// Why, for the log.
    pub reason: &'static str,
    /// Close the connection after the answer: what follows on it cannot be trusted.
    pub close: bool,
}

/// A judged head, and what the connection must know beside it.
#[derive(Debug)]
pub struct Judged {
    /// The head.
    pub head: RequestHead,
    /// The upgrade that may be granted.
    pub upgrade: Option<HeaderValue>,
}

/// Judges the heads of one connection. It remembers the last host, since a connection mostly asks for one.
#[derive(Debug)]
pub struct Judge {
    limits: Arc<Limits>,
    upgrades: Arc<[Box<str>]>,
    peer: IpAddr,
    secure: bool,
    last_host: Option<(HeaderValue, Arc<str>)>,
}

impl Judge {
    /// For one connection. `upgrades` are the tokens that may become a tunnel, in lower case.
    pub fn new(limits: Arc<Limits>, upgrades: Arc<[Box<str>]>, peer: IpAddr, secure: bool) -> Self {
        Self { limits, upgrades, peer, secure, last_host: None }
    }

    /// Judges a head that hyper has parsed. The caller keeps the body and the extensions.
    pub fn judge(
        &mut self,
        method: Method,
        uri: &Uri,
        version: Version,
        mut headers: HeaderMap,
    ) -> Result<Judged, Refusal> {
        self.check_sizes(uri, &headers)?;
        check_version(version)?;
        check_method(&method)?;
        check_framing(version, &mut headers)?;
        check_expect(version, &mut headers)?;
        let host = self.host(uri, version, &mut headers)?;
        let target = target(&method, uri)?;
        let upgrade = upgrade::wanted(&method, version, &headers, &self.upgrades);
        let head = RequestHead {
            method,
            version,
            host,
            target,
            headers,
            secure: self.secure,
            peer: self.peer,
            append_forwarded_for: true,
        };
        Ok(Judged { head, upgrade })
    }

    fn check_sizes(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), Refusal> {
        if uri.path_and_query().is_some_and(|p| p.as_str().len() > self.limits.target_bytes) {
            return Err(refuse(StatusCode::URI_TOO_LONG, "the request target is too long"));
        }
        if headers.len() > self.limits.headers {
            return Err(refuse(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "too many headers"));
        }
        let bytes: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
        if bytes > self.limits.header_bytes {
            return Err(refuse(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "the headers are too large"));
        }
        Ok(())
    }

    /// The canonical host. An absolute-form target decides and replaces `Host` (RFC 9112 §3.2.2).
    fn host(&mut self, uri: &Uri, version: Version, headers: &mut HeaderMap) -> Result<Arc<str>, Refusal> {
        let mut lines = headers.get_all(HOST).iter();
        let first = lines.next().cloned();
        if lines.next().is_some() {
            return Err(bad_request("more than one Host header"));
        }
        let value = match uri.authority() {
            Some(authority) => {
                if first.is_none() && version == Version::HTTP_11 {
                    return Err(bad_request("no Host header"));
                }
                let value = HeaderValue::from_str(authority.as_str())
                    .map_err(|_| bad_request("the target's host is not valid"))?;
                headers.insert(HOST, value.clone());
                value
            }
            None => match first {
                Some(value) => value,
                None if version == Version::HTTP_10 => return Ok(Arc::from("")),
                None => return Err(bad_request("no Host header")),
            },
        };
        if let Some((known, host)) = &self.last_host
            && *known == value
        {
            return Ok(Arc::clone(host));
        }
        let text = value.to_str().map_err(|_| bad_request("the Host header is not valid"))?;
        let parsed = host::parse(text).ok_or_else(|| bad_request("the Host header is not valid"))?;
        let host: Arc<str> = Arc::from(parsed.host.as_ref());
        self.last_host = Some((value, Arc::clone(&host)));
        Ok(host)
    }
}

fn check_version(version: Version) -> Result<(), Refusal> {
    match version {
        Version::HTTP_10 | Version::HTTP_11 => Ok(()),
        _ => Err(refuse(StatusCode::HTTP_VERSION_NOT_SUPPORTED, "only HTTP/1.0 and HTTP/1.1")),
    }
}

fn check_method(method: &Method) -> Result<(), Refusal> {
    match *method {
        Method::CONNECT => Err(refuse(StatusCode::NOT_IMPLEMENTED, "CONNECT is not supported")),
        // TRACE would show a script the cookies and credentials that it may not read (XST).
        Method::TRACE => {
            Err(Refusal { close: false, ..refuse(StatusCode::METHOD_NOT_ALLOWED, "TRACE is not allowed") })
        }
        _ if method.as_str().len() > 64 => Err(bad_request("the method is too long")),
        _ => Ok(()),
    }
}

/// Exactly one reading of where the body ends (RFC 9112 §6). hyper has refused differing and malformed lengths already,
/// and dropped a `Content-Length` beside `Transfer-Encoding`; what it lets through and we do not are transfer codings
/// other than exactly one `chunked`.
fn check_framing(version: Version, headers: &mut HeaderMap) -> Result<(), Refusal> {
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    if let Some(coding) = codings.next() {
        if version == Version::HTTP_10 {
            return Err(bad_request("Transfer-Encoding in HTTP/1.0"));
        }
        if codings.next().is_some() || !coding.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked") {
            return Err(refuse(StatusCode::NOT_IMPLEMENTED, "Transfer-Encoding other than one chunked"));
        }
    }
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    let Some(first) = lengths.next() else { return Ok(()) };
    if first.is_empty() || !first.as_bytes().iter().all(u8::is_ascii_digit) {
        return Err(bad_request("Content-Length is not a number"));
    }
    let mut repeated = false;
    for other in lengths {
        if other != first {
            return Err(bad_request("differing Content-Length headers"));
        }
        repeated = true;
    }
    let digits = first.as_bytes();
    let plain = digits.len() == 1 || digits.first() != Some(&b'0');
    if repeated || !plain {
        // One line, in one spelling: some servers read leading zeros as octal.
        let zeros = digits.iter().take_while(|d| **d == b'0').count().min(digits.len() - 1);
        let one = HeaderValue::from_bytes(digits.get(zeros..).unwrap_or(digits))
            .map_err(|_| bad_request("Content-Length is not a number"))?;
        headers.insert(CONTENT_LENGTH, one);
    }
    Ok(())
}

/// Only `100-continue` is known (RFC 9110 §10.1.1); HTTP/1.0 has no such thing and is not told of it.
fn check_expect(version: Version, headers: &mut HeaderMap) -> Result<(), Refusal> {
    if !headers.contains_key(EXPECT) {
        return Ok(());
    }
    if version == Version::HTTP_10 {
        headers.remove(EXPECT);
        return Ok(());
    }
    if headers.get_all(EXPECT).iter().all(|v| v.as_bytes().eq_ignore_ascii_case(b"100-continue")) {
        return Ok(());
    }
    Err(refuse(StatusCode::EXPECTATION_FAILED, "Expect other than 100-continue"))
}

fn target(method: &Method, uri: &Uri) -> Result<Target, Refusal> {
    if let Some(scheme) = uri.scheme_str()
        && scheme != "http"
        && scheme != "https"
    {
        return Err(bad_request("the target's scheme is neither http nor https"));
    }
    let path = uri.path_and_query();
    match path.map(PathAndQuery::as_str) {
        Some("*") if *method == Method::OPTIONS => {
            return Err(Refusal { status: StatusCode::NO_CONTENT, reason: "OPTIONS * answered here", close: false });
        }
        None | Some("") if uri.authority().is_none() => return Err(bad_request("no request target")),
        // `GET foo`: the authority form is CONNECT's alone.
        _ if uri.authority().is_some() && uri.scheme().is_none() => {
            return Err(bad_request("the request target does not begin with /"));
        }
        _ => {}
    }
    // `http://host` and `http://host?x` have no path of their own: the root is meant (RFC 9112 §3.2.2).
    let root = PathAndQuery::from_static("/");
    let raw = path.filter(|p| !p.as_str().is_empty()).unwrap_or(&root);
    Target::canonical(raw).map_err(|bad| bad_request(bad.0))
}

fn bad_request(reason: &'static str) -> Refusal {
    refuse(StatusCode::BAD_REQUEST, reason)
}

fn refuse(status: StatusCode, reason: &'static str) -> Refusal {
    Refusal { status, reason, close: true }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn judge(method: &str, uri: &str, version: Version, pairs: &[(&str, &str)]) -> Result<Judged, Refusal> {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers
                .append(name.parse::<http::HeaderName>().unwrap(), HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        let peer = IpAddr::from([127, 0, 0, 1]);
        Judge::new(Arc::default(), Arc::from(["websocket".into()]), peer, false).judge(
            method.parse().unwrap(),
            &uri.parse().unwrap(),
            version,
            headers,
        )
    }

    fn status(method: &str, uri: &str, pairs: &[(&str, &str)]) -> u16 {
        judge(method, uri, Version::HTTP_11, pairs).map_or_else(|r| r.status.as_u16(), |_| 200)
    }

    #[test]
    fn one_valid_host() {
        assert_eq!(status("GET", "/", &[("host", "a.test")]), 200);
        assert_eq!(status("GET", "/", &[]), 400);
        assert_eq!(status("GET", "/", &[("host", "a"), ("host", "a")]), 400);
        for host in ["a, b", "x@a", "a/x", "", "a:99999", "a b", "[::1"] {
            assert_eq!(status("GET", "/", &[("host", host)]), 400, "{host}");
        }
        let old = judge("GET", "/", Version::HTTP_10, &[]).unwrap();
        assert_eq!(&*old.head.host, "");
    }

    #[test]
    fn the_absolute_form_decides() {
        let judged = judge("GET", "http://A.test:81/x", Version::HTTP_11, &[("host", "b.test")]).unwrap();
        assert_eq!(&*judged.head.host, "a.test");
        assert_eq!(judged.head.headers[HOST], "A.test:81");
        assert_eq!(judged.head.target.path(), "/x");
        assert_eq!(status("GET", "ftp://a/x", &[("host", "a")]), 400);
        assert_eq!(status("GET", "http://x@a/", &[("host", "a")]), 400);
    }

    #[test]
    fn methods_and_targets() {
        let host = [("host", "a")];
        assert_eq!(status("CONNECT", "a:80", &host), 501);
        assert_eq!(status("TRACE", "/", &host), 405);
        assert_eq!(status("OPTIONS", "*", &host), 204);
        assert_eq!(status("GET", "*", &host), 400);
        assert_eq!(status("GET", "foo", &host), 400);
        assert_eq!(status("GET", "http://a", &host), 200);
        assert_eq!(status("PROPFIND", "/", &host), 200);
        assert_eq!(status(&"X".repeat(65), "/", &host), 400);
        assert_eq!(status("GET", &format!("/{}", "a".repeat(20_000)), &host), 414);
    }

    #[test]
    fn one_framing() {
        let with = |name: &'static str, value: &'static str| [("host", "a"), (name, value)];
        assert_eq!(status("POST", "/", &with("transfer-encoding", "chunked")), 200);
        assert_eq!(status("POST", "/", &with("transfer-encoding", "CHUNKED")), 200);
        for coding in ["gzip, chunked", ",chunked", "chunked,", "identity", "xchunked", ""] {
            assert_eq!(status("POST", "/", &with("transfer-encoding", coding)), 501, "{coding}");
        }
        assert_eq!(
            status("POST", "/", &[("host", "a"), ("transfer-encoding", "chunked"), ("transfer-encoding", "chunked")]),
            501
        );
        assert_eq!(status("POST", "/", &[("host", "a"), ("content-length", "3"), ("content-length", "4")]), 400);
        assert_eq!(status("POST", "/", &[("host", "a"), ("content-length", "3"), ("content-length", "3")]), 200);
        assert_eq!(status("POST", "/", &with("content-length", "+3")), 400);
        for (length, one) in [("0003", "3"), ("000", "0"), ("0", "0"), ("30", "30")] {
            let judged = judge("POST", "/", Version::HTTP_11, &with("content-length", length)).unwrap();
            assert_eq!(judged.head.headers[CONTENT_LENGTH], one);
        }
    }

    #[test]
    fn expectations() {
        assert_eq!(status("POST", "/", &[("host", "a"), ("expect", "100-Continue")]), 200);
        assert_eq!(status("POST", "/", &[("host", "a"), ("expect", "200-ok")]), 417);
        let old = judge("POST", "/", Version::HTTP_10, &[("expect", "100-continue")]).unwrap();
        assert!(!old.head.headers.contains_key(EXPECT));
    }

    #[test]
    fn sizes() {
        let many: Vec<(String, &str)> = (0..101).map(|i| (format!("x-{i}"), "1")).collect();
        let mut pairs: Vec<(&str, &str)> = many.iter().map(|(n, v)| (n.as_str(), *v)).collect();
        pairs.push(("host", "a"));
        assert_eq!(status("GET", "/", &pairs), 431);
        let long = "x".repeat(70_000);
        assert_eq!(status("GET", "/", &[("host", "a"), ("x", &long)]), 431);
    }

    #[test]
    fn the_last_host_is_remembered_but_never_confused() {
        let peer = IpAddr::from([127, 0, 0, 1]);
        let mut judge = Judge::new(Arc::default(), Arc::from([]), peer, false);
        for host in ["a.test", "a.test", "b.test", "A.test", "a.test"] {
            let headers: HeaderMap = [(HOST, HeaderValue::from_str(host).unwrap())].into_iter().collect();
            let judged = judge.judge(Method::GET, &Uri::from_static("/"), Version::HTTP_11, headers).unwrap();
            assert_eq!(&*judged.head.host, host.to_ascii_lowercase());
        }
    }
}
