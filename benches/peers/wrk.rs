//! The closed loop: `wrk` with one thread, and what it counted.

use std::path::Path;
use std::time::Duration;

use super::children::{self, Failure};
use super::cores::Cores;

const DONE: &str = include_str!("wrk/done.lua");
const POST: &str = include_str!("wrk/post.lua");
const STICKY: &str = include_str!("wrk/sticky.lua");

/// What `wrk` is to send.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shape {
    pub(crate) connections: usize,
    pub(crate) host: String,
    pub(crate) path: String,
    pub(crate) post: bool,
    /// A new connection for each request.
    pub(crate) close: bool,
    /// Sent in turn; none: no cookies.
    pub(crate) cookies: Vec<String>,
}

/// What `wrk` counted.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Counted {
    pub(crate) requests: u64,
    pub(crate) seconds: f64,
    pub(crate) bytes: u64,
    /// Answers above 399.
    pub(crate) status: u64,
    /// Connections that failed in one way or another, and answers that did not come.
    pub(crate) broken: u64,
}

/// Runs it against a port of 127.0.0.1.
///
/// # Errors
/// `wrk` could not be run, or what it said could not be read.
pub(crate) fn run(port: u16, shape: &Shape, time: Duration, cores: &Cores, dir: &Path) -> Result<Counted, Failure> {
    let script = dir.join("wrk.lua");
    std::fs::write(&script, script_of(shape)).map_err(|e| Failure::new(format!("{}: {e}", script.display())))?;
    let mut command = cores.generator("wrk");
    command.args(["-t1", &format!("-c{}", shape.connections), &format!("-d{}s", time.as_secs().max(1))]);
    command.arg("--timeout").arg("5s").arg("-s").arg(&script);
    command.arg("-H").arg(format!("Host: {}", shape.host));
    if shape.close {
        command.arg("-H").arg("Connection: close");
    }
    command.arg(format!("http://127.0.0.1:{port}{}", shape.path));
    let said = children::output(command, time + Duration::from_secs(20))?;
    parse(&said).ok_or_else(|| Failure::new(format!("wrk said nothing that could be read:\n{said}")))
}

fn script_of(shape: &Shape) -> String {
    let mut script = String::new();
    if shape.post {
        script.push_str(POST);
    }
    if !shape.cookies.is_empty() {
        let cookies = shape.cookies.iter().map(|c| format!("{c:?}")).collect::<Vec<_>>().join(", ");
        script.push_str(&format!("cookies = {{ {cookies} }}\n{STICKY}"));
    }
    script + DONE
}

/// The line that `wrk/done.lua` writes.
fn parse(said: &str) -> Option<Counted> {
    let line = said.lines().find_map(|line| line.strip_prefix("figures: "))?;
    let number = |key: &str| {
        let field = line.split(' ').find_map(|field| field.strip_prefix(key)?.strip_prefix('='));
        field.and_then(|value| value.parse::<u64>().ok())
    };
    let broken = ["connect", "read", "write", "timeout"].iter().map(|key| number(key)).sum::<Option<u64>>()?;
    let micros = Duration::from_micros(number("microseconds")?);
    Some(Counted {
        requests: number("requests")?,
        seconds: micros.as_secs_f64(),
        bytes: number("bytes")?,
        status: number("status")?,
        broken,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_wrk_counted_is_read_from_among_what_it_says() {
        let said = "Running 3s test @ http://127.0.0.1:1/128\n  1 threads and 64 connections\n\
                    Requests/sec:  9.99\nfigures: requests=201234 microseconds=3000123 bytes=44000000 status=3 \
                    connect=1 read=2 write=4 timeout=8\n";
        let expected =
            Counted { requests: 201_234, seconds: 3.000_123, bytes: 44_000_000, status: 3, broken: 1 + 2 + 4 + 8 };
        assert_eq!(parse(said), Some(expected));
        assert_eq!(parse("unable to connect to 127.0.0.1:1 Connection refused\n"), None);
        assert_eq!(parse("figures: requests=1 microseconds=2\n"), None);
    }

    #[test]
    fn a_script_has_what_its_shape_asks_for() {
        let plain = script_of(&Shape::default());
        assert_eq!(plain, DONE);
        let cookies = vec!["lb=a".to_owned(), "lb=\"b\"".to_owned()];
        let both = script_of(&Shape { post: true, cookies, ..Shape::default() });
        assert!(both.contains("wrk.method = \"POST\""), "{both}");
        assert!(both.contains(r#"cookies = { "lb=a", "lb=\"b\"" }"#), "{both}");
        assert!(both.ends_with(DONE));
    }
}
