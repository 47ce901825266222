//! How many connections the machine lets this process have.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Open files that are no client's and no server's: logs, the engine, the control socket, the runtimes.
const OWN: u64 = 64;
/// Connections that are too few to be what anybody wants.
const FEW: u64 = 256;

/// Raises the limit on open files as far as it goes without a privilege; the limit in force.
pub(crate) fn raise_open_files() -> u64 {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return 1024 };
    if soft < hard && setrlimit(Resource::RLIMIT_NOFILE, hard, hard).is_ok() {
        return hard;
    }
    soft
}

/// How many client connections there may be at one time: as many as `asked`, or where that is zero, half of what the
/// limit on open files leaves, since each may need one to a server. Says so when that is little, or less than was asked.
pub(crate) fn connections(asked: u64, open_files: u64, listeners: usize) -> usize {
    let left = open_files.saturating_sub(OWN + listeners as u64).max(2);
    let half = left / 2;
    if asked == 0 && half < FEW {
        tracing::warn!(
            target: "seaway",
            "{open_files} open files are allowed: at most {half} client connections; a higher limit (ulimit -n) allows more"
        );
    }
    // Idle clients share connections to servers, so more than half can be right.
    if asked > left {
        tracing::warn!(
            target: "seaway",
            "seaway.maxConnections={asked}, but {open_files} open files are allowed: at most {left}; a higher limit \
             (ulimit -n) allows more"
        );
    }
    let most = if asked == 0 { half } else { asked.min(left) };
    usize::try_from(most).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::connections;

    #[test]
    fn each_client_may_need_a_server() {
        assert_eq!(connections(0, 1024, 2), 479);
        assert_eq!(connections(0, 1_048_576, 2), 524_255);
        assert_eq!(connections(100, 1024, 2), 100);
        assert_eq!(connections(900, 1024, 2), 900);
        assert_eq!(connections(5000, 1024, 2), 958);
        assert_eq!(connections(0, 20, 2), 1);
    }
}
