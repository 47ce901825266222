//! The floor: a relay that copies bytes and reads none of them. One thread, one upstream connection for each client
//! connection, servers in turn. What a proxy takes beyond it is the price of HTTP.

use std::io::{self, Read, Write};
use std::net::SocketAddr;

use mio::event::Event;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Registry, Token};

const BUFFER: usize = 64 * 1024;
const LISTENER: Token = Token(usize::MAX - 1);

/// Listens at the first address, relays to the others, for ever.
pub(crate) fn run(addresses: &[SocketAddr]) -> io::Result<()> {
    let Some((listen, servers)) = addresses.split_first().filter(|(_, servers)| !servers.is_empty()) else {
        return Err(io::Error::other("relay <listen> <server> …"));
    };
    let mut poll = Poll::new()?;
    let mut listener = TcpListener::bind(*listen)?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    let mut pairs = Pairs::default();
    let mut turn = servers.iter().cycle();
    let mut events = Events::with_capacity(1024);
    let mut buffer = vec![0; BUFFER];
    loop {
        match poll.poll(&mut events, None) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            other => other?,
        }
        for event in &events {
            if event.token() == LISTENER {
                while let Ok((client, _)) = listener.accept() {
                    if let Some(server) = turn.next() {
                        drop(pairs.open(client, *server, poll.registry()));
                    }
                }
                continue;
            }
            let (index, side) = (event.token().0 / 2, event.token().0 % 2);
            pairs.go_on(index, side, event, &mut buffer);
        }
        pairs.free.append(&mut pairs.freed);
    }
}

#[derive(Default)]
struct Pairs {
    places: Vec<Option<Pair>>,
    free: Vec<usize>,
    /// Not used again before all events of this turn are seen, some of which may still be about them.
    freed: Vec<usize>,
}

/// A client's connection and the one to its server.
struct Pair {
    ends: [TcpStream; 2],
    /// What came from an end and the other one had no room for.
    waiting: [Vec<u8>; 2],
    /// This end closes, so that after what it said there is its end to be read, of which no event tells any more.
    closing: [bool; 2],
    /// This end has said all it had to say.
    ended: [bool; 2],
}

impl Pairs {
    fn open(&mut self, client: TcpStream, server: SocketAddr, registry: &Registry) -> io::Result<()> {
        let server = TcpStream::connect(server)?;
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        let index = self.free.pop().unwrap_or_else(|| {
            self.places.push(None);
            self.places.len() - 1
        });
        let pair = Pair { ends: [client, server], waiting: Default::default(), closing: [false; 2], ended: [false; 2] };
        let pair = self.places[index].insert(pair);
        for (side, end) in pair.ends.iter_mut().enumerate() {
            registry.register(end, Token(2 * index + side), Interest::READABLE | Interest::WRITABLE)?;
        }
        Ok(())
    }

    fn go_on(&mut self, index: usize, side: usize, event: &Event, buffer: &mut [u8]) {
        let Some(pair) = self.places.get_mut(index).and_then(Option::as_mut) else { return };
        let mut fine = true;
        pair.closing[side] |= event.is_read_closed();
        if event.is_writable() && !pair.waiting[1 - side].is_empty() {
            // What the other end said can go on now, and then that end is listened to again.
            fine = pair.flush(1 - side).and_then(|()| pair.copy(1 - side, buffer)).is_ok();
        }
        if fine && event.is_readable() {
            fine = pair.copy(side, buffer).is_ok();
        }
        if !fine || pair.is_over() {
            // Closing a socket takes it out of the poll.
            self.places[index] = None;
            self.freed.push(index);
        }
    }
}

impl Pair {
    /// From this end to the other, as much as there is and fits.
    fn copy(&mut self, from: usize, buffer: &mut [u8]) -> io::Result<()> {
        while self.waiting[from].is_empty() && !self.ended[from] {
            let count = match self.ends[from].read(buffer) {
                Ok(0) => {
                    self.ended[from] = true;
                    return Ok(());
                }
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            let sent = write(&mut self.ends[1 - from], &buffer[..count])?;
            if sent < count {
                self.waiting[from].extend_from_slice(&buffer[sent..count]);
            }
            // Less than there was room for: the socket is empty, and tells when it no longer is.
            if count < buffer.len() && !self.closing[from] {
                return Ok(());
            }
        }
        Ok(())
    }

    fn flush(&mut self, from: usize) -> io::Result<()> {
        let sent = write(&mut self.ends[1 - from], &self.waiting[from])?;
        self.waiting[from].drain(..sent);
        Ok(())
    }

    /// One end has gone, and what it said has arrived.
    fn is_over(&self) -> bool {
        (0..2).any(|side| self.ended[side] && self.waiting[side].is_empty())
    }
}

fn write(to: &mut TcpStream, bytes: &[u8]) -> io::Result<usize> {
    match to.write(bytes) {
        // Before it is connected, it is not writable either.
        Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::NotConnected) => Ok(0),
        other => other,
    }
}
