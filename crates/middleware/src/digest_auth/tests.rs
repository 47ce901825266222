use std::collections::HashSet;

use seaway_config::Secret;

use super::*;
use crate::testing::{Desk, get, values};

/// `bilbo:traefik:baggins`.
const BILBO: &str = "bilbo:traefik:d63daa5fe0a90d38a38fae99f8a2c8da";
const NOW: Duration = Duration::from_secs(1000);

fn ha1(name: &str, realm: &str, password: &str) -> String {
    String::from_utf8(hex(&[format!("{name}:{realm}:{password}").as_bytes()]).to_vec()).unwrap()
}

fn user(name: &str, realm: &str, password: &str) -> String {
    format!("{name}:{realm}:{}", ha1(name, realm, password))
}

fn options(users: &[&str]) -> model::DigestAuth {
    model::DigestAuth { users: users.iter().map(|user| Secret::new(user)).collect(), ..Default::default() }
}

fn auth() -> DigestAuth {
    DigestAuth::compile(&options(&[&user("bilbo", "traefik", "baggins")]), &Files::default()).unwrap()
}

/// What became of a request: let in, refused, or refused because of the nonce alone.
#[derive(Debug, PartialEq)]
enum End {
    In,
    Refused,
    Stale,
}

struct Client<'a> {
    auth: &'a DigestAuth,
    now: Duration,
    name: &'a str,
    password: &'a str,
    realm: &'a str,
    /// As the client asks for it.
    target: &'a str,
    /// As it says in its answer.
    uri: &'a str,
    method: http::Method,
    nc: &'a str,
    nonce: String,
    /// The last changes to the header.
    mend: fn(String) -> String,
}

impl<'a> Client<'a> {
    fn new(auth: &'a DigestAuth) -> Self {
        Self {
            auth,
            now: NOW,
            name: "bilbo",
            password: "baggins",
            realm: "traefik",
            target: "/a?b=c",
            uri: "/a?b=c",
            method: http::Method::GET,
            nc: "00000001",
            nonce: challenged(auth, NOW),
            mend: |line| line,
        }
    }

    fn line(&self) -> String {
        let ha2 = String::from_utf8(hex(&[format!("{}:{}", self.method, self.uri).as_bytes()]).to_vec()).unwrap();
        let ha1 = ha1(self.name, self.realm, self.password);
        let response = hex(&[format!("{ha1}:{}:{}:xyz:auth:{ha2}", self.nonce, self.nc).as_bytes()]);
        let response = String::from_utf8(response.to_vec()).unwrap();
        let (name, realm, nonce, uri, nc) = (self.name, self.realm, &self.nonce, self.uri, self.nc);
        let opaque = &self.auth.nonces.opaque;
        (self.mend)(format!(
            "Digest username=\"{name}\", realm=\"{realm}\", nonce=\"{nonce}\", uri=\"{uri}\", algorithm=MD5, \
             response=\"{response}\", qop=auth, nc={nc}, cnonce=\"xyz\", opaque=\"{opaque}\""
        ))
    }

    fn ask(&self) -> End {
        let mut head = get(self.target);
        head.headers.insert(header::AUTHORIZATION, HeaderValue::from_str(&self.line()).unwrap());
        let mut desk = Desk { now: self.now, ..Desk::default() };
        let asked: PathAndQuery = self.target.parse().unwrap();
        let mut cx = desk.cx();
        (cx.asked.method, cx.asked.target) = (&self.method, Some(&asked));
        let mut flow = self.auth.on_request(&head, &mut cx);
        if let Flow::Need(need) = flow {
            let Need::Check(Check(job)) = *need else { panic!("{need:?}") };
            flow = self.auth.resume(&mut head, &mut cx, &Got::Checked(job()));
        }
        match flow {
            Flow::Next => End::In,
            Flow::Answer(answer) => {
                assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
                let challenge = values(&answer.headers, "www-authenticate")[0];
                if challenge.ends_with(", stale=true") { End::Stale } else { End::Refused }
            }
            other => panic!("{other:?}"),
        }
    }
}

fn challenged(auth: &DigestAuth, now: Duration) -> String {
    let mut desk = Desk { now, ..Desk::default() };
    let Flow::Answer(answer) = auth.on_request(&get("/"), &mut desk.cx()) else { panic!("let in") };
    assert_eq!((answer.status.as_u16(), &*answer.body), (401, &b"401 Unauthorized\n"[..]));
    let challenge = values(&answer.headers, "www-authenticate")[0];
    let opaque = &auth.nonces.opaque;
    let lead = format!("Digest realm=\"traefik\", qop=\"auth\", algorithm=MD5, opaque=\"{opaque}\", nonce=\"");
    challenge.strip_prefix(&lead).unwrap().strip_suffix('"').unwrap().to_owned()
}

#[test]
fn hashes_that_other_programs_made() {
    let auth = DigestAuth::compile(&options(&[BILBO]), &Files::default());
    assert!(auth.is_ok());
    // RFC 2617 §3.5
    let response = Response {
        username: "Mufasa".to_owned(),
        nonce: "dcd98b7102dd2f0e8b11d0f600bfb0c093".to_owned(),
        uri: "/dir/index.html".to_owned(),
        response: "6629fae49393a05397450978507c4ef1".to_owned(),
        nc: "00000001".to_owned(),
        cnonce: "0a4f113b".to_owned(),
        ..Response::default()
    };
    let users = |password| {
        let hash: Ha1 = ha1("Mufasa", "testrealm@host.com", password).as_bytes().try_into().unwrap();
        HashMap::from([("Mufasa".into(), hash)])
    };
    assert!(response.is_right(&users("Circle Of Life"), "GET"));
    assert!(!response.is_right(&users("Circle Of Life"), "POST"));
    assert!(!response.is_right(&users("Hakuna Matata"), "GET"));
    assert!(!response.is_right(&HashMap::new(), "GET"));
}

#[test]
fn who_is_let_in() {
    let auth = auth();
    type Case<'a> = (&'a str, &'a dyn Fn(&mut Client<'_>), End);
    let cases: [Case<'_>; 25] = [
        ("right", &|_| {}, End::In),
        ("another password", &|c| c.password = "Baggins", End::Refused),
        ("nobody", &|c| c.name = "frodo", End::Refused),
        ("another realm", &|c| c.realm = "shire", End::Refused),
        ("another page", &|c| c.target = "/b", End::Refused),
        ("another query", &|c| c.target = "/a?b=d", End::Refused),
        ("the page as it is read", &|c| c.target = "/%61?b=c", End::In),
        ("the page as it is written", &|c| (c.target, c.uri) = ("/%61", "/%61"), End::In),
        ("with the server's name", &|c| c.uri = "http://app.example/a?b=c", End::In),
        ("with the server's name alone", &|c| (c.target, c.uri) = ("/", "http://app.example"), End::In),
        ("no page", &|c| c.uri = "", End::Refused),
        ("post", &|c| c.method = http::Method::POST, End::In),
        ("no count", &|c| c.nc = "00000000", End::Refused),
        ("a short count", &|c| c.nc = "1", End::Refused),
        ("no number", &|c| c.nc = "0000000g", End::Refused),
        ("a high count", &|c| c.nc = "0fffffff", End::In),
        ("a made-up nonce", &|c| c.nonce = "0".repeat(48), End::Stale),
        ("not even a nonce", &|c| c.nonce = "ä".to_owned(), End::Refused),
        ("an old nonce", &|c| c.now = NOW + LIFETIME + Duration::from_secs(1), End::Stale),
        ("another opaque", &|c| c.mend = |l| l.replace("opaque=\"", "opaque=\"0"), End::Refused),
        ("another qop", &|c| c.mend = |l| l.replace("qop=auth", "qop=auth-int"), End::Refused),
        ("no qop", &|c| c.mend = |l| l.replace("qop=auth, ", ""), End::Refused),
        ("SHA-256", &|c| c.mend = |l| l.replace("MD5", "SHA-256"), End::Refused),
        ("no algorithm", &|c| c.mend = |l| l.replace("algorithm=MD5, ", ""), End::In),
        ("in quotes", &|c| c.mend = |l| l.replace("qop=auth", "QOP = \"a\\uth\" ,"), End::In),
    ];
    for (what, change, want) in cases {
        let mut client = Client::new(&auth);
        change(&mut client);
        // A line that no header can have is no case for this middleware.
        if HeaderValue::from_str(&client.line()).is_err() {
            continue;
        }
        assert_eq!(client.ask(), want, "{what}");
    }
}

#[test]
fn an_answer_counts_once() {
    let auth = auth();
    let mut client = Client::new(&auth);
    for (nc, want) in [
        ("00000001", End::In),
        ("00000001", End::Stale),
        ("00000003", End::In),
        ("00000002", End::In),
        ("00000002", End::Stale),
        ("00000003", End::Stale),
        ("00000050", End::In),
        ("00000004", End::Stale),
        ("00000011", End::In),
        ("00000010", End::In),
        ("0000000f", End::Stale),
    ] {
        client.nc = nc;
        assert_eq!(client.ask(), want, "{nc}");
    }
    client.nonce = challenged(&auth, NOW);
    client.nc = "00000001";
    assert_eq!(client.ask(), End::In);
}

#[test]
fn headers_that_can_be_read_in_two_ways_are_refused() {
    let auth = auth();
    for mend in [
        (|line: String| format!("{line}, username=\"frodo\"")) as fn(String) -> String,
        |line| line.replace("Digest ", "Basic "),
        |line| line.replace("Digest ", ""),
        |line| line.trim_end_matches('"').to_owned(),
        |line| line.replace("nc=", "nc"),
        |_| "Digest".to_owned(),
        |_| "Digest ".to_owned(),
    ] {
        assert_eq!(Client { mend, ..Client::new(&auth) }.ask(), End::Refused, "{}", mend(String::new()));
    }
}

#[test]
fn what_is_remembered_is_bounded_and_nothing_counts_again_because_of_that() {
    let nonces = Nonces::default();
    let nonce = |n: u64| nonces.signed(NOW.as_nanos() as u64 + n);
    let now = NOW + Duration::from_secs(1);
    for n in 0..2 * MAX_NONCES as u64 {
        assert!(nonces.take(&nonce(n), 1, now), "{n}");
    }
    assert!(nonces.used.lock().unwrap().counts.len() <= MAX_NONCES);
    for n in 0..2 * MAX_NONCES as u64 {
        assert!(!nonces.take(&nonce(n), 1, now), "{n}");
    }
    assert!(nonces.take(&nonce(2 * MAX_NONCES as u64 - 1), 2, now), "the newest is still good");
    let later = now + LIFETIME * 2;
    assert!(nonces.take(&nonces.issue(later), 1, later));
    assert_eq!(nonces.used.lock().unwrap().order.len(), 1, "the old ones are gone");
}

#[test]
fn every_count_is_taken_once() {
    let mut counts = Counts::default();
    let mut taken = HashSet::new();
    let mut state = 7u32;
    for step in 0..2000u32 {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let count = (step / 8 + (state >> 16) % 90).max(1);
        let was_new = taken.insert(count);
        if counts.take(count) {
            assert!(was_new, "{count}");
        } else {
            assert!(!was_new || counts.highest - count > WINDOW, "{count} of {}", counts.highest);
        }
    }
    assert!(!Counts::default().take(0));
    let mut last = Counts::default();
    assert!(last.take(u32::MAX) && !last.take(u32::MAX) && last.take(u32::MAX - 1));
}

#[test]
fn options_that_cannot_work_do_not_compile() {
    let good = user("a", "traefik", "b");
    for (options, want) in [
        (options(&[]), "digestAuth has no user"),
        (options(&["a:b"]), "digestAuth.users, number 1: it is not name:realm:hash"),
        (options(&[&good, "a:b:c:d"]), "digestAuth.users, number 2: it is not name:realm:hash"),
        (options(&["a:traefik:hunter2"]), "digestAuth.users, number 1: its hash is not 32"),
        (options(&["a:traefik:zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz"]), "digestAuth.users, number 1: its hash is not 32"),
        (options(&[&format!(":traefik:{}", "0".repeat(32))]), "digestAuth.users, number 1: it has no name"),
        (options(&[&user("a", "other", "b")]), "digestAuth.realm is \"traefik\", and all 1 users belong to another"),
        (model::DigestAuth { realm: "a\nb".to_owned(), ..options(&[&good]) }, "digestAuth.realm"),
        (model::DigestAuth { header_field: "X User".to_owned(), ..options(&[&good]) }, "digestAuth.headerField"),
        (model::DigestAuth { users_file: "/gone".to_owned(), ..options(&[&good]) }, "digestAuth.usersFile /gone"),
    ] {
        let error = DigestAuth::compile(&options, &Files::default()).unwrap_err();
        assert!(error.starts_with(want) && !error.contains("hunter2"), "{error}");
    }
    let both = options(&[&user("a", "other", "b"), &good]);
    assert!(DigestAuth::compile(&both, &Files::default()).is_ok());
}
