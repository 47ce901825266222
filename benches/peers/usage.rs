//! What a program and all that it started took of the processor and of memory, from `/proc`.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

/// `/proc/<pid>/stat` counts in these (`USER_HZ`, which is 100 on every Linux that Seaway runs on).
const TICK: Duration = Duration::from_millis(10);

/// A process, told from a later one with the same number by its start time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) pid: u32,
    started: u64,
}

impl Member {
    /// It still runs.
    pub(crate) fn is_alive(self) -> bool {
        read_stat(self.pid).is_some_and(|stat| stat.started == self.started && !stat.ended)
    }
}

/// A process and everything below it.
pub(crate) fn family(root: u32) -> Vec<Member> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let pid = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok());
        if let Some((pid, stat)) = pid.and_then(|pid| Some((pid, read_stat(pid)?))) {
            all.insert(pid, stat);
        }
    }
    let mut members = Vec::new();
    let mut next = vec![root];
    while let Some(pid) = next.pop() {
        let Some(stat) = all.get(&pid) else { continue };
        members.push(Member { pid, started: stat.started });
        next.extend(all.iter().filter(|(_, child)| child.parent == pid).map(|(pid, _)| *pid));
    }
    members
}

/// One reading.
#[derive(Clone, Debug, Default)]
pub(crate) struct Usage {
    /// Processor time in nanoseconds by process and thread.
    threads: BTreeMap<(u32, u32), u64>,
    /// The same in ticks by process, together with threads and children that have ended.
    ticks: u64,
    /// Resident memory in KiB, added up. Pages that two processes share count twice.
    pub(crate) memory: u64,
}

impl Usage {
    /// Of a process and everything below it, now.
    pub(crate) fn of(root: u32) -> Self {
        let mut usage = Self::default();
        for Member { pid, .. } in family(root) {
            for entry in fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten() {
                let thread = entry.file_name().to_str().and_then(|name| name.parse().ok());
                let text = fs::read_to_string(entry.path().join("schedstat")).unwrap_or_default();
                let nanos = text.split(' ').next().and_then(|field| field.parse().ok());
                if let (Some(thread), Some(nanos)) = (thread, nanos) {
                    usage.threads.insert((pid, thread), nanos);
                }
            }
            usage.ticks += read_stat(pid).map_or(0, |stat| stat.ticks);
            usage.memory += resident(pid).unwrap_or(0);
        }
        usage
    }

    /// Processor time, user and system, since an earlier reading.
    ///
    /// The kernel counts each thread's time in nanoseconds, and forgets it when the thread ends; its count of ticks
    /// includes those. So: nanoseconds, unless the ticks know of considerably more.
    pub(crate) fn since(&self, before: &Self) -> Duration {
        let nanos = self.threads.iter().map(|(key, now)| {
            let before = before.threads.get(key).copied().unwrap_or(0);
            now.saturating_sub(before)
        });
        let fine = Duration::from_nanos(nanos.sum());
        let ticks = u32::try_from(self.ticks.saturating_sub(before.ticks)).unwrap_or(u32::MAX);
        let coarse = TICK * ticks;
        let gone = before.threads.keys().any(|key| !self.threads.contains_key(key));
        if gone || coarse > fine + fine / 50 + 4 * TICK { coarse } else { fine }
    }
}

struct Stat {
    parent: u32,
    started: u64,
    ticks: u64,
    ended: bool,
}

fn read_stat(pid: u32) -> Option<Stat> {
    parse_stat(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// See `proc_pid_stat(5)`. The second field is a name that may have anything in it, spaces and brackets too.
fn parse_stat(text: &str) -> Option<Stat> {
    let fields: Vec<&str> = text.get(text.rfind(')')? + 2..)?.split(' ').collect();
    // `fields` begins with the third field.
    let field = |number: usize| fields.get(number - 3)?.trim().parse::<u64>().ok();
    Some(Stat {
        parent: u32::try_from(field(4)?).ok()?,
        started: field(22)?,
        ticks: field(14)? + field(15)? + field(16)? + field(17)?,
        ended: fields.first().is_some_and(|state| *state == "Z"),
    })
}

fn resident(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(threads: &[(u32, u64)], ticks: u64) -> Usage {
        Usage { threads: threads.iter().map(|(tid, ns)| ((1, *tid), *ns)).collect(), ticks, memory: 0 }
    }

    #[test]
    fn time_is_counted_in_nanoseconds_while_all_threads_live() {
        let spent = usage(&[(1, 2_000_000_000), (2, 500_000)], 201).since(&usage(&[(1, 1_000_000_000)], 100));
        assert_eq!(spent, Duration::from_nanos(1_000_500_000));
    }

    #[test]
    fn time_of_threads_and_children_that_ended_is_not_lost() {
        let before = usage(&[(1, 1_000_000_000), (2, 1_000_000_000)], 200);
        assert_eq!(usage(&[(1, 2_000_000_000)], 350).since(&before), Duration::from_millis(1500));
        // Born and gone between the two readings.
        let unseen = usage(&[(1, 1_000_000_000), (2, 1_000_000_000)], 300);
        assert_eq!(unseen.since(&before), Duration::from_secs(1));
    }

    #[test]
    fn a_name_with_brackets_and_spaces_moves_no_field() {
        let text = "42 (a ) b) S 7 1 1 0 -1 4194304 1 0 0 0 11 22 33 44 20 0 3 0 987 1 1 0\n";
        let stat = parse_stat(text).unwrap();
        assert_eq!((stat.parent, stat.started, stat.ticks, stat.ended), (7, 987, 110, false));
    }

    #[test]
    fn this_very_process_has_used_something() {
        let usage = Usage::of(std::process::id());
        assert!(usage.memory > 0 && !usage.threads.is_empty(), "{usage:?}");
        assert!(family(std::process::id()).first().is_some_and(|me| me.is_alive()));
    }
}
