//! A client's HTTP/1 connection: one request after another is read, served and answered, in one task.

mod outbox;
mod wire;

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::StatusCode;
use http_body::{Body as _, Frame};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::error::ClientLeft;
use crate::http1::request::{self, BadHead, Head};
use crate::http1::respond::{self, Asked, Framing, Reply, Written};

use wire::Next;
pub(crate) use wire::{Body, Wire};

/// So much of a response is gathered before it is sent.
const GATHER: usize = 16 * 1024;

/// A client's socket.
pub(crate) trait Socket: AsyncRead + AsyncWrite + Unpin {
    /// Ready when there is something to read, an end or an error. It costs less than to try.
    fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<()>;

    /// Something of the next head is there, perhaps since the request before it was served; or what came was only empty
    /// lines.
    fn head_is_begun(&mut self, _begun: bool) {}
}

/// The body of a response.
pub(crate) trait ReplyBody: http_body::Body<Data = Bytes> + Unpin {
    /// What goes on besides while the client takes nothing of it: a client may want to send all of its request first.
    /// An error cuts the response.
    fn poll_aside(&mut self, _cx: &mut Context<'_>) -> Result<(), Self::Error> {
        Ok(())
    }
}

/// Who serves the requests of a connection.
pub(crate) trait Exchanges<I> {
    /// The body of a response.
    type Body: ReplyBody;

    /// Serves one request. The exchange begins with the call; it is dropped when the client leaves.
    fn serve(&self, head: Head, body: Option<Body<I>>) -> impl Future<Output = Result<Reply<Self::Body>, ClientLeft>>;

    /// Answers what is no request.
    fn refuse(&self, bad: BadHead) -> Reply<Self::Body>;

    /// The connection has been waiting for its next request for so long that nothing should be kept ready for it.
    fn is_resting(&self) -> bool {
        false
    }
}

/// How serving a connection ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Nothing more is to be said.
    Closed,
    /// The same, and nothing more comes: the client said so, and had sent nothing besides.
    Finished,
    /// In a body that an end of the connection in order would seem to complete.
    Broken,
    /// For the moment: no request has come for a while.
    Rests,
    /// With a 101 that is out. These bytes came after its request.
    Switched(Bytes),
}

/// Serves the requests of a connection, one after another.
pub(crate) async fn serve<I, X>(wire: &Rc<Wire<I>>, exchanges: &X) -> End
where
    I: Socket,
    X: Exchanges<I>,
{
    loop {
        // What is large is put where it stays, and not handed from one to the next.
        let mut next = None;
        poll_fn(|cx| match wire.poll_next(cx) {
            Poll::Pending if exchanges.is_resting() => Poll::Ready(()),
            Poll::Pending => Poll::Pending,
            Poll::Ready(ready) => {
                next = Some(ready);
                Poll::Ready(())
            }
        })
        .await;
        let mut reply = None;
        let mut was_last = false;
        let asked = match next {
            None => return End::Rests,
            Some(Next::Gone) => return End::Closed,
            Some(Next::Bad(bad)) => {
                let version = bad.version;
                reply = Some(exchanges.refuse(*bad));
                Asked { head_only: false, version, keep_alive: false, takes_trailers: false }
            }
            Some(Next::Request(head)) => {
                let asked = Asked::by(&head);
                was_last = !head.keep_alive && head.framing == request::Framing::None;
                let body = wire.body(head.framing, head.expects_continue);
                let mut exchange = pin!(exchanges.serve(head, body));
                poll_fn(|cx| {
                    // Who left just before the answer came is gone all the same.
                    let reads = wire.is_read();
                    if wire.poll_gone(cx).is_ready() {
                        return Poll::Ready(());
                    }
                    match exchange.as_mut().poll(cx) {
                        Poll::Ready(answer) => {
                            reply = answer.ok();
                            Poll::Ready(())
                        }
                        // The body may just have come to its end, and then it is here that the client is looked after.
                        Poll::Pending if reads => wire.poll_gone(cx),
                        Poll::Pending => Poll::Pending,
                    }
                })
                .await;
                asked
            }
        };
        let switches = reply.as_ref().is_some_and(|reply| reply.status == StatusCode::SWITCHING_PROTOCOLS);
        let Some(mut sending) = Sending::begin(wire, asked, &mut reply) else { return End::Closed };
        let sent = poll_fn(|cx| sending.poll(cx, wire)).await;
        if switches && sent != Sent::Cut {
            return End::Switched(wire.take_rest());
        }
        let broken = sent == Sent::Cut && sending.framing == Framing::Close;
        // The body may still be on its way to a server that has answered early.
        if sent == Sent::Cut {
            wire.abandon();
            return if broken { End::Broken } else { End::Closed };
        }
        if !poll_fn(|cx| wire.poll_rest(cx)).await || sent == Sent::Last {
            return if was_last && wire.is_empty() { End::Finished } else { End::Closed };
        }
    }
}

/// What came of sending a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sent {
    /// It is out, and another request may come.
    Whole,
    /// It is out, and was the last.
    Last,
    /// It did not come to its end.
    Cut,
}

/// A response on its way out.
struct Sending<'a, B> {
    /// None when its body has ended.
    reply: &'a mut Option<Reply<B>>,
    framing: Framing,
    sent: Sent,
}

impl<'a, B: ReplyBody> Sending<'a, B> {
    /// None where there is nothing to send: the client has left.
    fn begin<I>(wire: &Wire<I>, asked: Asked, slot: &'a mut Option<Reply<B>>) -> Option<Self>
    where
        I: Socket,
    {
        let reply = slot.as_mut()?;
        let ended = reply.body.is_end_stream();
        let size = if ended { Some(0) } else { reply.body.size_hint().exact() };
        let Written { framing, keep_alive } = wire.respond(asked, reply, size);
        drop(std::mem::take(&mut reply.fields));
        if framing == Framing::None || ended {
            *slot = None;
        }
        Some(Self { reply: slot, framing, sent: if keep_alive { Sent::Whole } else { Sent::Last } })
    }

    fn poll<I>(&mut self, cx: &mut Context<'_>, wire: &Wire<I>) -> Poll<Sent>
    where
        I: Socket,
    {
        loop {
            let waits = self.gather(cx, wire).is_pending();
            let blocked = match wire.poll_send(cx) {
                Poll::Ready(Err(_)) => return Poll::Ready(Sent::Cut),
                Poll::Ready(Ok(())) => false,
                Poll::Pending => true,
            };
            if self.reply.is_none() && !blocked {
                return wire.poll_flush(cx).map(|flushed| if flushed.is_ok() { self.sent } else { Sent::Cut });
            }
            if blocked
                && let Some(Reply { body, .. }) = self.reply
                && body.poll_aside(cx).is_err()
            {
                return Poll::Ready(Sent::Cut);
            }
            if waits || blocked {
                // A client that leaves now does not see the end.
                return match self.reply {
                    Some(_) => wire.poll_gone(cx).map(|()| Sent::Cut),
                    None => Poll::Pending,
                };
            }
        }
    }

    /// Takes what there is of the body, up to a bound. Pending when there is less.
    fn gather<I>(&mut self, cx: &mut Context<'_>, wire: &Wire<I>) -> Poll<()>
    where
        I: Socket,
    {
        while let Some(Reply { body, .. }) = self.reply
            && !wire.with_out(|out| out.is_full(GATHER))
        {
            let Poll::Ready(frame) = Pin::new(&mut *body).poll_frame(cx) else { return Poll::Pending };
            let last = body.is_end_stream();
            match frame {
                Some(Ok(frame)) => self.put(wire, frame, last),
                None => self.end(wire, None),
                // The client must see that it is not whole: no end of chunks, or too few bytes.
                Some(Err(_)) => (*self.reply, self.sent) = (None, Sent::Cut),
            }
        }
        Poll::Ready(())
    }

    fn put<I>(&mut self, wire: &Wire<I>, frame: Frame<Bytes>, last: bool)
    where
        I: Socket,
    {
        let mut data = match frame.into_data() {
            Ok(data) => data,
            Err(frame) => return self.end(wire, Some(frame)),
        };
        match &mut self.framing {
            Framing::Length(left) => {
                // What is more than was announced would be taken for another response.
                data.truncate(usize::try_from(*left).unwrap_or(usize::MAX));
                *left -= data.len() as u64;
                wire.with_out(|out| out.push(data));
            }
            Framing::Chunked(_) if !data.is_empty() => wire.with_out(|out| {
                out.write(|text| respond::chunk(text, data.len()));
                out.push(data);
                out.write(|text| text.extend_from_slice(b"\r\n"));
            }),
            _ => wire.with_out(|out| out.push(data)),
        }
        if last {
            self.end(wire, None);
        }
    }

    fn end<I>(&mut self, wire: &Wire<I>, trailers: Option<Frame<Bytes>>)
    where
        I: Socket,
    {
        *self.reply = None;
        match &self.framing {
            Framing::Length(1..) => self.sent = Sent::Cut,
            Framing::Chunked(announced) => {
                let trailers = trailers.as_ref().and_then(Frame::trailers_ref);
                wire.with_out(|out| out.write(|text| respond::last_chunk(text, announced, trailers)));
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests;
