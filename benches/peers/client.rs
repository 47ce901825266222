//! A small, strict client for the checks before a measurement.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use super::wire;

const LIMIT: Duration = Duration::from_secs(5);

/// A whole response.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// The number of the server that answered.
    pub(crate) fn backend(&self) -> Option<usize> {
        self.field("x-backend")?.parse().ok()
    }

    /// The value of a field, its name in lower case.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        wire::field(self.head.as_bytes(), name)
    }

    /// The cookies that it sets, `name=value`.
    pub(crate) fn cookies(&self) -> Vec<String> {
        let lines = self.head.split("\r\n").filter_map(|line| line.split_once(':'));
        let set = lines.filter(|(name, _)| name.eq_ignore_ascii_case("set-cookie"));
        set.filter_map(|(_, value)| Some(value.trim().split(';').next()?.to_owned())).collect()
    }
}

/// A connection.
pub(crate) struct Client {
    pub(crate) stream: TcpStream,
}

impl Client {
    pub(crate) fn connect(to: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&to, LIMIT)?;
        stream.set_read_timeout(Some(LIMIT))?;
        stream.set_write_timeout(Some(LIMIT))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream })
    }

    /// Sends a request as it is and reads the response.
    pub(crate) fn exchange(&mut self, request: &[u8]) -> io::Result<Answer> {
        self.stream.write_all(request)?;
        let mut read = Vec::new();
        let mut part = vec![0; 64 * 1024];
        let mut more = |stream: &mut TcpStream, read: &mut Vec<u8>| {
            let count = stream.read(&mut part)?;
            read.extend_from_slice(&part[..count]);
            Ok::<_, io::Error>(count > 0)
        };
        let end = loop {
            if let Some(end) = wire::head_end(&read) {
                break end;
            }
            if !more(&mut self.stream, &mut read)? {
                return Err(io::Error::other("the connection ended before an answer"));
            }
        };
        let body = read.split_off(end);
        let head = String::from_utf8(read).map_err(|_| io::Error::other("the head is not text"))?;
        let status = wire::status(head.as_bytes()).ok_or_else(|| io::Error::other("no status line"))?;
        let mut answer = Answer { status, head, body };
        if status == 101 {
            return Ok(answer);
        }
        let length: usize = match answer.field("content-length").map(str::parse) {
            Some(Ok(length)) => length,
            _ => return Err(io::Error::other(format!("an answer without a length: {}", answer.head))),
        };
        while answer.body.len() < length {
            if !more(&mut self.stream, &mut answer.body)? {
                let count = answer.body.len();
                return Err(io::Error::other(format!("the connection ended after {count} of {length} bytes")));
            }
        }
        if answer.body.len() > length {
            return Err(io::Error::other("more bytes than the answer has"));
        }
        Ok(answer)
    }

    /// Sends a request as it is and reads all that comes, however it is framed.
    pub(crate) fn everything(mut self, request: &[u8]) -> io::Result<Vec<u8>> {
        self.stream.write_all(request)?;
        let mut read = Vec::new();
        self.stream.read_to_end(&mut read)?;
        Ok(read)
    }

    /// The other side has closed the connection.
    pub(crate) fn is_over(&mut self) -> bool {
        match self.stream.read(&mut [0]) {
            Ok(count) => count == 0,
            Err(error) => !matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut),
        }
    }
}

/// A request's head with these further lines, each with its line end.
pub(crate) fn request(method: &str, host: &str, path: &str, lines: &str) -> String {
    format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\n{lines}\r\n")
}
