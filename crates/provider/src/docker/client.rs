//! The six read calls that Seaway makes to the engine, and no other: `/_ping`, `/version`, `/events`,
//! `/containers/json` and `/containers/{id}/json`; `/networks` is not needed, so five.
//!
//! `bollard` negotiates and pings. Lists, inspects and events are read here, for three reasons: an inspect answer holds
//! the container's environment, that is secrets, and must not be decoded at all; one odd container (a state that only
//! another engine knows, a label that is not UTF-8) must not make the whole list unreadable; and answers and events
//! need a size limit.

mod answer;

use std::pin::Pin;
use std::time::Duration;

use bollard::errors::Error as BollardError;
use bollard::{BollardRequest, ClientVersion, Docker};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use seaway_config::statics::DockerOptions;
use tokio::time::timeout;

pub(super) use answer::is_id;

use super::Container;
use super::engine::{Engine, EngineError};
use super::events::Frames;
use super::watch::ListedContainer;
use crate::EngineTime;

/// The newest API version that Seaway was tried with.
const NEWEST: ClientVersion = ClientVersion { major_version: 1, minor_version: 53 };
/// The oldest that has the event filters in use.
const OLDEST: ClientVersion = ClientVersion { major_version: 1, minor_version: 24 };
/// Largest answers: an inspect of a container with 10,000 labels is 1 MiB, a list of 1,000 containers 2 MiB.
const INSPECT_BYTES: usize = 16 * 1024 * 1024;
const LIST_BYTES: usize = 128 * 1024 * 1024;

/// How long one call may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// An inspect.
    pub inspect: Duration,
    /// Everything else; of `/events` only the response head.
    pub other: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { inspect: Duration::from_secs(2), other: Duration::from_secs(5) }
    }
}

impl Limits {
    /// The limits by `httpClientTimeout`; Seaway's own where that is 0.
    pub fn from_options(options: &DockerOptions) -> Self {
        match options.http_client_timeout {
            Duration::ZERO => Self::default(),
            given => Self { inspect: given, other: given },
        }
    }
}

/// An engine that has answered, and the API version to speak with it.
#[derive(Clone, Debug)]
pub struct Client {
    engine: Engine,
    docker: Docker,
    limits: Limits,
    api: String,
    product: String,
}

impl Client {
    /// Asks who is there and settles the API version: the engine's, but none newer than we know.
    ///
    /// # Errors
    /// Nobody answers, or it is not an engine that we can talk to.
    pub async fn connect(engine: &Engine, limits: Limits) -> Result<Self, EngineError> {
        let shown = engine.shown();
        let pinged = call(&format!("{shown}: /_ping"), limits.other, engine.get("/_ping")).await?;
        let (head, body) = pinged.into_parts();
        let named = head.headers.get("api-version").and_then(|v| v.to_str().ok()).and_then(version);
        if !head.status.is_success() {
            let error = EngineError::status(&format!("{shown}: /_ping"), head.status.as_u16(), "");
            return Err(if named.is_none() && head.status.as_u16() == 404 {
                EngineError::not_docker(format!("{shown}: /_ping answers 404"))
            } else {
                error
            });
        }
        let body = call("/_ping", limits.other, read(body, 1024)).await.unwrap_or_default();
        if named.is_none() && body.trim_ascii() != b"OK" {
            return Err(EngineError::not_docker(format!("{shown}: /_ping answers, but neither OK nor an API version")));
        }
        let transport = Self::transport(engine.clone());
        let docker = Docker::connect_with_custom_transport(transport, Some("http://docker"), 3600, &NEWEST)
            .map_err(|e| EngineError::config(e.to_string()))?;
        let described = call("/version", limits.other, async { docker.version().await.map_err(from_bollard) }).await;
        let (mut oldest, mut newest, mut product) = (None, named, "Docker Engine".to_owned());
        match described {
            Ok(described) => {
                oldest = described.min_api_version.as_deref().and_then(version);
                newest = described.api_version.as_deref().and_then(version).or(newest);
                if let Some(version) = described.version {
                    product = format!("{product} {version}");
                }
            }
            // A socket proxy may forbid it; the ping has said enough.
            Err(error) if newest.is_none() => return Err(error),
            Err(_) => {}
        }
        let newest = newest.ok_or_else(|| EngineError::not_docker(format!("{shown}: it tells no API version")))?;
        let chosen = if newest < NEWEST { newest } else { NEWEST };
        if chosen < OLDEST {
            let text = format!("{shown}: {product} speaks API {newest}; Seaway needs {OLDEST} at least");
            return Err(EngineError::not_docker(text));
        }
        if let Some(oldest) = oldest.filter(|oldest| chosen < *oldest) {
            let text = format!("{shown}: {product} wants API {oldest} at least; Seaway knows {NEWEST}");
            return Err(EngineError::not_docker(text));
        }
        Ok(Self { engine: engine.clone(), docker, limits, api: chosen.to_string(), product })
    }

    /// `Docker Engine 20.10.24, API 1.41`.
    pub fn about(&self) -> String {
        format!("{}, API {}", self.product, self.api)
    }

    /// True if the engine answers.
    pub(super) async fn ping(&self) -> Result<(), EngineError> {
        let ping = async { self.docker.ping().await.map_err(from_bollard) };
        call("/_ping", self.limits.other, ping).await.map(drop)
    }

    /// All containers that run, are paused or are about to be restarted, and those that want to be kept while they do
    /// not run.
    pub(super) async fn list(&self) -> Result<Vec<ListedContainer>, EngineError> {
        const PATH: &str = "/containers/json?all=1";
        let answer = self.json(PATH, self.limits.other, LIST_BYTES).await?;
        let answer = answer.ok_or_else(|| EngineError::not_docker(format!("{PATH} answers 404")))?;
        answer::list(&answer).map_err(|e| EngineError::talk(format!("{PATH}: {e}")))
    }

    /// One container; `None` if there is none of that id.
    pub(super) async fn inspect(&self, id: &str) -> Result<Option<Container>, EngineError> {
        let path = format!("/containers/{id}/json");
        let Some(answer) = self.json(&path, self.limits.inspect, INSPECT_BYTES).await? else { return Ok(None) };
        answer::container(&answer).map(Some).map_err(|e| EngineError::talk(format!("{path}: {e}")))
    }

    /// The event stream, from now on, or from a point in time on the engine's own clock. When this returns, the engine
    /// has subscribed us: what happens from now on will be told.
    pub(super) async fn events(&self, since: Option<EngineTime>) -> Result<Frames, EngineError> {
        const FILTERS: &str = r#"{"type":["container","network"],"event":["start","die","destroy","kill","stop","pause","unpause","rename","update","oom","health_status","connect","disconnect"]}"#;
        let mut target = format!("/v{}/events?filters={}", self.api, utf8_percent_encode(FILTERS, NON_ALPHANUMERIC));
        if let Some(EngineTime(nanos)) = since {
            target.push_str(&format!("&since={}.{:09}", nanos / 1_000_000_000, nanos % 1_000_000_000));
        }
        let response = call("/events", self.limits.other, self.engine.get(&target)).await?;
        match response.status().as_u16() {
            200 => Ok(Frames::new(response.into_body())),
            status => Err(EngineError::status("/events", status, &self.message(response.into_body()).await)),
        }
    }

    /// The body of a 200; `None` for 404.
    async fn json(&self, path: &str, limit: Duration, most: usize) -> Result<Option<Vec<u8>>, EngineError> {
        call(path, limit, async {
            let response = self.engine.get(&format!("/v{}{path}", self.api)).await?;
            match response.status().as_u16() {
                200 => read(response.into_body(), most).await.map(Some),
                404 => Ok(None),
                status => Err(EngineError::status(path, status, &self.message(response.into_body()).await)),
            }
        })
        .await
    }

    /// What an error answer says, cut to a length that fits a log line.
    async fn message(&self, body: Incoming) -> String {
        let body = call("", self.limits.other, read(body, 64 * 1024)).await.unwrap_or_default();
        answer::message(&body).chars().take(200).collect()
    }

    /// What bollard calls goes over the same connections, with nothing but GET let through.
    fn transport(engine: Engine) -> impl Fn(BollardRequest) -> Answer + Send + Sync + 'static {
        move |request| {
            let engine = engine.clone();
            Box::pin(async move {
                let target = request.uri().path_and_query().map_or("/", |p| p.as_str());
                let refused = || EngineError::config(format!("{} {target} is never sent", request.method()));
                let result =
                    if request.method() == http::Method::GET { engine.get(target).await } else { Err(refused()) };
                result.map_err(|e| BollardError::IOError { err: std::io::Error::other(e) })
            })
        }
    }
}

/// What bollard wants of a transport.
type Answer = Pin<Box<dyn Future<Output = Result<http::Response<Incoming>, BollardError>> + Send>>;

/// Our own errors travel inside bollard's.
fn from_bollard(error: BollardError) -> EngineError {
    match error {
        BollardError::IOError { err } => match err.downcast::<EngineError>() {
            Ok(error) => error,
            Err(err) => EngineError::talk(err.to_string()),
        },
        BollardError::DockerResponseServerError { status_code, message } => {
            EngineError::status("the engine", status_code, &message)
        }
        other => EngineError::talk(other.to_string()),
    }
}

async fn call<T>(
    what: &str,
    limit: Duration,
    work: impl Future<Output = Result<T, EngineError>>,
) -> Result<T, EngineError> {
    timeout(limit, work).await.unwrap_or_else(|_| Err(EngineError::timeout(what, limit)))
}

async fn read(body: Incoming, most: usize) -> Result<Vec<u8>, EngineError> {
    let collected = Limited::new(body, most).collect().await;
    collected.map(|c| c.to_bytes().to_vec()).map_err(|e| EngineError::talk(format!("the answer broke off: {e}")))
}

fn version(text: &str) -> Option<ClientVersion> {
    let (major, minor) = text.trim().split_once('.')?;
    Some(ClientVersion { major_version: major.parse().ok()?, minor_version: minor.parse().ok()? })
}
