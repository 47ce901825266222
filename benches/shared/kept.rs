//! Where results are kept, and what is said of the machine that they come from.

use std::path::{Path, PathBuf};

use time::OffsetDateTime;

/// Today, as results are dated.
pub(crate) fn today() -> String {
    OffsetDateTime::now_utc().date().to_string()
}

/// Writes a file of results to `benches/runs/<today>-<machine>/`, or to what `SEAWAY_BENCH_NAME` names in place of the
/// machine, and says so; `what` is what it holds.
pub(crate) fn keep(file: &str, what: &str, text: &str) {
    let name = std::env::var("SEAWAY_BENCH_NAME").unwrap_or_else(|_| format!("{}-processors", processors()));
    let shown = PathBuf::from("benches/runs").join(format!("{}-{name}", today())).join(file);
    match write(&Path::new(env!("CARGO_MANIFEST_DIR")).join(&shown), text) {
        Ok(()) => println!("\n{what} in {}", shown.display()),
        Err(error) => println!("\nThe results could not be kept: {error}"),
    }
}

/// How many this process may use.
pub(crate) fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// How busy the machine was in the last minute and in the last five.
pub(crate) fn load() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').take(2).collect::<Vec<_>>().join(" ")
}

fn write(path: &Path, text: &str) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::write(path, text)
}
