use super::*;

fn codes(text: &str) -> Vec<String> {
    let asked = Asked { profiles: vec!["*".to_owned()], ..Asked::default() };
    let found = project::look(&[("no-such-folder/c.yml".to_owned(), text.to_owned())], &asked, &[]);
    let mut lines: Vec<String> = found
        .iter()
        .map(|found| {
            let line = found.place.as_ref().map_or(0, |place| place.line);
            format!("{line} {}", found.diagnostic.code)
        })
        .collect();
    lines.sort();
    lines.dedup();
    lines
}

/// A service `web` with these labels, the first of which stands in line 5.
fn web(labels: &[&str]) -> String {
    let labels: Vec<String> = labels.iter().map(|label| format!("      - '{label}'\n")).collect();
    format!("services:\n  web:\n    image: app\n    labels:\n{}", labels.concat())
}

#[test]
fn arguments_are_read() {
    let parsed = |arguments: &[&str]| parse(&arguments.iter().map(|a| (*a).to_owned()).collect::<Vec<_>>());
    let asked =
        parsed(&["a.yml", "--format=sarif", "--strict", "-f", "b.yml", "--entrypoints.web.address=:80"]).unwrap();
    assert_eq!(asked.files, ["a.yml", "b.yml"]);
    assert!(asked.strict && asked.format == Format::Sarif && asked.flags.len() == 1);
    for (arguments, part) in [
        (&["--format=xml"][..], "no format"),
        (&["--frmat"], "no option"),
        (&["--docker", "a.yml"], "not both"),
        (&["--format"], "needs a value"),
    ] {
        assert!(parsed(arguments).unwrap_err().contains(part), "{arguments:?}");
    }
}

/// The rule that most rows need.
const RULE: &str = "traefik.http.routers.web.rule=Host(`a.b`)";

#[test]
fn labels_and_what_is_found() {
    let sticky = |rest: &'static str| format!("traefik.http.services.web.loadbalancer.sticky.cookie{rest}");
    let (cookie, none, secure) = (sticky("=true"), sticky(".samesite=none"), sticky(".secure=true"));
    let rows: &[(&[&str], &[&str])] = &[
        (&[RULE], &[]),
        (&["traefik.enable=false"], &[]),
        (&["traefik.http.routers.web.rul=Host(`a.b`)"], &["5 SW0101"]),
        (&[RULE, "traefik.http.routers.web.priority=high"], &["6 SW0102"]),
        (&["traefik.http.routers.web.rule=Host(a.b)"], &["5 SW0201"]),
        (&[RULE, "traefik.http.routers.web.middlewares=nobody"], &["6 SW0203"]),
        (&[RULE, "traefik.http.routers.web.service=nobody"], &["6 SW0205"]),
        (&[RULE, "traefik.http.routers.web.tls=true"], &["6 SW0209"]),
        (&[RULE, "traefik.http.routers.web.service=api@internal"], &["6 SW0210"]),
        (&[RULE, "treafik.http.routers.web.rule=Host(`a.b`)"], &["6 SW0105"]),
        (&[RULE, "traefik.http.services.web.loadbalancer.server.port=none"], &["5 SW0213", "6 SW0306"]),
        (&[RULE, "traefik.docker.network=nowhere"], &["6 SW0307"]),
        (&[RULE, "traefik.tcp.routers.x.rule=HostSNI(`*`)"], &["6 SW0108"]),
        (&[RULE, &cookie], &["6 SW0809"]),
        (&[RULE, &cookie, &none], &["6 SW0809", "7 SW0806"]),
        (&[RULE, &cookie, &none, &secure], &["6 SW0809"]),
        (&[RULE, "traefik.http.routers.web.middlewares=x@file"], &["6 SW0810"]),
        (&[RULE, "traefik.http.routers.web.middlewares=$apr"], &["6 SW0802"]),
    ];
    let mut wrong = Vec::new();
    for (labels, expected) in rows {
        let found = codes(&web(labels));
        if found != *expected {
            wrong.push(format!("{labels:?}: {found:?}, not {expected:?}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn routers_that_never_get_a_request() {
    let two = |one: &str, other: &str| {
        web(&[&format!("traefik.http.routers.one.rule={one}"), &format!("traefik.http.routers.two.rule={other}")])
    };
    let mut wrong = Vec::new();
    for (one, other, expected) in [
        ("Host(`a.b`)", "Host(`c.d`)", &[][..]),
        ("Host(`a.b`)", "Host(`a.b`) && PathPrefix(`/x`)", &[]),
        ("HostRegexp(`^[a-z]+[.][a-z]+$$`)", "Host(`a.b`)", &["6 SW0805"]),
        ("Host(`a.b`)", "PathPrefix(`/`) || Path(`/some-thing`)", &["5 SW0805"]),
        ("Host(`a.b`)", "Host(`a.b`) || Host(`a.longer`)", &["5 SW0804"]),
    ] {
        let found = codes(&two(one, other));
        if found != expected {
            wrong.push(format!("{one} {other}: {found:?}, not {expected:?}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn services_and_what_is_found() {
    let mut wrong = Vec::new();
    for (text, expected) in [
        ("services:\n  a:\n    scale: 2\n    container_name: x\n", &["4 SW0807"][..]),
        ("services:\n  a:\n    container_name: x\n", &[]),
        ("services:\n  a:\n    deploy: {replicas: 3}\n    ports: ['80:80']\n", &["4 SW0808"]),
        ("services:\n  a:\n    deploy: {replicas: 3}\n    ports: ['80']\n", &[]),
        ("services:\n  a:\n    deploy: {labels: {traefik.enable: 'true'}}\n", &["3 SW0803"]),
        ("services:\n  a:\n    networks: [fornt]\nnetworks: {front: {}}\n", &["3 SW0801"]),
        ("services: [\n", &["2 SW0801"]),
        ("services:\n  p:\n    image: traefik:v3\n    command:\n      - --nonsense.x=1\n", &["5 SW0701"]),
        (
            "services:\n  p:\n    image: traefik:v3\n    command:\n      - --entrypoints.web.address=nothing\n",
            &["5 SW0703"],
        ),
        (
            "services:\n  p:\n    image: traefik:v3\n    command: [--entrypoints.web.address=:80]\n  a:\n    labels:\n      traefik.http.routers.a.entrypoints: wbe\n      traefik.http.routers.a.rule: Host(`a.b`)\n",
            &["7 SW0206"],
        ),
        (
            "services:\n  p:\n    image: seaway\n    networks: [one]\n  a:\n    networks: [two]\n    labels:\n      traefik.http.routers.a.rule: Host(`a.b`)\nnetworks: {one: , two: }\n",
            &["5 SW0304"],
        ),
        (
            "services:\n  a:\n    labels: {traefik.http.routers.x.rule: Host(`a`)}\n  b:\n    labels: {traefik.http.routers.x.rule: Host(`b`)}\n",
            &["5 SW0501"],
        ),
    ] {
        let found = codes(text);
        if found != expected {
            wrong.push(format!("{text}: {found:?}, not {expected:?}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn findings_are_written() {
    let asked = Asked::default();
    let text = web(&["traefik.http.routers.web.rul=Host(`a.b`)"]);
    let found = project::look(&[("c.yml".to_owned(), text)], &asked, &[]);
    let written = page::write(&found, Format::Text);
    assert!(written.starts_with("c.yml:5: error SW0101 web traefik.http.routers.web.rul: "), "{written}");
    assert!(written.contains("    fix: "), "{written}");
    let json: serde_json::Value = serde_json::from_str(&page::write(&found, Format::Json)).unwrap();
    assert_eq!((json["version"].as_u64(), json["findings"][0]["line"].as_u64()), (Some(1), Some(5)));
    let sarif: serde_json::Value = serde_json::from_str(&page::write(&found, Format::Sarif)).unwrap();
    assert_eq!(sarif["version"], "2.1.0");
    let result = &sarif["runs"][0]["results"][0];
    assert_eq!((&result["ruleId"], &result["level"]), (&"SW0101".into(), &"error".into()));
    assert_eq!(result["locations"][0]["physicalLocation"]["region"]["startLine"], 5);
}
