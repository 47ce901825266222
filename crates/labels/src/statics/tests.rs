use super::*;
use proptest::prelude::*;
use seaway_config::Severity;
use std::time::Duration;

fn try_parse(flags: &[&str], env: &[(&str, &str)]) -> Result<Parsed, Vec<Diagnostic>> {
    let flags: Vec<String> = flags.iter().map(|f| (*f).to_owned()).collect();
    let env: Vec<(String, String)> = env.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    parse(&flags, &env)
}

fn flags(flags: &[&str]) -> StaticOptions {
    try_parse(flags, &[]).unwrap().options
}

fn env(env: &[(&str, &str)]) -> StaticOptions {
    try_parse(&[], env).unwrap().options
}

/// The single mistake.
fn mistake(given: &[&str], env: &[(&str, &str)]) -> Diagnostic {
    let mut found = try_parse(given, env).unwrap_err();
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

#[test]
fn defaults() {
    let options = flags(&[]);
    assert_eq!(options.entry_points["http"].address, ":80");
    assert!(options.providers.docker.is_none() && options.api.is_none() && options.access_log.is_none());
}

#[test]
fn the_ways_to_write_a_flag() {
    for given in [
        &["--log.level=debug"][..],
        &["--log.level", "debug"],
        &["-log.level=DEBUG"],
        &["-LOG.Level", "Debug"],
        &["--log.level=INFO", "--log.level=DEBUG"],
        &["--log=true", "--log.level=DEBUG"],
    ] {
        assert_eq!(flags(given).log.level, "DEBUG", "{given:?}");
    }
    let options = flags(&[
        "--providers.docker",
        "--providers.docker.exposedbydefault=false",
        "--accesslog",
        "--accesslog.format",
        "seaway",
        "--api.insecure",
        "--ping=true",
        "--entrypoints.web.address=:8000",
        "--entryPoints.Web2.address=127.0.0.1:9000/tcp",
        "--entrypoints.web.forwardedheaders.trustedips=10.0.0.0/8",
        "--entrypoints.web.forwardedheaders.trustedips=::1,192.168.0.1",
        "--entrypoints.web.transport.lifecycle.gracetimeout=1m30s",
        "--providers.docker.constraints=Label(`a`, `b=c`)",
        "--seaway.hold.timeout=0",
    ]);
    let docker = options.providers.docker.as_ref().unwrap();
    assert!(!docker.exposed_by_default);
    assert_eq!(docker.constraints, "Label(`a`, `b=c`)");
    assert_eq!(options.access_log.as_ref().unwrap().format, "seaway");
    assert!(options.api.as_ref().unwrap().insecure && options.ping.is_some());
    let names: Vec<_> = options.entry_points.keys().map(String::as_str).collect();
    assert_eq!(names, ["Web2", "traefik", "web"]);
    let web = &options.entry_points["web"];
    assert_eq!(web.forwarded_headers.trusted_ips, ["10.0.0.0/8", "::1", "192.168.0.1"]);
    assert_eq!(web.transport.life_cycle.grace_time_out, Duration::from_secs(90));
    assert_eq!(options.seaway.hold.timeout, Duration::ZERO);
}

#[test]
fn a_switch_does_not_take_the_next_argument() {
    let found = mistake(&["--api.insecure", "false"], &[]);
    assert_eq!((found.code, found.message.as_str()), (Code::UnknownStaticOption, "`false` is no flag"));
    assert!(flags(&["--api=false", "--api.insecure=true"]).api.is_none(), "as with labels");
}

#[test]
fn variables() {
    let options = env(&[
        ("TRAEFIK_PROVIDERS_DOCKER_EXPOSEDBYDEFAULT", "false"),
        ("TRAEFIK_ENTRYPOINTS_WEB_ADDRESS", ":8000"),
        ("TRAEFIK_ENTRYPOINTS_MY_WEB_ADDRESS", ":8001"),
        ("SEAWAY_ENTRYPOINTS_MY_WEB_TRANSPORT_LIFECYCLE_GRACETIMEOUT", "5"),
        ("SEAWAY_SEAWAY_HOLD_MAX", "7"),
        ("TRAEFIK_ACCESSLOG", "true"),
        ("TRAEFIK_PING", ""),
        ("SEAWAY_ENTRYPOINTS_WEB_HTTP_UPGRADES", "websocket,foo"),
        ("TRAEFIK_SERVICE_HOST", "10.0.0.1"),
        ("TRAEFIK_PORT", "tcp://10.0.0.1:80"),
        ("SEAWAY_IMAGE_STAGE", "source"),
        ("PATH", "/bin"),
        ("TRAEFIK_", "x"),
        ("TRAEFIK", "x"),
    ]);
    assert!(!options.providers.docker.as_ref().unwrap().exposed_by_default);
    assert_eq!(options.entry_points["web"].address, ":8000");
    assert_eq!(options.entry_points["my_web"].address, ":8001");
    assert_eq!(options.entry_points["my_web"].transport.life_cycle.grace_time_out, Duration::from_secs(5));
    assert_eq!(options.entry_points["web"].http.upgrades, ["websocket", "foo"]);
    assert_eq!(options.seaway.hold.max, 7);
    assert!(options.access_log.is_some() && options.ping.is_some());
}

#[test]
fn what_overrides_what() {
    let parsed = try_parse(
        &["--log.level=WARN", "--entrypoints.web.forwardedheaders.trustedips=::1", "--api.insecure"],
        &[
            ("TRAEFIK_LOG_LEVEL", "DEBUG"),
            ("SEAWAY_LOG_LEVEL", "ERROR"),
            ("TRAEFIK_LOG_FORMAT", "json"),
            ("TRAEFIK_ENTRYPOINTS_WEB_ADDRESS", ":80"),
            ("TRAEFIK_ENTRYPOINTS_WEB_FORWARDEDHEADERS_TRUSTEDIPS", "10.0.0.0/8"),
            ("TRAEFIK_API", "false"),
        ],
    )
    .unwrap();
    assert_eq!((parsed.options.log.level.as_str(), parsed.options.log.format.as_str()), ("WARN", "json"));
    assert_eq!(parsed.options.entry_points["web"].forwarded_headers.trusted_ips, ["::1"], "a list is replaced");
    assert!(parsed.options.api.unwrap().insecure, "a flag below a section undoes a variable that switched it off");
    assert_eq!(
        parsed.notes,
        [
            "SEAWAY_LOG_LEVEL overrides TRAEFIK_LOG_LEVEL",
            "--log.level overrides SEAWAY_LOG_LEVEL",
            "--entrypoints.web.forwardedheaders.trustedips overrides TRAEFIK_ENTRYPOINTS_WEB_FORWARDEDHEADERS_TRUSTEDIPS",
        ]
    );
    let parsed = try_parse(&["--log.level=WARN", "--log.level=INFO"], &[]).unwrap();
    assert_eq!(parsed.notes, ["--log.level is given more than once; the last counts"]);
}

#[test]
fn unknown_options_name_the_nearest() {
    for (flag, fix) in [
        ("--log.levl=DEBUG", "--log.level"),
        ("--log-level=DEBUG", "--log.level"),
        ("--entrypoint.web.address=:80", "--entryPoints.web.address"),
        ("--entrypoints.web.adress=:80", "--entryPoints.web.address"),
        ("--provider.docker.exposedbydefualt=false", "--providers.docker.exposedByDefault"),
        ("--providers.dokcer", "--providers.docker"),
        ("--exposedbydefault=false", "--providers.docker.exposedByDefault"),
        ("--acesslog.format=json", "--accessLog.format"),
        ("--banana=1", ""),
        ("--log.level.x=1", "--log.level"),
    ] {
        let found = mistake(&[flag], &[]);
        assert_eq!((found.code, found.fix.as_str()), (Code::UnknownStaticOption, fix), "{flag}");
        assert_eq!(found.consequence, "Seaway does not start");
    }
    assert_eq!(
        mistake(&["--log.levl=DEBUG"], &[]).to_string(),
        "SW0701 flags: --log.levl: there is no such option; Seaway does not start; fix: --log.level"
    );
    let found = mistake(&[], &[("TRAEFIK_LOG_LEVL", "DEBUG")]);
    assert_eq!(
        found.to_string(),
        "SW0701 environment: TRAEFIK_LOG_LEVL: there is no such option; Seaway does not start; fix: TRAEFIK_LOG_LEVEL"
    );
    for bad in ["log.level=x", "", "-", "--", "--=x", "--log..level=x", "--log.[0]=x", "--log.\0=x"] {
        assert_eq!(mistake(&[bad], &[]).code, Code::UnknownStaticOption, "{bad:?}");
    }
    assert_eq!(mistake(&["--log.level"], &[]).message, "a value is missing");
    assert_eq!(mistake(&["--log.level", "--ping"], &[]).message, "a value is missing");
}

#[test]
fn every_mistake_is_told_at_once() {
    let found =
        try_parse(&["--log.levl=x", "--log.format=xml", "--ping.x"], &[("TRAEFIK_LOG_LEVEL", "loud")]).unwrap_err();
    assert_eq!(found.len(), 4, "{found:?}");
}

#[test]
fn options_that_only_traefik_has() {
    for flag in [
        "--certificatesresolvers.le.acme.email=a@b.test",
        "--metrics.datadog=true",
        "--metrics.otlp",
        "--tracing",
        "--providers.swarm",
        "--experimental.plugins.x.modulename=y",
        "--tcpserverstransport.dialtimeout=1s",
        "--entrypoints.web.http2.maxconcurrentstreams=10",
        "--entrypoints.web.http3",
        "--entrypoints.web.udp.timeout=3",
        "--hostresolver.cnameflattening",
        "--log.maxsize=1",
    ] {
        let parsed = try_parse(&["--entrypoints.web.address=:80", flag], &[]).unwrap();
        let [found] = &parsed.warnings[..] else { panic!("{flag}: {:?}", parsed.warnings) };
        assert_eq!((found.code, found.severity), (Code::NotSupportedYet, Severity::Warning), "{flag}");
        assert!(found.message.contains("Traefik has this option"), "{flag}");
        assert_eq!(found.consequence, "Seaway starts without it");
    }
    let parsed = try_parse(&["--certificatesresolvers.le.acme.email", "a@b.test"], &[]).unwrap();
    assert_eq!(parsed.warnings.len(), 1, "its value is no mistake");
    for variable in
        ["TRAEFIK_METRICS_STATSD", "TRAEFIK_ENTRYPOINTS_MY_WEB_HTTP3", "TRAEFIK_CERTIFICATESRESOLVERS_LE_ACME_EMAIL"]
    {
        assert_eq!(try_parse(&[], &[(variable, "x")]).unwrap().warnings.len(), 1, "{variable}");
    }
    for flag in ["--serverstransport.spiffe.ids=x", "--spiffe.workloadapiaddr=x", "--serverstransport.peercertsans=x"] {
        let found = mistake(&[flag], &[]);
        assert_eq!(
            (found.code, found.consequence.as_str()),
            (Code::NotSupportedYet, "Seaway does not start"),
            "{flag}"
        );
    }
    for pattern in known::NOT_YET {
        let path: Vec<&str> = pattern.split('.').map(|part| if part == "*" { "web" } else { part }).collect();
        assert_eq!(known::look_up(&path, "x"), known::Found::NotYet, "{pattern} is ours now");
    }
}

#[test]
fn options_without_effect_are_accepted() {
    let parsed = try_parse(
        &[
            "--global.sendanonymoususage=false",
            "--global.checknewversion",
            "--api.dashboard=true",
            "--api.disabledashboardad=true",
        ],
        &[("TRAEFIK_PROVIDERS_DOCKER_SWARMMODE", "false")],
    )
    .unwrap();
    assert_eq!(parsed.notes.len(), 2, "{:?}", parsed.notes);
}

#[test]
fn bad_values() {
    for (flag, code) in [
        ("--log.level=loud", Code::BadStaticValue),
        ("--log.format=xml", Code::BadStaticValue),
        ("--log=verbose", Code::BadStaticValue),
        ("--accesslog.format=apache", Code::BadStaticValue),
        ("--accesslog=yes", Code::BadStaticValue),
        ("--accesslog.filters.statuscodes=200,6xx", Code::BadStaticValue),
        ("--accesslog.filters.statuscodes=599-500", Code::BadStaticValue),
        ("--accesslog.bufferingsize=-1", Code::BadStaticValue),
        ("--api.insecure=maybe", Code::BadStaticValue),
        ("--api.basepath=api", Code::BadStaticValue),
        ("--ping.entrypoint=nowhere", Code::BadStaticValue),
        ("--ping.terminatingstatuscode=42", Code::BadStaticValue),
        ("--metrics.prometheus.entrypoint=nowhere", Code::BadStaticValue),
        ("--metrics.prometheus.buckets=1,fast", Code::BadStaticValue),
        ("--metrics.prometheus.buckets=1,1", Code::BadStaticValue),
        ("--metrics.prometheus.buckets=0,1", Code::BadStaticValue),
        ("--metrics.prometheus.buckets=NaN", Code::BadStaticValue),
        ("--metrics.prometheus.buckets=inf", Code::BadStaticValue),
        ("--seaway.user=nobody", Code::BadStaticValue),
        ("--seaway.user=1:", Code::BadStaticValue),
        ("--seaway.workers=9999", Code::BadStaticValue),
        ("--seaway.hold.timeout=soon", Code::BadStaticValue),
        ("--providers.docker.endpoint=/var/run/docker.sock", Code::BadStaticValue),
        ("--providers.docker.endpoint=unix://", Code::BadStaticValue),
        ("--providers.docker.endpoint=ssh://host", Code::NotSupportedYet),
        ("--providers.docker.constraints=Lable(`a`,`b`)", Code::BadStaticValue),
        ("--providers.docker.defaultrule=Host(`{{ .Name `)", Code::BadStaticValue),
        ("--providers.docker.defaultrule=Host(`{{ nope .Name }}`)", Code::BadStaticValue),
        ("--entrypoints.web.address=80", Code::BadAddress),
        ("--entrypoints.web.address=", Code::BadAddress),
        ("--entrypoints.web", Code::BadAddress),
        ("--entrypoints.web.asdefault=true", Code::BadAddress),
        ("--log.filepath=a\0b", Code::BadStaticValue),
    ] {
        let found = mistake(&[flag], &[]);
        assert_eq!(found.code, code, "{flag}");
        let name = flag.split('=').next().unwrap();
        assert_eq!(found.origin.key.as_ref(), name, "{flag}");
    }
    for (flag, code) in [
        ("--entrypoints.web.forwardedheaders.trustedips=10.0.0.0/99", Code::BadStaticValue),
        ("--entrypoints.web.http.upgrades=websocket,H2C", Code::BadStaticValue),
        ("--entrypoints.web.http.upgrades=web socket", Code::BadStaticValue),
        ("--entrypoints.other.address=127.0.0.1:80", Code::BadAddress),
        ("--entrypoints.web.proxyprotocol.trustedips=10.0.0.0/99", Code::BadStaticValue),
        ("--entrypoints.web.http.middlewares=auth", Code::BadStaticValue),
        ("--entrypoints.web.http.middlewares=auth@", Code::BadStaticValue),
        ("--entrypoints.web.http.underscoreheadersstrategy=drop", Code::BadStaticValue),
        ("--entrypoints.web.http.sanitizepath=maybe", Code::BadStaticValue),
        ("--entrypoints.web.http.tls=yes", Code::BadStaticValue),
        ("--entrypoints.web.http.redirections.entrypoint.to=websecure", Code::BadStaticValue),
        ("--entrypoints.web.http.redirections.entrypoint.to=web", Code::BadStaticValue),
        ("--entrypoints.web.http.redirections.entrypoint.to=:https", Code::BadStaticValue),
        ("--entrypoints.web.http.redirections.entrypoint.permanent=true", Code::BadStaticValue),
        ("--entrypoints.web.observability.traceverbosity=loud", Code::BadStaticValue),
        ("--core.defaultrulesyntax=v2", Code::NotSupportedYet),
        ("--core.defaultrulesyntax=v4", Code::BadStaticValue),
    ] {
        assert_eq!(mistake(&["--entrypoints.web.address=:80", flag], &[]).code, code, "{flag}");
    }
    let found = mistake(&["--entrypoints.web.address=:8080", "--api.insecure"], &[]);
    assert_eq!(found.code, Code::BadAddress, "the implicit entry point needs the port");
    assert_eq!(mistake(&["--entrypoints.web.address=80"], &[]).fix, "--entrypoints.web.address=:80");
    let bad = mistake(&[], &[("TRAEFIK_PROVIDERS_DOCKER_ENDPOINT", "/run/d.sock")]);
    assert_eq!(bad.fix, "TRAEFIK_PROVIDERS_DOCKER_ENDPOINT=unix:///run/d.sock");
}

#[test]
fn enumerations_get_their_documented_spelling() {
    let options = flags(&["--accesslog.format=GENERICclf", "--log.level=fatal", "--log.format=JSON"]);
    assert_eq!(options.access_log.unwrap().format, "genericCLF");
    assert_eq!((options.log.level.as_str(), options.log.format.as_str()), ("ERROR", "json"));
}

#[test]
fn metrics() {
    let options = flags(&["--metrics.prometheus=true"]).metrics.prometheus.unwrap();
    assert_eq!(options.buckets, ["0.1", "0.3", "1.2", "5"]);
    assert!(options.add_entry_points_labels && !options.add_routers_labels && options.add_services_labels);
    let options = env(&[
        ("TRAEFIK_METRICS_PROMETHEUS_BUCKETS", "0.005, 1.0"),
        ("TRAEFIK_METRICS_PROMETHEUS_ADDROUTERSLABELS", "true"),
        ("TRAEFIK_METRICS_ADDINTERNALS", "true"),
    ])
    .metrics;
    let prometheus = options.prometheus.unwrap();
    assert_eq!(prometheus.buckets, ["0.005", "1.0"]);
    assert!(prometheus.add_routers_labels && options.add_internals);
    assert!(flags(&["--metrics.addinternals"]).metrics.prometheus.is_none(), "that alone switches nothing on");
    let many = (1..=62).map(|n| n.to_string()).collect::<Vec<_>>().join(",");
    let found = mistake(&[&format!("--metrics.prometheus.buckets={many}")], &[]);
    assert_eq!(found.message, "more than 61 buckets would make each series too long");
}

#[test]
fn implicit_entry_points_once() {
    for (given, names) in [
        (&[][..], &["http"][..]),
        (&["--api.insecure"], &["http", "traefik"]),
        (&["--ping"], &["http", "traefik"]),
        (&["--api"], &["http"]),
        (&["--ping.manualrouting"], &["http"]),
        (&["--metrics.prometheus"], &["http", "traefik"]),
        (&["--metrics.prometheus.manualrouting"], &["http"]),
        (&["--metrics"], &["http"]),
        (&["--metrics.prometheus.entrypoint=web", "--entrypoints.web.address=:1"], &["web"]),
        (&["--ping.entrypoint=web", "--entrypoints.web.address=:1"], &["web"]),
        (&["--entrypoints.traefik.address=:1", "--api.insecure"], &["traefik"]),
    ] {
        let mut options = flags(given);
        assert_eq!(options.entry_points.keys().collect::<Vec<_>>(), names, "{given:?}");
        let before = options.clone();
        implicit_entry_points(&mut options);
        assert_eq!(options, before);
    }
}

#[test]
fn help_lists_every_option() {
    let help = help();
    for line in [
        "  --entryPoints.<name>.address=<text>",
        "  --providers.docker[=true|false]",
        "  --providers.docker.exposedByDefault[=true|false]",
        "  --seaway.hold.timeout=<duration>",
        "(default Host(`{{ normalize .Name }}`))",
    ] {
        assert!(help.contains(line), "{line}");
    }
    let mut all = Vec::new();
    known::paths(StaticOptions::OPTIONS, "", &mut all);
    let leaf = |path: &&String| !all.iter().any(|other| other.starts_with(&format!("{path}.")));
    assert_eq!(all.iter().filter(leaf).find(|path| !help.contains(&format!("--{path}"))), None);
}

proptest! {
    #[test]
    fn nothing_panics(
        given in proptest::collection::vec("(-{0,2})(log|entrypoints|web|api|\\.|=|\\[0\\]|level|address|:80|true|\\PC){0,6}", 0..5),
        key in "(TRAEFIK|SEAWAY)_(LOG|ENTRYPOINTS|API|METRICS)(_(A|É|LEVEL|ADDRESS|HTTP|TLS|))?{0,5}", value in any::<String>()
    ) {
        if let Err(found) = parse(&given, &[(key, value)]) {
            prop_assert!(!found.is_empty());
            prop_assert!(found.iter().all(|d| !d.to_string().chars().any(char::is_control)), "{:?}", found);
        }
    }
}

#[test]
fn variables_that_nearly_are_ours() {
    for (given, meant) in [
        ("SEAWAY_ENTRYPOINT_WEB_ADDRESS", "SEAWAY_ENTRYPOINTS_WEB_ADDRESS"),
        ("SEAWAY_ACCESS_LOG_FORMAT", "SEAWAY_ACCESSLOG_FORMAT"),
        ("SEAWAY_PROVIDER_DOCKER", "SEAWAY_PROVIDERS_DOCKER"),
    ] {
        assert_eq!(mistake(&[], &[(given, "x")]).fix, meant);
        let (given, meant) = (given.replace("SEAWAY", "TRAEFIK"), meant.replace("SEAWAY", "TRAEFIK"));
        let parsed = try_parse(&[], &[(&given, "x")]).unwrap();
        assert_eq!(parsed.notes, [format!("{given} is not read; {meant} would be")]);
    }
    for foreign in ["SEAWAY_VERSION", "SEAWAY_PORT_80_TCP", "SEAWAY_LOGIN_URL", "SEAWAY_HOME"] {
        assert!(try_parse(&[], &[(foreign, "x")]).unwrap().notes.is_empty(), "{foreign}");
    }
    assert_eq!(mistake(&[], &[("SEAWAY_ENTRYPOINTS_WEB", "x")]).fix, "", "the same again would not help");
}

#[test]
fn short_words_are_not_near_to_everything() {
    for given in ["-x", "--foo", "--a.b"] {
        assert_eq!(mistake(&[given], &[]).fix, "", "{given}");
    }
}

#[test]
fn passwords_in_endpoints_are_not_repeated() {
    for endpoint in ["tcp://u:geheim@h:1", "foo://u:geheim@h", "https://geheim@h:1/x"] {
        let found = mistake(&[&format!("--providers.docker.endpoint={endpoint}")], &[]).to_string();
        assert!(!found.contains("geheim") && found.contains("username and password"), "{found}");
    }
}

#[test]
fn own_options_need_not_say_seaway_twice() {
    let options = env(&[
        ("SEAWAY_HOLD_TIMEOUT", "3s"),
        ("SEAWAY_WORKERS", "1"),
        ("SEAWAY_LABELS_ALLOWINTERNAL", "true"),
        ("SEAWAY_SEAWAY_HOLD_MAX", "7"),
    ])
    .seaway;
    assert_eq!((options.hold.timeout, options.workers), (Duration::from_secs(3), 1));
    assert_eq!((options.labels.allow_internal, options.hold.max), (true, 7));
    assert_eq!(mistake(&[], &[("SEAWAY_HOLD_TIMEOUT", "abc")]).origin.key, "SEAWAY_HOLD_TIMEOUT".into());
    assert_eq!(mistake(&[], &[("SEAWAY_HOLD_TIMOUT", "3s")]).fix, "SEAWAY_HOLD_TIMEOUT");
    let both = try_parse(&[], &[("SEAWAY_WORKERS", "1"), ("SEAWAY_SEAWAY_WORKERS", "2")]).unwrap();
    assert_eq!((both.options.seaway.workers, both.notes.len()), (2, 1), "{:?}", both.notes);
    for foreign in ["SEAWAY_IMAGE_STAGE", "SEAWAY_LABELS_COLOUR", "SEAWAY_HOLDINGS", "TRAEFIK_WORKERS"] {
        let parsed = try_parse(&[], &[(foreign, "abc")]).unwrap();
        assert!(parsed.notes.is_empty(), "{foreign}: {:?}", parsed.notes);
    }
}

#[test]
fn names_of_entry_points_are_plain() {
    for name in ["we b", "we/b", "web@x", "we`b", "web,"] {
        let found = mistake(&[&format!("--entrypoints.{name}.address"), ":80"], &[]);
        assert_eq!(found.code, Code::BadStaticValue, "{found}");
        assert!(found.message.ends_with(&format!("unlike `{name}`")), "{found}");
    }
    assert!(flags(&["--entrypoints.My-web_2.address=:80"]).entry_points.contains_key("My-web_2"));
}

#[test]
fn udp_entry_points_are_left_out() {
    let parsed = try_parse(&["--entrypoints.dns.address=:53/UDP", "--entrypoints.web.address=:80"], &[]).unwrap();
    assert_eq!(parsed.options.entry_points.keys().collect::<Vec<_>>(), ["web"]);
    assert_eq!(
        parsed.warnings.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["SW0108 flags: --entrypoints.dns.address: UDP entry points do not work yet; nothing listens on dns"]
    );
}

#[test]
fn tls_on_an_entry_point_is_told_of() {
    for flag in ["--entrypoints.web.http.tls", "--entrypoints.web.http.tls.certresolver=le"] {
        let parsed = try_parse(&["--entrypoints.web.address=:443", flag], &[]).unwrap();
        assert!(parsed.options.entry_points["web"].http.tls.is_some());
        assert_eq!(parsed.warnings[0].code, Code::TlsNotSupportedYet, "{flag}");
        assert!(parsed.warnings[0].consequence.contains("answers 503"));
    }
}

mod faulty;
mod reference;
mod sources;
