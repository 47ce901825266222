//! What basicAuth and digestAuth have in common: where users come from, and what is done once one is known.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

use http::{HeaderMap, HeaderName, HeaderValue, header};
use seaway_config::{Files, Secret};
use seaway_head::RequestHead;

/// Longest name that is kept for the log.
const LONGEST_NAME: usize = 256;

/// Reads users, inline ones and those of a file; the inline one wins. `parse` makes a key and a value of an entry, or says
/// what is wrong with it: nothing of the entry itself is told, since it may be a secret in the wrong place.
pub(crate) fn read<T>(
    kind: &str,
    inline: &[Secret],
    path: &str,
    files: &Files,
    mut parse: impl FnMut(&str) -> Result<(Box<str>, T), &'static str>,
) -> Result<HashMap<Box<str>, T>, String> {
    let mut users = HashMap::new();
    let path = path.trim();
    if !path.is_empty() {
        let text = files.text(path).map_err(|why| format!("{kind}.usersFile {path} cannot be used: {why}"))?;
        for (at, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (key, value) =
                parse(line).map_err(|what| format!("{kind}.usersFile {path}, line {}: {what}", at + 1))?;
            users.insert(key, value);
        }
    }
    for (at, entry) in inline.iter().enumerate() {
        let entry = entry.expose().trim();
        let (key, value) = parse(entry).map_err(|what| format!("{kind}.users, number {}: {what}", at + 1))?;
        users.insert(key, value);
    }
    if users.is_empty() {
        return Err(format!("{kind} has no user, so nobody would get in; it needs users, or a usersFile with some"));
    }
    Ok(users)
}

/// What is done with a request once its user is known.
#[derive(Clone, Debug)]
pub(crate) struct Admission {
    remove_header: bool,
    header: Option<HeaderName>,
}

impl Admission {
    pub(crate) fn compile(kind: &str, remove_header: bool, header_field: &str) -> Result<Self, String> {
        let header = match header_field.trim() {
            "" => None,
            name => Some(
                HeaderName::from_bytes(name.as_bytes())
                    .map_err(|_| format!("{kind}.headerField {name:?} is no header name"))?,
            ),
        };
        Ok(Self { remove_header, header })
    }

    /// Tells the server who it is, in place of what anybody else says about that in any spelling.
    pub(crate) fn admit(&self, head: &mut RequestHead, user: &str) {
        if self.remove_header {
            head.headers.remove(header::AUTHORIZATION);
        }
        let Some(name) = &self.header else { return };
        remove_spellings(&mut head.headers, |other| *other == *name.as_str().replace('_', "-"));
        if let Ok(value) = HeaderValue::from_bytes(user.as_bytes()) {
            head.headers.insert(name, value);
        }
    }
}

/// Removes the headers that `is_meant` by their names, or by their names with `-` for each `_`: servers that fold one into
/// the other would take both for the same.
pub(crate) fn remove_spellings(headers: &mut HeaderMap, is_meant: impl Fn(&str) -> bool) {
    let is_alias = |name: &&HeaderName| {
        let name = name.as_str();
        is_meant(name) || (name.contains('_') && is_meant(&name.replace('_', "-")))
    };
    let aliases: Vec<HeaderName> = headers.keys().filter(is_alias).cloned().collect();
    for alias in aliases {
        headers.remove(alias);
    }
}

/// A name for the log, cut if nobody could want to read it.
pub(crate) fn for_log(user: &str) -> Box<str> {
    let mut end = user.len().min(LONGEST_NAME);
    while !user.is_char_boundary(end) {
        end -= 1;
    }
    user.get(..end).unwrap_or_default().into()
}

/// Bytes that nobody outside can know, made anew at each call.
pub(crate) fn salt() -> [u8; 32] {
    let mut salt = [0; 32];
    for (at, piece) in salt.chunks_mut(8).enumerate() {
        piece.copy_from_slice(&RandomState::new().hash_one(at).to_le_bytes());
    }
    salt
}

/// The realm where no other is named.
pub(crate) fn realm(named: &str) -> &str {
    if named.is_empty() { "traefik" } else { named }
}

/// A realm between quotes, as challenges have it.
pub(crate) fn quoted(kind: &str, realm: &str) -> Result<String, String> {
    if realm.chars().any(char::is_control) {
        return Err(format!("{kind}.realm has a line break or another control character"));
    }
    Ok(realm.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use seaway_config::files::FileText;

    use super::*;
    use crate::testing::{get, values};

    fn parse(entry: &str) -> Result<(Box<str>, u8), &'static str> {
        let (name, number) = entry.split_once(':').ok_or("not name:number")?;
        Ok((name.into(), number.parse().map_err(|_| "no number")?))
    }

    fn read_both(inline: &[&str], file: Option<&str>) -> Result<Vec<(String, u8)>, String> {
        let files: Files = file.iter().map(|text| ("/users".into(), FileText::new(text))).collect();
        let inline: Vec<Secret> = inline.iter().map(|text| Secret::new(text)).collect();
        let users = read("k", &inline, if file.is_some() { " /users " } else { "" }, &files, parse)?;
        let mut users: Vec<_> = users.into_iter().map(|(name, number)| (name.into_string(), number)).collect();
        users.sort();
        Ok(users)
    }

    #[test]
    fn users_come_from_both_places() {
        for (inline, file, want) in [
            (&["a:1", " b:2 "][..], None, &[("a", 1), ("b", 2)][..]),
            (&[], Some("a:1\n\n# b:2\n  c:3\r\n   # d\n"), &[("a", 1), ("c", 3)]),
            (&["a:9"], Some("a:1\nb:2"), &[("a", 9), ("b", 2)]),
            (&[], Some("a:1\na:2"), &[("a", 2)]),
        ] {
            let want: Vec<_> = want.iter().map(|(name, number)| ((*name).to_owned(), *number)).collect();
            assert_eq!(read_both(inline, file), Ok(want));
        }
    }

    #[test]
    fn faults_name_their_place_and_nothing_of_what_stands_there() {
        for (inline, file, want) in [
            (&[][..], None, "k has no user"),
            (&[], Some("# nobody\n\n"), "k has no user"),
            (&["a:1", "hunter2"], None, "k.users, number 2: not name:number"),
            (&[], Some("a:1\n\nhunter2:hunter2"), "k.usersFile /users, line 3: no number"),
        ] {
            let error = read_both(inline, file).unwrap_err();
            assert!(error.starts_with(want) && !error.contains("hunter2"), "{error}");
        }
        let files: Files = [("/gone".into(), FileText::unreadable("no such file"))].into_iter().collect();
        let error = read("k", &[], "/gone", &files, parse).unwrap_err();
        assert_eq!(error, "k.usersFile /gone cannot be used: no such file");
        assert!(read("k", &[Secret::new("a:1")], "/gone", &files, parse).is_err(), "half of the users is no answer");
        assert!(read("k", &[], "/other", &files, parse).unwrap_err().contains("it was not read"));
    }

    #[test]
    fn servers_are_told_by_nobody_else() {
        let admission = Admission::compile("k", true, "X-WebAuth-User").unwrap();
        let mut head = get("/");
        for name in ["authorization", "x-webauth-user", "x_webauth_user", "x-webauth_user", "x-other"] {
            head.headers.append(HeaderName::from_static(name), HeaderValue::from_static("forged"));
        }
        admission.admit(&mut head, "zoë");
        assert_eq!(head.headers.get("x-webauth-user").unwrap().as_bytes(), "zoë".as_bytes());
        for name in ["authorization", "x_webauth_user", "x-webauth_user"] {
            assert!(!head.headers.contains_key(name), "{name}");
        }
        assert_eq!(values(&head.headers, "x-other"), ["forged"]);

        let plain = Admission::compile("k", false, "").unwrap();
        let mut head = get("/");
        head.headers.append(header::AUTHORIZATION, HeaderValue::from_static("Basic x"));
        plain.admit(&mut head, "a");
        assert!(head.headers.contains_key(header::AUTHORIZATION));
        assert!(Admission::compile("k", false, "X User").unwrap_err().starts_with("k.headerField"));
    }

    #[test]
    fn salts_differ_and_names_are_cut_between_characters() {
        assert_ne!(salt(), salt());
        assert_eq!(&*for_log("zoë"), "zoë");
        assert_eq!(for_log(&format!("x{}", "ë".repeat(200))).len(), 255);
        assert_eq!(quoted("k", "a\"b\\c").as_deref(), Ok("a\\\"b\\\\c"));
        assert!(quoted("k", "a\r\nb").is_err());
    }
}
