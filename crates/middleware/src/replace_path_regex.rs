//! `replacePathRegex`: replaces the path by a regular expression and tells the server the one before.

use seaway_config::model;
use seaway_head::RequestHead;

use crate::rewrite::{check_literal, encode, replace_path};
use crate::template::Replacement;
use crate::{Flow, refuse};

/// Replaces what matches of the encoded path.
#[derive(Clone, Debug)]
pub struct ReplacePathRegex {
    replacement: Replacement,
}

impl ReplacePathRegex {
    pub(crate) fn compile(options: &model::ReplacePathRegex) -> Result<Self, String> {
        Replacement::compile("replacePathRegex", &options.regex, &options.replacement, |text| {
            check_literal("replacePathRegex.replacement", text)?;
            Ok(encode(text))
        })
        .map(|replacement| Self { replacement })
    }

    pub(crate) fn on_request(&self, head: &mut RequestHead) -> Flow {
        let Some(path) = self.replacement.apply(head.target.path()) else {
            return Flow::Next;
        };
        match replace_path(head, &path) {
            Ok(()) => Flow::Next,
            Err(_) => refuse("replacePathRegex: the new path is not canonical"),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use http::StatusCode;

    use super::*;
    use crate::testing::{get, outcome, values};

    fn compile(regex: &str, replacement: &str) -> Result<ReplacePathRegex, String> {
        let (regex, replacement) = (regex.to_owned(), replacement.to_owned());
        ReplacePathRegex::compile(&model::ReplacePathRegex { regex, replacement })
    }

    fn replace(regex: &str, replacement: &str, target: &str) -> (Result<String, StatusCode>, Vec<String>) {
        let mut head = get(target);
        let flow = compile(regex, replacement).unwrap().on_request(&mut head);
        let told = values(&head.headers, "x-replaced-path").into_iter().map(str::to_owned).collect();
        (outcome(&head, &flow), told)
    }

    #[test]
    fn replaces_what_matches() {
        for (regex, replacement, target, want, told) in [
            ("^/api/(.*)", "/$1", "/api/users?x=1", "/users?x=1", "/api/users"),
            (" ^/a/(.*)$ ", " /b/${1}/c ", "/a/x", "/b/x/c", "/a/x"),
            ("^/(?P<u>[^/]+)/(.*)", "/users/${u}/$2", "/me/x", "/users/me/x", "/me/x"),
            ("/old", "/new", "/old/old", "/new/new", "/old/old"),
            ("^/a$", "/b c", "/a", "/b%20c", "/a"),
            ("^/a(.*)", "$1", "/a", "/", "/a"),
            ("%2F", "/", "/a%2Fb", "/a/b", "/a%2Fb"),
        ] {
            assert_eq!(
                replace(regex, replacement, target),
                (Ok(want.to_owned()), vec![told.to_owned()]),
                "{regex} {replacement}"
            );
        }
    }

    #[test]
    fn what_does_not_match_passes_unchanged() {
        assert_eq!(replace("^/api", "/x", "/other?y"), (Ok("/other?y".to_owned()), vec![]));
    }

    #[test]
    fn a_result_that_means_another_path_is_refused() {
        for (regex, replacement, target) in [
            ("^/x/(.*)", "/$1/..", "/x/y"),
            ("^/(.)(.*)", "/.$1/$2", "/.a"),
            ("^/a(.*)", "//$1", "/ab"),
            ("^/a/(.*)", "$1", "/a/b"),
            ("^/a(.*)", "/%2$1", "/ae/x"),
            ("^/a", "/%", "/a"),
        ] {
            let (outcome, told) = replace(regex, replacement, target);
            assert_eq!((outcome, told.len()), (Err(StatusCode::BAD_REQUEST), 0), "{regex} {replacement} {target}");
        }
    }

    #[test]
    fn an_amplified_path_is_refused() {
        let target = format!("/{}", "a".repeat(9_000));
        assert_eq!(replace("a", "$0$0$0$0$0$0$0$0", &target).0, Err(StatusCode::BAD_REQUEST));
    }

    #[test]
    fn options_that_cannot_work_do_not_compile() {
        for (regex, replacement) in
            [("", "/a"), ("(", "/a"), ("a", "/b?c"), ("a", "/b#c"), ("a", "/b\r\nc"), ("a", "\\")]
        {
            assert!(compile(regex, replacement).is_err(), "{regex} {replacement:?}");
        }
    }
}
