//! `replacePath`: replaces the path and tells the server the one before.

use seaway_config::model;
use seaway_head::RequestHead;

use crate::rewrite::{configured_path, replace_path};
use crate::{Flow, refuse};

/// Replaces the whole path; the query stays.
#[derive(Clone, Debug)]
pub struct ReplacePath {
    path: Box<str>,
}

impl ReplacePath {
    pub(crate) fn compile(options: &model::ReplacePath) -> Result<Self, String> {
        Ok(Self { path: configured_path("replacePath.path", &options.path)?.into() })
    }

    pub(crate) fn on_request(&self, head: &mut RequestHead) -> Flow {
        match replace_path(head, &self.path) {
            Ok(()) => Flow::Next,
            Err(_) => refuse("replacePath: the new path is not canonical"),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use http::HeaderValue;

    use super::*;
    use crate::testing::{get, outcome, values};

    #[test]
    fn replaces_the_path_and_keeps_the_query() {
        for (path, target, want, told) in [
            ("/new", "/old/x?y=1", "/new?y=1", "/old/x"),
            ("new", "/a%2Fb", "/new", "/a%2Fb"),
            ("/a b/é", "/", "/a%20b/%C3%A9", "/"),
            ("", "/old", "/", "/old"),
        ] {
            let middleware = ReplacePath::compile(&model::ReplacePath { path: path.to_owned() }).unwrap();
            let mut head = get(target);
            head.headers.insert("x-replaced-path", HeaderValue::from_static("/forged"));
            let flow = middleware.on_request(&mut head);
            assert_eq!(outcome(&head, &flow).unwrap(), want);
            assert_eq!(values(&head.headers, "x-replaced-path"), [told]);
        }
    }

    #[test]
    fn a_path_that_is_no_plain_path_does_not_compile() {
        for path in ["/a?b", "/a#b", "/../a", "/%zz", "/a\nb"] {
            assert!(ReplacePath::compile(&model::ReplacePath { path: path.to_owned() }).is_err(), "{path:?}");
        }
    }
}
