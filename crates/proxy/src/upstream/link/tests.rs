use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};

use super::*;

/// Sends a request of these bytes; the head of the response, or why there is none.
async fn request(link: &mut Link, bytes: &[u8]) -> Result<Head, NoHead> {
    link.begin(|out| out.extend_from_slice(bytes), RequestBody::Empty, false);
    head(link).await
}

async fn head(link: &mut Link) -> Result<Head, NoHead> {
    let mut interim = 0;
    std::future::poll_fn(|cx| link.poll_head(cx, &Method::POST, &mut interim)).await
}

/// The body, as far as it comes; whether it came to its end.
async fn body(link: &mut Link) -> (Vec<u8>, bool) {
    let mut all = Vec::new();
    loop {
        match std::future::poll_fn(|cx| link.poll_body(cx)).await {
            Some(Ok(frame)) => all.extend_from_slice(&frame.into_data().unwrap_or_default()),
            Some(Err(Cut)) => return (all, false),
            None => return (all, true),
        }
    }
}

async fn pair() -> (Lease, TcpStream) {
    pair_with(&Scratch::default()).await
}

async fn pair_with(scratch: &Scratch) -> (Lease, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (peer, _) = listener.accept().await.unwrap();
    (Link::new(stream, 1, Rc::clone(scratch)), peer)
}

/// A connection with one exchange behind it, and its other end.
async fn used() -> (Lease, TcpStream) {
    let (mut link, mut peer) = pair().await;
    peer.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await.unwrap();
    request(&mut link, b"request.").await.unwrap();
    assert_eq!(body(&mut link).await, (b"ok".to_vec(), true));
    assert!(link.answered() && !link.never_reached() && link.is_reusable());
    peer.read_exact(&mut [0; 8]).await.unwrap();
    link.rest();
    (link, peer)
}

/// Waits until the kernel has something to tell.
async fn told(link: &Link) {
    std::future::poll_fn(|cx| link.stream.socket().poll_read_ready(cx)).await.unwrap();
}

#[tokio::test]
async fn what_is_written_to_a_closed_connection_reached_nobody() {
    let (mut link, peer) = used().await;
    drop(peer);
    told(&link).await;
    assert!(!link.is_quiet());
    // The kernel takes the request and learns by a reset that nobody wanted it.
    assert_eq!(request(&mut link, b"POST").await.unwrap_err(), NoHead::Ended);
    assert!(link.never_reached() && !link.is_reusable());
}

#[tokio::test]
async fn what_was_read_before_the_end_may_have_been_done() {
    let (mut link, mut peer) = used().await;
    link.begin(|out| out.extend_from_slice(b"POST"), RequestBody::Empty, false);
    link.finish_sending().await;
    peer.read_exact(&mut [0; 4]).await.unwrap();
    drop(peer);
    assert_eq!(head(&mut link).await.unwrap_err(), NoHead::Ended);
    assert!(!link.never_reached() && !link.was_reset());
}

#[tokio::test]
async fn a_reset_proves_nothing_and_neither_does_what_the_kernel_says_after_it() {
    let (mut link, peer) = used().await;
    link.begin(|out| out.extend_from_slice(b"POST"), RequestBody::Empty, false);
    link.finish_sending().await;
    socket2::SockRef::from(&peer).set_linger(Some(std::time::Duration::ZERO)).unwrap();
    drop(peer);
    told(&link).await;
    // The reset is told once, to whoever asks first; then it is an end like any other.
    assert_eq!(head(&mut link).await.unwrap_err(), NoHead::Ended);
    assert_eq!(head(&mut link).await.unwrap_err(), NoHead::Ended);
    assert!(link.was_reset() && !link.never_reached());
}

#[tokio::test]
async fn nothing_written_is_proof_enough() {
    let (mut link, peer) = used().await;
    assert!(link.is_quiet() && link.is_alive());
    socket2::SockRef::from(&peer).set_linger(Some(std::time::Duration::ZERO)).unwrap();
    drop(peer);
    told(&link).await;
    assert!(!link.is_alive());
    assert_eq!(request(&mut link, b"POST").await.unwrap_err(), NoHead::Ended);
    assert!(link.never_reached() && !link.is_quiet());
}

#[tokio::test]
async fn an_answer_is_read_after_a_failed_write() {
    let (mut link, mut peer) = used().await;
    peer.write_all(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 5\r\n\r\nearly").await.unwrap();
    drop(peer);
    told(&link).await;
    for _ in 0..3 {
        link.begin(|out| out.extend_from_slice(b"body"), RequestBody::Empty, false);
        link.finish_sending().await;
        tokio::task::yield_now().await;
    }
    assert_eq!(head(&mut link).await.unwrap().status, 413);
    assert_eq!(body(&mut link).await, (b"early".to_vec(), true));
    assert!(link.answered() && !link.is_reusable());
}

#[tokio::test]
async fn the_same_response_wherever_it_is_cut() {
    let bytes =
        b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-A: 1\r\n\
        \r\n5\r\nhello\r\n3;x\r\n...\r\n0\r\nX-Sum: 8\r\n\r\n";
    for cut in 1..bytes.len() {
        let (mut link, mut peer) = pair().await;
        peer.set_nodelay(true).unwrap();
        peer.write_all(&bytes[..cut]).await.unwrap();
        link.begin(|out| out.extend_from_slice(b"GET"), RequestBody::Empty, false);
        told(&link).await;
        let mut interim = 0;
        let mut early = None;
        std::future::poll_fn(|cx| {
            if let Poll::Ready(head) = link.poll_head(cx, &Method::GET, &mut interim) {
                early = Some(head);
            }
            Poll::Ready(())
        })
        .await;
        peer.write_all(&bytes[cut..]).await.unwrap();
        let mut head = match early {
            Some(head) => head.unwrap(),
            None => std::future::poll_fn(|cx| link.poll_head(cx, &Method::GET, &mut interim)).await.unwrap(),
        };
        assert_eq!((head.status.as_u16(), head.fields.map()["x-a"].as_bytes()), (200, &b"1"[..]), "{cut}");
        assert_eq!(body(&mut link).await, (b"hello...".to_vec(), true), "{cut}");
        assert!(link.is_reusable(), "{cut}");
    }
}

#[tokio::test]
async fn what_comes_behind_a_response_spoils_the_connection() {
    let (mut link, mut peer) = pair().await;
    peer.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n\r\n").await.unwrap();
    request(&mut link, b"GET").await.unwrap();
    assert_eq!(body(&mut link).await, (b"ok".to_vec(), true));
    assert!(!link.is_reusable());
}

#[tokio::test]
async fn a_body_that_is_cut_is_told_of() {
    for bytes in ["Content-Length: 9\r\n\r\nshort", "Transfer-Encoding: chunked\r\n\r\n9\r\nshort"] {
        let (mut link, mut peer) = pair().await;
        peer.write_all(format!("HTTP/1.1 200 OK\r\n{bytes}").as_bytes()).await.unwrap();
        drop(peer);
        request(&mut link, b"GET").await.unwrap();
        assert_eq!(body(&mut link).await, (b"short".to_vec(), false));
        assert!(!link.is_reusable());
    }
}

#[tokio::test]
async fn interim_responses_have_a_bound() {
    let (mut link, mut peer) = pair().await;
    peer.write_all("HTTP/1.1 100 Continue\r\n\r\n".repeat(INTERIM as usize + 1).as_bytes()).await.unwrap();
    assert_eq!(request(&mut link, b"GET").await.unwrap_err(), NoHead::Bad);
}

#[tokio::test]
async fn a_stream_that_is_quiet_holds_nothing_of_what_was_read() {
    for head in ["HTTP/1.1 200 OK\r\nX-A: 1\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n"] {
        let scratch = Scratch::default();
        let (mut link, mut peer) = pair_with(&scratch).await;
        peer.write_all(head.as_bytes()).await.unwrap();
        let head = request(&mut link, b"GET").await.unwrap();
        drop(head);
        assert!(scratch.borrow_mut().try_reclaim(SCRATCH.0), "all of the buffer is free again");
    }
}

#[test]
fn what_is_written_piece_by_piece_does_not_pile_up() {
    let mut sending = Sending::default();
    let mut expected = 0;
    for _ in 0..1000 {
        sending.stage(Bytes::from(vec![b'x'; SMALL - 1]));
        expected += SMALL - 1;
        // Never all of it.
        let written = sending.out.len() - sending.at - 1;
        sending.advance(written);
        expected -= written;
        assert_eq!(sending.out.len() - sending.at, expected);
    }
    assert!(sending.out.len() < 4 * SMALL, "{}", sending.out.len());
}

#[tokio::test]
async fn a_server_that_takes_nothing_is_given_up() {
    let (mut link, _peer) = pair().await;
    limit_stall(link.stream.socket(), Duration::from_millis(300));
    link.begin(|out| out.resize(64 << 20, b'x'), RequestBody::Empty, false);
    tokio::time::timeout(Duration::from_secs(20), link.finish_sending()).await.unwrap();
    assert_eq!(head(&mut link).await.unwrap_err(), NoHead::Ended);
    assert!(!link.never_reached() && !link.is_reusable());
}

#[tokio::test]
async fn what_the_kernel_gave_up_may_have_arrived() {
    for error in [io::ErrorKind::TimedOut, io::ErrorKind::HostUnreachable, io::ErrorKind::ConnectionReset] {
        let (mut link, _peer) = used().await;
        link.begin(|out| out.extend_from_slice(b"POST"), RequestBody::Empty, false);
        link.finish_sending().await;
        link.note_error(error);
        // What it says from then on.
        link.note_end();
        link.note_error(io::ErrorKind::BrokenPipe);
        assert!(!link.ended && !link.never_reached(), "{error}");
    }
}

#[tokio::test]
async fn a_long_head_that_comes_in_small_pieces_is_looked_at_line_by_line() {
    let bytes = format!("HTTP/1.1 200 OK\r\nX-A: {}\r\nX-B: 1\r\nContent-Length: 0\r\n\r\n", "a".repeat(9000));
    let tries = (1..=bytes.len()).scan(0, |tried, len| {
        let again = is_worth_a_try(&bytes.as_bytes()[..len], *tried);
        *tried = if again { len } else { *tried };
        Some(usize::from(again))
    });
    assert_eq!(tries.sum::<usize>(), OFTEN + 4);
    assert!(is_worth_a_try(&vec![b'a'; response::LONGEST], response::LONGEST - 1));
    assert!(!is_worth_a_try(b"HTTP/1.1 200 OK", 15) && !is_worth_a_try(b"", 0));
    let (mut link, mut peer) = pair().await;
    peer.set_nodelay(true).unwrap();
    link.begin(|out| out.extend_from_slice(b"GET"), RequestBody::Empty, false);
    let slow = async {
        for piece in bytes.as_bytes().chunks(100) {
            peer.write_all(piece).await.unwrap();
            tokio::task::yield_now().await;
        }
    };
    let (head, ()) = tokio::join!(head(&mut link), slow);
    assert_eq!(head.unwrap().fields.map()["x-b"], "1");
}

#[tokio::test]
async fn an_idle_connection_keeps_no_large_buffer() {
    let (mut link, mut peer) = pair().await;
    peer.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
    request(&mut link, &vec![b'x'; 2 * KEPT]).await.unwrap();
    assert!(link.is_reusable());
    link.rest();
    assert!(link.sending.out.capacity() <= KEPT);
}
