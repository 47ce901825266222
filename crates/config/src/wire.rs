//! How options look in the API's JSON: Traefik's shapes, where a value that says nothing is left out. An empty value
//! does say something where the default is not empty: `passHostHeader` off is shown.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use serde::ser::SerializeMap;

/// One option's JSON form.
pub(crate) trait Wire {
    /// True when the option is left out of the JSON.
    fn omit(&self) -> bool;
    /// Writes it.
    fn put<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error>;
}

/// Writes one option of a section, unless both it and its default say nothing.
pub(crate) fn put_entry<M: SerializeMap, T: Wire>(
    map: &mut M,
    name: &'static str,
    value: &T,
    default: &T,
) -> Result<(), M::Error> {
    if value.omit() && default.omit() { Ok(()) } else { map.serialize_entry(name, &Shown(value)) }
}

/// A value that is written as the API shows it.
struct Shown<'v, T>(&'v T);

impl<T: Wire> Serialize for Shown<'_, T> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.put(serializer)
    }
}

impl Wire for String {
    fn omit(&self) -> bool {
        self.is_empty()
    }
    fn put<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.serialize(serializer)
    }
}

impl Wire for bool {
    fn omit(&self) -> bool {
        !*self
    }
    fn put<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.serialize(serializer)
    }
}

impl Wire for Duration {
    fn omit(&self) -> bool {
        self.is_zero()
    }
    fn put<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&show_duration(*self))
    }
}

impl<T: Wire> Wire for Option<T> {
    fn omit(&self) -> bool {
        self.is_none()
    }
    fn put<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Some(value) => value.put(serializer),
            None => serializer.serialize_none(),
        }
    }
}

impl<T: Serialize> Wire for Vec<T> {
    fn omit(&self) -> bool {
        self.is_empty()
    }
    fn put<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.serialize(serializer)
    }
}

impl<T: Wire> Wire for BTreeMap<String, T> {
    fn omit(&self) -> bool {
        self.is_empty()
    }
    /// `domains[0]`, `domains[1]` are a list to Traefik.
    fn put<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if !self.is_empty() && self.keys().all(|key| key.starts_with('[')) {
            return serializer.collect_seq(self.values().map(Shown));
        }
        serializer.collect_map(self.iter().map(|(key, value)| (key, Shown(value))))
    }
}

macro_rules! wire_int {
    ($($int:ty),+) => {$(
        impl Wire for $int {
            fn omit(&self) -> bool {
                *self == 0
            }
            fn put<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                self.serialize(serializer)
            }
        }
    )+};
}
wire_int!(i64, u32, u64, usize);

/// A duration as Go prints it: `1m30s`, `100ms`.
pub fn show_duration(duration: Duration) -> String {
    let nanos = duration.as_nanos();
    if nanos == 0 {
        return "0s".to_owned();
    }
    if nanos < 1_000_000_000 {
        let (scale, unit) = match nanos {
            0..1_000 => (1, "ns"),
            1_000..1_000_000 => (1_000, "µs"),
            _ => (1_000_000, "ms"),
        };
        return format!("{}{unit}", fraction(nanos, scale));
    }
    let seconds = duration.as_secs();
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
    let rest = fraction(nanos % 60_000_000_000, 1_000_000_000);
    match (hours, minutes) {
        (0, 0) => format!("{rest}s"),
        (0, _) => format!("{minutes}m{rest}s"),
        _ => format!("{hours}h{minutes}m{rest}s"),
    }
}

fn fraction(value: u128, scale: u128) -> String {
    let (whole, part) = (value / scale, value % scale);
    if part == 0 {
        return whole.to_string();
    }
    let digits = scale.to_string().len() - 1;
    let text = format!("{whole}.{part:0digits$}");
    text.trim_end_matches('0').to_owned()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::{json, to_value};

    use super::*;
    use crate::model::{
        HealthCheck, LoadBalancer, Middleware, Name, Router, RouterObservability, RouterTls, ServiceOptions, Sticky,
        StickyCookie, StripPrefix, TlsDomain,
    };
    use crate::statics::{ForwardingTimeouts, StaticOptions};

    #[test]
    fn durations_are_shown_as_go_shows_them() {
        for (nanos, expected) in [
            (0, "0s"),
            (1, "1ns"),
            (999, "999ns"),
            (1_000, "1µs"),
            (1_500, "1.5µs"),
            (100_000_000, "100ms"),
            (999_999_999, "999.999999ms"),
            (1_000_000_000, "1s"),
            (1_050_000_000, "1.05s"),
            (60_000_000_000, "1m0s"),
            (90_000_000_000, "1m30s"),
            (3_600_000_000_000, "1h0m0s"),
            (3_723_500_000_000, "1h2m3.5s"),
            (360_000_000_000_001, "100h0m0.000000001s"),
        ] {
            assert_eq!(show_duration(Duration::from_nanos(nanos)), expected);
        }
        assert_eq!(show_duration(Duration::MAX), "5124095576030431h0m15.999999999s");
    }

    #[test]
    fn a_load_balancer_looks_like_traefiks() {
        let plain =
            json!({"strategy": "wrr", "passHostHeader": true, "responseForwarding": {"flushInterval": "100ms"}});
        assert_eq!(to_value(LoadBalancer::default()).unwrap(), plain);

        let mut balancer = LoadBalancer { pass_host_header: false, ..LoadBalancer::default() };
        balancer.server.port = "8080".to_owned();
        balancer.sticky = Some(Sticky {
            cookie: Some(StickyCookie { name: "s".to_owned(), secure: true, ..StickyCookie::default() }),
        });
        let expected = json!({
            "strategy": "wrr",
            "passHostHeader": false,
            "responseForwarding": {"flushInterval": "100ms"},
            "sticky": {"cookie": {"name": "s", "secure": true}},
        });
        assert_eq!(to_value(&balancer).unwrap(), expected, "the server's options are shown as servers, not here");
        let service = ServiceOptions { load_balancer: Some(LoadBalancer::default()), ..ServiceOptions::default() };
        assert_eq!(to_value(service).unwrap(), json!({"loadBalancer": plain}));
    }

    #[test]
    fn durations_below_an_option_are_texts_too() {
        let check = HealthCheck {
            path: "/up".to_owned(),
            unhealthy_interval: Some(Duration::from_millis(1500)),
            follow_redirects: false,
            ..HealthCheck::default()
        };
        let expected = json!({"path": "/up", "mode": "http", "interval": "30s", "unhealthyInterval": "1.5s", "timeout": "5s", "followRedirects": false});
        assert_eq!(to_value(check).unwrap(), expected);
        let timeouts =
            ForwardingTimeouts { dial_timeout: Some(Duration::from_secs(2)), ..ForwardingTimeouts::default() };
        assert_eq!(to_value(timeouts).unwrap(), json!({"dialTimeout": "2s", "idleConnTimeout": "1m30s"}));
    }

    #[test]
    fn a_router_shows_what_it_says() {
        assert_eq!(to_value(Router::default()).unwrap(), json!({}));
        let router = Router {
            entry_points: vec!["web".to_owned()],
            rule: "Host(`a.b`)".to_owned(),
            priority: -3,
            tls: Some(RouterTls::default()),
            observability: Some(RouterObservability { metrics: Some(false), ..RouterObservability::default() }),
            ..Router::default()
        };
        let expected = json!({
            "entryPoints": ["web"], "rule": "Host(`a.b`)", "priority": -3, "tls": {}, "observability": {"metrics": false},
        });
        assert_eq!(to_value(router).unwrap(), expected);
    }

    #[test]
    fn indexed_sections_are_a_list() {
        let domain = |main: &str| TlsDomain { main: main.to_owned(), sans: Vec::new() };
        let domains = BTreeMap::from([("[0]".to_owned(), domain("a")), ("[1]".to_owned(), domain("b"))]);
        let tls = RouterTls { domains, ..RouterTls::default() };
        assert_eq!(to_value(tls).unwrap(), json!({"domains": [{"main": "a"}, {"main": "b"}]}));
        let statics = StaticOptions {
            entry_points: BTreeMap::from([("web".to_owned(), Default::default())]),
            ..Default::default()
        };
        assert!(to_value(statics).unwrap()["entryPoints"]["web"].is_object());
    }

    #[test]
    fn middlewares_are_named_by_their_type() {
        let strip = Middleware::StripPrefix(StripPrefix { prefixes: vec!["/a".to_owned()], force_slash: Some(false) });
        assert_eq!(to_value(strip).unwrap(), json!({"stripPrefix": {"prefixes": ["/a"], "forceSlash": false}}));
        assert_eq!(to_value(Name::new("web", "docker")).unwrap(), json!("web@docker"));
    }
}
