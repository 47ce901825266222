//! `redirectRegex`: redirects by a regular expression over the whole URL.

use std::borrow::Cow;

use seaway_config::model;
use seaway_head::RequestHead;

use crate::redirect::{answer, client_authority, client_scheme};
use crate::template::Replacement;
use crate::{Flow, refuse};

/// Redirects when the URL `scheme://host[:port]/path?query` matches and becomes another one.
#[derive(Clone, Debug)]
pub struct RedirectRegex {
    replacement: Replacement,
    permanent: bool,
}

impl RedirectRegex {
    pub(crate) fn compile(options: &model::RedirectRegex) -> Result<Self, String> {
        if options.replacement.trim().is_empty() {
            return Err("redirectRegex.replacement is empty; it needs the URL to redirect to".to_owned());
        }
        let replacement =
            Replacement::compile("redirectRegex", &options.regex, &options.replacement, |text| {
                match text.chars().any(char::is_control) {
                    true => Err(format!("redirectRegex.replacement {text:?} has a control character")),
                    false => Ok(text.to_owned()),
                }
            })?;
        Ok(Self { replacement, permanent: options.permanent })
    }

    pub(crate) fn on_request(&self, head: &mut RequestHead) -> Flow {
        let url = format!("{}://{}{}", client_scheme(head), client_authority(head), head.target.as_path_and_query());
        match self.replacement.apply(&url) {
            Some(new) if new != url => match within_configuration(&new, self.replacement.lead()) {
                Some(location) => answer(&head.method, self.permanent, &location, "redirectRegex"),
                None => refuse("redirectRegex: the request would choose the scheme"),
            },
            _ => Flow::Next,
        }
    }
}

/// A client's text that a group carries over may fill the path, but it must not become a host or a scheme that the
/// configuration did not write: of `/$1` and `/evil.example` a URL without scheme would come.
fn within_configuration<'l>(location: &'l str, lead: &str) -> Option<Cow<'l, str>> {
    const SLASHES: [char; 2] = ['/', '\\'];
    let path = location.trim_start_matches(SLASHES);
    if location.len() - path.len() > 1 && !lead.starts_with("//") {
        return Some(Cow::Owned(format!("/{path}")));
    }
    let before_path = location.split(['/', '\\', '?', '#']).next().unwrap_or_default();
    let is_web =
        ["http://", "https://"].iter().any(|s| location.get(..s.len()).is_some_and(|l| l.eq_ignore_ascii_case(s)));
    (!before_path.contains(':') || lead.contains(':') || is_web).then_some(Cow::Borrowed(location))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::testing::{redirect, to};

    fn compile(regex: &str, replacement: &str) -> Result<RedirectRegex, String> {
        RedirectRegex::compile(&model::RedirectRegex {
            regex: regex.to_owned(),
            replacement: replacement.to_owned(),
            permanent: true,
        })
    }

    fn run(regex: &str, replacement: &str, host: &str, target: &str) -> Option<(u16, String)> {
        let flow = compile(regex, replacement).unwrap().on_request(&mut to(host, target));
        redirect(&flow).map(|(status, location)| (status, location.to_owned()))
    }

    #[test]
    fn redirects_by_the_whole_url() {
        for (regex, replacement, host, target, want) in [
            ("^http://localhost/(.*)", "http://mydomain/${1}", "localhost", "/a?b=c", "http://mydomain/a?b=c"),
            ("^(https?)://www\\.(.*)$", "${1}://${2}", "www.a.example:8080", "/x", "http://a.example:8080/x"),
            ("^.*/old/(.*)$", "/new/$1", "a", "/old/x", "/new/x"),
            ("/old", "/new", "a", "/old", "http://a/new"),
            ("^.*$", "//cdn.example/x", "a", "/", "//cdn.example/x"),
            ("^.*$", "HTTPS://b/", "a", "/", "HTTPS://b/"),
            ("^.*$", "https://b/a b", "a", "/", "https://b/a%20b"),
        ] {
            assert_eq!(run(regex, replacement, host, target), Some((301, want.to_owned())), "{regex}");
        }
    }

    #[test]
    fn passes_what_does_not_match_or_does_not_change() {
        assert_eq!(run("^https://", "x", "a", "/"), None);
        assert_eq!(run("^http://a/(.*)$", "http://a/$1", "a", "/x"), None);
    }

    #[test]
    fn a_client_cannot_choose_another_host_or_scheme() {
        for (regex, replacement, target, want) in [
            ("^http://a/go(.*)$", "/$1", "/go/evil.example", (301, "/evil.example")),
            ("^http://a/go(.*)$", "$1$1", "/go?x=//e", (301, "?x=//e?x=//e")),
            ("^.*\\?to=(.*)$", "/$1", "/?to=//evil.example", (301, "/evil.example")),
            ("^.*\\?to=(.*)$", "/$1", "/?to=\\evil.example", (301, "/evil.example")),
            ("^.*\\?to=(.*)$", "$1", "/?to=\\\\evil.example", (301, "/evil.example")),
            ("^http://a/(.*)$", "$1", "/javascript:alert(1)", (400, "")),
            ("^http://a/(.*)$", "https://b/$1", "/%0d%0aSet-Cookie:x", (301, "https://b/%0D%0ASet-Cookie:x")),
        ] {
            assert_eq!(run(regex, replacement, "a", target), Some((want.0, want.1.to_owned())), "{regex} {target}");
        }
    }

    #[test]
    fn an_amplified_target_is_refused() {
        let target = format!("/{}", "a".repeat(9_000));
        assert_eq!(run("a", "$0$0$0", "b", &target).map(|r| r.0), Some(400));
    }

    #[test]
    fn options_that_cannot_work_do_not_compile() {
        for (regex, replacement) in [("", "x"), ("(", "x"), ("a", ""), ("a", "https://x/\r\nY: z")] {
            assert!(compile(regex, replacement).is_err(), "{regex} {replacement:?}");
        }
    }
}
