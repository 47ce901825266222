//! What a middleware counts belongs to one router, and outlives tables; what it shows pages of has to be there.

use http::Method;
use seaway_config::model::{Errors, InFlightReq};
use seaway_middleware::protocol::{Asked, Length};
use seaway_middleware::{Context, Flow, Memory};

use super::*;

fn one_at_a_time(amount: i64) -> Middleware {
    Middleware::InFlightReq(InFlightReq { amount, source_criterion: None })
}

/// A request for this path enters; what is kept of it as long as it is there.
fn enter(world: &World, path: &str) -> Option<Memory> {
    let mut head = get("a.test", path);
    let route = world.entry_point().find(&head).unwrap();
    let [middleware] = &*route.chain else { panic!("one middleware: {:?}", route.chain) };
    let (mut memory, mut user, mut remember) = (Memory::Nothing, None, 0);
    let flow = middleware.on_request(
        &mut head,
        &mut Context {
            now: Duration::ZERO,
            asked: Asked { method: &Method::GET, target: None, host: None, body: Length::None, upgrade: false },
            certificates: &[],
            memory: &mut memory,
            user: &mut user,
            remember: &mut remember,
        },
    );
    matches!(flow, Flow::Next).then_some(memory)
}

#[test]
fn each_router_counts_for_itself() {
    let world = World::new(config(|c| {
        c.middlewares.extend([middleware("one", one_at_a_time(1))]);
        c.routers.values_mut().for_each(|router| router.value.middlewares = vec!["one".to_owned()]);
        let (name, mut other) = router("other", "Host(`a.test`) && Path(`/y`)", "web");
        other.value.middlewares = vec!["one".to_owned()];
        c.routers.insert(name, other);
    }));
    let first = enter(&world, "/x").unwrap();
    assert!(enter(&world, "/x").is_none(), "one is there");
    assert!(enter(&world, "/y").is_some(), "another router");
    drop(first);
    assert!(enter(&world, "/x").is_some(), "it has left");
}

#[test]
fn what_is_counted_outlives_tables() {
    let with = |amount: i64, priority: i64, off: bool| {
        config(move |c| {
            c.middlewares.extend([middleware("one", one_at_a_time(amount))]);
            front(c).value.middlewares = vec!["one".to_owned()];
            front(c).value.priority = priority;
            if off {
                *front(c) = quarantined(front(c).clone(), Code::UnknownOption);
            }
        })
    };
    let mut world = World::new(with(1, 0, false));
    let first = enter(&world, "/x").unwrap();
    // Another router, another limit, and a while in which it was off.
    for (amount, priority, off, enters) in
        [(1, 5, false, false), (1, 5, true, false), (2, 5, false, true), (1, 5, false, false)]
    {
        world.apply(with(amount, priority, off));
        if !off {
            assert_eq!(enter(&world, "/x").is_some(), enters, "{amount} {priority}");
        }
    }
    drop(first);
    assert!(enter(&world, "/x").is_some());
}

#[test]
fn a_service_of_pages_has_to_be_there() {
    let with = |reference: &str, there: bool| {
        let errors = Errors { status: vec!["404".into()], service: reference.into(), ..Errors::default() };
        config(move |c| {
            c.middlewares.extend([middleware("errors", Middleware::Errors(errors))]);
            front(c).value.middlewares = vec!["errors".to_owned()];
            if there {
                c.services.insert(docker("pages"), service(vec![server(2, 1)]));
            }
        })
    };
    for reference in ["pages", "pages@docker"] {
        let mut world = World::new(with(reference, true));
        assert_eq!(world.codes(), []);
        let route = world.entry_point().find(&get("a.test", "/")).unwrap();
        assert_eq!(route.chain[0].pages(), Some(&docker("pages")));
        world.apply(with(reference, false));
        assert_quarantined(&world, Code::BrokenMiddleware);
        world.apply(with(reference, true));
        assert_eq!(outcome(&world).0, "front@docker");
        assert_eq!(world.codes(), []);
    }
    assert_quarantined(&World::new(with("pages@file", false)), Code::BrokenMiddleware);
}

#[test]
fn a_service_of_pages_has_no_middlewares_that_would_be_passed_over() {
    let with = |chain: &[&str]| {
        let errors = Errors { status: vec!["404".into()], service: "pages".into(), ..Errors::default() };
        let chain: Vec<String> = chain.iter().map(|name| (*name).to_owned()).collect();
        config(move |c| {
            let errors = Middleware::Errors(errors);
            c.middlewares.extend([middleware("errors", errors), middleware("limit", one_at_a_time(1))]);
            front(c).value.middlewares = vec!["errors".to_owned()];
            let mut pages = service(vec![server(2, 1)]);
            pages.value.options.middlewares = chain;
            c.services.insert(docker("pages"), pages);
        })
    };
    let mut world = World::new(with(&[]));
    assert_eq!(world.codes(), []);
    world.apply(with(&["limit"]));
    assert_eq!(outcome(&world).1, RouteTarget::Quarantined(Code::NotSupportedYet));
    assert_eq!(world.codes(), [Code::NotSupportedYet]);
    world.apply(with(&[]));
    assert_eq!(outcome(&world).0, "front@docker");
}
