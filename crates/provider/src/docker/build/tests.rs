#![allow(clippy::unwrap_used)]

use seaway_config::Severity;
use seaway_config::model::{Address, DockerHealth};

use super::*;
use crate::docker::{Attachment, Binding, Protocol};
use crate::testing::{build, container, options, replica, snapshot};

fn one(container: Container) -> Arc<Partial> {
    let mut built = build([container]);
    assert_eq!(built.partials.len(), 1, "the container counts");
    built.partials.pop().unwrap()
}

fn with(options: BuildOptions, container: Container) -> Option<Arc<Partial>> {
    Builder::new(options).build(&snapshot([container])).partials.pop()
}

fn labelled(labels: &[(&str, &str)]) -> Arc<Partial> {
    one(container("Test", "10.0.0.2", labels))
}

fn urls(partial: &Partial, service: &str) -> Vec<String> {
    partial.services[service].value.servers.iter().map(|s| s.url.to_string()).collect()
}

fn codes(partial: &Partial) -> Vec<Code> {
    partial.diagnostics.iter().map(|d| d.code).collect()
}

fn route(partial: &Partial) -> Vec<(&str, &str, &str, bool)> {
    let routers = partial.routers.iter();
    routers.map(|(n, r)| (n.as_str(), &*r.value.rule, &*r.value.service, r.quarantine.is_some())).collect()
}

// The rows of the conformance table, in its order.

#[test]
fn row_1_no_label() {
    let partial = labelled(&[]);
    assert_eq!(route(&partial), [("Test", "Host(`Test.localhost`)", "Test", false)]);
    assert_eq!(urls(&partial, "Test"), ["http://10.0.0.2:80"]);
    let server = &partial.services["Test"].value.servers[0];
    assert_eq!((&*server.identity.container, &*server.identity.network), ("Test", "net"));
    assert_eq!((&*server.identity.address, server.weight), ("10.0.0.2:80", 1));
    assert!(partial.services["Test"].value.options.load_balancer.as_ref().unwrap().pass_host_header);
}

#[test]
fn row_2_two_containers_two_routers() {
    let built = build([container("a", "10.0.0.2", &[]), container("b", "10.0.0.3", &[])]);
    let names: Vec<_> = built.partials.iter().flat_map(|p| p.routers.keys()).collect();
    assert_eq!(names, ["a", "b"]);
}

#[test]
fn row_3_compose_names_come_from_service_and_project() {
    let partial = one(replica("shop_prod", "web", 1, &[]));
    assert_eq!(route(&partial), [("web-shop-prod", "Host(`web-shop-prod.localhost`)", "web-shop-prod", false)]);
    let named = one(container("my_app.1", "10.0.0.2", &[("com.docker.compose.project", "shop")]));
    assert_eq!(route(&named)[0].0, "my-app-1", "one of the two labels is not enough");
}

#[test]
fn row_4_only_a_service() {
    let partial = labelled(&[("traefik.http.services.S.loadbalancer.passhostheader", "false")]);
    assert_eq!(route(&partial), [("Test", "Host(`Test.localhost`)", "S", false)]);
    assert!(!partial.services["S"].value.options.load_balancer.as_ref().unwrap().pass_host_header);
}

#[test]
fn row_5_a_router_is_linked_to_the_only_service() {
    let partial = labelled(&[
        ("traefik.http.routers.R.rule", "Host(`r`)"),
        ("traefik.http.routers.Q.rule", "Host(`q`)"),
        ("traefik.http.services.S.loadbalancer.server.port", "8080"),
    ]);
    assert_eq!(route(&partial), [("Q", "Host(`q`)", "S", false), ("R", "Host(`r`)", "S", false)]);
}

#[test]
fn row_6_two_services_and_no_choice_switch_the_router_off() {
    let partial = labelled(&[
        ("traefik.http.routers.R.rule", "Host(`r`)"),
        ("traefik.http.services.S1.loadbalancer.passhostheader", "true"),
        ("traefik.http.services.S2.loadbalancer.passhostheader", "true"),
    ]);
    assert_eq!(route(&partial), [("R", "Host(`r`)", "", true)]);
    assert_eq!(partial.services.len(), 2);
    assert_eq!(codes(&partial), [Code::AmbiguousService]);
    let told = &partial.diagnostics[0];
    assert_eq!(told.fix, "traefik.http.routers.R.service=S1");
    assert_eq!((&*told.origin.resource, &*told.origin.key), ("Test", "traefik.http.routers.R.rule"));

    let none = labelled(&[
        ("traefik.http.services.S1.loadbalancer.passhostheader", "true"),
        ("traefik.http.services.S2.loadbalancer.passhostheader", "true"),
    ]);
    assert!(none.routers.is_empty());
    assert_eq!(none.diagnostics[0].severity, Severity::Info);
}

#[test]
fn row_7_a_service_that_is_not_here_stays_named_and_the_default_one_is_made() {
    let partial = labelled(&[("traefik.http.routers.R.service", "Nope")]);
    assert_eq!(route(&partial), [("R", "Host(`Test.localhost`)", "Nope", false)]);
    assert_eq!(urls(&partial, "Test"), ["http://10.0.0.2:80"]);
}

// Rows 8 to 11 are about several containers: see merge.

#[test]
fn row_12_another_root_word_is_ignored() {
    let partial = labelled(&[("traefik.wrong.label", "42")]);
    assert_eq!(route(&partial), [("Test", "Host(`Test.localhost`)", "Test", false)]);
}

#[test]
fn rows_13_and_14_ports() {
    let mut two = container("Test", "10.0.0.2", &[]);
    two.exposed = vec![(443, Protocol::Tcp), (80, Protocol::Tcp)];
    assert_eq!(urls(&one(two), "Test"), ["http://10.0.0.2:80"]);
    let named = labelled(&[("traefik.http.services.S.loadbalancer.server.port", "8080")]);
    assert_eq!(urls(&named, "S"), ["http://10.0.0.2:8080"]);
}

#[test]
fn row_15_a_url_is_used_as_written_and_needs_no_address() {
    let url = |url: &str| {
        let mut bare = container("Test", "10.0.0.2", &[("traefik.http.services.S.loadbalancer.server.url", url)]);
        bare.networks.clear();
        bare.exposed.clear();
        one(bare)
    };
    let partial = url("http://1.2.3.4:5678");
    assert_eq!(urls(&partial, "S"), ["http://1.2.3.4:5678"]);
    let server = &partial.services["S"].value.servers[0];
    assert_eq!(server.address, Address::Ip("1.2.3.4:5678".parse().unwrap()));
    assert!(server.condition.assume_ready && codes(&partial).is_empty());

    let named = url("http://Backend.Internal/path/");
    let server = &named.services["S"].value.servers[0];
    assert_eq!(server.address, Address::Dns("backend.internal".into(), 80));
    assert_eq!((&*server.url, &*server.base_path), ("http://Backend.Internal/path/", ""));
    assert_eq!(url("http://[fd00::1]:81").services["S"].value.servers[0].address.to_string(), "[fd00::1]:81");

    for bad in ["http://a:0", "http://a:99999", "http://u:p@a", "http://a b", "http://[::1", "http://a:+1", "http:///x"]
    {
        let partial = url(bad);
        assert!(partial.services["S"].quarantine.is_some(), "{bad} switches the service off");
        assert!(codes(&partial).contains(&Code::BadServerUrl), "{bad}: {:?}", partial.diagnostics);
    }
}

#[test]
fn preserve_path_keeps_the_path_of_the_url() {
    let partial = labelled(&[
        ("traefik.http.services.S.loadbalancer.server.url", "http://a/base/"),
        ("traefik.http.services.S.loadbalancer.server.preservepath", "true"),
    ]);
    assert_eq!(&*partial.services["S"].value.servers[0].base_path, "/base");
}

#[test]
fn row_16_a_url_beside_a_port_switches_the_service_off() {
    for extra in ["server.port", "server.scheme"] {
        let value = if extra.ends_with("port") { "80" } else { "http" };
        let key = format!("traefik.http.services.S.loadbalancer.{extra}");
        let partial =
            labelled(&[("traefik.http.services.S.loadbalancer.server.url", "http://1.2.3.4"), (key.as_str(), value)]);
        assert_eq!(partial.services["S"].quarantine.as_ref().unwrap().code, Code::UrlConflict, "{extra}");
    }
}

#[test]
fn row_17_no_port() {
    let bare = |labels: &[(&str, &str)]| {
        let mut bare = container("Test", "10.0.0.2", labels);
        bare.exposed.clear();
        one(bare)
    };
    let silent = bare(&[]);
    assert!(silent.routers.is_empty() && silent.services.is_empty(), "it never meant to be routed");
    assert_eq!((codes(&silent), silent.diagnostics[0].severity), (vec![Code::NoPort], Severity::Info));

    let meant = bare(&[("traefik.http.routers.R.rule", "Host(`r`)")]);
    assert_eq!(route(&meant), [("R", "Host(`r`)", "Test", false)], "the router keeps its place");
    assert!(urls(&meant, "Test").is_empty());
    assert_eq!((codes(&meant), meant.diagnostics[0].severity), (vec![Code::NoPort], Severity::Error));

    let middleware = bare(&[("traefik.http.middlewares.M.addprefix.prefix", "/m")]);
    assert_eq!(middleware.middlewares.len(), 1, "its middleware does not vanish with its port");
}

#[test]
fn rows_18_and_19_health_is_told_and_does_not_take_the_router_away() {
    for health in [DockerHealth::Starting, DockerHealth::Unhealthy] {
        let partial = one(Container { health, ..container("Test", "10.0.0.2", &[]) });
        assert_eq!(route(&partial).len(), 1);
        assert_eq!(partial.services["Test"].value.servers[0].condition.health, health);
        assert!(!partial.well);
    }
    let paused = one(Container { paused: true, ..container("Test", "10.0.0.2", &[]) });
    assert!(paused.services["Test"].value.servers[0].condition.paused && !paused.well);
}

#[test]
fn row_20_ended_containers_count_only_where_allowed() {
    let ended = |labels: &[(&str, &str)]| Container { running: false, ..container("Test", "10.0.0.2", labels) };
    assert!(build([ended(&[])]).partials.is_empty());
    let kept = one(ended(&[("traefik.docker.allownonrunning", "true")]));
    assert_eq!(route(&kept), [("Test", "Host(`Test.localhost`)", "Test", false)]);
    assert!(urls(&kept, "Test").is_empty() && codes(&kept).is_empty());
    let with_url = ended(&[
        ("traefik.docker.allownonrunning", "true"),
        ("traefik.http.services.S.loadbalancer.server.url", "http://1.2.3.4"),
    ]);
    assert!(urls(&one(with_url), "S").is_empty());
}

#[test]
fn row_21_tls_false_is_no_tls() {
    let partial = labelled(&[("traefik.http.routers.R.rule", "Host(`r`)"), ("traefik.http.routers.R.tls", "false")]);
    assert!(partial.routers["R"].value.tls.is_none() && partial.routers["R"].quarantine.is_none());
}

#[test]
fn row_22_a_bad_middleware_takes_itself_out_and_nothing_is_made_up_next_to_it() {
    let partial = labelled(&[("traefik.http.middlewares.M.inflightreq.amount", "abc")]);
    assert!(partial.middlewares["M"].quarantine.is_some());
    assert!(partial.routers.is_empty(), "a default router might serve what the middleware was to protect");
    assert!(!partial.diagnostics.is_empty());
}

#[test]
fn rows_23_and_24_tcp_labels() {
    let tcp = [("traefik.tcp.services.T.loadbalancer.server.port", "5432")];
    let partial = labelled(&tcp);
    assert!(partial.routers.is_empty() && partial.services.is_empty(), "no HTTP objects are made up");
    let both = [tcp[0], ("traefik.http.services.S.loadbalancer.server.port", "80")];
    assert_eq!(route(&labelled(&both)), [("Test", "Host(`Test.localhost`)", "S", false)]);
}

#[test]
fn row_25_host_networking() {
    let host =
        Container { network_mode: "host".to_owned(), networks: Vec::new(), ..container("Test", "10.0.0.2", &[]) };
    let partial = one(host);
    assert_eq!(urls(&partial, "Test"), ["http://127.0.0.1:80"]);
    assert_eq!(&*partial.services["Test"].value.servers[0].identity.network, "");
}

#[test]
fn row_26_the_label_chooses_the_network() {
    let mut two = container("Test", "10.0.0.2", &[("traefik.docker.network", "second")]);
    let ipv4 = Some("10.9.0.2".parse().unwrap());
    two.networks.push(Attachment { name: "second".to_owned(), id: "net2".to_owned(), ipv4, ipv6: None });
    assert_eq!(urls(&one(two.clone()), "Test"), ["http://10.9.0.2:80"]);
    two.labels.clear();
    let chosen = BuildOptions { network: "second".to_owned(), ..options() };
    assert_eq!(urls(&with(chosen, two).unwrap(), "Test"), ["http://10.9.0.2:80"]);
}

// The filter.

#[test]
fn what_counts() {
    let hidden = || BuildOptions { exposed_by_default: false, ..options() };
    let labels = |labels: &[(&str, &str)]| container("Test", "10.0.0.2", labels);
    assert!(with(options(), labels(&[("traefik.enable", "false")])).is_none());
    assert!(with(hidden(), labels(&[])).is_none());
    assert!(with(hidden(), labels(&[("traefik.enable", "true")])).is_some());
    assert!(with(options(), replica("shop", "web", 1, &[("com.docker.compose.oneoff", "True")])).is_none());
    assert!(with(options(), replica("shop", "web", 1, &[("com.docker.compose.oneoff", "False")])).is_some());
}

#[test]
fn constraints_look_at_all_labels() {
    let docker = DockerOptions { constraints: "Label(`tier`,`front`)".to_owned(), ..DockerOptions::default() };
    let constrained = BuildOptions::new("docker", &docker).unwrap();
    assert!(with(constrained.clone(), container("Test", "10.0.0.2", &[("tier", "front")])).is_some());
    assert!(with(constrained, container("Test", "10.0.0.2", &[("tier", "back")])).is_none());
}

#[test]
fn static_options_that_cannot_be_read() {
    let docker = DockerOptions {
        constraints: "Label(".to_owned(),
        default_rule: "{{ normalize".to_owned(),
        ..DockerOptions::default()
    };
    let faults = BuildOptions::new("docker", &docker).unwrap_err();
    assert_eq!(faults.iter().map(|d| d.code).collect::<Vec<_>>(), [Code::BadStaticValue, Code::BadConstraints]);
}

#[test]
fn an_unreadable_enable_shows_the_container_and_serves_nothing() {
    for exposed_by_default in [true, false] {
        let options = BuildOptions { exposed_by_default, ..options() };
        let partial = with(options, container("Test", "10.0.0.2", &[("traefik.enable", "yes")])).unwrap();
        assert!(!partial.routers.is_empty() && partial.routers.values().all(|r| r.quarantine.is_some()));
        assert!(codes(&partial).contains(&Code::BadProviderLabel));
    }
}

#[test]
fn a_near_miss_of_the_root_switches_off_what_is_made_up_too() {
    let partial = labelled(&[("traefik.htpp.middlewares.auth.addprefix.prefix", "/x")]);
    assert!(partial.routers.values().all(|r| r.quarantine.is_some()), "{:?}", partial.routers);
}

#[test]
fn a_default_rule_that_renders_to_nothing_switches_the_router_off() {
    let docker =
        DockerOptions { default_rule: "{{ index .Labels \"domain\" }}".to_owned(), ..DockerOptions::default() };
    let options = BuildOptions::new("docker", &docker).unwrap();
    let partial = with(options, container("Test", "10.0.0.2", &[])).unwrap();
    assert_eq!(partial.routers["Test"].quarantine.as_ref().unwrap().code, Code::BadDefaultRule);
}

#[test]
fn a_renamed_container_gets_a_new_default_rule_and_no_name_can_break_out_of_it() {
    let mut builder = Builder::new(options());
    let renamed = |name: &str| Container { name: name.to_owned(), ..container("Test", "10.0.0.2", &[]) };
    for (name, rule) in [("one", "Host(`one.localhost`)"), ("t`) || Host(`x", "Host(`t-Host-x.localhost`)")] {
        let partial = builder.build(&snapshot([renamed(name)])).partials.pop().unwrap();
        assert_eq!(route(&partial)[0].1, rule);
    }
}

// Ports that are published.

#[test]
fn published_addresses_are_used_where_asked_for() {
    let url = |label: Option<&str>, bindings: &[(u16, &str, u16)]| {
        let key = "traefik.http.services.Test.loadbalancer.server.port";
        let labels: Vec<_> = label.map(|port| (key, port)).into_iter().collect();
        let mut published = container("Test", "10.0.0.2", &labels);
        published.bindings = bindings
            .iter()
            .map(|(container_port, host_ip, host_port)| Binding {
                container_port: *container_port,
                protocol: Protocol::Tcp,
                host_ip: (*host_ip).to_owned(),
                host_port: *host_port,
            })
            .collect();
        let options = BuildOptions { use_bind_port_ip: true, ..options() };
        let partial = with(options, published).unwrap();
        let server = &partial.services["Test"].value.servers[0];
        (server.url.to_string(), server.identity.network.to_string())
    };
    let inner = |port: u16| (format!("http://10.0.0.2:{port}"), "net".to_owned());
    let outer = ("http://192.168.0.1:8081".to_owned(), String::new());
    assert_eq!(url(None, &[]), inner(80));
    assert_eq!(url(None, &[(80, "", 8081)]), inner(80));
    assert_eq!(url(None, &[(80, "0.0.0.0", 8081)]), inner(80));
    assert_eq!(url(None, &[(80, "192.168.0.1", 8081)]), outer);
    assert_eq!(url(Some("8080"), &[]), inner(8080));
    assert_eq!(url(Some("8080"), &[(8080, "192.168.0.1", 8081)]), outer);
    assert_eq!(url(Some("8080"), &[(79, "192.168.0.1", 8081)]), inner(8080));
    assert_eq!(url(Some("8080"), &[(79, "192.168.0.1", 8082), (8080, "192.168.0.1", 8081)]), outer);
}

// Names and identities.

#[test]
fn servers_are_called_by_service_and_number_where_that_is_unique() {
    let built = build([
        replica("shop", "web", 1, &[]),
        replica("shop", "web", 2, &[]),
        replica("blog", "web", 1, &[]),
        container("web-2-copy", "10.0.0.9", &[]),
    ]);
    let names: Vec<_> =
        built.partials.iter().flat_map(|p| p.services.values()).map(|s| &*s.value.servers[0].name).collect();
    assert_eq!(names, ["blog-web-1", "shop-web-1", "web-2", "web-2-copy"]);
    let elsewhere = replica("blog", "web", 1, &[("traefik.enable", "false")]);
    let built = build([replica("shop", "web", 1, &[]), elsewhere]);
    assert_eq!(
        &*built.partials[0].services["web-shop"].value.servers[0].name, "web-1",
        "who is not routed takes no name"
    );
    let old = Container { id: "old".to_owned(), name: "old".to_owned(), ..replica("shop", "web", 1, &[]) };
    let ended = Container { running: false, ..replica("blog", "web", 1, &[]) };
    let built = build([replica("shop", "web", 1, &[]), old, ended]);
    let recreated = built.partials.iter().map(|p| &*p.services["web-shop"].value.servers[0].name);
    assert_eq!(recreated.collect::<Vec<_>>(), ["web-1", "web-1"], "two generations of one replica");
    let odd = one(replica("shop", "we\nb", 1, &[]));
    let name = odd.services.values().next().unwrap().value.servers[0].name.to_string();
    assert_eq!(name, odd.container, "nothing that could break a log line");
}

#[test]
fn a_reused_address_is_another_identity() {
    let before = one(Container { id: "a".to_owned(), ..container("web", "10.0.0.2", &[]) });
    let after = one(Container { id: "b".to_owned(), ..container("web", "10.0.0.2", &[]) });
    let of = |partial: &Partial| partial.services["web"].value.servers[0].identity.clone();
    assert_ne!(of(&before), of(&after));
    assert_eq!(urls(&before, "web"), urls(&after, "web"));
}

#[test]
fn seaways_own_container_is_no_server_of_its_own_and_not_gated_by_its_own_health() {
    let labels =
        [("traefik.http.routers.api.rule", "Host(`api`)"), ("traefik.http.routers.api.service", "api@internal")];
    let options = || BuildOptions { own: Some("own".to_owned()), ..options() };
    let bare = with(options(), container("own", "10.0.0.2", &[])).unwrap();
    assert!(bare.routers.is_empty() && bare.services.is_empty(), "no loop");
    let api = with(options(), container("own", "10.0.0.2", &labels)).unwrap();
    assert_eq!(route(&api), [("api", "Host(`api`)", "api@internal", false)]);
    assert!(api.services.is_empty());
    let served = [("traefik.http.services.own.loadbalancer.server.port", "9000")];
    let unhealthy = Container { health: DockerHealth::Unhealthy, ..container("own", "10.0.0.2", &served) };
    let partial = with(options(), unhealthy).unwrap();
    assert_eq!(partial.services["own"].value.servers[0].condition.health, DockerHealth::None);
}

#[test]
fn a_server_without_a_common_network_is_listed_and_marked() {
    let found = |labels: &[(&str, &str)]| {
        let mut apart = container("web", "10.7.0.2", labels);
        apart.networks[0].id = "elsewhere".to_owned();
        let own = container("own", "10.0.0.3", &[]);
        let options = BuildOptions { own: Some("own".to_owned()), ..options() };
        let built = Builder::new(options).build(&snapshot([apart, own]));
        let web = built.partials.into_iter().find(|p| p.id == "web").unwrap();
        assert!(web.services["web"].value.servers[0].condition.unreachable);
        assert_eq!(codes(&web), [Code::UnreachableServer]);
        web.diagnostics[0].severity
    };
    assert_eq!(found(&[("traefik.enable", "true")]), Severity::Error);
    assert_eq!(found(&[]), Severity::Info, "nobody asked for it");
}

#[test]
fn unchanged_labels_are_read_once() {
    let mut builder = Builder::new(options());
    let state = snapshot([container("web", "10.0.0.2", &[])]);
    builder.build(&state);
    let first = Arc::clone(&builder.known[0].decoded);
    builder.build(&state);
    builder.build(&snapshot([Container { paused: true, ..container("web", "10.0.0.2", &[]) }]));
    assert!(Arc::ptr_eq(&first, &builder.known[0].decoded));
    builder.build(&snapshot([container("web", "10.0.0.2", &[("traefik.enable", "true")])]));
    assert!(!Arc::ptr_eq(&first, &builder.known[0].decoded));
    builder.build(&[]);
    assert!(builder.known.is_empty() && builder.called.owners.is_empty(), "what is gone is forgotten");
}

#[test]
fn one_fault_of_an_address_is_told_once_for_all_services() {
    let mut nowhere = container(
        "web",
        "10.0.0.2",
        &[
            ("traefik.http.services.a.loadbalancer.server.port", "80"),
            ("traefik.http.services.b.loadbalancer.server.port", "81"),
        ],
    );
    nowhere.networks.clear();
    let partial = one(nowhere);
    assert_eq!(codes(&partial).iter().filter(|c| **c == Code::NoAddress).count(), 1);
}

#[test]
fn a_router_whose_rule_was_refused_gets_no_default_rule() {
    let long = "x".repeat(70_000);
    for rule in [long.as_str(), "Host(`a\u{0}`)"] {
        let partial = labelled(&[("traefik.http.routers.R.rule", rule), ("traefik.http.routers.R.service", "Test")]);
        assert_eq!(route(&partial), [("R", "", "Test", true)]);
        assert!(partial.diagnostics[0].consequence.contains("nobody can know"), "{}", partial.diagnostics[0]);
    }
    let other = labelled(&[("traefik.http.routers.R.priority", "high")]);
    assert_eq!(route(&other), [("R", "Host(`Test.localhost`)", "Test", true)], "the default one was meant");
}

#[test]
fn a_default_rule_that_can_never_be_right_is_a_mistake_at_the_start() {
    let with = |rule: &str| {
        BuildOptions::new("docker", &DockerOptions { default_rule: rule.to_owned(), ..DockerOptions::default() })
    };
    for (rule, word) in [
        ("Host(`{{ .Nmae }}`)", ".Nmae"),
        ("Hots(`{{ .Name }}`)", "Hots"),
        ("Host(`{{ .Name }}`", "Host(`web`"),
        ("Host(`{{ .Nmae }}.{{ index .Labels \"zone\" }}`)", ".Nmae"),
    ] {
        let faults = with(rule).unwrap_err();
        assert_eq!((faults.len(), faults[0].code), (1, Code::BadStaticValue), "{rule}");
        assert!(faults[0].message.contains(word), "{}", faults[0]);
    }
    for rule in [
        "Host(`{{ .Name }}`)",
        "Host(`{{ index .Labels \"host\" }}`)",
        "Host(`{{ .Labels.host }}`)",
        "{{ with index .Labels \"host\" }}Host(`{{ . }}`){{ end }}",
        "{{ if eq .Name \"api\" }}Host(`api`){{ end }}",
        "Host(`{{ index (splitList \"-\" .Name) 1 }}`)",
        "",
    ] {
        assert!(with(rule).is_ok(), "{rule}");
    }
}
