//! The goals that this harness can judge.

use super::figures::{Figure, ratio};
use super::peers::Peer;
use super::rounds::{Paced, Reading, Row, Table};

/// One goal, and what was measured.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Goal {
    pub(crate) what: String,
    pub(crate) wanted: String,
    pub(crate) measured: Figure,
    pub(crate) met: bool,
}

/// Those whose workloads were measured.
pub(crate) fn judge(tables: &[Table]) -> Vec<Goal> {
    let mut goals = Vec::new();
    let mut at_most = |what: &str, limit: f64, unit: &str, measured: Option<Figure>| {
        goals.extend(measured.map(|measured| Goal {
            what: what.to_owned(),
            wanted: format!("≤ {limit}{unit}"),
            measured,
            met: measured.median <= limit,
        }));
    };
    let table = |key: &str| tables.iter().find(|table| table.workload.key == key);
    let time = |key: &str, peer| times(table(key)?, peer, |reading| reading.micros);
    at_most("processor time, sticky, to nginx", 1.0, " ×", time("sticky", Peer::Nginx));
    at_most("processor time, sticky, to the byte relay", 1.35, " ×", time("sticky", Peer::Relay));
    at_most("processor time, sticky, to Caddy", 0.25, " ×", time("sticky", Peer::Caddy));
    at_most("processor time, sticky, to Traefik", 0.25, " ×", time("sticky", Peer::Traefik));
    at_most("processor time, JSON access log, to nginx with its log", 1.15, " ×", time("log-json", Peer::Nginx));
    at_most("processor time, 16 KiB, to nginx", 0.95, " ×", time("body-16k", Peer::Nginx));
    at_most("p99 at 70 % of nginx's rate, to nginx's", 1.0, " ×", table("sticky").and_then(p99));
    let idle = table("body-128").or_else(|| table("sticky")).and_then(|t| t.row(Peer::Seaway, 1)?.idle);
    let idle = idle.and_then(|kib| Figure::of([f64::from(u32::try_from(kib).ok()?) * 1024.0 / 1e6]));
    at_most("memory, idle", 12.0, " MB", idle);
    let workers = table("workers").and_then(|table| {
        let (one, two) = (table.row(Peer::Seaway, 1)?, table.row(Peer::Seaway, 2)?);
        ratio(&two.each(|r| r.rate), &one.each(|r| r.rate))
    });
    goals.extend(workers.map(|measured| Goal {
        what: "rate with two workers, to one (where the generator is not the limit)".to_owned(),
        wanted: "≥ 1.8 ×".to_owned(),
        measured,
        met: measured.median >= 1.8,
    }));
    goals
}

fn times(table: &Table, peer: Peer, value: impl Fn(&Reading) -> f64 + Copy) -> Option<Figure> {
    ratio(&table.row(Peer::Seaway, 1)?.each(value), &table.row(peer, 1)?.each(value))
}

fn p99(table: &Table) -> Option<Figure> {
    // Who did not keep up has no latency: ten seconds stand for it.
    let one = |paced: &Paced| if paced.kept_up { paced.outcome.p99 } else { 1e7 };
    let each = |row: &Row| row.paced.iter().map(|paced| Some(one(paced.as_ref()?))).collect::<Vec<_>>();
    ratio(&each(table.row(Peer::Seaway, 1)?), &each(table.row(Peer::Nginx, 1)?))
}
