//! `encodedCharacters`: refuses paths with percent-encoded characters that servers read in more than one way.

use seaway_config::model;
use seaway_head::RequestHead;

use crate::{Flow, refuse};

/// Refuses paths with certain percent-encoded characters.
#[derive(Clone, Debug)]
pub struct EncodedCharacters {
    /// As two upper-case digits.
    refused: Box<[[u8; 2]]>,
}

impl EncodedCharacters {
    pub(crate) fn compile(options: &model::EncodedCharacters) -> Result<Self, String> {
        let all = [
            (options.allow_encoded_slash, b"2F"),
            (options.allow_encoded_back_slash, b"5C"),
            (options.allow_encoded_null_character, b"00"),
            (options.allow_encoded_semicolon, b"3B"),
            (options.allow_encoded_percent, b"25"),
            (options.allow_encoded_question_mark, b"3F"),
            (options.allow_encoded_hash, b"23"),
        ];
        Ok(Self { refused: all.iter().filter(|(allowed, _)| !allowed).map(|(_, digits)| **digits).collect() })
    }

    pub(crate) fn on_request(&self, head: &RequestHead) -> Flow {
        let mut escapes = head.target.path().as_bytes().split(|byte| *byte == b'%').skip(1);
        let refused = escapes.any(|escape| {
            escape
                .first_chunk::<2>()
                .is_some_and(|digits| self.refused.contains(&digits.map(|d| d.to_ascii_uppercase())))
        });
        if refused {
            refuse("encodedCharacters: the path has an encoded character that is not allowed")
        } else {
            Flow::Next
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::testing::{get, outcome};

    type Allow = fn(&mut model::EncodedCharacters);

    /// Each with the option that lets it pass.
    const CHARACTERS: [(&str, Allow); 5] = [
        ("%2F", |o| o.allow_encoded_slash = true),
        ("%3B", |o| o.allow_encoded_semicolon = true),
        ("%25", |o| o.allow_encoded_percent = true),
        ("%3F", |o| o.allow_encoded_question_mark = true),
        ("%23", |o| o.allow_encoded_hash = true),
    ];

    fn passes(options: &model::EncodedCharacters, target: &str) -> bool {
        let head = get(target);
        let flow = EncodedCharacters::compile(options).unwrap().on_request(&head);
        outcome(&head, &flow).is_ok()
    }

    #[test]
    fn each_is_refused_unless_it_is_allowed() {
        for (encoded, allow) in CHARACTERS {
            let none = model::EncodedCharacters::default();
            let mut one = none.clone();
            allow(&mut one);
            for target in
                [format!("/a{encoded}b"), format!("/{}", encoded.to_lowercase()), format!("/a{encoded}{encoded}")]
            {
                assert!(!passes(&none, &target), "{target}");
                assert!(passes(&one, &target), "{target}");
            }
            for (other, _) in CHARACTERS.iter().filter(|(other, _)| *other != encoded) {
                assert!(!passes(&one, &format!("/a{encoded}{other}")), "{encoded} {other}");
            }
        }
    }

    #[test]
    fn all_but_these_pass() {
        for target in ["/", "/a/b", "/a%20b", "/%C3%A9", "/a?x=%2F%5C%00%25", "/a;b", "/%61"] {
            assert!(passes(&model::EncodedCharacters::default(), target), "{target}");
        }
    }
}
