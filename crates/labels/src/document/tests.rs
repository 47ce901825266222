use proptest::prelude::*;

use super::*;

/// `line path=value` of every node that has a value or nothing below it, in order.
fn leaves(node: &Node) -> Vec<String> {
    fn walk(node: &Node, found: &mut Vec<String>) {
        if node.children.is_empty() && node.key != "x.yml" {
            let (place, path) = split_key(&node.key).unwrap();
            let line = place.strip_prefix("x.yml:").unwrap();
            found.push(match &node.value {
                Some(value) => format!("{line} {path}={value}"),
                None => format!("{line} {path}"),
            });
        }
        node.children.iter().for_each(|(_, child)| walk(child, found));
    }
    let mut found = Vec::new();
    walk(node, &mut found);
    found
}

fn yaml(text: &str) -> Vec<String> {
    leaves(&parse_yaml("x.yml", text).unwrap_or_else(|fault| panic!("{text}: {fault}")))
}

fn toml(text: &str) -> Vec<String> {
    leaves(&parse_toml("x.yml", text).unwrap_or_else(|fault| panic!("{text}: {fault}")))
}

fn yaml_fault(text: &str) -> (usize, String) {
    let fault = parse_yaml("x.yml", text).expect_err(text);
    (fault.line, fault.message)
}

#[test]
fn yaml_keeps_what_was_written_and_where() {
    let text = "\
# a comment
entryPoints:
  web:
    address: \":80\"
    http:
      maxHeaderBytes: 1048576
    asDefault: true
  other: {address: :81, forwardedHeaders: {trustedIPs: [10.0.0.0/8, \"::1\"]}}
providers:
  docker:
log:
  level: DEBUG
  filePath: ''
list:
  - a
  - main: b
    sans:
      - c, d
text: |
  two
  lines
number: 1.50
";
    assert_eq!(
        yaml(text),
        [
            "4 entryPoints.web.address=:80",
            "6 entryPoints.web.http.maxHeaderBytes=1048576",
            "7 entryPoints.web.asDefault=true",
            "8 entryPoints.other.address=:81",
            "8 entryPoints.other.forwardedHeaders.trustedIPs[0]=10.0.0.0/8",
            "8 entryPoints.other.forwardedHeaders.trustedIPs[1]=::1",
            "10 providers.docker",
            "12 log.level=DEBUG",
            "13 log.filePath=",
            "15 list[0]=a",
            "16 list[1].main=b",
            "18 list[1].sans[0]=c, d",
            "19 text=two\nlines\n",
            "22 number=1.50",
        ]
    );
}

#[test]
fn toml_gives_the_same_tree() {
    let text = "\
# a comment
[entryPoints.web]
  address = \":80\"
  asDefault = true
  [entryPoints.web.http]
    maxHeaderBytes = 0x10_00
[entryPoints.other]
address = ':81'
forwardedHeaders.trustedIPs = [
  \"10.0.0.0/8\",
  \"::1\",
]
[providers.docker]
[[list]]
  main = 'b'
[[list]]
  weight = 1.5
";
    assert_eq!(
        toml(text),
        [
            "3 entryPoints.web.address=:80",
            "4 entryPoints.web.asDefault=true",
            "6 entryPoints.web.http.maxHeaderBytes=4096",
            "8 entryPoints.other.address=:81",
            "10 entryPoints.other.forwardedHeaders.trustedIPs[0]=10.0.0.0/8",
            "11 entryPoints.other.forwardedHeaders.trustedIPs[1]=::1",
            "13 providers.docker",
            "15 list[0].main=b",
            "17 list[1].weight=1.5",
        ]
    );
}

#[test]
fn the_names_of_files_say_how_they_are_written() {
    for (name, format) in [
        ("a.yml", Some(Format::Yaml)),
        ("/x/a.YAML", Some(Format::Yaml)),
        ("a.b.toml", Some(Format::Toml)),
        ("a.json", None),
        ("yml", None),
        ("", None),
    ] {
        assert_eq!(Format::of(Path::new(name)), format, "{name}");
    }
}

#[test]
fn nothing_is_not_an_empty_text() {
    for nothing in ["a:", "a: ~", "a: null", "a: Null", "a: NULL", "a: !!null ''"] {
        assert_eq!(yaml(nothing), ["1 a"], "{nothing}");
    }
    for (text, leaf) in
        [("a: ''", "1 a="), ("a: \"null\"", "1 a=null"), ("a: !!str null", "1 a=null"), ("a: '~'", "1 a=~")]
    {
        assert_eq!(yaml(text), [leaf], "{text}");
    }
    for empty in ["", "\n", "# only a comment\n", "---\n", "---\n...\n", "{}", "\u{feff}"] {
        assert!(yaml(empty).is_empty(), "{empty:?}");
    }
    assert!(toml("").is_empty() && toml("# x\n").is_empty());
    assert_eq!(yaml("\u{feff}a: b\r\nc: d\r\n"), ["1 a=b", "2 c=d"]);
    assert_eq!(yaml("a: {}\nb: []\n"), ["1 a", "2 b"]);
    assert_eq!(yaml("{\"a\": {\"b\": [1, true]}}"), ["1 a.b[0]=1", "1 a.b[1]=true"]);
}

#[test]
fn anchors_and_merge_keys() {
    let text = "\
base: &base
  rule: r
  service: s
more: &more {service: t, tls: {}}
one:
  <<: *base
  service: mine
two:
  <<: [*base, *more]
three: *base
four: {service: &name u, other: *name}
five: {\"<<\": plain}
";
    assert_eq!(
        yaml(text),
        [
            "2 base.rule=r",
            "3 base.service=s",
            "4 more.service=t",
            "4 more.tls",
            "7 one.service=mine",
            "2 one.rule=r",
            "2 two.rule=r",
            "3 two.service=s",
            "4 two.tls",
            "2 three.rule=r",
            "3 three.service=s",
            "11 four.service=u",
            "11 four.other=u",
            "12 five.<<=plain",
        ]
    );
}

#[test]
fn what_has_two_readings_or_none_is_a_fault() {
    for (text, line, part) in [
        ("a: 1\nb: 2\na: 3\n", 3, "`a` is there twice"),
        ("a: {b: 1, b: 2}", 1, "`b` is there twice"),
        ("a: 1\n---\nb: 2\n", 2, "second document"),
        ("- a\n- b\n", 1, "options by name"),
        ("word", 1, "options by name"),
        ("? [a]\n: b\n", 1, "key that is a list or a table"),
        ("? {a: b}\n: c\n", 1, "key that is a list or a table"),
        ("a:\n  ~: b\n", 2, "key without a name"),
        ("a: *b\n", 1, "unknown anchor"),
        ("a: &a [*a]\n", 1, "inside of its own anchor"),
        ("a:\n  <<: b\n", 2, "takes a table"),
        ("a:\n  <<: [b]\n", 2, "takes a table"),
        ("x: &x {}\na:\n  <<: *x\n  <<: *x\n", 4, "`<<` is there twice"),
        ("a: !include b.yml\n", 1, "the tag"),
        ("a: !!binary aGk=\n", 1, "the tag"),
        ("a: \"x\\0y\"\n", 1, "control character"),
        ("a: b\n\0c: d\n", 2, "control character"),
        ("a: b\n  c: d\n", 2, ""),
        ("a:\n\t- b\n", 2, ""),
        ("a: [b\n", 2, ""),
        ("a: 'b\n", 1, ""),
        ("a: @b\n", 1, ""),
    ] {
        let (at, message) = yaml_fault(text);
        assert_eq!((at, message.contains(part)), (line, true), "{text:?}: {message}");
    }
    for (text, line, part) in [
        ("a = 1\na = 2\n", 2, "duplicate key"),
        ("[a]\n[b]\n[a]\n", 3, "duplicate key"),
        ("a = \n", 1, ""),
        ("a = yes\n", 1, ""),
        ("\n[a\n", 2, ""),
        ("a = \"\\u0000\"\n", 1, "control character"),
    ] {
        let fault = parse_toml("x.yml", text).unwrap_err();
        assert_eq!((fault.line, fault.message.contains(part)), (line, true), "{text:?}: {fault}");
        assert!(!fault.message.contains('\n'));
    }
}

#[test]
fn what_is_read_is_bounded() {
    let mut bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n".to_owned();
    for n in 1..20 {
        let items = vec![format!("*a{}", n - 1); 10].join(",");
        bomb.push_str(&format!("a{n}: &a{n} [{items}]\n"));
    }
    assert!(yaml_fault(&bomb).1.contains("too large once its anchors"));

    let mut merges = "m0: &m0 {a: 1}\n".to_owned();
    for n in 1..3000 {
        merges.push_str(&format!("m{n}: &m{n} {{<<: *m{}, k{n}: 1}}\n", n - 1));
    }
    assert!(yaml_fault(&merges).1.contains("merge keys bring too much"));

    let mut chain = "a0: &a0 {}\n".to_owned();
    for n in 1..100_000 {
        chain.push_str(&format!("a{n}: &a{n} {{k: *a{}}}\n", n - 1));
    }
    assert!(yaml_fault(&chain).1.contains("more than 64 levels"));
    for deep in [100, 2000] {
        assert!(parse_yaml("x", &format!("a: {}{}", "[".repeat(deep), "]".repeat(deep))).is_err(), "{deep}");
        assert!(parse_yaml("x", &(0..deep).map(|n| format!("{}a:\n", " ".repeat(n))).collect::<String>()).is_err());
        assert!(parse_toml("x", &format!("a = {}{}", "[".repeat(deep), "]".repeat(deep))).is_err(), "{deep}");
        assert!(parse_toml("x", &format!("{}a = 1", "a.".repeat(deep))).is_err(), "{deep}");
    }
    assert!(yaml_fault(&" ".repeat(MOST_TEXT + 1)).1.contains("MiB"));
}

#[test]
fn keys_are_taken_apart() {
    for (key, parts) in [
        ("/etc/x.yml:12: a.b", Some(("/etc/x.yml:12", "a.b"))),
        ("x.yml:1: a: b", Some(("x.yml:1", "a: b"))),
        ("c: d/x.yml:7: a", Some(("c: d/x.yml:7", "a"))),
        ("--log.level", None),
        ("traefik.http.routers.a: b", None),
        ("x.yml", None),
    ] {
        assert_eq!(split_key(key), parts, "{key}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn nothing_panics(
        text in "([ \n\t]{0,3}(- |a: |b|\\? |: |\"|'|\\[|\\]|\\{|\\}|,|&a |\\*a|<<: |!!str |!x |\\||>|-|---|\\.\\.\\.|#|%|@|~|\\\\|=|\\.|1|\\PC)){0,24}"
    ) {
        for found in [parse_yaml("x.yml", &text), parse_toml("x.yml", &text)] {
            match found {
                Ok(node) => prop_assert!(leaves(&node).iter().all(|leaf| !leaf.is_empty())),
                Err(fault) => prop_assert!(fault.line > 0 && !fault.message.is_empty()),
            }
        }
    }
}
