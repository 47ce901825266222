//! Where the engine is and how its socket is reached: one connection for each call, so that a name is looked up anew
//! each time and a half-dead connection never serves twice.

mod error;
pub(crate) mod tls;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{AUTHORIZATION, HOST, HeaderValue, USER_AGENT};
use http_body_util::Empty;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use seaway_config::statics::DockerOptions;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

pub use error::{EngineError, Fault};

use tls::Tls;

/// Where the engine is if neither an option nor `DOCKER_HOST` says it.
pub const DEFAULT_ENDPOINT: &str = "unix:///var/run/docker.sock";

/// An engine's address with what is needed to talk to it. Cheap to clone.
#[derive(Clone)]
pub struct Engine(Arc<Inner>);

struct Inner {
    address: Address,
    shown: String,
    host: HeaderValue,
    authorization: Option<HeaderValue>,
}

enum Address {
    Unix(PathBuf),
    Tcp { host: String, port: u16, tls: Option<Tls> },
}

impl Engine {
    /// The engine that the options name; where they name none, the one of `docker_host` (the text of `DOCKER_HOST`);
    /// else [`DEFAULT_ENDPOINT`].
    ///
    /// # Errors
    /// The text is no endpoint, or a TLS file cannot be used: [`Fault::Config`]. Nothing is connected yet.
    pub fn from_options(options: &DockerOptions, docker_host: Option<&str>) -> Result<Self, EngineError> {
        let given = |text: &str| Some(text.trim().to_owned()).filter(|t| !t.is_empty());
        let text = given(&options.endpoint)
            .or_else(|| docker_host.and_then(given))
            .unwrap_or_else(|| DEFAULT_ENDPOINT.to_owned());
        let address = Address::parse(&text, options)?;
        let host = match &address {
            Address::Unix(_) => "docker".to_owned(),
            Address::Tcp { host, port, .. } if host.contains(':') => format!("[{host}]:{port}"),
            Address::Tcp { host, port, .. } => format!("{host}:{port}"),
        };
        let host = HeaderValue::from_str(&host).map_err(|_| EngineError::config(format!("{text:?}: no host name")))?;
        // As Traefik has it: only where both are there.
        let both = !options.username.is_empty() && !options.password.is_empty();
        let authorization = both.then(|| basic(&options.username, &options.password)).transpose()?;
        Ok(Self(Arc::new(Inner { address, shown: text, host, authorization })))
    }

    /// The endpoint as it was written, for logs.
    pub fn shown(&self) -> &str {
        &self.0.shown
    }

    /// The socket's path, for an engine on this machine.
    pub fn unix_path(&self) -> Option<&std::path::Path> {
        match &self.0.address {
            Address::Unix(path) => Some(path),
            Address::Tcp { .. } => None,
        }
    }

    /// Sends one GET over a connection of its own and returns the response when its head has come. `target` is the path
    /// with its query. Time limits are the caller's.
    pub(super) async fn get(&self, target: &str) -> Result<http::Response<Incoming>, EngineError> {
        match &self.0.address {
            Address::Unix(path) => {
                let stream = UnixStream::connect(path).await.map_err(|e| EngineError::unix(path, &e))?;
                self.exchange(stream, target).await
            }
            Address::Tcp { host, port, tls } => {
                let connected = TcpStream::connect((host.as_str(), *port)).await;
                let stream = connected.map_err(|e| EngineError::tcp(&self.0.shown, &e))?;
                // A call is one small write; without it the engine's answer could wait for our acknowledgement.
                drop(stream.set_nodelay(true));
                match tls {
                    None => self.exchange(stream, target).await,
                    Some(tls) => self.exchange(tls.connect(&self.0.shown, stream).await?, target).await,
                }
            }
        }
    }

    async fn exchange<S>(&self, stream: S, target: &str) -> Result<http::Response<Incoming>, EngineError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let failed = |e: &dyn fmt::Display| EngineError::talk(format!("{}: {e}", self.0.shown));
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|e| failed(&e))?;
        // Ends by itself when the response has been read or dropped; its error arrives at the body's reader too.
        tokio::spawn(async move { drop(connection.await) });
        let mut request = http::Request::get(target)
            .header(HOST, &self.0.host)
            .header(USER_AGENT, concat!("Seaway/", env!("CARGO_PKG_VERSION")));
        if let Some(authorization) = &self.0.authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        let request = request.body(Empty::<Bytes>::new()).map_err(|e| failed(&e))?;
        sender.send_request(request).await.map_err(|e| {
            if e.is_parse() {
                EngineError::not_docker(format!("{}: the answer is not HTTP/1.1", self.0.shown))
            } else {
                failed(&e)
            }
        })
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Engine").field(&self.0.shown).finish()
    }
}

impl Address {
    fn parse(text: &str, options: &DockerOptions) -> Result<Self, EngineError> {
        let bad = |why: &str| Err(EngineError::config(format!("the endpoint {}: {why}", hide_user(text))));
        let Some((scheme, rest)) = text.split_once("://") else {
            return bad("has no scheme; unix://, tcp://, http:// and https:// are known");
        };
        let secure = match scheme {
            "unix" => {
                return if rest.starts_with('/') {
                    Ok(Self::Unix(PathBuf::from(rest)))
                } else {
                    bad("a unix:// endpoint is an absolute path: unix:///var/run/docker.sock")
                };
            }
            "tcp" => options.tls.is_some(),
            "http" => false,
            "https" => true,
            "ssh" | "npipe" | "fd" => {
                return bad("this scheme is not supported yet; forward the socket, or use tcp://");
            }
            _ => return bad("unknown scheme; unix://, tcp://, http:// and https:// are known"),
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        if rest.contains('@') {
            return bad("give user and password by the options username and password");
        }
        if rest.is_empty() || rest.contains(['/', '?', '#']) {
            return bad("a host and a port are expected after the scheme, and no path");
        }
        let default = if secure { 2376 } else { 2375 };
        let (host, port) = match rest.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok()),
            _ => (rest, Some(default)),
        };
        let Some(port) = port.filter(|p| *p != 0) else { return bad("the port is no number from 1 to 65535") };
        let host = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
        if host.is_empty() {
            return bad("the host is missing");
        }
        let tls = if secure { Some(Tls::new(host, options.tls.as_ref())?) } else { None };
        Ok(Self::Tcp { host: host.to_owned(), port, tls })
    }
}

/// What may stand before an `@` can be a password.
fn hide_user(text: &str) -> String {
    match (text.split_once("://"), text.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, host))) => format!("{scheme}://…@{host}"),
        _ => text.to_owned(),
    }
}

/// `Basic` credentials (RFC 7617).
fn basic(user: &str, password: &str) -> Result<HeaderValue, EngineError> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::from("Basic ");
    for part in format!("{user}:{password}").as_bytes().chunks(3) {
        let bits = part.iter().enumerate().fold(0u32, |bits, (n, byte)| bits | u32::from(*byte) << (16 - 8 * n));
        for n in 0..4 {
            let digit = ALPHABET.get((bits >> (18 - 6 * n) & 63) as usize).filter(|_| n <= part.len());
            text.push(digit.map_or('=', |d| char::from(*d)));
        }
    }
    let mut value =
        HeaderValue::from_str(&text).map_err(|_| EngineError::config("user name or password".to_owned()))?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use seaway_config::statics::DockerTls;

    use super::*;

    fn engine(endpoint: &str, docker_host: Option<&str>) -> Result<Engine, EngineError> {
        Engine::from_options(&DockerOptions { endpoint: endpoint.to_owned(), ..DockerOptions::default() }, docker_host)
    }

    #[test]
    fn the_option_wins_then_docker_host_then_the_default() {
        assert_eq!(engine("tcp://a:1", Some("tcp://b:2")).unwrap().shown(), "tcp://a:1");
        assert_eq!(engine("", Some("tcp://b:2")).unwrap().shown(), "tcp://b:2");
        assert_eq!(engine("", Some("")).unwrap().shown(), DEFAULT_ENDPOINT);
        assert_eq!(engine("", None).unwrap().shown(), DEFAULT_ENDPOINT);
    }

    #[test]
    fn hosts_and_ports() {
        for (text, expected) in [
            ("tcp://engine", "engine:2375"),
            ("tcp://engine:99/", "engine:99"),
            ("http://[::1]:5", "[::1]:5"),
            ("http://[::1]", "[::1]:2375"),
        ] {
            assert_eq!(engine(text, None).unwrap().0.host, expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_endpoint_is_said_and_no_password_is_shown() {
        for text in ["docker.sock", "unix://docker.sock", "ssh://a", "tcp://", "tcp://a:0", "tcp://a:x", "tcp://a/b"] {
            let error = engine(text, None).unwrap_err();
            assert_eq!(error.fault, Fault::Config, "{text}");
            assert!(error.to_string().contains(text), "{error}");
        }
        let error = engine("tcp://me:secret@a:1", None).unwrap_err().to_string();
        assert!(!error.contains("secret"), "{error}");
        let tls = Some(DockerTls { ca: "/no/such/ca.pem".to_owned(), ..DockerTls::default() });
        let options = DockerOptions { endpoint: "tcp://a:1".to_owned(), tls, ..DockerOptions::default() };
        assert!(Engine::from_options(&options, None).unwrap_err().to_string().contains("/no/such/ca.pem"));
    }

    #[test]
    fn credentials_are_base64() {
        for (user, password, expected) in [
            ("Aladdin", "open sesame", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="),
            ("a", "b", "Basic YTpi"),
            ("ab", "c", "Basic YWI6Yw=="),
            ("ab", "cd", "Basic YWI6Y2Q="),
        ] {
            assert_eq!(basic(user, password).unwrap(), expected);
        }
    }
}
