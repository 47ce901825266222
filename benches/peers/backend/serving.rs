//! One connection to one of the four servers.

use std::io::{self, Read, Write};
use std::sync::Arc;

use mio::event::Event;
use mio::net::TcpStream;

use super::super::wire::{self, Frame, MAX_HEAD};
use super::Next;

/// What one server answers; ready-made, so that it costs next to nothing.
pub(crate) struct Pages {
    number: usize,
    ready: Vec<(&'static str, Arc<[u8]>)>,
}

impl Pages {
    /// Of the server with that number.
    pub(crate) fn new(number: usize) -> Self {
        let sizes = [("/128", 128), ("/16k", 16 * 1024), ("/1m", 1024 * 1024), ("/close", 128), ("/post", 128)];
        let ready = sizes.map(|(path, size)| (path, response(number, "200 OK", &vec![b'x'; size], false)));
        Self { number, ready: ready.into() }
    }

    /// The answer to a request, and whether the connection ends with it.
    fn answer(&self, head: &[u8]) -> (Arc<[u8]>, bool) {
        let line = head.split(|b| *b == b'\r').next().unwrap_or_default();
        let path = line.split(|b| *b == b' ').nth(1).unwrap_or_default();
        let ready = self.ready.iter().find(|(known, _)| known.as_bytes() == path);
        match (ready, path) {
            // Only a relay passes on the wish to close: what speaks HTTP keeps its own connections.
            (Some(_), b"/close")
                if wire::field(head, "connection").is_some_and(|v| v.eq_ignore_ascii_case("close")) =>
            {
                (response(self.number, "200 OK", &[b'x'; 128], true), true)
            }
            (Some((_, page)), _) => (Arc::clone(page), false),
            // What a proxy made of a request, for the checks before a measurement.
            (None, b"/echo") => (response(self.number, "200 OK", head, false), false),
            (None, _) => (response(self.number, "404 Not Found", b"no such page\n", false), false),
        }
    }
}

fn response(number: usize, status: &str, body: &[u8], close: bool) -> Arc<[u8]> {
    let close = if close { "Connection: close\r\n" } else { "" };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {}\r\nX-Backend: {number}\r\n{close}\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat().into()
}

enum State {
    Head,
    /// So many bytes of the request's body are to come, then this is the answer.
    Body(usize, Arc<[u8]>),
    Frames,
}

/// One connection to a server.
pub(crate) struct Server {
    pub(super) stream: TcpStream,
    pages: Arc<Pages>,
    state: State,
    /// What came and is not a whole head or frame yet.
    held: Vec<u8>,
    /// What did not fit into the socket, and how much of it went.
    unsent: Option<(Arc<[u8]>, usize)>,
    /// The other side closes, so that after what it said there is its end to be read, of which no event tells any more.
    closing: bool,
    /// Nothing is said after what is being said.
    ends: bool,
}

impl Server {
    pub(super) fn new(stream: TcpStream, pages: Arc<Pages>) -> Self {
        Self { stream, pages, state: State::Head, held: Vec::new(), unsent: None, closing: false, ends: false }
    }

    /// Does what can be done without waiting.
    pub(super) fn go_on(&mut self, event: &Event, buffer: &mut [u8]) -> Next {
        self.closing |= event.is_read_closed();
        self.step(event.is_writable(), buffer).unwrap_or(Next::Close)
    }

    fn step(&mut self, writable: bool, buffer: &mut [u8]) -> io::Result<Next> {
        if let Some((page, sent)) = self.unsent.take() {
            if !writable {
                self.unsent = Some((page, sent));
                return Ok(Next::Stay);
            }
            self.send(page, sent)?;
        }
        loop {
            if self.ends && self.unsent.is_none() {
                return Ok(Next::Close);
            }
            if self.unsent.is_some() {
                return Ok(Next::Stay);
            }
            let count = match self.stream.read(buffer) {
                Ok(0) => return Ok(Next::Close),
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Next::Stay),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            if self.held.is_empty() {
                let used = self.take(&buffer[..count])?;
                self.held.extend_from_slice(&buffer[used..count]);
            } else {
                let mut held = std::mem::take(&mut self.held);
                held.extend_from_slice(&buffer[..count]);
                let used = self.take(&held)?;
                held.drain(..used);
                self.held = held;
            }
            // Less than there was room for: the socket is empty, and tells when it no longer is.
            if count < buffer.len() && !self.ends && !self.closing {
                return Ok(Next::Stay);
            }
        }
    }

    /// Uses as much of what came as is whole; returns how much that was.
    fn take(&mut self, data: &[u8]) -> io::Result<usize> {
        let mut used = 0;
        while used < data.len() && !self.ends {
            let rest = &data[used..];
            match std::mem::replace(&mut self.state, State::Head) {
                State::Head => match wire::head_end(rest) {
                    Some(end) => {
                        used += end;
                        self.head(&rest[..end])?;
                    }
                    None if rest.len() > MAX_HEAD => return Err(io::ErrorKind::InvalidData.into()),
                    None => return Ok(used),
                },
                State::Body(left, page) => {
                    let now = left.min(rest.len());
                    used += now;
                    if now == left {
                        self.send(page, 0)?;
                    } else {
                        self.state = State::Body(left - now, page);
                    }
                }
                State::Frames => {
                    self.state = State::Frames;
                    let Some(frame) = Frame::read(rest) else { return Ok(used) };
                    used += frame.length;
                    // A close frame is answered by one, as any other: with what it said.
                    self.ends = frame.first & 0x0f == 8;
                    self.send(wire::frame(frame.first, &frame.payload, None).into(), 0)?;
                }
            }
        }
        Ok(used)
    }

    fn head(&mut self, head: &[u8]) -> io::Result<()> {
        if head.starts_with(b"GET /ws ") {
            let key = wire::field(head, "sec-websocket-key").unwrap_or_default();
            let answer = format!(
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                 Sec-WebSocket-Accept: {}\r\nX-Backend: {}\r\n\r\n",
                wire::accept_key(key),
                self.pages.number
            );
            self.state = State::Frames;
            return self.send(answer.into_bytes().into(), 0);
        }
        let (page, ends) = self.pages.answer(head);
        self.ends = ends;
        if head.starts_with(b"GET ") {
            return self.send(page, 0);
        }
        match wire::field(head, "content-length").and_then(|length| length.parse().ok()) {
            Some(0) => self.send(page, 0),
            Some(length) => {
                self.state = State::Body(length, page);
                Ok(())
            }
            None => {
                self.ends = true;
                self.send(response(self.pages.number, "411 Length Required", b"", true), 0)
            }
        }
    }

    fn send(&mut self, page: Arc<[u8]>, from: usize) -> io::Result<()> {
        if let Some((before, sent)) = self.unsent.take() {
            self.unsent = Some(([&before[sent..], &page[from..]].concat().into(), 0));
            return Ok(());
        }
        let mut sent = from;
        while sent < page.len() {
            match self.stream.write(&page[sent..]) {
                Ok(count) => sent += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.unsent = Some((page, sent));
                    return Ok(());
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
