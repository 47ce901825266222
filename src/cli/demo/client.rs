//! A small HTTP client: one connection that is kept, one cookie jar, whole answers.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, COOKIE, HOST, HeaderMap, SET_COOKIE};
use http::{Method, Request};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// Longer than Seaway lets a request wait for a server, so that its own answer is seen.
const PATIENCE: Duration = Duration::from_secs(20);
const MOST_BODY: usize = 1 << 20;

/// Where requests go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    /// What is connected to: `127.0.0.1:8080`.
    address: String,
    /// What `Host` says.
    host: String,
}

impl Target {
    /// The address in a URL such as `http://127.0.0.1:8080`, which is also what `Host` says.
    pub(super) fn parse(url: &str) -> Result<Self, String> {
        let wrong = |what: &str| format!("{url:?} is not a URL such as http://127.0.0.1:8080: {what}");
        let rest = url.strip_prefix("http://").ok_or_else(|| wrong("it must begin with http://"))?;
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        if authority.is_empty() || authority.contains(['/', '?', '#', '@', ' ']) {
            return Err(wrong("a host and a port are all that may follow"));
        }
        let has_port = authority.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
        let address = if has_port { authority.to_owned() } else { format!("{authority}:80") };
        Ok(Self { host: address.strip_suffix(":80").unwrap_or(&address).to_owned(), address })
    }

    /// The same address, asked for another host; the port stays.
    pub(super) fn named(&self, host: &str) -> Self {
        let port = self.address.rsplit_once(':').map_or("80", |(_, port)| port);
        let host = if port == "80" { host.to_owned() } else { format!("{host}:{port}") };
        Self { address: self.address.clone(), host }
    }

    /// `http://app.localhost:8080`.
    pub(super) fn url(&self) -> String {
        format!("http://{}", self.host)
    }
}

/// One answer, read to its end.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    /// Who says that it answered (`X-Replica`).
    pub(super) replica: Option<String>,
    /// The cookies that it set, as they came.
    pub(super) cookies: Vec<String>,
    pub(super) body: Bytes,
}

/// One client: what a browser is to a site.
#[derive(Debug)]
pub(super) struct Client {
    target: Target,
    connection: Option<SendRequest<Full<Bytes>>>,
    cookies: BTreeMap<String, String>,
}

impl Client {
    pub(super) fn new(target: Target) -> Self {
        Self { target, connection: None, cookies: BTreeMap::new() }
    }

    /// Reads a page.
    pub(super) async fn get(&mut self, path: &str) -> Result<Answer, String> {
        self.send(Method::GET, path, "").await
    }

    /// Sends a form.
    pub(super) async fn post(&mut self, path: &str, form: &str) -> Result<Answer, String> {
        self.send(Method::POST, path, form).await
    }

    async fn send(&mut self, method: Method, path: &str, form: &str) -> Result<Answer, String> {
        let exchange = self.exchange(method, path, form);
        match tokio::time::timeout(PATIENCE, exchange).await {
            Ok(result) => result,
            Err(_) => {
                self.connection = None;
                Err(format!("no answer within {} s", PATIENCE.as_secs()))
            }
        }
    }

    async fn exchange(&mut self, method: Method, path: &str, form: &str) -> Result<Answer, String> {
        let mut request = self.request(method, path, form)?;
        let mut again = true;
        let response = loop {
            let mut connection = self.connection().await?;
            match connection.try_send_request(request).await {
                Ok(response) => {
                    self.connection = Some(connection);
                    break response;
                }
                // A kept connection that was closed meanwhile: nothing was sent, so nothing was lost.
                Err(mut failed) => match failed.take_message().filter(|_| std::mem::take(&mut again)) {
                    Some(unsent) => request = unsent,
                    None => return Err(failed.into_error().to_string()),
                },
            }
        };
        let (head, body) = response.into_parts();
        let body = match Limited::new(body, MOST_BODY).collect().await {
            Ok(body) => body.to_bytes(),
            Err(error) => {
                self.connection = None;
                return Err(format!("the answer broke off: {error}"));
            }
        };
        let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let cookies: Vec<String> = head.headers.get_all(SET_COOKIE).iter().map(text).collect();
        for cookie in &cookies {
            self.keep(cookie);
        }
        let replica = replica(&head.headers);
        Ok(Answer { status: head.status.as_u16(), replica, cookies, body })
    }

    fn request(&self, method: Method, path: &str, form: &str) -> Result<Request<Full<Bytes>>, String> {
        let mut request = Request::builder().method(method).uri(path).header(HOST, &self.target.host);
        if !self.cookies.is_empty() {
            let pairs: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
            request = request.header(COOKIE, pairs.join("; "));
        }
        if !form.is_empty() {
            request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        }
        request.body(Full::from(form.to_owned())).map_err(|error| error.to_string())
    }

    /// The kept connection if it is still good, else a new one.
    async fn connection(&mut self) -> Result<SendRequest<Full<Bytes>>, String> {
        if let Some(mut kept) = self.connection.take()
            && kept.ready().await.is_ok()
        {
            return Ok(kept);
        }
        let stream = TcpStream::connect(&self.target.address)
            .await
            .map_err(|error| format!("nothing answers at {}: {error}", self.target.address))?;
        // Without it small requests may wait for an acknowledgement; the connection serves all the same.
        let _unset = stream.set_nodelay(true);
        let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
        // How the connection ends is told to whoever sends on it.
        tokio::spawn(async move { drop(connection.await) });
        Ok(sender)
    }

    fn keep(&mut self, cookie: &str) {
        let mut parts = cookie.split(';').map(str::trim);
        let Some((name, value)) = parts.next().and_then(|pair| pair.split_once('=')) else { return };
        if parts.any(|attribute| attribute.eq_ignore_ascii_case("max-age=0")) {
            self.cookies.remove(name);
        } else {
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
    }
}

fn replica(headers: &HeaderMap) -> Option<String> {
    Some(headers.get("x-replica")?.to_str().ok()?.to_owned())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn targets() {
        let target = Target::parse("http://127.0.0.1:8080").unwrap();
        assert_eq!((target.address.as_str(), target.host.as_str()), ("127.0.0.1:8080", "127.0.0.1:8080"));
        assert_eq!(target.named("app.localhost").url(), "http://app.localhost:8080");
        let plain = Target::parse("http://localhost/").unwrap();
        assert_eq!((plain.address.as_str(), plain.host.as_str()), ("localhost:80", "localhost"));
        assert_eq!(plain.named("app.localhost").url(), "http://app.localhost");
        for wrong in ["127.0.0.1:8080", "https://a", "http://", "http://a/b", "http://u@a"] {
            assert!(Target::parse(wrong).unwrap_err().contains(wrong), "{wrong}");
        }
    }

    #[test]
    fn a_jar_keeps_what_was_set_last_and_forgets_what_is_to_be_forgotten() {
        let mut client = Client::new(Target::parse("http://a:1").unwrap());
        client.keep("session=one; Path=/; HttpOnly");
        client.keep("session=two; Path=/");
        client.keep("app=x");
        client.keep("nonsense");
        let request = client.request(Method::GET, "/", "").unwrap();
        assert_eq!(request.headers()[COOKIE], "app=x; session=two");
        client.keep("session=; Max-Age=0");
        assert_eq!(client.request(Method::GET, "/", "").unwrap().headers()[COOKIE], "app=x");
    }
}
