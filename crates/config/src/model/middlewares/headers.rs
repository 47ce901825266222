//! The headers middleware, and those that look at single headers.

use std::collections::BTreeMap;

use crate::decode::options;

options! {
    /// `headers`.
    section struct Headers {
        custom_request_headers: BTreeMap<String, String> = BTreeMap::new(), "customRequestHeaders", "", "Request headers to set; an empty value removes.";
        custom_response_headers: BTreeMap<String, String> = BTreeMap::new(), "customResponseHeaders", "", "Response headers to set; an empty value removes.";

        access_control_allow_credentials: bool = false, "accessControlAllowCredentials", "false", "Pages of other origins may send cookies.";
        access_control_allow_headers: Vec<String> = Vec::new(), "accessControlAllowHeaders", "", "Request headers that pages of other origins may send.";
        access_control_allow_methods: Vec<String> = Vec::new(), "accessControlAllowMethods", "", "Methods that pages of other origins may use.";
        access_control_allow_origin_list: Vec<String> = Vec::new(), "accessControlAllowOriginList", "", "Origins that may read responses; * for all.";
        access_control_allow_origin_list_regex: Vec<String> = Vec::new(), "accessControlAllowOriginListRegex", "", "The same as regular expressions.";
        access_control_expose_headers: Vec<String> = Vec::new(), "accessControlExposeHeaders", "", "Response headers that pages of other origins may read.";
        access_control_max_age: i64 = 0, "accessControlMaxAge", "0", "Seconds for which a preflight's answer may be kept.";
        add_vary_header: bool = false, "addVaryHeader", "false", "Tell caches that responses differ by Origin.";

        allowed_hosts: Vec<String> = Vec::new(), "allowedHosts", "", "The only hosts that may be asked for.";
        hosts_proxy_headers: Vec<String> = Vec::new(), "hostsProxyHeaders", "", "Request headers that may have the host that was asked for.";
        ssl_proxy_headers: BTreeMap<String, String> = BTreeMap::new(), "sslProxyHeaders", "", "Request headers and values that say that the client's connection is HTTPS.";
        sts_seconds: i64 = 0, "stsSeconds", "0", "The max-age of Strict-Transport-Security; 0 to leave it out.";
        sts_include_subdomains: bool = false, "stsIncludeSubdomains", "false", "Adds includeSubDomains to it.";
        sts_preload: bool = false, "stsPreload", "false", "Adds preload to it.";
        force_sts_header: bool = false, "forceSTSHeader", "false", "Send it without HTTPS as well.";
        frame_deny: bool = false, "frameDeny", "false", "Sets X-Frame-Options to DENY.";
        custom_frame_options_value: String = String::new(), "customFrameOptionsValue", "", "Sets X-Frame-Options to something else.";
        content_type_nosniff: bool = false, "contentTypeNosniff", "false", "Sets X-Content-Type-Options to nosniff.";
        browser_xss_filter: bool = false, "browserXssFilter", "false", "Sets X-XSS-Protection to 1; mode=block.";
        custom_browser_xss_value: String = String::new(), "customBrowserXSSValue", "", "Sets X-XSS-Protection to something else.";
        content_security_policy: String = String::new(), "contentSecurityPolicy", "", "Sets Content-Security-Policy.";
        content_security_policy_report_only: String = String::new(), "contentSecurityPolicyReportOnly", "", "Sets Content-Security-Policy-Report-Only.";
        public_key: String = String::new(), "publicKey", "", "Sets Public-Key-Pins, over HTTPS.";
        referrer_policy: String = String::new(), "referrerPolicy", "", "Sets Referrer-Policy.";
        permissions_policy: String = String::new(), "permissionsPolicy", "", "Sets Permissions-Policy.";
        is_development: bool = false, "isDevelopment", "false", "Switches allowedHosts, Strict-Transport-Security and Public-Key-Pins off.";

        feature_policy: Option<String> = None, "featurePolicy", "", "Removed: accepted without effect; permissionsPolicy is its successor.";
        ssl_redirect: Option<bool> = None, "sslRedirect", "", "Removed: accepted without effect; redirectScheme does it.";
        ssl_temporary_redirect: Option<bool> = None, "sslTemporaryRedirect", "", "Removed: accepted without effect; redirectScheme does it.";
        ssl_host: Option<String> = None, "sslHost", "", "Removed: accepted without effect; redirectRegex does it.";
        ssl_force_host: Option<bool> = None, "sslForceHost", "", "Removed: accepted without effect; redirectRegex does it.";
    }

    /// `contentType`.
    switch struct ContentType {
        auto_detect: Option<bool> = None, "autoDetect", "", "Deprecated: that the middleware is there is enough.";
    }

    /// `encodedCharacters`: which characters may stand percent-encoded in a path.
    section struct EncodedCharacters {
        allow_encoded_slash: bool = false, "allowEncodedSlash", "false", "Let %2F pass.";
        allow_encoded_back_slash: bool = false, "allowEncodedBackSlash", "false", "Let %5C pass.";
        allow_encoded_null_character: bool = false, "allowEncodedNullCharacter", "false", "Let %00 pass.";
        allow_encoded_semicolon: bool = false, "allowEncodedSemicolon", "false", "Let %3B pass.";
        allow_encoded_percent: bool = false, "allowEncodedPercent", "false", "Let %25 pass.";
        allow_encoded_question_mark: bool = false, "allowEncodedQuestionMark", "false", "Let %3F pass.";
        allow_encoded_hash: bool = false, "allowEncodedHash", "false", "Let %23 pass.";
    }

    /// `passTLSClientCert`: what the server is told of the client's certificate.
    section struct PassTlsClientCert {
        pem: bool = false, "pem", "false", "The whole certificate, in X-Forwarded-Tls-Client-Cert.";
        info: Option<ClientCertInfo> = None, "info", "", "Parts of it, in X-Forwarded-Tls-Client-Cert-Info.";
    }

    /// `passTLSClientCert.info`.
    section struct ClientCertInfo {
        not_after: bool = false, "notAfter", "false", "Until when it is valid.";
        not_before: bool = false, "notBefore", "false", "From when it is valid.";
        sans: bool = false, "sans", "false", "Its alternative names.";
        serial_number: bool = false, "serialNumber", "false", "Its serial number.";
        subject: Option<ClientCertSubject> = None, "subject", "", "Whose it is.";
        issuer: Option<ClientCertIssuer> = None, "issuer", "", "Who issued it.";
    }

    /// `passTLSClientCert.info.subject`.
    section struct ClientCertSubject {
        country: bool = false, "country", "false", "C.";
        province: bool = false, "province", "false", "ST.";
        locality: bool = false, "locality", "false", "L.";
        organization: bool = false, "organization", "false", "O.";
        organizational_unit: bool = false, "organizationalUnit", "false", "OU.";
        common_name: bool = false, "commonName", "false", "CN.";
        serial_number: bool = false, "serialNumber", "false", "SN.";
        domain_component: bool = false, "domainComponent", "false", "DC.";
    }

    /// `passTLSClientCert.info.issuer`.
    section struct ClientCertIssuer {
        country: bool = false, "country", "false", "C.";
        province: bool = false, "province", "false", "ST.";
        locality: bool = false, "locality", "false", "L.";
        organization: bool = false, "organization", "false", "O.";
        common_name: bool = false, "commonName", "false", "CN.";
        serial_number: bool = false, "serialNumber", "false", "SN.";
        domain_component: bool = false, "domainComponent", "false", "DC.";
    }
}

impl Headers {
    /// The options that are given and have no effect any more, as documented, with what does their work now.
    pub fn removed(&self) -> Vec<(&'static str, &'static str)> {
        [
            ("featurePolicy", "permissionsPolicy", self.feature_policy.is_some()),
            ("sslRedirect", "redirectScheme", self.ssl_redirect.is_some()),
            ("sslTemporaryRedirect", "redirectScheme", self.ssl_temporary_redirect.is_some()),
            ("sslHost", "redirectRegex", self.ssl_host.is_some()),
            ("sslForceHost", "redirectRegex", self.ssl_force_host.is_some()),
        ]
        .into_iter()
        .filter_map(|(name, successor, given)| given.then_some((name, successor)))
        .collect()
    }
}
