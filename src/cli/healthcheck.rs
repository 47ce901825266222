//! `seaway healthcheck`: asks the running process over its private socket, so that no entry point is needed.

use std::io::Read;
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::time::Duration;

use seaway_config::statics::StaticOptions;

pub(super) fn run(options: &StaticOptions) -> ExitCode {
    let path = &options.seaway.control_socket;
    if path.is_empty() {
        eprintln!("seaway: seaway.controlSocket is switched off, so nobody can be asked");
        return ExitCode::FAILURE;
    }
    match ask(path) {
        Ok(answer) => {
            println!("{}", answer.trim_end());
            if answer.starts_with("ok") { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            eprintln!("seaway: no Seaway answers at {path}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn ask(path: &str) -> std::io::Result<String> {
    let stream = UnixStream::connect(path)?;
    stream.set_read_timeout(Some(Duration::from_secs(2)))?;
    let mut answer = String::new();
    stream.take(4096).read_to_string(&mut answer)?;
    Ok(answer)
}
