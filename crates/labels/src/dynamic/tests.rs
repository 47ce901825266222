//! What files say, row by row.

use seaway_config::Severity;

use super::*;

mod faults;
mod slips;

/// Decodes YAML; the first line of the text is line 1.
fn yaml(text: &str) -> Dynamic {
    read_dynamic(Format::Yaml, "file", "a.yml", text, &|_| None).unwrap()
}

fn toml(text: &str) -> Dynamic {
    read_dynamic(Format::Toml, "file", "a.toml", text, &|_| None).unwrap()
}

/// Why a router is off; `None` if it is published.
fn router_off(found: &Dynamic, name: &str) -> Option<Code> {
    found.routers[name].quarantine.as_ref().map(|d| d.code)
}

const GOOD: &str = r#"
http:
  routers:
    web:
      rule: Host(`a.test`) && PathPrefix(`/x`)
      entryPoints: [web, other]
      middlewares:
        - auth@docker
        - strip
      service: web
      priority: 42
      observability: { accessLogs: false }
    Web:
      rule: Host(`b.test`)
      service: other@docker
    web.v2:
      rule: |
        Host(`c.test`) ||
        Host(`d.test`)
      service: web
  services:
    web:
      loadBalancer:
        passHostHeader: false
        sticky:
          cookie: { name: s, httpOnly: true }
        servers:
          - url: http://10.0.0.7:8080
          - url: http://app.internal/base
            weight: 3
            preservePath: true
    bare:
      loadBalancer:
        servers: []
    canary:
      weighted:
        services:
          - { name: web, weight: 9 }
          - { name: other@docker }
        sticky: { cookie: {} }
    copy:
      mirroring: { service: web, mirrors: [ { name: canary, percent: 10 } ] }
    both:
      failover: { service: web, fallback: canary }
    hrw:
      highestRandomWeight: { services: [ { name: web } ] }
  middlewares:
    strip:
      stripPrefix: { prefixes: [/x, /y] }
    head:
      headers:
        customRequestHeaders:
          X-One: "1"
          X-Gone: ""
        customResponseHeaders:
          Content-Security-Policy: >
            default-src 'self';
            img-src *
    all:
      chain: { middlewares: [strip, head] }
  serversTransports:
    own:
      serverName: x.test
      insecureSkipVerify: true
"#;

#[test]
fn a_whole_file() {
    let found = yaml(GOOD);
    assert!(found.diagnostics.is_empty(), "{:#?}", found.diagnostics);
    assert_eq!(found.routers.keys().collect::<Vec<_>>(), ["Web", "web", "web.v2"], "names keep their case and dots");
    let web = &found.routers["web"];
    assert_eq!(web.value.entry_points, ["web", "other"]);
    assert_eq!(web.value.middlewares, ["auth@docker", "strip"]);
    assert_eq!((web.value.service.as_str(), web.value.priority), ("web", 42));
    assert_eq!(web.value.observability.as_ref().and_then(|o| o.access_logs), Some(false));
    assert_eq!(web.origin, Origin::resource("file", "a.yml:4").at("http.routers.web"));
    assert_eq!(found.routers["web.v2"].value.rule, "Host(`c.test`) ||\nHost(`d.test`)\n");

    let service = &found.services["web"];
    let balancer = service.value.options.load_balancer.as_ref().unwrap();
    assert!(!balancer.pass_host_header);
    assert_eq!(balancer.sticky.as_ref().and_then(|s| s.cookie.as_ref()).unwrap().name, "s");
    let servers: Vec<_> = balancer.servers.iter().map(|s| (s.url.as_str(), s.weight, s.preserve_path)).collect();
    assert_eq!(servers, [("http://10.0.0.7:8080", 1, false), ("http://app.internal/base", 3, true)]);
    let place = |line: u32, at: u32| {
        Origin::resource("file", &format!("a.yml:{line}")).at(&format!("http.services.web.loadBalancer.servers[{at}]"))
    };
    assert_eq!(service.value.places, [place(28, 0), place(29, 1)]);
    assert!(found.services["bare"].value.options.load_balancer.is_some(), "a pool may be empty");
    let canary = found.services["canary"].value.options.weighted.as_ref().unwrap();
    let members: Vec<_> = canary.services.iter().map(|m| (m.name.as_str(), m.weight)).collect();
    assert_eq!(members, [("web", 9), ("other@docker", 1)]);
    assert!(canary.sticky.as_ref().unwrap().cookie.is_some());
    let copy = found.services["copy"].value.options.mirroring.as_ref().unwrap();
    assert_eq!((copy.mirrors[0].name.as_str(), copy.mirrors[0].percent), ("canary", 10));
    assert_eq!(found.services["both"].value.options.failover.as_ref().unwrap().fallback, "canary");
    assert!(found.services["hrw"].value.options.highest_random_weight.is_some());

    let Middleware::StripPrefix(strip) = &found.middlewares["strip"].value else { panic!("{found:?}") };
    assert_eq!(strip.prefixes, ["/x", "/y"]);
    let Middleware::Headers(head) = &found.middlewares["head"].value else { panic!("{found:?}") };
    assert_eq!(head.custom_request_headers["X-One"], "1");
    assert_eq!(head.custom_request_headers["X-Gone"], "", "which removes it");
    assert_eq!(
        head.custom_response_headers["Content-Security-Policy"], "default-src 'self'; img-src *",
        "no header has a line break"
    );
    let own = &found.servers_transports["own"].value;
    assert_eq!((own.server_name.as_str(), own.insecure_skip_verify), ("x.test", true));
}

#[test]
fn toml_says_the_same() {
    let found = toml(
        r#"
[http.routers.web]
  rule = "Host(`a.test`)"
  service = "web"
  middlewares = ["head"]
[http.middlewares.head.headers.customRequestHeaders]
  X-One = "1"
[[http.services.web.loadBalancer.servers]]
  url = "http://10.0.0.7:8080"
[[http.services.web.loadBalancer.servers]]
  url = "http://10.0.0.8:8080"
  weight = 2
"#,
    );
    let same = yaml(
        "http:
  routers: { web: { rule: Host(`a.test`), service: web, middlewares: [head] } }
  middlewares: { head: { headers: { customRequestHeaders: { X-One: 1 } } } }
  services:
    web: { loadBalancer: { servers: [ { url: 'http://10.0.0.7:8080' }, { url: 'http://10.0.0.8:8080', weight: 2 } ] } }
",
    );
    assert!(found.diagnostics.is_empty() && same.diagnostics.is_empty(), "{found:#?}");
    assert_eq!(found.routers["web"].value, same.routers["web"].value);
    assert_eq!(found.middlewares["head"].value, same.middlewares["head"].value);
    assert_eq!(found.services["web"].value.options, same.services["web"].value.options);
    assert_eq!(&*found.routers["web"].origin.resource, "a.toml:2");
}

#[test]
fn json_is_yaml() {
    let text = r#"{"http": {"routers": {"web": {"rule": "Host(`a.test`)", "service": "web", "priority": 7}}}}"#;
    let found = yaml(text);
    assert_eq!((found.routers["web"].value.priority, found.diagnostics.len()), (7, 0));
}

#[test]
fn what_says_nothing_is_no_fault() {
    for text in [
        "",
        "\n# nothing\n",
        "http:",
        "http: {}",
        "http: { routers: }",
        "http: { routers: {}, services: {} }",
        "tcp: {}",
        "tls:\n  certificates: []",
    ] {
        assert_eq!(yaml(text), Dynamic::default(), "{text:?}");
    }
}

#[test]
fn twelve_servers_stay_in_order() {
    let servers: Vec<String> = (1..=12).map(|n| format!("{{ url: 'http://10.0.0.{n}' }}")).collect();
    let found =
        yaml(&format!("http: {{ services: {{ web: {{ loadBalancer: {{ servers: [{}] }} }} }} }}", servers.join(", ")));
    let urls = found.services["web"].value.options.load_balancer.as_ref().unwrap().servers.iter();
    assert_eq!(
        urls.map(|s| s.url.clone()).collect::<Vec<_>>(),
        (1..=12).map(|n| format!("http://10.0.0.{n}")).collect::<Vec<_>>()
    );
}

#[test]
fn option_names_are_read_without_regard_to_case() {
    let found = yaml("HTTP: { Routers: { Web: { RULE: Host(`a`), entrypoints: [web], Service: s } } }");
    assert!(found.diagnostics.is_empty(), "{found:#?}");
    assert_eq!(
        (found.routers["Web"].value.rule.as_str(), found.routers["Web"].value.service.as_str()),
        ("Host(`a`)", "s")
    );
}

#[test]
fn anchors_are_values() {
    let found = yaml(
        "http:
  routers:
    a: &common
      rule: Host(`a`)
      middlewares: [auth]
      service: s
    b:
      <<: *common
      rule: Host(`b`)
",
    );
    assert_eq!(found.routers["b"].value.middlewares, ["auth"]);
    assert_eq!(found.routers["b"].value.rule, "Host(`b`)");
}

#[test]
fn the_environment_fills_in() {
    let text = "http: { routers: { web: { rule: 'Host(`{{ env \"DOMAIN\" }}`)', service: s } } }";
    let found =
        read_dynamic(Format::Yaml, "file", "a.yml", text, &|name| (name == "DOMAIN").then(|| "a.test".into())).unwrap();
    assert_eq!(found.routers["web"].value.rule, "Host(`a.test`)");
    let fault = read_dynamic(Format::Yaml, "file", "a.yml", text, &|_| None).unwrap_err();
    assert_eq!(fault.code, Code::BadTemplate);
    assert!(fault.message.contains("not set in the environment: DOMAIN"), "{}", fault.message);
}
