//! Providers without containers, beside the one with them.

use seaway_config::model::{AddPrefix, LoadBalancer, ServiceOptions};
use seaway_config::{Declared, Middleware, Router, Service};

use super::*;
use crate::docker::url_server;
use crate::snapshot::Declarations;

impl World {
    fn waiting_for(providers: &[&str]) -> Self {
        let registry = Arc::new(StateRegistry::new(1));
        let published = Arc::new(Published::default());
        let (sender, receiver) = updates();
        let compile = CompileOptions {
            entry_points: vec![EntryPointInfo { name: "web".into(), default: true, ..EntryPointInfo::default() }],
            ..CompileOptions::default()
        };
        let mut all = ReconcilerOptions::new(options(), compile, Config::default());
        all.providers = providers.iter().map(|name| (*name).into()).collect();
        let reconciler = Reconciler::new(all, Arc::clone(&registry), Arc::clone(&published), Clock::start());
        let handle = reconciler.handle();
        let task = tokio::spawn(reconciler.run(receiver));
        Self { updates: sender, registry, published, handle, task }
    }

    fn declare(&self, provider: &str, declarations: Declarations) {
        self.updates
            .send(Update::Declared { provider: provider.into(), declarations: Arc::new(declarations) })
            .unwrap();
    }

    /// Why a router is off, if it is there and is.
    fn off(&self, router: &str) -> Option<bool> {
        let table = self.table();
        table.routers.iter().find(|(name, _)| name.to_string() == router).map(|(_, info)| info.disabled)
    }
}

fn origin(key: &str) -> Origin {
    Origin::resource("file", "a.yml:3").at(key)
}

/// A router `back` with these middlewares, to that service.
fn router(service: &str, middlewares: &[&str]) -> Declarations {
    let middlewares = middlewares.iter().map(|name| (*name).to_owned()).collect();
    let value =
        Router { rule: "Host(`back`)".to_owned(), service: service.to_owned(), middlewares, ..Router::default() };
    let routers = [("back".to_owned(), Declared::new(value, origin("http.routers.back")))];
    Declarations { routers: routers.into(), ..Declarations::default() }
}

fn with_guard(mut declarations: Declarations, prefix: &str) -> Declarations {
    let guard = Middleware::AddPrefix(AddPrefix { prefix: prefix.to_owned() });
    declarations.middlewares.insert("guard".to_owned(), Declared::new(guard, origin("http.middlewares.guard")));
    declarations
}

fn with_service(mut declarations: Declarations, name: &str, url: &str) -> Declarations {
    let server = url_server(url, false, 1, origin("http.services.own")).unwrap();
    let options = ServiceOptions { load_balancer: Some(LoadBalancer::default()), ..ServiceOptions::default() };
    let service = Service { options, servers: vec![server] };
    declarations.services.insert(name.to_owned(), Declared::new(service, origin("http.services.own")));
    declarations
}

const LABELS: &[(&str, &str)] =
    &[("traefik.http.routers.front.rule", "Host(`front`)"), ("traefik.http.routers.front.middlewares", "guard@file")];

#[tokio::test(start_paused = true)]
async fn the_first_table_waits_for_all_and_not_for_ever() {
    let world = World::waiting_for(&["docker", "file", "http"]);
    settle().await;
    world.send([replica("shop", "web", 1, LABELS)]);
    pass(100).await;
    assert_eq!(world.off("front@docker"), None, "its guard may be on its way");
    world.declare("file", with_guard(Declarations::default(), "/g"));
    pass(100).await;
    assert_eq!((world.off("front@docker"), world.handle.is_ready()), (None, false), "one is missing");
    pass(5000).await;
    assert_eq!((world.off("front@docker"), world.handle.is_ready()), (Some(false), true));

    let world = World::waiting_for(&["docker", "file"]);
    settle().await;
    world.declare("file", with_guard(Declarations::default(), "/g"));
    world.send([replica("shop", "web", 1, LABELS)]);
    settle().await;
    assert_eq!(world.off("front@docker"), Some(false), "both are there: nothing is waited for");
}

#[tokio::test(start_paused = true)]
async fn who_says_that_it_cannot_is_not_waited_for() {
    let world = World::waiting_for(&["docker", "file"]);
    settle().await;
    world.declare("file", with_service(router("own", &[]), "own", "http://10.0.0.7"));
    world.updates.send(Update::Stale { since: std::time::SystemTime::now(), reason: "no".to_owned() }).unwrap();
    settle().await;
    assert_eq!((world.off("back@file"), world.handle.is_ready()), (Some(false), true));
    assert_eq!(world.servers("own@file"), ["10.0.0.7:80 ready"], "whoever wrote the URL said that it is there");

    let world = World::waiting_for(&["http"]);
    settle().await;
    let stale = Some(Stale { since: std::time::SystemTime::now(), reason: "no".to_owned() });
    world.declare("http", Declarations { stale: stale.clone(), ..Declarations::default() });
    pass(100).await;
    assert!(!world.handle.is_ready(), "nothing was ever said");
    assert_eq!(world.handle.status().sources[0].stale, stale);
    world.declare("http", with_guard(Declarations::default(), "/g"));
    pass(100).await;
    assert!(world.handle.is_ready() && world.handle.status().sources[0].stale.is_none());
    assert_eq!(world.handle.status().sources[0].objects, 1);
}

#[tokio::test(start_paused = true)]
async fn what_the_other_side_lacks_quarantines_until_it_is_there() {
    let world = World::waiting_for(&["docker", "file"]);
    settle().await;
    world.send([replica("shop", "web", 1, LABELS)]);
    world.declare("file", router("web-shop@docker", &["guard"]));
    pass(100).await;
    for _ in 0..3 {
        assert_eq!((world.off("front@docker"), world.off("back@file")), (Some(true), Some(true)), "no guard, no way");
        let told = world.table().diagnostics.iter().filter(|d| d.code == Code::UnknownMiddleware).count();
        assert_eq!(told, 2);
        world.declare("file", with_guard(router("web-shop@docker", &["guard"]), "/g"));
        pass(100).await;
        assert_eq!((world.off("front@docker"), world.off("back@file")), (Some(false), Some(false)));
        assert!(world.table().diagnostics.is_empty(), "{:?}", world.table().diagnostics);
        world.declare("file", router("web-shop@docker", &["guard"]));
        pass(100).await;
    }
    world.declare("file", with_guard(router("web-shop@docker", &["guard"]), "/g"));
    pass(100).await;
    // The container goes: its service stands for a while, then nobody has it.
    world.send([]);
    pass(100).await;
    assert_eq!(world.off("back@file"), Some(false), "its tombstone holds the service");
    pass(61_000).await;
    assert_eq!(world.off("back@file"), Some(true));
    world.send([replica("shop", "web", 1, LABELS)]);
    pass(100).await;
    assert_eq!(world.off("back@file"), Some(false));
}

#[tokio::test(start_paused = true)]
async fn what_a_file_says_no_more_is_gone_and_the_rest_is_as_it_was() {
    let world = World::waiting_for(&["file"]);
    settle().await;
    let both = with_service(with_service(router("one", &[]), "one", "http://10.0.0.1"), "two", "http://10.0.0.2");
    world.declare("file", both.clone());
    pass(100).await;
    let before = world.table();
    let one = before.services.iter().find(|s| *s.label == *"one@file").map(Arc::clone).unwrap();
    world.declare("file", with_service(router("one", &[]), "one", "http://10.0.0.1"));
    pass(100).await;
    let after = world.table();
    assert_eq!(after.services.len(), 1);
    assert!(Arc::ptr_eq(&one, &after.services[0]), "the same service, with its counts and positions");
    let tables = world.handle.status().tables;
    world.declare("file", with_service(router("one", &[]), "one", "http://10.0.0.1"));
    pass(100).await;
    assert_eq!(world.handle.status().tables, tables, "what says the same makes no table");
    world.declare("http", with_guard(Declarations::default(), "/g"));
    pass(100).await;
    assert_eq!(world.table().config.middlewares.keys().map(ToString::to_string).collect::<Vec<_>>(), ["guard@http"]);
    world.declare("http", Declarations::default());
    pass(100).await;
    assert!(world.table().config.middlewares.is_empty());
    assert_eq!(world.off("back@file"), Some(false));
}
