//! Hashes of passwords, as htpasswd writes them. All of this is slow by intention: it runs where it keeps nobody waiting.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest, Md5};
use sha1::Sha1;
use subtle::ConstantTimeEq;

/// Dearest bcrypt that is accepted: what htpasswd makes at most. Each step more doubles the time that a check takes.
const MAX_BCRYPT_COST: u32 = 17;
/// Characters of a salt that MD5-crypt uses.
const MD5_SALT: usize = 8;

/// The hash of a password.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum PasswordHash {
    /// `$2a$`, `$2b$`, `$2x$`, `$2y$`.
    Bcrypt { text: Box<str>, cost: u32 },
    /// `{SHA}`.
    Sha1([u8; 20]),
    /// `$1$` and `$apr1$`.
    Md5 { magic: &'static str, salt: Box<str>, hash: Box<str> },
}

impl PasswordHash {
    /// Reads a hash. The error says what is wrong with it, without a word of it.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        if let Some(encoded) = text.strip_prefix("{SHA}") {
            let hash = STANDARD.decode(encoded).ok().and_then(|bytes| bytes.try_into().ok());
            return hash.map(Self::Sha1).ok_or("its {SHA} hash is damaged");
        }
        for magic in ["$apr1$", "$1$"] {
            if let Some(rest) = text.strip_prefix(magic) {
                let (salt, hash) = rest.split_once('$').ok_or("its MD5 hash is damaged")?;
                if hash.len() != 22 || !hash.bytes().all(|byte| ALPHABET.contains(&byte)) || !salt.is_ascii() {
                    return Err("its MD5 hash is damaged");
                }
                let salt = salt.get(..MD5_SALT).unwrap_or(salt).into();
                return Ok(Self::Md5 { magic, salt, hash: hash.into() });
            }
        }
        if ["$2a$", "$2b$", "$2x$", "$2y$"].iter().any(|magic| text.starts_with(magic)) {
            let parts: bcrypt::HashParts = text.parse().map_err(|_| "its bcrypt hash is damaged")?;
            let cost = parts.get_cost();
            return match (4..=MAX_BCRYPT_COST).contains(&cost) {
                true => Ok(Self::Bcrypt { text: text.into(), cost }),
                false => Err("its bcrypt hash has a cost that is not from 4 to 17"),
            };
        }
        Err("its hash is none that is known (bcrypt, apr1, MD5-crypt, {SHA}); in a compose file each $ of it is \
             written $$, and a password itself is never written here")
    }

    /// Whether the password is the one.
    pub(crate) fn verify(&self, password: &[u8]) -> bool {
        match self {
            // bcrypt ends a password with a zero and begins anew, so it takes some with zeros for others without.
            Self::Bcrypt { text, .. } => bcrypt::verify(password, text).unwrap_or(false) & !password.contains(&0),
            Self::Sha1(hash) => bool::from(Sha1::digest(password).as_slice().ct_eq(hash)),
            Self::Md5 { magic, salt, hash } => {
                bool::from(md5_crypt(magic, salt, password).as_slice().ct_eq(hash.as_bytes()))
            }
        }
    }

    /// Which of two is dearer to verify.
    pub(crate) fn effort(&self) -> u32 {
        match self {
            Self::Sha1(_) => 0,
            Self::Md5 { .. } => 1,
            Self::Bcrypt { cost, .. } => 2 + cost,
        }
    }
}

/// Hashes of passwords are not for the eyes of those who read logs.
impl std::fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Bcrypt { .. } => "bcrypt",
            Self::Sha1(_) => "sha1",
            Self::Md5 { .. } => "md5",
        })
    }
}

const ALPHABET: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// MD5-crypt, as the BSDs and Apache have it: 22 characters.
fn md5_crypt(magic: &str, salt: &str, password: &[u8]) -> Vec<u8> {
    let salt = salt.as_bytes();
    let inner = Md5::new().chain_update(password).chain_update(salt).chain_update(password).finalize();
    let mut outer = Md5::new().chain_update(password).chain_update(magic).chain_update(salt);
    for taken in password.chunks(16) {
        outer.update(inner.get(..taken.len()).unwrap_or(&inner));
    }
    let mut bits = password.len();
    while bits > 0 {
        // An oddity of the first implementation that all others have kept.
        outer.update(if bits & 1 == 1 { &[0][..] } else { password.get(..1).unwrap_or_default() });
        bits >>= 1;
    }
    let mut hash = outer.finalize();
    for round in 0..1000 {
        let mut next = Md5::new();
        let odd = round % 2 == 1;
        next.update(if odd { password } else { &hash[..] });
        if round % 3 != 0 {
            next.update(salt);
        }
        if round % 7 != 0 {
            next.update(password);
        }
        next.update(if odd { &hash[..] } else { password });
        hash = next.finalize();
    }
    let byte = |at: usize| u32::from(hash.get(at).copied().unwrap_or(0));
    let mut text = Vec::with_capacity(22);
    for (a, b, c) in [(0, 6, 12), (1, 7, 13), (2, 8, 14), (3, 9, 15), (4, 10, 5)] {
        push64(&mut text, byte(a) << 16 | byte(b) << 8 | byte(c), 4);
    }
    push64(&mut text, byte(11), 2);
    text
}

fn push64(text: &mut Vec<u8>, mut value: u32, digits: usize) {
    for _ in 0..digits {
        text.push(ALPHABET.get((value & 63) as usize).copied().unwrap_or(b'.'));
        value >>= 6;
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// Made by openssl passwd, openssl sha1 and the C library's crypt.
    const MADE_ELSEWHERE: &[(&str, &str)] = &[
        ("", "$1$abcdefgh$M55TzYaaccxVGbptZWaxX/"),
        ("", "$apr1$Xy./12$6ulW1npbyvGuSuQ2k.89Z."),
        ("", "{SHA}2jmj7l5rSw0yVb/vlWAYkK/YBwk="),
        ("", "$2b$04$abcdefghijklmnopqrstuubyCG3zY1GIXMyxfivm.ClDiInHzxjiq"),
        ("a", "$1$abcdefgh$jUYc1Xi7pkozuzWQ0Dft71"),
        ("a", "$apr1$Xy./12$JNZ.3UidauXXcG/F4O0a.0"),
        ("a", "{SHA}hvfkN/qlp/zhXR3cuerq6jd2Z7g="),
        ("secret", "$1$abcdefgh$cHJi5PXp/ki/ktXzqlk6I1"),
        ("secret", "$apr1$Xy./12$fPIrtl7KlE/xSeGwcFJAE1"),
        ("secret", "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ="),
        ("secret", "$2y$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a"),
        ("secret", "$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW"),
        ("secret", "$2a$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW"),
        ("a longer password than sixteen bytes", "$1$abcdefgh$pvuAZ.3YtMCYukXQdR4lv1"),
        ("a longer password than sixteen bytes", "$apr1$Xy./12$YS0Fo1y5wVvlL5lYsGz5D/"),
        ("a longer password than sixteen bytes", "{SHA}p1z3Om/8MVF2a1jeLdRPva0+GTY="),
        ("pässword", "$1$abcdefgh$6qENbeetgn0exf.OCTQaP0"),
        ("pässword", "$apr1$Xy./12$4LetTefix5bbTDOUpS.PS0"),
        ("pässword", "{SHA}I7dElEdfX4dJgLdnbVEeI9iG2mQ="),
    ];

    #[test]
    fn hashes_that_other_programs_made() {
        for (password, hash) in MADE_ELSEWHERE {
            let parsed = PasswordHash::parse(hash).unwrap();
            assert!(parsed.verify(password.as_bytes()), "{password:?} {hash}");
            for other in ["wrong", "Secret", "secret ", "\0", &"x".repeat(100)] {
                assert!(!parsed.verify(other.as_bytes()), "{other:?} {hash}");
            }
        }
    }

    #[test]
    fn what_is_no_hash_is_refused_without_being_repeated() {
        for text in [
            "",
            "hunter2",
            "apr1$Xy./12$JNZ.3UidauXXcG/F4O0a.0",
            "$apr1$Xy./12",
            "$apr1$Xy./12$short",
            "$apr1$Xy./12$JNZ.3UidauXXcG/F4O0a.!",
            "$apr1$säl$JNZ.3UidauXXcG/F4O0a.0",
            "$1$$",
            "{SHA}",
            "{SHA}hunter2",
            "{SHA}aHVudGVyMg==",
            "{SSHA}hvfkN/qlp/zhXR3cuerq6jd2Z7g=",
            "$2y$05$short",
            "$2y$03$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a",
            "$2y$31$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a",
            "$2z$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a",
            "$5$salt$hash",
            "$6$salt$hash",
            "$argon2id$v=19$m=1,t=1,p=1$a$b",
        ] {
            let error = PasswordHash::parse(text).unwrap_err();
            assert!(text.len() < 6 || !error.contains(text), "{error}");
        }
    }

    #[test]
    fn the_dearest_is_known() {
        let effort = |text: &str| PasswordHash::parse(text).unwrap().effort();
        let efforts = [2, 1, 0, 10, 11].map(|at| effort(MADE_ELSEWHERE[at].1));
        assert_eq!(efforts, [0, 1, 1, 7, 6]);
    }

    #[test]
    fn nobody_sees_a_hash_in_a_log() {
        for (_, hash) in MADE_ELSEWHERE {
            let shown = format!("{:?}", PasswordHash::parse(hash).unwrap());
            assert!(["bcrypt", "sha1", "md5"].contains(&shown.as_str()), "{shown}");
        }
    }
}
