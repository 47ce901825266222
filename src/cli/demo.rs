//! `seaway demo`: the tour without Docker.

use std::process::ExitCode;

pub(super) fn run(_arguments: &[String]) -> ExitCode {
    eprintln!("seaway: the embedded demo is not there yet");
    ExitCode::FAILURE
}
