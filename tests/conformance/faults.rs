//! Two hundred faulty label sets, each beside a healthy router in its own container and before a stranger who takes everything.
//!
//! A row is `labels => consequence code`, labels apart by ` ; `, each `router`, `service` (below `loadbalancer`), `mw` or `label`.
//!
//! | Consequence | Means |
//! |---|---|
//! | `off` | the faulty router answers 503, and nobody else sees its requests; the healthy one serves |
//! | `warned` | both serve |
//! | `all` | the label may belong to either: both answer 503, and nobody else sees their requests |
//! | `lost` | nobody can know the router's requests: the stranger gets them; the healthy one serves |

use serde_json::Value;

use super::table::Block;
use super::world::{self, World};

const TABLE: &str = include_str!("faults.txt");

struct Case {
    block: Block,
    consequence: String,
    code: String,
}

fn cases() -> Vec<Case> {
    let rows = TABLE.lines().enumerate().filter(|(_, row)| !row.trim().is_empty() && !row.starts_with("//"));
    rows.map(|(at, row)| {
        let place = format!("faults:{}: {row}", at + 1);
        let (labels, outcome) = row.split_once(" => ").unwrap_or_else(|| panic!("{place}"));
        let (consequence, code) = outcome.trim().split_once(' ').unwrap_or_else(|| panic!("{place}"));
        let mut words = labels.split(" ; ");
        let mut block = Block::new(format!("fault-{at}"), place, words.next().unwrap_or_default());
        words.for_each(|word| block.word(word));
        let id = block.name.clone();
        let given = |block: &Block, start: &str| {
            block.labels.iter().any(|(key, _)| key.to_ascii_lowercase().starts_with(start))
        };
        for name in [id.clone(), format!("{id}-ok")] {
            for (key, value) in [
                (format!("traefik.http.routers.{name}.rule"), format!("Host(`{name}.test`)")),
                (format!("traefik.http.routers.{name}.service"), name.clone()),
                (format!("traefik.http.services.{name}.loadbalancer.server.port"), "{port}".to_owned()),
            ] {
                let url = format!("traefik.http.services.{name}.loadbalancer.server.url");
                let not_needed = key.ends_with("server.port") && given(&block, &url);
                let has = block.labels.iter().any(|(have, _)| *have == key);
                if !has && !not_needed {
                    block.labels.push((key, value));
                }
            }
        }
        if given(&block, &format!("traefik.http.middlewares.{id}."))
            && !given(&block, &format!("traefik.http.routers.{id}.middlewares"))
        {
            block.labels.push((format!("traefik.http.routers.{id}.middlewares"), id));
        }
        Case { block, consequence: consequence.to_owned(), code: code.trim().to_owned() }
    })
    .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_off_and_says_so_and_nothing_else_is() {
    let cases = cases();
    let stranger = [("traefik.http.routers.all.rule", "PathPrefix(`/`)"), ("traefik.http.routers.all.priority", "1")];
    let stranger = stranger.map(|(key, value)| (key.to_owned(), value.to_owned())).to_vec();
    let all = std::iter::once(("catch-all".to_owned(), stranger, "stranger".to_owned()));
    let mut world = World::start(&[], all.chain(cases.iter().map(|case| world::container(&case.block)))).await;
    world.program.until("nobody.test", "/", |response| response.text() == "stranger").await;
    let told = world.diagnostics().await;
    let mut wrong = Vec::new();
    for Case { block, consequence, code } in &cases {
        let own = |found: &&Value| found["origin"]["resource"] == *block.name;
        let codes: Vec<&str> = told.iter().filter(own).filter_map(|found| found["code"].as_str()).collect();
        if !codes.contains(&&**code) {
            wrong.push(format!("{}: tells {codes:?}", block.place));
        }
        for found in told.iter().filter(own).filter(|found| found["code"] == **code) {
            let says = |part: &str| found[part].as_str().is_some_and(|text| !text.is_empty());
            if !says("message") || !says("consequence") {
                wrong.push(format!("{}: {found}", block.place));
            }
        }
        let (faulty, healthy) = match &**consequence {
            "off" => (None, Some("echo")),
            "warned" => (Some("echo"), Some("echo")),
            "all" => (None, None),
            "lost" => (Some("stranger"), Some("echo")),
            other => panic!("{}: {other}", block.place),
        };
        for (host, server) in [(format!("{}.test", block.name), faulty), (format!("{}-ok.test", block.name), healthy)] {
            let response = world.program.get(&host, "/").await;
            let by = match response.text() {
                text if text == "stranger" => Some("stranger"),
                _ => response.field("x-upstream").map(|_| "echo"),
            };
            if by != server || (server.is_none() && (response.status != 503 || !response.text().contains("SW"))) {
                wrong.push(format!(
                    "{}: {host}: {} by {by:?}: {}; tells {codes:?}",
                    block.place,
                    response.status,
                    response.text()
                ));
            }
        }
    }
    println!("{} faulty label sets", cases.len());
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    assert!(cases.len() >= 200, "{} faulty label sets", cases.len());
    for Case { block, code, .. } in &cases {
        world.program.says(&format!("{code} docker {}: ", block.name));
    }
}
