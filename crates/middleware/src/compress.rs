//! `compress`: compresses responses for clients that take that.

mod encoder;
mod negotiate;

use http::header::{
    ACCEPT_ENCODING, ACCEPT_RANGES, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG,
    VARY,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use seaway_config::model;
use seaway_head::{RequestHead, ResponseHead};

use crate::protocol::{CameFrom, Length};
use crate::{Back, Came, Context, Flow, Memory};

use encoder::Encoder;
use negotiate::{Choice, Encoding, choose};

const CONTENT_DIGEST: HeaderName = HeaderName::from_static("content-digest");
const CONTENT_MD5: HeaderName = HeaderName::from_static("content-md5");

/// Compresses responses for clients that take that.
#[derive(Clone, Debug)]
pub struct Compress {
    encodings: Box<[Encoding]>,
    /// What clients get that say nothing.
    default: Option<Encoding>,
    /// Shorter responses are left as they are.
    least: u64,
    types: Types,
}

/// Which content types are compressed; in lower case, without parameters.
#[derive(Clone, Debug)]
enum Types {
    AllBut(Box<[Box<str>]>),
    Only(Box<[Box<str>]>),
}

impl Compress {
    pub(crate) fn compile(options: &model::Compress) -> Result<Self, String> {
        if !options.excluded_content_types.is_empty() && !options.included_content_types.is_empty() {
            return Err(
                "compress has both excludedContentTypes and includedContentTypes; only one of them can be".to_owned()
            );
        }
        let types = |option: &str, list: &[String]| {
            list.iter()
                .map(|text| {
                    let essence = essence(text);
                    match essence.split_once('/') {
                        Some((a, b)) if !a.is_empty() && !b.is_empty() => Ok(essence.into()),
                        _ => Err(format!("compress.{option}: {text:?} is no content type such as text/html")),
                    }
                })
                .collect::<Result<Box<[Box<str>]>, String>>()
        };
        let mut encodings = Vec::new();
        for text in &options.encodings {
            let encoding = Encoding::parse("compress.encodings", text)?;
            if !encodings.contains(&encoding) {
                encodings.push(encoding);
            }
        }
        if encodings.is_empty() {
            return Err("compress.encodings is empty; it may have gzip, br and zstd".to_owned());
        }
        let default = match options.default_encoding.trim() {
            "" => None,
            text => Some(Encoding::parse("compress.defaultEncoding", text)?),
        };
        Ok(Self {
            encodings: encodings.into(),
            default,
            least: match options.min_response_body_bytes {
                0 => 1024,
                bytes => u64::try_from(bytes)
                    .map_err(|_| format!("compress.minResponseBodyBytes is {bytes}; it is a number of bytes"))?,
            },
            types: match options.included_content_types.is_empty() {
                true => Types::AllBut(types("excludedContentTypes", &options.excluded_content_types)?),
                false => Types::Only(types("includedContentTypes", &options.included_content_types)?),
            },
        })
    }

    pub(crate) fn on_request(&self, head: &RequestHead, cx: &mut Context<'_>) -> Flow {
        if head.method == Method::HEAD || cx.asked.upgrade || !self.takes_request(&head.headers) {
            return Flow::Next;
        }
        let choice = match head.headers.contains_key(ACCEPT_ENCODING) {
            true => choose(head.headers.get_all(ACCEPT_ENCODING), &self.encodings),
            false => match self.default {
                Some(encoding) => Choice::Encoding(encoding),
                None => return Flow::Next,
            },
        };
        *cx.memory = Memory::Number(match choice {
            Choice::Identity => 0,
            Choice::Encoding(encoding) => encoding.number(),
        });
        Flow::Next
    }

    pub(crate) fn on_response(&self, head: &mut ResponseHead<'_>, came: &Came, memory: &Memory) -> Back {
        let Some(number) = memory.number() else { return Back::Next };
        let headers = &mut *head.headers;
        if came.from == CameFrom::Upgrade || !self.takes_response(headers) {
            return Back::Next;
        }
        vary(headers);
        let is_long = match came.body {
            Length::None => false,
            Length::Known(bytes) => bytes >= self.least.max(1),
            // Nobody can wait for as much of it as that: the client wants what there is.
            Length::Unknown => true,
        };
        let Some(encoding) = Encoding::numbered(number).filter(|_| is_long && !came.head_only) else {
            return Back::Next;
        };
        let Ok(encoder) = Encoder::new(encoding) else { return Back::Next };
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static(encoding.name()));
        for name in [CONTENT_LENGTH, ACCEPT_RANGES, CONTENT_MD5, CONTENT_DIGEST] {
            headers.remove(name);
        }
        weaken(headers);
        Back::Transform(Box::new(encoder))
    }

    /// A request's own type says something of what its response will be: gRPC frames its messages itself.
    fn takes_request(&self, headers: &HeaderMap) -> bool {
        match content_type(headers) {
            Some(essence) if essence == "application/grpc" => false,
            Some(essence) => match &self.types {
                Types::AllBut(excluded) => !excluded.iter().any(|known| **known == *essence),
                Types::Only(_) => true,
            },
            None => true,
        }
    }

    fn takes_response(&self, headers: &HeaderMap) -> bool {
        let encoded =
            headers.get(CONTENT_ENCODING).is_some_and(|value| !value.as_bytes().eq_ignore_ascii_case(b"identity"));
        if encoded || headers.contains_key(CONTENT_RANGE) || says_no_transform(headers) {
            return false;
        }
        let essence = content_type(headers).unwrap_or_default();
        match &self.types {
            Types::AllBut(excluded) => {
                essence != "application/grpc" && !excluded.iter().any(|known| **known == *essence)
            }
            Types::Only(included) => included.iter().any(|known| **known == *essence),
        }
    }
}

fn content_type(headers: &HeaderMap) -> Option<String> {
    headers.get(CONTENT_TYPE)?.to_str().ok().map(essence)
}

/// The type without its parameters.
fn essence(text: &str) -> String {
    text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// RFC 9111 §5.2.2.6: nobody on the way may change the body.
fn says_no_transform(headers: &HeaderMap) -> bool {
    let mut tokens = headers.get_all(CACHE_CONTROL).iter().flat_map(|value| value.as_bytes().split(|b| *b == b','));
    tokens.any(|token| token.trim_ascii().eq_ignore_ascii_case(b"no-transform"))
}

/// Says that another client might get another body.
fn vary(headers: &mut HeaderMap) {
    let mut tokens = headers.get_all(VARY).iter().flat_map(|value| value.as_bytes().split(|b| *b == b','));
    let said = tokens.any(|token| {
        let token = token.trim_ascii();
        token == b"*" || token.eq_ignore_ascii_case(ACCEPT_ENCODING.as_str().as_bytes())
    });
    if !said {
        headers.append(VARY, HeaderValue::from_static("Accept-Encoding"));
    }
}

/// The bytes are others now, what they mean is the same (RFC 9110 §8.8.1).
fn weaken(headers: &mut HeaderMap) {
    let Some(etag) = headers.get(ETAG).filter(|etag| !etag.as_bytes().starts_with(b"W/")) else { return };
    match HeaderValue::from_bytes(&[b"W/", etag.as_bytes()].concat()) {
        Ok(weak) => drop(headers.insert(ETAG, weak)),
        Err(_) => drop(headers.remove(ETAG)),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
