//! How client connections spread over the workers, and how many there may be.
//!
//! The kernel chooses a listener by a hash of the addresses, so chance decides how many connections each worker gets, and a
//! few long-lived ones may all fall to one. A worker that already holds more than its fair share hands what it accepts to
//! the one that holds least. Connections that are open stay where they are.
//!
//! What the kernel offers in place of it does not help: `SO_INCOMING_CPU` follows the core that the packet came in on, and
//! a classic BPF program (`SO_ATTACH_REUSEPORT_CBPF`) keeps no state, so neither knows who holds how many. One that does
//! know needs eBPF maps, thus privileges that Seaway gives up.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::listener::{ClientTimes, EntryPoint};

/// One worker's open connections, alone on its cache line. Only accepting and closing touch it.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Count {
    open: AtomicUsize,
    /// It takes connections from others.
    takes: AtomicBool,
}

/// What the workers know of each other.
#[derive(Debug)]
pub(crate) struct Spread {
    counts: Box<[Count]>,
    inboxes: Box<[UnboundedSender<Message>]>,
    /// Most connections, over all workers.
    most: usize,
    /// Somebody had to wait, and that is not over.
    full: AtomicBool,
    /// Unused connections that were closed since it was full.
    closed: AtomicU64,
}

/// From one worker to another.
#[derive(Debug)]
pub(crate) enum Message {
    /// A connection that is yours from now on.
    Connection(Handed),
    /// No more connections may be made, and I have none that is unused.
    MakeRoom,
}

/// An accepted connection on its way to the worker that serves it, and its place among those that are open.
#[derive(Debug)]
pub(crate) struct Accepted<S> {
    pub(crate) stream: S,
    pub(crate) peer: SocketAddr,
    pub(crate) entry_point: Arc<EntryPoint>,
    pub(crate) times: ClientTimes,
    pub(crate) open: Open,
}

/// One that leaves a runtime for another.
pub(crate) type Handed = Accepted<TcpStream>;

impl<S> Accepted<S> {
    /// The same with its socket in another form.
    pub(crate) fn with_stream<T>(self, change: impl FnOnce(S) -> io::Result<T>) -> io::Result<Accepted<T>> {
        let Self { stream, peer, entry_point, times, open } = self;
        Ok(Accepted { stream: change(stream)?, peer, entry_point, times, open })
    }
}

/// One open connection in a worker's count, until it is dropped, wherever that happens.
#[derive(Debug)]
pub(crate) struct Open {
    spread: Arc<Spread>,
    worker: usize,
}

/// One worker's part: its number, and what others send it. Others send it nothing before [`Seat::take`] and after it is
/// dropped, so a worker that did not start or is gone gets no connection.
#[derive(Debug)]
pub(crate) struct Seat {
    pub(crate) spread: Arc<Spread>,
    pub(crate) worker: usize,
    inbox: UnboundedReceiver<Message>,
}

impl Spread {
    /// A seat for each worker. There may be `most` connections.
    pub(crate) fn seats(workers: usize, most: usize) -> Vec<Seat> {
        let (inboxes, receivers): (Vec<_>, Vec<_>) = (0..workers).map(|_| unbounded_channel()).unzip();
        let spread = Arc::new(Self {
            counts: (0..workers).map(|_| Count::default()).collect(),
            inboxes: inboxes.into(),
            most: most.max(1),
            full: AtomicBool::new(false),
            closed: AtomicU64::new(0),
        });
        let seat = |(worker, inbox)| Seat { spread: Arc::clone(&spread), worker, inbox };
        receivers.into_iter().enumerate().map(seat).collect()
    }

    /// Counts a connection that was accepted `here` for the worker that is to serve it. `None` when there are as many as
    /// may be.
    pub(crate) fn place(self: &Arc<Self>, here: usize) -> Option<Open> {
        let open = self.open(self.choose(here));
        // Two that ask at one time may both be refused the last place, and ask again.
        (self.total() <= self.most).then_some(open)
    }

    /// Counts a connection for this worker, however many there are.
    pub(crate) fn open(self: &Arc<Self>, worker: usize) -> Open {
        if let Some(count) = self.counts.get(worker) {
            count.open.fetch_add(1, Ordering::Relaxed);
        }
        Open { spread: Arc::clone(self), worker }
    }

    /// Sends a connection to the worker that it is counted for; gives it back if that takes none any more.
    pub(crate) fn hand_over(&self, handed: Handed) -> Result<(), Handed> {
        let Some(inbox) = self.inboxes.get(handed.open.worker) else { return Err(handed) };
        match inbox.send(Message::Connection(handed)) {
            Err(tokio::sync::mpsc::error::SendError(Message::Connection(handed))) => Err(handed),
            _ => Ok(()),
        }
    }

    /// Asks everybody but this worker for room.
    pub(crate) fn ask_for_room(&self, but: usize) {
        for (worker, inbox) in self.inboxes.iter().enumerate() {
            if worker != but {
                // One that is gone has no connections either.
                let _gone = inbox.send(Message::MakeRoom);
            }
        }
    }

    /// A connection has to wait for room. The first time since there was enough is worth a line.
    pub(crate) fn note_full(&self) {
        if !self.full.swap(true, Ordering::Relaxed) {
            let most = self.most;
            tracing::warn!(
                target: "seaway",
                "{most} client connections are open, as many as may be (seaway.maxConnections, limit on open files): \
                 unused ones are closed to let new ones in, and where there are none, new ones wait"
            );
        }
    }

    /// So many unused connections are being closed to make room.
    pub(crate) fn note_closed(&self, connections: usize) {
        self.closed.fetch_add(connections as u64, Ordering::Relaxed);
    }

    /// Says so when there is room again, and not just for one more.
    pub(crate) fn note_room(&self) {
        if self.full.load(Ordering::Relaxed)
            && self.total() < self.most - self.most / 16
            && self.full.swap(false, Ordering::Relaxed)
        {
            let closed = self.closed.swap(0, Ordering::Relaxed);
            tracing::info!(target: "seaway", "there is room for client connections again; unused ones closed meanwhile: {closed}");
        }
    }

    fn total(&self) -> usize {
        self.counts.iter().map(|c| c.open.load(Ordering::Relaxed)).sum()
    }

    /// The worker that a connection which was accepted `here` belongs to.
    fn choose(&self, here: usize) -> usize {
        let (mut mine, mut total, mut workers) = (0, 0, 0);
        let mut least = (usize::MAX, here);
        for (worker, count) in self.counts.iter().enumerate() {
            if worker != here && !count.takes.load(Ordering::Relaxed) {
                continue;
            }
            let open = count.open.load(Ordering::Relaxed);
            (total, workers) = (total + open, workers + 1);
            if worker == here {
                mine = open;
            }
            least = least.min((open, worker));
        }
        if is_too_many(mine, least.0, total, workers) { least.1 } else { here }
    }
}

/// True when a worker that holds `mine` of `total` connections had better give the next one to the worker that holds
/// `least`: it would come to more than a quarter above the mean, or is above it while the other is more than a quarter
/// below. With few connections the nearest whole number counts: of eight on two workers none gets more than five.
fn is_too_many(mine: usize, least: usize, total: usize, workers: usize) -> bool {
    let (all, workers) = (total + 1, workers.max(1));
    let most = all.div_ceil(workers).max(all * 5 / (workers * 4));
    mine + 1 > most || (least < all * 3 / (workers * 4) && mine * workers >= all)
}

impl Open {
    /// Who serves it.
    pub(crate) fn worker(&self) -> usize {
        self.worker
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        if let Some(count) = self.spread.counts.get(self.worker) {
            count.open.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl Seat {
    /// From now on others may send connections.
    pub(crate) fn take(&self) {
        self.set(true);
    }

    /// What somebody sent; `None` once it is closed and empty.
    pub(crate) async fn next(&mut self) -> Option<Message> {
        self.inbox.recv().await
    }

    /// From now on nobody can send anything; what was sent before is still to be taken. Whoever tries keeps what he has:
    /// there is no moment at which a connection belongs to nobody.
    pub(crate) fn close(&mut self) {
        self.set(false);
        self.inbox.close();
    }

    fn set(&self, takes: bool) {
        if let Some(count) = self.spread.counts.get(self.worker) {
            count.takes.store(takes, Ordering::Relaxed);
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.close();
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn seated(workers: usize, most: usize) -> (Arc<Spread>, Vec<Seat>) {
        let seats = Spread::seats(workers, most);
        seats.iter().for_each(Seat::take);
        (Arc::clone(&seats[0].spread), seats)
    }

    fn counts(spread: &Spread) -> Vec<usize> {
        spread.counts.iter().map(|c| c.open.load(Ordering::Relaxed)).collect()
    }

    #[test]
    fn whatever_the_kernel_chooses_nobody_is_a_quarter_above_or_below_the_mean() {
        // Everything to one worker, a lopsided turn, and noise.
        let chosen: [fn(usize, usize) -> usize; 3] = [
            |_, _| 0,
            |n, workers| (n % 7).min(workers - 1),
            |n, workers| (n.wrapping_mul(2_654_435_761) >> 7) % workers,
        ];
        for workers in [1, 2, 3, 4, 8, 64] {
            for choose in chosen {
                let (spread, _seats) = seated(workers, usize::MAX);
                let mut open = Vec::new();
                for n in 0..workers * 40 {
                    open.push(spread.place(choose(n, workers)).unwrap());
                    let counts = counts(&spread);
                    let mean = (n + 1) as f64 / workers as f64;
                    let most = *counts.iter().max().unwrap();
                    assert!(most as f64 <= (mean * 1.25).max(mean.ceil()), "{n}: {counts:?}");
                }
                let (counts, mean) = (counts(&spread), 40.0);
                assert_eq!(counts.iter().sum::<usize>(), workers * 40);
                assert!(counts.iter().all(|c| (*c as f64 - mean).abs() <= mean * 0.25), "{counts:?}");
            }
        }
    }

    #[test]
    fn few_connections_are_spread_as_well() {
        let (spread, _seats) = seated(2, usize::MAX);
        let open: Vec<_> = (0..8).map(|_| spread.place(0).unwrap()).collect();
        assert_eq!(counts(&spread), [5, 3]);
        drop(open);
        assert_eq!(counts(&spread), [0, 0]);
    }

    #[test]
    fn a_fair_share_stays_where_it_is() {
        assert!(!is_too_many(100, 90, 190, 2));
        assert!(!is_too_many(118, 72, 190, 2) && is_too_many(119, 71, 190, 2));
        assert!(!is_too_many(5, 5, 5, 1));
        // Nobody is far above, but the third of three is far below.
        assert!(is_too_many(7, 3, 20, 3) && !is_too_many(6, 3, 20, 3));
    }

    #[test]
    fn who_has_not_come_or_has_left_gets_nothing() {
        let mut seats = Spread::seats(3, usize::MAX);
        let spread = Arc::clone(&seats[0].spread);
        seats[0].take();
        let alone: Vec<_> = (0..10).map(|_| spread.place(0).unwrap()).collect();
        assert_eq!(counts(&spread), [10, 0, 0]);
        seats[1].take();
        let second: Vec<_> = (0..6).map(|_| spread.place(0).unwrap()).collect();
        assert_eq!(counts(&spread), [10, 6, 0]);
        drop((alone, second));
        drop(seats.remove(1));
        let _alone: Vec<_> = (0..10).map(|_| spread.place(0).unwrap()).collect();
        assert_eq!(counts(&spread), [10, 0, 0]);
    }

    fn handed(spread: &Arc<Spread>, to: usize) -> Handed {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let peer = stream.local_addr().unwrap();
        let entry_point = EntryPoint {
            connections: crate::listener::ConnectionRules::default(),
            name: "web".into(),
            address: peer,
            trust: Arc::default(),
            append_forwarded_for: true,
            limits: Arc::default(),
            upgrades: Arc::from([]),
            idle_timeout: std::time::Duration::ZERO,
            read_timeout: std::time::Duration::ZERO,
            accept_grace: std::time::Duration::ZERO,
            grace: std::time::Duration::ZERO,
        };
        let (entry_point, times) = (Arc::new(entry_point), ClientTimes::default());
        Handed { stream, peer, entry_point, times, open: spread.open(to) }
    }

    #[tokio::test]
    async fn what_was_sent_before_the_end_is_taken_and_what_comes_later_is_given_back() {
        let (spread, mut seats) = seated(2, usize::MAX);
        spread.hand_over(handed(&spread, 1)).unwrap();
        spread.hand_over(handed(&spread, 1)).unwrap();
        seats[1].close();
        let late = spread.hand_over(handed(&spread, 1)).unwrap_err();
        assert_eq!(counts(&spread), [0, 3]);
        drop(late);
        for left in [1, 0] {
            assert!(matches!(seats[1].next().await, Some(Message::Connection(_))));
            assert_eq!(counts(&spread), [0, left]);
        }
        assert!(seats[1].next().await.is_none());
    }

    /// However the two sides interleave, each connection is either taken or given back.
    #[test]
    fn no_connection_is_lost_while_one_worker_ends() {
        for round in 0..200 {
            let (spread, mut seats) = seated(2, usize::MAX);
            let mut seat = seats.pop().unwrap();
            let sender = std::thread::spawn(move || {
                let kept = (0..20).filter(|_| spread.hand_over(handed(&spread, 1)).is_err()).count();
                (kept, spread)
            });
            for _ in 0..round * 10 {
                std::hint::spin_loop();
            }
            seat.close();
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let mut taken = 0;
            while runtime.block_on(seat.next()).is_some() {
                taken += 1;
            }
            let (kept, spread) = sender.join().unwrap();
            assert_eq!((kept + taken, counts(&spread)), (20, vec![0, 0]), "round {round}");
        }
    }

    #[test]
    fn the_last_place_is_given_once() {
        let (spread, _seats) = seated(2, 3);
        let mut open: Vec<_> = (0..3).map(|n| spread.place(n % 2).unwrap()).collect();
        assert!(spread.place(0).is_none() && spread.place(1).is_none());
        assert_eq!(counts(&spread).iter().sum::<usize>(), 3);
        open.pop();
        assert!(spread.place(0).is_some());
    }
}
