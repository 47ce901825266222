//! Every option of the middlewares that decide who comes in, how often, and what browsers are told.

use std::time::Duration;

use seaway_config::Secret;
use seaway_config::model::*;

use super::*;

fn texts(list: &[&str]) -> Vec<String> {
    list.iter().map(|text| (*text).to_owned()).collect()
}

fn secrets(list: &[&str]) -> Vec<Secret> {
    list.iter().map(|text| Secret::new(text)).collect()
}

#[test]
fn options_by_labels() {
    let strategy = || IpStrategy { depth: 2, excluded_ips: texts(&["10.0.0.1", "::1"]), ipv6_subnet: Some(64) };
    let cases: [(&[&str], Middleware); 18] = [
        (
            &[
                "ipallowlist.sourceRange=10.0.0.0/8, ::1",
                "ipallowlist.rejectstatuscode=404",
                "ipallowlist.ipstrategy.depth=2",
                "ipallowlist.ipstrategy.excludedips=10.0.0.1, ::1",
                "ipallowlist.ipstrategy.ipv6subnet=64",
            ],
            Middleware::IpAllowList(IpAllowList {
                source_range: texts(&["10.0.0.0/8", "::1"]),
                reject_status_code: 404,
                ip_strategy: Some(strategy()),
            }),
        ),
        (
            &["ipallowlist.ipstrategy=true", "ipallowlist.sourcerange=::1"],
            Middleware::IpAllowList(IpAllowList {
                source_range: texts(&["::1"]),
                ip_strategy: Some(IpStrategy::default()),
                ..Default::default()
            }),
        ),
        (
            &["ipwhitelist.sourcerange=::1", "ipwhitelist.ipstrategy=false", "ipwhitelist.ipstrategy.depth=1"],
            Middleware::IpWhiteList(IpWhiteList { source_range: texts(&["::1"]), ip_strategy: None }),
        ),
        (
            &["inflightreq.amount=10", "inflightreq.sourcecriterion.requestheadername=X-Who"],
            Middleware::InFlightReq(InFlightReq {
                amount: 10,
                source_criterion: Some(SourceCriterion {
                    request_header_name: "X-Who".to_owned(),
                    ..Default::default()
                }),
            }),
        ),
        (
            &[
                "ratelimit.average=42",
                "ratelimit.burst=7",
                "ratelimit.period=1m",
                "ratelimit.sourcecriterion.ipstrategy.depth=2",
                "ratelimit.sourcecriterion.ipstrategy.excludedips=10.0.0.1,::1",
                "ratelimit.sourcecriterion.ipstrategy.ipv6subnet=64",
            ],
            Middleware::RateLimit(RateLimit {
                average: 42,
                burst: 7,
                period: Duration::from_secs(60),
                source_criterion: Some(SourceCriterion { ip_strategy: Some(strategy()), ..Default::default() }),
                redis: None,
            }),
        ),
        (
            &[
                "ratelimit.average=1",
                "ratelimit.redis.endpoints=redis:6380",
                "ratelimit.redis.username=anna",
                "ratelimit.redis.password=secret",
                "ratelimit.redis.db=3",
                "ratelimit.redis.tls.ca=/ca.pem",
                "ratelimit.redis.tls.insecureskipverify=true",
                "ratelimit.redis.poolsize=4",
                "ratelimit.redis.readtimeout=2s",
                "ratelimit.redis.dialtimeout=1",
            ],
            Middleware::RateLimit(RateLimit {
                average: 1,
                redis: Some(Redis {
                    endpoints: vec!["redis:6380".to_owned()],
                    username: "anna".to_owned(),
                    password: Secret::new("secret"),
                    db: 3,
                    tls: Some(AuthTls { ca: "/ca.pem".to_owned(), insecure_skip_verify: true, ..AuthTls::default() }),
                    pool_size: 4,
                    read_timeout: Duration::from_secs(2),
                    dial_timeout: Duration::from_secs(1),
                    ..Redis::default()
                }),
                ..Default::default()
            }),
        ),
        (
            &["ratelimit.average=1", "ratelimit.period=10", "ratelimit.sourcecriterion.requesthost=true"],
            Middleware::RateLimit(RateLimit {
                average: 1,
                period: Duration::from_secs(10),
                source_criterion: Some(SourceCriterion { request_host: true, ..Default::default() }),
                ..Default::default()
            }),
        ),
        (
            &[
                "basicauth.users=a:$apr1$x$y, b:{SHA}z",
                "basicauth.usersfile=/run/secrets/users",
                "basicauth.realm=here",
                "basicauth.removeheader=true",
                "basicauth.headerfield=X-User",
            ],
            Middleware::BasicAuth(BasicAuth {
                users: secrets(&["a:$apr1$x$y", "b:{SHA}z"]),
                users_file: "/run/secrets/users".to_owned(),
                realm: "here".to_owned(),
                remove_header: true,
                header_field: "X-User".to_owned(),
            }),
        ),
        (
            &[
                "digestauth.users=a:here:b",
                "digestauth.usersfile=/u",
                "digestauth.realm=here",
                "digestauth.removeheader=true",
                "digestauth.headerfield=X-User",
            ],
            Middleware::DigestAuth(DigestAuth {
                users: secrets(&["a:here:b"]),
                users_file: "/u".to_owned(),
                realm: "here".to_owned(),
                remove_header: true,
                header_field: "X-User".to_owned(),
            }),
        ),
        (&["contenttype=true"], Middleware::ContentType(ContentType::default())),
        (&["contenttype="], Middleware::ContentType(ContentType::default())),
        (&["contenttype.autodetect=false"], Middleware::ContentType(ContentType { auto_detect: Some(false) })),
        (
            &["stripprefixregex.regex=/a/[0-9]+, /b"],
            Middleware::StripPrefixRegex(StripPrefixRegex { regex: texts(&["/a/[0-9]+", "/b"]) }),
        ),
        (
            &[
                "encodedcharacters.allowencodedslash=true",
                "encodedcharacters.allowencodedbackslash=true",
                "encodedcharacters.allowencodednullcharacter=true",
                "encodedcharacters.allowencodedsemicolon=true",
                "encodedcharacters.allowencodedpercent=true",
                "encodedcharacters.allowencodedquestionmark=true",
                "encodedcharacters.allowencodedhash=false",
            ],
            Middleware::EncodedCharacters(EncodedCharacters {
                allow_encoded_slash: true,
                allow_encoded_back_slash: true,
                allow_encoded_null_character: true,
                allow_encoded_semicolon: true,
                allow_encoded_percent: true,
                allow_encoded_question_mark: true,
                allow_encoded_hash: false,
            }),
        ),
        (
            &[
                "passtlsclientcert.pem=true",
                "passtlsclientcert.info.notafter=true",
                "passtlsclientcert.info.sans=true",
                "passtlsclientcert.info.subject.commonname=true",
                "passtlsclientcert.info.subject.organizationalunit=true",
                "passtlsclientcert.info.issuer.domaincomponent=true",
            ],
            Middleware::PassTlsClientCert(PassTlsClientCert {
                pem: true,
                info: Some(ClientCertInfo {
                    not_after: true,
                    sans: true,
                    subject: Some(ClientCertSubject {
                        common_name: true,
                        organizational_unit: true,
                        ..Default::default()
                    }),
                    issuer: Some(ClientCertIssuer { domain_component: true, ..Default::default() }),
                    ..Default::default()
                }),
            }),
        ),
        (
            &[
                "headers.accesscontrolallowcredentials=true",
                "headers.accesscontrolallowheaders=X-A, X-B",
                "headers.accesscontrolallowmethods=GET,PUT",
                "headers.accesscontrolalloworiginlist=https://a, https://b",
                "headers.accesscontrolalloworiginlistregex=^https://c$",
                "headers.accesscontrolexposeheaders=X-C",
                "headers.accesscontrolmaxage=5",
                "headers.addvaryheader=true",
            ],
            Middleware::Headers(Headers {
                access_control_allow_credentials: true,
                access_control_allow_headers: texts(&["X-A", "X-B"]),
                access_control_allow_methods: texts(&["GET", "PUT"]),
                access_control_allow_origin_list: texts(&["https://a", "https://b"]),
                access_control_allow_origin_list_regex: texts(&["^https://c$"]),
                access_control_expose_headers: texts(&["X-C"]),
                access_control_max_age: 5,
                add_vary_header: true,
                ..Default::default()
            }),
        ),
        (
            &[
                "headers.allowedhosts=a,b",
                "headers.hostsproxyheaders=X-Host",
                "headers.sslproxyheaders.X-Forwarded-Proto=https",
                "headers.stsseconds=42",
                "headers.stsincludesubdomains=true",
                "headers.stspreload=true",
                "headers.forcestsheader=true",
            ],
            Middleware::Headers(Headers {
                allowed_hosts: texts(&["a", "b"]),
                hosts_proxy_headers: texts(&["X-Host"]),
                ssl_proxy_headers: [("X-Forwarded-Proto".to_owned(), "https".to_owned())].into(),
                sts_seconds: 42,
                sts_include_subdomains: true,
                sts_preload: true,
                force_sts_header: true,
                ..Default::default()
            }),
        ),
        (
            &[
                "headers.framedeny=true",
                "headers.customframeoptionsvalue=SAMEORIGIN",
                "headers.contenttypenosniff=true",
                "headers.browserxssfilter=true",
                "headers.custombrowserxssvalue=0",
                "headers.contentsecuritypolicy=default-src 'self', x",
                "headers.contentsecuritypolicyreportonly=y",
                "headers.publickey=pin",
                "headers.referrerpolicy=same-origin",
                "headers.permissionspolicy=camera=()",
                "headers.isdevelopment=true",
            ],
            Middleware::Headers(Headers {
                frame_deny: true,
                custom_frame_options_value: "SAMEORIGIN".to_owned(),
                content_type_nosniff: true,
                browser_xss_filter: true,
                custom_browser_xss_value: "0".to_owned(),
                content_security_policy: "default-src 'self', x".to_owned(),
                content_security_policy_report_only: "y".to_owned(),
                public_key: "pin".to_owned(),
                referrer_policy: "same-origin".to_owned(),
                permissions_policy: "camera=()".to_owned(),
                is_development: true,
                ..Default::default()
            }),
        ),
    ];
    for (lines, want) in cases {
        let lines: Vec<String> = lines.iter().map(|line| format!("middlewares.m.{line}")).collect();
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let decoded = http(&lines);
        assert_eq!(decoded.diagnostics, vec![], "{lines:?}");
        assert_eq!(decoded.middlewares["m"].value, want, "{lines:?}");
        assert_eq!(decoded.middlewares["m"].quarantine, None);
    }
}

#[test]
fn what_is_no_option_of_theirs_breaks_them() {
    for (line, code) in [
        ("ipallowlist.sourceranges=::1", Code::UnknownOption),
        ("ipallowlist.ipstrategy.depht=1", Code::UnknownOption),
        ("ipallowlist.ipstrategy.depth=one", Code::BadValue),
        ("ipallowlist.ipstrategy=maybe", Code::BadValue),
        ("ipwhitelist.rejectstatuscode=404", Code::UnknownOption),
        ("ipallowlist=::1", Code::StandaloneSection),
        ("inflightreq=10", Code::StandaloneSection),
        ("inflightreq.amount=", Code::BadValue),
        ("inflightreq.amount=1.5", Code::BadValue),
        ("inflightreq.sourcecriterion=requesthost", Code::StandaloneSection),
        ("inflightreq.sourcecriterion.requesthost=yes", Code::BadValue),
        ("ratelimit.period=1 minute", Code::BadValue),
        ("ratelimit.period=-1s", Code::BadValue),
        ("ratelimit.rate=1", Code::UnknownOption),
        ("ratelimit.redis.endpoint=a:1", Code::UnknownOption),
        ("basicauth.user=a:b", Code::UnknownOption),
        ("basicauth.users.a=b", Code::UnknownOption),
        ("basicauth=true", Code::StandaloneSection),
        ("digestauth.removeheader=ja", Code::BadValue),
        ("contenttype=perhaps", Code::BadValue),
        ("stripprefixregex.regexes=/a", Code::UnknownOption),
        ("encodedcharacters.allowslash=true", Code::UnknownOption),
        ("encodedcharacters=true", Code::StandaloneSection),
        ("passtlsclientcert.info=true", Code::StandaloneSection),
        ("headers.stsseconds=1h", Code::BadValue),
        ("headers.accesscontrolalloworigin=*", Code::UnknownOption),
        ("headers.sslproxyheaders=https", Code::StandaloneSection),
        ("headers.framedeny=DENY", Code::BadValue),
        ("grpcweb.alloworigins=*", Code::NotSupportedYet),
    ] {
        let decoded = http(&[&format!("middlewares.m.{line}")]);
        assert_eq!(middleware_off(&decoded, "m"), Some(code), "{line}");
        assert!(decoded.http_refused, "{line}");
    }
}
