//! Texts that nobody should read who only looks on: passwords, and what passwords can be guessed from.

use std::cell::Cell;
use std::fmt;

use serde::Serialize;

use crate::catalogue::Kind;
use crate::decode::{Decode, Decoder};
use crate::tree::Node;
use crate::wire::Wire;

/// What stands in place of a secret.
pub const HIDDEN: &str = "xxxx";

thread_local! {
    static SHOWN: Cell<bool> = const { Cell::new(false) };
}

/// A text that is hidden wherever it is printed or serialised, unless that happens within [`shown`].
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(Box<str>);

impl Secret {
    /// Makes a secret of a text.
    pub fn new(text: &str) -> Self {
        Self(text.into())
    }

    /// The text itself, for those who have to use it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

impl Serialize for Secret {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(if SHOWN.get() { &self.0 } else { HIDDEN })
    }
}

/// Runs `f`; what it serialises on this thread has its secrets in it.
pub fn shown<T>(f: impl FnOnce() -> T) -> T {
    struct Restore(bool);
    impl Drop for Restore {
        fn drop(&mut self) {
            SHOWN.set(self.0);
        }
    }
    let _restore = Restore(SHOWN.replace(true));
    f()
}

impl Wire for Secret {
    fn omit(&self) -> bool {
        self.0.is_empty()
    }
    fn put<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.serialize(serializer)
    }
}

impl Decode for Secret {
    const KIND: Kind = Kind::Text;
    fn decode(&mut self, node: &Node, cx: &mut Decoder) {
        let mut text = String::new();
        text.decode(node, cx);
        *self = Self::new(&text);
    }
}

impl Decode for Vec<Secret> {
    const KIND: Kind = Kind::List;
    fn decode(&mut self, node: &Node, cx: &mut Decoder) {
        let mut texts: Vec<String> = self.iter().map(|secret| secret.expose().to_owned()).collect();
        texts.decode(node, cx);
        *self = texts.iter().map(|text| Secret::new(text)).collect();
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::to_string;

    use super::*;

    #[test]
    fn a_secret_is_read_only_by_those_who_ask_for_it() {
        let secret = Secret::new("admin:hunter2");
        assert_eq!(secret.expose(), "admin:hunter2");
        assert_eq!(format!("{secret:?} {:?}", vec![secret.clone()]), "xxxx [xxxx]");
        assert_eq!(to_string(&secret).unwrap(), "\"xxxx\"");
        assert_eq!(shown(|| to_string(&secret).unwrap()), "\"admin:hunter2\"");
        assert_eq!(to_string(&secret).unwrap(), "\"xxxx\"", "only within");
        let outside = shown(|| std::thread::spawn(move || to_string(&secret).unwrap()).join().unwrap());
        assert_eq!(outside, "\"xxxx\"", "only on this thread");
    }
}
