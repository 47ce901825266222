#![allow(clippy::unwrap_used)]

use super::*;

fn network(name: &str, address: &str) -> Attachment {
    let ip: Option<IpAddr> = address.parse().ok();
    Attachment {
        name: name.to_owned(),
        id: format!("id-of-{name}"),
        ipv4: ip.and_then(|ip| if let IpAddr::V4(ip) = ip { Some(ip) } else { None }),
        ipv6: ip.and_then(|ip| if let IpAddr::V6(ip) = ip { Some(ip) } else { None }),
    }
}

fn container(id: &str, mode: &str, networks: &[(&str, &str)]) -> Container {
    let networks = networks.iter().map(|(name, address)| network(name, address)).collect();
    Container {
        id: id.to_owned(),
        name: id.to_owned(),
        network_mode: mode.to_owned(),
        networks,
        ..Container::default()
    }
}

fn around<'a>(others: &'a [Arc<Container>], own: Option<&[&str]>) -> Surroundings<'a> {
    let own = own.map(|names| OwnContainer {
        id: "own".to_owned(),
        networks: names.iter().map(|n| (format!("id-of-{n}"), (*n).to_owned())).collect(),
    });
    Surroundings { all: others, own, host_address: None }
}

fn find(container: &Container, named: &str, around: &Surroundings<'_>) -> Result<Place, Box<Diagnostic>> {
    place(container, named, around, &Origin::resource("docker", &container.name))
}

fn codes(place: &Place) -> Vec<Code> {
    place.notes.iter().chain(&place.unreachable).map(|d| d.code).collect()
}

#[test]
fn a_named_network_is_used() {
    let web = container("web", "a", &[("a", "10.0.0.2"), ("b", "10.1.0.2")]);
    let place = find(&web, "b", &around(&[], None)).unwrap();
    assert_eq!((place.ip.to_string(), place.network.as_str()), ("10.1.0.2".to_owned(), "id-of-b"));
    assert_eq!(codes(&place), []);
}

#[test]
fn a_named_network_with_only_ipv6_gives_that() {
    let web = container("web", "a", &[("a", "10.0.0.2"), ("six", "fd00::2")]);
    assert_eq!(find(&web, "six", &around(&[], None)).unwrap().ip.to_string(), "fd00::2");
}

#[test]
fn a_named_network_without_address_is_an_error_and_no_reason_to_take_another() {
    let web = container("web", "a", &[("a", "10.0.0.2"), ("b", "")]);
    assert_eq!(find(&web, "b", &around(&[], None)).unwrap_err().code, Code::NoAddress);
}

#[test]
fn a_named_network_that_is_not_there_is_told_with_composes_full_name() {
    let web = container("web", "shop_front", &[("shop_front", "10.0.0.2")]);
    let place = find(&web, "front", &around(&[], None)).unwrap();
    assert_eq!(place.ip.to_string(), "10.0.0.2");
    assert_eq!(codes(&place), [Code::UnknownNetwork]);
    assert!(place.notes[0].fix.starts_with("traefik.docker.network=shop_front"), "{}", place.notes[0].fix);
}

#[test]
fn several_networks_and_none_named_is_the_shared_one_else_the_first_by_name() {
    let web = container("web", "z", &[("z", "10.2.0.2"), ("c", ""), ("a", "10.0.0.2"), ("b", "10.1.0.2")]);
    let free = find(&web, "", &around(&[], None)).unwrap();
    assert_eq!(free.ip.to_string(), "10.0.0.2");
    assert_eq!(codes(&free), [Code::SeveralNetworks]);
    assert_eq!(free.notes[0].severity, Severity::Info);

    let shared = find(&web, "", &around(&[], Some(&["b"]))).unwrap();
    assert_eq!(shared.ip.to_string(), "10.1.0.2");
    assert_eq!(codes(&shared), [], "one network in common leaves no doubt");

    let two = find(&web, "", &around(&[], Some(&["z", "b"]))).unwrap();
    assert_eq!(two.ip.to_string(), "10.1.0.2");
    assert_eq!(codes(&two), [Code::SeveralNetworks]);
}

#[test]
fn no_network_in_common_is_unreachable_and_says_so() {
    let web = container("web", "a", &[("a", "10.0.0.2")]);
    let place = find(&web, "", &around(&[], Some(&["b"]))).unwrap();
    assert_eq!(codes(&place), [Code::UnreachableServer]);
    assert!(place.unreachable.unwrap().fix.contains("attach Seaway's container to a"));
    let named = find(&web, "a", &around(&[], Some(&["b"]))).unwrap();
    assert_eq!(codes(&named), [Code::UnreachableServer], "a named network is not exchanged for a shared one");
}

#[test]
fn host_networking() {
    let web = container("web", "host", &[("host", "")]);
    let outside = find(&web, "", &around(&[], None)).unwrap();
    assert_eq!((outside.ip.to_string(), outside.network.as_str()), ("127.0.0.1".to_owned(), ""));
    assert_eq!(codes(&outside), []);

    let inside = find(&web, "", &around(&[], Some(&["a"]))).unwrap();
    assert_eq!(codes(&inside), [Code::UnreachableServer], "127.0.0.1 would be Seaway itself");

    let mut known = around(&[], Some(&["a"]));
    known.host_address = Some("172.17.0.1".parse().unwrap());
    let known = find(&web, "", &known).unwrap();
    assert_eq!((known.ip.to_string(), codes(&known)), ("172.17.0.1".to_owned(), vec![]));
}

#[test]
fn the_network_of_another_container() {
    let mut vpn = container("vpn", "a", &[("a", "10.0.0.9"), ("b", "10.1.0.9")]);
    let app = container("app", "container:vpn", &[]);
    let others = [Arc::new(vpn.clone())];
    assert_eq!(find(&app, "b", &around(&others, None)).unwrap().ip.to_string(), "10.1.0.9", "own label counts there");
    vpn.labels.insert("traefik.docker.network".to_owned(), "a".to_owned());
    let others = [Arc::new(vpn)];
    assert_eq!(find(&app, "b", &around(&others, None)).unwrap().ip.to_string(), "10.0.0.9", "its own label wins");
    assert_eq!(find(&app, "", &around(&[], None)).unwrap_err().code, Code::NoAddress);
}

#[test]
fn containers_that_share_networks_in_a_circle_have_no_address() {
    let (a, b) = (container("a", "container:b", &[]), container("b", "container:a", &[]));
    let others = [Arc::new(a.clone()), Arc::new(b)];
    assert_eq!(find(&a, "", &around(&others, None)).unwrap_err().code, Code::NoAddress);
}

#[test]
fn network_mode_none_has_no_address() {
    let web = container("web", "none", &[("none", "")]);
    assert_eq!(find(&web, "", &around(&[], None)).unwrap_err().code, Code::NoAddress);
}

#[test]
fn own_container_by_cgroup_or_mounts() {
    let id = "4c01db0b339c4d7ba1f2c6c9f6a5b0e1d2c3b4a5968778695a4b3c2d1e0f1a2b";
    let v1 = format!("12:cpu,cpuacct:/docker/{id}\n0::/system.slice/containerd.service\n");
    assert_eq!(own_container_id(&v1, "").as_deref(), Some(id));
    let systemd = format!("0::/system.slice/docker-{id}.scope\n");
    assert_eq!(own_container_id(&systemd, "").as_deref(), Some(id));
    let mounts =
        format!("610 601 254:1 /var/lib/docker/containers/{id}/hostname /etc/hostname rw,relatime - ext4 /dev/vda1 rw");
    assert_eq!(own_container_id("0::/\n", &mounts).as_deref(), Some(id));
    let on_a_docker_host = format!("88 27 0:51 / /var/lib/docker/containers/{id}/mounts/shm rw - tmpfs shm rw");
    assert_eq!(own_container_id("0::/user.slice/user-0.slice/session-1.scope\n", &on_a_docker_host), None);
    assert_eq!(own_container_id("", ""), None);
}

#[test]
fn own_container_with_host_networking_or_another_machines_engine_is_none() {
    let own = |mode: &str| vec![Arc::new(container("own", mode, &[("a", "10.0.0.3")]))];
    assert_eq!(OwnContainer::find("own", &own("host")), None);
    assert_eq!(OwnContainer::find("elsewhere", &own("a")), None);
    assert!(OwnContainer::find("own", &own("a")).unwrap().networks.contains_key("id-of-a"));
}
