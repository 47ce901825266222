//! Labels become routes, and requests go where Traefik would send them.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use super::browser::Browser;
use super::cli::docker;
use super::engine::engine;
use super::stack::{App, HOST, Setup, Stack};

#[test]
fn labels_become_routes() {
    let _engine = engine!(Shared);
    let two = App::ruled("first", "Host(`first.localhost`)")
        .label("traefik.http.routers.first.service", "first")
        .label("traefik.http.routers.second.rule", "Host(`second.localhost`) && PathPrefix(`/api`)")
        .label("traefik.http.routers.second.service", "first");
    let stack = Setup::new("routes")
        // No rule at all: the default rule makes one of the service's and the project's name.
        .service(
            "plain",
            App::new()
                .label("traefik.enable", "true")
                .label("traefik.http.services.plain.loadbalancer.server.port", "80"),
        )
        .service("two", two)
        .service("below", App::ruled("below", "Host(`first.localhost`) && PathPrefix(`/api/below`)"))
        // Not enabled, and `exposedbydefault` is off.
        .service("hidden", App::new().label("traefik.http.routers.hidden.rule", "Host(`hidden.localhost`)"))
        .up();
    for service in ["plain", "first", "below"] {
        stack.wait_ready(service, 1);
    }
    let id = |service: &str| stack.containers(service).pop().expect("it runs").id;
    let (plain, two, below) = (id("plain"), id("two"), id("below"));
    let named = format!("plain-{}", stack.project());
    for (host, path, replica) in [
        (named.as_str(), "/whoami", &plain),
        ("first.localhost", "/whoami", &two),
        ("second.localhost", "/api/x", &two),
        ("FIRST.localhost:8080", "/api/x", &two),
        ("first.localhost", "/api/below/x", &below),
    ] {
        assert_eq!(Browser::new(stack.site(), host).replica(path), *replica, "{host}{path}");
    }
    for (host, path) in [("hidden.localhost", "/"), ("second.localhost", "/whoami"), ("nobody.localhost", "/")] {
        let response = Browser::new(stack.site(), host).get(path);
        assert_eq!((response.status, response.text().as_str()), (404, "404 page not found\n"), "{host}{path}");
    }
    stack.said(&["404 GET hidden.localhost/ → - ", "error=no_route"]);
}

#[test]
fn sticky_cookies_have_traefiks_names_and_values() {
    let _engine = engine!(Shared);
    let sticky = |name: &str| format!("traefik.http.services.{name}.loadbalancer.sticky.cookie");
    let stack = Setup::new("cookies")
        .service("web", App::routed("web").label(&sticky("web"), "true").replicas(2))
        .service(
            "named",
            App::ruled("named", "Host(`named.localhost`)")
                .label(&format!("{}.name", sticky("named")), "my session")
                .label(&format!("{}.httponly", sticky("named")), "true")
                .label(&format!("{}.samesite", sticky("named")), "lax")
                .label(&format!("{}.maxage", sticky("named")), "60"),
        )
        .up();
    stack.wait_ready("web", 2);
    stack.wait_ready("named", 1);
    let web = urls(&stack, "web");

    // The name is derived from `web@docker`, the value from the server's URL.
    let mut browser = stack.browser();
    let first = browser.get("/whoami");
    let replica = first.field("x-replica").expect("a replica").to_owned();
    let key = web.get(&replica).expect("one of ours");
    let value = short_hash(key);
    assert_eq!(first.all("set-cookie"), [format!("_d1570={value}; Path=/")]);
    for _ in 0..10 {
        let again = browser.get("/whoami");
        assert_eq!((again.field("x-replica"), again.all("set-cookie").len()), (Some(replica.as_str()), 0));
    }
    // The other replica has another value, and its own clients.
    let other = web.iter().find(|(id, _)| **id != replica).expect("two replicas");
    browser.jar.insert("_d1570".to_owned(), short_hash(other.1));
    assert_eq!(browser.replica("/whoami"), *other.0);
    // What Traefik wrote into cookies long ago: the URL itself. It holds, and is rewritten.
    browser.jar.insert("_d1570".to_owned(), key.clone());
    let legacy = browser.get("/whoami");
    assert_eq!(legacy.field("x-replica"), Some(replica.as_str()));
    assert_eq!(legacy.all("set-cookie"), [format!("_d1570={value}; Path=/")]);
    // Nobody ever said this: a new choice.
    browser.jar.insert("_d1570".to_owned(), "nonsense".to_owned());
    assert_eq!(browser.get("/whoami").all("set-cookie").len(), 1);

    let named = Browser::new(stack.site(), "named.localhost").get("/whoami");
    let value = short_hash(urls(&stack, "named").values().next().expect("one server"));
    assert_eq!(named.all("set-cookie"), [format!("my_session={value}; Path=/; Max-Age=60; HttpOnly; SameSite=Lax")]);
    stack.said(&["GET app.localhost/whoami → web-", "lb=wrr sticky=new"]);
    stack.said(&["GET app.localhost/whoami → web-", "lb=wrr sticky=hit"]);
    stack.said(&["GET app.localhost/whoami → web-", "lb=wrr sticky=invalid"]);
}

#[test]
fn replicas_take_turns_exactly() {
    let _engine = engine!(Shared);
    let stack = Setup::new("turns").service("api", App::routed("api").replicas(3)).up();
    stack.wait_ready("api", 3);
    let mut count: BTreeMap<String, u32> = BTreeMap::new();
    // A connection for each request, as `curl` in a loop has: whichever worker gets it, the turns go on.
    for _ in 0..90 {
        *count.entry(stack.browser().replica("/api/animals")).or_default() += 1;
    }
    assert_eq!(count.values().copied().collect::<Vec<_>>(), [30, 30, 30], "{count:?}");
    // And over one connection.
    let mut browser = stack.browser();
    let turns: Vec<String> = (0..9).map(|_| browser.replica("/api/animals")).collect();
    assert!(turns.iter().zip(turns.iter().skip(3)).all(|(one, later)| one == later), "{turns:?}");
    assert!(
        turns.windows(3).all(|three| three[0] != three[1] && three[1] != three[2] && three[0] != three[2]),
        "{turns:?}"
    );
    let response = browser.get("/api/animals");
    assert!(response.all("set-cookie").is_empty(), "{response:?}");
    stack.said(&["200 GET app.localhost/api/animals → api-", "router=api@docker lb=wrr sticky=none"]);
}

/// The API as dashboards and scripts read it, next to what docker says.
#[test]
fn the_api_has_traefiks_shapes() {
    let _engine = engine!(Shared);
    let web = App::routed("web")
        .label("traefik.http.routers.web.middlewares", "strip")
        .label("traefik.http.middlewares.strip.stripprefix.prefixes", "/gone")
        .replicas(2);
    let stack = Setup::new("api").flag("--ping=true").service("web", web).up();
    stack.wait_ready("web", 2);
    let service = stack.api("/api/http/services/web@docker");
    let urls: Vec<String> = urls(&stack, "web").into_values().collect();
    assert_eq!((&service["name"], &service["provider"]), (&"web@docker".into(), &"docker".into()));
    assert_eq!((&service["type"], &service["status"]), (&"loadbalancer".into(), &"enabled".into()));
    assert_eq!(service["usedBy"], serde_json::json!(["web@docker"]));
    for url in &urls {
        assert_eq!(service["serverStatus"][url], "UP", "{service}");
    }
    let servers = service["loadBalancer"]["servers"].as_array().expect("servers");
    let mut listed: Vec<&str> = servers.iter().filter_map(|server| server["url"].as_str()).collect();
    listed.sort_unstable();
    let mut wanted: Vec<&str> = urls.iter().map(String::as_str).collect();
    wanted.sort_unstable();
    assert_eq!(listed, wanted);
    let names: Vec<String> = stack.states("web").into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["web-1", "web-2"]);

    let router = stack.api("/api/http/routers/web@docker");
    assert_eq!(router["rule"], format!("Host(`{HOST}`)"));
    assert_eq!((&router["service"], &router["status"]), (&"web".into(), &"enabled".into()));
    assert_eq!(router["entryPoints"], serde_json::json!(["web"]));
    assert_eq!(router["middlewares"], serde_json::json!(["strip@docker"]));
    let raw = stack.api("/api/rawdata");
    assert_eq!(raw["middlewares"]["strip@docker"]["stripPrefix"]["prefixes"], serde_json::json!(["/gone"]), "{raw}");
    assert!(raw["routers"]["web@docker"].is_object() && raw["services"]["web@docker"].is_object(), "{raw}");
    assert!(stack.api("/api/version")["Version"].is_string());
    assert_eq!(stack.api("/api/overview")["providers"], serde_json::json!(["Docker"]));
}

/// The URL of each container of a service, by the container's id.
fn urls(stack: &Stack, service: &str) -> BTreeMap<String, String> {
    let format = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}";
    let containers = stack.containers(service).into_iter();
    containers
        .map(|container| {
            let address = docker(&["inspect", "--format", format, &container.id]);
            (container.id, format!("http://{}:80", address.trim()))
        })
        .collect()
}

/// The first sixteen hexadecimal digits of SHA-256.
fn short_hash(text: &str) -> String {
    Sha256::digest(text).iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}
