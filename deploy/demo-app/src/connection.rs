//! Accepting connections, and the two ways of leaving.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, mpsc, watch};

use crate::routes;
use crate::state::App;
use crate::{Options, StopMode};

/// How long a connection that has not brought a request yet is read on after the stop.
const FIRST_REQUEST: Duration = Duration::from_secs(1);

/// Serves connections of `listener` until `shutdown` completes, then leaves as [`Options::stop`] says and returns.
///
/// An orders file that cannot be opened is reported on standard error; the instance then runs without it.
pub async fn serve(listener: TcpListener, options: Options, shutdown: impl Future<Output = ()>) {
    let (phase, phases) = watch::channel(Phase::Running);
    let (alive, mut all_gone) = mpsc::channel::<Infallible>(1);
    let stop = options.stop;
    let drain_limit = options.drain_limit;
    let app = Arc::new(App::new(options));
    let life = Life { phases, _alive: alive };

    let mut shutdown = pin!(shutdown);
    loop {
        tokio::select! {
            () = &mut shutdown => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => start(stream, peer, &app, &life),
                // Out of file descriptors, most likely: the connection stays in the queue, and trying again at once would spin.
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            },
        }
    }

    match stop {
        StopMode::Drain => {
            // What the kernel has already accepted may carry a request: closing the listener would reset it.
            while let Some(Ok((stream, peer))) = listener.accept().now_or_never() {
                start(stream, peer, &app, &life);
            }
            drop(listener);
            app.begin_stop();
            phase.send_replace(Phase::Draining);
            drop(life);
            if tokio::time::timeout(drain_limit, all_gone.recv()).await.is_err() {
                phase.send_replace(Phase::Cut);
                all_gone.recv().await;
            }
        }
        StopMode::Exit => {
            drop(listener);
            phase.send_replace(Phase::Cut);
            drop(life);
            all_gone.recv().await;
        }
    }
}

/// How far an instance is with leaving.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Running,
    Draining,
    Cut,
}

/// What every task of an instance holds: it hears of the stop, and the instance waits for it to be dropped.
#[derive(Clone)]
pub(crate) struct Life {
    phases: watch::Receiver<Phase>,
    _alive: mpsc::Sender<Infallible>,
}

impl Life {
    /// Completes once the instance is at least as far as `phase`.
    pub(crate) async fn reaches(&mut self, phase: Phase) {
        let there = |now: &Phase| *now == Phase::Cut || (*now == Phase::Draining && phase == Phase::Draining);
        // An error means that the instance itself is gone, which is as far as it gets.
        drop(self.phases.wait_for(there).await);
    }
}

fn start(stream: TcpStream, peer: SocketAddr, app: &Arc<App>, life: &Life) {
    // Without it small answers wait for the peer's acknowledgement; a connection that refuses is served all the same.
    drop(stream.set_nodelay(true));
    tokio::spawn(run(stream, peer, Arc::clone(app), life.clone()));
}

async fn run(stream: TcpStream, peer: SocketAddr, app: Arc<App>, life: Life) {
    let idle_grace = app.options.idle_grace;
    let first_request = Arc::new(Notify::new());
    let service = {
        let (life, first_request) = (life.clone(), Arc::clone(&first_request));
        service_fn(move |request| {
            first_request.notify_one();
            routes::answer(Arc::clone(&app), peer, life.clone(), request)
        })
    };
    let mut connection = pin!(http1::Builder::new().serve_connection(TokioIo::new(stream), service).with_upgrades());
    let (mut drain, mut cut) = (life.clone(), life);
    let cut = cut.reaches(Phase::Cut);
    tokio::select! {
        biased;
        () = cut => return,
        // A connection that ends with an error is the peer's affair: a proxy that went away, or a test that breaks off.
        _ended = connection.as_mut() => return,
        () = async {
            drain.reaches(Phase::Draining).await;
            tokio::time::sleep(idle_grace).await;
            // A connection that was only just made is not idle: what it was made for is on the way.
            let _came = tokio::time::timeout(FIRST_REQUEST, first_request.notified()).await;
        } => {}
    }
    connection.as_mut().graceful_shutdown();
    tokio::select! {
        biased;
        () = drain.reaches(Phase::Cut) => {}
        _ended = connection => {}
    }
}
