#![allow(clippy::unwrap_used)]

use std::cell::RefCell;

use super::*;
use crate::docker::{Builder, Container};
use crate::testing::{Dice, container, options, replica, seeds, snapshot};

/// Labels that meet in names of every kind, some of them wrong.
const LABELS: [&[(&str, &str)]; 9] = [
    &[],
    &[("traefik.http.routers.R.rule", "Host(`r`)"), ("traefik.http.routers.R.middlewares", "M")],
    &[("traefik.http.routers.R.rule", "Host(`q`)"), ("traefik.http.middlewares.M.addprefix.prefix", "/m")],
    &[("traefik.http.middlewares.M.addprefix.prefix", "/n"), ("traefik.http.routers.Q.middlewares", "C")],
    &[("traefik.http.middlewares.C.chain.middlewares", "M"), ("traefik.http.routers.Q.rule", "Host(`c`)")],
    &[("traefik.http.services.S.loadbalancer.passhostheader", "false"), ("traefik.http.routers.R.service", "S")],
    &[("traefik.http.services.S.loadbalancer.passhostheader", "true")],
    &[("traefik.http.routers.R.middelwares", "M"), ("traefik.http.services.S.loadbalancer.server.port", "81")],
    &[("traefik.enable", "false")],
];

/// Some container, whose owner, labels and age come again and again.
fn some(dice: &mut Dice) -> Container {
    let number = u8::try_from(dice.roll(4)).unwrap();
    let labels = LABELS[usize::try_from(dice.roll(LABELS.len() as u64)).unwrap()];
    let made = match dice.roll(3) {
        0 => replica("shop", "web", number, labels),
        1 => replica("shop", "api", number, labels),
        _ => container(&format!("c{number}"), &format!("10.0.1.{number}"), labels),
    };
    Container { created: format!("2026-11-20T10:00:0{}Z", dice.roll(5)), ..made }
}

/// Everything that came of a merge, in an order that does not depend on its way.
#[derive(Debug, PartialEq)]
struct Shown {
    config: Config,
    told: Vec<String>,
    ahead: BTreeSet<String>,
}

#[test]
fn group_by_group_gives_what_merging_everything_gives() {
    for seed in 0..seeds(300) {
        let (mut dice, mut builder) = (Dice(seed), Builder::new(options()));
        let mut merger = Merger::new("docker", Config::default());
        let mut held = Holders::default();
        let mut running: BTreeMap<String, Container> = BTreeMap::new();
        let standings: RefCell<HashMap<String, Standing>> = RefCell::default();
        for step in 0..30 {
            let one = some(&mut dice);
            match dice.roll(4) {
                0 => drop(running.remove(&one.id)),
                1 => {
                    let standing = [Standing::Leaving, Standing::Running, Standing::Ready][step % 3];
                    standings.borrow_mut().insert(one.id, standing);
                }
                _ => drop(running.insert(one.id.clone(), one)),
            }
            let standing = |part: &Partial| standings.borrow().get(&part.id).copied().unwrap_or(Standing::Ready);
            let parts = builder.build(&snapshot(running.values().cloned())).partials;
            let (whole, holders) = merge("docker", &parts, &held, &standing);
            held = holders;
            merger.update(parts, &standing);
            assert!(!merger.is_due(&standing));
            let mut config = Config::default();
            let name = |name: String| Name::new(&name, "docker");
            config.routers.extend(whole.routers.into_iter().map(|(n, o)| (name(n), o.object)));
            config.services.extend(whole.services.into_iter().map(|(n, o)| (name(n), o.object)));
            config.middlewares.extend(whole.middlewares.into_iter().map(|(n, o)| (name(n), o.object)));
            let told = |found: &Found| format!("{} {}", found.whose, found.diagnostic);
            let mut whole = Shown { config, told: whole.diagnostics.iter().map(told).collect(), ahead: whole.ahead };
            let config = merger.config().clone();
            let mut grouped = Shown { config, told: merger.diagnostics().map(told).collect(), ahead: merger.ahead() };
            whole.told.sort();
            grouped.told.sort();
            assert_eq!(grouped, whole, "seed {seed} step {step}");
        }
    }
}

#[test]
fn what_has_nothing_to_do_with_a_change_stays_the_same_entry() {
    let mut builder = Builder::new(options());
    let mut merger = Merger::new("docker", Config::default());
    let ready = |_: &Partial| Standing::Ready;
    let mut see = |containers: Vec<Container>| {
        let parts = builder.build(&snapshot(containers)).partials;
        let outcome = merger.update(parts, &ready);
        (outcome, merger.config().clone())
    };
    let one = || container("one", "10.0.0.2", &[]);
    let (_, before) = see(vec![one(), replica("shop", "web", 1, &[])]);
    let (outcome, after) = see(vec![one(), replica("shop", "web", 1, &[]), replica("shop", "web", 2, &[])]);
    assert_eq!(outcome, Outcome { changed: true, told: false });
    let other = |found: Vec<seaway_config::shared_map::Difference<'_, Name, _>>| {
        found.iter().map(|found| found.key.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(other(after.services.differences(&before.services)), ["web-shop@docker"]);
    assert!(after.routers.is_same(&before.routers), "the route leads where it led");
    let (outcome, same) = see(vec![one(), replica("shop", "web", 1, &[]), replica("shop", "web", 2, &[])]);
    assert!(!outcome.changed && same.services.is_same(&after.services));
}
