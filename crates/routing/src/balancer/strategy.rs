//! Strategies beside round robin. Each goes over the servers in place and remembers nothing of its own.

use std::fmt::Write;
use std::net::IpAddr;

use seaway_head::RequestHead;

use crate::table::{Server, Service};

use super::{Asked, Tried};

/// How a service chooses among its servers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Strategy {
    /// Weighted round robin.
    #[default]
    RoundRobin,
    /// Of two drawn at random, the one with fewer requests in flight.
    TwoChoices,
    /// The server that this client's address, hashed with it, gives the highest score: the same one for each request.
    Rendezvous,
    /// The server that answers soonest, by what it has in flight and how long its answers took lately.
    LeastTime,
}

impl Strategy {
    /// By the name that labels and files use; none for any other text.
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "" | "wrr" => Self::RoundRobin,
            "p2c" => Self::TwoChoices,
            "hrw" => Self::Rendezvous,
            "leasttime" => Self::LeastTime,
            _ => return None,
        })
    }

    /// The name that labels and files use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RoundRobin => "wrr",
            Self::TwoChoices => "p2c",
            Self::Rendezvous => "hrw",
            Self::LeastTime => "leasttime",
        }
    }
}

impl Service {
    /// The next server by the service's strategy, of those that `takes` accepts and that have not been tried.
    pub(super) fn next(&self, asked: &Asked<'_>, tried: &Tried, takes: impl Fn(&Server) -> bool) -> Option<usize> {
        if self.strategy == Strategy::RoundRobin {
            return self.balancer.next(self, tried, takes);
        }
        let usable = |server: &Server| server.weight > 0 && takes(server) && !tried.contains(server);
        match self.strategy {
            Strategy::RoundRobin => None,
            Strategy::TwoChoices => self.two_choices(usable),
            Strategy::Rendezvous => self.rendezvous(asked, usable),
            Strategy::LeastTime => self.least_time(tried, usable),
        }
    }

    /// Who [`next`](Self::next) is likely to give by a strategy that is no round robin, and why. Nothing changes.
    pub(crate) fn foresee(&self, head: &RequestHead) -> Option<(usize, String)> {
        let ready = |server: &Server| server.weight > 0 && server.state.is_ready();
        let asked = Asked::from(head);
        match self.strategy {
            Strategy::RoundRobin => None,
            Strategy::TwoChoices => {
                let (index, least) = self.usable(ready).min_by_key(|(_, server)| server.state.in_flight())?;
                let load = least.state.in_flight();
                Some((index, format!("of two drawn at random the one with fewer requests; it has fewest, {load}")))
            }
            Strategy::Rendezvous => {
                let index = self.rendezvous(&asked, ready)?;
                Some((index, "the client's address gives it the highest score".to_owned()))
            }
            Strategy::LeastTime => {
                let (index, _) = self.usable(ready).min_by(|a, b| expected(a.1).total_cmp(&expected(b.1)))?;
                Some((index, "it is expected to answer soonest".to_owned()))
            }
        }
    }

    fn usable<'s>(&'s self, usable: impl Fn(&Server) -> bool + 's) -> impl Iterator<Item = (usize, &'s Server)> + 's {
        self.servers.iter().enumerate().filter(move |(_, server)| usable(server))
    }

    fn two_choices(&self, usable: impl Fn(&Server) -> bool) -> Option<usize> {
        let count = self.usable(&usable).count();
        let number = self.state.draw();
        let first = below(number, count)?;
        let second = below(number.rotate_left(32), count - 1).map_or(first, |n| if n < first { n } else { n + 1 });
        let (mut a, mut b) = (None, None);
        // Whoever left between both looks leaves one or none of them.
        for (nth, (index, server)) in self.usable(&usable).enumerate() {
            if nth == first {
                a = Some((index, server.state.in_flight()));
            }
            if nth == second {
                b = Some((index, server.state.in_flight()));
            }
        }
        match (a, b) {
            (Some((_, load)), Some((other, less))) if less < load => Some(other),
            (Some((index, _)), _) | (None, Some((index, _))) => Some(index),
            (None, None) => self.usable(&usable).next().map(|(index, _)| index),
        }
    }

    fn rendezvous(&self, asked: &Asked<'_>, usable: impl Fn(&Server) -> bool) -> Option<usize> {
        let key = Key::new(asked.client);
        let score = |(index, server): (usize, &Server)| (index, key.score(&server.url, server.weight));
        highest(self.usable(&usable).map(score))
    }

    fn least_time(&self, tried: &Tried, usable: impl Fn(&Server) -> bool) -> Option<usize> {
        let (index, least) =
            self.usable(&usable).map(|(index, server)| (index, expected(server))).min_by(|a, b| a.1.total_cmp(&b.1))?;
        // Those that are as good share the requests; without one sample yet, that is all of them.
        let tied = self.balancer.next(self, tried, |server| usable(server) && expected(server) <= least);
        Some(tied.unwrap_or(index))
    }
}

/// The time until a server answers one more request, in milliseconds by its share.
fn expected(server: &Server) -> f64 {
    let load = f64::from(server.state.in_flight()) + 1.0;
    server.state.first_byte_ms() * load / f64::from(server.weight.max(1))
}

/// A client, as far as rendezvous hashing is concerned.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Key(u64);

impl Key {
    pub(crate) fn new(client: Option<IpAddr>) -> Self {
        let mut hash = Fnv(0xcbf2_9ce4_8422_2325);
        if let Some(client) = client {
            // Writing to it never fails.
            let _written = write!(hash, "{client}");
        }
        Self(hash.0)
    }

    /// `weight / -ln(hash / 2^64)`, with FNV-1a over the client's address and then the name.
    pub(crate) fn score(self, name: &str, weight: u32) -> f64 {
        let mut hash = Fnv(self.0);
        hash.add(name);
        // To a number from 0 to 1, as near as it can be told.
        #[allow(clippy::cast_precision_loss)]
        let part = hash.0 as f64 / (u64::MAX as f64);
        let distance = -part.ln();
        if distance > 0.0 { f64::from(weight) / distance } else { f64::INFINITY }
    }
}

/// The place with the highest score; the first of several.
pub(crate) fn highest(scores: impl Iterator<Item = (usize, f64)>) -> Option<usize> {
    scores.reduce(|best, other| if other.1 > best.1 { other } else { best }).map(|(index, _)| index)
}

/// FNV-1a, 64 bits, of what is written to it.
struct Fnv(u64);

impl Fnv {
    fn add(&mut self, text: &str) {
        for byte in text.bytes() {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
}

impl Write for Fnv {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.add(text);
        Ok(())
    }
}

/// A number below `count` from a random one; none below nothing.
fn below(random: u64, count: usize) -> Option<usize> {
    let count = u128::try_from(count).ok().filter(|count| *count > 0)?;
    usize::try_from((u128::from(random) * count) >> 64).ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use super::*;
    use crate::state::flag;
    use crate::testing::{World, server, service, web};
    use crate::{Pick, Want};

    #[test]
    fn scores_are_traefiks() {
        let key = Key::new("192.168.1.10".parse().ok());
        for (url, expected) in
            [("http://10.0.0.1:80", 2.161_975), ("http://10.0.0.2:80", 0.635_255), ("http://10.0.0.3:80", 0.994_426)]
        {
            let score = key.score(url, 1);
            assert!((score - expected).abs() < 0.000_001, "{url}: {score}");
            assert!((key.score(url, 3) - 3.0 * score).abs() < 1e-9);
        }
    }

    #[test]
    fn names_are_read_as_they_are_written() {
        for strategy in [Strategy::RoundRobin, Strategy::TwoChoices, Strategy::Rendezvous, Strategy::LeastTime] {
            assert_eq!(Strategy::parse(strategy.as_str()), Some(strategy));
        }
        assert_eq!(Strategy::parse("WRR"), None);
    }

    fn world(strategy: &str, weights: &[u32]) -> World {
        let servers = (1..).zip(weights).map(|(n, weight)| server(n, *weight)).collect();
        let mut declared = service(servers);
        if let Some(balancer) = &mut declared.value.options.load_balancer {
            strategy.clone_into(&mut balancer.strategy);
        }
        World::new(web(declared))
    }

    fn shares(world: &World, picks: usize) -> BTreeMap<String, usize> {
        let mut shares = BTreeMap::new();
        (0..picks).for_each(|_| *shares.entry(world.next()).or_default() += 1);
        shares
    }

    #[test]
    fn of_two_the_one_with_less_to_do_is_taken() {
        let world = world("p2c", &[1, 1, 1, 0]);
        let even = shares(&world, 3000);
        assert!(even.len() == 3 && even.values().all(|share| (800..1200).contains(share)), "{even:?}");
        (0..5).for_each(|_| world.web().servers[0].state.enter(0));
        // It is never less busy than another one.
        assert_eq!(shares(&world, 300).get("web-1"), None);
        world.web().servers[1].state.set(flag::PAUSED);
        world.web().servers[2].state.set(flag::PAUSED);
        assert_eq!(shares(&world, 10).get("web-1"), Some(&10), "one is better than none");
    }

    #[test]
    fn a_client_has_its_server_and_only_those_of_one_that_left_move() {
        let world = world("hrw", &[1, 1, 1]);
        let headers = http::HeaderMap::new();
        let pick = |n: u8| {
            let asked = Asked { cookies: (&headers).into(), client: Some([10, 1, 1, n].into()) };
            match world.web().pick(asked, &Tried::default(), Want::Ready) {
                Pick::Server(picked) => picked.index,
                Pick::None(none) => panic!("{none:?}"),
            }
        };
        let before: Vec<_> = (0..=255).map(pick).collect();
        assert_eq!(before, (0..=255).map(pick).collect::<Vec<_>>());
        assert!((0..3).all(|server| before.iter().filter(|it| **it == server).count() > 50), "{before:?}");
        world.web().servers[1].state.set(flag::GONE);
        for (before, after) in before.into_iter().zip((0..=255).map(pick)) {
            assert!(before == after || (before == 1 && after != 1));
        }
    }

    #[test]
    fn the_one_that_answers_soonest_is_taken() {
        let world = world("leasttime", &[1, 1, 2]);
        // Nobody has answered yet: they share by weight.
        assert_eq!(shares(&world, 8).values().copied().collect::<Vec<_>>(), [2, 2, 4]);
        let states: Vec<_> = world.web().servers.iter().map(|server| &server.state).collect();
        for (state, ms) in states.iter().zip([10, 30, 40]) {
            state.note_first_byte(Duration::from_millis(ms));
        }
        assert_eq!(shares(&world, 4), BTreeMap::from([("web-1".to_owned(), 4)]));
        // 10 ms with three requests is 30 ms; 40 ms at twice the weight is 20 ms.
        (0..2).for_each(|_| states[0].enter(0));
        assert_eq!(shares(&world, 4), BTreeMap::from([("web-3".to_owned(), 4)]));
        // Only the latest hundred count.
        (0..100).for_each(|_| states[1].note_first_byte(Duration::from_millis(1)));
        assert!((states[1].first_byte_ms() - 1.0).abs() < 1e-9, "{}", states[1].first_byte_ms());
        assert_eq!(shares(&world, 4), BTreeMap::from([("web-2".to_owned(), 4)]));
    }

    #[test]
    fn draws_stay_below() {
        for count in 1..5 {
            for random in [0, 1, u64::MAX / 2, u64::MAX] {
                assert!(below(random, count).is_some_and(|n| n < count));
            }
        }
        assert_eq!(below(7, 0), None);
    }
}
