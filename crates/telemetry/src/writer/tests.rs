//! Lanes and writer together, over files and sinks that misbehave on demand.

use std::sync::{Condvar, Mutex};
use std::time::Instant;

use super::*;
use crate::Record;

const DEADLINE: Duration = Duration::from_secs(10);

fn record(path: &str) -> Record<'_> {
    Record { method: "GET", host: "a", path_and_query: path, status: 200, ..Record::default() }
}

fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let end = Instant::now() + DEADLINE;
    while !condition() {
        assert!(Instant::now() < end, "{what}");
        thread::yield_now();
    }
}

/// A sink that can be shut, and that fails or stops short when it is told to.
#[derive(Clone, Default)]
struct Tap(Arc<(Mutex<TapState>, Condvar)>);

#[derive(Default)]
struct TapState {
    written: Vec<u8>,
    shut: bool,
    /// Take so many bytes, then fail.
    fail_after: Option<usize>,
}

impl Tap {
    fn with<T>(&self, f: impl FnOnce(&mut TapState) -> T) -> T {
        let result = f(&mut self.0.0.lock().unwrap());
        self.0.1.notify_all();
        result
    }

    fn text(&self) -> String {
        self.with(|state| String::from_utf8_lossy(&state.written).into_owned())
    }

    fn start(&self) -> Writer {
        Writer::start_with(Output::Test(Box::new(self.clone())), Format::Seaway { colour: false }, Filters::default())
            .unwrap()
    }
}

impl Write for Tap {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let guard = self.0.0.lock().unwrap();
        let mut state = self.0.1.wait_while(guard, |state| state.shut).unwrap();
        let room = match &mut state.fail_after {
            Some(0) => return Err(io::ErrorKind::StorageFull.into()),
            Some(room) => {
                let take = bytes.len().min(*room);
                *room -= take;
                take
            }
            None => bytes.len(),
        };
        state.written.extend_from_slice(&bytes[..room]);
        Ok(room)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn paths(text: &str) -> Vec<&str> {
    text.lines().filter_map(|line| line.split(' ').nth(3)).collect()
}

#[test]
fn lines_of_every_lane_arrive_whole_and_in_their_order() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new/folder/access.log");
    let writer = Writer::start(Sink::File(path.clone()), Format::Seaway { colour: false }, Filters::default()).unwrap();
    thread::scope(|scope| {
        for worker in 0..4 {
            let lane = writer.lane();
            scope.spawn(move || {
                for n in 0..500 {
                    lane.write(&record(&format!("/{worker}/{n}")));
                    if n % 50 == 0 {
                        lane.flush();
                    }
                }
            });
        }
    });
    assert_eq!(writer.dropped(), 0);
    writer.stop();
    let text = std::fs::read_to_string(path).unwrap();
    let paths = paths(&text);
    assert_eq!(paths.len(), 2_000);
    for worker in 0..4 {
        let prefix = format!("a/{worker}/");
        let seen: Vec<usize> = paths.iter().filter_map(|p| p.strip_prefix(&*prefix)?.parse().ok()).collect();
        assert_eq!(seen, (0..500).collect::<Vec<_>>());
    }
}

#[test]
fn a_slow_sink_never_blocks_a_lane_and_what_is_dropped_is_counted() {
    let tap = Tap::default();
    tap.with(|state| state.shut = true);
    let writer = tap.start();
    let lane = writer.lane();
    let mut written = 0u64;
    while writer.dropped() == 0 {
        assert!(written < 10_000_000, "a lane keeps lines without end");
        lane.write(&record("/x"));
        written += 1;
        if lane.needs_flush() {
            lane.flush();
        }
    }
    tap.with(|state| state.shut = false);
    drop(lane);
    let Writer { counters, .. } = &writer;
    let counters = Arc::clone(counters);
    wait_until("the writer catches up", || {
        tap.text().lines().count() as u64 + counters.dropped.load(Ordering::Relaxed) == written
    });
    writer.stop();
}

#[test]
fn a_failing_sink_is_survived_and_no_line_runs_into_another() {
    let tap = Tap::default();
    let writer = tap.start();
    let lane = writer.lane();
    tap.with(|state| state.fail_after = Some(7));
    lane.write(&record("/lost"));
    lane.flush();
    wait_until("the write fails", || writer.write_errors() == 1);
    assert_eq!(writer.dropped(), 1);
    tap.with(|state| state.fail_after = None);
    lane.write(&record("/kept"));
    lane.flush();
    writer.stop();
    let text = tap.text();
    assert_eq!(text.lines().count(), 2, "{text}");
    assert_eq!(paths(&text), ["a/kept"]);
}

#[test]
fn after_a_rename_and_reopen_lines_go_to_the_new_file() {
    let folder = tempfile::tempdir().unwrap();
    let (path, old) = (folder.path().join("access.log"), folder.path().join("access.log.1"));
    let writer = Writer::start(Sink::File(path.clone()), Format::Common, Filters::default()).unwrap();
    let lane = writer.lane();
    lane.write(&record("/before"));
    lane.flush();
    wait_until("the first line is there", || std::fs::metadata(&path).is_ok_and(|m| m.len() > 0));
    std::fs::rename(&path, &old).unwrap();
    writer.reopen();
    lane.write(&record("/after"));
    lane.flush();
    writer.stop();
    assert!(std::fs::read_to_string(old).unwrap().contains("/before"));
    let new = std::fs::read_to_string(path).unwrap();
    assert!(new.contains("/after") && !new.contains("/before"));
}

#[test]
fn stopping_ends_the_thread_and_lines_that_come_later_are_counted() {
    let tap = Tap::default();
    let writer = tap.start();
    let lane = writer.lane();
    lane.write(&record("/a"));
    lane.flush();
    let counters = Arc::clone(&writer.counters);
    writer.stop();
    assert_eq!(paths(&tap.text()), ["a/a"]);
    lane.write(&record("/b"));
    lane.flush();
    assert_eq!(counters.dropped.load(Ordering::Relaxed), 1);
}

#[test]
fn a_file_that_cannot_be_opened_is_an_error_at_once() {
    let folder = tempfile::tempdir().unwrap();
    assert!(Writer::start(Sink::File(folder.path().into()), Format::Common, Filters::default()).is_err());
}

#[test]
fn buffers_come_back_to_their_lane() {
    let tap = Tap::default();
    let writer = tap.start();
    let lane = writer.lane();
    lane.write(&record("/a"));
    lane.flush();
    wait_until("the line is written", || !tap.text().is_empty());
    writer.stop();
    assert!(lane.holds_a_spare());
}

#[test]
fn filtered_records_are_neither_written_nor_dropped() {
    let tap = Tap::default();
    let options =
        seaway_config::statics::AccessLogFilters { status_codes: vec!["500-599".into()], ..Default::default() };
    let writer =
        Writer::start_with(Output::Test(Box::new(tap.clone())), Format::Json, Filters::new(&options).unwrap()).unwrap();
    let lane = writer.lane();
    lane.write(&record("/a"));
    lane.flush();
    assert_eq!(writer.dropped(), 0);
    drop(lane);
    writer.stop();
    assert_eq!(tap.text(), "");
}
