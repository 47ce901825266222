//! Request heads and answers for the tests of this crate.

#![allow(clippy::unwrap_used)]

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Version, header};
use seaway_head::{RequestHead, Target};

use crate::protocol::{Asked, Length};
use crate::{Context, Flow, Memory};

/// `GET <target>` to `app.example`, judged as the data plane would.
pub(crate) fn get(target: &str) -> RequestHead {
    to("app.example", target)
}

/// `GET <target>` with that `Host`.
pub(crate) fn to(host: &str, target: &str) -> RequestHead {
    let mut headers = HeaderMap::new();
    headers.insert(header::HOST, HeaderValue::from_str(host).unwrap());
    RequestHead {
        method: Method::GET,
        version: Version::HTTP_11,
        host: host.split(':').next().unwrap_or_default().to_ascii_lowercase().into(),
        target: Target::canonical(&PathAndQuery::try_from(target).unwrap()).unwrap(),
        headers: headers.into(),
        secure: false,
        peer: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7)),
        append_forwarded_for: true,
    }
}

/// One exchange's share of a middleware's context, and what hooks left there.
#[derive(Debug, Default)]
pub(crate) struct Desk {
    pub(crate) now: Duration,
    pub(crate) memory: Memory,
    pub(crate) user: Option<Box<str>>,
    pub(crate) remember: u64,
    pub(crate) upgrade: bool,
    pub(crate) body: Option<Length>,
}

impl Desk {
    /// The context of the next hook: of a `GET` without a body unless said otherwise.
    pub(crate) fn cx(&mut self) -> Context<'_> {
        let body = self.body.unwrap_or(Length::None);
        Context {
            now: self.now,
            asked: Asked { method: &Method::GET, target: None, host: None, body, upgrade: self.upgrade },
            certificates: &[],
            memory: &mut self.memory,
            user: &mut self.user,
            remember: &mut self.remember,
        }
    }
}

/// Path and query after a hook, or the status that it answered.
pub(crate) fn outcome(head: &RequestHead, flow: &Flow) -> Result<String, StatusCode> {
    match flow {
        Flow::Next => Ok(head.target.as_path_and_query().to_string()),
        Flow::Answer(answer) => Err(answer.status),
        Flow::Need(need) => panic!("{need:?}"),
    }
}

/// The values of a header, in order.
pub(crate) fn values<'h>(headers: &'h HeaderMap, name: &str) -> Vec<&'h str> {
    headers.get_all(name).iter().map(|v| v.to_str().unwrap()).collect()
}

/// Status and `Location` of a redirect; `None` when the request passed.
pub(crate) fn redirect(flow: &Flow) -> Option<(u16, &str)> {
    match flow {
        Flow::Next => None,
        Flow::Answer(answer) => {
            let location = answer.headers.get(header::LOCATION).map_or("", |v| v.to_str().unwrap());
            Some((answer.status.as_u16(), location))
        }
        Flow::Need(need) => panic!("{need:?}"),
    }
}
