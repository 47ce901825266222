use super::*;

fn project(files: &[(&str, &str)]) -> Project {
    let files: Vec<(String, String)> = files.iter().map(|(name, text)| ((*name).into(), (*text).into())).collect();
    let variable = |name: &str| (name == "SET").then(|| "value".to_owned());
    let open = |_: &str, other: &str| match other {
        "base.yml" => Ok(("base.yml".to_owned(), "services: { web: { labels: { a: base, b: base } } }".to_owned())),
        _ => Err("there is none".to_owned()),
    };
    read(&files, "shop", &Sources { variable: &variable, open: &open })
}

fn labels(project: &Project, service: &str) -> Vec<String> {
    let service = &project.services[service];
    service
        .labels
        .iter()
        .map(|(key, text)| format!("{}:{} {key}={}", text.place.file, text.place.line, text.value))
        .collect()
}

#[test]
fn values_are_filled_in() {
    let variable = |name: &str| match name {
        "SET" => Some("value".to_owned()),
        "EMPTY" => Some(String::new()),
        _ => None,
    };
    for (text, filled) in [
        ("plain", "plain"),
        ("$$apr1$$x", "$apr1$x"),
        ("$SET-${SET}", "value-value"),
        ("${NONE:-default}", "default"),
        ("${NONE-default}", "default"),
        ("${EMPTY-default}", ""),
        ("${EMPTY:-default}", "default"),
        ("${SET:+there}", "there"),
        ("${NONE:+there}", ""),
        ("${NONE:-${SET}}x", "valuex"),
        ("${SET:?needed}", "value"),
        ("Host(`${NONE:-a.b}`)", "Host(`a.b`)"),
    ] {
        let found = interpolate::fill_in(text, &variable);
        assert_eq!((found.text.as_str(), found.unset.len(), &found.fault), (filled, 0, &None), "{text}");
    }
    for text in ["${NONE:?needed}", "${SET", "a $ b", "${}", "${1}", "${SET!}"] {
        assert!(interpolate::fill_in(text, &variable).fault.is_some(), "{text}");
    }
    let lost = interpolate::fill_in("$apr1$abc", &variable);
    assert_eq!(lost.unset, ["apr1", "abc"]);
}

#[test]
fn labels_are_a_map_or_a_list_with_anchors() {
    let found = project(&[(
        "c.yml",
        "x-more: &more\n  a: one\nservices:\n  web:\n    labels:\n      <<: *more\n      b: true\n      c:\n  api:\n    labels:\n      - a=b=c\n      - \"d\"\n      - e=$$f\n",
    )]);
    assert!(found.faults.is_empty(), "{:?}", found.faults);
    assert_eq!(labels(&found, "web"), ["c.yml:2 a=one", "c.yml:7 b=true", "c.yml:8 c="]);
    assert_eq!(labels(&found, "api"), ["c.yml:11 a=b=c", "c.yml:12 d=", "c.yml:13 e=$f"]);
}

#[test]
fn files_are_merged_and_extends_is_followed() {
    let found = project(&[
        (
            "a.yml",
            "services:\n  web:\n    image: one\n    labels: [a=1, b=1]\n    ports: ['80:80']\n    command: [x]\n",
        ),
        ("b.yml", "services:\n  web:\n    labels: {b: 2}\n    ports: ['81:80']\n    command: [y]\n"),
    ]);
    let web = &found.services["web"];
    assert_eq!(labels(&found, "web"), ["a.yml:4 a=1", "b.yml:3 b=2"]);
    assert_eq!((web.image.as_str(), web.ports.len(), web.command[0].value.as_str()), ("one", 2, "y"));

    let found = project(&[(
        "a.yml",
        "services:\n  base:\n    labels: {a: 1, c: 3}\n  web:\n    extends: base\n    labels: {a: 2}\n  far:\n    extends: {file: base.yml, service: web}\n    labels: {b: own}\n",
    )]);
    assert_eq!(labels(&found, "web"), ["a.yml:6 a=2", "a.yml:3 c=3"]);
    assert_eq!(labels(&found, "far"), ["base.yml:1 a=base", "a.yml:9 b=own"]);
}

#[test]
fn what_cannot_be_read_is_said_with_its_line() {
    for (text, line, part) in [
        ("services: [", 2, ""),
        ("services:\n  a:\n    extends: b\n", 3, "no service"),
        ("services:\n  a:\n    extends: a\n", 3, "extends itself"),
        ("services:\n  a:\n    extends: {service: b, file: none.yml}\n", 3, "there is none"),
        ("services:\n  a:\n    labels:\n      x: [1]\n", 4, "a text"),
        ("services:\n  a:\n    image: ${NONE:?needed}\n", 3, "needed"),
        ("include: [other.yml]\n", 1, "included"),
        ("services:\n  a:\n    image: $NONE\n", 3, "NONE is not set"),
    ] {
        let found = project(&[("c.yml", text)]);
        let fault = found.faults.first().unwrap_or_else(|| panic!("{text}"));
        assert!(fault.place.line == line && fault.message.contains(part), "{text}: {fault:?}");
    }
}

#[test]
fn ports_networks_and_replicas() {
    let found = project(&[(
        "c.yml",
        "services:\n  a:\n    ports: ['80', '8080:81', '127.0.0.1:9:82/udp', {target: 83, published: 84}, '90-95:90-95']\n    expose: [5, '6/udp']\n    deploy: {replicas: 3}\n    networks: {x: , y: }\n    command: --one=\"a b\" 'two three'\n    volumes: ['./f:/g:ro', {type: bind, source: ./h, target: /i}]\nnetworks: {x: {external: true}, y: , z: {name: real}}\n",
    )]);
    assert!(found.faults.is_empty(), "{:?}", found.faults);
    let a = &found.services["a"];
    let ports: Vec<_> = a.ports.iter().map(|p| (p.container, p.host, p.address.as_str(), p.is_udp)).collect();
    let expected = [
        (80, None, "", false),
        (81, Some(8080), "", false),
        (82, Some(9), "127.0.0.1", true),
        (83, Some(84), "", false),
        (90, None, "", false),
    ];
    assert_eq!(ports, expected);
    assert_eq!((a.expose.as_slice(), a.count()), (&[5, 6][..], 3));
    let words: Vec<_> = a.command.iter().map(|w| w.value.as_str()).collect();
    assert_eq!(words, ["--one=a b", "two three"]);
    assert_eq!(a.networks.iter().map(|n| n.value.as_str()).collect::<Vec<_>>(), ["x", "y"]);
    let names: Vec<_> = found.networks.values().map(String::as_str).collect();
    assert_eq!(names, ["shop_default", "x", "shop_y", "real"]);
    assert_eq!(a.volumes.len(), 2);
}
