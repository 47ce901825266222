//! Services that stand before other services.

use crate::decode::options;

use super::Sticky;

options! {
    /// `http.services.<name>.weighted`.
    section struct Weighted {
        services: Vec<WeightedMember> = Vec::new(), "services", "", "The services that share the requests.";
        sticky: Option<Sticky> = None, "sticky", "", "Keeps a client on one of the services.";
        health_check: Option<HealthPropagation> = None, "healthCheck", "", "Accepted for compatibility: a service without a server that takes requests is always passed over.";
    }

    /// `http.services.<name>.highestRandomWeight`.
    section struct HighestRandomWeight {
        services: Vec<WeightedMember> = Vec::new(), "services", "", "The services that share the clients, by address.";
        health_check: Option<HealthPropagation> = None, "healthCheck", "", "Accepted for compatibility: a service without a server that takes requests is always passed over.";
    }

    /// One of the services of `weighted` and `highestRandomWeight`.
    section struct WeightedMember {
        name: String = String::new(), "name", "", "The service; its cookie value is made from this text.";
        weight: i64 = 1, "weight", "1", "Share of the requests; 0 takes none.";
    }

    /// `http.services.<name>.mirroring`.
    section struct Mirroring {
        service: String = String::new(), "service", "", "The service that answers.";
        mirror_body: bool = true, "mirrorBody", "true", "Send the body with copies.";
        max_body_size: i64 = -1, "maxBodySize", "-1", "Requests with a longer body are not copied; bytes, -1 for no limit of its own.";
        mirrors: Vec<Mirror> = Vec::new(), "mirrors", "", "The services that get copies.";
        health_check: Option<HealthPropagation> = None, "healthCheck", "", "Accepted for compatibility: it is up while the service that answers is.";
    }

    /// One of the services of `mirroring.mirrors`.
    section struct Mirror {
        name: String = String::new(), "name", "", "The service.";
        percent: i64 = 0, "percent", "0", "How many of a hundred requests it gets copies of.";
    }

    /// `http.services.<name>.failover`.
    section struct Failover {
        service: String = String::new(), "service", "", "The service that answers while it has a server that takes requests.";
        fallback: String = String::new(), "fallback", "", "The service that answers otherwise.";
        health_check: Option<HealthPropagation> = None, "healthCheck", "", "Accepted for compatibility: a service without a server that takes requests is always passed over.";
        errors: Option<FailoverErrors> = None, "errors", "", "Answers that are taken for failures.";
    }

    /// `http.services.<name>.failover.errors`.
    section struct FailoverErrors {
        status: Vec<String> = Vec::new(), "status", "", "Statuses and ranges of them: 503, 500-599.";
        max_request_body_bytes: i64 = -1, "maxRequestBodyBytes", "-1", "Requests with a longer body get 413; bytes, -1 for no limit of its own.";
    }

    /// `healthCheck: {}` of services that stand before others.
    switch struct HealthPropagation {}
}
