//! Services as configured.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::decode::options;

use super::{Failover, HighestRandomWeight, Mirroring, Weighted};

options! {
    /// A service as configured: `http.services.<name>`.
    section struct ServiceOptions {
        load_balancer: Option<LoadBalancer> = None, "loadBalancer", "", "Spreads requests over the servers.";
        weighted: Option<Weighted> = None, "weighted", "", "Spreads requests over other services.";
        mirroring: Option<Mirroring> = None, "mirroring", "", "Copies requests to other services.";
        failover: Option<Failover> = None, "failover", "", "Another service answers while the first cannot.";
        highest_random_weight: Option<HighestRandomWeight> = None, "highestRandomWeight", "", "Spreads clients over other services, by their address.";
        middlewares: Vec<String> = Vec::new(), "middlewares", "", "Middlewares in front of the service, after the router's.";
    }

    /// `http.services.<name>.loadBalancer`.
    section struct LoadBalancer {
        server: ServerOptions = ServerOptions::default(), "server", "", "How this container is reached.";
        servers: Vec<ServerEntry> = Vec::new(), "servers", "", "The servers, where no provider finds them: in files, not in labels.";
        strategy: String = "wrr".to_owned(), "strategy", "wrr", "How a server is chosen: wrr, p2c, hrw or leasttime.";
        sticky: Option<Sticky> = None, "sticky", "", "Keeps a client on one server.";
        pass_host_header: bool = true, "passHostHeader", "true", "Send the client's Host header to the server.";
        servers_transport: String = String::new(), "serversTransport", "", "Named transport for connections to the servers.";
        response_forwarding: Option<ResponseForwarding> = Some(ResponseForwarding::default()), "responseForwarding", "", "How responses are forwarded.";
        health_check: Option<HealthCheck> = None, "healthCheck", "", "Active health check.";
        passive_health_check: Option<PassiveHealthCheck> = None, "passiveHealthCheck", "", "Takes a server out after failed requests.";
    }

    /// `http.services.<name>.loadBalancer.server`.
    hidden struct ServerOptions {
        port: String = String::new(), "port", "", "Container port; the lowest exposed one if not given.";
        scheme: String = String::new(), "scheme", "http", "http or https.";
        url: String = String::new(), "url", "", "Full URL of the server, in place of the container's address.";
        weight: i64 = 1, "weight", "1", "Share of the requests; 0 takes no new ones.";
        preserve_path: bool = false, "preservePath", "false", "Put the URL's path in front of the request's.";
    }

    /// `http.services.<name>.loadBalancer.servers[n]`.
    section struct ServerEntry {
        url: String = String::new(), "url", "", "The server's URL.";
        weight: i64 = 1, "weight", "1", "Share of the requests; 0 takes no new ones.";
        preserve_path: bool = false, "preservePath", "false", "Put the URL's path in front of the request's.";
        fenced: bool = false, "fenced", "false", "Takes no new sessions; those that it has stay.";
    }

    /// `http.services.<name>.loadBalancer.sticky`.
    switch struct Sticky {
        cookie: Option<StickyCookie> = None, "cookie", "", "Stickiness by a cookie of the proxy's.";
    }

    /// `http.services.<name>.loadBalancer.sticky.cookie`.
    switch struct StickyCookie {
        name: String = String::new(), "name", "", "Name of the cookie; derived from the service's name if not given.";
        secure: bool = false, "secure", "false", "Only sent over HTTPS.";
        http_only: bool = false, "httpOnly", "false", "Not readable by scripts.";
        same_site: String = String::new(), "sameSite", "", "none, lax or strict.";
        max_age: i64 = 0, "maxAge", "0", "Seconds the cookie lives; 0 for the browser session, negative to expire it at once.";
        path: Option<String> = None, "path", "/", "Path the cookie is sent for.";
        domain: String = String::new(), "domain", "", "Domain the cookie is sent to.";
    }

    /// `http.services.<name>.loadBalancer.responseForwarding`.
    section struct ResponseForwarding {
        flush_interval: String = "100ms".to_owned(), "flushInterval", "100ms", "Accepted for compatibility: every piece is forwarded as soon as it arrives.";
    }

    /// `http.services.<name>.loadBalancer.healthCheck`.
    section struct HealthCheck {
        path: String = String::new(), "path", "", "Path that is asked for.";
        scheme: String = String::new(), "scheme", "", "Scheme of the check.";
        mode: String = "http".to_owned(), "mode", "http", "http or grpc.";
        method: String = String::new(), "method", "GET", "Method of the check.";
        status: i64 = 0, "status", "0", "Expected status; 0 for 200 to 399.";
        port: i64 = 0, "port", "0", "Port of the check.";
        hostname: String = String::new(), "hostname", "", "Host header of the check.";
        interval: Duration = Duration::from_secs(30), "interval", "30s", "Time between checks.";
        unhealthy_interval: Option<Duration> = None, "unhealthyInterval", "30s", "Time between checks of a server that is down.";
        timeout: Duration = Duration::from_secs(5), "timeout", "5s", "Time one check may take.";
        follow_redirects: bool = true, "followRedirects", "true", "Follow redirects.";
        headers: BTreeMap<String, String> = BTreeMap::new(), "headers", "", "Headers of the check.";
    }

    /// `http.services.<name>.loadBalancer.passiveHealthCheck`.
    section struct PassiveHealthCheck {
        failure_window: Duration = Duration::from_secs(10), "failureWindow", "10s", "Time in which failures are counted.";
        max_failed_attempts: i64 = 1, "maxFailedAttempts", "1", "Failures that take the server out.";
    }
}
