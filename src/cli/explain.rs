//! `seaway explain`: asks a running Seaway where a request would go, and prints the answer for people.

mod page;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::ExitCode;
use std::time::Duration;

use http::Uri;
use serde_json::Value;

use super::USAGE;

/// Where the API is if nobody says otherwise: `--api.insecure` puts it there.
const API: &str = "http://127.0.0.1:8080";

/// The longest that an answer may take, and the most that is read of it.
const PATIENCE: Duration = Duration::from_secs(10);
const MOST: u64 = 32 << 20;

/// What is asked.
#[derive(Debug, Default, PartialEq, Eq)]
struct Asked {
    api: Option<String>,
    json: bool,
    /// Of the query: names and values.
    query: Vec<(&'static str, String)>,
}

pub(super) fn run(arguments: &[String]) -> ExitCode {
    let asked = match parse(arguments) {
        Ok(asked) => asked,
        Err(text) => {
            eprintln!("seaway: {text}");
            return ExitCode::from(USAGE);
        }
    };
    let api = asked.api.as_deref().unwrap_or(API);
    match ask(api, &asked.query) {
        Ok((200, body)) if asked.json => {
            println!("{}", body.trim_end());
            ExitCode::SUCCESS
        }
        Ok((200, body)) => match serde_json::from_str::<Value>(&body) {
            Ok(told) => {
                print!("{}", page::write(&told));
                ExitCode::SUCCESS
            }
            Err(_) => fail(&format!("what {api} says is no answer of Seaway's")),
        },
        Ok((status, body)) => {
            let message = serde_json::from_str::<Value>(&body).ok();
            let message = message.as_ref().and_then(|answer| answer.get("message")).and_then(Value::as_str);
            fail(&page::clean(message.unwrap_or(&format!("{api} answered {status}: is the API switched on there?"))))
        }
        Err(text) => fail(&text),
    }
}

pub(super) fn help() -> ExitCode {
    println!(
        "seaway explain URL [options]    where a request to that URL would go, and why

  -X, --method METHOD      the method (GET)
  -H, --header 'N: VALUE'  a header; may be given several times
      --cookie NAME=VALUE  a cookie; may be given several times
      --from ADDRESS       the client's address (127.0.0.1)
      --entrypoint NAME    the entry point; otherwise the one that listens on the URL's port
      --api URL            where the API of the running Seaway is ({API})
      --json               the whole answer as JSON"
    );
    ExitCode::SUCCESS
}

fn fail(text: &str) -> ExitCode {
    eprintln!("seaway: {text}");
    ExitCode::FAILURE
}

fn parse(arguments: &[String]) -> Result<Asked, String> {
    let mut asked = Asked::default();
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        let (flag, mut given) = match argument.split_once('=') {
            Some((flag, value)) if flag.starts_with("--") => (flag, Some(value.to_owned())),
            _ => (argument.as_str(), None),
        };
        let mut value =
            || given.take().or_else(|| arguments.next().cloned()).ok_or_else(|| format!("{flag} needs a value"));
        match flag {
            "-X" | "--method" | "--request" => asked.query.push(("method", value()?)),
            "-H" | "--header" => asked.query.push(("header", value()?)),
            "-b" | "--cookie" => asked.query.push(("cookie", value()?)),
            "--from" => asked.query.push(("from", value()?)),
            "--entrypoint" | "--entryPoint" => asked.query.push(("entryPoint", value()?)),
            "--api" => asked.api = Some(value()?),
            "--json" => asked.json = true,
            flag if flag.starts_with('-') => return Err(format!("explain has no option {flag}; see explain --help")),
            url if asked.query.iter().any(|(name, _)| *name == "url") => {
                return Err(format!("one URL at a time, and {url} is the second"));
            }
            url => asked.query.push(("url", url.to_owned())),
        }
    }
    if !asked.query.iter().any(|(name, _)| *name == "url") {
        return Err("explain which URL? for example: seaway explain http://app.localhost/login".to_owned());
    }
    Ok(asked)
}

/// One question over one connection. HTTP/1.0 is asked in, so that the answer ends with the connection.
fn ask(api: &str, query: &[(&str, String)]) -> Result<(u16, String), String> {
    let whole = if api.contains("://") { api.to_owned() } else { format!("http://{api}") };
    let url: Uri = whole.parse().map_err(|error| format!("--api {api}: {error}"))?;
    let authority = url.authority().filter(|_| url.scheme_str() == Some("http"));
    let authority = authority.ok_or_else(|| format!("--api {api}: an http URL is needed, such as {API}"))?;
    let (host, port) = (authority.host().trim_matches(['[', ']']), authority.port_u16().unwrap_or(80));
    let query: Vec<String> = query.iter().map(|(name, value)| format!("{name}={}", escape(value))).collect();
    let path = format!("{}/api/seaway/explain?{}", url.path().trim_end_matches('/'), query.join("&"));
    let nobody = |error: std::io::Error| {
        format!("no Seaway answers at {api}: {error} (--api.insecure serves the API there, --api says where it is)")
    };
    let mut stream = TcpStream::connect((host, port)).map_err(nobody)?;
    stream.set_read_timeout(Some(PATIENCE)).map_err(nobody)?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {authority}\r\n\r\n").map_err(nobody)?;
    let mut answer = Vec::new();
    stream.take(MOST).read_to_end(&mut answer).map_err(nobody)?;
    let answer = String::from_utf8_lossy(&answer);
    let parts = answer.split_once("\r\n\r\n");
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
    match (status, parts) {
        (Some(status), Some((_, body))) => Ok((status, body.to_owned())),
        _ => Err(format!("what {api} says is no HTTP")),
    }
}

/// For a query's value: everything but letters, digits and a few signs.
fn escape(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/:".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn parsed(arguments: &[&str]) -> Result<Asked, String> {
        parse(&arguments.iter().map(|argument| (*argument).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn arguments_become_a_question() {
        let asked = parsed(&[
            "http://a.b/",
            "-X",
            "POST",
            "-H",
            "A: =1",
            "--cookie=c=d",
            "--from=::1",
            "--api",
            "h:1",
            "--json",
        ]);
        let query =
            [("url", "http://a.b/"), ("method", "POST"), ("header", "A: =1"), ("cookie", "c=d"), ("from", "::1")];
        let query = query.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        assert_eq!(asked, Ok(Asked { api: Some("h:1".to_owned()), json: true, query }));
        for (arguments, part) in [
            (&[][..], "which URL?"),
            (&["a", "b"], "one URL at a time"),
            (&["a", "-X"], "-X needs a value"),
            (&["a", "--frm", "x"], "no option --frm"),
        ] {
            assert!(parsed(arguments).unwrap_err().contains(part), "{arguments:?}");
        }
    }

    #[test]
    fn values_are_escaped_for_a_query() {
        assert_eq!(escape("http://a.b/x?y=1&z= é"), "http://a.b/x%3Fy%3D1%26z%3D%20%C3%A9");
    }
}
