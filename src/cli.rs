//! The command line: which sub-command, and what it was given.

mod check;
mod demo;
mod explain;
mod healthcheck;

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use seaway_labels::statics::{self, Parsed, StaticFile};

use crate::run;

/// The exit code of every mistake in static options.
pub(crate) const USAGE: u8 = 2;

/// Runs the sub-command that the first argument names; flags alone start the proxy, as Traefik's do.
pub(crate) fn dispatch(arguments: &[String], environment: &[(String, String)]) -> ExitCode {
    // Compose files may repeat the program's name, as Traefik's image allows.
    let arguments = match arguments.split_first() {
        Some((name, rest)) if name == "traefik" || name == "seaway" => rest,
        _ => arguments,
    };
    let (word, rest) = match arguments.split_first() {
        Some((first, rest)) if !first.starts_with('-') => (first.as_str(), rest),
        _ => ("", arguments),
    };
    let asks_help = rest.iter().any(|a| matches!(a.as_str(), "--help" | "-h" | "-help"));
    match word {
        "help" => help(),
        "version" => version(),
        "check" if asks_help => check::help(),
        "explain" if asks_help => explain::help(),
        "" if asks_help => help(),
        "" if rest.first().is_some_and(|a| matches!(a.as_str(), "--version" | "-v")) => version(),
        "" => match parse(rest, environment) {
            Ok(parsed) => run::run(parsed),
            Err(code) => code,
        },
        "check" => check::run(rest, environment),
        "demo" => demo::run(rest),
        "explain" => explain::run(rest),
        "healthcheck" => match parse(rest, environment) {
            Ok(parsed) => healthcheck::run(&parsed.options),
            Err(code) => code,
        },
        other => {
            eprintln!(
                "seaway: there is no sub-command {other:?}; there are: check, demo, explain, healthcheck, version, help"
            );
            ExitCode::from(USAGE)
        }
    }
}

/// Parses static options, or says each mistake on a line of its own.
fn parse(arguments: &[String], environment: &[(String, String)]) -> Result<Parsed, ExitCode> {
    let file = static_file(arguments, environment).map_err(|(path, error)| {
        eprintln!("seaway: {}: {error}; Seaway does not start", path.display());
        ExitCode::from(USAGE)
    })?;
    statics::parse_all(arguments, environment, file.as_ref()).map_err(|mistakes| {
        for mistake in &mistakes {
            eprintln!("seaway: {mistake}");
        }
        ExitCode::from(USAGE)
    })
}

/// The file that is named, or the first there is in the usual places. One that cannot be read is not passed over.
fn static_file(
    arguments: &[String],
    environment: &[(String, String)],
) -> Result<Option<StaticFile>, (PathBuf, io::Error)> {
    if let Some(path) = statics::config_file(arguments, environment) {
        return match std::fs::read_to_string(&path) {
            Ok(text) => Ok(Some(StaticFile { path, text })),
            Err(error) => Err((path, error)),
        };
    }
    for path in statics::usual_places(environment) {
        match std::fs::read_to_string(&path) {
            Ok(text) => return Ok(Some(StaticFile { path, text })),
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {}
            Err(error) => return Err((path, error)),
        }
    }
    Ok(None)
}

fn help() -> ExitCode {
    println!(
        "seaway {}: a reverse proxy and load balancer that configures itself from Docker labels

usage:
  seaway [options]        run
  seaway check [FILE …]   what is wrong with compose files (check --help)
  seaway demo [--script]  see scaling and sticky sessions without Docker
  seaway explain URL      where a request goes, and why (explain --help)
  seaway healthcheck      ask a running Seaway whether it is well (exit code 0 or 1)
  seaway version          the version

Options are Traefik's, as flags (--entrypoints.web.address=:80), as variables with the prefix SEAWAY_ or TRAEFIK_
(SEAWAY_ENTRYPOINTS_WEB_ADDRESS=:80; own options without saying seaway twice: SEAWAY_HOLD_TIMEOUT=5s), or in a file, YAML or
TOML: the one that --configFile names, or else seaway.* or traefik.* in /etc/seaway, /etc/traefik, $XDG_CONFIG_HOME,
$HOME/.config or here. They add up: flags win over variables, variables over the file.

{}",
        env!("CARGO_PKG_VERSION"),
        statics::help()
    );
    ExitCode::SUCCESS
}

fn version() -> ExitCode {
    println!("seaway {}", env!("CARGO_PKG_VERSION"));
    ExitCode::SUCCESS
}
