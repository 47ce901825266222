//! Headers that tell browsers to be careful, and hosts that may be asked for.

use http::header::{
    CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY_REPORT_ONLY, HOST, PUBLIC_KEY_PINS, REFERRER_POLICY,
    STRICT_TRANSPORT_SECURITY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS, X_XSS_PROTECTION,
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use seaway_config::model;
use seaway_head::RequestHead;

use super::value;
use crate::Answer;

const PERMISSIONS_POLICY: HeaderName = HeaderName::from_static("permissions-policy");

/// See the module.
#[derive(Clone, Debug)]
pub(super) struct Security {
    /// Empty lets every host pass.
    hosts: Box<[Box<str>]>,
    host_headers: Box<[HeaderName]>,
    /// Any of these says that the client's connection is HTTPS.
    secure_headers: Box<[(HeaderName, HeaderValue)]>,
    /// Set on every response.
    always: Box<[(HeaderName, HeaderValue)]>,
    /// Set on those that go over HTTPS.
    secure: Box<[(HeaderName, HeaderValue)]>,
}

impl Security {
    /// `None` where no option of it is given.
    pub(super) fn compile(options: &model::Headers) -> Result<Option<Self>, String> {
        let mut always = Vec::new();
        let mut secure = Vec::new();
        let mut set = |name: HeaderName, option: &str, text: &str| -> Result<(), String> {
            match text.trim() {
                "" => {}
                text => always.push((name, value(option, text)?)),
            }
            Ok(())
        };
        let or = |custom: &str, on: bool, usual: &'static str| match custom.trim() {
            "" if on => usual.to_owned(),
            custom => custom.to_owned(),
        };
        let frame = or(&options.custom_frame_options_value, options.frame_deny, "DENY");
        set(X_FRAME_OPTIONS, "customFrameOptionsValue", &frame)?;
        set(X_CONTENT_TYPE_OPTIONS, "contentTypeNosniff", if options.content_type_nosniff { "nosniff" } else { "" })?;
        let filter = or(&options.custom_browser_xss_value, options.browser_xss_filter, "1; mode=block");
        set(X_XSS_PROTECTION, "customBrowserXSSValue", &filter)?;
        set(CONTENT_SECURITY_POLICY, "contentSecurityPolicy", &options.content_security_policy)?;
        let report_only = &options.content_security_policy_report_only;
        set(CONTENT_SECURITY_POLICY_REPORT_ONLY, "contentSecurityPolicyReportOnly", report_only)?;
        set(REFERRER_POLICY, "referrerPolicy", &options.referrer_policy)?;
        set(PERMISSIONS_POLICY, "permissionsPolicy", &options.permissions_policy)?;
        if !options.is_development {
            if let Some(transport) = strict_transport_security(options)? {
                if options.force_sts_header { &mut always } else { &mut secure }
                    .push((STRICT_TRANSPORT_SECURITY, transport));
            }
            if !options.public_key.trim().is_empty() {
                secure.push((PUBLIC_KEY_PINS, value("publicKey", &options.public_key)?));
            }
        }
        let hosts = if options.is_development { &[][..] } else { &options.allowed_hosts };
        let this = Self {
            hosts: hosts.iter().map(|host| host.trim().into()).collect(),
            host_headers: options
                .hosts_proxy_headers
                .iter()
                .map(|text| name("hostsProxyHeaders", text))
                .collect::<Result<_, _>>()?,
            secure_headers: options
                .ssl_proxy_headers
                .iter()
                .map(|(header, text)| Ok((name("sslProxyHeaders", header)?, value("sslProxyHeaders", text)?)))
                .collect::<Result<_, String>>()?,
            always: always.into(),
            secure: secure.into(),
        };
        let has_effect = !this.hosts.is_empty() || !this.always.is_empty() || !this.secure.is_empty();
        Ok(has_effect.then_some(this))
    }

    /// The answer to a request for a host that is not allowed.
    pub(super) fn refuse(&self, head: &RequestHead) -> Option<Answer> {
        if self.hosts.is_empty() {
            return None;
        }
        let told = self.host_headers.iter().filter_map(|name| head.headers.get(name)).find(|told| !told.is_empty());
        let host = told.or_else(|| head.headers.get(HOST)).map_or(&b""[..], HeaderValue::as_bytes);
        if self.hosts.iter().any(|allowed| allowed.as_bytes().eq_ignore_ascii_case(host)) {
            return None;
        }
        let mut answer = Answer::text(StatusCode::INTERNAL_SERVER_ERROR, "headers: the host is not allowed");
        answer.body = "Bad Host".into();
        Some(answer)
    }

    /// The client's connection is HTTPS, here or where a proxy in front has ended it.
    pub(super) fn is_secure(&self, head: &RequestHead) -> bool {
        head.secure || self.secure_headers.iter().any(|(name, value)| head.headers.get(name) == Some(value))
    }

    pub(super) fn on_response(&self, headers: &mut HeaderMap, secure: bool) {
        let over_https = self.secure.iter().filter(|_| secure);
        for (name, value) in self.always.iter().chain(over_https) {
            headers.insert(name, value.clone());
        }
    }
}

fn strict_transport_security(options: &model::Headers) -> Result<Option<HeaderValue>, String> {
    if options.sts_seconds == 0 {
        return Ok(None);
    }
    if options.sts_seconds < 0 {
        return Err(format!("headers.stsSeconds is {}; it cannot be negative", options.sts_seconds));
    }
    let subdomains = if options.sts_include_subdomains { "; includeSubDomains" } else { "" };
    let preload = if options.sts_preload { "; preload" } else { "" };
    value("stsSeconds", &format!("max-age={}{subdomains}{preload}", options.sts_seconds)).map(Some)
}

fn name(option: &str, text: &str) -> Result<HeaderName, String> {
    HeaderName::from_bytes(text.trim().as_bytes()).map_err(|_| format!("headers.{option}: {text:?} is no header name"))
}
