//! The cookie as text: its name, its attributes, and where it stands in a request.

use http::HeaderValue;
use memchr::memchr;
use seaway_config::model::{Name, StickyCookie as Options};
use seaway_head::Cookies;

use super::hash;

/// The configured name with what cookies may not have replaced by `_`, or one derived from the service's name.
pub(super) fn name(configured: &str, service: &Name) -> Box<str> {
    if configured.is_empty() {
        return format!("_{}", hash::sha1_prefix(&format!("_TRAEFIK_BACKEND_{service}"))).into();
    }
    let token = |byte: u8| if byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte) { byte } else { b'_' };
    configured.bytes().map(|byte| char::from(token(byte))).collect::<String>().into()
}

/// The attributes in Traefik's order, with a leading `; ` each. What a cookie cannot carry is left out.
pub(super) fn attributes(options: &Options) -> String {
    let mut out = String::new();
    let mut put = |name: &str, value: &str| {
        out.push_str("; ");
        out.push_str(name);
        out.push_str(value);
    };
    let path: String = options.path.as_deref().unwrap_or("/").chars().filter(is_path).collect();
    if !path.is_empty() {
        put("Path=", &path);
    }
    if let Some(domain) = domain(&options.domain) {
        put("Domain=", domain);
    }
    if options.max_age != 0 {
        put("Max-Age=", &options.max_age.max(0).to_string());
    }
    if options.http_only {
        put("HttpOnly", "");
    }
    if options.secure {
        put("Secure", "");
    }
    if let Some(same_site) = same_site(&options.same_site) {
        put("SameSite=", same_site);
    }
    out
}

/// `none`, `lax` or `strict` in any case, as browsers are told it; `None` for any other text.
pub(super) fn same_site(text: &str) -> Option<&'static str> {
    ["None", "Lax", "Strict"].into_iter().find(|known| known.eq_ignore_ascii_case(text))
}

/// A domain as browsers are told it; `None` for what is no host name.
pub(super) fn domain(text: &str) -> Option<&str> {
    let name = text.strip_prefix('.').unwrap_or(text);
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    (name.len() <= 253 && name.split('.').all(label)).then_some(name)
}

/// The header value. Its parts have been made of visible ASCII, so that it always is one.
pub(super) fn set_cookie(name: &str, value: &str, attributes: &str) -> HeaderValue {
    HeaderValue::try_from(format!("{name}={value}{attributes}")).unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// The value of the first cookie of that name, over all `Cookie` headers. Names of ours have no blank and no `=`.
pub(super) fn find<'h>(cookies: Cookies<'h>, name: &[u8]) -> Option<&'h [u8]> {
    cookies.iter().find_map(|line| find_in(line, name))
}

fn find_in<'h>(mut rest: &'h [u8], name: &[u8]) -> Option<&'h [u8]> {
    loop {
        rest = rest.trim_ascii_start();
        let end = |text: &[u8]| memchr(b';', text);
        if let Some(after) = rest.strip_prefix(name)
            && let Some(value) = after.trim_ascii_start().strip_prefix(b"=")
        {
            return Some(value.get(..end(value).unwrap_or(value.len())).unwrap_or_default().trim_ascii());
        }
        rest = rest.get(end(rest)? + 1..).unwrap_or_default();
    }
}

fn is_path(c: &char) -> bool {
    matches!(c, ' '..='~') && *c != ';'
}
