//! Calling docker and compose, and what a test that was cut off left behind.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// How names of test projects begin; the number of the process that made one follows.
const PREFIX: &str = "seawaytest";

/// A command that takes longer hangs.
const LONGEST: &str = "180";

/// A project name that no other test, nor another run of this one, has.
pub(super) fn project(name: &str) -> String {
    format!("{PREFIX}-{}-{name}", std::process::id())
}

/// Runs `docker` and gives what it printed; panics when it fails.
#[track_caller]
pub(super) fn docker(arguments: &[&str]) -> String {
    try_docker(arguments).unwrap_or_else(|said| panic!("docker {}: {said}", arguments.join(" ")))
}

/// Runs `docker`; its output, or what it complained of.
pub(super) fn try_docker(arguments: &[&str]) -> Result<String, String> {
    let mut command = limited("docker");
    command.args(arguments);
    run(command)
}

/// Runs any command in `folder` with `environment` added; panics when it fails.
#[track_caller]
pub(super) fn command(program: &str, arguments: &[&str], folder: &Path, environment: &[(&str, &str)]) -> String {
    let mut command = limited(program);
    command.args(arguments).current_dir(folder).envs(environment.iter().copied());
    run(command).unwrap_or_else(|said| panic!("{program} {}: {said}", arguments.join(" ")))
}

/// Runs compose, whichever there is, in `folder`; panics when it fails.
#[track_caller]
pub(super) fn compose(arguments: &[&str], folder: &Path, environment: &[(&str, &str)]) -> String {
    static COMPOSE: OnceLock<bool> = OnceLock::new();
    if *COMPOSE.get_or_init(|| try_docker(&["compose", "version"]).is_ok()) {
        command("docker", &[&["compose"], arguments].concat(), folder, environment)
    } else {
        command("docker-compose", arguments, folder, environment)
    }
}

/// Waits until `probe` gives something, asking often; panics when that takes longer than `limit`.
#[track_caller]
pub(super) fn eventually<T>(what: &str, limit: Duration, probe: impl FnMut() -> Option<T>) -> T {
    try_eventually(limit, probe).unwrap_or_else(|| panic!("{what}: not within {limit:?}"))
}

/// The same; nothing when it takes longer than `limit`.
pub(super) fn try_eventually<T>(limit: Duration, mut probe: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + limit;
    while Instant::now() < deadline {
        if let Some(found) = probe() {
            return Some(found);
        }
        #[allow(clippy::disallowed_methods, reason = "a pause between two looks at a condition that has a deadline")]
        std::thread::sleep(Duration::from_millis(10));
    }
    probe()
}

/// A compose project; everything in it is removed with this, however the test ends.
#[derive(Debug)]
pub(super) struct Project(String);

impl Project {
    /// A project whose name no other test, nor another run of this one, has.
    pub(super) fn new(name: &str) -> Self {
        Self(project(name))
    }

    /// Its name.
    pub(super) fn name(&self) -> &str {
        &self.0
    }
}

impl Drop for Project {
    fn drop(&mut self) {
        remove(&self.0);
    }
}

/// Removes every container, network and volume of a project, at once and without asking any of them to end nicely.
fn remove(project: &str) {
    let filter = format!("label=com.docker.compose.project={project}");
    // What cannot be removed is tried again before the next run; a test does not fail because of it.
    for (list, remove) in [
        (&["ps", "-aq", "--filter"][..], &["rm", "-f", "-v"][..]),
        (&["network", "ls", "-q", "--filter"], &["network", "rm"]),
        (&["volume", "ls", "-q", "--filter"], &["volume", "rm", "-f"]),
    ] {
        let found = try_docker(&[list, &[&filter]].concat()).unwrap_or_default();
        let found: Vec<&str> = found.split_whitespace().collect();
        if !found.is_empty() {
            drop(try_docker(&[remove, &found].concat()));
        }
    }
}

/// Removes what tests of processes that are no more left behind.
pub(super) fn remove_leftovers() {
    let format = "{{.Label \"com.docker.compose.project\"}}";
    let mut projects = Vec::new();
    for list in [&["ps", "-a"][..], &["network", "ls"], &["volume", "ls"]] {
        let filter = ["--filter", "label=com.docker.compose.project", "--format", format];
        let found = try_docker(&[list, &filter].concat()).unwrap_or_default();
        projects.extend(found.lines().map(ToOwned::to_owned));
    }
    projects.sort();
    projects.dedup();
    for project in projects {
        let mut parts = project.split('-');
        let ours = parts.next() == Some(PREFIX);
        let maker = parts.next().and_then(|pid| pid.parse::<u32>().ok());
        if ours && maker.is_some_and(|pid| !PathBuf::from(format!("/proc/{pid}")).exists()) {
            remove(&project);
        }
    }
}

/// The folder that the repository is in.
pub(super) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn limited(program: &str) -> Command {
    let mut command = Command::new("timeout");
    command.args([LONGEST, program]).stdin(Stdio::null());
    command
}

fn run(mut command: Command) -> Result<String, String> {
    let output = command.output().map_err(|error| error.to_string())?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() {
        Ok(text(&output.stdout))
    } else {
        Err(format!("{}\n{}{}", output.status, text(&output.stdout), text(&output.stderr)))
    }
}
