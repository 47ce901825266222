//! Who tells of changes: the kernel, where it can. Everything else is found by looking now and then.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use notify::event::{AccessKind, AccessMode, EventKind, ModifyKind};
use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc;

/// Something happened to what is watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// A file was written to, and whoever does that has not closed it.
    Written(PathBuf),
    /// A file that was written to was closed, or is there no more.
    Closed(PathBuf),
    /// Anything else.
    Other,
}

/// Watches files, the folders that they stand in, and folders with all that is in them.
pub(super) struct Watch {
    watcher: Option<RecommendedWatcher>,
    files: BTreeSet<PathBuf>,
    folders: BTreeSet<PathBuf>,
    /// Watched beside the files themselves.
    around: BTreeSet<PathBuf>,
}

impl std::fmt::Debug for Watch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watch").field("files", &self.files).field("folders", &self.folders).finish_non_exhaustive()
    }
}

impl Watch {
    /// Nobody is told anything.
    pub(super) fn none() -> Self {
        Self { watcher: None, files: BTreeSet::new(), folders: BTreeSet::new(), around: BTreeSet::new() }
    }

    pub(super) fn new(
        changes: mpsc::UnboundedSender<Change>,
        files: &BTreeSet<PathBuf>,
        folders: &BTreeSet<PathBuf>,
    ) -> Self {
        let tell = move |event: notify::Result<Event>| match event {
            Ok(event) => {
                for change in meaning(event) {
                    // Nobody listens any more when the provider has ended.
                    let _unheard = changes.send(change);
                }
            }
            Err(_) => {
                let _unheard = changes.send(Change::Other);
            }
        };
        let watcher = match notify::recommended_watcher(tell) {
            Ok(watcher) => Some(watcher),
            Err(error) => {
                tracing::warn!(target: "seaway::files", "changes are found by looking now and then: {error}");
                None
            }
        };
        Self { watcher, files: files.clone(), folders: folders.clone(), around: BTreeSet::new() }
    }

    /// Watches what stands at the names now: a file that was replaced is another one, and so is a folder.
    pub(super) fn follow(&mut self) {
        let Some(watcher) = &mut self.watcher else { return };
        let around: BTreeSet<PathBuf> = self.files.iter().flat_map(|file| folders_of(file)).collect();
        for gone in self.around.difference(&around) {
            let _gone_already = watcher.unwatch(gone);
        }
        // What is not there yet is found by looking, or through the folder that it will stand in.
        for folder in &around {
            let _later = watcher.watch(folder, RecursiveMode::NonRecursive);
        }
        for file in &self.files {
            // A single file that is mounted into a container has no folder there that hears of it.
            let _later = watcher.watch(file, RecursiveMode::NonRecursive);
        }
        for folder in &self.folders {
            let _later = watcher.watch(folder, RecursiveMode::Recursive);
            for linked in folders_of(folder) {
                let _later = watcher.watch(&linked, RecursiveMode::NonRecursive);
            }
        }
        self.around = around;
    }
}

/// The folders that a path, and what it leads to through symbolic links, stand in.
fn folders_of(path: &Path) -> BTreeSet<PathBuf> {
    let parent = |path: &Path| match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Some(PathBuf::from(".")),
        other => other.map(Path::to_owned),
    };
    let mut folders: BTreeSet<PathBuf> = parent(path).into_iter().collect();
    let mut at = path.to_owned();
    for _ in 0..16 {
        let Ok(target) = std::fs::read_link(&at) else { break };
        at = parent(&at).unwrap_or_default().join(target);
        folders.extend(parent(&at));
    }
    folders.extend(std::fs::canonicalize(path).ok().as_deref().and_then(parent));
    folders
}

/// Looking at files tells of itself: that is no change.
fn meaning(event: Event) -> Vec<Change> {
    let of: fn(PathBuf) -> Change = match event.kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) | EventKind::Remove(_) => Change::Closed,
        EventKind::Access(_) => return Vec::new(),
        EventKind::Modify(ModifyKind::Data(_)) => Change::Written,
        EventKind::Modify(ModifyKind::Name(_)) => Change::Closed,
        _ => return vec![Change::Other],
    };
    event.paths.into_iter().map(of).collect()
}
