//! Properties: nothing panics, and one slip of the finger in one key never publishes a router without its middleware.

use super::*;
use proptest::prelude::*;

/// What a finger may add, and what hurts most.
const LETTERS: &[char] = &[
    'a', 'b', 'e', 'k', 'm', 'r', 's', 't', 'w', 'z', '0', '1', '.', '[', ']', '-', '_', '@', ' ', '=', '\n', '\0',
    'é', 'A', 'W',
];

#[derive(Clone, Debug)]
enum Edit {
    Insert(usize, char),
    Delete(usize),
    Replace(usize, char),
    Swap(usize),
}

fn edits() -> impl Strategy<Value = Edit> {
    let letter = || proptest::sample::select(LETTERS);
    prop_oneof![
        (0..80usize, letter()).prop_map(|(at, c)| Edit::Insert(at, c)),
        (0..80usize).prop_map(Edit::Delete),
        (0..80usize, letter()).prop_map(|(at, c)| Edit::Replace(at, c)),
        (0..80usize).prop_map(Edit::Swap),
    ]
}

fn apply(key: &str, edit: &Edit) -> String {
    let mut chars: Vec<char> = key.chars().collect();
    match *edit {
        Edit::Insert(at, c) => chars.insert(at % (chars.len() + 1), c),
        Edit::Delete(at) => {
            chars.remove(at % chars.len());
        }
        Edit::Replace(at, c) => {
            let at = at % chars.len();
            chars[at] = c;
        }
        Edit::Swap(at) => {
            let at = at % (chars.len() - 1);
            chars.swap(at, at + 1);
        }
    }
    chars.into_iter().collect()
}

/// A valid container: one router with a middleware, the middleware, perhaps more.
fn containers() -> impl Strategy<Value = (String, BTreeMap<String, String>)> {
    let name = prop_oneof!["[a-z][a-z0-9-]{0,9}", Just("webtls".to_owned()), Just("web-middlewares".to_owned())];
    let root = prop_oneof![3 => Just("traefik"), 1 => Just("seaway")];
    let list = prop_oneof![Just("middlewares"), Just("Middlewares"), Just("middlewares[0]")];
    (name, root, list, any::<[bool; 6]>()).prop_map(|(name, root, list, with)| {
        let mut lines = vec![
            format!("{root}.http.routers.{name}.{list}=guard"),
            "traefik.http.middlewares.guard.redirectscheme.scheme=https".to_owned(),
            "traefik.http.middlewares.guard.redirectscheme.permanent=true".to_owned(),
        ];
        let more = [
            format!("{root}.http.routers.{name}.rule=Host(`a.test`)"),
            format!("traefik.http.routers.{name}.entrypoints=web"),
            format!("traefik.http.routers.{name}.service={name}"),
            format!("traefik.http.routers.{name}.priority=5"),
            format!("traefik.http.services.{name}.loadbalancer.server.port=80"),
            "traefik.enable=true".to_owned(),
        ];
        lines.extend(more.into_iter().zip(with).filter(|(_, with)| *with).map(|(line, _)| line));
        (name, labels(&lines.iter().map(String::as_str).collect::<Vec<_>>()))
    })
}

/// Every router that would be published has its middleware, and the middleware is whole or not there (which is closed).
fn check(decoded: &Decoded) -> Result<(), TestCaseError> {
    let published = decoded.routers.iter().filter(|(_, r)| r.quarantine.is_none());
    for (name, router) in published {
        prop_assert_eq!(&router.value.middlewares, &["guard"], "router {:?} lost its middleware: {:?}", name, decoded);
        if let Some(guard) = decoded.middlewares.get("guard").filter(|m| m.quarantine.is_none()) {
            let Middleware::RedirectScheme(redirect) = &guard.value else { panic!("another type: {guard:?}") };
            prop_assert!(redirect.permanent && redirect.scheme == "https", "half a middleware: {:?}", decoded);
        }
    }
    prop_assert!(!decoded.routers.is_empty() || decoded.http_refused, "a default router would be made: {:?}", decoded);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    #[test]
    fn one_slip_never_publishes_a_router_without_its_middleware(
        (_, labels) in containers(), which in any::<proptest::sample::Index>(), edit in edits()
    ) {
        let whole = decode_container(&labels, "docker", "c");
        prop_assert_eq!(&whole.diagnostics, &vec![]);
        check(&whole)?;
        let mut mutated = labels.clone();
        let key = which.get(&labels.keys().cloned().collect::<Vec<_>>()).clone();
        let new = apply(&key, &edit);
        let value = mutated.remove(&key).unwrap();
        // Two labels cannot have one key: the engine would keep one of them, and nobody can know of the other.
        prop_assume!(!mutated.keys().any(|other| other.eq_ignore_ascii_case(&new)));
        mutated.insert(new, value);
        check(&decode_container(&mutated, "docker", "c"))?;
    }
}

proptest! {
    #[test]
    fn nothing_panics(labels in proptest::collection::btree_map(any::<String>(), any::<String>(), 0..20)) {
        let _ = decode_container(&labels, "docker", "c");
    }

    #[test]
    fn nothing_panics_near_the_grammar(
        lines in proptest::collection::vec(
            ("(traefik|seaway|Traefik)(\\.(http|tcp|enable|docker|htp|tls))?(\\.(routers|services|middlewares|\\[0\\]|x))?\
              (\\.(a|b|é|\\[|]|))?(\\.(rule|tls|loadbalancer|headers|chain|server|sticky|[a-z.]{0,4}|\\[[0-9]{0,12}\\]))?{0,3}",
             "(true|false|[0-9a-z,\\PC]{0,8})"), 0..12)
    ) {
        let labels: BTreeMap<String, String> = lines.into_iter().collect();
        let decoded = decode_container(&labels, "docker", "c");
        for found in &decoded.diagnostics {
            prop_assert!(!found.message.is_empty() && !found.to_string().chars().any(char::is_control), "{:?}", found);
        }
        let off = |d: &Option<Diagnostic>| d.is_some();
        let any_off = decoded.routers.values().any(|r| off(&r.quarantine))
            || decoded.services.values().any(|s| off(&s.quarantine))
            || decoded.middlewares.values().any(|m| off(&m.quarantine));
        prop_assert!(!any_off || decoded.http_refused);
        prop_assert!(decoded.quarantine_all.is_none() || decoded.routers.values().all(|r| off(&r.quarantine)));
    }
}
