//! The files that middlewares name: read with a table, and looked at again from time to time.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, Metadata};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use seaway_config::files::FileText;
use seaway_config::model::{Config, Declared, Middleware, Name};
use seaway_config::{Files, SharedMap};
use tokio::time::Instant;

/// How often files are looked at. To ask for their age costs a microsecond or two each.
const LOOK: Duration = Duration::from_secs(2);
/// Largest file that is read. A hundred thousand users have no more.
const MOST: u64 = 8 << 20;

/// What is known of the files.
#[derive(Debug, Default)]
pub(super) struct NamedFiles {
    /// The middlewares that were looked through last.
    middlewares: SharedMap<Name, Declared<Middleware>>,
    texts: BTreeMap<Box<str>, FileText>,
    stamps: BTreeMap<Box<str>, Stamp>,
    files: Files,
    next: Option<Instant>,
}

/// Where it differs, the file may have another text.
type Stamp = Option<(u64, u64, u64, i64, i64)>;

impl NamedFiles {
    /// The files that this configuration names. Those that are known are not read again.
    pub(super) fn of(&mut self, config: &Config, now: Instant) -> Files {
        if !config.middlewares.is_same(&self.middlewares) {
            self.middlewares = config.middlewares.clone();
            let named = config.middlewares.values().flat_map(|declared| declared.value.files());
            let named: BTreeSet<&str> = named.collect();
            let before = self.texts.len();
            self.texts.retain(|path, _| named.contains(&**path));
            self.stamps.retain(|path, _| named.contains(&**path));
            let new: Vec<&str> = named.into_iter().filter(|path| !self.texts.contains_key(*path)).collect();
            for path in &new {
                self.read(path);
            }
            if !new.is_empty() || self.texts.len() != before {
                self.renew();
            }
            self.next = (!self.texts.is_empty()).then(|| self.next.unwrap_or(now + LOOK));
        }
        self.files.clone()
    }

    /// When to look at them again.
    pub(super) fn next(&self) -> Option<Instant> {
        self.next
    }

    /// Looks at them if it is time. True if one has another text than before.
    pub(super) fn look(&mut self, now: Instant) -> bool {
        if self.next.is_none_or(|next| next > now) {
            return false;
        }
        self.next = Some(now + LOOK);
        let touched: Vec<Box<str>> =
            self.stamps.iter().filter(|(path, before)| stamp(path) != **before).map(|(path, _)| path.clone()).collect();
        let mut differs = false;
        for path in touched {
            let before = self.texts.get(&path).cloned();
            self.read(&path);
            differs |= before.as_ref() != self.texts.get(&path);
        }
        if differs {
            self.renew();
        }
        differs
    }

    fn read(&mut self, path: &str) {
        // The stamp first: what is written while it is read is seen the next time.
        self.stamps.insert(path.into(), stamp(path));
        let text = read(path).map_or_else(|why| FileText::unreadable(&why), |text| FileText::new(&text));
        self.texts.insert(path.into(), text);
    }

    fn renew(&mut self) {
        self.files = self.texts.iter().map(|(path, text)| (path.clone(), text.clone())).collect();
    }
}

fn stamp(path: &str) -> Stamp {
    let of = |found: Metadata| (found.dev(), found.ino(), found.size(), found.mtime(), found.mtime_nsec());
    fs::metadata(path).ok().map(of)
}

/// Anybody who may write a label may name any path: a pipe or a device would keep everything waiting.
fn read(path: &str) -> Result<String, String> {
    let failed = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => "there is no such file where Seaway runs".to_owned(),
        std::io::ErrorKind::PermissionDenied => "Seaway may not read it".to_owned(),
        _ => error.to_string(),
    };
    if !fs::metadata(path).map_err(failed)?.is_file() {
        return Err("it is no file".to_owned());
    }
    let mut bytes = Vec::new();
    fs::File::open(path).map_err(failed)?.take(MOST + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > MOST {
        return Err(format!("it has more than {} MiB", MOST >> 20));
    }
    String::from_utf8(bytes).map_err(|_| "it is not UTF-8 text".to_owned())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use seaway_config::Origin;
    use seaway_config::model::BasicAuth;

    use super::*;

    fn naming(paths: &[&str]) -> Config {
        let mut config = Config::default();
        for (n, path) in paths.iter().enumerate() {
            let auth = BasicAuth { users_file: (*path).to_owned(), ..BasicAuth::default() };
            let declared = Declared::new(Middleware::BasicAuth(auth), Origin::default());
            config.middlewares.insert(Name::new(&format!("m{n}"), "docker"), declared);
        }
        config
    }

    #[test]
    fn files_are_read_when_they_are_named_and_again_when_they_differ() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        let (one, two) = (at("one"), at("two"));
        fs::write(&one, "a").unwrap();
        let start = Instant::now();
        let mut files = NamedFiles::default();
        assert_eq!(files.of(&naming(&[]), start), Files::default());
        assert_eq!(files.next(), None, "there is nothing to look at");

        let config = naming(&[&one, &two]);
        let first = files.of(&config, start);
        assert_eq!((first.text(&one), first.text(&two).is_err()), (Ok("a"), true));
        assert_eq!(files.next(), Some(start + LOOK));
        assert!(!files.look(start + LOOK), "nothing is different");
        assert!(files.of(&config, start).is_same(&first, &one));

        fs::write(&one, "other").unwrap();
        fs::write(&two, "b").unwrap();
        assert!(!files.look(start + LOOK), "it was looked at a moment ago");
        assert!(files.look(start + 2 * LOOK));
        let second = files.of(&config, start);
        assert_eq!((second.text(&one), second.text(&two)), (Ok("other"), Ok("b")));

        fs::remove_file(&one).unwrap();
        assert!(files.look(start + 3 * LOOK));
        assert!(files.of(&config, start).text(&one).unwrap_err().contains("no such file"));

        let less = files.of(&naming(&[&two]), start);
        assert_eq!((less.text(&two), less.text(&one)), (Ok("b"), Err("it was not read")));
        files.of(&naming(&[]), start);
        assert_eq!(files.next(), None);
    }

    #[test]
    fn what_is_no_text_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        fs::write(at("binary"), [0xff, 0xfe]).unwrap();
        fs::File::create(at("huge")).unwrap().set_len(MOST + 1).unwrap();
        for (path, why) in [
            (folder.path().to_str().unwrap().to_owned(), "it is no file"),
            ("/dev/zero".to_owned(), "it is no file"),
            (at("binary"), "it is not UTF-8 text"),
            (at("huge"), "it has more than 8 MiB"),
            (at("gone"), "there is no such file where Seaway runs"),
        ] {
            assert_eq!(read(&path), Err(why.to_owned()), "{path}");
        }
    }
}
