//! `/ws`: says which replica it is, then sends back what it gets.

use std::sync::Arc;

use futures::{SinkExt, StreamExt};
use hyper::body::Incoming;
use hyper::header::{CONNECTION, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE};
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Message, Role};

use crate::body::ReplyBody;
use crate::connection::{Life, Phase};
use crate::reply::Reply;
use crate::state::App;

pub(crate) fn answer(app: &Arc<App>, life: Life, mut request: Request<Incoming>) -> Reply {
    let Some(accept) = accept_key(&request) else {
        let mut reply =
            Reply::error(StatusCode::UPGRADE_REQUIRED, &app.options.name, "this end speaks WebSocket, version 13");
        reply.0.headers_mut().insert(UPGRADE, HeaderValue::from_static("websocket"));
        reply.0.headers_mut().insert(CONNECTION, HeaderValue::from_static("upgrade"));
        reply.0.headers_mut().insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        return reply;
    };
    let upgrade = hyper::upgrade::on(&mut request);
    let host = app.options.name.clone();
    tokio::spawn(async move {
        if let Ok(upgraded) = upgrade.await {
            let socket = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, None).await;
            echo(socket, host, life).await;
        }
    });
    let mut response = Response::new(ReplyBody::Whole(None));
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    response.headers_mut().insert(UPGRADE, HeaderValue::from_static("websocket"));
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("upgrade"));
    response.headers_mut().insert(SEC_WEBSOCKET_ACCEPT, accept);
    Reply(response)
}

/// The answer to the handshake's key; none when the request is no handshake (RFC 6455 §4.2.1).
fn accept_key<B>(request: &Request<B>) -> Option<HeaderValue> {
    let has = |name, token: &str| {
        let fields = request.headers().get_all(name).iter().filter_map(|field| field.to_str().ok());
        fields.flat_map(|field| field.split(',')).any(|one| one.trim().eq_ignore_ascii_case(token))
    };
    if !has(UPGRADE, "websocket") || !has(CONNECTION, "upgrade") || !has(SEC_WEBSOCKET_VERSION, "13") {
        return None;
    }
    let key = request.headers().get(SEC_WEBSOCKET_KEY)?;
    HeaderValue::from_str(&derive_accept_key(key.as_bytes())).ok()
}

async fn echo<S>(mut socket: WebSocketStream<S>, host: String, life: Life)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    let mut cut = life.clone();
    tokio::select! {
        // First, because a cut is a drain too, and nobody says goodbye then.
        biased;
        () = cut.reaches(Phase::Cut) => {}
        () = converse(&mut socket, host, life) => {}
    }
}

/// Until either side closes. An error ends the conversation: there is nobody left to tell.
async fn converse<S>(socket: &mut WebSocketStream<S>, host: String, mut life: Life)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    if socket.send(Message::text(host)).await.is_err() {
        return;
    }
    loop {
        let message = tokio::select! {
            message = socket.next() => message,
            () = life.reaches(Phase::Draining) => {
                let goodbye = CloseFrame { code: CloseCode::Away, reason: "this replica is stopping".into() };
                if socket.close(Some(goodbye)).await.is_ok() {
                    // The closing handshake: what the client had on the way is read and dropped, then its own close comes.
                    while let Some(Ok(_)) = socket.next().await {}
                }
                return;
            }
        };
        match message {
            Some(Ok(message @ (Message::Text(_) | Message::Binary(_)))) => {
                if socket.send(message).await.is_err() {
                    return;
                }
            }
            // Pings are answered by the library when the socket is next read.
            Some(Ok(_)) => {}
            Some(Err(_)) | None => return,
        }
    }
}
