//! What decoding takes, what it refuses, and where it says so.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;
use crate::model::{
    Headers, HealthCheck, LoadBalancer, MiddlewareOptions, NOT_YET, Router, ServiceOptions, StripPrefix,
};
use crate::statics::{EntryPointHttpOptions, StaticOptions};
use crate::{model, show_duration, statics};

/// A tree from `a.b=v` lines, as labels make it: an index is a child of its own.
fn tree(lines: &[&str]) -> Node {
    let mut root = Node::default();
    for line in lines {
        let (key, value) = line.split_once('=').unwrap();
        let mut node = &mut root;
        for step in key.replace('[', ".[").split('.') {
            node = node.child_mut(step, key);
        }
        node.key = key.to_owned();
        node.value = Some(value.to_owned());
    }
    root
}

fn decode<T: Decode + Default>(lines: &[&str]) -> (T, Vec<Fault>) {
    let mut cx = Decoder::default();
    let value = cx.section(&tree(lines));
    (value, cx.faults)
}

fn good<T: Decode + Default>(lines: &[&str]) -> T {
    let (value, faults) = decode(lines);
    assert_eq!(faults, [], "{lines:?}");
    value
}

fn bad(key: &str, path: &str, expected: &'static str, got: &str) -> Fault {
    Fault { key: key.to_owned(), path: path.to_owned(), kind: FaultKind::BadValue { expected, got: got.to_owned() } }
}

#[test]
fn bools_are_gos() {
    for text in ["1", "t", "T", "TRUE", "true", "True"] {
        assert_eq!(parse_bool(text), Some(true), "{text}");
    }
    for text in ["0", "f", "F", "FALSE", "false", "False"] {
        assert_eq!(parse_bool(text), Some(false), "{text}");
    }
    for text in ["", "yes", "no", "on", "off", "tRUE", " true", "2"] {
        assert_eq!(parse_bool(text), None, "{text}");
    }
}

#[test]
fn durations_are_seconds_or_gos() {
    let seconds = Duration::from_secs;
    let nanos = Duration::from_nanos;
    for (text, expected) in [
        ("0", seconds(0)),
        ("90", seconds(90)),
        ("+5", seconds(5)),
        ("0s", seconds(0)),
        ("1h2m3.5s", Duration::from_millis(3_723_500)),
        ("100ms", Duration::from_millis(100)),
        ("1.5h", seconds(5400)),
        (".5s", Duration::from_millis(500)),
        ("1.s", seconds(1)),
        ("4.35s", Duration::from_millis(4350)),
        ("1m1m", seconds(120)),
        ("1us", nanos(1000)),
        ("1µs", nanos(1000)),
        ("1\u{3bc}s", nanos(1000)),
        ("7ns", nanos(7)),
        ("0.3ns", nanos(0)),
        ("1.0000000000000000000000001s", seconds(1)),
        ("00000000000000000000000000005s", seconds(5)),
        ("9007199.254740993s", nanos(9_007_199_254_740_993)),
        ("3200000000", seconds(3_200_000_000)),
    ] {
        assert_eq!(parse_duration(text), Some(expected), "{text}");
    }
    for text in [
        "",
        "+",
        "s",
        ".",
        ".s",
        "1..5s",
        "1.2.3s",
        "1.00000000000000000000.5s",
        "-5",
        "-5s",
        "++5s",
        "1h30",
        "1.5",
        "5 s",
        " 5s",
        "5S",
        "1d",
        "1h-5m",
        "ä",
        "3200000001",
        "18446744073709551615",
        "99999999999999999999",
        "3200000000s1ns",
        "99999999999999999999h",
        "340282366920938463463374607431768211455h",
    ] {
        assert_eq!(parse_duration(text), None, "{text}");
    }
}

#[test]
fn faults_have_their_key_and_documented_path() {
    let (router, faults) = decode::<Router>(&["Rule=Path(`/`)", "PRIORITY=high", "rul=x", "entrypoints=web"]);
    assert_eq!((router.rule.as_str(), router.priority), ("Path(`/`)", 0));
    assert_eq!(router.entry_points, ["web"]);
    assert_eq!(faults.len(), 2);
    assert_eq!(faults[0], bad("PRIORITY", "priority", "a whole number", "high"));
    assert_eq!((faults[1].key.as_str(), faults[1].path.as_str()), ("rul", "rul"));
    let FaultKind::Unknown { name, known } = &faults[1].kind else { panic!("{faults:?}") };
    assert_eq!(name, "rul");
    assert!(known.contains(&"rule") && known.contains(&"entryPoints"));

    let (_, faults) =
        decode::<ServiceOptions>(&["LoadBalancer.STICKY.cookie.secur=true", "loadbalancer.sticky.cookie.secure=yes"]);
    let places: Vec<_> = faults.iter().map(|fault| (fault.key.as_str(), fault.path.as_str())).collect();
    assert_eq!(
        places,
        [
            ("LoadBalancer.STICKY.cookie.secur", "loadBalancer.sticky.cookie.secur"),
            ("loadbalancer.sticky.cookie.secure", "loadBalancer.sticky.cookie.secure"),
        ]
    );
}

#[test]
fn numbers_know_their_range() {
    assert_eq!(good::<Router>(&["priority=-7"]).priority, -7);
    assert_eq!(good::<Router>(&["priority=+7"]).priority, 7);
    for text in ["", "7.0", "0x7", "9223372036854775808", "1_000", " 1"] {
        let (router, faults) = decode::<Router>(&[&format!("priority={text}")]);
        assert_eq!((router.priority, faults), (0, vec![bad("priority", "priority", "a whole number", text)]));
    }
    let (statics, faults) = decode::<StaticOptions>(&["seaway.workers=-1"]);
    assert_eq!(statics.seaway.workers, 0);
    assert_eq!(faults, [bad("seaway.workers", "seaway.workers", "a whole number, not negative", "-1")]);
}

#[test]
fn texts_are_not_trimmed_and_have_nothing_below_them() {
    assert_eq!(good::<Router>(&["rule= {{ x }} "]).rule, " {{ x }} ");
    let (router, faults) = decode::<Router>(&["rule=a", "rule.x=b"]);
    assert_eq!(router.rule, "a");
    assert_eq!((faults.len(), faults[0].path.as_str()), (1, "rule.x"));
    let (router, faults) = decode::<Router>(&["rule.x=b"]);
    assert_eq!((router.rule.as_str(), faults.len()), ("", 1), "one mistake, one fault");
}

#[test]
fn lists_are_split_and_trimmed_and_may_have_indexes() {
    let list = |lines: &[&str]| good::<StripPrefix>(lines).prefixes;
    assert_eq!(list(&["prefixes=/a, /b ,,/c,"]), ["/a", "/b", "/c"]);
    assert_eq!(list(&["prefixes= , "]), Vec::<String>::new());
    assert_eq!(list(&["prefixes[10]=/c", "prefixes[2]= /b ", "prefixes[0]=/a", "prefixes[3]="]), ["/a", "/b", "/c"]);
    assert_eq!(list(&["prefixes=/a", "prefixes[0]=/b"]), ["/a", "/b"]);

    let (value, faults) =
        decode::<StripPrefix>(&["prefixes[x]=/a", "prefixes.y=/b", "prefixes[1].z=/c", "prefixes[0]=/d"]);
    assert_eq!(value.prefixes, ["/d"]);
    let paths: Vec<_> = faults.iter().map(|fault| fault.path.as_str()).collect();
    assert_eq!(paths, ["prefixes.[x]", "prefixes.y", "prefixes.[1]"]);
}

#[test]
fn a_list_replaces_its_default() {
    let upgrades = |lines: &[&str]| good::<EntryPointHttpOptions>(lines).upgrades;
    assert_eq!(upgrades(&[]), ["websocket"]);
    assert_eq!(upgrades(&["upgrades=a,b"]), ["a", "b"]);
    assert_eq!(upgrades(&["upgrades[0]=a"]), ["a"]);
    assert_eq!(upgrades(&["upgrades="]), Vec::<String>::new(), "the way to forbid every upgrade");
    let (value, faults) = decode::<EntryPointHttpOptions>(&["upgrades.x=a"]);
    assert_eq!((value.upgrades, faults.len()), (vec!["websocket".to_owned()], 1));
}

#[test]
fn maps_keep_their_keys_and_take_nothing_from_mistakes() {
    let headers =
        good::<Headers>(&["customrequestheaders.X-Foo=a,b", "customRequestHeaders.x-Gone="]).custom_request_headers;
    let expected = [("X-Foo", "a,b"), ("x-Gone", "")].map(|(k, v)| (k.to_owned(), v.to_owned()));
    assert_eq!(headers, BTreeMap::from(expected));

    let (headers, faults) = decode::<Headers>(&["customrequestheaders.X.Foo=a"]);
    assert_eq!(headers.custom_request_headers, BTreeMap::new(), "a dot in a name must not remove header X");
    assert_eq!((faults.len(), faults[0].path.as_str()), (1, "customRequestHeaders.X.Foo"));

    let (headers, faults) = decode::<Headers>(&["customrequestheaders=X-Foo:a"]);
    assert_eq!((headers.custom_request_headers.len(), &faults[0].kind), (0, &FaultKind::Standalone));
}

#[test]
fn sections_take_no_value_of_their_own() {
    let (options, faults) = decode::<ServiceOptions>(&["loadbalancer=true"]);
    assert_eq!(options.load_balancer, None, "a mistake makes no load balancer");
    assert_eq!((faults.len(), faults[0].path.as_str(), &faults[0].kind), (1, "loadBalancer", &FaultKind::Standalone));

    let (balancer, faults) = decode::<LoadBalancer>(&["healthcheck=true", "server=x"]);
    assert_eq!(balancer, LoadBalancer::default());
    assert_eq!(faults.len(), 2);
    // Beside options a value is ignored, as in Traefik.
    let balancer = good::<LoadBalancer>(&["healthcheck=true", "healthcheck.path=/up"]);
    assert_eq!(
        balancer.health_check.map(|check| (check.path, check.interval)),
        Some(("/up".to_owned(), Duration::from_secs(30)))
    );
}

#[test]
fn sections_that_may_stand_alone_are_switches() {
    let tls = |lines: &[&str]| good::<Router>(lines).tls;
    for line in ["tls=true", "tls=TRUE", "tls=True", "tls="] {
        assert_eq!(tls(&[line]), Some(Default::default()), "{line}");
    }
    for line in ["tls=false", "tls=False", "tls=0", "tls=f"] {
        assert_eq!(tls(&[line]), None, "{line}");
        assert_eq!(tls(&[line, "tls.options=x"]), None, "{line} with its children");
    }
    assert_eq!(tls(&["tls=true", "tls.options=x"]).map(|tls| tls.options), Some("x".to_owned()));
    assert_eq!(tls(&["tls.options=x"]).map(|tls| tls.options), Some("x".to_owned()));
    // Traefik takes all of these for no TLS.
    for text in ["1", "yes", "on", "no", "flase", " true"] {
        let (router, faults) = decode::<Router>(&[&format!("tls={text}")]);
        assert_eq!(router.tls, None);
        assert_eq!(faults, [bad("tls", "tls", "true, false, or options below it", text)]);
    }
}

#[test]
fn sticky_alone_has_no_cookie() {
    let sticky = |lines: &[&str]| good::<LoadBalancer>(lines).sticky;
    assert_eq!(sticky(&["sticky=true"]).map(|sticky| sticky.cookie), Some(None));
    assert_eq!(sticky(&["sticky.cookie=true"]).unwrap().cookie, Some(Default::default()));
    assert_eq!(sticky(&["sticky.cookie="]).unwrap().cookie, Some(Default::default()));
    assert_eq!(sticky(&["sticky.cookie.name=s"]).unwrap().cookie.unwrap().name, "s");
    assert_eq!(sticky(&["sticky.cookie=false"]).unwrap().cookie, None);
    assert_eq!(sticky(&["sticky=false", "sticky.cookie.name=s"]), None);
    assert_eq!(sticky(&["sticky.cookie.path="]).unwrap().cookie.unwrap().path, Some(String::new()));
}

#[test]
fn what_cannot_be_read_leaves_what_was_there() {
    let mut check = HealthCheck { unhealthy_interval: Some(Duration::from_secs(7)), ..HealthCheck::default() };
    let mut cx = Decoder::default();
    check.decode(&tree(&["unhealthyinterval=soon", "interval=never", "followredirects=maybe"]), &mut cx);
    assert_eq!(cx.faults.len(), 3);
    assert_eq!(check.unhealthy_interval, Some(Duration::from_secs(7)));
    assert_eq!((check.interval, check.follow_redirects), (Duration::from_secs(30), true));

    let (check, faults) = decode::<HealthCheck>(&["unhealthyinterval=soon"]);
    assert_eq!((check.unhealthy_interval, faults.len()), (None, 1));
}

#[test]
fn named_sections_keep_their_names() {
    let statics = good::<StaticOptions>(&["entrypoints.Web.address=:80", "entryPoints.other.asdefault=true"]);
    assert_eq!(statics.entry_points.keys().collect::<Vec<_>>(), ["Web", "other"]);
    assert!(statics.entry_points["other"].as_default);
    let domains = good::<Router>(&["tls.domains[0].main=a", "tls.domains[0].sans=b,c"]).tls.unwrap().domains;
    assert_eq!(domains["[0]"].sans, ["b", "c"]);
}

/// Walks every section of the catalogue.
fn each_option(options: &'static [OptionSpec], path: &str, seen: &mut dyn FnMut(&str, &'static OptionSpec)) {
    for option in options {
        let path = format!("{path}.{}", option.name);
        seen(&path, option);
        each_option(option.below, &path, seen);
    }
}

#[test]
fn the_catalogue_is_complete_and_its_defaults_can_be_read() {
    let roots: [(&str, &'static [OptionSpec]); 4] = [
        ("static", StaticOptions::OPTIONS),
        ("router", Router::OPTIONS),
        ("service", ServiceOptions::OPTIONS),
        ("middleware", MiddlewareOptions::OPTIONS),
    ];
    for (root, options) in roots {
        each_option(options, root, &mut |path, option| {
            assert!(option.doc.ends_with('.') && option.doc.len() < 120, "{path}: {}", option.doc);
            assert!(option.name.starts_with(|c: char| c.is_ascii_lowercase()), "{path}");
            let sections = matches!(option.kind, Kind::Section | Kind::NamedSections)
                // A switch may have nothing below it.
                || (option.kind == Kind::SwitchSection && option.name != "healthCheck");
            assert_eq!(option.below.is_empty(), !sections, "{path}");
            let readable = match option.kind {
                _ if option.default.is_empty() => true,
                Kind::Bool => parse_bool(option.default).is_some(),
                Kind::Int => option.default.parse::<i64>().is_ok(),
                Kind::Duration => parse_duration(option.default).is_some(),
                Kind::Text | Kind::List => true,
                _ => false,
            };
            assert!(readable, "{path}: {}", option.default);
        });
    }
}

#[test]
fn documented_defaults_are_the_defaults() {
    /// Gives each option its documented default and expects no change, but for those that are decided `elsewhere`,
    /// because not giving the option has a meaning of its own.
    fn check<T: Section + Decode + Default + PartialEq + std::fmt::Debug>(elsewhere: &[&str]) {
        for option in T::OPTIONS.iter().filter(|option| !option.default.is_empty()) {
            let (given, faults) = decode::<T>(&[&format!("{}={}", option.name, option.default)]);
            assert_eq!(faults, [], "{}", option.name);
            assert_eq!(given == T::default(), !elsewhere.contains(&option.name), "{}: {given:?}", option.name);
        }
    }
    check::<model::Router>(&[]);
    check::<model::RouterTls>(&["options"]);
    check::<model::RouterObservability>(&["accessLogs", "metrics", "tracing", "traceVerbosity"]);
    check::<model::LoadBalancer>(&[]);
    check::<model::ServerOptions>(&["scheme"]);
    check::<model::StickyCookie>(&["path"]);
    check::<model::ResponseForwarding>(&[]);
    check::<model::HealthCheck>(&["method", "unhealthyInterval"]);
    check::<model::PassiveHealthCheck>(&[]);
    check::<model::RedirectScheme>(&[]);
    check::<model::Headers>(&[]);
    check::<model::IpAllowList>(&["rejectStatusCode"]);
    check::<model::IpStrategy>(&[]);
    check::<model::SourceCriterion>(&[]);
    check::<model::BasicAuth>(&["realm"]);
    check::<model::DigestAuth>(&["realm"]);
    check::<model::InFlightReq>(&[]);
    check::<model::RateLimit>(&[]);
    check::<model::ContentType>(&[]);
    check::<model::EncodedCharacters>(&[]);
    check::<model::PassTlsClientCert>(&[]);
    check::<model::RedirectRegex>(&[]);
    check::<statics::EntryPointOptions>(&[]);
    check::<statics::EntryPointHttpOptions>(&[]);
    check::<statics::ForwardedHeadersOptions>(&[]);
    check::<statics::RespondingTimeouts>(&[]);
    check::<statics::LifeCycle>(&[]);
    check::<statics::ProvidersOptions>(&[]);
    check::<statics::DockerOptions>(&["endpoint"]);
    check::<statics::DockerTls>(&[]);
    check::<statics::ApiOptions>(&[]);
    check::<statics::PingOptions>(&[]);
    check::<statics::AccessLogOptions>(&[]);
    check::<statics::AccessLogFilters>(&[]);
    check::<statics::LogOptions>(&[]);
    check::<statics::GlobalOptions>(&[]);
    check::<model::ServersTransport>(&["minVersion", "maxVersion"]);
    check::<statics::ServersTransportOptions>(&["minVersion", "maxVersion"]);
    check::<model::Mirroring>(&[]);
    check::<model::WeightedMember>(&[]);
    check::<model::FailoverErrors>(&[]);
    check::<model::ServerEntry>(&[]);
    check::<statics::ForwardingTimeouts>(&["dialTimeout"]);
    check::<statics::SeawayOptions>(&[]);
    check::<statics::SeawayLabels>(&[]);
    check::<statics::HoldOptions>(&[]);
}

#[test]
fn what_does_not_work_yet_is_not_in_the_catalogue() {
    for path in NOT_YET {
        let mut options = MiddlewareOptions::OPTIONS;
        for name in path.strip_prefix("middlewares.*.").unwrap().split('.') {
            match options.iter().find(|option| option.name.eq_ignore_ascii_case(name)) {
                Some(option) => options = option.below,
                None => options = &[],
            }
        }
        assert!(options.is_empty(), "{path}");
    }
}

fn any_node() -> impl Strategy<Value = Node> {
    let names = prop::sample::select(vec![
        "rule",
        "priority",
        "tls",
        "domains",
        "[0]",
        "[9]",
        "[x]",
        "main",
        "sans",
        "loadBalancer",
        "sticky",
        "cookie",
        "maxage",
        "server",
        "healthcheck",
        "interval",
        "headers",
        "customRequestHeaders",
        "X-A",
        "path",
        "observability",
        "metrics",
        "ä",
        "",
    ]);
    let values = prop::option::of(prop_oneof![
        prop::sample::select(vec!["true", "false", "", "1", "10s", "a,b", "-3"]).prop_map(str::to_owned),
        any::<String>(),
    ]);
    let leaf = values.clone().prop_map(|value| Node { value, key: "k".to_owned(), children: Vec::new() });
    leaf.prop_recursive(5, 40, 6, move |inner| {
        (values.clone(), prop::collection::vec((names.clone().prop_map(str::to_owned), inner), 0..6))
            .prop_map(|(value, children)| Node { value, key: "k".to_owned(), children })
    })
}

proptest! {
    #[test]
    fn any_text_is_a_duration_or_not(text in any::<String>(), number in "[0-9.]{0,30}(ns|us|µs|ms|s|m|h|x)?") {
        for text in [&text, &number, &number.repeat(3)] {
            if let Some(duration) = parse_duration(text) {
                prop_assert!(duration.as_nanos() <= LONGEST);
            }
        }
    }

    #[test]
    fn durations_read_back_as_shown(nanos in 0..=u64::try_from(LONGEST).unwrap(), shift in 0..62u32) {
        let duration = Duration::from_nanos(nanos >> shift);
        prop_assert_eq!(parse_duration(&show_duration(duration)), Some(duration), "{}", show_duration(duration));
    }

    #[test]
    fn any_tree_decodes(node in any_node()) {
        let mut cx = Decoder::default();
        cx.section::<Router>(&node);
        cx.section::<ServiceOptions>(&node);
        cx.section::<MiddlewareOptions>(&node);
        cx.section::<StaticOptions>(&node);
        prop_assert!(cx.path.is_empty());
    }
}
