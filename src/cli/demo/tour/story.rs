//! The words of the tour: pure, from what was seen to what is said.

use std::collections::BTreeMap;

use seaway_config::model::natural_order;

use crate::cli::demo::journal::Exchange;
use crate::cli::demo::screen::{INDENT, Paint, WIDTH, visible_width};
use crate::cli::demo::tally::Move;

/// `web-1 web-2 web-3`: replicas in the order in which they answered.
pub(super) fn in_a_row(replicas: &[String], paint: Paint) -> String {
    replicas.iter().map(|name| paint.replica(name)).collect::<Vec<_>>().join(" ")
}

/// `web-1  ■■■■ 4`: how often each answered.
pub(super) fn tally_lines(replicas: &[String], paint: Paint) -> Vec<String> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for replica in replicas {
        *counts.entry(replica).or_default() += 1;
    }
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by(|a, b| natural_order(a.0, b.0));
    let widest = counts.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    let line = |(name, count): (&str, usize)| {
        let gap = " ".repeat(widest - name.chars().count());
        format!("{}{gap}  {} {count}", paint.replica(name), paint.bar(name, count))
    };
    counts.into_iter().map(line).collect()
}

/// One line of the access log, shortened to what matters here; in two parts where it would be too long.
pub(crate) fn exchange_line(exchange: &Exchange, paint: Paint) -> Vec<String> {
    let server = exchange.server.as_deref().map_or_else(|| "-".to_owned(), |name| paint.replica(name));
    let status = match exchange.status.as_bytes().first() {
        Some(b'2' | b'3') => paint.good(&exchange.status),
        _ => paint.bad(&exchange.status),
    };
    let time = paint.dim(&exchange.time);
    let took = paint.dim(&exchange.took);
    let head = format!("{time} {status} {} {} → {server} {took}", exchange.method, exchange.path());
    let mut verdict = Vec::new();
    if !matches!(exchange.sticky.as_str(), "" | "none") {
        verdict.push(format!("sticky={}", exchange.sticky));
    }
    verdict.extend(exchange.reason.iter().map(|reason| format!("reason={reason}")));
    verdict.extend(exchange.notes.iter().cloned());
    let verdict = verdict.join(" ");
    let told = exchange.sticky == "moved" || !exchange.notes.is_empty();
    let shown = if told { paint.warn(&verdict) } else { paint.dim(&verdict) };
    if verdict.is_empty() {
        vec![head]
    } else if visible_width(&head) + 1 + visible_width(&verdict) <= WIDTH - INDENT.len() {
        vec![format!("{head} {shown}")]
    } else {
        vec![head, format!("             {shown}")]
    }
}

/// Why somebody moved, in plain words.
pub(super) fn explain(moved: &Move, exchange: Option<&Exchange>, paint: Paint) -> String {
    let (from, to) = (paint.replica(&moved.from), paint.replica(&moved.to));
    let again = exchange.is_some_and(|e| e.notes.iter().any(|note| note.starts_with("attempt=")));
    let again = if again { " The request had been tried once before; the visitor saw nothing of that." } else { "" };
    let why = match exchange.and_then(|e| e.reason.as_deref()) {
        Some("draining") => format!(
            "{from} had been told to stop. From that moment it gets no new request, not even from its own visitors, while \
             it finishes what it is doing."
        ),
        Some("gone") => format!("{from} had ended by the time of the request."),
        Some("refused") => {
            format!("{from} took no more connections. Nothing of the request had been sent, so it could go elsewhere.")
        }
        Some("down") => format!("{from} was not ready for requests."),
        Some("replaced") => format!("Another container answers at the address of {from}."),
        _ => format!("{from} was told to stop, and the next answer came from another replica with a new cookie."),
    };
    format!("{why} Seaway chose {to} and gave out a new cookie.{again}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moved() -> Move {
        Move { visitor: "anna".to_owned(), from: "web-5".to_owned(), to: "web-2".to_owned() }
    }

    fn exchange(reason: Option<&str>) -> Exchange {
        Exchange {
            time: "12:04:11.482".to_owned(),
            status: "200".to_owned(),
            method: "GET".to_owned(),
            target: "app.localhost/whoami?v=anna".to_owned(),
            server: Some("web-2".to_owned()),
            took: "3.1ms".to_owned(),
            sticky: "moved".to_owned(),
            reason: reason.map(ToOwned::to_owned),
            notes: Vec::new(),
        }
    }

    #[test]
    fn every_reason_is_explained_with_both_replicas() {
        let mut told = std::collections::BTreeSet::new();
        for reason in [Some("draining"), Some("gone"), Some("refused"), Some("down"), Some("replaced"), None] {
            let text = explain(&moved(), Some(&exchange(reason)), Paint::PLAIN);
            assert!(text.contains("web-5") && text.contains("web-2"), "{text}");
            assert!(told.insert(text), "two reasons, one text: {reason:?}");
        }
        assert!(explain(&moved(), None, Paint::PLAIN).contains("was told to stop"));
    }

    #[test]
    fn a_second_attempt_is_told() {
        let mut exchange = exchange(Some("refused"));
        assert!(!explain(&moved(), Some(&exchange), Paint::PLAIN).contains("once before"));
        exchange.notes.push("attempt=2".to_owned());
        assert!(explain(&moved(), Some(&exchange), Paint::PLAIN).contains("once before"));
    }

    #[test]
    fn a_line_of_the_log_is_shown_whole_and_broken_before_its_verdict_if_it_is_long() {
        let short = Exchange { target: "app.localhost/".to_owned(), ..exchange(Some("draining")) };
        assert_eq!(
            exchange_line(&short, Paint::PLAIN),
            ["12:04:11.482 200 GET / → web-2 3.1ms sticky=moved reason=draining"]
        );
        assert_eq!(
            exchange_line(&exchange(Some("draining")), Paint::PLAIN),
            ["12:04:11.482 200 GET /whoami?v=anna → web-2 3.1ms", "             sticky=moved reason=draining"]
        );
        let plain = Exchange { sticky: "none".to_owned(), ..exchange(None) };
        assert_eq!(exchange_line(&plain, Paint::PLAIN), ["12:04:11.482 200 GET /whoami?v=anna → web-2 3.1ms"]);
    }

    #[test]
    fn answers_are_counted_in_the_order_of_the_replicas() {
        let replicas: Vec<String> = ["web-10", "web-2", "web-10"].map(ToOwned::to_owned).to_vec();
        assert_eq!(tally_lines(&replicas, Paint::PLAIN), ["web-2   ■ 1", "web-10  ■■ 2"]);
        assert_eq!(in_a_row(&replicas, Paint::PLAIN), "web-10 web-2 web-10");
    }
}
