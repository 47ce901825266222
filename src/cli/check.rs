//! `seaway check`: what is wrong with compose files, or with what runs, before anybody asks.
//!
//! The labels go the same way as in the proxy: decoded, built, merged, compiled. What comes of it is told with the file
//! and the line.

mod engine;
mod extra;
mod judge;
mod page;
mod project;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use seaway_config::{Code, Diagnostic, Severity};
use seaway_labels::compose::Place;

use super::USAGE;
use page::Format;

/// The names that Compose looks for.
const USUAL: [&str; 4] = ["compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml"];

/// Something that was found, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Finding {
    /// Nothing for what no line says.
    place: Option<Place>,
    /// The service, the container, or where else it comes from.
    whose: String,
    diagnostic: Diagnostic,
}

/// What is asked.
#[derive(Debug, Default, PartialEq, Eq)]
struct Asked {
    files: Vec<String>,
    docker: bool,
    format: Format,
    strict: bool,
    profiles: Vec<String>,
    /// Static options, over those of the files.
    flags: Vec<String>,
}

pub(super) fn run(arguments: &[String], environment: &[(String, String)]) -> ExitCode {
    let found = parse(arguments).and_then(|asked| Ok((look(&asked, environment)?, asked)));
    match found {
        Ok((mut found, asked)) => {
            found.sort_by(|a, b| order(a).cmp(&order(b)));
            let same = |a: &mut Finding, b: &mut Finding| {
                (&a.place, a.diagnostic.code, &a.diagnostic.origin.key)
                    == (&b.place, b.diagnostic.code, &b.diagnostic.origin.key)
                    && (a.place.is_some() || a.diagnostic == b.diagnostic)
                    && a.diagnostic.message == b.diagnostic.message
            };
            found.dedup_by(same);
            print!("{}", page::write(&found, asked.format));
            let worst = found.iter().map(|found| found.diagnostic.severity).max().unwrap_or(Severity::Info);
            let limit = if asked.strict { Severity::Warning } else { Severity::Error };
            if worst >= limit { ExitCode::FAILURE } else { ExitCode::SUCCESS }
        }
        Err(text) => {
            eprintln!("seaway: {text}");
            ExitCode::from(USAGE)
        }
    }
}

pub(super) fn help() -> ExitCode {
    println!(
        "seaway check [FILE …] [options]    what is wrong with compose files, and what would happen

Files are merged in their order; without any, Compose's usual names are looked for here. The static options are those of
the service that runs Seaway or Traefik. Where a service names no port, one is assumed, because only its image knows.

      --docker             check what a Docker Engine runs in place of files
      --format FORMAT      text, json or sarif (text)
      --strict             warnings fail too
      --profile NAME       also services of this profile; may be given several times; * for all
      --entrypoints.… and other static options count over those of the files

Exit code: 0 nothing wrong, 1 errors (with --strict also warnings), 2 bad usage or nothing to read.

json: {{\"version\": 1, \"errors\": N, \"warnings\": N, \"infos\": N, \"findings\": [{{\"code\": \"SW0101\", \"severity\":
\"error\"|\"warning\"|\"info\", \"file\": TEXT|null, \"line\": N|null, \"service\": TEXT, \"key\": TEXT, \"message\": TEXT,
\"consequence\": TEXT, \"fix\": TEXT}}]}}. Keys are added, never renamed. sarif: SARIF 2.1.0."
    );
    ExitCode::SUCCESS
}

fn order(found: &Finding) -> (Option<&Place>, Code, &str, &str) {
    (found.place.as_ref(), found.diagnostic.code, &found.diagnostic.origin.key, &found.diagnostic.message)
}

fn look(asked: &Asked, environment: &[(String, String)]) -> Result<Vec<Finding>, String> {
    if asked.docker {
        return engine::look(&asked.flags, environment);
    }
    let files = match asked.files.is_empty() {
        false => asked.files.clone(),
        true => vec![usual().ok_or_else(|| format!("check what? none of {} is here", USUAL.join(", ")))?],
    };
    let read = |file: &String| match std::fs::read_to_string(file) {
        Ok(text) => Ok((file.clone(), text)),
        Err(error) => Err(format!("{file}: {error}")),
    };
    let files = files.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    Ok(project::look(&files, asked, environment))
}

fn usual() -> Option<String> {
    USUAL.iter().find(|name| Path::new(name).is_file()).map(|name| (*name).to_owned())
}

/// The folder that a file is in.
fn folder(file: &str) -> PathBuf {
    Path::new(file).parent().map(Path::to_owned).unwrap_or_default()
}

fn parse(arguments: &[String]) -> Result<Asked, String> {
    let mut asked = Asked::default();
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        let (flag, mut given) = match argument.split_once('=') {
            Some((flag, value)) => (flag, Some(value.to_owned())),
            None => (argument.as_str(), None),
        };
        let mut value =
            || given.take().or_else(|| arguments.next().cloned()).ok_or_else(|| format!("{flag} needs a value"));
        match flag {
            "--docker" | "--strict" if argument.contains('=') => return Err(format!("{flag} takes no value")),
            "--docker" => asked.docker = true,
            "--strict" => asked.strict = true,
            "--format" => asked.format = value()?.parse()?,
            "--profile" => asked.profiles.push(value()?),
            "-f" | "--file" => asked.files.push(value()?),
            flag if flag.starts_with("--") && flag.contains('.') => asked.flags.push(argument.clone()),
            "--api" | "--ping" | "--accesslog" => asked.flags.push(argument.clone()),
            flag if flag.starts_with('-') => return Err(format!("check has no option {flag}; see check --help")),
            _ => asked.files.push(argument.clone()),
        }
    }
    if asked.docker && !asked.files.is_empty() {
        return Err("check takes files or --docker, not both".to_owned());
    }
    Ok(asked)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
