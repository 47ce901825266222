//! What the process is told by signals.

use std::io;

use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// All signals that mean something; from [`Signals::listen`] on none of them ends the process by itself.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    reopen: Signal,
    reload: Signal,
    unused: Signal,
}

/// What a signal says.
pub(crate) enum Told {
    /// End; the name of the signal.
    Stop(&'static str),
    /// Open the logs anew.
    Reopen,
    /// Read files anew.
    Reload,
    /// Nothing, but it would end a process that does not listen for it.
    Nothing,
}

impl Signals {
    /// Listens for them.
    pub(crate) fn listen(runtime: &Runtime) -> io::Result<Self> {
        let _inside = runtime.enter();
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            reopen: signal(SignalKind::user_defined1())?,
            reload: signal(SignalKind::hangup())?,
            unused: signal(SignalKind::user_defined2())?,
        })
    }

    /// Waits for the next one.
    pub(crate) async fn next(&mut self) -> Told {
        tokio::select! {
            name = stop(&mut self.terminate, &mut self.interrupt) => Told::Stop(name),
            _ = self.reopen.recv() => Told::Reopen,
            _ = self.reload.recv() => Told::Reload,
            _ = self.unused.recv() => Told::Nothing,
        }
    }

    /// Waits for the next one that says stop; its name.
    pub(crate) async fn stop(&mut self) -> &'static str {
        stop(&mut self.terminate, &mut self.interrupt).await
    }
}

async fn stop(terminate: &mut Signal, interrupt: &mut Signal) -> &'static str {
    tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
    }
}
