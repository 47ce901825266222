//! `addPrefix`: puts a prefix in front of the path.

use seaway_config::model;
use seaway_head::RequestHead;

use crate::rewrite::{configured_path, set_path};
use crate::{Flow, refuse};

/// Puts a prefix in front of the path.
#[derive(Clone, Debug)]
pub struct AddPrefix {
    /// Canonical, without a slash at the end: the path brings its own.
    prefix: Box<str>,
}

impl AddPrefix {
    pub(crate) fn compile(options: &model::AddPrefix) -> Result<Self, String> {
        if options.prefix.trim().is_empty() {
            return Err("addPrefix.prefix is empty; it needs the path to put in front, such as /v1".to_owned());
        }
        let prefix = configured_path("addPrefix.prefix", &options.prefix)?;
        Ok(Self { prefix: prefix.trim_end_matches('/').into() })
    }

    pub(crate) fn on_request(&self, head: &mut RequestHead) -> Flow {
        let path = format!("{}{}", self.prefix, head.target.path());
        match set_path(&mut head.target, &path) {
            Ok(()) => Flow::Next,
            Err(_) => refuse("addPrefix: the new path is not canonical"),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::testing::{get, outcome};

    fn add(prefix: &str, target: &str) -> String {
        let middleware = AddPrefix::compile(&model::AddPrefix { prefix: prefix.to_owned() }).unwrap();
        let mut head = get(target);
        let flow = middleware.on_request(&mut head);
        outcome(&head, &flow).unwrap()
    }

    #[test]
    fn puts_the_prefix_in_front() {
        for (prefix, target, want) in [
            ("/a", "/b", "/a/b"),
            ("a", "/b", "/a/b"),
            ("/a/", "/b", "/a/b"),
            ("/a", "/", "/a/"),
            ("/", "/b", "/b"),
            ("/a", "/b%2Fc?x=1&y", "/a/b%2Fc?x=1&y"),
            ("/a b", "/c", "/a%20b/c"),
        ] {
            assert_eq!(add(prefix, target), want, "{prefix} {target}");
        }
    }

    #[test]
    fn a_prefix_that_is_no_plain_path_does_not_compile() {
        for prefix in ["", " ", "/..", "/a/../b", "/a//b", "/a?b=1", "/a#b", "/a\r\nX: y"] {
            assert!(AddPrefix::compile(&model::AddPrefix { prefix: prefix.to_owned() }).is_err(), "{prefix:?}");
        }
    }
}
