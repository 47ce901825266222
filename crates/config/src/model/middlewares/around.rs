//! Middlewares that ask, wait, or surround what comes behind them.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::decode::options;
use crate::secret::Secret;

options! {
    /// `forwardAuth`.
    section struct ForwardAuth {
        address: String = String::new(), "address", "", "The URL that is asked.";
        tls: Option<AuthTls> = None, "tls", "", "TLS to the server that is asked.";
        trust_forward_header: Option<bool> = None, "trustForwardHeader", "", "Pass on the forwarded headers that the request has; without it only five of them are written anew.";
        auth_response_headers: Vec<String> = Vec::new(), "authResponseHeaders", "", "Headers of a good answer that the request gets.";
        auth_response_headers_regex: String = String::new(), "authResponseHeadersRegex", "", "The same by a regular expression over their names.";
        auth_request_headers: Vec<String> = Vec::new(), "authRequestHeaders", "", "Headers of the request that the server gets; all if none is named.";
        add_auth_cookies_to_response: Vec<String> = Vec::new(), "addAuthCookiesToResponse", "", "Cookies of a good answer that the client gets.";
        header_field: String = String::new(), "headerField", "", "The header of a good answer that has the user's name.";
        forward_body: bool = false, "forwardBody", "false", "Send the request's body too.";
        max_body_size: i64 = -1, "maxBodySize", "-1", "Requests with a longer body are refused; bytes, -1 for no limit of its own.";
        max_response_body_size: i64 = -1, "maxResponseBodySize", "-1", "Longer answers refuse the request; bytes, -1 for 4 MiB.";
        preserve_location_header: bool = false, "preserveLocationHeader", "false", "Leave a relative Location as it is.";
        preserve_request_method: bool = false, "preserveRequestMethod", "false", "Ask with the request's method in place of GET.";
        auth_signin_url: String = String::new(), "authSigninURL", "", "Where clients are sent to that are refused with 401.";
    }

    /// `forwardAuth.tls`, and `rateLimit.redis.tls`.
    section struct AuthTls {
        ca: String = String::new(), "ca", "", "Authorities that are believed: a file, or PEM text; those of the system if not given.";
        cert: String = String::new(), "cert", "", "The certificate that is shown: a file, or PEM text.";
        key: Secret = Secret::default(), "key", "", "Its key: a file, or PEM text.";
        insecure_skip_verify: bool = false, "insecureSkipVerify", "false", "Believe any certificate.";
    }

    /// `buffering`.
    section struct Buffering {
        max_request_body_bytes: i64 = 0, "maxRequestBodyBytes", "0", "Requests with a longer body get 413; 0 for no limit.";
        mem_request_body_bytes: i64 = 1_048_576, "memRequestBodyBytes", "1048576", "Without a limit, so much of a body is waited for before anything is sent.";
        max_response_body_bytes: i64 = 0, "maxResponseBodyBytes", "0", "Longer responses become 500; 0 for no limit.";
        mem_response_body_bytes: i64 = 1_048_576, "memResponseBodyBytes", "1048576", "Accepted for compatibility.";
        retry_expression: String = String::new(), "retryExpression", "", "Responses after which the request is sent again, such as IsNetworkError() && Attempts() <= 2.";
    }

    /// `errors`.
    section struct Errors {
        status: Vec<String> = Vec::new(), "status", "", "Statuses and ranges of them: 404, 500-599.";
        status_rewrites: BTreeMap<String, String> = BTreeMap::new(), "statusRewrites", "", "Another status for one of them, or for a range.";
        service: String = String::new(), "service", "", "The service that has the pages.";
        query: String = String::new(), "query", "", "The page's path; {status}, {originalStatus} and {url} stand for what they say.";
        error_request_headers: Vec<String> = Vec::new(), "errorRequestHeaders", "", "Headers of the request that the service gets; all if none is named.";
    }

    /// `retry`.
    section struct Retry {
        attempts: i64 = 0, "attempts", "0", "How often a request is tried in all.";
        initial_interval: Duration = Duration::ZERO, "initialInterval", "0s", "The first pause; later ones are longer.";
        timeout: Duration = Duration::ZERO, "timeout", "0s", "No try begins after so long; 0 for no limit.";
        status: Vec<String> = Vec::new(), "status", "", "Statuses after which a request is tried again: 503, 500-599.";
        max_request_body_bytes: i64 = 2_097_152, "maxRequestBodyBytes", "2097152", "Requests with a longer body are not tried again for their status.";
        disable_retry_on_network_error: bool = false, "disableRetryOnNetworkError", "false", "Do not try again because no server could be reached.";
        retry_non_idempotent_method: bool = false, "retryNonIdempotentMethod", "false", "Try POST, PATCH and LOCK again for their status too.";
    }

    /// `circuitBreaker`.
    section struct CircuitBreaker {
        expression: String = String::new(), "expression", "", "When it opens: NetworkErrorRatio() > 0.3 || LatencyAtQuantileMS(50.0) > 100, for example.";
        check_period: Duration = Duration::from_millis(100), "checkPeriod", "100ms", "Time between looks at the expression.";
        fallback_duration: Duration = Duration::from_secs(10), "fallbackDuration", "10s", "How long nothing is let through.";
        recovery_duration: Duration = Duration::from_secs(10), "recoveryDuration", "10s", "How long a growing share is let through afterwards.";
        response_code: i64 = 503, "responseCode", "503", "The status meanwhile.";
    }

    /// `compress`.
    switch struct Compress {
        excluded_content_types: Vec<String> = Vec::new(), "excludedContentTypes", "", "Content types that are left as they are.";
        included_content_types: Vec<String> = Vec::new(), "includedContentTypes", "", "The only content types that are compressed.";
        min_response_body_bytes: i64 = 1024, "minResponseBodyBytes", "1024", "Shorter responses are left as they are.";
        encodings: Vec<String> = ["gzip", "br", "zstd"].map(str::to_owned).to_vec(), "encodings", "gzip,br,zstd", "What is offered, the preferred first.";
        default_encoding: String = String::new(), "defaultEncoding", "", "What clients get that do not say what they take.";
    }
}
