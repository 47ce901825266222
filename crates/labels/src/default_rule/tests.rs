use super::*;
use proptest::prelude::*;

fn render_with(template: &str, name: &str, labels: &[(&str, &str)]) -> Result<String, String> {
    let labels = labels.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    let cx = RuleContext { name: &normalize(name), container_name: name, labels: &labels };
    DefaultRule::parse(template).and_then(|rule| rule.render(&cx))
}

const LABELS: &[(&str, &str)] = &[
    ("host", "a.test"),
    ("hosts", "a.test,b.test"),
    ("evil", "x`) || Host(`y"),
    ("empty", ""),
    ("app.path", "/api/v1"),
    ("n", "3"),
];

fn render(template: &str) -> Result<String, String> {
    render_with(template, "my_app.1", LABELS)
}

#[test]
fn names_are_normalised() {
    for (name, expected) in [
        ("/my_app.1", "my-app-1"),
        ("web_shop_prod", "web-shop-prod"),
        ("Web", "Web"),
        ("--a--b--", "a-b"),
        ("", ""),
        ("é_ü", "é-ü"),
        ("__", ""),
    ] {
        assert_eq!(normalize(name), expected, "{name}");
    }
}

#[test]
fn usual_default_rules() {
    for (template, expected) in [
        ("Host(`{{ normalize .Name }}`)", "Host(`my-app-1`)"),
        ("Host(`{{ .Name }}.t.wtf`)", "Host(`my-app-1.t.wtf`)"),
        ("Host(`{{.ContainerName | trimPrefix \"my_\" | replace \".\" \"-\"}}`)", "Host(`app-1`)"),
        ("Host(`{{ index .Labels \"host\" }}`)", "Host(`a.test`)"),
        ("Host(`{{ .Labels.host }}`)", "Host(`a.test`)"),
        ("Host(`{{ default .Name (index .Labels \"empty\") }}`)", "Host(`my-app-1`)"),
        ("Host(`{{ .Labels.missing | default \"fall.back\" }}`)", "Host(`fall.back`)"),
        (
            "{{ if index .Labels \"host\" }}Host(`{{ index .Labels `host` }}`){{ else }}Host(`{{ .Name }}`){{ end }}",
            "Host(`a.test`)",
        ),
        ("{{ if .Labels.none }}A(`1`){{ else if eq .Labels.n \"3\" }}B(`2`){{ else }}C(`3`){{ end }}", "B(`2`)"),
        ("{{ with .Labels.host }}Host(`{{ . }}`){{ end }}", "Host(`a.test`)"),
        ("{{ with .Labels.none }}A(`1`){{ else }}B(`{{ .Name }}`){{ end }}", "B(`my-app-1`)"),
        (
            "{{ range $i, $h := splitList \",\" .Labels.hosts }}{{ if $i }} || {{ end }}Host(`{{ $h }}`){{ end }}",
            "Host(`a.test`) || Host(`b.test`)",
        ),
        ("{{ range .Labels.none }}x{{ else }}Host(`{{ $.Name }}`){{ end }}", "Host(`my-app-1`)"),
        ("Host(`{{ splitList \",\" .Labels.hosts | join \"`) || Host(`\" }}`)", "Host(`a.test`) || Host(`b.test`)"),
        ("{{ $x := .Name }}{{ $x = upper $x }}Host(`{{ $x }}`)", "Host(`MY-APP-1`)"),
        ("Host(`a`) {{- /* a comment with }} in it */ -}} && Path(`/`)", "Host(`a`)&& Path(`/`)"),
        ("Host(`a`)  {{- \" \" -}}  && Path(`/`)", "Host(`a`) && Path(`/`)"),
        (
            "{{ printf \"Host(`%s`) && Path(`%v`)\" .Name (index .Labels \"app.path\") }}",
            "Host(`my-app-1`) && Path(`/api/v1`)",
        ),
        ("Host(`{{ (split \"-\" .Name)._1 }}`)", "Host(`app`)"),
        ("Host(`{{ index (splitList \"-\" .Name) 0 }}`)", "Host(`my`)"),
        ("Host(`{{ regexReplaceAll \"-([0-9]+)$\" .Name \"x${1}\" }}`)", "Host(`my-appx1`)"),
        ("Host(`{{ .Name | trimSuffix \"-1\" | lower }}.{{ \"T.TEST\" | lower }}`)", "Host(`my-app.t.test`)"),
        ("{{ if and (hasPrefix \"my\" .Name) (not (contains \"x\" .Name)) }}A(`1`){{ end }}", "A(`1`)"),
        ("{{ if or false (ne .Name \"my-app-1\") }}A(`1`){{ else }}B(`1`){{ end }}", "B(`1`)"),
        ("{{ if and .Labels.none (fail .Name) }}{{ end }}x", "!"),
        ("{{ ternary \"A(`1`)\" \"B(`1`)\" (eq (len .Name) 8) }}", "A(`1`)"),
        ("Host(`{{ coalesce .Labels.none .Labels.empty .Labels.host }}`)", "Host(`a.test`)"),
        (
            "{{ range $k, $v := .Labels }}{{ if eq $k \"host\" }}Host(`{{ $v }}`){{ break }}{{ else }}{{ continue }}{{ end }}{{ end }}",
            "Host(`a.test`)",
        ),
        ("Host(`{{ trunc 2 .Name }}{{ trunc -2 .Name }}{{ substr 0 1 .Name }}`)", "Host(`my-1m`)"),
        ("Path(`/{{ add (int .Labels.n) 4 }}`)", "Path(`/7`)"),
        ("Host({{ quote .Name }})", "Host(\"my-app-1\")"),
    ] {
        match expected {
            "!" => assert!(render(template).is_err(), "{template}"),
            _ => assert_eq!(render(template).as_deref(), Ok(expected), "{template}"),
        }
    }
}

#[test]
fn values_cannot_change_the_rule() {
    for template in [
        "Host(`{{ index .Labels \"evil\" }}`)",
        "Host(`{{ .Labels.evil }}`)",
        "Host(`{{ .Labels.evil | upper | trim }}`)",
        "Host(`{{ replace \"x\" \"z\" .Labels.evil }}`)",
        "{{ printf \"Host(`%s`)\" .Labels.evil }}",
        "{{ $x := .Labels.evil }}{{ $x }}",
        "{{ with .Labels.evil }}{{ . }}{{ end }}",
        "{{ range .Labels }}{{ . }}{{ end }}",
        "{{ join \"-\" (list .Name .Labels.evil) }}",
        "{{ quote .Labels.evil }}",
        "{{ print .Labels.evil }}",
        "{{ default \"x\" .Labels.evil }}",
        "{{ and .Name .Labels.evil }}",
        "{{ regexReplaceAll \"q\" \"q\" .Labels.evil }}",
        "{{ .Labels.hosts }}",
    ] {
        let error = render(template).unwrap_err();
        assert!(error.contains("could change the rule"), "{template}: {error}");
    }
    for part in ["`", "\"", "'", "(", ")", "\\", "|", "&", "!", ",", " ", "{{", "$", "^", "*", "+", "?", "[", "\n", "#"]
    {
        let value = format!("a{part}b");
        assert!(render_with("Host(`{{ .Labels.v }}`)", "x", &[("v", &value)]).is_err(), "{part}");
    }
    assert_eq!(
        render("Host(`{{ normalize .Labels.evil }}`)").as_deref(),
        Ok("Host(`x-Host-y`)"),
        "cleaned, so it is fine"
    );
    assert_eq!(render_with("Host(`{{ .Name }}`)", "a`b)c", &[]).as_deref(), Ok("Host(`a-b-c`)"));
    assert!(render_with("Host(`{{ .ContainerName }}`)", "a`b", &[]).is_err());
}

#[test]
fn what_cannot_be_rendered() {
    for template in [
        "",
        "  ",
        "{{ .Labels.empty }}",
        "{{ .Labels.none }}",
        "{{ .Nmae }}",
        "{{ .Labels }}",
        "{{ index (splitList \",\" .Name) 5 }}",
        "{{ .Name.x }}",
        "{{ lower 5 }}",
        "{{ eq .Name 5 }}",
        "{{ $x }}",
        "{{ regexMatch \"(\" .Name }}",
        "{{ div 1 0 }}",
        "{{ repeat 100000 .Name }}",
        "{{ repeat -1 .Name }}",
        "{{ printf \"%q\" .Name }}",
    ] {
        assert!(render(template).is_err(), "{template}");
    }
}

#[test]
fn what_cannot_be_parsed() {
    let deep = format!("{}x{}", "{{if .Name}}".repeat(100), "{{end}}".repeat(100));
    let parens = format!("{{{{ {}.Name{} }}}}", "(".repeat(10_000), ")".repeat(10_000));
    let long = "x".repeat(MAX_BYTES + 1);
    for template in [
        "{{",
        "{{ .Name",
        "{{ .Name }",
        "{{ }}",
        "{{ end }}",
        "{{ else }}",
        "{{ if .Name }}x",
        "{{ if }}x{{ end }}",
        "{{ if .Name }}x{{ else }}y{{ else }}z{{ end }}",
        "{{ range }}x{{ end }}",
        "{{ range $a, $b, $c := .Labels }}x{{ end }}",
        "{{ break }}",
        "{{ nosuch .Name }}",
        "{{ .Name .Name }}",
        "{{ .Name | .Name }}",
        "{{ (.Name }}",
        "{{ .Name) }}",
        "{{ \"x }}",
        "{{ 1.5 }}",
        "{{ .Name. }}",
        "{{ ..Name }}",
        "{{ @ }}",
        "{{ lower\"x\" }}",
        "{{ template \"x\" }}",
        "{{ /* x }}",
        "{{ /* x */ .Name }}",
        &deep,
        &parens,
        &long,
    ] {
        assert!(DefaultRule::parse(template).is_err(), "{}", template.get(..60).unwrap_or(template));
    }
    assert_eq!(
        DefaultRule::parse("{{ normalise .Name }}").unwrap_err(),
        "there is no function normalise; did you mean normalize?"
    );
}

#[test]
fn loops_are_bounded() {
    let many: String = "a,".repeat(9000);
    let labels = [("many", many.as_str())];
    let nested = "{{ $l := splitList \",\" .Labels.many }}{{ range $l }}{{ range $l }}{{ range $l }}{{ end }}{{ end }}{{ end }}x";
    assert!(render_with(nested, "x", &labels).unwrap_err().contains("too many steps"));
    let output = "{{ $l := splitList \",\" .Labels.many }}{{ range $l }}0123456789{{ end }}";
    assert!(render_with(output, "x", &labels).unwrap_err().contains("bytes"));
    let growing = "{{ $x := \"a\" }}{{ range splitList \",\" .Labels.many }}{{ $x = print $x $x }}{{ end }}x";
    assert!(render_with(growing, "x", &labels).unwrap_err().contains("bytes"));
}

#[test]
fn every_function_is_callable() {
    for name in functions::NAMES {
        let error = functions::call(name, vec![value::Value::Nil; 9]).err().unwrap_or_default();
        assert!(!error.contains("there is no function"), "{name}");
    }
}

proptest! {
    #[test]
    fn nothing_panics(
        template in "(\\{\\{|\\}\\}|-| |\\.|\\$x|:=|=|\\||\\(|\\)|,|`a`|\"|if|else|end|range|with|index|slice|split|trunc|substr|regexReplaceAll|Name|Labels|-?[0-9]{1,3}|/\\*|\\*/|é){0,24}",
        name in "\\PC{0,8}",
    ) {
        drop(render_with(&template, &name, LABELS));
    }

    /// Whatever a container is called, its default rule has the shape that the operator wrote.
    #[test]
    fn nothing_is_injected(name in any::<String>(), label in any::<String>()) {
        let template = "Host(`{{ .ContainerName }}.{{ .Labels.x | lower }}`)";
        if let Ok(rule) = render_with(template, &name, &[("x", &label)]) {
            prop_assert_eq!(rule.matches('`').count(), 2);
            prop_assert!(rule.ends_with("`)") && rule.matches(['(', ')', '"']).count() == 2);
        }
    }

    #[test]
    fn slices_never_panic(text in "\\PC{0,6}", from in -2i64..9, to in -2i64..9) {
        let text = value::Value::foreign(&text);
        for name in ["slice", "substr", "trunc"] {
            let numbers = [value::Value::Int(from), value::Value::Int(to)];
            drop(functions::call(name, [std::slice::from_ref(&text), &numbers].concat()));
            drop(functions::call(name, [&numbers[..], std::slice::from_ref(&text)].concat()));
        }
    }
}

#[test]
fn a_field_that_nobody_has_is_named() {
    for template in ["{{ .Nam }}", "{{ with .Labels }}{{ $.name }}{{ end }}"] {
        let error = render_with(template, "web", LABELS).unwrap_err();
        assert!(error.starts_with("there is no ."), "{error}");
    }
}
