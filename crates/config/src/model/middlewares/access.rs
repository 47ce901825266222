//! Middlewares that decide who comes in, and how often.

use std::time::Duration;

use super::AuthTls;
use crate::decode::options;
use crate::secret::Secret;

options! {
    /// `ipAllowList`.
    section struct IpAllowList {
        source_range: Vec<String> = Vec::new(), "sourceRange", "", "Addresses and networks that are let in.";
        ip_strategy: Option<IpStrategy> = None, "ipStrategy", "", "Which address is the client's; the peer's if not given.";
        reject_status_code: i64 = 0, "rejectStatusCode", "403", "The status for everybody else.";
    }

    /// `ipWhiteList`, the former name of `ipAllowList`.
    section struct IpWhiteList {
        source_range: Vec<String> = Vec::new(), "sourceRange", "", "Addresses and networks that are let in.";
        ip_strategy: Option<IpStrategy> = None, "ipStrategy", "", "Which address is the client's; the peer's if not given.";
    }

    /// `ipStrategy`, wherever it stands: which address is the client's.
    switch struct IpStrategy {
        depth: i64 = 0, "depth", "0", "The n-th entry of X-Forwarded-For from the right; 0 for the peer's address.";
        excluded_ips: Vec<String> = Vec::new(), "excludedIPs", "", "The first entry of X-Forwarded-For from the right that is none of these.";
        ipv6_subnet: Option<i64> = None, "ipv6Subnet", "", "IPv6 addresses of one network of that length count as one.";
    }

    /// `sourceCriterion`: what makes requests come from the same source. One of these.
    section struct SourceCriterion {
        ip_strategy: Option<IpStrategy> = None, "ipStrategy", "", "The client's address.";
        request_header_name: String = String::new(), "requestHeaderName", "", "The value of that header.";
        request_host: bool = false, "requestHost", "false", "The host that was asked for.";
    }

    /// `inFlightReq`.
    section struct InFlightReq {
        amount: i64 = 0, "amount", "0", "Most requests at the same time from one source.";
        source_criterion: Option<SourceCriterion> = None, "sourceCriterion", "", "What a source is; the host that was asked for if not given.";
    }

    /// `rateLimit`.
    section struct RateLimit {
        average: i64 = 0, "average", "0", "Requests in each period from one source; 0 for no limit.";
        period: Duration = Duration::from_secs(1), "period", "1s", "The time that average is meant for.";
        burst: i64 = 1, "burst", "1", "Most requests at once.";
        source_criterion: Option<SourceCriterion> = None, "sourceCriterion", "", "What a source is; the peer's address if not given.";
        redis: Option<Redis> = None, "redis", "", "A Redis server that keeps the buckets, for several Seaways that share them.";
    }

    /// `rateLimit.redis`.
    section struct Redis {
        endpoints: Vec<String> = vec!["localhost:6379".to_owned()], "endpoints", "localhost:6379", "The server as host:port. There can be one.";
        username: String = String::new(), "username", "", "The user's name.";
        password: Secret = Secret::default(), "password", "", "The password.";
        db: i64 = 0, "db", "0", "The number of the database.";
        tls: Option<AuthTls> = None, "tls", "", "TLS to the server.";
        pool_size: i64 = 0, "poolSize", "0", "Accepted for compatibility: each worker has one connection for everything.";
        min_idle_conns: i64 = 0, "minIdleConns", "0", "Accepted for compatibility.";
        max_active_conns: i64 = 0, "maxActiveConns", "0", "Accepted for compatibility.";
        read_timeout: Duration = Duration::from_secs(3), "readTimeout", "3s", "Time for an answer.";
        write_timeout: Duration = Duration::from_secs(3), "writeTimeout", "3s", "Accepted for compatibility: the time for an answer begins with the question.";
        dial_timeout: Duration = Duration::from_secs(5), "dialTimeout", "5s", "Time to connect.";
    }

    /// `basicAuth`.
    section struct BasicAuth {
        users: Vec<Secret> = Vec::new(), "users", "", "Users as name:hash, hashed with bcrypt, apr1, MD5-crypt or SHA-1.";
        users_file: String = String::new(), "usersFile", "", "A file of users, one on each line.";
        realm: String = String::new(), "realm", "traefik", "What browsers show when they ask.";
        remove_header: bool = false, "removeHeader", "false", "Do not send the Authorization header to the server.";
        header_field: String = String::new(), "headerField", "", "The request header that tells the server the user's name.";
    }

    /// `digestAuth`.
    section struct DigestAuth {
        users: Vec<Secret> = Vec::new(), "users", "", "Users as name:realm:hash, as htdigest writes them.";
        users_file: String = String::new(), "usersFile", "", "A file of users, one on each line.";
        realm: String = String::new(), "realm", "traefik", "What browsers show when they ask.";
        remove_header: bool = false, "removeHeader", "false", "Do not send the Authorization header to the server.";
        header_field: String = String::new(), "headerField", "", "The request header that tells the server the user's name.";
    }
}
