//! Tables: for a terminal of 120 columns, and as Markdown.

use super::figures::{Figure, ratio};
use super::peers::Peer;
use super::rounds::{Row, SHARE, Table};

/// How a text is drawn.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Tone {
    Plain,
    Bold,
    Dim,
    Red,
}

/// A column: its title, and whether it is about the spread of the column before.
struct Column {
    title: String,
    spread: bool,
}

/// A table's content, however it is drawn.
struct Cells {
    columns: Vec<Column>,
    /// A name, and what is in each column; one text where there is nothing else to say.
    rows: Vec<(String, bool, Result<Vec<String>, String>)>,
    notes: Vec<String>,
}

/// For a terminal.
pub(crate) fn terminal(table: &Table, colour: bool) -> String {
    let cells = cells(table);
    let paint = |text: &str, tone: Tone| paint(text, tone, colour);
    let names = cells.rows.iter().map(|(name, ..)| width(name)).max().unwrap_or(0).max(8);
    let widths: Vec<usize> = cells
        .columns
        .iter()
        .enumerate()
        .map(|(n, column)| {
            let contents = cells.rows.iter().filter_map(|(_, _, row)| row.as_ref().ok()?.get(n));
            contents.map(|text| width(text)).chain([width(&column.title)]).max().unwrap_or(0)
        })
        .collect();
    let line = |texts: &[String], tones: &dyn Fn(usize) -> Tone| {
        let mut out = String::new();
        for (n, (text, width)) in texts.iter().zip(&widths).enumerate() {
            let spread = cells.columns[n].spread;
            out.push_str(if spread { " " } else { "  " });
            let text = if spread { pad_left(text, *width) } else { pad(text, *width) };
            out.push_str(&paint(&text, tones(n)));
        }
        out
    };
    let mut out = format!("\n{}  {}\n", paint(&table.workload.title, Tone::Bold), paint(table.workload.key, Tone::Dim));
    let titles: Vec<String> = cells.columns.iter().map(|column| column.title.clone()).collect();
    out.push_str(&format!("  {}{}\n", " ".repeat(names), line(&titles, &|_| Tone::Dim)));
    for (name, ours, row) in &cells.rows {
        let tone = if *ours { Tone::Bold } else { Tone::Plain };
        let name = paint(&pad_left(name, names), tone);
        match row {
            Ok(texts) => {
                let tones = |n: usize| if cells.columns[n].spread { Tone::Dim } else { tone };
                out.push_str(&format!("  {name}{}\n", line(texts, &tones).trim_end()));
            }
            Err(why) => {
                let tone = if why.starts_with("FAILED") { Tone::Red } else { Tone::Dim };
                out.push_str(&format!("  {name}  {}\n", paint(&cut(why, 116 - names), tone)));
            }
        }
    }
    for note in &cells.notes {
        for (n, part) in wrap(note, 112).into_iter().enumerate() {
            let indent = if n == 0 { "" } else { "  " };
            out.push_str(&format!("  {}\n", paint(&format!("{indent}{part}"), Tone::Dim)));
        }
    }
    out
}

/// As Markdown.
pub(crate) fn markdown(table: &Table) -> String {
    let cells = cells(table);
    let mut out = format!("### {}\n\n`{}`\n\n", table.workload.title, table.workload.key);
    // A spread belongs to the figure before it.
    let join = |texts: &[String]| {
        let mut joined: Vec<String> = Vec::new();
        for (column, text) in cells.columns.iter().zip(texts) {
            match joined.last_mut() {
                Some(last) if column.spread && !text.is_empty() => last.push_str(&format!(" ({text})")),
                Some(_) if column.spread => {}
                _ => joined.push(text.clone()),
            }
        }
        joined.join(" | ")
    };
    let titles: Vec<String> = cells.columns.iter().map(|c| c.title.trim().to_owned()).collect();
    let count = cells.columns.iter().filter(|c| !c.spread).count();
    out.push_str(&format!("| | {} |\n|---|{}\n", join(&titles), "---:|".repeat(count)));
    for (name, ours, row) in &cells.rows {
        let name = if *ours { format!("**{name}**") } else { name.clone() };
        match row {
            Ok(texts) => out.push_str(&format!("| {name} | {} |\n", join(texts))),
            Err(why) => {
                let why = why.lines().next().unwrap_or_default();
                out.push_str(&format!("| {name} | {why} {}\n", "|".repeat(count)));
            }
        }
    }
    out.push('\n');
    for note in &cells.notes {
        out.push_str(&format!("- {note}\n"));
    }
    out
}

fn cells(table: &Table) -> Cells {
    let unit = table.workload.unit();
    let column = |title: &str, spread: bool| Column { title: title.to_owned(), spread };
    let mut columns = vec![column(&format!("µs/{unit}"), false), column("", true)];
    if table.workload.workers {
        columns.push(column("× 1 worker", false));
    } else {
        if table.row(Peer::Nginx, 1).is_some() {
            columns.extend([column("× nginx", false), column("", true)]);
        }
        if table.row(Peer::Relay, 1).is_some() {
            columns.push(column("× relay", false));
        }
    }
    columns.extend([column(&format!("{unit}s/s"), false), column("", true), column("memory", false)]);
    if table.rate.is_some() {
        columns.extend(["p50", "p99", "p99.9"].map(|title| column(title, false)));
    }
    let rows = table.rows.iter().map(|row| {
        let workers = if table.workload.workers { format!(" × {}", row.entrant.workers) } else { String::new() };
        let name = format!("{}{workers}", row.entrant.peer.name());
        (name, row.entrant.peer == Peer::Seaway, texts(table, row))
    });
    Cells { columns, rows: rows.collect(), notes: notes(table) }
}

fn texts(table: &Table, row: &Row) -> Result<Vec<String>, String> {
    if let Some(failure) = &row.failure {
        return Err(format!("FAILED: {failure}"));
    }
    if let Some(lacks) = row.lacks {
        return Err(lacks.to_owned());
    }
    let micros = row.figure(|reading| reading.micros);
    let rate = row.figure(|reading| reading.rate);
    let mut texts = vec![median(micros, 1), spread(micros, |v| format!("{v:.1}"))];
    if table.workload.workers {
        let one = table.row(row.entrant.peer, 1);
        let times = one.and_then(|one| ratio(&row.each(|r| r.rate), &one.each(|r| r.rate)));
        texts.push(median(times, 2));
    } else {
        let to = |other: &Row| ratio(&row.each(|r| r.micros), &other.each(|r| r.micros));
        if let Some(nginx) = table.row(Peer::Nginx, 1).map(to) {
            texts.extend([median(nginx, 2), spread(nginx, |v| format!("{v:.2}"))]);
        }
        texts.extend(table.row(Peer::Relay, 1).map(|relay| median(to(relay), 2)));
    }
    texts.extend([rate.map_or_else(dash, |f| grouped(f.median)), spread(rate, thousands)]);
    texts.push(row.figure(|r| kib(r.memory)).map_or_else(dash, |f| format!("{:.1} MB", f.median * 1024.0 / 1e6)));
    if table.rate.is_some() {
        if row.keeps_up() {
            let outcome = |value: fn(&super::backend::Outcome) -> f64| row.paced_figure(|paced| value(&paced.outcome));
            texts.extend(
                [outcome(|o| o.p50), outcome(|o| o.p99), outcome(|o| o.p999)]
                    .map(|f| f.map_or_else(dash, |f| duration(f.median))),
            );
        } else {
            texts.extend(["–", "too slow", "–"].map(str::to_owned));
        }
    }
    Ok(texts)
}

fn notes(table: &Table) -> Vec<String> {
    let mut notes = Vec::new();
    if let Some((rate, peer)) = table.rate {
        let lag = table
            .rows
            .iter()
            .filter(|row| row.keeps_up())
            .filter_map(|row| row.paced_figure(|p| p.outcome.lag))
            .map(|f| f.median);
        let lag = lag.fold(0.0, f64::max);
        notes.push(format!(
            "Latency at {} requests/s, which is {:.0} % of what {} takes; each from the moment at which it was due. The generator \
             itself was up to {lag:.0} µs late (p99).",
            grouped(rate),
            SHARE * 100.0,
            peer.name(),
        ));
    }
    let idle = table.rows.iter().filter_map(|row| {
        let busy = row.figure(|reading| reading.busy)?.median;
        (busy < 0.9 && !table.workload.workers).then(|| format!("{} {:.0} %", row.entrant.peer.name(), busy * 100.0))
    });
    let idle: Vec<String> = idle.collect();
    if !idle.is_empty() {
        notes.push(format!(
            "Not at their limit, so the rate is the generator's and the servers' and not theirs: {} of a core.",
            idle.join(", ")
        ));
    }
    if table.workload.workers {
        notes.push(
            "On few cores proxy, servers and load generator share them: the rate with 2 workers is bounded by the generator, \
             not by the proxy. Twice the cores that are to be measured are needed to see them used."
                .to_owned(),
        );
    }
    for row in &table.rows {
        for note in &row.notes {
            let note = format!("{}: {note}.", row.entrant.peer.name());
            if !notes.contains(&note) {
                notes.push(note);
            }
        }
    }
    notes
}

/// Seaway beside everybody else, a line for each workload: processor time.
pub(crate) fn summary(tables: &[Table]) -> Vec<Vec<String>> {
    let others: Vec<Peer> = super::peers::EVERYBODY
        .into_iter()
        .filter(|peer| *peer != Peer::Seaway && tables.iter().any(|t| t.row(*peer, 1).is_some()))
        .collect();
    let mut lines = vec![
        ["workload".to_owned(), "seaway µs".to_owned()]
            .into_iter()
            .chain(others.iter().map(|peer| format!("× {}", peer.name())))
            .collect(),
    ];
    for table in tables.iter().filter(|table| !table.workload.workers) {
        let Some(ours) = table.row(Peer::Seaway, 1) else { continue };
        let times = others.iter().map(|peer| {
            let theirs = table.row(*peer, 1);
            median(theirs.and_then(|theirs| ratio(&ours.each(|r| r.micros), &theirs.each(|r| r.micros))), 2)
        });
        let line = [table.workload.key.to_owned(), median(ours.figure(|r| r.micros), 1)];
        lines.push(line.into_iter().chain(times).collect());
    }
    lines
}

/// The summary, for a terminal.
pub(crate) fn summary_terminal(lines: &[Vec<String>], colour: bool) -> String {
    let columns = lines.iter().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<usize> =
        (0..columns).map(|n| lines.iter().filter_map(|l| l.get(n)).map(|t| width(t)).max().unwrap_or(0)).collect();
    let mut out =
        format!("\n{}\n", paint("Seaway's processor time, and as a multiple of the others'", Tone::Bold, colour));
    for (number, line) in lines.iter().enumerate() {
        let cells = line.iter().zip(&widths).enumerate();
        let cells = cells.map(|(n, (text, width))| if n == 0 { pad_left(text, *width) } else { pad(text, *width) });
        let text = cells.collect::<Vec<_>>().join("  ");
        out.push_str(&format!("  {}\n", paint(&text, if number == 0 { Tone::Dim } else { Tone::Plain }, colour)));
    }
    out
}

/// The summary as Markdown.
pub(crate) fn summary_markdown(lines: &[Vec<String>]) -> String {
    let mut out = String::new();
    for (number, line) in lines.iter().enumerate() {
        out.push_str(&format!("| {} |\n", line.join(" | ")));
        if number == 0 {
            out.push_str(&format!("|---|{}\n", "---:|".repeat(line.len().saturating_sub(1))));
        }
    }
    out
}

fn median(figure: Option<Figure>, digits: usize) -> String {
    figure.map_or_else(dash, |figure| format!("{:.digits$}", figure.median))
}

fn spread(figure: Option<Figure>, text: impl Fn(f64) -> String) -> String {
    figure.map_or_else(String::new, |figure| {
        let (min, max) = (text(figure.min), text(figure.max));
        if min == max { String::new() } else { format!("{min}–{max}") }
    })
}

fn dash() -> String {
    "–".to_owned()
}

/// 950 µs, 12.3 ms, 1.2 s
fn duration(micros: f64) -> String {
    match micros {
        ..10_000.0 => format!("{micros:.0} µs"),
        ..1_000_000.0 => format!("{:.1} ms", micros / 1e3),
        _ => format!("{:.1} s", micros / 1e6),
    }
}

/// 75.3k, with its unit only once in a spread.
fn thousands(value: f64) -> String {
    format!("{:.1}k", value / 1000.0)
}

/// 75,312
fn grouped(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut out = String::new();
    for (n, digit) in digits.chars().enumerate() {
        if n > 0 && (digits.len() - n).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
fn kib(value: u64) -> f64 {
    value as f64
}

fn width(text: &str) -> usize {
    text.chars().count()
}

fn pad(text: &str, to: usize) -> String {
    format!("{}{text}", " ".repeat(to.saturating_sub(width(text))))
}

fn pad_left(text: &str, to: usize) -> String {
    format!("{text}{}", " ".repeat(to.saturating_sub(width(text))))
}

fn cut(text: &str, to: usize) -> String {
    let first = text.lines().next().unwrap_or_default();
    if width(first) <= to { first.to_owned() } else { format!("{}…", first.chars().take(to - 1).collect::<String>()) }
}

fn wrap(text: &str, to: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if width(line) + 1 + width(word) <= to => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

fn paint(text: &str, tone: Tone, colour: bool) -> String {
    let code = match tone {
        Tone::Plain => "",
        Tone::Bold => "\x1b[1m",
        Tone::Dim => "\x1b[2m",
        Tone::Red => "\x1b[31m",
    };
    if colour && !code.is_empty() { format!("{code}{text}\x1b[0m") } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::super::rounds::{Paced, Reading, entrants};
    use super::super::workloads;
    use super::*;

    /// Everybody with figures as wide as they come.
    fn table(key: &str) -> Table {
        let workload = workloads::all().into_iter().find(|w| w.key == key).unwrap();
        let rows = entrants(&workload, &super::super::peers::EVERYBODY).into_iter().map(|entrant| {
            let nginx = if entrant.peer == Peer::Nginx { 100.0 } else { 150.0 };
            let reading = |n: f64| Some(Reading { micros: nginx * n, rate: 112_345.0 * n, memory: 123_456, busy: 0.5 });
            let outcome = super::super::backend::Outcome {
                p50: 1234.0,
                p99: 12_345.0,
                p999: 123_456.0,
                lag: 12.0,
                ..Default::default()
            };
            let paced = vec![Some(Paced { outcome, micros: 10.0, kept_up: true })];
            Row {
                entrant,
                readings: vec![reading(1.0), reading(1.1)],
                paced,
                idle: Some(1),
                notes: Vec::new(),
                lacks: None,
                failure: None,
            }
        });
        let rows = rows.collect();
        let rate = workload.latency.then_some((70_000.0, Peer::Nginx));
        Table { workload, rows, rate }
    }

    #[test]
    fn no_table_is_wider_than_a_terminal_of_120_columns() {
        for key in ["sticky", "websocket", "workers", "routers-10000-none"] {
            let text = terminal(&table(key), false);
            for line in text.lines() {
                assert!(width(line) <= 120, "{} columns: {line}", width(line));
            }
        }
    }

    #[test]
    fn ratios_are_to_nginx_and_to_the_relay() {
        let lines = terminal(&table("body-128"), false);
        let seaway = lines.lines().find(|l| l.trim_start().starts_with("seaway")).unwrap();
        assert!(seaway.contains(" 1.50 ") && seaway.contains(" 1.00 "), "{seaway}");
        let summary = summary(&[table("body-128")]);
        assert_eq!(summary[0][..3], ["workload", "seaway µs", "× nginx"]);
        assert_eq!(summary[1][..3], ["body-128", "157.5", "1.50"]);
    }

    #[test]
    fn who_fails_has_no_figures() {
        let mut table = table("body-128");
        table.rows[1].failure = Some(super::super::children::Failure::new("answers wrongly: status 500\nmore"));
        table.rows[2].lacks = Some("has no such thing");
        let text = terminal(&table, false);
        assert!(text.contains("FAILED: answers wrongly: status 500\n") && text.contains("has no such thing"), "{text}");
        let text = markdown(&table);
        assert!(text.contains("| nginx | FAILED: answers wrongly: status 500 |"), "{text}");
        let pipes: Vec<usize> = text.lines().filter(|l| l.starts_with('|')).map(|l| l.matches('|').count()).collect();
        assert!(pipes.iter().all(|count| *count == pipes[0]), "{text}");
    }

    #[test]
    fn numbers_are_grouped() {
        assert_eq!(
            (grouped(1234567.4), grouped(999.0), grouped(1000.0)),
            ("1,234,567".into(), "999".into(), "1,000".into())
        );
    }
}
