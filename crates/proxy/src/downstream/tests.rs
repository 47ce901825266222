#![allow(clippy::unwrap_used, reason = "tests")]

mod memory;

use std::cell::{Cell, RefCell};
use std::task::Waker;

use bytes::Buf;
use http::Method;
use http::Response;
use http::header::HeaderMap;

use memory::{Frames, Io};

use super::*;
use crate::error::ProxyError;
use crate::http1::request::Bounds;

const BOUNDS: Bounds = Bounds { bytes: 8192, lines: 100 };

fn reply<B>(body: B) -> Reply<B> {
    Response::new(body).into()
}

type Asking = (Head, Option<Body<Io>>);

/// Serves as it was told.
struct Serving<F>(F);

impl<F, R> Exchanges<Io> for Serving<F>
where
    F: Fn(Asking) -> R,
    R: Future<Output = Result<Reply<Frames>, ClientLeft>>,
{
    type Body = Frames;

    fn serve(&self, head: Head, body: Option<Body<Io>>) -> impl Future<Output = Result<Reply<Frames>, ClientLeft>> {
        (self.0)((head, body))
    }

    fn refuse(&self, bad: BadHead) -> Reply<Frames> {
        Reply { status: bad.status, ..reply(Frames::sized(bad.reason)) }
    }
}

/// Reads a body to its end.
async fn read(body: Option<Body<Io>>) -> Result<Vec<u8>, ProxyError> {
    let mut all = Vec::new();
    let Some(mut body) = body else { return Ok(all) };
    while let Some(data) = poll_fn(|cx| body.poll_data(cx)).await {
        let data = data?;
        assert!(!data.is_empty());
        all.extend_from_slice(&data);
    }
    assert!(body.has_ended() && body.left().is_none());
    Ok(all)
}

/// Says what it was asked.
async fn echo((head, body): Asking) -> Result<Reply<Frames>, ClientLeft> {
    let text = match read(body).await {
        Ok(body) => format!("{} {} {}", head.method, head.target, String::from_utf8(body).unwrap()),
        Err(error) => error.as_str().to_owned(),
    };
    Ok(reply(Frames::sized(text)))
}

/// A connection under way.
struct Running<T> {
    io: Io,
    wire: Rc<Wire<Io>>,
    task: Pin<Box<T>>,
}

fn start<F, R>(serving: F) -> Running<impl Future<Output = End>>
where
    F: Fn(Asking) -> R,
    R: Future<Output = Result<Reply<Frames>, ClientLeft>>,
{
    let io = Io::new();
    let wire = Wire::new(io.clone(), BOUNDS);
    let served = Rc::clone(&wire);
    Running { io, wire, task: Box::pin(async move { serve(&served, &Serving(serving)).await }) }
}

impl<T: Future<Output = End>> Running<T> {
    /// Goes on as far as it gets.
    fn run(&mut self) -> Option<End> {
        // Often enough for whatever wakes itself.
        (0..50).find_map(|_| match self.task.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(end) => Some(end),
            Poll::Pending => None,
        })
    }

    fn send(&mut self, bytes: impl AsRef<[u8]>) -> Option<End> {
        self.io.send(bytes);
        self.run()
    }
}

fn ok(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

const GET: &str = "GET /1 HTTP/1.1\r\nHost: a\r\n\r\n";

#[test]
fn the_same_wherever_it_is_cut() {
    let chunked = "POST /3 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3;x\r\nabc\r\n2\r\nde\r\n0\r\nX: y\r\n\r\n";
    let bytes = format!("{GET}POST /2 HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello{chunked}\r\nbad\r\n\r\n{GET}");
    let refusal = "no request line";
    let refused =
        format!("HTTP/1.1 400 Bad Request\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{refusal}", refusal.len());
    let want = ok("GET /1 ") + &ok("POST /2 hello") + &ok("POST /3 abcde") + &refused;
    let bytes = bytes.as_bytes();
    let mut cuts: Vec<Vec<&[u8]>> = (0..bytes.len()).map(|at| vec![&bytes[..at], &bytes[at..]]).collect();
    cuts.extend([1, 2, 3, 5, 7, 50].map(|size| bytes.chunks(size).collect()));
    for pieces in cuts {
        // Everything there from the start, and each piece when all before was used.
        for waits in [false, true] {
            let mut running = start(echo);
            let mut end = None;
            for piece in pieces.iter().filter(|piece| !piece.is_empty()) {
                running.io.send(piece);
                if waits {
                    end = end.or_else(|| running.run());
                    if end.is_some() {
                        break;
                    }
                }
            }
            let end = end.or_else(|| running.run());
            let sizes = || pieces.iter().map(|piece| piece.len()).collect::<Vec<_>>();
            assert_eq!(end, Some(End::Closed), "{:?} {waits}", sizes());
            assert_eq!(running.io.take().0, want, "{:?} {waits}", sizes());
        }
    }
}

#[test]
fn head_and_body_are_one_write() {
    for size in [0, 1, 100, 3000, 100_000] {
        let body: String = "x".repeat(size);
        let mut running = start(|_| async { Ok(reply(Frames::sized("x".repeat(size)))) });
        assert_eq!(running.send(GET), None);
        assert_eq!(running.io.take(), (ok(&body), 1), "{size}");
    }
    let chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n";
    for knows_end in [true, false] {
        let mut running = start(|_| async move { Ok(reply(Frames { knows_end, ..Frames::of(&["one", "", "two"]) })) });
        assert_eq!(running.send(GET), None);
        assert_eq!(running.io.take(), (chunked.to_owned(), 1), "{knows_end}");
    }
}

#[test]
fn what_there_is_of_a_stream_is_sent() {
    let waker = Rc::new(RefCell::new(None));
    let mut running = start(|_| async {
        let mut frames = Frames { waker: Rc::clone(&waker), ..Frames::of(&["one", "two", "end"]) };
        frames.frames.insert(1, None);
        frames.frames.insert(3, None);
        Ok(reply(frames))
    });
    running.io.send(GET);
    for part in
        ["HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\none\r\n", "3\r\ntwo\r\n", "3\r\nend\r\n0\r\n\r\n"]
    {
        let polled = running.task.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert!(polled.is_pending());
        assert_eq!(running.io.take(), (part.to_owned(), 1));
    }
}

#[test]
fn an_idle_connection_holds_no_buffer() {
    let mut running = start(echo);
    assert_eq!(running.run(), None);
    assert_eq!(running.wire.buffered(), (0, 0));
    running.send("GET / HT");
    assert_eq!(running.wire.buffered().0, 8);
    running.send("TP/1.1\r\n\r\n");
    assert_eq!(running.io.take().0, ok("GET / "));
    assert_eq!(running.wire.buffered(), (0, 0));
}

/// Never ready, and tells when it is dropped.
struct Stuck(Rc<Cell<bool>>);

impl Drop for Stuck {
    fn drop(&mut self) {
        self.0.set(true);
    }
}

#[test]
fn who_leaves_is_not_served_any_longer() {
    for early in ["", GET, "GE"] {
        let dropped = Rc::new(Cell::new(false));
        let mut running = start(|_| {
            let stuck = Stuck(Rc::clone(&dropped));
            async move {
                let _stuck = stuck;
                std::future::pending().await
            }
        });
        assert_eq!(running.send(format!("{GET}{early}")), None);
        assert!(!dropped.get());
        running.io.end();
        assert_eq!(running.run(), Some(End::Closed));
        assert!(dropped.get());
        assert_eq!(running.io.take().0, "");
    }
}

#[test]
fn who_leaves_does_not_see_the_end() {
    let mut running = start(|_| async {
        let mut frames = Frames::of(&["one", "two"]);
        frames.frames.insert(1, None);
        frames.frames.insert(1, None);
        Ok(reply(frames))
    });
    running.io.send(GET);
    assert!(running.task.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    running.io.end();
    assert_eq!(running.run(), Some(End::Closed));
    assert!(running.io.take().0.ends_with("3\r\none\r\n"));
}

#[test]
fn what_is_sent_ahead_is_bounded() {
    let mut running = start(|_| std::future::pending());
    running.io.send(GET.repeat(10_000));
    assert_eq!(running.run(), None);
    let read = running.io.0.borrow().read;
    assert!((16 * 1024..64 * 1024).contains(&read), "{read}");
    assert!(running.wire.buffered().1 <= 64 * 1024);
}

#[test]
fn a_client_that_reads_nothing_holds_the_body_back() {
    let given = Rc::new(Cell::new(0));
    struct Endless(Rc<Cell<usize>>);
    impl http_body::Body for Endless {
        type Data = Bytes;
        type Error = ();
        fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, ()>>> {
            self.0.set(self.0.get() + 5000);
            Poll::Ready(Some(Ok(Frame::data(vec![b'x'; 5000].into()))))
        }
    }
    impl ReplyBody for Endless {}
    struct Exchange(Rc<Cell<usize>>);
    impl Exchanges<Io> for Exchange {
        type Body = Endless;
        async fn serve(&self, _: Head, _: Option<Body<Io>>) -> Result<Reply<Endless>, ClientLeft> {
            Ok(reply(Endless(Rc::clone(&self.0))))
        }
        fn refuse(&self, _: BadHead) -> Reply<Endless> {
            unreachable!()
        }
    }
    let io = Io::new();
    let wire = Wire::new(io.clone(), BOUNDS);
    let exchange = Exchange(Rc::clone(&given));
    let mut task = Box::pin(serve(&wire, &exchange));
    io.make_room(100_000);
    io.send(GET);
    for _ in 0..5 {
        assert!(task.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    }
    assert_eq!(io.0.borrow().output.len(), 100_000);
    assert!(given.get() < 100_000 + 2 * GATHER, "{}", given.get());
    io.make_room(50_000);
    assert!(task.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    assert_eq!(io.0.borrow().output.len(), 150_000);
}

const EXPECT: &str = "POST /e HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n";
const CONTINUE: &str = "HTTP/1.1 100 Continue\r\n\r\n";

#[test]
fn continue_is_said_when_the_body_is_asked_for() {
    let mut running = start(echo);
    running.send(EXPECT);
    assert_eq!(running.io.take().0, CONTINUE);
    running.send("hel");
    assert_eq!(running.io.take().0, "");
    running.send("lo");
    assert_eq!(running.io.take().0, ok("POST /e hello"));
    // It is there already.
    running.send(format!("{EXPECT}hello"));
    assert_eq!(running.io.take().0, ok("POST /e hello"));
    // Nobody asks; what comes next cannot be known.
    let mut running = start(|_| async { Ok(reply(Frames::sized("no"))) });
    assert_eq!(running.send(EXPECT), Some(End::Closed));
    assert_eq!(running.io.take().0, ok("no"));
}

#[test]
fn a_continue_that_does_not_go_at_once_goes_when_it_can() {
    let mut running = start(echo);
    running.io.make_room(3);
    running.send(EXPECT);
    assert_eq!(running.io.take().0, "HTT");
    running.io.make_room(usize::MAX);
    running.run();
    assert_eq!(running.io.take().0, &CONTINUE[3..]);
    running.send("hello");
    assert_eq!(running.io.take().0, ok("POST /e hello"));
}

#[test]
fn a_continue_that_does_not_go_at_once_goes_before_the_response() {
    let mut running = start(echo);
    running.io.make_room(3);
    running.send(EXPECT);
    running.send("hello");
    assert_eq!(running.io.take().0, "HTT");
    running.io.make_room(usize::MAX);
    running.run();
    assert_eq!(running.io.take().0, format!("{}{}", &CONTINUE[3..], ok("POST /e hello")));
}

#[test]
fn what_nobody_reads_of_a_body_is_no_request() {
    let unread = || start(|_| async { Ok(reply(Frames::sized("no"))) });
    for post in ["Content-Length: 5\r\n\r\nhello", "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"] {
        let post = format!("POST / HTTP/1.1\r\n{post}");
        // All of it is there.
        let mut running = unread();
        assert_eq!(running.send(format!("{post}{GET}")), None);
        assert_eq!(running.io.take().0, ok("no").repeat(2));
        // Not all of it.
        let mut running = unread();
        assert_eq!(running.send(&post[..post.len() - 1]), Some(End::Closed));
        assert_eq!(running.io.take().0, ok("no"));
    }
    let smuggled = format!("POST / HTTP/1.1\r\nContent-Length: 100000\r\n\r\n{}", GET.repeat(1000));
    let mut running = unread();
    assert_eq!(running.send(smuggled), Some(End::Closed));
    assert_eq!(running.io.take().0, ok("no"));
}

#[test]
fn a_body_that_fails_is_the_last_thing_read() {
    for chunks in ["x\r\n", "3\nabc", "3\r\nabcd", "ffffffffffffffff0\r\n", "0\r\nX\r\n\r\n"] {
        let mut running = start(echo);
        let sent = format!("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n{chunks}{GET}");
        assert_eq!(running.send(sent), Some(End::Closed), "{chunks:?}");
        assert_eq!(running.io.take().0, ok("bad_request_body"), "{chunks:?}");
    }
    for part in ["Content-Length: 5\r\n\r\nhell", "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n"] {
        let mut running = start(echo);
        running.send(format!("POST / HTTP/1.1\r\n{part}"));
        running.io.end();
        assert_eq!(running.run(), Some(End::Closed));
        assert_eq!(running.io.take().0, ok("client_gone"));
    }
}

#[test]
fn a_body_may_be_read_after_the_answer() {
    let kept = Rc::new(RefCell::new(None));
    let mut running = start(|(_, body)| {
        if body.is_some() {
            *kept.borrow_mut() = body;
        }
        async { Ok(reply(Frames::sized("early"))) }
    });
    assert_eq!(running.send(format!("POST / HTTP/1.1\r\nContent-Length: {}\r\n\r\n{GET}", GET.len() + 3)), None);
    assert_eq!(running.io.take().0, ok("early"));
    let mut body = kept.take().unwrap();
    let cx = &mut Context::from_waker(Waker::noop());
    // It looks like a request, and is not taken for one.
    assert!(matches!(body.poll_data(cx), Poll::Ready(Some(Ok(data))) if data == GET));
    assert_eq!((running.run(), body.left()), (None, Some(3)));
    running.io.send(format!("abc{GET}"));
    assert_eq!(running.run(), None);
    assert!(matches!(body.poll_data(cx), Poll::Ready(Some(Ok(data))) if data.as_ref() == b"abc"));
    drop(body);
    assert_eq!(running.run(), None);
    assert_eq!(running.io.take().0, ok("early"));
}

/// It has ended, but who read it has not let go of it yet.
#[test]
fn a_body_of_before_has_nothing_to_do_with_the_present_one() {
    let kept = Rc::new(RefCell::new(Vec::new()));
    let mut running = start(|(_, body)| {
        kept.borrow_mut().extend(body);
        async { Ok(reply(Frames::sized("early"))) }
    });
    let cx = &mut Context::from_waker(Waker::noop());
    let post = "POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\n";
    running.send(format!("{post}first{post}"));
    let mut first: Body<Io> = kept.borrow_mut().pop().unwrap();
    assert!(matches!(first.poll_data(cx), Poll::Ready(Some(Ok(data))) if data == "first"));
    assert_eq!(running.run(), None);
    let mut second: Body<Io> = kept.borrow_mut().pop().unwrap();
    assert!(first.has_ended() && first.left().is_none() && !second.has_ended());
    running.io.send("sec");
    assert!(matches!(first.poll_data(cx), Poll::Ready(None)));
    drop(first);
    // Nobody but its reader takes anything of it.
    assert_eq!(running.send("on"), None);
    assert!(matches!(second.poll_data(cx), Poll::Ready(Some(Ok(data))) if data == "sec"));
    assert_eq!(running.run(), None);
    assert!(matches!(second.poll_data(cx), Poll::Ready(Some(Ok(data))) if data == "on"));
    assert_eq!(running.send(GET), None);
    assert_eq!(running.io.take().0, ok("early").repeat(3));
}

#[test]
fn a_body_that_is_read_after_an_answer_which_broke_off_has_ended() {
    let kept = Rc::new(RefCell::new(None));
    let mut running = start(|(_, body)| {
        *kept.borrow_mut() = body;
        async { Ok(reply(Frames { size: Some(9), ..Frames::of(&["early"]) })) }
    });
    assert_eq!(running.send("POST / HTTP/1.1\r\nContent-Length: 8\r\n\r\nbody"), Some(End::Closed));
    let mut body = kept.take().unwrap();
    running.io.send("more");
    let cx = &mut Context::from_waker(Waker::noop());
    assert!(matches!(body.poll_data(cx), Poll::Ready(Some(Err(ProxyError::ClientGone)))));
}

#[test]
fn a_response_that_is_not_whole_ends_the_connection() {
    for (frames, want) in [
        (Frames { size: Some(5), ..Frames::of(&["one"]) }, "content-length: 5\r\n\r\none"),
        (
            Frames { frames: [Some(Ok(Frame::data("one".into()))), Some(Err(()))].into(), ..Frames::default() },
            "transfer-encoding: chunked\r\n\r\n3\r\none\r\n",
        ),
        (Frames { frames: [Some(Err(()))].into(), size: Some(5), ..Frames::default() }, "content-length: 5\r\n\r\n"),
    ] {
        let frames = RefCell::new(Some(frames));
        let mut running = start(|_| {
            let frames = frames.take().unwrap();
            async { Ok(reply(frames)) }
        });
        assert_eq!(running.send(format!("{GET}{GET}")), Some(End::Closed));
        assert_eq!(running.io.take().0, format!("HTTP/1.1 200 OK\r\n{want}"));
    }
    // Too long: what is more is not sent.
    let mut running = start(|_| async { Ok(reply(Frames { size: Some(4), ..Frames::of(&["one", "two"]) })) });
    assert_eq!(running.send(GET), None);
    assert_eq!(running.io.take().0, ok("onet"));
}

#[test]
fn whose_response_has_no_body() {
    let mut running = start(|(head, _)| async move {
        let status = if head.method == Method::GET { 204 } else { 200 };
        Ok(Response::builder().status(status).body(Frames::sized("unseen")).unwrap().into())
    });
    running.send(format!("HEAD / HTTP/1.1\r\n\r\n{GET}"));
    let want = "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n";
    assert_eq!(running.io.take().0, want);
}

#[test]
fn who_says_that_nothing_follows_is_not_lingered_for() {
    for (sent, end) in [
        ("GET / HTTP/1.1\r\nConnection: close\r\n\r\n", End::Finished),
        ("GET / HTTP/1.1\r\nConnection: close\r\n\r\nGET", End::Closed),
        ("POST / HTTP/1.1\r\nConnection: close\r\nContent-Length: 1\r\n\r\nx", End::Closed),
        ("GET / HTTP/1.1\r\nConnection: x\r\nBad\r\n\r\n", End::Closed),
    ] {
        assert_eq!(start(echo).send(sent), Some(end), "{sent}");
    }
}

#[test]
fn old_clients() {
    for (fields, last) in [("", true), ("Connection: keep-alive\r\n", false)] {
        let mut running = start(echo);
        let end = running.send(format!("GET / HTTP/1.0\r\n{fields}\r\n"));
        assert_eq!(end, last.then_some(End::Finished));
        let connection = if last { "close" } else { "keep-alive" };
        let want = format!("HTTP/1.0 200 OK\r\ncontent-length: 6\r\nconnection: {connection}\r\n\r\nGET / ");
        assert_eq!(running.io.take().0, want);
        let mut running = start(|_| async { Ok(reply(Frames::of(&["one", "two"]))) });
        let end = if last { End::Finished } else { End::Closed };
        assert_eq!(running.send(format!("GET / HTTP/1.0\r\n{fields}\r\n")), Some(end));
        assert_eq!(running.io.take().0, "HTTP/1.0 200 OK\r\nconnection: close\r\n\r\nonetwo");
    }
}

#[test]
fn trailers_for_those_who_take_them() {
    for (fields, trailers) in [("TE: trailers\r\n", "x-sum: 7\r\n"), ("", "")] {
        let mut running = start(|_| async {
            let mut trailers = HeaderMap::new();
            trailers.insert("x-sum", "7".parse().unwrap());
            let mut frames = Frames::of(&["one"]);
            frames.frames.push_back(Some(Ok(Frame::trailers(trailers))));
            Ok(Response::builder().header("trailer", "X-Sum").body(frames).unwrap().into())
        });
        assert_eq!(running.send(format!("GET / HTTP/1.1\r\n{fields}\r\n")), None);
        let head = "HTTP/1.1 200 OK\r\ntrailer: X-Sum\r\ntransfer-encoding: chunked\r\n\r\n";
        assert_eq!(running.io.take().0, format!("{head}3\r\none\r\n0\r\n{trailers}\r\n"));
    }
}

#[test]
fn a_connection_that_leaves_http() {
    let mut running = start(|_| async {
        let response = Response::builder().status(101).header("connection", "upgrade").header("upgrade", "x");
        Ok(response.body(Frames { knows_end: true, ..Frames::default() }).unwrap().into())
    });
    let end = running.send(format!("{GET}early"));
    assert_eq!(end, Some(End::Switched(Bytes::from_static(b"early"))));
    let want = "HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n";
    assert_eq!(running.io.take().0, want);
}

#[test]
fn no_part_of_a_buffer_is_lost() {
    // Bodies larger than any buffer, in pieces that fit nowhere.
    let body: Vec<u8> = (0..200_000u32).map(|n| (n % 251) as u8).collect();
    let mut sent = format!("POST / HTTP/1.1\r\nContent-Length: {}\r\n\r\n", body.len()).into_bytes();
    sent.extend_from_slice(&body);
    sent.extend_from_slice(GET.as_bytes());
    for size in [100, 4095, 4096, 4097, 30_000, 300_000] {
        let seen = RefCell::new(Vec::new());
        let mut running = start(|(_, body)| async {
            let read = read(body).await.unwrap();
            seen.borrow_mut().push(read);
            Ok(reply(Frames::sized("ok")))
        });
        sent.chunks(size).for_each(|piece| running.io.send(piece));
        assert_eq!(running.run(), None);
        assert_eq!(running.io.take().0, ok("ok").repeat(2), "{size}");
        assert_eq!(seen.borrow()[0].as_slice().chunk(), &body[..], "{size}");
    }
}
