//! Single slips in a good file.

use super::*;

/// Each line of this says one thing.
const GUARDED: &str = "http:
  routers:
    web:
      rule: Host(`web`)
      middlewares:
        - guard
      service: web
    toml:
      rule: Host(`toml`)
      middlewares: [guard, strip]
      service: web
  services:
    web:
      loadBalancer:
        servers:
          - url: http://10.0.0.7
  middlewares:
    guard:
      addPrefix:
        prefix: /guarded
    strip:
      stripPrefix:
        prefixes: [/x]
";

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(3000))]

    /// Whatever one slip does to the file, no router that still takes those requests has lost its guard.
    #[test]
    fn no_slip_opens_a_router(
        at in 0..GUARDED.len(),
        cut in 0usize..5,
        put in proptest::prop_oneof!["", "[a-z :,\\-\\[\\]{}'\"`@.&*!|>\n]{1,2}"],
    ) {
        let end = (at + cut).min(GUARDED.len());
        let text = format!("{}{put}{}", &GUARDED[..at], &GUARDED[end..]);
        let Ok(found) = read_dynamic(Format::Yaml, "file", "a.yml", &text, &|_| None) else { return Ok(()) };
        for rule in ["Host(`web`)", "Host(`toml`)"] {
            for (name, router) in found.routers.iter().filter(|(_, router)| router.value.rule.trim() == rule) {
                let has_guard = !router.value.middlewares.is_empty();
                let was_cut = cut > 0 && GUARDED[at..end].contains('\n');
                // Nothing at all behind the name is Traefik's word for none, and that is said.
                let key = format!("http.routers.{name}.middlewares");
                let is_told = found.diagnostics.iter().any(|d| *d.origin.key == *key);
                proptest::prop_assert!(has_guard || was_cut || is_told || router.quarantine.is_some(), "{name} in\n{text}");
            }
        }
    }

    #[test]
    fn no_text_is_too_much(text in "([ a-z:,\\-\\[\\]{}'\"`@.&*!|>\n\t#]|http:|routers:|services:|\\{\\{|\\}\\}){0,60}") {
        for format in [Format::Yaml, Format::Toml] {
            drop(read_dynamic(format, "file", "a.yml", &text, &|_| None));
        }
    }
}
