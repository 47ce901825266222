//! Each option means the same wherever it stands.

use seaway_config::catalogue::{Kind, OptionSpec, Section};

use super::*;

/// Values of texts that are checked.
const TEXTS: &[(&str, &str)] = &[
    ("entryPoints.web.address", ":8000"),
    ("entryPoints.web.http.redirections.entryPoint.to", ":8443"),
    ("entryPoints.web.http.redirections.entryPoint.scheme", "http"),
    ("entryPoints.web.http.underscoreHeadersStrategy", "reject"),
    ("entryPoints.web.http.middlewares", "a@file,b@docker"),
    ("entryPoints.web.http.upgrades", "websocket,tea"),
    ("entryPoints.web.observability.traceVerbosity", "detailed"),
    ("entryPoints.web.forwardedHeaders.trustedIPs", "10.0.0.0/8,::1"),
    ("entryPoints.web.proxyProtocol.trustedIPs", "10.0.0.0/8,::1"),
    ("providers.docker.endpoint", "tcp://engine:2375"),
    ("providers.docker.constraints", "Label(`a`, `b`)"),
    ("providers.docker.defaultRule", "Host(`{{ .Name }}.test`)"),
    ("api.basePath", "/base"),
    ("ping.entryPoint", "web"),
    ("ping.terminatingStatusCode", "204"),
    ("metrics.prometheus.entryPoint", "web"),
    ("metrics.prometheus.buckets", "0.5,2"),
    ("metrics.prometheus.headerLabels.key", "User-Agent"),
    ("accessLog.format", "json"),
    ("accessLog.filters.statusCodes", "404,500-599"),
    ("accessLog.fields.defaultMode", "drop"),
    ("accessLog.fields.headers.defaultMode", "keep"),
    ("accessLog.fields.queryParameters.defaultMode", "drop"),
    ("accessLog.fields.names.key", "drop"),
    ("accessLog.fields.headers.names.key", "redact"),
    ("log.level", "DEBUG"),
    ("log.format", "json"),
    ("core.defaultRuleSyntax", "v3"),
    ("seaway.user", "1:2"),
    ("seaway.workers", "3"),
];

fn options(specs: &'static [OptionSpec], above: &str, into: &mut Vec<(String, Kind)>) {
    for spec in specs {
        let path = format!("{above}{}", spec.name);
        match spec.kind {
            Kind::Section => options(spec.below, &format!("{path}."), into),
            Kind::NamedSections => options(spec.below, &format!("{path}.web."), into),
            Kind::Map => into.push((format!("{path}.key"), Kind::Text)),
            kind => {
                into.push((path.clone(), kind));
                options(spec.below, &format!("{path}."), into);
            }
        }
    }
}

fn value(path: &str, kind: Kind) -> &'static str {
    let known = TEXTS.iter().find(|(known, _)| *known == path).map(|(_, value)| *value);
    known.unwrap_or(match kind {
        Kind::Bool | Kind::SwitchSection => "true",
        Kind::Int => "7",
        Kind::Duration => "90s",
        Kind::List => "a,b",
        _ => "/some/text",
    })
}

/// `{"a": {"b": value}}`, which is YAML too.
fn nested(path: &str, value: &str) -> String {
    let (open, close): (String, String) =
        path.split('.').map(|name| (format!("{{\"{name}\": "), "}".to_owned())).unzip();
    format!("{open}{value}{close}")
}

fn with_file(name: &str, text: String) -> Result<Parsed, Vec<Diagnostic>> {
    parse_all(&[], &[], Some(&StaticFile { path: name.into(), text }))
}

#[test]
fn flags_variables_yaml_and_toml_agree_on_every_option() {
    let mut all = Vec::new();
    options(StaticOptions::OPTIONS, "", &mut all);
    assert!(all.len() > 120, "{}", all.len());
    let default = flags(&["--entrypoints.web.address=:80"]);
    let mut without_effect = Vec::new();
    for (path, kind) in all {
        let value = value(&path, kind);
        // What stands on an entry point needs one, and so does what names one; a redirection needs a goal.
        let mut also = vec![("entryPoints.web.address", ":80")];
        if path.starts_with("entryPoints.web.http.redirections") {
            also.push(("entryPoints.web.http.redirections.entryPoint.to", ":8443"));
        }
        also.retain(|(other, _)| *other != path);
        let base: Vec<(String, String)> = also
            .iter()
            .map(|(path, value)| (format!("TRAEFIK_{}", path.replace('.', "_").to_uppercase()), (*value).to_owned()))
            .collect();
        let given = |flags: &[String], env: &[(String, String)], file: Option<StaticFile>| {
            let env: Vec<_> = base.iter().chain(env).cloned().collect();
            match parse_all(flags, &env, file.as_ref()) {
                Ok(parsed) => StaticOptions { config_file: String::new(), ..parsed.options },
                Err(found) => panic!("{path}={value}: {found:?}"),
            }
        };
        let item = |text: &str, is_text: bool| if is_text { format!("'{text}'") } else { text.to_owned() };
        let is_text = !matches!(kind, Kind::Bool | Kind::Int | Kind::SwitchSection);
        let written = match kind {
            Kind::List => {
                format!("[{}]", value.split(',').map(|text| format!("'{text}'")).collect::<Vec<_>>().join(", "))
            }
            _ => item(value, is_text),
        };
        let flag = given(&[format!("--{}={value}", path.to_lowercase())], &[], None);
        let variable = path.replace('.', "_").to_uppercase();
        let sources = [
            ("variable", given(&[], &[(format!("TRAEFIK_{variable}"), value.to_owned())], None)),
            ("own variable", given(&[], &[(format!("SEAWAY_{variable}"), value.to_owned())], None)),
            ("yaml", given(&[], &[], Some(StaticFile { path: "x.yml".into(), text: nested(&path, &written) }))),
            ("toml", given(&[], &[], Some(StaticFile { path: "x.toml".into(), text: format!("{path} = {written}") }))),
        ];
        for (source, options) in sources {
            assert_eq!(options, flag, "{path} as {source}");
        }
        if flag == default {
            without_effect.push(path);
        }
    }
    // These were given the value that they have anyway.
    without_effect.retain(|path| {
        !["true", ":80", "v3"]
            .contains(&TEXTS.iter().find(|(known, _)| known == path).map_or("true", |(_, value)| value))
    });
    assert!(without_effect.is_empty(), "{without_effect:?}");
}

#[test]
fn all_three_add_up() {
    let file = StaticFile {
        path: "/etc/traefik/traefik.yml".into(),
        text: "\
entryPoints:
  web:
    address: \":80\"
    forwardedHeaders:
      trustedIPs:
        - 10.0.0.0/8
        - 192.168.0.0/16
  other:
    address: \":81\"
log:
  level: DEBUG
  format: json
providers:
  docker: {}
api:
ping: false
"
        .to_owned(),
    };
    let arguments = ["--log.level=WARN", "--entrypoints.WEB.forwardedheaders.trustedips=::1"].map(str::to_owned);
    let environment = [("TRAEFIK_LOG_FORMAT", "common"), ("SEAWAY_PING_MANUALROUTING", "true")];
    let environment = environment.map(|(key, value)| (key.to_owned(), value.to_owned()));
    let Parsed { options, notes, warnings } = parse_all(&arguments, &environment, Some(&file)).unwrap();
    assert_eq!((options.log.level.as_str(), options.log.format.as_str()), ("WARN", "common"));
    assert_eq!(options.entry_points["web"].forwarded_headers.trusted_ips, ["::1"]);
    assert_eq!(options.entry_points["other"].address, ":81");
    assert!(options.providers.docker.is_some() && options.api.is_some());
    assert!(options.ping.unwrap().manual_routing, "an option below it undoes the file's false");
    assert!(warnings.is_empty());
    assert_eq!(
        notes,
        [
            "static options are read from /etc/traefik/traefik.yml",
            "TRAEFIK_LOG_FORMAT overrides /etc/traefik/traefik.yml:12: log.format",
            "--log.level overrides /etc/traefik/traefik.yml:11: log.level",
            "--entrypoints.WEB.forwardedheaders.trustedips overrides /etc/traefik/traefik.yml:5: entryPoints.web.forwardedHeaders.trustedIPs",
        ]
    );
}

#[test]
fn a_file_of_traefiks_documentation() {
    let yaml = "\
global:
  checkNewVersion: true
  sendAnonymousUsage: false
entryPoints:
  web:
    address: :80
    http:
      redirections:
        entryPoint:
          to: websecure
          scheme: https
  websecure:
    address: :443
    http:
      tls:
        certResolver: le
log:
  level: INFO
  maxSize: 10
api:
  insecure: true
  dashboard: true
ping: {}
accessLog:
  filePath: /tmp/access.log
  filters:
    statusCodes: [\"200\", \"300-302\"]
    retryAttempts: true
    minDuration: \"10ms\"
providers:
  docker:
    endpoint: \"unix:///var/run/docker.sock\"
    exposedByDefault: false
certificatesResolvers:
  le:
    acme:
      email: a@b.test
      storage: acme.json
      httpChallenge:
        entryPoint: web
experimental:
  plugins:
    x:
      moduleName: y
";
    let parsed = with_file("traefik.yaml", yaml.to_owned()).unwrap();
    let options = parsed.options;
    assert_eq!(options.entry_points.keys().collect::<Vec<_>>(), ["traefik", "web", "websecure"]);
    let redirect = options.entry_points["web"].http.redirections.entry_point.as_ref().unwrap();
    assert_eq!((redirect.to.as_str(), redirect.permanent, redirect.priority), ("websecure", true, i64::MAX - 1));
    assert_eq!(options.access_log.unwrap().filters.status_codes, ["200", "300-302"]);
    let codes: Vec<_> = parsed.warnings.iter().map(|warning| (warning.code, &*warning.origin.key)).collect();
    assert_eq!(
        codes,
        [
            (Code::NotSupportedYet, "log.maxSize"),
            (Code::NotSupportedYet, "certificatesResolvers"),
            (Code::NotSupportedYet, "experimental"),
            (Code::TlsNotSupportedYet, "entryPoints.websecure.http.tls"),
        ]
    );
    assert_eq!(&*parsed.warnings[0].origin.resource, "traefik.yaml:19");
}

#[test]
fn a_line_left_empty_says_nothing() {
    let parsed = with_file(
        "x.yml",
        "log:\n  level:\n  filePath:\nentryPoints:\n  web:\n    address: :80\n    asDefault:\n".to_owned(),
    );
    let options = parsed.unwrap().options;
    assert_eq!((options.log.level.as_str(), options.entry_points["web"].as_default), ("INFO", false));
    for empty in ["", "# nothing\n", "{}"] {
        assert_eq!(with_file("x.yml", empty.to_owned()).unwrap().options, flags(&[]), "{empty:?}");
    }
}

#[test]
fn where_a_file_is_named_or_looked_for() {
    let named = |flags: &[&str], env: &[(&str, &str)]| {
        let flags: Vec<String> = flags.iter().map(|flag| (*flag).to_owned()).collect();
        let env: Vec<_> = env.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        config_file(&flags, &env).map(|path| path.display().to_string())
    };
    for (flags, env, expected) in [
        (&["--configFile=/a.yml"][..], &[][..], Some("/a.yml")),
        (&["--configfile", "/a.yml"], &[], Some("/a.yml")),
        (&["-configFile=/a.yml", "--log.level=x", "--configfile=/b.yml"], &[], Some("/b.yml")),
        (&[], &[("TRAEFIK_CONFIGFILE", "/t.yml")], Some("/t.yml")),
        (&[], &[("TRAEFIK_CONFIGFILE", "/t.yml"), ("SEAWAY_CONFIGFILE", "/s.yml")], Some("/s.yml")),
        (&["--configfile=/a.yml"], &[("SEAWAY_CONFIGFILE", "/s.yml")], Some("/a.yml")),
        (&["--configfile=", "--ping"], &[], None),
        (&["--configfile", "--ping"], &[], None),
        (&["--ping"], &[], None),
    ] {
        assert_eq!(named(flags, env).as_deref(), expected, "{flags:?} {env:?}");
    }
    let env = [("HOME", "/root"), ("XDG_CONFIG_HOME", "/xdg")].map(|(key, value)| (key.to_owned(), value.to_owned()));
    let places: Vec<String> = usual_places(&env).iter().map(|path| path.display().to_string()).collect();
    assert_eq!(
        places.iter().map(String::as_str).filter(|place| place.ends_with(".yml")).collect::<Vec<_>>(),
        [
            "/etc/seaway/seaway.yml",
            "/etc/traefik/traefik.yml",
            "/xdg/seaway.yml",
            "/xdg/traefik.yml",
            "/root/.config/seaway.yml",
            "/root/.config/traefik.yml",
            "./seaway.yml",
            "./traefik.yml",
        ]
    );
    assert_eq!(places.len(), 24);
    assert_eq!(usual_places(&[]).len(), 12);
    assert_eq!(flags(&["--configfile=/a.yml"]).config_file, "/a.yml");
}
