//! One fault at a time in a file that is good otherwise: what is off, what is said, and that nothing else is.

use super::*;

mod rows;

use rows::{ABOVE, ALL, CASES, MIDDLEWARE};

/// A good file around the part that a case puts in; `@` stands for the case.
const FRAME: &str = "http:
  routers:
    web: { rule: Host(`web`), service: web, middlewares: [strip] }
    bare: { rule: Host(`bare`), service: other }
  services:
    web: { loadBalancer: { servers: [ { url: 'http://10.0.0.7' } ] } }
    other: { loadBalancer: { servers: [ { url: 'http://10.0.0.8' } ] } }
  middlewares:
    strip: { stripPrefix: { prefixes: [/x] } }
";

/// What of a kind is off, by name.
fn off(found: &Dynamic) -> Vec<String> {
    let mut off = Vec::new();
    off.extend(found.routers.iter().filter(|(_, d)| d.quarantine.is_some()).map(|(n, _)| format!("router {n}")));
    off.extend(found.services.iter().filter(|(_, d)| d.quarantine.is_some()).map(|(n, _)| format!("service {n}")));
    off.extend(
        found.middlewares.iter().filter(|(_, d)| d.quarantine.is_some()).map(|(n, _)| format!("middleware {n}")),
    );
    off.extend(
        found.servers_transports.iter().filter(|(_, d)| d.quarantine.is_some()).map(|(n, _)| format!("transport {n}")),
    );
    off
}

#[test]
fn each_fault_takes_down_what_it_can_belong_to_and_nothing_else() {
    for case in CASES.iter().chain(ABOVE) {
        let lines: Vec<&str> =
            FRAME.lines().enumerate().map(|(n, l)| if n + 1 == case.at { case.with } else { l }).collect();
        // A section without members would be told as well.
        let keep = |line: &&str| !(case.with.starts_with(|c: char| c != ' ') && line.trim() == "middlewares:");
        let blank = |line: &str| if keep(&line) { line.to_owned() } else { "# none".to_owned() };
        let mut text = lines.iter().map(|line| blank(line)).collect::<Vec<_>>().join("\n");
        if case.with.starts_with("  ") && !case.with.starts_with("    ") && case.at == MIDDLEWARE {
            text = text.replacen("  middlewares:\n", "# none\n", 1);
        }
        if case.at == 8 {
            text = lines.iter().take(8).copied().collect::<Vec<_>>().join("\n");
        }
        let found =
            read_dynamic(Format::Yaml, "file", "a.yml", &text, &|_| None).unwrap_or_else(|e| panic!("{text}: {e}"));
        let told = found.diagnostics.iter().find(|d| d.code == case.code && *d.origin.key == *case.key);
        let told = told.unwrap_or_else(|| panic!("{}: {:#?}", case.with, found.diagnostics));
        assert_eq!(off(&found), case.off, "{}: {told}", case.with);
        assert_eq!(&*told.origin.resource, format!("a.yml:{}", case.line), "{}", case.with);
        let says = told.message.contains(case.says) || told.fix.contains(case.says);
        assert!(says, "{}: {told}", case.with);
        assert!(!told.consequence.is_empty(), "{told}");
        assert_eq!(told.severity == Severity::Error, !case.off.is_empty(), "{told}");
        if case.off != ALL {
            assert_eq!(router_off(&found, "bare"), None, "{}", case.with);
        }
    }
    assert!(CASES.len() + ABOVE.len() >= 70, "{}", CASES.len() + ABOVE.len());
}

#[test]
fn what_is_no_tree_is_one_fault_with_a_line() {
    for (format, text, line, says) in [
        (Format::Yaml, "http:\n  routers: {\n", 3, ""),
        (Format::Yaml, "http:\n  routers:\n    a: {}\n    a: {}\n", 4, "a"),
        (Format::Yaml, "http:\n\trouters: {}\n", 2, ""),
        (Format::Yaml, "- a\n- b\n", 1, "options by name"),
        (Format::Yaml, "http: &a { b: *a }\n", 1, "alias"),
        (Format::Toml, "[http\n", 1, ""),
        (Format::Toml, "[http]\na = 1\na = 2\n", 3, "duplicate"),
        (Format::Toml, "[http]\na = \n", 2, ""),
    ] {
        let fault = read_dynamic(format, "file", "a.yml", text, &|_| None).unwrap_err();
        assert_eq!(fault.code, Code::UnreadableFile, "{fault}");
        assert_eq!(&*fault.origin.resource, format!("a.yml:{line}"), "{text:?}: {fault}");
        assert!(fault.message.contains(says), "{text:?}: {fault}");
    }
    let template = read_dynamic(Format::Yaml, "file", "a.yml", "a:\n b: {{ template \"x\" }}", &|_| None).unwrap_err();
    assert_eq!((template.code, &*template.origin.resource), (Code::BadTemplate, "a.yml:2"));
}

#[test]
fn a_hundred_faults_are_told_and_the_rest_are_counted() {
    let routers: String = (0..150).map(|n| format!("    r{n}: {{ rul: x }}\n")).collect();
    let found = yaml(&format!("http:\n  routers:\n{routers}"));
    assert_eq!(found.routers.values().filter(|r| r.quarantine.is_some()).count(), 150, "told or not");
    assert_eq!(found.diagnostics.len(), 101);
}

#[test]
fn objects_may_be_called_like_options() {
    let found = yaml(
        "http:
  routers: { service: { rule: Host(`a`), service: weighted }, tls: { rule: Host(`b`), service: weighted } }
  services: { weighted: { loadBalancer: { servers: [ { url: 'http://a' } ] } } }
  middlewares: { headers: { addPrefix: { prefix: /a } } }
",
    );
    assert!(found.diagnostics.is_empty() && off(&found).is_empty(), "{found:#?}");
}
