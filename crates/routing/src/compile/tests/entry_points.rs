//! What entry points add to the routers on them.

use super::*;
use crate::{EntryPointModel, Route};

fn model(entry_point: &str, change: impl FnOnce(&mut EntryPointModel)) -> EntryPointModel {
    let mut model = EntryPointModel { entry_point: entry_point.into(), ..EntryPointModel::default() };
    change(&mut model);
    model
}

/// `front` on both entry points, with a middleware of its own.
fn both(config: &mut Config) {
    front(config).value.entry_points = vec!["web".to_owned(), "other".to_owned()];
    front(config).value.middlewares = vec!["own".to_owned()];
    config.middlewares.extend([middleware("own", strip("/own")), middleware("ahead", strip("/ahead"))]);
}

fn route<'w>(world: &'w World, entry_point: &str) -> &'w Route {
    world.table.entry_points[entry_point].find(&get("a.test", "/x")).unwrap()
}

fn world(models: Vec<EntryPointModel>, config: Config) -> World {
    let mut world = World::default();
    world.options.models = models;
    world.apply(config);
    world
}

#[test]
fn its_middlewares_stand_before_those_of_each_router() {
    let ahead = model("web", |model| model.middlewares = vec!["ahead@docker".to_owned()]);
    let mut world = world(vec![ahead], config(both));
    assert_eq!(world.codes(), []);
    let chains = |world: &World| (route(world, "web").chain.len(), route(world, "other").chain.len());
    assert_eq!(chains(&world), (2, 1));
    let alone = World::new(config(|c| {
        both(c);
        front(c).value.middlewares = vec!["ahead".to_owned(), "own".to_owned()];
    }));
    let shown = |world: &World| format!("{:?}", route(world, "web").chain);
    assert_eq!(shown(&world), shown(&alone), "in order");
    assert_eq!(world.entry_point().find(&get("b.test", "/")).unwrap().chain.len(), 1, "for each router");

    // It changes, it breaks, it is gone, it is back.
    world.apply(config(|c| {
        both(c);
        c.middlewares.insert(docker("ahead"), Declared::new(chain(&["own", "own"]), origin("x")));
    }));
    assert_eq!(chains(&world), (3, 1));
    for broken in [true, false] {
        world.apply(config(|c| {
            both(c);
            c.middlewares.remove(&docker("ahead"));
            if broken {
                let (name, declared) = middleware("ahead", strip("/"));
                c.middlewares.insert(name, quarantined(declared, Code::UnknownOption));
            }
        }));
        let expected = if broken { Code::BrokenMiddleware } else { Code::UnknownMiddleware };
        assert_eq!(route(&world, "web").target, RouteTarget::Quarantined(expected));
        assert_eq!(route(&world, "other").target, RouteTarget::Service(0), "of the other entry point nothing is wrong");
        assert!(world.codes().contains(&expected));
        assert!(!world.table.routers[&docker("front")].errors.is_empty());
    }
    world.apply(config(both));
    assert_eq!(chains(&world), (2, 1));
    assert_eq!(world.codes(), []);
}

#[test]
fn what_asks_for_tls_is_never_served_in_clear() {
    let world = world(vec![model("web", |model| model.tls = true)], config(both));
    assert_eq!(route(&world, "web").target, RouteTarget::Quarantined(Code::TlsNotSupportedYet));
    assert_eq!(route(&world, "web").chain.len(), 0);
    assert_eq!(route(&world, "other").target, RouteTarget::Service(0));
    for route in &world.table.entry_points["web"].routes {
        assert_eq!(route.target, RouteTarget::Quarantined(Code::TlsNotSupportedYet));
    }
    let told: Vec<_> = world.table.diagnostics.iter().map(|told| told.consequence.as_str()).collect();
    assert!(told.contains(&"router front@docker answers 503 on web"), "{told:?}");
}

#[test]
fn redirections_have_a_service_that_serves_nothing() {
    let mut config = config(|_| ());
    let (_, mut declared) = router("x", "HostRegexp(`^.+$`)", "noop@internal");
    declared.value.priority = i64::MAX - 1;
    config.routers.insert(Name::new("web-to-other", "internal"), declared);
    let world = World::new(config);
    assert_eq!(world.codes(), []);
    assert_eq!(outcome(&world), ("web-to-other@internal".into(), RouteTarget::Internal("noop".into())));
}
