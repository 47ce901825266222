//! Mistakes in labels: what is served then, what the log says, what the API says.

use serde_json::Value;

use super::browser::Browser;
use super::engine::engine;
use super::stack::{App, Setup, Stack};

/// The diagnostics about one label.
fn about(stack: &Stack, key: &str) -> Vec<Value> {
    let all = stack.api("/api/seaway/diagnostics");
    let all = all.as_array().cloned().unwrap_or_default();
    all.into_iter().filter(|one| one["origin"]["key"] == key || one["key"] == key).collect()
}

#[test]
fn a_mistyped_tuning_option_is_told_and_the_rest_is_served() {
    let _engine = engine!(Shared);
    let key = "traefik.http.services.web.loadbalancer.pashostheader";
    let stack = Setup::new("tuning").service("web", App::routed("web").label(key, "false")).up();
    stack.wait_ready("web", 1);
    stack.browser().replica("/whoami");
    // Code, container, the label in full, what was meant.
    stack.said(&["SW0101", "web-1", key, "fix: traefik.http.services.web.loadbalancer.passHostHeader=false"]);
    let found = about(&stack, key);
    let [one] = found.as_slice() else { panic!("{}", stack.api("/api/seaway/diagnostics")) };
    assert_eq!((&one["code"], &one["severity"]), (&"SW0101".into(), &"warning".into()), "{one}");
    let fix = one["fix"].as_str().unwrap_or_default();
    assert!(fix.contains("traefik.http.services.web.loadbalancer.passHostHeader=false"), "{one}");
    for member in ["message", "consequence"] {
        assert!(one[member].as_str().is_some_and(|text| !text.is_empty()), "{one}");
    }
}

/// With Traefik such a router vanishes, or serves without its guard. Here it keeps its place and answers 503.
#[test]
fn a_router_whose_middleware_is_mistyped_is_closed_and_not_open() {
    let _engine = engine!(Shared);
    let key = "traefik.http.routers.secret.middlewares";
    let secret = App::ruled("secret", "Host(`app.localhost`) && PathPrefix(`/api/secret`)")
        .label(key, "gard")
        .label("traefik.http.middlewares.guard.stripprefix.prefixes", "/api");
    let stack = Setup::new("guard").service("secret", secret).service("web", App::routed("web")).up();
    stack.wait_ready("web", 1);
    let closed = stack.browser().get("/api/secret/x");
    assert_eq!((closed.status, closed.field("x-replica")), (503, None), "{}", closed.text());
    assert!(closed.text().contains("SW0"), "{}", closed.text());
    // Nothing of lower priority sees its requests; everything else goes on.
    stack.browser().replica("/api/other");
    stack.said(&["SW0203", "secret-1", key, "gard", "guard"]);
    stack.said(&["503 GET app.localhost/api/secret/x → - ", "error=quarantined"]);
    let router = stack.api("/api/http/routers/secret@docker");
    assert_eq!(router["status"], "disabled", "{router}");
    assert!(router["error"].as_array().is_some_and(|errors| !errors.is_empty()), "{router}");
    assert_eq!(about(&stack, key).len(), 1, "{}", stack.api("/api/seaway/diagnostics"));
}

#[test]
fn a_rule_that_does_not_parse_takes_its_router_off_and_no_other() {
    let _engine = engine!(Shared);
    let key = "traefik.http.routers.bad.rule";
    let bad = App::ruled("bad", "Host(`app.localhost`")
        .label("traefik.http.routers.good.rule", "Host(`good.localhost`)")
        .label("traefik.http.routers.good.service", "bad");
    let stack = Setup::new("rule").service("bad", bad).up();
    stack.wait_ready("bad", 1);
    Browser::new(stack.site(), "good.localhost").replica("/whoami");
    assert_eq!(stack.browser().get("/whoami").status, 404);
    stack.said(&["SW0201", "bad-1", key]);
    assert_eq!(stack.api("/api/http/routers/bad@docker")["status"], "disabled");
}

/// Nobody can know which router `traefik.htpp.…` was meant for, so all routers of the container are closed.
#[test]
fn a_label_that_nobody_can_place_closes_the_container_and_no_other() {
    let _engine = engine!(Shared);
    let key = "traefik.htpp.routers.web.middlewares";
    let stack = Setup::new("root")
        .service("web", App::routed("web").label(key, "guard"))
        .service("other", App::ruled("other", "Host(`other.localhost`)"))
        .up();
    stack.wait_ready("other", 1);
    Browser::new(stack.site(), "other.localhost").replica("/whoami");
    let closed = stack.browser().get("/whoami");
    assert_eq!((closed.status, closed.field("x-replica")), (503, None), "{}", closed.text());
    stack.said(&["SW0105", "web-1", key, "fix: traefik.http.routers.web.middlewares=guard"]);
    assert!(!about(&stack, key).is_empty(), "{}", stack.api("/api/seaway/diagnostics"));
}

/// A static option that does not exist is one clear error and exit code 2, before anything listens.
#[test]
fn a_mistyped_flag_ends_with_code_two_and_the_nearest_one() {
    let _engine = engine!(Shared);
    let image = std::env::var("SEAWAY_IMAGE").unwrap_or_else(|_| "seaway:local".to_owned());
    let arguments = ["run", "--rm", &image, "--providers.dokcer=true"];
    let said = super::cli::try_docker(&arguments).expect_err("it does not start");
    assert!(said.starts_with("exit status: 2"), "{said}");
    assert!(said.contains("providers.dokcer") && said.contains("providers.docker"), "{said}");
}
