//! What is true of every page: links lead somewhere, examples are read, options and metrics exist.

use std::collections::{BTreeMap, BTreeSet};

use seaway_config::Code;
use seaway_labels::document::Format;
use seaway_labels::statics::{StaticFile, parse_all};
use seaway_labels::{decode_container, read_dynamic, statics};

use super::markdown::{anchor, blocks, prose};
use super::{docs, root};

/// Options of sub-commands and of other programs.
const NO_STATIC_OPTIONS: &[&str] = &[
    "api",
    "build",
    "cookie",
    "docker",
    "entrypoint",
    "format",
    "from",
    "header",
    "help",
    "json",
    "method",
    "profile",
    "scale",
    "script",
    "strict",
];

pub(super) fn links(pages: &[(String, String)]) {
    let mut wrong = Vec::new();
    for (name, page) in pages {
        let text = prose(page);
        let here = docs().join(name);
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if link.contains("://") {
                continue;
            }
            let (file, section) = link.split_once('#').unwrap_or((link, ""));
            let target = match file {
                "" => here.clone(),
                file => here.parent().expect("a folder").join(file),
            };
            let there = std::fs::read_to_string(&target);
            let leads = match (&there, section) {
                (Err(_), _) => target.is_dir() && section.is_empty(),
                (Ok(_), "") => true,
                (Ok(there), section) => prose(there).lines().any(|line| {
                    line.strip_prefix('#').is_some_and(|rest| anchor(rest.trim_start_matches('#')) == section)
                }),
            };
            if !leads {
                wrong.push(format!("{name}: {link}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Compose files' labels and flags, files of providers and files of static options are read as Seaway reads them.
pub(super) fn examples(pages: &[(String, String)]) {
    let (mut wrong, mut read) = (Vec::new(), 0);
    for (name, page) in pages {
        for (info, text) in blocks(page) {
            let format = match info.as_str() {
                "yaml" => Format::Yaml,
                "toml" => Format::Toml,
                _ => continue,
            };
            read += 1;
            let first = text.lines().find(|line| !line.starts_with('#')).unwrap_or_default();
            let told = if first.starts_with("services:") {
                compose(&text)
            } else if first.starts_with("http:") || first.starts_with("[http.") || first.starts_with("[[http.") {
                let none = |_: &str| None;
                match read_dynamic(format, "file", "a.yml", &text, &none) {
                    Ok(read) => read.diagnostics.iter().map(ToString::to_string).collect(),
                    Err(fault) => vec![fault.to_string()],
                }
            } else {
                let file = StaticFile { path: format!("seaway.{info}").into(), text: text.clone() };
                match parse_all(&[], &[], Some(&file)) {
                    Ok(parsed) => parsed.warnings.iter().map(ToString::to_string).collect(),
                    Err(mistakes) => mistakes.iter().map(ToString::to_string).collect(),
                }
            };
            wrong.extend(told.into_iter().map(|told| format!("{name}: {told}")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(read > 5, "{read} examples");
}

/// The labels of each service of a compose file, and the flags of Seaway's.
fn compose(text: &str) -> Vec<String> {
    let mut told = Vec::new();
    let mut labels: BTreeMap<String, String> = BTreeMap::new();
    let mut flags = Vec::new();
    let mut decode = |labels: &mut BTreeMap<String, String>| {
        let found = decode_container(labels, "docker", "example").diagnostics;
        told.extend(found.iter().map(ToString::to_string));
        labels.clear();
    };
    for line in text.lines() {
        let item = line.trim().strip_prefix("- ").unwrap_or_default().trim_matches(['"', '\'']).replace("$$", "$");
        if line.starts_with("  ") && !line.starts_with("   ") {
            decode(&mut labels);
        } else if item.starts_with("traefik.") || item.starts_with("seaway.") {
            let (key, value) = item.split_once('=').unwrap_or((&item, ""));
            labels.insert(key.to_owned(), value.to_owned());
        } else if item.starts_with("--") {
            flags.push(item);
        } else if let Some(list) = line.trim().strip_prefix("command: [").and_then(|rest| rest.strip_suffix(']')) {
            flags.extend(list.split(", ").map(str::to_owned));
        }
    }
    decode(&mut labels);
    if let Err(mistakes) = statics::parse(&flags, &[]) {
        told.extend(mistakes.iter().map(ToString::to_string));
    }
    told
}

/// Static options in the text, wherever they are named as flags.
pub(super) fn flags(pages: &[(String, String)]) {
    let (mut wrong, mut seen) = (Vec::new(), BTreeSet::new());
    for (name, page) in pages {
        for flag in page.split([' ', '`', '\n', '(', ',', '[', ']', '"']).filter(|word| word.starts_with("--")) {
            let flag = flag.trim_end_matches(['.', ';', ':', ')']);
            let option = flag.trim_start_matches('-').split('=').next().unwrap_or_default();
            if !option.starts_with(|c: char| c.is_ascii_alphabetic()) || NO_STATIC_OPTIONS.contains(&option) {
                continue;
            }
            seen.insert(option.to_owned());
            let flag = flag.replace("<name>", "web").replace("<key>", "web");
            let mistakes = statics::parse(std::slice::from_ref(&flag), &[]).err().unwrap_or_default();
            if mistakes.iter().any(|found| found.code == Code::UnknownStaticOption) {
                wrong.push(format!("{name}: {flag}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(seen.len() > 10, "{seen:?}");
}

pub(super) fn metrics() {
    let page = std::fs::read_to_string(docs().join("metrics.md")).unwrap();
    let source = std::fs::read_to_string(root().join("crates/telemetry/src/metrics/render.rs")).unwrap();
    let named = |text: &str| -> BTreeSet<String> {
        let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
        let series = words.filter(|word| word.starts_with("traefik_") || word.starts_with("seaway_"));
        series.map(str::to_owned).filter(|word| !word.ends_with('_')).collect()
    };
    assert_eq!(named(&page), named(&source));
}
