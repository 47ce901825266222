//! Compiling, and what a table takes up.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use seaway_config::model::{Address, Condition, Config, Identity, LoadBalancer, ServiceOptions, StripPrefix};
use seaway_config::{Declared, Middleware, Name, Origin, Router, Server, Service};
use seaway_routing::compile::{CompileOptions, EntryPointInfo, compile};
use seaway_routing::{Millis, RoutingTable, StateRegistry};
use serde_json::json;

use crate::events::processor_time;
use crate::report::{Report, kilobytes, micros, own_memory, percentile};

const ROUNDS: usize = 20;

/// Measures with so many routers, each with a service of one server.
pub(crate) fn measure(routers: usize, report: &mut Report) {
    println!("\n2. Compiling {routers} routers, processor time");
    let options = CompileOptions {
        entry_points: vec![EntryPointInfo { name: "http".into(), default: true, ..EntryPointInfo::default() }],
        ..CompileOptions::default()
    };
    let before = own_memory();
    let config = Arc::new(config(routers));
    let configured = own_memory();
    let registry = StateRegistry::new(2);
    let make = |config: &Arc<Config>, previous: Option<&RoutingTable>| {
        let begun = processor_time();
        let table = compile(Arc::clone(config), &registry, previous, &options, Millis(1000));
        (processor_time() - begun, table)
    };
    let (first, mut table) = make(&config, None);
    let compiled = own_memory();
    assert_eq!(table.routers.len(), routers);
    assert!(table.diagnostics.is_empty(), "{:?}", table.diagnostics.first());
    let mut tell = |what: &str, mut took: Vec<u64>| {
        took.sort_unstable();
        let (p50, max) = (percentile(&took, 50), percentile(&took, 100));
        println!("  {what:<46}{:>12}  (worst of {}: {})", micros(p50), took.len(), micros(max));
        report.add(
            json!({ "what": what, "routers": routers, "unit": "nanoseconds of the processor", "p50": p50, "max": max }),
        );
    };
    tell("from nothing", vec![first]);
    tell("from nothing, its states known", (0..5).map(|_| make(&config, None).0).collect());
    let mut run = |what: &str, change: &dyn Fn(&mut Config, usize)| {
        let mut took = Vec::new();
        for round in 0..ROUNDS {
            let mut changed = (*table.config).clone();
            change(&mut changed, round);
            let (nanos, after) = make(&Arc::new(changed), Some(&table));
            took.push(nanos);
            table = after;
        }
        tell(what, took);
    };
    run("nothing changed", &|_, _| ());
    run("a server joined a service", &|config, round| {
        config.services.insert(name("r17"), service(17, round + 2));
    });
    run("a router got another rule", &|config, round| {
        config.routers.insert(name("r17"), router(17, &format!("Host(`r17-{round}.test`)")));
    });
    run("a router and its service came or went", &|config, round| {
        if round % 2 == 0 {
            config.services.insert(name("r17x"), service(routers + 1, 1));
            config.routers.insert(name("r17x"), router(17, "Host(`r17x.test`)"));
        } else {
            config.services.remove(&name("r17x"));
            config.routers.remove(&name("r17x"));
        }
    });
    registry.collect_garbage();
    let (of_config, of_table) = (configured.saturating_sub(before), compiled.saturating_sub(configured));
    println!("  {:<46}{:>12}", "memory of the configuration", kilobytes(of_config));
    println!("  {:<46}{:>12}", "memory of the first table and all states", kilobytes(of_table));
    let mut second = (*table.config).clone();
    second.services.insert(name("r17"), service(17, 1));
    let before = own_memory();
    let (_, next) = make(&Arc::new(second), Some(&table));
    let of_next = own_memory().saturating_sub(before);
    println!("  {:<46}{:>12}", "memory of a second table after a server joined", kilobytes(of_next));
    report.add(json!({
        "what": "memory", "routers": routers, "unit": "bytes", "configuration": of_config, "table": of_table,
        "next_table": of_next,
    }));
    let begun = processor_time();
    drop(next);
    let shared = processor_time() - begun;
    println!("  {:<46}{:>12}", "letting go of that second table", micros(shared));
    report.add(json!({ "what": "letting go of a table", "routers": routers, "unit": "nanoseconds", "p50": shared }));
}

fn name(local: &str) -> Name {
    Name::new(local, "docker")
}

fn config(routers: usize) -> Config {
    let mut config = Config::default();
    let strip = Middleware::StripPrefix(StripPrefix { prefixes: vec!["/api".to_owned()], force_slash: None });
    config.middlewares.insert(name("strip"), Declared::new(strip, Origin::resource("docker", "web")));
    for n in 0..routers {
        config.routers.insert(name(&format!("r{n}")), router(n, &format!("Host(`r{n}.test`) && PathPrefix(`/api`)")));
        config.services.insert(name(&format!("r{n}")), service(n, 1));
    }
    config
}

fn router(n: usize, rule: &str) -> Declared<Router> {
    let middlewares = vec!["strip".to_owned()];
    let router = Router { rule: rule.to_owned(), service: format!("r{n}"), middlewares, ..Router::default() };
    Declared::new(
        router,
        Origin::resource("docker", &format!("app-{n}")).at(&format!("traefik.http.routers.r{n}.rule")),
    )
}

fn service(n: usize, servers: usize) -> Declared<Service> {
    let options = ServiceOptions { load_balancer: Some(LoadBalancer::default()), ..ServiceOptions::default() };
    let server = |replica: usize| {
        let [_, a, b, c] = u32::try_from(n).expect("a small number").to_be_bytes();
        let port = u16::try_from(8000 + replica).expect("a small number");
        let address = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10 + a, b, c, 1)), port);
        Server {
            identity: Identity {
                container: format!("{n:060x}{replica:04x}").into(),
                network: "bench".into(),
                address: address.to_string().into(),
            },
            name: format!("app-{n}-{replica}").into(),
            url: format!("http://{address}").into(),
            address: Address::Ip(address),
            weight: 1,
            base_path: "".into(),
            condition: Condition { running: true, assume_ready: true, ..Condition::default() },
            origin: Origin::resource("docker", &format!("app-{n}-{replica}")),
        }
    };
    let service = Service { options, servers: (0..servers).map(server).collect() };
    let key = format!("traefik.http.services.r{n}.loadbalancer.server.port");
    Declared::new(service, Origin::resource("docker", &format!("app-{n}")).at(&key))
}
