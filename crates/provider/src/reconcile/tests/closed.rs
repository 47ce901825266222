//! Nothing is ever served without what its labels put in front of it.

use super::*;
use seaway_routing::RouteTarget;

use crate::docker::Owner;
use crate::testing::{Dice, seeds};

impl World {
    /// `R 1→ web-1 web-2` for a route with one middleware in front of these servers, `R 503` for one that is off.
    fn routes(&self) -> Vec<String> {
        let table = self.table();
        let Some(entry_point) = table.entry_points.get("web") else { return Vec::new() };
        let told = entry_point.routes.iter().map(|route| {
            let name = route.name.trim_end_matches("@docker");
            match &route.target {
                RouteTarget::Service(at) => {
                    let servers = table.services[*at].servers.iter();
                    let names: Vec<&str> = servers.map(|s| &*s.name).collect();
                    format!("{name} {}→ {}", route.chain.len(), names.join(" "))
                }
                RouteTarget::Internal(own) => format!("{name} {own}"),
                RouteTarget::Quarantined(_) => format!("{name} 503"),
            }
        });
        told.collect()
    }

    fn codes(&self) -> Vec<Code> {
        self.table().diagnostics.iter().map(|d| d.code).collect()
    }

    async fn show(&self, containers: impl IntoIterator<Item = Container>) -> Vec<String> {
        self.send(containers);
        pass(100).await;
        self.probe();
        pass(100).await;
        self.routes()
    }
}

const RULE: (&str, &str) = ("traefik.http.routers.R.rule", "Host(`r`)");
const GUARDED: (&str, &str) = ("traefik.http.routers.R.middlewares", "guard");
const GUARD: (&str, &str) = ("traefik.http.middlewares.guard.addprefix.prefix", "/guard");
const SERVICE: (&str, &str) = ("traefik.http.services.S.loadbalancer.server.port", "80");

fn newer(container: Container) -> Container {
    Container { created: "2026-11-20T11:00:00Z".to_owned(), ..container }
}

#[tokio::test(start_paused = true)]
async fn a_copied_project_with_a_guard_is_not_served_by_the_one_without() {
    let world = World::new();
    let first = replica("shop", "web", 1, &[RULE, SERVICE]);
    let second = newer(replica("copy", "web", 2, &[RULE, SERVICE, GUARDED, GUARD]));
    assert_eq!(world.show([first.clone(), second.clone()]).await, ["R 0→ web-1"], "never the copy's server");
    assert_eq!(world.codes(), [Code::Withheld, Code::NameConflict]);
    assert_eq!(world.show([second.clone()]).await, ["R 0→ "], "nor while the first one's tombstone stands");
    pass(60_000).await;
    assert_eq!(world.show([second]).await, ["R 1→ web-2"]);
}

#[tokio::test(start_paused = true)]
async fn a_server_behind_its_own_guard_is_not_served_behind_anothers() {
    let world = World::new();
    let first = replica("shop", "web", 1, &[RULE, SERVICE, GUARDED, GUARD]);
    let other = [RULE, SERVICE, GUARDED, (GUARD.0, "/other"), ("traefik.http.routers.Q.rule", "Host(`q`)")];
    assert_eq!(world.show([first, newer(replica("copy", "web", 2, &other))]).await, ["Q 0→ web-1", "R 1→ web-1"]);
}

#[tokio::test(start_paused = true)]
async fn strangers_who_say_the_same_share_a_service() {
    let world = World::new();
    let labels = [RULE, SERVICE, GUARDED, GUARD];
    let all = [replica("shop", "web", 1, &labels), newer(replica("copy", "web", 2, &labels))];
    assert_eq!(world.show(all).await, ["R 1→ web-1 web-2"]);
    assert_eq!(world.codes(), []);
}

#[tokio::test(start_paused = true)]
async fn a_redeploy_with_a_typo_is_not_served_by_the_definition_before_it() {
    let world = World::new();
    let first = replica("shop", "web", 1, &[RULE, SERVICE]);
    let typo = ("traefik.http.routers.R.middelwares", "guard");
    let other = ("traefik.http.routers.Q.rule", "Host(`q`)");
    let second = newer(replica("shop", "web", 2, &[RULE, SERVICE, typo, GUARD, other]));
    assert_eq!(world.show([first, second.clone()]).await, ["Q 0→ web-1", "R 0→ web-1"]);
    assert_eq!(world.codes(), [Code::UnknownOption, Code::Withheld, Code::DefinitionChanged]);
    assert_eq!(world.show([second]).await, ["Q 0→ web-2", "R 503"], "nobody else's definition is left");
}

/// However the label with the middleware is spoilt, its router is not published without it.
#[tokio::test(start_paused = true)]
async fn no_spoilt_label_publishes_a_router_without_its_guard() {
    let guarded_by = |value| ("traefik.http.routers.R.middlewares", value);
    let at = |key| (key, "guard");
    for labels in [
        &[at("traefik.routers.R.middlewares")][..],
        &[at("http.routers.R.middlewares")],
        &[at("com.traefik.http.routers.R.middlewares")],
        &[at("traefik_http_routers_R_middlewares")],
        &[at("seaway.routers.R.middlewares")],
        &[at("traefik.http.services.S.loadbalancer.middlewares"), SERVICE],
        &[at("traefik.http.services.S.middleware"), SERVICE],
        &[("traefik.http.services.S.middlewares", "gard"), SERVICE],
        &[at("traefik.http.routers.R.service.middlewares")],
        &[at("traefik.http.routers.R.rule.middlewares")],
        &[at("traefik.http.middlewares.R")],
        &[at("traefik.http.router.R.middlewares")],
        &[at("traefik.https.routers.R.middlewares")],
        &[at("traefik.http.1.routers.R.middlewares")],
        &[at("traefik.http.routers.R-middlewares")],
        &[at("traefik.http.routers.Q.middlewares")],
        &[("traefik.http.routers.R.middlewares=guard", "")],
        &[guarded_by("guard@docker@docker")],
        &[guarded_by("guard@Docker")],
        &[guarded_by("guard@internal")],
        &[guarded_by("@docker")],
        &[guarded_by("Guard")],
        &[guarded_by("guard;other")],
        &[guarded_by("[guard]")],
        &[guarded_by("\"guard\"")],
        &[guarded_by("guard"), ("seaway.http.routers.R.middlewares", " , ")],
        &[guarded_by("guard"), ("seaway.http.routers.r.middlewares[0]", "")],
        &[guarded_by("guard"), ("traefik.http.routers.r.middlewares", "")],
        &[guarded_by("guard"), ("seaway.http.middlewares.guard.addprefix", "false")],
        &[guarded_by("guard"), ("seaway.http.middlewares.guard.addprefix.prefix", "")],
        &[guarded_by("guard"), ("seaway.http.middlewares.guard.stripprefix.prefixes", "/x")],
        &[guarded_by("c"), ("traefik.http.middlewares.c.chain.middlewares", "")],
        &[guarded_by("c"), ("traefik.http.middlewares.c.chain.middlewares", "gard")],
        &[guarded_by("c"), ("traefik.http.middlewares.c.chain.middlewares", "guard,c")],
    ] {
        let world = World::new();
        let all: Vec<_> = [RULE, GUARD].iter().chain(labels).copied().collect();
        let routes = world.show([replica("shop", "web", 1, &all)]).await;
        assert!(routes.iter().any(|r| r.starts_with("R ")), "it keeps its place: {labels:?}: {routes:?}");
        assert!(!routes.iter().any(|r| r.contains(" 0→")), "{labels:?}: {routes:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_guard_of_another_owner_guards_until_its_tombstone_falls_and_then_nothing_passes() {
    let world = World::new();
    let guarded = replica("shop", "web", 1, &[RULE, GUARDED]);
    let guard = replica("auth", "guard", 2, &[GUARD]);
    assert!(world.show([guarded.clone(), guard]).await.contains(&"R 1→ web-1".to_owned()));
    assert!(
        world.show([guarded.clone()]).await.contains(&"R 1→ web-1".to_owned()),
        "the definition stays for a minute"
    );
    pass(60_000).await;
    assert_eq!(world.routes(), ["R 503"]);
    let impostor = replica("other", "guard", 3, &[("traefik.http.middlewares.guard.stripprefix.prefixes", "/x")]);
    assert!(world.show([guarded, impostor]).await.contains(&"R 1→ web-1".to_owned()), "names are free to take");
}

/// Containers of two owners come and go with and without a guard, with guards of the same name that differ, and with
/// typing mistakes. Whoever asks for a guard is never reached without the very guard that it means, unless a newer
/// container of the same owner has done away with it.
#[tokio::test(start_paused = true)]
async fn in_no_history_is_a_server_reached_without_the_guard_that_it_asks_for() {
    for seed in 0..seeds(60) {
        let (world, mut dice) = (World::new(), Dice(seed));
        let mut running: Vec<Container> = Vec::new();
        for step in 0..40u32 {
            if running.len() > 4 || (!running.is_empty() && dice.roll(3) == 0) {
                let at = usize::try_from(dice.roll(running.len() as u64)).unwrap();
                let gone = running.remove(at);
                world.notice(&gone.id, Notice::Ended);
            } else {
                running.push(candidate(&mut dice, step));
            }
            let served = world.show(running.iter().cloned()).await;
            if dice.roll(8) == 0 {
                pass(61_000).await;
            }
            for container in &running {
                let Some(asked) = asked(container) else { continue };
                let newer =
                    |other: &&Container| Owner::of(other) == Owner::of(container) && other.created > container.created;
                let done_away = running.iter().filter(newer).any(|other| self::asked(other) != Some(asked));
                let reached = world.chains(&container.id).into_iter().find(|chain| !chain.contains(asked));
                assert!(
                    reached.is_none() || done_away,
                    "seed {seed} step {step}: {container:?} asks for {asked} and is reached by {reached:?}: {served:?}"
                );
            }
        }
    }
}

/// The guard that a container asks for, be it with a typing mistake.
fn asked(container: &Container) -> Option<&str> {
    let asks = container.labels.iter().any(|(key, value)| key.contains("wares") && value == "guard");
    asks.then(|| container.labels.get(GUARD.0).map_or("/", String::as_str))
}

fn candidate(dice: &mut Dice, step: u32) -> Container {
    let mut labels = vec![RULE, SERVICE];
    match dice.roll(5) {
        0 => {}
        1 => labels.extend([("traefik.http.routers.R.middelwares", "guard"), GUARD]),
        2 => labels.extend([GUARDED, (GUARD.0, "/other")]),
        _ => labels.extend([GUARDED, GUARD]),
    }
    if dice.roll(3) == 0 {
        labels.push(("traefik.http.services.S.loadbalancer.sticky.cookie.name", "c"));
    }
    let project = ["shop", "copy"][usize::try_from(dice.roll(2)).unwrap()];
    let number = u8::try_from(step + 1).unwrap();
    Container { created: format!("2026-11-20T10:{number:02}:00Z"), ..replica(project, "web", number, &labels) }
}

impl World {
    /// The middlewares in front of each way to a container's ready server, printed.
    fn chains(&self, container: &str) -> Vec<String> {
        let table = self.table();
        let Some(entry_point) = table.entry_points.get("web") else { return Vec::new() };
        let ways = entry_point.routes.iter().filter(|route| match &route.target {
            RouteTarget::Service(at) => {
                let mut servers = table.services[*at].servers.iter();
                servers.any(|s| s.state.is_ready() && *s.state.identity().container == *container)
            }
            _ => false,
        });
        ways.map(|route| format!("{:?}", route.chain)).collect()
    }
}

#[tokio::test(start_paused = true)]
async fn a_redeploy_that_adds_a_guard_is_not_reached_before_the_guard_is_there() {
    let world = World::new();
    let old = replica("shop", "web", 1, &[RULE, SERVICE]);
    let new = newer(replica("shop", "web", 2, &[RULE, SERVICE, GUARDED, GUARD]));
    world.show([old.clone()]).await;
    world.send([old, new.clone()]);
    pass(20).await;
    pass(20).await;
    world.probe();
    let ready = world.servers("S@docker");
    assert_eq!(ready, ["web-1 ready", "web-2 starting"], "its port accepts, and the guard is not in force");
    settle().await;
    assert_eq!(world.servers("S@docker"), ["web-1 ready", "web-2 ready"]);
    assert_eq!(world.routes(), ["R 1→ web-1 web-2"]);
    assert!(world.chains(&new.id).iter().all(|chain| chain.contains("/guard")));
}
