//! One workload: everybody is started and checked, then all take turns.
//!
//! A round measures each proxy once, so that whatever disturbs the machine for a while disturbs all of them; each round begins
//! with another one. Between its turns a proxy is idle.

use std::collections::BTreeMap;
use std::time::Duration;

use super::backend::{Load, Order, Outcome};
use super::check;
use super::children::{self, Failure};
use super::client::request;
use super::figures::Figure;
use super::options::Options;
use super::peers::{Log, Peer, Setup};
use super::stage::{Absent, Entrant, Proxy, Stage};
use super::workloads::{Kind, Workload};
use super::wrk::{self, Shape};

/// The share of nginx's rate at which latency is measured.
pub(crate) const SHARE: f64 = 0.7;
/// The least that a line of an access log can be.
const LINE: u64 = 50;
/// How long after the last request was due its answer may come.
const BACKLOG: Duration = Duration::from_millis(250);
const WARM_UP: Duration = Duration::from_millis(300);

/// One turn of one proxy under as much load as it takes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Reading {
    /// Processor time for each request, user and system, in microseconds.
    pub(crate) micros: f64,
    /// Requests a second.
    pub(crate) rate: f64,
    /// Resident memory in KiB right after.
    pub(crate) memory: u64,
    /// The share of its core that was in use.
    pub(crate) busy: f64,
}

/// One turn at a fixed rate.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Paced {
    pub(crate) outcome: Outcome,
    /// Processor time for each request at that rate, in microseconds.
    pub(crate) micros: f64,
    /// It answered everything, and kept up.
    pub(crate) kept_up: bool,
}

/// One proxy's part of a table.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) entrant: Entrant,
    pub(crate) readings: Vec<Option<Reading>>,
    pub(crate) paced: Vec<Option<Paced>>,
    pub(crate) idle: Option<u64>,
    pub(crate) notes: Vec<&'static str>,
    /// What it lacks.
    pub(crate) lacks: Option<&'static str>,
    /// What it did wrong.
    pub(crate) failure: Option<Failure>,
}

impl Row {
    fn new(entrant: Entrant) -> Self {
        let (readings, paced, notes) = (Vec::new(), Vec::new(), Vec::new());
        Self { entrant, readings, paced, idle: None, notes, lacks: None, failure: None }
    }

    /// One value of each round.
    pub(crate) fn each(&self, value: impl Fn(&Reading) -> f64) -> Vec<Option<f64>> {
        self.readings.iter().map(|reading| reading.as_ref().map(&value)).collect()
    }

    /// Median and spread over the rounds.
    pub(crate) fn figure(&self, value: impl Fn(&Reading) -> f64) -> Option<Figure> {
        Figure::of(self.each(value).into_iter().flatten())
    }

    /// The same of the turns at a fixed rate.
    pub(crate) fn paced_figure(&self, value: impl Fn(&Paced) -> f64) -> Option<Figure> {
        Figure::of(self.paced.iter().flatten().map(value))
    }

    /// It answered everything at the fixed rate, in every round.
    pub(crate) fn keeps_up(&self) -> bool {
        self.paced.iter().flatten().all(|paced| paced.kept_up)
    }
}

/// A workload that was measured.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    pub(crate) workload: Workload,
    pub(crate) rows: Vec<Row>,
    /// The fixed rate, and whose rate it is a share of.
    pub(crate) rate: Option<(f64, Peer)>,
}

impl Table {
    /// Somebody's row, if it was measured.
    pub(crate) fn row(&self, peer: Peer, workers: usize) -> Option<&Row> {
        let wanted = Entrant { peer, workers };
        self.rows.iter().find(|row| row.entrant == wanted && row.readings.iter().any(Option::is_some))
    }
}

/// Who takes part in a workload.
pub(crate) fn entrants(workload: &Workload, peers: &[Peer]) -> Vec<Entrant> {
    let workers: &[usize] = if workload.workers { &[1, 2] } else { &[1] };
    let peers = peers.iter().filter(|peer| workload.is_for(**peer));
    peers.flat_map(|peer| workers.iter().map(|workers| Entrant { peer: *peer, workers: *workers })).collect()
}

/// How long one turn is.
pub(crate) fn turn(workload: &Workload, options: &Options) -> Duration {
    let seconds = if workload.minor { options.seconds.div_ceil(3) } else { options.seconds };
    Duration::from_secs(seconds.max(1))
}

/// How long a workload takes, roughly.
pub(crate) fn estimate(workload: &Workload, options: &Options, peers: &[Peer]) -> Duration {
    let turn = turn(workload, options);
    let rounds = u32::try_from(options.rounds).unwrap_or(u32::MAX);
    let closed = turn + Duration::from_millis(120);
    let paced = if workload.latency { turn + WARM_UP + Duration::from_millis(50) } else { Duration::ZERO };
    let start = Duration::from_millis(if workload.setup.routers > 1 { 1500 } else { 500 });
    let entrants = u32::try_from(entrants(workload, peers).len()).unwrap_or(u32::MAX);
    (start + (closed + paced) * rounds) * entrants
}

/// Those that run, and what for: the next workload may want the same.
#[derive(Default)]
pub(crate) struct Running {
    setup: Option<Setup>,
    proxies: BTreeMap<String, Proxy>,
    /// Who did not start is not asked again for the same: some take long to fail.
    failed: BTreeMap<String, Failure>,
}

/// Measures a workload. `tell` hears what is being done.
///
/// # Errors
/// Nothing can be measured any more, or somebody wants this to end; the failure of one proxy is in its row.
pub(crate) fn measure(
    stage: &mut Stage,
    running: &mut Running,
    workload: &Workload,
    options: &Options,
    peers: &[Peer],
    tell: &mut dyn FnMut(&str),
) -> Result<Table, Failure> {
    let mut rows: Vec<Row> = entrants(workload, peers).into_iter().map(Row::new).collect();
    // Many routers take long to load. Everybody else is started anew, so that no workload sees the memory of another.
    if workload.setup.routers == 1 || running.setup != Some(workload.setup) {
        *running = Running { setup: Some(workload.setup), ..Running::default() };
    }
    for row in &mut rows {
        children::go_on()?;
        tell(&format!("starting and checking {}", row.entrant.peer.name()));
        let key = key(row.entrant);
        let proxy = match running.proxies.remove(&key) {
            Some(proxy) => check::check(row.entrant.peer, ([127, 0, 0, 1], proxy.port).into(), workload)
                .map(|_| proxy)
                .map_err(Absent::Fails),
            None => match running.failed.get(&key) {
                Some(failure) => Err(Absent::Fails(failure.clone())),
                None => stage.start(row.entrant, workload),
            },
        };
        match proxy {
            Ok(proxy) => {
                row.idle = Some(proxy.idle);
                row.notes.clone_from(&proxy.notes);
                running.proxies.insert(key, proxy);
            }
            Err(Absent::Lacks(what)) => row.lacks = Some(what),
            Err(Absent::Ends(failure)) => return Err(failure),
            Err(Absent::Fails(failure)) => {
                running.failed.insert(key, failure.clone());
                row.failure = Some(failure);
            }
        }
    }
    children::go_on()?;
    let time = turn(workload, options);
    let mut turns = Turns { stage, running, workload, time, tell };
    for round in 0..options.rounds {
        turns.round(&mut rows, round, options.rounds, |turns, row| {
            let reading = turns.closed(row.entrant)?;
            row.readings[round] = Some(reading);
            Ok(())
        })?;
    }
    let mut table = Table { workload: workload.clone(), rows, rate: None };
    if workload.latency {
        table.rate = [Peer::Nginx, Peer::Seaway].into_iter().find_map(|peer| {
            let median = table.row(peer, 1)?.figure(|reading| reading.rate)?.median;
            Some((SHARE * median, peer))
        });
    }
    if let Some((rate, _)) = table.rate {
        for round in 0..options.rounds {
            turns.round(&mut table.rows, round, options.rounds, |turns, row| {
                row.paced[round] = Some(turns.paced(row.entrant, rate)?);
                Ok(())
            })?;
        }
    }
    Ok(table)
}

fn key(entrant: Entrant) -> String {
    format!("{} {}", entrant.peer.name(), entrant.workers)
}

struct Turns<'t> {
    stage: &'t mut Stage,
    running: &'t mut Running,
    workload: &'t Workload,
    time: Duration,
    tell: &'t mut dyn FnMut(&str),
}

impl Turns<'_> {
    /// Everybody's turn once. Who fails is out.
    fn round(
        &mut self,
        rows: &mut [Row],
        round: usize,
        rounds: usize,
        mut turn: impl FnMut(&mut Self, &mut Row) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let count = rows.len();
        for place in 0..count {
            let row = &mut rows[(place + round) % count];
            row.readings.resize(row.readings.len().max(round + 1), None);
            row.paced.resize(row.paced.len().max(round + 1), None);
            if row.lacks.is_some() || row.failure.is_some() {
                continue;
            }
            (self.tell)(&format!("round {} of {rounds}: {}", round + 1, row.entrant.peer.name()));
            if let Err(failure) = turn(self, row) {
                children::go_on()?;
                row.failure = Some(failure);
                self.running.proxies.remove(&key(row.entrant));
            }
            children::go_on()?;
        }
        Ok(())
    }

    fn proxy(&mut self, entrant: Entrant) -> Result<&mut Proxy, Failure> {
        let proxy = self.running.proxies.get_mut(&key(entrant)).ok_or_else(|| Failure::new("does not run"))?;
        proxy.must_run()?;
        Ok(proxy)
    }

    /// As much load as it takes.
    fn closed(&mut self, entrant: Entrant) -> Result<Reading, Failure> {
        let (workload, time) = (self.workload, self.time);
        let proxy = self.proxy(entrant)?;
        let (port, cookies) = (proxy.port, proxy.cookies.clone());
        let before = proxy.usage();
        let (requests, seconds) = match workload.kind {
            Kind::Requests => {
                let shape = Shape {
                    connections: workload.connections,
                    host: workload.host.clone(),
                    path: workload.path_for(entrant.peer),
                    post: workload.post,
                    close: workload.close,
                    cookies,
                };
                let counted = wrk::run(port, &shape, time, &self.stage.cores, self.stage.dir.path())?;
                judge(&counted, workload)?;
                (counted.requests, counted.seconds)
            }
            Kind::Echo => {
                let path = workload.path_for(entrant.peer);
                let load = Load::Echo { request: check::upgrade(&workload.host, &path) };
                let outcome = self.drive(port, load, Duration::ZERO)?;
                if outcome.failed > 0 || outcome.answered == 0 {
                    return Err(Failure::new(format!("lost {} of {} echoes", outcome.failed, outcome.answered)));
                }
                (outcome.answered, outcome.seconds)
            }
        };
        let proxy = self.proxy(entrant)?;
        let after = proxy.usage();
        if workload.setup.log != Log::Off && entrant.peer.speaks_http() {
            let written = proxy.take_log();
            if written < requests * LINE {
                return Err(Failure::new(format!("wrote {written} bytes of access log for {requests} requests")));
            }
        }
        let spent = after.since(&before);
        Ok(Reading {
            micros: micros_each(spent, requests),
            rate: as_f64(requests) / seconds.max(1e-9),
            memory: after.memory,
            busy: spent.as_secs_f64() / seconds.max(1e-9),
        })
    }

    /// A fixed rate.
    fn paced(&mut self, entrant: Entrant, rate: f64) -> Result<Paced, Failure> {
        let workload = self.workload;
        let path = workload.path_for(entrant.peer);
        let proxy = self.proxy(entrant)?;
        let (port, cookies) = (proxy.port, proxy.cookies.clone());
        let plain = || vec![request("GET", &workload.host, &path, "")];
        let with = |cookie: &String| request("GET", &workload.host, &path, &format!("Cookie: {cookie}\r\n"));
        let requests = if cookies.is_empty() { plain() } else { cookies.iter().map(with).collect() };
        let before = proxy.usage();
        let outcome = self.drive(port, Load::Schedule { rate, requests }, WARM_UP)?;
        let spent = self.proxy(entrant)?.usage().since(&before);
        // Nothing is lost, and no queue has grown that is still being worked off long after the last request was due.
        let late = Duration::try_from_secs_f64(outcome.seconds).unwrap_or(Duration::MAX);
        let kept_up = outcome.failed == 0 && late < WARM_UP + self.time + BACKLOG;
        Ok(Paced { micros: micros_each(spent, outcome.answered), outcome, kept_up })
    }

    fn drive(&mut self, port: u16, load: Load, warm_up: Duration) -> Result<Outcome, Failure> {
        let (connections, time) = (self.workload.connections, self.time);
        self.stage.backend.drive(&Order { to: ([127, 0, 0, 1], port).into(), connections, warm_up, time, load })
    }
}

/// Right answers, and hardly any connection lost.
fn judge(counted: &wrk::Counted, workload: &Workload) -> Result<(), Failure> {
    let wrong =
        if workload.status == 200 { counted.status } else { counted.requests - counted.status.min(counted.requests) };
    if counted.requests == 0 {
        return Err(Failure::new("answered nothing"));
    }
    if wrong > 0 {
        return Err(Failure::new(format!("{wrong} of {} answers had the wrong status", counted.requests)));
    }
    if counted.broken * 1000 > counted.requests {
        return Err(Failure::new(format!("{} connections broke in {} requests", counted.broken, counted.requests)));
    }
    if let Some(length) = workload.length {
        let least = counted.requests * u64::try_from(length).unwrap_or(u64::MAX);
        if counted.bytes < least {
            return Err(Failure::new(format!("{} bytes came in place of at least {least}", counted.bytes)));
        }
    }
    Ok(())
}

fn micros_each(spent: Duration, requests: u64) -> f64 {
    spent.as_secs_f64() * 1e6 / as_f64(requests.max(1))
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
fn as_f64(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::super::workloads;
    use super::*;

    fn workload(key: &str) -> Workload {
        workloads::all().into_iter().find(|w| w.key == key).unwrap()
    }

    #[test]
    fn wrong_answers_are_no_result() {
        let fine = wrk::Counted { requests: 1000, seconds: 1.0, bytes: 300_000, status: 0, broken: 1 };
        let found = workload("body-128");
        assert_eq!(judge(&fine, &found), Ok(()));
        for wrong in [
            wrk::Counted { status: 1, ..fine },
            wrk::Counted { broken: 2, ..fine },
            wrk::Counted { bytes: 127_999, ..fine },
            wrk::Counted { requests: 0, ..fine },
        ] {
            assert!(judge(&wrong, &found).is_err(), "{wrong:?}");
        }
        let none = workload("routers-1000-none");
        assert!(judge(&fine, &none).is_err());
        assert_eq!(judge(&wrk::Counted { status: 1000, ..fine }, &none), Ok(()));
    }

    #[test]
    fn a_whole_run_takes_no_more_than_it_may() {
        let whole = |line: &str| {
            let options = Options::parse(&[line.to_owned()]).unwrap();
            let all = options.workloads.iter().map(|w| estimate(w, &options, &options.peers));
            all.sum::<Duration>()
        };
        assert!(whole("--bench") < Duration::from_secs(35 * 60), "{:?}", whole("--bench"));
        assert!(whole("--quick") < Duration::from_secs(4 * 60), "{:?}", whole("--quick"));
    }

    #[test]
    fn only_some_workloads_are_for_everybody() {
        let everybody = super::super::peers::EVERYBODY;
        assert_eq!(entrants(&workload("sticky"), &everybody).len(), everybody.len());
        assert!(entrants(&workload("routers-1-none"), &everybody).iter().all(|e| e.peer != Peer::Relay));
        assert_eq!(entrants(&workload("workers"), &everybody).len(), 4);
    }
}
