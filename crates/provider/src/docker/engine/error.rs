//! What can go wrong between us and the engine, in words that name the cause.

use std::fmt;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;
use std::time::Duration;

/// The kind of trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The endpoint or its TLS files are wrong; trying again does not help.
    Config,
    /// Nobody is there: no socket, refused, no such host.
    Unreachable,
    /// The socket is there and we may not use it.
    Denied,
    /// Somebody answers who is not a Docker Engine.
    NotDocker,
    /// The engine answered with this status.
    Status(u16),
    /// No answer within the time limit.
    Timeout,
    /// The connection broke, or the answer cannot be read.
    Talk,
}

/// A fault with its cause in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineError {
    /// The kind.
    pub fault: Fault,
    text: String,
}

impl EngineError {
    pub(in crate::docker) fn config(text: String) -> Self {
        Self { fault: Fault::Config, text }
    }

    pub(in crate::docker) fn not_docker(text: String) -> Self {
        Self { fault: Fault::NotDocker, text: format!("{text}: not a Docker Engine?") }
    }

    pub(in crate::docker) fn talk(text: String) -> Self {
        Self { fault: Fault::Talk, text }
    }

    pub(in crate::docker) fn timeout(what: &str, limit: Duration) -> Self {
        Self { fault: Fault::Timeout, text: format!("{what}: no answer within {limit:?}") }
    }

    pub(in crate::docker) fn status(what: &str, status: u16, message: &str) -> Self {
        let text = match status {
            401 => format!("{what}: 401, user name or password are refused"),
            403 => format!("{what}: 403 {message}; a socket proxy that does not allow this call?"),
            _ => format!("{what}: {status} {message}"),
        };
        Self { fault: Fault::Status(status), text }
    }

    /// Why a unix socket could not be connected to: the file system knows more than the error code.
    pub(super) fn unix(path: &Path, error: &io::Error) -> Self {
        let shown = path.display();
        let unreachable = |text: String| Self { fault: Fault::Unreachable, text };
        let metadata = match std::fs::metadata(path) {
            Ok(metadata) => metadata,
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                return unreachable(format!(
                    "{shown} does not exist: the engine is not running, or its socket is not mounted here"
                ));
            }
            Err(e) if e.kind() == io::ErrorKind::PermissionDenied => {
                let text = format!("{shown}: permission denied on the way to it ({})", own_ids());
                return Self { fault: Fault::Denied, text };
            }
            Err(_) => return unreachable(format!("{shown}: {error}")),
        };
        if metadata.is_dir() {
            return unreachable(format!(
                "{shown} is a directory: Docker makes one when the file that a mount names is not there; remove it and \
                 mount the engine's socket"
            ));
        }
        if !metadata.file_type().is_socket() {
            return unreachable(format!("{shown} is not a socket"));
        }
        match error.kind() {
            io::ErrorKind::PermissionDenied => Self {
                fault: Fault::Denied,
                text: format!(
                    "{shown}: permission denied: it belongs to uid {} gid {}, mode {:04o}, and Seaway is {}; add gid {} \
                     (compose: group_add)",
                    metadata.uid(),
                    metadata.gid(),
                    metadata.mode() & 0o7777,
                    own_ids(),
                    metadata.gid(),
                ),
            },
            io::ErrorKind::ConnectionRefused => unreachable(format!(
                "{shown}: refused, the file is there but nobody listens on it: the engine is down, or it was restarted and \
                 made a new socket while the old file stays mounted here (then restart Seaway, or mount the directory)"
            )),
            _ => unreachable(format!("{shown}: {error}")),
        }
    }

    pub(super) fn tcp(shown: &str, error: &io::Error) -> Self {
        Self { fault: Fault::Unreachable, text: format!("{shown}: cannot connect: {error}") }
    }
}

impl fmt::Display for EngineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for EngineError {}

/// `uid 65532 gid 65532 groups 65532 999`, from the kernel.
fn own_ids() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let field = |name: &str, nth: usize| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|line| line.split_whitespace().nth(nth)).unwrap_or("?").to_owned()
    };
    let groups: Vec<_> = status
        .lines()
        .find_map(|l| l.strip_prefix("Groups:"))
        .map(|l| l.split_whitespace().collect())
        .unwrap_or_default();
    // The second number is the effective one.
    format!("uid {} gid {} groups {}", field("Uid:", 1), field("Gid:", 1), groups.join(" "))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn refused(path: &Path, kind: io::ErrorKind) -> EngineError {
        EngineError::unix(path, &kind.into())
    }

    #[test]
    fn each_cause_has_its_words() {
        let dir = tempfile::tempdir().unwrap();
        let missing = dir.path().join("none.sock");
        assert!(refused(&missing, io::ErrorKind::NotFound).to_string().contains("does not exist"));
        assert!(refused(dir.path(), io::ErrorKind::ConnectionRefused).to_string().contains("is a directory"));
        let file = dir.path().join("file");
        std::fs::write(&file, "").unwrap();
        assert!(refused(&file, io::ErrorKind::ConnectionRefused).to_string().contains("is not a socket"));
        let socket = dir.path().join("socket");
        drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
        assert!(refused(&socket, io::ErrorKind::ConnectionRefused).to_string().contains("nobody listens"));
        let denied = refused(&socket, io::ErrorKind::PermissionDenied);
        assert_eq!(denied.fault, Fault::Denied);
        assert!(denied.to_string().contains("mode 0") && denied.to_string().contains("Seaway is uid "), "{denied}");
    }
}
