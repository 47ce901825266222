//! Metrics: what both planes have to tell, put together at each scrape.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use http::{HeaderName, Method, Response, StatusCode};
use seaway_config::Severity;
use seaway_config::statics::{PrometheusOptions, StaticOptions};
use seaway_provider::Handle;
use seaway_proxy::{Clock, Live};
use seaway_routing::{Published, RoutingTable};
use seaway_telemetry::Counts;
use seaway_telemetry::metrics::{Facts, LogFacts, Metrics, MetricsOptions, ProviderFacts, ServerFacts};

/// How often it is looked for routers and services that have left the table.
const LOOK: Duration = Duration::from_secs(30);

/// Everything that is told to Prometheus, and where it is found.
#[derive(Clone)]
pub(crate) struct Told {
    metrics: Arc<Metrics>,
    published: Arc<Published>,
    provider: Option<Handle>,
    log: Option<Counts>,
    entry_points: Arc<[String]>,
    last_table: Arc<Mutex<LastTable>>,
}

/// The table that was seen last, and since when it is in force.
#[derive(Clone, Copy, Debug, Default)]
struct LastTable {
    generation: u64,
    since: Option<SystemTime>,
}

impl Told {
    /// Nothing unless metrics are switched on.
    pub(crate) fn new(
        options: &StaticOptions,
        workers: usize,
        published: &Arc<Published>,
        provider: Option<Handle>,
        log: Option<Counts>,
    ) -> Option<Self> {
        let prometheus = options.metrics.prometheus.as_ref()?;
        Some(Self {
            metrics: Arc::new(Metrics::new(metrics_options(prometheus), workers)),
            published: Arc::clone(published),
            provider,
            log,
            entry_points: options.entry_points.keys().cloned().collect(),
            last_table: Arc::default(),
        })
    }

    /// What the workers count with.
    pub(crate) fn metrics(&self) -> Arc<Metrics> {
        Arc::clone(&self.metrics)
    }

    /// Notes when tables come, and what is in them no more; for ever.
    pub(crate) async fn follow(self, clock: Clock) {
        let mut changed = self.published.subscribe();
        let mut look = tokio::time::interval(LOOK);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                changed = changed.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    self.note(&self.published.current());
                }
                _ = look.tick() => {
                    let table = self.published.current();
                    self.note(&table);
                    let live = Live::new(&table);
                    let now = Duration::from_millis(clock.now().0);
                    self.metrics.retain(now, |kind, name, service| live.has(kind, name, service));
                }
            }
        }
    }

    fn note(&self, table: &RoutingTable) -> LastTable {
        let mut last = self.last_table.lock().unwrap_or_else(PoisonError::into_inner);
        if table.generation > last.generation {
            *last = LastTable { generation: table.generation, since: Some(SystemTime::now()) };
        }
        *last
    }

    fn page(&self) -> String {
        let table = self.published.current();
        let last = self.note(&table);
        let status = self.provider.as_ref().map(Handle::status);
        let of = |severity| table.diagnostics.iter().filter(|found| found.severity == severity).count();
        let servers = table.services.iter().flat_map(|service| {
            service.servers.iter().map(|server| ServerFacts {
                service: &service.label,
                url: &server.url,
                up: server.state.is_ready(),
                in_flight: server.state.in_flight(),
            })
        });
        let waiting = |service: &seaway_routing::Service| service.state.held.load(Ordering::Relaxed);
        self.metrics.render(&Facts {
            version: env!("CARGO_PKG_VERSION"),
            tables: last.generation,
            last_table: last.since,
            diagnostics: (of(Severity::Error), of(Severity::Warning)),
            entry_points: self.entry_points.iter().map(String::as_str).collect(),
            waiting: table.services.iter().map(|service| (&*service.label, waiting(service))).collect(),
            servers: servers.collect(),
            provider: status.as_ref().map(|status| ProviderFacts {
                name: &status.provider,
                age: self.provider.as_ref().and_then(Handle::age),
                reachable: status.stale.is_none(),
                containers: status.containers,
            }),
            access_log: self
                .log
                .as_ref()
                .map(|log| LogFacts { dropped: log.dropped(), write_errors: log.write_errors() }),
        })
    }
}

/// Answers a scrape. A router may lead to metrics that are not switched on.
pub(crate) fn answer(told: Option<&Told>, method: &Method) -> Response<Bytes> {
    let (status, text) = match told {
        None => (StatusCode::NOT_FOUND, "there are no metrics: --metrics.prometheus switches them on\n".to_owned()),
        Some(_) if !matches!(*method, Method::GET | Method::HEAD) => {
            (StatusCode::METHOD_NOT_ALLOWED, "method not allowed\n".to_owned())
        }
        Some(told) => (StatusCode::OK, told.page()),
    };
    let mut response = Response::new(Bytes::from(text));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8"));
    if status == StatusCode::METHOD_NOT_ALLOWED {
        headers.insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
    }
    response
}

/// The options as they are counted by; buckets were checked when they were given.
fn metrics_options(options: &PrometheusOptions) -> MetricsOptions {
    MetricsOptions {
        entry_points: options.add_entry_points_labels,
        routers: options.add_routers_labels,
        services: options.add_services_labels,
        header_labels: header_labels(&options.header_labels),
        buckets: options.buckets.iter().filter_map(|bound| bound.parse().ok()).collect(),
    }
}

/// The same: names were checked when they were given.
fn header_labels(options: &BTreeMap<String, String>) -> Vec<(String, HeaderName)> {
    let parsed = options.iter().map(|(label, header)| Some((label.clone(), header.parse().ok()?)));
    parsed.flatten().collect()
}
