//! Routers as configured.

use std::collections::BTreeMap;

use crate::decode::options;

options! {
    /// A router as configured: `http.routers.<name>`.
    section struct Router {
        entry_points: Vec<String> = Vec::new(), "entryPoints", "", "Entry points it listens on; all default ones if none is named.";
        middlewares: Vec<String> = Vec::new(), "middlewares", "", "Middlewares in the order in which requests pass them.";
        service: String = String::new(), "service", "", "The service that answers; linked by itself where the container declares exactly one.";
        rule: String = String::new(), "rule", "", "Which requests it takes; the provider's default rule if not given.";
        rule_syntax: String = String::new(), "ruleSyntax", "", "Only v3 is supported.";
        priority: i64 = 0, "priority", "0", "Higher is tried first; 0 means the length of the rule.";
        tls: Option<RouterTls> = None, "tls", "", "Its presence makes the router HTTPS-only.";
        observability: Option<RouterObservability> = None, "observability", "", "Switches for this router alone.";
    }

    /// `http.routers.<name>.tls`.
    switch struct RouterTls {
        options: String = String::new(), "options", "default", "Name of the TLS options.";
        cert_resolver: String = String::new(), "certResolver", "", "Certificate resolver to use.";
        domains: BTreeMap<String, TlsDomain> = BTreeMap::new(), "domains", "", "Domains to get certificates for.";
    }

    /// `http.routers.<name>.tls.domains[n]`.
    section struct TlsDomain {
        main: String = String::new(), "main", "", "The main name of the certificate.";
        sans: Vec<String> = Vec::new(), "sans", "", "Further names of the certificate.";
    }

    /// `http.routers.<name>.observability`.
    section struct RouterObservability {
        access_logs: Option<bool> = None, "accessLogs", "true", "Write access log lines for this router.";
        metrics: Option<bool> = None, "metrics", "true", "Count this router's requests.";
        tracing: Option<bool> = None, "tracing", "true", "Trace this router's requests.";
        trace_verbosity: String = String::new(), "traceVerbosity", "minimal", "minimal or detailed.";
    }
}
