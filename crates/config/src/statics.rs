//! Static options: what is fixed when Seaway starts, given by flags, environment variables and a file.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::decode::options;
use crate::model::ServersTransport;

mod entry_points;
mod providers;

pub use entry_points::*;
pub use providers::*;

options! {
    /// All static options.
    section struct StaticOptions {
        entry_points: BTreeMap<String, EntryPointOptions> = BTreeMap::new(), "entryPoints", "", "Where requests arrive.";
        providers: ProvidersOptions = ProvidersOptions::default(), "providers", "", "Where configuration comes from.";
        api: Option<ApiOptions> = None, "api", "", "The API.";
        ping: Option<PingOptions> = None, "ping", "", "Answers /ping.";
        access_log: Option<AccessLogOptions> = None, "accessLog", "", "One line for each exchange.";
        log: LogOptions = LogOptions::default(), "log", "", "What happens to Seaway itself.";
        metrics: MetricsOptions = MetricsOptions::default(), "metrics", "", "What is counted.";
        global: GlobalOptions = GlobalOptions::default(), "global", "", "What holds everywhere.";
        core: CoreOptions = CoreOptions::default(), "core", "", "How configuration is read.";
        config_file: String = String::new(), "configFile", "", "File with static options, in YAML or TOML; otherwise seaway.* and traefik.* are looked for in their usual places.";
        servers_transport: ServersTransportOptions = ServersTransportOptions::default(), "serversTransport", "", "How servers are connected to.";
        seaway: SeawayOptions = SeawayOptions::default(), "seaway", "", "Options that only Seaway has.";
    }

    /// `providers`.
    section struct ProvidersOptions {
        docker: Option<DockerOptions> = None, "docker", "", "Containers and their labels.";
        file: Option<FileOptions> = None, "file", "", "Files with routers, services and middlewares.";
        http: Option<HttpProviderOptions> = None, "http", "", "The same from an address that is asked again and again.";
        providers_throttle_duration: Duration = Duration::from_secs(2), "providersThrottleDuration", "2s", "Accepted for compatibility: changes are applied in milliseconds.";
    }

    /// `providers.docker`.
    switch struct DockerOptions {
        endpoint: String = String::new(), "endpoint", "unix:///var/run/docker.sock", "Where the engine is: unix://, tcp:// or http(s)://; DOCKER_HOST serves where it is not given.";
        exposed_by_default: bool = true, "exposedByDefault", "true", "Take containers without traefik.enable=true.";
        constraints: String = String::new(), "constraints", "", "Only containers whose labels satisfy this expression.";
        default_rule: String = "Host(`{{ normalize .Name }}`)".to_owned(), "defaultRule", "Host(`{{ normalize .Name }}`)", "Rule of routers that have none.";
        network: String = String::new(), "network", "", "Network whose addresses are used.";
        use_bind_port_ip: bool = false, "useBindPortIP", "false", "Use the published address in place of the container's.";
        watch: bool = true, "watch", "true", "Follow the engine's events.";
        allow_empty_services: bool = false, "allowEmptyServices", "false", "Keep services whose containers are not healthy.";
        username: String = String::new(), "username", "", "User name for the engine's API.";
        password: String = String::new(), "password", "", "Password for the engine's API.";
        http_client_timeout: Duration = Duration::from_secs(0), "httpClientTimeout", "0s", "Time one call to the engine may take; 0 for Seaway's own limits.";
        tls: Option<DockerTls> = None, "tls", "", "TLS towards a TCP endpoint.";
    }

    /// `providers.docker.tls`.
    section struct DockerTls {
        ca: String = String::new(), "ca", "", "File with the authority's certificate.";
        cert: String = String::new(), "cert", "", "File with the client's certificate.";
        key: String = String::new(), "key", "", "File with the client's key.";
        insecure_skip_verify: bool = false, "insecureSkipVerify", "false", "Do not check the engine's certificate.";
    }

    /// `api`.
    switch struct ApiOptions {
        insecure: bool = false, "insecure", "false", "Serve the API on the entry point traefik (:8080).";
        dashboard: bool = true, "dashboard", "true", "Accepted; the dashboard is not there yet.";
        debug: bool = false, "debug", "false", "Accepted; there are no debug pages.";
        base_path: String = "/".to_owned(), "basePath", "/", "Path that the API is below.";
    }

    /// `ping`.
    switch struct PingOptions {
        entry_point: String = "traefik".to_owned(), "entryPoint", "traefik", "Where /ping is answered.";
        manual_routing: bool = false, "manualRouting", "false", "Only through a router to ping@internal.";
        terminating_status_code: i64 = 503, "terminatingStatusCode", "503", "Status while stopping.";
    }

    /// `accessLog`.
    switch struct AccessLogOptions {
        file_path: String = String::new(), "filePath", "", "File to write to; standard output if not given.";
        format: String = "common".to_owned(), "format", "common", "seaway, common, genericCLF or json.";
        buffering_size: u64 = 0, "bufferingSize", "0", "Accepted for compatibility: lines are written in batches within 10 ms.";
        add_internals: bool = false, "addInternals", "false", "Also log requests to the API and ping.";
        filters: AccessLogFilters = AccessLogFilters::default(), "filters", "", "Only lines that one of these lets through.";
        fields: AccessLogFields = AccessLogFields::default(), "fields", "", "Which fields and headers are written.";
    }

    /// `accessLog.fields`.
    section struct AccessLogFields {
        default_mode: String = "keep".to_owned(), "defaultMode", "keep", "Fields: keep or drop.";
        names: BTreeMap<String, String> = BTreeMap::new(), "names", "", "The mode of one field, whose name may be written in any case.";
        headers: FieldHeaders = FieldHeaders::default(), "headers", "", "Headers of requests and responses.";
        query_parameters: FieldQueryParameters = FieldQueryParameters::default(), "queryParameters", "", "The query.";
    }

    /// `accessLog.fields.headers`.
    section struct FieldHeaders {
        default_mode: String = "drop".to_owned(), "defaultMode", "drop", "Headers: keep, drop or redact.";
        names: BTreeMap<String, String> = BTreeMap::new(), "names", "", "The mode of one header.";
    }

    /// `accessLog.fields.queryParameters`.
    section struct FieldQueryParameters {
        default_mode: String = "keep".to_owned(), "defaultMode", "keep", "The query: keep or drop.";
    }

    /// `accessLog.filters`.
    section struct AccessLogFilters {
        status_codes: Vec<String> = Vec::new(), "statusCodes", "", "Statuses and ranges: 404,500-599.";
        retry_attempts: bool = false, "retryAttempts", "false", "Requests that were retried.";
        min_duration: Duration = Duration::from_secs(0), "minDuration", "0s", "Requests that took at least so long.";
    }

    /// `log`.
    section struct LogOptions {
        level: String = "INFO".to_owned(), "level", "INFO", "TRACE, DEBUG, INFO, WARN or ERROR.";
        format: String = "common".to_owned(), "format", "common", "common or json.";
        file_path: String = String::new(), "filePath", "", "File to write to; standard error if not given.";
        no_color: bool = false, "noColor", "false", "No colours on a terminal.";
    }

    /// `metrics`.
    section struct MetricsOptions {
        add_internals: bool = false, "addInternals", "false", "Also count requests to the API, ping and the metrics.";
        prometheus: Option<PrometheusOptions> = None, "prometheus", "", "Metrics for Prometheus at /metrics.";
    }

    /// `metrics.prometheus`.
    switch struct PrometheusOptions {
        add_entry_points_labels: bool = true, "addEntryPointsLabels", "true", "Count by entry point.";
        add_routers_labels: bool = false, "addRoutersLabels", "false", "Count by router.";
        add_services_labels: bool = true, "addServicesLabels", "true", "Count by service.";
        buckets: Vec<String> = ["0.1", "0.3", "1.2", "5"].map(str::to_owned).to_vec(), "buckets", "0.1,0.3,1.2,5", "Upper bounds of the buckets for durations, in seconds, ascending.";
        entry_point: String = "traefik".to_owned(), "entryPoint", "traefik", "Where /metrics is answered.";
        manual_routing: bool = false, "manualRouting", "false", "Only through a router to prometheus@internal.";
        header_labels: BTreeMap<String, String> = BTreeMap::new(), "headerLabels", "", "Labels of requests that are counted, each with the header that gives its value.";
    }

    /// `global`.
    section struct GlobalOptions {
        check_new_version: bool = false, "checkNewVersion", "false", "Accepted for compatibility: Seaway never calls home.";
        send_anonymous_usage: bool = false, "sendAnonymousUsage", "false", "Accepted for compatibility: Seaway never calls home.";
        not_append_x_forwarded_for: bool = false, "notAppendXForwardedFor", "false", "Leave X-Forwarded-For as it came, on every entry point.";
    }

    /// `core`.
    section struct CoreOptions {
        default_rule_syntax: String = "v3".to_owned(), "defaultRuleSyntax", "v3", "The syntax of rules: v3.";
    }

    /// `serversTransport`.
    section struct ServersTransportOptions {
        server_name: String = String::new(), "serverName", "", "The name that certificates of servers must have; the host of each server's URL if not given.";
        insecure_skip_verify: bool = false, "insecureSkipVerify", "false", "Take any certificate.";
        root_cas: Vec<String> = Vec::new(), "rootCAs", "", "Authorities that certificates of servers may be signed by: files, or PEM text; those of the system if not given.";
        cipher_suites: Vec<String> = Vec::new(), "cipherSuites", "", "Cipher suites of TLS 1.2; the library's choice if not given.";
        min_version: String = String::new(), "minVersion", "VersionTLS12", "Oldest version of TLS: VersionTLS12 or VersionTLS13.";
        max_version: String = String::new(), "maxVersion", "VersionTLS13", "Newest version of TLS.";
        max_idle_conns_per_host: u64 = 200, "maxIdleConnsPerHost", "200", "Unused connections kept for each server.";
        forwarding_timeouts: ForwardingTimeouts = ForwardingTimeouts::default(), "forwardingTimeouts", "", "Time limits towards servers.";
        disable_http2: bool = false, "disableHTTP2", "false", "Accepted for compatibility: servers are spoken to in HTTP/1.1.";
        peer_cert_uri: String = String::new(), "peerCertURI", "", "URI that certificates of servers must carry.";
    }

    /// `serversTransport.forwardingTimeouts`.
    section struct ForwardingTimeouts {
        dial_timeout: Option<Duration> = None, "dialTimeout", "1.25s", "Time to connect to a server.";
        response_header_timeout: Duration = Duration::from_secs(0), "responseHeaderTimeout", "0s", "Time until the response head; 0 for none.";
        idle_conn_timeout: Duration = Duration::from_secs(90), "idleConnTimeout", "90s", "How long an unused connection to a server is kept.";
    }

    /// `seaway`: what only Seaway has.
    section struct SeawayOptions {
        workers: u64 = 0, "workers", "0", "Data-plane threads; 0 for one per core.";
        max_connections: u64 = 0, "maxConnections", "0", "Most client connections at one time; 0 for what the limit on open files allows.";
        user: String = String::new(), "user", "", "uid[:gid] to become once it listens and the engine's socket is there; 65532 where it is root, 0 to stay root.";
        labels: SeawayLabels = SeawayLabels::default(), "labels", "", "What labels may ask for.";
        hold: HoldOptions = HoldOptions::default(), "hold", "", "Requests that wait for a service to come back.";
        api: SeawayApi = SeawayApi::default(), "api", "", "What the API tells.";
        explain404: bool = false, "explain404", "false", "Tell clients why no router takes their request.";
        control_socket: String = "/run/seaway/control.sock".to_owned(), "controlSocket", "/run/seaway/control.sock", "Unix socket for seaway healthcheck; empty for none.";
    }

    /// `seaway.labels`.
    section struct SeawayLabels {
        allow_internal: bool = false, "allowInternal", "false", "Containers may route to internal services such as api@internal.";
    }

    /// `seaway.api`.
    section struct SeawayApi {
        show_secrets: bool = false, "showSecrets", "false", "Show passwords and users where the API would hide them, as Traefik does.";
    }

    /// `seaway.hold`.
    section struct HoldOptions {
        timeout: Duration = Duration::from_secs(15), "timeout", "15s", "Longest wait; 0 switches holding off.";
        max: u64 = 1000, "max", "1000", "Most requests that wait at one time.";
    }
}

impl ServersTransportOptions {
    /// What services get that name no transport.
    pub fn transport(&self) -> ServersTransport {
        let it = self.clone();
        ServersTransport {
            server_name: it.server_name,
            insecure_skip_verify: it.insecure_skip_verify,
            root_cas: it.root_cas,
            certificates: Vec::new(),
            cipher_suites: it.cipher_suites,
            min_version: it.min_version,
            max_version: it.max_version,
            max_idle_conns_per_host: it.max_idle_conns_per_host,
            forwarding_timeouts: it.forwarding_timeouts,
            disable_http2: it.disable_http2,
            peer_cert_uri: it.peer_cert_uri,
        }
    }
}
