//! Seaway's own container: its health, its user, its size, its end.

use std::io::Write;
use std::time::Instant;

use super::cli::{Project, docker, try_docker};
use super::engine::engine;
use super::log;
use super::stack::{App, Setup};

/// The bounds of the claim, in the units that it is made in.
const IMAGE_MB: f64 = 15.0;
const RESIDENT_MB: f64 = 12.0;

#[test]
fn it_becomes_healthy_gives_up_root_and_stays_small() {
    let _engine = engine!(Shared);
    let stack = Setup::new("own").service("web", App::routed("web").replicas(2)).up();
    stack.wait_ready("web", 2);
    let own = stack.own_id();
    // `seaway healthcheck`, as the image's HEALTHCHECK runs it: no entry point, no ping.
    let health = || docker(&["inspect", "--format", "{{.State.Health.Status}}", &own]).trim().to_owned();
    stack.eventually("docker finds it healthy", || (health() == "healthy").then_some(()));
    assert_eq!(docker(&["exec", &own, "/seaway", "healthcheck"]).trim(), "ok");

    let top = docker(&["top", &own, "-eo", "pid,uid,rss,args"]);
    let process: Vec<&str> =
        top.lines().find(|line| line.contains("--providers")).expect("it runs").split_whitespace().collect();
    assert_eq!(process[1], "65532", "{top}");
    stack.said(&["gave up root: uid 65532"]);
    let resident = process[2].parse::<f64>().expect("kibibytes") * 1024.0 / 1e6;

    let image = docker(&["inspect", "--format", "{{.Image}}", &own]);
    let size = docker(&["image", "inspect", "--format", "{{.Size}}", image.trim()]);
    let size = size.trim().parse::<f64>().expect("bytes") / 1e6;
    let line = format!("Seaway's image has {size:.1} MB, its process {resident:.1} MB resident when idle\n");
    std::io::stderr().lock().write_all(line.as_bytes()).expect("stderr takes a line");
    assert!(size <= IMAGE_MB && resident <= RESIDENT_MB, "{line}");
}

#[test]
fn on_sigterm_it_finishes_what_runs_and_takes_no_more() {
    let _engine = engine!(Shared);
    let stack = Setup::new("sigterm").service("web", App::routed("web")).up();
    stack.wait_ready("web", 1);
    let own = stack.own_id();
    let replica = stack.containers("web").remove(0);
    let mut idle = stack.browser();
    idle.replica("/whoami");
    let mut slow = stack.browser();
    let running = std::thread::spawn(move || (slow.replica("/slow?ms=2000"), Instant::now()));
    // The request has arrived when the server says that one is under way.
    stack.eventually("the request is under way", || {
        let service = stack.try_api("/api/http/services/web@docker")?;
        (service["seaway"]["servers"][0]["inFlight"] == 1).then_some(())
    });
    docker(&["stop", "--time", "10", &own]);
    let ended = Instant::now();
    let (answered_by, answered) = running.join().expect("it is answered");
    assert_eq!(answered_by, replica.id);
    assert!(answered <= ended, "it ended before the answer was out");
    let exit = docker(&["inspect", "--format", "{{.State.ExitCode}}", &own]);
    assert_eq!(exit.trim(), "0", "it had to be killed, or failed");
    stack.said(&["SIGTERM: accepting no more, letting what runs end"]);
    let lines = stack.eventually("the access log has it", || {
        let lines = log::access(&stack.log().lines());
        lines.iter().any(|line| line.target.contains("/slow") && line.status == 200).then_some(lines)
    });
    assert!(lines.iter().all(|line| line.field("error").is_none()), "{lines:#?}");
}

/// Whoever has no right to the engine's socket is told so, and Seaway goes on asking.
#[test]
fn without_the_engines_socket_it_runs_and_says_what_is_missing() {
    let _engine = engine!(Shared);
    let image = std::env::var("SEAWAY_IMAGE").unwrap_or_else(|_| "seaway:local".to_owned());
    let project = Project::new("nosocket");
    let label = format!("com.docker.compose.project={}", project.name());
    let id =
        docker(&["run", "-d", "--label", &label, &image, "--providers.docker=true", "--entrypoints.web.address=:80"]);
    let log = super::follow::Follower::docker(&["logs", "--follow", id.trim()]);
    log.wait("what is missing", 0, super::stack::LONG, |line| line.contains("SW0601") && line.contains("docker.sock"));
    let running = docker(&["inspect", "--format", "{{.State.Running}}", id.trim()]);
    let health = try_docker(&["exec", id.trim(), "/seaway", "healthcheck"]);
    assert_eq!(running.trim(), "true");
    assert!(health.is_err_and(|said| said.contains("no provider has given a snapshot yet")), "it is not ready");
}
