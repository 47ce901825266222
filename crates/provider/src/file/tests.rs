//! Real files in real folders; conditions are waited for, never times.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use seaway_config::Code;
use tempfile::TempDir;

use super::*;
use crate::snapshot::{Declarations, UpdateReceiver, updates};

const DEADLINE: Duration = Duration::from_secs(20);

/// A running provider.
struct Desk {
    folder: TempDir,
    received: UpdateReceiver,
    reload: mpsc::UnboundedSender<()>,
    last: Arc<Declarations>,
    sent: usize,
}

fn timing() -> Timing {
    Timing { poll: Duration::from_secs(3600), ..Timing::default() }
}

impl Desk {
    /// Follows a file, or with no name the whole folder, after `prepare` has put things into it.
    fn start(name: &str, watch: bool, timing: Timing, prepare: impl FnOnce(&Path)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        prepare(folder.path());
        let path = folder.path().join(name).display().to_string();
        let options = match name {
            "" => FileOptions { directory: path, watch, ..FileOptions::default() },
            _ => FileOptions { filename: path, watch, ..FileOptions::default() },
        };
        let (sender, received) = updates();
        let (reload, asked) = mpsc::unbounded_channel();
        let provider = FileProvider { environment: |_| None, ..FileProvider::new(&options).unwrap().timing(timing) };
        tokio::spawn(provider.run(sender, asked));
        Self { folder, received, reload, last: Arc::default(), sent: 0 }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    /// Waits until what is declared holds.
    async fn until(&mut self, what: &str, holds: impl Fn(&Declarations) -> bool) -> Arc<Declarations> {
        let end = Instant::now() + DEADLINE;
        while self.sent == 0 || !holds(&self.last) {
            let Ok(Some(update)) = tokio::time::timeout_at(end, self.received.recv()).await else {
                panic!("{what}: not in time; last: {:#?}", self.last);
            };
            let Update::Declared { provider, declarations } = update else { panic!("{update:?}") };
            assert_eq!(&*provider, NAME);
            (self.last, self.sent) = (declarations, self.sent + 1);
        }
        Arc::clone(&self.last)
    }

    async fn until_routers(&mut self, names: &[&str]) -> Arc<Declarations> {
        self.until(&format!("routers {names:?}"), |d| d.routers.keys().eq(names.iter())).await
    }
}

fn router(name: &str) -> String {
    format!("http: {{ routers: {{ {name}: {{ rule: Host(`{name}`), service: s }} }} }}\n")
}

fn codes(declarations: &Declarations) -> Vec<Code> {
    declarations.diagnostics.iter().map(|found| found.diagnostic.code).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_read_and_followed_however_it_is_written() {
    let mut desk =
        Desk::start("a.yml", true, timing(), |folder| fs::write(folder.join("a.yml"), router("one")).unwrap());
    desk.until_routers(&["one"]).await;
    desk.write("a.yml", &router("in-place"));
    desk.until_routers(&["in-place"]).await;
    // As editors do it.
    desk.write("a.yml.tmp", &router("renamed"));
    fs::rename(desk.path("a.yml.tmp"), desk.path("a.yml")).unwrap();
    desk.until_routers(&["renamed"]).await;
    // As others do it: the old one is moved away first.
    fs::rename(desk.path("a.yml"), desk.path("a.yml~")).unwrap();
    desk.write("a.yml", &router("anew"));
    let last = desk.until_routers(&["anew"]).await;
    assert!(last.diagnostics.is_empty() && last.stale.is_none(), "{last:#?}");
    desk.write("a.yml", &router("again"));
    desk.until_routers(&["again"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_swapped_link_is_a_change() {
    // As Kubernetes mounts it: a.yml leads through a folder that is swapped as a whole.
    let mut desk = Desk::start("a.yml", true, timing(), |folder| {
        for name in ["one", "two"] {
            fs::create_dir(folder.join(format!("..{name}"))).unwrap();
            fs::write(folder.join(format!("..{name}/a.yml")), router(name)).unwrap();
        }
        symlink("..one", folder.join("..data")).unwrap();
        symlink("..data/a.yml", folder.join("a.yml")).unwrap();
    });
    desk.until_routers(&["one"]).await;
    symlink("..two", desk.path("..data_tmp")).unwrap();
    fs::rename(desk.path("..data_tmp"), desk.path("..data")).unwrap();
    desk.until_routers(&["two"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_elsewhere_behind_a_link_is_followed() {
    let elsewhere = tempfile::tempdir().unwrap();
    let target = elsewhere.path().join("b.yml");
    fs::write(&target, router("one")).unwrap();
    let mut desk = Desk::start("a.yml", true, timing(), |folder| symlink(&target, folder.join("a.yml")).unwrap());
    desk.until_routers(&["one"]).await;
    fs::write(&target, router("two")).unwrap();
    desk.until_routers(&["two"]).await;
    fs::write(elsewhere.path().join("c"), router("three")).unwrap();
    fs::rename(elsewhere.path().join("c"), &target).unwrap();
    desk.until_routers(&["three"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_does_not_parse_keeps_what_it_said() {
    let mut desk =
        Desk::start("a.yml", true, timing(), |folder| fs::write(folder.join("a.yml"), router("one")).unwrap());
    desk.until_routers(&["one"]).await;
    desk.write("a.yml", "http:\n  routers: {\n");
    let bad = desk.until("the fault", |d| !d.diagnostics.is_empty()).await;
    assert_eq!(bad.routers.keys().collect::<Vec<_>>(), ["one"], "what it said stays");
    let told = &bad.diagnostics[0].diagnostic;
    assert_eq!(told.code, Code::UnreadableFile);
    assert!(told.origin.resource.ends_with("a.yml:3"), "{told}");
    assert!(told.consequence.contains("stays in force"), "{told}");
    assert!(bad.stale.as_ref().unwrap().reason.contains("a.yml"));
    desk.write("a.yml", "http: { routers: { a: { rule: 'Host(`{{ env \"NONE\" }}`)' } } }");
    let template = desk.until("the other fault", |d| codes(d) == [Code::BadTemplate]).await;
    assert_eq!(template.routers.len(), 1);
    desk.write("a.yml", &router("two"));
    let good = desk.until_routers(&["two"]).await;
    assert!(good.diagnostics.is_empty() && good.stale.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_half_written_is_waited_for() {
    use std::io::Write;
    let long = Timing { patience: Duration::from_secs(600), ..timing() };
    let mut desk = Desk::start("a.yml", true, long, |folder| fs::write(folder.join("a.yml"), router("one")).unwrap());
    desk.until_routers(&["one"]).await;
    // Emptied, and then written in two pieces that are no tree or another one until the end.
    let mut file = fs::File::create(desk.path("a.yml")).unwrap();
    file.write_all(b"http: { routers: { two: { rule: Host(`two`), service: s }").unwrap();
    file.flush().unwrap();
    file.write_all(b", three: { rule: Host(`three`), service: s } } }\n").unwrap();
    drop(file);
    desk.until_routers(&["three", "two"]).await;
    assert_eq!(desk.sent, 2, "nothing in between was sent");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_emptied_file_is_empty_after_a_while() {
    let short = Timing { patience: Duration::from_millis(50), ..timing() };
    let mut desk = Desk::start("a.yml", true, short, |folder| fs::write(folder.join("a.yml"), router("one")).unwrap());
    desk.until_routers(&["one"]).await;
    desk.write("a.yml", "");
    let empty = desk.until_routers(&[]).await;
    assert!(empty.diagnostics.is_empty(), "{empty:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_not_there_is_told_and_waited_for() {
    let mut desk = Desk::start("a.yml", true, timing(), |_| {});
    let missing = desk.until("the fault", |d| codes(d) == [Code::UnreadableFile]).await;
    assert!(missing.diagnostics[0].diagnostic.consequence.contains("nothing of it"), "{missing:#?}");
    desk.write("a.yml", &router("one"));
    let there = desk.until_routers(&["one"]).await;
    assert!(there.diagnostics.is_empty());
    fs::remove_file(desk.path("a.yml")).unwrap();
    let gone = desk.until("the fault", |d| !d.diagnostics.is_empty()).await;
    assert_eq!(gone.routers.len(), 1, "a file that is named is a mistake when it goes, and keeps what it said");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_is_all_that_is_in_it() {
    let mut desk = Desk::start("", true, timing(), |folder| {
        fs::create_dir_all(folder.join("sub/deep")).unwrap();
        fs::create_dir_all(folder.join(".git")).unwrap();
        fs::write(folder.join("a.yml"), router("a")).unwrap();
        fs::write(folder.join("b.YAML"), router("b")).unwrap();
        fs::write(folder.join("sub/c.toml"), "[http.routers.c]\nrule = \"Host(`c`)\"\nservice = \"s\"\n").unwrap();
        fs::write(folder.join("sub/deep/d.yaml"), router("d")).unwrap();
        for other in ["x.txt", "a.yml~", ".hidden.yml", ".git/e.yml", "a.yml.bak", "yml"] {
            fs::write(folder.join(other), router("x")).unwrap();
        }
        symlink("..", folder.join("sub/round")).unwrap();
        symlink("nowhere", folder.join(".#a.yml")).unwrap();
    });
    let all = desk.until_routers(&["a", "b", "c", "d"]).await;
    assert!(all.diagnostics.is_empty(), "{all:#?}");
    fs::create_dir(desk.path("new")).unwrap();
    desk.write("new/e.yml", &router("e"));
    desk.until_routers(&["a", "b", "c", "d", "e"]).await;
    desk.write("new/e.yml", &router("f"));
    desk.until_routers(&["a", "b", "c", "d", "f"]).await;
    fs::remove_file(desk.path("a.yml")).unwrap();
    desk.until_routers(&["b", "c", "d", "f"]).await;
    fs::remove_dir_all(desk.path("sub")).unwrap();
    let last = desk.until_routers(&["b", "f"]).await;
    assert!(last.diagnostics.is_empty() && last.stale.is_none(), "to remove a file from a folder is no mistake");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_bad_file_in_a_folder_leaves_the_others_alone() {
    let mut desk = Desk::start("", true, timing(), |folder| {
        fs::write(folder.join("a.yml"), router("a")).unwrap();
        fs::write(folder.join("b.yml"), "http: [").unwrap();
        fs::write(folder.join("c.yml"), [0xff, 0xfe]).unwrap();
    });
    let first = desk.until_routers(&["a"]).await;
    assert_eq!(codes(&first), [Code::UnreadableFile, Code::UnreadableFile], "{first:#?}");
    desk.write("a.yml", &router("aa"));
    desk.until_routers(&["aa"]).await;
    desk.write("b.yml", &router("b"));
    desk.until_routers(&["aa", "b"]).await;
    desk.write("c.yml", &router("b"));
    let twice = desk.until("the same name twice", |d| codes(d) == [Code::DuplicateObject]).await;
    assert!(twice.routers["b"].quarantine.is_some() && twice.routers["aa"].quarantine.is_none());
    fs::remove_file(desk.path("c.yml")).unwrap();
    let once = desk.until("once again", |d| d.diagnostics.is_empty()).await;
    assert!(once.routers["b"].quarantine.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_is_not_there_comes() {
    let soon = Timing { poll: Duration::from_millis(20), ..timing() };
    let outer = tempfile::tempdir().unwrap();
    let directory = outer.path().join("conf");
    let options = FileOptions { directory: directory.display().to_string(), ..FileOptions::default() };
    let (sender, received) = updates();
    let (reload, asked) = mpsc::unbounded_channel();
    tokio::spawn(FileProvider::new(&options).unwrap().timing(soon).run(sender, asked));
    let mut desk = Desk { folder: outer, received, reload, last: Arc::default(), sent: 0 };
    desk.until("the fault", |d| codes(d) == [Code::UnreadableFile]).await;
    fs::create_dir(&directory).unwrap();
    fs::write(directory.join("a.yml"), router("a")).unwrap();
    let there = desk.until_routers(&["a"]).await;
    desk.until("no fault", |d| d.diagnostics.is_empty()).await;
    assert_eq!(there.routers.len(), 1);
    fs::rename(&directory, desk.path("away")).unwrap();
    let away = desk.until("the fault", |d| !d.diagnostics.is_empty()).await;
    assert_eq!(away.routers.len(), 1, "nobody knows that its files are gone");
    assert!(!desk.reload.is_closed());
}

#[tokio::test(flavor = "multi_thread")]
async fn unwatched_files_are_read_when_that_is_asked_for() {
    let mut desk =
        Desk::start("a.yml", false, timing(), |folder| fs::write(folder.join("a.yml"), router("one")).unwrap());
    desk.until_routers(&["one"]).await;
    desk.write("a.yml", &router("two"));
    desk.reload.send(()).unwrap();
    desk.until_routers(&["two"]).await;
    desk.reload.send(()).unwrap();
    desk.write("a.yml", &router("three"));
    desk.reload.send(()).unwrap();
    desk.until_routers(&["three"]).await;
    assert_eq!(desk.sent, 3, "what says the same is not sent again");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nobody_tells_of_changes_they_are_found() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.yml");
    fs::write(&path, router("one")).unwrap();
    let (files, folders) = (BTreeSet::from([path.clone()]), BTreeSet::new());
    let mut library = Library::new(NAME, files, folders, timing(), |_| None);
    assert!(library.look(Instant::now()).declarations.is_some());
    assert!(!library.is_another());
    assert!(library.look(Instant::now()).declarations.is_none(), "the same says nothing");
    fs::write(&path, router("another")).unwrap();
    assert!(library.is_another());
    let found = library.look(Instant::now()).declarations.unwrap();
    assert!(found.routers.contains_key("another"));
    assert!(!library.is_another());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happens_beside_the_file_is_none_of_it() {
    let mut desk =
        Desk::start("a.yml", true, timing(), |folder| fs::write(folder.join("a.yml"), router("one")).unwrap());
    desk.until_routers(&["one"]).await;
    // A log that is never closed, and files that are called like ours.
    let mut log = fs::File::create(desk.path("app.log")).unwrap();
    for n in 0..20 {
        std::io::Write::write_all(&mut log, b"a line\n").unwrap();
        desk.write("b.yml", &router(&format!("other{n}")));
    }
    desk.write("a.yml", &router("two"));
    desk.until_routers(&["two"]).await;
    assert_eq!(desk.sent, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_file_is_not_waited_for() {
    let mut desk = Desk::start("", true, timing(), |folder| {
        nix::unistd::mkfifo(&folder.join("pipe.yml"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        fs::write(folder.join("a.yml"), router("a")).unwrap();
    });
    let found = desk.until_routers(&["a"]).await;
    assert_eq!(codes(&found), [Code::UnreadableFile], "{found:#?}");
}

#[test]
fn options_that_name_nothing_are_refused() {
    let named =
        |filename: &str| FileProvider::new(&FileOptions { filename: filename.to_owned(), ..FileOptions::default() });
    assert!(named("").unwrap_err().contains("filename or directory"));
    assert!(named("/etc/x.json").unwrap_err().contains(".yml, .yaml or .toml"));
    assert_eq!(named("/etc/x.YML").unwrap().shown(), "/etc/x.YML");
}
