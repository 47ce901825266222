//! Entry points: from their options to what listens, what routing knows of them, and the routers that are Seaway's own.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use seaway_config::Origin;
use seaway_config::model::{Config, Declared, Middleware, Name, RedirectScheme, Router};
use seaway_config::statics::{EntryPointHttpOptions, EntryPointOptions, RedirectEntryPoint, StaticOptions};
use seaway_head::{Limits, PathRules, Refused, Trust, Underscores};
use seaway_labels::statics::listen_address;
use seaway_proxy::{ConnectionRules, EntryPoint};
use seaway_routing::{CompileOptions, EntryPointInfo, EntryPointModel};

use crate::planes::Failure;

/// What is to listen for the entry point of that name.
pub(crate) fn bind_to(name: &str, all: &StaticOptions) -> Result<EntryPoint, Failure> {
    let at = |option: &str, text: String| Failure::Option(format!("entryPoints.{name}.{option}: {text}"));
    let options = all.entry_points.get(name).ok_or_else(|| at("address", "there is none".to_owned()))?;
    let address = available(listen_address(&options.address).map_err(|text| at("address", text))?);
    let trust = |section: &str, everybody, texts: &[String]| {
        let network = |text: &String| {
            seaway_head::forwarded::parse_network(text).ok_or_else(|| {
                let text = format!("{text:?} is neither an address nor a network such as 10.0.0.0/8");
                at(&format!("{section}.trustedIPs"), text)
            })
        };
        Ok(Trust { everybody, networks: texts.iter().map(network).collect::<Result<_, _>>()? })
    };
    let forwarded = &options.forwarded_headers;
    let proxied = options.proxy_protocol.as_ref();
    let timeouts = &options.transport.responding_timeouts;
    Ok(EntryPoint {
        name: name.into(),
        address,
        trust: Arc::new(trust("forwardedHeaders", forwarded.insecure, &forwarded.trusted_ips)?),
        append_forwarded_for: !(forwarded.not_append_x_forwarded_for || all.global.not_append_x_forwarded_for),
        limits: Arc::new(limits(&options.http)),
        upgrades: options.http.upgrades.iter().map(|token| token.to_ascii_lowercase().into()).collect(),
        idle_timeout: timeouts.idle_timeout,
        read_timeout: timeouts.read_timeout,
        accept_grace: options.transport.life_cycle.request_accept_grace_timeout,
        grace: options.transport.life_cycle.grace_time_out,
        connections: ConnectionRules {
            proxy_protocol: proxied.map(|it| trust("proxyProtocol", it.insecure, &it.trusted_ips)).transpose()?,
            max_requests: options.transport.keep_alive_max_requests,
            max_age: options.transport.keep_alive_max_time,
            response: timeouts.write_timeout,
            scheme_headers: forwarded.add_x_forwarded_scheme_headers,
        },
    })
}

/// How heads are judged.
fn limits(options: &EntryPointHttpOptions) -> Limits {
    let encoded = &options.encoded_characters;
    let refused = [
        (encoded.allow_encoded_slash, '/'),
        (encoded.allow_encoded_back_slash, '\\'),
        (encoded.allow_encoded_semicolon, ';'),
        (encoded.allow_encoded_percent, '%'),
        (encoded.allow_encoded_question_mark, '?'),
        (encoded.allow_encoded_hash, '#'),
    ];
    let refused = refused.iter().filter(|(allowed, _)| !allowed);
    Limits {
        header_bytes: usize::try_from(options.max_header_bytes).unwrap_or(usize::MAX).clamp(1024, 4 << 20),
        paths: PathRules {
            keep_segments: !options.sanitize_path,
            encode_semicolons: options.encode_query_semicolons,
            refused: refused.fold(Refused::default(), |all, (_, character)| all.and(*character)),
        },
        underscores: match options.underscore_headers_strategy.as_str() {
            "delete" => Underscores::Delete,
            "reject" => Underscores::Reject,
            _ => Underscores::Keep,
        },
        ..Limits::default()
    }
}

/// An address for all interfaces means both families; on a machine without IPv6 the other one is left.
fn available(address: SocketAddr) -> SocketAddr {
    let both = address.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED);
    if both && std::net::TcpListener::bind((Ipv6Addr::UNSPECIFIED, 0)).is_err() {
        return SocketAddr::from((Ipv4Addr::UNSPECIFIED, address.port()));
    }
    address
}

/// What routing knows of them.
pub(crate) fn compile_options(options: &StaticOptions) -> CompileOptions {
    let chosen = options.entry_points.values().any(|e| e.as_default);
    let info = |(name, point): (&String, &EntryPointOptions)| EntryPointInfo {
        name: name.as_str().into(),
        default: if chosen { point.as_default } else { name != "traefik" },
        unlogged: !point.observability.access_logs,
        uncounted: !point.observability.metrics,
    };
    let models = options.entry_points.iter().map(|(name, point)| EntryPointModel {
        entry_point: name.as_str().into(),
        middlewares: point.http.middlewares.clone(),
        tls: point.http.tls.is_some(),
    });
    let says_nothing =
        |model: &EntryPointModel| EntryPointModel { entry_point: model.entry_point.clone(), ..Default::default() };
    CompileOptions {
        entry_points: options.entry_points.iter().map(info).collect(),
        allow_internal: options.seaway.labels.allow_internal,
        own_container: None,
        models: models.filter(|model| *model != says_nothing(model)).collect(),
    }
}

/// The routers that are there without any container.
pub(crate) fn internal_routers(options: &StaticOptions) -> Config {
    let mut config = Config::default();
    let mut add = |name: &str, entry_point: &str, path: &str, priority: i64| {
        let rule = format!("PathPrefix(`{path}`)");
        own(&mut config, name, entry_point, Router { rule, priority, service: own_service(name), ..Router::default() });
    };
    if let Some(ping) = options.ping.as_ref().filter(|p| !p.manual_routing) {
        add("ping", &ping.entry_point, "/ping", i64::MAX);
    }
    if let Some(prometheus) = options.metrics.prometheus.as_ref().filter(|p| !p.manual_routing) {
        add("prometheus", &prometheus.entry_point, "/metrics", i64::MAX);
    }
    if options.api.as_ref().is_some_and(|a| a.insecure) {
        add("api", "traefik", "/api", i64::MAX - 1);
    }
    for (name, point) in &options.entry_points {
        if let Some(redirect) = &point.http.redirections.entry_point {
            redirection(&mut config, name, redirect, options);
        }
    }
    config
}

/// Everything that comes to the entry point is sent to another one, unless a router of higher priority takes it.
fn redirection(config: &mut Config, from: &str, to: &RedirectEntryPoint, options: &StaticOptions) {
    let port = match to.to.strip_prefix(':') {
        Some(port) => port.to_owned(),
        None => options
            .entry_points
            .get(&to.to)
            .and_then(|point| listen_address(&point.address).ok())
            .map_or_else(String::new, |address| address.port().to_string()),
    };
    let target = to.to.trim_start_matches(':');
    let name = format!("{from}-to-{target}");
    let middleware = format!("redirect-{name}");
    let redirect = RedirectScheme {
        scheme: to.scheme.clone(),
        // What a scheme has by itself is not written.
        port: if matches!((to.scheme.as_str(), port.as_str()), ("https", "443") | ("http", "80")) {
            String::new()
        } else {
            port
        },
        permanent: to.permanent,
    };
    let origin = Origin::resource("internal", &middleware);
    let declared = Declared::new(Middleware::RedirectScheme(redirect), origin);
    config.middlewares.insert(Name::new(&middleware, "internal"), declared);
    let router = Router {
        rule: "HostRegexp(`^.+$`)".to_owned(),
        priority: to.priority,
        service: own_service("noop"),
        middlewares: vec![middleware],
        ..Router::default()
    };
    own(config, &name, from, router);
}

fn own_service(name: &str) -> String {
    format!("{name}@internal")
}

fn own(config: &mut Config, name: &str, entry_point: &str, router: Router) {
    let router = Router { entry_points: vec![entry_point.to_owned()], ..router };
    config.routers.insert(Name::new(name, "internal"), Declared::new(router, Origin::resource("internal", name)));
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn options(flags: &[&str]) -> StaticOptions {
        let flags: Vec<String> = flags.iter().map(|flag| (*flag).to_owned()).collect();
        seaway_labels::statics::parse(&flags, &[]).unwrap().options
    }

    #[test]
    fn redirections_are_routers_of_our_own() {
        for (flags, name, port, permanent, scheme) in [
            (&["to=websecure"][..], "web-to-websecure", "8443", true, "https"),
            (&["to=:443"], "web-to-443", "", true, "https"),
            (&["to=:443", "scheme=http", "permanent=false"], "web-to-443", "443", false, "http"),
            (&["to=:80", "scheme=http"], "web-to-80", "", true, "http"),
        ] {
            let flag = |rest: &&str| format!("--entrypoints.web.http.redirections.entrypoint.{rest}");
            let mut all = vec!["--entrypoints.web.address=:8080".to_owned()];
            all.push("--entrypoints.websecure.address=:8443".to_owned());
            all.extend(flags.iter().map(flag));
            let config = internal_routers(&options(&all.iter().map(String::as_str).collect::<Vec<_>>()));
            let router = &config.routers.get(&Name::new(name, "internal")).unwrap().value;
            assert_eq!((router.priority, router.entry_points[0].as_str()), (i64::MAX - 1, "web"));
            assert_eq!((router.rule.as_str(), router.service.as_str()), ("HostRegexp(`^.+$`)", "noop@internal"));
            let middleware = config.middlewares.get(&Name::new(&router.middlewares[0], "internal")).unwrap();
            let Middleware::RedirectScheme(redirect) = &middleware.value else { panic!() };
            assert_eq!((&*redirect.port, redirect.permanent, &*redirect.scheme), (port, permanent, scheme), "{name}");
        }
    }

    #[test]
    fn every_option_reaches_what_listens() {
        let options = options(&[
            "--global.notappendxforwardedfor",
            "--entrypoints.web.address=127.0.0.1:0",
            "--entrypoints.web.proxyprotocol.trustedips=10.0.0.0/8",
            "--entrypoints.web.forwardedheaders.insecure",
            "--entrypoints.web.forwardedheaders.addxforwardedschemeheaders",
            "--entrypoints.web.transport.keepalivemaxrequests=3",
            "--entrypoints.web.transport.keepalivemaxtime=4s",
            "--entrypoints.web.transport.respondingtimeouts.writetimeout=5s",
            "--entrypoints.web.http.sanitizepath=false",
            "--entrypoints.web.http.encodequerysemicolons",
            "--entrypoints.web.http.encodedcharacters.allowencodedslash=false",
            "--entrypoints.web.http.underscoreheadersstrategy=Reject",
            "--entrypoints.web.http.middlewares=auth@file",
            "--entrypoints.web.http.tls",
            "--entrypoints.web.observability.accesslogs=false",
            "--entrypoints.other.address=127.0.0.1:0",
        ]);
        let web = bind_to("web", &options).unwrap();
        assert!(web.trust.everybody && !web.append_forwarded_for && web.connections.scheme_headers);
        assert_eq!(web.connections.proxy_protocol.unwrap().networks.len(), 1);
        assert_eq!((web.connections.max_requests, web.connections.max_age.as_secs()), (3, 4));
        assert_eq!(web.connections.response.as_secs(), 5);
        let paths = web.limits.paths;
        assert!(paths.keep_segments && paths.encode_semicolons && paths.refused.is_in("/%2F"));
        assert!(!paths.refused.is_in("/%5C"));
        assert_eq!(web.limits.underscores, Underscores::Reject);
        let other = bind_to("other", &options).unwrap();
        assert!(!other.append_forwarded_for && other.connections.proxy_protocol.is_none());
        assert_eq!((other.limits.paths, other.connections.max_requests), (PathRules::default(), 0));

        let [model] = &compile_options(&options).models[..] else { panic!("of entry points that say something only") };
        assert_eq!((&*model.entry_point, &model.middlewares[..]), ("web", &["auth@file".to_owned()][..]));
        assert!(model.tls);
        let web = compile_options(&options).entry_points.into_iter().find(|point| &*point.name == "web").unwrap();
        assert!(web.unlogged && !web.uncounted);
    }
}
