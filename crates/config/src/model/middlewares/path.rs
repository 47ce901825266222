//! Middlewares that change the path or the URL.

use crate::decode::options;

options! {
    /// `addPrefix`.
    section struct AddPrefix {
        prefix: String = String::new(), "prefix", "", "The prefix.";
    }

    /// `stripPrefix`.
    section struct StripPrefix {
        prefixes: Vec<String> = Vec::new(), "prefixes", "", "The first of these that the path starts with is cut off.";
        force_slash: Option<bool> = None, "forceSlash", "", "Deprecated: an empty rest becomes a slash.";
    }

    /// `stripPrefixRegex`.
    section struct StripPrefixRegex {
        regex: Vec<String> = Vec::new(), "regex", "", "The first of these that the path starts with is cut off.";
    }

    /// `replacePath`.
    section struct ReplacePath {
        path: String = String::new(), "path", "", "The new path.";
    }

    /// `replacePathRegex`.
    section struct ReplacePathRegex {
        regex: String = String::new(), "regex", "", "Matched against the path.";
        replacement: String = String::new(), "replacement", "", "What the match becomes; `$1` and `${name}` stand for groups.";
    }

    /// `redirectScheme`.
    section struct RedirectScheme {
        scheme: String = String::new(), "scheme", "", "The scheme to redirect to.";
        port: String = String::new(), "port", "", "The port to redirect to.";
        permanent: bool = false, "permanent", "false", "301 or 308 in place of 302 or 307.";
    }

    /// `redirectRegex`.
    section struct RedirectRegex {
        regex: String = String::new(), "regex", "", "Matched against the whole URL.";
        replacement: String = String::new(), "replacement", "", "The URL to redirect to; `$1` and `${name}` stand for groups.";
        permanent: bool = false, "permanent", "false", "301 or 308 in place of 302 or 307.";
    }
}
