//! What happens to Seaway itself: one line for a person, or one JSON object for a machine.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use seaway_config::statics::LogOptions;
use time::OffsetDateTime;
use time::macros::format_description;
use tracing::level_filters::LevelFilter;
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, Writer};
use tracing_subscriber::fmt::{FmtContext, MakeWriter};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{Layer, filter, fmt as layer};

/// Starts logging as the options say.
pub(crate) fn start(options: &LogOptions) -> io::Result<()> {
    if options.file_path.is_empty() {
        let colour = !options.no_color && io::stderr().is_terminal();
        install(options, io::stderr, colour)
    } else {
        let path = PathBuf::from(&options.file_path);
        let file = Mutex::new(open(&path)?);
        install(options, FILE.get_or_init(|| LogFile { path, file }), false)
    }
}

/// Opens the log's file anew, after somebody has moved it away. What cannot be opened leaves the old one in use.
pub(crate) fn reopen() {
    let Some(log) = FILE.get() else { return };
    match open(&log.path) {
        Ok(file) => *log.file.lock().unwrap_or_else(PoisonError::into_inner) = file,
        Err(error) => {
            tracing::warn!(target: "seaway", "log.filePath={}: {error}; going on in the old file", log.path.display())
        }
    }
}

/// The log's file, if it has one.
static FILE: OnceLock<LogFile> = OnceLock::new();

struct LogFile {
    path: PathBuf,
    file: Mutex<File>,
}

impl<'a> MakeWriter<'a> for &'static LogFile {
    type Writer = Held<'a>;

    fn make_writer(&'a self) -> Self::Writer {
        Held(self.file.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

struct Held<'a>(MutexGuard<'a, File>);

impl io::Write for Held<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

fn open(path: &Path) -> io::Result<File> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    OpenOptions::new().create(true).append(true).open(path)
}

fn install<W>(options: &LogOptions, writer: W, colour: bool) -> io::Result<()>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let level = level(&options.level);
    // Libraries speak up only when something is wrong, unless everything is asked for.
    let others = if level == LevelFilter::TRACE { level } else { level.min(LevelFilter::WARN) };
    let wanted = filter::Targets::new().with_default(others).with_target("seaway", level);
    let subscriber = tracing_subscriber::registry();
    let result = if options.format.eq_ignore_ascii_case("json") {
        let json = layer::layer().json().flatten_event(true).with_target(false).with_writer(writer);
        tracing::subscriber::set_global_default(subscriber.with(json.with_filter(wanted)))
    } else {
        let lines = layer::layer().with_ansi(colour).event_format(Line).with_writer(writer);
        tracing::subscriber::set_global_default(subscriber.with(lines.with_filter(wanted)))
    };
    result.map_err(io::Error::other)
}

fn level(name: &str) -> LevelFilter {
    match name.to_ascii_uppercase().as_str() {
        "TRACE" => LevelFilter::TRACE,
        "DEBUG" => LevelFilter::DEBUG,
        "WARN" | "WARNING" => LevelFilter::WARN,
        "ERROR" | "FATAL" | "PANIC" => LevelFilter::ERROR,
        _ => LevelFilter::INFO,
    }
}

/// `12:04:11.482 INFO  web 2→5 (+web-3 +web-4 +web-5) routed in 6 ms`: the time first, as in the access log beside it.
struct Line;

impl<S, N> FormatEvent<S, N> for Line
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, ctx: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let now = OffsetDateTime::now_utc()
            .format(format_description!("[hour]:[minute]:[second].[subsecond digits:3]"))
            .unwrap_or_default();
        let level = *event.metadata().level();
        if writer.has_ansi_escapes() {
            let colour = match level {
                tracing::Level::ERROR => "31",
                tracing::Level::WARN => "33",
                tracing::Level::INFO => "32",
                _ => "90",
            };
            write!(writer, "\x1b[90m{now}\x1b[0m \x1b[{colour}m{level:<5}\x1b[0m ")?;
        } else {
            write!(writer, "{now} {level:<5} ")?;
        }
        ctx.field_format().format_fields(writer.by_ref(), event)?;
        writeln!(writer)
    }
}
