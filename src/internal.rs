//! Seaway's own services behind routers: `api`, `ping` and `prometheus`.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use http::{Response, StatusCode};
use seaway_admin::{Api, EntryPoint, Provider, View};
use seaway_config::statics::StaticOptions;
use seaway_provider::Handle;
use seaway_proxy::{Clock, Internal, InternalRequest};
use seaway_routing::Published;
use seaway_telemetry::Unrouted;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::runtime::Handle as Runtime;

use crate::control::Life;
use crate::metrics::{self, Told};

/// Answers on the control plane's threads: a table of ten thousand routers takes longer to write than a request may wait.
pub(crate) struct Own {
    shared: Arc<Shared>,
    runtime: Runtime,
}

struct Shared {
    published: Arc<Published>,
    life: Arc<Life>,
    api: Api,
    options: StaticOptions,
    provider: Handle,
    /// There is a provider of containers.
    discovers: bool,
    metrics: Option<Told>,
    started: String,
    seen: Seen,
}

/// What the API tells of the data plane besides the table.
pub(crate) struct Seen {
    /// The clock that both planes read.
    pub(crate) clock: Clock,
    /// Hosts that no router takes requests for.
    pub(crate) unrouted: Arc<Unrouted>,
}

impl Own {
    pub(crate) fn new(
        published: Arc<Published>,
        life: Arc<Life>,
        options: &StaticOptions,
        provider: (Handle, bool),
        metrics: Option<Told>,
        seen: Seen,
        runtime: Runtime,
    ) -> Self {
        let base_path = options.api.as_ref().map_or("/", |api| &api.base_path);
        let api = Api::new(base_path, terminating_status(options));
        let started = rfc3339(SystemTime::now());
        let (provider, discovers) = provider;
        let options = options.clone();
        let shared = Shared { published, life, api, options, provider, discovers, metrics, started, seen };
        Self { shared: Arc::new(shared), runtime }
    }
}

impl Internal for Own {
    fn call(&self, request: InternalRequest) -> Pin<Box<dyn Future<Output = Response<Bytes>> + Send>> {
        if &*request.service == "ping" {
            let response = self.shared.api.ping(self.shared.life.is_terminating()).map(Bytes::from);
            return Box::pin(async move { response });
        }
        // What is redirected never comes here; what comes all the same must not end up at the API.
        if &*request.service == "noop" {
            let mut response = Response::new(Bytes::new());
            *response.status_mut() = StatusCode::IM_A_TEAPOT;
            return Box::pin(async move { response });
        }
        let shared = Arc::clone(&self.shared);
        let answer = self.runtime.spawn_blocking(move || shared.answer(&request));
        Box::pin(async move { answer.await.unwrap_or_else(|_| failed()) })
    }
}

impl Shared {
    fn answer(&self, request: &InternalRequest) -> Response<Bytes> {
        if &*request.service == "prometheus" {
            return metrics::answer(self.metrics.as_ref(), &request.method);
        }
        let table = self.published.current();
        let stale = self.providers();
        let providers: Vec<_> =
            stale.iter().map(|(name, since)| Provider { name, stale_since: since.as_deref() }).collect();
        let entry_points: Vec<_> =
            self.options.entry_points.iter().map(|(name, options)| EntryPoint { name, options }).collect();
        let view = View {
            table: &table,
            entry_points: &entry_points,
            providers: &providers,
            version: env!("CARGO_PKG_VERSION"),
            started: &self.started,
            metrics: self.metrics.is_some(),
            access_log: self.options.access_log.is_some(),
            terminating: self.life.is_terminating(),
            now: self.seen.clock.now(),
            unrouted: &self.seen.unrouted.hosts(),
            internal: &self.internal(),
            options: &self.options,
        };
        self.api.handle(&view, &request.method, &request.path, request.query.as_deref()).map(Bytes::from)
    }
}

impl Shared {
    /// The providers, and since when what they say may be out of date.
    fn providers(&self) -> Vec<(&'static str, Option<String>)> {
        let status = self.provider.status();
        let source = |name: &str| status.sources.iter().find(|source| *source.provider == *name);
        let of = |name| source(name).and_then(|source| source.stale.as_ref());
        let options = &self.options.providers;
        let all = [
            ("Docker", self.discovers, status.stale.as_ref()),
            ("File", options.file.is_some(), of(seaway_provider::file::NAME)),
            ("HTTP", options.http.is_some(), of(seaway_provider::http::NAME)),
        ];
        let there = all.into_iter().filter(|(_, is_there, _)| *is_there);
        there.map(|(name, _, stale)| (name, stale.map(|stale| rfc3339(stale.since)))).collect()
    }

    /// The services of Seaway's own that there are.
    fn internal(&self) -> Vec<&'static str> {
        let options = &self.options;
        let there = [
            ("api", options.api.is_some()),
            ("dashboard", options.api.as_ref().is_some_and(|api| api.dashboard)),
            ("noop", true),
            ("ping", options.ping.is_some()),
            ("prometheus", options.metrics.prometheus.is_some()),
        ];
        there.into_iter().filter(|(_, there)| *there).map(|(name, _)| name).collect()
    }
}

fn terminating_status(options: &StaticOptions) -> StatusCode {
    let code = options.ping.as_ref().map_or(503, |p| p.terminating_status_code);
    u16::try_from(code).ok().and_then(|c| StatusCode::from_u16(c).ok()).unwrap_or(StatusCode::SERVICE_UNAVAILABLE)
}

fn rfc3339(at: SystemTime) -> String {
    OffsetDateTime::from(at).format(&Rfc3339).unwrap_or_default()
}

fn failed() -> Response<Bytes> {
    let mut response = Response::new(Bytes::from_static(b"Internal Server Error"));
    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    response
}
