//! Middlewares whose users stand in files.

use std::sync::Arc;

use seaway_config::Files;
use seaway_config::files::FileText;
use seaway_config::model::BasicAuth;

use super::*;

const ONE: &str = "a:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=";

fn with(file: Option<FileText>) -> Config {
    let mut config = config(|c| {
        let users_file = "/users".to_owned();
        let auth = Middleware::BasicAuth(BasicAuth { users_file, ..BasicAuth::default() });
        c.middlewares = [middleware("auth", auth), middleware("cut", strip("/x"))].into();
        front(c).value.middlewares = vec!["auth".into(), "cut".into()];
    });
    config.files = file.into_iter().map(|text| ("/users".into(), text)).collect::<Files>();
    config
}

#[test]
fn a_file_that_cannot_be_used_closes_the_router_until_it_can() {
    for bad in [
        None,
        Some(FileText::unreadable("no such file")),
        Some(FileText::new("")),
        Some(FileText::new("# nobody")),
        Some(FileText::new(&format!("{ONE}\nhunter2"))),
    ] {
        let mut world = World::new(with(bad.clone()));
        assert_quarantined(&world, Code::BrokenMiddleware);
        assert_eq!(world.codes(), [Code::BadMiddleware, Code::BrokenMiddleware], "{bad:?}");
        assert!(!format!("{:?}", world.table.diagnostics).contains("hunter2"));
        world.apply(with(Some(FileText::new(ONE))));
        assert_eq!(outcome(&world).1, RouteTarget::Service(0), "{bad:?}");
        assert_eq!(world.codes(), []);
        world.apply(with(bad));
        assert_quarantined(&world, Code::BrokenMiddleware);
    }
}

#[test]
fn what_a_change_of_a_file_does_not_touch_stays_the_same() {
    let mut world = World::new(with(Some(FileText::new(ONE))));
    let parts = |world: &World| ["auth", "cut"].map(|name| Arc::clone(&world.table.middlewares[&docker(name)]));
    let before = parts(&world);
    world.apply(with(Some(FileText::new(ONE))));
    let same = parts(&world);
    assert!(before.iter().zip(&same).all(|(a, b)| Arc::ptr_eq(a, b)));
    world.apply(with(Some(FileText::new(&format!("{ONE}\nb:{{SHA}}5en6G6MezRroT3XKqkdPOmY/BfQ=")))));
    let after = parts(&world);
    assert!(!Arc::ptr_eq(&before[0], &after[0]) && Arc::ptr_eq(&before[1], &after[1]));
}
