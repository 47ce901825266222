//! The smallest object fails, and fails closed.

use super::*;

#[test]
fn a_router_with_an_unknown_option_is_off_and_the_line_that_helps_is_named() {
    let decoded = http(&["routers.web.rule=Host(`a`)", "routers.web.midlewares=auth", "routers.other.rule=Host(`b`)"]);
    assert_eq!(router_off(&decoded, "web"), Some(Code::UnknownOption));
    assert_eq!(router_off(&decoded, "other"), None, "the rest of the container is served");
    assert_eq!(decoded.routers["web"].value.rule, "Host(`a`)", "it keeps its place");
    assert!(decoded.http_refused && decoded.quarantine_all.is_none());
    let found = &decoded.diagnostics[0];
    assert_eq!(found.origin.to_string(), "docker web-1: traefik.http.routers.web.midlewares");
    assert_eq!(found.consequence, "router web@docker answers 503");
    assert_eq!(found.fix, "traefik.http.routers.web.middlewares=auth");
    assert_eq!(found.severity, Severity::Error);
}

#[test]
fn router_faults() {
    for (line, code) in [
        ("routers.web.priority=high", Code::BadValue),
        ("routers.web.priority=9223372036854775807", Code::BadPriority),
        ("routers.web.priority.x=1", Code::UnknownOption),
        ("routers.web.rulesyntax=v2", Code::NotSupportedYet),
        ("routers.web.observability=true", Code::StandaloneSection),
        ("routers.web.observability.metrics=yes", Code::BadValue),
        ("routers.web.observability.traceverbosity=loud", Code::BadValue),
        ("routers.web=x", Code::StandaloneSection),
        ("routers.web.entrypoints[x]=a", Code::UnknownOption),
        ("routers.web..x=a", Code::UnknownOption),
        ("routers.web.middlewares.=a", Code::UnknownOption),
        ("routers.web.[0]=a", Code::UnknownOption),
        ("routers.web.middlewares0]=a", Code::UnknownOption),
        ("routers.web[0].middlewares=a", Code::UnknownOption),
        ("routers.web.middle\u{0}wares=a", Code::BadText),
        ("routers.web.service=a\u{0}b", Code::BadText),
        ("routers.web.service=a\r\nb", Code::BadText),
        ("routers.web.service=a\u{85}b", Code::BadText),
        ("routers.web.tls=true", Code::TlsNotSupportedYet),
        ("routers.web.tls=", Code::TlsNotSupportedYet),
        ("routers.web.tls.certresolver=le", Code::TlsNotSupportedYet),
        ("routers.web.tls.domains[0].main=a.test", Code::TlsNotSupportedYet),
        ("routers.web.tls=yes", Code::BadValue),
        ("routers.web.tls=1", Code::BadValue),
        ("routers.web.tls.typo=x", Code::UnknownOption),
    ] {
        let decoded = http(&["routers.web.rule=Host(`a`)", "routers.fine.rule=Host(`b`)", line]);
        assert_eq!(router_off(&decoded, "web"), Some(code), "{line}");
        assert_eq!(router_off(&decoded, "fine"), None, "{line}");
        assert!(decoded.http_refused, "{line}");
        let found = decoded.diagnostics.iter().find(|d| d.code == code).unwrap();
        assert!(found.origin.key.starts_with("traefik.http.routers.web"), "{line}: {found}");
        assert!(found.consequence.starts_with("router web@docker answers 503"), "{line}: {found}");
    }
}

#[test]
fn no_tls_is_no_fault() {
    for line in ["routers.web.tls=false", "routers.web.tls=F", "routers.web.tls=0"] {
        let decoded = http(&["routers.web.rule=Host(`a`)", line, "routers.web.tls.certresolver=le"]);
        assert_eq!((router_off(&decoded, "web"), decoded.diagnostics.len()), (None, 0), "{line}");
        assert_eq!(decoded.routers["web"].value.tls, None);
    }
}

#[test]
fn a_value_that_lost_its_dot_takes_the_router_off() {
    let decoded = http(&["routers.web=middlewares=auth", "routers.web.rule=Host(`a`)"]);
    assert_eq!(router_off(&decoded, "web"), Some(Code::StandaloneSection));
    let decoded = http(&["routers.web.observability=x", "routers.web.observability.metrics=true"]);
    assert_eq!(router_off(&decoded, "web"), Some(Code::StandaloneSection));
}

#[test]
fn names_with_an_at_sign() {
    for object in Object::ALL {
        let decoded = http(&[&format!("{}.a@b.x=y", object.plural())]);
        assert_eq!(codes(&decoded).first(), Some(&Code::BadName), "{object:?}");
    }
}

#[test]
fn names_that_are_too_long() {
    for object in Object::ALL {
        for (bytes, right) in [(MAX_NAME, false), (MAX_NAME + 1, true)] {
            let decoded = http(&[&format!("{}.{}.x=y", object.plural(), "n".repeat(bytes))]);
            assert_eq!(codes(&decoded).first() == Some(&Code::LabelLimit), right, "{object:?} {bytes}");
            assert!(decoded.diagnostics.iter().all(|d| d.to_string().len() < 1000));
        }
    }
}

#[test]
fn several_faults_of_one_object() {
    let decoded = http(&["routers.web.priority=x", "routers.web.rul=y", "routers.web.tls=z"]);
    assert_eq!(router_off(&decoded, "web"), Some(Code::BadValue), "the first is the reason");
    assert_eq!(codes(&decoded), [Code::BadValue, Code::UnknownOption, Code::BadValue], "all are told");
}

#[test]
fn middleware_faults_break_it() {
    for (lines, code) in [
        (&["middlewares.m.stripprefx.prefixes=/a"][..], Code::UnknownOption),
        (&["middlewares.m.stripprefix.prefixs=/a"], Code::UnknownOption),
        (&["middlewares.m.redirectscheme.permanent=ja"], Code::BadValue),
        (&["middlewares.m.stripprefix=true"], Code::StandaloneSection),
        (&["middlewares.m=x"], Code::StandaloneSection),
        (&["middlewares.m.headers=x", "middlewares.m.headers.customrequestheaders.a=b"], Code::StandaloneSection),
        (&["middlewares.m.headers.customrequestheaders=x"], Code::StandaloneSection),
        (&["middlewares.m.headers.customrequestheaders.a=b\r\nc: d"], Code::BadText),
        (&["middlewares.m.plugin.name.option=x"], Code::NotSupportedYet),
        (&["middlewares.m.inflightreq.amount=abc"], Code::BadValue),
        (&["middlewares.m.ratelimit.average=1", "middlewares.m.ratelimit.redis.db=one"], Code::BadValue),
        (&["middlewares.m.headers.stsseconds=1d", "middlewares.m.headers.framedeny=true"], Code::BadValue),
        (&["middlewares.m.addprefix.prefix=/a", "middlewares.m.replacepath.path=/b"], Code::MiddlewareTypeCount),
        (&["middlewares.m.addprefix.prefix=/a", "middlewares.m.plugin.x.y=z"], Code::NotSupportedYet),
        (&["middlewares.m..x=y"], Code::UnknownOption),
    ] {
        let decoded = http(lines);
        assert_eq!(middleware_off(&decoded, "m"), Some(code), "{lines:?}");
        assert!(decoded.http_refused, "{lines:?}");
        assert_eq!(codes(&decoded), [code], "said once: {lines:?}");
        assert!(decoded.diagnostics[0].consequence.starts_with("middleware m@docker is off"), "{lines:?}");
    }
    let decoded = http(&["middlewares.m.plugin.x.y=z"]);
    assert_eq!(decoded.middlewares["m"].value, Middleware::Broken {});
}

#[test]
fn what_has_no_effect_any_more_is_told_and_ignored() {
    for (line, successor) in [
        ("sslredirect=true", "redirectScheme"),
        ("ssltemporaryredirect=true", "redirectScheme"),
        ("sslhost=a.example", "redirectRegex"),
        ("sslforcehost=true", "redirectRegex"),
        ("featurepolicy=camera 'none'", "permissionsPolicy"),
    ] {
        let decoded = http(&[&format!("middlewares.m.headers.{line}"), "middlewares.m.headers.framedeny=true"]);
        assert_eq!(middleware_off(&decoded, "m"), None, "{line}");
        assert_eq!(codes(&decoded), [Code::RemovedOption], "{line}");
        let found = &decoded.diagnostics[0];
        assert_eq!(found.severity, Severity::Warning);
        assert!(found.origin.key.ends_with(line.split('=').next().unwrap()), "{found}");
        assert!(found.fix.contains(successor), "{found}");
        assert!(!decoded.http_refused);
    }
}

#[test]
fn secrets_are_not_repeated() {
    let decoded = http(&["middlewares.m.headers.customrequestheader.Authorization=Bearer hunter2"]);
    assert_eq!(decoded.diagnostics[0].fix, "traefik.http.middlewares.m.headers.customRequestHeaders.Authorization=…");
    assert!(!decoded.diagnostics[0].to_string().contains("hunter2"));
    for line in ["basicauth.removeheader=anna:hunter2", "digestauth.removeheader=hunter2", "basicauth=anna:hunter2"] {
        let decoded = http(&[&format!("middlewares.m.{line}")]);
        assert!(middleware_off(&decoded, "m").is_some(), "{line}");
        assert!(!format!("{:?}", decoded.diagnostics).contains("hunter2"), "{:?}", decoded.diagnostics);
    }
}

#[test]
fn tuning_faults_of_a_service_are_ignored_with_a_warning() {
    for (line, code) in [
        ("passhostheader=maybe", Code::BadValue),
        ("strategy=magic", Code::BadValue),
        ("stiky.cookie=true", Code::UnknownOption),
        ("sticky=banana", Code::BadValue),
        ("sticky.cookie.nam=x", Code::UnknownOption),
        ("sticky.cookie.samesite=sometimes", Code::BadValue),
        ("sticky.cookie.maxage=long", Code::BadValue),
        ("sticky.cookie.name=a\nb", Code::BadText),
        ("responseforwarding.flushinterval=soon", Code::BadValue),
        ("responseforwarding=true", Code::StandaloneSection),
    ] {
        let line = format!("services.s.loadbalancer.{line}");
        let decoded = http(&[&line, "services.s.loadbalancer.server.port=80", "routers.web.rule=Host(`a`)"]);
        assert_eq!(service_off(&decoded, "s"), None, "{line}");
        let found = decoded.diagnostics.first().unwrap_or_else(|| panic!("{line} is warned about"));
        assert_eq!((found.code, found.severity), (code, Severity::Warning), "{line}");
        assert!(!decoded.http_refused, "{line}: ignored is not refused");
        let balancer = decoded.services["s"].value.load_balancer.clone().unwrap();
        assert_eq!((balancer.strategy.as_str(), balancer.pass_host_header), ("wrr", true), "{line}");
    }
    let decoded = http(&["services.s.loadbalancer.sticky.cookie.samesite=sometimes"]);
    let sticky = decoded.services["s"].value.load_balancer.clone().unwrap().sticky.unwrap();
    assert_eq!(sticky.cookie.unwrap().same_site, "");
}

#[test]
fn faults_that_could_change_where_requests_go_take_the_service_off() {
    for (lines, code) in [
        (&["services.s.loadbalncer.server.port=80"][..], Code::UnknownOption),
        (&["services.s.weighted.services[0].name=x"], Code::NotSupportedYet),
        (&["services.s.loadbalancer=true"], Code::StandaloneSection),
        (&["services.s=true"], Code::StandaloneSection),
        (&["services.s.loadbalancer.server.prt=80"], Code::UnknownOption),
        (&["services.s.loadbalancer.server=80"], Code::StandaloneSection),
        (&["services.s.loadbalancer.servers[0].url=http://a"], Code::UnknownOption),
        (&["services.s.loadbalancer.sever.port=80"], Code::UnknownOption),
        (&["services.s.loadbalancer.serverport=80"], Code::UnknownOption),
        (&["services.s.loadbalancer.serverstransprt=x@file"], Code::UnknownOption),
        (&["services.s.loadbalancer.erverstransport=x@file"], Code::UnknownOption),
        (&["services.s.loadbalancer.server.scheme=h2c"], Code::NotSupportedYet),
        (&["services.s.loadbalancer.server.scheme=gopher"], Code::BadValue),
        (&["services.s.loadbalancer.server.port=0"], Code::BadPort),
        (&["services.s.loadbalancer.server.port=65536"], Code::BadPort),
        (&["services.s.loadbalancer.server.port=80/udp"], Code::BadPort),
        (&["services.s.loadbalancer.server.port=+80"], Code::BadPort),
        (&["services.s.loadbalancer.server.weight=heavy"], Code::BadValue),
        (&["services.s.loadbalancer.server.weight=99999999999"], Code::BadValue),
        (&["services.s.loadbalancer.server.fenced=true"], Code::UnknownOption),
        (&["services.s.loadbalancer.server.url=h2c://a"], Code::NotSupportedYet),
        (&["services.s.loadbalancer.server.url=a:80"], Code::BadServerUrl),
        (&["services.s.loadbalancer.server.url=http://a", "services.s.loadbalancer.server.port=80"], Code::UrlConflict),
        (
            &["services.s.loadbalancer.server.url=http://a", "services.s.loadbalancer.server.scheme=http"],
            Code::UrlConflict,
        ),
        (&["services.s.middlewares=a"], Code::EmptyService),
        (&["services.s.middleware=a", "services.s.loadbalancer.server.port=80"], Code::UnknownOption),
        (&["services.s.middlewares.x=a", "services.s.loadbalancer.server.port=80"], Code::UnknownOption),
        (&["services.s.loadbalancer.server.port=8\u{0}0"], Code::BadText),
    ] {
        let decoded = http(lines);
        assert_eq!(service_off(&decoded, "s"), Some(code), "{lines:?}");
        assert!(decoded.http_refused && decoded.quarantine_all.is_none(), "{lines:?}");
        let found = decoded.diagnostics.iter().find(|d| d.code == code).unwrap();
        assert!(found.consequence.starts_with("service s@docker is off"), "{lines:?}");
    }
    let decoded = http(&["services.s.loadbalancer.server.port=80/udp"]);
    assert_eq!(decoded.diagnostics[0].fix, "traefik.http.services.s.loadbalancer.server.port=80");
}

#[test]
fn labels_that_nobody_can_be_given_take_every_router_off() {
    for (line, code) in [
        ("traefik.http.router.web.middlewares=a", Code::UnassignableLabel),
        ("traefik.http.banana=a", Code::UnassignableLabel),
        ("traefik.http=a", Code::UnassignableLabel),
        ("traefik.http.routers=a", Code::UnassignableLabel),
        ("traefik.http.routers.=a", Code::UnassignableLabel),
        ("traefik.http..routers.web.middlewares=a", Code::UnassignableLabel),
        ("traefik.http.routers..middlewares=a", Code::UnassignableLabel),
        ("traefik.http.routers[0].middlewares=a", Code::UnassignableLabel),
        ("traefik.http.routers.we\u{0}b.middlewares=a", Code::UnassignableLabel),
        ("traefik.htpp.routers.web.middlewares=a", Code::NearMissRoot),
        ("traefik.httpx.routers.web.middlewares=a", Code::NearMissRoot),
        ("trafik.http.routers.web.middlewares=a", Code::NearMissRoot),
        ("Traefik.http.routers.web.middlewares=a", Code::NearMissRoot),
        ("saeway.http.routers.web.middlewares=a", Code::NearMissRoot),
        ("traefik.enabled=true", Code::BadProviderLabel),
        ("traefik.enable.foo=true", Code::BadProviderLabel),
        ("traefik.enable=yes", Code::BadProviderLabel),
        ("traefik.enable=", Code::BadProviderLabel),
        ("traefik.docker.foo=x", Code::BadProviderLabel),
        ("traefik.docker=x", Code::BadProviderLabel),
        ("traefik.docker.network.x=x", Code::BadProviderLabel),
        ("traefik.docker.lbswarm=x", Code::BadProviderLabel),
        ("traefik.docker.allownonrunning=x", Code::BadProviderLabel),
        ("seaway.docker.foo=x", Code::BadProviderLabel),
    ] {
        let decoded =
            decode(&["traefik.http.routers.web.rule=Host(`a`)", "traefik.http.routers.other.rule=Host(`b`)", line]);
        assert_eq!(decoded.quarantine_all.as_ref().map(|d| d.code), Some(code), "{line}");
        assert_eq!((router_off(&decoded, "web"), router_off(&decoded, "other")), (Some(code), Some(code)), "{line}");
        assert_eq!(decoded.provider_fault, code == Code::BadProviderLabel, "{line}");
        assert!(decoded.http_refused, "{line}");
    }
}

#[test]
fn corrected_lines() {
    for (line, fix) in [
        ("traefik.enabled=true", "traefik.enable=true"),
        ("traefik.enable=yes", "traefik.enable=true"),
        ("traefik.enable=\"true\"", "traefik.enable=true"),
        ("traefik.docker.netwrk=x", "traefik.docker.network=x"),
        ("traefik.htpp.routers.web.rule=Host(`a`)", "traefik.http.routers.web.rule=Host(`a`)"),
        ("traefik.http.router.web.rule=Host(`a`)", "traefik.http.routers.web.rule=Host(`a`)"),
        ("traefik.http.routers.web.priority=\"5\"", "traefik.http.routers.web.priority=5"),
        ("traefik.http.services.s.loadbalncer.server.port=80", "traefik.http.services.s.loadBalancer.server.port=80"),
        ("traefik.http.routers.web.tls=true", "traefik.http.routers.web.tls=false"),
    ] {
        let decoded = decode(&[line]);
        assert!(decoded.diagnostics.iter().any(|d| d.fix == fix), "{line}: {:?}", decoded.diagnostics);
    }
}

#[test]
fn a_label_that_fell_on_a_name_beside_it() {
    for (line, meant) in [
        ("routers.frontnd.middlewares=auth", "frontend"),
        ("routers.front.end.middlewares=auth", "frontend"),
        ("routers.fron.end.middlewares=auth", "frontend"),
        ("routers.frontend2.middlewares=auth", "frontend"),
        ("routers.frontendmiddlewares=auth", "frontend"),
        ("routers.frontendmiddlewares[0]=auth", "frontend"),
        ("routers.frontendtls.certresolver=le", "frontend"),
        ("routers.frontend[middlewares=auth", "frontend"),
        ("routers.fronten.dmiddlewares=auth", "frontend"),
    ] {
        let decoded = http(&["routers.frontend.rule=Host(`a`)", "routers.far.rule=Host(`b`)", line]);
        assert_eq!(router_off(&decoded, meant), Some(Code::UnassignableLabel), "{line}");
        assert_eq!(router_off(&decoded, "far"), None, "{line}");
        assert!(decoded.routers.values().filter(|r| r.quarantine.is_none()).count() == 1, "{line}");
    }
}

#[test]
fn names_that_are_near_on_purpose() {
    for lines in [
        &["routers.web1.rule=Host(`a`)", "routers.web2.rule=Host(`b`)"][..],
        &["routers.app.rule=Host(`a`)", "routers.apps.rule=Host(`b`)", "routers.apps.middlewares=x"],
        &["routers.app-http.entrypoints=web", "routers.app-https.entrypoints=sec", "routers.app-https.priority=2"],
        &["middlewares.mw1.stripprefix.prefixes=/a", "middlewares.mw2.addprefix.prefix=/b"],
        &["middlewares.app.headers.customrequestheaders.a=b", "middlewares.appheaders.addprefix.prefix=/b"],
        &["services.s1.loadbalancer.server.port=1", "services.s2.loadbalancer.server.port=2"],
        &["routers.a.rule=Host(`a`)", "routers.arule.rule=Host(`b`)"],
    ] {
        assert_eq!(http(lines).diagnostics, vec![], "{lines:?}");
    }
}

#[test]
fn service_and_middleware_labels_that_fell_on_a_name_beside_it() {
    let decoded = http(&["services.web.loadbalancer.server.port=80", "services.wb.middlewares=auth"]);
    assert_eq!(service_off(&decoded, "web"), Some(Code::UnassignableLabel));
    let decoded = http(&[
        "routers.web.middlewares=secure",
        "middlewares.secure.redirectscheme.scheme=https",
        "middlewares.secur.redirectscheme.permanent=true",
    ]);
    assert_eq!(middleware_off(&decoded, "secure"), Some(Code::UnassignableLabel));
}

#[test]
fn limits() {
    let long = "x".repeat(crate::gather::MAX_VALUE + 1);
    let decoded = http(&["routers.ok.rule=Host(`a`)", &format!("routers.web.rule={long}")]);
    assert_eq!((router_off(&decoded, "web"), router_off(&decoded, "ok")), (Some(Code::LabelLimit), None));
    assert!(decoded.diagnostics[0].to_string().len() < 1000);

    let deep = vec!["a"; 500].join(".");
    let decoded = http(&["routers.ok.rule=Host(`a`)", &format!("routers.web.{deep}=x")]);
    assert_eq!((router_off(&decoded, "web"), router_off(&decoded, "ok")), (Some(Code::LabelLimit), None));

    let half = "x".repeat(60_000);
    let many: Vec<String> = (0..20).map(|n| format!("routers.web.x{n}={half}")).collect();
    let decoded = http(&many.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(decoded.quarantine_all.as_ref().map(|d| d.code), Some(Code::LabelLimit));

    for object in Object::ALL {
        let many: Vec<String> = (0..1001).map(|n| format!("{}.x{n:04}.a=1", object.plural())).collect();
        let decoded = http(&many.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(decoded.quarantine_all.as_ref().map(|d| d.code), Some(Code::LabelLimit), "{object:?}");
        let count = decoded.routers.len() + decoded.services.len() + decoded.middlewares.len();
        assert_eq!((count, decoded.diagnostics.len()), (1000, 101), "{object:?}");
    }

    let many: Vec<String> = (0..10_000).map(|n| format!("routers.web.x{n}=1")).collect();
    let decoded = http(&many.iter().map(String::as_str).collect::<Vec<_>>());
    assert!(router_off(&decoded, "web").is_some());
    assert_eq!(decoded.quarantine_all.as_ref().map(|d| d.code), Some(Code::LabelLimit));
}

#[test]
fn what_would_leave_a_router_without_its_guard() {
    let guard = "middlewares.guard.addprefix.prefix=/g";
    for line in
        ["middlewares.web=guard", "services.s.loadbalancer.middlewares=guard", "services.s.loadbalancer.middleware=x"]
    {
        let decoded = http(&["routers.web.rule=Host(`a`)", "services.s.loadbalancer.server.port=80", guard, line]);
        let off = [&decoded.routers["web"].quarantine, &decoded.services["s"].quarantine];
        assert!(off.iter().any(|off| off.is_some()), "{line}: {decoded:?}");
    }
    for line in [
        "middlewares.c.chain.middlewares=",
        "middlewares.c.chain.middlewares[0]= ",
        "middlewares.c.chain.middlewares=,",
    ] {
        let decoded = http(&["routers.web.middlewares=c", line]);
        let off = decoded.middlewares["c"].quarantine.as_ref().unwrap();
        assert_eq!(
            (off.code, off.message.as_str()),
            (Code::BadMiddleware, "the chain is empty, so nothing would stand where it is used"),
            "{line}"
        );
    }
}

#[test]
fn what_people_often_write_is_put_right() {
    for (line, fix) in [
        ("services.s.loadbalancer.port=80", "traefik.http.services.s.loadbalancer.server.port=80"),
        ("services.s.loadbalancer.Scheme=http", "traefik.http.services.s.loadbalancer.server.Scheme=http"),
        ("services.s.loadbalancer.servers[0].url=http://a", "traefik.http.services.s.loadbalancer.server.url=http://a"),
        ("services.s.loadbalancer.servers.port=80", "traefik.http.services.s.loadbalancer.server.port=80"),
    ] {
        let decoded = http(&[line]);
        assert_eq!(
            service_off(&decoded, "s"),
            Some(Code::UnknownOption),
            "{line}: the port it asks for is not the one it gets"
        );
        assert_eq!(decoded.diagnostics[0].fix, fix, "{line}");
    }
    let decoded = http(&["services.s.loadbalancer.weight=3"]);
    assert_eq!(decoded.diagnostics[0].fix, "traefik.http.services.s.loadbalancer.server.weight=3");
    for (line, message) in [
        (
            "services.s.weighted.services[0].name=a",
            "services of the kind weighted are declared in files, and labels cannot",
        ),
        ("middlewares.m.grpcwb.x=a", "there is no option `grpcwb` here; Traefik's grpcWeb does not work yet"),
    ] {
        assert_eq!(http(&[line]).diagnostics[0].message, message);
    }
}

#[test]
fn nobody_can_know_the_requests_of_a_rule_that_was_refused() {
    let long = format!("routers.web.rule={}", "x".repeat(crate::gather::MAX_VALUE + 1));
    for line in [long.as_str(), "routers.web.rule=Host(`a\u{0}`)", "routers.web.rule[0]=Host(`a`)", "routers.web.rul=x"]
    {
        let decoded = http(&[line, "routers.web.priority=high", "routers.rest.rule=Host(`b`)", "routers.rest.x=y"]);
        assert_eq!(decoded.rule_lost, ["web".to_owned()].into(), "{decoded:?}");
        assert!(router_off(&decoded, "web").is_some());
        for found in &decoded.diagnostics {
            let lost = found.consequence.contains("router web@docker is off, and nobody can know");
            let kept = found.consequence == "router rest@docker answers 503";
            assert!(if found.origin.key.contains(".web.") { lost } else { kept }, "{found}");
        }
    }
    // Another label gives it a rule all the same, or it never was to have one: it keeps that place.
    let decoded = decode(&["seaway.http.routers.web.rule=Host(`a\u{0}`)", "traefik.http.routers.web.rule=Host(`a`)"]);
    assert_eq!((router_off(&decoded, "web"), decoded.rule_lost.len()), (Some(Code::BadText), 0));
    let decoded = http(&["routers.web.priority=high", "routers.web.rulesyntax=v2"]);
    assert_eq!((router_off(&decoded, "web"), decoded.rule_lost.len()), (Some(Code::BadValue), 0));
}

#[test]
fn every_refusal_says_what_would_do() {
    let long = "x".repeat(crate::gather::MAX_VALUE + 1);
    for (line, fix) in [
        ("routers.web.priority=high", "traefik.http.routers.web.priority=10"),
        ("routers.web.priority=\"7\"", "traefik.http.routers.web.priority=7"),
        ("routers.web.tls=yes", "traefik.http.routers.web.tls=false"),
        ("routers.web.observability.metrics=yes", "traefik.http.routers.web.observability.metrics=true"),
        (
            &format!("routers.web.rule={long}"),
            "a rule of at most 65536 bytes; several routers can share its alternatives",
        ),
        (&format!("routers.web.service={long}"), "a value of at most 65536 bytes"),
        (&format!("routers.web.{}=x", vec!["a"; 100].join(".")), "a key of at most 64 parts"),
        ("services.s.loadbalancer.server.port=http", "traefik.http.services.s.loadbalancer.server.port=80"),
        ("services.s.loadbalancer.server.port=65536", "traefik.http.services.s.loadbalancer.server.port=80"),
    ] {
        assert_eq!(http(&[line]).diagnostics[0].fix, fix, "{line:.60}");
    }
}

#[test]
fn no_answer_is_promised_where_there_is_no_router() {
    for (lines, word) in [
        (&["traefik.htpp.x=y"][..], "its routers are off"),
        (&["traefik.http.wrong.x=y"], "its routers are off"),
        (&["traefik.http.wrong.x=y", "traefik.enable=yes"], "its routers are off"),
        (
            &["traefik.http.wrong.x=y", "traefik.http.routers.web.priority=1"],
            "every router of this container answers 503",
        ),
        // A router is made up for it all the same, which answers 503.
        (&["traefik.enable=yes"], "every router of this container answers 503"),
    ] {
        let decoded = decode(lines);
        assert!(decoded.diagnostics.iter().all(|d| d.consequence.starts_with(word)), "{:?}", decoded.diagnostics);
    }
}
