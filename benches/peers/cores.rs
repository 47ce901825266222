//! Who runs on which core.
//!
//! The proxy has the last core for itself; servers and generator share the first one where there are two, and have one each
//! where there are more. So nobody takes time from the proxy, its work never moves to a cold cache, and of its processor time
//! nothing is spent on others. What this cannot show is a proxy that uses several cores; that is a workload of its own, in which
//! nobody is pinned.

use std::process::Command;

/// The cores that may be used, and who gets which.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cores {
    proxy: String,
    generator: String,
    backend: String,
    /// Everybody has a core. Otherwise the kernel decides who runs where.
    pub(crate) pinned: bool,
    pub(crate) count: usize,
}

impl Cores {
    /// Of this machine, as far as this process may use them; `unpinned`: nobody is bound to one.
    pub(crate) fn of_this_machine(unpinned: bool) -> Self {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let allowed = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
        let cores = Self::share(&list(allowed.unwrap_or("0").trim()));
        Self { pinned: cores.pinned && !unpinned, ..cores }
    }

    fn share(allowed: &[usize]) -> Self {
        let core = |n: usize| allowed.get(n).map_or_else(|| "0".to_owned(), ToString::to_string);
        let last = core(allowed.len().saturating_sub(1));
        let backend = if allowed.len() > 2 { core(1) } else { core(0) };
        Self { proxy: last, generator: core(0), backend, pinned: allowed.len() > 1, count: allowed.len() }
    }

    /// How it is arranged, in words.
    pub(crate) fn describe(&self) -> String {
        let Self { proxy, generator, backend, .. } = self;
        if !self.pinned {
            let count = self.count;
            format!(
                "proxies, servers and load generator bound to no core, on {count}: read no figure but processor time"
            )
        } else if generator == backend {
            format!("each proxy alone on core {proxy}, servers and load generator on core {generator}")
        } else {
            format!("each proxy alone on core {proxy}, servers on core {backend}, load generator on core {generator}")
        }
    }

    /// A proxy on its core, or `free` of any.
    pub(crate) fn proxy(&self, program: &str, free: bool) -> Command {
        self.command(program, &self.proxy, free)
    }

    /// A load generator on its core.
    pub(crate) fn generator(&self, program: &str) -> Command {
        self.command(program, &self.generator, false)
    }

    /// The servers on their core.
    pub(crate) fn backend(&self, program: &str) -> Command {
        self.command(program, &self.backend, false)
    }

    /// Told to end by the kernel when this program is killed; by util-linux, as the calls behind it are unsafe.
    fn command(&self, program: &str, core: &str, free: bool) -> Command {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "TERM", "--"]);
        if self.pinned && !free {
            command.args(["taskset", "-c", core]);
        }
        command.arg(program);
        command
    }
}

/// `0-2,5` as numbers.
fn list(text: &str) -> Vec<usize> {
    let ranges = text.split(',').filter_map(|part| {
        let (from, to) = part.split_once('-').unwrap_or((part, part));
        Some(from.trim().parse::<usize>().ok()?..=to.trim().parse::<usize>().ok()?)
    });
    ranges.flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cores_are_shared_by_what_there_is() {
        assert_eq!(list("0-2,5"), [0, 1, 2, 5]);
        let two = Cores::share(&[0, 1]);
        assert_eq!((two.proxy.as_str(), two.backend.as_str(), two.generator.as_str()), ("1", "0", "0"));
        let four = Cores::share(&[0, 1, 2, 5]);
        assert_eq!((four.proxy.as_str(), four.backend.as_str(), four.generator.as_str()), ("5", "1", "0"));
        assert!(!Cores::share(&[3]).pinned && two.pinned);
    }
}
