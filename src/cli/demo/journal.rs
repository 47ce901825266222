//! What Seaway itself says: the lines of its access log and about its pools, whichever way they come here.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

/// Older lines are forgotten.
const MOST: usize = 20_000;

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// The access log, about one request.
    Exchange(Exchange),
    /// `web 5→2 (−web-3 −web-4 −web-5) terminating`.
    Pool(Pool),
    /// Anything else.
    Other(String),
}

/// One line of the access log in the format `seaway`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Exchange {
    pub(super) time: String,
    pub(super) status: String,
    pub(super) method: String,
    /// Host, path and query.
    pub(super) target: String,
    /// The server that was asked.
    pub(super) server: Option<String>,
    pub(super) took: String,
    /// `none`, `new`, `hit`, `moved`, `expired`, `invalid`; empty where no service was found.
    pub(super) sticky: String,
    /// Why the client moved.
    pub(super) reason: Option<String>,
    /// What else is worth telling, as it stands: `attempt=2`, `held=1.2s`, `error=…`, `lost=…`.
    pub(super) notes: Vec<String>,
}

/// A change of a pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pool {
    pub(super) service: String,
    /// Servers that take requests now.
    pub(super) ready: usize,
    /// Another number than before.
    pub(super) changed: bool,
    pub(super) text: String,
}

/// The lines, in the order in which they came.
#[derive(Debug)]
pub(super) struct Journal {
    lines: Mutex<Lines>,
    /// How many lines have come.
    news: watch::Sender<usize>,
}

#[derive(Debug, Default)]
struct Lines {
    /// The number of the first that is still there.
    first: usize,
    kept: VecDeque<Said>,
}

impl Default for Journal {
    fn default() -> Self {
        Self { lines: Mutex::default(), news: watch::Sender::new(0) }
    }
}

impl Journal {
    /// Adds a line.
    pub(super) fn push(&self, said: Said) {
        let mut lines = self.lock();
        if lines.kept.len() >= MOST {
            lines.kept.pop_front();
            lines.first += 1;
        }
        lines.kept.push_back(said);
        let count = lines.first + lines.kept.len();
        drop(lines);
        self.news.send_replace(count);
    }

    /// A place to read on from: nothing before it is seen.
    pub(super) fn mark(&self) -> usize {
        let lines = self.lock();
        lines.first + lines.kept.len()
    }

    /// Everything after the mark, as far as it is still known.
    pub(super) fn since(&self, mark: usize) -> Vec<Said> {
        let lines = self.lock();
        lines.kept.iter().skip(mark.saturating_sub(lines.first)).cloned().collect()
    }

    /// Resolves when there are lines after the mark.
    pub(super) async fn beyond(&self, mark: usize) {
        let mut news = self.news.subscribe();
        // The sender lives in `self`.
        let _alive = news.wait_for(|count| *count > mark).await.is_ok();
    }

    /// The first line after the mark that is `wanted`; none if it has not come within the limit.
    pub(super) async fn wait_for<T>(
        &self,
        mark: usize,
        limit: Duration,
        wanted: impl Fn(&Said) -> Option<T>,
    ) -> Option<T> {
        let mut news = self.news.subscribe();
        let search = async {
            loop {
                news.borrow_and_update();
                if let Some(found) = self.since(mark).iter().find_map(&wanted) {
                    return Some(found);
                }
                if news.changed().await.is_err() {
                    return None;
                }
            }
        };
        tokio::time::timeout(limit, search).await.ok().flatten()
    }

    fn lock(&self) -> MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Said {
    /// Reads one line of either log.
    pub(super) fn parse(line: &str) -> Self {
        let line = line.trim_end();
        if let Some(exchange) = Exchange::parse(line) {
            return Self::Exchange(exchange);
        }
        let message = without_head(line);
        Pool::parse(message).map_or_else(|| Self::Other(message.to_owned()), Self::Pool)
    }
}

impl Exchange {
    fn parse(line: &str) -> Option<Self> {
        let (head, tail) = line.split_once(" → ")?;
        let mut words = head.split(' ');
        let (time, status, method, target) = (words.next()?, words.next()?, words.next()?, words.next()?);
        let is_time = time.len() == 12 && time.bytes().all(|b| b.is_ascii_digit() || matches!(b, b':' | b'.'));
        let is_status = status == "-" || (status.len() == 3 && status.bytes().all(|b| b.is_ascii_digit()));
        if !is_time || !is_status || words.next().is_some() {
            return None;
        }
        let mut exchange = Self {
            time: time.to_owned(),
            status: status.to_owned(),
            method: method.to_owned(),
            target: target.to_owned(),
            ..Self::default()
        };
        let mut words = tail.split(' ');
        exchange.server = words.next().filter(|name| *name != "-").map(ToOwned::to_owned);
        for word in words {
            match word.split_once('=') {
                // The address comes before it, and ends up here first.
                None => word.clone_into(&mut exchange.took),
                Some(("router" | "lb", _)) => {}
                Some(("sticky", verdict)) => verdict.clone_into(&mut exchange.sticky),
                Some(("reason", reason)) => exchange.reason = Some(reason.to_owned()),
                Some(_) => exchange.notes.push(word.to_owned()),
            }
        }
        Some(exchange)
    }

    /// Path and query.
    pub(super) fn path(&self) -> &str {
        self.target.find('/').and_then(|at| self.target.get(at..)).unwrap_or(&self.target)
    }
}

impl Pool {
    fn parse(message: &str) -> Option<Self> {
        let mut words = message.split(' ');
        let (service, counts) = (words.next()?, words.next()?);
        let ready = counts.rsplit('→').next()?.parse().ok()?;
        let changed = counts.contains('→');
        let told = changed || message.contains(" (") || message.contains("no server left");
        told.then(|| Self { service: service.to_owned(), ready, changed, text: message.to_owned() })
    }
}

/// What follows `12:04:11.482 INFO  `, where a line begins so.
fn without_head(line: &str) -> &str {
    let message = || {
        let (time, rest) = line.split_once(' ')?;
        let (level, message) = rest.split_once(' ')?;
        let is_time = time.len() == 12 && time.as_bytes().get(2) == Some(&b':');
        let is_level = matches!(level, "ERROR" | "WARN" | "INFO" | "DEBUG" | "TRACE");
        (is_time && is_level).then(|| message.trim_start())
    };
    message().unwrap_or(line)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn an_access_log_line_is_read() {
        let line = "12:04:11.482 200 GET app.localhost:8080/whoami?v=anna → web-2 172.20.0.5:80 3.1ms \
                    router=web@docker lb=wrr sticky=moved reason=draining attempt=2";
        let Said::Exchange(exchange) = Said::parse(line) else { panic!("not understood") };
        assert_eq!(
            exchange,
            Exchange {
                time: "12:04:11.482".to_owned(),
                status: "200".to_owned(),
                method: "GET".to_owned(),
                target: "app.localhost:8080/whoami?v=anna".to_owned(),
                server: Some("web-2".to_owned()),
                took: "3.1ms".to_owned(),
                sticky: "moved".to_owned(),
                reason: Some("draining".to_owned()),
                notes: vec!["attempt=2".to_owned()],
            }
        );
        assert_eq!(exchange.path(), "/whoami?v=anna");
    }

    #[test]
    fn a_request_without_a_server_is_read() {
        let Said::Exchange(exchange) = Said::parse("12:04:11.482 404 GET localhost/ → - 41µs error=no_route") else {
            panic!("not understood")
        };
        assert_eq!((exchange.server, exchange.took.as_str()), (None, "41µs"));
        assert_eq!(exchange.notes, ["error=no_route"]);
    }

    #[test]
    fn pool_lines_are_read_with_and_without_their_head() {
        for line in [
            "web 5→2 (−web-3 −web-4 −web-5) terminating",
            "12:04:11.482 INFO  web 5→2 (−web-3 −web-4 −web-5) terminating",
        ] {
            let Said::Pool(pool) = Said::parse(line) else { panic!("not understood: {line}") };
            assert_eq!((pool.service.as_str(), pool.ready, pool.changed), ("web", 2, true));
            assert_eq!(pool.text, "web 5→2 (−web-3 −web-4 −web-5) terminating");
        }
        let Said::Pool(pool) = Said::parse("web 2 (+web-3) starting: waits for port 80") else {
            panic!("not understood")
        };
        assert_eq!((pool.ready, pool.changed), (2, false));
    }

    #[test]
    fn other_lines_stay_as_they_are() {
        for (line, message) in [
            ("12:04:11.482 INFO  Seaway 0.1.0", "Seaway 0.1.0"),
            ("a → b", "a → b"),
            ("", ""),
            (
                "web-1 listens on port 80, on SIGTERM it will Drain",
                "web-1 listens on port 80, on SIGTERM it will Drain",
            ),
            ("web 5 things happened", "web 5 things happened"),
        ] {
            assert_eq!(Said::parse(line), Said::Other(message.to_owned()), "{line}");
        }
    }

    #[tokio::test]
    async fn a_line_is_waited_for_from_the_mark_on() {
        let journal = Journal::default();
        journal.push(Said::Other("a".to_owned()));
        let mark = journal.mark();
        let is = |wanted: &'static str| move |said: &Said| (*said == Said::Other(wanted.to_owned())).then_some(());
        let (found, ()) = tokio::join!(journal.wait_for(mark, Duration::from_secs(5), is("b")), async {
            journal.push(Said::Other("b".to_owned()));
        });
        assert!(found.is_some());
        assert!(journal.wait_for(mark, Duration::ZERO, is("a")).await.is_none(), "it came before the mark");
    }

    #[test]
    fn old_lines_are_forgotten_and_marks_stay_right() {
        let journal = Journal::default();
        for _ in 0..MOST {
            journal.push(Said::Other("old".to_owned()));
        }
        let mark = journal.mark();
        journal.push(Said::Other("new".to_owned()));
        assert_eq!(journal.since(mark), [Said::Other("new".to_owned())]);
        assert_eq!(journal.since(0).len(), MOST);
    }
}
