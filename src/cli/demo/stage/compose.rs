//! Services of a Compose project, and a Seaway that runs in a container beside them.

use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use seaway_config::model::natural_order;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};

use super::{Server, Stage};
use crate::cli::demo::client::{Client, Target};
use crate::cli::demo::journal::{Journal, Said};

/// Compose has a lot to say; what matters is at the end.
const LAST_LINES: usize = 8;
/// A `docker compose` that hangs is told of.
const PATIENCE: Duration = Duration::from_secs(120);

/// A Compose project.
#[derive(Debug)]
pub(crate) struct Compose {
    project: String,
    /// `docker compose`, or the older `docker-compose`.
    program: &'static [&'static str],
    api: Target,
    /// Follows Seaway's log; ends with this.
    _log: Option<Child>,
}

impl Compose {
    /// Finds the project's Compose and follows the log of its Seaway into `journal`.
    pub(crate) async fn open(project: &str, api: Target, journal: &Arc<Journal>) -> Result<Self, String> {
        let program = find_compose().await?;
        let mut compose = Self { project: project.to_owned(), program, api, _log: None };
        // Scaling a project that does not run would start it.
        let services = compose.run(&["config", "--services"]).await?;
        if !services.lines().any(|service| service.trim() == "web") {
            return Err(
                "the compose file here has no service web; the tour is for docker-compose.yml of Seaway".to_owned()
            );
        }
        let container = compose.run(&["ps", "-q", "seaway"]).await?;
        let Some(container) = container.lines().next().map(str::trim).filter(|id| !id.is_empty()) else {
            let program = program.join(" ");
            return Err(format!(
                "no Seaway runs in the compose project {project:?}; `{program} up -d --build` starts it"
            ));
        };
        // Without a log there is still a tour: it then tells what the answers alone show.
        compose._log = follow(container, journal).ok();
        Ok(compose)
    }

    async fn run(&self, arguments: &[&str]) -> Result<String, String> {
        let mut words = self.program.to_vec();
        words.extend(["-p", self.project.as_str()]);
        words.extend(arguments);
        run(&words).await
    }
}

impl Stage for Compose {
    fn hint(&self) -> String {
        format!("Seaway's own view, for another window: {} logs -f seaway", self.program.join(" "))
    }

    fn command(&self, service: &str, replicas: u32) -> String {
        format!("{} up -d --no-recreate --scale {service}={replicas}", self.program.join(" "))
    }

    async fn scale(&self, service: &str, replicas: u32) -> Result<(), String> {
        let wish = format!("{service}={replicas}");
        // Nothing is built and nothing else is touched: the pool is all that changes.
        self.run(&["up", "-d", "--no-build", "--no-recreate", "--scale", &wish, service]).await?;
        Ok(())
    }

    async fn servers(&self, service: &str) -> Result<Vec<Server>, String> {
        let path = format!("/api/http/services/{service}@docker");
        let url = format!("{}{path}", self.api.url());
        let answer = Client::new(self.api.clone())
            .get(&path)
            .await
            .map_err(|error| format!("Seaway's API cannot be asked ({url}): {error}"))?;
        match answer.status {
            200 => servers(&answer.body, &self.project)
                .ok_or_else(|| format!("{url} does not answer as Seaway's API does")),
            404 => Ok(Vec::new()),
            status => Err(format!("{url} answers with status {status}")),
        }
    }
}

/// The servers that the API lists. Another project may have a service of the same name, which Seaway tells apart by longer
/// names; those that it cannot even reach are none of this project's.
fn servers(body: &[u8], project: &str) -> Option<Vec<Server>> {
    let service: Value = serde_json::from_slice(body).ok()?;
    let Some(list) = service.pointer("/seaway/servers") else {
        // A service without any server has no such list.
        return service.get("name").map(|_| Vec::new());
    };
    let text = |server: &Value, key: &str| Some(server.get(key)?.as_str()?.to_owned());
    let read = |server: &Value| {
        let (name, state) = (text(server, "name")?, text(server, "state")?);
        let short = name.strip_prefix(project).and_then(|rest| rest.strip_prefix('-'));
        let name = short.unwrap_or(&name).to_owned();
        Some((Server { name, container: text(server, "container")?, ready: state == "ready" }, state != "unreachable"))
    };
    let all: Vec<(Server, bool)> = list.as_array()?.iter().map(read).collect::<Option<_>>()?;
    let mut ours: Vec<Server> = all.into_iter().filter_map(|(server, ours)| ours.then_some(server)).collect();
    ours.sort_by(|a, b| natural_order(&a.name, &b.name));
    Some(ours)
}

async fn find_compose() -> Result<&'static [&'static str], String> {
    for program in [&["docker", "compose"][..], &["docker-compose"][..]] {
        let mut version = program.to_vec();
        version.push("version");
        if run(&version).await.is_ok() {
            return Ok(program);
        }
    }
    Err("neither `docker compose` nor `docker-compose` works here; `seaway demo` without --compose needs no Docker"
        .to_owned())
}

/// Runs a command; what it wrote to standard output, or in words why it failed.
async fn run(words: &[&str]) -> Result<String, String> {
    let Some((program, arguments)) = words.split_first() else { return Ok(String::new()) };
    let shown = words.join(" ");
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).kill_on_drop(true);
    let output = tokio::time::timeout(PATIENCE, command.output())
        .await
        .map_err(|_| format!("`{shown}` has not ended after {} s", PATIENCE.as_secs()))?
        .map_err(|error| format!("`{program}` cannot be run: {error}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<&str> = said.lines().filter(|line| !line.trim().is_empty()).collect();
    let last = lines.get(lines.len().saturating_sub(LAST_LINES)..).unwrap_or_default().join("\n    ");
    Err(format!("`{shown}` failed ({}):\n    {last}", output.status))
}

/// Follows a container's log from now on: the access log on standard output, everything else on standard error.
fn follow(container: &str, journal: &Arc<Journal>) -> std::io::Result<Child> {
    let mut child = Command::new("docker")
        .args(["logs", "--follow", "--tail", "0", container])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    if let Some(out) = child.stdout.take() {
        tokio::spawn(read(out, Arc::clone(journal)));
    }
    if let Some(err) = child.stderr.take() {
        tokio::spawn(read(err, Arc::clone(journal)));
    }
    Ok(child)
}

async fn read(stream: impl AsyncRead + Unpin, journal: Arc<Journal>) {
    let mut lines = BufReader::new(stream).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        journal.push(Said::parse(&line));
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_apis_servers_are_read() {
        let body = br#"{"name":"web@docker","seaway":{"servers":[
            {"name":"web-1","container":"aa","url":"http://172.20.0.2:80","state":"ready","inFlight":0},
            {"name":"other-web-1","container":"cc","url":"http://172.21.0.3:80","state":"unreachable","inFlight":0},
            {"name":"shop-web-2","container":"bb","url":"http://172.20.0.3:80","state":"starting","inFlight":0}]}}"#;
        let all = servers(body, "shop").unwrap();
        assert_eq!(all.iter().map(|s| s.name.as_str()).collect::<Vec<_>>(), ["web-1", "web-2"]);
        assert_eq!((all[0].name.as_str(), all[0].container.as_str(), all[0].ready), ("web-1", "aa", true));
        assert!(!all[1].ready);
        assert_eq!(servers(br#"{"name":"web@docker"}"#, "shop"), Some(Vec::new()));
        for strange in [&b"<html>"[..], b"{}", br#"{"seaway":{"servers":[{}]}}"#] {
            assert_eq!(servers(strange, "shop"), None);
        }
    }

    #[tokio::test]
    async fn a_command_that_fails_is_told_with_its_last_words() {
        let error = run(&["sh", "-c", "echo it is broken >&2; exit 3"]).await.unwrap_err();
        assert!(error.contains("it is broken") && error.contains('3'), "{error}");
        let error = run(&["seaway-no-such-program"]).await.unwrap_err();
        assert!(error.contains("cannot be run"), "{error}");
    }
}
