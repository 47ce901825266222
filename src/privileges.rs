//! Giving up root once everything that needs it is done.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use nix::unistd::{AccessFlags, Gid, Uid, access, chown, geteuid, setgid, setgroups, setuid};

/// The user and group that nothing else on a machine uses.
const NOBODY_IN_PARTICULAR: (u32, u32) = (65532, 65532);

/// What came of giving up root.
#[derive(Debug)]
pub(crate) enum Dropped {
    /// It is done, or was never to be done: why, in words.
    Done(String),
    /// The engine's socket is not there yet, so nobody knows which group may use it: ask again when it is.
    NotYet(String),
}

/// Becomes an ordinary user, in the group that may talk to the engine's socket. Listening sockets are bound already, so
/// nothing else needs root. `ours` are files and folders that go with us. The error is one of the option's form or the
/// kernel's.
pub(crate) fn drop_root(user: &str, engine_socket: Option<&Path>, ours: &[&Path]) -> Result<Dropped, String> {
    let (uid, gid) = if user.is_empty() { NOBODY_IN_PARTICULAR } else { parse(user)? };
    if !geteuid().is_root() {
        return if user.is_empty() || geteuid() == Uid::from_raw(uid) {
            Ok(Dropped::Done(format!("running as uid {}", geteuid())))
        } else {
            Err(format!("seaway.user={user} needs root to begin with; this process is uid {}", geteuid()))
        };
    }
    if uid == 0 {
        return Ok(Dropped::Done("running as root, as asked".to_owned()));
    }
    let mut groups = Vec::new();
    if let Some(socket) = engine_socket {
        match std::fs::metadata(socket) {
            Ok(meta) if meta.permissions().mode() & 0o060 == 0o060 => groups.push(Gid::from_raw(meta.gid())),
            Err(_) => {
                return Ok(Dropped::NotYet(format!("staying root until {} is there", socket.display())));
            }
            Ok(_) if user.is_empty() => {
                return Ok(Dropped::Done(format!("staying root: only root may use {}", socket.display())));
            }
            Ok(_) => return Err(format!("{} can only be used by root, not by uid {uid}", socket.display())),
        }
    }
    let ours: Vec<_> = ours.iter().filter(|path| path.exists()).collect();
    let missing = missing(&std::fs::read_to_string("/proc/self/status").unwrap_or_default(), !ours.is_empty());
    if user.is_empty() && !missing.is_empty() {
        let missing = missing.join(" and ");
        return Ok(Dropped::Done(format!(
            "staying root, with the few capabilities that it has: becoming another user needs {missing}"
        )));
    }
    for path in ours {
        chown(*path, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))
            .map_err(|e| format!("cannot give {} to uid {uid}: {e}", path.display()))?;
    }
    setgroups(&groups).map_err(|e| format!("cannot leave root's groups: {e}"))?;
    setgid(Gid::from_raw(gid)).map_err(|e| format!("cannot become gid {gid}: {e}"))?;
    setuid(Uid::from_raw(uid)).map_err(|e| format!("cannot become uid {uid}: {e}"))?;
    Ok(Dropped::Done(match groups.first() {
        Some(group) => format!("gave up root: uid {uid}, with group {group} for the engine's socket"),
        None => format!("gave up root: uid {uid}"),
    }))
}

/// The capabilities that are needed to become another user and that a process with this `/proc/self/status` lacks, as a
/// container does that was started with `--cap-drop ALL`. Where it does not say, nothing is known to be missing.
fn missing(status: &str, has_files: bool) -> Vec<&'static str> {
    let effective = status.lines().find_map(|line| u64::from_str_radix(line.strip_prefix("CapEff:")?.trim(), 16).ok());
    // Numbers of uapi/linux/capability.h.
    let needed = [("CAP_CHOWN", 0, has_files), ("CAP_SETGID", 6, true), ("CAP_SETUID", 7, true)];
    let lacks = |bit: u32| effective.is_some_and(|effective| effective >> bit & 1 == 0);
    needed.into_iter().filter(|(_, bit, needed)| *needed && lacks(*bit)).map(|(name, ..)| name).collect()
}

/// True when this process can make a file beside `path`: what rotating a log needs.
pub(crate) fn can_replace(path: &Path) -> bool {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    access(folder, AccessFlags::W_OK | AccessFlags::X_OK).is_ok()
}

/// `uid` or `uid:gid`, as numbers.
fn parse(user: &str) -> Result<(u32, u32), String> {
    let wrong = || format!("seaway.user={user}: expected uid or uid:gid as numbers, such as 65532:65532");
    let (uid, gid) = user.split_once(':').unwrap_or((user, user));
    Ok((uid.parse().map_err(|_| wrong())?, gid.parse().map_err(|_| wrong())?))
}

#[cfg(test)]
mod tests {
    use super::{missing, parse};

    #[test]
    fn root_without_capabilities_cannot_become_anybody() {
        let status = |caps: &str| format!("Name:\tseaway\nCapPrm:\tffffffffffffffff\nCapEff:\t{caps}\nSeccomp:\t2\n");
        assert_eq!(missing(&status("0000000000000000"), true), ["CAP_CHOWN", "CAP_SETGID", "CAP_SETUID"]);
        assert_eq!(missing(&status("0000000000000000"), false), ["CAP_SETGID", "CAP_SETUID"]);
        assert_eq!(missing(&status("0000000000000081"), true), ["CAP_SETGID"]);
        assert!(missing(&status("00000000a80425fb"), true).is_empty(), "what Docker gives by default is enough");
        assert!(missing("", true).is_empty());
    }

    #[test]
    fn numbers_only() {
        assert_eq!(parse("1000"), Ok((1000, 1000)));
        assert_eq!(parse("1000:998"), Ok((1000, 998)));
        assert!(parse("nobody").is_err() && parse("1:x").is_err() && parse("-1").is_err());
    }
}
