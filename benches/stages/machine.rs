//! What besides the code decides about a count.

use std::process::Command;

/// Facts by name, in a fixed order.
pub(crate) type Facts = Vec<(String, String)>;

pub(crate) fn facts() -> Facts {
    let target = format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS);
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    // The C library's memory functions are chosen by these.
    let cpuinfo = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let flags = cpuinfo.lines().find(|line| line.starts_with("flags")).unwrap_or_default();
    let has = |flag: &str| flags.split_whitespace().any(|f| f == flag);
    let cpu: Vec<_> = ["avx2", "bmi2", "erms"].into_iter().filter(|flag| has(flag)).collect();
    [
        ("rustc", first_line(&rustc, &["--version"])),
        ("target", target),
        ("libc", first_line("getconf", &["GNU_LIBC_VERSION"])),
        ("processor", cpu.join(" ")),
        ("valgrind", first_line("valgrind", &["--version"])),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), if value.is_empty() { "unknown".to_owned() } else { value }))
    .collect()
}

fn first_line(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let text = output.map(|o| String::from_utf8_lossy(&o.stdout).into_owned()).unwrap_or_default();
    text.lines().next().unwrap_or_default().trim().to_owned()
}
