//! One who sends one request after another over a connection that is kept, with the cookies that came.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use seaway_testkit::raw::{RawClient, Response};

use super::{Entry, Kind, Move, Outcome, Shared};
use crate::docker::browser::{self, PATIENCE};
use crate::docker::events::now;

pub(super) struct Visitor {
    pub(super) shared: Arc<Shared>,
    host: String,
    jar: BTreeMap<String, String>,
    connection: Option<RawClient>,
    /// Who answered last.
    replica: Option<String>,
}

impl Visitor {
    pub(super) fn new(shared: Arc<Shared>, host: &str) -> Self {
        Self { shared, host: host.to_owned(), jar: BTreeMap::new(), connection: None, replica: None }
    }

    /// Becomes somebody else, over the same connection.
    pub(super) fn forget(&mut self) {
        self.jar.clear();
        self.replica = None;
    }

    pub(super) async fn get(&mut self, target: &str, kind: Kind, letter: char) {
        let id = self.shared.id(letter);
        self.request(kind, "GET", &format!("{target}n={id}"), id).await;
    }

    /// An order that the replica takes `ms` milliseconds for.
    pub(super) async fn order(&mut self, ms: u64) {
        let id = self.shared.id('p');
        self.request(Kind::Post, "POST", &format!("/orders?id={id}&ms={ms}"), id).await;
    }

    /// Sends a request and goes away.
    pub(super) async fn leave_early(&mut self, target: &str, after: Duration) {
        let id = self.shared.id('a');
        let began = now();
        let head = browser::head("GET", &format!("{target}n={id}"), &self.host, &self.jar);
        let left = async {
            let mut connection = RawClient::connect(self.shared.plan.site).await?;
            connection.send(head).await?;
            tokio::time::sleep(after).await;
            std::io::Result::Ok(())
        };
        let outcome = match left.await {
            Ok(()) => Outcome::Aborted,
            Err(error) => Outcome::Failed(error.to_string()),
        };
        let entry = Entry { id, kind: Kind::Slow, began, ended: now(), outcome, replica: None };
        self.shared.ledger().entries.push(entry);
    }

    async fn request(&mut self, kind: Kind, method: &str, target: &str, id: String) {
        let head = browser::head(method, target, &self.host, &self.jar);
        let began = now();
        let answered = self.exchange(head).await;
        let ended = now();
        let (outcome, replica) = match answered {
            Ok(response) => {
                browser::keep_cookies(&mut self.jar, &response);
                judge(&response)
            }
            Err(error) => (Outcome::Failed(error.to_string()), None),
        };
        let mut ledger = self.shared.ledger();
        if let Some(to) = &replica {
            let from = self.replica.replace(to.clone());
            if let Some(from) = from.filter(|from| from != to) {
                ledger.moves.push(Move { id: id.clone(), from, to: to.clone(), at: ended });
            }
        }
        ledger.entries.push(Entry { id, kind, began, ended, outcome, replica });
    }

    async fn exchange(&mut self, head: String) -> std::io::Result<Response> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => RawClient::connect(self.shared.plan.site).await?.within(PATIENCE),
        };
        connection.send(head).await?;
        let response = connection.response().await?;
        if !browser::closes(&response) {
            self.connection = Some(connection);
        }
        Ok(response)
    }
}

/// Who answered, and whether it is what was hoped for.
fn judge(response: &Response) -> (Outcome, Option<String>) {
    let replica = response.field("x-replica").map(ToOwned::to_owned);
    let outcome = match (&replica, response.status) {
        _ if !response.complete => Outcome::Failed("the body ends too early".to_owned()),
        (Some(_), 200) => Outcome::Relayed,
        (Some(_), status) => Outcome::Wrong(status),
        (None, status) => Outcome::Answered(status),
    };
    (outcome, replica)
}
