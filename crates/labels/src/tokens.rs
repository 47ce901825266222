//! A label's key, cut into tokens: `traefik.http.routers.web.tls.domains[0].main`.

use seaway_config::Code;

/// Deepest key that is read, in tokens.
pub(crate) const MAX_DEPTH: usize = 64;

/// One token and where it ends in the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Token<'k> {
    /// The text: a name, or an index such as `[0]`.
    pub(crate) text: &'k str,
    /// The byte offset of its end, so that the key can be cut to this depth.
    pub(crate) end: usize,
}

/// Why a key cannot be cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TokenFault {
    /// Two dots in a row, or one at the start or end.
    Empty,
    /// A square bracket where no index can be.
    Bracket,
    /// A control character.
    Control,
    /// More than [`MAX_DEPTH`] tokens.
    Depth,
}

impl TokenFault {
    pub(crate) fn code(self) -> Code {
        match self {
            Self::Empty | Self::Bracket => Code::UnknownOption,
            Self::Control => Code::BadText,
            Self::Depth => Code::LabelLimit,
        }
    }

    /// What would be right, where one can say it of any key.
    pub(crate) fn fix(self) -> &'static str {
        match self {
            Self::Depth => "a key of at most 64 parts",
            Self::Empty | Self::Bracket | Self::Control => "",
        }
    }

    pub(crate) fn message(self) -> &'static str {
        match self {
            Self::Empty => "the key has an empty part: two dots in a row, or one at its end",
            Self::Bracket => "the key has a square bracket that makes no index; an index looks like name[0]",
            Self::Control => "the key has a control character",
            Self::Depth => "the key has more than 64 parts",
        }
    }
}

/// Cuts a key. With a fault come the tokens before it, which say whose label it is.
pub(crate) fn split(key: &str) -> (Vec<Token<'_>>, Option<TokenFault>) {
    let mut tokens = Vec::new();
    let mut start = 0;
    for segment in key.split('.') {
        let end = start + segment.len();
        let fault = if segment.is_empty() {
            Some(TokenFault::Empty)
        } else if segment.starts_with('[') {
            Some(TokenFault::Bracket)
        } else if segment.chars().any(char::is_control) {
            Some(TokenFault::Control)
        } else if tokens.len() + 2 > MAX_DEPTH {
            Some(TokenFault::Depth)
        } else if segment.ends_with(']') {
            match segment.find('[') {
                Some(at) if !segment.get(at + 1..segment.len() - 1).is_none_or(|i| i.contains(['[', ']'])) => {
                    let (name, index) = segment.split_at(at);
                    tokens.push(Token { text: name, end: start + at });
                    tokens.push(Token { text: index, end });
                    None
                }
                _ => Some(TokenFault::Bracket),
            }
        } else {
            tokens.push(Token { text: segment, end });
            None
        };
        if fault.is_some() {
            return (tokens, fault);
        }
        start = end + 1;
    }
    (tokens, None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(key: &str) -> (Vec<&str>, Option<TokenFault>) {
        let (tokens, fault) = split(key);
        for token in &tokens {
            assert!(key.get(..token.end).is_some_and(|cut| cut.ends_with(token.text)), "{key}");
        }
        (tokens.into_iter().map(|t| t.text).collect(), fault)
    }

    #[test]
    fn keys_are_cut_at_dots_and_indices() {
        assert_eq!(texts("traefik.http.a"), (vec!["traefik", "http", "a"], None));
        assert_eq!(texts("a.domains[0].main"), (vec!["a", "domains", "[0]", "main"], None));
        assert_eq!(texts("a.b[]"), (vec!["a", "b", "[]"], None));
        assert_eq!(texts("a.b[x"), (vec!["a", "b[x"], None), "kept as a name, as in Traefik");
    }

    #[test]
    fn faults_keep_what_came_before() {
        for (key, before, fault) in [
            ("a..b", 1, TokenFault::Empty),
            ("a.b.", 2, TokenFault::Empty),
            ("", 0, TokenFault::Empty),
            (".a", 0, TokenFault::Empty),
            ("a.[0]", 1, TokenFault::Bracket),
            ("a.b0]", 1, TokenFault::Bracket),
            ("a.b[0][1]", 1, TokenFault::Bracket),
            ("a.b\0.c", 1, TokenFault::Control),
        ] {
            let (tokens, found) = split(key);
            assert_eq!((tokens.len(), found), (before, Some(fault)), "{key:?}");
        }
        let deep = vec!["a"; 500].join(".");
        let (tokens, fault) = split(&deep);
        assert!(tokens.len() <= MAX_DEPTH);
        assert_eq!(fault, Some(TokenFault::Depth));
    }
}
