//! Where the demo plays: containers of a Docker Engine, or servers inside this process.

pub(super) mod compose;
pub(super) mod embedded;

use std::time::Duration;

use tokio::time::Instant;

/// One replica of a service, as Seaway knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Server {
    /// What people call it: `web-3`.
    pub(super) name: String,
    /// The container's full id.
    pub(super) container: String,
    /// Takes requests.
    pub(super) ready: bool,
}

/// What can be done with services, wherever they run.
pub(super) trait Stage {
    /// Where a person finds the same in another window.
    fn hint(&self) -> String;

    /// What a person would type for [`Self::scale`].
    fn command(&self, service: &str, replicas: u32) -> String;

    /// Brings a service to so many replicas; done when the engine has done it.
    async fn scale(&self, service: &str, replicas: u32) -> Result<(), String>;

    /// The replicas that Seaway knows, ready or not, in the order of their names.
    async fn servers(&self, service: &str) -> Result<Vec<Server>, String>;
}

/// Waits until a service has exactly so many replicas and all of them take requests.
pub(super) async fn settled(
    stage: &impl Stage,
    service: &str,
    replicas: usize,
    limit: Duration,
) -> Result<Vec<Server>, String> {
    let deadline = Instant::now() + limit;
    loop {
        let servers = stage.servers(service).await?;
        if servers.len() == replicas && servers.iter().all(|server| server.ready) {
            return Ok(servers);
        }
        if Instant::now() >= deadline {
            let ready = servers.iter().filter(|server| server.ready).count();
            let seconds = limit.as_secs();
            let found = servers.len();
            return Err(format!(
                "{service} should have {replicas} replicas; after {seconds} s Seaway knows {found}, and {ready} of them take requests"
            ));
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Replicas by what they call themselves, those included that are gone.
#[derive(Debug, Default)]
pub(super) struct Roster(Vec<Server>);

impl Roster {
    /// Remembers replicas.
    pub(super) fn add(&mut self, servers: &[Server]) {
        let new: Vec<_> =
            servers.iter().filter(|s| self.0.iter().all(|k| k.container != s.container)).cloned().collect();
        self.0.extend(new);
    }

    /// What a replica was called when it was first seen: Seaway calls it otherwise once another project has one of its name.
    pub(super) fn first_name(&self, server: &Server) -> String {
        let known = self.0.iter().find(|known| known.container == server.container);
        known.unwrap_or(server).name.clone()
    }

    /// What people call the replica that calls itself `replica`: by its name, or, as containers do, by the beginning of
    /// its id.
    pub(super) fn name<'a>(&'a self, replica: &'a str) -> &'a str {
        let is_id = replica.len() >= 12 && replica.bytes().all(|b| b.is_ascii_hexdigit());
        let found = self.0.iter().find(|s| s.name == replica || (is_id && s.container.starts_with(replica)));
        found.map_or(replica, |server| &server.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replicas_are_known_by_name_or_id_also_when_they_are_gone() {
        let server = |name: &str, container: &str| Server {
            name: name.to_owned(),
            container: container.to_owned(),
            ready: true,
        };
        let mut roster = Roster::default();
        roster.add(&[server("web-1", "aaaabbbbccccdddd"), server("web-2", "0000111122223333")]);
        roster.add(&[server("web-1", "aaaabbbbccccdddd")]);
        assert_eq!(roster.0.len(), 2);
        assert_eq!(roster.first_name(&server("shop-web-1", "aaaabbbbccccdddd")), "web-1");
        assert_eq!(roster.first_name(&server("web-3", "2222")), "web-3");
        assert_eq!(roster.name("000011112222"), "web-2");
        assert_eq!(roster.name("web-1"), "web-1");
        assert_eq!(roster.name("0000"), "0000", "too short for an id");
        assert_eq!(roster.name("ffffffffffff"), "ffffffffffff");
    }
}
