//! `stripPrefix`: cuts a prefix off the path and tells the server.

use http::{HeaderName, HeaderValue};
use seaway_config::model;
use seaway_head::RequestHead;

use crate::rewrite::{configured_path, hex, needs_encoding, set_path};
use crate::{Flow, refuse};

/// Tells the server what was cut off, so that it can write links that work.
const FORWARDED_PREFIX: HeaderName = HeaderName::from_static("x-forwarded-prefix");

/// Cuts the first matching prefix off the path.
#[derive(Clone, Debug)]
pub struct StripPrefix {
    prefixes: Box<[Prefix]>,
}

#[derive(Clone, Debug)]
struct Prefix {
    /// Canonical and encoded, as paths are.
    path: Box<str>,
    /// As written, for the header.
    value: HeaderValue,
}

impl StripPrefix {
    /// `forceSlash` says what an empty rest becomes; on the wire it is a slash in any case.
    pub(crate) fn compile(options: &model::StripPrefix) -> Result<Self, String> {
        let mut prefixes = Vec::with_capacity(options.prefixes.len());
        for text in options.prefixes.iter().map(|p| p.trim()) {
            // Every path begins with a slash, so anything else matches nothing, and passes everything unchanged.
            if !text.starts_with('/') {
                continue;
            }
            let path = configured_path("stripPrefix.prefixes", text)?.into();
            let value = HeaderValue::from_bytes(text.as_bytes())
                .map_err(|_| format!("stripPrefix.prefixes {text:?} does not fit into a header"))?;
            prefixes.push(Prefix { path, value });
        }
        Ok(Self { prefixes: prefixes.into() })
    }

    pub(crate) fn on_request(&self, head: &mut RequestHead) -> Flow {
        let path = head.target.path();
        let Some((prefix, rest)) = self.prefixes.iter().find_map(|p| Some((p, cut(path, &p.path)?))) else {
            return Flow::Next;
        };
        // The rest is judged as the path that it becomes: of `/api../x` without `/api` a dot segment is left.
        let rest = if rest.starts_with('/') { rest.to_owned() } else { format!("/{rest}") };
        if set_path(&mut head.target, &rest).is_err() {
            return refuse("stripPrefix: the rest of the path is not canonical");
        }
        head.headers.append(FORWARDED_PREFIX, prefix.value.clone());
        Flow::Next
    }
}

/// What is left of `path` after `prefix`. The prefix is encoded; a path may have the same character as it is.
fn cut<'p>(path: &'p str, prefix: &str) -> Option<&'p str> {
    let mut prefix = prefix.bytes();
    let mut bytes = path.bytes();
    while let Some(want) = prefix.next() {
        let byte = bytes.next()?;
        if byte == want {
            continue;
        }
        let encoded = want == b'%'
            && needs_encoding(byte)
            && prefix.next() == Some(hex(byte >> 4))
            && prefix.next() == Some(hex(byte & 15));
        if !encoded {
            return None;
        }
    }
    path.get(path.len() - bytes.len()..)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use http::StatusCode;

    use super::*;
    use crate::testing::{get, outcome, values};

    fn compile(prefixes: &[&str]) -> Result<StripPrefix, String> {
        let prefixes = prefixes.iter().map(|p| (*p).to_owned()).collect();
        StripPrefix::compile(&model::StripPrefix { prefixes, force_slash: None })
    }

    fn strip(prefixes: &[&str], target: &str) -> (Result<String, StatusCode>, Vec<String>) {
        let mut head = get(target);
        let flow = compile(prefixes).unwrap().on_request(&mut head);
        let told = values(&head.headers, "x-forwarded-prefix").into_iter().map(str::to_owned).collect();
        (outcome(&head, &flow), told)
    }

    #[test]
    fn cuts_the_first_prefix_in_the_order_of_the_list() {
        for (prefixes, target, want, told) in [
            (&["/api"][..], "/api/users?x=1", "/users?x=1", "/api"),
            (&["/api"], "/api", "/", "/api"),
            (&["/api"], "/api/", "/", "/api"),
            (&["/api"], "/api?x", "/?x", "/api"),
            (&["/api/"], "/api/users", "/users", "/api/"),
            (&["/stat"], "/status", "/us", "/stat"),
            (&["/"], "/a/b", "/a/b", "/"),
            (&[" /a ", "/a/b"], "/a/b/c", "/b/c", "/a"),
            (&["/a/b", "/a"], "/a/b/c", "/c", "/a/b"),
            (&["/b", "/a"], "/a/x", "/x", "/a"),
            (&["/api"], "/%61pi/x", "/x", "/api"),
            (&["/a b"], "/a%20b/c", "/c", "/a b"),
            (&["/{x}"], "/{x}/c", "/c", "/{x}"),
            (&["/{x}"], "/%7bx%7D/c", "/c", "/{x}"),
            (&["/api"], "/api%2Fx", "/%2Fx", "/api"),
        ] {
            assert_eq!(strip(prefixes, target), (Ok(want.to_owned()), vec![told.to_owned()]), "{prefixes:?} {target}");
        }
    }

    #[test]
    fn what_does_not_match_passes_unchanged() {
        for (prefixes, target) in [
            (&["/api"][..], "/ap"),
            (&["/api"], "/API/x"),
            (&["/a/b"], "/a%2Fb/c"),
            (&["api"], "/api/x"),
            (&[""], "/x"),
            (&[], "/x"),
            (&["/a%2Fb"], "/a/b"),
        ] {
            assert_eq!(strip(prefixes, target), (Ok(target.to_owned()), vec![]), "{prefixes:?} {target}");
        }
    }

    #[test]
    fn a_rest_that_means_another_path_is_refused() {
        for target in ["/api../admin", "/api%2e/admin", "/api.", "/api..", "/api..%2Fadmin", "/api.;/x"] {
            assert_eq!(strip(&["/api"], target).0, Err(StatusCode::BAD_REQUEST), "{target}");
        }
        assert_eq!(strip(&["/api"], "/api//admin").0.unwrap(), "/admin");
    }

    #[test]
    fn a_second_strip_tells_its_own_prefix() {
        let mut head = get("/a/b/c");
        assert!(matches!(compile(&["/a"]).unwrap().on_request(&mut head), Flow::Next));
        assert!(matches!(compile(&["/b"]).unwrap().on_request(&mut head), Flow::Next));
        assert_eq!(values(&head.headers, "x-forwarded-prefix"), ["/a", "/b"]);
        assert_eq!(head.target.path(), "/c");
    }

    #[test]
    fn prefixes_that_are_no_plain_paths_do_not_compile() {
        for prefix in ["/a/..", "//a", "/a?b", "/a\0"] {
            assert!(compile(&[prefix]).is_err(), "{prefix:?}");
        }
    }
}
