use std::sync::atomic::AtomicBool;
use std::time::SystemTime;

use super::*;

fn metrics(routers: bool, workers: usize) -> Arc<Metrics> {
    Arc::new(Metrics::new(MetricsOptions { routers, ..MetricsOptions::default() }, workers))
}

fn exchange(status: u16, milliseconds: u64) -> Exchange {
    Exchange {
        status,
        service_status: status,
        duration: Duration::from_millis(milliseconds),
        attempts: 1,
        ..Exchange::default()
    }
}

/// Counts exchanges for the entry point `web`, and the service if one is named.
fn count(worker: &WorkerMetrics, service: Option<&str>, exchanges: &[Exchange]) {
    let entry = worker.entry_point("web");
    let service = service.and_then(|name| worker.service(name));
    for exchange in exchanges {
        worker.count(&entry, None, service.as_deref(), exchange);
    }
}

fn page(metrics: &Metrics) -> String {
    metrics.render(&Facts::default())
}

/// The value of the one series that begins so.
fn value(page: &str, series: &str) -> u64 {
    let mut found = page.lines().filter_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    let value = found.next().unwrap_or_else(|| panic!("no {series} in\n{page}")).parse().unwrap();
    assert_eq!(found.next(), None, "{series} is there twice");
    value
}

const GET_200: &str = r#"traefik_service_requests_total{code="200",method="GET",protocol="http",service="web@docker"}"#;

#[test]
fn a_page_as_prometheus_reads_it() {
    let metrics = metrics(true, 2);
    let workers = [metrics.worker(0), metrics.worker(1)];
    let entry = workers.each_ref().map(|w| w.entry_point("web"));
    let service = workers.each_ref().map(|w| w.service("web@docker").unwrap());
    let router = workers.each_ref().map(|w| w.router("r\"1@docker", "web@docker").unwrap());
    let open = (workers[0].open(&entry[0]), workers[0].open(&entry[0]), workers[1].open(&entry[1]));
    drop(open.1);
    let hit = Exchange { sticky: Sticky::Hit, request_bytes: 3, response_bytes: 128, ..exchange(200, 100) };
    workers[0].count(&entry[0], Some(&router[0]), Some(&service[0]), &hit);
    workers[1].count(
        &entry[1],
        Some(&router[1]),
        Some(&service[1]),
        &Exchange { duration: Duration::from_micros(100_001), ..hit },
    );
    let moved = Exchange {
        verb: Verb::Post,
        service_status: 404,
        sticky: Sticky::Draining,
        attempts: 3,
        lost: true,
        held: Duration::from_millis(1500),
        ..exchange(502, 7000)
    };
    workers[1].count(&entry[1], Some(&router[1]), Some(&service[1]), &moved);
    let lost = Exchange { broken: Some("client_gone"), ..exchange(499, 1) };
    workers[0].count(&entry[0], None, None, &lost);
    for worker in [0, 1, 1] {
        let answer = Exchange { own_answer: Some("no_route"), ..exchange(404, 0) };
        workers[worker].count(&entry[worker], None, None, &answer);
    }
    let server = |url, up, in_flight| ServerFacts { service: "web@docker", url, up, in_flight };
    let text = metrics.render(&Facts {
        version: "1.2.3",
        tables: 7,
        last_table: Some(SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_500)),
        diagnostics: (1, 2),
        entry_points: vec!["traefik", "web"],
        waiting: vec![("web@docker", 4)],
        servers: vec![
            server("http://10.0.0.1:80", false, 1),
            server("http://10.0.0.2:80", false, 0),
            server("http://10.0.0.1:80", true, 2),
        ],
        provider: Some(ProviderFacts {
            name: "docker",
            age: Some(Duration::from_millis(2500)),
            reachable: true,
            containers: 9,
        }),
        access_log: Some(LogFacts { dropped: 5, write_errors: 6 }),
    });
    let expected = include_str!("golden.prom");
    assert!(text == expected, "another page than golden.prom:\n{text}");
}

#[test]
fn a_bound_belongs_to_its_bucket() {
    let metrics = metrics(false, 1);
    let worker = metrics.worker(0);
    for (nanoseconds, buckets) in [
        (0, [1, 1, 1, 1, 1]),
        (100_000_000, [2, 2, 2, 2, 2]),
        (100_000_001, [2, 3, 3, 3, 3]),
        (1_200_000_000, [2, 3, 4, 4, 4]),
        (5_000_000_000, [2, 3, 4, 5, 5]),
        (5_000_000_001, [2, 3, 4, 5, 6]),
        (u64::MAX, [2, 3, 4, 5, 7]),
    ] {
        let exchange = Exchange { duration: Duration::from_nanos(nanoseconds), ..exchange(200, 0) };
        count(&worker, None, &[exchange]);
        let page = page(&metrics);
        for (bound, count) in ["0.1", "0.3", "1.2", "5", "+Inf"].iter().zip(buckets) {
            let labels = format!(r#"code="200",entrypoint="web",method="GET",protocol="http",le="{bound}""#);
            let series = format!("traefik_entrypoint_request_duration_seconds_bucket{{{labels}}}");
            assert_eq!(value(&page, &series), count, "{nanoseconds} ns, le={bound}");
        }
    }
}

#[test]
fn many_and_no_buckets() {
    for bounds in [Vec::new(), (1..=61).map(f64::from).collect::<Vec<_>>()] {
        let options = MetricsOptions { buckets: bounds.clone(), ..MetricsOptions::default() };
        let metrics = Arc::new(Metrics::new(options, 1));
        let worker = metrics.worker(0);
        count(&worker, None, &[exchange(200, 60_500), exchange(200, 61_001)]);
        let page = page(&metrics);
        assert_eq!(page.matches("_seconds_bucket").count(), bounds.len() + 1);
        let series = r#"{code="200",entrypoint="web",method="GET",protocol="http"}"#;
        assert_eq!(value(&page, &format!("traefik_entrypoint_request_duration_seconds_count{series}")), 2);
        assert!(page.contains(&format!("traefik_entrypoint_request_duration_seconds_sum{series} 121.501\n")), "{page}");
    }
}

#[test]
fn what_all_workers_count_is_told_as_one_and_outlives_them() {
    let metrics = metrics(false, 3);
    std::thread::scope(|scope| {
        for number in 0..3 {
            let metrics = &metrics;
            scope.spawn(move || {
                let worker = metrics.worker(number);
                for _ in 0..1000 {
                    count(&worker, Some("web@docker"), &[exchange(200, 1)]);
                }
            });
        }
    });
    assert_eq!(value(&page(&metrics), GET_200), 3000);
}

#[test]
fn no_counter_goes_back_while_scraped_under_load() {
    let metrics = metrics(false, 2);
    let ended = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let (metrics, ended) = (&metrics, &ended);
        let workers: Vec<_> = (0..2)
            .map(|number| {
                scope.spawn(move || {
                    let worker = metrics.worker(number);
                    for n in 0..20_000u16 {
                        count(&worker, Some("web@docker"), &[exchange(200, 1), exchange(200 + n % 300, 1)]);
                    }
                })
            })
            .collect();
        let scraping = scope.spawn(move || {
            let (mut scrapes, mut last) = (0, 0);
            while !ended.load(Ordering::Acquire) || scrapes == 0 {
                let page = page(metrics);
                if page.contains(GET_200) {
                    let now = value(&page, GET_200);
                    assert!(now >= last, "{last}, then {now}");
                    (scrapes, last) = (scrapes + 1, now);
                }
            }
        });
        for worker in workers {
            worker.join().unwrap();
        }
        ended.store(true, Ordering::Release);
        scraping.join().unwrap();
    });
    let sum = |page: &str| -> u64 {
        let requests = page.lines().filter(|line| line.starts_with("traefik_service_requests_total{"));
        requests.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum()
    };
    assert_eq!(sum(&page(&metrics)), 80_000, "no series was left out");
}

#[test]
fn a_name_keeps_its_counters_whatever_tables_come() {
    let metrics = metrics(true, 1);
    let worker = metrics.worker(0);
    for table in 1..=1000 {
        // Whoever holds a table asks anew.
        let service = worker.service("web@docker").unwrap();
        let router = worker.router("r@docker", if table % 2 == 0 { "a@docker" } else { "b@docker" }).unwrap();
        worker.count(&worker.entry_point("web"), Some(&router), Some(&service), &exchange(200, 1));
        metrics.retain(Duration::from_secs(table), |_, name, _| name != "web@docker" || table % 7 == 0);
        worker.tidy();
        assert_eq!(value(&page(&metrics), GET_200), table);
    }
    let router = |service| {
        format!(
            r#"traefik_router_requests_total{{code="200",method="GET",protocol="http",router="r@docker",service="{service}"}}"#
        )
    };
    assert_eq!([value(&page(&metrics), &router("a@docker")), value(&page(&metrics), &router("b@docker"))], [500, 500]);
}

#[test]
fn what_left_the_table_is_told_for_a_while_and_then_forgotten() {
    let metrics = metrics(false, 2);
    let workers = [metrics.worker(0), metrics.worker(1)];
    workers.iter().for_each(|worker| count(worker, Some("web@docker"), &[exchange(200, 1)]));
    let held = workers[0].service("web@docker").unwrap();
    let at = |seconds, live: bool| metrics.retain(Duration::from_secs(seconds), |_, _, _| live);
    at(0, true);
    at(100, false);
    at(699, false);
    assert_eq!(value(&page(&metrics), GET_200), 2);
    at(699, true);
    at(700, false);
    at(1299, false);
    assert_eq!(value(&page(&metrics), GET_200), 2, "it was back in between");
    at(1300, false);
    assert!(!page(&metrics).contains("web@docker"), "for all workers at once, whether they have noticed or not");
    workers[1].tidy();
    // A long download still ends there; that is heard by nobody.
    workers[0].count(&workers[0].entry_point("web"), None, Some(&held), &exchange(200, 1));
    assert!(!page(&metrics).contains("web@docker"));
    count(&workers[0], Some("web@docker"), &[exchange(200, 1)]);
    assert_eq!(value(&page(&metrics), GET_200), 1, "a name that comes back begins anew");
    let web = r#"traefik_entrypoint_requests_total{code="200",entrypoint="web",method="GET",protocol="http"}"#;
    assert_eq!(value(&page(&metrics), web), 4, "entry points stay");
}

#[test]
fn names_that_come_and_go_do_not_pile_up() {
    let metrics = metrics(false, 1);
    let worker = metrics.worker(0);
    for n in 0..3000 {
        count(&worker, Some(&format!("s{n}@docker")), &[exchange(200, 1)]);
        metrics.retain(Duration::from_millis(n), |_, name, _| name == format!("s{n}@docker"));
        worker.tidy();
    }
    let page = page(&metrics);
    let told = page.lines().filter(|line| line.starts_with("traefik_service_requests_total{")).count();
    assert_eq!(told, MOST_LEFT + 1);
    assert!(page.contains("s2999@docker") && !page.contains("s1998@docker"), "the first to leave go first");
    assert!(lock(&metrics.workers[0]).len() <= 2 * (MOST_LEFT + 1) + 2, "and so does what they counted in");
}

#[test]
fn neither_clients_nor_servers_can_make_series_without_end() {
    let metrics = metrics(false, 1);
    let worker = metrics.worker(0);
    for status in 0..=u16::MAX {
        count(&worker, Some("web@docker"), &[Exchange { verb: Verb::Extension, ..exchange(status, 1) }]);
    }
    let page = page(&metrics);
    let told = page.lines().filter(|line| line.starts_with("traefik_service_requests_total{")).count();
    assert_eq!(told, 256 + 8, "the first ones, and the classes of the others");
    let class = r#"{code="5xx",method="EXTENSION_METHOD",protocol="http",service="web@docker"}"#;
    assert_eq!(value(&page, &format!("traefik_service_requests_total{class}")), 100);
}

#[test]
fn levels_that_are_off_are_not_counted() {
    for (entry_points, routers, services) in [(true, false, false), (false, true, false), (false, false, true)] {
        let options = MetricsOptions { entry_points, routers, services, ..MetricsOptions::default() };
        let metrics = Arc::new(Metrics::new(options, 1));
        let worker = metrics.worker(0);
        let (service, router) = (worker.service("s@docker"), worker.router("r@docker", "s@docker"));
        let entry = worker.entry_point("web");
        let _open = worker.open(&entry);
        worker.count(
            &entry,
            router.as_deref(),
            service.as_deref(),
            &Exchange { sticky: Sticky::New, ..exchange(200, 1) },
        );
        let page = page(&metrics);
        for (level, on) in [("entrypoint", entry_points), ("router", routers), ("service", services)] {
            assert_eq!(page.contains(&format!("traefik_{level}_requests_total{{")), on, "{level}");
        }
        assert_eq!(page.contains("seaway_service_sticky_total{"), services);
        assert!(page.contains("traefik_open_connections{entrypoint=\"web\",protocol=\"TCP\"} 1\n"), "{page}");
    }
}

#[test]
fn every_word_for_affinity_has_its_counter() {
    let metrics = metrics(false, 1);
    let worker = metrics.worker(0);
    for (n, sticky) in (1..).zip(Sticky::ALL) {
        count(&worker, Some("web@docker"), &vec![Exchange { sticky, ..exchange(200, 1) }; n]);
    }
    let page = page(&metrics);
    for (n, (verdict, reason)) in (1..).zip([
        ("new", ""),
        ("hit", ""),
        ("moved", "draining"),
        ("moved", "down"),
        ("moved", "gone"),
        ("moved", "refused"),
        ("moved", "replaced"),
        ("expired", ""),
        ("invalid", ""),
    ]) {
        let labels = format!(r#"reason="{reason}",service="web@docker",verdict="{verdict}""#);
        assert_eq!(value(&page, &format!("seaway_service_sticky_total{{{labels}}}")), n);
    }
}

#[test]
fn headers_that_are_labels_divide_the_counters_of_requests() {
    let header_labels = vec![("agent".to_owned(), http::HeaderName::from_static("user-agent"))];
    let options = MetricsOptions { header_labels, ..MetricsOptions::default() };
    let metrics = Arc::new(Metrics::new(options, 2));
    let workers = [metrics.worker(0), metrics.worker(1)];
    let ask = |worker: &WorkerMetrics, agent: &str| {
        let mut headers = http::HeaderMap::new();
        if !agent.is_empty() {
            headers.insert("user-agent", http::HeaderValue::from_str(agent).unwrap());
        }
        Exchange { headers: worker.header_values(|| &headers), ..exchange(200, 1) }
    };
    for (worker, agent) in [(0, "curl \"x\""), (1, "curl \"x\""), (1, "other/1"), (0, "")] {
        count(&workers[worker], Some("web@docker"), &[ask(&workers[worker], agent)]);
    }
    let page = page(&metrics);
    let of = |agent: &str| {
        format!(
            r#"traefik_entrypoint_requests_total{{agent="{agent}",code="200",entrypoint="web",method="GET",protocol="http"}}"#
        )
    };
    assert_eq!((value(&page, &of(r#"curl \"x\""#)), value(&page, &of("other/1")), value(&page, &of(""))), (2, 1, 1));
    assert!(page.contains(r#"traefik_service_requests_total{agent="other/1",code="200","#), "{page}");
    assert!(!page.contains("traefik_entrypoint_requests_total{code="), "each request is told once: {page}");
    assert!(page.contains("traefik_entrypoint_responses_bytes_total{code="), "other counters are not divided");
    for n in 0..3 * headers::MOST {
        count(&workers[0], None, &[ask(&workers[0], &format!("agent-{n}"))]);
    }
    let page = self::page(&metrics);
    let series = page.lines().filter(|line| line.starts_with("traefik_entrypoint_requests_total{")).count();
    assert!(series <= headers::MOST + 2, "{series}");
    assert!(value(&page, &of("other")) > headers::MOST as u64, "what is beyond is counted together");
}
