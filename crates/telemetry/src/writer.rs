//! The one thread that writes.

use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use crate::{Fields, Filters, Format, Lane};

/// Batches under way to the writer.
const QUEUE: usize = 64;

/// How long stopping waits for what is still to be written: a sink that takes nothing must not keep Seaway from ending.
const STOP_WITHIN: Duration = Duration::from_secs(2);

/// Where the lines go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sink {
    /// Standard output.
    Stdout,
    /// A file, appended to; it and its folder are made if they do not exist.
    File(PathBuf),
}

impl Sink {
    /// The sink of `accessLog.filePath`: an empty path means standard output.
    pub fn from_path(path: &str) -> Self {
        if path.is_empty() { Self::Stdout } else { Self::File(path.into()) }
    }

    /// True where colours are welcome.
    pub fn is_terminal(&self) -> bool {
        *self == Self::Stdout && io::stdout().is_terminal()
    }
}

/// The log: makes lanes, and owns the thread that writes what they hand over.
#[derive(Debug)]
pub struct Writer {
    format: Format,
    filters: Filters,
    fields: Fields,
    queue: SyncSender<Message>,
    counters: Arc<Counters>,
    orders: Arc<Orders>,
    finished: Receiver<()>,
}

impl Writer {
    /// Opens the sink and starts the thread. An error means that the file cannot be opened, or no thread be made.
    pub fn start(sink: Sink, format: Format, filters: Filters) -> io::Result<Self> {
        match sink {
            Sink::Stdout => Self::start_with(Output::Stdout, format, filters),
            Sink::File(path) => {
                let file = open(&path)?;
                Self::start_with(Output::File { path, file }, format, filters)
            }
        }
    }

    fn start_with(output: Output, format: Format, filters: Filters) -> io::Result<Self> {
        let (queue, batches) = sync_channel(QUEUE);
        let (finish, finished) = sync_channel(1);
        let counters = Arc::new(Counters::default());
        let orders = Arc::new(Orders::default());
        let mut work = Work {
            output,
            batches,
            counters: Arc::clone(&counters),
            orders: Arc::clone(&orders),
            torn: false,
            failing: false,
        };
        thread::Builder::new().name("access-log".to_owned()).spawn(move || {
            work.run();
            // Before it is said that the thread is done: from here on a lane is told that nobody listens.
            drop(work);
            finish.try_send(()).ok();
        })?;
        Ok(Self { format, filters, fields: Fields::default(), queue, counters, orders, finished })
    }

    /// The same, with these fields and headers in each line: to be said before lanes are made.
    #[must_use]
    pub fn with_fields(self, fields: Fields) -> Self {
        Self { fields, ..self }
    }

    /// A new lane, for one worker.
    pub fn lane(&self) -> Lane {
        Lane::new(
            self.format,
            self.filters.clone(),
            self.fields.clone(),
            self.queue.clone(),
            Arc::clone(&self.counters),
        )
    }

    /// Opens the file anew, after it was renamed or removed. Standard output stays as it is.
    pub fn reopen(&self) {
        self.order(&self.orders.reopen);
    }

    /// What has gone wrong with it so far, for those who tell of it later.
    pub fn counts(&self) -> Counts {
        Counts(Arc::clone(&self.counters))
    }

    /// Lines that were dropped because the sink was too slow, failed, or had been closed.
    pub fn dropped(&self) -> u64 {
        self.counters.dropped.load(Ordering::Relaxed)
    }

    /// Writes that the sink refused.
    pub fn write_errors(&self) -> u64 {
        self.counters.write_errors.load(Ordering::Relaxed)
    }

    /// Writes what was handed over and ends the thread; gives up on a sink that takes nothing for two seconds.
    pub fn stop(self) {
        self.order(&self.orders.stop);
        match self.finished.recv_timeout(STOP_WITHIN) {
            Ok(()) | Err(RecvTimeoutError::Disconnected) => {}
            Err(RecvTimeoutError::Timeout) => complain("the access log took no more lines; the last ones are lost"),
        }
    }

    /// A full queue needs no waking: whoever empties it looks at the orders between any two batches.
    fn order(&self, order: &AtomicBool) {
        order.store(true, Ordering::Release);
        self.queue.try_send(Message::Wake).ok();
    }
}

/// What has gone wrong with the log, as it is at the time of asking.
#[derive(Clone, Debug)]
pub struct Counts(Arc<Counters>);

impl Counts {
    /// As [`Writer::dropped`].
    pub fn dropped(&self) -> u64 {
        self.0.dropped.load(Ordering::Relaxed)
    }

    /// As [`Writer::write_errors`].
    pub fn write_errors(&self) -> u64 {
        self.0.write_errors.load(Ordering::Relaxed)
    }
}

/// What goes to the thread.
#[derive(Debug)]
pub(crate) enum Message {
    Batch(Batch),
    /// Look at the orders.
    Wake,
}

/// Whole lines of one lane.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) bytes: Vec<u8>,
    pub(crate) lines: u64,
    /// Where the empty buffer goes.
    pub(crate) give_back: SyncSender<Vec<u8>>,
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    dropped: AtomicU64,
    write_errors: AtomicU64,
}

impl Counters {
    pub(crate) fn drop_lines(&self, lines: u64) {
        if lines != 0 {
            self.dropped.fetch_add(lines, Ordering::Relaxed);
        }
    }
}

#[derive(Debug, Default)]
struct Orders {
    reopen: AtomicBool,
    stop: AtomicBool,
}

/// What the thread owns.
struct Work {
    output: Output,
    batches: Receiver<Message>,
    counters: Arc<Counters>,
    orders: Arc<Orders>,
    /// The last write ended inside a line.
    torn: bool,
    /// The last write failed, and that was said.
    failing: bool,
}

impl Work {
    /// Until it is told to stop and nothing is left, or until nobody can send any more.
    fn run(&mut self) {
        loop {
            let message = if self.orders.stop.load(Ordering::Acquire) {
                self.batches.try_recv().ok()
            } else {
                self.batches.recv().ok()
            };
            let Some(message) = message else { return };
            if self.orders.reopen.swap(false, Ordering::AcqRel)
                && let Err(error) = self.output.reopen()
            {
                complain(&format!("the access log cannot be reopened and goes on in the old file: {error}"));
            }
            if let Message::Batch(batch) = message {
                self.write(batch);
            }
        }
    }

    fn write(&mut self, batch: Batch) {
        // A line that a failure cut in two must not run into the next one.
        let start = if self.torn { self.output.put(b"\n") } else { Ok(()) };
        match start.and_then(|()| self.output.put(&batch.bytes)) {
            Ok(()) => {
                if self.failing {
                    complain("the access log is written again");
                }
                (self.torn, self.failing) = (false, false);
            }
            Err(failure) => {
                self.torn |= failure.torn;
                self.counters.write_errors.fetch_add(1, Ordering::Relaxed);
                self.counters.drop_lines(batch.lines);
                if !self.failing {
                    complain(&format!(
                        "the access log cannot be written; lines are dropped and counted: {}",
                        failure.error
                    ));
                }
                self.failing = true;
            }
        }
        let mut bytes = batch.bytes;
        bytes.clear();
        // A lane that has spares enough, or is gone, does not need it.
        batch.give_back.try_send(bytes).ok();
    }
}

enum Output {
    Stdout,
    File {
        path: PathBuf,
        file: File,
    },
    #[cfg(test)]
    Test(Box<dyn Write + Send>),
}

struct Failure {
    error: io::Error,
    /// Something of it was written.
    torn: bool,
}

impl Output {
    fn put(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        match self {
            Self::Stdout => put(&mut io::stdout().lock(), bytes),
            Self::File { file, .. } => put(file, bytes),
            #[cfg(test)]
            Self::Test(sink) => put(sink, bytes),
        }
    }

    fn reopen(&mut self) -> io::Result<()> {
        if let Self::File { path, file } = self {
            *file = open(path)?;
        }
        Ok(())
    }
}

fn put(sink: &mut impl Write, bytes: &[u8]) -> Result<(), Failure> {
    let mut rest = bytes;
    while !rest.is_empty() {
        let error = match sink.write(rest) {
            Ok(0) => io::ErrorKind::WriteZero.into(),
            Ok(written) => {
                rest = rest.get(written..).unwrap_or_default();
                continue;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => error,
        };
        return Err(Failure { error, torn: rest.len() < bytes.len() });
    }
    sink.flush().map_err(|error| Failure { error, torn: true })
}

fn open(path: &Path) -> io::Result<File> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder)?;
    }
    OpenOptions::new().append(true).create(true).open(path)
}

/// Standard error is the last place there is: when that fails too, nobody can be told.
fn complain(message: &str) {
    writeln!(io::stderr(), "seaway: {message}").ok();
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
