#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use http::HeaderMap;
use seaway_config::model;

use super::{NoServer, Pick, Tried, Want};
use crate::Published;
use crate::state::{Notice, flag};
use crate::testing::{World, server, service, web};

fn world(weights: &[(u8, u32)]) -> World {
    World::new(web(service(servers(weights))))
}

fn servers(weights: &[(u8, u32)]) -> Vec<model::Server> {
    weights.iter().map(|(n, weight)| server(*n, *weight)).collect()
}

fn sequence(world: &World, picks: usize) -> String {
    (0..picks).map(|_| world.next().trim_start_matches("web-").to_owned()).collect()
}

#[test]
fn weights_are_spread_smoothly() {
    assert_eq!(sequence(&world(&[(1, 3), (2, 1)]), 12), "111211121112");
    assert_eq!(sequence(&world(&[(1, 1), (2, 1), (3, 1)]), 9), "123123123");
    assert_eq!(sequence(&world(&[(1, 1), (2, 2)]), 6), "212212");
    assert_eq!(sequence(&world(&[(1, 0), (2, 1)]), 3), "222");
    assert_eq!(sequence(&world(&[(1, 5)]), 3), "111");
}

#[test]
fn the_position_survives_table_changes() {
    let mut world = world(&[(1, 1), (2, 1), (3, 1)]);
    let mut picks = String::new();
    for round in 0..30 {
        picks += &sequence(&world, 1);
        // Another server comes and goes in between, and so do changes that have nothing to do with the service.
        let config = match round % 3 {
            0 => servers(&[(1, 1), (2, 1), (3, 1)]),
            1 => servers(&[(1, 1), (2, 1), (3, 1), (4, 0)]),
            _ => servers(&[(3, 1), (2, 1), (1, 1)]),
        };
        world.apply(web(service(config)));
    }
    for (server, expected) in [('1', 10), ('2', 10), ('3', 10)] {
        assert_eq!(picks.matches(server).count(), expected, "{picks}");
    }
}

#[test]
fn the_distribution_is_exact_over_a_hundred_table_changes() {
    let mut world = world(&[(1, 1), (2, 2), (3, 3)]);
    let mut counts = BTreeMap::new();
    for pick in 0..10_000 {
        *counts.entry(world.next()).or_insert(0i64) += 1;
        if pick % 100 == 0 {
            let extra =
                if pick % 200 == 0 { vec![(1, 1), (2, 2), (3, 3), (9, 0)] } else { vec![(1, 1), (2, 2), (3, 3)] };
            world.apply(web(service(servers(&extra))));
        }
    }
    for (name, weight) in [("web-1", 1), ("web-2", 2), ("web-3", 3)] {
        let expected = 10_000 * weight / 6;
        assert!((counts[name] - expected).abs() <= 1, "{counts:?}");
    }
}

#[test]
fn concurrent_pickers_share_one_position() {
    for threads in [2, 4] {
        let world = world(&[(1, 1), (2, 2), (3, 3)]);
        let per_thread = 12_000 / threads;
        let counts = count_by_threads(&world, threads, per_thread);
        assert_eq!(counts, [("web-1".into(), 2_000), ("web-2".into(), 4_000), ("web-3".into(), 6_000)].into());
    }
}

fn count_by_threads(world: &World, threads: usize, per_thread: usize) -> BTreeMap<String, usize> {
    let picked = std::thread::scope(|scope| {
        let pickers: Vec<_> =
            (0..threads).map(|_| scope.spawn(|| (0..per_thread).map(|_| world.next()).collect::<Vec<_>>())).collect();
        pickers.into_iter().flat_map(|picker| picker.join().unwrap()).collect::<Vec<_>>()
    });
    let mut counts = BTreeMap::new();
    for name in picked {
        *counts.entry(name).or_insert(0) += 1;
    }
    counts
}

/// Workers pick from the table in force while it is replaced again and again, by tables in which the service is the
/// same: not one turn is lost.
#[test]
fn concurrent_pickers_keep_their_turn_while_tables_change() {
    let mut world = world(&[(1, 1), (2, 2), (3, 3)]);
    let published = Published::default();
    published.publish(std::mem::take(&mut world.table));
    let done = AtomicBool::new(false);
    let counts = std::thread::scope(|scope| {
        let pickers: Vec<_> = (0..3)
            .map(|_| {
                scope.spawn(|| {
                    let cell = published.cell();
                    let mut table = arc_swap::Cache::new(cell);
                    (0..4_000)
                        .map(|_| {
                            let service = &table.load().services[0];
                            match service.pick(&HeaderMap::new(), &Tried::default(), Want::Ready) {
                                Pick::Server(picked) => service.servers[picked.index].name.to_string(),
                                Pick::None(none) => panic!("{none:?}"),
                            }
                        })
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        let changer = scope.spawn(|| {
            let mut changes = 0;
            while !done.load(Ordering::Relaxed) || changes < 100 {
                let current = published.current();
                let mut config = web(service(servers(&[(1, 1), (2, 2), (3, 3)])));
                let (name, other) = crate::testing::router("other", &format!("Path(`/{changes}`)"), "web");
                config.routers.insert(name, other);
                let table = crate::compile(config.into(), &world.registry, Some(&current), &world.options, world.now);
                published.publish(table);
                changes += 1;
            }
        });
        let mut counts = BTreeMap::new();
        for name in pickers.into_iter().flat_map(|picker| picker.join().unwrap()) {
            *counts.entry(name).or_insert(0) += 1;
        }
        done.store(true, Ordering::Relaxed);
        changer.join().unwrap();
        counts
    });
    assert_eq!(counts, [("web-1".into(), 2_000), ("web-2".into(), 4_000), ("web-3".into(), 6_000)].into());
}

#[test]
fn a_new_server_gets_its_share_and_no_burst() {
    let mut world = world(&[(1, 1), (2, 1)]);
    sequence(&world, 1_001);
    world.apply(web(service(servers(&[(1, 1), (2, 1), (3, 1)]))));
    let picks = sequence(&world, 12);
    assert!(!picks.contains("33") && (3..=4).contains(&picks.matches('3').count()), "{picks}");
}

#[test]
fn a_server_that_comes_back_gets_no_burst() {
    let world = world(&[(1, 1), (2, 1), (3, 1)]);
    let away = &world.web().servers[2].state;
    away.set(flag::PAUSED);
    assert_eq!(sequence(&world, 1_000).matches('3').count(), 0);
    away.clear(flag::PAUSED);
    let picks = sequence(&world, 12);
    assert!(!picks.contains("33"), "{picks}");
    assert!((4..=5).contains(&picks.matches('3').count()), "{picks}");
}

#[test]
fn a_server_that_becomes_heavier_does_not_wait_out_its_old_turn() {
    let mut world = world(&[(1, 100), (2, 1)]);
    sequence(&world, 150);
    world.apply(web(service(servers(&[(1, 100), (2, 100)]))));
    let picks = sequence(&world, 20);
    assert!((9..=11).contains(&picks.matches('2').count()), "{picks}");
}

#[test]
fn servers_that_were_tried_are_left_out() {
    let world = world(&[(1, 1), (2, 1), (3, 1)]);
    let service = world.web();
    let mut tried = Tried::default();
    for left in ["12", "1", ""] {
        let Pick::Server(picked) = service.pick(&HeaderMap::new(), &tried, Want::Ready) else { panic!() };
        let server = &service.servers[picked.index];
        assert!(!tried.contains(server));
        tried.insert(server);
        tried.insert(server);
        assert_eq!(tried.len(), 3 - left.len());
    }
    assert_eq!(service.pick(&HeaderMap::new(), &tried, Want::LastResort), Pick::None(NoServer::AllTried));
}

#[test]
fn more_servers_can_be_tried_than_are_kept_near() {
    let many: Vec<_> = (1..=20).map(|n| (n, 1)).collect();
    let world = world(&many);
    let mut tried = Tried::default();
    for server in &world.web().servers {
        assert!(!tried.contains(server));
        tried.insert(server);
        assert!(tried.contains(server));
    }
    assert_eq!(tried.len(), 20);
}

#[test]
fn a_terminating_server_is_the_last_resort_of_those_that_may_repeat() {
    let world = world(&[(1, 1), (2, 1)]);
    let service = world.web();
    let pick = |want| service.pick(&HeaderMap::new(), &Tried::default(), want);
    let index = |pick| match pick {
        Pick::Server(picked) => picked.index,
        Pick::None(none) => panic!("{none:?}"),
    };
    world.registry.notify("container-2", Notice::Terminating, world.now);
    for _ in 0..4 {
        assert_eq!(index(pick(Want::LastResort)), 0, "while another is ready, it is left alone");
    }
    world.registry.notify("container-1", Notice::Ended, world.now);
    assert_eq!(pick(Want::Ready), Pick::None(NoServer::Empty));
    assert_eq!(index(pick(Want::LastResort)), 1);
    world.registry.notify("container-2", Notice::Ended, world.now);
    assert_eq!(pick(Want::LastResort), Pick::None(NoServer::Empty));
}

#[test]
fn nothing_to_choose_from() {
    for weights in [&[][..], &[(1, 0), (2, 0)]] {
        let world = world(weights);
        let pick = world.web().pick(&HeaderMap::new(), &Tried::default(), Want::LastResort);
        assert_eq!(pick, Pick::None(NoServer::Empty));
    }
}
