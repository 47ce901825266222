//! What stands on the disk: which files there are, and their texts. Everything is bounded.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, Metadata};
use std::hash::{BuildHasher, RandomState};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::library::format;

/// Longest file, in bytes.
const MOST_BYTES: u64 = 16 << 20;
/// Most files in a folder and all folders below it.
const MOST_FILES: usize = 2_000;
/// Deepest folder below the one that is named.
const DEEPEST: usize = 16;

/// Why there is nothing to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// It is not there.
    Missing,
    /// In words.
    Unreadable(String),
}

/// The files that count, and folders that cannot be looked into.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) files: BTreeSet<PathBuf>,
    pub(super) troubles: BTreeMap<PathBuf, Trouble>,
}

/// All files of a folder and those below it that are called as files of ours are. Names that begin with a dot are not
/// looked at: editors and Kubernetes keep there what is not meant.
pub(super) fn find(folder: &Path) -> Found {
    let mut found = Found::default();
    let mut seen = BTreeSet::new();
    let mut open = vec![(folder.to_owned(), 0)];
    while let Some((folder, depth)) = open.pop() {
        // The same folder may be reached by two symbolic links, or by one that leads back.
        if !std::fs::canonicalize(&folder).is_ok_and(|real| seen.insert(real)) && depth > 0 {
            continue;
        }
        let entries = match std::fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) => {
                found.troubles.insert(folder, trouble(&error));
                continue;
            }
        };
        for entry in entries.flatten() {
            let path = entry.path();
            if entry.file_name().as_encoded_bytes().starts_with(b".") {
                continue;
            }
            let is_folder = std::fs::metadata(&path).is_ok_and(|about| about.is_dir());
            if is_folder && depth < DEEPEST {
                open.push((path, depth + 1));
            } else if !is_folder && format(&path).is_some() {
                if found.files.len() >= MOST_FILES {
                    let text = format!("more than {MOST_FILES} files; the rest is not read");
                    found.troubles.insert(folder.clone(), Trouble::Unreadable(text));
                    return found;
                }
                found.files.insert(path);
            }
        }
    }
    found
}

/// A file's text.
pub(super) fn read(path: &Path) -> Result<String, Trouble> {
    // Before it is opened: opening a pipe waits for whoever writes into it.
    if !std::fs::metadata(path).map_err(|error| trouble(&error))?.is_file() {
        return Err(Trouble::Unreadable("it is no regular file".to_owned()));
    }
    let file = File::open(path).map_err(|error| trouble(&error))?;
    let mut bytes = Vec::new();
    file.take(MOST_BYTES + 1).read_to_end(&mut bytes).map_err(|error| trouble(&error))?;
    if bytes.len() as u64 > MOST_BYTES {
        return Err(Trouble::Unreadable(format!("it has more than {} MiB", MOST_BYTES >> 20)));
    }
    String::from_utf8(bytes).map_err(|_| Trouble::Unreadable("it is not UTF-8".to_owned()))
}

/// What can be told of files without reading them: it is another when one of them was changed.
pub(super) fn fingerprint<'p>(paths: impl Iterator<Item = &'p PathBuf>, hasher: &RandomState) -> u64 {
    let of = |about: Metadata| {
        (about.dev(), about.ino(), about.len(), about.mtime(), about.mtime_nsec(), about.ctime_nsec())
    };
    let all: Vec<_> = paths.map(|path| (path, std::fs::metadata(path).ok().map(of))).collect();
    hasher.hash_one(all)
}

fn trouble(error: &std::io::Error) -> Trouble {
    match error.kind() {
        ErrorKind::NotFound => Trouble::Missing,
        _ => Trouble::Unreadable(error.to_string()),
    }
}
