//! The same watcher on a real engine, where one answers.

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use seaway_provider::Update;
use seaway_provider::docker::client::{Client, Limits};
use seaway_provider::docker::engine::{DEFAULT_ENDPOINT, Engine};
use seaway_provider::docker::watch::Timing;
use seaway_routing::state::Notice;

use crate::harness::{Watched, count};

/// Runs a program and returns what it printed; `None` if it is not there or failed.
fn output(program: &str, arguments: &[&str]) -> Option<Vec<u8>> {
    let done = Command::new(program).args(arguments).stderr(Stdio::null()).output().ok()?;
    done.status.success().then_some(done.stdout)
}

/// An image with nothing but this machine's `sleep`, made without any registry.
fn sleep_image(tag: &str) -> Option<()> {
    let libraries = String::from_utf8(output("ldd", &["/bin/sleep"])?).ok()?;
    let mut files = vec!["/bin/sleep"];
    files.extend(libraries.split_whitespace().filter(|word| word.starts_with('/')));
    let tar = output("tar", &[&["-ch", "--absolute-names"], files.as_slice()].concat())?;
    let mut import = Command::new("docker")
        .args(["import", "-", tag])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    import.stdin.take()?.write_all(&tar).ok()?;
    import.wait().ok()?.success().then_some(())
}

/// What the test made on the engine; removed however it ends.
struct Made {
    tag: String,
    name: String,
    network: String,
}

impl Drop for Made {
    fn drop(&mut self) {
        let renamed = format!("{}-renamed", self.name);
        drop(output("docker", &["rm", "-f", &self.name]));
        drop(output("docker", &["rm", "-f", &renamed]));
        drop(output("docker", &["network", "rm", &self.network]));
        drop(output("docker", &["rmi", "-f", &self.tag]));
    }
}

async fn docker(arguments: &[&str]) {
    let owned: Vec<String> = arguments.iter().map(|a| (*a).to_owned()).collect();
    let done = tokio::task::spawn_blocking(move || {
        let arguments: Vec<&str> = owned.iter().map(String::as_str).collect();
        output("docker", &arguments)
    });
    assert!(done.await.unwrap().is_some(), "docker {arguments:?}");
}

#[tokio::test]
async fn a_real_engine_is_followed() {
    let endpoint = std::env::var("DOCKER_HOST").unwrap_or_else(|_| DEFAULT_ENDPOINT.to_owned());
    let engine = Engine::from_options(&Default::default(), Some(&endpoint)).unwrap();
    let client = match Client::connect(&engine, Limits::default()).await {
        Ok(client) => client,
        Err(error) => {
            eprintln!("skipped: no Docker Engine answers at {endpoint}: {error}");
            return;
        }
    };
    eprintln!("{}", client.about());
    let timing = Timing { reconcile: Duration::from_secs(3600), ..Timing::default() };
    let mut watched = Watched::endpoint(&endpoint, timing, Limits::default());
    let snapshot = watched.snapshot("the first snapshot", |_| true).await;
    assert!(*watched.ready.borrow());
    assert_eq!(watched.stale(), 0);
    for container in &snapshot {
        assert_eq!(container.id.len(), 64);
        assert!(!container.name.is_empty() && !container.started_at.is_empty());
    }

    let unique = format!("seaway-provider-test-{}", std::process::id());
    let made = Made { tag: format!("{unique}:1"), name: format!("{unique}-web"), network: format!("{unique}-net") };
    if sleep_image(&made.tag).is_none() {
        eprintln!("skipped the events: no image can be made here (docker, tar and ldd are needed)");
        return;
    }
    let Made { tag, name, network } = &made;
    docker(&["network", "create", network]).await;
    docker(&[
        "run",
        "-d",
        "--name",
        name,
        "--label",
        "a.b=c",
        "--expose",
        "80",
        "--env",
        "SECRET=hunter2",
        tag,
        "/bin/sleep",
        "600",
    ])
    .await;
    let snapshot = watched.snapshot("it runs", |s| s.iter().any(|c| c.name == *name && c.running)).await;
    let container = snapshot.iter().find(|c| c.name == *name).unwrap();
    let id = container.id.clone();
    assert_eq!(container.labels["a.b"], "c");
    assert!(container.networks[0].ipv4.is_some() && container.exposed[0].0 == 80, "{container:?}");
    assert_eq!((container.stop_timeout, container.paused), (Duration::from_secs(10), false));

    let is = |id: &str, wanted: &str| {
        let (id, wanted) = (id.to_owned(), wanted.to_owned());
        move |s: &[std::sync::Arc<seaway_provider::docker::Container>]| {
            s.iter().any(|c| c.id == id && (c.name == wanted || c.networks.iter().any(|n| n.name == wanted)))
        }
    };
    docker(&["kill", "-s", "HUP", name]).await;
    docker(&["pause", name]).await;
    watched.notice(&id, Notice::Paused).await;
    let ends =
        |u: &Update| matches!(u, Update::Notice { container, notice: Notice::Terminating, .. } if *container == id);
    assert_eq!(watched.count(ends), 0, "HUP is no end");
    docker(&["unpause", name]).await;
    watched.notice(&id, Notice::Unpaused).await;
    docker(&["network", "connect", network, name]).await;
    watched.snapshot("on both networks", is(&id, network)).await;
    docker(&["network", "disconnect", network, name]).await;
    watched.until("left it", |u| matches!(u, Update::Disconnected { container, .. } if *container == id)).await;
    let renamed = format!("{name}-renamed");
    docker(&["rename", name, &renamed]).await;
    watched.snapshot("renamed", is(&id, &renamed)).await;
    docker(&["stop", "-t", "1", &renamed]).await;
    watched.notice(&id, Notice::Terminating).await;
    watched.notice(&id, Notice::Ended).await;
    watched.snapshot("gone", |s| !s.iter().any(|c| c.id == id)).await;
    docker(&["rm", &renamed]).await;
    assert!(!format!("{:?}", watched.log).contains("hunter2"));
    assert_eq!((count(&watched.counters.lists), count(&watched.counters.streams)), (1, 1));
}
