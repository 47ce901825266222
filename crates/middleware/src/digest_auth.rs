//! `digestAuth`: lets in who knows a name and its password, without the password going over the wire (RFC 7616, MD5).
//!
//! A nonce is a time and a hash of it that nobody else can make, so those that nobody answers cost no memory. What is
//! remembered is which counts of a nonce were used, and only for those whose holder knew a password.

use std::collections::{HashMap, VecDeque};
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::uri::PathAndQuery;
use http::{HeaderValue, StatusCode, header};
use md5::{Digest, Md5};
use seaway_config::{Files, model};
use seaway_head::{RequestHead, Target};
use sha2::Sha256;
use subtle::ConstantTimeEq;

use crate::protocol::{Check, Context, Got, Need, Verdict};
use crate::users::{self, Admission};
use crate::{Answer, Flow};

/// For so long a nonce is good.
const LIFETIME: Duration = Duration::from_secs(300);
/// Most nonces whose counts are remembered.
const MAX_NONCES: usize = 4096;
/// Counts that may still come after a higher one, because requests overtake one another.
const WINDOW: u32 = 64;

/// Lets in who knows a name and its password.
#[derive(Clone, Debug)]
pub struct DigestAuth {
    /// By name: the hash of name, realm and password, as hexadecimal digits.
    users: Arc<HashMap<Box<str>, Ha1>>,
    nonces: Arc<Nonces>,
    realm: Box<str>,
    /// Up to the nonce.
    challenge: Box<str>,
    admission: Admission,
}

type Ha1 = [u8; 32];

/// What a client sent.
#[derive(Debug, Default, PartialEq, Eq)]
struct Response {
    username: String,
    realm: String,
    nonce: String,
    uri: String,
    response: String,
    opaque: String,
    algorithm: String,
    qop: String,
    nc: String,
    cnonce: String,
}

/// What a check was about.
struct Pending {
    name: String,
    nonce: String,
    count: u32,
}

struct Nonces {
    salt: [u8; 32],
    opaque: String,
    last: AtomicU64,
    used: Mutex<Used>,
}

#[derive(Default)]
struct Used {
    counts: HashMap<u64, Counts>,
    /// By age.
    order: VecDeque<u64>,
    /// Those made up to here are not remembered any more, so they are as good as old.
    forgotten: Option<u64>,
}

/// The highest count that was used, and which of those right below it were.
#[derive(Clone, Copy, Default)]
struct Counts {
    highest: u32,
    below: u64,
}

impl DigestAuth {
    pub(crate) fn compile(options: &model::DigestAuth, files: &Files) -> Result<Self, String> {
        let realm = users::realm(&options.realm);
        let mut elsewhere = 0;
        let all = users::read("digestAuth", &options.users, &options.users_file, files, |entry| {
            let mut parts = entry.split(':');
            let (Some(name), Some(of), Some(hash), None) = (parts.next(), parts.next(), parts.next(), parts.next())
            else {
                return Err("it is not name:realm:hash");
            };
            if name.is_empty() {
                return Err("it has no name before the first colon");
            }
            let hash = hash.to_ascii_lowercase();
            let digits: Option<Ha1> = hash.as_bytes().try_into().ok();
            let digits = digits.filter(|digits| digits.iter().all(u8::is_ascii_hexdigit));
            let hash = digits.ok_or("its hash is not 32 hexadecimal digits, as htdigest writes them")?;
            let is_here = of == realm;
            elsewhere += usize::from(!is_here);
            // Those of other realms must not displace those of this one.
            let key = if is_here { name.to_owned() } else { format!("{name}:{of}") };
            Ok((key.into(), (is_here, hash)))
        })?;
        let users: HashMap<Box<str>, Ha1> =
            all.into_iter().filter(|(_, (is_here, _))| *is_here).map(|(name, (_, hash))| (name, hash)).collect();
        if users.is_empty() {
            return Err(format!(
                "digestAuth.realm is {realm:?}, and all {elsewhere} users belong to another realm, so nobody would get in"
            ));
        }
        let nonces = Nonces::default();
        let challenge = format!(
            "Digest realm=\"{}\", qop=\"auth\", algorithm=MD5, opaque=\"{}\", nonce=\"",
            users::quoted("digestAuth", realm)?,
            nonces.opaque
        );
        HeaderValue::from_bytes(challenge.as_bytes())
            .map_err(|_| "digestAuth.realm does not fit into a header".to_owned())?;
        Ok(Self {
            users: Arc::new(users),
            nonces: Arc::new(nonces),
            realm: realm.into(),
            challenge: challenge.into(),
            admission: Admission::compile("digestAuth", options.remove_header, &options.header_field)?,
        })
    }

    pub(crate) fn on_request(&self, head: &RequestHead, cx: &mut Context<'_>) -> Flow {
        let Some(response) = Response::of(head) else { return self.challenge(cx.now, false) };
        *cx.user = Some(users::for_log(&response.username));
        let count = u32::from_str_radix(&response.nc, 16).unwrap_or(0);
        let is_for_this = response.realm == *self.realm
            && response.opaque == self.nonces.opaque
            && (response.algorithm.is_empty() || response.algorithm.eq_ignore_ascii_case("MD5"))
            && response.qop == "auth"
            && response.nc.len() == 8
            && count > 0
            && !response.cnonce.is_empty()
            && response.is_about(head, cx.asked.target);
        if !is_for_this {
            return self.challenge(cx.now, false);
        }
        cx.memory.put(Pending { name: response.username.clone(), nonce: response.nonce.clone(), count });
        let (users, method) = (Arc::clone(&self.users), cx.asked.method.clone());
        let check = move || Verdict { granted: response.is_right(&users, method.as_str()), user: None };
        Flow::need(Need::Check(Check(Box::new(check))))
    }

    pub(crate) fn resume(&self, head: &mut RequestHead, cx: &mut Context<'_>, got: &Got) -> Flow {
        let pending = cx.memory.take::<Pending>();
        let (Got::Checked(Verdict { granted: true, .. }), Some(pending)) = (got, pending) else {
            return self.challenge(cx.now, false);
        };
        // Who answered rightly may answer again, to a nonce that is still good.
        if !self.nonces.take(&pending.nonce, pending.count, cx.now) {
            return self.challenge(cx.now, true);
        }
        self.admission.admit(head, &pending.name);
        Flow::Next
    }

    fn challenge(&self, now: Duration, stale: bool) -> Flow {
        let mut answer = Answer::text(StatusCode::UNAUTHORIZED, "digestAuth");
        let stale = if stale { ", stale=true" } else { "" };
        let challenge = format!("{}{}\"{stale}", self.challenge, self.nonces.issue(now));
        if let Ok(challenge) = HeaderValue::from_bytes(challenge.as_bytes()) {
            answer.headers.insert(header::WWW_AUTHENTICATE, challenge);
        }
        answer.body = "401 Unauthorized\n".into();
        Flow::answer(answer)
    }
}

impl Response {
    fn of(head: &RequestHead) -> Option<Self> {
        let mut lines = head.headers.get_all(header::AUTHORIZATION).iter();
        let (line, None) = (lines.next()?.to_str().ok()?, lines.next()) else { return None };
        let (scheme, mut rest) = line.split_at_checked(7)?;
        if !scheme.eq_ignore_ascii_case("Digest ") {
            return None;
        }
        let mut found = Self::default();
        let mut seen = Vec::new();
        loop {
            rest = rest.trim_start_matches([' ', '\t', ',']);
            if rest.is_empty() {
                return Some(found);
            }
            let (name, after) = rest.split_once('=')?;
            let name = name.trim_end().to_ascii_lowercase();
            let value;
            (value, rest) = parameter(after.trim_start())?;
            let place = match name.as_str() {
                "username" => &mut found.username,
                "realm" => &mut found.realm,
                "nonce" => &mut found.nonce,
                "uri" => &mut found.uri,
                "response" => &mut found.response,
                "opaque" => &mut found.opaque,
                "algorithm" => &mut found.algorithm,
                "qop" => &mut found.qop,
                "nc" => &mut found.nc,
                "cnonce" => &mut found.cnonce,
                _ => continue,
            };
            *place = value;
            // Said twice, it could be read in two ways.
            if seen.contains(&name) {
                return None;
            }
            seen.push(name);
        }
    }

    /// It was made for what is asked, as the client wrote it or as it is read here.
    fn is_about(&self, head: &RequestHead, asked: Option<&PathAndQuery>) -> bool {
        let written = match self.uri.split_once("://") {
            Some((_, rest)) if !self.uri.starts_with('/') => {
                rest.find('/').and_then(|at| rest.get(at..)).unwrap_or("/")
            }
            _ => self.uri.as_str(),
        };
        let same = |target: &PathAndQuery| target.as_str() == written;
        let Ok(written_target) = written.parse::<PathAndQuery>() else { return false };
        let canonical = |target: &PathAndQuery| Target::canonical(target).ok();
        match asked {
            Some(asked) => same(asked) || canonical(&written_target).is_some_and(|it| Some(it) == canonical(asked)),
            None => canonical(&written_target).is_some_and(|it| it == head.target),
        }
    }

    /// The client knows the password of the name. As much is done for a name that does not exist.
    fn is_right(&self, users: &HashMap<Box<str>, Ha1>, method: &str) -> bool {
        let known = users.get(self.username.as_str());
        let ha1 = known.copied().unwrap_or([b'0'; 32]);
        let ha2 = hex(&[method.as_bytes(), b":", self.uri.as_bytes()]);
        let parts = [&ha1[..], self.nonce.as_bytes(), self.nc.as_bytes(), self.cnonce.as_bytes(), b"auth", &ha2[..]];
        let right = hex(&[&parts.join(&b':')]);
        bool::from(right.as_slice().ct_eq(self.response.as_bytes())) && known.is_some()
    }
}

/// A value with or without quotes, and what follows it.
fn parameter(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([',', ' ', '\t']).unwrap_or(text.len());
        let (value, rest) = text.split_at(end);
        return Some((value.to_owned(), rest));
    };
    let mut value = String::new();
    let mut chars = quoted.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Some((value, quoted.get(at + 1..)?)),
            '\\' => value.push(chars.next()?.1),
            c => value.push(c),
        }
    }
    None
}

fn hex(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Md5::new();
    for part in parts {
        hash.update(part);
    }
    let mut digits = [0; 32];
    for (pair, byte) in digits.chunks_mut(2).zip(hash.finalize()) {
        pair.copy_from_slice(&[crate::rewrite::hex(byte >> 4), crate::rewrite::hex(byte & 15)]);
    }
    digits.make_ascii_lowercase();
    digits
}

impl Nonces {
    /// A nonce of now, never the same twice: where the clock stands still, it is counted on.
    fn issue(&self, now: Duration) -> String {
        let now = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
        let next = |last: u64| now.max(last.saturating_add(1));
        let last = self.last.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| Some(next(last)));
        self.signed(next(last.unwrap_or_else(|last| last)))
    }

    fn signed(&self, made: u64) -> String {
        let seal = Sha256::new().chain_update(self.salt).chain_update(made.to_le_bytes()).finalize();
        let mut text = format!("{made:016x}");
        for byte in seal.iter().take(16) {
            // Writing to a string cannot fail.
            let _done = write!(text, "{byte:02x}");
        }
        text
    }

    /// Uses one count of a nonce. False if the nonce is old or not ours, or the count was used.
    fn take(&self, nonce: &str, count: u32, now: Duration) -> bool {
        let Some(made) = nonce.get(..16).and_then(|digits| u64::from_str_radix(digits, 16).ok()) else { return false };
        let is_ours = bool::from(self.signed(made).as_bytes().ct_eq(nonce.as_bytes()));
        if !is_ours || now.saturating_sub(Duration::from_nanos(made)) > LIFETIME {
            return false;
        }
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        used.take(made, count, now)
    }
}

impl Used {
    fn take(&mut self, made: u64, count: u32, now: Duration) -> bool {
        if let Some(counts) = self.counts.get_mut(&made) {
            return counts.take(count);
        }
        if self.forgotten.is_some_and(|until| made <= until) {
            return false;
        }
        while let Some(oldest) = self.order.front().copied() {
            let is_over = now.saturating_sub(Duration::from_nanos(oldest)) > LIFETIME;
            if !is_over && self.order.len() < MAX_NONCES {
                break;
            }
            self.order.pop_front();
            self.counts.remove(&oldest);
            self.forgotten = self.forgotten.max(Some(oldest));
        }
        if self.forgotten.is_some_and(|until| made <= until) {
            return false;
        }
        let mut counts = Counts::default();
        let is_new = counts.take(count);
        self.counts.insert(made, counts);
        let place = self.order.partition_point(|other| *other < made);
        self.order.insert(place, made);
        is_new
    }
}

impl Counts {
    fn take(&mut self, count: u32) -> bool {
        if count > self.highest {
            let step = count - self.highest;
            let moved = if step > WINDOW - 1 { 0 } else { self.below << step };
            // The one that was highest is now below.
            let before = if self.highest > 0 && step <= WINDOW { 1u64 << (step - 1) } else { 0 };
            (self.highest, self.below) = (count, moved | before);
            return count > 0;
        }
        let back = self.highest - count;
        if count == 0 || back == 0 || back > WINDOW {
            return false;
        }
        let bit = 1u64 << (back - 1);
        let is_new = self.below & bit == 0;
        self.below |= bit;
        is_new
    }
}

impl Default for Nonces {
    fn default() -> Self {
        let mut opaque = String::new();
        for byte in users::salt().iter().take(16) {
            let _done = write!(opaque, "{byte:02x}");
        }
        Self { salt: users::salt(), opaque, last: AtomicU64::new(0), used: Mutex::default() }
    }
}

impl std::fmt::Debug for Nonces {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Nonces")
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
