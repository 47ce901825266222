//! Which static options there are: ours, by the catalogue, and those that Traefik has and we do not, by name, so that
//! nobody who brings Traefik's flags is told of typing mistakes.

use seaway_config::catalogue::{Kind, OptionSpec, Section};
use seaway_config::decode::parse_bool;
use seaway_config::statics::StaticOptions;

use seaway_config::suggest::{nearest, within_one_edit};

/// Options of Traefik's that do not work yet, with all that stands below them. `*` is a name.
pub(super) const NOT_YET: &[&str] = &[
    "accessLog.dualOutput",
    "accessLog.otlp",
    "certificatesResolvers",
    "entryPoints.*.forwardedHeaders.connection",
    "entryPoints.*.http2",
    "entryPoints.*.http3",
    "entryPoints.*.udp",
    "experimental",
    "hostResolver",
    "log.compress",
    "log.maxAge",
    "log.maxBackups",
    "log.maxSize",
    "log.otlp",
    "metrics.datadog",
    "metrics.influxDB2",
    "metrics.otlp",
    "metrics.statsD",
    "ocsp",
    "providers.consul",
    "providers.consulCatalog",
    "providers.docker.swarmMode",
    "providers.docker.swarmModeRefreshSeconds",
    "providers.ecs",
    "providers.etcd",
    "providers.knative",
    "providers.kubernetes",
    "providers.kubernetesCRD",
    "providers.kubernetesGateway",
    "providers.kubernetesIngress",
    "providers.kubernetesIngressNGINX",
    "providers.nomad",
    "providers.plugin",
    "providers.precedence",
    "providers.redis",
    "providers.rest",
    "providers.swarm",
    "providers.zooKeeper",
    "serversTransport.forwardingTimeouts.pingTimeout",
    "serversTransport.forwardingTimeouts.readIdleTimeout",
    "serversTransport.peerCertSANs",
    "serversTransport.spiffe",
    "spiffe",
    "tcpServersTransport",
    "tracing",
];

/// Those of them without which connections would be less safe than was asked for: Seaway does not start.
const NEEDED: &[&str] = &["ocsp", "serversTransport.peerCertSANs", "serversTransport.spiffe", "spiffe"];

/// Options of Traefik's that change nothing here, or not with this value.
const NO_EFFECT: &[(&str, Option<&str>)] = &[
    ("api.dashboardName", None),
    ("api.disableDashboardAd", None),
    ("log.compress", Some("false")),
    ("providers.docker.swarmMode", Some("false")),
];

/// Options of Traefik's that do not work yet, with all that stands below them; `*` is a name.
pub fn not_yet() -> &'static [&'static str] {
    NOT_YET
}

/// Options of Traefik's that are accepted and change nothing, each with the only value for which that is so, if not all.
pub fn without_effect() -> &'static [(&'static str, Option<&'static str>)] {
    NO_EFFECT
}

/// What an option's path turns out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// Ours, of this kind.
    Option(Kind),
    /// Traefik's, without effect here.
    NoEffect,
    /// Traefik's, and it does not work yet.
    NotYet,
    /// Nobody's.
    Unknown,
}

/// Looks a path up, without regard to case. The value decides whether an option that does not work yet matters.
pub(super) fn look_up(path: &[&str], value: &str) -> Found {
    if let Some(kind) = kind_of(path, StaticOptions::OPTIONS) {
        return Found::Option(kind);
    }
    let here = |pattern: &&str| matches_start(pattern, path);
    let no_effect = NO_EFFECT.iter().find(|(pattern, _)| pattern.split('.').count() == path.len() && here(pattern));
    match no_effect {
        Some((_, only)) if only.is_none_or(|only| means(value, only)) => Found::NoEffect,
        _ if NOT_YET.iter().any(here) => Found::NotYet,
        _ => Found::Unknown,
    }
}

/// An option that does not work yet and that must not be passed over.
pub(super) fn is_needed(path: &[&str]) -> bool {
    NEEDED.iter().any(|pattern| matches_start(pattern, path))
}

/// The option that was probably meant by a path that is nobody's, as documented.
pub(super) fn suggest(path: &[&str]) -> Option<String> {
    if let Some(mended) = mend(path, StaticOptions::OPTIONS) {
        return Some(mended.join("."));
    }
    let mut all = Vec::new();
    paths(StaticOptions::OPTIONS, "", &mut all);
    let written = path.join(".");
    if let Some(near) = nearest(&written, all.iter().map(String::as_str)) {
        return Some(near.to_owned());
    }
    // `--exposedbydefault`: the last word is an option's, and the way there is missing.
    let last = path.last()?;
    let mut same =
        all.iter().filter(|known| known.rsplit('.').next().is_some_and(|word| word.eq_ignore_ascii_case(last)));
    same.next().cloned()
}

/// Every option's path, as documented; names are `<name>`.
pub(super) fn paths(specs: &[OptionSpec], above: &str, into: &mut Vec<String>) {
    for spec in specs {
        let path = if above.is_empty() { spec.name.to_owned() } else { format!("{above}.{}", spec.name) };
        let below = if spec.kind == Kind::NamedSections { format!("{path}.<name>") } else { path.clone() };
        into.push(path);
        paths(spec.below, &below, into);
    }
}

/// The sections that a variable's first word may name: ours and Traefik's.
pub(super) fn sections() -> impl Iterator<Item = &'static str> {
    let ours = StaticOptions::OPTIONS.iter().map(|spec| spec.name);
    ours.chain(NOT_YET.iter().filter_map(|path| path.split('.').next()))
}

/// The section that a variable's first words were meant to name: `ENTRYPOINT_WEB_ADDRESS`, `ACCESS_LOG_FORMAT`.
pub(super) fn near_section(words: &[&str]) -> Option<String> {
    // Of short words too many are near.
    let mut long = sections().filter(|section| section.len() > 4);
    let (first, two) = (words.first()?, words.get(..2).map(<[_]>::concat));
    let section = long.find(|section| {
        within_one_edit(first, section) || two.as_ref().is_some_and(|two| two.eq_ignore_ascii_case(section))
    })?;
    let used = if within_one_edit(first, section) { 1 } else { 2 };
    let rest = words.get(used..).unwrap_or_default();
    Some([&[section], rest].concat().join("_").to_ascii_uppercase())
}

fn kind_of(path: &[&str], specs: &[OptionSpec]) -> Option<Kind> {
    let (name, rest) = path.split_first()?;
    let spec = specs.iter().find(|spec| spec.name.eq_ignore_ascii_case(name))?;
    match (spec.kind, rest) {
        (kind, []) => Some(kind),
        (Kind::Section | Kind::SwitchSection, rest) => kind_of(rest, spec.below),
        (Kind::NamedSections, [_]) => Some(Kind::Section),
        (Kind::NamedSections, [_, rest @ ..]) => kind_of(rest, spec.below),
        (Kind::Map, [_]) => Some(Kind::Text),
        (Kind::List, [index]) if index.starts_with('[') => Some(Kind::Text),
        _ => None,
    }
}

fn matches_start(pattern: &str, path: &[&str]) -> bool {
    let mut path = path.iter();
    pattern.split('.').all(|part| path.next().is_some_and(|name| part == "*" || part.eq_ignore_ascii_case(name)))
}

fn means(value: &str, only: &str) -> bool {
    value.eq_ignore_ascii_case(only) || parse_bool(value).is_some_and(|value| parse_bool(only) == Some(value))
}

/// The path with each word that is not known replaced by the nearest one that is.
fn mend(path: &[&str], specs: &[OptionSpec]) -> Option<Vec<String>> {
    let (name, rest) = path.split_first()?;
    let exact = specs.iter().find(|spec| spec.name.eq_ignore_ascii_case(name));
    let spec = exact.or_else(|| {
        let near = nearest(name, specs.iter().map(|spec| spec.name))?;
        specs.iter().find(|spec| spec.name == near)
    })?;
    let mut mended = vec![spec.name.to_owned()];
    let rest = match (spec.kind, rest) {
        (Kind::NamedSections, [named, rest @ ..]) => {
            mended.push((*named).to_owned());
            rest
        }
        (_, rest) => rest,
    };
    if !rest.is_empty() {
        mended.extend(mend(rest, spec.below)?);
    }
    Some(mended)
}
