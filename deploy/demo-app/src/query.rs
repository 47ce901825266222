//! `a=1&b=two%20words`, in a target or in a form.

use std::borrow::Cow;

use percent_encoding::percent_decode;

/// The value of the first `name` in `pairs`; none when it is absent or not UTF-8.
pub(crate) fn value(pairs: &str, name: &str) -> Option<String> {
    pairs.split('&').find_map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decode(key)? == name).then(|| decode(value).map(Cow::into_owned)).flatten()
    })
}

/// The value of the cookie called `name` in one `Cookie` field.
pub(crate) fn cookie<'a>(field: &'a str, name: &str) -> Option<&'a str> {
    field.split(';').find_map(|pair| {
        let (key, value) = pair.trim().split_once('=')?;
        (key == name).then_some(value)
    })
}

fn decode(text: &str) -> Option<Cow<'_, str>> {
    if text.contains('+') {
        let spaced = text.replace('+', " ");
        return percent_decode(spaced.as_bytes()).decode_utf8().ok().map(|decoded| Cow::Owned(decoded.into_owned()));
    }
    percent_decode(text.as_bytes()).decode_utf8().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_decoded_and_the_first_counts() {
        assert_eq!(value("user=anna+b%C3%A9&user=x", "user").as_deref(), Some("anna bé"));
        assert_eq!(value("a=1&flag", "flag").as_deref(), Some(""));
        assert_eq!(value("a=1", "b"), None);
        assert_eq!(value("a=%FF", "a"), None);
    }

    #[test]
    fn a_cookie_is_found_among_others() {
        assert_eq!(cookie("a=1; session=xyz=; b=2", "session"), Some("xyz="));
        assert_eq!(cookie("a=1; xsession=2", "session"), None);
    }
}
