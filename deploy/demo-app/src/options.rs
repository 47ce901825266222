//! What can be chosen about one instance, and how the program reads it from its environment.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// What one instance is called and how it behaves.
#[derive(Clone, Debug)]
pub struct Options {
    /// The host name that pages, answers and `X-Replica` show.
    pub name: String,
    /// What happens to connections when the instance is told to stop.
    pub stop: StopMode,
    /// With [`StopMode::Drain`]: how long an idle connection is still read after the stop, so that a request that crossed it on
    /// the way is answered (with `Connection: close`). Zero closes idle connections at once.
    pub idle_grace: Duration,
    /// With [`StopMode::Drain`]: when what still runs is cut off after all.
    pub drain_limit: Duration,
    /// Name of a session cookie that the application gives to every visitor on the first visit, as `JSESSIONID` servers do.
    /// Without it a session begins with a login and its cookie is `app_session`.
    pub app_cookie: Option<String>,
    /// What `/` answers.
    pub index: Index,
    /// The path that the page's Fetch button calls.
    pub api_path: String,
    /// Guards others instead of serving: every path answers who this is, or 401.
    pub gate: Option<Gate>,
    /// A file to which each order is appended as `<name> <id>`: it outlives the replica, where the memory of it does not.
    pub orders_file: Option<PathBuf>,
    /// Whether each request is printed to standard output.
    pub print_requests: bool,
}

/// What happens to connections when the instance is told to stop.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StopMode {
    /// Close the listener and idle connections, finish what runs, say goodbye to WebSockets and event streams.
    #[default]
    Drain,
    /// Drop everything at once.
    Exit,
}

/// The one visitor that a gate knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gate {
    /// The name that `X-Forwarded-User` tells.
    pub user: String,
    /// The whole value of `Authorization` that this visitor brings.
    pub authorization: String,
}

/// What `/` answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Index {
    /// The page that shows its host name.
    #[default]
    Page,
    /// The list of animals: for use behind a proxy that strips a prefix.
    Animals,
}

impl Options {
    /// An instance called `name`, everything else as by default.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }

    /// Reads `STOP`, `DRAIN_IDLE_MS`, `APP_COOKIE`, `INDEX`, `API_PATH`, `ORDERS_FILE`, `GATE` and `NAME` through `variable`. An empty
    /// value counts as none.
    ///
    /// # Errors
    /// A value that means nothing: never guessed at, because a demo that quietly runs otherwise shows something false.
    pub fn from_environment(variable: impl Fn(&str) -> Option<String>) -> Result<Self, InvalidOption> {
        let get = |name: &str| variable(name).filter(|value| !value.is_empty());
        let mut options = Self::default();
        if let Some(name) = get("NAME") {
            options.name = name;
        }
        if let Some(stop) = get("STOP") {
            options.stop = match stop.as_str() {
                "drain" => StopMode::Drain,
                "exit" => StopMode::Exit,
                _ => return Err(InvalidOption::new("STOP", stop, "drain or exit")),
            };
        }
        if let Some(index) = get("INDEX") {
            options.index = match index.as_str() {
                "page" => Index::Page,
                "animals" => Index::Animals,
                _ => return Err(InvalidOption::new("INDEX", index, "page or animals")),
            };
        }
        if let Some(grace) = get("DRAIN_IDLE_MS") {
            options.idle_grace = match grace.parse() {
                Ok(milliseconds) => Duration::from_millis(milliseconds),
                Err(_) => return Err(InvalidOption::new("DRAIN_IDLE_MS", grace, "a number of milliseconds")),
            };
        }
        if let Some(cookie) = get("APP_COOKIE") {
            if !cookie.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.')) {
                return Err(InvalidOption::new("APP_COOKIE", cookie, "a cookie name of letters, digits, _, - and ."));
            }
            options.app_cookie = Some(cookie);
        }
        if let Some(path) = get("API_PATH") {
            let harmless = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'_' | b'-' | b'.');
            if !path.starts_with('/') || !path.bytes().all(harmless) {
                return Err(InvalidOption::new("API_PATH", path, "a path such as /api/animals"));
            }
            options.api_path = path;
        }
        if let Some(gate) = get("GATE") {
            let name = |user: &str| !user.is_empty() && user.bytes().all(|byte| byte.is_ascii_alphanumeric());
            match gate.split_once('=') {
                Some((user, authorization)) if name(user) && !authorization.is_empty() => {
                    options.gate = Some(Gate { user: user.to_owned(), authorization: authorization.to_owned() });
                }
                _ => return Err(InvalidOption::new("GATE", gate, "<user>=<value of Authorization>")),
            }
        }
        options.orders_file = get("ORDERS_FILE").map(PathBuf::from);
        Ok(options)
    }

    /// The name of the cookie that carries a session.
    pub(crate) fn session_cookie(&self) -> &str {
        self.app_cookie.as_deref().unwrap_or("app_session")
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            name: "demo".to_owned(),
            stop: StopMode::Drain,
            idle_grace: Duration::ZERO,
            drain_limit: Duration::from_secs(30),
            app_cookie: None,
            index: Index::Page,
            api_path: "/api/animals".to_owned(),
            gate: None,
            orders_file: None,
            print_requests: false,
        }
    }
}

/// An environment variable whose value means nothing.
#[derive(Debug, PartialEq, Eq)]
pub struct InvalidOption {
    variable: &'static str,
    value: String,
    wanted: &'static str,
}

impl InvalidOption {
    fn new(variable: &'static str, value: String, wanted: &'static str) -> Self {
        Self { variable, value, wanted }
    }
}

impl fmt::Display for InvalidOption {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}={:?}: it must be {}", self.variable, self.value, self.wanted)
    }
}

impl std::error::Error for InvalidOption {}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<Options, InvalidOption> {
        Options::from_environment(|name| {
            pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn nothing_set_is_the_default() {
        let options = read(&[("STOP", ""), ("APP_COOKIE", "")]).unwrap();
        assert_eq!(options.stop, StopMode::Drain);
        assert_eq!(options.session_cookie(), "app_session");
    }

    #[test]
    fn each_variable_is_read() {
        let options = read(&[
            ("NAME", "web-1"),
            ("STOP", "exit"),
            ("DRAIN_IDLE_MS", "40"),
            ("APP_COOKIE", "JSESSIONID"),
            ("INDEX", "animals"),
            ("API_PATH", "/api/animals/"),
            ("ORDERS_FILE", "/orders/log"),
            ("GATE", "anna=Basic YTpi=="),
        ])
        .unwrap();
        assert_eq!(options.name, "web-1");
        assert_eq!(options.stop, StopMode::Exit);
        assert_eq!(options.idle_grace, Duration::from_millis(40));
        assert_eq!(options.session_cookie(), "JSESSIONID");
        assert_eq!(options.index, Index::Animals);
        assert_eq!(options.api_path, "/api/animals/");
        assert_eq!(options.orders_file, Some(PathBuf::from("/orders/log")));
        assert_eq!(options.gate, Some(Gate { user: "anna".to_owned(), authorization: "Basic YTpi==".to_owned() }));
    }

    #[test]
    fn nonsense_names_the_variable_and_what_it_must_be() {
        for (variable, value) in [
            ("STOP", "later"),
            ("INDEX", "none"),
            ("DRAIN_IDLE_MS", "-1"),
            ("APP_COOKIE", "a b"),
            ("API_PATH", "/<script>"),
            ("GATE", "anna"),
            ("GATE", "=Basic YTpi=="),
        ] {
            let error = read(&[(variable, value)]).unwrap_err().to_string();
            assert!(error.starts_with(variable) && error.contains("must be"), "{error}");
        }
    }
}
