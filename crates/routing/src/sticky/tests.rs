#![allow(clippy::unwrap_used)]

use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};
use seaway_config::Name;
use seaway_config::model::{self, StickyCookie as Options};

use super::{Moved, StickyCookie, Verdict, cookie as text, hash};
use crate::state::{Notice, flag};
use crate::testing::{World, cookie, docker, server, service, sticky, web};
use crate::{NoServer, Pick, Picked, Tried, Want};

fn world(count: u8) -> World {
    World::new(web(sticky((1..=count).map(|n| server(n, 1)).collect(), Options::default())))
}

fn value(url: &str) -> String {
    format!("{:016x}", hash::sha256_prefix(url))
}

/// The cookie that a client of server `n` sends.
fn client(n: u8) -> HeaderMap {
    cookie(&format!("_d1570={}", value(&format!("http://10.0.0.{n}:80"))))
}

fn picked(world: &World, headers: &HeaderMap) -> (String, Verdict, bool) {
    let Picked { index, sticky, set_cookie } = world.picked(headers);
    (world.web().servers[index].name.to_string(), sticky, set_cookie)
}

#[test]
fn names_as_traefik_derives_them() {
    for (service, name) in [
        (Name::new("whoami", "docker"), "_633ff"),
        (Name::new("service-mini", "docker"), "_89e5c"),
        (Name::new("web", "docker"), "_d1570"),
        (Name::new("wrr1", "file"), "_c3771"),
    ] {
        assert_eq!(&*text::name("", &service), name);
    }
    assert_eq!(&*text::name("a b(c)é;=\"x!#$%&'*+-.^_`|~9", &docker("x")), "a_b_c______x!#$%&'*+-.^_`|~9");
}

#[test]
fn values_as_traefik_has_and_had_them() {
    for (key, current, fnv, twice) in [
        ("http://127.0.0.1:80", "e79d0b65276c07c7", "19df53fb59010964", "b3d0b768c0d6bd35"),
        ("http://172.17.0.2:80", "e57aed71df995916", "f8108ad945f71079", "3e62cff3826952d7"),
        ("http://10.0.0.1:8080", "cc3dd0c247d6ff41", "b0139f9bf96a2faf", "4e414402b31ab6ea"),
        ("first", "a7937b64b8caa58f", "c0de9a9b8ec0e479", "76819daa37fef449"),
    ] {
        assert_eq!(value(key), current);
        assert_eq!(format!("{:x}", hash::fnv1(key.as_bytes())), fnv);
        assert_eq!(format!("{:x}", hash::fnv1(fnv.as_bytes())), twice);
    }
    for number in [0, 0xf, 0x10, u64::MAX] {
        assert_eq!(hash::parse_hex(format!("{number:x}").as_bytes()), Some(hash::Hex::unpadded(number)));
        assert_eq!(hash::parse_hex(format!("{number:016x}").as_bytes()), Some(hash::Hex::padded(number)));
    }
    assert_ne!(hash::Hex::unpadded(0x10), hash::Hex::padded(0x10));
}

#[test]
fn attributes_stand_in_traefiks_order() {
    let set_cookie = |options: &Options| text::set_cookie("n", "v", &text::attributes(options));
    assert_eq!(set_cookie(&Options::default()), "n=v; Path=/");
    let options = Options {
        name: String::new(),
        secure: true,
        http_only: true,
        same_site: "STRICT".into(),
        max_age: 60,
        path: Some("/a b;\u{e9}".into()),
        domain: ".example.com".into(),
    };
    assert_eq!(
        set_cookie(&options),
        "n=v; Path=/a b; Domain=example.com; Max-Age=60; HttpOnly; Secure; SameSite=Strict"
    );
    let parsed = cookie::Cookie::parse(set_cookie(&options).to_str().unwrap().to_owned()).unwrap();
    assert_eq!((parsed.name(), parsed.value(), parsed.path()), ("n", "v", Some("/a b")));
    assert_eq!(parsed.max_age().map(|age| age.whole_seconds()), Some(60));
    assert_eq!((parsed.secure(), parsed.http_only()), (Some(true), Some(true)));
    assert_eq!(parsed.same_site(), Some(cookie::SameSite::Strict));

    let options = Options {
        max_age: -5,
        path: Some(String::new()),
        same_site: "sometimes".into(),
        domain: "not a domain".into(),
        ..Options::default()
    };
    assert_eq!(set_cookie(&options), "n=v; Max-Age=0");
}

#[test]
fn each_server_has_its_set_cookie_ready() {
    let world = world(2);
    let sticky = world.web().sticky.as_ref().unwrap();
    assert_eq!(sticky.name(), "_d1570");
    for (index, server) in world.web().servers.iter().enumerate() {
        assert_eq!(sticky.set_cookie(index), &format!("_d1570={}; Path=/", value(&server.url)));
    }
    assert_eq!(sticky.set_cookie(7), "");
}

#[test]
fn the_first_visit_gets_a_cookie_and_keeps_its_server() {
    let world = world(3);
    for expected in ["web-1", "web-2", "web-3", "web-1"] {
        assert_eq!(picked(&world, &HeaderMap::new()), (expected.into(), Verdict::New, true));
    }
    for n in [2, 2, 3, 2, 1] {
        assert_eq!(picked(&world, &client(n)), (format!("web-{n}"), Verdict::Hit, false));
    }
    // Clients that stay take no turn from new ones.
    assert_eq!(picked(&world, &HeaderMap::new()).0, "web-2");
}

#[test]
fn old_values_keep_their_server_and_are_written_anew() {
    let world = world(3);
    let fnv = format!("{:x}", hash::fnv1(b"http://10.0.0.2:80"));
    for old in ["http://10.0.0.2:80".to_owned(), fnv.clone(), format!("{:x}", hash::fnv1(fnv.as_bytes()))] {
        let outcome = picked(&world, &cookie(&format!("_d1570={old}")));
        assert_eq!(outcome, ("web-2".into(), Verdict::Hit, true), "{old}");
    }
}

#[test]
fn old_values_have_no_padding() {
    // A URL whose FNV-1 starts with a zero digit.
    let (n, fnv) = (1u16..)
        .map(|n| (n, hash::fnv1(format!("http://10.0.0.1:{n}").as_bytes())))
        .find(|(_, f)| f >> 60 == 0)
        .unwrap();
    let mut one = server(1, 1);
    one.url = format!("http://10.0.0.1:{n}").into();
    let world = World::new(web(sticky(vec![one, server(2, 1)], Options::default())));
    assert_eq!(picked(&world, &cookie(&format!("_d1570={fnv:x}"))).1, Verdict::Hit);
    assert_eq!(picked(&world, &cookie(&format!("_d1570={fnv:016x}"))).1, Verdict::Invalid);
}

#[test]
fn what_no_service_ever_said_is_ignored() {
    let world = world(3);
    let good = value("http://10.0.0.2:80");
    let long = "a".repeat(4096);
    let bad = ["", "x", &good[..15], &format!("{good}0"), &good.to_uppercase(), &format!("\"{good}\""), &long];
    for bad in bad.into_iter().chain(["%65", "http://10.0.0.2:80/", "é", "0000000000000000", "a=b"]) {
        let (_, verdict, set_cookie) = picked(&world, &cookie(&format!("_d1570={bad}")));
        assert_eq!((verdict, set_cookie), (Verdict::Invalid, true), "{bad}");
    }
    // A cookie of another service is none of this one's.
    assert_eq!(picked(&world, &cookie(&format!("_633ff={good}"))).1, Verdict::New);
    let another = value("http://10.9.9.9:80");
    assert_eq!(picked(&world, &cookie(&format!("_d1570={another}"))).1, Verdict::Invalid);
}

#[test]
fn the_cookie_is_found_wherever_it_stands() {
    let good = value("http://10.0.0.2:80");
    let found = |lines: &[&[u8]]| {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(COOKIE, HeaderValue::from_bytes(line).unwrap());
        }
        text::find((&headers).into(), b"_d1570").map(|value| String::from_utf8_lossy(value).into_owned())
    };
    let is = |lines: &[&[u8]]| found(lines) == Some(good.clone());
    let plain = format!("_d1570={good}");
    assert!(is(&[plain.as_bytes()]));
    assert!(is(&[format!("a=1; {plain}; b=2").as_bytes()]));
    assert!(is(&[format!("a=1;{plain};b").as_bytes()]));
    assert!(is(&[b"a=1", b"\xff\xfe=x; _d1570", format!("  {plain}  ").as_bytes()]));
    assert!(is(&[format!("{plain}; _d1570=second").as_bytes()]));
    assert_eq!(found(&[b"_d1570=first", plain.as_bytes()]), Some("first".into()));
    assert_eq!(found(&[format!("x_d1570={good}; _D1570={good}; d1570={good}").as_bytes()]), None);
    assert_eq!(found(&[b"", b";;;", b"=", b"_d1570"]), None);
    assert_eq!(found(&[b"_d1570="]), Some(String::new()));
    // The same as a whole parser finds.
    for line in [format!("a=b; {plain}"), format!("{plain};_d1570=2"), "q=\"x y\"; z".to_owned()] {
        let whole = cookie::Cookie::split_parse(line.clone()).filter_map(Result::ok).find(|c| c.name() == "_d1570");
        assert_eq!(found(&[line.as_bytes()]), whole.map(|c| c.value().to_owned()), "{line}");
    }
}

#[test]
fn a_client_moves_when_its_server_cannot_keep_it() {
    for (flags, expected) in [
        (flag::TERMINATING, Moved::Draining),
        (flag::TERMINATING | flag::DRAINING, Moved::Draining),
        (flag::TERMINATING | flag::PAUSED, Moved::Draining),
        (flag::GONE, Moved::Gone),
        (flag::GONE | flag::TERMINATING, Moved::Gone),
        (flag::PAUSED, Moved::Down),
        (flag::UNHEALTHY, Moved::Down),
        (flag::UNPROBED, Moved::Down),
        (flag::UNREACHABLE, Moved::Down),
        (flag::UNHEALTHY | flag::DRAINING, Moved::Down),
    ] {
        let world = world(3);
        world.web().servers[1].state.set(flags);
        let (name, verdict, set_cookie) = picked(&world, &client(2));
        assert_ne!(name, "web-2", "{flags}");
        assert_eq!((verdict, set_cookie), (Verdict::Moved(expected), true), "{flags}");
    }
}

#[test]
fn a_draining_server_keeps_its_clients_and_gets_no_new_ones() {
    let world = world(2);
    world.web().servers[1].state.set(flag::DRAINING);
    assert_eq!(picked(&world, &client(2)), ("web-2".into(), Verdict::Hit, false));
    for _ in 0..4 {
        assert_eq!(picked(&world, &HeaderMap::new()).0, "web-1");
    }
}

#[test]
fn a_refused_client_moves_within_the_same_request() {
    let world = world(2);
    let mut tried = Tried::default();
    tried.insert(&world.web().servers[1]);
    let pick = world.web().pick(&client(2), &tried, Want::Ready);
    assert_eq!(pick, Pick::Server(Picked { index: 0, sticky: Verdict::Moved(Moved::Refused), set_cookie: true }));
    // By now the engine has said why: that says more.
    world.registry.notify("container-2", Notice::Terminating, world.now);
    let pick = world.web().pick(&client(2), &tried, Want::Ready);
    assert_eq!(pick, Pick::Server(Picked { index: 0, sticky: Verdict::Moved(Moved::Draining), set_cookie: true }));
}

#[test]
fn weight_is_for_new_clients_only() {
    let world = World::new(web(sticky(vec![server(1, 1), server(2, 0)], Options::default())));
    assert_eq!(picked(&world, &client(2)), ("web-2".into(), Verdict::Hit, false));
}

#[test]
fn no_server_and_no_cookie() {
    let world = world(1);
    world.web().servers[0].state.set(flag::PAUSED);
    for headers in [HeaderMap::new(), client(1)] {
        assert_eq!(world.web().pick(&headers, &Tried::default(), Want::LastResort), Pick::None(NoServer::Empty));
    }
}

#[test]
fn a_client_whose_terminating_server_is_all_there_is_has_not_moved() {
    let world = world(1);
    world.registry.notify("container-1", Notice::Terminating, world.now);
    let pick = world.web().pick(&client(1), &Tried::default(), Want::LastResort);
    assert_eq!(pick, Pick::Server(Picked { index: 0, sticky: Verdict::Hit, set_cookie: false }));
    assert_eq!(world.web().pick(&client(1), &Tried::default(), Want::Ready), Pick::None(NoServer::Empty));
}

#[test]
fn servers_that_left_are_remembered() {
    let mut world = world(3);
    let options = Options::default;
    world.apply(web(sticky(vec![server(1, 1)], options())));
    for n in [2, 3] {
        let (name, verdict, set_cookie) = picked(&world, &client(n));
        assert_eq!((&*name, verdict, set_cookie), ("web-1", Verdict::Moved(Moved::Gone), true));
    }
    assert_eq!(picked(&world, &client(4)).1, Verdict::Invalid);
    // Through further tables, and until it is back.
    world.apply(web(sticky(vec![server(1, 1), server(4, 1)], options())));
    assert_eq!(picked(&world, &client(2)).1, Verdict::Moved(Moved::Gone));
    world.apply(web(sticky(vec![], options())));
    world.apply(web(sticky(vec![server(1, 1)], options())));
    assert_eq!(picked(&world, &client(4)).1, Verdict::Moved(Moved::Gone));
}

#[test]
fn only_the_newest_departed_are_remembered() {
    let url = |n: u16| format!("http://10.0.0.1:{n}");
    let numbered = |n: u16| {
        let mut one = server(1, 1);
        one.identity.container = format!("container-{n}").into();
        one.url = url(n).into();
        one
    };
    let mut world = World::new(web(sticky((1..=1500).map(numbered).collect(), Options::default())));
    world.apply(web(sticky(vec![numbered(2000)], Options::default())));
    let verdict = |n| picked(&world, &cookie(&format!("_d1570={}", value(&url(n))))).1;
    assert_eq!(verdict(1500), Verdict::Moved(Moved::Gone));
    assert_eq!(verdict(1500 - 1023), Verdict::Moved(Moved::Gone));
    assert_eq!(verdict(1500 - 1024), Verdict::Invalid);
    assert_eq!(StickyCookie::MAX_DEPARTED, 1024);
}

/// Server `n`'s address, taken over by another container.
fn successor(n: u8) -> model::Server {
    let mut other = server(n, 1);
    other.identity.container = format!("another-{n}").into();
    other.name = "web-9".into();
    other
}

#[test]
fn another_container_at_the_same_address_is_said() {
    let mut world = world(2);
    world.apply(web(sticky(vec![server(1, 1), successor(2)], Options::default())));
    let replaced = || ("web-9".to_owned(), Verdict::Moved(Moved::Replaced), false);
    assert_eq!(picked(&world, &client(2)), replaced());
    world.apply(web(sticky(vec![server(1, 1), successor(2)], Options::default())));
    assert_eq!(picked(&world, &client(2)), replaced(), "a table later it is still so");
    // From the first client that the newcomer is given, the same cookie can be its own.
    while picked(&world, &HeaderMap::new()).0 != "web-9" {}
    assert_eq!(picked(&world, &client(2)), ("web-9".into(), Verdict::Hit, false));
}

#[test]
fn the_predecessor_may_still_be_listed_beside_its_successor() {
    let mut world = world(2);
    world.registry.notify("container-2", Notice::Ended, world.now);
    let mut old = server(2, 1);
    old.condition.running = false;
    world.apply(web(sticky(vec![server(1, 1), old, successor(2)], Options::default())));
    assert_eq!(picked(&world, &client(2)).0, "web-9");
    assert_eq!(picked(&world, &client(2)).1, Verdict::Moved(Moved::Replaced));
}

#[test]
fn a_service_without_stickiness_says_nothing() {
    let world = World::new(web(service(vec![server(1, 1)])));
    assert_eq!(picked(&world, &client(1)), ("web-1".into(), Verdict::None, false));
}

#[test]
fn words_for_logs() {
    use Verdict::{Expired, Hit, Invalid, Moved as M, New};
    let words: Vec<_> = [Verdict::None, New, Hit, M(Moved::Gone), Expired, Invalid].map(Verdict::as_str).into();
    assert_eq!(words, ["none", "new", "hit", "moved", "expired", "invalid"]);
    let reasons = [Moved::Draining, Moved::Down, Moved::Gone, Moved::Refused, Moved::Replaced];
    let reasons: Vec<_> = reasons.into_iter().filter_map(|why| M(why).reason()).collect();
    assert_eq!(reasons, ["draining", "down", "gone", "refused", "replaced"]);
    assert_eq!(Hit.reason(), None);
}

/// The same, step by step: pairs between `;`, each cut at its first `=`, blanks around both halves.
fn find_by_steps<'h>(header: &'h [u8], name: &[u8]) -> Option<&'h [u8]> {
    header.split(|byte| *byte == b';').find_map(|pair| {
        let at = pair.iter().position(|byte| *byte == b'=')?;
        (pair[..at].trim_ascii() == name).then(|| pair[at + 1..].trim_ascii())
    })
}

proptest::proptest! {
    #[test]
    fn a_cookie_is_found_wherever_it_stands(text in "[nN=; \tx]{0,24}") {
        let headers = cookie(&text);
        proptest::prop_assert_eq!(text::find((&headers).into(), b"n"), find_by_steps(text.as_bytes(), b"n"), "{:?}", text);
        proptest::prop_assert_eq!(text::find((&headers).into(), b"nx"), find_by_steps(text.as_bytes(), b"nx"), "{:?}", text);
    }
}
