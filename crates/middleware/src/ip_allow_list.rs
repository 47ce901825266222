//! `ipAllowList`, and `ipWhiteList`, its former name: lets in only who comes from certain addresses.

use http::StatusCode;
use ipnet::IpNet;
use seaway_config::model;
use seaway_head::RequestHead;

use crate::source::{IpStrategy, networks};
use crate::{Answer, Flow};

/// Lets in only who comes from certain addresses.
#[derive(Clone, Debug)]
pub struct IpAllowList {
    networks: Box<[IpNet]>,
    strategy: IpStrategy,
    status: StatusCode,
}

impl IpAllowList {
    pub(crate) fn compile(options: &model::IpAllowList) -> Result<Self, String> {
        let status = match options.reject_status_code {
            0 => StatusCode::FORBIDDEN,
            code => u16::try_from(code)
                .ok()
                .and_then(|code| StatusCode::from_u16(code).ok())
                .filter(|status| status.as_u16() >= 200 && status.canonical_reason().is_some())
                .ok_or_else(|| format!("ipAllowList.rejectStatusCode {code} is no status of an answer"))?,
        };
        Self::new("ipAllowList", &options.source_range, options.ip_strategy.as_ref(), status)
    }

    pub(crate) fn compile_white(options: &model::IpWhiteList) -> Result<Self, String> {
        Self::new("ipWhiteList", &options.source_range, options.ip_strategy.as_ref(), StatusCode::FORBIDDEN)
    }

    fn new(
        kind: &str,
        source_range: &[String],
        strategy: Option<&model::IpStrategy>,
        status: StatusCode,
    ) -> Result<Self, String> {
        if source_range.is_empty() {
            return Err(format!("{kind}.sourceRange is empty, so nobody would get in; it needs at least one network"));
        }
        Ok(Self {
            networks: networks(&format!("{kind}.sourceRange"), source_range)?,
            strategy: IpStrategy::compile(&format!("{kind}.ipStrategy"), strategy)?,
            status,
        })
    }

    pub(crate) fn on_request(&self, head: &RequestHead) -> Flow {
        let client = self.strategy.client(head);
        if client.is_some_and(|client| self.networks.iter().any(|network| network.contains(&client))) {
            return Flow::Next;
        }
        Flow::answer(Answer::text(self.status, "ipAllowList"))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use http::HeaderValue;

    use super::*;
    use crate::testing::{get, outcome};

    fn options(ranges: &[&str]) -> model::IpAllowList {
        model::IpAllowList { source_range: ranges.iter().map(|r| (*r).to_owned()).collect(), ..Default::default() }
    }

    fn asks(list: &IpAllowList, peer: &str, forwarded_for: Option<&'static str>) -> Result<String, StatusCode> {
        let mut head = get("/");
        head.peer = peer.parse().unwrap();
        if let Some(text) = forwarded_for {
            head.headers.insert("x-forwarded-for", HeaderValue::from_static(text));
        }
        let flow = list.on_request(&head);
        outcome(&head, &flow)
    }

    #[test]
    fn who_is_let_in() {
        for (ranges, peer, want) in [
            (&["20.20.20.20"][..], "20.20.20.20", true),
            (&["20.20.20.20"], "20.20.20.21", false),
            (&["10.0.0.0/8"], "10.255.0.1", true),
            (&["10.0.0.0/8"], "11.0.0.1", false),
            (&["10.0.0.7/8"], "10.255.0.1", true),
            (&["192.0.2.0/24", "2001:db8::/32"], "2001:db8::1", true),
            (&["192.0.2.0/24", "2001:db8::/32"], "2001:db9::1", false),
            (&["0.0.0.0/0"], "2001:db8::1", false),
            (&["::/0"], "192.0.2.1", false),
            (&["::ffff:192.0.2.1"], "192.0.2.1", true),
            (&[" 127.0.0.1 "], "127.0.0.1", true),
        ] {
            let list = IpAllowList::compile(&options(ranges)).unwrap();
            let want = if want { Ok("/".to_owned()) } else { Err(StatusCode::FORBIDDEN) };
            assert_eq!(asks(&list, peer, Some("10.0.0.1")), want, "{ranges:?} {peer}");
            let white = model::IpWhiteList { source_range: options(ranges).source_range, ip_strategy: None };
            assert_eq!(asks(&IpAllowList::compile_white(&white).unwrap(), peer, None), want, "{ranges:?} {peer}");
        }
    }

    #[test]
    fn who_is_behind_a_proxy() {
        let strategy = |depth, excluded: &[&str]| {
            let excluded_ips = excluded.iter().map(|e| (*e).to_owned()).collect();
            Some(model::IpStrategy { depth, excluded_ips, ipv6_subnet: None })
        };
        for (strategy, forwarded_for, want) in [
            (strategy(1, &[]), Some("192.0.2.1, 10.0.0.1"), true),
            (strategy(2, &[]), Some("192.0.2.1, 10.0.0.1"), false),
            (strategy(2, &[]), Some("10.0.0.1"), false),
            (strategy(1, &[]), None, false),
            (strategy(0, &["192.0.2.0/24"]), Some("10.0.0.1, 192.0.2.1"), true),
            (strategy(0, &["192.0.2.0/24"]), Some("192.0.2.1"), false),
            (strategy(0, &["192.0.2.0/24"]), None, false),
        ] {
            let options = model::IpAllowList { ip_strategy: strategy, ..options(&["10.0.0.0/8"]) };
            let found = asks(&IpAllowList::compile(&options).unwrap(), "10.9.9.9", forwarded_for);
            assert_eq!(found.is_ok(), want, "{options:?} {forwarded_for:?}");
        }
    }

    #[test]
    fn everybody_else_gets_the_status() {
        for (code, want) in [(0, 403), (403, 403), (404, 404), (418, 418), (200, 200), (503, 503)] {
            let list = IpAllowList::compile(&model::IpAllowList { reject_status_code: code, ..options(&["10.0.0.1"]) });
            let head = get("/");
            let Flow::Answer(answer) = list.unwrap().on_request(&head) else { panic!("let in") };
            assert_eq!(answer.status.as_u16(), want);
            assert_eq!(answer.body, answer.status.canonical_reason().unwrap());
        }
    }

    #[test]
    fn what_would_let_in_somebody_else_does_not_compile() {
        for (options, what) in [
            (options(&[]), "ipAllowList.sourceRange"),
            (options(&["10.0.0.0/8", "10.0.0.0/33"]), "ipAllowList.sourceRange"),
            (options(&["foo"]), "ipAllowList.sourceRange"),
            (options(&["10.0.0"]), "ipAllowList.sourceRange"),
            (model::IpAllowList { reject_status_code: 600, ..options(&["10.0.0.1"]) }, "ipAllowList.rejectStatusCode"),
            (model::IpAllowList { reject_status_code: 101, ..options(&["10.0.0.1"]) }, "ipAllowList.rejectStatusCode"),
            (model::IpAllowList { reject_status_code: -1, ..options(&["10.0.0.1"]) }, "ipAllowList.rejectStatusCode"),
        ] {
            let error = IpAllowList::compile(&options).unwrap_err();
            assert!(error.starts_with(what), "{error}");
        }
        let error = IpAllowList::compile_white(&model::IpWhiteList::default()).unwrap_err();
        assert!(error.starts_with("ipWhiteList.sourceRange"), "{error}");
    }
}
