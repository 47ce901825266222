//! The demo application as a program: `seaway-demo-app` serves, `seaway-demo-app healthcheck` asks a running one how it is.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::process::ExitCode;
use std::time::Duration;

use seaway_demo_app::{Options, StopMode, serve};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// What a shell reports for a program that SIGTERM ended.
const ENDED_BY_SIGNAL: u8 = 128 + 15;

const HELP: &str = "\
The demo application of Seaway: small pages and an API that show which replica answered.

  seaway-demo-app              serve
  seaway-demo-app healthcheck  exit 0 if the one on this host's PORT answers /health

Environment
  PORT            where to listen (80)
  NAME            the name it shows (the host name)
  STOP            drain: on SIGTERM finish what runs (default); exit: end at once
  DRAIN_IDLE_MS   with drain: read idle connections this much longer before closing them (0)
  START_DELAY_MS  begin to listen only after this time (0)
  APP_COOKIE      give every visitor a session cookie of this name, as JSESSIONID servers do
  INDEX           page or animals: what / answers (page)
  API_PATH        what the page's Fetch button calls (/api/animals)
  GATE            <user>=<value of Authorization>: answer 200 and X-Forwarded-User to who brings it, else 401
  ORDERS_FILE     append each order to this file as well
";

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let outcome = match (arguments.next().as_deref(), arguments.next()) {
        (None, None) => run(),
        (Some("healthcheck"), None) => healthcheck().map(|()| ExitCode::SUCCESS),
        (Some("help" | "--help" | "-h"), None) => {
            print!("{HELP}");
            Ok(ExitCode::SUCCESS)
        }
        _ => {
            eprint!("{HELP}");
            return ExitCode::from(2);
        }
    };
    outcome.unwrap_or_else(|message| {
        eprintln!("seaway-demo-app: {message}");
        ExitCode::FAILURE
    })
}

fn run() -> Result<ExitCode, String> {
    let variable = |name: &str| std::env::var(name).ok();
    let mut options = Options::from_environment(variable).map_err(|error| error.to_string())?;
    if variable("NAME").is_none_or(|name| name.is_empty()) {
        options.name = host_name();
    }
    options.print_requests = true;
    let port = number("PORT", 80)?;
    let delay = Duration::from_millis(number("START_DELAY_MS", 0)?);

    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| error.to_string())?;
    runtime.block_on(async {
        // The first process of a container has no default reaction to signals, so they are caught before anything else.
        let mut stop = Stop::new().map_err(|error| format!("cannot catch signals: {error}"))?;
        tokio::select! {
            () = tokio::time::sleep(delay) => {}
            () = stop.wait() => return Ok(ExitCode::from(ENDED_BY_SIGNAL)),
        }
        let listener = listen(port).map_err(|error| format!("cannot listen on port {port}: {error}"))?;
        let listener = tokio::net::TcpListener::from_std(listener).map_err(|error| error.to_string())?;
        println!("{} listens on port {port}, on SIGTERM it will {:?}", options.name, options.stop);
        if options.stop == StopMode::Exit {
            // Not even `serve` is asked: at once means at once.
            tokio::select! {
                () = serve(listener, options, std::future::pending()) => {}
                () = stop.wait() => {}
            }
            std::process::exit(i32::from(ENDED_BY_SIGNAL));
        }
        let name = options.name.clone();
        serve(listener, options, async move {
            stop.wait().await;
            println!("{name} stops: no new connections, finishing what runs");
        })
        .await;
        Ok(ExitCode::SUCCESS)
    })
}

/// SIGTERM or SIGINT.
struct Stop {
    terminate: Signal,
    interrupt: Signal,
}

impl Stop {
    fn new() -> std::io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn wait(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Both address families where the host has both.
fn listen(port: u16) -> std::io::Result<TcpListener> {
    let listener = TcpListener::bind((Ipv6Addr::UNSPECIFIED, port))
        .or_else(|_| TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

fn healthcheck() -> Result<(), String> {
    let port: u16 = number("PORT", 80)?;
    let limit = Duration::from_secs(2);
    let ask = || -> std::io::Result<Vec<u8>> {
        let mut stream = TcpStream::connect_timeout(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)), limit)?;
        stream.set_read_timeout(Some(limit))?;
        stream.set_write_timeout(Some(limit))?;
        stream.write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        let mut answer = Vec::new();
        stream.take(64 * 1024).read_to_end(&mut answer)?;
        Ok(answer)
    };
    let answer = ask().map_err(|error| format!("port {port} does not answer: {error}"))?;
    if answer.starts_with(b"HTTP/1.1 200 ") { Ok(()) } else { Err(String::from_utf8_lossy(&answer).into_owned()) }
}

fn number<N: std::str::FromStr>(name: &str, default: N) -> Result<N, String> {
    match std::env::var(name).ok().filter(|value| !value.is_empty()) {
        None => Ok(default),
        Some(value) => value.parse().map_err(|_| format!("{name}={value:?}: it must be a number")),
    }
}

fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    if name.trim().is_empty() { "unknown".to_owned() } else { name.trim().to_owned() }
}
