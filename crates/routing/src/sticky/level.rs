//! The cookie of a service that stands before others: it keeps a client on one of them.

use http::HeaderValue;
use seaway_config::model::{Name, StickyCookie as Options};
use seaway_head::Cookies;

use super::hash::{self, Hex};
use super::{EMPTY, cookie};

/// One cookie with a value for each of the services.
#[derive(Debug)]
pub(crate) struct LevelCookie {
    name: Box<str>,
    entries: Box<[Entry]>,
}

#[derive(Debug)]
struct Entry {
    key: Box<str>,
    value: Hex,
    /// FNV-1 of the key, and FNV-1 of that one's text, as they are written.
    legacy: [Hex; 2],
    set_cookie: HeaderValue,
}

impl LevelCookie {
    /// The cookie of service `name`, whose children are written as `keys`.
    pub(crate) fn new<'k>(options: &Options, name: &Name, keys: impl Iterator<Item = &'k str>) -> Self {
        let cookie = cookie::name(&options.name, name);
        let attributes = cookie::attributes(options);
        let entry = |key: &str| {
            let value = hash::sha256_prefix(key);
            let fnv = hash::fnv1(key.as_bytes());
            Entry {
                key: key.into(),
                value: Hex::padded(value),
                legacy: [fnv, hash::fnv1(format!("{fnv:x}").as_bytes())].map(Hex::unpadded),
                set_cookie: cookie::set_cookie(&cookie, &format!("{value:016x}"), &attributes),
            }
        };
        let entries = keys.map(entry).collect();
        Self { name: cookie, entries }
    }

    /// The service that the request's cookie names, and whether it does in an old form.
    pub(crate) fn claim(&self, cookies: Cookies<'_>) -> Option<(usize, bool)> {
        let text = cookie::find(cookies, self.name.as_bytes())?;
        let number = hash::parse_hex(text);
        let place = |test: &dyn Fn(&Entry) -> bool| self.entries.iter().position(test);
        if let Some(index) = number.and_then(|number| place(&|entry| entry.value == number)) {
            return Some((index, false));
        }
        let is_legacy =
            |entry: &Entry| number.is_some_and(|n| entry.legacy.contains(&n)) || entry.key.as_bytes() == text;
        place(&is_legacy).map(|index| (index, true))
    }

    /// The `Set-Cookie` value for the service at that place.
    pub(crate) fn set_cookie(&self, index: usize) -> &HeaderValue {
        self.entries.get(index).map_or(&EMPTY, |entry| &entry.set_cookie)
    }
}
