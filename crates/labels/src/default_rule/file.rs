//! The same language over a whole configuration file, as people use it there: ``Host(`{{ env "DOMAIN" }}`)``.

use super::{action, parse, render};

/// What a variable of the environment is set to.
pub type Environment<'e> = &'e dyn Fn(&str) -> Option<String>;

/// Longest text that a template may give, in bytes.
const MOST: usize = 16 << 20;

/// Renders a file. One without actions is what it is.
///
/// # Errors
/// The line of the fault, where it is known, and what is wrong.
pub fn render_file(text: &str, environment: Environment<'_>) -> Result<String, (Option<usize>, String)> {
    if !text.contains("{{") {
        return Ok(text.to_owned());
    }
    let nodes = parse::template(text).map_err(|what| (first_bad_action(text), what))?;
    render::render_alone(&nodes, MOST, environment).map_err(|what| (None, what))
}

/// The line of the first action that cannot be read by itself.
fn first_bad_action(text: &str) -> Option<usize> {
    let mut at = 0;
    loop {
        let open = at + text.get(at..)?.find("{{")?;
        let body = text.get(open + 2..)?;
        let line = text.get(..open)?.matches('\n').count() + 1;
        let Ok(end) = parse::action_end(body) else { return Some(line) };
        let words = body.get(..end)?.trim_matches(|c: char| c == '-' || c.is_whitespace());
        let keyword = words.split_whitespace().next().unwrap_or_default();
        let is_bad = match keyword {
            "define" | "template" | "block" => true,
            "end" | "else" | "break" | "continue" | "if" | "with" | "range" => action::tokens(words).is_err(),
            _ if words.starts_with("/*") || words.starts_with('$') => false,
            _ => action::tokens(words).and_then(|tokens| action::pipeline(&tokens).map(drop)).is_err(),
        };
        if is_bad {
            return Some(line);
        }
        at = open + 2 + end + 2;
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn render(text: &str) -> Result<String, (Option<usize>, String)> {
        render_file(text, &|name| match name {
            "DOMAIN" => Some("example.com".to_owned()),
            "EMPTY" => Some(String::new()),
            "ODD" => Some("a`b\"c".to_owned()),
            _ => None,
        })
    }

    #[test]
    fn what_people_write_in_files() {
        for (text, expected) in [
            ("rule: Host(`a`)", "rule: Host(`a`)"),
            ("rule: Host(`{{ env \"DOMAIN\" }}`)", "rule: Host(`example.com`)"),
            ("{{env `DOMAIN`}}", "example.com"),
            ("a: {{ env \"ODD\" }}", "a: a`b\"c"),
            ("a: '{{ env \"EMPTY\" }}'", "a: ''"),
            ("a: {{ env \"NONE\" | default \"b\" }}", "a: b"),
            ("a: {{ env \"DOMAIN\" | upper | quote }}", "a: \"EXAMPLE.COM\""),
            ("a{{/* nothing */}}b", "ab"),
            ("a: {{ \"{{\" }} x }}", "a: {{ x }}"),
            ("{{ if env \"NONE\" }}a{{ else }}b{{ end }}", "b"),
            ("{{ if eq (env \"DOMAIN\") \"example.com\" }}a{{ end }}", "a"),
            ("{{ range $i, $e := until 3 }}r{{ $e }}:\n{{ end }}", "r0:\nr1:\nr2:\n"),
            ("{{- range list \"a\" \"b\" }}\n- {{ . }}\n{{- end }}", "\n- a\n- b"),
            ("{{ $d := env \"DOMAIN\" }}x.{{ $d }}", "x.example.com"),
        ] {
            assert_eq!(render(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn faults_have_a_line_and_nothing_unset_is_printed() {
        for (text, line, needle) in [
            ("a\nb: {{ env \"NONE\" }}", None, "not set in the environment: NONE"),
            ("a\nb: {{ upper (env \"NONE\") }}", None, "not set in the environment: NONE"),
            ("a\nb: {{ .Name }}", None, "env \"NAME\""),
            ("a\n\nb: {{ envv \"A\" }}", Some(3), "did you mean env?"),
            ("a: {{ env \"A\" }}\nb: {{ template \"x\" }}", Some(2), "template is not supported"),
            ("a\nb: {{ env", Some(2), "not closed"),
            ("{{ range until 3 }}", None, "an end is missing"),
            ("{{ range until 20000 }}x{{ end }}", None, "items"),
            ("{{ env }}", None, "one name is expected"),
        ] {
            let (found, what) = render(text).unwrap_err();
            assert_eq!(found, line, "{text}: {what}");
            assert!(what.contains(needle), "{text}: {what}");
        }
    }
}
