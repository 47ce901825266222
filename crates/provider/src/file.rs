//! The file provider: a file, or all of a folder, watched and applied as a whole.
//!
//! What stands at a name counts, whichever way it came there: written in place, renamed over it, or behind a symbolic
//! link that was swapped. A file that is found half-written keeps what it said before until it can be read, or until a
//! second has gone by; then that is said, and what it said before still stays in force.

mod library;
mod shelf;
mod watch;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use seaway_config::statics::FileOptions;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::snapshot::{Update, UpdateSender};
use library::{Library, Looked};
use watch::{Change, Watch};

/// The provider's name, the part after the `@`.
pub const NAME: &str = "file";

/// When things are done. The defaults are what is wanted outside of tests.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// Changes that follow one another within this time are read together.
    pub settle: Duration,
    /// Longest that changes which never stop put off being read.
    pub most: Duration,
    /// How long a file may be half-written, or empty, before that is taken for what it is.
    pub patience: Duration,
    /// How long a file may be away before it counts as removed.
    pub away: Duration,
    /// How often files are looked at where nobody tells of changes.
    pub poll: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            settle: Duration::from_millis(20),
            most: Duration::from_millis(200),
            patience: Duration::from_secs(1),
            away: Duration::from_millis(250),
            poll: Duration::from_secs(2),
        }
    }
}

/// See the module.
#[derive(Debug)]
pub struct FileProvider {
    files: BTreeSet<PathBuf>,
    folders: BTreeSet<PathBuf>,
    watch: bool,
    timing: Timing,
    environment: Environment,
}

/// What a variable of the environment is set to.
pub type Environment = fn(&str) -> Option<String>;

impl FileProvider {
    /// The provider that the options ask for.
    ///
    /// # Errors
    /// They name neither a file nor a folder, or a file of another kind.
    pub fn new(options: &FileOptions) -> Result<Self, String> {
        let given = |text: &str| Some(text.trim()).filter(|text| !text.is_empty()).map(PathBuf::from);
        let (file, folder) = (given(&options.filename), given(&options.directory));
        if file.is_none() && folder.is_none() {
            return Err("providers.file: filename or directory is needed".to_owned());
        }
        if let Some(file) = &file
            && library::format(file).is_none()
        {
            return Err(format!("providers.file.filename={}: .yml, .yaml or .toml is expected", file.display()));
        }
        Ok(Self {
            files: file.into_iter().collect(),
            folders: folder.into_iter().collect(),
            watch: options.watch,
            timing: Timing::default(),
            environment: |name| std::env::var(name).ok(),
        })
    }

    /// The same with other times, for tests.
    #[must_use]
    pub fn timing(self, timing: Timing) -> Self {
        Self { timing, ..self }
    }

    /// What is followed, for people.
    pub fn shown(&self) -> String {
        let paths: Vec<_> = self.files.iter().chain(&self.folders).map(|path| path.display().to_string()).collect();
        paths.join(" and ")
    }

    /// Sends what the files declare, now and whenever that changes, until nobody listens. All is read anew when
    /// something comes through `reload`.
    pub async fn run(self, updates: UpdateSender, mut reload: mpsc::UnboundedReceiver<()>) {
        let Self { files, folders, watch, timing, environment } = self;
        let (changes, mut told) = mpsc::unbounded_channel();
        let watcher = if watch { Watch::new(changes, &files, &folders) } else { Watch::none() };
        let mut desk = (Library::new(NAME, files, folders, timing, environment), watcher);
        let mut plan = Plan::now();
        let mut poll = tokio::time::interval(timing.poll);
        poll.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        // Somebody asks for it, whatever can be seen from outside.
        let mut asked = true;
        loop {
            tokio::select! {
                () = tokio::time::sleep_until(plan.due.unwrap_or_else(Instant::now)), if plan.due.is_some() => {}
                Some(change) = told.recv() => {
                    plan.note(change, timing);
                    continue;
                }
                Some(()) = reload.recv() => {
                    tracing::info!(target: "seaway::files", "reading all of it again");
                    asked = true;
                }
                _ = poll.tick(), if watch => {
                    let Some((back, differs)) = off_runtime(desk, |(library, _)| library.is_another()).await else {
                        return;
                    };
                    desk = back;
                    if differs {
                        plan.due.get_or_insert_with(Instant::now);
                    }
                    continue;
                }
                () = updates.closed() => return,
            }
            plan = Plan::default();
            let asked = std::mem::take(&mut asked);
            let looked = off_runtime(desk, move |(library, watcher)| {
                // Beside the file stands what is none of ours.
                if !asked && !library.is_worth_it() {
                    return Looked::default();
                }
                // First watched, then read: what changes in between is told.
                watcher.follow();
                library.look(Instant::now())
            });
            let Some((back, Looked { declarations, news, again })) = looked.await else { return };
            desk = back;
            plan.due = again;
            for line in news {
                tracing::info!(target: "seaway::files", "{line}");
            }
            if let Some(declarations) = declarations
                && updates
                    .send(Update::Declared { provider: NAME.into(), declarations: Arc::new(declarations) })
                    .is_err()
            {
                return;
            }
        }
    }
}

/// Files are read where waiting for a disk keeps nobody from working.
async fn off_runtime<D: Send + 'static, T: Send + 'static>(
    mut desk: D,
    work: impl FnOnce(&mut D) -> T + Send + 'static,
) -> Option<(D, T)> {
    let done = tokio::task::spawn_blocking(move || {
        let found = work(&mut desk);
        (desk, found)
    });
    done.await.ok()
}

/// When the files are to be looked at.
#[derive(Debug, Default)]
struct Plan {
    due: Option<Instant>,
    /// When the first change came that was not looked at.
    first: Option<Instant>,
    /// Files that somebody is writing.
    open: BTreeSet<PathBuf>,
}

impl Plan {
    fn now() -> Self {
        Self { due: Some(Instant::now()), ..Self::default() }
    }

    fn note(&mut self, change: Change, timing: Timing) {
        let now = Instant::now();
        match change {
            Change::Written(path) if library::format(&path).is_some() => {
                self.open.insert(path);
            }
            Change::Closed(path) => {
                self.open.remove(&path);
            }
            Change::Written(_) | Change::Other => {}
        }
        let first = *self.first.get_or_insert(now);
        self.due = Some(match self.open.is_empty() {
            true => (now + timing.settle).min(first + timing.most),
            // Whoever writes will say when that is done.
            false => first + timing.patience,
        });
    }
}

#[cfg(test)]
mod tests;
