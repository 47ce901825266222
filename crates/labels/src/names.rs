//! Which labels are ours: the roots `traefik.` and `seaway.`, the words below them, and their near misses.

use seaway_config::suggest::{distance, within_one_edit};

/// The two label roots. `seaway.` accepts all that `traefik.` does and wins where both speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Root {
    Traefik,
    Seaway,
}

impl Root {
    const ALL: [Self; 2] = [Self::Traefik, Self::Seaway];

    fn word(self) -> &'static str {
        match self {
            Self::Traefik => "traefik",
            Self::Seaway => "seaway",
        }
    }
}

/// What a label's key is about, by its root and the word after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Somebody else's label, or one that Traefik ignores as well.
    Foreign,
    /// `traefik.enable`, or anything that starts so.
    Enable,
    /// `traefik.docker.…`.
    Docker,
    /// `traefik.http.…`.
    Http(Root),
    /// `traefik.tcp.…` or `traefik.udp.…`.
    TcpUdp,
    /// `traefik.tls.stores.default.…`.
    TlsStore,
    /// An unknown word under our own root.
    UnknownOwn,
    /// A root that nobody has, and the key that was probably meant.
    NearMiss(String),
}

/// The words that mean something directly below a root.
const WORDS: [&str; 6] = ["http", "tcp", "udp", "tls", "docker", "enable"];
/// As Traefik filters by raw prefix, `traefik.httpx` is not foreign but wrong.
const RAW_PREFIXES: [&str; 3] = ["http", "tcp", "udp"];
/// More than any root and word with two edits; longer heads of foreign keys need not be looked at.
const HEAD: usize = 64;

/// Says what a key is about. Roots are lower-case; the words below them are matched without regard to case.
pub(crate) fn place(key: &str) -> Place {
    let (first, rest) = key.split_once('.').unwrap_or((key, ""));
    let own = Root::ALL.into_iter().find(|root| root.word() == first && key.len() > first.len());
    if let Some(root) = own
        && let Some(place) = below(root, rest)
    {
        return place;
    }
    let meant = near_words(key, first, rest, own).or_else(|| near_dots(key)).or_else(|| near_kind(key));
    if let Some(meant) = meant {
        return Place::NearMiss(meant);
    }
    match own {
        Some(Root::Seaway) => Place::UnknownOwn,
        _ => Place::Foreign,
    }
}

fn below(root: Root, rest: &str) -> Option<Place> {
    let word = rest.split('.').next().unwrap_or_default().to_ascii_lowercase();
    Some(match word.as_str() {
        "http" => Place::Http(root),
        "tcp" | "udp" => Place::TcpUdp,
        "docker" => Place::Docker,
        "tls" if starts_with(rest, "tls.stores.default") => Place::TlsStore,
        "tls" => Place::Foreign,
        _ if word.starts_with("enable") => Place::Enable,
        _ => return None,
    })
}

/// Root and word together at most two edits from a known pair; a word of three letters at most one, or too many words
/// would be near.
fn near_words(key: &str, first: &str, rest: &str, own: Option<Root>) -> Option<String> {
    let (word, tail) = rest.split_once('.').map_or((rest, None), |(word, tail)| (word, Some(tail)));
    if first.len() > HEAD || word.is_empty() {
        return None;
    }
    let mut best: Option<(usize, Root, &str)> = None;
    for root in Root::ALL {
        if own.is_some_and(|own| own != root) {
            continue;
        }
        let root_edits = distance(first, root.word());
        if root_edits > 2 {
            continue;
        }
        for known in WORDS {
            let raw = RAW_PREFIXES.contains(&known) && starts_with(word, known);
            let word_edits = if raw { 0 } else { distance(word, known) };
            let near = word_edits <= if known.len() <= 3 { 1 } else { 2 };
            let edits = word_edits.saturating_add(root_edits);
            if near && edits <= 2 && best.is_none_or(|(least, _, _)| edits < least) {
                best = Some((edits, root, known));
            }
        }
    }
    let (_, root, known) = best?;
    // `traefik.httprouters.web` lost its dot: give it back.
    let glued = if RAW_PREFIXES.contains(&known) && starts_with(word, known) { word.get(known.len()..) } else { None };
    let head = match glued.filter(|glued| is_kind(glued)) {
        Some(glued) => format!("{}.{known}.{glued}", root.word()),
        None => format!("{}.{known}", root.word()),
    };
    let meant = match tail {
        Some(tail) => format!("{head}.{tail}"),
        None => head,
    };
    (meant != key).then_some(meant)
}

/// A dot too many, too few or replaced in the head: `traefikhttp.…`, `trae.fik.http.…`, `traefik..http.…`.
fn near_dots(key: &str) -> Option<String> {
    // One edit leaves one half of the root whole; this spares nearly all foreign labels the comparisons below.
    let start: String = key.chars().take(20).map(|c| c.to_ascii_lowercase()).collect();
    if !["tra", "fik", "sea", "way"].iter().any(|half| start.contains(half)) {
        return None;
    }
    for root in Root::ALL {
        for word in WORDS {
            let whole = format!("{}.{word}{}", root.word(), if word == "enable" { "" } else { "." });
            for length in [whole.len(), whole.len() - 1, whole.len() + 1] {
                let Some((end, _)) = key.char_indices().chain([(key.len(), ' ')]).nth(length) else { continue };
                let (head, tail) = key.split_at(end);
                if within_one_edit(head, &whole) {
                    return Some(format!("{whole}{tail}"));
                }
            }
        }
    }
    None
}

/// Everything below `http.`, but not all of what comes before it, or other signs in place of the dots:
/// `traefik.routers.…`, `http.routers.…`, `com.traefik.http.routers.…`, `traefik_http_routers_…`.
fn near_kind(key: &str) -> Option<String> {
    // No object has fewer letters than this after its kind; foreign labels end the search here, unread.
    let kind_at = ["router", "service", "middleware"].iter().filter_map(|kind| find(key, kind)).min()?;
    let (head, tail) = key.split_at(kind_at);
    let kind = tail.split(['.', '_', '/', '-', ':']).next().unwrap_or_default();
    let separated = tail.get(kind.len()..).is_some_and(|rest| rest.len() > 2);
    if head.len() > HEAD || !is_kind(kind) || !separated {
        return None;
    }
    let words: Vec<&str> = head.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let root = Root::ALL.into_iter().find(|root| words.iter().any(|word| root.word().eq_ignore_ascii_case(word)));
    let http = words.last().is_some_and(|word| word.eq_ignore_ascii_case("http"));
    let meant = match (root, words.as_slice()) {
        // Labels of a person's own may well end in `my-router.x`; these cannot be anything else.
        (Some(root), [.., _]) if http || words.len() == 1 => root,
        (None, [_]) if http => Root::Traefik,
        _ => return None,
    };
    let dotted = if tail.contains('.') { tail.to_owned() } else { tail.replace(['_', '/', ':'], ".") };
    Some(format!("{}.http.{dotted}", meant.word()))
}

fn is_kind(word: &str) -> bool {
    ["routers", "services", "middlewares"].iter().any(|kind| within_one_edit(word, kind))
}

fn find(text: &str, word: &str) -> Option<usize> {
    text.as_bytes().windows(word.len()).position(|window| window.eq_ignore_ascii_case(word.as_bytes()))
}

fn starts_with(text: &str, prefix: &str) -> bool {
    text.get(..prefix.len()).is_some_and(|head| head.eq_ignore_ascii_case(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_places() {
        for (key, expected) in [
            ("traefik.http.routers.a.rule", Place::Http(Root::Traefik)),
            ("traefik.HTTP.routers.a.rule", Place::Http(Root::Traefik)),
            ("traefik.http", Place::Http(Root::Traefik)),
            ("seaway.http.routers.a.rule", Place::Http(Root::Seaway)),
            ("traefik.enable", Place::Enable),
            ("traefik.Enabled", Place::Enable),
            ("traefik.enable.foo", Place::Enable),
            ("seaway.enable", Place::Enable),
            ("traefik.docker.network", Place::Docker),
            ("traefik.tcp.routers.a.rule", Place::TcpUdp),
            ("traefik.udp.services.a.loadbalancer.server.port", Place::TcpUdp),
            ("traefik.tls.stores.default.defaultgeneratedcert.resolver", Place::TlsStore),
        ] {
            assert_eq!(place(key), expected, "{key}");
        }
    }

    #[test]
    fn foreign_labels_are_left_alone() {
        for key in [
            "com.docker.compose.project",
            "org.opencontainers.image.title",
            "traefik",
            "traefik.wrong.label",
            "traefik.random.value",
            "traefik.foo",
            "traefik.port",
            "traefik.tags",
            "traefik.frontend.rule",
            "traefik.backend",
            "traefik.swarm.network",
            "traefik.tls.options.default.minVersion",
            "traffic.shape.rate",
            "routers.web.rule",
            "http.port",
            "my.http.services.list",
            "com.example.traefik.routers",
            "io.service.http.name",
            "traefik.middleware",
            "",
            ".",
            "..",
            "é.http",
        ] {
            assert_eq!(place(key), Place::Foreign, "{key}");
        }
        assert_eq!(place("seaway.random.value"), Place::UnknownOwn);
    }

    #[test]
    fn near_misses_are_found_and_mended() {
        for (key, meant) in [
            ("traefik.htpp.routers.web.rule", "traefik.http.routers.web.rule"),
            ("traefik.htt.routers.web.rule", "traefik.http.routers.web.rule"),
            ("trafik.http.routers.web.rule", "traefik.http.routers.web.rule"),
            ("treafik.http.routers.web.rule", "traefik.http.routers.web.rule"),
            ("traefic.enable", "traefik.enable"),
            ("Traefik.http.routers.web.rule", "traefik.http.routers.web.rule"),
            ("TRAEFIK.enable", "traefik.enable"),
            ("traefik.enabel", "traefik.enable"),
            ("traefik.dokcer.network", "traefik.docker.network"),
            ("traefik.tcpx.y", "traefik.tcp.y"),
            ("traefik.https.routers.web.rule", "traefik.http.routers.web.rule"),
            ("traefik.routers.web.rule", "traefik.http.routers.web.rule"),
            ("traefik.middleware.auth.chain.middlewares", "traefik.http.middleware.auth.chain.middlewares"),
            ("seaway.services.web.loadbalancer.server.port", "seaway.http.services.web.loadbalancer.server.port"),
            ("http.routers.web.rule", "traefik.http.routers.web.rule"),
            ("com.traefik.http.routers.web.rule", "traefik.http.routers.web.rule"),
            ("traefik_http_routers_web_middlewares", "traefik.http.routers.web.middlewares"),
            ("TRAEFIK/HTTP/ROUTERS/web/rule", "traefik.http.ROUTERS.web.rule"),
            ("traefik.httprouters.web.rule", "traefik.http.routers.web.rule"),
            ("traefikhttp.routers.web.rule", "traefik.http.routers.web.rule"),
            ("trae.fik.http.routers.web.rule", "traefik.http.routers.web.rule"),
            ("tra.fik.http.routers.web.rule", "traefik.http.routers.web.rule"),
            ("traefik..http.routers.web.rule", "traefik.http.routers.web.rule"),
            ("traefik.h.ttp.routers.web.rule", "traefik.http.routers.web.rule"),
            ("traefikXhttp.routers.web.rule", "traefik.http.routers.web.rule"),
            (" traefik.http.routers.web.rule", "traefik.http.routers.web.rule"),
            ("saeway.http.routers.web.rule", "seaway.http.routers.web.rule"),
            ("seaway.hhtp.routers.web.rule", "seaway.http.routers.web.rule"),
            ("traefikenable", "traefik.enable"),
        ] {
            assert_eq!(place(key), Place::NearMiss(meant.to_owned()), "{key}");
        }
    }
}
