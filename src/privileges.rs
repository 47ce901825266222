//! Giving up root once everything that needs it is done.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use nix::unistd::{Gid, Uid, chown, geteuid, setgid, setgroups, setuid};

/// The user and group that nothing else on a machine uses.
const NOBODY_IN_PARTICULAR: (u32, u32) = (65532, 65532);

/// Becomes an ordinary user, in the group that may talk to the engine's socket. Listening sockets are bound already, so
/// nothing else needs root. Says what was done, or why it was not; the error is one of the option's form or the kernel's.
pub(crate) fn drop_root(user: &str, engine_socket: Option<&Path>, control_socket: &Path) -> Result<String, String> {
    if !geteuid().is_root() {
        return if user.is_empty() {
            Ok(format!("running as uid {}", geteuid()))
        } else {
            Err(format!("seaway.user={user} needs root to begin with; this process is uid {}", geteuid()))
        };
    }
    let (uid, gid) = if user.is_empty() { NOBODY_IN_PARTICULAR } else { parse(user)? };
    if uid == 0 {
        return Ok("running as root, as asked".to_owned());
    }
    let mut groups = Vec::new();
    if let Some(socket) = engine_socket {
        match std::fs::metadata(socket) {
            Ok(meta) if meta.permissions().mode() & 0o060 == 0o060 => groups.push(Gid::from_raw(meta.gid())),
            // 0 is what an absent mount looks like too: without the socket there is nothing that root could reach.
            Err(_) => {}
            Ok(_) if user.is_empty() => {
                return Ok(format!("staying root: only root may use {}", socket.display()));
            }
            Ok(_) => return Err(format!("{} can only be used by root, not by uid {uid}", socket.display())),
        }
    }
    // The process' own directory entry, so that it can be removed at the end.
    let owner = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
    if control_socket.exists() {
        chown(control_socket, owner.0, owner.1)
            .map_err(|e| format!("cannot give {} away: {e}", control_socket.display()))?;
    }
    setgroups(&groups).map_err(|e| format!("cannot leave root's groups: {e}"))?;
    setgid(Gid::from_raw(gid)).map_err(|e| format!("cannot become gid {gid}: {e}"))?;
    setuid(Uid::from_raw(uid)).map_err(|e| format!("cannot become uid {uid}: {e}"))?;
    Ok(match groups.first() {
        Some(group) => format!("gave up root: uid {uid}, with group {group} for the engine's socket"),
        None => format!("gave up root: uid {uid}"),
    })
}

/// `uid` or `uid:gid`, as numbers.
fn parse(user: &str) -> Result<(u32, u32), String> {
    let wrong = || format!("seaway.user={user}: expected uid or uid:gid as numbers, such as 65532:65532");
    let (uid, gid) = user.split_once(':').unwrap_or((user, user));
    Ok((uid.parse().map_err(|_| wrong())?, gid.parse().map_err(|_| wrong())?))
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn numbers_only() {
        assert_eq!(parse("1000"), Ok((1000, 1000)));
        assert_eq!(parse("1000:998"), Ok((1000, 998)));
        assert!(parse("nobody").is_err() && parse("1:x").is_err() && parse("-1").is_err());
    }
}
