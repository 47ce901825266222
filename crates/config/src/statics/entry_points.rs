//! `entryPoints`: where requests arrive, and what is done to all of them there.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::decode::options;

options! {
    /// `entryPoints.<name>`.
    section struct EntryPointOptions {
        address: String = String::new(), "address", "", "Where to listen: [host]:port.";
        as_default: bool = false, "asDefault", "false", "Used by routers that name no entry point.";
        allow_acme_by_pass: bool = false, "allowACMEByPass", "false", "Routers may answer ACME challenges themselves; they always may as long as Seaway asks for no certificates.";
        reuse_port: bool = false, "reusePort", "false", "Accepted for compatibility: every listener shares its port.";
        forwarded_headers: ForwardedHeadersOptions = ForwardedHeadersOptions::default(), "forwardedHeaders", "", "Whose X-Forwarded-* headers are believed.";
        proxy_protocol: Option<ProxyProtocolOptions> = None, "proxyProtocol", "", "Connections may begin with a PROXY protocol header, version 1 or 2.";
        transport: TransportOptions = TransportOptions::default(), "transport", "", "Time limits.";
        http: EntryPointHttpOptions = EntryPointHttpOptions::default(), "http", "", "HTTP on this entry point.";
        observability: EntryPointObservability = EntryPointObservability::default(), "observability", "", "What is told of requests here; routers may say otherwise.";
    }

    /// `entryPoints.<name>.http`.
    section struct EntryPointHttpOptions {
        middlewares: Vec<String> = Vec::new(), "middlewares", "", "Middlewares in front of those of each router, with their provider: auth@file.";
        redirections: Redirections = Redirections::default(), "redirections", "", "Where everything here is redirected to.";
        tls: Option<EntryPointTls> = None, "tls", "", "TLS for all routers here. It does not work yet: what listens here answers 503, and is never served in clear.";
        max_header_bytes: u64 = 65_536, "maxHeaderBytes", "65536", "Largest request head that is read; Traefik reads up to 1 MiB, which each slow client could make it hold.";
        sanitize_path: bool = true, "sanitizePath", "true", "Resolve //, /./ and /../ in paths before anything looks at them.";
        encode_query_semicolons: bool = false, "encodeQuerySemicolons", "false", "Semicolons in queries become %3B; otherwise they separate parameters and become &.";
        encoded_characters: EncodedCharactersOptions = EncodedCharactersOptions::default(), "encodedCharacters", "", "Which encoded characters paths may have.";
        underscore_headers_strategy: String = "keep".to_owned(), "underscoreHeadersStrategy", "keep", "Headers with _ in their names: keep, delete or reject. Underscore spellings of managed headers never get through.";
        upgrades: Vec<String> = vec!["websocket".to_owned()], "upgrades", "websocket", "Upgrade tokens that may become a tunnel (h2c never).";
    }

    /// `entryPoints.<name>.http.redirections`.
    section struct Redirections {
        entry_point: Option<RedirectEntryPoint> = None, "entryPoint", "", "Redirects to another entry point.";
    }

    /// `entryPoints.<name>.http.redirections.entryPoint`.
    section struct RedirectEntryPoint {
        to: String = String::new(), "to", "", "The entry point, or :port.";
        scheme: String = "https".to_owned(), "scheme", "https", "Scheme to redirect to.";
        permanent: bool = true, "permanent", "true", "Answer 301 (308 for methods other than GET) and not 302 (307).";
        priority: i64 = i64::MAX - 1, "priority", "9223372036854775806", "Priority of the router that redirects.";
    }

    /// `entryPoints.<name>.http.tls`.
    switch struct EntryPointTls {
        options: String = String::new(), "options", "", "Name of the TLS options.";
        cert_resolver: String = String::new(), "certResolver", "", "Certificate resolver to use.";
        domains: BTreeMap<String, EntryPointTlsDomain> = BTreeMap::new(), "domains", "", "Domains to get certificates for.";
    }

    /// `entryPoints.<name>.http.tls.domains[n]`.
    section struct EntryPointTlsDomain {
        main: String = String::new(), "main", "", "The main name of the certificate.";
        sans: Vec<String> = Vec::new(), "sans", "", "Further names of the certificate.";
    }

    /// `entryPoints.<name>.http.encodedCharacters`.
    section struct EncodedCharactersOptions {
        allow_encoded_slash: bool = true, "allowEncodedSlash", "true", "Paths may have %2F.";
        allow_encoded_back_slash: bool = true, "allowEncodedBackSlash", "true", "Paths may have %5C.";
        allow_encoded_null_character: bool = true, "allowEncodedNullCharacter", "true", "Accepted for compatibility: paths with %00 are always refused.";
        allow_encoded_semicolon: bool = true, "allowEncodedSemicolon", "true", "Paths may have %3B.";
        allow_encoded_percent: bool = true, "allowEncodedPercent", "true", "Paths may have %25.";
        allow_encoded_question_mark: bool = true, "allowEncodedQuestionMark", "true", "Paths may have %3F.";
        allow_encoded_hash: bool = true, "allowEncodedHash", "true", "Paths may have %23.";
    }

    /// `entryPoints.<name>.observability`.
    section struct EntryPointObservability {
        access_logs: bool = true, "accessLogs", "true", "Write access log lines.";
        metrics: bool = true, "metrics", "true", "Count requests by router and service.";
        tracing: bool = true, "tracing", "true", "Trace requests; tracing does not work yet.";
        trace_verbosity: String = "minimal".to_owned(), "traceVerbosity", "minimal", "minimal or detailed.";
    }

    /// `entryPoints.<name>.forwardedHeaders`.
    section struct ForwardedHeadersOptions {
        insecure: bool = false, "insecure", "false", "Believe everybody.";
        trusted_ips: Vec<String> = Vec::new(), "trustedIPs", "", "Believe these addresses and networks.";
        not_append_x_forwarded_for: bool = false, "notAppendXForwardedFor", "false", "Leave X-Forwarded-For as it came.";
        add_x_forwarded_scheme_headers: bool = false, "addXForwardedSchemeHeaders", "false", "Also send X-Forwarded-Scheme and X-Scheme, with the value of X-Forwarded-Proto.";
    }

    /// `entryPoints.<name>.proxyProtocol`.
    switch struct ProxyProtocolOptions {
        insecure: bool = false, "insecure", "false", "Believe everybody's header.";
        trusted_ips: Vec<String> = Vec::new(), "trustedIPs", "", "Believe the headers of these addresses and networks; those of others are read and not believed.";
    }

    /// `entryPoints.<name>.transport`.
    section struct TransportOptions {
        responding_timeouts: RespondingTimeouts = RespondingTimeouts::default(), "respondingTimeouts", "", "Time limits towards clients.";
        life_cycle: LifeCycle = LifeCycle::default(), "lifeCycle", "", "How Seaway stops.";
        keep_alive_max_time: Duration = Duration::from_secs(0), "keepAliveMaxTime", "0s", "A connection older than this is closed after its next answer; 0 for no limit.";
        keep_alive_max_requests: u64 = 0, "keepAliveMaxRequests", "0", "A connection is closed after so many requests; 0 for no limit.";
    }

    /// `entryPoints.<name>.transport.respondingTimeouts`.
    section struct RespondingTimeouts {
        read_timeout: Duration = Duration::from_secs(60), "readTimeout", "60s", "Longest silence while a request body is read; the head has 10 s in all.";
        write_timeout: Duration = Duration::from_secs(0), "writeTimeout", "0s", "Longest time from a request's head to the end of its response; 0 for none.";
        idle_timeout: Duration = Duration::from_secs(180), "idleTimeout", "180s", "How long an unused connection stays open.";
    }

    /// `entryPoints.<name>.transport.lifeCycle`.
    section struct LifeCycle {
        request_accept_grace_timeout: Duration = Duration::from_secs(0), "requestAcceptGraceTimeout", "0s", "Go on accepting for so long after the stop signal.";
        grace_time_out: Duration = Duration::from_secs(10), "graceTimeOut", "10s", "Time that running requests have to end.";
    }
}
