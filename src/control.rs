//! The private socket that `seaway healthcheck` asks, and the state that it tells.

use std::os::unix::net::UnixListener as StdListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::io::AsyncWriteExt;
use tokio::net::UnixListener;

/// What Seaway is doing, for health checks and `/ping`.
#[derive(Debug, Default)]
pub(crate) struct Life {
    ready: AtomicBool,
    terminating: AtomicBool,
}

impl Life {
    /// The first snapshot of every provider is in force.
    pub(crate) fn set_ready(&self) {
        self.ready.store(true, Ordering::Release);
    }

    /// The stop signal has come.
    pub(crate) fn set_terminating(&self) {
        self.terminating.store(true, Ordering::Release);
    }

    /// True from the stop signal on.
    pub(crate) fn is_terminating(&self) -> bool {
        self.terminating.load(Ordering::Acquire)
    }

    /// One line: `ok`, or what is not.
    pub(crate) fn say(&self) -> &'static str {
        if self.is_terminating() {
            "terminating\n"
        } else if self.ready.load(Ordering::Acquire) {
            "ok\n"
        } else {
            "starting: no provider has given a snapshot yet\n"
        }
    }
}

/// The socket; its file is removed when this is dropped.
#[derive(Debug)]
pub(crate) struct Control {
    listener: StdListener,
    path: PathBuf,
}

impl Control {
    /// Listens at `path`. A file that an ended process left behind is replaced; one that somebody answers at is not.
    pub(crate) fn bind(path: &Path) -> std::io::Result<Self> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        if std::os::unix::net::UnixStream::connect(path).is_ok() {
            return Err(std::io::Error::new(std::io::ErrorKind::AddrInUse, "another Seaway answers there"));
        }
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = StdListener::bind(path)?;
        listener.set_nonblocking(true)?;
        Ok(Self { listener, path: path.to_owned() })
    }

    /// Answers everybody who connects, for ever.
    pub(crate) async fn serve(self, life: Arc<Life>) {
        let listener = match self.listener.try_clone().and_then(UnixListener::from_std) {
            Ok(listener) => listener,
            Err(error) => {
                tracing::warn!("seaway healthcheck will not work: {error}");
                return;
            }
        };
        loop {
            match listener.accept().await {
                Ok((mut stream, _)) => {
                    // Who asks and goes away before the answer has missed it, and nobody else.
                    let _gone = stream.write_all(life.say().as_bytes()).await;
                }
                Err(_) => tokio::time::sleep(std::time::Duration::from_millis(50)).await,
            }
        }
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        // It may be gone already, and after giving up root the folder may not be ours: the next start replaces it.
        let _left = std::fs::remove_file(&self.path);
    }
}
