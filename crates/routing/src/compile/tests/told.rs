//! What is told of a router's requests: it says so itself, or its entry point does.

use seaway_config::model::RouterObservability;

use super::*;

#[test]
fn an_entry_point_says_what_is_told_where_the_router_does_not() {
    let says =
        |access_logs, metrics| Some(RouterObservability { access_logs, metrics, ..RouterObservability::default() });
    for (observability, on_quiet, on_loud) in [
        (None, (false, false), (true, true)),
        (says(None, None), (false, false), (true, true)),
        (says(Some(true), None), (true, false), (true, true)),
        (says(Some(false), Some(true)), (false, true), (false, true)),
    ] {
        let mut world = World::default();
        let entry =
            |name: &str, quiet| EntryPointInfo { name: name.into(), default: true, unlogged: quiet, uncounted: quiet };
        world.options.entry_points = vec![entry("loud", false), entry("quiet", true)];
        let mut config = web(service(vec![server(1, 1)]));
        config.routers.get_mut(&docker("web")).unwrap().value.observability = observability.clone();
        world.apply(config);
        for (name, want) in [("quiet", on_quiet), ("loud", on_loud)] {
            let route = &world.table.entry_points[name].routes[0];
            assert_eq!((route.access_log, route.metrics), want, "{name} {observability:?}");
        }
    }
}

#[test]
fn no_answer_is_promised_for_a_rule_that_nobody_can_read() {
    let world = World::new(config(|c| {
        front(c).value.rule = "Hots(`a`)".to_owned();
        front(c).value.service = "banana".to_owned();
    }));
    assert_eq!(world.codes(), [Code::BadRule, Code::UnknownService]);
    assert_eq!(world.table.diagnostics[1].consequence, "router front@docker is off");
}
