//! `seaway healthcheck`: asks the running process over its private socket, so that no entry point is needed; where there
//! is none, over the entry point that answers pings.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::process::ExitCode;
use std::time::Duration;

use seaway_config::statics::StaticOptions;
use seaway_labels::statics::listen_address;

/// A Seaway that takes longer is not well.
const PATIENCE: Duration = Duration::from_secs(5);

pub(super) fn run(options: &StaticOptions) -> ExitCode {
    let path = &options.seaway.control_socket;
    let asked = if path.is_empty() { None } else { Some(ask(path)) };
    if let Some(Ok(answer)) = &asked {
        println!("{}", answer.trim_end());
        return if answer.starts_with("ok") { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    match (ping_address(options), asked) {
        (Some(address), _) => match ping(address) {
            Ok(status) if status == "200" => {
                println!("ok: http://{address}/ping");
                ExitCode::SUCCESS
            }
            Ok(status) => {
                eprintln!("seaway: http://{address}/ping answers {status}");
                ExitCode::FAILURE
            }
            Err(error) => {
                eprintln!("seaway: http://{address}/ping does not answer: {error}");
                ExitCode::FAILURE
            }
        },
        (None, Some(Err(error))) => {
            eprintln!("seaway: no Seaway answers at {path}: {error}; with --ping an entry point could be asked");
            ExitCode::FAILURE
        }
        (None, _) => {
            eprintln!("seaway: seaway.controlSocket is switched off and so is ping, so nobody can be asked");
            ExitCode::FAILURE
        }
    }
}

fn ask(path: &str) -> io::Result<String> {
    let stream = UnixStream::connect(path)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut answer = String::new();
    stream.take(4096).read_to_string(&mut answer)?;
    Ok(answer)
}

/// Where pings are answered, seen from this machine.
fn ping_address(options: &StaticOptions) -> Option<SocketAddr> {
    let entry_point = options.entry_points.get(&options.ping.as_ref()?.entry_point)?;
    let address = listen_address(&entry_point.address).ok()?;
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        // All addresses are those of both families.
        IpAddr::V6(ip) if ip == Ipv6Addr::UNSPECIFIED => IpAddr::V4(Ipv4Addr::LOCALHOST),
        ip => ip,
    };
    Some(SocketAddr::new(ip, address.port()))
}

/// The status of a ping.
fn ping(address: SocketAddr) -> io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    write!(stream, "HEAD /ping HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut line = String::new();
    BufReader::new(stream.take(4096)).read_line(&mut line)?;
    let status = line.split(' ').nth(1).map(str::trim_end).filter(|_| line.starts_with("HTTP/1."));
    status.map(str::to_owned).ok_or_else(|| io::ErrorKind::InvalidData.into())
}
