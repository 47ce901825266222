//! The one place that refuses request heads which are well-formed and that an edge must not serve all the same.

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, EXPECT, HOST, HeaderMap, HeaderValue, TRANSFER_ENCODING};
use http::uri::PathAndQuery;
use http::{Method, StatusCode, Uri, Version};

use crate::path::PathRules;
use crate::survey::{Survey, field};
use crate::{Forwarding, Headers, RequestHead, Target, hop, host, upgrade};

/// Bounds on what is looked at.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Most header lines.
    pub headers: usize,
    /// Most bytes of names and values together.
    pub header_bytes: usize,
    /// Longest path and query in bytes.
    pub target_bytes: usize,
    /// How paths and queries are read.
    pub paths: PathRules,
    /// What becomes of headers with `_` in their names.
    pub underscores: Underscores,
}

/// What becomes of headers with `_` in their names. Underscore spellings of managed headers never get through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Underscores {
    /// They are headers like any other.
    #[default]
    Keep,
    /// They go.
    Delete,
    /// The request is refused.
    Reject,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            headers: 100,
            header_bytes: 64 * 1024,
            target_bytes: 16 * 1024,
            paths: PathRules::default(),
            underscores: Underscores::default(),
        }
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
    /// What it speaks inside of HTTP, as its first `Accept` and `Content-Type` say.
    pub speaks: Speaks,
}

/// What a request speaks inside of HTTP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Speaks {
    /// Nothing that is told apart.
    #[default]
    Http,
    /// Server-sent events are asked for.
    EventStream,
    /// gRPC.
    Grpc,
    /// gRPC for browsers.
    GrpcWeb,
}

/// Judges the heads of one connection. It remembers the last host, since a connection mostly asks for one.
#[derive(Debug)]
pub struct Judge {
    limits: Arc<Limits>,
    upgrades: Arc<[Box<str>]>,
    peer: IpAddr,
    secure: bool,
    last: Option<Addressed>,
}

/// What a `Host` came to.
#[derive(Debug)]
struct Addressed {
    /// A copy: the value itself would keep the buffer that it was read into for as long as the connection lives.
    text: Box<[u8]>,
    host: Arc<str>,
    /// The port that was asked for, if one was.
    port: Option<HeaderValue>,
    /// What Seaway adds to an ordinary request for it, in lines.
    managed: Option<Bytes>,
}

/// What a judged head is made of besides.
struct Examined {
    judged: Judged,
    /// Constants of [`field`].
    found: u32,
    /// The `Host` in force.
    host: Option<HeaderValue>,
    port: Option<HeaderValue>,
}

impl Judge {
    /// For one connection. `upgrades` are the tokens that may become a tunnel, in lower case.
    pub fn new(limits: Arc<Limits>, upgrades: Arc<[Box<str>]>, peer: IpAddr, secure: bool) -> Self {
        Self { limits, upgrades, peer, secure, last: None }
    }

    /// Judges a head that has been parsed, and makes it what middlewares see: hop-by-hop headers are gone, managed ones
    /// of untrusted peers too, and Seaway's own are there. The caller keeps the body and the extensions.
    ///
    /// The same as [`judge`](Self::judge), [`hop::strip_request`] and [`Forwarding::prepare`], at a fraction of the cost.
    pub fn admit(
        &mut self,
        method: Method,
        uri: &Uri,
        version: Version,
        headers: impl Into<Headers>,
        forwarding: &Forwarding,
    ) -> Result<Judged, Refusal> {
        let mut headers = headers.into();
        // An absolute-form target has a host of its own, which would have to replace the line.
        if version == Version::HTTP_11 && uri.authority().is_none() && headers.lines_mut().is_some() {
            return self.admit_lines(method, uri, headers, forwarding);
        }
        let headers = headers.into_map();
        let Examined { mut judged, found, host, port } = self.examine(method, uri, version, headers)?;
        let headers = &mut judged.head.headers;
        // Hop-by-hop headers go before Seaway's own come, so that no client can name ours away.
        hop::strip_found(headers, true, found);
        forwarding.complete(headers, found, judged.upgrade.is_some(), host, port);
        Ok(judged)
    }

    /// The same for the lines of an ordinary request, which have nothing that would have to be removed.
    fn admit_lines(
        &mut self,
        method: Method,
        uri: &Uri,
        mut headers: Headers,
        forwarding: &Forwarding,
    ) -> Result<Judged, Refusal> {
        self.check_target_length(uri)?;
        let Some(lines) = headers.lines_mut() else { return Err(bad_request("no Host header")) };
        self.check_size(lines.count, lines.size)?;
        check_method(&method)?;
        let host = self.address(lines.host())?.host.clone();
        lines.managed = self.managed(lines.host(), forwarding);
        let (target, speaks) = (target(&method, uri, self.limits.paths)?, lines.speaks);
        let head = self.head(method, Version::HTTP_11, host, target, headers);
        Ok(Judged { head, upgrade: None, speaks })
    }

    /// What Seaway adds to an ordinary request for the last host, whose text this is.
    fn managed(&mut self, text: &[u8], forwarding: &Forwarding) -> Bytes {
        let Some(last) = &mut self.last else { return Bytes::new() };
        if let Some(managed) = &last.managed {
            return managed.clone();
        }
        let mut map = HeaderMap::new();
        forwarding.complete(&mut map, field::HOST, false, HeaderValue::from_bytes(text).ok(), last.port.clone());
        let lines = map.iter().flat_map(|(name, value)| [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"]);
        last.managed.insert(Bytes::from(lines.collect::<Vec<_>>().concat())).clone()
    }

    /// Judges a head that has been parsed. The caller keeps the body and the extensions.
    pub fn judge(
        &mut self,
        method: Method,
        uri: &Uri,
        version: Version,
        headers: HeaderMap,
    ) -> Result<Judged, Refusal> {
        Ok(self.examine(method, uri, version, headers)?.judged)
    }

    fn examine(
        &mut self,
        method: Method,
        uri: &Uri,
        version: Version,
        mut headers: HeaderMap,
    ) -> Result<Examined, Refusal> {
        self.check_target_length(uri)?;
        let Survey { found, repeated, bytes, host, speaks } = Survey::of(&headers);
        self.check_size(headers.len(), bytes)?;
        let host = host.cloned();
        check_version(version)?;
        check_method(&method)?;
        if found & field::UNDERSCORE != 0 {
            self.underscores(&mut headers)?;
        }
        if found & (field::TRANSFER_ENCODING | field::CONTENT_LENGTH) != 0 {
            check_framing(version, &mut headers)?;
        }
        if found & field::EXPECT != 0 {
            check_expect(version, &mut headers)?;
        }
        if repeated & field::HOST != 0 {
            return Err(bad_request("more than one Host header"));
        }
        let value = self.host_value(uri, version, &mut headers, host)?;
        let (host, port) = match &value {
            Some(value) => {
                let addressed = self.address(value.as_bytes())?;
                (Arc::clone(&addressed.host), addressed.port.clone())
            }
            None => (Arc::from(""), None),
        };
        let target = target(&method, uri, self.limits.paths)?;
        let upgrade = match found & (field::UPGRADE | field::CONNECTION) {
            both if both == field::UPGRADE | field::CONNECTION => {
                upgrade::wanted(&method, version, &headers, &self.upgrades)
            }
            _ => None,
        };
        let head = self.head(method, version, host, target, headers.into());
        Ok(Examined { judged: Judged { head, upgrade, speaks }, found, host: value, port })
    }

    fn underscores(&self, headers: &mut HeaderMap) -> Result<(), Refusal> {
        match self.limits.underscores {
            Underscores::Keep => Ok(()),
            Underscores::Reject => Err(bad_request("a header's name has an underscore")),
            Underscores::Delete => {
                let bad: Vec<_> = headers.keys().filter(|name| name.as_str().contains('_')).cloned().collect();
                bad.iter().for_each(|name| drop(headers.remove(name)));
                Ok(())
            }
        }
    }

    /// The `Host` in force; only HTTP/1.0 may have none. An absolute-form target decides and replaces it (RFC 9112 §3.2.2).
    fn host_value(
        &self,
        uri: &Uri,
        version: Version,
        headers: &mut HeaderMap,
        first: Option<HeaderValue>,
    ) -> Result<Option<HeaderValue>, Refusal> {
        if first.is_none() && version == Version::HTTP_11 {
            return Err(bad_request("no Host header"));
        }
        let Some(authority) = uri.authority() else { return Ok(first) };
        let value =
            HeaderValue::from_str(authority.as_str()).map_err(|_| bad_request("the target's host is not valid"))?;
        headers.insert(HOST, value.clone());
        Ok(Some(value))
    }

    /// What this `Host` comes to.
    fn address(&mut self, text: &[u8]) -> Result<&Addressed, Refusal> {
        const BAD: &str = "the Host header is not valid";
        if self.last.as_ref().is_none_or(|last| *last.text != *text) {
            let text = std::str::from_utf8(text).ok().filter(|text| text.is_ascii()).ok_or_else(|| bad_request(BAD))?;
            let parsed = host::parse(text).ok_or_else(|| bad_request(BAD))?;
            self.last = Some(Addressed {
                text: text.as_bytes().into(),
                host: Arc::from(parsed.host.as_ref()),
                port: parsed.port.map(HeaderValue::from),
                managed: None,
            });
        }
        self.last.as_ref().ok_or_else(|| bad_request(BAD))
    }

    fn head(&self, method: Method, version: Version, host: Arc<str>, target: Target, headers: Headers) -> RequestHead {
        let (secure, peer) = (self.secure, self.peer);
        RequestHead { method, version, host, target, headers, secure, peer, append_forwarded_for: true }
    }

    fn check_target_length(&self, uri: &Uri) -> Result<(), Refusal> {
        match uri.path_and_query() {
            Some(target) if target.as_str().len() > self.limits.target_bytes => {
                Err(refuse(StatusCode::URI_TOO_LONG, "the request target is too long"))
            }
            _ => Ok(()),
        }
    }

    fn check_size(&self, lines: usize, bytes: usize) -> Result<(), Refusal> {
        let refused = |reason| Err(refuse(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, reason));
        if lines > self.limits.headers {
            return refused("too many headers");
        }
        if bytes > self.limits.header_bytes { refused("the headers are too large") } else { Ok(()) }
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

/// Exactly one reading of where the body ends (RFC 9112 §6). Whoever parsed the head has had to decide that as well; here
/// it is judged whatever that came to, since it is this form that is forwarded.
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

fn target(method: &Method, uri: &Uri, rules: PathRules) -> Result<Target, Refusal> {
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
    Target::read(raw, rules).map_err(|bad| bad_request(bad.0))
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
    fn underscores_are_kept_deleted_or_rejected() {
        for (underscores, status, left) in [
            (Underscores::Keep, 200, vec!["host", "my_own", "my-own"]),
            (Underscores::Delete, 200, vec!["host", "my-own"]),
            (Underscores::Reject, 400, vec![]),
        ] {
            let mut headers = HeaderMap::new();
            for name in ["host", "my_own", "my-own"] {
                headers.append(name.parse::<http::HeaderName>().unwrap(), HeaderValue::from_static("a"));
            }
            let limits = Arc::new(Limits { underscores, ..Limits::default() });
            let mut judge = Judge::new(limits, Arc::from([]), IpAddr::from([127, 0, 0, 1]), false);
            let judged = judge.judge(Method::GET, &Uri::from_static("/"), Version::HTTP_11, headers);
            assert_eq!(judged.as_ref().map_or_else(|refused| refused.status.as_u16(), |_| 200), status);
            let names = judged.map(|judged| judged.head.headers.keys().map(ToString::to_string).collect::<Vec<_>>());
            assert_eq!(names.unwrap_or_default(), left);
        }
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

    #[test]
    fn admitting_is_judging_stripping_and_preparing() {
        const LINES: [(&str, &str); 11] = [
            ("host", "A.test:8080"),
            ("connection", "keep-alive, x-mine, x-forwarded-for, te, Upgrade"),
            ("upgrade", "websocket"),
            ("keep-alive", "timeout=5"),
            ("te", "trailers"),
            ("x-mine", "1"),
            ("x-forwarded-for", "6.6.6.6"),
            ("x-forwarded-proto", "https"),
            ("x_forwarded_for", "6.6.6.6"),
            ("x-forwarded-port", "81"),
            ("x-forwarded-host", "b.test"),
        ];
        let peer = IpAddr::from([127, 0, 0, 1]);
        let judge = || Judge::new(Arc::default(), Arc::from(["websocket".into()]), peer, false);
        for everybody in [false, true] {
            let trust = crate::Trust { everybody, networks: Vec::new() };
            let forwarding = Forwarding::new(peer, &trust, false, true, &HeaderValue::from_static("edge"));
            let mut admitting = judge();
            for chosen in 0..1 << LINES.len() {
                let mut headers = HeaderMap::new();
                for (at, (name, value)) in LINES.iter().enumerate() {
                    if chosen & (1 << at) != 0 {
                        headers.append(*name, HeaderValue::from_static(value));
                    }
                }
                let version = if chosen & 1 == 0 { Version::HTTP_10 } else { Version::HTTP_11 };
                let uri = Uri::from_static("/");
                let mut steps = judge().judge(Method::GET, &uri, version, headers.clone()).unwrap();
                hop::strip_request(&mut steps.head.headers);
                forwarding.prepare(&mut steps.head.headers, steps.upgrade.is_some());
                let admitted = admitting.admit(Method::GET, &uri, version, headers, &forwarding).unwrap();
                assert_eq!(admitted.upgrade, steps.upgrade, "{chosen:b}");
                assert_eq!(admitted.head.headers, steps.head.headers, "{chosen:b}");
                assert_eq!(admitted.head.host, steps.head.host, "{chosen:b}");
                assert!(everybody || admitted.head.headers.get("x-forwarded-for").is_none(), "{chosen:b}");
                assert!(admitted.head.headers.get("x-mine").is_none() || chosen & 2 == 0, "{chosen:b}");
            }
        }
    }

    #[test]
    fn the_port_that_was_asked_for_is_told_each_time() {
        let peer = IpAddr::from([127, 0, 0, 1]);
        let mut judge = Judge::new(Arc::default(), Arc::from([]), peer, false);
        let forwarding =
            Forwarding::new(peer, &crate::Trust::default(), false, true, &HeaderValue::from_static("edge"));
        for (host, port) in [("a.test:81", "81"), ("a.test:81", "81"), ("a.test", "80"), ("a.test:82", "82")] {
            let headers: HeaderMap = [(HOST, HeaderValue::from_str(host).unwrap())].into_iter().collect();
            let admitted =
                judge.admit(Method::GET, &Uri::from_static("/"), Version::HTTP_11, headers, &forwarding).unwrap();
            assert_eq!(admitted.head.headers["x-forwarded-port"], port);
            assert_eq!(admitted.head.headers["x-forwarded-host"], host);
        }
    }
}
