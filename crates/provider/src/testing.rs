//! Containers for tests.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use seaway_config::statics::DockerOptions;

use crate::docker::{Attachment, BuildOptions, Builder, Built, Container, Protocol};

pub(crate) fn options() -> BuildOptions {
    let default_rule = "Host(`{{ normalize .Name }}.localhost`)".to_owned();
    BuildOptions::new("docker", &DockerOptions { default_rule, ..DockerOptions::default() }).unwrap()
}

/// A container with port 80 on one network, whose id is its name.
pub(crate) fn container(name: &str, address: &str, labels: &[(&str, &str)]) -> Container {
    Container {
        id: name.to_owned(),
        name: name.to_owned(),
        labels: labels.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
        created: "2026-11-20T10:00:00Z".to_owned(),
        started_at: "2026-11-20T10:00:01Z".to_owned(),
        networks: vec![Attachment {
            name: "shop_default".to_owned(),
            id: "net".to_owned(),
            ipv4: Some(address.parse().unwrap()),
            ipv6: None,
        }],
        network_mode: "shop_default".to_owned(),
        exposed: vec![(80, Protocol::Tcp)],
        ..Container::default()
    }
}

/// A replica: number `number` of a service of a Compose project.
pub(crate) fn replica(project: &str, service: &str, number: u8, labels: &[(&str, &str)]) -> Container {
    let number_text = number.to_string();
    let mut all = labels.to_vec();
    all.push(("com.docker.compose.project", project));
    all.push(("com.docker.compose.service", service));
    all.push(("com.docker.compose.container-number", &number_text));
    container(&format!("{project}-{service}-{number}"), &format!("10.0.0.{}", 10 + number), &all)
}

pub(crate) fn snapshot(containers: impl IntoIterator<Item = Container>) -> Vec<Arc<Container>> {
    let mut all: Vec<_> = containers.into_iter().map(Arc::new).collect();
    all.sort_by(|a, b| a.id.cmp(&b.id));
    all
}

pub(crate) fn build(containers: impl IntoIterator<Item = Container>) -> Built {
    Builder::new(options()).build(&snapshot(containers))
}

/// A small generator; the same seed gives the same history.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

/// How many histories are tried: `SEEDS` from the environment, for a long night.
pub(crate) fn seeds(usual: u64) -> u64 {
    std::env::var("SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(usual)
}
