//! Conformance tables: hundreds of small cases over one running program in front of a fake engine.
//!
//! A table is text. A block begins with `@` and is one container; further lines of it begin with `+`; each line after them is a request
//! and what has to come of it:
//!
//! ```text
//! @ mw addprefix.prefix=/foo
//! GET /bar | X-A: b => 200 | sent /foo/bar | sent X-A: b | has X-Upstream: echo
//! ```
//!
//! | Word of a block | Means |
//! |---|---|
//! | `rule R` | the router's rule is R, for this block's requests alone |
//! | `router K=V`, `service K=V`, `mw K=V` | an option of the block's router, service (below `loadbalancer`), middleware |
//! | `label K=V` | that label; without a router of its own where it is the block's first word |
//! | `server N` | the upstream behind the container, see [`world`] |
//! | `watch N` | `sent` is about that upstream; without it, about the block's own, or else whichever saw the request |
//! | `tells C` | a diagnostic with that code about this container; without it there may be none |
//!
//! `{id}` is the block's name, its host is `{id}.test`; `{url:N}` is an upstream's URL. What follows `=>` is told in [`Check`].

mod containers;
mod faults;
mod forwarding;
mod headers;
mod middlewares;
mod objects;
mod paths;
mod rules;
mod table;
mod world;

use std::collections::BTreeSet;

use table::{Block, Check, parse};
use world::World;

const TABLES: &[(&str, &str)] = &[
    ("rules", rules::TABLE),
    ("paths", paths::TABLE),
    ("middlewares", middlewares::TABLE),
    ("headers", headers::TABLE),
    ("forwarding", forwarding::TABLE),
    ("objects", objects::TABLE),
];

#[tokio::test(flavor = "multi_thread")]
async fn every_row_of_the_tables_holds() {
    let mut blocks: Vec<Block> = TABLES.iter().flat_map(|(topic, text)| parse(topic, text)).collect();
    let world = World::start(&[], blocks.iter().map(world::container)).await;
    for block in &mut blocks {
        let server = block.server.clone();
        block.rows.iter_mut().for_each(|row| row.fill(|text| world.fill(text, &server)));
    }
    let told = world.diagnostics().await;
    let (mut cases, mut wrong) = (0, Vec::new());
    let mut later = Vec::new();
    for block in &blocks {
        let codes: BTreeSet<String> = told
            .iter()
            .filter(|found| found["origin"]["resource"] == *block.name)
            .filter_map(|found| found["code"].as_str().map(str::to_owned))
            .collect();
        if codes != block.tells {
            wrong.push(format!("{}: {} tells {codes:?}, not {:?}", block.place, block.name, block.tells));
        }
        for row in &block.rows {
            cases += 1;
            let answer = world.ask(block, row, cases).await;
            for check in &row.checks {
                match check {
                    Check::Sent(..) | Check::Unsent | Check::Log(..) => later.push((block, row, cases, check)),
                    check => wrong.extend(check.response(&answer).map(|why| format!("{}: {why}", row.place))),
                }
            }
        }
    }
    let lines = |check: &Check| matches!(check, Check::Log(key, _) if key != "-");
    let wanted: Vec<usize> = later.iter().filter(|(.., check)| lines(check)).map(|(_, _, number, _)| *number).collect();
    let (seen, logged) = (world.seen(), world.logged(&wanted).await);
    for (block, row, number, check) in later {
        let of =
            |name: &str| seen.iter().find(|((of, by), _)| *of == number && *by == name).map(|(_, request)| request);
        let anybody = || seen.iter().find(|((of, _), _)| *of == number).map(|(_, request)| request);
        let why = match (check, &block.watch) {
            (Check::Log(..), _) => check.log(logged.get(&number)),
            (Check::Unsent, _) => check.request(anybody()),
            (_, Some(name)) => check.request(of(name)),
            (_, None) => check.request(of(&block.server).or_else(anybody)),
        };
        wrong.extend(why.map(|why| format!("{}: {why}", row.place)));
    }
    println!("{cases} cases in {} containers", blocks.len());
    assert!(wrong.is_empty(), "{} of {cases} cases:\n{}", wrong.len(), wrong.join("\n"));
    assert!(cases >= 600, "{cases} cases");
}
