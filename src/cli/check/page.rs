//! Findings for people, for scripts, and for what reads SARIF.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::str::FromStr;

use seaway_config::Severity;
use serde_json::{Value, json};

use super::Finding;

/// How findings are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Format {
    #[default]
    Text,
    Json,
    Sarif,
}

impl FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            "sarif" => Ok(Self::Sarif),
            other => Err(format!("there is no format {other:?}; there are: text, json, sarif")),
        }
    }
}

pub(super) fn write(found: &[Finding], format: Format) -> String {
    match format {
        Format::Text => text(found),
        Format::Json => format!("{:#}\n", as_json(found)),
        Format::Sarif => format!("{:#}\n", sarif(found)),
    }
}

fn word(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "info",
        Severity::Warning => "warning",
        Severity::Error => "error",
    }
}

fn count(found: &[Finding], severity: Severity) -> usize {
    found.iter().filter(|found| found.diagnostic.severity == severity).count()
}

/// Control characters of labels stay away from terminals.
fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

fn text(found: &[Finding]) -> String {
    let mut out = String::new();
    for Finding { place, whose, diagnostic } in found {
        if let Some(place) = place {
            let _infallible = write!(out, "{}:{}: ", clean(&place.file), place.line);
        }
        let _infallible = write!(out, "{} {}", word(diagnostic.severity), diagnostic.code);
        for part in [whose.as_str(), &diagnostic.origin.key].into_iter().filter(|part| !part.is_empty()) {
            let _infallible = write!(out, " {}", clean(part));
        }
        let _infallible = writeln!(out, ": {}", clean(&diagnostic.message));
        for (title, line) in [("then", &diagnostic.consequence), ("fix", &diagnostic.fix)] {
            if !line.is_empty() {
                let _infallible = writeln!(out, "    {title}: {}", clean(line));
            }
        }
    }
    let (errors, warnings) = (count(found, Severity::Error), count(found, Severity::Warning));
    let several = |n: usize| if n == 1 { "" } else { "s" };
    let _infallible = match (errors, warnings) {
        (0, 0) => writeln!(out, "nothing is wrong"),
        _ => writeln!(out, "{errors} error{}, {warnings} warning{}", several(errors), several(warnings)),
    };
    out
}

fn as_json(found: &[Finding]) -> Value {
    let one = |Finding { place, whose, diagnostic }: &Finding| {
        json!({
            "code": diagnostic.code.to_string(),
            "severity": word(diagnostic.severity),
            "file": place.as_ref().map(|place| &place.file),
            "line": place.as_ref().map(|place| place.line),
            "service": whose,
            "key": diagnostic.origin.key,
            "message": diagnostic.message,
            "consequence": diagnostic.consequence,
            "fix": diagnostic.fix,
        })
    };
    json!({
        "version": 1,
        "errors": count(found, Severity::Error),
        "warnings": count(found, Severity::Warning),
        "infos": count(found, Severity::Info),
        "findings": found.iter().map(one).collect::<Vec<_>>(),
    })
}

fn sarif(found: &[Finding]) -> Value {
    let rules: BTreeMap<String, Value> = found
        .iter()
        .map(|found| {
            let id = found.diagnostic.code.to_string();
            let rule = json!({ "id": id, "name": format!("{:?}", found.diagnostic.code) });
            (id, rule)
        })
        .collect();
    let result = |Finding { place, whose, diagnostic }: &Finding| {
        let level = if diagnostic.severity == Severity::Info { "note" } else { word(diagnostic.severity) };
        let parts = [&diagnostic.message, &diagnostic.consequence, &diagnostic.fix];
        let told: Vec<&str> = parts.into_iter().map(String::as_str).filter(|part| !part.is_empty()).collect();
        let mut result = json!({
            "ruleId": diagnostic.code.to_string(),
            "level": level,
            "message": { "text": told.join("; ") },
        });
        let mut location =
            json!({ "logicalLocations": [{ "name": whose, "fullyQualifiedName": diagnostic.origin.key }] });
        if let (Some(place), Some(location)) = (place, location.as_object_mut()) {
            let physical = json!({
                "artifactLocation": { "uri": place.file },
                "region": { "startLine": place.line.max(1) },
            });
            location.insert("physicalLocation".to_owned(), physical);
        }
        if let Some(result) = result.as_object_mut() {
            result.insert("locations".to_owned(), json!([location]));
        }
        result
    };
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "seaway check",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": rules.into_values().collect::<Vec<_>>(),
            } },
            "results": found.iter().map(result).collect::<Vec<_>>(),
        }],
    })
}
