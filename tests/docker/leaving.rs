//! All the ways in which a container stops taking part, and the ones that only look like it.

use super::browser::Browser;
use super::cli::docker;
use super::engine::engine;
use super::events::Events;
use super::readiness::{nothing_lost, visitors};
use super::stack::{App, Setup, Stack};

/// Three replicas, sticky.
fn three(name: &str) -> Stack {
    let sticky = "traefik.http.services.web.loadbalancer.sticky.cookie.name";
    let stack = Setup::new(name).service("web", App::routed("web").label(sticky, "session").replicas(3)).up();
    stack.wait_ready("web", 3);
    stack
}

fn state(stack: &Stack, server: &str) -> Option<String> {
    stack.states("web").into_iter().find(|(name, _)| name == server).map(|(_, state)| state)
}

#[track_caller]
fn wait_state(stack: &Stack, server: &str, wanted: &str) {
    stack.eventually(&format!("{server} is {wanted}"), || {
        (state(stack, server).as_deref() == Some(wanted)).then_some(())
    });
}

/// A client of that replica.
#[track_caller]
fn client_of(stack: &Stack, replica: &str) -> Browser {
    for _ in 0..30 {
        let mut browser = stack.browser();
        if browser.replica("/whoami") == replica {
            return browser;
        }
    }
    panic!("{replica} never had its turn");
}

#[test]
fn a_paused_container_is_left_alone_until_it_goes_on() {
    let _engine = engine!(Shared);
    let stack = three("pause");
    let second = stack.containers("web").remove(1);
    let mut client = client_of(&stack, &second.id);
    docker(&["pause", &second.id]);
    wait_state(&stack, "web-2", "paused");
    // Its port goes on accepting, by the kernel: only the event tells.
    let position = stack.log().position();
    assert_ne!(client.replica("/whoami"), second.id);
    stack.said_after(position, &["GET app.localhost/whoami → web-", "sticky=moved reason=down"]);
    for _ in 0..9 {
        assert_ne!(stack.browser().replica("/whoami"), second.id);
    }
    docker(&["unpause", &second.id]);
    stack.wait_ready("web", 3);
    client_of(&stack, &second.id);
}

/// The engine wakes a paused container up to tell it to end, and says `unpause` before `die`.
#[test]
fn a_paused_container_that_is_stopped_does_not_come_back() {
    let _engine = engine!(Shared);
    let stack = three("pausestop");
    let events = Events::of(stack.project());
    let second = stack.containers("web").remove(1);
    docker(&["pause", &second.id]);
    wait_state(&stack, "web-2", "paused");
    let load = visitors(&stack);
    let position = stack.log().position();
    docker(&["stop", &second.id]);
    events.wait(&second.id, "unpause");
    events.wait(&second.id, "die");
    stack.wait_ready("web", 2);
    assert!(!load.by_replica(0).contains_key(&second.id), "it was asked again");
    nothing_lost(load, &stack);
    let back = stack.log().lines().into_iter().skip(position).find(|line| line.contains("+web-2"));
    assert_eq!(back, None);
}

#[test]
fn a_signal_that_is_not_the_stop_signal_moves_nobody() {
    let _engine = engine!(Shared);
    let stack = three("hup");
    let events = Events::of(stack.project());
    let second = stack.containers("web").remove(1);
    let mut client = client_of(&stack, &second.id);
    let position = stack.log().position();
    docker(&["kill", "--signal", "HUP", &second.id]);
    events.wait(&second.id, "kill");
    // Something that Seaway hears after it, so that it has heard both.
    stack.scale("web", 4);
    stack.wait_ready("web", 4);
    for _ in 0..5 {
        assert_eq!(client.replica("/whoami"), second.id);
    }
    let lines = stack.log().lines();
    let told = lines.iter().skip(position).find(|line| line.contains("−web-2") || line.contains("sticky=moved"));
    assert_eq!(told, None);
}

#[test]
fn a_killed_container_costs_no_request_that_may_be_repeated() {
    let _engine = engine!(Shared);
    let stack = three("kill9");
    let load = visitors(&stack);
    stack.eventually("the load runs", || (load.answered() > 100).then_some(()));
    let second = stack.containers("web").remove(1);
    docker(&["kill", &second.id]);
    stack.wait_ready("web", 2);
    let from = load.answered();
    stack.eventually("the load goes on", || (load.answered() > from + 100).then_some(()));
    assert!(!load.by_replica(from).contains_key(&second.id));
    nothing_lost(load, &stack);
    stack.said(&["web 3→2", "−web-2"]);
}

#[test]
fn a_restarted_container_is_asked_again_when_it_is_ready() {
    let _engine = engine!(Shared);
    let stack = three("restart");
    let events = Events::of(stack.project());
    let second = stack.containers("web").remove(1);
    let load = visitors(&stack);
    stack.eventually("the load runs", || (load.answered() > 100).then_some(()));
    docker(&["restart", &second.id]);
    events.wait(&second.id, "restart");
    stack.wait_ready("web", 3);
    client_of(&stack, &second.id);
    nothing_lost(load, &stack);
    stack.said(&["web 3→2", "−web-2"]);
    stack.said(&["web 2→3", "+web-2"]);
}

#[test]
fn a_container_without_its_network_is_out_until_it_is_connected_again() {
    let _engine = engine!(Shared);
    let stack = three("network");
    let second = stack.containers("web").remove(1);
    let network = format!("{}_default", stack.project());
    let load = visitors(&stack);
    stack.eventually("the load runs", || (load.answered() > 100).then_some(()));
    docker(&["network", "disconnect", &network, &second.id]);
    stack.eventually("it is out", || (state(&stack, "web-2").as_deref() != Some("ready")).then_some(()));
    let from = load.answered();
    stack.eventually("the load goes on", || (load.answered() > from + 100).then_some(()));
    assert!(!load.by_replica(from).contains_key(&second.id));
    docker(&["network", "connect", &network, &second.id]);
    stack.wait_ready("web", 3);
    client_of(&stack, &second.id);
    nothing_lost(load, &stack);
}

/// `docker compose run` gives a container all labels of its service; it is somebody's errand and no replica.
#[test]
fn a_one_off_container_takes_no_part() {
    let _engine = engine!(Shared);
    let stack = Setup::new("oneoff")
        .service("web", App::routed("web"))
        .service("late", App::ruled("late", "Host(`late.localhost`)"))
        .up();
    stack.wait_ready("web", 1);
    stack.compose(&["run", "-d", "--no-deps", "web"]);
    // Something that Seaway hears after it.
    stack.scale("late", 2);
    stack.wait_ready("late", 2);
    assert_eq!(stack.states("web"), [("web-1".to_owned(), "ready".to_owned())]);
    let only = stack.containers("web").remove(0).id;
    for _ in 0..6 {
        assert_eq!(stack.browser().replica("/whoami"), only);
    }
}
