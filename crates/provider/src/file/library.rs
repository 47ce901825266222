//! What each file said when it could last be read, and what is to be done about those that cannot.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher, RandomState};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use seaway_config::{Code, Diagnostic, Origin};
use seaway_labels::document::Format;
use seaway_labels::{Dynamic, read_dynamic};
use tokio::time::Instant;

use super::shelf::{self, Trouble};
use super::{Environment, Timing};
use crate::declare::{Text, declare};
use crate::merge::Found;
use crate::reconcile::Stale;
use crate::snapshot::Declarations;

/// How often a file in doubt is looked at.
const AGAIN: Duration = Duration::from_millis(50);

/// How a file is written, by its name.
pub(super) fn format(path: &Path) -> Option<Format> {
    Format::of(path)
}

/// All files of the provider.
#[derive(Debug)]
pub(super) struct Library {
    provider: &'static str,
    named: BTreeSet<PathBuf>,
    folders: BTreeSet<PathBuf>,
    timing: Timing,
    environment: Environment,
    known: BTreeMap<PathBuf, Known>,
    /// Folders that cannot be looked into, and since when.
    closed: BTreeMap<PathBuf, (SystemTime, Trouble)>,
    hasher: RandomState,
    fingerprint: Option<u64>,
    looked: bool,
}

/// One file.
#[derive(Debug, Default)]
struct Known {
    /// Of the text that `good` was read from.
    hash: Option<u64>,
    good: Option<Arc<Dynamic>>,
    /// What is wrong with it now, told, and since when.
    fault: Option<(SystemTime, Diagnostic)>,
    /// Since when it looks wrong, which may be because somebody is writing it.
    doubt: Option<Instant>,
}

/// What came of looking.
#[derive(Debug, Default)]
pub(super) struct Looked {
    /// What is declared, if that may be something else than before.
    pub(super) declarations: Option<Declarations>,
    /// Lines for the log.
    pub(super) news: Vec<String>,
    /// When to look again, at the latest.
    pub(super) again: Option<Instant>,
}

/// What is to be made of a file now.
enum Reading {
    Same,
    New(u64, Arc<Dynamic>),
    /// It looks wrong; for so long that may pass.
    Wrong(Diagnostic, Duration),
    /// It is not there, and need not be.
    Away,
    /// Nobody can see it.
    Hidden,
}

impl Library {
    pub(super) fn new(
        provider: &'static str,
        named: BTreeSet<PathBuf>,
        folders: BTreeSet<PathBuf>,
        timing: Timing,
        environment: Environment,
    ) -> Self {
        Self {
            provider,
            named,
            folders,
            timing,
            environment,
            known: BTreeMap::new(),
            closed: BTreeMap::new(),
            hasher: RandomState::new(),
            fingerprint: None,
            looked: false,
        }
    }

    /// There is something to look at: some file is another than when it was last looked at, or in doubt.
    pub(super) fn is_worth_it(&self) -> bool {
        self.is_another() || self.known.values().any(|known| known.doubt.is_some())
    }

    /// Some file is another than when it was last looked at.
    pub(super) fn is_another(&self) -> bool {
        let (files, _) = self.files();
        self.fingerprint != Some(self.print(&files))
    }

    /// Reads what is new. The first time nothing is waited for.
    pub(super) fn look(&mut self, now: Instant) -> Looked {
        let first = !std::mem::replace(&mut self.looked, true);
        let mut looked = Looked::default();
        let (files, closed) = self.files();
        // Before anything is read: what changes meanwhile is found by the next look.
        self.fingerprint = Some(self.print(&files));
        let mut changed = first | self.close(closed);
        let mut paths = files;
        paths.extend(self.known.keys().cloned());
        for path in paths {
            let mut known = self.known.remove(&path).unwrap_or_default();
            let reading = self.read(&path, &known);
            let (keep, is_news) = self.settle(&path, &mut known, reading, first, now, &mut looked);
            changed |= is_news;
            if keep {
                self.known.insert(path, known);
            }
        }
        if changed {
            looked.declarations = Some(self.declarations());
        }
        looked
    }

    fn settle(
        &self,
        path: &Path,
        known: &mut Known,
        reading: Reading,
        first: bool,
        now: Instant,
        looked: &mut Looked,
    ) -> (bool, bool) {
        let (wrong, patience) = match reading {
            Reading::Same => {
                known.doubt = None;
                let is_over = known.fault.take().is_some();
                return (true, is_over);
            }
            Reading::New(hash, says) => {
                looked.news.push(line(path, &says, known.good.is_some()));
                *known = Known { hash: Some(hash), good: Some(says), ..Known::default() };
                return (true, true);
            }
            Reading::Hidden => return (true, false),
            Reading::Wrong(wrong, patience) => (Some(wrong), patience),
            Reading::Away => (None, self.timing.away),
        };
        if wrong.as_ref().is_some_and(|wrong| known.fault.as_ref().is_some_and(|(_, told)| same(told, wrong))) {
            return (true, false);
        }
        let since = *known.doubt.get_or_insert(now);
        let until = since + patience;
        if !first && now < until {
            let next = until.min(now + AGAIN);
            looked.again = Some(looked.again.map_or(next, |at| at.min(next)));
            return (true, false);
        }
        known.doubt = None;
        let Some(mut wrong) = wrong else {
            looked.news.push(format!("{}: gone, and what it declared with it", path.display()));
            return (false, true);
        };
        wrong.consequence = match known.good {
            Some(_) => "what it said before stays in force".to_owned(),
            None => "nothing of it is in force".to_owned(),
        };
        let began = known.fault.as_ref().map_or_else(SystemTime::now, |(since, _)| *since);
        known.fault = Some((began, wrong));
        (true, true)
    }

    fn read(&self, path: &Path, known: &Known) -> Reading {
        let name = path.display().to_string();
        let wrong = |message: String| {
            let origin = Origin::resource(self.provider, &name);
            Reading::Wrong(Diagnostic::error(Code::UnreadableFile, origin, message, ""), self.timing.patience)
        };
        let text = match shelf::read(path) {
            Ok(text) => text,
            Err(Trouble::Missing) if !self.named.contains(path) => {
                // In a folder that cannot be looked into nothing is known to be gone.
                let is_hidden = self.closed.keys().any(|folder| path.starts_with(folder));
                return if is_hidden { Reading::Hidden } else { Reading::Away };
            }
            Err(Trouble::Missing) => return wrong("there is no such file".to_owned()),
            Err(Trouble::Unreadable(why)) => return wrong(format!("it cannot be read: {why}")),
        };
        let hash = self.hasher.hash_one(&text);
        if known.hash == Some(hash) {
            return Reading::Same;
        }
        let format = format(path).unwrap_or(Format::Yaml);
        match read_dynamic(format, self.provider, &name, &text, &self.environment) {
            // Many editors empty a file before they write it.
            Ok(says) if is_nothing(&says) && known.good.as_ref().is_some_and(|good| !is_nothing(good)) => {
                let in_doubt = known.doubt.is_none_or(|since| since.elapsed() < self.timing.patience);
                match in_doubt {
                    true => wrong(String::new()),
                    false => Reading::New(hash, Arc::new(says)),
                }
            }
            Ok(says) => Reading::New(hash, Arc::new(says)),
            Err(fault) => Reading::Wrong(*fault, self.timing.patience),
        }
    }

    /// The files that count now, and folders that cannot be looked into.
    fn files(&self) -> (BTreeSet<PathBuf>, BTreeMap<PathBuf, Trouble>) {
        let (mut files, mut closed) = (self.named.clone(), BTreeMap::new());
        for folder in &self.folders {
            let found = shelf::find(folder);
            files.extend(found.files);
            closed.extend(found.troubles);
        }
        (files, closed)
    }

    fn print(&self, files: &BTreeSet<PathBuf>) -> u64 {
        shelf::fingerprint(files.iter().chain(&self.folders), &self.hasher)
    }

    /// Takes note of folders that cannot be looked into. True if that is news.
    fn close(&mut self, closed: BTreeMap<PathBuf, Trouble>) -> bool {
        let mut before = std::mem::take(&mut self.closed);
        let mut news = false;
        for (folder, trouble) in closed {
            let since = before.remove(&folder).filter(|(_, known)| *known == trouble).map(|(since, _)| since);
            news |= since.is_none();
            self.closed.insert(folder, (since.unwrap_or_else(SystemTime::now), trouble));
        }
        news || !before.is_empty()
    }

    fn declarations(&self) -> Declarations {
        let mut texts = Vec::new();
        let mut faults = Vec::new();
        for (path, known) in &self.known {
            let name: Arc<str> = path.display().to_string().into();
            faults.extend(known.fault.iter().map(|(since, fault)| (*since, Arc::clone(&name), fault.clone())));
            if let Some(says) = &known.good {
                texts.push(Text { name, says: Arc::clone(says) });
            }
        }
        for (folder, (since, trouble)) in &self.closed {
            let name = folder.display().to_string();
            let message = match trouble {
                Trouble::Missing => "there is no such folder".to_owned(),
                Trouble::Unreadable(why) => why.clone(),
            };
            let origin = Origin::resource(self.provider, &name);
            let consequence = "what was read of it before stays in force";
            let fault = Diagnostic::error(Code::UnreadableFile, origin, message, consequence);
            faults.push((*since, name.into(), fault));
        }
        let mut out = declare(self.provider, &texts);
        let first = faults.iter().min_by_key(|(since, ..)| *since);
        out.stale = first.map(|(since, name, fault)| {
            let reason = format!("{name}: {}", fault.message);
            Stale { since: *since, reason }
        });
        let faults = faults.into_iter().map(|(_, whose, diagnostic)| Found { whose, diagnostic });
        out.diagnostics.splice(0..0, faults);
        out
    }
}

fn same(told: &Diagnostic, wrong: &Diagnostic) -> bool {
    (told.code, &told.origin, &told.message) == (wrong.code, &wrong.origin, &wrong.message)
}

fn is_nothing(says: &Dynamic) -> bool {
    *says == Dynamic::default()
}

/// `/etc/x.yml: 3 routers, 2 services, 1 middleware`.
fn line(path: &Path, says: &Dynamic, again: bool) -> String {
    let count = |number: usize, what: &str| match number {
        0 => None,
        1 => Some(format!("1 {what}")),
        number => Some(format!("{number} {what}s")),
    };
    let counts = [
        count(says.routers.len(), "router"),
        count(says.services.len(), "service"),
        count(says.middlewares.len(), "middleware"),
        count(says.servers_transports.len(), "servers transport"),
    ];
    let counts: Vec<String> = counts.into_iter().flatten().collect();
    let counts = if counts.is_empty() { "nothing".to_owned() } else { counts.join(", ") };
    let changed = if again { " changed" } else { "" };
    format!("{}{changed}: {counts}", path.display())
}
