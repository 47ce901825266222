//! What is kept: every reading as JSON, and the tables as Markdown.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use time::OffsetDateTime;

use super::goals::Goal;
use super::options::Options;
use super::rounds::{Row, Table};
use super::table;

/// Writes both files into a folder of `benches/runs/`; returns it.
///
/// # Errors
/// What could not be written.
pub(crate) fn keep(
    options: &Options,
    machine: &Value,
    tables: &[Table],
    goals: &[Goal],
) -> Result<PathBuf, std::io::Error> {
    let today = OffsetDateTime::now_utc().date().to_string();
    let cores = machine["cores"].as_u64().unwrap_or(0);
    let name = options.name.clone().unwrap_or_else(|| format!("{cores}-processors"));
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let shown = Path::new("benches/runs").join(format!("{today}-{name}"));
    let folder = root.join(&shown);
    std::fs::create_dir_all(&folder)?;
    // A run never takes the place of another one.
    let stem = (1..).map(|n| if n == 1 { "peers".to_owned() } else { format!("peers-{n}") });
    let stem = stem.into_iter().find(|stem| !folder.join(format!("{stem}.json")).exists()).unwrap_or_default();
    std::fs::write(folder.join(format!("{stem}.json")), raw(options, machine, tables, goals, &today))?;
    std::fs::write(folder.join(format!("{stem}.md")), markdown(options, machine, tables, goals, &today))?;
    Ok(shown.join(format!("{stem}.md")))
}

/// One line for each proxy of each workload: readable, and small in a diff.
fn raw(options: &Options, machine: &Value, tables: &[Table], goals: &[Goal], today: &str) -> String {
    let goals = goals.iter().map(|goal| {
        json!({ "what": goal.what, "wanted": goal.wanted, "median": round(goal.measured.median), "met": goal.met })
    });
    let goals = goals.collect::<Vec<_>>();
    let head = json!({
        "date": today, "rounds": options.rounds, "seconds": options.seconds, "quick": options.quick, "machine": machine, "goals": goals,
        "units": {
            "micros": "processor time of the whole proxy for each request, user and system, in microseconds",
            "rate": "requests a second", "memory": "resident memory in KiB", "busy": "processor time for each second",
            "p50, p99, p999, lag": "microseconds",
        },
    });
    let head = serde_json::to_string_pretty(&head).unwrap_or_default();
    let workloads = tables.iter().map(|table| {
        let rows: Vec<String> = table.rows.iter().map(|row| format!("        {}", row_json(row))).collect();
        let rate = table.rate.map(|(rate, peer)| json!({ "requests_per_second": round(rate), "of": peer.name() }));
        format!(
            "    {{\n      \"key\": {},\n      \"title\": {},\n      \"fixed_rate\": {},\n      \"rows\": [\n{}\n      ]\n    }}",
            json!(table.workload.key),
            json!(table.workload.title),
            json!(rate),
            rows.join(",\n"),
        )
    });
    let workloads = workloads.collect::<Vec<_>>().join(",\n");
    format!("{},\n  \"workloads\": [\n{workloads}\n  ]\n}}\n", head.trim_end_matches('}').trim_end())
}

fn row_json(row: &Row) -> Value {
    let readings = row.readings.iter().flatten().map(
        |r| json!({ "micros": round(r.micros), "rate": round(r.rate), "memory": r.memory, "busy": round(r.busy) }),
    );
    let paced = row.paced.iter().flatten().map(|p| {
        let o = &p.outcome;
        json!({
            "micros": round(p.micros), "answered": o.answered, "failed": o.failed,
            "p50": round(o.p50), "p99": round(o.p99), "p999": round(o.p999), "lag": round(o.lag),
        })
    });
    json!({
        "proxy": row.entrant.peer.name(), "workers": row.entrant.workers, "idle_memory": row.idle,
        "readings": readings.collect::<Vec<_>>(), "at_fixed_rate": paced.collect::<Vec<_>>(),
        "notes": row.notes, "lacks": row.lacks, "failure": row.failure.as_ref().map(ToString::to_string),
    })
}

/// To three digits after the point: more is noise.
fn round(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

fn markdown(options: &Options, machine: &Value, tables: &[Table], goals: &[Goal], today: &str) -> String {
    let text = |key: &str| machine[key].as_str().unwrap_or_default();
    let versions = machine["versions"].as_object().into_iter().flatten();
    let versions: Vec<String> =
        versions.map(|(name, version)| format!("{name} {}", version.as_str().unwrap_or_default())).collect();
    let kind = if machine["virtual"] == true { ", virtual" } else { "" };
    let mut out = format!(
        "# Seaway and its peers, {today}\n\n\
         {} × {}{kind}, {}, Linux {}; load before {}, after {}.\n\
         {}.\n\n\
         Commit {}. `{}`\n\n{METHOD}\n",
        machine["cores"],
        text("processor"),
        text("memory"),
        text("kernel"),
        text("load_before"),
        text("load_after"),
        versions.join(", "),
        text("commit"),
        text("command"),
    );
    out.push_str(&format!("{} rounds of {} s; {}.\n\n", options.rounds, options.seconds, text("arrangement")));
    if options.quick {
        out.push_str("**A quick run: good enough to see a mistake, not to compare.**\n\n");
    }
    if machine["busy_before"] == true {
        out.push_str(
            "**The machine was busy with something else when this began: rates and latencies say little.**\n\n",
        );
    }
    out.push_str("## In short\n\nSeaway's processor time for each request, and as a multiple of the others'.\n\n");
    out.push_str(&table::summary_markdown(&table::summary(tables)));
    if !goals.is_empty() {
        out.push_str("\n## Goals\n\n| goal | wanted | measured (spread) | |\n|---|---:|---:|---|\n");
        for goal in goals {
            let Goal { what, wanted, measured, met } = goal;
            let verdict = if *met { "met" } else { "missed" };
            out.push_str(&format!(
                "| {what} | {wanted} | {:.2} ({:.2}–{:.2}) | {verdict} |\n",
                measured.median, measured.min, measured.max
            ));
        }
    }
    out.push_str("\n## Workloads\n\n");
    for table in tables {
        out.push_str(&table::markdown(table));
        out.push('\n');
    }
    out
}

const METHOD: &str = "\
Method: one run on loopback, four servers with ready-made answers, each proxy with one worker and the same features. Before it is timed,
each proxy is checked: status, length, all four servers, headers, sessions. Rounds are interleaved: in each, every proxy is measured
once, and the order moves on by one. Processor time is the scheduler's count, user and system, of all threads and processes of the
proxy, divided by the requests that `wrk` counted (one thread, closed loop). Figures are the median of the rounds, with the smallest
and the largest; ratios are made within a round, then their median is taken. The relay copies bytes and reads none of them: the
floor. Latency is measured in an open loop: requests are due on a fixed schedule, and each one's time begins when it was due.
Memory is what is resident right after a round, of all processes; pages that two of them share count twice.
";
