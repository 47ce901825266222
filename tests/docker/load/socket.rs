//! A WebSocket that is opened again whenever the other side ends it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::client::{Request, generate_key};

use super::{Ended, Entry, Kind, Outcome, Shared};
use crate::docker::browser::PATIENCE;
use crate::docker::events::now;

/// From one message to the next.
const PAUSE: Duration = Duration::from_millis(100);

/// Keeps one open, and something going to and fro over it, until the load stops.
pub(super) async fn keep_open(shared: Arc<Shared>, host: String, number: u32) {
    let mut jar = BTreeMap::new();
    tokio::time::sleep(PAUSE * number / 20).await;
    while !shared.is_stopping() {
        let id = shared.id('w');
        let began = now();
        let opened = timeout(PATIENCE, open(&shared, &host, &id, &mut jar)).await;
        let ended = now();
        let (outcome, replica, socket) = match opened {
            Ok(Ok((socket, replica))) => (Outcome::Relayed, Some(replica), Some(socket)),
            Ok(Err(outcome)) => (outcome, None, None),
            Err(_) => (Outcome::Failed("not opened in time".to_owned()), None, None),
        };
        let entry = Entry { id: id.clone(), kind: Kind::Socket, began, ended, outcome, replica: replica.clone() };
        shared.ledger().entries.push(entry);
        let (Some(mut socket), Some(replica)) = (socket, replica) else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        shared.open_sockets.fetch_add(1, Ordering::Relaxed);
        let how = talk(&shared, &mut socket, &id, &replica).await;
        shared.open_sockets.fetch_sub(1, Ordering::Relaxed);
        match how {
            Some(how) => shared.ledger().ended.push(Ended { id, replica, at: now(), how }),
            // Ours to end: the other side may take its time to say goodbye as well.
            None => drop(timeout(PATIENCE, socket.close(None)).await),
        }
    }
}

type Socket = WebSocketStream<TcpStream>;

async fn open(
    shared: &Shared,
    host: &str,
    id: &str,
    jar: &mut BTreeMap<String, String>,
) -> Result<(Socket, String), Outcome> {
    let failed = |error: &dyn std::fmt::Display| Outcome::Failed(error.to_string());
    let stream = TcpStream::connect(shared.plan.site).await.map_err(|error| failed(&error))?;
    let mut request = Request::builder()
        .uri(format!("ws://{host}/ws?n={id}"))
        .header("Host", host)
        .header("Connection", "Upgrade")
        .header("Upgrade", "websocket")
        .header("Sec-WebSocket-Version", "13")
        .header("Sec-WebSocket-Key", generate_key());
    if !jar.is_empty() {
        let pairs: Vec<String> = jar.iter().map(|(name, value)| format!("{name}={value}")).collect();
        request = request.header("Cookie", pairs.join("; "));
    }
    let request = request.body(()).map_err(|error| failed(&error))?;
    let (socket, response) = match tokio_tungstenite::client_async(request, stream).await {
        Ok(opened) => opened,
        Err(tokio_tungstenite::tungstenite::Error::Http(response)) => {
            let status = response.status().as_u16();
            let relayed = response.headers().contains_key("x-replica");
            return Err(if relayed { Outcome::Wrong(status) } else { Outcome::Answered(status) });
        }
        Err(error) => return Err(failed(&error)),
    };
    let text = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok());
    let cookies = response.headers().get_all("set-cookie").iter().filter_map(|value| value.to_str().ok());
    for pair in cookies.filter_map(|cookie| cookie.split(';').next()) {
        if let Some((name, value)) = pair.split_once('=') {
            jar.insert(name.to_owned(), value.to_owned());
        }
    }
    match text("x-replica") {
        Some(replica) => Ok((socket, replica.to_owned())),
        None => Err(Outcome::Failed("101 without a replica's name".to_owned())),
    }
}

/// Sends and expects the same back; how the other side ended it, or nothing when the load stopped.
async fn talk(shared: &Shared, socket: &mut Socket, id: &str, replica: &str) -> Option<String> {
    match next(socket).await {
        Ok(greeting) if greeting == replica => {}
        Ok(other) => return Some(format!("greeted by {other:?}")),
        Err(how) => return Some(how),
    }
    for number in 0u64.. {
        if shared.is_stopping() {
            return None;
        }
        let message = format!("{id}-{number}");
        if let Err(error) = socket.send(Message::text(message.clone())).await {
            return Some(format!("sending: {error}"));
        }
        match next(socket).await {
            Ok(echo) if echo == message => shared.ledger().echoes += 1,
            Ok(other) => return Some(format!("{message} came back as {other:?}")),
            Err(how) => return Some(how),
        }
        // An end is noticed while nothing is to be said, too.
        if let Ok(message) = timeout(PAUSE, socket.next()).await {
            return Some(match message {
                Some(Ok(Message::Close(_))) | None => "closed".to_owned(),
                Some(Ok(other)) => format!("unasked for: {other}"),
                Some(Err(error)) => error.to_string(),
            });
        }
    }
    None
}

async fn next(socket: &mut Socket) -> Result<String, String> {
    match timeout(PATIENCE, socket.next()).await {
        Ok(Some(Ok(Message::Text(text)))) => Ok(text.as_str().to_owned()),
        Ok(Some(Ok(Message::Close(_))) | None) => Err("closed".to_owned()),
        Ok(Some(Ok(other))) => Err(format!("unexpected: {other}")),
        Ok(Some(Err(error))) => Err(error.to_string()),
        Err(_) => Err("silent".to_owned()),
    }
}
