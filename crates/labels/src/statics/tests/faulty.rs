//! Files with a fault, each with its code, its place, and what happens.

use super::*;

/// Text of a YAML file, code, `line key`, fix.
const YAML: &[(&str, Code, &str, &str)] = &[
    // what is no YAML, or has two readings
    ("a: b\n  c: d\n", Code::BadStaticFile, "x.yml:2", ""),
    ("log:\n\tlevel: x\n", Code::BadStaticFile, "x.yml:2", ""),
    ("log: [\n", Code::BadStaticFile, "x.yml:2", ""),
    ("- log\n", Code::BadStaticFile, "x.yml:1", ""),
    ("just words\n", Code::BadStaticFile, "x.yml:1", ""),
    ("log: {level: INFO}\nlog: {level: INFO}\n", Code::BadStaticFile, "x.yml:2", ""),
    ("log:\n  level: INFO\n  level: WARN\n", Code::BadStaticFile, "x.yml:3", ""),
    ("log: {}\n---\nping: {}\n", Code::BadStaticFile, "x.yml:2", ""),
    ("log: *x\n", Code::BadStaticFile, "x.yml:1", ""),
    ("log: !include log.yml\n", Code::BadStaticFile, "x.yml:1", ""),
    ("log: {level: \"a\\0b\"}\n", Code::BadStaticFile, "x.yml:1", ""),
    ("log:\n  level: INFO\nLog:\n  format: json\n", Code::BadStaticValue, "x.yml:3 Log", ""),
    (
        "entryPoints:\n  web: {address: :80}\n  Web: {address: :81}\n",
        Code::BadStaticValue,
        "x.yml:3 entryPoints.Web",
        "",
    ),
    ("log:\n  level: INFO\n  Level: INFO\n", Code::BadStaticValue, "x.yml:3 log.Level", ""),
    // options that do not exist
    ("entryPoint:\n  web:\n    address: :80\n", Code::UnknownStaticOption, "x.yml:1 entryPoint", "entryPoints"),
    (
        "entrypoints:\n  web:\n    adress: :80\n    address: :80\n",
        Code::UnknownStaticOption,
        "x.yml:3 entrypoints.web.adress",
        "entryPoints.web.address",
    ),
    ("provider:\n  docker: {}\n", Code::UnknownStaticOption, "x.yml:1 provider", "providers"),
    ("providers:\n  dokcer: {}\n", Code::UnknownStaticOption, "x.yml:2 providers.dokcer", "providers.docker"),
    (
        "providers:\n  docker:\n    exposedByDefualt: false\n",
        Code::UnknownStaticOption,
        "x.yml:3 providers.docker.exposedByDefualt",
        "providers.docker.exposedByDefault",
    ),
    (
        "exposedByDefault: false\n",
        Code::UnknownStaticOption,
        "x.yml:1 exposedByDefault",
        "providers.docker.exposedByDefault",
    ),
    ("acessLog: {}\n", Code::UnknownStaticOption, "x.yml:1 acessLog", "accessLog"),
    ("access_log: {}\n", Code::UnknownStaticOption, "x.yml:1 access_log", "accessLog"),
    ("log.level: DEBUG\n", Code::UnknownStaticOption, "x.yml:1 log.level", "log.level"),
    ("log:\n  levl: DEBUG\n", Code::UnknownStaticOption, "x.yml:2 log.levl", "log.level"),
    ("banana: 1\n", Code::UnknownStaticOption, "x.yml:1 banana", ""),
    ("services:\n  web: {}\n", Code::UnknownStaticOption, "x.yml:1 services", ""),
    ("http:\n  routers: {}\n", Code::UnknownStaticOption, "x.yml:1 http", "providers.file.filename"),
    ("tls:\n  certificates: []\n", Code::UnknownStaticOption, "x.yml:1 tls", "providers.file.filename"),
    ("tcp: {}\n", Code::UnknownStaticOption, "x.yml:1 tcp", "providers.file.filename"),
    (
        "entryPoints:\n  web:\n    address: :80\n    http:\n      redirection: {}\n",
        Code::UnknownStaticOption,
        "x.yml:5 entryPoints.web.http.redirection",
        "entryPoints.web.http.redirections",
    ),
    (
        "entryPoints:\n  web:\n    address: :80\n    http:\n      redirections:\n        entryPoint:\n          too: :443\n          to: :443\n",
        Code::UnknownStaticOption,
        "x.yml:7 entryPoints.web.http.redirections.entryPoint.too",
        "entryPoints.web.http.redirections.entryPoint.to",
    ),
    // values of the wrong form
    ("log: DEBUG\n", Code::BadStaticValue, "x.yml:1 log", ""),
    ("log:\n  level: loud\n", Code::BadStaticValue, "x.yml:2 log.level", ""),
    ("log:\n  level: [DEBUG]\n", Code::UnknownStaticOption, "x.yml:2 log.level[0]", ""),
    ("log:\n  level: {is: DEBUG}\n", Code::UnknownStaticOption, "x.yml:2 log.level.is", ""),
    ("api:\n  insecure: yes\n", Code::BadStaticValue, "x.yml:2 api.insecure", ""),
    ("providers:\n  docker: maybe\n", Code::BadStaticValue, "x.yml:2 providers.docker", ""),
    ("providers: docker\n", Code::BadStaticValue, "x.yml:1 providers", ""),
    (
        "providers:\n  docker:\n    endpoint: /var/run/docker.sock\n",
        Code::BadStaticValue,
        "x.yml:3 providers.docker.endpoint",
        "providers.docker.endpoint: unix:///var/run/docker.sock",
    ),
    (
        "providers:\n  docker:\n    httpClientTimeout: soon\n",
        Code::BadStaticValue,
        "x.yml:3 providers.docker.httpClientTimeout",
        "",
    ),
    ("entryPoints: :80\n", Code::BadStaticValue, "x.yml:1 entryPoints", ""),
    ("entryPoints:\n  web: :80\n", Code::BadStaticValue, "x.yml:2 entryPoints.web", ""),
    ("entryPoints:\n  - address: :80\n", Code::BadStaticValue, "x.yml:2 entryPoints[0]", ""),
    ("entryPoints:\n  web:\n", Code::BadAddress, "x.yml:2 entryPoints.web", "--entryPoints.web.address=:80"),
    (
        "entryPoints:\n  web:\n    address: 80\n",
        Code::BadAddress,
        "x.yml:3 entryPoints.web.address",
        "entryPoints.web.address: :80",
    ),
    (
        "entryPoints:\n  web:\n    address: :80\n    http:\n      middlewares: [auth]\n",
        Code::BadStaticValue,
        "x.yml:5 entryPoints.web.http.middlewares",
        "entryPoints.web.http.middlewares: auth@docker",
    ),
    (
        "entryPoints:\n  web:\n    address: :80\n    http:\n      redirections:\n        entryPoint:\n          to: websecure\n",
        Code::BadStaticValue,
        "x.yml:7 entryPoints.web.http.redirections.entryPoint.to",
        "entryPoints.web.http.redirections.entryPoint.to: :443",
    ),
    (
        "entryPoints:\n  web:\n    address: :80\n    forwardedHeaders:\n      trustedIPs: [10.0.0.0/99]\n",
        Code::BadStaticValue,
        "x.yml:5 entryPoints.web.forwardedHeaders.trustedIPs",
        "",
    ),
    (
        "entryPoints:\n  a: {address: :80}\n  b: {address: \"127.0.0.1:80\"}\n",
        Code::BadAddress,
        "x.yml:3 entryPoints.b.address",
        "",
    ),
    ("ping:\n  entryPoint: web\n", Code::BadStaticValue, "x.yml:2 ping.entryPoint", ""),
    (
        "ping:\n  terminatingStatusCode: 42\n",
        Code::BadStaticValue,
        "x.yml:2 ping.terminatingStatusCode",
        "ping.terminatingStatusCode: 503",
    ),
    (
        "accessLog:\n  filters:\n    statusCodes: [\"200\", 6xx]\n",
        Code::BadStaticValue,
        "x.yml:3 accessLog.filters.statusCodes",
        "",
    ),
    (
        "core:\n  defaultRuleSyntax: v2\n",
        Code::NotSupportedYet,
        "x.yml:2 core.defaultRuleSyntax",
        "core.defaultRuleSyntax: v3",
    ),
    ("spiffe:\n  workloadAPIAddr: x\n", Code::NotSupportedYet, "x.yml:1 spiffe", ""),
    ("seaway:\n  workers: -1\n", Code::BadStaticValue, "x.yml:2 seaway.workers", ""),
];

#[test]
fn each_names_its_line_and_starts_nothing() {
    assert!(YAML.len() >= 50);
    for (text, code, place, fix) in YAML {
        let file = StaticFile { path: "x.yml".into(), text: (*text).to_owned() };
        let found = parse_all(&[], &[], Some(&file)).expect_err(text);
        assert_eq!(found.len(), 1, "{text}: {found:?}");
        let Diagnostic { code: got, severity, origin, consequence, fix: got_fix, .. } = &found[0];
        let got_place = format!("{} {}", origin.resource, origin.key);
        assert_eq!((got, got_place.trim(), got_fix.as_str()), (code, *place, *fix), "{text}: {}", found[0]);
        assert_eq!((&*origin.provider, *severity), ("file", Severity::Error));
        assert_eq!(consequence, "Seaway does not start");
    }
}

#[test]
fn toml_is_told_of_in_the_same_way() {
    for (text, code, place) in [
        ("[log]\nlevel = \n", Code::BadStaticFile, "x.toml:2"),
        ("[log]\nlevl = 'x'\n", Code::UnknownStaticOption, "x.toml:2 log.levl"),
        ("[entryPoints.web]\naddress = 80\n", Code::BadAddress, "x.toml:2 entryPoints.web.address"),
        ("[[entryPoints]]\naddress = ':80'\n", Code::BadStaticValue, "x.toml:1 entryPoints[0]"),
        ("[api]\ninsecure = 'maybe'\n", Code::BadStaticValue, "x.toml:2 api.insecure"),
        ("[log]\nlevel = 'INFO'\n[log]\n", Code::BadStaticFile, "x.toml:3"),
    ] {
        let file = StaticFile { path: "x.toml".into(), text: text.to_owned() };
        let found = parse_all(&[], &[], Some(&file)).expect_err(text);
        let got = format!("{} {}", found[0].origin.resource, found[0].origin.key);
        assert_eq!((found[0].code, got.trim()), (code, place), "{text}: {}", found[0]);
    }
    let file = StaticFile { path: "traefik.conf".into(), text: String::new() };
    let found = parse_all(&[], &[], Some(&file)).unwrap_err();
    assert_eq!(found[0].code, Code::BadStaticFile);
    let file = StaticFile { path: "x.yml".into(), text: "entryPoints:\n  web:\n    adress: :80\n".to_owned() };
    assert_eq!(
        parse_all(&[], &[], Some(&file)).unwrap_err()[0].to_string(),
        "SW0701 file x.yml:3: entryPoints.web.adress: there is no such option; Seaway does not start; fix: entryPoints.web.address"
    );
}

proptest! {
    #[test]
    fn nothing_panics_in_files(text in "((log|entryPoints|web|api|level|address|http|tls|redirections|a|\\[0\\])(: |:\n +|\\.|: \\[|\\]\n| = |\n)(:80|true|\\PC|)){0,8}") {
        for path in ["x.yml", "x.toml"] {
            if let Err(found) = parse_all(&[], &[], Some(&StaticFile { path: path.into(), text: text.clone() })) {
                prop_assert!(found.iter().all(|d| !d.to_string().chars().any(char::is_control)), "{:?}", found);
            }
        }
    }
}
