//! What is told of exchanges besides numbers: headers in the log, and requests that nobody takes.

use std::sync::Arc;

use seaway_config::model;
use seaway_config::statics::AccessLogFields;
use seaway_proxy::UnroutedOptions;
use seaway_telemetry::metrics::MetricsOptions;
use seaway_telemetry::{Fields, Unrouted};
use seaway_testkit::upstream::{Behaviour, Upstream};

use crate::harness::{Setup, get, name, servers, until, web};

fn keeping(default: &str, names: &[(&str, &str)]) -> Fields {
    let mut options = AccessLogFields::default();
    options.headers.default_mode = default.to_owned();
    options.headers.names = names.iter().map(|(name, mode)| ((*name).to_owned(), (*mode).to_owned())).collect();
    Fields::new(&options).unwrap()
}

#[tokio::test]
async fn headers_are_logged_as_the_middlewares_and_the_server_left_them() {
    let upstream = Upstream::start("web-1", Behaviour::echo()).await;
    let mut setup = Setup::web(&[&upstream]);
    setup.fields = keeping("keep", &[("Authorization", "redact"), ("X-Secret", "drop")]);
    let headers = model::Headers {
        custom_request_headers: [("X-New".to_owned(), "1".to_owned())].into(),
        custom_response_headers: [("X-Out".to_owned(), "2".to_owned())].into(),
        ..model::Headers::default()
    };
    setup.middleware("headers", model::Middleware::Headers(headers));
    let world = setup.start().await;
    let extra = "Authorization: Basic x\r\nX-Secret: y\r\nX-Multi: 1\r\nX-Multi: 2\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\nHost:";
    assert_eq!(world.exchange(get("/").replacen("Host:", extra, 1)).await.status, 200);
    let lines = world.finish(1).await;
    let line = &lines[0];
    for (field, want) in [
        ("request_Authorization", "REDACTED"),
        ("request_X-Multi", "1,2"),
        ("request_X-New", "1"),
        ("request_X-Forwarded-Proto", "http"),
        ("downstream_X-Out", "2"),
        // What is dropped, belongs to one connection, or is no header to rules.
        ("request_X-Secret", ""),
        ("request_X-Hop", ""),
        ("request_Connection", ""),
        ("request_Host", ""),
        ("origin_X-Out", ""),
    ] {
        assert_eq!(line.text(field), want, "{field}: {line:?}");
    }
    assert!(!line.text("origin_Content-Length").is_empty(), "{line:?}");
}

#[tokio::test]
async fn without_being_told_so_the_log_has_no_headers() {
    let upstream = Upstream::start("web-1", Behaviour::echo()).await;
    let world = Setup::web(&[&upstream]).start().await;
    world.get("/").await;
    let line = format!("{:?}", world.finish(1).await[0]);
    for prefix in ["request_", "origin_", "downstream_"] {
        assert!(!line.contains(prefix), "{line}");
    }
}

#[tokio::test]
async fn what_nobody_takes_is_counted_by_reason_and_remembered() {
    let upstream = Upstream::start("web-1", Behaviour::echo()).await;
    let mut config = web(servers(&[&upstream]));
    config.routers.get_mut(&name("web")).unwrap().value.rule = "Host(`a.test`) && PathPrefix(`/api`)".to_owned();
    let mut setup = Setup::new(config);
    let hosts = Arc::new(Unrouted::new(1));
    setup.unrouted = UnroutedOptions { hosts: Some(Arc::clone(&hosts)), explains: false };
    setup.metrics = Some(MetricsOptions::default());
    let world = setup.start().await;
    let ask = |host: &str, path: &str| get(path).replacen("a.test", host, 1);
    for (host, path) in [("a.test", "/x"), ("b.test", "/api"), ("B.test:81", "/other")] {
        let response = world.exchange(ask(host, path)).await;
        assert_eq!((response.status, &*response.text()), (404, "404 page not found\n"), "{host}{path}");
    }
    let told: Vec<_> = hosts.hosts().into_iter().map(|h| (h.host, h.reason, h.count, h.path)).collect();
    let text = str::to_owned;
    assert_eq!(told, [(text("b.test"), "unknown_host", 2, text("/other")), (text("a.test"), "no_rule", 1, text("/x"))]);
    until("they are counted", || {
        let page = world.scrape();
        [("no_rule", 1), ("unknown_host", 2)].iter().all(|(reason, count)| {
            page.contains(&format!(
                "seaway_unrouted_requests_total{{entrypoint=\"web\",reason=\"{reason}\"}} {count}\n"
            ))
        })
    })
    .await;
    world.finish(3).await;
}

#[tokio::test]
async fn clients_are_told_why_only_where_that_is_switched_on() {
    let upstream = Upstream::start("web-1", Behaviour::echo()).await;
    let mut config = web(servers(&[&upstream]));
    config.routers.get_mut(&name("web")).unwrap().value.rule = "Host(`a.test`) && PathPrefix(`/api`)".to_owned();
    let mut setup = Setup::new(config);
    setup.unrouted.explains = true;
    let world = setup.start().await;
    assert_eq!(
        world.get("/x").await.text(),
        "404 page not found\n\nrouters of entry point web name the host a.test, and none takes this request\n\
         web@docker: it would take the request but for PathPrefix(`/api`): the path is /x\n"
    );
    let other = world.exchange(get("/").replacen("a.test", "b.test", 1)).await;
    assert_eq!(other.text(), "404 page not found\n\nno router of entry point web names the host b.test\n");
    world.finish(2).await;
}
