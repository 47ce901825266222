//! `basicAuth`: lets in who knows a name and its password.
//!
//! Hashes are slow by intention, so they are checked where they keep nobody waiting, and what was right once is known
//! again by a fast hash with a salt of its own. Who asks under a name that does not exist waits as long as everybody.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderValue, StatusCode, header};
use seaway_config::{Files, model};
use seaway_head::RequestHead;
use sha2::{Digest, Sha256};

use crate::password::PasswordHash;
use crate::protocol::{Check, Context, Got, Need, Verdict};
use crate::users::{self, Admission};
use crate::{Answer, Flow};

/// Passwords that were right are remembered in so many sets, so that workers seldom wait for one another.
const SHARDS: usize = 16;
/// Most passwords that one of the sets remembers.
const MAX_KNOWN: usize = 256;

/// Lets in who knows a name and its password.
#[derive(Clone, Debug)]
pub struct BasicAuth {
    users: Arc<HashMap<Box<str>, PasswordHash>>,
    /// The hash that takes longest: every check takes as long as that one.
    dearest: Arc<PasswordHash>,
    known: Arc<Known>,
    challenge: HeaderValue,
    admission: Admission,
}

/// A name and its password that were right, as a hash that is good for nothing else.
type Proof = [u8; 32];

struct Known {
    salt: [u8; 32],
    shards: [Mutex<Proofs>; SHARDS],
}

#[derive(Default)]
struct Proofs {
    all: HashSet<Proof>,
    /// The oldest first.
    order: VecDeque<Proof>,
}

/// What a client sent.
#[derive(Debug, PartialEq, Eq)]
struct Credentials {
    name: String,
    password: Vec<u8>,
}

/// What a check was about.
struct Pending {
    name: String,
    proof: Proof,
}

impl BasicAuth {
    pub(crate) fn compile(options: &model::BasicAuth, files: &Files) -> Result<Self, String> {
        let users = users::read("basicAuth", &options.users, &options.users_file, files, |entry| {
            let (name, hash) = entry.split_once(':').ok_or("it is not name:hash")?;
            if name.is_empty() {
                return Err("it has no name before the colon");
            }
            Ok((name.into(), PasswordHash::parse(hash)?))
        })?;
        let dearest = users.values().max_by_key(|hash| hash.effort()).cloned().ok_or("basicAuth has no user")?;
        let realm = users::quoted("basicAuth", users::realm(&options.realm))?;
        let challenge = HeaderValue::from_bytes(format!("Basic realm=\"{realm}\"").as_bytes())
            .map_err(|_| "basicAuth.realm does not fit into a header".to_owned())?;
        Ok(Self {
            users: Arc::new(users),
            dearest: Arc::new(dearest),
            known: Arc::default(),
            challenge,
            admission: Admission::compile("basicAuth", options.remove_header, &options.header_field)?,
        })
    }

    pub(crate) fn on_request(&self, head: &mut RequestHead, cx: &mut Context<'_>) -> Flow {
        let Some(credentials) = Credentials::of(head) else { return self.refuse() };
        *cx.user = Some(users::for_log(&credentials.name));
        let proof = self.known.proof(&credentials);
        if self.known.has(&proof) {
            self.admission.admit(head, &credentials.name);
            return Flow::Next;
        }
        let Credentials { name, password } = credentials;
        cx.memory.put(Pending { name: name.clone(), proof });
        let (users, dearest) = (Arc::clone(&self.users), Arc::clone(&self.dearest));
        let check = move || Verdict { granted: verify(&users, &dearest, &name, &password), user: None };
        Flow::need(Need::Check(Check(Box::new(check))))
    }

    pub(crate) fn resume(&self, head: &mut RequestHead, cx: &mut Context<'_>, got: &Got) -> Flow {
        let pending = cx.memory.take::<Pending>();
        match (got, pending) {
            (Got::Checked(Verdict { granted: true, .. }), Some(Pending { name, proof })) => {
                self.known.add(proof);
                self.admission.admit(head, &name);
                Flow::Next
            }
            _ => self.refuse(),
        }
    }

    fn refuse(&self) -> Flow {
        let mut answer = Answer::text(StatusCode::UNAUTHORIZED, "basicAuth");
        answer.headers.insert(header::WWW_AUTHENTICATE, self.challenge.clone());
        answer.body = "401 Unauthorized\n".into();
        Flow::answer(answer)
    }
}

/// Takes as long for a name that does not exist, and for one whose own hash is cheap.
fn verify(users: &HashMap<Box<str>, PasswordHash>, dearest: &PasswordHash, name: &str, password: &[u8]) -> bool {
    let known = users.get(name);
    let is_right = known.is_some_and(|hash| hash.verify(password));
    if known.is_none_or(|hash| hash.effort() < dearest.effort()) {
        // What comes of it means nothing; that it is done is all.
        std::hint::black_box(dearest.verify(password));
    }
    is_right
}

impl Credentials {
    fn of(head: &RequestHead) -> Option<Self> {
        let mut lines = head.headers.get_all(header::AUTHORIZATION).iter();
        let (line, None) = (lines.next()?.as_bytes(), lines.next()) else { return None };
        let (scheme, encoded) = line.split_at_checked(6)?;
        if !scheme.eq_ignore_ascii_case(b"Basic ") {
            return None;
        }
        let mut name = STANDARD.decode(encoded.trim_ascii()).ok()?;
        let colon = name.iter().position(|byte| *byte == b':')?;
        let password = name.split_off(colon + 1);
        name.pop();
        Some(Self { name: String::from_utf8(name).ok()?, password })
    }
}

impl Known {
    fn proof(&self, credentials: &Credentials) -> Proof {
        let name = credentials.name.as_bytes();
        let hash = Sha256::new().chain_update(self.salt).chain_update(name.len().to_le_bytes()).chain_update(name);
        hash.chain_update(&credentials.password).finalize().into()
    }

    fn has(&self, proof: &Proof) -> bool {
        self.shard(proof).all.contains(proof)
    }

    fn add(&self, proof: Proof) {
        let mut shard = self.shard(&proof);
        if !shard.all.insert(proof) {
            return;
        }
        shard.order.push_back(proof);
        if shard.order.len() > MAX_KNOWN
            && let Some(oldest) = shard.order.pop_front()
        {
            shard.all.remove(&oldest);
        }
    }

    fn shard(&self, proof: &Proof) -> MutexGuard<'_, Proofs> {
        let at = usize::from(proof[0]) % SHARDS;
        #[expect(clippy::indexing_slicing, reason = "the remainder of their number")]
        self.shards[at].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Known {
    fn default() -> Self {
        Self { salt: users::salt(), shards: Default::default() }
    }
}

impl std::fmt::Debug for Known {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Known")
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use seaway_config::Secret;

    use super::*;
    use crate::testing::{Desk, get, values};

    const SHA: &str = "sha:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=";
    const MD5: &str = "md5:$1$abcdefgh$cHJi5PXp/ki/ktXzqlk6I1";
    const APR: &str = "apr:$apr1$Xy./12$fPIrtl7KlE/xSeGwcFJAE1";
    const BCRYPT: &str = "bcrypt:$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW";

    fn options(users: &[&str]) -> model::BasicAuth {
        model::BasicAuth { users: users.iter().map(|user| Secret::new(user)).collect(), ..Default::default() }
    }

    fn compile(options: &model::BasicAuth) -> Result<BasicAuth, String> {
        BasicAuth::compile(options, &Files::default())
    }

    fn asking(line: &str) -> RequestHead {
        let mut head = get("/");
        if !line.is_empty() {
            head.headers.insert(header::AUTHORIZATION, HeaderValue::from_bytes(line.as_bytes()).unwrap());
        }
        head
    }

    fn basic(credentials: &str) -> String {
        format!("Basic {}", STANDARD.encode(credentials))
    }

    /// Lets every hook do what it needs. True for a request that is let in, and whether a hash had to be checked.
    fn run(auth: &BasicAuth, head: &mut RequestHead, desk: &mut Desk) -> (bool, bool) {
        let mut checked = false;
        let mut flow = auth.on_request(head, &mut desk.cx());
        if let Flow::Need(need) = flow {
            let Need::Check(Check(job)) = *need else { panic!("{need:?}") };
            checked = true;
            flow = auth.resume(head, &mut desk.cx(), &Got::Checked(job()));
        }
        match flow {
            Flow::Next => (true, checked),
            Flow::Answer(answer) => {
                assert_eq!((answer.status.as_u16(), &*answer.body), (401, &b"401 Unauthorized\n"[..]));
                assert_eq!(values(&answer.headers, "www-authenticate"), ["Basic realm=\"traefik\""]);
                (false, checked)
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn names_and_passwords_in_every_kind_of_hash() {
        let auth = compile(&options(&[SHA, MD5, APR, BCRYPT])).unwrap();
        for (credentials, want) in [
            ("sha:secret", true),
            ("md5:secret", true),
            ("apr:secret", true),
            ("bcrypt:secret", true),
            ("sha:Secret", false),
            ("md5:", false),
            ("apr:secret ", false),
            ("bcrypt:wrong", false),
            ("nobody:secret", false),
            (":secret", false),
            ("SHA:secret", false),
            ("", false),
            ("sha", false),
        ] {
            let mut desk = Desk::default();
            let (is_in, _) = run(&auth, &mut asking(&basic(credentials)), &mut desk);
            assert_eq!(is_in, want, "{credentials}");
        }
    }

    #[test]
    fn what_is_no_answer_to_the_challenge_is_refused_without_any_work() {
        let auth = compile(&options(&[BCRYPT])).unwrap();
        let right = basic("bcrypt:secret");
        for line in [
            "",
            "Basic",
            "Basic ",
            "Basic !!!",
            "Bearer YmNyeXB0OnNlY3JldA==",
            "Basic YmNyeXB0OnNlY3JldA",
            "Digest username=\"bcrypt\"",
            &right[..right.len() - 1],
            &right.replace(' ', "\t"),
        ] {
            assert_eq!(run(&auth, &mut asking(line), &mut Desk::default()), (false, false), "{line:?}");
        }
        let not_text = format!("Basic {}", STANDARD.encode(b"\xff\xfe:secret"));
        assert_eq!(run(&auth, &mut asking(&not_text), &mut Desk::default()), (false, false));
        let mut twice = asking(&right);
        twice.headers.append(header::AUTHORIZATION, HeaderValue::from_str(&right).unwrap());
        assert_eq!(
            run(&auth, &mut twice, &mut Desk::default()),
            (false, false),
            "which of them would the server read?"
        );
        let huge = basic(&format!("bcrypt:{}", "x".repeat(8192)));
        assert_eq!(run(&auth, &mut asking(&huge), &mut Desk::default()), (false, true));
        let other_case = right.replacen("Basic", "bAsIc", 1);
        assert_eq!(run(&auth, &mut asking(&other_case), &mut Desk::default()), (true, true));
        let colons = compile(&options(&["a:{SHA}Y6o/EHu8EBkuXeDx5QD/MZkVpwE="])).unwrap();
        let _ = run(&colons, &mut asking(&basic("a:b:c")), &mut Desk::default());
    }

    #[test]
    fn what_was_right_is_known_again_and_what_was_wrong_is_checked_again() {
        let auth = compile(&options(&[BCRYPT])).unwrap();
        let ask = |credentials: &str| run(&auth, &mut asking(&basic(credentials)), &mut Desk::default());
        assert_eq!(ask("bcrypt:secret"), (true, true));
        assert_eq!(ask("bcrypt:secret"), (true, false));
        assert_eq!(ask("bcrypt:secrets"), (false, true));
        assert_eq!(ask("bcrypt:secrets"), (false, true));
        assert_eq!(ask("bcryp:tsecret"), (false, true));
        let other = compile(&options(&[BCRYPT])).unwrap();
        assert_eq!(run(&other, &mut asking(&basic("bcrypt:secret")), &mut Desk::default()), (true, true));
    }

    #[test]
    fn no_more_is_remembered_than_there_is_room_for() {
        let known = Known::default();
        let proof = |n: usize| known.proof(&Credentials { name: n.to_string(), password: Vec::new() });
        for n in 0..SHARDS * MAX_KNOWN * 2 {
            known.add(proof(n));
            known.add(proof(n));
        }
        let sizes = known.shards.iter().map(|s| s.lock().unwrap()).map(|s| (s.all.len(), s.order.len()));
        assert!(sizes.into_iter().all(|(all, order)| all == order && all <= MAX_KNOWN));
        assert!(known.has(&proof(SHARDS * MAX_KNOWN * 2 - 1)) && !known.has(&proof(0)));
        let pair = |name: &str, password: &str| {
            known.proof(&Credentials { name: name.to_owned(), password: password.as_bytes().to_vec() })
        };
        assert_ne!(pair("ab", "c"), pair("a", "bc"));
    }

    #[test]
    fn every_check_does_the_dearest_work() {
        // A hash that counts how often it is asked would be another implementation; the choice is what can be wrong.
        let auth = compile(&options(&[SHA, BCRYPT, MD5])).unwrap();
        assert_eq!(auth.dearest.effort(), PasswordHash::parse(&BCRYPT[7..]).unwrap().effort());
    }

    #[test]
    fn the_server_and_the_log_are_told() {
        let auth = compile(&model::BasicAuth {
            remove_header: true,
            header_field: "X-WebAuth-User".to_owned(),
            ..options(&[SHA])
        })
        .unwrap();
        for _ in ["checked", "known again"] {
            let mut desk = Desk::default();
            let mut head = asking(&basic("sha:secret"));
            head.headers.insert("x-webauth-user", HeaderValue::from_static("admin"));
            assert!(run(&auth, &mut head, &mut desk).0);
            assert_eq!(values(&head.headers, "x-webauth-user"), ["sha"]);
            assert!(!head.headers.contains_key(header::AUTHORIZATION));
            assert_eq!(desk.user.as_deref(), Some("sha"));
        }
        let mut desk = Desk::default();
        assert!(!run(&auth, &mut asking(&basic("eve:x")), &mut desk).0);
        assert_eq!(desk.user.as_deref(), Some("eve"), "who tried is told as well");
    }

    #[test]
    fn only_a_check_that_was_asked_for_lets_in() {
        let auth = compile(&options(&[SHA])).unwrap();
        let granted = Got::Checked(Verdict { granted: true, user: None });
        let mut desk = Desk::default();
        assert!(matches!(auth.resume(&mut asking(""), &mut desk.cx(), &granted), Flow::Answer(_)));
        let mut head = asking(&basic("sha:wrong"));
        let Flow::Need(_) = auth.on_request(&mut head, &mut desk.cx()) else { panic!("no check") };
        assert!(matches!(auth.resume(&mut head, &mut desk.cx(), &Got::Waited), Flow::Answer(_)));
    }

    #[test]
    fn options_that_cannot_work_do_not_compile() {
        for (options, want) in [
            (options(&[]), "basicAuth has no user"),
            (options(&["test"]), "basicAuth.users, number 1: it is not name:hash"),
            (options(&[SHA, "test:test"]), "basicAuth.users, number 2: its hash is none that is known"),
            (options(&[":{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ="]), "basicAuth.users, number 1: it has no name"),
            (model::BasicAuth { users_file: "/gone".to_owned(), ..options(&[SHA]) }, "basicAuth.usersFile /gone"),
            (model::BasicAuth { realm: "a\nb".to_owned(), ..options(&[SHA]) }, "basicAuth.realm"),
            (model::BasicAuth { header_field: "X User".to_owned(), ..options(&[SHA]) }, "basicAuth.headerField"),
        ] {
            let error = compile(&options).unwrap_err();
            assert!(error.starts_with(want), "{error}");
        }
        let realm = model::BasicAuth { realm: "my \"own\"".to_owned(), ..options(&[SHA]) };
        assert_eq!(compile(&realm).unwrap().challenge, "Basic realm=\"my \\\"own\\\"\"");
    }
}
