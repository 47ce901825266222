//! `stripPrefixRegex`: cuts what an expression matches off the beginning of the path and tells the server.

use http::{HeaderName, HeaderValue};
use regex::Regex;
use seaway_config::{model, regexp};
use seaway_head::RequestHead;

use crate::rewrite::{encode, set_path};
use crate::{Flow, refuse};

/// Tells the server what was cut off, so that it can write links that work.
const FORWARDED_PREFIX: HeaderName = HeaderName::from_static("x-forwarded-prefix");

/// Cuts off what the first expression matches at the beginning of the path.
#[derive(Clone, Debug)]
pub struct StripPrefixRegex {
    expressions: Box<[Regex]>,
}

impl StripPrefixRegex {
    pub(crate) fn compile(options: &model::StripPrefixRegex) -> Result<Self, String> {
        let compiled = options.regex.iter().map(|text| {
            let text = text.trim();
            regexp::compile(text).map_err(|what| format!("stripPrefixRegex.regex {text:?} cannot be used: {what}"))
        });
        Ok(Self { expressions: compiled.collect::<Result<_, _>>()? })
    }

    /// Expressions are matched against what rules are matched against, in which reserved characters stay encoded: no
    /// expression can take a `%2F` for a slash.
    pub(crate) fn on_request(&self, head: &mut RequestHead) -> Flow {
        let path = head.target.routing_path();
        let found = self.expressions.iter().filter_map(|regex| regex.find(&path));
        let Some(prefix) = found.map(|found| found.range()).find(|range| range.start == 0 && range.end > 0) else {
            return Flow::Next;
        };
        let (cut, rest) = path.split_at(prefix.end);
        let slash = if rest.starts_with('/') { "" } else { "/" };
        let rest = encode(&format!("{slash}{rest}"));
        let Ok(told) = HeaderValue::from_bytes(cut.as_bytes()) else {
            return refuse("stripPrefixRegex: the prefix does not fit into a header");
        };
        if set_path(&mut head.target, &rest).is_err() {
            return refuse("stripPrefixRegex: the rest of the path is not canonical");
        }
        head.headers.append(FORWARDED_PREFIX, told);
        Flow::Next
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use http::StatusCode;

    use super::*;
    use crate::testing::{get, outcome};

    fn compile(regex: &[&str]) -> Result<StripPrefixRegex, String> {
        StripPrefixRegex::compile(&model::StripPrefixRegex { regex: regex.iter().map(|r| (*r).to_owned()).collect() })
    }

    fn strip(regex: &[&str], target: &str) -> (Result<String, StatusCode>, Vec<String>) {
        let mut head = get(target);
        let flow = compile(regex).unwrap().on_request(&mut head);
        let told = head.headers.get_all("x-forwarded-prefix").iter();
        let told = told.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()).collect();
        (outcome(&head, &flow), told)
    }

    #[test]
    fn cuts_what_the_first_expression_matches() {
        for (regex, target, want, told) in [
            (&["/a/api/"][..], "/a/api/test", "/test", "/a/api/"),
            (&["/a/api"], "/a/api/test?x=1", "/test?x=1", "/a/api"),
            (&["/a/api"], "/a/api", "/", "/a/api"),
            (&["/a/api"], "/a/api?x", "/?x", "/a/api"),
            (&["/b/([a-z0-9]+)/"], "/b/api/test", "/test", "/b/api/"),
            (&["/b/([a-z0-9]+)"], "/b/api1/test1/test2", "/test1/test2", "/b/api1"),
            (&[" ^/b/[0-9]+ "], "/b/12", "/", "/b/12"),
            (&["/c/[a-z]+/[0-9]+/?"], "/c/api/123/test3", "/test3", "/c/api/123/"),
            (&["/x", "/a"], "/a/b", "/b", "/a"),
            (&["/a", "/a/b"], "/a/b/c", "/b/c", "/a"),
            (&["/stat"], "/status", "/us", "/stat"),
            (&["/a b"], "/a%20b/c", "/c", "/a b"),
            (&["/é"], "/%C3%A9/c%20d", "/c%20d", "/é"),
            (&["/a"], "/a/b%2Fc%25", "/b%2Fc%25", "/a"),
            (&["/[^/]+"], "/a%2Fb/c", "/c", "/a%2Fb"),
        ] {
            assert_eq!(strip(regex, target), (Ok(want.to_owned()), vec![told.to_owned()]), "{regex:?} {target}");
        }
    }

    #[test]
    fn what_does_not_match_at_the_beginning_passes_unchanged() {
        for (regex, target) in [
            (&["/a/api/"][..], "/a/test"),
            (&["/b/([0-9]+)"], "/b/api"),
            (&["/b"], "/a/b"),
            (&["b"], "/b"),
            (&["x*"], "/b"),
            (&["/A"], "/a"),
            (&["/a/b"], "/a%2Fb/c"),
            (&[], "/b"),
        ] {
            assert_eq!(strip(regex, target), (Ok(target.to_owned()), vec![]), "{regex:?} {target}");
        }
    }

    #[test]
    fn a_rest_that_means_another_path_is_refused() {
        for target in ["/api../admin", "/api./admin", "/api..", "/api..%2Fadmin", "/api.;/x"] {
            assert_eq!(strip(&["/api"], target).0, Err(StatusCode::BAD_REQUEST), "{target}");
        }
        assert_eq!(strip(&["/api/"], "/api/%2e%2e/x").0.unwrap(), "/x", "judged before it came here");
    }

    #[test]
    fn expressions_that_cannot_be_read_do_not_compile() {
        for regex in ["(", "[a", "a{1000}{1000}{1000}"] {
            let error = compile(&["/ok", regex]).unwrap_err();
            assert!(error.starts_with("stripPrefixRegex.regex") && !error.contains('\n'), "{error}");
        }
    }
}
